"""Offsets in a text and the positions that editors speak of."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from factorgraph.source import Span

_END = re.compile(r"\r\n|\n|\r")
_BYTES = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}

Position = tuple[int, int]
"""Line and column, both from 0; columns count the units of an encoding."""


class Places:
    """Positions in one text.

    Parameters
    ----------
    text : the whole text.
    units : what columns count: those of ``utf-16`` (an editor's usual choice), ``utf-8`` or
        ``utf-32``.
    """

    def __init__(self, text: str, units: str = "utf-16") -> None:
        self.text = text
        self._codec, self._bytes = _BYTES[units]

    @cached_property
    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _END.finditer(self.text))]

    def position(self, offset: int) -> Position:
        """Return the position of a character."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset) - 1
        before = self.text[self._starts[line] : offset]
        return line, len(before.encode(self._codec, "surrogatepass")) // self._bytes

    def offset(self, position: Position) -> int:
        """Return the offset at a position; what lies behind a line's end is its end."""
        line, column = position
        if line >= len(self._starts):
            return len(self.text)
        start = self._starts[line]
        stop = self._starts[line + 1] if line + 1 < len(self._starts) else len(self.text)
        content = self.text[start:stop].rstrip("\r\n")
        encoded = content.encode(self._codec, "surrogatepass")[: column * self._bytes]
        return start + len(encoded.decode(self._codec, "ignore"))

    def range(self, span: Span) -> tuple[Position, Position]:
        """Return where a span begins and ends."""
        return self.position(span.start), self.position(span.stop)

    @property
    def end(self) -> Position:
        """The position behind the last character."""
        return self.position(len(self.text))
