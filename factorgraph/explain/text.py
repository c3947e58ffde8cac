"""An explanation as plain text: 80 columns, no colours."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator, Sequence

from factorgraph.compiler.notation import text
from factorgraph.explain.explanation import (
    Block,
    Code,
    Display,
    Explanation,
    Paragraph,
    Table,
    Words,
    plain,
)
from factorgraph.source import visible

WIDTH = 80


def as_text(explanation: Explanation) -> str:
    """Return an explanation as text."""
    lines = [visible(explanation.title), "=" * min(WIDTH, len(explanation.title)), ""]
    for section in explanation.sections:
        lines += [section.title, "-" * len(section.title), ""]
        for block in section.blocks:
            lines += [*_lines(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(words=words, term=term):
            head = f"{plain(term)}: " if term else ""
            yield from _wrapped(head + plain(words))
        case Display(formula=formula):
            yield from _broken(text(formula))
        case Code(lines=lines):
            yield from (f"    {visible(line)}" for line in lines)
        case Table(head=head, rows=rows):
            yield from _table(head, rows)


def _wrapped(line: str, first: str = "", more: str = "") -> list[str]:
    kept = line.replace("\u00a0", " ")
    found = textwrap.wrap(
        kept, WIDTH, initial_indent=first, subsequent_indent=more, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
    return found or [""]


def _broken(line: str) -> list[str]:
    """Return a formula on lines that break as far outside of brackets as is possible."""
    found: list[str] = []
    for deepest in range(6):
        depth, out = 0, ""
        for c in line:
            depth += (c in "([{") - (c in ")]}")
            out += "\u00a0" if c == " " and depth > deepest else c
        found = [
            part.replace("\u00a0", " ")
            for part in textwrap.wrap(
                out, WIDTH, initial_indent="    ", subsequent_indent="        ",
                break_long_words=False, break_on_hyphens=False,
            )
        ]  # fmt: skip
        if max(map(_width, found)) <= WIDTH:
            break
    return found


def _width(line: str) -> int:
    return sum(not unicodedata.combining(c) for c in line)


def _table(head: Sequence[str], rows: Sequence[Sequence[Words]]) -> Iterator[str]:
    """Yield aligned columns; where they are too wide, a list of what stands in each row."""
    cells = [list(head), *([plain(cell) for cell in row] for row in rows)]
    widths = [max(_width(row[k]) for row in cells) for k in range(len(head))]
    if sum(widths) + 2 * len(widths) + 2 <= WIDTH:
        for row in cells:
            line = "  ".join(
                cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
            )
            yield f"    {line}".rstrip()
        return
    for row in cells[1:]:
        yield from _wrapped(row[0], "    ", "        ")
        for name, cell in list(zip(head, row, strict=True))[1:]:
            if cell:
                yield from _wrapped(f"{name}: {cell}" if name else cell, "        ", "            ")
