"""What there is to say about an error code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["model", "data", "python", "words"]


@dataclass(frozen=True)
class Page:
    """The page of one code.

    Parameters
    ----------
    code : ``E`` or ``W`` and four digits.
    title : one line, without a full stop.
    text : what it means, why the rule is there, what to do.
    bad, good : an example that gives this code, and one that does not; both empty where there is
        nothing to show.
    kind : ``model``: both are model texts. ``data``: both are JSON lines for the model ``model``.
        ``python``: both are Python. ``words``: both are for the eye alone. All but the last are
        run by the tests.
    model : the model text of a ``data`` example, and what the others have in common with it.
    """

    code: str
    title: str
    text: str
    bad: str = ""
    good: str = ""
    kind: Kind = "model"
    model: str = ""

    def sections(self) -> list[tuple[str, str]]:
        """Return the examples, each with its caption."""
        found = [("The model:", self.model)] if self.model else []
        found += [("Wrong:", self.bad), ("Right:", self.good)] if self.bad or self.good else []
        return [(caption, text.strip("\n")) for caption, text in found if text]
