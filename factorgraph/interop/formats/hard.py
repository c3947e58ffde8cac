"""Named cost functions of WCSP and CFN files, as tables or as factors of a kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.gather import Gathered, Shape, entries

Cards = tuple[int, ...]
ARITHMETIC = (">=", ">", "<=", "<", "=")


@dataclass(frozen=True)
class Named:
    """A named cost function.

    Attributes
    ----------
    name : its keyword.
    number : in the file, from 0.
    scope : int32 [arity].
    numbers : its parameters that are numbers.
    word : its parameter that is a word, as ``var`` of salldiff.
    """

    name: str
    number: int
    scope: Ints
    numbers: Sequence[float]
    word: str = ""


class Unfit(Exception):
    """Parameters that make no cost function of this name: which function, and why."""

    def __init__(self, function: Named, reason: str) -> None:
        super().__init__(reason)
        self.function, self.reason = function, reason


def arithmetic(name: str, cards: Cards, numbers: Sequence[float], upper: float) -> Energies:
    """Return the table of a comparison of two variables' numbers, or of a disjunction.

    Parameters
    ----------
    numbers : cst and delta; of ``disj`` cstx, csty and the penalty; of ``sdisj`` cstx, csty,
        xinfty, yinfty, costx and costy.
    upper : the cost that forbids.
    """
    x, y = np.ogrid[: cards[0], : cards[1]]
    if name == "disj":
        cstx, csty, penalty = numbers
        return np.where((x >= y + csty) | (y >= x + cstx), 0.0, penalty)
    if name == "sdisj":
        cstx, csty, xmost, ymost, costx, costy = numbers
        inside = (x < xmost) & (y < ymost)
        apart = (x >= y + csty) | (y >= x + cstx)
        fine = (x <= xmost) & (y <= ymost) & (apart | ~inside)
        cost = np.where(x == xmost, costx, 0.0) + np.where(y == ymost, costy, 0.0)
        return np.where(fine, cost, upper)
    cst, delta = numbers
    over = {
        ">=": y + cst - x,
        ">": y + cst + 1 - x,
        "<=": x - cst - y,
        "<": x - cst + 1 - y,
        "=": np.abs(y + cst - x),
    }[name]
    return np.where(over <= delta, np.maximum(over, 0.0), upper)


def counts(name: str) -> int | None:
    """Return how many numbers a function takes; None where that depends on its arity."""
    return {**dict.fromkeys(ARITHMETIC, 2), "disj": 3, "sdisj": 6, "salldiff": 1}.get(name)


def known(name: str) -> bool:
    """Return whether functions of a name are read."""
    return counts(name) is not None or name == "knapsack"


def add_named(
    gathered: Gathered,
    functions: Sequence[Named],
    card: Ints,
    upper: float,
    scaled: Callable[[Energies], Energies],
) -> None:
    """Add named functions to the groups.

    Parameters
    ----------
    upper : the cost that forbids.
    scaled : turns costs into energies.

    Raises
    ------
    Unfit : parameters or scope do not fit a function.
    BudgetError : a table would be over the budget.
    """
    tables: dict[tuple[object, ...], _Table] = {}
    for each in functions:
        cards = tuple(card[each.scope].tolist())
        whole = np.array([each.scope], np.int32)
        if each.name != "salldiff":
            _fit(each, cards)
            make = _knapsack if each.name == "knapsack" else arithmetic
            found = tables.setdefault((each.name, cards, *each.numbers), _Table(cards))
            found.use(gathered, each, whole, partial(make, each.name, cards, each.numbers, upper))
            continue
        if each.word not in ("var", "dec", "decbi"):
            raise Unfit(each, f"the measure of `salldiff` is var, dec or decbi, not `{each.word}`")
        cost = float(each.numbers[0])
        if cost < upper and each.word == "var" and len(cards) > 2:
            found = tables.setdefault((each.name, cards, cost), _Table(cards))
            found.use(gathered, each, whole, partial(_changes, cards, cost))
            continue
        gathered.require(2 * len(cards) ** 2, f"the pairs of cost function {each.number}")
        first, second = np.triu_indices(len(cards), 1)
        pairs = np.stack((each.scope[first], each.scope[second]), axis=1).astype(np.int32)
        shapes = card[pairs]
        for shape in sorted({(int(a), int(b)) for a, b in shapes}):
            found = tables.setdefault(("differ", shape, cost), _Table(shape))
            rows = pairs[(shapes == shape).all(axis=1)]
            found.use(gathered, each, rows, partial(_equal, shape, cost))
    by_cards: dict[Cards, list[_Table]] = {}
    for table in tables.values():
        by_cards.setdefault(table.cards, []).append(table)
    for shared, found_here in by_cards.items():
        scopes = [np.concatenate(table.scopes) for table in found_here]
        gathered.add(
            Shape(
                shared,
                np.concatenate([np.array(table.numbers, np.int64) for table in found_here]),
                np.concatenate(scopes),
            ),
            scaled(np.stack([table.values.reshape(-1) for table in found_here])),
            np.repeat(np.arange(len(scopes)), [len(rows) for rows in scopes]).astype(np.int32),
        )


class _Table:
    """A table, and who reads it."""

    def __init__(self, cards: Cards) -> None:
        self.cards = cards
        self.values: Energies = np.zeros(0)
        self.scopes: list[Ints] = []
        self.numbers: list[int] = []

    def use(
        self, gathered: Gathered, user: Named, scopes: Ints, make: Callable[[], Energies]
    ) -> None:
        """Add factors that read the table; it is made for the first."""
        if not self.scopes:
            gathered.require(
                entries(self.cards), f"the table of cost function {user.number} (`{user.name}`)"
            )
            self.values = make()
        self.scopes.append(scopes)
        self.numbers.extend([user.number] * len(scopes))


def _fit(each: Named, cards: Cards) -> None:
    """Refuse a scope that does not fit a function."""
    if each.name == "knapsack":
        if len(each.numbers) != 1 + len(cards):
            raise Unfit(each, "`knapsack` has one weight for each variable")
        if max(cards, default=1) > 2:
            raise Unfit(each, "the variables of `knapsack` have two states")
    elif len(cards) != 2:
        raise Unfit(each, f"`{each.name}` is about two variables, not {len(cards)}")


def _equal(cards: Cards, cost: float) -> Energies:
    return cost * np.eye(cards[0], cards[1])


def _changes(cards: Cards, cost: float) -> Energies:
    """Return ``cost`` for each variable that has to change before all differ: n minus values."""
    used = np.zeros(cards, np.int64)
    grid = np.ogrid[tuple(slice(0, k) for k in cards)]
    for value in range(max(cards)):
        some = np.zeros(cards, bool)
        for axis in grid:
            some |= axis == value
        used += some
    return cost * (len(cards) - used).astype(float)


def _knapsack(name: str, cards: Cards, numbers: Sequence[float], upper: float) -> Energies:
    total = np.zeros(cards)
    for axis, weight in zip(np.ogrid[tuple(slice(0, k) for k in cards)], numbers[1:], strict=True):
        total = total + axis * weight
    return np.where(total >= numbers[0], 0.0, upper)
