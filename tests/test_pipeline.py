"""The Python way: load, fit, predict, save, load again."""

from __future__ import annotations

import gc
import json
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.column import Handed, Records
from factorgraph.data.read import read
from factorgraph.learn.diagnosis import Diagnosis
from factorgraph.learn.events import Event, Iteration

ROOT = Path(__file__).parent.parent
OCR = ROOT / "models" / "ocr"


@pytest.fixture(scope="module")
def letters() -> Records:
    return read(OCR / "letters.npz")


@pytest.fixture(scope="module")
def model() -> fg.Model:
    return fg.load(OCR / "ocr.fg")


@pytest.fixture(scope="module")
def few(letters: Records) -> Records:
    return letters.take(np.arange(80))


@pytest.fixture(scope="module")
def run(model: fg.Model, few: Records) -> fg.Run:
    return model.fit(few, seed=1, max_iterations=60)


def test_public_names_are_sorted_and_there() -> None:
    assert fg.__all__ == sorted(fg.__all__)
    for name in fg.__all__:
        assert getattr(fg, name) is not None
    with pytest.raises(AttributeError):
        _ = fg.nothing


def test_training_learns_its_own_data(run: fg.Run, few: Records) -> None:
    scores = run.evaluate(few)
    assert scores.instances == 80
    assert scores.overall is not None and scores.overall > 0.95
    assert scores.instance_accuracy is not None and scores.instance_accuracy > 0.8
    # a positive gap is the same thing as a whole instance read right
    assert float((scores.gap > 0).mean()) == pytest.approx(scores.instance_accuracy)


def test_events_tell_the_way(model: fg.Model, few: Records) -> None:
    heard: list[Event] = []
    model.fit(few, max_iterations=12, on_event=heard.append)
    names = [type(e).__name__ for e in heard]
    assert names[:3] == ["Judged", "Compiling", "Started"] and names[-1] == "Finished"
    steps = [e for e in heard if isinstance(e, Iteration)]
    looks = [e for e in heard if isinstance(e, Diagnosis)]
    assert len(steps) == 12 and len(steps) + len(looks) == len(names) - 4
    assert looks[0].iteration == 1 and looks[-1].iteration == 12
    objective = [e.objective for e in steps]
    assert all(b < a for a, b in zip(objective, objective[1:], strict=False))
    last = heard[-1].as_dict()
    assert last["status"].startswith("not converged") and not last["converged"]
    json.dumps([e.as_dict() for e in heard], allow_nan=False)


def test_convergence_is_said_only_when_it_is_reached(model: fg.Model, few: Records) -> None:
    done = model.fit(few, tolerance=1e-3, progress=0.0).finished
    assert done is not None and done.converged and done.status.startswith("converged")
    weights_norm = 50.0
    assert done.norm < 1e-3 * weights_norm
    stalled = model.fit(few, tolerance=0.0, progress=1e-3).finished
    assert stalled is not None and not stalled.converged and stalled.status.startswith("stopped")


def test_same_seed_same_weights_any_threads(few: Records) -> None:
    text = (OCR / "ocr.fg").read_text().replace("U[Letter, p]", "U[Letter, p] = normal(0, 0.1)")
    model = fg.compile(text)
    runs = [model.fit(few, seed=s, max_iterations=8, threads=t) for s, t in ((3, 1), (3, 2))]
    other = model.fit(few, seed=4, max_iterations=8)
    for name in ("U", "b", "A"):
        np.testing.assert_array_equal(runs[0].weights[name], runs[1].weights[name])
    assert not np.array_equal(runs[0].weights["U"], other.weights["U"])


def test_stop_ends_training_with_the_weights_so_far(model: fg.Model, few: Records) -> None:
    seen: list[Event] = []

    def stop() -> bool:
        return sum(isinstance(e, Iteration) for e in seen) >= 5

    run = model.fit(few, on_event=seen.append, stop=stop)
    assert run.finished is not None
    assert run.finished.status.startswith("interrupted") and run.finished.iterations == 5
    assert np.abs(run.weights["U"]).max() > 0


