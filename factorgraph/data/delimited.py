"""Read tables of text, CSV and TSV: a row an instance, or several rows for each."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Iterator
from itertools import chain

from factorgraph import budget
from factorgraph.data.column import Records
from factorgraph.data.dtype import MISSING
from factorgraph.data.header import Part, apart, bases, groups, parts, spread
from factorgraph.data.table import Table
from factorgraph.data.text import STREAMED, Text, decoded, opened
from factorgraph.errors import DataError, some

_CELL = 60  # bytes of a cell that is split off, beside its text
_KEY = 200  # bytes of a group that is remembered, beside its texts
_SEPARATORS = (
    ("\t", "tabs", "call it NAME.tsv"),
    (";", "`;`", "write the table with commas as NAME.csv, or with tabs as NAME.tsv"),
    (",", "commas", "call it NAME.csv"),
)


def read_table(
    path: str | os.PathLike[str],
    fields: Collection[str] | None = None,
    *,
    group: str | None = None,
) -> Records:
    """Read a table of text whose first line names the columns.

    Parameters
    ----------
    path : the file, in UTF-8, with commas between cells, or tabs if its name ends in ``.tsv``;
        packed by gzip with a further ``.gz``. A cell may stand in double quotes, where a quote
        is doubled. Lines without a character are left out.
    fields : names to keep; None keeps all. Columns ``x[0]``, ``x[1]``, ... are the field ``x``.
    group : a column, or several with commas: rows that follow each other with the same value
        in it form one instance. Its fields are then arrays over its rows, also where all rows
        agree; the columns of ``group`` itself are scalars. No value comes back further down.

    Returns
    -------
    Records of text with ``as_text`` set. An empty cell or "_" is missing. An instance's number
    is the line on which its first row begins.

    Raises
    ------
    DataError : the file is missing, a row has more or fewer cells than there are names, or the
        rows of a group lie apart.
    UsageError : there is no column to group by.
    BudgetError : the data would take too much memory.
    """
    with opened(path) as text:
        return next(_blocks(text, fields, group, None))


def stream_table(
    path: str | os.PathLike[str],
    fields: Collection[str] | None = None,
    *,
    group: str | None = None,
    size: int = STREAMED,
) -> Iterator[Records]:
    """Read as `read_table` does, in blocks of about ``size`` bytes of text.

    Yields
    ------
    Records; a group of rows is never divided.
    """
    with opened(path, whole=False) as text:
        yield from _blocks(text, fields, group, size)


def _blocks(
    text: Text, fields: Collection[str] | None, group: str | None, size: int | None
) -> Iterator[Records]:
    """Yield what is in a file: all of it, or blocks by size."""
    rows = _Rows(text)
    names, place = rows.header()
    chosen = [name.strip() for name in group.split(",")] if group is not None else []
    layout = parts(names, None if fields is None else {*fields, *chosen}, place)
    keys = groups(chosen, layout, names, place)
    table = Table(text.source, None, by_line=True, finite=False, as_text=True)
    table.names, table.spread = bases(names), spread(layout)
    carried = _Group(layout, keys, text.source)
    held = 0
    for numbers, cells, length in rows.blocks(min(text.block, size or text.block)):
        items = {name: _cells(cells, part, len(names)) for name, part in layout.items()}
        if keys:
            carried.deal(items, numbers, table)
        else:
            table.extend_texts(items, {name: p.shape for name, p in layout.items()}, numbers)
        table.flush()
        table.check(carried.nbytes())
        held += length
        if size is not None and table.full(held, size):
            yield table.records()
            table = table.next()
            held = 0
    carried.close(table)
    if table or not table.begun:
        yield table.records()


def _cells(cells: list[str], part: Part, width: int) -> list[str | None]:
    """Return the cells of a field, row by row; None for those that are empty."""
    if len(part.columns) == 1:
        out = cells[part.columns[0] :: width]
    else:
        out = list(chain.from_iterable(zip(*[cells[j::width] for j in part.columns])))
    return [cell or None for cell in out]


class _Rows:
    """The rows of a table, each with the number of its first line."""

    def __init__(self, text: Text) -> None:
        self.text = text
        name = text.source.lower().removesuffix(".gz")
        self.separator = "\t" if name.endswith(".tsv") else ","
        self.lines = text.lines()
        self.width = 0

    def header(self) -> tuple[list[str], str]:
        """Return the names of the columns, and their place for messages."""
        for number, line in self.lines:
            place = f"{self.text.source}:{number}"
            if line.strip():
                many = line.count(self.separator.encode())
                budget.require(4 * _CELL * many, f"the {many + 1} columns of {self.text.source}")
                names = next(self._parsed([number], [line]))[1]
                self.width = len(names)
                self._check_separator(place, names)
                return names, place
        raise DataError(f"{self.text.source} holds no instances", code="E0323")

    def blocks(self, most: int) -> Iterator[tuple[list[int], list[str], int]]:
        """Yield the numbers of some rows, their cells end to end, and the bytes of their text.

        Parameters
        ----------
        most : bytes of text after which a block ends.
        """
        numbers: list[int] = []
        lines: list[bytes] = []
        length = 0
        for number, line in self.lines:
            numbers.append(number)
            lines.append(line)
            length += len(line)
            if length > most:
                yield *self._cut(numbers, lines), length
                numbers, lines, length = [], [], 0
        if lines:
            yield *self._cut(numbers, lines), length

    def _cut(self, numbers: list[int], lines: list[bytes]) -> tuple[list[int], list[str]]:
        data = b"".join(lines)
        if b'"' in data:
            firsts: list[int] = []
            cells: list[str] = []
            for first, row in self._parsed(numbers, lines):
                self._check(first, len(row))
                firsts.append(first)
                cells.extend(row)
            return firsts, cells
        # Without quotes a cell ends at each separator: all rows are split at one blow.
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = "\0"
        text = text.replace("\r\n", "\n")
        if "\0" in text or "\r" in text:
            for number, raw in zip(numbers, lines):
                place = f"{self.text.source}:{number}"
                if "\r" in decoded(raw, place).removesuffix("\n").removesuffix("\r"):
                    raise DataError(f"{place}: a carriage return within the line", code="E0349")
        rows = text.removesuffix("\n").split("\n")
        if "" in rows:
            kept = [i for i, line in enumerate(rows) if line]
            rows, numbers = [rows[i] for i in kept], [numbers[i] for i in kept]
        if not rows:
            return [], []
        for number, line in zip(numbers, rows):
            if line.count(self.separator) != self.width - 1:
                self._check(number, line.count(self.separator) + 1)
        budget.require(_CELL * self.width * len(rows), f"{len(rows)} rows of {self.text.source}")
        return numbers, self.separator.join(rows).split(self.separator)

    def _parsed(self, numbers: list[int], lines: list[bytes]) -> Iterator[tuple[int, list[str]]]:
        """Yield rows with quotes; the last may take lines beyond those given."""
        used, begun, source = 0, 0, self.text.source
        first = numbers[0]

        def feed() -> Iterator[str]:
            nonlocal used, begun
            for number, line in chain(zip(numbers, lines), self.lines):
                used += 1
                begun += len(line)
                if begun > self.text.longest:
                    raise DataError(
                        f"{source}:{first}: row of more than {budget.human(self.text.longest)}",
                        code="E0327",
                    )
                yield decoded(line, f"{source}:{number}")

        reader = csv.reader(feed(), delimiter=self.separator, strict=True)
        while used < len(lines):
            first, begun = numbers[used], 0
            try:
                row = next(reader)
            except csv.Error as error:
                raise DataError(
                    f"{source}:{first}: no row of a table: {error}",
                    code="E0349",
                    hint='a cell in quotes ends with its quote; a quote within it is doubled: ""',
                ) from None
            if row:
                yield first, row

    def _check_separator(self, place: str, names: list[str]) -> None:
        """Refuse a single name that holds what separates cells elsewhere."""
        if len(names) > 1:
            return
        for other, shown, advice in _SEPARATORS:
            if other != self.separator and other in names[0]:
                own = "tabs" if self.separator == "\t" else "commas"
                raise DataError(
                    f"{place}: there is one column, whose cells seem to be separated by {shown}",
                    code="E0349",
                    hint=f"in {self.text.source} cells are separated by {own}: {advice}",
                )

    def _check(self, number: int, found: int) -> None:
        if found != self.width:
            raise DataError(
                f"{self.text.source}:{number}: a row of {some(found, 'cell')} in a table of "
                f"{some(self.width, 'column')}",
                code="E0351",
                hint="leave a cell empty where a value is missing",
            )


class _Group:
    """Rows of one instance, until its last is there."""

    def __init__(self, layout: dict[str, Part], keys: tuple[str, ...], source: str) -> None:
        self.keys = keys
        self.source = source
        self.rests = {name: part.shape for name, part in layout.items() if name not in keys}
        self.key: tuple[str | None, ...] = ()
        self.number = 0
        self.seen: dict[tuple[str | None, ...], int] = {}
        self.remembered = 0
        self.cells: dict[str, list[str | None]] = {}
        self.widths = {name: len(part.columns) for name, part in layout.items()}

    def deal(self, items: dict[str, list[str | None]], numbers: list[int], table: Table) -> None:
        """Add rows, and give the instances that are whole to a table."""
        for name in self.keys:
            gone = [cell is None or cell == MISSING for cell in items[name]]
            if any(gone):
                number = numbers[gone.index(True)]
                raise DataError(
                    f"{self.source}:{number}: column `{name}`, by which rows are grouped, is empty",
                    code="E0353",
                )
        keys = list(zip(*[items[name] for name in self.keys]))
        bounds = [r for r in range(1, len(keys)) if keys[r] != keys[r - 1]]
        for low, high in zip([0, *bounds], [*bounds, len(keys)] if keys else []):
            if keys[low] != self.key or not self.cells:
                self.close(table)
                self.key, self.number = keys[low], numbers[low]
                self.remember()
                self.cells = {name: [] for name in items}
            for name, cells in items.items():
                width = self.widths[name]
                self.cells[name].extend(cells[low * width : high * width])

    def remember(self) -> None:
        """Note a new group, or refuse one that was there before."""
        before = self.seen.setdefault(self.key, self.number)
        if before != self.number:
            raise apart(f"{self.source}:{self.number}", self.keys, self.key, f"line {before}")
        self.remembered += _KEY + sum(len(text or "") for text in self.key)

    def close(self, table: Table) -> None:
        """Give the instance to a table, if there is one."""
        if self.cells:
            for name in self.keys:
                del self.cells[name][1:]
            table.append_texts(self.cells, self.rests, self.number)
            self.cells = {}

    def nbytes(self) -> int:
        """Return the bytes that are held."""
        return _CELL * sum(map(len, self.cells.values())) + self.remembered
