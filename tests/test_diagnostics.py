"""What is told while weights are trained: figures against enumeration, slopes against the table of
losses, alarms in trainings that collapse and none in those that do not."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.factors.table import energy
from factorgraph.learn import diagnostics
from factorgraph.learn.collapse import LOOKS, Watchman
from factorgraph.learn.diagnosis import EDGES, Alarm, Diagnosis
from factorgraph.learn.events import Event
from factorgraph.learn.ration import SHARE, Ration

CHAIN = """
domain Tag = {A, B, C}
size   n
given  x[n] : real
answer y[n] : Tag
param  U[Tag] = normal(0, 1) ~ l2(0.1)
param  b[Tag] = normal(0, 1) ~ l2(0.1)
param  T[Tag, Tag] = normal(0, 1) ~ l2(0.1)
factor emit[t in n]      = U[y[t]] * x[t] + b[y[t]]
factor move[t in 1..n-1] = T[y[t-1], y[t]]
hard   start             : y[0] != "C"
loss   nll
"""

CODES = """
domain C = 0..4
size   p = 4, d = 3
given  x[p] : real
answer y    : C
param  U[C, d] = normal(0, 1)
map    g = mlp(p, 8, d)
factor match = norm(U[y] - g(x))^2
loss   nll
"""

LABELS = "ABC"
SQUARE = Path(fg.__file__).parent.parent / "models" / "square"


def chains(count: int, seed: int = 0) -> list[dict[str, Any]]:
    random = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        n = int(random.integers(1, 4))
        y = [LABELS[k] for k in random.integers(0, 3, n)]
        y[0] = LABELS[int(random.integers(0, 2))]
        out.append({"x": random.normal(size=n).round(3).tolist(), "y": y})
    return out


def codes(count: int = 200) -> dict[str, Any]:
    random = np.random.default_rng(0)
    y = random.integers(0, 5, count)
    centre = random.normal(size=(5, 4))
    return {"x": 0.5 * random.normal(size=(count, 4)) + centre[y], "y": y}


@pytest.fixture(autouse=True, scope="module")
def often() -> Iterator[None]:
    """Look at each iteration, however fast the machine is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnostics.Ration, "due", True)
        yield


def train(model: fg.Model, data: Any, **how: Any) -> tuple[fg.Run, list[Diagnosis], list[Alarm]]:
    heard: list[Event] = []
    run = model.fit(data, on_event=heard.append, threads=1, unsafe=True, **how)
    looks = [e for e in heard if isinstance(e, Diagnosis)]
    json.dumps([e.as_dict() for e in heard], allow_nan=False)
    return run, looks, [e for e in heard if isinstance(e, Alarm)]


def enumerated(run: fg.Run, data: Sequence[dict[str, Any]]) -> list[dict[tuple[str, ...], Any]]:
    """Return the energies by factor of all configurations of each instance, the answer first."""
    out = []
    for one in data:
        own = tuple(one["y"])
        every = sorted(itertools.product(LABELS, repeat=len(own)), key=lambda y: y != own)
        parts = run.energies([{"x": one["x"], "y": list(y)} for y in every])
        out.append({y: {f: v[k] for f, v in parts.items()} for k, y in enumerate(every)})
    return out


@pytest.fixture(scope="module")
def chain() -> tuple[fg.Run, Diagnosis, list[dict[str, Any]]]:
    data = chains(40)
    run, looks, alarms = train(fg.compile(CHAIN), data, max_iterations=5)
    assert looks[0].iteration == 1 and looks[-1].iteration == 5 and not alarms
    return run, looks[-1], data


