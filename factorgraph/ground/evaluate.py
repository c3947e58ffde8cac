"""Expressions over data, evaluated for many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.bind import Instances
from factorgraph.data.column import Column
from factorgraph.errors import DataError
from factorgraph.ground.rows import Rows, expand
from factorgraph.model.expression import (
    Apply,
    Const,
    DomainSize,
    Expr,
    GivenRead,
    LetRead,
    Reduce,
    SizeOf,
    Variable,
    is_whole,
    show,
)

Array = NDArray[Any]


class Evaluator:
    """Evaluates expressions that read only data.

    Parameters
    ----------
    instances : bound data.
    what : the statement at work, for messages: "factor `emit`".
    """

    def __init__(self, instances: Instances, what: str, computed: dict[str, Column]) -> None:
        self.instances = instances
        self.what = what
        self.computed = computed

    def __call__(self, e: Expr, rows: Rows) -> Array:
        """Return the value of an expression at every row: int64, float64, bool or text [n].

        Raises
        ------
        DataError : where an index leaves its array, naming the statement and the instance.
        """
        match e:
            case Const():
                return np.full(rows.count, self._constant(e))
            case SizeOf():
                return self.instances.sizes[e.name][rows.instance]
            case DomainSize():
                return np.full(rows.count, len(self.instances.vocabularies[e.name]))
            case Variable():
                return rows.index[e]
            case GivenRead():
                return self.read(e, self.instances.givens[e.name], rows)
            case LetRead():
                return self.read(e, self.computed[e.name], rows)
            case Reduce():
                return self.reduce(e, rows)
            case Apply():
                return self.apply(e, rows)
        raise AssertionError(e)

    def whole(self, e: Expr, rows: Rows) -> NDArray[np.int64]:
        """Return a whole number at every row, int64 [n].

        Raises
        ------
        DataError : where it is infinite, as the least of nothing is.
        """
        values = self(e, rows)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            at = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(
                f"{self.what}: `{show(e)}` is infinite ({self.instances.where(rows.instance[at])})",
                code="E0312",
                span=e.span,
            )
        return values.astype(np.int64)

    def condition(self, e: Expr, rows: Rows) -> NDArray[np.bool_]:
        """Return a truth value at every row, bool [n]."""
        return self(e, rows).astype(bool)

    def _constant(self, e: Const) -> Any:
        if e.kind.domain is None:
            return e.value
        labels = self.instances.model.labels(e.kind.domain, self.instances.vocabularies)
        if e.value not in labels:
            raise DataError(
                f'{self.what}: "{e.value}" is no value of `{e.kind.domain}` in the training data',
                span=e.span,
            )
        return labels.index(str(e.value))

    def read(self, e: GivenRead | LetRead, column: Column, rows: Rows) -> Array:
        flat = self.place(e, [self.whole(i, rows) for i in e.indices], column, rows)
        values = column.values[flat]
        if values.dtype.kind == "U" or values.dtype == np.float64:
            return values
        return values.astype(np.float64 if e.kind.sort == "real" else np.int64)

    def place(
        self, e: Expr, indices: list[Array], column: Column, rows: Rows, reach: Array | None = None
    ) -> Array:
        """Return flat positions in a column's values, int64 [n].

        Parameters
        ----------
        indices : int64 [n] for each axis.
        reach : int64 [rank, 2], how far loops go below and above each index.
        """
        flat = np.zeros(rows.count, np.int64)
        for k, index in enumerate(indices):
            extent = column.shape[rows.instance, k]
            below, above = (0, 0) if reach is None else reach[k]
            bad = (index + below < 0) | (index + above >= extent)
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                value = index[at] + (below if index[at] + below < 0 else above)
                raise DataError(
                    f"{self.what} reads `{show(e)}` at index {value} of axis {k + 1}, outside "
                    f"0..{extent[at] - 1} ({self.instances.where(rows.instance[at])})",
                    code="E0311",
                    span=e.span,
                    hint="bind a smaller range, or add a guard",
                )
            flat *= extent
            flat += index
        return flat + column.start[rows.instance]

    def apply(self, e: Apply, rows: Rows) -> Array:
        if e.operator == "position":
            return self(e.arguments[0], rows)
        if e.operator == "if":
            return self.choose(e, rows)
        if e.operator in ("and", "or", "=>"):
            return self.lazily(e, rows)
        values = [self(a, rows) for a in e.arguments]
        if e.operator not in ("not", "==", "!="):
            # a truth value counts as 0 or 1
            values = [v.astype(np.int64) if v.dtype == bool else v for v in values]
        if e.operator in ("+", "-", "*", "^") and all(v.dtype.kind == "i" for v in values):
            with np.errstate(all="ignore"):
                size = np.abs(_OPERATORS[e.operator](*(v.astype(np.float64) for v in values)))
            if (size > 2.0**62).any():
                at = int(np.flatnonzero(size > 2.0**62)[0])
                raise DataError(
                    f"{self.what}: `{show(e)}` is too large for a whole number "
                    f"({self.instances.where(rows.instance[at])})",
                    code="E0312",
                    span=e.span,
                )
        if e.operator in ("//", "%") and not values[1].all():
            at = int(np.flatnonzero(values[1] == 0)[0])
            raise DataError(
                f"{self.what}: `{show(e)}` divides by 0 "
                f"({self.instances.where(rows.instance[at])})",
                code="E0312",
                span=e.span,
            )
        with np.errstate(all="ignore"):
            result: Array = _OPERATORS[e.operator](*values)
        if result.dtype.kind == "f":
            bad = np.isnan(result)
            if bad.any():
                at = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{self.what}: `{show(e)}` is not a number "
                    f"({self.instances.where(rows.instance[at])})",
                    code="E0312",
                    span=e.span,
                )
        return result

    def choose(self, e: Apply, rows: Rows) -> Array:
        """Evaluate only the branch that is taken."""
        condition = self.condition(e.arguments[0], rows)
        dtype = np.int64 if is_whole(e) else np.float64
        out = np.zeros(rows.count, dtype)
        for chosen, branch in ((condition, e.arguments[1]), (~condition, e.arguments[2])):
            if chosen.any():
                evaluate = self.whole if dtype == np.int64 else self
                out[chosen] = evaluate(branch, rows.take(chosen))
        return out

    def lazily(self, e: Apply, rows: Rows) -> Array:
        """``and``, ``or``, ``=>``: the right side only where the left does not decide."""
        left = self.condition(e.arguments[0], rows)
        undecided = ~left if e.operator == "or" else left
        out = np.full(rows.count, e.operator != "and")
        if undecided.any():
            out[undecided] = self.condition(e.arguments[1], rows.take(undecided))
        return out

    def reduce(self, e: Reduce, rows: Rows) -> Array:
        start = {"sum": 0.0, "min": np.inf, "max": -np.inf}[e.operator]
        out = np.full(rows.count, start)
        accumulate: Callable[..., None] = {
            "sum": np.add.at, "min": np.minimum.at, "max": np.maximum.at
        }[e.operator]  # fmt: skip
        low, high = self.whole(e.low, rows), self.whole(e.high, rows)
        for inner, origin in expand(rows, e.index, low, high):
            if e.guard is not None:
                kept = self.condition(e.guard, inner)
                inner, origin = inner.take(kept), origin[kept]
            evaluate = self.whole if is_whole(e) else self
            accumulate(out, origin, evaluate(e.body, inner))
        return out.astype(np.int64) if is_whole(e) else out


def _power(a: Array, b: Array) -> Array:
    if a.dtype.kind == "i" and b.dtype.kind == "i" and (b >= 0).all():
        return np.power(a, b)
    return np.power(a.astype(np.float64), b)


def _sigmoid(x: Array) -> Array:
    return np.exp(-np.logaddexp(0.0, -x))


_OPERATORS: dict[str, Callable[..., Array]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.true_divide,
    "//": np.floor_divide,
    "%": np.mod,
    "^": _power,
    "neg": lambda a: -a.astype(np.int64) if a.dtype == bool else -a,
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "not": lambda a: ~a.astype(bool),
    "min": np.minimum,
    "max": np.maximum,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "cosh": np.cosh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.logaddexp(0.0, x),
}
