"""The networkx view agrees with the engine about what is a forest."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factorgraph as fg
from factorgraph.engine.forest import is_forest
from factorgraph.interop.networkx import to_networkx


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=7))
@settings(deadline=None, max_examples=60)
def test_forests_are_forests(pairs: list[tuple[int, int]]) -> None:
    builder = fg.FactorGraph()
    variables = [builder.variable(f"v{i}", 2) for i in range(6)]
    edges = [(a, b) for a, b in pairs if a != b]
    for a, b in edges:
        builder.factor([variables[a], variables[b]], np.zeros((2, 2)))
    structure = builder.build().structure
    graph = to_networkx(structure)
    assert graph.number_of_nodes() == 6 + len(edges)
    assert graph.number_of_edges() == 2 * len(edges)
    assert nx.is_forest(graph) == is_forest(structure)


def test_a_graph_too_large_is_refused() -> None:
    from factorgraph import budget

    builder = fg.FactorGraph()
    builder.variables("y", (1000,), 2)
    budget.set_limit(10_000)
    try:
        with pytest.raises(fg.BudgetError, match="networkx"):
            to_networkx(builder.build().structure)
    finally:
        budget.set_limit(None)
