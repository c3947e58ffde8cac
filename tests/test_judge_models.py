"""Verdicts on energies that are made to fool them, and what training data add."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.errors import ModelError
from factorgraph.judge.facts import Verdict

BEGIN = """given x : real
answer y : 0..3
param W[4], s : positive
map g = linear(1, 4)
map G = linear(1, 2)
"""
REAL = "given x : real\nanswer y : real\nmap g = linear(1, 1)\nparam s : positive, W\n"
PAIRS = """given a[3], b[3] : real
answer same : bit
map g = linear(3, 2)
let D = norm(g(a) - g(b))
"""


def codes(table: str) -> str:
    return f"let C[c in 4, i in 2] = {table}\nfactor f = norm(C[y] - G(x))^2"


AIMED = """given x : real
answer y : real(-1, 1)
map G = linear(1, 1)
factor fit = abs(G(x) - y)
infer grid(step = 0.1)
"""
BOTH_WAYS = "max(0, 1 - (E(wrong) - E(answer))^2)"

CASES = [
    # all energies high are better than the answer's at its least: the aim runs off
    ("UNSAFE", "-E(wrong)", AIMED),
    ("UNSAFE", "E(answer) - 2 * E(wrong)", AIMED),
    ("UNSAFE", "log(1 + exp(-E(wrong)))", AIMED),
    ("SAFE BY ARCHITECTURE", "E(answer) - E(wrong)", AIMED),
    ("SAFE BY ARCHITECTURE", "hinge", AIMED),
    # least, too, where a wrong answer is the best by 1
    ("UNSAFE", BOTH_WAYS, BEGIN + "factor f = g(x)[y]"),
    ("SAFE", "tanh(E(answer) - E(wrong))", BEGIN + "factor f = g(x)[y]"),
    # the answer enters through what is not seen at first sight
    ("UNSAFE", "energy", BEGIN + "let a = g(x)\nfun e(k) = a[k]^2\nfactor f = e(y)"),
    ("UNSAFE", "energy", BEGIN + "factor f = softplus(g(x)[y])"),
    ("UNSAFE", "energy", BEGIN + "factor f = s * (y - G(x)[0])^2"),
    ("UNSAFE", "energy", BEGIN + codes("c // 2 + i")),
    ("SAFE BY ARCHITECTURE", "energy", BEGIN + codes("c * (i + 1)")),
    ("SAFE BY ARCHITECTURE", "energy", BEGIN + "factor f = abs(y - G(x)[0])"),
    ("SAFE BY ARCHITECTURE", "energy",
     BEGIN + "factor f = log(sum(exp(g(x)[k]) for k in 0..3)) - g(x)[y]"),
    # densities: a precision that is trained is paid for by its logarithm, or it is not
    ("SAFE BY ARCHITECTURE", "energy", REAL + "factor f = s * (y - g(x))^2 - 0.5 * log(s)"),
    ("UNSAFE", "energy", REAL + "factor f = s * (y - g(x))^2"),
    # contrasts
    ("SAFE BY ARCHITECTURE", "energy",
     PAIRS + "factor f = same * D^2 + (1 - same) * max(0, 1 - D)^2"),
    ("ERROR", "energy", "given a[3], b[3] : real\nmap g = linear(3, 2)\n"
                        "factor pull = norm(g(a) - g(b))^2"),
    # what does not go together
    ("ERROR", "square_square", BEGIN + "factor f = g(x)[y]"),
    ("SAFE", "square_square", BEGIN + "factor f = exp(g(x)[y])"),
    ("ERROR", "hinge(m = 2)", BEGIN + "factor f = sigmoid(W[y] * x)"),
    ("SAFE", "hinge(m = 0.5)", BEGIN + "factor f = sigmoid(W[y] * x)"),
    ("ERROR", "nll", REAL + "factor f = W * x * y"),
    ("ERROR", "nll", BEGIN + "factor f = W[y] * x\ninfer meanfield"),
    ("ERROR", "hinge", BEGIN + "factor f = (y == 1) * x\nfactor h = W[0] * x"),
    # codes that are nearer than the margin: E(answer) = 0 and E(wrong) = m cannot be had
    ("UNKNOWN", "square_square(m = 3)", BEGIN + codes("0.1 * c * i")),
    ("SAFE", "square_square(m = 3)", BEGIN + codes("2 * c * i")),
    ("SAFE", "hinge(m = 3)", BEGIN + codes("0.1 * c * i")),
]  # fmt: skip


def judged(text: str, loss: str) -> Verdict:
    found = fg.compile(text).judge(loss)
    assert found is not None
    return found


@pytest.mark.parametrize(("word", "loss", "text"), CASES)
def test_verdicts(word: str, loss: str, text: str) -> None:
    assert judged(text, loss).word == word


def test_collapse_is_shown_on_random_data() -> None:
    found = judged(BEGIN + "factor f = norm(W[y] - G(x))^2", "energy")
    assert found.word == "UNSAFE"
    there = found.energy.witness
    assert there is not None and there.weights.keys() >= {"W"}
    assert there.spread == 0 and there.energy == 0
    assert any("random data" in r.text for r in found.reasons)


def test_what_random_weights_say_where_no_rule_decides() -> None:
    found = judged(BEGIN + "factor f = abs(y - x) + W[y]^2", "energy")
    assert found.word == "UNKNOWN"
    assert any("random weights" in r.text for r in found.reasons)


def test_same_reasons_each_time() -> None:
    texts = [
        [r.text for r in judged(BEGIN + "factor f = abs(y - x) + W[y]^2", "energy").reasons]
        for _ in range(2)
    ]
    assert texts[0] == texts[1]


def pair(rng: np.random.Generator, same: int) -> dict[str, Any]:
    return {"a": rng.normal(size=3).tolist(), "b": rng.normal(size=3).tolist(), "same": same}


def test_labels_that_never_change_stop_training() -> None:
    rng = np.random.default_rng(0)
    model = fg.compile(PAIRS + "factor f = same * D^2 + (1 - same) * max(0, 1 - D)^2\nloss energy")
    with pytest.raises(ModelError, match="`same` is the same in all data"):
        model.fit([pair(rng, 1) for _ in range(4)], max_iterations=2)
    model.fit([pair(rng, 1) for _ in range(4)], max_iterations=2, unsafe=True)
    model.fit([pair(rng, k % 2) for k in range(4)], max_iterations=2)


def test_equal_codes_in_the_data_stop_training() -> None:
    model = fg.compile("given x[2], U[3, 2] : real\nanswer y : 0..2\nmap g = linear(2, 2)\n"
                       "factor f = norm(U[y] - g(x))^2\nloss energy")  # fmt: skip
    assert model.judge().word == "SAFE BY ARCHITECTURE"  # type: ignore[union-attr]
    items = [{"x": [k, 1.0], "y": k % 3} for k in range(6)]
    model.fit(items, with_={"U": np.array([[0, 0], [1, 2], [3, 0.0]])}, max_iterations=2)
    with pytest.raises(ModelError, match="the same code"):
        model.fit(items, with_={"U": np.array([[0, 0], [1, 2], [1, 2.0]])}, max_iterations=2)


def test_no_loss_no_verdict() -> None:
    assert fg.compile(BEGIN + "factor f = W[y]").judge() is None
