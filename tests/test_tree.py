"""Exact engines against enumeration in plain Python."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorgraph import budget
from factorgraph.engine.choose import choose
from factorgraph.engine.enumerate import EnumerationEngine, configurations
from factorgraph.engine.forest import Forest, is_forest
from factorgraph.engine.junction import JunctionEngine
from factorgraph.engine.probe import Engine
from factorgraph.engine.result import Result
from factorgraph.engine.sweep import ENERGY, PRODUCT
from factorgraph.engine.tree import TreeEngine
from factorgraph.errors import BudgetError, InferenceError, UsageError
from factorgraph.factors.table import add_indicator, energy
from factorgraph.graph.structure import Group, Structure


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


oracle: Any = _load("oracle")

SCALES = [1.0, 40.0, 1e5]
MAKE = {"tree": TreeEngine, "enumeration": EnumerationEngine, "junction": JunctionEngine}
seeds = st.integers(0, 2**32 - 1)
checked = settings(deadline=None, max_examples=60)


class Case:
    """A random structure with values and evidence, and the truth about it."""

    def __init__(self, seed: int, scale: float, excluded: float, fixed: float, loopy: bool) -> None:
        rng = np.random.default_rng(seed)
        self.structure = oracle.random_structure(rng, loopy=loopy)
        self.batch = int(rng.integers(1, 3))
        self.values = oracle.random_values(rng, self.structure, self.batch, scale, excluded)
        self.evidence = (
            oracle.random_evidence(rng, self.structure, self.batch, fixed) if fixed else None
        )
        self.beta = float(rng.choice([1.0, 0.3, 7.0]))
        self.weight = rng.normal(size=(self.batch, self.structure.instances))
        self.rng = rng

    def all(self, b: int, i: int) -> tuple[Any, Any]:
        evidence = None if self.evidence is None else self.evidence[b]
        states, energies = oracle.configurations(self.structure, self.values[b], i, evidence)
        return states, energies

    def variables(self, i: int) -> slice:
        return slice(int(self.structure.instance[i]), int(self.structure.instance[i + 1]))

    def states(self, i: int) -> slice:
        part, offset = self.variables(i), self.structure.state_offset
        return slice(int(offset[part.start]), int(offset[part.stop]))

    def each(self) -> list[tuple[int, int]]:
        return [(b, i) for b in range(self.batch) for i in range(self.structure.instances)]


def cases(loopy: bool) -> Any:
    return st.builds(
        Case,
        seeds,
        st.sampled_from(SCALES),
        st.sampled_from([0.0, 0.1, 0.6]),
        st.sampled_from([0.0, 0.4]),
        st.just(loopy),
    )


def engines(test: Callable[[Engine, Case], None]) -> Callable[..., None]:
    """Run a test with the tree engine on forests, by enumeration and elimination on anything."""

    @pytest.mark.parametrize("kind", list(MAKE))
    @checked
    @given(st.data())
    def run(kind: str, data: Any) -> None:
        case = data.draw(cases(loopy=kind != "tree"))
        before = case.values.copy()
        test(MAKE[kind](case.structure), case)
        np.testing.assert_array_equal(case.values, before)

    run.__name__ = test.__name__
    return run


@engines
def test_minimum(engine: Engine, case: Case) -> None:
    minimum = engine.minimum(case.values, case.evidence)
    into = np.ones_like(case.values)
    minimum.add_cotangents(case.weight, into)
    want = np.ones_like(case.values)
    for b, i in case.each():
        _, energies = case.all(b, i)
        least = energies.min(initial=np.inf)
        chosen = minimum.states[b, case.variables(i)]
        assert (chosen >= 0).all() and (chosen < case.structure.card[case.variables(i)]).all()
        if case.evidence is not None:
            given_states = case.evidence[b, case.variables(i)]
            assert ((given_states < 0) | (given_states == chosen)).all()
        np.testing.assert_allclose(minimum.value[b, i], least, rtol=1e-12, atol=1e-9)
        true = oracle.sum_of(case.structure, case.values[b], i, chosen)
        np.testing.assert_allclose(minimum.value[b, i], true, rtol=1e-13, atol=1e-10)
        if np.isfinite(least):
            for entry in oracle.entries(case.structure, i, chosen):
                want[b, entry] += case.weight[b, i]
    np.testing.assert_allclose(into, want, rtol=1e-12)
    result = Result.exact(minimum)
    assert (result.gap[np.isfinite(result.energy)] == 0).all()
    assert np.isnan(result.gap[np.isinf(result.energy)]).all()
    for b, i in case.each():
        feasible = bool(np.isfinite(result.energy[b, i]))
        assert result.status[b][i] == ("optimal" if feasible else "infeasible")


@engines
def test_soft_minimum(engine: Engine, case: Case) -> None:
    soft = engine.soft_minimum(case.values, case.beta, case.evidence)
    into = np.ones_like(case.values)
    soft.add_cotangents(case.weight, into)
    want = np.ones_like(case.values)
    marginals = soft.marginals()
    for b, i in case.each():
        states, energies = case.all(b, i)
        p = oracle.probabilities(energies, case.beta)
        value = oracle.soft_minimum(energies, case.beta)
        np.testing.assert_allclose(soft.value[b, i], value, rtol=1e-11, atol=1e-9)
        _, marginal = oracle.by_state(case.structure, i, states, energies, p)
        np.testing.assert_allclose(marginals[b, case.states(i)], marginal, atol=1e-8)
        want[b] += case.weight[b, i] * oracle.expectation(case.structure, i, states, p)
    np.testing.assert_allclose(into, want, atol=1e-7)


@engines
def test_min_marginals(engine: Engine, case: Case) -> None:
    beliefs = engine.min_marginals(case.values, case.evidence)
    for b, i in case.each():
        states, energies = case.all(b, i)
        least, _ = oracle.by_state(case.structure, i, states, energies, np.zeros_like(energies))
        np.testing.assert_allclose(beliefs[b, case.states(i)], least, rtol=1e-12, atol=1e-9)


@engines
def test_second_best(engine: Engine, case: Case) -> None:
    observed = oracle.random_evidence(case.rng, case.structure, case.batch, 0.8)
    second = engine.second_best(case.values, observed, case.evidence)
    for b, i in case.each():
        states, energies = case.all(b, i)
        answer = observed[b, case.variables(i)]
        differs = ((answer >= 0) & (states != answer)).any(axis=1)
        least = energies[differs].min(initial=np.inf)
        np.testing.assert_allclose(second.value[b, i], least, rtol=1e-12, atol=1e-9)
        if np.isfinite(least):
            chosen = second.states[b, case.variables(i)]
            assert ((answer >= 0) & (chosen != answer)).any()


@engines
def test_any_span_gives_the_same_bits(engine: Engine, case: Case) -> None:
    structure, n = case.structure, case.structure.instances
    whole = (
        engine.minimum(case.values, case.evidence),
        engine.soft_minimum(case.values, case.beta, case.evidence),
    )
    marginals = whole[1].marginals()
    beliefs = engine.min_marginals(case.values, case.evidence)

    def part(i: int) -> tuple[Any, ...]:
        minimum = engine.minimum(case.values, case.evidence, (i, i + 1))
        soft = engine.soft_minimum(case.values, case.beta, case.evidence, (i, i + 1))
        into = np.zeros_like(case.values)
        soft.add_cotangents(np.ascontiguousarray(case.weight[:, i : i + 1]), into)
        minimum.add_cotangents(case.weight[:, i : i + 1], into)
        least = engine.min_marginals(case.values, case.evidence, (i, i + 1))
        return minimum.value, minimum.states, soft.value, soft.marginals(), least, into

    with ThreadPoolExecutor(3) as pool:
        parts = list(pool.map(part, range(n)))
    for i, (value, states, free, marginal, least, into) in enumerate(parts):
        np.testing.assert_array_equal(value[:, 0], whole[0].value[:, i])
        np.testing.assert_array_equal(states, whole[0].states[:, case.variables(i)])
        np.testing.assert_array_equal(free[:, 0], whole[1].value[:, i])
        np.testing.assert_array_equal(marginal, marginals[:, case.states(i)])
        np.testing.assert_array_equal(least, beliefs[:, case.states(i)])
        alone = np.zeros_like(case.values)
        only = np.zeros_like(case.weight)
        only[:, i] = case.weight[:, i]
        whole[1].add_cotangents(only, alone)
        whole[0].add_cotangents(only, alone)
        np.testing.assert_array_equal(into, alone)
    assert structure.instances == len(parts)


@checked
@given(cases(loopy=True))
def test_energy_of_given_states(case: Case) -> None:
    states = np.maximum(oracle.random_evidence(case.rng, case.structure, case.batch, 0.7), 0)
    got = energy(case.structure, case.values, states)
    into = np.zeros_like(case.values)
    add_indicator(case.structure, states, case.weight, into)
    want = np.zeros_like(case.values)
    for b, i in case.each():
        row = states[b, case.variables(i)]
        true = oracle.sum_of(case.structure, case.values[b], i, row)
        np.testing.assert_allclose(got[b, i], true, rtol=1e-13, atol=1e-10)
        for entry in oracle.entries(case.structure, i, row):
            want[b, entry] += case.weight[b, i]
    np.testing.assert_allclose(into, want, atol=1e-12)


@checked
@given(cases(loopy=False))
def test_cotangents_are_the_derivative(case: Case) -> None:
    engine = TreeEngine(case.structure)
    values = np.where(np.isinf(case.values), 2.0, np.tanh(case.values))
    into = np.zeros_like(values)
    engine.soft_minimum(values, case.beta, case.evidence).add_cotangents(case.weight, into)
    for entry in case.rng.integers(0, max(1, values.shape[1]), 3 if values.size else 0):
        step = np.zeros_like(values)
        step[:, entry] = 1e-5
        up = engine.soft_minimum(values + step, case.beta, case.evidence).value
        down = engine.soft_minimum(values - step, case.beta, case.evidence).value
        slope = (case.weight * (up - down) / 2e-5).sum(axis=1)
        np.testing.assert_allclose(into[:, entry], slope, atol=1e-6)


def chain(n: int, states: int, rng: np.random.Generator) -> tuple[Structure, Any]:
    left = np.arange(n - 1, dtype=np.int32)
    groups = (
        Group("emit", (states,), np.arange(n, dtype=np.int32)[:, None].copy(),
              np.arange(n, dtype=np.int32), n, np.array([0, n])),
        Group("tie", (states, states), np.stack([left, left + 1], axis=1),
              np.zeros(n - 1, np.int32), 1, np.array([0, n - 1])),
    )  # fmt: skip
    structure = Structure(np.full(n, states, np.int32), np.array([0, n]), groups)
    return structure, rng.normal(size=(1, structure.size))


def test_a_wide_range_falls_back_and_a_narrow_one_does_not() -> None:
    structure, values = chain(6, 3, np.random.default_rng(0))
    engine = TreeEngine(structure)
    assert (engine.soft_minimum(values)._mode == PRODUCT).all()
    assert (engine.soft_minimum(1000 * values)._mode == ENERGY).all()


@pytest.mark.parametrize("seed", range(40))
def test_thin_overlaps_of_up_and_down(seed: int) -> None:
    """Messages near the thresholds, with hard zeros: the product domain must notice or be right."""
    rng = np.random.default_rng(seed)
    structure, values = chain(6, 3, rng)
    values = rng.choice([0.0, 110.0, 200.0, 330.0, np.inf], size=values.shape) + values
    soft = TreeEngine(structure).soft_minimum(values)
    into = np.zeros_like(values)
    soft.add_cotangents(np.ones((1, 1)), into)
    states, energies = oracle.configurations(structure, values[0], 0)
    p = oracle.probabilities(energies, 1.0)
    np.testing.assert_allclose(soft.value[0, 0], oracle.soft_minimum(energies, 1.0), rtol=1e-12)
    np.testing.assert_allclose(into[0], oracle.expectation(structure, 0, states, p), atol=1e-9)


@pytest.mark.parametrize("seed", range(40))
def test_thin_stars(seed: int) -> None:
    rng = np.random.default_rng(seed)
    leaves = 6
    scope = np.array([[0, k] if k % 2 else [k, 0] for k in range(1, leaves + 1)], np.int32)
    groups = (
        Group("u", (2,), np.arange(7, dtype=np.int32)[:, None].copy(),
              np.arange(7, dtype=np.int32), 7, np.array([0, 7])),
        Group("t", (2, 2), scope, np.arange(6, dtype=np.int32), 6, np.array([0, 6])),
    )  # fmt: skip
    structure = Structure(np.full(7, 2, np.int32), np.array([0, 7]), groups)
    values = rng.choice([0.0, 0.0, 150.0, 300.0, 340.0, np.inf], size=(1, structure.size))
    soft = TreeEngine(structure).soft_minimum(values)
    into = np.zeros_like(values)
    soft.add_cotangents(np.ones((1, 1)), into)
    states, energies = oracle.configurations(structure, values[0], 0)
    p = oracle.probabilities(energies, 1.0)
    np.testing.assert_allclose(soft.value[0, 0], oracle.soft_minimum(energies, 1.0), rtol=1e-12)
    np.testing.assert_allclose(into[0], oracle.expectation(structure, 0, states, p), atol=1e-9)


def test_a_chain_of_a_million_variables() -> None:
    structure, values = chain(10**6, 2, np.random.default_rng(1))
    engine = choose(structure).engine
    minimum = engine.minimum(values)
    pair, single = values[0, -4:].reshape(2, 2), values[0, :-4].reshape(-1, 2)
    best = single[0].copy()
    for row in single[1:200]:
        best = (best[:, None] + pair).min(axis=0) + row
    short, part = chain(200, 2, np.random.default_rng(1))
    part[0] = np.concatenate([values[0, :400], values[0, -4:]])
    np.testing.assert_allclose(TreeEngine(short).minimum(part).value[0, 0], best.min())
    soft = engine.soft_minimum(values)
    assert soft.value[0, 0] < minimum.value[0, 0]
    into = np.zeros_like(values)
    soft.add_cotangents(np.ones((1, 1)), into)
    np.testing.assert_allclose(into[0, :-4].reshape(-1, 2).sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(into[0, -4:].sum(), 10**6 - 1)


@pytest.mark.parametrize("hub", [0, 100_000])
def test_a_star_of_100_000_leaves(hub: int) -> None:
    n, rng = 100_000, np.random.default_rng(2)
    leaf = np.delete(np.arange(n + 1, dtype=np.int32), hub)
    scope = np.stack([leaf, np.full(n, hub, np.int32)], axis=1)
    group = Group("ray", (2, 3), scope, np.arange(n, dtype=np.int32), n, np.array([0, n]))
    card = np.full(n + 1, 2, np.int32)
    card[hub] = 3
    structure = Structure(card, np.array([0, n + 1]), (group,))
    values = rng.normal(size=(1, structure.size))
    table = values.reshape(n, 2, 3)
    engine = TreeEngine(structure)
    np.testing.assert_allclose(
        engine.minimum(values).value[0, 0], table.min(axis=1).sum(axis=0).min()
    )
    free = -np.log(np.exp(-table).sum(axis=1)).sum(axis=0)
    soft = engine.soft_minimum(values)
    value = free.min() - np.log(np.exp(free.min() - free).sum())
    np.testing.assert_allclose(soft.value[0, 0], value, rtol=1e-12)
    marginal = np.exp(value - free)
    offset = structure.state_offset[hub]
    np.testing.assert_allclose(soft.marginals()[0, offset : offset + 3], marginal, atol=1e-7)
    beliefs = engine.min_marginals(values)
    np.testing.assert_allclose(
        beliefs[0, offset : offset + 3], table.min(axis=1).sum(axis=0), rtol=1e-12
    )


def loop_of(n: int, states: int = 2) -> Structure:
    scope = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1).astype(np.int32)
    group = Group("ring", (states, states), scope, np.zeros(n, np.int32), 1, np.array([0, 0, n]))
    return Structure(np.full(n, states, np.int32), np.array([0, 0, n]), (group,))


def clique(n: int) -> Structure:
    scope = np.array(list(itertools.combinations(range(n), 2)), np.int32)
    group = Group(
        "every", (2, 2), scope, np.zeros(len(scope), np.int32), 1, np.array([0, len(scope)])
    )
    return Structure(np.full(n, 2, np.int32), np.array([0, n]), (group,))


def test_loops_are_named() -> None:
    assert not is_forest(loop_of(3))
    with pytest.raises(InferenceError, match=r"loop: factor `ring` .* instance 1") as caught:
        TreeEngine(loop_of(3))
    assert caught.value.code == "E0510"
    assert "enumeration of at most 8" in choose(loop_of(3)).reason
    assert choose(loop_of(80)).reason.startswith("exact: width 2, ")
    with pytest.raises(InferenceError, match=r"`every` .* instance 0.* 45 variables") as caught:
        choose(clique(45))
    assert caught.value.code == "E0510"
    assert configurations(loop_of(80)) == 2**62
    pair = np.array([[0, 1], [1, 0]], np.int32)
    twice = Group("twin", (2, 2), pair, np.zeros(2, np.int32), 1, np.array([0, 2]))
    assert not is_forest(Structure(np.full(2, 2, np.int32), np.array([0, 2]), (twice,)))
    assert "forest, 5 factors" in choose(chain(3, 2, np.random.default_rng(0))[0]).reason


@checked
@given(seeds)
def test_forests_are_told_from_loops(seed: int) -> None:
    """A structure is a forest where edges of the bipartite graph = nodes - components."""
    structure = oracle.random_structure(np.random.default_rng(seed), loopy=True)
    parent = list(range(structure.variables))

    def find(v: int) -> int:
        while parent[v] != v:
            v = parent[v]
        return v

    forest = True
    for group in structure.groups:
        for row in group.scope:
            roots = [find(int(v)) for v in row]
            forest &= len(set(roots)) == len(roots)
            for root in roots[1:]:
                parent[find(root)] = find(roots[0])
    assert is_forest(structure) == forest


def test_wrong_arguments_are_refused() -> None:
    structure, values = chain(4, 3, np.random.default_rng(0))
    engine = TreeEngine(structure)
    for beta in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(UsageError, match="beta"):
            engine.soft_minimum(values, beta)
    with pytest.raises(UsageError, match="shape"):
        engine.minimum(values[:, 1:])
    with pytest.raises(UsageError, match="float64"):
        engine.minimum(values.astype(np.float32))
    for evidence in ([0, 0, 0, 3], [0, 0, 0, -2], [0, 0, 2**33, 0]):
        with pytest.raises(UsageError, match="range"):
            engine.minimum(values, np.array(evidence))
    with pytest.raises(UsageError, match="instances"):
        engine.minimum(values, span=(0, 2))
    with pytest.raises(UsageError, match="weights"):
        engine.minimum(values).add_cotangents(np.ones((1, 2)), np.zeros_like(values))
    with pytest.raises(UsageError, match="cotangents"):
        engine.minimum(values).add_cotangents(np.ones((1, 1)), np.zeros((1, 2)))
    with pytest.raises(InferenceError, match="enumerate"):
        EnumerationEngine(loop_of(30))


def test_values_may_be_read_only_or_strided() -> None:
    structure, values = chain(4, 3, np.random.default_rng(0))
    want = TreeEngine(structure).soft_minimum(values).value
    wide = np.zeros((1, 2 * values.shape[1]))
    wide[:, ::2] = values
    wide.flags.writeable = False
    np.testing.assert_array_equal(TreeEngine(structure).soft_minimum(wide[:, ::2]).value, want)


def test_memory_is_refused_before_it_is_taken() -> None:
    structure, values = chain(1000, 10, np.random.default_rng(0))
    engine = TreeEngine(structure)
    budget.set_limit(100_000)
    try:
        with pytest.raises(BudgetError):
            TreeEngine(structure)
        with pytest.raises(BudgetError):
            engine.soft_minimum(values)
    finally:
        budget.set_limit(None)


def test_ties_go_to_the_first_state() -> None:
    structure, values = chain(5, 4, np.random.default_rng(0))
    assert (TreeEngine(structure).minimum(np.zeros_like(values)).states == 0).all()
    assert (EnumerationEngine(structure).minimum(np.zeros_like(values)).states == 0).all()


def test_structures_of_nothing() -> None:
    nothing = Structure(np.zeros(0, np.int32), np.array([0, 0, 0]), ())
    for engine in (TreeEngine(nothing), EnumerationEngine(nothing)):
        values = np.zeros((2, 0))
        np.testing.assert_array_equal(engine.minimum(values).value, np.zeros((2, 2)))
        np.testing.assert_array_equal(engine.soft_minimum(values).value, np.zeros((2, 2)))
        assert engine.min_marginals(values).shape == (2, 0)
    forest = Forest.plan_of(nothing)
    assert replace(forest, tables=0).structure is nothing
