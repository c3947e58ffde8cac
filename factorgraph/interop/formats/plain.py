"""The factors of an instance as tables one by one, in the order of their file, for writers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import UsageError
from factorgraph.factors.expand import tabled
from factorgraph.graph.structure import Energies, Group, Ints, Structure
from factorgraph.interop.formats.instance import Instance

Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Factor:
    """A factor.

    Attributes
    ----------
    scope : int32 [arity].
    table : float64 [cards], shared by factors of one ``key``.
    key : the number of its group and of its table in there.
    """

    scope: Ints
    table: Energies
    key: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Plain:
    """An instance without kinds.

    Attributes
    ----------
    instance : its structure has groups of tables only.
    order : int64 [F, 2], group and row of each factor, in the order of the file.
    """

    instance: Instance
    order: Longs

    def __len__(self) -> int:
        return len(self.order)

    def factors(self) -> Iterator[Factor]:
        """Yield the factors in order."""
        structure = self.instance.structure
        tables = [structure.table(self.instance.values, g) for g in range(len(structure.groups))]
        for g, row in self.order.tolist():
            group = structure.groups[g]
            number = int(group.table[row])
            yield Factor(group.scope[row], tables[g][number], (g, number))


def plain(instance: Instance) -> Plain:
    """Return an instance whose factors of kinds are tables.

    Raises
    ------
    BudgetError : a table would be over the memory budget.
    """
    structure = instance.structure
    numbers = list(instance.numbers[: len(structure.groups)])
    if structure.kinds:
        expanded = tabled(structure)
        values = expanded.values(instance.values[None])[0]
        for part in expanded.parts:
            which = instance.numbers[len(structure.groups) + part.kind]
            numbers.append(which[part.rows])
        instance = replace(
            instance, structure=expanded.structure, values=values, numbers=tuple(numbers)
        )
    groups = instance.structure.groups
    entries = sum(len(group.table) * group.states for group in groups)
    budget.require(24 * entries, f"the tables of {instance.source}, written out,")
    group_of = np.repeat(np.arange(len(groups)), [len(group.table) for group in groups])
    row_of = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(g.table)) for g in groups)])
    number = np.concatenate([np.zeros(0, np.int64), *numbers])
    order = np.lexsort((row_of, group_of, number))
    return Plain(instance, np.stack((group_of[order], row_of[order]), axis=1).astype(np.int64))


def scaled(instance: Instance, factor: float) -> Instance:
    """Return an instance whose energies, all tables, are multiplied.

    Raises
    ------
    UsageError : the factor is not positive and finite.
    """
    if not 0 < factor < np.inf:
        raise UsageError("--scale is a positive number", code="E0910")
    if factor == 1:
        return instance
    return replace(
        instance,
        values=instance.values * factor,
        offset=instance.offset * factor,
        upper=instance.upper * factor,
        step=instance.step * factor,
    )


def fixed(instance: Instance) -> Instance:
    """Return an instance in which evidence has become factors that forbid all else."""
    observed = np.flatnonzero(instance.evidence >= 0).astype(np.int32)
    if not len(observed):
        return instance
    old = instance.structure
    groups, values, numbers = [], [], []
    card = old.card[observed]
    for states in np.unique(card).tolist():
        scope = observed[card == states]
        table = np.full((states, states), np.inf)
        np.fill_diagonal(table, 0.0)
        n = len(scope)
        groups.append(
            Group(
                "evidence",
                (states,),
                scope[:, None],
                instance.evidence[scope],
                states,
                np.array([0, n], np.int64),
            )
        )
        values.append(table.reshape(-1))
        numbers.append(np.full(n, np.iinfo(np.int32).max, np.int32))
    split, own = old.offset[-1], len(old.groups)
    structure = Structure(old.card, old.instance, (*old.groups, *groups), old.kinds)
    structure.check()
    return replace(
        instance,
        structure=structure,
        values=np.concatenate([instance.values[:split], *values, instance.values[split:]]),
        numbers=(*instance.numbers[:own], *numbers, *instance.numbers[own:]),
        evidence=np.full(len(old.card), -1, np.int32),
    )
