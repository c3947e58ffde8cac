"""Read a file of data by its name."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from factorgraph.data.column import Records
from factorgraph.data.columns import read_columns
from factorgraph.data.delimited import read_table
from factorgraph.data.jsonl import read_jsonl
from factorgraph.data.npz import read_npz
from factorgraph.errors import DataError, UsageError

_FORMATS = (
    "data are NAME.npz (numpy arrays), NAME.jsonl (an object a line), NAME.csv or NAME.tsv (a "
    "table with names in its first line), or with --columns any text in columns; text also as "
    "NAME.gz; - is the standard input"
)


def read(
    path: str | os.PathLike[str],
    fields: Collection[str] | None = None,
    columns: Sequence[str] | str | None = None,
    group: str | None = None,
    *,
    comments: bool = False,
) -> Records:
    """Read a file of data.

    Parameters
    ----------
    path : a name that ends in ``.npz``, ``.jsonl``, ``.csv`` or ``.tsv``, or any other of text
        in columns. Text may be packed by gzip, with a further ``.gz``. ``-`` is the standard
        input: JSON Lines, or text in columns.
    fields : names to read; None reads all. Absent ones are left out. Those of parts, as
        ``edge.a`` of ``edge``, are read with what is before the first dot.
    columns : names of the columns of a text, a list or with commas; see `read_columns`.
    group : the column of a table that is the same in all rows of an instance; see `read_table`.
    comments : whether lines of text in columns that start with "#" are left out.

    Returns
    -------
    Records with at least one instance, unless no field of ``fields`` is there.

    Raises
    ------
    DataError : no reader goes by this name, or the file is missing or damaged.
    UsageError : an option does not go with this format.
    BudgetError : the data would take too much memory.
    """
    name = os.fsdecode(path)
    names = named(columns)
    match form(name, names, group, comments):
        case "npz":
            return read_npz(name, fields)
        case "jsonl":
            return read_jsonl(name, fields)
        case "table":
            return read_table(name, fields, group=group)
    return read_columns(name, names or (), fields, comments=comments)


def named(columns: Sequence[str] | str | None) -> list[str] | None:
    """Return names of columns as a list."""
    if isinstance(columns, str):
        return [name.strip() for name in columns.split(",")]
    return None if columns is None else list(columns)


def form(name: str, columns: Sequence[str] | None, group: str | None, comments: bool) -> str:
    """Return which format a file is of: npz, jsonl, table or columns.

    Parameters
    ----------
    name, columns, group, comments : what `read` takes.

    Raises
    ------
    DataError : the name says none, or is that of a directory.
    UsageError : an option does not go with the format.
    """
    if os.path.isdir(name):
        raise DataError(f"{name} cannot be read: it is a directory", code="E0321")
    stem, suffix = os.path.splitext(name.lower())
    if suffix == ".gz":
        suffix = os.path.splitext(stem)[1]
    found = {".npz": "npz", ".jsonl": "jsonl", ".csv": "table", ".tsv": "table"}.get(suffix)
    if name.lower().endswith(".npz.gz"):
        raise DataError(
            f"{name} is packed twice", code="E0322", hint="unpack it: an npz archive is packed"
        )
    if columns is not None and (found is None or suffix == ".tsv"):
        found = "columns"
    elif columns is not None:
        raise UsageError(
            f"names of columns do not go with {name}",
            code="E0355",
            hint="--columns is for text whose lines are tokens; other formats name their fields",
        )
    elif name == "-":
        found = "jsonl"
    if found is None and suffix in (".conll", ".conllu", ".col", ".txt"):
        raise UsageError(
            f"{name} does not say what its columns are",
            code="E0348",
            hint="name each column in order, `_` for one to leave out: --columns word,_,y",
        )
    if found is None:
        raise DataError(
            f"{name or 'a file without a name'} is of no format that is read",
            code="E0322",
            hint=_FORMATS,
        )
    if group is not None and found != "table":
        raise UsageError(
            f"the instances of {name} are no groups of rows",
            code="E0355",
            hint="--group is for tables, NAME.csv and NAME.tsv",
        )
    if comments and found != "columns":
        raise UsageError(
            f"{name} has no lines of comments",
            code="E0355",
            hint="--comments is for text in columns",
        )
    return found
