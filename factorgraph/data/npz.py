"""Read numpy archives whose arrays hold all instances of a field."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import IO
from zipfile import ZipFile

import numpy as np

from factorgraph import budget
from factorgraph.data.archive import (
    Entry,
    damage,
    entries,
    finish,
    flat,
    open_values,
    opened,
    require,
    shaped,
    take,
)
from factorgraph.data.column import Column, Ints, Records, Values
from factorgraph.data.dtype import cost, settle
from factorgraph.data.stack import even, gather, is_offsets, named, offsets_of, ragged, wants
from factorgraph.data.text import STREAMED
from factorgraph.errors import DataError, some


def read_npz(path: str | os.PathLike[str], fields: Collection[str] | None = None) -> Records:
    """Read a numpy archive of named arrays.

    Parameters
    ----------
    path : the file. Array ``NAME`` counts the instances along its first axis; with a second
        array ``NAME.offsets``, [N + 1], instance i is ``NAME[offsets[i] : offsets[i + 1]]``.
        Fields of records are arrays ``NAME.FIELD``, which may share ``NAME.offsets``; rows of
        different length lie end to end, ``NAME.lengths`` tells how long they are.
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
    with opened(source) as archive:
        found = entries(archive, source, lambda name: wants(name, fields))
        require(found, source)
        bounds: dict[str, Values] = {}
        columns = {}
        for name, entry in found.items():
            if is_offsets(name, found, source):
                continue
            values, missing = settle(flat(archive, entry), entry.what, own=True)
            other = offsets_of(name, found)
            if other is None:
                columns[name] = even(name, values, missing, entry.shape, entry.what)
                continue
            if other not in bounds:
                bounds[other] = _offsets(archive, found[other])
            columns[name] = ragged(name, values, missing, entry.shape, bounds[other], entry.what)
        return gather(columns, source, _fields(archive))


def read_arrays(path: str | os.PathLike[str]) -> dict[str, Values]:
    """Read a numpy archive as plain arrays in their own shapes, with the same care.

    Raises
    ------
    DataError : the file is missing, damaged or holds what is not read.
    BudgetError : the arrays would be too large.
    """
    source = os.fspath(path)
    with opened(source) as archive:
        found = entries(archive, source)
        require(found, source)
        return {name: shaped(archive, entry) for name, entry in found.items()}


def stream_npz(
    path: str | os.PathLike[str], fields: Collection[str] | None = None, size: int = STREAMED
) -> Iterator[Records]:
    """Read a numpy archive in blocks of about ``size`` bytes, all arrays in step.

    Only offsets, and arrays in Fortran order, are held whole.

    Yields
    ------
    Records.

    Raises
    ------
    DataError, BudgetError : as `read_npz` does; a wrong checksum shows at the end only.
    """
    source = os.fspath(path)
    with opened(source) as archive, ExitStack() as stack:
        found = entries(archive, source, lambda name: wants(name, fields))
        tracks = [
            _track(archive, entry, found, stack)
            for name, entry in found.items()
            if not is_offsets(name, found, source)
        ]
        if not tracks:
            yield gather({}, source, _fields(archive))
            return
        count = tracks[0].count
        for track in tracks:
            if track.count != count:
                raise DataError(
                    f"{source}: field `{track.entry.name}` has {some(track.count, 'instance')}, "
                    f"but field `{tracks[0].entry.name}` has {count}",
                    code="E0345",
                )
        if not count:
            raise DataError(f"{source} holds no instances", code="E0323")
        ends = sum((track.bytes() for track in tracks), np.zeros(count + 1, np.int64))
        size = max(1, min(size, budget.limit() // 8))
        low = 0
        while low < count:
            high = int(np.searchsorted(ends, ends[low] + size, side="right")) - 1
            high = min(max(high, low + 1), count, low + size // 8 + 1)
            budget.require(int(ends[high] - ends[low]), f"instance {low} of {source}")
            columns = {track.entry.name: track.part(low, high) for track in tracks}
            yield Records(
                source,
                high - low,
                columns,
                np.arange(low, high, dtype=np.int64),
                fields=_fields(archive),
            )
            low = high
        for track in tracks:
            if track.stream is not None:
                with damage(track.entry.what):
                    finish(track.stream, track.entry)


@dataclass(frozen=True, eq=False)
class _Track:
    """An array that is read from its first instance to its last."""

    entry: Entry
    stream: IO[bytes] | None
    values: Values | None
    bounds: Ints | None

    @property
    def count(self) -> int:
        return self.entry.shape[0] if self.bounds is None else len(self.bounds) - 1

    @property
    def row(self) -> int:
        """Number of values for each step along the first axis."""
        return int(np.prod(self.entry.shape[1:], dtype=np.int64))

    def bytes(self) -> Ints:
        """Return the bytes that instances before each take to read, [N + 1]."""
        rows = self.bounds if self.bounds is not None else np.arange(self.count + 1)
        each = cost(self.entry.dtype, self.row) + 8 * len(self.entry.shape)
        return np.asarray(rows * each, np.int64)

    def part(self, low: int, high: int) -> Column:
        entry, row = self.entry, self.row
        first, last = (low, high) if self.bounds is None else self.bounds[[low, high]].tolist()
        if self.stream is None:
            assert self.values is not None
            flat_values = self.values[first * row : last * row]
        else:
            with damage(entry.what):
                flat_values = take(self.stream, entry, first * row, (last - first) * row)
        values, missing = settle(flat_values, entry.what, own=False, first=first * row)
        shape = (last - first, *entry.shape[1:])
        if self.bounds is None:
            return even(entry.name, values, missing, shape, entry.what)
        bounds = self.bounds[low : high + 1] - first
        return ragged(entry.name, values, missing, shape, bounds, entry.what)


def _track(archive: ZipFile, entry: Entry, found: dict[str, Entry], stack: ExitStack) -> _Track:
    other = offsets_of(entry.name, found)
    bounds = None
    if other is not None:
        found[other].require()
        bounds = _offsets(archive, found[other])
        # The same checks as for an array that is read at once, without its values.
        nothing = np.zeros(0, np.bool_)
        ragged(entry.name, nothing, None, (entry.shape[0], 0), bounds, entry.what)
        bounds = bounds.astype(np.int64)
    else:
        budget.require(8 * entry.shape[0], entry.what)
    if entry.fortran and len(entry.shape) > 1:
        entry.require()
        return _Track(entry, None, flat(archive, entry), bounds)
    with damage(entry.what):
        stream = stack.enter_context(closing(open_values(archive, entry)))
    return _Track(entry, stream, None, bounds)


def _fields(archive: ZipFile) -> tuple[str, ...]:
    """Return the fields of an archive."""
    return named(info.filename.removesuffix(".npy") for info in archive.infolist())


def _offsets(archive: ZipFile, entry: Entry) -> Values:
    values, _ = settle(flat(archive, entry), entry.what, own=True)
    return values.reshape(entry.shape)
