"""Ranges of a formula and of its slopes over boxes: interval arithmetic, derivatives carried along.

A point is a box without width. At a kink the slope is the range between its sides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isnan

from factorgraph.judge.algebra import Leaf, Node, Sum, minus

Range = tuple[float, float]
ALL: Range = (-inf, inf)
ZERO: Range = (0.0, 0.0)


@dataclass(frozen=True)
class Box:
    """Where a formula is looked at.

    Attributes
    ----------
    ranges : of leaves by name; others have their own.
    by : the leaves whose slopes are wanted.
    """

    ranges: Mapping[str, Range]
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What a formula is in a box.

    Attributes
    ----------
    value, slopes : ranges.
    outside : whether the box holds points where the formula is not defined.
    """

    value: Range
    slopes: tuple[Range, ...]
    outside: bool = False

    @property
    def is_point(self) -> bool:
        return self.value[0] == self.value[1]


def look(e: Sum, box: Box) -> Seen:
    """Return the ranges of a formula and of its slopes."""
    value: Range = (e.constant, e.constant)
    slopes = [ZERO] * len(box.by)
    outside = False
    for atom, c in e.terms:
        seen = _leaf(atom, box) if isinstance(atom, Leaf) else _node(atom, box)
        value = add(value, times(seen.value, (c, c)))
        slopes = [add(s, times(d, (c, c))) for s, d in zip(slopes, seen.slopes, strict=True)]
        outside |= seen.outside
    return Seen(value, tuple(slopes), outside)


def _leaf(atom: Leaf, box: Box) -> Seen:
    value = box.ranges.get(atom.name, (atom.low, atom.high))
    return Seen(value, tuple((1.0, 1.0) if n == atom.name else ZERO for n in box.by))


def _node(node: Node, box: Box) -> Seen:
    inside = [look(a, box) for a in node.arguments]
    outside = any(s.outside for s in inside)
    slopes = range(len(box.by))
    match node.operator:
        case "max":
            low = max(s.value[0] for s in inside)
            high = max(s.value[1] for s in inside)
            first = [s for s in inside if not any(_above(t, s) for t in inside if t is not s)]
            return Seen((low, high), tuple(hull([s.slopes[k] for s in first]) for k in slopes),
                        outside)  # fmt: skip
        case "lse":
            value = (_lse([s.value[0] for s in inside]), _lse([s.value[1] for s in inside]))
            shares = [_share(node, i, box) for i in range(len(inside))]
            found = []
            for k in slopes:
                parts = [times(w, s.slopes[k]) for w, s in zip(shares, inside, strict=True)]
                within = hull([s.slopes[k] for s in inside])
                found.append(meet(_total(parts), within))
            return Seen(value, tuple(found), outside)
        case "product":
            a, b = inside
            if (
                a.is_point
                and b.is_point
                and sorted(map(abs, (*a.value, *b.value)))[::3] == [0, inf]
            ):
                outside = True  # no limit
            both = [add(times(a.slopes[k], b.value), times(a.value, b.slopes[k])) for k in slopes]
            return Seen(times(a.value, b.value), tuple(both), outside)
        case "choice":
            condition, yes, no = inside
            low, high = condition.value
            if low > 0 or (low == 0 and node.number):
                return yes
            if high < 0 or (high == 0 and not node.number):
                return no
            value = hull([yes.value, no.value])
            return Seen(value, tuple(hull([yes.slopes[k], no.slopes[k]]) for k in slopes), outside)
    (a,) = inside
    value, slope, undefined = _of_one(node, a.value)
    return Seen(value, tuple(times(slope, s) for s in a.slopes), outside or undefined)


def _above(a: Seen, b: Seen) -> bool:
    """Return whether one argument of a maximum is never below another, but for where they touch."""
    return a.value[0] >= b.value[1] and not (a.is_point and b.is_point and a.value == b.value)


