"""Constants that would drown what varies are left out while a graph is solved.

What is proven or counts as rounding is told relative to energies. Where each table is much farther
from 0 than its entries are from one another, a gap of many of them were taken for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from factorgraph.engine.outcome import Outcome, is_whole
from factorgraph.engine.problem import Problem
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Structure

FAR = 16.0
"""Tables so much farther from 0 than their entries from one another are brought nearer."""
ROUNDING = 2.0**-50


@dataclass(frozen=True)
class Level:
    """A problem with its tables near 0, and what was taken off.

    Attributes
    ----------
    constant : what all energies are lower by.
    slack : what rounding may have added to a bound with the constant; 0 where all is exact.
    """

    problem: Problem
    whole: Problem
    constant: float
    slack: float

    def raised(self, found: Outcome) -> Outcome:
        """Return what was found, for the problem as it was told."""
        least, bound = found.energy, found.bound
        if found.states is not None:
            problem = self.whole
            least = float(energy(problem.structure, problem.values[None], found.states)[0, 0])
        if np.isfinite(bound):
            # Where the two are equal they stay so; else the sum itself may be rounded up.
            below = self.constant + bound - self.slack
            below = below if is_whole(below) else float(np.nextafter(below, -np.inf))
            bound = least if bound == found.energy else min(below, least)
        log_partition = found.log_partition - self.whole.beta * self.constant
        if found.log_partition_is == "upper bound":
            above = log_partition + self.whole.beta * self.slack
            log_partition = float(np.nextafter(above, np.inf))
        return replace(
            found,
            energy=least,
            bound=bound,
            log_partition=log_partition,
        )


def leveled(problem: Problem) -> Level | None:
    """Return a problem with its tables near 0; None where they are not far from it.

    The least entry of each table becomes the range of its entries, which is exact where all are
    whole: an energy is then as large as what varies.
    """
    structure = problem.structure
    shift, mass, span, shares = _shifts(structure, problem.values)
    if not mass > FAR * span:
        return None
    values = problem.values.copy()
    for g, each in enumerate(shift):
        table = structure.table(values, g).reshape(len(each), -1)
        table -= each[:, None]
    constant = float(sum(shares))
    finite = problem.values[np.isfinite(problem.values)]
    exact = bool((finite == np.rint(finite)).all()) and mass + 2 * span < 2.0**53
    slack = 0.0 if exact else ROUNDING * (mass + 2 * span)
    bound = problem.bound - constant - slack
    return Level(replace(problem, values=values, bound=bound), problem, constant, slack)


def _shifts(
    structure: Structure, values: Energies
) -> tuple[list[Energies], float, float, list[float]]:
    """Return what each distinct table may be lowered by, how far tables are from 0 and how far
    their entries are apart, summed over factors, and the sums of what they would be lowered by."""
    shifts, mass, span, shares = [], 0.0, 0.0, []
    for g, group in enumerate(structure.groups):
        table = structure.table(values, g).reshape(group.distinct, group.states)
        finite = np.isfinite(table)
        low = np.where(finite, table, np.inf).min(axis=1, initial=np.inf)
        high = np.where(finite, table, -np.inf).max(axis=1, initial=-np.inf)
        low, high = (np.where(np.isfinite(end), end, 0.0) for end in (low, high))
        times = np.bincount(group.table, minlength=group.distinct)
        mass += float(np.abs(low) @ times)
        span += float((high - low) @ times)
        shifts.append(low - (high - low))
        shares.append(float(shifts[-1] @ times))
    return shifts, mass, span, shares
