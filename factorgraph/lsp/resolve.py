"""What the word at a place means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from factorgraph.lsp.document import Declaration, Document
from factorgraph.model.library import standard
from factorgraph.source import Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.keywords import Keyword, explained


@dataclass(frozen=True)
class Local:
    """An index or an argument: a name of one statement.

    Attributes
    ----------
    place : where it is bound.
    text : what binds it.
    """

    name: str
    place: Span
    text: str


@dataclass(frozen=True)
class Standard:
    """A definition of the standard library of losses."""

    definition: t.LossDefinition | t.Fun


@dataclass(frozen=True)
class UsedFile:
    """Another file that the text uses; ``path`` as the text has it, from its own folder."""

    path: str


Meaning = Declaration | Local | Standard | UsedFile | tuple[Keyword, ...]


@dataclass(frozen=True)
class Found:
    """A word of the text and what it means."""

    span: Span
    meaning: Meaning


def resolve(document: Document, offset: int) -> Found | None:
    """Return what the word at an offset means, None where there is no such word."""
    k = document.lexeme(offset)
    if k is None or document.in_comment(offset):
        return None
    lexeme = document.lexemes[k]
    span = Span(document.tree.source, lexeme.start, lexeme.stop)
    meaning: Meaning | None = None
    if lexeme.kind == "string":
        meaning = _used(document, span)
    elif lexeme.kind == "name":
        meaning = _meaning(document, k)
    return None if meaning is None else Found(span, meaning)


def _used(document: Document, span: Span) -> UsedFile | None:
    statement = document.statement(span.start)
    if isinstance(statement, t.Use) and statement.path.span.start == span.start:
        folder = os.path.dirname(document.name)
        return UsedFile(os.path.normpath(os.path.join(folder, statement.path.value)))
    return None


def _meaning(document: Document, k: int) -> Meaning | None:
    word, start = document.lexemes[k].text, document.lexemes[k].start
    owner = _owner(document, k)
    if owner is not None:
        return document.field(owner, word) or document.names.get(word)
    for local in scope(document.statement(start), start):
        if local.name == word:
            return local
    declaration = document.names.get(word)
    if declaration is not None:
        return declaration
    library = standard()
    for definitions in (library.losses, library.funs):
        if word in definitions:
            return Standard(definitions[word])
    return explained(word) or None


def _owner(document: Document, k: int) -> str | None:
    """Return the name whose member a word is: ``arc`` for ``src`` in ``arc[e].src``."""
    lexemes = document.lexemes
    if k < 2 or lexemes[k - 1].text != ".":
        return None
    k -= 2
    depth = 0
    while k > 0 and (depth or lexemes[k].text in ("]", ")")):
        depth += (lexemes[k].kind == "close") - (lexemes[k].kind == "open")
        k -= 1
    return lexemes[k].text


def scope(statement: t.Statement | None, offset: int) -> Iterator[Local]:
    """Yield the indices and arguments that are known at an offset, innermost first."""
    holders: list[t.Node] = []
    todo: list[t.Node] = [] if statement is None else [statement]
    while todo:
        node = todo.pop()
        holders.append(node)
        todo += [c for c in children(node) if c.span.start <= offset <= c.span.stop]
    for node in reversed(holders):
        if isinstance(node, t.Factor | t.Let | t.Argument) and node.binders is not None:
            for generator in node.binders.generators:
                for pattern in generator.patterns:
                    for name in pattern.names:
                        yield Local(name.name, name.span, generator.span.text)
        if isinstance(node, t.Fun | t.LossDefinition):
            for formal in node.formals:
                yield Local(formal.name.name, formal.name.span, formal.span.text)


def children(node: t.Node) -> Iterator[t.Node]:
    """Yield the nodes right below one."""
    for value in vars(node).values():
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, t.Node):
                yield part
