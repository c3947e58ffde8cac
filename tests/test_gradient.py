"""Objectives and their gradients against enumeration with the slow evaluator."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import exp, inf, log
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import DataError
from factorgraph.ground import weights as weights_module
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
CASES = {case.name: case for case in slow.CASES}


class Energies:
    """The energies of one instance's configurations: those of the answer, all, and the wrong."""

    def __init__(self, answer: list[float], every: list[float], wrong: list[float]) -> None:
        self.answer, self.all, self.wrong = answer, every, wrong

    @property
    def gap(self) -> float:
        return min(self.answer) - min(self.wrong, default=inf)


def free(energies: list[float], beta: float = 1.0) -> float:
    least = min(energies)
    return least - log(sum(exp(-beta * (e - least)) for e in energies)) / beta


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -500 else 0.0


def softplus(x: float) -> float:
    return log(1 + exp(x)) if x < 30 else x


def hinge(s: Energies, m: float = 1.0) -> float:
    return max(0.0, m + s.gap)


def nll(s: Energies) -> float:
    return free(s.answer) - free(s.all)


MINE = "loss mine(a = 2) = softplus(a * (E(answer) - free(any, 0.5)))"
LOSSES: dict[str, Callable[[Energies], float]] = {
    "energy": lambda s: min(s.answer),
    "perceptron": lambda s: min(s.answer) - min(s.all),
    "hinge": hinge,
    "logistic": lambda s: softplus(s.gap),
    "lvq2(m = 2)": lambda s: min(2.0, max(0.0, s.gap)),
    "mce": lambda s: sigmoid(s.gap),
    "square_square": lambda s: min(s.answer) ** 2 + max(0.0, 1 - min(s.wrong, default=inf)) ** 2,
    "square_exp(0.5)": lambda s: min(s.answer) ** 2 + 0.5 * exp(-min(s.wrong, default=inf)),
    "nll": nll,
    "nll(beta = 0.4)": lambda s: free(s.answer, 0.4) - free(s.all, 0.4),
    "mee": lambda s: 1 - sum(exp(-e) for e in s.answer) / sum(exp(-e) for e in s.all),
    "likelihood": lambda s: free(s.answer),
    "0.5 * nll + 0.1 * hinge(m = 2)": lambda s: 0.5 * nll(s) + 0.1 * hinge(s, 2),
    "mine(a = 1.5)": lambda s: softplus(1.5 * (min(s.answer) - free(s.all, 0.5))),
    "max(E(any), 0.3 * E(answer)) - min(free(any, 2), 1) / (2 + abs(E(answer)))": lambda s: (
        max(min(s.all), 0.3 * min(s.answer)) - min(free(s.all, 2), 1) / (2 + abs(min(s.answer)))
    ),
}


def hide(value: Any, rng: Any) -> Any:
    if isinstance(value, list):
        return [hide(v, rng) for v in value]
    return None if rng.random() < 0.3 else value


def leaves(value: Any) -> list[Any]:
    return [x for v in value for x in leaves(v)] if isinstance(value, list) else [value]


class Trial:
    """A case with partly observed answers, instance weights and random params."""

    def __init__(self, name: str) -> None:
        case = CASES[name]
        rng = np.random.default_rng(len(name))
        labels = slow.labels(case)
        self.slow = slow.Slow(case.text, labels)
        data: list[dict[str, Any]] = slow.instances(case, rng, 7)
        for i, instance in enumerate(data):
            instance["weight"] = float(rng.choice([0.5, 1.0, 2.0])) if i else 0.0
            if i % 2:
                for answer in self.slow.unknowns("answer"):
                    instance[answer] = hide(instance[answer], rng)
        if name == "logic":
            data = [d for d in data if feasible(self.slow, d)]
        self.data = copy.deepcopy(data)
        model = compile(case.text + MINE)
        self.compiled = model.compiled
        self.instances = bind(model.checked, from_python(data), labels)
        self.module = load(self.compiled.text)
        objective = self.objective("energy")
        axes = {p: self.slow.instance(data[-1], {}).axes(p) for p in self.slow.params}
        start = {p: case.scale * rng.normal(size=[a.count for a in x]) for p, x in axes.items()}
        self.flat = objective.layout.pack(start)
        # what the data do not touch rests where the regulariser's minimum is
        weights = objective.layout.unpack(self.flat, start)
        self.weights = {p: w.tolist() for p, w in weights.items()}
        self.energies = [self.enumerate(d) for d in data]

    def objective(self, loss: str) -> Objective:
        program, function = planned(loss)
        compiled = replace(self.compiled, loss=program)
        module: Any = SimpleNamespace(**(vars(self.module) | {"loss": function}))
        return Objective(compiled, module, self.instances, Crew(1))

    def enumerate(self, data: dict[str, Any]) -> Energies:
        world = self.slow.instance(data, self.weights)
        answers = self.slow.unknowns("answer")
        known = [x for a in answers for x in leaves(data[a])]
        found = Energies([], [], [])
        for configuration, _ in world.configurations({}):
            energy = world.energy(configuration)
            values = [x for a in answers for x in leaves(configuration[a])]
            right = all(k is None or k == v for k, v in zip(known, values, strict=True))
            found.all.append(energy)
            (found.answer if right else found.wrong).append(energy)
        return found


