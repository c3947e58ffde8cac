"""Data meet declarations: sizes are read off, shapes and values checked, labels made numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.coding import Coder
from factorgraph.data.column import Column, Records, listed, shared_column
from factorgraph.data.fill import fill
from factorgraph.data.instances import Instances, Ints, Observed, Vocabularies
from factorgraph.data.shared import Sparse
from factorgraph.errors import DataError, did_you_mean, some
from factorgraph.model.expression import Apply, Const, DomainSize, Expr, GivenRead, SizeOf, show
from factorgraph.model.model import Given, IndexSet, Model, RecordField, Unknown

_KINDS = {"U": "texts", "b": "truth values"}  # of columns by the kind of their type

Shared = Mapping[str, "NDArray[np.generic] | Sparse"]


def wanted(model: Model) -> set[str]:
    """Return the names of the fields that a model may read from data."""
    return {*model.givens, *model.unknowns, *model.sizes, "weight"}


def bind(
    model: Model,
    records: Records,
    vocabularies: Mapping[str, tuple[str, ...]] | None = None,
    *,
    answers: bool | Collection[str] = True,
    latents: bool = False,
    shared: Shared | None = None,
    skip_unknown: bool = False,
) -> Instances:
    """Return data checked against a model's declarations.

    Parameters
    ----------
    records : data in the common form; fields that the model does not declare are ignored.
    vocabularies : labels of the domains that training filled; None fills them from these data.
    answers : whether observed answers are read (they never need be there at inference), or the
        names of unknowns that are, which must then be there.
    latents : whether values of latent unknowns are read, for the energy of a configuration.
    shared : givens that all instances share.
    skip_unknown : instances with labels that training has not seen are left out and counted.

    Raises
    ------
    DataError : where a field is missing or does not fit, with the instance, field, what was
        expected and what was found.
    """
    words = dict(vocabularies) if vocabularies is not None else fill(model, records)
    binder = _Binder(model, records, words, answers, latents, shared or {}, skip_unknown)
    instances = binder.instances()
    bad = binder.coder.unseen
    if bad is None or not bad.any():
        return instances
    if bad.all():
        return replace(instances.part(0, 0), skipped=len(bad))
    kept = records.take(np.flatnonzero(~bad))
    binder = _Binder(model, kept, words, answers, latents, shared or {}, False)
    return replace(binder.instances(), skipped=int(bad.sum()))


class _Binder:
    def __init__(
        self,
        model: Model,
        records: Records,
        vocabularies: Vocabularies,
        answers: bool | Collection[str],
        latents: bool,
        shared: Shared,
        skip_unknown: bool,
    ) -> None:
        self.model = model
        self.records = records
        self.words = vocabularies
        self.required = () if isinstance(answers, bool) else answers
        read = (model.answers if answers else ()) if isinstance(answers, bool) else answers
        self.observed = {*read, *(model.latents if latents else ())}
        self.shared = self.named(shared)
        self.coder = Coder(model, records, vocabularies, self.extent, skip_unknown)
        self.sizes: dict[str, Ints] = {}
        self.origin: dict[str, str] = {}
        self.told: dict[str, NDArray[np.bool_]] = {}
        self.lengths: dict[str, Column] = {}
        self.sparse: dict[str, Sparse] = {}

    def named(self, shared: Shared) -> dict[str, NDArray[np.generic] | Sparse]:
        """Give a nameless matrix to the one given with two axes that the data lack."""
        out = dict(shared)
        if "" in out:
            lacking = [
                g.name for g in self.model.givens.values()
                if len(g.axes) == 2 and g.name not in self.records.columns and g.name not in out
            ]  # fmt: skip
            if len(lacking) != 1:
                raise DataError(
                    "the shared matrix has no name, and "
                    + (f"several givens lack data: {', '.join(lacking)}" if lacking
                       else "no given with two axes lacks data"),
                    code="E0315",
                    hint="say --with NAME=FILE",
                )  # fmt: skip
            out[lacking[0]] = out.pop("")
        for name in out:
            base = name.partition(".")[0]
            if base not in self.model.givens and name not in self.model.sizes:
                raise DataError(
                    f"the shared data hold `{name}`, which is no given of the model",
                    code="E0315",
                    hint=did_you_mean(name, self.model.givens),
                )
        return out

    def instances(self) -> Instances:
        model, records = self.model, self.records
        found: dict[str, dict[str, Column]] = {}
        for name, given in model.givens.items():
            matrix = self.shared.get(name)
            if isinstance(matrix, Sparse):
                self.sparse[name] = self.checked_sparse(given, matrix)
            else:
                found[name] = self.fields(given)
        for name, unknown in model.unknowns.items():
            if name in self.observed:
                columns = self.fields(unknown)
                if columns:
                    found[name] = columns
                elif name in self.required:
                    raise DataError(
                        f"{records.top}: there is no field `{name}` to be clamped",
                        code="E0301",
                        hint=records.hint(name, wanted(model)),
                    )
        slots: dict[str, Given | Unknown] = {**model.givens, **model.unknowns}
        for name, columns in found.items():
            if slots[name].kind.sort != "sequence":
                for column in columns.values():
                    self.measure(slots[name], column)
        for name, lengths in self.lengths.items():
            over = model.sizes[name].over
            if over is not None and isinstance(over.count, SizeOf):
                self.agree(over.count.name, lengths.shape[:, 0], self.origin[name])
        for name, size in model.sizes.items():
            if size.over is not None:
                self.ragged_size(name)
            elif size.value is None and name not in self.sizes:
                self.scalar_size(name)
        for name, columns in found.items():
            if slots[name].kind.sort != "sequence":
                for column in columns.values():
                    self.fits(slots[name], column)
        givens: dict[str, Column] = {}
        for name, given in model.givens.items():
            if name not in found:
                continue
            if not given.fields:
                givens[name] = self.coder.code(given, found[name][""])
            for field in given.fields:
                key = f"{name}.{field.name}"
                givens[key] = self.coder.code(given, found[name][field.name], field)
        unknowns = {
            name: self.observe(unknown, found.get(name, {}))
            for name, unknown in model.unknowns.items()
        }
        rows = {name: _starts(column) for name, column in self.lengths.items()}
        return Instances(
            model,
            records,
            records.count,
            self.sizes,
            givens | self.lengths,
            rows,
            self.sparse,
            unknowns,
            self.weight(),
            self.words,
        )

    # -- fields

    def fields(self, slot: Given | Unknown) -> dict[str, Column]:
        """Return the columns of a slot: under "" or by field; none for what is not observed."""
        if not slot.fields:
            column = self.column(slot, slot.name)
            if column is None:
                return {}
            lengths = self.column(slot, f"{slot.name}.lengths", required=False)
            return {"": self.merged(slot, column, lengths)}
        sequence = slot.kind.sort == "sequence"
        columns = self.records_of(slot, sequence)
        if sequence:
            return columns
        lengths = self.column(slot, f"{slot.name}.lengths", required=False)
        return {name: self.merged(slot, column, lengths) for name, column in columns.items()}

    def records_of(self, slot: Given | Unknown, sequence: bool) -> dict[str, Column]:
        """Return a column for each field of a record, or of a sequence's elements."""
        whole = self.column(slot, slot.name, required=False)
        rank = len(slot.axes) + sequence
        if f"{slot.name}.lengths" in self.records.columns and not sequence:
            rank -= any(_is_ragged(axis) for axis in slot.axes)
        if whole is not None:
            if whole.rank == rank + 1:
                return self.split(slot, whole)
            if not len(whole.values) and (whole.rank == rank or not sequence):
                # nothing but empty lists: they do not tell how long their records would be
                return {f.name: replace(whole, name=f"{slot.name}.{f.name}") for f in slot.fields}
            if sequence and whole.rank == rank:
                # one value an element: the label, or where there is none the arc
                return {slot.fields[-1].name: whole}
            raise DataError(
                f"{self.coder.where(whole)}: field `{slot.name}` has {some(whole.rank, 'axis')} "
                f"an instance, but its records make {rank + 1}",
                code="E0303",
                hint=f"a record is a list [{', '.join(f.name for f in slot.fields)}] or an object",
            )
        out = {}
        for k, field in enumerate(slot.fields):
            column = self.column(slot, f"{slot.name}.{field.name}", required=False)
            if column is None:
                column = self.column(slot, f"{slot.name}.{k}", required=False)
            if column is not None:
                out[field.name] = column
        if len(out) < len(slot.fields) and (isinstance(slot, Given) or (out and not sequence)):
            lost = next(f.name for f in slot.fields if f.name not in out)
            if not out:
                self.column(slot, slot.name)
            raise DataError(
                f"{self.records.top}: field `{slot.name}` lacks `{lost}`",
                code="E0301",
                hint=f"a record is a list [{', '.join(f.name for f in slot.fields)}] or an object",
            )
        return out

    def split(self, slot: Given | Unknown, whole: Column) -> dict[str, Column]:
        """Return the fields of records that are tuples."""
        count = len(slot.fields)
        bad = np.flatnonzero((whole.shape[:, -1] != count) & (whole.shape[:, :-1] > 0).all(axis=1))
        if len(bad):
            raise DataError(
                f"{self.records.where(int(bad[0]))}: field `{slot.name}` has records of "
                f"{some(whole.shape[bad[0], -1], 'value')}, but its fields are "
                f"{', '.join(f.name for f in slot.fields)}",
                code="E0304",
            )
        missing = whole.missing
        return {
            field.name: replace(
                whole,
                name=f"{slot.name}.{field.name}",
                values=whole.values[k::count],
                start=whole.start // count,
                shape=whole.shape[:, :-1],
                missing=None if missing is None else missing[k::count],
            )
            for k, field in enumerate(slot.fields)
        }

    def column(self, slot: Given | Unknown, name: str, required: bool = True) -> Column | None:
        dense = self.shared.get(name)
        if dense is not None and name in self.records.columns:
            raise DataError(
                f"field `{name}` is both in {self.records.source} and in the shared data",
                code="E0315",
                hint="give it once: in each instance, or for all with --with",
            )
        if dense is not None and not isinstance(dense, Sparse):
            return shared_column(name, dense, self.records.count)
        column = self.records.columns.get(name)
        if column is None:
            if name == slot.name and not slot.fields:
                self.refuse_parts(name)
            if isinstance(slot, Unknown) or not required:
                return None
            raise DataError(
                f"{self.records.top}: there is no field `{name}`, a given of the model",
                code="E0301",
                hint=self.records.hint(name, wanted(self.model)),
            )
        return column

    def refuse_parts(self, name: str) -> None:
        """Refuse records in place of single values."""
        parts = {
            key.removeprefix(f"{name}."): column
            for key, column in self.records.columns.items()
            if key.startswith(f"{name}.") and not key.endswith(".lengths")
        }
        if not parts:
            return
        where = self.coder.where(next(iter(parts.values())))
        kinds = sorted({_KINDS.get(c.values.dtype.kind, "numbers") for c in parts.values()})
        if len(kinds) > 1 and list(parts) == [str(k) for k in range(len(parts))]:
            raise DataError(
                f"{where}: field `{name}` mixes {' and '.join(kinds)} in its lists", code="E0307"
            )
        named = listed([f"`{part}`" for part in parts])
        raise DataError(
            f"{where}: field `{name}` holds objects with {named}, but is declared without fields",
            code="E0307",
            hint=f"a record is declared with its fields: `{name} : (a: real, b: int)`",
        )

    # -- ragged arrays

    def repeated(self, lengths: Column) -> Column:
        """Return the lengths of rows that all instances share, once for each."""
        count, size = self.records.count, len(lengths.values)
        budget.require(9 * count * size, f"field `{lengths.name}`")
        start = np.arange(count + 1, dtype=np.int64) * size
        return replace(lengths, values=np.tile(lengths.values, count), start=start, shared=False)

    def merged(self, slot: Given | Unknown, column: Column, lengths: Column | None) -> Column:
        """Return a ragged array with its rows laid end to end, and note how long they are."""
        at = next((k for k, a in enumerate(slot.axes) if _is_ragged(a)), None)
        rank = len(slot.axes) - (at is not None and lengths is not None)
        if column.rank < rank and not len(column.values) and (column.shape == 0).any(axis=1).all():
            # empty lists do not tell how deep they are
            more = np.zeros((self.records.count, rank - column.rank), np.int64)
            column = replace(column, shape=np.hstack((column.shape, more)))
        if at is None:
            return column
        name = slot.axes[at].name
        if lengths is not None and lengths.shared:
            lengths = self.repeated(lengths)
        if lengths is None:
            if column.rank != len(slot.axes):
                raise self.rank_error(slot, column)
            shape = column.shape
            count, length = shape[:, at - 1], shape[:, at]
            values = np.repeat(length, count)
            start = np.concatenate(([0], np.cumsum(count)))
            lengths = Column(name, values, start, count[:, None])
            flat = np.delete(shape, at, axis=1)
            flat[:, at - 1] = count * length
            column = replace(column, shape=flat)
        elif not _counts(lengths):
            raise DataError(
                f"{self.coder.where(lengths)}: `{slot.name}.lengths` must be a list of whole "
                "numbers an instance",
                code="E0305",
            )
        else:
            total = np.zeros(self.records.count, np.int64)
            owner = np.repeat(np.arange(self.records.count), np.diff(lengths.start))
            np.add.at(total, owner, lengths.values)
            if column.rank != len(slot.axes) - 1:
                raise self.rank_error(slot, column)
            bad = (total != column.shape[:, at - 1]) | (
                np.minimum.reduceat(np.append(lengths.values, 0), lengths.start[:-1]) < 0
                if len(lengths.values) else np.zeros(len(total), bool)
            )  # fmt: skip
            if bad.any():
                i = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{self.records.where(i)}: the rows of `{slot.name}` have "
                    f"{some(total[i], 'item')} by their lengths, "
                    f"but {column.shape[i, at - 1]} are there",
                    code="E0304",
                )
        self.coder.rows[slot.name] = (at - 1, lengths)
        known = self.lengths.get(name)
        if known is None:
            self.lengths[name] = lengths
            self.origin[name] = slot.name
        elif not (
            np.array_equal(known.values, lengths.values)
            and np.array_equal(known.start, lengths.start)
        ):
            raise DataError(
                f"{self.records.where(_differ(known, lengths))}: the rows of `{slot.name}` and "
                f"`{self.origin[name]}` differ in length, but both are `{name}`",
                code="E0304",
            )
        return column

    def ragged_size(self, name: str) -> None:
        """Check the rows' lengths against the axis that they stand on, or read them as a field."""
        over = self.model.sizes[name].over
        assert over is not None
        if name not in self.lengths:
            column = self.records.columns.get(name)
            if column is None or not _counts(column):
                raise DataError(
                    f"{self.records.top if column is None else self.coder.where(column)}: "
                    f"nothing tells the size `{name}` of each row",
                    code="E0305",
                    hint=self.near(name)
                    or f"add a field `{name}` with a whole number for each row",
                )
            self.lengths[name] = column
            self.origin[name] = name
        lengths = self.lengths[name]
        if isinstance(over.count, SizeOf) and over.count.name not in self.sizes:
            self.sizes[over.count.name] = np.ascontiguousarray(lengths.shape[:, 0])
        expected = np.broadcast_to(self.extent(over.count), self.records.count)
        if not np.array_equal(expected, lengths.shape[:, 0]):
            i = int(np.flatnonzero(expected != lengths.shape[:, 0])[0])
            raise DataError(
                f"{self.records.where(i)}: `{over.name}` is {expected[i]}, but "
                f"`{self.origin[name]}` has {some(lengths.shape[i, 0], 'row')}",
                code="E0304",
            )

    # -- sizes

    def near(self, name: str) -> str | None:
        """Return a hint that names a field that may have been meant."""
        free = [field for field in self.records.fields if field not in wanted(self.model)]
        return did_you_mean(name, free)

    def rank_error(self, slot: Given | Unknown, column: Column) -> DataError:
        if f"{slot.name}.lengths" in self.records.columns:
            lengths = self.records.columns[f"{slot.name}.lengths"]
            uneven = (len(np.unique(lengths.instance(i))) > 1 for i in range(self.records.count))
            i = next((i for i, differ in enumerate(uneven) if differ), 0)
            return DataError(
                f"{self.records.where(i)}: the rows of field `{slot.name}` differ in length, but "
                f"it is declared as {slot.name}{_axes(slot.axes)}",
                code="E0303",
                hint="rows of different length need a size of their own: `size n, c[n]`",
            )
        return DataError(
            f"{self.coder.where(column)}: field `{slot.name}` has {some(column.rank, 'axis')} "
            f"an instance, but is declared with {len(slot.axes)}: {slot.name}{_axes(slot.axes)}",
            code="E0303",
        )

    def plain(self, slot: Given | Unknown) -> list[IndexSet | None]:
        """Return what each axis of a slot's column runs over; None where rows lie end to end."""
        out: list[IndexSet | None] = []
        for axis in slot.axes:
            if _is_ragged(axis):
                out[-1] = None
            else:
                out.append(axis)
        return out

    def measure(self, slot: Given | Unknown, column: Column) -> None:
        """Read sizes off a field's shape."""
        axes = self.plain(slot)
        if column.rank != len(axes):
            raise self.rank_error(slot, column)
        for k, axis in enumerate(axes):
            if axis is None or not isinstance(axis.count, SizeOf):
                continue
            self.agree(axis.count.name, np.asarray(column.shape[:, k]), slot.name, _told(column, k))

    def agree(
        self, name: str, extents: Ints, where: str, told: NDArray[np.bool_] | None = None
    ) -> None:
        """Note a size, or refuse one that differs from what is known.

        Parameters
        ----------
        told : where the extents say something; an axis within an empty one does not.
        """
        if told is None:
            told = np.ones(len(extents), np.bool_)
        if name not in self.sizes:
            self.sizes[name] = np.array(extents)
            self.origin[name] = where
            self.told[name] = told
            return
        known = self.told[name]
        if ((self.sizes[name] != extents) & known & told).any():
            i = int(np.flatnonzero((self.sizes[name] != extents) & known & told)[0])
            raise DataError(
                f"{self.records.where(i)}: `{name}` is {self.sizes[name][i]} in field "
                f"`{self.origin[name]}`, but {extents[i]} in field `{where}`",
                code="E0304",
            )
        self.sizes[name] = np.where(known, self.sizes[name], extents)
        self.told[name] = known | told

    def checked_sparse(self, given: Given, matrix: Sparse) -> Sparse:
        """Check a sparse matrix's shape and values against its declaration."""
        if len(given.axes) != 2 or given.fields:
            raise DataError(
                f"`{given.name}` has {some(len(given.axes), 'axis')}, "
                "but the shared matrix has two",
                code="E0303",
            )
        for axis, extent in zip(given.axes, matrix.shape, strict=True):
            if isinstance(axis.count, SizeOf):
                self.agree(axis.count.name, np.full(self.records.count, extent), given.name)
            elif isinstance(axis.count, Const) and axis.count.value != extent:
                raise DataError(
                    f"`{given.name}` has extent {extent} where `{axis.name}` is {axis.count.value}",
                    code="E0304",
                )
        if given.kind.sort == "bit" and not np.isin(matrix.data, (0, 1)).all():
            raise DataError(f"`{given.name}` holds numbers other than 0 and 1", code="E0308")
        if given.kind.sort in ("label", "text"):
            raise DataError(
                f"`{given.name}` is {given.kind}, but the shared matrix holds numbers",
                code="E0307",
            )
        return matrix

    def scalar_size(self, name: str) -> None:
        """A size that occurs in no shape is a field of its own."""
        dense = self.shared.get(name)
        column = self.records.columns.get(name)
        if dense is not None and not isinstance(dense, Sparse):
            column = shared_column(name, dense, self.records.count)
        if column is None or column.rank:
            raise DataError(
                f"{self.records.top if column is None else self.coder.where(column)}: "
                f"nothing tells the size `{name}`",
                code="E0305",
                hint=self.near(name) or f"add a field `{name}` with one whole number an instance",
            )
        values = self.coder.numbers(column)[column.start[:-1]]
        bad = np.zeros(len(values), np.bool_)
        if column.missing is not None:
            bad |= column.missing
        if values.dtype.kind in "iu":
            bad |= values < 0
        elif values.dtype.kind == "f":
            bad |= (values != np.floor(values)) | (values < 0) | (np.abs(values) > 2**53)
        if bad.any() or values.dtype.kind not in "iuf":
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
        for k, axis in enumerate(self.plain(slot)):
            if axis is None:
                continue
            expected = np.broadcast_to(self.extent(axis.count), self.records.count)
            found = column.shape[:, k]
            wrong = (expected != found) & _told(column, k)
            if wrong.any():
                i = int(np.flatnonzero(wrong)[0])
                self.refuse_lost_column(slot, column, k, int(expected[i]), axis)
                raise DataError(
                    f"{self.records.where(i)}: axis {k + 1} of field `{slot.name}` has extent "
                    f"{found[i]}, but `{axis.name}` is {expected[i]}",
                    code="E0304",
                )

    def refuse_lost_column(
        self, slot: Given | Unknown, column: Column, k: int, expected: int, axis: IndexSet
    ) -> None:
        """Refuse a table without some of the columns that are an array's elements."""
        indices = self.records.spread.get(slot.name, 0)
        found = column.shape[0, column.rank - indices :].tolist()
        at = k - (column.rank - indices)
        if at < 0 or found[at] >= expected:
            return
        lost = [0] * indices
        lost[at] = found[at]
        last = [extent - 1 for extent in found]
        raise DataError(
            f"{self.records.source}: there is no column `{slot.name}{_index(lost)}`, "
            f"but `{axis.name}` is {expected}",
            code="E0304",
            hint=f"the columns of `{slot.name}` end with `{slot.name}{_index(last)}`",
        )

    # -- unknowns

    def observe(self, unknown: Unknown, columns: dict[str, Column]) -> Observed:
        """Return the shape of an array of unknowns, and what the data say of it."""
        if unknown.sequence is not None:
            return self.observe_sequence(unknown, columns)
        if not columns:
            return self.nothing(unknown)
        if not unknown.fields and unknown.values is not None:
            coded = self.coder.code(unknown, columns[""])
            state = (coded.values - unknown.values.low).astype(np.int32)
            if coded.missing is not None:
                state[coded.missing] = -1
            return Observed(state, coded.start, coded.shape, {}, _open(coded))
        fields: list[tuple[str, RecordField | None]] = [(f.name, f) for f in unknown.fields]
        values = {
            name: self.coder.code(unknown, columns[name], field)
            for name, field in fields or [("", None)]
        }
        first = next(iter(values.values()))
        open_ = np.logical_or.reduce([_open(column) for column in values.values()])
        return Observed(np.zeros(0, np.int32), first.start, first.shape, values, open_)

    def nothing(self, unknown: Unknown) -> Observed:
        """Return an array of unknowns of which the data say nothing."""
        axes = unknown.axes
        at = next((k for k, a in enumerate(axes) if _is_ragged(a)), None)
        shape = np.empty((self.records.count, len(self.plain(unknown))), np.int64)
        place = 0
        for k, axis in enumerate(axes):
            if k == at:
                lengths = self.lengths[axis.name]
                owner = np.repeat(np.arange(self.records.count), np.diff(lengths.start))
                total = np.zeros(self.records.count, np.int64)
                np.add.at(total, owner, lengths.values)
                shape[:, place - 1] = total
                continue
            shape[:, place] = self.extent(axis.count)
            place += 1
        if (shape < 0).any():
            i = int(np.flatnonzero((shape < 0).any(axis=1))[0])
            raise DataError(
                f"{self.records.where(i)}: `{unknown.name}` has a negative extent", code="E0306"
            )
        count = float(shape.astype(np.float64).prod(axis=1).sum())
        # its state here, and what a graph keeps of each variable
        budget.require(40 * int(count), f"`{unknown.name}`, {count:.3g} unknowns")
        sizes = shape.prod(axis=1)
        start = np.concatenate(([0], np.cumsum(sizes)))
        if unknown.values is not None:
            state = np.full(start[-1], -1, np.int32)
            return Observed(state, start, shape, {}, sizes > 0)
        missing = np.ones(start[-1], np.bool_)
        values = {
            name: Column(name, np.zeros(start[-1]), start, shape, missing)
            for name in ([f.name for f in unknown.fields] or [""])
        }
        return Observed(np.zeros(0, np.int32), start, shape, values, sizes > 0)

    def observe_sequence(self, unknown: Unknown, columns: dict[str, Column]) -> Observed:
        """Return the elements of a sequence, each field as far as the data give it."""
        count = self.records.count
        if not columns:
            start, shape = np.zeros(count + 1, np.int64), np.zeros((count, 1), np.int64)
            return Observed(np.zeros(0, np.int32), start, shape, {}, np.ones(count, np.bool_))
        values = {}
        for field in unknown.fields:
            column = columns.get(field.name)
            if column is None:
                continue
            if column.rank != 1:
                raise DataError(
                    f"{self.coder.where(column)}: field `{unknown.name}` must be a list of "
                    f"elements ({', '.join(f.name for f in unknown.fields)})",
                    code="E0303",
                )
            values[field.name] = self.coder.code(unknown, column, field)
        first = next(iter(values.values()))
        for column in values.values():
            if not np.array_equal(column.start, first.start):
                raise DataError(
                    f"{self.records.where(_differ(first, column))}: the fields of "
                    f"`{unknown.name}` differ in length",
                    code="E0304",
                )
        open_ = np.full(count, len(values) < len(unknown.fields))
        for column in values.values():
            open_ |= _open(column)
        return Observed(np.zeros(0, np.int32), first.start, first.shape, values, open_)

    def weight(self) -> NDArray[np.float64]:
        column = self.records.columns.get("weight")
        declared = "weight" in self.model.givens or "weight" in self.model.unknowns
        if column is None or declared:
            return np.ones(self.records.count)
        values = self.coder.numbers(column)
        if column.rank or values.dtype.kind not in "iuf" or column.missing is not None:
            lost = 0 if column.missing is None or column.rank else int(column.missing.argmax())
            raise DataError(
                f"{self.coder.where(column, lost)}: `weight` must be one number an instance",
                code="E0310",
            )
        values = values.astype(np.float64)
        self.coder.refuse(column, ~(np.isfinite(values) & (values >= 0)), "is no weight")
        return values


