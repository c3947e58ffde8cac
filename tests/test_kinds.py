"""Kinds of factors against enumeration: energies, tables, messages in both algebras, cotangents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factorgraph as fg
from factorgraph.engine.solve import log_partition, marginals, minimise
from factorgraph.errors import UsageError
from factorgraph.factors.expand import tabled
from factorgraph.factors.kind import Kind
from factorgraph.factors.registry import kind_of
from factorgraph.factors.table import add_indicator, energy
from factorgraph.graph.structure import Energies, Ints, KindGroup

INF = np.inf
Numbers = Energies
States = tuple[int, ...]
Rng = np.random.Generator


def cost(rng: Rng, *shape: int) -> Energies:
    """Return random energies, some of them equal, large or +inf."""
    out = rng.choice([1.0, 10.0, 500.0], size=shape) * np.round(rng.normal(size=shape), 1)
    out[rng.random(shape) < 0.1] = INF
    return out


def potts(s: States, n: Numbers) -> float:
    return n[0] if s[0] == s[1] else n[1]


def truncated(s: States, n: Numbers) -> float:
    scale, slope, cap, power = n
    return 0.0 if scale == 0 else scale * min(slope * abs(s[0] - s[1]) ** power, cap)


def a_truncated(rng: Rng, cards: States) -> Numbers:
    scale, slope = rng.choice([-1.0, 0.0, 0.3, 2.0, 50.0], size=2)
    return np.array([scale, slope, rng.choice([INF, 0.0, 1.5, 4.0, -1.0]), rng.integers(1, 3)])


def parity(s: States, n: Numbers) -> float:
    return 0.0 if sum(s) % 2 == n[0] else INF


def last(rule: Callable[[list[int]], bool]) -> Callable[[States, Numbers], float]:
    return lambda s, n: 0.0 if s[-1] == rule(list(s[:-1])) else INF


def ones(*counts: int, least: int = 99) -> Callable[[States, Numbers], float]:
    return lambda s, n: 0.0 if sum(s) in counts or sum(s) >= least else INF


def convex(s: States, n: Numbers) -> float:
    return n[1 + int(n[0]) + s[0] - s[1]]


def a_convex(rng: Rng, cards: States) -> Numbers:
    gap = np.arange(-(cards[1] - 1), cards[0])
    bends = rng.exponential(rng.choice([0.1, 1.0, 100.0]), (2, 3))
    out = sum(b * np.maximum(sign * (gap - rng.integers(-2, 3)), 0)
              for sign, row in zip((1, -1), bends, strict=True) for b in row)  # fmt: skip
    if rng.random() < 0.4:
        out = np.where((gap < rng.integers(-3, 1)) | (gap > rng.integers(0, 3)), INF, out)
    return np.concatenate(([cards[1] - 1.0], out))


def knapsack(s: States, n: Numbers) -> float:
    return 0.0 if n[-2] <= sum(a * b for a, b in zip(s, n, strict=False)) <= n[-1] else INF


def pn_potts(s: States, n: Numbers) -> float:
    missing = [sum(x != k for x in s) for k in range(len(n) - 2)]
    return min([n[-2], *(e + (n[-1] * m if m else 0.0) for e, m in zip(n, missing, strict=False))])


def a_pn_potts(rng: Rng, cards: States) -> Numbers:
    most = rng.choice([0.5, 2.0, INF])
    theta = INF if np.isinf(most) else rng.choice([INF, 2.01 * most / len(cards)])
    return np.array([*rng.random(cards[0]), most, theta])


def pattern(s: States, n: Numbers) -> float:
    rows = n[1:].reshape(-1, len(s) + 1)
    return next((row[0] for row in rows if tuple(row[1:]) == s), n[0])


def a_pattern(rng: Rng, cards: States) -> Numbers:
    every = list(product(*map(range, cards)))
    chosen = sorted(rng.choice(len(every), min(3, len(every)), replace=False).tolist())
    end = [] if len(chosen) == 3 else [0.0, *[-1.0] * len(cards)] * (3 - len(chosen))
    listed = [x for c in chosen for x in (cost(rng, 1)[0], *every[c])]
    return np.array([cost(rng, 1)[0], *listed, *end])


def bilinear(s: States, n: Numbers) -> float:
    a = int(n[0])
    return float(np.array(s[:a]) @ n[1:].reshape(a, len(s) - a) @ np.array(s[a:]))


def of_states(rule: Callable[[States, Numbers], float]) -> Callable[[States, Numbers], float]:
    def energy(s: States, n: Numbers) -> float:
        counts, at = [], 0
        for x in s:
            counts.append(int(n[at + 1 + x]))
            at += 1 + int(n[at])
        return rule(tuple(counts), n[at:])

    return energy


def a_mask(rng: Rng, cards: States, own: Numbers) -> Numbers:
    told = [x for c in cards for x in (c, *rng.integers(0, 2, c))]
    return np.concatenate((np.array(told, float), own))


TRUTH: dict[str, Callable[[States, Numbers], float]] = {
    "potts": potts,
    "truncated": truncated,
    "parity": parity,
    "exactly_one": ones(1),
    "at_most_one": ones(0, 1),
    "at_least_one": ones(least=1),
    "logical_or": last(any),
    "logical_and": last(all),
    "cardinality": lambda s, n: n[sum(s)],
    "all_different": lambda s, n: 0.0 if len(set(s)) == len(s) else INF,
    "label_potts": lambda s, n: n[s[0]] if s[0] == s[1] else n[-1],
    "convex": convex,
    "knapsack": knapsack,
    "pn_potts": pn_potts,
    "pattern": pattern,
    "bilinear": bilinear,
    "parity of states": of_states(parity),
    "cardinality of states": of_states(lambda s, n: n[sum(s)]),
}
DRAW: dict[str, Callable[[Rng, States], Numbers]] = {
    "potts": lambda rng, cards: cost(rng, 2),
    "truncated": a_truncated,
    "parity": lambda rng, cards: rng.integers(0, 2, 1).astype(float),
    "cardinality": lambda rng, cards: cost(rng, len(cards) + 1),
    "label_potts": lambda rng, cards: cost(rng, min(cards) + 1),
    "convex": a_convex,
    "knapsack": lambda rng, cards: np.array(
        [*rng.integers(0, 4, len(cards)), rng.integers(0, 3), rng.choice([2.0, 5.0, INF])]
    ),
    "pn_potts": a_pn_potts,
    "pattern": a_pattern,
    "bilinear": lambda rng, cards: np.array(
        [1.0, *rng.normal(size=len(cards) - 1) * rng.choice([1, 50])]
    ),
    "parity of states": lambda rng, cards: a_mask(rng, cards, rng.integers(0, 2, 1)),
    "cardinality of states": lambda rng, cards: a_mask(rng, cards, cost(rng, len(cards) + 1)),
}
PAIRS = {"potts", "truncated", "label_potts", "convex"}
STATES = {"all_different", "pattern", "parity of states", "cardinality of states"}


def some_cards(rng: Rng, kind: str) -> States:
    if kind in PAIRS:
        return int(rng.integers(1, 7)), int(rng.integers(1, 7))
    if kind in STATES:
        most = 3 if kind == "pattern" else 4
        return tuple(rng.integers(1, 6, rng.integers(kind == "pattern", most + 1)).tolist())
    if kind == "pn_potts":
        return (int(rng.integers(1, 4)),) * int(rng.integers(1, 6))
    return (2,) * int(rng.integers(kind[:2] in ("lo", "bi"), 8))


def drawn(rng: Rng, kind: str, cards: States) -> Numbers:
    return DRAW[kind](rng, cards) if kind in DRAW else np.zeros(0)


@pytest.mark.parametrize("kind", TRUTH)
@settings(deadline=None, max_examples=8)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_kind_is_what_enumeration_says(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cards = some_cards(rng, kind)
    numbers = np.stack([drawn(rng, kind, cards) for _ in range(3)])
    fg.check_factor(
        kind, cards, numbers, energy=TRUTH[kind], betas=(INF, 1.0, 0.01, 20.0), rounds=5, seed=seed
    )


def pair_graph(rng: Rng, kind: str) -> tuple[fg.FactorGraph, fg.FactorGraph]:
    """Return a loop of factors of a kind, by its numbers and by its tables."""
    graphs = fg.FactorGraph(), fg.FactorGraph()
    card = 3 if kind in PAIRS | STATES | {"pn_potts"} else 2
    scopes = [[0, 1], [1, 2], [0, 2]] if kind in PAIRS else [[0, 1, 2], [1, 2, 3]]
    bias = rng.normal(size=(4, card))
    numbers = [drawn(rng, kind, (card,) * len(scope)) for scope in scopes]
    for k, g in enumerate(graphs):
        g.variables("y", 4, card)
        g.factors(np.arange(4)[:, None], bias)
        for scope, own in zip(scopes, numbers, strict=True):
            if k:
                shape = (card,) * len(scope)
                table = [TRUTH[kind](s, own) for s in product(*map(range, shape))]
                g.factor(scope, np.reshape(table, shape))
            else:
                g.kind(kind, scope, own)
    return graphs


@pytest.mark.parametrize("kind", TRUTH)
@settings(deadline=None, max_examples=4)
@given(seed=st.integers(0, 2**32 - 1))
def test_exact_engines_answer_for_graphs_with_kinds(kind: str, seed: int) -> None:
    kinds, tables = (g.build() for g in pair_graph(np.random.default_rng(seed), kind))
    a, b = minimise(kinds), minimise(tables)
    assert a.energy == pytest.approx(b.energy, abs=1e-9) and a.status == b.status
    assert log_partition(kinds, 0.7) == pytest.approx(log_partition(tables, 0.7), abs=1e-9)
    np.testing.assert_allclose(marginals(kinds)["y"], marginals(tables)["y"], atol=1e-9)
    states = np.random.default_rng(seed).integers(0, 2, kinds.structure.variables).astype(np.int32)
    np.testing.assert_allclose(
        energy(kinds.structure, kinds.values, states),
        energy(tables.structure, tables.values, states),
    )


def test_many_factors_at_once_are_those_one_by_one() -> None:
    one, many = fg.FactorGraph(), fg.FactorGraph()
    xs = [g.variables("x", 5, 2) for g in (one, many)]
    for a, b, w in zip(xs[0], xs[0][1:], (1.0, 2.0, 3.0, 4.0), strict=False):
        one.potts([a, b], differ=w)
    many.potts(np.stack([xs[1][:-1], xs[1][1:]], 1), differ=[1.0, 2.0, 3.0, 4.0])
    for scope, odd in (([0, 1, 2], True), ([2, 3], False)):
        one.parity(scope, odd=odd)
    many.parity([[0, 1, 2], [2, 3]], odd=[True, False])
    a, b = one.build(), many.build()
    np.testing.assert_array_equal(a.values, b.values)
    for left, right in zip(a.structure.kinds, b.structure.kinds, strict=True):
        np.testing.assert_array_equal(left.scope, right.scope)
        np.testing.assert_array_equal(left.start, right.start)
        np.testing.assert_array_equal(left.table, right.table)


@pytest.mark.parametrize(
    ("add", "says"),
    [
        (lambda g: g.parity([0, 9]), "not there"),
        (lambda g: g.parity([0, 0]), "twice"),
        (lambda g: g.parity([0, 4]), "2 states, not 3"),
        (lambda g: g.potts([0, 1, 2]), "2 variables, not 3"),
        (lambda g: g.potts([0, 1], differ=np.nan), "NaN"),
        (lambda g: g.truncated_linear([0, 1], slope=INF), "finite"),
        (lambda g: g.kind("parity", [0, 1], [0.5]), "0 (even) or 1 (odd)"),
        (lambda g: g.kind("parity", [[0, 1], [1, 2], [0, 2]], [[0.0], [1.0]]), "2 rows of numbers"),
        (lambda g: g.kind("partity", [0, 1], [0.0]), "no kind of factor `partity`"),
        (lambda g: g.potts([[0.5, 1.0]]), "integers"),
        (lambda g: g.convex([4, 5], lambda d: -np.abs(d)), "not convex at 0"),
        (lambda g: g.convex([0, 1], lambda d: np.where(d == 0, INF, 0)), "one interval"),
        (lambda g: g.knapsack([0, 1], [0.5, 1.0]), "whole numbers"),
        (lambda g: g.cardinality([0, 1], [0.0, 1.0]), "3 numbers"),
        (lambda g: g.pn_potts([0, 4], [0.0, 0.0], 1.0), "equally many states"),
        (lambda g: g.forbidden([0, 1], [[0, 2]]), "not there"),
        (lambda g: g.allowed([0, 1], [[0, 1], [0, 1]]), "twice"),
        (lambda g: g.bilinear([0, 1], [2], np.zeros((1, 2))), "matrix of shape"),
        (lambda g: g.logical_or([[0, 1], [1, 2]], [3]), "1 output for 2 factors"),
    ],
)
def test_what_is_no_factor_is_refused(add: Callable[[fg.FactorGraph], None], says: str) -> None:
    g = fg.FactorGraph()
    g.variables("x", 4, 2)
    g.variables("y", 2, 3)
    with pytest.raises(UsageError) as error:
        add(g)
    assert says in error.value.message


def test_tables_of_wide_factors_are_refused_by_name() -> None:
    g = fg.FactorGraph()
    g.parity(g.variables("x", 40, 2), name="check")
    structure = g.build().structure
    with pytest.raises(fg.BudgetError, match=r"factor `check` \(parity over 40 variables\)"):
        tabled(structure)


def test_a_matrix_is_its_pairs() -> None:
    rng = np.random.default_rng(0)
    g = fg.FactorGraph()
    u, v = g.variables("u", 3, 2), g.variables("v", 5, 2)
    g.factors(np.concatenate([u, v])[:, None], rng.normal(size=(8, 2)))
    g.bilinear(u, v, rng.normal(size=(3, 5)))
    graph = g.build()
    one, pairs = tabled(graph.structure), tabled(graph.structure, graph.values[0])
    assert [len(x.structure.groups[-1].table) for x in (one, pairs)] == [1, 15]
    states = rng.integers(0, 2, (20, 8)).astype(np.int32)
    into = [np.zeros_like(graph.values) for _ in range(2)]
    for own in states:
        want = energy(graph.structure, graph.values, own)
        for k, x in enumerate((one, pairs)):
            values = x.values(graph.values)
            np.testing.assert_allclose(energy(x.structure, values, own), want)
            cotangents = np.zeros_like(values)
            add_indicator(x.structure, own, np.ones((1, 1)), cotangents)
            x.add_cotangents(graph.values, cotangents, into[k])
    np.testing.assert_allclose(*into)


def test_messages_pass_through_a_matrix_by_its_pairs() -> None:
    rng = np.random.default_rng(1)
    g = fg.FactorGraph()
    u, v = g.variables("u", 2, 2), g.variables("v", 30, 2)
    g.factors(np.concatenate([u, v])[:, None], rng.normal(size=(32, 2)))
    g.bilinear(u, v, rng.normal(size=(2, 30)))
    g.parity([0, 1], odd=True)
    graph = g.build()
    found = fg.infer(graph, algorithm="mplp")
    left = graph.values[0, : 2 * 32].reshape(32, 2)
    weight = graph.values[0, 65 : 65 + 60].reshape(2, 30)
    best = min(  # one of u is 1: its row of the matrix is what v pay
        left[0, a] + left[1, 1 - a] + np.minimum(left[2:, 0], left[2:, 1] + weight[1 - a]).sum()
        for a in range(2)
    )
    assert found.bound <= best + 1e-9 <= found.energy + 2e-9


@pytest.mark.parametrize("beta", [INF, 0.5, 8.0])
def test_counts_over_more_bits_than_numbers_can_hold(beta: float) -> None:
    """Two ways to the same messages: a count, and a budget of ones with both ends equal."""
    rng = np.random.default_rng(4)
    n, k = 300, 40
    ends, scope = np.array([0, n], np.int64), np.arange(n, dtype=np.int32)
    one = np.zeros(1, np.int32)
    group = KindGroup("f", "count", ends, scope, one, 1, n + 1, np.array([0, 1], np.int64))
    entry = 2 * np.arange(n + 1, dtype=np.int64)
    told = rng.normal(size=2 * n) * 20
    told[rng.random(2 * n) < 0.02] = INF
    out = np.empty((2, 2 * n))
    counts = np.where(np.arange(n + 1) == k, 0.0, INF)[None]
    kind_of("cardinality").messages(group, counts, entry, told, out[0], beta, one)
    numbers = np.array([[*np.ones(n), k, k]])
    bought = replace(group, width=n + 2)
    kind_of("knapsack").messages(bought, numbers, entry, told, out[1], beta, one)
    np.testing.assert_allclose(out[0], out[1], rtol=1e-9, atol=1e-9)


def test_cotangents_come_back_through_tables() -> None:
    g = fg.FactorGraph()
    x = g.variables("x", 3, 4)
    g.factors(x[:, None], np.random.default_rng(0).normal(size=(3, 4)))
    g.truncated_quadratic([[0, 1], [1, 2], [0, 2]], slope=[0.3, 0.5, 0.2], cap=1.7, scale=1.3)
    graph = g.build()
    from factorgraph.engine.choose import choose

    engine = choose(graph.structure).engine
    into = np.zeros_like(graph.values)
    engine.soft_minimum(graph.values, 1.5).add_cotangents(np.ones((1, 1)), into)
    for k in range(12, graph.values.shape[1]):
        if k % 4 == 3:
            continue  # powers
        near = []
        for step in (1e-6, -1e-6):
            values = graph.values.copy()
            values[0, k] += step
            near.append(engine.soft_minimum(values, 1.5).value[0, 0])
        assert into[0, k] == pytest.approx((near[0] - near[1]) / 2e-6, abs=1e-6)


class Least(Kind):
    """A user's kind: a weight times the least state."""

    name = "least state"

    def width(self, cards: tuple[int, ...]) -> int:
        return 1

    def check(self, cards: tuple[int, ...], numbers: Energies) -> None:
        pass

    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        rows = zip(group.start, group.start[1:], strict=False)
        least = [min((int(states[v]) for v in group.scope[a:b]), default=0) for a, b in rows]
        return numbers[group.table, 0] * np.array(least, float)

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        one = np.ones_like(numbers)
        np.add.at(into[:, 0], group.table, weight * self.energy(group, one, states))


