"""toulbar2's WCSP format: whole costs, a default and exceptions for each cost function.

A name, then variables, the largest domain, cost functions and the upper bound; domains; for each
function its arity, scope, default cost and the tuples that cost something else. Costs from the
upper bound on forbid. A negative arity defines a function that others share, which name it by a
negative number of tuples; a default of -1 names a function by its keyword.

Reference: toulbar2 user manual, "WCSP format".
"""

from __future__ import annotations

import re

import numpy as np

from factorgraph.errors import DataError, some
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.gather import Gathered, Shape, shapes, spread
from factorgraph.interop.formats.hard import Named, Unfit, add_named, counts, known
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Positions, Tokens
from factorgraph.interop.formats.uai import MOST

_TITLE = re.compile(rb"@scale=1e(\d{1,2})@constant=([+-]?\d+\.?\d*(?:e[+-]?\d+)?)\Z")


def read_wcsp(source: Source) -> Instance:
    """Read a network of costs.

    Raises
    ------
    DataError : the file is damaged, with line and reason, or has a named cost function that is
        not read.
    BudgetError : its tables would be over the budget.
    """
    tokens = Tokens(source)
    tokens.require(5, "the five words of its first line")
    count = tokens.whole(1, "the number of variables", 0, MOST)
    tokens.whole(2, "the largest domain", 0, MOST)
    functions = tokens.whole(3, "the number of cost functions", 0, MOST)
    scale, constant = _told(tokens)
    upper = float(tokens.values[4])
    if not upper >= 0:
        raise tokens.wrong(4, f"the upper bound is a number from 0 on, not `{tokens.word(4)}`")
    tokens.require(5 + count, f"the domains of {some(count, 'variable')}")
    at = np.arange(5, 5 + count)
    # A negative size makes an interval, which has the same values.
    size = np.abs(tokens.wholes(at, "the size of a domain", -MOST, MOST))
    if count and size.min() < 1:
        raise tokens.wrong(int(at[size.argmin()]), "a domain has no values")
    card = size.astype(np.int32)
    reader = _Functions(tokens, 5 + count, functions, count)
    gathered = Gathered(card, source.name)
    start, arity, table = reader.arrays()
    _, places = spread(start, arity)
    scope = tokens.wholes(places, "a variable of a cost function", 0, count - 1).astype(np.int32)
    for shape in shapes(tokens, start, arity, scope, card, "cost function"):
        _add(gathered, tokens, reader, shape, table, card, upper)
    try:
        add_named(gathered, reader.named, card, upper, lambda costs: _hard(costs, upper))
    except Unfit as error:
        number = error.function.number
        raise tokens.wrong(
            reader.place[number], f"cost function {number}: {error.reason}"
        ) from None
    structure, values, numbers = gathered.build()
    return Instance(
        source.name,
        "wcsp",
        structure,
        values / scale,
        np.full(count, -1, np.int32),
        gathered.offset / scale + constant,
        upper=upper / scale + constant,
        step=1.0 / scale,
        numbers=numbers,
    )


def _told(tokens: Tokens) -> tuple[float, float]:
    """Return what `fgc convert` writes into a problem's name: costs are scale * (E - constant)."""
    found = _TITLE.search(tokens.words.get(0, b""))
    if found is None:
        return 1.0, 0.0
    constant = float(found[2])
    if not np.isfinite(constant):
        raise tokens.wrong(0, "the constant in the name is out of range")
    return 10.0 ** int(found[1]), constant


def _hard(costs: Energies, upper: float) -> Energies:
    return np.where(costs >= upper, np.inf, costs)


