"""The standard losses, in scope of every text: `models/losses.fg`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from factorgraph.model.model import LossLibrary
from factorgraph.source import Source, Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

_DEFINITION = re.compile(r"^(loss|fun)\s+([A-Za-z_]\w*).*$", re.MULTILINE)
_sources: set[Source] = set()


@dataclass(eq=False, repr=False)
class Definitions(LossLibrary):
    """What a text defines for its losses.

    Attributes
    ----------
    lets : that a loss may read.
    """

    lets: Mapping[str, t.Let] = field(default_factory=dict)


@cache
def standard() -> LossLibrary:
    """Return the definitions of the standard losses, each parsed when it is first asked for."""
    text = files("factorgraph.models").joinpath("losses.fg").read_text(encoding="utf-8")
    return LossLibrary(_Lines(text, "loss"), _Lines(text, "fun"))


def is_standard(span: Span) -> bool:
    """Return whether a place is in the text of the standard losses."""
    return span.source in _sources


class _Lines(Mapping[str, Any]):
    """Definitions by name, one a line; the whole library would take longer than the model."""

    def __init__(self, text: str, word: str) -> None:
        self._lines = {
            m[2]: (text.count("\n", 0, m.start()), m[0])
            for m in _DEFINITION.finditer(text)
            if m[1] == word
        }
        self._parsed: dict[str, t.Statement] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._parsed:
            before, line = self._lines[name]
            file = parse("\n" * before + line + "\n", "losses.fg")
            (self._parsed[name],) = file.statements
            _sources.add(file.source)
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)

    def __contains__(self, name: object) -> bool:
        return name in self._lines


def definitions(file: t.File) -> Definitions:
    """Return the losses, functions and lets that a text defines."""
    losses = {s.name.name: s for s in file.statements if isinstance(s, t.LossDefinition)}
    funs = {s.name.name: s for s in file.statements if isinstance(s, t.Fun)}
    lets = {s.name.name: s for s in file.statements if isinstance(s, t.Let)}
    return Definitions(losses, funs, lets)
