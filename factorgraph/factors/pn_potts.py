"""Robust P^n Potts: many variables that should have one label, at a cost for each that has not.

The energy is min(most, own of k + theta * how many are not k), over labels k (Kohli, Ladicky, Torr,
Robust higher order potentials, 2009; theta +inf is the plain P^n model). Least messages take O(nK).
Soft ones count the deviating variables of each label up to where the cost is cut off,
O(nK * reach), and need that at most one label is within reach of a configuration.
"""

from __future__ import annotations

import numpy as np

from factorgraph.errors import InferenceError, UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, wide
from factorgraph.factors.soft import others, softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


class PnPotts(Kind):
    """Numbers: the energy of each label that all have, the most energy, and theta."""

    name = "pn_potts"

    def width(self, cards: Cards) -> int:
        if len(set(cards)) > 1 or not cards:
            raise UsageError(
                "a factor of kind `pn_potts` is over variables of equally many states",
                code="E0504",
            )
        return cards[0] + 2

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        if (numbers[:, -1] < 0).any():
            raise UsageError("theta of kind `pn_potts` is negative", code="E0504")

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        return self._choice(group, numbers, states)[0]

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
        n = np.diff(group.start)
        labels, most = group.width - 2, int(n.max(initial=0))
        start, table = group.start, group.table
        if beta == np.inf:
            room = np.empty((most + 1, labels + 1))
            _least(start, table, numbers, entry, incoming, outgoing, which, room)
            return
        reach = self._reach(numbers, most)
        two = np.sort(reach, axis=1)[:, -2:]
        # any two labels deviate in all n variables together, or more
        clash = (two.min(axis=1) >= 0) & (labels > 1)
        if (clash[table] & (two.sum(axis=1)[table] >= n))[which].any():
            raise InferenceError(
                f"sums over the configurations of factor `{group.name}`: more than one label is"
                " cheaper than the most energy",
                code="E0505",
                hint="min-sum finds the least in any case; or raise theta",
            )
        longest = int(reach.max(initial=0)) + 2
        room = np.empty((most + 1, longest))
        _soft(start, table, numbers, reach, entry, incoming, outgoing, beta, which, room,
              np.empty((most, labels)))  # fmt: skip

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        _, label, missing = self._choice(group, numbers, states)
        labels = group.width - 2
        np.add.at(into, (group.table, label), weight)
        below = (label < labels) & (missing > 0)
        np.add.at(into[:, -1], group.table[below], (weight * missing)[below])

    def _choice(
        self, group: KindGroup, numbers: Energies, states: Ints
    ) -> tuple[Energies, Offsets, Offsets]:
        """Return energies, which number each is made of, and how many variables deviate."""
        rows, labels = len(group.table), group.width - 2
        owner = np.repeat(np.arange(rows), np.diff(group.start))
        there = np.zeros((rows, labels), np.int64)
        np.add.at(there, (owner, states[group.scope]), 1)
        missing = np.diff(group.start)[:, None] - there
        own = numbers[group.table]
        with np.errstate(invalid="ignore"):
            rise = np.where(missing > 0, own[:, -1:] * missing, 0.0)
        every = np.concatenate([own[:, :labels] + rise, own[:, labels : labels + 1]], axis=1)
        best = every.argmin(axis=1)
        at = np.arange(rows)
        return every[at, best], best, missing[at, np.minimum(best, labels - 1)]

    def _reach(self, numbers: Energies, n: int) -> Offsets:
        """Return with how many deviating variables each label is still cheaper than the most
        energy, int64 [d, labels], -1 where it is never."""
        own, most, theta = numbers[:, :-2], numbers[:, -2:-1], numbers[:, -1:]
        count = np.arange(n + 1)
        with np.errstate(invalid="ignore"):
            rise = np.where(count > 0, theta * count, 0.0)
        cheaper = own[:, :, None] + rise[:, None, :] < most[:, :, None]
        reach: Offsets = cheaper.sum(axis=2) - 1
        return reach


KIND = PnPotts()


@kernel
def _least(start, table, numbers, entry, incoming, outgoing, which, room):  # type: ignore[no-untyped-def]
    """Write least messages: one label, or none, is what the others agree on."""
    labels = numbers.shape[1] - 2
    above = np.empty(labels + 1)
    for row in which:
        own, low = numbers[table[row]], start[row]
        n, theta = start[row + 1] - low, own[labels + 1]
        room[0] = 0.0
        for i in range(n):
            e = entry[low + i]
            least = np.inf
            for x in range(labels):
                least = min(least, incoming[e + x])
            for k in range(labels):
                room[i + 1, k] = room[i, k] + min(incoming[e + k], least + theta)
            room[i + 1, labels] = room[i, labels] + least
        above[:] = 0.0
        for i in range(n - 1, -1, -1):
            e = entry[low + i]
            cheapest, least = np.inf, np.inf
            for k in range(labels):
                cheapest = min(cheapest, own[k] + room[i, k] + above[k])
                least = min(least, incoming[e + k])
            rest = min(own[labels] + room[i, labels] + above[labels], cheapest + theta)
            for k in range(labels):
                outgoing[e + k] = min(own[k] + room[i, k] + above[k], rest)
                above[k] += min(incoming[e + k], least + theta)
            above[labels] += least


@kernel
def _soft(  # type: ignore[no-untyped-def]
    start, table, numbers, reach, entry, incoming, outgoing, beta, which, room, rest
):
    """Write soft messages: all configurations at the most energy, and for each label, by how many
    deviate, what those are cheaper."""
    labels = numbers.shape[1] - 2
    longest = room.shape[1]
    after, before = np.empty(longest + 1), np.empty(longest + 1)
    for row in which:
        own, low = numbers[table[row]], start[row]
        n, most, theta = start[row + 1] - low, own[labels], own[labels + 1]
        so_far = most
        for i in range(n):
            e = entry[low + i]
            for x in range(labels):
                outgoing[e + x] = so_far
            so_far += others(incoming, e, e + labels, beta, rest[i])
        so_far = 0.0
        for i in range(n - 1, -1, -1):
            e = entry[low + i]
            for x in range(labels):
                outgoing[e + x] += so_far
            so_far += softer(incoming[e], rest[i, 0], beta)
        for k in range(labels):
            far = reach[table[row], k]
            if far < 0:
                continue
            far = min(far, n)
            for d in range(far + 1):
                room[0, d] = 0.0 if d == 0 else np.inf
            for i in range(n):
                e = entry[low + i]
                for d in range(far + 1):
                    stays = room[i, d] + incoming[e + k]
                    goes = room[i, d - 1] + rest[i, k] if d > 0 else np.inf
                    room[i + 1, d] = softer(stays, goes, beta)
            for d in range(far + 1):
                cost = own[k] + (theta * d if d > 0 else 0.0)
                # exp(-beta cost) - exp(-beta most), as an energy
                after[d] = cost - np.log(-np.expm1(-beta * (most - cost))) / beta
            after[far + 1] = np.inf
            for i in range(n - 1, -1, -1):
                e = entry[low + i]
                agrees, differs = np.inf, np.inf
                for d in range(far + 1):
                    agrees = softer(agrees, room[i, d] + after[d], beta)
                    differs = softer(differs, room[i, d] + after[d + 1], beta)
                    stays = incoming[e + k] + after[d]
                    before[d] = softer(stays, rest[i, k] + after[d + 1], beta)
                before[far + 1] = np.inf
                for x in range(labels):
                    more = agrees if x == k else differs
                    outgoing[e + x] = softer(outgoing[e + x], more, beta)
                after, before = before, after
