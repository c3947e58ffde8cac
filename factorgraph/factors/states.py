"""Any kind over bits as one over states: a variable counts where its state is among some.

Before the kind's own numbers stand, for each variable of the scope, how many states it has and for
each of these 1 where it counts, else 0. Messages are those of the bits "it counts".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, wide
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets

SUFFIX = " of states"
Longs = NDArray[np.int64]


def of_states(name: str) -> str:
    """Return the name of the kind over states that a kind over bits becomes."""
    return name + SUFFIX


class OfStates(Kind):
    """Numbers: of each variable its states' count and 0 or 1 for each, then the inner kind's."""

    def __init__(self, inner: Kind) -> None:
        self.inner = inner
        self.name = of_states(inner.name)  # type: ignore[misc]

    def width(self, cards: Cards) -> int:
        return len(cards) + sum(cards) + self.inner.width((2,) * len(cards))

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        place = 0
        for card in cards:
            if (numbers[:, place] != card).any():
                raise UsageError(
                    f"kind `{self.name}`: number {place} is how many states a variable has: {card}",
                    code="E0504",
                )
            if not np.isin(numbers[:, place + 1 : place + 1 + card], (0.0, 1.0)).all():
                raise UsageError(f"kind `{self.name}`: a state counts (1) or not (0)", code="E0504")
            place += 1 + card
        self.inner.check((2,) * len(cards), numbers[:, place:])

    def discrete(self, cards: Cards) -> list[int]:
        first = len(cards) + sum(cards)
        inner = self.inner.discrete((2,) * len(cards))
        return [*range(first), *(first + k for k in inner)]

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        place, first = _places(group, numbers)
        counts = self._counts(group, numbers, place, states)
        out = np.empty(len(group.table))
        for rows, bits, scope in _alike(group, first):
            out[rows] = self.inner.energy(bits, numbers[:, first[rows[0]] :], counts[scope])
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
        place, first = _places(group, numbers)
        cards = np.diff(entry)
        owner = np.repeat(np.arange(len(cards)), cards)
        row = np.repeat(np.arange(len(group.table)), np.diff(group.start))
        at = place[owner] + np.arange(entry[-1]) - entry[owner]
        counts = numbers[group.table[row[owner]], at] > 0
        told = np.full(2 * len(cards), np.inf)
        to = 2 * owner + counts
        if beta == np.inf:
            np.minimum.at(told, to, incoming)
        else:
            least = np.full(2 * len(cards), np.inf)
            np.minimum.at(least, to, incoming)
            base = np.where(np.isfinite(least), least, 0.0)
            total = np.bincount(to, np.exp(-beta * (incoming - base[to])), 2 * len(cards))
            with np.errstate(divide="ignore"):
                told = base - np.log(total) / beta
        wanted = np.zeros(len(group.table), np.bool_)
        wanted[which] = True
        for rows, bits, scope in _alike(group, first):
            chosen = np.flatnonzero(wanted[rows]).astype(np.int32)
            if not len(chosen):
                continue
            pairs = 2 * np.arange(len(scope) + 1, dtype=np.int64)
            said = np.empty(2 * len(scope))
            own = np.ascontiguousarray(numbers[:, first[rows[0]] :])
            both = np.stack([told[2 * scope], told[2 * scope + 1]], axis=1).reshape(-1)
            self.inner.messages(bits, own, pairs, both, said, beta, chosen)
            back = np.zeros(len(cards), np.int64)
            back[scope] = np.arange(len(scope))
            asked = wanted[row[owner]] & np.isin(row[owner], rows)
            outgoing[asked] = said[(2 * back[owner] + counts)[asked]]

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        place, first = _places(group, numbers)
        counts = self._counts(group, numbers, place, states)
        for rows, bits, scope in _alike(group, first):
            own = slice(int(first[rows[0]]), None)
            found = np.zeros_like(numbers[:, own])
            self.inner.add_cotangents(bits, numbers[:, own], counts[scope], weight[rows], found)
            into[:, own] += found

    def _counts(self, group: KindGroup, numbers: Energies, place: Longs, states: Ints) -> Ints:
        """Return whether each place of the scopes counts, int32."""
        row = np.repeat(group.table, np.diff(group.start))
        out: Ints = numbers[row, place + states[group.scope]].astype(np.int32)
        return out


def _places(group: KindGroup, numbers: Energies) -> tuple[Longs, Longs]:
    """Return where the states of each place of the scopes stand in a row of numbers, and where
    the inner kind's numbers begin in each factor's row."""
    arity = np.diff(group.start)
    at = np.zeros(len(arity), np.int64)
    place = np.empty(len(group.scope), np.int64)
    for k in range(int(arity.max(initial=0))):
        rows = np.flatnonzero(arity > k)
        place[group.start[rows] + k] = at[rows] + 1
        at[rows] += 1 + numbers[group.table[rows], at[rows]].astype(np.int64)
    return place, at


def _alike(group: KindGroup, first: Longs) -> list[tuple[Longs, KindGroup, Longs]]:
    """Return rows whose inner numbers begin at the same place, as groups over bits of their own,
    and which places of the scopes these are."""
    out = []
    for begin in np.unique(first).tolist():
        rows = np.flatnonzero(first == begin)
        arity = np.diff(group.start)[rows]
        start = np.concatenate(([0], np.cumsum(arity, dtype=np.int64)))
        owner = np.repeat(np.arange(len(rows)), arity)
        scope = group.start[rows][owner] + np.arange(start[-1]) - start[owner]
        bits = replace(
            group,
            start=start,
            scope=np.arange(start[-1], dtype=np.int32),
            table=group.table[rows],
            width=group.width - begin,
            rows=np.array([0, len(rows)], np.int64),
        )
        out.append((rows, bits, scope))
    return out
