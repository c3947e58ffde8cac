"""The concave-convex procedure: no round raises the objective, and it ends where none lowers it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import UsageError
from factorgraph.learn.events import Epoch
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile

HIDDEN = """
size   n
given  x[n, 2] : real
answer y[n]    : 0..2
latent z[n]    : bit
param  U[3, 2, 2] = normal(0, 0.5) ~ l2(0.5)
param  A[3, 3] ~ l2(0.5)
factor emit[t in n]      = -dot(U[y[t], z[t]], x[t])
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
"""
PLAIN = HIDDEN.replace("latent z[n]    : bit\n", "").replace("U[3, 2, 2]", "U[3, 2]").replace(
    "U[y[t], z[t]]", "U[y[t]]"
)  # fmt: skip


def data() -> list[dict[str, Any]]:
    rng = np.random.default_rng(8)
    out = []
    for _ in range(30):
        y = rng.integers(0, 3, 4)
        side = rng.choice([-1.0, 1.0], 4)  # each label has two clusters: the latent's work
        angle = 2.1 * y
        x = np.stack([np.cos(angle) * side, np.sin(angle) * side], axis=1)
        out.append({"x": (x + rng.normal(0, 0.2, (4, 2))).tolist(), "y": y.tolist()})
    return out


def objective_of(model: Any, instances: Any, run: Any) -> float:
    with Crew(1) as crew:
        bound = bind(model.checked, from_python(instances))
        objective = Objective(model.compiled, load(model.compiled.text), bound, crew)
        return objective(objective.layout.pack(run.weights))[0]


@pytest.mark.parametrize(("text", "loss"), [(HIDDEN, "margin"), (PLAIN, "direct(eps = 0.5)")])
def test_rounds_lower_the_objective(text: str, loss: str) -> None:
    instances = data()
    model = compile(text, loss=loss)
    events: list[Epoch] = []
    first = compile(text, loss="nll").fit(instances)
    run = model.fit(
        instances, optimizer="cccp", start=first, gap=1e-3,
        on_event=lambda e: events.append(e) if isinstance(e, Epoch) else None,
    )  # fmt: skip
    assert run.finished is not None
    reached = [objective_of(model, instances, first), *(e.objective for e in events)]
    assert len(events) == run.finished.iterations >= 1
    assert all(b <= a + 1e-9 for a, b in zip(reached, reached[1:], strict=False))
    assert reached[-1] < reached[0]
    assert run.finished.objective == pytest.approx(objective_of(model, instances, run), rel=1e-9)
    # no small step lowers it by more than the inner gap allows
    with Crew(1) as crew:
        bound = bind(model.checked, from_python(instances))
        objective = Objective(model.compiled, load(model.compiled.text), bound, crew)
        flat = objective.layout.pack(run.weights)
        value = objective(flat)[0]
        slack = 3e-3 * abs(value) + 1e-9
        for d in np.random.default_rng(0).normal(size=(40, len(flat))):
            assert objective(flat + 1e-2 * d / np.linalg.norm(d))[0] >= value - slack


def test_a_convex_loss_ends_as_with_frank_wolfe() -> None:
    instances = data()
    model = compile(PLAIN, loss="margin")
    options: Any = {"gap": 1e-3, "max_iterations": 5000}
    convex = model.fit(instances, optimizer="frank-wolfe", **options)
    rounds = model.fit(instances, optimizer="cccp", **options)
    assert rounds.finished is not None and convex.finished is not None
    assert rounds.finished.converged and rounds.finished.iterations <= 2
    assert rounds.finished.objective == pytest.approx(convex.finished.objective, rel=3e-3)


def test_interrupted_rounds_go_on(tmp_path: Path) -> None:
    instances = data()
    model = compile(HIDDEN, loss="margin")
    whole = model.fit(instances, optimizer="cccp", seed=3)
    assert whole.finished is not None and whole.finished.iterations >= 1
    path = tmp_path / "state.npz"
    model.fit(instances, optimizer="cccp", seed=3, max_iterations=1000, checkpoint=path,
              stop=Stop(40))  # fmt: skip
    again = model.fit(instances, optimizer="cccp", seed=3, checkpoint=path, resume=True)
    for name, weights in whole.weights.items():
        np.testing.assert_array_equal(again.weights[name], weights)


class Stop:
    """True from the n-th time on."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> bool:
        self.left -= 1
        return self.left < 0


def test_what_cannot_be_held_is_refused() -> None:
    for loss in ("nll", "perceptron + square_exp"):
        with pytest.raises(UsageError, match="sums of least energies") as caught:
            compile(PLAIN, loss=loss).fit(data(), optimizer="cccp", unsafe=True)
        assert caught.value.code == "E0930"
    with pytest.raises(UsageError, match="--optimizer cccp|convex") as caught:
        compile(HIDDEN, loss="margin").fit(data(), optimizer="frank-wolfe")
    assert caught.value.hint == "--optimizer cccp"
    with pytest.raises(UsageError, match="--validate"):
        compile(PLAIN, loss="nll").fit(data(), validate=data())
