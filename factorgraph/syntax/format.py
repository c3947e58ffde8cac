"""Model text in its canonical form: ``fgc fmt``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from factorgraph.syntax import tree as t
from factorgraph.syntax.layout import Line, arrange
from factorgraph.syntax.parser import parse
from factorgraph.syntax.spacing import depths, gaps, indices
from factorgraph.syntax.tokens import Piece, Remark, Sentence, sentences

SPREAD = 20
"""What is wider by more than this than the narrowest of a run stands out of its column."""

NEAR = 8
"""Likewise for those that stand out, where they are neighbours."""

NOTES = 51
"""The column of comments behind code, as far as the code is not longer."""

GROUPS = {"hard": "factor", "answer": "given", "latent": "given", "fun": "loss"}
"""Statements whose marks share a column with those of another kind."""


def format(text: str, name: str = "<string>") -> str:
    """Return a model text in its canonical form.

    It has the same tokens in the same order, the same comments at the same tokens, and so the
    same tree. What is in that form already comes back as it is.

    Parameters
    ----------
    text : the whole text.
    name : what messages call it, a path as a rule.

    Raises
    ------
    ModelError : where the text is not of the language.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    tree = parse(text, name)
    statements = iter(tree.statements)
    lines: list[Line] = []
    for paragraph in _paragraphs(sentences(text)):
        if lines:
            lines.append(Line(""))
        lines.extend(_paragraph(paragraph, statements))
    _align_notes(lines)
    out = "".join(line.code + "\n" for line in lines)
    if parse(out, name) != tree:
        raise AssertionError("the formatted text means something else")
    return out


@dataclass
class _Statement:
    """A statement with what its neighbours decide about it.

    Attributes
    ----------
    mark : the place of the ``=``, ``:`` or ``~`` behind the name, if it has one.
    key : statements of the same key share the column of their marks.
    head : the columns before the mark.
    column, run : see `arrange`.
    """

    pieces: tuple[Piece, ...]
    gaps: list[bool]
    mark: int | None
    key: str
    head: int = 0
    column: int | None = None
    run: int | None = None


def _paragraphs(items: Sequence[Sentence | Remark]) -> Iterator[list[Sentence | Remark]]:
    paragraph: list[Sentence | Remark] = []
    for item in items:
        if item.blank and paragraph:
            yield paragraph
            paragraph = []
        paragraph.append(item)
    if paragraph:
        yield paragraph


def _paragraph(items: list[Sentence | Remark], statements: Iterator[t.Statement]) -> Iterator[Line]:
    margin = 1 + max((len(i.pieces[0].text) for i in items if isinstance(i, Sentence)), default=0)
    todo = [i if isinstance(i, Remark) else _statement(i, next(statements), margin) for i in items]
    run: list[_Statement] = []
    for one in todo:
        if isinstance(one, Remark):
            continue
        if run and run[0].key != one.key:
            _align(run)
            run = []
        if one.mark is not None and not any(p.commented for p in one.pieces[: one.mark]):
            run.append(one)
    _align(run)
    for one in todo:
        if isinstance(one, _Statement):
            yield from arrange(
                one.pieces, one.gaps, margin=margin, mark=one.mark, column=one.column, run=one.run
            )
        elif one.continues:
            yield Line("", one.text, True)
        else:
            yield Line(one.text)


def _statement(sentence: Sentence, node: t.Statement, margin: int) -> _Statement:
    pieces = sentence.pieces
    space = gaps(pieces, indices(node))
    word = pieces[0].text
    mark, key = None, GROUPS.get(word, word)
    if isinstance(node, t.Param | t.Size):
        several = len(node.weights if isinstance(node, t.Param) else node.sizes) > 1
        mark = None if several else _mark(pieces, "=:~")
        key += "," if several else "" if mark is None else pieces[mark].text
    elif not isinstance(node, t.Use | t.LossChoice | t.Infer):
        mark = _mark(pieces, "=:")
    head = margin + sum(len(p.text) + g for p, g in zip(pieces[1:mark], space[1:mark])) - 1
    return _Statement(pieces, space, mark, key, head)


def _mark(pieces: Sequence[Piece], marks: str) -> int | None:
    levels = zip(pieces, depths(pieces))
    return next((k for k, (p, level) in enumerate(levels) if not level and p.text in marks), None)


def _align(run: Sequence[_Statement]) -> None:
    """Give the statements of a run their columns."""
    columns = _columns([one.head for one in run])
    for one, column in zip(run, columns):
        one.column = column + 1
        one.run = min(columns) + 1 if len(run) > 1 else None


def _columns(widths: Sequence[int], spread: int = SPREAD) -> list[int]:
    """Return for each line the width that it shares with those around it.

    Lines that are wider than the narrowest by more than ``spread`` share only with their like
    right beside them.
    """
    limit = min(widths, default=0) + spread
    shared = max((w for w in widths if w <= limit), default=0)
    out: list[int] = []
    wide: list[int] = []
    for width in [*widths, 0]:
        if width > limit:
            wide.append(width)
            continue
        if wide:
            out.extend(_columns(wide, NEAR))
            wide = []
        out.append(shared)
    return out[: len(widths)]


def _align_notes(lines: Sequence[Line]) -> None:
    """Write the comments behind the code, in one column for lines one below the other."""
    run: list[Line] = []
    for line in [*lines, Line("")]:
        if line.note is not None:
            run.append(line)
            continue
        widths: list[int] = []
        for one in run:
            widths.append(widths[-1] if one.continues else max(len(one.code), NOTES - 2))
        for one, column in zip(run, _columns(widths)):
            one.code = f"{one.code.ljust(column + 2)}{one.note}"
        run = []
