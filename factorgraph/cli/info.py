"""``fgc info``: what is in a model, and what it becomes with data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from factorgraph.cli import options as o
from factorgraph.errors import some

if TYPE_CHECKING:
    from factorgraph.data.column import Records
    from factorgraph.pipeline import Model, Run


FEW = 1000
"""Instances that are looked at one by one where some have no configuration."""


def info(
    model: o.ModelPath,
    data: Annotated[str | None, typer.Argument(metavar="[DATA]", help="Data to ground it.")] = None,
    weights: Annotated[
        str | None,
        typer.Option("--weights", "-w", metavar="RUN", help="Weights; else the initial ones."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the initial weights.")] = 0,
    with_: o.With = None,
    columns: o.Columns = None,
    group: o.Group = None,
    comments: o.Comments = False,
    binarize: o.Binarize = None,
    set_: o.Settings = None,
    without: o.Without = None,
    only: o.Only = None,
    budget_memory: o.Budget = None,
    json: o.Json = False,
) -> None:
    """Show roles, shapes, scopes and kinds; with data also the graph, its tables, memory and the
    energy of the data's configurations by factor."""
    from factorgraph.compiler.describe import model_as_dict, model_as_text

    o.limit(budget_memory)
    built = o.model(model, settings_=set_, without=without)
    out = model_as_dict(built.checked)
    lines = [model_as_text(built.checked)]
    kinds = _kinds(built)
    out["kinds"] = kinds
    lines.append("")
    lines += [f"  {name}: {said}" for name, said in kinds.items()]
    if data is not None:
        records = o.records(
            data, built, only, columns=columns, group=group, comments=comments, binarize=binarize
        )
        run = _run(built, weights, seed, records, with_)
        graph = _graph(run, records, with_)
        energies = _energies(run, records, with_)
        out |= {"graph": graph, "energies": energies}
        lines += ["", *_graph_lines(graph), "", *_energy_lines(energies)]
    if json:
        o.say_json(out)
    else:
        o.say("\n".join(lines))


def _kinds(built: Model) -> dict[str, str]:
    """Return what each factor becomes."""
    from factorgraph.compiler.recognise import recognise

    compiled = built.compiled
    tables: dict[str, list[str]] = {}
    for program in compiled.programs:
        tables.setdefault(program.name, []).append(f"table, {program.tables}")
    kinds = {kind.name: kind.kind for kind in compiled.kinds}
    out = {}
    for name in built.checked.factors:
        if name in tables:
            out[name] = "; ".join(tables[name])
        elif name in kinds:
            out[name] = f"kind {kinds[name]}, no table"
        else:
            reason = compiled.evaluated[name].message.removesuffix(": not built yet")
            out[name] = f"evaluated at configurations (no table: {reason})"
        found = recognise(built.checked, built.checked.factors[name])
        if found is not None:
            out[name] = f"{found.says}; {out[name]}"
    return out


def _run(
    built: Model, weights: str | None, seed: int, records: Records, with_: list[str] | None
) -> Run:
    from factorgraph.pipeline import fits, load_run

    if weights is None:
        return built.init(seed, records, with_=with_)
    run = load_run(weights)
    fits(run, built)
    return run


