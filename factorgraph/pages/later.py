"""Codes of what is legal, but not built: E0600 to E0699."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0600",
        "Not built yet",
        """
The text is right by the language, or the command is one that is planned, but this version cannot
do what it asks. The message names the part, and in a text the mark its place. Often the rest of
the model works without it: leave a factor out with `--without`, or choose another loss with
`--loss`.
""",
        "the part that the message names",
        "the same model without it",
        "words",
    ),
)
