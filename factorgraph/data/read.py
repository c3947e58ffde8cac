"""Read a file of data by its name."""

from __future__ import annotations

import os
from collections.abc import Collection

from factorgraph.data.column import Records
from factorgraph.data.jsonl import read_jsonl
from factorgraph.data.npz import read_npz
from factorgraph.errors import DataError

_READERS = {".npz": read_npz, ".jsonl": read_jsonl}


def read(path: str | os.PathLike[str], fields: Collection[str] | None = None) -> Records:
    """Read a file of data.

    Parameters
    ----------
    path : a name that ends in ``.npz`` or ``.jsonl``; ``-`` is JSON Lines from the standard
        input.
    fields : names to read; None reads all. Absent ones are left out.

    Returns
    -------
    Records with at least one instance, unless no field of ``fields`` is there.

    Raises
    ------
    DataError : no reader goes by this name, or the file is missing or damaged.
    BudgetError : the data would take too much memory.
    """
    name = os.fsdecode(path)
    if name == "-":
        return read_jsonl(name, fields)
    reader = _READERS.get(os.path.splitext(name)[1].lower())
    if reader is None:
        raise DataError(
            f"{name or 'a file without a name'} is of no format that is read",
            hint="data are NAME.npz (numpy arrays), NAME.jsonl (an object a line) "
            "or - (objects from the standard input)",
        )
    return reader(name, fields)
