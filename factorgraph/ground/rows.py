"""Row spaces: all values of a factor's binders over all instances, by array work alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.shared import Sparse
from factorgraph.model.expression import Variable

Ints = NDArray[np.int64]
BLOCK = 1 << 19
"""Rows worked on at a time, so that scratch space stays small whatever the number of rows."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of a factor: which instance each belongs to and the value of each index.

    Attributes
    ----------
    instance : int64 [n].
    index : int64 [n] for each bound variable.
    """

    instance: Ints
    index: dict[Variable, Ints]

    @property
    def count(self) -> int:
        return len(self.instance)

    def take(self, chosen: NDArray[np.bool_] | Ints) -> Rows:
        """Return some of the rows."""
        return Rows(self.instance[chosen], {v: a[chosen] for v, a in self.index.items()})


def expand(rows: Rows, variable: Variable, low: Ints, high: Ints) -> Iterator[tuple[Rows, Ints]]:
    """Run a new index over ``low .. high`` of each row; yield blocks of new rows and their origin.

    Parameters
    ----------
    low, high : int64 [n], inclusive ends; an empty range gives no rows.

    Yields
    ------
    Rows of at most `BLOCK`, in order, and int64 row numbers that they were made of.
    """
    most = float((np.maximum(high.astype(np.float64) - low, -1.0) + 1.0).sum())
    budget.require_rows(most, f"what `{variable.name}` runs over")
    length = np.maximum(high - low, -1) + 1
    stop = np.cumsum(length)
    total = int(stop[-1]) if len(stop) else 0
    size = BLOCK // (1 + len(rows.index) // 4)  # many indices, few rows
    for first in range(0, total, size):
        position = np.arange(first, min(first + size, total), dtype=np.int64)
        origin = np.searchsorted(stop, position, side="right")
        value = position - (stop[origin] - length[origin]) + low[origin]
        new = rows.take(origin)
        new.index[variable] = value
        yield new, origin


def nonzeros(
    rows: Rows,
    variable: Variable,
    low: Ints,
    high: Ints,
    matrix: Sparse,
    lines: bool,
    line: Ints,
) -> Iterator[tuple[Rows, Ints]]:
    """Run a new index over the non-zeros of a line of a matrix, within ``low .. high``.

    Parameters
    ----------
    lines : whether ``line`` numbers rows of the matrix (else columns).
    line : int64 [n], for each row which line; outside of the matrix it has no non-zeros.

    Yields
    ------
    As `expand`.
    """
    if lines:
        pointer, indices = matrix.indptr, matrix.indices
    else:
        owner = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        order = np.argsort(matrix.indices, kind="stable")
        indices = owner[order]
        counts = np.bincount(matrix.indices, minlength=matrix.shape[1])
        pointer = np.concatenate(([0], np.cumsum(counts)))
    inside = (line >= 0) & (line < len(pointer) - 1)
    safe = np.where(inside, line, 0)
    first = pointer[safe]
    last = np.where(inside, pointer[np.minimum(safe + 1, len(pointer) - 1)], first) - 1
    place = Variable(variable.span, variable.kind, variable.name, -1)
    for inner, origin in expand(rows, place, first, last):
        value = indices[inner.index.pop(place)]
        inner.index[variable] = value
        kept = (value >= low[origin]) & (value <= high[origin])
        yield inner.take(kept), origin[kept]


def joined(parts: list[Rows], names: list[Variable]) -> Rows:
    """Return the rows of some blocks as one."""
    index = {v: _concatenated([r.index[v] for r in parts]) for v in names}
    return Rows(_concatenated([r.instance for r in parts]), index)


def _concatenated(parts: list[Ints]) -> Ints:
    if not parts:
        return np.zeros(0, np.int64)
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts), np.int64)
