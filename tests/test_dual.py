"""MPLP and AD3 held against enumeration and the linear program over the local polytope."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from factorgraph.engine import decomposition, slaves
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import steps
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError


def _load(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


drawn_: Any = _load("drawn")
ask, grid, monotone, polytope = drawn_.ask, drawn_.grid, drawn_.monotone, drawn_.polytope
Drawn = drawn_.Drawn


def mixed(seed: int, infinite: float = 0.0) -> Any:
    """Variables of 1 to 3 states, factors of up to four of them, and kinds."""
    random = np.random.default_rng(seed)
    cards = [2, 2, 2, *random.integers(1, 4, 4).tolist()]
    drawn = Drawn(cards)
    drawn.add((), np.array(-0.4))
    for v in range(6):
        drawn.add((v,), random.normal(size=cards[v]))
    for arity in (2, 2, 3, 3, 4):
        scope = tuple(random.permutation(7)[:arity].tolist())
        table = random.normal(size=[cards[v] for v in scope])
        drawn.add(scope, np.where(random.random(table.shape) < infinite, np.inf, table))
    drawn.kind("potts", (3, 5), [0.2, 0.9])
    drawn.kind("truncated", (4, 6), [0.5, 1.0, 1.5, 2.0])
    drawn.kind("parity", (0, 1, 2), [float(seed % 2)])
    return drawn


@pytest.mark.parametrize("seed", range(8))
def test_mplp_rises_to_a_bound(seed: int) -> None:
    drawn = mixed(seed, infinite=0.1 * (seed % 2))
    energies = drawn.energies()
    least = float(energies.min())
    found = ask(drawn.problem(), "mplp(iterations = 500) + icm")
    assert found.bound <= least + 1e-9 and monotone(found)
    if not np.isfinite(least):
        assert found.states is None
        return
    assert found.bound <= polytope(drawn) + 1e-9
    if found.states is not None:
        assert found.energy == pytest.approx(energies[tuple(found.states)])
    if found.status == "optimal":
        assert found.energy == pytest.approx(least)


def test_mplp_mostly_reaches_the_linear_program() -> None:
    reached = 0
    for seed in range(0, 16, 2):
        drawn = mixed(seed)
        bound = ask(drawn.problem(), "mplp(iterations = 500)").bound
        reached += bound >= polytope(drawn) - 0.02
    assert reached >= 6


@pytest.mark.parametrize("seed", range(8))
def test_ad3_reaches_the_linear_program(seed: int) -> None:
    drawn = mixed(seed, infinite=0.1 * (seed % 2))
    energies = drawn.energies()
    found = ask(drawn.problem(), "ad3(iterations = 1000, progress = 0)")
    assert found.bound == pytest.approx(polytope(drawn), abs=1e-5)
    assert found.bound <= energies.min() + 1e-9 and monotone(found)
    if found.status == "optimal":
        assert found.energy == pytest.approx(float(energies.min()))
    if found.states is not None:
        assert found.energy == pytest.approx(energies[tuple(found.states)])


@pytest.mark.parametrize("seed", range(4))
def test_a_slave_is_the_nearest_low_distribution(seed: int) -> None:
    """Held against scipy's SLSQP, over the simplex of configurations."""
    random = np.random.default_rng(seed)
    cards = (2, 3, 2) if seed % 2 else (3, 4)
    drawn = Drawn(list(cards))
    drawn.add(tuple(range(len(cards))), random.normal(size=cards))
    for v, card in enumerate(cards):
        drawn.add((v,), 0.3 * random.normal(size=card))
    made = slaves.Slaves(drawn.problem())
    made.eta = 0.5
    made.step()
    table, start = made.parts[0].values, made.own
    first = np.concatenate(([0], np.cumsum(cards)))
    pick = np.zeros((int(first[-1]), table.size))
    for x, digits in enumerate(np.ndindex(*cards)):
        for k, digit in enumerate(digits):
            pick[first[k] + digit, x] = 1.0
    even = np.concatenate([np.full(card, 1 / card) for card in cards])

    def goal(m: Any) -> float:
        q = pick @ m
        return float((table + start @ pick) @ m + 0.25 * ((q - even) ** 2).sum())

    done = minimize(
        goal, np.full(table.size, 1 / table.size), bounds=[(0, 1)] * table.size, method="SLSQP",
        constraints={"type": "eq", "fun": lambda m: m.sum() - 1}, options={"ftol": 1e-13},
    )  # fmt: skip
    assert made.parts[0].share[0] == pytest.approx(pick @ done.x, abs=1e-4)


def test_trees_of_large_factors_are_tight() -> None:
    random = np.random.default_rng(1)
    drawn = Drawn([2, 3, 2, 3, 2, 2, 3])
    for v, card in enumerate(drawn.cards):
        drawn.add((v,), random.normal(size=card))
    for scope in ((0, 1, 2), (3, 2), (3, 4, 5), (5, 6)):
        drawn.add(scope, random.normal(size=[drawn.cards[v] for v in scope]))
    for name in ("mplp", "ad3"):
        found = ask(drawn.problem(), f"{name}(iterations = 2000, progress = 0)")
        assert found.status == "optimal"
        assert found.energy == pytest.approx(float(drawn.energies().min()))


def test_bounds_of_all_three_agree_where_the_relaxation_is_tight() -> None:
    random = np.random.default_rng(9)
    drawn = grid(random, 3, 3, 2, lambda d, e: d.kind("potts", e, [0.0, random.random()]))
    least = float(drawn.energies().min())
    for name in ("trws", "mplp", "ad3"):
        found = ask(drawn.problem(), f"{name}(iterations = 3000, progress = 0)")
        assert found.bound == pytest.approx(least, rel=1e-4), name


