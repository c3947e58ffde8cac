"""Block-coordinate Frank-Wolfe: convex losses of linear energies, with l2 on every weight.

The objective is P(w) = sum_j L_j w_j^2 / 2 + sum_i H_i(w), each H_i convex. A plane g.w + b that
touches H_i at some weights lies below it everywhere. Any plane a_i.w + b_i for each instance, a
mean of such planes, gives a lower bound of P, whose minimiser is w = -sum_i a_i / L:

    D = -sum_j (sum_i a_i)_j^2 / (2 L_j) + sum_i b_i  <=  min P

A step on instance i moves its plane towards a new one by the share that raises D most. What the
two planes differ by at w is what D could still gain: at one w, the sum of these differences is
P(w) - D, the duality gap. Where `walk` can, planes are found one by one, each at the weights that
the last step left; elsewhere for a block of instances at the same weights.

Reference: S. Lacoste-Julien, M. Jaggi, M. Schmidt and P. Pletscher, Block-coordinate Frank-Wolfe
optimization for structural SVMs (2013), algorithm 4, with weighted averaging.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.errors import NumericalError
from factorgraph.learn.ascent import ascend
from factorgraph.learn.blocks import dot
from factorgraph.learn.convex import is_positive
from factorgraph.learn.minibatch import shuffled
from factorgraph.learn.objective import Losses
from factorgraph.learn.options import Options
from factorgraph.learn.planes import Blocks
from factorgraph.learn.shards import Crew
from factorgraph.learn.state import Arrays, expect, packed, unpacked
from factorgraph.learn.walk import Walk, starts_at_zero, walk

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUNNING = "running"
CHUNK = 512
"""Instances that are walked over in one call."""

MANY = 256
"""Instances from which on walking over them pays for the machine code that it needs."""


@dataclass(slots=True)
class PlaneState:
    """Everything that Frank-Wolfe needs to go on.

    Attributes
    ----------
    w : [n], the weights.
    planes, offsets : the plane of each instance, packed, and [N].
    held : [N], whether an instance has a plane.
    mean : [n], the mean of the weights over steps, later ones weighing more; empty if not kept.
    passes, position, done : passes done, units done in this one, steps done at all.
    loss, open : of this pass so far, the sums of losses and of what planes differed by.
    """

    w: NDArray[np.float64]
    planes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    held: NDArray[np.int64]
    mean: NDArray[np.float64]
    passes: int = 0
    position: int = 0
    done: int = 0
    loss: float = 0.0
    open: float = 0.0
    status: str = RUNNING

    def arrays(self) -> Arrays:
        """Return the state as plain arrays, views that are valid until the next step."""
        return packed(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> PlaneState:
        """Return the state that `arrays` stored."""
        return unpacked(cls, arrays)


class FrankWolfe:
    """Raises the lower bound of an objective instance by instance.

    Parameters
    ----------
    compiled : with a loss that is convex in the weights, energies linear in them.
    many : instances from which on they are walked over, where they can be.

    Attributes
    ----------
    units : parts of a pass, after each of which it can be left.

    Raises
    ------
    BudgetError : where the planes would not fit.
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        instances: Instances,
        options: Options,
        *,
        many: int = MANY,
    ) -> None:
        self.losses, self.options, self.count = Losses(compiled, module), options, instances.count
        self.source = Blocks(compiled, module, instances, max(instances.count, 1))
        loss = self.losses.loss
        self.walk: Walk | None = None
        batches = [block.batch for block in self.source.blocks]
        observed = all((b.grounding.evidence >= 0).all() for b in batches)
        positive = is_positive(loss, observed)
        self.positive = positive or all(starts_at_zero(loss, b) for b in batches)
        if self.source.blocks and instances.count >= many:
            self.walk = walk(compiled, self.source.blocks[0])
        if self.walk is None:
            size = options.batch or (1 if instances.count < MANY else 8)
            self.source = Blocks(compiled, module, instances, size)
        self.layout = self.source.table.layout
        self.curve = self.layout.coefficients("l2")
        self._inverse = 1.0 / self.curve
        budget.require(8 * (3 * self.source.size + 6 * self.layout.size), "Frank-Wolfe")
        self._scratch = np.zeros((1, self.layout.size))
        ends = np.cumsum([int(b.begin[-1]) for b in self.source.blocks], dtype=np.int64)
        self._begin = np.concatenate([[0], ends])
        self.units = len(self.source.blocks)
        if self.walk is not None:
            self.units = -(-self.count // CHUNK)

    def start(self) -> PlaneState:
        """Return the state before the first step: all weights 0."""
        n, held = self.layout.size, np.full(self.count, int(self.positive), np.int64)
        mean = np.zeros(n if self.options.averages else 0)
        size = self.source.size
        return PlaneState(np.zeros(n), np.zeros(size), np.zeros(self.count), held, mean)

    def check(self, state: PlaneState) -> None:
        """Refuse a state that is not of this training.

        Raises
        ------
        RunError : naming the field.
        """
        n, count = self.layout.size, self.count
        expect(
            state, w=(n,), planes=(self.source.size,), offsets=(count,), held=(count,),
            mean=(n if self.options.averages else 0,),
        )  # fmt: skip

    def unit(self, state: PlaneState) -> None:
        """Make the steps of the next unit.

        Raises
        ------
        DataError, NumericalError : where a loss is not finite, naming the instance.
        """
        if self.walk is not None:
            order = shuffled(self.count, 0, self.options.seed, state.passes)
            chosen = order[state.position * CHUNK : (state.position + 1) * CHUNK]
            state.open += self.walk(
                chosen, state.w, self._inverse, state.planes, state.offsets, state.held,
                state.mean, state.done,
            )  # fmt: skip
            loss = self.walk.losses[chosen]
            if not np.isfinite(loss).all():
                self.losses(self.walk.batch, self.layout.views(np.zeros(self.layout.size)))
                raise self._refuse(int(chosen[np.flatnonzero(~np.isfinite(loss))[0]]))
        else:
            order = shuffled(self.units, 0, self.options.seed, state.passes)
            number = int(order[state.position])
            block = self.source.blocks[number]
            loss, planes = block(self.losses, self.layout.views(state.w), self._scratch)
            if not np.isfinite(planes).all():
                raise self._refuse(block.first)
            part = slice(int(self._begin[number]), int(self._begin[number + 1]))
            of = slice(block.first, block.last)
            state.loss += float(loss.sum())
            state.open += ascend(
                block.starts, block.rows, block.begin, self.source.table.start, loss, planes,
                self._inverse, state.w, state.planes[part], state.offsets[of], state.held[of],
                state.mean, state.done,
            )  # fmt: skip
            loss = np.zeros(len(loss))
        state.loss += float(loss.sum())
        state.done += len(loss)
        state.position += 1

    def _refuse(self, i: int) -> NumericalError:
        for block in self.source.blocks:
            if block.first <= i < block.last:
                where = block.batch.instances.where(i - block.first)
                return NumericalError(f"{where}: the loss is not finite", code="E0702")
        raise AssertionError

    def dual(self, state: PlaneState) -> float:
        """Return the lower bound of the objective."""
        return float(state.offsets.sum()) - self.regulariser(state.w)

    def regulariser(self, w: Floats) -> float:
        """Return what the regulariser costs."""
        return 0.5 * dot(self.curve * w, w)

    def primal(self, w: Floats, crew: Crew) -> float:
        """Return the objective."""
        views = self.layout.views(w)
        batches = [block.batch for block in self.source.blocks]
        found = crew.map(lambda batch: float(self.losses(batch, views)[0].sum()), batches)
        return self.regulariser(w) + sum(found)
