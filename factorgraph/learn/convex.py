"""What a loss and an energy are as functions of the weights: smooth, convex, linear.

By the rules of disciplined convex programming: what they do not show is not known. The least and
the free energy of a set are minima of functions that are linear in the energies, hence concave;
that of the one configuration that is observed is linear.

Reference: M. Grant, S. Boyd and Y. Ye, Disciplined convex programming (2006).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from factorgraph.compiler.loss import LossProgram, Probe, ProbeValue
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Reduction, Slot
from factorgraph.model.expression import Apply, Const, Expr, MapRead, ParamRead, fixed_value, walk

KINKS = ("min", "max", "abs", "if", "sqrt")


@dataclass(frozen=True)
class Shape:
    """What is known of an expression: both for linear ones; no sign where it is not known."""

    convex: bool
    concave: bool
    sign: int = 0

    @property
    def linear(self) -> bool:
        return self.convex and self.concave

    @property
    def turned(self) -> Shape:
        """That of minus the expression."""
        return Shape(self.concave, self.convex, -self.sign)


UNKNOWN = Shape(False, False)


def is_smooth(loss: LossProgram) -> bool:
    """Return whether the loss has a slope everywhere, as far as its formula shows it."""
    kinked = any(
        (p.beta == inf and (p.region != "answer" or p.differs)) or p.search is not None
        for p in loss.probes
    )
    parts = walk(loss.value)
    return not kinked and not any(isinstance(e, Apply) and e.operator in KINKS for e in parts)


def is_convex(loss: LossProgram, observed: bool) -> bool:
    """Return whether the loss is convex in linear energies.

    Parameters
    ----------
    observed : whether the answer is one configuration, without anything left open.
    """
    return _shape(loss.value, loss, observed).convex


def to_hold(loss: LossProgram) -> tuple[int, ...] | None:
    """Return the least energies that a loss adds, with which held it is convex.

    None where it is no sum of least energies times constants, or of what is above a constant.
    """
    weights: dict[int, float] = {}
    if not _weigh(loss.value, 1.0, weights):
        return None
    found = []
    for number, weight in weights.items():
        probe = loss.probes[number]
        if probe.beta != inf or probe.search is not None or probe.space:
            return None
        if weight > 0:
            if probe.region not in ("answer", "any") or probe.part is not None:
                return None
            if probe.cost is not None or probe.scale != 1:
                return None
            found.append(number)
    return tuple(found)


def _weigh(e: Expr, factor: float, into: dict[int, float]) -> bool:
    """Add the constants with which probes enter a sum; return whether it is one."""
    if isinstance(e, ProbeValue):
        into[e.number] = into.get(e.number, 0.0) + factor
        return True
    if fixed_value(e) is not None or isinstance(e, Slot):
        return True
    if not isinstance(e, Apply):
        return False
    a = e.arguments
    match e.operator:
        case "+":
            return _weigh(a[0], factor, into) and _weigh(a[1], factor, into)
        case "-":
            return _weigh(a[0], factor, into) and _weigh(a[1], -factor, into)
        case "neg":
            return _weigh(a[0], -factor, into)
        case "*" | "/":
            number, rest = (fixed_value(a[1]), a[0])
            if number is None and e.operator == "*":
                number, rest = (fixed_value(a[0]), a[1])
            if not number:
                return False
            return _weigh(rest, factor * number if e.operator == "*" else factor / number, into)
        case "max" if factor > 0 and fixed_value(a[0]) is not None:
            return _weigh(a[1], factor, into)
    return False


def is_positive(loss: LossProgram, observed: bool) -> bool:
    """Return whether the loss is never below 0, as far as its formula shows it."""
    return _shape(loss.value, loss, observed).sign > 0


def bent(compiled: Compiled) -> str | None:
    """Return a factor whose energy is not linear in the weights, None if there is none."""
    for program in compiled.programs:
        if _degree(program.body) not in (0, 1):
            return program.name
    return None


def _shape(e: Expr, loss: LossProgram, observed: bool) -> Shape:
    value = fixed_value(e)
    if value is not None:
        return Shape(True, True, (value > 0) - (value < 0))
    if isinstance(e, ProbeValue):
        probe = loss.probes[e.number]
        if probe.search is not None:
            return UNKNOWN
        return Shape(probe.region == "answer" and observed and probe.cost is None, True)
    if isinstance(e, Slot):
        return Shape(True, True)
    if isinstance(e, Reduction):
        found = _shape(e.body, loss, observed)
        return Shape(found.convex and e.operator != "min", found.concave and e.operator != "max",
                     found.sign)  # fmt: skip
    if not isinstance(e, Apply):
        return UNKNOWN
    a = [_shape(x, loss, observed) for x in e.arguments]
    match e.operator:
        case "+" | "-":
            b = a[1] if e.operator == "+" else a[1].turned
            sign = a[0].sign if a[0].sign == b.sign else 0
            if e.operator == "-" and _agrees(e.arguments[0], e.arguments[1], loss):
                sign = 1
            return Shape(a[0].convex and b.convex, a[0].concave and b.concave, sign)
        case "neg":
            return a[0].turned
        case "*" | "/":
            number, rest = (1, 0) if e.operator == "/" else (0, 1)
            if fixed_value(e.arguments[number]) is None:
                number, rest = rest, number
            factor = fixed_value(e.arguments[number])
            if factor is None or (e.operator == "/" and number == 0):
                return UNKNOWN
            if factor == 0:
                return Shape(True, True)
            return a[rest] if factor > 0 else a[rest].turned
        case "max":
            sign = 1 if a[0].sign > 0 or a[1].sign > 0 or _zero(e) else 0
            return Shape(a[0].convex and a[1].convex, False, sign)
        case "min":
            return Shape(False, a[0].concave and a[1].concave)
        case "softplus" | "exp":
            return Shape(a[0].convex, False, 1)
        case "abs":
            return Shape(a[0].linear, False, 1)
        case "sigmoid":
            return Shape(False, False, 1)
        case "^" if fixed_value(e.arguments[1]) == 2:
            return Shape(a[0].linear or (a[0].convex and a[0].sign > 0), False, 1)
    return UNKNOWN


def _zero(e: Apply) -> bool:
    return any(fixed_value(a) == 0 for a in e.arguments)


def worst(loss: LossProgram) -> tuple[Probe, Probe] | None:
    """Return the probes of a loss that is E(answer) - E(any), a cost added to the latter or not."""
    e = loss.value
    if not (isinstance(e, Apply) and e.operator == "-"):
        return None
    if not all(isinstance(a, ProbeValue) for a in e.arguments):
        return None
    answer, anything = (loss.probes[a.number] for a in e.arguments if isinstance(a, ProbeValue))
    plain = all(
        p.part is None and p.search is None and p.scale == 1 and not (p.space or p.differs)
        for p in (answer, anything)
    )
    minima = answer.beta == inf and anything.beta == inf and answer.cost is None
    if plain and minima and answer.region == "answer" and anything.region == "any":
        return answer, anything
    return None


def _agrees(first: Expr, second: Expr, loss: LossProgram) -> bool:
    """Return whether the first is of the answer, and the second of a set that holds it."""
    if not (isinstance(first, ProbeValue) and isinstance(second, ProbeValue)):
        return False
    answer, anything = loss.probes[first.number], loss.probes[second.number]
    return (
        answer.region == "answer"
        and anything.region == "any"
        and (answer.beta == anything.beta or answer.beta == inf)
        and (answer.part, answer.scale, answer.space) == (anything.part, anything.scale, 0)
        and not (answer.differs or anything.differs or answer.search or anything.search)
        and answer.cost is None
        and anything.cost is None
    )


def _degree(e: Expr) -> int:
    """Return the degree of an energy in the weights: 0, 1, or 2 for anything else."""
    if isinstance(e, MapRead):
        return 2
    if isinstance(e, ParamRead):
        return 1
    if isinstance(e, Const) or not e.parts():
        return 0
    degrees = [_degree(part) for part in e.parts()]
    most = max(degrees)
    if isinstance(e, Reduction):
        return most if e.operator == "sum" or most == 0 else 2
    if isinstance(e, Apply) and most == 1:
        if e.operator in ("+", "-", "neg"):
            return 1
        if e.operator == "*":
            return 1 if degrees.count(1) == 1 else 2
        if e.operator == "/":
            return 1 if degrees[1] == 0 else 2
        if e.operator == "if":
            return 1 if degrees[0] == 0 else 2
        return 2
    return min(most, 2)
