"""What people write instead, and what to tell them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.source import Span
from factorgraph.syntax.foreign import BETWEEN, CHARACTERS, OTHERS, PAIRS, SHAPE
from factorgraph.syntax.place import SLOTS, Place
from factorgraph.syntax.scan import CLOSING, Lexeme
from factorgraph.syntax.words import RESERVED, STATEMENTS

TYPES = "a type is real, int, text, bit, a range like 0..9, a domain or a size"
COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_CLOSERS = {"]": "RSQB", ")": "RPAR", "}": "RBRACE"}


class Advice(NamedTuple):
    """What to tell.

    Attributes
    ----------
    hint : the way out.
    back, ahead : so many lexemes more belong to the place.
    message, code : instead of the usual ones.
    """

    hint: str | None
    back: int = 0
    ahead: int = 0
    message: str | None = None
    code: str | None = None


def explain(place: Place) -> ModelError:
    """Return the error of a place that cannot be read, with the likeliest way out."""
    for rule in RULES:
        advice = rule(place)
        if advice is not None:
            return _error(place, advice)
    return _error(place, Advice(None))


def stranger(place: Place) -> ModelError:
    """Return the error of a first lexeme that begins no statement."""
    return _error(place, _quoted(place) or _character(place) or _no_statement(place))


def short(text: str) -> str:
    """Return ``text``, cut where it is too long for a message."""
    return text if len(text) <= 40 else text[:30] + "…"


def _error(place: Place, advice: Advice) -> ModelError:
    source, last = place.source, len(place.lexemes) - 1
    if place.at > last:
        end = place.lexemes[last] if place.lexemes else Lexeme("bad", "", 0, True)
        whole = source.text[end.stop :].strip() == ""
        what = (
            "the text ends in the middle of a statement" if whole else "this statement breaks off"
        )
        start = place.lexemes[place.at - advice.back].start if advice.back else end.stop - 1
        return ModelError(
            advice.message or what,
            code=advice.code or "E0003",
            span=Span(source, max(0, start), max(1, end.stop)),
            hint=advice.hint,
        )
    first, end = place.lexemes[place.at - advice.back], place.lexemes[place.at + advice.ahead]
    stop = end.stop if end.kind != "bad" or end.text[0] in "'`“‘„" else end.start + 1
    one = place.lexemes[place.at].kind == "bad"
    if one:
        stop = place.lexemes[place.at].start + 1
    text = short(source.text[first.start : stop])
    return ModelError(
        advice.message or f"`{text}` cannot stand here",
        code=advice.code or ("E0001" if one else "E0002"),
        span=Span(source, first.start, stop),
        hint=advice.hint,
    )


# -- rules: the first that knows the mistake is taken


def _quoted(p: Place) -> Advice | None:
    sign = p.text()[:1]
    if p.kind() != "bad" or sign not in "'`“”‘’„\"«»":
        return None
    if sign == '"':
        return Advice('text stands between double quotes on one line: close it with `"`')
    if sign in "'`":
        return Advice("text stands between double quotes on one line")
    return Advice('text stands between the plain double quotes of the keyboard: "…"')


def _character(p: Place) -> Advice | None:
    if p.kind() != "bad":
        return None
    char = p.text()[0]
    if char in CHARACTERS:
        return Advice(CHARACTERS[char])
    plain = unicodedata.normalize("NFKC", char)
    if not char.isascii() and plain.isascii() and plain.strip():
        return Advice(f"write `{plain}` as on the keyboard")
    if char.isalpha():
        return Advice("names are made of the letters a to z, digits and `_`")
    return Advice(None)


def _no_statement(p: Place) -> Advice:
    word, after = p.text(), p.text(1)
    before = p.source.text[: p.lexemes[0].start].splitlines()
    if p.kind() == "number" and all(line.lstrip()[:1] in ("", "#") for line in before):
        return Advice("a graph in libDAI's format is answered by `fgc solve`, not a model")
    if p.kind() == "name":
        if word == "for":
            return Advice("a factor has its own loops: `factor NAME[i in n] = energy`")
        if word == "if":
            return Advice("a condition stands in a value: `if … then … else …`")
        known = word.lower() if word.lower() in STATEMENTS else OTHERS.get(word.lower())
        if known is not None:
            return Advice(f"did you mean `{known}`?")
        near = did_you_mean(word, STATEMENTS)
        if near is not None:
            return Advice(near)
        if word in ("real", "int", "text", "bit", "float", "bool", "string", "var", "variable"):
            return Advice("the type comes last: `given NAME : real`, `answer NAME : bit`")
        if after in ("=", ":=") or (after == ":" and p.text(2) == "="):
            return Advice(f"a definition begins with its word: `let {short(word)} = value`")
        if after == "~":
            return Advice(
                "unknowns are declared (`answer`, `latent`), and factors say what they cost"
            )
    return Advice("a statement begins with " + ", ".join(STATEMENTS))


def _reserved(p: Place) -> Advice | None:
    """A word of the language where a name is declared."""
    back = 1 if p.at == 2 and p.keyword not in ("loss", "infer", "use") else 0
    word = p.text(-back)
    if p.kind(-back) != "name" or word not in RESERVED:
        return None
    if not back and not (p.wants_name and word not in ("if", "for")):
        return None
    return Advice(
        f"call it `{word}_`",
        back=back,
        ahead=-back,
        message=f"`{word}` is a word of the language and cannot be a name",
        code="E0006",
    )


def _number(p: Place) -> Advice | None:
    if p.text(-1) == "." and p.kind(-2) == "number" and p.joined(-1):
        exponent = "e" in p.text(-2).lower()
        if p.kind() == "number" and exponent:
            return Advice("an exponent is a whole number: 1e5", back=2)
        if p.kind() == "number":
            return Advice("a number has one point: 0.5", back=2)
        return Advice("a number needs a digit after the point: 1.0", back=2, ahead=-1)
    if p.text() == "." and p.kind(1) == "number" and p.joined(1) and p.text(-1) != "..":
        if p.kind(-1) == "number" and p.joined():
            return Advice("a number has one point: 0.5", back=1, ahead=1)
        return Advice(f"a number needs a digit before the point: 0.{p.text(1)}", ahead=1)
    if p.kind(-1) == "number" and p.kind() == "name" and p.joined():
        number, word = p.text(-1), p.text()
        if word[0] == "_":
            return Advice("a number has no `_` in it", back=1)
        if number == "0" and word[0] in "xXbBoO" and len(word) > 1:
            return Advice("whole numbers are decimal", back=1)
        if word in ("e", "E"):
            return Advice("an exponent has digits: 1e5", back=1)
        return Advice(f"write `{short(number)} * {short(word)}`", back=1)
    return None


def _arrow(p: Place) -> Advice | None:
    """A wrong sign where a definition wants its own."""
    if not p.before_sign or (p.wants_name and p.text() != "=>"):
        return None
    sign, ahead = p.text(), 0
    while p.kind(ahead + 1) == "sign" and p.joined(ahead + 1) and p.text(ahead + 1) in "=><-:":
        ahead += 1
        sign += p.text(ahead)
    kind = p.keyword
    if kind == "hard":
        wanted = "`:` states: hard NAME : condition"
    elif kind in SLOTS:
        wanted = f"`:` states the type: {SHAPE[kind]}"
    elif sign == "==":
        wanted = "`=` defines, `==` tests"
    else:
        wanted = f"`=` defines: {SHAPE[kind]}"
    if sign in ("=", ":", "==", "=>", "->", ":=", "<-", "::"):
        if sign == ":" and kind in ("factor", "let"):
            return Advice(
                wanted + ("; a condition is stated by `hard`" if kind == "factor" else "")
            )
        return Advice(wanted, ahead=ahead)
    return None


def _pair(p: Place) -> Advice | None:
    """Two signs that are one in other languages."""
    for first in (-1, 0):
        both = p.text(first) + p.text(first + 1)
        if p.kind(first) == p.kind(first + 1) == "sign" and p.joined(first + 1) and both in PAIRS:
            if both == "===" and p.text(first) == "=":
                continue
            return Advice(PAIRS[both], back=-first, ahead=first + 1)
    return None


def _choice(p: Place) -> Advice | None:
    """``if`` without ``then`` or ``else``, or after its value."""
    words = p.words
    if p.text() == "if" and p.value(-1) and "for" in p.later:
        return Advice("the condition comes last: `… for i in n if condition`")
    if p.text() == "if" and p.value(-1):
        return Advice("write `if condition then a else b`")
    if words.count("then") > words.count("else") and "else" not in [p.text(), *p.later]:
        if "ELSE" in p.expected and not (p.text() and p.value() and p.kind() != "close"):
            return Advice("the `else` is missing: `if … then … else …`")
    unmet = [k for k in p.level if p.lexemes[k].text == "if" and _opens_value(p, k)]
    if len(unmet) > words.count("then") and "then" not in p.later:
        if "THEN" in p.expected or p.text() in ("else", ":"):
            return Advice("the `then` is missing: `if … then … else …`")
    if p.text() in ("then", "else") and not unmet:
        return Advice("it follows `if`: `if … then … else …`")
    return None


def _opens_value(p: Place, k: int) -> bool:
    """Whether the ``if`` at ``k`` begins a value and is no guard."""
    return not Place(p.source, p.lexemes, k).value(-1)


def _loop(p: Place) -> Advice | None:
    """``for`` in the wrong place, and binders without ``in``."""
    if p.text(-1) == "for" and p.text(-2) in ("(", ","):
        return Advice("the value comes first: `sum(x[i] for i in n)`", back=1, ahead=-1)
    if p.text() == "for" and p.wants_value:
        return Advice("the value comes first: `sum(x[i] for i in n)`")
    if p.text() == "for" and not p.open:
        return Advice("write `factor NAME[i in n] = …` or `sum(… for i in n)`")
    if "IN" not in p.expected or {"INT", "COMPARE"} & p.expected or p.kind(-1) != "name":
        return None
    name = short(p.text(-1))
    if p.text() in ("=", ":", ":=") or p.text() in ("from", "over", "of"):
        rest: list[str] = []
        for word in p.later:
            if word in (",", "if", "for", "]") or len(rest) == 6:
                break
            rest.append(word)
        return Advice(f"say `{name} in {short(''.join(rest)) or 'n'}`")
    return Advice(f"say what it runs over: `{name} in n`")


def _comparison(p: Place) -> Advice | None:
    if p.text() not in (*COMPARISONS, "="):
        return None
    words = p.words
    ends = [k for k, w in enumerate(words) if w in ("and", "or", "=>", "not", "if", "then", "else",
                                                      ",", ":", "=", "in")]  # fmt: skip
    before = words[ends[-1] + 1 if ends else 0 :]
    earlier = [w for w in before if w in COMPARISONS]
    if earlier and p.text() != "=":
        return Advice(f"write `a {earlier[-1]} b and b {p.text()} c`")
    if ends and words[ends[-1]] == "in" and "COMPARE" not in p.expected and p.bracket:
        return Advice("a condition follows `if`: `i in n if i > 0`")
    return None


def _sign(p: Place) -> Advice | None:
    """``=``, ``:``, ``,``, ``~`` where they mean nothing."""
    text, words = p.text(), p.words
    if text == "=" and p.keyword == "hard" and "COLON" in p.expected:
        return Advice("`:` states: hard NAME : condition")
    if text == "=" and p.keyword == "param" and "~" in words and not p.open:
        return Advice(f"the value comes before `~`: {SHAPE['param']}")
    if text == "=" and p.keyword in SLOTS and not p.open:
        return Advice("its values come with the data: `let` and `param` have values")
    if text == "=" and p.value(-1):
        return Advice("`==` tests, `=` defines")
    if text == ":" and p.bracket == "[":
        return Advice("a range is written `a..b`, both ends included")
    if text == ":" and p.keyword == "param" and "=" in words and not p.open:
        return Advice("the type comes before the value: param NAME : positive = 1")
    if text == ":" and p.keyword == "hard" and not p.open:
        return Advice("`:` stands once: hard NAME : condition")
    if text == ":":
        return Advice("`:` states a type, or the condition of `hard`")
    if text == "~":
        return Advice("only a param is regularised: param NAME ~ l2(1)")
    if text == "," and not p.open and p.keyword in SLOTS and ":" in words:
        return Advice("a statement gives one type: begin the next with its own word")
    if text == "," and p.text(-1) == ",":
        return Advice("one comma is enough")
    if text == "," and p.kind(-1) == "open":
        return Advice("a value is missing before the comma")
    if text == "," and not p.open:
        return Advice("a statement has one value; begin the next with its own word")
    return None


def _bracket(p: Place) -> Advice | None:
    """Brackets that are empty, or of other languages."""
    text = p.text()
    if p.kind() == "close" and p.kind(-1) == "open":
        if p.keyword == "fun" and p.at == 3:
            return Advice("a function has arguments; a value without them is a `let`", back=1)
        inside = {"]": "an index is missing", "}": "a list has at least one value"}
        what = inside.get(text, "a value is missing")
        return Advice(f"{what}: leave the brackets out, or fill them", back=1)
    if p.kind() == "close" and p.text(-1) == ",":
        return Advice("leave out the comma before it")
    if p.text() == ".." or p.text(-1) == "..":
        if p.kind(-1) == "open" or p.kind() == "close" or not text:
            return Advice("a range has both ends: 0..n-1")
        if p.bracket == "{":
            return Advice("a range stands without braces: 0..9")
        if text == "..":
            return Advice("a range stands after `in`, in an index, or as a type")
    if text == "[" and p.keyword in SLOTS and p.text(-1) == ":" and "," in p.later:
        return Advice(f"list its values in a domain: `domain D = {_in_braces(p)}`, and use D")
    if text in ("{", "[") and (p.before_sign or (p.keyword in SLOTS and not p.open)):
        return None
    if text == "{":
        if p.text(-1).startswith("sum") or p.text(-1).endswith("_"):
            return Advice("write `sum(x[i] for i in n)`")
        return Advice("braces list values, as in {A, B}; parentheses group")
    if text == "[" and (p.text(-1) == "in" or (p.keyword == "domain" and p.text(-1) == "=")):
        return Advice(f"braces list values: `{_in_braces(p)}`")
    if text == "[" and p.wants_value:
        return Advice(
            "there are no arrays in the text: they come from the data, a `let` or a `param`"
        )
    if text == "(" and p.kind(-1) == "name" and p.text(-2) == ".":
        return Advice(f"a function is called `{short(p.text(-1))}(…)`, without a point")
    if text == "(" and p.wants_name and p.keyword in ("factor", "hard", "let"):
        return Advice(f"write `{SHAPE[p.keyword]}`")
    if text == "(" and p.keyword in ("factor", "hard", "let") and p.at == 2:
        return Advice("indices stand in square brackets: " + SHAPE.get(p.keyword, ""))
    return None


def _in_braces(p: Place) -> str:
    """Return the list in the square brackets that open here, with braces instead."""
    depth = 0
    for lexeme in p.lexemes[p.at :]:
        depth += (lexeme.kind == "open") - (lexeme.kind == "close")
        if depth == 0:
            inside = " ".join(p.source.text[p.lexemes[p.at].stop : lexeme.start].split())
            return short(f"{{{inside}}}") if inside else "{A, B}"
    return "{A, B}"


def _name_missing(p: Place) -> Advice | None:
    if p.bracket == "{" and p.kind() == "number":
        return Advice("values are whole numbers, names or texts")
    if p.keyword == "use" and p.at == 1:
        return Advice('a file stands in double quotes: use "other.fg"')
    if not p.wants_name or p.text(-1) == "." or not p.text():
        return None
    if p.keyword == "map" and p.text(-1) == "=":
        return Advice(f"a map is built of layers: {SHAPE['map']}")
    if p.kind() == "number":
        return Advice("a name begins with a letter")
    if p.kind() == "string":
        return Advice("a name stands without quotes")
    if p.at == 1 and p.keyword in SHAPE:
        return Advice(f"the name is missing: {SHAPE[p.keyword]}")
    return None


def _word(p: Place) -> Advice | None:
    """Two values side by side, or a word of the language between them."""
    text = p.text()
    if p.text(-1) == "lambda" and p.kind() == "name":
        return Advice("write `fun NAME(x) = value`", back=1)
    if p.kind() == "name" and text in BETWEEN and p.value(-1):
        return Advice(BETWEEN[text])
    if text == "not" and p.text(1) == "in":
        return Advice("write `not (a in b)`")
    if text in STATEMENTS and text != "answer":
        return Advice(f"`{text}` only begins a statement")
    if p.before_sign and text and not p.wants_value and not p.wants_name:
        if p.keyword in ("size", "param", *SLOTS) and p.kind() == "name":
            return Advice("is a comma missing before it?")
        if p.keyword == "loss":
            return Advice("is an operator or the `=` missing before it?")
        sign = ":" if p.keyword in ("hard", *SLOTS) else "="
        return Advice(f"is the `{sign}` missing before it? {SHAPE[p.keyword]}")
    if p.kind() not in ("name", "number", "string") and text not in ("(", "{"):
        return None
    if not p.value(-1) or p.wants_value or text in RESERVED:
        return None
    if p.open:
        return Advice("is a comma or an operator missing before it?")
    if p.keyword in SLOTS:
        return Advice("a statement gives one type: begin the next with its own word")
    return Advice("is an operator missing before it?")


def _value_missing(p: Place) -> Advice | None:
    if p.keyword in SLOTS and p.text(-1) == ":" and not p.open:
        return Advice(TYPES)
    if p.text(-1) == "." and not p.wants_value:
        return Advice("a name follows the point")
    if not p.wants_value:
        return None
    if p.text() == "+" and p.kind(-1) in ("sign", "open"):
        return Advice("a number has no sign `+`: leave it out")
    if p.kind() in ("sign", "close", "") and (p.kind(-1) in ("sign", "open") or _infix(p.text(-1))):
        if p.kind(-1) == "open" and p.kind() == "sign":
            return Advice(f"a value is missing before `{p.text()}`")
        return Advice(f"a value is missing after `{p.text(-1)}`")
    return None


def _infix(word: str) -> bool:
    return word in RESERVED and word not in (*STATEMENTS, "inf")


def _end(p: Place) -> Advice | None:
    """The statement is over too early."""
    if p.text():
        return None
    if p.text(-1) == ",":
        return Advice("leave out the comma at its end, or go on after it")
    if p.at <= 1 and p.keyword in SHAPE:
        return Advice(f"write `{SHAPE[p.keyword]}`")
    if p.text(-1) in ("=", ":", "~") and not p.open:
        return Advice(f"what follows `{p.text(-1)}` is missing")
    if p.keyword in SLOTS and ":" in p.words and "__ANON_0" in p.expected:
        return Advice(TYPES)
    inside = [word for word in p.words[1:] if word in STATEMENTS and word != "answer"]
    if inside:
        return Advice(f"`{inside[-1]}` begins a statement: {SHAPE[inside[-1]]}")
    if p.keyword == "param" and p.kind(-1) == "number" and p.text(-2) == ":":
        return Advice(f"a value follows `=`: {SHAPE['param']}")
    if p.text(-1) == "as":
        return Advice('a name follows `as`: use "other.fg" as q')
    if p.before_sign:
        return Advice(f"its end is missing: {SHAPE[p.keyword]}")
    return Advice("is a bracket left open, or the value missing?")


def _closing(p: Place) -> Advice | None:
    closers = [c for c, name in _CLOSERS.items() if name in p.expected]
    if not p.open or CLOSING[p.bracket] not in closers:
        return None
    return Advice(f"is a `{CLOSING[p.bracket]}` missing before it?")


RULES: tuple[Callable[[Place], Advice | None], ...] = (
    _quoted,
    _character,
    _reserved,
    _number,
    _arrow,
    _loop,
    _pair,
    _choice,
    _comparison,
    _sign,
    _bracket,
    _name_missing,
    _word,
    _value_missing,
    _end,
    _closing,
)
