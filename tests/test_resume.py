"""Trainings that are interrupted and gone on with end as if they had never been."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.errors import RunError, UsageError
from factorgraph.learn.events import Event, Iteration
from factorgraph.learn.folder import prepare

sys.path.insert(0, str(Path(__file__).parent))

from faults import kill

OPTIONS: dict[str, Any] = {"tolerance": 1e-10, "progress": 0.0, "max_iterations": 60, "seed": 3}


def data(count: int = 30) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    out = []
    for _ in range(count):
        n = int(rng.integers(2, 9))
        x = rng.normal(size=(n, 8)) * np.logspace(0, -1.5, 8)
        out.append({"x": x.tolist(), "y": list(rng.choice(list("ABC"), n))})
    return out


def interrupted(text: str, at: int, path: Path, **more: Any) -> fg.Run:
    """Train, and stop after some iterations; the checkpoint stays."""
    seen = [0]

    def hear(event: Event) -> None:
        seen[0] += isinstance(event, Iteration)

    return fg.compile(text).fit(
        data(), on_event=hear, stop=lambda: seen[0] >= at, checkpoint=path, **(OPTIONS | more)
    )


def same(a: fg.Run, b: fg.Run) -> None:
    assert list(a.weights) == list(b.weights)
    for name in a.weights:
        np.testing.assert_array_equal(a.weights[name], b.weights[name])


@pytest.mark.parametrize("at", [1, 2, 9, 25, 59])
@pytest.mark.parametrize("kind", ["held", "l1"])
def test_the_same_to_the_bit(kind: str, at: int, tmp_path: Path) -> None:
    text = kill.MODEL if kind == "held" else kill.MODEL.replace("l2(0.001)", "l1(0.05)")
    alone = fg.compile(text).fit(data(), **OPTIONS)
    path = tmp_path / "checkpoint.npz"
    part = interrupted(text, at, path, threads=1)
    assert part.finished is not None and part.finished.iterations == at
    assert path.is_file()
    again = fg.compile(text).fit(data(), checkpoint=path, resume=True, threads=2, **OPTIONS)
    same(again, alone)
    assert again.finished is not None and alone.finished is not None
    assert again.finished.status == alone.finished.status
    assert again.finished.evaluations == alone.finished.evaluations


def test_when_it_has_stalled_is_remembered(tmp_path: Path) -> None:
    options = OPTIONS | {"progress": 1e-3, "max_iterations": 500}
    alone = fg.compile(kill.MODEL).fit(data(), **options)
    assert alone.finished is not None and "ten iterations" in alone.finished.status
    path = tmp_path / "c.npz"
    for at in (3, alone.finished.iterations - 2):
        interrupted(kill.MODEL, at, path, **options)
        again = fg.compile(kill.MODEL).fit(data(), checkpoint=path, resume=True, **options)
        same(again, alone)
        assert again.finished is not None
        assert again.finished.iterations == alone.finished.iterations


def test_what_belongs_to_another_training(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    interrupted(kill.MODEL, 2, path)
    other = data()
    other[3]["x"][0][0] += 1e-9
    for text, items, change, name in (
        (kill.MODEL.replace("0.001", "0.002"), data(), {}, "text"),
        (kill.MODEL, other, {}, "data"),
        (kill.MODEL, data(), {"seed": 4}, "seed"),
        (kill.MODEL, data(), {"tolerance": 1e-3}, "tolerance"),
    ):
        with pytest.raises(RunError, match=f"`{name}` is not the same") as caught:
            fg.compile(text).fit(items, checkpoint=path, resume=True, **(OPTIONS | change))
        assert caught.value.code == "E0805"
    with pytest.raises(RunError, match="no training to go on with"):
        fg.compile(kill.MODEL).fit(data(), checkpoint=tmp_path / "none.npz", resume=True)
    with pytest.raises(UsageError, match="needs the file"):
        fg.compile(kill.MODEL).fit(data(), resume=True)


def test_a_damaged_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    interrupted(kill.MODEL, 5, path)
    good = path.read_bytes()
    with np.load(path) as stored:
        arrays = {name: stored[name] for name in stored.files}
    wrong: list[bytes] = [b"", good[:200], good[:-40]]
    for name in ("header", "past", "s_x", "s_products", "s_count"):
        left = {k: v for k, v in arrays.items() if k != name}
        spoilt = arrays | {name: np.zeros(3)}
        for kept in (left, spoilt):
            np.savez(tmp_path / "w.npz", **kept)
            wrong.append((tmp_path / "w.npz").read_bytes())
    for content in wrong:
        path.write_bytes(content)
        with pytest.raises(RunError) as caught:
            fg.compile(kill.MODEL).fit(data(), checkpoint=path, resume=True, **OPTIONS)
        assert caught.value.code == "E0803"


def test_interrupted_on_the_command_line(tmp_path: Path) -> None:
    kill.prepare(tmp_path)
    process = kill.train(tmp_path, "run", "--max-iterations", "100000")
    checkpoint = tmp_path / "run" / "checkpoint.npz"
    for _ in range(600):
        if checkpoint.is_file():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130 and "--resume goes on from here" in said
    names = {p.name for p in (tmp_path / "run").iterdir()}
    assert names == {"run.json", "weights.npz", "model.fg", "log.jsonl", "checkpoint.npz"}
    code, said = kill.ended(kill.train(tmp_path, "run"))
    assert code == 2 and "--resume goes on with it" in said and checkpoint.is_file()
    assert kill.ended(kill.train(tmp_path, "run", "--resume"))[0] == 0
    assert kill.ended(kill.train(tmp_path, "alone"))[0] == 0
    assert kill.weights(tmp_path, "run") == kill.weights(tmp_path, "alone")
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert header["training"]["iterations"] <= 400
    short = ("--max-iterations", "401", "--resume")  # what has run out of them can go on
    assert checkpoint.is_file() and kill.ended(kill.train(tmp_path, "run", *short))[0] == 0
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert header["training"]["iterations"] == 401
    more = ("--max-iterations", "100000", "--checkpoint-every", "60", "--resume")
    assert kill.ended(kill.train(tmp_path, "run", *more))[0] == 0 and not checkpoint.exists()
    ended = subprocess.run(
        [*kill.FGC, "train", "model.fg", "data.jsonl", "-o", "run", "--resume"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2 and "E0805" in ended.stderr


def test_killed_at_random(tmp_path: Path) -> None:
    """The short form of ``python tests/faults/kill.py``."""
    kill.prepare(tmp_path)
    killed, resumed = kill.attempt(2, 1, tmp_path)
    assert killed == 2 and resumed >= 1


def test_killed_between_mini_batches(tmp_path: Path) -> None:
    kill.prepare(tmp_path)
    assert kill.attempt(2, 3, tmp_path, kill.STEPS)[1] >= 1


def fgc(folder: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [*kill.FGC, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_states_of_a_folder(tmp_path: Path) -> None:
    """What is found in a folder decides what may be done with it."""
    kill.prepare(tmp_path)
    run, keeper = tmp_path / "run", tmp_path / "run" / "checkpoint.npz"
    train = ("train", "model.fg", "data.jsonl", "-o", "run", "-q", "--max-iterations", "3")
    code, said = fgc(tmp_path, *train, "--resume", "--overwrite")
    assert code == 2 and "E0911" in said and not run.exists()
    code, said = fgc(tmp_path, *train, "--resume")
    assert code == 2 and "E0805" in said and not run.exists()
    # a training that has not ended, without and with a line that was cut
    run.mkdir()
    fg.load(tmp_path / "model.fg").fit(
        str(tmp_path / "data.jsonl"), checkpoint=keeper, checkpoint_every=0, max_iterations=2
    )
    (run / "log.jsonl").write_text('{"event": "compiling", "what": "x"}\n{"event": "iter')
    code, said = fgc(tmp_path, *train)
    assert code == 2 and "E0801" in said and "--resume goes on with it" in said
    code, said = fgc(tmp_path, *train, "--resume")
    assert code == 0, said
    lines = (run / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["what"] == "x" and all(map(json.loads, lines))
    assert keeper.exists(), "it has run out of iterations, and can go on"
    # an old checkpoint does not outlive a new training
    keeper.write_bytes(b"old")
    code, said = fgc(tmp_path, *train, "--overwrite", "--max-iterations", "1000")
    assert code == 0 and not keeper.exists()
    # what is not ours is left alone, whatever lies beside it
    (run / "run.json").unlink()
    (run / "thesis.doc").write_text("mine")
    keeper.write_text("mine")
    code, said = fgc(tmp_path, *train, "--overwrite")
    assert code == 2 and "holds other things than a run" in said
    assert keeper.read_text() == "mine" and (run / "thesis.doc").exists()


def test_a_folder_that_only_holds_a_log_of_ours_is_taken(tmp_path: Path) -> None:
    """Also beside other things, as the pictures of the demo: nothing of theirs is replaced."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "log.jsonl").touch()
    prepare(tmp_path, overwrite=True)
    (tmp_path / "weights.npz").touch()
    with pytest.raises(RunError, match="holds other things than a run"):
        prepare(tmp_path, overwrite=True)
