"""Numbers of texts by a hash table, for columns too long for a dictionary of Python's."""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.jit import kernel

Ints = NDArray[np.int64]

_SALT = np.uint64(secrets.randbits(63) * 2 + 1)
"""Whoever makes the texts cannot make them collide; no result depends on it."""


@kernel(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _place(row, salt, last):  # type: ignore[no-untyped-def]
    """Return where the search for a row of characters begins."""
    h = salt
    for k in range(len(row)):
        if row[k] == 0:
            break
        h = (h ^ np.uint64(row[k])) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(29)
    h *= salt
    return (h ^ (h >> np.uint64(32))) & last


@kernel(no_cpython_wrapper=True, no_cfunc_wrapper=True)
def _same(a, b):  # type: ignore[no-untyped-def]
    at, n = 0, len(a)
    while at < n and a[at] == b[at]:
        at += 1
    return at == n


@kernel
def _number(units, salt, table, code, first):  # type: ignore[no-untyped-def]
    """Fill ``code`` [n] and ``first`` [n]; return how many different rows there are.

    units [n, w] are the characters; table has a power of two of places, all -1.
    """
    count, last = 0, np.uint64(len(table) - 1)
    for i in range(len(units)):
        at = _place(units[i], salt, last)
        while table[at] >= 0 and not _same(units[i], units[first[table[at]]]):
            at = (at + np.uint64(1)) & last
        if table[at] < 0:
            table[at] = count
            first[count] = i
            count += 1
        code[i] = table[at]
    return count


@kernel
def _find(units, salt, table, known, out):  # type: ignore[no-untyped-def]
    """Write which row of ``known`` each row is, -1 for none; both are equally wide."""
    last = np.uint64(len(table) - 1)
    for i in range(len(units)):
        at = _place(units[i], salt, last)
        while table[at] >= 0 and not _same(units[i], known[table[at]]):
            at = (at + np.uint64(1)) & last
        out[i] = table[at]


def number(texts: NDArray[Any]) -> tuple[Ints, Ints]:
    """Return the number of each text, in the order of their first appearance, and where that was.

    Parameters
    ----------
    texts : of NumPy's type ``U`` [n].

    Returns
    -------
    int64 [n] and int64 [different texts].
    """
    n = len(texts)
    code, first = np.empty(n, np.int64), np.empty(n, np.int64)
    count = _number(_units(texts), _SALT, _table(n), code, first)
    return code, first[:count].copy()


class Positions:
    """The positions of some different words.

    Parameters
    ----------
    words : of NumPy's type ``U`` [n].
    """

    def __init__(self, words: NDArray[Any]) -> None:
        self._words = _units(words)
        self._places, n = _table(len(words)), len(words)
        none = np.empty(n, np.int64)
        _number(self._words, _SALT, self._places, none, np.empty(n, np.int64))

    def of(self, words: NDArray[Any]) -> Ints:
        """Return the position of each word, -1 for those that are not there; int64 [m]."""
        width = self._words.shape[1]
        given = _units(words.astype(f"U{width}"))
        out = np.empty(len(given), np.int64)
        _find(given, _SALT, self._places, self._words, out)
        longer = np.char.str_len(words) > width if words.dtype.itemsize > 4 * width else None
        if longer is not None:
            out[longer] = -1
        return out


def _table(n: int) -> NDArray[np.int32]:
    places = 1 << max(4, int(2 * n - 1).bit_length())
    budget.require(4 * places + 16 * n, f"the numbers of {n} texts")
    return np.full(places, -1, np.int32)


def _units(texts: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the characters of texts, uint32 [n, width]."""
    width = max(texts.dtype.itemsize // 4, 1)
    return np.ascontiguousarray(texts).view(np.uint32).reshape(len(texts), width)
