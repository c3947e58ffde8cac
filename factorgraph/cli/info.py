"""``fgc info``: what is in a model, and what it becomes with data."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from factorgraph.cli import options as o


def info(
    model: o.ModelPath,
    data: Annotated[str | None, typer.Argument(metavar="[DATA]", help="Data to ground it.")] = None,
    set_: o.Settings = None,
    without: o.Without = None,
    only: o.Only = None,
    budget_memory: o.Budget = None,
    json: o.Json = False,
) -> None:
    """Show roles, shapes and scopes; with data also the graph, its tables and memory."""
    from factorgraph.compiler.describe import model_as_dict, model_as_text

    o.limit(budget_memory)
    built = o.model(model, settings_=set_, without=without)
    graph = _graph(built, data, only) if data is not None else None
    if json:
        out = model_as_dict(built.checked)
        if graph is not None:
            out["graph"] = graph
        o.say_json(out)
        return
    o.say(model_as_text(built.checked))
    if graph is not None:
        from factorgraph.budget import human

        o.say("")
        o.say(f"{graph['instances']} instances, {graph['variables']} unknowns")
        for name, group in graph["factors"].items():
            o.say(
                f"  {name}: {group['rows']} rows of arity {group['arity']}, "
                f"{group['tables']} tables of {group['entries']} entries, "
                f"{human(group['bytes'])}"
            )
        o.say(f"inference: {graph['inference']}")


def _graph(built: Any, data: str, only: list[str] | None) -> dict[str, Any]:
    from factorgraph.data.bind import bind
    from factorgraph.engine.choose import choose
    from factorgraph.errors import InferenceError
    from factorgraph.ground.ground import ground

    instances = bind(built.checked, o.records(data, built, only))
    structure = ground(built.compiled, instances).structure
    try:
        reason = choose(structure).reason
    except InferenceError as error:
        reason = error.message
    return {
        "instances": structure.instances,
        "variables": structure.variables,
        "factors": {
            g.name: {
                "rows": len(g.table),
                "arity": len(g.cards),
                "tables": g.distinct,
                "entries": g.states,
                "bytes": 8 * g.size + g.scope.nbytes + g.table.nbytes,
            }
            for g in structure.groups
        },
        "inference": reason,
    }
