"""TRW-S, sequential belief propagation and ICM, held against enumeration and linear programs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.engine import lines, visiting
from factorgraph.engine.chains import DENSE, EVERY, LINEAR, POTTS, SQUARE, passes, room
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import steps
from factorgraph.engine.pairwise import pairwise
from factorgraph.engine.trws import Sweeps
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


def loose(random: np.random.Generator, infinite: float = 0.0) -> Any:
    """A sparse graph of variables of 1 to 4 states, with parallel edges and a lone variable."""
    cards = random.integers(1, 5, 7).tolist()
    drawn = Drawn(cards)
    drawn.add((), np.array(0.7))
    for v in range(6):
        drawn.add((v,), random.normal(size=cards[v]))
    for _ in range(9):
        a, b = random.permutation(6)[:2].tolist()
        table = random.normal(size=(cards[a], cards[b]))
        drawn.add((a, b), np.where(random.random(table.shape) < infinite, np.inf, table))
    return drawn


@pytest.mark.parametrize("seed", range(8))
def test_bounds_stay_below_the_optimum_and_reach_the_relaxation(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = loose(random, infinite=0.15 * (seed % 2))
    energies = drawn.energies()
    least = float(energies.min())
    found = ask(drawn.problem(), "trws(iterations = 300, progress = 0) + icm")
    if not np.isfinite(least):
        assert found.states is None or found.energy == np.inf
        return
    assert found.bound <= least + 1e-9 and monotone(found)
    relaxed = polytope(drawn)
    assert found.bound <= relaxed + 1e-9
    assert found.energy >= least - 1e-9
    assert found.states is not None
    assert energies[tuple(found.states)] == pytest.approx(found.energy)
    if found.status == "optimal":
        assert found.energy == pytest.approx(least)


def tree(random: np.random.Generator) -> Any:
    cards = random.integers(2, 6, 8).tolist()
    drawn = Drawn(cards)
    for v in range(8):
        drawn.add((v,), random.normal(size=cards[v]))
        if v:
            u = int(random.integers(0, v))
            if v % 3 == 0:
                drawn.kind("potts", (v, u), random.normal(size=2).tolist())
            elif v % 3 == 1:
                numbers = [0.7, *random.random(2).tolist(), float(1 + v % 2)]
                drawn.kind("truncated", (u, v), numbers)
            else:
                drawn.add((v, u), random.normal(size=(cards[v], cards[u])))
    return drawn


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("algorithm", ["trws", "bps"])
def test_trees_are_solved(seed: int, algorithm: str) -> None:
    drawn = tree(np.random.default_rng(seed))
    least = drawn.energies().min()
    found = ask(drawn.problem(), algorithm)
    assert found.energy == pytest.approx(least)
    if algorithm == "trws":
        assert found.status == "optimal" and found.bound == pytest.approx(least)
    else:
        assert found.status == "converged" and found.bound == -np.inf


@pytest.mark.parametrize("power", [1, 2])
def test_convex_and_submodular_energies_are_tight(power: int) -> None:
    random = np.random.default_rng(power)
    drawn = grid(
        random, 3, 3, 4, lambda d, e: d.kind("truncated", e, [1.0, random.random(), np.inf, power])
    )
    found = ask(drawn.problem(), "trws(progress = 0, iterations = 500)")
    assert found.bound == pytest.approx(float(drawn.energies().min()), rel=1e-6)
    binary = grid(random, 3, 4, 2, lambda d, e: d.kind("potts", e, [-0.1, random.random()]))
    found = ask(binary.problem(), "trws(progress = 0, iterations = 500)")
    assert found.bound == pytest.approx(float(binary.energies().min()), rel=1e-6)


def test_tight_relaxations_agree_with_linear_programming() -> None:
    tight = 0
    for seed in range(6):
        random = np.random.default_rng(100 + seed)
        drawn = grid(
            random, 3, 3, 3, lambda d, e, r=random: d.add(e, r.normal(0, 0.7, size=(3, 3)))
        )
        found = ask(drawn.problem(), "trws(progress = 0, iterations = 2000)")
        relaxed = polytope(drawn)
        assert found.bound <= relaxed + 1e-9
        if relaxed == pytest.approx(float(drawn.energies().min())):
            assert found.bound == pytest.approx(relaxed, abs=2e-3)
            tight += 1
    assert tight >= 3


@pytest.mark.parametrize("states", [0, 5])
@pytest.mark.parametrize("seed", range(3))
def test_messages_of_kinds_are_least_over_all_states(states: int, seed: int) -> None:
    """One edge from variable 0 to 1: after a pass forward the message is the brute minimum."""
    random = np.random.default_rng(seed)
    n, m = (5, 5) if states else (4 + seed, 7 - seed)
    for kind, numbers in (
        (POTTS, (0.6, 0.0)), (POTTS, (-0.6, 0.0)), (LINEAR, (0.3, np.inf)), (LINEAR, (0.2, 1.9)),
        (LINEAR, (0.5, 1.1)), (LINEAR, (0.4, 0.1)), (SQUARE, (0.05, np.inf)), (SQUARE, (0.3, 1.0)),
        (DENSE, (0.0, 0.0)),
    ):  # fmt: skip
        gap = np.abs(np.subtract.outer(np.arange(n), np.arange(m))).astype(float)
        slope, cap = numbers
        table = {
            POTTS: np.where(gap > 0, slope, 0.0), LINEAR: np.minimum(slope * gap, cap),
            SQUARE: np.minimum(slope * gap**2, cap), DENSE: random.normal(size=(n, m)),
        }[kind]  # fmt: skip
        unary = np.concatenate([random.normal(size=n), random.normal(size=m)])
        unary[int(random.integers(0, n))] = np.inf
        for axis in (0, 1):
            stored = table if axis == 0 else np.ascontiguousarray(table.T)
            messages, found = np.zeros(max(n, m)), np.zeros((1, 3))
            all_at_once, none = np.array([0, 1]), np.zeros(0, np.int32)
            passes(states, EVERY, bool(states))(
                False, True, False,
                np.zeros(1, np.int64), all_at_once, all_at_once, 2 * all_at_once,
                np.zeros(2, np.int64), none, none, np.zeros(1, np.int64), np.zeros(1, np.int64),
                np.arange(2, dtype=np.int32), np.array([0, n, n + m]), unary,
                np.array([0, 1, 2]), np.array([0, 2]), np.zeros(2, np.int32),
                np.array([1, 0], np.int32), np.array([axis, 1 - axis], np.int8),
                np.array([kind], np.int8), np.array([numbers]).T, np.zeros(1, np.int64),
                stored.reshape(-1), np.zeros(0), np.array([0, max(n, m)]), messages,
                np.zeros(2, np.int32), *room(max(n, m)), found,
            )  # fmt: skip
            want = (unary[:n, None] + table).min(axis=0)
            assert messages[:m] + want.min() == pytest.approx(want)
            assert found[0, 0] == pytest.approx((want + unary[n:]).min())


def test_tables_of_known_form_are_told_by_numbers() -> None:
    gap = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    drawn = Drawn([6] * 8)
    for v, table in enumerate(
        [0.3 * (gap > 0), 0.7 * np.minimum(gap, 3), 1.1 * gap**2, np.minimum(0.1 * gap**2, 0.7),
         gap + 1e-9 * (gap == 2), -1.0 * (gap > 0), np.where(gap > 0, np.inf, 0.0)]
    ):  # fmt: skip
        drawn.add((v, v + 1), table)
    graph = pairwise(drawn.problem(), "trws")
    assert graph.edges.kind.tolist() == [POTTS, LINEAR, SQUARE, SQUARE, DENSE, POTTS, DENSE]
    assert graph.hard and graph.possible


def test_factors_over_the_same_variables_are_one_edge() -> None:
    drawn = Drawn([3, 3, 2])
    drawn.kind("potts", (0, 1), [0.0, 1.0])
    drawn.kind("potts", (1, 0), [0.5, 2.0])
    drawn.add((2, 1), np.arange(6.0).reshape(2, 3))
    drawn.add((1, 2), np.ones((3, 2)))
    graph = pairwise(drawn.problem(), "trws")
    assert len(graph.edges.ends) == 2
    assert sorted(graph.edges.kind.tolist()) == [DENSE, POTTS]
    found = ask(drawn.problem(), "trws")
    assert found.status == "optimal" and found.energy == drawn.energies().min()


def test_evidence_is_kept_and_reduces_larger_factors() -> None:
    random = np.random.default_rng(4)
    drawn = loose(random)
    drawn.add((0, 1, 2), random.normal(size=drawn.cards[:3]))
    given = {1: drawn.cards[1] - 1}
    least = drawn.energies()[:, given[1]].min()
    for text in ("trws(iterations = 500)", "icm"):
        found = ask(drawn.problem(given), text)
        assert found.states is not None and found.states[1] == given[1]
        assert found.bound <= least + 1e-9 <= found.energy + 2e-9
    with pytest.raises(UsageError, match=r"factors of one or two free variables.* 3"):
        ask(drawn.problem(), "trws")


def test_what_cannot_be_is_said() -> None:
    drawn = Drawn([2, 2, 2])
    differ = np.array([[np.inf, 0.0], [0.0, np.inf]])
    for a, b in ((0, 1), (1, 2)):
        drawn.add((a, b), differ)
    assert ask(drawn.problem(), "trws").energy == 0.0
    found = ask(drawn.problem({0: 0, 2: 1}), "trws")
    assert (found.status, found.states, found.bound) == ("infeasible", None, np.inf)
    drawn.add((0, 2), differ)  # an odd cycle: no bound of edges sees it
    found = ask(drawn.problem(), "trws + icm")
    assert found.states is None and found.status.startswith("no answer")


def test_ties_lone_variables_and_nothing_at_all() -> None:
    assert ask(Drawn([]).problem(), "trws").energy == 0.0
    drawn = Drawn([1, 3, 1])
    assert ask(drawn.problem(), "trws").states is not None
    drawn.add((1,), np.array([2.0, 1.0, 1.0]))
    for text in ("trws", "bps", "icm"):
        found = ask(drawn.problem(), text)
        assert found.states is not None and found.states.tolist() == [0, 1, 0]


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visiting, "LEAST", 1)
    monkeypatch.setattr(visiting, "NARROW", 0.4)


@pytest.mark.usefixtures("halved")
def test_halves_meet_and_threads_do_not_matter() -> None:
    random = np.random.default_rng(7)
    drawn = grid(random, 6, 2, 3, lambda d, e: d.kind("potts", e, [0.0, 0.4]))
    order = visiting.ordered(pairwise(drawn.problem(), "trws"))
    assert order.part.tolist() == [0] * 6 + [1] * 4 + [2] * 2
    assert order.variable.tolist() == [0, 1, 2, 3, 4, 5, 11, 10, 9, 8, 6, 7]
    text = "trws(iterations = 60, progress = 0)"
    one, two = ask(drawn.problem(threads=1), text), ask(drawn.problem(threads=2), text)
    assert (one.bound, one.energy) == (two.bound, two.energy)
    assert np.array_equal(one.states, two.states)  # type: ignore[arg-type]
    assert one.bound <= drawn.energies().min() + 1e-9 and monotone(one)
    assert one.bound == pytest.approx(polytope(drawn), abs=1e-3)


def scattered(random: np.random.Generator, rows: int, columns: int, states: int) -> Any:
    """A grid whose variables are numbered at random."""
    number = random.permutation(rows * columns)
    drawn = Drawn([states] * (rows * columns))
    for v in range(rows * columns):
        drawn.add((v,), random.normal(size=states))
    for i in range(rows):
        for j in range(columns):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < rows and m < columns:
                    ends = (int(number[i * columns + j]), int(number[k * columns + m]))
                    drawn.add(ends, random.normal(size=(states, states)))
    return drawn


def chain(random: np.random.Generator) -> Any:
    """Variables in a row, and some edges to others far away."""
    drawn = Drawn([3] * 120)
    for v in range(120):
        drawn.add((v,), random.normal(size=3))
    ends = [(v, v + 1) for v in range(119) if v % 40 < 39]
    ends += [tuple(random.permutation(120)[:2].tolist()) for _ in range(12)]
    for e in ends:
        drawn.add(e, random.normal(size=(3, 3)))
    return drawn


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small graphs are dealt as large ones are."""
    monkeypatch.setattr(visiting, "LEAST", 1)
    monkeypatch.setattr(lines, "STRETCH", 12)
    monkeypatch.setattr(lines, "WIDE", 4)


