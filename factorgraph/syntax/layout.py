"""A statement to lines: where a long one is broken, and where its comments stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from factorgraph.syntax.spacing import VALUES, depths, partners
from factorgraph.syntax.tokens import CLOSE, OPEN, Piece

WIDTH = 100
"""Columns of a line, comments not counted."""

DEEP = 40
"""Brackets and operators below this level stay on their line, however long it gets."""

FAR = 64
"""A bracket that opens right of this column is continued at the left if it must be broken."""

SHORT = 16
"""What is at most so wide is no line of its own before something that is broken anyway."""

WIDE = 40
"""Behind a head wider than this the mark may begin a line."""

GUARD, COMMA, CLAUSE, ELSE, THEN, IMPLIES, OR, AND, COMPARE, ADD, MUL, NEVER = range(12)
LOOSENESS = {
    "FOR": CLAUSE,
    "THEN": THEN,
    "ELSE": ELSE,
    "OR": OR,
    "AND": AND,
    "COMPARE": COMPARE,
    "ADD": ADD,
    "MUL": MUL,
}


@dataclass
class Line:
    """A line of the result.

    Attributes
    ----------
    code : without its comment.
    note : the comment.
    continues : the note continues that of the line above.
    """

    code: str
    note: str | None = None
    continues: bool = False


class Layout:
    """Writes the tokens of one statement.

    Parameters
    ----------
    pieces : the tokens.
    gaps : whether a blank stands before each.
    margin : the column of the second token.
    """

    def __init__(self, pieces: Sequence[Piece], gaps: Sequence[bool], margin: int) -> None:
        self.margin = margin
        self.pieces = pieces
        self.gaps = gaps
        self.partner = partners(pieces)
        self.level = depths(pieces)
        self.ends = list(accumulate((len(p.text) + g for p, g in zip(pieces, gaps)), initial=0))
        self.comments = list(accumulate((p.commented for p in pieces), initial=0))
        self.breaks = _ties(pieces)
        self.lines: list[Line] = [Line("")]
        self.below: list[str] = []
        self.ended = False
        self.depth = 0

    def width(self, start: int, stop: int) -> int:
        """Return the columns of some tokens in one line."""
        return self.ends[stop] - self.ends[start] - self.gaps[start]

    def whole(self, start: int, stop: int) -> bool:
        """Return whether no comment stands between some tokens."""
        return self.comments[max(start, stop - 1)] == self.comments[start]

    @property
    def column(self) -> int:
        return len(self.lines[-1].code)

    def newline(self, indent: int) -> None:
        """Begin a line, after the comments that stand before it."""
        self.lines[-1].code = self.lines[-1].code.rstrip()
        self.lines.extend(Line(" " * indent + text) for text in self.below)
        self.lines.append(Line(" " * indent))
        self.below, self.ended = [], False

    def put(self, k: int, indent: int) -> None:
        """Write a token; where a comment has ended the line, on a new one."""
        if self.ended:
            self.newline(indent)
        line = self.lines[-1]
        if line.code.strip():
            line.code += " " * self.gaps[k]
        line.code += self.pieces[k].text
        self.lines[-1].note = self.pieces[k].note
        self.below = list(self.pieces[k].below)
        self.ended = self.pieces[k].commented

    def flat(self, start: int, stop: int, indent: int) -> None:
        """Write some tokens with no breaks but those that comments ask for."""
        for k in range(start, stop):
            self.put(k, indent)

    def lay(self, start: int, stop: int, hang: int | None = 0, after: int = 0) -> None:
        """Write some tokens, broken where they are too long.

        Parameters
        ----------
        hang : how far right of the first token operators that begin a line stand; None just
            behind a bracket: operators of one character so that operands are in one column.
        after : columns that have to be free behind the last token.
        """
        if start == stop:
            return
        left = self.column + (self.gaps[start] and bool(self.lines[-1].code.strip()))
        if self.ended:
            self.newline(left)
        self.depth += 1
        fits = left + self.width(start, stop) + after <= WIDTH and self.whole(start, stop)
        inside = [k for k in range(start + 1, stop) if self.level[k] == self.level[start]]
        loosest = min((self.breaks[k] for k in inside), default=NEVER)
        if fits or self.depth > DEEP:
            self.flat(start, stop, left)
        elif loosest == NEVER:
            self._through(start, stop, left, after)
        else:
            cuts = [k for k in inside if self.breaks[k] == loosest]
            self._fill([start, *cuts, stop], left, hang, after)
        self.depth -= 1

    def _fill(self, bounds: list[int], left: int, hang: int | None, after: int) -> None:
        """Write parts one after another, each on the line as long as it fits."""
        first = before = len(self.lines)
        inner = max(0, self._shift(bounds[1], hang) + 2) if self.breaks[bounds[1]] > THEN else 0
        for start, stop in zip(bounds, bounds[1:]):
            loose = self.breaks[start]
            leading = start == bounds[0]
            if not leading:
                indent = left + self._shift(start, hang)
                inner = 0
                need = self.width(start, stop) + (after if stop == bounds[-1] else 0)
                whole = self.whole(start, stop)
                here = whole and self.column + self.gaps[start] + need <= WIDTH
                broken = loose == ELSE or (len(self.lines) > before and loose != MUL)
                short = len(self.lines) == first and self.column - left <= SHORT
                fresh = whole and indent + need <= WIDTH
                if self.ended or broken or (not here and (fresh or not short)):
                    self.newline(indent)
            before = len(self.lines)
            if (loose not in (COMMA, NEVER) and not leading) or self.pieces[start].kind == "IF":
                self.put(start, left)
                start += 1
            self.lay(start, stop, inner, after if stop == bounds[-1] else 0)

    def _shift(self, k: int, hang: int | None) -> int:
        """Return how far right of the first token a line stands that begins with this one."""
        text = self.pieces[k].text
        if text in ("=", ":", "~"):
            return hang or 4
        if self.breaks[k] <= THEN:
            return 0
        if hang is None:
            return -1 - self.gaps[k + 1] if len(text) == 1 else 0
        return hang

    def _through(self, start: int, stop: int, left: int, after: int) -> None:
        """Write tokens that can only be broken inside of brackets."""
        k = start
        while k < stop:
            if self.pieces[k].text not in OPEN:
                self.put(k, left)
                k += 1
                continue
            close = self.partner[k]
            end = close + 1
            while end < stop and self.pieces[end].text not in OPEN:
                end += 1
            need = self.ends[min(end + 1, stop)] - self.ends[close] + (after if end == stop else 0)
            self.put(k, left)
            outside = self.column - 1
            own = self.lines[-1].code
            margin = max(len(own) - len(own.lstrip()), self.margin) + 4
            if self.column > FAR and self.column + self.width(k + 1, close) + need > WIDTH:
                if margin + 2 * SHORT < self.column:
                    self.newline(margin)
            self.lay(k + 1, close, None, need)
            self.put(close, outside)
            k = close + 1


def _ties(pieces: Sequence[Piece]) -> list[int]:
    """Return how loosely each token is tied to the one before: looser ties are cut first."""
    out = []
    stack: list[tuple[str, bool]] = []
    bracket, pattern = "", False
    for piece, last in zip(pieces, [None, *pieces]):
        if piece.text in CLOSE:
            bracket, pattern = stack.pop()
        elif piece.kind in ("FOR", "IN"):
            pattern = piece.kind == "FOR"
        tie = LOOSENESS.get(piece.kind, NEVER)
        if last is None or piece.text in CLOSE:
            tie = NEVER
        elif last.text == ",":
            tie = NEVER if pattern else COMMA
        elif piece.kind == "IF" and (last.kind in VALUES or last.text in CLOSE):
            tie = GUARD if bracket == "[" else CLAUSE
        elif piece.text == "=>":
            tie = IMPLIES
        elif piece.text in ("=", ":", "~") and not bracket:
            tie = CLAUSE
        out.append(tie)
        if piece.text in OPEN:
            stack.append((bracket, pattern))
            bracket, pattern = piece.text, False
    return out


def arrange(
    pieces: Sequence[Piece],
    gaps: Sequence[bool],
    *,
    margin: int,
    mark: int | None,
    column: int | None = None,
    run: int | None = None,
) -> list[Line]:
    """Return a statement as lines.

    Parameters
    ----------
    margin : the column of its second token.
    mark : the place of the ``=``, ``:`` or ``~`` behind the name.
    column : where the mark should stand.
    run : where the marks of the statements around it stand.
    """
    tries = []
    for place in [None, *sorted({run or margin, margin}, reverse=True)]:
        layout = Layout(pieces, gaps, margin)
        layout.put(0, 0)
        layout.lines[-1].code = pieces[0].text.ljust(margin - 1)
        if mark is None:
            layout.lay(1, len(pieces), -2)
            return layout.lines
        layout.lay(1, mark, after=2)
        head = layout.column
        wide = head > WIDE or len(layout.lines) > 1
        if place is not None:
            layout.newline(place)
        elif len(layout.lines) == 1 and not layout.ended and column is not None:
            layout.lines[-1].code = layout.lines[-1].code.ljust(column - 1)
        layout.put(mark, margin)
        layout.lay(mark + 1, len(pieces), -2)
        if place is None and (len(layout.lines) == 1 or not wide):
            return layout.lines
        over = sum(max(0, len(i.code) - WIDTH) for i in layout.lines if "#" != i.code.strip()[:1])
        tries.append((over, len(layout.lines), place is None, layout.lines))
    return min(tries, key=lambda t: t[:3])[3]
