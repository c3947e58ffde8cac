"""Min-sum decoding of a (3, 6)-regular code over the binary symmetric channel, beside ``ldpc``.

The codes and errors are the workload W3 of ``shared/bench/workloads.py``; without that folder
nothing is measured. The peer (ldpc 2.4.1, one frame at a time, parallel schedule) takes part where
it can be imported by this Python or by that which ``FGC_PEER_PYTHON`` names. Both are asked for
the errors that a syndrome tells, with scale 0.75, at most 50 iterations and the flooding schedule.

    python benchmarks/codes.py [ROUNDS]

Frames a second are medians of rounds in which ours, on one thread and on two, and the peer take
turns in processes of their own, and times those of the peer in the same round; `processor` counts
the processor seconds of the process instead of wall seconds, on which others' work weighs less:
for two threads it is frames a processor second times two. The last lines compare frame error
rates at p = 0.06, the same frames for both.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "bench" / "workloads.py"
ROUNDS, SCALE, ITERATIONS = 5, 0.75, 50
FRAMES = {1000: (16_000, 400), 10_000: (1600, 60)}
"""By the length of the code: ours, the peer's, which are the first of ours."""
HARD, ERRORS_AT = 10_000, 0.06


def workload(n: int, frames: int, p: float) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("workloads", SHARED)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: dict[str, Any] = module.w3(n, frames, p)
    return found


def syndromes(work: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the checks that do not hold, uint8 [frames, m]."""
    out = np.zeros((work["m"], len(work["err"])), np.uint8)
    np.bitwise_xor.at(out, work["rows"], work["err"].T[work["cols"]])
    return np.ascontiguousarray(out.T)


def timed(decode: Callable[[], Any], repeat: int) -> tuple[Any, float, float]:
    """Return what a call gives, and its medians of wall and processor seconds."""
    walls, processors, found = [], [], decode()
    for _ in range(repeat):
        wall, processor = time.perf_counter(), time.process_time()
        found = decode()
        walls.append(time.perf_counter() - wall)
        processors.append(time.process_time() - processor)
    return found, statistics.median(walls), statistics.median(processors)


def ours(n: int, frames: int, p: float, threads: int, schedule: str) -> dict[str, Any]:
    """Decode by fgc."""
    from factorgraph.engine.decoder import Checks, Decoder

    work = workload(n, frames, p)
    order = np.lexsort((work["cols"], work["rows"]))
    start = np.concatenate(([0], np.cumsum(np.bincount(work["rows"], minlength=work["m"]))))
    checks = Checks(n, start.astype(np.int64), work["cols"][order].astype(np.int32))
    llr, told = np.full(n, np.log((1 - p) / p)), syndromes(work)
    how = Decoder("minsum", ITERATIONS, SCALE, schedule=schedule, threads=threads)  # type: ignore[arg-type]
    found, wall, processor = timed(lambda: how(checks, llr, told), 3)
    wrong = int((found.bits != work["err"]).any(axis=1).sum())
    return {
        "wall": frames / wall, "processor": threads * frames / processor, "frames": frames,
        "wrong": wrong, "iterations": float(found.iterations.mean()),
    }  # fmt: skip


def peer(n: int, frames: int, p: float, schedule: str) -> dict[str, Any]:
    """Decode by ldpc."""
    import scipy.sparse  # type: ignore[import-untyped]
    from ldpc import BpDecoder  # type: ignore[import-not-found]

    work = workload(n, frames, p)
    ones = np.ones(len(work["rows"]), np.uint8)
    matrix = scipy.sparse.csr_matrix((ones, (work["rows"], work["cols"])), shape=(work["m"], n))
    told, iterations = syndromes(work), []
    how = BpDecoder(
        matrix, error_rate=p, max_iter=ITERATIONS, bp_method="minimum_sum",
        ms_scaling_factor=SCALE, schedule="serial" if schedule == "layered" else "parallel",
    )  # fmt: skip

    def decode() -> list[Any]:
        out = []
        iterations.clear()
        for row in told:
            out.append(how.decode(row).copy())
            iterations.append(how.iter)
        return out

    found, wall, processor = timed(decode, 3)
    wrong = sum(bool((x != e).any()) for x, e in zip(found, work["err"], strict=True))
    return {
        "wall": frames / wall, "processor": frames / processor, "frames": frames, "wrong": wrong,
        "iterations": float(np.mean(iterations)),
    }  # fmt: skip


def apart(which: str, *arguments: Any) -> dict[str, Any] | None:
    """Run one part in a process of its own; None where the peer is not there."""
    python = (
        os.environ.get("FGC_PEER_PYTHON", sys.executable) if which == "peer" else sys.executable
    )
    command = [python, __file__, which, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        if which == "peer" and "No module named" in done.stderr:
            return None
        raise SystemExit(f"{' '.join(command)} ended {done.returncode}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compared(n: int, rounds: int, schedule: str) -> None:
    """Print frames a second of ours and the peer."""
    many, few = FRAMES[n]
    taken: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        theirs = apart("peer", n, few, 0.04, schedule)
        for threads in (1, 2):
            mine = apart("ours", n, many, 0.04, threads, schedule)
            assert mine is not None
            if theirs is not None:
                for clock in ("wall", "processor"):
                    mine[f"times_{clock}"] = mine[clock] / theirs[clock]
            taken.setdefault(f"fgc, {threads} threads", []).append(mine)
        if theirs is not None:
            taken.setdefault("ldpc", []).append(theirs)
    for who, figures in taken.items():
        median = {k: statistics.median(f[k] for f in figures) for k in figures[0]}
        print(
            json.dumps({"case": who, "n": n, "p": 0.04, "schedule": schedule, **median}), flush=True
        )


def errors() -> None:
    """Print frame error rates where many frames fail."""
    mine = apart("ours", 1000, HARD, ERRORS_AT, 1, "flooding")
    theirs = apart("peer", 1000, HARD, ERRORS_AT, "flooding")
    assert mine is not None
    out: dict[str, Any] = {"case": "frame errors", "n": 1000, "p": ERRORS_AT, "frames": HARD}
    out |= {"fgc": mine["wrong"]}
    if theirs is not None:
        both = (mine["wrong"] + theirs["wrong"]) / (2 * HARD)
        deviation = (2 * both * (1 - both) * HARD) ** 0.5
        out |= {"ldpc": theirs["wrong"]}
        out |= {"sigmas": abs(mine["wrong"] - theirs["wrong"]) / deviation}
    print(json.dumps(out), flush=True)


def main() -> None:
    which, more = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("all", [])
    if which == "ours":
        n, frames, p, threads, schedule = more
        print(json.dumps(ours(int(n), int(frames), float(p), int(threads), schedule)))
        return
    if which == "peer":
        n, frames, p, schedule = more
        print(json.dumps(peer(int(n), int(frames), float(p), schedule)))
        return
    if not SHARED.exists():
        return
    rounds = int(which) if which.isdigit() else ROUNDS
    for n in FRAMES:
        compared(n, rounds, "flooding")
    compared(1000, rounds, "layered")
    errors()


if __name__ == "__main__":
    main()
