"""A text that is read several times in a case is parsed once: most of a case's time was parsing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from factorgraph.syntax.table import parser


def install() -> None:
    """Remember the trees of the last texts; errors are made anew each time."""
    lark: Any = parser()
    lark.parse = lru_cache(64)(lark.parse)
