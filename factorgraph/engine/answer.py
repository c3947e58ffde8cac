"""Answers for every instance of a graph, by the algorithms asked for or by those that fit."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.choose import Choice, choose
from factorgraph.engine.decoding import code, decoded, decoder, loops, same
from factorgraph.engine.exact import shrinks
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import Step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome
from factorgraph.engine.plan import LONG, plan
from factorgraph.engine.problem import Problem, Task
from factorgraph.engine.watch import Hear, Watch
from factorgraph.errors import BudgetError, InferenceError
from factorgraph.graph.part import part
from factorgraph.graph.structure import Energies, Ints, Structure, check_range
from factorgraph.jit import sized

TABLELESS = ("bps", "icm", "mplp", "trws")
"""Algorithms that take any kind of factor over two variables as it is told."""


@dataclass(frozen=True)
class Ask:
    """How answers are to be found.

    Attributes
    ----------
    steps : algorithms to run in turn; none of them leaves the choice to what fits the graph.
    seconds : the time budget of an instance; the best found by then is the answer.
    beta, seed, threads : as of a `Problem`.
    hear : told of each improvement.
    """

    steps: tuple[Step, ...] = ()
    seconds: float | None = None
    beta: float = 1.0
    seed: int = 0
    threads: int = 1
    hear: Hear | None = None

    @property
    def exactly(self) -> bool:
        """Whether plain exact inference is asked for."""
        return len(self.steps) == 1 and self.steps[0].name == "exact"

    @property
    def tableless(self) -> bool:
        """Whether all that is asked for takes factors over two variables without tables."""
        return bool(self.steps) and all(one.name in TABLELESS for one in self.steps)


def outcomes(
    structure: Structure,
    values: Energies,
    evidence: Ints | None = None,
    task: Task = "map",
    ask: Ask | None = None,
    choice: Choice | None = None,
    watch: Watch | None = None,
) -> Iterator[Outcome]:
    """Yield what is found out about each instance, in order.

    Parameters
    ----------
    structure : checked.
    values : float64 [T].
    evidence : int32 [V], -1 where free; None where nothing is observed.
    choice : the exact engine for all of the structure, where it is known already.
    watch : of a structure of one instance, instead of one made of the ask.

    Raises
    ------
    InferenceError : no algorithm can answer this.
    BudgetError : none that can would fit into the memory budget.
    UsageError : an algorithm does not give what is asked for.
    """
    ask = Ask() if ask is None else ask
    if evidence is None:
        evidence = np.full(structure.variables, -1, np.int32)
    check_range(structure, values)
    plain = not ask.steps or ask.exactly
    left = _left(ask, watch)
    if plain and choice is None:
        choice = _exact(structure, left)
    if (
        plain
        and choice is not None
        and (ask.exactly or _at_once(choice, ask, Problem(structure, values, evidence, task)))
    ):
        for found in _by_engine(choice, structure, values, evidence, task, ask.beta):
            if watch is not None and found.states is not None:
                watch.offer(found.energy, found.states, found.bound)
            yield found if watch is None else replace(found, trace=watch.trace)
        return
    alike = same(structure) if task == "map" and structure.instances > 1 else None
    if alike is not None:
        one_code, place = alike
        each = evidence.reshape(structure.instances, -1)
        yield from many(one_code.structure, values[place], each, task, ask)
        return
    for i in range(structure.instances):
        own = part(structure, i)
        first, last = structure.instance[i : i + 2]
        problem = Problem(
            own, values, np.ascontiguousarray(evidence[first:last]), task, ask.beta, ask.seed,
            ask.threads,
        )  # fmt: skip
        one = _exact(own, left) if plain and structure.instances > 1 else None
        if one is not None:
            yield from _by_engine(one, own, values, problem.evidence, task, ask.beta)
            continue
        steps, reason = ask.steps, "asked for"
        if not steps:
            steps, reason = plan(problem, left)
        found = infer(problem, steps, watch or Watch(ask.seconds, ask.hear))
        yield replace(found, reason=found.reason or reason)


def many(
    structure: Structure, values: Energies, evidence: Ints, task: Task, ask: Ask
) -> Iterator[Outcome]:
    """Yield what is found out about one graph of one instance with many energies, in order.

    Frames of a code are decoded together, where a decoder is asked for or fits.

    Parameters
    ----------
    values : float64 [B, T].
    evidence : int32 [B, V], -1 where free.
    """
    found = code(structure) if task == "map" and len(values) > 1 else None
    steps, reason = ask.steps, "asked for"
    if found is not None and not steps and (_exact(structure) is None):
        problem = Problem(structure, values[0], evidence[0])
        steps, reason = plan(problem)
    how = None
    if found is not None and len(steps) == 1 and loops(found.checks):
        how = decoder(steps[0].name, steps[0].options, ask.beta, ask.threads)
    if found is None or how is None:
        for own, seen in zip(values, evidence, strict=True):
            yield from outcomes(structure, np.ascontiguousarray(own), seen, task, ask)
        return
    watch = Watch(None if ask.seconds is None else ask.seconds * len(values), ask.hear)
    with watch.listening():
        for outcome in decoded(found, how, values, evidence, watch):
            yield replace(outcome, reason=reason)


def _at_once(choice: Choice, ask: Ask, problem: Problem) -> bool:
    """Return whether an engine answers in time, and no look at less of the graph is worth it."""
    if ask.seconds is not None and choice.seconds > ask.seconds:
        return False
    structure = problem.structure
    many = structure.instances > 1 or bool(structure.kinds)
    return choice.seconds <= LONG or many or not shrinks(problem)


def _left(ask: Ask, watch: Watch | None) -> float:
    """Return the seconds that may go into the choice of an algorithm: half of those left."""
    limit, spent = (ask.seconds, 0.0) if watch is None else (watch.limit, watch.seconds)
    return np.inf if limit is None or ask.steps else 0.5 * (limit - spent)


def _exact(structure: Structure, seconds: float = np.inf) -> Choice | None:
    try:
        return choose(structure, seconds)
    except (InferenceError, BudgetError):
        return None


def _by_engine(
    choice: Choice, structure: Structure, values: Energies, evidence: Ints, task: Task, beta: float
) -> Iterator[Outcome]:
    """Yield the answers of an exact engine, which works on all instances at once."""
    begun = time.perf_counter()
    engine, every = choice.engine, values[None]
    count = max(structure.instances, 1)
    if task == "map":
        with sized(choice.steps):
            least = engine.minimum(every, evidence)
        seconds = (time.perf_counter() - begun) / count
        for i in range(structure.instances):
            first, last = structure.instance[i : i + 2]
            energy = float(least.value[0, i])
            there = energy < np.inf
            yield Outcome(
                "exact",
                least.states[0, first:last] if there else None,
                energy,
                energy,
                OPTIMAL if there else INFEASIBLE,
                seconds=seconds,
                reason=choice.reason,
            )
        return
    with sized(choice.steps):
        soft = engine.soft_minimum(every, beta, evidence)
        beliefs: NDArray[np.float64] | None = soft.marginals()[0] if task == "marginals" else None
    seconds = (time.perf_counter() - begun) / count
    offset = structure.state_offset
    for i in range(structure.instances):
        first, last = structure.instance[i : i + 2]
        value = float(soft.value[0, i])
        yield Outcome(
            "exact",
            None,
            np.inf,
            -np.inf,
            OPTIMAL if value < np.inf else INFEASIBLE,
            seconds=seconds,
            marginals=None
            if beliefs is None or value == np.inf
            else beliefs[offset[first] : offset[last]],
            log_partition=-beta * value,
            log_partition_is="exact",
            reason=choice.reason,
        )
