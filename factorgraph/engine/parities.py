"""Parity checks as a linear system over GF(2): which bits are free, and whether it has a solution.

Rows are packed eight bits a byte, so that one elimination step is one exclusive or.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.decoder import Bits, Checks

WORK = 4e9
"""Bytes that an elimination may touch, a second or two; beyond it nothing is said."""


def dense(checks: Checks) -> Bits:
    """Return the matrix of some checks, uint8 [m, n]."""
    budget.require(checks.count * checks.bits, "a matrix of parity checks")
    out = np.zeros((checks.count, checks.bits), np.uint8)
    out[np.repeat(np.arange(checks.count), np.diff(checks.start)), checks.scope] = 1
    return out


def reduced(matrix: Bits) -> tuple[Bits, NDArray[np.int64], NDArray[np.int64]]:
    """Reduce a matrix over GF(2).

    Parameters
    ----------
    matrix : uint8 [m, n]; the last columns are reduced first.

    Returns
    -------
    The rows that are left, uint8 [rank, n], their pivot columns [rank], each with a single 1, and
    the rows of the matrix [rank] that they stem from.
    """
    m, n = matrix.shape
    rows = np.packbits(matrix, axis=1)
    origin = np.arange(m)
    pivots: list[int] = []
    for column in range(n - 1, -1, -1):
        rank = len(pivots)
        if rank == m:
            break
        bit = (rows[:, column >> 3] >> (7 - (column & 7))) & 1
        below = np.flatnonzero(bit[rank:])
        if not len(below):
            continue
        at = rank + int(below[0])
        for each in (rows, origin, bit):
            each[[rank, at]] = each[[at, rank]]
        bit[rank] = 0
        rows[bit == 1] ^= rows[rank]
        pivots.append(column)
    rank = len(pivots)
    left = np.unpackbits(rows[:rank], axis=1, count=n)
    return left, np.array(pivots, np.int64), origin[:rank]


def codewords(checks: Checks, information: Bits) -> Bits:
    """Return the words whose free bits are as given, all checks even.

    Parameters
    ----------
    information : uint8 [B, k], k = n - rank of the checks.

    Returns
    -------
    uint8 [B, n]; the free bits, wherever they stand, in their order.
    """
    left, pivots, _ = reduced(dense(checks))
    free = np.setdiff1d(np.arange(checks.bits), pivots)
    out = np.zeros((len(information), checks.bits), np.uint8)
    out[:, free] = information
    summed = out[:, free].astype(np.float32) @ left[:, free].T.astype(np.float32)
    out[:, pivots] = summed.astype(np.int64) & 1
    return out


def contradicting(checks: Checks, parity: Bits, known: NDArray[np.int8]) -> int | None:
    """Return a check that cannot hold beside those before it; None if all can, or it is too much
    work to tell.

    Parameters
    ----------
    parity : uint8 [m], 1 where the sum of a check's bits is odd.
    known : int8 [n], the bits that are given, -1 where free.
    """
    n, m = checks.bits, checks.count
    if not parity.any() and not (known == 1).any():
        return None  # all bits 0
    if min(m, n) * m * n / 8 > WORK or m * n > budget.limit():
        return None
    row = np.repeat(np.arange(m), np.diff(checks.start))
    ones = np.bincount(row[known[checks.scope] == 1], minlength=m)
    matrix = dense(checks)
    matrix[:, known >= 0] = 0
    rows = np.packbits(np.column_stack((matrix, (parity + ones) % 2 == 1)), axis=1)
    last = n
    pivot: dict[int, int] = {}
    for c in range(m):  # each is reduced by those before it
        mine = rows[c]
        while True:
            lead = _leading(mine)
            if lead is None:
                break
            if lead == last:
                return c
            if lead not in pivot:
                pivot[lead] = c
                break
            mine ^= rows[pivot[lead]]
    return None


def _leading(row: Bits) -> int | None:
    """Return the first bit that is set in packed bytes."""
    at = int((row != 0).argmax())
    return None if row[at] == 0 else 8 * at + 8 - int(row[at]).bit_length()
