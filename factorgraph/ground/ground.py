"""Where both columns meet: a compiled model and bound data become a flat graph.

Grounding is array work over all rows of all instances; there is no loop over factors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import (
    BaseDefinition,
    LookupDefinition,
    Program,
    Slot,
    SlotDefinition,
    TabledDefinition,
    TermsDefinition,
)
from factorgraph.data.column import Column
from factorgraph.data.instances import Instances
from factorgraph.errors import DataError
from factorgraph.factors.expand import Expanded
from factorgraph.factors.expand import tabled as with_tables
from factorgraph.graph.structure import Group, KindGroup, Structure
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.calls import Calls, Inputs
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.kindrows import KindBound, KindRows
from factorgraph.ground.places import answer_columns
from factorgraph.ground.points import Points, placed, points, reads_points
from factorgraph.ground.rows import BLOCK, Rows, expand, joined
from factorgraph.ground.share import share
from factorgraph.model.expression import (
    Const,
    DomainSize,
    Expr,
    Read,
    UnknownRead,
    show,
)
from factorgraph.model.model import IndexSet
from factorgraph.model.names import not_built
from factorgraph.model.reads import is_ragged

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Bound:
    """A program with the arrays that its emitted functions take, but for the weights.

    Attributes
    ----------
    slots : int64 or float64 [rows of the slot's space].
    tabled : int64 or float64 [rows of the space, joint states], for each.
    bases : column values [E] and int64 [rows] for each base.
    offsets : int64 [rows of the parent + 1] for each ragged space.
    terms : for each sparse sum, index int32 [terms], number float64 [terms] and offsets
        int64 [rows + 1].
    picks : for each sum of picked rows, place int32 [picks] and offsets int64 [rows + 1].
    distinct : number of tables to compute.
    extents : by name, how many numbers a row of a kind has.
    states : entries of a table, of the numbers of a kind.
    """

    program: Program
    slots: list[Array]
    tabled: list[Array]
    bases: list[tuple[Array, Array]]
    offsets: list[Array]
    terms: list[tuple[Array, Array, Array]]
    picks: list[tuple[Array, Array]]
    lookups: list[Array]
    distinct: int
    extents: dict[str, int] = field(default_factory=dict)
    states: int = 1


@dataclass(frozen=True, eq=False)
class Grounding:
    """A graph's structure, what is observed, and how its tables are computed from weights.

    Attributes
    ----------
    evidence : int32 [V], observed state of each variable, -1 where it is free.
    base : for each array of unknowns, int64 [I]: its first variable in each instance.
    inputs : of maps, in the order of the compiled model's calls.
    costs : for each cost of the loss, the groups of its factors.
    kinds : for each group of a kind, how its numbers are made.
    points : those that stand for real unknowns, None where there are none.
    expanded : where factors of kinds were given tables: the structure, whose last groups these
        are, and how they are made of the kinds' numbers; None where they were not.
    """

    instances: Instances = field(repr=False)
    structure: Structure
    evidence: NDArray[np.int32] = field(repr=False)
    base: dict[str, NDArray[np.int64]] = field(repr=False)
    bound: tuple[Bound, ...] = field(repr=False)
    inputs: tuple[Inputs, ...] = field(default=(), repr=False)
    costs: tuple[tuple[tuple[Group, Bound], ...], ...] = field(default=(), repr=False)
    kinds: tuple[KindBound, ...] = field(default=(), repr=False)
    points: Points | None = None
    expanded: Expanded | None = None


def ground(
    compiled: Compiled,
    instances: Instances,
    *,
    apart: bool = False,
    kinds: bool = False,
    answers: bool = False,
    tabled: bool = False,
) -> Grounding:
    """Return the graph of some instances.

    Parameters
    ----------
    apart : whether no two instances share a table; those of each then follow each other.
    kinds : whether factors of kinds need no tables, as for inference by messages. Otherwise only
        those are without that can have none, and ``bound`` has an item for each program.
    answers : whether answers are asked for: those of real unknowns are refined between the points
        of their grid. Otherwise what the loss refines is.
    tabled : whether factors of kinds get tables nonetheless, as training needs them.

    Raises
    ------
    DataError : where an index leaves its array, naming factor, index and instance.
    BudgetError : where the graph would not fit, naming the factor.
    """
    found = _Grounder(compiled, instances, apart, kinds, answers).grounding()
    if not tabled or not found.structure.kinds:
        return found
    expanded = with_tables(found.structure)
    budget.require(16 * expanded.structure.size, "the tables of the graph")
    return replace(found, structure=expanded.structure, expanded=expanded)


class _Grounder:
    def __init__(
        self, compiled: Compiled, instances: Instances, apart: bool, kinds: bool, answers: bool
    ) -> None:
        self.compiled = compiled
        self.refined: tuple[int, ...] = ()
        self.sets = 0
        if compiled.model.grids:
            self.refined, self.sets = _refined(compiled, instances, answers)
            instances = placed(instances, compiled.model, self.sets)
        self.apart = apart
        self.kinds = [k for k in compiled.kinds if kinds or k.needed]
        self.model = compiled.model
        self.instances = instances
        self.computed: dict[str, Column] = {}
        self.calls = Calls(compiled, instances)
        self.moving: list[Callable[[], None]] = []

    def evaluator(self, what: str) -> Evaluator:
        return Evaluator(self.instances, what, self.computed, calls=self.calls)

    def grounding(self) -> Grounding:
        instances, model = self.instances, self.model
        for missing in self.compiled.evaluated.values():
            raise missing
        for name, unknown in model.unknowns.items():
            if unknown.values is None:
                raise not_built(f"inference over `{name}`, {unknown.kind}", unknown.span)
        base: dict[str, NDArray[np.int64]] = {}
        first = np.concatenate(([0], np.cumsum(instances.variables)))
        total = int(first[-1])
        budget.require(8 * total, "the variables of the graph")
        card = np.empty(total, np.int32)
        evidence = np.empty(total, np.int32)
        below = first[:-1].copy()
        for name, unknown in model.unknowns.items():
            observed = instances.unknowns[name]
            base[name] = below.copy()
            sizes = np.diff(observed.start)
            place = np.arange(len(observed.state)) + np.repeat(below - observed.start[:-1], sizes)
            assert unknown.values is not None
            card[place] = self.cards(unknown.values, sizes)
            evidence[place] = observed.state
            below += sizes
        self.base = base
        self.computed = compute_lets(instances)
        groups, bound = [], []
        self.card = card
        tableless = {k.name for k in self.kinds}
        for program in self.compiled.programs:
            if program.name in tableless:
                continue
            group, arrays = self.program(program)
            groups.append(group)
            bound.append(arrays)
        kinds: list[KindGroup] = []
        told: list[KindBound] = []
        for kind in self.kinds:
            for made, numbers in KindRows(self, kind).groups():
                told.append(replace(numbers, group=len(kinds)))
                kinds.append(made)
        structure = Structure(card, first, tuple(groups), tuple(kinds))
        budget.require(16 * structure.size, "the tables of the graph")
        inputs = self.calls.finish(self.evaluator, self.inputs)
        found = None
        if model.grids:
            found = points(instances, base, self.refined, self.sets)
            if self.sets:
                found.moving += self.moving
                found.calls |= self.calls.follow(inputs, self.evaluator, found.moving)
        return Grounding(
            instances, structure, evidence, base, tuple(bound), inputs, self.costs(), tuple(told),
            found,
        )  # fmt: skip

    def costs(self) -> tuple[tuple[tuple[Group, Bound], ...], ...]:
        """Return the factors of each cost of the loss, which read the observed answer."""
        loss = self.compiled.loss
        if loss is None or not loss.costs:
            return ()
        self.computed = self.computed | answer_columns(self.instances)
        return tuple(tuple(self.program(p) for p in cost) for cost in loss.costs)

    def cards(self, values: IndexSet, sizes: Array) -> Array:
        """Return the number of states of every variable of an array."""
        if isinstance(values.count, Const | DomainSize):
            return np.full(int(sizes.sum()), self.model.count(values, self.instances.vocabularies))
        at = Evaluator(self.instances, "a domain", {})
        rows = Rows(np.arange(self.instances.count, dtype=np.int64), {})
        return np.repeat(at.whole(values.count, rows), sizes)

    # -- one factor

    def program(self, program: Program) -> tuple[Group, Bound]:
        factor = program.factor
        what = f"factor `{factor.name}`"
        at = self.evaluator(what)
        counts = np.zeros(self.instances.count, np.int64)
        scopes: list[Array] = []
        slots: dict[int, list[Array]] = {
            k: [] for k, s in enumerate(program.slots) if not s.space and k not in program.picked
        }
        places: dict[int, list[Array]] = {k: [] for p in program.picks for k in p.slots}
        bases: dict[int, list[Array]] = {k: [] for k, b in enumerate(program.bases) if not b.space}
        kept: list[Rows] = []
        bytes_a_row = 8 + 4 * len(program.scope) + 8 * (len(slots) + len(bases) + len(places))
        total = 0
        for rows in blocks(self.instances.count, factor.binders, factor.guard, at):
            total += rows.count
            budget.require(total * bytes_a_row, f"factor `{factor.name}` ({total:,} rows or more)")
            counts += np.bincount(rows.instance, minlength=self.instances.count)
            scope = np.empty((rows.count, len(program.scope)), np.int32)
            for k, read in enumerate(program.scope):
                scope[:, k] = self.variable(read, rows, at)
            scopes.append(scope)
            for number, parts in slots.items():
                parts.append(self.slot(program.slots[number], rows, at))
            for number, parts in places.items():
                parts.append(self.picked(program.slots[number], rows, at))
            for number, parts in bases.items():
                parts.append(self.place(program.bases[number], rows, at))
            if program.spaces or program.tabled:
                kept.append(rows)
        scope = _join(scopes, (0, len(program.scope)), np.int32)
        scopes.clear()
        arrays: list[Array] = [np.zeros(0)] * len(program.slots)
        for number, parts in slots.items():
            arrays[number] = _join(parts, (0,), _dtype(program.slots[number]))
            parts.clear()
        columns = {k: _join(parts, (0,), np.int32) for k, parts in places.items()}
        places.clear()
        starts: list[Array] = [np.zeros(0, np.int64)] * len(program.bases)
        for number, parts in bases.items():
            starts[number] = _join(parts, (0,), np.int64)
        levels = [joined(kept, [b.variable for b in factor.binders])]
        offsets = self.spaces(program, levels, arrays, starts, at)
        shared = None
        if program.shareable:
            own = np.repeat(np.arange(self.instances.count), counts)
            first = [own] if self.apart else []
            slotted = [a for k, a in enumerate(arrays) if k not in program.picked]
            keys = [*slotted, *columns.values(), *_keys(program, levels[0])]
            shared = share([*first, *keys], total)
        if shared is None:
            budget.require(4 * total, what)
            table, distinct = np.arange(total, dtype=np.int32), total
        else:
            table, example = shared
            distinct = len(example)
            arrays = [np.ascontiguousarray(a[example]) if len(a) else a for a in arrays]
            columns = {k: a[example] for k, a in columns.items()}
            levels[0] = levels[0].take(example) if program.tabled else levels[0]
        cards = tuple(self.model.count(s, self.instances.vocabularies) for s in program.sets)
        rows_by_instance = np.concatenate(([0], np.cumsum(counts)))
        group = Group(factor.name, cards, scope, table, distinct, rows_by_instance)
        self.twice(factor.name, scope, rows_by_instance, program.scope)
        bound = self.bound(program, levels, arrays, starts, offsets, distinct, at)
        picks = [_listed([columns[k] for k in p.slots]) for p in program.picks]
        return group, replace(bound, picks=picks)

    def inputs(self, program: Program, rows: Rows, at: Evaluator) -> Bound:
        """Return the arrays of a program that makes the inputs of a map, a row each."""
        arrays: list[Array] = [np.zeros(0)] * len(program.slots)
        starts: list[Array] = [np.zeros(0, np.int64)] * len(program.bases)
        for k, definition in enumerate(program.slots):
            if not definition.space:
                arrays[k] = self.slot(definition, rows, at)
        for k, base in enumerate(program.bases):
            if not base.space:
                starts[k] = self.place(base, rows, at)
        levels = [rows]
        offsets = self.spaces(program, levels, arrays, starts, at)
        return self.bound(program, levels, arrays, starts, offsets, rows.count, at)

    def bound(
        self,
        program: Program,
        levels: list[Rows],
        arrays: list[Array],
        starts: list[Array],
        offsets: list[Array],
        distinct: int,
        at: Evaluator,
    ) -> Bound:
        tabled = [self.following(d, levels[d.slot.space], at) for d in program.tabled]
        columns = [self.column(b.name).values for b in program.bases]
        pairs = list(zip(columns, starts, strict=True))
        terms = [self.sparse(program, t, arrays, pairs, at) for t in program.terms]
        lookups = [self.lookup(d, at) for d in program.lookups]
        return Bound(program, arrays, tabled, pairs, offsets, terms, [], lookups, distinct)

    def following(self, definition: TabledDefinition, rows: Rows, at: Evaluator) -> Array:
        """Do as `tabled`; the numbers follow the points that they read when these move."""
        out = self.tabled(definition, rows, at)
        held = [definition.slot.value, definition.slot.when]
        if self.sets and any(e is not None and reads_points(e, self.model) for e in held):

            def again() -> None:
                out[:] = self.tabled(definition, rows, at)

            self.moving.append(again)
        return out

    def tabled(self, definition: TabledDefinition, rows: Rows, at: Evaluator) -> Array:
        """Return a number for each row and each joint state of some unknowns."""
        cards = [self.model.count(s, self.instances.vocabularies) for s in definition.sets]
        states = int(np.prod(cards))
        block = max(1, BLOCK // states)
        scratch = 8 * states * min(block, rows.count) * (2 + len(rows.index) + len(cards))
        budget.require(8 * rows.count * states + scratch, f"the tables of {at.what}")
        out = np.empty((rows.count, states), _dtype(definition.slot))
        grid = np.indices(cards).reshape(len(cards), states)
        for first in range(0, rows.count, block):
            part = np.arange(first, min(first + block, rows.count))
            every = rows.take(np.repeat(part, states))
            for variable, values, state in zip(
                definition.indices, definition.sets, grid, strict=True
            ):
                every.index[variable] = np.tile(state + values.low, len(part))
            out[part] = self.slot(definition.slot, every, at).reshape(len(part), states)
        return out

    def lookup(self, definition: LookupDefinition, at: Evaluator) -> Array:
        """Return a whole number for each value of a set."""
        count = self.model.count(definition.values, self.instances.vocabularies)
        index = np.arange(count, dtype=np.int64) + definition.values.low
        rows = Rows(np.zeros(count, np.int64), {definition.index: index})
        return at.whole(definition.value, rows)

    def sparse(
        self,
        program: Program,
        definition: TermsDefinition,
        slots: list[Array],
        bases: list[tuple[Array, Array]],
        at: Evaluator,
    ) -> tuple[Array, Array, Array]:
        """Return the terms of a sum whose number is not 0, row after row."""
        values, place = bases[definition.base]
        low, high = self.fixed(definition.low, at), self.fixed(definition.high, at)
        index = np.arange(low, high + 1, dtype=np.int64)
        if isinstance(definition.step, Slot):
            step = slots[definition.step.number][:, None]
        else:
            step = np.full((len(place), 1), self.fixed(definition.step, at))
        counts = np.zeros(len(place) + 1, np.int64)
        found: list[Array] = []
        numbers: list[Array] = []
        total = 0
        block = max(1, BLOCK // max(1, len(index)))
        for first in range(0, len(place) if len(index) else 0, block):
            rows = slice(first, first + block)
            part = values[place[rows, None] + step[rows] * index]
            row, column = np.nonzero(part)
            total += len(row)
            budget.require(12 * total, f"the data that {at.what} reads")
            counts[1 + first : 1 + first + len(part)] = np.bincount(row, minlength=len(part))
            found.append(index[column].astype(np.int32))
            numbers.append(part[row, column].astype(np.float64))
        offsets = np.cumsum(counts)
        return _join(found, (0,), np.int32), _join(numbers, (0,), np.float64), offsets

    def column(self, name: str) -> Column:
        return self.computed[name] if name in self.computed else self.instances.givens[name]

    def variable(self, read: UnknownRead, rows: Rows, at: Evaluator) -> Array:
        """Return the variable that a read of an unknown names, at every row."""
        observed = self.instances.unknowns[read.name]
        column = Column(read.name, observed.state, observed.start, observed.shape)
        place = at.place(read, [at.whole(i, rows) for i in read.indices], column, rows)
        shift: Array = self.base[read.name] - observed.start[:-1]
        place += shift[rows.instance]
        return place

    def twice(
        self, name: str, scope: Array, by_instance: Array, reads: Sequence[UnknownRead]
    ) -> None:
        """Refuse a row whose scope names one variable twice: its table would be no table."""
        for j in range(scope.shape[1]):
            for k in range(j):
                bad = np.flatnonzero(scope[:, j] == scope[:, k])
                if len(bad):
                    i = int(np.searchsorted(by_instance, bad[0], side="right")) - 1
                    raise DataError(
                        f"factor `{name}`: `{show(reads[k])}` and "
                        f"`{show(reads[j])}` are the same variable "
                        f"({self.instances.where(i)})",
                        code="E0313",
                        span=reads[j].span,
                        hint="add a guard that keeps them apart",
                    )

    def slot(self, definition: SlotDefinition, rows: Rows, at: Evaluator) -> Array:
        return self._slot(definition, rows, at)[0]

    def picked(self, definition: SlotDefinition, rows: Rows, at: Evaluator) -> Array:
        """Return a slot as int32, -1 where it is not computed."""
        values, taken = self._slot(definition, rows, at)
        values[~taken] = -1
        return values.astype(np.int32)

    def _slot(
        self, definition: SlotDefinition, rows: Rows, at: Evaluator
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Return a slot's numbers, and where it is computed."""
        dtype = _dtype(definition)
        evaluate = at.whole if definition.whole else at
        taken: Array = np.ones(rows.count, np.bool_)
        if definition.when is None:
            values = evaluate(definition.value, rows).astype(dtype)
        else:
            values = np.zeros(rows.count, dtype)
            taken = at.condition(definition.when, rows)
            values[taken] = evaluate(definition.value, rows.take(taken))
        if definition.divides and not values[taken].all():
            zero = (values == 0) & taken
            raise at.divides_by_0(definition.value, int(np.flatnonzero(zero)[0]), rows)
        if definition.limit is not None:
            name, k, axis = definition.limit
            size = self.model.count(axis, self.instances.vocabularies)
            bad = ((values < 0) | (values >= size)) & taken
            if bad.any():
                first = int(np.flatnonzero(bad)[0])
                raise DataError(
                    f"{at.what} reads `{name}` at position {values[first]} of axis {k + 1}, "
                    f"outside 0..{size - 1} ({self.instances.where(rows.instance[first])})",
                    code="E0311",
                    span=definition.value.span,
                )
        return values, taken

    def place(self, definition: BaseDefinition, rows: Rows, at: Evaluator) -> Array:
        """Return where reading in place starts, at every row, its whole reach checked."""
        reach = np.zeros((len(definition.indices), 2), np.int64)
        for k, loops in enumerate(definition.reach):
            for low, high in loops:
                reach[k] += (self.fixed(low, at), self.fixed(high, at))
        column = self.column(definition.name)
        indices = [at.whole(i, rows) for i in definition.indices]
        given = self.model.givens.get(definition.name.partition(".")[0])
        ragged = [k for k, a in enumerate(given.axes if given else ()) if is_ragged(a)]
        if ragged:  # its rows lie end to end
            assert isinstance(definition.read, Read)
            indices = at.indices(definition.read, indices, rows)
            reach = np.delete(reach, ragged, axis=0)
        return at.place(definition.read, indices, column, rows, reach)

    def fixed(self, e: Expr, at: Evaluator) -> int:
        """Return a number that is the same for every row."""
        return int(at(e, Rows(np.zeros(1, np.int64), {}))[0])

    def spaces(
        self,
        program: Program,
        levels: list[Rows],
        slots: list[Array],
        bases: list[Array],
        at: Evaluator,
    ) -> list[Array]:
        """Add the rows of ragged loops, fill their slots; return the offsets of their rows."""
        offsets = []
        for number, space in enumerate(program.spaces, start=1):
            parent = levels[space.parent]
            counts = np.zeros(parent.count, np.int64)
            parts: list[Rows] = []
            total = 0
            for rows, origin in expand(
                parent, space.index, at.whole(space.low, parent), at.whole(space.high, parent)
            ):
                if space.guard is not None:
                    chosen = at.condition(space.guard, rows)
                    rows, origin = rows.take(chosen), origin[chosen]
                counts += np.bincount(origin, minlength=parent.count)
                parts.append(rows)
                total += rows.count
                budget.require(total * 8 * (2 + len(parent.index)), f"a sum in {at.what}")
            below = joined(parts, [*parent.index, space.index])
            levels.append(below)
            offsets.append(np.concatenate(([0], np.cumsum(counts))))
            for k, definition in enumerate(program.slots):
                if definition.space == number:
                    slots[k] = self.slot(definition, below, at)
            for k, base in enumerate(program.bases):
                if base.space == number:
                    bases[k] = self.place(base, below, at)
        return offsets


def _refined(
    compiled: Compiled, instances: Instances, answers: bool
) -> tuple[tuple[int, ...], int]:
    """Return the probes of the loss that are refined, and how many sets of points that takes."""
    grids = compiled.model.grids
    if not any(grid.refine for grid in grids.values()):
        return (), 0
    if answers:
        return (), 1
    reals = [instances.unknowns[name] for name in grids]
    # the envelope of one kink is its two slopes; that of several at once is no such pair
    each = np.sum([np.diff(seen.start) for seen in reals], axis=0)
    if compiled.loss is None or (each > 1).any():
        return (), 0
    probes = compiled.loss.refined(any(seen.open.any() for seen in reals))
    return probes, len(probes)


def _listed(columns: list[Array]) -> tuple[Array, Array]:
    """Return the places of each row that are at least 0, row after row, and their offsets."""
    table = np.stack(columns, axis=1)
    there = table >= 0
    return table[there], np.concatenate(([0], np.cumsum(there.sum(axis=1))))


def _keys(program: Program, rows: Rows) -> list[Array]:
    """Return what tells rows apart whose arrays over states may differ."""
    of_instance, variables = False, set()
    for definition in program.tabled:
        reads, free = definition.keys
        of_instance |= reads
        variables |= free
    names = sorted(variables, key=lambda v: v.number)
    return [*([rows.instance] if of_instance else []), *(rows.index[v] for v in names)]


def _dtype(slot: SlotDefinition) -> Any:
    return np.int64 if slot.whole else np.float64


def _join(parts: list[Array], empty: tuple[int, ...], dtype: Any) -> Array:
    if not parts:
        return np.zeros(empty, dtype)
    return np.ascontiguousarray(parts[0] if len(parts) == 1 else np.concatenate(parts), dtype)
