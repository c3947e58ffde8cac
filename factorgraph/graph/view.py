"""Views: structures made of pieces of another one, that read the same flat vector of values.

A view has instances of its own, each a copy of (a part of) an instance of the structure it was
made of. Its groups have the tables of the original, so that values and cotangents are shared.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import InferenceError
from factorgraph.graph.structure import Ints, Offsets, Structure

Longs = NDArray[np.int64]
Picked = tuple[Longs, Longs]
"""Pairs of an instance of the view and a variable, or a row, of the original: int64 [n] each, in
the order of the view's instances."""


@dataclass(frozen=True, eq=False)
class View:
    """A structure made of pieces of another.

    Attributes
    ----------
    structure : the view's own.
    origin : int64 [V], the original's variable that each variable is a copy of.
    """

    structure: Structure
    origin: Longs


def copies(structure: Structure, owner: Longs) -> View:
    """Return whole instances, each as often as it is named.

    Parameters
    ----------
    owner : int64 [J], the original's instance of each instance of the view.
    """
    variables = spread(structure.instance, owner)
    rows = [spread(group.rows, owner) for group in structure.groups]
    return of_rows(structure, len(owner), variables, rows)


def around(structure: Structure, instances: int, inside: Picked) -> View:
    """Return, for each instance of the view, some variables with all that touches them.

    Parameters
    ----------
    inside : the variables; those that share a factor with them are in the view as well.
    """
    rows = []
    for group in structure.groups:
        arity = group.scope.shape[1]
        flat = group.scope.reshape(-1)
        order = np.argsort(flat, kind="stable")
        first = np.concatenate(([0], np.cumsum(np.bincount(flat, minlength=structure.variables))))
        number, entry = spread(first, inside[1])
        pairs = inside[0][number] * max(len(group.table), 1) + order[entry] // max(arity, 1)
        number, row = np.divmod(np.unique(pairs), max(len(group.table), 1))
        rows.append((number, row))
    return of_rows(structure, instances, inside, rows)


def of_rows(structure: Structure, instances: int, variables: Picked, rows: list[Picked]) -> View:
    """Return the view of some rows of each group, with all variables of their scopes.

    Parameters
    ----------
    variables : that are there in any case.
    rows : for each group.

    Raises
    ------
    InferenceError : there are kinds without tables.
    """
    if structure.kinds:
        raise InferenceError(
            f"factor `{structure.kinds[0].name}` has no table, so parts of its graph cannot be"
            " looked at by themselves",
            code="E0505",
        )
    total = structure.variables
    keys = [variables[0] * total + variables[1]]
    for group, (number, row) in zip(structure.groups, rows, strict=True):
        budget.require(16 * len(row) * (2 + len(group.cards)), f"copies of factor `{group.name}`")
        keys.append((number[:, None] * total + group.scope[row]).reshape(-1))
    joined = np.unique(np.concatenate(keys))
    owner, origin = np.divmod(joined, total) if total else (joined, joined)
    groups = []
    for group, (number, row) in zip(structure.groups, rows, strict=True):
        scope = np.searchsorted(joined, number[:, None] * total + group.scope[row])
        groups.append(
            replace(
                group,
                scope=np.ascontiguousarray(scope, np.int32).reshape(len(row), len(group.cards)),
                table=np.ascontiguousarray(group.table[row], np.int32),
                rows=_offsets(number, instances),
            )
        )
    card: Ints = np.ascontiguousarray(structure.card[origin], np.int32)
    return View(Structure(card, _offsets(owner, instances), tuple(groups)), origin)


def spread(start: Offsets, chosen: Longs) -> Picked:
    """Return the elements of chosen runs: which choice each belongs to, and the element.

    Parameters
    ----------
    start : int64 [N + 1], where each run starts.
    chosen : int64 [J], runs, in any order.
    """
    counts = start[chosen + 1] - start[chosen]
    budget.require(16 * int(counts.sum()), "copies of instances")
    number = np.repeat(np.arange(len(chosen), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    element = np.arange(len(number), dtype=np.int64) - before[number] + start[chosen][number]
    return number, element


def _offsets(owner: Longs, instances: int) -> Offsets:
    counts = np.bincount(owner, minlength=instances)
    return np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
