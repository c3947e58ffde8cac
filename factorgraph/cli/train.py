"""``fgc train``: weights from data, with its progress shown."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorgraph.cli import options as o
from factorgraph.errors import UsageError, some

if TYPE_CHECKING:
    from factorgraph.data.column import Records
    from factorgraph.learn.events import Finished
    from factorgraph.pipeline import Model


BOUND, GZIP = 8, 6
"""Bytes that a byte of text takes when it is bound and grounded, and that a packed one holds."""

HUGE = 1e8
"""A slope that no step of the optimiser is short enough for, most often."""


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
    binarize: o.Binarize = None,
    skip_infeasible: Annotated[
        bool, typer.Option("--skip-infeasible", help="Leave out answers that are forbidden.")
    ] = False,
    hide: Annotated[
        float, typer.Option(min=0.0, metavar="SHARE", help="Hide this share of the labels.")
    ] = 0.0,
    observed: Annotated[
        bool, typer.Option("--observed", help="Weights that no training answer reads stay at 0.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(min=0.0, help="Converged at this gradient norm, relative to weights.")
    ] = 1e-4,
    progress_: Annotated[
        float,
        typer.Option("--progress", min=0.0, help="Stop where ten iterations gain less than this."),
    ] = 1e-6,
    max_iterations: Annotated[int, typer.Option(min=0, help="Stop after so many.")] = 1000,
    optimizer: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="auto, lbfgs, owlqn, sgd, adam, adagrad, perceptron, frank-wolfe, cccp.",
        ),
    ] = "auto",
    batch: Annotated[int | None, typer.Option(min=1, help="Instances of a step.")] = None,
    epochs: Annotated[int, typer.Option(min=0, help="Passes of stochastic optimisers.")] = 20,
    rate: Annotated[float | None, typer.Option(help="Length of their first steps.")] = None,
    schedule: Annotated[
        str, typer.Option(metavar="NAME", help="How rates fall: constant, inverse, cosine.")
    ] = "constant",
    average: Annotated[
        bool | None, typer.Option("--average/--no-average", help="Hand over the mean weights.")
    ] = None,
    clip: Annotated[float | None, typer.Option(help="Most that a step's gradient may be.")] = None,
    gap: Annotated[
        float, typer.Option(min=0.0, help="Frank-Wolfe ends at this share of the objective.")
    ] = 1e-2,
    validate: Annotated[
        str | None, typer.Option(metavar="DATA", help="Keep the weights that are best on these.")
    ] = None,
    patience: Annotated[
        int, typer.Option(min=1, help="End after so many epochs that are not better.")
    ] = 3,
    shard: Annotated[int, typer.Option(min=1, help="Instances that are shuffled together.")] = 1
    << 14,
    threads: o.Threads = None,
    stream: Annotated[
        bool,
        typer.Option("--stream", help="Read the data anew in each epoch; they need not fit."),
    ] = False,
    budget_memory: o.Budget = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a run.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted training.")
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Keep the state so often.")
    ] = 30.0,
    start: Annotated[
        str | None, typer.Option(metavar="RUN", help="Begin with the weights of a run.")
    ] = None,
    dask: Annotated[
        str | None, typer.Option("--dask", metavar="ADDRESS", help="Compute on a Dask cluster.")
    ] = None,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Train even where the loss is judged UNSAFE or ERROR."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    json: o.Json = False,
) -> None:
    """Train a model on data and write a run folder."""
    o.limit(budget_memory)
    if resume and overwrite:
        raise UsageError(
            "--resume goes on with a training, --overwrite begins anew: say one of them",
            code="E0911",
        )
    built = o.model(model, loss=loss, settings_=set_, without=without)
    built.trainable()  # errors of the model come before the data are read
    judged = built.judged(unsafe)
    if judged.verdict in ("WEAK", "UNSAFE", "ERROR"):
        sys.stderr.write(
            f"warning: the loss is {judged.verdict}: {judged.reasons[0]}\n"
            "  hint: `fgc check` says more\n"
        )
    alone = not (observed or skip_infeasible or dask)
    stream = stream or (alone and _large(data, optimizer))
    if stream and data == "-":
        raise UsageError("the standard input cannot be read anew: --stream needs a file",
                         code="E0911")  # fmt: skip

    def blocks() -> Iterator[Records]:
        return o.stream(
            data, built, only, columns=columns, group=group, comments=comments, binarize=binarize
        )

    from factorgraph.data.column import Handed

    handed = Handed(blocks)
    unlabelled: list[str] | None = None
    if not stream:
        records = o.records(
            data, built, only, columns=columns, group=group, comments=comments, binarize=binarize
        )
        unlabelled = [name for name in built.checked.answers if not _labelled(records, name)]
        handed = Handed(records)  # nothing here holds the data while weights are trained
        del records
    held_out = None
    if validate is not None:
        held_out = o.records(
            validate, built, only, columns=columns, group=group, comments=comments,
            binarize=binarize,
        )  # fmt: skip
    from factorgraph.learn.diagnosis import Alarm
    from factorgraph.learn.events import Event, Skipped
    from factorgraph.learn.folder import CHECKPOINT, Log, attempt

    folder = Path(output)
    skipped: list[Skipped] = []
    alarms: list[Alarm] = []
    checkpoint = folder / CHECKPOINT
    with attempt(folder, overwrite, resume), _stop() as stop:
        if not resume:
            checkpoint.unlink(missing_ok=True)  # --overwrite gives it up
        with Log(folder, resume) as log, _listener(quiet or json) as show:

            def hear(event: Event) -> None:
                log(event)
                show(event)
                if isinstance(event, Skipped):
                    skipped.append(event)
                if isinstance(event, Alarm):
                    alarms.append(event)

            run = built.fit(
                handed,
                seed=seed,
                tolerance=tolerance,
                progress=progress_,
                max_iterations=max_iterations,
                threads=threads,
                observed=observed,
                hide=hide,
                with_=with_,
                skip_infeasible=skip_infeasible,
                on_event=hear,
                stop=stop,
                checkpoint=checkpoint,
                checkpoint_every=checkpoint_every,
                resume=resume,
                start=start,
                dask=dask,
                optimizer=optimizer,
                batch=batch,
                epochs=epochs,
                rate=rate,
                schedule=schedule,
                average=average,
                clip=clip,
                gap=gap,
                validate=held_out,
                patience=patience,
                shard=shard,
                unsafe=unsafe,
            )
        run.store(folder)
        ended = run.finished is not None and not run.finished.interrupted
        if ended:
            for file in folder.glob(f".{CHECKPOINT}-*"):  # killed while writing
                file.unlink(missing_ok=True)
            if run.finished is None or not run.finished.unfinished:
                checkpoint.unlink(missing_ok=True)
    assert run.finished is not None
    if json:
        o.say_json({"run": output, **run.finished.as_dict()})
    elif not quiet:
        o.say(f"run written to {output}")
    if checkpoint.is_file() and run.finished.interrupted:
        sys.stderr.write("interrupted: --resume goes on from here\n")
    elif checkpoint.is_file():
        more = "--epochs" if run.finished.status.startswith("stopped") else "--max-iterations"
        sys.stderr.write(f"--resume with more {more} goes on from here\n")
    if quiet or json:  # else they were shown as they came
        from factorgraph.cli.progress import warning

        for alarm in alarms:
            sys.stderr.write("\n".join(warning(alarm)) + "\n")
    for event in skipped:
        sys.stderr.write(
            f"left out {event.skipped} of {some(event.instances, 'instance')} with answers that "
            "hard factors forbid\n"
        )
    said = None
    if unlabelled is not None:
        begun = min(max_iterations, epochs) > 0
        said = _unlearned(built, unlabelled, run.finished if begun else None)
    if said is not None:
        sys.stderr.write(f"warning: {said[0]}\n  hint: {said[1]}\n")
    if stop():
        raise KeyboardInterrupt


def _large(path: str, optimizer: str) -> bool:
    """Return whether data would hardly fit into the budget, and the optimiser can do without."""
    from factorgraph import budget
    from factorgraph.learn.options import STOCHASTIC

    if optimizer not in ("auto", *STOCHASTIC) or not os.path.isfile(path):
        return False
    size = os.path.getsize(path) * (GZIP if path.endswith(".gz") else 1)
    return BOUND * size > budget.limit()


def _unlearned(
    built: Model, unlabelled: list[str], finished: Finished | None
) -> tuple[str, str] | None:
    """Return why nothing could be learned and what to do, None if something could.

    Parameters
    ----------
    unlabelled : answers for which the data have no labels.
    finished : how training ended, None where it was not to begin.
    """
    model = built.checked
    if not model.params and not model.maps:
        return (
            "the model has no params: there is nothing to train",
            "`fgc infer` and `fgc info` need no --weights for it",
        )
    assert built.loss is not None
    if unlabelled == list(model.answers) and any(p.region != "any" for p in built.loss.probes):
        names = " and ".join(f"`{name}`" for name in unlabelled)
        return (
            f"the data have no labels for {names}: there is nothing to learn from",
            "an answer is a field of its name; `null`, `_` and empty cells are no labels",
        )
    if finished is None or finished.iterations:
        return None
    if finished.norm is not None and finished.norm > HUGE:
        return (
            f"nothing was learned, the slope at the initial weights is {finished.norm:.1e}, and no "
            "step is short enough",
            "are some numbers of the data huge? Bring each field to a scale of about 1",
        )
    return (
        "nothing was learned, the initial weights are where the loss has a kink or no slope",
        "start elsewhere: `param U[…] = normal(0, 0.01)`",
    )


def _labelled(records: Records, name: str) -> bool:
    """Return whether a field, or a part of it, holds a value that is not missing."""
    columns = [c for n, c in records.columns.items() if n.partition(".")[0] == name]
    return any(len(c.values) and (c.missing is None or not c.missing.all()) for c in columns)


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
        sys.stderr.write("\nending after this iteration; Ctrl-C again stops at once\n")

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
