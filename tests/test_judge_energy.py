"""Facts about energies beside what the energies do: sampled, enumerated, differenced."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import factorgraph as fg
from factorgraph.judge.energy import energy_facts
from factorgraph.judge.facts import EnergyFacts


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


zoo: Any = _load("zoo")


def facts(text: str) -> EnergyFacts:
    return energy_facts(fg.compile(text).checked)


BEGIN = "given x : real\nmap g = mlp(1, 5, 2)\nlet G = g(x)[0]\n"


@pytest.mark.parametrize(
    ("rigid", "text"),
    [
        (True, "answer y : real\nfactor f = abs(y - G)"),
        (True, "answer y : real\nfactor f = (G - 2 * y)^2"),
        (True, "answer y : real\nlet d = G - y\nfactor f = min(d^2, 3) / 2"),
        (True, "answer y : real\nfun d(a) = G - a\nfactor f = sqrt(d(y)^2)"),
        (True, "answer y[2] : real\nfactor f = norm(y - g(x))"),
        (True, "answer y[2] : real\nfactor a = abs(y[0] - G)\nfactor b = abs(y[1] - G)"),
        (False, "answer y : real\nmap h = linear(1, 1)\nfactor f = abs(h(y) - G)"),
        (False, "answer y : real\nmap h = mlp(2, 5, 1)\nlet v[i in 2] = if i == 0 then x else y\n"
                "factor f = abs(y - h(v)[0])"),
        (False, "answer y : real\nparam s : positive\nfactor f = s * abs(y - G)"),
        (None, "answer y : real\nfactor f = abs(y^2 - G)"),
        (None, "answer y : real\nlatent z : real\nfactor f = abs(y - z * G)"),
        (None, "answer y[2] : real\nfactor f = abs(y[0] - G)"),
        (None, "answer y : real\nfactor f = -abs(y - G)"),
        (None, "answer y : real\nfactor f = abs(y - G)\nfactor c = 0.1 * y"),
    ],
)  # fmt: skip
def test_rigid(rigid: bool | None, text: str) -> None:
    assert facts(BEGIN + text).rigid is rigid


CODES = """
given x[4] : real
answer y : 0..2
map g = linear(4, 2)
let U[c in 3, i in 2] = {table}
factor f = sum((U[y, i] - g(x)[i])^2 for i in 2)
"""


@pytest.mark.parametrize(
    ("table", "squared"),
    [("if c == i then 1 else 0", 1.0), ("c * (i + 1)", 5.0), ("(c == 2) * i", 0.0)],
)
def test_codes_from_the_text(table: str, squared: float) -> None:
    found = facts(CODES.format(table=table))
    assert found.rigid and found.fixed_codes and found.code_distance == squared
    assert found.witness is None


def test_codes_from_data_and_learnable_codes() -> None:
    shared = CODES.replace("let U[c in 3, i in 2] = {table}", "given U[3, 2] : real")
    found = facts(shared)
    assert found.rigid and found.fixed_codes and found.code_distance is None
    learned = facts(CODES.replace("let U[c in 3, i in 2] = {table}", "param U[3, 2]"))
    assert learned.rigid is False and not learned.fixed_codes
    assert learned.witness is not None and learned.witness.level == 0


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_text_has_facts(name: str) -> None:
    model = fg.load(zoo.FOLDER / f"{name}.fg", settings=zoo.settings(name))
    found = energy_facts(model.checked)
    assert found.range.low <= found.range.high
    assert found.finite or found.normalisable is not None or name in ("foe", "score")
