"""What the columns of a table hold: fields with one value a row, or elements of arrays."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from factorgraph.data.column import listed
from factorgraph.data.stack import wants
from factorgraph.errors import DataError, UsageError, did_you_mean, some

_ELEMENT = re.compile(r"(.+?)\[\s*([0-9]{1,9}(?:\s*,\s*[0-9]{1,9})*)\s*\]", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """One field of a table.

    Attributes
    ----------
    shape : of its value in a row; () for a single column.
    columns : the numbers of its columns, in C order.
    """

    shape: tuple[int, ...]
    columns: tuple[int, ...]


def parts(names: Sequence[str], fields: Collection[str] | None, what: str) -> dict[str, Part]:
    """Return the fields that the columns of a table make.

    Parameters
    ----------
    names : of the columns; ``x[0]``, ``x[1]``, ... and ``img[0,0]``, ``img[0,1]``, ... are
        elements of arrays, in any order. Columns without a name are left out.
    fields : names to keep; None keeps all.
    what : the place of the names, for messages.

    Raises
    ------
    DataError : a name is there twice, or an element of an array is missing.
    """
    seen: set[str] = set()
    found: dict[str, dict[tuple[int, ...], int]] = {}
    for j, name in enumerate(map(str.strip, names)):
        if not name:
            continue
        element = _ELEMENT.fullmatch(name)
        base = element[1].strip() if element else name
        if not wants(base, fields):
            continue
        index = tuple(map(int, element[2].split(","))) if element else ()
        others = found.setdefault(base, {})
        rank = len(next(iter(others), index))
        if index in others or name in seen:
            raise DataError(f"{what}: column `{name}` is there twice", code="E0350")
        if len(index) != rank:
            raise DataError(
                f"{what}: column `{name}` has {some(len(index), 'index')}, but others of "
                f"`{base}` have {rank}",
                code="E0350",
            )
        seen.add(name)
        others[index] = j
    return {base: _part(base, columns, what) for base, columns in found.items()}


def bases(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the fields that columns make, in order."""
    found = []
    for name in filter(None, map(str.strip, names)):
        element = _ELEMENT.fullmatch(name)
        found.append(element[1].strip() if element else name)
    return tuple(dict.fromkeys(found))


def spread(layout: Mapping[str, Part]) -> dict[str, int]:
    """Return the fields whose elements are columns, with the number of their indices."""
    return {name: len(part.shape) for name, part in layout.items() if part.shape}


def _part(base: str, columns: dict[tuple[int, ...], int], what: str) -> Part:
    shape = tuple(max(axis) + 1 for axis in zip(*columns))
    if prod(shape) != len(columns):
        name = ",".join(map(str, _first_lost(shape, sorted(columns))))
        raise DataError(
            f"{what}: there is no column `{base}[{name}]` of array `{base}` with "
            f"{some(len(columns), 'column')}",
            code="E0350",
            hint="the elements of an array are counted from 0, without gaps",
        )
    return Part(shape, tuple(columns[index] for index in sorted(columns)))


def _first_lost(shape: tuple[int, ...], there: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the first index of an array that is not among those that are there, in order."""
    for k, found in enumerate([*there, None]):
        # The array may be far too large to run over.
        index: tuple[int, ...] = ()
        for extent in reversed(shape):
            k, at = divmod(k, extent)
            index = (at, *index)
        if index != found:
            return index
    raise AssertionError


def groups(
    chosen: Sequence[str], layout: Mapping[str, Part], names: Sequence[str], what: str
) -> tuple[str, ...]:
    """Return the columns that tell which rows form an instance.

    Parameters
    ----------
    chosen : their names.
    layout : the fields that are read.
    names : all columns that are there.
    what : the place of the names, for messages.

    Raises
    ------
    UsageError : there is no such column with one value a row.
    """
    single = [name for name, part in layout.items() if not part.shape]
    for name in chosen:
        if name not in single:
            raise UsageError(
                f"{what}: there is no column `{name}` to group by",
                code="E0353",
                hint=did_you_mean(name, names) or f"the columns are: {listed(names)}",
            )
    return tuple(dict.fromkeys(chosen))


def apart(place: str, names: Sequence[str], key: Sequence[object], before: str) -> DataError:
    """Return the error of a group whose rows do not follow each other.

    Parameters
    ----------
    place : of the row at which it comes back.
    names, key : the columns that tell the group, and their values in it.
    before : where it stood first.
    """
    value = ", ".join(f"`{name}` is {part}" for name, part in zip(names, key))
    return DataError(
        f"{place}: {value} here as in the group of {before}, but other rows lie between them",
        code="E0352",
        hint=f"sort the table by {', '.join(names)}, or group by more columns, "
        f"as in --group {','.join(names)},NAME",
    )
