"""Ask an instance for a configuration, marginals or the partition function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from factorgraph.engine.answer import Ask, many, outcomes
from factorgraph.engine.menu import Step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome
from factorgraph.engine.problem import Task
from factorgraph.engine.watch import Watch
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.instance import Instance

Asked = Literal["MAP", "MAR", "PR"]
TASKS: dict[str, Task] = {"MAP": "map", "MAR": "marginals", "PR": "partition"}
_SLACK = 1e-9


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
    """

    task: Asked
    energy: float
    bound: float
    status: str
    reason: str
    outcome: Outcome

    @property
    def gap(self) -> float:
        """Energy minus bound; 0 where the answer is proven, NaN where there is none."""
        if not np.isfinite(self.energy):
            return float("nan")
        return 0.0 if self.status == OPTIMAL else self.energy - self.bound

    @property
    def log10(self) -> float:
        """Return the logarithm of the product, or of the partition function, to base 10."""
        return -self.energy / float(np.log(10))

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
        return Answer(
            task, energy + instance.offset, bound + instance.offset, status, reason, outcome
        )
    energy, bound = energy + instance.offset, bound + instance.offset
    limit = instance.upper - _SLACK * max(1.0, abs(instance.upper))
    if bound >= limit and np.isfinite(instance.upper):
        status = f"{INFEASIBLE}: nothing below the upper bound {instance.upper:g}"
        found = replace(outcome, states=None, energy=np.inf, bound=np.inf, status=status)
        return Answer(task, np.inf, np.inf, status, reason, found)
    if energy >= limit and np.isfinite(energy):
        status = f"{status}; not below the upper bound {instance.upper:g}"
    return Answer(task, energy, bound, status, reason, outcome)


def _free(outcome: Outcome, beta: float) -> tuple[float, float]:
    """Return -(1/beta) log Z and a lower bound on it, as far as they are known."""
    if outcome.status.startswith(INFEASIBLE):
        return np.inf, np.inf
    energy = -outcome.log_partition / beta
    proven = outcome.log_partition_is in ("exact", "upper bound")
    return energy, energy if proven else -np.inf
