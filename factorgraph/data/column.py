"""The common form of all data: flat columns with offsets and shapes by instance.

Whatever the file was, later code sees the same few arrays. An instance is a slice of each
column, so that a million instances cost no more Python objects than one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.errors import UsageError

Values = NDArray[Any]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Column:
    """One field of all instances.

    Attributes
    ----------
    name : the field's name in the data.
    values : [E], C-contiguous and writable: bool, uint8, int64, float32, float64 or text.
    start : int64 [N + 1], elements: instance i owns ``values[start[i] : start[i + 1]]``.
    shape : int64 [N, rank], extents by instance; rank 0 for a scalar field.
    missing : bool [E], True where the data leave the value open (``null`` or ``"_"``), there
        the value is 0 or ""; None where nothing is missing.
    """

    name: str
    values: Values
    start: Ints
    shape: Ints
    missing: Flags | None = None

    @property
    def rank(self) -> int:
        """Number of axes of an instance."""
        return int(self.shape.shape[1])

    def instance(self, i: int) -> Values:
        """Return a view of instance ``i`` in its own shape."""
        return self.values[self.start[i] : self.start[i + 1]].reshape(self.shape[i])

    def take(self, indices: Ints) -> Column:
        """Return the column of the chosen instances, in the order given.

        Parameters
        ----------
        indices : int64 [M], in ``0 .. N - 1``, repeats allowed.

        Returns
        -------
        Column of M instances with arrays of its own.

        Raises
        ------
        BudgetError : the copy would be too large.
        """
        sizes = np.diff(self.start)
        chosen = sizes[indices]
        total = int(chosen.sum())
        budget.require(total * (self.values.itemsize + 17), f"a choice of field `{self.name}`")
        start = np.zeros(len(indices) + 1, np.int64)
        np.cumsum(chosen, out=start[1:])
        count = len(sizes)
        if count and (sizes == sizes[0]).all():
            # Equal instances are rows of a matrix: one gather of rows, no index per element.
            width = (count, int(sizes[0]))
            values = self.values.reshape(width)[indices].reshape(-1)
            missing = None if self.missing is None else self.missing.reshape(width)[indices]
        else:
            gather = np.arange(total, dtype=np.int64)
            gather += np.repeat(self.start[:-1][indices] - start[:-1], chosen)
            values = self.values[gather]
            missing = None if self.missing is None else self.missing[gather]
        if missing is not None:
            missing = missing.reshape(-1) if missing.any() else None
        return Column(self.name, values, start, self.shape[indices], missing)


@dataclass(frozen=True, eq=False)
class Records:
    """All instances of one source of data.

    Attributes
    ----------
    source : where they are from, for messages: the file's name or ``<data>``.
    count : number of instances N.
    columns : the fields by name, in the order of the data.
    origin : int64 [N], number of each instance in the source (a line number if ``by_line``);
        None means 0 .. N - 1.
    by_line : whether the source has an instance a line.
    """

    source: str
    count: int
    columns: dict[str, Column] = field(repr=False)
    origin: Ints | None = field(default=None, repr=False)
    by_line: bool = False

    def take(self, indices: ArrayLike) -> Records:
        """Return the chosen instances, in the order given.

        Parameters
        ----------
        indices : integers [M] in ``0 .. N - 1`` (repeats allowed), or a mask, bool [N].

        Returns
        -------
        Records of M instances; messages still name their places in the source.

        Raises
        ------
        UsageError : an index is out of range or the array is of the wrong kind.
        BudgetError : the copy would be too large.
        """
        chosen = np.asarray(indices)
        if chosen.ndim == 1 and chosen.dtype == np.bool_ and len(chosen) == self.count:
            chosen = np.flatnonzero(chosen)
        elif chosen.size == 0:
            chosen = np.zeros(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise UsageError(
                f"instances are chosen by a list of integers or a mask of {self.count} truth values"
            )
        if chosen.size and not (int(chosen.min()) >= 0 and int(chosen.max()) < self.count):
            bad = chosen[(chosen < 0) | (chosen >= self.count)][0]
            raise UsageError(f"{self.source} has no instance {bad}, only 0..{self.count - 1}")
        index = chosen.astype(np.int64)
        return Records(
            self.source,
            len(index),
            {name: column.take(index) for name, column in self.columns.items()},
            index if self.origin is None else self.origin[index],
            self.by_line,
        )

    def where(self, i: int) -> str:
        """Return the place of instance ``i`` in the source, for messages."""
        number = i if self.origin is None else int(self.origin[i])
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"
