"""From a checked factor to a Program."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import reduce
from math import inf
from typing import Any

from factorgraph.compiler.calls import call_of
from factorgraph.compiler.picks import Picks
from factorgraph.compiler.pieces import pieces
from factorgraph.compiler.program import (
    BaseDefinition,
    Call,
    CallDefinition,
    InPlace,
    Lookup,
    LookupDefinition,
    Output,
    Place,
    Program,
    Reduction,
    Slot,
    SlotDefinition,
    Space,
    State,
    Tabled,
    TabledDefinition,
    TermsDefinition,
    factors_of,
    product,
)
from factorgraph.errors import ModelError
from factorgraph.model.arrays import integer, plus, same_extent
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    MapRead,
    ParamRead,
    Reduce,
    Spelling,
    UnknownRead,
    Variable,
    depends,
    fixed_value,
    free_variables,
    is_data,
    is_fixed,
    reads,
    replaced,
    show,
    walk,
)
from factorgraph.model.functions import apply
from factorgraph.model.layers import output_shape
from factorgraph.model.model import Binder, FactorDeclaration, IndexSet, Model
from factorgraph.model.names import not_built
from factorgraph.model.reads import is_ragged

NUMBERS = 5000
"""The piece that stands for the numbers of a factor's kind; those of tables are few."""

TABLE_LIMIT = 2**24
"""Entries of one table above which a factor is no small table."""


def lower(
    model: Model, factor: FactorDeclaration, scattered: Collection[str] = ()
) -> tuple[Program, ...]:
    """Return the programs of a factor, one for each of its pieces.

    Parameters
    ----------
    scattered : params whose rows are no runs of memory, so that lists of picks do not serve.

    Raises
    ------
    ModelError : ``E0121`` where an index that depends on an unknown may leave its axis.
    NotBuiltError : for a table too large to be one.
    """
    cut = enumerate(pieces(model, factor))
    return tuple(_Lowering(model, piece, number).program(scattered) for number, piece in cut)


def inputs(model: Model, user: FactorDeclaration, definition: CallDefinition) -> Call:
    """Return a call with the program of its inputs, where weights decide these.

    Parameters
    ----------
    user : the factor that calls, for messages.
    """
    if is_data(definition.read.body):
        return Call(definition, None)
    made = _Inputs(model, user, definition)
    return Call(definition, made.program(model.params), made.spread)


def numbers_of(model: Model, factor: FactorDeclaration, values: Expr, count: Expr) -> Program:
    """Return the program of numbers that each row of a factor has in place of a table.

    Parameters
    ----------
    values : which number is meant is its only read of an unknown.
    count : how many there are.
    """
    return _Numbers(model, factor, values, count).program(model.params)


class _Ragged(Exception):
    """A loop inside cannot be a plain one."""


@dataclass
class _Context:
    """Where in the code we are: the row space, the plain loops around, the branch taken.

    Attributes
    ----------
    when : the condition on data under which we are here.
    under : the conditions that read unknowns, too.
    """

    space: int
    loops: dict[Variable, tuple[Expr, Expr]]
    when: Expr | None = None
    under: tuple[Expr, ...] = ()

    @property
    def conditions(self) -> tuple[Expr, ...]:
        return self.under if self.when is None else (self.when, *self.under)


