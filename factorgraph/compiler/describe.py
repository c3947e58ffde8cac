"""A model and its plan in words and in plain values."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

from factorgraph.compiler.emit import extent
from factorgraph.compiler.emit_loss import show_loss
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Call, Place, Program
from factorgraph.errors import NotBuiltError
from factorgraph.model.expression import Expr, MapRead, Spelling, replaced, show, walk
from factorgraph.model.model import (
    FactorDeclaration,
    Given,
    IndexSet,
    MapDeclaration,
    MapLayer,
    Model,
    Unknown,
)
from factorgraph.source import squeezed

WIDE = 40
"""Characters of a column beyond which a line goes its own way."""


def _axes(axes: tuple[IndexSet, ...]) -> str:
    return f"[{', '.join(a.name for a in axes)}]" if axes else ""


def _states(unknown: Unknown) -> int | None:
    """Return how many values a variable has, None where the text does not tell."""
    count = 1
    for values in [f.values for f in unknown.fields] or [unknown.values]:
        if values is None or values.fixed is None or unknown.sequence is not None:
            return None
        count *= values.fixed
    return count


def type_name(slot: Given | Unknown) -> str:
    """Return the type of a slot as it is written."""
    if isinstance(slot, Unknown) and slot.sequence is not None:
        return f"{slot.sequence.sort} of ({', '.join(f.name for f in slot.fields)})"
    if slot.fields:
        inside = (f"{f.name}: {f.values.name if f.values else f.kind.sort}" for f in slot.fields)
        return f"({', '.join(inside)})"
    if slot.values is not None:
        return slot.values.name
    if isinstance(slot, Unknown) and (slot.low > -inf or slot.high < inf):
        return f"real({slot.low:g}, {slot.high:g})"
    return slot.kind.sort


def layer_text(layer: MapLayer) -> str:
    """Return a map's layer as it is written."""
    inside = [layer_text(x) for x in layer.layers] or [show(s) for s in layer.sizes]
    if layer.sort in ("mlp", "conv") and layer.act != ("relu" if layer.sort == "mlp" else "none"):
        inside.append(f"act = {layer.act}")
    if layer.pad != "none":
        inside.append(f"pad = {layer.pad}")
    return f"{layer.sort}({', '.join(inside)})"


def map_text(declared: MapDeclaration) -> str:
    """Return a map's layers and regularisers as they are written."""
    terms = [f"{n}({c:g})" for n, c in (("l1", declared.l1), ("l2", declared.l2)) if c]
    return layer_text(declared.layer) + (f" ~ {' + '.join(terms)}" if terms else "")


def written(factor: FactorDeclaration) -> str:
    """Return a factor's binders as they stand in the text."""
    return "" if factor.written is None else f"[{squeezed(factor.written.text).strip('[]')}]"


def binders(factor: FactorDeclaration) -> str:
    """Return what a factor's binders became."""
    parts = [
        f"{b.variable.name} in {show(b.low)}..{show(b.high)}" for b in factor.binders
    ]  # fmt: skip
    guard = f" if {show(factor.guard)}" if factor.guard is not None else ""
    return f"[{', '.join(parts)}{guard}]" if parts or guard else ""


def scope(factor: FactorDeclaration) -> list[str]:
    """Return the unknowns that a factor is about, as text."""
    whole = dict.fromkeys(n.name for n in walk(factor.value) if isinstance(n, Spelling))
    return [show(r) for r in factor.scope] + list(whole)


