"""Interval arithmetic: the numbers that an expression may take, for all data and weights.

What is returned holds every value; it may hold more, where a quantity stands in two places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import cosh, exp, inf, isnan, log, log1p, sqrt, tanh

from factorgraph.judge.facts import Interval
from factorgraph.judge.simplify import Weights, equal, simplified
from factorgraph.model.expression import (
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    MapRead,
    ParamRead,
    Reduce,
    SizeOf,
    UnknownRead,
    Variable,
    fixed_value,
    free_variables,
    walk,
)
from factorgraph.model.model import FactorDeclaration, IndexSet, MapLayer, Model

LINE = Interval()
TRUTH = Interval(0.0, 1.0)
CASES = 64
"""Values of few-valued unknowns that are looked at one by one."""


def energy_range(
    model: Model,
    weights: Weights | None = None,
    least: int = 0,
    hard: bool = True,
    known: Mapping[Expr, Expr] | None = None,
) -> Interval:
    """Return a range that holds the energy of every configuration.

    Parameters
    ----------
    weights : what params and maps are set to; the others take every value they may.
    least : the least number that a size of the instance may be.
    hard : whether hard factors count, which may make it infinite.
    known : what takes the place of reads.
    """
    found = Interval(0.0, 0.0)
    for factor in model.factors.values():
        if factor.hard and not hard:
            continue
        found = add(found, factor_range(model, factor, weights, least, known))
    return found


def factor_range(
    model: Model,
    factor: FactorDeclaration,
    weights: Weights | None = None,
    least: int = 0,
    known: Mapping[Expr, Expr] | None = None,
) -> Interval:
    """Return a range that holds the sum of a factor's terms; 0 and +inf of a hard one."""
    if factor.hard:
        return Interval(0.0, inf)
    reader = Ranges(model, least)
    count = Interval(1.0, 1.0)
    for b in factor.binders:
        count = mul(count, reader.count(b.variable, b.low, b.high))
    value = simplified(factor.value, weights, known)
    guard = None if factor.guard is None else simplified(factor.guard, weights)
    if guard is not None and fixed_value(guard) != 1:
        count = Interval(0.0, count.high)
    return total(count, reader.split(value))


