"""Belief propagation against enumeration, other libraries' figures and itself in another order."""

from __future__ import annotations

import gzip
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.engine import bethe
from factorgraph.engine.choose import choose
from factorgraph.engine.crew import Crew, crew
from factorgraph.engine.flooding import Products, within_range
from factorgraph.engine.incidence import incidence
from factorgraph.engine.menu import Value, step
from factorgraph.engine.messages import Messages
from factorgraph.engine.outcome import OPTIMAL, Outcome
from factorgraph.engine.pairs import Pairs
from factorgraph.engine.pairwise import pairwise
from factorgraph.engine.problem import Problem, Task
from factorgraph.engine.reweighted import forests, reweighted, upper_bound
from factorgraph.engine.watch import Watch
from factorgraph.errors import FgError
from factorgraph.factors.table import energy
from factorgraph.graph.builder import NamedGraph
from factorgraph.graph.structure import Energies
from factorgraph.interop.formats.read import read

INF = np.inf
Rng = np.random.Generator
SCHEDULES = ("flooding", "sweep", "residual")
SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def asked(
    graph: NamedGraph,
    name: str,
    task: Task,
    evidence: dict[int, int] | None = None,
    beta: float = 1.0,
    threads: int = 1,
    **options: Value,
) -> Outcome:
    """Return what an algorithm answers."""
    observed = np.full(graph.structure.variables, -1, np.int32)
    for v, x in (evidence or {}).items():
        observed[v] = x
    problem = Problem(graph.structure, graph.values[0], observed, task, beta, threads=threads)
    return step(name, options).run(problem, Watch())


def exact(
    graph: NamedGraph, evidence: dict[int, int] | None = None, beta: float = 1.0
) -> tuple[float, float, np.ndarray]:
    """Return least energy, log-partition and marginals by an exact engine."""
    engine = choose(graph.structure).engine
    observed = np.full(graph.structure.variables, -1, np.int32)
    for v, x in (evidence or {}).items():
        observed[v] = x
    soft = engine.soft_minimum(graph.values, beta, observed)
    least = engine.minimum(graph.values, observed)
    return float(least.value[0, 0]), float(-beta * soft.value[0, 0]), soft.marginals()[0]


def drawn(
    rng: Rng, variables: int, factors: int, forest: bool, strength: float = 1.0, hard: float = 0.0
) -> NamedGraph:
    """Return a random graph of factors of arity 0 to 4 over variables of 1 to 4 states."""
    g = fg.FactorGraph()
    cards = rng.integers(1, 5, variables)
    for v, card in enumerate(cards):
        g.variable(f"v{v}", int(card))
        g.factor([v], rng.normal(size=card))
    g.factor([], rng.normal())
    joined = np.arange(variables)
    for k in range(factors):
        scope = rng.permutation(variables)[: rng.integers(2, 5)]
        if forest and len(np.unique(joined[scope])) < len(scope):
            continue
        joined[np.isin(joined, joined[scope])] = joined[scope[0]]
        table = strength * rng.normal(size=cards[scope])
        some = rng.random(table.shape) < hard
        some.flat[0] &= hard > 0.2  # else states 0 stay a way out
        table[some] = INF
        g.factor(scope.tolist(), table, name=f"f{k % 3}")
    return g.build()


def grid(rng: Rng, rows: int, columns: int, states: int, kind: str) -> NamedGraph:
    """Return a grid of one kind of pairs; some slopes are such that no step is worth it."""
    g = fg.FactorGraph()
    x = g.variables("x", (rows, columns), states)
    g.factors(x.reshape(-1, 1), 3 * rng.random((x.size, states)), name="unary")
    ends = np.concatenate([np.stack([x[:, :-1], x[:, 1:]], -1).reshape(-1, 2),
                           np.stack([x[:-1], x[1:]], -1).reshape(-1, 2)])  # fmt: skip
    weight = rng.random(len(ends))
    if kind == "potts":
        g.potts(ends, weight)
    elif kind == "linear":
        g.truncated_linear(ends, weight, rng.choice([0.5, 1.0, 3.0, 40.0, INF], len(ends)))
    elif kind == "quadratic":
        g.truncated_quadratic(ends, weight, rng.choice([0.5, 3.0, 40.0, INF], len(ends)))
    else:
        g.factors(ends, rng.normal(size=(len(ends), states, states)))
    return g.build()


