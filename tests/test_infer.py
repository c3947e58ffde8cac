"""Inference by name and by choice, limited in time and interrupted, against enumeration."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.choose import choose
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import MENU, Step, step, steps
from factorgraph.engine.outcome import Outcome, judged
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.graph.builder import NamedGraph

GRID = """
size h
size w
given x[h, w] : real
answer y[h, w] : 0..2
factor data[i in h, j in w] = (x[i, j] - y[i, j])^2
factor down[i in 1..h-1, j in w] = 0.7 * abs(y[i-1, j] - y[i, j])
factor across[i in h, j in 1..w-1] = 0.7 * abs(y[i, j-1] - y[i, j])
infer trws(iterations = 40) + icm
"""


def loop(seed: int, n: int = 6, card: int = 3) -> NamedGraph:
    random = np.random.default_rng(seed)
    g = fg.FactorGraph()
    v = g.variables("v", n, card)
    g.factors(v[:, None], random.normal(size=(n, card)), name="own")
    pairs = np.array([(i, (i + 1) % n) for i in range(n)] + [(0, n // 2)])
    g.factors(pairs, random.normal(size=(len(pairs), card, card)), name="tie")
    return g.build()


def least(graph: NamedGraph, evidence: dict[int, int] | None = None) -> float:
    structure, best = graph.structure, np.inf
    for states in itertools.product(*(range(c) for c in structure.card)):
        if any(states[v] != s for v, s in (evidence or {}).items()):
            continue
        energy = 0.0
        for g, group in enumerate(structure.groups):
            table = structure.table(graph.values[0], g)
            for row, scope in zip(group.table, group.scope, strict=True):
                energy += table[(row, *(states[v] for v in scope))]
        best = min(best, energy)
    return best


@pytest.mark.parametrize("seed", range(3))
def test_answers_by_name_are_never_below_the_optimum_nor_bounds_above(seed: int) -> None:
    graph = loop(seed)
    truth = least(graph)
    assert fg.infer(graph).energy == pytest.approx(truth, abs=1e-12)
    for name in ("trws", "trws + icm", "bps(iterations = 20) + icm"):
        found = fg.infer(graph, "map", name)
        assert found.energy >= truth - 1e-9
        assert found.bound <= truth + 1e-9
        assert (found.status == "optimal") == (found.gap == 0.0)
        assert all(a.bound <= b.bound for a, b in itertools.pairwise(found.trace))
        assert all(a.energy >= b.energy for a, b in itertools.pairwise(found.trace))


def test_evidence_by_name() -> None:
    graph = loop(1)
    found = fg.infer(graph, evidence={"v": [2, -1, -1, 0, -1, -1]})
    assert found.energy == pytest.approx(least(graph, {0: 2, 3: 0}), abs=1e-12)
    assert found.assignment["v"][[0, 3]].tolist() == [2, 0]
    for evidence in ({"w": [0]}, {"v": [0, 1]}, {"v": [3, -1, -1, -1, -1, -1]}):
        with pytest.raises(fg.UsageError):
            fg.infer(graph, evidence=evidence)


def test_instances_are_answered_one_by_one_as_together() -> None:
    model = fg.compile(GRID)
    random = np.random.default_rng(5)
    data = [{"x": random.normal(1, 1, shape).tolist()} for shape in ((3, 4), (2, 2), (1, 5))]
    together = list(model.init().predict(data))
    for one, alone in zip(together, data, strict=True):
        (other,) = model.init().predict([alone])
        assert (one["answers"], one["energy"], one["bound"], one["status"]) == (
            other["answers"], other["energy"], other["bound"], other["status"],
        )  # fmt: skip
        assert one["algorithm"].startswith("trws")
        (exact,) = model.init().predict([alone], infer="exact")
        assert one["energy"] >= exact["energy"] - 1e-9
        assert one["bound"] <= exact["energy"] + 1e-9


def test_a_text_is_checked_for_what_it_asks() -> None:
    for asked, said in (
        ("trws(iteration = 3)", "no option"),
        ("trws(iterations = 0.5)", "whole number"),
        ("minsum(schedule = sideways)", "is one of"),
    ):
        with pytest.raises(fg.ModelError, match=said):
            list(fg.compile(GRID.replace("trws(iterations = 40)", asked)).init().predict([]))
    missing = fg.compile(GRID.replace("+ icm", "+ anneal")).unanswered()
    assert missing is not None and "anneal" in missing.message


@pytest.mark.parametrize(
    "text",
    ["trsw", "trws(", "trws + ", "trws(iterations)", "trws(iterations = many)", "trws(depth = 3)",
     "trws(iterations = -1)", "trws - icm", ""],
)  # fmt: skip
def test_what_is_no_inference_is_refused(text: str) -> None:
    with pytest.raises(fg.UsageError) as caught:
        steps(text)
    assert caught.value.code == "E0910"


def test_every_option_has_a_default_within_its_own_bounds() -> None:
    for name, entry in MENU.items():
        assert set(step(name).options) == {*entry.options, "seconds"}


class Endless(Step):
    """Offers ever better answers, and stops when it is told to."""

    def run(self, problem: Problem, watch: Watch) -> Outcome:
        k = 0
        while not watch.over:
            watch.offer(100.0 / (k + 1), np.zeros(1, np.int32), -1.0, k)
            k += 1
        status = judged(watch.energy, watch.bound, watch.over)
        return Outcome("endless", watch.states, watch.energy, watch.bound, status, k)


def test_time_and_interrupts_end_inference_with_the_best_so_far() -> None:
    graph = loop(0)
    structure, values = graph.structure, np.ascontiguousarray(graph.values[0])
    problem = Problem(structure, values, np.full(structure.variables, -1, np.int32))
    endless = Endless("trws", step("trws").options)
    found = infer(problem, [endless], Watch(0.05))
    assert found.energy < 100 and found.status.startswith("gap")
    assert found.status.endswith(", stopped: 0.05 s are over")
    short = Endless("trws", step("trws", {"seconds": 0.02}).options)
    watch = Watch(30.0)
    found = infer(problem, [short], watch)
    assert found.status.endswith(", stopped: 0.02 s are over") and not watch.over
    watch = Watch(None, lambda point, k: setattr(watch, "interrupted", k >= 3))
    found = infer(problem, [endless, endless], watch)
    assert found.iterations == 4  # the second step is not begun
    assert found.energy == 25.0


def test_statuses() -> None:
    assert judged(1.0, 1.0, "") == "optimal"
    assert judged(np.inf, np.inf, "") == "infeasible"
    assert judged(101.0, 100.0, "") == "gap 0.99 %"
    assert judged(0.0, -3.0, "") == "gap 3"  # no share of nothing
    assert judged(5.0, -np.inf, "not converged") == "not converged"


def test_marginals_of_a_text_that_asks_for_a_minimum_are_exact() -> None:
    model = fg.compile(GRID)
    data = [{"x": [[0.0, 1.0], [2.0, 1.0]]}]
    (found,) = model.init().marginals(data)
    (exact,) = model.init().marginals(data, infer="exact")
    np.testing.assert_array_equal(found["y"], exact["y"])


def test_a_structure_without_instances() -> None:
    g = fg.FactorGraph()
    structure = g.build().structure
    assert len(list(outcomes(structure, np.zeros(0), None, "map", Ask()))) == 1


def test_from_the_command_line(tmp_path: Path, fgc: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "grid.fg").write_text(GRID)
    (tmp_path / "data.jsonl").write_text(json.dumps({"x": [[0, 1.2, 2], [0.4, 1, 2.2]]}) + "\n")
    command = ["infer", str(tmp_path / "grid.fg"), str(tmp_path / "data.jsonl")]
    code, said, _ = fgc(*command)
    found = json.loads(said)
    assert code == 0 and found["algorithm"] == "trws" and found["status"] == "optimal"
    assert found["trace"] and found["bound"] == pytest.approx(found["energy"])
    exact = json.loads(fgc(*command, "--infer", "exact")[1])
    assert exact["energy"] == pytest.approx(found["energy"])
    assert "algorithm" not in exact
    for wrong in (["--infer", "trsw"], ["--budget-time", "0"], ["--infer", "trws", "--marginals"]):
        code, _, error = fgc(*command, *wrong)
        assert code == 2 and "error E0" in error


def test_the_page_names_every_algorithm_and_option() -> None:
    page = (Path(__file__).parent.parent / "docs" / "inference.md").read_text().splitlines()
    rows = {line.split("|")[1]: line for line in page if line.startswith("| `")}
    for name, entry in MENU.items():
        (row,) = (line for cell, line in rows.items() if f"`{name}`" in cell)
        for option in set(entry.options) - {"seconds"}:
            assert f"`{option}`" in row or "the same" in row, (name, option)


def drowned(constant: float, each: float) -> NamedGraph:
    """Return eight variables with whole energies of all pairs, and much that does not vary."""
    random, g = np.random.default_rng(1), fg.FactorGraph()
    v = g.variables("v", 8, 3)
    for a, b in itertools.combinations(v, 2):
        g.factor([a, b], random.integers(0, 10, (3, 3)) + each)
    g.factor([], constant)
    return g.build()


@pytest.mark.parametrize("name", ["trws + icm", "mplp + icm", "ad3", "bps + icm", "branch"])
@pytest.mark.parametrize(("constant", "each"), [(1e10, 0.0), (1e13, 0.0), (0.0, 1e11)])
def test_no_constant_makes_a_gap_look_like_rounding(
    name: str, constant: float, each: float
) -> None:
    truth = least(drowned(0.0, 0.0))
    whole = constant + 28 * each
    heard: list[float] = []
    found = fg.infer(
        drowned(constant, each), "map", name, hear=lambda point, _: heard.append(point.energy)
    )
    assert found.bound - whole <= truth <= found.energy - whole <= truth + 10
    assert (found.status == "optimal") == (name == "branch")
    assert min(heard) >= found.energy and found.trace[-1].energy == found.energy
    if name == "branch":
        assert found.energy == truth + whole


def test_whole_energies_that_differ_by_one_are_not_equal() -> None:
    assert judged(1e10, 1e10 - 1, "") != "optimal"
    assert judged(1e10, 1e10 - 0.5, "") == "optimal"


@pytest.mark.parametrize("tables", [[1e308, 1e308], [1e308, -1e308]])
def test_sums_out_of_range_are_refused(tables: list[float]) -> None:
    g = fg.FactorGraph()
    v = g.variable("v", 2)
    for _ in range(2):
        g.factor([v], tables)
    with pytest.raises(fg.UsageError, match="out of the range") as caught:
        g.build()
    assert caught.value.code == "E0701"


@pytest.mark.parametrize("text", ["minsum(iterations=inf)", "exact(cutset=inf)", "trbp(trees=inf)"])
def test_no_whole_number_is_infinite(text: str) -> None:
    with pytest.raises(fg.UsageError, match="is a whole number"):
        steps(text)
    with pytest.raises(fg.UsageError, match="is a whole number"):
        fg.decode([[1, 1]], [1.0, 2.0], infer="minsum(iterations=inf)")


@pytest.mark.parametrize(
    "asked",
    [
        {"seconds": -1}, {"seconds": float("nan")}, {"seconds": "1"}, {"threads": 0},
        {"beta": float("nan")}, {"beta": "1"}, {"seed": -1}, {"algorithm": 3},
        {"algorithm": "trws(iterations=5, iterations=6)"},
    ],
)  # fmt: skip
def test_arguments_that_cannot_be_meant_are_refused(asked: dict[str, object]) -> None:
    with pytest.raises(fg.UsageError) as caught:
        fg.infer(loop(0), **asked)  # type: ignore[arg-type]
    assert caught.value.code == "E0910"


def test_numbers_of_answers_are_whole() -> None:
    for k in (0, 1.5, float("nan"), "2"):
        with pytest.raises(fg.UsageError):
            fg.k_best(loop(0), k)  # type: ignore[arg-type]
    for n, seed in ((-1, 0), (1, -1), (1.5, 0)):
        with pytest.raises(fg.UsageError):
            fg.sample(loop(0), n, seed)  # type: ignore[arg-type]


def test_forests_are_drawn_within_time_and_memory() -> None:
    graph = loop(0)
    fg.infer(graph, "partition", "trbp")
    found = fg.infer(graph, "partition", "trbp(trees = 10000000)", seconds=1.0)
    assert found.seconds < 10 and found.log_partition_is == "upper bound"
    assert found.log_partition >= fg.log_partition(graph) - 1e-9
    with pytest.raises(fg.BudgetError):
        fg.infer(graph, "partition", "trbp(trees = 1e15)")


def test_what_takes_too_long_to_plan_is_not_planned() -> None:
    graph = loop(0, 2000)
    assert fg.infer(graph, seconds=60.0).reason.startswith("exact")
    with pytest.raises(fg.InferenceError, match="to find"):
        choose(graph.structure, 1e-3)
