"""Models with maps: energies against the slow evaluator, gradients against finite differences."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from factorgraph import budget, pipeline
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.data.read import read
from factorgraph.data.select import select
from factorgraph.errors import BudgetError, NumericalError
from factorgraph.ground.ground import ground
from factorgraph.learn.events import Event, Iteration
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.maps import blas
from factorgraph.pipeline import compile, load_run
from factorgraph.run import Run


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
Data = dict[str, Any]


def reals(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape).round(3).tolist()


def ints(rng: Any, low: int, high: int, *shape: int) -> Any:
    return rng.integers(low, high + 1, shape).tolist()


def letters(rng: Any, *shape: int) -> Any:
    return np.array(list("abc"))[rng.integers(0, 3, shape)].tolist()


@dataclass(frozen=True)
class Case:
    """A text whose answers are y (labels a, b, c) or v (0..2), and data for it."""

    text: str
    make: Callable[[Any, int], Data]


HEAD = "domain L = {a, b, c} size n, p = 3 "


def sequence(*more: Callable[[Any, int], Data]) -> Callable[[Any, int], Data]:
    def make(rng: Any, k: int) -> Data:
        n = (3, 1, 2)[k % 3]
        data = {"x": reals(rng, n, 3), "y": letters(rng, n)}
        for one in more:
            data |= one(rng, n)
        return data

    return make


XY = HEAD + "given x[n, p] : real answer y[n] : L "


def odd(rng: Any, n: int, on: int) -> Data:
    return {
        "x": reals(rng, n, 3),
        "y": letters(rng, n),
        "on": on,
        "F": reals(rng, 2, 2),
        "k": [("u", "v")[j] for j in ints(rng, 0, 1, n)],
        "r": [reals(rng, j) for j in ints(rng, 0, 2, n)],
    }


CASES = {
    "unary": Case(
        XY
        + """
        map G = mlp(p, 4, L, act = tanh) ~ l2(0.3)  param M[L, L] ~ l2(0.1)
        factor e[t in n] = -G(x[t])[y[t]]  factor m[t in 1..n-1] = -M[y[t-1], y[t]]
        """,
        sequence(),
    ),
    "linear": Case(
        XY
        + """
        map G = linear(p, L)  map B = linear(p, 1)
        factor e[t in n] = -G(x[t])[y[t]]
        factor m[t in 1..n-1] = -B(x[t])[0] * (y[t-1] == y[t])
        """,
        sequence(),
    ),
    "pairwise": Case(
        XY
        + """
        map G = mlp(p, 4, act = softplus)  map P = mlp(p, 3, 9, act = sigmoid)
        param T[L, L, 4] = normal(0, 1)
        factor m[t in 1..n-1] = -dot(T[y[t-1], y[t]], G(x[t]))
        factor k[t in 1..n-1] = -P(x[t] - x[t-1])[if y[t-1] == y[t] then 2 else 5]
        factor e[t in n]      = -dot(G(x[t]), T["a", y[t]]) * G(x[t])[1]
        """,
        sequence(),
    ),
    "places": Case(
        HEAD
        + """
        given x[n, p] : real answer v[n] : 0..2
        map G = mlp(p, 4, 4)
        factor a[t in n]      = -G(x[t])[v[t] + 1] + G(x[t])[3 - v[t]]^2
        factor b[t in n]      = if v[t] < 2 then G(x[t])[2*v[t] + 1] else 0
        factor c[t in 1..n-1] = G(x[t])[v[t] * v[t-1] % 4]
                              + sum(G(x[t])[i] * (v[t] == i) for i in 3)
        factor d              = sum(G(x[t])[0] for t in n) * v[0]
        factor m[i in 3]      = max(G(x[t])[i] for t in n) * (v[0] == i) + min(G(x[0])) * v[0]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 3), "v": ints(rng, 0, 2, k % 3 + 1)},
    ),
    "states": Case(
        HEAD
        + """
        given x[n, p] : real given code[L, 2] : real answer y[n] : L answer v[n] : 0..2
        map H = mlp(2, 3, 3, act = tanh)  map g = mlp(1, 4, 1)  map K = linear(p, L)
        param E[L, 2] = normal(0, 1), s = 1
        factor a[t in n] = -dot(H(E[y[t]]), x[t])
        factor b[t in n] = -dot(H(code[y[t]]), x[t]) * K(x[t])[y[t]]
        factor c[t in n] = g(v[t]) + s * g(v[t] - 2)
        factor d[t in 1..n-1] = H(E[y[t]] + s * code[y[t-1]])[v[t]] + g(s * v[t])
        """,
        lambda rng, k: {
            "x": reals(rng, k % 2 + 1, 3),
            "code": reals(rng, 3, 2),
            "y": letters(rng, k % 2 + 1),
            "v": ints(rng, 0, 2, k % 2 + 1),
        },
    ),
    "shared": Case(
        XY
        + """
        given a[n] : real
        map G = mlp(p, 4, L, act = tanh)  map g = mlp(1, 3, 1, act = tanh)
        param s : positive = 1 ~ l2(0.2), q[p] : unit, r : real(-2, 3)
        factor e[t in n]        = -G(x[t])[y[t]] - s * G(x[n-1-t])[y[t]]
        factor m[t in 1..n-1]   = -G(x[t-1])[y[t]] * (y[t-1] == "a")
        factor o[t in n]        = -G(s * x[t] + q)[y[t]] + r * g(a[t]) * (y[t] == "b")
        factor z[t in n if t+1 < n] = g(g(a[t]) - r * a[t+1]) * (y[t] != y[t+1])
        """,
        sequence(lambda rng, n: {"a": reals(rng, n)}),
    ),
    "embedding": Case(
        XY
        + """
        domain W = {u, v, w} given w[n] : W
        map G = mlp(2, 3, L, act = tanh)
        param V[W, 2] = normal(0, 1), S[5, 2] = normal(0, 1)
        factor e[t in n] = -G(V[w[t]])[y[t]]
        factor d[t in n] = -G(if t > 0 then V[w[t-1]] else S[t])[y[t]]
        factor m         = -G(mean(V[w[t]] for t in n))[y[0]]
        factor o         = -G(S[4] + sum(S[t] for t in n if w[t] == "u"))[y[0]]
        factor h[t in n] = -G(x[t, 1] * S[t])[y[t]]
        """,
        sequence(lambda rng, n: {"w": np.array(list("uvw"))[rng.integers(0, 3, n)].tolist()}),
    ),
    "branches": Case(
        XY
        + """
        map G = mlp(p, 4, L, act = tanh)  param B[L]
        factor e[t in n] = -(if t > 0 then G(x[t-1])[y[t]] else B[y[t]])
        factor f[t in n] = if y[t] == "a" then G(x[t])["b"]
                           else if y[t] == "b" then B["a"] else G(x[t])[y[t]]
        factor g[t in n] = if x[t, 0] > 0 and t + 1 < n then max(G(x[t+1])[y[t]], 0.1) else 0
        factor h[t in n if x[t, 1] > 0]
            = abs(G(x[t])[y[t]]) * exp(G(x[t])["a"]) / (1 + G(x[t])["c"]^2)
        """,
        sequence(),
    ),
    "odd": Case(
        """
        domain T domain C = {u, v}
        size   n, p = 3, c[n]
        given  x[n, p] : real given r[n, c] : real given k[n] : C given on : bit
        given  F[C, C] : real
        answer y[n] : T latent z : 0..2
        map    G = mlp(p, 3, T, act = tanh) ~ l2(0.1)  map g = linear(1, 1)  map H = linear(C, 3)
        param  E[T, p] = normal(0, 1), w
        factor e[t in n] = -G(x[t])[y[t]] * w - (if on then G(E[y[t]])["b"] else 0)
        factor never[t in n if t > n] = G(x[t])[y[t]]
        factor rag[t in n] = sum(g(r[t, i]) for i in c[t]) * (y[t] == "a")
        factor h = sum(H(w * F[k[t]])[z] for t in n)
        factor l[t in n] = abs(z - g(w * x[t, 2])) * (y[t] == "b")
        hard   hd[t in n] : G(x[t])["a"] + 9 > 0 or y[t] == "a"
        """,
        lambda rng, k: odd(rng, (2, 0, 1, 3)[k % 4], k % 2),
    ),
    "picture": Case(
        """
        domain L = {a, b, c} size s = 6
        given pic[s, s], other[s, s] : real answer y : L answer same : bit
        map eye  = chain(conv(1, 2, 3, act = tanh), pool(2), linear(8, 4))
        map name = mlp(4, 3, L, act = tanh)
        let gap = norm(eye(pic) - eye(other))
        factor what = name(eye(pic))[y]
        factor near = if same then gap else max(0, 1 - gap)
        """,
        lambda rng, k: {
            "pic": reals(rng, 6, 6),
            "other": reals(rng, 6, 6),
            "y": letters(rng, 1)[0],
            "same": int(rng.integers(2)),
        },
    ),
    "pixels": Case(
        """
        domain L = {a, b, c} size h, w
        given img[h, w] : real answer y[h, w] : L
        map F = conv(1, 3, 3, pad = same, act = relu)
        map D = chain(conv(1, 2, 3, pad = same, act = softplus), conv(2, 3, 3, pad = same))
        map A = conv(1, 2, 2, pad = same, act = tanh)  map B = conv(2, L, 2, pad = same)
        param W[L, 3] = normal(0, 1), c = 1
        factor u[i in h, j in w]      = -dot(F(img)[i, j], W[y[i, j]])
        factor v[i in h, j in w]      = -D(img)[i, j, 2] * (y[i, j] == "b")
        factor m[i in h, j in 1..w-1]
            = -F(img)[i, j-1, 0] * F(img)[i, j, 1] * (y[i, j-1] == y[i, j])
        factor n[i in h, j in w]      = -B(A(c * img))[i, j, y[i, j]]
        """,
        lambda rng, k: (lambda h, w: {"img": reals(rng, h, w), "y": letters(rng, h, w)})(
            *[(1, 3), (2, 2), (1, 1), (3, 1)][k % 4]
        ),
    ),
    "pools": Case(
        """
        domain L = {a, b, c} size h, w
        given img[h, w] : real answer y : L
        map P = pool(2)  map C = chain(conv(1, 2, 2), pool(2))
        param k = 0.5
        factor u[i in h // 2, j in w // 2] = -P(img)[i, j] * k * (y == "a")
        factor x = -C(img)[0, 0, 1] * (y == "c") - P(img * k)[0, 0] * (y == "a")
        """,
        lambda rng, k: (lambda h, w: {"img": reals(rng, h, w), "y": letters(rng, 1)[0]})(
            *[(3, 4), (4, 5), (3, 3)][k % 3]
        ),
    ),
}


