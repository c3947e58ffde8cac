"""What a file of another system holds: a graph, and what goes with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.errors import UsageError
from factorgraph.graph.structure import Energies, Ints, Structure


@dataclass(frozen=True, eq=False)
class Instance:
    """A graph that was read, in energies.

    The energy of a configuration is that of the graph plus ``offset``. Where a file holds factors
    of a product, this is minus the natural logarithm of the product; where it holds costs, their
    sum, or minus their sum where they are to be made large.

    Attributes
    ----------
    source : the file, for messages.
    format : ``uai``, ``libdai``, ``wcsp``, ``cfn``, ``alist`` or ``qc``.
    structure : of one instance, checked.
    values : float64 [T], energies; +inf where a factor is 0 or a cost forbids.
    evidence : int32 [V], the states of observed variables, -1 where free.
    offset : a constant energy.
    names : of the variables; empty where they only have numbers.
    states : the names of each variable's states; empty where they only have numbers.
    upper : energies from here on, offset included, are no solutions; +inf where all are.
    step : costs differ by no less, as far as the file's decimals tell; 0 where they do not.
    maximised : whether the file asks for the greatest sum; energies are then minus its costs.
    numbers : for each group, and after them each group of a kind, the number in the file, from 0,
        of the factor in each row.
    sent : int64, for codes: the variables whose bits are sent, in order.
    """

    source: str
    format: str
    structure: Structure
    values: Energies
    evidence: Ints
    offset: float = 0.0
    names: tuple[str, ...] = ()
    states: tuple[tuple[str, ...], ...] = ()
    upper: float = float("inf")
    step: float = 0.0
    maximised: bool = False
    numbers: tuple[Ints, ...] = ()
    sent: tuple[int, ...] = ()

    @property
    def variables(self) -> int:
        """How many variables there are."""
        return self.structure.variables

    def name(self, variable: int) -> str:
        """Return the name of a variable, or its number where it has none."""
        return self.names[variable] if self.names else str(variable)

    def energy(self, states: ArrayLike) -> float:
        """Return the energy of a configuration, offset included; evidence is not looked at.

        Parameters
        ----------
        states : int [V].

        Raises
        ------
        UsageError : the states do not fit the graph.
        """
        from factorgraph.factors.table import energy

        found = np.asarray(states)
        if found.shape != (self.variables,):
            raise UsageError(
                f"states have shape {found.shape}, not ({self.variables},)", code="E0921"
            )
        return float(energy(self.structure, self.values[None], found)[0, 0]) + self.offset

    def observed(self, evidence: Ints) -> Instance:
        """Return the instance with other evidence."""
        return replace(self, evidence=evidence)
