"""At least one bit is 1: what is remembered of those before is: none, some."""

from __future__ import annotations

import numpy as np

from factorgraph.factors.automaton import Rule


class AtLeastOne(Rule):
    """No numbers."""

    name = "at_least_one"
    then = np.array([[[0, 1], [1, 1]], [[0, 1], [1, 1]]])
    holds = (1,)


KIND = AtLeastOne()
