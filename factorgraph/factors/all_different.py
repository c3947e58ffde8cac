"""Variables of which no two may have the same state.

Least messages are assignments: for each variable the others are matched with states at the least
cost (shortest augmenting paths with potentials), and what it costs that one state is taken from
them is a shortest path to a state that is free; O(n^3 K) for all messages. Soft messages are
permanents: sums over which of n variables the first states have, O(2^n n K), for small n alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import InferenceError, some
from factorgraph.factors.kind import Cards, Kind, Rows, wide
from factorgraph.factors.soft import INNER, SAFE, softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Floats = NDArray[np.float64]
MOST = 2**28
"""Steps that the soft messages of one factor may take."""


def energy(values: NDArray[Any], owner: NDArray[np.integer], factors: int) -> Floats:
    """Return 0 for each factor whose members all differ, else +inf, float64 [factors].

    Parameters
    ----------
    values : the value of each member, [n], numbers of any kind or texts.
    owner : the factor that each member belongs to, int64 [n].
    """
    order = np.lexsort((values, owner))
    same = (np.diff(owner[order]) == 0) & (values[order][1:] == values[order][:-1])
    out = np.zeros(factors)
    out[owner[order][1:][same]] = np.inf
    return out


class AllDifferent(Kind):
    """No numbers. Variables may have different numbers of states."""

    name = "all_different"

    def width(self, cards: Cards) -> int:
        return 0

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, 0, numbers)

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        owner = np.repeat(np.arange(len(group.table)), np.diff(group.start))
        return energy(states[group.scope], owner, len(group.table))

    def messages(
        self,
        group: KindGroup,
        numbers: Energies,
        entry: Offsets,
        incoming: Energies,
        outgoing: Energies,
        beta: float,
        which: Rows,
    ) -> None:
        n = int(np.diff(group.start)[which].max(initial=1))
        states = int(np.diff(entry).max(initial=1))
        if beta == np.inf:
            budget.require(8 * n * states, f"the costs of factor `{group.name}`")
            _least(group.start, entry, incoming, outgoing, which, np.empty((n + 1, states)))
            return
        if n > 40 or 2**n * n * states > MOST:
            raise InferenceError(
                f"sums over the configurations of factor `{group.name}` (all different, over"
                f" {some(n, 'variable')} of {some(states, 'state')}) take too long",
                code="E0505",
                hint="min-sum finds the least in any case",
            )
        budget.require(8 * 2**n * (states + 3), f"messages of factor `{group.name}`")
        room = np.empty((states + 1, 2**n))
        _soft(group.start, entry, incoming, outgoing, beta, which, np.empty((n, states)), room)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add nothing: there are no numbers."""


KIND = AllDifferent()


@kernel
def _least(start, entry, incoming, outgoing, which, cost):  # type: ignore[no-untyped-def]
    """Write least messages: for each variable, all others are assigned without it."""
    columns = cost.shape[1]
    for row in which:
        low, high = start[row], start[row + 1]
        states = 0
        for p in range(low, high):
            states = max(states, entry[p + 1] - entry[p])
        for own in range(low, high):
            n = 0
            for p in range(low, high):
                if p == own:
                    continue
                for x in range(columns):
                    there = x < entry[p + 1] - entry[p]
                    cost[n, x] = incoming[entry[p] + x] if there else np.inf
                n += 1
            _without(cost, n, states, outgoing[entry[own] : entry[own + 1]])


