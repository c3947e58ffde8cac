"""The Bethe free energy, read off from messages, on graphs of factors of any arity.

log Z_B = sum_i (1 - d_i) log Z_i + sum_a log Z_a, with Z_i = sum exp(-beta b_i) over the states of
variable i, d_i the factors that it is in, and Z_a the sum over the configurations of factor a, of
its energy plus what its variables tell it. It does not depend on what is subtracted from messages,
and at a fixed point it is a stationary value of the Bethe free energy; on a forest it is exact.

Reference: Yedidia, Freeman and Weiss, Constructing free-energy approximations (2005).
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.messages import Messages, hear, tell, widest
from factorgraph.factors.soft import INNER
from factorgraph.graph.structure import Energies
from factorgraph.jit import kernel


def free_energy(messages: Messages) -> float:
    """Return -(1/beta) log Z_B of the messages as they are, constants included.

    At beta = +inf: the least energy on a forest whose messages have settled. +inf where the
    messages have found a contradiction.
    """
    m, g = messages, messages.graph
    total = g.constant + float(
        _variables(g.state, g.start, m.belief, m.excluded, m.beta, len(g.card))
    )
    total += float(_factors(g.row, g.scope, g.entry, g.state, g.base, g.tables, m.weight, m.floor,
                            m.beta, m.told, m.belief, m.excluded))  # fmt: skip
    for part in g.parts:
        heard, new = m.outgoing(part)
        entry = g.entry[part.place : part.place + len(part.group.scope) + 1]
        total += float(_kinds(part.group.start, entry - entry[0], heard, new, m.beta))
    return total if total < np.inf else np.inf  # a sum of infinities of both signs is NaN


def marginals(messages: Messages) -> Energies:
    """Return the normalised beliefs at the messages' beta, float64 [S]; 0 where none is left."""
    g = messages.graph
    out = messages.beliefs()
    _normalise(g.state, messages.beta, out)
    return out


@kernel
def _normalise(state, beta, belief):  # type: ignore[no-untyped-def]
    for v in range(len(state) - 1):
        least, total = np.inf, 0.0
        for s in range(state[v], state[v + 1]):
            least = min(least, belief[s])
        for s in range(state[v], state[v + 1]):
            belief[s] = 0.0 if least == np.inf else np.exp(-beta * (belief[s] - least))
            total += belief[s]
        for s in range(state[v], state[v + 1]):
            belief[s] = belief[s] / total if total > 0.0 else 0.0


@kernel(**INNER)
def _variables_one(belief, excluded, first, last, beta):  # type: ignore[no-untyped-def]
    least, total = np.inf, 0.0
    for s in range(first, last):
        if excluded[s] == 0:
            least = min(least, belief[s])
    if beta == np.inf or least == np.inf:
        return least
    for s in range(first, last):
        if excluded[s] == 0:
            total += np.exp(-beta * (belief[s] - least))
    return least - np.log(total) / beta


@kernel
def _variables(state, start, belief, excluded, beta, variables):  # type: ignore[no-untyped-def]
    total = 0.0
    for v in range(variables):
        own = _variables_one(belief, excluded, state[v], state[v + 1], beta)
        if own == np.inf:
            return np.inf
        total += (1.0 - (start[v + 1] - start[v])) * own
    return total


@kernel(**INNER)
def _pair(heard, new, first, last, beta):  # type: ignore[no-untyped-def]
    """Return the soft minimum of what a variable tells a factor plus what that tells it."""
    least, total = np.inf, 0.0
    for e in range(first, last):
        least = min(least, heard[e] + new[e])
    if beta == np.inf or least == np.inf:
        return least
    for e in range(first, last):
        total += np.exp(-beta * (heard[e] + new[e] - least))
    return least - np.log(total) / beta


@kernel
def _factors(  # type: ignore[no-untyped-def]
    row, scope, entry, state, base, table, weight, floor, beta, told, belief, excluded
):
    width, most = widest(row, entry, len(base))
    h, g, new = np.empty(width), np.empty(width), np.empty(width)
    low, digit, before = np.empty(most), np.empty(most, np.int64), np.empty(most + 1)
    total, share = 0.0, np.empty(0)
    for f in range(len(base)):
        p, n = row[f], row[f + 1] - row[f]
        hear(p, p + n, scope, entry, state, told, belief, excluded, share, h)
        tell(table, weight, floor[f] if len(floor) else 0.0, base[f], entry, p, n, beta, h, g, low,
             new, digit, before)  # fmt: skip
        total += _pair(h, new, 0, entry[p + 1] - entry[p], beta)
    return total


@kernel
def _kinds(start, entry, heard, new, beta):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(len(start) - 1):
        p = start[r] - start[0]
        if start[r + 1] > start[r]:
            total += _pair(heard, new, entry[p], entry[p + 1], beta)
    return total