class _Functions:
    """Where the cost functions of a file stand, hopped over one by one.

    Attributes
    ----------
    plain : of each function in extension its number, where its scope begins, its arity, and the
        number of the function whose tuples it has.
    named : the functions in intension.
    place : where each function begins.
    """

    def __init__(self, tokens: Tokens, at: int, functions: int, variables: int) -> None:
        self.tokens, self.variables = tokens, variables
        self.plain: list[tuple[int, int, int, int]] = []
        self.named: list[Named] = []
        self.place: list[int] = []
        self.shared: list[int] = []
        self.tuples: dict[int, tuple[int, int, int]] = {}
        tokens.require(at + 2 * functions, some(functions, "cost function"))
        for k in range(functions):
            self.place.append(at)
            at = self._one(k, at)
        tokens.end(at, "the last cost function")

    def _one(self, k: int, at: int) -> int:
        tokens, what = self.tokens, f"cost function {k}"
        arity = tokens.whole(at, f"the arity of {what}", -len(tokens), len(tokens))
        width, first = abs(arity), at + 1
        at = first + width
        tokens.require(at + 2, f"the scope of {what}")
        if tokens.values[at] == -1 and at + 1 in tokens.words:
            if arity < 0:
                raise tokens.wrong(self.place[k], f"{what} is named, and cannot be shared")
            return self._named(k, first, width, at + 1)
        count = tokens.whole(at + 1, f"the number of tuples of {what}", -MOST, MOST)
        default = at
        at += 2
        if count < 0:
            if -count > len(self.shared):
                raise tokens.wrong(
                    default + 1,
                    f"{what} shares the table of number {-count}, but "
                    f"{some(len(self.shared), 'table')} may be shared so far",
                )
            owner = self.shared[-count - 1]
        else:
            owner = k
            self._cost(default, f"the default cost of {what}")
            self.tuples[k] = (default, count, len(self.plain))
            at += count * (width + 1)
            tokens.require(at, f"the tuples of {what}")
        if arity < 0:
            self.shared.append(owner)
        self.plain.append((k, first, width, owner))
        return at

    def _cost(self, at: int, what: str) -> float:
        value = float(self.tokens.values[at])
        if not 0 <= value < np.inf:
            raise self.tokens.wrong(
                at, f"{what} is a number from 0 on, not `{self.tokens.word(at)}`"
            )
        return value

    def _named(self, k: int, first: int, width: int, at: int) -> int:
        tokens = self.tokens
        name, begin = tokens.word(at), at
        if not known(name):
            raise DataError(
                f"{tokens.source.name}:{tokens.source.line(at)}: cost function {k} is a `{name}`, "
                "which is not read",
                code="E0372",
            )
        at += 1
        word = ""
        if name == "salldiff":
            tokens.require(at + 2, f"the parameters of cost function {k}")
            word, at = tokens.word(at), at + 1
        count = counts(name)
        if count is None:
            count = 1 + width
        tokens.require(at + count, f"the parameters of cost function {k}")
        numbers = tokens.values[at : at + count]
        bad = ~np.isfinite(numbers)
        if bad.any():
            where = at + int(bad.argmax())
            raise tokens.wrong(
                where, f"a parameter of `{name}` is a number, not `{tokens.word(where)}`"
            )
        if name in ("salldiff", "disj", "sdisj") and (numbers[-1] < 0 or numbers[-2:].min() < 0):
            raise tokens.wrong(begin, f"a cost of `{name}` is negative")
        places = np.arange(first, first + width)
        scope = tokens.wholes(places, "a variable of a cost function", 0, self.variables - 1)
        if len(np.unique(scope)) < width:
            raise tokens.wrong(first, f"cost function {k} names a variable twice")
        self.named.append(Named(name, k, scope.astype(np.int32), tuple(numbers.tolist()), word))
        return at + count

    def cards(self, k: int, card: Ints) -> tuple[int, ...]:
        """Return the states of the variables of a function in extension, which are in range."""
        _, first, width, _ = self.plain[self.tuples[k][2]]
        scope = self.tokens.values[first : first + width].astype(np.int64)
        return tuple(card[scope].tolist())

    def arrays(self) -> tuple[Positions, Positions, Positions]:
        """Return where the scopes of functions in extension begin, their arities, and whose
        tuples they have."""
        rows = np.array(self.plain, np.int64).reshape(-1, 4)
        return rows[:, 1], rows[:, 2], rows[:, 3]


def _add(
    gathered: Gathered,
    tokens: Tokens,
    reader: _Functions,
    shape: Shape,
    table: Positions,
    card: Ints,
    upper: float,
) -> None:
    """Add the functions of a shape; its numbers count those in extension."""
    owners, index = np.unique(table[shape.factors], return_inverse=True)
    numbers = np.array([reader.plain[k][0] for k in shape.factors.tolist()])
    states, width = shape.states, len(shape.cards)
    for owner, k in zip(*np.unique(table[shape.factors], return_index=True), strict=True):
        if reader.cards(int(owner), card) != shape.cards:
            number = int(numbers[k])
            raise tokens.wrong(
                reader.place[number],
                f"cost function {number} shares the table of cost function {owner}, whose "
                "variables have other domains",
            )
    gathered.require(
        len(owners) * states, f"the table of cost function {numbers[0]} of {gathered.source}"
    )
    where = [reader.tuples[int(owner)] for owner in owners]
    default = np.array([at for at, _, _ in where])
    count = np.array([k for _, k, _ in where])
    out = np.empty((len(owners), states))
    out[:] = tokens.values[default][:, None]
    begin = default + 2
    row, at = spread(begin, count)
    at = begin[row] + (at - begin[row]) * (width + 1)
    entry = np.zeros(len(row), np.int64)
    for k, states_of in enumerate(shape.cards):
        value = tokens.wholes(at + k, "a value of a tuple", 0, states_of - 1)
        entry = entry * states_of + value
    cost = tokens.values[at + width]
    bad = ~((cost >= 0) & (cost < np.inf))
    if bad.any():
        first = int(at[bad].min()) + width
        raise tokens.wrong(first, f"a cost is a number from 0 on, not `{tokens.word(first)}`")
    out[row, entry] = cost
    full = Shape(shape.cards, numbers, shape.scope)
    gathered.add(full, _hard(out, upper), index.astype(np.int32).reshape(-1))
