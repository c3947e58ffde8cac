"""One field that grows instance by instance, for data that come as nested lists."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np

from factorgraph import budget
from factorgraph.data.block import BadValue, numbers, texts
from factorgraph.data.column import Column, Flags, Ints, Values
from factorgraph.data.dtype import MISSING, settle
from factorgraph.data.flatten import flatten, kind_name, place
from factorgraph.errors import DataError

_KINDS: dict[type, str] = {bool: "truth values", int: "numbers", float: "numbers", str: "text"}
_OF_DTYPE = {"b": "truth values", "U": "text"}


class Field:
    """The values of one field so far: settled blocks, and a list that is not settled yet.

    Parameters
    ----------
    name : the field's name.
    source : the name of the data, for messages.
    by_line : whether an instance's number is its line.
    finite : whether infinite values and NaN are refused.
    """

    def __init__(self, name: str, source: str, by_line: bool, finite: bool) -> None:
        self.name = name
        self.source = source
        self.by_line = by_line
        self.finite = finite
        self.kind = ""
        self._since = 0
        self._underscore: int | None = None
        self._numbers = array("q")
        self._sizes = array("q")
        self._ranks = bytearray()
        self._extents = array("q")
        self._rank: int | None = None
        self._missing = array("q")
        self._pending: list[Any] = []
        self._blocks: list[Values | int] = []
        self._flags: list[tuple[int, Flags]] = []
        self._settled = 0
        self._width = 1

    def what(self, number: int) -> str:
        """Return the place and the field, for messages."""
        return f"{self._place(number)}: field `{self.name}`"

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
        if isinstance(value, np.ndarray) and value.ndim:
            return self._append_array(value, number)
        if self._rank == 0 and _KINDS.get(type(value)) == self.kind and value != MISSING:
            self._numbers.append(number)
            self._sizes.append(1)
            self._ranks.append(0)
            self._pending.append(value)
            return
        leaves, shape, kinds = flatten(value, lambda: self.what(number))
        if str in kinds or type(None) in kinds:
            leaves, kinds = self._set_aside(leaves, number)
        names = {_KINDS[kind] for kind in kinds}
        if len(names) > 1:
            raise self._mixed(leaves, shape, number)
        self._agree(names.pop() if names else "", number)
        self._note(shape, len(leaves), number)
        self._pending.extend(leaves)

    def flush(self) -> None:
        """Settle the pending values into an array.

        Raises
        ------
        DataError : a number is too large, or a text is not valid.
        BudgetError : the texts would take too much memory.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        self._settled += len(pending)
        if not self.kind:
            self._blocks.append(len(pending))
            return
        filler = {"text": "", "numbers": 0, "truth values": False}[self.kind]
        if None in pending:
            pending = [filler if leaf is None else leaf for leaf in pending]
        if self.kind == "text":
            # One long text widens all: this must be refused before numpy makes the array.
            self._width = max(self._width, max(map(len, pending)))
            budget.require(self.nbytes(), f"field `{self.name}` of {self.source}")
        try:
            if self.kind == "text":
                values = texts(pending)
            elif self.kind == "numbers":
                values = numbers(pending, self.finite)
            else:
                values = np.array(pending, np.bool_)
        except BadValue as error:
            owner = self._owner(error.index, len(pending))
            raise DataError(f"{owner} holds {error.reason}") from None
        self._blocks.append(values)

    def nbytes(self) -> int:
        """Return the bytes that the field takes now and while it is made a column."""
        item = 4 * self._width if self.kind == "text" else 8
        size = 2 * self._settled * item + 9 * self._settled * bool(self._missing)
        return size + 8 * (3 * len(self._sizes) + 2 * len(self._extents)) + 200 * len(self._blocks)

    def column(self) -> Column:
        """Return all instances as a column; a field of nothing but nulls holds integers.

        Raises
        ------
        DataError : the instances have different numbers of axes, or a value is not legal.
        """
        self.flush()
        blocks = [block for block in self._blocks if isinstance(block, np.ndarray)]
        if blocks:
            dtype = np.result_type(*{block.dtype for block in blocks})
        else:
            dtype = np.dtype(np.int64 if self._underscore is None else "<U1")
        values = np.zeros(self._settled, dtype)
        at = 0
        for block in self._blocks:
            size = block if isinstance(block, int) else len(block)
            if not isinstance(block, int):
                values[at : at + size] = block
            at += size
        missing = None
        if self._missing or self._flags:
            missing = np.zeros(self._settled, np.bool_)
            missing[np.frombuffer(self._missing, np.int64)] = True
            for at, flags in self._flags:
                missing[at : at + len(flags)] |= flags
        start = np.zeros(len(self._sizes) + 1, np.int64)
        np.cumsum(np.frombuffer(self._sizes, np.int64), out=start[1:])
        return Column(self.name, values, start, self._shapes(), missing)

    def _place(self, number: int) -> str:
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"

    def _set_aside(self, leaves: list[Any], number: int) -> tuple[list[Any], set[type]]:
        if None not in leaves and MISSING not in leaves:
            return leaves, set(map(type, leaves))
        base = self._settled + len(self._pending)
        gone = [i for i, leaf in enumerate(leaves) if leaf is None or leaf == MISSING]
        self._missing.extend(base + i for i in gone)
        if self._underscore is None and MISSING in leaves:
            self._underscore = number
        leaves = list(leaves)
        for i in gone:
            leaves[i] = None
        return leaves, set(map(type, leaves)) - {type(None)}

    def _mixed(self, leaves: list[Any], shape: tuple[int, ...], number: int) -> DataError:
        present = [(i, type(leaf)) for i, leaf in enumerate(leaves) if leaf is not None]
        first, kind = present[0]
        i, other = next((i, k) for i, k in present if _KINDS[k] != _KINDS[kind])
        return DataError(
            f"{self.what(number)}{place(i, shape)} is {kind_name(other)} where "
            f"{place(first, shape)} is {kind_name(kind)}; a field holds values of one kind"
        )

    def _agree(self, kind: str, number: int) -> None:
        if kind and not self.kind:
            self.kind, self._since = kind, number
            if self._pending:
                # Only missing values so far: they take whatever type now turns up.
                self._blocks.append(len(self._pending))
                self._settled += len(self._pending)
                self._pending = []
        elif kind and kind != self.kind:
            raise DataError(
                f"{self.what(number)} holds {kind}, but {self.kind} at {self._place(self._since)}"
            )
        if self.kind == "truth values" and self._underscore is not None:
            raise DataError(
                f'{self.what(self._underscore)} holds the text "_" among truth values',
                hint="say null where a truth value is missing",
            )

    def _note(self, shape: tuple[int, ...], size: int, number: int) -> None:
        if size:
            if self._rank is None:
                self._rank = len(shape)
            elif self._rank != len(shape):
                raise self._axes(len(shape), number)
        self._numbers.append(number)
        self._sizes.append(size)
        self._ranks.append(len(shape))
        self._extents.extend(shape)

    def _axes(self, rank: int, number: int) -> DataError:
        return DataError(
            f"{self.what(number)} has {rank} axes, but {self._rank} in other instances",
            hint='where values are missing, say null (or "_") for each of them',
        )

    def _append_array(self, value: Values, number: int) -> None:
        self.flush()
        flat, flags = settle(value.reshape(-1), self.what(number), own=False)
        self._agree(_OF_DTYPE.get(flat.dtype.kind, "numbers") if flat.size else "", number)
        self._note(value.shape, flat.size, number)
        if flags is not None:
            self._flags.append((self._settled, flags))
        if flat.dtype.kind == "U":
            self._width = max(self._width, flat.itemsize // 4)
        if flat.size:
            self._blocks.append(flat)
        self._settled += flat.size

    def _owner(self, index: int, block: int) -> str:
        ends = np.cumsum(np.frombuffer(self._sizes, np.int64))
        at = self._settled - block + index
        return self.what(self._numbers[int(np.searchsorted(ends, at, side="right"))])

    def _shapes(self) -> Ints:
        count, ranks = len(self._ranks), np.frombuffer(self._ranks, np.uint8)
        rank = self._rank if self._rank is not None else int(ranks.max(initial=0))
        if (ranks > rank).any():
            i = int((ranks > rank).argmax())
            raise self._axes(int(ranks[i]), self._numbers[i])
        flat = np.frombuffer(self._extents, np.int64)
        if (ranks == rank).all():
            return flat.reshape(count, rank).copy()
        # `[]` does not say how long its rows would be: as long as those of the others.
        known = np.arange(rank) < ranks[:, None]
        shapes = np.zeros((count, rank), np.int64)
        shapes[known] = flat
        full = shapes[ranks == rank]
        for axis in range(rank):
            if len(full) and (full[:, axis] == full[0, axis]).all():
                shapes[~known[:, axis], axis] = full[0, axis]
        return shapes
