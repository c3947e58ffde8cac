"""Products of two variables with a weight; over a full product of index sets, one matrix.

A full group is never a list of factors: its energy is u' W v, one product of matrices for all
configurations, and its cotangents are outer products. As one factor over all of u and v its
messages are exact where one side is small: given that side, the bits of the other are independent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import InferenceError, UsageError
from factorgraph.factors.kind import Cards, Kind, Rows, bits, wide
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets

Floats = NDArray[np.float64]
SIDE = 20
"""Bits of the smaller side whose configurations messages look at."""
BLOCK = 2**12


def energy(u: Floats, v: Floats, weight: Floats) -> Floats:
    """Return weight * u * v for each factor, float64 [n]."""
    out: Floats = weight * u * v
    return out


def full(u: Floats, v: Floats, weight: Floats) -> float:
    """Return u' W v, the energy of a full group.

    Parameters
    ----------
    u, v : values of the two arrays of variables, float64 [a] and [b].
    weight : float64 [a, b].
    """
    return float(u @ weight @ v)


class Bilinear(Kind):
    """Numbers: how many bits u are, then W, row after row. A scope is u, then v."""

    name = "bilinear"

    def width(self, cards: Cards) -> int:
        bits(self.name, cards)
        return 1

    def check(self, cards: Cards, numbers: Energies) -> None:
        bits(self.name, cards)
        wide(self.name, numbers.shape[1] if numbers.ndim == 2 else 1, numbers)
        first = numbers[:, 0]
        a = int(first[0]) if len(first) else 0
        if (first != a).any() or not 0 <= a <= len(cards):
            raise UsageError(
                "the first number of kind `bilinear` is how many variables are on the left",
                code="E0504",
            )
        wide(self.name, 1 + a * (len(cards) - a), numbers)
        if np.isinf(numbers).any():
            raise UsageError("a weight of kind `bilinear` is infinite", code="E0504")

    def discrete(self, cards: Cards) -> list[int]:
        return [0]

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        out = np.empty(len(group.table))
        for row, (u, v, weight) in enumerate(self._sides(group, numbers, states)):
            out[row] = full(u, v, weight)
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
        for row in which.tolist():
            first, last = int(group.start[row]), int(group.start[row + 1])
            a = int(numbers[group.table[row], 0])
            weight = numbers[group.table[row], 1:].reshape(a, last - first - a)
            told = incoming[entry[first] : entry[last]].reshape(-1, 2)
            if min(weight.shape) > SIDE:
                raise InferenceError(
                    f"factor `{group.name}` is a matrix of {weight.shape[0]} x {weight.shape[1]}:"
                    f" messages need a side of at most {SIDE}",
                    code="E0505",
                    hint="`factors.expand.tabled` with values makes a table of each pair",
                )
            small = weight.shape[0] <= weight.shape[1]
            ends = (told[:a], told[a:]) if small else (told[a:], told[:a])
            few, many = _told(weight if small else weight.T, *ends, beta)
            said = [few, many] if small else [many, few]
            outgoing[entry[first] : entry[last]] = np.concatenate(said).reshape(-1)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        for row, (u, v, _) in enumerate(self._sides(group, numbers, states)):
            into[group.table[row], 1:] += weight[row] * np.outer(u, v).reshape(-1)

    def _sides(
        self, group: KindGroup, numbers: Energies, states: Ints
    ) -> list[tuple[Floats, Floats, Floats]]:
        """Return u, v and W of each row."""
        out = []
        for row in range(len(group.table)):
            chosen = states[group.scope[group.start[row] : group.start[row + 1]]].astype(float)
            a = int(numbers[group.table[row], 0])
            weight = numbers[group.table[row], 1:].reshape(a, len(chosen) - a)
            out.append((chosen[:a], chosen[a:], weight))
        return out


KIND = Bilinear()


def _told(weight: Floats, few: Floats, many: Floats, beta: float) -> tuple[Floats, Floats]:
    """Return what a matrix tells the bits of its smaller side, [a, 2], and of the other, [b, 2].

    Parameters
    ----------
    weight : float64 [a, b].
    few, many : what they have told it, float64 [a, 2] and [b, 2].
    """
    a, b = weight.shape
    budget.require(8 * min(BLOCK, 2**a) * (4 * b + 3 * a), "messages of a matrix")
    out_few, out_many = np.full((a, 2), np.inf), np.full((b, 2), np.inf)
    for first in range(0, 2**a, BLOCK):
        number = np.arange(first, min(first + BLOCK, 2**a))
        bit = number[:, None] >> np.arange(a) & 1
        field = bit.astype(float) @ weight
        mine = np.where(bit == 1, few[:, 1], few[:, 0])
        each = _softer(np.broadcast_to(many[:, 0], field.shape), many[:, 1] + field, beta)
        rest_few = _without(mine) + each.sum(axis=1, keepdims=True)
        rest_many = _without(each) + mine.sum(axis=1, keepdims=True)
        for x in range(2):
            held = np.where(bit == x, rest_few, np.inf)
            out_few[:, x] = _softer(out_few[:, x], _soft(held, beta), beta)
            more = _soft(rest_many + x * field, beta)
            out_many[:, x] = _softer(out_many[:, x], more, beta)
    return out_few, out_many


def _without(parts: Floats) -> Floats:
    """Return the sum along each row without each entry, +inf where another one is."""
    inf = np.isinf(parts)
    finite = np.where(inf, 0.0, parts)
    total = finite.sum(axis=1, keepdims=True) - finite
    more: Floats = np.where(inf.sum(axis=1, keepdims=True) - inf > 0, np.inf, total)
    return more


def _soft(energies: Floats, beta: float) -> Floats:
    """Return the soft minimum of each column."""
    least: Floats = energies.min(axis=0)
    if beta == np.inf:
        return least
    base = np.where(np.isinf(least), 0.0, least)
    with np.errstate(divide="ignore"):
        out: Floats = base - np.log(np.exp(-beta * (energies - base)).sum(axis=0)) / beta
    return out


def _softer(a: Floats, b: Floats, beta: float) -> Floats:
    least: Floats = np.minimum(a, b)
    if beta == np.inf:
        return least
    with np.errstate(invalid="ignore"):
        gap = np.where(np.isinf(least), np.inf, np.abs(a - b))
    out: Floats = least - np.log1p(np.exp(-beta * gap)) / beta
    return out
