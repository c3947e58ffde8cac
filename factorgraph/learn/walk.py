"""Frank-Wolfe over instances one by one, in one call of machine code.

For `E(answer) - min(E(Y) - cost(Y))` on forests of factors of one or two unknowns, answers
observed: the most common case of all. Elsewhere planes are found for blocks of instances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.loss import LossProgram
from factorgraph.compiler.module import Compiled, load
from factorgraph.compiler.planes import GROUP, moving, walk_text
from factorgraph.engine.choose import choose
from factorgraph.engine.forest import CARD
from factorgraph.engine.tree import TreeEngine
from factorgraph.errors import InferenceError
from factorgraph.ground.batch import Batch
from factorgraph.ground.looks import looks_of
from factorgraph.learn.convex import worst
from factorgraph.learn.planes import Block, ranges

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Walk:
    """Steps along the planes of the instances of a block, one after another.

    Parameters
    ----------
    engine : of the block's graph with the factors of the cost.
    """

    def __init__(self, compiled: Compiled, loss: LossProgram, block: Block, engine: TreeEngine):
        batch = block.batch
        self.block, self.structure, self.engine = block, engine.structure, engine
        self.batch, self.compiled = batch, compiled
        own = len(batch.structure.groups)
        self.run: Callable[..., float] = load(
            walk_text(compiled, len(self.structure.groups) - own)
        ).walk
        self.values = np.zeros((1, self.structure.size))
        self.values[0, batch.structure.size :] = looks_of(batch, loss).tail
        self.cotangent = np.zeros(batch.structure.size)
        self.states = np.zeros((1, self.structure.variables), np.int32)
        self.losses = np.zeros(batch.structure.instances)
        width = int(np.diff(block.begin).max(initial=0))
        self.scratch, self.plane = np.zeros(block.table.layout.size), np.zeros(width)
        self._filled = False

    def __call__(
        self, chosen: Ints, w: Floats, inverse: Floats, planes: Floats, offsets: Floats,
        held: Ints, mean: Floats, done: int,
    ) -> float:  # fmt: skip
        """Step along the planes of chosen instances; return the sum of what planes differed by.

        The losses are then in ``losses``. What comes is changed in place, but for ``inverse``.
        """
        block, plan = self.block, self.engine.forest.plan
        views = block.table.layout.views(w)
        if not self._filled:  # tables that do not change with the weights
            self.batch.energies(views, self.values[0, : self.batch.structure.size])
            self._filled = True
        given: list[Any] = [
            chosen, self.batch.instances.weight, self.batch.grounding.evidence, plan.bounds,
            plan.state, plan.unary, plan.link, plan.roots, self.values,
            np.empty(plan.most[CARD]), self.states, np.zeros((0, 0)), self.cotangent,
            block.starts, block.rows, block.begin, block.table.start, inverse, w, self.scratch,
            self.plane, planes, offsets, held, mean, done, self.losses,
        ]  # fmt: skip
        into = block.table.layout.views(self.scratch)
        for program in moving(self.compiled):
            g = self.compiled.programs.index(program)
            group, bound = self.batch.structure.groups[g], self.batch.grounding.bound[g]
            given += [ranges(group), group.states, group.distinct]
            given += self.batch.arguments(bound, views)
            given += [np.empty(shape) for shape in self.batch.shape_of_adjoints(bound)]
            given += [into[name] for name in program.params]
        for g, group in enumerate(self.structure.groups):
            of = {
                "rows": group.rows, "table": group.table, "scope": group.scope,
                "cards": np.array(group.cards, np.int64), "place": int(self.structure.offset[g]),
            }  # fmt: skip
            given += [of[name] for name in GROUP]
        return float(self.run(*given))


def walk(compiled: Compiled, block: Block) -> Walk | None:
    """Return what walks over a block, None where its planes must be found otherwise."""
    loss, batch = compiled.loss, block.batch
    assert loss is not None
    found = worst(loss)
    if found is None or (batch.grounding.evidence < 0).any() or not moving(compiled):
        return None
    groups = batch.structure.groups
    cost = found[1].cost
    if cost not in (None, 0):
        return None
    if cost is not None:
        groups += tuple(group for group, _ in batch.grounding.costs[cost])
    try:
        engine = choose(replace(batch.structure, groups=groups)).engine
    except InferenceError:
        return None
    if not isinstance(engine, TreeEngine) or not engine.forest.pairwise:
        return None
    return Walk(compiled, loss, block, engine)


def starts_at_zero(loss: LossProgram, batch: Batch) -> bool:
    """Return whether a loss E(answer) - min(E(Y) - cost(Y)) is nowhere below 0: where no answer
    has a cost below 0."""
    from factorgraph.factors.table import energy

    found = worst(loss)
    if found is None or found[1].cost is None or (batch.grounding.evidence < 0).any():
        return False
    costs = tuple(group for group, _ in batch.grounding.costs[found[1].cost])
    structure = replace(batch.structure, groups=costs)
    tables = looks_of(batch, loss).costs(found[1].cost)
    return bool((energy(structure, tables[None], batch.grounding.evidence) <= 0).all())
