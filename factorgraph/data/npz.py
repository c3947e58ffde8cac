"""Read numpy archives without trusting them.

Nothing is allocated on the word of a header: a shape must agree with the size that the archive
declares, that size with what the compressed bytes could expand to, and all with the budget.
"""

from __future__ import annotations

import os
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from factorgraph import budget
from factorgraph.data.column import Column, Records, Values
from factorgraph.data.dtype import cost, kept, settle
from factorgraph.data.stack import OFFSETS, check_shape, even, gather, ragged
from factorgraph.errors import BudgetError, DataError

_HEADER = 10_000
_EXPANSION = 1040  # Deflate cannot do better than 1032 to 1.
_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError,
           RuntimeError, OverflowError, KeyError)  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    name: str
    what: str
    info: zipfile.ZipInfo
    header: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    size: int


def read_npz(path: str | os.PathLike[str], fields: Collection[str] | None = None) -> Records:
    """Read a numpy archive of named arrays.

    Parameters
    ----------
    path : the file. Array ``NAME`` counts the instances along its first axis; with a second
        array ``NAME.offsets``, [N + 1], instance i is ``NAME[offsets[i] : offsets[i + 1]]``.
    fields : names to read, others stay untouched; None reads all. Absent ones are left out.

    Returns
    -------
    Records. Truth values, uint8, float32, float64 and text are kept, float16 becomes float32,
    other integers int64; the text "_" means a missing value.

    Raises
    ------
    DataError : the file is missing, damaged or holds what is not read.
    BudgetError : the arrays would be too large.
    """
    source = os.fspath(path)
    with _opened(source) as archive:
        entries = _entries(archive, source, fields)
        columns = {
            name: _column(archive, entry, entries.get(name + OFFSETS))
            for name, entry in entries.items()
            if not _is_offsets(name, entries, source)
        }
    return gather(columns, source)


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Values]:
    """Read a numpy archive as plain arrays in their own shapes, with the same care.

    Raises
    ------
    DataError : the file is missing, damaged or holds what is not read.
    BudgetError : the arrays would be too large.
    """
    source = os.fspath(path)
    with _opened(source) as archive:
        return {
            name: _flat(archive, entry).reshape(entry.shape)
            for name, entry in _entries(archive, source, None).items()
        }


@contextmanager
def _opened(source: str) -> Iterator[zipfile.ZipFile]:
    with _damage(source):
        status = os.stat(source)
        if not stat.S_ISREG(status.st_mode):
            # Opening a pipe would wait for ever.
            raise DataError(f"{source} is not a regular file")
        if not status.st_size:
            raise DataError(f"{source} is empty")
    with _damage(source), open(source, "rb") as stream, zipfile.ZipFile(stream) as archive:
        yield archive


def _entries(
    archive: zipfile.ZipFile, source: str, fields: Collection[str] | None
) -> dict[str, _Entry]:
    """Return what an archive holds, from the headers alone, within the budget."""
    infos = _infos(archive, source, os.stat(source).st_size)
    wanted = {name: info for name, info in infos.items() if _wants(name, fields)}
    entries = {name: _header(archive, name, info, source) for name, info in wanted.items()}
    budget.require(sum(cost(e.dtype, e.size) for e in entries.values()), source)
    return entries


@contextmanager
def _damage(what: str) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise BudgetError(f"{what} does not fit into memory", code="E0900") from None
    except OSError as error:
        raise DataError(f"cannot read {what}: {error.strerror or error}") from None
    except _DAMAGE as error:
        detail = str(error) or type(error).__name__
        raise DataError(
            f"{what} is damaged or no npz archive: {detail[:200]}",
            hint="write it with numpy.savez or numpy.savez_compressed",
        ) from None


def _wants(name: str, fields: Collection[str] | None) -> bool:
    return fields is None or name in fields or name.removesuffix(OFFSETS) in fields


def _is_offsets(name: str, names: Collection[str], source: str) -> bool:
    if not name.endswith(OFFSETS):
        return False
    if name.removesuffix(OFFSETS) not in names:
        raise DataError(f"{source} has `{name}`, but no array `{name.removesuffix(OFFSETS)}`")
    return True


