"""What inference answers: configurations, their energies, and how far they can be trusted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factorgraph.engine.probe import Minimum
from factorgraph.graph.structure import Energies, Ints


@dataclass(frozen=True)
class Result:
    """Answers for a batch of graphs, instance by instance.

    Attributes
    ----------
    states : int32 [B, V], a state of each variable.
    energy : float64 [B, I], the energy of these states, summed over the tables.
    bound : float64 [B, I], a lower bound on every configuration's energy.
    gap : float64 [B, I], energy - bound; 0 where the answer is proven, NaN where there is none.
    status : for each graph of the batch and each instance, "optimal" or "infeasible" (no
        configuration has finite energy).
    """

    states: Ints
    energy: Energies
    bound: Energies
    gap: Energies
    status: tuple[tuple[str, ...], ...]

    @classmethod
    def exact(cls, minimum: Minimum) -> Result:
        """Return the result of an exact engine."""
        energy = minimum.value
        status = tuple(
            tuple("optimal" if finite else "infeasible" for finite in row)
            for row in np.isfinite(energy).tolist()
        )
        gap = np.where(np.isfinite(energy), 0.0, np.nan)  # nothing was found to be bounded
        return cls(minimum.states, energy, energy.copy(), gap, status)
