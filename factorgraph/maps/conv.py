"""conv(in, out, side): cross-correlation of pictures with kernels, as products of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from factorgraph import budget
from factorgraph.errors import ModelError
from factorgraph.maps.act import ACTS, Array, activate, deviation, pull
from factorgraph.maps.layer import Layer, Shape, ShapeError, Tape, Weights, numbers, require_sizes

# Bytes of patches that are laid out at a time: what stays in a core's cache. Deep patches take
# more, since a product of few rows reads the kernels too often.
CACHED = 256 * 1024
LEAST_ROWS = 256
# How many multiplications cost as much as laying out one number of a patch (measured).
LAYING_OUT = 15


@dataclass(frozen=True)
class Conv(Layer):
    """y[i, j, o] = b[o] + sum over u, v, c of K[u, v, c, o] x[i + u, j + v, c], then an activation.

    Parameters
    ----------
    count, out : channels that go in and come out. Pictures are [h, w, count], or [h, w] for one.
    side : of the kernels; ``K`` is [side, side, count, out], ``b`` [out].
    pad : ``none``: side - 1 rows and columns less come out; ``same``: as many as went in, zeros
        around the picture, (side - 1) // 2 of them before and the others after.
    act : relu, tanh, sigmoid, softplus or none.
    """

    count: int
    out: int
    side: int
    pad: str = "none"
    act: str = "none"

    def __post_init__(self) -> None:
        require_sizes(str(self), (self.count, self.out, self.side))
        if self.pad not in ("none", "same"):
            raise ModelError("`pad` is one of none, same", code="E0127")
        if self.act not in ACTS:
            raise ModelError(f"`act` is one of {', '.join(ACTS)}", code="E0127")

    def __str__(self) -> str:
        pad = "" if self.pad == "none" else f", pad = {self.pad}"
        act = "" if self.act == "none" else f", act = {self.act}"
        return f"conv({self.count}, {self.out}, {self.side}{pad}{act})"

    def weights(self) -> dict[str, Shape]:
        return {"K": (self.side, self.side, self.count, self.out), "b": (self.out,)}

    def output(self, shape: Shape) -> Shape:
        axes = (*shape, 1) if len(shape) == 2 and self.count == 1 else shape
        if len(axes) != 3 or axes[2] != self.count:
            raise ShapeError(
                f"{self} takes an array [h, w, {self.count}], but is fed {numbers(shape)}"
            )
        least = 1 if self.pad == "same" else self.side
        if min(shape[:2]) < least:
            raise ShapeError(
                f"{self} takes a picture of at least {least} x {least}, "
                f"but is fed {shape[0]} x {shape[1]}"
            )
        return (shape[0] - least + 1, shape[1] - least + 1, self.out)

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        shape = self.weights()["K"]
        scale = deviation(self.act, self.side * self.side * self.count)
        return {"K": random.normal(0.0, scale, shape), "b": np.zeros(self.out)}

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        patches = Patches(self, x.shape)
        band = _band(weights["K"], weights["b"], patches.group)
        y = np.empty((*patches.places, band.shape[1]))
        columns = patches.columns()
        source = patches.source(x)
        for place, first in patches.blocks():
            laid = source.lay(columns, place, first)
            block = y[place].reshape(len(laid), band.shape[1])
            np.matmul(laid, band, out=block)
            activate(self.act, block)
        y = y.reshape(len(x), *self.output(x.shape[1:]))
        return y, (x, y)
