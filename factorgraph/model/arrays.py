"""Array values while checking: a shape and a way to one element. They never leave the checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    DomainSize,
    Expr,
    Kind,
    LetRead,
    Reduce,
    Variable,
    fixed_value,
)
from factorgraph.model.model import IndexSet
from factorgraph.source import Span

Indices = tuple[Expr, ...]
_numbers = count(1)


@dataclass(frozen=True)
class Array:
    """An array expression.

    Attributes
    ----------
    shape : extents, outermost first.
    element : positions from 0, one for each axis, to the element.
    sets : what each axis runs over, None where it is no more than a number of places; empty
        where nothing is known of any.
    """

    span: Span
    kind: Kind
    shape: tuple[Expr, ...]
    element: Callable[[Indices], Expr]
    sets: tuple[IndexSet | None, ...] = ()

    def set(self, k: int) -> IndexSet | None:
        """Return what axis ``k`` runs over, as far as that is known."""
        return self.sets[k] if self.sets else None

    def extents(self) -> str:
        """Return the shape as text for messages."""
        from factorgraph.model.expression import show

        return "[" + ", ".join(show(e) for e in self.shape) + "]"


@dataclass(frozen=True)
class Sparse(Array):
    """A row of counts that is 0 almost everywhere: what `hash` and `features` give.

    Attributes
    ----------
    hits : where it counts 1 more, from 0; negative where a feature counts nothing.
    """

    hits: tuple[Expr, ...] = ()

    def total(self, term: Callable[[Expr], Expr]) -> Expr:
        """Return the sum of ``term(hit)`` over the hits."""
        result: Expr | None = None
        for hit in self.hits:
            value = term(hit)
            if _may_miss(hit):
                known = Apply(hit.span, BIT, ">=", (hit, integer(hit.span, 0)))
                nothing = Const(hit.span, value.kind, 0)
                value = Apply(hit.span, value.kind, "if", (known, value, nothing))
            result = (
                value
                if result is None
                else Apply(self.span, join(result.kind, value.kind), "+", (result, value))
            )
        return integer(self.span, 0) if result is None else result


def sparse(span: Span, extent: Expr, hits: tuple[Expr, ...]) -> Sparse:
    """Return the array of ``extent`` numbers that counts its hits."""

    def element(indices: Indices) -> Expr:
        (k,) = indices
        result: Expr = integer(span, 0)
        for hit in hits:
            result = plus(result, Apply(span, BIT, "==", (hit, k)))
        return result

    return Sparse(span, INT, (extent,), element, hits=hits)


def _may_miss(hit: Expr) -> bool:
    return not (isinstance(hit, Apply) and hit.operator == "hash") and not (
        isinstance(hit, LetRead) and hit.name.endswith(".hash")
    )


Value = Expr | Array


def fresh(name: str, span: Span, kind: Kind = INT) -> Variable:
    """Return an index variable that differs from every other."""
    return Variable(span, kind, name, next(_numbers))


def integer(span: Span, value: int) -> Const:
    return Const(span, INT, value)


def plus(a: Expr, b: Expr) -> Expr:
    """Return a + b for whole numbers, folding constants and zeros."""
    x, y = fixed_value(a), fixed_value(b)
    if x is not None and y is not None:
        return Const(a.span, INT, int(x + y))
    if x == 0:
        return b
    if y == 0:
        return a
    return _shifted(a, int(y)) if y is not None else Apply(a.span, INT, "+", (a, b))


def minus(a: Expr, b: Expr) -> Expr:
    """Return a - b for whole numbers, folding constants and zeros."""
    x, y = fixed_value(a), fixed_value(b)
    if x is not None and y is not None:
        return Const(a.span, INT, int(x - y))
    if y == 0:
        return a
    return _shifted(a, -int(y)) if y is not None else Apply(a.span, INT, "-", (a, b))


def _shifted(a: Expr, by: int) -> Expr:
    """Return a + by, so that equal extents look equal: n - 1 + 1 is n."""
    if isinstance(a, Apply) and a.operator in ("+", "-") and len(a.arguments) == 2:
        left, right = a.arguments
        known = right.value if isinstance(right, Const) and right.kind == INT else None
        if isinstance(known, int) and left.kind == INT:
            by += known if a.operator == "+" else -known
            a = left
    if not by:
        return a
    sign = "+" if by > 0 else "-"
    return Apply(a.span, INT, sign, (a, Const(a.span, INT, abs(by))))


def join(a: Kind, b: Kind) -> Kind:
    """Return the kind of a sum of two numbers."""
    if "real" in (a.sort, b.sort):
        return REAL
    return INT


def reduce_all(operator: str, array: Array, body: Callable[[Expr], Expr]) -> Expr:
    """Return the reduction of ``body(element)`` over all axes of an array."""
    indices = tuple(fresh("ijklmn"[k % 6], array.span) for k in range(len(array.shape)))
    inner = body(array.element(indices))
    for index, extent in zip(reversed(indices), reversed(array.shape), strict=True):
        zero, last = integer(array.span, 0), minus(extent, integer(array.span, 1))
        kind = INT if inner.kind == BIT else inner.kind
        inner = Reduce(array.span, kind, operator, index, zero, last, None, inner)
    return inner


def same_extent(a: Expr, b: Expr) -> bool:
    """Return whether two extents are known to be equal."""
    return a == b or (isinstance(a, DomainSize) and isinstance(b, DomainSize) and a.name == b.name)
