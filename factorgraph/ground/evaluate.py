"""Expressions over data, evaluated for many rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.program import Place
from factorgraph.data.column import Column
from factorgraph.data.instances import Instances
from factorgraph.data.shared import Sparse
from factorgraph.errors import DataError, NumericalError
from factorgraph.ground import texts
from factorgraph.ground.coded import Coded, code, join
from factorgraph.ground.rows import BLOCK, Rows, expand, nonzeros
from factorgraph.model.arrays import integer, plus
from factorgraph.model.expression import (
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    MapRead,
    ParamRead,
    Read,
    Reduce,
    SizeOf,
    Spelling,
    UnknownRead,
    Variable,
    fixed_value,
    free_variables,
    is_whole,
    show,
)
from factorgraph.model.model import MapDeclaration
from factorgraph.model.reads import is_ragged

if TYPE_CHECKING:
    from factorgraph.ground.calls import Calls
    from factorgraph.maps.layer import Layer

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Point:
    """A configuration and weights: what an expression needs to be a number.

    Attributes
    ----------
    values : a column for each array of unknowns, for records and sequences by field:
        ``name.field``.
    weights : float64 arrays by name, in their declared shapes.
    maps : for each map, its layer and its weights.
    """

    values: dict[str, Column]
    weights: dict[str, NDArray[np.float64]]
    maps: dict[str, tuple[Layer, dict[str, NDArray[np.float64]]]]


class Evaluator:
    """Evaluates expressions at many rows.

    Parameters
    ----------
    instances : bound data.
    what : the statement at work, for messages: "factor `emit`".
    computed : lets that are computed once an instance.
    point : needed for expressions that read unknowns or params.
    calls : numbers the inputs of maps; needed for places in their outputs.
    """

    def __init__(
        self,
        instances: Instances,
        what: str,
        computed: dict[str, Column],
        point: Point | None = None,
        calls: Calls | None = None,
    ) -> None:
        self.instances = instances
        self.what = what
        self.computed = computed
        self.point = point
        self.calls = calls
        self.rows = 0
        self.known: Mapping[Expr, Coded] = {}
        self.columns: dict[int, Coded] = {}

    def __call__(self, e: Expr, rows: Rows) -> Array:
        """Return the value of an expression at every row: int64, float64, bool or text [n].

        Raises
        ------
        DataError : where an index leaves its array, naming the statement and the instance.
        """
        match e:
            case Const():
                return np.full(rows.count, self._constant(e))
            case SizeOf():
                return self.instances.sizes[e.name][rows.instance]
            case DomainSize():
                return np.full(rows.count, len(self.instances.vocabularies[e.name]))
            case Variable():
                return rows.index[e]
            case GivenRead(name=name) if name in self.instances.sparse:
                return self.sparse(e, self.instances.sparse[name], rows)
            case GivenRead():
                return self.read(e, self.instances.givens[e.name], rows)
            case LetRead():
                return self.read(e, self.computed[e.name], rows)
            case Reduce():
                return self.reduce(e, rows)
            case Place():
                assert self.calls is not None, e
                return self.calls.place(e, rows, self)
            case Apply():
                return self.apply(e, rows)
            case Distinct():
                return self.distinct(e, rows)
        assert self.point is not None, e
        match e:
            case UnknownRead():
                return self.read(e, self.point.values[e.name], rows)
            case FieldRead():
                name = f"{e.base.name}.{e.field}"
                return self.read(replace(e.base, kind=e.kind), self.point.values[name], rows)
            case ParamRead():
                return self.param(e, rows)
            case MapRead():
                return self.map(e, rows)
            case LengthOf():
                lengths: Array = self.elements(e.name).shape[rows.instance, 0]
                return lengths
            case Spelling():
                return self.spelling(e.name)[rows.instance]
        raise AssertionError(e)

    def elements(self, name: str) -> Column:
        """Return a column of a sequence's elements."""
        assert self.point is not None
        field = self.instances.model.unknowns[name].fields[-1].name
        return self.point.values[f"{name}.{field}"]

    def spelling(self, name: str) -> Array:
        """Return the joined labels of a sequence's value in every instance."""
        column = self.elements(name)
        field = self.instances.model.unknowns[name].fields[-1]
        labels: Array = column.values
        if field.kind.domain is not None:
            words = self.instances.model.labels(field.kind.domain, self.instances.vocabularies)
            labels = np.array(words, dtype=np.str_)[column.values]
        joined = [
            "".join(map(str, labels[column.start[i] : column.start[i + 1]].tolist()))
            for i in range(self.instances.count)
        ]
        return np.array(joined, dtype=np.str_)

    def whole(self, e: Expr, rows: Rows) -> NDArray[np.int64]:
        """Return a whole number at every row, int64 [n].

        Raises
        ------
        DataError : where it is infinite, as the least of nothing is.
        """
        values = self(e, rows)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(
                f"{self.what}: `{show(e)}` is infinite ({self.instances.where(rows.instance[at])})",
                code="E0312",
                span=e.span,
            )
        return values.astype(np.int64)

    def condition(self, e: Expr, rows: Rows) -> NDArray[np.bool_]:
        """Return a truth value at every row, bool [n]."""
        return self(e, rows).astype(bool)

    def _constant(self, e: Const) -> Any:
        if e.kind.domain is None:
            return e.value
        labels = self.instances.model.labels(e.kind.domain, self.instances.vocabularies)
        if e.value not in labels:
            raise DataError(
                f'{self.what}: "{e.value}" is no value of `{e.kind.domain}` in the training data',
                code="E0309",
                span=e.span,
            )
        return labels.index(str(e.value))

    def read(self, e: Read, column: Column, rows: Rows) -> Array:
        indices = self.indices(e, [self.whole(i, rows) for i in e.indices], rows)
        flat = self.place(e, indices, column, rows)
        values = column.values[flat]
        if values.dtype.kind == "U" or values.dtype == np.float64:
            return values
        return values.astype(np.float64 if e.kind.sort == "real" else np.int64)

    def indices(self, e: Read, indices: list[Array], rows: Rows) -> list[Array]:
        """Return indices with a ragged axis merged with the one before it."""
        model = self.instances.model
        name = e.name.partition(".")[0]  # a field of a record lies where its record does
        slot = model.givens.get(name) or model.unknowns.get(name)
        if slot is None:
            return indices
        for k, axis in enumerate(slot.axes):
            if not is_ragged(axis):
                continue
            row, item = indices[k - 1], indices[k]
            lengths = self.instances.givens[axis.name]
            at = self.place(e, [row], lengths, rows)
            bad = (item < 0) | (item >= lengths.values[at])
            if bad.any():
                self.outside(e, int(np.flatnonzero(bad)[0]), item, k, lengths.values[at], rows)
            return [
                *indices[: k - 1], self.instances.rows[axis.name].values[at] + item,
                *indices[k + 1 :],
            ]  # fmt: skip
        return indices

    def sparse(self, e: GivenRead, matrix: Sparse, rows: Rows) -> Array:
        """Return elements of a sparse matrix, 0 where it has none."""
        row, column = (self.whole(i, rows) for i in e.indices)
        for k, index in enumerate((row, column)):
            bad = (index < 0) | (index >= matrix.shape[k])
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                self.outside(e, at, index, k, np.full(rows.count, matrix.shape[k]), rows)
        owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        keys = owner * matrix.shape[1] + matrix.indices
        wanted = row * matrix.shape[1] + column
        place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
        out = np.zeros(rows.count, np.float64 if e.kind.sort == "real" else np.int64)
        if len(keys):
            hit = keys[place] == wanted
            out[hit] = matrix.data[place[hit]]
        return out

    def outside(
        self, e: Expr, at: int, index: Array, axis: int, extent: Array, rows: Rows
    ) -> NoReturn:
        """Refuse an index that leaves its array."""
        low, shown = 0, e
        binders = self.instances.model.lets[e.name].binders if isinstance(e, LetRead) else ()
        if isinstance(e, LetRead) and binders:  # its indices are values of its binders, not places
            lows = [int(fixed_value(b.low) or 0) for b in binders]
            low = lows[axis]
            values = [plus(i, integer(e.span, k)) for i, k in zip(e.indices, lows, strict=True)]
            shown = replace(e, indices=tuple(values))
        raise DataError(
            f"{self.what} reads `{show(shown)}` at index {index[at] + low} of axis {axis + 1}, "
            f"outside {low}..{low + extent[at] - 1} ({self.instances.where(rows.instance[at])})",
            code="E0311",
            span=e.span,
            hint="bind a smaller range, or add a guard",
        )

    def param(self, e: ParamRead, rows: Rows) -> Array:
        assert self.point is not None
        weights = self.point.weights[e.name]
        if not e.indices:
            return np.full(rows.count, float(weights))
        indices = []
        for k, part in enumerate(e.indices):
            index = self.whole(part, rows)
            bad = (index < 0) | (index >= weights.shape[k])
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                self.outside(e, at, index, k, np.full(rows.count, weights.shape[k]), rows)
            indices.append(index)
        out: Array = weights[tuple(indices)]
        return out

    def map(self, e: MapRead, rows: Rows) -> Array:
        """Apply a map to each distinct input, once, and pick its output's numbers."""
        from factorgraph.maps.layer import ShapeError

        assert self.point is not None
        layer, weights = self.point.maps[e.name]
        outer = sorted(
            free_variables(replace(e, indices=())) & rows.index.keys(), key=lambda v: v.number
        )
        keys = np.column_stack([rows.instance, *(rows.index[v] for v in outer)])
        distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        index = {v: np.ascontiguousarray(distinct[:, k + 1]) for k, v in enumerate(outer)}
        inputs = Rows(np.ascontiguousarray(distinct[:, 0]), index)
        indices = [self.whole(i, rows) for i in e.indices]
        out = np.zeros(rows.count)
        for shape, group in self.by_shape(e, inputs):
            one = inputs.take(group)
            fed: Array = self.filled(e, one, shape)
            if not shape:
                fed = fed[:, None]
            try:
                with np.errstate(all="ignore"):
                    given = layer.apply(weights, fed)
            except ShapeError as error:
                raise DataError(
                    f"{self.what}: map `{e.name}`: {error} "
                    f"({self.instances.where(one.instance[0])})",
                    code="E0317",
                    span=e.span,
                ) from None
            if not np.isfinite(given).all():
                bad = ~np.isfinite(given.reshape(len(given), -1)).all(axis=1)
                at = int(np.flatnonzero(bad)[0])
                declared = self.instances.model.maps[e.name]
                where = self.instances.where(one.instance[at])
                raise no_number(declared, show(replace(e, indices=())), given[at], where)
            number: Array = np.full(inputs.count, -1)
            number[group] = np.arange(len(group))
            here = np.flatnonzero(number[inverse] >= 0)
            place = [number[inverse[here]], *(i[here] for i in indices)]
            for k, i in enumerate(place[1:]):
                bad = (i < 0) | (i >= given.shape[k + 1])
                if bad.any():
                    at = int(here[np.flatnonzero(bad)[0]])
                    extent = np.full(rows.count, given.shape[k + 1])
                    self.outside(e, at, indices[k], k, extent, rows)
            out[here] = given[tuple(place)]
        return out

    def by_shape(self, e: MapRead, inputs: Rows) -> Iterator[tuple[tuple[int, ...], Array]]:
        """Yield the shapes of a map's inputs with the inputs that have each."""
        extents = np.column_stack(
            [self.whole(extent, inputs) for _, extent in e.axes]
            or [np.zeros((inputs.count, 0), np.int64)]
        )
        if not inputs.count:
            return
        shapes, which = np.unique(extents, axis=0, return_inverse=True)
        for k, shape in enumerate(shapes):
            yield tuple(shape.tolist()), np.flatnonzero(which.reshape(-1) == k)

    def filled(self, e: MapRead, inputs: Rows, shape: tuple[int, ...]) -> Array:
        """Return the inputs of a map, float64 [inputs, *shape]."""
        size = int(np.prod(shape, dtype=np.int64))
        budget.require(16 * size * inputs.count, f"the inputs of map `{e.name}`")
        out = np.empty((inputs.count, size))
        block = max(1, BLOCK // max(size, 1))
        for first in range(0, inputs.count, block):
            chosen = np.arange(first, min(first + block, inputs.count))
            rows = inputs.take(np.repeat(chosen, size))
            place = np.unravel_index(np.tile(np.arange(size), len(chosen)), shape or (1,))
            for (variable, _), index in zip(e.axes, place, strict=False):
                rows.index[variable] = index
            out[chosen] = self(e.body, rows).reshape(len(chosen), size)
        return out.reshape(inputs.count, *shape)

    def distinct(self, e: Distinct, rows: Rows) -> Array:
        """Return whether no value comes twice among a row's indices."""
        out = np.ones(rows.count, np.int64)
        every = [(rows, np.arange(rows.count))]
        for variable, low, high in e.indices:
            every = [
                (inner, origin[back])
                for outer, origin in every
                for inner, back in expand(
                    outer, variable, self.whole(low, outer), self.whole(high, outer)
                )
            ]
        owners, values = [np.zeros(0, np.int64)], []
        for inner, origin in every:
            if e.guard is not None:
                kept = self.condition(e.guard, inner)
                inner, origin = inner.take(kept), origin[kept]
            owners.append(origin)
            values.append(self(e.body, inner))
        owner = np.concatenate(owners)
        if len(owner):
            value = np.concatenate(values)
            order = np.lexsort((value, owner))
            same = (np.diff(owner[order]) == 0) & (value[order][1:] == value[order][:-1])
            out[owner[order][1:][same]] = 0
        return out

    def place(
        self, e: Expr, indices: list[Array], column: Column, rows: Rows, reach: Array | None = None
    ) -> Array:
        """Return flat positions in a column's values, int64 [n].

        Parameters
        ----------
        indices : int64 [n] for each axis.
        reach : int64 [rank, 2], how far loops go below and above each index.
        """
        flat = np.zeros(rows.count, np.int64)
        for k, index in enumerate(indices):
            extent = column.shape[rows.instance, k]
            below, above = (0, 0) if reach is None else reach[k]
            bad = (index + below < 0) | (index + above >= extent)
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                value = index[at] + (below if index[at] + below < 0 else above)
                self.outside(e, at, np.full(rows.count, value), k, extent, rows)
            flat *= extent
            flat += index
        return flat + column.start[rows.instance]

    def apply(self, e: Apply, rows: Rows) -> Array:
        if e.operator == "position":
            return self(e.arguments[0], rows)
        if e.operator == "if":
            return self.choose(e, rows)
        if e.operator in ("and", "or", "=>"):
            return self.lazily(e, rows)
        if e.operator in _TEXTS:
            return self.text(e, rows)
        if e.operator == "require":
            return self.require(e, rows)
        values = [self(a, rows) for a in e.arguments]
        if e.operator not in ("not", "==", "!="):
            # a truth value counts as 0 or 1
            values = [v.astype(np.int64) if v.dtype == bool else v for v in values]
        if e.operator in _GROWING and all(v.dtype.kind == "i" for v in values):
            with np.errstate(all="ignore"):
                size = _OPERATORS[e.operator](*(v.astype(np.float64) for v in values))
            self.fits(e, size, rows)
        if e.operator in ("/", "//", "%") and not values[1].all():
            raise self.divides_by_0(e.arguments[1], int(np.flatnonzero(values[1] == 0)[0]), rows)
        with np.errstate(all="ignore"):
            result: Array = _OPERATORS[e.operator](*values)
        if result.dtype.kind == "f":
            bad = np.isnan(result)
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{self.what}: `{show(e)}` is not a number "
                    f"({self.instances.where(rows.instance[at])})",
                    code="E0312",
                    span=e.span,
                )
        return result

    def divides_by_0(self, e: Expr, at: int, rows: Rows) -> DataError:
        """Return the error for a divisor that is 0 in a row."""
        return DataError(
            f"{self.what} divides by `{show(e)}`, which is 0 "
            f"({self.instances.where(rows.instance[at])})",
            code="E0312",
            span=e.span,
            hint="choose the case with `if … then … else …`",
        )

    def fits(self, e: Expr, values: Array, rows: Rows) -> None:
        """Refuse what is too large for a whole number."""
        bad = np.abs(values) > 2.0**62
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{self.what}: `{show(e)}` is too large for a whole number "
                f"({self.instances.where(rows.instance[at])})",
                code="E0312",
                span=e.span,
            )

    def require(self, e: Apply, rows: Rows) -> Array:
        """Evaluate what may be read under a condition only."""
        bad = ~self.condition(e.arguments[0], rows)
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{self.what} reads `{e.span.text}` outside of what it is declared for: "
                f"`{show(e.arguments[0])}` does not hold "
                f"({self.instances.where(rows.instance[at])})",
                code="E0311",
                span=e.span,
                hint="bind a smaller range, or add the same guard",
            )
        return self(e.arguments[1], rows)

    def text(self, e: Apply, rows: Rows) -> Array:
        """Evaluate a function of texts, or one that makes a text of another value."""
        if e.operator == "padded":
            return self.padded(e.arguments[0], rows).texts()
        if e.operator == "text":
            return self.as_text(e.arguments[0], rows)
        if e.operator == "&":
            *parts, between = [self(a, rows) for a in e.arguments]
            out = parts[0]
            for part in parts[1:]:
                out = np.char.add(np.char.add(out, between), part)
            return out
        if e.operator == "hash":
            size = np.uint64(self.whole(e.arguments[0], Rows(np.zeros(1, np.int64), {}))[0])
            return (texts.fnv(self(e.arguments[1], rows)) % size).astype(np.int64)
        if e.operator == "code":
            return texts.code(self(e.arguments[0], rows))
        if e.operator == "feature":
            return self.feature(e, rows)
        value = self(e.arguments[0], rows)
        if e.operator in ("prefix", "suffix") and len(e.arguments) == 2:
            lengths = self.whole(e.arguments[1], rows)
            out = np.empty(rows.count, value.dtype)
            for k in np.unique(lengths).tolist():
                here = lengths == k
                cut = max(k, 0)
                out[here] = texts.ends(value[here], cut, e.operator == "prefix")
            return out
        return texts.each(value, _TEXT_FUNCTIONS[e.operator])

    def as_text(self, e: Expr, rows: Rows) -> Array:
        values = self(e, rows)
        if e.kind.domain is not None and values.dtype.kind != "U":
            labels = self.instances.model.labels(e.kind.domain, self.instances.vocabularies)
            words: Array = np.array(labels, dtype=np.str_)
            return words[values.astype(np.int64)]
        return texts.as_texts(values)

    def padded(self, e: Expr, rows: Rows) -> Coded:
        """Read as a text; outside of the array, give a symbol that tells side and distance."""
        read = e.arguments[0] if isinstance(e, Apply) else e
        assert isinstance(read, GivenRead | LetRead)
        held = self.computed if isinstance(read, LetRead) else self.instances.givens
        column = held[read.name]
        distance = np.zeros(rows.count, np.int64)
        indices = [self.whole(part, rows) for part in read.indices]
        for k, index in enumerate(indices):
            extent = self.extent(read, k, indices, column, rows)
            beyond = np.where(index < 0, index, np.maximum(index - extent + 1, 0))
            distance = np.where(distance == 0, beyond, distance)
        inside = np.flatnonzero(distance == 0)
        if len(inside) == rows.count:
            return self.coded(e, rows)
        found = self.coded(e, rows.take(inside))
        steps, which = np.unique(distance, return_inverse=True)
        symbols = [f"<{d:+d}>" if d else "" for d in steps.tolist()]
        codes = len(found.words) + which.reshape(-1)
        codes[inside] = found.code
        return Coded(codes.astype(np.int64), [*found.words, *symbols])

    def extent(
        self, read: Read, axis: int, indices: list[Array], column: Column, rows: Rows
    ) -> Array:
        """Return how long an axis is at every row, 0 within what does not exist."""
        given = self.instances.model.givens.get(read.name.partition(".")[0])
        ragged = [k for k, a in enumerate(given.axes if given else ()) if is_ragged(a)]
        if not given or not ragged or axis < ragged[0] - 1:
            whole: Array = column.shape[rows.instance, axis]
            return whole
        if axis > ragged[0]:
            after: Array = column.shape[rows.instance, axis - 1]
            return after
        lengths = self.instances.givens[given.axes[ragged[0]].name]
        count: Array = lengths.shape[rows.instance, 0]
        if axis < ragged[0]:
            return count
        row = indices[axis - 1]
        inside = (row >= 0) & (row < count)
        out = np.zeros(rows.count, np.int64)
        out[inside] = lengths.values[lengths.start[rows.instance[inside]] + row[inside]]
        return out

    def feature(self, e: Apply, rows: Rows) -> Array:
        """Return the place of a feature among its domain's, -1 for one that it has not."""
        domain = e.arguments[0]
        assert isinstance(domain, Const)
        vocabulary = self.instances.vocabularies[str(domain.value)]
        if not vocabulary:
            return np.full(rows.count, -1, np.int64)
        return self.coded(e.arguments[1], rows).among(vocabulary)

    def coded(self, e: Expr, rows: Rows) -> Coded:
        """Return texts at every row as numbers: each distinct one is put together once."""
        match e:
            case Const(kind=kind, value=str(text)) if kind.domain is None:
                return Coded(np.zeros(rows.count, np.int64), [text])
            case Apply(operator="&", arguments=(*parts, Const(value=str(between)))):
                found = self.known.get(e)
                if found is None:
                    found = join([self.coded(p, rows) for p in parts], between)
                return found
            case Apply(operator="padded"):
                return self.padded(e.arguments[0], rows)
            case GivenRead(name=name) if self.plain(name):
                column = self.instances.givens[name]
                indices = [self.whole(i, rows) for i in e.indices]
                return self.column(column).take(self.place(e, indices, column, rows))
            case Apply(operator=operator, arguments=(inside, *more)) if (
                operator in _TEXT_FUNCTIONS and inside.kind.sort == "text"
            ):
                function = _TEXT_FUNCTIONS[operator]
                if more:
                    size = fixed_value(more[0])
                    if size is None:
                        return code(self(e, rows))
                    function = texts.cut(int(size), operator == "prefix")
                return self.coded(inside, rows).each(function)
        return code(texts.as_texts(self(e, rows)))

    def plain(self, name: str) -> bool:
        """Return whether a given holds texts, in rows that do not differ in length."""
        given = self.instances.model.givens.get(name)
        column = self.instances.givens.get(name)
        return (
            given is not None
            and column is not None
            and column.values.dtype.kind == "U"
            and not any(is_ragged(a) for a in given.axes)
        )

    def column(self, column: Column) -> Coded:
        """Return a column of texts as numbers; coded once."""
        found = self.columns.get(id(column))
        if found is None:
            found = self.columns[id(column)] = code(column.values)
        return found

    def choose(self, e: Apply, rows: Rows) -> Array:
        """Evaluate only the branch that is taken."""
        condition = self.condition(e.arguments[0], rows)
        if e.kind.sort == "text":
            ways = ((condition, e.arguments[1]), (~condition, e.arguments[2]))
            parts = [self(b, rows.take(c)) for c, b in ways]
            words = np.zeros(rows.count, np.promote_types(parts[0].dtype, parts[1].dtype))
            words[condition], words[~condition] = parts
            return words
        dtype = np.int64 if is_whole(e) else np.float64
        out = np.zeros(rows.count, dtype)
        for chosen, branch in ((condition, e.arguments[1]), (~condition, e.arguments[2])):
            if chosen.any():
                evaluate = self.whole if dtype == np.int64 else self
                out[chosen] = evaluate(branch, rows.take(chosen))
        return out

    def lazily(self, e: Apply, rows: Rows) -> Array:
        """``and``, ``or``, ``=>``: the right side only where the left does not decide."""
        left = self.condition(e.arguments[0], rows)
        undecided = ~left if e.operator == "or" else left
        out = np.full(rows.count, e.operator != "and")
        if undecided.any():
            out[undecided] = self.condition(e.arguments[1], rows.take(undecided))
        return out

    def reduce(self, e: Reduce, rows: Rows) -> Array:
        start = {"sum": 0.0, "min": np.inf, "max": -np.inf}[e.operator]
        out = np.full(rows.count, start)
        low, high = self.whole(e.low, rows), self.whole(e.high, rows)
        for inner, origin in self.run(rows, e.index, low, high, e.guard):
            if e.guard is not None:
                kept = self.condition(e.guard, inner)
                inner, origin = inner.take(kept), origin[kept]
            value = (self.whole if is_whole(e) else self)(e.body, inner)
            if e.operator == "sum":
                out += np.bincount(origin, value, rows.count)
            else:
                (np.minimum if e.operator == "min" else np.maximum).at(out, origin, value)
        if not is_whole(e):
            return out
        self.fits(e, out, rows)
        return out.astype(np.int64)

    def run(
        self, rows: Rows, index: Variable, low: Array, high: Array, guard: Expr | None
    ) -> Iterator[tuple[Rows, Array]]:
        """Run an index over ``low .. high``, or over the non-zeros of a sparse given.

        Where the guard demands an element of a sparse matrix at the index, what is 0 there is
        never looked at.
        """
        part = self.line(rows, index, guard)
        if part is not None:
            along = part.indices.index(index)
            line = self.whole(part.indices[1 - along], rows)
            matrix = self.instances.sparse[part.name]
            yield from nonzeros(rows, index, low, high, matrix, along == 1, line)
            return
        for block, origin in expand(rows, index, low, high):
            self.rows += block.count
            budget.require_rows(self.rows, self.what)
            yield block, origin

    def line(self, rows: Rows, index: Variable, guard: Expr | None) -> GivenRead | None:
        """Return the element of a sparse matrix that a guard demands at an index, if its line is
        known in these rows."""
        for part in _conjuncts(guard):
            if not isinstance(part, GivenRead) or part.name not in self.instances.sparse:
                continue
            if part.kind.sort != "bit" or index not in part.indices:
                continue
            other = part.indices[1 - part.indices.index(index)]
            if free_variables(other) <= rows.index.keys():
                return part
        return None


