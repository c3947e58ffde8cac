"""Branch and bound: the least energy as enumeration has it, bounds below it, known optima."""

from __future__ import annotations

import csv
import importlib.util
from itertools import permutations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from factorgraph.engine.branch import run
from factorgraph.engine.consistency import begin, settle
from factorgraph.engine.network import network
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.factors.builder import FactorGraph
from factorgraph.factors.table import energy


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle: Any = _load("oracle")
DATA = Path(__file__).parents[2] / "shared" / "data"
there = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")


class Patience(Watch):
    """A watch that is over once it was asked so many times, on any machine."""

    def __init__(self, asks: int) -> None:
        super().__init__()
        self.asks = asks

    @property
    def over(self) -> str:
        self.asks -= 1
        return "" if self.asks >= 0 else "stopped: enough"


def answer(problem: Problem, watch: Watch | None = None) -> Outcome:
    """Run branch and bound, and check what any outcome promises."""
    watch = Watch() if watch is None else watch
    out = run(problem, {}, watch)
    if out.states is not None:
        found = energy(problem.structure, problem.values[None], out.states)[0, 0]
        assert out.energy == found == watch.energy
        observed = problem.evidence >= 0
        assert (out.states[observed] == problem.evidence[observed]).all()
    bounds = [point.bound for point in out.trace]
    assert bounds == sorted(bounds)
    assert out.bound <= out.energy
    return out


def random_values(rng: np.random.Generator, size: int, whole: bool, hard: float) -> Any:
    values = rng.integers(-9, 10, size).astype(float) if whole else rng.normal(size=size) * 3
    values[rng.random(size) < hard] = np.inf
    return values


@pytest.mark.parametrize("seed", range(120))
def test_the_optimum_of_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=True, instances=1, largest=7)
    values = random_values(rng, structure.size, bool(seed % 2), (0.0, 0.1, 0.4)[seed % 3])
    evidence = np.full(structure.variables, -1, np.int32)
    for v in np.nonzero(rng.random(structure.variables) < 0.2 * (seed % 4 == 0))[0]:
        evidence[v] = rng.integers(structure.card[v])
    energies = oracle.configurations(structure, values, 0, evidence)[1]
    start = None
    if seed % 5 == 0:
        start = np.array([rng.integers(k) for k in structure.card], np.int32)
        start[evidence >= 0] = evidence[evidence >= 0]
    out = answer(Problem(structure, values, evidence, start=start))
    least = energies.min(initial=np.inf)
    if least == np.inf:
        assert out.status.startswith("infeasible") and out.states is None
    else:
        assert out.status == "optimal"
        assert out.energy == pytest.approx(least, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_moves_keep_all_energies(seed: int) -> None:
    """Every configuration's energy is the constant, unary costs and shifted tables together."""
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=True, instances=1, largest=5)
    values = random_values(rng, structure.size, False, 0.1 * (seed % 2))
    free = np.full(structure.variables, -1, np.int32)
    built = network(structure, values, free)
    net, state = built.net, begin(built)
    alive = bool((state.size > 0).all())
    if alive:
        alive = settle(net, state, 3, seed % 3, 0.0, np.inf, 0.0)
    states, energies = oracle.configurations(structure, values, 0)
    for row, expected in zip(states, energies, strict=True):
        left = all(state.where[net.state[v] + a] < state.size[v] for v, a in enumerate(row))
        if not (alive and left):
            assert expected == np.inf
            continue
        total = state.cost[-1] + sum(state.cost[net.state[v] + a] for v, a in enumerate(row))
        for f in range(len(net.base)):
            at = net.base[f]
            for e in range(net.first[f], net.first[f + 1]):
                a = row[net.scope[e]]
                at += net.stride[e] * a
                total -= state.cost[net.shift[e] + a]
            total += net.table[at]
        assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert state.cost[-1] <= expected + 1e-9


def colouring(pairs: Any, vertices: int, colours: int) -> Problem:
    g = FactorGraph()
    g.variables("c", vertices, colours)
    g.factors(pairs, np.where(np.eye(colours) > 0, np.inf, 0.0)[None], name="differ")
    graph = g.build()
    return Problem(graph.structure, graph.values[0], np.full(vertices, -1, np.int32))


