"""Weights that are held to something: their coordinates, gradients, and where training ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.ground.weights import whole
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile

ALL = """
domain D = {a, b, c}
size   n, k = 2
given  x[n, k] : real
given  w[n]    : D
answer y[n]    : D
param  P[D]    : positive = 0.7 ~ l1(0.3) + l2(0.2)
param  R[k]    : real(-1, 2) = 0.5 ~ l1(0.1)
param  s       : positive
param  U[D, k] : unit ~ l2(5)
param  M[D, D] : simplex = dirichlet(2) ~ l2(0.4)
param  F[D]    = normal(0, 0.5) ~ l2(0.1)
factor f[t in n] = -P[y[t]] * x[t, 0] - s * dot(U[y[t]], x[t]) + F[y[t]]
factor g[t in n] = -log(M[w[t], y[t]]) - dot(R, x[t]) * (y[t] == "b")
factor h[t in 1..n-1] = P[y[t]] * (y[t] == y[t-1])
loss   nll
"""


def data(rng: np.random.Generator, count: int = 6) -> list[dict[str, Any]]:
    out = []
    for _ in range(count):
        n = int(rng.integers(1, 4))
        out.append({
            "x": rng.normal(size=(n, 2)).tolist(), "y": list(rng.choice(list("abc"), n)),
            "w": list(rng.choice(["a", "c"], n)),
        })  # fmt: skip
    return out


def objective(text: str, items: list[dict[str, Any]]) -> Objective:
    model = compile(text)
    instances = bind(model.checked, from_python(items))
    return Objective(model.compiled, load(model.compiled.text), instances, Crew(1))


def held(name: str, weights: np.ndarray[Any, Any]) -> None:
    match name:
        case "P" | "s":
            assert (weights > 0).all()
        case "R":
            assert ((weights > -1) & (weights < 2)).all()
        case "U":
            np.testing.assert_allclose(np.linalg.norm(weights, axis=-1), 1)
        case "M":
            assert (weights > 0).all()
            np.testing.assert_allclose(weights.sum(axis=-1), 1)


def test_weights_are_what_they_are_held_to() -> None:
    model = compile(ALL)
    layout = whole(model.compiled, {})
    coordinates = Coordinates(layout)
    rng = np.random.default_rng(0)
    for scale in (0.1, 3.0, 30.0):
        flat = coordinates.weights(scale * rng.normal(size=layout.size))
        for name, weights in (
            layout.unpack(flat, model.init(0).weights).items() if scale < 30 else ()
        ):
            held(name, weights)
        again = coordinates.weights(coordinates.coordinates(flat))
        np.testing.assert_allclose(again, flat, atol=4e-3 if scale > 1 else 1e-9)


def test_nothing_is_copied_where_nothing_is_held() -> None:
    model = compile("answer y : 0..2 param w[3] factor f = w[y] loss nll")
    flat = np.arange(3.0)
    assert Coordinates(whole(model.compiled, {})).weights(flat) is flat


@pytest.mark.parametrize("loss", ["nll", "hinge(m = 2)", "square_exp"])
def test_gradients_against_differences(loss: str) -> None:
    rng = np.random.default_rng(1)
    text = ALL.replace("loss   nll", f"loss {loss}")
    smooth = objective(text, data(rng))
    assert smooth.l1.any() is np.False_  # all l1 is of weights that are held
    for _ in range(3):
        flat = rng.normal(size=smooth.layout.size)
        _, gradient = smooth(flat)
        gradient = gradient.copy()
        for k in range(len(flat)):
            step = 1e-6 * np.eye(len(flat))[k]
            difference = (smooth(flat + step)[0] - smooth(flat - step)[0]) / 2e-6
            assert gradient[k] == pytest.approx(difference, rel=2e-5, abs=2e-6), k


def test_training_keeps_what_weights_are_held_to() -> None:
    rng = np.random.default_rng(2)
    smooth = ALL.replace("= 0.5 ~ l1(0.1)", "= 0.5")  # its kink at 0 lies inside of the interval
    run = compile(smooth).fit(data(rng, 40), seed=3, progress=0.0)
    assert run.finished is not None and run.finished.converged
    for name, weights in run.weights.items():
        held(name, weights)
    np.testing.assert_array_equal(run.weights["M"][1], compile(ALL).init(3).weights["M"][1])


def test_a_simplex_finds_the_frequencies() -> None:
    text = "domain D = {a, b, c} given u : bit answer y : D param p[bit, D] : simplex " \
           "factor f = -log(p[u, y]) loss nll"  # fmt: skip
    items = [{"u": 0, "y": c} for c in "aaabbbbbcc"] + [{"u": 1, "y": c} for c in "aab"]
    run = compile(text).fit(items, tolerance=1e-9, progress=0.0)
    np.testing.assert_allclose(run.weights["p"][0], [0.3, 0.5, 0.2], atol=1e-6)
    np.testing.assert_allclose(run.weights["p"][1], [2 / 3, 1 / 3, 0], atol=1e-4)


def test_a_unit_vector_finds_the_direction() -> None:
    rng = np.random.default_rng(4)
    truth = np.array([0.6, -0.8])
    x = rng.normal(size=(400, 2))
    y = rng.random(400) < 1 / (1 + np.exp(-3 * x @ truth))
    text = "size k = 2 given x[k] : real answer y : bit param u[k] : unit, s : positive " \
           "factor f = -s * dot(u, x) * y loss nll"  # fmt: skip
    run = compile(text).fit([{"x": a.tolist(), "y": int(b)} for a, b in zip(x, y)], tolerance=1e-8)
    free = compile("size k = 2 given x[k] : real answer y : bit param u[k] "
                   "factor f = -dot(u, x) * y loss nll").fit(
        [{"x": a.tolist(), "y": int(b)} for a, b in zip(x, y)], tolerance=1e-8)  # fmt: skip
    np.testing.assert_allclose(run.weights["u"] * run.weights["s"], free.weights["u"], rtol=1e-5)


def test_an_interval_stops_at_its_end() -> None:
    text = "answer y : bit param w : real(-1, 1) factor f = -w * y loss nll"
    run = compile(text).fit([{"y": 1}] * 9 + [{"y": 0}], tolerance=1e-6, progress=0.0)
    assert 0.995 < run.weights["w"] < 1  # log 9 lies outside
    inside = compile(text).fit([{"y": 1}] * 6 + [{"y": 4 % 2}] * 4, tolerance=1e-9)
    assert inside.weights["w"] == pytest.approx(np.log(1.5), abs=1e-6)


def test_weights_that_no_data_touch_stay_within() -> None:
    text = "domain W given w : W answer y : bit param P[W] : positive = 2 ~ l2(1) " \
           "factor f = P[w] * y loss nll"  # fmt: skip
    model = compile(text)
    run = model.fit([{"w": "a", "y": 1}, {"w": "b", "y": 0}], seed=0)
    assert (run.weights["P"] > 0).all()


def test_extremes_of_coordinates_and_starts() -> None:
    text = "size k = 2 answer y : bit param u[k] : unit, p[k] : simplex " \
           "factor f = u[y] - log(p[y]) loss nll"  # fmt: skip
    layout = whole(compile(text).compiled, {})
    coordinates = Coordinates(layout)
    for scale in (1e-200, 1e160):
        u, _ = np.split(coordinates.weights(scale * np.array([3.0, -4.0, 0.0, 1.0])), 2)
        np.testing.assert_allclose(u, [0.6, -0.8])
    for start in ("normal(0, 0)", "1e308", "1e-300"):
        run = compile(text.replace("simplex", f"simplex = {start}")).init(0)
        np.testing.assert_allclose(run.weights["p"], [0.5, 0.5])
    features = (
        "domain Feat size n given w[n] : text answer y : bit param V[2, Feat] : simplex "
        "factor f[t in n] = -dot(V[y], features(Feat, w[t], min = 9)) loss nll"
    )
    for kind in ("simplex", "unit"):
        run = compile(features.replace("simplex", kind)).fit([{"w": ["a"], "y": 1}])
        assert run.weights["V"].shape == (2, 0)
