"""Verdicts: the table of standard losses, formulas that fool naive rules, what stops a training."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

import factorgraph as fg
from factorgraph.errors import FgError
from factorgraph.judge.energy import energy_facts
from factorgraph.judge.facts import EnergyFacts, Interval, Verdict
from factorgraph.judge.loss import loss_facts
from factorgraph.judge.verdict import verdict
from factorgraph.learn.events import Judged

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden" / "verdicts.md"
FOLDER = ROOT / "docs" / "judging"
SHARED = ROOT.parent / "shared" / "language" / "models"


def _benchmark(name: str) -> Any:
    if str(ROOT / "benchmarks") not in sys.path:
        sys.path.append(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


verdicts, collapse = _benchmark("verdicts"), _benchmark("collapse")
CELLS = {(c["loss"], c["architecture"]): c for c in verdicts.cells()}


def of(architecture: str, loss: str) -> Verdict:
    found = fg.load(FOLDER / f"{architecture}.fg", loss=loss).verdict
    assert found is not None
    return found


# -- the table


def test_the_table_is_the_golden_one_and_stands_on_its_page() -> None:
    """FGC_GOLDEN=write writes both anew."""
    table = verdicts.markdown(list(CELLS.values()))
    page = ROOT / "docs" / "judging.md"
    text = page.read_text(encoding="utf-8")
    if os.environ.get("FGC_GOLDEN") == "write":
        page.write_text(text.replace(GOLDEN.read_text(encoding="utf-8"), table), encoding="utf-8")
        GOLDEN.write_text(table, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == table
    assert table in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("loss, meets", [
    ("energy", False), ("perceptron", False), ("lvq2", False),
    ("hinge", True), ("logistic", True), ("mce", True), ("square_square", True),
    ("square_exp", True), ("nll", True), ("mee", True),
])  # fmt: skip
def test_the_table_agrees_with_the_tutorials(loss: str, meets: bool) -> None:
    """Condition 3 alone: where the architecture does not help (Table 1 of the tutorial)."""
    for architecture in ("learned", "twosided"):
        assert (CELLS[loss, architecture]["verdict"] == "SAFE") is meets


@pytest.mark.parametrize("cell, word", [
    (("energy", "regression"), "SAFE BY ARCHITECTURE"),  # experiment A of the tutorial works
    (("energy", "twosided"), "UNSAFE"),  # experiment B collapses,
    (("square_square", "twosided"), "SAFE"),  # and does not with these
    (("nll", "twosided"), "SAFE"),
    (("energy", "codes"), "SAFE BY ARCHITECTURE"), (("energy", "learned"), "UNSAFE"),
    (("likelihood", "hmm"), "SAFE BY ARCHITECTURE"), (("square_square", "chain"), "ERROR"),
    (("score", "chain"), "not applicable"), (("nce", "hmm"), "not applicable"),
])  # fmt: skip
def test_known_cells(cell: tuple[str, str], word: str) -> None:
    assert CELLS[cell]["verdict"] == word


def test_trainings_say_the_same() -> None:
    """A few cells; benchmarks/collapse.py runs all."""
    losses, architectures = ["energy", "hinge", "nll"], ["chain", "learned"]
    found = {(r["loss"], r["architecture"]): r for r in collapse.runs(losses, architectures)}
    assert all(r["ran"] and r["agrees"] for r in found.values())
    for name in architectures:
        assert found["energy", name]["spread_after"] < 0.05 < found["hinge", name]["spread_after"]
        assert found["hinge", name]["right"] == 1.0 > found["energy", name]["right"]


# -- formulas of users


OWN = {
    "E(wrong) - E(answer)": "UNSAFE",  # the sign
    "max(0, 1 + E(wrong) - E(answer))": "UNSAFE",
    "-E(wrong)": "UNSAFE",  # all energies rise together
    "-free(any)": "UNSAFE",
    "E(answer)^2": "UNSAFE",
    "(E(answer) - E(wrong))^2": "UNSAFE",  # equal energies are just what it wants
    "(E(answer) - E(wrong) - 1)^2": "UNSAFE",  # the answer above the others
    "E(answer)^2 - max(0, 1 - E(wrong))^2": "UNSAFE",  # as it is printed in the tutorial
    "E(answer) * E(wrong)": "UNSAFE",
    "E(answer) + E(wrong)": "UNSAFE",
    "max(0, E(answer) - E(wrong))": "WEAK",
    "free(answer) - E(any)": "WEAK",
    "E(answer) - E(wrong)": "WEAK",  # no bound
    "E(answer) - min(E(Y) for Y in any)": "WEAK",
    "log(E(answer) / E(wrong))": "WEAK",
    "log(E(answer)) - log(E(wrong))": "WEAK",
    "exp(E(answer)) + exp(-E(wrong))": "SAFE",
    "0.3 * hinge + 0.7 * energy": "SAFE",
    "0.9 * nll + 0.1 * perceptron": "SAFE",
    "softplus(3 * (E(answer) - E(wrong)) + 2)": "SAFE",
    "-log(exp(-E(answer)) / (exp(-E(answer)) + exp(-E(wrong))))": "SAFE",
    "1 / (1 + exp(E(wrong) - E(answer)))": "SAFE",
    "abs(E(answer)) + max(0, 2 - E(wrong))": "SAFE",
    "(E(answer) - E(wrong) + 1)^2": "SAFE",  # just 1 below, no more
    "E(answer)^2 + max(0, 1 - E(wrong))^2": "SAFE",
    "E(answer) - max(E(Y) for Y in wrong)": "UNKNOWN",  # the greatest, not the best
}


@pytest.mark.parametrize("loss", OWN)
def test_formulas_of_users(loss: str) -> None:
    """On learnable codes: an energy of at least 0 that can be flat."""
    assert of("learned", loss).word == OWN[loss]


@pytest.mark.parametrize("loss, margin", [
    ("hinge(m = 0.5)", 0.5), ("nll", inf), ("square_square(m = 3)", 3.0), ("perceptron", 0.0),
    ("0.3 * hinge + 0.7 * energy", 1.0), ("(E(answer) - E(wrong) + 2)^2", 2.0), ("energy", None),
])  # fmt: skip
def test_margins(loss: str, margin: float | None) -> None:
    assert of("learned", loss).margin == margin


def test_data_that_weigh_instances() -> None:
    text = (FOLDER / "chain.fg").read_text() + "given importance : real\n"
    found = fg.compile(text, loss="importance * nll").verdict
    assert found is not None and found.word == "SAFE"
    assert any("`importance` is taken to be never negative" in r.text for r in found.reasons)


# -- rules, with facts put in by hand


def judged(loss: str, **changes: Any) -> Verdict:
    model = fg.load(FOLDER / "learned.fg", loss=loss)
    formula = model._typed
    assert formula is not None
    energy: EnergyFacts = replace(energy_facts(model.checked, formula), reasons={}, **changes)
    found = loss_facts(model.checked, formula, energy.range)
    return verdict(found, energy, model.checked, formula)


@pytest.mark.parametrize("loss, changes, word, said", [
    ("square_square", {"range": Interval(-1.0, inf)}, "ERROR", "softplus"),
    ("square_exp", {"range": Interval()}, "ERROR", "softplus"),
    ("nll", {"normalisable": False}, "ERROR", "infinite"),
    ("hinge", {"normalisable": False}, "SAFE", "E(answer) + 1 <= E(wrong)"),
    ("nll", {"mean_field_free": True}, "ERROR", "trbp"),
    ("hinge(m = 5)", {"width": 4.0}, "ERROR", "differ by at most 4"),
    ("hinge(m = 3)", {"width": 4.0}, "SAFE", "E(answer) + 3"),
    ("energy", {"all_positive": True}, "ERROR", "alike"),
    ("energy", {"normalised": True}, "SAFE BY ARCHITECTURE", "normalised"),
    ("energy", {"bounded_codes": True}, "SAFE BY ARCHITECTURE", "bounded"),
    ("energy", {"witness": None}, "UNKNOWN", "no weights were found"),
    ("energy", {"witness": None, "range": Interval()}, "UNSAFE", "falls without end"),
    ("hinge", {"exactness": "under-generating"}, "SAFE", "may be missed"),
    ("energy", {"trainable": False}, "SAFE BY ARCHITECTURE", "nothing to train"),
])  # fmt: skip
def test_rules(loss: str, changes: dict[str, Any], word: str, said: str) -> None:
    found = judged(loss, **changes)
    assert found.word == word
    assert said in "; ".join(r.text for r in found.reasons)
    assert found.stops is (word in ("UNSAFE", "ERROR"))


def test_an_unbounded_difference_of_bounded_energies_is_safe() -> None:
    changes = {"range": Interval(0.0, 4.0), "width": 4.0}
    assert judged("E(answer) - E(wrong)", **changes).word == "SAFE"


def test_derivatives_of_energies_with_kinks_do_not_tell() -> None:
    assert of("regression", "score").word == "UNKNOWN"
    smooth = "given x : real\nanswer y : real\nparam w\nfactor f = w^2 * (y - x)^2\n"
    assert fg.compile(smooth, loss="score").verdict.word == "SAFE"  # type: ignore[union-attr]
    hill = "norm(grad(answer))^2 / 2 + laplace(answer)"
    assert fg.compile(smooth, loss=hill).verdict.word == "UNSAFE"  # type: ignore[union-attr]


# -- models of the project


def _models() -> list[Path]:
    found = sorted((ROOT / "models").glob("*/*.fg"))
    return found + (sorted(SHARED.glob("*.fg")) if SHARED.is_dir() else [])


def test_no_shipped_model_is_unsafe() -> None:
    for path in _models():
        found = fg.load(path).verdict
        assert found is None or not found.stops, path


# -- the command and training


def fgc(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> tuple[int, str, str]:
    from factorgraph.cli import main as cli

    monkeypatch.setattr(sys, "argv", ["fgc", *words])
    code = cli._run()
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("loss, code, word", [
    ("nll", 0, "SAFE"), ("perceptron", 0, "WEAK"), ("energy", 2, "UNSAFE"),
    ("square_square", 2, "ERROR"), ("E(answer) - max(E(Y) for Y in wrong)", 0, "UNKNOWN"),
])  # fmt: skip
def test_check_says_the_word_alone_on_its_line(
    loss: str, code: int, word: str, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    path = str(FOLDER / "chain.fg")
    found, out, _ = fgc("check", path, "--loss", loss, capsys=capsys, monkeypatch=monkeypatch)
    lines = out.splitlines()
    assert found == code and lines.count(word) == 1
    reasons = lines[lines.index(word) + 1 :]
    assert reasons and all(":" in r for r in reasons) and "--loss:1" in reasons[0]
    found, out, _ = fgc(
        "check", path, "--loss", loss, "--json", capsys=capsys, monkeypatch=monkeypatch
    )
    (row,) = map(json.loads, out.splitlines())
    assert found == code and row["verdict"] == word
    assert row["reasons"][0]["file"] == "--loss" and row["reasons"][0]["line"] == 1


def test_without_a_loss_there_is_no_verdict(
    capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    for path in (FOLDER / "chain.fg", ROOT / "models" / "losses.fg"):
        code, out, _ = fgc("check", str(path), "--json", capsys=capsys, monkeypatch=monkeypatch)
        assert code == 0 and json.loads(out)["verdict"] is None
        assert fg.load(path).verdict is None


TINY = """
domain L = {a, b}
given  x : real
answer y : L
param  w[L]
factor f = -w[y] * x
"""
DATA: list[dict[str, Any]] = [{"x": 1.0, "y": "a"}, {"x": -1.0, "y": "b"}]


def test_training_stops_at_a_loss_that_collapses() -> None:
    model = fg.compile(TINY, loss="energy")
    with pytest.raises(FgError, match="UNSAFE") as caught:
        model.fit(DATA)
    assert caught.value.code == "E0223" and "--unsafe" in str(caught.value.hint)
    heard: list[Any] = []
    run = model.fit(DATA, unsafe=True, max_iterations=2, on_event=heard.append)
    assert run.finished is not None
    (said,) = (e for e in heard if isinstance(e, Judged))
    assert said.verdict == "UNSAFE" and said.reasons


def test_fgc_train_stops_and_insists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    (tmp_path / "m.fg").write_text(TINY)
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(d) + "\n" for d in DATA))
    words = ["train", str(tmp_path / "m.fg"), str(tmp_path / "d.jsonl"), "-o", str(tmp_path / "r")]
    words += ["--quiet", "--max-iterations", "2", "--loss"]
    code, _, err = fgc(*words, "energy", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 2 and "UNSAFE" in err and "--unsafe" in err and "Traceback" not in err
    assert not (tmp_path / "r").exists()
    code, _, err = fgc(*words, "energy", "--unsafe", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0 and "warning: the loss is UNSAFE" in err
    log = [json.loads(line) for line in (tmp_path / "r" / "log.jsonl").read_text().splitlines()]
    assert [e["verdict"] for e in log if e["event"] == "judged"] == ["UNSAFE"]
    code, _, err = fgc(*words, "perceptron", "--overwrite", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0 and "warning: the loss is WEAK" in err
    code, _, err = fgc(*words, "nll", "--overwrite", capsys=capsys, monkeypatch=monkeypatch)
    assert code == 0 and "warning" not in err
