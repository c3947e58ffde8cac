"""``fgc infer``: minimum-energy answers, one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from factorgraph.cli import options as o


def infer(
    model: o.ModelPath,
    data: o.DataPath,
    weights: o.RunPath,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is stdout.")
    ] = "-",
    marginals: Annotated[
        bool, typer.Option("--marginals", help="Add the probability of each value.")
    ] = False,
    beta: Annotated[float, typer.Option(help="Inverse temperature of the marginals.")] = 1.0,
    without: o.Without = None,
    only: o.Only = None,
    budget_memory: o.Budget = None,
    json: o.Json = True,
) -> None:
    """Answer: one JSON object a line for each instance, in order."""
    import json as js

    from factorgraph.errors import UsageError
    from factorgraph.pipeline import fits, load_run

    o.limit(budget_memory)
    if not 0 < beta < float("inf"):
        raise UsageError("--beta is a positive number")
    run = load_run(weights)
    fits(run, o.model(model, without=without))
    records = o.records(data, run.model, only)
    beliefs: Any = run.marginals(records, beta) if marginals else None
    lines = []
    for answer in run.predict(records):
        if beliefs is not None:
            answer["marginals"] = {name: b.tolist() for name, b in next(beliefs).items()}
        line = js.dumps(o.plain(answer), allow_nan=False)
        if output == "-":
            o.say(line)
        else:
            lines.append(line + "\n")
    if output != "-":
        o.write(output, "".join(lines), model, data)
