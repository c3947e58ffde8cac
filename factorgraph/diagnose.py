"""What a text says and everything that is wrong with it: reading, checking, losses, tables."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from factorgraph.compiler.lower import lower
from factorgraph.compiler.module import too_deep
from factorgraph.errors import FgError, ModelError, NotBuiltError, UsageError
from factorgraph.model.check import check_all
from factorgraph.model.formula import check_losses
from factorgraph.model.model import Model as Checked
from factorgraph.syntax import tree as t
from factorgraph.syntax.include import Included, include
from factorgraph.syntax.parser import parse, parse_all

MOST_ERRORS = 50
"""How many errors of one text are told."""


def check_text(text: str, name: str = "<string>") -> tuple[Checked | None, tuple[FgError, ...]]:
    """Return the Model of a text as far as it is right, and everything that is wrong with it.

    For editors: nothing is raised for what is wrong with the text.
    """
    try:
        included, errors = read(text, name)
        checked, more = check(included, {})
    except FgError as error:
        return None, error.all
    return (None if errors else checked), ordered((*errors, *more))


def read(
    text: str, name: str, energies: Mapping[str, str] | None = None
) -> tuple[Included, tuple[FgError, ...]]:
    """Return the tree of a text with its includes, and the errors of reading them.

    Parameters
    ----------
    energies : texts of second energies by name, instead of files; see `Model.energy_texts`.
    """
    errors: list[FgError] = []

    def load(path: str, shown: str) -> t.File:
        given = None if energies is None else energies[Path(path).stem]
        file, found = parse_all(_text_of(path, shown) if given is None else given, shown)
        errors.extend(found)
        return file

    file, found = parse_all(text, name)
    errors.extend(found)
    placed = os.path.exists(name) or os.path.isdir(os.path.dirname(name))
    included = include(file, name if placed else None, load)
    errors.extend(included.errors)
    return included, tuple(errors)


def _text_of(path: str, shown: str) -> str:
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8 text (byte {error.start})", code="E0012") from None


def check(
    included: Included, settings: Mapping[str, float]
) -> tuple[Checked | None, tuple[FgError, ...]]:
    """Return the Model of a text with its second energies."""
    errors: list[FgError] = []
    energies: dict[str, Checked] = {}
    for alias, other in included.energies.items():
        inner, found = check(other, shared_settings(other, settings))
        errors.extend(found)
        if inner is not None:
            energies[alias] = inner
    lost = included.energies.keys() - energies.keys()
    try:
        checked, found, poisoned = check_all(included.file, settings, energies)
        errors.extend(found)
        broken = any(isinstance(s, t.Broken) for s in included.file.statements)
        places = {(e.span.source.name, e.span.start) for e in found if e.span is not None}
        errors.extend(
            e
            for e in _losses(checked, poisoned | lost, broken or bool(found))
            if e.span is None or (e.span.source.name, e.span.start) not in places
        )
        if not errors:
            errors.extend(_lowering(checked))
    except RecursionError:
        raise too_deep() from None
    return (None if errors else checked), tuple(errors)


def shared_settings(included: Included, settings: Mapping[str, float]) -> dict[str, float]:
    """Return the settings of a text that a second energy has too: their names are the same."""
    own: set[str] = set()
    for statement in included.file.statements:
        if isinstance(statement, t.Let):
            own.add(statement.name.name)
        elif isinstance(statement, t.Size):
            own |= {s.name.name for s in statement.sizes if s.value is not None}
    return {name: value for name, value in settings.items() if name in own}


def _losses(checked: Checked, poisoned: set[str], broken: bool) -> list[FgError]:
    """Return what is wrong with a text's losses, but for what only follows from other errors."""
    try:
        check_losses(checked)
    except ModelError as error:
        return [
            e for e in error.all
            if not (broken and e.code == "E0216")
            and not (poisoned and poisoned & set(re.findall(r"\w+", e.span.text if e.span else "")))
        ]  # fmt: skip
    return []


def _lowering(checked: Checked) -> list[FgError]:
    """Return what is wrong with factors as tables: indices that leave their axis."""
    errors: list[FgError] = []
    for factor in checked.factors.values():
        try:
            lower(checked, factor)
        except NotBuiltError:
            continue
        except ModelError as error:
            errors.extend(error.all)
    return errors


def ordered(errors: Sequence[FgError]) -> tuple[FgError, ...]:
    """Return errors in the order of the text, those of other files first, each once."""

    def place(error: FgError) -> tuple[int, int]:
        return (1, 0) if error.span is None else (0, error.span.start)

    once = {(str(e), e.span.source.name if e.span else ""): e for e in errors}
    ordered = sorted(once.values(), key=place)
    last = [e for e in ordered[MOST_ERRORS:] if e.code == "E0014"]
    return (*ordered[:MOST_ERRORS], *last)


def formula(text: str) -> t.Expression:
    """Return the expression of a loss given as an option."""
    tree = parse(f"loss {text}", "--loss")
    if len(tree.statements) != 1 or not isinstance(tree.statements[0], t.LossChoice):
        raise UsageError(f"--loss takes one formula, not {text!r}", code="E0910")
    return tree.statements[0].value
