"""Convex functions of the difference of two states.

Costs between states in their order are a Monge matrix, so that the best state on one side never
falls while the other rises: least messages take O(K log K), halving the states (a convex function
may be +inf outside an interval: there it goes on as a line, and how far outside comes first).
Soft messages are convolutions, O(K^2).
"""

from __future__ import annotations

import numpy as np

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, ends, pair, wide
from factorgraph.factors.soft import INNER
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


class Convex(Kind):
    """Numbers: where difference 0 stands, then the energies by difference.

    The first is how many negative differences there are: the states of b, less 1. Then follow the
    energies of a - b from that far below 0 up to the states of a, less 1.
    """

    name = "convex"

    def width(self, cards: Cards) -> int:
        pair(self.name, cards)
        return cards[0] + cards[1]

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        if (numbers[:, 0] != cards[1] - 1).any():
            raise UsageError(
                f"the first number of kind `convex` is how many differences are negative:"
                f" {cards[1] - 1}",
                code="E0504",
            )
        for row in numbers[:, 1:]:
            there = np.flatnonzero(np.isfinite(row))
            if len(there) == 0 or there[-1] - there[0] + 1 > len(there):
                raise UsageError("a convex function is finite on one interval", code="E0504")
            inside = row[there[0] : there[-1] + 1]
            bend = np.diff(inside, 2)
            if (bend < -1e-9 * (1 + np.abs(inside).max())).any():
                at = int(np.argmin(bend)) + int(there[0]) + 1 - (cards[1] - 1)
                raise UsageError(
                    f"a function of a difference is not convex at {at}",
                    code="E0504",
                    hint="give it as a table, or bend it",
                )

    def discrete(self, cards: Cards) -> list[int]:
        return [0]

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        a, b = ends(group, states)
        return numbers[group.table, self._place(group, numbers, a, b)]

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
        most = int(np.diff(entry).max(initial=1))
        todo = np.empty((2 * most + 2, 4), np.int64)
        if beta == np.inf:
            _least(group.table, numbers, entry, incoming, outgoing, which, todo)
        else:
            _soft(group.table, numbers, entry, incoming, outgoing, beta, which, np.empty(most))

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        a, b = ends(group, states)
        np.add.at(into, (group.table, self._place(group, numbers, a, b)), weight)

    def _place(self, group: KindGroup, numbers: Energies, a: Ints, b: Ints) -> Offsets:
        zero = numbers[group.table, 0].astype(np.int64)
        place: Offsets = 1 + zero + a - b
        return place


KIND = Convex()


@kernel(**INNER)
def _excess(own, first, last, k):  # type: ignore[no-untyped-def]
    """Return how far a difference lies outside of where the function is finite, and its line."""
    if k < first:
        rise = own[first] - own[first + 1] if first < last else 0.0
        return first - k, own[first] + rise * (first - k)
    if k > last:
        rise = own[last] - own[last - 1] if first < last else 0.0
        return k - last, own[last] + rise * (k - last)
    return 0, own[k]


@kernel(**INNER)
def _push(todo, count, x0, x1, y0, y1):  # type: ignore[no-untyped-def]
    """Add a range of states with the range that their best ones are in; return how many wait."""
    todo[count, 0], todo[count, 1], todo[count, 2], todo[count, 3] = x0, x1, y0, y1
    return count + 1


@kernel
def _least(table, numbers, entry, incoming, outgoing, which, todo):  # type: ignore[no-untyped-def]
    """Write least messages: the middle state's best one splits the others'."""
    for row in which:
        own = numbers[table[row]]
        zero = 1 + np.int64(own[0])
        first, last = 1, len(own) - 1
        while first < last and own[first] == np.inf:
            first += 1
        while last > first and own[last] == np.inf:
            last -= 1
        for side in range(2):
            low, n = entry[2 * row + side], entry[2 * row + side + 1] - entry[2 * row + side]
            out, m = (
                entry[2 * row + 1 - side],
                entry[2 * row + 2 - side] - entry[2 * row + 1 - side],
            )
            sign = 1 if side == 0 else -1  # the source is a, or b
            count = _push(todo, 0, 0, m - 1, 0, n - 1)
            while count > 0:
                count -= 1
                x0, x1, y0, y1 = todo[count, 0], todo[count, 1], todo[count, 2], todo[count, 3]
                x = (x0 + x1) // 2
                far, best, at = 1 << 60, np.inf, -1
                for y in range(y0, y1 + 1):
                    if incoming[low + y] == np.inf:
                        continue
                    beyond, e = _excess(own, first, last, zero + sign * (y - x))
                    e += incoming[low + y]
                    if beyond < far or (beyond == far and e < best):
                        far, best, at = beyond, e, y
                outgoing[out + x] = best if far == 0 else np.inf
                # where nothing can be, the best of all other states may still lie anywhere
                low_end, high_end = (y1, y0) if at < 0 else (at, at)
                if x0 < x:
                    count = _push(todo, count, x0, x - 1, y0, low_end)
                if x < x1:
                    count = _push(todo, count, x + 1, x1, high_end, y1)


@kernel
def _soft(table, numbers, entry, incoming, outgoing, beta, which, share):  # type: ignore[no-untyped-def]
    """Write soft messages as convolutions, of energies where numbers would leave their range."""
    decay = np.empty(numbers.shape[1])
    for row in which:
        own = numbers[table[row]]
        zero = 1 + np.int64(own[0])
        lowest = np.inf
        for k in range(1, len(own)):
            lowest = min(lowest, own[k])
        for k in range(1, len(own)):
            decay[k] = np.exp(-beta * (own[k] - lowest)) if lowest < np.inf else 0.0
        for side in range(2):
            low, n = entry[2 * row + side], entry[2 * row + side + 1] - entry[2 * row + side]
            out, m = (
                entry[2 * row + 1 - side],
                entry[2 * row + 2 - side] - entry[2 * row + 1 - side],
            )
            sign = 1 if side == 0 else -1
            least = np.inf
            for y in range(n):
                least = min(least, incoming[low + y])
            for y in range(n):
                share[y] = np.exp(-beta * (incoming[low + y] - least)) if least < np.inf else 0.0
            for x in range(m):
                total = 0.0
                for y in range(n):
                    total += share[y] * decay[zero + sign * (y - x)]
                if total > 1e-200:
                    outgoing[out + x] = least + lowest - np.log(total) / beta
                    continue
                best, total = np.inf, 0.0
                for y in range(n):
                    best = min(best, incoming[low + y] + own[zero + sign * (y - x)])
                if best < np.inf:
                    for y in range(n):
                        e = incoming[low + y] + own[zero + sign * (y - x)]
                        total += np.exp(-beta * (e - best))
                    best -= np.log(total) / beta
                outgoing[out + x] = best
