"""An explanation as a value: sections of sentences, formulas and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from factorgraph.compiler.mathml import mathml
from factorgraph.compiler.notation import Notation, text
from factorgraph.explain.facts import Facts

Inline = str | Notation
"""Words, or a formula in the middle of them."""
Words = tuple[Inline, ...]


@dataclass(frozen=True)
class Paragraph:
    """Sentences.

    Attributes
    ----------
    term : what they are about, in front of them.
    """

    words: Words
    term: Words = ()


@dataclass(frozen=True)
class Display:
    """A formula on a line of its own."""

    formula: Notation


@dataclass(frozen=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


@dataclass(frozen=True)
class Code:
    """Lines of a text, as they are written."""

    lines: tuple[str, ...]


Block = Paragraph | Display | Table | Code


@dataclass(frozen=True)
class Section:
    """What is told of one thing.

    Attributes
    ----------
    name : a word, for links and JSON.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Explanation:
    """A model with its loss, explained.

    Attributes
    ----------
    facts : what the sections were written from.
    """

    title: str
    sections: tuple[Section, ...]
    facts: Facts = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; formulas as text and as MathML."""
        return {
            "title": self.title,
            **self.facts.as_dict(),
            "sections": [
                {"name": s.name, "title": s.title, "blocks": [_block(b) for b in s.blocks]}
                for s in self.sections
            ],
        }


def plain(words: Words) -> str:
    """Return words with formulas as text."""
    return "".join(w if isinstance(w, str) else text(w) for w in words)


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(words=words, term=term):
            about = {"about": plain(term)} if term else {}
            return {"kind": "paragraph", **about, "text": plain(words)}
        case Display(formula=formula):
            return {"kind": "formula", "text": text(formula), "mathml": mathml(formula)}
        case Code(lines=lines):
            return {"kind": "code", "lines": list(lines)}
    return {
        "kind": "table",
        "head": list(block.head),
        "rows": [[plain(cell) for cell in row] for row in block.rows],
    }
