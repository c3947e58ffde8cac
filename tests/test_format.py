"""The formatter: nothing lost, nothing moved, one form; and `fgc fmt` around it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factorgraph.errors import ModelError
from factorgraph.syntax.format import format
from factorgraph.syntax.parser import parse

ROOT = Path(__file__).parent.parent
TEXTS = sorted((ROOT / "tests" / "language").glob("*.fg")) + sorted((ROOT / "models").rglob("*.fg"))

# A lexer of its own: what the formatter may change is only what stands between these.
LEXEME = re.compile(
    r'(?P<comment>#[^\n]*)|"[^"]*"|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+|[A-Za-z_]\w*'
    r"|\.\.|=>|[=!<>]=|//|\S"
)


def lexemes(text: str) -> list[str]:
    """Return tokens and comments in order; comments on lines of their own are told apart."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    out = []
    for found in LEXEME.finditer(text):
        word = found[0]
        if found["comment"]:
            line = text[: found.start()].rpartition("\n")[2]
            word = ("own " if not line.strip() else "end ") + word.expandtabs().rstrip()
        out.append(word)
    return out


def holds(text: str) -> str:
    """Return the formatted text after all that must be true of it has been looked at."""
    out = format(text)
    assert format(out) == out
    assert lexemes(out) == lexemes(text)
    assert parse(out) == parse(text.removeprefix("\ufeff"))
    assert not out or (out.endswith("\n") and not out.startswith("\n"))
    assert "\n\n\n" not in out and not out.endswith("\n\n")
    assert "\t" not in out and "\r\n" not in out
    assert not any(line != line.rstrip() for line in out.split("\n"))
    return out


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_texts_keep_tokens_comments_and_tree(path: Path) -> None:
    out = holds(path.read_text(encoding="utf-8"))
    for line in out.split("\n"):
        assert len(line.partition("#")[0].rstrip()) <= 100


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_texts_in_one_line_and_in_many_become_the_same(path: Path) -> None:
    text = re.sub("#.*", "", path.read_text(encoding="utf-8"))
    words = lexemes(text)
    assert format(" ".join(words)) == format("\n".join(words))


# -- any program ---------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "n", "y", "word", "real", "a_rather_long_name_of_something"])
numbers = st.sampled_from(["0", "7", "1.5", "2e3", "1048576"])
strings = st.sampled_from(['"I"', '"a # b"', '""'])


@st.composite
def joined(draw: st.DrawFn, items: st.SearchStrategy[list[str]], most: int = 3) -> list[str]:
    out = draw(items)
    for more in draw(st.lists(items, max_size=most - 1)):
        out = [*out, ",", *more]
    return out


def wrapped(left: str, inner: list[str], right: str) -> list[str]:
    return [left, *inner, right]


