"""mlp(in, …, out): linear layers with an activation between them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from factorgraph.errors import ModelError
from factorgraph.maps.act import ACTS, Array, activate, deviation, pull
from factorgraph.maps.layer import Layer, Shape, Tape, Weights, require_sizes
from factorgraph.maps.linear import require_numbers


@dataclass(frozen=True)
class Mlp(Layer):
    """Linear layers, an activation after each but the last.

    Parameters
    ----------
    sizes : numbers that go in, of each hidden layer, that come out. Layer k has ``k.W``
        [sizes[k], sizes[k + 1]] and ``k.b``.
    act : relu, tanh, sigmoid, softplus or none.
    """

    sizes: tuple[int, ...]
    act: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))
        if len(self.sizes) < 2:
            raise ModelError(f"{self} takes (in, …, out), at least two sizes", code="E0127")
        require_sizes(str(self), self.sizes)
        if self.act not in ACTS:
            raise ModelError(f"`act` is one of {', '.join(ACTS)}", code="E0127")

    def __str__(self) -> str:
        act = "" if self.act == "relu" else f", act = {self.act}"
        return f"mlp({', '.join(map(str, self.sizes))}{act})"

    def weights(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {}
        for k, (count, out) in enumerate(pairwise(self.sizes)):
            shapes |= {f"{k}.W": (count, out), f"{k}.b": (out,)}
        return shapes

    def output(self, shape: Shape) -> Shape:
        require_numbers(self, shape, self.sizes[0])
        return (self.sizes[-1],)

    def held(self, shape: Shape) -> int:
        return sum(self.sizes[1:])

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for k, (count, out) in enumerate(pairwise(self.sizes)):
            scale = deviation(self._act(k), count)
            found |= {f"{k}.W": random.normal(0.0, scale, (count, out)), f"{k}.b": np.zeros(out)}
        return found

    def _act(self, layer: int) -> str:
        return self.act if layer < len(self.sizes) - 2 else "none"

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        values = [x.reshape(len(x), math.prod(x.shape[1:]))]
        for k in range(len(self.sizes) - 1):
            y = values[-1] @ weights[f"{k}.W"]
            y += weights[f"{k}.b"]
            activate(self._act(k), y)
            values.append(y)
        return values[-1], (x.shape, values)

    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        shape, values = tape
        found: dict[str, Array] = {}
        for k in reversed(range(len(self.sizes) - 1)):
            cotangent = pull(self._act(k), values[k + 1], cotangent)
            if params:
                found[f"{k}.W"] = values[k].T @ cotangent
                found[f"{k}.b"] = cotangent.sum(axis=0)
            if not k and not inputs:
                return None, {name: found[name] for name in self.weights()} if params else {}
            cotangent = cotangent @ weights[f"{k}.W"].T
        return cotangent.reshape(shape), {name: found[name] for name in self.weights() if params}
