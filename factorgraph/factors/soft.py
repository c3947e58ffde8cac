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
