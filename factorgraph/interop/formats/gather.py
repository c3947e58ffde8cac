"""Factors of a file, in its order, as groups of equal shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.graph.structure import Energies, Group, Ints, KindGroup, Structure
from factorgraph.interop.formats.tokens import Positions, Tokens

MANY = 2**62
_HASHED = 64 * 2**20
_WORDS = {0: "constant", 1: "unary", 2: "pair", 3: "triple"}


@dataclass(frozen=True)
class Shape:
    """The factors of one shape.

    Attributes
    ----------
    cards : states of each variable of the scope.
    factors : int64 [n], their numbers in the file, rising.
    scope : int32 [n, arity].
    """

    cards: tuple[int, ...]
    factors: NDArray[np.int64]
    scope: Ints

    @property
    def states(self) -> int:
        """Entries of one table, or 2^62 where there are more."""
        return entries(self.cards)


def entries(cards: Sequence[int]) -> int:
    """Return how many configurations there are, or 2^62 where there are more."""
    out = 1
    for card in cards:
        out *= card
        if out > MANY:
            return MANY
    return out


def shapes(
    tokens: Tokens, start: Positions, arity: Positions, scope: Ints, card: Ints, what: str
) -> Iterator[Shape]:
    """Yield factors by the cards of their scopes, in an order that only these decide.

    Parameters
    ----------
    start : int64 [m], where each scope begins in the tokens, for messages.
    arity : int64 [m].
    scope : int32 [sum of arity], the scopes one after another, in range.
    card : int32 [V].
    what : how a factor is called in messages.

    Raises
    ------
    DataError : a scope names a variable twice.
    """
    first = np.cumsum(arity) - arity
    for width in np.unique(arity):
        factors = np.flatnonzero(arity == width)
        rows = scope[first[factors][:, None] + np.arange(width)]
        ordered = np.sort(rows, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
        if twice.any():
            k = int(factors[twice.argmax()])
            raise tokens.wrong(int(start[k]), f"{what} {k} names a variable twice")
        if width == 0:
            yield Shape((), factors, rows)
            continue
        cards = card[rows]
        order = np.lexsort(cards.T[::-1])
        edge = np.flatnonzero((cards[order][1:] != cards[order][:-1]).any(axis=1)) + 1
        for part in np.split(order, edge):
            these = np.sort(part)
            shape = tuple(cards[these[0]].tolist())
            yield Shape(shape, factors[these], np.ascontiguousarray(rows[these]))


def spread(start: Positions, count: Positions) -> tuple[Positions, Positions]:
    """Return the owner of each of ``count`` places that begin at ``start``, and the places."""
    owner = np.repeat(np.arange(len(count)), count)
    inner = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, np.repeat(start, count) + inner


class Gathered:
    """Groups as they are made, with their values."""

    def __init__(self, card: Ints, source: str) -> None:
        self.card = card
        self.source = source
        self.offset = 0.0
        self._groups: list[tuple[Group, Energies, Ints]] = []
        self._kinds: list[tuple[KindGroup, Energies, Ints]] = []
        self._entries = 0

    def require(self, entries: int, what: str) -> None:
        """Ask for the memory of tables that are going to be made.

        Raises
        ------
        BudgetError : with what there is already, they would take too much.
        """
        budget.require(24 * (self._entries + entries), what)
        self._entries += entries

    def add(self, shape: Shape, tables: Energies, index: Ints | None = None) -> None:
        """Add the factors of a shape.

        Parameters
        ----------
        tables : float64 [d, states].
        index : int32 [n], which table each factor reads; None where d is n, each its own. Equal
            tables are then found and held once.
        """
        if not shape.cards:
            chosen = tables[:, 0] if index is None else tables[index, 0]
            self.offset += float(chosen.sum())
            return
        if index is None:
            tables, index = _distinct(tables)
        n = len(shape.factors)
        name = _WORDS.get(len(shape.cards), f"factor of {len(shape.cards)}")
        group = Group(
            name, shape.cards, shape.scope, index, len(tables), np.array([0, n], np.int64)
        )
        self._groups.append((group, tables.reshape(-1), shape.factors.astype(np.int32)))

    def add_kind(
        self,
        kind: str,
        scopes: Sequence[NDArray[np.integer]],
        numbers: Energies,
        factors: Sequence[int],
        name: str | None = None,
    ) -> None:
        """Add factors of a kind: each with its own numbers [n, width], or all with [1, width]."""
        n = len(scopes)
        start = np.concatenate(([0], np.cumsum([len(scope) for scope in scopes], dtype=np.int64)))
        scope = np.concatenate([np.zeros(0, np.int32), *scopes]).astype(np.int32)
        index = np.arange(n) if len(numbers) == n else np.zeros(n)
        group = KindGroup(
            name or kind,
            kind,
            start,
            scope,
            index.astype(np.int32),
            len(numbers),
            numbers.shape[1],
            np.array([0, n], np.int64),
        )
        self._kinds.append((group, numbers.reshape(-1), np.array(factors, np.int32)))

    def build(self) -> tuple[Structure, Energies, tuple[Ints, ...]]:
        """Return the structure, its values and the factors' numbers in the file."""
        parts = [*self._groups, *self._kinds]
        structure = Structure(
            self.card,
            np.array([0, len(self.card)], np.int64),
            tuple(group for group, _, _ in self._groups),
            tuple(group for group, _, _ in self._kinds),
        )
        structure.check()
        values = [part for _, part, _ in parts]
        out = values[0] if len(values) == 1 else np.concatenate([np.zeros(0), *values])
        return structure, np.ascontiguousarray(out), tuple(number for _, _, number in parts)


def _distinct(tables: Energies) -> tuple[Energies, Ints]:
    """Return the different ones among tables [n, states], and which each of the n is."""
    n, states = tables.shape
    alone = np.arange(n, dtype=np.int32)
    if n < 2:
        return tables, alone
    rng = np.random.default_rng(0)
    factor = rng.integers(1, 2**63, states, np.uint64) | np.uint64(1)
    bits = np.ascontiguousarray(tables).view(np.uint64)
    code = np.empty(n, np.uint64)
    rows = max(1, _HASHED // (8 * states))
    for lo in range(0, n, rows):
        # The upper half is folded down: products leave the lowest bits of round numbers 0.
        part = bits[lo : lo + rows]
        code[lo : lo + rows] = ((part ^ (part >> np.uint64(32))) * factor).sum(axis=1)
    _, first, index = np.unique(code, return_index=True, return_inverse=True)
    if len(first) == n:
        return tables, alone
    kept = tables[first]
    for lo in range(0, n, rows):
        if not np.array_equal(kept[index[lo : lo + rows]], tables[lo : lo + rows]):
            return tables, alone
    return kept, index.astype(np.int32).reshape(-1)
