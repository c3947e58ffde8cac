"""Costs that ask only whether anything is wrong: minima over the answer and over all else.

``max(Y[v] != answer[v] for v in answers)``, the cost `differs`, is no sum of small terms. But it is
0 in the region of the answer and 1 in that of the wrong answers, and those two are all there is.
"""

from __future__ import annotations

from factorgraph.model.arrays import integer, minus
from factorgraph.model.expression import Apply, Const, Expr, Reduce, Variable, fixed_value, walk
from factorgraph.model.loss import IsObserved, ValueIn, rebuilt
from factorgraph.model.model import Model
from factorgraph.model.reads import is_ragged
from factorgraph.model.region import Bound, Observed


def halves(model: Model, body: Expr, configuration: Bound) -> tuple[Expr, Expr] | None:
    """Return what a number is in the region of the answer and in that of wrong answers.

    Parameters
    ----------
    body : a number that may read the configuration.

    Returns
    -------
    two expressions, or None where the number does not ask whether anything is wrong.
    """
    asked = {e for e in walk(body) if _asks(model, e, configuration)}
    if not asked:
        return None

    def put(value: int) -> Expr:
        new = integer(body.span, value)
        found: Expr = rebuilt(body, lambda e: new if e in asked else None)
        return found

    return put(0), put(1)


def _asks(model: Model, e: Expr, configuration: Bound) -> bool:
    """Return whether an expression is 1 where any observed answer differs, else 0."""
    if e.kind.sort not in ("int", "bit", "real") or not isinstance(e, Apply | Reduce):
        return False
    found: list[str] = []
    todo: list[Expr] = [e]
    while todo:
        part = todo.pop()
        if isinstance(part, Apply) and part.operator == "max":
            todo += part.arguments
            continue
        name = _array(model, part, configuration)
        if name is None:
            return False
        found.append(name)
    return sorted(found) == sorted(model.answers)


def _array(model: Model, e: Expr, configuration: Bound) -> str | None:
    """Return the array of answers that an expression runs over whole, None for another one."""
    indices: list[Variable] = []
    ends: list[tuple[Expr, Expr]] = []
    guard: Expr | None = None
    while isinstance(e, Reduce) and e.operator == "max" and guard is None:
        indices.append(e.index)
        ends.append((e.low, e.high))
        guard, e = e.guard, e.body
    if not indices and isinstance(e, Apply) and e.operator == "if":
        guard, e, nothing = e.arguments
        if not isinstance(nothing, Const):
            return None
    if not isinstance(guard, IsObserved) or guard.indices != tuple(indices):
        return None
    if not isinstance(e, Apply) or e.operator not in ("!=", "mistakes"):
        return None
    a, b = e.arguments
    if not isinstance(a, ValueIn) or not isinstance(b, ValueIn):
        return None
    if isinstance(a.configuration, Observed):
        a, b = b, a
    same = a.configuration == configuration and isinstance(b.configuration, Observed)
    name = guard.unknown
    if not same or {a.unknown, b.unknown} != {name} or a.field or b.field:
        return None
    axes = model.unknowns[name].axes
    if a.indices != tuple(indices) or b.indices != a.indices or len(axes) != len(indices):
        return None
    for (low, high), axis in zip(ends, axes, strict=True):
        if is_ragged(axis) or fixed_value(low) != 0:
            return None
        if high != minus(axis.count, integer(high.span, 1)):
            return None
    return name
