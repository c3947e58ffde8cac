"""The standard losses, in scope of every text: `models/losses.fg`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from factorgraph.model.model import LossLibrary
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

_DEFINITION = re.compile(r"^(loss|fun)\s+([A-Za-z_]\w*).*$", re.MULTILINE)


@cache
def standard() -> LossLibrary:
    """Return the definitions of the standard losses, each parsed when it is first asked for."""
    text = files("factorgraph.models").joinpath("losses.fg").read_text(encoding="utf-8")
    return LossLibrary(_Definitions(text, "loss"), _Definitions(text, "fun"))


class _Definitions(Mapping[str, Any]):
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
            (self._parsed[name],) = parse("\n" * before + line + "\n", "losses.fg").statements
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


def definitions(file: t.File) -> LossLibrary:
    """Return the losses and functions that a text defines."""
    losses = {s.name.name: s for s in file.statements if isinstance(s, t.LossDefinition)}
    funs = {s.name.name: s for s in file.statements if isinstance(s, t.Fun)}
    return LossLibrary(losses, funs)
