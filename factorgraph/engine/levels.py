"""The configuration that maximises cost times margin, for slack-rescaled losses.

``cost(Y) * (offset - scale * E(Y))`` is no sum of small terms. On forests of pairwise factors with
whole-number costs of single variables, the least energy is found for every total cost, by dynamic
programming over states and totals; of these few candidates the best is taken. Small graphs are
enumerated.

Reference
---------
Tsochantaridis, Joachims, Hofmann and Altun, "Large Margin Methods for Structured and
Interdependent Output Variables" (2005), slack rescaling; section 3.3 on its separation oracle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.choose import choose
from factorgraph.engine.enumerate import LIMIT, Layout, configurations, lay_out
from factorgraph.engine.forest import (
    BASE,
    CHILD,
    CONSTANTS,
    LINKS,
    PARENT,
    ROOTS,
    SLOT,
    UNARIES,
    VARIABLES,
)
from factorgraph.engine.parallel import Parallel
from factorgraph.engine.tree import TreeEngine
from factorgraph.errors import InferenceError
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Group, Ints, Structure
from factorgraph.jit import kernel

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Worst:
    """What maximises cost times margin in each instance.

    Attributes
    ----------
    states : int32 [V].
    cost, energy : float64 [I], of these states.
    """

    states: Ints
    cost: Floats
    energy: Floats


class WorstSearch:
    """Finds, for each instance, what maximises ``(base + cost) * (offset - scale * energy)``.

    Parameters
    ----------
    structure : the energy's factors.
    costs : the cost's factors, over the same variables.
    tables : float64, the tables of the costs.
    base : a constant that is added to the cost.

    Raises
    ------
    InferenceError : E0512, the graph is no forest of pairwise factors with whole-number costs of
        single variables, and too large to enumerate.
    """

    def __init__(
        self, structure: Structure, costs: tuple[Group, ...], tables: Floats, base: float
    ) -> None:
        self.structure, self.tables, self.base = structure, tables, base
        self.costs = Structure(structure.card, structure.instance, costs)
        self.layouts: tuple[Layout, Layout] | None = None
        self.state_cost = self._whole_costs()
        found = None if self.state_cost is None else choose(structure).engine
        self.fold = found if isinstance(found, Parallel) else None
        inner = self.fold.engine if self.fold is not None else found
        if isinstance(inner, TreeEngine) and inner.forest.pairwise:
            self.plan = inner.forest.plan
            return
        if configurations(structure) > LIMIT:
            raise InferenceError(
                "a cost that is multiplied with the energy is searched on chains and trees of "
                "pairwise factors, where it is a sum of whole numbers, one for each unknown, and "
                "on small graphs",
                code="E0512",
                hint="margin scales the energy's gap by the cost as well, and is a sum",
            )
        self.layouts = lay_out(structure), lay_out(self.costs)

    def _whole_costs(self) -> NDArray[np.int64] | None:
        """Return the cost of each state of each variable, None where these do not tell all."""
        offset = self.structure.state_offset
        out = np.zeros(offset[-1])
        for g, group in enumerate(self.costs.groups):
            if len(group.cards) != 1:
                return None
            table = self.costs.table(self.tables, g)[group.table]
            np.add.at(out, offset[group.scope[:, :1]] + np.arange(group.cards[0])[None], table)
        whole = np.round(out)
        return whole.astype(np.int64) if np.isfinite(out).all() and (whole == out).all() else None

    def __call__(self, values: Energies, offset: Floats, scale: float) -> Worst:
        """Return the worst configuration of each instance.

        Parameters
        ----------
        values : float64 [1, T], the tables of the energy.
        offset : float64 [I].
        scale : above 0.
        """
        states = np.zeros(self.structure.variables, np.int32)
        if self.layouts is not None:
            _enumerate(*self.layouts, values[0], self.tables, self.base, offset, scale, states)
        else:
            own = values if self.fold is None else self.fold.values(values)
            assert self.state_cost is not None
            first = (
                np.minimum.reduceat(self.state_cost, self.structure.state_offset[:-1])
                if len(self.state_cost)
                else self.state_cost
            )
            shifted = self.state_cost - np.repeat(first, self.structure.card)
            before = np.concatenate(([0], np.cumsum(first)))
            least = self.base + np.diff(before[self.structure.instance])
            self._budget(shifted)
            _levels(self.plan, own[0], shifted, least, offset, scale, states)
        cost = self.base + energy(self.costs, self.tables[None], states)[0]
        return Worst(states, cost, energy(self.structure, values, states)[0])

    def _budget(self, cost: NDArray[np.int64]) -> None:
        structure = self.structure
        most = np.maximum.reduceat(cost, structure.state_offset[:-1]) if len(cost) else cost
        before = np.concatenate(([0], np.cumsum(most)))
        levels = np.diff(before[structure.instance]) + 1
        states = np.diff(structure.state_offset[structure.instance])
        budget.require(24 * int((levels * states).max(initial=0)), "a table of costs")


@kernel
def _levels(plan, values, cost, base, offset, scale, states):  # type: ignore[no-untyped-def]
    """Fill ``states`` with the best of the least energies for each total cost."""
    for i in range(len(plan.bounds) - 1):
        v0, v1 = plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]
        f0, f1 = plan.bounds[i, LINKS], plan.bounds[i + 1, LINKS]
        r0, r1 = plan.bounds[i, ROOTS], plan.bounds[i + 1, ROOTS]
        s0 = plan.state[v0]
        size = plan.state[v1] - s0
        own = np.zeros(size)
        for u in range(plan.bounds[i, UNARIES], plan.bounds[i + 1, UNARIES]):
            v = plan.unary[u, 0]
            for s in range(plan.state[v + 1] - plan.state[v]):
                own[plan.state[v] - s0 + s] += values[plan.unary[u, 1] + s]
        constant = 0.0
        for c in range(plan.bounds[i, CONSTANTS], plan.bounds[i + 1, CONSTANTS]):
            constant += values[plan.constant[c]]
        top = np.zeros(v1 - v0, np.int64)
        levels = 1
        most = 1
        for v in range(v0, v1):
            for s in range(plan.state[v], plan.state[v + 1]):
                top[v - v0] = max(top[v - v0], cost[s])
            levels += top[v - v0]
            most = max(most, plan.state[v + 1] - plan.state[v])
        belief = np.full((size, levels), np.inf)
        for s in range(size):
            belief[s, cost[s0 + s]] = own[s]
        sent = np.empty((most, levels))
        joined = np.empty(levels)
        # the child's state for each state and total of the parent's side, and the child's share
        below = np.zeros((f1 - f0, most, levels), np.int32)
        share = np.zeros((f1 - f0, most, levels), np.int32)
        for f in range(f1 - 1, f0 - 1, -1):
            p, c = plan.link[f, PARENT], plan.link[f, CHILD]
            ps, cs = plan.state[p] - s0, plan.state[c] - s0
            pk, ck = plan.state[p + 1] - plan.state[p], plan.state[c + 1] - plan.state[c]
            at = plan.link[f, BASE]
            above, under = top[p - v0], top[c - v0]
            for a in range(pk):
                for k in range(under + 1):
                    best, state = np.inf, 0
                    for b in range(ck):
                        entry = a * ck + b if plan.link[f, SLOT] == 0 else b * pk + a
                        e = belief[cs + b, k] + values[at + entry]
                        if e < best:
                            best, state = e, b
                    sent[a, k] = best
                    below[f - f0, a, k] = state
            for a in range(pk):
                for k in range(above + under + 1):
                    best, part = np.inf, 0
                    for b in range(max(0, k - above), min(k, under) + 1):
                        e = belief[ps + a, k - b] + sent[a, b]
                        if e < best:
                            best, part = e, b
                    joined[k] = best
                    share[f - f0, a, k] = part
                belief[ps + a, : above + under + 1] = joined[: above + under + 1]
            top[p - v0] += under
        # the roots, one after another
        total = np.full(levels, np.inf)
        total[0] = constant
        reached = 0
        root_state = np.zeros((r1 - r0, levels), np.int32)
        root_share = np.zeros((r1 - r0, levels), np.int32)
        for r in range(r1 - r0):
            v = plan.roots[r0 + r]
            s, k_most = plan.state[v] - s0, top[v - v0]
            for k in range(k_most + 1):
                best, state = np.inf, 0
                for a in range(plan.state[v + 1] - plan.state[v]):
                    if belief[s + a, k] < best:
                        best, state = belief[s + a, k], a
                sent[0, k] = best
                root_state[r, k] = state
            for k in range(reached + k_most + 1):
                best, part = np.inf, 0
                for b in range(max(0, k - reached), min(k, k_most) + 1):
                    if total[k - b] + sent[0, b] < best:
                        best, part = total[k - b] + sent[0, b], b
                joined[k] = best
                root_share[r, k] = part
            reached += k_most
            total[: reached + 1] = joined[: reached + 1]
        chosen, goal = 0, -np.inf
        for k in range(levels):
            if total[k] < np.inf:
                product = (base[i] + k) * (offset[i] - scale * total[k])
                if product > goal:
                    chosen, goal = k, product
        for r in range(r1 - r0 - 1, -1, -1):
            part = root_share[r, chosen]
            v = plan.roots[r0 + r]
            states[v] = root_state[r, part]
            top[v - v0] = part
            chosen -= part
        for f in range(f0, f1):
            p, c = plan.link[f, PARENT], plan.link[f, CHILD]
            part = share[f - f0, states[p], top[p - v0]]
            states[c] = below[f - f0, states[p], part]
            top[p - v0] -= part
            top[c - v0] = part


@kernel
def _enumerate(energies, costs, values, tables, base, offset, scale, states):  # type: ignore[no-untyped-def]
    """Walk all configurations depth first; fill ``states`` with the first of the best."""
    most = 0
    for i in range(len(energies.first) - 1):
        most = max(most, energies.first[i + 1] - energies.first[i])
    chosen = np.empty(most, np.int64)
    low, cost = np.empty(most + 1), np.empty(most + 1)
    for i in range(len(energies.first) - 1):
        first, last = energies.first[i], energies.first[i + 1]
        low[0], cost[0] = 0.0, base
        for t in range(energies.constant_rows[i], energies.constant_rows[i + 1]):
            low[0] += values[energies.constant[t]]
        for t in range(costs.constant_rows[i], costs.constant_rows[i + 1]):
            cost[0] += tables[costs.constant[t]]
        goal = -np.inf
        d = 0
        if last > first:
            chosen[0] = -1
        while d >= 0:
            if d == last - first:
                if low[d] < np.inf and cost[d] * (offset[i] - scale * low[d]) > goal:
                    goal = cost[d] * (offset[i] - scale * low[d])
                    for e in range(last - first):
                        states[first + e] = chosen[e]
                d -= 1
                continue
            v = first + d
            chosen[d] += 1
            if chosen[d] >= energies.state[v + 1] - energies.state[v]:
                d -= 1
                continue
            low[d + 1], cost[d + 1] = low[d], cost[d]
            for f in range(energies.closed[v], energies.closed[v + 1]):
                low[d + 1] += values[_at(energies, f, first, chosen)]
            for f in range(costs.closed[v], costs.closed[v + 1]):
                cost[d + 1] += tables[_at(costs, f, first, chosen)]
            if low[d + 1] < np.inf:
                d += 1
                if d < last - first:
                    chosen[d] = -1


@kernel
def _at(layout, f, first, chosen):  # type: ignore[no-untyped-def]
    """Return where factor ``f`` reads the values."""
    entry = np.int64(0)
    for e in range(layout.factor[f, 0], layout.factor[f, 1]):
        v = layout.scope[e]
        entry = entry * (layout.state[v + 1] - layout.state[v]) + chosen[v - first]
    return layout.factor[f, 2] + entry
