"""``fgc cache``: what is kept to start fast."""

from __future__ import annotations

from typing import Annotated

import typer

from factorgraph import cache as folders
from factorgraph.cli import options as o
from factorgraph.errors import some


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete what it holds.")] = False,
    json: o.Json = False,
) -> None:
    """Show or clear the cache of parse tables and compiled code."""
    from factorgraph.budget import human
    from factorgraph.source import visible

    path = folders.wanted()
    freed = folders.clear() if clear else 0
    files, size = folders.size()
    if json:
        o.say_json({"folder": str(path), "files": files, "bytes": size, "freed": freed})
    elif clear:
        o.say(f"{visible(str(path))}: {human(freed)} freed")
    else:
        o.say(f"{visible(str(path))}: {some(files, 'file')}, {human(size)}")
