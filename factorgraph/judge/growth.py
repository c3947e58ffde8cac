"""Whether exp(-energy) can be summed, or integrated, over all answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from math import inf

from factorgraph.judge.covered import runs, whole
from factorgraph.judge.degree import NONE, Degree, degree
from factorgraph.judge.facts import Reason
from factorgraph.judge.interval import Ranges, mul, point
from factorgraph.judge.terms import Term, terms
from factorgraph.model.expression import (
    Apply,
    Expr,
    MapRead,
    ParamRead,
    Reduce,
    UnknownRead,
    fixed_value,
    walk,
)
from factorgraph.model.model import Binder, Model, Unknown


def normalisable(model: Model) -> tuple[bool | None, tuple[Reason, ...]]:
    """Return whether the integral is finite for all weights, None where it cannot be seen, and why.

    Finite unknowns and those between bounds always are. Others must each be held by a term that
    grows with them, against what else there is: a square against what grows linearly at most.
    """
    open_ = {n: u for n, u in model.unknowns.items()
             if u.kind.sort == "real" and not (u.low > -inf and u.high < inf)}  # fmt: skip
    if not open_:
        return True, ()
    every = [t for f in model.factors.values() if not f.hard for t in terms(f)]
    left = dict(open_)
    while left:
        told = {name: _held(model, name, unknown, every, open_) for name, unknown in left.items()}
        held = next((name for name, one in told.items() if one.holding), None)
        if held is None:
            worst = sorted(told.values(), key=lambda one: one.normalisable is None)[0]
            return worst.normalisable, worst.reasons
        every = [t for t in every if t not in told[held].holding]
        del left[held]
    return True, ()


@dataclass(frozen=True)
class _Held:
    """What is known of one unbounded unknown: the terms that hold it, or that none does."""

    holding: tuple[Term, ...] = ()
    normalisable: bool | None = None
    reasons: tuple[Reason, ...] = ()


def _held(
    model: Model, name: str, unknown: Unknown, every: list[Term], open_: dict[str, Unknown]
) -> _Held:
    """Look for what grows with an unknown: summed out first, it leaves at most a constant."""
    reading = [t for t in every if _reads(t.value, {name})]
    if not reading:
        text = f"nothing holds `{name}`, which is unbounded"
        return _Held((), False, (Reason(text, unknown.span),))
    ranges = Ranges(model)
    found: list[tuple[int, Term]] = []
    rest = []
    for t in reading:
        for b in t.binders:
            ranges.count(b.variable, b.low, b.high)
        grows = _power(model, name, t.value, t.binders) if t.scale > 0 else None
        if grows is not None:
            power, binders, read = grows
            box = None if t.guarded else runs(read.indices, binders, once=False)
            if box is not None and whole([box], unknown.axes):
                found.append((power, t))
                continue
        rest.append(t)
    below = [t for t in rest if mul(point(t.scale), ranges.split(t.value)).low == -inf]
    holding = tuple(t for _, t in found)
    if found and not below:
        return _Held(holding)
    alone = all(not _reads(t.value, open_.keys() - {name}) for t in holding)
    if (
        any(power >= 2 for power, _ in found)
        and alone
        and all(_linear(open_.keys(), t.value) for t in below)
    ):
        return _Held(holding)
    if not found and all(_linear({name}, t.value) for t in reading):
        text = f"the energy does not grow with `{name}`, which is unbounded, in all directions"
        return _Held((), False, (Reason(text, reading[0].value.span),))
    text = f"it cannot be seen that the energy grows with `{name}`, which is unbounded"
    return _Held((), None, (Reason(text, unknown.span),))


def _reads(e: Expr, names: Collection[str]) -> bool:
    return any(isinstance(n, UnknownRead) and n.name in names for n in walk(e))


def _linear(names: Collection[str], e: Expr) -> bool:
    """Return whether an expression is linear in some unknowns, together, at most."""

    def leaf(x: Expr) -> Degree | None:
        if isinstance(x, UnknownRead) and x.name in names:
            return Degree(1, 1)
        return None if isinstance(x, MapRead) and _reads(x, names) else NONE

    found = degree(e, leaf)
    return found is not None and found.high <= 1


def _power(
    model: Model, name: str, e: Expr, binders: tuple[Binder, ...]
) -> tuple[int, tuple[Binder, ...], UnknownRead] | None:
    def go(part: Expr) -> tuple[int, tuple[Binder, ...], UnknownRead] | None:
        return _power(model, name, part, binders)

    def scaled(
        found: tuple[int, tuple[Binder, ...], UnknownRead] | None, by: int
    ) -> tuple[int, tuple[Binder, ...], UnknownRead] | None:
        return None if found is None else (found[0] * by, found[1], found[2])

    match e:
        case Reduce(operator="sum", guard=None):
            return _power(model, name, e.body, (*binders, Binder(e.index, e.low, e.high)))
        case Apply(operator="abs", arguments=(a,)):
            return _distance(model, name, a, binders, 1)
        case Apply(operator="*", arguments=(a, b)) if a == b:
            return _distance(model, name, a, binders, 2)
        case Apply(operator="*", arguments=(a, b)):
            for held, other in ((a, b), (b, a)):
                if _positive(model, held):
                    return go(other)
        case Apply(operator="/", arguments=(a, b)):
            return go(a) if _positive(model, b) else None
        case Apply(operator="^", arguments=(a, k)):
            exponent = fixed_value(k) or 0
            if exponent == 2:
                return _distance(model, name, a, binders, 2) or scaled(go(a), 2)
            return go(a) if exponent == 1 else None
        case Apply(operator="sqrt", arguments=(a,)):
            found = go(a)
            return (1, *found[1:]) if found is not None and found[0] >= 2 else None
    return None


def _positive(model: Model, e: Expr) -> bool:
    value = fixed_value(e)
    if value is not None:
        return value > 0
    if isinstance(e, ParamRead):
        declared = model.params[e.name]
        return declared.constraint == "positive" or (
            declared.constraint == "interval" and declared.low > 0
        )
    return False


def _distance(
    model: Model, name: str, d: Expr, binders: tuple[Binder, ...], power: int
) -> tuple[int, tuple[Binder, ...], UnknownRead] | None:
    """Return the growth of |read - what does not read any open unknown| to a power."""
    match d:
        case Apply(operator="-" | "+", arguments=(a, b)):
            for own, other in ((a, b), (b, a)):
                if not _reads(other, {name}):
                    return _distance(model, name, own, binders, power)
            return None
        case Apply(operator="neg", arguments=(a,)):
            return _distance(model, name, a, binders, power)
        case Apply(operator="*", arguments=(a, b)):
            for scale, own in ((a, b), (b, a)):
                if fixed_value(scale):
                    return _distance(model, name, own, binders, power)
            return None
        case Apply(operator="/", arguments=(a, b)) if fixed_value(b):
            return _distance(model, name, a, binders, power)
        case UnknownRead() if d.name == name:
            return power, binders, d
    return None
