"""Factors over the same variables: folded for the tree engine, unfolded in what it hands back."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.engine.choose import choose
from factorgraph.engine.enumerate import EnumerationEngine
from factorgraph.engine.parallel import Parallel, fold
from factorgraph.graph.structure import Group, Structure
from factorgraph.pipeline import compile

close = {"rtol": 1e-9, "atol": 1e-12}


def group(name: str, cards: tuple[int, ...], scope: list[list[int]], rows: list[int],
          table: list[int] | None = None) -> Group:  # fmt: skip
    index = np.arange(len(scope)) if table is None else np.array(table)
    return Group(
        name, cards, np.array(scope, np.int32), index.astype(np.int32),
        int(index.max()) + 1 if len(index) else 0, np.array(rows, np.int64),
    )  # fmt: skip


def chain() -> Structure:
    """Two instances of 3 and 2 variables; four groups over the same pairs, one of them reversed,
    one over some of them only."""
    card = np.array([2, 3, 2, 2, 3], np.int32)
    structure = Structure(
        card,
        np.array([0, 3, 5], np.int64),
        (
            group("one", (2,), [[0], [2], [3]], [0, 2, 3]),
            group("move", (2, 3), [[0, 1], [3, 4]], [0, 1, 2], [0, 0]),
            group("back", (3, 2), [[1, 2]], [0, 1, 1]),
            group("rule", (3, 2), [[1, 0], [4, 3]], [0, 1, 2]),
            group("some", (2, 3), [[3, 4]], [0, 0, 1]),
        ),
    )
    structure.check()
    return structure


@pytest.fixture(params=range(6))
def values(request: pytest.FixtureRequest) -> np.ndarray:
    rng = np.random.default_rng(request.param)
    out = rng.normal(size=(2, chain().size))
    out[rng.random(out.shape) < 0.1 * (request.param % 2)] = np.inf
    return out


def test_probes_and_cotangents(values: np.ndarray) -> None:
    structure = chain()
    choice = choose(structure)
    assert isinstance(choice.engine, Parallel) and "added up" in choice.reason
    truth = EnumerationEngine(structure)
    rng = np.random.default_rng(7)
    evidence = np.array([-1, 1, -1, 0, -1], np.int32)
    weight = rng.normal(size=(2, 2))
    for given in (None, evidence):
        a, b = choice.engine.minimum(values, given), truth.minimum(values, given)
        np.testing.assert_allclose(a.value, b.value, **close)
        np.testing.assert_allclose(
            choice.engine.min_marginals(values, given), truth.min_marginals(values, given), **close
        )
        for beta in (0.5, 2.0):
            c = choice.engine.soft_minimum(values, beta, given)
            d = truth.soft_minimum(values, beta, given)
            np.testing.assert_allclose(c.value, d.value, **close)
            np.testing.assert_allclose(c.marginals(), d.marginals(), **close)
            found, wanted = np.zeros_like(values), np.zeros_like(values)
            c.add_cotangents(weight, found)
            d.add_cotangents(weight, wanted)
            np.testing.assert_allclose(found, wanted, **close)
    second = choice.engine.second_best(values, np.array([0, 0, 0, 0, 0], np.int32))
    other = truth.second_best(values, np.array([0, 0, 0, 0, 0], np.int32))
    np.testing.assert_allclose(second.value, other.value, **close)
    found, wanted = np.zeros_like(values), np.zeros_like(values)
    choice.engine.minimum(values).add_cotangents(weight, found)
    truth.minimum(values).add_cotangents(weight, wanted)
    np.testing.assert_allclose(found.sum(), wanted.sum(), **close)


def test_what_is_not_parallel_stays() -> None:
    structure = chain()
    plain = Structure(structure.card, structure.instance, structure.groups[:3])
    assert fold(plain) is None
    twice = group("twice", (2, 3), [[0, 1], [0, 1]], [0, 2, 2])
    crossing = Structure(structure.card, structure.instance, (*structure.groups[:2], twice))
    assert fold(crossing) is None


def test_hard_rule_beside_a_factor() -> None:
    """A chain with a rule over the same pairs trains and answers; tables are shared."""
    model = compile("""
domain Tag = {O, B-X, I-X}
size n
given x[n] : real
answer y[n] : Tag
param U[Tag] = normal(0, 1), A[Tag, Tag] ~ l2(0.1)
factor emit[t in n] = -x[t] * U[y[t]]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
hard bio[t in 1..n-1] : prefix(y[t]) == "I" => kind(y[t-1]) == kind(y[t])
hard first[t in n if t == 0] : prefix(y[t]) != "I"
loss nll
""".replace("{O, B-X, I-X}", '{O, "B-X", "I-X"}'))  # fmt: skip
    data = [{"x": [1.0, 2.0, -1.0], "y": ["B-X", "I-X", "O"]}, {"x": [0.5], "y": ["O"]}]
    run = model.fit(data, max_iterations=20)
    for found in run.predict([{"x": [3.0, -2.0, 1.0, 1.0]}, {"x": [-5.0]}]):
        tags = found["answers"]["y"]
        assert tags[0] != "I-X"
        assert all(b != "I-X" or a != "O" for a, b in zip(tags, tags[1:], strict=False))