def test_infeasible_names_a_factor() -> None:
    triangle = np.array([[0, 1], [1, 2], [0, 2]])
    out = answer(colouring(triangle, 3, 2))
    assert out.status.startswith("infeasible: differ[")
    assert (out.states, out.energy, out.bound) == (None, np.inf, np.inf)
    g = FactorGraph()
    g.variable("a", 2)
    g.factor([0], [np.inf, 0.0], name="no")
    graph = g.build()
    out = answer(Problem(graph.structure, graph.values[0], np.array([0], np.int32)))
    assert out.status == "infeasible: no[0]"


def test_what_is_there_when_time_is_over() -> None:
    rng = np.random.default_rng(3)
    g = FactorGraph()
    g.variables("x", 30, 4)
    pairs = np.array([(i, j) for i in range(30) for j in range(i)])
    g.factors(pairs, rng.normal(size=(len(pairs), 4, 4)))
    graph = g.build()
    start = rng.integers(0, 4, 30).astype(np.int32)
    problem = Problem(graph.structure, graph.values[0], np.full(30, -1, np.int32), start=start)
    out = answer(problem, Watch(0.0))
    assert out.states is not None and (out.states == start).all()
    out = answer(problem, Patience(20))
    assert out.energy < energy(graph.structure, graph.values, start)[0, 0]
    assert out.status.startswith("gap ") and np.isfinite(out.bound)


def test_all_different_and_other_kinds() -> None:
    g = FactorGraph()
    x = g.variables("x", 7, 7)
    rng = np.random.default_rng(5)
    cost = rng.integers(0, 50, (7, 7)).astype(float)
    g.factors(x[:, None], cost)
    g.all_different(x)
    y = g.variables("y", 3, 2)
    g.factors(y[:, None], np.array([[0.0, -1.0]]))
    g.parity(y)
    graph = g.build()
    assert len(graph.structure.kinds) == 2
    out = answer(Problem(graph.structure, graph.values[0], np.full(10, -1, np.int32)))
    least = min(sum(cost[i, s] for i, s in enumerate(p)) for p in permutations(range(7)))
    assert out.status == "optimal" and out.energy == least - 2.0


def test_the_same_answer_each_time() -> None:
    rng = np.random.default_rng(4)
    structure = oracle.random_structure(rng, loopy=True, instances=1, largest=7)
    values = random_values(rng, structure.size, False, 0.1)
    problem = Problem(structure, values, np.full(structure.variables, -1, np.int32))
    first, second = answer(problem), answer(problem)
    assert first.iterations == second.iterations and first.energy == second.energy


def known(path: Path) -> tuple[int, Any]:
    lines = [line.split() for line in path.read_text().splitlines()]
    vertices = next(int(line[2]) for line in lines if line and line[0] == "p")
    edges = [[int(v) - 1 for v in line[1:3]] for line in lines if line and line[0] == "e"]
    return vertices, np.array(edges)


@there
@pytest.mark.parametrize(
    ("name", "number"),
    [("queen5_5", 5), ("queen6_6", 7), ("queen7_7", 7), ("myciel3", 4), ("myciel4", 5),
     ("myciel5", 6)],
)  # fmt: skip
def test_chromatic_numbers(name: str, number: int) -> None:
    vertices, edges = known(DATA / "csp" / f"{name}.col")
    out = answer(colouring(edges, vertices, number))
    assert out.status == "optimal" and out.energy == 0.0
    if name != "myciel5":  # 70,000 nodes
        assert answer(colouring(edges, vertices, number - 1)).status.startswith("infeasible")


@there
def test_sudokus() -> None:
    cells = np.arange(81)
    row, column = np.divmod(cells, 9)
    box = row // 3 * 3 + column // 3
    meet = (row[:, None] == row) | (column[:, None] == column) | (box[:, None] == box)
    pairs = np.argwhere(meet & (cells[:, None] < cells))
    board = colouring(pairs, 81, 9)
    with open(DATA / "csp" / "sudoku_360.csv") as file:
        puzzles = list(csv.DictReader(file))
    for puzzle in puzzles[::12]:
        given = np.array([int(digit) - 1 for digit in puzzle["puzzle"]], np.int32)
        out = answer(Problem(board.structure, board.values, given))
        assert out.states is not None
        assert "".join(str(state + 1) for state in out.states) == puzzle["solution"]
