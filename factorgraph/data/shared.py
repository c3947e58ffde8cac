"""Data shared by all instances: arrays without an axis of instances, and sparse matrices."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from factorgraph import budget
from factorgraph.data.alist import read_alist
from factorgraph.data.archive import entries, flat, opened, require
from factorgraph.data.column import Column, Flags, Records, Values
from factorgraph.data.dtype import MISSING, settle
from factorgraph.data.field import Field
from factorgraph.data.flatten import DEEPEST, place
from factorgraph.data.jsonl import depth, expanded, parse, read_jsonl
from factorgraph.data.market import read_market
from factorgraph.data.sparse import Sparse, compressed, from_arrays, is_sparse
from factorgraph.data.table import Table
from factorgraph.data.text import opened as opened_text
from factorgraph.errors import DataError, UsageError, did_you_mean, some

__all__ = ["SharedValue", "Sparse", "from_python", "read_shared"]

SharedValue = Values | Sparse
_SPEC = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def read_shared(spec: str) -> dict[str, SharedValue]:
    """Read data that all instances share.

    Parameters
    ----------
    spec : ``FILE``, or ``NAME=FILE`` for one array or matrix of it. Files are ``.npz`` of
        ``numpy.savez`` or ``scipy.sparse.save_npz``, ``.json`` (an object), ``.jsonl`` (of one
        line), ``.mtx`` (Matrix Market) and ``.alist`` (parity checks); those of text may be
        packed by gzip, with a further ``.gz``.

    Returns
    -------
    dict of arrays in their own shapes (truth values, uint8, int64, float32, float64 or text)
    and sparse matrices, by name. A matrix that has no name is under "".

    Raises
    ------
    DataError : the file is missing, damaged or of another format, or has no such array.
    UsageError : ``spec`` names no file.
    BudgetError : the data would take too much memory.
    """
    named = _SPEC.fullmatch(spec)
    name, path = (named[1], named[2]) if named else ("", spec)
    if not path:
        raise UsageError(f"`{spec}` names no file", code="E0359", hint="say FILE or NAME=FILE")
    found = _read(path)
    return _renamed(found, name, path) if name else found


def from_python(name: str, value: Any) -> SharedValue:
    """Return one value that all instances share.

    Parameters
    ----------
    name : of the field, for messages.
    value : an array, a number, a text, nested lists of them, or a sparse matrix of scipy.

    Raises
    ------
    DataError : it is none of these, or a value is missing.
    BudgetError : it would take too much memory.
    """
    what = f"shared `{name}`"
    if isinstance(value, Sparse):
        return value
    if hasattr(value, "tocoo"):
        matrix = value.tocoo()
        if len(matrix.shape) != 2:
            raise DataError(
                f"{what} is sparse, but has {some(len(matrix.shape), 'axis')}", code="E0368"
            )
        shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        return compressed(
            shape, np.asarray(matrix.row), np.asarray(matrix.col), np.asarray(matrix.data), what
        )
    if hasattr(value, "__array__"):
        array = np.asarray(value)
        return _settled(array, what, own=False).reshape(array.shape)
    field = Field(name, "shared data", by_line=False, finite=False)
    field.append(value, 0)
    columns = list(field.columns())
    if len(columns) > 1:
        raise DataError(
            f"{what} has parts: {', '.join(column.name for column in columns)}",
            code="E0354",
            hint=f"give each as an array of its own, as in `{columns[0].name}`",
        )
    return _whole(columns[0], what)


def _read(path: str) -> dict[str, SharedValue]:
    if os.path.isdir(path):
        raise DataError(f"{path} cannot be read: it is a directory", code="E0321")
    stem, suffix = os.path.splitext(path.lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
        suffix = suffix if suffix != ".npz" else ""
    match suffix:
        case ".npz":
            return _archive(path)
        case ".mtx":
            return {"": read_market(path)}
        case ".alist":
            return {"": read_alist(path)}
        case ".json":
            return _wholes(_document(path))
        case ".jsonl":
            records = read_jsonl(path)
            if records.count != 1:
                raise DataError(
                    f"{path} has {records.count} lines, but data shared by all instances are one "
                    "object",
                    code="E0362",
                )
            return _wholes(records)
    raise DataError(
        f"{path} is of no format of shared data",
        code="E0359",
        hint="they are .npz, .json, .jsonl of one line, .mtx or .alist",
    )


def _archive(path: str) -> dict[str, SharedValue]:
    with opened(path) as archive:
        found = entries(archive, path, stacked=False)
        require(found, path)
        arrays = {name: flat(archive, e).reshape(e.shape) for name, e in found.items()}
    if is_sparse(arrays):
        return {"": from_arrays(arrays, path)}
    return {
        name: _settled(array, found[name].what, own=True).reshape(array.shape)
        for name, array in arrays.items()
    }


def _document(path: str) -> Records:
    with opened_text(path) as text:
        longest = text.longest
        data = text.stream.read(longest + 1)
        if len(data) > longest:
            raise DataError(
                f"{text.source}: an object of more than {budget.human(longest)}", code="E0327"
            )
        data = data.removeprefix(b"\xef\xbb\xbf")
        deep = depth(data)
        if deep > DEEPEST:
            raise DataError(
                f"{text.source}: brackets nest {deep} deep, more than {DEEPEST}", code="E0326"
            )
        budget.require(expanded(data), text.source)
        table = Table(text.source, None, by_line=False, finite=True)
        table.append(parse(data, text.source, document=True), 0)
        return table.records()


def _wholes(records: Records) -> dict[str, SharedValue]:
    return {
        name: _whole(column, f"field `{name}` of {records.source}")
        for name, column in records.columns.items()
    }


def _whole(column: Column, what: str) -> Values:
    shape = tuple(column.shape[0].tolist())
    _refuse_gaps(column.values, column.missing, shape, what)
    return column.values.reshape(shape)


def _settled(array: Values, what: str, own: bool) -> Values:
    values, missing = settle(array.reshape(-1), what, own=own)
    _refuse_gaps(values, missing, array.shape, what)
    return values


def _refuse_gaps(values: Values, missing: Flags | None, shape: tuple[int, ...], what: str) -> None:
    """Refuse missing values; among texts "_" is one like any other."""
    if missing is not None and values.dtype.kind == "U":
        missing = missing & (values != MISSING)
    if missing is not None and missing.any():
        at = int(missing.argmax())
        where = place(at, shape) if len(shape) > 1 else at
        raise DataError(
            f"{what}: value {where} is missing; only answers may be missing", code="E0361"
        )


def _renamed(found: dict[str, SharedValue], name: str, path: str) -> dict[str, SharedValue]:
    """Return what goes by a name: the array, the parts of it, or the only one that is there."""
    mine = {key: value for key, value in found.items() if key.partition(".")[0] == name}
    if mine:
        return mine
    bases = {key.partition(".")[0] for key in found}
    if len(bases) == 1:
        return {name + key[len(key.partition(".")[0]) :]: v for key, v in found.items()}
    raise DataError(
        f"{path} has no `{name}`, but {', '.join(f'`{key}`' for key in found)}",
        code="E0360",
        hint=did_you_mean(name, found),
    )