def model_as_dict(model: Model) -> dict[str, Any]:
    """Return what is declared, as plain values."""
    return {
        "domains": {
            d.name: {"values": list(d.values)}
            if d.values is not None
            else {"low": d.low, "high": d.high}
            if d.is_range
            else {"from": "training data"}
            for d in model.domains.values()
        },
        "sizes": {s.name: s.value for s in model.sizes.values()},
        "constants": model.constants,
        "givens": {
            g.name: {
                "shape": [a.name for a in g.axes],
                "type": type_name(g),
            }
            for g in model.givens.values()
        },
        "unknowns": {
            u.name: {
                "role": u.role,
                "shape": [a.name for a in u.axes],
                "type": type_name(u),
                "states": _states(u),
            }
            for u in model.unknowns.values()
        },
        "params": {
            p.name: {
                "shape": [a.fixed if a.fixed is not None else a.name for a in p.axes],
                "initial": list(p.initial),
                "constraint": p.constraint,
                "l1": p.l1,
                "l2": p.l2,
            }
            for p in model.params.values()
        },
        "maps": {m.name: map_text(m) for m in model.maps.values()},
        "factors": {
            f.name: {
                "hard": f.hard,
                "binders": written(f),
                "scope": scope(f),
                "energy": show(f.value),
            }
            for f in model.factors.values()
        },
    }


def model_as_text(model: Model) -> str:
    """Return what is declared, a line each."""
    lines = []
    for d in model.domains.values():
        if d.is_range:
            values = f"{d.low}..{d.high}"
        else:
            values = "from the training data" if d.values is None else ", ".join(d.values)
        lines.append(("domain", d.name, values))
    for s in model.sizes.values():
        lines.append(("size", s.name, "of each instance" if s.value is None else str(s.value)))
    for name, value in model.constants.items():
        lines.append(("constant", name, f"{value}"))
    for g in model.givens.values():
        lines.append(("given", g.name + _axes(g.axes), type_name(g)))
    for u in model.unknowns.values():
        states = _states(u)
        count = "" if states is None else f", {states} states"
        lines.append((u.role, u.name + _axes(u.axes), type_name(u) + count))
    for p in model.params.values():
        terms = [f"{n}({c:g})" for n, c in (("l1", p.l1), ("l2", p.l2)) if c]
        held = "" if p.constraint == "real" else f"{p.constraint}; "
        said = " + ".join(terms) or "not regularised"
        lines.append(("param", p.name + _axes(p.axes), held + said))
    for m in model.maps.values():
        lines.append(("map", m.name, map_text(m)))
    for f in model.factors.values():
        named = ", ".join(scope(f)) or "no unknown"
        word = "hard" if f.hard else "factor"
        lines.append((word, f.name + written(f), f"scope {named}; {show(f.value)}"))
    width = [max((len(row[k]) for row in lines if len(row[k]) <= WIDE), default=0) for k in (0, 1)]
    return "\n".join(f"{a:<{width[0]}}  {b:<{width[1]}}  {c}" for a, b, c in lines)


def _reason(error: NotBuiltError) -> str:
    return error.message.removesuffix(": not built yet")


def _said(e: Expr) -> str:
    if isinstance(e, Place):
        return f"where {_called(e)} lies"
    return show(e)


def _called(e: Place) -> str:
    """Return the call that a place lies in, with the values of its keys."""
    read: Expr = e.call.read
    for key, value in zip(e.call.keys, e.arguments, strict=False):
        read = replaced(read, key, value)
    assert isinstance(read, MapRead)
    return show(replace(read, indices=e.arguments[len(e.call.keys) :]))


def _call(call: Call) -> str:
    return f"map {call.definition.text}"


def _each(call: Call) -> str:
    keys = [v.name for v in call.definition.keys]
    if not keys:
        return "instance" if call.definition.of_instance else "pass"
    return ", ".join(keys) + (" of an instance" if call.definition.of_instance else "")


def piece_name(program: Program) -> str:
    """Return a factor's name, with the number of its piece where data choose among several."""
    return f"{program.name} ({program.piece + 1})" if program.piece else program.name


