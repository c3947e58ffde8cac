"""Exact answers about one graph: shrunk by its evidence and hard zeros, then eliminated."""

from __future__ import annotations

import numpy as np

from factorgraph.engine.choose import choose
from factorgraph.engine.condition import ask, condition
from factorgraph.engine.menu import Options, step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.shrink import shrink
from factorgraph.engine.watch import Watch
from factorgraph.errors import BudgetError, InferenceError
from factorgraph.factors.expand import tabled
from factorgraph.factors.table import energy
from factorgraph.jit import sized


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Answer exactly: on a forest, by enumeration, by elimination, else by branch and bound.

    Evidence and hard zeros shrink the graph first; where elimination would break the budget, some
    variables are conditioned on.

    Raises
    ------
    InferenceError, BudgetError : marginals or a log-partition are asked of a graph that no engine
        can take.
    """
    structure, values = problem.structure, problem.values[None]
    try:
        if structure.kinds:
            expanded = tabled(structure)
            values, structure = expanded.values(values), expanded.structure
        smaller = shrink(structure, values[0], problem.evidence)
        if smaller.blame:
            return _outcome(problem, f"{INFEASIBLE}: {smaller.blame}")
        try:
            choice = choose(smaller.structure)
        except InferenceError as error:
            most = int(options.get("cutset", 0))
            found, reason = condition(smaller, problem, most, watch, error)
        else:
            with sized(choice.steps):
                found, reason = ask(choice.engine, smaller.values, problem), choice.reason
    except (InferenceError, BudgetError):
        if problem.task != "map":
            raise
        return step("branch").run(problem, watch)
    if found is None:
        return _outcome(problem, watch.over, reason)
    if not found.feasible:
        return _outcome(problem, INFEASIBLE, reason)
    states, least = None, np.inf
    if found.states is not None:
        states = smaller.states(found.states, structure)
        least = float(energy(structure, values, states)[0, 0])
        watch.offer(least, states, least)
    marginals = found.marginals
    return Outcome(
        "exact",
        states,
        least,
        least if problem.task == "map" else -np.inf,
        OPTIMAL,
        marginals=None if marginals is None else smaller.marginals(marginals, structure),
        log_partition=found.log_partition,
        log_partition_is="" if problem.task == "map" else "exact",
        reason=reason,
    )


def shrinks(problem: Problem) -> bool:
    """Return whether evidence or hard zeros may leave less of a graph."""
    return not (problem.free and np.isfinite(problem.values).all())


def fits(problem: Problem, limit: float = float("inf")) -> float | None:
    """Return what an engine needs for what evidence and hard zeros leave of a graph, roughly in
    seconds; None where none can take it, or could not be planned within a limit in seconds."""
    if problem.structure.kinds or not shrinks(problem):
        return None
    try:
        smaller = shrink(problem.structure, problem.values, problem.evidence)
        return 0.0 if smaller.blame else choose(smaller.structure, limit).seconds
    except (InferenceError, BudgetError):
        return None


def _outcome(problem: Problem, status: str, reason: str = "") -> Outcome:
    """Return what there is to say where there is no answer."""
    nothing = status.startswith(INFEASIBLE)
    soft = nothing and problem.task != "map"
    return Outcome(
        "exact",
        None,
        np.inf,
        np.inf if nothing and problem.task == "map" else -np.inf,
        status,
        log_partition=-np.inf if soft else np.nan,
        log_partition_is="exact" if soft else "",
        reason=reason,
    )
