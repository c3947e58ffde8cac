"""Any function of how many bits are 1, and hard bounds of a count.

Least messages take O(n log n): with the bits sorted by what being 1 costs them, the best k of all
others are the first k (Tarlow, Givoni, Zemel, HOP-MAP, 2010). Soft messages multiply polynomials
in a tree, up for the counts of each half and down for those of all others, O(n^2) without any
transform (Tarlow, Swersky, Zemel, Adams, Frey, Fast exact inference for recursive cardinality
models, 2012). The polynomials are tilted towards the best count and scaled at every step; what
they can have lost to the range of numbers is bounded, and where that may count, the same tree is
walked in the domain of energies.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, bits, wide
from factorgraph.factors.parity import count
from factorgraph.factors.soft import INNER, softer
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Floats = NDArray[np.float64]
LOST = 1e-290
"""What a step may lose to the range of numbers, relative to the largest number in it."""


def bounded(
    ones: NDArray[np.int64],
    low: Floats | float = -np.inf,
    high: Floats | float = np.inf,
    above: Floats | float = -np.inf,
    below: Floats | float = np.inf,
) -> Floats:
    """Return 0 where low <= ones <= high and above < ones < below, else +inf.

    The ends are any numbers: a count is below 2.5 where it is 2, which no whole end says.
    """
    held = (ones >= low) & (ones <= high) & (ones > above) & (ones < below)
    return np.where(held, 0.0, np.inf)


class Cardinality(Kind):
    """Numbers: the energy of each count, from 0 to all; more than that are not read."""

    name = "cardinality"

    def width(self, cards: Cards) -> int:
        bits(self.name, cards)
        return len(cards) + 1

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        return numbers[group.table, count(group, states)]

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
        arity = np.diff(group.start)
        if group.width < arity[which].max(initial=0) + 1:
            raise UsageError("a count has no energy", code="E0504")
        begin, order = in_order(group, entry, incoming, which)
        table = group.table[which]
        if beta == np.inf:
            _least(begin, order, table, numbers, entry, incoming, outgoing)
            return
        most = int(arity[which].max(initial=1))
        levels = int(np.ceil(np.log2(max(most, 1)))) + 1
        budget.require(16 * most * (levels + 4), f"messages of factor `{group.name}`")
        up, scale = np.empty((levels, 2 * most)), np.empty((levels, most))
        down = np.empty((2, 2 * most)), np.empty((2, most)), np.empty((2, most))
        for logs in (False, True):
            again = _soft(begin, order, table, numbers, entry, incoming, outgoing, beta, logs,
                          up, scale, *down)  # fmt: skip
            if not again.any():
                return
            lost = np.flatnonzero(again)
            begin, order = in_order(group, entry, incoming, which[lost])
            table = table[lost]

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        np.add.at(into, (group.table, count(group, states)), weight)


KIND = Cardinality()


def in_order(
    group: KindGroup, entry: Offsets, incoming: Energies, which: Rows
) -> tuple[Offsets, Offsets]:
    """Return the places of some rows, each row's by what it costs its bits to be 1.

    Returns
    -------
    int64 [rows + 1], where each row begins, and int64 places. A bit that must be 1 comes first, one
    that must be 0 last; one that can be neither has cost 0.
    """
    arity = np.diff(group.start)[which]
    begin = np.concatenate(([0], np.cumsum(arity, dtype=np.int64)))
    owner = np.repeat(np.arange(len(which)), arity)
    place = np.arange(begin[-1]) - begin[owner] + group.start[which][owner]
    off, on = incoming[entry[place]], incoming[entry[place] + 1]
    with np.errstate(invalid="ignore"):
        cost = np.where(on == off, 0.0, on - off)
    return begin, place[np.lexsort((cost, owner))]


@kernel
def _least(begin, order, table, numbers, entry, incoming, outgoing):  # type: ignore[no-untyped-def]
    """Write least messages of rows whose places are in order."""
    for row in range(len(begin) - 1):
        f = numbers[table[row]]
        low, high = begin[row], begin[row + 1]
        dead, ones, zeros, base = survey(low, high, order, entry, incoming)
        first, last = low + ones, high - zeros  # those that may be either, and the dead
        so_far, free = 0.0, 0
        for j in range(first, last):
            off, on = incoming[entry[order[j]]], incoming[entry[order[j]] + 1]
            if off == np.inf:
                continue
            outgoing[entry[order[j]]] = so_far  # of those before
            so_far += on - off
            free += 1
        # one that is bound tells nothing of itself: all others are as they are
        for j in range(low, high):
            p = order[j]
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            gone = off == np.inf and on == np.inf
            if off < np.inf and on < np.inf:
                continue
            for x in range(2):
                outgoing[entry[p] + x] = np.inf
            if dead - gone > 0:
                continue
            own = 0.0 if gone else min(off, on)
            mine = ones - (off == np.inf and not gone)
            for x in range(2):
                outgoing[entry[p] + x] = (
                    base - own + _whole(f, mine + x, first, last, order, entry, incoming)
                )
        if dead > 0:
            for j in range(first, last):
                p = order[j]
                if incoming[entry[p]] < np.inf:
                    outgoing[entry[p]], outgoing[entry[p] + 1] = np.inf, np.inf
            continue
        after_0, after_1 = np.inf, np.inf  # over counts k > r, the sum of k + 1 first
        above = so_far
        for r in range(free - 1, -1, -1):
            p = order[first + r]
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            below = outgoing[entry[p]]
            outgoing[entry[p]] = after_0 - (on - off)
            outgoing[entry[p] + 1] = after_1 - (on - off)
            # the count r, for ranks below r: the sum of r + 1 first
            after_0 = min(after_0, f[ones + r] + above)
            after_1 = min(after_1, f[ones + r + 1] + above)
            above = below
        so_far, best, both = 0.0, np.inf, np.inf
        for r in range(free):
            p = order[first + r]
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            best = min(best, f[ones + r] + so_far)
            both = min(both, f[ones + r + 1] + so_far)
            so_far += on - off
            outgoing[entry[p]] = base - off + min(outgoing[entry[p]], best)
            outgoing[entry[p] + 1] = base - off + min(outgoing[entry[p] + 1], both)


@kernel(**INNER)
def survey(low, high, order, entry, incoming):  # type: ignore[no-untyped-def]
    """Return how many bits can be neither, must be 1, must be 0, and the energy of all others at
    0 with the bound ones as they must be."""
    dead, ones, zeros, base = 0, 0, 0, 0.0
    for j in range(low, high):
        off, on = incoming[entry[order[j]]], incoming[entry[order[j]] + 1]
        if off == np.inf and on == np.inf:
            dead += 1
        elif off == np.inf:
            ones += 1
            base += on
        else:
            zeros += on == np.inf
            base += off
    return dead, ones, zeros, base


@kernel(**INNER)
def _whole(f, ones, first, last, order, entry, incoming):  # type: ignore[no-untyped-def]
    """Return the least over all free bits, with so many ones beside them."""
    best, so_far, k = f[ones], 0.0, 0
    for j in range(first, last):
        off, on = incoming[entry[order[j]]], incoming[entry[order[j]] + 1]
        if off < np.inf:
            so_far += on - off
            k += 1
            best = min(best, f[ones + k] + so_far)
    return best


@kernel
def _soft(  # type: ignore[no-untyped-def]
    begin, order, table, numbers, entry, incoming, outgoing, beta, logs, up, scale, down, size, lost
):
    """Write soft messages; return which rows lost more than rounding to the range of numbers.

    Leaf i is the i-th place in order. Level l of ``up`` holds the polynomials of runs of 2^l
    leaves, run after run, each divided by what ``scale`` says; ``down`` those of all other leaves
    seen through the counts' energies, of the level at hand and the one above.
    """
    again = np.zeros(len(begin) - 1, np.bool_)
    for row in range(len(begin) - 1):
        low, n = begin[row], begin[row + 1] - begin[row]
        if n == 0:
            continue
        f = numbers[table[row]]
        dead, ones, zeros, _ = survey(low, low + n, order, entry, incoming)
        tilt = 0.0 if logs else _tilt(f, ones, zeros, low, low + n, order, entry, incoming, beta)
        base = 0.0
        for i in range(n):
            p = order[low + i]
            off, on = incoming[entry[p]], incoming[entry[p] + 1] + tilt
            least = min(off, on)
            if least == np.inf:
                up[0, 2 * i], up[0, 2 * i + 1] = (np.inf, np.inf) if logs else (0.0, 0.0)
            elif logs:
                up[0, 2 * i], up[0, 2 * i + 1] = off - least, on - least
                base += least
            else:
                up[0, 2 * i] = np.exp(-beta * (off - least))
                up[0, 2 * i + 1] = np.exp(-beta * (on - least))
                base += least
            scale[0, i] = 0.0
        top = 0
        while (1 << top) < n:
            _raise(top, n, up, scale, beta, logs)
            top += 1
        lowest = np.inf
        for k in range(n + 1):
            lowest = min(lowest, f[k] - tilt * k)
        if lowest == np.inf:
            for i in range(n):
                p = order[low + i]
                outgoing[entry[p]], outgoing[entry[p] + 1] = np.inf, np.inf
            continue
        for k in range(n + 1):
            e = f[k] - tilt * k - lowest
            down[top % 2, k] = e if logs else np.exp(-beta * e)
        size[top % 2, 0], lost[top % 2, 0] = 0.0, LOST
        for level in range(top - 1, -1, -1):
            _lower(level, n, up, scale, down, size, lost, beta, logs)
        for i in range(n):
            p = order[low + i]
            off, on = incoming[entry[p]], incoming[entry[p] + 1]
            gone = off == np.inf and on == np.inf
            own = 0.0 if gone else min(off, on + tilt)
            mine = ones - (off == np.inf and not gone)
            free = n - dead - ones - zeros - (off < np.inf and on < np.inf)
            for x in range(2):
                there = False  # whether some count of the others has a finite energy
                for k in range(mine, mine + free + 1):
                    if f[k + x] < np.inf:
                        there = True
                        break
                if dead - gone > 0 or not there:
                    outgoing[entry[p] + x] = np.inf
                    continue
                got = down[0, 2 * i + x]
                total = base - own + lowest + tilt * x
                if logs:
                    outgoing[entry[p] + x] = total + got + size[0, i]
                    continue
                if not got > 1e12 * lost[0, i]:
                    again[row] = True
                    break
                outgoing[entry[p] + x] = total - (np.log(got) + size[0, i]) / beta
    return again


@kernel(**INNER)
def _tilt(f, ones, zeros, low, high, order, entry, incoming, beta):  # type: ignore[no-untyped-def]
    """Return what to add to each bit's cost of being 1, so that it is the best count that the bits
    by themselves make most likely."""
    first, last = low + ones, high - zeros
    best, target, so_far, k = f[ones], 0, 0.0, 0
    most = 0.0
    for j in range(first, last):
        off, on = incoming[entry[order[j]]], incoming[entry[order[j]] + 1]
        if off == np.inf:
            continue
        so_far += on - off
        most = max(most, abs(on - off))
        k += 1
        if f[ones + k] + so_far < best:
            best, target = f[ones + k] + so_far, k
    wanted = min(max(np.float64(target), 0.5), k - 0.5)
    below, above = -most - 40.0 / beta, most + 40.0 / beta
    for _ in range(30):
        middle = 0.5 * (below + above)
        mean = 0.0
        for j in range(first, last):
            off, on = incoming[entry[order[j]]], incoming[entry[order[j]] + 1]
            if off < np.inf:
                mean += 1.0 / (1.0 + np.exp(min(beta * (on - off + middle), 700.0)))
        if mean > wanted:
            below = middle
        else:
            above = middle
    return 0.5 * (below + above)


@kernel(**INNER)
def _raise(level, n, up, scale, beta, logs):  # type: ignore[no-untyped-def]
    """Multiply the polynomials of neighbouring runs of a level to those of the level above."""
    width = 1 << level
    for run in range(0, (n + width - 1) // width, 2):
        a0 = run * (width + 1)
        na = min(width, n - run * width)
        b0, nb = a0 + width + 1, min(width, n - (run + 1) * width)
        out = (run // 2) * (2 * width + 1)
        if nb <= 0:
            for k in range(na + 1):
                up[level + 1, out + k] = up[level, a0 + k]
            scale[level + 1, run // 2] = scale[level, run]
            continue
        for k in range(na + nb + 1):
            up[level + 1, out + k] = np.inf if logs else 0.0
        for a in range(na + 1):
            c = up[level, a0 + a]
            if logs:
                for b in range(nb + 1):
                    k = out + a + b
                    up[level + 1, k] = softer(up[level + 1, k], c + up[level, b0 + b], beta)
            else:
                for b in range(nb + 1):
                    up[level + 1, out + a + b] += c * up[level, b0 + b]
        scale[level + 1, run // 2] = (
            scale[level, run]
            + scale[level, run + 1]
            + scaled(up[level + 1], out, na + nb + 1, logs)
        )


@kernel(**INNER)
def _lower(level, n, up, scale, down, size, lost, beta, logs):  # type: ignore[no-untyped-def]
    """Hand what all others say from the level above down to both halves of each run."""
    width = 1 << level
    above, here = (level + 1) % 2, level % 2
    for run in range((n + width - 1) // width):
        na = min(width, n - run * width)
        out, source = run * (width + 1), (run // 2) * (2 * width + 1)
        other = run ^ 1
        nb = min(width, n - other * width)
        if nb <= 0:
            for k in range(na + 1):
                down[here, out + k] = down[above, source + k]
            size[here, run], lost[here, run] = size[above, run // 2], lost[above, run // 2]
            continue
        b0 = other * (width + 1)
        for k in range(na + 1):
            down[here, out + k] = np.inf if logs else 0.0
        for b in range(nb + 1):
            c = up[level, b0 + b]
            if logs:
                for k in range(na + 1):
                    e = down[above, source + k + b] + c
                    down[here, out + k] = softer(down[here, out + k], e, beta)
            else:
                for k in range(na + 1):
                    down[here, out + k] += c * down[above, source + k + b]
        most = scaled(down[here], out, na + 1, logs)
        size[here, run] = size[above, run // 2] + scale[level, other] + most
        gone = (lost[above, run // 2] + LOST) * (nb + 1)
        lost[here, run] = gone if logs else min(gone * np.exp(-min(most, 700.0)), 1.0)


@kernel(**INNER)
def scaled(values, first, count, logs):  # type: ignore[no-untyped-def]
    """Divide a run by its largest number and return the logarithm of that; of energies, take off
    the least and return it."""
    most = np.inf if logs else 0.0
    for k in range(first, first + count):
        most = min(most, values[k]) if logs else max(most, values[k])
    if most == np.inf or most == 0.0:
        return 0.0
    for k in range(first, first + count):
        values[k] = values[k] - most if logs else values[k] / most
    return most if logs else np.log(most)
