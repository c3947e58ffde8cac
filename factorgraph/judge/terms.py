"""Factors as additive terms, each one for every value of some indices."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.model.expression import (
    REAL,
    Apply,
    Const,
    Expr,
    LengthOf,
    MapRead,
    ParamRead,
    Reduce,
    Spelling,
    UnknownRead,
    fixed_value,
    walk,
)
from factorgraph.model.model import Binder, FactorDeclaration, Model


@dataclass(frozen=True, eq=False)
class Term:
    """``scale * value`` for each value of the binders where the guard holds.

    Attributes
    ----------
    scale : a constant.
    """

    factor: FactorDeclaration
    binders: tuple[Binder, ...]
    guarded: bool
    scale: float
    value: Expr


def terms(factor: FactorDeclaration) -> list[Term]:
    """Return the terms of a factor that is not hard."""
    out: list[Term] = []
    guarded = factor.guard is not None and fixed_value(factor.guard) != 1
    todo = [Term(factor, factor.binders, guarded, 1.0, factor.value)]
    while todo:
        term = todo.pop()
        inner = opened(term)
        if inner is None:
            out.append(term)
        else:
            todo += reversed(inner)
    return out


def opened(term: Term) -> list[Term] | None:
    """Return what a term is the sum of, None where it is a single one."""

    def made(value: Expr, scale: float = 1.0) -> Term:
        return Term(term.factor, term.binders, term.guarded, term.scale * scale, value)

    e = term.value
    match e:
        case Apply(operator="+" | "-", arguments=(a, b)):
            return [made(a), made(b, 1.0 if e.operator == "+" else -1.0)]
        case Apply(operator="neg", arguments=(a,)):
            return [made(a, -1.0)]
        case Apply(operator="*", arguments=(a, b)):
            for factor, rest in ((a, b), (b, a)):
                value = fixed_value(factor)
                if value is not None:
                    return [made(rest, float(value))]
        case Apply(operator="/", arguments=(a, b)) if fixed_value(b):
            return [made(a, 1.0 / float(fixed_value(b) or 1.0))]
        case Reduce(operator="sum"):
            binder = Binder(e.index, e.low, e.high)
            guarded = term.guarded or e.guard is not None
            return [Term(term.factor, (*term.binders, binder), guarded, term.scale, e.body)]
        case Const(value=0 | 0.0):
            return []
    return None


def reads_role(model: Model, e: Expr, role: str) -> bool:
    """Return whether an expression reads unknowns of a role: ``answer`` or ``latent``."""
    return any(
        isinstance(n, UnknownRead | LengthOf | Spelling) and model.unknowns[n.name].role == role
        for n in walk(e)
    )


def reads_answer(model: Model, e: Expr) -> bool:
    """Return whether an expression reads an answer."""
    return reads_role(model, e, "answer")


def counts_answer(model: Model, factor: FactorDeclaration) -> bool:
    """Return whether an answer, a sequence, tells how many terms a factor has."""
    return any(reads_answer(model, end) for b in factor.binders for end in (b.low, b.high))


def reads_weights(e: Expr) -> bool:
    """Return whether an expression reads a param or a map."""
    return any(isinstance(n, ParamRead | MapRead) for n in walk(e))


def product(parts: list[Expr]) -> Expr:
    """Return the product of some numbers."""
    found = parts[0]
    for part in parts[1:]:
        found = Apply(found.span, REAL, "*", (found, part))
    return found
