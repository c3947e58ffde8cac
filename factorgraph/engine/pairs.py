"""Flooding min-sum on Potts and truncated distances in single precision, for one count of states.

Messages take O(K) (squares: O(K) for each step below the cap); a message's least entry is 0. Blocks
of messages are worked out side by side. No NaN can arise: messages are finite as long as every
variable has a state left.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy import uintp
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.chains import DENSE, LINEAR, POTTS, SQUARE
from factorgraph.engine.crew import Crew
from factorgraph.engine.incidence import acyclic, invert
from factorgraph.engine.pairwise import Pairwise
from factorgraph.factors.prefetch import prefetch
from factorgraph.graph.structure import Ints, Offsets
from factorgraph.jit import kernel

Singles = NDArray[np.float32]
LANES = 64
"""Messages that are worked out side by side; fewer where states are many."""
ROOM = 2**13
AHEAD = 24
"""Messages and beliefs are asked for so many places before they are read: they lie anywhere."""
LARGEST = 1e15
"""Energies beyond are left to double precision."""


class Pairs:
    """Messages in single precision.

    Parameters
    ----------
    graph : of variables that all have the same count of states, with edges of closed form.
    """

    def __init__(self, graph: Pairwise, crew: Crew) -> None:
        self.graph, self.crew = graph, crew
        self.states = int(graph.card[0])
        edges = graph.edges
        budget.require(self.bytes(len(graph.card), len(edges.ends), self.states), "messages")
        order = np.argsort(edges.kind, kind="stable")
        self.kind = edges.kind[order]
        self.scope = np.ascontiguousarray(edges.ends[order].reshape(-1))
        self.number = edges.number[order].astype(np.float32)
        theta = graph.theta.reshape(-1, self.states)
        self.theta: Singles = (theta - theta.min(axis=1, keepdims=True)).astype(np.float32)
        self.told: Singles = np.zeros((len(edges.ends), 2, self.states), np.float32)
        self.belief: Singles = np.empty_like(self.theta)
        self.start = np.zeros(len(graph.card) + 1, np.int64)
        self.place: Ints = np.empty(len(self.scope), np.int32)
        invert(self.scope, self.start, self.place)
        self.lanes = LANES
        while self.lanes > 8 and self.lanes * self.states > ROOM:
            self.lanes //= 2
        self.gather()

    @staticmethod
    def fits(graph: Pairwise) -> bool:
        """Return whether all edges have a closed form, and energies are neither odd nor vast."""
        edges, theta = graph.edges, graph.theta
        if not len(edges.ends) or (graph.card != graph.card[0]).any():
            return False
        if (edges.kind == 0).any() or not (edges.number >= 0).all():
            return False
        finite = theta[np.isfinite(theta)]
        sizes = (np.abs(finite).max(initial=0.0), edges.number[:, 0].max(initial=0.0))
        return bool(max(sizes) < LARGEST)

    @staticmethod
    def bytes(variables: int, edges: int, states: int) -> int:
        """Return the bytes that messages, beliefs and their layout take."""
        return edges * (8 * states + 8 + 16 + 8) + variables * (8 * states + 8)

    def gather(self) -> None:
        """Work out the beliefs."""
        self.crew.run(
            lambda lo, hi: _gather(self.start, self.place, self.theta.reshape(-1),
                                   self.told.reshape(-1), self.states, lo, hi,
                                   self.belief.reshape(-1)),
            len(self.belief), self.told.size,
        )  # fmt: skip

    def flood(self, damping: float) -> float:
        """Send all messages at once; return the largest change."""
        change = 0.0
        for kind in (POTTS, LINEAR, SQUARE):
            first, last = np.searchsorted(self.kind, (kind, kind + 1)).tolist()
            if first < last:
                change = max(change, self._send(kind, first, last, damping))
        self.gather()
        return change

    def _send(self, kind: int, first: int, last: int, damping: float) -> float:
        told, belief = self.told.reshape(-1), self.belief.reshape(-1)
        changes = self.crew.run(
            lambda lo, hi: _send(kind, self.scope, self.number, told, belief, self.states,
                                 first + lo, first + hi, np.float32(damping), self.lanes),
            last - first, (last - first) * 2 * self.states,
        )  # fmt: skip
        return float(max(changes))

    def least(self) -> Ints:
        """Return the first state of least belief of each variable, int32 [V]."""
        out = np.empty(len(self.belief), np.int32)
        _least(self.belief, out)
        return out

    def in_turn(self) -> Ints:
        """Return states chosen in the order of variables, each given those before it."""
        edges = self.graph.edges
        edges = edges.take(np.argsort(edges.kind, kind="stable"))
        return in_turn(replace(self.graph, edges=edges), self.start, self.place, self.told)


def in_turn(graph: Pairwise, start: Offsets | Ints, place: Ints, told: Singles) -> Ints:
    """Return states chosen in the order of variables, each given those before it.

    Parameters
    ----------
    start, place : the places of each variable; place p is end p & 1 of edge p >> 1.
    told : [E, 2, K], messages to the ends of the graph's edges.
    """
    edges, out = graph.edges, np.full(len(graph.card), -1, np.int32)
    _in_turn(start, place, edges.ends, edges.kind, edges.number, edges.base, graph.values,
             edges.extra, graph.state, graph.theta, told, out)  # fmt: skip
    return out


def loopless(graph: Pairwise) -> bool:
    """Return whether edges make no loop."""
    ends = graph.edges.ends
    if len(ends) >= len(graph.card):
        return False
    row = 2 * np.arange(len(ends) + 1, dtype=np.int64)
    return bool(acyclic(len(graph.card), row, np.ascontiguousarray(ends.reshape(-1))))


@kernel
def _gather(start, place, theta, told, n, lo, hi, belief):  # type: ignore[no-untyped-def]
    for v in range(lo, hi):
        s = uintp(v * n)
        for x in range(n):
            belief[s + uintp(x)] = theta[s + uintp(x)]
        for i in range(start[v], start[v + 1]):
            if i + AHEAD < len(place):
                prefetch(told, np.int64(place[i + AHEAD]) * n)
            at = uintp(np.int64(place[i]) * n)
            for x in range(n):
                belief[s + uintp(x)] += told[at + uintp(x)]


@kernel(fastmath={"nnan", "nsz"})
def _send(  # type: ignore[no-untyped-def]
    kind, scope, number, told, belief, n, lo, hi, damping, lanes
):
    """Send the messages of edges ``lo .. hi - 1``, ``lanes`` of them side by side.

    What comes from place p goes to place p ^ 1, the other end of the edge. Within a block states
    are the slow axis, so that all loops over lanes are vector instructions.
    """
    h, old = np.zeros(n * lanes, np.float32), np.zeros(n * lanes, np.float32)
    new = np.zeros(n * lanes, np.float32)
    least, moved = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    slope, cap = np.zeros(lanes, np.float32), np.zeros(lanes, np.float32)
    for first in range(2 * lo, 2 * hi, lanes):
        count = min(lanes, 2 * hi - first)
        reach = 0
        for i in range(count):
            p = first + i
            if p + AHEAD < len(scope):
                prefetch(belief, np.int64(scope[p + AHEAD]) * n)
            slope[i], cap[i] = number[p >> 1, 0], number[p >> 1, 1]
            b, t = uintp(np.int64(scope[p]) * n), uintp(p * n)
            here, there = uintp(i), uintp(i ^ 1)
            for x in range(n):
                m = told[t + uintp(x)]
                h[uintp(x * lanes) + here] = belief[b + uintp(x)] - m
                old[uintp(x * lanes) + there] = m
            if kind == SQUARE:
                while reach + 1 < n and slope[i] * np.float32((reach + 1) ** 2) < cap[i]:
                    reach += 1
        for i in range(lanes):
            least[i] = h[i]
        for x in range(1, n):
            at = uintp(x * lanes)
            for i in range(lanes):
                least[i] = min(least[i], h[at + uintp(i)])
        if kind == POTTS:
            for x in range(n):
                at = uintp(x * lanes)
                for i in range(lanes):
                    new[at + uintp(i)] = min(h[at + uintp(i)] - least[i], slope[i])
        elif kind == LINEAR:
            for i in range(lanes):
                new[i] = h[i] - least[i]
            for x in range(1, n):
                at, before = uintp(x * lanes), uintp((x - 1) * lanes)
                for i in range(lanes):
                    near = new[before + uintp(i)] + slope[i]
                    new[at + uintp(i)] = min(h[at + uintp(i)] - least[i], near)
            at = uintp((n - 1) * lanes)
            for i in range(lanes):
                new[at + uintp(i)] = min(new[at + uintp(i)], cap[i])
            for x in range(n - 2, -1, -1):
                at, before = uintp(x * lanes), uintp((x + 1) * lanes)
                for i in range(lanes):
                    near = min(new[before + uintp(i)] + slope[i], cap[i])
                    new[at + uintp(i)] = min(new[at + uintp(i)], near)
        else:
            for x in range(n):
                at = uintp(x * lanes)
                for i in range(lanes):
                    new[at + uintp(i)] = min(h[at + uintp(i)] - least[i], cap[i])
                for y in range(max(0, x - reach), min(n, x + reach + 1)):
                    other, rise = uintp(y * lanes), np.float32((x - y) * (x - y))
                    for i in range(lanes):
                        near = h[other + uintp(i)] - least[i] + rise * slope[i]
                        new[at + uintp(i)] = min(new[at + uintp(i)], near)
        for x in range(n):
            at = uintp(x * lanes)
            for i in range(lanes):
                by = old[at + uintp(i)] - new[at + uintp(i)]
                moved[i] = max(moved[i], abs(by))
                new[at + uintp(i)] += damping * by
        for i in range(count):
            t, here = uintp((first + (i ^ 1)) * n), uintp(i)
            for x in range(n):
                told[t + uintp(x)] = new[uintp(x * lanes) + here]
        if count < lanes:  # lanes without an edge say nothing
            for e in range(n * lanes):
                h[e], old[e], new[e] = 0.0, 0.0, 0.0
    return moved.max()


@kernel
def _least(belief, out):  # type: ignore[no-untyped-def]
    for v in range(len(out)):
        best, at = belief[v, 0], 0
        for x in range(1, belief.shape[1]):
            if belief[v, x] < best:
                best, at = belief[v, x], x
        out[v] = at


@kernel
def _in_turn(  # type: ignore[no-untyped-def]
    start, place, ends, kind, number, base, values, extra, state, theta, told, out
):
    total = np.empty(told.shape[2])
    for v in range(len(out)):
        n = state[v + 1] - state[v]
        for x in range(n):
            total[x] = theta[state[v] + x]
        for i in range(start[v], start[v + 1]):
            p = np.int64(place[i])
            e, end = p >> 1, p & 1
            u = ends[e, 1 - end]
            y = out[u]
            if y < 0:
                for x in range(n):
                    total[x] += told[e, end, x]
            elif kind[e] == DENSE:
                at, table = base[e], values
                if at < 0:
                    at, table = -1 - at, extra
                m = state[u + 1] - state[u]
                for x in range(n):
                    total[x] += table[at + (y * n + x if end else x * m + y)]
            elif kind[e] == POTTS:
                for x in range(n):
                    total[x] += 0.0 if x == y else number[e, 0]
            else:
                for x in range(n):
                    gap = np.float64(abs(x - y))
                    rise = gap if kind[e] == LINEAR else gap * gap
                    total[x] += min(number[e, 0] * rise, number[e, 1])
        best, at = np.inf, 0
        for x in range(n):
            if total[x] < best:
                best, at = total[x], x
        out[v] = at