def _graph(run: Run, records: Records, with_: list[str] | None) -> dict[str, Any]:
    import numpy as np

    from factorgraph.compiler.describe import piece_name
    from factorgraph.engine.choose import choose
    from factorgraph.errors import BudgetError, DataError, InferenceError, NotBuiltError
    from factorgraph.ground.ground import ground

    instances = run.bind(records, with_=with_)
    out: dict[str, Any] = {
        "instances": instances.count,
        "variables": int(instances.variables.sum()),
    }
    try:
        structure = ground(run.model.compiled, instances).structure
    except NotBuiltError as error:
        return out | {"factors": {}, "inference": error.message}
    except DataError as error:
        if error.code != "E0313":
            raise
        return out | {"factors": {}, "inference": f"none: {error.message}"}
    try:
        reason = choose(structure).reason
    except (BudgetError, InferenceError) as error:
        reason = f"not exact: {error.message}"
    if run.model.checked.asked:
        reason = " + ".join(asked.name for asked in run.model.checked.asked) + ", as the text asks"
    factors: dict[str, dict[str, int | str]] = {
        name: {
            "rows": len(g.table),
            "arity": len(g.cards),
            "tables": g.distinct,
            "entries": g.states,
            "bytes": 8 * g.size + g.scope.nbytes + g.table.nbytes,
        }
        for name, g in zip(
            map(piece_name, run.model.compiled.programs), structure.groups, strict=True
        )
    }
    for kind in structure.kinds:
        arity = np.diff(kind.start)
        name = kind.name
        while name in factors:
            name += "'"
        factors[name] = {
            "rows": len(kind.table),
            "arity": int(arity.max(initial=0)),
            "kind": kind.kind,
            "tables": kind.distinct,
            "entries": kind.width,
            "bytes": 8 * kind.size + kind.scope.nbytes + kind.start.nbytes + kind.table.nbytes,
        }
    return out | {"factors": factors, "inference": reason}


def _graph_lines(graph: dict[str, Any]) -> list[str]:
    from factorgraph.budget import human

    lines = [
        f"{some(graph['instances'], 'instance')}, {some(graph['variables'], 'finite unknown')}"
    ]
    for name, group in graph["factors"].items():
        held = f"{some(group['tables'], 'table')} of {some(group['entries'], 'entry')}"
        arity = f"of arity {group['arity']}"
        if "kind" in group:
            held = f"{group['kind']}, {some(group['tables'], 'row')} of {group['entries']} numbers"
            arity = f"of arity {group['arity']} at most"
        lines.append(
            f"  {name}: {some(group['rows'], 'row')} {arity}, {held}, {human(group['bytes'])}"
        )
    return [*lines, f"inference: {graph['inference']}"]


def _energies(run: Run, records: Records, with_: list[str] | None) -> dict[str, Any]:
    """Return the energies of the data's configurations by factor, or why there are none."""
    from factorgraph.errors import DataError, InferenceError, NotBuiltError

    try:
        return {n: v.tolist() for n, v in run.energies(records, with_=with_).items()}
    except (NotBuiltError, InferenceError) as error:
        return {"missing": f"the data leave unknowns open, and {error.message}"}
    except DataError as error:
        if error.code != "E0319":
            raise
        if records.count == 1 or records.count > FEW:
            return {"missing": error.message}
    each = [_energies(run, records.take([i]), with_) for i in range(records.count)]
    return {
        name: [None if "missing" in one else one[name][0] for one in each]
        for name in run.model.checked.factors
    }


def _energy_lines(energies: dict[str, Any]) -> list[str]:
    if "missing" in energies:
        return [f"energy: {energies['missing']}"]
    count = len(next(iter(energies.values()))) if energies else 0
    shown = min(count, 5)
    width = max([len(name) for name in energies] + [6])
    head = f"{'energy':<{width}}  " + "  ".join(f"{f'instance {i}':>12}" for i in range(shown))
    lines = [head + f"  {'sum':>12}"]
    totals: list[float | None] = [0.0] * count
    for name, values in energies.items():
        totals = [
            None if a is None or b is None else a + b for a, b in zip(totals, values, strict=True)
        ]
        lines.append(_energy_line(name, values, shown, width))
    lines.append(_energy_line("total", totals, shown, width))
    lines += [
        f"instance {i}: no configuration that agrees with the data has a finite energy"
        for i, total in enumerate(totals[:shown])
        if total is None
    ]
    return lines


def _energy_line(name: str, values: list[float | None], shown: int, width: int) -> str:
    every = sum(v for v in values if v is not None)
    numbers = "  ".join(f"{'-' if v is None else f'{v:.6g}':>12}" for v in [*values[:shown], every])
    return f"{name:<{width}}  {numbers}"
