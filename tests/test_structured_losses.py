"""Losses with costs, local losses and losses of marginals: values against the slow oracle of
losses, gradients against differences, on chains, trees with latents and small loops."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import DataError, InferenceError, RunError
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
slow_losses: Any = _load("slow_losses")
LIBRARY = (Path(__file__).parent.parent / "models" / "losses.fg").read_text(encoding="utf-8")

CHAIN = """
size   n
given  x[n], area[n], trust : real
answer y[n] : 0..2
param  U[3] ~ l2(0.1), A[3, 3], c
factor emit[t in n]      = -U[y[t]] * x[t] + c * exp(-0.1 * U[y[t]])
factor move[t in 1..n-1] = A[y[t-1], y[t]]
"""
TREE = """
size   n
given  x[n], area[n], trust : real
answer y[n] : 0..2
answer kind : bit
latent z    : 0..1
param  U[2, 3], B[2], W[3, 2, 2] ~ l2(0.2)
factor leaf[t in n] = U[z, y[t]] * x[t]
factor root = B[kind] * (1 + z)
factor high = W[y[0], z, kind]
"""
LOOP = """
size   n = 3
given  x[n], area[n], trust : real
answer y[n] : 0..2
param  U[3], b, A[3, 3]
factor emit[t in n] = -U[y[t]] * x[t]
factor ring[t in n] = b * (y[t] == y[(t + 1) % n]) + A[y[t], y[(t + 1) % n]]
factor high = b * max(y[0], max(y[1], y[2]))
"""
HARD = (
    CHAIN
    + """
hard no[t in 1..n-1] : not (y[t-1] == 2 and y[t] == 0)
"""
)
FUNS = """
fun weighed(Y) = sum(area[t] * (if answer.y[t] == 1 then 2 else 1) * (Y.y[t] != answer.y[t])
                     for t in n)
