"""Ask an instance for a configuration, marginals or the partition function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from factorgraph.engine.answer import Ask, many, outcomes
from factorgraph.engine.menu import Step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, in_full, is_whole
from factorgraph.engine.problem import Task
from factorgraph.engine.watch import Watch
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.instance import Instance

Asked = Literal["MAP", "MAR", "PR"]
TASKS: dict[str, Task] = {"MAP": "map", "MAR": "marginals", "PR": "partition"}
_SLACK = 2.0**-49
"""An energy may be so much below the upper bound, relative to it, by rounding alone."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found out about an instance, its constant energy included.

    Attributes
    ----------
    task : ``MAP``, ``MAR`` or ``PR``.
    energy : of a configuration; of MAR and PR -(1/beta) times the log-partition. +inf where no
        configuration is feasible, NaN where nothing was found.
    bound : a lower bound on it; -inf where there is none.
    status : as of an `Outcome`, also where the file's upper bound leaves no solution.
    reason : why these algorithms, in a line.
    outcome : energies here are without the constant.
    beta : inverse temperature of MAR and PR; 1 of MAP.
    notes : what a user should know besides, a line each.
    """

    task: Asked
    energy: float
    bound: float
    status: str
    reason: str
    outcome: Outcome
    beta: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """Energy minus bound; 0 where the answer is proven, NaN where there is none."""
        if not np.isfinite(self.energy) or (self.task != "MAP" and not np.isfinite(self.bound)):
            return float("nan")
        return 0.0 if self.status == OPTIMAL else self.energy - self.bound

    @property
    def log10(self) -> float:
        """Return the logarithm of the product, or of the partition function, to base 10."""
        return -self.beta * self.energy / float(np.log(10))

    @property
    def estimate(self) -> str:
        """What stands for the sum where it is not exact: ``estimate (Bethe)``, ``upper bound``."""
        kind = self.outcome.log_partition_is
        if not np.isfinite(self.outcome.log_partition) or kind in ("", "exact"):
            return ""
        return f"estimate ({kind})" if kind == "Bethe" else kind

    @property
    def states(self) -> Ints | None:
        """The configuration found, int32 [V]."""
        return self.outcome.states

    @property
    def marginals(self) -> Energies | None:
        """The probabilities of all states of all variables, float64 [S]."""
        return self.outcome.marginals


def solve(
    instance: Instance,
    task: Asked = "MAP",
    asked: Sequence[Step] | None = None,
    *,
    beta: float = 1.0,
    seed: int = 0,
    threads: int = 1,
    watch: Watch | None = None,
) -> Answer:
    """Answer what the UAI competitions ask.

    Parameters
    ----------
    task : ``MAP``: a configuration of least energy; ``MAR``: the probability of each state of
        each variable; ``PR``: the partition function. Evidence is kept.
    asked : the algorithms, in turn; None to have them chosen.
    beta : inverse temperature, of MAR and PR.
    watch : time budget and listener.

    Raises
    ------
    InferenceError : no algorithm can answer for this graph.
    UsageError : an algorithm cannot be asked for this.
    """
    watch = Watch() if watch is None else watch
    if instance.offset == np.inf:
        outcome = Outcome("none", None, np.inf, np.inf, INFEASIBLE, seconds=watch.seconds)
        return Answer(task, np.inf, np.inf, INFEASIBLE, "a constant factor is 0", outcome)
    ask = Ask(tuple(asked or ()), watch.limit, beta, seed, threads, watch.hear)
    found = outcomes(
        instance.structure, instance.values, instance.evidence, TASKS[task], ask, watch=watch
    )
    (outcome,) = found
    return _answer(instance, task, beta, outcome, outcome.reason)


def solve_frames(
    frames: Sequence[Instance],
    asked: Sequence[Step] | None = None,
    *,
    beta: float = 1.0,
    seed: int = 0,
    threads: int = 1,
    watch: Watch | None = None,
) -> list[Answer]:
    """Answer MAP for many frames of one code, decoded together where a decoder fits.

    Parameters
    ----------
    frames : instances on one structure, as `heard` gives them.
    watch : its time budget is that of all frames; where it is over, fewer answers come.

    Raises
    ------
    InferenceError : no algorithm can answer for this graph.
    UsageError : an algorithm cannot be asked for this.
    """
    watch = Watch() if watch is None else watch
    seconds = None if watch.limit is None else watch.limit / len(frames)
    ask = Ask(tuple(asked or ()), seconds, beta, seed, threads, watch.hear)
    structure = frames[0].structure
    values = np.array([frame.values for frame in frames])
    evidence = np.array([frame.evidence for frame in frames])
    answers = []
    for frame, outcome in zip(frames, many(structure, values, evidence, "map", ask), strict=True):
        answers.append(_answer(frame, "MAP", beta, outcome, outcome.reason))
        if watch.over:
            break
    return answers


def _answer(instance: Instance, task: Asked, beta: float, outcome: Outcome, reason: str) -> Answer:
    """Return an outcome with the constant energy, judged by the upper bound."""
    energy, bound, status = outcome.energy, outcome.bound, outcome.status
    if task != "MAP":
        energy, bound = _free(outcome, beta)
        told = _number(instance.upper)
        limited = np.isfinite(instance.upper)
        notes = (f"the upper bound {told} is for least energies only",) if limited else ()
        return Answer(
            task,
            energy + instance.offset,
            bound + instance.offset,
            status,
            reason,
            outcome,
            beta,
            notes,
        )
    energy, bound = energy + instance.offset, bound + instance.offset
    limit = _limit(instance)
    if bound >= limit and np.isfinite(instance.upper):
        status = f"{INFEASIBLE}: nothing below the upper bound {_number(instance.upper)}"
        found = replace(outcome, states=None, energy=np.inf, bound=np.inf, status=status)
        return Answer(task, np.inf, np.inf, status, reason, found)
    if energy >= limit and np.isfinite(energy):
        status = f"{status}; not below the upper bound {_number(instance.upper)}"
    return Answer(task, energy, bound, status, reason, outcome)


def _limit(instance: Instance) -> float:
    """Return the energy from which on there is no solution, less what rounding may take.

    That is never as much as half of what two costs differ by.
    """
    rounding = _SLACK * abs(instance.upper)
    return instance.upper - (min(rounding, 0.25 * instance.step) if instance.step else rounding)


def _number(bound: float) -> str:
    return in_full(bound) if is_whole(bound) else repr(bound)


def _free(outcome: Outcome, beta: float) -> tuple[float, float]:
    """Return -(1/beta) log Z, or its estimate, and the same as a bound where it is exact."""
    if outcome.status.startswith(INFEASIBLE):
        return np.inf, np.inf
    energy = -outcome.log_partition / beta
    return energy, energy if outcome.log_partition_is == "exact" else -np.inf
