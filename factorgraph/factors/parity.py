"""Parity checks: bits of which an even, or an odd, number is 1.

Messages take O(n). Least ones are signs and the two least differences; soft ones add up
differences from both ends in the domain of energies (the "box plus" of decoders), which neither
over- nor underflows as products of tanh do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, bits, wide
from factorgraph.factors.soft import INNER
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Floats = NDArray[np.float64]


def energy(ones: NDArray[np.integer], odd: Floats) -> Floats:
    """Return 0 where ``odd`` is 1 and the number of ones is odd, or 0 and it is even, else +inf.

    Another number than 0 and 1 forbids every configuration.
    """
    return np.where(ones % 2 == odd, 0.0, np.inf)


class Parity(Kind):
    """One number: 0 where the number of ones must be even, 1 where it must be odd."""

    name = "parity"

    def width(self, cards: Cards) -> int:
        bits(self.name, cards)
        return 1

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        if not np.isin(numbers, (0.0, 1.0)).all():
            raise UsageError("the number of kind `parity` is 0 (even) or 1 (odd)", code="E0504")

    def discrete(self, cards: Cards) -> list[int]:
        return [0]

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        return energy(count(group, states), numbers[group.table, 0])

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
        start, table = group.start, group.table
        if beta == np.inf:
            _least(start, table, numbers, entry, incoming, outgoing, which)
        else:
            _soft(start, table, numbers, entry, incoming, outgoing, beta, which)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add nothing: the energy is 0 wherever it is finite."""


KIND = Parity()


def count(group: KindGroup, states: Ints) -> NDArray[np.int64]:
    """Return how many variables of each factor's scope are 1, int64 [n]."""
    owner = np.repeat(np.arange(len(group.table)), np.diff(group.start))
    ones = np.bincount(owner, states[group.scope] == 1, len(group.table))
    return ones.astype(np.int64)


@kernel
def _least(start, table, numbers, entry, incoming, outgoing, which):  # type: ignore[no-untyped-def]
    """Write least messages: of all others at their best, or with the cheapest of them flipped."""
    for row in which:
        low, high = start[row], start[row + 1]
        odd = numbers[table[row], 0]
        ones, first, second, at = 0, np.inf, np.inf, -1
        below = 0.0
        for p in range(low, high):
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            outgoing[entry[p]] = below
            below += min(off, on)
            ones += on < off
            flip = abs(on - off) if on != off else 0.0
            if flip < first or at < 0:
                first, second, at = flip, first, p
            elif flip < second:
                second = flip
        above = 0.0
        for p in range(high - 1, low - 1, -1):
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            base = outgoing[entry[p]] + above
            above += min(off, on)
            flipped = base + (second if p == at else first)
            for x in range(2):
                fits = (ones - (on < off) + x) % 2 == odd
                outgoing[entry[p] + x] = base if fits else flipped
            if odd != 0.0 and odd != 1.0:
                outgoing[entry[p]], outgoing[entry[p] + 1] = np.inf, np.inf


@kernel
def _soft(start, table, numbers, entry, incoming, outgoing, beta, which):  # type: ignore[no-untyped-def]
    """Write soft messages; while going up, outgoing holds what those below add up to."""
    for row in which:
        low, high = start[row], start[row + 1]
        odd = numbers[table[row], 0]
        below, so_far = 0.0, np.inf  # no bits: even for sure
        for p in range(low, high):
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            outgoing[entry[p]], outgoing[entry[p] + 1] = below, so_far
            below += min(off, on) - _softplus(-_gap(off, on), beta)
            so_far = _box(so_far, on - off if on != off else 0.0, beta)
        above, so_far = 0.0, np.inf
        for p in range(high - 1, low - 1, -1):
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            base = outgoing[entry[p]] + above
            even = _box(outgoing[entry[p] + 1], so_far, beta)
            for x in range(2):
                outgoing[entry[p] + x] = base + _softplus(even if x != odd else -even, beta)
            if odd != 0.0 and odd != 1.0:
                outgoing[entry[p]], outgoing[entry[p] + 1] = np.inf, np.inf
            above += min(off, on) - _softplus(-_gap(off, on), beta)
            so_far = _box(so_far, on - off if on != off else 0.0, beta)


@kernel(**INNER)
def _gap(off, on):  # type: ignore[no-untyped-def]
    """Return |on - off|, 0 where both are +inf."""
    return abs(on - off) if on != off else 0.0


@kernel(**INNER)
def _softplus(gain, beta):  # type: ignore[no-untyped-def]
    """Return log(1 + exp(beta * gain)) / beta."""
    return max(gain, 0.0) + np.log1p(np.exp(-beta * abs(gain))) / beta


@kernel(**INNER)
def _box(a, b, beta):  # type: ignore[no-untyped-def]
    """Return the energy of odd less that of even, of two bits with energies a and b of being 1."""
    if abs(a) == np.inf:
        return b if a > 0.0 else -b
    if abs(b) == np.inf:
        return a if b > 0.0 else -a
    least = min(abs(a), abs(b))
    least = least if (a < 0.0) == (b < 0.0) else -least
    plus, minus = np.exp(-beta * abs(a + b)), np.exp(-beta * abs(a - b))
    return least + (np.log1p(plus) - np.log1p(minus)) / beta
