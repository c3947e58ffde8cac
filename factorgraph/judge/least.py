"""The least value of a formula over a box, between two bounds: branch and bound on intervals."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count, product
from math import inf, isfinite

from factorgraph.judge.look import Range

Cell = tuple[Range, ...]

ENOUGH = 1e-9
"""Bounds closer than this, relative to their size, are one number."""

MOST = 600
"""Cells that are looked at at most."""


@dataclass(frozen=True)
class Least:
    """Bounds of an infimum.

    Attributes
    ----------
    low, high : the infimum is between them.
    at : where ``high`` is reached, or approached where a coordinate is infinite.
    finite : the least value at a point that is finite, and where.
    """

    low: float
    high: float
    at: tuple[float, ...]
    finite: tuple[float, tuple[float, ...]]

    @property
    def is_known(self) -> bool:
        return close(self.low, self.high)


def close(a: float, b: float) -> bool:
    """Return whether two numbers are the same but for rounding."""
    if not (isfinite(a) and isfinite(b)):
        return a == b
    return abs(a - b) <= ENOUGH * max(1.0, abs(a), abs(b))


def cells(knots: Sequence[float], ranges: Sequence[Range]) -> list[Cell]:
    """Return a box cut at numbers."""
    axes = []
    for low, high in ranges:
        inside = [low, *(k for k in sorted(set(knots)) if low < k < high), high]
        axes.append(
            list(zip(inside[:-1], inside[1:], strict=True)) if high > low else [(low, high)]
        )
    return list(product(*axes))


def least(value: Callable[[Cell], Range], start: Sequence[Cell], above: float = inf) -> Least:
    """Return bounds of the infimum of a function over cells.

    Parameters
    ----------
    value : the range over a cell; over a point, its value.
    start : what the box is cut into.
    above : end as soon as the infimum is known to be above this.
    """
    order = count()
    heap: list[tuple[float, int, Cell]] = []
    best: tuple[float, tuple[float, ...]] = (inf, ())
    finite: tuple[float, tuple[float, ...]] = (inf, ())
    seen: set[tuple[float, ...]] = set()

    def corner(at: tuple[float, ...]) -> None:
        nonlocal best, finite
        if at in seen:
            return
        seen.add(at)
        low, high = value(tuple((x, x) for x in at))
        if all(map(isfinite, at)):
            if high < finite[0]:
                finite = (high, at)
        elif low != high:
            return  # no limit there
        if high < best[0]:
            best = (high, at)

    for cell in start:
        heapq.heappush(heap, (value(cell)[0], next(order), cell))
        for at in product(*cell):
            corner(at)
    low = heap[0][0]
    for _ in range(MOST):
        low, _number, cell = heapq.heappop(heap)
        if low > above or close(low, best[0]) or low >= best[0]:
            break
        widths = [_width(r) for r in cell]
        k = max(range(len(cell)), key=lambda i: widths[i])
        if widths[k] < 1e-9:
            break
        middle = _middle(cell[k])
        for half in ((cell[k][0], middle), (middle, cell[k][1])):
            part = (*cell[:k], half, *cell[k + 1 :])
            heapq.heappush(heap, (value(part)[0], next(order), part))
            for at in product(*part):
                corner(at)
        low = heap[0][0]
    return Least(min(low, best[0]), best[0], best[1], finite)


def _width(r: Range) -> float:
    if r[0] == r[1]:
        return 0.0
    return r[1] - r[0] if isfinite(r[1] - r[0]) else 1e9


def _middle(r: Range) -> float:
    low, high = r
    if low == -inf and high == inf:
        return 0.0
    if high == inf:
        return 2 * max(low, 1.0)
    if low == -inf:
        return -2 * max(-high, 1.0)
    return (low + high) / 2
