"""Answers beside the columns that were read: a token a line, a blank line between instances."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from factorgraph.errors import UsageError

if TYPE_CHECKING:
    from factorgraph.data.column import Records
    from factorgraph.model.model import Model

MISSING = "_"


def refuse(model: Model, columns: Sequence[str] | None, path: str) -> None:
    """Refuse what cannot be written as columns.

    Raises
    ------
    UsageError : the data are not read as columns, or the answers are not one for each token.
    """
    if columns is None:
        raise UsageError(
            "--as columns writes the columns that were read: say --columns, too", code="E0911"
        )
    axes = {given.axes for given in model.givens.values() if len(given.axes) == 1}
    for name, answer in model.answers.items():
        if len(answer.axes) != 1 or (axes and answer.axes not in axes):
            raise UsageError(
                f"--as columns: `{name}` has no value for each token of {path}", code="E0911"
            )


def rows(
    records: Records, names: Sequence[str], answers: Iterable[dict[str, Any]]
) -> Iterator[str]:
    """Yield a line a token: the columns that were read, then the answers, and a blank line.

    Cells are parted by a blank, or by a tab where a cell of these records holds a blank.
    """
    kept = [name for name in names if name in records.columns]
    columns = [records.columns[name] for name in kept]
    blanks = any(" " in str(cell) for c in columns for cell in c.values.tolist())
    between = "\t" if blanks else " "
    for i, found in enumerate(answers):
        cells: list[list[str]] = []
        for column in columns:
            part = slice(int(column.start[i]), int(column.start[i + 1]))
            values = [str(v) for v in column.values[part].tolist()]
            if column.missing is not None:
                gone = column.missing[part].tolist()
                values = [MISSING if m else v for v, m in zip(values, gone, strict=True)]
            cells.append(values)
        count = len(cells[0]) if cells else 0
        for value in (found["answers"] or {}).values():
            cells.append([str(v) for v in value])
        if found["answers"] is None:
            cells.append([MISSING] * count)
        for line in zip(*cells, strict=True):
            yield between.join(line)
        yield ""