def feasible(text: Any, data: dict[str, Any]) -> bool:
    world = text.instance(data, {"W": [0.0] * 4})
    fixed = {a: data[a] for a in text.unknowns("answer")}
    return any(world.energy(c) < inf for c, _ in world.configurations(fixed))


@cache
def planned(loss: str) -> tuple[Any, Any]:
    """Return the plan of a loss and its emitted function: neither depends on the model."""
    model = compile(f"answer y : bit {MINE}", loss=loss)
    return model.loss, load(model.compiled.text).loss


@cache
def trial(name: str) -> Trial:
    return Trial(name)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    found = trial(name)
    assert len(found.data) >= 3
    rng = np.random.default_rng(5)
    for loss, formula in LOSSES.items():
        objective = found.objective(loss)
        value, gradient = objective(found.flat)
        gradient = gradient.copy()
        truth = found.slow.penalty(found.weights)
        for data, energies in zip(found.data, found.energies, strict=True):
            truth += data["weight"] * formula(energies)
        assert value == pytest.approx(truth, rel=1e-9, abs=1e-9), loss
        directions = list(rng.normal(size=(2, len(found.flat))))
        if loss in ("nll", "mine(a = 1.5)"):
            directions = list(np.eye(len(found.flat)))
        for d in directions:
            h = 1e-6 / np.linalg.norm(d)
            slope = (objective(found.flat + h * d)[0] - objective(found.flat - h * d)[0]) / (2 * h)
            bound = 1e-7 * (1 + abs(value)) / h * 1e-6 * 10
            assert gradient @ d == pytest.approx(slope, rel=1e-5, abs=max(bound, 1e-7)), loss


def test_weights_of_instances_count() -> None:
    """An instance of weight 2 is two instances; one of weight 0 is none."""
    text = """
    size n given x[n] : real answer y[n] : bit param w, v loss nll
    factor f[t in n] = w * x[t] * y[t] factor g[t in 1..n-1] = v * y[t] * y[t-1]
    """
    model = compile(text)
    one, two, three = (
        {"x": x, "y": y}
        for x, y in [([0.3, -1.0], [1, 0]), ([2.0], [1]), ([0.1, 0.2, 0.3], [0, 0, 0])]
    )
    weighed = [one | {"weight": 2}, two | {"weight": 1}, three | {"weight": 0}]
    flat = np.array([0.4, -0.7])
    found = [value_and_gradient(model, data, flat) for data in (weighed, [one, one, two])]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


def value_and_gradient(
    model: Any, data: Any, flat: Any, threads: int = 1
) -> tuple[float, np.ndarray[Any, Any]]:
    with Crew(threads) as crew:
        instances = bind(model.checked, from_python(data))
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        value, gradient = objective(flat)
        return value, gradient.copy()


def chain_data(rng: Any, count: int) -> list[dict[str, Any]]:
    out = []
    for _ in range(count):
        n = int(rng.integers(1, 9))
        out.append(
            {"x": rng.normal(size=(n, 2)).tolist(), "y": slow.words(rng, ["A", "B", "C"], n)}
        )
    return out


@pytest.mark.parametrize("loss", ["nll", "hinge"])
def test_threads_do_not_matter(loss: str) -> None:
    rng = np.random.default_rng(3)
    model = compile(CASES["chain"].text, loss=loss)
    data = chain_data(rng, 400)
    flat = rng.normal(size=6 + 9)
    instances = bind(model.checked, from_python(data))
    module = load(model.compiled.text)
    assert len(Objective(model.compiled, module, instances, Crew(1)).batches) >= 4
    found = [value_and_gradient(model, data, flat, threads) for threads in (1, 2, 16)]
    for value, gradient in found[1:]:
        assert value == found[0][0]
        np.testing.assert_array_equal(gradient, found[0][1])


HASHED = """
domain Tag = {A, B}
size   n
given  word[n] : 0..999
answer y[n] : Tag
param  U[Tag, 1000] = normal(0, 0.5) ~ l2(0.3), B[1000] = 0.25, M[Tag, Tag] ~ l2(0.1)
factor emit[t in n]      = -U[y[t], word[t]]
factor move[t in 1..n-1] = -M[y[t-1], y[t]] + B[word[t]] * (y[t] == y[t-1])
loss   nll
"""


