"""The `infer` statement: which algorithms there are, and what they start from."""

from __future__ import annotations

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.arrays import Array, same_extent
from factorgraph.model.elaborate import Elaborator
from factorgraph.model.model import Asked
from factorgraph.syntax import tree as t

ALGORITHMS = (
    "exact enumerate chain tree junction minsum sumproduct bp trws bps trbp mplp ad3 dual icm "
    "expansion swap cut branch toulbar2 gibbs anneal temper meanfield grid lbfgs fista hmc"
).split()
"""Every algorithm that a text may ask for, built or to come."""


def check_inference(elaborator: Elaborator, node: t.Expression) -> tuple[Asked, ...]:
    """Return a sum of algorithms with numbers and starts, in order.

    Raises
    ------
    ModelError : ``E0129`` for an algorithm that there is not, or a start that does not fit.
    """
    todo = [node]
    arguments: tuple[t.Argument, ...]
    found = []
    while todo:
        part = todo.pop()
        if isinstance(part, t.Binary) and part.operator == "+":
            todo += [part.right, part.left]
            continue
        if isinstance(part, t.Name):
            name, arguments = part.name, ()
        elif isinstance(part, t.Call):
            name, arguments = part.name.name, part.arguments
        else:
            raise ModelError(
                "`infer` takes algorithms, added up", code="E0129", span=part.span,
                hint="infer trws(iterations = 100) + expansion",
            )  # fmt: skip
        if name not in ALGORITHMS:
            raise ModelError(
                f"there is no inference `{name}`", code="E0129", span=part.span,
                hint=did_you_mean(name, ALGORITHMS) or f"there are {', '.join(ALGORITHMS)}",
            )  # fmt: skip
        options: dict[str, float | str] = {}
        starts = []
        for argument in arguments:
            value = _argument(elaborator, name, argument)
            assert argument.name is not None
            if value is None:
                starts.append(argument.name)
            else:
                options[argument.name] = value
        found.append(Asked(name, options, tuple(starts), part.span))
    return tuple(found)


def _argument(e: Elaborator, algorithm: str, argument: t.Argument) -> float | str | None:
    """Return the value of an option, None for a start."""
    if argument.name is None or argument.binders is not None:
        raise ModelError(
            f"the options of `{algorithm}` are named", code="E0129", span=argument.span,
            hint=f"{algorithm}(iterations = 100)",
        )  # fmt: skip
    unknown = e.unknowns.get(argument.name)
    if argument.name in e.poisoned:
        return None
    if unknown is None:
        if isinstance(argument.value, t.Name) and argument.value.name not in e.known({}):
            return argument.value.name  # a choice like `schedule = layered`
        return e.constant(argument.value, f"the option `{argument.name}`")
    value = e.value(argument.value, {})
    shape = value.shape if isinstance(value, Array) else ()
    extents = tuple(a.count for a in unknown.axes)
    fits = len(shape) == len(extents) and all(
        same_extent(a, b) for a, b in zip(shape, extents, strict=True)
    )
    if not fits:
        found = f"has shape {value.extents()}" if isinstance(value, Array) else "is a single value"
        raise ModelError(
            f"the start of `{unknown.name}` {found}, "
            f"but `{unknown.name}` has shape [{', '.join(a.name for a in unknown.axes)}]",
            code="E0129",
            span=argument.span,
        )
    sample = value.element(extents) if isinstance(value, Array) else value
    if not sample.kind.numeric and unknown.kind.numeric:
        raise ModelError(
            f"the start of `{unknown.name}` is {sample.kind}", code="E0129", span=argument.span
        )
    return None
