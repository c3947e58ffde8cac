"""A graph laid out for belief propagation: factors with tables, factors of kinds, unary energies.

A *place* is a variable in the scope of a factor of two variables or more. To each place belongs one
message from the factor to the variable, with as many entries as the variable has states; what the
variable tells the factor is worked out from its belief when it is needed, and never stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.problem import Problem
from factorgraph.errors import InferenceError, some
from factorgraph.factors.expand import tabled
from factorgraph.graph.structure import Energies, Group, Ints, KindGroup, Offsets, Structure
from factorgraph.jit import kernel

ROW, ALL = 4096, 2**24
"""Entries of the largest table that a factor of a kind is turned into, and of all of them."""


@dataclass(frozen=True)
class Part:
    """A group of factors of a kind, whose rows and places stand together.

    Attributes
    ----------
    numbers : float64 [distinct, width].
    first, place : the number of its first factor, and of its first place.
    """

    group: KindGroup
    numbers: Energies
    first: int
    place: int


@dataclass(frozen=True)
class Incidence:
    """What touches what, and where the messages stand.

    Attributes
    ----------
    card : int32 [V].
    state : int64 [V + 1], where the states of each variable stand.
    unary : float64 [S], energies of single variables, +inf at states that evidence excludes.
    constant : what every configuration costs.
    row : int64 [F + 1], the places of each factor; those with tables first, then those of kinds.
    scope : int32 [P], the variable of each place.
    entry : int64 [P + 1], where the message of each place starts.
    base : int64 [D], where each factor's table starts in ``tables``.
    tables : float64, energies.
    parts : the groups of kinds.
    start, place : int64 [V + 1] and int32 [P], the places of each variable, in order.
    names : the name of each group of factors, its first factor, and numbers of its rows.
    """

    card: Ints
    state: Offsets
    unary: Energies
    constant: float
    row: Offsets
    scope: Ints
    entry: Offsets
    base: Offsets
    tables: Energies
    parts: tuple[Part, ...]
    start: Offsets
    place: Ints
    names: tuple[tuple[str, int], ...]

    @property
    def factors(self) -> int:
        return len(self.row) - 1

    @property
    def dense(self) -> int:
        """Factors with tables; they come first."""
        return len(self.base)

    @property
    def size(self) -> int:
        """Entries of all messages."""
        return int(self.entry[-1])

    @cached_property
    def forest(self) -> bool:
        """Whether factors and variables make no loop."""
        return bool(acyclic(len(self.card), self.row, self.scope))

    def named(self, factor: int) -> str:
        """Return a factor's name and its number among those of its group, ``parity[17]``."""
        found = ("factor", 0)
        for name, first in self.names:
            if first <= factor:
                found = (name, first)
        return f"{found[0]}[{factor - found[1]}]"


def incidence(problem: Problem, largest: int = 0) -> Incidence:
    """Lay out a problem's graph.

    Parameters
    ----------
    largest : factors of kinds with tables of at most so many entries are turned into tables, as
        long as these are not many in all; 0 for none of them.

    Raises
    ------
    BudgetError : the layout would not fit into the memory budget.
    """
    structure, values = problem.structure, problem.values
    if structure.kinds and largest:
        structure, values = _expanded(structure, values, largest)
    state = structure.state_offset
    places = sum(g.scope.size for g in structure.groups) + sum(
        len(k.scope) for k in structure.kinds
    )
    budget.require(8 * int(state[-1]) + 40 * places, "the layout of messages")
    unary, constant = np.zeros(int(state[-1])), 0.0
    for g, group in enumerate(structure.groups):
        if len(group.cards) == 0 and len(group.table):
            constant += float(structure.table(values, g).reshape(-1)[group.table].sum())
        elif len(group.cards) == 1:
            _add_unary(state, np.ascontiguousarray(group.scope[:, 0]), group.table,
                       np.ascontiguousarray(structure.table(values, g)), unary)  # fmt: skip
    _clamp(state, problem.evidence, unary)
    arity: list[Offsets] = [np.zeros(0, np.int64)]
    scopes: list[Ints] = [np.zeros(0, np.int32)]
    bases: list[Offsets] = [np.zeros(0, np.int64)]
    names, count, at = [], 0, 0
    for g, group in enumerate(structure.groups):
        n = len(group.table)
        if len(group.cards) < 2 or not n:
            continue
        names.append((group.name, count))
        arity.append(np.full(n, len(group.cards), np.int64))
        scopes.append(group.scope.reshape(-1))
        bases.append(structure.offset[g] + group.table.astype(np.int64) * group.states)
        count, at = count + n, at + group.scope.size
    parts = []
    for k, kind in enumerate(structure.kinds):
        if len(kind.table):
            names.append((kind.name, count))
            parts.append(Part(kind, structure.numbers(values, k), count, at))
            arity.append(np.diff(kind.start))
            scopes.append(kind.scope)
            count, at = count + len(kind.table), at + len(kind.scope)
    row = _offsets(np.concatenate(arity))
    scope = np.ascontiguousarray(np.concatenate(scopes), np.int32)
    entry = _offsets(structure.card[scope].astype(np.int64))
    start, place = np.zeros(structure.variables + 1, np.int64), np.empty(len(scope), np.int32)
    invert(scope, start, place)
    return Incidence(
        structure.card, state, unary, constant, row, scope, entry, np.concatenate(bases),
        values[: structure.offset[-1]], tuple(parts), start, place, tuple(names),
    )  # fmt: skip


