"""The slopes of a loss in the values of its probes, as formulas."""

from __future__ import annotations

from dataclasses import replace

from factorgraph.compiler.differentiate import add, choose, derivative, negative, times
from factorgraph.compiler.emit import children, shallow
from factorgraph.compiler.loss import LossProgram, ProbeValue
from factorgraph.compiler.program import Reduction
from factorgraph.model.expression import BIT, REAL, Apply, Const, Expr, fixed_value


def slopes(loss: LossProgram) -> list[Expr]:
    """Return dL/d(value of probe k) at a row of its space, for each probe.

    Expressions over probes' values, slots and reductions, like the loss itself. A probe whose
    value is a constant to the gradient has none: 0.
    """
    found: dict[int, Expr] = {}
    _add(loss, loss.value, 0, _one(loss.value), found)
    zero = Const(loss.value.span, REAL, 0.0)
    out = []
    for k, probe in enumerate(loss.probes):
        constant = probe.search is not None and probe.search.what == "cost"
        out.append(zero if constant else simplified(found.get(k, zero)))
    return out


def _one(e: Expr) -> Expr:
    return Const(e.span, REAL, 1.0)


def _add(loss: LossProgram, body: Expr, space: int, outer: Expr, found: dict[int, Expr]) -> None:
    """Add outer times the slopes of a body that stands at the rows of a space."""
    for probe in dict.fromkeys(n for n in shallow(body) if isinstance(n, ProbeValue)):
        slope = times(outer, derivative(body, probe))
        at = space
        while at and not _inside(loss, loss.probes[probe.number].space, at):
            s = loss.spaces[at - 1]  # the probe does not read the index: its rows add up
            number = len(loss.spaces) + at
            slope = Reduction(body.span, REAL, number, "sum", s.index, s.low, s.high, at, slope)
            at = s.parent
        if fixed_value(slope) != 0:
            known = found.get(probe.number)
            found[probe.number] = slope if known is None else add(known, slope)
    for r in children(body):
        slope = derivative(body, r)
        if fixed_value(slope) == 0:
            continue
        if r.operator != "sum":
            here = Apply(r.span, BIT, "==", (r.body, r))
            slope = choose(here, slope, Const(r.span, REAL, 0.0))
        assert r.space is not None
        _add(loss, r.body, r.space, times(outer, slope), found)


def _inside(loss: LossProgram, space: int, outer: int) -> bool:
    """Return whether the rows of a space are made of those of another, or are those."""
    while space and space != outer:
        space = loss.spaces[space - 1].parent
    return space == outer


def simplified(e: Expr) -> Expr:
    """Return an expression with constants worked out, without what another factor implies.

    ``max(0, u) * (if 0 >= u then 0 else 1)`` is ``max(0, u)``.
    """
    if isinstance(e, Reduction):
        body = simplified(e.body)
        value = fixed_value(body)
        minus = value < 0 if value is not None else getattr(body, "operator", "") == "neg"
        if e.operator == "sum" and minus:
            return negative(replace(e, body=negative(body)))
        return replace(e, body=body)
    if not isinstance(e, Apply):
        return e
    e = replace(e, arguments=tuple(map(simplified, e.arguments)))
    match e.operator:
        case "neg":
            return negative(e.arguments[0])
        case "if" if e.arguments[1] == e.arguments[2]:
            return e.arguments[1]
        case "/":
            return _quotient(e)
        case "*":
            a, b = e.arguments
            for one, other in ((a, b), (b, a)):
                found = _above_zero(one)
                if found is not None and _has(other, found):
                    return times(Const(e.span, REAL, _keeps(one)), other)
            return _product(e)
    return e


def _product(e: Apply) -> Expr:
    """Return a product with its constants, and its sign, in front."""
    constant, parts = 1.0, [e.arguments[1], e.arguments[0]]
    kept: list[Expr] = []
    while parts:
        part = parts.pop()
        value = fixed_value(part)
        if value is not None:
            constant *= value
        elif isinstance(part, Apply) and part.operator == "neg":
            constant = -constant
            parts.append(part.arguments[0])
        elif isinstance(part, Apply) and part.operator == "*":
            parts += reversed(part.arguments)
        else:
            kept.append(part)
    if not kept or constant == 0:
        return Const(e.span, REAL, constant)
    found = kept[0]
    for part in kept[1:]:
        found = Apply(e.span, REAL, "*", (found, part))
    known = float(f"{constant:.12g}")
    return times(Const(e.span, REAL, known), found)


def _quotient(e: Apply) -> Expr:
    """Return a quotient of a constant, or of a constant times something, by a constant."""
    a, b = e.arguments
    below = fixed_value(b)
    if not below:
        return e
    first = a.arguments[0] if isinstance(a, Apply) and a.operator == "*" else a
    above = fixed_value(first)
    if above is None:
        return e
    short = f"{above / below:.12g}"
    if len(short) > 6:  # a thirtieth is better left as it is
        return e
    known = Const(e.span, REAL, float(short))
    return known if first is a else times(known, a.arguments[1])  # type: ignore[attr-defined]


def _above_zero(e: Expr) -> Expr | None:
    """Return u where an expression is a number if 0 < u, and 0 else."""
    if isinstance(e, Apply) and e.operator == "if":
        condition, yes, no = e.arguments
        if isinstance(condition, Apply) and condition.operator == ">=":
            zero, u = condition.arguments
            if fixed_value(zero) == 0 == fixed_value(yes) and fixed_value(no) is not None:
                return u
    return None


def _keeps(e: Expr) -> float:
    assert isinstance(e, Apply)
    return float(fixed_value(e.arguments[2]) or 0.0)


def _has(e: Expr, u: Expr) -> bool:
    """Return whether a product has the factor ``max(0, u)``."""
    if isinstance(e, Apply) and e.operator == "*":
        return any(_has(part, u) for part in e.arguments)
    return isinstance(e, Apply) and e.operator == "max" and e.arguments[1] == u and (
        fixed_value(e.arguments[0]) == 0
    )  # fmt: skip