def test_energies_and_gaps_are_those_of_enumeration(chain: Any) -> None:
    run, look, data = chain
    answer, best, wrong, gaps, shares = [], [], [], [], []
    nats = unknowns = 0.0
    for every in enumerated(run, data):
        total = {y: sum(parts.values()) for y, parts in every.items()}
        own, *others = total
        second = min(others, key=total.__getitem__)
        answer.append(total[own])
        best.append(min(total.values()))
        wrong.append(total[second])
        gaps.append(total[second] - total[own])
        shares.append({f: every[second][f] - every[own][f] for f in every[own]})
        energies = np.array([e for e in total.values() if np.isfinite(e)])
        share = np.exp(energies.min() - energies)
        share /= share.sum()
        nats -= float((share * np.log(share)).sum())
        unknowns += len(own)
    assert look.instances == len(data) and look.inference.startswith("exact")
    assert look.answer == pytest.approx(np.mean(answer))
    assert look.best == pytest.approx(np.mean(best))
    assert look.wrong == pytest.approx(np.mean(wrong))
    assert look.gap == pytest.approx(np.mean(gaps))
    assert look.above_zero == np.mean(np.array(gaps) > 0)
    assert look.entropy == pytest.approx(nats / unknowns)
    assert look.search_errors == 0 and look.tied == 0
    bins = np.histogram(gaps, [-np.inf, *EDGES, np.inf])[0]
    assert look.histogram == bins.tolist() and sum(bins) == len(data)
    for factor in ("emit", "move", "start"):
        assert look.shares[factor] == pytest.approx(np.mean([s[factor] for s in shares]))
    points = sorted([a, w, b] for a, w, b in zip(answer, wrong, best, strict=True))
    np.testing.assert_allclose(sorted(look.points), points, rtol=1e-4, atol=1e-4)


def test_offenders_are_the_answers_with_the_smallest_gaps(chain: Any) -> None:
    run, look, data = chain
    gaps = []
    for i, every in enumerate(enumerated(run, data)):
        total = {y: sum(parts.values()) for y, parts in every.items()}
        own, *others = total
        second = min(others, key=total.__getitem__)
        gaps.append((total[second] - total[own], i, second, total[own]))
    for told, (gap, i, second, own) in zip(look.offenders, sorted(gaps), strict=False):
        assert told.place.endswith(f"instance {i}")
        assert told.answer == {"y": data[i]["y"]} and told.wrong == {"y": list(second)}
        assert told.energy == pytest.approx(own)
        assert told.wrong_energy - told.energy == pytest.approx(gap)
        assert sum(told.factors.values()) == pytest.approx(gap)
    assert len(look.offenders) == diagnostics.OFFENDERS


FORMULAS: dict[str, Any] = {
    "energy": lambda c, i, rest: (1.0, 0.0),
    "perceptron": lambda c, i, rest: (float(c > i), float(c > i)),
    "hinge(m = 2)": lambda c, i, rest: (float(c - i > -2), float(c - i > -2)),
    "logistic": lambda c, i, rest: (sigmoid(c - i), sigmoid(c - i)),
    "mce": lambda c, i, rest: (sigmoid(c - i) * sigmoid(i - c),) * 2,
    "square_exp": lambda c, i, rest: (2 * c, np.exp(-i)),
    "square_square(m = 3)": lambda c, i, rest: (2 * c, 2 * max(0.0, 3 - i)),
    "nll(beta = 2)": lambda c, i, rest: (1 - gibbs(c, rest, 2.0),) * 2,
    "mee": lambda c, i, rest: (gibbs(c, rest, 1.0) * (1 - gibbs(c, rest, 1.0)),) * 2,
}
"""Slopes in the answer's energy, and those in the others' with the sign turned.

Reference: LeCun, Chopra, Hadsell, Ranzato and Huang, "A Tutorial on Energy-Based Learning" (2006),
table 1.
"""


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def gibbs(own: float, rest: np.ndarray, beta: float) -> float:
    return float(1 / (1 + np.exp(beta * (own - rest)).sum()))


@pytest.mark.parametrize("loss", FORMULAS)
def test_slopes_are_those_of_the_table(loss: str) -> None:
    data = chains(12, seed=1)
    run, looks, _ = train(fg.compile(CHAIN, loss=loss), data, optimizer="sgd", rate=1e-9, epochs=1)
    found, gaps = [], []
    for every in enumerated(run, data):
        total = np.array([sum(parts.values()) for parts in every.values()])
        gaps.append(total[1:].min() - total[0])
        found.append(FORMULAS[loss](total[0], total[1:].min(), total[1:]))
    slopes = looks[-1].slopes
    assert slopes is not None
    np.testing.assert_allclose([slopes.answer, slopes.wrong], np.mean(found, axis=0), atol=1e-6)
    margins = {"hinge(m = 2)": 2.0}
    assert looks[-1].margin == margins.get(loss)
    if loss in margins:
        assert looks[-1].above_margin == np.mean(np.array(gaps) > margins[loss])
    idle = np.mean([abs(a) < 1e-9 and abs(w) < 1e-9 for a, w in found])
    assert slopes.idle == pytest.approx(idle)


