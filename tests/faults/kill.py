"""Kill a training at random moments, go on each time, and compare with one that was left alone.

python tests/faults/kill.py             50 kills
python tests/faults/kill.py --kills 5 --seed 7
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

FGC = [sys.executable, "-c", "from factorgraph.cli.main import main; main()"]

MODEL = """
domain Tag = {A, B, C}
size   n, k = 8
given  x[n, k] : real
answer y[n]    : Tag
param  U[Tag, k] ~ l2(0.001), M[Tag, Tag] : simplex, s : positive
factor emit[t in n]      = -s * dot(U[y[t]], x[t])
factor move[t in 1..n-1] = -log(M[y[t-1], y[t]])
loss   nll
"""


def prepare(folder: Path) -> None:
    """Write a model and data whose training takes many iterations."""
    import json

    import numpy as np

    rng = np.random.default_rng(0)
    (folder / "model.fg").write_text(MODEL)
    with (folder / "data.jsonl").open("w") as out:
        for _ in range(150):
            x = rng.normal(size=(12, 8)) * np.logspace(0, -2, 8)
            y = rng.choice(list("ABC"), 12).tolist()
            out.write(json.dumps({"x": x.tolist(), "y": y}) + "\n")


STEPS = ("--optimizer", "adagrad", "--epochs", "60", "--batch", "40")
"""Options of a training by mini-batches, which is killed between two of them."""


def train(folder: Path, run: str, *more: str) -> subprocess.Popen[bytes]:
    """Start a training that keeps its state after each iteration."""
    return subprocess.Popen(
        [*FGC, "train", "model.fg", "data.jsonl", "-o", run, "--tolerance", "1e-9", "--progress",
         "0", "--max-iterations", "400", "--checkpoint-every", "0", "--quiet", *more],
        cwd=folder, stderr=subprocess.PIPE,
    )  # fmt: skip


def weights(folder: Path, run: str) -> dict[str, Any]:
    import numpy as np

    with np.load(folder / run / "weights.npz") as stored:
        return {name: stored[name].tobytes() for name in stored.files}


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Wait for a training; return its exit code and what it said on stderr."""
    said = process.communicate()[1].decode()
    return process.returncode, said


def killed_in_time(process: subprocess.Popen[bytes], state: Path, wait: float, early: bool) -> bool:
    """Kill a training some time after it has written its state anew; False where it has ended."""
    before = state.stat().st_mtime_ns if state.is_file() else 0
    while not early and process.poll() is None:
        if state.is_file() and state.stat().st_mtime_ns != before:
            break
        time.sleep(0.002)
    try:
        process.wait(wait)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return True


def attempt(kills: int, seed: int, folder: Path, options: tuple[str, ...] = ()) -> tuple[int, int]:
    """Return how often a training was killed, and how often it went on from a checkpoint.

    Raises
    ------
    AssertionError : its weights are not those of a training that was left alone.
    """
    chance = random.Random(seed)
    assert ended(train(folder, "alone", *options))[0] == 0
    state = folder / "killed" / "checkpoint.npz"
    killed = resumed = 0
    more = [*options]
    for _ in range(kills):
        process = train(folder, "killed", *more)
        early = chance.random() < 0.2  # while it begins
        if not killed_in_time(process, state, chance.uniform(0, 1.5 if early else 0.4), early):
            break
        killed += 1
        more = [*options, *(["--resume"] if state.is_file() else [])]
        resumed += "--resume" in more
    else:
        process = train(folder, "killed", *more)
    code, said = ended(process)
    assert code == 0, said
    assert weights(folder, "killed") == weights(folder, "alone")
    assert not list((folder / "killed").glob(".*checkpoint*"))
    return killed, resumed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    killed = resumed = rounds = 0
    while killed < options.kills:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            prepare(folder)
            steps = STEPS if rounds % 2 else ()
            found = attempt(min(5, options.kills - killed), options.seed + rounds, folder, steps)
        killed, resumed, rounds = killed + found[0], resumed + found[1], rounds + 1
        print(f"{killed} kills, {resumed} resumed, the same weights {rounds} times", flush=True)


if __name__ == "__main__":
    main()
