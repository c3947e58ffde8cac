"""What can go wrong, as one tree.

::

    FgError
    ├── ModelError            the model text is wrong (has a span)
    │   ├── ModelErrors       several of them, in the order of the text
    │   └── NotBuiltError     the text is right, but this version cannot do it yet
    ├── ModelWarning          legal, but hardly meant (collected, seldom raised)
    ├── DataError             the data do not fit, or are damaged
    ├── RunError              a run folder is missing, damaged or of another model
    ├── InferenceError        no engine can answer what was asked of this graph
    ├── NumericalError        a value became NaN or infinite where it must be finite
    ├── BudgetError           the work would need more memory than allowed
    └── UsageError            an option or argument is wrong

Every one of them is the user's to mend (exit code 2 on the command line). Anything else that
escapes is a defect of this package (exit code 1). The library raises, the command line prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from factorgraph.source import Span, visible


class FgError(Exception):
    """The root: a message for the user, with the place and a way out where there is one.

    Parameters
    ----------
    message : one sentence, without a full stop at the end.
    code : ``E`` and four digits, of a page in `factorgraph.pages`; empty where nobody sees it.
    span : the place in a model text, if there is one.
    hint : what to do about it, if that is known.
    """

    def __init__(
        self, message: str, *, code: str = "", span: Span | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.span = span
        self.hint = hint

    word = "error"

    @property
    def all(self) -> tuple[FgError, ...]:
        """The errors that this one stands for: itself, or several."""
        return (self,)

    def __str__(self) -> str:
        place = f"{self.span}: " if self.span else ""
        code = f" {self.code}" if self.code else ""
        return f"{place}{self.word}{code}: {visible(self.message)}"

    def report(self) -> str:
        """Return the message with source line, carets and hint, safe to print."""
        lines = [str(self)]
        if self.span:
            lines.extend(self.span.excerpt())
        if self.hint:
            lines.append(f"  hint: {visible(self.hint)}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the error as plain values, for ``--json``."""
        out: dict[str, Any] = {self.word: type(self).__name__, "message": self.message}
        if self.code:
            out["code"] = self.code
        if self.hint:
            out["hint"] = self.hint
        if self.span:
            line, column = self.span.source.position(self.span.start)
            end_line, end_column = self.span.source.position(self.span.stop)
            out |= {
                "file": self.span.source.name,
                "line": line,
                "column": column,
                "end_line": end_line,
                "end_column": end_column,
            }
        return out


class ModelError(FgError):
    """The model text is wrong."""


class ModelErrors(ModelError):
    """Several errors of one text; as an error it is the first of them.

    Parameters
    ----------
    errors : at least one.
    """

    def __init__(self, errors: Sequence[FgError]) -> None:
        first = errors[0]
        super().__init__(first.message, code=first.code, span=first.span, hint=first.hint)
        self.errors = tuple(errors)

    @property
    def all(self) -> tuple[FgError, ...]:
        return self.errors

    def report(self) -> str:
        """Return all messages, and how many there are."""
        parts = [error.report() for error in self.errors]
        if len(parts) > 1:
            parts.append(f"{len(parts)} errors")
        return "\n".join(parts)


class ModelWarning(FgError):
    """The model text is legal, but hardly says what was meant."""

    word = "warning"


class NotBuiltError(ModelError):
    """The model text is legal, but this version cannot do what it asks."""


class DataError(FgError):
    """The data are damaged or do not fit the model."""


class RunError(FgError):
    """A run folder is missing, damaged or belongs to another model."""


class InferenceError(FgError):
    """No engine can answer what was asked of this graph."""


class NumericalError(FgError):
    """A value became NaN or infinite where it must be finite."""


class BudgetError(FgError):
    """The work would need more memory than the budget allows."""


class UsageError(FgError):
    """An option or argument is wrong."""


def nearest(word: str, candidates: Iterable[str], limit: int = 3) -> str | None:
    """Return the candidate within ``limit`` edits of ``word`` (fewest first), or None.

    An edit inserts, deletes, replaces a character or swaps two neighbours. For a single letter
    only the other case, the letter twice and the letter with `_` or a digit are near.
    """
    if len(word) == 1:
        near = {word.swapcase(), word * 2, f"{word}_", *(f"{word}{k}" for k in range(10))}
        return next((c for c in candidates if c in near and c != word), None)
    best: tuple[int, str] | None = None
    most = min(limit, max(1, len(word) // 2)) if word else 0
    for candidate in candidates:
        if abs(len(candidate) - len(word)) > most:
            continue
        distance = _edits(word, candidate)
        if (
            distance <= most
            and distance < max(len(word), len(candidate))
            and (best is None or distance < best[0])
        ):
            best = (distance, candidate)
    return best[1] if best else None


def _edits(a: str, b: str) -> int:
    """Return the number of edits from one word to another."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


_PLURALS = {"axis": "axes", "entry": "entries", "index": "indices"}


def some(count: int, noun: str) -> str:
    """Return a number with its noun: ``1 axis``, ``2 axes``."""
    return f"{count} {noun if count == 1 else _PLURALS.get(noun, noun + 's')}"


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return a hint that names the nearest candidate, or None."""
    near = nearest(word, candidates)
    return f"did you mean `{near}`?" if near else None
