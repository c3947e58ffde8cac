"""What a kind of factor is: energies, tables and messages in closed form, and how it is told.

A kind is told by numbers, ``width`` of them a factor, which stand in the flat vector of values
where other factors have tables. A new kind is a class in a file of its own, registered by its name
in `factorgraph.factors.registry`; `factorgraph.check_factor` holds it against enumeration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import InferenceError, UsageError, some
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets

Rows = NDArray[np.int32]
Cards = tuple[int, ...]

TABLE = 2**20
"""Entries of the largest table that messages are worked out from, where a kind has no others."""


class Kind(ABC):
    """One kind of factor.

    `width`, `check` and `energy` make a kind; without `messages` of its own these are worked out
    from a table, which serves small scopes, and without `add_cotangents` nothing is trained.

    Attributes
    ----------
    name : by which groups, models and the builder name it.
    """

    name: ClassVar[str]

    @abstractmethod
    def width(self, cards: Cards) -> int:
        """Return how many numbers a factor over variables of these cards has, at least.

        Raises
        ------
        UsageError : the kind does not fit variables of these cards.
        """

    @abstractmethod
    def check(self, cards: Cards, numbers: Energies) -> None:
        """Refuse numbers ``[d, width]`` that make no factor of this kind.

        Raises
        ------
        UsageError : naming the number that is wrong.
        """

    @abstractmethod
    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        """Return the energy of each row of a group, float64 [n].

        Parameters
        ----------
        numbers : float64 [distinct, width].
        states : int32 [V], a state of every variable of the graph.
        """

    def messages(
        self,
        group: KindGroup,
        numbers: Energies,
        entry: Offsets,
        incoming: Energies,
        outgoing: Energies,
        beta: float,
        which: Rows,
    ) -> None:
        """Write what some rows of a group tell their variables.

        To variable i at x: the soft minimum at ``beta`` (the least where ``beta`` is +inf), over
        the states of the other variables, of the energy plus what these have told the factor.
        Nothing is subtracted: constants count.

        Parameters
        ----------
        entry : int64 [start[n] + 1], where the message to or from each place of the scopes stands
            in ``incoming`` and ``outgoing``; as many entries as the variable has states.
        incoming : float64, messages from variables, in energies; +inf allowed.
        outgoing : float64, of the same layout, changed in place at the rows asked for; +inf where
            no configuration is left.
        which : int32, the rows to work out.
        """
        for row in which.tolist():
            first, last = int(group.start[row]), int(group.start[row + 1])
            ends = entry[first : last + 1].tolist()
            cards = tuple(int(b) - int(a) for a, b in zip(ends, ends[1:], strict=False))
            if prod(cards) > TABLE:
                raise InferenceError(
                    f"factor `{group.name}` of kind `{self.name}` has no messages but from a"
                    f" table, and over {some(len(cards), 'variable')} it has more than"
                    f" {TABLE} configurations",
                    code="E0505",
                )
            told = [incoming[a:b] for a, b in zip(ends, ends[1:], strict=False)]
            table = self.table(cards, numbers[group.table[row]][None])[0]
            for i, (a, b) in enumerate(zip(ends, ends[1:], strict=False)):
                outgoing[a:b] = message(table, told, i, beta)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add the energies' derivative times ``weight`` [n] to ``into`` [distinct, width].

        Parameters
        ----------
        weight : 0 where an energy is +inf.
        """
        raise InferenceError(
            f"factors of kind `{self.name}` have no derivative, so nothing they read is trained",
            code="E0505",
        )

    def discrete(self, cards: Cards) -> list[int]:
        """Return which numbers only choose among energies, and so have no derivative."""
        return []

    def table(self, cards: Cards, numbers: Energies) -> Energies:
        """Return the energies of all configurations, float64 [d, *cards].

        Parameters
        ----------
        numbers : float64 [d, width].

        Raises
        ------
        BudgetError : they would not fit into the memory budget.
        """
        budget.require(8 * len(numbers) * prod(cards), f"tables of factors of kind `{self.name}`")
        out = np.empty((len(numbers), prod(cards)))
        for part in self._parts(cards, numbers):
            group, states = self._all(cards, part.stop - part.start, numbers.shape[1])
            out[part] = self.energy(group, numbers[part], states).reshape(-1, out.shape[1])
        return out.reshape(len(numbers), *cards)

    def add_table_cotangents(
        self, cards: Cards, numbers: Energies, weight: Energies, into: Energies
    ) -> None:
        """Add what the derivative by the tables, ``weight`` [d, *cards], is by the numbers.

        Parameters
        ----------
        into : float64 [d, width], changed in place.
        """
        for part in self._parts(cards, numbers):
            group, states = self._all(cards, part.stop - part.start, numbers.shape[1])
            here = np.ascontiguousarray(weight[part]).reshape(-1)
            self.add_cotangents(group, numbers[part], states, here, into[part])

    def _parts(self, cards: Cards, numbers: Energies) -> Iterator[slice]:
        """Yield rows of numbers whose tables are worked out at once."""
        block = max(1, 2**18 // (prod(cards) * max(1, len(cards))))
        for first in range(0, len(numbers), block):
            yield slice(first, min(first + block, len(numbers)))

    def _all(self, cards: Cards, count: int, width: int) -> tuple[KindGroup, Ints]:
        """Return a group with a factor for each of ``count`` rows of numbers and configuration,
        and the states of all of them."""
        size, n = prod(cards), len(cards)
        budget.require(32 * count * size * max(n, 1), f"tables of factors of kind `{self.name}`")
        states = np.indices(cards, np.int32).reshape(n, size).T
        scope = np.tile(np.arange(n * size, dtype=np.int32), count)
        start = n * np.arange(count * size + 1, dtype=np.int64)
        table = np.repeat(np.arange(count, dtype=np.int32), size)
        rows = np.array([0, count * size], np.int64)
        group = KindGroup(self.name, self.name, start, scope, table, count, width, rows)
        return group, np.ascontiguousarray(states).ravel()


def message(table: Energies, told: list[Energies], to: int, beta: float) -> Energies:
    """Return what a factor with a table tells one of its variables.

    Parameters
    ----------
    table : float64 [*cards].
    told : what each variable has told it; that of ``to`` is not read.

    Returns
    -------
    float64 [cards[to]].
    """
    total = table
    for k, energies in enumerate(told):
        if k != to:
            total = total + energies.reshape(-1, *[1] * (table.ndim - k - 1))
    others = np.moveaxis(total, to, 0).reshape(len(told[to]), -1)
    least: Energies = others.min(axis=1)
    if beta == np.inf:
        return least
    shift = np.where(np.isfinite(least), least, 0.0)
    with np.errstate(divide="ignore"):
        out: Energies = shift - np.log(np.exp(-beta * (others - shift[:, None])).sum(1)) / beta
    return out


def pair(kind: str, cards: Cards) -> None:
    """Refuse a scope that is no pair."""
    if len(cards) != 2:
        raise UsageError(
            f"a factor of kind `{kind}` is over 2 variables, not {len(cards)}", code="E0504"
        )


def bits(kind: str, cards: Cards) -> None:
    """Refuse variables that do not have two states."""
    bad = [c for c in cards if c != 2]
    if bad:
        raise UsageError(
            f"a factor of kind `{kind}` is over variables of 2 states, not {bad[0]}", code="E0504"
        )


def wide(kind: str, width: int, numbers: Energies) -> None:
    """Refuse another count of numbers, and NaN and -inf among them."""
    if numbers.ndim != 2 or numbers.shape[1] != width:
        raise UsageError(
            f"a factor of kind `{kind}` has {some(width, 'number')}, not an array of shape"
            f" {numbers.shape}",
            code="E0504",
        )
    if np.isnan(numbers).any() or np.isneginf(numbers).any():
        raise UsageError(f"a number of kind `{kind}` is NaN or -inf", code="E0504")


def ends(group: KindGroup, states: Ints) -> tuple[Ints, Ints]:
    """Return the states of both variables of each factor of a group of pairs."""
    both = states.take(group.scope).reshape(-1, 2)
    return both[:, 0], both[:, 1]
