"""Read parity-check matrices in MacKay's alist format.

Reference: D. J. C. MacKay, Encyclopedia of sparse graph codes, "alist format".
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Ints
from factorgraph.data.sparse import Sparse, compressed
from factorgraph.data.text import Text, opened
from factorgraph.errors import DataError, some

_PLAIN = b"0123456789 \t\r\n"
_DIGITS = 18


def read_alist(path: str | os.PathLike[str]) -> Sparse:
    """Read a file whose name ends in ``.alist``, or ``.alist.gz``.

    It holds the numbers of columns and rows, the greatest weights of a column and a row, the
    weight of each column and of each row, then for each column its rows and for each row its
    columns, counted from 1, a line for each, which zeros may fill. Lines that start with "#" are
    comments.

    Returns
    -------
    Sparse [rows, columns] of ones, int64.

    Raises
    ------
    DataError : the file is missing or damaged, or its two lists disagree.
    BudgetError : the matrix would be too large.
    """
    with opened(path) as text:
        return alist(text)


def alist(text: Text) -> Sparse:
    """Return the matrix of an open file, as `read_alist` does."""
    source = text.source
    numbers = _Numbers(text)
    columns, rows = numbers.exactly(2, "the numbers of columns and rows")
    budget.require(80 * (columns + rows), f"the matrix of {source}")
    most = numbers.exactly(2, "the greatest weights of a column and of a row")
    widths = numbers.exactly(columns, "the weights of the columns", most[0])
    heights = numbers.exactly(rows, "the weights of the rows", most[1])
    if sum(widths) != sum(heights):
        raise DataError(
            f"{source}: the columns have {some(sum(widths), 'entry')}, the rows {sum(heights)}",
            code="E0367",
        )
    budget.require(120 * sum(widths), f"the matrix of {source}")
    by_column = numbers.lists(widths, "column", rows, "row")
    by_row = numbers.lists(heights, "row", columns, "column")
    numbers.end()
    column, row = _pairs(by_column), _pairs(by_row)
    order = np.lexsort((column[0], column[1]))
    mine, other = column[:, order][::-1], row[:, np.lexsort((row[1], row[0]))]
    if not np.array_equal(mine, other):
        _disagree(mine, other, source)
    return compressed(
        (rows, columns), row[0], row[1], np.ones(row.shape[1], np.int64),
        f"the matrix of {source}", summed=False,
    )  # fmt: skip


def _pairs(lists: list[list[int]]) -> Ints:
    """Return the number of each list and what it holds, from 0, int64 [2, E]."""
    owner = np.repeat(np.arange(len(lists)), [len(part) for part in lists])
    values = np.array([value for part in lists for value in part], np.int64)
    return np.stack((owner, values - 1))


def _disagree(mine: Ints, other: Ints, source: str) -> None:
    at = int((mine != other).any(axis=0).argmax())
    a, b = mine[:, at].tolist(), other[:, at].tolist()
    here, there, (row, column) = ("columns", "rows", a) if a < b else ("rows", "columns", b)
    raise DataError(
        f"{source}: the lists of the {here} have an entry in row {row + 1}, column {column + 1}, "
        f"which those of the {there} do not have",
        code="E0367",
    )


class _Numbers:
    """The whole numbers of a file, line by line."""

    def __init__(self, text: Text) -> None:
        self.source = text.source
        self.number = 0
        self.rows = self._rows(text)

    def _rows(self, text: Text) -> Iterator[list[int]]:
        for self.number, line in text.lines():
            if line.startswith(b"#"):
                continue
            words = line.split()
            if line.translate(None, _PLAIN) or any(len(word) > _DIGITS for word in words):
                raise self._wrong("a line of something else than whole numbers")
            yield [int(word) for word in words]

    def exactly(self, count: int, what: str, most: int = 2**60) -> list[int]:
        """Return the next ``count`` numbers, on one line or several."""
        out: list[int] = []
        while len(out) < count:
            row = next(self.rows, None)
            if row is None:
                raise self._wrong(f"the file ends before {what}: {count}, not {len(out)}")
            out.extend(row)
        if len(out) > count:
            raise self._wrong(f"{what} are {count} numbers, not {len(out)}")
        if max(out, default=0) > most:
            raise self._wrong(f"{what} are at most {most}, but {max(out)} is among them")
        return out

    def lists(self, weights: list[int], name: str, most: int, other: str) -> list[list[int]]:
        """Return the entries of each column, or row."""
        out = []
        for i, weight in enumerate(weights, 1):
            row = next(self.rows, None)
            while row == [] and weight:
                row = next(self.rows, None)
            if row is None and weight:
                raise self._wrong(f"the file ends before the list of {name} {i}")
            found = [value for value in row or [] if value]
            if len(found) != weight:
                raise self._wrong(
                    f"{name} {i} has {some(len(found), 'entry')}, but weight {weight}"
                )
            if max(found, default=0) > most:
                raise self._wrong(f"{name} {i} has {other} {max(found)}, but there are {most}")
            if len(set(found)) < len(found):
                raise self._wrong(f"{name} {i} has an entry twice")
            out.append(found)
        return out

    def end(self) -> None:
        """Refuse what follows the last list."""
        if any(map(any, self.rows)):
            raise self._wrong("the file goes on after its last list")

    def _wrong(self, fault: str) -> DataError:
        return DataError(f"{self.source}:{self.number}: {fault}", code="E0366")
