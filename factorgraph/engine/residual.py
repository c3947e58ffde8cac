"""Residual priority: the factor whose messages may change most is updated next.

What a factor tells changes by no more than the sum of the changes that its variables have told it
since, which is its priority: no message is worked out in vain.

Reference: Elidan, McGraw and Koller, Residual Belief Propagation (2006); Sutton and McCallum,
Improved dynamic schedules for belief propagation (2007), on upper bounds as priorities.
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.messages import Messages, hear, renew, tell, widest
from factorgraph.factors.soft import INNER
from factorgraph.graph.structure import Energies, Ints, Offsets
from factorgraph.jit import kernel


class Priorities:
    """The factors of a graph by how much their messages may change, the first one on top.

    Parameters
    ----------
    messages : of a graph without factors of kinds.
    """

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        factors = messages.graph.dense
        self.priority: Energies = np.full(factors, np.inf)
        self.heap: Offsets = np.arange(factors, dtype=np.int64)
        self.at: Offsets = np.arange(factors, dtype=np.int64)
        self.owner: Ints = np.repeat(
            np.arange(factors, dtype=np.int32), np.diff(messages.graph.row)
        )

    def advance(self, updates: int, tolerance: float, damping: float) -> float:
        """Update so many factors, fewer if none is above the tolerance; the highest priority."""
        m, g = self.messages, self.messages.graph
        left = _advance(updates, tolerance, self.heap, self.at, self.priority, self.owner, g.start,
                        g.place, g.row, g.scope, g.entry, g.state, g.base, g.tables, m.weight,
                        m.floor, m.share, m.beta, damping, m.most, m.told, m.belief,
                        m.excluded)  # fmt: skip
        m.gather()
        return float(left)


@kernel(**INNER)
def _up(heap, at, priority, i):  # type: ignore[no-untyped-def]
    """Move an entry of the heap up to its place; equal ones by number."""
    f = heap[i]
    while i > 0:
        above = (i - 1) // 2
        g = heap[above]
        if priority[g] > priority[f] or (priority[g] == priority[f] and g < f):
            break
        heap[i], at[g] = g, i
        i = above
    heap[i], at[f] = f, i


@kernel(**INNER)
def _down(heap, at, priority, i):  # type: ignore[no-untyped-def]
    """Move an entry of the heap down to its place."""
    f, n = heap[i], len(heap)
    while 2 * i + 1 < n:
        k = 2 * i + 1
        if k + 1 < n:
            a, b = heap[k], heap[k + 1]
            if priority[b] > priority[a] or (priority[b] == priority[a] and b < a):
                k += 1
        g = heap[k]
        if priority[f] > priority[g] or (priority[f] == priority[g] and f < g):
            break
        heap[i], at[g] = g, i
        i = k
    heap[i], at[f] = f, i


@kernel
def _advance(  # type: ignore[no-untyped-def]
    updates, tolerance, heap, at, priority, owner, start, place, row, scope, entry, state, base,
    table, weight, floor, share, beta, damping, most, told, belief, excluded,
):  # fmt: skip
    width, longest = widest(row, entry, len(base))
    h, g, new = np.empty(width), np.empty(width), np.empty(width)
    low, digit = np.empty(longest), np.empty(longest, np.int64)
    before, moved = np.empty(longest + 1), np.empty(longest)
    for _ in range(updates):
        f = heap[0]
        if priority[f] <= tolerance:
            break
        p, n = row[f], row[f + 1] - row[f]
        hear(p, p + n, scope, entry, state, told, belief, excluded, share, h)
        tell(table, weight, floor[f] if len(floor) else 0.0, base[f], entry, p, n, beta, h, g, low,
             new, digit, before)  # fmt: skip
        change = renew(entry, scope, state, p, n, new, share, damping, most, True, told, belief,
                       excluded, moved)  # fmt: skip
        # What damping has kept back is still to come.
        priority[f] = damping * change if damping > 0.0 else 0.0
        _down(heap, at, priority, 0)
        for i in range(n):
            by = 2.0 * moved[i]  # scaled to a least of 0, an entry moves by twice as much at most
            if by > 0.0:
                v = scope[p + i]
                for k in range(start[v], start[v + 1]):
                    other = owner[place[k]]
                    if other != f and other < len(base):
                        priority[other] += by
                        _up(heap, at, priority, at[other])
    return priority[heap[0]] if len(heap) else 0.0
