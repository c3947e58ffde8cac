"""``fgc fmt``: model texts in their canonical form."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from factorgraph.cli import options as o
from factorgraph.errors import FgError, ModelErrors, UsageError


def fmt(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Files, or folders of .fg files; - reads stdin."),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name what would change, exit 2.")
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Write nothing; show what would change.")
    ] = False,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Write nothing; print the formatted text.")
    ] = False,
    json: o.Json = False,
) -> int:
    """Put model texts into their canonical form: blanks, columns, line breaks."""
    if stdout and (check or diff):
        raise UsageError("--stdout prints the text: leave --check and --diff out", code="E0911")
    errors: list[FgError] = []
    files = list(dict.fromkeys(_files(paths, errors)))
    stdout = stdout or (files == ["-"] and not check and not diff)
    if stdout and len(files) > 1:
        raise UsageError(f"--stdout prints one file, here are {len(files)}", code="E0911")
    if "-" in files and not (stdout or check or diff):
        raise UsageError("- is formatted to stdout: leave the other files out", code="E0911")
    different = False
    for file in files:
        try:
            different |= _one(file, check=check, diff=diff, stdout=stdout, json=json)
        except FgError as error:
            errors.extend(error.all)
    if errors:
        raise ModelErrors(errors) if len(errors) > 1 else errors[0]
    return 2 if check and different else 0


def _one(file: str, *, check: bool, diff: bool, stdout: bool, json: bool) -> bool:
    """Format one file; return whether that changes it."""
    from factorgraph.source import visible
    from factorgraph.syntax.format import format

    data = _read(file)
    try:
        before = data.decode()
    except UnicodeDecodeError as error:
        name = "stdin" if file == "-" else file
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start})", code="E0012") from None
    after = format(before, file)
    changed = before != after
    out: dict[str, Any] = {"file": file, "changed": changed}
    if stdout:
        out["text"] = after
    elif diff:
        out["diff"] = _diff(before, after, file)
    elif changed and not check:
        _write(file, after.encode())
    if json:
        o.say_json(out)
    elif stdout or diff:
        shown = out["text" if stdout else "diff"]
        if shown:
            o.say(shown.removesuffix("\n"))
    elif changed:
        o.say(visible(file))
    return changed


def _files(paths: list[str], errors: list[FgError]) -> Iterator[str]:
    """Yield the files that are meant; hidden folders are left out."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
            continue
        found = []
        for folder, folders, files in os.walk(path):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            found += [os.path.join(folder, name) for name in sorted(files) if name.endswith(".fg")]
        found = [file for file in found if os.path.isfile(file)]
        if not found:
            errors.append(UsageError(f"{path} holds no .fg file", code="E0912"))
        yield from found


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    if os.path.exists(file) and not os.path.isfile(file):
        raise UsageError(
            f"{file} cannot be read: it is no regular file", code="E0321", hint="use - for stdin"
        )
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", code="E0321") from None


def _write(file: str, data: bytes) -> None:
    """Replace a file and keep who may read, write and run it; never more, not for a moment."""
    from factorgraph.files import write

    try:
        mode = os.stat(file).st_mode & 0o777
        if not os.access(file, os.W_OK):
            raise UsageError(f"{file} cannot be written: it is read-only", code="E0802")
        umask = os.umask(~mode & 0o777)
        try:
            write(Path(file), data)
        finally:
            os.umask(umask)
        os.chmod(file, mode)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}", code="E0802") from None


def _diff(before: str, after: str, name: str) -> str:
    """Return a unified diff; control characters are shown as escapes."""
    import difflib

    from factorgraph.source import visible

    out = ""
    for line in difflib.unified_diff(_lines(before), _lines(after), f"a/{name}", f"b/{name}"):
        bare = line.removesuffix("\n")
        out += "\t".join(map(visible, bare.split("\t"))) + "\n"
        if bare == line:
            out += "\\ No newline at end of file\n"
    return out


def _lines(text: str) -> list[str]:
    *whole, rest = text.split("\n")
    return [line + "\n" for line in whole] + [rest] * bool(rest)
