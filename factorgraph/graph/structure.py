"""The flat graph: which variables there are, what each factor touches, which table it reads.

A *structure* holds indices only. The energies live in one flat vector of *values*: the tables of
group ``g`` stand at ``values[offset[g] : offset[g + 1]]``, distinct table after distinct table,
each in C order over the group's cards. Marginals and cotangents have the same layout, so that
what inference hands back can be added up table by table without any bookkeeping.

Several instances are concatenated: variables, and the rows of each group, stand in the order of
their instances, with offsets. A batch of graphs that share one structure is an array of values
with a leading axis, ``[B, T]``.

Factors whose messages have a closed form stand apart, in groups of one *kind*, with scopes of any
length and a few numbers each where others have a table. Their numbers follow the tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import InferenceError, UsageError

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Energies = NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """Factors of one name, arity and shape of table.

    Attributes
    ----------
    name : the factor's name, for messages.
    cards : states of each variable of the scope, in order; () for a constant energy.
    scope : int32 [n, arity], variable numbers, distinct within a row.
    table : int32 [n], which of the group's distinct tables each row reads.
    distinct : number of distinct tables.
    rows : int64 [I + 1], rows by instance: instance i owns ``rows[i] .. rows[i + 1] - 1``.
    """

    name: str
    cards: tuple[int, ...]
    scope: Ints
    table: Ints
    distinct: int
    rows: Offsets

    @property
    def states(self) -> int:
        """Entries of one table."""
        return prod(self.cards)

    @property
    def size(self) -> int:
        """Entries of all distinct tables."""
        return self.distinct * self.states


@dataclass(frozen=True)
class KindGroup:
    """Factors of one name and one kind, which needs no table.

    Attributes
    ----------
    name : the factor's name, for messages.
    kind : the name of a kind in `factorgraph.factors.registry`.
    start : int64 [n + 1], where the scope of each row starts in ``scope``.
    scope : int32 [start[n]], variable numbers, distinct within a row.
    table : int32 [n], which of the group's distinct rows of numbers each row reads.
    distinct : number of distinct rows of numbers.
    width : numbers in one of them; what they mean is the kind's.
    rows : int64 [I + 1], rows by instance.
    """

    name: str
    kind: str
    start: Offsets
    scope: Ints
    table: Ints
    distinct: int
    width: int
    rows: Offsets

    @property
    def size(self) -> int:
        """All numbers of the group."""
        return self.distinct * self.width


@dataclass(frozen=True)
class Structure:
    """Variables in the order of their instances, and groups of factors over them.

    Attributes
    ----------
    card : int32 [V], states of each variable, at least 1.
    instance : int64 [I + 1], variables by instance.
    groups : the factor groups with tables, of any arity.
    kinds : the factor groups of kinds without tables.
    """

    card: Ints
    instance: Offsets
    groups: tuple[Group, ...]
    kinds: tuple[KindGroup, ...] = ()

    @property
    def variables(self) -> int:
        return len(self.card)

    @property
    def instances(self) -> int:
        return len(self.instance) - 1

    @property
    def every(self) -> tuple[Group | KindGroup, ...]:
        """All groups of factors, those with tables first."""
        return (*self.groups, *self.kinds)

    @cached_property
    def state_offset(self) -> Offsets:
        """int64 [V + 1]: where the states of each variable stand in a flat vector of beliefs."""
        return np.concatenate(([0], np.cumsum(self.card, dtype=np.int64)))

    @cached_property
    def offset(self) -> tuple[int, ...]:
        """Where each group's tables start in the flat vector of values; the last is its length."""
        out = [0]
        for group in self.groups:
            out.append(out[-1] + group.size)
        return tuple(out)

    @cached_property
    def kind_offset(self) -> tuple[int, ...]:
        """Where the numbers of each group of a kind start in the values; the last is their end."""
        out = [self.offset[-1]]
        for group in self.kinds:
            out.append(out[-1] + group.size)
        return tuple(out)

    @property
    def size(self) -> int:
        """Length T of the flat vector of values."""
        return self.kind_offset[-1]

    def numbers(self, values: Energies, k: int) -> Energies:
        """Return the view ``[distinct, width]`` of the group ``kinds[k]`` in a vector ``[T]``."""
        group = self.kinds[k]
        part = values[self.kind_offset[k] : self.kind_offset[k + 1]]
        return part.reshape(group.distinct, group.width)

    def table(self, values: Energies, g: int) -> Energies:
        """Return the view ``[distinct, *cards]`` of group ``g`` in a flat vector ``[T]``."""
        group = self.groups[g]
        part = values[self.offset[g] : self.offset[g + 1]]
        return part.reshape(group.distinct, *group.cards)

    def check(self) -> None:
        """Raise InferenceError where indices are out of range or shapes disagree."""
        n_variables, n_instances = self.variables, self.instances
        if n_variables and int(self.card.min()) < 1:
            raise InferenceError("a variable has no states", code="E0501")
        if self.instance[0] != 0 or self.instance[-1] != n_variables:
            raise InferenceError("instance offsets do not cover the variables", code="E0502")
        if (np.diff(self.instance) < 0).any():
            raise InferenceError("instance offsets decrease", code="E0502")
        for group in self.groups:
            _check_group(group, self.card, self.instance, n_instances)
        for kind in self.kinds:
            _check_kind(kind, self.instance)


