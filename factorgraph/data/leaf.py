"""Even lists of one kind of value that grow instance by instance, until they are a column."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from typing import Any

import numpy as np

from factorgraph import budget
from factorgraph.data.block import BadValue, numbers, texts
from factorgraph.data.column import Column, Flags, Ints, Values
from factorgraph.data.dtype import MISSING, settle
from factorgraph.data.flatten import Lengths, kind_name, place
from factorgraph.errors import DataError, some

KINDS: dict[type, str] = {bool: "truth values", int: "numbers", float: "numbers", str: "text"}
BYTES = 2000  # what a field takes before it holds anything
_OF_GAPS = ("rank", "_underscore", "_numbers", "_sizes", "_ranks", "_extents", "_missing",
            "_marks", "_pending", "_blocks", "_settled")  # fmt: skip
_OF_DTYPE = {"b": "truth values", "U": "text"}


class Leaf:
    """The values of one column so far: settled blocks, and a list that is not settled yet.

    Parameters
    ----------
    name : the column's name.
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
        self.since = 0
        self.rank: int | None = None
        self._underscore: int | None = None
        self._numbers = array("q")
        self._sizes = array("q")
        self._ranks = bytearray()
        self._extents = array("q")
        self._missing = array("q")
        self._marks = array("q")  # those of the missing that are written "_"
        self._pending: list[Any] = []
        self._blocks: list[Values | int] = []
        self._flags: list[tuple[int, Flags]] = []
        self._settled = 0
        self._width = 1

    def what(self, number: int) -> str:
        """Return the place and the field, for messages."""
        return f"{self.place(number)}: field `{self.name}`"

    def place(self, number: int) -> str:
        """Return the place of an instance, for messages."""
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"

    def add(
        self,
        leaves: list[Any],
        shape: tuple[int, ...],
        kinds: Collection[type],
        number: int,
        lengths: Lengths = None,
    ) -> None:
        """Add the next instance.

        Parameters
        ----------
        leaves : its values, in C order.
        shape : its extents, which may end where a level is empty.
        kinds : the types among the leaves.
        number : the instance's number, for messages.
        lengths : of the rows that the first axis holds end to end, if it does, for messages.

        Raises
        ------
        DataError : the values do not go with each other or with the ones before.
        """
        kept, gone = leaves, None
        if str in kinds or type(None) in kinds:
            kept, kinds, gone = _set_aside(leaves, kinds)
        names = {KINDS[kind] for kind in kinds}
        if len(names) > 1:
            self.mixed(leaves, shape, number, lengths)
            return
        if gone is not None:
            self._note_missing(leaves, gone, number)
        self._agree(names.pop() if names else "", number)
        self._note(shape, len(leaves), number)
        self._pending.extend(kept)

    def extend(
        self, leaves: list[str | None], shape: tuple[int, ...], numbers: Sequence[int]
    ) -> None:
        """Add several instances of texts, all of the same shape; "_" and None are missing.

        Parameters
        ----------
        leaves : their values, instance by instance.
        shape : the extents of each.
        numbers : the number of each.
        """
        count = len(numbers)
        if not count:
            return
        size = len(leaves) // count
        kept: list[Any] = leaves
        if MISSING in leaves or None in leaves:
            kept, _, gone = _set_aside(leaves, {str})
            self._note_missing(leaves, gone or [], numbers[0])
        self._agree("text", numbers[0])
        self._note(shape, size, numbers[0])
        self._numbers.extend(numbers[1:])
        self._sizes.extend([size] * (count - 1))
        self._ranks.extend([len(shape)] * (count - 1))
        self._extents.extend(shape * (count - 1))
        self._pending.extend(kept)

    def add_array(self, value: Values, number: int) -> None:
        """Add the next instance, a numpy array.

        Raises
        ------
        DataError : its type is not read, or does not go with the values before.
        """
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

    def mixed(
        self, leaves: list[Any], shape: tuple[int, ...], number: int, lengths: Lengths
    ) -> None:
        """Refuse an instance whose values are of several kinds.

        Raises
        ------
        DataError : always.
        """
        present = [
            (i, type(leaf)) for i, leaf in enumerate(leaves) if leaf is not None and leaf != MISSING
        ]
        first, kind = present[0]
        i, other = next((i, k) for i, k in present if KINDS[k] != KINDS[kind])
        raise DataError(
            f"{self.what(number)}{place(i, shape, lengths)} is {kind_name(other)} where "
            f"{place(first, shape, lengths)} is {kind_name(kind)}; a field holds values of one "
            "kind",
            code="E0332",
            hint="records may mix kinds: lists of the same few values, each place of one kind",
        )

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
            budget.require(Leaf.nbytes(self), f"field `{self.name}` of {self.source}")
        try:
            if self.kind == "text":
                values = texts(pending)
            elif self.kind == "numbers":
                values = numbers(pending, self.finite)
            else:
                values = np.array(pending, np.bool_)
        except BadValue as error:
            owner = self._owner(error.index, len(pending))
            raise DataError(f"{owner} holds {error.reason}", code=error.code) from None
        self._blocks.append(values)

    def nbytes(self) -> int:
        """Return the bytes that the values take now and while they are made a column."""
        item = 4 * self._width if self.kind == "text" else 8
        size = 2 * self._settled * item + 9 * self._settled * bool(self._missing)
        size += 8 * len(self._marks)
        size += 8 * (3 * len(self._sizes) + 2 * len(self._extents)) + 200 * len(self._blocks)
        return size + BYTES

    def column(self) -> Column:
        """Return all instances; values that are nothing but null are integers.

        Raises
        ------
        DataError : the instances have different numbers of axes, or a value is not legal.
        """
        Leaf.flush(self)
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
        if dtype.kind == "U":
            values[np.frombuffer(self._marks, np.int64)] = MISSING
        start = np.zeros(len(self._sizes) + 1, np.int64)
        np.cumsum(np.frombuffer(self._sizes, np.int64), out=start[1:])
        return Column(self.name, values, start, self._shapes(), self._mask())

    def columns(self) -> Iterable[Column]:
        """Return the columns that the values make."""
        return (self.column(),)

    def shapes(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the number and the extents of each instance, which may end at a 0."""
        at = 0
        for number, rank in zip(self._numbers, self._ranks):
            yield number, tuple(self._extents[at : at + rank])
            at += rank

    def copy_to(self, twin: Leaf) -> None:
        """Let another leaf hold the same instances, which are all empty or missing."""
        for key in _OF_GAPS:
            setattr(twin, key, copy(getattr(self, key)))

    def divided(self, width: int) -> list[Leaf]:
        """Return ``width`` leaves, each with one place of the last axis.

        Parameters
        ----------
        width : extent of the last axis in every instance that is not empty.
        """
        Leaf.flush(self)
        rank = self.rank or 0
        budget.require(BYTES * width + Leaf.nbytes(self), f"field `{self.name}` of {self.source}")
        extents = array("q", [n for _, shape in self.shapes() for n in shape[: rank - 1]])
        mask = self._mask()
        marks = self._spread(self._marks)
        out = []
        for j in range(width):
            part = Leaf(f"{self.name}.{j}", self.source, self.by_line, self.finite)
            part.rank = rank - 1
            part._underscore, part._width = self._underscore, self._width
            part._numbers = array("q", self._numbers)
            part._sizes = array("q", [size // width for size in self._sizes])
            part._ranks = bytearray(min(own, rank - 1) for own in self._ranks)
            part._extents = array("q", extents)
            part._settled = self._settled // width
            if mask is not None:
                part._missing = array("q", np.flatnonzero(mask[j::width]).tolist())
                part._marks = array("q", np.flatnonzero(marks[j::width]).tolist())
            at = 0
            for block in self._blocks:
                size = block if isinstance(block, int) else len(block)
                gone = mask is not None and mask[at : at + size][j::width].all()
                if isinstance(block, int) or gone:
                    part._blocks.append(size // width)
                else:
                    part._blocks.append(np.ascontiguousarray(block[j::width]))
                    part.kind, part.since = self.kind, self.since
                at += size
            out.append(part)
        return out

    def merge(self) -> list[tuple[int, list[int]]]:
        """Make the first two axes one; return each instance's number and its rows' lengths.

        Raises
        ------
        DataError : an instance has no two axes, and is not empty.
        """
        rows = []
        extents = array("q")
        ranks = bytearray()
        for number, shape in self.shapes():
            if len(shape) > 1:
                rows.append((number, [shape[1]] * shape[0]))
                shape = (shape[0] * shape[1], *shape[2:])
            elif shape == (0,):
                rows.append((number, []))
            else:
                raise self.unrowed(len(shape), number)
            extents.extend(shape)
            ranks.append(len(shape))
        self._extents, self._ranks = extents, ranks
        if self.rank is not None:
            self.rank -= 1
        return rows

    def unrowed(self, rank: int, number: int) -> DataError:
        """Return the error of an instance without rows in a field where rows are uneven."""
        return DataError(
            f"{self.what(number)} has {some(rank, 'axis')}, but rows of different length elsewhere",
            code="E0334",
        )

    def axes(self, rank: int, number: int) -> DataError:
        """Return the error of an instance with ``rank`` axes where others have more or fewer."""
        return DataError(
            f"{self.what(number)} has {some(rank, 'axis')}, but {self.rank} in other instances",
            code="E0334",
            hint='where values are missing, say null (or "_") for each of them',
        )

    def _mask(self) -> Flags | None:
        return self._spread(self._missing) if self._missing or self._flags else None

    def _spread(self, places: array[int]) -> Flags:
        """Return flags of some places, and of those that arrays have brought."""
        out = np.zeros(self._settled, np.bool_)
        out[np.frombuffer(places, np.int64)] = True
        for at, flags in self._flags:
            out[at : at + len(flags)] |= flags
        return out

    def _note_missing(self, leaves: Sequence[Any], gone: list[int], number: int) -> None:
        base = self._settled + len(self._pending)
        self._missing.extend([base + i for i in gone])
        marks = [base + i for i in gone if leaves[i] == MISSING]
        self._marks.extend(marks)
        if self._underscore is None and marks:
            self._underscore = number

    def _agree(self, kind: str, number: int) -> None:
        if kind and not self.kind:
            self.kind, self.since = kind, number
            if self._pending:
                # Only missing values so far: they take whatever type now turns up.
                self._blocks.append(len(self._pending))
                self._settled += len(self._pending)
                self._pending = []
        elif kind and kind != self.kind:
            raise DataError(
                f"{self.what(number)} holds {kind}, but {self.kind} at {self.place(self.since)}",
                code="E0332",
            )
        if self.kind == "truth values" and self._underscore is not None:
            raise DataError(
                f'{self.what(self._underscore)} holds the text "_" among truth values',
                code="E0337",
                hint="say null where a truth value is missing",
            )

    def _note(self, shape: tuple[int, ...], size: int, number: int) -> None:
        if size:
            if self.rank is None:
                self.rank = len(shape)
            elif self.rank != len(shape):
                raise self.axes(len(shape), number)
        self._numbers.append(number)
        self._sizes.append(size)
        self._ranks.append(len(shape))
        self._extents.extend(shape)

    def _owner(self, index: int, block: int) -> str:
        ends = np.cumsum(np.frombuffer(self._sizes, np.int64))
        at = self._settled - block + index
        return self.what(self._numbers[int(np.searchsorted(ends, at, side="right"))])

    def _shapes(self) -> Ints:
        count, ranks = len(self._ranks), np.frombuffer(self._ranks, np.uint8)
        rank = self.rank if self.rank is not None else int(ranks.max(initial=0))
        if (ranks > rank).any():
            i = int((ranks > rank).argmax())
            raise self.axes(int(ranks[i]), self._numbers[i])
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


def _set_aside(
    leaves: list[Any], kinds: Collection[type]
) -> tuple[list[Any], Collection[type], list[int] | None]:
    """Return the leaves with None for what is missing, the kinds of the others, and where."""
    if None not in leaves and MISSING not in leaves:
        return leaves, kinds, None
    gone = [i for i, leaf in enumerate(leaves) if leaf is None or leaf == MISSING]
    leaves = list(leaves)
    for i in gone:
        leaves[i] = None
    return leaves, set(map(type, leaves)) - {type(None)}, gone