class Trial:
    """A case with random data and weights, in both worlds."""

    def __init__(self, name: str) -> None:
        case = CASES[name]
        rng = np.random.default_rng(len(name))
        self.data = [case.make(rng, k) for k in range(4)]
        self.slow = slow.Slow(case.text).learn(self.data)
        self.model = compile(case.text + " loss nll")
        shapes = self.slow.shapes()
        weights = {k: 0.7 * rng.normal(size=s) for k, s in shapes.items()}
        for key, declared in self.model.checked.params.items():
            if declared.constraint == "positive":
                weights[key] = np.abs(weights[key]) + 0.1
            if declared.constraint == "unit":
                weights[key] /= np.linalg.norm(weights[key])
        self.weights = {k: np.asarray(w, float).tolist() for k, w in weights.items()}
        arrays = {k: np.asarray(w, float) for k, w in weights.items()}
        self.run = Run(self.model, arrays, self.slow.vocabularies)
        self.energies = [self.enumerate(d) for d in self.data]

    def enumerate(self, data: Data) -> tuple[list[float], list[float]]:
        """Return the energies of every configuration, and of those that agree with the data."""
        world = self.slow.instance(data, self.weights)
        every, observed = [], []
        answers = {a: data[a] for a in self.slow.unknowns("answer")}
        for configuration, _ in world.configurations({}):
            every.append(world.energy(configuration))
            if all(configuration[a] == v for a, v in answers.items()):
                observed.append(every[-1])
        return every, observed

    def objective(self, loss: str, *, alone: bool = False) -> Objective:
        """Return the objective of a loss.

        Parameters
        ----------
        alone : whether the loss knows of no unknowns: it is then compiled once for all models.
        """
        if loss != "nll" and not alone:
            model = compile(CASES[self.name].text, loss=loss)
            instances = bind(model.checked, from_python(self.data))
            return Objective(model.compiled, load(model.compiled.text), instances, Crew(1))
        instances = bind(self.model.checked, from_python(self.data))
        compiled, module = self.model.compiled, load(self.model.compiled.text)
        if loss == "nll":
            return Objective(compiled, module, instances, Crew(1))
        other = compile("answer y : bit", loss=loss)
        changed: Any = SimpleNamespace(**(vars(module) | {"loss": load(other.compiled.text).loss}))
        return Objective(replace(compiled, loss=other.loss), changed, instances, Crew(1))

    name = ""


