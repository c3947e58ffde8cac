"""Texts that are wrong in several places: all is told, and what is right is read as before."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark.exceptions import UnexpectedInput

from factorgraph.errors import ModelError, ModelErrors
from factorgraph.syntax import table
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import DEPTH, LENGTH, parse, parse_all
from factorgraph.syntax.recover import MOST, fragments, recover

TEXTS = sorted((Path(__file__).parent / "language").glob("*.fg"))
OCR = (Path(__file__).parent / "language" / "ocr.fg").read_text(encoding="utf-8")


def errors(text: str) -> tuple[ModelError, ...]:
    return parse_all(text)[1]


def told(text: str) -> list[tuple[str, str]]:
    """Return code and place of each error."""
    return [(e.code, e.span.text if e.span else "") for e in errors(text)]


def broken(text: str) -> list[list[str]]:
    """Return the names of each broken statement."""
    return [
        [name.name for name in s.names]
        for s in parse_all(text)[0].statements
        if isinstance(s, t.Broken)
    ]


# -- texts that are right


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)
def test_right_texts_are_cut_between_their_statements(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for written in (text, re.sub(r"\s+", " ", re.sub(r"#[^\n]*", "", text))):
        file, wrong = parse_all(written, path.name)
        assert wrong == ()
        cuts = [(f.lexemes[0].start, f.lexemes[-1].stop) for f in fragments(written)]
        assert cuts == [(s.span.start, s.span.stop) for s in file.statements]
        again, wrong = recover(file.source, None)
        assert wrong == () and again == file
        assert [s.span for s in again.statements] == [s.span for s in file.statements]


def test_words_of_the_language_as_values() -> None:
    text = "loss a = E(answer) -\n answer.y\nloss b = norm(best -\n answer)\nanswer\n y\n : bit"
    assert errors(text) == ()
    assert len(list(fragments(text))) == 3


def test_right_texts_pay_nothing() -> None:
    program = (
        "import sys; from factorgraph.syntax.parser import parse; parse(sys.stdin.read());"
        "print(*[m for m in sys.modules if m.startswith('factorgraph.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=OCR, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "factorgraph.syntax.parser" in loaded
    assert not {"factorgraph.syntax.recover", "factorgraph.syntax.mistakes"} & loaded


# -- one mistake leaves the rest alone

BAD = [
    "factor = 3",
    "hard bad : (a",
    "hard bad : a]",
    "let bad = 'x'",
    "facto bad = z",
    "given bad[n : real",
    "size bad,",
    "let bad = b +",
    'use "x.fg',
    "let bad = (a +\n  max(b, 1",
    "$$$ % &",
    "for i in n:",
    "param bad[2] = = 1",
    "loss",
    "loss bad(2) = 3",
    "let bad = " + "(" * (DEPTH + 1) + "a" + ")" * (DEPTH + 1),
    "let bad = " + "a + " * (DEPTH + 1) + "a",
    "let bad = if",
    "hard bad : x = y",
    "let bad = 1e999",
    "fun bad(then) = 1",
]


@pytest.mark.parametrize("bad", BAD, ids=lambda b: b[:20])
@pytest.mark.parametrize("path", TEXTS[2::9], ids=lambda p: p.stem)
def test_others_are_read_as_before(path: Path, bad: str) -> None:
    text = path.read_text(encoding="utf-8")
    expected = parse(text).statements
    for k in range(len(expected) + 1):
        at = expected[k].span.start if k < len(expected) else len(text)
        file, wrong = parse_all(f"{text[:at]}\n{bad}\n{text[at:]}\n")
        assert [e.code for e in wrong] != [] and len(wrong) == 1, [e.report() for e in wrong]
        start = wrong[0].span.start if wrong[0].span else -1
        assert at <= start <= at + len(bad)
        read = [s for s in file.statements if not isinstance(s, t.Broken)]
        # a bracket that closes nothing is told and left out
        extra = bad == "hard bad : a]"
        assert len(file.statements) == len(expected) + 1
        assert tuple(read[:k] + read[k + extra :]) == expected


def test_all_errors_are_told_in_order() -> None:
    text = """\
