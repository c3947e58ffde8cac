"""What the checker refuses and how it says so; what is emitted, and that nothing else gets in."""

from __future__ import annotations

import ast
import os
import re
import stat
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorgraph import cache as folders
from factorgraph.compiler import module as emitted
from factorgraph.errors import FgError, ModelError, NotBuiltError, UsageError
from factorgraph.pipeline import compile, load
from factorgraph.syntax import table
from factorgraph.syntax.parser import DEPTH, parse

LANGUAGE = sorted((Path(__file__).parent / "language").glob("*.fg"))


def refused(text: str, **options: Any) -> ModelError:
    """Return the error of a text that must not compile."""
    with pytest.raises(ModelError) as caught:
        model = compile(text, **options)
        assert model.loss is None or model.loss.probes
        assert model.compiled.text
    return caught.value


# -- the 39 texts


def test_there_are_texts() -> None:
    assert len(LANGUAGE) == 39


@pytest.mark.parametrize("path", LANGUAGE, ids=lambda p: p.stem)
def test_language(path: Path) -> None:
    """Each text checks and lowers: to tables, or to factors that are evaluated, by name."""
    model = load(path)
    compiled = model.compiled
    tables = {p.name for p in compiled.programs} | {k.name for k in compiled.kinds}
    assert tables | set(compiled.evaluated) == set(model.checked.factors)
    assert not tables & set(compiled.evaluated)
    for error in compiled.evaluated.values():
        assert error.code == "E0600" and error.message.endswith(": not built yet")


def test_some_of_the_texts_compile() -> None:
    """So that a defect which refuses everything is noticed."""
    for name in ("protein", "recognise", "splice", "losses"):
        text = (Path(__file__).parent / "language" / f"{name}.fg").read_text(encoding="utf-8")
        assert compile(text).compiled.text


# -- wrong models

HEAD = """\
domain Tag = {Noun, Verb}
size   n, k = 3
given  xs[n] : real
given  count_[n] : int
given  word[n] : text
answer y[n] : Tag
answer v[n] : 0..3
latent z : bit
param  W[Tag, k], u, q[4]
let    gain = 2
fun    twice(a, b = 1) = a * 2 + b
"""

