"""Recognised factors as groups of kinds: scopes of any length, and numbers in place of tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.kinds import KindProgram, Members
from factorgraph.compiler.program import Program
from factorgraph.errors import DataError
from factorgraph.factors.states import of_states
from factorgraph.graph.structure import KindGroup
from factorgraph.ground.binders import blocks
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.rows import Rows
from factorgraph.model.arrays import integer
from factorgraph.model.expression import DomainSize, show
from factorgraph.model.model import IndexSet

if TYPE_CHECKING:
    from factorgraph.ground.ground import Bound, _Grounder

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class KindBound:
    """How the numbers of a group of a kind are made.

    Attributes
    ----------
    group : its number among the structure's kinds.
    bound : the arrays of the program that makes them; None where there is none.
    own : int64 [distinct], which of the program's rows each row of numbers ends with.
    fixed : float64 [distinct, rest], what it begins with, which data alone decide.
    """

    program: KindProgram
    group: int
    bound: Bound | None
    own: NDArray[np.int64]
    fixed: NDArray[np.float64]


class KindRows:
    """The rows of one recognised factor over all instances."""

    def __init__(self, grounder: _Grounder, program: KindProgram) -> None:
        self.grounder = grounder
        self.program = program
        self.factor = program.factor
        self.at: Evaluator = grounder.evaluator(f"factor `{program.name}`")

    def groups(self) -> list[tuple[KindGroup, KindBound]]:
        """Return the groups that the factor becomes: one, or one for each length of rows of
        numbers."""
        if self.program.members is None:
            return [self.pairs()]
        return self.counted(self.program.members)

    def rows(self) -> Iterator[Rows]:
        factor = self.factor
        total = 0
        for rows in blocks(self.grounder.instances.count, factor.binders, factor.guard, self.at):
            total += rows.count
            budget.require(32 * total, f"factor `{factor.name}` ({total:,} rows or more)")
            yield rows

    def numbers(self, most: int) -> tuple[NDArray[np.int32], Bound | None, int]:
        """Return which row of the program each row reads, the program's arrays, and how many
        numbers a row has."""
        program = self.program.numbers
        if program is None:
            return np.zeros(0, np.int32), None, 0
        extents = {}
        if self.program.extent is not None:
            program = _sized(program, self.program.extent, most + 1)
            extents[self.program.extent] = most + 1
        group, bound = self.grounder.program(program)
        states = group.states
        return group.table, replace(bound, extents=extents, states=states), states

    def pairs(self) -> tuple[KindGroup, KindBound]:
        counts = np.zeros(self.grounder.instances.count, np.int64)
        parts = [np.zeros((0, 2), np.int32)]
        for rows in self.rows():
            counts += np.bincount(rows.instance, minlength=len(counts))
            ends = [self.grounder.variable(r, rows, self.at) for r in self.program.pair]
            parts.append(np.stack(ends, axis=1).astype(np.int32))
        scope = np.concatenate(parts)
        by_instance = np.concatenate(([0], np.cumsum(counts)))
        self.grounder.twice(self.factor.name, scope, by_instance, self.program.pair)
        table, bound, width = self.numbers(0)
        assert bound is not None
        start = 2 * np.arange(len(scope) + 1, dtype=np.int64)
        group = KindGroup(
            self.factor.name, self.program.kind, start, scope.reshape(-1), table,
            bound.distinct, width, by_instance,
        )  # fmt: skip
        own = np.arange(bound.distinct)
        return group, KindBound(self.program, 0, bound, own, np.zeros((bound.distinct, 0)))

    def counted(self, members: Members) -> list[tuple[KindGroup, KindBound]]:
        counts = np.zeros(self.grounder.instances.count, np.int64)
        arity: list[Array] = [np.zeros(0, np.int64)]
        scopes: list[Array] = [np.zeros(0, np.int32)]
        masks: list[Array] = [np.zeros(0)]
        total = 0
        for rows in self.rows():
            counts += np.bincount(rows.instance, minlength=len(counts))
            inner, origin = self.inside(members, rows)
            total += inner.count
            budget.require(16 * total, f"the members of factor `{self.factor.name}`")
            places = self.grounder.variable(members.read, inner, self.at)
            self.repeated(members, places, origin, inner)
            arity.append(np.bincount(origin, minlength=rows.count))
            scopes.append(places.astype(np.int32))
            if not members.plain:
                masks.append(self.mask(members, inner, places))
        by_instance = np.concatenate(([0], np.cumsum(counts)))
        sizes, scope = np.concatenate(arity), np.concatenate(scopes)
        start = np.concatenate(([0], np.cumsum(sizes, dtype=np.int64)))
        table, bound, width = self.numbers(int(sizes.max(initial=0)))
        name, kind = self.factor.name, self.program.kind
        if members.plain:
            distinct = 1 if bound is None else bound.distinct
            index = np.zeros(len(sizes), np.int32) if bound is None else table
            group = KindGroup(name, kind, start, scope, index, distinct, width, by_instance)
            own = np.arange(distinct)
            return [(group, KindBound(self.program, 0, bound, own, np.zeros((distinct, 0))))]
        return self.by_states(start, scope, np.concatenate(masks), by_instance, table, bound, width)

    def by_states(
        self,
        start: Array,
        scope: Array,
        masks: Array,
        by_instance: Array,
        table: Array,
        bound: Bound | None,
        width: int,
    ) -> list[tuple[KindGroup, KindBound]]:
        """Return groups whose rows say which states count, rows of equal length together."""
        card = self.grounder.card[scope].astype(np.int64)
        first = np.concatenate(([0], np.cumsum(card)))[start]
        first += start  # each variable's states come after their count
        lengths = np.diff(first)
        told = np.empty(int(first[-1]))
        heads = np.cumsum(1 + card) - 1 - card
        told[heads] = card
        body = np.ones(len(told), np.bool_)
        body[heads] = False
        told[body] = masks
        out = []
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            fixed = told[first[rows][:, None] + np.arange(length)].reshape(len(rows), length)
            sizes = np.diff(start)[rows]
            owner = np.repeat(np.arange(len(rows)), sizes)
            before = np.concatenate(([0], np.cumsum(sizes)))
            places = start[rows][owner] + np.arange(before[-1]) - before[owner]
            group = KindGroup(
                self.factor.name,
                of_states(self.program.kind),
                before.astype(np.int64),
                np.ascontiguousarray(scope[places]),
                np.arange(len(rows), dtype=np.int32),
                len(rows),
                width + length,
                np.searchsorted(rows, by_instance).astype(np.int64),
            )
            own = np.zeros(len(rows), np.int64) if bound is None else table[rows].astype(np.int64)
            out.append((group, KindBound(self.program, 0, bound, own, fixed)))
        return out

    def inside(self, members: Members, rows: Rows) -> tuple[Rows, Array]:
        """Return the members of some rows, row after row, and the row of each."""
        every = [(rows, np.arange(rows.count))]
        for index, low, high in members.indices:
            every = [
                (inner, origin[back])
                for outer, origin in every
                for inner, back in self.at.run(
                    outer,
                    index,
                    self.at.whole(low, outer),
                    self.at.whole(high, outer),
                    members.guard,
                )
            ]
        kept: list[tuple[Rows, Array]] = []
        for inner, origin in every:
            if members.guard is not None:
                held = self.at.condition(members.guard, inner)
                inner, origin = inner.take(held), origin[held]
            kept.append((inner, origin))
        names = [*rows.index, *(index for index, _, _ in members.indices)]
        instance = np.concatenate([np.zeros(0, np.int64), *(r.instance for r, _ in kept)])
        columns = {
            v: np.concatenate([np.zeros(0, np.int64), *(r.index[v] for r, _ in kept)])
            for v in names
        }
        origin = np.concatenate([np.zeros(0, np.int64), *(o for _, o in kept)])
        order = np.argsort(origin, kind="stable")
        return Rows(instance, columns).take(order), origin[order]

    def mask(self, members: Members, inner: Rows, places: Array) -> Array:
        """Return 1 for each state of each member that counts, else 0, member after member."""
        unknown = self.grounder.model.unknowns[members.read.name]
        assert unknown.values is not None
        card = self.grounder.card[places].astype(np.int64)
        before = np.concatenate(([0], np.cumsum(card)))
        budget.require(24 * int(before[-1]), f"what counts in factor `{self.factor.name}`")
        owner = np.repeat(np.arange(len(places)), card)
        every = inner.take(owner)
        every.index[members.value] = np.arange(before[-1]) - before[owner] + unknown.values.low
        return self.at.condition(members.holds, every).astype(np.float64)

    def repeated(self, members: Members, places: Array, origin: Array, inner: Rows) -> None:
        """Refuse a row that counts one variable twice."""
        order = np.lexsort((places, origin))
        same = (np.diff(origin[order]) == 0) & (np.diff(places[order]) == 0)
        if same.any():
            bad = order[int(np.flatnonzero(same)[0])]
            raise DataError(
                f"factor `{self.factor.name}`: `{show(members.read)}` is the same variable twice"
                f" ({self.grounder.instances.where(int(inner.instance[bad]))})",
                code="E0313",
                span=members.read.span,
                hint="add a guard that keeps them apart",
            )


def _sized(program: Program, extent: str, count: int) -> Program:
    """Return a program with a number in place of an extent that the data decide."""

    def sized(values: IndexSet) -> IndexSet:
        own = isinstance(values.count, DomainSize) and values.count.name == extent
        return replace(values, count=integer(values.count.span, count)) if own else values

    tabled = tuple(replace(d, sets=tuple(map(sized, d.sets))) for d in program.tabled)
    lookups = tuple(replace(d, values=sized(d.values)) for d in program.lookups)
    return replace(program, sets=tuple(map(sized, program.sets)), tabled=tabled, lookups=lookups)
