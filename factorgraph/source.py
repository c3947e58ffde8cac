"""Texts and places in them: what an error message points at."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property


def visible(text: str) -> str:
    """Return ``text`` with control characters escaped, safe to print on a terminal.

    Line feeds and tabs are escaped too: callers print one line at a time.
    """
    return "".join(
        c if c.isprintable() or c == " " else c.encode("unicode_escape").decode("ascii")
        for c in text
    )


_COMMENT = re.compile(r'("[^"\n]*")|#[^\n]*')


def squeezed(text: str) -> str:
    """Return a piece of a model text on one line, without comments."""
    return " ".join(_COMMENT.sub(lambda m: m[1] or "", text).split())


@dataclass(frozen=True)
class Source:
    """A text with the name that messages give it (a path, or ``<string>``)."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        starts.extend(i + 1 for i, c in enumerate(self.text) if c == "\n")
        return starts

    def position(self, offset: int) -> tuple[int, int]:
        """Return the 1-based line and column of a character offset."""
        line = bisect_right(self._starts, offset) - 1
        return line + 1, offset - self._starts[line] + 1

    def line(self, number: int) -> str:
        """Return the text of the 1-based line ``number`` without its end."""
        start = self._starts[number - 1]
        stop = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self.text[start:stop].rstrip("\r")


@dataclass(frozen=True)
class Span:
    """The characters ``start .. stop - 1`` of a source."""

    source: Source
    start: int
    stop: int

    @property
    def text(self) -> str:
        return self.source.text[self.start : self.stop]

    @property
    def line(self) -> int:
        return self.source.position(self.start)[0]

    @property
    def column(self) -> int:
        return self.source.position(self.start)[1]

    def __str__(self) -> str:
        line, column = self.source.position(self.start)
        return f"{visible(self.source.name)}:{line}:{column}"

    def to(self, other: Span) -> Span:
        """Return the span from the start of this one to the end of ``other``."""
        return Span(self.source, self.start, max(self.stop, other.stop))

    def excerpt(self) -> list[str]:
        """Return the source line and, below it, carets under the span.

        A long line is cut to a window around the span; tabs count as one blank.
        """
        line, column = self.source.position(self.start)
        text = self.source.line(line).replace("\t", " ")
        width = max(1, min(self.stop, self.start + len(text) - column + 1) - self.start)
        window = 100
        cut = max(0, column - 1 - window // 2) if len(text) > window else 0
        shown = text[cut : cut + window]
        before = visible(shown[: column - 1 - cut])
        inside = visible(shown[column - 1 - cut : column - 1 - cut + width])
        after = visible(shown[column - 1 - cut + width :])
        gutter = str(line)
        blank = " " * len(gutter)
        return [
            f" {gutter} | {before}{inside}{after}",
            f" {blank} | {' ' * len(before)}{'^' * max(1, len(inside))}",
        ]
