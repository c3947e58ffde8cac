"""Sparse tables: one energy for all configurations but for those that are listed.

Listed configurations, in their order, are a tree of beginnings. A sum over all configurations is
one over those that have left the tree, and where they left it: nothing is ever subtracted, so that
listed energies may be above the others', or +inf. Messages take O(n K P) for P patterns.
"""

from __future__ import annotations

import numpy as np

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, wide
from factorgraph.factors.soft import softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


class Pattern(Kind):
    """Numbers: the energy of what is not listed; then for each pattern its energy and its states.

    Patterns are sorted by their states and all different; a first state of -1 says that there are
    no more.
    """

    name = "pattern"

    def width(self, cards: Cards) -> int:
        return 1

    def check(self, cards: Cards, numbers: Energies) -> None:
        n = len(cards)
        if numbers.ndim != 2 or numbers.shape[1] % (n + 1) != 1 % (n + 1):
            raise UsageError(
                f"a pattern over {n} variables is {n + 1} numbers, an energy and states, after"
                " the one of all others",
                code="E0504",
            )
        wide(self.name, numbers.shape[1], numbers)
        for row in numbers:
            listed = row[1:].reshape(-1, n + 1)[:, 1:]
            if n:
                gone = listed[:, 0] < 0
                listed = listed[: int(gone.argmax()) if gone.any() else len(listed)]
            if (listed != np.rint(listed)).any() or (
                (listed < 0) | (listed >= np.array(cards))
            ).any():
                raise UsageError("a pattern has a state that is not there", code="E0504")
            pairs = zip(listed.tolist(), listed[1:].tolist(), strict=False)
            if any(a >= b for a, b in pairs):
                raise UsageError("patterns are not in order, or there twice", code="E0504")

    def discrete(self, cards: Cards) -> list[int]:
        return []

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        place = self._place(group, numbers, states)
        return numbers[group.table, place]

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
        n = int(np.diff(group.start).max(initial=0))
        most = int(np.diff(entry).max(initial=1))
        room = np.empty((group.width, n + 1)), np.empty((3, n + 2)), np.empty(most, np.int64)
        start, table = group.start, group.table
        _tell(start, table, numbers, entry, incoming, outgoing, beta, which, *room)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        np.add.at(into, (group.table, self._place(group, numbers, states)), weight)

    def _place(self, group: KindGroup, numbers: Energies, states: Ints) -> Offsets:
        """Return which number is the energy of each row, int64 [n]."""
        out = np.zeros(len(group.table), np.int64)
        arity = np.diff(group.start)
        for n in np.unique(arity).tolist():
            rows = np.flatnonzero(arity == n)
            own = states[group.scope[group.start[rows][:, None] + np.arange(n)]]
            for k in range((group.width - 1) // (n + 1)):
                first = 1 + k * (n + 1)
                listed = numbers[group.table[rows], first + 1 : first + 1 + n]
                out[rows[(listed == own).all(axis=1)]] = first
        return out


KIND = Pattern()


@kernel
def _tell(  # type: ignore[no-untyped-def]
    start, table, numbers, entry, incoming, outgoing, beta, which, along, over, child
):
    """Write messages. ``along[p, i]`` is what the first i variables of pattern p have said;
    ``over`` holds the soft minimum of each variable, of all from one on, and of those that have
    left the tree before one."""
    for row in which:
        own, low = numbers[table[row]], start[row]
        n = start[row + 1] - low
        if n == 0:
            continue
        step = n + 1
        count = 0
        while 1 + count * step < len(own) and own[2 + count * step] >= 0:
            count += 1
        any_, after, gone = over[0], over[1], over[2]
        after[n] = own[0]
        for i in range(n - 1, -1, -1):
            any_[i] = np.inf
            for e in range(entry[low + i], entry[low + i + 1]):
                any_[i] = softer(any_[i], incoming[e], beta)
            after[i] = any_[i] + after[i + 1]
        for p in range(count):
            along[p, 0] = 0.0
            for i in range(n):
                state = np.int64(own[2 + p * step + i])
                along[p, i + 1] = along[p, i] + incoming[entry[low + i] + state]
        same = np.zeros(count + 1, np.int64)  # states that a pattern shares with the one before
        for p in range(1, count):
            while own[2 + p * step + same[p]] == own[2 + (p - 1) * step + same[p]]:
                same[p] += 1
        reach = np.empty(count)  # of the tree below the node that begins at a pattern
        for p in range(count):
            reach[p] = own[1 + p * step]
        gone[0] = np.inf if count else 0.0
        # which configurations have left the tree before each variable
        for i in range(n):
            gone[i + 1] = gone[i] + any_[i]
            first = 0
            while first < count:
                last = first + 1
                while last < count and same[last] >= i:
                    last += 1
                left = _left(own, first, last, i, step, child, entry[low + i],
                             entry[low + i + 1], incoming, beta)  # fmt: skip
                gone[i + 1] = softer(gone[i + 1], along[first, i] + left, beta)
                first = last
        for i in range(n - 1, -1, -1):
            e0, e1 = entry[low + i], entry[low + i + 1]
            for e in range(e0, e1):
                outgoing[e] = gone[i] + after[i + 1]
            first = 0
            while first < count:
                last = first + 1
                while last < count and same[last] >= i:
                    last += 1
                left = _left(own, first, last, i, step, child, e0, e1, incoming, beta)
                below = left + after[i + 1]
                for x in range(e1 - e0):
                    own_child = child[x]
                    tail = after[i + 1]
                    if own_child >= 0:
                        tail = reach[own_child]
                        below = softer(below, incoming[e0 + x] + tail, beta)
                    outgoing[e0 + x] = softer(outgoing[e0 + x], along[first, i] + tail, beta)
                reach[first] = below
                first = last


@kernel
def _left(own, first, last, i, step, child, low, high, incoming, beta):  # type: ignore[no-untyped-def]
    """Return the soft minimum of the states that leave a node; write whose child each other is."""
    for x in range(high - low):
        child[x] = -1
    for p in range(last - 1, first - 1, -1):
        child[np.int64(own[2 + p * step + i])] = p
    total = np.inf
    for x in range(high - low):
        if child[x] < 0:
            total = softer(total, incoming[low + x], beta)
    return total
