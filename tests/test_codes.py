"""Every error code has a page, and every page's examples do what they say."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from factorgraph.cli.explain import explain
from factorgraph.errors import FgError, UsageError
from factorgraph.pages.page import Page
from factorgraph.pages.registry import FAMILIES, nearest_codes, pages, pages_as_markdown
from factorgraph.pipeline import Model, compile
from factorgraph.source import visible
from factorgraph.syntax.parser import parse

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "factorgraph"

ALL = pages()
DATA = [p for p in ALL.values() if p.kind == "data"]
PYTHON = [p for p in ALL.values() if p.kind == "python"]


def raised() -> dict[str, str]:
    """Return the codes that stand in the source, each with a place."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name == "pages":
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.fullmatch(r"[EW]\d{4}", node.value):
                    found.setdefault(node.value, f"{path.relative_to(ROOT)}:{node.lineno}")
    return found


TOLD_ALREADY = {"ModelErrors", "Poisoned"}
"""Errors without a code of their own: the first of several gives it, or nobody sees them."""


def without_code(source: str | bytes) -> Iterator[int]:
    """Yield the lines in which an error for the user is made without a code."""
    errors = {"FgError"}
    for module in (ast.parse((PACKAGE / "errors.py").read_bytes()), ast.parse(source)):
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef):
                if {ast.unparse(base).rpartition(".")[2] for base in node.bases} & errors:
                    errors.add(node.name)
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).rpartition(".")[2]
        if called not in errors - TOLD_ALREADY:
            continue
        code = next((k.value for k in node.keywords if k.arg == "code"), None)
        fixed = code.value if isinstance(code, ast.Constant) else None
        # what is no constant is handed on from where it was given
        if code is None or (isinstance(code, ast.Constant) and not is_code(fixed)):
            yield node.lineno


def is_code(text: object) -> bool:
    return isinstance(text, str) and re.fullmatch(r"[EW]\d{4}", text) is not None


def test_every_error_has_a_code() -> None:
    lacking = [
        f"{path.relative_to(ROOT)}:{line}"
        for folder in (PACKAGE, ROOT / "models")
        for path in sorted(folder.rglob("*.py"))
        for line in without_code(path.read_bytes())
    ]
    assert lacking == [], "give it the code of a page in factorgraph/pages/"


@pytest.mark.parametrize(
    ("source", "lacks"),
    [
        ('raise DataError("bad", hint="mend it")', True),
        ('errors.append(UsageError(f"bad {name}", code=""))', True),
        ('raise errors.RunError("bad") from None', True),
        ('class Odd(ModelError): ...\nraise Odd("bad")', True),
        ('raise DataError("bad", code="E0301")', False),
        ("raise RunError(first.message, code=first.code)", False),
        ('raise ValueError("no error of this tree")', False),
    ],
)
def test_an_error_without_a_code_is_found(source: str, lacks: bool) -> None:
    assert bool(list(without_code(source))) is lacks


def test_codes_are_found() -> None:
    assert {"E0001", "E0102", "E0301", "E0900", "W0101"} <= set(raised())


def test_every_code_has_a_page() -> None:
    lacking = {code: place for code, place in raised().items() if code not in ALL}
    assert lacking == {}, "add a page in factorgraph/pages/"


def test_every_page_has_a_code() -> None:
    assert sorted(set(ALL) - set(raised())) == [], "no error has this code any more"


def test_pages_are_in_order_and_told_once() -> None:
    listed = [page.code for _, family in FAMILIES for page in family.PAGES]
    assert len(listed) == len(set(listed))
    for _, family in FAMILIES:
        codes = [page.code for page in family.PAGES]
        assert codes == sorted(codes)


@pytest.mark.parametrize("page", ALL.values(), ids=lambda p: p.code)
def test_page_is_complete(page: Page) -> None:
    assert re.fullmatch(r"[EW]\d{4}", page.code)
    assert page.title[0].isupper() or page.title[0] == "`"
    assert not page.title.endswith(".") and len(page.title) <= 80
    assert len(page.text.split()) >= 15 and page.text.strip().endswith((".", "?", ")"))
    assert page.good or page.kind == "words"
    assert page.bad or page.kind == "data"
    for text in (page.title, page.text, page.bad, page.good, page.model):
        assert "/work" not in text


# -- examples of models


def codes_of(error: FgError) -> set[str]:
    return {e.code for e in error.all}


def whole(text: str) -> Model:
    """Compile a text with all that is only looked at when it is used."""
    parse(text)  # tells more errors than a model, which also has those of its meaning
    model = compile(text)
    assert model.loss is None or model.loss.probes
    assert model.compiled.text
    return model


MODELS = [p for p in ALL.values() if p.kind == "model"]
ERRORS = [p for p in MODELS if p.code[0] == "E"]
WARNINGS = [p for p in MODELS if p.code[0] == "W"]