def widen(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    @st.composite
    def bigger(draw: st.DrawFn) -> list[str]:
        sum_ = draw(sums(inner))
        form = draw(st.integers(0, 9))
        if form == 0:
            return ["(", "if", *sum_, "then", *draw(inner), "else", *draw(inner), ")"]
        if form == 1:
            return [draw(names), "[", *draw(joined(subscripts(inner))), "]"]
        if form == 2:
            return [draw(names), ".", draw(names), "[", *sum_, "]"]
        if form == 3:
            return [draw(names), "(", *draw(joined(arguments(inner))), ")"]
        if form == 4:
            return ["(", *sum_, draw(st.sampled_from(["==", "<=", "!="])), *draw(inner), ")"]
        if form == 5:
            logic = draw(st.sampled_from(["and", "or", "=>"]))
            return ["(", "not", *sum_, logic, *draw(inner), ")"]
        if form == 6:
            return ["(", *sum_, ")", "^", *draw(inner)]
        if form == 7:
            return ["(", *sum_, "in", *sum_, "..", *draw(inner), ")"]
        return ["(", *sum_, ")"]

    return bigger()


@st.composite
def sums(draw: st.DrawFn, inner: st.SearchStrategy[list[str]]) -> list[str]:
    out = [*draw(st.sampled_from([[], [], ["-"]])), *draw(inner)]
    for _ in range(draw(st.integers(0, 3))):
        operator = draw(st.sampled_from("+ - * / // % &".split()))
        out += [operator, *draw(st.sampled_from([[], [], ["-"]])), *draw(inner)]
    return out


@st.composite
def subscripts(draw: st.DrawFn, inner: st.SearchStrategy[list[str]]) -> list[str]:
    out = draw(sums(inner))
    return [*out, "..", *draw(sums(inner))] if draw(st.booleans()) else out


@st.composite
def generators(draw: st.DrawFn, inner: st.SearchStrategy[list[str]]) -> list[str]:
    pattern = draw(st.sampled_from([["i"], ["(", "i", ",", "j", ")"], ["i", ",", "j"]]))
    source = draw(
        st.one_of(
            subscripts(inner),
            st.just(["{", "(", "0", ",", "1", ")", ",", "(", "-", "1", ",", "x", ")", "}"]),
        )
    )
    return [*pattern, "in", *source]


@st.composite
def guards(draw: st.DrawFn, inner: st.SearchStrategy[list[str]]) -> list[str]:
    return draw(st.sampled_from([[], ["if", *draw(sums(inner)), "<", *draw(inner)]]))


@st.composite
def arguments(draw: st.DrawFn, inner: st.SearchStrategy[list[str]]) -> list[str]:
    value = draw(sums(inner))
    form = draw(st.integers(0, 3))
    if form == 0:
        return [draw(names), "=", *value]
    if form == 1:
        return [*value, "for", *draw(generators(inner)), *draw(guards(inner))]
    return value


atoms = st.one_of(names, names, numbers, strings, st.just("inf")).map(lambda word: [word])
operands = st.recursive(atoms, widen, max_leaves=12)
expressions = sums(operands)
plain = sums(names.map(lambda word: [word]))
types = st.one_of(
    names.map(lambda word: [word]),
    plain.map(lambda top: ["0", "..", *top]),
    plain.map(lambda top: ["real", "(", "-", "1", ",", *top, ")"]),
    plain.map(lambda top: ["(", "a", ":", "0", "..", *top, ",", "b", ":", "int", ")"]),
)


@st.composite
def slots(draw: st.DrawFn) -> list[str]:
    shape = draw(st.one_of(st.just([]), joined(plain).map(lambda s: wrapped("[", s, "]"))))
    return [draw(names), *shape]


@st.composite
def weights(draw: st.DrawFn) -> list[str]:
    out = draw(slots())
    out += [":", *draw(types)] if draw(st.booleans()) else []
    out += ["=", *draw(expressions)] if draw(st.booleans()) else []
    out += ["~", "l2", "(", "1", ")", "+", "l1", "(", "2", ")"] if draw(st.booleans()) else []
    return out


@st.composite
def statements(draw: st.DrawFn) -> list[str]:
    word = draw(
        st.sampled_from(
            "use domain size given latent param map let fun factor hard loss infer".split()
        )
    )
    value = draw(expressions)
    if word == "use":
        return [word, draw(strings), *draw(st.sampled_from([[], ["as", "q"]]))]
    if word == "domain":
        sets = [
            [],
            ["=", "0", "..", "n", "-", "1"],
            ["=", "{", "A", ",", "-", "1", ",", '"b"', "}"],
        ]
        return [word, draw(names), *draw(st.sampled_from(sets))]
    if word == "size":
        return [word, *draw(joined(slots())), *draw(st.sampled_from([[], ["=", "5"]]))]
    if word in ("given", "latent"):
        return [word, *draw(joined(slots())), ":", *draw(types)]
    if word == "param":
        return [word, *draw(joined(weights()))]
    if word == "map":
        return [word, draw(names), "=", "mlp", "(", *value, ",", "act", "=", "relu", ")"]
    if word == "fun":
        formals = draw(st.sampled_from([["x"], ["i", ",", "j"], ["m", "=", "1"]]))
        return [word, draw(names), "(", *formals, ")", "=", *value]
    if word in ("let", "factor", "hard"):
        inside = [*draw(joined(generators(operands), 2)), *draw(guards(operands))]
        binders = draw(st.sampled_from([[], wrapped("[", inside, "]")]))
        return [word, draw(names), *binders, ":" if word == "hard" else "=", *value]
    if word == "loss" and draw(st.booleans()):
        formals = draw(st.sampled_from([[], ["(", "m", "=", "1", ",", "b", ")"]]))
        return [word, "mine", *formals, "=", *value]
    return [word, *value]


programs = st.lists(statements(), max_size=5).map(lambda parts: [w for p in parts for w in p])
comments = st.one_of(
    st.sampled_from(["#", "# one", "#two\t(tab)  ", '# "quoted', "# a # b", "# ü ∑"]),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=9).map(
        lambda text: "#" + text
    ),
)
blanks = st.sampled_from([" ", " ", " ", "  ", "\t", "\n", "\r\n", "\n\n", "\n \n\n\n", "\n   "])


