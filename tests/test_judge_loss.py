"""Facts about losses, against the tutorial's table and against numbers on a grid."""

from __future__ import annotations

from math import exp, inf, log, log1p

import pytest

import factorgraph as fg
from factorgraph.judge.condition import grid, holds
from factorgraph.judge.facts import Interval, LossFacts
from factorgraph.judge.look import Box, look
from factorgraph.judge.loss import Study, loss_facts
from factorgraph.judge.rewrite import C, I, rewrite

CHAIN = """
domain L = {a, b, c}
size   n
given  x[n] : real
answer y[n] : L
param  U[L], A[L, L]
factor emit[t in n]      = -U[y[t]] * x[t]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
"""
REAL = """
given  x : real
answer y : real
param  w
factor f = (w * x - y)^2
"""
ABOVE = Interval(0.0, inf)


def facts(loss: str, energies: Interval | None = None, model: str = CHAIN) -> LossFacts:
    built = fg.compile(model, loss=loss)
    assert built._typed is not None
    return loss_facts(built.checked, built._typed, energies)


def study(loss: str, energies: Interval) -> Study:
    built = fg.compile(CHAIN, loss=loss)
    assert built._typed is not None
    found = rewrite(built.checked, built._typed)
    return Study(found.value, found.alone, energies)


def softplus(x: float) -> float:
    return max(x, 0.0) + log1p(exp(-abs(x)))


# loss: the tutorial's formula, its margin, is it convex, are flat energies least?
TUTORIAL = {
    "energy": (lambda c, i: c, None, True, True),
    "perceptron": (lambda c, i: c - min(c, i), 0.0, True, True),
    "hinge(m = 2)": (lambda c, i: max(0, 2 + c - i), 2.0, True, False),
    "logistic": (lambda c, i: softplus(c - i), inf, True, False),
    "lvq2": (lambda c, i: min(1, max(0, c - i)), 0.0, False, True),
    "mce": (lambda c, i: 1 / (1 + exp(i - c)), inf, False, False),
    "square_square(m = 3)": (lambda c, i: c**2 + max(0, 3 - i) ** 2, 3.0, True, False),
    "square_exp(g = 2)": (lambda c, i: c**2 + 2 * exp(-i), inf, True, False),
    "nll": (lambda c, i: c + log(exp(-c) + exp(-i)), inf, True, False),
    "nll(beta = 5)": (lambda c, i: c + log(exp(-5 * c) + exp(-5 * i)) / 5, inf, True, False),
    "mee": (lambda c, i: 1 - exp(-c) / (exp(-c) + exp(-i)), inf, False, False),
    "margin(cost = differs)": (lambda c, i: c - min(c, i - 1), 1.0, True, False),
    "slack": (lambda c, i: max(0, 1 + c - i), 1.0, True, False),
    "squared_margin": (lambda c, i: max(0, c - i + 1) ** 2, 1.0, True, False),
    "softmax_margin": (lambda c, i: softplus(c - i + 1), inf, True, False),
    "ramp": (lambda c, i: min(c, i) - min(c, i - 1), 1.0, False, False),
    "direct(eps = 0.5)": (lambda c, i: (min(c, i) - min(c, i - 0.5)) / 0.5, 0.5, False, False),
    "pseudo": (lambda c, i: softplus(c - i), inf, True, False),
    "pseudo_margin(m = 2)": (lambda c, i: max(0, 2 + c - i), 2.0, True, False),
    "ratio": (lambda c, i: (1 / (1 + exp(i - c))) ** 2, inf, False, False),
    "univariate": (lambda c, i: softplus(c - i), inf, True, False),
    "smooth_hamming": (lambda c, i: 1 - exp(-softplus(c - i)), inf, False, False),
    "log(exp(-E(answer)) + exp(-E(wrong))) + E(answer)":
        (lambda c, i: softplus(c - i), inf, True, False),
    "0.5 * hinge + 0.1 * energy":
        (lambda c, i: 0.5 * max(0, 1 + c - i) + 0.1 * c, 1.0, True, False),
    "abs(E(answer)) + max(0, 2 - E(wrong))": (lambda c, i: c + max(0, 2 - i), 2.0, True, False),
}  # fmt: skip


@pytest.mark.parametrize("loss", TUTORIAL)
def test_facts_of_the_losses(loss: str) -> None:
    formula, margin, convex, flat = TUTORIAL[loss]
    found = facts(loss, ABOVE)
    assert (found.margin, found.convex, found.flat_is_least) == (margin, convex, flat)
    held = study(loss, ABOVE)
    at = held.at(held.settings[0])
    for c in (0.0, 0.3, 1.0, 2.2, 5.0):
        for i in (0.0, 0.4, 1.0, 2.5, 4.0):
            seen = look(at, Box({C: (c, c), I: (i, i)}, (C, I)))
            assert seen.value == pytest.approx((formula(c, i),) * 2, abs=1e-12)
            h = 1e-6  # the slopes are those of finite differences, on both sides of a kink
            for k, (dc, di) in enumerate(((h, 0.0), (0.0, h))):
                for sign in (1, -1):
                    slope = (formula(c + sign * dc, i + sign * di) - formula(c, i)) / (sign * h)
                    low, high = seen.slopes[k]
                    assert low - 1e-4 <= slope <= high + 1e-4
                    whole = (found.slope_answer, found.slope_wrong)[k]
                    assert whole.low - 1e-4 <= slope <= whole.high + 1e-4


