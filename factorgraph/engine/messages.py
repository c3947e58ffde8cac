"""Messages of belief propagation in energies: any graph, any range, hard constraints, no NaN.

What a variable tells a factor is its belief less what the factor has told it. Where energies are
+inf nothing is subtracted: finite parts are summed and infinities counted beside.

Soft minima are sums of exponentials of tables, worked out once, and of messages; an entry whose sum
comes near the least number that a float64 holds is worked out again, entry by entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy import uintp

from factorgraph import budget
from factorgraph.engine.crew import Crew
from factorgraph.engine.incidence import Incidence, Part
from factorgraph.engine.settling import reach
from factorgraph.factors.kind import Kind
from factorgraph.factors.registry import kind_of
from factorgraph.factors.soft import INNER
from factorgraph.graph.structure import Energies, Ints, Offsets
from factorgraph.jit import kernel

TINY = 1e-270
"""A sum below this may have lost terms that no float64 holds."""
POSITIVE: dict[str, Any] = {**INNER, "fastmath": {"reassoc", "contract"}}
"""For sums of products of finite numbers, none of them negative."""


class Messages:
    """All messages from factors to variables, and the beliefs that they make.

    Parameters
    ----------
    graph : the layout.
    beta : inverse temperature; +inf for least energies.
    crew : who works.
    share : float64 [P], by how much each message counts in its variable's belief; None for 1.

    Attributes
    ----------
    told : float64 [graph.size], messages, their least entry 0; +inf where a state is excluded.
    most : the largest finite entry of a message.
    belief : float64 [S], the finite parts of unary energy and messages, summed.
    excluded : int32 [S], how many of them are +inf.
    """

    def __init__(
        self, graph: Incidence, beta: float, crew: Crew, share: Energies | None = None
    ) -> None:
        self.graph, self.beta, self.crew = graph, beta, crew
        budget.require(
            8 * (graph.size + 2 * len(graph.unary))
            + (8 * len(graph.tables) if beta < np.inf else 0),
            "messages",
        )
        self.share = np.zeros(0) if share is None else share
        self.told = np.zeros(graph.size)
        self.belief = np.empty(len(graph.unary))
        self.excluded = np.empty(len(graph.unary), np.int32)
        self.floor, self.weight = np.zeros(0), np.zeros(0)
        if beta < np.inf:
            self.floor, self.weight = np.empty(graph.dense), np.empty(len(graph.tables))
            _exponentiate(graph.base, graph.row, graph.entry, graph.tables, beta,
                          self.floor, self.weight)  # fmt: skip
        # Two configurations of finite energy differ by no more than all ranges together; what loops
        # make of messages beyond that is an echo, which would drown everything else.
        self.most = reach(graph, beta)
        self.gather()

    def gather(self) -> None:
        """Work out the beliefs."""
        g = self.graph
        self.crew.run(
            lambda lo, hi: _gather(g.state, g.start, g.place, g.entry, g.unary, self.share,
                                   self.told, lo, hi, self.belief, self.excluded),
            len(g.card),
            self.told.size,
        )  # fmt: skip

    def flood(self, damping: float) -> float:
        """Send all messages at once, from the beliefs as they are; return the largest change."""
        order = self.everything
        changes = self.crew.run(
            lambda lo, hi: self.rows(order, lo, hi, damping, False),
            self.graph.dense,
            self.told.size,
        )
        changes += [self.closed(part, damping) for part in self.graph.parts]
        self.gather()
        return max(changes, default=0.0)

    def sweep(self, order: Offsets, damping: float) -> float:
        """Send messages factor by factor, each from what came before; return the largest change.

        Factors of kinds follow, group by group, each all at once.
        """
        change = self.rows(order, 0, len(order), damping, True)
        self.gather()
        for part in self.graph.parts:
            change = max(change, self.closed(part, damping))
            self.gather()
        return change

    @property
    def everything(self) -> Offsets:
        """The factors with tables, in order."""
        return np.arange(self.graph.dense, dtype=np.int64)

    def rows(self, order: Offsets, lo: int, hi: int, damping: float, at_once: bool) -> float:
        """Send what factors ``order[lo:hi]`` with tables tell."""
        g = self.graph
        return float(
            _send(order, lo, hi, g.row, g.scope, g.entry, g.state, g.base, g.tables, self.weight,
                  self.floor, self.share, self.beta, damping, self.most, at_once, self.told,
                  self.belief, self.excluded)
        )  # fmt: skip

    def closed(self, part: Part, damping: float) -> float:
        """Send what factors of a kind tell, from the beliefs as they are."""
        g = self.graph
        new = self.outgoing(part)[1]
        first, last = part.place, part.place + len(part.group.scope)
        return float(_settle(g.entry, first, last, new, damping, self.most, self.told))

    def outgoing(self, part: Part) -> tuple[Energies, Energies]:
        """Return what factors of a kind hear, and what they tell in return, as it is."""
        g, group = self.graph, part.group
        first, last = part.place, part.place + len(group.scope)
        shift = int(g.entry[first])
        size = int(g.entry[last]) - shift
        budget.require(16 * size, f"messages of factor `{group.name}`")
        heard, new = np.empty(size), np.empty(size)
        _listen(
            g.scope, g.entry, g.state, self.told, self.belief, self.excluded, first, last, heard
        )
        kind: Kind = kind_of(group.kind)
        rows: Ints = np.arange(len(group.table), dtype=np.int32)
        entry = g.entry[first : last + 1] - shift
        kind.messages(group, part.numbers, entry, heard, new, self.beta, rows)
        return heard, new

    def beliefs(self) -> Energies:
        """Return the beliefs, float64 [S], +inf where a state is excluded."""
        return np.where(self.excluded > 0, np.inf, self.belief)


@kernel
def _exponentiate(base, row, entry, tables, beta, floor, weight):  # type: ignore[no-untyped-def]
    """Write exp(-beta times table) of each, less its least energy, which ``floor`` keeps."""
    done = np.zeros(len(tables), np.bool_)
    for f in range(len(base)):
        size = 1
        for p in range(row[f], row[f + 1]):
            size *= entry[p + 1] - entry[p]
        first = base[f]
        least = np.inf
        for t in range(first, first + size):
            least = min(least, tables[t])
        floor[f] = 0.0 if least == np.inf else least
        if not done[first]:
            done[first] = True
            for t in range(first, first + size):
                weight[t] = np.exp(-beta * (tables[t] - floor[f]))


@kernel
def _gather(  # type: ignore[no-untyped-def]
    state, start, place, entry, unary, share, told, lo, hi, belief, excluded
):
    """Sum up the beliefs of variables ``lo .. hi - 1``."""
    for v in range(lo, hi):
        s, n = state[v], state[v + 1] - state[v]
        for k in range(n):
            e = unary[s + k]
            excluded[s + k] = 1 if e == np.inf else 0
            belief[s + k] = 0.0 if e == np.inf else e
        for i in range(start[v], start[v + 1]):
            at = entry[place[i]]
            weight = share[place[i]] if len(share) else 1.0
            for k in range(n):
                e = told[at + k]
                if e == np.inf:
                    excluded[s + k] += 1
                else:
                    belief[s + k] += weight * e


@kernel(**INNER)
def hear(  # type: ignore[no-untyped-def]
    first, last, scope, entry, state, told, belief, excluded, share, heard
):
    """Write into ``heard`` what the variables of places ``first .. last - 1`` tell."""
    for p in range(first, last):
        s = state[scope[p]] - entry[p]
        whole = len(share) == 0 or share[p] == 1.0
        for e in range(entry[p], entry[p + 1]):
            own, infinite = told[e], excluded[s + e]
            if own == np.inf:
                said = belief[s + e] if whole and infinite == 1 else np.inf
            else:
                said = belief[s + e] - own if infinite == 0 else np.inf
            heard[e - entry[first]] = said


@kernel
def _listen(scope, entry, state, told, belief, excluded, first, last, heard):  # type: ignore[no-untyped-def]
    hear(first, last, scope, entry, state, told, belief, excluded, np.empty(0), heard)


@kernel(**POSITIVE)
def contract(table, base, entry, p, n, g, out, digit, before):  # type: ignore[no-untyped-def]
    """Write the sums over a table times all messages but one, for each of the ``n`` places from p.

    The last axis is the inner loop; ``before`` holds the products of the axes before each.
    """
    first, inner = entry[p], entry[p + n - 1] - entry[p]
    states = entry[p + n] - entry[p + n - 1]
    for e in range(entry[p + n] - first):
        out[e] = 0.0
    for i in range(n - 1):
        digit[i] = entry[p + i] - first
    before[0] = 1.0
    axis, at = 0, base
    while axis >= 0:
        for i in range(axis, n - 1):
            before[i + 1] = before[i] * g[digit[i]]
        outer, total = before[n - 1], 0.0
        for z in range(states):
            w = table[uintp(at + z)]
            total += w * g[uintp(inner + z)]
            out[uintp(inner + z)] += w * outer
        at += states
        for i in range(n - 2, -1, -1):
            out[digit[i]] += before[i] * total
            total *= g[digit[i]]
        axis = n - 2
        while axis >= 0:
            digit[axis] += 1
            if digit[axis] < entry[p + axis + 1] - first:
                break
            digit[axis] = entry[p + axis] - first
            axis -= 1


@kernel(**INNER)
def _least(table, base, entry, p, n, h, out, digit, before):  # type: ignore[no-untyped-def]
    """Write the least of a table plus all messages but one, for each of the ``n`` places from p."""
    first, inner = entry[p], entry[p + n - 1] - entry[p]
    states = entry[p + n] - entry[p + n - 1]
    for e in range(entry[p + n] - first):
        out[e] = np.inf
    for i in range(n - 1):
        digit[i] = entry[p + i] - first
    before[0] = 0.0
    axis, at = 0, base
    while axis >= 0:
        for i in range(axis, n - 1):
            before[i + 1] = before[i] + h[digit[i]]
        outer, least = before[n - 1], np.inf
        for z in range(states):
            w = table[uintp(at + z)]
            least = min(least, w + h[uintp(inner + z)])
            out[uintp(inner + z)] = min(out[uintp(inner + z)], w + outer)
        at += states
        for i in range(n - 2, -1, -1):
            out[digit[i]] = min(out[digit[i]], before[i] + least)
            least += h[digit[i]]
        axis = n - 2
        while axis >= 0:
            digit[axis] += 1
            if digit[axis] < entry[p + axis + 1] - first:
                break
            digit[axis] = entry[p + axis] - first
            axis -= 1


@kernel(**INNER)
def _entry(table, base, entry, p, n, h, to, x, beta, digit):  # type: ignore[no-untyped-def]
    """Return one entry of a soft message, summed over all configurations from their least."""
    first = entry[p]
    least, total = np.inf, 0.0
    for twice in range(2):
        for i in range(n):
            digit[i] = entry[p + i] - first
        at, axis = base, 0
        while axis >= 0:
            if digit[to] == x:
                e = table[at]
                for i in range(n):
                    if i != to:
                        e += h[digit[i]]
                if twice:
                    total += np.exp(-beta * (e - least))
                else:
                    least = min(least, e)
            at += 1
            axis = n - 1
            while axis >= 0:
                digit[axis] += 1
                if digit[axis] < entry[p + axis + 1] - first:
                    break
                digit[axis] = entry[p + axis] - first
                axis -= 1
        if least == np.inf:
            return np.inf
    return least - np.log(total) / beta


@kernel(**INNER)
def tell(  # type: ignore[no-untyped-def]
    table, weight, floor, base, entry, p, n, beta, h, g, low, out, digit, before
):
    """Write what a factor with a table tells, as it is: constants count.

    Parameters
    ----------
    weight, floor : exponentials of tables, and the factor's least energy.
    h : what its variables tell it; g, low, digit, before : scratch.
    """
    if beta == np.inf:
        _least(table, base, entry, p, n, h, out, digit, before)
        return
    first, total = entry[p], floor
    for i in range(n):
        least = np.inf
        for e in range(entry[p + i] - first, entry[p + i + 1] - first):
            least = min(least, h[e])
        low[i] = 0.0 if least == np.inf else least
        total += low[i]
        for e in range(entry[p + i] - first, entry[p + i + 1] - first):
            g[e] = np.exp(-beta * (h[e] - low[i]))
    contract(weight, base, entry, p, n, g, out, digit, before)
    for i in range(n):
        for e in range(entry[p + i] - first, entry[p + i + 1] - first):
            if out[e] > TINY:
                out[e] = total - low[i] - np.log(out[e]) / beta
            else:
                out[e] = _entry(table, base, entry, p, n, h, i, e, beta, digit)


@kernel(**INNER)
def settled(new, old, damping, most):  # type: ignore[no-untyped-def]
    """Return a damped entry of a message and by how much it would have changed undamped."""
    if new == np.inf or old == np.inf:
        return np.inf, 0.0 if new == old else np.inf
    new = min(new, most)
    return new + damping * (old - new), abs(new - old)


@kernel
def _settle(entry, first, last, new, damping, most, told):  # type: ignore[no-untyped-def]
    """Write new messages of places ``first .. last - 1``, and return the largest change."""
    change, shift = 0.0, entry[first]
    for p in range(first, last):
        least = np.inf
        for e in range(entry[p], entry[p + 1]):
            least = min(least, new[e - shift])
        if least == np.inf:
            least = 0.0
        for e in range(entry[p], entry[p + 1]):
            told[e], moved = settled(new[e - shift] - least, told[e], damping, most)
            change = max(change, moved)
    return change


@kernel(**INNER)
def renew(  # type: ignore[no-untyped-def]
    entry, scope, state, p, n, new, share, damping, most, at_once, told, belief, excluded, moved
):
    """Write a factor's new messages, and the beliefs if ``at_once``; return the largest change.

    Parameters
    ----------
    moved : float64 [n], the largest change at each place, written.
    """
    change, first = 0.0, entry[p]
    for i in range(n):
        least = np.inf
        for e in range(entry[p + i] - first, entry[p + i + 1] - first):
            least = min(least, new[e])
        if least == np.inf:
            least = 0.0
        moved[i] = 0.0
        s = state[scope[p + i]] - entry[p + i]
        weight = share[p + i] if len(share) else 1.0
        for e in range(entry[p + i], entry[p + i + 1]):
            old = told[e]
            told[e], by = settled(new[e - first] - least, old, damping, most)
            moved[i] = max(moved[i], by)
            if at_once:
                if told[e] < np.inf:
                    belief[s + e] += weight * (told[e] - old)
                elif old < np.inf:
                    belief[s + e] -= weight * old
                    excluded[s + e] += 1
        change = max(change, moved[i])
    return change


@kernel(**INNER)
def widest(row, entry, factors):  # type: ignore[no-untyped-def]
    """Return the most entries of one factor's messages, and the most places of one."""
    width, most = 1, 1
    for f in range(factors):
        width = max(width, entry[row[f + 1]] - entry[row[f]])
        most = max(most, row[f + 1] - row[f])
    return width, most


@kernel
def _send(  # type: ignore[no-untyped-def]
    order, lo, hi, row, scope, entry, state, base, table, weight, floor, share, beta, damping,
    most, at_once, told, belief, excluded,
):  # fmt: skip
    """Send what factors ``order[lo:hi]`` tell, from the beliefs as they are; largest change.

    With ``at_once`` each message enters the beliefs before the next factor.
    """
    width, longest = widest(row, entry, len(base))
    h, g, new = np.empty(width), np.empty(width), np.empty(width)
    low, digit = np.empty(longest), np.empty(longest, np.int64)
    before, moved = np.empty(longest + 1), np.empty(longest)
    change = 0.0
    for i in range(lo, hi):
        f = order[i]
        p, n = row[f], row[f + 1] - row[f]
        hear(p, p + n, scope, entry, state, told, belief, excluded, share, h)
        tell(table, weight, floor[f] if len(floor) else 0.0, base[f], entry, p, n, beta, h, g, low,
             new, digit, before)  # fmt: skip
        change = max(change, renew(entry, scope, state, p, n, new, share, damping, most, at_once,
                                   told, belief, excluded, moved))  # fmt: skip
    return change
