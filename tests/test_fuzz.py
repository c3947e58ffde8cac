"""Hostile programs and data in small numbers, and the least cases of what they once broke.

The recorded run with many more is `benchmarks/fuzz.py`.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fuzz import damage, datafile, guard, mutate, program, runner

import factorgraph as fg
from factorgraph import budget
from factorgraph.data.mock import mock
from factorgraph.errors import BudgetError, FgError

PROGRAMS = 150
FILES = 400


@pytest.fixture(autouse=True)
def small_limits() -> Iterator[None]:
    budget.set_limit(guard.BUDGET)
    budget.set_rows(guard.ROWS)
    yield
    budget.set_limit(None)
    budget.set_rows(None)


def told(report: program.Report) -> list[str]:
    return [f"{step}: {error!r}" for step, error in report.crashes]


def test_programs() -> None:
    outcomes = set()
    for seed in range(PROGRAMS):
        origin, text = program.program(seed)
        report = program.Report(origin)
        program.run(text, report, seed)
        assert not told(report), f"python benchmarks/fuzz.py --show programs {seed}"
        outcomes.add(report.outcome)
    assert {"not of the language", "has energies"} <= outcomes  # some fail early, some never


def test_files(tmp_path: Path) -> None:
    outcomes = set()
    for seed in range(FILES):
        report = datafile.drive(seed, tmp_path)
        assert not told(report), f"python benchmarks/fuzz.py --show files {seed}"
        outcomes.add(report.outcome.split(":")[0])
    assert {"read", "bind", "has energies"} <= outcomes


@pytest.mark.parametrize("way", range(len(mutate.NESTS)))
def test_nested(way: int) -> None:
    text = "size n\ngiven x[n] : real\nanswer y[n] : 0..3\nparam w\n" + mutate.NESTS[way](99)
    report = program.Report("nested")
    program.run(text, report)
    assert not told(report)


def test_the_same_number_is_the_same_case() -> None:
    assert [program.program(s) for s in range(30)] == [program.program(s) for s in range(30)]


def test_a_process_that_dies_or_crashes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness sees what it is there for: held against a child that misbehaves on purpose."""
    monkeypatch.setenv("FGC_FUZZ_SABOTAGE", "1")
    found = dict[str, Any]()
    spans: list[Any] = []
    for kind, result in runner.run([("programs", 0, 6)], processes=1):
        if kind == "done":
            spans.append(result)
        else:
            found[result["seed"]] = result
    assert spans == [("programs", 0, 6)] and sorted(found) == [*range(6)]
    assert {s: {c[1] for c in r["crashes"]} for s, r in found.items() if r["crashes"]} == {
        0: {"ZeroDivisionError"},
        1: {"Touched"},
        2: {"TooLarge"},
        3: {"exit 9"},
        4: {"TooSlow"},
    }


# -- what was found, as small as it gets

