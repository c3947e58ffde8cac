"""The tree of a model text: frozen dataclasses, each with its span.

Nothing is resolved here; names are strings and expressions have no types.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from factorgraph.source import Source, Span


@dataclass(frozen=True)
class Node:
    """Anything with a place in the text."""

    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True)
class Identifier(Node):
    """A name where it is declared."""

    name: str


# -- expressions ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Expression(Node):
    """Anything that has a value."""


@dataclass(frozen=True)
class Number(Expression):
    value: float | int


@dataclass(frozen=True)
class Text(Expression):
    value: str


@dataclass(frozen=True)
class Name(Expression):
    name: str


@dataclass(frozen=True)
class Index(Expression):
    """``base[i, j]``; a subscript may be a Range (a slice)."""

    base: Expression
    subscripts: tuple[Expression, ...]


@dataclass(frozen=True)
class Member(Expression):
    """``base.name``."""

    base: Expression
    name: str


@dataclass(frozen=True)
class Range(Expression):
    """``low .. high``, both inclusive."""

    low: Expression
    high: Expression


@dataclass(frozen=True)
class Values(Expression):
    """``{a, b, (c, d)}``: a list of values."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Tuple(Expression):
    """``(a, b)`` inside a list of values."""

    items: tuple[Expression, ...]


@dataclass(frozen=True)
class Unary(Expression):
    """``-x`` or ``not x``."""

    operator: str
    operand: Expression


@dataclass(frozen=True)
class Binary(Expression):
    """Arithmetic, comparison, ``and``, ``or``, ``=>``, ``in``, ``&``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Choose(Expression):
    """``if condition then yes else no``."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True)
class Generator(Node):
    """``pattern, pattern in source``; a pattern is a tuple of names."""

    patterns: tuple[Pattern, ...]
    source: Expression


@dataclass(frozen=True)
class Pattern(Node):
    """One name, or several in parentheses."""

    names: tuple[Identifier, ...]
    grouped: bool


@dataclass(frozen=True)
class Binders(Node):
    """``[i in n, j in m if guard]``, or the tail of a comprehension."""

    generators: tuple[Generator, ...]
    guard: Expression | None


@dataclass(frozen=True)
class Argument(Node):
    """One argument of a call: named or not, with or without ``for``."""

    name: str | None
    value: Expression
    binders: Binders | None


@dataclass(frozen=True)
class Call(Expression):
    name: Identifier
    arguments: tuple[Argument, ...]


# -- types ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class TypeNode(Node):
    """The type of a slot or of a weight."""


@dataclass(frozen=True)
class NamedType(TypeNode):
    name: str


@dataclass(frozen=True)
class CallType(TypeNode):
    """``real(lo, hi)``, ``path(…)``, ``segments(…)``."""

    call: Call


@dataclass(frozen=True)
class RangeType(TypeNode):
    range: Range


@dataclass(frozen=True)
class ValuesType(TypeNode):
    values: Values


@dataclass(frozen=True)
class FieldType(Node):
    name: Identifier
    type: TypeNode


@dataclass(frozen=True)
class RecordType(TypeNode):
    fields: tuple[FieldType, ...]


# -- statements ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Statement(Node):
    """One declaration."""


@dataclass(frozen=True)
class Use(Statement):
    path: Text
    alias: Identifier | None


@dataclass(frozen=True)
class Domain(Statement):
    name: Identifier
    values: Range | Values | None


@dataclass(frozen=True)
class Sized(Node):
    name: Identifier
    shape: tuple[Expression, ...]
    value: Expression | None


@dataclass(frozen=True)
class Size(Statement):
    sizes: tuple[Sized, ...]


@dataclass(frozen=True)
class Slot(Node):
    name: Identifier
    shape: tuple[Expression, ...]


@dataclass(frozen=True)
class Slots(Statement):
    """``given``, ``answer`` or ``latent``."""

    role: str
    slots: tuple[Slot, ...]
    type: TypeNode


@dataclass(frozen=True)
class Weight(Node):
    name: Identifier
    shape: tuple[Expression, ...]
    type: TypeNode | None
    initial: Expression | None
    regulariser: Expression | None


@dataclass(frozen=True)
class Param(Statement):
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Map(Statement):
    name: Identifier
    call: Call


@dataclass(frozen=True)
class Let(Statement):
    name: Identifier
    binders: Binders | None
    value: Expression


@dataclass(frozen=True)
class Formal(Node):
    name: Identifier
    default: Expression | None


@dataclass(frozen=True)
class Fun(Statement):
    name: Identifier
    formals: tuple[Formal, ...]
    value: Expression


@dataclass(frozen=True)
class Factor(Statement):
    """``factor`` (an energy) or ``hard`` (a condition: 0 where it holds, else +inf)."""

    name: Identifier
    binders: Binders | None
    value: Expression
    hard: bool


@dataclass(frozen=True)
class LossDefinition(Statement):
    name: Identifier
    formals: tuple[Formal, ...]
    value: Expression


@dataclass(frozen=True)
class LossChoice(Statement):
    value: Expression


@dataclass(frozen=True)
class Infer(Statement):
    value: Expression


@dataclass(frozen=True)
class Broken(Statement):
    """A statement that could not be read; ``names`` are what it most likely declares."""

    names: tuple[Identifier, ...]


@dataclass(frozen=True)
class File:
    """A whole text."""

    source: Source = field(compare=False, repr=False)
    statements: tuple[Statement, ...]


def show(node: Any, indent: int = 0) -> str:
    """Return a tree as indented text, one node a line."""
    pad = "  " * indent
    if isinstance(node, tuple):
        return "\n".join(show(item, indent) for item in node)
    if not isinstance(node, Node | File):
        return f"{pad}{node!r}"
    plain, nested = [], []
    for f in fields(node):
        value = getattr(node, f.name)
        if f.name in ("span", "source") or value is None or value == ():
            continue
        if isinstance(value, Identifier):
            plain.append(f"{f.name}={value.name}")
        elif isinstance(value, Node | tuple):
            nested.append((f.name, value))
        else:
            plain.append(f"{f.name}={value!r}")
    place = f"  @{node.span.line}:{node.span.column}" if isinstance(node, Statement) else ""
    lines = [f"{pad}{' '.join([type(node).__name__, *plain])}{place}"]
    for name, value in nested:
        lines.append(f"{pad}  {name}:")
        lines.append(show(value, indent + 2))
    return "\n".join(lines)
