"""The library as read line by line is the library as parsed whole."""

from __future__ import annotations

from pathlib import Path

from factorgraph.model.library import definitions, standard
from factorgraph.syntax.parser import parse

ROOT = Path(__file__).parent.parent


def test_definitions_are_those_of_the_whole_text() -> None:
    whole = definitions(parse((ROOT / "models" / "losses.fg").read_text(), "losses.fg"))
    lazy = standard()
    assert dict(lazy.losses) == dict(whole.losses) and len(whole.losses) > 25
    assert dict(lazy.funs) == dict(whole.funs)
    for name, definition in whole.losses.items():
        assert str(lazy.losses[name].span) == str(definition.span)
        assert lazy.losses[name].span.text == definition.span.text
