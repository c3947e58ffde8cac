"""Rows with equal slots share one table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def share(columns: Sequence[Ints], rows: int) -> tuple[NDArray[np.int32], Ints] | None:
    """Return which table each row reads and, for each table, a row that has it.

    Parameters
    ----------
    columns : whole-number slots, int64 [rows] each; none means that all rows are alike.

    Returns
    -------
    int32 [rows] and int64 [distinct], or None where fewer than half of the tables would be saved.
    """
    if not columns:
        return np.zeros(rows, np.int32), np.zeros(min(rows, 1), np.int64)
    if rows == 0:
        return None
    key = np.zeros(rows, np.int64)
    span = 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        width = high - low + 1
        if span * width >= 2**62:
            return None
        key *= width
        key += column - low
        span *= width
    if span <= 4 * rows:
        first = np.full(span, -1, np.int64)
        first[key[::-1]] = np.arange(rows - 1, -1, -1)
        present = np.flatnonzero(first >= 0)
        if 2 * len(present) > rows:
            return None
        number = np.zeros(span, np.int32)
        number[present] = np.arange(len(present), dtype=np.int32)
        return number[key], first[present]
    _, where, table = np.unique(key, return_index=True, return_inverse=True)
    if 2 * len(where) > rows:
        return None
    return table.astype(np.int32), where
