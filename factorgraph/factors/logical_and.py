"""The last bit is 1 where all others are: what is remembered of those before is: all, not all."""

from __future__ import annotations

import numpy as np

from factorgraph.factors.automaton import Rule


class LogicalAnd(Rule):
    """No numbers."""

    name = "logical_and"
    then = np.array([[[1, 0], [1, 1]], [[-1, 0], [0, -1]]])
    holds = (0,)


KIND = LogicalAnd()
