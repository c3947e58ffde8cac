"""Take data from a pandas DataFrame, by the rules of tables of text; pandas is not imported."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Column, Ints, Records, Values
from factorgraph.data.dtype import cost, settle
from factorgraph.data.field import Field
from factorgraph.data.flatten import nest
from factorgraph.data.header import Part, apart, bases, groups, parts, spread
from factorgraph.data.stack import even, gather, ragged
from factorgraph.errors import DataError


def is_frame(data: object) -> bool:
    """Return whether an object is a pandas DataFrame."""
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.partition(".")[0] == "pandas"
        for kind in type(data).__mro__
    )


def from_frame(
    frame: Any, source: str, fields: Collection[str] | None = None, group: str | None = None
) -> Records:
    """Return a DataFrame as records.

    Parameters
    ----------
    frame : a row for each instance; columns of objects may hold lists and arrays. Columns
        ``x[0]``, ``x[1]``, ... are the field ``x``. NaN, NA and None are missing.
    source : what to call it, for messages.
    fields : names to keep; None keeps all.
    group : a column, or several with commas: rows that follow each other with the same value
        in it form one instance, as in `read_table`.

    Raises
    ------
    DataError : a column holds what is not read, or the rows of a group lie apart.
    UsageError : there is no column to group by.
    BudgetError : the data would take too much memory.
    """
    for name in frame.columns:
        if not isinstance(name, str):
            raise DataError(
                f"{source}: the name of a column is of type {type(name).__name__}",
                code="E0328",
                hint="name the columns, as in `frame.columns = ['x', 'y']`",
            )
    chosen = [name.strip() for name in group.split(",")] if group is not None else []
    wanted = None if fields is None else {*fields, *chosen}
    layout = parts(list(frame.columns), wanted, source)
    keys = groups(chosen, layout, list(frame.columns), source)
    if not len(frame):
        raise DataError(f"{source} holds no instances", code="E0323")
    bounds = _bounds(frame, keys, layout, source) if keys else None
    columns: dict[str, Column] = {}
    for name, part in layout.items():
        what = f"field `{name}` of {source}"
        rows = None if name in keys else bounds
        if bounds is not None and name in keys:
            part_frame = frame.iloc[bounds[:-1]]
        else:
            part_frame = frame
        for column in _columns(part_frame, name, part, rows, what, source):
            columns[column.name] = column
    records = gather(columns, source, bases(list(frame.columns)))
    return replace(records, spread=spread(layout))


def _bounds(frame: Any, keys: tuple[str, ...], layout: dict[str, Part], source: str) -> Ints:
    """Return the rows at which instances begin, and the number of rows."""
    changes = np.zeros(len(frame), np.bool_)
    changes[0] = True
    values = []
    for key in keys:
        series = frame.iloc[:, layout[key].columns[0]]
        gone = series.isna().to_numpy()
        if gone.any():
            raise DataError(
                f"{source}: row {int(gone.argmax())}: column `{key}`, by which rows are grouped, "
                "is empty",
                code="E0353",
            )
        values.append(series.tolist())
        changes[1:] |= [a != b for a, b in zip(values[-1], values[-1][1:])]
    begins = np.flatnonzero(changes)
    seen: dict[tuple[Any, ...], int] = {}
    for row in begins.tolist():
        group = tuple(column[row] for column in values)
        before = seen.setdefault(group, row)
        if before != row:
            raise apart(f"{source}: row {row}", keys, group, f"row {before}")
    return np.append(begins, len(frame)).astype(np.int64)


def _columns(
    frame: Any, name: str, part: Part, bounds: Ints | None, what: str, source: str
) -> Iterator[Column]:
    array = _array(frame, part, what)
    if array is not None:
        shape = array.shape
        flat, missing = settle(array.reshape(-1), what, own=True)
        if flat.dtype.kind == "f" and np.isnan(flat).any():
            missing = np.isnan(flat)
            flat[missing] = 0
        if bounds is None:
            yield even(name, flat, missing, shape, what)
        else:
            yield ragged(name, flat, missing, shape, bounds, what)
        return
    lists = []
    for j in part.columns:
        series = frame.iloc[:, j]
        gone = series.isna().tolist()
        lists.append([None if no else value for value, no in zip(series.tolist(), gone)])
    rows = lists[0] if not part.shape else [nest(list(row), part.shape) for row in zip(*lists)]
    field = Field(name, source, by_line=False, finite=False)
    if bounds is None:
        for i, row in enumerate(rows):
            field.append(row, i)
    else:
        for i, (low, high) in enumerate(zip(bounds[:-1].tolist(), bounds[1:].tolist())):
            field.append(rows[low:high], i)
    yield from field.columns()


def _array(frame: Any, part: Part, what: str) -> Values | None:
    """Return columns of plain numbers or truth values as one array of its own, else None."""
    dtypes = [frame.dtypes.iloc[j] for j in part.columns]
    if not all(isinstance(dtype, np.dtype) and dtype.kind in "biufc" for dtype in dtypes):
        return None
    if len({dtype.kind == "b" for dtype in dtypes}) > 1:
        return None
    dtype = np.result_type(*dtypes)
    budget.require(cost(dtype, len(frame) * len(dtypes)), what)
    out = np.empty((len(frame), len(dtypes)), dtype)
    for at, j in enumerate(part.columns):
        out[:, at] = frame.iloc[:, j].to_numpy()
    return out.reshape(len(frame), *part.shape)
