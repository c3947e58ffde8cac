"""Passes of sequential tree-reweighted message passing, made for the labels and kinds at hand.

A pass visits variables in order and sends messages to those that come later in it. An edge keeps
one message: the one that was sent last, along the pass or against it. What a pass adds up is the
least energy of a set of chains that the graph is dealt into, whatever the messages were before.

Reference: Kolmogorov, Convergent Tree-reweighted Message Passing for Energy Minimization (2006).
Distances: Felzenszwalb and Huttenlocher, Distance transforms of sampled functions (2012).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from factorgraph.engine.turns import APART, claim, publish, published, rest
from factorgraph.jit import kernel

DENSE, POTTS, LINEAR, SQUARE = 0, 1, 2, 3
EVERY = frozenset({DENSE, POTTS, LINEAR, SQUARE})
"""Kinds of edges. Numbers of Potts: what differing costs more than being equal. Of the truncated
ones: slope and cap."""

REACH = 6
"""Steps of a truncated linear energy up to its cap that are looked at one by one."""
PAD = 8
ROWS = 5
PATIENT = 1000
"""Times that a thread asks whether another one is so far, before it lets it have the processor."""


def room(most: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return what one pass works in, for variables of at most so many states."""
    return np.full((ROWS, most + 2 * PAD), np.inf), np.zeros(most + 1, np.int64)


