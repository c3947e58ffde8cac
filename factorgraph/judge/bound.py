"""What data add to the facts about an energy: codes that they hold, labels that never change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factorgraph.data.instances import Instances
from factorgraph.judge.facts import EnergyFacts, Reason
from factorgraph.judge.flat import lowest_of_all
from factorgraph.judge.interval import energy_range
from factorgraph.judge.rigid import rigid
from factorgraph.model.expression import Const, Expr, GivenRead, UnknownRead, walk
from factorgraph.model.model import Model

LOOKED = 32
"""Instances whose own codes are looked at."""


def with_data(model: Model, facts: EnergyFacts, instances: Instances) -> EnergyFacts:
    """Return facts about an energy with what bound training data add."""
    reasons = dict(facts.reasons)
    distance = facts.code_distance
    if facts.fixed_codes and distance is None:
        distance = _distance(model, instances)
        if distance == 0:
            reasons["code_distance"] = (Reason("the data give two answers the same code"),)
    alike, label = facts.all_positive, None
    if not alike:
        label = _label(model, instances)
        alike = label is not None
    if label is not None:
        text = f"`{label}` is the same in all data, and weights that ignore them have least energy"
        reasons["all_positive"] = (Reason(text),)
    return replace(facts, code_distance=distance, all_positive=alike, reasons=reasons)


def _distance(model: Model, instances: Instances) -> float | None:
    """Return the least squared distance between codes over instances, None where unseen."""
    if instances.sparse:
        return None
    shared = all(column.shared for column in instances.givens.values())
    least: float | None = None
    for i in range(min(instances.count, 1 if shared else LOOKED)):

        def element(name: str, at: tuple[int, ...], i: int = i) -> float:
            return float(instances.givens[name].instance(i)[at])

        try:
            found = rigid(model, element).distance
        except (IndexError, ValueError):
            return None
        if found is None:
            return None
        least = found if least is None else min(least, found)
    return least


def _label(model: Model, instances: Instances) -> str | None:
    """Return a label that is the same in all data, where that lets the energy be least for all."""
    if instances.count < 2:
        return None
    read = {n for f in model.factors.values() for n in walk(f.value)
            if isinstance(n, UnknownRead | GivenRead)}  # fmt: skip
    for node in sorted(read, key=lambda n: n.name):
        value = _constant(model, instances, node)
        if value is None:
            continue
        known: dict[Expr, Expr] = {node: Const(node.span, node.kind, value)}
        lowest = energy_range(model, hard=False, known=dict(known)).low
        if lowest > -np.inf and lowest_of_all(model, dict(known)) == lowest:
            return node.name
    return None


def _constant(model: Model, instances: Instances, node: UnknownRead | GivenRead) -> int | None:
    """Return the one value that a finite scalar label has in all data, else None."""
    if isinstance(node, UnknownRead):
        unknown = model.unknowns[node.name]
        if unknown.role != "answer" or unknown.axes or unknown.values is None:
            return None
        states = instances.unknowns[node.name].state
        if unknown.values.domain is not None or (states < 0).any() or not len(states):
            return None
        low = unknown.values.low
    else:
        given = model.givens.get(node.name)
        if given is None or given.axes or given.kind.sort != "bit":
            return None
        states = instances.givens[node.name].values
        low = 0
    return int(states[0]) + low if len(states) and (states == states[0]).all() else None
