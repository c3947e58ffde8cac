"""Bytes of a file, plain or packed by gzip, in blocks that end where words end."""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from factorgraph import budget
from factorgraph.errors import BudgetError, DataError

BLOCK = 1 << 22
LONGEST = 1 << 20
_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"
_END = re.compile(rb"[ \t\r\n\v\f][^ \t\r\n\v\f]*\Z")
_LINE_END = re.compile(rb"\n[^\n]*\Z")
_COMMENT = re.compile(rb"^[ \t]*#[^\n]*", re.MULTILINE)
_WORD = re.compile(rb"[^ \t\r\n\v\f]+")


class Source:
    """A file that can be read more than once; what is packed is told by its first two bytes.

    Parameters
    ----------
    path : the file; ``-`` is the standard input, which is kept.
    comments : whether lines that begin with "#" are left out; lines are then short.
    """

    def __init__(self, path: str | os.PathLike[str], *, comments: bool = False) -> None:
        self.path = os.fsdecode(path)
        self.comments = comments
        self.name = "<stdin>" if self.path == "-" else self.path
        self._kept: bytes | None = None

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Open the file and unpack it on the way.

        Raises
        ------
        DataError : it is missing or cannot be read, or is damaged where it is packed; also while
            it is open.
        BudgetError : memory runs out.
        """
        try:
            with self._raw() as file:
                start = file.read(2)
                file.seek(0)
                if start != _MAGIC:
                    yield file
                    return
                with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
                    yield io.BufferedReader(unpacked, 1 << 17)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.name} is damaged: it begins as a gzip file, but {error}", code="E0346"
            ) from None
        except OSError as error:
            raise DataError(
                f"{self.name} cannot be read: {error.strerror or error}", code="E0321"
            ) from None
        except MemoryError:
            raise BudgetError(f"{self.name} does not fit into memory", code="E0900") from None

    def _raw(self) -> IO[bytes]:
        if self.path != "-":
            if os.path.exists(self.path) and not os.path.isfile(self.path):
                raise DataError(f"{self.name} cannot be read: it is no regular file", code="E0321")
            try:
                return open(self.path, "rb")
            except ValueError as error:  # a path with a NUL
                raise DataError(f"{self.name} cannot be read: {error}", code="E0321") from None
        if self._kept is None:
            stream = getattr(sys.stdin, "buffer", None)
            if stream is None or stream.closed:
                raise DataError("<stdin> cannot be read: it is closed", code="E0321")
            parts, total = [], 0
            while part := stream.read(BLOCK):
                total += len(part)
                budget.require(2 * total, "what the standard input holds")
                parts.append(part)
            self._kept = b"".join(parts)
        return io.BytesIO(self._kept)

    def head(self, size: int = 4096) -> bytes:
        """Return the first bytes, unpacked, without a byte order mark."""
        with self.opened() as file:
            return file.read(size).removeprefix(_BOM)

    def blocks(self) -> Iterator[bytes]:
        """Yield the bytes in blocks that begin and end with whole words.

        Raises
        ------
        DataError : there are NULs, or a word of more than a megabyte.
        """
        rest, first = b"", True
        ends, unit = (_LINE_END, "line") if self.comments else (_END, "word")
        with self.opened() as file:
            while block := file.read(BLOCK):
                if first:
                    block, first = block.removeprefix(_BOM), False
                if b"\0" in block:
                    raise DataError(
                        f"{self.name} holds bytes of value 0: it is no text", code="E0370"
                    )
                block = rest + block
                end = ends.search(block, max(0, len(block) - LONGEST - 1))
                if end is None:
                    if len(block) > LONGEST:
                        raise DataError(
                            f"{self.name} has a {unit} of more than {budget.human(LONGEST)}",
                            code="E0370",
                        )
                    rest = block
                    continue
                rest = block[end.start() + 1 :]
                yield self._bare(block[: end.start() + 1])
            if rest:
                yield self._bare(rest)

    def _bare(self, block: bytes) -> bytes:
        return _COMMENT.sub(b"", block) if self.comments and b"#" in block else block

    def text(self, what: str, factor: int = 1) -> bytes:
        """Return all bytes; ``factor`` times as much is asked of the memory budget."""
        parts, total = [], 0
        for block in self.blocks():
            total += len(block)
            budget.require(factor * total, f"{what} {self.name}")
            parts.append(block)
        return b"".join(parts)

    def line(self, word: int) -> int:
        """Return the line, counted from 1, of a word, counted from 0; the last line beyond."""
        line, seen = 1, 0
        for block in self.blocks():
            for found in _WORD.finditer(block):
                if seen == word:
                    return line + block.count(b"\n", 0, found.start())
                seen += 1
            line += block.count(b"\n")
        return max(1, line - 1) if line > 1 else 1
