"""Whether a formula is convex: by the rules of composition, and by looking for a chord below it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from factorgraph.judge.algebra import Leaf, Node, Sum
from factorgraph.judge.look import Box, Range, look

PAIRS = 200
"""Chords that are looked at."""


def curvature(e: Sum, names: tuple[str, ...], ranges: Mapping[str, Range]) -> int | None:
    """Return 0 where a formula is affine, 1 convex, -1 concave, in ``names``; None where unknown.

    References
    ----------
    M. Grant, S. Boyd, Y. Ye: Disciplined convex programming. 2006.
    """
    signs = set()
    for atom, c in e.terms:
        if isinstance(atom, Leaf):
            continue
        sign = _curvature(atom, names, ranges)
        if sign is None:
            return None
        if sign:
            signs.add(sign if c > 0 else -sign)
    return None if len(signs) > 1 else next(iter(signs), 0)


def _curvature(node: Node, names: tuple[str, ...], ranges: Mapping[str, Range]) -> int | None:
    if not any(a.has(*names) for a in node.arguments):
        return 0
    inside = [curvature(a, names, ranges) for a in node.arguments]
    if any(c is None for c in inside):
        return None
    first = inside[0]
    low, high = look(node.arguments[0], Box(ranges)).value
    match node.operator:
        case "max" | "lse":
            return 1 if min(c or 0 for c in inside) >= 0 else None
        case "exp":
            return 1 if first in (0, 1) else None
        case "cosh":
            return 1 if first == 0 or (first == 1 and low >= 0) else None
        case "log":
            return -1 if first in (0, -1) else None
        case "product":
            known = [a for a in node.arguments if not a.has(*names)]
            if len(known) != 1:
                return None
            other = inside[1 - node.arguments.index(known[0])]
            low, high = look(known[0], Box(ranges)).value
            assert other is not None
            return other if low >= 0 else -other if high <= 0 else 0 if other == 0 else None
    if node.operator != "power":
        return None
    p = node.number
    if p < 0:
        return 1 if first in (0, -1) and low >= 0 else None
    if p < 1:
        return -1 if first in (0, -1) else None
    if (p % 2 == 0 or low >= 0) and first == 0:
        return 1
    return 1 if first == 1 and low >= 0 else None


def falls_above_chord(
    e: Sum, names: tuple[str, ...], ends: Mapping[str, Range], fixed: Mapping[str, Range]
) -> bool:
    """Return whether a point was found where the formula is above a chord: it is not convex."""
    dice = Random(0)

    def at(x: list[float]) -> float:
        return look(e, Box({**fixed, **{n: (v, v) for n, v in zip(names, x, strict=True)}})).value[
            1
        ]

    for _ in range(PAIRS):
        scale = dice.choice((0.1, 1.0, 1.0))
        a, b = (
            [low + (high - low) * (0.5 + scale * (dice.random() - 0.5)) for low, high in
             (ends[n] for n in names)] for _ in range(2)
        )  # fmt: skip
        x, y, middle = at(a), at(b), at([(p + q) / 2 for p, q in zip(a, b, strict=True)])
        if middle > (x + y) / 2 + 1e-9 * (1 + abs(x) + abs(y)):
            return True
    return False