def test_prediction_is_the_minimum(run: fg.Run, few: Records) -> None:
    answers = list(run.predict(few))
    assert len(answers) == 80
    energies = run.energy(few)
    for i, answer in enumerate(answers):
        assert answer["status"] == "optimal" and answer["gap"] == 0.0
        assert answer["energy"] == answer["bound"] <= energies[i] + 1e-9
        assert len(answer["answers"]["y"]) == few.columns["y"].shape[i, 0]
    # energies are those of the formula, written out once more
    u, b, a = (run.weights[n] for n in ("U", "b", "A"))
    x, y = few.columns["x"].instance(0).astype(float), few.columns["y"].instance(0)
    by_hand = -sum(u[c] @ p + b[c] for c, p in zip(y, x, strict=True))
    by_hand -= sum(a[c, d] for c, d in zip(y, y[1:], strict=False))
    assert energies[0] == pytest.approx(by_hand, abs=1e-9)


def test_marginals_sum_to_one(run: fg.Run, few: Records) -> None:
    for i, beliefs in enumerate(run.marginals(few)):
        assert beliefs["y"].shape == (few.columns["y"].shape[i, 0], 26)
        np.testing.assert_allclose(beliefs["y"].sum(axis=1), 1.0, atol=1e-12)


def test_saved_runs_come_back(run: fg.Run, few: Records, tmp_path: Path) -> None:
    run.save(tmp_path / "run")
    again = fg.load_run(tmp_path / "run")
    for name, weight in run.weights.items():
        np.testing.assert_array_equal(weight, again.weights[name])
    assert list(again.predict(few)) == list(run.predict(few))
    with pytest.raises(fg.RunError, match="not empty"):
        run.save(tmp_path / "run")
    run.save(tmp_path / "run", overwrite=True)


def test_other_things_are_never_overwritten(run: fg.Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(fg.RunError, match="other things"):
        run.save(tmp_path, overwrite=True)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def _damage(path: Path, name: str, change: Any) -> None:
    header = json.loads((path / "run.json").read_text())
    change(header)
    (path / "run.json").write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("format", "field `format`"),
        ("text_sha256", "field `text_sha256`"),
        ("weights_sha256", "field `weights_sha256`"),
        ("vocabularies", "field `vocabularies`"),
        ("shapes", "field `shapes`"),
    ],
)
def test_damaged_headers_are_refused_by_field(
    run: fg.Run, tmp_path: Path, name: str, what: str
) -> None:
    run.save(tmp_path / "run")
    _damage(tmp_path / "run", name, lambda h: h.update({name: "x"}))
    with pytest.raises(fg.RunError, match=what):
        fg.load_run(tmp_path / "run")