# -- forests: exact


@pytest.mark.parametrize("seed", range(6))
def test_forests_are_exact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = drawn(rng, 7, 8, True, hard=0.05 * (seed % 2))
    evidence = {0: 0} if seed % 3 == 0 else None
    beta = (1.0, 0.3, 5.0)[seed % 3]
    least, log_z, marginals = exact(graph, evidence, beta)
    assert np.isfinite(least)
    for schedule in ("auto", *SCHEDULES):
        found = asked(graph, "minsum", "map", evidence, schedule=schedule)
        assert found.status == OPTIMAL
        assert found.states is not None
        assert found.energy == pytest.approx(least, abs=1e-9) and found.gap == 0
        assert energy(graph.structure, graph.values, found.states)[0, 0] == found.energy
        soft = asked(graph, "sumproduct", "marginals", evidence, beta, schedule=schedule)
        assert soft.status == "converged" and soft.log_partition_is == "exact"
        assert soft.log_partition == pytest.approx(log_z, abs=1e-7)
        np.testing.assert_allclose(soft.marginals, marginals, atol=1e-7)
    bound = asked(graph, "trbp", "marginals", evidence, beta)
    assert bound.log_partition == pytest.approx(log_z, abs=1e-7)
    np.testing.assert_allclose(bound.marginals, marginals, atol=1e-7)


def test_sweeps_of_a_forest_end_after_the_second() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 400, 3)
    rng = np.random.default_rng(0)
    g.factors(np.stack([x[:-1], x[1:]], 1), rng.normal(size=(399, 3, 3)))
    found = asked(g.build(), "bp", "partition")
    assert found.iterations == 2 and found.residual < 1e-12 and found.status == "converged"


def test_ties_on_a_tree_are_broken_together() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 6, 3)
    for a, b in ((0, 3), (3, 1), (1, 4), (3, 5), (5, 2)):
        g.factor([x[a], x[b]], np.where(np.eye(3, dtype=bool), 1.0, 0.0))
    found = asked(g.build(), "minsum", "map")
    assert (found.energy, found.status) == (0.0, OPTIMAL)
    again = asked(g.build(), "minsum", "map")
    assert found.states is not None and np.array_equal(found.states, again.states)


# -- loops: schedules agree, marginals are such, bounds hold


@pytest.mark.parametrize("seed", range(4))
def test_schedules_come_to_the_same_fixed_point(seed: int) -> None:
    graph = drawn(np.random.default_rng(seed), 8, 9, False, 0.3)
    options: dict[str, Value] = {"tolerance": 1e-11, "iterations": 1000}
    runs = [asked(graph, "bp", "marginals", schedule=s, **options) for s in SCHEDULES]
    runs.append(asked(graph, "bp", "marginals", schedule="flooding", damping=0.4, **options))
    _, log_z, marginals = exact(graph)
    for run in runs:
        assert run.status == "converged" and run.log_partition_is == "Bethe"
        assert run.marginals is not None and runs[0].marginals is not None
        np.testing.assert_allclose(run.marginals, runs[0].marginals, atol=1e-8)
        assert run.log_partition == pytest.approx(runs[0].log_partition, abs=1e-8)
        first = graph.structure.state_offset[:-1]
        np.testing.assert_allclose(np.add.reduceat(run.marginals, first), 1, atol=1e-12)
        # Weak factors: not exact, and not far from it.
        assert run.log_partition == pytest.approx(log_z, abs=0.05)
        np.testing.assert_allclose(run.marginals, marginals, atol=0.05)


@pytest.mark.parametrize("seed", range(3))
def test_min_sum_of_all_schedules_finds_the_least_where_it_is_clear(seed: int) -> None:
    graph = drawn(np.random.default_rng(seed), 9, 8, False, 0.5)
    least = exact(graph)[0]
    for schedule in SCHEDULES:
        found = asked(graph, "minsum", "map", schedule=schedule, damping=0.5)
        assert found.energy == pytest.approx(least, abs=1e-9)
        assert found.status != OPTIMAL and found.bound == -INF


