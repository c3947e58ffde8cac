"""Sums of picked rows: energies against the evaluator, gradients against differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.vocabulary import fill_features
from factorgraph.learn.objective import Objective
from factorgraph.learn.rows import RowTable, touched_rows
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import Model, Run, compile

HEAD = """
domain Tag = {A, B, C}
domain Feat
size n
given word[n] : text
answer y[n] : Tag
let f[t in n] = features(Feat, word[t-1], word[t], word[t+1], word[t] & word[t+1])
param U[Tag, Feat] ~ l2(0.3)
param A[Tag, Tag] ~ l2(0.2)
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
"""
TEXTS = {
    "dot": HEAD + "factor emit[t in n] = -dot(U[y[t]], f[t])\nloss nll\n",
    "inside a function": HEAD
    + "factor emit[t in n] = softplus(0.5 * dot(U[y[t]], f[t]))\nloss nll",
    "two factors": HEAD
    + """factor emit[t in n] = -dot(U[y[t]], f[t])
factor next[t in 1..n-1] = 0.5 * dot(U[y[t]], f[t-1])
loss nll
""",
    "also read directly": HEAD
    + """factor emit[t in n] = -dot(U[y[t]], f[t])
factor bias[t in n] = 0.1 * sum(U[y[t], i] ^ 2 for i in Feat)
loss nll
""",
    "of two labels": HEAD
    + """param V[Tag, Tag, Feat] ~ l2(0.4)
factor emit[t in n] = -dot(U[y[t]], f[t])
factor both[t in 1..n-1] = -dot(V[y[t-1], y[t]], f[t])
loss nll
""",
    "hashed": """
size n
given word[n] : text
answer y[n] : 0..2
param U[3, 16] ~ l2(0.3)
let f[t in n] = hash(16, word[t-1], word[t], word[t+1])
factor emit[t in n] = -dot(U[y[t]], f[t])
loss nll
""",
    "rows that share tables": """
size n
given a[n], b[n], c[n] : 0..1
answer y[n] : 0..2
param U[3, 2] ~ l2(0.3)
factor emit[t in n] = -(U[y[t], a[t]] + U[y[t], b[t]] + U[y[t], c[t]])
loss nll
""",
    "rows that are no runs": """
