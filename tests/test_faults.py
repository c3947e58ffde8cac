"""Disks that are full and folders that are read only: a clear error, and the last good state stays.

A full disk is played by the system's limit on the size of a file, which holds for each write of a
process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.learn.events import Event, Iteration

sys.path.insert(0, str(Path(__file__).parent))

from faults import kill

resource = pytest.importorskip("resource", reason="the system has no limits")

WORDS = 3000
LONG = """
domain Word
given  w : Word
answer y : bit
param  E[Word] ~ l2(0.1)
factor f = E[w] * y
loss   nll
"""
FEW = "--max-iterations", "4", "-q"


def train(folder: Path, *arguments: str, limit: int | None = None) -> tuple[int, str]:
    """Train in a process that may write files of some bytes only; exit code and stderr."""

    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [*kill.FGC, "train", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        preexec_fn=limited,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with data, each with a run that was left alone; their code is compiled."""
    folder = tmp_path_factory.mktemp("faults")
    kill.prepare(folder)
    (folder / "long.fg").write_text(LONG)
    with (folder / "long.jsonl").open("w") as out:
        for k in range(WORDS):
            out.write(json.dumps({"w": f"a-rather-long-word-{k}", "y": k % 2}) + "\n")
    assert train(folder, "long.fg", "long.jsonl", "-o", "long", "-q")[0] == 0
    assert train(folder, "model.fg", "data.jsonl", "-o", "alone", *FEW)[0] == 0
    return folder


def test_no_room_for_the_checkpoint(folder: Path) -> None:
    """What was kept before stays, and training goes on from it where there is room again."""
    often = ("long.fg", "long.jsonl", "-o", "often", "--checkpoint-every", "0", "-q")
    code, said = train(folder, *often, limit=8 * WORDS)
    assert code == 2 and "E0802" in said and "checkpoint.npz cannot be written" in said
    assert not (folder / "often").exists()
    (folder / "often").mkdir()
    state = folder / "often" / "checkpoint.npz"
    heard: list[Event] = []
    fg.load(folder / "long.fg").fit(
        str(folder / "long.jsonl"), on_event=heard.append, checkpoint=state, checkpoint_every=0,
        stop=lambda: any(isinstance(e, Iteration) and e.iteration == 2 for e in heard),
    )  # fmt: skip
    kept = state.read_bytes()
    code, said = train(folder, *often, "--resume", limit=8 * WORDS)
    assert code == 2 and "checkpoint.npz cannot be written" in said
    assert set(files(folder / "often")) == {"checkpoint.npz", "log.jsonl"}
    assert state.read_bytes() == kept
    assert train(folder, *often, "--resume")[0] == 0
    assert kill.weights(folder, "often") == kill.weights(folder, "long")


def test_no_room_for_the_run(folder: Path) -> None:
    """A run that was to be replaced stays as it was, also where only its last file is too large."""
    before = files(folder / "long")
    header, weights = len(before["run.json"]), len(before["weights.npz"])
    assert weights < header
    for limit in (weights // 2, (weights + header) // 2):
        code, said = train(folder, "long.fg", "long.jsonl", "-o", "long", "-q", "--seed", "1",
                           "--overwrite", limit=limit)  # fmt: skip
        assert code == 2 and "E0802" in said and "long cannot be written" in said
        assert files(folder / "long") == before
    code, said = train(folder, "long.fg", "long.jsonl", "-o", "new", "-q", limit=weights // 2)
    assert code == 2 and not (folder / "new").exists()


def test_no_room_for_the_log(folder: Path) -> None:
    arguments = ("model.fg", "data.jsonl", "-o", "short", "-q", "--tolerance", "0")
    code, said = train(folder, *arguments, "--progress", "0", limit=1000)
    assert code == 2 and "E0802" in said and "short cannot be written" in said
    assert not (folder / "short").exists()
    code, said = train(folder, "model.fg", "data.jsonl", "-o", "short", *FEW, limit=100)
    assert code == 2 and "E0802" in said


def test_a_folder_that_is_read_only(folder: Path) -> None:
    before = files(folder / "alone")
    (folder / "alone").chmod(0o500)
    try:
        if os.access(folder / "alone", os.W_OK):
            pytest.skip("root writes everywhere")
        code, said = train(folder, "model.fg", "data.jsonl", "-o", "alone", *FEW, "--overwrite")
        assert code == 2 and "E0802" in said and files(folder / "alone") == before
        code, said = train(folder, "model.fg", "data.jsonl", "-o", "alone/inner", *FEW)
        assert code == 2 and "E0802" in said and files(folder / "alone") == before
    finally:
        (folder / "alone").chmod(0o700)
    with np.load(folder / "alone" / "weights.npz") as stored:
        assert stored.files
