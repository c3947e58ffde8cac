"""A report on a training: from its folder, or from the events that were heard."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from factorgraph import files
from factorgraph.errors import RunError
from factorgraph.learn.events import Event
from factorgraph.report.formulas import Formulas, formulas
from factorgraph.report.history import History, events, history
from factorgraph.report.page import page

LARGEST = 64 * 2**20
"""Characters of a model's text that are read."""


@dataclass(frozen=True)
class Report:
    """One HTML page; notebooks show it."""

    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, whole or not at all.

        Raises
        ------
        RunError : the file cannot be written.
        """
        try:
            files.write(Path(path), self.html.encode())
        except OSError as error:
            raise RunError(
                f"{os.fspath(path)} cannot be written: {error.strerror or error}", code="E0802"
            ) from None

    def _repr_html_(self) -> str:
        inside = escape(self.html)
        style = "width: 100%; height: 40rem; border: 0"
        return f'<iframe title="report" sandbox="" style="{style}" srcdoc="{inside}"></iframe>'


def of_folder(folder: Path) -> Report:
    """Return the report on a run folder, also of a training that goes on.

    Raises
    ------
    RunError : it is no run folder, or cannot be read.
    """
    log, model = folder / "log.jsonl", folder / "model.fg"
    if not folder.is_dir():
        raise RunError(f"{folder} is no run folder", code="E0803")
    if not log.is_file():
        hint = "it is written by fgc train" if model.is_file() else None
        raise RunError(f"{folder}: `log.jsonl` is missing", code="E0803", hint=hint)
    try:
        with log.open("rb") as stream:
            past = history(events(stream))
        text = model.read_bytes()[:LARGEST].decode("utf-8", "replace") if model.is_file() else ""
    except OSError as error:
        raise RunError(f"{folder}: {error.strerror or error}", code="E0803") from None
    return _report(past, text, folder.resolve().name)


def of_events(heard: Iterable[Event], text: str) -> Report:
    """Return the report on events of a training of a model's text."""
    past = history(event.as_dict() for event in heard)
    return _report(past, text, "training")


def _report(past: History, text: str, where: str) -> Report:
    name = os.path.basename(past.name) or where
    known = formulas(text, "model.fg") if text else Formulas()
    return Report(page(name if name == where else f"{name} · {where}", past, known, text))
