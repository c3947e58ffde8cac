"""Iterated conditional modes: each variable takes its best state, given all the others.

Besag, On the statistical analysis of dirty pictures (1986). In a round, those variables change
that gain more than every other one in all of their factors, so that gains add up; it ends where no
single change lowers the energy. A factor that excludes the configuration counts before all finite
energies, so that one may start from a configuration that is excluded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.menu import Options
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import some
from factorgraph.factors import table
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Mask = NDArray[np.bool_]


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Descend from the problem's start, or from the least unary energies."""
    structure, values = problem.structure, problem.values
    around = _Around(problem)
    clamped = problem.evidence >= 0
    states = around.first() if problem.start is None else problem.start.copy()
    states[clamped] = problem.evidence[clamped]
    stale = np.ones(structure.variables, bool)
    most, why, rounds = int(options["iterations"]), "", 0
    while rounds < most:
        rounds += 1
        changing = around.step(states, stale, clamped)
        if not changing.any():
            why = "converged"
            break
        stale = around.beside(changing)
        if watch.over:
            why = watch.over
            break
    energy = float(table.energy(structure, values[None], states).sum())
    found = states if np.isfinite(energy) else None
    watch.offer(energy, found, iteration=rounds)
    status = why or f"not converged after {some(rounds, 'round')}"
    if found is None:
        status = f"no answer: {status}"
    elif why == "converged":
        status = "converged: no single change lowers the energy"
    return Outcome("icm", found, energy, -np.inf, status, rounds)


class _Around:
    """What every state of a variable costs, given the states of all others.

    Attributes
    ----------
    hard, soft : float64 [S], how many factors exclude a state, and what the others add up to.
    """

    def __init__(self, problem: Problem) -> None:
        self.structure, self.values = problem.structure, problem.values
        self.offset = problem.structure.state_offset
        size = int(self.offset[-1])
        longest = max((_messages(self, k) for k in self.structure.kinds), default=0)
        budget.require(16 * (size + longest), "conditional energies")
        self.hard, self.soft = np.zeros(size), np.zeros(size)
        self.owner = np.repeat(np.arange(self.structure.variables), self.structure.card)

    def first(self) -> Ints:
        """Return the states of least unary energy."""
        everywhere = np.ones(self.structure.variables, bool)
        states = np.zeros(self.structure.variables, np.int32)
        self._tables(states, everywhere, unary=True)
        best = self._best()
        self.hard[:], self.soft[:] = 0.0, 0.0
        return best

    def step(self, states: Ints, stale: Mask, clamped: Mask) -> Mask:
        """Change states that gain most among their neighbours; return which have changed.

        Parameters
        ----------
        stale : the variables whose conditional energies are not as they were.
        """
        at = stale[self.owner]
        self.hard[at], self.soft[at] = 0.0, 0.0
        self._tables(states, stale, unary=False)
        for k in range(len(self.structure.kinds)):
            self._kind(k, states, stale)
        best, first = self._best(), self.offset[:-1]
        now, then = first + states, first + best
        fewer, lower = self.hard[now] - self.hard[then], self.soft[now] - self.soft[then]
        gains = ((fewer > 0) | ((fewer == 0) & (lower > 0))) & ~clamped
        rank = np.zeros(len(states), np.int64)
        order = np.lexsort((-np.arange(len(states)), lower, fewer))
        rank[order] = np.arange(1, len(states) + 1)
        rank[~gains] = 0
        wins: Mask = np.array(gains)
        for group in self.structure.groups:
            if group.scope.shape[1] > 1 and len(group.scope):
                own = rank[group.scope]
                losing = own < own.max(axis=1, keepdims=True)
                wins[group.scope[losing]] = False
        for kind in self.structure.kinds:
            row, own = _rows(kind), rank[kind.scope]
            most = np.zeros(len(kind.table), np.int64)
            np.maximum.at(most, row, own)
            wins[kind.scope[own < most[row]]] = False
        states[wins] = best[wins]
        return wins

    def beside(self, changing: Mask) -> Mask:
        """Return the variables that share a factor with one that has changed."""
        out = np.zeros(len(changing), bool)
        for group in self.structure.groups:
            if group.scope.shape[1] > 1:
                out[group.scope[changing[group.scope].any(axis=1)]] = True
        for kind in self.structure.kinds:
            row = _rows(kind)
            touched = np.zeros(len(kind.table), bool)
            touched[row[changing[kind.scope]]] = True
            out[kind.scope[touched[row]]] = True
        return out

    def _best(self) -> Ints:
        """Return the first of the least states, fewest exclusions before all energies."""
        if not len(self.hard):
            return np.zeros(0, np.int32)
        best = np.zeros(self.structure.variables, np.int32)
        _least(self.offset, self.hard, self.soft, best)
        return best

    def _tables(self, states: Ints, stale: Mask, *, unary: bool) -> None:
        for g, group in enumerate(self.structure.groups):
            arity = group.scope.shape[1]
            if not len(group.scope) or arity == 0 or (unary and arity > 1):
                continue
            cards = np.array(group.cards, np.int64)
            _condition(group.scope, group.table, cards, self.structure.offset[g], self.values,
                       states, stale, self.offset, self.hard, self.soft)  # fmt: skip

    def _kind(self, k: int, states: Ints, stale: Mask) -> None:
        """Add what a group's factors say: messages where all variables tell one state alone."""
        group = self.structure.kinds[k]
        card = self.structure.card[group.scope]
        entry: Offsets = np.concatenate(([0], np.cumsum(card, dtype=np.int64)))
        row = _rows(group)
        wanted = np.zeros(len(group.table), bool)
        wanted[row[stale[group.scope]]] = True
        if not wanted.any():
            return
        told = np.full(int(entry[-1]), np.inf)
        told[entry[:-1] + states[group.scope]] = 0.0
        said = np.zeros(int(entry[-1]))
        which = np.flatnonzero(wanted).astype(np.int32)
        numbers: Energies = self.structure.numbers(self.values, k)
        kind_of(group.kind).messages(group, numbers, entry, told, said, np.inf, which)
        place = np.flatnonzero(wanted[row] & stale[group.scope])
        _add(place, group.scope, entry, said, self.offset, self.hard, self.soft)