class _Lowering:
    def __init__(self, model: Model, factor: FactorDeclaration, piece: int) -> None:
        self.model = model
        self.factor = factor
        self.piece = piece
        self.scope = tuple(r for r in factor.scope if isinstance(r, UnknownRead))
        self.sets = tuple(self.finite(r) for r in self.scope)
        self.lookups: list[LookupDefinition] = []
        self.spaces: list[Space] = []
        self.slots: list[SlotDefinition] = []
        self.tables: list[TabledDefinition] = []
        self.bases: list[BaseDefinition] = []
        self.terms: list[TermsDefinition] = []
        self.calls: list[Call] = []
        self.owner: dict[Variable, int] = {b.variable: 0 for b in factor.binders}
        self.loops_made = 0

    def finite(self, read: UnknownRead) -> IndexSet:
        """Return the values of a variable of the scope, as many for every instance."""
        unknown = self.model.unknowns[read.name]
        if unknown.values is None:
            what = "a real number" if unknown.kind == REAL else f"a {unknown.kind.sort}"
            raise not_built(f"a table over `{read.name}`, which is {what}", read.span)
        if unknown.values.fixed is None and not isinstance(unknown.values.count, DomainSize):
            raise not_built(
                f"a table over `{read.name}`, whose values depend on the instance", read.span
            )
        if any(is_ragged(a) for a in unknown.axes):
            raise not_built(f"a table over `{read.name}`, whose rows differ in length", read.span)
        here = {b.variable for b in self.factor.binders}
        for part in walk(read):
            if isinstance(part, Variable) and part not in here:
                raise not_built(
                    f"a factor over all the unknowns that `{self.factor.name}` runs over inside",
                    read.span,
                )
        return unknown.values

    def program(self, scattered: Collection[str] = ()) -> Program:
        fixed = [s.fixed or 1 for s in self.sets]
        states = reduce(lambda a, b: a * b, fixed, 1)
        if states > TABLE_LIMIT:
            raise not_built(
                f"factor `{self.factor.name}` has a table of {states:,} entries", self.factor.span
            )
        value = self.factor.value
        if self.factor.hard:
            zero = Const(value.span, REAL, 0.0)
            infinite = Const(value.span, REAL, float("inf"))
            value = Apply(value.span, REAL, "if", (value, zero, infinite))
        picks = Picks(self.model, self.slots, self.sets, scattered)
        body = picks.code(self.code(value, _Context(0, {})), self.loops_made + 1)
        params = dict.fromkeys(p.name for p in walk(body) if isinstance(p, ParamRead))
        return Program(
            self.factor,
            self.piece,
            self.scope,
            self.sets,
            tuple(self.spaces),
            tuple(self.slots),
            tuple(self.tables),
            tuple(self.bases),
            tuple(self.terms),
            tuple(self.lookups),
            body,
            tuple(params),
            tuple(self.calls),
            tuple(picks.found),
            picks.consumed(body, self.terms),
        )

    def made(self) -> tuple[int, ...]:
        """Return how many definitions of each sort there are."""
        return tuple(map(len, self._lists))

    def forget(self, made: tuple[int, ...]) -> None:
        """Drop the definitions that were made since."""
        for definitions, count in zip(self._lists, made, strict=True):
            del definitions[count:]

    @property
    def _lists(self) -> tuple[list[Any], ...]:
        return (
            self.spaces, self.slots, self.tables, self.bases, self.terms, self.lookups, self.calls
        )  # fmt: skip

    # -- code

    def code(self, e: Expr, at: _Context) -> Expr:
        """Return the code of an expression: slots for what only reads data."""
        if isinstance(e, Const) and not isinstance(e.value, str):
            return e
        if isinstance(e, DomainSize):
            return e
        if e.kind == TEXT:
            return self.text(e, at)
        if is_data(e) and not free_variables(e) & at.loops.keys():
            return self.slot(e, at)
        match e:
            case MapRead():
                return self.output(e, at)
            case Distinct() | FieldRead() | LengthOf():
                return self.tabled(e, at)
            case Apply(operator="require"):
                condition, value = e.arguments
                if free_variables(condition) & at.loops.keys():
                    raise _Ragged
                checked = replace(e, kind=INT, arguments=(condition, integer(e.span, 0)))
                if is_data(condition):
                    self.slot(checked, at)
                else:
                    self.tabled(checked, at)
                return self.code(value, at)
            case UnknownRead():
                state = State(e.span, e.kind, self.scope.index(e))
                low = self.sets[state.axis].low
                return plus(state, integer(e.span, low)) if low else state
            case ParamRead():
                return self.param(e, at)
            case GivenRead() | LetRead():
                return self.in_place(e, at) if is_data(e) else self.tabled(e, at)
            case Variable():
                return e
            case Apply(operator="position"):
                return self.code(e.arguments[0], at)
            case Apply(operator="if") if is_data(e.arguments[0]):
                return self.branches(e, at)
            case Apply(operator="and" | "or" | "=>") if is_data(e.arguments[0]):
                return self.undecided(e, at)
            case Apply(operator="//" | "%"):
                return self.whole_quotient(e, at)
            case Apply(operator="if" | "and" | "or" | "=>"):
                return self.chosen(e, at)
            case Apply(operator="/") if self.may_divide_by_0(e.arguments[1], at):
                above, below = e.arguments
                return replace(
                    e, arguments=(self.code(above, at), self.slot(below, at, divides=True))
                )
            case Apply():
                return replace(e, arguments=tuple(self.code(a, at) for a in e.arguments))
            case Reduce():
                return self.reduction(e, at)
        raise AssertionError(e)

    def tabled(
        self, e: Expr, at: _Context, limit: tuple[str, int, IndexSet] | None = None
    ) -> Tabled:
        """Code what only data and unknowns decide: computed for each of their joint states.

        It is computed only in states in which the conditions around it hold, and 0 elsewhere.
        """
        parts = [e, *at.conditions]
        for part in parts:
            if depends(part, ParamRead, MapRead, LengthOf, Spelling, FieldRead):
                raise not_built(f"a table of `{show(part)}`", part.span)
        if set().union(*map(free_variables, parts)) & at.loops.keys():
            raise _Ragged
        reads = dict.fromkeys(n for p in parts for n in walk(p) if isinstance(n, UnknownRead))
        by_axis = sorted((self.scope.index(read), read) for read in reads)
        indices = []
        for axis, read in by_axis:
            index = Variable(read.span, read.kind, show(read), -2 - axis)
            parts = [replaced(p, read, index) for p in parts]
            indices.append(index)
        value, *conditions = parts
        when = None
        for condition in conditions:
            when = condition if when is None else Apply(when.span, BIT, "and", (when, condition))
        space = max(map(self.space_of, parts))
        sets = tuple(self.sets[axis] for axis, _ in by_axis)
        definition = TabledDefinition(
            SlotDefinition(space, value, when, limit), tuple(indices), sets
        )
        if definition not in self.tables:
            self.tables.append(definition)
        states = tuple(State(read.span, read.kind, axis) for axis, read in by_axis)
        return Tabled(e.span, e.kind, self.tables.index(definition), states)

    def output(self, e: MapRead, at: _Context) -> Output:
        """Code a number of a map's output by where it lies among the outputs of its call.

        States and loops step along the output where it is sure that they stay inside; else its
        place is computed for each of the joint states.
        """
        definition, keys = call_of(e)
        if set().union(*map(free_variables, keys)) & at.loops.keys():
            raise _Ragged
        number = self.call(definition)
        chosen = any(depends(key, UnknownRead) for key in keys)
        made = self.made()
        still = not chosen or all(is_fixed(extent) for _, extent in e.axes)
        stepped = self.steps(e, at) if still else None
        if stepped is not None:
            fixed, steps = stepped
            place = Place(e.span, INT, "place", (*keys, *fixed), definition)
            begin = self.tabled(place, at) if chosen else self.slot(place, at)
            return Output(e.span, e.kind, number, begin, steps)
        self.forget(made)
        where = Place(e.span, INT, "place", (*keys, *e.indices), definition)
        return Output(e.span, e.kind, number, self.tabled(where, at), ())

    def call(self, definition: CallDefinition) -> int:
        """Return the number of a call."""
        for number, known in enumerate(self.calls):
            if known.definition == definition:
                return number
        self.calls.append(inputs(self.model, self.factor, definition))
        return len(self.calls) - 1

    def steps(
        self, e: MapRead, at: _Context
    ) -> tuple[list[Expr], tuple[tuple[Expr, Expr], ...]] | None:
        """Return the indices of an output that data know, 0 for the others, and what these step
        along it; None where one of these may leave it."""
        extents = output_shape(
            self.model.maps[e.name], tuple(extent for _, extent in e.axes), e.span
        )
        fixed: list[Expr] = []
        steps = []
        for k, (index, extent) in enumerate(zip(e.indices, extents, strict=True)):
            if is_data(index) and not free_variables(index) & at.loops.keys():
                fixed.append(index)
                continue
            coded = self.code(index, at)
            if not self._spans(coded, extent, at):
                low, high = self.interval(coded, at)
                size = fixed_value(extent)
                if size is None or not (0 <= low and high < size):
                    return None
            stride: Expr = integer(e.span, 1)
            for after in extents[k + 1 :]:
                stride = apply(e.span, "*", stride, after)
            if not is_fixed(stride):
                stride = self.slot(stride, at)
            fixed.append(integer(e.span, 0))
            steps.append((stride, coded))
        return fixed, tuple(steps)

    def text(self, e: Expr, at: _Context) -> Expr:
        """Code a text by a number that is equal where the texts are."""
        if is_data(e):
            if free_variables(e) & at.loops.keys():
                raise _Ragged
            return self.slot(Apply(e.span, INT, "code", (e,)), at)
        if isinstance(e, Apply) and e.operator == "if":
            condition, yes, no = e.arguments
            coded = Apply(e.span, INT, "if", (condition, yes, no))
            if is_data(condition):
                return self.branches(coded, at)
            return self.chosen(coded, at)
        unknowns = list(dict.fromkeys(n for n in walk(e) if isinstance(n, UnknownRead)))
        alone = len(unknowns) == 1 and not any(isinstance(n, FieldRead) for n in walk(e))
        if not alone or not is_fixed(replaced(e, unknowns[0], integer(e.span, 0))):
            return self.tabled(Apply(e.span, INT, "code", (e,)), at)
        read = unknowns[0]
        axis = self.scope.index(read)
        index = Variable(e.span, read.kind, "label", -1)
        value = Apply(e.span, INT, "code", (replaced(e, read, index),))
        definition = LookupDefinition(self.sets[axis], index, value)
        if definition not in self.lookups:
            self.lookups.append(definition)
        state = State(e.span, read.kind, axis)
        return Lookup(e.span, INT, self.lookups.index(definition), state)

    def branches(self, e: Apply, at: _Context) -> Expr:
        """Code an `if` whose condition reads data: each branch's data only where it is taken."""
        condition, yes, no = e.arguments
        opposite = Apply(condition.span, BIT, "not", (condition,))
        coded = self.code(condition, at)
        taken, other = self.where(condition, at), self.where(opposite, at)
        return replace(e, arguments=(coded, self.code(yes, taken), self.code(no, other)))

    def undecided(self, e: Apply, at: _Context) -> Expr:
        """Code `and`, `or`, `=>`: the right side's data only where the left does not decide."""
        left, right = e.arguments
        coded = self.code(left, at)
        if e.operator == "or":
            left = Apply(left.span, BIT, "not", (left,))
        return replace(e, arguments=(coded, self.code(right, self.where(left, at))))

    def chosen(self, e: Apply, at: _Context) -> Expr:
        """Code what an unknown decides: data only where their own conditions may hold."""
        first, *rest = e.arguments
        holds = (True, False) if e.operator == "if" else (e.operator != "or",)
        coded = [self.code(first, at)]
        for part, sign in zip(rest, holds, strict=True):
            decided = first if sign else Apply(first.span, BIT, "not", (first,))
            inner = replace(at, under=(*at.under, decided))
            for condition in _implied(first, sign):
                if not free_variables(condition) & at.loops.keys():
                    inner = self.where(condition, inner)
            coded.append(self.code(part, inner))
        return replace(e, arguments=tuple(coded))

    def where(self, condition: Expr, at: _Context) -> _Context:
        """Return the context of what is evaluated only where a condition on data holds."""
        if free_variables(condition) & at.loops.keys():
            raise _Ragged
        if at.when is not None:
            condition = Apply(condition.span, BIT, "and", (at.when, condition))
        return replace(at, when=condition)

    def whole_quotient(self, e: Apply, at: _Context) -> Expr:
        """Code `//` or `%` at each step: what it divides by must be known never to be 0."""
        above, below = (self.code(a, at) for a in e.arguments)
        interval = self.interval(below, at)
        if interval[0] <= 0 <= interval[1]:
            if at.under:
                return self.tabled(e, at)
            raise ModelError(
                f"`{show(e.arguments[1])}` may be 0, and `{e.operator}` has no value there",
                code="E0122",
                span=e.arguments[1].span,
                hint="add 1, or choose the case with `if … then … else …`",
            )
        return replace(e, arguments=(above, below))

    def may_divide_by_0(self, below: Expr, at: _Context) -> bool:
        """Return whether a divisor of the data is to be checked in every row."""
        plain = is_data(below) and not free_variables(below) & at.loops.keys()
        return plain and not at.under and fixed_value(below) is None

    def space_of(self, e: Expr) -> int:
        """Return the innermost row space whose index the expression uses."""
        return max((self.owner.get(v, 0) for v in free_variables(e)), default=0)

    def slot(
        self,
        e: Expr,
        at: _Context,
        limit: tuple[str, int, IndexSet] | None = None,
        divides: bool = False,
    ) -> Slot:
        space = self.space_of(e) if at.when is None else max(map(self.space_of, (e, at.when)))
        definition = SlotDefinition(space, e, at.when, limit, divides)
        for number, known in enumerate(self.slots):
            if known == definition:
                return Slot(e.span, e.kind, number)
        self.slots.append(definition)
        return Slot(e.span, e.kind, len(self.slots) - 1)

    def param(self, e: ParamRead, at: _Context) -> ParamRead:
        """Code a weight's indices; whatever cannot be checked here is checked with the data."""
        axes = self.model.params[e.name].axes
        indices: list[Expr] = []
        for k, (index, axis) in enumerate(zip(e.indices, axes, strict=True)):
            if is_data(index) and not free_variables(index) & at.loops.keys():
                value = fixed_value(index)
                if isinstance(index, Const) and value is not None:
                    self._inside(e, axis, (int(value), int(value)), index)
                    indices.append(index)
                else:
                    indices.append(self.slot(index, at, (e.name, k, axis)))
                continue
            made = self.made()
            coded = self.code(index, at)
            if not self._spans(coded, axis.count, at):
                low, high = self.interval(coded, at)
                size = axis.fixed
                sure = 0 <= low and size is not None and high < size
                if size is None or inf in (-low, high) or (at.under and not sure):
                    self.forget(made)
                    coded = self.tabled(index, at, (e.name, k, axis))
                else:
                    self._inside(e, axis, (low, high), index)
            indices.append(coded)
        return replace(e, indices=tuple(indices))

    def _spans(self, index: Expr, count: Expr, at: _Context) -> bool:
        """Return whether an index runs over just an axis of so many, by its declaration."""
        if isinstance(index, State):
            return same_extent(self.sets[index.axis].count, count)
        if isinstance(index, Variable) and index in at.loops:
            low, high = at.loops[index]
            last = apply(high.span, "-", count, integer(high.span, 1))
            return fixed_value(low) == 0 and last == high
        return False

    def _inside(
        self, e: ParamRead, axis: IndexSet, interval: tuple[float, float], index: Expr
    ) -> None:
        size = axis.fixed
        if size is None:  # checked with the data
            return
        if interval[0] < 0 or interval[1] >= size:
            raise ModelError(
                f"index `{show(index)}` of `{e.name}` runs over {interval[0]}..{interval[1]}, "
                f"outside 0..{size - 1}",
                code="E0121",
                span=index.span,
            )

    def interval(self, e: Expr, at: _Context) -> tuple[float, float]:
        """Return bounds of a whole-number code, infinite where nothing is known."""
        unknown = (-inf, inf)
        if isinstance(e, Const) and isinstance(e.value, int):
            return e.value, e.value
        if isinstance(e, State):
            size = self.sets[e.axis].fixed
            return (0, inf) if size is None else (0, size - 1)
        if isinstance(e, DomainSize):
            return 1, inf
        if isinstance(e, Slot):
            return self.interval(self.slots[e.number].value, at)
        if isinstance(e, Variable) and e in at.loops:
            low, high = (self.interval(x, at) for x in at.loops[e])
            return low[0], high[1]
        if not isinstance(e, Apply):
            return unknown
        if e.kind.sort == "bit":
            return 0, 1
        ends = [self.interval(a, at) for a in e.arguments]
        match e.operator:
            case "neg":
                return -ends[0][1], -ends[0][0]
            case "+":
                return ends[0][0] + ends[1][0], ends[0][1] + ends[1][1]
            case "-":
                return ends[0][0] - ends[1][1], ends[0][1] - ends[1][0]
            case "*":
                corners = [a * b for a in ends[0] for b in ends[1]]
                return unknown if any(c != c for c in corners) else (min(corners), max(corners))
            case "if":
                return min(a for a, _ in ends[1:]), max(b for _, b in ends[1:])
            case "min":
                return min(a for a, _ in ends), min(b for _, b in ends)
            case "max":
                return max(a for a, _ in ends), max(b for _, b in ends)
            case "abs":
                a, b = ends[0]
                return (0 if a <= 0 <= b else min(abs(a), abs(b))), max(abs(a), abs(b))
        return unknown

    def in_place(self, e: GivenRead | LetRead, at: _Context) -> InPlace:
        """Read a column where it lies, if each index is a loop index plus something of the row."""
        if at.when is not None:
            raise _Ragged  # a loop without rows reads nothing where the branch is not taken
        extents = self._extents(e)
        given = self.model.givens.get(e.name.partition(".")[0])
        ragged = [k for k, a in enumerate(given.axes if given else ()) if is_ragged(a)]
        indices, reach, steps = [], [], []
        for k, index in enumerate(e.indices):
            row, loops = _split(index, at)
            if any(v not in at.loops for v in loops):
                raise _Ragged
            if loops and any(k in (r - 1, r) for r in ragged):
                raise _Ragged
            indices.append(row)
            reach.append(tuple(at.loops[v] for v in loops))
            stride: Expr = integer(e.span, 1)
            for extent in extents[k + 1 :]:
                stride = apply(e.span, "*", stride, extent)
            for v in loops:
                coded = stride if is_fixed(stride) else self.slot(stride, at)
                steps.append((coded, v))
        space = max([0, *(self.space_of(i) for i in indices)])
        definition = BaseDefinition(space, e, e.name, tuple(indices), tuple(reach))
        if definition not in self.bases:
            self.bases.append(definition)
        return InPlace(e.span, e.kind, self.bases.index(definition), tuple(steps))

    def _extents(self, e: GivenRead | LetRead) -> tuple[Expr, ...]:
        if isinstance(e, GivenRead):
            return tuple(a.count for a in self.model.givens[e.name.partition(".")[0]].axes)
        one = integer(e.span, 1)
        return tuple(
            apply(e.span, "+", apply(e.span, "-", b.high, b.low), one)
            for b in self.model.lets[e.name].binders
        )

    def reduction(self, e: Reduce, at: _Context) -> Reduction | Tabled:
        """A plain loop if its ends are fixed and data can be read in place, else a ragged one."""
        self.loops_made += 1
        number = self.loops_made
        if e.guard is None and is_fixed(e.low) and is_fixed(e.high):
            made = self.made()
            try:
                inner = replace(at, loops={**at.loops, e.index: (e.low, e.high)})
                body = self.code(e.body, inner)
                plain = Reduction(
                    e.span, e.kind, number, e.operator, e.index, e.low, e.high, None, body
                )
                return plain if at.loops else self.sparse(plain)
            except _Ragged:
                self.forget(made)
        if at.loops:
            raise _Ragged
        if not (is_data(e.low) and is_data(e.high) and (e.guard is None or is_data(e.guard))):
            return self.tabled(e, at)
        guard = e.guard
        if at.when is not None:
            guard = at.when if guard is None else Apply(e.span, BIT, "and", (at.when, guard))
        self.spaces.append(Space(at.space, e.index, e.low, e.high, guard))
        space = len(self.spaces)
        self.owner[e.index] = space
        body = self.code(e.body, _Context(space, {}, at.when, at.under))
        return Reduction(e.span, e.kind, number, e.operator, e.index, e.low, e.high, space, body)

    def sparse(self, r: Reduction) -> Reduction:
        """Take the one number of the data that multiplies every term out of a sum.

        Terms in which it is 0 are then left out when the data are bound, not at each step.
        """
        plain, rest = factors_of(r.body)
        data = [p for p in plain if isinstance(p, InPlace)]
        inside = [n for e in rest for n in walk(e)]
        if r.operator != "sum" or len(data) != 1 or len(data[0].steps) != 1:
            return r
        if any(isinstance(n, InPlace | Reduction) for n in inside):
            return r
        (number,) = data
        ((step, _),) = number.steps
        if isinstance(step, Slot):
            here = self.bases[number.number].space
            if self.slots[step.number].space != here:
                return r
        self.terms.append(TermsDefinition(number.number, step, r.low, r.high))
        body = product([*rest, *(p for p in plain if p is not number)], r.body)
        return replace(r, body=body, terms=len(self.terms) - 1)