fun pairs(Y)   = sum((Y.y[t-1] != answer.y[t-1]) * (Y.y[t] != answer.y[t]) / 2 for t in 1..n-1)
"""
GRIDS = """
size   h, w
given  x[h, w] : real
given  trust : real
answer y[h, w] : bit
answer tag[h] : 0..2
param  u, c, V[3, 2] ~ l2(0.3)
factor see[i in h, j in w]       = u * x[i, j] * y[i, j]
factor next[i in h, j in 1..w-1] = c * (y[i, j-1] != y[i, j])
factor tags[i in h]              = V[tag[i], y[i, 0]]
"""
KINDS = """
size   n, p = 2
given  x[n] : real
given  v[n, p], area[n], trust : real
given  word[n] : 0..9
answer y[n] : 0..2
param  U[3, p], W[3, 3, p], H[3, 10] ~ l2(0.1)
param  s : positive = 1, q : real(-1, 1)
param  T[3] : simplex = dirichlet(1), N[3, 2] : unit = normal(0, 1)
factor emit[t in n]      = H[y[t], word[t]] - dot(U[y[t]], v[t])
factor pair[t in 1..n-1] = s * sum(W[y[t-1], y[t], i] * v[t, i] for i in p) + q * (y[t-1] == y[t])
factor prior[t in n]     = -log(T[y[t]]) + softplus(N[y[t], 0] * N[y[t], 1] * x[t])
"""
TEXTS = {"chain": CHAIN, "tree": TREE, "loop": LOOP, "hard": HARD, "kinds": KINDS}

LOSSES = """
energy
perceptron
hinge
logistic
lvq2(m = 2)
mce
mce(beta = 0.7)
square_square
square_exp
nll
mee(beta = 0.5)
likelihood
margin
margin(cost = weighed)
margin(cost = pairs)
squared_margin
margin(cost = differs)
softmax_margin(beta = 0.5, cost = differs)
E(any) - min(E(Y) - 2 * differs(Y) - hamming(Y) for Y in any)
slack(cost = differs)
slack
slack(cost = pairs)
0.3 * slack(cost = weighed) + energy
max((1 + hamming(Y)) * (3 - trust + E(answer) - 2 * E(Y)) for Y in any)
softmax_margin
softmax_margin(beta = 0.5, cost = weighed)
ramp
direct
direct(eps = 2)
unified
unified(b1 = 1, b2 = 2, c = 0.5)
unified(b1 = inf, b2 = 1)
pseudo
pseudo(beta = inf)
pseudo_margin(m = 0.5)
piecewise
piecewise(beta = 2)
ratio
univariate
univariate(beta = 0.5)
smooth_hamming
free(wrong)
free(wrong(only(y[0])))
E(pin(y[0])) - E(any)
E(wrong(pin(y[0])))
sum(free(only(y[t])) * area[t] for t in n)
trust * nll + 0.2 * pseudo
max(E(answer) - E(only(v)) for v in answers) + 0.1 * energy
sum(max(E(pin(y[t])) - E(pin(y[s])) for s in n) for t in n) + nll
max(0, 1 + E(answer) - min(E(Y) - hamming(Y) for Y in wrong))
min(2 * E(Y) - 3 * hamming(Y) + trust for Y in wrong)
max(hamming(Y) - E(Y) for Y in any) + E(answer)
sum(E(answer) - min(E(Y) - hamming(Y) for Y in only(v)) for v in answers)
FIRST(any) - FIRST(answer)
softmin(FIRST(Y) - hamming(Y) for Y in any, beta = 2)
E(only(y)) - E(any)
""".strip().splitlines()
FIRST = {"chain": "emit", "tree": "leaf", "loop": "ring", "hard": "move", "kinds": "pair"}


@cache
def data_of(name: str) -> tuple[dict[str, Any], ...]:
    rng = np.random.default_rng(len(name))
    found = []
    while len(found) < 6:
        n = 3 if name == "loop" else int(rng.integers(1, 4))
        y: list[int | None] = [int(v) for v in rng.integers(0, 3, n)]
        if name == "hard" and any(a == 2 and b == 0 for a, b in zip(y, y[1:])):
            continue
        if len(found) % 3 == 2 and n > 1:
            y[int(rng.integers(n))] = None
        one: dict[str, Any] = {
            "x": rng.normal(size=n).round(2).tolist(),
            "area": rng.uniform(0.5, 2, n).round(2).tolist(),
            "trust": float(rng.uniform(0.5, 2)),
            "y": y,
            "weight": [1.0, 0.5, 2.0, 1.0, 0.0, 1.0][len(found)],
        }
        if name == "loop":
            one["n"] = 3
        if name == "kinds":
            one |= {"v": rng.normal(size=(n, 2)).round(2).tolist()}
            one |= {"word": rng.integers(0, 10, n).tolist()}
        if name == "tree":
            one["kind"] = [0, 1, None, 1, 1, 0][len(found)]
        found.append(one)
    return tuple(found)


def objective_of(name: str, loss: str, data: Any, crew: Crew) -> Objective:
    model = compile(TEXTS[name] + FUNS, loss=loss.replace("FIRST", FIRST[name]))
    model.trainable()
    fields = model.checked.givens.keys() | model.checked.unknowns.keys() | {"weight"}
    kept = [{k: v for k, v in one.items() if k in fields} for one in data]
    instances = bind(model.checked, from_python(kept))
    return Objective(model.compiled, load(model.compiled.text), instances, crew)


def truth(name: str, loss: str, data: Any, weights: dict[str, Any]) -> float:
    text = slow.Slow(TEXTS[name] + FUNS)
    total = text.penalty(weights)
    for one in data:
        if one["weight"]:
            world = slow_losses.Losses(text.instance(one, weights), LIBRARY)
            total += one["weight"] * world.value(loss.replace("FIRST", FIRST[name]))
    return float(total)


PAIRS = [
    (name, loss)
    for name in TEXTS
    for loss in LOSSES
    # the other formulas are tried on three structures
    if name not in ("hard", "kinds") or re.fullmatch(r"\w+(\(.*\))?", loss)
]


@pytest.mark.parametrize(("name", "loss"), PAIRS)
def test_value_and_gradient(name: str, loss: str) -> None:
    data = data_of(name)
    if loss.startswith(("square_exp", "lvq2", "logistic", "mce", "free(wrong", "min(2", "E(wrong")):
        data = tuple(d for d in data if d["y"][0] is not None)
    if "wrong(pin" in loss:
        data = tuple(d for d in data if len(d["y"]) > 1)
    rng = np.random.default_rng(7)
    with Crew(1) as crew:
        objective = objective_of(name, loss, data, crew)
        shapes = slow.Slow(TEXTS[name] + FUNS).shapes()
        start = {p: np.zeros(s) for p, s in shapes.items()}
        flat = rng.normal(size=objective.layout.size)
        packed = objective.coordinates.weights(flat)
        weights = {p: w.tolist() for p, w in objective.layout.unpack(packed, start).items()}
        value, gradient = objective(flat)
        gradient = gradient.copy()
        assert value == pytest.approx(truth(name, loss, data, weights), rel=1e-9, abs=1e-9)
        assert np.isfinite(gradient).all()
        for d in rng.normal(size=(3, len(flat))):
            h = 1e-6 / np.linalg.norm(d)
            slope = (objective(flat + h * d)[0] - objective(flat - h * d)[0]) / (2 * h)
            assert gradient @ d == pytest.approx(slope, rel=2e-5, abs=2e-6 * (1 + abs(value)))


GRID = """
size   h, w
given  x[h, w] : real
answer y[h, w] : bit
param  u, c
factor see[i in h, j in w]    = u * x[i, j] * y[i, j]
factor down[i in 1..h-1, j in w]  = c * (y[i-1, j] != y[i, j])
factor right[i in h, j in 1..w-1] = c * (y[i, j-1] != y[i, j])
"""


ROWS = """
sum(free(pin(y[i])) for i in h) - h * free(any)
sum(free(answer) - free(only(y[i])) for i in h)
sum(free(answer) - free(only(y[i, j], tag[i])) for i in h for j in w)
sum(E(answer) - E(wrong(only(tag))) for i in h) / h
sum(free(answer) - free(wrong(only(y[i]))) for i in h)
pseudo + pseudo_margin
univariate + piecewise
sum(max(E(answer) - E(only(y[i, j])) for j in w) for i in h)
sum(x[i, j] * (E(answer) - E(pin(y[i, j]))) for i in h for j in w if x[i, j] > 0) + nll
E(answer) - min(E(Y) - sum(trust * (Y.tag[i] != answer.tag[i]) for i in h) for Y in any)
mce(1) + slack
""".strip().splitlines()


@pytest.mark.parametrize("loss", ROWS)
def test_rows_and_several_arrays(loss: str) -> None:
    """Places that name a row of an array, several arrays, nested sums, missing labels."""
    rng = np.random.default_rng(11)
    data = []
    for h, w in ((1, 2), (2, 2), (2, 1)):
        y = rng.integers(0, 2, (h, w)).tolist()
        tag = rng.integers(0, 3, h).tolist()
        if h == 2 and w == 2 and "wrong" not in loss:
            y[1][0] = tag[0] = None
        x = rng.normal(size=(h, w)).round(2).tolist()
        data.append({"h": h, "w": w, "x": x, "y": y, "tag": tag, "trust": 0.7, "weight": 1.0})
    shapes = slow.Slow(GRIDS).shapes()
    start = {p: rng.normal(size=s) for p, s in shapes.items()}
    model = compile(GRIDS, loss=loss)
    model.trainable()
    fields = model.checked.givens.keys() | model.checked.unknowns.keys() | {"weight"}
    kept = [{k: v for k, v in one.items() if k in fields} for one in data]
    with Crew(1) as crew:
        instances = bind(model.checked, from_python(kept))
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        flat = objective.layout.pack(start)
        weights = {p: w.tolist() for p, w in start.items()}
        text = slow.Slow(GRIDS)
        expected = text.penalty(weights)
        for one in data:
            expected += slow_losses.Losses(text.instance(one, weights), LIBRARY).value(loss)
        value, gradient = objective(flat)
        gradient = gradient.copy()
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        for d in rng.normal(size=(3, len(flat))):
            h = 1e-6 / np.linalg.norm(d)
            slope = (objective(flat + h * d)[0] - objective(flat - h * d)[0]) / (2 * h)
            assert gradient @ d == pytest.approx(slope, rel=2e-5, abs=2e-6 * (1 + abs(value)))


def test_local_losses_need_no_inference_over_the_whole() -> None:
    """Pseudo-likelihood of a grid that no engine can sum; against a sum over single pixels."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(8, 9)), rng.integers(0, 2, (8, 9))
    data = [{"x": x.tolist(), "y": y.tolist()}]
    model = compile(GRID, loss="pseudo")
    with Crew(1) as crew:
        instances = bind(model.checked, from_python(data))
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        flat = np.array([-0.7, 0.4])
        value = objective(flat)[0]

    def energy(y: Any) -> float:
        steps = (y[1:] != y[:-1]).sum() + (y[:, 1:] != y[:, :-1]).sum()
        return float(-0.7 * (x * y).sum() + 0.4 * steps)

    expected = 0.0
    for i in range(8):
        for j in range(9):
            other = y.copy()
            other[i, j] = 1 - y[i, j]
            expected += np.log1p(np.exp(energy(y) - energy(other)))
    assert value == pytest.approx(expected, rel=1e-12)
    trained = model.fit(data)
    assert trained.finished is not None and trained.finished.converged
    assert trained.weights["c"] > 0 or trained.weights["u"] != 0
    wide = [{"x": rng.normal(size=(40, 40)).tolist(), "y": rng.integers(0, 2, (40, 40)).tolist()}]
    with pytest.raises(InferenceError, match="loop"):
        compile(GRID, loss="nll").fit(wide)


