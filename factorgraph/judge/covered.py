"""Whether reads of an array, for all values of their indices, read each of its elements once."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.model.arrays import minus, plus
from factorgraph.model.expression import (
    INT,
    Apply,
    Const,
    Expr,
    Variable,
    fixed_value,
    free_variables,
)
from factorgraph.model.model import Binder, IndexSet


@dataclass(frozen=True)
class Run:
    """The places ``low .. high`` of an axis."""

    low: Expr
    high: Expr


def runs(
    indices: tuple[Expr, ...], binders: tuple[Binder, ...], once: bool = True
) -> tuple[Run, ...] | None:
    """Return which places a read reads, by axis; None where that is no box.

    Parameters
    ----------
    indices : of the read.
    binders : that run.
    once : whether no place may be read twice, so that each binder must move an index of its own.
    """
    bound = {b.variable: b for b in binders}
    used: set[Variable] = set()
    out = []
    for index in indices:
        shifted = offset(index)
        if shifted is None:
            if free_variables(index) & bound.keys():
                return None
            out.append(Run(index, index))
            continue
        variable, shift = shifted
        if variable not in bound or variable in used:
            return None
        used.add(variable)
        binder = bound[variable]
        if (free_variables(binder.low) | free_variables(binder.high)) & bound.keys():
            return None
        out.append(Run(moved(binder.low, shift), moved(binder.high, shift)))
    return tuple(out) if used == bound.keys() or not once else None


def offset(index: Expr) -> tuple[Variable, int] | None:
    """Return the variable and the constant that an index is the sum of."""
    if isinstance(index, Variable):
        return index, 0
    match index:
        case Apply(operator="+" | "-", arguments=(Variable() as v, Const() as c)):
            shift = int(float(c.value))
            return v, shift if index.operator == "+" else -shift
        case Apply(operator="+", arguments=(Const() as c, Variable() as v)):
            return v, int(float(c.value))
    return None


def moved(end: Expr, shift: int) -> Expr:
    """Return an end of a range moved by a constant."""
    return plus(end, Const(end.span, INT, shift)) if shift else end


def whole(boxes: list[tuple[Run, ...]], axes: tuple[IndexSet, ...]) -> bool:
    """Return whether boxes of places fill an array, each place in just one of them."""
    return tiled(boxes, axes, gaps=False)


def apart(boxes: list[tuple[Run, ...]], axes: tuple[IndexSet, ...]) -> bool:
    """Return whether no place of an array lies in two boxes."""
    return len(boxes) == 1 or tiled(boxes, axes, gaps=True)


def tiled(boxes: list[tuple[Run, ...]], axes: tuple[IndexSet, ...], gaps: bool) -> bool:
    """Return whether boxes that differ along one axis alone follow one another along it."""
    if not axes:
        return len(boxes) == 1
    if not boxes:
        return False
    lows: list[Expr] = [Const(a.count.span, INT, 0) for a in axes]
    highs = [minus(a.count, Const(a.count.span, INT, 1)) for a in axes]
    split = [
        k
        for k in range(len(axes))
        if any(box[k] != boxes[0][k] if gaps else not _full(box[k], lows[k], highs[k])
               for box in boxes)
    ]  # fmt: skip
    if not split:
        return len(boxes) == 1
    if len(split) > 1:
        return False
    axis = split[0]
    parts = [box[axis] for box in boxes]
    at = min(parts, key=lambda p: _place(p.low)).low if gaps else lows[axis]
    while parts:
        following = next((p for p in parts if same(p.low, at)), None)
        if following is None:
            return False
        parts.remove(following)
        at = moved(following.high, 1)
    return gaps or same(at, moved(highs[axis], 1))


def _place(e: Expr) -> float:
    value = fixed_value(e)
    return float("inf") if value is None else float(value)


def _full(run: Run, low: Expr, high: Expr) -> bool:
    return same(run.low, low) and same(run.high, high)


def same(a: Expr, b: Expr) -> bool:
    """Return whether two whole numbers are equal whatever the sizes."""
    return normal(a) == normal(b)


def normal(e: Expr) -> tuple[tuple[tuple[str, int], ...], int]:
    """Return a sum of reads and constants in one order: coefficients by text, and the constant."""
    coefficients: dict[str, int] = {}
    constant = 0
    todo = [(e, 1)]
    while todo:
        part, sign = todo.pop()
        match part:
            case Const() if not isinstance(part.value, str):
                constant += sign * int(part.value)
            case Apply(operator="+", arguments=(a, b)):
                todo += [(a, sign), (b, sign)]
            case Apply(operator="-", arguments=(a, b)):
                todo += [(a, sign), (b, -sign)]
            case Apply(operator="neg", arguments=(a,)):
                todo.append((a, -sign))
            case _:
                key = repr(part)
                coefficients[key] = coefficients.get(key, 0) + sign
    return tuple(sorted((k, c) for k, c in coefficients.items() if c)), constant