@pytest.mark.parametrize("loss", TUTORIAL)
def test_the_margin_meets_the_condition_on_a_grid(loss: str) -> None:
    formula, margin, _, flat = TUTORIAL[loss]
    pairs = grid(Interval(0.0, 6.0))
    if margin and not flat:
        assert holds(formula, 0.9 * min(margin, 4.0), pairs)
    if margin is not None and margin < 4:
        assert not holds(formula, margin + 0.3, pairs)
    if flat:
        assert not holds(formula, 0.1, pairs)


def test_the_published_sign_of_square_square_fails() -> None:
    found = facts("E(answer)^2 - max(0, 1 - E(wrong))^2", ABOVE)
    assert found.slope_wrong.low >= 0 < found.slope_wrong.high
    assert found.margin is None


@pytest.mark.parametrize("loss, needs", [
    ("energy", False), ("hinge", False), ("nll", False), ("square_square", True),
    ("square_exp", True), ("E(answer)^2", True), ("log(E(answer) / E(wrong))", True),
    ("sqrt(E(answer))", True), ("exp(E(answer)) + exp(-E(wrong))", False),
    ("(E(answer) - E(wrong) + 1)^2", False),
])  # fmt: skip
def test_which_losses_need_energies_above_zero(loss: str, needs: bool) -> None:
    assert facts(loss).needs_non_negative is needs


@pytest.mark.parametrize("loss, bounded, attained", [
    ("energy", False, False), ("perceptron", True, True), ("hinge", True, True),
    ("nll", True, False), ("mce", True, False), ("square_exp", True, False),
    ("square_square", True, True), ("E(answer) - E(wrong)", False, False),
    ("ramp", True, True), ("nll(beta = 50)", True, False),
])  # fmt: skip
def test_whether_the_infimum_is_finite_and_reached(
    loss: str, bounded: bool, attained: bool
) -> None:
    found = facts(loss)
    assert (found.bounded, found.attained) == (bounded, attained)


def test_flat_energies_that_are_least() -> None:
    assert facts("energy", ABOVE).least_flat == Interval(0.0, 0.0)
    assert facts("perceptron", ABOVE).least_flat == ABOVE
    assert facts("-E(wrong)", ABOVE).least_flat == Interval(inf, inf)
    assert facts("hinge", ABOVE).least_flat is None


def test_what_is_soft_and_smooth() -> None:
    assert [facts(f).normalisable for f in ("nll", "mee", "hinge", "pcd", "softmax_margin")] == [
        True, True, False, False, True]  # fmt: skip
    assert [facts(f).smooth for f in ("nll", "hinge", "squared_margin", "square_square")] == [
        True, False, True, True]  # fmt: skip


@pytest.mark.parametrize("loss, flat, note", [
    ("score", False, None), ("denoising", False, None),
    ("norm(grad(answer))^2 / 2", True, None),
    ("norm(grad(answer))^2 / 2 + laplace(answer)", False, "hill"),
])  # fmt: skip
def test_losses_of_derivatives(loss: str, flat: bool, note: str | None) -> None:
    found = facts(loss, model=REAL)
    assert (found.sort, found.flat_is_least) == ("derivatives", flat)
    assert ("hill" in found.notes) == (note is not None)


def test_losses_through_the_minimum_and_of_samples() -> None:
    assert facts("restore", model=REAL).sort == "decoded"
    assert "near" in facts("cd").notes
    assert "near" not in facts("pcd").notes
    assert "mixed" in facts("emit(answer) - move(any)").notes
    assert "mixed" not in facts("piecewise").notes
    assert "mixed" in facts("E(answer) - max(E(Y) for Y in wrong)").notes


def test_costs_are_read_off_their_formula() -> None:
    cost = "fun far(Y) = sum(0.5 * (Y.y[t] != answer.y[t]) for t in n)\n"
    assert facts("margin(cost = far)", model=CHAIN + cost).margin == 0.5
    two = CHAIN + "answer z : bit\nfactor last = -x[0] * z\n"
    half = "fun half(Y) = mistakes(Y.z, answer.z)\n"
    assert facts("margin", model=two).margin == 1.0
    assert facts("margin(cost = half)", model=two + half).margin == 0.0  # y may be wrong for free


def test_margins_are_no_artefacts_of_rounding() -> None:
    cheaper = "fun neg(Y) = -1 * (Y.z != answer.z)\nanswer z : bit\nfactor last = -x[0] * z\n"
    assert facts("softmax_margin(cost = neg)", model=CHAIN + cheaper).margin == inf
    assert [facts(f"hinge(m = {m})").margin for m in ("1e9", "10", "0.3")] == [1e9, 10.0, 0.3]
    found = facts("E(answer)^2 + max(0, 10 - E(wrong))^2", ABOVE).margin
    assert found == 10.0
