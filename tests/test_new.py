"""Working folders: every template is whole, what is named as the next step works."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import typer

import factorgraph as fg
from factorgraph.cli import main as cli
from factorgraph.cli import new as module
from factorgraph.cli.new import new

MODELS = Path(__file__).parent.parent / "models"
TEMPLATES = sorted(p.parent.name for p in MODELS.glob("*/*.fg"))
Call = Callable[..., str]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Call ``fgc new`` in an empty folder; return what it prints."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command("new")(new)
    app.callback()(lambda: None)

    def call(*arguments: str) -> str:
        app(["new", *arguments], standalone_mode=False)
        return capsys.readouterr().out

    return call


def test_the_list_is_what_is_there(run: Call) -> None:
    listed = [line.split()[0] for line in run("--list").splitlines()]
    assert listed == sorted(set(TEMPLATES)) and {"ocr", "starter"} <= set(listed)
    assert set(json.loads(run("--list", "--json"))["templates"]) == set(listed)


@pytest.mark.parametrize("template", sorted(set(TEMPLATES)))
def test_texts_and_data_are_copied(run: Call, tmp_path: Path, template: str) -> None:
    out = json.loads(run("mine", "--from", template, "--json"))
    source = MODELS / template
    expected = {
        p.relative_to(source).as_posix()
        for p in source.rglob("*")
        if p.is_file() and p.suffix not in (".py", ".pyc")
    }
    assert set(out["files"]) == expected | {"README.md"}
    for name in expected:
        assert (tmp_path / "mine" / name).read_bytes() == (source / name).read_bytes()
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert out["commands"][0].startswith("fgc check ")
    # What can be trained is said to be.
    if template in ("ocr", "starter"):
        assert [c.split()[1] for c in out["commands"]] == [
            "check", "plot", "train", "eval", "infer",
        ]  # fmt: skip


def test_the_starter_runs_as_it_says(
    run: Call,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = json.loads(run("first", "--json"))["commands"]
    monkeypatch.chdir(tmp_path / "first")
    for command in commands:
        _, verb, *arguments = shlex.split(command)
        if verb == "plot":
            continue  # needs matplotlib
        more = ["-q"] if verb == "train" else ["--json"] if verb == "eval" else []
        monkeypatch.setattr(sys, "argv", ["fgc", verb, *arguments, *more])
        assert cli._run() == 0, capsys.readouterr().err
        out = capsys.readouterr().out
        if verb == "eval":
            assert json.loads(out)["accuracy"]["tag"] > 0.9
        if verb == "infer":
            lines = [json.loads(line) for line in out.splitlines()]
            tests = [
                json.loads(line)
                for line in Path("data.jsonl").read_text("utf-8").splitlines()
                if json.loads(line)["part"] == "test"
            ]
            assert len(lines) == len(tests)
            assert all(len(a["answers"]["tag"]) == len(b["word"]) for a, b in zip(lines, tests))
    # The same commands stand in its README.
    readme = Path("README.md").read_text("utf-8")
    squeezed = {" ".join(line.split()) for line in readme.splitlines()}
    assert {" ".join(command.split()) for command in commands} <= squeezed


def test_an_empty_folder_is_filled_and_a_full_one_is_left(run: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    run("empty")
    assert (tmp_path / "empty" / "starter.fg").is_file()
    for name in ("full", "file", "link"):
        place = tmp_path / name
        if name == "file":
            place.write_text("mine")
        elif name == "link":
            place.symlink_to(tmp_path / "nowhere")
        else:
            place.mkdir()
            (place / "note").write_text("mine")
        with pytest.raises(fg.UsageError, match="there already"):
            run(name)
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["note"]
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", " ", "-x", "a\\b", "a\nb", "c:", "~"])
def test_names_that_are_no_plain_ones_are_refused(run: Call, tmp_path: Path, name: str) -> None:
    with pytest.raises(fg.UsageError, match="plain name"):
        run("--from", "starter", "--", name)
    assert list(tmp_path.iterdir()) == []


def test_other_names_are_quoted(run: Call) -> None:
    assert "cd 'my model'" in run("my model")
    assert "cd 'modèle'" in run("modèle")


def test_an_unknown_template_is_told_with_those_there_are(run: Call) -> None:
    with pytest.raises(fg.UsageError) as caught:
        run("x", "--from", "orc")
    assert "did you mean `ocr`?" in str(caught.value.hint)
    assert "starter" in str(caught.value.hint)
    with pytest.raises(fg.UsageError, match="name for the folder"):
        run()


def test_nothing_stays_behind_when_copying_fails(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, template: str) -> list[str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_commands", full)
    with pytest.raises(fg.UsageError, match="No space left"):
        run("x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_readme_gets_one(
    run: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / "tiny").mkdir(parents=True)
    (home / "tiny" / "tiny.fg").write_text("answer y : bit\nfactor f = y\n")
    (home / "tiny" / "demo.py").write_text("raise SystemExit")
    monkeypatch.setattr(module, "files", lambda package: home)
    commands = json.loads(run("x", "--from", "tiny", "--json"))["commands"]
    assert commands == ["fgc check tiny.fg", "fgc plot  tiny.fg"]
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == ["README.md", "tiny.fg"]
    assert "fgc check tiny.fg" in (tmp_path / "x" / "README.md").read_text("utf-8")


def test_templates_are_those_of_the_installed_package() -> None:
    assert {p.name for p in files("factorgraph.models").iterdir()} >= set(TEMPLATES)
