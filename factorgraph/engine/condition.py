"""Cutset conditioning: some variables are set to each of their combinations in turn, so that what
is left is narrow enough to be eliminated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, product

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.buckets import messages
from factorgraph.engine.junction import Flat, JunctionEngine, Left
from factorgraph.engine.order import MOST
from factorgraph.engine.probe import Engine
from factorgraph.engine.problem import Problem
from factorgraph.engine.shrink import Shrunk
from factorgraph.engine.watch import Watch
from factorgraph.errors import InferenceError, some
from factorgraph.graph.structure import Energies, Ints, Structure

TOGETHER = 16
"""Combinations that are worked out at the same time at most."""


LONGEST = 2.0**36
"""Entries of all tables, of all combinations, beyond which conditioning is refused where no time
budget ends it: minutes."""
PACE = 1e8
"""Entries a second, roughly."""


@dataclass(frozen=True)
class Found:
    """What an exact engine says of a graph of one instance.

    Attributes
    ----------
    feasible : whether any configuration has finite energy.
    states : int32 [V], one of least energy; None where not asked for or there is none.
    log_partition : NaN where not asked for.
    marginals : float64 [S]; None where not asked for.
    """

    feasible: bool
    states: Ints | None
    log_partition: float
    marginals: Energies | None


def ask(engine: Engine, values: Energies, problem: Problem) -> Found:
    """Ask an engine for what a problem asks, without evidence."""
    if problem.task == "map":
        least = engine.minimum(values[None])
        feasible = bool(np.isfinite(least.value[0, 0]))
        return Found(feasible, least.states[0] if feasible else None, np.nan, None)
    soft = engine.soft_minimum(values[None], problem.beta)
    log_partition = -problem.beta * float(soft.value[0, 0])
    wanted = problem.task == "marginals" and np.isfinite(log_partition)
    return Found(
        bool(np.isfinite(log_partition)),
        None,
        log_partition,
        soft.marginals()[0] if wanted else None,
    )


def cutset(structure: Structure, most: int, size: float) -> NDArray[np.bool_] | None:
    """Return at most ``most`` variables without which elimination takes ``size`` bytes or less.

    Each time the variable is taken that most of the messages' entries are there for.
    """
    flat = Flat.of(structure)
    given = np.zeros(structure.variables, np.bool_)
    for _ in range(most + 1):
        left = Left.of(structure, flat, given)
        order = left.search(MOST, 1e-3, 0)
        weight = np.diff(left.start) * np.log2(np.maximum(left.card, 2))
        if np.isfinite(order.entries).all():
            axes, axis, entries = messages(left.card, left.scopes, order)
            if 16 * entries.sum() <= size:
                return given
            weight = np.bincount(
                axis, np.repeat(entries, np.diff(axes)), minlength=len(left.card)
            ) * (1.0 - 1.0 / left.card)
        given[np.flatnonzero(left.free)[int(np.argmax(weight))]] = True
    return None


def condition(
    smaller: Shrunk, problem: Problem, most: int, watch: Watch, error: InferenceError
) -> tuple[Found | None, str]:
    """Answer a problem by conditioning on ``most`` variables at most.

    Returns
    -------
    The answer, None where the watch ended it before all combinations were seen; and how.

    Raises
    ------
    InferenceError : the error given, where that is not enough.
    """
    structure = smaller.structure
    given = cutset(structure, most, 0.5 * budget.limit()) if most else None
    if given is None:
        raise error
    engine = JunctionEngine(structure, given, share=1.0)
    chosen = np.flatnonzero(given)
    count = int(np.prod(structure.card[chosen], dtype=np.float64))
    entries = count * float(engine.plan.order.entries.sum())
    if entries > LONGEST and problem.task == "map":
        raise error
    if entries > LONGEST and watch.limit is None:
        raise InferenceError(
            f"{error.message}; {some(count, 'combination')} of {some(len(chosen), 'variable')} "
            f"would take about {entries / PACE / 60:.0f} minutes",
            code=error.code,
            hint="--budget-time sets how long to try; sumproduct and trbp give estimates",
        )
    note = (
        f"exact: width {engine.plan.width}, {budget.human(engine.plan.bytes)}, for each of "
        f"{some(count, 'combination')} of {some(len(chosen), 'variable')}"
    )
    each = max(1, min(TOGETHER, int(0.25 * budget.limit() / (1 + engine.plan.bytes))))
    total = _Total(problem)
    combinations = product(*(range(n) for n in structure.card[chosen].tolist()))
    while part := list(islice(combinations, each)):
        if watch.over:
            return None, note
        evidence = np.full((len(part), structure.variables), -1, np.int32)
        evidence[:, chosen] = part
        total.add(engine, np.tile(smaller.values, (len(part), 1)), evidence)
    return total.found(), note


class _Total:
    """The sum, or the least, of the parts so far."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.least = np.inf
        self.states: Ints | None = None
        self.level, self.weight = -np.inf, 0.0
        self.marginals: Energies | None = None

    def add(self, engine: Engine, values: Energies, evidence: Ints) -> None:
        """Take in some combinations."""
        if self.problem.task == "map":
            found = engine.minimum(values, evidence)
            b = int(np.argmin(found.value[:, 0]))
            if found.value[b, 0] < self.least:
                self.least, self.states = float(found.value[b, 0]), found.states[b].copy()
            return
        soft = engine.soft_minimum(values, self.problem.beta, evidence)
        each = -self.problem.beta * soft.value[:, 0]
        if each.max() == -np.inf:
            return
        level = max(self.level, float(each.max()))
        before, weight = float(np.exp(self.level - level)), np.exp(each - level)
        self.level, self.weight = level, before * self.weight + float(weight.sum())
        if self.problem.task == "marginals":
            sums = weight @ soft.marginals()
            self.marginals = sums if self.marginals is None else before * self.marginals + sums

    def found(self) -> Found:
        """Return the answer for all of them."""
        if self.problem.task == "map":
            return Found(self.states is not None, self.states, np.nan, None)
        if self.weight == 0.0:
            return Found(False, None, -np.inf, None)
        marginals = None if self.marginals is None else self.marginals / self.weight
        return Found(True, None, self.level + float(np.log(self.weight)), marginals)
