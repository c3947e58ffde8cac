"""Frank-Wolfe: against quadratic programs that another library solves, and its own certificate."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, minimize

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.errors import UsageError
from factorgraph.ground.vocabulary import fill_features
from factorgraph.learn.events import Epoch, Event, Started
from factorgraph.learn.frankwolfe import FrankWolfe
from factorgraph.learn.options import Options
from factorgraph.learn.shards import Crew

CHAIN = """
domain Tag = {A, B, C}
size   n
given  x[n] : real
answer y[n] : Tag
param  U[Tag] ~ l2(0.5), c[Tag] ~ l2(0.2), A[Tag, Tag] ~ l2(1)
factor emit[t in n]      = -x[t] * U[y[t]] - c[y[t]]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   margin
"""
LOOP = CHAIN.replace("loss ", "factor skip[t in 2..n-1] = -A[y[t-2], y[t]]\nloss ")
WORDS = """
domain Tag = {A, B}
domain Word
size   n
given  w[n] : Word
answer y[n] : Tag
param  U[Tag, Word] ~ l2(0.3), A[Tag, Tag] ~ l2(1)
factor emit[t in n]      = -U[y[t], w[t]]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   margin
"""
LISTS = WORDS.replace("domain Word", "domain Feat").replace("w[n] : Word", "w[n] : text")
LISTS = LISTS.replace("Tag, Word", "Tag, Feat").replace(
    "-U[y[t], w[t]]", "-dot(U[y[t]], features(Feat, w[t], w[t+1], w[t-1], w[t] & w[t-1], w[t+2]))"
)


def data(count: int = 8, seed: int = 1) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        n = int(rng.integers(2, 4))
        x = rng.normal(size=n).round(2)
        y = [("ABC"[int(v > -0.5) + int(v > 0.6)]) if rng.random() < 0.8 else "A" for v in x]
        out.append({"x": x.tolist(), "y": y})
    return out


def words(count: int = 30) -> list[dict[str, Any]]:
    rng = np.random.default_rng(4)
    out = []
    for _ in range(count):
        w = rng.choice(list("abcdefghijklmnop"), int(rng.integers(1, 5))).tolist()
        y = ["AB"[ord(c) % 2] if rng.random() < 0.85 else "A" for c in w]
        out.append({"w": w, "y": y})
    return out


def program(text: str, items: list[dict[str, Any]], cost: float = 1.0) -> float:
    """Return the least objective, from all configurations, by a solver of quadratic programs."""
    model = fg.compile(text)
    run = model.init(0, items)
    names = list(run.weights)
    sizes = [run.weights[n].size for n in names]
    count = sum(sizes)
    l2 = np.concatenate(
        [np.full(s, model.checked.params[n].l2) for n, s in zip(names, sizes, strict=True)]
    )

    def slopes(some: list[dict[str, Any]]) -> np.ndarray[Any, Any]:
        """Return d energy / d weights of configurations, one weight after the other."""
        out = []
        for n in names:
            for j in range(run.weights[n].size):
                weights = {k: np.zeros_like(w) for k, w in run.weights.items()}
                weights[n].reshape(-1)[j] = 1.0
                out.append(fg.pipeline.Run(model, weights, {}).energy(some))
        return np.array(out).T

    rows, low = [], []
    for i, item in enumerate(items):
        every = [{**item, "y": list(y)} for y in itertools.product("ABC", repeat=len(item["y"]))]
        features = slopes(every)
        own = slopes([item])[0]
        for other, feature in zip(every, features, strict=True):
            wrong = sum(a != b for a, b in zip(other["y"], item["y"], strict=True))
            slack = np.zeros(len(items))
            slack[i] = 1.0
            rows.append(np.concatenate([feature - own, slack]))
            low.append(cost * wrong)

    def value(z: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
        w = z[:count]
        gradient = np.concatenate([l2 * w, np.ones(len(items))])
        return float(0.5 * (l2 * w) @ w + z[count:].sum()), gradient

    start = np.concatenate([np.zeros(count), [float(len(d["y"])) for d in items]])
    found = minimize(
        value, start, jac=True, method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
        constraints=[LinearConstraint(np.array(rows), np.array(low), np.inf)],
        bounds=Bounds(np.full(len(start), -np.inf), np.inf),
    )  # fmt: skip
    assert found.success
    return float(found.fun)


@pytest.mark.parametrize("text", [CHAIN, LOOP])
def test_the_optimum_of_a_quadratic_program(text: str) -> None:
    """Of a chain and of a ring; the bound is a bound."""
    items = data()
    best = program(text, items)
    heard: list[Event] = []
    run = fg.compile(text).fit(items, gap=1e-3, max_iterations=2000, on_event=heard.append)
    end = run.finished
    assert end is not None and end.converged and end.duality_gap is not None
    assert best - 1e-6 <= end.objective <= best * 1.001
    assert end.objective - end.duality_gap <= best + 1e-6
    assert end.duality_gap <= 1e-3 * end.objective
    started = next(e for e in heard if isinstance(e, Started))
    assert "Frank-Wolfe" in started.optimizer and "convex" in started.why
    gaps = [e.duality_gap for e in heard if isinstance(e, Epoch) and e.duality_gap is not None]
    assert gaps[-1] < gaps[0]


def solver(text: str, items: list[dict[str, Any]], **options: Any) -> FrankWolfe:
    model = fg.compile(text)
    instances = fill_features(bind(model.checked, model.records_of(items)))
    chosen = Options(optimizer="frank-wolfe", **options)
    many = 0 if chosen.batch is None else len(items) + 1
    return FrankWolfe(model.compiled, load(model.compiled.text), instances, chosen, many=many)


def passed(one: FrankWolfe, count: int) -> Any:
    state = one.start()
    for _ in range(count):
        bound = one.dual(state)
        while state.position < one.units:
            one.unit(state)
        state.passes, state.position = state.passes + 1, 0
        assert one.dual(state) >= bound - 1e-12, "no step lowers the bound"
    return state


@pytest.mark.parametrize(("text", "items"), [(CHAIN, data()), (WORDS, words()), (LISTS, words())])
def test_walking_and_blocks_of_one_do_the_same(text: str, items: list[dict[str, Any]]) -> None:
    """Also where an instance touches some of the weights only, and its plane is packed."""
    fast, slow = solver(text, items), solver(text, items, batch=1)
    assert fast.walk is not None
    assert slow.walk is None and slow.units == len(items)
    a, b = passed(fast, 5), passed(slow, 5)
    np.testing.assert_allclose(a.w, b.w, atol=1e-12)
    np.testing.assert_allclose(a.planes, b.planes, atol=1e-12)
    np.testing.assert_allclose(a.mean, b.mean, atol=1e-12)
    if text is not CHAIN:
        assert fast.source.size < len(items) * fast.layout.size
    # the weights are those that belong to the planes
    total = np.zeros(fast.layout.size)
    block, start = fast.source.blocks[0], fast.source.table.start
    for i in range(len(items)):
        at = int(block.begin[i])
        for r in block.rows[block.starts[i] : block.starts[i + 1]]:
            size = start[r + 1] - start[r]
            total[start[r] : start[r + 1]] += a.planes[at : at + size]
            at += size
    np.testing.assert_allclose(a.w, -total / fast.curve, atol=1e-10)


@pytest.mark.parametrize("loss", ["hinge", "softmax_margin", "nll", "logistic"])
def test_other_convex_losses(loss: str) -> None:
    """Their planes are tangents; L-BFGS finds the optimum of the smooth ones."""
    items, model = data(6), fg.compile(CHAIN, loss=loss)
    run = model.fit(items, optimizer="frank-wolfe", gap=1e-2, max_iterations=1000)
    assert run.finished is not None and run.finished.converged
    if loss in ("softmax_margin", "nll"):
        best = model.fit(items, optimizer="lbfgs", tolerance=1e-7, progress=0).finished
        assert best is not None
        assert best.objective <= run.finished.objective + 1e-9
        assert run.finished.objective <= best.objective * 1.01
    if loss == "softmax_margin":
        assert run.finished.duality_gap is not None
        assert run.finished.objective - run.finished.duality_gap <= best.objective


def test_threads_and_interruptions_change_nothing(tmp_path: Path) -> None:
    model, items = fg.compile(CHAIN), data(30)
    options = {"optimizer": "frank-wolfe", "max_iterations": 9, "gap": 0.0, "seed": 2}
    alone = model.fit(items, threads=1, **options)
    path = tmp_path / "checkpoint.npz"
    for at in (1, 4, 8):
        asked = [0]

        def stop(at: int = at, asked: list[int] = asked) -> bool:
            asked[0] += 1
            return asked[0] >= at

        part = model.fit(items, checkpoint=path, stop=stop, threads=2, **options)
        assert part.finished is not None and "interrupted" in part.finished.status
        again = model.fit(items, checkpoint=path, resume=True, **options)
        for name in alone.weights:
            np.testing.assert_array_equal(again.weights[name], alone.weights[name])
    assert alone.finished is not None and alone.finished.unfinished
    more = model.fit(items, checkpoint=path, resume=True, **(options | {"max_iterations": 12}))
    full = model.fit(items, **(options | {"max_iterations": 12}))
    for name in full.weights:
        np.testing.assert_array_equal(more.weights[name], full.weights[name])


def test_certified_objective_is_the_objective() -> None:
    one = solver(CHAIN, data(20))
    state = passed(one, 7)
    with Crew(2) as crew:
        gap = one.primal(state.w, crew) - one.dual(state)
    assert gap > 0
    state = passed(one, 60)
    with Crew(1) as crew:
        assert one.primal(state.w, crew) - one.dual(state) < gap


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CHAIN.replace(" ~ l2(0.2)", ""), "`c` has no l2"),
        (CHAIN.replace("l2(0.2)", "l2(0.2) + l1(1)"), "`c` has an l1 penalty"),
        (CHAIN.replace("c[Tag] ~", "c[Tag] : positive ~"), "`c` is held to something"),
        (CHAIN.replace("- c[y[t]]", "- c[y[t]]^2"), "factor `emit` is not"),
        (CHAIN.replace("loss   margin", "loss lvq2"), "`lvq2` is not"),
    ],
)
def test_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        fg.compile(text).fit(data(), optimizer="frank-wolfe")
    assert caught.value.hint and caught.value.code == "E0930"


def test_answers_left_open_are_no_convex_loss() -> None:
    items = data()
    items[0] = {"x": [1.0, 2.0], "y": ["A", None]}
    with pytest.raises(UsageError, match="leave something open"):
        fg.compile(CHAIN).fit(items, optimizer="frank-wolfe")


def test_where_planes_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """`auto` takes another optimiser then, and says so; who asked for it is told."""
    from factorgraph.errors import BudgetError

    def full(*_: Any) -> None:
        raise BudgetError("too large", code="E0900")

    monkeypatch.setattr("factorgraph.learn.fit.FrankWolfe", full)
    heard: list[Event] = []
    fg.compile(CHAIN).fit(data(), on_event=heard.append, max_iterations=2)
    started = next(e for e in heard if isinstance(e, Started))
    assert started.optimizer == "L-BFGS" and "would not fit" in started.why
    with pytest.raises(BudgetError):
        fg.compile(CHAIN).fit(data(), optimizer="frank-wolfe")
