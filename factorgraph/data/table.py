"""Instances that come one by one, as named fields, become records."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Column, Records
from factorgraph.data.field import Field
from factorgraph.data.leaf import BYTES
from factorgraph.errors import DataError, did_you_mean


class Table:
    """The instances read so far.

    Parameters
    ----------
    source : the name of the data, for messages.
    fields : names to keep; None keeps all. Those of columns, as ``edge.a`` of ``edge``, are kept
        with what is before the first dot.
    by_line : whether an instance's number is its line.
    finite : whether infinite values and NaN are refused.
    as_text : whether all values are texts, as they stand in the source.

    Attributes
    ----------
    begun : whether there were tables of the same data before, so that this one may be empty.
    names : all fields of the source, also those that are not kept.
    spread : what `Records` says of fields whose elements are columns.
    """

    def __init__(
        self,
        source: str,
        fields: Collection[str] | None,
        *,
        by_line: bool,
        finite: bool,
        as_text: bool = False,
    ) -> None:
        self.source = source
        self.by_line = by_line
        self._wanted = None if fields is None else frozenset(fields)
        self._finite = finite
        self._as_text = as_text
        self._fields: dict[str, Field] = {}
        self._numbers = array("q")
        self.begun = False
        self.names: tuple[str, ...] = ()
        self.spread: Mapping[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def full(self, text: int, size: int) -> bool:
        """Return whether a block ends here.

        Parameters
        ----------
        text : bytes of text that were read for it.
        size : the bytes of text of a block; fewer, where they take a good part of the budget.
        """
        return len(self) > 0 and (text >= size or self.nbytes() > budget.limit() // 8)

    def next(self) -> Table:
        """Return an empty table for the next block of the same data."""
        out = Table(
            self.source, self._wanted, by_line=self.by_line, finite=self._finite,
            as_text=self._as_text,
        )  # fmt: skip
        out.begun, out.names, out.spread = True, self.names, self.spread
        return out

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
        wanted = self._wanted
        if not self._numbers:
            self.names = tuple(item)
        if wanted is not None:
            item = {
                name: value
                for name, value in item.items()
                if name in wanted or ("." in name and name.partition(".")[0] in wanted)
            }
        if not self._numbers:
            self._start(item)
        elif item.keys() != self._fields.keys():
            self._refuse(item, number)
        self._numbers.append(number)
        for name, value in item.items():
            self._fields[name].append(value, number)

    def append_texts(
        self,
        item: Mapping[str, list[str | None]],
        rests: Mapping[str, tuple[int, ...]],
        number: int,
    ) -> None:
        """Add the next instance: for each field, rows of texts, None for an empty cell.

        Parameters
        ----------
        item : the texts of each field, row by row; the same fields for every instance.
        rests : the shape of a row of each field; for a field that is not there the instance
            has one text only.
        number : its number in the source.
        """
        if not self._numbers:
            self._start(item)
        self._numbers.append(number)
        for name, leaves in item.items():
            shape: tuple[int, ...] = ()
            if name in rests:
                rest = rests[name]
                shape = (len(leaves) // int(np.prod(rest, dtype=np.int64)), *rest)
            self._fields[name].add(leaves, shape, {str}, number)

    def extend_texts(
        self,
        items: Mapping[str, list[str | None]],
        shapes: Mapping[str, tuple[int, ...]],
        numbers: Sequence[int],
    ) -> None:
        """Add several instances: for each field their texts, and the shape in all of them."""
        if not self._numbers:
            self._start(items)
        self._numbers.extend(numbers)
        for name, leaves in items.items():
            self._fields[name].extend(leaves, shapes[name], numbers)

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

    def nbytes(self) -> int:
        """Return the bytes that the data take now and while they are made records."""
        held = sum(field.nbytes() for field in self._fields.values())
        return held + 16 * len(self._numbers)

    def check(self, more: int) -> None:
        """Raise BudgetError if what is held and ``more`` bytes together are over the budget."""
        budget.require(self.nbytes() + more, self.source)

    def records(self) -> Records:
        """Return all instances.

        Raises
        ------
        DataError : there are none, or their shapes do not agree.
        BudgetError : the data would take too much memory.
        """
        if not self._numbers:
            raise DataError(f"{self.source} holds no instances", code="E0323")
        self.flush()
        columns: dict[str, Column] = {}
        for field in self._fields.values():
            for column in field.columns():
                if column.name in columns:
                    raise DataError(
                        f"{self.source}: field `{column.name}` is given twice: as it is, and as "
                        f"a part of `{column.name.partition('.')[0]}`",
                        code="E0329",
                    )
                columns[column.name] = column
        numbers = np.array(self._numbers, np.int64) if self.by_line else None
        return Records(
            self.source,
            len(self._numbers),
            columns,
            numbers,
            self.by_line,
            self._as_text,
            self.names,
            self.spread,
        )

    def place(self, number: int) -> str:
        """Return the place of an instance, for messages."""
        return f"{self.source}:{number}" if self.by_line else f"{self.source}: instance {number}"

    def _start(self, item: Mapping[str, object]) -> None:
        budget.require(BYTES * len(item), f"{len(item)} fields of {self.source}")
        for name in item:
            self._fields[name] = Field(name, self.source, self.by_line, self._finite)

    def _refuse(self, item: Mapping[str, object], number: int) -> None:
        for lost in self._fields:
            if lost not in item:
                raise DataError(
                    f"{self.place(number)} has no field `{lost}`, which the instances before have",
                    code="E0330",
                    hint=did_you_mean(lost, item),
                )
        new = next(name for name in item if name not in self._fields)
        raise DataError(
            f"{self.place(self._numbers[0])} has no field `{new}`, which {self.place(number)} has",
            code="E0330",
            hint=did_you_mean(new, self._fields),
        )
