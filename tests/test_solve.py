"""``fgc solve`` against enumeration, and the files that it writes."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.interop.formats import read

Call = Callable[..., tuple[int, str, str]]
HERE = Path(__file__).parent / "exchange"
SHARED = Path(__file__).parents[2] / "shared" / "data"


def _slow() -> Any:
    path = Path(__file__).with_name("slow_exchange.py")
    spec = importlib.util.spec_from_file_location("slow_exchange", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


slow = _slow()


def weighed(path: Path, evidence: dict[int, int]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Return all configurations with the evidence, and their probabilities times Z."""
    cards, energy = slow.uai(path)
    free = [[evidence[v]] if v in evidence else range(k) for v, k in enumerate(cards)]
    rows = np.array(list(itertools.product(*free)))
    return rows, np.array([math.exp(-energy(row.tolist())) for row in rows]), cards


def test_map_marginals_and_partition_with_evidence(fgc: Call, tmp_path: Path) -> None:
    file, evid = HERE / "rain.uai", HERE / "rain.uai.evid"
    rows, weight, cards = weighed(file, {0: 1, 3: 0})
    out = tmp_path / "out"
    for task in ("MAP", "MAR", "PR"):
        code, _, err = fgc("solve", str(file), "--evid", str(evid), "--task", task, "-o", str(out))
        assert (code, err) == (0, "")
        header, *lines = out.read_text().splitlines()
        assert header == task and len(lines) == 1
        words = lines[0].split()
        if task == "MAP":
            assert words == ["4", *map(str, rows[weight.argmax()])]
        elif task == "PR":
            assert float(words[0]) == pytest.approx(math.log10(weight.sum()), abs=1e-9)
        else:
            told = iter(words[1:])
            for v, card in enumerate(cards):
                assert int(next(told)) == card
                for state in range(card):
                    share = weight[rows[:, v] == state].sum() / weight.sum()
                    assert float(next(told)) == pytest.approx(share, abs=1e-9)
            assert next(told, None) is None


def test_json_tells_energy_bound_and_status(fgc: Call, tmp_path: Path) -> None:
    file = str(HERE / "rain.uai")
    rows, weight, _ = weighed(HERE / "rain.uai", {})
    code, out, err = fgc("solve", file, "--json")
    told = json.loads(out)
    assert (code, err, told["task"], told["status"]) == (0, "", "MAP", "optimal")
    assert told["states"] == rows[weight.argmax()].tolist()
    assert told["energy"] == told["bound"] == pytest.approx(-math.log(weight.max()))
    assert told["log10"] == pytest.approx(math.log10(weight.max())) and told["gap"] == 0.0
    assert told["seconds"] >= 0 and told["reason"].startswith("exact") and told["trace"]
    code, out, _ = fgc("solve", file, "--task", "mar", "--json", "-o", str(tmp_path / "m"))
    told = json.loads(out)
    assert "marginals" not in told and told["log10"] == pytest.approx(0.0, abs=1e-12)
    assert (tmp_path / "m").read_text().startswith("MAR\n4 2 0.2 0.8 ")
    code, out, _ = fgc("solve", file, "--task", "PR", "--beta", "2", "--json")
    assert json.loads(out)["log10"] == pytest.approx(math.log10((weight**2).sum()))
    assert json.loads(out)["energy"] == pytest.approx(-math.log((weight**2).sum()) / 2)
    code, out, _ = fgc("solve", file, "--task", "PR", "--beta", "2")
    assert float(out.split()[1]) == pytest.approx(math.log10((weight**2).sum()))


def test_costs_have_names_and_bounds(fgc: Call, tmp_path: Path) -> None:
    code, out, _ = fgc("solve", str(HERE / "gain.cfn"), "--json")
    told = json.loads(out)
    # the greatest sums: f(1, mid) - 0.5 = 2.75 and f(1, high) + 1 = 3
    assert code == 0 and told["cost"] == 3.0 and told["energy"] == -3.0
    assert told["values"] == [1, "high"] and told["names"] == ["a", "b"]
    tight = (HERE / "gain.cfn").read_text().replace(">-1.0", ">3.0")
    (tmp_path / "tight.cfn").write_text(tight)
    code, out, err = fgc("solve", str(tmp_path / "tight.cfn"))
    assert (code, out) == (0, "MAP\ninfeasible\n")
    assert err.startswith("infeasible")


