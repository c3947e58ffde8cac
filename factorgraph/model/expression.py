"""Typed expressions: what the checker makes of the tree, and everything later works on.

Arrays, `let` and `fun` are gone: an expression is a number (or a label, or a text) built of reads
of single elements and of reductions over an index. Frozen dataclasses, compared by structure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from itertools import count, islice
from typing import Any, Literal

from factorgraph.source import Span
from factorgraph.value import Value

Sort = Literal["int", "real", "bit", "label", "text", "record", "sequence"]


@dataclass(eq=False, repr=False)
class Kind(Value):
    """What a value is: ``int``, ``real``, ``bit``, ``text``, ``label`` of a domain, ``record``
    or ``sequence`` (both known by the name of what holds them)."""

    sort: Sort
    domain: str | None = None

    @property
    def numeric(self) -> bool:
        return self.sort in ("int", "real", "bit")

    def __str__(self) -> str:
        names = {"int": "a whole number", "real": "a real number", "bit": "a truth value"}
        if self.sort == "label":
            return f"a value of `{self.domain}`"
        if self.sort in ("record", "sequence"):
            return f"a {self.sort}"
        return names.get(self.sort, "a text")


INT, REAL, BIT, TEXT = Kind("int"), Kind("real"), Kind("bit"), Kind("text")


@dataclass(eq=False, repr=False)
class Expr(Value):
    """A typed value."""

    span: Span = field(compare=False, repr=False)
    kind: Kind

    def parts(self) -> tuple[Expr, ...]:
        """Return the direct subexpressions."""
        return ()


@dataclass(eq=False, repr=False)
class Const(Expr):
    value: float | int | str


@dataclass(eq=False, repr=False)
class Variable(Expr):
    """An index bound by a factor's binder or by a reduction; ``number`` makes it unique."""

    name: str
    number: int


@dataclass(eq=False, repr=False)
class SizeOf(Expr):
    """A size that belongs to the instance."""

    name: str


@dataclass(eq=False, repr=False)
class DomainSize(Expr):
    """The number of values of a domain that the training data fill."""

    name: str


@dataclass(eq=False, repr=False)
class Read(Expr):
    """One element of a declared array; the kind of array is the class."""

    name: str
    indices: tuple[Expr, ...]

    def parts(self) -> tuple[Expr, ...]:
        return self.indices


@dataclass(eq=False, repr=False)
class GivenRead(Read):
    """An element of a given."""


@dataclass(eq=False, repr=False)
class LetRead(Read):
    """An element of a `let` that reads only givens: computed once an instance."""


@dataclass(eq=False, repr=False)
class UnknownRead(Read):
    """The value of an answer or latent variable."""


@dataclass(eq=False, repr=False)
class ParamRead(Read):
    """One weight. The indices are positions along the axes, from 0."""


@dataclass(eq=False, repr=False)
class FieldRead(Expr):
    """A field of an unknown record, or of an element of an unknown sequence."""

    base: UnknownRead
    field: str

    def parts(self) -> tuple[Expr, ...]:
        return (self.base,)


@dataclass(eq=False, repr=False)
class LengthOf(Expr):
    """The number of elements of an unknown sequence's value."""

    name: str


@dataclass(eq=False, repr=False)
class Spelling(Expr):
    """The labels of an unknown sequence's value, joined to one text."""

    name: str


@dataclass(eq=False, repr=False)
class MapRead(Expr):
    """One number of a map's output.

    Attributes
    ----------
    axes : the input's index variables with their extents, bound in ``body``.
    body : the input's elements.
    indices : positions in the output, from 0.
    """

    name: str
    axes: tuple[tuple[Variable, Expr], ...]
    body: Expr
    indices: tuple[Expr, ...]

    def parts(self) -> tuple[Expr, ...]:
        return (*(extent for _, extent in self.axes), self.body, *self.indices)


@dataclass(eq=False, repr=False)
class Distinct(Expr):
    """Whether ``body`` takes no value twice, over all indices where ``guard`` holds."""

    indices: tuple[tuple[Variable, Expr, Expr], ...]
    guard: Expr | None
    body: Expr

    def parts(self) -> tuple[Expr, ...]:
        ends = [end for _, low, high in self.indices for end in (low, high)]
        guard = () if self.guard is None else (self.guard,)
        return (*ends, *guard, self.body)


