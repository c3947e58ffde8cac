"""Weights at which the energy is the same for every answer: where collapse would lead.

The last operations on every way from the answer are undone: params that multiply it or are
indexed by it become 0 (equal entries, where 0 is not allowed), the last layers of maps of it
become 0. What is left of each factor then shows whether the answer still matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan, log, nan

from factorgraph.judge.facts import Reason, Witness
from factorgraph.judge.interval import energy_range
from factorgraph.judge.simplify import Weights, simplified
from factorgraph.judge.terms import counts_answer, reads_answer
from factorgraph.model.expression import (
    Const,
    Expr,
    MapRead,
    ParamRead,
    UnknownRead,
    fixed_value,
    walk,
)
from factorgraph.model.model import MapLayer, Model, ParamDeclaration

FAR = 1e6
"""How far a weight is moved to see whether a flat energy falls without end."""
NEAR = 1e-9
"""What stands for 0 where a weight is positive and comes as near to 0 as one likes."""

CLOSE = 1e-6
"""How close to its least value an energy that nears it comes."""

Ties = dict[str, float]
"""By param, what all of its entries are (nan: equal, and 1 together); by map, its output."""


def witness(model: Model, lowest: float) -> Witness | None:
    """Return weights that make the energy constant in the answer, None where none were found.

    Parameters
    ----------
    lowest : the lower end of the energy's range.
    """
    every = _undone(model)
    if not every or not any(reads_answer(model, f.value) for f in model.factors.values()):
        return None
    if not is_flat(model, every):
        return None
    for name, declared in model.params.items():
        alone = every | {name: 1.0}  # equal entries, rather than none at all
        if declared.constraint == "positive" and is_flat(model, alone):
            if _level(model, every) != lowest or _level(model, alone) == lowest:
                every = alone
    bottom = _level(model, every) == lowest
    chosen = dict(every)
    for name in sorted(every, key=lambda n: _on_the_way(model, n)):
        fewer = {k: v for k, v in chosen.items() if k != name}
        if fewer and is_flat(model, fewer) and (not bottom or _level(model, fewer) == lowest):
            chosen = fewer
    level = _level(model, chosen)
    if not bottom:
        falling = _falling(model, chosen, every, lowest)
        if falling is not None:
            chosen, level = falling, lowest
    arrays: dict[str, float] = {}
    for name, value in chosen.items():
        arrays |= {name: value} if name in model.params else _arrays(model, name, value)
    return Witness(arrays, (_reason(model, chosen, level),), level)


def lowest_of_all(model: Model, known: Mapping[Expr, Expr] | None = None) -> float | None:
    """Return the energy where all weights are undone, None where it depends on the data.

    Parameters
    ----------
    known : what takes the place of reads.
    """
    every = _undone(model)
    return _level(model, every, known) if every else None


def _undone(model: Model) -> Ties:
    """Return what each param's entries, and each map's outputs, are tied to."""
    out: Ties = {}
    for name, declared in model.params.items():
        value = _rest(declared)
        if value is not None:
            out[name] = value
    return out | {name: at_rest(mapped.layer) for name, mapped in model.maps.items()}


def _rest(declared: ParamDeclaration) -> float | None:
    """Return what all entries of a param are set to; of positive ones 0 is a limit."""
    match declared.constraint:
        case "real":
            return 0.0
        case "positive":
            return NEAR
        case "interval":
            return min(max(0.0, declared.low), declared.high)
        case "simplex":
            count = declared.axes[-1].fixed
            return nan if count is None else 1.0 / count
    return None


def at_rest(layer: MapLayer) -> float:
    """Return a map's output where the weights of its last layer are 0."""
    if layer.sort == "chain":
        last = [one for one in layer.layers if one.sort != "pool"]
        return at_rest(last[-1]) if last else 0.0
    return {"sigmoid": 0.5, "softplus": log(2)}.get(layer.act if layer.sort == "conv" else "", 0.0)


def _arrays(model: Model, name: str, value: float) -> dict[str, float]:
    """Return what the weights of a map's last layer are, by the names of its arrays."""
    layer, prefix = model.maps[name].layer, name
    while layer.sort == "chain":
        at = max((k for k, one in enumerate(layer.layers) if one.sort != "pool"), default=0)
        layer, prefix = layer.layers[at], f"{prefix}.{at}"
    if layer.sort == "mlp":
        prefix += f".{len(layer.sizes) - 2}"
    bias = value if abs(value) >= FAR else 0.0
    return {f"{prefix}.{'K' if layer.sort == 'conv' else 'W'}": 0.0, f"{prefix}.b": bias}


