"""``fgc convert``: a graph from one format into another."""

from __future__ import annotations

from typing import Annotated

import typer

from factorgraph.cli import options as o


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A graph: .uai, libDAI's .fg, .wcsp, .cfn, .alist, .qc, also .gz; - reads stdin.",
        ),
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="OUT",
            help=".uai, .wcsp, .cfn, .alist, also .gz; .fg writes a model text, and a .npz beside.",
        ),
    ],
    evid: Annotated[
        str | None,
        typer.Option("--evid", metavar="FILE", help="Evidence, which becomes hard factors."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="uai, libdai, wcsp, cfn, alist or qc."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NAME", help="uai, libdai, wcsp, cfn, alist or fg."),
    ] = None,
    scale: Annotated[
        float, typer.Option("--scale", metavar="C", help="Multiply all energies by C.")
    ] = 1.0,
    digits: Annotated[
        int | None,
        typer.Option("--digits", min=0, max=15, help="Decimals of energies that .wcsp keeps."),
    ] = None,
    budget_memory: o.Budget = None,
    json: o.Json = False,
) -> None:
    """Write a graph of another system in another format."""
    o.limit(budget_memory)
    from factorgraph.interop.formats.plain import fixed, scaled
    from factorgraph.interop.formats.read import read
    from factorgraph.interop.formats.write import write
    from factorgraph.source import visible

    o.keep_inputs(target, source, *([] if evid is None else [evid]))
    instance = read(source, evid, format=from_)
    files, notes = write(fixed(scaled(instance, scale)), target, format=to, digits=digits)
    if scale != 1:
        notes = (f"energies are {scale:g} times as large", *notes)
    structure = instance.structure
    factors = sum(len(group.table) for group in structure.groups)
    factors += sum(len(group.table) for group in structure.kinds)
    if json:
        o.say_json(
            {
                "files": list(files),
                "variables": instance.variables,
                "factors": factors,
                "notes": list(notes),
            }
        )
        return
    o.say(visible(f"{instance.variables} variables, {factors} factors: {' and '.join(files)}"))
    for note in notes:
        o.say(visible(f"  {note}"))
