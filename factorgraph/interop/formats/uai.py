"""The UAI competitions' format: MARKOV and BAYES networks, and evidence.

A header word, the variables and their states, the factors' scopes, then their tables, the last
variable of a scope running fastest. Factors are probabilities or potentials: energies are minus
their logarithms.

Reference: the file formats of the UAI inference competitions, 2008 to 2022.
"""

from __future__ import annotations

import os

import numpy as np

from factorgraph.errors import DataError, some
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.gather import Gathered, Shape, shapes, spread
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Positions, Tokens

MOST = 2**31 - 1
_GATHERED = 1 << 20


def read_uai(source: Source) -> Instance:
    """Read a network.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : its tables would be over the budget.
    """
    tokens = Tokens(source)
    header = tokens.words.get(0, b"").upper()
    if header not in (b"MARKOV", b"BAYES"):
        shown = f"`{tokens.word(0)}`" if len(tokens) else "nothing"
        raise tokens.wrong(0, f"the file begins with MARKOV or BAYES, not {shown}")
    count = tokens.whole(1, "the number of variables", 0, MOST)
    tokens.require(2 + count, f"the states of {some(count, 'variable')}")
    card = tokens.wholes(
        np.arange(2, 2 + count), "the number of a variable's states", 1, MOST
    ).astype(np.int32)
    factors = tokens.whole(2 + count, "the number of factors", 0, MOST)
    start, arity, at = _scopes(tokens, 3 + count, factors)
    _, places = spread(start, arity)
    scope = tokens.wholes(places, "a variable of a factor", 0, count - 1).astype(np.int32)
    found = list(shapes(tokens, start, arity, scope, card, "factor"))
    first = _tables(tokens, at, found, factors)
    gathered = Gathered(card, source.name)
    for shape in found:
        gathered.require(len(shape.factors) * shape.states, f"the tables of {source.name}")
        gathered.add(shape, energies(tokens, first[shape.factors], shape.states))
    structure, values, numbers = gathered.build()
    return Instance(
        source.name,
        "uai",
        structure,
        values,
        np.full(count, -1, np.int32),
        gathered.offset,
        numbers=numbers,
    )


def _scopes(tokens: Tokens, at: int, factors: int) -> tuple[Positions, Positions, int]:
    """Return where each factor's scope begins, its length, and where the tables begin."""
    tokens.require(at + factors, f"the scopes of {some(factors, 'factor')}")
    start, arity = np.empty(factors, np.int64), np.empty(factors, np.int64)
    cells, size = tokens.values.data, len(tokens)
    for k in range(factors):
        width = cells[at] if at < size else -1.0
        if not 0 <= width < size or width != int(width):
            width = tokens.whole(at, f"the number of variables of factor {k}", 0, size)
        start[k], arity[k] = at + 1, width
        at += 1 + int(width)
    tokens.require(at, "the scopes end")
    return start, arity, at


def _tables(tokens: Tokens, at: int, found: list[Shape], factors: int) -> Positions:
    """Return where each factor's table begins; sizes are compared with what the file states."""
    size = np.empty(factors, np.int64)
    for shape in found:
        if shape.states > len(tokens):
            raise tokens.wrong(
                len(tokens),
                f"the file ends before the table of factor {shape.factors[0]}, "
                f"which has {shape.states:.3g} entries",
            )
        size[shape.factors] = shape.states
    place = at + np.concatenate(([0], np.cumsum(size + 1)))
    here = place[:-1]
    there = here < len(tokens)
    stated = tokens.values[here[there]]
    wrong = stated != size[there]
    if wrong.any():
        k = int(np.flatnonzero(there)[wrong][0])
        tokens.whole(int(here[k]), f"the size of the table of factor {k}")
        raise tokens.wrong(
            int(here[k]),
            f"the table of factor {k} has {some(int(size[k]), 'entry')}, not "
            f"{tokens.word(int(here[k]))}",
        )
    if place[-1] > len(tokens):
        k = int(np.searchsorted(place, len(tokens), "right")) - 1
        raise tokens.wrong(
            len(tokens), f"the file ends in the table of factor {min(k, factors - 1)}"
        )
    tokens.end(int(place[-1]), "the last table")
    return here + 1


