"""Flooding min-sum on Potts and truncated distances in single precision, for one count of states.

Messages take O(K); a message's least entry is 0. Kernels are made for the count of states at hand
(whose loops are then unrolled) or for any. No NaN can arise: messages are finite as long as every
variable has a state left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.chains import LINEAR, POTTS, SQUARE
from factorgraph.engine.crew import Crew
from factorgraph.engine.incidence import acyclic, invert
from factorgraph.engine.pairwise import Pairwise
from factorgraph.graph.structure import Ints
from factorgraph.jit import kernel

Singles = NDArray[np.float32]
PAD = 8
REACH = 7
"""Steps up to the cap of a truncated distance that are looked at one by one; two passes beyond."""
MADE = 32
"""The most states that a kernel is made for."""
LARGEST = 1e15


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
        self.ends = edges.ends
        self.scope = np.ascontiguousarray(edges.ends.reshape(-1))
        self.number = edges.number.astype(np.float32)
        theta = graph.theta.reshape(-1, self.states)
        self.theta: Singles = (theta - theta.min(axis=1, keepdims=True)).astype(np.float32)
        self.told: Singles = np.zeros((len(edges.ends), 2, self.states), np.float32)
        self.belief: Singles = np.empty_like(self.theta)
        self.start = np.zeros(len(graph.card) + 1, np.int64)
        self.place: Ints = np.empty(len(self.scope), np.int32)
        invert(self.scope, self.start, self.place)
        made = self.states if self.states <= MADE else 0
        self.gathering, self.sending = passes(made, frozenset(np.unique(edges.kind).tolist()))
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

    @property
    def forest(self) -> bool:
        """Whether edges make no loop."""
        return loopless(self.graph)

    def gather(self) -> None:
        """Work out the beliefs."""
        self.crew.run(
            lambda lo, hi: self.gathering(self.start, self.place, self.theta, self.told, lo, hi,
                                          self.belief),
            len(self.belief), self.told.size,
        )  # fmt: skip

    def flood(self, damping: float) -> float:
        """Send all messages at once; return the largest change."""
        change = self.crew.run(
            lambda lo, hi: self.sending(self.ends, self.graph.edges.kind, self.number, self.told,
                                        self.belief, lo, hi, np.float32(damping)),
            len(self.ends), self.told.size,
        )  # fmt: skip
        self.gather()
        return float(max(change))

    def least(self) -> Ints:
        """Return the first state of least belief of each variable, int32 [V]."""
        out = np.empty(len(self.belief), np.int32)
        _least(self.belief, out)
        return out

    def in_turn(self) -> Ints:
        """Return states chosen in the order of variables, each given those before it."""
        out = np.full(len(self.belief), -1, np.int32)
        edges = self.graph.edges
        _in_turn(self.start, self.place, self.scope, edges.kind, edges.number, self.graph.theta,
                 self.told, out)  # fmt: skip
        return out


def loopless(graph: Pairwise) -> bool:
    """Return whether edges make no loop."""
    ends = graph.edges.ends
    if len(ends) >= len(graph.card):
        return False
    row = 2 * np.arange(len(ends) + 1, dtype=np.int64)
    return bool(acyclic(len(graph.card), row, np.ascontiguousarray(ends.reshape(-1))))


@cache
def passes(states: int, kinds: frozenset[int]) -> tuple[Callable[..., None], Callable[..., float]]:
    """Return how beliefs are gathered and messages sent, for so many states or, at 0, for any."""
    K = states
    potts, linear, square = POTTS in kinds, LINEAR in kinds, SQUARE in kinds
    alone, only = len(kinds) == 1, min(kinds)

    @kernel
    def gather(start, place, theta, told, lo, hi, belief):  # type: ignore[no-untyped-def]
        n = K if K > 0 else theta.shape[1]
        total = np.empty(n, np.float32)
        for v in range(lo, hi):
            for x in range(n):
                total[x] = theta[v, x]
            for i in range(start[v], start[v + 1]):
                p = np.int64(place[i])
                for x in range(n):
                    total[x] += told[p >> 1, p & 1, x]
            for x in range(n):
                belief[v, x] = total[x]

    @kernel(fastmath={"nnan", "nsz"})
    def send(ends, kind, number, told, belief, lo, hi, damping):  # type: ignore[no-untyped-def]
        n = K if K > 0 else told.shape[2]
        far = np.float32(np.inf)
        lines = np.full((2, n + 2 * PAD), far, np.float32)
        new = np.empty(n, np.float32)
        change = np.float32(0.0)
        for e in range(lo, hi):
            slope, cap = number[e, 0], number[e, 1]
            what = only if alone else kind[e]
            for side in range(2):
                v = ends[e, side]
                for x in range(n):
                    lines[side, PAD + x] = belief[v, x] - told[e, side, x]
            for side in range(2):
                h = lines[1 - side]
                least = far
                for x in range(n):
                    least = min(least, h[PAD + x])
                if potts and what == POTTS:
                    for x in range(n):
                        new[x] = min(h[PAD + x] - least, slope)
                elif cap <= (REACH + 1) * slope and linear and what == LINEAR:
                    for x in range(n):
                        new[x] = min(h[PAD + x] - least, cap)
                    step, rise = 1, slope
                    while rise < cap:
                        for x in range(n):
                            near = min(h[PAD + x - step], h[PAD + x + step])
                            new[x] = min(new[x], near - least + rise)
                        step += 1
                        rise = np.float32(step) * slope
                elif linear and what == LINEAR:
                    so_far = far
                    for x in range(n):
                        so_far = min(so_far + slope, h[PAD + x] - least)
                        new[x] = so_far
                    so_far = cap
                    for x in range(n - 1, -1, -1):
                        so_far = min(so_far + slope, new[x])
                        new[x] = min(so_far, cap)
                elif square and what == SQUARE:
                    for x in range(n):
                        new[x] = min(h[PAD + x] - least, cap)
                    step, rise = 1, slope
                    while step < n and rise < cap:
                        for x in range(step, n):
                            new[x] = min(new[x], h[PAD + x - step] - least + rise)
                        for x in range(n - step):
                            new[x] = min(new[x], h[PAD + x + step] - least + rise)
                        step += 1
                        rise = np.float32(step * step) * slope
                for x in range(n):
                    old = told[e, side, x]
                    change = max(change, abs(new[x] - old))
                    told[e, side, x] = new[x] + damping * (old - new[x])
        return change

    return gather, send


@kernel
def _least(belief, out):  # type: ignore[no-untyped-def]
    for v in range(len(out)):
        best, at = belief[v, 0], 0
        for x in range(1, belief.shape[1]):
            if belief[v, x] < best:
                best, at = belief[v, x], x
        out[v] = at


@kernel
def _in_turn(start, place, scope, kind, number, theta, told, out):  # type: ignore[no-untyped-def]
    n = told.shape[2]
    total = np.empty(n)
    for v in range(len(out)):
        for x in range(n):
            total[x] = theta[v * n + x]
        for i in range(start[v], start[v + 1]):
            p = np.int64(place[i])
            e = p >> 1
            y = out[scope[p ^ 1]]
            if y < 0:
                for x in range(n):
                    total[x] += told[e, p & 1, x]
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
