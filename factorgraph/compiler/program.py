"""A factor ready to be emitted: what is computed when data are bound, and what at each step.

Everything in a factor that reads only givens becomes a *slot*: a number for each row, computed
once by array work when the data are bound. Long arrays of givens inside a plain loop
(`dot(U[y[t]], x[t])`) are not copied: they are read in place, from a *base* computed once. What
is left (weights, states, slots) is the *code* that runs at each step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from factorgraph.model.expression import (
    Apply,
    Const,
    Expr,
    MapRead,
    ParamRead,
    Read,
    SizeOf,
    UnknownRead,
    Variable,
    depends,
    free_variables,
    is_fixed,
    is_whole,
    walk,
)
from factorgraph.model.model import FactorDeclaration, IndexSet
from factorgraph.value import Value


@dataclass(eq=False, repr=False)
class State(Expr):
    """The state, from 0, of variable ``axis`` of the scope."""

    axis: int


@dataclass(eq=False, repr=False)
class Slot(Expr):
    """Slot ``number`` of the row at hand."""

    number: int


@dataclass(eq=False, repr=False)
class Lookup(Expr):
    """What a state's label says: entry ``state`` of an array that is made once."""

    number: int
    state: State

    def parts(self) -> tuple[Expr, ...]:
        return (self.state,)


@dataclass(eq=False, repr=False)
class Tabled(Expr):
    """What data say for each joint state of some unknowns: made once, when data are bound."""

    number: int
    states: tuple[State, ...]

    def parts(self) -> tuple[Expr, ...]:
        return self.states


@dataclass(eq=False, repr=False)
class CallDefinition(Value):
    """A map fed with one form of input, whose variables are keys.

    Attributes
    ----------
    read : the map and its input, without indices.
    keys : the variables that tell one input from another.
    of_instance : whether inputs of different instances differ, too.
    text : as it was written where it was first seen.
    """

    read: MapRead
    keys: tuple[Variable, ...]
    of_instance: bool
    text: str = field(compare=False, repr=False)


@dataclass(eq=False, repr=False)
class Place(Apply):
    """Where a number of a map's output lies among all outputs of a call: data decide.

    The arguments are the values of the call's keys, then the positions in the output.
    """

    call: CallDefinition


@dataclass(eq=False, repr=False)
class Output(Expr):
    """A number of the outputs of call ``number``: at ``place`` + sum of stride * index."""

    number: int
    place: Slot | Tabled
    steps: tuple[tuple[Expr, Expr], ...]

    def parts(self) -> tuple[Expr, ...]:
        return (self.place, *(part for step in self.steps for part in step))


@dataclass(eq=False, repr=False)
class InPlace(Expr):
    """An element of a column, read where it lies: base + sum of stride * index."""

    number: int
    steps: tuple[tuple[Expr, Variable], ...]

    def parts(self) -> tuple[Expr, ...]:
        return tuple(stride for stride, _ in self.steps)


@dataclass(eq=False, repr=False)
class Reduction(Expr):
    """A loop in the code: over ``low .. high``, or over the rows of a ragged space.

    Where ``terms`` is given, the loop is a sum of ``body`` times a number of the data, and runs
    over the terms in which that number is not 0. Where ``picks`` is, it is a sum of rows of a
    param, and runs over the places in a list.
    """

    number: int
    operator: str
    index: Variable
    low: Expr
    high: Expr
    space: int | None
    body: Expr
    terms: int | None = None
    picks: int | None = None

    def parts(self) -> tuple[Expr, ...]:
        return (self.body,)


@dataclass(eq=False, repr=False)
class Space(Value):
    """Rows made of the rows of ``parent`` by running ``index`` over ``low .. high``."""

    parent: int
    index: Variable
    low: Expr
    high: Expr
    guard: Expr | None


@dataclass(eq=False, repr=False)
class SlotDefinition(Value):
    """What a slot holds.

    Attributes
    ----------
    when : the slot is computed only where this holds (else 0): the branch of an `if` that is
        not taken is not evaluated.
    limit : the axis of a param that the slot indexes, as (param, axis number, set).
    divides : the slot is divided by, and must not be 0.
    """

    space: int
    value: Expr
    when: Expr | None = None
    limit: tuple[str, int, IndexSet] | None = None
    divides: bool = False

    @property
    def whole(self) -> bool:
        """Whether the slot holds whole numbers."""
        return self.limit is not None or is_whole(self.value)


@dataclass(eq=False, repr=False)
class TabledDefinition(Value):
    """An array over rows and the joint states of some unknowns.

    Attributes
    ----------
    slot : what it holds, with ``indices`` in place of the unknowns.
    sets : the values that each index runs over.
    """

    slot: SlotDefinition
    indices: tuple[Variable, ...]
    sets: tuple[IndexSet, ...]

    @property
    def keys(self) -> tuple[bool, set[Variable]]:
        """Whether it reads anything of the instance, and which indices of the row it reads."""
        read = [self.slot.value, *([] if self.slot.when is None else [self.slot.when])]
        free = set().union(*map(free_variables, read)) - set(self.indices)
        return any(depends(e, Read, SizeOf) or _of_instance(e) for e in read), free


