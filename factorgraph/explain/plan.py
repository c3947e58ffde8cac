"""The plan of a loss: what is looked at, by which inference, and how the slopes come together."""

from __future__ import annotations

import textwrap
from math import inf
from typing import Any

from factorgraph.compiler.emit_loss import loss_function
from factorgraph.compiler.formula import add, condition
from factorgraph.compiler.notation import Notation, text
from factorgraph.explain.facts import Facts, Look, shown
from factorgraph.explain.probes import factor_sum, region_name, runs


def plan_as_dict(facts: Facts) -> dict[str, Any]:
    """Return the plan as plain values; None for a model whose loss has none."""
    loss = facts.loss
    if loss is None:
        return {"loss": None}
    found = facts.as_dict()
    return {
        "loss": found["loss"],
        "formula": found["formula"],
        "probes": found["probes"],
        "shared": [list(group) for group in shared(facts)],
        "spaces": [
            {"number": k, "parent": s.parent, "rows": _rows(facts, k)}
            for k, s in enumerate(loss.spaces, 1)
        ],
        "slots": [{"space": s.space, "value": text(_slot(facts, k))}
                  for k, s in enumerate(loss.slots)],
        "costs": [_cost(facts, k) for k in range(len(loss.costs))],
        "source": loss_function(loss),
    }  # fmt: skip


def plan_as_text(facts: Facts) -> str:
    """Return the plan in words, with the emitted source of the loss."""
    loss = facts.loss
    if loss is None:
        return "no loss"
    lines = [f"loss {' '.join(loss.name.split())} = {text(shown(loss, loss.value))}"]
    for look in facts.looks:
        lines += _look(look, facts)
    for group in shared(facts):
        lines.append(f"{', '.join(group)} look at the same graph")
    for k in range(len(loss.costs)):
        lines.append(f"cost {k} = {_cost(facts, k)}: filled once")
    for k, _ in enumerate(loss.spaces, 1):
        lines.append(f"space {k}: rows {_rows(facts, k)}, laid out once")
    for k, slot in enumerate(loss.slots):
        at = "instance" if not slot.space else f"row of space {slot.space}"
        lines.append(f"slot {k} = {text(_slot(facts, k))}: read once for each {at}")
    lines += ["", *loss_function(loss)]
    return "\n".join(lines)


def _look(look: Look, facts: Facts) -> list[str]:
    probe, loss = look.probe, facts.loss
    assert loss is not None
    energy = "E" if probe.part is None else str(probe.part)
    if probe.scale != 1:
        energy = f"{probe.scale:g} {energy}"
    if probe.cost is not None:
        energy += f" with cost {probe.cost}"
    least = "min" if probe.beta == inf else f"soft minimum at beta = {probe.beta:g}"
    if probe.search is not None:
        least = f"the {probe.search.what} where cost times margin is greatest"
    rows = f", at the rows of space {probe.space}" if probe.space else ""
    slope = "0, a constant" if look.constant else text(shown(loss, look.slope))
    lines = [
        f"e{look.number}: {least} of {energy} in {text(region_name(probe))}{rows}",
        f"  slope {slope}, at {text(look.where)}",
    ]
    return lines + textwrap.wrap(look.how, 98, initial_indent="  ", subsequent_indent="  ")


def shared(facts: Facts) -> list[tuple[str, ...]]:
    """Return probes that use the same tables and engine, where more than one does."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for look in facts.looks:
        p = look.probe
        key = (p.cost, p.part, p.space, p.places if p.region == "only" else ())
        groups.setdefault(key, []).append(f"e{look.number}")
    return [tuple(names) for names in groups.values() if len(names) > 1]


def _cost(facts: Facts, number: int) -> str:
    assert facts.loss is not None
    parts = []
    for program in facts.loss.costs[number]:
        minus, part = factor_sum(program.factor)
        parts.append((minus, part))
    return text(add(parts))


def _rows(facts: Facts, number: int) -> str:
    assert facts.loss is not None
    s = facts.loss.spaces[number - 1]
    return text(runs(s.index.name, s.low, s.high, s.guard))


def _slot(facts: Facts, number: int) -> Notation:
    assert facts.loss is not None
    value = facts.loss.slots[number].value
    return shown(facts.loss, value) if value.kind.sort != "bit" else condition(value)