def test_residuals_are_bounds() -> None:
    graph = drawn(np.random.default_rng(2), 8, 10, False, 0.6)
    problem = Problem(graph.structure, graph.values[0], np.full(8, -1, np.int32))
    from factorgraph.engine.residual import Priorities

    for beta in (1.0, INF):
        messages = Messages(incidence(problem), beta, Crew())
        first = Priorities(messages)
        for _ in range(12):
            left = first.advance(3, 0.0, 0.0)
            before = messages.told.copy()
            assert messages.flood(0.0) <= left + 1e-12
            messages.told[:] = before
            messages.gather()


@pytest.mark.parametrize("seed", range(5))
def test_upper_bounds_hold_for_any_messages(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = drawn(rng, 7, 9, False, 2.0, 0.03 * (seed % 2))
    beta = (1.0, 0.5)[seed % 2]
    _, log_z, _ = exact(graph, None, beta)
    problem = Problem(graph.structure, graph.values[0], np.full(7, -1, np.int32))
    layout = incidence(problem)
    forests_ = forests(layout, 0, seed)
    assert forests_.share.min() > 0
    messages = Messages(reweighted(layout, forests_.share), beta, Crew(),
                        np.repeat(forests_.share, np.diff(layout.row)))  # fmt: skip
    bounds = []
    for k in range(8):
        bounds.append(upper_bound(messages, forests_))
        messages.flood(0.5)
        if k == 4:
            messages.told += rng.normal(size=messages.told.shape)
            messages.gather()
    assert min(bounds) >= log_z
    for trees in (0, 3, 20):
        found = asked(graph, "trbp", "marginals", beta=beta, trees=trees, damping=0.5)
        assert found.log_partition >= log_z
        assert found.log_partition <= bounds[0] + 1e-9
        assert found.log_partition_is == "upper bound"
        assert found.marginals is not None and np.isfinite(found.marginals).all()


def test_reweighting_by_one_is_sum_product() -> None:
    graph = drawn(np.random.default_rng(3), 8, 9, False, 0.5)
    problem = Problem(graph.structure, graph.values[0], np.full(8, -1, np.int32))
    layout = incidence(problem)
    plain = Messages(layout, 1.0, Crew())
    one = Messages(reweighted(layout, np.ones(layout.factors)), 1.0, Crew(),
                   np.ones(len(layout.scope)))  # fmt: skip
    for _ in range(5):
        assert plain.flood(0.1) == pytest.approx(one.flood(0.1), abs=1e-12)
    np.testing.assert_allclose(plain.told, one.told, atol=1e-12)


def test_oscillation_is_said() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 9, 2)
    g.factors(x[:, None], 0.1 * np.random.default_rng(0).normal(size=(9, 2)))
    pairs = np.array([(a, b) for a in range(9) for b in range(a)])
    g.factors(pairs, np.array([[[4.0, 0.0], [0.0, 4.0]]]))
    graph = g.build()
    found = asked(graph, "bp", "marginals", iterations=60)
    assert found.status.startswith("not converged: oscillates, residual ")
    assert found.status.endswith("after 60 sweeps") and found.residual > 0.1
    assert any("damping" in note for note in found.notes)
    few = asked(graph, "minsum", "map", iterations=1)
    assert "after 1 sweep" in few.status and "oscillates" not in few.status


def test_no_thread_changes_a_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factorgraph.engine.crew.WORTH", 2**10)
    rng = np.random.default_rng(0)
    for kind in ("potts", "table"):
        graph = grid(rng, 60, 70, 6, kind)
        for name, task in (("minsum", "map"), ("bp", "marginals")):
            one, two, three = (
                asked(graph, name, task, threads=t, iterations=12, schedule="flooding")  # type: ignore[arg-type]
                for t in (1, 2, 16)
            )
            for other in (two, three):
                assert (one.energy, one.residual) == (other.energy, other.residual)
                for a, b in ((one.states, other.states), (one.marginals, other.marginals)):
                    assert (a is None and b is None) or np.array_equal(a, b)  # type: ignore[arg-type]
    with crew(4) as workers:
        assert workers.run(lambda lo, hi: (lo, hi), 2**20, 2**20)[-1][1] == 2**20


