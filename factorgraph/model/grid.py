"""Real unknowns on a grid: the same model with a choice among points in place of each number.

A real unknown becomes a finite one, and a read of it a read of the points. The first states are
the points of the grid, the same in all instances. One more is the observed value, wherever it
lies; the rest are points of the instance that are moved about where the least energy is refined.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import floor, inf

from factorgraph.errors import ModelError
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    DomainSize,
    Expr,
    GivenRead,
    UnknownRead,
)
from factorgraph.model.loss import rebuilt
from factorgraph.model.model import FactorDeclaration, Given, IndexSet, Model, Unknown
from factorgraph.model.names import not_built
from factorgraph.source import Span
from factorgraph.value import Value

MOST = 2**16
"""Points of one unknown; the least energy is refined between them."""

SIDE = 4
"""Points on each side of the best one, where it is refined."""

REFINED = 2 * SIDE + 1


@dataclass(eq=False, repr=False)
class Grid(Value):
    """The points that stand for a real unknown: ``low + k * step``, up to ``high``.

    Attributes
    ----------
    refine : whether the least energy is looked for between the points, too.
    """

    name: str
    low: float
    high: float
    step: float
    refine: bool = True

    @property
    def count(self) -> int:
        """How many points there are."""
        return floor((self.high - self.low) / self.step + 1e-9) + 1

    @property
    def points(self) -> list[float]:
        """The points, rising."""
        return [min(self.low + k * self.step, self.high) for k in range(self.count)]

    @property
    def label(self) -> int:
        """The state that is the observed value; those that are refined follow it."""
        return self.count

    @property
    def places(self) -> str:
        """The name of the given that holds all points: no user's name begins with a digit."""
        return f"0{self.name}"

    @property
    def own(self) -> str:
        """The name of the given that tells where the points of each variable begin."""
        return f"1{self.name}"

    def point(self, read: UnknownRead) -> Expr:
        """Return the number that a read of the unknown stands for."""
        span = read.span
        state = replace(read, kind=INT)
        first = GivenRead(span, INT, self.own, read.indices)
        shared = Apply(span, BIT, "<", (state, Const(span, INT, self.count)))
        other = Apply(span, INT, "+", (first, state))
        place = Apply(span, INT, "if", (shared, state, other))
        return GivenRead(span, REAL, self.places, (place,))


def is_real(unknown: Unknown) -> bool:
    """Return whether an unknown is a real number, or an array of them."""
    return unknown.kind == REAL and not unknown.fields


def on_grid(model: Model, step: float, refine: bool, span: Span) -> Model:
    """Return a model with its real unknowns on a grid.

    Parameters
    ----------
    step : between neighbouring points, above 0.
    refine : whether the least energy is looked for between them, too.
    span : where the step is asked for.

    Raises
    ------
    NotBuiltError : an unknown has no ends.
    ModelError : ``E0129``, there would be too many points.
    """
    grids: dict[str, Grid] = {}
    unknowns, givens = dict(model.unknowns), dict(model.givens)
    for name, unknown in model.unknowns.items():
        if not is_real(unknown):
            continue
        if inf in (-unknown.low, unknown.high):
            raise not_built(
                f"a grid over `{name}`, which has no ends", unknown.span,
                hint=f"say where it lies: {unknown.role} {name} : real(-1, 1)",
            )  # fmt: skip
        grid = grids[name] = Grid(name, unknown.low, unknown.high, step, refine)
        if grid.high - grid.low > step * MOST:
            raise ModelError(
                f"a step of {step:g} puts more than {MOST} points on `{name}`", code="E0129",
                span=span, hint="take a longer one: the least energy is refined between the points",
            )  # fmt: skip
        states = IndexSet(grid.places, 0, DomainSize(unknown.span, INT, grid.places))
        unknowns[name] = replace(unknown, kind=INT, values=states)
        every = IndexSet(grid.places, 0, DomainSize(unknown.span, INT, grid.places))
        givens[grid.places] = Given(grid.places, unknown.span, (every,), REAL, None)
        givens[grid.own] = Given(grid.own, unknown.span, unknown.axes, INT, None)
    if not grids:
        return model
    change = points_of(grids)
    factors = {
        name: _factor(factor, change, tuple(grids)) for name, factor in model.factors.items()
    }
    return replace(
        model, unknowns=unknowns, givens=givens, factors=factors, grids=grids, real=model
    )


def points_of(grids: dict[str, Grid]) -> Callable[[Expr], Expr | None]:
    """Return what turns reads of real unknowns into reads of points, for `rebuilt`."""

    def change(e: Expr) -> Expr | None:
        if isinstance(e, UnknownRead) and e.kind == REAL and e.name in grids:
            indices = tuple(rebuilt(i, change) for i in e.indices)
            return grids[e.name].point(replace(e, indices=indices))
        return None

    return change


def _factor(
    factor: FactorDeclaration, change: Callable[[Expr], Expr | None], names: tuple[str, ...]
) -> FactorDeclaration:
    scope = tuple(
        replace(r, kind=INT) if isinstance(r, UnknownRead) and r.name in names else r
        for r in factor.scope
    )
    value: Expr = rebuilt(factor.value, change)
    return replace(factor, value=value, scope=scope)
