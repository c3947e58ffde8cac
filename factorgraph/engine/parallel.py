"""Factors over the same variables are one factor whose table is the sum of theirs.

Two factors over one pair would close a loop in a chain or tree. Here such groups are folded into
one before the engine looks at the structure; what it hands back is unfolded again, so that
nobody else need know.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.engine.probe import Engine, Minimum, SoftMinimum
from factorgraph.factors.table import Span, checked_values, checked_weight
from factorgraph.graph.structure import Energies, Group, Structure

Ints = NDArray[np.int64]
ARITY = 4
"""Larger scopes are not compared in every order of their variables."""


@dataclass(frozen=True, eq=False)
class Fold:
    """How the tables of one folded group are made.

    Attributes
    ----------
    group : its number in the folded structure.
    parts : for each group that went into it, its number in the own structure, the order of its
        axes, and int64 [distinct], which of its tables is added to each folded one (-1: none).
    """

    group: int
    parts: tuple[tuple[int, tuple[int, ...], Ints], ...]


def fold(structure: Structure) -> tuple[Structure, tuple[Fold, ...]] | None:
    """Return a structure without parallel groups, None where it has none.

    Raises
    ------
    BudgetError : the folded tables would not fit into the memory budget.
    """
    groups = list(structure.groups)
    into: dict[int, list[tuple[int, tuple[int, ...], Ints]]] = {}
    gone: set[int] = set()
    largest = sorted(range(len(groups)), key=lambda g: -len(groups[g].table))
    for k, a in enumerate(largest):
        if a in gone or len(groups[a].cards) < 2:
            continue
        for b in largest[k + 1 :]:
            if b in gone or b in into or len(groups[b].table) == 0:
                continue
            found = _within(groups[a], groups[b])
            if found is not None:
                into.setdefault(a, []).append((b, *found))
                gone.add(b)
    if not into:
        return None
    folded: list[Group] = []
    folds: list[Fold] = []
    for g, group in enumerate(groups):
        if g in gone:
            continue
        tables = [(g, tuple(range(len(group.cards))), group.table.astype(np.int64))]
        tables += [(b, order, rows) for b, order, rows in into.get(g, [])]
        key = np.zeros(len(group.table), np.int64)
        for b, _, rows in tables:
            width = groups[b].distinct + 1
            _, key = np.unique(key * width + rows + 1, return_inverse=True)
        _, first, number = np.unique(key, return_index=True, return_inverse=True)
        budget.require(8 * len(first) * group.states, f"the tables of factor `{group.name}`")
        parts = tuple((b, order, rows[first]) for b, order, rows in tables)
        folds.append(Fold(len(folded), parts))
        name = " and ".join(groups[b].name for b, _, _ in parts)
        folded.append(replace(group, name=name, table=number.astype(np.int32), distinct=len(first)))
    return Structure(structure.card, structure.instance, tuple(folded)), tuple(folds)


def _within(a: Group, b: Group) -> tuple[tuple[int, ...], Ints] | None:
    """Return how the rows of ``b`` lie among those of ``a``, None where one does not, or twice.

    Returns
    -------
    the order of b's axes that makes them a's, and int64 [rows of a], b's table at each row of a
    or -1.
    """
    size = len(a.cards)
    if len(b.cards) != size or size > ARITY or sorted(a.cards) != sorted(b.cards):
        return None
    for order in permutations(range(size)):
        if tuple(b.cards[k] for k in order) != a.cards:
            continue
        keys = _keys(a.scope), _keys(np.ascontiguousarray(b.scope[:, list(order)]))
        by = np.argsort(keys[0], kind="stable")
        place = np.searchsorted(keys[0][by], keys[1])
        if (place >= len(by)).any():
            continue
        rows = by[np.minimum(place, len(by) - 1)]
        if not (keys[0][rows] == keys[1]).all() or len(np.unique(rows)) < len(rows):
            continue
        out = np.full(len(a.table), -1, np.int64)
        out[rows] = b.table
        return order, out
    return None


def _keys(scope: NDArray[np.int32]) -> NDArray[np.void]:
    """Return each row of a scope as one value that can be sorted and compared."""
    rows = np.ascontiguousarray(scope.astype(">i4"))
    return rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)


class Parallel(Engine):
    """An engine for a folded structure, in the terms of the own one."""

    def __init__(
        self, structure: Structure, folded: Structure, folds: tuple[Fold, ...], engine: Engine
    ) -> None:
        self.structure = structure
        self.folded = folded
        self.folds = folds
        self.engine = engine

    def values(self, values: Energies) -> Energies:
        """Return the folded tables, float64 [B, T of the folded structure]."""
        values = checked_values(self.structure, values)
        out = np.zeros((len(values), self.folded.size))
        for b in range(len(values)):
            for part in self.folds:
                table = self.folded.table(out[b], part.group)
                for g, order, rows in part.parts:
                    own = self.structure.table(values[b], g)
                    there = rows >= 0
                    axes = (0, *(k + 1 for k in order))
                    table[there] += own[rows[there]].transpose(axes)
        return out

    def unfold(self, folded: Energies, into: Energies) -> None:
        """Add cotangents of folded tables to those of the own ones."""
        for b in range(len(into)):
            for part in self.folds:
                table = self.folded.table(folded[b], part.group)
                for g, order, rows in part.parts:
                    there = rows >= 0
                    back = (0, *(k + 1 for k in np.argsort(order)))
                    own = self.structure.table(into[b], g)
                    np.add.at(own, rows[there], table[there].transpose(back))

    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        found = self.engine.minimum(self.values(values), evidence, span)
        return replace(found, structure=self.structure)

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        return self.engine.min_marginals(self.values(values), evidence, span)

    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> SoftMinimum:
        return _Unfolded(self, self.engine.soft_minimum(self.values(values), beta, evidence, span))


class _Unfolded(SoftMinimum):
    def __init__(self, engine: Parallel, inner: SoftMinimum) -> None:
        self.structure = engine.structure
        self.span = inner.span
        self.value = inner.value
        self.engine = engine
        self.inner = inner

    def marginals(self) -> Energies:
        return self.inner.marginals()

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        lo, hi = self.span
        checked_weight(weight, into, self.structure, hi - lo)
        folded = np.zeros((len(into), self.engine.folded.size))
        self.inner.add_cotangents(weight, folded)
        self.engine.unfold(folded, into)
