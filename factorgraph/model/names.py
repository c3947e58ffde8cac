"""The namespace of a text: every declared name once, reserved words never."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.errors import FgError, ModelError, NotBuiltError
from factorgraph.source import Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import RESERVED

TYPES = ("real", "int", "text", "bit", "positive", "unit", "simplex")
COUNTS = ("count", "xor", "atmostone", "exactlyone", "atleastone")
LAYERS = ("linear", "mlp", "conv", "pool", "chain")
FUNCTIONS = (
    "abs min max exp log sqrt tanh cosh sigmoid softplus norm dot outer sum mean "
    "lower prefix suffix shape kind hash features spell alldiff"
).split() + list(COUNTS)
LOSSES_ELSEWHERE = {
    **dict.fromkeys(
        "crossentropy cross_entropy xent ce log logloss log_loss log_likelihood loglikelihood "
        "mle ml softmax crf mmi".split(),
        "`nll`",
    ),
    **dict.fromkeys("svm ssvm m3n maxmargin max_margin".split(), "`margin`, or `hinge`"),
    **dict.fromkeys("mse l2 squared_error".split(), "`restore`"),
}
"""What losses are called elsewhere, and the standard ones that they are."""
LOSS_WORDS = ("E", "free", "softmin", "grad", "laplace", "mistakes", "sample", "draw", "jitter")

Declared = (
    t.Use
    | t.Domain | t.Sized | tuple[t.Slots, t.Slot] | t.Weight | t.Map | t.Let | t.Fun | t.Factor
    | t.LossDefinition
)  # fmt: skip


def not_built(what: str, span: Span, hint: str | None = None) -> NotBuiltError:
    """Return the one error for what is legal but cannot be done yet."""
    return NotBuiltError(f"{what}: not built yet", code="E0600", span=span, hint=hint)


def declared(statement: t.Statement) -> Iterator[tuple[t.Identifier, Declared]]:
    """Yield the names that a statement declares."""
    if isinstance(statement, t.Domain | t.Map | t.Let | t.Fun | t.Factor | t.LossDefinition):
        yield statement.name, statement
    elif isinstance(statement, t.Use):
        if statement.alias is not None:
            yield statement.alias, statement
    elif isinstance(statement, t.Size):
        for sized in statement.sizes:
            yield sized.name, sized
    elif isinstance(statement, t.Slots):
        for slot in statement.slots:
            yield slot.name, (statement, slot)
    elif isinstance(statement, t.Param):
        for weight in statement.weights:
            yield weight.name, weight


def collect(file: t.File, errors: list[FgError]) -> dict[str, Declared]:
    """Return every declared name with its first declaration.

    Adds ``E0101`` to the errors for a name declared twice, ``E0103`` for a reserved word.
    """
    names: dict[str, Declared] = {}
    places: dict[str, Span] = {}
    for statement in file.statements:
        for identifier, declaration in declared(statement):
            name = identifier.name
            if name in RESERVED:
                errors.append(
                    ModelError(
                        f"`{name}` is a word of the language and cannot be a name",
                        code="E0103",
                        span=identifier.span,
                        hint=f"call it `{name}_`",
                    )
                )
            elif name in places:
                where = places[name]
                there = "" if where.source is identifier.span.source else f" of {where.source.name}"
                errors.append(
                    ModelError(
                        f"`{name}` is declared twice",
                        code="E0101",
                        span=identifier.span,
                        hint=f"the first time on line {where.line}{there}",
                    )
                )
            else:
                names[name] = declaration
                places[name] = identifier.span
    return names
