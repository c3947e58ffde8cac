"""Files of text, plain or packed by gzip, line by line; nothing is held that is not counted."""

from __future__ import annotations

import gzip
import io
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from factorgraph import budget
from factorgraph.errors import BudgetError, DataError

LONGEST = 256 * 2**20
BLOCK = 1 << 20
STREAMED = 64 * 10**6
_BUFFER = 1 << 17
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class Text:
    """An open file of text.

    Attributes
    ----------
    stream : its bytes, unpacked.
    source : its name, for messages.
    packed : whether it is unpacked on the way: then its size tells nothing.
    whole : whether all of it is kept, so that what is unpacked counts against the budget.
    """

    stream: IO[bytes]
    source: str
    packed: bool = False
    whole: bool = True

    @property
    def longest(self) -> int:
        """The longest line that is read, in bytes: parsed values take many times their text."""
        return min(LONGEST, budget.limit() // 4)

    @property
    def block(self) -> int:
        """Bytes of text after which it pays to settle what was read."""
        return max(4096, min(BLOCK, budget.limit() // 64))

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield each line with its number from 1; a byte order mark is left out.

        Raises
        ------
        DataError : a line is too long.
        BudgetError : the unpacked text is over the budget.
        """
        limit, number, total = self.longest, 0, 0
        most = budget.limit() if self.packed and self.whole else 2**63
        while line := self.stream.readline(limit + 1):
            number += 1
            total += len(line)
            if len(line) > limit:
                raise DataError(
                    f"{self.source}:{number}: line of more than {budget.human(limit)}",
                    code="E0327",
                )
            if total > most:
                budget.require(total, f"{self.source}, unpacked,")
            if number == 1:
                line = line.removeprefix(_BOM)
            yield number, line


@contextmanager
def opened(path: str | os.PathLike[str], *, whole: bool = True) -> Iterator[Text]:
    """Open a file of text; a name that ends in ``.gz`` is unpacked, ``-`` is the standard input.

    Raises
    ------
    DataError : the file is missing or cannot be read, or is damaged where it is packed; also
        while it is open.
    BudgetError : memory runs out.
    """
    source = os.fsdecode(path)
    try:
        if source == "-":
            stream = getattr(sys.stdin, "buffer", None)
            if stream is None or stream.closed:
                raise DataError("<stdin> cannot be read: it is closed", code="E0321")
            yield Text(stream, "<stdin>", whole=whole)
            return
        with _file(source) as file:
            if not source.lower().endswith(".gz"):
                yield Text(file, source, whole=whole)
                return
            with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                yield Text(io.BufferedReader(unpacked, _BUFFER), source, packed=True, whole=whole)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{source} is damaged or no gzip file: {error}",
            code="E0346",
            hint="a name that ends in .gz says that the file is packed by gzip",
        ) from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{source} cannot be read: {reason}", code="E0321") from None
    except MemoryError:
        raise BudgetError(f"{source} does not fit into memory", code="E0900") from None


def decoded(line: bytes, place: str) -> str:
    """Return a line of UTF-8 without NULs.

    Raises
    ------
    DataError : it is not.
    """
    try:
        out = line.decode()
    except UnicodeDecodeError as error:
        at = error.start + 1
        raise DataError(f"{place}: byte {at} is not valid UTF-8", code="E0324") from None
    if "\0" in out:
        raise DataError(f"{place}: byte {line.index(0) + 1} is a NUL", code="E0336")
    return out


def _file(source: str) -> IO[bytes]:
    try:
        return open(source, "rb")
    except ValueError as error:  # a path with a NUL
        raise DataError(f"{source} cannot be read: {error}", code="E0321") from None