def test_compaction(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    columns = [3, 17, 500, 998, 999]
    data = []
    for k in range(40):
        chosen = [columns[i] for i in rng.integers(0, 5, 4)]
        data.append({"word": chosen, "y": slow.words(rng, ["A", "B"], 4)})
        if k == 0:
            data[0]["word"][:] = [3, 3, 17, 500]
    model = compile(HASHED)
    options: Any = {"tolerance": 1e-9, "progress": 0.0, "seed": 4, "max_iterations": 200}
    small = model.fit(data, **options)
    monkeypatch.setattr(weights_module, "axes_by_data", lambda compiled: set())
    large = model.fit(data, **options)
    start = model.init(seed=4).weights
    touched = np.isin(np.arange(1000), [w for d in data for w in d["word"]])
    assert 0 < touched.sum() <= 5
    for name, axis in (("U", 1), ("B", 0)):
        kept = np.compress(touched, small.weights[name], axis)
        np.testing.assert_allclose(kept, np.compress(touched, large.weights[name], axis), atol=1e-5)
        assert np.abs(kept - np.compress(touched, start[name], axis)).max() > 0.01
    np.testing.assert_allclose(small.weights["M"], large.weights["M"], atol=1e-5)
    assert not np.compress(~touched, small.weights["U"], 1).any()  # where l2 has its minimum
    np.testing.assert_array_equal(small.weights["B"][~touched], 0.25)
    np.testing.assert_array_equal(large.weights["B"][~touched], 0.25)


def test_every_weight_is_kept_where_states_index() -> None:
    """A weight that no answer of the data has is still pushed by the others' states."""
    text = "answer y : 0..3 param w[4] factor f = w[y] loss nll"
    value, gradient = value_and_gradient(compile(text), [{"y": 2}] * 3, np.zeros(4))
    assert value == pytest.approx(3 * log(4))
    np.testing.assert_allclose(gradient, [-0.75, -0.75, 2.25, -0.75])


def test_impossible_answer() -> None:
    model = compile("size n answer y[n] : bit param w factor f[t in n] = w * y[t] "
                    "hard no[t in n] : y[t] == 0 or t == 0 loss nll")  # fmt: skip
    with pytest.raises(DataError, match=r"instance 1: .*`no` forbids it") as caught:
        value_and_gradient(model, [{"y": [1, 0]}, {"y": [0, 1]}], np.zeros(1))
    assert caught.value.code == "E0318"


KINKS = """
domain L = {a, b} size n, k = 3
given x[n, k] : real given m[n] : 0..3 answer y[n] : L
param U[L, k] = normal(0, 1), V[k] = normal(0, 1), W[L] = normal(0, 1)
factor f[t in n] = 0.7 * max(U[y[t], j] * x[t, j] for j in k) * min(V[j] + x[t, j] for j in k)
factor g[t in n] = max(sum(U[y[t], j] * x[s, j] for j in k) for s in n if s <= t)
factor h[t in 1..n-1] = exp(min(max(V[i] * x[t, j] for j in k) + W[y[t-1]] for i in k))
factor e[t in n] = max(W[y[t]] * i for i in m[t]) * (m[t] > 0) - norm(U) * min(U)
loss nll
"""


def test_gradients_of_minima_and_maxima() -> None:
    """Of loops over weights: that of the first that attains them, nested ones too."""
    model = compile(
        KINKS.replace(
            "max(W[y[t]] * i for i in m[t]) * (m[t] > 0)",
            "(if m[t] > 0 then max(W[y[t]] * i for i in m[t]) else 0)",
        )
    )
    rng = np.random.default_rng(4)
    data = [
        {"x": rng.normal(size=(n, 3)).tolist(), "m": rng.integers(0, 4, n).tolist(),
         "y": slow.words(rng, ["a", "b"], n)} for n in (1, 3, 2)
    ]  # fmt: skip
    flat = rng.normal(size=6 + 3 + 2)
    gradient = value_and_gradient(model, data, flat)[1]
    for i, d in enumerate(1e-6 * np.eye(len(flat))):
        ends = [value_and_gradient(model, data, flat + s * d)[0] for s in (1, -1)]
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-7)


def test_the_first_of_equal_maxima_takes_the_slope() -> None:
    model = compile("answer y : bit param w[3] factor f = -y * max(w[i] * 2 for i in 3) loss nll")
    gradient = value_and_gradient(model, [{"y": 1}], np.array([1.0, 1.0, -1.0]))[1]
    assert gradient[0] == pytest.approx(-2 / (1 + np.exp(2)))
    assert not gradient[1:].any()
