"""Records from several blocks of one source, end to end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from factorgraph.data.column import Column, Records


def join(parts: Sequence[Records]) -> Records | None:
    """Return all instances of some blocks as one, None where their fields do not go together.

    Parameters
    ----------
    parts : at least one, in the order of the source.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if any(list(p.columns) != list(first.columns) for p in parts):
        return None
    columns: dict[str, Column] = {}
    for name in first.columns:
        found = [p.columns[name] for p in parts]
        kinds = {c.values.dtype.kind for c in found}
        if len({c.rank for c in found}) > 1 or any(c.shared for c in found):
            return None
        if len(kinds) > 1 and not kinds <= set("iuf"):
            return None
        columns[name] = _column(name, found)
    before = np.cumsum([0, *(p.count for p in parts)])
    origin = [
        np.arange(p.count) + low if p.origin is None else p.origin
        for p, low in zip(parts, before[:-1], strict=True)
    ]
    return replace(first, count=int(before[-1]), columns=columns, origin=np.concatenate(origin))


def _column(name: str, parts: list[Column]) -> Column:
    sizes = np.cumsum([0, *(len(c.values) for c in parts)])
    starts = [c.start[:-1] + low for c, low in zip(parts, sizes[:-1], strict=True)]
    missing = None
    if any(c.missing is not None for c in parts):
        missing = np.concatenate(
            [np.zeros(len(c.values), np.bool_) if c.missing is None else c.missing for c in parts]
        )
    return Column(
        name,
        np.concatenate([c.values for c in parts]),
        np.concatenate([*starts, sizes[-1:]]).astype(np.int64),
        np.concatenate([c.shape for c in parts]),
        missing,
    )


def shards(blocks: Iterable[Records], size: int) -> Iterator[Records]:
    """Yield the instances of some blocks in pieces of ``size``, the last one with what is left.

    Where blocks do not go together (lists of one length in one, of several in the next), a piece
    ends early.
    """
    held: list[Records] = []
    for block in blocks:
        if held and join([*held, block]) is None:
            yield from (piece for piece in _pieces(held, size) if piece.count)
            held = []
        held.append(block)
        if sum(r.count for r in held) >= size:
            *whole, rest = _pieces(held, size)
            yield from whole
            held = [rest] if rest.count else []
    if held:
        yield from (piece for piece in _pieces(held, size) if piece.count)


def _pieces(held: list[Records], size: int) -> list[Records]:
    """Return pieces of ``size`` and, last, what is left, which may be nothing."""
    every = join(held)
    assert every is not None
    low = np.arange(0, every.count + 1, size)
    return [every.take(np.arange(a, min(a + size, every.count))) for a in low.tolist()]
