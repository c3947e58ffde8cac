"""A text that the grammar refuses, as lexemes: whatever it holds, nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from factorgraph.syntax.words import RESERVED, STATEMENTS

CLOSING = {"(": ")", "[": "]", "{": "}"}
"""Each opening bracket with its closing one."""

_UNSEEN = (
    r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f"
    r"\u205f-\u206f\u3000\ufeff\ufff9-\ufffb"
)
_LEXEME = re.compile(
    r"(?P<blank>[ \t\r\n]+|\#[^\n]*)"
    r'|(?P<string>"[^"\x00-\x1f\x7f\u2028\u2029]*")'
    r"|(?P<number>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|[0-9]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<open>[(\[{])"
    r"|(?P<close>[)\]}])"
    r"|(?P<note>//|--|/\*)"
    r"|(?P<sign>=>|==|!=|<=|>=|\.\.|[=:~,.<>+\-*/%&^])"
    rf"|(?P<unseen>[{_UNSEEN}]+|;)"
    r"|(?P<bad>'[^'\n]*'|`[^`\n]*`|[“‘„][^\n“”‘’„]*[”’“‘]|\"[^\n]*|[\s\S])"
)


def _side_by_side(words: list[str]) -> re.Pattern[str]:
    """Return what finds two words that are none of these with blanks between."""
    word = rf"\b(?!(?:{'|'.join(words)})\b)[A-Za-z_][A-Za-z0-9_]*"
    return re.compile(word + r"[ \t]+" + word)


_PROSE = _side_by_side(RESERVED)
_PROSE_LINE = _side_by_side([word for word in RESERVED if word not in STATEMENTS])
_STRING = re.compile(r'"[^"]*"')
_RULE = re.compile(r"[-/=*~]{2,}|[@?$'\\].*|.*[@?$'\\].*")
_WINDOW = 100


class Lexeme(NamedTuple):
    """A piece of text without blanks.

    Attributes
    ----------
    kind : ``string``, ``number``, ``name``, ``open``, ``close`` or ``sign`` are the grammar's;
        ``note`` is a comment of another language, ``unseen`` what may be left out (a blank that
        is none, a semicolon), ``bad`` anything else that the grammar does not know.
    text : as written.
    start : offset of its first character.
    fresh : it is the first of its line, or of the text.
    """

    kind: str
    text: str
    start: int
    fresh: bool

    @property
    def stop(self) -> int:
        return self.start + len(self.text)


def scan(text: str) -> Iterator[Lexeme]:
    """Yield the lexemes of a text, in time proportional to its length."""
    fresh, first, at, last = True, True, 0, text.rfind("*/")
    while at < len(text):
        found = _LEXEME.match(text, at)
        assert found is not None
        kind, start, at = str(found.lastgroup), at, found.end()
        if kind == "blank":
            fresh = fresh or "\n" in found[0]
            continue
        if kind == "note":
            end = _note_end(text, found[0], at, last, fresh, first)
            if end is None and found[0] == "//":
                kind = "sign"
            elif end is None:
                yield Lexeme("sign", "-", start, fresh)
                fresh, start, kind = False, start + 1, "sign"
            else:
                at = end
        yield Lexeme(kind, text[start:at], start, fresh)
        first = first and kind in ("note", "unseen")
        fresh = fresh and kind in ("note", "unseen")


def _note_end(text: str, sign: str, at: int, last: int, fresh: bool, first: bool) -> int | None:
    """Return where a comment of another language ends, None where ``sign`` is an operator.

    An operator cannot stand ``first`` in the text, and hardly is ``fresh`` on its line.
    """
    if sign == "/*":
        return text.index("*/", at) + 2 if at <= last else _line_end(text, at)
    window = text[at : at + _WINDOW].partition("\n")[0]
    window = _STRING.sub('"', window).partition("#")[0].strip()
    prose = (_PROSE_LINE if fresh else _PROSE).search(window)
    return _line_end(text, at) if first or prose or _RULE.fullmatch(window) else None


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
