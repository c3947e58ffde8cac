"""Dual decomposition for factors of any order: MPLP, whose bound never falls, and AD3.

Reference: Globerson and Jaakkola, Fixing max-product: convergent message passing algorithms for
MAP LP-relaxations (2007); Martins et al., AD3: alternating directions dual decomposition (2015).
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.decomposition import Decomposition
from factorgraph.engine.menu import Options
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, judged
from factorgraph.engine.problem import Problem
from factorgraph.engine.slaves import Slaves
from factorgraph.engine.trws import BACK, certain, stalled
from factorgraph.engine.watch import Watch
from factorgraph.errors import some
from factorgraph.factors import table
from factorgraph.graph.structure import Ints

PATIENCE = 40
"""Steps of AD3 over which its bound has to rise: it is not monotone."""


def run_mplp(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Raise the bound factor by factor, each sharing out evenly; decode after each sweep."""
    return _Ascent("mplp", problem, options, watch).run(Decomposition(problem))


def run_ad3(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Let slaves come to agree by a proximal term; the bound is kept where it was best."""
    slaves, ascent = Slaves(problem), _Ascent("ad3", problem, options, watch, PATIENCE)
    why, iteration = "", 0
    for iteration in range(1, ascent.most + 1):
        slaves.step()
        bound, mass, terms = slaves.bound()
        if bound == np.inf:
            return Outcome("ad3", None, np.inf, np.inf, INFEASIBLE, iteration)
        ascent.heard(bound, mass, terms, slaves.decode(), iteration)
        why = ascent.enough()
        if why:
            break
    return ascent.outcome(iteration, why)


class _Ascent:
    """Sweeps until the gap or the progress asked for, and the best that was seen."""

    def __init__(
        self, name: str, problem: Problem, options: Options, watch: Watch, back: int = BACK
    ) -> None:
        self.back = back
        self.name, self.problem, self.watch = name, problem, watch
        self.most, self.gap = int(options["iterations"]), float(options["gap"])
        self.progress = float(options["progress"])
        self.states: Ints | None = None
        self.energy, self.bound = np.inf, -np.inf
        self.bounds: list[float] = [-np.inf]

    def run(self, graph: Decomposition) -> Outcome:
        why, iteration = "", 0
        for iteration in range(1, self.most + 1):
            graph.ascend()
            if not graph.possible:
                return Outcome(self.name, None, np.inf, np.inf, INFEASIBLE, iteration)
            graph.gather()
            self.heard(*graph.bound(), graph.decode(), iteration)
            why = self.enough()
            if why:
                break
        return self.outcome(iteration, why)

    def heard(self, bound: float, mass: float, terms: int, states: Ints, iteration: int) -> None:
        """Keep what is better than before."""
        structure, values = self.problem.structure, self.problem.values
        energy = float(table.energy(structure, values[None], states).sum())
        if energy < self.energy:
            self.energy, self.states = energy, states
        self.bound = max(self.bound, certain(bound, mass, terms, False))
        self.bounds.append(self.bound)
        self.watch.offer(self.energy, self.states, self.bound, iteration)

    def enough(self) -> str:
        """Return why to stop, empty where there is no reason."""
        if self.states is not None:
            near = self.energy - self.bound <= self.gap * abs(self.energy)
            if near or judged(self.energy, self.bound, "") == OPTIMAL:
                return "the gap asked for is reached"
        if stalled(self.bounds, self.progress, self.back):
            return "the bound rises no more"
        return self.watch.over

    def outcome(self, iteration: int, why: str) -> Outcome:
        bound = min(self.bound, self.energy)
        otherwise = f"no answer after {some(iteration, 'sweep')}"
        status = judged(self.energy, bound, why if why.startswith("stopped") else otherwise)
        return Outcome(self.name, self.states, self.energy, bound, status, iteration)
