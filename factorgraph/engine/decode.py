"""States read off from messages: the least of each belief, and one after the other.

Where several states are equally good, those read off one by one need not go together. Variables are
therefore also visited from neighbour to neighbour, each given the states of those before it, which
is exact on forests whose messages have settled. Ties go to the lowest state.
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.messages import Messages, hear, widest
from factorgraph.graph.structure import Ints
from factorgraph.jit import kernel


def least(messages: Messages) -> Ints:
    """Return the first state of least belief of each variable, int32 [V]."""
    out = np.empty(len(messages.graph.card), np.int32)
    _least(messages.graph.state, messages.belief, messages.excluded, out)
    return out


def in_turn(messages: Messages) -> Ints:
    """Return states chosen from neighbour to neighbour, int32 [V].

    Factors with tables tell what is left given the states before; those of kinds, their messages.
    """
    g, m = messages.graph, messages
    order = breadth_first(messages)
    out = np.full(len(g.card), -1, np.int32)
    owner = np.repeat(np.arange(g.factors, dtype=np.int32), np.diff(g.row))
    _in_turn(order, owner, g.start, g.place, g.row, g.scope, g.entry, g.state, g.base, g.tables,
             g.unary, m.told, m.belief, m.excluded, out)  # fmt: skip
    return out


def breadth_first(messages: Messages) -> Ints:
    """Return all variables, each component from its first one outward."""
    g = messages.graph
    owner = np.repeat(np.arange(g.factors, dtype=np.int32), np.diff(g.row))
    order = np.empty(len(g.card), np.int32)
    _breadth(owner, g.start, g.place, g.row, g.scope, order)
    return order


@kernel
def _least(state, belief, excluded, out):  # type: ignore[no-untyped-def]
    for v in range(len(out)):
        best, at = np.inf, 0
        for s in range(state[v], state[v + 1]):
            if excluded[s] == 0 and belief[s] < best:
                best, at = belief[s], s - state[v]
        out[v] = at


@kernel
def _breadth(owner, start, place, row, scope, order):  # type: ignore[no-untyped-def]
    known, done = np.zeros(len(order), np.bool_), np.zeros(len(row) - 1, np.bool_)
    last = 0
    for root in range(len(order)):
        if known[root]:
            continue
        known[root] = True
        order[last] = root
        first, last = last, last + 1
        while first < last:
            v = order[first]
            first += 1
            for i in range(start[v], start[v + 1]):
                f = owner[place[i]]
                if done[f]:
                    continue
                done[f] = True
                for p in range(row[f], row[f + 1]):
                    if not known[scope[p]]:
                        known[scope[p]] = True
                        order[last] = scope[p]
                        last += 1


@kernel
def _in_turn(  # type: ignore[no-untyped-def]
    order, owner, start, place, row, scope, entry, state, base, table, unary, told, belief,
    excluded, out,
):  # fmt: skip
    width, most = widest(row, entry, len(base))
    h, digit = np.empty(width), np.empty(most, np.int64)
    share = np.empty(0)
    longest = 1
    for v in range(len(out)):
        longest = max(longest, state[v + 1] - state[v])
    total, tells = np.empty(longest), np.empty(longest)
    for v in order:
        states = state[v + 1] - state[v]
        for x in range(states):
            total[x] = unary[state[v] + x]
        for i in range(start[v], start[v + 1]):
            own = place[i]
            f = owner[own]
            p, n = row[f], row[f + 1] - row[f]
            known = False
            for q in range(p, p + n):
                known |= out[scope[q]] >= 0
            if not known or f >= len(base):
                for x in range(states):
                    total[x] += told[entry[own] + x]
                continue
            hear(p, p + n, scope, entry, state, told, belief, excluded, share, h)
            for x in range(states):
                tells[x] = np.inf
            for k in range(n):
                digit[k] = max(out[scope[p + k]], 0)
            axis = 0
            while axis >= 0:
                at = 0
                for k in range(n):
                    at = at * (entry[p + k + 1] - entry[p + k]) + digit[k]
                e = table[base[f] + at]
                for k in range(n):
                    if out[scope[p + k]] < 0 and p + k != own:
                        e += h[entry[p + k] - entry[p] + digit[k]]
                x = digit[own - p]
                tells[x] = min(tells[x], e)
                axis = n - 1
                while axis >= 0:
                    if out[scope[p + axis]] < 0:
                        digit[axis] += 1
                        if digit[axis] < entry[p + axis + 1] - entry[p + axis]:
                            break
                        digit[axis] = 0
                    axis -= 1
            for x in range(states):
                total[x] += tells[x]
        best, at = np.inf, 0
        for x in range(states):
            if total[x] < best:
                best, at = total[x], x
        out[v] = at
