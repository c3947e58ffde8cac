"""Limited-memory BFGS, and OWL-QN where weights carry an l1 penalty, on float64 vectors.

The two-loop recursion runs on coefficients: the direction is a combination of the history's
vectors and the gradient, so that inner products are all it needs. One pass over the history
updates them and a second one forms the direction, where the plain recursion makes four.

All passes go by blocks that fit the cache and are too short for a threaded BLAS. So results do
not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import NumericalError, UsageError
from factorgraph.learn.blocks import BLOCK, curvature, dot, parts
from factorgraph.learn.checkpoint import RUNNING, LBFGSState, history_type
from factorgraph.learn.linesearch import EPSILON, Trial, backtrack, wolfe
from factorgraph.learn.shards import Crew
from factorgraph.learn.vectors import Vectors

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]

MOST_STALLS = 8


class LBFGS:
    """Minimises a smooth function plus, where asked for, an l1 penalty.

    Parameters
    ----------
    n : the number of weights.
    memory : pairs of differences to keep.
    l1 : the weight of each absolute value, one number or [n], none negative; the optimiser adds
        the penalty to the objective. Weights of penalty 0 are free. None for a smooth function.
    tolerance : converged once ``norm(gradient) <= tolerance * max(1, norm(x))``, in Euclidean
        norms; with l1 the gradient is the pseudo-gradient.
    max_iterations : the most iterations since the start.
    max_evaluations_per_step : the most evaluations of one line search.
    crew : the threads that work on long vectors; results do not depend on them.

    Raises
    ------
    UsageError : an argument is out of range.

    Reference
    ---------
    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, algorithm 7.5;
    W. Chen, Z. Wang and J. Zhou, Large-scale L-BFGS using MapReduce, NIPS 2014 (coefficients);
    G. Andrew and J. Gao, Scalable training of L1-regularized log-linear models, ICML 2007 (l1).
    """

    def __init__(
        self,
        n: int,
        *,
        memory: int = 6,
        l1: Floats | float | None = None,
        tolerance: float = 1e-5,
        max_iterations: int = 1000,
        max_evaluations_per_step: int = 20,
        crew: Crew | None = None,
    ) -> None:
        if n < 0 or memory < 1 or max_iterations < 0 or max_evaluations_per_step < 1:
            raise UsageError(
                "n, memory, max_iterations and max_evaluations_per_step are too small", code="E0923"
            )
        if not 0 <= tolerance < math.inf:
            raise UsageError(
                f"tolerance must be a number of at least 0, got {tolerance}", code="E0923"
            )
        self.n = n
        self.memory = memory
        self.tolerance = tolerance
        self.max_iterations = max_iterations
        self.max_evaluations_per_step = max_evaluations_per_step
        self._vectors = Vectors(n, crew)
        self._l1 = _penalty(l1, n)
        penalised = None if self._l1 is None else self._l1 > 0
        self._bound = None if penalised is None or penalised.all() else penalised
        self._direction = np.empty(n)
        self._trial = np.empty(n)
        self._pseudo = np.empty(n) if self._l1 is not None else None
        self._pseudo_of: tuple[Floats, int] | None = None

    def start(self, objective: Objective, x0: Floats) -> LBFGSState:
        """Return the state at a start point, after one evaluation.

        Parameters
        ----------
        objective : maps weights [n], which it must not change, to the smooth part's value and
            gradient [n], an array that it may use again.
        x0 : [n], copied.

        Returns
        -------
        The state, which may already be converged.

        Raises
        ------
        UsageError : x0 or the gradient has the wrong shape.
        NumericalError : x0, the value or the gradient is not finite.
        """
        x = np.array(x0, np.float64, order="C")
        if x.shape != (self.n,):
            raise UsageError(
                f"the start point has shape {list(x.shape)}, expected [{self.n}]", code="E0923"
            )
        _require_finite(x, "the start point")
        value, gradient = self._evaluate(objective, x)
        if not math.isfinite(value):
            raise NumericalError(f"the objective at the start point is {value}", code="E0702")
        _require_finite(gradient, "the gradient at the start point")
        m = self.memory
        state = LBFGSState(
            x=x.copy(),
            value=value + self._penalty_at(x),
            gradient=gradient.copy(),
            S=np.zeros((m, self.n), history_type(self.n)),
            Y=np.zeros((m, self.n), history_type(self.n)),
            products=np.zeros((2 * m, m + 1)),
            evaluations=1,
        )
        state.norm = state.least_norm = self._vectors.norm(self._slopes(state))
        state.lowest = state.value
        self._judge(state)
        return state

    def step(self, objective: Objective, state: LBFGSState) -> LBFGSState:
        """Make one iteration and judge whether to go on.

        Parameters
        ----------
        objective : as for `start`.
        state : changed in place.

        Returns
        -------
        The same state. Its x is unchanged where no better point was found.

        Raises
        ------
        UsageError : the state has another size or memory.
        """
        self._check(state)
        slopes = self._slopes(state)
        fresh = state.iteration == 0
        found = None
        if state.count:
            with np.errstate(over="ignore", invalid="ignore"):
                slope = self._newton(state, slopes)
            found = self._search(objective, state, slopes, slope, 1.0)
            if found is None:
                _forget(state)
        if found is None and not state.count:
            # The steepest descent direction has length 1: no product of large gradients.
            np.multiply(slopes, -1.0 / (state.norm or 1.0), out=self._direction)
            first = 1.0 if fresh else min(1.0, state.norm)
            found = self._search(objective, state, slopes, -state.norm, first)
        if found is None:
            state.status = (
                f"stopped: the line search found no better point, gradient norm {state.norm:.1e}"
            )
            return state
        end, gradient, curved = found
        with np.errstate(over="ignore", invalid="ignore"):
            self._advance(state, end, gradient, curved)
        self._judge(state)
        return state

    def minimise(
        self,
        objective: Objective,
        start: Floats | LBFGSState,
        callback: Callable[[LBFGSState], bool | None] | None = None,
    ) -> LBFGSState:
        """Iterate from a start point, or go on from a state, until an end is reached.

        Parameters
        ----------
        objective : as for `start`.
        start : the start point [n], or a state, which is changed in place.
        callback : called with the state after each iteration; True stops.

        Returns
        -------
        The state; its status says how it ended.

        Raises
        ------
        UsageError : something has the wrong shape.
        NumericalError : the start point, or the value or gradient there, is not finite.
        """
        if isinstance(start, LBFGSState):
            state = start
            self._check(state)
            self._judge(state)
        else:
            state = self.start(objective, start)
        while not state.finished:
            before = state.iteration
            self.step(objective, state)
            if state.iteration > before and callback and callback(state) and not state.finished:
                state.status = f"stopped by the caller, gradient norm {state.norm:.1e}"
        return state

    def _newton(self, state: LBFGSState, slopes: Floats) -> float:
        """Write the quasi-Newton direction and return the slope along it."""
        s, y, scale = _coefficients(state)
        if not (np.isfinite(s).all() and np.isfinite(y).all() and math.isfinite(scale)):
            return math.nan
        k, slope = state.count, 0.0
        if self._l1 is None:
            return self._vectors.combine(s, y, scale, state.S, state.Y, slopes, self._direction)
        both, held = np.empty((2, min(BLOCK, self.n))), np.empty(min(BLOCK, self.n), np.bool_)
        for part in parts(self.n):
            out = self._direction[part]
            size = out.shape[0]
            one, two = both[0, :size], both[1, :size]
            np.einsum("i,ij->j", s, state.S[:k, part], out=one)
            np.einsum("i,ij->j", y, state.Y[:k, part], out=two)
            np.multiply(slopes[part], -scale, out=out)
            out -= one
            out -= two
            # Keep to the signs of the steepest descent, where the penalty has an orthant.
            np.multiply(out, slopes[part], out=one)
            wrong = held[:size]
            np.greater_equal(one, 0.0, out=wrong)
            if self._bound is not None:
                wrong &= self._bound[part]
            np.copyto(out, 0.0, where=wrong)
            slope += float(np.vecdot(out, slopes[part]))
        return slope

    def _search(
        self, objective: Objective, state: LBFGSState, slopes: Floats, slope: float, first: float
    ) -> tuple[Trial, Floats, bool] | None:
        """Return the next point, the gradient there and whether the step has curvature."""
        if not (math.isfinite(slope) and slope < 0):
            return None
        gradient = state.gradient

        def probe(step: float) -> Trial:
            nonlocal gradient
            with np.errstate(over="ignore", invalid="ignore"):
                predicted = self._move(state, slopes, step)
            value, gradient = self._evaluate(objective, self._trial)
            state.evaluations += 1
            with np.errstate(over="ignore", invalid="ignore"):
                if self._l1 is None:
                    return Trial(step, value, self._vectors.dot(gradient, self._direction))
                value += self._penalty_at(self._trial)
                usable = math.isfinite(dot(gradient, gradient))
                return Trial(step, value, predicted if usable else math.nan)

        origin = Trial(0.0, state.value, slope)
        if self._l1 is None:
            end = wolfe(probe, origin, first, limit=self.max_evaluations_per_step)
            if end is None or not end.finite:
                return None
            bend, least = end.step * (end.slope - slope), -EPSILON * end.step * slope
        else:
            end = backtrack(probe, origin, first, limit=self.max_evaluations_per_step)
            if end is None:
                return None
            bend = curvature(self._trial, state.x, gradient, state.gradient)
            least = -EPSILON * end.slope
        return end, gradient, bend > least

    def _move(self, state: LBFGSState, slopes: Floats, step: float) -> float:
        """Write the trial point of a step; with l1, return the change predicted for it."""
        predicted = 0.0
        if self._l1 is None:
            self._vectors.move(state.x, self._direction, step, self._trial)
            return predicted
        for part in parts(self.n):
            to, x = self._trial[part], state.x[part]
            np.multiply(self._direction[part], step, out=to)
            to += x
            # From 0 the aligned direction picks the orthant; elsewhere its sign must stay.
            left = np.signbit(to) != np.signbit(x)
            left &= x != 0
            if self._bound is not None:
                left &= self._bound[part]
            np.copyto(to, 0.0, where=left)
            predicted += float(np.vecdot(to - x, slopes[part]))
        return predicted

    def _advance(self, state: LBFGSState, end: Trial, gradient: Floats, curved: bool) -> None:
        """Move the state to the trial point: history, inner products, progress."""
        m, slot = self.memory, state.position
        if curved:
            state.count = min(state.count + 1, m)
            state.position = (slot + 1) % m
        k = state.count
        if self._l1 is None:
            with_y, with_slope = self._vectors.advance(
                state.x, self._trial, state.gradient, gradient, state.S, state.Y, k,
                slot if curved else -1,
            )  # fmt: skip
        else:
            with_y, with_slope = self._penalised(state, gradient, k, slot if curved else None)
        table = state.products.reshape(2, m, m + 1)
        table[:, :k, m] = with_slope
        if curved:
            table[:, :k, slot] = with_y
            table[1, slot, :k] = with_y[1]
            if not (with_y[0, slot] > 0 and np.isfinite(state.products).all()):
                _forget(state)
        state.x, self._trial = self._trial, state.x
        state.value, state.step = end.value, end.step
        state.iteration += 1
        self._pseudo_of = (state.x, state.iteration)
        state.norm = self._vectors.norm(self._slopes(state))
        gained = state.value < state.lowest - 2 * EPSILON * abs(state.lowest)
        if gained or state.norm < 0.9 * state.least_norm:
            state.stalls = 0
            state.lowest = min(state.lowest, state.value)
            state.least_norm = min(state.least_norm, state.norm)
        else:
            state.stalls += 1

    def _penalised(
        self, state: LBFGSState, gradient: Floats, k: int, slot: int | None
    ) -> tuple[Floats, Floats]:
        """Keep differences and slopes, where there is l1; return products as `Vectors.advance`."""
        assert self._l1 is not None and self._pseudo is not None
        with_y, with_slope = np.zeros((2, k)), np.zeros((2, k))
        for part in parts(self.n):
            x, g = self._trial[part], state.gradient[part]
            S, Y = state.S[:k, part], state.Y[:k, part]
            if slot is not None:
                np.subtract(x, state.x[part], out=S[slot])
                np.subtract(gradient[part], g, out=Y[slot])
                y = Y[slot].astype(np.float64)
                with_y[0] += np.vecdot(S, y)
                with_y[1] += np.vecdot(Y, y)
            g[:] = gradient[part]
            slope = _pseudo_gradient(x, g, self._l1[part])
            with_slope[0] += np.vecdot(S, slope)
            with_slope[1] += np.vecdot(Y, slope)
            self._pseudo[part] = slope
        return with_y, with_slope

    def _judge(self, state: LBFGSState) -> None:
        """Set the status by the gradient norm, the stalls and the iterations."""
        reached = f"gradient norm {state.norm:.1e}"
        if state.norm <= self.tolerance * max(1.0, self._vectors.norm(state.x)):
            state.status = f"converged: {reached}"
        elif state.stalls >= MOST_STALLS:
            state.status = f"stopped: no progress beyond rounding, {reached}"
        elif state.iteration >= self.max_iterations:
            state.status = f"not converged: {state.iteration} iterations, {reached}"
        else:
            state.status = RUNNING

    def _slopes(self, state: LBFGSState) -> Floats:
        """Return the gradient, or with l1 the pseudo-gradient, at the state."""
        if self._l1 is None or self._pseudo is None:
            return state.gradient
        made = self._pseudo_of
        if made and made[0] is state.x and made[1] == state.iteration:
            return self._pseudo
        for part in parts(self.n):
            self._pseudo[part] = _pseudo_gradient(
                state.x[part], state.gradient[part], self._l1[part]
            )
        self._pseudo_of = (state.x, state.iteration)
        return self._pseudo

    def _penalty_at(self, x: Floats) -> float:
        if self._l1 is None:
            return 0.0
        return float(sum(np.vecdot(np.abs(x[p]), self._l1[p]) for p in parts(self.n)))

    def _evaluate(self, objective: Objective, x: Floats) -> tuple[float, Floats]:
        value, gradient = objective(x)
        gradient = np.asarray(gradient, np.float64)
        if gradient.shape != (self.n,):
            raise UsageError(
                f"the objective's gradient has shape {list(gradient.shape)}, expected [{self.n}]",
                code="E0923",
            )
        return float(value), gradient

    def _check(self, state: LBFGSState) -> None:
        if state.S.shape != (self.memory, self.n):
            raise UsageError(
                f"the state is of {state.S.shape[1]} weights and memory {state.S.shape[0]}, "
                f"the optimiser of {self.n} and {self.memory}",
                code="E0923",
            )


def _forget(state: LBFGSState) -> None:
    """Drop the history, so that the next direction is the steepest descent."""
    state.count = state.position = 0
    state.products[:] = 0.0


def _coefficients(state: LBFGSState) -> tuple[Floats, Floats, float]:
    """Return c, e and h: the direction is minus (c.S + e.Y + h gradient)."""
    k, m = state.count, state.S.shape[0]
    sy, sg = state.products[:k, :k], state.products[:k, m]
    yy, yg = state.products[m : m + k, :k], state.products[m : m + k, m]
    newest_first = [(state.position - 1 - i) % m for i in range(k)]
    first, second = np.zeros(k), np.zeros(k)
    with np.errstate(all="ignore"):
        for i in newest_first:
            first[i] = (sg[i] - sy[i] @ first) / sy[i, i]
        newest = newest_first[0]
        scale = float(sy[newest, newest] / yy[newest, newest])
        for i in reversed(newest_first):
            along = scale * (yg[i] - yy[i] @ first) + sy[:, i] @ second
            second[i] = first[i] - along / sy[i, i]
        return second, -scale * first, scale


def _pseudo_gradient(x: Floats, gradient: Floats, l1: Floats) -> Floats:
    """Return the steepest slope of the penalised function, 0 where no direction goes down."""
    out = np.maximum(gradient, -l1)
    np.minimum(out, l1, out=out)
    np.negative(out, out=out)
    np.copysign(l1, x, out=out, where=x != 0)
    out += gradient
    return out


def _penalty(l1: Floats | float | None, n: int) -> Floats | None:
    if l1 is None:
        return None
    weights = np.array(l1, np.float64)
    if weights.shape not in ((), (n,)):
        raise UsageError(
            f"l1 has shape {list(weights.shape)}, expected one number or [{n}]", code="E0923"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise UsageError("l1 must be finite and not negative", code="E0923")
    return np.broadcast_to(weights, (n,)) if weights.any() else None


def _require_finite(values: Floats, what: str) -> None:
    finite = np.isfinite(values)
    if not finite.all():
        i = int(np.argmin(finite))
        raise NumericalError(f"{what} is {values[i]} at index {i}", code="E0702")
