"""Exact answers about single graphs: shrunk, eliminated, conditioned, ranked and drawn."""

from __future__ import annotations

import importlib.util
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph import budget
from factorgraph.engine.answer import outcomes
from factorgraph.engine.choose import choose
from factorgraph.engine.condition import cutset
from factorgraph.engine.exact import run
from factorgraph.engine.greedy import crowded
from factorgraph.engine.junction import JunctionEngine
from factorgraph.engine.menu import steps
from factorgraph.engine.order import neighbours, search
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.plan import plan
from factorgraph.engine.problem import Problem
from factorgraph.engine.ranking import k_best, sample
from factorgraph.engine.shrink import shrink
from factorgraph.engine.watch import Watch
from factorgraph.errors import InferenceError, UsageError
from factorgraph.graph.structure import Group, Structure
from factorgraph.interop.formats.read import read

_spec = importlib.util.spec_from_file_location("oracle", Path(__file__).with_name("oracle.py"))
assert _spec is not None and _spec.loader is not None
oracle: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)

UAI = Path(__file__).parents[2] / "shared" / "data" / "uai"
close = {"rtol": 1e-9, "atol": 1e-9}


def answer(structure: Structure, values: Any, task: Any, evidence: Any = None, cutset: int = 0,
           beta: float = 1.0) -> Outcome:  # fmt: skip
    given = np.full(structure.variables, -1, np.int32) if evidence is None else evidence
    return run(Problem(structure, values, given, task, beta), {"cutset": cutset}, Watch())