@dataclass(eq=False, repr=False)
class Apply(Expr):
    """An operator or function of its arguments.

    ``+ - * / // % ^ neg``; ``== != < <= > >=``; ``and or not =>``; ``if``; ``min max abs exp log
    sqrt tanh cosh sigmoid softplus``; ``position`` (the place of a label in its domain);
    ``require`` (the second argument, an error where the first does not hold). Of texts: ``lower
    prefix suffix shape kind &``; ``text`` (a number or label as text); ``padded`` (a read that
    gives a boundary symbol outside its array); ``hash`` (the place of a feature among so many)
    and ``feature`` (the place of a feature in a domain, -1 where it has none).
    """

    operator: str
    arguments: tuple[Expr, ...]

    def parts(self) -> tuple[Expr, ...]:
        return self.arguments


@dataclass(eq=False, repr=False)
class Reduce(Expr):
    """``sum``, ``min``, ``max`` of ``body`` for ``index`` in ``low .. high`` where ``guard``."""

    operator: str
    index: Variable
    low: Expr
    high: Expr
    guard: Expr | None
    body: Expr

    def parts(self) -> tuple[Expr, ...]:
        guard = () if self.guard is None else (self.guard,)
        return (self.low, self.high, *guard, self.body)


def walk(expression: Expr) -> Iterator[Expr]:
    """Yield an expression and everything in it, outermost first."""
    stack = [expression]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.parts()))


def is_larger(expression: Expr, limit: int) -> bool:
    """Return whether an expression has more than ``limit`` parts, however often they repeat."""
    return next(islice(walk(expression), limit, None), None) is not None


def reads(expression: Expr, kind: type[Read]) -> list[Read]:
    """Return the distinct reads of one kind, in the order of their first appearance."""
    found: dict[Read, None] = {}
    for node in walk(expression):
        if isinstance(node, kind):
            found.setdefault(node)
    return list(found)


def depends(expression: Expr, *kinds: type[Expr]) -> bool:
    """Return whether anything of these classes occurs in the expression."""
    return any(isinstance(node, kinds) for node in walk(expression))


def free_variables(expression: Expr) -> set[Variable]:
    """Return the index variables that are bound outside of the expression."""
    if isinstance(expression, Variable):
        return {expression}
    found: set[Variable] = set()
    if isinstance(expression, MapRead | Distinct):
        pairs = expression.axes if isinstance(expression, MapRead) else expression.indices
        for part in expression.parts():
            found |= free_variables(part)
        return found - {pair[0] for pair in pairs}
    if isinstance(expression, Reduce):
        inside = [expression.body, *([] if expression.guard is None else [expression.guard])]
        found.update(*map(free_variables, inside))
        found.discard(expression.index)
        return found | free_variables(expression.low) | free_variables(expression.high)
    for part in expression.parts():
        found |= free_variables(part)
    return found


def is_whole(expression: Expr) -> bool:
    """Return whether the value is a whole number; the least of nothing, +inf, is none."""
    return expression.kind.sort != "real" and not any(
        isinstance(node, Reduce) and node.operator != "sum" for node in walk(expression)
    )


def is_data(expression: Expr) -> bool:
    """Return whether the expression reads neither unknowns nor params."""
    return not depends(expression, UnknownRead, ParamRead, LengthOf, Spelling, MapRead)


def is_known(expression: Expr) -> bool:
    """Return whether the expression reads no unknowns: its value changes with weights alone."""
    return not depends(expression, UnknownRead, LengthOf, Spelling)


def is_fixed(expression: Expr) -> bool:
    """Return whether the expression is the same for every instance and every index."""
    return not depends(expression, SizeOf, Read, Variable)


def fixed_value(expression: Expr) -> float | int | None:
    """Return the number that a constant stands for, or None."""
    if isinstance(expression, Const) and not isinstance(expression.value, str):
        return expression.value
    return None


def alike(a: Any, b: Any, names: dict[Variable, Variable] | None = None) -> bool:
    """Return whether two expressions, or declarations made of them, say the same.

    Where they stand, and what their indices are called, does not matter.
    """
    names = {} if names is None else names
    if isinstance(a, Variable) and isinstance(b, Variable):
        return names.setdefault(a, b) == b
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(alike(x, y, names) for x, y in zip(a, b, strict=True))
    if not isinstance(a, Value) or type(a) is not type(b):
        return bool(a == b)
    return all(alike(getattr(a, f.name), getattr(b, f.name), names) for f in fields(a) if f.compare)


def called(name: str) -> str:
    """Return what messages call a given or a domain: those of a grid go by the unknown's name."""
    return name if name.isidentifier() else name[1:]


def show(expression: Expr) -> str:
    """Return the expression as text, much as it was written."""
    return _show(_told_apart(expression), 0)


def _told_apart(e: Expr) -> Expr:
    """Return an expression in which the index of a loop is not called as one from outside it."""
    if not isinstance(e, Reduce):
        return e if not e.parts() else _inside(e)
    outer = {v.name for v in free_variables(e)}
    if e.index.name in outer:
        name = next(n for n in _names(e.index.name) if n not in outer)
        new = replace(e.index, name=name)
        guard = None if e.guard is None else replaced(e.guard, e.index, new)
        e = replace(e, index=new, guard=guard, body=replaced(e.body, e.index, new))
    return _inside(e)