def dealt() -> list[tuple[str, Any]]:
    random = np.random.default_rng(11)
    potts = grid(random, 30, 18, 3, lambda d, e: d.kind("potts", e, [0.0, random.random()]))
    return [
        ("rows", potts), ("depths", scattered(random, 14, 15, 2)), ("chain", chain(random)),
        ("narrow", grid(random, 60, 3, 2, lambda d, e: d.kind("potts", e, [0.0, 0.4]))),
    ]  # fmt: skip


@pytest.mark.usefixtures("fine")
@pytest.mark.parametrize(("name", "drawn"), dealt())
def test_lines_wait_for_what_comes_before_and_for_no_more(name: str, drawn: Any) -> None:
    order = visiting.ordered(pairwise(drawn.problem(), "trws"))
    made, variables = order.lines, len(order.variable)
    assert sorted(order.variable) == list(range(variables))
    own = np.repeat(np.arange(len(made.stretch) - 1), np.diff(made.stretch))
    line = np.repeat(np.arange(len(made.line) - 1), np.diff(made.line))[own]
    assert len(own) == variables and made.pile[-1] == len(made.line) - 1
    if name in ("rows", "depths"):
        assert made.wide >= 6 and len(made.line) - 1 >= 14
    for back in (False, True):
        waits = lines.waits(order.at, made, back)
        want: dict[tuple[int, int], int] = {}
        for a, b in order.at.tolist():
            # Of two places, the later one waits; in a pass backward, the other.
            early, late = (max(a, b), min(a, b)) if back else (min(a, b), max(a, b))
            if line[early] == line[late]:
                continue
            first, last = made.line[line[early]], made.line[line[early] + 1]
            need = last - own[early] if back else own[early] - first + 1
            key = (int(own[late]), int(line[early]))
            want[key] = max(want.get(key, 0), int(need))
        got = {
            (s, int(waits.line[w])): int(waits.need[w])
            for s in range(len(made.stretch) - 1)
            for w in range(waits.start[s], waits.start[s + 1])
        }
        assert got == want
        # Who takes lines in turn never waits for one that nobody has taken.
        part = np.searchsorted(made.pile, np.arange(len(made.line) - 1), side="right") - 1
        for (s, other), _ in want.items():
            mine = int(line[made.stretch[s]])
            ahead = (part[other], other) < (part[mine], mine)
            assert ahead != back and (part[other] == part[mine] or 2 in part[[other, mine]])


