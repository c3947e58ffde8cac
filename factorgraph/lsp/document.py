"""A text as an editor holds it: its tree, what it uses, what it declares, what is wrong."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from factorgraph.diagnose import check_text
from factorgraph.errors import FgError
from factorgraph.model.model import Model
from factorgraph.model.names import declared
from factorgraph.source import Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.include import Included, include
from factorgraph.syntax.parser import parse_all
from factorgraph.syntax.scan import Lexeme, scan


@dataclass(frozen=True)
class Declaration:
    """A name with what a text says of it.

    Attributes
    ----------
    word : the word that its statement begins with; for a field of a record, ``field``.
    place : the name where it is declared.
    node : what is said of this name alone.
    statement : the whole statement.
    """

    name: str
    word: str
    place: Span
    node: t.Node
    statement: t.Statement

    @property
    def text(self) -> str:
        """How the name is declared, the other names of the statement left out."""
        s = self.statement
        if isinstance(s, t.Slots):
            return f"{s.role} {self.node.span.text} : {s.type.span.text}"
        if isinstance(s, t.Size | t.Param):
            return f"{self.word} {self.node.span.text}"
        return s.span.text


class Document:
    """One text.

    Parameters
    ----------
    text : the whole text.
    name : its path; files that it uses are looked for beside it.
    """

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.name = name

    @cached_property
    def tree(self) -> t.File:
        """What could be read of the text."""
        return parse_all(self.text, self.name)[0]

    @cached_property
    def included(self) -> Included:
        """The text with all that it uses, as far as that can be read."""
        path = self.name if os.path.exists(self.name) else None
        return include(self.tree, path, _read)

    @cached_property
    def checked(self) -> tuple[Model | None, tuple[FgError, ...]]:
        """The model, where there is one, and everything that is wrong."""
        return check_text(self.text, self.name)

    # -- declarations

    @cached_property
    def own(self) -> tuple[Declaration, ...]:
        """What the text itself declares, in its order."""
        return tuple(d for s in self.tree.statements for d in _declarations(s))

    @cached_property
    def names(self) -> dict[str, Declaration]:
        """Every declared name, those of used files too; the first declaration counts."""
        out: dict[str, Declaration] = {}
        for statement in self.included.file.statements:
            for declaration in _declarations(statement):
                out.setdefault(declaration.name, declaration)
        return out

    def field(self, record: str, name: str) -> Declaration | None:
        """Return a field of a declared record."""
        owner = self.names.get(record)
        if owner is None or not isinstance(owner.statement, t.Slots):
            return None
        kind = owner.statement.type
        for field in kind.fields if isinstance(kind, t.RecordType) else ():
            if field.name.name == name:
                return Declaration(name, "field", field.name.span, field, owner.statement)
        return None

    # -- lexemes

    @cached_property
    def lexemes(self) -> list[Lexeme]:
        """The lexemes of the text without comments."""
        return list(scan(self.text))

    def lexeme(self, offset: int) -> int | None:
        """Return the number of the lexeme at an offset, or of the one that ends there."""
        k = self.before(offset)
        following = self.lexemes[k + 1] if k + 1 < len(self.lexemes) else None
        if following is not None and following.start == offset and _has_name(following):
            return k + 1
        return k if k >= 0 and offset <= self.lexemes[k].stop else None

    def before(self, offset: int) -> int:
        """Return the number of the last lexeme that begins before an offset, -1 if none does."""
        return bisect_right(self._begins, offset - 1) - 1

    @cached_property
    def _begins(self) -> list[int]:
        return [lexeme.start for lexeme in self.lexemes]

    def in_comment(self, offset: int) -> bool:
        """Return whether an offset lies in a comment."""
        k = self.before(offset)
        start = max(self.lexemes[k].stop if k >= 0 else 0, self.text.rfind("\n", 0, offset) + 1)
        return "#" in self.text[start:offset]

    def statement(self, offset: int) -> t.Statement | None:
        """Return the statement at an offset."""
        for statement in self.tree.statements:
            if statement.span.start <= offset <= statement.span.stop:
                return statement
        return None


def _has_name(lexeme: Lexeme) -> bool:
    return lexeme.kind in ("name", "string")


def _read(path: str, shown: str) -> t.File:
    return parse_all(Path(path).read_text(encoding="utf-8-sig"), shown)[0]


def _declarations(statement: t.Statement) -> Iterator[Declaration]:
    if isinstance(statement, t.Broken):
        word = statement.span.text.split(maxsplit=1)[0] if statement.span.text.strip() else ""
        for identifier in statement.names:
            yield Declaration(identifier.name, word, identifier.span, identifier, statement)
        return
    word = statement.span.text.split(maxsplit=1)[0]
    for identifier, node in declared(statement):
        inner = node[1] if isinstance(node, tuple) else node
        yield Declaration(identifier.name, word, identifier.span, inner, statement)
