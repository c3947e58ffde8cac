"""Training on a cluster of processes gives what one process gives, also where workers are lost."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.parcel import pack, unpack
from factorgraph.errors import DataError, NumericalError, RunError, UsageError
from factorgraph.ground.energy import energies
from factorgraph.learn import cluster, worker
from factorgraph.learn.events import Event, Iteration, Started

sys.path.insert(0, str(Path(__file__).parent))

import zoo
from faults import kill

Call = Callable[..., tuple[int, str, str]]

installed = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not installed, reason="distributed is not installed")

OPTIONS: dict[str, Any] = {"tolerance": 1e-10, "progress": 0.0, "max_iterations": 12, "seed": 3}

FEATURES = """
domain Tag = {A, B, C}
domain Word
size   n, k = 8
given  x[n, k] : real
given  w[n]    : Word
given  table[k, k] : real
answer y[n]    : Tag
param  U[Tag, k] ~ l1(0.05), E[Tag, Word] ~ l2(0.1), M[Tag, Tag] ~ l2(0.1)
factor emit[t in n]      = -dot(U[y[t]], x[t] + table[t % k]) - E[y[t], w[t]]
factor move[t in 1..n-1] = -M[y[t-1], y[t]]
loss   nll
"""


NETWORK = """
domain Tag = {A, B, C}
size   n, k = 8
given  x[n, k] : real
answer y[n]    : Tag
map    net     = mlp(k, 5, Tag)
factor emit[t in n]      = -net(x[t])[y[t]]
factor move[t in 1..n-1] = -0.5 * (y[t-1] == y[t])
loss   nll
"""


LISTS = """
domain Tag = {A, B, C}
domain Feat
size   n
given  w[n] : text
answer y[n] : Tag
param  V[Tag, Feat] ~ l2(0.1)
factor more[t in n] = -dot(V[y[t]], features(Feat, w[t], w[t] & w[t+1]))
loss   softmax_margin
"""


def data(count: int = 400) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    out = []
    for i in range(count):
        n = int(rng.integers(2, 9))
        x = rng.normal(size=(n, 8)) * np.logspace(0, -1.5, 8)
        y: list[Any] = rng.choice(list("ABC"), n).tolist()
        if i % 7 == 0:
            y[0] = None
        w = [f"w{k}" for k in rng.integers(0, 40, n)]
        out.append({"x": x.tolist(), "y": y, "w": w, "weight": float(rng.random())})
    return out


SHARED = {"table": np.eye(8) + 0.1}


@pytest.fixture(scope="module")
def dask() -> Iterator[Any]:
    """A client of a scheduler with two workers, each a process."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as machines,
        Client(machines, set_as_default=False) as client,
    ):
        yield client


def same(a: fg.Run, b: fg.Run) -> None:
    assert list(a.weights) == list(b.weights)
    assert a.vocabularies == b.vocabularies
    for name in a.weights:
        np.testing.assert_array_equal(a.weights[name], b.weights[name])


@needs_dask
@pytest.mark.parametrize(
    "text",
    [kill.MODEL, FEATURES, NETWORK, kill.MODEL.replace("nll", "margin")],
    ids=["held", "words", "maps", "costs"],
)
def test_equal_to_one_process(text: str, dask: Any) -> None:
    model, with_ = fg.compile(text), SHARED if "table" in text else None
    heard: list[Event] = []
    alone = model.fit(data(), with_=with_, on_event=heard.append, **OPTIONS)
    run = model.fit(data(), with_=with_, dask=dask, on_event=heard.append, **OPTIONS)
    same(run, alone)
    assert run.finished is not None and alone.finished is not None
    assert run.finished.objective == alone.finished.objective
    one, two = (e for e in heard if isinstance(e, Started))
    assert one.shards == two.shards >= 4 and "on 2 workers" in two.inference
    kept = dask.run(lambda: len(sys.modules["factorgraph.learn.worker"]._kept))
    assert list(kept.values()) == [0, 0]  # let go in the end