class _Inputs(_Lowering):
    """The inputs of a call as tables, their axes in place of unknowns."""

    def __init__(self, model: Model, user: FactorDeclaration, definition: CallDefinition) -> None:
        read = definition.read
        extents = [extent for _, extent in read.axes]
        self.spread = not all(isinstance(x, Const | DomainSize) for x in extents)
        body = read.body
        axes: list[UnknownRead] = []
        variables = list(definition.keys)
        for variable, _ in read.axes:
            if self.spread:
                variables.append(variable)
                continue
            axis = UnknownRead(variable.span, INT, f"{read.name}({len(axes)})", ())
            body = replaced(body, variable, axis)
            axes.append(axis)
        zero = integer(read.span, 0)
        super().__init__(
            model,
            FactorDeclaration(
                read.name, user.span, tuple(Binder(v, zero, zero) for v in variables), None, body,
                False, () if self.spread else tuple(axes),
            ),
            0,
        )  # fmt: skip
        if not self.spread:
            self.sets = tuple(IndexSet(read.name, 0, extent) for extent in extents)

    def finite(self, read: UnknownRead) -> IndexSet:
        return IndexSet(read.name, 0, integer(read.span, 1))


class _Numbers(_Lowering):
    """Numbers of a factor's rows as tables, which number is meant in place of an unknown."""

    def __init__(self, model: Model, factor: FactorDeclaration, values: Expr, count: Expr) -> None:
        self.count = count
        which = tuple(reads(values, UnknownRead))
        made = replace(factor, value=values, hard=False, scope=which)
        super().__init__(model, made, NUMBERS)

    def finite(self, read: UnknownRead) -> IndexSet:
        return IndexSet(read.name, 0, self.count)

    def program(self, scattered: Collection[str] = ()) -> Program:
        return replace(super().program(scattered), scope=())


