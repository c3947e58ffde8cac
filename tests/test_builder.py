"""The Python builder, and answers by name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factorgraph as fg
from factorgraph import budget
from factorgraph.engine.solve import log_partition, marginals, minimise
from factorgraph.errors import UsageError
from factorgraph.graph.builder import FactorGraph


def test_a_small_graph_by_names() -> None:
    rng = np.random.default_rng(0)
    g = FactorGraph()
    a = g.variable("a", 3)
    ys = g.variables("y", (2, 2), 2)
    tie, bias = rng.normal(size=(3, 2)), rng.normal(size=(2, 2, 2))
    for y in ys.ravel():
        g.factor([a, y], tie, name="tie")
    g.factors(ys.reshape(-1, 1)[:2], bias[0], name="bias")
    g.factor([], 1.5, name="offset")
    graph = g.build()
    assert [group.distinct for group in graph.structure.groups] == [1, 2, 1]
    energies = {}
    for row in itertools.product(range(3), *[range(2)] * 4):
        energies[row] = (
            1.5 + sum(tie[row[0], s] for s in row[1:]) + bias[0, 0, row[1]] + bias[0, 1, row[2]]
        )
    best = min(energies, key=lambda row: energies[row])
    solution = minimise(graph)
    assert solution.status == "optimal"
    assert int(solution.assignment["a"]) == best[0]
    np.testing.assert_array_equal(solution.assignment["y"].ravel(), best[1:])
    np.testing.assert_allclose(solution.energy, energies[best])
    weights = {row: np.exp(-2.0 * e) for row, e in energies.items()}
    total = sum(weights.values())
    np.testing.assert_allclose(log_partition(graph, 2.0), np.log(total))
    got = marginals(graph, 2.0)
    assert got["a"].shape == (3,) and got["y"].shape == (2, 2, 2)
    for s in range(3):
        want = sum(w for row, w in weights.items() if row[0] == s) / total
        np.testing.assert_allclose(got["a"][s], want)
    want = sum(w for row, w in weights.items() if row[4] == 1) / total
    np.testing.assert_allclose(got["y"][1, 1, 1], want)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_many_factors_at_once_are_the_same_as_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, d = int(rng.integers(2, 8)), int(rng.integers(1, 4))
    tables = rng.normal(size=(d, 3, 3))
    tables[rng.random(tables.shape) < 0.2] = np.inf
    scopes = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    index = rng.integers(0, d, n - 1)
    together, alone = FactorGraph(), FactorGraph()
    together.variables("y", (n,), 3)
    together.factors(scopes, tables, index, name="tie")
    alone.variables("y", n, 3)
    for row, t in zip(scopes.tolist(), index, strict=True):
        alone.factor(row, tables[t].copy(), name="tie")
    one, two = minimise(together.build()), minimise(alone.build())
    assert one.energy == two.energy and one.status == two.status
    assert log_partition(together.build()) == pytest.approx(log_partition(alone.build()))


def test_an_infeasible_graph() -> None:
    g = FactorGraph()
    g.factor([g.variable("a", 2)], [np.inf, np.inf])
    solution = minimise(g.build())
    assert solution.status == "infeasible" and solution.energy == np.inf
    assert log_partition(g.build()) == -np.inf
    np.testing.assert_array_equal(marginals(g.build())["a"], [0.0, 0.0])


def test_a_table_changed_in_between_is_another_table() -> None:
    g = FactorGraph()
    a, b = g.variable("a", 2), g.variable("b", 2)
    table = np.array([0.0, 1.0])
    g.factor([a], table)
    table[:] = [1.0, 0.0]
    g.factor([b], table)
    found = minimise(g.build()).assignment
    assert int(found["a"]) == 0 and int(found["b"]) == 1


def test_an_empty_graph() -> None:
    graph = FactorGraph().build()
    assert minimise(graph).energy == 0.0
    assert log_partition(graph) == 0.0


@pytest.mark.parametrize(
    ("scope", "table", "complaint"),
    [
        ([0, 0], np.zeros((2, 2)), "same variable twice"),
        ([0, 9], np.zeros((2, 2)), "not there"),
        ([0, 1], np.zeros((2, 2)), "axis 1 .* 2 entries, its variable 3 states"),
        ([0], np.zeros((2, 2)), "2 axes for 1"),
        ([0], np.array([np.nan, 0.0]), "NaN or -inf"),
        ([0], np.array([-np.inf, 0.0]), "NaN or -inf"),
        ([0], "no numbers", "not an array"),
    ],
)
def test_wrong_factors_are_refused(scope: list[int], table: object, complaint: str) -> None:
    g = FactorGraph()
    g.variable("a", 2)
    g.variable("b", 3)
    with pytest.raises(UsageError, match=f"`f`.*{complaint}"):
        g.factor(scope, table, name="f")  # type: ignore[arg-type]


def test_wrong_blocks_are_refused() -> None:
    g = FactorGraph()
    g.variables("a", (3,), 2)
    with pytest.raises(UsageError, match="already"):
        g.variable("a", 2)
    with pytest.raises(UsageError, match="states"):
        g.variable("b", 0)
    with pytest.raises(UsageError, match="shape"):
        g.variables("b", (-1,), 2)
    with pytest.raises(UsageError, match="2\\^31"):
        g.variables("b", (2**20, 2**20), 2)
    with pytest.raises(UsageError, match="2 tables for 3"):
        g.factors([[0], [1], [2]], np.zeros((2, 2)))
    with pytest.raises(UsageError, match="not there"):
        g.factors([[0], [1]], np.zeros((2, 2)), [0, 2])
    with pytest.raises(UsageError, match="table_index"):
        g.factors([[0], [1]], np.zeros((2, 2)), [0])
    with pytest.raises(UsageError, match="integers"):
        g.factors([0, 1], np.zeros((2, 2)))
    with pytest.raises(UsageError, match="tables of shape"):
        g.factors([[0], [1]], np.zeros(2))


def test_what_is_not_whole_is_refused() -> None:
    g = fg.FactorGraph()
    g.variables("a", 2, 2)
    for name, shape, card in (("z", (), 2.7), ("z", (2.7,), 2), ("z", 2.7, 2), ("z", (), 10**12)):
        with pytest.raises(fg.UsageError):
            g.variables(name, shape, card)  # type: ignore[arg-type]
    for scope in ([0.5], [[0, 1]], [True], [[0], [0, 1]]):
        with pytest.raises(fg.UsageError):
            g.factor(scope, [1.0, 2.0])  # type: ignore[arg-type]
    assert g.variables("z", np.int64(2), np.int32(3)).shape == (2,)


def test_variables_over_the_budget_are_refused_before_they_are_made() -> None:
    budget.set_limit(10**6)
    try:
        with pytest.raises(fg.BudgetError):
            fg.FactorGraph().variables("z", 10**9, 2)
    finally:
        budget.set_limit(None)