@st.composite
def written(draw: st.DrawFn, words: list[str], rarely: int = 6) -> str:
    """Put words behind each other with all that may stand between them."""
    out = ""
    for last, word in zip(["", *words], [*words, ""]):
        touching = re.search(r"[\w.\"=<>!/]$", last) and re.match(r"[\w.\"=<>/]", word)
        if draw(st.integers(0, rarely)) == 0:
            parts = draw(st.lists(st.tuples(blanks, comments), min_size=1, max_size=3))
            out += "".join(f"{blank}{comment}\n" for blank, comment in parts)
        elif touching or draw(st.booleans()):
            out += draw(blanks)
        out += word
    return out


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_programs_keep_tokens_comments_and_tree(data: st.DataObject) -> None:
    holds(data.draw(programs.flatmap(written)))


@given(programs)
@settings(max_examples=30, deadline=None)
def test_programs_have_one_form(words: list[str]) -> None:
    assert format(" ".join(words)) == format("\n".join(words)) == holds("\t".join(words))


@given(st.text(st.sampled_from('size n\t#"\r\n=+()[]{}.:~'), max_size=40))
@example("\ufeffsize n")
@example("size n # a\r")
def test_any_text_is_formatted_or_refused_as_by_the_parser(text: str) -> None:
    bare = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        parse(bare)
    except ModelError as error:
        with pytest.raises(ModelError) as caught:
            format(text)
        assert caught.value.report() == error.report()
    else:
        holds(text)


# -- the form ------------------------------------------------------------------------------


def form(before: str, after: str) -> None:
    assert holds(before) == after.removeprefix("\n")


def test_each_statement() -> None:
    form(
        """use"other.fg"as q
domain Tag
domain Base={A,"C c",-1,(0,1)}
domain Digit=0..9
size n,c[n],p=2*64
given word[n],pos[n]:text
given arc[k]:(src:0..k-1,dst:int)
answer y[n]:Tag
latent z:real(-1,1)
param U[Tag,p]:positive=normal(0,0.1)~l1(0.01)+l2(1),b
map net=chain(conv(1,6,5,pad=same),pool(2))
let margin=1.0
fun gap(i,j=1)=norm(x[i]-x[j])^2
factor emit[t in n]=-dot(U[y[t]],f[t])
factor move[t in 1..n-1 if ok]=A[y[t-1],y[t]]
hard ends:y[0]==0=>y[n-1]in{1,2}
infer trws(iterations=100)+expansion
loss mine(a=2)=a*E(answer)
loss  mine""",
        """
use    "other.fg" as q
domain Tag
domain Base  = {A, "C c", -1, (0, 1)}
domain Digit = 0..9
size   n, c[n], p = 2 * 64
given  word[n], pos[n] : text
given  arc[k]          : (src: 0..k-1, dst: int)
answer y[n]            : Tag
latent z               : real(-1, 1)
param  U[Tag, p] : positive = normal(0, 0.1) ~ l1(0.01) + l2(1), b
map    net = chain(conv(1, 6, 5, pad = same), pool(2))
let    margin = 1.0
fun    gap(i, j = 1) = norm(x[i] - x[j])^2
factor emit[t in n]            = -dot(U[y[t]], f[t])
factor move[t in 1..n-1 if ok] = A[y[t-1], y[t]]
hard   ends                    : y[0] == 0 => y[n-1] in {1, 2}
infer  trws(iterations = 100) + expansion
loss   mine(a = 2) = a * E(answer)
loss   mine
""",
    )


@pytest.mark.parametrize(
    "text",
    [
        "a * b + c / d // 2 % 3 - -1",
        "2^10 * norm(x)^2 + (a + b)^-c",
        "x[i-1, b*p+q] + x[i..i+4, j] + y[a - -1]",
        "x[at[p].y .. at[p].y+r-1, 0.5 .. 2, f(1, 2) .. 3]",
        "Y.y[t] != answer.y[t-1]",
        "pos[t-1] & pos[t]",
        "sum(x[i] * 2 + 1 for i in 0..n-1 for (a, b), (c, d) in s if i+a < n and b != c)",
        "softmin(E(Y) - c * cost(Y) for Y in any, beta = b2 + 1)",
        "max(0, m + E(answer), min(a, b - 1))",
        "mean(gap(i, j, i, j-1) + half(i, j, d[i] - 1) + abs(i - j) for i in h for j in w)",
        "if a <= b then not c else inf",
        "(((a)))",
        "im[i, max(0, min(w-1, j+s))] // 2",
        "a in 0..n-1 and b in {1, 2} or c => d",
    ],
)
def test_blanks_of_expressions(text: str) -> None:
    for squeezed in (text, text.replace(" + ", "+").replace(", ", ","), text.replace(" ", "  ")):
        form(f"let a = {squeezed}", f"let a = {text}\n")


