"""libDAI's factor graphs: a number of factors, then for each its variables and its entries.

Variables have labels, not all of which need occur. The first variable of a factor runs fastest,
and entries that are not listed are 0. Lines that begin with "#" are comments.

Reference: J. M. Mooij, libDAI, "factor graph (.fg) file format".
"""

from __future__ import annotations

import numpy as np

from factorgraph.errors import some
from factorgraph.graph.structure import Ints
from factorgraph.interop.formats.gather import Gathered, Shape, shapes, spread
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Positions, Tokens
from factorgraph.interop.formats.uai import MOST, checked


def read_libdai(source: Source) -> Instance:
    """Read a factor graph; variables are numbered in the order of their labels.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : its tables would be over the budget.
    """
    source.comments = True
    tokens = Tokens(source)
    factors = tokens.whole(0, "the number of factors", 0, MOST)
    tokens.require(1 + factors, some(factors, "factor"))
    start, arity, entries = _blocks(tokens, factors)
    owner, at = spread(start, arity)
    label = tokens.wholes(at, "the label of a variable", 0, 2**53)
    states = tokens.wholes(at + arity[owner], "the number of states", 1, MOST)
    labels, first, scope = np.unique(label, return_index=True, return_inverse=True)
    card = states[first].astype(np.int32)
    unequal = card[scope] != states
    if unequal.any():
        k = int(unequal.argmax())
        raise tokens.wrong(
            int(at[k] + arity[owner[k]]),
            f"variable {label[k]} has {some(int(states[k]), 'state')} here, "
            f"{some(int(card[scope[k]]), 'state')} before",
        )
    gathered = Gathered(card, source.name)
    flat: Ints = scope.reshape(-1).astype(np.int32)
    for shape in shapes(tokens, start, arity, flat, card, "factor"):
        gathered.require(len(shape.factors) * shape.states, f"the tables of {source.name}")
        _add(gathered, tokens, shape, start, arity, entries)
    structure, values, numbers = gathered.build()
    return Instance(
        source.name,
        "libdai",
        structure,
        values,
        np.full(len(card), -1, np.int32),
        gathered.offset,
        names=tuple(str(k) for k in labels.tolist()),
        numbers=numbers,
    )


def _blocks(tokens: Tokens, factors: int) -> tuple[Positions, Positions, Positions]:
    """Return where each factor's scope begins, its length, and how many entries it lists."""
    start, arity = np.empty(factors, np.int64), np.empty(factors, np.int64)
    entries = np.empty(factors, np.int64)
    at, size = 1, len(tokens)
    for k in range(factors):
        width = tokens.whole(at, f"the number of variables of factor {k}", 0, size)
        tokens.require(at + 2 * width + 2, f"the variables of factor {k}")
        start[k], arity[k] = at + 1, width
        at += 1 + 2 * width
        entries[k] = tokens.whole(at, f"the number of entries of factor {k}", 0, size)
        at += 1 + 2 * int(entries[k])
        tokens.require(at, f"the entries of factor {k}")
    tokens.end(at, "the last factor")
    return start, arity, entries


def _add(
    gathered: Gathered,
    tokens: Tokens,
    shape: Shape,
    start: Positions,
    arity: Positions,
    entries: Positions,
) -> None:
    n, states = len(shape.factors), shape.states
    tables = np.zeros((n, states))
    begin = start[shape.factors] + 2 * arity[shape.factors] + 1
    row, at = spread(begin, entries[shape.factors])
    at = 2 * at - begin[row]
    index = tokens.wholes(at, "the number of an entry", 0, states - 1)
    seen = np.zeros((n, states), bool)
    seen[row, index] = True
    if np.count_nonzero(seen) < len(row):
        order = np.lexsort((at, index, row))
        twice = (np.diff(row[order]) == 0) & (np.diff(index[order]) == 0)
        k = int(order[1:][twice].min())
        raise tokens.wrong(
            int(at[k]), f"factor {shape.factors[row[k]]} has the entry {index[k]} twice"
        )
    tables[row, index] = checked(tokens, at + 1)
    with np.errstate(divide="ignore"):
        tables = -np.log(tables) + 0.0
    # The first variable runs fastest there, the last one here.
    turned = tables.reshape(n, *shape.cards[::-1])
    axes = (0, *range(len(shape.cards), 0, -1))
    gathered.add(shape, np.ascontiguousarray(turned.transpose(axes)).reshape(n, states))
