"""What an explanation is made of: for each probe where it looks, its slope, and what is read off.

The gradient of a loss is the sum over probes, and over the rows of a probe's space, of its slope
times the derivative of what it looks at: ``scale * dE/dW`` at a configuration, or on the average
over a distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

from factorgraph.compiler.differentiate import negative
from factorgraph.compiler.formula import formula
from factorgraph.compiler.loss import LossProgram, Probe, ProbeValue
from factorgraph.compiler.notation import Indexed, Marked, Name, Notation, text
from factorgraph.compiler.program import Program, Reduction, Slot
from factorgraph.explain.counting import Derivative
from factorgraph.explain.slopes import simplified, slopes
from factorgraph.judge.facts import Verdict
from factorgraph.model.expression import Expr, Reduce, Variable, fixed_value
from factorgraph.model.model import Model


@dataclass(frozen=True)
class Look:
    """One probe.

    Attributes
    ----------
    number : it is called e0, e1, …
    slope : dL/de at a row of the probe's space, over probes' values, slots and reductions.
    cost : the programs that are added to the energy.
    rows : the indices of the loops around it, outermost first.
    drawn : whether it is an average over a distribution rather than at one configuration.
    single : whether its region is one configuration where all of the answer is observed.
    letter : what distributions are called.
    opposite : the number of an earlier probe whose slope is minus this one's.
    mark : what tells its configuration or distribution from others.
    exact : whether what it finds is exact, None where only data tell.
    how : the inference, in words.
    """

    number: int
    probe: Probe
    slope: Expr
    cost: tuple[Program, ...]
    rows: tuple[Variable, ...]
    drawn: bool
    mark: str
    single: bool = False
    letter: str = "P"
    opposite: int | None = None
    how: str = ""
    exact: bool | None = True

    @property
    def name(self) -> Notation:
        return Marked(Name("e"), str(self.number))

    @property
    def where(self) -> Notation:
        """What its configuration, or its distribution, is called."""
        base: Notation = Name(self.letter if self.drawn else "Y")
        if self.mark:
            base = Marked(base, self.mark)
        if self.single:
            return base  # the same answer in each row
        return Indexed(base, tuple(Name(v.name) for v in self.rows)) if self.rows else base

    @property
    def constant(self) -> bool:
        """Whether its value is a constant to the gradient."""
        return fixed_value(self.slope) == 0

    def as_dict(self, loss: LossProgram) -> dict[str, Any]:
        p = self.probe
        return {
            "name": f"e{self.number}",
            "text": p.text,
            "region": p.region if not p.differs else f"wrong({p.region})",
            "places": [str(place) for place in p.places],
            "beta": None if p.beta == inf else p.beta,
            "scale": p.scale,
            "energy": "E" if p.part is None else str(p.part),
            "cost": p.cost,
            "rows": [v.name for v in self.rows],
            "where": text(self.where),
            "slope": text(shown(loss, self.slope)),
            "inference": self.how,
            "exact": self.exact,
        }


@dataclass(frozen=True)
class Facts:
    """Of a model, and of its loss where it has one that can be trained.

    Attributes
    ----------
    weights : by the name of a param or map, the derivative of the energy in an entry.
    """

    model: Model
    loss: LossProgram | None
    looks: tuple[Look, ...]
    weights: dict[str, Derivative]
    verdict: Verdict | None = None

    @property
    def all_weights(self) -> Notation:
        """What all weights together are called."""
        return Name(free_name(self.model, "W", "θ"))

    def as_dict(self) -> dict[str, Any]:
        loss = self.loss
        judged = {} if self.verdict is None else self.verdict.as_dict()
        return judged | {
            "loss": None if loss is None else loss.name,
            "formula": None if loss is None else text(shown(loss, loss.value)),
            "probes": [] if loss is None else [look.as_dict(loss) for look in self.looks],
            "weights": {
                name: {
                    "entry": [v.name for v in d.entry],
                    "derivative": [text(formula(t.value)) for t in d.terms],
                    "through": d.through,
                }
                for name, d in self.weights.items()
            },
        }


def shown(loss: LossProgram, e: Expr) -> Notation:
    """Return an expression over probes as a formula over e0, e1, …"""
    return formula(_named(loss, e), lambda part: _leaf(loss, part))


def _leaf(loss: LossProgram, e: Expr) -> Notation | None:
    if not isinstance(e, ProbeValue):
        return None
    name = Marked(Name("e"), str(e.number))
    rows = rows_of(loss, loss.probes[e.number].space)
    return Indexed(name, tuple(Name(v.name) for v in rows)) if rows else name


def _named(loss: LossProgram, e: Expr) -> Expr:
    """Return an expression with the data that slots hold, and with loops as they were written."""
    if isinstance(e, Slot):
        return loss.slots[e.number].value
    if isinstance(e, Reduction):
        assert e.space is not None
        guard = loss.spaces[e.space - 1].guard
        return Reduce(
            e.span, e.kind, e.operator, e.index, e.low, e.high, guard, _named(loss, e.body)
        )
    parts = getattr(e, "arguments", None)
    if parts is None:
        return e
    return replace(e, arguments=tuple(_named(loss, a) for a in parts))  # type: ignore[call-arg]


def rows_of(loss: LossProgram, space: int) -> tuple[Variable, ...]:
    """Return the indices of the loops around the rows of a space, outermost first."""
    found: list[Variable] = []
    while space:
        found.insert(0, loss.spaces[space - 1].index)
        space = loss.spaces[space - 1].parent
    return tuple(found)


def free_name(model: Model, *names: str) -> str:
    """Return the first of some names that the text does not use, else the last."""
    used = {*model.params, *model.maps, *model.givens, *model.unknowns, *model.factors}
    return next((n for n in names if n not in used), names[-1])


def looks_of(model: Model, loss: LossProgram) -> list[Look]:
    """Return the probes of a loss with their slopes and names."""
    found: list[Look] = []
    taken: set[tuple[bool, str]] = set()
    for k, (probe, slope) in enumerate(zip(loss.probes, slopes(loss), strict=True)):
        # the answer is one configuration unless latents are free in it
        whole = probe.region == "answer" and not probe.differs and not model.latents
        drawn = probe.beta != inf and not whole
        mark = _mark(probe, drawn)
        same = probe.search is not None and any(
            other.probe.search is not None and other.probe.cost == probe.cost for other in found
        )
        if not same:
            if (drawn, mark) in taken and not (whole and not drawn):
                mark = str(k)
            taken.add((drawn, mark))
        cost = () if probe.cost is None else loss.costs[probe.cost]
        rows = rows_of(loss, probe.space)
        look = Look(k, probe, slope, cost, rows, drawn, mark, whole, free_name(model, "P", "Q"))
        found.append(replace(look, opposite=_opposite(look, found)))
    return found


def _opposite(look: Look, before: list[Look]) -> int | None:
    if fixed_value(look.slope) is not None:
        return None
    minus = simplified(negative(look.slope))
    for other in before:
        same = other.probe.space == look.probe.space and other.opposite is None
        if same and (minus == other.slope or look.slope == negative(other.slope)):
            return other.number
    return None


def _mark(probe: Probe, drawn: bool) -> str:
    if probe.part is not None and probe.region != "answer":
        return probe.part.name
    if probe.differs:
        return "bar"
    if probe.region == "answer":
        return "i"
    if probe.region in ("only", "pin"):
        return probe.region
    if probe.cost is not None:
        return "hat"
    return "" if drawn else "*"
