"""Sums over long vectors in blocks of fixed size.

Blocks this short are never dealt out to BLAS threads, so that results do not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BLOCK = 8192


def curvature(x: Floats, old_x: Floats, gradient: Floats, old_gradient: Floats) -> float:
    """Return (x - old x) . (gradient - old gradient)."""
    return float(
        sum(np.vecdot(x[p] - old_x[p], gradient[p] - old_gradient[p]) for p in parts(x.shape[0]))
    )


def parts(n: int) -> Iterator[slice]:
    """Return the blocks of a vector of n numbers."""
    return (slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK))


def dot(a: Floats, b: Floats) -> float:
    """Return the inner product."""
    whole = a.shape[0] // BLOCK * BLOCK
    rows = np.vecdot(a[:whole].reshape(-1, BLOCK), b[:whole].reshape(-1, BLOCK))
    return float(rows.sum() + np.vecdot(a[whole:], b[whole:]))


def norm(a: Floats) -> float:
    """Return the Euclidean norm, without overflow."""
    with np.errstate(over="ignore", under="ignore"):
        square = dot(a, a)
    if 1e-280 < square < math.inf or not a.shape[0]:
        return math.sqrt(square)
    most = float(max(a.max(), -a.min()))
    return most * math.sqrt(dot(a / most, a / most)) if 0 < most < math.inf else most
