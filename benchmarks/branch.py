"""Optima of small hard instances: weighted constraints, UAI MAP, Sudokus, colourings.

The instances are those of ``shared/data``; without that folder nothing is measured. Each is asked
for by name: branch and bound of our own, elimination where a graph is narrow (the two grids of 20
by 20), and toulbar2 where ours does not prove the optimum in time and pytoulbar2 can be imported.
Seconds are the processor's, machine code made before, files read before. `peer_seconds` are those
of pytoulbar2 with its defaults, the making of its network included.

    python benchmarks/branch.py [--seconds 120] [--peer]
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from figures import ROOT, report

import factorgraph as fg
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import steps
from factorgraph.engine.outcome import OPTIMAL, Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.graph.structure import Ints
from factorgraph.interop.formats.instance import Instance

DATA = ROOT.parent / "shared" / "data"
NARROW = ("Grids_30", "ProteinFolding_11")
UNPROVEN = ("Grids_26", "wcsp_11")
"""Nobody has proven these optima: the best energy and bound of both solvers in turn."""
COLOURS = {
    "queen5_5": 5, "queen6_6": 7, "queen7_7": 7, "myciel3": 4, "myciel4": 5, "myciel5": 6
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="for one instance (120)")
    parser.add_argument("--peer", action="store_true", help="time pytoulbar2 as well")
    options = parser.parse_args()
    if not DATA.is_dir():
        return
    warm()
    for name, instance, known in (*weighted(), *map_tasks()):
        show(name, instance, known, options.seconds, options.peer)
    sudokus()
    colourings(options.seconds)


def counted(instance: Instance, states: Ints) -> float:
    """Return the energy as toulbar2 counts that of a CFN file.

    The least cost of a function of more than three variables goes in twice there (1.1.1 and 1.4.0),
    so that the optimum of ``alarm`` is given as 3.157695 where the file's costs add up to 3.086727.
    """
    extra = 0.0
    for g, group in enumerate(instance.structure.groups):
        if len(group.cards) > 3:
            least = instance.structure.table(instance.values, g).reshape(group.distinct, -1)
            extra += float(least.min(axis=1)[group.table].sum())
    return instance.energy(states) + extra


def warm() -> None:
    """Make the machine code."""
    g = fg.FactorGraph()
    g.factor(list(g.variables("x", 2, 2)), np.eye(2))
    g.factor(list(g.variables("y", 3, 2)), np.arange(8.0).reshape(2, 2, 2))
    graph = g.build()
    for names in ("branch", "exact", "trws"):
        pairs = graph if names != "trws" else _pair()
        solved(Problem(pairs.structure, pairs.values[0], free(pairs.structure.variables)), names)


def _pair() -> fg.NamedGraph:
    g = fg.FactorGraph()
    g.factor(list(g.variables("x", 2, 2)), np.eye(2))
    return g.build()


def free(variables: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.full(variables, -1, np.int32)


def weighted() -> Iterator[tuple[str, Instance, float | None]]:
    """Yield the weighted constraint problems with their optima."""
    for path in sorted((DATA / "wcsp").glob("*")):
        name = path.name.split(".")[0]
        if ".wcsp" in path.name or ".cfn" in path.name:
            known = float((DATA / "wcsp" / f"{name}.ub").read_text())
            yield f"wcsp/{name}", fg.read_graph(path), known


def map_tasks() -> Iterator[tuple[str, Instance, float | None]]:
    """Yield the UAI instances with the energies of their proven configurations."""
    for path in sorted((DATA / "uai" / "map").glob("*.uai*")):
        if not path.name.endswith((".uai", ".uai.gz")):
            continue
        name = path.name.split(".")[0]
        instance = fg.read_graph(path, path.with_name(f"{name}.uai.evid"))
        best = path.with_name(f"{name}.MAPv")
        known = None
        if best.is_file():
            words = [int(word) for word in best.read_text().split() if word.isdigit()]
            known = instance.energy(np.array(words[1:], np.int32))
        yield f"uai/{name}", instance, known


def solved(problem: Problem, names: str, seconds: float | None = None) -> Outcome:
    """Run algorithms in turn."""
    return infer(problem, steps(names), Watch(seconds))


def show(name: str, instance: Instance, known: float | None, seconds: float, peer: bool) -> None:
    """Print what one instance gave."""
    problem = Problem(instance.structure, instance.values, instance.evidence)
    short = name.split("/")[1]
    ways = ["exact" if short in NARROW else "branch"]
    if short in UNPROVEN:
        ways = ["branch"]
    if find_spec("pytoulbar2") is not None:
        half = f"branch(seconds = {seconds / 2:g}) + toulbar2"
        ways = [half] if short in UNPROVEN else [*ways, "toulbar2"]
    for way in ways:
        begun = time.process_time()
        out = solved(problem, way, seconds)
        took = time.process_time() - begun
        if out.status == OPTIMAL:
            break
    more: dict[str, Any] = {}
    if peer and find_spec("pytoulbar2") is not None and short not in UNPROVEN and way != "toulbar2":
        begun = time.process_time()
        theirs = solved(problem, "toulbar2", seconds)
        spent = time.process_time() - begun
        more = {
            "peer_seconds": spent,
            "peer_status": theirs.status,
            "times": spent / max(took, 1e-4),
        }
    offset = instance.offset
    if instance.format == "cfn" and out.states is not None:
        more["counted"] = counted(instance, out.states)
    report(
        instance=name, by=way, status=out.status, energy=out.energy + offset,
        bound=out.bound + offset, known=known, nodes=out.iterations, seconds=took, **more,
    )  # fmt: skip


def differing(pairs: np.ndarray[tuple[int, int], np.dtype[np.int64]], n: int, k: int) -> Problem:
    g = fg.FactorGraph()
    g.variables("x", n, k)
    g.factors(pairs, np.where(np.eye(k) > 0, np.inf, 0.0)[None], name="differ")
    graph = g.build()
    return Problem(graph.structure, graph.values[0], free(n))


def sudokus() -> None:
    """Print how many of the 360 are solved as the file has it, and how long one takes."""
    cells = np.arange(81)
    row, column = np.divmod(cells, 9)
    box = row // 3 * 3 + column // 3
    meet = (row[:, None] == row) | (column[:, None] == column) | (box[:, None] == box)
    board = differing(np.argwhere(meet & (cells[:, None] < cells)), 81, 9)
    right, spent, nodes = 0, [], []
    with open(DATA / "csp" / "sudoku_360.csv") as file:
        puzzles = list(csv.DictReader(file))
    for puzzle in puzzles:
        given = np.array([int(digit) - 1 for digit in puzzle["puzzle"]], np.int32)
        begun = time.process_time()
        out = solved(Problem(board.structure, board.values, given), "branch")
        spent.append(time.process_time() - begun)
        nodes.append(out.iterations)
        said = "" if out.states is None else "".join(str(s + 1) for s in out.states)
        right += out.status == OPTIMAL and said == puzzle["solution"]
    report(
        instance="csp/sudoku", by="branch", puzzles=len(puzzles), right=right,
        seconds=sum(spent), median=statistics.median(spent), longest=max(spent), nodes=max(nodes),
    )  # fmt: skip


def colourings(seconds: float) -> None:
    """Print what colouring with the chromatic number and with one fewer gave."""
    for name, number in COLOURS.items():
        rows = [row.split() for row in (DATA / "csp" / f"{name}.col").read_text().splitlines()]
        n = next(int(row[2]) for row in rows if row and row[0] == "p")
        edges = np.array([[int(v) - 1 for v in row[1:3]] for row in rows if row and row[0] == "e"])
        for k in (number, number - 1):
            begun = time.process_time()
            out = solved(differing(edges, n, k), "branch", seconds)
            report(
                instance=f"csp/{name}", colours=k, by="branch", status=out.status,
                nodes=out.iterations, seconds=time.process_time() - begun,
            )  # fmt: skip


if __name__ == "__main__":
    main()
