"""Potts: one energy where two variables are equal, another where they differ.

Messages take O(K): only the least of the other states, or their soft minimum, is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.factors.kind import Cards, Kind, Rows, ends, pair, wide
from factorgraph.factors.soft import softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Floats = NDArray[np.float64]
EQUAL, DIFFER = 0, 1


def energy(a: NDArray[np.integer], b: NDArray[np.integer], equal: Floats, differ: Floats) -> Floats:
    """Return the energy of each factor, float64 [n], from the states of its two variables [n]."""
    return np.where(a == b, equal, differ)


class Potts(Kind):
    """Numbers: the energy where the states are equal, and where they differ."""

    name = "potts"

    def width(self, cards: Cards) -> int:
        pair(self.name, cards)
        return 2

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        a, b = ends(group, states)
        found: Energies = numbers.reshape(-1).take(2 * group.table + (a != b))
        return found

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
        _tell(group.table, numbers, entry, incoming, outgoing, beta, which)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        a, b = ends(group, states)
        np.add.at(into, (group.table, np.where(a == b, EQUAL, DIFFER)), weight)


KIND = Potts()


@kernel
def _tell(table, numbers, entry, incoming, outgoing, beta, which):  # type: ignore[no-untyped-def]
    """Write the messages of rows ``which`` of a group of pairs."""
    for row in which:
        equal, differ = numbers[table[row], 0], numbers[table[row], 1]
        tell(equal, differ, incoming, entry[2 * row], entry[2 * row + 1],
             outgoing, entry[2 * row + 1], entry[2 * row + 2], beta)  # fmt: skip
        tell(equal, differ, incoming, entry[2 * row + 1], entry[2 * row + 2],
             outgoing, entry[2 * row], entry[2 * row + 1], beta)  # fmt: skip


@kernel
def tell(equal, differ, h, low, high, out, first, last, beta):  # type: ignore[no-untyped-def]
    """Write into ``out[first:last]`` what a variable that says ``h[low:high]`` is heard as.

    The sum over all other states is the total less the own share, except at the least, which alone
    may outweigh all others: there they are summed anew.
    """
    n = high - low
    least, second, at = np.inf, np.inf, 0
    for y in range(n):
        e = h[low + y]
        if e < least:
            least, second, at = e, least, y
        elif e < second:
            second = e
    if beta == np.inf or least == np.inf:
        for x in range(last - first):
            e = differ + (second if x == at else least)
            if x < n:
                e = min(e, equal + h[low + x])
            out[first + x] = e
        return
    total, rest = 0.0, 0.0
    for y in range(n):
        total += np.exp(-beta * (h[low + y] - least))
        if y != at and second < np.inf:
            rest += np.exp(-beta * (h[low + y] - second))
    base = min(equal, differ)
    if base == np.inf:
        for x in range(first, last):
            out[x] = np.inf
        return
    same, other = np.exp(-beta * (equal - base)), np.exp(-beta * (differ - base))
    for x in range(last - first):
        own = np.exp(-beta * (h[low + x] - least)) if x < n else 0.0
        if x != at:
            share = own * same + (total - own) * other
            if share > 1e-200:
                out[first + x] = base + least - np.log(share) / beta
                continue
            others = least - np.log(total - own) / beta
        else:
            others = second - np.log(rest) / beta if second < np.inf else np.inf
        mine = equal + h[low + x] if x < n else np.inf
        out[first + x] = softer(mine, differ + others, beta)