@cache
def passes(states: int, kinds: frozenset[int], hard: bool) -> Callable[..., None]:
    """Return the pass for graphs whose variables all have ``states`` states, or 0 for any.

    Parameters
    ----------
    kinds : of the edges that there are.
    hard : whether a table has entries of +inf; no state is then without support (see
        `pairwise`), and a message at a state that is excluded is of no account.
    """
    K = states
    dense, potts, linear = DENSE in kinds, POTTS in kinds, LINEAR in kinds
    square = SQUARE in kinds
    alone = len(kinds) == 1
    only = min(kinds, default=DENSE)

    @kernel
    def visit(  # type: ignore[no-untyped-def]
        back, weigh, decode,
        piles, pile, line, stretch, wait, before, need, ticket, done,
        order, state, theta, start, middle, edge, other, axis,
        kind, number, base, values, extra, slot, messages,
        chosen, rows, hull, found,
    ):  # fmt: skip
        """Visit the places of the order, in turn or backward, together with other threads.

        piles : int64 [3], the order in which this thread takes from the piles.
        pile, line, stretch : of `lines`.
        wait, before, need : what each stretch waits for.
        ticket, done : how many lines of each pile are taken, and how many stretches of each line
            are done.
        weigh : whether messages are those of TRW-S, else of sequential belief propagation.
        decode : whether states are chosen on the way, each given those before it.
        edge, other, axis : of each place's edges, those to earlier places up to ``middle``; the
            variable at the other end, and the axis of this one in the edge's table.
        found : [L, 3], bound, energy, sum of absolute terms of each line, added to.
        """
        T, h, z, f = rows[0], rows[1], rows[2], rows[3]
        for mine in piles:
            first_line, last_line = pile[mine], pile[mine + 1]
            while True:
                taken = claim(ticket, mine * APART)
                if taken >= last_line - first_line:
                    break
                own = last_line - 1 - taken if back else first_line + taken
                count = line[own + 1] - line[own]
                for so_far in range(count):
                    part = line[own + 1] - 1 - so_far if back else line[own] + so_far
                    for w in range(wait[part], wait[part + 1]):
                        asked = 0
                        while published(done, before[w] * APART) < need[w]:
                            asked += 1
                            if asked > PATIENT:
                                rest()
                    first, last = stretch[part], stretch[part + 1]
                    bound, energy, mass = 0.0, 0.0, 0.0
                    for place in range(first, last):
                        p = first + last - 1 - place if back else place
                        i = order[p]
                        n = K if K > 0 else np.int64(state[i + 1] - state[i])
                        at = np.int64(i) * n if K > 0 else state[i]
                        a, b, c = start[p], start[p + 1], middle[p]
                        for x in range(n):
                            T[x] = theta[at + x]
                        for q in range(a, b):
                            s = np.int64(edge[q]) * n if K > 0 else slot[edge[q]]
                            for x in range(n):
                                T[x] += messages[s + x]
                        if decode:
                            # Those visited before tell their states, the others their messages.
                            q0, q1 = (c, b) if back else (a, c)
                            r0, r1 = (a, c) if back else (c, b)
                            for x in range(n):
                                h[x] = theta[at + x]
                            for q in range(q0, q1):
                                e, y = np.int64(edge[q]), chosen[other[q]]
                                what = only if alone else kind[e]
                                if potts and what == POTTS:
                                    gain = number[0, e]
                                    for x in range(n):
                                        h[x] += gain
                                    if y < n:
                                        h[y] -= gain
                                elif (linear and what == LINEAR) or (square and what == SQUARE):
                                    slope, cap = number[0, e], number[1, e]
                                    for x in range(n):
                                        d = np.float64(x - y)
                                        v = slope * (d * d if what == SQUARE else abs(d))
                                        h[x] += v if v < cap else cap
                                elif dense:
                                    step: Any = np.int64(1)
                                    here = base[e]
                                    table = values
                                    if here < 0:
                                        here, table = -1 - here, extra
                                    m = (
                                        n
                                        if K > 0
                                        else np.int64(state[other[q] + 1] - state[other[q]])
                                    )
                                    if axis[q] == 0:
                                        here, step = here + y, m
                                    else:
                                        here += y * n
                                    for x in range(n):
                                        h[x] += table[here + x * step]
                            for x in range(n):
                                z[x] = h[x]
                            for q in range(r0, r1):
                                s = np.int64(edge[q]) * n if K > 0 else slot[edge[q]]
                                for x in range(n):
                                    z[x] += messages[s + x]
                            least = z[0]
                            for x in range(1, n):
                                least = z[x] if z[x] < least else least
                            best: Any = np.int64(0)
                            for x in range(n - 1, -1, -1):
                                best = x if z[x] == least else best
                            chosen[i] = best
                            energy += h[best]
                        q0, q1 = (a, c) if back else (c, b)
                        ahead, behind = q1 - q0, (b - a) - (q1 - q0)
                        weight = 1.0
                        if weigh:
                            weight = 1.0 / max(ahead, behind, 1)
                            if ahead < behind or ahead == 0:
                                t = T[0]
                                for x in range(1, n):
                                    t = min(t, T[x])
                                bound += (1.0 - weight * ahead) * t
                                mass += abs(t)
                        for q in range(q0, q1):
                            e = np.int64(edge[q])
                            s = e * n if K > 0 else slot[e]
                            m = n if K > 0 else np.int64(state[other[q] + 1] - state[other[q]])
                            what = only if alone else kind[e]
                            for x in range(n):
                                h[PAD + x] = weight * T[x] - messages[s + x]
                            t = h[PAD]
                            for x in range(1, n):
                                t = h[PAD + x] if h[PAD + x] < t else t
                            if potts and what == POTTS:
                                gain = number[0, e]
                                for x in range(n, m):
                                    h[PAD + x] = np.inf
                                if gain >= 0:
                                    for x in range(m):
                                        v = h[PAD + x] - t
                                        messages[s + x] = v if v < gain else gain
                                else:
                                    least, second, best = np.inf, np.inf, 0
                                    for x in range(n):
                                        v = h[PAD + x] - t
                                        if v < least:
                                            second, least, best = least, v, x
                                        elif v < second:
                                            second = v
                                    for x in range(m):
                                        messages[s + x] = min(h[PAD + x] - t, gain)
                                    if best < m:
                                        messages[s + best] = min(0.0, second + gain)
                            elif linear and what == LINEAR:
                                slope, cap = number[0, e], number[1, e]
                                long = max(n, m)
                                for x in range(n, m):
                                    h[PAD + x] = np.inf
                                for x in range(long):
                                    v = h[PAD + x] - t
                                    h[PAD + x] = v if v < cap else cap
                                if cap <= (REACH + 1) * slope:
                                    twice = slope + slope
                                    far = 2.0
                                    while True:
                                        h[PAD - 1] = np.inf
                                        h[PAD - 2] = np.inf
                                        h[PAD + long] = np.inf
                                        h[PAD + long + 1] = np.inf
                                        if (far + 1.0) * slope >= cap:
                                            break
                                        for x in range(PAD, PAD + long):
                                            f[x] = min(
                                                min(h[x], min(h[x - 1], h[x + 1]) + slope),
                                                min(h[x - 2], h[x + 2]) + twice,
                                            )
                                        for x in range(PAD, PAD + long):
                                            h[x] = f[x]
                                        far += 2.0
                                    for x in range(m):
                                        y = PAD + x
                                        messages[s + x] = min(
                                            min(h[y], min(h[y - 1], h[y + 1]) + slope),
                                            min(h[y - 2], h[y + 2]) + twice,
                                        )
                                else:
                                    for x in range(PAD + 1, PAD + long):
                                        h[x] = min(h[x], h[x - 1] + slope)
                                    for x in range(PAD + long - 2, PAD - 1, -1):
                                        h[x] = min(h[x], h[x + 1] + slope)
                                    for x in range(m):
                                        messages[s + x] = h[PAD + x]
                            elif square and what == SQUARE:
                                slope, cap = number[0, e], number[1, e]
                                k = -1
                                # The lower envelope: from z[j] on, parabola hull[j] is the least.
                                for y in range(n):
                                    v = h[PAD + y] - t
                                    if not v < cap:
                                        continue
                                    v += slope * y * y
                                    cut = -np.inf
                                    while k >= 0:
                                        r = hull[k]
                                        cut = (v - f[r]) / (2.0 * slope * (y - r))
                                        if cut > z[k]:
                                            break
                                        k -= 1
                                    k += 1
                                    hull[k], f[y] = y, v
                                    z[k] = cut if k > 0 else -np.inf
                                z[k + 1] = np.inf
                                k = 0
                                for x in range(m):
                                    while z[k + 1] < x:
                                        k += 1
                                    d = np.float64(x - hull[k])
                                    v = h[PAD + hull[k]] - t + slope * d * d
                                    messages[s + x] = v if v < cap else cap
                            elif dense:
                                here = base[e]
                                table = values
                                if here < 0:
                                    here, table = -1 - here, extra
                                if axis[q] == 0:
                                    for x in range(m):
                                        f[x] = np.inf
                                    for y in range(n):
                                        v = h[PAD + y] - t
                                        for x in range(m):
                                            w = v + table[here + x]
                                            f[x] = w if w < f[x] else f[x]
                                        here += m
                                    for x in range(m):
                                        messages[s + x] = f[x]
                                else:
                                    for x in range(m):
                                        for y in range(8):
                                            f[y] = np.inf
                                        whole = n // 8 * 8
                                        for y0 in range(0, whole, 8):
                                            for y in range(8):
                                                w = h[PAD + y0 + y] + table[here + y0 + y]
                                                f[y] = w if w < f[y] else f[y]
                                        for y in range(whole, n):
                                            w = h[PAD + y] + table[here + y]
                                            f[0] = w if w < f[0] else f[0]
                                        for y in range(4):
                                            f[y] = min(f[y], f[y + 4])
                                        messages[s + x] = min(min(f[0], f[1]), min(f[2], f[3])) - t
                                        here += n
                            if (
                                (dense and what == DENSE)
                                or m < n
                                or (potts and what == POTTS and number[0, e] < 0)
                            ):
                                least = messages[s]
                                for x in range(1, m):
                                    v = messages[s + x]
                                    least = v if v < least else least
                                if dense and hard:
                                    for x in range(m):
                                        v = messages[s + x] - least
                                        messages[s + x] = v if v < np.inf else 0.0
                                elif least != 0.0:
                                    for x in range(m):
                                        messages[s + x] -= least
                                t += least
                            bound += t
                            mass += abs(t)
                    found[own, 0] += bound
                    found[own, 1] += energy
                    found[own, 2] += mass
                    publish(done, own * APART, so_far + 1)

    return visit
