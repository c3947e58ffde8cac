"""Loss formulas: from the typed formula to probes of the model and arithmetic over their values.

A loss sees the model only through probes: the least energy or the free energy of a region of
configurations, for each instance or for each row of a sum in the formula. A formula over them is
differentiated like any other expression; the slopes are the weights with which each probe's
cotangents enter the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import inf

from factorgraph.compiler.costs import cost_programs, over_data
from factorgraph.compiler.difference import halves
from factorgraph.compiler.lower import lower
from factorgraph.compiler.program import Program, Reduction, Slot, SlotDefinition, Space
from factorgraph.errors import NotBuiltError
from factorgraph.model.expression import (
    REAL,
    Apply,
    Const,
    Expr,
    MapRead,
    ParamRead,
    Read,
    Reduce,
    SizeOf,
    Variable,
    fixed_value,
    free_variables,
    is_data,
    is_larger,
    show,
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
    Split,
    ValueIn,
)
from factorgraph.model.model import Model
from factorgraph.model.names import not_built
from factorgraph.model.region import (
    Answer,
    Anything,
    Best,
    Draw,
    Energy,
    Jitter,
    Observed,
    Only,
    Part,
    Pin,
    Place,
    Region,
    Sample,
    Second,
    Whole,
    Wrong,
)
from factorgraph.model.resolve import PARTS
from factorgraph.model.split import split
from factorgraph.source import Span
from factorgraph.syntax import tree as t
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class Search(Value):
    """What maximises ``(base + cost) * (offset - scale * E)`` over all configurations.

    Attributes
    ----------
    what : what the probe gives: ``energy``, or ``cost``, a constant to the gradient.
    offset : an expression over the probes before it.
    """

    what: str
    base: float
    offset: Expr


@dataclass(eq=False, repr=False)
class Probe(Value):
    """One look at the model: the soft minimum of an energy over a region.

    Attributes
    ----------
    text : as the formula writes it.
    region : ``answer`` (agrees with what is observed), ``any``, ``only`` or ``pin``.
    places : of `only` and `pin`.
    differs : whether configurations that agree with all that is observed are left out.
    eps : how far real values that agree may lie apart; None for the step of their grid.
    beta : inverse temperature; inf is the minimum itself.
    space : the row space at whose rows it is taken; 0 are the instances.
    part : the factor, or the term of one, whose energy it is; None for the whole.
    scale : what the energy is multiplied with, above 0.
    cost : the number of the cost that is added to the energy.
    search : where the cost is multiplied with the energy.
    """

    text: str = field(compare=False)
    region: str
    places: tuple[Place, ...] = ()
    differs: bool = False
    eps: float | None = None
    beta: float = inf
    space: int = 0
    part: Part | None = None
    scale: float = 1.0
    cost: int | None = None
    search: Search | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(eq=False, repr=False)
class ProbeValue(Expr):
    """The value of probe ``number`` at the row at hand."""

    number: int


@dataclass(frozen=True)
class LossProgram:
    """A loss, planned.

    Attributes
    ----------
    name : what the user chose, as text.
    probes : the distinct probes; inference runs once for each.
    spaces : the rows of the sums in it, numbered from 1; space 0 are the instances.
    slots : what it reads of the data, once a row.
    costs : sums of factors without params that probes add to the energy.
    value : the loss of one instance: an expression over probes' values, slots and reductions.
    used : the library definitions that the formula needs, as text.
    """

    name: str
    probes: tuple[Probe, ...]
    spaces: tuple[Space, ...]
    slots: tuple[SlotDefinition, ...]
    costs: tuple[tuple[Program, ...], ...]
    value: Expr
    used: tuple[str, ...]

    @property
    def reads_data(self) -> bool:
        """Whether it reads data by itself, at indices or places."""
        placed = any(p.places or p.part is not None for p in self.probes)
        return bool(self.spaces or self.slots or placed)

    def refined(self, open_: bool) -> tuple[int, ...]:
        """Return the probes of least energies of whole instances: over real unknowns, they are
        refined between the points of a grid.

        Parameters
        ----------
        open_ : whether the data leave real answers open.
        """
        return tuple(
            number
            for number, p in enumerate(self.probes)
            if (p.region == "any" or (p.region == "answer" and open_))
            and p.beta == inf and p.scale == 1 and not (p.differs or p.space)
            and p.cost is None and p.search is None
            and (p.part is None or p.part.indices is None)
        )  # fmt: skip


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
    return plan_formula(model, check_formula(model, formula))


def plan_formula(model: Model, formula: Formula) -> LossProgram:
    """Return the plan of a loss that is checked.

    Raises
    ------
    NotBuiltError : naming the first thing in it that cannot be trained with yet.
    """
    planner = _Planner(model, formula)
    value = planner.lower(formula.value, 0)
    assert not is_larger(value, PARTS)
    return LossProgram(
        formula.span.text,
        tuple(planner.probes),
        tuple(planner.spaces),
        tuple(planner.slots),
        tuple(planner.costs),
        value,
        formula.used,
    )


class _Planner:
    """Turns each look at the model into a probe: a method for each class of looks.

    ``at`` is the row space in which an expression stands.
    """

    def __init__(self, model: Model, formula: Formula) -> None:
        self.model = model
        self.span = formula.span
        self.probes: dict[Probe, ProbeValue] = {}
        self.spaces: list[Space] = []
        self.slots: dict[SlotDefinition, Slot] = {}
        self.costs: list[tuple[Program, ...]] = []
        self.owner: dict[Variable, int] = {}

    def lower(self, e: Expr, at: int) -> Expr:
        """Return an expression over probes' values and slots.

        Raises
        ------
        NotBuiltError : where a part has no probe.
        """
        if isinstance(e, Const) and not isinstance(e.value, str):
            return e
        if self.is_data(e):
            return self.slot(e)
        match e:
            case Apply():
                return replace(e, arguments=tuple(self.lower(a, at) for a in e.arguments))
            case Reduce():
                return self.reduction(e, at)
        for kind, method in _LOOKS.items():
            if isinstance(e, kind):
                return method(self, e, at)
        raise self.missing("this in a loss", e.span)

    def is_data(self, e: Expr) -> bool:
        """Return whether only data, and the observed answer, tell what an expression is."""
        for part in walk(e):
            if isinstance(part, LossRead) and not isinstance(part, IsObserved):
                if not isinstance(part, ValueIn) or not isinstance(part.configuration, Observed):
                    return False
        return is_data(e)

    def slot(self, e: Expr) -> Slot:
        """Return what data say, computed once a row."""
        value = self.over_data(e)
        definition = SlotDefinition(self.space_of(value), value)
        return self.slots.setdefault(definition, Slot(e.span, e.kind, len(self.slots)))

    def over_data(self, e: Expr) -> Expr:
        try:
            return over_data(self.model, e)
        except NotBuiltError as error:
            raise self.at_home(error) from None

    def space_of(self, e: Expr) -> int:
        return max((self.owner.get(v, 0) for v in free_variables(e)), default=0)

    def reduction(self, e: Reduce, at: int) -> Reduction:
        """Return a loop over the rows of a space of its own."""
        low, high = self.over_data(e.low), self.over_data(e.high)
        guard = None if e.guard is None else self.over_data(e.guard)
        self.spaces.append(Space(at, e.index, low, high, guard))
        number = len(self.spaces)
        self.owner[e.index] = number
        body = self.lower(e.body, number)
        return Reduction(e.span, REAL, number, e.operator, e.index, low, high, number, body)

    def probe(self, span: Span, probe: Probe) -> ProbeValue:
        if probe not in self.probes:
            self.probes[probe] = ProbeValue(span, REAL, len(self.probes))
        return self.probes[probe]

    def missing(self, what: str, span: Span, hint: str | None = None) -> NotBuiltError:
        """Return the error for what has no probe yet, at a place that the user wrote."""
        return not_built(what, self.span if is_standard(span) else span, hint=hint)

    def at_home(self, error: NotBuiltError) -> NotBuiltError:
        """Return an error at a place that the user wrote."""
        if error.span is None or not is_standard(error.span):
            return error
        return NotBuiltError(error.message, code=error.code, span=self.span, hint=error.hint)

    # -- looks

    def region_energy(self, e: RegionEnergy, at: int) -> Expr:
        part = self.energy(e.energy, e.span)
        found = self.region(e.region, e.span)
        self.whole_terms(part, e.region, e.span)
        if e.by is not None:
            raise self.missing("`by =`: the inference of one probe", e.by.span)
        if part is None:
            inside = str(e.region) if e.beta == inf else f"{e.region}, beta = {e.beta:g}"
            text = f"{'E' if e.beta == inf else 'free'}({inside})"
        else:
            text = f"{part}({e.region})" if e.beta == inf else f"free of {part} in {e.region}"
        return self.probe(e.span, self.placed(replace(found, text=text, beta=e.beta, part=part)))

    def energy(self, energy: Energy, span: Span) -> Part | None:
        """Return the factor whose energy is looked at, None for the whole."""
        if isinstance(energy, Second):
            raise self.missing(f"second energies in training: `{energy}`", span)
        if isinstance(energy, Part):
            if energy.indices is None:
                return energy
            return replace(energy, indices=tuple(map(self.over_data, energy.indices)))
        assert isinstance(energy, Whole)
        return None

    def region(self, region: Region, span: Span) -> Probe:
        """Return a probe of a region, as far as the region tells."""
        match region:
            case Answer() | Anything():
                return Probe("", str(region))
            case Wrong(inner=Answer()):
                raise self.missing(f"the region `{region}`", region.span)
            case Wrong():
                return replace(self.region(region.inner, span), differs=True, eps=region.eps)
            case Only() | Pin():
                for place in region.places:
                    unknown = self.model.unknowns[place.unknown]
                    if unknown.values is None or unknown.fields:
                        raise self.missing(f"the region `{region}`", region.span)
                places = tuple(
                    replace(p, indices=tuple(map(self.over_data, p.indices))) for p in region.places
                )
                return Probe("", "only" if isinstance(region, Only) else "pin", places)
            case Sample() | Draw():
                word = "sample" if isinstance(region, Sample) else "draw"
                raise self.missing(f"sampling: `{word}` in a loss", region.span)
        raise self.missing(f"the region `{region}`", region.span)

    def whole_terms(self, part: Part | None, region: Region, span: Span) -> None:
        """Refuse a term of a factor in a region that its unknowns alone do not tell."""
        if part is None or part.indices is None:
            return
        if not isinstance(region, Answer | Anything):
            raise self.missing(f"the term of a factor in the region `{region}`", span)
        factor = self.model.factors[part.name]
        for program in lower(self.model, factor):
            if program.factor.binders != factor.binders:
                raise self.missing(f"the terms of `{part.name}`", span)

    def placed(self, probe: Probe) -> Probe:
        """Return a probe at the rows of the loops whose indices it reads."""
        read = [i for place in probe.places for i in place.indices]
        if probe.part is not None:
            read += probe.part.indices or ()
        return replace(probe, space=max(map(self.space_of, read), default=0))

    def energy_at(self, e: EnergyAt, at: int) -> Expr:
        raise self.missing(f"the energy of one configuration: `{e.name}`", e.span)

    def extremum(self, e: Extremum, at: int) -> Expr:
        found = self.region(e.region, e.span)
        if e.by is not None:
            raise self.missing("`by =`: the inference of one probe", e.by.span)
        if e.split is None:
            parts = halves(self.model, e.body, e.configuration)
            if parts is not None and isinstance(e.region, Anything):
                return self.two_regions(e, parts, at)
            return self.product(e, found, at)
        sign = -1.0 if e.operator == "max" else 1.0
        part, scale = self.one_energy(e, e.split, sign)
        self.whole_terms(part, e.region, e.span)
        if part is not None and part.indices is not None and e.split.terms:
            raise self.missing(f"a cost beside the term of a factor: `{e.name}`", e.span)
        cost = self.cost(e, e.split, sign)
        text = e.name if e.beta == inf else f"{e.name[:-1]}, beta = {e.beta:g})"
        probe = replace(found, text=text, beta=e.beta, part=part, scale=scale, cost=cost)
        least: Expr = self.probe(e.span, self.placed(probe))
        if sign < 0:
            least = Apply(e.span, REAL, "neg", (least,))
        constant = self.lower(e.split.constant, at)
        if fixed_value(constant) == 0:
            return least
        return Apply(e.span, REAL, "+", (least, constant))

    def two_regions(self, e: Extremum, parts: tuple[Expr, Expr], at: int) -> Expr:
        """Return an extremum over all as one of that in the answer's region and of that beside."""
        span, found = e.span, []
        regions = (Answer(span), Wrong(span, Anything(span)))
        for region, body in zip(regions, parts, strict=True):
            name = e.name.replace(f" in {e.region}", f" in {region}")
            small = split(body, e.configuration)
            if (
                small is not None
                and not any(fixed_value(_folded(c)) != 0 for c, _ in small.energies)
                and not small.terms
            ):
                found.append(self.lower(small.constant, at))
                continue
            found.append(
                self.extremum(replace(e, name=name, region=region, body=body, split=small), at)
            )
        a, b = found
        if e.beta == inf:
            return Apply(span, REAL, "max" if e.operator == "max" else "min", (a, b))
        beta = Const(span, REAL, e.beta)
        gap = Apply(span, REAL, "*", (beta, Apply(span, REAL, "-", (a, b))))
        more = Apply(span, REAL, "/", (Apply(span, REAL, "softplus", (gap,)), beta))
        return Apply(span, REAL, "-", (a, more))

    def one_energy(self, e: Extremum, found: Split, sign: float) -> tuple[Part | None, float]:
        """Return the energy in what is minimised, and what it is multiplied with."""
        scales: dict[Energy, float] = {}
        for coefficient, energy in found.energies:
            value = fixed_value(_folded(coefficient))
            if value is None:
                raise self.missing(
                    f"an energy times `{show(coefficient)}`, which is no constant, in `{e.name}`",
                    e.span,
                )
            scales[energy] = scales.get(energy, 0.0) + sign * value
        if len(scales) != 1:
            what = "several energies" if scales else "no energy"
            raise self.missing(f"{what} in `{e.name}`", e.span)
        ((energy, scale),) = scales.items()
        if not scale > 0:
            raise self.missing(f"the greatest energy: `{e.name}`", e.span)
        part = self.energy(energy, e.span)
        return part, scale

    def cost(self, e: Extremum, found: Split, sign: float) -> int | None:
        """Return the number of what is added to the energy, None where that is nothing."""
        for term in found.terms:
            if not (_small(term.weight, e) and _small(term.body, e)):
                raise self.missing(f"a cost that energies or weights change: `{e.name}`", e.span)
            inside = {b.variable for b in term.binders}
            free = free_variables(term.weight) | free_variables(term.body)
            if (free - inside) & self.owner.keys():
                raise self.missing(f"a cost with an index from outside: `{e.name}`", e.span)
        try:
            programs = cost_programs(self.model, found.terms, sign)
        except NotBuiltError as error:
            raise self.at_home(error) from None
        if not programs:
            return None
        if programs not in self.costs:
            self.costs.append(programs)
        return self.costs.index(programs)

    def product(self, e: Extremum, region: Probe, at: int) -> Expr:
        """Return the greatest cost times margin, as slack rescaling has it."""
        refused = self.missing(
            "a cost that does not split into terms of a few unknowns goes to k best",
            e.span,
            hint="take a sum of small terms, like hamming; where any mistake costs 1, use hinge",
        )
        if not isinstance(e.body, Apply) or e.body.operator != "*" or e.operator != "max":
            raise refused
        if region.region != "any" or region.differs or at:
            raise refused
        halves = [split(part, e.configuration) for part in e.body.arguments]
        halves.sort(key=lambda half: half is None or bool(half.energies))
        cost, margin = halves
        if cost is None or margin is None or cost.energies or margin.terms:
            raise refused
        part, scale = self.one_energy(e, margin, -1.0)
        base = fixed_value(_folded(cost.constant))
        if part is not None or base is None:
            raise refused
        offset = self.lower(margin.constant, 0)
        number = self.cost(e, cost, 1.0)
        if number is None:
            raise refused
        found = []
        for what in ("cost", "energy"):
            probe = replace(
                region,
                text=f"the {what} where {e.name} is reached",
                cost=number,
                scale=scale,
                search=Search(what, float(base), offset),
            )
            found.append(self.probe(e.span, probe))
        gain = Apply(e.span, REAL, "*", (Const(e.span, REAL, scale), found[1]))
        gap = Apply(e.span, REAL, "-", (offset, gain))
        return Apply(e.span, REAL, "*", (found[0], gap))

    def over_draws(self, e: OverDraws, at: int) -> Expr:
        raise self.missing(f"sampling: `{e.name}`", e.span)

    def over_coordinates(self, e: OverCoordinates, at: int) -> Expr:
        for part in walk(e.body):
            if isinstance(part, LossRead) and not isinstance(part, OverCoordinates):
                self.lower(part, at)
        raise self.missing("losses of real answers", e.span)

    def derivatives(self, e: Gradient | Laplacian, at: int) -> Expr:
        raise self.missing(f"derivatives in the answers: `{e.name}`", e.span)

    def of_configuration(self, e: Coordinate | ValueIn | SpellingIn | IsObserved, at: int) -> Expr:
        configuration = getattr(e, "configuration", None)
        if isinstance(configuration, Best):
            raise self.missing(f"losses through the minimum: `{e.name}`", configuration.span)
        if isinstance(configuration, Jitter):
            raise self.missing(f"noise on the answers: `{configuration}`", configuration.span)
        raise self.missing(f"a loss that reads `{e.name}`", e.span)

    def reads(self, e: Read | SizeOf | MapRead, at: int) -> Expr:
        raise self.missing(f"a loss that reads `{e.name}`", e.span)


def _small(part: Expr, e: Extremum) -> bool:
    """Return whether a part reads data, the answer and the configuration that is run over."""
    for p in walk(part):
        if isinstance(p, ParamRead | MapRead):
            return False
        if isinstance(p, LossRead) and not isinstance(p, IsObserved):
            known = isinstance(p, ValueIn) and (
                p.configuration == e.configuration or isinstance(p.configuration, Observed)
            )
            if not known:
                return False
    return True


def _folded(e: Expr) -> Expr:
    """Return an expression of constants as a constant, where it is one."""
    if not isinstance(e, Apply):
        return e
    values = [fixed_value(_folded(a)) for a in e.arguments]
    if any(v is None for v in values) or e.operator not in ("+", "-", "*", "/", "neg"):
        return e
    a = float(values[0] or 0.0)
    b = float(values[-1] or 0.0)
    if e.operator == "/" and b == 0:
        return e
    value = {"+": a + b, "-": a - b, "*": a * b, "neg": -a, "/": a / b if b else inf}[e.operator]
    return Const(e.span, REAL, value)


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
    MapRead: _Planner.reads,
    SizeOf: _Planner.reads,
    Read: _Planner.reads,
}
"""Which method lowers what: the first class that fits. A new probe is a new method here."""