domain Tag = {A, B
size   n;
given  x[n] = real
answer y[n] ; Tag
param  W[Tag, n ~ l2(1)
facto  f[t in n] = -W[y[t], t]
factor g[t in n] = x[t] ** 2
hard   h : y[0] = y[1]
loss   nll
"""
    assert told(text) == [
        ("E0013", "{"), ("E0001", ";"), ("E0002", "="), ("E0001", ";"), ("E0002", "Tag"),
        ("E0013", "["), ("E0002", "facto"), ("E0002", "**"), ("E0002", "="),
    ]  # fmt: skip
    assert broken(text) == [["Tag"], ["x"], ["y"], ["W"], ["f"], ["g"], ["h"]]
    with pytest.raises(ModelErrors) as caught:
        parse(text)
    assert caught.value.errors == caught.value.all and len(caught.value.errors) == 9
    report = caught.value.report()
    assert report.endswith("9 errors") and report.count("^") >= 9
    with pytest.raises(ModelError) as alone:
        parse("loss nll hard")
    assert not isinstance(alone.value, ModelErrors)


def test_a_statement_is_told_once() -> None:
    assert len(errors("factor f = a b c d ' ? !")) == 1
    assert len(errors("factor f = a $ b ) ) )")) == 2  # a bracket that closes nothing: its own
    assert len(errors("factor f[i=1..n] = (a b")) == 2  # so is one that is not closed
    assert len(errors("factor f = (a b")) == 1
    assert len(errors("factor f = ;;;; 1 ;;; ; $")) == 2
    assert len(errors("facto f = ** '")) == 1


def test_errors_of_meaning_are_told_too() -> None:
    """What the grammar lets through and the tree does not, beside what the grammar refuses."""
    text = "let a = 1e999\nlet b = then\nloss c(2) = 1\n"
    assert told(text) == [("E0007", "1e999"), ("E0006", "then"), ("E0008", "2")]
    assert told(text + "let d = )\nlet e = 1e999") == [
        ("E0007", "1e999"), ("E0006", "then"), ("E0008", "2"), ("E0002", ")"), ("E0007", "1e999"),
    ]  # fmt: skip
    assert broken(text) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("given word[n], pos[n] : 'text'", ["word", "pos"]),
        ("given word[n, pos[n] : text", ["word", "pos"]),
        ("param W[Tag, k] = normal(0, 1), u ~ $", ["W", "u"]),
        ("param W[Tag, k = normal(0, 1), u[3]", ["W", "u"]),
        ("size n = 3, c[n] =", ["n", "c"]),
        ("fun f(a, b) = a $ b", ["f"]),
        ("loss mine(a = 1) = a $ b", ["mine"]),
        ("loss nll $", []),
        ('use "x.fg" as q $', ["q"]),
        ("latnt z[n], h[n] : bit", ["z", "h"]),
        ("factor loss = $", []),
        ("infer trws $", []),
        ("given a, b : 1e999 .. 2", ["a", "b"]),
        ("param a = 1e999, b", ["a", "b"]),
        ("loss mine(a = 1) = 1e999", ["mine"]),
        ("loss 1e999", []),
    ],
)
def test_names_of_broken_statements(text: str, names: list[str]) -> None:
    assert broken(text) == [names]


# -- brackets


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("let a = 1\nlet b = (a", 18, "the `(` of line 2 is not closed"),
        ("let b = f(a,\n  x[1", 16, "the `[` of line 2 is not closed"),
        ("let b = (a]", 8, "the `(` of line 1 is closed by `]`"),
        ("let b = (a\n ]\nlet c = 1", 8, "the `(` of line 1 is closed by `]` on line 2"),
        ("let b = f(x[(1])", 12, "the `(` of line 1 is closed by `]`"),
        ("let b = f(x[1)", 11, "the `[` of line 1 is closed by `)`"),
        ("domain D = {A, B\nlet b = 1", 11, "the `{` of line 1 is not closed"),
        ("factor f = xs[0 factor g = 1", 13, "the `[` of line 1 is not closed"),
    ],
)
def test_brackets_are_paired(text: str, place: int, message: str) -> None:
    (error,) = errors(text)
    assert error.code == "E0013" and error.message == message
    assert error.span is not None and (error.span.start, error.span.stop) == (place, place + 1)
    assert error.hint is not None and error.hint.startswith("close it with")


def test_what_stands_beside_an_open_bracket_is_told() -> None:
    assert told("factor f = max(z, 1 +* 3\nloss nll") == [("E0013", "("), ("E0002", "*")]
    assert told("factor f = max(t $ 3") == [("E0013", "(")]
    assert told("factor f = max(t, $ 3") == [("E0013", "("), ("E0001", "$")]
    assert told("factor f = a $ (b") == [("E0001", "$"), ("E0013", "(")]
    assert told("hard f[t in n : x[t] == 1") == [("E0013", "[")]
    assert told("factor f = (a [1, 2) + 3") == [("E0013", "[")]


@pytest.mark.parametrize("sign", ["(", "[", "{", "max("])
def test_brackets_nest_to_a_limit(sign: str) -> None:
    closing = {"(": ")", "[": "]", "{": "}"}[sign[-1]]
    for depth in (DEPTH + 1, 200_000 if sign == "max(" else 2000):
        text = f"let a = 1\nlet b = {sign * depth}1{closing * depth}\nlet c = 2"
        file, (error,) = parse_all(text)
        assert error.code == "E0004" and error.span is not None and error.span.line == 2
        assert [type(s) for s in file.statements] == [t.Let, t.Broken, t.Let]
    assert told(f"let b = {sign * 200_000}")[0][0] == "E0004"
    assert errors("let b = " + "(" * DEPTH + "1" + ")" * DEPTH) == ()
    # brackets in comments and texts do not count
    assert errors(f'let b = "{sign * 200}" # {sign * 200}') == ()


# -- what people write instead: text, code, place, hint

MISTAKES = [
    # signs of definitions
    ("hard h : x = y", "E0002", "=", "`==` tests, `=` defines"),
    ("factor f[t in n if t = 1] = 2", "E0002", "=", "`==` tests, `=` defines"),
    ("factor f : x", "E0002", ":",
     "`=` defines: factor NAME[i in n] = energy; a condition is stated by `hard`"),
    ("hard f = x", "E0002", "=", "`:` states: hard NAME : condition"),
    ("given x = real", "E0002", "=", "`:` states the type: given NAME[n] : real"),
    ("let a : 3", "E0002", ":", "`=` defines: let NAME = value"),
    ("domain D : {A, B}", "E0002", ":", "`=` defines: domain NAME = {A, B}"),
    ("factor f == 3", "E0002", "==", "`=` defines, `==` tests"),
    ("hard h == 3", "E0002", "==", "`:` states: hard NAME : condition"),
    ("let a := 3", "E0002", ":=", "`=` defines: let NAME = value"),
    ("let a => 3", "E0002", "=>", "`=` defines: let NAME = value"),
    ("let a <- 3", "E0002", "<-", "`=` defines: let NAME = value"),
    ("fun f(x) -> x", "E0002", "->", "`=` defines: fun NAME(x) = value"),
    ("let a = x -> y", "E0002", "->",
     "`=>` says that one follows from the other; a function is `fun NAME(x) = value`"),
    ("factor f 3", "E0002", "3", "is the `=` missing before it? factor NAME[i in n] = energy"),
    ("factor f[i in n] x[i]", "E0002", "x",
     "is the `=` missing before it? factor NAME[i in n] = energy"),
    ("hard h x", "E0002", "x", "is the `:` missing before it? hard NAME[i in n] : condition"),
    ("hard h : a : b", "E0002", ":", "`:` stands once: hard NAME : condition"),
    ("map g = 3", "E0002", "3", "a map is built of layers: map NAME = mlp(3, 2)"),
    ("loss nll perceptron", "E0002", "perceptron",
     "is an operator or the `=` missing before it?"),
    # ends of statements and comments
    ("factor f = 1;", "E0001", ";", "leave it out: nothing marks a statement's end"),
    ("factor f = 1 // the value here", "E0002", "//",
     "a comment begins with `#` and ends with its line"),
    ("// don't ( do that\nfactor f = 1", "E0002", "//",
     "a comment begins with `#` and ends with its line"),
    ("/* one\n two ( */ factor f = 1", "E0002", "/*",
     "a comment begins with `#` and ends with its line"),
    ("-- of another language\nfactor f = 1", "E0002", "--",
     "a comment begins with `#` and ends with its line"),
    ("size n,", "E0003", ",", "leave out the comma at its end, or go on after it"),
    ("let a", "E0003", "a", "its end is missing: let NAME = value"),
    ("factor f = a +", "E0003", "+", "a value is missing after `+`"),
    ("param w : 3", "E0003", "3", "a value follows `=`: param NAME[k] = 0 ~ l2(1)"),
    # texts
    ("factor f = 'text'", "E0001", "'", "text stands between double quotes on one line"),
    ("factor f = `text`", "E0001", "`", "text stands between double quotes on one line"),
    ("factor f = “text (”", "E0001", "“",
     'text stands between the plain double quotes of the keyboard: "…"'),
    ('factor f = "text', "E0001", '"',
     'text stands between double quotes on one line: close it with `"`'),
    ("use other.fg", "E0002", "other", 'a file stands in double quotes: use "other.fg"'),
    # operators
    ("factor f = a ** b", "E0002", "**", "a power is written `^`"),
    ("hard h : a && b", "E0002", "&&", "write `and`"),
    ("hard h : a || b", "E0001", "|", "or is written `or`, the absolute value `abs(x)`"),
    ("hard h : !a", "E0001", "!", "write `not`"),
    ("hard h : a <> b", "E0002", "<>", "write `!=`"),
    ("hard h : a =< b", "E0002", "=<", "write `<=`"),
    ("hard h : a === b", "E0002", "===", "write `==`"),
    ("hard h : a is b", "E0002", "is", "write `==`"),
    ("hard h : a not in b", "E0002", "not", "write `not (a in b)`"),
    ("let a = x++", "E0002", "++", "nothing is counted up in a model: `x + 1` is a value"),
    ("let a = x += 1", "E0002", "+=",
     "a name keeps its value: give the new one a name of its own"),
    ("let a = +3", "E0002", "+", "a number has no sign `+`: leave it out"),
    ("let a = x * * 3", "E0002", "*", "a value is missing after `*`"),
    ("let a = b mod c", "E0002", "mod", "write `%`"),
    ("let a = b @ c", "E0001", "@", "a product of arrays is written `dot(a, b)`"),
    ("hard h : a < b < c", "E0002", "<", "write `a < b and b < c`"),
    ("hard h : a == b == c", "E0002", "==", "write `a == b and b == c`"),
    # choices and loops
    ("factor f = if a then b", "E0003", "b", "the `else` is missing: `if … then … else …`"),
    ("factor f = (if a then b) + 1", "E0002", ")",
     "the `else` is missing: `if … then … else …`"),
    ("factor f = if a: b", "E0002", ":", "the `then` is missing: `if … then … else …`"),
    ("factor f = if a then b elif c then d else e", "E0002", "elif", "write `else if`"),
    ("factor f = a if c else b", "E0002", "if", "write `if condition then a else b`"),
    ("factor f = c ? a : b", "E0001", "?", "write `if … then … else …`"),
    ("factor f = sum(for i in n x[i])", "E0002", "for",
     "the value comes first: `sum(x[i] for i in n)`"),
    ("factor f = sum(x[i] if c for i in n)", "E0002", "if",
     "the condition comes last: `… for i in n if condition`"),
    ("factor f = sum(x[i] for i = 1..n)", "E0002", "=", "say `i in 1..n`"),
    ("factor f = x[i] for i in n", "E0002", "for",
     "write `factor NAME[i in n] = …` or `sum(… for i in n)`"),
    ("for i in n: f(i)", "E0002", "for",
     "a factor has its own loops: `factor NAME[i in n] = energy`"),
    ("factor f = sum_{i} x[i]", "E0002", "{", "write `sum(x[i] for i in n)`"),
    ("factor f[i=1..n] = 1", "E0002", "=", "say `i in 1..n`"),
    ("factor f[i : n] = 1", "E0002", ":", "say `i in n`"),
    ("factor f[i] = 1", "E0002", "]", "say what it runs over: `i in n`"),
    ("factor f[i in n < 3] = 1", "E0002", "<", "a condition follows `if`: `i in n if i > 0`"),
    ("factor f[i in 1:n] = 1", "E0002", ":", "a range is written `a..b`, both ends included"),
    ("factor f(i in n) = 1", "E0002", "(",
     "indices stand in square brackets: factor NAME[i in n] = energy"),
    ("let f = lambda x: x", "E0002", "lambda x", "write `fun NAME(x) = value`"),
    # ranges
    ("let a = x[1:3]", "E0002", ":", "a range is written `a..b`, both ends included"),
    ("let a = x[1..]", "E0002", "]", "a range has both ends: 0..n-1"),
    ("let a = x[..3]", "E0002", "..", "a range has both ends: 0..n-1"),
    ("let a = x[1...3]", "E0002", "...", "a range is written `a..b`"),
    ("domain D = {0..9}", "E0002", "..", "a range stands without braces: 0..9"),
    ("let a = 1..3", "E0002", "..", "a range stands after `in`, in an index, or as a type"),
    # numbers
    ("let a = 1e5.2", "E0002", "1e5.2", "an exponent is a whole number: 1e5"),
    ("let a = 1e", "E0002", "1e", "an exponent has digits: 1e5"),
    ("let a = 0.5.", "E0003", "0.5.", "a number needs a digit after the point: 1.0"),
    ("let a = 1. * b", "E0002", "1.", "a number needs a digit after the point: 1.0"),
    ("let a = .5", "E0002", ".5", "a number needs a digit before the point: 0.5"),
    ("let a = 1.2.3", "E0002", "1.2.3", "a number has one point: 0.5"),
    ("let a = 2x", "E0002", "2x", "write `2 * x`"),
    ("let a = 1_000", "E0002", "1_000", "a number has no `_` in it"),
    ("let a = 0x10", "E0002", "0x10", "whole numbers are decimal"),
    # names and words
    ("let in 3", "E0006", "in", "call it `in_`"),
    ("given if else : real", "E0006", "if", "call it `if_`"),
    ("let a = loss + 1", "E0006", "loss", "call it `loss_`"),
    ("factor f[for in n] = 1", "E0006", "for", "call it `for_`"),
    ("let 3 = a", "E0002", "3", "a name begins with a letter"),
    ('let "a" = 3', "E0002", '"a"', "a name stands without quotes"),
    ("factor = 3", "E0002", "=", "the name is missing: factor NAME[i in n] = energy"),
    ("Factor f = 1", "E0002", "Factor", "did you mean `factor`?"),
    ("FACTOR f = 1", "E0002", "FACTOR", "did you mean `factor`?"),
    ("facto f = 1", "E0002", "facto", "did you mean `factor`?"),
    ("def f(x) = x", "E0002", "def", "did you mean `fun`?"),
    ("import \"x.fg\"", "E0002", "import", "did you mean `use`?"),
    ("foo = 3", "E0002", "foo", "a definition begins with its word: `let foo = value`"),
    ("real x[n]", "E0002", "real",
     "the type comes last: `given NAME : real`, `answer NAME : bit`"),
    ("xyzzy f = 1", "E0002", "xyzzy",
     "a statement begins with use, domain, size, given, answer, latent, param, map, let, fun, "
     "factor, hard, loss, infer"),
    ("factor f = (a given b)", "E0002", "given", "`given` only begins a statement"),
    ("factor f = a given b", "E0003", "b", "`given` begins a statement: given NAME[n] : real"),
    # commas and brackets
    ("factor f = max(a b)", "E0002", "b", "is a comma or an operator missing before it?"),
    ("size n m", "E0002", "m", "is a comma missing before it?"),
    ("factor f = a b", "E0002", "b", "is an operator missing before it?"),
    ("factor f = max(a, )", "E0002", ")", "leave out the comma before it"),
    ("factor f = max(a,, b)", "E0002", ",", "one comma is enough"),
    ("factor f = max(, a)", "E0002", ",", "a value is missing before the comma"),
    ("given x : real, y : int", "E0002", ",",
     "a statement gives one type: begin the next with its own word"),
    ("factor f = x[]", "E0002", "[]",
     "an index is missing: leave the brackets out, or fill them"),
    ("factor f[] = 1", "E0002", "[]",
     "an index is missing: leave the brackets out, or fill them"),
    ("let a = ()", "E0002", "()", "a value is missing: leave the brackets out, or fill them"),
    ("fun f() = 1", "E0002", "()", "a function has arguments; a value without them is a `let`"),
    ("let a = {}", "E0002", "{", "braces list values, as in {A, B}; parentheses group"),
    ("let a = {x + 1}", "E0002", "{", "braces list values, as in {A, B}; parentheses group"),
    ("let a = [1, 2]", "E0002", "[",
     "there are no arrays in the text: they come from the data, a `let` or a `param`"),
    ("factor f = x.sum()", "E0002", "(", "a function is called `sum(…)`, without a point"),
    ("factor f = z)", "E0002", ")", "no `(` is open: take it out, or open one before"),
    # types and weights
    ("given x : [3]", "E0002", "[",
     "a type is real, int, text, bit, a range like 0..9, a domain or a size"),
    ("given x : real = 3", "E0002", "=",
     "its values come with the data: `let` and `param` have values"),
    ("param W ~ l2(1) = 3", "E0002", "=",
     "the value comes before `~`: param NAME[k] = 0 ~ l2(1)"),
    ("param W = 3 : positive", "E0002", ":",
     "the type comes before the value: param NAME : positive = 1"),
    ("factor f = a ~ l2(1)", "E0002", "~", "only a param is regularised: param NAME ~ l2(1)"),
    # characters of other keyboards
    ("let a = 3 −2", "E0001", "−", "this is not the minus of the keyboard: write `-`"),
    ("hard h : a ≤ b", "E0001", "≤", "write `<=`"),
    ("let a = x²", "E0001", "²", "write `^2`"),
    ("let a = （b）", "E0001", "（", "write `(` as on the keyboard"),
    ("let λ = 3", "E0001", "λ", "names are made of the letters a to z, digits and `_`"),
    ("let a =\u00a03", "E0001", "\u00a0", "type a plain blank instead"),
    ("let a =\u200b3", "E0001", "\u200b", "take it out"),
    ("let a =\x003", "E0001", "\x00", "take it out"),
    ("\ufefflet a = 3", "E0001", "\ufeff", "save the file as UTF-8 without it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place", "hint"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_mistakes_of_habit(text: str, code: str, place: str, hint: str) -> None:
    (error,) = errors(text)
    assert (error.code, error.span and error.span.text, error.hint) == (code, place, hint)
    assert error.message and not error.message.endswith(".")


def test_what_may_be_left_out_leaves_the_statement_whole() -> None:
    expected = parse("answer y : bit let a = 3 factor f = a * y").statements
    for text in (
        "\ufeffanswer y : bit;\nlet a = 3;\nfactor f = a * y;\n",
        "// an answer first\nanswer y : bit // and so on\nlet a = 3 /* why? */ factor f = a * y",
        "answer\u00a0y : bit\n\u200blet a = 3\n\x00\x0cfactor f = a * y)\n}",
    ):
        file, wrong = parse_all(text)
        assert wrong and file.statements == expected


def test_tabs_and_carriage_returns_are_blanks() -> None:
    text = "answer\ty : bit\r\nlet\ta = 3\rfactor f = a\r\n\t* y"
    assert parse(text) == parse("answer y : bit let a = 3 factor f = a * y")
    assert told("let a = 3\r\r$") == [("E0001", "$")]


def test_early_ends_in_the_middle() -> None:
    first, last = errors("factor f =\nlet a = 1\nfactor g = a *\n")
    assert (first.code, first.message) == ("E0003", "this statement breaks off")
    assert last.message == "the text ends in the middle of a statement"


# -- limits


def test_not_more_than_enough_is_told() -> None:
    text = "let a = $\n" * (MOST + 7) + "let last = 1\n"
    file, wrong = parse_all(text)
    assert [e.code for e in wrong] == ["E0001"] * MOST + ["E0014"]
    assert wrong[-1].message.startswith(f"more than {MOST} errors")
    assert wrong[-1].span is not None and wrong[-1].span.line == MOST + 1
    assert isinstance(file.statements[-1], t.Broken)
    assert [n.name for n in file.statements[-1].names] == ["last"]
    assert len(errors("let a = $\n" * MOST)) == MOST


@pytest.mark.parametrize(
    "unit",
    ["\0", "\r", "\ufeff", "(", ")", '"', "'", "λ", ".", "a ", "a", "1", "//", "/*", "“", "-"],
)
def test_long_texts_of_one_kind(unit: str) -> None:
    """Lines of 200,000 characters and more; quadratic work would be felt."""
    for text in (unit * (200_000 // len(unit)), "let a = 1\nlet b = " + unit * 100_000):
        file, wrong = parse_all(text)
        if not wrong:
            assert unit in "\ra"
        assert len(wrong) <= MOST + 1 and len(file.statements) <= 3
        for error in wrong:
            assert len(error.report()) < 1000


def test_longest_text() -> None:
    assert errors("\0" * LENGTH)[0].code == "E0001"
    assert [e.code for e in errors(" " * (LENGTH + 1))] == ["E0005"]
    assert parse_all(" " * (LENGTH + 1))[0].statements == ()


# -- anything at all

PIECES = st.sampled_from(
    [*"()[]{}=:,~<>+-*/%&^.;#'\"\\\n\t\r\0!?|$λ“” 01a", *"\u2028\ufeff\u00a0", "..", "==", "//"]
    + ["factor ", "answer ", "loss ", "for ", "if ", "then ", "else ", "in ", "x", "1.5", '"t"']
    + ["factor f = ", "\nlet a = ", "answer y[n] : bit"]
)


@cache
def sources() -> list[str]:
    return [p.read_text(encoding="utf-8") for p in TEXTS if p.stat().st_size < 800]


@st.composite
def damaged(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(sources()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(PIECES) + text[at + draw(st.integers(0, 3)) :]
    return text


@settings(deadline=None, max_examples=400)
@given(st.one_of(damaged(), st.lists(PIECES, max_size=30).map("".join)))
def test_damaged_texts(text: str) -> None:
    file, wrong = parse_all(text)
    try:
        table.parser().parse(text)
        refused = False
    except UnexpectedInput:
        refused = True
    assert wrong or not refused
    places = [e.span for e in wrong if e.span is not None]
    assert len(places) == len(wrong)
    assert [p.start for p in places] == sorted(p.start for p in places)
    ends = 0
    for statement in file.statements:
        assert ends <= statement.span.start < statement.span.stop <= len(text)
        ends = statement.span.stop
    for error in wrong:
        assert error.code.startswith("E00")
        assert all(c.isprintable() or c == "\n" for c in error.report())
    assert t.show(file) is not None


@settings(deadline=None, max_examples=100)
@given(damaged(), st.integers(0, 3))
def test_a_right_statement_below_is_read(text: str, blank: int) -> None:
    """Whatever stands above, unless it opens a comment or a text that goes on."""
    below = "let untouched[i in n] = max(1, answer_of[i])"
    file, _ = parse_all(text.rstrip() + "\n" + "\n" * blank + below + "\n")
    if "/*" not in text and len(file.statements) <= MOST:
        assert file.statements[-1] == parse(below).statements[0]
