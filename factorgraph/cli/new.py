"""``fgc new``: a working folder with a model that runs, to change from there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from factorgraph.cli import options as o
from factorgraph.errors import FgError, UsageError, did_you_mean

DATA = (".jsonl", ".npz", ".csv", ".tsv")


def new(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The folder to make, in this one.")
    ] = None,
    template: Annotated[
        str, typer.Option("--from", metavar="TEMPLATE", help="Which model to begin with.")
    ] = "starter",
    list_: Annotated[bool, typer.Option("--list", help="Say which templates there are.")] = False,
    json: o.Json = False,
) -> None:
    """Make a working folder from a model that comes with fgc: text, data, and what to try."""
    known = templates()
    if list_:
        about = {key: _about(folder) for key, folder in known.items()}
        if json:
            o.say_json({"templates": about})
        else:
            width = max(map(len, about))
            o.say("\n".join(f"{key:<{width}}  {text}".rstrip() for key, text in about.items()))
        return
    if name is None:
        raise UsageError(
            "a name for the folder is missing", code="E0911", hint="fgc new NAME, or fgc new --list"
        )
    _plain(name)
    if template not in known:
        there = ", ".join(known)
        near = did_you_mean(template, known)
        raise UsageError(
            f"there is no template `{template}`",
            code="E0912",
            hint=f"{near} there are: {there}" if near else f"there are: {there}",
        )
    target = Path(name)
    if os.path.lexists(target) and (target.is_symlink() or not _empty(target)):
        raise UsageError(
            f"{name} is there already",
            code="E0914",
            hint="take another name; what is there is never written over",
        )
    try:
        commands = _make(known[template], template, target)
    except OSError as error:
        raise UsageError(
            f"{name} cannot be made: {error.strerror or error}", code="E0802"
        ) from None
    made = sorted(p.relative_to(target).as_posix() for p in target.rglob("*") if p.is_file())
    if json:
        o.say_json({"folder": name, "template": template, "files": made, "commands": commands})
        return
    from shlex import quote

    o.say(f"{name}: {', '.join(made)}")
    o.say("try:")
    o.say("\n".join(f"    {command}" for command in [f"cd {quote(name)}", *commands]))


def templates() -> dict[str, Traversable]:
    """Return the folders with models that come with the package, by name."""
    home = files("factorgraph.models")
    found = {
        folder.name: folder
        for folder in home.iterdir()
        if folder.is_dir() and any(f.name.endswith(".fg") for f in _files(folder))
    }
    return dict(sorted(found.items()))


def _files(folder: Traversable) -> Iterator[Traversable]:
    """Yield what is copied: texts and data, not the programs of the package."""
    for item in sorted(folder.iterdir(), key=lambda i: i.name):
        if not item.name.startswith((".", "__")) and not item.name.endswith((".py", ".pyc")):
            yield item


def _about(folder: Traversable) -> str:
    """Return what the first line of the template's model says of it."""
    main = _main([f.name for f in _files(folder)], folder.name)
    if main is None:
        return ""
    first = folder.joinpath(main).read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith("#"):
        return ""
    return first.removeprefix("#").strip().removeprefix(f"{main}:").strip()


def _main(names: list[str], template: str) -> str | None:
    """Return the model that a folder is about: of its own name, or the only one."""
    models = [name for name in names if name.endswith(".fg")]
    if f"{template}.fg" in models:
        return f"{template}.fg"
    return models[0] if len(models) == 1 else None


def _plain(name: str) -> None:
    """Refuse a name that is no plain one for a folder."""
    if (
        not name.strip()
        or name != name.strip()
        or name.startswith((".", "-", "~"))
        or any(c in '/\\:*?"<>|' or not c.isprintable() for c in name)
    ):
        raise UsageError(
            f"`{name}` is no plain name for a folder",
            code="E0914",
            hint="letters, digits, - and _; the folder is made in the one where you are",
        )


def _empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _make(template: Traversable, key: str, target: Path) -> list[str]:
    """Copy a template, whole or not at all; return commands to try inside."""
    shelter = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        folder = shelter / target.name
        _copy(template, folder)
        commands = _commands(folder, key)
        readme = folder / "README.md"
        if not readme.exists():
            lines = "\n".join(f"    {command}" for command in commands)
            readme.write_text(f"# {target.name}\n\nBegun from `{key}`. Try:\n\n{lines}\n", "utf-8")
        if target.exists():
            target.rmdir()
        folder.rename(target)
    finally:
        shutil.rmtree(shelter, ignore_errors=True)
    return commands


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir()
    for item in _files(source):
        if item.is_dir():
            _copy(item, target / item.name)
        else:
            (target / item.name).write_bytes(item.read_bytes())


def _commands(folder: Path, template: str) -> list[str]:
    """Return commands that work inside a folder: each is named only where it can."""
    from shlex import quote

    names = sorted(p.name for p in folder.iterdir() if p.is_file())
    main = _main(names, template)
    if main is None:
        return [f"fgc check {quote(name)}" for name in names if name.endswith(".fg")]
    out = [f"fgc check {quote(main)}", f"fgc plot  {quote(main)}"]
    data = [name for name in names if name.endswith(DATA)]
    training = next((n for n in data if "train" in n), data[0] if data else None)
    if training is None or not _trains(folder / main, folder / training):
        return out
    test = next((n for n in data if "test" in n), training)
    some, others = _parts(folder / training) if test == training else ("", "")
    return [
        *out,
        f"fgc train {quote(main)} {quote(training)}{some} -o run",
        f"fgc eval  {quote(main)} {quote(test)}{others} -w run",
        f"fgc infer {quote(main)} {quote(test)}{others} -w run",
    ]


def _trains(model: Path, data: Path) -> bool:
    """Return whether a model can be trained on data."""
    from factorgraph.data.bind import bind
    from factorgraph.data.read import read
    from factorgraph.pipeline import load

    try:
        built = load(model)
        if built.loss is None or built.missing() is not None or not built.checked.params:
            return False
        records = read(data)
        bind(built.checked, records)
        return all(answer in records.columns for answer in built.checked.answers)
    except FgError:
        return False


def _parts(data: Path) -> tuple[str, str]:
    """Return options that choose instances for training and others for a test."""
    from factorgraph.data.read import read
    from factorgraph.data.select import select

    records = read(data)
    for train, test in (("part=train", "part=test"), ("fold!=0", "fold=0")):
        try:
            select(records, train)
            select(records, test)
        except FgError:
            continue
        return f" --only {train}", f" --only {test}"
    return "", ""
