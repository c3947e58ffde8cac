"""A graph as unary energies and at most one edge between two variables, for message passing.

Unary factors are summed, evidence excludes states, factors that evidence leaves with two free
variables become edges, and what lies over the same two variables is added up. Edges whose energies
are Potts or truncated distances are told by a few numbers; so are those whose tables turn out to
be, entry by entry. All other tables are read where they stand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.chains import DENSE, LINEAR, POTTS, SQUARE
from factorgraph.engine.problem import Problem
from factorgraph.errors import UsageError
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, Group, Ints, KindGroup, Offsets, Structure
from factorgraph.jit import kernel

Array = NDArray[np.int64]
BLOCK = 2**22
"""Entries of tables that are looked at in one go."""


@dataclass(frozen=True)
class Edges:
    """Edges, each with the axes of its table in the order of its ends.

    Attributes
    ----------
    ends : int32 [E, 2], the variables.
    kind : int8 [E], of `chains`.
    number : float64 [E, 2], numbers of the kind.
    base : int64 [E], where a dense table starts in the problem's values, or -1 - x where it
        starts at x in ``extra``.
    extra : float64, tables that stand nowhere else.
    """

    ends: Ints
    kind: NDArray[np.int8]
    number: Energies
    base: Offsets
    extra: Energies

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Edges:
        """Return some of the edges."""
        parts = (self.ends[rows], self.kind[rows], self.number[rows], self.base[rows])
        return Edges(*parts, self.extra)


@dataclass(frozen=True)
class Pairwise:
    """Unary energies and edges.

    Attributes
    ----------
    card : int32 [V].
    theta : float64 [S], unary energies, +inf at states that are excluded.
    constant : what every configuration costs.
    values : float64 [T], the problem's.
    hard : whether a table has entries of +inf.
    possible : False where some variable has no state left: nothing has finite energy.
    """

    card: Ints
    theta: Energies
    constant: float
    edges: Edges
    values: Energies
    hard: bool
    possible: bool

    @cached_property
    def state(self) -> Offsets:
        """int64 [V + 1], where the states of each variable stand in ``theta``."""
        return np.concatenate(([0], np.cumsum(self.card, dtype=np.int64)))

    @cached_property
    def whole(self) -> bool:
        """Whether every configuration's energy is a whole number, told exactly."""
        theta, number = self.theta, self.edges.number
        parts = [theta, self.edges.extra, number[self.edges.kind != DENSE], self.constant]
        if (self.edges.base[self.edges.kind == DENSE] >= 0).any():
            parts.append(self.values)
        return all(_whole(part) for part in parts)


def _whole(array: Energies | float) -> bool:
    finite = np.asarray(array)
    finite = finite[np.isfinite(finite)]
    return bool((np.abs(finite) < 2.0**40).all() and (np.rint(finite) == finite).all())


def pairwise(problem: Problem, what: str) -> Pairwise:
    """Return a problem in this form.

    Parameters
    ----------
    what : the algorithm, for messages.

    Raises
    ------
    UsageError : a factor has more than two free variables.
    BudgetError : tables that have to be made would not fit.
    """
    structure, values = problem.structure, problem.values
    state = structure.state_offset
    budget.require(8 * int(state[-1]), "the unary energies")
    gathering = _Gathering(problem, what, np.zeros(int(state[-1])))
    for g, group in enumerate(structure.groups):
        gathering.tables(g, group)
    for k, kind in enumerate(structure.kinds):
        gathering.numbers(k, kind)
    theta = gathering.theta
    observed = np.flatnonzero(problem.evidence >= 0)
    if len(observed):
        _clamp(state, observed.astype(np.int64), problem.evidence, theta)
    edges = _folded(structure, values, gathering.joined())
    edges, constant = _plain(edges)
    dense = edges.kind == DENSE
    hard, possible = False, True
    if dense.any():
        hard = _infinite(structure.card, edges.take(dense), values)
    if hard:
        _support(state, edges.ends, edges.kind == DENSE, edges.base, values, edges.extra, theta)
    if len(theta):
        possible = bool(np.isfinite(np.minimum.reduceat(theta, state[:-1])).all())
    constant += gathering.constant
    possible = possible and constant < np.inf
    return Pairwise(structure.card, theta, constant, edges, values, hard, possible)