class Ranges:
    """Ranges of the expressions of a model."""

    def __init__(self, model: Model, least: int = 0) -> None:
        self.model = model
        self.least = float(least)
        self.known: dict[Expr, Interval] = {}
        self.index: dict[Variable, Interval] = {}

    def __call__(self, e: Expr) -> Interval:
        """Return the range of a number or truth value; that of a label's place for a label."""
        found = self.known.get(e)
        if found is None:
            found = self._of(e)
            if isnan(found.low) or isnan(found.high):
                found = LINE
            self.known[e] = found
        return found

    def split(self, e: Expr) -> Interval:
        """Return the range of a number, its few-valued unknowns taken value by value."""
        cases = [e]
        outer = free_variables(e)
        for read in dict.fromkeys(n for n in walk(e) if isinstance(n, UnknownRead)):
            values = self._values(read) if free_variables(read) <= outer else None
            if values is None or len(values) * len(cases) > CASES:
                continue
            cases = [
                simplified(case, None, {read: Const(e.span, read.kind, v)})
                for case in cases
                for v in values
            ]
        return hull([self(case) for case in cases])

    def _values(self, read: UnknownRead) -> list[int] | None:
        values = self.model.unknowns[read.name].values
        if values is None or values.domain is not None or values.fixed is None:
            return None
        return [values.low + k for k in range(values.fixed)] if values.fixed <= 4 else None

    def count(self, variable: Variable, low: Expr, high: Expr) -> Interval:
        """Return how many values an index may have; it is remembered what they are."""
        first, last = self(low), self(high)
        self.index[variable] = Interval(first.low, max(first.low, last.high))
        found = add(sub(last, first), Interval(1.0, 1.0))
        return Interval(max(0.0, found.low), max(0.0, found.high))

    def of_set(self, values: IndexSet | None) -> Interval:
        """Return the range of the values of a finite set, places for labels."""
        if values is None:
            return LINE
        return Interval(values.low, values.low + max(0.0, self(values.count).high - 1))

    def _of(self, e: Expr) -> Interval:
        match e:
            case Const():
                return LINE if isinstance(e.value, str) else point(float(e.value))
            case Variable():
                return self.index.get(e, LINE)
            case SizeOf():
                return Interval(self.least, inf)
            case DomainSize():
                return Interval(1.0, inf)
            case LengthOf():
                return Interval(self.least, inf)
            case GivenRead():
                return self._given(e.name)
            case LetRead():
                let = self.model.lets[e.name]
                for b in let.binders:
                    self.count(b.variable, b.low, b.high)
                return self(let.value)
            case UnknownRead():
                unknown = self.model.unknowns[e.name]
                if unknown.values is not None:
                    return self.of_set(unknown.values)
                return Interval(unknown.low, unknown.high)
            case FieldRead():
                fields = self.model.unknowns[e.base.name].fields
                return next((self.of_set(f.values) for f in fields if f.name == e.field), LINE)
            case ParamRead():
                return self._param(e.name)
            case MapRead():
                return map_range(self.model.maps[e.name].layer)
            case Distinct():
                return TRUTH
            case Reduce():
                return self._reduce(e)
            case Apply():
                return self._apply(e)
        return LINE

    def _given(self, name: str) -> Interval:
        base, _, field = name.partition(".")
        given = self.model.givens.get(base)
        if given is None:  # the lengths of a ragged axis
            return Interval(0.0, inf)
        if field:
            found = next((f for f in given.fields if f.name == field), None)
            return LINE if found is None else self.of_set(found.values)
        return self.of_set(given.values)

    def _param(self, name: str) -> Interval:
        declared = self.model.params[name]
        match declared.constraint:
            case "positive":
                return Interval(0.0, inf)
            case "interval":
                return Interval(declared.low, declared.high)
            case "unit":
                return Interval(-1.0, 1.0)
            case "simplex":
                return TRUTH
        return LINE

    def _reduce(self, e: Reduce) -> Interval:
        count = self.count(e.index, e.low, e.high)
        body = self(e.body)
        if e.guard is not None:
            count = Interval(0.0, count.high)
        if e.operator == "sum":
            return total(count, body)
        if count.low >= 1:
            return body
        return Interval(body.low, inf) if e.operator == "min" else Interval(-inf, body.high)

    def _apply(self, e: Apply) -> Interval:
        args = e.arguments
        match e.operator:
            case "if":
                when = self(args[0])
                yes, no = self(args[1]), self(args[2])
                if when.low > 0:
                    return yes
                return no if when.high <= 0 else hull([yes, no])
            case "position":
                return self(args[0])
            case "require":
                return self(args[1])
            case "*" if equal(*args):
                return power(self(args[0]), 2.0)
            case "-" if equal(*args):
                return point(0.0)
            case "^":
                exponent = fixed_value(args[1])
                if exponent is not None:
                    return power(self(args[0]), float(exponent))
                return Interval(0.0, inf) if self(args[0]).low >= 0 else LINE
            case "hash" | "feature":
                return Interval(-1.0, inf)
        if e.operator in _RULES:
            return _RULES[e.operator](*map(self, args))
        return TRUTH if e.kind.sort == "bit" else LINE


def map_range(layer: MapLayer) -> Interval:
    """Return what the numbers of a map's output may be."""
    if layer.sort == "chain":
        last = [one for one in layer.layers if one.sort != "pool"]
        return map_range(last[-1]) if last else LINE
    if layer.sort != "conv":
        return LINE  # linear, and the last layer of an mlp
    return {
        "relu": Interval(0.0, inf),
        "softplus": Interval(0.0, inf),
        "sigmoid": TRUTH,
        "tanh": Interval(-1.0, 1.0),
    }.get(layer.act, LINE)


# -- arithmetic; 0 times infinity is 0, the limit that matters where a number may be exactly 0


def point(value: float) -> Interval:
    """Return the range of a number that is known."""
    return Interval(value, value)


def hull(parts: list[Interval]) -> Interval:
    """Return the least range that holds some ranges."""
    return Interval(min(p.low for p in parts), max(p.high for p in parts))


def add(a: Interval, b: Interval) -> Interval:
    """Return the range of a sum."""
    low = -inf if -inf in (a.low, b.low) else a.low + b.low
    return Interval(low, inf if inf in (a.high, b.high) else a.high + b.high)


def neg(a: Interval) -> Interval:
    """Return the range of the negated number."""
    return Interval(-a.high, -a.low)