@pytest.mark.usefixtures("fine")
@pytest.mark.parametrize(("name", "drawn"), dealt())
def test_sixteen_threads_change_no_bit(name: str, drawn: Any) -> None:
    graph = pairwise(drawn.problem(), "trws")
    found = []
    for threads in (1, 2, 3, 16, 16):
        sweeps = Sweeps(graph, sweeps=8, threads=threads, weigh=True)
        found.append([
            (*sweeps.sweep(k % 2 == 1), sweeps.messages.tobytes(), sweeps.states.tobytes())
            for k in range(8)
        ])  # fmt: skip
        sweeps.close()
    assert all(each == found[0] for each in found)


def test_the_order_of_what_need_not_wait_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of a graph that is sorted by depth are those of its own order."""
    drawn = scattered(np.random.default_rng(3), 9, 8, 3)
    graph = pairwise(drawn.problem(), "trws")
    plain = Sweeps(graph, sweeps=3, threads=1, weigh=True)
    for name, value in (("LEAST", 1), ("NARROW", -1.0)):
        monkeypatch.setattr(visiting, name, value)
    monkeypatch.setattr(lines, "WIDE", 1)
    sorted_ = Sweeps(graph, sweeps=3, threads=4, weigh=True)
    assert not np.array_equal(plain.order.variable, sorted_.order.variable)
    for _ in range(3):
        assert plain.sweep() == pytest.approx(sorted_.sweep(), rel=1e-12)
        assert np.array_equal(plain.states, sorted_.states)
        each = [s.messages.reshape(-1, 3)[np.argsort(s.order.rank)] for s in (plain, sorted_)]
        np.testing.assert_allclose(each[0], each[1], rtol=1e-12, atol=1e-12)
    sorted_.close()


def test_sweeps_stop_at_the_gap_at_the_budget_and_where_nothing_is_gained() -> None:
    random = np.random.default_rng(3)
    drawn = grid(random, 6, 6, 4, lambda d, e: d.add(e, 2 * random.normal(size=(4, 4))))
    long = ask(drawn.problem(), "trws(iterations = 10000)")
    assert long.iterations < 10000
    short = ask(drawn.problem(), "trws(iterations = 10000, gap = 0.1)")
    assert short.iterations < long.iterations and short.gap <= 0.1 * abs(short.energy)
    over = infer(drawn.problem(), steps("trws(iterations = 10000)"), Watch(0.0))
    assert over.iterations == 1 and over.states is not None
    assert over.status.startswith("gap ") and over.status.endswith(" %, stopped: 0 s are over")


def test_bounds_of_whole_numbers_are_rounded_up() -> None:
    random = np.random.default_rng(5)
    drawn = Drawn([2] * 5)
    for a in range(5):
        drawn.add((a,), random.integers(-3, 4, 2))
        for b in range(a):
            drawn.add((a, b), random.integers(-3, 4, (2, 2)))
    found = ask(drawn.problem(), "trws")
    assert found.bound == np.rint(found.bound) <= drawn.energies().min()


@pytest.mark.parametrize("seed", range(4))
def test_no_single_change_helps_after_icm(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = loose(random)
    drawn.add((0, 2, 4), random.normal(size=[drawn.cards[v] for v in (0, 2, 4)]))
    drawn.kind("potts", (1, 3), [0.3, -0.2])
    drawn.kind("truncated", (5, 6), [0.5, 1.0, 1.5, 1.0])
    energies = drawn.energies()
    start = np.array([random.integers(0, c) for c in drawn.cards], np.int32)
    found = ask(drawn.problem(start=start), "icm")
    assert found.states is not None and found.status.startswith("converged")
    assert found.energy == pytest.approx(energies[tuple(found.states)])
    assert found.energy <= energies[tuple(start)] + 1e-12
    for v, card in enumerate(drawn.cards):
        for x in range(card):
            other = found.states.copy()
            other[v] = x
            assert energies[tuple(other)] >= found.energy - 1e-12


def test_icm_leaves_an_excluded_start() -> None:
    drawn = Drawn([3, 3, 3])
    for a, b in ((0, 1), (1, 2), (0, 2)):
        drawn.add((a, b), np.where(np.eye(3) > 0, np.inf, 1.0))
    found = ask(drawn.problem(start=np.zeros(3, np.int32)), "icm")
    assert found.energy == 3.0
