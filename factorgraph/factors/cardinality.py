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


def bounded(
    ones: Ints,
    low: Floats | float = -np.inf,
    high: Floats | float = np.inf,
    above: Floats | float = -np.inf,
    below: Floats | float = np.inf,
) -> Floats:
    """Return 0 where low <= ones <= high and above < ones < below, else +inf.

    The ends are any numbers: a count is below 2.5 where it is 2, which no whole end says.
    """
    held = (ones >= low) & (ones <= high) & (ones > above) & (ones < below)
    return np.where(held, 0.0, np.inf)
