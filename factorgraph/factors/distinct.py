"""Hard factors that demand that no two of their variables be equal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = NDArray[Any]


def energy(values: Values, owner: Ints, factors: int) -> Floats:
    """Return 0 for each factor whose members all differ, else +inf, float64 [factors].

    Parameters
    ----------
    values : the value of each member, [n], numbers of any kind or texts.
    owner : the factor that each member belongs to, int64 [n].
    """
    order = np.lexsort((values, owner))
    same = (np.diff(owner[order]) == 0) & (values[order][1:] == values[order][:-1])
    out = np.zeros(factors)
    out[owner[order][1:][same]] = np.inf
    return out
