"""The sufficient condition of the tutorial, looked at in numbers: on a grid, or on sampled weights.

A loss Q(E_C, E_I) makes answers right with a margin m if some pair with E_C + m < E_I has a smaller
loss than every pair with E_C + m >= E_I.

References
----------
Y. LeCun et al.: A tutorial on energy-based learning. 2006. Condition 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf

from factorgraph.judge.facts import Interval

STEPS = 48
"""Of a grid, a side."""


def holds(
    loss: Callable[[float, float], float], margin: float, pairs: Iterable[tuple[float, float]]
) -> bool | None:
    """Return whether the condition holds over pairs of energies (of the answer, of the best wrong).

    Returns
    -------
    bool, or None where the pairs are all on one side of the margin.
    """
    right, wrong = inf, inf
    sides = [0, 0]
    for c, i in pairs:
        value = loss(c, i)
        if c + margin < i:
            right, sides[0] = min(right, value), 1
        else:
            wrong, sides[1] = min(wrong, value), 1
    return None if not all(sides) else right < wrong


def grid(energies: Interval, size: float = 6.0, steps: int = STEPS) -> list[tuple[float, float]]:
    """Return pairs of energies in a square of a range."""
    low, high = max(energies.low, -size), min(energies.high, size)
    axis = [low + (high - low) * k / steps for k in range(steps + 1)]
    return [(c, i) for c in axis for i in axis]
