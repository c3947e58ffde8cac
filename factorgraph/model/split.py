"""Functions of a configuration as sums of energies and small terms.

What is a sum of terms that each read the configuration at a few places can be minimised together
with an energy, by the same inference: the terms become tables beside those of the factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factorgraph.model.arrays import integer
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Expr,
    Reduce,
    free_variables,
    walk,
)
from factorgraph.model.loss import EnergyAt, IsObserved, LossRead, Split, Term, ValueIn
from factorgraph.model.model import Binder
from factorgraph.model.region import Bound, Energy, Observed


def split(body: Expr, configuration: Bound) -> Split | None:
    """Return a function of a configuration as a sum, or None where it is none.

    Parameters
    ----------
    body : a number that may read values and energies of the configuration.
    configuration : what is run over.
    """
    splitter = _Splitter(configuration)
    inner = _Frame((), None, None)
    if not splitter.take(body, inner):
        return None
    constant: Expr = Const(body.span, REAL, 0.0)
    for part in splitter.constants:
        constant = Apply(body.span, REAL, "+", (constant, part))
    return Split(tuple(splitter.energies), tuple(splitter.terms), constant)


@dataclass(frozen=True)
class _Frame:
    """What stands around a part: sums, conditions, and what it is multiplied with."""

    binders: tuple[Binder, ...]
    guard: Expr | None
    weight: Expr | None

    def times(self, factor: Expr) -> _Frame:
        weight = factor if self.weight is None else _apply("*", self.weight, factor)
        return _Frame(self.binders, self.guard, weight)

    def over(self, factor: Expr) -> _Frame:
        one: Expr = Const(factor.span, REAL, 1.0)
        weight = one if self.weight is None else self.weight
        return _Frame(self.binders, self.guard, _apply("/", weight, factor))

    def where(self, guard: Expr) -> _Frame:
        both = guard if self.guard is None else Apply(guard.span, BIT, "and", (self.guard, guard))
        return _Frame(self.binders, both, self.weight)

    def summed(self, value: Expr) -> Expr:
        """Return the sum of a value over the binders."""
        guard = self.guard
        if guard is not None and not self.binders:
            zero = Const(value.span, REAL, 0.0)
            return Apply(value.span, REAL, "if", (guard, value, zero))
        for b in reversed(self.binders):
            value = Reduce(value.span, REAL, "sum", b.variable, b.low, b.high, guard, value)
            guard = None
        return value


class _Splitter:
    def __init__(self, configuration: Bound) -> None:
        self.configuration = configuration
        self.energies: list[tuple[Expr, Energy]] = []
        self.terms: list[Term] = []
        self.constants: list[Expr] = []

    def reads(self, e: Expr) -> bool:
        """Return whether a part depends on the configuration."""
        return any(getattr(n, "configuration", None) == self.configuration for n in walk(e))

    def take(self, e: Expr, frame: _Frame) -> bool:
        """Add a part to the sum; return False where it cannot be."""
        if not self.reads(e):
            weighed = e if frame.weight is None else _apply("*", frame.weight, e)
            self.constants.append(frame.summed(weighed))
            return True
        match e:
            case EnergyAt(energy=energy):
                weight = frame.weight or integer(e.span, 1)
                self.energies.append((frame.summed(weight), energy))
                bound = {b.variable for b in frame.binders}
                return not any(free_variables(part) & bound for part in energy.parts())
            case Apply(operator="+", arguments=(a, b)):
                return self.take(a, frame) and self.take(b, frame)
            case Apply(operator="-", arguments=(a, b)):
                return self.take(a, frame) and self.take(b, frame.times(integer(e.span, -1)))
            case Apply(operator="neg", arguments=(a,)):
                return self.take(a, frame.times(integer(e.span, -1)))
            case Apply(operator="*", arguments=(a, b)) if not (self.reads(a) and self.reads(b)):
                known, other = (b, a) if self.reads(a) else (a, b)
                return self.take(other, frame.times(known))
            case Apply(operator="/", arguments=(a, b)) if not self.reads(b):
                return self.take(a, frame.over(b))
            case Apply(operator="if", arguments=(c, yes, no)) if not self.reads(c):
                if not self.small(e):
                    other_case = Apply(c.span, BIT, "not", (c,))
                    return self.take(yes, frame.where(c)) and self.take(no, frame.where(other_case))
            case Reduce(operator="sum") if not (self.reads(e.low) or self.reads(e.high)):
                if e.guard is None or not self.reads(e.guard):
                    binder = Binder(e.index, e.low, e.high)
                    inner = _Frame((*frame.binders, binder), frame.guard, frame.weight)
                    return self.take(e.body, inner if e.guard is None else inner.where(e.guard))
        if not self.small(e):
            return False
        weight = frame.weight or integer(e.span, 1)
        term = Term(frame.binders, frame.guard, weight, e, self.values(e))
        self.terms.append(term)
        return True

    def values(self, e: Expr) -> tuple[LossRead, ...]:
        found: dict[LossRead, None] = {}
        for node in walk(e):
            if isinstance(node, ValueIn) and node.configuration == self.configuration:
                found.setdefault(node)
        return tuple(found)

    def small(self, e: Expr) -> bool:
        """Return whether a part reads the configuration at a few places that data tell."""
        inside = {n.index for n in walk(e) if isinstance(n, Reduce)}
        for node in walk(e):
            if not isinstance(node, LossRead) or isinstance(node, IsObserved):
                continue
            if not isinstance(node, ValueIn):
                return False
            if isinstance(node.configuration, Observed):
                continue
            if node.configuration != self.configuration:
                return False
            if node.kind.sort == "sequence":
                return _additive(e, node)
            for index in node.indices:
                if self.reads(index) or free_variables(index) & inside:
                    return False
        return True


def _additive(e: Expr, read: ValueIn) -> bool:
    """Return whether a function of a whole sequence is a sum over its elements."""
    return isinstance(e, Apply) and e.operator == "mistakes" and read in e.arguments


def _apply(operator: str, *arguments: Expr) -> Expr:
    kind = INT if operator != "/" and all(a.kind == INT for a in arguments) else REAL
    return Apply(arguments[0].span, kind, operator, arguments)


def sums(parts: Sequence[Expr], operator: str) -> Expr:
    """Return parts combined: their sum, least or greatest."""
    result = parts[0]
    for part in parts[1:]:
        both = "+" if operator == "sum" else operator
        result = _apply(both, result, part)
    return result
