"""Potts: one energy where two variables are equal, another where they differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def energy(a: Ints, b: Ints, equal: Floats, differ: Floats) -> Floats:
    """Return the energy of each factor, float64 [n], from the states of its two variables [n]."""
    return np.where(a == b, equal, differ)
