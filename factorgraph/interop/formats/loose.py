"""JSON, and what toulbar2 reads in its place: no quotes, commas or colons, any brackets.

What is read is nested lists of words and numbers; an object is the list of its names and values
in turn. Nesting is limited, and nothing recurses.
"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from factorgraph.errors import DataError
from factorgraph.interop.formats.source import Source

DEEPEST = 32
_COMMENT = re.compile(rb"^#[^\n]*", re.MULTILINE)
_PART = re.compile(r'[\[\]{}]|"((?:[^"\\\n]|\\.)*)"|[^\s,:\[\]{}"]+|"')
_OPEN, _CLOSE = frozenset("[{"), frozenset("]}")


class Object(list[Any]):
    """The names and values of a JSON object, in turn."""


def read_loose(source: Source) -> tuple[list[Any], str]:
    """Return what a file holds, and its text.

    Raises
    ------
    DataError : it is no UTF-8, or brackets do not match, with the line; or it is nested deeply.
    BudgetError : it would not fit into memory.
    """
    data = source.text("the values of", 24)
    try:
        text = _COMMENT.sub(b"", data).decode()
    except UnicodeDecodeError as error:
        raise fault(
            source, data.count(b"\n", 0, error.start) + 1, "a byte is not valid UTF-8"
        ) from None
    _shallow(source, data)
    try:
        found = json.loads(text, object_pairs_hook=_pairs, parse_constant=_refused)
    except (ValueError, RecursionError):
        found = _loose(source, text)
    if not isinstance(found, list):
        raise fault(source, 1, "the file is no object")
    return found, text


def fault(source: Source, line: int, reason: str) -> DataError:
    """Return the error that a line of a file is."""
    return DataError(f"{source.name}:{line}: {reason}", code="E0370")


def _pairs(pairs: list[tuple[str, Any]]) -> Object:
    return Object(part for pair in pairs for part in pair)


def _refused(word: str) -> Any:
    raise ValueError(word)


def _shallow(source: Source, data: bytes) -> None:
    codes = np.frombuffer(data, np.uint8)
    step = np.isin(codes, np.frombuffer(b"[{", np.uint8)).astype(np.int8)
    step -= np.isin(codes, np.frombuffer(b"]}", np.uint8))
    at = np.flatnonzero(step)
    depth = np.cumsum(step[at], dtype=np.int64)
    deep = np.flatnonzero(depth > DEEPEST)
    if len(deep):
        line = data.count(b"\n", 0, int(at[deep[0]])) + 1
        raise fault(source, line, f"brackets are nested more than {DEEPEST} deep")


def _loose(source: Source, text: str) -> Any:
    stack: list[list[Any]] = [[]]
    last = 0
    for part in _PART.finditer(text):
        word = part[0]
        if word in _OPEN:
            stack.append([])
            last = part.start()
        elif word in _CLOSE:
            if len(stack) == 1:
                raise fault(source, _line(text, part.start()), f"`{word}` closes nothing")
            done = stack.pop()
            stack[-1].append(done)
        elif word == '"':
            raise fault(source, _line(text, part.start()), "a quote does not end on its line")
        else:
            stack[-1].append(word if part[1] is None else part[1])
    if len(stack) > 1:
        raise fault(source, _line(text, last), "a bracket is never closed")
    if len(stack[0]) != 1:
        raise fault(source, 1, "the file is one object in brackets")
    return stack[0][0]


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
