"""A graph as branch and bound sees it: free variables, tables, and what may be moved between them.

Energies are never rewritten. What soft consistency moves out of a table or into it is kept in one
number a state of each place of a scope, its *shift*; an entry of a table is worth what stands
there less the shifts of its states. So tables stay shared, and only shifts and unary costs have to
be restored where the search goes back.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from factorgraph import budget
from factorgraph.graph.structure import Energies, Ints, Offsets, Structure


class Net(NamedTuple):
    """Variables and factors for kernels.

    Attributes
    ----------
    state : int64 [n + 1], where the states of each variable stand.
    first : int64 [F + 1], the places of each factor's scope.
    scope, owner : int64 [E], variable and factor of each place.
    stride : int64 [E], how far apart the entries of neighbouring states of a place lie.
    base : int64 [F], where each factor's table starts in ``table``.
    table : float64 [T].
    shift : int64 [E], where the shifts of each place start in the costs.
    near, place : int64 [n + 1], [E], the places that are each variable's.
    tight : int64 [E], with how many states left, or fewer, a place's variable may leave a state
        of another one without any of finite energy.
    """

    state: Offsets
    first: Offsets
    scope: Offsets
    owner: Offsets
    stride: Offsets
    base: Offsets
    table: Energies
    shift: Offsets
    near: Offsets
    place: Offsets
    tight: Offsets

    @property
    def variables(self) -> int:
        """How many variables there are."""
        return len(self.state) - 1


class Network(NamedTuple):
    """A net with its costs before anything is moved.

    Attributes
    ----------
    net : what touches what.
    cost : float64 [C], unary costs (+inf: the state is excluded), shifts, constant.
    unary : float64 [S], unary energies as they are given.
    constant : the energy of no variable.
    step : energies differ by no less: 1 where all are whole, else 0.
    """

    net: Net
    cost: Energies
    unary: Energies
    constant: float
    step: float


def network(structure: Structure, values: Energies, evidence: Ints) -> Network:
    """Return the network of a graph of one instance whose factors all have tables.

    Parameters
    ----------
    values : float64 [T].
    evidence : int32 [V], -1 where free.

    Raises
    ------
    BudgetError : it would not fit into the memory budget.
    """
    card, state = structure.card.astype(np.int64), structure.state_offset
    wide = [group for group in structure.groups if len(group.cards) > 1]
    places = sum(group.scope.size for group in wide)
    entries = sum(len(group.table) * sum(group.cards) for group in wide)
    budget.require(
        80 * places + 60 * (entries + int(state[-1])), f"a search over {places} places of scopes"
    )
    unary, constant = clamped(structure, values, evidence)
    parts = [
        _part(structure, g, structure.table(values, g).reshape(group.distinct, group.states))
        for g, group in enumerate(structure.groups)
        if len(group.cards) > 1
    ]
    none = (*[np.zeros(0, np.int64)] * 5, np.zeros(0))
    scope, stride, tight, count, base, low = (
        np.concatenate(columns) for columns in zip(none, *parts, strict=True)
    )
    first = np.concatenate(([0], np.cumsum(count))).astype(np.int64)
    width = card[scope]
    shift = (state[-1] + np.cumsum(width) - width).astype(np.int64)
    net = Net(
        state,
        first,
        scope,
        np.repeat(np.arange(len(count)), count),
        stride,
        base,
        values,
        shift,
        np.concatenate(([0], np.cumsum(np.bincount(scope, minlength=len(card))))).astype(np.int64),
        np.argsort(scope, kind="stable").astype(np.int64),
        tight,
    )
    # The least of each variable and table goes to the constant: what is left is never negative,
    # without which the constant were no bound.
    least = np.minimum.reduceat(unary, state[:-1]) if len(card) else np.zeros(0)
    least = np.where(np.isfinite(least), least, 0.0)
    total = constant + float(least.sum()) + float(low.sum())
    cost = np.concatenate((unary - np.repeat(least, card), np.zeros(int(width.sum())), [total]))
    begin, length = shift[first[:-1]], width[first[:-1]]
    at = np.repeat(begin - np.cumsum(length) + length, length) + np.arange(int(length.sum()))
    cost[at] = np.repeat(low, length)
    return Network(net, cost, unary, constant, _step(values, constant))


def clamped(structure: Structure, values: Energies, evidence: Ints) -> tuple[Energies, float]:
    """Return unary energies [S], +inf where evidence excludes a state, and that of no variable."""
    state, constant = structure.state_offset, 0.0
    unary = np.zeros(int(state[-1]))
    for g, group in enumerate(structure.groups):
        tables = structure.table(values, g)
        if not group.cards:
            constant += float(tables[group.table].sum())
        elif len(group.cards) == 1:
            at = state[group.scope[:, 0], None] + np.arange(group.cards[0])
            np.add.at(unary, at, tables[group.table])
    for v in np.nonzero(evidence >= 0)[0]:
        own = unary[state[v] : state[v + 1]]
        kept = own[evidence[v]]
        own[:] = np.inf
        own[evidence[v]] = kept
    return unary, constant


def _part(
    structure: Structure, g: int, tables: Energies
) -> tuple[Offsets, Offsets, Offsets, Offsets, Offsets, Energies]:
    """Return what a group adds to scope, stride, tight [E], count, base and least entry [F]."""
    group = structure.groups[g]
    n, arity = group.scope.shape
    stride = np.array([prod(group.cards[k + 1 :]) for k in range(arity)], np.int64)
    excluded = np.isinf(tables)
    if arity == 2:
        square = excluded.reshape(group.distinct, *group.cards)
        most = [square.sum(axis=1 + k).max(axis=1, initial=0) for k in (0, 1)]
        tight = np.stack(most, axis=1).astype(np.int64)
    else:
        any_ = np.where(excluded.any(axis=1), 2**31, 0)
        tight = np.repeat(any_[:, None], arity, axis=1).astype(np.int64)
    low = tables.min(axis=1, initial=np.inf)
    return (
        group.scope.reshape(-1).astype(np.int64),
        np.tile(stride, n),
        tight[group.table].reshape(-1),
        np.full(n, arity, np.int64),
        structure.offset[g] + group.table.astype(np.int64) * group.states,
        np.where(np.isfinite(low), low, 0.0)[group.table],
    )


def _step(values: Energies, constant: float) -> float:
    """Return 1 where all energies are whole and exactly represented, else 0."""
    finite = values[np.isfinite(values)]
    whole = bool((finite == np.rint(finite)).all()) and constant % 1.0 == 0.0
    return 1.0 if whole and float(np.abs(finite).max(initial=0.0)) < 2.0**40 else 0.0