def _rows(group: KindGroup) -> NDArray[np.int64]:
    return np.repeat(np.arange(len(group.table)), np.diff(group.start))


def _messages(around: _Around, group: KindGroup) -> int:
    return int(around.structure.card[group.scope].sum(dtype=np.int64))


@kernel
def _condition(  # type: ignore[no-untyped-def]
    scope, table, cards, offset, values, states, stale, first, hard, soft
):
    """Add what each factor costs at every state of one variable, given the others."""
    size = 1
    for k in range(len(cards)):
        size *= cards[k]
    for r in range(len(scope)):
        entry = 0
        for k in range(len(cards)):
            entry = entry * cards[k] + states[scope[r, k]]
        entry += offset + table[r] * size
        step = size
        for k in range(len(cards)):
            step //= cards[k]
            v = scope[r, k]
            if not stale[v]:
                continue
            here = entry - states[v] * step
            for x in range(cards[k]):
                e = values[here + x * step]
                if e == np.inf:
                    hard[first[v] + x] += 1.0
                else:
                    soft[first[v] + x] += e


@kernel
def _add(place, scope, entry, said, first, hard, soft):  # type: ignore[no-untyped-def]
    for p in place:
        at = first[scope[p]]
        for x in range(entry[p + 1] - entry[p]):
            e = said[entry[p] + x]
            if e == np.inf:
                hard[at + x] += 1.0
            else:
                soft[at + x] += e


@kernel
def _least(first, hard, soft, best):  # type: ignore[no-untyped-def]
    for v in range(len(best)):
        at = first[v]
        for x in range(at + 1, first[v + 1]):
            if hard[x] < hard[at] or (hard[x] == hard[at] and soft[x] < soft[at]):
                at = x
        best[v] = at - first[v]