@pytest.mark.parametrize("loss", ["pseudo", "margin", "slack", "piecewise", "ramp"])
def test_what_pulls_and_what_pushes_are_of_one_size(loss: str) -> None:
    """Such losses are of differences of energies, so that a constant changes nothing."""
    model = fg.compile(CHAIN, loss=loss)
    _, looks, _ = train(model, chains(12, seed=1), optimizer="sgd", rate=1e-9, epochs=1)
    slopes = looks[-1].slopes
    assert slopes is not None
    if loss == "ramp":  # it pulls the best down, which is wrong where the answer is not the best
        assert slopes.answer == pytest.approx(slopes.wrong)
    else:
        assert slopes.answer == pytest.approx(slopes.wrong) and slopes.answer > 0


@pytest.mark.parametrize("how", [{"max_iterations": 15}, {"optimizer": "adagrad", "epochs": 3}])
def test_looking_changes_no_weight(how: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data, model = codes(60), fg.compile(CODES)
    seen, looks, _ = train(model, data, **how)
    monkeypatch.setattr(diagnostics.Diagnostics, "look", lambda *_, **__: None)
    unseen, none, _ = train(model, data, **how)
    assert looks and not none
    for name, weights in seen.weights.items():
        np.testing.assert_array_equal(weights, unseen.weights[name])


class Rationed(Ration):
    due = Ration.due


def test_looks_take_their_share_of_the_time_and_no_more() -> None:
    now = [0.0]
    ration = Rationed(lambda: now[0])
    looks = 0
    for _ in range(1000):
        now[0] += 1.0
        if ration.due:
            with ration:
                now[0] += 0.3
            looks += 1
    assert ration.share <= SHARE + 0.3 / now[0]
    assert looks * 0.3 / now[0] > 0.9 * SHARE


# -- without exact inference


WIDE = """
size   w = 24
given  x[w, w] : real
answer y[w, w] : bit
param  a = 0.5, c = 0.3
factor see[i in w, j in w] = a * x[i, j] * y[i, j]
factor right[i in w, j in w if j < 23] = c * (y[i, j] != y[i, j+1])
factor down[i in w, j in w if i < 23]  = c * (y[i, j] != y[i+1, j])
factor many[i in w, j in w if i < 23 and j < 23] = 0.1 * y[i, j] * y[i+1, j] * y[i, j+1]
loss   pseudo
"""


def test_graphs_too_wide_are_seen_by_their_neighbours() -> None:
    from factorgraph.learn.sight import neighbours

    random = np.random.default_rng(0)
    data = {"x": random.normal(size=(4, 24, 24)), "y": random.integers(0, 2, (4, 24, 24))}
    run, looks, alarms = train(fg.compile(WIDE), data, max_iterations=3)
    look = looks[-1]
    assert "not exact" in look.inference and look.entropy is None and not alarms
    assert look.gap is not None and look.slopes is not None
    # the least of all single changes, one by one
    ((batch, values),) = run._batches(run.bind(data))
    answer = batch.grounding.evidence
    found = neighbours(batch.structure, values[0], answer, np.ones(4, np.bool_))
    for i in range(4):
        low, high = batch.structure.instance[i : i + 2]
        least = np.inf
        for v in range(low, high, 7):
            other = answer.copy()
            other[v] = 1 - other[v]
            least = min(least, energy(batch.structure, values, other)[0, i])
        own = energy(batch.structure, values, found)[0, i]
        assert (found[low:high] != answer[low:high]).sum() == 1 and own <= least + 1e-9


# -- alarms


def test_a_collapse_is_told_with_cause_and_remedy() -> None:
    _, looks, alarms = train(fg.compile(CODES, loss="energy"), codes(), max_iterations=100)
    (alarm,) = alarms
    assert alarm.what == "collapse" and alarm.iteration < looks[-1].iteration
    assert "`match`" in alarm.message and "the codes `U` come together" in alarm.message
    assert "pushes no other up" in alarm.hint and "--loss hinge" in alarm.hint
    assert looks[-1].slopes is not None and looks[-1].slopes.wrong == 0


@pytest.mark.parametrize(
    ("text", "loss", "collapses"),
    [("regression", "energy", False), ("twosided", "energy", True),
     ("twosided", "square_square(m = 1)", False)],
)  # fmt: skip
def test_the_experiment_raises_the_alarm_where_it_collapses(
    text: str, loss: str, collapses: bool
) -> None:
    """y = x^2 as in the tutorial, section 2.2.2: two maps and the energy loss flatten it."""
    model = fg.load(SQUARE / f"{text}.fg", loss=loss)
    _, looks, alarms = train(model, str(SQUARE / "samples.npz"), max_iterations=300)
    assert len(alarms) == collapses and "grid" in looks[-1].inference
    assert not alarms or (alarms[0].what == "collapse" and "`fit`" in alarms[0].message)
    for told in looks[-1].offenders:
        assert -1 <= told.answer["y"] <= 1 and abs(told.answer["y"] - told.wrong["y"]) > 0.1


@pytest.mark.parametrize("loss", ["nll", "hinge"])
def test_losses_that_contrast_raise_no_alarm(loss: str) -> None:
    run, _, alarms = train(fg.compile(CODES, loss=loss), codes(), max_iterations=100)
    assert not alarms and (run.evaluate(codes()).overall or 0) > 0.9


@pytest.fixture(scope="module")
def healthy(chain: Any) -> Diagnosis:
    return chain[1]


def hear(seen: Sequence[Diagnosis], objectives: Sequence[float]) -> list[Alarm]:
    watchman = Watchman()
    heard = [watchman.hear(d, o) for d, o in zip(seen, objectives, strict=True)]
    return [a for a in heard if a is not None]


def test_an_alarm_needs_some_looks_in_a_row_and_a_loss_that_falls(healthy: Diagnosis) -> None:
    flat = replace(healthy, spread=1e-6)
    falling = [10.0 - k for k in range(10)]
    assert len(hear([healthy, *[flat] * LOOKS], falling[: LOOKS + 1])) == 1
    assert not hear([healthy, *[flat] * (LOOKS - 1), healthy, flat], falling[: LOOKS + 2])
    assert not hear([healthy, *[flat] * LOOKS], falling[: LOOKS + 1][::-1])
    assert not hear([healthy] * 10, falling)


def test_ties_and_deafness_are_told(healthy: Diagnosis) -> None:
    falling = [10.0 - k for k in range(LOOKS + 2)]
    (ties,) = hear([healthy, *[replace(healthy, tied=0.75)] * (LOOKS + 1)], falling)
    assert ties.what == "ties" and "75 %" in ties.message
    (deaf,) = hear([healthy, *[replace(healthy, reaction=1e-9)] * (LOOKS + 1)], falling)
    assert deaf.what == "deaf" and "given" in deaf.message


def test_a_network_that_has_died_is_told() -> None:
    """Its first layer gives 0 whatever comes, so that nothing is learned of the input."""
    text = CODES.replace("mlp(p, 8, d)", "mlp(p, 8, d)").replace("loss   nll", "loss   energy")
    data = codes(120)
    model = fg.compile(text)
    start = model.init(seed=0, data=data)
    start.weights["g.0.b"][:] = -1000.0
    _, looks, alarms = train(model, data, start=start, max_iterations=30)
    assert alarms and alarms[0].what in ("deaf", "collapse")
    assert looks[-1].reaction is not None and looks[-1].reaction < 1e-6


# -- givens as data


def test_pictures_and_words_are_told_once_for_each_instance() -> None:
    text = """
    domain Digit = 0..1
    size   s = 8
    given  pic[s, s] : 0..16
    given  far[s] : real
    given  note : text
    answer y : Digit
    param  T[Digit, s, s] ~ l2(0.1)
    factor look = sum(T[y] * pic)
    loss   nll
    """
    random = np.random.default_rng(0)
    data = [
        {"pic": random.integers(0, 17, (8, 8)).tolist(), "note": f"<{k}>", "far": [0.5] * 8,
         "y": int(k % 2)}
        for k in range(6)
    ]  # fmt: skip
    _, looks, _ = train(fg.compile(text), data, max_iterations=3)
    told = [o for look in looks for o in look.offenders]
    places = [o.place for o in told if o.givens]
    assert len(places) == len(set(places)) and places
    first = next(o for o in told if o.givens)
    number = int(first.place.split()[-1])
    assert first.givens["note"] == {"words": [f"<{number}>"]}
    assert first.givens["far"] == {"numbers": [0.5] * 8}
    shown = first.givens["pic"]
    grey = np.frombuffer(base64.b64decode(shown["images"][0]), np.uint8).reshape(8, 8)
    truth = np.array(data[number]["pic"])
    np.testing.assert_allclose(grey, 255 * truth / truth.max(), atol=0.51)
