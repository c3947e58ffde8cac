"""The order in which variables are visited, and where it falls into two halves for two threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    parts : where the first half, the second half and their meeting end; halves share no edge.
    start : int64 [V + 1], the edges of each place; ``middle``: where those to later places begin.
    edge, other : int32 [2 E], the edge and the variable at its other end.
    axis : int8 [2 E], the axis of this variable in the edge's table.
    rank : int64 [E], edges in the order of their messages.
    slot : int64 [E + 1], where the message of each edge stands.
    """

    variable: Ints
    parts: tuple[int, int, int]
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
    edge joins with it, and what lies between at the end. Whether it does depends on the graph
    alone, so that results do not depend on the number of threads.
    """
    variables, ends = len(graph.card), graph.edges.ends.astype(np.int64)
    size = graph.card[ends].max(axis=1, initial=0).astype(np.int64)
    place, parts = np.arange(variables), (variables, variables, variables)
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
            parts = (half, half + len(apart), variables)
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
        parts=parts,
        start=start,
        middle=start[:-1] + earlier,
        edge=edges[by].astype(np.int32),
        other=ends[:, ::-1].T.reshape(-1)[by].astype(np.int32),
        axis=np.repeat(np.array([0, 1], np.int8), len(ends))[by],
        rank=rank,
        slot=slot,
    )
