"""A factor cut where data choose among scopes: only the branch taken has unknowns to read.

``if t > 0 then V[y[t-1], y[t]] else B[y[t]]`` is a factor over two unknowns in rows with t > 0 and
over one in the others: two pieces, each with a guard of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from factorgraph.model.arrays import fresh, integer
from factorgraph.model.expression import (
    BIT,
    Apply,
    Distinct,
    Expr,
    UnknownRead,
    Variable,
    fixed_value,
    is_data,
    reads,
    replaced,
    walk,
)
from factorgraph.model.functions import apply
from factorgraph.model.model import Binder, FactorDeclaration, Model

Piece = tuple[tuple[Expr, ...], Expr]
"""The conditions on data under which an expression counts, and the expression."""

MOST = 16
"""Pieces of one factor; one that would have more is left whole."""


def pieces(model: Model, factor: FactorDeclaration) -> tuple[FactorDeclaration, ...]:
    """Return factors whose sum a factor is, most often the factor alone.

    Their names are the factor's; they differ in guard, value and scope. A factor is cut only
    where a branch reads an unknown that another row may not have.
    """
    if factor.hard and isinstance(factor.value, Distinct):
        return (_pairs(factor, factor.value),)
    risky = frozenset(
        r for r in factor.scope if isinstance(r, UnknownRead) and not _inside(model, factor, r)
    )
    if not risky:
        return (factor,)
    knife = _Knife(risky)
    found = knife.conditions(factor.value) if factor.hard else knife.terms(factor.value)
    if not _cut(found) or len(found) > MOST:
        return (factor,)
    idle = 1 if factor.hard else 0
    kept = [(conditions, value) for conditions, value in found if fixed_value(value) != idle]
    out = []
    for conditions, value in kept or found[:1]:
        guard = factor.guard
        for condition in conditions:
            guard = condition if guard is None else _and(guard, condition)
        scope = tuple(r for r in factor.scope if r in reads(value, UnknownRead))
        out.append(replace(factor, guard=guard, value=value, scope=scope))
    return tuple(out)


def _pairs(factor: FactorDeclaration, value: Distinct) -> FactorDeclaration:
    """Return *all different* as a rule for each pair: the same energy, but over two unknowns."""
    binders = list(factor.binders)
    sides: list[Expr] = []
    order: Expr | None = None  # the first of a pair stands before the second
    equal: Expr | None = None
    guard = factor.guard
    moved = [(v, fresh(v.name, v.span, v.kind)) for v, _, _ in value.indices]
    for (v, low, high), (_, w) in zip(value.indices, moved, strict=True):
        there = [_other(end, moved) for end in (low, high)]
        binders += [Binder(v, low, high), Binder(w, *there)]
        less = Apply(v.span, BIT, "<", (v, w))
        here = less if equal is None else _and(equal, less)
        order = here if order is None else Apply(v.span, BIT, "or", (order, here))
        same = Apply(v.span, BIT, "==", (v, w))
        equal = same if equal is None else _and(equal, same)
    for change in ([], moved):
        sides.append(_other(value.body, change))
        if value.guard is not None:
            one = _other(value.guard, change)
            guard = one if guard is None else _and(guard, one)
    assert order is not None
    guard = order if guard is None else _and(guard, order)
    rule = Apply(value.span, BIT, "!=", (sides[0], sides[1]))
    scope = tuple(reads(rule, UnknownRead))
    return replace(factor, binders=tuple(binders), guard=guard, value=rule, scope=scope)


def _other(e: Expr, moved: list[tuple[Variable, Variable]]) -> Expr:
    """Return an expression with other indices."""
    for old, new in moved:
        e = replaced(e, old, new)
    return e


def _and(a: Expr, b: Expr) -> Expr:
    return Apply(b.span, BIT, "and", (a, b))


def _inside(model: Model, factor: FactorDeclaration, read: UnknownRead) -> bool:
    """Return whether every row of a factor has an unknown, by the ranges of the binders alone."""
    ends = {b.variable: (b.low, b.high) for b in factor.binders}
    axes = model.unknowns[read.name].axes
    if len(axes) != len(read.indices):  # an element of a sequence
        return True
    for index, axis in zip(read.indices, axes, strict=True):
        back = 0.0
        if isinstance(index, Apply) and index.operator == "-":
            index, step = index.arguments
            back = fixed_value(step) or -1
        if not isinstance(index, Variable) or index not in ends or back < 0:
            return False
        low, high = ends[index]
        first = fixed_value(low)
        last = apply(high.span, "-", axis.count, integer(high.span, 1))
        if first is None or first - back < 0 or high != last:
            return False
    return True


def _not(e: Expr) -> Expr:
    return Apply(e.span, BIT, "not", (e,))


def _under(condition: Expr, found: list[Piece]) -> list[Piece]:
    return [((condition, *conditions), value) for conditions, value in found]


def _each(found: list[Piece], change: Callable[[Expr], Expr]) -> list[Piece]:
    return [(conditions, change(value)) for conditions, value in found]


def _cut(found: list[Piece]) -> bool:
    return any(conditions for conditions, _ in found)


@dataclass(frozen=True)
class _Knife:
    """Cuts expressions where data choose whether unknowns are read that a row may not have."""

    risky: frozenset[UnknownRead]

    def of(self, e: Expr) -> set[UnknownRead]:
        return {n for n in walk(e) if isinstance(n, UnknownRead)} & self.risky

    def terms(self, e: Expr) -> list[Piece]:
        """Return the pieces of a cost, which add up."""
        whole: list[Piece] = [((), e)]
        if not isinstance(e, Apply) or e.operator not in ("if", "neg", "+", "-", "*"):
            return whole
        if e.operator == "if":
            condition, yes, no = e.arguments
            if not is_data(condition):
                return whole
            branches = self.terms(yes), self.terms(no)
            if not any(map(_cut, branches)) and self.of(yes) == self.of(no):
                return whole
            return _under(condition, branches[0]) + _under(_not(condition), branches[1])
        found = [self.terms(part) for part in e.arguments]
        cut = [k for k, part in enumerate(found) if _cut(part)]
        if not cut:
            return whole
        match e.operator:
            case "neg":
                return _each(found[0], lambda value: replace(e, arguments=(value,)))
            case "+":
                return found[0] + found[1]
            case "-":
                negative = Apply(e.span, e.kind, "neg", (e.arguments[1],))
                return found[0] + _each(found[1], lambda v: replace(negative, arguments=(v,)))
        if len(cut) == 2:
            return whole
        left, right = e.arguments
        if cut == [0]:
            return _each(found[0], lambda value: replace(e, arguments=(value, right)))
        return _each(found[1], lambda value: replace(e, arguments=(left, value)))

    def conditions(self, e: Expr) -> list[Piece]:
        """Return the pieces of a hard factor's condition, which all must hold."""
        whole: list[Piece] = [((), e)]
        if not isinstance(e, Apply):
            return whole
        match e.operator:
            case "if":
                condition, yes, no = e.arguments
                if is_data(condition) and self.of(yes) != self.of(no):
                    return _under(condition, self.conditions(yes)) + _under(
                        _not(condition), self.conditions(no)
                    )
            case "=>" | "or":
                left, right = e.arguments
                if is_data(left) and self.of(right):
                    condition = left if e.operator == "=>" else _not(left)
                    return _under(condition, self.conditions(right))
            case "and":
                left, right = e.arguments
                found = self.conditions(left) + self.conditions(right)
                if _cut(found):
                    return found
        return whole
