"""The arrays of a numpy archive, read without trusting it.

Nothing is allocated on the word of a header: a shape must agree with the size that the archive
declares, that size with what the compressed bytes could expand to, and all with the budget.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from factorgraph import budget
from factorgraph.data.column import Values
from factorgraph.data.dtype import cost, kept
from factorgraph.data.stack import check_shape
from factorgraph.errors import BudgetError, DataError

_HEADER = 10_000
_EXPANSION = 1040  # Deflate cannot do better than 1032 to 1.
_CHUNK = 1 << 20
_WORD = 64  # bytes of a text without Unicode that is read, as in scipy's sparse archives
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError,
           RuntimeError, OverflowError, KeyError)  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """What the header of an array states, found to agree with the archive.

    Attributes
    ----------
    what : the field and its source, for messages.
    info : its place in the archive.
    header : bytes before the values.
    fortran : whether the values are in Fortran order.
    size : number of values.
    """

    name: str
    what: str
    info: zipfile.ZipInfo
    header: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    size: int

    @property
    def cost(self) -> int:
        """Bytes that it takes to read the values."""
        return cost(self.dtype, self.size) if self.dtype.kind != "S" else _WORD * self.size

    def require(self) -> None:
        """Raise BudgetError if the array is over the budget."""
        index = 8 * self.shape[0] * len(self.shape) if self.shape else 0
        budget.require(self.cost * (2 if self.fortran else 1) + index, self.what)


@contextmanager
def opened(source: str) -> Iterator[zipfile.ZipFile]:
    """Open an archive.

    Raises
    ------
    DataError : the file is missing, damaged or no archive; also while it is open.
    BudgetError : memory runs out.
    """
    with damage(source):
        status = os.stat(source)
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for ever.
            raise DataError(f"{source} cannot be read: it is no regular file", code="E0321")
        if not status.st_size:
            raise DataError(f"{source} is empty", code="E0323")
    with damage(source), open(source, "rb") as stream, zipfile.ZipFile(stream) as archive:
        yield archive


@contextmanager
def damage(what: str) -> Iterator[None]:
    """Turn what reading a damaged archive raises into errors of the user."""
    try:
        yield
    except MemoryError:
        raise BudgetError(f"{what} does not fit into memory", code="E0900") from None
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # EINVAL: a senseless seek
            reason = error.strerror or error
            raise DataError(f"{what} cannot be read: {reason}", code="E0321") from None
        detail = str(error) or type(error).__name__
        raise DataError(
            f"{what} is damaged or no npz archive: {detail[:200]}",
            code="E0340",
            hint="write it with numpy.savez or numpy.savez_compressed",
        ) from None


def entries(
    archive: zipfile.ZipFile,
    source: str,
    wanted: Callable[[str], bool] = lambda name: True,
    *,
    stacked: bool = True,
) -> dict[str, Entry]:
    """Return what an archive holds, from the headers alone.

    Parameters
    ----------
    wanted : tells which names to look at.
    stacked : whether the first axis of each array counts the instances; otherwise single values
        and short byte strings are read as well.

    Raises
    ------
    DataError : the archive is damaged or holds what is not read.
    """
    infos = _infos(archive, source, os.stat(source).st_size)
    return {
        name: _entry(archive, name, info, source, stacked)
        for name, info in infos.items()
        if wanted(name)
    }


def require(found: dict[str, Entry], source: str) -> None:
    """Raise BudgetError if arrays are over the budget, each or together."""
    for entry in found.values():
        entry.require()
    budget.require(sum(entry.cost for entry in found.values()), source)


def flat(archive: zipfile.ZipFile, entry: Entry) -> Values:
    """Return the values of an array, in C order; `Entry.require` has been asked."""
    return np.ascontiguousarray(shaped(archive, entry)).reshape(-1)


def shaped(archive: zipfile.ZipFile, entry: Entry) -> Values:
    """Return an array as it lies in the archive, in C or Fortran order."""
    with damage(entry.what), open_values(archive, entry) as stream:
        values = take(stream, entry, 0, entry.size)
        finish(stream, entry)
    return values.reshape(entry.shape, order="F" if entry.fortran else "C")


def open_values(archive: zipfile.ZipFile, entry: Entry) -> IO[bytes]:
    """Return a stream of an array's bytes, behind its header."""
    stream = archive.open(entry.info)
    stream.read(entry.header)
    return stream


