"""The words that have a meaning in a text, as ``grammar/keywords.txt`` lists and explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType


@dataclass(frozen=True)
class Keyword:
    """A word of the language.

    Attributes
    ----------
    sort : the class of the list that it stands in: ``statement``, ``function``, …
    usage : how it is written.
    meaning : what it does, without a full stop.
    """

    word: str
    sort: str
    usage: str
    meaning: str


@cache
def keywords() -> Mapping[str, tuple[Keyword, ...]]:
    """Return the words of each class in the order of the list."""
    text = files("factorgraph.grammar").joinpath("keywords.txt").read_text(encoding="utf-8")
    out: dict[str, list[Keyword]] = {}
    sort = ""
    for line in text.splitlines():
        if line.startswith("["):
            sort = line.strip("[]")
            out[sort] = []
        elif line and not line.startswith("#"):
            word, rest = line.split(maxsplit=1)
            usage, _, meaning = rest.partition(" -- ")
            out[sort].append(Keyword(word, sort, usage, meaning))
    return MappingProxyType({sort: tuple(found) for sort, found in out.items()})


def words(*sorts: str) -> tuple[str, ...]:
    """Return the words of some classes, each once."""
    return tuple(dict.fromkeys(k.word for sort in sorts for k in keywords()[sort]))


def explained(word: str) -> tuple[Keyword, ...]:
    """Return everything that a word means, most general class first; empty for other words."""
    return tuple(k for found in keywords().values() for k in found if k.word == word)
