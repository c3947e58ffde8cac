"""``fgc explain``: what does this error code mean?"""

from __future__ import annotations

from typing import Annotated

import typer

from factorgraph.cli import options as o
from factorgraph.errors import UsageError


def explain(
    subject: Annotated[str, typer.Argument(metavar="CODE", help="An error code, such as E0102.")],
    json: o.Json = False,
) -> None:
    """Explain an error code: what it means, why the rule is there, what to do."""
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
        meant = f"E{int(digits):04}" if digits.isdecimal() and len(digits) <= 4 else "E0102"
        raise UsageError(
            f"explaining a model ({subject}): not built yet",
            code="E0600",
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
