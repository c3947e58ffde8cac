"""`fgc solve` of small graphs on cold and warm caches, and how fast files are read.

Each first run has a cache of its own, so that all of its machine code is made. Wall and processor
seconds; megabytes a second are of text, with all checks, graphs made.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from figures import FGC, ROOT, median_of, report

from factorgraph.interop.formats import read, write

SHARED = ROOT.parent / "shared" / "data"
OWN = ROOT / "tests" / "exchange"
CASES = (
    (OWN / "rain.uai", "MAP"),
    (OWN / "rain.uai", "MAR"),
    (OWN / "named.wcsp", "MAP"),
    (SHARED / "libdai" / "testfast.fg", "PR"),
    (SHARED / "uai" / "marpr" / "CSP_12.uai", "MAP"),
    (SHARED / "uai" / "marpr" / "CSP_12.uai", "MAR"),
    (SHARED / "wcsp" / "sudoku.wcsp", "MAP"),
)
SIDE, STATES = 500, 4


def runs() -> None:
    """Report first and second runs; the machine's instances only where they are there."""
    for path, task in CASES:
        if not path.exists():
            continue
        found: dict[str, float | int | str] = {"case": path.name, "task": task}
        with tempfile.TemporaryDirectory() as cache:
            command = [FGC, "solve", str(path), "--task", task]
            for word in ("first", "second"):
                wall, processor = once(command, cache)
                found |= {word: wall, f"{word}_processor": processor}
            again = sorted(once(command, cache) for _ in range(4))
            found["warm"], found["warm_processor"] = again[1]
        report(**found)


def once(command: list[str], cache: str) -> tuple[float, float]:
    """Return wall and processor seconds of a run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    environment = {**os.environ, "FGC_CACHE_DIR": cache}
    subprocess.run(command, capture_output=True, env=environment, check=True)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def reading() -> None:
    """Report how fast a grid is read in each format, with tables of its own at each edge."""
    rng = np.random.default_rng(0)
    at = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    edges = np.concatenate((
        np.stack((at[:, :-1].ravel(), at[:, 1:].ravel()), axis=1),
        np.stack((at[:-1].ravel(), at[1:].ravel()), axis=1),
    ))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "grid.uai"
        with path.open("w") as out:
            out.write(f"MARKOV\n{at.size}\n{' '.join([str(STATES)] * at.size)}\n{len(edges)}\n")
            out.write("".join(f"2 {a} {b}\n" for a, b in edges.tolist()))
            for table in rng.random((len(edges), STATES**2)).tolist():
                out.write(f"{STATES**2}\n{' '.join(f'{p:.6f}' for p in table)}\n")
        grid = read(path)
        files = [path]
        small = Path(folder) / "small.uai"
        side = SIDE // 4
        few = edges[(edges % SIDE < side).all(axis=1) & (edges // SIDE < side).all(axis=1)]
        with small.open("w") as out:
            number = {v: i for i, v in enumerate(np.unique(few).tolist())}
            out.write(f"MARKOV {len(number)} {'4 ' * len(number)} {len(few)}\n")
            out.write("".join(f"2 {number[a]} {number[b]}\n" for a, b in few.tolist()))
            for table in rng.random((len(few), STATES**2)).tolist():
                out.write(f"16 {' '.join(f'{p:.6f}' for p in table)}\n")
        part = read(small)
        for format, name in (("libdai", "a.fg"), ("wcsp", "a.wcsp"), ("cfn", "a.cfn")):
            files.append(Path(folder) / name)
            write(part, files[-1], format=format)
        for file in files:
            took = median_of(lambda file=file: read(file), 3)
            size = file.stat().st_size / 1e6
            report(case=f"read {file.suffix}", megabytes=size, seconds=took, speed=size / took)
        assert grid.variables == at.size


if __name__ == "__main__":
    runs()
    reading()
