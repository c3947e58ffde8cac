"""Solve 360 Sudokus and say how long that took, by how many digits were given.

python models/sudoku/demo.py [--picture sudoku.png]
"""

from __future__ import annotations

import argparse
import statistics
import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

import factorgraph as fg
from factorgraph.data.read import read
from factorgraph.interop import boards


def main() -> int:
    options = argparse.ArgumentParser(description="Solve 360 Sudokus.")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw two that were solved")
    try:
        demo(options.parse_args().picture)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(picture: Path | None) -> None:
    """Solve, compare, draw."""
    if picture is not None:
        boards.require()
    with as_file(files("factorgraph.models") / "sudoku") as here:
        model, puzzles = fg.load(here / "sudoku.fg"), read(here / "sudoku.npz")
        with np.load(here / "sudoku.npz") as stored:
            clue, truth, givens = stored["clue"], stored["x"], stored["givens"]
    found = list(model.init().predict(puzzles))
    right = [
        one["status"] == "optimal" and np.array_equal(one["answers"]["x"], x)
        for one, x in zip(found, truth, strict=True)
    ]
    print(f"{sum(right)} of {len(found)} solved, each proven and as the file has it")
    print("givens  puzzles  median ms  longest ms  nodes at most")
    for low in range(17, 35, 6):
        at = [k for k in range(len(found)) if low <= givens[k] < low + 6]
        spent = [1000.0 * found[k]["seconds"] for k in at]
        most = max(found[k]["iterations"] for k in at)
        print(
            f"{low}..{low + 5}  {len(at):7}  {statistics.median(spent):9.1f}  {max(spent):10.1f}"
            f"  {most:13}"
        )
    if picture is not None:
        hardest = max(range(len(found)), key=lambda k: found[k]["iterations"])
        chosen = [0, hardest]
        boards.boards(
            [truth[k] for k in chosen], picture,
            [f"{givens[k]} givens, {found[k]['iterations']} nodes" for k in chosen],
            known=[clue[k] > 0 for k in chosen], heavy=3,
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
