"""The order in which variables are visited, from both ends where that splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factorgraph.engine.lines import Lines, dealt, depths, one_line
from factorgraph.engine.pairwise import Pairwise
from factorgraph.graph.structure import Ints, Offsets

LEAST = 200_000
"""Entries of messages; a graph of fewer is swept in one go."""
NARROW = 0.05
"""The part that stays for the meeting of both halves is at most this share of the variables."""


@dataclass(frozen=True)
class Order:
    """Variables in the order of a forward pass, with their edges.

    Attributes
    ----------
    variable : int32 [V], from place to variable.
    at : int64 [E, 2], the places of the ends of the graph's edges.
    part : int64 [V], 0 in the first half, 1 in the second, 2 where they meet; halves share no edge.
    lines : what threads take.
    start : int64 [V + 1], the edges of each place; ``middle``: where those to later places begin.
    edge, other : int32 [2 E], the edge and the variable at its other end.
    axis : int8 [2 E], the axis of this variable in the edge's table.
    rank : int64 [E], edges in the order of their messages.
    slot : int64 [E + 1], where the message of each edge stands.
    """

    variable: Ints
    at: Offsets
    part: Offsets
    lines: Lines
    start: Offsets
    middle: Offsets
    edge: Ints
    other: Ints
    axis: np.ndarray[tuple[int, ...], np.dtype[np.int8]]
    rank: Offsets
    slot: Offsets


def ordered(graph: Pairwise) -> Order:
    """Return the order of a graph: as variables are numbered, from both ends where that splits.

    The first half of the variables comes first, then, from the last one downward, those that no
    edge joins with it, and what lies between at the end. Within these parts variables that need
    not wait for each other may change places. All of it depends on the graph alone, so that results
    do not depend on the number of threads.
    """
    variables, ends = len(graph.card), graph.edges.ends.astype(np.int64)
    size = graph.card[ends].max(axis=1, initial=0).astype(np.int64)
    place, part, lines = np.arange(variables), np.zeros(variables, np.int64), one_line(variables)
    if int(size.sum()) >= LEAST:
        half = variables // 2
        low, high = ends.min(axis=1), ends.max(axis=1)
        between = np.zeros(variables, bool)
        between[high[(low < half) & (high >= half)]] = True
        apart = np.flatnonzero(~between)
        apart, meeting = apart[apart >= half][::-1], np.flatnonzero(between)
        if len(meeting) <= NARROW * variables and len(apart):
            sequence = np.concatenate([np.arange(half), apart, meeting])
            place = np.empty(variables, np.int64)
            place[sequence] = np.arange(variables)
            part = np.repeat(np.arange(3), (half, len(apart), len(meeting)))
        depth = depths(place[ends], part)
        if depth is not None:
            by = np.lexsort((depth, part))
            anew = np.empty(variables, np.int64)
            anew[by] = np.arange(variables)
            place, depth = anew[place], depth[by]
        lines = dealt(place[ends], part, depth, int(graph.state[-1]))
    variable = np.empty(variables, np.int32)
    variable[place] = np.arange(variables, dtype=np.int32)
    at = place[ends]
    first = at.min(axis=1, initial=variables)
    rank = np.lexsort((at.max(axis=1, initial=-1), first))
    number = np.empty(len(ends), np.int64)
    number[rank] = np.arange(len(ends))
    slot = np.concatenate(([0], np.cumsum(size[rank])))
    own, far = at.T.reshape(-1), at[:, ::-1].T.reshape(-1)
    edges = np.concatenate([number, number])
    by = np.lexsort((far, own))
    start = np.concatenate(([0], np.cumsum(np.bincount(own, minlength=variables))))
    earlier = np.bincount(own[far < own], minlength=variables)
    return Order(
        variable=variable,
        at=at,
        part=part,
        lines=lines,
        start=start,
        middle=start[:-1] + earlier,
        edge=edges[by].astype(np.int32),
        other=ends[:, ::-1].T.reshape(-1)[by].astype(np.int32),
        axis=np.repeat(np.array([0, 1], np.int8), len(ends))[by],
        rank=rank,
        slot=slot,
    )
