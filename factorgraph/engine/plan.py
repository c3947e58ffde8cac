"""Which algorithms are tried on a graph that no exact engine takes whole in no time, and why."""

from __future__ import annotations

import numpy as np

from factorgraph.engine.exact import fits
from factorgraph.engine.menu import Step, step
from factorgraph.engine.problem import Problem
from factorgraph.errors import some
from factorgraph.graph.structure import Structure

PAIRWISE = ("potts", "truncated", "convex")
"""Kinds of two variables that message passing on edges knows."""
HARD = (
    "all_different", "at_least_one", "at_most_one", "exactly_one", "logical_and", "logical_or",
    "parity",
)  # fmt: skip
"""Kinds that only forbid."""
SMALL = 1000
"""Free variables up to which branch and bound is tried after a gap is left."""
SECONDS = 10.0
LONG = 1.0
"""Seconds of exact inference before which evidence and hard zeros are looked at, and a search for
what only has to be feasible is tried."""


def plan(problem: Problem, limit: float = float("inf")) -> tuple[tuple[Step, ...], str]:
    """Return algorithms to run in turn, and the reason in one line.

    A gap that is left open by message passing is handed to branch and bound for a while where the
    graph is small; constraint satisfaction begins with it.

    Parameters
    ----------
    limit : seconds that the choice may take; twice as many are left for it and the answer.
    """
    structure = problem.structure
    free = int((problem.evidence < 0).sum())
    seconds = fits(problem, limit)
    if seconds is not None and seconds <= 2 * limit:
        exact, leave = step("exact"), "evidence and hard zeros leave"
        if seconds > LONG and problem.task == "map" and free <= SMALL and is_constrained(problem):
            reason = f"branch + exact: {leave} what takes elimination {seconds:.0f} s"
            return (step("branch", {"seconds": SECONDS}), exact), reason
        return (exact,), f"exact: {leave} little"
    size = f"{some(free, 'free variable')}, {some(factors(structure), 'factor')}"
    if problem.task != "map":
        return (step("sumproduct"),), f"sum-product on loops: {size}, too wide for exact inference"
    if is_parity(structure):
        return (step("minsum", {"scale": 0.75}),), f"scaled min-sum: parity checks of {size}"
    if submodular(problem):
        return (step("cut"),), f"exact: graph cut, submodular, {size}"
    name = "trws" if is_pairwise(structure) else "mplp"
    steps = [step(name), step("icm")]
    if free <= SMALL:
        branch = step("branch", {"seconds": SECONDS})
        steps = [branch, *steps] if is_constrained(problem) else [*steps, branch]
    words = " + ".join(s.name for s in steps)
    return tuple(steps), f"{words}: {size}, too wide for exact inference"


def factors(structure: Structure) -> int:
    """Return the number of factors."""
    tables = sum(len(g.table) for g in structure.groups)
    return tables + sum(len(g.table) for g in structure.kinds)


def is_pairwise(structure: Structure) -> bool:
    """Return whether no factor touches more than two variables."""
    tables = all(len(g.cards) <= 2 for g in structure.groups)
    return tables and all(
        k.kind in PAIRWISE and (np.diff(k.start) <= 2).all() for k in structure.kinds
    )


def is_constrained(problem: Problem) -> bool:
    """Return whether factors of several variables only forbid: relaxations tell nothing then."""
    structure = problem.structure
    for g, group in enumerate(structure.groups):
        if len(group.cards) > 1 and len(group.table):
            table = structure.table(problem.values, g).reshape(group.distinct, -1)
            least = table.min(axis=1, keepdims=True)
            if not ((table == least) | np.isinf(table)).all():
                return False
    return all(k.kind in HARD for k in structure.kinds)


def is_parity(structure: Structure) -> bool:
    """Return whether there is nothing but parity checks and what each bit costs by itself."""
    checks = structure.kinds and all(k.kind == "parity" for k in structure.kinds)
    return bool(checks) and all(len(g.cards) <= 1 for g in structure.groups)


def submodular(problem: Problem) -> bool:
    """Return whether the energy is binary, of tables over pairs, each of them submodular."""
    structure = problem.structure
    if structure.kinds or (structure.card > 2).any() or not is_pairwise(structure):
        return False
    for g, group in enumerate(structure.groups):
        if len(group.cards) == 2 and group.cards == (2, 2):
            table = structure.table(problem.values, g)
            if np.isinf(table).any():
                return False
            if (table[:, 0, 0] + table[:, 1, 1] > table[:, 0, 1] + table[:, 1, 0]).any():
                return False
    return True