@kernel(**INNER)
def _without(cost, n, states, out):  # type: ignore[no-untyped-def]
    """Write the least cost of an assignment of ``n`` rows to columns that leaves column x alone."""
    for x in range(len(out)):
        out[x] = np.inf
    if n > states:
        return
    price, value = np.zeros(n), np.zeros(states)
    has = np.full(states, -1)  # the row that each column is assigned to
    slack, before = np.empty(states), np.empty(states, np.int64)
    done = np.empty(states, np.bool_)
    for first in range(n):
        for x in range(states):
            slack[x], done[x] = np.inf, False
        row, column = first, -1
        while True:
            gap, nearest = np.inf, -1
            for x in range(states):
                if done[x]:
                    continue
                e = cost[row, x] - price[row] - value[x]
                if e < slack[x]:
                    slack[x], before[x] = e, column
                if slack[x] < gap:
                    gap, nearest = slack[x], x
            if nearest < 0:
                return  # no assignment at all
            price[first] += gap
            for x in range(states):
                if done[x]:
                    price[has[x]] += gap
                    value[x] -= gap
                else:
                    slack[x] -= gap
            column = nearest
            done[column] = True
            if has[column] < 0:
                break
            row = has[column]
        while column >= 0:
            has[column] = first if before[column] < 0 else has[before[column]]
            column = before[column]
    total = 0.0
    for x in range(states):
        if has[x] >= 0:
            total += cost[has[x], x]
    # how far each row is from a free column, over reduced costs
    far, holds = np.full(n, np.inf), np.empty(n, np.int64)
    settled = np.zeros(n, np.bool_)
    for x in range(states):
        if has[x] >= 0:
            holds[has[x]] = x
            continue
        for r in range(n):
            far[r] = min(far[r], cost[r, x] - price[r] - value[x])
    for _ in range(n):
        near = -1
        for r in range(n):
            if not settled[r] and (near < 0 or far[r] < far[near]):
                near = r
        if far[near] == np.inf:
            break
        settled[near] = True
        x = holds[near]
        for r in range(n):
            if not settled[r]:
                far[r] = min(far[r], far[near] + max(cost[r, x] - price[r] - value[x], 0.0))
    for x in range(len(out)):
        out[x] = total if has[x] < 0 else total + far[has[x]] - value[x]


@kernel
def _soft(start, entry, incoming, outgoing, beta, which, share, room):  # type: ignore[no-untyped-def]
    """Write soft messages; ``room[x, R]`` sums over how the rows R have states below x.

    Exponentials are summed where none can leave the range of numbers, energies elsewhere.
    """
    for row in which:
        low = start[row]
        n = start[row + 1] - low
        states, base, reach = 0, 0.0, 0.0
        dead = -1  # the variable that has no state left, -2 for several
        for i in range(n):
            least, most = np.inf, -np.inf
            for e in incoming[entry[low + i] : entry[low + i + 1]]:
                least = min(least, e)
                most = max(most, e) if e < np.inf else most
            states = max(states, entry[low + i + 1] - entry[low + i])
            if least == np.inf:
                dead = i if dead == -1 else -2
                for x in range(share.shape[1]):
                    share[i, x] = np.inf
                continue
            base += least
            reach += most - least
            for x in range(share.shape[1]):
                there = x < entry[low + i + 1] - entry[low + i]
                share[i, x] = incoming[entry[low + i] + x] - least if there else np.inf
        logs = beta * reach > SAFE
        if not logs:
            for i in range(n):
                for x in range(states):
                    share[i, x] = np.exp(-beta * share[i, x])
        nothing = np.inf if logs else 0.0
        for i in range(n):
            for p in range(entry[low + i], entry[low + i + 1]):
                outgoing[p] = nothing
        whole = (1 << n) - 1
        for x in range(states + 1):
            for taken in range(whole + 1):
                room[x, taken] = nothing
        room[0, 0] = 0.0 if logs else 1.0
        for x in range(states):
            for taken in range(whole + 1):
                e = room[x, taken]
                if e == nothing:
                    continue
                room[x + 1, taken] = _add(room[x + 1, taken], e, beta, logs)
                for i in range(n):
                    if not taken >> i & 1:
                        to = taken | (1 << i)
                        more = e + share[i, x] if logs else e * share[i, x]
                        room[x + 1, to] = _add(room[x + 1, to], more, beta, logs)
        after, before = np.full(whole + 1, nothing), np.empty(whole + 1)
        after[whole] = 0.0 if logs else 1.0
        for x in range(states - 1, -1, -1):
            for taken in range(whole + 1):
                total = after[taken]
                for i in range(n):
                    if taken >> i & 1:
                        continue
                    e = after[taken | (1 << i)]
                    p = entry[low + i] + x
                    if p < entry[low + i + 1]:
                        more = room[x, taken] + e if logs else room[x, taken] * e
                        outgoing[p] = _add(outgoing[p], more, beta, logs)
                    more = share[i, x] + e if logs else share[i, x] * e
                    total = _add(total, more, beta, logs)
                before[taken] = total
            after, before = before, after
        for i in range(n):
            least = np.inf
            for e in incoming[entry[low + i] : entry[low + i + 1]]:
                least = min(least, e)
            own = least if least < np.inf else 0.0
            for p in range(entry[low + i], entry[low + i + 1]):
                e = outgoing[p] if logs else -np.log(outgoing[p]) / beta
                outgoing[p] = base - own + e if dead in (-1, i) else np.inf


@kernel(**INNER)
def _add(a, b, beta, logs):  # type: ignore[no-untyped-def]
    return softer(a, b, beta) if logs else a + b
