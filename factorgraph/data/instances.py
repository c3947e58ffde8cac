"""Data that fit a model: what grounding and evaluation read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.column import Column, Records
from factorgraph.data.shared import Sparse
from factorgraph.model.model import Model

Ints = NDArray[np.int64]
Vocabularies = dict[str, tuple[str, ...]]


@dataclass(frozen=True, eq=False)
class Observed:
    """What the data say of one array of unknowns.

    Attributes
    ----------
    state : int32 [E], the state of each finite variable from 0, -1 where it is not observed;
        empty for real numbers, records and sequences.
    start : int64 [N + 1], variables (elements, for a sequence) by instance.
    shape : int64 [N, rank], extents by instance; ragged axes are merged with the one before.
    values : for real numbers (under ""), records and sequences (by field), the values with flags
        for those that are not observed. A sequence of which the data say nothing has none.
    open : bool [N], whether anything of it is not observed.
    """

    state: NDArray[np.int32]
    start: Ints
    shape: Ints
    values: dict[str, Column]
    open: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Instances:
    """Data that fit a model.

    Attributes
    ----------
    sizes : int64 [N] for each size that belongs to the instance.
    givens : columns with labels as numbers from 0; fields of records as ``name.field``; ragged
        sizes by their own name.
    rows : for each ragged size, where each row starts, counted from the instance's first.
    sparse : givens that all instances share and that are 0 almost everywhere.
    unknowns : shapes of all unknowns and what is observed of them.
    weight : float64 [N], the weight of each instance in the objective.
    vocabularies : labels of the domains that the training data filled.
    skipped : instances left out because of labels that training has not seen.
    lets : what has been computed of the givens, columns by name; None where nothing has yet.
    """

    model: Model = field(repr=False)
    records: Records = field(repr=False)
    count: int
    sizes: dict[str, Ints]
    givens: dict[str, Column] = field(repr=False)
    rows: dict[str, Column] = field(repr=False)
    sparse: dict[str, Sparse] = field(repr=False)
    unknowns: dict[str, Observed] = field(repr=False)
    weight: NDArray[np.float64] = field(repr=False)
    vocabularies: Vocabularies = field(repr=False)
    first: int = 0
    skipped: int = 0
    lets: dict[str, Column] | None = field(default=None, repr=False)

    def where(self, i: int) -> str:
        """Return the place of instance ``i`` in the data, for messages."""
        return self.records.where(self.first + int(i))

    def bare(self) -> Instances:
        """Return the instances without what is given: labels, weights and places are left."""
        records = replace(self.records, columns={})
        return replace(self, records=records, givens={}, rows={}, sparse={}, lets=None)

    def part(self, low: int, high: int) -> Instances:
        """Return the instances ``low .. high - 1``, as views."""
        unknowns = {}
        for name, observed in self.unknowns.items():
            where, start = _cut(observed.start, low, high)
            unknowns[name] = Observed(
                observed.state[where] if len(observed.state) else observed.state,
                start,
                observed.shape[low:high],
                {key: _part(column, low, high) for key, column in observed.values.items()},
                observed.open[low:high],
            )
        return replace(
            self,
            count=high - low,
            sizes={name: size[low:high] for name, size in self.sizes.items()},
            givens={name: _part(column, low, high) for name, column in self.givens.items()},
            rows={name: _part(column, low, high) for name, column in self.rows.items()},
            unknowns=unknowns,
            weight=self.weight[low:high],
            first=self.first + low,
            lets=None
            if self.lets is None
            else {name: _part(column, low, high) for name, column in self.lets.items()},
        )

    @property
    def variables(self) -> Ints:
        """int64 [N]: how many finite and real unknowns each instance has."""
        total = np.zeros(self.count, np.int64)
        for observed in self.unknowns.values():
            if not observed.values or list(observed.values) == [""]:
                total += np.diff(observed.start)
        return total

    @property
    def open(self) -> NDArray[np.bool_]:
        """bool [N]: whether an instance has unknowns that are not observed."""
        out = np.zeros(self.count, np.bool_)
        for observed in self.unknowns.values():
            out |= observed.open
        return out


def _cut(start: Ints, low: int, high: int) -> tuple[slice, Ints]:
    return slice(start[low], start[high]), start[low : high + 1] - start[low]


def _part(column: Column, low: int, high: int) -> Column:
    if column.shared:
        return replace(column, start=column.start[low : high + 1], shape=column.shape[low:high])
    where, start = _cut(column.start, low, high)
    missing = None if column.missing is None else column.missing[where]
    return Column(column.name, column.values[where], start, column.shape[low:high], missing)