def test_first_differences_keep_small_probabilities() -> None:
    """Where the answer is all but sure, free(wrong) is no difference of large numbers."""
    text = "size n answer y[n] : 0..2 param w factor f[t in n] = w * (y[t] != 1) loss free(wrong)"
    model = compile(text)
    with Crew(1) as crew:
        instances = bind(model.checked, from_python([{"y": [1, 1, 1]}]))
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        value, gradient = objective(np.array([60.0]))
        # six configurations of energy 60, and others that weigh nothing beside them
        assert value == pytest.approx(60 - np.log(6), rel=1e-14)
        assert gradient[0] == pytest.approx(1.0, rel=1e-14)


def test_a_loss_does_not_read_what_is_not_observed() -> None:
    model = compile("answer y : 0..2 param w[3] factor f = w[y] loss nll * (1 + answer.y)")
    with pytest.raises(DataError, match="`y` of the answer, which is not observed"):
        model.fit([{"y": 1}, {"y": None}])


def test_slack_on_what_cannot_be_searched() -> None:
    text = CHAIN + FUNS
    x = [0.1] * 30
    data = [{"x": x, "area": x, "trust": 1.0, "y": [0] * 30}]
    compile(text, loss="slack + energy").fit(data, max_iterations=1)
    with pytest.raises(InferenceError) as caught:
        compile(text, loss="slack(cost = weighed)").fit(data)
    assert caught.value.code == "E0512"


def test_training_starts_with_the_weights_of_a_run() -> None:
    """A loss with flat regions goes on from one without; what does not fit is refused."""
    rng = np.random.default_rng(4)
    data = [
        {"x": [(k + 1.0 + rng.normal() / 3) * (v - 1) for v in y], "y": y}
        for k, y in enumerate(rng.integers(0, 3, (20, 4)).tolist())
    ]
    text = """
    size n given x[n] : real answer y[n] : 0..2 param U[3], b[3] ~ l2(0.1)
    factor emit[t in n] = -U[y[t]] * x[t] - b[y[t]]
    """
    first = compile(text, loss="nll").fit(data)
    still = compile(text, loss="mee").fit(data, start=first, max_iterations=0)
    for name, weights in first.weights.items():
        np.testing.assert_array_equal(still.weights[name], weights)
    better = compile(text, loss="mee").fit(data, start=first)
    assert better.finished is not None and still.finished is not None
    assert better.finished.objective < still.finished.objective
    other = compile(text.replace("- b[", "- 2 * b["), loss="mee")
    with pytest.raises(RunError, match="factor `emit` of <string> is not the one"):
        other.fit(data, start=first)
