"""Least energies over forests of unary and pairwise factors, one small kernel for each step.

Kernels call each other as little as they can: what one calls is compiled again inside of it.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from factorgraph.engine.forest import (
    BASE,
    CHILD,
    CHILD_AT,
    CHILD_CARD,
    CONSTANTS,
    LINKS,
    MESSAGE,
    PARENT,
    PARENT_AT,
    PARENT_CARD,
    ROOTS,
    SLOT,
    UNARIES,
    VARIABLES,
)
from factorgraph.jit import kernel


@kernel
def gather(bounds, state, unary, values, lo, hi, own):  # type: ignore[no-untyped-def]
    """Add the unary factors of the instances to ``own`` [B, S]."""
    s0 = state[bounds[lo, VARIABLES]]
    for b in range(len(values)):
        row, table = own[b], values[b]
        for t in range(bounds[lo, UNARIES], bounds[hi, UNARIES]):
            v, base = unary[t, 0], unary[t, 1]
            goal = row[state[v] - s0 : state[v + 1] - s0]
            for s in range(len(goal)):
                goal[s] += table[uintp(base + s)]


@kernel
def clamp(state, evidence, first, last, own):  # type: ignore[no-untyped-def]
    """Give +inf to the states of the variables ``first .. last - 1`` that evidence excludes."""
    for b in range(len(own)):
        given = evidence[b if len(evidence) > 1 else 0]
        for v in range(first, last):
            if given[v] >= 0:
                for s in range(state[v], state[v + 1]):
                    if s - state[v] != given[v]:
                        own[b, s - state[first]] = np.inf


@kernel(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _send(table, base, n, m, slot, x, said, out):  # type: ignore[no-untyped-def]
    """Write the least of a table plus ``x[said:]`` toward the axis ``slot`` of ``n`` states.

    The other axis has ``m``. Toward axis 1, four rows are read at a time; where their number is
    no multiple of four, the last one repeats. Unsigned places spare the test for negative ones.
    """
    if slot == 0:
        for a in range(n):
            least = np.inf
            for s in range(m):
                least = min(least, table[uintp(base + s)] + x[uintp(said + s)])
            out[a] = least
            base += m
        return
    for s in range(n):
        out[s] = np.inf
    for block in range((m + 3) // 4):
        a = 4 * block
        b, c, d = min(a + 1, m - 1), min(a + 2, m - 1), min(a + 3, m - 1)
        xa, xb, xc, xd = x[said + a], x[said + b], x[said + c], x[said + d]
        a, b, c, d = base + a * n, base + b * n, base + c * n, base + d * n
        for s in range(n):
            e = min(table[uintp(a + s)] + xa, table[uintp(b + s)] + xb)
            f = min(table[uintp(c + s)] + xc, table[uintp(d + s)] + xd)
            out[s] = min(out[s], min(e, f))


@kernel
def ascend(bounds, link, values, lo, hi, s0, up, told, out):  # type: ignore[no-untyped-def]
    """Add messages to the parents in ``up`` [B, S]; keep them in ``told`` if it has a length."""
    m0 = link[bounds[lo, LINKS], MESSAGE]
    for b in range(len(values)):
        row, table = up[b], values[b]
        for back in range(bounds[hi, LINKS] - bounds[lo, LINKS]):
            k = bounds[hi, LINKS] - 1 - back
            n, parent = link[k, PARENT_CARD], link[k, PARENT_AT] - s0
            child = link[k, CHILD_AT] - s0
            _send(table, link[k, BASE], n, link[k, CHILD_CARD], link[k, SLOT], row, child, out)
            for s in range(n):
                row[uintp(parent + s)] += out[s]
            if len(told):
                at = link[k, MESSAGE] - m0
                for s in range(n):
                    told[b, at + s] = out[s]


@kernel
def decode(bounds, state, link, roots, values, lo, hi, up, states):  # type: ignore[no-untyped-def]
    """Write the first states of least energy, given the parents', into ``states`` [B, n]."""
    v0 = bounds[lo, VARIABLES]
    s0 = state[v0]
    r0, k0 = bounds[lo, ROOTS], bounds[lo, LINKS]
    ahead = bounds[hi, ROOTS] - r0
    for b in range(len(values)):
        row, table, answer = up[b], values[b], states[b]
        for t in range(ahead + bounds[hi, LINKS] - k0):
            v, at, step = 0, 0, 0
            if t < ahead:
                v = roots[r0 + t]
            else:
                k = k0 + t - ahead
                v, at, step = link[k, CHILD], link[k, BASE], link[k, PARENT_CARD]
                chosen = answer[link[k, PARENT] - v0]
                if link[k, SLOT] == 1:
                    at += chosen
                else:
                    at += chosen * link[k, CHILD_CARD]
                    step = 1
            least = np.inf
            best = 0
            here = state[v] - s0
            for s in range(state[v + 1] - state[v]):
                e = row[here + s]
                if t >= ahead:
                    e += table[at + s * step]
                if e < least:
                    least, best = e, s
            answer[v - v0] = best


