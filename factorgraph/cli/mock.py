"""``fgc mock``: random data that fit a model, one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from factorgraph.cli import options as o
from factorgraph.errors import some


def mock(
    model: o.ModelPath,
    count: Annotated[int, typer.Option("-n", min=1, help="Number of instances.")] = 10,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is stdout.")
    ] = "-",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same data.")] = 0,
    latents: Annotated[
        bool, typer.Option("--latents", help="Add values of latent unknowns as well.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=NUMBER", help="A constant, or any size."),
    ] = None,
    without: o.Without = None,
) -> None:
    """Make random data that fit a model's declarations, to try it on.

    Hard factors are met where random answers, or inference, can meet them.
    """
    import json
    import sys

    from factorgraph.pipeline import compile

    built = o.model(model, without=without)
    numbers = o.settings(set_)
    free = [n for n, s in built.checked.sizes.items() if s.value is None]
    sizes: dict[str, Any] = {n: v for n, v in numbers.items() if n in free}
    settings = {n: v for n, v in numbers.items() if n not in free}
    if settings:
        built = compile(built.tree.source.text, built.name, settings=settings)
    instances, forbidden = built.mock(count, seed, latents=latents, sizes=sizes)
    lines = [json.dumps(instance) for instance in instances]
    if output == "-":
        for line in lines:
            o.say(line)
    else:
        o.write(output, "\n".join(lines) + "\n", model)
    if forbidden:
        sys.stderr.write(
            f"warning: the hard factors forbid the answers of {forbidden} of "
            f"{some(count, 'instance')}; no others were found\n"
        )
