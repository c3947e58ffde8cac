"""Where features occur in an expression: under which indices and conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from factorgraph.model.arrays import integer
from factorgraph.model.expression import (
    BIT,
    INT,
    Apply,
    Const,
    Expr,
    Reduce,
    Variable,
    free_variables,
    is_data,
    walk,
)
from factorgraph.model.model import Binder
from factorgraph.model.names import not_built


@dataclass(frozen=True)
class Occurrence:
    """A feature's name, with what is bound and known where it stands.

    Attributes
    ----------
    binders : indices of comprehensions that the name reads.
    guard : the condition on data under which it is evaluated.
    """

    domain: str
    name: Expr
    binders: tuple[Binder, ...] = ()
    guard: Expr | None = None


def occurrences(value: Expr, bound: frozenset[Variable]) -> Iterator[Occurrence]:
    """Yield every feature in an expression, the same one as often as it is written out.

    Parameters
    ----------
    bound : indices that the statement's own binders bind.

    Raises
    ------
    NotBuiltError : for a feature that reads an index of an array function.
    """
    todo: list[tuple[Expr, tuple[Binder, ...], tuple[Expr, ...]]] = [(value, (), ())]
    while todo:
        node, binders, conditions = todo.pop()
        if isinstance(node, Apply) and node.operator == "feature":
            yield _occurrence(node, binders, conditions, bound)
            continue
        if isinstance(node, Apply) and node.operator == "if":
            condition, yes, no = node.arguments
            opposite = Apply(condition.span, BIT, "not", (condition,))
            todo += [(no, binders, _more(conditions, opposite)),
                     (yes, binders, _more(conditions, condition)),
                     (condition, binders, conditions)]  # fmt: skip
            continue
        if isinstance(node, Reduce):
            inner = (*binders, Binder(node.index, node.low, node.high))
            guarded = conditions if node.guard is None else _more(conditions, node.guard)
            todo.append((node.body, inner, guarded))
            continue
        todo += [(part, binders, conditions) for part in reversed(node.parts())]


def _more(conditions: tuple[Expr, ...], condition: Expr) -> tuple[Expr, ...]:
    """Add a condition if it is known before the domains of features are filled."""
    known = is_data(condition) and not any(
        isinstance(n, Apply) and n.operator == "feature" for n in walk(condition)
    )
    return (*conditions, condition) if known else conditions


def _occurrence(
    node: Apply,
    binders: tuple[Binder, ...],
    conditions: tuple[Expr, ...],
    bound: frozenset[Variable],
) -> Occurrence:
    domain, name = node.arguments
    assert isinstance(domain, Const)
    needed = free_variables(name) - bound
    kept: list[Binder] = []
    for binder in reversed(binders):
        if binder.variable in needed:
            needed |= (free_variables(binder.low) | free_variables(binder.high)) - bound
            kept.insert(0, binder)
    known = bound | {b.variable for b in kept}
    if not needed <= known:
        raise not_built("a feature that reads an index of an array", node.span)
    outer = bound
    made = []
    for binder in kept:
        before = [c for c in conditions if free_variables(c) <= outer]
        made.append(guarded(binder, _all(before)))
        outer |= {binder.variable}
    guard = _all([c for c in conditions if free_variables(c) <= known])
    return Occurrence(str(domain.value), name, tuple(made), guard)


def guarded(binder: Binder, condition: Expr | None) -> Binder:
    """Return an index that has no values, and reads nothing, where the condition does not hold."""
    if condition is None:
        return binder
    low, high = binder.low, binder.high
    return replace(
        binder,
        low=Apply(low.span, INT, "if", (condition, low, integer(low.span, 0))),
        high=Apply(high.span, INT, "if", (condition, high, integer(high.span, -1))),
    )


def _all(conditions: list[Expr]) -> Expr | None:
    out: Expr | None = None
    for condition in conditions:
        out = condition if out is None else Apply(condition.span, BIT, "and", (out, condition))
    return out
