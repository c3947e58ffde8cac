"""``fgc explain``: what does this error code mean? What does training this model do?"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factorgraph.cli import options as o
from factorgraph.errors import UsageError

if TYPE_CHECKING:
    from factorgraph.explain.explanation import Explanation
    from factorgraph.explain.probes import Seen
    from factorgraph.pipeline import Model

FIRST = 64
"""Instances of --data that are looked at."""

_LIKE_A_CODE = re.compile(r"[EW]?\d+", re.IGNORECASE)


def explain(
    subject: Annotated[
        str, typer.Argument(metavar="MODEL|CODE", help="A .fg file, - for stdin; or an error code.")
    ],
    loss: o.Loss = None,
    set_: o.Settings = None,
    without: o.Without = None,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATA", help="Look at the graphs of its first instances."),
    ] = None,
    columns: o.Columns = None,
    group: o.Group = None,
    comments: o.Comments = False,
    with_: o.With = None,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to; HTML where it ends so."),
    ] = "-",
    json: o.Json = False,
) -> None:
    """Explain a model's loss: gradient, inference, what a step adds; or an error code."""
    if _is_code(subject):
        if loss or set_ or without or data or output != "-":
            raise UsageError(
                f"{subject} is an error code: --loss, --set, --without, --data, -o need a model",
                code="E0911",
            )
        _page(subject, json)
        return
    model = o.model(subject, loss=loss, settings_=set_, without=without)
    seen = None
    if data is not None:
        seen = _seen(model, data, columns, group, comments, with_)
    explanation = model.explanation(seen)
    if json:
        text = _as_json(explanation)
    elif output.lower().endswith((".html", ".htm")):
        from factorgraph.explain.html import as_html

        text = as_html(explanation)
    else:
        from factorgraph.explain.text import as_text

        text = as_text(explanation)
    if output == "-":
        o.say(text.rstrip("\n"))
    else:
        o.write(output, text, subject)


def _is_code(subject: str) -> bool:
    """Return whether an argument is meant as an error code: a file of that name comes first."""
    return bool(_LIKE_A_CODE.fullmatch(subject.strip())) and not Path(subject).is_file()


def _page(subject: str, json: bool) -> None:
    from factorgraph.pages.registry import (
        CODE,
        nearest_codes,
        page_as_dict,
        page_as_text,
        pages,
    )

    code = subject.strip().upper()
    if not CODE.fullmatch(code):
        digits = code.lstrip("EW")
        meant = f"E{int(digits):04}" if len(digits) <= 4 else "E0102"
        raise UsageError(
            f"there is no error code {code}",
            code="E0912",
            hint=f"an error code is E or W and four digits: fgc explain {meant}",
        )
    page = pages().get(code)
    if page is None:
        near = nearest_codes(code)
        hint = f"the nearest are {', '.join(near)}" if near else "docs/errors.md lists all of them"
        raise UsageError(f"there is no error code {code}", code="E0912", hint=hint)
    if json:
        o.say_json(page_as_dict(page))
    else:
        o.say(page_as_text(page))


def _seen(
    model: Model,
    path: str,
    columns: str | None,
    group: str | None,
    comments: bool,
    with_: list[str] | None,
) -> Seen:
    records = o.records(path, model, None, columns=columns, group=group, comments=comments)
    return model.seen(records, FIRST, with_=with_)


def _as_json(explanation: Explanation) -> str:
    import json

    return json.dumps(o.plain(explanation.as_dict()), allow_nan=False, ensure_ascii=False)