def _implied(condition: Expr, holds: bool) -> list[Expr]:
    """Return conditions on data that hold wherever a condition does, or where it does not."""
    if is_data(condition):
        return [condition if holds else Apply(condition.span, BIT, "not", (condition,))]
    if not isinstance(condition, Apply):
        return []
    match condition.operator, holds:
        case "not", _:
            return _implied(condition.arguments[0], not holds)
        case ("and", True) | ("or", False):
            return [c for a in condition.arguments for c in _implied(a, holds)]
        case "=>", False:
            left, right = condition.arguments
            return [*_implied(left, True), *_implied(right, False)]
    return []


def _split(index: Expr, at: _Context) -> tuple[Expr, list[Variable]]:
    """Return an index as a part of the row and the loop indices added to it."""
    if isinstance(index, Variable) and index in at.loops:
        return Const(index.span, INT, 0), [index]
    if isinstance(index, Apply) and index.operator == "position":
        return _split(index.arguments[0], at)
    if isinstance(index, Apply) and index.operator in ("+", "-"):
        left, right = index.arguments[0], index.arguments[-1]
        if index.operator == "-" and free_variables(right) & at.loops.keys():
            raise _Ragged
        row, loops = _split(left, at)
        if index.operator == "-":
            return replace(index, arguments=(row, right)), loops
        other, more = _split(right, at)
        return plus(row, other), loops + more
    if free_variables(index) & at.loops.keys():
        raise _Ragged
    return index, []