def grid(height: int, width: int, states: int, seed: int, hard: float = 0.0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    at = np.arange(height * width).reshape(height, width)
    pairs = np.concatenate([
        np.stack([at[:, :-1].ravel(), at[:, 1:].ravel()], 1),
        np.stack([at[:-1].ravel(), at[1:].ravel()], 1),
    ]).astype(np.int32)  # fmt: skip
    n = len(pairs)
    group = Group("tie", (states, states), pairs, np.arange(n, dtype=np.int32), n, np.array([0, n]))
    structure = Structure(np.full(at.size, states, np.int32), np.array([0, at.size]), (group,))
    values = rng.normal(size=structure.size)
    values[rng.random(len(values)) < hard] = np.inf
    return structure, values


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_against_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=True, instances=1, largest=6)
    values = oracle.random_values(rng, structure, 1, rng.choice([1.0, 40.0]), 0.1 * (seed % 5))[0]
    evidence = oracle.random_evidence(rng, structure, 1, 0.3 * (seed % 2))[0]
    beta = float(rng.choice([1.0, 0.5]))
    states, energies = oracle.configurations(structure, values, 0, evidence)
    found = answer(structure, values, "map", evidence)
    soft = answer(structure, values, "marginals", evidence, beta=beta)
    if not np.isfinite(energies).any():
        assert found.status.startswith("infeasible") and found.states is None
        assert found.energy == found.bound == np.inf
        assert soft.status.startswith("infeasible") and soft.log_partition == -np.inf
        return
    assert found.status == "optimal" and found.states is not None
    np.testing.assert_allclose(found.energy, energies.min(), **close)
    np.testing.assert_allclose(oracle.sum_of(structure, values, 0, found.states), found.energy)
    assert ((evidence < 0) | (evidence == found.states)).all()
    want = oracle.soft_minimum(energies, beta)
    np.testing.assert_allclose(-soft.log_partition / beta, want, **close)
    p = oracle.probabilities(energies, beta)
    _, marginals = oracle.by_state(structure, 0, states, energies, p)
    np.testing.assert_allclose(soft.marginals, marginals, **close)
    part = answer(structure, values, "partition", evidence, beta=beta)
    assert part.log_partition_is == "exact" and part.marginals is None
    np.testing.assert_allclose(part.log_partition, soft.log_partition, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_shrinking_drops_only_what_is_impossible(seed: int) -> None:
    structure, values = grid(2, 3, 3, seed, hard=0.5)
    states, energies = oracle.configurations(structure, values, 0)
    smaller = shrink(structure, values, np.full(6, -1, np.int32))
    possible = states[np.isfinite(energies)]
    if smaller.blame:
        assert len(possible) == 0 and smaller.blame.startswith("tie[")
        return
    kept = {(int(v), int(s)) for v in range(6) for s in range(3) if 3 * v + s in smaller.kept}
    assert {(v, int(row[v])) for row in possible for v in range(6)} <= kept
    small, left = oracle.configurations(smaller.structure, smaller.values, 0)
    finite = np.isfinite(left)
    back = np.array([smaller.states(row, structure) for row in small[finite]]).reshape(-1, 6)
    np.testing.assert_array_equal(back, possible)
    np.testing.assert_allclose(left[finite], energies[np.isfinite(energies)], rtol=1e-12)


def test_hard_zeros_and_evidence_make_graphs_narrow() -> None:
    """What a chain of equalities settles is gone before the width is judged."""
    n = 60
    rng = np.random.default_rng(0)
    scope = np.array([[a, b] for a in range(n) for b in range(a)], np.int32)
    equal = Group("equal", (2, 2), scope, np.zeros(len(scope), np.int32), 1,
                  np.array([0, len(scope)]))  # fmt: skip
    one = Group("one", (2,), np.arange(n, dtype=np.int32)[:, None], np.arange(n, dtype=np.int32),
                n, np.array([0, n]))  # fmt: skip
    structure = Structure(np.full(n, 2, np.int32), np.array([0, n]), (equal, one))
    values = np.concatenate([[0.0, np.inf, np.inf, 0.0], rng.normal(size=2 * n)])
    evidence = np.full(n, -1, np.int32)
    with pytest.raises(InferenceError, match="60 variables"):
        JunctionEngine(structure)
    evidence[17] = 1
    found = answer(structure, values, "map", evidence)
    assert found.states is not None and (found.states == 1).all()
    np.testing.assert_allclose(found.energy, values[5::2].sum())
    values[4 + 2 * 30 + 1] = np.inf
    assert answer(structure, values, "map", evidence).status == "infeasible: one[30]"


@pytest.mark.parametrize("seed", range(12))
def test_what_is_called_crowded_has_no_order_at_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 6
    pairs = np.array([p for p in itertools.combinations(range(n), 2) if rng.random() < 0.6])
    start, near = neighbours(n, [pairs.reshape(-1, 2).astype(np.int64)])
    card = rng.integers(2, 6, n)

    def largest(order: tuple[int, ...]) -> int:
        around = {v: set(near[start[v] : start[v + 1]].tolist()) for v in range(n)}
        most = 0
        for v in order:
            circle = around.pop(v)
            most = max(most, int(card[v] * np.prod([card[u] for u in circle])))
            for u in circle:
                around[u] = (around[u] | circle) - {u, v}
        return most

    least = min(map(largest, itertools.permutations(range(n))))
    assert crowded(0, n, start, near, card, least) is None
    bound = next(m for m in range(1, 10**6) if crowded(0, n, start, near, card, m) is None)
    assert card.max() <= bound <= least


@pytest.mark.parametrize("colours", [9, 8])
def test_what_only_forbids_is_searched_before_a_wide_elimination(colours: int) -> None:
    """Nine variables, all different: by elimination tables of 9 ** 9 or 8 ** 9 entries."""
    scope = np.array([[a, b] for a in range(9) for b in range(a)], np.int32)
    differ = Group("differ", (colours, colours), scope, np.zeros(len(scope), np.int32), 1,
                   np.array([0, len(scope)]))  # fmt: skip
    structure = Structure(np.full(9, colours, np.int32), np.array([0, 9]), (differ,))
    values = np.where(np.eye(colours, dtype=bool), np.inf, 1.0).ravel()
    choice = choose(structure)
    assert choice.reason.startswith("exact: width 8") and choice.seconds > 1
    (found,) = outcomes(structure, values)
    assert found.algorithm == "branch" and found.reason.startswith("branch + exact")
    if colours == 9:
        assert found.states is not None and sorted(found.states) == list(range(9))
        assert (found.status, found.energy) == ("optimal", 36.0)
    else:
        assert found.status.startswith("infeasible")
    values[1] = 0.5  # it prefers something, and is eliminated
    problem = Problem(structure, values, np.full(9, -1, np.int32))
    assert [step.name for step in plan(problem)[0]] == ["exact"]
    assert "exact" not in [step.name for step in plan(problem, 0.1)[0]]  # it takes longer


def test_what_is_too_wide_is_conditioned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    structure, values = grid(6, 6, 2, 1)
    whole = {task: answer(structure, values, task) for task in ("map", "marginals")}
    engine = JunctionEngine(structure)
    assert engine.plan.width == 6
    monkeypatch.setattr(budget, "_limit", 40_000)
    monkeypatch.setattr(budget, "require", lambda size, what: None)
    monkeypatch.setattr("factorgraph.engine.condition.TOGETHER", 3)
    given = cutset(structure, 8, 3000)
    assert given is not None and 0 < given.sum() <= 8
    monkeypatch.setattr(budget, "_limit", 6_000)
    with pytest.raises(InferenceError, match="too wide"):
        answer(structure, values, "partition")
    parts = {task: answer(structure, values, task, cutset=8) for task in ("map", "marginals")}
    assert "combinations of" in parts["map"].reason
    np.testing.assert_allclose(parts["map"].energy, whole["map"].energy, rtol=1e-12)
    np.testing.assert_allclose(parts["marginals"].marginals, whole["marginals"].marginals, **close)
    np.testing.assert_allclose(
        parts["marginals"].log_partition, whole["marginals"].log_partition, rtol=1e-12
    )


def test_orders_of_known_width() -> None:
    def width(structure: Structure) -> int:
        start, near = neighbours(
            structure.variables, [group.scope.astype(np.int64) for group in structure.groups]
        )
        card = structure.card.astype(np.int64)
        order = search(structure.instance, start, near, card, share=0.0)
        assert sorted(order.variables) == list(range(structure.variables))
        return int(order.width[0])

    assert width(grid(1, 50, 3, 0)[0]) == 1
    assert width(grid(5, 100, 5, 0)[0]) == 5
    n = 3000  # A hub with a ring around it has width 3.
    ring = np.stack([np.arange(n), (np.arange(n) + 1) % n], 1)
    spokes = np.stack([np.full(n, n), np.arange(n)], 1)
    scope = np.concatenate([ring, spokes]).astype(np.int32)
    group = Group("wheel", (2, 2), scope, np.zeros(2 * n, np.int32), 1, np.array([0, 2 * n]))
    assert width(Structure(np.full(n + 1, 2, np.int32), np.array([0, n + 1]), (group,))) == 3


def test_cotangents_are_derivatives() -> None:
    structure, values = grid(3, 4, 2, 3)
    engine = JunctionEngine(structure)
    into = np.zeros((1, structure.size))
    engine.soft_minimum(values[None], 2.0).add_cotangents(np.ones((1, 1)), into)
    for k in range(0, structure.size, 5):
        shift = np.zeros(structure.size)
        shift[k] = 1e-5
        more, less = (
            engine.soft_minimum((values + s)[None], 2.0).value[0, 0] for s in (shift, -shift)
        )
        np.testing.assert_allclose((more - less) / 2e-5, into[0, k], atol=1e-8)


def test_ranges_beyond_floats_are_worked_out_in_energies() -> None:
    """Opposing energies of thousands leave the answer to what is beneath them."""
    structure, values = grid(3, 3, 2, 5)
    steep = values.copy()
    steep[:4] += [0.0, 0.0, 3000.0, 3000.0]
    steep[4:8] += [5000.0, 5000.0, 0.0, 0.0]
    at = structure.groups[0].scope[:2]
    assert at[0, 0] == 0 and at[1, 0] == 1
    states, energies = oracle.configurations(structure, steep, 0)
    soft = answer(structure, steep, "marginals")
    np.testing.assert_allclose(-soft.log_partition, oracle.soft_minimum(energies, 1.0), rtol=1e-12)
    p = oracle.probabilities(energies, 1.0)
    np.testing.assert_allclose(
        soft.marginals, oracle.by_state(structure, 0, states, energies, p)[1], **close
    )


@pytest.mark.parametrize("seed", range(30))
def test_the_best_in_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    structure = oracle.random_structure(rng, loopy=seed % 3 > 0, instances=1, largest=5)
    values = oracle.random_values(rng, structure, 1, 1.0, 0.1 * (seed % 4))[0]
    evidence = oracle.random_evidence(rng, structure, 1, 0.3 * (seed % 2))[0]
    _states, energies = oracle.configurations(structure, values, 0, evidence)
    k = int(rng.choice([1, 5, 40, 100]))
    found, each = k_best(structure, values, k, evidence)
    order = np.sort(energies[np.isfinite(energies)])[:k]
    assert found.shape == (len(order), structure.variables)
    np.testing.assert_allclose(each, order, **close)
    assert len(np.unique(found, axis=0)) == len(found)
    for row, energy in zip(found, each, strict=True):
        np.testing.assert_allclose(oracle.sum_of(structure, values, 0, row), energy, **close)
        assert ((evidence < 0) | (evidence == row)).all()


def test_ties_come_once_each() -> None:
    structure, values = grid(2, 3, 2, 0)
    found, each = k_best(structure, np.zeros_like(values), 100)
    assert len(np.unique(found, axis=0)) == 64 and (each == 0.0).all()


@pytest.mark.parametrize("steep", [0.0, 3000.0])
@pytest.mark.parametrize("hard", [0.0, 0.3])
def test_draws_come_as_often_as_they_should(steep: float, hard: float) -> None:
    structure, values = grid(2, 3, 2, 4, hard)
    values[:4] += [0.0, 0.0, steep, steep]
    _states, energies = oracle.configurations(structure, values, 0)
    p = oracle.probabilities(energies, 0.7)
    n = 20_000
    found = sample(structure, values, n, 0.7, seed=3)
    assert found is not None
    code = found @ 2 ** np.arange(5, -1, -1)
    count = np.bincount(code, minlength=64)
    assert (count[p == 0] == 0).all()
    often = n * p > 5
    # Chi squared of at most 63 degrees of freedom is above 120 once in 10^5 seeds.
    assert (((count - n * p) ** 2)[often] / (n * p)[often]).sum() < 120
    again = sample(structure, values, n, 0.7, seed=3)
    np.testing.assert_array_equal(found, again)
    assert sample(structure, np.full_like(values, np.inf), 3) is None


def test_by_name_in_python() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", (2, 2), 2)
    y = g.variable("y", 3)
    g.factors([[x[0, 0], x[0, 1]], [x[1, 0], x[1, 1]], [x[0, 0], x[1, 0]], [x[0, 1], x[1, 1]]],
              [[[0.0, 1.0], [1.0, 0.0]]])  # fmt: skip
    g.factor([x[0, 0], y], [[0.0, 0.5, 2.0], [0.2, 0.0, 3.0]])
    graph = g.build()
    best = fg.k_best(graph, 3)
    np.testing.assert_allclose([energy for energy, _ in best], [0.0, 0.0, 0.2])
    assert best[0][1]["x"].shape == (2, 2) and best[2][1]["y"].shape == ()
    clamped = fg.k_best(graph, 1, evidence={"y": 2})
    np.testing.assert_allclose(clamped[0][0], 2.0)
    drawn = fg.sample(graph, 50, seed=1, evidence={"y": 2})
    assert drawn["x"].shape == (50, 2, 2) and (drawn["y"] == 2).all()
    with pytest.raises(UsageError):
        fg.k_best(graph, 0)
    with pytest.raises(UsageError):
        fg.sample(graph, -1)
    g.factor([y], [np.inf, np.inf, np.inf])
    with pytest.raises(InferenceError, match="none can be drawn"):
        fg.sample(g.build(), 1)
    assert fg.k_best(g.build(), 4) == []


QUICK = ["Grids_12", "Segmentation_11", "Segmentation_13", "Pedigree_12", "CSP_12", "Promedus_24",
         "Promedus_30", "Promedus_15", "Promedus_22", "Promedus_11", "grid10x10.f10"]  # fmt: skip


@pytest.mark.skipif(not UAI.exists(), reason="the instances are not there")
@pytest.mark.parametrize("name", QUICK)
def test_published_marginals(name: str) -> None:
    folder = UAI / "marpr"
    file = next(p for p in (folder / f"{name}.uai", folder / f"{name}.uai.gz") if p.exists())
    evidence = folder / f"{name}.uai.evid"
    instance = read(file, evidence if evidence.exists() else None)
    found = answer(instance.structure, instance.values, "marginals", instance.evidence)
    log10 = (found.log_partition - instance.offset) / np.log(10)
    reference = json.loads((UAI / "reference.json").read_text())[f"marpr/{name}"]
    if "log10Z_ours" in reference:
        assert abs(log10 - reference["log10Z_ours"]) < 1e-6
    printed = (folder / f"{name}.uai.PR").read_text().split()[-1]
    assert f"{log10:.6g}" == f"{float(printed):.6g}"
    marginals = folder / f"{name}.uai.MAR"
    if marginals.exists():
        words = iter(marginals.read_text().split()[2:])
        want = np.concatenate(
            [[float(next(words)) for _ in range(int(next(words)))] for _ in instance.structure.card]
        )
        np.testing.assert_allclose(found.marginals, want, atol=1e-6)


def test_the_menu_knows_it() -> None:
    structure, values = grid(3, 3, 2, 0)
    (step,) = steps("junction(cutset = 3)")
    problem = Problem(structure, values, np.full(9, -1, np.int32), "partition")
    assert np.isfinite(step.run(problem, Watch()).log_partition)
