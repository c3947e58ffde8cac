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


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        ("0 * E(answer)", "it is the same whatever the energies are"),
        ("(E(answer) - 1)^2", "it sees the answer's energy only, and pushes no wrong answer up"),
        ("E(answer)", "it only pushes the answer's energy down, and pushes no wrong answer up"),
    ],
)
def test_what_flattens_is_told_as_it_is(loss: str, reason: str) -> None:
    model = fg.compile(BEGIN + f"factor f = softplus(g(x)[y])\nloss {loss}")
    assert model.verdict is not None and model.verdict.word == "UNSAFE"
    assert model.verdict.reasons[0].text == reason


def test_a_logarithm_of_a_sigmoid_is_the_logistic_loss() -> None:
    model = fg.compile(BEGIN + "factor f = g(x)[y]\nloss -log(sigmoid(E(wrong) - E(answer)))")
    found = model.verdict
    assert found is not None and found.word == "SAFE" and found.loss.convex is True
    assert (found.loss.slope_answer.low, found.loss.slope_answer.high) == (0.0, 1.0)


AIMED = """given x : real
answer y : real(-1, 1)
map G = linear(1, 1)
factor fit = abs(G(x) - y)
infer grid(step = 0.1)
"""
CODES = BEGIN + "map n = linear(1, 3)\nfactor f = sum((n(x)[i] - (y == i))^2 for i in 0..2)"
CUT = AIMED.replace("abs(G(x) - y)", "min(1, abs(G(x) - y))")
LINEAR = BEGIN + "factor f = g(x)[y]"
BELOW_ONE = BEGIN + "factor f = sigmoid(g(x)[y])"
ONE_OR_OTHER = PAIRS + "factor near = if same then D else 1 - D"
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
    # a loss that does not tell low energies apart
    ("WEAK", "max(0, E(answer) - 0.5)", AIMED),
    ("WEAK", "hinge(m = -1)", AIMED),
    ("WEAK", "max(0, E(answer) - E(any) - 1)", AIMED),
    ("WEAK", "max(E(answer), 5)", AIMED),
    ("WEAK", "max(E(answer), 5)", CODES),
    ("SAFE BY ARCHITECTURE", "max(E(answer), 0)", CODES),
    # contrasts without a least value
    ("WEAK", "energy", ONE_OR_OTHER),
    # energies that are all as high, far away
    ("WEAK", "perceptron", CUT),
    ("WEAK", "lvq2", CUT),
    ("WEAK", "perceptron", AIMED.replace("abs(G(x) - y)", "tanh(abs(G(x) - y))")),
    ("SAFE BY ARCHITECTURE", "energy", CUT),
    ("SAFE BY ARCHITECTURE", "hinge", CUT),
    # no value where the answer is right
    ("ERROR", "log(E(answer) - E(wrong))", AIMED),
    ("ERROR", "log(E(answer) - E(wrong))", CODES),
    ("ERROR", "sqrt(E(answer) - E(wrong))", LINEAR),
    # weights that multiply energies lower them alone
    ("UNKNOWN", "max(0, 1 + E(answer) - E(wrong)) * norm(W)^2", LINEAR),
    ("UNKNOWN", "R * hinge", LINEAR + "\nlet R = norm(W)^2"),
    ("SAFE", "hinge + 0.1 * norm(W)^2", LINEAR),
    # least values where a wrong answer is the best
    ("UNSAFE", "hinge(m = -1)", LINEAR),
    ("UNSAFE", "max(0, E(answer) - E(wrong) - 0.5)", LINEAR),
    ("UNSAFE", "max(0, E(answer) - E(any) - 1)", LINEAR),
    ("WEAK", "perceptron", LINEAR),
    ("WEAK", "max(0, E(answer) - E(wrong))^8", LINEAR),
    # one answer far apart outweighs the others
    ("WEAK", "max(E(answer), -E(wrong))", LINEAR),
    ("WEAK", "log(E(answer)) - log(E(wrong))", BELOW_ONE),
    ("SAFE", "E(answer) - E(wrong)", BELOW_ONE),
    # answers that tie, or never win
    ("WEAK", "hinge", BEGIN + "factor f = -W[y // 2] * x"),
    ("WEAK", "hinge", BEGIN + "factor f = s * y"),
    ("WEAK", "hinge", LINEAR + "\nanswer u : bit"),
    ("WEAK", "hinge", "given x : real\nanswer y : -2..2\nmap G = linear(1, 1)\n"
                      "factor f = (G(x) - abs(y))^2"),
    ("SAFE", "hinge", "given x : real\nanswer y : 0..40\nmap G = mlp(1, 3, 1)\n"
                      "factor f = (G(x) - y)^2"),
    ("SAFE", "hinge", "given x : 0..63\nanswer y : 0..63\nparam w\nfactor f = w * (x == y)"),
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


@pytest.mark.parametrize(("loss", "text", "said"), [
    ("max(0, E(answer) - 0.5)", AIMED, "does not tell energies of the answer below 0.5 apart"),
    ("hinge(m = -1)", AIMED, "a wrong answer is below by up to 1"),
    ("energy", ONE_OR_OTHER, "it falls without end"),
    ("perceptron", CUT, "far from the answer factor `fit` rises no more"),
    ("hinge * norm(W)^2", LINEAR, "`W`, which is trained itself"),
    ("E(answer) - 2 * E(wrong)", LINEAR, "all energies rise together"),
    ("2 * E(answer) - E(wrong)", LINEAR, "all energies fall together"),
    ("hinge", BEGIN + "factor f = -W[y // 2] * x", "answers y = 0 and y = 1 have the same energy"),
    ("hinge", BEGIN + "factor f = s * y", "y = 1 is never the best"),
])  # fmt: skip
def test_why(loss: str, text: str, said: str) -> None:
    assert any(said in r.text for r in judged(text, loss).reasons)


def test_no_loss_no_verdict() -> None:
    assert fg.compile(BEGIN + "factor f = W[y]").judge() is None
