"""A place in a statement where it cannot be read on, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from factorgraph.source import Source
from factorgraph.syntax.foreign import SHAPE
from factorgraph.syntax.scan import Lexeme
from factorgraph.syntax.words import RESERVED

SLOTS = ("given", "answer", "latent")
"""The words that declare names with a type."""


@dataclass(frozen=True)
class Place:
    """A place in a statement where it cannot be read on.

    Attributes
    ----------
    source : the whole text.
    lexemes : of the statement.
    at : the number of the lexeme that cannot stand there; their count at the statement's end.
    expected : the grammar's terminals that may stand there, and perhaps some more.
    """

    source: Source
    lexemes: list[Lexeme]
    at: int
    expected: frozenset[str] = frozenset()

    def lexeme(self, k: int = 0) -> Lexeme | None:
        """Return the lexeme ``k`` places behind this one, None outside of the statement."""
        at = self.at + k
        return self.lexemes[at] if 0 <= at < len(self.lexemes) else None

    def text(self, k: int = 0) -> str:
        found = self.lexeme(k)
        return found.text if found else ""

    def kind(self, k: int = 0) -> str:
        found = self.lexeme(k)
        return found.kind if found else ""

    def joined(self, k: int = 0) -> bool:
        """Whether a lexeme touches the one before it."""
        a, b = self.lexeme(k - 1), self.lexeme(k)
        return a is not None and b is not None and a.stop == b.start

    def value(self, k: int = 0) -> bool:
        """Whether a lexeme may be the end of a value."""
        if self.kind(k) == "name":
            return self.text(k) not in RESERVED or self.text(k) in ("answer", "inf")
        return self.kind(k) in ("number", "string", "close")

    @cached_property
    def keyword(self) -> str:
        return self.lexemes[0].text if self.lexemes else ""

    @cached_property
    def open(self) -> tuple[int, ...]:
        """The numbers of the brackets that are open here."""
        stack: list[int] = []
        for k, lexeme in enumerate(self.lexemes[: self.at]):
            if lexeme.kind == "open":
                stack.append(k)
            elif lexeme.kind == "close" and stack:
                stack.pop()
        return tuple(stack)

    @property
    def bracket(self) -> str:
        """The innermost bracket that is open here."""
        return self.lexemes[self.open[-1]].text if self.open else ""

    @cached_property
    def level(self) -> list[int]:
        """The numbers of the lexemes before this one that stand in the same brackets."""
        depth, found = 0, []
        for k in range(self.at - 1, self.open[-1] if self.open else -1, -1):
            depth += self.lexemes[k].kind == "close"
            if depth == 0:
                found.append(k)
            depth -= self.lexemes[k].kind == "open"
        return found[::-1]

    @property
    def words(self) -> list[str]:
        return [self.lexemes[k].text for k in self.level]

    @property
    def later(self) -> Iterator[str]:
        """The texts behind this one in the same brackets."""
        depth = 0
        for lexeme in self.lexemes[self.at + 1 :]:
            if depth == 0 and lexeme.kind == "close":
                return
            if depth == 0:
                yield lexeme.text
            depth += (lexeme.kind == "open") - (lexeme.kind == "close")

    @cached_property
    def wants_value(self) -> bool:
        return {"INT", "LPAR"} <= self.expected

    @cached_property
    def wants_name(self) -> bool:
        return "NAME" in self.expected and "INT" not in self.expected

    @cached_property
    def before_sign(self) -> bool:
        """Whether the sign that defines or states is still to come."""
        if self.open or self.keyword not in SHAPE or self.keyword in ("use", "infer"):
            return False
        if self.at < 2:
            return False
        words = self.words
        if self.keyword in ("size", "param", *SLOTS):
            last = max((k for k, word in enumerate(words) if word == ","), default=0)
            words = words[last:]
        return not {"=", ":", "~"} & set(words)
