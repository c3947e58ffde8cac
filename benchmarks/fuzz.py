"""Hostile programs and data files by number: none may crash, hang, swell or touch a file.

python benchmarks/fuzz.py                        the whole run, resumed where it was ended
python benchmarks/fuzz.py --programs 5000 --files 1000 --output trial.json
python benchmarks/fuzz.py --show programs 4711   one case again, with its tracebacks
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT / "tests")

from fuzz import guard, runner  # noqa: E402
from fuzz.child import MACHINE, SECONDS  # noqa: E402

from factorgraph.files import write  # noqa: E402

OUTPUT = ROOT / "benchmarks" / "fuzz.json"
CHUNK = {"programs": 1000, "files": 2000}
"""Cases that one process runs."""

MOST_SEEDS = 5
"""Numbers that are kept of each kind of failure."""


def digest() -> str:
    """Return a hash of all sources that the outcome depends on."""
    out = hashlib.sha256()
    for folder in (
        "factorgraph",
        "grammar",
        "models",
        "tests/fuzz",
        "tests/language",
        "tests/golden",
    ):
        for path in sorted((ROOT / folder).glob("**/*")):
            if path.suffix in (".py", ".fg", ".lark"):
                out.update(path.read_bytes())
    return out.hexdigest()[:16]


def empty(seed: int) -> dict[str, Any]:
    """Return the record of a run that has not begun."""
    import numba
    import numpy

    kinds = {
        kind: {
            "done": [], "cases": 0, "seconds": 0.0, "outcomes": {}, "origins": {},
            "slowest": {"seconds": 0.0}, "slowest_compiled": {"seconds": 0.0},
            "largest": {"memory": 0},
        }
        for kind in SECONDS
    }  # fmt: skip
    versions = {
        "source": digest(), "python": platform.python_version(), "numpy": numpy.__version__,
        "numba": numba.__version__, "platform": platform.platform(),
    }  # fmt: skip
    limits = {"budget": guard.BUDGET, "rows": guard.ROWS, "slack": guard.SLACK, "seconds": SECONDS}
    return {"command": "python benchmarks/fuzz.py", "complete": False, "first_seed": seed,
            "versions": versions, "limits": limits, **kinds, "failures": []}  # fmt: skip


def add(record: dict[str, Any], kind: str, result: dict[str, Any]) -> None:
    """Add one case to a record."""
    part = record[kind]
    part["cases"] += 1
    part["seconds"] = round(part["seconds"] + result["seconds"], 4)
    for key, name in (("outcomes", result["outcome"]), ("origins", result["origin"])):
        part[key][name] = part[key].get(name, 0) + 1
    which = {"seed": result["seed"], "origin": result["origin"]}
    compiled = kind == "programs" and result["seed"] % MACHINE == 1  # machine code takes its time
    slowest = "slowest_compiled" if compiled else "slowest"
    if result["seconds"] > part[slowest]["seconds"]:
        part[slowest] = {"seconds": result["seconds"], **which}
    if result["memory"] > part["largest"]["memory"]:
        part["largest"] = {"memory": result["memory"], **which}
    for step, error, place, message in result["crashes"]:
        fault = {"kind": kind, "step": step, "error": error, "place": place}
        for known in record["failures"]:
            if all(known[k] == v for k, v in fault.items()):
                known["count"] += 1
                if len(known["seeds"]) < MOST_SEEDS:
                    known["seeds"].append(result["seed"])
                break
        else:
            record["failures"].append(
                {**fault, "message": message, "count": 1, "seeds": [result["seed"]]}
            )


def chunks(record: dict[str, Any], kind: str, first: int, count: int) -> list[tuple[str, int, int]]:
    """Return the ranges that a record lacks."""
    done = {tuple(span) for span in record[kind]["done"]}
    size = CHUNK[kind]
    spans = [(low, min(low + size, first + count)) for low in range(first, first + count, size)]
    return [(kind, *span) for span in spans if span not in done]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--again", action="store_true", help="do not resume")
    parser.add_argument("--show", nargs=2, metavar=("KIND", "SEED"))
    options = parser.parse_args()
    if options.show:
        show(options.show[0], int(options.show[1]))
        return
    record = empty(options.first)
    if options.output.exists() and not options.again:
        old = json.loads(options.output.read_text(encoding="utf-8"))
        if old["versions"] == record["versions"] and old["first_seed"] == options.first:
            record = old
    todo = [c for kind, count in (("programs", options.programs), ("files", options.files))
            for c in chunks(record, kind, options.first, count)]  # fmt: skip
    drawn_up: dict[tuple[str, int], list[dict[str, Any]]] = {}
    begin = told = time.monotonic()
    cases = 0
    for kind, result in runner.run(todo, options.processes):
        if kind != "done":
            size = CHUNK[kind]
            low = options.first + (result["seed"] - options.first) // size * size
            drawn_up.setdefault((kind, low), []).append(result)
            cases += 1
            for crash in result["crashes"]:
                print(f"{kind} {result['seed']}: {' '.join(crash)[:300]}", flush=True)
        else:
            name, low, high = result
            for case in drawn_up.pop((name, low), []):
                add(record, name, case)
            record[name]["done"].append([low, high])
            keep(record, options)
        if time.monotonic() - told > 10:
            told = time.monotonic()
            rate = cases / (told - begin)
            total = sum(high - low for _, low, high in todo)
            print(f"{cases} of {total} cases, {rate:.0f} a second, "
                  f"{(total - cases) / rate / 60:.0f} min left", flush=True)  # fmt: skip
    record["complete"] = True
    keep(record, options)
    for kind in SECONDS:
        print(json.dumps({kind: {k: v for k, v in record[kind].items() if k != "done"}}))
    print(f"{len(record['failures'])} kinds of failure")
    sys.exit(bool(record["failures"]))


def keep(record: dict[str, Any], options: argparse.Namespace) -> None:
    """Write a record."""
    record["programs"]["done"].sort()
    record["files"]["done"].sort()
    record["failures"].sort(key=lambda f: -f["count"])
    write(options.output, (json.dumps(record, indent=1) + "\n").encode())


def show(kind: str, seed: int) -> None:
    """Run one case and print what it is and where it fails."""
    from fuzz import datafile, program

    if kind == "programs":
        print("\n".join(program.program(seed)))
    with tempfile.TemporaryDirectory() as name:
        guard.install(Path(name), ROOT)
        drive = program.drive if kind == "programs" else datafile.drive
        with guard.watch(60) as spent:
            report = drive(seed, Path(name), deep=True)
    for step, error in report.crashes:
        print(f"--- {step}")
        traceback.print_exception(error)
    print(report.origin, "->", report.outcome, spent)


if __name__ == "__main__":
    main()
