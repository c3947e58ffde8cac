"""Nested lists become a flat list and a shape, one level at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np

from factorgraph.errors import DataError, some

DEEPEST = 64
Lengths = list[int] | None
_LEAVES: frozenset[type] = frozenset({int, float, bool, str, type(None)})
_LISTS = frozenset({list, tuple})
_OBJECTS: frozenset[type] = frozenset({dict, str, type(None)})
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


class Flat(NamedTuple):
    """A value without its nesting.

    Attributes
    ----------
    leaves : in C order; if one is a dict, all are dicts, None or "_".
    shape : the extents; it ends where a level is empty.
    kinds : the types found among the leaves.
    lengths : of the rows, where they are uneven: ``shape[0]`` then counts what all rows hold.
    """

    leaves: list[Any]
    shape: tuple[int, ...]
    kinds: set[type]
    lengths: Lengths


def flatten(value: object, what: Callable[[], str]) -> Flat:
    """Return the leaves of a value, its shape and the types of the leaves.

    Parameters
    ----------
    value : a number, text, truth value, object or None, or nested lists of them; numpy arrays
        within lists count as lists.
    what : gives the place and the field, for messages.

    Raises
    ------
    DataError : lists below the second level are uneven, lists are too deep, or a leaf is none
        of the above.
    """
    level: list[Any] = [value]
    shape: tuple[int, ...] = ()
    lengths: Lengths = None
    while True:
        kinds = set(map(type, level))
        if not kinds <= _LEAVES and not kinds <= _LISTS:
            level = [_plain(v) for v in level]
            kinds = set(map(type, level))
        if kinds <= _LEAVES:
            return Flat(level, shape, kinds, lengths)
        if not kinds <= _LISTS:
            texts = {v for v in level if type(v) is str}
            if dict in kinds and kinds <= _OBJECTS and texts <= {"_"}:
                return Flat(level, shape, kinds, lengths)
            raise _refusal(level, shape, kinds, lengths, what)
        extents = set(map(len, level))
        if len(extents) > 1:
            if lengths is not None or len(shape) != 1:
                raise _uneven(level, shape, lengths, what)
            lengths = list(map(len, level))
            shape = (sum(lengths),)
        else:
            shape = (*shape, extents.pop())
        if len(shape) > DEEPEST:
            raise DataError(f"{what()} has lists nested deeper than {DEEPEST}", code="E0326")
        level = list(chain.from_iterable(level))


def nest(leaves: list[Any], shape: tuple[int, ...]) -> Any:
    """Return leaves as nested lists of a shape without zeros."""
    if not shape:
        return leaves[0]
    for extent in shape[:0:-1]:
        leaves = [leaves[i : i + extent] for i in range(0, len(leaves), extent)]
    return leaves


def place(index: int, shape: tuple[int, ...], lengths: Lengths = None, axis: int = 0) -> str:
    """Return how to write the ``index``-th element of an array of this shape: ``[2][0]``.

    Parameters
    ----------
    lengths : of rows that lie end to end along an axis, if they do.
    axis : that axis.
    """
    if not shape:
        return ""
    at = [int(i) for i in np.unravel_index(index, shape)]
    if lengths is not None:
        ends = list(accumulate(lengths))
        row = next(r for r, end in enumerate(ends) if at[axis] < end)
        at[axis : axis + 1] = [row, at[axis] - ends[row] + lengths[row]]
    return "".join(f"[{i}]" for i in at)


def kind_name(kind: type) -> str:
    """Return what messages call a value of this type."""
    return _NAMES.get(kind, f"a value of type {kind.__name__}")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return dict(value) if isinstance(value, Mapping) else value


def _uneven(
    level: list[Any], shape: tuple[int, ...], lengths: Lengths, what: Callable[[], str]
) -> DataError:
    size = len(level[0])
    i = next(i for i, part in enumerate(level) if len(part) != size)
    return DataError(
        f"{what()}{place(i, shape, lengths)} has {some(len(level[i]), 'value')} where "
        f"{place(0, shape, lengths)} has {size}; only the rows of a field, its lists at the "
        "second level, may differ in length",
        code="E0333",
    )


def _refusal(
    level: list[Any],
    shape: tuple[int, ...],
    kinds: set[type],
    lengths: Lengths,
    what: Callable[[], str],
) -> DataError:
    for i, part in enumerate(level):
        if type(part) not in _LISTS and type(part) not in _LEAVES and type(part) is not dict:
            return DataError(
                f"{what()}{place(i, shape, lengths)} is {kind_name(type(part))}; values are "
                "numbers, text, truth values, null, and lists and objects of them",
                code="E0331",
            )
    names = sorted({kind_name(kind) for kind in kinds})
    name = kind_name(type(level[0]))
    i = next(i for i, part in enumerate(level) if kind_name(type(part)) != name)
    return DataError(
        f"{what()}{place(i, shape, lengths)} is {kind_name(type(level[i]))} where "
        f"{place(0, shape, lengths)} is {name}; a list must not mix {' and '.join(names)}",
        code="E0332",
    )
