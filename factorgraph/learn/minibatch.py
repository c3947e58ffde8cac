"""Small batches of instances, each a graph of its own with the rows of weights that it touches.

Instances are shuffled once by the seed, within shards of a fixed number of instances, and dealt
into batches of about equal size; each epoch runs through the shards in order, and through the
batches of a shard in an order of its own. All of it depends on the seed, the epoch and the shard
alone, so that data which are read shard by shard give what data in memory give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.errors import some
from factorgraph.ground.batch import Batch
from factorgraph.ground.binders import compute_lets
from factorgraph.ground.ground import Grounding, ground
from factorgraph.ground.looks import looks_of
from factorgraph.ground.weights import Layout, compact
from factorgraph.learn.rows import RowTable, touched_rows

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Minibatch:
    """Some instances and the rows of weights, sorted, that they touch."""

    batch: Batch
    rows: Ints


class Source(Protocol):
    """Where mini-batches come from.

    Attributes
    ----------
    table : the rows of the weights.
    count : instances.
    steps : batches of an epoch.
    reason : which inference answers for them, and why.
    """

    table: RowTable
    count: int
    steps: int

    @property
    def reason(self) -> str: ...

    def epoch(self, number: int, done: int = 0) -> Iterator[Minibatch]:
        """Yield the batches of an epoch in its order, but for those that are done."""

    def every(self) -> Iterator[Minibatch]:
        """Yield all batches in the order of the data."""


def shuffled(count: int, shard: int, seed: int, epoch: int = -1) -> Ints:
    """Return the order of instances in a shard or, in an epoch from 0, that of its batches."""
    return np.random.default_rng([seed, 1 + epoch, shard]).permutation(count)


def order(count: int, shard: int, seed: int) -> Ints:
    """Return the order in which instances are dealt into batches.

    Parameters
    ----------
    count : instances.
    shard : instances of a shard.
    """
    parts = [
        low + shuffled(min(shard, count - low), k, seed)
        for k, low in enumerate(range(0, count, shard))
    ]
    return np.concatenate([np.zeros(0, np.int64), *parts])


def cuts(low: int, high: int, size: int) -> list[tuple[int, int]]:
    """Return ranges of about equally many instances, at most ``size``."""
    pieces = -(-(high - low) // size)
    edges = [low + (high - low) * k // pieces for k in range(pieces + 1)] if pieces else []
    return list(zip(edges[:-1], edges[1:], strict=True))


class Minibatches:
    """Mini-batches of instances in memory, grounded once.

    Parameters
    ----------
    instances : in the order of `order`.
    size : most instances of a batch.
    shard : instances that are shuffled together.
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        instances: Instances,
        *,
        size: int,
        shard: int,
        seed: int,
    ) -> None:
        self.compiled = compiled
        self.seed, self.count = seed, instances.count
        instances = replace(instances, lets=compute_lets(instances))  # once, not by batch
        spans: list[tuple[int, int]] = []
        self.shards: list[tuple[int, int]] = []
        for low in range(0, instances.count, shard):
            before = len(spans)
            spans += cuts(low, min(low + shard, instances.count), size)
            self.shards.append((before, len(spans)))
        groundings: list[Grounding] = []
        states = 0
        for span in spans:
            groundings.append(ground(compiled, instances.part(*span), tabled=True))
            states += groundings[-1].structure.size
            budget.require(16 * states, "the mini-batches in memory")
        layout, groundings = compact(compiled, instances.vocabularies, groundings)
        self.table = RowTable(compiled, layout)
        self.batches = [batched(compiled, module, self.table, g) for g in groundings]
        self.steps = len(self.batches)

    @property
    def layout(self) -> Layout:
        """Where weights lie in the flat vector."""
        return self.table.layout

    @property
    def reason(self) -> str:
        """Which inference answers for the instances, and why."""
        return _reason(self.compiled, [m.batch for m in self.batches])

    def epoch(self, number: int, done: int = 0) -> Iterator[Minibatch]:
        """Yield the batches of an epoch in its order, but for those that are done."""
        for shard, (first, last) in enumerate(self.shards):
            if done >= last - first:
                done -= last - first
                continue
            for k in shuffled(last - first, shard, self.seed, number)[done:]:
                yield self.batches[first + k]
            done = 0

    def every(self) -> Iterator[Minibatch]:
        """Yield all batches in the order of the data."""
        yield from self.batches


def batched(
    compiled: Compiled, module: ModuleType, table: RowTable, grounding: Grounding
) -> Minibatch:
    """Return a grounding as a batch with the rows that it touches."""
    return Minibatch(
        Batch(compiled, module, grounding), np.unique(touched_rows(table, grounding)[1])
    )


def _reason(compiled: Compiled, batches: list[Batch]) -> str:
    if not batches or compiled.loss is None:
        return "no instances"
    factors = sum(len(g.table) for b in batches for g in b.structure.groups)
    method = looks_of(batches[0], compiled.loss).reason.split(",")[0]
    return f"{method}, {some(factors, 'factor')}"
