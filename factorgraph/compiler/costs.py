"""Costs of mistakes as factors: they become tables beside those of the energy.

What the data say of the answer is read like a `let`: ``y.<answer>[t]`` is the observed value of
``y[t]``, and ``y.<observed>[t]`` whether there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from factorgraph.compiler.lower import lower
from factorgraph.compiler.program import Program
from factorgraph.model.expression import (
    BIT,
    REAL,
    Apply,
    Const,
    Expr,
    Kind,
    LetRead,
    Reduce,
    UnknownRead,
    fixed_value,
    free_variables,
    reads,
    walk,
)
from factorgraph.model.loss import IsObserved, Term, ValueIn, rebuilt
from factorgraph.model.model import FactorDeclaration, Model
from factorgraph.model.names import not_built
from factorgraph.model.region import Observed

FIRST_PIECE = 1000
"""Programs of costs are numbered from here: no factor of a text has as many pieces."""

ANSWER, OBSERVED = "<answer>", "<observed>"
"""What the columns of observed answers are called after the unknown's name and a dot."""


def over_data(model: Model, e: Expr) -> Expr:
    """Return an expression with reads of the observed answer as reads of data.

    Raises
    ------
    NotBuiltError : it reads an answer that is no finite number or label.
    """

    def change(part: Expr) -> Expr | None:
        match part:
            case IsObserved():
                return _read(model, part, BIT, OBSERVED)
            case ValueIn(configuration=Observed()):
                return _read(model, part, part.kind, ANSWER)
            case Apply(operator="mistakes"):
                return change_mistakes(part)
        return None

    def change_mistakes(part: Apply) -> Expr:
        a, b = (rebuilt(x, change) for x in part.arguments)
        if a.kind.sort == "sequence" or b.kind.sort == "sequence":
            raise not_built("mistakes of sequences", part.span)
        return Apply(part.span, BIT, "!=", (a, b))

    found: Expr = rebuilt(e, change)
    return found


def _read(model: Model, e: IsObserved | ValueIn, kind: Kind, what: str) -> LetRead:
    unknown = model.unknowns[e.unknown]
    if unknown.values is None or unknown.fields:
        raise not_built(f"a loss that reads `{e.name}`", e.span)
    indices = tuple(over_data(model, i) for i in e.indices)
    return LetRead(e.span, kind, f"{e.unknown}.{what}", indices)


def cost_programs(model: Model, terms: Sequence[Term], sign: float) -> tuple[Program, ...]:
    """Return the terms of a cost, times a sign, as programs without params.

    Raises
    ------
    NotBuiltError : for terms that are no small tables.
    """
    found: list[Program] = []
    for term in terms:
        for program in lower(model, _factor(model, term, sign)):
            found.append(replace(program, piece=FIRST_PIECE + len(found)))
    return tuple(found)


def _factor(model: Model, term: Term, sign: float) -> FactorDeclaration:
    def unknowns(part: Expr) -> Expr | None:
        if not isinstance(part, ValueIn) or isinstance(part.configuration, Observed):
            return None
        unknown = model.unknowns[part.unknown]
        if unknown.values is None or unknown.fields:
            raise not_built(f"a cost that reads `{part.name}`", part.span)
        indices = tuple(rebuilt(i, unknowns) for i in part.indices)
        read = UnknownRead(part.span, part.kind, part.unknown, indices)
        grid = model.grids.get(part.unknown)
        return read if grid is None else grid.point(read)

    body = over_data(model, rebuilt(term.body, unknowns))
    weight = over_data(model, term.weight)
    guard = None if term.guard is None else over_data(model, term.guard)
    inner = {n.index for part in (body, weight) for n in walk(part) if isinstance(n, Reduce)}
    for part in (body, weight):
        for read in reads(part, LetRead):
            if not read.name.endswith(ANSWER):
                continue
            if free_variables(read) & inner:
                raise not_built(f"a cost that reads `{read.name}` inside of a sum", read.span)
            there = replace(read, name=read.name.removesuffix(ANSWER) + OBSERVED, kind=BIT)
            if guard is None or there not in _conjuncts(guard):
                guard = there if guard is None else _and(there, guard)
    known = fixed_value(weight)
    factor: Expr = (
        Const(weight.span, REAL, sign * known)
        if known is not None
        else Apply(weight.span, REAL, "neg", (weight,))
        if sign < 0
        else weight
    )
    value = body if fixed_value(factor) == 1 else Apply(body.span, REAL, "*", (factor, body))
    scope = tuple(reads(value, UnknownRead))
    return FactorDeclaration("cost", body.span, term.binders, guard, value, False, scope)


def _conjuncts(e: Expr) -> list[Expr]:
    if isinstance(e, Apply) and e.operator == "and":
        return [c for a in e.arguments for c in _conjuncts(a)]
    return [e]


def _and(a: Expr, b: Expr) -> Expr:
    return Apply(b.span, BIT, "and", (a, b))
