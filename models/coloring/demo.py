"""Colour six graphs with as few colours as there can be, and prove that one fewer is too few.

python models/coloring/demo.py [--picture coloring.png] [--write graphs.jsonl]
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.interop import boards

CHROMATIC = {
    "queen5_5": 5, "queen6_6": 7, "queen7_7": 7, "myciel3": 4, "myciel4": 5, "myciel5": 6
}  # fmt: skip


def main() -> int:
    options = argparse.ArgumentParser(description="Colour six graphs.")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw the boards of queens")
    options.add_argument("--write", type=Path, metavar="JSONL", help="write the graphs as data")
    chosen = options.parse_args()
    try:
        if chosen.write is not None:
            lines = (json.dumps(graph(name)) for name in CHROMATIC)
            chosen.write.write_text("".join(f"{line}\n" for line in lines))
        demo(chosen.picture)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def graph(name: str) -> dict[str, Any]:
    """Return a graph of queens that attack each other, or one of Mycielski's, as an instance."""
    if name.startswith("queen"):
        n = int(name[5])
        cells = [divmod(k, n) for k in range(n * n)]
        edges = [
            (u, v)
            for v, (i, j) in enumerate(cells)
            for u, (p, q) in enumerate(cells[:v])
            if i == p or j == q or abs(i - p) == abs(j - q)
        ]
        return {"name": name, "n": n * n, "edge": [{"a": u, "b": v} for u, v in sorted(edges)]}
    count, edges = 2, [(0, 1)]
    for _ in range(int(name[6]) - 1):
        # Each vertex v gets a twin v + count beside the neighbours of v; all twins meet in one.
        twins = [(u, v + count) for u, v in edges] + [(v, u + count) for u, v in edges]
        edges = [*edges, *twins, *((v + count, 2 * count) for v in range(count))]
        count = 2 * count + 1
    return {"name": name, "n": count, "edge": [{"a": u, "b": v} for u, v in sorted(edges)]}


def demo(picture: Path | None) -> None:
    """Colour, prove, draw."""
    if picture is not None:
        boards.require()
    drawn = []
    print("graph     vertices  edges  colours  nodes      ms  with one fewer")
    with as_file(files("factorgraph.models") / "coloring") as here:
        for name, colours in CHROMATIC.items():
            one = graph(name)
            found = coloured(here / "coloring.fg", one, colours)
            less = coloured(here / "coloring.fg", one, colours - 1)
            fewer = f"{less['status']}, {less['iterations']} nodes"
            print(
                f"{name:<9} {one['n']:8} {len(one['edge']):6} {colours:8} {found['iterations']:6}"
                f" {1000 * found['seconds']:7.1f}  {fewer}"
            )
            if name.startswith("queen"):
                n = int(name[5])
                drawn.append((f"{name}: {colours} colours", found["answers"]["c"], n))
    if picture is not None:
        squares = [np.reshape(c, (n, n)) for _, c, n in drawn]
        boards.boards(squares, picture, [title for title, _, _ in drawn], colours=True)


def coloured(path: Path, one: dict[str, Any], colours: int) -> dict[str, Any]:
    """Return the answer to one graph."""
    model = fg.load(path, settings={"k": colours})
    return next(model.init().predict([one]))


if __name__ == "__main__":
    sys.exit(main())
