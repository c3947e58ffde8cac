"""Tree-reweighted sum-product: an upper bound on the log-partition, from any messages.

Forests of factors are drawn so that each factor is in some of them; its *share* is in how many. For
any messages m, with B_i the belief of variable i, the energy is the mean over the forests of
sum_i B_i + sum_{a in forest} [E_a / share_a - sum_i m_{a->i}], whatever the messages are; as the
log-partition is convex in the energies, the mean of those of the forests, which are worked out
exactly, is above it. Messages that have settled make it the least.

Reference: Wainwright, Jaakkola and Willsky, A new class of upper bounds on the log partition
function (2005).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.incidence import Incidence
from factorgraph.engine.messages import Messages, hear, tell, widest
from factorgraph.engine.watch import Watch
from factorgraph.errors import some
from factorgraph.factors.soft import softer
from factorgraph.graph.structure import Energies
from factorgraph.jit import kernel

ROUNDING = 1e-14
"""The bound is raised by this share of all energies that were added up."""
EVEN = 4
"""Forests are drawn until each factor is in one, and so many times as many then."""


@dataclass(frozen=True)
class Forests:
    """Forests of factors.

    Attributes
    ----------
    member : bool [n, F], which factors are in which.
    """

    member: NDArray[np.bool_]

    @property
    def share(self) -> Energies:
        """float64 [F], the share of the forests that each factor is in."""
        return np.asarray(self.member.mean(axis=0), np.float64)


def forests(graph: Incidence, count: int, seed: int, watch: Watch | None = None) -> Forests:
    """Draw forests, each of as few factors drawn before as possible, spanning what it can.

    Parameters
    ----------
    count : how many; 0 for as many as make the shares even. More where a factor would be in none.
    watch : where a third of what it leaves is over, no more are drawn than are needed: each takes
        as long again for the bound.

    Raises
    ------
    BudgetError : their members would not fit into the memory budget.
    """
    random = np.random.default_rng(seed)
    if graph.forest:
        return Forests(np.ones((1, graph.factors), bool))
    times = np.zeros(graph.factors, np.int64)
    out: list[NDArray[np.bool_]] = []
    enough = max(count, 1)
    budget.require(2 * enough * graph.factors, f"{some(enough, 'forest')} of factors")
    limit = None if watch is None else watch.limit
    until = np.inf if watch is None or limit is None else (2 * watch.seconds + limit) / 3
    while len(out) < enough or not times.all():
        if watch is not None and times.all() and (watch.over or watch.seconds > until):
            break
        budget.require(2 * (len(out) + 1) * graph.factors, "forests of factors")
        order = np.lexsort((random.random(graph.factors), times))
        member = np.zeros(graph.factors, bool)
        _span(order, graph.row, graph.scope, len(graph.card), member)
        times += member
        out.append(member)
        if not count and times.all() and enough == 1:
            enough = EVEN * len(out)
    return Forests(np.stack(out))


def reweighted(graph: Incidence, share: Energies) -> Incidence:
    """Return a graph whose factors have tables of their own, divided by their shares."""
    size = _sizes(graph)
    base = np.concatenate(([0], np.cumsum(size)))
    budget.require(16 * int(base[-1]), "reweighted tables")
    tables = np.empty(int(base[-1]))
    _divide(graph.base, base, graph.tables, share, tables)
    return replace(graph, base=base[:-1], tables=tables)


def upper_bound(messages: Messages, drawn: Forests) -> float:
    """Return a number that log Z is not above, whatever the messages.

    Parameters
    ----------
    messages : of the reweighted graph, with the shares of ``drawn``.
    """
    m, g = messages, messages.graph
    owner = np.repeat(np.arange(g.factors, dtype=np.int32), np.diff(g.row))
    total = 0.0
    for member in drawn.member:
        up, excluded = m.belief.copy(), m.excluded.copy()
        total += float(
            _inward(member, owner, g.start, g.place, g.row, g.scope, g.entry, g.state, g.base,
                    g.tables, m.weight, m.floor, m.share, m.beta, m.told, up, excluded)
        ) / len(drawn.member)  # fmt: skip
    sizes = np.abs(m.belief).sum() + np.abs(m.told[m.told < np.inf]).sum() + abs(g.constant)
    return float(-m.beta * (total + g.constant) + ROUNDING * (1.0 + m.beta * sizes))


def _sizes(graph: Incidence) -> NDArray[np.int64]:
    """Return the entries of each factor's table, int64 [F]."""
    out = np.ones(graph.factors, np.int64)
    np.multiply.at(out, np.repeat(np.arange(graph.factors), np.diff(graph.row)),
                   np.diff(graph.entry))  # fmt: skip
    return out