# -- one arithmetic against another


@pytest.mark.parametrize("kind", ["potts", "linear", "quadratic"])
@pytest.mark.parametrize("states", [2, 5, 40])
def test_single_precision_agrees_with_messages_in_closed_form(kind: str, states: int) -> None:
    graph = grid(np.random.default_rng(states), 5, 6, states, kind)
    problem = Problem(graph.structure, graph.values[0], np.full(30, -1, np.int32))
    plain = pairwise(problem, "test")
    assert Pairs.fits(plain)
    pairs = Pairs(plain, Crew())
    messages = Messages(incidence(problem), INF, Crew())
    for damping in (0.0, 0.3, 0.0, 0.0):
        changes = pairs.flood(damping), messages.flood(damping)
        assert changes[0] == pytest.approx(changes[1], abs=1e-4)
        told = pairs.belief - pairs.belief.min(axis=1, keepdims=True)
        want = messages.belief.reshape(30, states)
        np.testing.assert_allclose(told, want - want.min(axis=1, keepdims=True), atol=1e-4)


@pytest.mark.parametrize("case", ["binary", "drawn", "wide"])
@pytest.mark.parametrize("many", [0, 10**9], ids=["written out", "in loops"])
def test_products_agree_with_energies(
    case: str, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("factorgraph.engine.flooding.MANY", many)
    rng, binary = np.random.default_rng(4), case == "binary"
    if case == "wide":
        g = fg.FactorGraph()
        cards = [*range(2, 8), *range(2, 8)]
        for v, card in enumerate(cards):
            g.variable(f"v{v}", card)
        for arity in (1, 2, 2, 3, 3, 4):
            for _ in range(20 if arity > 1 else 6):
                scope = rng.permutation(12)[:arity]
                g.factor(scope.tolist(), rng.normal(size=[cards[v] for v in scope]))
        graph = g.build()
    else:
        graph = grid(rng, 5, 6, 2, "table") if binary else drawn(rng, 9, 12, False)
    n = graph.structure.variables
    for evidence in (None, {3: 0}, {3: graph.structure.card[3] - 1, 4: 0}):
        observed = np.full(n, -1, np.int32)
        for v, x in (evidence or {}).items():
            observed[v] = x
        problem = Problem(graph.structure, graph.values[0], observed)
        layout = incidence(problem)
        assert within_range(layout, 0.7)
        products, messages = Products(layout, 0.7, Crew()), Messages(layout, 0.7, Crew())
        assert products.binary == binary
        for _ in range(4):
            change = products.flood(True), messages.flood(0.0)
            # They are scaled to a sum of one here, there to a least energy of zero.
            assert 0.5 * change[1] - 1e-9 <= change[0] <= 2 * change[1] + 1e-9
            np.testing.assert_allclose(products.energies(), messages.told, atol=1e-9)


def test_kinds_answer_as_their_tables_do() -> None:
    rng = np.random.default_rng(5)
    plain, closed = fg.FactorGraph(), fg.FactorGraph()
    even = np.where(np.indices((2, 2, 2, 2)).sum(0) % 2, INF, 0.0)
    for g in (plain, closed):
        x = g.variables("x", 8, 2)
        g.factors(x[:, None], np.random.default_rng(6).normal(size=(8, 2)))
    scopes = [rng.permutation(8)[:4].tolist() for _ in range(4)]
    for scope in scopes:
        plain.factor(scope, even)
        closed.parity([scope])
    tables, kinds = plain.build(), closed.build()
    for name, task in (("minsum", "map"), ("bp", "marginals")):
        for schedule in ("flooding", "sweep"):
            a, b = (
                asked(g, name, task, schedule=schedule, damping=0.3)  # type: ignore[arg-type]
                for g in (tables, kinds)
            )
            assert a.status == b.status
            assert a.energy == pytest.approx(b.energy)
            if a.marginals is not None:
                np.testing.assert_allclose(a.marginals, b.marginals, atol=1e-6)
                assert a.log_partition == pytest.approx(b.log_partition, abs=1e-6)


def test_large_checks_are_refused_where_tables_are_read() -> None:
    g = fg.FactorGraph()
    g.parity(g.variables("x", 40, 2).tolist())
    for name, task in (("trbp", "partition"), ("bp", "partition")):
        with pytest.raises(FgError, match=r"factor `parity` of kind `parity`"):
            asked(g.build(), name, task, schedule="residual")  # type: ignore[arg-type]
    with pytest.raises(FgError, match="layered"):
        asked(g.build(), "bp", "partition", schedule="layered")
    found = asked(g.build(), "bp", "partition", schedule="flooding")
    assert found.log_partition == pytest.approx(39 * np.log(2))


# -- ends of the range


@pytest.mark.parametrize("size", [1e-300, 1e-6, 1e6, 1e12])
@pytest.mark.parametrize("hard", [0.0, 0.3])
def test_no_energy_gives_nan(size: float, hard: float) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        graph = drawn(rng, 7, 8, False, size, hard)
        least = exact(graph)[0]
        for schedule in SCHEDULES:
            soft = asked(graph, "bp", "marginals", schedule=schedule, iterations=30)
            best = asked(graph, "minsum", "map", schedule=schedule, iterations=30)
            assert not np.isnan(best.energy) and best.energy >= least - 1e-9 * abs(least)
            if soft.status.startswith("infeasible"):
                assert least == INF and best.energy == INF
                continue
            assert soft.marginals is not None and np.isfinite(soft.marginals).all()
            assert np.isfinite(soft.log_partition)
        bound = asked(graph, "trbp", "marginals", iterations=30)
        if not bound.status.startswith("infeasible"):
            assert bound.marginals is not None and np.isfinite(bound.marginals).all()
            assert bound.log_partition >= exact(graph)[1]


def test_contradictions_name_a_factor() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 4, 3)
    g.factors(np.stack([x[:-1], x[1:]], 1), np.where(np.eye(3), 0.0, INF)[None], name="same")
    graph = g.build()
    for name, task in (("minsum", "map"), ("bp", "marginals"), ("trbp", "partition")):
        found = asked(graph, name, task, {0: 1, 3: 2})  # type: ignore[arg-type]
        assert found.status.startswith("infeasible: same[")
        assert found.states is None and found.energy == INF and found.bound == INF
        assert task == "map" or found.log_partition == -INF
        fine = asked(graph, name, task, {0: 1, 3: 1})  # type: ignore[arg-type]
        assert not fine.status.startswith("infeasible")
    g.factor([x[0]], [0.0, INF, 0.0])
    assert asked(g.build(), "minsum", "map", {0: 1}).status == "infeasible"
    g.factor([], INF)
    assert asked(g.build(), "bp", "partition").status == "infeasible"