def _infos(archive: zipfile.ZipFile, source: str, size: int) -> dict[str, zipfile.ZipInfo]:
    infos: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.removesuffix(".npy")
        if name == info.filename or not name:
            raise DataError(f"{source}: entry `{info.filename}` is no array (.npy)")
        if name in infos:
            raise DataError(f"{source} has two arrays `{name}`")
        if info.compress_size > size:
            raise DataError(f"{source}: field `{name}` is cut off: the file is shorter than it")
        infos[name] = info
    if not infos:
        raise DataError(f"{source} holds no arrays")
    return infos


def _header(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo, source: str) -> _Entry:
    what = f"field `{name}` of {source}"
    if info.flag_bits & 0x1:
        raise DataError(f"{what} is encrypted, which is not read")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Other methods cannot be decompressed in bounded steps.
        names = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA"}
        method = names.get(info.compress_type, f"method {info.compress_type}")
        raise DataError(f"{what} is compressed by {method}; only deflate is read")
    with _damage(what), archive.open(info) as stream:
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
        raise DataError(f"{what} has a damaged header: {str(error)[:200]}") from None
    kept(dtype, what)
    count = check_shape(shape, max(dtype.itemsize, 4), what)
    header = 8 + len(text.getvalue())
    return _checked(_Entry(name, what, info, header, dtype, shape, fortran, count))


def _header_text(stream: IO[bytes], what: str) -> tuple[tuple[int, int], BytesIO]:
    start = stream.read(8)
    if len(start) < 8 or not start.startswith(npy.MAGIC_PREFIX):
        raise DataError(f"{what} is no numpy array: it does not start with the magic text")
    version = npy.read_magic(BytesIO(start))
    if version not in ((1, 0), (2, 0)):
        raise DataError(f"{what} has version {version[0]}.{version[1]} of the format, not 1 or 2")
    width = 2 if version == (1, 0) else 4
    length = stream.read(width)
    size = int.from_bytes(length, "little")
    if size > _HEADER:
        raise DataError(f"{what} has a header of {size} bytes, more than {_HEADER}")
    header = stream.read(size)
    if len(length) < width or len(header) < size:
        raise DataError(f"{what} is cut off in its header")
    return version, BytesIO(length + header)


def _checked(entry: _Entry) -> _Entry:
    info, what = entry.info, entry.what
    need, have = entry.size * entry.dtype.itemsize, info.file_size - entry.header
    if need != have:
        shape = ", ".join(map(str, entry.shape))
        raise DataError(
            f"{what} states shape [{shape}] of {entry.dtype}, which is {need} bytes, "
            f"but the archive has {have}"
        )
    most = 1 if info.compress_type == zipfile.ZIP_STORED else _EXPANSION
    if info.file_size > info.compress_size * most:
        raise DataError(
            f"{what} states {info.file_size} bytes, but {info.compress_size} compressed bytes "
            "cannot hold as much"
        )
    index = 8 * entry.shape[0] * len(entry.shape)
    budget.require(cost(entry.dtype, entry.size) * (2 if entry.fortran else 1) + index, what)
    return entry


def _column(archive: zipfile.ZipFile, entry: _Entry, offsets: _Entry | None) -> Column:
    values, missing = settle(_flat(archive, entry), entry.what, own=True)
    if offsets is None:
        return even(entry.name, values, missing, entry.shape, entry.what)
    bounds, _ = settle(_flat(archive, offsets), offsets.what, own=True)
    bounds = bounds.reshape(offsets.shape)
    return ragged(entry.name, values, missing, entry.shape, bounds, entry.what)


def _flat(archive: zipfile.ZipFile, entry: _Entry) -> Values:
    need = entry.size * entry.dtype.itemsize
    with _damage(entry.what), archive.open(entry.info) as stream:
        buffer = np.empty(need, np.uint8)
        stream.read(entry.header)
        done = 0
        while done < need:
            part = stream.read(min(_CHUNK, need - done))
            if not part:
                raise DataError(f"{entry.what} is cut off after {done} of {need} bytes")
            buffer[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
        stream.read(1)  # the checksum is compared at the end only
    if not entry.dtype.itemsize:
        return np.zeros(entry.size, "<U1")
    flat = buffer.view(entry.dtype)
    if entry.fortran and len(entry.shape) > 1:
        flat = np.ascontiguousarray(flat.reshape(entry.shape[::-1]).T).reshape(-1)
    return flat
