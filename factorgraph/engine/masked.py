"""Some states of some variables forbidden: tables of zeros and infinities beside the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factorgraph.graph.structure import Energies, Group, Structure

if TYPE_CHECKING:
    from factorgraph.engine.region import Found, Probing

Flags = NDArray[np.bool_]


def masked(structure: Structure, allow: Flags) -> tuple[Energies, Structure]:
    """Return tables that forbid states, and the structure that has them after its own.

    Parameters
    ----------
    allow : bool [S], in the order of ``state_offset``.
    """
    count = np.add.reduceat(allow, structure.state_offset[:-1]) if structure.variables else allow
    held = np.flatnonzero(count < structure.card) if structure.variables else np.zeros(0, np.int64)
    groups, tables = [], [np.zeros(0)]
    owner = np.searchsorted(structure.instance, held, side="right") - 1
    for card in np.unique(structure.card[held]).tolist():
        chosen = structure.card[held] == card
        at = held[chosen]
        counts = np.bincount(owner[chosen], minlength=structure.instances)
        states = allow[structure.state_offset[at][:, None] + np.arange(card)]
        groups.append(
            Group(
                "what may be",
                (card,),
                np.ascontiguousarray(at[:, None], np.int32),
                np.arange(len(at), dtype=np.int32),
                len(at),
                np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
            )
        )
        tables.append(np.where(states, 0.0, np.inf).reshape(-1))
    return np.concatenate(tables), replace(structure, groups=(*structure.groups, *groups))


@dataclass(frozen=True, eq=False)
class Masked:
    """A probe in which some states are forbidden.

    Attributes
    ----------
    inner : of the structure that `masked` gave.
    tables : as `masked` gave them.
    """

    inner: Probing
    tables: Energies

    def __call__(self, values: Energies) -> Found:
        return Cut(self.inner(self.extended(values)), len(self.tables))

    def extended(self, values: Energies) -> Energies:
        """Return values [1, T] with the tables of what is forbidden."""
        return np.concatenate([values, self.tables[None]], axis=1)


class Cut:
    """What was found with more tables behind the others, which take no cotangents.

    Parameters
    ----------
    more : how many numbers these tables are.
    """

    def __init__(self, found: Found, more: int) -> None:
        self.found, self.more = found, more

    @property
    def value(self) -> Energies:
        return self.found.value

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        inner = np.zeros((1, into.shape[1] + self.more))
        self.found.add_cotangents(weight, inner)
        into += inner[:, : into.shape[1]]