def test_parts_apart_and_single_states() -> None:
    g = fg.FactorGraph()
    a, b, c = g.variable("a", 1), g.variable("b", 3), g.variable("c", 2)
    g.variable("alone", 4)
    g.factor([a, b], [[1.0, 0.5, 2.0]])
    g.factor([c], [0.0, 0.25])
    g.factor([], 7.0)
    graph = g.build()
    least, log_z, marginals = exact(graph)
    for schedule in SCHEDULES:
        assert asked(graph, "minsum", "map", schedule=schedule).energy == least == 7.5
        soft = asked(graph, "bp", "marginals", schedule=schedule)
        assert soft.log_partition == pytest.approx(log_z)
        np.testing.assert_allclose(soft.marginals, marginals, atol=1e-12)
    assert asked(graph, "trbp", "partition").log_partition == pytest.approx(log_z)
    empty = fg.FactorGraph()
    empty.factor([], 2.0)
    assert asked(empty.build(), "minsum", "map").energy == 2.0
    assert asked(empty.build(), "bp", "partition").log_partition == pytest.approx(-2.0)


def test_a_thousand_labels() -> None:
    rng = np.random.default_rng(1)
    g = fg.FactorGraph()
    x = g.variables("x", 5, 1000)
    g.factors(x[:, None], 10 * rng.random((5, 1000)))
    g.truncated_linear(np.stack([x[:-1], x[1:]], 1), 0.1, 8.0)
    graph = g.build()
    least = exact(graph)[0]
    found = asked(graph, "minsum", "map")
    assert found.energy == pytest.approx(least, abs=1e-9) and found.status == OPTIMAL
    flooded = asked(graph, "minsum", "map", schedule="flooding")
    assert flooded.energy == pytest.approx(least, abs=1e-4)


