"""Budgets: a weighted count of bits within bounds, with small whole weights.

Messages are sums over what may be spent before a bit and after it, O(n * budget).
"""

from __future__ import annotations

import numpy as np

from factorgraph import budget
from factorgraph.errors import UsageError, some
from factorgraph.factors.kind import Cards, Kind, Rows, bits, wide
from factorgraph.factors.soft import softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


class Knapsack(Kind):
    """Numbers: the weight of each bit, then the least and the greatest sum that is allowed."""

    name = "knapsack"

    def width(self, cards: Cards) -> int:
        bits(self.name, cards)
        return len(cards) + 2

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        finite = np.where(np.isinf(numbers), 0.0, numbers)
        if (finite != np.rint(finite)).any() or np.isinf(numbers[:, :-1]).any():
            raise UsageError(
                "weights and bounds of kind `knapsack` are whole numbers", code="E0504"
            )
        if (numbers[:, :-2] < 0).any():
            raise UsageError("a weight of kind `knapsack` is negative", code="E0504")

    def discrete(self, cards: Cards) -> list[int]:
        return list(range(len(cards) + 2))

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        owner = np.repeat(np.arange(len(group.table)), np.diff(group.start))
        place = np.arange(len(group.scope)) - group.start[owner]
        weight = numbers[group.table[owner], place] * (states[group.scope] == 1)
        total = np.bincount(owner, weight, len(group.table))
        low, high = numbers[group.table, -2], numbers[group.table, -1]
        return np.where((total >= low) & (total <= high), 0.0, np.inf)

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
        most = np.minimum(numbers[:, :-2].sum(axis=1), np.maximum(numbers[:, -1], 0.0))
        spent = int(most.max(initial=0.0)) + 1
        n = int(np.diff(group.start).max(initial=0))
        budget.require(
            8 * (n + 3) * spent,
            f"messages of factor `{group.name}` (a budget of {spent - 1} over"
            f" {some(n, 'variable')})",
        )
        room, after = np.empty((n + 1, spent)), np.empty((2, spent))
        start, table = group.start, group.table
        _tell(start, table, numbers, most, entry, incoming, outgoing, beta, which, room, after)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add nothing: the energy is 0 wherever it is finite."""


KIND = Knapsack()


@kernel
def _tell(  # type: ignore[no-untyped-def]
    start, table, numbers, most, entry, incoming, outgoing, beta, which, room, after
):
    """Write messages: ``room[i, c]`` of bits below i that spend c, ``after`` of those from i on."""
    for row in which:
        own, low = numbers[table[row]], start[row]
        n = start[row + 1] - low
        spent = np.int64(most[table[row]]) + 1
        least, greatest = own[n], own[n + 1]
        for c in range(spent):
            room[0, c] = np.inf
            after[n % 2, c] = 0.0 if least <= c <= greatest else np.inf
        room[0, 0] = 0.0
        for i in range(n):
            e, weight = entry[low + i], np.int64(own[i])
            for c in range(spent):
                room[i + 1, c] = room[i, c] + incoming[e]
            for c in range(weight, spent):
                more = room[i, c - weight] + incoming[e + 1]
                room[i + 1, c] = softer(room[i + 1, c], more, beta)
        for i in range(n - 1, -1, -1):
            e, weight = entry[low + i], np.int64(own[i])
            here, next_ = i % 2, (i + 1) % 2
            off, on = np.inf, np.inf
            for c in range(spent):
                off = softer(off, room[i, c] + after[next_, c], beta)
                after[here, c] = after[next_, c] + incoming[e]
            for c in range(spent - weight):
                on = softer(on, room[i, c] + after[next_, c + weight], beta)
                more = after[next_, c + weight] + incoming[e + 1]
                after[here, c] = softer(after[here, c], more, beta)
            outgoing[e], outgoing[e + 1] = off, on
