"""Springs: a sum over fields of quadratics of the differences of two records' fields.

Messages are lower envelopes of parabolas, one pass for each field (Felzenszwalb and Huttenlocher,
Distance transforms of sampled functions, 2012).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def energy(
    gaps: Sequence[Ints],
    below: Sequence[Floats],
    level: Sequence[Floats],
    above: Sequence[Floats],
    rest: Floats,
) -> Floats:
    """Return the energy of each factor, float64 [n].

    Parameters
    ----------
    gaps : for each field the difference of the two records, int64 [n].
    below, level, above : for each field its energy at differences of -1, 0 and +1, float64 [n].
    rest : what does not depend on the differences, float64 [n].
    """
    total = rest.astype(np.float64)
    for gap, minus, zero, plus in zip(gaps, below, level, above, strict=True):
        # halves first: what is near the largest number must not overflow on the way
        curvature, slope = plus / 2 + minus / 2 - zero, plus / 2 - minus / 2
        total = total + zero + curvature * gap**2 + slope * gap
    return total