def tied(model: Model, chosen: Mapping[str, float]) -> Weights:
    """Return weights by params and maps; 0 for what comes near to it."""
    there = {NEAR: 0.0}
    params = {n: 0.5 if isnan(v) else there.get(v, v)
              for n, v in chosen.items() if n in model.params}  # fmt: skip
    return Weights(params, {n: v for n, v in chosen.items() if n in model.maps})


def is_flat(model: Model, chosen: Mapping[str, float]) -> bool:
    """Return whether no soft factor reads the answer any more."""
    weights = tied(model, chosen)
    for factor in model.factors.values():
        if factor.hard:
            continue
        left = simplified(factor.value, weights)
        if reads_answer(model, left):
            return False
        if counts_answer(model, factor) and fixed_value(left) != 0:
            return False
    return True


def _level(
    model: Model, chosen: Mapping[str, float], known: Mapping[Expr, Expr] | None = None
) -> float | None:
    """Return the energy at weights where it is one number for all data, else None."""
    if any(map(isnan, chosen.values())):
        return None
    found = energy_range(model, tied(model, chosen), least=1, hard=False, known=known)
    return found.low if found.low == found.high else None


def _falling(model: Model, chosen: Ties, every: Ties, lowest: float) -> Ties | None:
    """Return a witness with one weight moved far, along which the flat energy comes to its least.

    It falls without end, or nears the lower end of its range, as a positive function does.
    """
    latents = {n for f in model.factors.values() for n in walk(f.value)
               if isinstance(n, UnknownRead) and n.name in model.latents}  # fmt: skip
    ones: dict[Expr, Expr] = {}
    for latent in latents:
        values = model.unknowns[latent.name].values
        if values is not None and values.domain is None and values.fixed is not None:
            ones[latent] = Const(latent.span, latent.kind, values.low + values.fixed - 1)
    known = ({}, ones) if ones else ({},)

    def reached(ties: Ties, name: str) -> bool:
        if not is_flat(model, ties):
            return False
        for read in known:
            there = _highest(model, ties, read)
            if lowest > -inf:
                if there <= lowest + CLOSE:
                    return True
                continue
            beyond = _highest(model, ties | {name: 2 * ties[name]}, read)
            if there < -1 and beyond < 1.5 * there:
                return True
        return False

    for start in (chosen, every):
        for name in dict.fromkeys([*chosen, *every]):
            for far in (FAR, -FAR):
                moved = {**start, name: far}
                if not _movable(model, name, far) or not reached(moved, name):
                    continue
                for other in every:
                    fewer = {k: v for k, v in moved.items() if k != other}
                    if other != name and reached(fewer, name):
                        moved = fewer
                return moved
    return None


def _movable(model: Model, name: str, far: float) -> bool:
    if name in model.params:
        return model.params[name].constraint == "real" or (
            model.params[name].constraint == "positive" and far > 0
        )
    layer = model.maps[name].layer
    while layer.sort == "chain":
        layer = layer.layers[-1]
    return layer.sort in ("linear", "mlp") or (layer.sort == "conv" and layer.act == "none")


def _highest(model: Model, chosen: Ties, known: Mapping[Expr, Expr]) -> float:
    weights = tied(model, chosen)
    return energy_range(model, weights, least=2, hard=False, known=known).high


def _on_the_way(model: Model, name: str) -> int:
    """Return how soon a weight is tried to be left free: those far from the answer first."""
    for factor in model.factors.values():
        for node in walk(factor.value):
            if isinstance(node, ParamRead | MapRead) and node.name == name:
                if reads_answer(model, node):
                    return 2
    return 1 if name in model.maps else 0


def _reason(model: Model, chosen: Ties, level: float | None) -> Reason:
    parts = []
    for name, value in chosen.items():
        if abs(value) >= FAR:
            way = "rises" if value > 0 else "falls"
            what = f"all of `{name}`" if name not in model.params or model.params[name].axes else (
                f"`{name}`"
            )  # fmt: skip
            parts.append(f"{what} {way}")
        elif name in model.maps:
            parts.append(f"the last layer of `{name}` is 0")
        elif value == NEAR:
            parts.append(f"`{name}` nears 0")
        elif model.params[name].axes and value != 0:
            parts.append(f"all of `{name}` is equal")
        else:
            parts.append(f"`{name}` is {value:g}")
    text = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1]
    end = "" if level is None else ", and falls without end" if level == -inf else f": {level:g}"
    first = next(iter(chosen))
    span = model.params[first].span if first in model.params else model.maps[first].span
    return Reason(f"where {text}, the energy is the same for every answer{end}", span)
