"""A process that runs cases by number and says a line of JSON for each: see `runner`."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fuzz import corpus, guard, memo

SECONDS = {"programs": 5.0, "files": 10.0}
"""The time of the processor that one step of a case may take."""

PATIENCE = 4
"""A case of several steps is ended after so many times the time of a step."""

DEEP = {"programs": 100, "files": 50}
"""Each how many-th case goes through the command line as well."""

MACHINE = 400
"""Each how many-th program is inferred and trained, if it has energies."""


def main() -> None:
    """Run the cases of one kind from a number to another: ``child.py KIND LOW HIGH``."""
    kind, low, high = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="fgc-fuzz-", dir=base))
    said = sys.stdout
    try:
        drive = _driver(kind)
        memo.install()
        guard.install(folder, corpus.ROOT)
        guard.limit_memory()
        for seed in range(low, high):
            faulthandler.dump_traceback_later(80 * SECONDS[kind], exit=True)
            said.write(json.dumps(one(drive, kind, seed, folder)) + "\n")
            said.flush()
        faulthandler.cancel_dump_traceback_later()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _driver(kind: str) -> Callable[..., Any]:
    if os.environ.get("FGC_FUZZ_SABOTAGE"):
        return sabotage
    if kind == "programs":
        from fuzz import program

        program.warm()
        return program.drive
    from fuzz import datafile

    datafile.names()
    return datafile.drive


def sabotage(seed: int, folder: Path, *_: object, **__: object) -> Any:
    """Do what no case may do, to see that it is seen."""
    from fuzz.program import Report, step

    report = Report("sabotage")
    match seed:
        case 0:
            with step(report, "sabotage"):
                _ = 1 / 0
        case 1:
            Path(f"{folder}-beside").touch()
        case 2:
            _ = bytearray(guard.BUDGET + guard.SLACK + 50_000_000)
        case 3:
            Path(f"{folder}-beside").unlink()
            os._exit(9)
        case 4:
            guard.interrupt_after(0.2)
            while True:
                pass
    return report


def one(drive: Callable[..., Any], kind: str, seed: int, folder: Path) -> dict[str, Any]:
    """Run a case and return what became of it as plain values."""
    origin, outcome, crashes = "", "", []
    spent = guard.Spent()
    limit = SECONDS[kind]
    machine = kind == "programs" and seed % MACHINE == 1
    try:
        options = {"machine": True} if machine else {}
        with guard.watch((20 if machine else 1) * PATIENCE * limit) as spent:
            report = drive(seed, folder, seed % DEEP[kind] == 0, limit, **options)
        origin, outcome = report.origin, report.outcome
        crashes = [[step, *_signature(error)] for step, error in report.crashes]
    except guard.TooSlow as error:
        outcome = "too slow"
        crashes.append(["time", "TooSlow", _place(error), f"more than {PATIENCE * limit:g} s"])
    except BaseException as error:
        outcome = "failed"
        crashes.append(["the harness", *_signature(error)])
    if not machine and spent.memory > guard.BUDGET + guard.SLACK:
        crashes.append(["memory", "TooLarge", "", f"{spent.memory / 1e6:.0f} MB"])
    crashes += [["files", "Touched", "", name] for name in spent.touched]
    return {
        "seed": seed, "origin": origin, "outcome": outcome, "seconds": round(spent.seconds, 4),
        "memory": spent.memory, "crashes": crashes,
    }  # fmt: skip


def _signature(error: BaseException) -> tuple[str, str, str]:
    text = " ".join(str(error).split())
    return type(error).__name__, _place(error), text[:300]


def _place(error: BaseException) -> str:
    """Return the innermost place of the package in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    package = str(corpus.ROOT / "factorgraph")
    own = [f for f in frames if f.filename.startswith(package)] or frames[-1:]
    if not own:
        return ""
    last = own[-1]
    return f"{last.filename.removeprefix(f'{corpus.ROOT}/')}:{last.lineno}"


if __name__ == "__main__":
    main()
