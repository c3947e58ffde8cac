"""Texts by array work: features, and what is before and after the dash of a label.

Functions look at each distinct text once. Texts are compared by a 64-bit hash where a table has
no room for them (FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv): never by Python's own hash,
which differs from run to run.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

Texts = NDArray[Any]


def each(texts: Texts, function: Callable[[str], str]) -> Texts:
    """Return ``function`` of every text, computed once for each distinct one."""
    if not len(texts):
        return texts
    distinct, inverse = np.unique(texts, return_inverse=True)
    return np.array([function(t) for t in distinct.tolist()], dtype=np.str_)[inverse]


def before_dash(label: str) -> str:
    return label.partition("-")[0]


def after_dash(label: str) -> str:
    return label.partition("-")[2]


def cut(size: int, first: bool) -> Callable[[str], str]:
    """Return the function that gives the first or the last characters of a text."""
    if first:
        return lambda t: t[: max(size, 0)]
    return lambda t: t[max(0, len(t) - max(size, 0)) :]


def ends(texts: Texts, size: int, first: bool) -> Texts:
    """Return the first or the last characters of every text."""
    return each(texts, cut(size, first))


def shape(text: str) -> str:
    """Return a word's shape: classes of characters, each run written once."""
    classes = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c
               for c in text)  # fmt: skip
    return "".join(c for c, _ in groupby(classes))


def fnv(texts: Texts) -> NDArray[np.uint64]:
    """Return the FNV-1a 64 hash of the UTF-8 bytes of each text, uint64 [n]."""
    out = np.full(len(texts), 0xCBF29CE484222325, np.uint64)
    if not len(texts):
        return out
    data = np.char.encode(texts, "utf-8")
    width = data.dtype.itemsize
    lengths = np.char.str_len(data)
    octets = np.ascontiguousarray(data).view(np.uint8).reshape(len(texts), width)
    prime = np.uint64(0x100000001B3)
    for k in range(width):
        more = lengths > k
        if not more.any():
            break
        mixed = (out ^ octets[:, k].astype(np.uint64)) * prime
        out = np.where(more, mixed, out)
    return out


def code(texts: Texts) -> NDArray[np.int64]:
    """Return a number for each text, equal where the texts are."""
    return fnv(texts).view(np.int64)


def as_texts(values: NDArray[Any]) -> Texts:
    """Return whole numbers as texts."""
    return values if values.dtype.kind == "U" else values.astype(np.int64).astype(np.str_)