def scopes(group: Group | KindGroup) -> Iterator[list[int]]:
    """Yield the scope of each row of a group."""
    if isinstance(group, Group):
        yield from group.scope.tolist()
        return
    for first, last in zip(group.start[:-1].tolist(), group.start[1:].tolist(), strict=True):
        yield group.scope[first:last].tolist()


def _check_kind(group: KindGroup, instance: Offsets) -> None:
    def fail(what: str) -> InferenceError:
        return InferenceError(f"factor `{group.name}`: {what}", code="E0503")

    n, rows, start = len(group.table), group.rows, group.start
    if len(rows) != len(instance) or rows[0] != 0 or rows[-1] != n or (np.diff(rows) < 0).any():
        raise fail("row offsets do not cover the rows")
    if len(start) != n + 1 or start[0] != 0 or start[-1] != len(group.scope):
        raise fail("offsets do not cover the scopes")
    if (np.diff(start) < 0).any():
        raise fail("offsets of scopes decrease")
    if n and (group.table.min() < 0 or group.table.max() >= group.distinct):
        raise fail("a row reads numbers that are not there")
    row = np.repeat(np.arange(n), np.diff(start))
    owner = np.repeat(np.arange(len(instance) - 1), np.diff(rows))[row]
    scope = group.scope
    if ((scope < instance[owner]) | (scope >= instance[owner + 1])).any():
        raise fail("a scope reaches out of its instance")
    order = np.lexsort((scope, row))
    if ((np.diff(row[order]) == 0) & (np.diff(scope[order]) == 0)).any():
        raise fail("a scope names the same variable twice")


def _check_group(group: Group, card: Ints, instance: Offsets, n_instances: int) -> None:
    def fail(what: str) -> InferenceError:
        return InferenceError(f"factor `{group.name}`: {what}", code="E0503")

    n = len(group.table)
    if group.scope.shape != (n, len(group.cards)):
        raise fail(f"the scope's shape is {group.scope.shape}, not {(n, len(group.cards))}")
    rows = group.rows
    if len(rows) != n_instances + 1 or rows[0] != 0 or rows[-1] != n or (np.diff(rows) < 0).any():
        raise fail("row offsets do not cover the rows")
    if n and (group.table.min() < 0 or group.table.max() >= group.distinct):
        raise fail("a row reads a table that is not there")
    owner = np.repeat(np.arange(n_instances), np.diff(rows))
    for k, states in enumerate(group.cards):
        column = group.scope[:, k]
        if n and (column.min() < 0 or column.max() >= len(card)):
            raise fail("a scope names a variable that is not there")
        if (card[column] != states).any():
            raise fail(f"variable {k} of the scope does not have {states} states")
        if ((column < instance[owner]) | (column >= instance[owner + 1])).any():
            raise fail("a scope reaches into another instance")
        for j in range(k):
            if (group.scope[:, j] == column).any():
                raise fail("a scope names the same variable twice")


MOST = 1e300
"""What the energies of all factors may add up to."""


def check_range(structure: Structure, values: Energies) -> None:
    """Refuse energies whose sum may leave the range of numbers: +inf would look like a proof.

    Parameters
    ----------
    values : float64 [T].

    Raises
    ------
    UsageError : E0701, the largest finite magnitudes of all factors add up to 1e300 or more.
    """
    rows = sum(len(group.table) for group in structure.every)
    if _largest(values) * max(rows, 1) < MOST:
        return
    total = 0.0
    for g, group in enumerate(structure.every):
        at = (*structure.offset[:-1], *structure.kind_offset)[g]
        total += _largest(values[at : at + group.size]) / MOST * len(group.table)
        if total >= 1.0:
            raise UsageError(
                f"factor `{group.name}`: energies add up to {MOST:g} or more, out of the range of "
                "numbers",
                code="E0701",
                hint="inf excludes a configuration",
            )


def _largest(values: Energies) -> float:
    """Return the largest magnitude of finite numbers, 0 where there are none."""
    high = values.max(initial=0.0, where=values < np.inf)
    return max(float(high), -float(values.min(initial=0.0)))


@dataclass(frozen=True)
class Graph:
    """A structure with its energies.

    Attributes
    ----------
    structure : what touches what.
    values : float64 [B, T], energies of all distinct tables, +inf allowed, NaN and -inf not.
    """

    structure: Structure
    values: Energies

    @property
    def batch(self) -> int:
        return int(self.values.shape[0])
