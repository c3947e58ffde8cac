"""Where a loss looks: the variables of places, and the rows of a factor's terms."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.costs import ANSWER, OBSERVED
from factorgraph.data.column import Column
from factorgraph.data.instances import Instances
from factorgraph.errors import DataError
from factorgraph.graph.view import Picked, spread
from factorgraph.ground.binders import blocks
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.points import labels
from factorgraph.ground.rows import Rows
from factorgraph.model.expression import Expr, UnknownRead
from factorgraph.model.model import FactorDeclaration
from factorgraph.model.region import Place

Longs = NDArray[np.int64]


def answer_columns(instances: Instances) -> dict[str, Column]:
    """Return what the data say of the finite unknowns, as columns that expressions can read."""
    columns: dict[str, Column] = {}
    for name, unknown in instances.model.unknowns.items():
        if unknown.values is None or unknown.fields:
            continue
        seen = instances.unknowns[name]
        states = seen.state.astype(np.int64)
        grid = instances.model.grids.get(name)
        if grid is not None:
            numbers = labels(instances, grid)
            key = f"{name}.{ANSWER}"
            columns[key] = Column(key, numbers, seen.start, seen.shape)
            key = f"{name}.{OBSERVED}"
            columns[key] = Column(key, (states >= 0).astype(np.int64), seen.start, seen.shape)
            continue
        for what, values in ((ANSWER, states + unknown.values.low), (OBSERVED, states >= 0)):
            key = f"{name}.{what}"
            columns[key] = Column(key, values.astype(np.int64), seen.start, seen.shape)
    return columns


def variables_at(place: Place, rows: Rows, base: dict[str, Longs], at: Evaluator) -> Picked:
    """Return the variables of a place, for each row: int64 row numbers and variables.

    Parameters
    ----------
    base : for each array of unknowns, int64 [I]: its first variable in each instance.

    Raises
    ------
    DataError : where an index leaves its array.
    """
    unknown = at.instances.model.unknowns[place.unknown]
    seen = at.instances.unknowns[place.unknown]
    if len(place.indices) == len(unknown.axes):
        read = UnknownRead(place.span, unknown.kind, place.unknown, place.indices)
        column = Column(place.unknown, seen.state, seen.start, seen.shape)
        indices = at.indices(read, [at.whole(i, rows) for i in place.indices], rows)
        flat = at.place(read, indices, column, rows) - seen.start[:-1][rows.instance]
        return np.arange(rows.count, dtype=np.int64), base[place.unknown][rows.instance] + flat
    shape = seen.shape[rows.instance]
    leading = len(place.indices)
    block = shape[:, leading:].prod(axis=1)
    first = np.zeros(rows.count, np.int64)
    stride = block.copy()
    for k in range(leading - 1, -1, -1):
        index = at.whole(place.indices[k], rows)
        bad = np.flatnonzero((index < 0) | (index >= shape[:, k]))
        if len(bad):
            raise DataError(
                f"the loss looks at `{place}` at index {index[bad[0]]} of axis {k + 1}, outside "
                f"0..{shape[bad[0], k] - 1} ({at.instances.where(rows.instance[bad[0]])})",
                code="E0311",
                span=place.span,
            )
        first += index * stride
        stride *= shape[:, k]
    start = np.concatenate(([0], np.cumsum(block)))
    number, element = spread(start, np.arange(rows.count, dtype=np.int64))
    inside = element - start[number] + first[number]
    return number, base[place.unknown][rows.instance[number]] + inside


def rows_of_terms(
    factor: FactorDeclaration, indices: tuple[Expr, ...], rows: Rows, at: Evaluator
) -> Picked:
    """Return the rows of a factor that terms of it name: int64 numbers of ``rows``, and rows.

    A factor whose guard leaves a term out has no row for it.

    Parameters
    ----------
    indices : values of the factor's binders, at ``rows``.
    """
    found = list(blocks(at.instances.count, factor.binders, factor.guard, at))
    own = [np.concatenate([np.zeros(0, np.int64), *(r.instance for r in found)])]
    own += [
        np.concatenate([np.zeros(0, np.int64), *(r.index[b.variable] for r in found)])
        for b in factor.binders
    ]
    wanted = [rows.instance, *(at.whole(i, rows) for i in indices)]
    key, goal = np.zeros(len(own[0]), np.int64), np.zeros(rows.count, np.int64)
    for mine, theirs in zip(own, wanted, strict=True):
        _, code = np.unique(np.concatenate([mine, theirs]), return_inverse=True)
        pair = np.concatenate([key, goal]) * (int(code.max(initial=0)) + 1) + code
        _, code = np.unique(pair, return_inverse=True)  # small numbers again
        key, goal = code[: len(key)].astype(np.int64), code[len(key) :].astype(np.int64)
    order = np.argsort(key, kind="stable")
    place = np.searchsorted(key[order], goal)
    there = place < len(key)
    there[there] = key[order][place[there]] == goal[there]
    number = np.flatnonzero(there)
    row: NDArray[Any] = order[place[there]]
    return number, row
