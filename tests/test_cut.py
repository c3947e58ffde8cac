"""Cuts: the least energy as enumeration has it, by PyMaxflow and by scipy; toulbar2 likewise."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from factorgraph.engine import cut, toulbar2
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import InferenceError, UsageError
from factorgraph.factors.builder import FactorGraph


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle: Any = _load("oracle")


def submodular(rng: np.random.Generator, whole: bool) -> Problem:
    """Return random submodular energies of up to eight variables, some entries excluded."""
    n = int(rng.integers(1, 9))
    g = FactorGraph()
    variables = [g.variable(f"v{i}", 1 if rng.random() < 0.1 else 2) for i in range(n)]
    cards = [1 if g.build().structure.card[v] == 1 else 2 for v in variables]
    g.factor([], float(rng.integers(-5, 5)), name="constant")
    for v in variables:
        table = rng.integers(-9, 10, cards[v]) * (1.0 if whole else 0.37)
        g.factor([v], np.where(rng.random(cards[v]) < 0.1, np.inf, table), name="own")
    for _ in range(int(rng.integers(0, 12))):
        if n < 2:
            break
        i, j = (int(v) for v in rng.permutation(n)[:2])
        table = rng.integers(-9, 10, (2, 2)) * (1.0 if whole else 0.41)
        table[0, 1] += max(table[0, 0] + table[1, 1] - table[0, 1] - table[1, 0], 0.0)
        for a, b in [(0, 1), (1, 0)]:
            if rng.random() < 0.15:
                table[a, b] = np.inf
        if rng.random() < 0.1:
            table[int(rng.integers(2))] = np.inf
        g.factor([i, j], table[: cards[i], : cards[j]], name="pair")
    graph = g.build()
    evidence = np.full(n, -1, np.int32)
    if rng.random() < 0.3:
        v = int(rng.integers(n))
        evidence[v] = rng.integers(cards[v])
    return Problem(graph.structure, graph.values[0], evidence)


def least(problem: Problem) -> float:
    energies = oracle.configurations(problem.structure, problem.values, 0, problem.evidence)[1]
    return float(energies.min(initial=np.inf))


def holds(problem: Problem, out: Outcome, exact: bool) -> None:
    """Compare an outcome with enumeration."""
    best = least(problem)
    if best == np.inf:
        assert out.status == "infeasible" and out.states is None
        return
    assert out.energy == pytest.approx(best, rel=1e-6, abs=1e-6)
    assert out.bound <= best + 1e-9
    observed = problem.evidence >= 0
    assert out.states is not None
    assert (out.states[observed] == problem.evidence[observed]).all()
    if exact:
        assert out.status == "optimal"
        assert out.energy == pytest.approx(best, rel=1e-9, abs=1e-9)
    else:
        assert out.status.startswith("gap ") or out.notes[0].endswith("in whole numbers")


@pytest.mark.parametrize("by", ["maxflow", "scipy"])
@pytest.mark.parametrize("seed", range(80))
def test_cuts_are_least(seed: int, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(by)
    monkeypatch.setattr(cut, "find_spec", lambda name: name == by or None)
    whole = seed % 2 == 0
    problem = submodular(np.random.default_rng(seed), whole)
    out = cut.run(problem, {}, Watch())
    holds(problem, out, exact=whole or by == "maxflow")
    assert out.states is None or ("scipy" if by == "scipy" else "PyMaxflow") in out.notes[0]


def test_what_is_not_submodular_is_named() -> None:
    g = FactorGraph()
    a, b = g.variable("a", 2), g.variable("b", 2)
    g.factor([b, a], np.eye(2), name="differ")
    graph = g.build()
    free = np.full(2, -1, np.int32)
    with pytest.raises(InferenceError, match=r"`differ`\[0\], of variables 0 and 1"):
        cut.run(Problem(graph.structure, graph.values[0], free), {}, Watch())
    # With one of the two observed nothing is left to be submodular.
    pytest.importorskip("scipy")
    out = cut.run(Problem(graph.structure, graph.values[0], np.array([1, -1])), {}, Watch())
    assert out.states is not None and out.states.tolist() == [1, 0]
    c = g.variable("c", 3)
    g.factor([a, b, c], np.zeros((2, 2, 3)), name="three")
    graph = g.build()
    with pytest.raises(InferenceError, match="variable 2 has 3"):
        cut.run(Problem(graph.structure, graph.values[0], np.full(3, -1)), {}, Watch())


def test_a_pair_is_judged_by_the_sum_of_its_factors() -> None:
    pytest.importorskip("scipy")
    g = FactorGraph()
    a, b = g.variable("a", 2), g.variable("b", 2)
    g.factor([a, b], np.eye(2), name="differ")
    g.factor([b, a], 2.0 - 2.0 * np.eye(2), name="agree")
    graph = g.build()
    problem = Problem(graph.structure, graph.values[0], np.full(2, -1, np.int32))
    holds(problem, cut.run(problem, {}, Watch()), exact=True)


def test_extras_say_how_they_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    g = FactorGraph()
    g.factor([g.variable("a", 2)], [0.0, 1.0])
    graph = g.build()
    problem = Problem(graph.structure, graph.values[0], np.full(1, -1, np.int32))
    for module in (cut, toulbar2):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
        with pytest.raises(UsageError) as found:
            module.run(problem, {}, Watch())
        assert found.value.code == "E0915" and "fgc[" in (found.value.hint or "")


def test_toulbar2_that_is_stopped_proves_less() -> None:
    pytest.importorskip("pytoulbar2")
    rng = np.random.default_rng(1)
    g = FactorGraph()
    x = g.variables("x", (16, 16), 4)
    for a, b in ((x[:, 1:], x[:, :-1]), (x[1:], x[:-1])):
        scopes = np.stack([a.ravel(), b.ravel()], axis=1)
        g.factors(scopes, rng.normal(size=(len(scopes), 4, 4)))
    graph = g.build()
    problem = Problem(graph.structure, graph.values[0], np.full(256, -1, np.int32))
    out = toulbar2.run(problem, {}, Watch(1.0))
    assert out.status.startswith("gap ") and out.bound < out.energy - 1.0


@pytest.mark.parametrize("seed", range(30))
def test_toulbar2(seed: int) -> None:
    pytest.importorskip("pytoulbar2")
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=True, instances=1, largest=6)
    values = rng.integers(-9, 10, structure.size) * (1.0 if seed % 2 else 0.123456789)
    values[rng.random(structure.size) < 0.1] = np.inf
    free = np.full(structure.variables, -1, np.int32)
    problem = Problem(structure, values, free)
    out = toulbar2.run(problem, {}, Watch())
    best = least(problem)
    if best == np.inf:
        assert out.status == "infeasible" and out.states is None
        return
    assert out.algorithm == "toulbar2" and out.energy == pytest.approx(best, rel=1e-9, abs=1e-9)
    assert out.bound <= best + 1e-9
    assert out.status == "optimal" or best == pytest.approx(out.bound, abs=1e-6)
