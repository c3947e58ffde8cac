"""Explanations are true: what they display is computed with, and held against slow losses."""

from __future__ import annotations

import importlib.util
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.syntax.parser import parse
from factorgraph.syntax.tree import LossChoice


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
slow_losses: Any = _load("slow_losses")
reading: Any = _load("explained")
HERE = Path(__file__).parent
LIBRARY = (HERE.parent / "models" / "losses.fg").read_text(encoding="utf-8")

CHAIN = """
domain Letter = 0..2
size   n, p = 2
given  x[n, p], area[n] : real
answer y[n]    : Letter
param  U[Letter, p] ~ l2(1), b[Letter] ~ l2(1)
param  A[Letter, Letter] ~ l2(1)
factor emit[t in n]      = -dot(U[y[t]], x[t]) - b[y[t]]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
"""
HIDDEN = """
size   n
given  x[n], area[n] : real
answer y[n] : 0..2
latent z[n] : bit
param  a[3], b, s : positive, W[3, 2]
factor emit[t in n]      = a[y[t]] * x[t] + W[y[t], z[t]]^2 * s
factor move[t in 1..n-1 if x[t] > -1] = b * (y[t] != y[t-1]) * x[t] / 2
factor lift[t in n]      = log(s) * z[t] * (y[t] - 1) - 0.5 * max(0, a[y[t]]) * z[t]
"""
FUNS = """
fun weighed(Y) = sum(area[t] * (Y.y[t] != answer.y[t]) for t in n)
"""
TEXTS = {"chain": CHAIN, "hidden": HIDDEN}
STATES = {"chain": {"y": 3}, "hidden": {"y": 3, "z": 2}}

LOSSES = """
energy
perceptron
hinge
hinge(m = 9)
logistic
lvq2(m = 3)
mce
mce(beta = 0.7)
square_square(m = 2)
square_exp
nll
nll(beta = 2)
mee(beta = 0.5)
likelihood
margin
margin(cost = weighed)
squared_margin
slack
softmax_margin(beta = 0.5, cost = weighed)
ramp
direct
unified(b1 = 1, b2 = 2, c = 0.5)
pseudo
pseudo_margin(m = 2)
piecewise
ratio
univariate(beta = 0.5)
smooth_hamming
0.3 * nll + energy^2 * sum(area[t] for t in n)
E(any) - min(2 * E(Y) - hamming(Y) for Y in any) / 2
sum(area[t] * (E(answer) - E(only(y[t]))) for t in n)
emit(any) - emit(answer)
max(E(answer) - E(only(v)) for v in answers)
""".strip().splitlines()


@cache
def data_of(name: str) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    n = 3 if name == "chain" else 2
    x = rng.normal(size=(n, 2) if name == "chain" else n).round(2).tolist()
    area = rng.uniform(0.5, 2, n).round(2).tolist()
    return {"n": n, "x": x, "area": area, "y": rng.integers(0, 3, n).tolist()}


@cache
def weights_of(name: str) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    shapes = slow.Slow(TEXTS[name]).shapes()
    found = {p: rng.normal(size=shape).round(3).tolist() for p, shape in shapes.items()}
    if "s" in found:
        found["s"] = abs(found["s"]) + 0.5
    return found


def value(name: str, loss: str, weights: dict[str, Any]) -> float:
    one = {k: v for k, v in data_of(name).items() if k != "n"}
    world = parsed(TEXTS[name] + FUNS).instance(one, weights)
    return float(slow_losses.Formula(world, parsed(LIBRARY)).value(formula(loss), {}))


@cache
def parsed(text: str) -> Any:
    return slow.Slow(text)


@cache
def formula(loss: str) -> Any:
    (statement,) = parse(f"loss {loss}").statements
    assert isinstance(statement, LossChoice)
    return statement.value


def put(weights: dict[str, Any], name: str, place: tuple[int, ...], more: float) -> dict[str, Any]:
    changed = deepcopy(weights)
    inside, keys = changed, (name, *place)
    for k in keys[:-1]:
        inside = inside[k]
    inside[keys[-1]] += more
    return changed


def readers(name: str, loss: str) -> Any:
    model = fg.compile(TEXTS[name] + FUNS, loss=loss)
    data = data_of(name)
    shapes = dict.fromkeys(STATES[name], (data["n"],))
    return reading.Reader(
        model.explanation(), data, {"y": data["y"]}, weights_of(name), STATES[name], shapes
    )


LATENT = """
energy
perceptron
hinge
mce(beta = 0.7)
square_exp
nll
margin
slack
softmax_margin(beta = 0.5, cost = weighed)
ramp
pseudo
univariate(beta = 0.5)
emit(any) - emit(answer)
""".strip().splitlines()


@pytest.mark.parametrize(
    ("name", "loss"), [*(("chain", o) for o in LOSSES), *(("hidden", o) for o in LATENT)]
)
def test_what_is_displayed_is_the_gradient(name: str, loss: str) -> None:
    """The steps, computed from the formulas on display, are differences of the slow losses."""
    weights = weights_of(name)
    reader = readers(name, loss)
    assert reader.loss() == pytest.approx(value(name, loss, weights), rel=1e-9, abs=1e-9)
    seen = set()
    for param, place, told in reader.gradients():
        seen.add(param)
        h = 1e-5
        up, down = (value(name, loss, put(weights, param, place, s)) for s in (h, -h))
        assert told == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7), (param, place)
    assert seen == set(weights)
