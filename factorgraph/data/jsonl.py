"""Read JSON Lines: an object a line, a line an instance."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

import numpy as np

from factorgraph.data.column import Records
from factorgraph.data.flatten import DEEPEST, kind_name
from factorgraph.data.table import Table
from factorgraph.data.text import STREAMED, Text, opened
from factorgraph.errors import DataError

_PART = 1 << 16
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


class _Refused(ValueError):
    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def read_jsonl(path: str | os.PathLike[str], fields: Collection[str] | None = None) -> Records:
    """Read a file of one JSON object a line.

    Parameters
    ----------
    path : the file, in UTF-8, packed by gzip if its name ends in ``.gz``; ``-`` is the standard
        input.
    fields : names to keep; None keeps all. Absent ones are left out.

    Returns
    -------
    Records. Numbers are int64, or float64 if any has a fraction or an exponent; ``null``, and
    ``"_"`` among texts or numbers, mark missing values. Objects, and lists that mix kinds, make
    a column for each of their values, rows of different length one of values and one of lengths.

    Raises
    ------
    DataError : the file is missing, is no JSON Lines, or its lines do not go together.
    BudgetError : the data would take too much memory.
    """
    with opened(path) as text:
        return next(_blocks(text, fields, None))


def stream_jsonl(
    path: str | os.PathLike[str], fields: Collection[str] | None = None, size: int = STREAMED
) -> Iterator[Records]:
    """Read a file of one JSON object a line in blocks of about ``size`` bytes of text.

    Yields
    ------
    Records; types and shapes are those of the block.
    """
    with opened(path, whole=False) as text:
        yield from _blocks(text, fields, size)


def _blocks(text: Text, fields: Collection[str] | None, size: int | None) -> Iterator[Records]:
    """Yield what is in a file: all of it, or blocks by size."""
    source = text.source
    table = Table(source, fields, by_line=True, finite=True)
    pending, held, block = 0, 0, min(text.block, size or text.block)
    for number, line in text.lines():
        if not line or line.isspace():
            continue
        deep = depth(line)
        if deep > DEEPEST:
            raise DataError(
                f"{source}:{number}: brackets nest {deep} deep, more than {DEEPEST}", code="E0326"
            )
        pending += len(line)
        if pending > block:
            table.flush()
            held += pending
            if size is not None and table.full(held, size):
                yield table.records()
                table = table.next()
                held = 0
            table.check(expanded(line))
            pending = len(line)
        table.append(parse(line, f"{source}:{number}"), number)
    if table or not table.begun:
        yield table.records()


def depth(line: bytes) -> int:
    """Return how deep the brackets of a line of JSON nest, without parsing it.

    Parameters
    ----------
    line : UTF-8. Brackets within strings do not count.

    Returns
    -------
    int, at least the depth that a parser reaches before it meets its first error.
    """
    opened = line.count(b"[") + line.count(b"{")
    if opened <= DEEPEST:
        return opened
    if b"\\" in line:
        line = line.replace(b"\\\\", b"").replace(b'\\"', b"")
    marks = np.frombuffer(line.translate(None, _NO_MARKS), np.uint8)
    deepest = level = quotes = 0
    for at in range(0, len(marks), _PART):
        part = marks[at : at + _PART]
        quote = np.cumsum(part == ord('"'), dtype=np.int32) + quotes
        levels = np.cumsum(_STEP[part[quote % 2 == 0]], dtype=np.int32) + level
        if len(levels):
            deepest, level = max(deepest, int(levels.max())), int(levels[-1])
        quotes = int(quote[-1]) % 2
    return deepest


def parse(line: bytes, place: str, *, document: bool = False) -> dict[str, object]:
    """Return the object that a text of JSON holds; `depth` must have been found small.

    Parameters
    ----------
    line : UTF-8.
    place : where it is from, for messages.
    document : whether it has lines of its own, to be named in messages.

    Raises
    ------
    DataError : it is no JSON, or no object.
    """
    try:
        value = _DECODER.decode(line.decode())
    except UnicodeDecodeError as error:
        at = error.start + 1
        raise DataError(f"{place}: byte {at} is not valid UTF-8", code="E0324") from None
    except json.JSONDecodeError as error:
        spot = f"{error.lineno}:{error.colno}" if document else str(error.colno)
        raise DataError(f"{place}:{spot}: not JSON: {error.msg}", code="E0325") from None
    except _Refused as error:
        raise DataError(f"{place}: {error}", code=error.code) from None
    except ValueError:  # more digits than Python converts
        raise DataError(f"{place}: an integer of more than 64 bits", code="E0335") from None
    if not isinstance(value, dict):
        raise DataError(
            f"{place} holds {kind_name(type(value))}, not an object",
            code="E0328",
            hint='data are objects of fields, as in {"word": ["the", "cat"]}',
        )
    return value


def expanded(line: bytes) -> int:
    """Return about how many bytes the parsed line takes."""
    values = line.count(b",") + line.count(b":")
    return 5 * len(line) + 40 * values + 80 * (line.count(b"[") + line.count(b"{"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _Refused(f"field `{twice}` is given twice", "E0329")
    return item


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is no number in JSON; say null where a value is missing", "E0335")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
