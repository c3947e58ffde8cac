"""Kinds of factors against enumeration: energies, tables, messages in both algebras, cotangents."""

from __future__ import annotations

from collections.abc import Callable
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
from factorgraph.factors.table import energy
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
}
DRAW: dict[str, Callable[[Rng, States], Numbers]] = {
    "potts": lambda rng, cards: cost(rng, 2),
    "truncated": a_truncated,
    "parity": lambda rng, cards: rng.integers(0, 2, 1).astype(float),
    "cardinality": lambda rng, cards: cost(rng, len(cards) + 1),
}
PAIRS = {"potts", "truncated"}
STATES = {"all_different"}


def some_cards(rng: Rng, kind: str) -> States:
    if kind in PAIRS:
        return int(rng.integers(1, 7)), int(rng.integers(1, 7))
    if kind in STATES:
        return tuple(rng.integers(1, 6, rng.integers(0, 5)).tolist())
    return (2,) * int(rng.integers("logical" in kind, 8))


def drawn(rng: Rng, kind: str, cards: States) -> Numbers:
    return DRAW[kind](rng, cards) if kind in DRAW else np.zeros(0)


@pytest.mark.parametrize("kind", TRUTH)
@settings(deadline=None, max_examples=12)
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
    card = 3 if kind in PAIRS | STATES else 2
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
@settings(deadline=None, max_examples=6)
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
    ],
)
def test_what_is_no_factor_is_refused(add: Callable[[fg.FactorGraph], None], says: str) -> None:
    g = fg.FactorGraph()
    g.variables("x", 4, 2)
    g.variables("y", 1, 3)
    with pytest.raises(UsageError) as error:
        add(g)
    assert says in error.value.message


def test_tables_of_wide_factors_are_refused_by_name() -> None:
    g = fg.FactorGraph()
    g.parity(g.variables("x", 40, 2), name="check")
    structure = g.build().structure
    with pytest.raises(fg.BudgetError, match=r"factor `check` \(parity over 40 variables\)"):
        tabled(structure)


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