@kernel
def exclude(bounds, link, lo, hi, s0, own, told, ex):  # type: ignore[no-untyped-def]
    """Write ``own`` plus what the siblings of each link told into ``ex`` [B, M].

    Siblings are summed from both sides, never subtracted.
    """
    m0 = link[bounds[lo, LINKS], MESSAGE]
    for b in range(len(own)):
        k = bounds[lo, LINKS]
        while k < bounds[hi, LINKS]:
            at, n = link[k, PARENT_AT] - s0, link[k, PARENT_CARD]
            stop = k
            while stop < bounds[hi, LINKS] and link[stop, PARENT] == link[k, PARENT]:
                stop += 1
            for s in range(n):
                heard = own[b, at + s]
                for c in range(stop - k):
                    e = link[k + c, MESSAGE] - m0 + s
                    ex[b, e] = heard
                    heard += told[b, e]
                heard = 0.0
                for c in range(stop - k):
                    e = link[stop - 1 - c, MESSAGE] - m0 + s
                    ex[b, e] += heard
                    heard += told[b, e]
            k = stop


@kernel
def descend(  # type: ignore[no-untyped-def]
    bounds, state, link, roots, constant, values, lo, hi, own, up, ex, down, heard
):
    """Add to ``up`` [B, S] what is above each variable, so that it holds the min-marginals.

    own are the unary energies, down [B, S] comes as zeros, heard is room for one message; ex is
    what ``exclude`` wrote, or has no length where no variable has several children.
    """
    s0, m0 = state[bounds[lo, VARIABLES]], link[bounds[lo, LINKS], MESSAGE]
    for b in range(len(values)):
        row, table = down[b], values[b]
        for i in range(lo, hi):
            # A root hears the minima of all other components: those before it, those after it.
            total = 0.0
            for t in range(bounds[i, CONSTANTS], bounds[i + 1, CONSTANTS]):
                total += table[constant[t]]
            r0, r1 = bounds[i, ROOTS], bounds[i + 1, ROOTS]
            for t in range(2 * (r1 - r0)):
                if t == r1 - r0:
                    total = 0.0
                v = roots[r0 + t if t < r1 - r0 else 2 * r1 - r0 - 1 - t]
                least = np.inf
                for s in range(state[v] - s0, state[v + 1] - s0):
                    row[s] += total
                    least = min(least, up[b, s])
                total += least
        for k in range(bounds[lo, LINKS], bounds[hi, LINKS]):
            at, n = link[k, PARENT_AT] - s0, link[k, PARENT_CARD]
            child, m = link[k, CHILD_AT] - s0, link[k, CHILD_CARD]
            source, begin = own[b], at
            if len(ex):
                source, begin = ex[b], link[k, MESSAGE] - m0
            for s in range(n):
                heard[s] = source[uintp(begin + s)] + row[uintp(at + s)]
            goal = row[child : child + m]
            _send(table, link[k, BASE], m, n, 1 - link[k, SLOT], heard, 0, goal)
        for s in range(len(row)):
            up[b, s] += row[s]
