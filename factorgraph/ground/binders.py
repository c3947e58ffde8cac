"""Rows of binders over all instances, and lets computed over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Column
from factorgraph.data.instances import Instances
from factorgraph.ground.coded import Coded
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.rows import Rows
from factorgraph.model.expression import (
    Expr,
    GivenRead,
    LetRead,
    Reduce,
    Variable,
    free_variables,
    is_whole,
    walk,
)
from factorgraph.model.model import Binder, LetDeclaration


def blocks(
    count: int, binders: tuple[Binder, ...], guard: Expr | None, at: Evaluator
) -> Iterator[Rows]:
    """Yield the rows of binders where the guard holds, in order, in blocks of bounded size.

    Parameters
    ----------
    count : number of instances.
    """
    start = Rows(np.arange(count, dtype=np.int64), {})
    if guard is None or not at.instances.sparse:
        budget.require_rows(_product(start, binders, at), at.what)
    for rows in _nested(start, binders, guard, at):
        if guard is not None:
            rows = rows.take(at.condition(guard, rows))
        if rows.count:
            yield rows


def _product(start: Rows, binders: tuple[Binder, ...], at: Evaluator) -> float:
    """Return how many rows binders have before any guard, those within others left out."""
    total = np.ones(start.count)
    for binder in binders:
        ends = [*walk(binder.low), *walk(binder.high)]
        if not any(isinstance(e, Variable | GivenRead | LetRead | Reduce) for e in ends):
            low, high = at.whole(binder.low, start), at.whole(binder.high, start)
            with np.errstate(over="ignore"):
                total *= np.maximum(high.astype(np.float64) - low, -1.0) + 1.0
    return float(total.sum())


def _nested(
    rows: Rows, binders: tuple[Binder, ...], guard: Expr | None, at: Evaluator
) -> Iterator[Rows]:
    if not binders:
        yield rows
        return
    k = _next(rows, binders, guard, at)
    binder, rest = binders[k], (*binders[:k], *binders[k + 1 :])
    low, high = at.whole(binder.low, rows), at.whole(binder.high, rows)
    for block, _ in at.run(rows, binder.variable, low, high, guard):
        yield from _nested(block, rest, guard, at)


def _next(rows: Rows, binders: tuple[Binder, ...], guard: Expr | None, at: Evaluator) -> int:
    """Return which binder to run next: one that a sparse given keeps short, else the first."""
    if at.instances.sparse:
        inner = {b.variable for b in binders}
        for k, binder in enumerate(binders):
            ready = not (free_variables(binder.low) | free_variables(binder.high)) & inner
            if ready and at.line(rows, binder.variable, guard) is not None:
                return k
    return 0


def compute_lets(
    instances: Instances, known: Mapping[Expr, Coded] | None = None
) -> dict[str, Column]:
    """Return every `let` that reads only givens as a column.

    Parameters
    ----------
    known : texts of all rows of the binders that they are written with.

    Raises
    ------
    DataError : where an index leaves its array, naming the let, the index and the instance.
    BudgetError : where one would not fit.
    """
    if instances.lets is not None:
        return instances.lets
    computed: dict[str, Column] = {}
    at = Evaluator(instances, "lets", computed)
    at.known = known or {}
    for let in instances.model.lets.values():
        at.what, at.rows = f"let `{let.name.split('.')[0]}`", 0
        computed[let.name] = _compute(instances, let, at)
    return computed


def _compute(instances: Instances, let: LetDeclaration, at: Evaluator) -> Column:
    start = Rows(np.arange(instances.count, dtype=np.int64), {})
    shape = np.empty((instances.count, len(let.binders)), np.int64)
    for k, binder in enumerate(let.binders):
        shape[:, k] = np.maximum(at(binder.high, start) - at(binder.low, start) + 1, 0)
    offsets = np.concatenate(([0], np.cumsum(shape.prod(axis=1))))
    budget.require(8 * int(offsets[-1]), f"`{let.name}`")
    parts = [at(let.value, rows) for rows in blocks(instances.count, let.binders, None, at)]
    if let.value.kind.sort == "text":
        words = np.concatenate(parts) if parts else np.zeros(0, "<U1")
        return Column(let.name, np.ascontiguousarray(words), offsets, shape)
    dtype = np.int64 if is_whole(let.value) else np.float64
    values = np.concatenate(parts) if parts else np.zeros(0)
    return Column(let.name, np.ascontiguousarray(values, dtype), offsets, shape)
