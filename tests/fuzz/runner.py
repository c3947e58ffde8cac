"""Cases by number in processes of their own, which may hang or die."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from fuzz import corpus

PATIENCE = 900.0
"""Seconds without a word from a process, after which it is ended."""


@dataclass
class Child:
    """A process at work on a range of numbers."""

    kind: str
    low: int
    high: int
    next: int
    process: subprocess.Popen[str]
    errors: IO[str]
    heard: float


def start(kind: str, low: int, high: int) -> Child:
    """Start a process on cases ``low`` to ``high - 1``."""
    errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
    path = [str(corpus.TESTS), os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz.child", kind, str(low), str(high)],
        stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL, text=True,
        cwd=corpus.ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in path if p),
             "PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return Child(kind, low, high, low, process, errors, time.monotonic())


def run(todo: list[tuple[str, int, int]], processes: int = 2) -> Iterator[tuple[str, Any]]:
    """Run ranges of cases; what kills its process is a result like others.

    Parameters
    ----------
    todo : (kind, low, high) in order.

    Yields
    ------
    (kind, result) for each case, as `fuzz.child` says it; and ("done", (kind, low, high)) when a
    range of ``todo`` is through.
    """
    waiting = deque(todo)
    whole = {(kind, high): low for kind, low, high in todo}
    running: list[Child] = []
    chooser = selectors.DefaultSelector()
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                child = start(*waiting.popleft())
                running.append(child)
                assert child.process.stdout is not None
                chooser.register(child.process.stdout, selectors.EVENT_READ, child)
            for key, _ in chooser.select(timeout=1.0):
                child = key.data
                line = child.process.stdout.readline()
                child.heard = time.monotonic()
                if line.endswith("\n"):
                    result = json.loads(line)
                    child.next = result["seed"] + 1
                    yield child.kind, result
                    continue
                yield from _ended(child, running, chooser, waiting, whole)
            for child in [c for c in running if time.monotonic() - c.heard > PATIENCE]:
                child.process.kill()
    finally:
        for child in running:
            child.process.kill()


def _ended(
    child: Child,
    running: list[Child],
    chooser: selectors.BaseSelector,
    waiting: deque[tuple[str, int, int]],
    whole: dict[tuple[str, int], int],
) -> Iterator[tuple[str, Any]]:
    """Take note of a process that said its last; go on behind the case that it died of."""
    assert child.process.stdout is not None
    chooser.unregister(child.process.stdout)
    child.process.stdout.close()
    running.remove(child)
    code = child.process.wait()
    child.errors.seek(0)
    said = child.errors.read()[-3000:]
    child.errors.close()
    if child.next < child.high:
        if child.next == child.low and code == 1:
            raise RuntimeError(f"the cases cannot be run:\n{said}")
        yield child.kind, {
            "seed": child.next, "origin": "", "outcome": "killed", "seconds": 0.0, "memory": 0,
            "crashes": [["the process", f"exit {code}", "", said]],
        }  # fmt: skip
        if child.next + 1 < child.high:
            waiting.appendleft((child.kind, child.next + 1, child.high))
            return
    yield "done", (child.kind, whole[child.kind, child.high], child.high)
