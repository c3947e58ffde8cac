"""The flattened text: what a run stores, so that nothing else is needed to read it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factorgraph.errors import UsageError, did_you_mean
from factorgraph.source import Span
from factorgraph.syntax import tree as t


def without(file: t.File, names: Sequence[str]) -> str:
    """Return the text with some factors blanked out; every line keeps its number.

    Raises
    ------
    UsageError : where there is no such factor.
    """
    factors = {s.name.name: s.span for s in file.statements if isinstance(s, t.Factor)}
    text = file.source.text
    for name in names:
        span = factors.get(name)
        if span is None:
            raise UsageError(
                f"--without {name}: the model has no such factor",
                hint=did_you_mean(name, factors),
            )
        blank = "".join(c if c == "\n" else " " for c in span.text)
        text = text[: span.start] + blank + text[span.stop :]
    return text


def flatten(
    file: t.File, settings: Mapping[str, float], loss: str | None, used: Sequence[str]
) -> str:
    """Return the text with constants set, the loss chosen and library definitions written out."""
    edits: list[tuple[Span, str]] = []
    chosen = False
    for statement in file.statements:
        if isinstance(statement, t.Let) and statement.name.name in settings:
            edits.append((statement.value.span, _number(settings[statement.name.name])))
        elif isinstance(statement, t.Size):
            for sized in statement.sizes:
                if sized.value is not None and sized.name.name in settings:
                    edits.append((sized.value.span, _number(settings[sized.name.name])))
        elif isinstance(statement, t.LossChoice) and loss is not None:
            edits.append((statement.value.span, loss))
            chosen = True
    text = file.source.text
    for span, new in sorted(edits, key=lambda e: -e[0].start):
        text = text[: span.start] + new + text[span.stop :]
    text = text.rstrip() + "\n"
    if loss is not None and not chosen:
        text += f"loss {loss}\n"
    for definition in used:
        text += definition.strip() + "\n"
    return text


def _number(value: float) -> str:
    """Return a number as the language writes it."""
    if abs(value) == float("inf"):
        return "inf" if value > 0 else "-inf"
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    text = repr(float(value))
    mantissa, _, exponent = text.partition("e")
    if exponent and "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent}" if exponent else text
