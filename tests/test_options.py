"""Options of the commands that change which data are read, and how."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import factorgraph as fg

Answer = tuple[int, str, str]
Call = Callable[..., Answer]

CHAIN = """
size   n
given  x[n] : real
answer y[n] : bit
answer z    : 0..2
param  W ~ l2(0.1)
factor see[t in n]       = -W * x[t] * y[t]
factor move[t in 1..n-1] = 0.5 * (y[t-1] != y[t])
factor both              = 0.3 * (y[0] != (z > 0))
hard   never[t in n]     : y[t] == 0 or x[t] > -5
loss   nll
"""


@pytest.fixture
def fgc(fgc: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call the command in a folder with the model `chain.fg`; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    Path("chain.fg").write_text(CHAIN)
    return fgc


def write(name: str, *items: dict[str, object]) -> None:
    Path(name).write_text("".join(json.dumps(item) + "\n" for item in items))


GOOD = [{"x": [1.0, -2.0], "y": [1, 0], "z": 1}, {"x": [-1, 3], "y": [0, 1], "z": 0}]
BAD = {"x": [-9.0, 1.0], "y": [1, 1], "z": 2}


# -- clamp


def energies_of(instance: dict[str, object], y: list[int], z: int) -> float:
    run = fg.compile(CHAIN).init()
    run.weights["W"][...] = 1.0
    return float(run.energy([{"x": instance["x"], "y": y, "z": z}])[0])


def test_clamped_unknowns_stay_and_the_rest_is_the_best(fgc: Call) -> None:
    run = fg.compile(CHAIN).init()
    run.weights["W"][...] = 1.0
    data = [{"x": [1.0, -2.0], "y": [0, None]}, {"x": [-1.0, 3.0], "y": [None, 0]}]
    for item, found in zip(data, run.predict(data, clamp=["y"]), strict=True):
        rows = [[a, b] for a in (0, 1) for b in (0, 1)
                if all(k is None or k == v for k, v in zip(item["y"], (a, b)))]  # fmt: skip
        least = min(energies_of(item, y, z) for y in rows for z in range(3))
        assert found["energy"] == pytest.approx(least, abs=1e-12)
        assert energies_of(item, found["answers"]["y"], found["answers"]["z"]) == pytest.approx(
            least
        )
        assert all(k is None or k == v for k, v in zip(item["y"], found["answers"]["y"]))
    free = list(run.predict(data))
    assert [f["answers"]["y"] for f in free] == [[1, 0], [0, 1]]


def test_marginals_of_clamped_unknowns_are_certain() -> None:
    run = fg.compile(CHAIN).init()
    run.weights["W"][...] = 1.0
    (found,) = run.marginals([{"x": [1.0, -2.0], "y": [0, None]}], clamp=["y"])
    np.testing.assert_allclose(found["y"][0], [1, 0], atol=1e-12)
    weights = {
        (b, z): np.exp(-energies_of({"x": [1.0, -2.0]}, [0, b], z))
        for b in (0, 1)
        for z in range(3)
    }
    total = sum(weights.values())
    np.testing.assert_allclose(found["y"][1], [sum(w for (b, _), w in weights.items() if b == k)
                                               / total for k in (0, 1)], rtol=1e-9)  # fmt: skip
    np.testing.assert_allclose(found["z"], [sum(w for (_, z), w in weights.items() if z == k)
                                            / total for k in range(3)], rtol=1e-9)  # fmt: skip


def test_clamp_on_the_command_line(fgc: Call) -> None:
    write("data.jsonl", *GOOD)
    assert fgc("train", "chain.fg", "data.jsonl", "-o", "run", "-q")[0] == 0
    write("some.jsonl", {"x": [1.0, -2.0], "z": 2, "y": [0, 0]})
    code, out, _ = fgc("infer", "chain.fg", "some.jsonl", "-w", "run", "--clamp", "z")
    assert code == 0 and json.loads(out)["answers"]["z"] == 2
    both = ["--clamp", "z", "--clamp", "y"]
    code, out, _ = fgc("infer", "chain.fg", "some.jsonl", "-w", "run", *both)
    assert json.loads(out)["answers"] == {"y": [0, 0], "z": 2}
    code, _, err = fgc("infer", "chain.fg", "some.jsonl", "-w", "run", "--clamp", "zz")
    assert code == 2 and "E0912" in err and "did you mean `z`?" in err
    write("none.jsonl", {"x": [1.0, -2.0]})
    code, _, err = fgc("infer", "chain.fg", "none.jsonl", "-w", "run", "--clamp", "z")
    assert code == 2 and "E0301" in err and "no field `z` to be clamped" in err


def test_a_clamped_value_that_is_forbidden(fgc: Call) -> None:
    run = fg.compile(CHAIN).init()
    (found,) = run.predict([{"x": [-9.0], "y": [1]}], clamp=["y"])
    assert found["status"] == "infeasible" and found["answers"] is None


# -- answers that hard factors forbid


def test_forbidden_answers_are_left_out_and_counted(fgc: Call) -> None:
    write("data.jsonl", GOOD[0], BAD, GOOD[1])
    code, _, err = fgc("train", "chain.fg", "data.jsonl", "-o", "run", "-q")
    assert code == 2 and "data.jsonl:2" in err and "`never` forbids it" in err
    assert "--skip-infeasible" in err and not Path("run").exists()
    code, _, err = fgc("train", "chain.fg", "data.jsonl", "-o", "run", "-q", "--skip-infeasible")
    assert code == 0
    assert "left out 1 of 3 instances with answers that hard factors forbid" in err
    events = [json.loads(line) for line in Path("run/log.jsonl").read_text().splitlines()]
    assert {"event": "skipped", "skipped": 1, "instances": 3} in events
    same = fg.compile(CHAIN).fit(GOOD)
    np.testing.assert_array_equal(fg.load_run("run").weights["W"], same.weights["W"])


def test_all_answers_are_forbidden(fgc: Call) -> None:
    write("data.jsonl", BAD, BAD)
    code, _, err = fgc("train", "chain.fg", "data.jsonl", "-o", "run", "--skip-infeasible")
    assert code == 2 and "E0318" in err and "hard factors forbid every answer" in err


def test_nothing_is_said_where_nothing_is_left_out(fgc: Call) -> None:
    write("data.jsonl", *GOOD)
    code, _, err = fgc("train", "chain.fg", "data.jsonl", "-o", "run", "-q", "--skip-infeasible")
    assert code == 0 and not err


# -- grey values

PICTURE = """
size   n
given  p[n]  : bit
given  r[n]  : real
given  e[n]  : (on: bit, to: n)
answer y     : bit
factor f[i in n] = p[i] * y + 0 * r[i] + e[i].on
"""


def test_grey_values_become_bits(fgc: Call) -> None:
    Path("p.fg").write_text(PICTURE)
    item = {"p": [0.2, 0.5, 0.7], "r": [0.2, 0.5, 0.7], "y": 1,
            "e": [{"on": 0.9, "to": 0}, {"on": 0.1, "to": 1}, {"on": 1, "to": 2}]}  # fmt: skip
    write("p.jsonl", item)
    code, _, err = fgc("info", "p.fg", "p.jsonl")
    assert code == 2 and "E0308" in err and "--binarize" in err
    code, out, _ = fgc("info", "p.fg", "p.jsonl", "--binarize", "0.5", "--json")
    assert code == 0 and json.loads(out)["energies"]["f"] == [3.0]
    code, out, _ = fgc("info", "p.fg", "p.jsonl", "--binarize", "0.1", "--json")
    assert json.loads(out)["energies"]["f"] == [5.0]
    write("nan.jsonl", item | {"p": ["a", "b", "c"]})
    assert fgc("info", "p.fg", "nan.jsonl", "--binarize", "0.5")[0] == 2
    assert fgc("info", "p.fg", "p.jsonl", "--binarize", "nan")[0] == 2


def test_grey_cells_of_tables_become_bits(fgc: Call) -> None:
    Path("t.fg").write_text(
        "size p = 2\ngiven x[p] : bit\nanswer y : bit\nfactor f = x[0] - 2 * x[1] * y\n"
    )
    Path("t.csv").write_text("x[0],x[1],y\n200,12,0.9\n3,129,\n")
    code, out, err = fgc("infer", "t.fg", "t.csv", "--binarize", "127")
    assert code == 0, err
    found = [json.loads(line) for line in out.splitlines()]
    assert [f["energy"] for f in found] == [1.0, -2.0]
    code, _, err = fgc("infer", "t.fg", "t.csv")
    assert code == 2 and "E0308" in err
