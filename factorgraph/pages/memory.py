"""Codes of memory: E0900 to E0909."""

from __future__ import annotations

from factorgraph.pages.page import Page

PAGES = (
    Page(
        "E0900",
        "More memory would be needed than is allowed",
        """
Before something large is made, its size is estimated and compared with the budget (half of the
machine's memory, or `--budget-memory`). Refusing in time is better than a machine that stands
still. A factor's table holds a number for each combination of the values of its unknowns: few
unknowns with few values each keep it small. Files are checked by what their headers ask for, so
that a small damaged file cannot claim the whole memory.
""",
        "fgc train model.fg data.npz -o run --budget-memory 100M",
        "fgc train model.fg data.npz -o run --budget-memory 8G",
        "words",
    ),
)