@pytest.mark.parametrize("page", ERRORS, ids=lambda p: p.code)
def test_wrong_model(page: Page) -> None:
    with pytest.raises(FgError) as caught:
        whole(page.bad)
    assert page.code in codes_of(caught.value), caught.value.report()
    if page.code != "E0014":
        assert all(code[:3] == page.code[:3] for code in codes_of(caught.value))


@pytest.mark.parametrize("page", MODELS, ids=lambda p: p.code)
def test_right_model(page: Page) -> None:
    assert whole(page.good).checked is not None


@pytest.mark.parametrize("page", WARNINGS, ids=lambda p: p.code)
def test_warning(page: Page) -> None:
    assert page.code in {w.code for w in compile(page.bad).warnings(pedantic=True)}
    assert page.code not in {w.code for w in compile(page.good).warnings(pedantic=True)}


# -- examples of data


def steps(model: Model, path: Path) -> Iterator[None]:
    """Do with data what is done with them: read, weigh, answer, train."""
    run = model.init(0, path)
    yield
    run.energy(path)
    yield
    run.energies(path)
    yield
    list(run.predict(path))
    yield
    if model.has_loss:
        model.fit(path, max_iterations=1)


@pytest.mark.parametrize(
    "page", [p for p in ALL.values() if p.kind == "data"], ids=lambda p: p.code
)
def test_data(page: Page, tmp_path: Path) -> None:
    """The wrong data are refused at some step, the right ones go beyond it."""
    model = compile(page.model)
    wrong, right = tmp_path / "wrong.jsonl", tmp_path / "right.jsonl"
    wrong.write_text(page.bad.strip() + "\n" * bool(page.bad))
    right.write_text(page.good.strip() + "\n")
    done = 0
    with pytest.raises(FgError) as caught:
        for _ in steps(model, wrong):
            done += 1
    assert caught.value.code == page.code, caught.value.report()
    taken = steps(model, right)
    for _ in range(done + 1):
        next(taken, None)


# -- examples in Python


@pytest.mark.parametrize("page", PYTHON, ids=lambda p: p.code)
def test_python(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(page.model, names)
    with pytest.raises(FgError) as caught:
        exec(page.bad, dict(names))
    assert caught.value.code == page.code, caught.value.report()
    exec(page.good, dict(names))


# -- explain


def explained(*arguments: str) -> Any:
    """Run the command by itself."""
    alone = Typer()
    alone.command("explain")(explain)
    return CliRunner().invoke(alone, arguments)


def test_explain() -> None:
    said = explained("E0102")
    assert said.exit_code == 0 and said.output.startswith("E0102: A name is not declared\n")
    assert "Wrong:" in said.output and "    factor f[t in n] = wieght * y[t]" in said.output
    assert explained("e0102").output == said.output
    found = json.loads(explained("E0102", "--json").output)
    assert found["code"] == "E0102" and found["good"].startswith("size n = 3")
    for page in ALL.values():
        shown = explained(page.code).output
        assert all(len(line) <= 104 and visible(line) == line for line in shown.split("\n"))


@pytest.mark.parametrize(
    ("subject", "message", "hint"),
    [
        ("E0131", "there is no error code E0131", "the nearest are E0128, E0129, E0130"),
        ("E9999", "there is no error code E9999", "docs/errors.md lists all of them"),
        ("model.fg", "model.fg cannot be read: No such file or directory", None),
        (
            "E12",
            "there is no error code E12",
            "an error code is E or W and four digits: fgc explain E0012",
        ),
    ],
)
def test_explain_refuses(subject: str, message: str, hint: str | None) -> None:
    error = explained(subject).exception
    assert isinstance(error, UsageError) and error.message == message
    assert hint is None or error.hint == hint


def test_nearest_codes() -> None:
    assert nearest_codes("E0015") == ["E0012", "E0013", "E0014"]
    assert nearest_codes("W0100") == ["W0101", "W0102", "W0103"]
    assert nearest_codes("E0400") == []


# -- the page of pages


def test_errors_md_is_made_from_the_pages() -> None:
    written = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert written == pages_as_markdown(), "python -m factorgraph.pages > docs/errors.md"
    assert all(f"### {code}: " in written for code in ALL)


def test_pages_are_made_by_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "factorgraph.pages"], capture_output=True, cwd=ROOT, check=True
    )
    assert done.stdout.decode("utf-8") == pages_as_markdown()


def test_pages_are_not_loaded_by_others() -> None:
    program = (
        "import sys; import factorgraph.cli.main, factorgraph.cli.explain;"
        "from factorgraph.pipeline import compile\n"
        "try: compile('answer y : bit factor f = $ factor g = z')\n"
        "except Exception as e: e.report()\n"
        "print(*[m for m in sys.modules if m.startswith('factorgraph.pages')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