def _inside(e: Expr) -> Expr:
    changes: dict[str, Any] = {}
    for field_ in fields(e):
        value = getattr(e, field_.name)
        if isinstance(value, Expr) and not isinstance(value, Variable):
            changes[field_.name] = _told_apart(value)
        elif isinstance(value, tuple) and value and all(isinstance(v, Expr) for v in value):
            changes[field_.name] = tuple(_told_apart(v) for v in value)
    return replace(e, **changes) if changes else e


def replaced(e: Expr, old: Expr, new: Expr) -> Expr:
    """Return an expression with a part replaced wherever it stands."""
    if e == old:
        return new
    changes: dict[str, Any] = {}
    for field_ in fields(e):
        value = getattr(e, field_.name)
        if isinstance(value, Expr):
            changes[field_.name] = replaced(value, old, new)
        elif isinstance(value, tuple) and value and all(isinstance(v, Expr) for v in value):
            changes[field_.name] = tuple(replaced(v, old, new) for v in value)
    return replace(e, **changes) if changes else e


def _names(name: str) -> Iterator[str]:
    yield from (n for n in "ijklmnpqrs" if n != name)
    yield from (f"{name}{k}" for k in count(2))


_STRENGTH = {
    "=>": 1, "or": 2, "and": 3, "not": 4, "==": 5, "!=": 5, "<": 5, "<=": 5, ">": 5, ">=": 5,
    "+": 6, "-": 6, "&": 7, "*": 7, "/": 7, "//": 7, "%": 7, "neg": 8, "^": 9,
}  # fmt: skip


def _show(e: Expr, outer: int) -> str:
    if isinstance(e, Const):
        return f'"{e.value}"' if isinstance(e.value, str) else f"{e.value}"
    if isinstance(e, Variable | SizeOf):
        return e.name
    if isinstance(e, DomainSize):
        return f"|{called(e.name)}|"
    if isinstance(e, Read):
        word = e.span.text
        if e.name[:1].isdigit():
            return word  # a number on a grid, as it is written
        if e.indices and word.isidentifier() and word != e.name.partition(".")[0]:
            return word  # a name that a pattern binds, such as one end of an edge
        inside = ", ".join(_show(i, 0) for i in e.indices)
        return f"{e.name}[{inside}]" if e.indices else e.name
    if isinstance(e, FieldRead):
        return f"{_show(e.base, 9)}.{e.field}"
    if isinstance(e, LengthOf):
        return f"|{e.name}|"
    if isinstance(e, Spelling):
        return f"spell({e.name})"
    if isinstance(e, MapRead):
        inside = ", ".join(_show(i, 0) for i in e.indices)
        held = f" for {', '.join(v.name for v, _ in e.axes)}" if e.axes else ""
        return f"{e.name}({_show(e.body, 0)}{held})" + (f"[{inside}]" if e.indices else "")
    if isinstance(e, Distinct):
        guard = f" if {_show(e.guard, 0)}" if e.guard else ""
        runs = " ".join(
            f"for {v.name} in {_show(low, 6)}..{_show(high, 6)}" for v, low, high in e.indices
        )
        return f"alldiff({_show(e.body, 0)} {runs}{guard})"
    if isinstance(e, Reduce):
        guard = f" if {_show(e.guard, 0)}" if e.guard else ""
        span = f"{_show(e.low, 6)}..{_show(e.high, 6)}"
        return f"{e.operator}({_show(e.body, 0)} for {e.index.name} in {span}{guard})"
    assert isinstance(e, Apply)
    strength = _STRENGTH.get(e.operator)
    args = e.arguments
    if e.operator == "if":
        if e.span.text.isidentifier():
            return e.span.text  # a name that runs over a list
        text = f"if {_show(args[0], 1)} then {_show(args[1], 1)} else {_show(args[2], 0)}"
        return f"({text})" if outer else text
    if e.operator in ("position", "padded", "text"):
        return _show(args[0], outer)
    if e.operator == "require":
        return _show(args[1], outer)
    if e.operator in ("hash", "feature"):
        return f"{e.operator}({_show(args[-1], 0)})"
    if strength is None:
        return f"{e.operator}({', '.join(_show(a, 0) for a in args)})"
    if e.operator in ("neg", "not"):
        text = ("-" if e.operator == "neg" else "not ") + _show(args[0], strength)
    else:
        text = f"{_show(args[0], strength)} {e.operator} {_show(args[1], strength + 1)}"
    return f"({text})" if strength < outer else text