@pytest.mark.parametrize("name", ["run.json", "weights.npz", "model.fg"])
def test_missing_and_garbled_files_are_refused(run: fg.Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / "run"
    run.save(path)
    (path / name).write_bytes(b"\x00garbage\xff")
    with pytest.raises(fg.RunError):
        fg.load_run(path)
    (path / name).unlink()
    with pytest.raises(fg.RunError, match="missing"):
        fg.load_run(path)


def test_weights_of_another_shape_are_refused(run: fg.Run, tmp_path: Path) -> None:
    path = tmp_path / "run"
    run.save(path)
    text = (path / "model.fg").read_text().replace("p = 128", "p = 64")
    (path / "model.fg").write_text(text)
    from factorgraph.learn.folder import text_hash

    _damage(path, "text", lambda h: h.update(text_sha256=text_hash(text)))
    with pytest.raises(fg.RunError, match="weight `U`"):
        fg.load_run(path)


def test_flattened_text_is_self_contained(few: Records, tmp_path: Path) -> None:
    text = """
    size n
    let strength = 3   # how much
    given x[n] : real
    answer y[n] : bit
    param w ~ l2(1), v
    factor see[t in n] = -w * strength * x[t] * y[t]
    factor tie[t in 1..n-1] = v * (y[t-1] != y[t])
    loss perceptron
    """
    model = fg.compile(text, settings={"strength": 0.5}, loss="hinge(m = 2)", without=["tie"])
    flat = model.text
    assert "strength = 0.5" in flat and "loss hinge(m = 2)" in flat and "tie" not in flat
    assert "loss hinge(m = 1)" in flat  # the library's definition came along
    again = fg.compile(flat)
    assert again.text == flat
    assert again.compiled.text.splitlines()[1:] == model.compiled.text.splitlines()[1:]


def test_labels_come_from_training_and_unseen_ones_are_refused() -> None:
    text = """
    domain Tag
    size n
    given x[n] : real
    answer y[n] : Tag
    param U[Tag] ~ l2(0.1), A[Tag, Tag] ~ l2(0.1)
    factor see[t in n] = -U[y[t]] * x[t]
    factor move[t in 1..n-1] = -A[y[t-1], y[t]]
    loss nll
    """
    data = [
        {"x": [1.0, -1.0, 0.5], "y": ["up", "down", "up"]},
        {"x": [-2.0], "y": ["down"]},
        {"x": [0.1, 2.0], "y": [None, "up"]},
    ]
    run = fg.compile(text).fit(data)
    assert run.vocabularies == {"Tag": ("down", "up")}
    (answer,) = run.predict([{"x": [3.0, -3.0]}])
    assert answer["answers"]["y"] == ["up", "down"]
    with pytest.raises(fg.DataError, match='"sideways" is no value of `Tag`'):
        run.evaluate([{"x": [1.0], "y": ["sideways"]}])


def test_owl_qn_gives_exact_zeros(few: Records) -> None:
    text = (OCR / "ocr.fg").read_text().replace("param  U[Letter, p] ~ l2(1)",
                                                "param  U[Letter, p] ~ l1(2)")  # fmt: skip
    started: list[Event] = []
    run = fg.compile(text).fit(few, max_iterations=40, on_event=started.append)
    assert any(e.as_dict().get("optimizer") == "OWL-QN" for e in started)
    share = float((run.weights["U"] == 0).mean())
    assert 0.5 < share < 1.0


def test_impossible_answers_are_named_before_training() -> None:
    text = """
    size n
    given x[n] : real
    answer y[n] : 0..2
    param w
    factor see[t in n] = -w * x[t] * y[t]
    hard up[t in 1..n-1] : y[t-1] <= y[t]
    loss nll
    """
    data = [{"x": [0.0, 1.0], "y": [0, 1]}, {"x": [0.0, 1.0], "y": [2, 1]}]
    with pytest.raises(fg.DataError, match="instance 1.*infinite energy.*`up`"):
        fg.compile(text).fit(data)


def test_not_a_number_names_factor_and_instance() -> None:
    text = """
    size n
    given x[n] : real
    answer y[n] : bit
    param w = 1
    factor see[t in n] = y[t] * log(w * x[t])
    loss nll
    """
    with pytest.raises(fg.NumericalError, match="factor `see` has energy NaN.*instance 1"):
        fg.compile(text).fit([{"x": [1.0], "y": [1]}, {"x": [-1.0], "y": [0]}])


def test_infeasible_instances_have_no_answer() -> None:
    text = """
    size n
    given low[n] : int
    answer y[n] : 0..2
    hard above[t in n] : y[t] > low[t]
    """
    model = fg.compile(text)
    found = list(model.init().predict([{"low": [0, 1]}, {"low": [2, 0]}]))
    assert found[0]["answers"]["y"] == [1, 2]
    assert found[1]["answers"] is None and found[1]["status"] == "infeasible"
    assert math.isinf(found[1]["energy"])


def test_wide_loops_are_answered_and_refused_by_name_where_sums_must_be_exact() -> None:
    text = """
    size h, w
    answer x[h, w] : 0..9
    factor right[i in h, j in 1..w-1] = (x[i, j] - x[i, j-1])^2
    factor down[i in 1..h-1, j in w] = (x[i, j] - x[i-1, j])^2
    """
    run, data = fg.compile(text).init(), {"h": np.array([9]), "w": np.array([9])}
    (found,) = run.predict(data)
    assert found["energy"] == 0.0 and found["status"] == "optimal"
    with pytest.raises(fg.InferenceError, match="minutes"):
        list(run.marginals(data, infer="exact"))
    with pytest.raises(fg.InferenceError, match="loop|wide"):
        list(run.marginals({"h": np.array([40]), "w": np.array([40])}, infer="exact"))


def test_the_graph_builder_needs_no_language() -> None:
    g = fg.FactorGraph()
    a, b = g.variable("a", 2), g.variable("b", 3)
    g.factor([a, b], np.array([[3.0, 1.0, 2.0], [0.5, math.inf, 4.0]]))
    found = fg.minimise(g.build())
    assert found.energy == 0.5 and found.assignment["a"] == 1 and found.assignment["b"] == 0
    expected = -math.log(sum(math.exp(-e) for e in (3, 1, 2, 0.5, 4)))
    assert abs(fg.log_partition(g.build())) == pytest.approx(abs(expected))


def test_objects_pickle() -> None:
    import pickle

    error = fg.UsageError("no", hint="yes")
    assert pickle.loads(pickle.dumps(error)).message == "no"


def test_memory_does_not_matter(model: fg.Model, letters: Records) -> None:
    """The same bits wherever arrays happen to lie; random sizes move them about."""
    from factorgraph.compiler.module import load
    from factorgraph.data.bind import bind
    from factorgraph.learn.objective import Objective
    from factorgraph.learn.shards import Crew

    random = np.random.default_rng(0)
    found = set()
    with Crew(1) as crew:
        instances = bind(model.checked, letters.take(np.arange(300)))
        module = load(model.compiled.text)
        objective = Objective(model.compiled, module, instances, crew)
        size = objective.layout.size
        point = random.normal(0, 0.1, size)
        for _ in range(200):
            kept = [np.empty(int(n)) for n in random.integers(1, 50_000, random.integers(1, 30))]
            shift = int(random.integers(0, 64))
            moved = np.empty(size + 64)[shift : shift + size]
            moved[:] = point
            value, gradient = objective(moved)
            found.add((value, gradient.tobytes()))
            del kept
    assert len(found) == 1


def test_growing_without_end_is_not_convergence() -> None:
    text = """
    size n
    given x[n] : real
    answer y[n] : bit
    param w
    factor see[t in n] = w * x[t] * (1 + y[t])
    loss energy
    """
    done = fg.compile(text).fit([{"x": [1.0, 2.0], "y": [0, 1]}], unsafe=True).finished
    assert done is not None and not done.converged and "converged" not in done.status


def test_seeds_are_checked(model: fg.Model, few: Records) -> None:
    for seed in (-1, "a", 1.5):
        with pytest.raises(fg.UsageError, match="seed"):
            model.fit(few, seed=seed)  # type: ignore[arg-type]


def test_scalar_weights_come_back(tmp_path: Path) -> None:
    text = """
    size n
    given x[n] : real
    answer y[n] : bit
    param u ~ l2(1)
    factor f[t in n] = -u * x[t] * y[t]
    loss nll
    """
    run = fg.compile(text).fit([{"x": [1.0, -2.0], "y": [1, 0]}])
    run.save(tmp_path / "run")
    again = fg.load_run(tmp_path / "run")
    assert again.weights["u"].shape == () and float(again.weights["u"]) == float(run.weights["u"])


@pytest.mark.parametrize("over", [Handed, lambda records: records], ids=["handed", "called"])
def test_data_are_let_go_while_weights_are_trained(over: Callable[[Records], Any]) -> None:
    """What was read is held by nobody once training begins, if the caller lets it go."""
    model = fg.compile("domain W\ngiven w : W\nanswer y : bit\nparam E[W] ~ l2(1)\n"
                       "factor f = E[w] * y\nloss nll\n")  # fmt: skip
    texts: list[Any] = []
    held: list[bool] = []

    def data() -> Any:
        records = model.records_of({"w": ["a", "b", "c"] * 4, "y": [0, 1, 1] * 4})
        texts.append(weakref.ref(records.columns["w"]))
        return over(records)

    def hear(event: Event) -> None:
        if isinstance(event, Iteration):
            gc.collect()
            held.append(texts[0]() is not None)

    model.fit(data(), on_event=hear)
    assert held and not any(held)
