"""The standard losses, in scope of every text: `models/losses.fg`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from factorgraph.model.model import LossLibrary
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse


@cache
def standard() -> LossLibrary:
    """Return the definitions of the standard losses."""
    text = files("factorgraph.models").joinpath("losses.fg").read_text(encoding="utf-8")
    return definitions(parse(text, "losses.fg"))


def definitions(file: t.File) -> LossLibrary:
    """Return the losses and functions that a text defines."""
    losses = {s.name.name: s for s in file.statements if isinstance(s, t.LossDefinition)}
    funs = {s.name.name: s for s in file.statements if isinstance(s, t.Fun)}
    return LossLibrary(losses, funs)