def energies(tokens: Tokens, first: Positions, states: int) -> Energies:
    """Return minus the logarithms of tables of ``states`` entries each, float64 [n, states].

    Raises
    ------
    DataError : an entry is no number, negative or infinite.
    """
    n = len(first)
    out = np.empty((n, states))
    rows = max(1, _GATHERED // states)
    for lo in range(0, n, rows):
        at = first[lo : lo + rows, None]
        step = max(1, _GATHERED // min(rows, n))
        for column in range(0, states, step):
            places = at + np.arange(column, min(states, column + step))
            out[lo : lo + rows, column : column + step] = checked(tokens, places)
    with np.errstate(divide="ignore"):
        np.log(out, out=out)
    np.negative(out, out=out)
    out += 0.0  # -log 1 is -0
    return out


def checked(tokens: Tokens, places: Positions) -> Energies:
    """Return factors' entries, which are at least 0 and finite."""
    found = tokens.values[places]
    bad = ~((found >= 0) & (found < np.inf))
    if bad.any():
        at = int(places[bad].min())
        word = tokens.word(at)
        kind = (
            "no number"
            if at in tokens.words
            else "negative"
            if tokens.values[at] < 0
            else "too large"
        )
        raise tokens.wrong(at, f"the entry `{word}` of a table is {kind}")
    return found


def read_evidence(path: str | os.PathLike[str], card: Ints) -> Ints:
    """Read what is observed: ``k`` and then ``k`` variables with their states.

    Older files have the number of such lists before them, of which there may be one.

    Parameters
    ----------
    card : int32 [V], of the network that the evidence is for.

    Returns
    -------
    int32 [V], -1 where nothing is observed.

    Raises
    ------
    DataError : the file is damaged, or does not fit the network.
    """
    tokens = Tokens(Source(path))
    out = np.full(len(card), -1, np.int32)
    if len(tokens) == 0:
        return out
    count = tokens.whole(0, "the number of observed variables", 0, MOST)
    at = 1
    if len(tokens) != 1 + 2 * count and count == 1:
        count = tokens.whole(1, "the number of observed variables", 0, MOST)
        at = 2
    elif len(tokens) != 1 + 2 * count and len(tokens) > 1 and _several(tokens, count):
        raise DataError(
            f"{tokens.source.name} holds {count} lists of evidence: one is read",
            code="E0371",
            hint="write the one that you mean to a file of its own",
        )
    tokens.require(at + 2 * count, f"the states of {some(count, 'observed variable')}")
    tokens.end(at + 2 * count, f"the states of {some(count, 'observed variable')}")
    for k in range(at, at + 2 * count, 2):
        variable = tokens.whole(k, "an observed variable", 0)
        if variable >= len(card):
            raise _unfit(tokens, k, f"there is no variable {variable}: they end at {len(card) - 1}")
        state = tokens.whole(k + 1, f"the state of variable {variable}", 0)
        if state >= card[variable]:
            raise _unfit(
                tokens,
                k + 1,
                f"variable {variable} has {some(int(card[variable]), 'state')}: "
                f"there is no number {state}",
            )
        if out[variable] not in (-1, state):
            raise _unfit(
                tokens, k + 1, f"variable {variable} is observed as {out[variable]} and as {state}"
            )
        out[variable] = state
    return out


def _several(tokens: Tokens, count: int) -> bool:
    """Return whether a file holds ``count`` lists of evidence, one after another."""
    at = 1
    for _ in range(count):
        if at >= len(tokens) or not 0 <= tokens.values[at] < len(tokens):
            return False
        at += 1 + 2 * int(tokens.values[at])
    return at == len(tokens)


def _unfit(tokens: Tokens, at: int, fault: str) -> DataError:
    return DataError(f"{tokens.source.name}:{tokens.source.line(at)}: {fault}", code="E0371")
