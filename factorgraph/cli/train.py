"""``fgc train``: weights from data, with its progress shown."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from factorgraph.cli import options as o


def train(
    model: o.ModelPath,
    data: o.DataPath,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="RUN", help="The run folder to write.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same weights.")] = 0,
    loss: o.Loss = None,
    set_: o.Settings = None,
    without: o.Without = None,
    only: o.Only = None,
    with_: o.With = None,
    columns: o.Columns = None,
    group: o.Group = None,
    comments: o.Comments = False,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Converged at this gradient norm, relative to weights.")
    ] = 1e-4,
    progress_: Annotated[
        float,
        typer.Option("--progress", min=0.0, help="Stop where ten iterations gain less than this."),
    ] = 1e-6,
    max_iterations: Annotated[int, typer.Option(min=0, help="Stop after so many.")] = 1000,
    threads: o.Threads = None,
    budget_memory: o.Budget = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: o.Json = False,
) -> None:
    """Train a model on data and write a run folder."""
    o.limit(budget_memory)
    built = o.model(model, loss=loss, settings_=set_, without=without)
    built.trainable()  # errors of the model come before the data are read
    records = o.records(data, built, only, columns=columns, group=group, comments=comments)
    from factorgraph.learn.events import Event
    from factorgraph.learn.folder import Log, prepare

    folder = Path(output)
    prepare(folder, overwrite)
    with Log(folder) as log, _listener(quiet or json) as show, _stop() as stop:

        def hear(event: Event) -> None:
            log(event)
            show(event)

        run = built.fit(
            records,
            seed=seed,
            tolerance=tolerance,
            progress=progress_,
            max_iterations=max_iterations,
            threads=threads,
            with_=with_,
            on_event=hear,
            stop=stop,
        )
    run.store(folder)
    assert run.finished is not None
    if json:
        o.say_json({"run": output, **run.finished.as_dict()})
    elif not quiet:
        o.say(f"run written to {output}")
    if run.finished.iterations == 0 and max_iterations:
        sys.stderr.write(
            "warning: nothing was learned, the initial weights are where the loss has a kink or "
            "no slope\n  hint: start elsewhere: `param U[…] = normal(0, 0.01)`\n"
        )
    if stop():
        raise KeyboardInterrupt


@contextmanager
def _listener(off: bool) -> Iterator[Any]:
    if off:
        from factorgraph.learn.events import silent

        yield silent
    else:
        from factorgraph.cli.progress import progress

        with progress() as show:
            yield show


@contextmanager
def _stop() -> Iterator[Any]:
    """Yield a question: are we to stop? Ctrl-C (or SIGTERM) ends cleanly, a second one at once."""
    pressed = False

    def press(number: int, frame: Any) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
