"""Recognised factors of a text as groups of kinds: rows, numbers, answers and gradients."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.factors.registry import kind_of
from factorgraph.factors.table import energy
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.weights import whole
from factorgraph.pipeline import Model

BITS = """
size   n
given  r[n] : real
given  w    : real
given  k    : int
given  b    : bit
answer y[n] : bit
param  q = 0.7, p[3]
factor bias[i in n] = r[i] * y[i]
"""
ITEMS: list[dict[str, Any]] = [
    {"r": [2.5, -2.0, 0.3], "w": 1.0, "k": 2, "b": 0, "y": [1, 0, 1]},
    {"r": [0.5, 3.0, 1.0, -2.0], "w": -1.0, "k": 1, "b": 1, "y": [1, 1, 1, 0]},
    {"r": [-0.5], "w": 2.0, "k": 0, "b": 1, "y": [0]},
]
COUNTS = [
    ("hard h : xor(y[i] for i in n) == b", "parity"),
    ("hard h : xor(y[i] for i in n) != b", "parity"),
    ("hard h : xor(y[i] for i in n) == k", "parity"),
    ("hard h : count(y[i] for i in n) == 1", "exactly_one"),
    ("hard h : 2 > count(y[i] for i in n)", "at_most_one"),
    ("hard h : count(not y[i] for i in n) <= 1", "at_most_one"),
    ("hard h : count(y[i] for i in n) > 0", "at_least_one"),
    ("hard h : count(y[i] for i in n) >= k", "cardinality"),
    ("hard h[j in n] : count(y[i] for i in j..n-1) < 2.5", "cardinality"),
    ("factor f = w * (count(y[i] for i in n) - k)^2", "cardinality"),
    ("factor f = q * abs(count(y[i] == 0 for i in n if i > 0) - 2)", "cardinality"),
    ("factor f[j in 0..1] = q * min(count(y[i] for i in n if i >= j), 2) * w", "cardinality"),
    ("factor f = if count(y[i] for i in n) > 2 then p[2] else p[k] * w", "cardinality"),
]


def text_of(head: str, factors: list[str]) -> str:
    """Return a text with some factors, each under a name of its own."""
    named = [re.sub(r"^(\w+ )(\w)", rf"\g<1>\g<2>{k}", factor) for k, factor in enumerate(factors)]
    return head + "\n".join(named)


def by_factor(batch: Batch, values: Any, states: Any) -> dict[str, float]:
    """Return the energy of each factor of a graph of one instance, over its groups."""
    out: dict[str, float] = {}
    for k, group in enumerate(batch.structure.kinds):
        own = batch.structure.numbers(values[0], k)
        each = kind_of(group.kind).energy(group, own, states)
        out[group.name] = out.get(group.name, 0.0) + float(each.sum())
    return out


def test_counts_over_as_many_as_there_are_become_kinds() -> None:
    model = fg.compile(text_of(BITS, [factor for factor, _ in COUNTS]))
    assert [k.kind for k in model.compiled.kinds] == [kind for _, kind in COUNTS]
    assert model.unanswered() is None
    run = model.init(3)
    run.weights = {n: np.round(w + 0.3, 3) for n, w in run.weights.items()}
    for item in ITEMS:
        every = [item | {"y": list(y)} for y in product(range(2), repeat=len(item["r"]))]
        wanted = run.energies(every)
        batch, weights = batch_of(model, [item])
        values = values_of(batch, weights)
        for i, one in enumerate(every):
            got = by_factor(batch, values, np.array(one["y"], np.int32))
            for name, each in got.items():
                assert each == pytest.approx(wanted[name][i]), (name, one)


def test_answers_of_a_text_with_a_parity_check_are_the_best() -> None:
    run = fg.compile(BITS + COUNTS[0][0]).init(0)
    found = run.predict([{k: v for k, v in item.items() if k != "y"} for item in ITEMS])
    for item, answer in zip(ITEMS, found, strict=True):
        every = product(range(2), repeat=len(item["r"]))
        wanted = run.energy([item | {"y": list(y)} for y in every]).min()
        assert answer["energy"] == pytest.approx(wanted)


def batch_of(model: Model, items: list[dict[str, Any]], kinds: bool = True) -> tuple[Batch, Any]:
    """Return the graph of some items and its weights."""
    run = model.init(3)
    weights = {name: np.round(value + 0.3, 3) for name, value in run.weights.items()}
    layout = whole(model.compiled, run.vocabularies)
    grounding = ground(model.compiled, run.bind(items), kinds=kinds)
    batch = Batch(model.compiled, load(model.compiled.text), grounding)
    return batch, layout.views(layout.pack(weights))


def values_of(batch: Batch, weights: Any) -> Any:
    values = np.empty((1, batch.structure.size))
    batch.energies(weights, values[0])
    return values


PAIRS = """
size   h, w
given  far[h] : real
given  seen[h, w] : bit
given  few    : int
answer x[h, w] : 0..4
param  lambda : positive = 5, tau = 3, c = 0.7
"""
FIELDS: list[dict[str, Any]] = [
    {"far": [1.5, 0.2, 2.0], "few": 2, "seen": [[1, 1]] * 3, "x": [[1, 2], [0, 4], [3, 3]]},
    {"far": [0.7], "few": 1, "seen": [[1] * 4], "x": [[4, 0, 2, 2]]},
]
SMOOTH = [
    "factor f[i in h, j in 1..w-1] = lambda * min((x[i,j] - x[i,j-1])^2, tau) * far[i]",
    "factor f[i in h, j in 1..w-1] = lambda * abs(x[i,j] - x[i,j-1])",
    "factor f[i in h, j in 1..w-1] = -c * min(2 * abs(x[i,j-1] - x[i,j]), far[i])",
    "factor f[i in 1..h-1, j in w] = if x[i,j] == x[i-1,j] then c else far[i] * tau",
    "hard f[i in h, j in 1..w-1] : x[i,j] != x[i,j-1] or far[i] > 1",
    "hard f[i in h, j in 1..w-1] : x[i,j] == x[i,j-1] or few > 1",
]


def test_pairs_are_the_same_with_tables_and_without() -> None:
    model = fg.compile(text_of(PAIRS, SMOOTH))
    made, weights = batch_of(model, FIELDS)
    plain, _ = batch_of(model, FIELDS, kinds=False)
    names = [factor.name for factor in made.structure.kinds]
    assert names == list(model.checked.factors) and not made.structure.groups
    assert not plain.structure.kinds
    rng = np.random.default_rng(0)
    values = values_of(made, weights), values_of(plain, weights)
    for _ in range(20):
        states = rng.integers(0, 5, made.structure.variables).astype(np.int32)
        np.testing.assert_allclose(
            energy(made.structure, values[0], states), energy(plain.structure, values[1], states)
        )
    best = [b.engine.minimum(v).value for b, v in zip((made, plain), values, strict=True)]
    np.testing.assert_allclose(*best)


def slopes(batch: Batch, weights: Any, cotangent: Any) -> Any:
    gradient = {name: np.zeros_like(value) for name, value in weights.items()}
    batch.add_gradient(weights, cotangent[0], gradient)
    return gradient


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (text_of(BITS, [COUNTS[k][0] for k in (10, 11, 12)]), ITEMS),
        (text_of(PAIRS, SMOOTH[:4]), FIELDS),
    ],
)
def test_gradients_through_kinds_are_differences(text: str, items: list[dict[str, Any]]) -> None:
    batch, weights = batch_of(fg.compile(text), items)
    values = values_of(batch, weights)
    soft = batch.engine.soft_minimum(values, 0.8)
    cotangent = np.zeros_like(values)
    soft.add_cotangents(np.ones_like(soft.value), cotangent)
    gradient = slopes(batch, weights, cotangent)
    for name, value in weights.items():
        for at in np.ndindex(value.shape):
            near = []
            for step in (1e-6, -1e-6):
                value[at] += step
                near.append(batch.engine.soft_minimum(values_of(batch, weights), 0.8).value.sum())
                value[at] -= step
            assert gradient[name][at] == pytest.approx((near[0] - near[1]) / 2e-6, abs=1e-6)


def test_answers_by_messages_make_no_tables_of_pairs() -> None:
    run = fg.compile(text_of(PAIRS, SMOOTH[:2])).init(0)
    items = [{k: v for k, v in item.items() if k != "x"} for item in FIELDS]
    grounded = [batch.structure for batch, _ in run.graphs(run.bind(items, answers=()), True)]
    assert all(structure.kinds and not structure.groups for structure in grounded)
    for exact, found in zip(run.predict(items), run.predict(items, infer="trws"), strict=True):
        assert found["bound"] <= exact["energy"] + 1e-9 <= found["energy"] + 2e-9
        assert found["energy"] == pytest.approx(exact["energy"])  # its graph is two chains


def test_a_variable_counts_once() -> None:
    model = fg.compile(BITS + "hard h : xor(y[i // 2] for i in n) == b")
    with pytest.raises(fg.DataError, match="same variable twice") as error:
        next(iter(model.init(0).predict(ITEMS)))
    assert error.value.code == "E0313"


def test_training_with_weights_in_a_kind_is_refused() -> None:
    model = fg.compile(BITS + "factor h = q * count(y[i] for i in n)^2\nloss nll")
    with pytest.raises(fg.NotBuiltError, match="training with factor `h`, which has no table"):
        model.fit(ITEMS)
