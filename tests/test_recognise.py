"""The closed form of a recognised hard factor is what its expression says, for any number."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.compiler.recognise import recognise
from factorgraph.ground.kinds import kind_energy

COMPARISONS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
HEAD = """
size   n
given  r[n] : real
given  k    : int
given  b    : bit
answer y[n] : bit
"""
DATA: list[dict[str, Any]] = [
    {"r": [2.5, 2.0, 0.0], "k": 2**63 - 1, "b": 0, "y": [1, 0, 1]},
    {"r": [0.5, 3.0, 1.0], "k": -(2**63), "b": 1, "y": [1, 1, 1]},
    {"r": [1.0, 1.5, -0.5], "k": 1, "b": 1, "y": [0, 0, 1]},
    {"r": [0.0, 0.0, 1.0], "k": 0, "b": 0, "y": [0, 0, 0]},
]


def closed(text: str, data: Sequence[dict[str, Any]] = DATA) -> tuple[str | None, Any, Any]:
    """Return a factor's kind, its energies by the closed form, and by its expression."""
    model = fg.compile(HEAD + text)
    run = model.init(0)
    (factor,) = model.checked.factors.values()
    (energies,) = run.energies(list(data)).values()
    kind = recognise(model.checked, factor)
    if kind is None:
        return None, None, energies
    bound = run.bind(list(data), latents=True)
    return kind.kind, kind_energy(model.checked, factor, kind, bound, run.weights), energies


@pytest.mark.parametrize("number", ["0", "1", "2", "-1", "0.5", "2.5", "inf", "-inf", "r[0]", "k"])
@pytest.mark.parametrize("sign", COMPARISONS)
@pytest.mark.parametrize("word", ["xor", "count"])
def test_counts_are_compared_with_any_number(word: str, sign: str, number: str) -> None:
    kind, fast, energies = closed(f"hard h : {word}(y[i] for i in n) {sign} {number}")
    expected = []
    for item in DATA:
        ones = sum(item["y"]) % 2 if word == "xor" else sum(item["y"])
        other = {"r[0]": item["r"][0], "k": item["k"]}.get(number)
        held = COMPARISONS[sign](ones, float(number) if other is None else other)
        expected.append(0.0 if held else np.inf)
    np.testing.assert_array_equal(energies, expected)
    if kind is not None:
        np.testing.assert_array_equal(fast, expected)
    if word == "count":
        assert kind == (None if sign == "!=" else "cardinality")
    elif sign == "==" or (sign == "!=" and number in ("0", "1")):
        assert kind == "parity"


def test_parity_differs_from_a_bit() -> None:
    kind, fast, energies = closed("hard h : xor(y[i] for i in n) != b")
    assert kind == "parity"
    expected = [0.0 if sum(d["y"]) % 2 != d["b"] else np.inf for d in DATA]
    np.testing.assert_array_equal(fast, expected)
    np.testing.assert_array_equal(energies, expected)


def test_numbers_that_differ_behind_the_point_are_different() -> None:
    kind, fast, energies = closed("hard h : alldiff(0.5 * i + 0.5 * y[i] for i in n)")
    assert kind == "distinct"
    expected = []
    for item in DATA:
        values = [0.5 * i + 0.5 * y for i, y in enumerate(item["y"])]
        expected.append(0.0 if len(set(values)) == len(values) else np.inf)
    assert 0.0 in expected and np.inf in expected
    np.testing.assert_array_equal(fast, expected)
    np.testing.assert_array_equal(energies, expected)


@pytest.mark.parametrize(
    ("factor", "kind"),
    [
        ("0.5 * count(y[i] for i in n) + k", "counting"),
        ("count(y[i] for i in n)^2 - r[0] * count(y[i] for i in n)", "counting"),
        ("abs(count(y[i] == 0 for i in n if i > 0) - 2) * b", "counting"),
        ("min(sum(y), 2)", "counting"),
        ("min(sum(2 * y[i] for i in n), 2)", None),
        ("count(y[i] for i in n) * y[0]", None),
        ("count(y[i] for i in n) * count(y[i] == 0 for i in n)", None),
        ("if count(y[i] for i in n) > 1 then 3 else r[1]", "counting"),
    ],
)
def test_functions_of_a_count(factor: str, kind: str | None) -> None:
    data = [item | {"k": 3} for item in DATA]
    found, fast, energies = closed(f"factor f = {factor}", data)
    assert found == kind
    if kind is not None:
        np.testing.assert_allclose(fast, energies, rtol=1e-12)
