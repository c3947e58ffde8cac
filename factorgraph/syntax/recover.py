"""What can be read of a text that the grammar refuses, and everything that is wrong with it.

The text is cut where statements begin, and each statement is read on its own. Only here does a
line's beginning mean anything: an open bracket must not swallow the statements below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice

from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from factorgraph.errors import ModelError
from factorgraph.source import Source, Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.build import DEPTH, Builder
from factorgraph.syntax.mistakes import explain, stranger
from factorgraph.syntax.place import Place
from factorgraph.syntax.scan import CLOSING, Lexeme, scan
from factorgraph.syntax.table import parser
from factorgraph.syntax.words import RESERVED, STATEMENTS

MOST = 50
"""Errors that are told of one text."""

_GAP = r"(?:[ \t\r\n]|#[^\n]*\n)*+"
_NAME = _GAP + r"[A-Za-z_][A-Za-z0-9_]*+"
_DECLARES = {
    **dict.fromkeys(("given", "latent", "answer"), re.compile(_NAME + _GAP + r"[\[,:=]")),
    **dict.fromkeys(("domain", "size", "param"), re.compile(_NAME)),
    **dict.fromkeys(("let", "map", "factor", "hard"), re.compile(_NAME + _GAP + r"[\[:=]")),
    **dict.fromkeys(("loss", "infer"), re.compile(_GAP + r"[A-Za-z0-9_(\"-]")),
    "fun": re.compile(_NAME + _GAP + r"\("),
    "use": re.compile(_GAP + '"'),
}
_STATEMENT_LIKE = re.compile(_GAP + r"([A-Za-z_][A-Za-z0-9_]*+)" + _GAP + r"(?:[\[~(:]|=(?!=))")
_NAMES_FOLLOW = ("size", "given", "answer", "latent", "param")
_INFIX = frozenset(RESERVED) - {*STATEMENTS, "inf"}


def recover(
    source: Source, failure: UnexpectedInput | None
) -> tuple[t.File, tuple[ModelError, ...]]:
    """Return the tree of what can be read, and all errors in the order of the text.

    Parameters
    ----------
    source : a text that the parser refuses.
    failure : what the parser said, None where it was not asked.
    """
    statements: list[t.Statement] = []
    errors: list[ModelError] = []
    pieces = fragments(source.text)
    first = list(islice(pieces, 2))
    # what the parser said of the whole text it would say of its only statement again
    known = failure if len(first) == 1 else None
    for fragment in chain(first, pieces):
        if len(errors) > MOST:
            if fragment.lexemes:
                statements.append(_broken(fragment, source))
            continue
        made, found = _read(fragment, source, known)
        statements.extend(made)
        errors.extend(found)
    if not errors and failure is not None:
        whole = Fragment([x for f in fragments(source.text) for x in f.lexemes])
        errors.append(_explained(whole, failure, source, 0))
    if len(errors) > MOST:
        more = ModelError(
            f"more than {MOST} errors: what follows is not told",
            code="E0014",
            span=errors[MOST].span,
            hint="mend the first ones and check again",
        )
        errors[MOST:] = [more]
    return t.File(source, tuple(statements)), tuple(errors)


# -- where statements begin


@dataclass
class Fragment:
    """What lies between the beginnings of two statements.

    Attributes
    ----------
    lexemes : in order.
    extra : lexemes that are told and then left out: they stand in nobody's way.
    """

    lexemes: list[Lexeme] = field(default_factory=list)
    extra: list[Lexeme] = field(default_factory=list)

    @property
    def keyword(self) -> str | None:
        """The word that it begins with, None where that begins no statement."""
        word = self.lexemes[0].text
        return word if word in STATEMENTS else None


def fragments(text: str) -> Iterator[Fragment]:
    """Yield the fragments of a text, cut at the beginnings of statements.

    A text that is right is cut exactly between its statements.
    """
    fragment, depth = Fragment(), 0
    for lexeme in scan(text):
        if lexeme.kind in ("note", "unseen"):
            fragment.extra.append(lexeme)
            continue
        if fragment.lexemes and _begins(lexeme, fragment.lexemes, depth, text):
            yield fragment
            fragment, depth = Fragment(), 0
        fragment.lexemes.append(lexeme)
        if lexeme.kind == "open":
            depth += 1
        elif lexeme.kind == "close":
            depth = max(0, depth - 1)
    yield fragment


def _begins(lexeme: Lexeme, before: list[Lexeme], depth: int, text: str) -> bool:
    """Whether a statement begins here; ``before`` is the fragment so far."""
    ended = _ends_value(before)
    if lexeme.kind != "name":
        return lexeme.fresh and lexeme.kind == "bad" and ended and depth == 0
    word, stop = lexeme.text, lexeme.stop
    if word in STATEMENTS:
        if lexeme.fresh and word != "answer":
            return True
        if lexeme.fresh and ended and (depth == 0 or _DECLARES[word].match(text, stop)):
            return True
        if depth == 0 and ended and _DECLARES[word].match(text, stop):
            return True
        return (lexeme.fresh or ended) and _looks_like_one(text, stop)
    if not lexeme.fresh:
        return False
    if word in RESERVED:
        return word in ("for", "if", "not", "inf") and ended and depth == 0
    return (ended and depth == 0) or _looks_like_one(text, stop)


def _looks_like_one(text: str, stop: int) -> bool:
    """Whether what follows a word makes it the first one of a statement."""
    found = _STATEMENT_LIKE.match(text, stop)
    return found is not None and found[1] not in RESERVED


def _ends_value(before: list[Lexeme]) -> bool:
    """Whether the last lexeme may be the last one of a statement."""
    last = before[-1]
    if len(before) == 1 and last.text in STATEMENTS:
        return False
    if last.kind == "name" and last.text in _INFIX:
        return False
    return last.kind in ("name", "string", "number", "close", "bad")


# -- one statement


def _read(
    fragment: Fragment, source: Source, known: UnexpectedInput | None
) -> tuple[tuple[t.Statement, ...], list[ModelError]]:
    """Return what a fragment says, and what is wrong with it.

    ``known`` is what the parser said of the whole text, where that is one fragment.
    """
    untouched = not fragment.extra
    errors = [_left_out(extra, source) for extra in _first_of_each(fragment.extra)]
    problem = _brackets(fragment, source, errors)
    if not fragment.lexemes:
        return (), _ordered(errors)
    start = fragment.lexemes[0].start
    if fragment.keyword is None:
        errors.append(stranger(Place(source, fragment.lexemes, 0)))
    elif problem is not None and problem.code == "E0004":
        errors.append(problem)
    else:
        failure, offset = known, 0
        if known is None or not untouched or fragment.extra:
            failure, offset = None, start
            try:
                raw = parser().parse(_clean(fragment, source.text))
            except UnexpectedInput as error:
                failure = error
            else:
                made, wrong = Builder(source, start).statements(raw)
                return made, _ordered([*errors, *wrong])
        assert failure is not None
        found = _explained(fragment, failure, source, offset)
        if problem is not None:
            errors.append(problem)
        if not _follows(fragment, failure, offset, problem):
            errors.append(found)
    return (_broken(fragment, source),), _ordered(errors)


def _ordered(errors: list[ModelError]) -> list[ModelError]:
    return sorted(errors, key=lambda e: e.span.start if e.span else 0)


def _first_of_each(extra: list[Lexeme]) -> Iterator[Lexeme]:
    """Yield the first of each kind, so that a statement is told once."""
    seen = set()
    for lexeme in extra:
        kind = (lexeme.kind, lexeme.text[:1])
        if kind not in seen:
            seen.add(kind)
            yield lexeme


def _left_out(lexeme: Lexeme, source: Source) -> ModelError:
    """Return the error of what is told and then left out."""
    if lexeme.kind == "note":
        sign = lexeme.text[:2]
        return ModelError(
            f"`{sign}` begins no comment",
            code="E0002",
            span=Span(source, lexeme.start, lexeme.start + 2),
            hint="a comment begins with `#` and ends with its line",
        )
    if lexeme.text == ";":
        message, hint = "`;` cannot stand here", "leave it out: nothing marks a statement's end"
    elif lexeme.text[0] == "\ufeff" and lexeme.start == 0:
        message = "the text begins with a byte order mark"
        hint = "save the file as UTF-8 without it"
    else:
        code = f"U+{ord(lexeme.text[0]):04X}"
        blank = lexeme.text[0].isspace() and ord(lexeme.text[0]) > 0x7F
        message = f"a character that cannot be seen stands here ({code})"
        hint = "type a plain blank instead" if blank else "take it out"
    span = Span(source, lexeme.start, lexeme.start + 1)
    return ModelError(message, code="E0001", span=span, hint=hint)


def _clean(fragment: Fragment, text: str) -> str:
    """Return the text of a fragment, with blanks for what is left out."""
    start, at = fragment.lexemes[0].start, fragment.lexemes[0].start
    stop = fragment.lexemes[-1].stop
    parts = []
    for extra in sorted(fragment.extra, key=lambda x: x.start):
        if start <= extra.start < stop:
            parts += [text[at : extra.start], " " * len(extra.text)]
            at = extra.stop
    return "".join(parts) + text[at:stop]


def _brackets(fragment: Fragment, source: Source, errors: list[ModelError]) -> ModelError | None:
    """Return the first bracket that is not closed; one that closes nothing is left out."""
    stack: list[Lexeme] = []
    kept: list[Lexeme] = []
    problem: ModelError | None = None
    for lexeme in fragment.lexemes:
        kept.append(lexeme)
        if lexeme.kind == "open":
            stack.append(lexeme)
            if len(stack) > DEPTH:
                return ModelError(
                    f"brackets nest deeper than {DEPTH}",
                    code="E0004",
                    span=Span(source, lexeme.start, lexeme.stop),
                    hint="name a part of it with `let` or `fun`",
                )
        elif lexeme.kind == "close":
            if not stack:
                kept.pop()
                fragment.extra.append(lexeme)
                if lexeme.text not in {e.span.text for e in errors if e.span}:
                    errors.append(_stray(lexeme, source))
            elif CLOSING[stack[-1].text] == lexeme.text:
                stack.pop()
            else:
                problem = problem or _unclosed(stack[-1], lexeme, source)
                # the innermost bracket that it can close, else it was meant for the last one
                while len(stack) > 1 and CLOSING[stack[-1].text] != lexeme.text:
                    if not any(CLOSING[x.text] == lexeme.text for x in stack):
                        break
                    stack.pop()
                stack.pop()
    fragment.lexemes = kept
    if problem is None and stack:
        problem = _unclosed(stack[-1], None, source)
    return problem


def _stray(lexeme: Lexeme, source: Source) -> ModelError:
    (opening,) = (o for o, c in CLOSING.items() if c == lexeme.text)
    return ModelError(
        f"`{lexeme.text}` cannot stand here",
        code="E0002",
        span=Span(source, lexeme.start, lexeme.stop),
        hint=f"no `{opening}` is open: take it out, or open one before",
    )


def _unclosed(opening: Lexeme, closing: Lexeme | None, source: Source) -> ModelError:
    span = Span(source, opening.start, opening.stop)
    message = f"the `{opening.text}` of line {span.line} is not closed"
    if closing is not None:
        line = source.position(closing.start)[0]
        where = "" if line == span.line else f" on line {line}"
        message = f"the `{opening.text}` of line {span.line} is closed by `{closing.text}`{where}"
    return ModelError(
        message, code="E0013", span=span, hint=f"close it with `{CLOSING[opening.text]}`"
    )


def _explained(
    fragment: Fragment, failure: UnexpectedInput, source: Source, offset: int
) -> ModelError:
    """Return our words for what Lark says of a fragment."""
    lexemes = fragment.lexemes
    at = len(lexemes)
    where = _where(failure)
    if where is not None:
        at = _index(lexemes, offset + where)
    return explain(Place(source, lexemes, at, _expected(failure)))


def _follows(
    fragment: Fragment, failure: UnexpectedInput, offset: int, problem: ModelError | None
) -> bool:
    """Whether what Lark says is only the fault of a bracket that is told already."""
    lexemes, where = fragment.lexemes, _where(failure)
    at = len(lexemes) if where is None else _index(lexemes, offset + where)
    before = lexemes[at - 1].start if at else 0
    after = lexemes[at].start if at < len(lexemes) else None
    for extra in fragment.extra:
        if (
            extra.kind == "close"
            and before < extra.start
            and (after is None or extra.start < after)
        ):
            return True
    if problem is None or problem.span is None:
        return False
    if at < len(lexemes) and lexemes[at].start < problem.span.start:
        return False
    closing = {"(": "RPAR", "[": "RSQB", "{": "RBRACE"}[problem.span.text]
    return at == len(lexemes) or lexemes[at].kind == "close" or closing in _expected(failure)


def _index(lexemes: Sequence[Lexeme], offset: int) -> int:
    """Return the number of the lexeme at a place."""
    low, high = 0, len(lexemes)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if lexemes[middle].start <= offset else (low, middle)
    return low


def _where(failure: UnexpectedInput) -> int | None:
    """Return the place of a failure in the text that Lark has read, None for its end."""
    where: int | None = None
    if isinstance(failure, UnexpectedCharacters):
        where = failure.pos_in_stream
    elif isinstance(failure, UnexpectedToken) and failure.token.type != "$END":
        where = failure.token.start_pos
    return where


def _expected(failure: UnexpectedInput) -> frozenset[str]:
    if isinstance(failure, UnexpectedCharacters):
        return frozenset(failure.allowed or ())
    return frozenset(failure.expected) if isinstance(failure, UnexpectedToken) else frozenset()


# -- what a broken statement declares


def _broken(fragment: Fragment, source: Source) -> t.Broken:
    first, last = fragment.lexemes[0], fragment.lexemes[-1]
    names = tuple(
        t.Identifier(Span(source, x.start, x.stop), x.text)
        for x in _declared(fragment.lexemes)
        if x.text not in RESERVED
    )
    return t.Broken(Span(source, first.start, last.stop), names)


def _declared(lexemes: list[Lexeme]) -> Iterator[Lexeme]:
    """Yield the names that a statement most likely declares, as far as it can be read."""
    word = lexemes[0].text
    if word == "use":
        yield from (b for a, b in zip(lexemes, lexemes[1:]) if a.text == "as" and b.kind == "name")
        return
    if word in _INFIX or word == "infer" or lexemes[0].kind != "name":
        return
    if len(lexemes) < 2 or lexemes[1].kind != "name":
        return
    if word == "loss" and not (len(lexemes) > 2 and lexemes[2].text in ("=", "(")):
        return
    yield lexemes[1]
    if word in STATEMENTS and word not in _NAMES_FOLLOW:
        return
    depth = 0
    unclosed = sum((x.kind == "open") - (x.kind == "close") for x in lexemes) > 0
    for k, lexeme in enumerate(lexemes[2:-1], 2):
        if lexeme.kind == "open":
            depth += 1
        elif lexeme.kind == "close":
            depth -= 1
        elif lexeme.text == "," and lexemes[k + 1].kind == "name":
            # where a bracket is not closed, what looks like a declaration is one
            after = lexemes[k + 2].text if k + 2 < len(lexemes) else ""
            if depth <= 0 or (unclosed and after in ("[", ":")):
                yield lexemes[k + 1]