def test_infeasible_is_an_answer(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "no.uai").write_text("MARKOV\n2\n2 2\n2\n1 0\n2 0 1\n2 0 1\n4 1 1 0 0\n")
    for task, line in (("MAP", "infeasible"), ("MAR", "infeasible"), ("PR", "-inf")):
        code, out, err = fgc("solve", str(tmp_path / "no.uai"), "--task", task)
        assert (code, out) == (0, f"{task}\n{line}\n")
        assert err.startswith("infeasible")
        code, out, _ = fgc("solve", str(tmp_path / "no.uai"), "--task", task, "--json")
        told = json.loads(out)
        assert told["status"] == "infeasible" and told["energy"] is None
    (tmp_path / "zero.uai").write_text("MARKOV\n1\n2\n1\n0\n1 0\n")
    code, out, err = fgc("solve", str(tmp_path / "zero.uai"))
    assert (code, out) == (0, "MAP\ninfeasible\n") and "a constant factor is 0" in err


def test_a_code_hears_ratios_and_bits(fgc: Call, tmp_path: Path) -> None:
    file = str(HERE / "hamming.alist")
    code, out, _ = fgc("solve", file, "--task", "PR", "--json")
    assert json.loads(out)["log10"] == pytest.approx(math.log10(2**4))  # 2^4 code words
    words = [w for w in itertools.product((0, 1), repeat=7) if slow.alist(Path(file))[1](w) == 0]
    assert len(words) == 16
    rng = np.random.default_rng(3)
    ratios = rng.normal(0.5, 2.0, (3, 7))
    (tmp_path / "llr").write_text("\n".join(" ".join(f"{x:.17g}" for x in row) for row in ratios))
    code, out, _ = fgc("solve", file, "--llr", str(tmp_path / "llr"), "--json")
    frames = json.loads(out)["frames"]
    assert len(frames) == 3
    for row, told in zip(ratios, frames, strict=True):
        costs = [float(row @ np.array(word)) for word in words]
        assert told["energy"] == pytest.approx(min(costs))
        assert tuple(told["states"]) == words[int(np.argmin(costs))]
    asked = ("--infer", "minsum(scale = 0.75, schedule = layered)", "--json")
    code, out, _ = fgc("solve", file, "--llr", str(tmp_path / "llr"), *asked)
    decoded = json.loads(out)["frames"]
    assert [told["algorithm"] for told in decoded] == ["minsum"] * 3
    for told, best in zip(decoded, frames, strict=True):
        if told["energy"] is not None:
            assert tuple(told["states"]) in words and told["energy"] >= best["energy"] - 1e-9
        assert told["bound"] <= best["energy"] + 1e-9
    code, out, _ = fgc("solve", file, "--bsc", "0.1", stdin=b"1 0 0 0 0 0 0\n1110010\n")
    assert code == 0
    assert out == "MAP\n7 0 0 0 0 0 0 0\n7 1 1 1 0 0 0 0\n"
    (tmp_path / "word").write_text("1110010")
    told = fgc("solve", file, "--bsc", "0.1", "--word", str(tmp_path / "word"), "--json")[1]
    received = np.array([1, 1, 1, 0, 0, 1, 0])
    found = np.array(json.loads(told)["states"])
    flips = int((received != found).sum())
    total = flips * math.log(0.1) + (7 - flips) * math.log(0.9)
    ones = received.sum() * math.log(0.1) + (7 - received.sum()) * math.log(0.9)
    # energies are relative to the word of zeros
    assert json.loads(told)["energy"] == pytest.approx(-(total - ones))


