"""Only weights that an answer reads: against the same objective written out by hand."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import RunError, UsageError
from factorgraph.ground.transposed import Transposed, in_turns
from factorgraph.learn import objective as learn_objective
from factorgraph.learn import shards
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile

TEXT = """
domain Tag = {A, B, C}
domain Word = {u, v, w}
size n
given x[n] : Word
answer y[n] : Tag
param U[Tag, Word] ~ l2(0.5)
param T[Tag, Tag] ~ l2(0.25)
factor emit[t in n] = -U[y[t], x[t]]
factor move[t in 1..n-1] = -T[y[t-1], y[t]]
loss nll
"""
DATA: list[dict[str, Any]] = [
    {"x": ["u", "v", "u"], "y": ["A", "B", "A"]},
    {"x": ["v", "v"], "y": ["B", "A"]},
    {"x": ["u"], "y": ["A"]},
]
READ_U = {("A", "u"), ("B", "v"), ("A", "v")}
READ_T = {("A", "B"), ("B", "A")}
TAGS, WORDS = "ABC", "uvw"


def by_hand(data: list[dict[str, Any]], weights: dict[str, np.ndarray[Any, Any]]) -> float:
    """The nll over all sequences, one by one, and the penalties."""
    U, T = weights["U"], weights["T"]
    total = 0.25 * float((U**2).sum()) + 0.125 * float((T**2).sum())
    for item in data:
        words = [WORDS.index(w) for w in item["x"]]
        scores = {}
        for tags in product(range(3), repeat=len(words)):
            score = sum(U[k, w] for k, w in zip(tags, words, strict=True))
            scores[tags] = score + sum(T[a, b] for a, b in zip(tags[:-1], tags[1:], strict=True))
        agree = [
            s for tags, s in scores.items()
            if all(y is None or TAGS[k] == y for k, y in zip(tags, item["y"], strict=True))
        ]  # fmt: skip
        total += np.logaddexp.reduce(list(scores.values())) - np.logaddexp.reduce(agree)
    return float(total)


def best_by_hand(
    data: list[dict[str, Any]], read: list[tuple[str, int, int]]
) -> tuple[float, dict[str, np.ndarray[Any, Any]]]:
    def spread(v: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        weights = {"U": np.zeros((3, 3)), "T": np.zeros((3, 3))}
        for value, (name, i, j) in zip(v, read, strict=True):
            weights[name][i, j] = value
        return weights

    found = minimize(lambda v: by_hand(data, spread(v)), np.zeros(len(read)), tol=1e-12)
    return float(found.fun), spread(found.x)


def places(u: set[tuple[str, str]], t: set[tuple[str, str]]) -> list[tuple[str, int, int]]:
    out = [("U", TAGS.index(a), WORDS.index(w)) for a, w in sorted(u)]
    return out + [("T", TAGS.index(a), TAGS.index(b)) for a, b in sorted(t)]


def test_the_optimum_is_that_of_the_weights_read() -> None:
    value, weights = best_by_hand(DATA, places(READ_U, READ_T))
    run = compile(TEXT).fit(DATA, observed=True, tolerance=1e-9, progress=0)
    assert run.finished is not None and run.finished.converged
    assert run.finished.objective == pytest.approx(value, abs=1e-9)
    for name, array in weights.items():
        np.testing.assert_allclose(run.weights[name], array, atol=1e-5)
    everything = compile(TEXT).fit(DATA, tolerance=1e-9, progress=0)
    assert everything.finished is not None
    assert everything.finished.objective < value - 0.01


def test_missing_labels_read_what_any_value_reads() -> None:
    data = [{"x": ["u", "v"], "y": ["A", None]}, {"x": ["w"], "y": ["C"]}]
    read_u = {("A", "u"), ("A", "v"), ("B", "v"), ("C", "v"), ("C", "w")}
    read_t = {("A", "A"), ("A", "B"), ("A", "C")}
    value, weights = best_by_hand(data, places(read_u, read_t))
    run = compile(TEXT).fit(data, observed=True, tolerance=1e-9, progress=0)
    assert run.finished is not None
    assert run.finished.objective == pytest.approx(value, abs=1e-9)
    for name, array in weights.items():
        np.testing.assert_allclose(run.weights[name], array, atol=1e-5)


def free(text: str, data: list[dict[str, Any]]) -> int:
    model = compile(text)
    instances = bind(model.checked, from_python(data))
    with Crew(1) as crew:
        objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
        objective.keep_observed()
        return objective.coordinates.size


def test_how_many_are_free() -> None:
    assert free(TEXT, DATA) == len(READ_U) + len(READ_T)
    # an instance of weight 0 teaches nothing
    weightless = [*({**d, "weight": 1.0} for d in DATA), {"x": ["w"], "y": ["C"], "weight": 0.0}]
    assert free(TEXT, weightless) == len(READ_U) + len(READ_T)


def test_params_that_are_held_move_as_a_whole() -> None:
    text = TEXT.replace("param T[Tag, Tag] ~ l2(0.25)", "param T[Tag, Tag] : positive = 1")
    assert free(text, DATA) == len(READ_U) + 9
    run = compile(text).fit(DATA, observed=True, max_iterations=5)
    assert (run.weights["T"] > 0).all()
    assert run.weights["U"][TAGS.index("C")].tolist() == [0.0, 0.0, 0.0]


def test_latent_unknowns_read_what_any_value_reads() -> None:
    text = """
