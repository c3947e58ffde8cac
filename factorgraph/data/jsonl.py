"""Read JSON Lines: an object a line, a line an instance."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from typing import IO, Any, NoReturn

import numpy as np

from factorgraph import budget
from factorgraph.data.column import Records
from factorgraph.data.flatten import DEEPEST, kind_name
from factorgraph.data.table import Table
from factorgraph.errors import BudgetError, DataError

LONGEST = 256 * 2**20
_BLOCK = 1 << 20
_PART = 1 << 16
_BOM = b"\xef\xbb\xbf"
_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
_STEP = np.zeros(256, np.int8)
_STEP[list(b"[{")] = 1
_STEP[list(b"]}")] = -1


class _Refused(ValueError):
    pass


def read_jsonl(path: str | os.PathLike[str], fields: Collection[str] | None = None) -> Records:
    """Read a file of one JSON object a line.

    Parameters
    ----------
    path : the file, in UTF-8; ``-`` is the standard input.
    fields : names to keep; None keeps all. Absent ones are left out.

    Returns
    -------
    Records. Numbers are int64, or float64 if any has a fraction or an exponent; ``null``, and
    ``"_"`` among texts or numbers, mark missing values.

    Raises
    ------
    DataError : the file is missing, is no JSON Lines, or its lines do not go together.
    BudgetError : the data would take too much memory.
    """
    source = os.fspath(path)
    try:
        if source != "-":
            with open(source, "rb") as file:
                return read_lines(file, source, fields)
        source = "<stdin>"
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise DataError("there is no standard input to read")
        return read_lines(stream, source, fields)
    except OSError as error:
        raise DataError(f"cannot read {source}: {error.strerror or error}") from None
    except ValueError as error:  # a path with a NUL, or a closed stream
        raise DataError(f"cannot read {source}: {error}") from None
    except MemoryError:
        raise BudgetError(f"{source} does not fit into memory", code="E0900") from None


def read_lines(stream: IO[bytes], source: str, fields: Collection[str] | None = None) -> Records:
    """Read JSON Lines from a binary stream; the arguments are those of `read_jsonl`."""
    table = Table(source, fields, by_line=True, finite=True)
    # Text is decoded and parsed: Python objects take an order of magnitude more than their text.
    limit = min(LONGEST, budget.limit() // 4)
    block = max(4096, min(_BLOCK, budget.limit() // 64))
    decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
    number = pending = 0
    while line := stream.readline(limit + 1):
        number += 1
        if len(line) > limit:
            raise DataError(f"{source}:{number}: line of more than {budget.human(limit)}")
        if number == 1:
            line = line.removeprefix(_BOM)
        deep = depth(line)
        if deep > DEEPEST:
            raise DataError(f"{source}:{number}: brackets nest {deep} deep, more than {DEEPEST}")
        pending += len(line)
        if pending > block:
            table.flush()
            table.check(_expanded(line))
            pending = len(line)
        if not line.isspace() and line:
            table.append(_parse(line, f"{source}:{number}", decoder), number)
    return table.records()


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


def _parse(line: bytes, place: str, decoder: json.JSONDecoder) -> dict[str, object]:
    try:
        value = decoder.decode(line.decode())
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: byte {error.start + 1} is not valid UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{place}:{error.colno}: not JSON: {error.msg}") from None
    except _Refused as error:
        raise DataError(f"{place}: {error}") from None
    except ValueError:  # more digits than Python converts
        raise DataError(f"{place}: an integer of more than 64 bits") from None
    if not isinstance(value, dict):
        raise DataError(
            f"{place} holds {kind_name(type(value))}, not an object",
            hint='each line is an object of fields, as in {"word": ["the", "cat"]}',
        )
    return value


def _expanded(line: bytes) -> int:
    """Return about how many bytes the parsed line takes."""
    values = line.count(b",") + line.count(b":")
    return 5 * len(line) + 40 * values + 80 * (line.count(b"[") + line.count(b"{"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    item = dict(pairs)
    if len(item) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise _Refused(f"field `{twice}` is given twice")
    return item


def _constant(text: str) -> NoReturn:
    raise _Refused(f"{text} is no number in JSON; say null where a value is missing")
