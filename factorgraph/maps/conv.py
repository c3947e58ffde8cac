"""conv(in, out, side): cross-correlation of pictures with kernels, as products of matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factorgraph.errors import ModelError
from factorgraph.maps.act import ACTS, Array, activate, deviation, pull
from factorgraph.maps.layer import Layer, Shape, ShapeError, Tape, Weights, numbers, require_sizes
from factorgraph.maps.patches import Layout, Patches, Sum, lay


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

    def _patches(self, x: Array) -> Patches:
        zeros = self.side - 1 if self.pad == "same" else 0
        batch, height, width = x.shape[:3]
        before = zeros // 2
        # An infinite number times a 0 beside the kernel would spoil the neighbouring columns.
        alone = not np.isfinite(x).all()
        return Patches(
            batch, height, width, self.count, self.side, before, zeros - before, self.out, alone
        )

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        patches = self._patches(x)
        layout = Layout(patches)
        band = _band(weights["K"], weights["b"], patches.group)
        y = np.empty((*patches.places, band.shape[1]))
        read, columns = layout.reader(x), layout.columns()
        for block in layout.batches():
            windows = read(block)
            for cells in layout.cells():
                rows = lay(columns, windows[:, *cells])
                part = y[block, *cells].reshape(len(rows), band.shape[1])
                np.matmul(rows, band, out=part)
                activate(self.act, part)
        y = y.reshape(len(x), *self.output(x.shape[1:]))
        return y, (x, y if self.act != "none" else None)

    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        x, y = tape
        patches = self._patches(x)
        layout = Layout(patches)
        band = _band(weights["K"], weights["b"], patches.group)
        by_row = band[:-1].reshape(patches.side, patches.length, -1).transpose(0, 2, 1).copy()
        wide = (*patches.places, band.shape[1])
        y = y.reshape(wide) if y is not None else None
        cotangent = cotangent.reshape(wide)
        total, product = np.zeros(band.shape), np.empty(band.shape)
        read, columns = layout.reader(x), layout.columns()
        back = Sum(layout) if inputs else None
        for block in layout.batches():
            windows = read(block) if params else None
            if back is not None:
                back.begin(block)
            for cells in layout.cells():
                place = (block, *cells)
                slope = cotangent[place]
                if y is not None:
                    slope = pull(self.act, y[place], slope)
                if windows is not None:
                    rows = lay(columns, windows[:, *cells])
                    total += np.matmul(rows.T, slope.reshape(len(rows), -1), out=product)
                if back is not None:
                    back.add(block, cells, slope, by_row)
            if back is not None:
                back.end(block)
        found = _unband(total, self.weights()["K"], patches.group) if params else {}
        return (back.total.reshape(x.shape) if back is not None else None), found


def _band(kernels: Array, bias: Array, group: int) -> Array:
    """Return the matrix that turns a patch and a 1 into ``group`` columns of the output.

    Parameters
    ----------
    kernels : [side, side, count, out].

    Returns
    -------
    [side * (side + group - 1) * count + 1, group * out].
    """
    side, _, count, out = kernels.shape
    width = side + group - 1
    band = np.zeros((side * width * count + 1, group * out))
    inner = band[:-1].reshape(side, width, count, group, out)
    for k in range(group):
        inner[:, k : k + side, :, k] = kernels
    band[-1] = np.tile(bias, group)
    return band


def _unband(band: Array, shape: Shape, group: int) -> dict[str, Array]:
    """Return the cotangents of kernels and bias from that of their matrix."""
    side, _, count, out = shape
    inner = band[:-1].reshape(side, side + group - 1, count, group, out)
    kernels = inner[:, :side, :, 0].copy()
    for k in range(1, group):
        kernels += inner[:, k : k + side, :, k]
    return {"K": kernels, "b": band[-1].reshape(group, out).sum(axis=0)}
