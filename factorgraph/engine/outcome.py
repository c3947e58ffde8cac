"""What one inference found out about one graph, and how far it can be trusted."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from factorgraph.graph.structure import Energies, Ints

OPTIMAL, INFEASIBLE = "optimal", "infeasible"
TIGHT = 1e-9
"""A gap below this share of the energy is rounding."""
WHOLE = 1.0 - 1e-6
"""A gap from here on is none where the energy is whole: another one may be the least."""


@dataclass(frozen=True)
class Point:
    """How things stood at some moment: seconds since the start, best energy, best bound."""

    seconds: float
    energy: float
    bound: float


@dataclass(frozen=True)
class Outcome:
    """Answers for one graph of one instance.

    Attributes
    ----------
    algorithm : by its name in the menu.
    states : int32 [V], the best configuration found; None where a task asks for none, or none of
        finite energy was found.
    energy : its energy, worked out anew in float64 from the states; +inf where there is none.
    bound : a lower bound on every configuration's energy; -inf where the algorithm has none.
    status : ``optimal``, ``infeasible`` (followed by a factor where one can be named),
        ``gap 0.3 %``, ``converged``, or what kept it from that, as ``not converged: residual 0.02
        after 200 sweeps`` or ``stopped: 10 s are over``, which also follows a gap.
    iterations, residual, seconds : of the run; residual NaN where the algorithm has none.
    trace : best energy and bound as time went on.
    marginals : float64 [S], probabilities in the order of ``state_offset``; None if not asked for.
    log_partition : log sum exp(-beta E), or its estimate; NaN if not asked for.
    log_partition_is : ``exact``, ``Bethe``, ``upper bound``, ``lower bound`` or empty.
    notes : what else a user should know, a line each.
    reason : why this algorithm.
    """

    algorithm: str
    states: Ints | None
    energy: float
    bound: float
    status: str
    iterations: int = 0
    residual: float = float("nan")
    seconds: float = 0.0
    trace: tuple[Point, ...] = ()
    marginals: Energies | None = None
    log_partition: float = float("nan")
    log_partition_is: str = ""
    notes: tuple[str, ...] = field(default=())
    reason: str = ""

    @property
    def gap(self) -> float:
        """Energy minus bound, 0 where the answer is proven; NaN where there is no answer."""
        if not np.isfinite(self.energy):
            return float("nan")
        return 0.0 if self.status == OPTIMAL else self.energy - self.bound


def judged(energy: float, bound: float, otherwise: str) -> str:
    """Return the status of an answer with a bound: optimal, infeasible, the gap, or what it was.

    Parameters
    ----------
    otherwise : what is said where there is no bound, or no answer; that it was stopped, if it was,
        is said of a gap as well.
    """
    if bound == np.inf:
        return INFEASIBLE
    if not np.isfinite(energy) or not np.isfinite(bound):
        return otherwise
    gap, scale = energy - bound, max(abs(energy), abs(bound), 1e-300)
    if gap <= (min(TIGHT * scale, WHOLE) if is_whole(energy) else TIGHT * scale):
        return OPTIMAL
    relative = abs(energy) > 1e-9 * gap and gap <= 10 * scale
    said = f"gap {100 * gap / scale:.3g} %" if relative else f"gap {gap:.3g}"
    why = otherwise.find("stopped")
    return said if why < 0 else f"{said}, {otherwise[why:]}"


def is_whole(number: float) -> bool:
    """Return whether a number is whole, and small enough for its neighbours to be told apart."""
    return abs(number) < 2.0**53 and number == round(number)


def in_full(number: float, digits: int = 12) -> str:
    """Return a number as text: all of it where it is whole, else so many digits."""
    return f"{number:.0f}" if is_whole(number) else f"{number:.{digits}g}"