class _Gathering:
    """What the factors of a problem come to, group by group."""

    def __init__(self, problem: Problem, what: str, theta: Energies) -> None:
        self.problem, self.what, self.theta = problem, what, theta
        self.structure, self.values = problem.structure, problem.values
        self.constant = 0.0
        self.parts: list[Edges] = []
        self.made: list[Energies] = []
        self.count = 0

    def joined(self) -> Edges:
        """Return all edges so far."""
        none = Edges(np.zeros((0, 2), np.int32), np.zeros(0, np.int8), np.zeros((0, 2)),
                     np.zeros(0, np.int64), np.zeros(0))  # fmt: skip
        parts = [none, *self.parts]
        return Edges(
            np.concatenate([p.ends for p in parts]),
            np.concatenate([p.kind for p in parts]),
            np.concatenate([p.number for p in parts]),
            np.concatenate([p.base for p in parts]),
            np.concatenate([np.zeros(0), *self.made]),
        )

    def tables(self, g: int, group: Group) -> None:
        """Add the factors of a group with tables."""
        n, arity = group.scope.shape
        if not n:
            return
        tables = self.structure.table(self.values, g)
        if arity == 0:
            self.constant += float(tables.reshape(-1)[group.table].sum())
        elif arity == 1:
            self.unary(group.scope[:, 0], tables, group.table)
        elif arity == 2:
            base = self.structure.offset[g] + group.table.astype(np.int64) * group.states
            kind, number = _recognised(tables)
            self.edges(group.scope, kind[group.table], number[group.table], base)
        else:
            for rows, free, given in self.patterns(group.name, group.scope):
                fixed = [k for k in range(arity) if k not in free]
                sorted_ = np.moveaxis(tables, [1 + k for k in fixed], range(1, 1 + len(fixed)))
                size = len(rows) * int(np.prod([group.cards[k] for k in free]))
                budget.require(8 * size, f"factor `{group.name}` given the evidence")
                picked = sorted_[(group.table[rows], *(given[:, k] for k in fixed))]
                self.small(group.scope[rows][:, free], picked)

    def numbers(self, k: int, group: KindGroup) -> None:
        """Add the factors of a group of a kind."""
        numbers = self.structure.numbers(self.values, k)
        lengths = np.diff(group.start)
        for arity in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == arity)
            scope = group.scope[group.start[rows][:, None] + np.arange(arity)]
            own = numbers[group.table[rows]]
            if arity == 2 and group.kind in _CLOSED:
                kind, number, other = _CLOSED[group.kind](own)
                self.edges(scope[~other], kind[~other], number[~other, :2],
                           np.zeros(int((~other).sum()), np.int64))  # fmt: skip
                self.constant += float(number[~other, 2].sum())
                rows, scope, own = rows[other], scope[other], own[other]
            if not len(rows):
                continue
            for some, free, given in self.patterns(group.name, scope):
                self.small(scope[some][:, free], self.tabled(group, scope[some], own[some],
                                                             free, given))  # fmt: skip

    def patterns(self, name: str, scope: Ints) -> Iterator[tuple[Array, list[int], Ints]]:
        """Yield rows with the same free places, these, and what is observed [rows, arity]."""
        given = self.problem.evidence[scope]
        free = given < 0
        if len(scope) and int(free.sum(axis=1).max()) > 2:
            if scope.shape[1] <= 2:
                raise AssertionError
            raise UsageError(
                f"`{self.what}` takes factors of one or two free variables, and "
                f"`{name}` has {int(free.sum(axis=1).max())}",
                code="E0510",
                hint="`mplp` and `ad3` give bounds for factors over more variables",
            )
        code = free @ (1 << np.arange(scope.shape[1], dtype=object)) if scope.shape[1] > 60 else (
            free @ (1 << np.arange(scope.shape[1], dtype=np.int64))
        )  # fmt: skip
        for one in np.unique(code):
            rows = np.flatnonzero(code == one)
            yield rows, np.flatnonzero(free[rows[0]]).tolist(), given[rows]

    def tabled(
        self, group: KindGroup, scope: Ints, own: Energies, free: list[int], given: Ints
    ) -> Energies:
        """Return the energies of rows of a kind over their free variables, [rows, *cards]."""
        rows, arity = scope.shape
        cards = [int(self.structure.card[scope[:, k]].max(initial=1)) for k in free]
        budget.require(8 * rows * int(np.prod(cards)), f"factor `{group.name}` as tables")
        fake = replace(
            group,
            start=np.arange(rows + 1, dtype=np.int64) * arity,
            scope=np.arange(rows * arity, dtype=np.int32),
            table=np.arange(rows, dtype=np.int32),
            distinct=rows,
            rows=np.array([0, rows], np.int64),
        )
        kind, out = kind_of(group.kind), np.empty((rows, *cards))
        for joint in np.ndindex(*cards):
            states = given.copy()
            for k, x in zip(free, joint, strict=True):
                states[:, k] = np.minimum(x, self.structure.card[scope[:, k]] - 1)
            out[(slice(None), *joint)] = kind.energy(fake, own, states.reshape(-1).astype(np.int32))
        return out

    def small(self, scope: Ints, tables: Energies) -> None:
        """Add factors over at most two variables, each with a table of its own."""
        n, arity = scope.shape
        if arity == 0:
            self.constant += float(tables.sum())
        elif arity == 1:
            self.unary(scope[:, 0], tables, np.arange(n, dtype=np.int32))
        else:
            cards = self.structure.card[scope]
            for a, b in np.unique(cards, axis=0).tolist():
                rows = np.flatnonzero((cards == (a, b)).all(axis=1))
                part = np.ascontiguousarray(tables[rows, :a, :b])
                kind, number = _recognised(part)
                base = -1 - (self.count + np.arange(len(rows), dtype=np.int64) * a * b)
                self.edges(scope[rows], kind, number, base)
                self.made.append(part.reshape(-1))
                self.count += part.size

    def unary(self, variable: Ints, tables: Energies, table: Ints) -> None:
        """Add unary energies [d, card], of which each variable reads one row."""
        if len(variable):
            flat = np.ascontiguousarray(tables.reshape(len(tables), -1))
            _add_unary(self.structure.state_offset, np.ascontiguousarray(variable),
                       np.ascontiguousarray(table), flat, self.theta)  # fmt: skip

    def edges(self, ends: Ints, kind: NDArray[np.int8], number: Energies, base: Offsets) -> None:
        """Add edges."""
        ends = np.ascontiguousarray(ends, np.int32)
        self.parts.append(Edges(ends, kind, number, base, np.zeros(0)))


