"""Branch and bound for small hard instances, on bounds by soft local consistency.

The open node of least bound is searched depth first for a while, then the next (hybrid best-first
search); variables of few states and many conflicts come first, that of the last conflict before
all others, and states of least cost first. The bound at a node comes from moves between factors.

Reference: Allouche et al., Anytime hybrid best-first search with tree decomposition for weighted
CSP (2015); Boussemart et al., Boosting systematic search by weighting constraints (2004); Lecoutre
et al., Reasoning from last conflict(s) (2009); Kolmogorov, Convergent tree-reweighted message
passing (2006); Larrosa et al., Existential arc consistency (2005).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.frontier import Frontier
from factorgraph.engine.menu import Options
from factorgraph.engine.network import network
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, judged
from factorgraph.engine.plain import plain
from factorgraph.engine.problem import Problem
from factorgraph.engine.symmetry import representative
from factorgraph.engine.watch import Watch
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Ints, Structure


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Return a configuration of least energy, or the best one found in time with a bound.

    Raises
    ------
    BudgetError : tables or trails would not fit into the memory budget.
    """
    structure, values = plain(problem.structure, problem.values)
    evidence = representative(structure, values, problem.evidence)
    search = Frontier(network(structure, values, evidence))
    if problem.start is not None:
        search.know(problem.start, _energy(problem, problem.start))

    def tell() -> None:
        found = np.inf if search.best is None else _energy(problem, search.best)
        watch.offer(found, search.best, max(problem.bound, search.bound), search.nodes)

    search.run(lambda: watch.over, tell)
    found = np.inf if search.best is None else _energy(problem, search.best)
    if search.done:
        bound = found
        status = (
            OPTIMAL if search.best is not None else INFEASIBLE + _where(structure, values, search)
        )
    else:
        bound = max(problem.bound, search.bound)
        status = judged(found, bound, watch.over)
    return Outcome(
        "branch", search.best, found, bound, status, iterations=search.nodes, trace=watch.trace
    )


def _energy(problem: Problem, states: Ints) -> float:
    """Return the energy of an answer, from the problem's own factors."""
    return float(energy(problem.structure, problem.values[None], states)[0, 0])


def _where(structure: Structure, values: Energies, search: Frontier) -> str:
    """Return ``: NAME[ROW]`` of a factor that excludes everything, empty where none is known."""
    at = search.culprit
    for g, group in enumerate(structure.groups):
        tables = structure.table(values, g).reshape(group.distinct, -1)
        if len(group.cards) > 1:
            if 0 <= at < len(group.table) and search.lost < 0:
                return f": {group.name}[{at}]"
            at -= len(group.table)
            continue
        hard: NDArray[np.bool_] = np.asarray(np.isinf(tables).any(axis=1))[group.table]
        if group.cards:
            hard &= group.scope[:, 0] == search.lost
        if hard.any():
            return f": {group.name}[{int(np.argmax(hard))}]"
    return ""