def test_a_decoded_parity_check() -> None:
    drawn = Drawn([2] * 6)
    for v, llr in enumerate([2.0, 1.5, -0.4, 1.8, 2.2, 0.9]):
        drawn.add((v,), np.array([0.0, llr]))
    for row in ((0, 1, 2), (2, 3, 4), (0, 4, 5)):
        drawn.kind("parity", row, [0.0])
    found = ask(drawn.problem(), "mplp")
    assert found.status == "optimal" and found.states is not None
    assert found.states.tolist() == [0] * 6


def test_what_cannot_be_is_said_and_evidence_is_kept() -> None:
    drawn = Drawn([2, 2, 2])
    drawn.kind("parity", (0, 1, 2), [1.0])
    for name in ("mplp", "ad3"):
        assert ask(drawn.problem({0: 0, 1: 0}), name).states.tolist() == [0, 0, 1]
        found = ask(drawn.problem({0: 0, 1: 0, 2: 0}), name)
        assert (found.status, found.states, found.bound) == ("infeasible", None, np.inf)
    many = Drawn([2] * 17)
    many.kind("parity", tuple(range(17)), [1.0])
    assert ask(many.problem(), "mplp + icm").energy == 0.0
    with pytest.raises(UsageError, match="at most 65536 configurations"):
        ask(many.problem(), "ad3")


def anything(random: np.random.Generator, seed: int) -> Any:
    """Energies of any size, exclusions, kinds with negative and infinite numbers, evidence."""
    n = int(random.integers(1, 8))
    drawn = Drawn(random.integers(1, 5, n).tolist())

    def table(shape: list[int]) -> Any:
        energies = random.normal(size=shape) * 10.0 ** random.integers(-2, 4)
        energies = np.rint(energies) if seed % 4 == 0 else energies
        return np.where(random.random(shape) < 0.1 * (seed % 3), np.inf, energies)

    for v in range(n):
        drawn.add((v,), table([drawn.cards[v]]))
    for _ in range(int(random.integers(0, 10))):
        scope = random.permutation(n)[: int(random.integers(1, 3 if seed % 2 else 5))].tolist()
        drawn.add(tuple(scope), table([drawn.cards[v] for v in scope]))
    for _ in range(int(random.integers(0, 4)) if n > 1 else 0):
        pair = tuple(random.permutation(n)[:2].tolist())
        if random.random() < 0.5:
            differ = np.inf if random.random() < 0.2 else float(random.normal())
            drawn.kind("potts", pair, [float(random.normal()), differ])
        else:
            cap = np.inf if random.random() < 0.3 else float(3 * random.random())
            numbers = [float(random.normal()), float(random.random()), cap, 1.0 + seed % 2]
            drawn.kind("truncated", pair, numbers if cap < np.inf else [1.0, *numbers[1:]])
    given = random.permutation(n)[: int(random.integers(0, n + 1)) if seed % 5 < 2 else 0]
    return drawn, {int(v): int(random.integers(0, drawn.cards[v])) for v in given}


NAMES = ("trws(iterations = 60)", "bps(iterations = 60)", "icm", "mplp", "ad3", "trws + icm")


@pytest.mark.parametrize("name", NAMES)
def test_whatever_the_graph_what_is_said_is_true(name: str) -> None:
    said = set()
    for seed in range(150):
        drawn, given = anything(np.random.default_rng(seed), seed)
        energies = drawn.energies()
        least = float(
            energies[tuple(given.get(v, slice(None)) for v in range(energies.ndim))].min()
        )
        try:
            found = ask(drawn.problem(given), name)
        except UsageError as error:
            assert "free variables" in str(error)
            continue
        said.add(found.status.split()[0].strip(":"))
        assert found.bound <= least + 1e-9 * max(1.0, abs(least)) or np.isinf(least)
        if found.states is not None:
            assert found.energy == pytest.approx(energies[tuple(found.states)], rel=1e-9)
            assert all(found.states[v] == x for v, x in given.items())
        if found.status == "optimal":
            assert found.energy == pytest.approx(least, rel=1e-8)
        if found.status == "infeasible":
            assert least == np.inf
    assert len(said) > 1


def test_no_two_factors_of_a_layer_share_a_variable() -> None:
    star = Drawn([2] * 71)  # more factors at one variable than there are bits
    for v in range(1, 71):
        star.kind("potts", (0, v), [0.0, 0.5])
        star.add((v,), np.array([0.0, 0.1 * (v - 30)]))
    problem = star.problem()
    groups = problem.structure.kinds
    scope = np.concatenate([g.scope for g in groups])
    joined = replace(
        groups[0], start=2 * np.arange(71), scope=scope, table=np.zeros(70, np.int32),
        rows=np.array([0, 70]),
    )  # fmt: skip
    layers = decomposition._layers(joined)
    assert sorted(np.concatenate(layers).tolist()) == list(range(70))
    for layer in layers:
        used = scope.reshape(-1, 2)[layer].reshape(-1)
        assert len(set(used.tolist())) == len(used)
    structure = replace(problem.structure, kinds=(joined,))
    values = problem.values[: len(problem.values) - 2 * 69]
    one = infer(replace(problem, structure=structure, values=values), steps("mplp"))
    assert one.energy == pytest.approx(ask(problem, "trws").energy)


def test_time_is_kept() -> None:
    found = infer(mixed(3).problem(), steps("mplp(iterations = 10000, progress = 0)"), Watch(0.0))
    assert found.iterations == 1
