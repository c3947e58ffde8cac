"""What a graphics processor answers, held against enumeration and against the host's messages.

`test_device.py` runs this file in a process of its own, with Numba's simulator of CUDA, which has
to be asked for before Numba is imported; where there is a device, also without. A simulated thread
takes a millisecond: graphs are small, and so are blocks, which has messages in many of them.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba.core.config import ENABLE_CUDASIM

import factorgraph as fg
from factorgraph.engine import cuda_flooding, cuda_messages
from factorgraph.engine.cuda_flooding import Flood, lay_out
from factorgraph.engine.menu import step
from factorgraph.engine.pairwise import pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import BudgetError, UsageError

INF = np.inf
Rng = np.random.Generator


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    if ENABLE_CUDASIM:  # else the kernels are compiled once
        monkeypatch.setattr(cuda_messages, "THREADS", 12)
        monkeypatch.setattr(cuda_messages, "PARTS", 4)


def problem(graph: Any, task: str = "map", beta: float = 1.0, **observed: int) -> Problem:
    evidence = np.full(graph.structure.variables, -1, np.int32)
    for name, x in observed.items():
        evidence[int(name[1:])] = x
    return Problem(graph.structure, graph.values[0], evidence, task, beta)  # type: ignore[arg-type]


def one_by_one(asked: Problem) -> tuple[float, float, np.ndarray]:
    """Return least energy, log-partition and marginals by looking at every configuration."""
    structure, beta = asked.structure, asked.beta
    energies, all_states = [], []
    for states in itertools.product(*(range(c) for c in structure.card)):
        if (asked.evidence >= 0).any() and any(
            given >= 0 and given != x for given, x in zip(asked.evidence, states, strict=True)
        ):
            continue
        total = 0.0
        for g, group in enumerate(structure.groups):
            table = structure.table(asked.values, g)
            for row, scope in zip(group.table, group.scope, strict=True):
                total += table[(row, *(states[v] for v in scope))]
        energies.append(total)
        all_states.append(states)
    array = np.array(energies)
    least = float(array.min())
    weight = np.exp(-beta * (array - least))
    marginals = np.zeros(int(structure.state_offset[-1]))
    for w, states in zip(weight, all_states, strict=True):
        marginals[structure.state_offset[:-1] + states] += w / weight.sum()
    return least, float(np.log(weight.sum()) - beta * least), marginals


def tree(seed: int, hard: float = 0.0) -> Any:
    """Return a tree of variables of 1 to 4 states with dense tables."""
    random, g = np.random.default_rng(seed), fg.FactorGraph()
    cards = [3, 2, 4, 2, 1]
    for v, card in enumerate(cards):
        g.variable(f"v{v}", card)
        g.factor([v], random.normal(size=card))
    for a, b in ((1, 0), (1, 2), (3, 1), (2, 4)):
        table = random.normal(size=(cards[a], cards[b]))
        table[random.random(table.shape) < hard] = INF
        table[0, 0] = 0.3
        g.factor([a, b], table, name=f"tie{a}")
    g.factor([0, 1], random.normal(size=(3, 2)), name="again")
    g.factor([], 0.7)
    return g.build()


@pytest.mark.parametrize("seed", range(3))
def test_trees_are_exact(seed: int) -> None:
    graph, beta = tree(seed, 0.2 * seed), (1.0, 0.4, 3.0)[seed]
    observed = {"v0": 1} if seed == 1 else {}
    options = {"device": "cuda"}
    for task, name in (("map", "minsum"), ("marginals", "sumproduct")):
        asked = problem(graph, task, beta, **observed)
        least, log_z, marginals = one_by_one(asked)
        found = step(name, options).run(asked, Watch())
        assert found.status == "converged"
        if task == "map":
            assert found.energy == pytest.approx(least, abs=1e-12)
        else:
            assert found.log_partition == pytest.approx(log_z, abs=1e-5)
            np.testing.assert_allclose(found.marginals, marginals, atol=1e-5)


def loopy(kind: str, states: int, strength: float = 1.0) -> Any:
    random, g = np.random.default_rng(states), fg.FactorGraph()
    x = g.variables("x", 4, states)
    g.factors(x[:, None], 2 * random.random((4, states)))
    ends = np.array([[0, 1], [1, 2], [3, 2], [0, 3]])
    weight = random.random(4)
    if kind == "potts":
        g.potts(ends, weight * np.array([1, 1, -1, 200 * (strength > 1) + 1]))
    elif kind == "linear":
        g.truncated_linear(ends, weight, [0.5, 3.0, 1.5, INF])
    elif kind == "quadratic":
        g.truncated_quadratic(ends, weight, [0.5, 3.0, 40.0, INF])
    elif kind == "shared":
        g.factors(ends, random.normal(size=(1, states, states)))
    else:
        g.factors(ends[:3], strength * random.normal(size=(3, states, states)))
        g.potts(ends[3:], 0.4)
    return g.build()


CASES = [
    *(("potts", 3, beta, 1.0, 12) for beta in (INF, 0.7)), ("potts", 2, 1.0, 2.0, 12),
    *(("linear", 4, beta, 1.0, 12) for beta in (INF, 1.0)), ("quadratic", 4, INF, 1.0, 12),
    *(("mixed", 3, beta, 1.0, 12) for beta in (INF, 1.0)), ("mixed", 3, 1.0, 90.0, 12),
    ("shared", 2, 2.0, 1.0, 12), ("linear", 14, INF, 1.0, 12), ("mixed", 14, 1.0, 1.0, 12),
    *(("mixed", 3, beta, 1.0, 1) for beta in (INF, 1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "states", "beta", "strength", "hub"), CASES)
def test_messages_are_those_of_the_host(
    kind: str, states: int, beta: float, strength: float, hub: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(cuda_flooding, "HUB", hub)
    flood = Flood(pairwise(problem(loopy(kind, states, strength)), "test"), beta)
    want = flood.messages(beta)
    for damping in (0.0, 0.3):
        change = flood.flood(damping, True), want.flood(damping)
        assert change[0] == pytest.approx(change[1], rel=1e-4, abs=1e-4)
        got = flood.messages(beta)
        np.testing.assert_allclose(got.belief, want.belief, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(got.told, want.told, rtol=1e-5, atol=1e-4)
    belief = got.belief.reshape(4, states)
    np.testing.assert_array_equal(flood.least(), belief.argmin(axis=1))
    assert np.isnan(flood.flood(0.0, False))


def test_tables_that_edges_share_stand_there_once() -> None:
    shared, mixed = (pairwise(problem(loopy(kind, 3)), "test") for kind in ("shared", "mixed"))
    assert len(lay_out(shared, 1.0, True).tables) == 9
    layout = lay_out(mixed, 1.0, False)
    assert len(layout.tables) == 27 and not layout.products
    assert lay_out(mixed, 1.0, True).products
    assert not lay_out(mixed, 100.0, True).products


def test_loops_settle_where_the_host_does() -> None:
    for name, task in (("minsum", "map"), ("bp", "marginals")):
        asked = problem(loopy("mixed", 2, 0.2), task)
        options = {"schedule": "flooding", "iterations": 60, "tolerance": 1e-4}
        host = step(name, options).run(asked, Watch())
        found = step(name, {**options, "device": "cuda"}).run(asked, Watch())
        assert found.status == host.status == "converged"
        if host.marginals is None:
            assert found.energy == host.energy and np.array_equal(found.states, host.states)
        else:
            np.testing.assert_allclose(found.marginals, host.marginals, atol=1e-4)
            assert found.log_partition == pytest.approx(host.log_partition, abs=1e-4)
            assert found.log_partition_is == "Bethe"


def test_what_stops_it_is_said_and_the_best_so_far_kept() -> None:
    asked = problem(loopy("potts", 2))
    few = step("minsum", {"device": "cuda", "iterations": 2}).run(asked, Watch())
    assert few.iterations == 2 and few.states is not None
    assert few.status.startswith("not converged: residual")
    slow = {"device": "cuda", "tolerance": 0, "damping": 0.9}
    late = step("minsum", slow).run(asked, Watch(seconds=0.0))
    assert late.status == "stopped: 0 s are over" and late.states is not None
    watch = Watch()
    watch.interrupted = True
    cut = step("bp", slow).run(problem(loopy("potts", 2), "marginals"), watch)
    assert cut.status == "stopped: interrupted" and cut.iterations == 5


def test_no_edges_and_nothing_at_all() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 3, 2)
    g.factors(x[:, None], [[1.0, 0.5], [0.0, 2.0], [1.0, 1.0]])
    asked = problem(g.build())
    found = step("minsum", {"device": "cuda"}).run(asked, Watch())
    assert (found.energy, found.states.tolist()) == (1.5, [1, 0, 0])


def test_what_cannot_be_is_refused() -> None:
    graph = loopy("mixed", 2)
    with pytest.raises(UsageError) as error:
        step("minsum", {"device": "cuda", "schedule": "sweep"}).run(problem(graph), Watch())
    assert error.value.code == "E0910" and error.value.hint
    g = fg.FactorGraph()
    x = g.variables("x", 3, 2)
    g.parity([x])
    with pytest.raises(UsageError, match="one or two free variables") as error:
        step("minsum", {"device": "cuda"}).run(problem(g.build()), Watch())
    assert error.value.code == "E0510"
    found = step("minsum", {"device": "cuda"}).run(problem(g.build(), v0=1), Watch())
    assert found.energy == 0.0 and sum(found.states) % 2 == 0
    with pytest.raises(UsageError, match="single precision"):
        Flood(pairwise(problem(loopy("mixed", 2, 1e20)), "test"), INF)
    g = fg.FactorGraph()
    x = g.variables("x", 2, 2)
    g.factor([x[0], x[1]], [[INF, 1.0], [INF, 2.0]], name="rule")
    for task, name in (("map", "minsum"), ("partition", "bp")):
        found = step(name, {"device": "cuda"}).run(problem(g.build(), task, v1=0), Watch())
        assert found.status.startswith("infeasible")


def test_memory_of_the_device_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = pairwise(problem(loopy("mixed", 3)), "test")
    monkeypatch.setattr("factorgraph.engine.device.free_memory", lambda cuda: 500.0)
    with pytest.raises(BudgetError, match="of the device, where 500 B are free"):
        Flood(plain, INF)
