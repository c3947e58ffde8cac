"""States that no configuration of finite energy has are dropped, and tables with them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.graph.structure import Energies, Group, Ints, Offsets, Structure

SWEEPS = 100
"""Rounds over all tables at most: what is left after them is right, if not the least."""


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A graph of fewer states, of one instance.

    Attributes
    ----------
    structure, values : the smaller graph; variables are numbered as before.
    kept : int64 [S of the smaller graph], where each of its states stood.
    blame : where no configuration is feasible, a factor and its row that show it; else empty.
    """

    structure: Structure
    values: Energies
    kept: Offsets
    blame: str

    def states(self, smaller: Ints, structure: Structure) -> Ints:
        """Return a configuration in the states of the original structure."""
        at = self.kept[self.structure.state_offset[:-1] + smaller]
        return np.ascontiguousarray(at - structure.state_offset[:-1], np.int32)

    def marginals(self, smaller: Energies, structure: Structure) -> Energies:
        """Return marginals of all states of the original structure."""
        out = np.zeros(int(structure.state_offset[-1]))
        out[self.kept] = smaller
        return out


def shrink(structure: Structure, values: Energies, evidence: Ints) -> Shrunk:
    """Drop states that the evidence excludes, or for which a factor is +inf whatever else is.

    Parameters
    ----------
    structure : of one instance and without groups of kinds.
    values : float64 [T].
    evidence : int32 [V], -1 where free.
    """
    offset = np.asarray(structure.state_offset)
    owner = np.repeat(np.arange(structure.variables), structure.card)
    alive = (evidence[owner] < 0) | (evidence[owner] == np.arange(len(owner)) - offset[owner])
    blame = _propagate(structure, values, alive)
    if alive.all() or blame:
        return Shrunk(structure, values, np.arange(len(alive)), blame)
    card = np.bincount(owner[alive], minlength=structure.variables).astype(np.int32)
    kept = np.flatnonzero(alive)
    begin = np.concatenate(([0], np.cumsum(card, dtype=np.int64)))
    state = kept - offset[owner[kept]]
    groups: list[Group] = []
    tables = [np.zeros(0)]
    for g, group in enumerate(structure.groups):
        cards = card[group.scope].reshape(len(group.table), len(group.cards))
        same = (cards == np.array(group.cards, np.int32)).all(axis=1)
        whole = np.flatnonzero(same)
        if len(whole):
            groups.append(_some(group, whole, group.cards, group.table[whole], group.distinct))
            tables.append(values[structure.offset[g] : structure.offset[g + 1]])
        rest = np.flatnonzero(~same)
        shapes, which = np.unique(cards[rest], axis=0, return_inverse=True)
        for k, shape in enumerate(shapes):
            rows = rest[which.reshape(-1) == k]
            budget.require(
                24 * len(rows) * int(shape.prod(dtype=np.int64)),
                f"the tables of factor `{group.name}`",
            )
            place = structure.offset[g] + group.table[rows].astype(np.int64) * group.states
            stride = group.states
            for axis, n in enumerate(shape):
                stride //= group.cards[axis]
                at = begin[group.scope[rows, axis]][:, None] + np.arange(n)
                place = place[..., None] + stride * state[at].reshape(
                    len(rows), *([1] * axis), int(n)
                )
            tables.append(values[place].reshape(-1))
            index = np.arange(len(rows), dtype=np.int32)
            groups.append(_some(group, rows, tuple(map(int, shape)), index, len(rows)))
    smaller = Structure(card, structure.instance, tuple(groups))
    return Shrunk(smaller, np.concatenate(tables), kept, "")


def _some(group: Group, rows: Offsets, cards: tuple[int, ...], table: Ints, distinct: int) -> Group:
    return replace(
        group,
        cards=cards,
        scope=np.ascontiguousarray(group.scope[rows]),
        table=np.ascontiguousarray(table),
        distinct=distinct,
        rows=np.array([0, len(rows)], np.int64),
    )


def _propagate(structure: Structure, values: Energies, alive: NDArray[np.bool_]) -> str:
    """Drop states without support until nothing changes; return a factor that has none at all."""
    offset = np.asarray(structure.state_offset)
    hard: list[tuple[Group, NDArray[np.bool_]]] = []
    for g, group in enumerate(structure.groups):
        finite = np.isfinite(structure.table(values, g))
        if not finite.all() and len(group.table):
            budget.require(3 * len(group.table) * group.states, f"factor `{group.name}`")
            if group.cards == ():
                bad = np.flatnonzero(~finite[group.table])
                if len(bad):
                    return f"{group.name}[{bad[0]}]"
                continue
            hard.append((group, finite))
    for _ in range(SWEEPS):
        before = int(alive.sum())
        for group, finite in hard:
            allowed: NDArray[np.bool_] = finite[group.table]
            places = [
                offset[group.scope[:, k]][:, None] + np.arange(n) for k, n in enumerate(group.cards)
            ]
            for k, place in enumerate(places):
                shape = [len(group.table), *([1] * len(group.cards))]
                shape[k + 1] = group.cards[k]
                allowed &= alive[place].reshape(shape)
            for k, place in enumerate(places):
                others = tuple(j + 1 for j in range(len(group.cards)) if j != k)
                support: NDArray[np.bool_] = np.any(allowed, axis=others)
                if not support.any(axis=1).all():
                    row = int(np.flatnonzero(~support.any(axis=1))[0])
                    return f"{group.name}[{row}]"
                alive[place[~support]] = False
        if int(alive.sum()) == before:
            break
    return ""
