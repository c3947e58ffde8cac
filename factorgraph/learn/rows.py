"""Rows of the flat vector of weights: the runs that data touch together, or not at all.

Where data alone index the leading axes of a param (`U[y, word]` is stored word by word), each of
their positions is a row; any other param is one row. An instance touches few rows, so that a step
on a few instances costs their rows only, whatever the number of weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.emit import everything
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Slot
from factorgraph.ground.ground import Bound, Grounding
from factorgraph.ground.weights import Layout, Place, axes_by_data
from factorgraph.model.expression import Expr, ParamRead

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Split:
    """How the part of one param is cut into rows.

    Attributes
    ----------
    first : the number of its first row.
    axes : the declared axes that tell rows apart, in stored order; none where it is one row.
    extents : of these axes, as stored.
    data : whether data alone index each of them.
    """

    place: Place
    first: int
    axes: tuple[int, ...]
    extents: tuple[int, ...]
    data: tuple[bool, ...]

    @property
    def count(self) -> int:
        """How many rows it has."""
        return int(np.prod(self.extents, dtype=np.int64))


class RowTable:
    """All rows of a layout.

    Attributes
    ----------
    start : int64 [R + 1], where each row begins in the flat vector.
    always : int64, rows that every instance touches.
    """

    def __init__(self, compiled: Compiled, layout: Layout) -> None:
        self.layout = layout
        by_data = axes_by_data(compiled)
        self.splits: dict[str, Split] = {}
        starts, always, first = [np.zeros(0, np.int64)], [], 0
        for name, place in layout.places.items():
            held = place.declaration.constraint != "real"
            chosen = [(name, a) in by_data and not held for a in place.axes]
            depth = max((k + 1 for k, data in enumerate(chosen) if data), default=0)
            split = Split(
                place, first, place.axes[:depth], place.stored[:depth] if depth else (),
                tuple(chosen[:depth]),
            )  # fmt: skip
            self.splits[name] = split
            width = (place.stop - place.start) // max(split.count, 1)
            starts.append(place.start + width * np.arange(split.count))
            if not depth:
                always.append(first)
            first += split.count
        self.start = np.concatenate([*starts, [layout.size]])
        self.always = np.array(always, np.int64)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.start) - 1

    def spread(self, which: str) -> Floats:
        """Return the coefficient ``l1`` or ``l2`` of each row, 0 for weights that are held."""
        out = np.zeros(self.count)
        for split in self.splits.values():
            declared = split.place.declaration
            if declared.constraint == "real":
                out[split.first : split.first + split.count] = getattr(declared, which)
        return out

    @cached_property
    def width(self) -> Ints:
        """int64 [R], weights of each row."""
        return np.diff(self.start)


def touched_rows(table: RowTable, grounding: Grounding) -> tuple[Ints, Ints]:
    """Return the rows that each instance touches, sorted; those that inputs of maps read are
    counted to the first instance.

    Returns
    -------
    int64 [I + 1], where those of each instance start, and int64, their numbers.
    """
    count = grounding.structure.instances
    found: list[tuple[Ints, Ints]] = []
    for bound, group in zip(grounding.bound, grounding.structure.groups, strict=False):
        reads = _reads(table, bound)
        if reads:
            owners = _owners(bound, group.rows, group.table, count)
            found += [_of_read(table.splits[node.name], node, bound, owners) for node in reads]
    for inputs in grounding.inputs:
        if inputs.bound is not None and count:
            bound = inputs.bound
            owners = _owners_of_inputs(bound)
            for node in _reads(table, bound):
                found.append(_of_read(table.splits[node.name], node, bound, owners))
    every = np.arange(count, dtype=np.int64)
    found.append((np.repeat(every, len(table.always)), np.tile(table.always, count)))
    key = np.unique(np.concatenate([instance * table.count + row for instance, row in found]))
    instance, row = np.divmod(key, max(table.count, 1))
    return np.searchsorted(instance, np.arange(count + 1)), row


def _reads(table: RowTable, bound: Bound) -> set[ParamRead]:
    """Return the reads of params that have rows."""
    return {
        node
        for node in everything(bound.program.body)
        if isinstance(node, ParamRead) and node.name in table.splits
        if table.splits[node.name].axes
    }


def _owners_of_inputs(bound: Bound) -> list[tuple[Ints, Ints]]:
    """Return what `_owners` does where all rows belong to the first instance."""
    sizes = {0: bound.distinct}
    for definition, slot in zip(bound.program.slots, bound.slots, strict=True):
        sizes[definition.space] = len(slot)
    return [
        (np.zeros(sizes.get(k, 0), np.int64), np.arange(sizes.get(k, 0)))
        for k in range(len(bound.program.spaces) + 1)
    ]


def _slot(index: Expr) -> int:
    assert isinstance(index, Slot)
    return index.number


def _owners(
    bound: Bound, rows: Ints, tables: NDArray[np.int32], count: int
) -> list[tuple[Ints, Ints]]:
    """Return, for each space, pairs of an instance and a row of the space that it reads."""
    instance = np.repeat(np.arange(count, dtype=np.int64), np.diff(rows))
    out = [(instance, tables.astype(np.int64))]
    alone = instance if bound.distinct == len(tables) else None
    for space, offsets in zip(bound.program.spaces, bound.offsets, strict=True):
        assert alone is not None, "rows with spaces of their own share no tables"
        parent = alone if not space.parent else out[space.parent][0]
        owner = np.repeat(parent, np.diff(offsets))
        out.append((owner, np.arange(len(owner), dtype=np.int64)))
    return out


def _of_read(
    split: Split, node: ParamRead, bound: Bound, owners: list[tuple[Ints, Ints]]
) -> tuple[Ints, Ints]:
    """Return pairs of an instance and a row that one read of a param touches."""
    listed = bound.program.list_of(node)
    if listed is not None:
        pick, start = bound.picks[listed]
        owner, table = owners[0]
        count = np.diff(start)[table]
        first = np.repeat(start[:-1][table] - (np.cumsum(count) - count), count)
        return np.repeat(owner, count), split.first + pick[first + np.arange(count.sum())]
    number = bound.program.list_of(node)
    if number is not None:
        return _of_list(split, bound, number, owners)
    numbers = {_slot(node.indices[a]) for a, d in zip(split.axes, split.data, strict=True) if d}
    spaces = {bound.program.slots[k].space for k in numbers}
    if len(spaces) > 1:
        return _crossed(split, node, bound, owners)
    owner, at = owners[spaces.pop()]
    row = np.zeros((len(owner), 1), np.int64)
    taken = np.ones(len(owner), np.bool_)
    for axis, extent, data in zip(split.axes, split.extents, split.data, strict=True):
        if data:
            place = bound.slots[_slot(node.indices[axis])][at]
            taken &= place < extent  # a slot that is not taken holds 0
            row = row * extent + place[:, None]
        else:
            row = (row[:, :, None] * extent + np.arange(extent)).reshape(len(owner), -1)
    owner, row = owner[taken], split.first + row[taken]
    return np.repeat(owner, row.shape[1]), row.reshape(-1)


def _of_list(
    split: Split, bound: Bound, number: int, owners: list[tuple[Ints, Ints]]
) -> tuple[Ints, Ints]:
    """Return pairs of an instance and a row that a list picks."""
    pick, start = bound.picks[number]
    owner, at = owners[0]
    first, sizes = start[at], np.diff(start)[at]
    ends = np.cumsum(sizes)
    place = np.arange(int(sizes.sum())) + np.repeat(first - ends + sizes, sizes)
    return np.repeat(owner, sizes), split.first + pick[place].astype(np.int64)


def _crossed(
    split: Split, node: ParamRead, bound: Bound, owners: list[tuple[Ints, Ints]]
) -> tuple[Ints, Ints]:
    """Return pairs as `_of_read` does where spaces differ: all that go with each other."""
    count = 1 + max((int(owner.max(initial=-1)) for owner, _ in owners), default=-1)
    instances, rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for i in range(count):
        places = []
        for axis, extent, data in zip(split.axes, split.extents, split.data, strict=True):
            place = np.arange(extent)
            if data:
                number = _slot(node.indices[axis])
                owner, at = owners[bound.program.slots[number].space]
                place = np.unique(bound.slots[number][at[owner == i]])
            places.append(place[place < extent])
        row = np.ravel_multi_index(np.ix_(*places), split.extents).reshape(-1)
        instances.append(np.full(len(row), i))
        rows.append(split.first + row)
    return np.concatenate(instances), np.concatenate(rows)
