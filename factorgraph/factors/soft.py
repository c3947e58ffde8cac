"""Sums in the domain of energies: the soft minimum -(1/beta) log(exp(-beta a) + exp(-beta b))."""

from __future__ import annotations

from typing import Any

import numpy as np

from factorgraph.jit import kernel

INNER: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}  # called by kernels only

SAFE = 600.0
"""Where beta times a difference of energies is below this, no exp of it comes near the least number
that a float64 holds, and sums of such are exact to rounding."""


@kernel(**INNER)
def softer(a, b, beta):  # type: ignore[no-untyped-def]
    """Return the soft minimum of two energies, the least where ``beta`` is +inf; +inf allowed."""
    low, gap = (a, b - a) if a < b else (b, a - b)
    if beta == np.inf or low == np.inf or gap == np.inf:
        return low
    return low - np.log1p(np.exp(-beta * gap)) / beta


@kernel(**INNER)
def others(h, low, high, beta, out):  # type: ignore[no-untyped-def]
    """Write the soft minimum of all other entries of ``h[low:high]``; return that of all.

    The sum over the others is the total less the own share, except at the least, which alone may
    outweigh all others: there they are summed anew.
    """
    least, second, at = np.inf, np.inf, -1
    for y in range(low, high):
        if h[y] < least:
            least, second, at = h[y], least, y
        elif h[y] < second:
            second = h[y]
    if beta == np.inf or second == np.inf:
        for y in range(low, high):
            out[y - low] = second if y == at else least
        return least
    total, rest = 0.0, 0.0
    for y in range(low, high):
        total += np.exp(-beta * (h[y] - least))
        if y != at:
            rest += np.exp(-beta * (h[y] - second))
    for y in range(low, high):
        if y == at:
            out[y - low] = second - np.log(rest) / beta
        else:
            out[y - low] = least - np.log(total - np.exp(-beta * (h[y] - least))) / beta
    return least - np.log(total) / beta
