"""Truncated linear and quadratic: scale * min(slope * |a - b|^power, cap).

Least messages take O(K): two passes for distances, the lower envelope of parabolas for squares
(Felzenszwalb and Huttenlocher, Distance transforms of sampled functions, 2012), and no state is
worse than the least by more than the cap. Soft messages of distances are two geometric sums, O(K);
those of squares sum within the cap's reach, O(K * reach). Where exponentials would leave the range
of numbers, and where the factor is not convex below its cap, all pairs of states are looked at.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, ends, pair, wide
from factorgraph.factors.soft import INNER, SAFE
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel

Floats = NDArray[np.float64]
SCALE, SLOPE, CAP, POWER = 0, 1, 2, 3


def energy(
    a: NDArray[np.integer],
    b: NDArray[np.integer],
    scale: Floats,
    slope: Floats,
    cap: Floats,
    power: Floats,
) -> Floats:
    """Return the energy of each factor, float64 [n].

    Parameters
    ----------
    a, b : values of the two variables, int64 [n].
    scale, slope, cap : float64 [n]; cap may be +inf.
    power : 1 or 2, float64 [n].
    """
    gap = np.abs(a - b).astype(np.float64)
    rise = np.minimum(slope * gap**power, cap)
    out: Floats = np.where(scale == 0, 0.0, scale * rise)
    return out


class Truncated(Kind):
    """Numbers: scale, slope, cap (+inf for none) and power (1 or 2)."""

    name = "truncated"

    def width(self, cards: Cards) -> int:
        pair(self.name, cards)
        return 4

    def check(self, cards: Cards, numbers: Energies) -> None:
        wide(self.name, self.width(cards), numbers)
        if not np.isin(numbers[:, POWER], (1.0, 2.0)).all():
            raise UsageError("the power of kind `truncated` is 1 or 2", code="E0504")
        if not np.isfinite(numbers[:, [SCALE, SLOPE]]).all():
            raise UsageError("scale and slope of kind `truncated` are finite", code="E0504")

    def discrete(self, cards: Cards) -> list[int]:
        return [POWER]

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        own = numbers[group.table]
        a, b = (s.astype(np.int64) for s in ends(group, states))
        return energy(a, b, own[:, SCALE], own[:, SLOPE], own[:, CAP], own[:, POWER])

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
        room, line = np.empty((4, most + 1)), np.empty(most + 1, np.int64)
        _tell(group.table, numbers, entry, incoming, outgoing, beta, which, room, line)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        own = numbers[group.table]
        a, b = ends(group, states)
        gap = np.abs(a.astype(np.int64) - b) ** own[:, POWER]
        rise = own[:, SLOPE] * gap
        below = rise <= own[:, CAP]
        scale = own[:, SCALE] * weight
        np.add.at(into[:, SCALE], group.table, np.minimum(rise, own[:, CAP]) * weight)
        np.add.at(into[:, SLOPE], group.table, np.where(below, scale * gap, 0.0))
        np.add.at(into[:, CAP], group.table, np.where(below, 0.0, scale))


KIND = Truncated()


@kernel
def _tell(  # type: ignore[no-untyped-def]
    table, numbers, entry, incoming, outgoing, beta, which, room, line
):
    """Write the messages of rows ``which`` of a group of pairs."""
    for row in which:
        own = numbers[table[row]]
        tell(own, incoming, entry[2 * row], entry[2 * row + 1],
             outgoing, entry[2 * row + 1], entry[2 * row + 2], beta, room, line)  # fmt: skip
        tell(own, incoming, entry[2 * row + 1], entry[2 * row + 2],
             outgoing, entry[2 * row], entry[2 * row + 1], beta, room, line)  # fmt: skip


@kernel
def tell(own, h, low, high, out, first, last, beta, room, line):  # type: ignore[no-untyped-def]
    """Write into ``out[first:last]`` what a variable that says ``h[low:high]`` is heard as.

    Parameters
    ----------
    own : float64 [4], scale, slope, cap and power.
    room, line : float64 [4, most + 1] and int64 [most + 1], scratch for the most states.
    """
    scale, slope, cap = own[0], own[1], own[2]
    least = np.inf
    for y in range(low, high):
        least = min(least, h[y])
    far = scale * cap if scale != 0.0 else 0.0  # not 0 * inf
    if least == np.inf or (beta == np.inf and scale * slope == 0.0):
        for x in range(first, last):
            out[x] = least + scale * min(cap, 0.0)
        return
    most = max(high - low, last - first)
    near = scale * slope * (most if own[3] == 1.0 else most * most)
    if scale < 0.0 or slope < 0.0 or (beta < np.inf and beta * min(far, near) > SAFE):
        _all(own, h, low, high, out, first, last, beta)
    elif beta < np.inf:
        _soft(own, h, low, high, out, first, last, beta, least, room)
    elif own[3] == 1.0:
        _distance(scale * slope, least + far, h, low, high, out, first, last, room[0])
    else:
        _square(scale * slope, least + far, h, low, high, out, first, last, room[0], line)


@kernel(**INNER)
def _all(own, h, low, high, out, first, last, beta):  # type: ignore[no-untyped-def]
    """Look at all pairs of states."""
    for x in range(last - first):
        least, total = np.inf, 0.0
        for twice in range(1 if beta == np.inf else 2):
            for y in range(high - low):
                gap = np.float64(abs(x - y))
                rise = own[1] * (gap if own[3] == 1.0 else gap * gap)
                e = h[low + y] + own[0] * min(rise, own[2])
                if twice:
                    total += np.exp(-beta * (e - least))
                else:
                    least = min(least, e)
            if least == np.inf:
                break
        out[first + x] = least if beta == np.inf or least == np.inf else (
            least - np.log(total) / beta
        )  # fmt: skip


@kernel(**INNER)
def _distance(step, far, h, low, high, out, first, last, room):  # type: ignore[no-untyped-def]
    """Least messages of distances: forward and backward."""
    n, m = high - low, last - first
    so_far = np.inf
    for x in range(m):
        so_far = min(so_far + step, h[low + x] if x < n else np.inf)
        out[first + x] = so_far
    so_far = np.inf
    for x in range(max(n, m) - 1, -1, -1):
        so_far = min(so_far + step, h[low + x] if x < n else np.inf)
        if x < m:
            out[first + x] = min(out[first + x], so_far, far)


@kernel(**INNER)
def _square(  # type: ignore[no-untyped-def]
    step, far, h, low, high, out, first, last, start, line
):
    """Least messages of squares: ``line`` holds whose parabola is least from ``start`` on."""
    k = -1
    for q in range(high - low):
        if h[low + q] == np.inf:
            continue
        begin = -np.inf
        while k >= 0:
            p = line[k]
            begin = 0.5 * ((h[low + q] - h[low + p]) / (step * (q - p)) + (q + p))
            if begin > start[k]:
                break
            k -= 1
        if k < 0:
            begin = -np.inf
        k += 1
        line[k], start[k] = q, begin
    j = 0
    for x in range(last - first):
        while j < k and start[j + 1] < x:
            j += 1
        gap = np.float64(x - line[j])
        out[first + x] = min(h[low + line[j]] + step * gap * gap, far)


@kernel(**INNER)
def _soft(own, h, low, high, out, first, last, beta, least, room):  # type: ignore[no-untyped-def]
    """Soft messages where no exponential leaves the range: within the reach, and beyond it."""
    scale, slope, cap, power = own[0], own[1], own[2], own[3]
    n, m = high - low, last - first
    most = max(n, m)
    reach = 0  # the farthest distance below the cap
    while reach + 1 < most and slope * (reach + 1.0) ** power < cap:
        reach += 1
    beyond = np.exp(-beta * scale * cap) if scale != 0.0 else 1.0
    if slope * 0.0 >= cap:  # a cap that is always reached
        reach = -1
    share, below = room[0], room[1]
    below[0] = 0.0
    for y in range(most):
        share[y] = np.exp(-beta * (h[low + y] - least)) if y < n else 0.0
        below[y + 1] = below[y] + share[y]
    above = room[2]
    above[most] = 0.0
    for y in range(most - 1, -1, -1):
        above[y] = above[y + 1] + share[y]
    if reach < 0:
        for x in range(first, last):
            out[x] = least + scale * cap - np.log(below[most]) / beta
        return
    if power == 1.0:
        ratio = np.exp(-beta * scale * slope)
        lost = ratio ** (reach + 1.0) if reach + 1 < most else 0.0
        so_far = 0.0
        for x in range(m):
            so_far = so_far * ratio + share[x]
            if x > reach:
                so_far = max(so_far - lost * share[x - reach - 1], 0.0)
            out[first + x] = so_far
        so_far = 0.0
        for x in range(most - 1, -1, -1):
            if x < m:
                out[first + x] += so_far
            so_far = (so_far + share[x]) * ratio
            if x + reach < most:
                so_far = max(so_far - lost * share[x + reach], 0.0)
    else:
        decay = room[3]
        for d in range(reach + 1):
            decay[d] = np.exp(-beta * scale * slope * d * d)
        for x in range(m):
            total = 0.0
            for y in range(max(0, x - reach), min(n, x + reach + 1)):
                total += decay[abs(x - y)] * share[y]
            out[first + x] = total
    for x in range(m):
        total = out[first + x]
        if x - reach > 0:
            total += beyond * below[x - reach]
        if x + reach + 1 < most:
            total += beyond * above[x + reach + 1]
        out[first + x] = least - np.log(total) / beta
