"""What a kind of factor is: energies, tables and messages in closed form, and how it is told.

A kind is told by numbers, ``width`` of them a factor, which stand in the flat vector of values
where other factors have tables. A new kind is a class in a file of its own, registered by its name
in `factorgraph.factors.registry`; `factorgraph.check_factor` holds it against enumeration.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets

Rows = NDArray[np.int32]


class Kind(ABC):
    """One kind of factor.

    Attributes
    ----------
    name : by which groups, models and the builder name it.
    """

    name: ClassVar[str]

    @abstractmethod
    def width(self, cards: tuple[int, ...]) -> int:
        """Return how many numbers a factor over variables of these cards has.

        Raises
        ------
        UsageError : the kind does not fit variables of these cards.
        """

    @abstractmethod
    def check(self, cards: tuple[int, ...], numbers: Energies) -> None:
        """Refuse numbers ``[d, width]`` that make no factor of this kind.

        Raises
        ------
        UsageError : naming the number that is wrong.
        """

    @abstractmethod
    def energy(self, group: KindGroup, numbers: Energies, states: Ints) -> Energies:
        """Return the energy of each row of a group, float64 [n].

        Parameters
        ----------
        numbers : float64 [distinct, width].
        states : int32 [V], a state of every variable of the graph.
        """

    @abstractmethod
    def messages(
        self,
        group: KindGroup,
        numbers: Energies,
        entry: Offsets,
        incoming: Energies,
        outgoing: Energies,
        beta: float,
        which: Rows,
    ) -> None:
        """Write what some rows of a group tell their variables.

        To variable i at x: the soft minimum at ``beta`` (the least where ``beta`` is +inf), over
        the states of the other variables, of the energy plus what these have told the factor.

        Parameters
        ----------
        entry : int64 [start[n] + 1], where the message to or from each place of the scopes stands
            in ``incoming`` and ``outgoing``; as many entries as the variable has states.
        incoming : float64, messages from variables, in energies; +inf allowed.
        outgoing : float64, of the same layout, changed in place at the rows asked for; +inf where
            no configuration is left.
        which : int32, the rows to work out.
        """

    @abstractmethod
    def add_cotangents(
        self, group: KindGroup, numbers: Energies, states: Ints, weight: Energies, into: Energies
    ) -> None:
        """Add the energies' derivative times ``weight`` [n] to ``into`` [distinct, width]."""
