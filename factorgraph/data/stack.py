"""Arrays that hold all instances of a field at once become columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from math import prod

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Column, Flags, Ints, Records, Values
from factorgraph.errors import DataError, some

OFFSETS = ".offsets"
LENGTHS = ".lengths"
_MOST = 2**62


def wants(name: str, fields: Collection[str] | None) -> bool:
    """Return whether a column is one of ``fields``, or a part of one: ``edge.a`` of ``edge``."""
    if fields is None or name in fields:
        return True
    return name.partition(".")[0] in fields or name.removesuffix(OFFSETS) in fields


def offsets_of(name: str, names: Collection[str]) -> str | None:
    """Return the array that holds the offsets of an array, or None.

    Parameters
    ----------
    name : of an array of values.
    names : of all arrays. Those of records, ``edge.a`` and ``edge.b``, may share
        ``edge.offsets``, if there is no array ``edge``.
    """
    if name + OFFSETS in names:
        return name + OFFSETS
    base, dot, _ = name.rpartition(".")
    return base + OFFSETS if dot and base not in names and base + OFFSETS in names else None


def is_offsets(name: str, names: Collection[str], source: str) -> bool:
    """Return whether an array holds offsets.

    Raises
    ------
    DataError : it does, but of no array that is there.
    """
    if not name.endswith(OFFSETS):
        return False
    base = name.removesuffix(OFFSETS)
    if base not in names and not any(n.rpartition(".")[0] == base and n != name for n in names):
        raise DataError(f"{source} has `{name}`, but no array `{base}`", code="E0344")
    return True


def check_shape(shape: tuple[int, ...], itemsize: int, what: str) -> int:
    """Return the number of elements of an array that holds all instances.

    Parameters
    ----------
    shape : as a file's header states it, so not to be trusted.
    itemsize : bytes of an element.
    what : the field and its source, for messages.

    Returns
    -------
    int, the product of the extents.

    Raises
    ------
    DataError : an extent is negative or absurd, or there is no axis of instances.
    """
    if not shape:
        raise DataError(
            f"{what} is a single value, but the first axis counts the instances",
            code="E0343",
            hint="a scalar field of N instances is an array of shape [N]",
        )
    # An empty array may still claim extents that overflow once they are multiplied.
    odd = len(shape) > 64 or min(shape) < 0 or any(isinstance(n, bool) for n in shape)
    if odd or prod(max(n, 1) for n in shape) * itemsize > _MOST:
        shown = ", ".join(str(n) if abs(n) < 10**20 else "..." for n in shape[:8])
        more = ", ..." if len(shape) > 8 else ""
        raise DataError(f"{what} has an impossible shape [{shown}{more}]", code="E0343")
    return prod(shape)


def even(
    name: str, values: Values, missing: Flags | None, shape: tuple[int, ...], what: str
) -> Column:
    """Return the column of an array whose first axis counts the instances."""
    count, rest = shape[0], shape[1:]
    budget.require(values.nbytes + 8 * count * len(shape), what)
    start = np.arange(count + 1, dtype=np.int64) * prod(rest)
    extents = np.empty((count, len(rest)), np.int64)
    extents[:] = rest
    return Column(name, values, start, extents, missing)


def ragged(
    name: str,
    values: Values,
    missing: Flags | None,
    shape: tuple[int, ...],
    offsets: Values,
    what: str,
) -> Column:
    """Return the column of instances that lie end to end along the first axis.

    Parameters
    ----------
    name : the field's name.
    values, missing : [E] flat elements of the array.
    shape : the array's shape, [L, ...].
    offsets : integers [N + 1], from 0 to L, never falling.
    what : the field and its source, for messages.

    Returns
    -------
    Column of N instances of shapes [offsets[i + 1] - offsets[i], ...].

    Raises
    ------
    DataError : the offsets do not fit the array.
    """
    place = f"offsets of {what}"
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or not offsets.size:
        raise DataError(
            f"{place} have shape {list(offsets.shape)} and type {offsets.dtype}, "
            "but must be a list of integers, one more than instances",
            code="E0344",
        )
    bounds: Ints = offsets.astype(np.int64)
    if bounds[0] != 0:
        raise DataError(f"{place} start at {bounds[0]}, not at 0", code="E0344")
    falls = np.flatnonzero(bounds[1:] < bounds[:-1])
    if falls.size:
        i = int(falls[0])
        raise DataError(
            f"{place} fall from {bounds[i]} to {bounds[i + 1]} at instance {i}", code="E0344"
        )
    if bounds[-1] != shape[0]:
        raise DataError(f"{place} end at {bounds[-1]}, but there are {shape[0]} rows", code="E0344")
    rest = shape[1:]
    budget.require(values.nbytes + 8 * len(bounds) * (len(shape) + 1), what)
    extents = np.empty((len(bounds) - 1, len(shape)), np.int64)
    extents[:, 0] = np.diff(bounds)
    extents[:, 1:] = rest
    return Column(name, values, bounds * prod(rest), extents, missing)


def named(names: Iterable[str]) -> tuple[str, ...]:
    """Return the fields that arrays make, by the names of the arrays."""
    return tuple(dict.fromkeys(n.removesuffix(OFFSETS).removesuffix(LENGTHS) for n in names))


def gather(columns: Mapping[str, Column], source: str, fields: tuple[str, ...]) -> Records:
    """Return the records of columns that must all have the same number of instances.

    Parameters
    ----------
    fields : all that the source has, also those that are not among the columns.

    Raises
    ------
    DataError : two fields disagree, or there are no instances.
    """
    first = next(iter(columns.values()), None)
    if first is None:
        return Records(source, 0, {}, fields=fields)
    count = len(first.shape)
    for column in columns.values():
        if len(column.shape) != count:
            raise DataError(
                f"{source}: field `{column.name}` has {some(len(column.shape), 'instance')}, "
                f"but field `{first.name}` has {count}",
                code="E0345",
            )
    if not count:
        raise DataError(f"{source} holds no instances", code="E0323")
    return Records(source, count, dict(columns), fields=fields)
