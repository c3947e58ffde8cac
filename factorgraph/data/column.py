"""The common form of all data: flat columns with offsets and shapes by instance.

Whatever the file was, later code sees the same few arrays. An instance is a slice of each
column, so that a million instances cost no more Python objects than one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.errors import UsageError, did_you_mean

Values = NDArray[Any]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_SHOWN = 12  # names of fields in a hint


@dataclass(frozen=True, eq=False)
class Column:
    """One field of all instances.

    Attributes
    ----------
    name : the field's name in the data.
    values : [E], C-contiguous and writable: bool, uint8, int64, float32, float64 or text.
    start : int64 [N + 1], elements: instance i owns ``values[start[i] : start[i + 1]]``.
    shape : int64 [N, rank], extents by instance; rank 0 for a scalar field.
    missing : bool [E], True where the data leave the value open (``null``, ``"_"`` or an empty
        cell), there the value is 0 or "", among texts also "_" where this is written; None where
        nothing is missing.
    shared : whether all instances own the same values: ``start`` is 0 everywhere, so that
        ``values[start[i] + k]`` holds for every i, and ``shape`` is one row, repeated.
    """

    name: str
    values: Values
    start: Ints
    shape: Ints
    missing: Flags | None = None
    shared: bool = False

    @property
    def rank(self) -> int:
        """Number of axes of an instance."""
        return int(self.shape.shape[1])

    def instance(self, i: int) -> Values:
        """Return a view of instance ``i`` in its own shape."""
        if self.shared:
            return self.values.reshape(self.shape[i])
        return self.values[self.start[i] : self.start[i + 1]].reshape(self.shape[i])

    def take(self, indices: Ints) -> Column:
        """Return the column of the chosen instances, in the order given.

        Parameters
        ----------
        indices : int64 [M], in ``0 .. N - 1``, repeats allowed.

        Returns
        -------
        Column of M instances with arrays of its own; shared values stay where they are.

        Raises
        ------
        BudgetError : the copy would be too large.
        """
        if self.shared:
            shape = np.broadcast_to(self.shape[:1], (len(indices), self.rank))
            start = np.zeros(len(indices) + 1, np.int64)
            return Column(self.name, self.values, start, shape, self.missing, shared=True)
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


def listed(names: Sequence[str]) -> str:
    """Return names for a hint, not too many."""
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "") or "none"


def shared_column(name: str, array: Values, count: int) -> Column:
    """Return the column of values that all instances share.

    Parameters
    ----------
    name : the field's name.
    array : the values in their own shape, of a type that columns hold.
    count : number of instances N.

    Returns
    -------
    Column with ``shared`` set. Its values are a view of the array where that is possible.
    """
    extents = np.array(array.shape, np.int64).reshape(1, array.ndim)
    return Column(
        name,
        np.require(array, requirements=["C", "W"]).reshape(-1),
        np.zeros(count + 1, np.int64),
        np.broadcast_to(extents, (count, array.ndim)),
        shared=True,
    )


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
    by_line : whether instances have a line of the source each, or begin at one.
    as_text : whether all values came as text, so that numbers are still to be parsed.
    fields : the names of all fields of the source, also of those that were not asked for.
    spread : of fields whose elements are columns of a table, ``x[0]``, ``x[1]``, ...: how many
        indices these have.
    """

    source: str
    count: int
    columns: dict[str, Column] = field(repr=False)
    origin: Ints | None = field(default=None, repr=False)
    by_line: bool = False
    as_text: bool = False
    fields: tuple[str, ...] = field(default=(), repr=False)
    spread: Mapping[str, int] = field(default_factory=dict, repr=False)

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
                "instances are chosen by a list of integers or a mask of "
                f"{self.count} truth values",
                code="E0358",
            )
        if chosen.size and not (int(chosen.min()) >= 0 and int(chosen.max()) < self.count):
            bad = chosen[(chosen < 0) | (chosen >= self.count)][0]
            raise UsageError(
                f"{self.source} has no instance {bad}, only 0..{self.count - 1}", code="E0358"
            )
        index = chosen.astype(np.int64)
        return Records(
            self.source,
            len(index),
            {name: column.take(index) for name, column in self.columns.items()},
            index if self.origin is None else self.origin[index],
            self.by_line,
            self.as_text,
            self.fields,
            self.spread,
        )

    def hint(self, name: str, taken: Collection[str] = ()) -> str:
        """Return what to say of a field that is not there: the nearest name, or what is there.

        Parameters
        ----------
        taken : fields that cannot be the one, as they are declared themselves.
        """
        free = [field for field in self.fields if field not in taken]
        return did_you_mean(name, free) or f"the fields are: {listed(self.fields)}"

    def where(self, i: int) -> str:
        """Return the place of instance ``i`` in the source, for messages."""
        number = i if self.origin is None else int(self.origin[i])
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"

    @property
    def top(self) -> str:
        """The place that tells which fields there are, for messages: a line, or the source."""
        return self.where(0) if self.by_line and not self.as_text else self.source


class Handed:
    """Data that are handed over: whoever takes them is the only one to hold them.

    Python holds the arguments of a call with many of them until it returns.
    """

    def __init__(self, data: object) -> None:
        self._data = [data]

    def take(self) -> object:
        """Return the data, once."""
        return self._data.pop()