def no_number(declared: MapDeclaration, text: str, given: Array, where: str) -> NumericalError:
    """Return the error for a map whose output is not finite.

    Parameters
    ----------
    text : the map and its input, as written.
    given : the output.
    """
    what = "NaN" if np.isnan(given).any() else "an infinite number"
    return NumericalError(
        f"map `{declared.name}` gives {what} for `{text}` ({where})",
        code="E0703",
        span=declared.span,
        hint="are the numbers that it is fed with very large? scale them",
    )


def _conjuncts(guard: Expr | None) -> Iterator[Expr]:
    """Yield the conditions that must all hold."""
    if isinstance(guard, Apply) and guard.operator == "and":
        for part in guard.arguments:
            yield from _conjuncts(part)
    elif guard is not None:
        yield guard


_GROWING = frozenset("+ - * ^ neg abs".split())
_TEXTS = frozenset("padded text & hash code feature lower prefix suffix shape kind".split())
_TEXT_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "prefix": texts.before_dash,
    "kind": texts.after_dash,
    "shape": texts.shape,
}


def _power(a: Array, b: Array) -> Array:
    if a.dtype.kind == "i" and b.dtype.kind == "i" and (b >= 0).all():
        return np.power(a, b)
    return np.power(a.astype(np.float64), b)


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0.0, -x))


_OPERATORS: dict[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.mod,
    "^": _power,
    "neg": lambda a: -a.astype(np.int64) if a.dtype == bool else -a,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "not": lambda a: ~a.astype(bool),
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "cosh": np.cosh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0.0, x),
}
