"""``fgc report``: a training as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from factorgraph.cli import options as o


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run folder of a training.")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Where to; without it RUN/report.html."
        ),
    ] = None,
    json: o.Json = False,
) -> None:
    """Write how a training went as one HTML page: what the loss did to energies, gaps, factors,
    alarms, and the most offending wrong answers. Nothing is fetched when it is opened."""
    from factorgraph.report.report import of_folder
    from factorgraph.source import visible

    found = of_folder(Path(run))
    target = str(Path(run) / "report.html") if output is None else output
    found.save(target)
    if json:
        o.say_json({"report": target})
    else:
        o.say(visible(f"report written to {target}"))
