"""Stochastic optimisers: steps on mini-batches, epoch by epoch.

SGD, AdaGrad, Adam and the averaged perceptron differ in the rate of each weight alone (see
`steps`). None of them knows when it has arrived, so the end is what it is: so many epochs. What
is known is said: the gradient's norm at the weights that are handed over is measured over all
data, and where it is within the tolerance, or an epoch of the perceptron made no mistake, they
have converged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import FgError, NumericalError
from factorgraph.learn.blocks import norm
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.minibatch import Minibatch, Source
from factorgraph.learn.objective import Losses
from factorgraph.learn.options import Options
from factorgraph.learn.shards import Crew
from factorgraph.learn.state import Arrays, expect, packed, unpacked
from factorgraph.learn.steps import (
    ADAM,
    KINDS,
    SGD,
    advance,
    catch_up,
    copied,
    penalty,
    squares,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RUNNING = "running"


@dataclass(slots=True)
class DescentState:
    """Everything that a stochastic optimiser needs to go on.

    Attributes
    ----------
    x : [n], coordinates of the weights; rows are as of the step in ``last``.
    square, moment : [n], running sums of squared slopes and of slopes; empty where not kept.
    total : [n], sum of the weights over the steps since ``since``; empty while not averaging.
    seen : [R], how many steps have moved a row; empty but for Adam.
    best : [n], the weights with the best score on validation data; empty where there are none.
    epoch, position, now : epochs done, steps done in this one, steps done at all.
    loss, slope : of this epoch so far, the sums of losses and of the norms of steps' gradients.
    score, since_best : the best score and the epochs since.
    mistakes : whether the last epoch had a slope at all.
    status : ``running``, or how it ended.
    """

    x: NDArray[np.float64]
    square: NDArray[np.float64]
    moment: NDArray[np.float64]
    total: NDArray[np.float64]
    last: NDArray[np.int64]
    seen: NDArray[np.int64]
    best: NDArray[np.float64]
    epoch: int = 0
    position: int = 0
    now: int = 0
    since: int = 0
    loss: float = 0.0
    slope: float = 0.0
    score: float = 0.0
    since_best: int = 0
    mistakes: int = 1
    status: str = RUNNING

    def arrays(self) -> Arrays:
        """Return the state as plain arrays, views that are valid until the next step."""
        return packed(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> DescentState:
        """Return the state that `arrays` stored."""
        return unpacked(cls, arrays)


@dataclass(frozen=True)
class Passed:
    """What an epoch gave: the objective as losses were met, and the mean norm of its steps."""

    objective: float
    norm: float


class Descent:
    """Moves weights by steps on mini-batches.

    Parameters
    ----------
    optimizer : one of `KINDS`. The perceptron leaves out the regularisers.
    """

    def __init__(self, source: Source, losses: Losses, options: Options, optimizer: str) -> None:
        self.source, self.losses, self.options = source, losses, options
        self.table = source.table
        self.layout = source.table.layout
        self.coordinates = Coordinates(self.layout)
        self.kind = KINDS[optimizer]
        self.plain = optimizer == "perceptron"
        share = 0.0 if self.plain else 1.0 / max(source.count, 1)
        self._l2 = share * self.table.spread("l2")
        self._l1 = share * self.table.spread("l1")
        size = self.layout.size
        vectors = 3 + (self.kind != SGD) + (self.kind == ADAM) + 2 * options.averages
        budget.require(8 * vectors * size, "training")
        self._gradient = np.zeros(size)
        self._mean = max(source.count, 1) / max(source.steps, 1)
        self._held = self._regularisers()

    def _regularisers(self) -> tuple[Floats, Floats]:
        """Return l2 and l1 of the weights that are held to something, 0 elsewhere."""
        found = []
        for which in ("l2", "l1"):
            every = self.layout.coefficients(which)
            found.append((every - self.coordinates.free(every)) * (not self.plain))
        return found[0], found[1]

    def start(self, weights: Floats) -> DescentState:
        """Return the state before the first step, at some weights."""
        size, rows = self.layout.size, self.table.count
        empty, none = np.zeros(0), np.zeros(0, np.int64)
        return DescentState(
            x=self.coordinates.coordinates(weights),
            square=np.zeros(size) if self.kind != SGD else empty,
            moment=np.zeros(size) if self.kind == ADAM else empty,
            total=empty,
            last=np.zeros(rows, np.int64),
            seen=np.zeros(rows, np.int64) if self.kind == ADAM else none,
            best=empty,
        )

    def check(self, state: DescentState) -> None:
        """Refuse a state that is not of this training.

        Raises
        ------
        RunError : naming the field.
        """
        n, rows = self.layout.size, self.table.count
        expect(
            state, x=(n,), last=(rows,),
            square=(n if self.kind != SGD else 0,), moment=(n if self.kind == ADAM else 0,),
            seen=(rows if self.kind == ADAM else 0,),
            total=(n,) if len(state.total) else (0,), best=(n,) if len(state.best) else (0,),
        )  # fmt: skip

    def epoch(self, state: DescentState, stop: Callable[[DescentState], bool]) -> Passed | None:
        """Run to the end of an epoch.

        Parameters
        ----------
        stop : asked after each step; True ends it there.

        Returns
        -------
        What it gave, or None where it was stopped in the middle.

        Raises
        ------
        NumericalError : where something is not finite, naming the step.
        """
        rate = self.options.rate_at(state.epoch)
        if self.options.averages and not len(state.total) and (self.plain or state.epoch):
            state.total, state.since = np.zeros(self.layout.size), state.now
        weights = self.coordinates.weights(state.x)
        for batch in self.source.epoch(state.epoch, state.position):
            try:
                self._step(state, batch, rate, weights)
            except NumericalError as error:
                raise at_step(error, state.epoch, state.position) from None
            state.position += 1
            state.now += 1
            if stop(state) and state.position < self.source.steps:
                return None
        every = np.arange(self.table.count)
        self._catch_up(state, every, rate)
        passed = Passed(
            state.loss + self._penalty(state.x), state.slope / max(self.source.steps, 1)
        )
        state.epoch, state.position, state.loss, state.slope = state.epoch + 1, 0, 0.0, 0.0
        return passed

    def _step(self, state: DescentState, batch: Minibatch, rate: float, weights: Floats) -> None:
        rows, start, gradient = batch.rows, self.table.start, self._gradient
        self._catch_up(state, rows, rate)
        if self.coordinates.held:
            copied(rows, start, state.x, weights)
            self.coordinates.refresh(state.x, weights)
        views = self.layout.views(weights)
        loss, cotangent = self.losses(batch.batch, views)
        batch.batch.add_gradient(views, cotangent[0], self.layout.views(gradient))
        if self.coordinates.held:
            l2, l1 = self._held
            share = self._mean / max(self.source.count, 1)
            for place in self.coordinates.held:
                at = slice(place.start, place.stop)
                gradient[at] += share * (l2[at] * weights[at] + l1[at] * np.sign(weights[at]))
            self.coordinates.pull_back(state.x, weights, gradient)
        length = math.sqrt(squares(rows, start, gradient)) / self._mean
        if not math.isfinite(length):
            raise self._refuse(rows)
        clip, scale = self.options.clip, 1.0 / self._mean
        if clip is not None and length > clip:
            scale *= clip / length
        advance(
            rows, start, self.kind, rate, state.now + 1, scale, self._l2, self._l1, gradient,
            state.x, state.moment, state.square, state.seen, state.last, state.total,
            len(state.total) > 0,
        )  # fmt: skip
        state.loss += float(loss.sum())
        state.slope += length

    def _catch_up(self, state: DescentState, rows: Ints, rate: float) -> None:
        catch_up(
            rows, self.table.start, self.kind, rate, state.now, self._l2, self._l1, state.x,
            state.square, state.seen, state.last, state.total, len(state.total) > 0,
        )  # fmt: skip

    def _refuse(self, rows: Ints) -> NumericalError:
        """Return the error for a gradient that is not finite, naming the param."""
        for r in rows:
            part = self._gradient[self.table.start[r] : self.table.start[r + 1]]
            if not np.isfinite(part).all():
                at = int(self.table.start[r])
                name = next(
                    n for n, p in self.layout.places.items() if p.start <= at < max(p.stop, 1)
                )
                return NumericalError(f"the gradient of `{name}` is not finite", code="E0702")
        return NumericalError("the gradient is too large for a number", code="E0702")

    def _penalty(self, x: Floats) -> float:
        count = max(self.source.count, 1)
        value = count * float(penalty(self.table.start, self._l2, self._l1, x))
        if self.coordinates.held:
            weights = self.coordinates.weights(x)
            l2, l1 = self._held
            value += float((0.5 * l2 * weights**2 + l1 * np.abs(weights)).sum())
        return value

    def answer(self, state: DescentState) -> Floats:
        """Return the coordinates that are handed over: between epochs, the mean or the last."""
        if len(state.total) and state.now > state.since:
            return np.asarray(state.total / (state.now - state.since))
        return state.x

    def settled(self, state: DescentState) -> Floats:
        """Return what `answer` does, also in the middle of an epoch; the state stays as it is."""
        copy = DescentState.from_arrays(state.arrays())
        self._catch_up(copy, np.arange(self.table.count), self.options.rate_at(state.epoch))
        return self.answer(copy)

    def certify(self, x: Floats, crew: Crew) -> tuple[float, float]:
        """Return the objective at some coordinates, and the norm of its gradient, over all data.

        With l1 it is the pseudo-gradient's. The sum goes by the order of the data, whatever the
        number of threads.
        """
        weights = self.coordinates.weights(x)
        views = self.layout.views(weights)
        gradient = np.zeros(self.layout.size)
        out = self.layout.views(gradient)
        value = self._penalty(x)
        ahead: list[Minibatch] = []

        def settle() -> float:
            found = crew.map(lambda one: self.losses(one.batch, views), ahead)
            total = 0.0
            for one, (loss, cotangent) in zip(ahead, found, strict=True):
                one.batch.add_gradient(views, cotangent[0], out)
                total += float(loss.sum())
            ahead.clear()
            return total

        for batch in self.source.every():
            ahead.append(batch)
            if len(ahead) == 64:
                value += settle()
        value += settle()
        l2, l1 = self._held
        gradient += l2 * weights + l1 * np.sign(weights)
        self.coordinates.pull_back(x, weights, gradient)
        count, width = max(self.source.count, 1), self.table.width
        gradient += count * np.repeat(self._l2, width) * x
        free = count * np.repeat(self._l1, width)
        flat = np.maximum(np.abs(gradient) - free, 0.0)
        slopes = np.where(x != 0, gradient + free * np.sign(x), flat)
        return value, norm(slopes)


def at_step(error: FgError, epoch: int, position: int) -> FgError:
    """Return an error that also names the step at which it came up."""
    return type(error)(
        f"{error.message}, in step {position + 1} of epoch {epoch + 1}",
        code=error.code,
        span=error.span,
        hint=error.hint or "steps that are too long make weights grow: a smaller --rate, or --clip",
    )
