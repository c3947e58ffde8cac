"""The parse table: built once from the grammar, then read back from the private cache as JSON.

Lark's own ``cache=`` is not used: it unpickles a predictably named file of the shared temporary
folder. JSON cannot run code, and a table that does not fit the grammar's hash is built again.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, __version__
from lark.grammar import Rule
from lark.lexer import PatternRE, PatternStr, TerminalDef

from factorgraph import cache as folders

OPTIONS: dict[str, Any] = {
    "parser": "lalr",
    "lexer": "contextual",
    "propagate_positions": True,
    "maybe_placeholders": False,
}

_EDITED = "words end where letters do"
"""What `_whole_word` does to the terminals; part of the cached table's key."""


def _whole_word(terminal: TerminalDef) -> None:
    """Let a word of the language end where no letter follows: `sizee` is not `size e`."""
    word = terminal.pattern.value
    if isinstance(terminal.pattern, PatternStr) and word.isalpha():
        terminal.pattern = PatternRE(f"{word}(?![A-Za-z0-9_])")
        terminal.priority = 1


def grammar_text() -> str:
    """Return the grammar, the reference text of the language."""
    return files("factorgraph.grammar").joinpath("fg.lark").read_text(encoding="utf-8")


@cache
def parser() -> Lark:
    """Return the parser of whole model texts."""
    grammar = grammar_text()
    key = hashlib.sha256(f"{__version__}\n{OPTIONS}\n{_EDITED}\n{grammar}".encode()).hexdigest()
    path = folders.subfolder("tables") / f"{key[:24]}.json"
    try:
        stored = json.loads(path.read_text(encoding="ascii"))
        table = {"data": _unpack(stored["data"]), "memo": _unpack(stored["memo"])}
        restored: Lark = Lark.__new__(Lark)._load(table)
        return restored
    except Exception:  # whatever is wrong with a cache, the grammar is here
        pass
    made = Lark(grammar, **OPTIONS, edit_terminals=_whole_word)
    data, memo = made.memo_serialize([TerminalDef, Rule])
    data["options"]["edit_terminals"] = None
    text = json.dumps({"data": _pack(data), "memo": _pack(memo)}, separators=(",", ":"))
    folders.write(path, text.encode("ascii"))
    return made


def _pack(value: Any) -> Any:
    """Make JSON of Lark's table: tuples and dicts with number keys become tagged lists."""
    if isinstance(value, tuple):
        return {"tuple": [_pack(v) for v in value]}
    if isinstance(value, list):
        return [_pack(v) for v in value]
    if isinstance(value, dict):
        return {"dict": [[k, _pack(v)] for k, v in value.items()]}
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return [_unpack(v) for v in value]
    if isinstance(value, dict):
        ((tag, items),) = value.items()
        if tag == "tuple":
            return tuple(_unpack(v) for v in items)
        return {k: _unpack(v) for k, v in items}
    return value
