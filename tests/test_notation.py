"""Mathematical notation: as text it says what the model says, in MathML it is well formed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

import factorgraph as fg
from factorgraph.compiler.formula import condition, formula
from factorgraph.compiler.mathml import mathml
from factorgraph.compiler.notation import Name, Notation, Word, text
from factorgraph.diagnose import formula as parsed
from factorgraph.errors import FgError
from factorgraph.model.formula import check_formula
from factorgraph.model.library import standard
from factorgraph.pipeline import Model

HERE = Path(__file__).parent
MODELS = [
    *sorted((HERE.parent / "models").glob("*/*.fg")),
    *sorted((HERE / "language").glob("*.fg")),
]

ARITY = {
    "mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2, "munderover": 3,
}  # fmt: skip
CORE = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mfrac", "msqrt", "msub", "msup", "msubsup",
    "munder", "mover", "munderover", "mtable", "mtr", "mtd",
}  # fmt: skip


def energy(body: str, rest: str = "") -> Notation:
    text_ = f"""
        size n, k = 4
        given x[n, k] : real
        answer y[n] : 0..2
        latent z : bit
        param W[3, k], s : positive
        map net = linear(4, 3)
        {rest}
        factor f[t in 1..n-1] = {body}
    """
    return formula(fg.compile(text_).checked.factors["f"].value)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("dot(W[y[t]], x[t])", "Σ_{i=0..3} W[y[t], i] · x[t, i]"),
        ("s * norm(x[t] - W[y[t]])^2", "s · Σ_{i=0..3} (x[t, i] − W[y[t], i])²"),
        ("norm(x[t] - W[y[t]])", "‖x[t, i] − W[y[t], i]‖[i]"),
        ("-s * (y[t] != y[t-1])", "−s · 1[y[t] ≠ y[t−1]]"),
        ("s - (x[t, 0] - s)", "s − x[t, 0] + s"),
        ("s - 2 * (x[t, 0] - s)", "s − 2 · (x[t, 0] − s)"),
        ("s / (1 + exp(-x[t, 0])) / 2", "s / (1 + exp(−x[t, 0])) / 2"),
        ("s / (x[t, 0] / 2)", "s / (x[t, 0] / 2)"),
        ("(s + 1)^2 * (s * 2)^s", "(s + 1)² · (s · 2)^s"),
        ("(if z then s else 0) + (if z then 1 else s)", "1[z] · s + {1 if z; s otherwise}"),
        ("max(0, min(W[y[t], j] for j in k))", "max(0, min_{j=0..3} W[y[t], j])"),
        ("s * sum(W[a, 0] for a in 3 if a < t)", "s · Σ_{i=0..2 if i < t} W[i, 0]"),
        ("net(x[t])[y[t]]", "net(x[t])[y[t]]"),
        ("net(2 * x[t])[y[t]]", "net(2 · x[t, i] for i)[y[t]]"),
        ("abs(sigmoid(s)) + softplus(s)", "|σ(s)| + softplus(s)"),
        ("sum(s + W[a, 0] for a in 3) * s", "(Σ_{i=0..2} (s + W[i, 0])) · s"),
        ("1e-3 * s + 0.25", "0.001 · s + 0.25"),
    ],
)
def test_energies(written: str, shown: str) -> None:
    found = (
        text(energy(written)).replace("a=", "i=").replace("if a ", "if i ").replace("[a,", "[i,")
    )
    assert found == shown


def test_conditions() -> None:
    model = fg.compile("answer a, b : bit hard f : a or not (b and a != b) => a")
    value = model.checked.factors["f"].value
    assert text(condition(value)) == "a ∨ ¬(b ∧ a ≠ b) ⇒ a"
    assert text(formula(value)) == "1[a ∨ ¬(b ∧ a ≠ b) ⇒ a]"


@pytest.mark.parametrize(
    ("loss", "shown"),
    [
        ("nll", "F_1(answer) − F_1(any)"),
        ("hinge(m = 2)", "max(0, 2 + E(answer) − E(wrong))"),
        ("mce", "σ(E(answer) − E(wrong))"),
        ("square_exp(g = 0.5)", "E(answer)² + 0.5 · exp(−E(wrong))"),
        (
            "margin",
            "E(answer) − min_{Y ∈ any} (E(Y) − Σ_{t=0..n−1 if y[t] observed} 1[Y.y[t] ≠ yⁱ[t]])",
        ),
        ("pseudo", "Σ_{t=0..n−1 if y[t] observed} (F_1(answer) − F_1(only(y[t])))"),
    ],
)
def test_losses(loss: str, shown: str) -> None:
    model = fg.load(HERE.parent / "models" / "ocr" / "ocr.fg").checked
    assert text(formula(check_formula(model, parsed(loss)).value)) == shown


def notations(model: Model) -> Iterator[Notation]:
    """Yield the notation of each factor, guard and standard loss of a model."""
    checked = model.checked
    for factor in checked.factors.values():
        yield formula(factor.value)
        if factor.guard is not None:
            yield condition(factor.guard)
    if model._typed is not None:
        yield formula(model._typed.value)
    for loss in standard().losses:
        try:
            yield formula(check_formula(checked, parsed(loss)).value)
        except FgError:
            continue


@pytest.mark.parametrize("path", MODELS, ids=lambda p: p.stem)
def test_mathml_is_well_formed(path: Path) -> None:
    for notation in notations(fg.load(path)):
        assert text(notation)
        root = ElementTree.fromstring(mathml(notation, display=True))
        for element in root.iter():
            assert element.tag in CORE
            assert len(element) == ARITY.get(element.tag, len(element))
            if element.tag in ("mi", "mn", "mo", "mtext"):
                assert not len(element) and element.text


def test_whatever_is_written_is_shown_and_not_obeyed() -> None:
    hostile = '</math><script>alert("$1")</script>\x1b[31m'
    for notation in (Name(hostile), Word(hostile)):
        shown = mathml(notation)
        assert "<script" not in shown and "\x1b" not in shown and "$" not in shown
        assert "<script>" in "".join(ElementTree.fromstring(shown).itertext()).replace("\xa0", " ")
        assert "\x1b" not in text(notation)
