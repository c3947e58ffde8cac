"""Groups of kinds as groups of dense tables, for engines that know nothing else.

Rows of a group whose variables have equal cards become a group of tables, one for each row of
numbers that they read; a matrix of products becomes a table for each pair of its bits. Values are
mapped there, and cotangents back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import some
from factorgraph.factors.registry import kind_of
from factorgraph.factors.table import checked_values
from factorgraph.graph.structure import Energies, Group, KindGroup, Structure

Longs = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Part:
    """One group of tables that rows of a group of a kind have become.

    Attributes
    ----------
    kind : the number of the group in the original's ``kinds``.
    group : the number of the group of tables.
    numbers : int64 [distinct], the row of numbers that each table is made of.
    rows : int64 [n], the rows of the original's group.
    matrix : whether the tables are those of a matrix's pairs, weight after weight.
    """

    kind: int
    group: int
    numbers: Longs
    rows: Longs
    matrix: bool = False


@dataclass(frozen=True, eq=False)
class Expanded:
    """A structure without kinds, or with a few left, and how its values are made of another's.

    Attributes
    ----------
    structure : its first groups are the original's.
    kept : the numbers of the original's groups of kinds that are left, in order.
    """

    original: Structure
    structure: Structure
    parts: tuple[Part, ...]
    kept: tuple[int, ...] = ()

    def values(self, values: Energies) -> Energies:
        """Return the values, float64 [B, T of the expanded structure], of float64 [B, T]."""
        values = checked_values(self.original, values)
        out = np.empty((len(values), self.structure.size))
        plain = self.original.offset[-1]
        out[:, :plain] = values[:, :plain]
        for b in range(len(values)):
            for j, k in enumerate(self.kept):
                self.structure.numbers(out[b], j)[...] = self.original.numbers(values[b], k)
            for part in self.parts:
                kind = kind_of(self.original.kinds[part.kind].kind)
                numbers = self.original.numbers(values[b], part.kind)[part.numbers]
                group = self.structure.groups[part.group]
                table = self.structure.table(out[b], part.group)
                if part.matrix:
                    table[...] = 0.0
                    table[:, 1, 1] = numbers[:, 1:].reshape(-1)
                else:
                    table[...] = kind.table(group.cards, numbers)
        return out

    def add_cotangents(self, values: Energies, expanded: Energies, into: Energies) -> None:
        """Add what cotangents of the tables, float64 [B, T of the expanded], are by the values.

        Parameters
        ----------
        values : float64 [B, T], the original's.
        into : float64 [B, T], changed in place.
        """
        plain = self.original.offset[-1]
        into[:, :plain] += expanded[:, :plain]
        for b in range(len(into)):
            for j, k in enumerate(self.kept):
                self.original.numbers(into[b], k)[...] += self.structure.numbers(expanded[b], j)
            for part in self.parts:
                kind = kind_of(self.original.kinds[part.kind].kind)
                numbers = self.original.numbers(values[b], part.kind)[part.numbers]
                cards = self.structure.groups[part.group].cards
                weight = self.structure.table(expanded[b], part.group)
                if not weight.any():
                    continue
                found = np.zeros_like(numbers)
                if part.matrix:
                    found[:, 1:] = weight[:, 1, 1].reshape(len(found), -1)
                else:
                    kind.add_table_cotangents(cards, numbers, weight, found)
                self.original.numbers(into[b], part.kind)[part.numbers] += found


def tabled(
    structure: Structure, values: Energies | None = None, only: str | None = None
) -> Expanded:
    """Return a structure with tables in place of kinds.

    Parameters
    ----------
    values : float64 [T], needed where matrices are to become pairs: how many bits are on the left
        is one of their numbers. Without, each is one table.
    only : the kind whose groups become tables; all if None.

    Raises
    ------
    BudgetError : naming the factor whose tables would not fit into the memory budget.
    """
    groups = list(structure.groups)
    parts: list[Part] = []
    kept: list[int] = []
    for k, kind in enumerate(structure.kinds):
        if only not in (None, kind.kind):
            kept.append(k)
            continue
        if values is not None and kind.kind == "bilinear":
            for part, group in _pairs(structure, k, structure.numbers(values, k)):
                parts.append(replace(part, group=len(groups)))
                groups.append(group)
            continue
        for cards, rows in _alike(structure, kind):
            used, table = np.unique(kind.table[rows], return_inverse=True)
            budget.require(
                16 * len(used) * prod(cards),
                f"the tables of factor `{kind.name}` ({kind.kind} over"
                f" {some(len(cards), 'variable')})",
            )
            scope = kind.scope[kind.start[rows][:, None] + np.arange(len(cards))]
            count = np.searchsorted(rows, kind.rows)
            parts.append(Part(k, len(groups), used.astype(np.int64), rows))
            groups.append(
                Group(
                    kind.name,
                    cards,
                    np.ascontiguousarray(scope, np.int32),
                    table.reshape(-1).astype(np.int32),
                    len(used),
                    count.astype(np.int64),
                )
            )
    left = tuple(structure.kinds[k] for k in kept)
    plain = Structure(structure.card, structure.instance, tuple(groups), left)
    return Expanded(structure, plain, tuple(parts), tuple(kept))


def _pairs(structure: Structure, k: int, numbers: Energies) -> list[tuple[Part, Group]]:
    """Return the pairs of matrices as groups of tables, matrices of one shape together."""
    kind = structure.kinds[k]
    left = numbers[kind.table, 0].astype(np.int64)
    arity = np.diff(kind.start)
    out = []
    for a, n in np.unique(np.stack([left, arity], axis=1), axis=0).tolist():
        rows = np.flatnonzero((left == a) & (arity == n))
        count = a * (n - a)
        used, table = np.unique(kind.table[rows], return_inverse=True)
        budget.require(
            32 * len(used) * count + 16 * len(rows) * count,
            f"the pairs of factor `{kind.name}` (a matrix of {a} x {n - a})",
        )
        one, other = (np.ravel(x) for x in np.indices((a, n - a)))
        places = kind.start[rows][:, None, None] + np.stack([one, a + other], axis=1)
        index = table.reshape(-1, 1) * count + np.arange(count)
        group = Group(
            kind.name,
            (2, 2),
            np.ascontiguousarray(kind.scope[places].reshape(-1, 2)),
            index.reshape(-1).astype(np.int32),
            len(used) * count,
            np.searchsorted(rows, kind.rows).astype(np.int64) * count,
        )
        out.append((Part(k, -1, used.astype(np.int64), rows, matrix=True), group))
    return out


def _alike(structure: Structure, kind: KindGroup) -> list[tuple[tuple[int, ...], Longs]]:
    """Return the rows of a group by the cards of their scopes, in order."""
    out: list[tuple[tuple[int, ...], Longs]] = []
    arity = np.diff(kind.start)
    for n in np.unique(arity).tolist():
        rows = np.flatnonzero(arity == n)
        cards = structure.card[kind.scope[kind.start[rows][:, None] + np.arange(n)]]
        distinct, which = np.unique(cards.reshape(len(rows), n), axis=0, return_inverse=True)
        for d, row in enumerate(distinct.tolist()):
            out.append((tuple(row), rows[which.reshape(-1) == d]))
    return out
