"""chain(…): layers one after another."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from factorgraph.errors import ModelError
from factorgraph.maps.act import Array
from factorgraph.maps.layer import Layer, Shape, Tape, Weights
from factorgraph.maps.linear import Linear
from factorgraph.maps.mlp import Mlp


@dataclass(frozen=True)
class Chain(Layer):
    """Layers one after another; before linear and mlp the array is flattened in C order.

    Parameters
    ----------
    layers : at least one. The weights of layer k are called ``k.`` and their name.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ModelError("`chain` takes at least one layer", code="E0127")

    def __str__(self) -> str:
        return " → ".join(map(str, self.layers))

    def weights(self) -> dict[str, Shape]:
        return {
            f"{k}.{name}": shape
            for k, layer in enumerate(self.layers)
            for name, shape in layer.weights().items()
        }

    def _of(self, weights: Weights, layer: int) -> Weights:
        return {name: weights[f"{layer}.{name}"] for name in self.layers[layer].weights()}

    def output(self, shape: Shape) -> Shape:
        for layer in self.layers:
            shape = layer.output(_fed(layer, shape))
        return shape

    def held(self, shape: Shape) -> int:
        count = 0
        for layer in self.layers:
            shape = _fed(layer, shape)
            count += layer.held(shape)
            shape = layer.output(shape)
        return count

    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        return {
            f"{k}.{name}": value
            for k, layer in enumerate(self.layers)
            for name, value in layer.initial(random).items()
        }

    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        tape = []
        for k, layer in enumerate(self.layers):
            shape = x.shape
            x, inner = layer._forward(
                self._of(weights, k), x.reshape(len(x), *_fed(layer, shape[1:]))
            )
            tape.append((shape, inner))
        return x, tuple(tape)

    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        # Layers before the first that has weights only hand the input's cotangent on.
        trained = [k for k, layer in enumerate(self.layers) if params and layer.weights()]
        last = 0 if inputs else min(trained, default=len(self.layers))
        found: dict[str, Array] = {}
        for k in reversed(range(last, len(self.layers))):
            shape, inner = tape[k]
            back, own = self.layers[k]._backward(
                self._of(weights, k), inner, cotangent, inputs or k > last, params
            )
            found |= {f"{k}.{name}": value for name, value in own.items()}
            if back is not None:
                cotangent = back.reshape(shape)
        return (
            cotangent if inputs else None,
            {name: found[name] for name in self.weights()} if params else {},
        )


def _fed(layer: Layer, shape: Shape) -> Shape:
    """Return the shape in which an array of ``shape`` reaches a layer."""
    return (math.prod(shape),) if isinstance(layer, (Linear, Mlp)) and len(shape) > 1 else shape
