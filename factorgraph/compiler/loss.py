"""Loss formulas: from the typed formula to probes of the model and arithmetic over their values.

A loss sees the model only through probes: the least energy or the free energy of a region of
configurations. A formula over them is differentiated like any other expression; the slopes are
the weights with which each probe's cotangents enter the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf

from factorgraph.compiler.differentiate import derivative
from factorgraph.errors import NotBuiltError
from factorgraph.model.expression import (
    REAL,
    Apply,
    Const,
    Expr,
    LetRead,
    MapRead,
    Read,
    Reduce,
    SizeOf,
    is_larger,
    walk,
)
from factorgraph.model.formula import check_formula
from factorgraph.model.library import is_standard
from factorgraph.model.loss import (
    Coordinate,
    EnergyAt,
    Extremum,
    Formula,
    Gradient,
    IsObserved,
    Laplacian,
    LossRead,
    OverCoordinates,
    OverDraws,
    RegionEnergy,
    SpellingIn,
    ValueIn,
)
from factorgraph.model.model import Model
from factorgraph.model.names import not_built
from factorgraph.model.region import (
    Answer,
    Anything,
    Best,
    Draw,
    Jitter,
    Only,
    Part,
    Pin,
    Region,
    Sample,
    Second,
    Wrong,
)
from factorgraph.model.resolve import PARTS
from factorgraph.source import Span
from factorgraph.syntax import tree as t


@dataclass(frozen=True)
class Probe:
    """One look at the model: the soft minimum of the energy over a region.

    Attributes
    ----------
    region : ``answer`` (agrees with what is observed), ``any``, or ``wrong`` (differs from it).
    beta : inverse temperature; inf is the minimum itself.
    """

    region: str
    beta: float

    def __str__(self) -> str:
        if self.beta == inf:
            return f"E({self.region})"
        return f"free({self.region}, beta = {self.beta:g})"


@dataclass(eq=False, repr=False)
class ProbeValue(Expr):
    """The value of probe ``number`` in a loss."""

    number: int


@dataclass(frozen=True)
class LossProgram:
    """A loss, planned.

    Attributes
    ----------
    name : what the user chose, as text.
    probes : the distinct probes; inference runs once for each.
    value : the loss of one instance as an expression over the probes' values.
    slopes : its derivatives in the probes' values, in their order.
    used : the library definitions that the formula needs, as text.
    """

    name: str
    probes: tuple[Probe, ...]
    value: Expr
    slopes: tuple[Expr, ...]
    used: tuple[str, ...]


def plan(model: Model, formula: t.Expression) -> LossProgram:
    """Return the plan of a loss formula.

    Parameters
    ----------
    model : whose constants and own losses are in scope, before the standard ones.
    formula : the expression after `loss`.

    Raises
    ------
    ModelError : where the formula is wrong; see `factorgraph.model.formula.check_formula`.
    NotBuiltError : for what is right, but cannot be trained with yet.
    """
    return plan_formula(check_formula(model, formula))


def plan_formula(formula: Formula) -> LossProgram:
    """Return the plan of a loss that is checked.

    Raises
    ------
    NotBuiltError : naming the first thing in it that cannot be trained with yet.
    """
    planner = _Planner(formula)
    value = planner.lower(formula.value)
    assert not is_larger(value, PARTS)
    slopes = tuple(derivative(value, p) for p in planner.probes.values())
    name = formula.span.text
    return LossProgram(name, tuple(planner.probes), value, slopes, formula.used)


class _Planner:
    """Turns each look at the model into a probe: a method for each class of looks."""

    def __init__(self, formula: Formula) -> None:
        self.span = formula.span
        self.probes: dict[Probe, ProbeValue] = {}

    def lower(self, e: Expr) -> Expr:
        """Return an expression over probes' values.

        Raises
        ------
        NotBuiltError : where a part has no probe.
        """
        match e:
            case Const():
                return e
            case Apply():
                return replace(e, arguments=tuple(map(self.lower, e.arguments)))
            case Reduce():
                for part in e.parts():
                    if any(isinstance(p, LossRead) for p in walk(part)):
                        self._inside_for(part)
                raise self.missing("`for` in a loss", e.span)
        for kind, method in _LOOKS.items():
            if isinstance(e, kind):
                return method(self, e)
        raise self.missing("this in a loss", e.span)

    def _inside_for(self, e: Expr) -> None:
        """Say what is missing inside of a `for`, if it is more than the `for` itself."""
        for part in walk(e):
            if isinstance(part, LossRead) and not isinstance(part, IsObserved):
                self.lower(part)

    def probe(self, span: Span, probe: Probe) -> ProbeValue:
        if probe not in self.probes:
            self.probes[probe] = ProbeValue(span, REAL, len(self.probes))
        return self.probes[probe]

    def missing(self, what: str, span: Span, hint: str | None = None) -> NotBuiltError:
        """Return the error for what has no probe yet, at a place that the user wrote."""
        return not_built(what, self.span if is_standard(span) else span, hint=hint)

    # -- looks

    def region_energy(self, e: RegionEnergy) -> Expr:
        if isinstance(e.energy, Second):
            raise self.missing(f"second energies in training: `{e.name}`", e.span)
        if isinstance(e.energy, Part):
            raise self.missing(f"a factor as an energy: `{e.name}`", e.span)
        region = self.region(e.region, e.span)
        if e.by is not None:
            raise self.missing("`by =`: the inference of one probe", e.by.span)
        if region == "wrong" and e.beta != inf:
            raise self.missing(
                "the free energy of `wrong`", e.span, hint="use E(wrong) or free(any)"
            )
        return self.probe(e.span, Probe(region, e.beta))

    def region(self, region: Region, span: Span) -> str:
        """Return the name of a region that can be probed."""
        match region:
            case Answer() | Anything():
                return str(region)
            case Wrong(inner=Anything(), eps=None):
                return "wrong"
            case Wrong(inner=Answer() | Anything() | Wrong()):
                raise self.missing(f"the region `{region}`", region.span)
            case Wrong():
                return self.region(region.inner, span)
            case Only() | Pin():
                word = "only" if isinstance(region, Only) else "pin"
                raise self.missing(
                    f"local losses: `{word}` in a loss", region.span,
                    hint="nll and the like look at the whole",
                )  # fmt: skip
            case Sample() | Draw():
                word = "sample" if isinstance(region, Sample) else "draw"
                raise self.missing(f"sampling: `{word}` in a loss", region.span)
        raise self.missing(f"the region `{region}`", region.span)

    def energy_at(self, e: EnergyAt) -> Expr:
        raise self.missing(f"the energy of one configuration: `{e.name}`", e.span)

    def extremum(self, e: Extremum) -> Expr:
        if isinstance(e.region, Sample | Draw | Only | Pin):
            self.region(e.region, e.span)
        if e.split is None:
            raise self.missing(
                "a cost that does not split into terms of a few unknowns goes to k best",
                e.span,
                hint="margin and softmax_margin with a sum of small terms, like hamming",
            )
        energies = [energy for _, energy in e.split.energies]
        part = next((energy for energy in energies if isinstance(energy, Part)), None)
        if part is not None:
            raise self.missing(f"a factor as an energy: `{e.name}`", e.span)
        raise self.missing(f"costs of mistakes: `{e.name}`", e.span)

    def over_draws(self, e: OverDraws) -> Expr:
        raise self.missing(f"sampling: `{e.name}`", e.span)

    def over_coordinates(self, e: OverCoordinates) -> Expr:
        for part in walk(e.body):
            if isinstance(part, LossRead) and not isinstance(part, OverCoordinates):
                self.lower(part)
        raise self.missing("losses of real answers", e.span)

    def derivatives(self, e: Gradient | Laplacian) -> Expr:
        raise self.missing(f"derivatives in the answers: `{e.name}`", e.span)

    def of_configuration(self, e: Coordinate | ValueIn | SpellingIn | IsObserved) -> Expr:
        configuration = getattr(e, "configuration", None)
        if isinstance(configuration, Best):
            raise self.missing(f"losses through the minimum: `{e.name}`", configuration.span)
        if isinstance(configuration, Jitter):
            raise self.missing(f"noise on the answers: `{configuration}`", configuration.span)
        raise self.missing(f"a loss that reads `{e.name}`", e.span)

    def reads(self, e: Read | SizeOf | MapRead) -> Expr:
        raise self.missing(f"a loss that reads `{e.name}`", e.span)


_LOOKS: dict[type[Expr], Callable[..., Expr]] = {
    RegionEnergy: _Planner.region_energy,
    EnergyAt: _Planner.energy_at,
    Extremum: _Planner.extremum,
    OverDraws: _Planner.over_draws,
    OverCoordinates: _Planner.over_coordinates,
    Gradient: _Planner.derivatives,
    Laplacian: _Planner.derivatives,
    Coordinate: _Planner.of_configuration,
    ValueIn: _Planner.of_configuration,
    SpellingIn: _Planner.of_configuration,
    IsObserved: _Planner.of_configuration,
    LetRead: _Planner.reads,
    MapRead: _Planner.reads,
    SizeOf: _Planner.reads,
    Read: _Planner.reads,
}
"""Which method lowers what: the first class that fits. A new probe is a new method here."""
