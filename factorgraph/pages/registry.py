"""All pages: to look up, and to print for a terminal or as Markdown."""

from __future__ import annotations

import re
import textwrap
from functools import cache

from factorgraph.pages import (
    data,
    exchange,
    formats,
    graph,
    later,
    loss,
    matrix,
    memory,
    names,
    numerics,
    run,
    text,
    types,
    usage,
    values,
)
from factorgraph.pages import warning as warnings
from factorgraph.pages.page import Page

FAMILIES = (
    ("Reading a text", text),
    ("Names, indices and kinds", names),
    ("Types, maps and settings", types),
    ("Losses", loss),
    ("Data and models", data),
    ("Values in data files", values),
    ("Formats of data files", formats),
    ("Shared data and matrices", matrix),
    ("Formats of other systems", exchange),
    ("Graphs and inference", graph),
    ("Not built yet", later),
    ("Numbers", numerics),
    ("Runs and files", run),
    ("Memory", memory),
    ("The command and Python", usage),
    ("Warnings", warnings),
)
"""The modules of pages with their captions, in the order of the codes."""

CODE = re.compile(r"[EW]\d{4}")
"""What a code looks like."""


@cache
def pages() -> dict[str, Page]:
    """Return all pages by code, in the order of the codes."""
    return {page.code: page for _, family in FAMILIES for page in family.PAGES}


def nearest_codes(code: str, limit: int = 3) -> list[str]:
    """Return the codes that one may have meant: of the same family, by distance of numbers."""
    letter, number = code[:1], int(code[1:])
    known = [c for c in pages() if c[0] == letter and c[:3] == code[:3]]
    return sorted(sorted(known, key=lambda c: abs(int(c[1:]) - number))[:limit])


def page_as_text(page: Page, width: int = 88) -> str:
    """Return a page for a terminal."""
    out = [f"{page.code}: {page.title}", "", *textwrap.wrap(_joined(page.text), width)]
    for caption, body in page.sections():
        out += ["", caption, "", *(f"    {line}".rstrip() for line in _cut(body))]
    return "\n".join(out)


def page_as_dict(page: Page) -> dict[str, str]:
    """Return a page as plain values, for ``--json``."""
    out = {"code": page.code, "title": page.title, "text": _joined(page.text), "kind": page.kind}
    for name in ("model", "bad", "good"):
        value = getattr(page, name).strip("\n")
        if value:
            out[name] = value
    return out


def pages_as_markdown() -> str:
    """Return `docs/errors.md`."""
    out = [
        "# Error codes",
        "",
        "Made from `factorgraph/pages/` by `python -m factorgraph.pages > docs/errors.md`.",
        "`fgc explain E0102` prints one of them.",
    ]
    for caption, family in FAMILIES:
        out += ["", f"## {caption}"]
        for page in family.PAGES:
            out += ["", f"### {page.code}: {page.title}", ""]
            out += textwrap.wrap(_joined(page.text), 100)
            language = {"python": "python", "data": "json"}.get(page.kind, "")
            for label, body in page.sections():
                fence = "" if label == "The model:" and page.kind != "python" else language
                out += ["", label, "", f"```{fence}", *_cut(body), "```"]
    return "\n".join(out) + "\n"


def _joined(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str) -> list[str]:
    """Return lines of at most 100 characters, and not too many: some examples are long."""
    lines = [line if len(line) <= 100 else line[:60] + " …" for line in text.split("\n")]
    return lines if len(lines) <= 24 else [*lines[:6], "…"]
