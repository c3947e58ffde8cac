"""Potts with an energy for each label: where both variables have it, and another where they differ.

Messages take O(K), as those of Potts.
"""

from __future__ import annotations

import numpy as np

from factorgraph.factors.kind import Cards, Kind, Rows, ends, pair, wide
from factorgraph.factors.soft import others, softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


class LabelPotts(Kind):
    """Numbers: the energy where both states are 0, where both are 1, …; last, where they differ."""

    name = "label_potts"

    def width(self, cards: Cards) -> int:
        pair(self.name, cards)
        return min(cards) + 1

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        a, b = ends(group, states)
        return numbers[group.table, np.where(a == b, a, -1)]

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
        room = np.empty(int(np.diff(entry).max(initial=1)))
        _tell(group.table, numbers, entry, incoming, outgoing, beta, which, room)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        a, b = ends(group, states)
        np.add.at(into, (group.table, np.where(a == b, a, -1)), weight)


KIND = LabelPotts()


@kernel
def _tell(table, numbers, entry, incoming, outgoing, beta, which, room):  # type: ignore[no-untyped-def]
    """Write the messages of rows ``which`` of a group of pairs."""
    for row in which:
        own = numbers[table[row]]
        differ = own[len(own) - 1]
        for side in range(2):
            low, high = entry[2 * row + side], entry[2 * row + side + 1]
            first, last = entry[2 * row + 1 - side], entry[2 * row + 2 - side]
            n = high - low
            whole = others(incoming, low, high, beta, room)
            for x in range(last - first):
                if x < n:
                    same = own[x] + incoming[low + x]
                    outgoing[first + x] = softer(same, differ + room[x], beta)
                else:
                    outgoing[first + x] = differ + whole
