"""Factors that need no table: what is recognised, made ready to become a group of its kind.

A kind is told by numbers that data and weights decide. They are one emitted program, as a table
over which number is meant: two for Potts, four for truncated distances, one for each count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from factorgraph.compiler.lower import numbers_of
from factorgraph.compiler.pieces import pieces
from factorgraph.compiler.program import Program
from factorgraph.compiler.recognise import Recognised, recognise
from factorgraph.errors import NotBuiltError
from factorgraph.model.arrays import integer
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    DomainSize,
    Expr,
    LengthOf,
    MapRead,
    ParamRead,
    Read,
    Reduce,
    Spelling,
    UnknownRead,
    Variable,
    alike,
    depends,
    fixed_value,
    reads,
    replaced,
)
from factorgraph.model.model import FactorDeclaration, Model
from factorgraph.model.reads import is_ragged
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class Members(Value):
    """What a factor over many unknowns counts.

    Attributes
    ----------
    indices : that run inside, with their ends.
    guard : the condition on data under which there is a member.
    read : the unknown of a member.
    holds : whether it counts, with the index ``value`` in place of the unknown's value.
    plain : whether the unknown is a bit that counts where it is 1.
    """

    indices: tuple[tuple[Variable, Expr, Expr], ...]
    guard: Expr | None
    read: UnknownRead
    holds: Expr
    value: Variable
    plain: bool


@dataclass(eq=False, repr=False)
class KindProgram(Value):
    """A recognised factor, split into what is bound once and the numbers that are run.

    Attributes
    ----------
    kind : its name among the kinds of factors.
    pair : the reads of both unknowns, of a factor over two.
    members : of a factor over many.
    numbers : the program that makes them, as a table over which one is meant; None if there are
        none.
    extent : the name of how many numbers there are, where the longest row decides.
    needed : whether there are no tables instead.
    """

    factor: FactorDeclaration
    kind: str
    pair: tuple[UnknownRead, ...]
    members: Members | None
    numbers: Program | None
    extent: str | None
    needed: bool

    @property
    def name(self) -> str:
        return self.factor.name

    @property
    def learned(self) -> bool:
        """Whether its numbers are made of weights."""
        return self.numbers is not None and bool(self.numbers.params or self.numbers.calls)


def kind_program(
    model: Model, factor: FactorDeclaration, refused: NotBuiltError | None
) -> KindProgram | None:
    """Return a factor as one of a kind, None where it is of none that needs no table.

    Parameters
    ----------
    refused : why it has no tables; None where it has.
    """
    if len(pieces(model, factor)) > 1:
        return None
    found = recognise(model, factor)
    if found is None or not all(_usable(model, r) for r in reads(factor.value, UnknownRead)):
        return None
    try:
        if found.kind in ("potts", "truncated"):
            return _pair(model, factor, found, refused is not None)
        if refused is not None and found.kind in ("parity", "cardinality", "counting"):
            return _many(model, factor, found)
    except NotBuiltError:
        return None
    return None


def _usable(model: Model, read: Read) -> bool:
    unknown = model.unknowns[read.name]
    return unknown.values is not None and not any(is_ragged(a) for a in unknown.axes)


def _pair(
    model: Model, factor: FactorDeclaration, found: Recognised, needed: bool
) -> KindProgram | None:
    a, b = found.reads
    assert isinstance(a, UnknownRead) and isinstance(b, UnknownRead)
    sets = model.unknowns[a.name].values, model.unknowns[b.name].values
    assert sets[0] is not None and sets[1] is not None
    if sets[0].low != sets[1].low:
        return None  # states are counted from the least value
    values = list(found.numbers.values())
    numbers = numbers_of(model, factor, _listed(factor, values), integer(factor.span, len(values)))
    return KindProgram(factor, found.kind, (a, b), None, numbers, None, needed)


def _which(factor: FactorDeclaration) -> UnknownRead:
    """Return what stands for which number is meant: the axis of the table of numbers."""
    return UnknownRead(factor.span, INT, f"number of {factor.name}", ())


def _listed(factor: FactorDeclaration, values: list[Expr]) -> Expr:
    """Return an expression that is one of some values, by which is meant."""
    out = values[-1]
    for k in range(len(values) - 2, -1, -1):
        here = Apply(factor.span, BIT, "==", (_which(factor), integer(factor.span, k)))
        out = Apply(factor.span, REAL, "if", (here, values[k], out))
    return out


def _many(model: Model, factor: FactorDeclaration, found: Recognised) -> KindProgram | None:
    (reduction,) = found.reads
    members = _members(reduction)
    if members is None:
        return None
    span = factor.span
    if found.kind == "parity":
        numbers = numbers_of(model, factor, found.numbers["odd"], integer(span, 1))
        return KindProgram(factor, "parity", (), members, numbers, None, True)
    if found.kind == "cardinality":
        rule = _BOUNDS.get(_compared(factor.value, reduction))
        if rule is not None:
            return KindProgram(factor, rule, (), members, None, None, True)
        count = Variable(span, INT, "count", -1)
        value = factor.value
        held = _counted(value, reduction, count)
        cost: Expr = Apply(span, REAL, "if", (held, Const(span, REAL, 0.0), Const(span, REAL, inf)))
    else:
        assert found.count is not None
        count, cost = found.count, found.numbers["cost"]
    which = _which(factor)
    there = Apply(span, BIT, "<=", (which, _size(reduction)))
    value = Apply(span, REAL, "if", (there, replaced(cost, count, which), Const(span, REAL, 0.0)))
    extent = f"count_{factor.name}"
    numbers = numbers_of(model, factor, value, DomainSize(span, INT, extent))
    return KindProgram(factor, "cardinality", (), members, numbers, extent, True)


_BOUNDS: dict[tuple[str, float | None], str] = {
    ("==", 1): "exactly_one", ("<=", 1): "at_most_one", ("<", 2): "at_most_one",
    (">=", 1): "at_least_one", (">", 0): "at_least_one",
}  # fmt: skip


def _compared(e: Expr, reduction: Expr) -> tuple[str, float | None]:
    """Return how a count is compared with what constant."""
    assert isinstance(e, Apply)
    left, right = e.arguments
    if left == reduction:
        return e.operator, fixed_value(right)
    turned = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
    return turned.get(e.operator, e.operator), fixed_value(left)


def _counted(e: Expr, reduction: Expr, count: Expr) -> Expr:
    """Return an expression with a reduction, however its indices are called, replaced."""
    if alike(e, reduction):
        return count
    if isinstance(e, Apply):
        return replace(e, arguments=tuple(_counted(a, reduction, count) for a in e.arguments))
    return e


def _members(e: Expr) -> Members | None:
    """Return what a sum of truth values runs over; None where weights or several unknowns decide
    what counts."""
    indices: list[tuple[Variable, Expr, Expr]] = []
    guard = None
    while isinstance(e, Reduce):
        indices.append((e.index, e.low, e.high))
        guard, e = e.guard or guard, e.body
    found = reads(e, UnknownRead)
    if len(found) != 1 or depends(e, ParamRead, MapRead, LengthOf, Spelling, Reduce):
        return None
    (read,) = found
    assert isinstance(read, UnknownRead)
    if guard is not None and depends(guard, UnknownRead, ParamRead, MapRead):
        return None
    value = Variable(read.span, read.kind, "value", -1)
    plain = e == read and read.kind == BIT
    return Members(tuple(indices), guard, read, replaced(e, read, value), value, plain)


def _size(e: Expr) -> Expr:
    """Return how many terms a sum has."""
    if not isinstance(e, Reduce):
        return integer(e.span, 1)
    return Reduce(e.span, INT, "sum", e.index, e.low, e.high, e.guard, _size(e.body))
