"""Hard factors about the number of ones: parity, and bounds of a count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def count(ones: Ints, owner: Ints, factors: int) -> Ints:
    """Return the number of ones of each factor, int64 [factors].

    Parameters
    ----------
    ones : 0 or 1 for each member of each factor, int64 [n].
    owner : the factor that each member belongs to, int64 [n].
    """
    return np.bincount(owner, ones, factors).astype(np.int64)


def parity(ones: Ints, odd: Ints) -> Floats:
    """Return 0 where the number of ones is odd just where ``odd`` is 1, else +inf."""
    return np.where(ones % 2 == odd, 0.0, np.inf)


def bounded(ones: Ints, low: Floats, high: Floats) -> Floats:
    """Return 0 where low <= ones <= high, else +inf."""
    return np.where((ones >= low) & (ones <= high), 0.0, np.inf)