def test_bits_that_are_not_sent_cost_nothing(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "llr").write_text(" ".join(["-1.5"] * 8))
    code, out, _ = fgc("solve", str(HERE / "ring.qc"), "--llr", str(tmp_path / "llr"), "--json")
    told = json.loads(out)
    assert code == 0 and len(told["states"]) == 12
    assert told["energy"] == pytest.approx(-1.5 * sum(told["states"][:8])) == -12.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rain.uai", "--llr", "rain.uai"], "rain.uai is no parity-check matrix"),
        (["hamming.alist", "--bsc", "0", "--word", "bits"], "above 0 and below 1"),
        (["hamming.alist", "--bsc", "0.1", "--word", "six"], "six holds 6 bits, which is no"),
        (["hamming.alist", "--bsc", "0.1", "--word", "two"], "two:2: a received bit is 0 or 1"),
        (["hamming.alist", "--word", "bits"], "--word is for --bsc"),
        (["hamming.alist", "--llr", "a", "--bsc", "0.1"], "do not go together"),
        (["hamming.alist", "--llr", "nan"], "nan:1: a log-likelihood ratio is a number, not"),
        (["-", "--evid", "-"], "only one input comes from stdin"),
        (["rain.uai", "--infer", "magic"], "no inference `magic`"),
        (["rain.uai", "--beta", "0"], "--beta is a positive number"),
        (["rain.uai", "--format", "xml"], "no format `xml`"),
        (["rain.uai", "-o", "rain.uai"], "is read and cannot be written"),
        (["none.uai"], "cannot be read: No such file"),
    ],
)
def test_mistakes(
    fgc: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    for path in HERE.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    files = {"bits": "1110010", "six": "101010", "two": "101\n0120", "nan": "1 nan", "a": "1"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    code, out, err = fgc("solve", *arguments)
    assert code == 2 and out == ""
    assert message in err


def test_a_graph_from_stdin(fgc: Call) -> None:
    data = (HERE / "labels.fg").read_bytes()
    _, out, _ = fgc("solve", "-", "--task", "PR", "--json", stdin=data)
    found = read(HERE / "labels.fg")
    rows = itertools.product(*map(range, found.structure.card))
    total = sum(math.exp(-found.energy(np.array(row))) for row in rows)
    assert json.loads(out)["log10"] == pytest.approx(math.log10(total))


@pytest.mark.skipif(not SHARED.exists(), reason="the instances are not here")
def test_published_log_partition_of_testfast(fgc: Call) -> None:
    file = SHARED / "libdai" / "testfast.fg"
    code, out, _ = fgc("solve", str(file), "--task", "PR", "--json")
    assert code == 0
    assert json.loads(out)["log10"] * math.log(10) == pytest.approx(14.328233281, abs=1e-8)


def test_a_trace_is_drawn(fgc: Call, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    trace = [[0.1, None, 1.0], [0.4, 9.5, 2.0], [0.5, 8.0, 7.5]]
    result = {"task": "MAP", "status": "gap 6.67 %", "trace": trace}
    (tmp_path / "r.json").write_text(json.dumps(result))
    code, out, err = fgc("plot", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.svg"))
    assert (code, err) == (0, "") and "r.svg" in out
    drawn = (tmp_path / "r.svg").read_text()
    for text in ("energy: 8", "bound: 7.5", "r.json: gap 6.67 %", "seconds"):
        assert text in drawn
    lines = [json.dumps({"trace": []}), json.dumps(result)]
    (tmp_path / "r.jsonl").write_text("\n".join(lines))
    (tmp_path / "frames.json").write_text(json.dumps({"frames": [{}, result]}, indent=1))
    for name in ("r.jsonl", "frames.json"):
        arguments = ["plot", str(tmp_path / name), "--instance", "1", "-o", str(tmp_path / "s.svg")]
        assert fgc(*arguments)[0] == 0
        assert "bound: 7.5" in (tmp_path / "s.svg").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "holds no trace"),
        ('{"trace": [[1, 2]]}', "point 0 of the trace is no triple"),
        ('{"trace": [[null, 2, 3]]}', "point 0 of the trace is no triple"),
        ('{"trace": [[1, null, null]]}', "neither energies nor bounds"),
        ("[1]", "a result is an object"),
        ("hello", "is no JSON of a result"),
        ("", "has no result 0"),
        ("[" * 200_000, "is no JSON of a result"),
    ],
)
def test_what_is_no_trace(fgc: Call, tmp_path: Path, text: str, message: str) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "r.json").write_text(text)
    code, _, err = fgc("plot", str(tmp_path / "r.json"), "-o", str(tmp_path / "r.svg"))
    assert code == 2 and message in err and "E0376" in err
    assert not (tmp_path / "r.svg").exists()


