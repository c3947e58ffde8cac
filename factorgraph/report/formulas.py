"""The energy and the loss of a model as typeset mathematics."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.compiler.formula import condition, formula
from factorgraph.compiler.mathml import mathml
from factorgraph.compiler.notation import Indexed, Name, Notation, Row
from factorgraph.diagnose import check, read
from factorgraph.errors import FgError
from factorgraph.markup import safe
from factorgraph.model.expression import REAL, Expr, Reduce
from factorgraph.model.formula import check_formula
from factorgraph.model.model import FactorDeclaration

LONGEST = 4000
"""Characters of MathML that are a formula to be read."""


@dataclass(frozen=True)
class Formulas:
    """MathML of a model: a name and a formula for each factor, and the loss."""

    factors: tuple[tuple[str, str], ...] = ()
    loss: str = ""


def formulas(text: str, name: str) -> Formulas:
    """Return a model's formulas; none where the text is not right, as it may be of an old version.

    Parameters
    ----------
    text : of the run.
    name : for nothing but messages.
    """
    try:
        included, errors = read(text, name)
        checked, more = check(included, {})
        if checked is None or errors or more:
            return Formulas()
        factors = tuple((f.name, _shown(f)) for f in checked.factors.values())
        if checked.loss is None:
            return Formulas(factors)
        typed = check_formula(checked, checked.loss)
        loss = Row((Name("L"), "=", formula(typed.value)))
    except FgError:
        return Formulas()
    return Formulas(factors, mathml(loss, display=True))


def _shown(factor: FactorDeclaration) -> str:
    """Return a factor's term as MathML; as it is written where that would be too long to read, as
    features of texts are."""
    found = mathml(_term(factor), display=True)
    if len(found) <= LONGEST:
        return found
    return f"<code>{safe(' '.join(factor.span.text.split()))}</code>"


def _term(factor: FactorDeclaration) -> Notation:
    """Return what a factor adds to the energy."""
    if factor.hard:
        return condition(factor.value)
    value: Expr = factor.value
    guard = factor.guard
    for binder in reversed(factor.binders):
        value = Reduce(
            factor.span, REAL, "sum", binder.variable, binder.low, binder.high, guard, value
        )
        guard = None
    return Row((Indexed(Name("E"), (Name(factor.name),)), "=", formula(value)))
