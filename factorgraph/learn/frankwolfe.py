"""Block-coordinate Frank-Wolfe: convex losses of linear energies, with l2 on every weight.

The objective is P(w) = sum_j L_j w_j^2 / 2 + sum_i H_i(w), each H_i convex. A plane g.w + b that
touches H_i at some weights lies below it everywhere. Any plane a_i.w + b_i for each instance, a
mean of such planes, gives a lower bound of P, whose minimiser is w = -sum_i a_i / L:

    D = -sum_j (sum_i a_i)_j^2 / (2 L_j) + sum_i b_i  <=  min P

A step on instance i moves its plane towards a new one by the share that raises D most; what D
could still gain is the difference of both planes at w. The sum of these differences at one w is
P(w) - D, the duality gap. Planes are found for a block of instances at the same weights, and
stepped along one by one. Older planes of an instance are kept and stepped along between, as they
cost no inference.

Reference: S. Lacoste-Julien, M. Jaggi, M. Schmidt and P. Pletscher, Block-coordinate Frank-Wolfe
optimization for structural SVMs (2013); N. Shah, V. Kolmogorov and C. Lampert, A multi-plane
block-coordinate Frank-Wolfe algorithm (2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import NumericalError
from factorgraph.jit import kernel
from factorgraph.learn.blocks import dot
from factorgraph.learn.objective import Losses
from factorgraph.learn.options import Options
from factorgraph.learn.planes import Block, Blocks
from factorgraph.learn.state import Arrays, expect, packed, unpacked

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUNNING = "running"
import os
ETA = float(os.environ.get("ETA","1"))


@dataclass(slots=True)
class PlaneState:
    """Everything that Frank-Wolfe needs to go on.

    Attributes
    ----------
    w : [n], the weights.
    planes, offsets : the plane of each instance, packed, and [N].
    held : [N], whether an instance has a plane of its own.
    older, older_offsets : [cached, P] and [cached, N], planes that were found before.
    kept : [N], how many of these an instance has had.
    mean : [n], the weighted mean of the weights over blocks; empty while there is none.
    passes, position, blocks : passes done, blocks done in this one, blocks done at all.
    loss, open : of this pass so far, the sums of losses and of gaps.
    value, gap : the objective and the duality gap as of the last pass; the gap is certified where
        ``certified``.
    """

    w: NDArray[np.float64]
    planes: NDArray[np.float64]
    offsets: NDArray[np.float64]
    held: NDArray[np.int64]
    older: NDArray[np.float64]
    older_offsets: NDArray[np.float64]
    kept: NDArray[np.int64]
    mean: NDArray[np.float64]
    passes: int = 0
    position: int = 0
    blocks: int = 0
    loss: float = 0.0
    open: float = 0.0
    value: float = 0.0
    gap: float = 0.0
    certified: int = 0
    status: str = RUNNING

    def arrays(self) -> Arrays:
        """Return the state as plain arrays, views that are valid until the next step."""
        return packed(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> PlaneState:
        """Return the state that `arrays` stored."""
        return unpacked(cls, arrays)


class FrankWolfe:
    """Raises the lower bound of an objective block by block.

    Parameters
    ----------
    positive : whether losses are never below 0: then 0 is the first plane of every instance.
    cached : how many older planes of each instance are kept.

    Raises
    ------
    BudgetError : where the planes would not fit.
    """

    def __init__(
        self, blocks: Blocks, losses: Losses, options: Options, *, positive: bool, cached: int = 0
    ) -> None:
        self.source, self.losses, self.options = blocks, losses, options
        self.layout, self.positive, self.cached = blocks.table.layout, positive, cached
        self.curve = self.layout.coefficients("l2")
        self._inverse = 1.0 / self.curve
        budget.require(8 * (blocks.size * (1 + cached) + 5 * self.layout.size), "Frank-Wolfe")
        self._scratch = np.zeros((1, self.layout.size))
        ends = np.cumsum([int(b.begin[-1]) for b in blocks.blocks], dtype=np.int64)
        self._begin = np.concatenate([[0], ends])

    def start(self) -> PlaneState:
        """Return the state before the first step: all weights 0."""
        n, count, size = self.layout.size, self.source.count, self.source.size
        return PlaneState(
            w=np.zeros(n), planes=np.zeros(size), offsets=np.zeros(count),
            held=np.full(count, int(self.positive), np.int64),
            older=np.zeros((self.cached, size)), older_offsets=np.zeros((self.cached, count)),
            kept=np.zeros(count, np.int64),
            mean=np.zeros(n if self.options.averages else 0),
        )  # fmt: skip

    def check(self, state: PlaneState) -> None:
        """Refuse a state that is not of this training."""
        n, count, size = self.layout.size, self.source.count, self.source.size
        expect(
            state, w=(n,), planes=(size,), offsets=(count,), held=(count,), kept=(count,),
            older=(self.cached, size), older_offsets=(self.cached, count),
            mean=(n if self.options.averages else 0,),
        )  # fmt: skip

    def block(self, state: PlaneState, block: Block, number: int) -> None:
        """Find the planes of a block and step along them."""
        loss, planes = block(self.losses, self.layout.views(state.w), self._scratch)
        if not np.isfinite(planes).all():
            raise NumericalError(
                f"the gradient of a loss is not finite ({block.batch.instances.where(0)} and on)",
                code="E0702",
            )
        part = slice(int(self._begin[number]), int(self._begin[number + 1]))
        chosen = slice(block.first, block.last)
        state.open += ascend(
            block.starts, block.rows, block.begin, self.source.table.start, loss, planes,
            self._inverse, state.w, state.planes[part], state.offsets[chosen], state.held[chosen],
            state.older, state.older_offsets, state.kept[chosen], part.start, block.first,
        )  # fmt: skip
        state.loss += float(loss.sum())
        state.blocks += 1
        if len(state.mean):
            share = (1.0 + ETA) / (state.blocks + ETA)
            state.mean *= 1.0 - share
            state.mean += share * state.w

    def between(self, state: PlaneState, block: Block, number: int) -> None:
        """Step along the older planes of a block."""
        part = slice(int(self._begin[number]), int(self._begin[number + 1]))
        chosen = slice(block.first, block.last)
        again(
            block.starts, block.rows, block.begin, self.source.table.start, self._inverse, state.w,
            state.planes[part], state.offsets[chosen], state.older, state.older_offsets,
            state.kept[chosen], part.start, block.first,
        )  # fmt: skip

    def dual(self, state: PlaneState) -> float:
        """Return the lower bound."""
        return float(state.offsets.sum()) - 0.5 * dot(self.curve * state.w, state.w)

    def regulariser(self, w: Floats) -> float:
        """Return what the regulariser costs."""
        return 0.5 * dot(self.curve * w, w)


@kernel(fastmath={"reassoc", "contract"})
def valued(rows, start, plane, w):  # type: ignore[no-untyped-def]
    """Return a packed plane times the weights; all numbers are finite."""
    at, total = 0, 0.0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            total += plane[at + j] * w[low + j]
        at += size
    return total


@kernel(fastmath={"reassoc", "contract"})
def step(  # type: ignore[no-untyped-def]
    rows, start, plane, offset, inverse, w, own, offsets, i, free
):
    """Move the plane of an instance towards another as far as the bound rises.

    Parameters
    ----------
    plane, offset : the other one, packed.
    own, offsets : that of the instance, changed in place, as are the weights.
    free : whether the instance has a plane; else the other one is taken whole.

    Returns
    -------
    What the planes differ by at the weights, before the step.
    """
    at, along, bend = 0, 0.0, 0.0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            d = plane[at + j] - own[at + j]
            along += d * w[low + j]
            bend += d * d * inverse[low + j]
        at += size
    gain = along + offset - offsets[i]
    share = 1.0
    if free:
        if gain <= 0.0:
            return gain
        share = 1.0 if bend <= gain else gain / bend
    at = 0
    for k in range(len(rows)):
        low = start[rows[k]]
        size = start[rows[k] + 1] - low
        for j in range(size):
            d = share * (plane[at + j] - own[at + j])
            own[at + j] += d
            w[low + j] -= d * inverse[low + j]
        at += size
    offsets[i] += share * (offset - offsets[i])
    return gain


@kernel
def ascend(  # type: ignore[no-untyped-def]
    starts, rows, begin, start, loss, planes, inverse, w, own, offsets, held, older,
    older_offsets, kept, base, first,
):  # fmt: skip
    """Step along the new planes of a block one by one; return the sum of their gaps.

    Parameters
    ----------
    loss : float64 [I], at the weights where the planes were found: those at the beginning.
    planes : packed, instance after instance.
    """
    count = len(loss)
    offset = np.empty(count)
    total = 0.0
    for i in range(count):
        chosen = rows[starts[i] : starts[i + 1]]
        mine = planes[begin[i] : begin[i + 1]]
        offset[i] = loss[i] - valued(chosen, start, mine, w)
        total += loss[i] - offsets[i]
        total -= valued(chosen, start, own[begin[i] : begin[i + 1]], w)
    for i in range(count):
        chosen = rows[starts[i] : starts[i + 1]]
        mine = planes[begin[i] : begin[i + 1]]
        step(
            chosen, start, mine, offset[i], inverse, w, own[begin[i] : begin[i + 1]], offsets, i,
            held[i] != 0,
        )
        held[i] = 1
        if len(older):
            k = kept[i] % len(older)
            older[k, base + begin[i] : base + begin[i + 1]] = mine
            older_offsets[k, first + i] = offset[i]
            kept[i] += 1
    return total


@kernel
def again(  # type: ignore[no-untyped-def]
    starts, rows, begin, start, inverse, w, own, offsets, older, older_offsets, kept, base, first
):
    """Step along that older plane of each instance which is highest at the weights."""
    for i in range(len(offsets)):
        chosen = rows[starts[i] : starts[i + 1]]
        best, highest = -1, -np.inf
        for k in range(min(kept[i], len(older))):
            value = older_offsets[k, first + i]
            value += valued(chosen, start, older[k, base + begin[i] : base + begin[i + 1]], w)
            if value > highest:
                best, highest = k, value
        if best >= 0:
            step(
                chosen, start, older[best, base + begin[i] : base + begin[i + 1]],
                older_offsets[best, first + i], inverse, w, own[begin[i] : begin[i + 1]], offsets, i, True,
            )