def take(stream: IO[bytes], entry: Entry, first: int, count: int) -> Values:
    """Return the next ``count`` values of an array, the first of which has number ``first``."""
    size = entry.dtype.itemsize
    if not size:
        return np.zeros(count, "<U1")
    need = count * size
    buffer = np.empty(need, np.uint8)
    done = 0
    while done < need:
        part = stream.read(min(_CHUNK, need - done))
        if not part:
            raise DataError(
                f"{entry.what} is cut off after {first * size + done} of {entry.size * size} bytes",
                code="E0341",
            )
        buffer[done : done + len(part)] = np.frombuffer(part, np.uint8)
        done += len(part)
    return buffer.view(entry.dtype)


def finish(stream: IO[bytes], entry: Entry) -> None:
    """Read on to the end: only there is the checksum compared."""
    stream.read(1)


def _infos(archive: zipfile.ZipFile, source: str, size: int) -> dict[str, zipfile.ZipInfo]:
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not name:
            raise DataError(f"{source}: entry `{info.filename}` is no array (.npy)", code="E0342")
        if name in infos:
            raise DataError(f"{source} has two arrays `{name}`", code="E0329")
        if info.compress_size > size:
            raise DataError(
                f"{source}: field `{name}` is cut off: the file is shorter than it", code="E0341"
            )
        infos[name] = info
    if not infos:
        raise DataError(f"{source} holds no arrays", code="E0323")
    return infos


def _entry(
    archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo, source: str, stacked: bool
) -> Entry:
    what = f"field `{name}` of {source}"
    if info.flag_bits & 0x1:
        raise DataError(f"{what} is encrypted, which is not read", code="E0342")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Other methods cannot be decompressed in bounded steps.
        names = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}
        method = names.get(info.compress_type, f"method {info.compress_type}")
        raise DataError(f"{what} is compressed by {method}; only deflate is read", code="E0342")
    with damage(what), archive.open(info) as stream:
        version, text = _header_text(stream, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran, dtype = (
                npy.read_array_header_1_0(text, max_header_size=_HEADER)
                if version == (1, 0)
                else npy.read_array_header_2_0(text, max_header_size=_HEADER)
            )
    except Exception as error:  # numpy's parser of headers promises no set of exceptions
        raise DataError(f"{what} has a damaged header: {str(error)[:200]}", code="E0341") from None
    word = not stacked and dtype.kind == "S" and dtype.itemsize <= _WORD
    if not word:
        kept(dtype, what)
    count = check_shape(shape if stacked else (1, *shape), max(dtype.itemsize, 4), what)
    header = 8 + len(text.getvalue())
    return _agreeing(Entry(name, what, info, header, dtype, shape, fortran, count))


def _header_text(stream: IO[bytes], what: str) -> tuple[tuple[int, int], BytesIO]:
    start = stream.read(8)
    if len(start) < 8 or not start.startswith(npy.MAGIC_PREFIX):
        raise DataError(
            f"{what} is no numpy array: it does not start with the magic text", code="E0341"
        )
    version = npy.read_magic(BytesIO(start))
    if version not in ((1, 0), (2, 0)):
        raise DataError(
            f"{what} has version {version[0]}.{version[1]} of the format, not 1 or 2",
            code="E0342",
        )
    width = 2 if version == (1, 0) else 4
    length = stream.read(width)
    size = int.from_bytes(length, "little")
    if size > _HEADER:
        raise DataError(f"{what} has a header of {size} bytes, more than {_HEADER}", code="E0341")
    header = stream.read(size)
    if len(length) < width or len(header) < size:
        raise DataError(f"{what} is cut off in its header", code="E0341")
    return version, BytesIO(length + header)


def _agreeing(entry: Entry) -> Entry:
    info, what = entry.info, entry.what
    need, have = entry.size * entry.dtype.itemsize, info.file_size - entry.header
    if need != have:
        shape = ", ".join(map(str, entry.shape))
        raise DataError(
            f"{what} states shape [{shape}] of {entry.dtype}, which is {need} bytes, "
            f"but the archive has {have}",
            code="E0341",
        )
    most = 1 if info.compress_type == zipfile.ZIP_STORED else _EXPANSION
    if info.file_size > info.compress_size * most:
        raise DataError(
            f"{what} states {info.file_size} bytes, but {info.compress_size} compressed bytes "
            "cannot hold as much",
            code="E0341",
        )
    return entry
