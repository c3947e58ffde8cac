"""When messages have settled, and what is said where they have not."""

from __future__ import annotations

import numpy as np

from factorgraph.engine.incidence import Incidence
from factorgraph.graph.structure import Ints
from factorgraph.jit import kernel

STABLE = 10
"""Sweeps for which states that are read off stay as they are."""
FEW = 12
"""Sweeps before it is said that messages oscillate."""

SURE = 700.0
"""exp of this is near the end of the range of a float64."""


class Settling:
    """What has become of the messages, sweep by sweep.

    Parameters
    ----------
    tolerance : the largest change of a message that counts as none.
    decoded : whether states that are read off have to stay as they are too.
    """

    def __init__(self, tolerance: float, decoded: bool) -> None:
        self.tolerance, self.decoded = tolerance, decoded
        self.changes: list[float] = []
        self.sweeps, self.stable = 0, 0
        self.states: Ints | None = None
        self.settled = False

    @property
    def residual(self) -> float:
        """The largest change of a message in the last sweep; NaN before the first."""
        return self.changes[-1] if self.changes else float("nan")

    def still(self, change: float) -> bool:
        """Note a sweep's largest change; return whether the states that it gives are wanted."""
        self.changes.append(change)
        if change == 0.0 or (change <= self.tolerance and not self.decoded):
            self.settled = True
        if change > self.tolerance:
            self.stable, self.states = 0, None
        return change <= self.tolerance and not self.settled

    def read(self, states: Ints) -> None:
        """Note the states after a sweep without much change."""
        same = self.states is not None and np.array_equal(self.states, states)
        self.stable = self.stable + 1 if same else 0
        self.states = states
        self.settled = self.stable >= STABLE

    @property
    def oscillates(self) -> bool:
        """Whether changes of late have not become smaller than those before."""
        n = len(self.changes)
        if self.settled or n < FEW:
            return False
        late, before = self.changes[-(n // 4) :], self.changes[-(n // 2) : -(n // 4)]
        return max(late) >= 0.9 * max(before)

    def status(self, over: str) -> str:
        """Return ``converged`` or what kept it from that.

        Parameters
        ----------
        over : why the watch stopped it, or empty.
        """
        if self.settled:
            return "converged"
        if over:
            return over
        moves = "oscillates, " if self.oscillates else ""
        unit = "sweep" if self.sweeps == 1 else "sweeps"
        return f"not converged: {moves}residual {self.residual:.2g} after {self.sweeps} {unit}"


def scale(graph: Incidence) -> float:
    """Return how far apart the finite energies of a factor are on average; 1 where all are equal.

    No entry of a factor's message is larger than this range.
    """
    total, count = _ranges(graph.row, graph.entry, graph.base, graph.tables)
    return float(total / count) if count and total > 0 else 1.0


def reach(graph: Incidence, beta: float) -> float:
    """Return what no finite entry of a message on a forest exceeds: all ranges together.

    Parameters
    ----------
    beta : at which soft minima, over at most all configurations, are taken.
    """
    total = float(_ranges(graph.row, graph.entry, graph.base, graph.tables)[0])
    if len(graph.unary):
        finite = graph.unary < np.inf
        high = np.maximum.reduceat(np.where(finite, graph.unary, -np.inf), graph.state[:-1])
        low = np.minimum.reduceat(graph.unary, graph.state[:-1])
        spread = (high - low)[np.isfinite(low)]
        total += float(spread.sum())
    most = float(graph.card.max(initial=1))
    for part in graph.parts:
        sizes = np.abs(np.where(np.isfinite(part.numbers), part.numbers, 0.0)).sum(axis=1)
        longest = float(np.diff(part.group.start).max(initial=1))
        # A kind's energies are polynomials of its numbers and of what they are told of.
        total += float(((1.0 + sizes) ** 2)[part.group.table].sum()) * (most * longest) ** 2
    if beta < np.inf:
        total += (SURE + float(np.log(graph.card).sum())) / beta
    return 2.0 * total + np.finfo(np.float64).tiny


@kernel
def _ranges(row, entry, base, tables):  # type: ignore[no-untyped-def]
    total, count = 0.0, 0
    for f in range(len(base)):
        size = 1
        for p in range(row[f], row[f + 1]):
            size *= entry[p + 1] - entry[p]
        low, high = np.inf, -np.inf
        for t in range(base[f], base[f] + size):
            if tables[t] < np.inf:
                low, high = min(low, tables[t]), max(high, tables[t])
        if high > low:
            total += high - low
            count += 1
    return total, count
