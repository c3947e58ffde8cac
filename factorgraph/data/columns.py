"""Read text in columns: a token a line, a blank line after each instance."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

from factorgraph.data.column import Records
from factorgraph.data.stack import wants
from factorgraph.data.table import Table
from factorgraph.data.text import STREAMED, Text, decoded, opened
from factorgraph.errors import DataError, UsageError, some

SKIP = "_"
_CELL = 60  # bytes of a cell that is split off, beside its text


def read_columns(
    path: str | os.PathLike[str],
    names: Sequence[str],
    fields: Collection[str] | None = None,
    *,
    comments: bool = False,
) -> Records:
    """Read a file of one token a line, in columns, with a blank line between instances.

    Parameters
    ----------
    path : the file, in UTF-8, packed by gzip if its name ends in ``.gz``; ``-`` is the standard
        input. If its first token's line has as many cells between tabs as there are names, then
        columns are separated by tabs (and may hold blanks), else by any number of blanks and
        tabs. A line ``-DOCSTART-`` is a token like any other.
    names : the name of each column, in order; "_" leaves a column out.
    fields : names to keep; None keeps all.
    comments : whether lines that start with "#" are left out.

    Returns
    -------
    Records of text, [n] for each column and instance, with ``as_text`` set. "_" is missing. An
    instance's number is that of its first token's line.

    Raises
    ------
    DataError : the file is missing, or a line has another number of columns than names.
    UsageError : the names are no names.
    BudgetError : the data would take too much memory.
    """
    _check(names)
    with opened(path) as text:
        return next(_blocks(text, names, fields, comments, None))


def stream_columns(
    path: str | os.PathLike[str],
    names: Sequence[str],
    fields: Collection[str] | None = None,
    *,
    comments: bool = False,
    size: int = STREAMED,
) -> Iterator[Records]:
    """Read as `read_columns` does, in blocks of about ``size`` bytes of text.

    Yields
    ------
    Records.
    """
    _check(names)
    with opened(path, whole=False) as text:
        yield from _blocks(text, names, fields, comments, size)


def _check(names: Sequence[str]) -> None:
    kept = [name for name in names if name != SKIP]
    twice = next((name for i, name in enumerate(kept) if name in kept[:i]), None)
    if not kept or not all(names) or twice is not None:
        fault = f"`{twice}` is there twice" if twice else "a name is empty or none is there"
        raise UsageError(
            f"columns are named by `{','.join(names)}`: {fault}",
            code="E0348",
            hint="name each column in order, `_` for one to leave out: --columns word,_,y",
        )


def _blocks(
    text: Text,
    names: Sequence[str],
    fields: Collection[str] | None,
    comments: bool,
    size: int | None,
) -> Iterator[Records]:
    """Yield what is in a file: all of it, or blocks by size."""
    table = Table(text.source, None, by_line=True, finite=False, as_text=True)
    table.names = tuple(name for name in names if name != SKIP)
    kept = {name: j for j, name in enumerate(names) if name != SKIP and wants(name, fields)}
    whole: dict[str, tuple[int, ...]] = dict.fromkeys(kept, ())
    pending, held, block = 0, 0, min(text.block, size or text.block)
    for numbers, rows, length in _instances(text, names, comments, table):
        cells = list(zip(*rows))
        item = {name: _texts(cells[j], numbers, name, text.source) for name, j in kept.items()}
        table.append_texts(item, whole, numbers[0])
        pending += length
        if pending > block:
            table.flush()
            held += pending
            pending = 0
            if size is not None and table.full(held, size):
                yield table.records()
                table = table.next()
                held = 0
    if table or not table.begun:
        yield table.records()


def _instances(
    text: Text, names: Sequence[str], comments: bool, table: Table
) -> Iterator[tuple[list[int], list[list[bytes]], int]]:
    """Yield the lines' numbers, their cells and the length of each instance."""
    numbers: list[int] = []
    rows: list[list[bytes]] = []
    tabs: bool | None = None
    length, cost, step, block = 0, 0, 0, text.block
    for number, line in text.lines():
        if comments and line.startswith(b"#"):
            continue
        if not line.strip():
            if rows:
                yield numbers, rows, length
                numbers, rows, length, cost, step = [], [], 0, 0, 0
            continue
        if tabs is None:
            tabs = line.strip().count(b"\t") == len(names) - 1 > 0
        cells = [cell.strip() for cell in line.split(b"\t")] if tabs else line.split()
        if len(cells) != len(names) or b"" in cells:
            raise _misfit(f"{text.source}:{number}", line, cells, names)
        numbers.append(number)
        rows.append(cells)
        length += len(line)
        cost += len(line) + _CELL * (len(cells) + 2)
        if cost - step > block:
            # A file without blank lines is one instance.
            table.check(cost)
            step = cost
    if rows:
        yield numbers, rows, length


def _texts(
    cells: tuple[bytes, ...], numbers: list[int], name: str, source: str
) -> list[str | None]:
    try:
        out = b"\0".join(cells).decode().split("\0")
        if len(out) == len(cells):
            return list[str | None](out)
    except UnicodeDecodeError:
        pass
    for number, cell in zip(numbers, cells):
        decoded(cell, f"{source}:{number}: column `{name}`")
    raise AssertionError


def _misfit(place: str, line: bytes, cells: list[bytes], names: Sequence[str]) -> DataError:
    if len(cells) == len(names):
        j = cells.index(b"")
        return DataError(
            f"{place}: column `{names[j]}` is empty", code="E0347", hint="say _ for what is missing"
        )
    hint = f"name each column in order, `{SKIP}` for one to leave out"
    if line.startswith(b"#"):
        hint = "say --comments if lines that start with # are comments"
    elif line.startswith(b"-DOCSTART-"):
        hint = "take such lines out: they are tokens like any other"
    return DataError(
        f"{place}: a line of {some(len(cells), 'column')}, but there are names for "
        f"{len(names)}: {', '.join(names)}",
        code="E0347",
        hint=hint,
    )