def test_numbers_and_strings_are_kept() -> None:
    form('let a=f("a  # b",1e5,0.50,007)', 'let a = f("a  # b", 1e5, 0.50, 007)\n')


def test_columns_end_with_the_paragraph() -> None:
    form(
        """
factor a = 1
hard bcd : x == 1
# a comment does not end it
factor ef[i in n] = 2


loss  nll
factor a = 1
let b = 2
factor cdefg = 3
""",
        """
factor a          = 1
hard   bcd        : x == 1
# a comment does not end it
factor ef[i in n] = 2

loss   nll
factor a = 1
let    b = 2
factor cdefg = 3
""",
    )


def test_what_is_far_wider_stands_out_of_the_column() -> None:
    form(
        """
factor short=1
factor much_much_wider_than_the_shortest=2
factor longer=3
""",
        """
factor short  = 1
factor much_much_wider_than_the_shortest = 2
factor longer = 3
""",
    )


def test_weights_and_sizes_share_a_column_where_they_are_single() -> None:
    form(
        """
size n=1
size letters=26
param U[Tag,2^20]~l2(0.1)
param A[Tag,Tag]~l2(0.1)
param b=1
param long, c = 2
param W : unit
""",
        """
size  n       = 1
size  letters = 26
param U[Tag, 2^20] ~ l2(0.1)
param A[Tag, Tag]  ~ l2(0.1)
param b = 1
param long, c = 2
param W : unit
""",
    )


def test_comments() -> None:
    form(
        """
    # first
size n   # words
  # own
given x[n] : real# ink
                 # and more of it
answer y[n] : 0..3


# paragraph
loss nll #last
#end""",
        """
# first
size   n                                           # words
# own
given  x[n] : real                                 # ink
                                                   # and more of it
answer y[n] : 0..3

# paragraph
loss nll                                           #last
#end
""",
    )


def test_comments_behind_long_lines_share_a_column() -> None:
    form(
        """
param  stiff[P] : positive = 0.1, dy[P], dx[P], more[P] # springs
size n # words
infer trws
size m # others
""",
        """
param stiff[P] : positive = 0.1, dy[P], dx[P], more[P]  # springs
size  n                                                 # words
infer trws
size  m                                            # others
""",
    )


def test_comments_inside_a_statement() -> None:
    form(
        """
factor # named
tie[p in P, # parts
q in P] = a * (b # springs
  # their rest
+ c) # done
hard ends : first # one
  and second

  # three
  and third
""",
        """
factor                                             # named
       tie[p in P,                                 # parts
           q in P] = a * (b                        # springs
                        # their rest
                        + c)                       # done
hard   ends : first                                # one
            and second
            # three
            and third
""",
    )


def test_long_sums_are_broken_before_operators() -> None:
    form(
        """
factor look[i in n] = 1
factor tie[p in 1..P-1]  = there * (stiff[p] * (at[p].y - at[0].y)^2 + dy[p] * (at[p].y - at[0].y) +
stiff[p] * (at[p].x - at[0].x)^2 + dx[p] * (at[p].x - at[0].x))
loss nce(q, k = 10)         = softplus(E(answer) + log(k) - q(answer)) +
sum(softplus(q(Y) - E(Y) - log(k)) for Y in draw(any, q, k))
""",
        """
factor look[i in n]     = 1
factor tie[p in 1..P-1] = there * (stiff[p] * (at[p].y - at[0].y)^2 + dy[p] * (at[p].y - at[0].y)
                                 + stiff[p] * (at[p].x - at[0].x)^2 + dx[p] * (at[p].x - at[0].x))
loss   nce(q, k = 10) = softplus(E(answer) + log(k) - q(answer))
                      + sum(softplus(q(Y) - E(Y) - log(k)) for Y in draw(any, q, k))
""",
    )


