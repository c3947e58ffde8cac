"""``fgc compile``: every stage can be printed."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from factorgraph.cli import options as o


class Stage(StrEnum):
    """What to print."""

    tree = "tree"
    model = "model"
    plan = "plan"
    loss = "loss"
    python = "python"


def compile_(
    model: o.ModelPath,
    emit: Annotated[Stage, typer.Option("--emit", help="Which stage to print.")] = Stage.python,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is stdout.")
    ] = "-",
    loss: o.Loss = None,
    set_: o.Settings = None,
    without: o.Without = None,
    json: o.Json = False,
) -> None:
    """Compile a model and print a stage of it."""
    from factorgraph.compiler.describe import (
        model_as_dict,
        model_as_text,
        plan_as_dict,
        plan_as_text,
    )
    from factorgraph.syntax.tree import show

    built = o.model(model, loss=loss, settings_=set_, without=without)
    value: Any
    match emit:
        case Stage.tree:
            value = text = show(built.tree)
        case Stage.model:
            value, text = model_as_dict(built.checked), model_as_text(built.checked)
        case Stage.plan:
            value, text = plan_as_dict(built.compiled), plan_as_text(built.compiled)
        case Stage.loss:
            from factorgraph.explain.plan import plan_as_dict as loss_as_dict
            from factorgraph.explain.plan import plan_as_text as loss_as_text

            facts = built.explanation().facts
            value, text = loss_as_dict(facts), loss_as_text(facts)
        case Stage.python:
            value = text = built.compiled.text
    if output == "-":
        if json:
            o.say_json({"stage": emit.value, "value": value})
        else:
            o.say(text.rstrip("\n"))
        return
    import json as js

    whole = js.dumps(value) if json else text
    o.write(output, whole.rstrip("\n") + "\n", model)