@needs_dask
@pytest.mark.parametrize("observed", [False, True])
def test_sums_of_picked_rows(observed: bool, dask: Any) -> None:
    """One process adds these up in another order, weight by weight."""
    model, options = fg.compile(LISTS), OPTIONS | {"observed": observed}
    items = [item for item in data() if None not in item["y"]]
    alone, run = model.fit(items, **options), model.fit(items, dask=dask, **options)
    assert run.vocabularies == alone.vocabularies
    np.testing.assert_allclose(run.weights["V"], alone.weights["V"], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(run.weights["V"] == 0, alone.weights["V"] == 0)
    assert (run.weights["V"] == 0).any() == observed


@needs_dask
def test_a_killed_worker(dask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = fg.compile(kill.MODEL)
    alone = model.fit(data(), **OPTIONS)
    held = 0

    def counted(instances: Any) -> Any:
        nonlocal held
        held += 1
        return pack(instances)

    monkeypatch.setattr(cluster, "pack", counted)
    victim = min(dask.run(os.getpid).items())[1]

    def hear(event: Event) -> None:
        if isinstance(event, Iteration) and event.iteration == 4:
            assert held == 2
            os.kill(victim, signal.SIGKILL)

    same(model.fit(data(), dask=dask, on_event=hear, **OPTIONS), alone)
    assert held > 2  # its shards were sent anew
    dask.wait_for_workers(2)
    assert victim not in dask.run(os.getpid).values()


@needs_dask
def test_forgotten_shards_are_sent_anew(dask: Any) -> None:
    model = fg.compile(kill.MODEL)

    def hear(event: Event) -> None:
        if isinstance(event, Iteration) and event.iteration == 3:
            dask.run(lambda: sys.modules["factorgraph.learn.worker"]._kept.clear())

    same(model.fit(data(), dask=dask, on_event=hear, **OPTIONS), model.fit(data(), **OPTIONS))


@needs_dask
def test_interrupted_here_and_gone_on_with_there(dask: Any, tmp_path: Path) -> None:
    model, file = fg.compile(kill.MODEL), tmp_path / "c.npz"
    alone = model.fit(data(), **OPTIONS)
    for first, second in ((dask, None), (None, dask)):
        seen: list[Event] = []
        model.fit(
            data(),
            dask=first,
            on_event=seen.append,
            stop=lambda: seen[-1].iteration >= 5,  # noqa: B023
            checkpoint=file,
            **OPTIONS,
        )
        same(model.fit(data(), dask=second, checkpoint=file, resume=True, **OPTIONS), alone)


@needs_dask
def test_what_is_wrong_is_told_as_in_one_process(dask: Any) -> None:
    hard = fg.compile(kill.MODEL.replace("loss", "hard never : y[0] != y[1] or x[0, 0] < 9\nloss"))
    bad = data()
    bad[300] |= {"y": ["A"] * len(bad[300]["y"])}
    bad[300]["x"][0][0] = 10.0
    for where in (None, dask):
        with pytest.raises(DataError, match="instance 300: .*factor `never` forbids it"):
            hard.fit(bad, dask=where, **OPTIONS)
    for factor, wrong, said in (
        ("sqrt(x[t, 0] - 5) * s *", DataError, r"is not a number \(<data>: instance 0\)"),
        ("sqrt(-s) *", NumericalError, r"factor `emit` has energy NaN \(<data>: instance 0\)"),
    ):
        root = fg.compile(kill.MODEL.replace("-s *", factor))
        for where in (None, dask):
            with pytest.raises(wrong, match=said) as caught:
                root.fit(data(), dask=where, **OPTIONS)
            assert caught.value.span is not None and caught.value.span.source.name == "<string>"


@needs_dask
def test_the_command(dask: Any, fgc: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kill.prepare(tmp_path)
    call = ("train", "model.fg", "data.jsonl", "-q", "--max-iterations", "5", "-o")
    address = dask.scheduler.address
    code, _, err = fgc(*call, "there", "--dask", address)
    assert code == 0, err
    assert fgc(*call, "here")[0] == 0
    assert kill.weights(tmp_path, "there") == kill.weights(tmp_path, "here")
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    code, _, err = fgc(*call, "nowhere", "--dask", "tcp://127.0.0.1:9")
    assert code == 2 and "E0806" in err and "no scheduler answers" in err
    code, _, err = fgc(*call, "nowhere", "--dask", "nonsense://")
    assert code == 2 and "E0806" in err


@needs_dask
def test_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from distributed import Client, LocalCluster

    monkeypatch.setattr(cluster, "CONNECT", 0.2)
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    model = fg.compile(kill.MODEL)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as machines,
        Client(machines, set_as_default=False) as client,
    ):
        with pytest.raises(RunError, match="the cluster has no workers") as caught:
            model.fit(data(20), dask=client)
        assert caught.value.code == "E0806"
        machines.scale(1)
        client.wait_for_workers(1)

        def hear(event: Event) -> None:
            if isinstance(event, Iteration) and event.iteration == 2:
                machines.scale(0)
                while client.nthreads():
                    time.sleep(0.01)

        with pytest.raises(RunError, match="the cluster has no workers"):
            model.fit(data(20), dask=client, on_event=hear, **OPTIONS)


def test_what_is_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fg.compile(kill.MODEL)
    if installed:
        with pytest.raises(UsageError, match="not int") as caught:
            model.fit(data(5), dask=5)
        assert caught.value.code == "E0910"
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="needs dask.distributed") as caught:
        model.fit(data(5), dask="tcp://127.0.0.1:9")
    assert caught.value.code == "E0915" and "fgc[dask]" in str(caught.value.hint)


# -- what is sent


def frozen(value: Any) -> Any:
    """Return a parcel as it may arrive: arrays that cannot be written, tuples for tuples."""
    if isinstance(value, np.ndarray):
        copy = value.copy()
        copy.flags.writeable = False
        return copy
    if isinstance(value, dict):
        return {k: frozen(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(frozen(v) for v in value)
    assert value is None or type(value) in (str, int, float, bool), type(value)
    return value


@pytest.mark.parametrize("name", zoo.NAMES)
def test_parcels_hold_everything(name: str) -> None:
    rng = np.random.default_rng(1)
    items = zoo.make(name, rng)
    slow = zoo.text(name, items)
    weights = {n: np.asarray(w, np.float64) for n, w in zoo.weights(name, slow, rng).items()}
    model = fg.load(zoo.FOLDER / f"{name}.fg", settings=zoo.settings(name))
    run = fg.Run(model, weights, dict(slow.vocabularies))
    whole = run.bind(items, latents=True)
    for low, high in ((0, 3), (1, 3), (2, 3)):
        part = whole.part(low, high)
        again = unpack(model.checked, frozen(pack(part)))
        assert [again.where(i) for i in range(high - low)] == [
            whole.where(i) for i in range(low, high)
        ]
        assert again.vocabularies == whole.vocabularies
        np.testing.assert_array_equal(again.variables, part.variables)
        truth = energies(model.checked, part, weights)
        found = energies(model.checked, again, weights)
        for factor, values in truth.items():
            np.testing.assert_array_equal(found[factor], values)


def test_workers_compile_what_is_compiled_here(tmp_path: Path) -> None:
    (tmp_path / "other.fg").write_text("size n\nanswer y[n] : bit\nparam a\nfactor f = a * y[0]\n")
    text = (
        'use "other.fg" as q\nsize n = 2\nanswer y[n] : bit\nparam b\nfactor g[t in n] = b * y[t]'
    )
    (tmp_path / "model.fg").write_text(text + "\nloss nll\n")
    model = fg.load(tmp_path / "model.fg", settings={"n": 3})
    texts = {"": model.text, **model.energy_texts}
    assert set(texts) == {"", "q"}
    (tmp_path / "other.fg").unlink()
    assert worker._compiled(texts).text == model.compiled.text


@needs_dask
def test_a_worker_says_what_it_lacks() -> None:
    assert worker.slopes("nobody", [3, 4], np.zeros(2)) == {"found": {}, "absent": [3, 4]}
    assert worker.settle("nobody", {}) == {}
    model = fg.compile("given a : real\nanswer y : bit\nparam b\nfactor f = a * b * y\nloss nll")
    instances = model.init().bind([{"a": 2.0, "y": 1}, {"a": 3.0, "y": 0}])
    texts = {"": model.text}
    for k in range(worker.MOST_TRAININGS + 1):
        reply = worker.hold(f"t{k}", texts, {0: (0, 2)}, pack(instances), {})
        assert reply["factors"] == 2 and reply["code"] == worker.code_of(model.compiled)
    assert worker.slopes("t0", [0], np.zeros(1))["absent"] == [0]  # too many have begun since
    found = worker.slopes("t1", [0, 1], np.array([0.5]))
    assert found["absent"] == [1]
    value, gradient = found["found"][0]
    truth = 0.5 * 2 + np.log(1 + np.exp(-1)) + np.log(1 + np.exp(-1.5))
    assert value == pytest.approx(truth, rel=1e-12)
    slope = 2 - 2 / (1 + np.exp(1)) - 3 / (1 + np.exp(1.5))
    np.testing.assert_allclose(gradient, [slope], rtol=1e-12)
    for k in range(worker.MOST_TRAININGS + 1):
        worker.forget(f"t{k}")
    assert not worker._kept


def test_shards_are_dealt_in_runs() -> None:
    there = {"b": 2, "a": 1, "c": 1}
    assert list(cluster._runs(range(8), there)) == [("a", [0, 1]), ("b", [2, 3, 4, 5]),
                                                    ("c", [6, 7])]  # fmt: skip
    assert list(cluster._runs([1, 2, 7, 9], {"a": 1})) == [("a", [1, 2]), ("a", [7]), ("a", [9])]
    assert list(cluster._runs([5], there)) in ([("b", [5])], [("a", [5])], [("c", [5])])
    assert [k for _, run in cluster._runs(range(3), dict.fromkeys("abcdefgh", 1)) for k in run] == [
        0, 1, 2
    ]  # fmt: skip