def test_long_lists_are_broken_after_commas() -> None:
    form(
        """
let f[t in n] = features(Feat, word[t], word[t-1], word[t+1], prefix(word[t], 3),
suffix(word[t], 3), shape(word[t]), min = 2)
param W[m, k] = normal(0, 0.01), U[Digit, k] = normal(0, 0.01), b[m], c[k], d[Digit]
: positive = 5 ~ l2(1)
""",
        """
let   f[t in n] = features(Feat, word[t], word[t-1], word[t+1], prefix(word[t], 3),
                           suffix(word[t], 3), shape(word[t]), min = 2)
param W[m, k] = normal(0, 0.01), U[Digit, k] = normal(0, 0.01), b[m], c[k],
      d[Digit] : positive = 5 ~ l2(1)
""",
    )


def test_long_heads_put_the_mark_on_the_next_line() -> None:
    form(
        """
factor data[i in h, j in w if ok[i, j]] = (x[i, j] - img[i, j])^2
factor smooth[i in h, j in w, (u, v) in {(0, 1), (1, 0)} if i+u < h and j+v < w] =
5 * (x[i,j] - x[i+u,j+v])^2

factor pair[i in h, j in w, (u, v) in {(0, 1), (1, 0), (1, 1), (1, -1)} if i+u < h and
0 <= j+v and j+v < w] = (even + edge * exp(-gap(i, j, i+u, j+v) / (2 * s2)))
* (y[i,j] != y[i+u,j+v])
""",
        """
factor data[i in h, j in w if ok[i, j]] = (x[i, j] - img[i, j])^2
factor smooth[i in h, j in w, (u, v) in {(0, 1), (1, 0)} if i+u < h and j+v < w]
                                        = 5 * (x[i, j] - x[i+u, j+v])^2

factor pair[i in h, j in w, (u, v) in {(0, 1), (1, 0), (1, 1), (1, -1)}
            if i+u < h and 0 <= j+v and j+v < w]
       = (even + edge * exp(-gap(i, j, i+u, j+v) / (2 * s2))) * (y[i, j] != y[i+u, j+v])
""",
    )


def test_tighter_operators_stand_further_right() -> None:
    a, b, c = "a" * 35, "b" * 35, "c" * 35
    form(
        f"hard h : {a} == {b} and {c} or not d => e\n"
        f"factor f = if {a} then {b} else if {c} then {a} else {b}",
        f"""
hard   h : {a} == {b}
             and {c}
           or not d
         => e
factor f = if {a} then {b}
           else if {c} then {a}
           else {b}
""",
    )


def test_broken_lines_that_fit_are_joined() -> None:
    form("factor\n  a\n = b\n + c", "factor a = b + c\n")


def test_empty_texts() -> None:
    assert format("") == format("\ufeff\r\n \t\n") == ""
    assert format("\n\n# only this\n\n\n") == "# only this\n"


def test_a_wrong_text_is_refused() -> None:
    with pytest.raises(ModelError, match=r"^m\.fg:2:8: "):
        format("size n\nfactor = 3\n", "m.fg")


# -- the command ---------------------------------------------------------------------------

UGLY = "size   n\ngiven x[n]:real\n"
PRETTY = "size  n\ngiven x[n] : real\n"

Answer = tuple[int, str, str]
Call = Callable[..., Answer]


