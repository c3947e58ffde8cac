"""The list of words, and the colours that are made from it."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pygments.token import Comment, Error, Keyword, Name, Number, Operator, String, Whitespace

from factorgraph.interop.pygments import FgLexer
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.names import COUNTS, FUNCTIONS, LAYERS, LOSS_WORDS, TYPES
from factorgraph.syntax.keywords import explained, keywords, words
from factorgraph.syntax.parser import RESERVED
from factorgraph.syntax.table import parser

ROOT = Path(__file__).resolve().parent.parent
VSCODE = ROOT / "editors" / "vscode"
TEXTS = sorted((ROOT / "tests" / "language").glob("*.fg"), key=lambda p: p.name)

of_each_text = pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.stem)


@pytest.fixture(scope="module")
def highlight() -> ModuleType:
    """The generator, which is a script and no part of the package."""
    spec = importlib.util.spec_from_file_location("highlight", ROOT / "editors" / "highlight.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- the list


def test_reserved_words_are_those_of_the_parser() -> None:
    assert list(words("statement", "operator", "constant")) == list(RESERVED)


def test_reserved_words_are_those_of_the_grammar() -> None:
    """Every word between quotes in the grammar, and no other."""
    found = [t.pattern.value.removesuffix("(?![A-Za-z0-9_])") for t in parser().terminals]
    keyword = {word for word in found if word.isalpha()}
    assert set(words("statement", "operator", "constant")) == keyword


def test_names_are_those_of_the_checker() -> None:
    assert set(words("function")) == {*FUNCTIONS, *COUNTS}
    assert set(words("layer")) == set(LAYERS)
    assert set(words("type")) == {*TYPES, "path", "segments"}
    assert set(words("inference")) == set(ALGORITHMS)
    assert set(LOSS_WORDS) <= set(words("energy", "region", "configuration"))


def test_every_word_is_explained_once_in_its_class() -> None:
    for sort, found in keywords().items():
        assert len({k.word for k in found}) == len(found), sort
        for k in found:
            assert k.sort == sort
            assert re.search(rf"(?<![A-Za-z]){k.word}(?![A-Za-z])", k.usage), k
            assert k.meaning and not k.meaning.endswith("."), k
    assert [k.sort for k in explained("answer")] == ["statement", "region"]
    assert explained("nothing") == ()


# -- Pygments


def coloured(text: str) -> list[tuple[Any, str]]:
    return [(sort, part) for _, sort, part in FgLexer().get_tokens_unprocessed(text)]


@of_each_text
def test_pygments_reads_what_the_parser_reads(path: Path) -> None:
    """The same tokens at the same places, every character kept, no errors."""
    text = path.read_text(encoding="utf-8")
    pieces = list(FgLexer().get_tokens_unprocessed(text))
    assert "".join(part for _, _, part in pieces) == text
    assert [part for _, sort, part in pieces if sort is Error] == []
    read = [(at, p) for at, sort, p in pieces if sort not in Whitespace and sort not in Comment]
    assert read == [(token.start_pos, str(token)) for token in parser().lex(text)]


@pytest.mark.parametrize(
    ("text", "part", "sort"),
    [
        ("answer y[n] : bit", "answer", Keyword.Declaration),
        ("answer # which\ny : bit", "answer", Name.Builtin.Pseudo),
        ("loss a = E(answer)\nsize n", "answer", Name.Builtin.Pseudo),
        ("loss a = sum(v for v in answers)", "answers", Name.Builtin.Pseudo),
        ("loss a = free(any, 1) ", "free", Name.Builtin),
        ("loss a = free + 1", "free", Name),
        ("loss hinge(m = 2)", "hinge", Name.Function),
        ("loss max(0, E(any))", "max", Name.Builtin),
        ("given x[n] : real", "real", Keyword.Type),
        ("given a[m] : (src: int, w: real)", "int", Keyword.Type),
        ("let a = real", "real", Name),
        ("domain Tag = {N, V}", "Tag", Name.Class),
        ("factor emit[t in n] = 0", "emit", Name.Function),
        ("factor emit[t in n] = 0", "in", Operator.Word),
        ("infer trws(iterations = 100) + cut", "cut", Name.Builtin),
        ("infer trws loss cut", "cut", Name.Function),
        ("let a = grid", "grid", Name),
        ("loss cd(by = gibbs)", "gibbs", Name.Builtin),
        ("map m = mlp(1, 2, act = relu)", "relu", Name.Builtin),
        ("param W = normal(0, 1) ~ l2(0.1)", "l2", Name.Builtin),
        ("param W = zeros", "zeros", Name.Builtin),
        ("let a = inf", "inf", Keyword.Constant),
        ("let information = 1", "information", Name.Function),
        ("let a = Y.min", "min", Name.Attribute),
        ("domain D = 0..9", "..", Operator),
        ("let a = 1.5e-3", "1.5e-3", Number.Float),
        ("let a = 12", "12", Number.Integer),
        ('use "a b.fg"', '"a b.fg"', String.Double),
        ("let a = 1 # and inf", "# and inf", Comment.Single),
        ("let a = b @ c", "@", Error),
        ("let a = 'b'", "'", Error),
    ],
)
def test_pygments_tells_words_by_their_places(text: str, part: str, sort: object) -> None:
    assert {p: s for s, p in coloured(text)}[part] is sort


# -- TextMate

SCOPES = {
    "keyword.declaration.fg": Keyword.Declaration,
    "keyword.operator.word.fg": Operator.Word,
    "constant.language.fg": Keyword.Constant,
    "storage.type.fg": Keyword.Type,
    "entity.name.function.fg": Name.Function,
    "entity.name.type.fg": Name.Class,
    "support.function.fg": Name.Builtin,
    "support.function.inference.fg": Name.Builtin,
    "support.constant.fg": Name.Builtin,
    "variable.language.fg": Name.Builtin.Pseudo,
    "variable.other.member.fg": Name.Attribute,
    "comment.line.number-sign.fg": Comment.Single,
    "string.quoted.double.fg": String.Double,
}


def textmate(grammar: dict[str, Any], text: str) -> Iterator[tuple[int, str, str]]:
    """Yield offset, text and scope, as an editor finds them: line by line, leftmost rule first.

    Knows what the grammar uses of TextMate's form: `match`, `begin` and `end`, `include`.
    """

    def written_out(rules: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for rule in rules:
            name = rule.get("include", "")[1:]
            inner = grammar["repository"][name] if name else rule
            if "match" in inner or "begin" in inner:
                yield inner
            else:
                yield from written_out(inner["patterns"])

    stack: list[dict[str, Any]] = [grammar]
    start = 0
    for line in text.splitlines(keepends=True):
        content, at = line.rstrip("\n"), 0
        while True:
            best, chosen = None, None
            ends = [{"match": stack[-1]["end"], "ends": True}] if "end" in stack[-1] else []
            for rule in [*ends, *written_out(stack[-1]["patterns"])]:
                found = re.compile(rule.get("match") or rule["begin"]).search(content, at)
                if found is not None and (best is None or found.start() < best.start()):
                    best, chosen = found, rule
            if best is None or chosen is None:
                break
            if "ends" in chosen:
                stack.pop()
            captures = {"0": chosen} if "name" in chosen else {}
            captures |= chosen.get("captures", {}) | chosen.get("beginCaptures", {})
            for number, capture in captures.items():
                if best[int(number)]:
                    yield start + best.start(int(number)), best[int(number)], capture["name"]
            if "begin" in chosen:
                stack.append(chosen)
            at = best.end()
        start += len(line)


def test_the_textmate_grammar_is_the_one_that_the_list_gives(highlight: ModuleType) -> None:
    found = highlight.OUTPUT.read_text(encoding="utf-8")
    assert found == highlight.as_text(), "run: python editors/highlight.py"
    assert VSCODE / "syntaxes" in highlight.OUTPUT.parents


@of_each_text
def test_textmate_and_pygments_agree(path: Path, highlight: ModuleType) -> None:
    """Two ways of colouring, two kinds of engine: the same words in the same classes."""
    text = path.read_text(encoding="utf-8")
    found = {(at, p): SCOPES[s] for at, p, s in textmate(highlight.grammar(), text) if s in SCOPES}
    sorts = set(SCOPES.values())
    pieces = FgLexer().get_tokens_unprocessed(text)
    assert found == {(at, part): sort for at, sort, part in pieces if sort in sorts}
    assert found


# -- VS Code


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((VSCODE / "package.json").read_text(encoding="utf-8"))
    contributes = package["contributes"]
    (language,), (grammar,) = contributes["languages"], contributes["grammars"]
    for name in (package["main"], language["configuration"], grammar["path"], "README.md"):
        assert (VSCODE / name).is_file(), name
    assert language["extensions"] == FgLexer.filenames[0].removeprefix("*").split()
    assert grammar["language"] == language["id"]
    colours = json.loads((VSCODE / grammar["path"]).read_text(encoding="utf-8"))
    assert colours["scopeName"] == grammar["scopeName"]
    script = (VSCODE / package["main"]).read_text(encoding="utf-8")
    section = contributes["configuration"]["properties"]
    for name in re.findall(r'getConfiguration\("(\w+)"\)\.get\("(\w+)"\)', script):
        assert ".".join(name) in section
    for command in contributes["commands"]:
        assert f'registerCommand("{command["command"]}"' in script
    for module in re.findall(r'require\("([\w-]+)', script):
        assert module == "vscode" or module in package["dependencies"], module


def test_indentation_and_brackets() -> None:
    found = json.loads((VSCODE / "language-configuration.json").read_text(encoding="utf-8"))
    assert found["comments"] == {"lineComment": "#"}
    assert [["(", ")"], ["[", "]"], ["{", "}"]] == found["brackets"]
    deeper = re.compile(found["indentationRules"]["increaseIndentPattern"])
    for line in (
        "factor f =",
        "domain D = {",
        "factor g[t in n] = a +  # more",
        "let x = if a then",
    ):
        assert deeper.search(line), line
    for line in ("loss nll", "size n # =", "factor f = 1", "# then"):
        assert not deeper.search(line), line


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_script_of_the_extension_parses() -> None:
    done = subprocess.run(
        ["node", "--check", VSCODE / "extension.js"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
