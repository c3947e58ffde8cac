"""What an inference is asked: one graph of one instance, and what is wanted of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from factorgraph.graph.structure import Energies, Ints, Structure

Task = Literal["map", "marginals", "partition"]


@dataclass(frozen=True)
class Problem:
    """A question about one graph.

    Attributes
    ----------
    structure : of one instance, checked.
    values : float64 [T], contiguous; +inf allowed, NaN and -inf not.
    evidence : int32 [V], the states of observed variables, -1 where free.
    task : ``map``: a configuration of least energy and a bound; ``marginals``: of every variable at
        ``beta``, and the log-partition; ``partition``: the latter alone.
    beta : inverse temperature, of marginals and log-partition.
    seed : of everything random.
    threads : that may work at once; results do not depend on it.
    start : int32 [V], a configuration to start from, as of an earlier step; None for none.
    bound : what earlier steps have proven to be below every configuration's energy.
    """

    structure: Structure
    values: Energies
    evidence: Ints
    task: Task = "map"
    beta: float = 1.0
    seed: int = 0
    threads: int = 1
    start: Ints | None = None
    bound: float = -np.inf

    @property
    def free(self) -> bool:
        """Whether no variable is observed."""
        return bool((self.evidence < 0).all())

    def after(self, states: Ints | None, bound: float) -> Problem:
        """Return the problem for the next step, which starts where another one ended."""
        best = self.start if states is None else states
        return replace(self, start=best, bound=max(self.bound, bound))