size n
given a[n], b[n], c[n] : 0..2
answer y[n] : 0..2
param U[3, 3] ~ l2(0.3)
factor emit[t in n] = -(U[y[t], a[t]] + U[y[t], b[t]] + U[y[t], c[t]])
factor turn[t in 1..n-1] = U[a[t], y[t]] - 0.3 * U[y[t-1], y[t]]
loss nll
""",
}


def records(name: str) -> list[dict[str, Any]]:
    random = np.random.default_rng(len(name))
    out: list[dict[str, Any]] = []
    for n in (4, 1, 3, 5, 2):
        item: dict[str, Any] = {"word": random.choice(["a", "b", "cc"], n).tolist()}
        for key in "abc":
            item[key] = random.integers(0, 2, n).tolist()
        labels = random.integers(0, 3, n)
        named = "domain Tag" in TEXTS[name]
        item["y"] = ["ABC"[k] for k in labels] if named else labels.tolist()
        out.append(item)
    return out


def bound(model: Model, name: str) -> Any:
    return fill_features(bind(model.checked, from_python(records(name))))


@pytest.fixture(params=TEXTS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_what_becomes_a_list(name: str) -> None:
    lists = [p.picks for p in compile(TEXTS[name]).compiled.programs]
    if name == "rows that are no runs":
        assert not any(lists)
    else:
        assert any(lists)


def test_tables_hold_the_energies_of_the_evaluator(name: str) -> None:
    model = compile(TEXTS[name])
    instances = bound(model, name)
    run = Run(model, model.init(3, records(name)).weights, instances.vocabularies)
    random = np.random.default_rng(0)
    run.weights = {k: random.normal(size=w.shape) for k, w in run.weights.items()}
    answers = list(run.predict(records(name)))
    decoded = [
        {**item, "y": found["answers"]["y"]}
        for item, found in zip(records(name), answers, strict=True)
    ]
    np.testing.assert_allclose([a["energy"] for a in answers], run.energy(decoded), atol=1e-12)


def test_gradient_against_differences(name: str) -> None:
    model = compile(TEXTS[name])
    module = load(model.compiled.text)
    with Crew(2) as crew:
        objective = Objective(model.compiled, module, bound(model, name), crew)
        x = np.random.default_rng(1).normal(0, 0.5, objective.layout.size)
        gradient = objective(x)[1].copy()
        for i in range(len(x)):
            step = np.zeros_like(x)
            step[i] = 1e-5
            slope = (objective(x + step)[0] - objective(x - step)[0]) / 2e-5
            assert abs(slope - gradient[i]) < 1e-6, (name, i)


def test_batches_give_the_same_gradient_alone(name: str) -> None:
    """Row by row, as mini-batches are worked on, and weight by weight, as the whole is."""
    model = compile(TEXTS[name])
    module = load(model.compiled.text)
    with Crew(1) as crew:
        objective = Objective(model.compiled, module, bound(model, name), crew)
        x = np.random.default_rng(1).normal(0, 0.5, objective.layout.size)
        together = np.zeros_like(x)
        value = objective.add_losses(x, together)
        parts = list(objective.worked(x))
    assert value == pytest.approx(sum(v for v, _ in parts), abs=1e-12)
    np.testing.assert_allclose(together, sum(g for _, g in parts), atol=1e-12)


def test_bits_do_not_depend_on_threads() -> None:
    model = compile(TEXTS["dot"])
    random = np.random.default_rng(0)
    words = [f"w{k}" for k in range(200)]
    data = []
    for _ in range(400):
        n = int(random.integers(1, 9))
        data.append({"word": random.choice(words, n).tolist(),
                     "y": random.choice(list("ABC"), n).tolist()})  # fmt: skip
    runs = [model.fit(data, max_iterations=8, threads=k) for k in (1, 2, 16)]
    for other in runs[1:]:
        for key, weights in runs[0].weights.items():
            assert weights.tobytes() == other.weights[key].tobytes(), key


def test_unseen_features_count_nothing() -> None:
    model = compile(TEXTS["dot"])
    run = model.fit(records("dot"), max_iterations=3)
    assert all(w.any() for w in run.weights.values())
    instances = run.bind([{"word": ["zz", "zz", "zz"]}], answers=False)
    grounding = ground(model.compiled, instances)
    ((_, start),) = grounding.bound[1].picks if grounding.bound[1].picks else ((0, [0]),)
    assert len(start) == 4 and start[2] - start[1] == 0  # the middle one has nothing known
    batch = Batch(model.compiled, load(model.compiled.text), grounding)
    assert batch.structure.variables == 3


def test_rows_that_each_instance_touches(name: str) -> None:
    """Steps on a few instances change just the weights whose slope is not 0."""
    model = compile(TEXTS[name])
    module = load(model.compiled.text)
    instances = bound(model, name)
    with Crew(1) as crew:
        objective = Objective(model.compiled, module, instances, crew)
    layout, (batch,) = objective.layout, objective.batches
    table = RowTable(model.compiled, layout)
    start, rows = touched_rows(table, batch.grounding)
    weights = layout.views(np.random.default_rng(2).normal(size=layout.size))
    for i in range(instances.count):
        cotangent = np.zeros((1, batch.structure.size))
        values = np.empty((1, batch.structure.size))
        batch.energies(weights, values[0])
        soft = batch.engine.soft_minimum(values, 1.0, span=(i, i + 1))
        soft.add_cotangents(np.ones((1, 1)), cotangent)
        slopes = np.zeros(layout.size)
        batch.add_gradient(weights, cotangent[0], layout.views(slopes))
        nonzero = np.unique(np.searchsorted(table.start, np.flatnonzero(slopes), "right") - 1)
        assert set(nonzero) <= set(rows[start[i] : start[i + 1]].tolist()), i


@pytest.mark.parametrize("optimizer", ["adagrad", "perceptron"])
def test_stochastic_optimisers_read_lists(optimizer: str) -> None:
    loss = "perceptron" if optimizer == "perceptron" else "nll"
    model = compile(TEXTS["dot"], loss=loss)
    run = model.fit(records("dot"), optimizer=optimizer, epochs=30)
    right = run.evaluate(records("dot")).overall
    assert right is not None and right > 0.8