WRONG = [
    # names
    ("factor f[t in n] = xx[t]", "E0102", "xx", "did you mean `xs`?"),
    ("factor f = gane * 1", "E0102", "gane", "did you mean `gain`?"),
    ("factor f = sigmiod(u)", "E0113", "sigmiod", "did you mean `sigmoid`?"),
    ("factor f = twise(1)", "E0113", "twise", "did you mean `twice`?"),
    ("factor f = nothing", "E0102", "nothing", None),
    ("param P[Taf]", "E0102", "Taf", "did you mean `Tag`?"),
    ("answer a : Taf", "E0119", "Taf", "did you mean `Tag`?"),
    ("facto f = z", "E0002", "facto", "did you mean `factor`?"),
    ("size k", "E0101", "k", "the first time on line 2"),
    ("factor u = 1", "E0101", "u", "the first time on line 9"),
    ("domain D = {A, B, A}", "E0101", "A", None),
    ("given inf : real", "E0103", "inf", "call it `inf_`"),
    ("let then = 1", "E0103", "then", "call it `then_`"),
    ("domain real = {A}", "E0103", "real", None),
    ("factor f[t in n, t in 2] = 1", "E0101", "t", None),
    ("fun f(a, a) = a", "E0101", "a", None),
    ("loss f(a, a) = a", "E0101", "a", None),
    ("let a = a + 1", "E0116", "a", None),
    ("let a = b_ let b_ = a * 2", "E0116", "a", None),
    ("fun f(t) = f(t - 1) factor g = f(1)", "E0116", "f(t - 1)", None),
    # what is no value
    ("factor f = Tag", "E0110", "Tag", "run over it: `for v in Tag`"),
    ("factor f = twice", "E0110", "twice", None),
    ("factor f = sum", "E0110", "sum", None),
    ("factor f = 1 factor g = f", "E0110", "f", None),
    # indices
    ("factor f = y[0, 1]", "E0104", "y[0, 1]", None),
    ("factor f = u[0]", "E0104", "u[0]", None),
    ("factor f = gain[0]", "E0104", "gain[0]", None),
    ("factor f = xs[0][0]", "E0104", "xs[0][0]", None),
    ('factor f = W["Nuon", 0]', "E0111", '"Nuon"', "did you mean `Noun`?"),
    ('factor f = W["Noun", 3]', "E0107", "3", None),
    ('factor f = W["Noun", 1..3]', "E0107", "3", None),
    ("factor f = q[-1]", "E0107", "-1", None),
    ("factor f = W[0, 0]", "E0105", "0", None),
    ("factor f = q[y[0]]", "E0105", "y[0]", None),
    ("factor f = q[0.5]", "E0105", "0.5", None),
    ("factor f[t in n] = q[v[t] + 1]", "E0121", "v[t] + 1", None),
    # kinds and shapes
    ("factor f = y[0]", "E0106", "y[0]", None),
    ("factor f = xs", "E0108", "xs", "index it, or use sum(…), norm(…), dot(…, …)"),
    ("factor f = sum(xs + q)", "E0108", "xs + q", None),
    ("factor f = dot(xs, q)", "E0108", "dot(xs, q)", None),
    ("factor f = norm(u)", "E0108", "u", None),
    ("hard h : u", "E0106", "u", "compare it, e.g. `x != 0`"),
    ("factor f = not u", "E0106", "u", "compare it, e.g. `x != 0`"),
    ("factor f = if u then 1 else 2", "E0106", "u", "compare it, e.g. `x != 0`"),
    ('factor f = if z then "a" else 1', "E0106", 'if z then "a" else 1', None),
    ("factor f = y[0] + 1", "E0106", "y[0]", "index a param with it instead"),
    ("factor f = y[0] == 1", "E0106", "y[0] == 1", None),
    ('factor f = y[0] == "Nuon"', "E0111", '"Nuon"', "did you mean `Noun`?"),
    ("factor f = u // 2", "E0106", "u // 2", None),
    ("factor f[t in 0..u] = 1", "E0106", "u", None),
    # binders
    ('factor f[t in n if y[t] == "Noun"] = 1', "E0114", "y[t]",
     "write a factor, with `if … then … else …`"),
    ("factor f[t in n if u > 0] = 1", "E0114", "u", "write a factor, with `if … then … else …`"),
    ("factor f[t in v[0]..3] = 1", "E0114", "v[0]", "use a size or a given"),
    ("factor f[t in n if t] = 1", "E0106", "t", "compare it, e.g. `x != 0`"),
    ("factor f[(a, b) in {(0, 1), 2}] = 1", "E0115", "2", None),
    # declarations
    ("param P[n]", "E0118", "n", "give the size a value: `size n = …`"),
    ("answer a[v[0]] : bit", "E0118", "v[0]", "declare a size; the data give its value"),
    ("answer a : text", "E0119", "text",
     "say which values it has: `0..255`, `bit`, a domain or a size"),
    ("answer a : {A, B}", "E0119", "{A, B}", "declare `domain D = {…}` and use D"),
    ("answer a : 3..2", "E0117", "3..2", None),
    ("domain D = 0..inf", "E0117", "0..inf", None),
    ("domain D = 0.5..2", "E0106", "0.5..2", None),
    ("size j = 0", "E0117", "0", None),
    ("size j = inf", "E0117", "inf", None),
    ("answer a[0] : bit", "E0117", "0", None),
    ("param P = inf", "E0117", "inf", None),
    ("param P = u", "E0109", "u", None),
    ("param P = normal(1)", "E0112", "normal(1)", None),
    ("param P ~ l3(1)", "E0120", "l3(1)", None),
    ("param P ~ l2(-1)", "E0117", "l2(-1)", None),
    # calls
    ("factor f = sqrt(1, 2)", "E0112", "sqrt(1, 2)", None),
    ("factor f = min(1)", "E0112", "min(1)", None),
    ("factor f = twice()", "E0112", "twice()", None),
    ("factor f = twice(1, 2, 3)", "E0112", "twice(1, 2, 3)", None),
    ("factor f = twice(1, c = 3)", "E0112", "c = 3", None),
    ("factor f = twice(1, a = 3)", "E0112", "a = 3", None),
    ("factor f = sqrt(i for i in n)", "E0112", "sqrt(i for i in n)", None),
    ("factor f = count(xs)", "E0106", "xs", "compare it, e.g. `x != 0`"),
    # syntax
    ("factor f = (z", "E0013", "(", "close it with `)`"),
    ("factor f = max(z, 1", "E0013", "(", "close it with `)`"),
    ("factor f = xs[0 factor g = 1", "E0013", "[", "close it with `]`"),
    ("factor f = z)", "E0002", ")", None),
    ("factor f = 'z'", "E0001", "'", "text stands between double quotes on one line"),
    ("factor f = z ? 1", "E0001", "?", None),
    ("factor f = z = 1", "E0002", "=", "`==` tests, `=` defines"),
    ("hard f = z", "E0002", "=", "`:` states: hard NAME : condition"),
    ("factor f = 1e999", "E0007", "1e999", "say inf"),
    ("factor f = 99999999999999999999", "E0007", "99999999999999999999",
     "write it with an exponent, like 1e20"),
    ("factor f = 10 ^ 64", "E0007", "10 ^ 64", "write it with an exponent, like 1e20"),
    # losses
    ("loss nll loss hinge", "E0101", "loss hinge", "the first time on line 12"),
    ("loss nlll", "E0202", "nlll", "did you mean `nll`?"),
    ("loss E(anny)", "E0202", "anny", "did you mean `any`?"),
    ("loss hinge(2, 3)", "E0112", "3", None),
    ("loss hinge(margin_ = 2)", "E0112", "margin_ = 2", None),
    ("loss answer", "E0204", "answer",
     "E(answer) is its least energy, free(answer) its free energy"),
    ("loss 3", "E0203", "3", "use E(answer), E(any), free(any), …"),
    ("loss E(2)", "E0205", "2", "`2` is a number"),
    ("loss free(any, beta = 0)", "E0206", "0", None),
    ("loss free(any, beta = E(any))", "E0206", "E(any)", None),
    ("loss a = b_ loss b_ = a loss a", "E0116", "a", None),
    ("loss a(2) = 3", "E0008", "2", "write `loss hinge(m = 1) = …`"),
    ("loss if E(any) then 1 else 2", "E0106", "E(any)", "compare it, e.g. `E(wrong) > 1`"),
    ("loss min(E(any))", "E0112", "min(E(any))", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "place", "hint"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong(text: str, code: str, place: str, hint: str | None) -> None:
    error = refused(HEAD + text)
    assert not isinstance(error, NotBuiltError)
    assert (error.code, error.span and error.span.text) == (code, place)
    assert error.span is not None and error.span.start >= len(HEAD)
    if hint is not None:
        assert error.hint == hint
    line, carets = error.span.excerpt()
    assert carets.count("^") == len(place)
    assert line[carets.index("^") :].startswith(place)


LATER = [
    ("loss u * E(any)", "a loss that reads `u`"),
    ("loss min(E(Y) - hamming(Y)^2 for Y in any)", "does not split"),
    ("loss pcd", "in a loss"),
    ("loss E(any, by = exact)", "`by"),
    ("answer e : real factor g = e^2 loss nll", "a table over `e`, which is a real number"),
    ("answer e : n factor g = u * e loss nll", "values depend on the instance"),
    ("map net = mlp(1, 1) answer e : real factor g = net(e) loss nll", "`e`, which is a real"),
    ("map net = linear(2, 4) factor g = net(v[0..1])[0] loss nll", "all the unknowns that"),
    ("factor g = sum(v[i] for i in n) loss nll", "all the unknowns that"),
]


@pytest.mark.parametrize(("text", "words"), LATER, ids=[w[0] for w in LATER])
def test_not_built(text: str, words: str) -> None:
    """What cannot be trained yet checks all the same, and says what is missing."""
    error = compile(HEAD + text).missing()
    assert isinstance(error, NotBuiltError) and error.code == "E0600"
    assert words in error.message and error.message.endswith(": not built yet")
    assert error.span is not None


def test_words_end_where_letters_do() -> None:
    for text in ("sizee", "answery : bit", "factor f = 1 forx", "loss nll inferexact"):
        assert refused(text).code == "E0002"
    compile("size inner, sizes factor f=if(1==1)then 2 else(inner)")


def test_settings() -> None:
    text = HEAD + "factor f = u * gain * k"
    assert compile(text, settings={"gain": 3}).checked.constants["gain"] == 3
    with pytest.raises(UsageError, match="no such constant") as caught:
        compile(text, settings={"gian": 3})
    assert caught.value.hint == "did you mean `gain`?"
    with pytest.raises(UsageError, match="belongs to each instance"):
        compile(text, settings={"n": 3})
    assert refused(text, settings={"k": 0.5}).code == "E0117"
    assert refused(text, settings={"k": float("inf")}).code == "E0117"


# -- hostile texts

HOSTILE = st.text(
    st.sampled_from('ab"#[](){}=,.\\\r\n\t\x00\x07\x1b\x85\u2028\u202eé01 '), max_size=40
)


@settings(deadline=None, max_examples=300)
@given(
    HOSTILE, st.sampled_from(["{}", "domain D = {{ {} }}", "factor f = {}", "use {}", "{}[2J = 1"])
)
def test_messages_are_printable(piece: str, frame: str) -> None:
    try:
        compile(frame.format(piece), name=f"na{piece}me")
    except FgError as error:
        for text in (str(error), *error.report().split("\n")):
            assert all(c.isprintable() for c in text)


@pytest.mark.parametrize(
    "text",
    [
        "factor f = " + "(" * 2000 + "y" + ")" * 2000,
        "factor f = " + "abs(" * 2000 + "y" + ")" * 2000,
        "factor f = " + "-" * 2000 + "y",
        "hard f : " + "not " * 2000 + "y",
        "factor f = " + "y + " * 2000 + "y",
        "factor f = " + "y ^ " * 2000 + "y",
        "hard f : " + "y => " * 2000 + "y",
        "factor f = " + "if y then 1 else " * 2000 + "y",
        "factor f = y" + "[0]" * 2000,
        "factor f = y" + ".a" * 2000,
        "given r : " + "(a: " * 2000 + "bit" + ")" * 2000,
        "factor f = max(" + "y, " * 2000 + "y)",
        "let a0 = y + y " + "".join(f"let a{i + 1} = a{i} + a{i} " for i in range(60)),
        "fun d(a) = a + a factor f = " + "d(" * 60 + "y" + ")" * 60,
        "param w[2] fun d(a) = a + a factor f = sum(" + "d(" * 60 + "w" + ")" * 60 + ")",
        "loss d(a) = a + a loss " + "d(" * 60 + "E(any)" + ")" * 60,
        "loss a0 = E(any) "
        + "".join(f"loss a{i + 1} = a{i} + a{i} " for i in range(45))
        + "loss a45",
        "loss a0 = E(any) " + "".join(f"loss a{i + 1} = a{i} " for i in range(90)) + "loss a90",
        " " * 2_000_001,
    ],
    ids=lambda t: t[:30],
)
def test_nesting_is_limited(text: str) -> None:
    """No text overflows the stack, and none makes the checker work for ever."""
    try:
        compile("answer y : bit " + text).loss  # noqa: B018 - planned when first asked for
    except ModelError as error:
        assert error.code in ("E0004", "E0005", "E0112")
    else:
        assert text.startswith("factor f = ((((")  # brackets that group are no nodes of the tree


def test_nesting_within_the_limit() -> None:
    depth = DEPTH // 2 - 5
    text = "answer y : bit factor f = " + "abs(" * depth + "y" + ")" * depth
    assert compile(text).compiled.text
    long = ", ".join(str(i) for i in range(2000))
    assert compile(f"answer y : bit factor f[a in {{{long}}}] = a * y").compiled.text


NASTY = (
    """\
domain Tag = {"def evil(): pass", "\\\\", "\\N{BULLET}", "é ü", "# \\"}
# a comment \\ with """
    + '"""'
    + """ and ''' and \r def evil(): pass \x0c\x85\u2028 é
size n
answer y[n] : Tag
param lambda[Tag], def, class, import, square
factor return[t in n] = # \r import os\u2028os.system("x")\x0b\x0c\x1c\x85
   lambda[y[t]] \r * def + (y[t] == "def evil(): pass") # \\
   - class * (y[t] == "# \\") + (y[t] == "\\\\") * import * square
factor energy = 1
factor while[t in n] = def
loss \r 0.5 * nll # evil()
   + 0.1 * hinge \r
"""
)


def functions(text: str) -> list[str]:
    return [n.name for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]


def test_hostile_text_adds_no_code() -> None:
    name = 'a"""\n\rimport os\u2028é.fg'
    model = compile(NASTY, name)
    text = model.compiled.text
    assert text.isascii() and "\r" not in text and "\x0c" not in text
    assert text.splitlines() == text.split("\n")[:-1]
    own = ["square", "sigmoid", "softplus", "touched"]
    own += ["energy_return", "gradient_return", "energy_energy", "energy_while", "gradient_while"]
    assert functions(text) == [*own, "loss"]
    tree = ast.parse(text)
    allowed = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef)
    assert all(isinstance(node, allowed) for node in tree.body)
    assert sum(isinstance(node, ast.Import | ast.ImportFrom) for node in tree.body) == 3
    strings = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant)
               and isinstance(n.value, str)]  # fmt: skip
    assert strings == ["always"]  # labels are numbers by now
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call)
              and isinstance(n.func, ast.Name)}  # fmt: skip
    assert called <= {"kernel", "square", "sigmoid", "softplus", "touched", "range", "len", "max",
                      "min", "abs", "float", "int"}  # fmt: skip
    for token in tokenize.generate_tokens(StringIO(text).readline):
        if "evil" in token.string or "system" in token.string:
            assert token.type == tokenize.COMMENT


