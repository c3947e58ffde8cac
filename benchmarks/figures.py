"""What every benchmark shares: run a command, take medians, print one JSON object."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
OCR = ROOT / "models" / "ocr" / "ocr.fg"
LETTERS = ROOT / "models" / "ocr" / "letters.npz"
FGC = str(Path(sys.executable).with_name("fgc"))


def seconds(command: list[str], repeat: int = 5, **environment: str) -> float:
    """Return the median wall seconds of a command, after one run that is not counted."""
    times = []
    for k in range(repeat + 1):
        begun = time.perf_counter()
        done = subprocess.run(
            command, capture_output=True, env={**os.environ, **environment}, cwd=ROOT, check=False
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} ended {done.returncode}: {done.stderr.decode()}")
        if k:
            times.append(time.perf_counter() - begun)
    return statistics.median(times)


def once(command: list[str], **environment: str) -> float:
    """Return the wall seconds of one run of a command."""
    begun = time.perf_counter()
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, **environment}, cwd=ROOT, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended {done.returncode}: {done.stderr.decode()}")
    return time.perf_counter() - begun


def median_of(function: Callable[[], Any], repeat: int = 9) -> float:
    """Return the median seconds of a call, after one that is not counted."""
    function()
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        function()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def report(**figures: Any) -> None:
    """Print one JSON object."""
    print(json.dumps(figures))
