"""Values of a field, checked against their declaration: labels become numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.column import Column, Records, Values, listed
from factorgraph.data.dtype import MISSING
from factorgraph.data.flatten import place
from factorgraph.data.instances import Ints, Vocabularies
from factorgraph.errors import DataError, did_you_mean
from factorgraph.model.expression import Expr
from factorgraph.model.model import Given, IndexSet, Model, RecordField, Unknown

Slot = Given | Unknown


class Coder:
    """Checks and codes values.

    Parameters
    ----------
    extent : gives a number made of sizes, for every instance.
    skip_unknown : labels that training has not seen mark their instance instead of failing.

    Attributes
    ----------
    unseen : bool [N], instances with such labels; None where there are none.
    rows : by slot, the axis along which rows of different length lie end to end, and how long
        they are.
    """

    def __init__(
        self,
        model: Model,
        records: Records,
        words: Vocabularies,
        extent: Callable[[Expr], Ints | int],
        skip_unknown: bool,
    ) -> None:
        self.model = model
        self.records = records
        self.words = words
        self.extent = extent
        self.skip_unknown = skip_unknown
        self.unseen: NDArray[np.bool_] | None = None
        self.rows: dict[str, tuple[int, Column]] = {}

    def instance_of(self, column: Column, element: int) -> int:
        if column.shared:
            return 0
        return int(np.searchsorted(column.start, element, side="right")) - 1

    def where(self, column: Column, element: int = 0) -> str:
        """Return the place of the instance that owns an element, for messages."""
        if column.shared or not len(column.shape):
            return "the shared data" if column.shared else self.records.source
        owner = self.instance_of(column, element) if len(column.values) else 0
        return self.records.where(owner)

    def place(self, column: Column, element: int) -> str:
        """Return the place of an element, for messages."""
        owner = self.instance_of(column, element)
        item = element - int(column.start[owner])
        shape = tuple(column.shape[owner].tolist())
        axis, rows = self.rows.get(column.name.partition(".")[0], (0, None))
        lengths = None if rows is None else rows.instance(owner).tolist()
        field = f"{self.where(column, element)}: field `{column.name}`"
        if len(shape) + (rows is not None) > 1:
            return field + place(item, shape, lengths, axis)
        return f"{field}, item {item}" if shape else field

    def refuse(self, column: Column, bad: NDArray[np.bool_], what: str, hint: str = "") -> None:
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{self.place(column, at)}: {column.values[at]} {what}",
                code="E0308",
                hint=hint or None,
            )

    def numbers(self, column: Column) -> Values:
        """Return a column's values, read as numbers where the source holds nothing but texts."""
        values = column.values
        if values.dtype.kind != "U" or not getattr(self.records, "as_text", False):
            return values
        if column.missing is not None:
            values = np.where(column.missing, "0", values)
        for dtype in (np.int64, np.float64):
            try:
                return values.astype(dtype)
            except (ValueError, OverflowError):
                continue
        for at, text in enumerate(values.tolist()):
            try:
                float(text)
            except ValueError:
                raise DataError(
                    f'{self.place(column, at)}: "{text}" is no number', code="E0307"
                ) from None
        raise AssertionError

    def code(self, slot: Slot, column: Column, field: RecordField | None = None) -> Column:
        """Return the column with labels as numbers, its values checked."""
        kind = slot.kind if field is None else field.kind
        allowed = slot.values if field is None else field.values
        name = slot.name if field is None else f"{slot.name}.{field.name}"
        column = replace(column, name=name)
        if isinstance(slot, Given) and column.missing is not None:
            column = self.whole(column, kind.sort, allowed)
        if kind.sort == "label":
            assert allowed is not None and allowed.domain is not None
            return self.recode(column, allowed.domain)
        values = column.values if kind.sort == "text" else self.numbers(column)
        numeric = values.dtype.kind in "biuf"
        if not numeric and column.missing is not None and column.missing.all():
            values = np.zeros(len(values))  # nothing but `null`, of which a source makes texts
            numeric = kind.sort != "text"
        if (kind.sort == "text") == numeric and len(values):
            expected = "a text" if kind.sort == "text" else "a number"
            raise DataError(
                f"{self.where(column)}: field `{name}` must be {expected}, but holds "
                f"{'numbers' if numeric else 'texts'}",
                code="E0307",
            )
        column = replace(column, values=values)
        if kind.sort == "text":
            return column if not numeric else replace(column, values=values.astype(np.str_))
        if not len(values) and not numeric:
            column = replace(column, values=np.zeros(0))
            values = column.values
        present = np.ones(len(values), bool) if column.missing is None else ~column.missing
        if kind.sort == "real":
            return self.real(slot, column, present)
        if values.dtype.kind == "f":
            whole = (np.abs(values) <= 2**53) & (values == np.floor(values))
            grey = "grey values are no bits: binarize them (`--binarize 0.5`)"
            hint = grey if kind.sort == "bit" else ""
            self.refuse(column, ~whole & present, "is no whole number", hint)
            values = np.where(present, values, 0)
        values = values.astype(np.int64)
        if allowed is not None:
            self.within(column, values, allowed, present)
        return replace(column, values=values)

    def whole(self, column: Column, sort: str, allowed: IndexSet | None) -> Column:
        """Return a given with its texts as they stand, or refuse what is missing in it."""
        assert column.missing is not None
        gaps = column.missing
        if sort == "text" and self.records.as_text:
            gaps = np.zeros_like(gaps)
        elif sort == "text" or (sort == "label" and MISSING in self.listed(allowed)):
            gaps = gaps & (column.values != MISSING)
        if gaps.any():
            at = int(gaps.argmax())
            written = sort == "label" and column.values[at] == MISSING
            raise DataError(
                f"{self.place(column, at)} is missing; only answers may be missing",
                code="E0302",
                hint=f"`{MISSING}` is a value only where a text is declared, or a domain that "
                "lists it" if written else None,
            )  # fmt: skip
        return replace(column, missing=None)

    def listed(self, allowed: IndexSet | None) -> tuple[str, ...]:
        """Return the labels of a domain that the model lists."""
        if allowed is None or allowed.domain is None:
            return ()
        return self.model.domains[allowed.domain].values or ()

    def real(self, slot: Slot, column: Column, present: NDArray[np.bool_]) -> Column:
        values = column.values
        if values.dtype.kind == "f":
            self.refuse(column, ~np.isfinite(values) & present, "is not finite")
        elif values.dtype != np.uint8:
            values = values.astype(np.float64)
        if isinstance(slot, Unknown) and (slot.low > -np.inf or slot.high < np.inf):
            outside = (values < slot.low) | (values > slot.high)
            self.refuse(column, outside & present, f"is outside {slot.low:g} to {slot.high:g}")
        return replace(column, values=values)

    def within(
        self, column: Column, values: Values, allowed: IndexSet, present: NDArray[np.bool_]
    ) -> None:
        """Refuse whole numbers outside of a set."""
        count: Ints | int = self.extent(allowed.count)
        if not isinstance(count, int) and column.shared:
            count = int(count[0])
        elif not isinstance(count, int):
            owner = np.repeat(np.arange(len(column.shape)), np.diff(column.start))
            count = count[owner]
        bad = (values < allowed.low) | (values >= allowed.low + count)
        self.refuse(column, bad & present, f"is outside `{allowed.name}`")

    def recode(self, column: Column, domain: str) -> Column:
        labels = np.array(self.model.labels(domain, self.words), dtype=np.str_)
        values = column.values
        if values.dtype.kind != "U":
            if values.dtype.kind not in "iu":
                raise DataError(
                    f"{self.where(column)}: field `{column.name}` must hold values of `{domain}`, "
                    f"but holds {values.dtype}",
                    code="E0307",
                )
            values = values.astype(np.str_)
        order = np.argsort(labels)
        place = np.minimum(np.searchsorted(labels[order], values), len(labels) - 1)
        codes = order[place] if len(labels) else np.zeros(len(values), np.int64)
        wrong = labels[codes] != values if len(labels) else np.ones(len(values), bool)
        if column.missing is not None:
            wrong &= ~column.missing
        if wrong.any():
            from_data = self.model.domains[domain].from_data
            if self.skip_unknown and from_data:
                if self.unseen is None:
                    self.unseen = np.zeros(self.records.count, np.bool_)
                owner = np.repeat(np.arange(len(column.shape)), np.diff(column.start))
                self.unseen[owner[wrong]] = True
            else:
                at = int(np.flatnonzero(wrong)[0])
                value = str(values[at])
                hint = did_you_mean(value, [str(x) for x in labels])
                if from_data:
                    hint = f"{hint or ''} training has not seen it".strip()
                elif hint is None:
                    hint = f"its values are {listed([str(x) for x in labels])}"
                raise DataError(
                    f'{self.place(column, at)}: "{value}" is no value of `{domain}`',
                    code="E0309",
                    hint=hint,
                )
        return replace(column, values=codes.astype(np.int64))
