"""Options that several commands share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorgraph.errors import DataError, UsageError

if TYPE_CHECKING:
    from factorgraph.data.column import Records
    from factorgraph.pipeline import Model, Run


class Missing(StrEnum):
    """What to do with labels that training has not seen."""

    error = "error"
    skip = "skip"


ModelPath = Annotated[str, typer.Argument(metavar="MODEL", help="A .fg file; - reads stdin.")]
DataPath = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Data: .npz, .jsonl, .csv, .tsv or columns, also .gz; - reads jsonl from stdin.",
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", "-w", metavar="RUN", help="The run folder; not needed without params."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Loss = Annotated[
    str | None, typer.Option("--loss", metavar="FORMULA", help="Instead of the model's own loss.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=NUMBER", help="Change a constant or a valued size."),
]
Without = Annotated[
    list[str] | None,
    typer.Option("--without", metavar="FACTOR", help="Leave a factor out. Repeatable."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="FIELD=VALUES", help="Use some instances: fold=1..9, fold!=0, id=3,5."
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with", metavar="FILE", help="Data that all instances share: FILE or NAME=FILE."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option("--columns", metavar="NAMES", help="Columns of a text file: word,pos,y."),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        metavar="COLUMN",
        help="Rows that follow each other with the same value in COLUMN are one instance; or a,b.",
    ),
]
Comments = Annotated[
    bool, typer.Option("--comments", help="Skip lines that begin with # in a text file.")
]
Binarize = Annotated[
    float | None,
    typer.Option("--binarize", metavar="T", help="Read numbers above T as 1 where bits are meant."),
]
Unknown = Annotated[
    Missing,
    typer.Option("--unknown", help="Instances with labels that training has not seen."),
]
Budget = Annotated[
    str | None, typer.Option("--budget-memory", metavar="BYTES", help="Refuse to take more: 2G.")
]
Infer = Annotated[
    str | None,
    typer.Option(
        "--infer",
        metavar="ALGORITHMS",
        help="Algorithms in turn, as 'trws(iterations = 100) + icm', instead of the model's.",
    ),
]
BudgetTime = Annotated[
    float | None,
    typer.Option(
        "--budget-time", metavar="SECONDS", min=0, help="Stop then, with the best so far."
    ),
]
Threads = Annotated[
    int | None, typer.Option("--threads", min=1, help="Threads; results do not depend on them.")
]


def settings(texts: list[str] | None) -> dict[str, float]:
    """Return the numbers of ``--set NAME=NUMBER``."""
    out: dict[str, float] = {}
    for text in texts or []:
        name, equals, number = text.partition("=")
        try:
            value = float(number)
            if not equals or value != value or value in (float("inf"), float("-inf")):
                raise ValueError
        except ValueError:
            raise UsageError(f"--set {text}: say NAME=NUMBER", code="E0910") from None
        whole = value == int(value) and number.strip().lstrip("+-").isdigit()
        out[name.strip()] = int(value) if whole else value
    return out


def model(
    path: str,
    *,
    loss: str | None = None,
    settings_: list[str] | None = None,
    without: list[str] | None = None,
) -> Model:
    """Load the model that a command is about."""
    from factorgraph import pipeline

    options: dict[str, Any] = {
        "settings": settings(settings_),
        "loss": loss,
        "without": without or (),
    }
    if path == "-":
        try:
            return pipeline.compile(sys.stdin.buffer.read().decode("utf-8-sig"), "-", **options)
        except UnicodeDecodeError as error:
            raise UsageError(
                f"stdin is not UTF-8 text (byte {error.start})", code="E0012"
            ) from None
    return pipeline.load(path, **options)


def run(built: Model, weights: str | None) -> Run:
    """Return the run of a folder, or the model itself where it needs no weights.

    Raises
    ------
    UsageError : it does.
    RunError : the folder is none, or of another model.
    """
    from factorgraph.pipeline import fits, load_run

    if weights is not None:
        found = load_run(weights)
        fits(found, built)
        return found
    if built.checked.params or built.checked.maps:
        raise UsageError(
            "the model has params: say --weights RUN, the folder of a training", code="E0913"
        )
    return built.init()


def records(
    path: str,
    model: Model,
    only: list[str] | None,
    *,
    columns: str | None = None,
    group: str | None = None,
    comments: bool = False,
    binarize: float | None = None,
) -> Records:
    """Read the data that a command is about."""
    _two_inputs(path, model)
    from factorgraph.data.bind import wanted
    from factorgraph.data.read import read
    from factorgraph.data.select import select

    fields = wanted(model.checked)
    for condition in only or []:
        fields.add(condition.partition("=")[0].strip().removesuffix("!").strip())
    found = read(path, fields, columns=names(columns), group=group, comments=comments)
    for condition in only or []:
        found = select(found, condition)
    return found if binarize is None else _bits(model, found, binarize)


def _two_inputs(path: str, model: Model) -> None:
    if path == "-" == model.name:
        raise UsageError("the model and the data cannot both come from stdin", code="E0911")


def _bits(model: Model, records: Records, threshold: float) -> Records:
    from factorgraph.data.binarize import binarize

    return binarize(model.checked, records, threshold)


def stream(
    path: str,
    model: Model,
    only: list[str] | None,
    *,
    columns: str | None = None,
    group: str | None = None,
    comments: bool = False,
    binarize: float | None = None,
    every: bool = False,
) -> Iterator[Records]:
    """Yield the data that a command is about in blocks, so that they need not fit into memory.

    Parameters
    ----------
    every : whether fields that the model does not read are read, too.
    """
    _two_inputs(path, model)
    from factorgraph.data.bind import wanted
    from factorgraph.data.select import chosen
    from factorgraph.data.stream import stream as blocks

    fields = wanted(model.checked)
    if every:
        fields |= set(names(columns) or [])
    for condition in only or []:
        fields.add(condition.partition("=")[0].strip().removesuffix("!").strip())
    some = False
    for block in blocks(path, fields, columns=names(columns), group=group, comments=comments):
        found: Records | None = block
        for condition in only or []:
            found = chosen(found, condition) if found is not None else None
        if found is not None:
            some = True
            yield found if binarize is None else _bits(model, found, binarize)
    if not some and only:
        raise DataError(f"no instance of {path} has {' and '.join(only)}", code="E0356")


def left_out(skipped: int, count: int, path: str) -> None:
    """Say on stderr how many instances ``--unknown skip`` left out.

    Raises
    ------
    DataError : it left out all of them.
    """
    if skipped and skipped == count:
        raise DataError(
            f"{path}: every instance has labels that training has not seen", code="E0309"
        )
    if skipped:
        sys.stderr.write(
            f"left out {skipped} of {count} instances with labels that training has not seen\n"
        )


def keep_inputs(output: str, *inputs: str) -> None:
    """Refuse to write over what is read.

    Raises
    ------
    UsageError : where the output is one of the inputs.
    """
    import os

    for path in inputs:
        if os.path.exists(output) and os.path.exists(path) and os.path.samefile(output, path):
            raise UsageError(
                f"{output} is read and cannot be written at the same time", code="E0802"
            )


def names(columns: str | None) -> list[str] | None:
    """Return the names of ``--columns a,b,c``."""
    return None if columns is None else [name.strip() for name in columns.split(",")]


def limit(budget: str | None) -> None:
    """Apply ``--budget-memory``."""
    if budget is not None:
        from factorgraph import budget as memory

        memory.set_limit(memory.parse_bytes(budget))


def write(output: str, text: str, *inputs: str) -> None:
    """Write a command's output to a file.

    Raises
    ------
    UsageError : where the file is one of the inputs, or cannot be written.
    """
    from pathlib import Path

    from factorgraph.files import write as write_file

    keep_inputs(output, *inputs)
    try:
        write_file(Path(output), text.encode())
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", code="E0802") from None


class ReaderGone(Exception):
    """Whoever reads our stdout has closed it: there is nobody left to tell."""


def say(text: str) -> None:
    """Print a line to stdout."""
    if sys.stdout is None:
        raise ReaderGone
    try:
        sys.stdout.write(text + "\n")
    except BrokenPipeError:
        raise ReaderGone from None


def say_json(value: Any) -> None:
    """Print a value as one JSON line; what JSON cannot say (infinities) becomes null."""
    import json

    say(json.dumps(plain(value), allow_nan=False))


def plain(value: Any) -> Any:
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
