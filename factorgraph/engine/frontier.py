"""The open nodes of branch and bound: whose subtree is searched next, and what is proven so far."""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np

from factorgraph.engine.backtrack import (
    BEST,
    CUT,
    FAILURES,
    NODES,
    OPEN,
    STEP,
    TOLERANCE,
    Path,
    book,
    explore,
    opened,
)
from factorgraph.engine.consistency import (
    CULPRIT,
    SIZES_TOP,
    SOFT,
    TOP,
    begin,
    grown,
    settle,
)
from factorgraph.engine.network import Network
from factorgraph.graph.structure import Ints

ROOT_SWEEPS, ROOT_DRAWS, ROOT_PROGRESS = 400, 100, 1e-4
"""Soft consistency at the root: sweeps, rounds of draws, and the least progress to go on."""
SWEEPS, PROGRESS, SHARE = 8, 0.05, 1e-3
"""The same at a node; costs that move by less than a share of the gap wake nobody."""
FEW, MANY = 16, 2**14
"""Failures after which a search gives way to the open node of least bound."""
WORK = 2**21
"""Entries of tables that are looked at between two looks at the watch, about."""


class Frontier:
    """Open nodes, the best answer and the bound.

    Parameters
    ----------
    network : what is searched.

    Attributes
    ----------
    best : int32 [n], the best answer's states; None where there is none.
    done : whether the best answer is proven, or that there is none.
    culprit : the factor that propagation found contradictory at the root; -1 for none.
    lost : the variable that had no state from the start; -1 for none.
    """

    def __init__(self, network: Network) -> None:
        self.net = network.net
        self.state = begin(network)
        self.best: Ints | None = None
        self.done = False
        self.culprit, self.lost = -1, -1
        self._origin = network.unary
        self._constant = network.constant
        finite = self.net.table[np.isfinite(self.net.table)]
        self._scale = max(float(np.abs(finite).max(initial=0.0)), abs(float(network.cost[-1])))
        tolerance = 1e-11 * self._scale
        self._book = book(self.net, np.array([np.inf, np.inf, 0.0, network.step, tolerance]))
        self._open: list[tuple[float, int, Path]] = []
        self._at_hand: list[tuple[float, int, Path]] = []
        self._serial = 0
        self._bound = -np.inf
        bits = np.log2(np.diff(self.net.state))[self.net.scope]
        sizes = np.add.reduceat(bits, self.net.first[:-1]) if len(bits) else bits
        cost = 1 + int(np.exp2(np.minimum(sizes, 20.0)).sum())
        self._nodes_at_a_time = min(max(WORK // cost, 4), 4096)

    @property
    def nodes(self) -> int:
        """How many nodes were looked at."""
        return int(self._book.tally[NODES])

    @property
    def energy(self) -> float:
        """The best answer's energy."""
        return float(self._book.mark[BEST])

    @property
    def bound(self) -> float:
        """What no configuration's energy is below, as far as is proven."""
        if self.done:
            return self.energy
        step, tolerance = self._book.mark[STEP], self._book.mark[TOLERANCE]
        if step > 0.0 and np.isfinite(self._bound):
            return float(min(np.ceil(self._bound / step - 1e-6) * step, self.energy))
        return float(min(self._bound - tolerance, self.energy))

    def know(self, states: Ints, energy: float) -> None:
        """Start from an answer; one of infinite energy is none."""
        if not energy < self.energy:
            return
        self.best = states.astype(np.int32)
        self._book.best[:] = states
        mark = self._book.mark
        mark[BEST] = energy
        mark[CUT] = energy - (mark[STEP] * (1.0 - 1e-6) if mark[STEP] else mark[TOLERANCE])

    def run(self, over: Callable[[], str], tell: Callable[[], None]) -> None:
        """Search until the best answer is proven or time is over.

        Parameters
        ----------
        over : asked now and then; what it says, if anything, ends the search.
        tell : called where there is a better answer or bound.
        """
        if self._root(over):
            tell()
            self._search(over, tell)
        tell()

    def _root(self, over: Callable[[], str]) -> bool:
        """Make the root consistent; return whether anything is left to search."""
        state, cut = self.state, float(self._book.mark[CUT])
        empty = np.flatnonzero(state.size == 0)
        self.lost = int(empty[0]) if len(empty) else -1
        left = self.lost < 0 and self._constant < np.inf
        slack, final = 1e-6 * self._scale, len(state.cost) - 1
        for draws in (0, ROOT_DRAWS) if state.register[SOFT] else (0,):
            turns = 0
            while left and turns < ROOT_SWEEPS and not over():
                before = float(state.cost[final])
                left = settle(self.net, state, 20, min(draws, 5), ROOT_PROGRESS, cut, slack)
                turns += 20
                gain = float(state.cost[final]) - before
                if gain <= ROOT_PROGRESS * max(abs(before), abs(gain)):
                    break
                if not draws:
                    state.dirty[:] = np.maximum(state.dirty, 1)
        if not left:
            self.done = True
            self.culprit = int(state.register[CULPRIT])
            return False
        state.register[TOP], state.register[SIZES_TOP] = 0, 0
        self._bound = float(state.cost[final])
        self._open = [(self._bound, 0, np.zeros((0, 3), np.int64))]
        return True

    def _search(self, over: Callable[[], str], tell: Callable[[], None]) -> None:
        limit, failed, looked = FEW, 0, 0
        mark, back = self._book.mark, 0
        while (self._open or self._at_hand) and not over():
            # Without an answer bounds say little: the deepest node is gone on with.
            if not self._at_hand:
                self._at_hand.append(heapq.heappop(self._open))
                failed, looked, back = 0, 0, len(self._at_hand[0][2])
            bound, _, path = self._at_hand.pop()
            if bound > mark[CUT]:
                continue
            best = float(mark[BEST])
            diving = best == np.inf
            nodes, failures = self._explore(path, MANY if diving else limit - failed)
            looked, failed = looked + nodes, failed + failures
            for each, below in opened(self._book):
                self._serial -= 1
                if each <= mark[CUT]:
                    self._at_hand.append((max(each, bound), self._serial, below))
            if failed >= limit and not diving:
                for entry in self._at_hand:
                    heapq.heappush(self._open, entry)
                self._at_hand = []
                # Ways back to open nodes should cost about a tenth of the search.
                if back > 0.1 * looked:
                    limit = min(2 * limit, MANY)
                elif back < 0.05 * looked:
                    limit = max(limit // 2, FEW)
            if self._news(best):
                tell()
        self.done = not self._open and not self._at_hand

    def _explore(self, path: Path, most: int) -> tuple[int, int]:
        """Search below a node; return how many nodes were looked at, and how many failed."""
        tally, costs, variables = self._book.tally, len(self.state.cost), self.net.variables
        nodes, failures = int(tally[NODES]), int(tally[FAILURES])
        self.state = grown(self.state, 2 * costs, 2 * variables)
        explore(
            self.net,
            self.state,
            self._book,
            self._origin,
            self._constant,
            path,
            np.array([most, self._nodes_at_a_time, costs, variables], np.int64),
            SWEEPS,
            0,
            PROGRESS,
            SHARE,
        )
        nodes, failures = int(tally[NODES]) - nodes, int(tally[FAILURES]) - failures
        if tally[OPEN] and nodes <= 1 and failures < most:
            self.state = grown(self.state, len(self.state.trail), len(self.state.size_trail))
        return nodes, failures

    def _news(self, best: float) -> bool:
        """Bring answer and bound up to date; return whether there is something to tell."""
        energy, before = self.energy, self._bound
        if energy < best:
            self.best = self._book.best.copy()
        least = min((each[0] for each in self._at_hand), default=energy)
        least = min(least, self._open[0][0] if self._open else energy)
        self._bound = max(before, min(least, energy))
        return energy < best or self._bound - before > 1e-3 * (energy - before)
