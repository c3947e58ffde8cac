"""`use "other.fg"`: the statements of other files take the place of the statement.

Paths are relative to the file that uses them, and stay inside the folder of the top file.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.syntax import tree as t

DEPTH = 16
"""How deep files may use each other."""

Reader = Callable[[str, str], t.File]
"""Reads a file: its path and the name that messages give it."""


@dataclass(frozen=True)
class Included:
    """A text with all that it uses.

    Attributes
    ----------
    file : the top file with the statements of others in place of `use`.
    top : the file as it was read.
    parts : what each `use` stands for, by its place in the text of the top file.
    energies : files that `use … as NAME` brings in, by that name, written out likewise.
    errors : of the `use` statements.
    """

    file: t.File
    top: t.File
    parts: dict[int, tuple[t.Statement, ...]]
    energies: dict[str, Included]
    errors: tuple[ModelError, ...]


def include(file: t.File, path: str | None, read: Reader) -> Included:
    """Return a file with its `use` statements carried out.

    Parameters
    ----------
    file : the tree of the top file.
    path : where it lies; None for a text without a place, which uses files of the working folder.
    read : gives the tree of another file.

    Returns
    -------
    Included; its errors have codes ``E0009`` (a file that cannot be read), ``E0010`` (outside
    the folder), ``E0011`` (a cycle, or too deep).
    """
    folder = Path(path).parent if path is not None else Path()
    root = Path(os.path.realpath(folder))
    top = [] if path is None else [os.path.realpath(path)]
    return _Includer(root, read).written_out(file, Path(os.path.realpath(folder)), top)


class _Includer:
    def __init__(self, root: Path, read: Reader) -> None:
        self.root = root
        self.read = read

    def written_out(self, file: t.File, folder: Path, open_: list[str]) -> Included:
        statements: list[t.Statement] = []
        energies: dict[str, Included] = {}
        errors: list[ModelError] = []
        parts: dict[int, tuple[t.Statement, ...]] = {}
        chosen = {type(s) for s in file.statements if isinstance(s, t.LossChoice | t.Infer)}
        for statement in file.statements:
            if not isinstance(statement, t.Use):
                statements.append(statement)
                continue
            try:
                found = self.one(statement, folder, open_)
            except ModelError as error:
                errors.extend(e for e in error.all if isinstance(e, ModelError))
                continue
            errors.extend(found.errors)
            if statement.alias is not None:
                statements.append(statement)
                energies[statement.alias.name] = found
                continue
            energies |= found.energies
            kept: list[t.Statement] = []
            for inner in found.file.statements:
                if isinstance(inner, t.LossChoice | t.Infer):
                    if type(inner) in chosen:
                        continue
                    chosen.add(type(inner))
                kept.append(inner)
            parts[statement.span.start] = tuple(kept)
            statements.extend(kept)
        merged = replace(file, statements=tuple(statements))
        return Included(merged, file, parts, energies, tuple(errors))

    def one(self, statement: t.Use, folder: Path, open_: list[str]) -> Included:
        """Return the file that a `use` names."""
        name, span = statement.path.value, statement.path.span
        try:
            path = os.path.realpath(folder / name)
        except ValueError:  # a character that no path holds
            raise ModelError(f'"{name}" cannot be read', code="E0009", span=span) from None
        if not name or os.path.isabs(name) or not Path(path).is_relative_to(self.root):
            raise ModelError(
                f'"{name}" is not inside the folder of the model', code="E0010", span=span,
                hint="paths are relative, and stay in that folder",
            )  # fmt: skip
        if path in open_:
            raise ModelError(
                f'"{name}" uses itself in the end', code="E0011", span=span,
                hint="take the use out that closes the circle",
            )  # fmt: skip
        if len(open_) > DEPTH:
            raise ModelError(f"files use each other deeper than {DEPTH}", code="E0011", span=span)
        shown = os.path.join(os.path.dirname(span.source.name), name)
        try:
            file = self.read(path, shown)
        except OSError as error:
            beside = []
            if os.path.isdir(os.path.dirname(path)):
                beside = [n for n in os.listdir(os.path.dirname(path)) if n.endswith(".fg")]
            raise ModelError(
                f'"{name}" cannot be read: {error.strerror or error}', code="E0009", span=span,
                hint=did_you_mean(os.path.basename(name), sorted(beside)),
            ) from None  # fmt: skip
        except ValueError:
            raise ModelError(f'"{name}" cannot be read', code="E0009", span=span) from None
        return self.written_out(file, Path(path).parent, [*open_, path])
