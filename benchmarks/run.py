"""All benchmarks, one JSON object a line with the command that makes it again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
NAMES = (
    "startup", "gradient", "networks", "grounding", "exactness", "lbfgs", "letters", "losses",
    "augmented", "cluster", "frankwolfe", "crf", "trws", "propagation", "codes", "curves", "kinds",
    "junction", "square", "threads", "device",
)  # fmt: skip


def figures(name: str, *arguments: str) -> list[dict[str, Any]]:
    """Run one benchmark and return what it printed."""
    command = [sys.executable, str(HERE / f"{name}.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} ended {done.returncode}:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    for name in NAMES:
        for figure in figures(name):
            print(json.dumps({"benchmark": name, **figure}), flush=True)


if __name__ == "__main__":
    main()
