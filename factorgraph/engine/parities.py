"""Parity checks as a linear system over GF(2): which bits are free, and whether it has a solution.

Rows are packed eight bits a byte, so that one elimination step is one exclusive or.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, eq=False)
class Encoder:
    """Words of a code from their information.

    Attributes
    ----------
    places : int64 [k], the bits that are free, rising; of most standard codes the first.
    solved : int64 [n - k], the other bits.
    sums : float32 [n - k, k], 1 where a solved bit counts a free one.
    """

    places: NDArray[np.int64]
    solved: NDArray[np.int64]
    sums: NDArray[np.float32]

    @property
    def free(self) -> int:
        """How many bits are free, k."""
        return len(self.places)

    def __call__(self, information: Bits) -> Bits:
        """Return words, uint8 [B, n], whose free bits are those given, [B, k]."""
        out = np.zeros((len(information), len(self.places) + len(self.solved)), np.uint8)
        out[:, self.places] = information
        ones = information.astype(np.float32) @ self.sums.T
        out[:, self.solved] = ones.astype(np.int64) & 1
        return out


def encoder(checks: Checks) -> Encoder:
    """Return what encodes words with all checks even.

    The last bits are solved for where they can be.
    """
    left, pivots, _ = reduced(dense(checks))
    places = np.setdiff1d(np.arange(checks.bits), pivots)
    return Encoder(places, pivots, left[:, places].astype(np.float32))


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