@settings(deadline=None, max_examples=100)
@given(HOSTILE, HOSTILE)
def test_comments_add_no_code(first: str, second: str) -> None:
    first, second = (x.replace("\n", " ") for x in (first, second))
    text = f"answer y : bit #{first}\nparam w\nfactor f = w #{second}\n * y\nloss nll #{first}\n"
    plain = compile("answer y : bit param w factor f = w * y loss nll").compiled.text
    found = compile(text, name=second).compiled.text
    assert found.isascii() and ast.dump(ast.parse(found)) == ast.dump(ast.parse(plain))


BIG = (
    HEAD
    + """
factor emit[t in n] = -dot(W[y[t]], q[0..2]) * xs[t] + sum(W[y[t], i] * q[i] for i in 3 if i != t)
factor move[t in 1..n-1] = u * (y[t] == y[t-1]) + z * gain * max(xs[t], q[v[t]])
hard   rule[t in n if count_[t] > 0] : v[t] > 0 => y[t] == "Noun"
loss   0.5 * nll + hinge(m = 2)
"""
)


def test_emitted_text_is_the_same_in_every_process() -> None:
    script = "import sys; from factorgraph.pipeline import compile; " \
             "sys.stdout.write(compile(sys.stdin.read()).compiled.text)"  # fmt: skip
    texts = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script], input=BIG, capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        texts.append(done.stdout)
    assert texts[0] == texts[1] == compile(BIG).compiled.text
    assert texts[0].isascii() and "energy_emit" in texts[0]


