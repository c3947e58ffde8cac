"""One field that grows instance by instance: a column, or several where its values have parts.

Records make a column for each of their fields, rows of different length a flat column and one
of lengths. A field may show only later that it has parts: what was read until then is recast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Column, Values
from factorgraph.data.dtype import MISSING
from factorgraph.data.flatten import Lengths, flatten, nest, place
from factorgraph.data.leaf import BYTES, KINDS, Leaf
from factorgraph.errors import DataError, did_you_mean, some

LENGTHS = ".lengths"
WIDEST = 64  # values of a record that is written as a list


class Field(Leaf):
    """The values of one field so far; the parameters are those of `Leaf`."""

    def __init__(self, name: str, source: str, by_line: bool, finite: bool) -> None:
        super().__init__(name, source, by_line, finite)
        self._parts: dict[str, Leaf] | None = None
        self._objects = False
        self._outer = 0  # axes around the records
        self._rows: Leaf | None = None

    def append(self, value: object, number: int) -> None:
        """Add the next instance.

        Parameters
        ----------
        value : what `flatten` takes, or a numpy array.
        number : the instance's number, for messages.

        Raises
        ------
        DataError : the value does not go with the ones before it.
        """
        if self.rank == 0 and KINDS.get(type(value)) == self.kind and value != MISSING:
            self._numbers.append(number)
            self._sizes.append(1)
            self._ranks.append(0)
            self._pending.append(value)
            return
        if isinstance(value, list | np.ndarray) and self._parts is None:
            arrays = _joined(value)
            if arrays is not None:
                value, lengths = arrays
                shape: tuple[int, ...] = value.shape
                if lengths is not None or self._rows is not None:
                    shape = self._merged(shape, lengths, number)[0]
                return self.add_array(value.reshape(shape), number)
        leaves, shape, kinds, lengths = flatten(value, lambda: self.what(number))
        if lengths is not None or self._rows is not None:
            shape, lengths = self._merged(shape, lengths, number)
        if dict in kinds:
            self._add_objects(leaves, shape, number, lengths)
        elif self._parts is None:
            self.add(leaves, shape, kinds, number, lengths)
        elif self._objects:
            self._add_gaps(leaves, shape, number)
        else:
            self._add_tuples(leaves, shape, number)

    def mixed(
        self, leaves: list[Any], shape: tuple[int, ...], number: int, lengths: Lengths
    ) -> None:
        """Take an instance of several kinds as records, if each place in them has one kind."""
        width = shape[-1]
        even = all(
            len({KINDS[type(x)] for x in leaves[j::width] if x is not None and x != MISSING}) < 2
            for j in range(min(width, WIDEST))
        )
        if width > WIDEST or not even or (self._rows is not None and len(shape) < 2):
            return super().mixed(leaves, shape, number, lengths)
        self._split(width, len(shape), number)
        self._add_tuples(leaves, shape, number)

    def flush(self) -> None:
        """Settle the pending values; what `Leaf.flush` raises."""
        for part in self._all():
            if part is self:
                super().flush()
            else:
                part.flush()

    def nbytes(self) -> int:
        """Return the bytes that the values take now and while they are made columns."""
        return super().nbytes() + sum(part.nbytes() for part in self._all() if part is not self)

    def columns(self) -> Iterator[Column]:
        """Yield the columns that the values make; what `Leaf.column` raises."""
        for part in self._all():
            if part is self:
                yield self.column()
            else:
                yield from part.columns()

    def _all(self) -> Iterator[Leaf]:
        if self._parts is None:
            yield self
        else:
            yield from self._parts.values()
        if self._rows is not None:
            yield self._rows

    # -- records

    def _add_objects(
        self, level: list[Any], shape: tuple[int, ...], number: int, lengths: Lengths
    ) -> None:
        first = next(item for item in level if isinstance(item, dict))
        if self._parts is None:
            self._start_objects(first, len(shape), number)
        assert self._parts is not None
        if not self._objects:
            raise self._forms("objects", "lists", number)
        for i, item in enumerate(level):
            if isinstance(item, dict) and item.keys() != self._parts.keys():
                lost = next((key for key in self._parts if key not in item), None)
                new = next((key for key in item if key not in self._parts), "")
                raise DataError(
                    f"{self.what(number)}{place(i, shape, lengths)} has "
                    + (f"no `{lost}`" if lost is not None else f"a value `{new}`")
                    + f", unlike the objects at {self.place(self.since)}",
                    code="E0338",
                    hint=did_you_mean(new, self._parts) if new else None,
                )
        for key, part in self._parts.items():
            values = [item[key] if isinstance(item, dict) else item for item in level]
            assert isinstance(part, Field)
            part.append(nest(values, shape), number)

    def _start_objects(self, first: dict[Any, Any], outer: int, number: int) -> None:
        if self.kind:
            raise self._forms("objects", self.kind, number)
        if not first:
            raise DataError(f"{self.what(number)} holds an object without values", code="E0338")
        budget.require(BYTES * len(first), f"field `{self.name}` of {self.source}")
        for key in first:
            if not isinstance(key, str):
                raise DataError(
                    f"{self.what(number)} holds an object with a name of type {type(key).__name__}",
                    code="E0328",
                )
        self._recast(self._twins(first, Field), outer, number)
        self._objects = True

    def _add_gaps(self, leaves: list[Any], shape: tuple[int, ...], number: int) -> None:
        """Add an instance without objects among those with: empty, or all missing."""
        assert self._parts is not None
        if any(leaf is not None and leaf != MISSING for leaf in leaves):
            raise self._forms("lists" if shape else "a value", "objects", number)
        for part in self._parts.values():
            assert isinstance(part, Field)
            part.append(nest(leaves, shape) if leaves else _empty(shape), number)

    def _add_tuples(self, leaves: list[Any], shape: tuple[int, ...], number: int) -> None:
        assert self._parts is not None
        width = len(self._parts)
        if len(shape) == self._outer + 1 and shape[-1] == width:
            for j, part in enumerate(self._parts.values()):
                values = leaves[j::width]
                part.add(values, shape[:-1], set(map(type, values)), number)
        elif len(shape) <= self._outer and all(x is None or x == MISSING for x in leaves):
            for part in self._parts.values():
                part.add(leaves, shape, set(map(type, leaves)), number)
        elif len(shape) != self._outer + 1:
            raise DataError(
                f"{self.what(number)} has {some(len(shape), 'axis')}, but {self._outer + 1} at "
                f"{self.place(self.since)}",
                code="E0334",
            )
        else:
            raise self._widths(shape[-1], width, number)

    def _widths(self, found: int, width: int, number: int) -> DataError:
        return DataError(
            f"{self.what(number)} has {some(found, 'value')} a list, but {width} at "
            f"{self.place(self.since)}, where they are records of several kinds",
            code="E0339",
            hint="a list that mixes kinds is a record: the same few values each time",
        )

    def _forms(self, here: str, there: str, number: int) -> DataError:
        return DataError(
            f"{self.what(number)} holds {here}, but {there} at {self.place(self.since)}",
            code="E0338",
        )

    # -- what was read before a field showed its parts

    def merge(self) -> list[tuple[int, list[int]]]:
        """Make the first two axes one, as `Leaf.merge` does."""
        if self._parts is None:
            return super().merge()
        if self._outer < 2:
            raise self.unrowed(self._outer, self.since)
        self._outer -= 1
        rows: list[tuple[int, list[int]]] = []
        for part in self._parts.values():
            rows = part.merge()
        return rows

    def _twins(self, names: Iterable[str], kind: type[Leaf]) -> dict[str, Leaf]:
        """Return a leaf for each name with the instances so far, all of them empty or missing."""
        out: dict[str, Leaf] = {}
        for name in names:
            twin = out[name] = kind(f"{self.name}.{name}", self.source, self.by_line, self.finite)
            self.copy_to(twin)
        return out

    def _recast(self, parts: dict[str, Leaf], outer: int, number: int) -> None:
        # What the field holds itself is no longer used, and the fast way of `append` is shut.
        super().__init__(self.name, self.source, self.by_line, self.finite)
        self._parts, self._outer, self.since = parts, outer, number

    def _split(self, width: int, rank: int, number: int) -> None:
        """Recast plain lists as records of ``width`` values along the axis ``rank - 1``."""
        if self.rank == rank:
            for other, shape in self.shapes():
                if len(shape) == rank and shape[-1] != width:
                    self.since = number
                    raise self._widths(shape[-1], width, other)
            parts = {str(j): part for j, part in enumerate(self.divided(width))}
        elif self.kind or self.rank not in (None, rank - 1):
            raise self.axes(rank, number)
        else:
            parts = self._twins(map(str, range(width)), Leaf)
        self._recast(parts, rank - 1, number)

    def _merged(
        self, shape: tuple[int, ...], lengths: Lengths, number: int
    ) -> tuple[tuple[int, ...], list[int]]:
        """Note the lengths of an instance's rows; return its shape with them end to end."""
        if self._rows is None:
            rows = Leaf(self.name + LENGTHS, self.source, self.by_line, self.finite)
            for other, own in self.merge():
                rows.add(own, (len(own),), {int} if own else (), other)
            self._rows = rows
        if lengths is None:
            if len(shape) > 1:
                lengths = [shape[1]] * shape[0]
                shape = (shape[0] * shape[1], *shape[2:])
            elif shape == (0,):
                lengths = []
            else:
                raise self.unrowed(len(shape), number)
        self._rows.add(lengths, (len(lengths),), {int} if lengths else (), number)
        return shape, lengths


def _empty(shape: tuple[int, ...]) -> list[Any]:
    """Return nested lists without leaves."""
    return [_empty(shape[1:]) for _ in range(shape[0])] if len(shape) > 1 else []


def _joined(value: list[Any] | Values) -> tuple[Values, Lengths] | None:
    """Return an array, or a list of them as one: end to end if their lengths differ."""
    if isinstance(value, np.ndarray):
        return (value, None) if value.ndim else None
    if not value or not isinstance(value[0], np.ndarray):
        return None
    first = value[0]
    for part in value:
        if not (
            isinstance(part, np.ndarray)
            and part.ndim == first.ndim > 0
            and part.shape[1:] == first.shape[1:]
            and part.dtype.kind == first.dtype.kind
        ):
            return None
    if all(len(part) == len(first) for part in value):
        return np.stack(value), None
    return np.concatenate(value), [len(part) for part in value]