def _expanded(structure: Structure, values: Energies, largest: int) -> tuple[Structure, Energies]:
    """Return a graph whose factors of kinds are tables, where these are small and few."""
    left = ALL
    small: list[int] = []
    for k, kind in enumerate(structure.kinds):
        states = np.log(structure.card[kind.scope].astype(np.float64))
        each = np.bincount(np.repeat(np.arange(len(kind.table)), np.diff(kind.start)), states,
                           len(kind.table))  # fmt: skip
        most = float(np.exp(each.max(initial=0.0)))
        size = most * min(kind.distinct, len(kind.table))
        if most <= largest * (1 + 1e-9) and size <= left:
            small.append(k)
            left -= int(size)
    if not small:
        return structure, values
    some_kinds = tuple(structure.kinds[k] for k in small)
    others = [k for k in range(len(structure.kinds)) if k not in small]
    plain = values[: structure.offset[-1]]
    own = [structure.numbers(values, k).reshape(-1) for k in small]
    part = Structure(structure.card, structure.instance, structure.groups, some_kinds)
    expanded = tabled(part)
    tables = expanded.values(np.concatenate([plain, *own])[None])[0]
    rest = [structure.numbers(values, k).reshape(-1) for k in others]
    whole = Structure(structure.card, structure.instance, expanded.structure.groups,
                      tuple(structure.kinds[k] for k in others))  # fmt: skip
    return whole, np.concatenate([tables, *rest])


def without_kinds(problem: Problem, what: str) -> Incidence:
    """Lay out a graph for an algorithm that reads tables only.

    Raises
    ------
    InferenceError : E0505, a factor of a kind is too large for a table.
    """
    out = incidence(problem, ROW)
    for part in out.parts:
        raise InferenceError(
            f"{what} reads tables, and those of factor `{part.group.name}` of kind"
            f" `{part.group.kind}` would be too large",
            code="E0505",
            hint=f"tables of kinds have at most {some(ROW, 'entry')}; `schedule = flooding` takes"
            " messages in closed form",
        )
    return out


def rows_by_group(structure: Structure) -> Iterator[tuple[Group, int]]:
    """Yield the groups of two variables or more, and the number of their first factor."""
    count = 0
    for group in structure.groups:
        if len(group.cards) > 1 and len(group.table):
            yield group, count
            count += len(group.table)


def _offsets(counts: NDArray[np.int64]) -> Offsets:
    out = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=out[1:])
    return out


@kernel
def _add_unary(state, variable, table, energies, unary):  # type: ignore[no-untyped-def]
    for r in range(len(variable)):
        first = state[variable[r]]
        for s in range(energies.shape[1]):
            unary[first + s] += energies[table[r], s]


@kernel
def _clamp(state, evidence, unary):  # type: ignore[no-untyped-def]
    for v in range(len(evidence)):
        if evidence[v] >= 0:
            for s in range(state[v], state[v + 1]):
                if s - state[v] != evidence[v]:
                    unary[s] = np.inf


@kernel
def invert(scope, start, place):  # type: ignore[no-untyped-def]
    """Write the places of each variable, in order."""
    for v in scope:
        start[v + 1] += 1
    for v in range(len(start) - 1):
        start[v + 1] += start[v]
    for p in range(len(scope)):
        v = scope[p]
        place[start[v]] = p
        start[v] += 1
    for v in range(len(start) - 1, 0, -1):
        start[v] = start[v - 1]
    start[0] = 0


@kernel
def acyclic(variables, row, scope):  # type: ignore[no-untyped-def]
    """Return whether no factor joins variables that are joined already."""
    parent = np.arange(variables)
    for f in range(len(row) - 1):
        for p in range(row[f], row[f + 1]):
            v = scope[p]
            while parent[v] != v:
                parent[v] = parent[parent[v]]
                v = parent[v]
            if p == row[f]:
                root = v
            elif v == root:
                return False
            else:
                parent[v] = root
    return True
