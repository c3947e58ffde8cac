"""Derivatives of expressions, by the rules one learns at school, with zeros left out."""

from __future__ import annotations

from collections.abc import Callable

from factorgraph.model.expression import BIT, REAL, Apply, Const, Expr, fixed_value

_WITHOUT_SLOPE = ("==", "!=", "<", "<=", ">", ">=", "and", "or", "not", "=>", "//", "%", "position")


def number(at: Expr, value: float) -> Const:
    return Const(at.span, REAL, value)


def _apply(operator: str, *arguments: Expr) -> Expr:
    return Apply(arguments[0].span, REAL, operator, arguments)


def times(a: Expr, b: Expr) -> Expr:
    """Return a * b without multiplying by one; a factor of zero gives zero."""
    x, y = fixed_value(a), fixed_value(b)
    if x == 0 or y == 0:
        return number(a, 0.0)
    if x == 1:
        return b
    if y == 1:
        return a
    if x is not None and y is not None:
        return number(a, x * y)
    if x == -1:
        return negative(b)
    if y == -1:
        return negative(a)
    return _apply("*", a, b)


def negative(a: Expr) -> Expr:
    value = fixed_value(a)
    if value is not None:
        return number(a, -value)
    if isinstance(a, Apply) and a.operator == "neg":
        return a.arguments[0]
    return _apply("neg", a)


def add(a: Expr, b: Expr) -> Expr:
    if fixed_value(a) == 0:
        return b
    if fixed_value(b) == 0:
        return a
    return _apply("+", a, b)


def choose(condition: Expr, yes: Expr, no: Expr) -> Expr:
    if yes == no:
        return yes
    return Apply(condition.span, REAL, "if", (condition, yes, no))


def derivative(e: Expr, leaf: Expr) -> Expr:
    """Return de/dleaf, where ``leaf`` is compared by structure.

    At the kinks of abs, norm and sqrt the derivative is 0; of min and max it is that of the
    first argument that attains the value.
    """
    if e == leaf:
        return number(e, 1.0)
    if not isinstance(e, Apply) or e.operator in _WITHOUT_SLOPE:
        return number(e, 0.0)
    if e.operator == "if":
        condition, yes, no = e.arguments
        return choose(condition, derivative(yes, leaf), derivative(no, leaf))
    slopes = [derivative(a, leaf) for a in e.arguments]
    if all(fixed_value(s) == 0 for s in slopes):
        return number(e, 0.0)
    return _RULES[e.operator](e, e.arguments, slopes)


def _power(e: Expr, a: tuple[Expr, ...], d: list[Expr]) -> Expr:
    exponent = fixed_value(a[1])
    if exponent is not None:
        if exponent == 2:
            return times(times(number(e, 2.0), a[0]), d[0])
        lower = _apply("^", a[0], number(e, exponent - 1))
        return times(times(number(e, float(exponent)), lower), d[0])
    base = times(times(a[1], _apply("^", a[0], _apply("-", a[1], number(e, 1.0)))), d[0])
    return add(base, times(times(e, _apply("log", a[0])), d[1]))


def _sign(x: Expr) -> Expr:
    positive = Apply(x.span, BIT, ">", (x, number(x, 0.0)))
    below = Apply(x.span, BIT, "<", (x, number(x, 0.0)))
    return choose(positive, number(x, 1.0), choose(below, number(x, -1.0), number(x, 0.0)))


def _sqrt(e: Expr, a: tuple[Expr, ...], d: list[Expr]) -> Expr:
    positive = Apply(e.span, BIT, ">", (a[0], number(e, 0.0)))
    return choose(positive, times(_apply("/", number(e, 0.5), e), d[0]), number(e, 0.0))


def _least(e: Expr, a: tuple[Expr, ...], d: list[Expr]) -> Expr:
    assert isinstance(e, Apply)
    first = Apply(e.span, BIT, "<=" if e.operator == "min" else ">=", (a[0], a[1]))
    return choose(first, d[0], d[1])


def _quotient(e: Expr, a: tuple[Expr, ...], d: list[Expr]) -> Expr:
    above = number(e, 0.0) if fixed_value(d[0]) == 0 else _apply("/", d[0], a[1])
    if fixed_value(d[1]) == 0:
        return above
    return add(above, negative(times(_apply("/", e, a[1]), d[1])))


def _one_minus(x: Expr) -> Expr:
    return _apply("-", number(x, 1.0), x)


_RULES: dict[str, Callable[[Expr, tuple[Expr, ...], list[Expr]], Expr]] = {
    "+": lambda e, a, d: add(d[0], d[1]),
    "-": lambda e, a, d: add(d[0], negative(d[1])),
    "neg": lambda e, a, d: negative(d[0]),
    "*": lambda e, a, d: add(times(d[0], a[1]), times(a[0], d[1])),
    "/": _quotient,
    "^": _power,
    "min": _least,
    "max": _least,
    "abs": lambda e, a, d: times(_sign(a[0]), d[0]),
    "exp": lambda e, a, d: times(e, d[0]),
    "log": lambda e, a, d: _apply("/", d[0], a[0]),
    "sqrt": _sqrt,
    "tanh": lambda e, a, d: times(_one_minus(_apply("*", e, e)), d[0]),
    "cosh": lambda e, a, d: times(_apply("sinh", a[0]), d[0]),
    "sigmoid": lambda e, a, d: times(_apply("*", e, _one_minus(e)), d[0]),
    "softplus": lambda e, a, d: times(_apply("sigmoid", a[0]), d[0]),
}
