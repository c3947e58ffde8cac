"""Exactly one bit is 1: what is remembered of those before is: none, one."""

from __future__ import annotations

import numpy as np

from factorgraph.factors.automaton import Rule


class ExactlyOne(Rule):
    """No numbers."""

    name = "exactly_one"
    then = np.array([[[0, 1], [1, -1]], [[0, 1], [1, -1]]])
    holds = (1,)


KIND = ExactlyOne()