size n
given x[n] : 0..1
answer y[n] : 0..1
latent z[n] : 0..2
param U[2, 3] = normal(0, 1) ~ l2(1)
param V[3, 2] = normal(0, 1) ~ l2(1)
factor a[t in n] = -U[y[t], z[t]]
factor b[t in n] = -V[z[t], x[t]]
loss nll
"""
    data = [{"x": [0], "y": [1]}]
    assert free(text, data) == 3 + 3
    run = compile(text).fit(data, observed=True, max_iterations=3)
    assert run.weights["U"][0].tolist() == [0.0, 0.0, 0.0]  # its start, too, is given up
    assert run.weights["U"][1].all()


def test_a_kink_hides_nothing() -> None:
    text = TEXT.replace("= -U[y[t], x[t]]", "= max(U[y[t], x[t]], 0) + min(U[y[t], x[t]], 0) / 2")
    assert free(text, DATA) == len(READ_U) + len(READ_T)


def test_other_optimisers_are_refused() -> None:
    with pytest.raises(UsageError, match="not with --optimizer adagrad"):
        compile(TEXT).fit(DATA, observed=True, optimizer="adagrad")


def test_resuming_with_another_choice_is_refused(tmp_path: Path) -> None:
    model, file = compile(TEXT), tmp_path / "checkpoint.npz"
    stops = iter([False, True, True])
    model.fit(DATA, observed=True, checkpoint=file, stop=lambda: next(stops))
    assert file.exists()
    with pytest.raises(RunError, match="observed"):
        model.fit(DATA, checkpoint=file, resume=True)
    again = model.fit(DATA, observed=True, checkpoint=file, resume=True)
    once = model.fit(DATA, observed=True)
    for name, weights in once.weights.items():
        assert weights.tobytes() == again.weights[name].tobytes()


@pytest.mark.parametrize("threads", [1, 2])
def test_short_rows_change_no_result(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    tags = [f"t{k}" for k in range(12)]
    text = f"""
domain Tag = {{{", ".join(tags)}}}
domain Feat
size n
given x[n], z[n] : text
answer y[n] : Tag
let f[t in n] = features(Feat, x[t], z[t], x[t-1])
param U[Tag, Feat] ~ l2(0.5)
param T[Tag, Tag] ~ l2(0.25)
factor emit[t in n] = -dot(U[y[t]], f[t])
factor move[t in 1..n-1] = -T[y[t-1], y[t]]
loss nll
"""
    data = []
    for n in rng.integers(1, 9, 60).tolist():
        y = rng.integers(0, 12, n)
        x = np.where(rng.random(n) < 0.5, y, rng.geometric(0.1, n) + 12)
        data.append({
            "x": [f"a{v}" for v in x], "z": [f"b{v}" for v in rng.integers(0, 6, n)],
            "y": [tags[k] for k in y],
        })  # fmt: skip

    def fitted() -> tuple[Any, list[float]]:
        found: list[float] = []
        run = compile(text).fit(
            data, observed=True, threads=threads, max_iterations=12, progress=0,
            on_event=lambda e: found.append(e.objective) if hasattr(e, "norm") else None,
        )  # fmt: skip
        return run, found

    whole, path = fitted()
    turns: list[int] = []

    def many(*given: Any) -> list[Transposed]:
        made = in_turns(*given, limit=1000)
        turns.append(len(made))
        return made

    monkeypatch.setattr(learn_objective, "SHORTEN", 0)
    monkeypatch.setattr(learn_objective, "in_turns", many)
    monkeypatch.setattr(shards, "VARIABLES", 16)
    short, again = fitted()
    assert turns[0] > 1
    np.testing.assert_allclose(again, path, rtol=1e-9)
    for name, weights in whole.weights.items():
        np.testing.assert_allclose(short.weights[name], weights, rtol=1e-6, atol=1e-8)
        assert ((weights == 0) == (short.weights[name] == 0)).all()
