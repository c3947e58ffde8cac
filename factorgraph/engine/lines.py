"""An order of variables dealt into lines, which threads take one after the other.

A pass in an order has to visit a variable after its neighbours that come before, and no others: who
keeps to that comes to the same messages, whatever is done at once. A *line* is visited by one
thread, stretch by stretch; before a stretch it waits until other lines are as far as neighbours in
them demand. On a grid lines are its rows, and a thread follows another one a stretch behind. Where
neighbours in the order are rarely neighbours in the graph, variables are sorted by how many must be
visited before them, and lines are cut out of those that have as many.

How the order is dealt depends on the graph alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph.graph.structure import Ints, Offsets
from factorgraph.jit import kernel

Longs = NDArray[np.int64]
STRETCH = 256
"""States of the variables of a stretch, about: some microseconds of work."""
LONG = 16
"""Variables of a line on average, below which variables are sorted anew."""
WIDE = 64
"""Variables that have to be visited after as many others, on average, for that to be worth it."""


@dataclass(frozen=True)
class Lines:
    """Lines of stretches of places of an order.

    Attributes
    ----------
    line : int64 [L + 1], the stretches of each line; stretch : int64 [S + 1], their places.
    pile : int64 [4], the lines of each part of the order, which are taken in turn, or against it in
        a pass backward; none waits for a later one.
    wide : how many lines can be visited at once, at most.
    """

    line: Offsets
    stretch: Offsets
    pile: Offsets
    wide: int


@dataclass(frozen=True)
class Waits:
    """What has to be done before each stretch of a pass.

    Attributes
    ----------
    start : int64 [S + 1]; line, need : int32, the lines that are waited for, and how many of their
        stretches have to be done.
    """

    start: Offsets
    line: Ints
    need: Ints


def one_line(variables: int) -> Lines:
    """Return all places as one line of one stretch."""
    ends, one = np.array([0, variables], np.int64), np.array([0, 1, 1, 1], np.int64)
    return Lines(one[:2], ends, one, 1)


def depths(at: Longs, part: Longs) -> Longs | None:
    """Return how many places have to be visited in turn before each; None where lines are long
    as places stand, or too many places wait for each other.

    Parameters
    ----------
    at : int64 [E, 2], the places of the ends of each edge.
    part : int64 [V], the part of each place; parts are in order.
    """
    if len(part) >= LONG * int(_heads(at, part).sum()):
        return None
    low, high = at.min(axis=1), at.max(axis=1)
    by, depth = np.argsort(low, kind="stable"), np.zeros(len(part), np.int64)
    _deepen(low[by], high[by], depth)
    return depth if len(part) >= WIDE * (int(depth.max()) + 1) else None


def _heads(at: Longs, part: Longs) -> NDArray[np.bool_]:
    """Return which places no edge joins with the one before, or another part begins with."""
    low, high = at.min(axis=1), at.max(axis=1)
    out = np.ones(len(part), bool)
    out[high[high == low + 1]] = False
    out[1:] |= part[1:] != part[:-1]
    return out


def dealt(at: Longs, part: Longs, depth: Longs | None, states: int) -> Lines:
    """Deal places into lines.

    Parameters
    ----------
    at, part : as of `depths`.
    depth : of each place, by which places are sorted within their part; None where they are not.
    states : of all variables together.
    """
    variables = len(part)
    heads = np.ones(variables, bool)
    if depth is not None:
        heads[1:] = (part[1:] != part[:-1]) | (depth[1:] != depth[:-1])
    else:
        heads = _heads(at, part)
        if variables < LONG * int(heads.sum()):
            heads[1:] = part[1:] != part[:-1]
    begin = np.flatnonzero(heads)
    inside = np.arange(variables) - np.repeat(begin, np.diff(np.append(begin, variables)))
    cuts = inside % max(1, STRETCH * variables // max(1, states)) == 0
    if depth is not None:
        heads = cuts
    stretch = np.append(np.flatnonzero(cuts), variables)
    line = np.append(np.flatnonzero(heads[stretch[:-1]]), len(stretch) - 1)
    pile = np.searchsorted(part[stretch[line[:-1]]], np.arange(4))
    wide = int(np.diff(line).max()) * min(2, int(part[-1]) + 1)
    return Lines(line, stretch, pile, wide if depth is None else len(line) - 1)


def waits(at: Longs, lines: Lines, back: bool) -> Waits:
    """Return what each stretch waits for in a pass forward or backward.

    Parameters
    ----------
    at : int64 [E, 2], the places of the ends of each edge.
    """
    own = np.searchsorted(lines.stretch, at, side="right") - 1
    early, late = own.min(axis=1), own.max(axis=1)
    if back:
        early, late = late, early
    line = np.searchsorted(lines.line, early, side="right") - 1
    other = line != np.searchsorted(lines.line, late, side="right") - 1
    early, late, line = early[other], late[other], line[other]
    need = lines.line[line + 1] - early if back else early - lines.line[line] + 1
    by = np.lexsort((need, line, late))
    late, line, need = late[by], line[by], need[by]
    # Of what is needed of one line, the most.
    last = np.ones(len(late), bool)
    last[:-1] = (late[1:] != late[:-1]) | (line[1:] != line[:-1])
    late, line, need = late[last], line[last], need[last]
    count = np.bincount(late, minlength=len(lines.stretch) - 1)
    start = np.concatenate(([0], np.cumsum(count)))
    return Waits(start, line.astype(np.int32), need.astype(np.int32))


@kernel
def _deepen(low, high, depth):  # type: ignore[no-untyped-def]
    for e in range(len(low)):
        depth[high[e]] = max(depth[high[e]], depth[low[e]] + 1)
