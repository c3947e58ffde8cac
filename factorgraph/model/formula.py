"""Checking losses: a formula is a real number that an energy moves, before any data are read."""

from __future__ import annotations

from factorgraph.errors import FgError, ModelError, ModelErrors, ModelWarning
from factorgraph.model.draft import checker_of, wrong_definitions
from factorgraph.model.expression import BIT, Expr, is_larger, walk
from factorgraph.model.library import Definitions, standard
from factorgraph.model.loss import Extremum, Formula, LossRead, RegionEnergy, has_slope, temperature
from factorgraph.model.model import Model
from factorgraph.model.region import Answer
from factorgraph.model.resolve import PARTS, Resolver, below
from factorgraph.source import Span
from factorgraph.syntax import tree as t


def check_losses(model: Model) -> Formula | None:
    """Check every loss and fun of a text, and the loss that it chooses.

    Parameters
    ----------
    model : whose own definitions are in scope, before the standard ones.

    Returns
    -------
    Formula, the chosen loss; None where the text chooses none.

    Raises
    ------
    ModelErrors : one or more, in the order of the text.
    """
    errors = list(wrong_definitions(model))
    formula = None
    if model.loss is not None:
        try:
            formula = check_formula(model, model.loss)
        except ModelError as error:
            errors.extend(e for e in error.all if isinstance(e, ModelError))
    told: dict[tuple[str, Span | None], ModelError] = {}
    for one in errors:
        told.setdefault((one.code, one.span), one)
    if told:
        raise ModelErrors(sorted(told.values(), key=_place))
    return formula


def check_formula(model: Model, formula: t.Expression) -> Formula:
    """Return the typed form of a loss.

    Parameters
    ----------
    model : whose names and own losses are in scope, before the standard ones.
    formula : the expression after `loss`, or after `--loss`.

    Raises
    ------
    ModelError : with a code E02.., E01.. or E0004, and the place. See docs/language.md, Losses.
    """
    home: Resolver = checker_of(model, lenient=False)
    span = formula.span
    name = formula.name if isinstance(formula, t.Name) else ""
    if name in standard().losses and name not in model.library.losses:
        # a name alone chooses a loss, whatever else has that name
        home = home.shared.standard
    value = home.number(formula, {})
    if is_larger(value, PARTS):
        raise ModelError("this loss grows too large", code="E0004", span=span)
    if value.kind == BIT:
        raise ModelError(
            "a loss is a number that can be made smaller, and this is a truth value",
            code="E0214",
            span=span,
            hint="say how wrong it is: max(0, 1 + E(answer) - E(wrong))",
        )
    if not has_slope(value):
        looks = any(
            isinstance(e, LossRead) and (has_slope(e) or "best" in e.name) for e in walk(value)
        )
        if looks:
            raise ModelError(
                "this loss changes in steps only: no weight can make it smaller little by little",
                code="E0214",
                span=span,
                hint="energies that are compared have no slope; softplus and sigmoid have one",
            )
        raise ModelError(
            "this loss does not look at the energy", code="E0203", span=span,
            hint=_hidden(model, formula) or "use E(answer), E(any), free(any), …",
        )  # fmt: skip
    _something_to_learn(model, value, span)
    used = _kept(model, home.shared.used)
    return Formula(span, " ".join(span.text.split()), value, used)


def takes_soft_minimum(formula: Formula) -> bool:
    """Return whether a loss takes a soft minimum anywhere."""
    looks = (e for e in walk(formula.value) if isinstance(e, RegionEnergy | Extremum))
    return any(temperature(e) == "soft" for e in looks)


def formula_warnings(model: Model, formula: Formula) -> list[ModelWarning]:
    """Return what is legal in a loss, but hardly meant.

    Returns
    -------
    list of ``W0201`` (minima and soft minima over the latents in one loss) and ``W0202`` (an
    argument of a definition that nothing reads).
    """
    found = []
    if model.latents:
        kinds = {
            temperature(e) for e in walk(formula.value) if isinstance(e, RegionEnergy | Extremum)
        }
        if len(kinds) > 1:
            name = next(iter(model.latents))
            found.append(
                ModelWarning(
                    f"this loss takes the least energy over `{name}` in one part, "
                    "and the soft minimum in another",
                    code="W0201",
                    span=formula.span,
                    hint="they differ by the entropy of the latents: use E alone, or free alone",
                )
            )
    definitions: list[t.LossDefinition | t.Fun] = [*model.library.losses.values()]
    definitions += model.library.funs.values()
    for definition in definitions:
        names = {n.name for n in below(definition.value) if isinstance(n, t.Name)}
        names |= {n.name.name for n in below(definition.value) if isinstance(n, t.Call)}
        for formal in definition.formals:
            if formal.name.name not in names:
                found.append(
                    ModelWarning(
                        f"nothing reads argument `{formal.name.name}` of `{definition.name.name}`",
                        code="W0202",
                        span=formal.name.span,
                        hint="leave it out",
                    )
                )
    return found


def _hidden(model: Model, formula: t.Expression) -> str | None:
    """Return a hint where the text has something else by the name of a standard loss."""
    names = [n.name for n in below(formula) if isinstance(n, t.Name)]
    for name in names:
        if name in standard().losses and name not in model.library.losses:
            return f"the text declares `{name}`, which hides the standard loss: rename it"
    return None


def _something_to_learn(model: Model, value: Expr, span: Span) -> None:
    """Refuse to compare the answer with others in a model without answers."""
    if model.answers:
        return
    regions = {type(e.region) for e in walk(value) if isinstance(e, RegionEnergy | Extremum)}
    if Answer in regions and len(regions) > 1:
        raise ModelError(
            "the model has no answers: all configurations agree with the observed answer",
            code="E0216",
            span=span,
            hint="declare what is observed in training as `answer`",
        )


def _kept(model: Model, used: dict[str, t.LossDefinition | t.Fun]) -> tuple[str, ...]:
    """Return the standard definitions that mean the same once they stand in the model's text."""
    declared = {
        *model.domains, *model.sizes, *model.givens, *model.unknowns, *model.params, *model.maps,
        *model.constants, *model.factors, *model.energies, *model.library.losses,
        *model.library.funs,
    }  # fmt: skip
    if isinstance(model.library, Definitions):
        declared |= set(model.library.lets)
    clashing: set[str] = set()
    needs = {}
    for name, definition in used.items():
        bound = {f.name.name for f in definition.formals}
        parts = below(definition)
        names = {n.name for n in parts if isinstance(n, t.Name)}
        names |= {n.name.name for n in parts if isinstance(n, t.Call)}
        needs[name] = names - bound
        if name in declared or needs[name] & declared:
            clashing.add(name)
    while True:
        more = {n for n, names in needs.items() if names & clashing} - clashing
        if not more:
            break
        clashing |= more
    return tuple(d.span.text for n, d in used.items() if n not in clashing)


def _place(error: FgError) -> tuple[int, int]:
    return (1, 0) if error.span is None else (0, error.span.start)