def test_users_make_kinds_of_their_own() -> None:
    kind = Least()
    fg.register(kind)
    fg.register(kind)  # the same again
    assert kind_of("least state") is kind
    fg.check_factor("least state", (3, 2, 4), [[2.0], [-1.5]], energy=lambda s, n: n[0] * min(s))
    g = fg.FactorGraph()
    a, b = g.variables("a", 1, 3)[0], g.variables("b", 1, 4)[0]
    g.factor([a], [0.0, 0.5, 1.0])
    g.kind("least state", [a, b], [-1.0])
    assert minimise(g.build()).energy == pytest.approx(-1.0)
    with pytest.raises(UsageError, match="already"):
        fg.register(type("Other", (Least,), {})())


class Wrong(Least):
    name = "wrong"

    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        into += 1.0


class Louder(Least):
    name = "louder"

    def messages(self, *arguments, **named) -> None:  # type: ignore[no-untyped-def]
        super().messages(*arguments, **named)
        arguments[4][arguments[4] > -1e8] += 0.1


@pytest.mark.parametrize(("kind", "says"), [(Wrong(), "derivative"), (Louder(), "is told")])
def test_a_wrong_kind_does_not_pass(kind: Kind, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        fg.check_factor(kind, (2, 3), [1.0], rounds=1)
    assert error.value.code == "E0506"