def test_an_interrupted_run_gives_the_best_so_far() -> None:
    graph = grid(np.random.default_rng(0), 20, 20, 4, "potts")
    problem = Problem(graph.structure, graph.values[0], np.full(400, -1, np.int32))
    watch = Watch(seconds=0.0)
    found = step("minsum").run(problem, watch)
    assert found.status == "stopped: 0 s are over" and found.iterations == 1
    assert found.states is not None and np.isfinite(found.energy)
    assert watch.trace[0].energy >= found.energy


def test_start_and_bound_of_earlier_steps_are_kept() -> None:
    graph = grid(np.random.default_rng(0), 6, 6, 3, "potts")
    problem = Problem(graph.structure, graph.values[0], np.full(36, -1, np.int32))
    found = step("minsum").run(problem, Watch())
    later = step("minsum").run(replace(problem, bound=found.energy), Watch())
    assert later.status == OPTIMAL and later.bound == found.energy


# -- figures of others


def _shared(path: str) -> Path:
    for above in Path(__file__).resolve().parents:
        if (above / "shared" / path).exists():
            return above / "shared" / path
    pytest.skip(f"no shared/{path}")


def test_the_figures_of_libdai_on_its_own_graph() -> None:
    instance = read(_shared("data/libdai/testfast.fg"))
    structure = instance.structure
    problem = Problem(structure, instance.values, np.full(structure.variables, -1, np.int32),
                      "marginals")  # fmt: skip
    engine = choose(structure).engine
    soft = engine.soft_minimum(instance.values[None], 1.0)
    truth, log_z = soft.marginals()[0], -float(soft.value[0, 0])
    assert log_z == pytest.approx(14.328233281, abs=1e-9)
    for schedule in SCHEDULES:
        found = step("bp", {"schedule": schedule, "tolerance": 1e-9}).run(problem, Watch())
        assert found.marginals is not None
        gaps = 0.5 * np.add.reduceat(np.abs(found.marginals - truth), structure.state_offset[:-1])
        assert gaps.max() == pytest.approx(8.92403e-3, abs=5e-8)
        assert gaps.mean() == pytest.approx(3.47998e-3, abs=5e-8)
        assert found.log_partition - log_z == pytest.approx(7.18729e-4, abs=5e-9)


def _printed_by_libdai() -> dict[str, tuple[list[float], Energies]]:
    """Return per algorithm the errors and the beliefs of the first states that libDAI printed."""
    packed = _shared("data/libdai/testfast.out.gz").read_bytes()
    out: dict[str, tuple[list[float], list[float]]] = {}
    name = ""
    for line in gzip.decompress(packed).decode().splitlines()[2:]:
        if line.startswith("# ({x") and "," not in line[: line.index("}")]:
            out[name][1].append(float(line.partition("}, (")[2].partition(",")[0]))
        elif not line.startswith("#"):
            name, *numbers = line.split()
            out[name] = ([float(n) if n != "N/A" else np.nan for n in numbers], [])
    return {name: (errors, np.array(states[:16])) for name, (errors, states) in out.items()}


def _errors(found: Energies, truth: Energies) -> tuple[float, float]:
    gaps = 0.5 * np.abs(found - truth).reshape(16, 2).sum(axis=1)
    return float(gaps.max()), float(gaps.mean())


PRINTED = {"rel": 6e-4, "abs": 6e-10}  # four digits
TOLD = {"rtol": 6e-4, "atol": 0.0}


