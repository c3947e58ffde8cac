"""A graph with tables for all of its factors, as search needs it: all-different becomes pairs."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from factorgraph import budget
from factorgraph.factors.expand import tabled
from factorgraph.graph.structure import Energies, Group, KindGroup, Structure


def plain(structure: Structure, values: Energies) -> tuple[Structure, Energies]:
    """Return a graph of one instance without kinds, and its values, of the same energies.

    Parameters
    ----------
    values : float64 [T].

    Raises
    ------
    BudgetError : naming the factor whose tables would not fit into the memory budget.
    """
    if not structure.kinds:
        return structure, values
    others = [k for k, kind in enumerate(structure.kinds) if kind.kind != "all_different"]
    numbers = [structure.numbers(values, k).reshape(-1) for k in others]
    kept = replace(structure, kinds=tuple(structure.kinds[k] for k in others))
    values = np.concatenate([values[: structure.offset[-1]], *numbers])
    if others:
        expanded = tabled(kept)
        kept, values = expanded.structure, expanded.values(values[None])[0]
    groups, tables = list(kept.groups), [values]
    for kind in structure.kinds:
        if kind.kind == "all_different":
            for group, table in _pairs(structure, kind):
                groups.append(group)
                tables.append(table)
    return replace(kept, groups=tuple(groups), kinds=()), np.concatenate(tables)


def _pairs(structure: Structure, kind: KindGroup) -> list[tuple[Group, Energies]]:
    """Return groups of two variables that must differ, one for each pair of cards."""
    length = np.diff(kind.start)
    budget.require(
        int((length * (length - 1) // 2).sum()) * 200, f"the pairs of factor `{kind.name}`"
    )
    found: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for first, last in zip(kind.start[:-1].tolist(), kind.start[1:].tolist(), strict=True):
        for v, w in combinations(kind.scope[first:last].tolist(), 2):
            cards = int(structure.card[v]), int(structure.card[w])
            found.setdefault(cards, []).append((v, w))
    out = []
    for cards, scopes in found.items():
        rows = np.array([0, len(scopes)], np.int64)
        scope, table = np.array(scopes, np.int32), np.zeros(len(scopes), np.int32)
        group = Group(kind.name, cards, scope, table, 1, rows)
        out.append((group, np.where(np.eye(*cards) > 0, np.inf, 0.0).reshape(-1)))
    return out
