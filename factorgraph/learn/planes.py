"""Planes below a convex loss: at some weights, its value and gradient for each instance.

A plane of an instance is packed: the parts of its gradient in the rows of weights that it touches,
end to end. Where instances touch about all weights, that is the whole vector.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled, load
from factorgraph.compiler.planes import planes_text
from factorgraph.data.instances import Instances
from factorgraph.errors import some
from factorgraph.graph.structure import Group
from factorgraph.ground.batch import Batch
from factorgraph.ground.binders import compute_lets
from factorgraph.ground.ground import ground
from factorgraph.ground.weights import Weights, compact
from factorgraph.learn.ascent import harvest
from factorgraph.learn.minibatch import cuts
from factorgraph.learn.objective import Losses
from factorgraph.learn.rows import RowTable, touched_rows

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Block:
    """Some instances, whose planes are found together.

    Attributes
    ----------
    first, last : which of all instances.
    rows : int64, the rows that each of them touches, from ``starts[i]`` on.
    begin : int64 [I + 1], where each one's packed plane begins.
    """

    def __init__(self, batch: Batch, first: int, table: RowTable, planes: ModuleType) -> None:
        self.batch, self.first, self.planes = batch, first, planes
        self.last = first + batch.structure.instances
        self.starts, self.rows = touched_rows(table, batch.grounding)
        self.table = table
        ends = np.concatenate([[0], np.cumsum(table.width[self.rows])])
        self.begin = np.ascontiguousarray(ends[self.starts])
        self.whole = bool((np.diff(self.begin) == table.layout.size).all())
        self.programs = []
        for g, bound in enumerate(batch.grounding.bound):
            if hasattr(planes, f"planes{bound.program.symbol}"):
                group = batch.structure.groups[g]
                places = [table.layout.places[name] for name in bound.program.params]
                rooms = [np.empty(shape) for shape in batch.shape_of_adjoints(bound)]
                self.programs.append(
                    (
                        g, bound, rooms, ranges(group),
                        np.array([[p.start, p.stop] for p in places], np.int64),
                    )
                )  # fmt: skip

    def __call__(self, losses: Losses, weights: Weights, scratch: Floats) -> tuple[Floats, Floats]:
        """Return the losses float64 [I], and their planes, packed.

        Parameters
        ----------
        weights : views of a flat vector.
        scratch : float64 [1, n], zeros, and zeros again in the end.
        """
        loss, cotangent = losses(self.batch, weights)
        out = np.zeros(int(self.begin[-1]))
        if self.whole:
            self._add(weights, cotangent, out.reshape(len(loss), -1), slice(None))
            return loss, out
        for i in range(len(loss)):
            self._add(weights, cotangent, scratch, slice(i, i + 2))
            harvest(
                self.rows[self.starts[i] : self.starts[i + 1]], self.table.start, scratch[0],
                out[self.begin[i] : self.begin[i + 1]],
            )  # fmt: skip
        return loss, out

    def _add(self, weights: Weights, cotangent: Floats, out: Floats, chosen: slice) -> None:
        structure = self.batch.structure
        for g, bound, rooms, owned, places in self.programs:
            group = structure.groups[g]
            tables = structure.table(cotangent[0], g).reshape(group.distinct, group.states)
            function = getattr(self.planes, f"planes{bound.program.symbol}")
            arguments = self.batch.arguments(bound, weights)
            likes = [weights[name] for name in bound.program.params]
            function(owned[chosen], places, *arguments, tables, *rooms, *likes, out)


def ranges(group: Group) -> Ints:
    """Return int64 [I + 1], where the tables of each instance begin; none share any."""
    count = len(group.rows) - 1
    owner = np.empty(group.distinct, np.int64)
    owner[group.table] = np.repeat(np.arange(count), np.diff(group.rows))
    return np.searchsorted(owner, np.arange(count + 1))


class Blocks:
    """All instances in blocks, in the order of the data.

    Attributes
    ----------
    table : the rows of the weights.
    size : numbers of a packed plane of every instance.

    Raises
    ------
    BudgetError : where the planes would not fit.
    """

    def __init__(
        self, compiled: Compiled, module: ModuleType, instances: Instances, size: int
    ) -> None:
        self.count = instances.count
        instances = replace(instances, lets=compute_lets(instances))
        spans = cuts(0, instances.count, size)
        groundings = [
            ground(compiled, instances.part(*span), apart=True, tabled=True) for span in spans
        ]
        layout, groundings = compact(compiled, instances.vocabularies, groundings)
        self.table = RowTable(compiled, layout)
        planes = load(planes_text(compiled))
        self.blocks: list[Block] = []
        self.size = 0
        for (first, _), grounding in zip(spans, groundings, strict=True):
            block = Block(Batch(compiled, module, grounding), first, self.table, planes)
            self.blocks.append(block)
            self.size += int(block.begin[-1])
            budget.require(8 * self.size, "the planes of Frank-Wolfe, one for each instance")

    @property
    def reason(self) -> str:
        """Which inference answers for the instances, and why."""
        if not self.blocks:
            return "no instances"
        groups = [g for b in self.blocks for g in b.batch.structure.groups]
        method = self.blocks[0].batch.reason.split(",")[0]
        return f"{method}, {some(sum(len(g.table) for g in groups), 'factor')}"
