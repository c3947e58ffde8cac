"""What may stand where the cursor is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from factorgraph.lsp.document import Document
from factorgraph.lsp.hover import explanation
from factorgraph.model.library import standard
from factorgraph.syntax import tree as t
from factorgraph.syntax.keywords import keywords
from factorgraph.syntax.recover import Fragment, fragments
from factorgraph.syntax.scan import Lexeme
from factorgraph.syntax.words import STATEMENTS

SLOTS = ("given", "answer", "latent")
NEW = ("domain", "size", *SLOTS, "param", "map", "let", "fun", "factor", "hard")
"""Statements whose first word is a name that is not there yet."""


@dataclass(frozen=True)
class Proposal:
    """A word that may stand there.

    Attributes
    ----------
    sort : a class of the list of keywords, the word that a name is declared with, ``index``,
        ``loss`` or ``file``.
    detail : in a few words.
    explained : as Markdown, perhaps empty.
    """

    word: str
    sort: str
    detail: str = ""
    explained: str = ""


def complete(document: Document, offset: int) -> list[Proposal]:
    """Return what may stand at an offset, the most likely first; each word once."""
    if document.in_comment(offset):
        return []
    out: dict[str, Proposal] = {}
    for proposal in _proposals(document, offset):
        out.setdefault(proposal.word, proposal)
    return list(out.values())


def _proposals(document: Document, offset: int) -> Iterator[Proposal]:
    k = document.before(offset)
    here = document.lexemes[k] if k >= 0 and offset <= document.lexemes[k].stop else None
    before = [lexeme.text for lexeme in document.lexemes[max(0, k - 2) : k + 1]]
    if here is not None and here.kind in ("string", "bad") and here.text.startswith('"'):
        if before[-2:-1] == ["use"]:
            yield from _files(document)
        return
    if here is not None and here.kind == "number":
        return
    if here is not None and here.kind == "name":
        before = before[:-1]
    else:
        here = None
    fragment, depth = _fragment(document, offset, here)
    keyword = fragment.keyword if fragment is not None else None
    fresh = _fresh(document.text, here.start if here is not None else offset)
    last = before[-1] if before else ""
    if depth == 0 and (fresh or keyword is None):
        yield from _words("statement")
        if keyword is None or keyword == "use":
            return
    elif last in NEW and keyword == last:
        return
    yield from _by_place(document, keyword, before, depth)
    if last == "." or (last == ":" and keyword in SLOTS):
        return
    if fragment is not None:
        known = document.names
        yield from (Proposal(n, "index") for n in locals_(fragment) if n not in known)
    yield from _names(document)
    yield from _words("function", "operator", "constant")
    if keyword == "fun":
        yield from _words("energy", "region", "configuration")
    if fresh:  # inside of a bracket that may only wait to be closed
        yield from _words("statement")


def _by_place(
    document: Document, keyword: str | None, before: list[str], depth: int
) -> Iterator[Proposal]:
    """Yield what the words before the cursor, or the statement, ask for."""
    last, name = before[-1] if before else "", before[-2] if len(before) > 1 else ""
    if last == ".":
        yield from _fields(document)
        yield from _names(document, *SLOTS)
    elif last == ":" and keyword in (*SLOTS, "param"):
        yield from _words("type")
        yield from _names(document, "domain", "size")
    elif keyword in ("param", "map") and not depth and last in ("~", "+"):
        yield from _words("regulariser")
    elif keyword == "param" and last == "=":
        yield from _words("initial")
    elif last == "=" and name in ("act", "pad", "diff"):
        yield from _words("choice")
    elif (last == "=" and name == "by") or (keyword == "infer" and not depth):
        yield from _words("inference")
    elif keyword == "map":
        yield from _words("layer")
    elif keyword == "loss":
        yield from _losses(document)
        yield from _words("energy", "region", "configuration")


def _fragment(document: Document, offset: int, here: Lexeme | None) -> tuple[Fragment | None, int]:
    """Return the statement that the cursor is in, and how deep in its brackets."""
    start = here.start if here is not None else offset
    found = None
    for fragment in fragments(document.text):
        if fragment.lexemes and fragment.lexemes[0].start < start:
            found = fragment
    depth = 0
    for lexeme in found.lexemes if found is not None else ():
        if lexeme.start < start:
            depth += (lexeme.kind == "open") - (lexeme.kind == "close")
    return found, max(0, depth)


def _fresh(text: str, start: int) -> bool:
    return not text[text.rfind("\n", 0, start) + 1 : start].strip()


def locals_(fragment: Fragment) -> Iterator[str]:
    """Yield indices and arguments that a statement binds, whatever state it is in."""
    lexemes = fragment.lexemes
    if fragment.keyword in ("fun", "loss") and len(lexemes) > 2 and lexemes[2].text == "(":
        for last, lexeme in zip(lexemes[2:], lexemes[3:]):
            if lexeme.text == ")":
                break
            if lexeme.kind == "name" and last.text in ("(", ","):
                yield lexeme.text
    pattern: list[str] = []
    for lexeme in lexemes:
        if lexeme.text == "in":
            yield from pattern
            pattern = []
        elif lexeme.text in ("[", "for"):
            pattern = []
        elif lexeme.kind == "name" and lexeme.text not in STATEMENTS:
            pattern.append(lexeme.text)


def _words(*sorts: str) -> Iterator[Proposal]:
    for sort in sorts:
        for keyword in keywords()[sort]:
            yield Proposal(keyword.word, sort, keyword.usage, explanation(keyword))


def _names(document: Document, *words: str) -> Iterator[Proposal]:
    for declaration in document.names.values():
        if not words or declaration.word in words:
            line = " ".join(declaration.text.split())
            detail = line if len(line) <= 80 else line[:79] + "…"
            yield Proposal(declaration.name, declaration.word, detail)


def _fields(document: Document) -> Iterator[Proposal]:
    for declaration in document.names.values():
        statement = declaration.statement
        if isinstance(statement, t.Slots) and isinstance(statement.type, t.RecordType):
            for field in statement.type.fields:
                yield Proposal(field.name.name, "field", field.span.text)


def _losses(document: Document) -> Iterator[Proposal]:
    own = (d for d in document.names.values() if d.word == "loss")
    yield from (Proposal(d.name, "loss", d.text) for d in own)
    library = standard()
    definitions: Iterable[str] = [*library.losses, *library.funs]
    for name in definitions:
        found = library.losses[name] if name in library.losses else library.funs[name]
        text = " ".join(found.span.text.split())
        yield Proposal(name, "loss" if name in library.losses else "fun", text)


def _files(document: Document) -> Iterator[Proposal]:
    """Yield the model texts in the folder of this one."""
    folder = os.path.dirname(document.name) or "."
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    own = os.path.basename(document.name)
    yield from (Proposal(n, "file") for n in names if n.endswith(".fg") and n != own)
