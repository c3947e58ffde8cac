"""Instances that come one by one, as objects with named fields, become records."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Records
from factorgraph.data.field import Field
from factorgraph.errors import DataError, did_you_mean


class Table:
    """The instances read so far.

    Parameters
    ----------
    source : the name of the data, for messages.
    fields : names to keep; None keeps all.
    by_line : whether an instance's number is its line.
    finite : whether infinite values and NaN are refused.
    """

    def __init__(
        self, source: str, fields: Collection[str] | None, *, by_line: bool, finite: bool
    ) -> None:
        self.source = source
        self.by_line = by_line
        self._wanted = None if fields is None else frozenset(fields)
        self._finite = finite
        self._fields: dict[str, Field] = {}
        self._numbers = array("q")

    def append(self, item: Mapping[str, object], number: int) -> None:
        """Add the next instance.

        Parameters
        ----------
        item : its values by field.
        number : its number in the source, for messages.

        Raises
        ------
        DataError : it has other fields than the instances before it, or other types.
        """
        if self._wanted is not None:
            item = {name: value for name, value in item.items() if name in self._wanted}
        if not self._numbers:
            for name in item:
                self._fields[name] = Field(name, self.source, self.by_line, self._finite)
        elif item.keys() != self._fields.keys():
            self._refuse(item, number)
        self._numbers.append(number)
        for name, value in item.items():
            self._fields[name].append(value, number)

    def flush(self) -> None:
        """Settle what is pending and hold it against the budget.

        Raises
        ------
        DataError : a value is not legal.
        BudgetError : the data would take too much memory.
        """
        for field in self._fields.values():
            field.flush()
        self.check(0)

    def check(self, more: int) -> None:
        """Raise BudgetError if what is held and ``more`` bytes together are over the budget."""
        held = sum(field.nbytes() for field in self._fields.values())
        budget.require(held + 16 * len(self._numbers) + more, self.source)

    def records(self) -> Records:
        """Return all instances.

        Raises
        ------
        DataError : there are none, or their shapes do not agree.
        BudgetError : the data would take too much memory.
        """
        if not self._numbers:
            raise DataError(f"{self.source} holds no instances")
        self.flush()
        columns = {name: field.column() for name, field in self._fields.items()}
        numbers = np.array(self._numbers, np.int64) if self.by_line else None
        return Records(self.source, len(self._numbers), columns, numbers, self.by_line)

    def place(self, number: int) -> str:
        """Return the place of an instance, for messages."""
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"

    def _refuse(self, item: Mapping[str, object], number: int) -> None:
        for lost in self._fields:
            if lost not in item:
                raise DataError(
                    f"{self.place(number)} has no field `{lost}`, which the instances before have",
                    hint=did_you_mean(lost, item),
                )
        new = next(name for name in item if name not in self._fields)
        raise DataError(
            f"{self.place(self._numbers[0])} has no field `{new}`, which {self.place(number)} has",
            hint=did_you_mean(new, self._fields),
        )
