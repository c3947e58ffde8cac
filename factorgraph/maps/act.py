"""Activations: functions of single numbers whose slope can be told from their value."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACTS = ("relu", "tanh", "sigmoid", "softplus", "none")


def activate(act: str, x: Array) -> None:
    """Replace each number of ``x`` by its activation."""
    match act:
        case "relu":
            np.maximum(x, 0.0, out=x)
        case "tanh":
            np.tanh(x, out=x)
        case "sigmoid":
            # exp of -|x| cannot overflow, and keeps its digits where the value is tiny.
            small = np.exp(-np.abs(x))
            np.divide(np.where(x < 0, small, 1.0), 1.0 + small, out=x)
        case "softplus":
            np.add(np.maximum(x, 0.0), np.log1p(np.exp(-np.abs(x))), out=x)


def pull(act: str, y: Array, cotangent: Array) -> Array:
    """Return the cotangent of an activation's argument: slope times ``cotangent``.

    The slope of relu at 0 is 0. Slopes are told from values: those of tanh and sigmoid have an
    absolute error of 1e-16.

    Parameters
    ----------
    y : what the activation gave.
    cotangent : of the same shape; left as it is, and handed back itself for ``none``.
    """
    match act:
        case "relu":
            return cotangent * (y > 0)
        case "tanh":
            return cotangent * (1.0 - y * y)
        case "sigmoid":
            return cotangent * (y * (1.0 - y))
        case "softplus":
            return cotangent * -np.expm1(-y)
    return cotangent


def deviation(act: str, fan_in: int) -> float:
    """Return the standard deviation of initial weights that feed an activation.

    Parameters
    ----------
    fan_in : how many numbers one output reads.

    Reference
    ---------
    relu and softplus: He, Zhang, Ren, Sun, "Delving deep into rectifiers" (2015), equation 10,
    sqrt(2 / fan_in). The others: LeCun, Bottou, Orr, Müller, "Efficient BackProp" (1998),
    equation 16, 1 / sqrt(fan_in).
    """
    return math.sqrt((2.0 if act in ("relu", "softplus") else 1.0) / fan_in)