def sub(a: Interval, b: Interval) -> Interval:
    """Return the range of a difference."""
    return add(a, neg(b))


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def mul(a: Interval, b: Interval) -> Interval:
    """Return the range of a product of independent numbers."""
    ends = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Interval(min(ends), max(ends))


def total(count: Interval, body: Interval) -> Interval:
    """Return the range of the sum of so many numbers."""
    low = _times(count.low if body.low >= 0 else count.high, body.low)
    return Interval(low, _times(count.low if body.high <= 0 else count.high, body.high))


def _div(a: Interval, b: Interval) -> Interval:
    if b.low > 0 or b.high < 0:
        return mul(a, Interval(_inverse(b.high), _inverse(b.low)))
    if b.low == 0 < b.high:
        return mul(a, Interval(_inverse(b.high), inf))
    if b.low < 0 == b.high:
        return mul(a, Interval(-inf, _inverse(b.low)))
    return LINE


def _inverse(x: float) -> float:
    return 0.0 if abs(x) == inf else 1.0 / x


def power(a: Interval, exponent: float) -> Interval:
    """Return the range of a number to a known power."""
    if exponent == 0:
        return point(1.0)
    if exponent < 0:
        return _div(point(1.0), power(a, -exponent))
    if exponent == int(exponent):
        ends = (_pow(a.low, exponent), _pow(a.high, exponent))
        if exponent % 2:
            return Interval(*ends)
        return Interval(0.0 if a.low <= 0 <= a.high else min(ends), max(ends))
    if a.low >= 0:
        return Interval(_pow(a.low, exponent), _pow(a.high, exponent))
    return LINE


def _pow(x: float, exponent: float) -> float:
    try:
        return float(x**exponent)
    except OverflowError:
        return inf if x > 0 or exponent % 2 == 0 else -inf


def _rising(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    return lambda a: Interval(function(a.low), function(a.high))


def _exp(x: float) -> float:
    return inf if x > 709 else exp(x)


def _log(x: float) -> float:
    return -inf if x <= 0 else log(x)


def _softplus(x: float) -> float:
    return max(x, 0.0) + log1p(exp(-abs(x)))


def _sigmoid(x: float) -> float:
    small = exp(-abs(x))
    return (small if x < 0 else 1.0) / (1.0 + small)


def _abs(a: Interval) -> Interval:
    ends = (abs(a.low), abs(a.high))
    return Interval(0.0 if a.low <= 0 <= a.high else min(ends), max(ends))


def _cosh(a: Interval) -> Interval:
    size = _abs(a)
    return Interval(*(inf if x > 709 else cosh(x) for x in (size.low, size.high)))


def _floor(a: Interval, b: Interval) -> Interval:
    found = _div(a, b)
    return Interval(found.low - 1, found.high)


def _modulo(a: Interval, b: Interval) -> Interval:
    return Interval(min(0.0, b.low), max(0.0, b.high))


def _less(a: Interval, b: Interval) -> Interval:
    return Interval(float(a.high < b.low), float(a.low < b.high))


def _at_most(a: Interval, b: Interval) -> Interval:
    return Interval(float(a.high <= b.low), float(a.low <= b.high))


def _equal(a: Interval, b: Interval) -> Interval:
    same = a.low == a.high == b.low == b.high
    return Interval(float(same), float(a.low <= b.high and b.low <= a.high))


def _not(a: Interval) -> Interval:
    return Interval(float(a.high <= 0), float(a.low <= 0))


def _lower(a: Interval, b: Interval) -> Interval:
    return Interval(min(a.low, b.low), min(a.high, b.high))


def _greater(a: Interval, b: Interval) -> Interval:
    return Interval(max(a.low, b.low), max(a.high, b.high))


_RULES: dict[str, Callable[..., Interval]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": _div,
    "//": _floor,
    "%": _modulo,
    "neg": neg,
    "abs": _abs,
    "min": _lower,
    "max": _greater,
    "exp": _rising(_exp),
    "log": _rising(_log),
    "sqrt": _rising(lambda x: sqrt(max(0.0, x))),
    "tanh": _rising(tanh),
    "cosh": _cosh,
    "sigmoid": _rising(_sigmoid),
    "softplus": _rising(_softplus),
    "<": _less,
    "<=": _at_most,
    ">": lambda a, b: _less(b, a),
    ">=": lambda a, b: _at_most(b, a),
    "not": _not,
}
