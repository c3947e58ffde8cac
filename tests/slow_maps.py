"""Maps of the slow truth: layers as plain loops over nested lists."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from slow_values import sigmoid, softplus

from factorgraph.syntax import tree as t

Size = Callable[[t.Expression], int]
ACTS: dict[str, Callable[[float], float]] = {
    "none": lambda x: x,
    "relu": lambda x: max(x, 0.0),
    "tanh": math.tanh,
    "sigmoid": sigmoid,
    "softplus": softplus,
}


def option(call: t.Call, name: str, default: str) -> str:
    for argument in call.arguments:
        if argument.name == name:
            assert isinstance(argument.value, t.Name)
            return argument.value.name
    return default


def sizes(call: t.Call, size: Size) -> list[int]:
    return [size(a.value) for a in call.arguments if a.name is None]


def layers(call: t.Call) -> list[t.Call]:
    found = []
    for argument in call.arguments:
        assert isinstance(argument.value, t.Call)
        found.append(argument.value)
    return found


def shapes(call: t.Call, size: Size, name: str) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of weights, by name.

    Parameters
    ----------
    size : gives the number that an argument stands for.
    name : the map's own, or that of the chain with the layer's number.
    """
    kind = call.name.name
    if kind == "chain":
        return {k: s for i, x in enumerate(layers(call))
                for k, s in shapes(x, size, f"{name}.{i}").items()}  # fmt: skip
    if kind == "pool":
        return {}
    n = sizes(call, size)
    if kind == "linear":
        return {f"{name}.W": (n[0], n[1]), f"{name}.b": (n[1],)}
    if kind == "conv":
        return {f"{name}.K": (n[2], n[2], n[0], n[1]), f"{name}.b": (n[1],)}
    assert kind == "mlp", kind
    found: dict[str, tuple[int, ...]] = {}
    for i in range(len(n) - 1):
        found |= {f"{name}.{i}.W": (n[i], n[i + 1]), f"{name}.{i}.b": (n[i + 1],)}
    return found


def last(call: t.Call) -> t.Expression | None:
    """Return how the text calls the last axis of a map's output."""
    kind = call.name.name
    if kind == "chain":
        return last(layers(call)[-1])
    plain = [a.value for a in call.arguments if a.name is None]
    return None if kind == "pool" else plain[1] if kind == "conv" else plain[-1]


def apply(call: t.Call, size: Size, name: str, weights: dict[str, Any], x: Any) -> Any:
    """Return a map's output, nested lists, for an input of nested lists or a number."""
    kind = call.name.name
    if kind == "chain":
        for i, inner in enumerate(layers(call)):
            if inner.name.name in ("linear", "mlp"):
                x = flat(x)
            x = apply(inner, size, f"{name}.{i}", weights, x)
        return x
    n = sizes(call, size)
    if kind == "pool":
        return pool(x, n[0])
    act = ACTS[option(call, "act", "relu" if kind == "mlp" else "none")]
    if kind == "conv":
        K, b = weights[f"{name}.K"], weights[f"{name}.b"]
        return convolve(x, K, b, n[2], option(call, "pad", "none") == "same", act)
    x = [x] if not isinstance(x, list) else x
    assert len(x) == n[0] and not isinstance(x[0], list)
    if kind == "linear":
        return linear(x, weights[f"{name}.W"], weights[f"{name}.b"])
    assert kind == "mlp", kind
    for i in range(len(n) - 1):
        x = linear(x, weights[f"{name}.{i}.W"], weights[f"{name}.{i}.b"])
        if i < len(n) - 2:
            x = [act(v) for v in x]
    return x


def flat(x: Any) -> list[float]:
    if not isinstance(x, list):
        return [x]
    return [v for item in x for v in flat(item)]


def linear(x: list[float], W: Any, b: Any) -> list[float]:
    out = list(b)
    for value, row in zip(x, W, strict=True):
        for j, w in enumerate(row):
            out[j] += value * w
    return out


def convolve(
    x: Any, K: Any, b: Any, side: int, same: bool, act: Callable[[float], float]
) -> list[list[list[float]]]:
    """Return the cross-correlation, channels last; outside of the picture is 0."""
    if not isinstance(x[0][0], list):
        x = [[[v] for v in row] for row in x]
    height, width = len(x), len(x[0])
    before = (side - 1) // 2 if same else 0
    rows = height if same else height - side + 1
    columns = width if same else width - side + 1
    out = []
    for i in range(rows):
        line = []
        for j in range(columns):
            cell = list(b)
            for u in range(side):
                for v in range(side):
                    y, z = i + u - before, j + v - before
                    if not (0 <= y < height and 0 <= z < width):
                        continue
                    for value, row in zip(x[y][z], K[u][v], strict=True):
                        for o, w in enumerate(row):
                            cell[o] += value * w
            line.append([act(c) for c in cell])
        out.append(line)
    return out


def pool(x: Any, side: int) -> Any:
    """Return the greatest of each block of ``side`` x ``side``; the rest at the end is dropped."""

    def greatest(cells: list[Any]) -> Any:
        if isinstance(cells[0], list):
            return [max(channel) for channel in zip(*cells, strict=True)]
        return max(cells)

    return [
        [
            greatest([x[side * i + u][side * j + v] for u in range(side) for v in range(side)])
            for j in range(len(x[0]) // side)
        ]
        for i in range(len(x) // side)
    ]