def test_a_time_budget_gives_the_best_so_far(fgc: Call, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    pairs = [
        (i * 6 + j, k)
        for i in range(6)
        for j in range(6)
        for k in ([i * 6 + j + 1] if j < 5 else []) + ([i * 6 + j + 6] if i < 5 else [])
    ]
    scopes = "\n".join(f"2 {a} {b}" for a, b in pairs)
    tables = "\n".join("9 " + " ".join(f"{p:.6f}" for p in rng.random(9)) for _ in pairs)
    (tmp_path / "g.uai").write_text(f"MARKOV\n36\n{'3 ' * 36}\n{len(pairs)}\n{scopes}\n{tables}\n")
    file = str(tmp_path / "g.uai")
    code, out, _ = fgc("solve", file, "--infer", "trws + icm", "--budget-time", "30", "--json")
    told = json.loads(out)
    assert code == 0 and told["reason"].startswith("asked for") and told["trace"]
    found = read(tmp_path / "g.uai")
    assert told["energy"] == pytest.approx(found.energy(told["states"]))
    assert told["bound"] <= told["energy"] and told["gap"] >= 0
    exact = json.loads(fgc("solve", file, "--json")[1])
    assert told["bound"] - 1e-9 <= exact["energy"] <= told["energy"] + 1e-9
    code, out, _ = fgc("solve", file, "--infer", "trws", "--budget-time", "0", "--json")
    told = json.loads(out)
    assert code == 0 and told["status"] != "optimal" and told["iterations"] <= 2


@pytest.mark.parametrize("cost", [10**6, 10**9, 4 * 10**9, 10**12])
def test_a_cost_of_one_less_than_the_upper_bound_is_a_solution(
    fgc: Call, tmp_path: Path, cost: int
) -> None:
    file = tmp_path / "large.wcsp"
    file.write_text(f"t 1 1 1 {cost + 1}\n1\n1 0 0 1\n0 {cost}\n")
    code, out, err = fgc("solve", str(file))
    assert code == 0 and out == "MAP\n1 0\n" and err.startswith(f"energy {cost} ")
    file.write_text(f"t 2 1 2 {cost + 1}\n1 1\n1 0 0 1\n0 {cost}\n1 1 1 0\n")
    code, out, err = fgc("solve", str(file))
    assert out == "MAP\ninfeasible\n" and f"below the upper bound {cost + 1};" in err


@pytest.mark.parametrize(
    ("bound", "found"), [("0.3", False), ("0.3000000000000001", True), ("0.31", True)]
)
def test_costs_with_decimals_are_compared_with_all_of_them(
    fgc: Call, tmp_path: Path, bound: str, found: bool
) -> None:
    file = tmp_path / "tenth.cfn"
    costs = '{"f":{"scope":["x"],"costs":[0.1]},"g":{"scope":["y"],"costs":[0.2]}}'
    head = f'"problem":{{"name":"a","mustbe":"<{bound}"}},"variables":{{"x":1,"y":1}}'
    file.write_text(f'{{{head},"functions":{costs}}}')
    assert ("infeasible" in fgc("solve", str(file))[1]) != found


def test_sums_do_not_know_the_upper_bound_and_say_so(fgc: Call, tmp_path: Path) -> None:
    file = tmp_path / "tight.wcsp"
    file.write_text("t 2 2 2 5\n2 2\n1 0 3 0\n1 1 2 0\n")
    note = "the upper bound 5 is for least energies only"
    assert "infeasible" in fgc("solve", str(file))[1]
    for task in ("PR", "MAR"):
        assert f"note: {note}\n" in fgc("solve", str(file), "--task", task)[2]
        told = json.loads(fgc("solve", str(file), "--task", task, "--json")[1])
        assert told["notes"] == [note]


def test_sums_that_are_not_exact_have_no_bound(fgc: Call) -> None:
    file = str(HERE / "rain.uai")
    for infer, said in (("trbp", "upper bound"), ("bp", "estimate (Bethe)")):
        told = json.loads(fgc("solve", file, "--task", "PR", "--infer", infer, "--json")[1])
        if told["log_partition_is"] == "exact":
            continue
        assert told["bound"] is None and told["gap"] is None and told["energy"] is not None
        assert f"; {said}; " in fgc("solve", file, "--task", "PR", "--infer", infer)[2]
