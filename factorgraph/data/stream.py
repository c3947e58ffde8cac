"""Read a file of data by its name in blocks, so that it need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from factorgraph.data.column import Records
from factorgraph.data.columns import stream_columns
from factorgraph.data.delimited import stream_table
from factorgraph.data.jsonl import stream_jsonl
from factorgraph.data.npz import stream_npz
from factorgraph.data.read import form, named
from factorgraph.data.text import STREAMED


def stream(
    path: str | os.PathLike[str],
    fields: Collection[str] | None = None,
    columns: Sequence[str] | str | None = None,
    group: str | None = None,
    *,
    comments: bool = False,
    size: int = STREAMED,
) -> Iterator[Records]:
    """Read a file of data in blocks.

    Parameters
    ----------
    path, fields, columns, group, comments : what `factorgraph.data.read.read` takes.
    size : bytes of a block, of text or of arrays; fewer where the budget is small.

    Returns
    -------
    iterator over Records of at least one instance each, in order, whose places in messages are
    those of the file. Types are those of the block: a column may hold whole numbers in one and
    others in the next, or be ragged in one only.

    Raises
    ------
    DataError, UsageError, BudgetError : what `read` raises; what is wrong in the file, only when
        it is reached.
    """
    name = os.fsdecode(path)
    names = named(columns)
    match form(name, names, group, comments):
        case "npz":
            return stream_npz(name, fields, size)
        case "jsonl":
            return stream_jsonl(name, fields, size)
        case "table":
            return stream_table(name, fields, group=group, size=size)
    return stream_columns(name, names or (), fields, comments=comments, size=size)