@kernel
def _divide(old, new, tables, share, out):  # type: ignore[no-untyped-def]
    for f in range(len(old)):
        for t in range(new[f + 1] - new[f]):
            out[new[f] + t] = tables[old[f] + t] / share[f]


@kernel
def _span(order, row, scope, variables, member):  # type: ignore[no-untyped-def]
    """Take factors in order that join no variables that are joined already."""
    parent = np.arange(variables)
    for f in order:
        ok = True
        for p in range(row[f], row[f + 1]):
            v = scope[p]
            while parent[v] != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            for q in range(row[f], p):
                w = scope[q]
                while parent[w] != w:
                    w = parent[w]
                ok &= w != v
        if ok:
            member[f] = True
            root = scope[row[f]]
            while parent[root] != root:
                root = parent[root]
            for p in range(row[f] + 1, row[f + 1]):
                v = scope[p]
                while parent[v] != v:
                    v = parent[v]
                parent[v] = root


@kernel
def _inward(  # type: ignore[no-untyped-def]
    member, owner, start, place, row, scope, entry, state, base, table, weight, floor, share, beta,
    told, up, excluded,
):  # fmt: skip
    """Return the soft minimum of a forest's energy; ``up`` comes as the beliefs."""
    variables = len(state) - 1
    order, toward = np.empty(len(base), np.int64), np.empty(len(base), np.int64)
    queue, known = np.empty(variables, np.int64), np.zeros(variables, np.bool_)
    done, root = np.zeros(len(base), np.bool_), np.zeros(variables, np.bool_)
    count, last = 0, 0
    for r in range(variables):
        if known[r]:
            continue
        known[r] = root[r] = True
        queue[last] = r
        first, last = last, last + 1
        while first < last:
            v = queue[first]
            first += 1
            for i in range(start[v], start[v + 1]):
                f = owner[place[i]]
                if done[f] or not member[f]:
                    continue
                done[f] = True
                order[count], toward[count] = f, place[i]
                count += 1
                for p in range(row[f], row[f + 1]):
                    if not known[scope[p]]:
                        known[scope[p]] = True
                        queue[last] = scope[p]
                        last += 1
    width, most = widest(row, entry, len(base))
    h, g, new = np.empty(width), np.empty(width), np.empty(width)
    low, digit, before = np.empty(most), np.empty(most, np.int64), np.empty(most + 1)
    for i in range(count - 1, -1, -1):
        f, own = order[i], toward[i]
        p, n = row[f], row[f + 1] - row[f]
        hear(p, p + n, scope, entry, state, told, up, excluded, share, h)
        tell(table, weight, floor[f], base[f], entry, p, n, beta, h, g, low, new, digit, before)
        s = state[scope[own]] - entry[own]
        for e in range(entry[own], entry[own + 1]):
            if new[e - entry[p]] < np.inf and told[e] < np.inf:
                up[s + e] += new[e - entry[p]] - told[e]
            else:
                excluded[s + e] += 1
    total = 0.0
    for v in range(variables):
        if root[v]:
            soft = np.inf
            for s in range(state[v], state[v + 1]):
                if excluded[s] == 0:
                    soft = softer(soft, up[s], beta)
            total += soft
    return total
