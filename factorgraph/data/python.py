"""Take data from Python: arrays by name, or instances one by one."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from factorgraph.data.column import Column, Records, Values
from factorgraph.data.dtype import settle
from factorgraph.data.field import Field
from factorgraph.data.frame import from_frame, is_frame
from factorgraph.data.read import read as read_file
from factorgraph.data.stack import (
    check_shape,
    even,
    gather,
    is_offsets,
    named,
    offsets_of,
    ragged,
    wants,
)
from factorgraph.data.table import Table
from factorgraph.errors import DataError, UsageError

SOURCE = "<data>"


def read(
    data: Any,
    *,
    columns: Sequence[str] | str | None = None,
    comments: bool = False,
    group: str | None = None,
) -> Records:
    """Return data as records, which all methods of models and runs take.

    Parameters
    ----------
    data : a path, or what else `from_python` takes.
    columns : for text in columns: the name of each, in order, a list or with commas; ``_`` leaves
        one out.
    comments : for text in columns: whether lines that start with ``#`` are left out.
    group : for tables and DataFrames: a column, or several with commas; rows that follow each
        other with the same value there are one instance.

    Raises
    ------
    DataError : the data are damaged, or of no form that is read.
    UsageError : an option does not go with the data.
    BudgetError : the data would take too much memory.
    """
    return from_python(data, columns=columns, comments=comments, group=group)


def from_python(
    data: Records | str | os.PathLike[str] | Mapping[str, Any] | Iterable[Mapping[str, Any]],
    fields: Collection[str] | None = None,
    *,
    columns: Sequence[str] | str | None = None,
    group: str | None = None,
    comments: bool = False,
) -> Records:
    """Return data of any accepted form as records.

    Parameters
    ----------
    data : Records, returned as they are; a path, which is read; a dict of arrays whose first
        axis counts the instances (with ``NAME.offsets`` as in an npz file) or of lists with an
        entry for each instance; an iterable of dicts, one for each instance, of numbers, texts,
        truth values, None, objects, nested lists and arrays; or a pandas DataFrame with a row
        for each instance.
    fields : names to keep; None keeps all. Absent ones are left out.
    columns, comments : for a path to text in columns, see `read_columns`.
    group : for tables, see `read_table`.

    Returns
    -------
    Records. Arrays that already have the common form are not copied.

    Raises
    ------
    DataError : the data are of no such form, or do not go together.
    UsageError : an option does not go with the data.
    BudgetError : the data would take too much memory.
    """
    if isinstance(data, Records):
        return data
    if isinstance(data, str | os.PathLike):
        return read_file(data, fields, columns, group, comments=comments)
    if columns is not None or comments:
        raise UsageError("only files of text in columns have names of columns", code="E0355")
    if is_frame(data):
        return from_frame(data, SOURCE, fields, group)
    if group is not None:
        raise UsageError("only the rows of a table can be grouped", code="E0355")
    if isinstance(data, Mapping):
        return _from_arrays(data, fields)
    if not isinstance(data, Iterable):
        raise DataError(
            f"data of type {type(data).__name__} are not read",
            code="E0354",
            hint="give a path, a dict of arrays, a list of dicts or a DataFrame",
        )
    table = Table(SOURCE, fields, by_line=False, finite=False)
    for i, item in enumerate(data):
        if not isinstance(item, Mapping):
            raise DataError(
                f"{SOURCE}: instance {i} is of type {type(item).__name__}, not a dict of fields",
                code="E0328",
                hint="give a path, a dict of arrays or a list of dicts",
            )
        _check_names(item)
        table.append({name: _array(value, name) for name, value in item.items()}, i)
        if i % 1024 == 1023:
            table.flush()
    return table.records()


def _from_arrays(data: Mapping[str, Any], fields: Collection[str] | None) -> Records:
    _check_names(data)
    if not data:
        raise DataError(f"{SOURCE} holds no fields", code="E0323")
    columns: dict[str, Column] = {}
    for name, value in data.items():
        if not wants(name, fields) or is_offsets(name, data.keys(), SOURCE):
            continue
        other = offsets_of(name, data.keys())
        for column in _columns(name, value, None if other is None else data[other]):
            if column.name in columns:
                raise DataError(f"{SOURCE}: field `{column.name}` is given twice", code="E0329")
            columns[column.name] = column
    return gather(columns, SOURCE, named(data))


def _columns(name: str, value: Any, offsets: Any) -> Iterable[Column]:
    what = f"field `{name}` of {SOURCE}"
    value = _array(value, name)
    if not isinstance(value, np.ndarray) and offsets is None:
        return _listed(name, value, what)
    array = _settled(value, what)
    check_shape(array.shape, max(array.itemsize, 1), what)
    flat, missing = settle(array.reshape(-1), what, own=False)
    if offsets is None:
        return (even(name, flat, missing, array.shape, what),)
    bounds = _settled(offsets, f"offsets of {what}")
    bounds = settle(bounds.reshape(-1), f"offsets of {what}", own=False)[0].reshape(bounds.shape)
    return (ragged(name, flat, missing, array.shape, bounds, what),)


def _settled(value: Any, what: str) -> Values:
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{what} is no array: {error}", code="E0354") from None


def _listed(name: str, value: Any, what: str) -> Iterable[Column]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise DataError(
            f"{what} is of type {type(value).__name__}, but holds an entry for each instance",
            code="E0354",
            hint="give an array whose first axis counts the instances, or a list",
        )
    field = Field(name, SOURCE, by_line=False, finite=False)
    for i, entry in enumerate(value):
        field.append(_array(entry, name), i)
    return field.columns()


def _array(value: Any, name: str) -> Any:
    if isinstance(value, np.ma.MaskedArray):
        raise DataError(
            f"field `{name}` of {SOURCE} is a masked array, which is not read",
            code="E0354",
            hint="give nested lists with None for each missing value",
        )
    if isinstance(value, list | tuple | str | bytes | Mapping) or not hasattr(value, "__array__"):
        return value
    # Series, tensors and the like say how they become arrays.
    try:
        return np.asarray(value)
    except Exception as error:
        raise DataError(
            f"field `{name}` of {SOURCE} gives no array: {error}", code="E0354"
        ) from None


def _check_names(item: Mapping[Any, Any]) -> None:
    for name in item:
        if not isinstance(name, str):
            raise DataError(
                f"{SOURCE}: the name of a field is of type {type(name).__name__}", code="E0328"
            )