# -- the cache


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder that is not there yet."""
    path = tmp_path / "deep" / "cache"
    monkeypatch.setenv("FGC_CACHE_DIR", str(path))
    folders.folder.cache_clear()
    table.parser.cache_clear()
    yield path
    folders.folder.cache_clear()
    table.parser.cache_clear()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@cache
def example() -> str:
    return "answer y : bit param w factor f = w * y"


def test_parse_table_is_kept(fresh: Path) -> None:
    before = parse(example())
    (stored,) = (fresh / "tables").iterdir()
    assert stored.suffix == ".json" and mode(fresh) == mode(fresh / "tables") == 0o700
    assert mode(stored) & 0o022 == 0
    assert stored.read_text(encoding="ascii")  # JSON, no pickle
    table.parser.cache_clear()
    written = stored.stat().st_mtime_ns
    assert parse(example()) == before and stored.stat().st_mtime_ns == written


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"data": 1, "memo": {"dict": []}}'])
def test_damaged_parse_table_is_made_again(fresh: Path, content: str) -> None:
    before = parse(example())
    (stored,) = (fresh / "tables").iterdir()
    stored.write_text(content, encoding="ascii")
    table.parser.cache_clear()
    assert parse(example()) == before
    assert len(stored.read_text(encoding="ascii")) > 1000


@pytest.mark.parametrize("how", ["writable", "group", "link", "file", "owner"])
def test_cache_folder_of_others_is_refused(
    fresh: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.parent.mkdir(parents=True)
    match how:
        case "file":
            fresh.write_text("")
        case "link":
            (fresh.parent / "real").mkdir(mode=0o700)
            fresh.symlink_to(fresh.parent / "real")
        case "owner":
            fresh.mkdir(mode=0o700)
            there = os.getuid()
            monkeypatch.setattr(os, "getuid", lambda: there + 1)
        case _:
            fresh.mkdir()
            fresh.chmod(0o777 if how == "writable" else 0o770)
    with pytest.warns(folders.CacheWarning, match="is not used") as caught:
        used = folders.folder()
    assert used != fresh and used.is_dir() and mode(used) == 0o700
    assert str(fresh) in str(caught[0].message)
    assert folders.subfolder("tables").parent == used
    if fresh.is_dir():
        assert not list(fresh.iterdir())
    used.joinpath("tables").rmdir()


def test_tampered_emitted_file_is_not_run(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = "VALUE = 1\n"
    module = emitted.load(text)
    assert module.__file__ is not None and Path(module.__file__).parent == fresh / "emitted"
    path = Path(module.__file__)
    assert module.VALUE == 1 and path.read_text() == text
    assert emitted.load(text) is module
    evil = tmp_path / "evil"
    path.write_text(f"open({str(evil)!r}, 'w')\nVALUE = 2\n")
    monkeypatch.delitem(sys.modules, module.__name__)
    again = emitted.load(text)
    monkeypatch.delitem(sys.modules, module.__name__)
    assert again.VALUE == 1 and not evil.exists()
    assert path.read_text() == text


def test_emitted_module_that_fails_is_forgotten(fresh: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        emitted.load("1 / 0\n")
    assert not [name for name, m in sys.modules.items()
                if name.startswith("factorgraph_emitted") and m is None]  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        emitted.load("1 / 0\n")


def test_grammar_is_strict() -> None:
    """No two terminals match the same text, and no state of the parser has two ways."""
    pytest.importorskip("interegular")
    from lark import Lark

    Lark(table.grammar_text(), **table.OPTIONS, strict=True)


def test_grammar_names_every_word() -> None:
    """The words of the grammar and the reserved words are the same."""
    from factorgraph.syntax.parser import RESERVED

    words = set(re.findall(r'"([a-z]+)"', table.grammar_text()))
    assert words == set(RESERVED)
