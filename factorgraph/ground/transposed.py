"""The gradient of sums of picked rows, over all batches at once.

Each batch writes the adjoints of its sums into its part of one array. Then each row of weights adds
up the adjoints of the rows that picked it, always in the same order. Ranges of weights are
independent: threads need no gradients of their own, and the result is the same to the last bit
whatever their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.emit import everything
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Reduction
from factorgraph.factors.picks import add_picked, count_picks, transpose
from factorgraph.ground.batch import Batch
from factorgraph.ground.weights import Layout, Weights
from factorgraph.model.expression import ParamRead

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TURN = 1 << 24
"""Bytes of the adjoints of the batches of a turn."""
PARTS = 32
"""Ranges of weights; more than threads, so that none waits long for another."""


@dataclass(frozen=True, eq=False)
class Lists:
    """One list of picks over all batches, by place.

    Attributes
    ----------
    start : int64 [places + 1].
    rows : int32 [picks], which rows pick each place.
    adjoint : float64 [rows, states].
    first : int64 [batches + 1], rows by batch.
    """

    param: str
    program: int
    number: int
    start: Ints
    rows: NDArray[np.int32]
    adjoint: Floats
    first: Ints


class Transposed:
    """The lists of all batches by place, with room for the adjoints.

    Parameters
    ----------
    batches : with groundings that index the layout.
    rooms : for the adjoints, as `in_turns` shares them; None where they are made here.

    Attributes
    ----------
    direct : the params that are read in other ways, too: each batch has a gradient of these.
    alone : the params that one list reads, and nothing else.
    """

    def __init__(
        self,
        compiled: Compiled,
        layout: Layout,
        batches: Sequence[Batch],
        rooms: dict[tuple[int, int], Floats] | None = None,
    ) -> None:
        self.layout = layout
        self.batches = batches
        self.direct = layout.places.keys() - only_listed(compiled)
        self.lists = [_lists(layout, batches, *key, rooms) for key in _keys(compiled) if batches]
        count = Counter(x.param for x in self.lists)
        self.alone = {name for name, n in count.items() if n == 1} - self.direct
        programs = range(len(compiled.programs))
        self.rooms = [
            [
                [x.adjoint[x.first[b] : x.first[b + 1]] for x in self.lists if x.program == g]
                for g in programs
            ]
            for b in range(len(batches))
        ]
        self.parts = [(x, *span) for x in self.lists for span in _spans(x.start)]

    def empty(self) -> Weights:
        """Return a gradient for one batch: zeros, without rows where only lists read a param."""
        return {
            name: np.zeros(p.stored if name in self.direct else (0, *p.stored[1:]))
            for name, p in self.layout.places.items()
        }


def add_rows(part: tuple[Lists, int, int], gradient: Weights) -> None:
    """Add to the gradient of a range of rows what the batches have left as adjoints."""
    lists, low, high = part
    rows = gradient[lists.param]
    add_to(part, rows.reshape(len(rows), -1)[low:high])


def add_to(part: tuple[Lists, int, int], rows: Floats) -> None:
    """Do as `add_rows`, given these rows of the gradient alone, [high - low, states]."""
    lists, low, high = part
    start = lists.start[low : high + 1]
    add_picked(start, lists.rows, lists.adjoint, 0, high - low, rows)


def in_turns(
    compiled: Compiled, layout: Layout, batches: Sequence[Batch], limit: int = TURN
) -> list[Transposed]:
    """Return the lists of some batches after the other, which share the room of their adjoints.

    Parameters
    ----------
    limit : bytes of the adjoints of one turn, as far as batches can be told apart.
    """
    sizes = [
        sum(
            8 * prod(shape)
            for bound in batch.grounding.bound
            for shape in batch.shape_of_adjoints(bound)
        )
        for batch in batches
    ]
    turns = max(1, min(len(batches), -(-sum(sizes) // limit)))
    edges = [len(batches) * k // turns for k in range(turns + 1)]
    dealt = [batches[a:b] for a, b in pairwise(edges)]
    rooms = {}
    for g, k in _keys(compiled):
        rows = max((_rows(part, g) for part in dealt), default=0)
        if rows:
            rooms[g, k] = np.empty((rows, _states(dealt[0], g, k)))
    return [Transposed(compiled, layout, part, rooms) for part in dealt]


def _keys(compiled: Compiled) -> list[tuple[int, int]]:
    """Return the numbers of all lists: of a program, and in it."""
    return [(g, k) for g, p in enumerate(compiled.programs) for k in range(len(p.picks))]


def _rows(batches: Sequence[Batch], g: int) -> int:
    return sum(batch.grounding.bound[g].distinct for batch in batches)


def _states(batches: Sequence[Batch], g: int, k: int) -> int:
    return batches[0].shape_of_adjoints(batches[0].grounding.bound[g])[k][1]


def _lists(
    layout: Layout,
    batches: Sequence[Batch],
    g: int,
    k: int,
    rooms: dict[tuple[int, int], Floats] | None,
) -> Lists:
    found = [b.grounding.bound[g].picks[k] for b in batches]
    counts = [len(start) - 1 for _, start in found]
    first = np.concatenate(([0], np.cumsum(counts)))
    states = _states(batches, g, k)
    param = batches[0].grounding.bound[g].program.picks[k].param
    places = layout.places[param].stored[0]
    total = sum(len(pick) for pick, _ in found)
    budget.require(4 * total + 8 * (int(first[-1]) * states + 2 * places), "training")
    count = np.zeros(places + 1, np.int64)
    for pick, _ in found:
        count_picks(pick, count[1:])
    start = np.cumsum(count)
    rows, after = np.empty(total, np.int32), start[:-1].copy()
    for (pick, offsets), base in zip(found, first[:-1].tolist(), strict=True):
        transpose(pick, offsets, base, after, rows)
    if rooms and (g, k) in rooms:
        adjoint = rooms[g, k][: int(first[-1])]
    else:
        adjoint = np.zeros((int(first[-1]), states))
    return Lists(param, g, k, start, rows, adjoint, first)


def _spans(start: Ints) -> list[tuple[int, int]]:
    """Return ranges of places of about equal work."""
    places = len(start) - 1
    work = start + 2 * np.arange(places + 1)
    cuts = np.searchsorted(work, work[-1] * np.arange(1, PARTS) / PARTS)
    edges = np.unique(np.concatenate(([0], cuts, [places])))
    return [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def only_listed(compiled: Compiled) -> set[str]:
    """Return the params that nothing but lists of picks reads."""
    listed: set[str] = set()
    direct: set[str] = set()
    for program in compiled.every:
        nodes = list(everything(program.body))
        lists = {n.index for n in nodes if isinstance(n, Reduction) and n.picks is not None}
        for node in nodes:
            if isinstance(node, ParamRead):
                (listed if lists & set(node.indices) else direct).add(node.name)
    return listed - direct
