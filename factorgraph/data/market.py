"""Read matrices in Matrix Market's format.

Reference: R. F. Boisvert, R. Pozo, K. A. Remington, The Matrix Market exchange formats: initial
design, NISTIR 5935, 1996.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Values
from factorgraph.data.sparse import Sparse, check_extents, compressed
from factorgraph.data.text import Text, opened
from factorgraph.errors import DataError, some

_LONGEST = 40  # characters of a number
_DIGITS = 18
Lines = Iterator[tuple[int, bytes]]


def read_market(path: str | os.PathLike[str]) -> Values | Sparse:
    """Read a file whose name ends in ``.mtx``, or ``.mtx.gz``.

    Returns
    -------
    Sparse for the coordinate format, else an array [rows, columns], of float64 or int64. A
    pattern has ones; entries at one place are added, in a pattern refused.

    Raises
    ------
    DataError : the file is missing, damaged or of a kind that is not read (complex, hermitian).
    BudgetError : the matrix would be too large.
    """
    with opened(path) as text:
        lines = text.lines()
        form, field, symmetry = _header(text, lines)
        number, sizes = _sizes(text, lines, 3 if form == "coordinate" else 2)
        place = f"{text.source}:{number}"
        shape = (sizes[0], sizes[1])
        check_extents(shape, f"the matrix of {text.source}")
        if symmetry != "general" and shape[0] != shape[1]:
            raise DataError(
                f"{place}: a {symmetry} matrix of {shape[0]} x {shape[1]}", code="E0363"
            )
        if form == "array":
            return _dense(text, lines, shape, field, symmetry)
        return _coordinate(text, lines, shape, sizes[2], field, symmetry)


def _header(text: Text, lines: Lines) -> tuple[str, str, str]:
    number, line = next(lines, (1, b""))
    words = line[:200].lower().split()
    if len(words) != 5 or words[:2] != [b"%%matrixmarket", b"matrix"]:
        raise DataError(
            f"{text.source}:{number}: no header of a matrix",
            code="E0363",
            hint="the first line is like `%%MatrixMarket matrix coordinate real general`",
        )
    form, field, symmetry = (word.decode("ascii", "replace") for word in words[2:])
    for word, known in (
        (form, ("coordinate", "array")),
        (field, ("real", "double", "integer", "pattern")),
        (symmetry, ("general", "symmetric", "skew-symmetric")),
    ):
        if word not in known:
            raise DataError(
                f"{text.source}:{number}: a matrix that is `{word}` is not read; known are "
                f"{', '.join(known)}",
                code="E0363",
            )
    if field == "pattern" and (form == "array" or symmetry == "skew-symmetric"):
        raise DataError(f"{text.source}:{number}: a {form} that is a pattern", code="E0363")
    return form, field, symmetry


def _sizes(text: Text, lines: Lines, count: int) -> tuple[int, list[int]]:
    number = 1
    for number, line in lines:
        words = line.split()
        if not words or line.startswith(b"%"):
            continue
        if len(words) == count and all(w.isdigit() and len(w) <= _DIGITS for w in words):
            return number, [int(word) for word in words]
        break
    raise DataError(
        f"{text.source}:{number}: no line of {count} sizes: rows, columns"
        + (" and entries" if count == 3 else ""),
        code="E0363",
    )


def _coordinate(
    text: Text, lines: Lines, shape: tuple[int, int], count: int, field: str, symmetry: str
) -> Sparse:
    what = f"the matrix of {text.source}"
    parts: list[tuple[Values, Values, Values]] = []
    found = 0
    for numbers, cells in _blocks(text, lines, 2 if field == "pattern" else 3):
        rows, columns = (_whole(text, numbers, cells[:, k]) for k in (0, 1))
        for name, index, extent in (("row", rows, shape[0]), ("column", columns, shape[1])):
            bad = (index < 1) | (index > extent)
            if bad.any():
                at = int(bad.argmax())
                raise _wrong(
                    text, numbers[at], f"{name} {index[at]}, but the matrix has 1..{extent}"
                )
        if symmetry != "general":
            bad = columns > rows if symmetry == "symmetric" else columns >= rows
            if bad.any():
                raise _wrong(
                    text,
                    numbers[int(bad.argmax())],
                    f"an entry above the diagonal of a {symmetry} matrix"
                    + (", or on it" if symmetry != "symmetric" else ""),
                )
        found += len(numbers)
        if found > count:
            break
        budget.require(24 * 4 * found, what)
        if field == "pattern":
            values: Values = np.ones(len(rows), np.int64)
        else:
            values = _values(text, numbers, cells[:, 2], field)
        parts.append((rows - 1, columns - 1, values))
    if found != count:
        more = "more" if found > count else str(found)
        raise DataError(f"{what} states {some(count, 'entry')}, but holds {more}", code="E0365")
    empty = np.zeros(0, np.int64)
    none: Values = empty if field in ("integer", "pattern") else np.zeros(0)
    rows, columns, values = (np.concatenate(arrays) for arrays in zip((empty, empty, none), *parts))
    if symmetry != "general":
        mirrored = rows != columns
        sign = -1 if symmetry == "skew-symmetric" else 1
        rows, columns, values = (
            np.concatenate((rows, columns[mirrored])),
            np.concatenate((columns, rows[mirrored])),
            np.concatenate((values, sign * values[mirrored])),
        )
    return compressed(shape, rows, columns, values, what, summed=field != "pattern")


def _dense(text: Text, lines: Lines, shape: tuple[int, int], field: str, symmetry: str) -> Values:
    what = f"the matrix of {text.source}"
    n = shape[0]
    expected = {
        "general": n * shape[1],
        "symmetric": n * (n + 1) // 2,
        "skew-symmetric": n * (n - 1) // 2,
    }[symmetry]
    budget.require(8 * (n * shape[1] + 2 * expected), what)
    values = np.zeros(expected, np.int64 if field == "integer" else np.float64)
    found = 0
    many = some(expected, "entry")
    for numbers, cells in _blocks(text, lines, 1):
        part = _values(text, numbers, cells[:, 0], field)
        if found + len(part) > expected:
            raise DataError(f"{what} has {many}, but holds more", code="E0365")
        values[found : found + len(part)] = part
        found += len(part)
    if found != expected:
        raise DataError(f"{what} has {many}, but holds {found}", code="E0365")
    if symmetry == "general":
        return np.ascontiguousarray(values.reshape(shape[::-1]).T)
    out = np.zeros(shape, values.dtype)
    # Columns of the lower triangle are rows of the upper one.
    above = np.triu_indices(n, 0 if symmetry == "symmetric" else 1)
    out[above[::-1]] = values
    out[above] = values if symmetry == "symmetric" else -values
    return out


def _blocks(text: Text, lines: Lines, width: int) -> Iterator[tuple[list[int], Values]]:
    """Yield the numbers of some lines, and their cells, bytes [lines, width]."""
    numbers: list[int] = []
    rows: list[list[bytes]] = []
    length, most = 0, text.block
    for number, line in lines:
        cells = line.split()
        if not cells:
            continue
        if len(cells) != width:
            raise _wrong(text, number, f"a line of {some(len(cells), 'value')}, not {width}")
        numbers.append(number)
        rows.append(cells)
        length += len(line)
        if length > most:
            yield numbers, _table(text, numbers, rows)
            numbers, rows, length = [], [], 0
    if rows:
        yield numbers, _table(text, numbers, rows)


def _table(text: Text, numbers: list[int], rows: list[list[bytes]]) -> Values:
    for number, row in zip(numbers, rows):
        for cell in row:
            # What Python would read, but no writer writes.
            if len(cell) > _LONGEST or b"_" in cell or b"\0" in cell:
                raise _wrong(text, number, f"{_shown(cell)} is no number")
    return np.array(list(chain.from_iterable(rows))).reshape(len(rows), -1)


def _whole(text: Text, numbers: list[int], cells: Values) -> Values:
    try:
        return cells.astype(np.int64)
    except (ValueError, OverflowError):
        for number, cell in zip(numbers, cells.tolist()):
            if not _is_number(cell, int):
                raise _wrong(
                    text, number, f"{_shown(cell)} is no whole number of at most 64 bits"
                ) from None
        raise


def _values(text: Text, numbers: list[int], cells: Values, field: str) -> Values:
    if field == "integer":
        return _whole(text, numbers, cells)
    try:
        values = cells.astype(np.float64)
        bad = ~np.isfinite(values)
    except ValueError:
        bad = np.array([not _is_number(cell, float) for cell in cells.tolist()])
    if bad.any():
        at = int(bad.argmax())
        raise _wrong(text, numbers[at], f"{_shown(cells[at])} is no finite number")
    return values


def _is_number(cell: bytes, kind: type[int] | type[float]) -> bool:
    try:
        return -(2**63) <= kind(cell) < 2**63 or kind is float
    except ValueError:
        return False


def _shown(cell: bytes) -> str:
    return f"`{cell[:_LONGEST].decode('utf-8', 'replace')}`"


def _wrong(text: Text, number: int, fault: str) -> DataError:
    return DataError(f"{text.source}:{number}: {fault}", code="E0364")
