"""Codes by their parity checks: alist matrices, and quasi-cyclic ones by their shifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.alist import alist
from factorgraph.data.text import Text
from factorgraph.errors import some
from factorgraph.interop.formats.gather import Gathered
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.source import Source
from factorgraph.interop.formats.tokens import Tokens

_LARGEST = 2**28


def read_alist(source: Source) -> Instance:
    """Read a parity-check matrix: its bits, and a check for each row.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : the matrix would be over the budget.
    """
    with source.opened() as file:
        matrix = alist(Text(file, source.name, packed=True))
    rows, columns = matrix.shape
    checks = np.split(matrix.indices.astype(np.int32), matrix.indptr[1:-1]) if rows else []
    return _code(source, "alist", columns, checks, tuple(range(columns)))


def read_qc(source: Source) -> Instance:
    """Read a matrix of circulants: columns, rows and size, then a shift or -1 for each block.

    A last line of 0s and 1s may say which columns of blocks are sent. Row i of a block with
    shift s has its 1 in column (i + s) mod the size.

    Raises
    ------
    DataError : the file is damaged, with line and reason.
    BudgetError : the matrix would be over the budget.
    """
    source.comments = True
    tokens = Tokens(source)
    columns = tokens.whole(0, "the number of columns", 1, _LARGEST)
    rows = tokens.whole(1, "the number of rows", 1, _LARGEST)
    size = tokens.whole(2, "the size of a block", 1, _LARGEST)
    tokens.require(3 + rows * columns, f"the shifts of {some(rows * columns, 'block')}")
    at = np.arange(3, 3 + rows * columns)
    shift = tokens.wholes(at, "a shift", -1, size - 1).reshape(rows, columns)
    end, sent = 3 + rows * columns, np.ones(columns, np.int64)
    if len(tokens) > end:
        tokens.require(end + columns, "the marks of the columns that are sent")
        sent = tokens.wholes(np.arange(end, end + columns), "the mark of a column", 0, 1)
        tokens.end(end + columns, "the marks of the columns")
    budget.require(64 * (columns + int((shift >= 0).sum())) * size, f"the code of {source.name}")
    checks = []
    for r in range(rows):
        block = np.flatnonzero(shift[r] >= 0)
        turned = (np.arange(size)[:, None] + shift[r, block]) % size
        checks.extend((block * size + turned).astype(np.int32))
    bits = np.arange(columns * size)[np.repeat(sent == 1, size)]
    return _code(source, "qc", columns * size, checks, tuple(bits.tolist()))


def _code(
    source: Source,
    name: str,
    bits: int,
    checks: list[NDArray[np.int32]],
    sent: tuple[int, ...],
) -> Instance:
    gathered = Gathered(np.full(bits, 2, np.int32), source.name)
    if checks:
        gathered.add_kind("parity", checks, np.zeros((1, 1)), range(len(checks)))
    structure, values, numbers = gathered.build()
    return Instance(
        source.name,
        name,
        structure,
        values,
        np.full(bits, -1, np.int32),
        gathered.offset,
        numbers=numbers,
        sent=sent,
    )
