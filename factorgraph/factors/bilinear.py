"""Products of two variables with a weight; over a full product of index sets, one matrix.

A full group is never a list of factors: its energy is u' W v, one product of matrices for all
configurations, and its cotangents are outer products.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def energy(u: Floats, v: Floats, weight: Floats) -> Floats:
    """Return weight * u * v for each factor, float64 [n]."""
    out: Floats = weight * u * v
    return out


def full(u: Floats, v: Floats, weight: Floats) -> float:
    """Return u' W v, the energy of a full group.

    Parameters
    ----------
    u, v : values of the two arrays of variables, float64 [a] and [b].
    weight : float64 [a, b].
    """
    return float(u @ weight @ v)
