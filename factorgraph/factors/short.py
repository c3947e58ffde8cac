"""Rows of a matrix in which few numbers are free, the others being 0, stored short.

A long row is stored whole, the r-th one at ``r * n``, and is picked by r. Behind the long ones lie
the short ones: a header, then the free numbers. A short row at place p is picked by ``~p``, which
is below 0. The header is a whole number: how many are free in its lowest 3 bits, then their
columns, 8 bits each.
"""

from __future__ import annotations

import numpy as np
from numpy import int64, uintp

from factorgraph.factors.prefetch import prefetch
from factorgraph.jit import kernel

SHORT = 6
"""Free numbers of a short row, at most: their columns fit into the 53 bits of a float64."""
COUNT_BITS, COLUMN_BITS = 3, 8
COUNT, COLUMN = (1 << COUNT_BITS) - 1, (1 << COLUMN_BITS) - 1
AHEAD = 16
"""How many rows before it is read a row is asked for."""
LINE = 8
"""Numbers in a cache line."""


@kernel
def lay_out(start, columns, code):  # type: ignore[no-untyped-def]
    """Write how each row is picked, ``code``; return how many numbers the matrix takes.

    Parameters
    ----------
    start : int [rows + 1], where the free columns of each row begin.
    columns : of the matrix, n.
    """
    long = 0
    for r in range(len(code)):
        free = start[r + 1] - start[r]
        if columns > COLUMN + 1 or free > SHORT or free + 1 >= columns:
            code[r] = long
            long += 1
        else:
            code[r] = -1
    size = int64(long) * columns
    for r in range(len(code)):
        if code[r] < 0:
            code[r] = ~size
            size += 1 + start[r + 1] - start[r]
    return size


@kernel
def write_headers(start, column, code, matrix):  # type: ignore[no-untyped-def]
    """Write the headers of short rows."""
    for r in range(len(code)):
        if code[r] < 0:
            header = int64(0)
            for j in range(start[r + 1] - 1, start[r] - 1, -1):
                header = (header << COLUMN_BITS) | int64(column[j])
            matrix[~code[r]] = (header << COUNT_BITS) | int64(start[r + 1] - start[r])


@kernel
def fill_rows(values, start, column, code, columns, low, high, matrix):  # type: ignore[no-untyped-def]
    """Write the free numbers of rows ``low .. high - 1``."""
    for r in range(low, high):
        if code[r] < 0:
            shift = int64(~code[r]) + 1 - start[r]
            for j in range(start[r], start[r + 1]):
                matrix[shift + j] = values[j]
        else:
            first = int64(code[r]) * columns
            for j in range(start[r], start[r + 1]):
                matrix[first + int64(column[j])] = values[j]


@kernel
def recode(pick, start, code, out):  # type: ignore[no-untyped-def]
    """Write how rows are picked in place of their numbers: in each list, long ones come first."""
    for i in range(len(start) - 1):
        to = start[i]
        for k in range(2):
            for j in range(start[i], start[i + 1]):
                if (code[pick[j]] < 0) == (k == 1):
                    out[to] = code[pick[j]]
                    to += 1


@kernel
def gather(rows, j, last, flat, out):  # type: ignore[no-untyped-def]
    """Add to ``out`` the rows of a matrix, flat, that entries ``j .. last - 1`` of a list name."""
    n = len(out)
    while j + 4 <= last:
        for k in range(j + AHEAD, min(j + AHEAD + 4, len(rows))):
            soon = uintp(rows[k]) * uintp(n)
            for s in range(0, n, LINE):
                prefetch(flat, soon + uintp(s))
        a, b = uintp(rows[j]) * uintp(n), uintp(rows[j + 1]) * uintp(n)
        c, d = uintp(rows[j + 2]) * uintp(n), uintp(rows[j + 3]) * uintp(n)
        for s in range(n):
            e, f = flat[uintp(a + s)] + flat[uintp(b + s)], flat[uintp(c + s)]
            out[s] += e + (f + flat[uintp(d + s)])
        j += 4
    while j < last:
        if j + AHEAD < len(rows):
            soon = uintp(rows[j + AHEAD]) * uintp(n)
            for s in range(0, n, LINE):
                prefetch(flat, soon + uintp(s))
        a = uintp(rows[j]) * uintp(n)
        for s in range(n):
            out[s] += flat[uintp(a + s)]
        j += 1


@kernel
def add_free(start, rows, adjoint, low, high, free, column, gradient):  # type: ignore[no-untyped-def]
    """Add the adjoints of the rows that pick places ``low .. high - 1`` to their free numbers.

    Parameters
    ----------
    start, rows, adjoint : as for `add_picked`.
    free : int [places + 1], where the free columns of each place begin.
    """
    n = adjoint.shape[1]
    flat = adjoint.reshape(-1)
    total = np.empty(n)
    for place in range(low, high):
        for s in range(n):
            total[s] = 0.0
        gather(rows, start[place], start[place + 1], flat, total)
        for j in range(free[place], free[place + 1]):
            gradient[j] += total[column[j]]
