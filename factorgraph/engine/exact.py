"""Exact inference by whatever engine can take the graph, or by branch and bound."""

from __future__ import annotations

from factorgraph.engine.choose import Choice, choose
from factorgraph.engine.menu import Options, step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import BudgetError, InferenceError


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Answer exactly: on a forest, by enumeration, on a junction tree, else by branch and bound.

    Raises
    ------
    InferenceError, BudgetError : marginals or a log-partition are asked of a graph that no engine
        can take.
    """
    try:
        choice = choose(problem.structure)
    except (InferenceError, BudgetError):
        if problem.task != "map":
            raise
        return step("branch").run(problem, watch)
    found = by_engine(choice, problem)
    if found.states is not None:
        watch.offer(found.energy, found.states, found.bound)
    return found


def by_engine(choice: Choice, problem: Problem) -> Outcome:
    """Return the answer of an exact engine to a problem."""
    values, evidence = problem.values[None], problem.evidence
    if problem.task == "map":
        least = choice.engine.minimum(values, evidence)
        energy = float(least.value[0, 0])
        there = energy < float("inf")
        return Outcome(
            "exact",
            least.states[0] if there else None,
            energy,
            energy,
            OPTIMAL if there else INFEASIBLE,
            reason=choice.reason,
        )
    soft = choice.engine.soft_minimum(values, problem.beta, evidence)
    value = float(soft.value[0, 0])
    return Outcome(
        "exact",
        None,
        float("inf"),
        float("-inf"),
        OPTIMAL if value < float("inf") else INFEASIBLE,
        marginals=soft.marginals()[0] if problem.task == "marginals" else None,
        log_partition=-problem.beta * value,
        log_partition_is="exact",
        reason=choice.reason,
    )
