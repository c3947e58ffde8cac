"""Row spaces: all values of a factor's binders over all instances, by array work alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import BudgetError
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
    length = np.maximum(high - low, -1) + 1
    most = float(length.sum(dtype=np.float64))
    if most > 2**40:
        raise BudgetError(f"`{variable.name}` would run over {most:.2g} values", code="E0900")
    stop = np.cumsum(length)
    total = int(stop[-1]) if len(stop) else 0
    for first in range(0, total, BLOCK):
        position = np.arange(first, min(first + BLOCK, total), dtype=np.int64)
        origin = np.searchsorted(stop, position, side="right")
        value = position - (stop[origin] - length[origin]) + low[origin]
        new = rows.take(origin)
        new.index[variable] = value
        yield new, origin
