"""Rules that read bits one by one and remember little: messages from both ends, O(n).

A rule is a table of what to remember next: ``then[last, memory, bit]``, where ``last`` tells the
final bit of a scope apart, and -1 forbids; at the end it holds in the memories of ``holds``.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from factorgraph.factors.kind import Cards, Kind, Rows, bits, wide
from factorgraph.factors.soft import softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Longs = NDArray[np.int64]


class Rule(Kind):
    """A hard factor over bits without numbers.

    Attributes
    ----------
    then : int64 [2, M, 2], what is remembered after a bit; memory 0 is the first.
    holds : in which memories the rule holds at the end.
    """

    then: ClassVar[Longs]
    holds: ClassVar[tuple[int, ...]]

    def width(self, cards: Cards) -> int:
        bits(self.name, cards)
        return 0

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        out = np.empty(len(group.table))
        held = np.zeros(self.then.shape[1], np.bool_)
        held[list(self.holds)] = True
        _walk(group.start, group.scope, states, self.then, held, out)
        return out

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
        end = np.full(self.then.shape[1], np.inf)
        end[list(self.holds)] = 0.0
        most = int(np.diff(group.start).max(initial=0))
        room = np.empty((most + 1, self.then.shape[1]))
        _tell(group.start, self.then, end, entry, incoming, outgoing, beta, which, room)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add nothing: there are no numbers."""


@kernel
def _walk(start, scope, states, then, held, out):  # type: ignore[no-untyped-def]
    """Write 0 where a rule holds, else +inf."""
    for row in range(len(out)):
        memory = 0
        for p in range(start[row], start[row + 1]):
            if memory >= 0:
                memory = then[int(p == start[row + 1] - 1), memory, states[scope[p]]]
        out[row] = 0.0 if memory >= 0 and held[memory] else np.inf


@kernel
def _tell(start, then, end, entry, incoming, outgoing, beta, which, room):  # type: ignore[no-untyped-def]
    """Write messages: of what may be remembered before a bit, and what may still follow."""
    memories = len(end)
    after, next_after = np.empty(memories), np.empty(memories)
    for row in which:
        low, high = start[row], start[row + 1]
        for m in range(memories):
            room[0, m] = 0.0 if m == 0 else np.inf
            after[m] = end[m]
        for p in range(low, high - 1):
            for m in range(memories):
                room[p - low + 1, m] = np.inf
            for m in range(memories):
                for x in range(2):
                    to = then[0, m, x]
                    if to >= 0:
                        e = room[p - low, m] + incoming[entry[p] + x]
                        room[p - low + 1, to] = softer(room[p - low + 1, to], e, beta)
        for p in range(high - 1, low - 1, -1):
            last = int(p == high - 1)
            for m in range(memories):
                next_after[m] = np.inf
            for x in range(2):
                total = np.inf
                for m in range(memories):
                    to = then[last, m, x]
                    if to >= 0:
                        total = softer(total, room[p - low, m] + after[to], beta)
                        e = incoming[entry[p] + x] + after[to]
                        next_after[m] = softer(next_after[m], e, beta)
                outgoing[entry[p] + x] = total
            for m in range(memories):
                after[m] = next_after[m]
