"""Truncated linear and quadratic: scale * min(slope * |a - b|^power, cap)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def energy(a: Ints, b: Ints, scale: Floats, slope: Floats, cap: Floats, power: Floats) -> Floats:
    """Return the energy of each factor, float64 [n].

    Parameters
    ----------
    a, b : values of the two variables, int64 [n].
    scale, slope, cap : float64 [n]; cap may be +inf.
    power : 1 or 2, the same for all.
    """
    gap = np.abs(a - b).astype(np.float64)
    out: Floats = scale * np.minimum(slope * gap**power, cap)
    return out
