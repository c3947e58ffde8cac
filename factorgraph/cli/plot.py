"""``fgc plot``: a model, one instance of its data, or an inference as it went, as a picture."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factorgraph.cli import options as o
from factorgraph.errors import FgError, ModelErrors, NotBuiltError, UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.data.column import Records
    from factorgraph.pipeline import Model
    from factorgraph.syntax import tree as t


def plot(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A .fg file; - reads stdin. Or a .json of a result."),
    ],
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="Draw an instance of these data.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to: .svg, .png or .pdf; without it MODEL.svg in this folder.",
        ),
    ] = None,
    instance: Annotated[
        int | None, typer.Option("--instance", min=0, help="Which instance of the data; else 0.")
    ] = None,
    params: Annotated[bool, typer.Option("--params", help="Draw the weights too.")] = False,
    with_: o.With = None,
    columns: o.Columns = None,
    group: o.Group = None,
    set_: o.Settings = None,
    without: o.Without = None,
    only: o.Only = None,
    budget_memory: o.Budget = None,
    json: o.Json = False,
) -> None:
    """Draw a model with plates for its index sets; with data, the graph of one instance.

    Of a result, as fgc solve --json prints it, energy and bound are drawn over time.
    """
    o.limit(budget_memory)
    from factorgraph.interop.canvas import require, save, suffix

    stem = "model" if model == "-" else Path(model).stem
    target = output if output is not None else stem + ("" if data is None else "-data") + ".svg"
    suffix(target)
    require()
    o.keep_inputs(target, *([model] if data is None else [model, data]))
    title = "model" if model == "-" else Path(model).name
    if model.lower().endswith((".json", ".jsonl")):
        figure = _trace(model, title, data, instance or 0)
    elif data is None:
        if instance is not None:
            raise UsageError("--instance chooses among data: name their file too", code="E0911")
        figure = _plates(model, title, params, set_, without)
    else:
        if params:
            raise UsageError("--params is for the picture of a model, without data", code="E0911")
        built = o.model(model, settings_=set_, without=without)
        records = o.records(data, built, only, columns=columns, group=group)
        figure = _instance(built, records, title, instance or 0, with_)
    save(figure, target)
    if json:
        o.say_json({"picture": target})
    else:
        from factorgraph.source import visible

        o.say(visible(f"picture written to {target}"))


def _trace(path: str, title: str, data: str | None, instance: int) -> Figure:
    """Return the picture of an inference as it went."""
    from factorgraph.interop.traces import read_trace, trace_picture

    if data is not None:
        raise UsageError("a result is drawn without data", code="E0911")
    trace, status = read_trace(path, instance)
    return trace_picture(trace, title, status)


def _plates(
    path: str, title: str, params: bool, set_: list[str] | None, without: list[str] | None
) -> Figure:
    """Return the picture of a model. What cannot be computed yet can be drawn, and loss and
    inference are not read."""
    from factorgraph.interop.plates import plate_picture
    from factorgraph.interop.sketch import resized
    from factorgraph.model.check import check
    from factorgraph.syntax import tree as t

    file = _tree(path, without or [])
    settings = o.settings(set_)
    aside = t.LossChoice | t.LossDefinition | t.Infer
    energy = tuple(s for s in file.statements if not isinstance(s, aside))
    try:
        check(t.File(file.source, energy), settings)
    except FgError as error:
        _refuse([e for e in error.all if not isinstance(e, NotBuiltError)])
    return plate_picture(resized(file, settings), title, params=params)


def _tree(path: str, without: list[str]) -> t.File:
    """Return the tree of a text with the files that it uses written out."""
    from factorgraph.compiler.flatten import without as left_out
    from factorgraph.syntax.include import include
    from factorgraph.syntax.parser import parse, parse_all

    errors: list[FgError] = []

    def read(place: str, shown: str) -> t.File:
        file, found = parse_all(_decoded(Path(place).read_bytes(), shown), shown)
        errors.extend(found)
        return file

    if path == "-":
        text = _decoded(sys.stdin.buffer.read(), "stdin")
    else:
        try:
            text = _decoded(Path(path).read_bytes(), path)
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}", code="E0321") from None
    if without:
        text = left_out(parse(text, path), without)
    top, found = parse_all(text, path)
    included = include(top, None if path == "-" else path, read)
    _refuse([*found, *errors, *included.errors])
    return included.file


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start})", code="E0012") from None


def _refuse(errors: Sequence[FgError]) -> None:
    if errors:
        raise errors[0] if len(errors) == 1 else ModelErrors(errors)


def _instance(
    built: Model, records: Records, title: str, instance: int, with_: list[str] | None
) -> Figure:
    """Return the picture of the graph of one instance."""
    from factorgraph.data.bind import bind
    from factorgraph.ground.ground import ground
    from factorgraph.interop.unrolled import require_small, unrolled_picture

    instances = bind(built.checked, records, shared=built.shared(with_))
    require_small(instances, instance)
    own = instances.part(instance, instance + 1)
    grounding = ground(built.compiled, own)
    return unrolled_picture(grounding, f"{title}, instance {instance}", instances.variables)