# -- what kinds and tables come to


def _potts(numbers: Energies) -> tuple[NDArray[np.int8], Energies, NDArray[np.bool_]]:
    """Return kind, numbers with the constant, and which rows are nothing that is known."""
    equal, differ = numbers[:, 0], numbers[:, 1]
    other = np.isinf(equal) | np.isinf(differ)
    gain = np.where(other, 0.0, differ - np.where(other, 0.0, equal))
    kind = np.full(len(numbers), POTTS, np.int8)
    return kind, np.stack([gain, np.zeros_like(gain), equal], axis=1), other


def _truncated(numbers: Energies) -> tuple[NDArray[np.int8], Energies, NDArray[np.bool_]]:
    scale, slope, cap, power = numbers.T
    other = ~((scale >= 0) & (slope >= 0) & (cap >= 0))
    with np.errstate(invalid="ignore"):
        steep = np.where(scale == 0, 0.0, scale * slope)
        most = np.where(scale == 0, 0.0, scale * cap)
    other |= ~np.isfinite(steep)
    kind = np.where(power == 1, LINEAR, SQUARE).astype(np.int8)
    return kind, np.stack([steep, most, np.zeros_like(most)], axis=1), other


_CLOSED = {"potts": _potts, "truncated": _truncated}


def _recognised(tables: Energies) -> tuple[NDArray[np.int8], Energies]:
    """Return the kind and the numbers of each of some square tables [d, K, K], to the last bit.

    Only tables that are zero where both states are equal are looked at: another constant would
    have to be kept beside.
    """
    d, n, m = tables.shape
    kind, number = np.full(d, DENSE, np.int8), np.zeros((d, 2))
    if n != m or n < 2:
        return kind, number
    gap = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    step = max(1, BLOCK // (n * n))
    for first in range(0, d, step):
        part = tables[first : first + step]
        # A quick look at one row of each before all entries are compared.
        row = part[:, 0]
        able = np.isfinite(row).all(axis=1) & (row[:, 0] == 0)
        row = np.where(able[:, None], row, 0.0)
        for code in (POTTS, LINEAR, SQUARE):
            slope = row[:, 1]
            cap = slope if code == POTTS else row[:, -1]
            reach = np.arange(n, dtype=np.float64)
            rise = slope[:, None] * (reach**2 if code == SQUARE else reach)
            want = np.minimum(rise, cap[:, None])
            if code == POTTS:
                want = np.where(reach > 0, slope[:, None], 0.0)
            fits = able & (want == row).all(axis=1) & (kind[first : first + step] == DENSE)
            if code != POTTS:
                fits &= slope > 0
            at = np.flatnonzero(fits)
            if len(at):
                at = at[(want[at][:, gap] == part[at]).all(axis=(1, 2))]
                kind[first + at] = code
                number[first + at, 0] = slope[at]
                number[first + at, 1] = cap[at]
    return kind, number


def _plain(edges: Edges) -> tuple[Edges, float]:
    """Leave out edges that cost nothing; a constant is what they cost."""
    nothing = (edges.kind != DENSE) & (edges.number[:, 0] == 0)
    return (edges.take(~nothing), 0.0) if nothing.any() else (edges, 0.0)


# -- edges over the same variables


def _folded(structure: Structure, values: Energies, edges: Edges) -> Edges:
    """Return edges of which no two are over the same variables."""
    low, high = edges.ends.min(axis=1), edges.ends.max(axis=1)
    code = low.astype(np.int64) * structure.variables + high
    order = np.argsort(code, kind="stable")
    same = code[order][1:] == code[order][:-1]
    if not same.any():
        return edges
    first = np.concatenate(([True], ~same))
    number = np.cumsum(first) - 1
    count = np.bincount(number)
    alone = order[first & (count[number] == 1)]
    kept, extra, size = [edges.take(alone)], [edges.extra], len(edges.extra)
    # Those that meet another one: Potts and Potts stay Potts, all else is tabled.
    heads = np.flatnonzero(first & (count[number] > 1))
    times = count[number[heads]]
    member = order[np.repeat(heads, times) + _running(times)]
    group = np.repeat(np.arange(len(heads)), times)
    potts = np.ones(len(heads), bool)
    np.logical_and.at(potts, group, edges.kind[member] == POTTS)
    lead = order[heads]
    if potts.any():
        gain = np.bincount(group, edges.number[member, 0], minlength=len(heads))
        some = edges.take(lead[potts])
        kept.append(replace(some, number=np.stack([gain[potts], 0 * gain[potts]], axis=1)))
    ends = edges.ends[lead]
    cards = structure.card[ends]
    for a, b in np.unique(cards[~potts], axis=0).tolist():
        mine = np.flatnonzero(~potts & (cards == (a, b)).all(axis=1))
        place = np.full(len(heads), -1)
        place[mine] = np.arange(len(mine))
        budget.require(8 * len(mine) * a * b, "factors over the same two variables")
        total = np.zeros((len(mine), a, b))
        rows = member[place[group] >= 0]
        goal = place[group][place[group] >= 0]
        turned = edges.ends[rows, 0] != ends[mine[goal], 0]
        for flip in (False, True):
            which = np.flatnonzero(turned == flip)
            shape = (b, a) if flip else (a, b)
            for block in range(0, len(which), max(1, BLOCK // (a * b))):
                some_rows = which[block : block + max(1, BLOCK // (a * b))]
                tables = tabulate(edges.take(rows[some_rows]), values, *shape)
                if flip:
                    tables = tables.transpose(0, 2, 1)
                np.add.at(total, goal[some_rows], tables)
        kind, numbers = _recognised(total)
        base = -1 - (size + np.arange(len(mine), dtype=np.int64) * a * b)
        kept.append(Edges(ends[mine], kind, numbers, base, np.zeros(0)))
        extra.append(total.reshape(-1))
        size += total.size
    return Edges(
        np.concatenate([e.ends for e in kept]),
        np.concatenate([e.kind for e in kept]),
        np.concatenate([e.number for e in kept]),
        np.concatenate([e.base for e in kept]),
        np.concatenate(extra),
    )


def _running(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return 0, 1, .. within each of some runs."""
    ends = np.cumsum(counts)
    return np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - counts, counts)


def tabulate(edges: Edges, values: Energies, a: int, b: int) -> Energies:
    """Return the tables [E, a, b] of edges whose ends have a and b states."""
    out = np.empty((len(edges.ends), a, b))
    gap = np.abs(np.subtract.outer(np.arange(a), np.arange(b))).astype(np.float64)
    entry = np.arange(a * b).reshape(a, b)
    slope, cap = edges.number[:, 0, None, None], edges.number[:, 1, None, None]
    for code, table in (
        (POTTS, lambda k: np.where(gap > 0, slope[k], 0.0)),
        (LINEAR, lambda k: np.minimum(slope[k] * gap, cap[k])),
        (SQUARE, lambda k: np.minimum(slope[k] * gap**2, cap[k])),
        (DENSE, lambda k: _read(edges.base[k], entry, values, edges.extra)),
    ):
        rows = edges.kind == code
        if rows.any():
            out[rows] = table(rows)
    return out


def _read(base: Offsets, entry: Array, values: Energies, extra: Energies) -> Energies:
    out = np.empty((len(base), *entry.shape))
    own = base >= 0
    out[own] = values[base[own][:, None, None] + entry]
    out[~own] = extra[(-1 - base[~own])[:, None, None] + entry]
    return out


def _infinite(card: Ints, edges: Edges, values: Energies) -> bool:
    """Return whether some dense table has an entry of +inf."""
    size = card[edges.ends].prod(axis=1, dtype=np.int64)
    if len(edges.extra) and np.isinf(edges.extra).any():
        return True
    own = edges.base >= 0
    return bool(np.isinf(values).any()) and _any_infinite(edges.base[own], size[own], values)


@kernel
def _any_infinite(base, size, values):  # type: ignore[no-untyped-def]
    for e in range(len(base)):
        for x in range(base[e], base[e] + size[e]):
            if values[x] == np.inf:
                return True
    return False


@kernel
def _add_unary(state, variable, table, tables, theta):  # type: ignore[no-untyped-def]
    for r in range(len(variable)):
        at, row = state[variable[r]], tables[table[r]]
        for x in range(len(row)):
            theta[at + x] += row[x]


@kernel
def _clamp(state, observed, evidence, theta):  # type: ignore[no-untyped-def]
    for v in observed:
        for x in range(state[v], state[v + 1]):
            if x - state[v] != evidence[v]:
                theta[x] = np.inf


@kernel
def _support(state, ends, dense, base, values, extra, theta):  # type: ignore[no-untyped-def]
    """Exclude states that no state at the other end of an edge goes with, until none is left."""
    changed = True
    while changed:
        changed = False
        for e in range(len(ends)):
            if not dense[e]:
                continue
            here, table = base[e], values
            if here < 0:
                here, table = -1 - here, extra
            a, b = state[ends[e, 0]], state[ends[e, 1]]
            n, m = state[ends[e, 0] + 1] - a, state[ends[e, 1] + 1] - b
            for x in range(n):
                if theta[a + x] < np.inf:
                    good = False
                    for y in range(m):
                        if table[here + x * m + y] < np.inf and theta[b + y] < np.inf:
                            good = True
                    if not good:
                        theta[a + x] = np.inf
                        changed = True
            for y in range(m):
                if theta[b + y] < np.inf:
                    good = False
                    for x in range(n):
                        if table[here + x * m + y] < np.inf and theta[a + x] < np.inf:
                            good = True
                    if not good:
                        theta[b + y] = np.inf
                        changed = True
