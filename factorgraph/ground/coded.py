"""Texts as numbers into a list of distinct ones, so that only those are ever put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from factorgraph.ground.number import Positions

Ints = NDArray[np.int64]
Texts = NDArray[Any]

MANY = 1 << 13
"""Texts from which on machine code is worth its loading."""
WIDE = 64
"""Characters of a word up to which all words take as many."""
LAST = 4
"""Vocabularies whose positions are remembered."""

_known: list[tuple[tuple[str, ...], dict[str, int] | Positions]] = []


@dataclass(frozen=True, eq=False)
class Coded:
    """Texts by number.

    Attributes
    ----------
    code : int64 [n], into ``words``.
    words : texts; not all of them need to occur.
    """

    code: Ints
    words: list[str]

    def texts(self) -> Texts:
        """Return the texts one by one, [n]."""
        words: Texts = np.array(self.words, dtype=np.str_)
        return words[self.code] if len(self.words) else np.zeros(0, np.str_)

    def take(self, at: Ints) -> Coded:
        """Return the texts at some places."""
        return Coded(self.code[at], self.words)

    def each(self, function: Callable[[str], str]) -> Coded:
        """Return a function of every text, computed once for each word."""
        number: dict[str, int] = {}
        add = number.setdefault
        to = np.array([add(function(w), len(number)) for w in self.words], np.int64)
        return Coded(to[self.code], list(number))

    def among(self, vocabulary: tuple[str, ...]) -> Ints:
        """Return the position of each text in a vocabulary, -1 for those that it has not."""
        if not len(self.code):
            return np.zeros(0, np.int64)
        place = positions(vocabulary)
        if isinstance(place, dict):
            at = np.fromiter(map(place.get, self.words, repeat(-1)), np.int64, len(self.words))
        else:
            at = place.of(np.array(self.words, np.str_))
        return at[self.code]


def code(texts: Texts) -> Coded:
    """Return an array of texts as numbers, in the order of their first appearance."""
    if len(texts) >= MANY and texts.dtype.kind == "U" and texts.dtype.isnative:
        from factorgraph.ground.number import number as numbered

        numbers, first = numbered(texts)
        return Coded(numbers, texts[first].tolist())
    every: list[str] = texts.tolist()
    words = list(dict.fromkeys(every))
    number = dict(zip(words, range(len(words)), strict=True))
    return Coded(np.fromiter(map(number.__getitem__, every), np.int64, len(every)), words)


def join(parts: Sequence[Coded], between: str) -> Coded:
    """Return texts put together one by one, with something between them."""
    out = parts[0]
    for part in parts[1:]:
        out = _pair(out, part, between)
    return out


def _pair(a: Coded, b: Coded, between: str) -> Coded:
    if len(a.words) == 1:
        before = a.words[0] + between
        return Coded(b.code, [before + w for w in b.words])
    if len(b.words) == 1:
        after = between + b.words[0]
        return Coded(a.code, [w + after for w in a.words])
    width = len(b.words)
    key = a.code * width + b.code
    size = len(a.words) * width
    if size <= 4 * len(key):
        there = np.zeros(size, np.bool_)
        there[key] = True
        pairs = np.flatnonzero(there)
        number = np.cumsum(there) - 1
        codes = number[key]
    else:
        pairs, codes = np.unique(key, return_inverse=True)
    first, second = np.divmod(pairs, max(width, 1))
    left, right = a.words, b.words
    words = [
        left[i] + between + right[j]
        for i, j in zip(first.tolist(), second.tolist(), strict=True)
    ]  # fmt: skip
    return Coded(codes.astype(np.int64), words)


def positions(vocabulary: tuple[str, ...]) -> dict[str, int] | Positions:
    """Return the position of each word; remembered for the vocabularies asked for last."""
    for words, place in _known:
        if words is vocabulary:
            return place
    if len(vocabulary) >= MANY and max(map(len, vocabulary)) <= WIDE:
        from factorgraph.ground.number import Positions

        place = Positions(np.array(vocabulary, np.str_))
    else:
        place = {w: k for k, w in enumerate(vocabulary)}
    _known.append((vocabulary, place))
    del _known[:-LAST]
    return place


def forget() -> None:
    """Forget all positions."""
    _known.clear()
