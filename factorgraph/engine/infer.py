"""Ask for answers by name or by choice: algorithms in turn, each starting where the last ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from factorgraph.engine.level import leveled
from factorgraph.engine.menu import Step
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, judged
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.factors.expand import tabled


def infer(problem: Problem, asked: Sequence[Step], watch: Watch | None = None) -> Outcome:
    """Run algorithms in turn and return the best of what they found.

    Parameters
    ----------
    problem : the question.
    asked : at least one step.
    watch : the time budget, and who is told; a new one without a budget if None.

    Returns
    -------
    The best configuration with its energy, the best bound, the status of both together, and
    marginals and log-partition as the last algorithm that gives them found them.

    Raises
    ------
    UsageError : a step cannot be asked for this task.
    """
    watch = Watch() if watch is None else watch
    problem = in_pairs(problem)
    level = leveled(problem)
    if level is not None:
        problem = level.problem
    found: Outcome | None = None
    with watch.listening(), watch.above(0.0 if level is None else level.constant):
        for one in asked:
            begun = watch.seconds
            with watch.within(float(one.options["seconds"])):
                outcome = one.run(problem, watch)
            outcome = replace(outcome, seconds=watch.seconds - begun)
            found = outcome if found is None else _joined(found, outcome)
            problem = problem.after(found.states, found.bound)
            if watch.over or found.status == OPTIMAL or found.status.startswith(INFEASIBLE):
                break
    assert found is not None
    if level is not None:
        found = level.raised(found)
    return replace(found, trace=watch.trace)


def in_pairs(problem: Problem) -> Problem:
    """Return a problem whose matrices of products are tables of pairs, as messages need them.

    Raises
    ------
    BudgetError : they would not fit into the memory budget.
    """
    structure, values = problem.structure, problem.values
    if all(kind.kind != "bilinear" for kind in structure.kinds):
        return problem
    expanded = tabled(structure, values, only="bilinear")
    return replace(problem, structure=expanded.structure, values=expanded.values(values[None])[0])


def _joined(first: Outcome, second: Outcome) -> Outcome:
    """Return the better answer and the better bound of two steps, and how both together stand."""
    better = second if second.energy < first.energy else first
    bound = max(first.bound, second.bound)
    soft = second if second.marginals is not None or np.isfinite(second.log_partition) else first
    return Outcome(
        algorithm=f"{first.algorithm} + {second.algorithm}",
        states=better.states,
        energy=better.energy,
        bound=bound,
        status=judged(better.energy, bound, second.status),
        iterations=first.iterations + second.iterations,
        residual=second.residual,
        seconds=first.seconds + second.seconds,
        marginals=soft.marginals,
        log_partition=soft.log_partition,
        log_partition_is=soft.log_partition_is,
        notes=first.notes + second.notes,
    )
