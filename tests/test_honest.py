"""Every algorithm of the menu on every awkward graph: nothing is claimed that is not so.

What is true comes from enumeration. Whatever an algorithm finds, its energy is that of its states,
no bound is above the optimum, `optimal` and `infeasible` are said only of what is, marginals sum
to one, and nothing is NaN.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.engine.menu import MENU
from factorgraph.errors import FgError
from factorgraph.graph.builder import NamedGraph

EXTRAS = {"toulbar2": "pytoulbar2"}


def one_by_one(graph: NamedGraph, evidence: dict[str, list[int]]) -> tuple[float, float]:
    """Return the least energy and log-partition by looking at every configuration."""
    structure, values = graph.structure, graph.values[0]
    given = np.full(structure.variables, -1)
    for block in graph.blocks:
        if block.name in evidence:
            given[block.first : block.first + block.size] = evidence[block.name]
    energies = []
    for states in itertools.product(*(range(c) for c in structure.card)):
        if any(g >= 0 and g != s for g, s in zip(given, states, strict=True)):
            continue
        total = 0.0
        for g, group in enumerate(structure.groups):
            table = structure.table(values, g)
            for row, scope in zip(group.table, group.scope, strict=True):
                total += table[(row, *(states[v] for v in scope))]
        energies.append(total)
    array = np.array(energies)
    least = array.min(initial=np.inf)
    if least == np.inf:
        return np.inf, -np.inf
    return float(least), float(np.log(np.exp(least - array).sum()) - least)


def pairs(n: int, card: int, scale: float = 1.0, seed: int = 0) -> NamedGraph:
    random = np.random.default_rng(seed)
    g = fg.FactorGraph()
    v = g.variables("v", n, card)
    g.factors(v[:, None], scale * random.normal(size=(n, card)), name="own")
    ends = np.array(list(itertools.combinations(range(n), 2)))
    g.factors(ends, scale * random.normal(size=(len(ends), card, card)), name="tie")
    return g.build()


def ties() -> NamedGraph:
    g = fg.FactorGraph()
    v = g.variables("v", 4, 2)
    for i in range(4):
        g.factor([v[i], v[(i + 1) % 4]], [[0.0, 1.0], [1.0, 0.0]], name="same")
    return g.build()


def apart() -> NamedGraph:
    """Two loops that do not touch, a variable of no factor, one of one state, a constant."""
    random = np.random.default_rng(3)
    g = fg.FactorGraph()
    for name in "ab":
        v = g.variables(name, 3, 2)
        for i in range(3):
            g.factor([v[i], v[(i + 1) % 3]], random.normal(size=(2, 2)), name=f"loop{name}")
    g.variable("alone", 3)
    only = g.variable("only", 1)
    g.factor([only], [2.5], name="single")
    g.factor([only, 0], random.normal(size=(1, 2)), name="joined")
    g.factor([], 1.25, name="constant")
    return g.build()


def hard() -> NamedGraph:
    """Three colours on a wheel of four spokes: all energies are 0 or +inf."""
    g = fg.FactorGraph()
    v = g.variables("v", 5, 3)
    differ = np.where(np.eye(3), np.inf, 0.0)
    for i in range(4):
        g.factor([v[i], v[(i + 1) % 4]], differ, name="rim")
        g.factor([v[i], v[4]], differ, name="spoke")
    return g.build()


def impossible() -> NamedGraph:
    """Two colours on a triangle."""
    g = fg.FactorGraph()
    v = g.variables("v", 3, 2)
    differ = np.where(np.eye(2), np.inf, 0.0)
    for i in range(3):
        g.factor([v[i], v[(i + 1) % 3]], differ, name="differ")
    return g.build()


def forbidden() -> NamedGraph:
    """A variable all of whose states are forbidden, beside a loop."""
    g = fg.FactorGraph()
    v = g.variables("v", 3, 2)
    for i in range(3):
        g.factor([v[i], v[(i + 1) % 3]], [[0.0, 1.0], [2.0, 0.5]], name="tie")
    g.factor([v[0]], [np.inf, np.inf], name="never")
    return g.build()


def threes() -> NamedGraph:
    random = np.random.default_rng(9)
    g = fg.FactorGraph()
    v = g.variables("v", 5, 2)
    for scope in ((0, 1, 2), (2, 3, 4), (0, 3, 4), (1, 2, 3)):
        g.factor(list(v[list(scope)]), random.normal(size=(2, 2, 2)), name="three")
    return g.build()


def alike() -> NamedGraph:
    """An attractive binary grid, which cuts can solve."""
    random = np.random.default_rng(2)
    g = fg.FactorGraph()
    v = g.variables("v", (2, 3), 2)
    g.factors(v.reshape(-1, 1), random.normal(size=(6, 2)), name="own")
    for a, b in [(0, 1), (1, 2), (3, 4), (4, 5), (0, 3), (1, 4), (2, 5)]:
        g.factor([a, b], [[0.0, 0.4], [0.4, 0.0]], name="tie")
    return g.build()


GRAPHS: dict[str, tuple[Callable[[], NamedGraph], dict[str, list[int]]]] = {
    "frustrated": (lambda: pairs(5, 3), {}),
    "evidence": (lambda: pairs(5, 3, seed=1), {"v": [-1, 2, -1, -1, 0]}),
    "all observed": (lambda: pairs(3, 2), {"v": [0, 1, 1]}),
    "huge": (lambda: pairs(4, 2, 1e8), {}),
    "tiny": (lambda: pairs(4, 2, 1e-9), {}),
    "ties": (ties, {}),
    "apart": (apart, {}),
    "hard": (hard, {}),
    "contradiction": (hard, {"v": [0, -1, -1, -1, 0]}),
    "impossible": (impossible, {}),
    "forbidden": (forbidden, {}),
    "threes": (threes, {}),
    "alike": (alike, {}),
    "nothing": (lambda: fg.FactorGraph().build(), {}),
}
PAIRWISE_ONLY = {"trws", "bps", "cut"}


def there(name: str) -> bool:
    module = f"factorgraph.engine.{MENU[name].module}"
    extra = EXTRAS.get(name)
    if find_spec(module) is None or (extra is not None and find_spec(extra) is None):
        return False
    built = import_module(module)
    return hasattr(built, "run") or hasattr(built, f"run_{name}")


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.parametrize("name", [n for n in MENU if "map" in MENU[n].tasks])
def test_least_energies(name: str, case: str) -> None:
    if not there(name):
        pytest.skip(f"{name} is not installed")
    make, evidence = GRAPHS[case]
    graph = make()
    truth, _ = one_by_one(graph, evidence)
    try:
        found = fg.infer(graph, "map", name, evidence=evidence)
    except FgError as error:
        assert name in PAIRWISE_ONLY, error.report()
        assert case in ("threes", *GRAPHS) if name == "cut" else case == "threes"
        return
    slack = 1e-9 * max(1.0, abs(truth)) if np.isfinite(truth) else 0.0
    if found.outcome.states is not None:
        exact = fg.infer(graph, "map", "exact", evidence=dict(found.assignment)).energy
        assert found.energy == pytest.approx(exact, rel=1e-12, abs=1e-300)
        for block, states in evidence.items():
            kept = [s for s in zip(states, found.assignment[block], strict=True) if s[0] >= 0]
            assert all(a == b for a, b in kept)
    else:
        assert found.energy == np.inf
    assert found.energy >= truth - slack
    assert found.bound <= truth + slack
    assert not np.isnan(found.bound) and not np.isnan(found.energy)
    if found.status == "optimal":
        assert found.energy == pytest.approx(truth, rel=1e-9)
    if found.status.startswith("infeasible"):
        assert truth == np.inf and found.outcome.states is None
    if MENU[name].answers == "exact":
        assert found.status.startswith("infeasible" if truth == np.inf else ("optimal", "gap"))
        assert found.energy == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("case", GRAPHS)
@pytest.mark.parametrize("name", [n for n in MENU if "marginals" in MENU[n].tasks])
def test_marginals(name: str, case: str) -> None:
    if not there(name):
        pytest.skip(f"{name} is not installed")
    make, evidence = GRAPHS[case]
    graph = make()
    _, truth = one_by_one(graph, evidence)
    beta = 1e-8 if case == "huge" else 1.0
    try:
        found = fg.infer(graph, "marginals", name, beta=beta, evidence=evidence)
    except FgError as error:
        assert name == "trbp" and case == "threes", error.report()
        return
    if found.marginals is not None:
        for block, belief in found.marginals.items():
            assert not np.isnan(belief).any()
            if truth > -np.inf:
                np.testing.assert_allclose(belief.sum(-1), 1.0, atol=1e-9)
                given = np.asarray(evidence.get(block, []))
                for at in np.flatnonzero(given >= 0):
                    assert belief[at, given[at]] == pytest.approx(1.0)
    else:
        assert found.status.startswith("infeasible") and truth == -np.inf
    if found.status.startswith("infeasible"):
        assert truth == -np.inf
    if case == "huge":
        return
    if found.log_partition_is == "exact":
        assert found.log_partition == pytest.approx(truth, rel=1e-9, abs=1e-9)
    if found.log_partition_is == "upper bound":
        assert found.log_partition >= truth - 1e-9


def test_data_that_are_no_numbers_are_refused() -> None:
    g = fg.FactorGraph()
    v = g.variables("v", 2, 2)
    for wrong in (np.nan, -np.inf):
        with pytest.raises(fg.UsageError, match="NaN or -inf"):
            g.factor([v[0], v[1]], [[0.0, wrong], [1.0, 0.0]])


@pytest.mark.parametrize("name", ["trws", "mplp", "minsum"])
def test_a_thousand_labels(name: str) -> None:
    if not there(name):
        pytest.skip(f"{name} is not there")
    random = np.random.default_rng(0)
    g = fg.FactorGraph()
    v = g.variables("v", 3, 1000)
    g.factors(v[:, None], random.random((3, 1000)), name="own")
    gap = np.abs(np.subtract.outer(np.arange(1000), np.arange(1000)))
    g.factors([[0, 1], [1, 2], [2, 0]], np.minimum(0.01 * gap, 2.0)[None], name="smooth")
    graph = g.build()
    found = fg.infer(graph, "map", f"{name}(iterations = 5)")
    assert found.energy >= fg.infer(graph, "map", "exact").energy - 1e-9
    assert found.bound <= fg.infer(graph, "map", "exact").energy + 1e-9
