"""Patches of pictures: laid out as rows of a matrix, and added back to pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from factorgraph import budget
from factorgraph.maps.act import Array

# Bytes of patches that are laid out at a time: what stays in a core's cache. Deep patches take
# more, since a product of few rows would read the kernels too often.
CACHED = 256 * 1024
LEAST_ROWS = 256
# How many multiplications cost as much as laying out one number of a patch (measured).
LAYING_OUT = 35


@dataclass(frozen=True)
class Patches:
    """The patches that a convolution reads.

    A patch serves ``group`` neighbouring columns of the output at once: it is that much wider
    than a kernel, so that fewer numbers are laid out and the products are of better shape.

    Parameters
    ----------
    batch, height, width : of the pictures.
    channels : of the pictures.
    side : of the kernels.
    before, after : zeros on either side of each axis.
    out : channels of the output.
    alone : whether a patch serves one column only.
    """

    batch: int
    height: int
    width: int
    channels: int
    side: int
    before: int
    after: int
    out: int
    alone: bool = False

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Height, and width times channels, with the zeros around."""
        more = self.before + self.after
        return self.height + more, (self.width + more) * self.channels

    @cached_property
    def group(self) -> int:
        """How many columns of the output share a patch: the cheapest divisor of their number."""
        columns = self.width + self.before + self.after - self.side + 1
        most = 1 if self.alone else min(columns, 32)

        def cost(group: int) -> float:
            return (self.side + group - 1) * (LAYING_OUT / group + self.out)

        return min((g for g in range(1, most + 1) if columns % g == 0), key=cost)

    @cached_property
    def places(self) -> tuple[int, int, int]:
        """How many patches there are: inputs, rows, groups of columns."""
        more = self.before + self.after - self.side + 1
        return self.batch, self.height + more, (self.width + more) // self.group

    @cached_property
    def length(self) -> int:
        """Numbers in a row of a patch."""
        return (self.side + self.group - 1) * self.channels

    @cached_property
    def depth(self) -> int:
        """Numbers in a patch."""
        return self.side * self.length

    def inside(self, pictures: Array) -> Array:
        """Return the view of padded pictures [n, *padded] without the zeros around."""
        start = self.before * self.channels
        rows = slice(self.before, self.before + self.height)
        return pictures[:, rows, start : start + self.width * self.channels]


class Layout:
    """The blocks in which patches are worked on, and the scratch memory for one.

    Blocks are of whole inputs where these are small, else of rows of one input, else of columns
    of one row: a block of an output [*places, …] lies in one piece.
    """

    def __init__(self, patches: Patches) -> None:
        batch, height, groups = patches.places
        rows = max(LEAST_ROWS, CACHED // (8 * (patches.depth + 1)))
        self.patches = patches
        self.inputs = max(1, min(batch, rows // (height * groups)))
        self.rows = height if height * groups <= rows else max(1, rows // groups)
        self.groups = min(groups, rows)
        self.size = self.inputs * self.rows * self.groups
        pictures = math.prod(patches.padded) * self.inputs if patches.before + patches.after else 0
        budget.require(
            8 * (2 * self.size * (patches.depth + 1) + pictures),
            f"laying out patches of {patches.side} x {patches.side} x {patches.channels}",
        )

    def batches(self) -> Iterator[slice]:
        """Yield the blocks of inputs."""
        batch = self.patches.batch
        for start in range(0, batch, self.inputs):
            yield slice(start, min(start + self.inputs, batch))

    def cells(self) -> Iterator[tuple[slice, slice]]:
        """Yield the blocks of rows and of groups of columns within a block of inputs."""
        _, height, groups = self.patches.places
        for i in range(0, height, self.rows):
            for j in range(0, groups, self.groups):
                yield slice(i, i + self.rows), slice(j, j + self.groups)

    def reader(self, x: Array) -> Callable[[slice], Array]:
        """Return a function that gives the patches of a block of inputs.

        They are a view [inputs, rows, groups, side, length], valid until the next call.
        """
        p = self.patches
        flat = x.reshape(p.batch, p.height, p.width * p.channels)
        if not p.before + p.after:
            whole = self._windows(np.ascontiguousarray(flat))
            return lambda block: whole[block]
        scratch = np.zeros((self.inputs, *p.padded))
        inside, windows = p.inside(scratch), self._windows(scratch)

        def read(block: slice) -> Array:
            count = block.stop - block.start
            inside[:count] = flat[block]
            return windows[:count]

        return read

    def _windows(self, pictures: Array) -> Array:
        p = self.patches
        found = sliding_window_view(pictures, (p.side, p.length), axis=(1, 2))
        return found[:, :, :: p.group * p.channels]

    def columns(self) -> Array:
        """Return scratch for the patches of one block, each followed by a 1 for the bias."""
        return np.ones((self.size, self.patches.depth + 1))


def lay(columns: Array, patches: Array) -> Array:
    """Copy patches into scratch, a row each, and return the rows that they fill."""
    rows = columns[: math.prod(patches.shape[:3])]
    rows[:, :-1].reshape(patches.shape)[...] = patches
    return rows


class Sum:
    """Pictures [batch, height, width * channels] as the sum of overlapping patches."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        p = self.patches = layout.patches
        self.total = np.empty((p.batch, p.height, p.width * p.channels))
        self.direct = not p.before + p.after
        self.pictures = self.total if self.direct else np.empty((layout.inputs, *p.padded))
        self.product = np.empty(layout.size * p.length)
        self.strips = np.empty(
            layout.inputs * (layout.rows + p.side - 1) * layout.groups * p.length
        )
        # Pieces no wider than a group: those of neighbouring patches do not overlap, so that
        # they are added at once.
        step, groups = p.group * p.channels, p.places[2]
        self.pieces = []
        for start in range(0, p.length, step):
            stop = min(start + step, p.length)
            views = sliding_window_view(self.pictures, stop - start, axis=2, writeable=True)
            views = views[:, :, start : start + (groups - 1) * step + 1 : step]
            self.pieces.append((slice(start, stop), views))

    def begin(self, block: slice) -> None:
        """Set a block of inputs to 0."""
        self.pictures[self._place(block)] = 0.0

    def add(self, block: slice, cells: tuple[slice, slice], slope: Array, band: Array) -> None:
        """Add the patches ``slope @ band`` of a block of inputs, rows and groups of columns.

        First rows of patches are added where they fall on the same row of a picture, in long
        strips of memory; only then groups of columns.

        Parameters
        ----------
        slope : [inputs, rows, groups, n].
        band : [side, n, length].
        """
        p = self.patches
        count, height, groups, _ = slope.shape
        more = height + p.side - 1
        flat = slope.reshape(count * height * groups, -1)
        product = self.product[: len(flat) * p.length].reshape(len(flat), p.length)
        strips = self.strips[: count * more * groups * p.length]
        strips = strips.reshape(count, more, groups, p.length)
        strips[:] = 0.0
        for u in range(p.side):
            np.matmul(flat, band[u], out=product)
            strips[:, u : u + height] += product.reshape(slope.shape[:3] + (p.length,))
        rows = slice(cells[0].start, cells[0].start + more)
        place = self._place(block)
        for part, views in self.pieces:
            target = views[place, rows, cells[1]]
            target += strips[..., part]

    def end(self, block: slice) -> None:
        """Take over a block of inputs, without the zeros around."""
        if not self.direct:
            inside = self.patches.inside(self.pictures)
            self.total[block] = inside[self._place(block)]

    def _place(self, block: slice) -> slice:
        return block if self.direct else slice(0, block.stop - block.start)
