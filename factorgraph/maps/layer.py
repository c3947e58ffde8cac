"""What every layer of a map can do: shapes, initial weights, values and cotangents."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from factorgraph import budget
from factorgraph.errors import ModelError
from factorgraph.maps.act import Array

Shape = tuple[int, ...]
Weights = Mapping[str, Array]
Tape = tuple[Any, ...]

# Bytes of intermediate results that `apply` holds at a time.
BLOCK = 4 * 2**20


class ShapeError(ValueError):
    """A layer is fed an array of a shape that it does not take."""


class Layer(ABC):
    """Shared weights that turn an array of real numbers into another.

    Layers hold sizes only; their weights come along with every call, by name. Arrays are float64
    and their first axis is the batch: B inputs at once.
    """

    @abstractmethod
    def weights(self) -> dict[str, Shape]:
        """Return the shape of each array of weights by name, in a fixed order."""

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """Return the shape of the output for one input of ``shape``.

        Raises
        ------
        ShapeError : where the layer does not take this shape.
        """

    @abstractmethod
    def initial(self, random: np.random.Generator) -> dict[str, Array]:
        """Return initial weights, normal with a deviation by fan-in (`act.deviation`), biases 0.

        The same state of ``random`` gives the same numbers.
        """

    @abstractmethod
    def __str__(self) -> str:
        """Return the layer as it is written in a model, a chain with arrows."""

    def describe(self) -> str:
        """Return the layer as it is written, and how many weights it has."""
        count = sum(math.prod(shape) for shape in self.weights().values())
        return f"{self}, {f'{count:,}' if count else 'no'} weights"

    def held(self, shape: Shape) -> int:
        """Return how many numbers a tape holds for one input of ``shape``, besides the input."""
        return math.prod(self.output(shape))

    def forward(self, weights: Weights, x: ArrayLike) -> tuple[Array, Tape]:
        """Return the output, and what `backward` needs.

        Parameters
        ----------
        weights : by name, of the shapes of `weights`.
        x : [B, *shape]. Neither it nor the output may be changed before `backward`: the tape
            refers to them.

        Returns
        -------
        y : [B, *output(shape)].
        tape : for `backward` of this layer.

        Raises
        ------
        ShapeError : where the shapes of ``x`` or of ``weights`` are others.
        BudgetError : where outputs and cotangents would not fit.
        """
        x = self._checked(weights, x)
        # As much again for the cotangents that backward makes.
        size = len(x) * (self.held(x.shape[1:]) + math.prod(x.shape[1:]))
        budget.require(2 * 8 * size, f"map {self} for {len(x)} inputs")
        y, tape = self._forward(weights, x)
        return y, (y.shape, tape)

    def backward(
        self,
        weights: Weights,
        tape: Tape,
        cotangent: ArrayLike,
        *,
        inputs: bool = True,
        params: bool = True,
    ) -> tuple[Array | None, dict[str, Array]]:
        """Return the vector-Jacobian product: cotangents of the input and of the weights.

        Parameters
        ----------
        weights, tape : of the same `forward`.
        cotangent : [B, *output], d value / d y.
        inputs : whether the input's cotangent is wanted.
        params : whether those of the weights are wanted.

        Returns
        -------
        x : [B, *shape], d value / d x; None if not wanted.
        weights : d value / d weights by name, summed over the batch; empty if not wanted.

        Raises
        ------
        ShapeError : where the cotangent's shape is not the output's.
        """
        shape, inner = tape
        cotangent = np.asarray(cotangent, dtype=np.float64)
        if cotangent.shape != shape:
            raise ShapeError(
                f"{self} gave {list(shape)}, but its cotangent is {list(cotangent.shape)}"
            )
        return self._backward(weights, inner, cotangent, inputs, params)

    def apply(self, weights: Weights, x: ArrayLike) -> Array:
        """Return the output [B, *output] for ``x`` [B, *shape], in blocks of bounded memory.

        Raises
        ------
        ShapeError : where the shapes of ``x`` or of ``weights`` are others.
        BudgetError : where the output would not fit.
        """
        x = self._checked(weights, x)
        shape = self.output(x.shape[1:])
        held = 8 * self.held(x.shape[1:])
        step = max(1, BLOCK // max(1, held))
        budget.require(
            8 * len(x) * math.prod(shape) + min(step, len(x)) * held,
            f"map {self} for {len(x)} inputs",
        )
        if len(x) <= step:
            return self._forward(weights, x)[0]
        y = np.empty((len(x), *shape))
        for start in range(0, len(x), step):
            y[start : start + step] = self._forward(weights, x[start : start + step])[0]
        return y

    @abstractmethod
    def _forward(self, weights: Weights, x: Array) -> tuple[Array, Tape]:
        """Return output and tape, for shapes that are known to fit."""

    @abstractmethod
    def _backward(
        self, weights: Weights, tape: Tape, cotangent: Array, inputs: bool, params: bool
    ) -> tuple[Array | None, dict[str, Array]]:
        """Return cotangents, for a cotangent that is known to fit."""

    def _checked(self, weights: Weights, x: ArrayLike) -> Array:
        x = np.asarray(x, dtype=np.float64)
        if not x.ndim:
            raise ShapeError(f"{self} takes a batch of inputs, but is fed a single number")
        self.output(x.shape[1:])
        for name, shape in self.weights().items():
            found = np.shape(weights[name]) if name in weights else None
            if found != shape:
                given = f"some of {list(found)}" if found is not None else "none"
                raise ShapeError(
                    f"{self} takes weights `{name}` of shape {list(shape)}, but is given {given}"
                )
        return x


def require_sizes(layer: str, sizes: tuple[int, ...]) -> None:
    """Raise ModelError ``E0127`` where a size is below 1."""
    if min(sizes) < 1:
        raise ModelError(
            f"the sizes of {layer} are at least 1", code="E0127",
            hint="a domain that stands for a size needs a value",
        )  # fmt: skip


def numbers(shape: Shape) -> str:
    """Return how an array of ``shape`` is called in messages."""
    return str(list(shape)) if len(shape) != 1 else str(shape[0])
