"""A factor graph built in Python, without the language."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import prod
from operator import index as whole

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.errors import UsageError, some
from factorgraph.graph.structure import (
    Energies,
    Graph,
    Group,
    Ints,
    KindGroup,
    Offsets,
    Structure,
    check_range,
)


@dataclass(frozen=True)
class Block:
    """Variables of one name: ``shape`` of them from ``first`` on, of ``card`` states each."""

    name: str
    first: int
    shape: tuple[int, ...]
    card: int

    @property
    def size(self) -> int:
        """How many variables the block has."""
        return prod(self.shape)


@dataclass(frozen=True)
class NamedGraph(Graph):
    """A graph whose variables have names.

    Attributes
    ----------
    blocks : the variables by name, in order.
    """

    blocks: tuple[Block, ...]


@dataclass
class _Pending:
    """The factors of one name and shape, while the graph is built."""

    scopes: list[Ints] = field(default_factory=list)
    index: list[Ints] = field(default_factory=list)
    tables: list[Energies] = field(default_factory=list)
    distinct: int = 0
    shared: dict[int, tuple[object, Energies, int]] = field(default_factory=dict)


@dataclass
class _PendingKind:
    """The factors of one name, kind and count of numbers, while the graph is built."""

    arity: list[Offsets] = field(default_factory=list)
    scopes: list[Ints] = field(default_factory=list)
    index: list[Ints] = field(default_factory=list)
    numbers: list[Energies] = field(default_factory=list)
    distinct: int = 0


class FactorGraph:
    """A factor graph of one instance, built up variable by variable and factor by factor.

    This one has tables only; `factorgraph.FactorGraph` names the kinds of factors as well.

    Examples
    --------
    >>> g = FactorGraph()
    >>> a, b = g.variable("a", 2), g.variable("b", 2)
    >>> g.factor([a, b], [[0.0, 1.0], [1.0, 0.0]], name="tie")
    >>> graph = g.build()
    """

    def __init__(self) -> None:
        self._blocks: dict[str, Block] = {}
        self._cards: list[NDArray[np.int32]] = []
        self._count = 0
        self._pending: dict[tuple[str, tuple[int, ...]], _Pending] = {}
        self._kinds: dict[tuple[str, str, int], _PendingKind] = {}

    def variable(self, name: str, card: int) -> int:
        """Add one variable of ``card`` states and return its number.

        Raises
        ------
        UsageError : the name is taken, or there are no states.
        """
        return int(self.variables(name, (), card))

    def variables(self, name: str, shape: int | Sequence[int], card: int) -> Ints:
        """Add a block of variables of ``card`` states each.

        Parameters
        ----------
        name : a name that no other block has.
        shape : the block's shape; () for a single variable.
        card : states of each.

        Returns
        -------
        int32 of ``shape``, their numbers, for the scopes of factors.

        Raises
        ------
        UsageError : the name is taken, the shape is negative or there are no states, or a number is
            not whole.
        BudgetError : the variables would not fit into the memory budget.
        """
        try:
            card = whole(card)
            lengths = shape if isinstance(shape, Iterable) else (shape,)
            extent = tuple(whole(n) for n in lengths)
        except TypeError:
            raise UsageError(
                f"variable `{name}`: shape and states are whole numbers, not {shape} and {card}",
                code="E0921",
            ) from None
        if name in self._blocks:
            raise UsageError(f"there is a variable `{name}` already", code="E0920")
        if card < 1:
            raise UsageError(
                f"variable `{name}` has {some(card, 'state')}",
                code="E0501",
                hint="at least 1 is needed",
            )
        if card >= 2**31:
            raise UsageError(
                f"variable `{name}` has {card} states", code="E0501", hint="fewer than 2^31 fit"
            )
        if any(n < 0 for n in extent):
            raise UsageError(f"variable `{name}` has the shape {extent}", code="E0920")
        block = Block(name, self._count, extent, card)
        if self._count + block.size >= 2**31:
            raise UsageError(f"variable `{name}` makes more than 2^31 variables", code="E0920")
        budget.require(16 * block.size, f"variable `{name}` of {block.size} variables")
        self._blocks[name] = block
        self._cards.append(np.full(block.size, card, np.int32))
        numbers = np.arange(self._count, self._count + block.size, dtype=np.int32)
        self._count += block.size
        return numbers.reshape(extent)

    def factor(self, scope: Sequence[int], table: ArrayLike, *, name: str = "factor") -> None:
        """Add one factor.

        Parameters
        ----------
        scope : variable numbers, distinct; empty for a constant energy.
        table : energies, one axis a variable; +inf excludes an entry. The same array given
            again under the same name is stored once.
        name : for messages; factors may share it.

        Raises
        ------
        UsageError : scope or table do not fit, or an energy is NaN or -inf.
        """
        energies = _checked_table(table, name)
        row = _scope(scope, name)
        pending = self._place(row, energies.shape, name)
        known = pending.shared.get(id(table))
        if known is not None and np.array_equal(known[1], energies):
            index = known[2]
        else:
            index = pending.distinct
            pending.tables.append(energies.reshape(-1))
            pending.distinct += 1
            # The table itself is held too, so that no other object can get its identity.
            pending.shared[id(table)] = (table, energies, index)
        pending.scopes.append(row.astype(np.int32))
        pending.index.append(np.array([index], np.int32))

    def factors(
        self,
        scopes: ArrayLike,
        tables: ArrayLike,
        table_index: ArrayLike | None = None,
        *,
        name: str = "factor",
    ) -> None:
        """Add many factors of one shape.

        Parameters
        ----------
        scopes : int [n, arity], variable numbers, distinct within a row.
        tables : float64 [d, *cards], distinct tables.
        table_index : int [n], which table each factor reads; None where d is 1 (all read it) or
            n (each reads its own).
        name : for messages.

        Raises
        ------
        UsageError : shapes or numbers do not fit, or an energy is NaN or -inf.
        """
        rows = np.asarray(scopes)
        if rows.ndim != 2 or rows.dtype.kind not in "iu":
            raise UsageError(f"factor `{name}`: scopes are integers [n, arity]", code="E0921")
        energies = _checked_table(tables, name)
        n = len(rows)
        distinct = len(energies) if energies.ndim else 0
        if energies.ndim != rows.shape[1] + 1:
            raise UsageError(
                f"factor `{name}`: tables of shape {energies.shape} for "
                f"{some(rows.shape[1], 'variable')}",
                code="E0921",
            )
        if table_index is not None:
            index = np.asarray(table_index)
            if index.shape != (n,) or index.dtype.kind not in "iu":
                raise UsageError(
                    f"factor `{name}`: table_index is not of {n} integers", code="E0921"
                )
            if n and (index.min() < 0 or index.max() >= distinct):
                raise UsageError(
                    f"factor `{name}`: a factor reads a table that is not there", code="E0503"
                )
        elif distinct == 1:
            index = np.zeros(n, np.int32)
        elif distinct == n:
            index = np.arange(n, dtype=np.int32)
        else:
            raise UsageError(
                f"factor `{name}`: {some(distinct, 'table')} for {some(n, 'factor')}", code="E0921"
            )
        pending = self._place(rows.astype(np.int64), energies.shape[1:], name)
        pending.scopes.append(rows.astype(np.int32))
        pending.index.append((index + pending.distinct).astype(np.int32))
        pending.tables.append(energies.reshape(-1))
        pending.distinct += distinct

    def build(self) -> NamedGraph:
        """Return the graph: one instance, a batch of one.

        Raises
        ------
        UsageError : the energies add up to numbers that are out of range.
        InferenceError : an index is out of range (a defect, as the parts were checked).
        """
        groups, values = [], [np.zeros(0)]
        for (name, cards), pending in self._pending.items():
            table = np.concatenate(pending.index)
            groups.append(
                Group(
                    name,
                    cards,
                    np.ascontiguousarray(np.concatenate(pending.scopes)),
                    table,
                    pending.distinct,
                    np.array([0, len(table)], np.int64),
                )
            )
            values.extend(pending.tables)
        card = np.concatenate([np.zeros(0, np.int32), *self._cards])
        kinds = []
        for (name, kind, width), some_kind in self._kinds.items():
            arity = np.concatenate(some_kind.arity)
            kinds.append(
                KindGroup(
                    name,
                    kind,
                    np.concatenate(([0], np.cumsum(arity, dtype=np.int64))),
                    np.concatenate(some_kind.scopes),
                    np.concatenate(some_kind.index),
                    some_kind.distinct,
                    width,
                    np.array([0, len(arity)], np.int64),
                )
            )
            values.extend(numbers.reshape(-1) for numbers in some_kind.numbers)
        instance = np.array([0, self._count], np.int64)
        structure = Structure(card, instance, tuple(groups), tuple(kinds))
        structure.check()
        flat = np.concatenate(values)
        check_range(structure, flat)
        return NamedGraph(structure, flat.reshape(1, -1), tuple(self._blocks.values()))

    def _gather(
        self, name: str, kind: str, arity: Offsets, scope: Ints, index: Ints, numbers: Energies
    ) -> None:
        """Add factors of a kind, whose scopes and numbers are checked.

        Parameters
        ----------
        arity : int64 [n], variables of each factor.
        scope : int32, the scopes one after another.
        index : int32 [n], which row of numbers each factor reads.
        numbers : float64 [d, width].
        """
        pending = self._kinds.setdefault((name, kind, numbers.shape[1]), _PendingKind())
        pending.arity.append(arity)
        pending.scopes.append(scope)
        pending.index.append((index + pending.distinct).astype(np.int32))
        pending.numbers.append(numbers)
        pending.distinct += len(numbers)

    def _check_scopes(self, name: str, arity: Offsets, scope: Ints) -> None:
        """Refuse scopes with variables that are not there, or there twice."""
        if scope.size and (scope.min() < 0 or scope.max() >= self._count):
            raise UsageError(
                f"factor `{name}`: a scope names a variable that is not there", code="E0503"
            )
        row = np.repeat(np.arange(len(arity)), arity)
        order = np.lexsort((scope, row))
        if ((np.diff(row[order]) == 0) & (np.diff(scope[order]) == 0)).any():
            raise UsageError(
                f"factor `{name}`: a scope names the same variable twice", code="E0503"
            )

    def _states(self, variables: Ints) -> Ints:
        """Return how many states some variables have."""
        if len(self._cards) > 1:
            self._cards = [np.concatenate(self._cards)]
        return self._cards[0][variables] if self._cards else np.zeros(0, np.int32)

    def _place(self, rows: NDArray[np.int64], cards: tuple[int, ...], name: str) -> _Pending:
        """Check scopes against the variables, and return where their factors are gathered."""
        if rows.shape[1] != len(cards):
            raise UsageError(
                f"factor `{name}`: a table of {some(len(cards), 'axis')} for "
                f"{some(rows.shape[1], 'variable')}",
                code="E0921",
            )
        if rows.size and (rows.min() < 0 or rows.max() >= self._count):
            raise UsageError(
                f"factor `{name}`: a scope names a variable that is not there", code="E0503"
            )
        ordered = np.sort(rows, axis=1)
        if (ordered[:, 1:] == ordered[:, :-1]).any():
            raise UsageError(
                f"factor `{name}`: a scope names the same variable twice", code="E0503"
            )
        if len(self._cards) > 1:
            self._cards = [np.concatenate(self._cards)]
        wrong = (self._cards[0][rows] != np.array(cards)) if rows.size else np.zeros((0, 0), bool)
        if wrong.any():
            row, k = (int(at) for at in np.argwhere(wrong)[0])
            raise UsageError(
                f"factor `{name}`: axis {k} of the table has {some(cards[k], 'entry')}, its "
                f"variable {some(self._cards[0][rows[row, k]], 'state')}",
                code="E0503",
            )
        return self._pending.setdefault((name, cards), _Pending())


def _scope(scope: Sequence[int], name: str) -> NDArray[np.int64]:
    """Return one factor's variables, int64 [1, arity]; refuse what is not of integers."""
    try:
        found = np.asarray(scope)
    except ValueError:
        found = np.zeros(1)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise UsageError(f"factor `{name}`: a scope is of integers", code="E0921")
    return found.astype(np.int64).reshape(1, -1)


def _checked_table(table: ArrayLike, name: str) -> Energies:
    """Return a copy of a table as float64; refuse NaN and -inf."""
    try:
        energies = np.array(table, np.float64, order="C")
    except (TypeError, ValueError):
        raise UsageError(
            f"factor `{name}`: the table is not an array of numbers", code="E0921"
        ) from None
    if np.isnan(energies).any() or np.isneginf(energies).any():
        raise UsageError(
            f"factor `{name}`: an energy is NaN or -inf",
            code="E0701",
            hint="+inf excludes a configuration",
        )
    return energies
