"""Sum-product by products: messages as probabilities, tables exponentiated once, no logarithm.

Every message is scaled to sum to one. Where the energies' ranges, summed over what touches a
variable, let no product leave the range of a float64, and no factor excludes a configuration, this
is as exact as sums of exponentials; other graphs take `messages`. Graphs of binary variables and
pairs keep one number a message, the ratio of its two entries, and take one division for each.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from factorgraph import budget
from factorgraph.engine.crew import Crew
from factorgraph.engine.incidence import Incidence
from factorgraph.engine.messages import contract
from factorgraph.factors.prefetch import prefetch
from factorgraph.graph.structure import Energies
from factorgraph.jit import kernel

RANGE = 600.0
"""exp of twice this is no float64; products of two such numbers stay below it."""

AHEAD = 24
"""Messages and beliefs are asked for so many places before they are read: they lie anywhere."""


def within_range(graph: Incidence, beta: float) -> bool:
    """Return whether products of exponentials stay within the range of a float64."""
    if graph.parts or not graph.dense:
        return False
    budget.require(8 * len(graph.card), "ranges of energies")
    span = np.zeros(len(graph.card))
    _spans(graph.row, graph.scope, graph.entry, graph.base, graph.tables, graph.state,
           graph.unary, span)  # fmt: skip
    others = int(np.diff(graph.row).max()) - 1
    return bool(beta * span.max() * max(1, others) <= RANGE)


class Products:
    """Messages in the domain of probabilities.

    Parameters
    ----------
    graph : a layout `within_range`, no variable of which is without a state.
    """

    def __init__(self, graph: Incidence, beta: float, crew: Crew) -> None:
        self.graph, self.beta, self.crew = graph, beta, crew
        self.binary = bool((graph.card == 2).all() and (np.diff(graph.row) == 2).all())
        entries = graph.size // 2 if self.binary else graph.size
        budget.require(8 * (entries + 2 * len(graph.unary) + len(graph.tables)), "messages")
        floor = np.zeros(len(graph.card))
        self.weight = np.empty(len(graph.tables))
        _weights(graph.base, graph.row, graph.entry, graph.tables, beta, self.weight)
        if self.binary:
            energies = graph.unary.reshape(-1, 2)
            with np.errstate(over="ignore"):
                self.prior = np.exp(-beta * (energies[:, 1] - energies[:, 0]))
            self.told = np.ones(entries)
        else:
            _floors(graph.state, graph.unary, floor)
            self.prior = np.exp(-beta * (graph.unary - np.repeat(floor, graph.card)))
            states = graph.card[graph.scope]
            self.told = 1.0 / np.repeat(states, states)
        self.belief = np.empty(len(self.prior))
        width = graph.entry[graph.row[1:]] - graph.entry[graph.row[:-1]]
        self.widest = (int(width.max()), int(np.diff(graph.row).max()))

    def flood(self, measure: bool) -> float:
        """Send all messages at once; return the largest change in energies, 0 if not measured."""
        g = self.graph
        if self.binary:
            self.crew.run(
                lambda lo, hi: _gather_ratios(g.start, g.place, self.prior, self.told, lo, hi,
                                              self.belief),
                len(g.card), self.told.size * 2,
            )  # fmt: skip
            changes = self.crew.run(
                lambda lo, hi: _send_ratios(lo, hi, g.scope, g.base, self.weight, self.belief,
                                            measure, self.told),
                g.dense, self.told.size * 2,
            )  # fmt: skip
        else:
            self.crew.run(
                lambda lo, hi: _gather_products(g.state, g.start, g.place, g.entry, self.prior,
                                                self.told, lo, hi, self.belief),
                len(g.card), self.told.size,
            )  # fmt: skip
            changes = self.crew.run(
                lambda lo, hi: _send_products(lo, hi, *self.widest, g.row, g.scope, g.entry,
                                              g.state, g.base, self.weight, self.belief, measure,
                                              self.told),
                g.dense, self.told.size,
            )  # fmt: skip
        return float(max(changes)) / self.beta

    def energies(self) -> Energies:
        """Return the messages in energies, as `messages` keeps them."""
        if self.binary:
            out = np.zeros((len(self.told), 2))
            out[:, 1] = -np.log(self.told) / self.beta
            out -= out.min(axis=1, keepdims=True)
            return out.reshape(-1)
        energies = -np.log(self.told) / self.beta
        floor = np.minimum.reduceat(energies, self.graph.entry[:-1])
        energies -= np.repeat(floor, np.diff(self.graph.entry))
        return energies


@kernel
def _spans(row, scope, entry, base, tables, state, unary, span):  # type: ignore[no-untyped-def]
    """Add up, for each variable, how far apart energies that touch it can be; +inf if excluded.

    States of a variable that its unary energies exclude do not count.
    """
    for v in range(len(span)):
        low, high = np.inf, -np.inf
        for s in range(state[v], state[v + 1]):
            if unary[s] < np.inf:
                low, high = min(low, unary[s]), max(high, unary[s])
        span[v] = max(high - low, 0.0)
    for f in range(len(base)):
        size = 1
        most = 1
        for p in range(row[f], row[f + 1]):
            size *= entry[p + 1] - entry[p]
            most = max(most, entry[p + 1] - entry[p])
        low, high = np.inf, -np.inf
        for t in range(base[f], base[f] + size):
            low, high = min(low, tables[t]), max(high, tables[t])
        wide = high - low if high < np.inf else np.inf
        for p in range(row[f], row[f + 1]):
            span[scope[p]] += wide + np.log(most)


@kernel
def _floors(state, unary, floor):  # type: ignore[no-untyped-def]
    for v in range(len(floor)):
        floor[v] = np.inf
        for s in range(state[v], state[v + 1]):
            floor[v] = min(floor[v], unary[s])


@kernel
def _weights(base, row, entry, tables, beta, weight):  # type: ignore[no-untyped-def]
    """Write exp(-beta times table), less the least energy of each."""
    done = np.zeros(len(tables), np.bool_)
    for f in range(len(base)):
        first, size = base[f], 1
        if done[first]:
            continue
        done[first] = True
        for p in range(row[f], row[f + 1]):
            size *= entry[p + 1] - entry[p]
        least = np.inf
        for t in range(first, first + size):
            least = min(least, tables[t])
        for t in range(first, first + size):
            weight[t] = np.exp(-beta * (tables[t] - least))


@kernel
def _gather_ratios(start, place, prior, told, lo, hi, belief):  # type: ignore[no-untyped-def]
    for v in range(lo, hi):
        ratio = prior[v]
        for i in range(start[v], start[v + 1]):
            ratio *= told[place[i]]
        belief[v] = ratio


@kernel(fastmath={"contract"})
def _send_ratios(lo, hi, scope, base, weight, belief, measure, told):  # type: ignore[no-untyped-def]
    """Send the ratios of pairs of binary variables; return the largest change of their logarithms.

    A ratio of what a variable tells is its belief over what it was told; the latter goes into
    numerator and denominator, so that one division is left.
    """
    change = 0.0
    for f in range(lo, hi):
        t = base[f]
        w00, w01, w10, w11 = weight[t], weight[t + 1], weight[t + 2], weight[t + 3]
        x, y = told[2 * f], told[2 * f + 1]
        a, b = belief[scope[2 * f]], belief[scope[2 * f + 1]]
        if a == np.inf:  # only state 1 is left
            x, a = 0.0, 1.0
        if b == np.inf:
            y, b = 0.0, 1.0
        to_x = (w10 * y + w11 * b) / (w00 * y + w01 * b)
        to_y = (w01 * x + w11 * a) / (w00 * x + w10 * a)
        if measure:
            for new, old in ((to_x, told[2 * f]), (to_y, told[2 * f + 1])):
                change = max(change, abs(new - old) / min(new, old))
        told[2 * f], told[2 * f + 1] = to_x, to_y
    return np.log1p(change)


@kernel
def _gather_products(  # type: ignore[no-untyped-def]
    state, start, place, entry, prior, told, lo, hi, belief
):
    """Multiply prior and messages of variables ``lo .. hi - 1``; the largest entry is one."""
    for v in range(lo, hi):
        s, n = uintp(state[v]), state[v + 1] - state[v]
        for k in range(n):
            belief[s + uintp(k)] = prior[s + uintp(k)]
        for i in range(start[v], start[v + 1]):
            if i + AHEAD < len(place):
                prefetch(told, entry[place[i + AHEAD]])
            at = uintp(entry[place[i]])
            for k in range(n):
                belief[s + uintp(k)] *= told[at + uintp(k)]
        most = 0.0
        for k in range(n):
            most = max(most, belief[s + uintp(k)])
        most = 1.0 / most
        for k in range(n):
            belief[s + uintp(k)] *= most


@kernel(fastmath={"reassoc", "contract"})
def _send_products(  # type: ignore[no-untyped-def]
    lo, hi, width, most, row, scope, entry, state, base, weight, belief, measure, told
):
    """Send the messages of factors ``lo .. hi - 1``; the largest change of their logarithms.

    Places in arrays are unsigned, which spares the test for negative ones.
    """
    g, new = np.empty(width), np.empty(width)
    digit, before = np.empty(most, np.int64), np.empty(most + 1)
    change = 0.0
    for f in range(lo, hi):
        p, n = row[f], row[f + 1] - row[f]
        first = entry[p]
        for q in range(p, p + n):
            if q + AHEAD < len(scope):
                prefetch(belief, state[scope[q + AHEAD]])
            s = uintp(state[scope[q]])
            at, here = uintp(entry[q]), uintp(entry[q] - first)
            for k in range(entry[q + 1] - entry[q]):
                g[here + uintp(k)] = belief[s + uintp(k)] / told[at + uintp(k)]
        if n == 2:
            a, b = entry[p + 1] - first, entry[p + 2] - entry[p + 1]
            at = uintp(base[f])
            for z in range(b):
                new[uintp(a + z)] = 0.0
            for x in range(a):
                gx, total = g[x], 0.0
                for z in range(b):
                    w = weight[at + uintp(z)]
                    total += w * g[uintp(a + z)]
                    new[uintp(a + z)] += w * gx
                new[x] = total
                at += uintp(b)
        elif n == 3:
            a, b = entry[p + 1] - first, entry[p + 2] - entry[p + 1]
            c = entry[p + 3] - entry[p + 2]
            at = uintp(base[f])
            for z in range(b + c):
                new[uintp(a + z)] = 0.0
            for x in range(a):
                gx, sums = g[x], 0.0
                for y in range(b):
                    gy, total = g[uintp(a + y)], 0.0
                    gxy = gx * gy
                    for z in range(c):
                        w = weight[at + uintp(z)]
                        total += w * g[uintp(a + b + z)]
                        new[uintp(a + b + z)] += w * gxy
                    new[uintp(a + y)] += gx * total
                    sums += gy * total
                    at += uintp(c)
                new[x] = sums
        else:
            contract(weight, base[f], entry, p, n, g, new, digit, before)
        for q in range(p, p + n):
            total = 0.0
            at, here = uintp(entry[q]), uintp(entry[q] - first)
            for k in range(entry[q + 1] - entry[q]):
                total += new[here + uintp(k)]
            total = 1.0 / total
            if measure:  # both scaled to a largest entry of one, a least energy of 0
                most_new, most_old = 0.0, 0.0
                for k in range(entry[q + 1] - entry[q]):
                    most_new = max(most_new, new[here + uintp(k)])
                    most_old = max(most_old, told[at + uintp(k)])
                for k in range(entry[q + 1] - entry[q]):
                    now = new[here + uintp(k)] / most_new
                    then = told[at + uintp(k)] / most_old
                    change = max(change, abs(now - then) / min(now, then))
            for k in range(entry[q + 1] - entry[q]):
                told[at + uintp(k)] = new[here + uintp(k)] * total
    return np.log1p(change)
