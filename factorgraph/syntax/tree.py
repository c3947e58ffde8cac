"""The tree of a model text: frozen dataclasses, each with its span.

Nothing is resolved here; names are strings and expressions have no types.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from factorgraph.source import Source, Span
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class Node(Value):
    """Anything with a place in the text."""

    span: Span = field(compare=False, repr=False)


@dataclass(eq=False, repr=False)
class Identifier(Node):
    """A name where it is declared."""

    name: str


# -- expressions ---------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class Expression(Node):
    """Anything that has a value."""


@dataclass(eq=False, repr=False)
class Number(Expression):
    value: float | int


@dataclass(eq=False, repr=False)
class Text(Expression):
    value: str


@dataclass(eq=False, repr=False)
class Name(Expression):
    name: str


@dataclass(eq=False, repr=False)
class Index(Expression):
    """``base[i, j]``; a subscript may be a Range (a slice)."""

    base: Expression
    subscripts: tuple[Expression, ...]


@dataclass(eq=False, repr=False)
class Member(Expression):
    """``base.name``."""

    base: Expression
    name: str


@dataclass(eq=False, repr=False)
class Range(Expression):
    """``low .. high``, both inclusive."""

    low: Expression
    high: Expression


@dataclass(eq=False, repr=False)
class Values(Expression):
    """``{a, b, (c, d)}``: a list of values."""

    items: tuple[Expression, ...]


@dataclass(eq=False, repr=False)
class Tuple(Expression):
    """``(a, b)`` inside a list of values."""

    items: tuple[Expression, ...]


@dataclass(eq=False, repr=False)
class Unary(Expression):
    """``-x`` or ``not x``."""

    operator: str
    operand: Expression


@dataclass(eq=False, repr=False)
class Binary(Expression):
    """Arithmetic, comparison, ``and``, ``or``, ``=>``, ``in``, ``&``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(eq=False, repr=False)
class Choose(Expression):
    """``if condition then yes else no``."""

    condition: Expression
    yes: Expression
    no: Expression


@dataclass(eq=False, repr=False)
class Generator(Node):
    """``pattern, pattern in source``; a pattern is a tuple of names."""

    patterns: tuple[Pattern, ...]
    source: Expression


@dataclass(eq=False, repr=False)
class Pattern(Node):
    """One name, or several in parentheses."""

    names: tuple[Identifier, ...]
    grouped: bool


@dataclass(eq=False, repr=False)
class Binders(Node):
    """``[i in n, j in m if guard]``, or the tail of a comprehension."""

    generators: tuple[Generator, ...]
    guard: Expression | None


@dataclass(eq=False, repr=False)
class Argument(Node):
    """One argument of a call: named or not, with or without ``for``."""

    name: str | None
    value: Expression
    binders: Binders | None


@dataclass(eq=False, repr=False)
class Call(Expression):
    name: Identifier
    arguments: tuple[Argument, ...]


# -- types ---------------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class TypeNode(Node):
    """The type of a slot or of a weight."""


@dataclass(eq=False, repr=False)
class NamedType(TypeNode):
    name: str


@dataclass(eq=False, repr=False)
class CallType(TypeNode):
    """``real(lo, hi)``, ``path(…)``, ``segments(…)``."""

    call: Call


@dataclass(eq=False, repr=False)
class RangeType(TypeNode):
    range: Range


@dataclass(eq=False, repr=False)
class ValuesType(TypeNode):
    values: Values


@dataclass(eq=False, repr=False)
class FieldType(Node):
    name: Identifier
    type: TypeNode


@dataclass(eq=False, repr=False)
class RecordType(TypeNode):
    fields: tuple[FieldType, ...]


# -- statements ----------------------------------------------------------------------------


@dataclass(eq=False, repr=False)
class Statement(Node):
    """One declaration."""


@dataclass(eq=False, repr=False)
class Use(Statement):
    path: Text
    alias: Identifier | None


@dataclass(eq=False, repr=False)
class Domain(Statement):
    name: Identifier
    values: Range | Values | None


@dataclass(eq=False, repr=False)
class Sized(Node):
    name: Identifier
    shape: tuple[Expression, ...]
    value: Expression | None


@dataclass(eq=False, repr=False)
class Size(Statement):
    sizes: tuple[Sized, ...]


@dataclass(eq=False, repr=False)
class Slot(Node):
    name: Identifier
    shape: tuple[Expression, ...]


@dataclass(eq=False, repr=False)
class Slots(Statement):
    """``given``, ``answer`` or ``latent``."""

    role: str
    slots: tuple[Slot, ...]
    type: TypeNode


@dataclass(eq=False, repr=False)
class Weight(Node):
    name: Identifier
    shape: tuple[Expression, ...]
    type: TypeNode | None
    initial: Expression | None
    regulariser: Expression | None


@dataclass(eq=False, repr=False)
class Param(Statement):
    weights: tuple[Weight, ...]


@dataclass(eq=False, repr=False)
class Map(Statement):
    name: Identifier
    call: Call
    regulariser: Expression | None = None


@dataclass(eq=False, repr=False)
class Let(Statement):
    name: Identifier
    binders: Binders | None
    value: Expression


@dataclass(eq=False, repr=False)
class Formal(Node):
    name: Identifier
    default: Expression | None


@dataclass(eq=False, repr=False)
class Fun(Statement):
    name: Identifier
    formals: tuple[Formal, ...]
    value: Expression


@dataclass(eq=False, repr=False)
class Factor(Statement):
    """``factor`` (an energy) or ``hard`` (a condition: 0 where it holds, else +inf)."""

    name: Identifier
    binders: Binders | None
    value: Expression
    hard: bool


@dataclass(eq=False, repr=False)
class LossDefinition(Statement):
    name: Identifier
    formals: tuple[Formal, ...]
    value: Expression


@dataclass(eq=False, repr=False)
class LossChoice(Statement):
    value: Expression


@dataclass(eq=False, repr=False)
class Infer(Statement):
    value: Expression


@dataclass(eq=False, repr=False)
class Broken(Statement):
    """A statement that could not be read; ``names`` are what it most likely declares."""

    names: tuple[Identifier, ...]


@dataclass(eq=False, repr=False)
class File(Value):
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
