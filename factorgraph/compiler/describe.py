"""A model and its plan in words and in plain values."""

from __future__ import annotations

from typing import Any

from factorgraph.compiler.emit import extent
from factorgraph.compiler.module import Compiled, show_loss
from factorgraph.model.expression import show
from factorgraph.model.model import FactorDeclaration, IndexSet, Model


def _axes(axes: tuple[IndexSet, ...]) -> str:
    return f"[{', '.join(a.name for a in axes)}]" if axes else ""


def _states(values: IndexSet) -> int | None:
    return values.fixed


def binders(factor: FactorDeclaration) -> str:
    """Return a factor's binders as text."""
    parts = [
        f"{b.variable.name} in {show(b.low)}..{show(b.high)}" for b in factor.binders
    ]  # fmt: skip
    guard = f" if {show(factor.guard)}" if factor.guard is not None else ""
    return f"[{', '.join(parts)}{guard}]" if parts or guard else ""


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
                "type": g.values.name if g.values is not None else g.kind.sort,
            }
            for g in model.givens.values()
        },
        "unknowns": {
            u.name: {
                "role": u.role,
                "shape": [a.name for a in u.axes],
                "type": u.values.name,
                "states": _states(u.values),
            }
            for u in model.unknowns.values()
        },
        "params": {
            p.name: {
                "shape": [a.fixed if a.fixed is not None else a.name for a in p.axes],
                "initial": list(p.initial),
                "l1": p.l1,
                "l2": p.l2,
            }
            for p in model.params.values()
        },
        "factors": {
            f.name: {
                "hard": f.hard,
                "binders": binders(f),
                "scope": [show(r) for r in f.scope],
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
        kind = g.values.name if g.values is not None else g.kind.sort
        lines.append(("given", g.name + _axes(g.axes), kind))
    for u in model.unknowns.values():
        states = _states(u.values)
        count = "" if states is None else f", {states} states"
        lines.append((u.role, u.name + _axes(u.axes), u.values.name + count))
    for p in model.params.values():
        terms = [f"{n}({c:g})" for n, c in (("l1", p.l1), ("l2", p.l2)) if c]
        lines.append(("param", p.name + _axes(p.axes), " + ".join(terms) or "not regularised"))
    for f in model.factors.values():
        scope = ", ".join(show(r) for r in f.scope) or "no unknown"
        word = "hard" if f.hard else "factor"
        lines.append((word, f.name + binders(f), f"scope {scope}; {show(f.value)}"))
    width = [max((len(row[k]) for row in lines), default=0) for k in (0, 1)]
    return "\n".join(f"{a:<{width[0]}}  {b:<{width[1]}}  {c}" for a, b, c in lines)


def plan_as_dict(compiled: Compiled) -> dict[str, Any]:
    """Return how the model is computed, as plain values."""
    factors = {}
    for p in compiled.programs:
        factors[p.name] = {
            "table": [extent(s) for s in p.sets],
            "shared": p.shareable,
            "once": [show(s.value) for s in p.slots],
            "in_place": [b.name for b in p.bases],
            "loops_over_rows": len(p.spaces),
            "params": list(p.params),
        }
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


def plan_as_text(compiled: Compiled) -> str:
    """Return how the model is computed, in words."""
    lines = []
    for p in compiled.programs:
        table = " x ".join(extent(s) for s in p.sets) or "1"
        rows = "instances with equal slots share a table" if p.shareable else "a table for each row"
        if p.shareable and not p.slots:
            rows = "one table for all rows"
        lines.append(f"factor {p.name}{binders(p.factor)}: table of {table}, {rows}")
        for s in p.slots:
            lines.append(f"  once a row: {show(s.value)}")
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
    for name, axes in compiled.storage.items():
        if axes != tuple(range(len(axes))):
            lines.append(f"param {name}: stored with axes in the order {list(axes)}")
    if compiled.loss is not None:
        lines.append(f"loss {compiled.loss.name} = {show_loss(compiled.loss)}")
        for k, probe in enumerate(compiled.loss.probes):
            lines.append(f"  e{k} = {probe}")
    return "\n".join(lines)
