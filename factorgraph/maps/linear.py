"""linear(in, out): y = x W + b."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from factorgraph.maps.act import Array, deviation
from factorgraph.maps.layer import Layer, Shape, ShapeError, Tape, Weights, numbers, require_sizes


def require_numbers(layer: Layer, shape: Shape, count: int) -> None:
    """Raise ShapeError unless ``shape`` is an array of ``count`` numbers, or one number for 1."""
    if shape != (count,) and (shape or count != 1):
        found = numbers(shape) if shape else "a single one"
        taken = f"{count} numbers" if count != 1 else "one number"
        raise ShapeError(f"{layer} takes {taken}, but is fed {found}")


@dataclass(frozen=True)
class Linear(Layer):
    """y = x W + b.

    Parameters
    ----------
    count, out : numbers that go in and come out. ``W`` is [count, out], ``b`` [out].
    """

    count: int
    out: int

    def __post_init__(self) -> None:
        require_sizes(str(self), (self.count, self.out))

    def __str__(self) -> str:
        return f"linear({self.count}, {self.out})"

    def weights(self) -> dict[str, Shape]:
        return {"W": (self.count, self.out), "b": (self.out,)}

    def output(self, shape: Shape) -> Shape:
        require_numbers(self, shape, self.count)
        return (self.out,)

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        scale = deviation("none", self.count)
        return {"W": random.normal(0.0, scale, (self.count, self.out)), "b": np.zeros(self.out)}

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        y = x.reshape(len(x), math.prod(x.shape[1:])) @ weights["W"]
        y += weights["b"]
        return y, (x,)

    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        x: Array = tape[0]
        back = (cotangent @ weights["W"].T).reshape(x.shape) if inputs else None
        if not params:
            return back, {}
        return back, {"W": x.reshape(len(x), self.count).T @ cotangent, "b": cotangent.sum(axis=0)}
