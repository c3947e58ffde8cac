"""The last bit is 1 where any other is: what is remembered of those before is: none, some."""

from __future__ import annotations

import numpy as np

from factorgraph.factors.automaton import Rule


class LogicalOr(Rule):
    """No numbers."""

    name = "logical_or"
    then = np.array([[[0, 1], [1, 1]], [[0, -1], [-1, 0]]])
    holds = (0,)


KIND = LogicalOr()
