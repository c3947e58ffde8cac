"""Data meet declarations: sizes are read off, shapes and values checked, labels made numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.column import Column, Records
from factorgraph.errors import DataError, did_you_mean
from factorgraph.model.expression import Apply, Const, DomainSize, Expr, SizeOf, show
from factorgraph.model.model import Given, IndexSet, Model, Unknown

Ints = NDArray[np.int64]
Vocabularies = dict[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Observed:
    """The states of one array of unknowns.

    Attributes
    ----------
    state : int32 [E], the state of each variable from 0, -1 where it is not observed.
    start : int64 [N + 1], variables by instance.
    shape : int64 [N, rank], extents by instance.
    """

    state: NDArray[np.int32]
    start: Ints
    shape: Ints


@dataclass(frozen=True, eq=False)
class Instances:
    """Data that fit a model.

    Attributes
    ----------
    sizes : int64 [N] for each size that belongs to the instance.
    givens : columns with labels as numbers from 0.
    unknowns : shapes of all unknowns and what is observed of them.
    weight : float64 [N], the weight of each instance in the objective.
    vocabularies : labels of the domains that the training data filled.
    """

    model: Model = field(repr=False)
    records: Records = field(repr=False)
    count: int
    sizes: dict[str, Ints]
    givens: dict[str, Column] = field(repr=False)
    unknowns: dict[str, Observed] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)
    vocabularies: Vocabularies = field(repr=False)
    first: int = 0

    def where(self, i: int) -> str:
        """Return the place of instance ``i`` in the data, for messages."""
        return self.records.where(self.first + int(i))

    def part(self, low: int, high: int) -> Instances:
        """Return the instances ``low .. high - 1``, as views."""

        def cut(start: Ints) -> tuple[slice, Ints]:
            return slice(start[low], start[high]), start[low : high + 1] - start[low]

        givens = {}
        for name, column in self.givens.items():
            where, start = cut(column.start)
            givens[name] = Column(name, column.values[where], start, column.shape[low:high])
        unknowns = {}
        for name, observed in self.unknowns.items():
            where, start = cut(observed.start)
            unknowns[name] = Observed(observed.state[where], start, observed.shape[low:high])
        return Instances(
            self.model,
            self.records,
            high - low,
            {name: size[low:high] for name, size in self.sizes.items()},
            givens,
            unknowns,
            self.weight[low:high],
            self.vocabularies,
            self.first + low,
        )

    @property
    def variables(self) -> Ints:
        """int64 [N]: how many unknowns each instance has."""
        total = np.zeros(self.count, np.int64)
        for observed in self.unknowns.values():
            total += np.diff(observed.start)
        return total


def wanted(model: Model) -> set[str]:
    """Return the names of the fields that a model may read from data."""
    return {*model.givens, *model.unknowns, *model.sizes, "weight"}


def fill(model: Model, records: Records) -> Vocabularies:
    """Return the labels of every domain that data fill, sorted.

    Raises
    ------
    DataError : where a domain occurs in no field of the data.
    """
    out: Vocabularies = {}
    for name, domain in model.domains.items():
        if not domain.from_data:
            continue
        found: set[str] = set()
        seen = False
        slots: list[Given | Unknown] = [*model.givens.values(), *model.unknowns.values()]
        for slot in slots:
            column = records.columns.get(slot.name)
            if slot.values is not None and slot.values.domain == name and column is not None:
                seen = True
                present = column.values
                if column.missing is not None:
                    present = present[~column.missing]
                found.update(str(v) for v in np.unique(present))
        if not seen or not found:
            raise DataError(
                f"{records.source}: no field gives the values of domain `{name}`",
                hint=f"list them in the model: `domain {name} = {{…}}`",
            )
        out[name] = tuple(sorted(found))
    return out


def bind(
    model: Model,
    records: Records,
    vocabularies: Mapping[str, tuple[str, ...]] | None = None,
    *,
    answers: bool = True,
) -> Instances:
    """Return data checked against a model's declarations.

    Parameters
    ----------
    records : data in the common form; fields that the model does not declare are ignored.
    vocabularies : labels of the domains that training filled; None fills them from these data.
    answers : whether observed answers are read (they never need be there at inference).

    Raises
    ------
    DataError : where a field is missing or does not fit, with the instance, field, what was
        expected and what was found.
    """
    words = dict(vocabularies) if vocabularies is not None else fill(model, records)
    return _Binder(model, records, words, answers).instances()


class _Binder:
    def __init__(
        self, model: Model, records: Records, vocabularies: Vocabularies, answers: bool
    ) -> None:
        self.model = model
        self.records = records
        self.words = vocabularies
        self.answers = answers
        self.sizes: dict[str, Ints] = {}
        self.origin: dict[str, str] = {}

    def instances(self) -> Instances:
        model, records = self.model, self.records
        givens = {name: self.column(g) for name, g in model.givens.items()}
        present = {
            name: records.columns[name]
            for name in model.answers
            if self.answers and name in records.columns
        }
        for name, column in givens.items():
            self.measure(model.givens[name], column)
        for name, column in present.items():
            self.measure(model.unknowns[name], column)
        for name, size in model.sizes.items():
            if size.value is None and name not in self.sizes:
                self.scalar_size(name)
        for name, column in givens.items():
            self.fits(model.givens[name], column)
        coded = {name: self.code(model.givens[name], column) for name, column in givens.items()}
        unknowns = {
            name: self.observe(unknown, present.get(name))
            for name, unknown in model.unknowns.items()
        }
        return Instances(
            model, records, records.count, self.sizes, coded, unknowns, self.weight(), self.words
        )

    # -- fields and sizes

    def column(self, given: Given) -> Column:
        column = self.records.columns.get(given.name)
        if column is None:
            raise DataError(
                f"{self.records.source}: there is no field `{given.name}`, a given of the model",
                code="E0301",
                hint=did_you_mean(given.name, self.records.columns)
                or f"the fields are: {', '.join(self.records.columns) or 'none'}",
            )
        if column.missing is not None:
            i = self.instance_of(column, int(np.flatnonzero(column.missing)[0]))
            raise DataError(
                f"{self.records.where(i)}: field `{given.name}` has a missing value; "
                "only answers may be missing",
                code="E0302",
            )
        return column

    def instance_of(self, column: Column, element: int) -> int:
        return int(np.searchsorted(column.start, element, side="right")) - 1

    def measure(self, slot: Given | Unknown, column: Column) -> None:
        """Read sizes off a field's shape."""
        if column.rank != len(slot.axes):
            raise DataError(
                f"{self.records.source}: field `{slot.name}` has {column.rank} axes an instance, "
                f"but is declared with {len(slot.axes)}: "
                f"{slot.name}{_axes(slot.axes)}",
                code="E0303",
            )
        for k, axis in enumerate(slot.axes):
            if not isinstance(axis.count, SizeOf):
                continue
            name, extents = axis.count.name, column.shape[:, k]
            if name not in self.sizes:
                self.sizes[name] = np.ascontiguousarray(extents)
                self.origin[name] = slot.name
            elif not np.array_equal(self.sizes[name], extents):
                i = int(np.flatnonzero(self.sizes[name] != extents)[0])
                raise DataError(
                    f"{self.records.where(i)}: `{name}` is {self.sizes[name][i]} in field "
                    f"`{self.origin[name]}`, but {extents[i]} in field `{slot.name}`",
                    code="E0304",
                )

    def scalar_size(self, name: str) -> None:
        """A size that occurs in no shape is a field of its own."""
        column = self.records.columns.get(name)
        if column is None or column.rank:
            raise DataError(
                f"{self.records.source}: nothing tells the size `{name}`",
                code="E0305",
                hint=f"add a field `{name}` with one whole number an instance",
            )
        values = column.values
        bad = np.zeros(len(values), np.bool_) if column.missing is None else column.missing.copy()
        if values.dtype.kind in "iu":
            bad |= values < 0
        elif values.dtype.kind == "f":
            bad |= values != np.floor(values)
        if bad.any() or values.dtype.kind not in "iu":
            raise DataError(
                f"{self.records.where(int(bad.argmax()))}: size `{name}` must be a whole number "
                "of at least 0",
                code="E0305",
            )
        self.sizes[name] = values.astype(np.int64)

    def extent(self, e: Expr) -> Ints | int:
        """Return an extent made of sizes, for every instance."""
        match e:
            case Const():
                return int(e.value)
            case SizeOf():
                return self.sizes[e.name]
            case DomainSize():
                return len(self.words[e.name])
            case Apply():
                parts = [self.extent(a) for a in e.arguments]
                match e.operator:
                    case "+":
                        return parts[0] + parts[1]
                    case "-":
                        return parts[0] - parts[1]
                    case "*":
                        return parts[0] * parts[1]
                    case "//":
                        return parts[0] // np.maximum(parts[1], 1)
        raise DataError(f"the extent `{show(e)}` cannot be computed from sizes", code="E0306")

    def fits(self, slot: Given | Unknown, column: Column) -> None:
        """Check the extents that are no plain sizes."""
        for k, axis in enumerate(slot.axes):
            expected = np.broadcast_to(self.extent(axis.count), self.records.count)
            found = column.shape[:, k]
            if not np.array_equal(expected, found):
                i = int(np.flatnonzero(expected != found)[0])
                raise DataError(
                    f"{self.records.where(i)}: axis {k + 1} of field `{slot.name}` has extent "
                    f"{found[i]}, but `{axis.name}` is {expected[i]}",
                    code="E0304",
                )

    # -- values

    def code(self, slot: Given | Unknown, column: Column) -> Column:
        """Return the column with labels as numbers, its values checked."""
        values, sort = column.values, slot.kind.sort
        numeric = values.dtype.kind in "biuf"
        if sort == "label":
            assert slot.values is not None and slot.values.domain is not None
            return self.recode(slot, column, slot.values.domain)
        if (sort == "text") == numeric:
            expected = "a text" if sort == "text" else "a number"
            raise DataError(
                f"{self.records.source}: field `{slot.name}` must be {expected}, "
                f"but holds {'numbers' if numeric else 'texts'}",
                code="E0307",
            )
        if sort == "text":
            return column
        if sort == "real":
            if values.dtype.kind == "f":
                self.refuse(column, ~np.isfinite(values), "is not finite")
            elif values.dtype != np.uint8:
                values = values.astype(np.float64)
            return Column(column.name, values, column.start, column.shape, column.missing)
        if values.dtype.kind == "f":
            whole = (np.abs(values) <= 2**53) & (values == np.floor(values))
            self.refuse(column, ~whole, "is no whole number")
        values = values.astype(np.int64)
        if slot.values is not None:
            low = slot.values.low
            count = np.repeat(
                np.broadcast_to(self.extent(slot.values.count), self.records.count),
                np.diff(column.start),
            )
            bad = (values < low) | (values >= low + count)
            if column.missing is not None:
                bad &= ~column.missing
            self.refuse(column, bad, f"is outside `{slot.values.name}`")
        return Column(column.name, values, column.start, column.shape, column.missing)

    def refuse(self, column: Column, bad: NDArray[np.bool_], what: str) -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            i = self.instance_of(column, at)
            raise DataError(
                f"{self.records.where(i)}: field `{column.name}`, item {at - column.start[i]}: "
                f"{column.values[at]} {what}",
                code="E0308",
            )

    def recode(self, slot: Given | Unknown, column: Column, domain: str) -> Column:
        labels = np.array(self.model.labels(domain, self.words), dtype=np.str_)
        values = column.values
        if values.dtype.kind != "U":
            if values.dtype.kind not in "iu":
                raise DataError(
                    f"{self.records.source}: field `{slot.name}` must hold values of `{domain}`, "
                    f"but holds {values.dtype}",
                    code="E0307",
                )
            values = values.astype(np.str_)
        order = np.argsort(labels)
        place = np.minimum(np.searchsorted(labels[order], values), len(labels) - 1)
        codes = order[place]
        wrong = labels[codes] != values
        if column.missing is not None:
            wrong &= ~column.missing
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            i = self.instance_of(column, at)
            value = str(values[at])
            raise DataError(
                f"{self.records.where(i)}: field `{slot.name}`, item {at - column.start[i]}: "
                f'"{value}" is no value of `{domain}`',
                code="E0309",
                hint=did_you_mean(value, [str(x) for x in labels])
                or ("training has not seen it" if self.model.domains[domain].from_data else None),
            )
        return Column(
            column.name, codes.astype(np.int64), column.start, column.shape, column.missing
        )

    def observe(self, unknown: Unknown, column: Column | None) -> Observed:
        """Return the shape of an array of unknowns, and what the data say of it."""
        rank = len(unknown.axes)
        if column is None:
            shape = np.empty((self.records.count, rank), np.int64)
            for k, axis in enumerate(unknown.axes):
                shape[:, k] = self.extent(axis.count)
            if (shape < 0).any():
                i = int(np.flatnonzero((shape < 0).any(axis=1))[0])
                raise DataError(
                    f"{self.records.where(i)}: `{unknown.name}` has a negative extent", code="E0306"
                )
            count = float(shape.astype(np.float64).prod(axis=1).sum())
            budget.require(16 * int(count), f"`{unknown.name}`, {count:.3g} unknowns")
            start = np.concatenate(([0], np.cumsum(shape.prod(axis=1))))
            return Observed(np.full(start[-1], -1, np.int32), start, shape)
        self.fits(unknown, column)
        coded = self.code(unknown, column)
        state = (coded.values - unknown.values.low).astype(np.int32)
        if column.missing is not None:
            state[column.missing] = -1
        return Observed(state, column.start, column.shape)

    def weight(self) -> NDArray[np.float64]:
        column = self.records.columns.get("weight")
        declared = "weight" in self.model.givens or "weight" in self.model.unknowns
        if column is None or declared:
            return np.ones(self.records.count)
        if column.rank or column.values.dtype.kind not in "iuf" or column.missing is not None:
            raise DataError(
                f"{self.records.source}: `weight` must be one number an instance", code="E0310"
            )
        values = column.values.astype(np.float64)
        self.refuse(column, ~(np.isfinite(values) & (values >= 0)), "is no weight")
        return values


def _axes(axes: tuple[IndexSet, ...]) -> str:
    return f"[{', '.join(a.name for a in axes)}]" if axes else ""
