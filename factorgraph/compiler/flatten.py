"""The flattened text: what a run stores, so that nothing else is needed to read it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from factorgraph.errors import UsageError, did_you_mean
from factorgraph.source import Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.include import Included


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
                code="E0912",
                hint=did_you_mean(name, factors),
            )
        blank = "".join(c if c == "\n" else " " for c in span.text)
        text = text[: span.start] + blank + text[span.stop :]
    return text


def flatten(
    included: Included, settings: Mapping[str, float], loss: str | None, used: Sequence[str]
) -> str:
    """Return the text with its includes written out, constants set, the loss chosen and library
    definitions added."""
    chosen = any(isinstance(s, t.LossChoice) for s in included.file.statements)
    text = _written(included, settings, loss).rstrip() + "\n"
    if loss is not None and not chosen:
        text += f"loss {loss}\n"
    for definition in used:
        text += definition.strip() + "\n"
    return text


def _written(included: Included, settings: Mapping[str, float], loss: str | None) -> str:
    """Return the text of a file with its edits made."""
    edits: list[tuple[Span, str]] = []
    for statement in included.top.statements:
        if isinstance(statement, t.Use):
            if statement.alias is not None:
                edits.append((statement.path.span, f'"{statement.alias.name}.fg"'))
                continue
            inside = [_edited(s, settings, loss) for s in included.parts[statement.span.start]]
            edits.append((statement.span, "\n".join(inside)))
        else:
            edits += _edits(statement, settings, loss)
    return _apply(included.top.source.text, edits, 0)


def _edited(statement: t.Statement, settings: Mapping[str, float], loss: str | None) -> str:
    span = statement.span
    return _apply(span.text, _edits(statement, settings, loss), span.start)


def _apply(text: str, edits: list[tuple[Span, str]], first: int) -> str:
    for span, new in sorted(edits, key=lambda e: -e[0].start):
        text = text[: span.start - first] + new + text[span.stop - first :]
    return text


def _edits(
    statement: t.Statement, settings: Mapping[str, float], loss: str | None
) -> list[tuple[Span, str]]:
    """Return what changes in a statement: settings, and the choice of the loss."""
    if isinstance(statement, t.Use) and statement.alias is not None:
        return [(statement.path.span, f'"{statement.alias.name}.fg"')]
    if isinstance(statement, t.Let) and statement.name.name in settings:
        return [(statement.value.span, _number(settings[statement.name.name]))]
    if isinstance(statement, t.Size):
        return [
            (sized.value.span, _number(settings[sized.name.name]))
            for sized in statement.sizes
            if sized.value is not None and sized.name.name in settings
        ]
    if isinstance(statement, t.LossChoice) and loss is not None:
        return [(statement.value.span, loss)]
    return []


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
