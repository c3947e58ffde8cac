"""``fgc infer``: minimum-energy answers, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorgraph.cli import options as o

if TYPE_CHECKING:
    from factorgraph.pipeline import Run


class As(StrEnum):
    """What answers are written as."""

    json = "json"
    columns = "columns"


def infer(
    model: o.ModelPath,
    data: o.DataPath,
    weights: o.Weights = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is stdout.")
    ] = "-",
    marginals: Annotated[
        bool, typer.Option("--marginals", help="Add the probability of each value.")
    ] = False,
    beta: Annotated[float, typer.Option(help="Inverse temperature of the marginals.")] = 1.0,
    clamp: Annotated[
        list[str] | None,
        typer.Option("--clamp", metavar="NAME", help="Keep this unknown as the data have it."),
    ] = None,
    with_: o.With = None,
    columns: o.Columns = None,
    group: o.Group = None,
    comments: o.Comments = False,
    binarize: o.Binarize = None,
    unknown: o.Unknown = o.Missing.error,
    set_: o.Settings = None,
    without: o.Without = None,
    only: o.Only = None,
    how: o.Infer = None,
    budget_time: o.BudgetTime = None,
    seed: Annotated[int, typer.Option(help="Of inference that draws.")] = 0,
    threads: o.Threads = None,
    budget_memory: o.Budget = None,
    as_: Annotated[
        As, typer.Option("--as", help="Objects a line, or the columns read and the answers.")
    ] = As.json,
    json: o.Json = True,
) -> None:
    """Answer: one JSON object a line for each instance, in order."""
    from factorgraph.cli.rows import refuse, rows
    from factorgraph.errors import UsageError
    from factorgraph.files import writing

    o.limit(budget_memory)
    if not 0 < beta < float("inf"):
        raise UsageError("--beta is a positive number", code="E0910")
    built = o.model(model, settings_=set_, without=without)
    if as_ is As.columns:
        refuse(built.checked, o.names(columns), data)
        if marginals or unknown is o.Missing.skip:
            other = "--marginals" if marginals else "--unknown skip"
            raise UsageError(f"--as columns and {other} do not go together", code="E0911")
    run = o.run(built, weights)
    run.skip_unknown = unknown is o.Missing.skip
    search: dict[str, Any] = {
        "infer": how, "seconds": budget_time, "seed": seed, "threads": threads,
    }  # fmt: skip
    run.model.asking(**search)

    def lines() -> Iterator[str]:
        count = answered = 0
        for records in o.stream(
            data,
            run.model,
            only,
            columns=columns,
            group=group,
            comments=comments,
            binarize=binarize,
            every=as_ is As.columns,
        ):
            count += records.count
            if as_ is As.columns:
                found = run.predict(records, with_=with_, clamp=clamp or [], **search)
                yield from rows(records, o.names(columns) or [], found)
                answered += records.count
                continue
            temperature = beta if marginals else None
            for line in _lines(run, records, temperature, with_, clamp or [], search):
                answered += 1
                yield line
        o.left_out(count - answered, count, data)

    if output == "-":
        for line in lines():
            o.say(line)
        return
    o.keep_inputs(output, model, data)
    try:
        with writing(Path(output)) as write:
            for line in lines():
                write(line.encode() + b"\n")
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}", code="E0802") from None


def _lines(
    run: Run,
    records: Any,
    beta: float | None,
    with_: list[str] | None,
    clamp: list[str],
    search: dict[str, Any],
) -> Iterator[str]:
    import json as js

    beliefs: Any = None
    if beta is not None:
        beliefs = run.marginals(records, beta, with_=with_, clamp=clamp, **search)
    values = run.values if beliefs is not None else {}
    for answer in run.predict(records, with_=with_, clamp=clamp, **search):
        if beliefs is not None:
            found = next(beliefs)
            feasible = answer["answers"] is not None
            answer["marginals"] = {n: b.tolist() for n, b in found.items()} if feasible else None
            answer["values"] = {name: values[name] for name in found if name in values}
        yield js.dumps(o.plain(answer), allow_nan=False)
