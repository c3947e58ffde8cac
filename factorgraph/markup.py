"""Tables as HTML, for notebooks: whatever the user wrote is shown, never obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from factorgraph.source import visible

_LEFT = ' style="text-align: left"'
_CODE = ' style="text-align: left; font-family: monospace; white-space: pre-wrap"'


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table.

    Parameters
    ----------
    title : above it.
    head : of the columns.
    rows : texts; the second column is shown as code.
    """
    top = "".join(f"<th{_LEFT}>{safe(text)}</th>" for text in head)
    body = "".join(
        f"<tr>{''.join(_cell(k, text) for k, text in enumerate(row))}</tr>" for row in rows
    )
    return (
        f"<table><caption{_LEFT}>{safe(title)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(column: int, text: str) -> str:
    return f"<td{_CODE if column == 1 else _LEFT}>{safe(text)}</td>"


def safe(text: str) -> str:
    """Return text that is no markup; ``$`` would start a formula in a notebook."""
    return escape(visible(text)).replace("$", "&#36;")