@cache
def trial(name: str) -> Trial:
    found = Trial(name)
    found.name = name
    return found


def free(energies: list[float]) -> float:
    least = min(energies)
    return least - log(sum(exp(least - e) for e in energies))


@pytest.mark.parametrize("name", CASES)
def test_energies(name: str) -> None:
    found = trial(name)
    assert found.model.missing() is None
    observed = [min(agreeing) for _, agreeing in found.energies]
    least = [min(every) for every, _ in found.energies]
    np.testing.assert_allclose(found.run.energy(found.data), observed, rtol=1e-9, atol=1e-9)
    answers = [a["energy"] for a in found.run.predict(found.data)]
    np.testing.assert_allclose(answers, least, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient(name: str) -> None:
    found = trial(name)
    truth = found.slow.penalty(found.weights)
    for every, observed in found.energies:
        truth += free(observed) - free(every)
    objective = found.objective("nll")
    layout, coordinates = objective.layout, objective.coordinates
    flat = coordinates.coordinates(layout.pack(found.run.weights))
    value, gradient = objective(flat)
    gradient = gradient.copy()
    assert value == pytest.approx(truth, rel=1e-9)
    assert len(flat) > 3 and np.count_nonzero(gradient) > len(flat) / 2
    for i, d in enumerate(1e-5 * np.eye(len(flat))):
        slope = (objective(flat + d)[0] - objective(flat - d)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-7)


OTHER = [("picture", x) for x in ("hinge", "perceptron", "0.3 * logistic + mee")]
OTHER += [("linear", x) for x in ("margin", "softmax_margin", "pseudo", "piecewise", "univariate")]


@pytest.mark.parametrize(("name", "loss"), OTHER)
def test_gradients_of_other_losses(name: str, loss: str) -> None:
    found = trial(name)
    objective = found.objective(loss, alone=name == "picture")
    flat = objective.coordinates.coordinates(objective.layout.pack(found.run.weights))
    gradient = objective(flat)[1].copy()
    assert gradient.any()
    for d in np.random.default_rng(1).normal(size=(4, len(flat))):
        h = 1e-6 * d
        slope = (objective(flat + h)[0] - objective(flat - h)[0]) / 2e-6
        assert gradient @ d == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("name", ["picture", "states"])
def test_marginals(name: str) -> None:
    found = trial(name)
    for data, marginals in zip(found.data, found.run.marginals(found.data), strict=True):
        world = found.slow.instance(data, found.weights)
        total: dict[str, Any] = dict.fromkeys(marginals, 0.0)
        whole = 0.0
        for configuration, _ in world.configurations({}):
            p = exp(-world.energy(configuration))
            whole += p
            for a in marginals:
                values = np.array(found.run.values[a])
                total[a] = total[a] + p * (np.array(configuration[a])[..., None] == values)
        for a, marginal in marginals.items():
            np.testing.assert_allclose(marginal, total[a] / whole, rtol=1e-8, atol=1e-12)


def inputs_of(text: str, data: list[Data], shared: Any = None) -> dict[str, int]:
    """Return how many inputs each call of a map has, by its text."""
    model = compile(text)
    instances = bind(model.checked, from_python(data), shared=model.shared(shared))
    grounding = ground(model.compiled, instances)
    return {i.call.definition.text: len(i.instance) for i in grounding.inputs}


def test_each_input_counts_once() -> None:
    """However many factors, neighbours and states read it."""
    rng = np.random.default_rng(0)
    data = [{"x": reals(rng, n, 3), "y": letters(rng, n), "w": [0, 1] * n} for n in (4, 2)]
    found = inputs_of(
        XY
        + """
        given w[2*n] : 0..9
        map G = linear(p, L)  map H = linear(2, L)  map E = linear(2, 1)
        param V[10, 2], C[L, 2]
        factor a[t in n]                 = G(x[t])[y[t]]
        factor b[t in 1..n-1]            = G(x[t-1])[y[t]] * G(x[t])[y[t-1]]
        factor c[t in n]                 = H(V[w[t]])[y[t]] + H(V[w[2*n-1-t]])[y[t]]
        factor d[t in n, s in n if s < t] = E(C[y[t]])[0] * E(C[y[s]])[0]
        factor e                         = G(mean(x[t] for t in n))[y[0]]
        """,
        data,
    )
    # six letters, two words, three labels, two texts
    assert sorted(found.values()) == [2, 2, 3, 6]
    text = "size n given w[n] : 0..9 given v[10, 3] : real answer y[n] : bit "
    text += "map G = linear(3, bit) factor f[t in n] = G(v[w[t]])[y[t]]"
    data = [{"w": [1, 2, 3], "y": [0, 0, 0]}, {"w": [2, 3], "y": [0, 0]}]
    v = reals(rng, 10, 3)
    assert list(inputs_of(text, [d | {"v": v} for d in data]).values()) == [5]
    assert list(inputs_of(text, data, {"v": np.array(v)}).values()) == [3]


BIG = (
    XY
    + """
map G = chain(linear(p, 8), mlp(8, 5, L, act = tanh)) ~ l2(0.01)  map B = mlp(1, 3, 1)
param M[L, L], s : positive
factor e[t in n]      = -G(s * x[t])[y[t]] - G(x[t])[y[t]]
factor m[t in 1..n-1] = -M[y[t-1], y[t]] + B(x[t, 0]) * (y[t-1] == y[t])
loss nll
"""
)


def many(count: int) -> list[Data]:
    rng = np.random.default_rng(7)
    return [
        {"x": reals(rng, n, 3), "y": letters(rng, n)} for n in rng.integers(1, 8, count).tolist()
    ]


def test_threads_do_not_matter() -> None:
    model = compile(BIG)
    instances = bind(model.checked, from_python(many(300)))
    found = []
    for threads in (1, 2, 16):
        with Crew(threads) as crew:
            objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
            assert len(objective.batches) >= 4
            rng = np.random.default_rng(3)
            flat = rng.normal(size=objective.layout.size)
            value, gradient = objective(flat)
            found.append((value, gradient.copy()))
    for value, gradient in found[1:]:
        assert value == found[0][0]
        np.testing.assert_array_equal(gradient, found[0][1])


def test_training_goes_on_to_the_bit(tmp_path: Path) -> None:
    options: Any = {"tolerance": 1e-12, "progress": 0.0, "max_iterations": 30, "seed": 5}
    data, path = many(60), tmp_path / "state"
    alone = compile(BIG).fit(data, threads=1, **options)
    iterations = [0]

    def hear(event: Event) -> None:
        iterations[0] += isinstance(event, Iteration)

    compile(BIG).fit(
        data, on_event=hear, stop=lambda: iterations[0] >= 11, checkpoint=path, threads=2, **options
    )
    assert path.exists()
    after = compile(BIG).fit(data, checkpoint=path, resume=True, **options)
    start = compile(BIG).init(seed=5).weights
    for name, value in alone.weights.items():
        np.testing.assert_array_equal(after.weights[name], value)
        assert np.abs(value - start[name]).max() > 1e-4


def test_commands(fgc: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    model, data, run = tmp_path / "m.fg", tmp_path / "d.jsonl", tmp_path / "run"
    model.write_text(BIG)
    data.write_text("\n".join(json.dumps(d) for d in many(40)))
    code, _, err = fgc(
        "train", str(model), str(data), "-o", str(run), "-q", "--max-iterations", "8"
    )
    assert code == 0, err
    code, out, _ = fgc("eval", str(model), str(data), "-w", str(run), "--json")
    scores = json.loads(out)
    loaded = load_run(run)
    assert code == 0 and scores["accuracy"]["y"] == loaded.evaluate(data).overall > 0.3
    code, out, _ = fgc("infer", str(model), str(data), "-w", str(run))
    answers = [json.loads(line)["answers"] for line in out.splitlines()]
    assert code == 0 and answers == [a["answers"] for a in loaded.predict(data)]
    assert fgc("info", str(model), str(data))[0] == 0
    for stage in ("plan", "python"):
        code, out, _ = fgc("compile", str(model), "--emit", stage)
        assert code == 0 and ("map G" in out if stage == "plan" else "m0" in out)
    assert list(loaded.weights) == list(compile(BIG).init().weights)


def test_memory_is_asked_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "size n given x[n, 4] : real answer y[n] : bit map G = mlp(4, 100000, 2) loss nll "
    model = compile(text + "factor f[t in n] = G(x[t])[y[t]]")
    data = [{"x": np.ones((4000, 4)), "y": np.ones(4000, int)}]
    budget.set_limit(10**9)
    try:
        with pytest.raises(BudgetError, match="map `G`"):
            model.fit(data)
    finally:
        budget.set_limit(None)


def test_an_output_that_is_no_number_names_the_map() -> None:
    text = "size n given x[n] : real answer y[n] : bit map g = linear(1, 2) "
    model = compile(text + "factor f[t in n] = g(1e300 * x[t])[y[t]] loss nll")
    data = [{"x": [0.0], "y": [1]}, {"x": [0.0, -1e10], "y": [0, 0]}]
    run = model.init()
    for ask in (run.energy, lambda d: list(run.predict(d)), model.fit):
        with pytest.raises(NumericalError, match=r"map `g` gives .*instance 1\)") as caught:
            ask(data)
        assert caught.value.code == "E0703" and "x[t]" in caught.value.message


def test_blas_has_one_thread_within() -> None:
    functions = blas._functions()
    if functions is None:
        pytest.skip("numpy's BLAS is not OpenBLAS")
    count, _ = functions
    before = count()
    with blas.one_thread():
        with pytest.raises(ZeroDivisionError), blas.one_thread():
            assert count() == 1 // 0
        assert count() == 1
    assert count() == before


def test_learns_what_no_linear_model_can() -> None:
    """Labels by the parity of two signs; from several random beginnings."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 2))
    data = [{"x": a.tolist(), "y": int(a[0] * a[1] > 0)} for a in x]
    head = "given x[2] : real answer y : bit loss nll "
    linear = compile(head + "map g = linear(2, bit) factor f = -g(x)[y]").fit(data[:300])
    assert linear.evaluate(data[300:]).overall < 0.7
    net = compile(head + "map g = mlp(2, 12, bit) ~ l2(0.001) factor f = -g(x)[y]")
    for seed in range(3):
        assert net.fit(data[:300], seed=seed).evaluate(data[300:]).overall > 0.93


def test_digits() -> None:
    """A small convolutional network reads digits that it has not seen better than templates."""
    folder = Path(__file__).parents[1] / "models" / "digits"
    data = read(folder / "digits.npz")
    found = {}
    for name in ("linear", "digits"):
        run = pipeline.load(folder / f"{name}.fg").fit(select(data, "part=0"), max_iterations=40)
        found[name] = run.evaluate(select(data, "part=1")).overall
    assert found["linear"] > 0.92
    assert found["digits"] > found["linear"] + 0.01
