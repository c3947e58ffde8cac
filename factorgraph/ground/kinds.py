"""Energies of recognised factors by their closed forms, at a configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.recognise import Recognised
from factorgraph.data.instances import Instances
from factorgraph.factors import (
    all_different,
    bilinear,
    cardinality,
    parity,
    potts,
    springs,
    truncated,
)
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.energy import point
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.rows import Rows
from factorgraph.model.expression import (
    INT,
    Distinct,
    Expr,
    FieldRead,
    Reduce,
    UnknownRead,
    Variable,
)
from factorgraph.model.model import FactorDeclaration, Model

Floats = NDArray[np.float64]
Array = NDArray[Any]


def kind_energy(
    model: Model,
    factor: FactorDeclaration,
    kind: Recognised,
    instances: Instances,
    weights: dict[str, Floats],
) -> Floats:
    """Return the energy of a recognised factor in every instance, by its closed form.

    Parameters
    ----------
    instances : N, with every unknown observed.

    Returns
    -------
    float64 [N], the same as `factorgraph.ground.energy.energies` gives.
    """
    computed = compute_lets(instances)
    at = Evaluator(instances, f"factor `{factor.name}`", computed, point(model, instances, weights))
    total = np.zeros(instances.count)
    for rows in blocks(instances.count, factor.binders, factor.guard, at):
        with np.errstate(all="ignore"):  # what overflows is infinite, as in the expression
            if kind.full:
                _add_full(kind, factor, rows, at, total)
                continue
            value = _rows(kind, rows, at)
            total += np.bincount(rows.instance, value, instances.count)
    return total


def _rows(kind: Recognised, rows: Rows, at: Evaluator) -> Floats:
    numbers: dict[str, Array] = {
        name: at(e, rows).astype(np.float64)
        for name, e in kind.numbers.items()
        if kind.count is None
    }
    match kind.kind:
        case "potts":
            a, b = (at(r, rows) for r in kind.reads)
            return potts.energy(a, b, **numbers)
        case "truncated":
            a, b = (at(r, rows) for r in kind.reads)
            return truncated.energy(a, b, **numbers)
        case "bilinear":
            u, v = (at(r, rows).astype(np.float64) for r in kind.reads)
            return bilinear.energy(u, v, numbers["weight"])
        case "springs":
            return _springs(kind, rows, at, numbers)
        case "distinct":
            (body,) = kind.reads
            assert isinstance(body, Distinct)
            values, owner = _members(body.body, body.indices, body.guard, rows, at)
            return all_different.energy(values, owner, rows.count)
    (body,) = kind.reads
    indices: list[tuple[Variable, Expr, Expr]] = []
    guard = None
    while isinstance(body, Reduce):
        indices.append((body.index, body.low, body.high))
        guard, body = body.guard or guard, body.body
    ones, owner = _members(body, tuple(indices), guard, rows, at)
    counted = np.bincount(owner, ones, rows.count).astype(np.int64)
    if kind.count is not None:
        cost = at(kind.numbers["cost"], Rows(rows.instance, {**rows.index, kind.count: counted}))
        return cost.astype(np.float64)
    if kind.kind == "parity":
        return parity.energy(counted, numbers["odd"])
    return cardinality.bounded(counted, **numbers)


def _springs(kind: Recognised, rows: Rows, at: Evaluator, numbers: dict[str, Array]) -> Floats:
    a, b = kind.reads
    assert isinstance(a, UnknownRead) and isinstance(b, UnknownRead)
    names = [f.name for f in at.instances.model.unknowns[a.name].fields]

    def values(record: UnknownRead, name: str) -> Array:
        return at(FieldRead(record.span, INT, record, name), rows)

    gaps = [values(a, n) - values(b, n) for n in names]
    below, level, above = ([numbers[f"{n}{at}"] for n in names] for at in ("-1", "+0", "+1"))
    return springs.energy(gaps, below, level, above, numbers["rest"])


def _members(
    body: Expr,
    indices: tuple[tuple[Variable, Expr, Expr], ...],
    guard: Expr | None,
    rows: Rows,
    at: Evaluator,
) -> tuple[Array, Array]:
    """Return the value of every member of every row's factor, and whose member it is."""
    every = [(rows, np.arange(rows.count))]
    for index, low, high in indices:
        every = [
            (inner, origin[back])
            for outer, origin in every
            for inner, back in at.run(
                outer, index, at.whole(low, outer), at.whole(high, outer), guard
            )
        ]
    values: list[Array] = []
    owners: list[Array] = [np.zeros(0, np.int64)]
    for inner, origin in every:
        if guard is not None:
            kept = at.condition(guard, inner)
            inner, origin = inner.take(kept), origin[kept]
        values.append(at(body, inner))
        owners.append(origin)
    value = np.concatenate(values) if values else np.zeros(0, np.int64)
    return value, np.concatenate(owners)


def _add_full(
    kind: Recognised, factor: FactorDeclaration, rows: Rows, at: Evaluator, total: Floats
) -> None:
    """Add u' W v for the instances of a block, each of which may lie in several blocks."""
    u, v = kind.reads
    assert isinstance(u, UnknownRead) and isinstance(v, UnknownRead)
    weight = at(kind.numbers["weight"], rows).astype(np.float64)
    left, right = (_place(r, factor, rows) for r in (u, v))
    for i in np.unique(rows.instance).tolist():
        here = np.flatnonzero(rows.instance == i)
        some = rows.take(here)
        a, first = np.unique(left[here], return_index=True)
        b, second = np.unique(right[here], return_index=True)
        matrix = np.zeros((len(a), len(b)))
        matrix[np.searchsorted(a, left[here]), np.searchsorted(b, right[here])] = weight[here]
        one = at(u, some.take(first)).astype(np.float64)
        two = at(v, some.take(second)).astype(np.float64)
        total[i] += bilinear.full(one, two, matrix)


def _place(read: UnknownRead, factor: FactorDeclaration, rows: Rows) -> Array:
    """Return a number for each row that tells the elements of an unknown array apart."""
    out = np.zeros(rows.count, np.int64)
    for index in read.indices:
        assert isinstance(index, Variable)
        values = rows.index[index]
        low = int(values.min()) if len(values) else 0
        out = out * (int(values.max(initial=low)) - low + 1) + values - low
    return out
