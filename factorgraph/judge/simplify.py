"""Expressions in which some weights are set to numbers, and what follows from that alone."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factorgraph.model.expression import (
    REAL,
    Apply,
    Const,
    Expr,
    FieldRead,
    MapRead,
    ParamRead,
    Read,
    Reduce,
    alike,
    fixed_value,
    free_variables,
)

WHOLE = ("int", "bit")


def equal(a: Expr, b: Expr) -> bool:
    """Return whether two expressions are the same, whatever the indices of loops are called."""
    if a == b:
        return True
    if type(a) is not type(b):
        return False
    return alike(a, b, {v: v for v in free_variables(a) | free_variables(b)})


@dataclass(frozen=True)
class Weights:
    """Params of which all entries are one number, and maps whose output is one number."""

    params: Mapping[str, float]
    maps: Mapping[str, float]


def simplified(
    e: Expr, weights: Weights | None = None, known: Mapping[Expr, Expr] | None = None
) -> Expr:
    """Return an expression with weights set, and parts replaced, and then made smaller.

    Products with 0 are 0: an energy is finite wherever weights decide it.
    """
    return _Simplifier(weights or Weights({}, {}), dict(known or {}))(e)


class _Simplifier:
    def __init__(self, weights: Weights, known: dict[Expr, Expr]) -> None:
        self.weights = weights
        self.known = known

    def __call__(self, e: Expr) -> Expr:
        found = self.known.get(e)
        if found is None:
            found = self.known[e] = self._of(e)
        return found

    def _of(self, e: Expr) -> Expr:
        match e:
            case ParamRead() if e.name in self.weights.params:
                return Const(e.span, REAL, self.weights.params[e.name])
            case MapRead() if e.name in self.weights.maps:
                return Const(e.span, REAL, self.weights.maps[e.name])
            case MapRead():
                return replace(e, body=self(e.body), indices=tuple(map(self, e.indices)))
            case Read():
                return replace(e, indices=tuple(map(self, e.indices))) if e.indices else e
            case FieldRead():
                return e
            case Reduce():
                return _reduced(
                    replace(
                        e,
                        low=self(e.low),
                        high=self(e.high),
                        guard=None if e.guard is None else self(e.guard),
                        body=self(e.body),
                    )
                )
            case Apply():
                return applied(replace(e, arguments=tuple(map(self, e.arguments))))
        return e


def _reduced(e: Reduce) -> Expr:
    if e.guard is not None and fixed_value(e.guard) == 1:
        e = replace(e, guard=None)
    body, low, high = fixed_value(e.body), fixed_value(e.low), fixed_value(e.high)
    if e.operator == "sum" and (body == 0 or (e.guard is not None and fixed_value(e.guard) == 0)):
        return _number(e, 0.0)
    if low is None or high is None or e.guard is not None or high < low:
        return e
    if e.index in free_variables(e.body):
        return e
    if e.operator != "sum":
        return e.body
    return applied(Apply(e.span, e.kind, "*", (Const(e.span, REAL, high - low + 1), e.body)))


def applied(e: Apply) -> Expr:
    """Return an operator of arguments that are as small as can be."""
    args = e.arguments
    values = [fixed_value(a) for a in args]
    if e.operator == "if":
        if values[0] is not None:
            return args[1] if values[0] else args[2]
        same = values[1] is not None and values[1] == values[2]
        return args[1] if same or args[1] == args[2] else e
    if e.operator == "require":
        return args[1] if values[1] is not None else e
    if all(v is not None for v in values) and e.operator in _FOLDED:
        try:
            return _number(e, _FOLDED[e.operator](*values))
        except (ArithmeticError, ValueError):
            return e
    found = _rule(e, args, values)
    return e if found is None else found


def _rule(e: Apply, args: tuple[Expr, ...], values: list[float | int | None]) -> Expr | None:
    """Return what an operator is where one argument, or what both are, tells enough."""
    match e.operator:
        case "+" | "-" if values[1] == 0:
            return args[0]
        case "+" if values[0] == 0:
            return args[1]
        case "-" if values[0] == 0:
            return applied(Apply(e.span, e.kind, "neg", (args[1],)))
        case "-" if equal(args[0], args[1]):
            return _number(e, 0.0)
        case "-" if _is_softplus(args[0], args[1]):  # softplus(u) - u = softplus(-u)
            turned = applied(Apply(e.span, REAL, "neg", (args[1],)))
            return Apply(e.span, REAL, "softplus", (turned,))
        case "*" if 0 in values:
            return _number(e, 0.0)
        case "*" if values[0] == 1:
            return args[1]
        case "*" | "/" | "^" if values[1] == 1:
            return args[0]
        case "/" if values[0] == 0:
            return _number(e, 0.0)
        case "^" if values[1] == 0:
            return _number(e, 1.0)
        case "^" if values[0] == 0 and (values[1] or 0) > 0:
            return _number(e, 0.0)
        case "neg" if isinstance(args[0], Apply) and args[0].operator == "neg":
            return args[0].arguments[0]
        case "and" if 0 in values:
            return _number(e, 0)
        case "or" if 1 in values:
            return _number(e, 1)
        case "min" | "max" if len(args) == 2 and args[0] == args[1]:
            return args[0]
    return None


def _is_softplus(e: Expr, of: Expr) -> bool:
    return isinstance(e, Apply) and e.operator == "softplus" and equal(e.arguments[0], of)


def _number(e: Expr, value: Any) -> Const:
    whole = e.kind.sort in WHOLE
    return Const(e.span, e.kind if whole else REAL, int(value) if whole else float(value))


def _softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return (small if x < 0 else 1.0) / (1.0 + small)


_FOLDED: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "^": operator.pow,
    "neg": operator.neg,
    "abs": abs,
    "min": min,
    "max": max,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "cosh": math.cosh,
    "softplus": _softplus,
    "sigmoid": _sigmoid,
    "not": operator.not_,
    "and": lambda *v: all(v),
    "or": lambda *v: any(v),
    "=>": lambda a, b: not a or b,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