def _of_one(node: Node, x: Range) -> tuple[Range, Range, bool]:
    """Return the range of a function, of its slope, and whether it is undefined somewhere."""
    low, high = x
    match node.operator:
        case "exp":
            value = (_exp(low), _exp(high))
            return value, value, False
        case "log":
            a, b = max(low, 0.0), max(high, 0.0)
            value = (math.log(a) if a > 0 else -inf, math.log(b) if b > 0 else -inf)
            return value, (1 / b if b > 0 else inf, 1 / a if a > 0 else inf), low < 0
        case "sigmoid":
            value = (_sigmoid(low), _sigmoid(high))
            ends = [_sigmoid(low) * _sigmoid(-low), _sigmoid(high) * _sigmoid(-high)]
            return value, (min(ends), 0.25 if low <= 0 <= high else max(ends)), False
        case "tanh":
            value = (math.tanh(low), math.tanh(high))
            ends = [4 * _sigmoid(2 * x) * _sigmoid(-2 * x) for x in (low, high)]
            return value, (min(ends), 1.0 if low <= 0 <= high else max(ends)), False
        case "cosh":
            ends = [_cosh(low), _cosh(high)]
            value = (1.0 if low <= 0 <= high else min(ends), max(ends))
            return value, (_sinh(low), _sinh(high)), False
    assert node.operator == "power", node.operator
    p = node.number
    value, undefined = _power(x, p)
    slope, _ = _power(x, p - 1)
    return value, times((p, p), slope), undefined


def _power(x: Range, p: float) -> tuple[Range, bool]:
    low, high = x
    whole = p == int(p)
    undefined = False
    if not whole and low < 0:
        low, high, undefined = 0.0, max(high, 0.0), True
    if p == 0:
        return (1.0, 1.0), undefined
    if p < 0 and low <= 0 <= high:
        undefined = True
        if low < 0 < high:
            return ((0.0, inf) if whole and int(p) % 2 == 0 else ALL), True
        end = _raise(low if low else high, p)
        return ((end, inf) if end >= 0 else (-inf, end)), True
    ends = sorted((_raise(low, p), _raise(high, p)))
    if whole and int(p) % 2 == 0 and low < 0 < high:
        return (0.0, ends[1]), undefined
    return (ends[0], ends[1]), undefined


def _raise(x: float, p: float) -> float:
    try:
        value = float(x**p)
    except OverflowError:
        return inf if x > 0 or int(p) % 2 == 0 else -inf
    except ZeroDivisionError:
        return inf
    return value


def _share(node: Node, i: int, box: Box) -> Range:
    """Return the share that an argument has in a sum of exponentials."""
    gaps = [look(minus(a, node.arguments[i]), Box(box.ranges)).value for a in node.arguments]
    low = sum(_exp(g[1]) for k, g in enumerate(gaps) if k != i)
    high = sum(_exp(g[0]) for k, g in enumerate(gaps) if k != i)
    return 1 / (1 + low), 1 / (1 + high)


# -- arithmetic of ranges; 0 times inf is 0, for what is 0 stays so however far one goes


def _end(x: float, instead: float) -> float:
    return instead if isnan(x) else x


def add(a: Range, b: Range) -> Range:
    return _end(a[0] + b[0], -inf), _end(a[1] + b[1], inf)


def _total(parts: list[Range]) -> Range:
    total = ZERO
    for part in parts:
        total = add(total, part)
    return total


def times(a: Range, b: Range) -> Range:
    ends = [0.0 if x == 0 or y == 0 else x * y for x in a for y in b]
    return min(ends), max(ends)


def hull(ranges: list[Range]) -> Range:
    return min(r[0] for r in ranges), max(r[1] for r in ranges)


def meet(a: Range, b: Range) -> Range:
    """Return what two ranges have in common; the first where rounding leaves nothing."""
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else a


def _exp(x: float) -> float:
    """Return e^x; of a finite number neither 0 nor inf, so that no slope is lost."""
    if x in (inf, -inf):
        return 0.0 if x < 0 else inf
    return math.exp(min(max(x, -700.0), 700.0))


def _sigmoid(x: float) -> float:
    return 1 / (1 + _exp(-x))


def _cosh(x: float) -> float:
    return math.cosh(x) if abs(x) < 709 else inf


def _sinh(x: float) -> float:
    return math.sinh(x) if abs(x) < 709 else math.copysign(inf, x)


def _lse(values: list[float]) -> float:
    top = max(values)
    if top in (inf, -inf):
        return top
    rest = sum(math.exp(v - top) for v in sorted(values)[:-1])
    return top + math.log1p(rest)
