"""The value of an expression of unknowns and constants alone, worked out in plain Python."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from factorgraph.model.expression import Apply, Const, Distinct, Expr, Reduce, Variable


class Unfoldable(Exception):
    """The expression reads more than was given."""


@dataclass
class Work:
    """How many turns of loops may still be made, so that nobody waits for a warning."""

    left: int = 20_000


def fold(e: Expr, known: Mapping[Expr, Any], work: Work) -> Any:
    """Return the value of an expression, labels as texts.

    Parameters
    ----------
    known : the values of reads and variables.

    Raises
    ------
    Unfoldable : it reads something else, has no value, or takes too much work.
    """
    if e in known:
        return known[e]
    try:
        return _fold(e, known, work)
    except (ArithmeticError, ValueError, TypeError, RecursionError):
        raise Unfoldable from None


def _fold(e: Expr, known: Mapping[Expr, Any], work: Work) -> Any:
    match e:
        case Const():
            return e.value
        case Apply(operator="if"):
            return fold(e.arguments[1 if fold(e.arguments[0], known, work) else 2], known, work)
        case Apply(operator="and"):
            return all(fold(a, known, work) for a in e.arguments)
        case Apply(operator="or"):
            return any(fold(a, known, work) for a in e.arguments)
        case Apply(operator="=>"):
            return not fold(e.arguments[0], known, work) or fold(e.arguments[1], known, work)
        case Apply() if e.operator in _OPERATORS:
            return _OPERATORS[e.operator](*(fold(a, known, work) for a in e.arguments))
        case Reduce():
            return _REDUCERS[e.operator](_run(e.index, e.low, e.high, e.guard, e.body, known, work))
        case Distinct() if len(e.indices) == 1:
            index, low, high = e.indices[0]
            values = _run(index, low, high, e.guard, e.body, known, work)
            return len(set(values)) == len(values)
    raise Unfoldable


def _run(
    index: Variable,
    low: Expr,
    high: Expr,
    guard: Expr | None,
    body: Expr,
    known: Mapping[Expr, Any],
    work: Work,
) -> list[Any]:
    out = []
    first, last = int(fold(low, known, work)), int(fold(high, known, work))
    work.left -= max(0, last - first + 1)
    if work.left < 0:
        raise Unfoldable
    for value in range(first, last + 1):
        inner = {**known, index: value}
        if guard is None or fold(guard, inner, work):
            out.append(fold(body, inner, work))
    return out


def _before(text: str, *_: int) -> str:
    return text[: _[0]] if _ else text.partition("-")[0]


_REDUCERS: dict[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "min": lambda v: min(v, default=math.inf),
    "max": lambda v: max(v, default=-math.inf),
}
_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "neg": operator.neg,
    "abs": abs,
    "min": min,
    "max": max,
    "not": operator.not_,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "text": str,
    "prefix": _before,
    "kind": lambda t: t.partition("-")[2],
    "lower": str.lower,
}
