"""Mini-batches of data that are read anew in each epoch, a shard of instances at a time.

A first pass fills the domains and counts. What an epoch does is what `Minibatches` do with the
same instances in memory: shards hold as many instances, and are shuffled by the same numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

from factorgraph.compiler.module import Compiled
from factorgraph.data.bind import bind
from factorgraph.data.column import Records
from factorgraph.data.fill import fill, labels
from factorgraph.data.instances import Instances, Vocabularies
from factorgraph.data.join import shards
from factorgraph.ground.binders import compute_lets
from factorgraph.ground.ground import ground
from factorgraph.ground.vocabulary import count_features, often
from factorgraph.ground.weights import whole
from factorgraph.learn.minibatch import Minibatch, batched, cuts, shuffled
from factorgraph.learn.resume import digest
from factorgraph.learn.rows import RowTable

Blocks = Callable[[], Iterator[Records]]
"""Reads the data from their beginning."""

SAMPLE = 200


class Streamed:
    """Mini-batches of instances that are read when they are needed.

    Parameters
    ----------
    blocks : reads the data.
    shared : data that all instances share.

    Attributes
    ----------
    vocabularies : labels and features of all data.
    unknowns : of all instances.
    observed : whether the answer of each instance is one configuration.
    sample : the first instances.
    digest : of all data.

    Raises
    ------
    DataError : where the data do not fit the model, in the first pass already.
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        blocks: Blocks,
        shared: dict[str, Any],
        *,
        size: int,
        shard: int,
        seed: int,
    ) -> None:
        self.compiled, self.module, self.blocks, self.shared = compiled, module, blocks, shared
        self.size, self.shard, self.seed = size, shard, seed
        self.vocabularies = self._filled()
        self.count = self.unknowns = self.steps = 0
        self.observed = True
        self.sample: Instances | None = None
        hashed = hashlib.sha256()
        for records in shards(self.blocks(), shard):
            instances = self._bound(records)
            if self.sample is None:
                self.sample = instances.part(0, min(SAMPLE, instances.count))
            self.count += instances.count
            self.unknowns += int(instances.variables.sum())
            self.steps += len(cuts(0, instances.count, size))
            self.observed &= not instances.open.any()
            hashed.update(digest(records, {}).encode())
        hashed.update(digest(Records("", 0, {}), shared).encode())
        self.digest = hashed.hexdigest()
        self.table = RowTable(compiled, whole(compiled, self.vocabularies))

    def _filled(self) -> Vocabularies:
        """Return labels and features of all data, from one pass for each of them."""
        model = self.compiled.model.written
        found: dict[str, set[str]] = {}
        out: Vocabularies = {}
        if any(domain.from_data for domain in model.domains.values()):
            first = None
            for records in shards(self.blocks(), self.shard):
                first = records if first is None else first
                for name, words in labels(model, records).items():
                    found.setdefault(name, set()).update(words)
            features = {f.domain for f in model.features}
            if first is not None and not all(w for n, w in found.items() if n not in features):
                fill(model, first)  # says which domain the data do not fill
            out = {name: tuple(sorted(words)) for name, words in found.items()}
        if model.features:
            counts: dict[str, dict[str, int]] = {}
            for records in shards(self.blocks(), self.shard):
                instances = bind(model, records, out, shared=self.shared)
                for domain, counted in count_features(instances).items():
                    into = counts.setdefault(domain, {})
                    for name, count in counted.items():
                        into[name] = into.get(name, 0) + count
            out |= often(model, counts)
        return out

    def _bound(self, records: Records) -> Instances:
        return bind(self.compiled.model.written, records, self.vocabularies, shared=self.shared)

    @property
    def reason(self) -> str:
        """Which inference answers for the first instances, and why."""
        if self.sample is None:
            return "no instances"
        batch = batched(
            self.compiled, self.module, self.table, ground(self.compiled, self.sample, tabled=True)
        ).batch
        return f"{batch.reason.split(',')[0]}, data read in shards of {self.shard} instances"

    def epoch(self, number: int, done: int = 0) -> Iterator[Minibatch]:
        """Yield the batches of an epoch in its order, but for those that are done."""
        yield from self._read(number, done)

    def every(self) -> Iterator[Minibatch]:
        """Yield all batches, those of a shard in the order in which they were dealt."""
        yield from self._read(None, 0)

    def _read(self, epoch: int | None, done: int) -> Iterator[Minibatch]:
        for shard, records in enumerate(shards(self.blocks(), self.shard)):
            spans = cuts(0, records.count, self.size)
            if done >= len(spans):
                done -= len(spans)
                continue
            mixed = records.take(shuffled(records.count, shard, self.seed))
            instances = self._bound(mixed)
            instances = replace(instances, lets=compute_lets(instances))
            chosen = range(len(spans))
            if epoch is not None:
                chosen = shuffled(len(spans), shard, self.seed, epoch)[done:].tolist()
            done = 0
            for k in chosen:
                grounding = ground(self.compiled, instances.part(*spans[k]), tabled=True)
                yield batched(self.compiled, self.module, self.table, grounding)
