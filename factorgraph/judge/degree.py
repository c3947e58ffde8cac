"""Energies as polynomials in the weights, or in the unknowns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from factorgraph.model.expression import (
    Apply,
    Expr,
    MapRead,
    ParamRead,
    Reduce,
    fixed_value,
    walk,
)
from factorgraph.model.model import MapLayer, Model


@dataclass(frozen=True)
class Degree:
    """The least and the greatest total degree of a polynomial's terms."""

    low: int
    high: int

    def __or__(self, other: Degree) -> Degree:
        return Degree(min(self.low, other.low), max(self.high, other.high))

    def __add__(self, other: Degree) -> Degree:
        return Degree(self.low + other.low, self.high + other.high)


NONE = Degree(0, 0)


def in_weights(model: Model) -> Degree | None:
    """Return the degree of the energy as a polynomial in all weights, None where it is none.

    The least degree is that of factors that read weights.
    """
    found: Degree | None = None
    for factor in model.factors.values():
        if not any(isinstance(n, ParamRead | MapRead) for n in walk(factor.value)):
            continue
        one = degree(factor.value, lambda e: _of_weights(model, e))
        if one is None:
            return None
        found = one if found is None else found | one
    return NONE if found is None else found


def degree(e: Expr, leaf: Callable[[Expr], Degree | None]) -> Degree | None:
    """Return the degree of an expression in some of what it reads, None where it is no polynomial.

    Parameters
    ----------
    leaf : the degree of a read, (0, 0) of one that does not count.
    """
    match e:
        case Apply():
            return _apply(e, leaf)
        case Reduce():
            guard = NONE if e.guard is None else degree(e.guard, leaf)
            body = degree(e.body, leaf)
            if guard != NONE or body is None or (e.operator != "sum" and body != NONE):
                return None
            return body
    return leaf(e)


def _apply(e: Apply, leaf: Callable[[Expr], Degree | None]) -> Degree | None:
    parts = [degree(a, leaf) for a in e.arguments]
    if all(p == NONE for p in parts):
        return NONE
    values = [fixed_value(a) for a in e.arguments]
    match e.operator, parts:
        case ("+" | "-", [Degree() as a, Degree() as b]):
            if values[0] == 0:
                return b
            return a if values[1] == 0 else a | b
        case ("neg", [a]):
            return a
        case ("require", [_, a]):
            return a
        case ("*", [Degree() as a, Degree() as b]):
            return a + b
        case ("/", [a, b]) if b == NONE:
            return a
        case ("^", [Degree() as a, b]) if b == NONE:
            k = values[1]
            if k is not None and k >= 0 and k == int(k):
                return Degree(a.low * int(k), a.high * int(k))
        case ("if", [c, Degree() as a, Degree() as b]) if c == NONE:
            if values[1] == 0:
                return b
            return a if values[2] == 0 else a | b
    return None


def _of_weights(model: Model, e: Expr) -> Degree | None:
    if isinstance(e, ParamRead):
        return Degree(1, 1)
    if isinstance(e, MapRead):
        body = degree(e.body, lambda x: _of_weights(model, x))
        return None if body is None else _through(model.maps[e.name].layer, body)
    return NONE


def _through(layer: MapLayer, body: Degree) -> Degree | None:
    """Return the degree of a layer's output, whose biases have degree 1."""
    match layer.sort:
        case "chain":
            found: Degree | None = body
            for one in layer.layers:
                found = None if found is None else _through(one, found)
            return found
        case "linear":
            return Degree(1, 1 + body.high)
        case "conv" if layer.act == "none":
            return Degree(1, 1 + body.high)
        case "mlp" if layer.act == "none" or len(layer.sizes) == 2:
            return Degree(1, len(layer.sizes) - 1 + body.high)
    return None
