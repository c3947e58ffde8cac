"""A param of which most weights stay at 0: its free ones, row by row.

What data pick is a row. Rows are stored as `factors.short` says, so that what is seldom seen takes
little room.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from factorgraph.factors.short import add_free, fill_rows, lay_out, recode, write_headers
from factorgraph.ground.ground import Grounding
from factorgraph.ground.transposed import Lists
from factorgraph.ground.weights import Place
from factorgraph.learn.shards import Crew
from factorgraph.learn.vectors import STRETCH, ridge

Floats = NDArray[np.float64]

PARTS = 32
"""Ranges of rows; more than threads, so that none waits long for another."""


class FreeRows:
    """The free weights of a param.

    Parameters
    ----------
    chosen : int64, their places in the flat vector of the layout, in order.
    first : the coordinate of the first of them.
    """

    def __init__(self, place: Place, chosen: NDArray[np.int64], first: int) -> None:
        self.place = place
        self.stored = place.stored[1:]
        self.columns = int(np.prod(self.stored, dtype=np.int64))
        self.span = slice(first, first + len(chosen))
        row, column = np.divmod(chosen - place.start, max(self.columns, 1))
        kind = np.uint8 if self.columns <= 256 else np.int32
        self.column = column.astype(kind)
        rows = place.stored[0]
        self.start = np.searchsorted(row, np.arange(rows + 1)).astype(np.int32)
        self.code = np.empty(rows, np.int32)
        size = int(lay_out(self.start, self.columns, self.code))
        self.matrix = np.zeros(-(-size // max(self.columns, 1)) * self.columns)
        write_headers(self.start, self.column, self.code, self.matrix)
        edges = np.searchsorted(self.start, len(chosen) * np.arange(1, PARTS) / PARTS)
        edges = np.unique(np.concatenate(([0], edges, [rows])))
        self.spans = list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def places(self) -> NDArray[np.int64]:
        """Return the places of the free weights in the flat vector, in order."""
        rows = np.repeat(np.arange(len(self.code)), np.diff(self.start))
        return self.place.start + rows * self.columns + self.column.astype(np.int64)

    def fill(self, flat: Floats, crew: Crew | None) -> Floats:
        """Write coordinates to their places; return the matrix, valid until the next call."""
        values = flat[self.span]

        def work(span: tuple[int, int]) -> None:
            fill_rows(values, self.start, self.column, self.code, self.columns, *span, self.matrix)

        for _ in map(work, self.spans) if crew is None else crew.map(work, self.spans):
            pass
        return self.matrix.reshape(-1, *self.stored)

    def ridge(self, flat: Floats, l2: float, out: Floats, crew: Crew) -> float:
        """Write the slopes of ``l2 / 2 * sum x^2`` in coordinates; return its value."""
        low, high = self.span.start, self.span.stop
        spans = [(k, min(k + STRETCH, high)) for k in range(low, high, STRETCH)]
        return sum(crew.map(lambda span: ridge(flat, l2, out, *span), spans), 0.0)

    def add(self, part: tuple[Lists, int, int], gradient: Floats) -> None:
        """Add to the gradient of the coordinates what a range of rows have left as adjoints."""
        lists, low, high = part
        add_free(
            lists.start, lists.rows, lists.adjoint, low, high, self.start, self.column,
            gradient[self.span],
        )  # fmt: skip


def shorten(grounding: Grounding, rows: Mapping[str, FreeRows]) -> None:
    """Let the lists of a grounding pick rows as they are stored."""
    for bound in grounding.bound:
        for k, definition in enumerate(bound.program.picks):
            if definition.param in rows:
                pick, start = bound.picks[k]
                out = np.empty(len(pick), np.int32)
                recode(pick, start, rows[definition.param].code, out)
                bound.picks[k] = out, start