def test_all_lines_of_libdai_on_its_own_graph() -> None:
    """BP, TRWBP, JTREE and MP, beliefs and errors as printed.

    TRWBP ran there with no trees (nrtrees = 0), each factor with weight 1. What JTREE with MAXPROD
    and MP call beliefs are max-marginals, and the errors of MP are told against those of JTREE.
    """
    printed = _printed_by_libdai()
    instance = read(_shared("data/libdai/testfast.fg"))
    structure, values = instance.structure, instance.values
    problem = Problem(structure, values, np.full(16, -1, np.int32), "marginals")
    engine = choose(structure).engine
    soft = engine.soft_minimum(values[None], 1.0)
    truth, log_z = soft.marginals()[0], -float(soft.value[0, 0])
    np.testing.assert_allclose(truth[::2], printed["EXACT"][1], **TOLD)

    least = engine.min_marginals(values[None])[0].reshape(16, 2)
    most = np.exp(least.min() - least)
    most /= most.sum(axis=1, keepdims=True)

    graph = incidence(problem)
    divided = reweighted(graph, np.ones(graph.factors))
    beliefs: dict[str, Energies] = {}
    bethes: dict[str, float] = {}
    with crew(1) as workers:
        for name, layout, beta, share in (
            ("TRWBP", divided, 1.0, np.ones(len(graph.scope))),
            ("BP", graph, 1.0, None),
            ("MP", graph, np.inf, None),
        ):
            messages = Messages(layout, beta, workers, share)
            for _ in range(300):
                messages.flood(0.0)
            found = messages.beliefs().reshape(16, 2)
            found = np.exp(found.min(axis=1, keepdims=True) - found)
            beliefs[name] = (found / found.sum(axis=1, keepdims=True)).ravel()
            bethes[name] = -bethe.free_energy(messages)
    seen = 0
    for line, (errors, states) in printed.items():
        algorithm, _, rest = line.partition("_")
        if algorithm not in ("BP", "TRWBP", "JTREE", "MP"):
            continue
        seen += 1
        if algorithm == "JTREE":
            found, against = (most.ravel() if rest.endswith("MAP") else truth), None
        else:
            found, against = beliefs[algorithm], most.ravel() if algorithm == "MP" else truth
        np.testing.assert_allclose(found[::2], states, **TOLD, err_msg=line)
        if against is not None:
            assert _errors(found, against) == pytest.approx(errors[:2], **PRINTED), line
        if algorithm in bethes and algorithm != "MP":
            assert bethes[algorithm] - log_z == pytest.approx(errors[4], **PRINTED), line
    assert seen >= 40


def test_bethe_energies_of_libdai() -> None:
    sys.path.insert(0, str(_shared("bench/workloads.py").parent))
    try:
        import workloads
    finally:
        sys.path.pop(0)
    for name, want in (("w2a", 4049.04210939), ("w2b", 11102.66749392), ("w6", 19143.83500315)):
        g = fg.FactorGraph()
        if name == "w6":
            model = workloads.w6()
            for v, card in enumerate(model["cards"]):
                g.variable(f"v{v}", int(card))
            for scope, table in model["factors"]:
                g.factor(scope, -table)
        else:
            model = workloads.w2(name)
            x = g.variables("x", len(model["tu"]), model["K"])
            g.factors(x[:, None], -model["tu"])
            g.factors(model["edges"], -model["tp"])
        found = asked(g.build(), "bp", "partition", tolerance=1e-9)
        assert found.log_partition == pytest.approx(want, abs=2e-8)
        assert found.status == "converged" and found.log_partition_is == "Bethe"


def test_free_energies_do_not_depend_on_what_messages_are_scaled_to() -> None:
    graph = drawn(np.random.default_rng(7), 8, 9, False)
    problem = Problem(graph.structure, graph.values[0], np.full(8, -1, np.int32))
    messages = Messages(incidence(problem), 1.0, Crew())
    messages.flood(0.0)
    before = bethe.free_energy(messages)
    entry = messages.graph.entry
    messages.told += np.repeat(np.random.default_rng(0).normal(size=len(entry) - 1), np.diff(entry))
    messages.gather()
    assert bethe.free_energy(messages) == pytest.approx(before, abs=1e-10)
