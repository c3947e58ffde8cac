"""Edges that are told by numbers, as tables; and a graph of pairs laid out for messages."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.chains import DENSE, LINEAR, POTTS, SQUARE
from factorgraph.engine.incidence import Incidence, invert
from factorgraph.engine.pairwise import Edges, Pairwise
from factorgraph.graph.structure import Energies


def distance(kind: int, number: Energies, a: int, b: int) -> Energies:
    """Return the table of an edge of a kind between variables of ``a`` and ``b`` states."""
    gap = np.abs(np.subtract.outer(np.arange(a), np.arange(b))).astype(np.float64)
    power = {POTTS: np.minimum(gap, 1.0), LINEAR: gap, SQUARE: gap**2}[kind]
    rise: Energies = number[0] * power
    return rise if kind == POTTS else np.minimum(rise, number[1])


def tabled(graph: Pairwise, some: NDArray[np.bool_]) -> Edges:
    """Return the edges, some of them as tables; those with the same numbers share one.

    Parameters
    ----------
    some : bool [E]; edges that have a table keep it.

    Raises
    ------
    BudgetError : the tables would not fit into the memory budget.
    """
    edges = graph.edges
    rows = np.flatnonzero(some & (edges.kind != DENSE))
    if not len(rows):
        return edges
    cards = graph.card[edges.ends[rows]]
    key = np.column_stack([edges.kind[rows], edges.number[rows], cards])
    key, which = np.unique(key, axis=0, return_inverse=True)
    size = (key[:, 3] * key[:, 4]).astype(np.int64)
    budget.require(8 * int(size.sum()), "the tables of edges")
    first = np.concatenate(([0], np.cumsum(size))) + len(edges.extra)
    made = [
        distance(int(kind), np.array([slope, cap]), int(a), int(b)).reshape(-1)
        for kind, slope, cap, a, b in key
    ]
    kind, base = edges.kind.copy(), edges.base.copy()
    kind[rows], base[rows] = DENSE, -1 - first[which.reshape(-1)]
    return replace(edges, kind=kind, base=base, extra=np.concatenate([edges.extra, *made]))


def laid_out(graph: Pairwise) -> Incidence:
    """Return a graph of pairs as one of tables, place 2 e + k for end k of edge e."""
    edges = tabled(graph, np.ones(len(graph.edges.ends), bool))
    scope = np.ascontiguousarray(edges.ends.reshape(-1))
    entry = np.concatenate(([0], np.cumsum(graph.card[scope], dtype=np.int64)))
    start, place = np.zeros(len(graph.card) + 1, np.int64), np.empty(len(scope), np.int32)
    invert(scope, start, place)
    budget.require(8 * (len(graph.values) + len(edges.extra)), "the tables of edges")
    return Incidence(
        graph.card, graph.state, graph.theta, graph.constant,
        2 * np.arange(len(edges.ends) + 1, dtype=np.int64), scope, entry,
        np.where(edges.base < 0, len(graph.values) - 1 - edges.base, edges.base),
        np.concatenate([graph.values, edges.extra]), (), start, place, (("edge", 0),),
    )  # fmt: skip
