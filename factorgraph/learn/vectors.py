"""Passes over long vectors, dealt out to threads, with results that do not depend on these.

A vector is cut into stretches of fixed length. Each is worked on by one thread, in blocks that stay
in the cache, and what they sum up is added in the order of the stretches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import float64
from numpy.typing import NDArray

from factorgraph.jit import kernel
from factorgraph.learn.shards import Crew

Floats = NDArray[np.float64]
History = NDArray[np.floating[Any]]

STRETCH = 1 << 16
BLOCK = 1 << 10
_SUMS = {"reassoc", "contract"}


@kernel(fastmath=_SUMS, no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _inner(a, b):  # type: ignore[no-untyped-def]
    """Return the inner product; a loop that only reads may be reordered."""
    total = 0.0
    for i in range(len(a)):
        total += float64(a[i]) * float64(b[i])
    return total


@kernel
def _dot(a, b, low, high):  # type: ignore[no-untyped-def]
    return _inner(a[low:high], b[low:high])


@kernel
def _move(x, direction, step, out, low, high):  # type: ignore[no-untyped-def]
    """Write x + step direction."""
    for i in range(low, high):
        out[i] = x[i] + step * direction[i]


@kernel
def _combine(s, y, scale, S, Y, slopes, out, low, high):  # type: ignore[no-untyped-def]
    """Write -(s S + y Y + scale slopes); return its inner product with the slopes."""
    total = 0.0
    for first in range(low, high, BLOCK):
        last = min(first + BLOCK, high)
        to, along = out[first:last], slopes[first:last]
        for i in range(len(to)):
            to[i] = -scale * along[i]
        for j in range(len(s)):
            u, v, c, d = S[j, first:last], Y[j, first:last], s[j], y[j]
            for i in range(len(to)):
                to[i] -= c * u[i] + d * v[i]
        total += _inner(to, along)
    return total


@kernel
def _advance(x, trial, gradient, slopes, S, Y, count, slot, products, low, high):  # type: ignore[no-untyped-def]
    """Keep the differences to the trial point in row ``slot``, if there is one; take its slopes.

    products [2, 2, k] gets the inner products of S and Y with the row of Y, and with the slopes.
    """
    for first in range(low, high, BLOCK):
        last = min(first + BLOCK, high)
        old, new = gradient[first:last], slopes[first:last]
        if slot >= 0:
            s, y, before, after = (
                S[slot, first:last], Y[slot, first:last], x[first:last], trial[first:last]
            )  # fmt: skip
            for i in range(len(old)):
                s[i] = after[i] - before[i]
                y[i] = new[i] - old[i]
            for j in range(count):
                products[0, 0, j] += _inner(S[j, first:last], y)
                products[0, 1, j] += _inner(Y[j, first:last], y)
        for i in range(len(old)):
            old[i] = new[i]
        for j in range(count):
            products[1, 0, j] += _inner(S[j, first:last], new)
            products[1, 1, j] += _inner(Y[j, first:last], new)


@kernel
def _ridge(x, coefficient, out, low, high):  # type: ignore[no-untyped-def]
    for i in range(low, high):
        out[i] = coefficient * x[i]
    return 0.5 * coefficient * _inner(x[low:high], x[low:high])


@kernel
def _spread(values, at, out, low, high):  # type: ignore[no-untyped-def]
    for i in range(low, high):
        out[at[i]] = values[i]


@kernel
def _pick(values, at, out, low, high):  # type: ignore[no-untyped-def]
    for i in range(low, high):
        out[i] = values[at[i]]


def ridge(x: Floats, coefficient: float, out: Floats, low: int, high: int) -> float:
    """Write the slopes of ``coefficient / 2 * sum x^2`` over a stretch; return its value."""
    return float(_ridge(x, coefficient, out, low, high))


class Vectors:
    """Passes over vectors of n numbers.

    Parameters
    ----------
    crew : the threads; None for the one that calls.
    """

    def __init__(self, n: int, crew: Crew | None = None) -> None:
        self.spans = [(i, min(i + STRETCH, n)) for i in range(0, n, STRETCH)]
        size = max(1, -(-len(self.spans) // (4 * crew.threads))) if crew is not None else n
        self.groups = [self.spans[i : i + size] for i in range(0, len(self.spans), size or 1)]
        self.crew = crew if crew is not None and len(self.groups) > 1 else None

    def each(self, work: Callable[[int, int], float]) -> float:
        """Do something with each stretch; return the sum of what comes back."""

        def some(group: list[tuple[int, int]]) -> list[float]:
            return [work(low, high) for low, high in group]

        found = map(some, self.groups) if self.crew is None else self.crew.map(some, self.groups)
        return sum((value for part in found for value in part), 0.0)

    def dot(self, a: Floats, b: Floats) -> float:
        """Return the inner product."""
        return self.each(lambda low, high: float(_dot(a, b, low, high)))

    def norm(self, a: Floats) -> float:
        """Return the Euclidean norm, without overflow."""
        square = self.dot(a, a)
        if 1e-280 < square < math.inf or not len(a):
            return math.sqrt(square)
        most = float(max(a.max(), -a.min()))
        return most * math.sqrt(self.dot(a / most, a / most)) if 0 < most < math.inf else most

    def move(self, x: Floats, direction: Floats, step: float, out: Floats) -> None:
        """Write x + step direction."""
        self.each(lambda low, high: _move(x, direction, step, out, low, high) or 0.0)

    def spread(self, values: Floats, at: NDArray[np.int64], out: Floats) -> None:
        """Write values to places of a longer vector, all of them different."""
        self.each(lambda low, high: _spread(values, at, out, low, high) or 0.0)

    def pick(self, values: Floats, at: NDArray[np.int64], out: Floats) -> None:
        """Read values from places of a longer vector."""
        self.each(lambda low, high: _pick(values, at, out, low, high) or 0.0)

    def combine(
        self,
        s: Floats,
        y: Floats,
        scale: float,
        S: History,
        Y: History,
        slopes: Floats,
        out: Floats,
    ) -> float:
        """Write -(s S + y Y + scale slopes); return its inner product with the slopes."""
        return self.each(
            lambda low, high: float(_combine(s, y, scale, S, Y, slopes, out, low, high))
        )

    def advance(
        self, x: Floats, trial: Floats, gradient: Floats, slopes: Floats, S: History, Y: History,
        count: int, slot: int,
    ) -> Floats:  # fmt: skip
        """Keep the differences to a trial point in row ``slot``, none if it is -1; take its slopes.

        Returns
        -------
        float64 [2, 2, count], the products of S and Y with the new row of Y, and with the slopes.
        """
        products = np.zeros((len(self.spans), 2, 2, count))

        def work(low: int, high: int) -> float:
            into = products[low // STRETCH]
            _advance(x, trial, gradient, slopes, S, Y, count, slot, into, low, high)
            return 0.0

        self.each(work)
        total: Floats = np.zeros((2, 2, count))
        for part in products:
            total += part
        return total