REFUSED = [
    ("answer y : bit\nlet f = hash(inf^20, \"a\")\nfactor g = y", "E0117"),
    ("domain F\nsize n\ngiven x[n] : text\nanswer y : bit\n"
     "let f[t in n] = features(F, x[t], min = inf)\nfactor g = y", "E0117"),
    ("domain D\nsize k = 3\ngiven x[k] : (a: D)\nanswer y : bit\nlet l[v in x, i in k] = i\n"
     "factor h[u in k] = l[\"A\", u] * y", "E0105"),
    ("use \"a\udfff.fg\"", "E0009"),
    ("domain D = 0..3\nsize n\ngiven y[2] : (a: D, b: n)\nanswer y : D\nfactor f = 1\n"
     "fun cost(Y) = (Y.y != answer.y)\nloss ramp(cost = cost)", "E0101"),
    ("size n\nanswer y[n] : inf..n-1\nfactor f = y[0]", "E0117"),
    ("size n\nanswer y[n] : 0.5..n-1\nfactor f = y[0]", "E0106"),
    ("answer y : bit\nparam w = normal(-inf, 1)\nfactor g = w * y", "E0117"),
    ("answer y : bit\nparam w = normal(0, 1e308)\nfactor g = w * y", "E0117"),
    ("answer y : bit\n" + "".join(
        f"loss l{k} = {f'l{k - 1} + l{k - 1}' if k else 'E(answer)'}\n" for k in range(45)
    ) + "factor f = y\nloss l44", "E0004"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code"), REFUSED)
def test_refused(text: str, code: str) -> None:
    with pytest.raises(FgError) as caught:
        fg.compile(text)
    assert code in [error.code for error in caught.value.all]


OVER = [
    "size k = 100000\nanswer y : bit\nparam w\nfactor f[i in k, j in k, l in k] = w * y",
    "answer y : bit\nfactor f = sum(sum(y for i in 0..99999) for j in 0..99999)",
    "answer y : bit\nfactor f[" + ", ".join(f"i{k} in 0..9" for k in range(40)) + "] = y",
    "answer y[2000000000] : bit\nfactor f = y[0]",
    "size n\ngiven e[9000000] : (a: n, b: n)\nanswer y : bit\nfactor f = y",
    "answer y : bit\nparam w[30000, 30000]\nfactor f = w[0, 0] * y",
    "answer y : bit\nparam w[4000, 4000], v[4000, 4000]\nfactor f = w[0, 0] * v[0, 0] * y",
]


@pytest.mark.parametrize("text", OVER)
def test_over_the_budget(text: str) -> None:
    """Work and memory that the text alone tells are refused before they are taken."""
    model = fg.compile(text)
    with pytest.raises(BudgetError, match=r"would (take|be worked out)") as caught:
        model.init(0).energies(mock(model.checked, 2, 0))
    assert caught.value.code == "E0900"


FINE = [
    # a deviation of minus zero
    "answer y : bit\nparam w = normal(1, -0.0)\nfactor f = w * y",
    # a hard factor over more states than a list can hold
    "size k = 2147483647\nanswer y : k\nhard h : y == 0",
    # ends of a path far from each other
    "size m\ngiven a[m] : (s: int, t: int)\nanswer p : path(a, 4611686018427387904, -2)\n"
    "factor f[e in p] = e",
    # a sum beyond 64 bits
    "answer y : bit\nfactor f = sum(4611686018427387904 for i in 0..3) * y",
    # a hard factor with a loop that takes ages
    "answer y : bit\nhard h : y == 0 or sum(sum(1 for i in 0..2999) for j in 0..2999) > 0",
    # twenty loops within each other
    "param w[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]\nanswer y : bit\n"
    "factor f = norm(w) * y",
    # unknowns whose ends overflow when they are subtracted
    "answer y : real(-1e308, 1e308)\nfactor f = y^2",
]


@pytest.mark.parametrize("text", FINE)
def test_fine(text: str) -> None:
    report = program.Report("")
    program.run(text, report)
    assert not told(report)
    assert report.outcome.startswith(("has energies", "checks, "))


def test_a_map_whose_output_overflows() -> None:
    model = fg.compile("given x[2] : real\nanswer y : bit\nmap net = mlp(2, 3, 1)\n"
                       "factor f = -net(x)[0] * y")  # fmt: skip
    run = model.init(0)
    for value in run.weights.values():
        value[...] = 1e308
    with pytest.raises(FgError) as caught:
        run.energies([{"x": [1e308, 1e308], "y": 1}])
    assert caught.value.code == "E0703"


def test_an_unread_unknown_whose_values_depend_on_the_instance() -> None:
    run = fg.compile("size n\ngiven x[n] : real\nanswer y : n\nanswer z : bit\n"
                     "factor f = sum(x) * z").init()  # fmt: skip
    data = [{"x": [-1.0, -2.0]}, {"x": [1.0]}]
    assert [found["answers"] for found in run.predict(data)] == [{"y": 0, "z": 1}, {"y": 0, "z": 0}]
    assert [found["y"].shape for found in run.marginals(data)] == [(2,), (1,)]
    assert run.values == {"z": [0, 1]}


def test_rows_of_different_length_that_all_instances_share() -> None:
    run = fg.compile("size n, c[n]\ngiven g[n, c] : real\nanswer y : 0..1\n"
                     "factor f = y * sum(g[t, i] for t in n for i in c[t])").init()  # fmt: skip
    shared = {"g": np.array([1.0, 2.0, 4.0]), "g.lengths": np.array([2, 0, 1])}
    data = {"y": np.array([0, 1])}
    assert run.energy(data, with_=shared).tolist() == [0, 7]


def test_lengths_of_rows_that_are_single_numbers() -> None:
    run = fg.compile("size n, c[n]\ngiven g[n, c] : real\nanswer y : bit\n"
                     "factor f = y * sum(g[t, i] for t in n for i in c[t])").init()  # fmt: skip
    with pytest.raises(FgError) as caught:
        run.energy({"g": np.ones((2, 3)), "g.lengths": np.array([3, 3]), "y": [0, 1]})
    assert caught.value.code == "E0305"


def test_energies_of_a_run_that_are_no_texts(tmp_path: Path) -> None:
    run = fg.compile("answer y : bit\nfactor f = y").init()
    run.save(tmp_path / "run")
    header = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps(header | {"energies": "q"}))
    with pytest.raises(FgError, match="field `energies` is damaged") as caught:
        fg.load_run(tmp_path / "run")
    assert caught.value.code == "E0803"


def test_a_constant_that_is_no_number() -> None:
    with pytest.raises(FgError, match="--set c: nan is no number"):
        fg.compile("let c = 1\nanswer y : bit\nfactor f = c * y", settings={"c": math.nan})


def test_no_instances() -> None:
    model = fg.compile("latent z : bit\nfactor f = z")
    parts = model.init(0).energies({"other": np.zeros(2)})
    assert all(math.isfinite(v) for v in parts["f"])


def test_damage_is_by_number() -> None:
    from random import Random

    data = [{"x": [1.0, 2.0], "y": [0, 1]}, {"x": [0.5], "y": [1]}]
    kept = [dict(d) for d in data]
    for seed in range(50):
        once = repr(damage.values(Random(seed), data))
        assert once == repr(damage.values(Random(seed), data))
    assert data == kept
