"""pool(s): the greatest of each block of a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from factorgraph.maps.act import Array
from factorgraph.maps.layer import Layer, Shape, ShapeError, Tape, Weights, numbers, require_sizes

# Bytes of a picture's block that are worked on at a time: what stays in a core's cache.
CACHED = 512 * 1024


@dataclass(frozen=True)
class Pool(Layer):
    """The greatest of each block of ``side`` x ``side``; the rest at the end is dropped.

    Where several of a block are greatest, the cotangent goes to the first in C order.

    Parameters
    ----------
    side : of a block. Pictures are [h, w] or [h, w, channels].
    """

    side: int

    def __post_init__(self) -> None:
        require_sizes(str(self), (self.side,))

    def __str__(self) -> str:
        return f"pool({self.side})"

    def weights(self) -> dict[str, Shape]:
        return {}

    def output(self, shape: Shape) -> Shape:
        if len(shape) not in (2, 3):
            raise ShapeError(f"{self} takes an array [h, w, channels], but is fed {numbers(shape)}")
        if min(shape[:2]) < self.side:
            raise ShapeError(
                f"{self} takes a picture of at least {self.side} x {self.side}, "
                f"but is fed {shape[0]} x {shape[1]}"
            )
        return (shape[0] // self.side, shape[1] // self.side, *shape[2:])

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        return {}

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        s = self.side
        h, w = self.output(x.shape[1:])[:2]
        if s == 1:
            y = x.copy()
        else:
            rows = np.maximum(x[:, : h * s : s, : w * s], x[:, 1 : h * s : s, : w * s])
            for u in range(2, s):
                np.maximum(rows, x[:, u : h * s : s, : w * s], out=rows)
            y = np.maximum(rows[:, :, ::s], rows[:, :, 1::s])
            for v in range(2, s):
                np.maximum(y, rows[:, :, v::s], out=y)
        return y, (x, y)

    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        if not inputs:
            return None, {}
        x, y = tape
        s, (h, w) = self.side, y.shape[1:3]
        cut = x.shape[1:3] != (h * s, w * s)
        back = np.zeros(x.shape) if cut else np.empty(x.shape)
        step = max(1, CACHED // (8 * max(1, math.prod(x.shape[1:]))))
        for start in range(0, len(x), step):
            block = slice(start, start + step)
            free = np.ones(y[block].shape, dtype=np.bool_)
            for k in range(s * s):
                u, v = divmod(k, s)
                cells = (block, slice(u, h * s, s), slice(v, w * s, s))
                # What no cell before has taken is the last one's.
                hit = free
                if k < s * s - 1:
                    hit = x[cells] == y[block]
                    hit &= free
                    free ^= hit
                np.multiply(cotangent[block], hit, out=back[cells])
        return back, {}
