"""Steps of stochastic optimisers on rows of weights, with regularisers that wait until needed.

Every step moves each weight by its rate r times a direction d, then to where the regulariser and
the distance balance: with l2 = a and l1 = b,

    w <- prox(w - r d),    prox(v) = sign(v) max(|v| - r b, 0) / (1 + r a)

A weight without a slope has d = 0, and its rate stays as it is. So the k steps that have passed
since it was last moved are one formula, with c = 1 / (1 + r a):

    |w| <- max(c^k |w| - (b / a) (1 - c^k), 0)       (a = 0: max(|w| - k r b, 0))

and the sum of its values on the way, for averages, is that of a geometric series. The rate of a
weight is the step's, divided for AdaGrad and Adam by a root of its own that only slopes change.

Reference: B. Carpenter, Lazy sparse stochastic gradient descent (2008); J. Duchi, E. Hazan and
Y. Singer, Adaptive subgradient methods (2011), with composite steps; D. Kingma and J. Ba, Adam
(2015), whose moments here are those of the steps in which a row has slopes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from factorgraph.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SGD, ADAGRAD, ADAM = 0, 1, 2
KINDS = {"sgd": SGD, "adagrad": ADAGRAD, "adam": ADAM, "perceptron": SGD}
EPSILON = 1e-8
FIRST, SECOND = 0.9, 0.999


@kernel(inline="always")
def _rate(kind, rate, square, seen):  # type: ignore[no-untyped-def]
    """Return the rate of a weight."""
    if kind == SGD:
        return rate
    if kind == ADAGRAD:
        return rate / (math.sqrt(square) + EPSILON)
    return rate / (math.sqrt(square / (1.0 - SECOND**seen)) + EPSILON) if seen else rate / EPSILON


@kernel(inline="always")
def _passed(size, steps, rate, a, b):  # type: ignore[no-untyped-def]
    """Return |w| after some steps without a slope, and the sum of its values on the way."""
    if a == 0.0:
        lost = rate * b
        if lost == 0.0:
            return size, steps * size
        left = min(float(steps), math.floor(size / lost))
        total = left * size - lost * left * (left + 1.0) / 2.0
        return max(size - steps * lost, 0.0), total
    pull = math.log1p(rate * a)
    ratio = b / a
    left = float(steps)
    if b > 0.0:
        left = min(left, math.floor(math.log1p(size / ratio) / pull))
    kept = math.exp(-pull * steps)
    shrunk = -math.expm1(-pull * left)
    total = (size + ratio) * shrunk / (rate * a) - left * ratio
    return max(kept * size + ratio * math.expm1(-pull * steps), 0.0), total


@kernel
def catch_up(  # type: ignore[no-untyped-def]
    rows, start, kind, rate, now, l2, l1, x, square, seen, last, total, averaging
):
    """Let the steps that have passed act on rows, up to step ``now``.

    Parameters
    ----------
    rows : int64, numbers of rows.
    start : int64 [R + 1], where rows begin.
    l2, l1 : float64 [R], a share of the regularisers' coefficients.
    x : float64 [n], the weights, changed in place.
    square : float64 [n], squared slopes; empty for SGD.
    seen : int64 [R], how many steps have moved a row; empty but for Adam.
    last : int64 [R], the step that each row is as of.
    total : float64 [n], sums of the weights over steps; empty unless ``averaging``.
    """
    for r in rows:
        steps = now - last[r]
        last[r] = now
        if steps <= 0 or (l2[r] == 0.0 and l1[r] == 0.0 and not averaging):
            continue
        for j in range(start[r], start[r + 1]):
            if x[j] == 0.0:
                continue
            own = _rate(
                kind, rate, square[j] if kind != SGD else 0.0, seen[r] if kind == ADAM else 0
            )
            size, along = _passed(abs(x[j]), steps, own, l2[r], l1[r])
            if averaging:
                total[j] += math.copysign(along, x[j])
            x[j] = math.copysign(size, x[j])


@kernel
def advance(  # type: ignore[no-untyped-def]
    rows, start, kind, rate, now, scale, l2, l1, gradient, x, moment, square, seen, last, total,
    averaging,
):  # fmt: skip
    """Make step ``now`` on rows that are as of the step before; their gradient is then 0.

    Parameters
    ----------
    scale : what the gradient is multiplied with.
    gradient : float64 [n], of the losses; 0 outside of the rows.
    moment : float64 [n], running means of slopes; empty but for Adam.
    The others are as for `catch_up`.
    """
    for r in rows:
        last[r] = now
        if kind == ADAM:
            seen[r] += 1
        for j in range(start[r], start[r + 1]):
            slope = scale * gradient[j]
            gradient[j] = 0.0
            own = rate
            if kind == ADAGRAD:
                square[j] += slope * slope
                own = rate / (math.sqrt(square[j]) + EPSILON)
            elif kind == ADAM:
                moment[j] = FIRST * moment[j] + (1.0 - FIRST) * slope
                square[j] = SECOND * square[j] + (1.0 - SECOND) * slope * slope
                own = _rate(kind, rate, square[j], seen[r])
                slope = moment[j] / (1.0 - FIRST ** seen[r])
            moved = x[j] - own * slope
            size = max(abs(moved) - own * l1[r], 0.0) / (1.0 + own * l2[r])
            x[j] = math.copysign(size, moved)
            if averaging:
                total[j] += x[j]


@kernel
def squares(rows, start, gradient):  # type: ignore[no-untyped-def]
    """Return the sum of the squares of a gradient over rows; NaN or infinite where one is."""
    out = 0.0
    for r in rows:
        for j in range(start[r], start[r + 1]):
            out += gradient[j] * gradient[j]
    return out


@kernel
def penalty(start, l2, l1, x):  # type: ignore[no-untyped-def]
    """Return the regularisers of all weights."""
    out = 0.0
    for r in range(len(start) - 1):
        for j in range(start[r], start[r + 1]):
            out += 0.5 * l2[r] * x[j] * x[j] + l1[r] * abs(x[j])
    return out


@kernel
def copied(rows, start, x, to):  # type: ignore[no-untyped-def]
    """Copy rows from one vector to another."""
    for r in rows:
        for j in range(start[r], start[r + 1]):
            to[j] = x[j]
