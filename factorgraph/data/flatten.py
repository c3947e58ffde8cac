"""Nested lists become a flat list and a shape, one level at a time."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from factorgraph.errors import DataError

DEEPEST = 64
_LEAVES: frozenset[type] = frozenset({int, float, bool, str, type(None)})
_LISTS = frozenset({list, tuple})
_NAMES = {
    dict: "an object",
    list: "a list",
    tuple: "a list",
    type(None): "null",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    str: "text",
}


def flatten(value: object, what: Callable[[], str]) -> tuple[list[Any], tuple[int, ...], set[type]]:
    """Return the leaves of a value, its shape and the types of the leaves.

    Parameters
    ----------
    value : a number, text, truth value or None, or nested lists of them; numpy arrays within
        lists count as lists.
    what : gives the place and the field, for messages.

    Returns
    -------
    leaves : in C order.
    shape : the extents; it ends where a level is empty.
    kinds : the types found among the leaves.

    Raises
    ------
    DataError : the lists are uneven or too deep, or a leaf is none of the above.
    """
    level: list[Any] = [value]
    shape: tuple[int, ...] = ()
    while True:
        kinds = set(map(type, level))
        if not kinds <= _LEAVES and not kinds <= _LISTS:
            level = [_plain(v) for v in level]
            kinds = set(map(type, level))
        if kinds <= _LEAVES:
            return level, shape, kinds
        if not kinds <= _LISTS:
            raise _refusal(level, shape, kinds, what)
        extents = set(map(len, level))
        if len(extents) > 1:
            raise _uneven(level, shape, what)
        shape = (*shape, extents.pop())
        if len(shape) > DEEPEST:
            raise DataError(f"{what()} has lists nested deeper than {DEEPEST}")
        level = list(chain.from_iterable(level))


def place(index: int, shape: tuple[int, ...]) -> str:
    """Return how to write the ``index``-th element of an array of this shape: ``[2][0]``."""
    if not shape:
        return ""
    return "".join(f"[{i}]" for i in np.unravel_index(index, shape))


def kind_name(kind: type) -> str:
    """Return what messages call a value of this type."""
    return _NAMES.get(kind, f"a value of type {kind.__name__}")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _uneven(level: list[Any], shape: tuple[int, ...], what: Callable[[], str]) -> DataError:
    size = len(level[0])
    i = next(i for i, part in enumerate(level) if len(part) != size)
    return DataError(
        f"{what()}{place(i, shape)} has {len(level[i])} values where "
        f"{place(0, shape)} has {size}; rows of different length are not read yet"
    )


def _refusal(
    level: list[Any], shape: tuple[int, ...], kinds: set[type], what: Callable[[], str]
) -> DataError:
    for i, part in enumerate(level):
        if type(part) not in _LISTS and type(part) not in _LEAVES:
            return DataError(
                f"{what()}{place(i, shape)} is {kind_name(type(part))}; values are numbers, "
                "text, truth values, null and lists of them"
            )
    names = sorted({kind_name(kind) for kind in kinds})
    i = next(i for i, part in enumerate(level) if type(part) is not type(level[0]))
    return DataError(
        f"{what()}{place(i, shape)} is {kind_name(type(level[i]))} where "
        f"{place(0, shape)} is {kind_name(type(level[0]))}; "
        f"a list must not mix {' and '.join(names)}"
    )
