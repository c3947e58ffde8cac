"""Choose instances by the value of one scalar field, as ``--only`` does."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from factorgraph.data.column import Column, Flags, Records
from factorgraph.errors import DataError, UsageError, some

_FORM = "say FIELD=VALUE, FIELD=1,2,5..9 or FIELD!=VALUE"
_CONDITION = re.compile(r"\s*([^=!]*?)\s*(!=|==?)(.*)", re.DOTALL)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_RANGE = re.compile(rf"({_WHOLE.pattern})\s*\.\.\s*({_WHOLE.pattern})")
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def select(records: Records, text: str) -> Records:
    """Return the instances that meet a condition.

    Parameters
    ----------
    records : N instances.
    text : ``fold=0,3``, ``fold=1..9`` (inclusive), ``fold!=0`` or ``split=train``. An instance
        whose value is missing meets no condition. Values that came as text are numbers here
        if all of them can be.

    Returns
    -------
    Records, in the old order.

    Raises
    ------
    UsageError : the condition is not of this form, or there is no such scalar field.
    DataError : no instance meets it.
    """
    found = chosen(records, text)
    if found is None:
        raise DataError(f"no instance of {records.source} has {text.strip()}", code="E0356")
    return found


def chosen(records: Records, text: str) -> Records | None:
    """Return the instances that meet a condition, as `select` does, or None if none does."""
    parts = _CONDITION.fullmatch(text)
    if parts is None or not parts[1]:
        raise UsageError(f"`{text}` is no condition on the instances", code="E0357", hint=_FORM)
    name, sign = parts[1], parts[2]
    column = records.columns.get(name)
    if column is None:
        raise UsageError(
            f"{records.source} has no field `{name}`", code="E0357", hint=records.hint(name)
        )
    if column.rank:
        raise UsageError(
            f"field `{name}` of {records.source} has {some(column.rank, 'axis')}, "
            "but instances are chosen by a field with a single value each",
            code="E0357",
        )
    if records.as_text:
        column = _parsed(column)
    items = [item.strip() for item in parts[3].split(",")]
    if not all(items):
        raise UsageError(f"`{text}` has an empty value", code="E0357", hint=_FORM)
    meets = np.zeros(records.count, np.bool_)
    for item in items:
        meets |= _equal(column, item)
    if sign == "!=":
        meets = ~meets
    if column.missing is not None:
        meets &= ~column.missing
    return records.take(np.flatnonzero(meets)) if meets.any() else None


def _parsed(column: Column) -> Column:
    values = column.values
    if column.missing is not None:
        values = np.where(column.missing, "0", values)
    for dtype in (np.int64, np.float64):
        try:
            return replace(column, values=values.astype(dtype))
        except (ValueError, OverflowError):
            continue
    return column


def _equal(column: Column, item: str) -> Flags:
    values, kind = column.values, column.values.dtype.kind
    if kind == "U":
        return np.asarray(values == item, np.bool_)
    if kind == "b":
        truth = _TRUTH.get(item.lower())
        if truth is None:
            raise _misfit(column, "truth values", item, "true or false")
        return np.asarray(values == truth, np.bool_)
    span = _RANGE.fullmatch(item)
    if span:
        low, high = int(span[1]), int(span[2])
        if low > high:
            raise UsageError(
                f"the range {item} is empty", code="E0357", hint="say the smaller number first"
            )
        return np.asarray((values >= low) & (values <= high), np.bool_)
    if _WHOLE.fullmatch(item):
        return np.asarray(values == int(item), np.bool_)
    try:
        if kind != "f":
            raise ValueError(item)
        number = float(item)
    except ValueError:
        what = "numbers" if kind == "f" else "whole numbers"
        raise _misfit(column, what, item, "a number or a range like 1..9") from None
    return np.asarray(values == number, np.bool_)


def _misfit(column: Column, what: str, item: str, form: str) -> UsageError:
    return UsageError(
        f"field `{column.name}` holds {what}, which `{item}` is not",
        code="E0357",
        hint=f"say {form}",
    )
