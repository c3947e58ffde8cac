"""TRW-S and sequential belief propagation on graphs of unary factors and edges.

Reference: Kolmogorov, Convergent Tree-reweighted Message Passing for Energy Minimization (2006).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from factorgraph import budget
from factorgraph.engine.chains import EVERY, passes, room
from factorgraph.engine.lines import Waits, waits
from factorgraph.engine.menu import Options
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, judged
from factorgraph.engine.pairwise import Pairwise, pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.turns import APART
from factorgraph.engine.visiting import Order, ordered
from factorgraph.engine.watch import Watch
from factorgraph.errors import some
from factorgraph.factors import table
from factorgraph.graph.structure import Energies, Ints

UNIFORM = 64
"""Passes are made for one number of states up to this, where all variables have it."""
LARGE = 2_000_000
"""Entries of messages times sweeps that are worth the making of such passes."""
BACK = 5
"""Progress is what the bound rose in so many sweeps."""
CHECK = 5
"""Every so many sweeps, sequential belief propagation looks how much its messages change."""


def run_trws(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Raise the bound by sweeps, decode in each; ends at the gap or the progress asked for."""
    return _run(problem, options, watch, True)


def run_bps(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Pass min-sum messages in sequence; the same without weights, and so without a bound."""
    return _run(problem, options, watch, False)


class Sweeps:
    """Messages on a graph, and what passes over them find.

    Parameters
    ----------
    sweeps : how many are likely; decides only whether passes are made for the labels at hand.
    weigh : whether by TRW-S.

    Attributes
    ----------
    messages : float64, one for each edge, of the direction that was sent last.
    states : int32 [V], as decoded by the last sweep.
    """

    def __init__(self, graph: Pairwise, *, sweeps: int, threads: int, weigh: bool) -> None:
        self.graph, self.weigh = graph, weigh
        edges, cards = graph.edges, graph.card
        most = int(cards.max(initial=1))
        entries = int(cards[edges.ends].max(axis=1, initial=0).sum())
        budget.require(
            8 * entries + 240 * len(edges.ends) + 24 * len(cards),
            f"messages over {some(len(edges.ends), 'edge')}",
        )
        self.order: Order = ordered(graph)
        uniform = int(cards.min(initial=most)) == most <= UNIFORM and entries * sweeps >= LARGE
        if uniform:
            self._visit = passes(most, frozenset(np.unique(edges.kind).tolist()), graph.hard)
        else:
            self._visit = passes(0, EVERY, True)
        rank = self.order.rank
        own = edges.take(rank)
        self.messages = np.zeros(entries)
        self.states = np.zeros(len(cards), np.int32)
        self._fixed = (
            self.order.variable, graph.state, graph.theta, self.order.start, self.order.middle,
            self.order.edge, self.order.other, self.order.axis,
            own.kind, np.ascontiguousarray(own.number.T), own.base,
            graph.values, edges.extra, self.order.slot, self.messages, self.states,
        )  # fmt: skip
        lines = self.order.lines
        threads = max(1, min(threads, lines.wide))
        self._rooms = [room(most) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._found = np.zeros((len(lines.line) - 1, 3))
        self._done = np.zeros(len(self._found) * APART, np.int64)
        none = Waits(np.zeros(len(lines.stretch), np.int64), *np.zeros((2, 0), np.int32))
        self._ways = []
        for back in (False, True):
            wait = waits(self.order.at, lines, back) if threads > 1 else none
            self._ways.append((lines.pile, lines.line, lines.stretch, wait.start, wait.line,
                               wait.need))  # fmt: skip

    def sweep(self, decode_back: bool = True) -> tuple[float, float, float]:
        """Go forward and back, and decode on one of both ways.

        Returns
        -------
        bound, energy of the states decoded, and the sum of the bound's absolute terms.
        """
        ahead, found = self._pass(False, not decode_back), self._pass(True, decode_back)
        energy, constant = (found if decode_back else ahead)[1], self.graph.constant
        return float(found[0] + constant), float(energy + constant), float(found[2])

    def _pass(self, back: bool, decode: bool) -> Energies:
        self._found[:], self._done[:], ticket = 0, 0, np.zeros(3 * APART, np.int64)

        def work(thread: int) -> None:
            # Threads begin at the halves by turns; what these meet in is after or before both.
            one, other = thread % 2, 1 - thread % 2
            piles = np.array([2, one, other] if back else [one, other, 2])
            self._visit(back, self.weigh, decode, piles, *self._ways[back], ticket, self._done,
                        *self._fixed, *self._rooms[thread], self._found)  # fmt: skip

        others = []
        if self._pool is not None:
            others = [self._pool.submit(work, thread) for thread in range(1, len(self._rooms))]
        try:
            work(0)
        finally:
            for other in others:
                other.result()
        whole: Energies = self._found.sum(axis=0)
        return whole

    def close(self) -> None:
        """Let the other threads go."""
        if self._pool is not None:
            self._pool.shutdown()


def _run(problem: Problem, options: Options, watch: Watch, weigh: bool) -> Outcome:
    name = "trws" if weigh else "bps"
    graph = pairwise(problem, name)
    if not graph.possible:
        return Outcome(name, None, np.inf, np.inf if weigh else -np.inf, INFEASIBLE)
    most = int(options["iterations"])
    sweeps = Sweeps(graph, sweeps=most, threads=problem.threads, weigh=weigh)
    try:
        return _swept(problem, options, watch, name, sweeps)
    finally:
        sweeps.close()


def _swept(problem: Problem, options: Options, watch: Watch, name: str, sweeps: Sweeps) -> Outcome:
    most, wanted = int(options["iterations"]), float(options["gap"])
    progress, whole = float(options["progress"]), sweeps.graph.whole
    best: Ints | None = None
    energy, bound, bounds = np.inf, -np.inf, [-np.inf]
    residual, why, iteration, before = np.inf, "", 0, None
    for iteration in range(1, most + 1):
        check = not sweeps.weigh and iteration % CHECK == 0
        before = sweeps.messages.copy() if check else None
        low, found, mass = sweeps.sweep(iteration % 2 == 0)
        if found < energy:
            best, energy = sweeps.states.copy(), found
        if sweeps.weigh:
            bound = max(bound, certain(low, mass, len(sweeps.graph.card), whole))
            bounds.append(max(low, bounds[-1]))  # not rounded up, which would look like a halt
        watch.offer(energy, best, bound, iteration)
        if before is not None:
            scale = max(1e-300, float(np.abs(before).max(initial=0.0)))
            residual = float(np.abs(sweeps.messages - before).max(initial=0.0)) / scale
            if residual <= progress:
                why = "converged"
                break
        if sweeps.weigh and np.isfinite(energy) and _reached(energy, bound, wanted):
            break
        if stalled(bounds, progress):
            break
        if watch.over:
            why = watch.over
            break
    if best is not None:
        energy = float(table.energy(problem.structure, problem.values[None], best).sum())
        bound = min(bound, energy)
    if not sweeps.weigh:
        status = why or f"not converged: residual {residual:.3g} after {some(iteration, 'sweep')}"
    else:
        status = judged(energy, bound, why or f"no answer after {some(iteration, 'sweep')}")
    still = residual if not sweeps.weigh else float("nan")
    return Outcome(name, best, energy, bound, status, iteration, still)


def certain(bound: float, mass: float, terms: int, whole: bool) -> float:
    """Return a bound less what rounding may have added to it; of whole numbers, rounded up.

    Parameters
    ----------
    mass : the sum of the absolute values of what was added up.
    terms : how many there were, about.
    """
    bound -= 2.0**-52 * mass * (8.0 + terms**0.5)
    return float(np.ceil(bound - 1e-6)) if whole and abs(bound) < 2.0**40 else bound


def _reached(energy: float, bound: float, wanted: float) -> bool:
    return judged(energy, bound, "") == OPTIMAL or energy - bound <= wanted * abs(energy)


def stalled(bounds: list[float], progress: float, back: int = BACK) -> bool:
    """Return whether the bound rose by less than asked for a sweep, in the last few of them."""
    if len(bounds) <= back or not np.isfinite(bounds[-1 - back]):
        return False
    return bounds[-1] - bounds[-1 - back] < progress * back * abs(bounds[-1])