def _index(places: list[int]) -> str:
    return f"[{','.join(map(str, places))}]"


def _counts(column: Column) -> bool:
    """Return whether a column is a list of whole numbers in each instance."""
    return column.rank == 1 and column.values.dtype.kind in "iu" and column.missing is None


def _differ(one: Column, other: Column) -> int:
    """Return the first instance in which two columns of lists differ."""
    pairs = (np.array_equal(one.instance(i), other.instance(i)) for i in range(len(one.shape)))
    return next((i for i, same in enumerate(pairs) if not same), 0)


def _open(column: Column) -> NDArray[np.bool_]:
    """Return, for each instance, whether a value of it is missing."""
    out = np.zeros(len(column.shape), np.bool_)
    if column.missing is not None:
        owner = np.repeat(np.arange(len(out)), np.diff(column.start))
        out[owner[column.missing]] = True
    return out


def _told(column: Column, axis: int) -> NDArray[np.bool_]:
    """Return, for each instance, whether lists tell the extent of an axis: those that hold some."""
    return np.asarray((column.shape[:, :axis] > 0).all(axis=1), np.bool_)


def _starts(lengths: Column) -> Column:
    """Return where each row starts, counted from its instance's first item."""
    ends = np.cumsum(lengths.values, dtype=np.int64)
    begin = ends - lengths.values
    owner = np.repeat(np.arange(len(lengths.shape)), np.diff(lengths.start))
    first = np.concatenate((begin, [0]))[np.minimum(lengths.start[:-1], len(begin))]
    return replace(lengths, values=begin - first[owner])


def _is_ragged(axis: IndexSet) -> bool:
    return isinstance(axis.count, GivenRead) and not axis.count.indices


def _axes(axes: tuple[IndexSet, ...]) -> str:
    return f"[{', '.join(a.name for a in axes)}]" if axes else ""
