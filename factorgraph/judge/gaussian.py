"""Quadratic terms that are -log of a Gaussian density, but for a fixed number.

``p sum((x[i] - m)^2 for i) / 2 - d / 2 log(p)`` integrates over x to a number that is the same for
all p > 0 and m (to no more than that between bounds of x); so does any fixed multiple of a square
without p, and of |x - m|.
"""

from __future__ import annotations

from factorgraph.judge.rigid import leaves
from factorgraph.judge.simplify import equal
from factorgraph.model.expression import (
    Apply,
    Expr,
    GivenRead,
    ParamRead,
    Read,
    Reduce,
    UnknownRead,
    fixed_value,
    walk,
)
from factorgraph.model.model import Binder, Model

Found = tuple[Read, tuple[Binder, ...]]


def gaussian(model: Model, e: Expr) -> Found | None:
    """Return the real variable that a sum is the density of, with the indices it runs over."""
    square: tuple[float, dict[ParamRead, float], Expr] | None = None
    logs: dict[ParamRead, float] = {}
    for scale, leaf in leaves(e, 1.0):
        if fixed_value(leaf) is not None:
            continue
        size, powers, rest = _monomial(model, leaf)
        if len(rest) != 1:
            return None
        inner = rest[0]
        if isinstance(inner, Apply) and inner.operator == "log" and not powers:
            of = inner.arguments[0]
            if not _positive(model, of):
                return None
            assert isinstance(of, ParamRead)
            logs[of] = logs.get(of, 0.0) + scale * size
            continue
        if square is not None or scale * size <= 0:
            return None
        square = (scale * size, powers, inner)
    if square is None:
        return None
    _, powers, inner = square
    found = _distance(model, inner, (), bool(powers))
    if found is None:
        return None
    count = _count(found[1])
    if powers or logs:
        if count is None or powers.keys() != logs.keys():
            return None
        if any(abs(logs[p] + k * count / 2) > 1e-12 for p, k in powers.items()):
            return None
    return found


def _monomial(model: Model, e: Expr) -> tuple[float, dict[ParamRead, float], list[Expr]]:
    """Return a product as a constant, powers of positive params, and what is left."""
    value = fixed_value(e)
    if value is not None:
        return float(value), {}, []
    if _positive(model, e):
        assert isinstance(e, ParamRead)
        return 1.0, {e: 1.0}, []
    match e:
        case Apply(operator="*", arguments=(a, b)) if not equal(a, b):
            (x, p, r), (y, q, s) = _monomial(model, a), _monomial(model, b)
            return x * y, {k: p.get(k, 0.0) + q.get(k, 0.0) for k in p | q}, [*r, *s]
        case Apply(operator="/", arguments=(a, b)):
            (x, p, r), (y, q, s) = _monomial(model, a), _monomial(model, b)
            if s or not y:
                return 1.0, {}, [e]
            return x / y, {k: p.get(k, 0.0) - q.get(k, 0.0) for k in p | q}, r
        case Apply(operator="^", arguments=(a, k)) if _positive(model, a):
            power = fixed_value(k)
            if power is not None and isinstance(a, ParamRead):
                return 1.0, {a: float(power)}, []
    return 1.0, {}, [e]


def _positive(model: Model, e: Expr) -> bool:
    return isinstance(e, ParamRead) and model.params[e.name].constraint == "positive"


def _distance(model: Model, e: Expr, binders: tuple[Binder, ...], squared: bool) -> Found | None:
    match e:
        case Reduce(operator="sum", guard=None):
            inner = (*binders, Binder(e.index, e.low, e.high))
            return _distance(model, e.body, inner, squared)
        case Apply(operator="*", arguments=(a, b)) if equal(a, b):
            return _variable(model, a, binders)
        case Apply(operator="^", arguments=(a, k)) if fixed_value(k) == 2:
            return _variable(model, a, binders)
        case Apply(operator="abs", arguments=(a,)) if not squared:
            return _variable(model, a, binders)
    return None


def _variable(model: Model, d: Expr, binders: tuple[Binder, ...]) -> Found | None:
    """Return the real variable of a difference, which the rest does not read."""
    parts = list(leaves(d, 1.0))
    for scale, read in parts:
        if not scale or not isinstance(read, UnknownRead | GivenRead) or read.kind.sort != "real":
            continue
        others = [e for c, e in parts if (c, e) != (scale, read)]
        if len(others) == len(parts) - 1 and not any(n == read for e in others for n in walk(e)):
            return read, binders
    return None


def _count(binders: tuple[Binder, ...]) -> float | None:
    count = 1.0
    for b in binders:
        low, high = fixed_value(b.low), fixed_value(b.high)
        if low is None or high is None:
            return None
        count *= high - low + 1
    return count
