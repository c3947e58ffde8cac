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
from factorgraph.engine.unrolled import (
    AHEAD,
    LEAST,
    MOST,
    UNROLLED,
    contract_five,
    contract_four,
    contract_three,
    contract_two,
    multiply_five,
    multiply_four,
    multiply_three,
    multiply_two,
    send_to_five,
    send_to_four,
    send_to_three,
    send_to_two,
)
from factorgraph.factors.prefetch import prefetch
from factorgraph.graph.structure import Energies
from factorgraph.jit import kernel

RANGE = 600.0
"""exp of twice this is no float64; products of two such numbers stay below it."""

MANY = 1 << 15
"""Entries of messages from which on sums over few states are worth machine code of their own."""
BLOCK = 128
"""Factors whose messages are kept beside, to tell by what they change."""


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
        self.few = True if entries >= MANY else None
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
                lambda lo, hi: _gather_products(self.few, g.state, g.start, g.place, g.entry,
                                                self.prior, self.told, lo, hi, self.belief),
                len(g.card), self.told.size,
            )  # fmt: skip
            changes = self.crew.run(
                lambda lo, hi: _send_products(self.few, lo, hi, *self.widest, g.row, g.scope,
                                              g.entry, g.state, g.base, self.weight, self.belief,
                                              measure, self.told),
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
    few, state, start, place, entry, prior, told, lo, hi, belief
):
    """Multiply prior and messages of variables ``lo .. hi - 1``; the largest entry is one."""
    for v in range(lo, hi):
        s, n = uintp(state[v]), state[v + 1] - state[v]
        if few is not None:
            if LEAST <= n <= MOST:
                i, j = start[v], start[v + 1]
                if n == 2:
                    multiply_two(s, i, j, place, entry, prior, told, belief)
                elif n == 3:
                    multiply_three(s, i, j, place, entry, prior, told, belief)
                elif n == 4:
                    multiply_four(s, i, j, place, entry, prior, told, belief)
                elif n == 5:
                    multiply_five(s, i, j, place, entry, prior, told, belief)
                continue
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


@kernel(**UNROLLED)
def _send_block(  # type: ignore[no-untyped-def]
    few, lo, hi, row, scope, entry, state, base, weight, belief, told, g, new, digit, before
):
    """Send the messages of factors ``lo .. hi - 1``.

    Places in arrays are unsigned, which spares the test for negative ones.
    """
    for f in range(lo, hi):
        p, n = row[f], row[f + 1] - row[f]
        first = entry[p]
        if few is not None:
            if n == 2 and LEAST <= entry[p + 2] - entry[p + 1] <= MOST:
                if p + AHEAD + 1 < len(scope):
                    prefetch(belief, state[scope[p + AHEAD]])
                    prefetch(belief, state[scope[p + AHEAD + 1]])
                a, b = entry[p + 1] - first, entry[p + 2] - entry[p + 1]
                at, one, two = uintp(base[f]), uintp(first), uintp(entry[p + 1])
                s, r = uintp(state[scope[p]]), uintp(state[scope[p + 1]])
                if b == 2:
                    send_to_two(weight, at, a, belief, s, r, told, one, two)
                elif b == 3:
                    send_to_three(weight, at, a, belief, s, r, told, one, two)
                elif b == 4:
                    send_to_four(weight, at, a, belief, s, r, told, one, two)
                elif b == 5:
                    send_to_five(weight, at, a, belief, s, r, told, one, two)
                continue
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
            written = False
            if few is not None:
                written = LEAST <= c <= MOST
                if c == 2:
                    contract_two(weight, at, a, b, g, new)
                elif c == 3:
                    contract_three(weight, at, a, b, g, new)
                elif c == 4:
                    contract_four(weight, at, a, b, g, new)
                elif c == 5:
                    contract_five(weight, at, a, b, g, new)
            if not written:
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
            for k in range(entry[q + 1] - entry[q]):
                told[at + uintp(k)] = new[here + uintp(k)] * total


@kernel(**UNROLLED)
def _moved(told, at, past, n):  # type: ignore[no-untyped-def]
    """Return by what an entry of messages changed at most, as a factor above one."""
    high, low = 1.0, 1.0
    for k in range(n):
        ratio = told[at + uintp(k)] / past[k]
        if ratio > high:
            high = ratio
        if ratio < low:
            low = ratio
    return max(high, 1.0 / low)


@kernel
def _send_products(  # type: ignore[no-untyped-def]
    few, lo, hi, width, most, row, scope, entry, state, base, weight, belief, measure, told
):
    """Send the messages of factors ``lo .. hi - 1``; the largest change of their logarithms."""
    g, new = np.empty(width), np.empty(width)
    digit, before = np.empty(most, np.int64), np.empty(most + 1)
    past = np.empty(BLOCK * width)
    change = 1.0
    for first in range(lo, hi, BLOCK):
        last = min(first + BLOCK, hi)
        at = uintp(entry[row[first]])
        n = entry[row[last]] - entry[row[first]]
        if measure:
            for k in range(n):
                past[k] = told[at + uintp(k)]
        _send_block(few, first, last, row, scope, entry, state, base, weight, belief, told,
                    g, new, digit, before)  # fmt: skip
        if measure:
            change = max(change, _moved(told, at, past, n))
    return np.log(change)
