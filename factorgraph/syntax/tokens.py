"""Text to statements of tokens that keep their comments, for tools that write text back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lark import Token

from factorgraph.syntax.table import parser
from factorgraph.syntax.words import STATEMENTS

OPEN = {"(": ")", "[": "]", "{": "}"}
CLOSE = frozenset(OPEN.values())
BEGINNINGS = frozenset(word.upper() for word in STATEMENTS)


@dataclass(frozen=True)
class Piece:
    """A token with the comments that stand between it and the next one of its statement.

    Attributes
    ----------
    text : as written.
    kind : the grammar's terminal; a word of the language has its own, `NAME` is any other.
    note : the comment behind it on its line.
    below : comments on lines of their own after it.
    """

    text: str
    kind: str
    note: str | None = None
    below: tuple[str, ...] = ()

    @property
    def commented(self) -> bool:
        return self.note is not None or bool(self.below)


@dataclass(frozen=True)
class Sentence:
    """A statement as its tokens; ``note`` of the last one is the comment at its end."""

    pieces: tuple[Piece, ...]
    blank: bool


@dataclass(frozen=True)
class Remark:
    """A comment on a line of its own between statements.

    Attributes
    ----------
    continues : it stands right below the comment at the end of a line, in the same column.
    """

    text: str
    blank: bool
    continues: bool


@dataclass(frozen=True)
class _Comment:
    text: str
    own: bool
    blank: bool
    column: int


def sentences(text: str) -> list[Sentence | Remark]:
    """Return statements and the comments between them, in order.

    Parameters
    ----------
    text : a model text that `parse` accepts, without ``\\r\\n``. ``blank`` of an item tells
        whether an empty line stands before it.
    """
    tokens = list(parser().parse_interactive(text).exhaust_lexer())
    starts = [k for k, token in enumerate(tokens) if token.type in BEGINNINGS]
    items: list[Sentence | Remark] = []
    before, blank = _gap(text, 0, tokens[0].start_pos if tokens else len(text), True)
    items.extend(_remarks(before, None))
    for start, stop in zip(starts, [*starts[1:], len(tokens)]):
        pieces = list(_pieces(text, tokens[start:stop]))
        at = _end(tokens[stop - 1])
        after, next_blank = _gap(
            text, at, tokens[stop].start_pos if stop < len(tokens) else len(text), False
        )
        column = None
        if after and not after[0].own:
            column = after[0].column
            last = pieces[-1]
            pieces[-1] = Piece(last.text, last.kind, after[0].text)
            after = after[1:]
        items.append(Sentence(tuple(pieces), blank))
        items.extend(_remarks(after, column))
        blank = next_blank
    return items


def _pieces(text: str, tokens: Sequence[Token]) -> Iterator[Piece]:
    for token, following in zip(tokens, [*tokens[1:], None]):
        note, below = None, []
        if following is not None:
            for comment in _gap(text, _end(token), following.start_pos or 0, False)[0]:
                if comment.own:
                    below.append(comment.text)
                else:
                    note = comment.text
        yield Piece(str(token), token.type, note, tuple(below))


def _end(token: Token) -> int:
    return (token.start_pos or 0) + len(token)


def _gap(text: str, start: int, stop: int | None, top: bool) -> tuple[list[_Comment], bool]:
    """Return the comments between two tokens, and whether a blank line ends them."""
    comments = []
    lines = text[start:stop].split("\n")
    blank = False
    for number, line in enumerate(lines):
        own = number > 0 or top
        bare = line.strip()
        if bare:
            begin = text.rfind("\n", 0, start) + 1 if number == 0 else start
            prefix = text[begin : text.index("#", start)]
            column = len(prefix.expandtabs())
            comments.append(_Comment(bare.expandtabs(), own, blank, column))
        if own and number < len(lines) - 1:
            blank = not bare and (blank or not top or bool(comments))
        start += len(line) + 1
    return comments, blank


def _remarks(comments: list[_Comment], column: int | None) -> Iterator[Remark]:
    """Yield comments on lines of their own; ``column`` is that of the one right before."""
    for comment in comments:
        continues = comment.column == column and not comment.blank
        column = column if continues else None
        yield Remark(comment.text, comment.blank, continues)