@dataclass(eq=False, repr=False)
class BaseDefinition(Value):
    """Where reading in place starts.

    Attributes
    ----------
    read : as it stands in the factor, for messages.
    name : of the given or computed `let`.
    indices : positions with every loop index at 0.
    reach : for each axis, the loop indices that are added, as (low, high) pairs.
    """

    space: int
    read: Expr
    name: str
    indices: tuple[Expr, ...]
    reach: tuple[tuple[tuple[Expr, Expr], ...], ...]


@dataclass(eq=False, repr=False)
class TermsDefinition(Value):
    """The numbers of a sum's terms: read from ``base`` on, ``step`` apart, for ``low .. high``."""

    base: int
    step: Expr
    low: Expr
    high: Expr


@dataclass(eq=False, repr=False)
class PicksDefinition(Value):
    """The rows along ``axis`` of ``param`` that a sum adds up: for each row of the factor those
    that the ``slots`` hold, where they are computed."""

    param: str
    axis: int
    slots: tuple[int, ...]


@dataclass(eq=False, repr=False)
class LookupDefinition(Value):
    """An array over a set of values: ``value`` for each, whole numbers."""

    values: IndexSet
    index: Variable
    value: Expr


@dataclass(eq=False, repr=False)
class Program(Value):
    """A factor, split into what is bound once and what is run.

    Attributes
    ----------
    factor : the declaration it was made of, or a piece of it.
    piece : which one, from 0.
    scope : reads of unknowns, in the order of the table's axes.
    sets : the values of each variable of the scope.
    spaces : row spaces; space 0 is the factor's own rows and is not listed here (numbered from 1).
    slots, tabled, bases, terms, lookups, picks : definitions, by number.
    body : the code of the energy.
    params : the names of the params that the code reads.
    calls : the maps that it reads, by number, and what they are fed with.
    picked : the slots that only lists of picks are made of: the code does not read them.
    """

    factor: FactorDeclaration
    piece: int
    scope: tuple[UnknownRead, ...]
    sets: tuple[IndexSet, ...]
    spaces: tuple[Space, ...]
    slots: tuple[SlotDefinition, ...]
    tabled: tuple[TabledDefinition, ...]
    bases: tuple[BaseDefinition, ...]
    terms: tuple[TermsDefinition, ...]
    lookups: tuple[LookupDefinition, ...]
    body: Expr
    params: tuple[str, ...]
    calls: tuple[Call, ...] = ()
    picks: tuple[PicksDefinition, ...] = ()
    picked: frozenset[int] = frozenset()

    @property
    def name(self) -> str:
        return self.factor.name

    def list_of(self, read: ParamRead) -> int | None:
        """Return the number of the list of picks that a read runs over, None if it does not."""
        for node in walk(self.body):
            if isinstance(node, Reduction) and node.picks is not None and node.body == read:
                return node.picks
        return None

    @property
    def symbol(self) -> str:
        """What the names of its emitted functions end with: no two are alike."""
        return f"{self.piece or ''}_{self.name}"

    @property
    def tables(self) -> str:
        """How many tables there are, in words."""
        rows = {b.variable for b in self.factor.binders}
        keys = [d.keys for d in self.tabled]
        keys += [(True, free_variables(s.value)) for s in self.slots if _of_instance(s.value)]
        if not self.shareable or any(reads and free >= rows for reads, free in keys):
            return "a table a row"
        held = [e for s in self.slots for e in (s.value, s.when) if e is not None]
        fixed = all(is_fixed(e) and not _of_instance(e) for e in held)
        if fixed and not any(reads or free for reads, free in keys):
            return "one table for all rows"
        return "rows with equal data share a table"

    @property
    def shareable(self) -> bool:
        """Whether rows with equal slots have equal tables, by whole-number slots alone."""
        return not self.bases and not self.spaces and all(s.whole for s in self.slots)


@dataclass(eq=False, repr=False)
class Call(Value):
    """A call, and how its inputs are made.

    Attributes
    ----------
    program : the inputs as tables, one a call; None where data alone decide them.
    spread : whether the program has a row for each number of an input, since the text does not
        tell how many there are; else the input's axes are those of its tables.
    """

    definition: CallDefinition
    program: Program | None
    spread: bool = False


def _of_instance(e: Expr) -> bool:
    """Return whether an expression is the place of an output that the instance decides."""
    return isinstance(e, Place) and e.call.of_instance


def factors_of(e: Expr) -> tuple[list[Expr], list[Expr]]:
    """Split a product into what is a plain number of the row or loop, and the rest."""
    plain: list[Expr] = []
    rest: list[Expr] = []
    todo = [e]
    while todo:
        node = todo.pop(0)
        if isinstance(node, Apply) and node.operator == "*":
            todo = [*node.arguments, *todo]
        elif isinstance(node, Slot | InPlace) and node.kind.numeric:
            plain.append(node)
        else:
            rest.append(node)
    return plain, rest


def product(parts: list[Expr], like: Expr) -> Expr:
    """Return the product of some expressions, 1 if there are none."""
    if not parts:
        return Const(like.span, like.kind, 1.0)
    result = parts[0]
    for part in parts[1:]:
        result = Apply(like.span, like.kind, "*", (result, part))
    return result


__all__ = ["ParamRead", "Program"]
