"""Typed losses: what the checker makes of a formula.

A loss is an expression like any other, over numbers that the model gives: energies of regions
and of configurations, values in configurations, extrema over regions. Each of those is a read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from math import inf
from typing import Any

from factorgraph.model.expression import Apply, Expr, Kind, Read, Reduce
from factorgraph.model.model import Binder
from factorgraph.model.region import Algorithms, Best, Bound, Configuration, Draw, Energy, Region
from factorgraph.source import Source, Span
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class LossRead(Read):
    """A number that a loss gets from the model; ``name`` is what messages call it."""


@dataclass(eq=False, repr=False)
class RegionEnergy(LossRead):
    """The soft minimum of an energy over a region; the minimum where beta is inf.

    Attributes
    ----------
    by : how it is found, None where the choice is left.
    """

    energy: Energy
    region: Region
    beta: float
    by: Algorithms | None

    def parts(self) -> tuple[Expr, ...]:
        return (*self.energy.parts(), *self.region.parts())


@dataclass(eq=False, repr=False)
class EnergyAt(LossRead):
    """The energy of one configuration."""

    energy: Energy
    configuration: Configuration

    def parts(self) -> tuple[Expr, ...]:
        return self.energy.parts()


@dataclass(eq=False, repr=False)
class ValueIn(LossRead):
    """The value that an unknown has in a configuration.

    Attributes
    ----------
    indices : positions from 0; none for a sequence.
    field : of a record, None for the whole value.
    """

    configuration: Configuration
    unknown: str
    field: str | None = None


@dataclass(eq=False, repr=False)
class SpellingIn(LossRead):
    """The labels of a sequence in a configuration, joined to one text."""

    configuration: Configuration
    unknown: str


@dataclass(eq=False, repr=False)
class IsObserved(LossRead):
    """Whether the data say what an answer is: a truth value, known before training."""

    unknown: str


@dataclass(eq=False, repr=False)
class Extremum(LossRead):
    """``min``, ``max`` or ``softmin`` of a number over the configurations of a region.

    Attributes
    ----------
    configuration : what runs over the region.
    beta : of the soft minimum; inf for the others.
    body : the number.
    split : the body as a sum of energies and small terms, None where it is no such sum.
    """

    operator: str
    configuration: Bound
    region: Region
    beta: float
    by: Algorithms | None
    body: Expr
    split: Split | None

    def parts(self) -> tuple[Expr, ...]:
        return (*self.region.parts(), self.body)


@dataclass(eq=False, repr=False)
class OverDraws(LossRead):
    """The sum of a number over drawn configurations, which are constants to the gradient."""

    configuration: Bound
    region: Draw
    body: Expr

    def parts(self) -> tuple[Expr, ...]:
        return (*self.region.parts(), self.body)


@dataclass(eq=False, repr=False)
class Coordinate(LossRead):
    """A configuration's value at the real answer at hand."""

    configuration: Configuration


@dataclass(eq=False, repr=False)
class Gradient(LossRead):
    """The derivative of the energy in the real answer at hand, at a configuration."""

    configuration: Configuration


@dataclass(eq=False, repr=False)
class Laplacian(LossRead):
    """The sum of the energy's second derivatives in the real answers, at a configuration."""

    configuration: Configuration


@dataclass(eq=False, repr=False)
class OverCoordinates(LossRead):
    """``sum``, ``min`` or ``max`` of a number over all real answers."""

    operator: str
    body: Expr

    def parts(self) -> tuple[Expr, ...]:
        return (self.body,)


# -- sums of small terms


@dataclass(eq=False, repr=False)
class Term(Value):
    """``weight * body`` for each value of the binders where the guard holds.

    A value of the answer that is not observed makes no term: where the body or the weight reads
    one, it counts nothing.

    Attributes
    ----------
    weight : reads no value of the configuration that is run over.
    body : reads it at the places of ``reads`` alone; no unknowns but those are needed.
    reads : distinct; their indices read data and binders only.
    """

    binders: tuple[Binder, ...]
    guard: Expr | None
    weight: Expr
    body: Expr
    reads: tuple[LossRead, ...]


@dataclass(eq=False, repr=False)
class Split(Value):
    """A function of a configuration as a sum.

    Attributes
    ----------
    energies : coefficients and energies of the configuration.
    terms : small functions of it, such as mistakes.
    constant : what does not read it.
    """

    energies: tuple[tuple[Expr, Energy], ...]
    terms: tuple[Term, ...]
    constant: Expr


@dataclass(eq=False, repr=False)
class Formula(Value):
    """A loss, checked.

    Attributes
    ----------
    text : as the user wrote it.
    value : a real number.
    used : the library definitions that it needs, as text; those that mean the same in the
        model's text.
    """

    span: Span = field(compare=False, repr=False)
    text: str
    value: Expr
    used: tuple[str, ...] = ()


# -- questions


def rebuilt(value: Any, change: Callable[[Expr], Expr | None]) -> Any:
    """Return an expression, or anything that holds some, with parts replaced.

    ``change`` gives the new expression, None where the old one stays and its parts are looked at.
    """
    if isinstance(value, Expr):
        new = change(value)
        if new is not None:
            return new
    if isinstance(value, tuple):
        return tuple(rebuilt(item, change) for item in value)
    if not is_dataclass(value) or isinstance(value, type | Span | Source | Kind):
        return value
    changed = {}
    for f in fields(value):
        old = getattr(value, f.name)
        new = rebuilt(old, change)
        if new is not old and new != old:
            changed[f.name] = new
    return replace(value, **changed) if changed else value


WITHOUT_SLOPE = frozenset("== != < <= > >= and or not => // % position".split())


def has_slope(e: Expr) -> bool:
    """Return whether a number changes smoothly with the weights, by way of an energy."""
    match e:
        case Apply(operator=operator):
            if operator in WITHOUT_SLOPE:
                return False
            return any(map(has_slope, e.arguments[1:] if operator == "if" else e.arguments))
        case Reduce() | Extremum() | OverDraws() | OverCoordinates():
            return has_slope(e.body)
        case RegionEnergy() | EnergyAt() | Gradient() | Laplacian():
            return True
        case Coordinate():
            return isinstance(e.configuration, Best)
        case ValueIn():
            return isinstance(e.configuration, Best) and e.kind.sort == "real"
    return False


def temperature(e: RegionEnergy | Extremum) -> str:
    """Return ``min`` or ``soft``: how what is free in a region is got rid of."""
    return "min" if e.beta == inf else "soft"
