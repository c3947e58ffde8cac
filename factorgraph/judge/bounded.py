"""Latent codes that are too small to give every answer a low energy."""

from __future__ import annotations

from math import inf

from factorgraph.judge.covered import runs, whole
from factorgraph.judge.facts import Interval, Reason
from factorgraph.judge.rigid import Rigid
from factorgraph.judge.terms import reads_answer, reads_weights, terms
from factorgraph.model.expression import (
    Apply,
    Expr,
    ParamRead,
    Reduce,
    UnknownRead,
    fixed_value,
)
from factorgraph.model.model import Binder, Model


def bounded_codes(model: Model, found: Rigid, soft: Interval) -> tuple[bool, tuple[Reason, ...]]:
    """Return whether real answers are rebuilt from codes of limited size, and why.

    A distance |Y - D z| to what is decoded keeps far answers' energies high if z is held (by a
    penalty, or between ends) and D cannot grow to make up for it: its vectors have unit length.
    A code of finitely many values needs no such thing. What else there is may only add to it.

    Parameters
    ----------
    soft : the range of the energy.
    """
    if found.rigid and found.quantised:
        return True, (
            Reason(
                "latents choose one of finitely many points",
                next(iter(model.latents.values())).span,
            ),
        )
    for factor in model.factors.values() if soft.low > -inf else ():
        for term in [] if factor.hard else terms(factor):
            if term.scale <= 0 or not reads_answer(model, term.value):
                continue
            decoded = _decoded(model, term.value, term.binders)
            if decoded is None or term.guarded:
                continue
            own, codes, decoders, binders = decoded
            box = runs(own.indices, binders, once=False)
            if box is None or not whole([box], model.unknowns[own.name].axes):
                continue
            loose = [d for d in decoders if model.params[d].constraint != "unit"]
            if loose:
                text = f"the entries of `{loose[0]}` may grow, so that any answer has a small code"
                return False, (Reason(text, model.params[loose[0]].span),)
            free = [z for z in codes if not _small(model, z)]
            if free:
                text = f"nothing keeps code `{free[0]}` small"
                return False, (Reason(text, model.unknowns[free[0]].span),)
            text = (
                f"codes `{', '.join(codes)}` are kept small, "
                f"and the vectors of `{', '.join(decoders)}` have length 1"
            )
            return True, (Reason(text, factor.span),)
    return False, ()


_Decoded = tuple[UnknownRead, list[str], list[str], tuple[Binder, ...]]


def _decoded(model: Model, e: Expr, binders: tuple[Binder, ...]) -> _Decoded | None:
    """Return the answer, the codes and the params of |Y - sum(z D)|, or of its square."""
    match e:
        case Reduce(operator="sum", guard=None):
            return _decoded(model, e.body, (*binders, Binder(e.index, e.low, e.high)))
        case Apply(operator="sqrt", arguments=(d,)):
            return _decoded(model, d, binders)
        case Apply(operator="abs", arguments=(d,)):
            return _difference(model, d, binders)
        case Apply(operator="*", arguments=(a, b)) if a == b:
            return _difference(model, a, binders)
        case Apply(operator="^", arguments=(a, k)) if fixed_value(k) == 2:
            return _difference(model, a, binders)
    return None


def _difference(model: Model, d: Expr, binders: tuple[Binder, ...]) -> _Decoded | None:
    if not isinstance(d, Apply) or d.operator != "-":
        return None
    a, b = d.arguments
    own, made = (a, b) if isinstance(a, UnknownRead) else (b, a)
    if not isinstance(own, UnknownRead) or own.name not in model.answers:
        return None
    if model.unknowns[own.name].values is not None or reads_answer(model, made):
        return None
    inside = made.body if isinstance(made, Reduce) and made.operator == "sum" else made
    match inside:
        case Apply(operator="*", arguments=(x, y)):
            z, w = (x, y) if isinstance(x, UnknownRead) else (y, x)
            if isinstance(z, UnknownRead) and z.name in model.latents and isinstance(w, ParamRead):
                return own, [z.name], [w.name], binders
    return None


def _small(model: Model, name: str) -> bool:
    """Return whether a latent is finite, between ends, or held by a fixed penalty."""
    unknown = model.unknowns[name]
    if unknown.values is not None or (unknown.low > -inf and unknown.high < inf):
        return True
    for factor in model.factors.values():
        for term in [] if factor.hard else terms(factor):
            e = term.value
            if term.scale <= 0 or reads_weights(e) or term.guarded:
                continue
            match e:
                case Apply(operator="abs", arguments=(UnknownRead() as z,)):
                    pass
                case Apply(operator="*", arguments=(UnknownRead() as z, other)) if z == other:
                    pass
                case Apply(operator="^", arguments=(UnknownRead() as z, k)) if fixed_value(k) == 2:
                    pass
                case _:
                    continue
            if z.name == name:
                return True
    return False