def plan_as_dict(compiled: Compiled) -> dict[str, Any]:
    """Return how the model is computed, as plain values."""
    factors: dict[str, Any] = {}
    for p in compiled.programs:
        factors[piece_name(p)] = {
            "table": [extent(s) for s in p.sets],
            "shared": p.shareable,
            "once": [_said(s.value) for s in p.slots],
            "once_a_state": [_said(d.slot.value) for d in p.tabled],
            "in_place": [b.name for b in p.bases],
            "loops_over_rows": len(p.spaces),
            "params": list(p.params),
            "maps": [_call(c) for c in p.calls],
        }
    for kind in compiled.kinds:
        params = [] if kind.numbers is None else list(kind.numbers.params)
        told = {"table": None, "kind": kind.kind, "params": params} if kind.needed else {}
        factors[kind.name] = factors.get(kind.name, {}) | {"kind": kind.kind} | told
    for name, error in compiled.evaluated.items():
        factors[name] = {"table": None, "reason": _reason(error)}
    out: dict[str, Any] = {
        "storage": {n: list(axes) for n, axes in compiled.storage.items()},
        "factors": factors,
    }
    if compiled.loss is not None:
        out["loss"] = {
            "name": compiled.loss.name,
            "formula": show_loss(compiled.loss),
            "probes": {f"e{k}": str(p) for k, p in enumerate(compiled.loss.probes)},
        }
    return out


def _extent(values: IndexSet) -> str:
    points = values.name[:1].isdigit()  # of a grid, and the observed value
    return f"(points of {values.name[1:]})" if points else extent(values)


def plan_as_text(compiled: Compiled) -> str:
    """Return how the model is computed, in words."""
    lines = []
    for p in compiled.programs:
        table = " x ".join(_extent(s) for s in p.sets) or "1"
        lines.append(f"factor {piece_name(p)}{binders(p.factor)}: table of {table}, {p.tables}")
        for picks in p.picks:
            lines.append(f"  once a row: a list of {len(picks.slots)} places in {picks.param}")
        for k, s in enumerate(p.slots):
            if k not in p.picked:
                lines.append(f"  once a row: {_said(s.value)}")
        for d in p.tabled:
            lines.append(f"  once a row and state: {_said(d.slot.value)}")
        for b in p.bases:
            lines.append(f"  read in place: {b.name}")
        for k, space in enumerate(p.spaces, start=1):
            guard = f" if {show(space.guard)}" if space.guard is not None else ""
            lines.append(
                f"  ragged loop {k}: {space.index.name} in "
                f"{show(space.low)}..{show(space.high)}{guard}"
            )
        if p.params:
            lines.append(f"  at each step from: {', '.join(p.params)}")
    for call in compiled.calls:
        lines.append(f"{_call(call)}: once for each {_each(call)}")
        if call.program is not None and call.program.params:
            lines.append(f"  its input at each step from: {', '.join(call.program.params)}")
    for kind in compiled.kinds:
        if kind.needed:
            lines.append(f"factor {kind.name}{binders(kind.factor)}: kind {kind.kind}, no table")
            if kind.numbers is not None and kind.numbers.params:
                lines.append(f"  at each step from: {', '.join(kind.numbers.params)}")
        else:
            lines.append(f"factor {kind.name}: of kind {kind.kind} where inference needs no table")
    for name, error in compiled.evaluated.items():
        lines.append(f"factor {name}: evaluated at configurations ({_reason(error)})")
    for name, axes in compiled.storage.items():
        if axes != tuple(range(len(axes))):
            lines.append(f"param {name}: stored with axes in the order {list(axes)}")
    if compiled.loss is not None:
        lines.append(f"loss {compiled.loss.name} = {show_loss(compiled.loss)}")
        for k, probe in enumerate(compiled.loss.probes):
            cost = "" if probe.cost is None else f", cost {probe.cost}"
            lines.append(f"  e{k} = {probe}{cost}")
        for k, programs in enumerate(compiled.loss.costs):
            for p in programs:
                lines.append(f"  cost {k}{binders(p.factor)}: {show(p.factor.value)}, {p.tables}")
    return "\n".join(lines)
