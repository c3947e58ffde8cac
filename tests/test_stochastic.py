"""Stochastic optimisers: against formulas written out step by step, against optima, resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.bind import bind
from factorgraph.errors import NumericalError, RunError, UsageError
from factorgraph.ground.ground import ground
from factorgraph.ground.vocabulary import fill_features
from factorgraph.ground.weights import compact
from factorgraph.learn import steps
from factorgraph.learn.events import Epoch, Event
from factorgraph.learn.minibatch import cuts, order
from factorgraph.learn.rows import RowTable, touched_rows

TEXT = """
domain Tag = {A, B, C}
domain Word
domain Feat
size   n
given  w[n] : Word
given  x[n] : real
answer y[n] : Tag
param  U[Tag, Word] ~ l2(0.3), V[Tag, Feat] ~ l2(0.2) + l1(0.05), c[Tag] ~ l2(1)
param  A[Tag, Tag] ~ l2(0.5)
factor emit[t in n]      = -U[y[t], w[t]] - x[t] * c[y[t]]
let    f[t in n]         = features(Feat, w[t], w[t+1], w[t-1] & w[t], w[t+2], w[t-1])
factor more[t in n]      = -dot(V[y[t]], f[t])
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   nll
"""
SMOOTH = TEXT.replace(" + l1(0.05)", "")


def data(count: int = 40, seed: int = 3) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        n = int(rng.integers(1, 7))
        w = rng.choice(list("abcdefghijkl"), n)
        y = ["ABC"[(ord(c) + int(rng.random() < 0.2)) % 3] for c in w]
        out.append({"w": w.tolist(), "x": rng.normal(size=n).round(3).tolist(), "y": y})
    return out


def trained(text: str, **options: Any) -> fg.Run:
    return fg.compile(text).fit(data(), **options)


def status(run: fg.Run) -> str:
    assert run.finished is not None
    return run.finished.status


def same(a: fg.Run, b: fg.Run) -> None:
    for name in a.weights:
        np.testing.assert_array_equal(a.weights[name], b.weights[name])


# -- rows and steps


def test_rows_are_those_whose_weights_change_the_energy() -> None:
    model = fg.compile(TEXT)
    instances = fill_features(bind(model.checked, model.records_of(data(6))))
    layout, (grounding,) = compact(
        model.compiled, instances.vocabularies, [ground(model.compiled, instances)]
    )
    table = RowTable(model.compiled, layout)
    starts, rows = touched_rows(table, grounding)
    assert table.start[-1] == layout.size and (np.diff(table.start) > 0).all()
    run = model.init(0, data(6))
    base = run.energy(data(6))
    for row in range(table.count):
        flat = layout.pack(run.weights)
        flat[table.start[row] : table.start[row + 1]] += 1.0
        moved = fg.pipeline.Run(
            model, layout.unpack(flat, run.weights), dict(instances.vocabularies)
        ).energy(data(6))
        for i in range(6):
            if abs(moved[i] - base[i]) > 1e-9:
                assert row in rows[starts[i] : starts[i + 1]]


def written_out(kind: str, rate: float, l2: float, l1: float, slopes: list[dict[int, float]]):
    """Return weights and their sums over steps, every regulariser applied at every step."""
    x, total = np.linspace(-0.5, 0.5, 6), np.zeros(6)
    moment, square, seen = np.zeros(6), np.zeros(6), np.zeros(6, int)
    for slope in slopes:
        own = np.full(6, rate)
        step = np.zeros(6)
        for j, g in slope.items():
            if kind == "adagrad":
                square[j] += g * g
            if kind == "adam":
                seen[j] += 1
                moment[j] = 0.9 * moment[j] + 0.1 * g
                square[j] = 0.999 * square[j] + 0.001 * g * g
                g = moment[j] / (1 - 0.9 ** seen[j])
            step[j] = g
        if kind == "adagrad":
            own = rate / (np.sqrt(square) + 1e-8)
        if kind == "adam":
            with np.errstate(invalid="ignore"):
                corrected = np.where(seen > 0, square / (1 - 0.999**seen), 0.0)
            own = rate / (np.sqrt(corrected) + 1e-8)
        moved = x - own * step
        x = np.sign(moved) * np.maximum(np.abs(moved) - own * l1, 0) / (1 + own * l2)
        total += x
    return x, total


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "adam"])
@pytest.mark.parametrize(("l2", "l1"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.01), (0.2, 0.01)])
def test_regularisers_that_wait_do_what_eager_ones_do(kind: str, l2: float, l1: float) -> None:
    rng = np.random.default_rng(1)
    slopes = [
        {int(j): float(rng.normal()) for j in rng.choice(6, rng.integers(0, 3), replace=False)}
        for _ in range(60)
    ]
    slopes[0] = dict(enumerate(rng.normal(size=6)))
    expected, expected_total = written_out(kind, 0.05, l2, l1, slopes)
    start = np.arange(7)
    x, total, last = np.linspace(-0.5, 0.5, 6), np.zeros(6), np.zeros(6, np.int64)
    square, moment = np.zeros(6), np.zeros(6)
    seen, gradient = np.zeros(6, np.int64), np.zeros(6)
    a, b = np.full(6, l2), np.full(6, l1)
    k = steps.KINDS[kind]
    for now, slope in enumerate(slopes):
        rows = np.array(sorted(slope), np.int64)
        steps.catch_up(rows, start, k, 0.05, now, a, b, x, square, seen, last, total, True)
        for j, g in slope.items():
            gradient[j] = g
        steps.advance(
            rows, start, k, 0.05, now + 1, 1.0, a, b, gradient, x, moment, square, seen, last,
            total, True,
        )  # fmt: skip
    every = np.arange(6)
    steps.catch_up(every, start, k, 0.05, len(slopes), a, b, x, square, seen, last, total, True)
    np.testing.assert_allclose(x, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(total, expected_total, rtol=1e-9, atol=1e-12)
    assert not gradient.any()


def test_instances_are_dealt_once_each() -> None:
    assert sorted(order(23, 5, 1).tolist()) == list(range(23))
    assert order(23, 5, 1)[:5].max() == 4, "a shard holds what follows each other"
    assert cuts(2, 9, 3) == [(2, 4), (4, 6), (6, 9)] and cuts(0, 0, 3) == []


# -- optima


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "adam"])
def test_whole_batches_reach_the_optimum(kind: str) -> None:
    best = trained(SMOOTH, tolerance=1e-8, progress=0.0)
    run = trained(
        SMOOTH, optimizer=kind, batch=1000, epochs=1500, tolerance=1e-3,
        rate={"sgd": 1.0, "adagrad": 1.0, "adam": 0.02}[kind],
    )  # fmt: skip
    assert run.finished is not None and best.finished is not None
    assert run.finished.converged and "gradient norm" in status(run)
    assert run.finished.objective == pytest.approx(best.finished.objective, rel=1e-6)
    for name in best.weights:
        np.testing.assert_allclose(run.weights[name], best.weights[name], atol=3e-3)


def test_l1_leaves_the_same_weights_at_zero() -> None:
    best = trained(TEXT, tolerance=1e-9, progress=0.0)
    run = trained(TEXT, optimizer="sgd", batch=1000, epochs=4000, rate=2.0, tolerance=1e-5)
    assert status(run).startswith("converged")
    assert ((run.weights["V"] == 0) == (best.weights["V"] == 0)).all()
    assert 0 < (run.weights["V"] == 0).sum() < run.weights["V"].size


@pytest.mark.parametrize("kind", ["sgd", "adagrad", "adam"])
def test_small_batches_come_near_and_do_not_claim_more(kind: str) -> None:
    best = trained(TEXT, tolerance=1e-7, progress=0.0)
    run = trained(
        TEXT, optimizer=kind, batch=4, epochs=200, schedule="cosine",
        rate={"sgd": 1.0, "adagrad": 0.5, "adam": 0.05}[kind],
    )  # fmt: skip
    assert run.finished is not None and best.finished is not None
    assert status(run).startswith("stopped after 200 epochs, gradient norm")
    assert not run.finished.converged and run.finished.unfinished
    assert best.finished.objective < run.finished.objective < 1.02 * best.finished.objective


def test_held_weights_are_trained_too() -> None:
    text = SMOOTH.replace("A[Tag, Tag] ~ l2(0.5)", "A[Tag, Tag] : positive ~ l2(0.5)")
    best = trained(text, tolerance=1e-7, progress=0.0)
    run = trained(text, optimizer="adam", batch=1000, epochs=3000, rate=0.02, tolerance=1e-3)
    assert run.finished is not None and best.finished is not None
    assert run.finished.objective == pytest.approx(best.finished.objective, rel=1e-3)
    assert (run.weights["A"] > 0).all()


def test_what_maps_are_fed_with_is_trained_by_rows() -> None:
    text = """
    domain Tag = {A, B, C}
    domain Word
    size   n
    given  w[n] : Word
    answer y[n] : Tag
    param  E[Word, 4] = normal(0, 0.5) ~ l2(0.1)
    map    G = mlp(4, 6, Tag)
    factor emit[t in n] = -G(E[w[t]])[y[t]]
    loss   nll
    """
    best = trained(text)
    run = trained(text, optimizer="adam", batch=4, epochs=100)
    assert run.finished is not None and best.finished is not None
    assert run.finished.objective < 1.05 * best.finished.objective


def test_averages_and_clipping() -> None:
    """The mean over steps is steadier; a clipped step is no longer than the rate allows."""
    options = {"optimizer": "sgd", "batch": 1, "epochs": 12, "rate": 0.5}
    last, mean = trained(SMOOTH, **options), trained(SMOOTH, average=True, **options)
    assert last.finished is not None and mean.finished is not None
    assert mean.finished.objective < last.finished.objective
    one = trained(SMOOTH, optimizer="sgd", batch=1000, epochs=1, rate=1.0, clip=1e-3)
    moved = np.sqrt(sum((w**2).sum() for w in one.weights.values()))
    assert 0.9e-3 < moved <= 1e-3


def test_perceptron() -> None:
    clean = [{**d, "y": ["ABC"[ord(c) % 3] for c in d["w"]]} for d in data()]
    model = fg.compile(TEXT, loss="perceptron")
    run = model.fit(clean, epochs=50)
    assert run.finished is not None and run.finished.converged
    assert "no mistake in epoch" in status(run)
    assert run.evaluate(clean).overall == 1.0
    noisy = model.fit(data(), epochs=3)
    assert status(noisy) == "stopped after 3 epochs"


def test_validation_keeps_the_best_weights() -> None:
    heard: list[Event] = []
    model, held_out = fg.compile(SMOOTH), data(30, seed=9)
    run = model.fit(
        data(), optimizer="sgd", rate=3.0, batch=1, epochs=200, validate=held_out, patience=4,
        on_event=heard.append,
    )  # fmt: skip
    scores = [e.score for e in heard if isinstance(e, Epoch)]
    assert status(run).startswith("stopped early: 4 epochs without a better score")
    assert len(scores) < 200
    known = [s for s in scores if s is not None]
    assert len(known) == known.index(max(known)) + 5
    assert run.evaluate(held_out).overall == max(known)


# -- told, kept, refused


@pytest.mark.parametrize("kind", ["sgd", "adam", "adagrad", "perceptron"])
def test_threads_and_interruptions_change_nothing(kind: str, tmp_path: Path) -> None:
    text = SMOOTH if kind != "perceptron" else SMOOTH.replace("nll", "perceptron")
    model = fg.compile(text)
    options = {"optimizer": kind, "batch": 3, "epochs": 4, "average": True, "shard": 17, "seed": 5}
    alone = model.fit(data(), threads=1, **options)
    same(alone, model.fit(data(), threads=2, **options))
    path = tmp_path / "checkpoint.npz"
    for at in (1, 14, 15, 33, 56):  # epochs have 14 steps
        asked = [0]

        def stop(at: int = at, asked: list[int] = asked) -> bool:
            asked[0] += 1
            return asked[0] >= at

        part = model.fit(data(), checkpoint=path, stop=stop, threads=2, **options)
        assert "interrupted" in status(part) and path.is_file()
        again = model.fit(data(), checkpoint=path, resume=True, **options)
        same(again, alone)
        assert status(again) == status(alone)
        path.unlink()


def test_more_epochs_go_on_from_where_they_ran_out(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    options = {"optimizer": "adagrad", "batch": 4}
    alone = trained(SMOOTH, epochs=7, **options)
    trained(SMOOTH, epochs=3, checkpoint=path, **options)
    same(trained(SMOOTH, epochs=7, checkpoint=path, resume=True, **options), alone)
    with pytest.raises(RunError, match="`rate` is not the same"):
        trained(SMOOTH, epochs=7, checkpoint=path, resume=True, rate=0.2, **options)
    full = fg.compile(SMOOTH).fit(data(), max_iterations=9, progress=0)
    fg.compile(SMOOTH).fit(data(), max_iterations=4, progress=0, checkpoint=path)
    more = fg.compile(SMOOTH).fit(
        data(), max_iterations=9, progress=0, checkpoint=path, resume=True
    )
    same(more, full)


def test_what_goes_wrong_names_the_step() -> None:
    text = SMOOTH.replace("- x[t] * c[y[t]]", "- x[t] * exp(500 * c[y[t]])")
    with pytest.raises(NumericalError, match=r"instance \d+.* in step \d+ of epoch \d+") as caught:
        trained(text, optimizer="sgd", rate=50.0, batch=2)
    assert "factor" in caught.value.message or "loss" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        (TEXT, {"optimizer": "lbfgs"}, "l1 penalty of `V`"),
        (SMOOTH, {"optimizer": "perceptron"}, r"E\(answer\) - E\(any\)"),
        (SMOOTH, {"optimizer": "adagard"}, "one of auto"),
        (SMOOTH, {"optimizer": "sgd", "rate": 0.0}, "`rate` is a positive number"),
        (SMOOTH, {"optimizer": "sgd", "batch": 0}, "`batch` is at least 1"),
        (SMOOTH, {"optimizer": "sgd", "schedule": "steep"}, "`schedule` is one of"),
    ],
)
def test_refused(text: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        trained(text, **options)
