"""Text to tree."""

from __future__ import annotations

import re

from lark.exceptions import UnexpectedInput

from factorgraph.errors import ModelError, ModelErrors
from factorgraph.source import Source
from factorgraph.syntax import tree as t
from factorgraph.syntax.build import DEPTH as DEPTH
from factorgraph.syntax.build import LARGEST as LARGEST
from factorgraph.syntax.build import Builder
from factorgraph.syntax.table import parser
from factorgraph.syntax.words import RESERVED as RESERVED

LENGTH = 2_000_000
"""Characters in one model text."""

_BRACKET = re.compile(r'#[^\n]*|"[^"\n]*"|[(\[{]|[)\]}]')


def parse(text: str, name: str = "<string>") -> t.File:
    """Return the tree of a model text.

    Parameters
    ----------
    text : the whole text.
    name : what messages call it, a path as a rule.

    Raises
    ------
    ModelError : where the text is not of the language.
    ModelErrors : where it is not in several places; for both see `parse_all`.
    """
    file, errors = parse_all(text, name)
    if errors:
        raise errors[0] if len(errors) == 1 else ModelErrors(errors)
    return file


def parse_all(text: str, name: str = "<string>") -> tuple[t.File, tuple[ModelError, ...]]:
    """Return the tree of what could be read of a text, and all that is wrong with it.

    Parameters
    ----------
    text : the whole text.
    name : what messages call it, a path as a rule.

    Returns
    -------
    The tree, in which a `tree.Broken` stands for each statement that could not be read, and the
    errors in the order of the text: ``E0001`` for a character that cannot stand there, ``E0002``
    for a word that cannot, ``E0003`` for a statement that ends too early, ``E0004`` for nesting
    deeper than `DEPTH`, ``E0005`` for a text longer than `LENGTH`, ``E0006`` for a word of the
    language as a name, ``E0007`` for a number that is too large, ``E0008`` for a loss whose
    arguments are no names, ``E0013`` for a bracket that is not closed, ``E0014`` as the last one
    where there are more than are told.
    """
    source = Source(name, text)
    if len(text) > LENGTH:
        message = f"the text has {len(text)} characters, more than {LENGTH}"
        return t.File(source, ()), (ModelError(message, code="E0005"),)
    failure = None
    if not _deep(text):
        try:
            raw = parser().parse(text)
        except UnexpectedInput as error:
            failure = error
        else:
            statements, errors = Builder(source).statements(raw)
            return t.File(source, statements), errors
    # imported where it is needed: a good text pays nothing for it
    from factorgraph.syntax.recover import recover

    return recover(source, failure)


def _deep(text: str) -> bool:
    """Whether brackets may nest too deep; told before anything is built of them."""
    if text.count("(") + text.count("[") + text.count("{") <= DEPTH:
        return False
    depth = 0
    for found in _BRACKET.finditer(text):
        sign = found[0]
        if sign in "([{":
            depth += 1
            if depth > DEPTH:
                return True
        elif sign in ")]}" and depth:
            depth -= 1
    return False