@pytest.fixture
def fgc(fgc: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """Call ``fgc fmt`` in an empty folder; return exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, stdin="": fgc("fmt", *arguments, stdin=stdin.encode())


def test_files_are_formatted_in_place(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(UGLY)
    (tmp_path / "b.fg").write_text(PRETTY)
    os.chmod("a.fg", 0o640)
    before = os.stat("b.fg")
    assert fgc("a.fg", "b.fg") == (0, "a.fg\n", "")
    assert Path("a.fg").read_text() == PRETTY
    assert stat.S_IMODE(os.stat("a.fg").st_mode) == 0o640
    after = os.stat("b.fg")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sorted(os.listdir()) == ["a.fg", "b.fg"]
    assert fgc("a.fg", "b.fg") == (0, "", "")


def test_marks_and_ends_of_other_systems_go(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_bytes(b"\xef\xbb\xbf" + PRETTY.replace("\n", "\r\n").encode())
    assert fgc("--check", "a.fg") == (2, "a.fg\n", "")
    assert fgc("a.fg") == (0, "a.fg\n", "")
    assert (tmp_path / "a.fg").read_bytes() == PRETTY.encode()


def test_folders_are_searched(fgc: Call, tmp_path: Path) -> None:
    for name in ("in/b.fg", "in/deep/a.fg", "in/.hidden/c.fg", "in/d.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(UGLY)
    assert fgc("in") == (0, "in/b.fg\nin/deep/a.fg\n", "")
    assert (tmp_path / "in/.hidden/c.fg").read_text() == UGLY
    (tmp_path / "none").mkdir()
    code, out, err = fgc("none")
    assert (code, out) == (2, "") and "none holds no .fg file" in err


def test_check_writes_nothing(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(UGLY)
    (tmp_path / "b.fg").write_text(PRETTY)
    assert fgc("--check", "a.fg", "b.fg") == (2, "a.fg\n", "")
    assert fgc("--check", "b.fg") == (0, "", "")
    assert (tmp_path / "a.fg").read_text() == UGLY


def test_diff_writes_nothing(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(UGLY.rstrip())
    shown = (
        "--- a/a.fg\n+++ b/a.fg\n@@ -1,2 +1,2 @@\n-size   n\n-given x[n]:real\n"
        "\\ No newline at end of file\n+size  n\n+given x[n] : real\n"
    )
    assert fgc("--diff", "a.fg") == (0, shown, "")
    assert fgc("--diff", "--check", "a.fg") == (2, shown, "")
    assert (tmp_path / "a.fg").read_text() == UGLY.rstrip()


def test_stdin_goes_to_stdout(fgc: Call, tmp_path: Path) -> None:
    assert fgc("-", stdin=UGLY) == (0, PRETTY, "")
    assert fgc("-", stdin="") == (0, "", "")
    assert fgc("--check", "-", stdin=UGLY) == (2, "-\n", "")
    assert fgc("--check", "-", stdin=PRETTY) == (0, "", "")
    (tmp_path / "a.fg").write_text(UGLY)
    assert fgc("--stdout", "a.fg") == (0, PRETTY, "")
    assert (tmp_path / "a.fg").read_text() == UGLY
    code, out, err = fgc("-", stdin="factor = 3")
    assert (code, out) == (2, "") and err.startswith("-:1:8: error E0")


def test_all_files_are_tried_and_all_errors_told(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.fg").write_text("factor = 3\n")
    (tmp_path / "a.fg").write_text(UGLY)
    (tmp_path / "latin.fg").write_bytes(b"# \xe9\n")
    code, out, err = fgc("bad.fg", "missing.fg", "latin.fg", "a.fg")
    assert (code, out) == (2, "a.fg\n")
    assert "bad.fg:1:8: error" in err
    assert "missing.fg cannot be read: No such file" in err
    assert "latin.fg is not UTF-8 text (byte 2)" in err
    assert err.endswith("3 errors\n")
    assert (tmp_path / "bad.fg").read_text() == "factor = 3\n"
    assert (tmp_path / "a.fg").read_text() == PRETTY


def test_json_is_an_object_a_file(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(UGLY)
    (tmp_path / "b.fg").write_text(PRETTY)
    (tmp_path / "bad.fg").write_text("factor = 3\n")
    code, out, _ = fgc("--json", "--check", "a.fg", "bad.fg", "b.fg")
    a, b, bad = map(json.loads, out.splitlines())
    assert code == 2
    assert (a, b) == ({"file": "a.fg", "changed": True}, {"file": "b.fg", "changed": False})
    assert (bad["error"], bad["file"], bad["column"]) == ("ModelError", "bad.fg", 8)
    _, out, _ = fgc("--json", "-", stdin=UGLY)
    assert json.loads(out) == {"file": "-", "changed": True, "text": PRETTY}


@pytest.mark.parametrize(
    "arguments", [["--stdout", "--check", "a.fg"], ["--stdout", "a.fg", "b.fg"], ["-", "a.fg"], []]
)
def test_options_that_do_not_go_together(fgc: Call, arguments: list[str]) -> None:
    Path("a.fg").write_text(UGLY)
    code, out, err = fgc(*arguments)
    assert (code, out) == (2, "") and err
    assert Path("a.fg").read_text() == UGLY


def test_a_link_stays_a_link(fgc: Call, tmp_path: Path) -> None:
    (tmp_path / "a.fg").write_text(UGLY)
    os.symlink("a.fg", "link.fg")
    assert fgc("link.fg")[0] == 0
    assert os.path.islink("link.fg") and (tmp_path / "a.fg").read_text() == PRETTY
