"""Belief propagation by name: min-sum, sum-product and its tree-reweighted form.

Which messages are sent in which order, and in which arithmetic:

- forests, unless another schedule is asked for: factor by factor, inward and outward, which is
  exact after one sweep and said to be so;
- min-sum by flooding where all factors are pairs of closed form: `pairs`, in single precision;
- sum-product by flooding within the range of a float64: `flooding`, without logarithms;
- everything else: `messages`, in energies.

Whatever the messages, states are read off both ways that `decode` has, their energies worked out
anew, and the better ones kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from factorgraph.engine import bethe, decode
from factorgraph.engine.crew import Crew, crew
from factorgraph.engine.flooding import Products, within_range
from factorgraph.engine.incidence import ROW, Incidence, incidence, without_kinds
from factorgraph.engine.menu import Options
from factorgraph.engine.messages import Messages
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, TIGHT, Outcome, judged
from factorgraph.engine.pairs import Pairs, loopless
from factorgraph.engine.pairwise import pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.residual import Priorities
from factorgraph.engine.reweighted import forests, reweighted, upper_bound
from factorgraph.engine.settling import Settling, scale
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Ints

FLOODED = 256
"""Entries of the largest table that a factor of a kind is turned into for flooding sum-product."""
MEASURED = 5
"""Products are looked at for changes once in so many sweeps."""


@dataclass(frozen=True)
class Asked:
    """The options of one run."""

    algorithm: str
    beta: float
    iterations: int
    damping: float
    schedule: str
    tolerance: float
    device: str = "cpu"

    @classmethod
    def of(cls, algorithm: str, beta: float, options: Options) -> Asked:
        """Take the options of the menu.

        Raises
        ------
        UsageError : the schedule is none for this graph.
        """
        schedule = str(options["schedule"])
        if schedule == "layered":
            raise UsageError(
                f"`{algorithm}`: the layered schedule is for configurations and marginals of "
                "graphs of parity checks, without damping",
                code="E0910",
                hint="schedule = sweep updates the factors of any graph in turn",
            )
        return cls(algorithm, beta, int(options["iterations"]), float(options["damping"]),
                   schedule, float(options["tolerance"]),
                   str(options.get("device", "cpu")))  # fmt: skip


def run_minsum(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Answer by min-sum belief propagation."""
    asked = Asked.of("minsum", np.inf, options)
    if asked.device == "cuda":
        return _on_device(problem, asked, watch)
    with crew(problem.threads) as workers:
        if asked.schedule in ("auto", "flooding") and _pairs_only(problem):
            graph = pairwise(problem, "minsum")
            if not graph.possible:
                found = _general(problem, asked, watch, workers)  # names the factor
                return found if found.energy == found.bound else _contradiction(asked, None)
            if Pairs.fits(graph) and (asked.schedule == "flooding" or not loopless(graph)):
                return _pairs(problem, Pairs(graph, workers), asked, watch)
        return _general(problem, asked, watch, workers)


def run_sumproduct(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Answer by sum-product belief propagation."""
    asked = Asked.of("sumproduct", problem.beta, options)
    if asked.device == "cuda":
        return _on_device(problem, asked, watch)
    with crew(problem.threads) as workers:
        return _general(problem, asked, watch, workers)


def run_trbp(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Answer by tree-reweighted sum-product."""
    asked = Asked.of("trbp", problem.beta, options)
    graph = without_kinds(problem, "tree-reweighted sum-product")
    if _impossible(graph):
        return _contradiction(asked, None)
    drawn = forests(graph, int(options["trees"]), problem.seed, watch)
    divided = reweighted(graph, drawn.share)
    share = np.repeat(drawn.share, np.diff(graph.row))
    with crew(problem.threads) as workers:
        messages = Messages(divided, problem.beta, workers, share)
        settling = _settle(messages, asked, watch, False)
    excluded = _excluding(messages)
    if excluded is not None:
        return _contradiction(asked, excluded)
    return Outcome(
        "trbp", None, np.inf, -np.inf, settling.status(watch.over), settling.sweeps,
        settling.residual, marginals=bethe.marginals(messages),
        log_partition=upper_bound(messages, drawn), log_partition_is="upper bound",
        notes=(*advice(settling, asked), f"{len(drawn.member)} forests"),
    )  # fmt: skip


# -- the ways


def _on_device(problem: Problem, asked: Asked, watch: Watch) -> Outcome:
    """Flood on a graphics processor; what is contradictory is named by the host."""
    from factorgraph.engine.cuda_flooding import run

    found = run(problem, asked, watch)
    if found is not None:
        return found
    with crew(problem.threads) as workers:
        found = _general(problem, asked, watch, workers)
    return found if found.energy == found.bound else _contradiction(asked, None)


def _pairs(problem: Problem, pairs: Pairs, asked: Asked, watch: Watch) -> Outcome:
    """Flood in single precision."""
    edges = pairs.graph.edges
    range_ = np.where(edges.number[:, 1] > 0, edges.number[:, 1], edges.number[:, 0])
    range_ = range_[np.isfinite(range_)]
    typical = float(range_.mean()) if len(range_) else float(edges.number[:, 0].mean())
    settling = Settling(asked.tolerance * (typical or 1.0), True)
    reading = Reading(problem, watch, (pairs.least, pairs.in_turn))
    for sweep in range(1, asked.iterations + 1):
        if settling.still(pairs.flood(asked.damping)):
            settling.read(pairs.least())
        settling.sweeps = sweep
        reading.after(sweep)
        if settling.settled or watch.over:
            break
    return reading.outcome(asked, settling, -np.inf)


def _general(problem: Problem, asked: Asked, watch: Watch, workers: Crew) -> Outcome:
    """Send messages of any graph; read off what the task asks for."""
    soft = asked.beta < np.inf
    if asked.schedule == "residual":
        graph = without_kinds(problem, "the residual schedule")
    else:
        graph = incidence(problem, ROW if asked.schedule == "sweep" else FLOODED * soft)
    if _impossible(graph):
        return _contradiction(asked, None)
    wanted = problem.task == "map"
    flooding = asked.schedule == "flooding" or (asked.schedule == "auto" and not graph.forest)
    messages: Messages | None = None
    settling: Settling | None = None
    if soft and flooding and asked.damping == 0.0 and within_range(graph, asked.beta):
        products = Products(graph, asked.beta, workers)
        settling = _multiply(products, asked, watch)
        told = products.energies()
        del products
        messages = Messages(graph, asked.beta, workers)
        messages.told = told
        messages.gather()
    else:
        messages = Messages(graph, asked.beta, workers)
    reading = Reading(
        problem, watch, (lambda: decode.least(messages), lambda: decode.in_turn(messages))
    )
    if settling is None:
        settling = _settle(messages, asked, watch, wanted, reading.after if wanted else None)
    excluded = _excluding(messages)
    if excluded is not None:
        return _contradiction(asked, excluded)
    exact = graph.forest and settling.settled
    if wanted:
        bound = bethe.free_energy(messages) if exact and not soft else -np.inf
        return reading.outcome(asked, settling, bound)
    return Outcome(
        asked.algorithm, None, np.inf, -np.inf, settling.status(watch.over), settling.sweeps,
        settling.residual,
        marginals=bethe.marginals(messages) if problem.task == "marginals" else None,
        log_partition=-asked.beta * bethe.free_energy(messages),
        log_partition_is="exact" if exact else "Bethe",
        notes=advice(settling, asked),
    )  # fmt: skip


def _multiply(products: Products, asked: Asked, watch: Watch) -> Settling:
    """Flood by products until messages have settled."""
    settling = Settling(asked.tolerance / asked.beta, False)
    for sweep in range(1, asked.iterations + 1):
        measured = sweep % MEASURED == 0 or sweep == asked.iterations
        change = products.flood(measured)
        settling.sweeps = sweep
        if measured:
            settling.still(change)
            if settling.settled or watch.over:
                break
    return settling


def _settle(
    messages: Messages,
    asked: Asked,
    watch: Watch,
    decoded: bool,
    after: Callable[[int], None] | None = None,
) -> Settling:
    """Send messages in energies until they have settled."""
    graph = messages.graph
    size = 1.0 / asked.beta if asked.beta < np.inf else scale(graph)
    settling = Settling(asked.tolerance * size, decoded)
    schedule = asked.schedule
    if schedule == "auto":
        schedule = "sweep" if graph.forest else "flooding"
    forward = _outward(messages) if schedule == "sweep" else None
    first = Priorities(messages) if schedule == "residual" else None
    for sweep in range(1, asked.iterations + 1):
        if first is not None:
            change = first.advance(graph.dense, settling.tolerance, asked.damping)
        elif forward is not None:
            change = messages.sweep(forward[::-1], asked.damping)
            change = max(change, messages.sweep(forward, asked.damping)) if sweep == 1 else (
                messages.sweep(forward, asked.damping)
            )  # fmt: skip
        else:
            change = messages.flood(asked.damping)
        settling.sweeps = sweep
        wanted = settling.still(change)
        if first is not None and change <= settling.tolerance:
            settling.settled = True
        elif wanted:
            settling.read(decode.least(messages))
        if after is not None:
            after(sweep)
        if settling.settled or watch.over:
            break
    return settling


def _outward(messages: Messages) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the factors with tables from the first variable outward on a forest, else in the order
    of their variables."""
    graph = messages.graph
    rank = np.arange(len(graph.card))
    if graph.forest:
        rank[decode.breadth_first(messages)] = np.arange(len(graph.card))
    first = int(graph.row[graph.dense])
    ends = rank[graph.scope[:first]]
    if not len(ends):
        return np.zeros(0, np.int64)
    low = np.minimum.reduceat(ends, graph.row[: graph.dense])
    high = np.maximum.reduceat(ends, graph.row[: graph.dense])
    return np.ascontiguousarray(np.lexsort((high, low)).astype(np.int64))


# -- what is read off


class Reading:
    """The states read off in the course of a run: more seldom as it goes on."""

    def __init__(
        self, problem: Problem, watch: Watch, ways: tuple[Callable[[], Ints], ...]
    ) -> None:
        self.problem, self.watch, self.ways = problem, watch, ways
        self.energy, self.states = np.inf, np.zeros(0, np.int32)
        self.next = 1

    def after(self, sweep: int) -> None:
        """Read states after a sweep, if it is time to."""
        if sweep >= self.next:
            self.next = 4 * sweep
            self.look(self.ways[:1], sweep)

    def look(self, ways: tuple[Callable[[], Ints], ...], sweep: int) -> None:
        """Read states, and offer those that are better."""
        problem = self.problem
        for way in ways:
            states = way()
            found = float(energy(problem.structure, problem.values[None], states)[0, 0])
            observed = problem.evidence >= 0
            if (states[observed] != problem.evidence[observed]).any():
                found = np.inf
            if found < self.energy:
                self.energy, self.states = found, states
                self.watch.offer(found, states, iteration=sweep)

    def outcome(self, asked: Asked, settling: Settling, bound: float) -> Outcome:
        """Return the best states, all of what was read taken together."""
        self.look(self.ways, settling.sweeps)
        status, found = settling.status(self.watch.over), self.energy
        if found == np.inf:
            return Outcome(asked.algorithm, None, np.inf, -np.inf, status, settling.sweeps,
                           settling.residual, notes=advice(settling, asked))  # fmt: skip
        if np.isfinite(bound) and abs(found - bound) <= TIGHT * max(abs(found), 1.0):
            status, bound = OPTIMAL, found
        else:
            bound = self.problem.bound
            status = judged(found, bound, status)
        return Outcome(asked.algorithm, self.states, found, bound, status, settling.sweeps,
                       settling.residual, notes=advice(settling, asked))  # fmt: skip


def advice(settling: Settling, asked: Asked) -> tuple[str, ...]:
    """Return what may end an oscillation, if there is one."""
    if not settling.oscillates:
        return ()
    more = 0.5 if asked.damping < 0.5 else 0.9
    return (f"{asked.algorithm}: messages oscillate, which damping = {more:g} may end",)


# -- contradictions


def _impossible(graph: Incidence) -> bool:
    """Return whether unary energies and evidence leave some variable without a state."""
    if graph.constant == np.inf:
        return True
    if not len(graph.unary):
        return False
    return bool((np.minimum.reduceat(graph.unary, graph.state[:-1]) == np.inf).any())


def _excluding(messages: Messages) -> str | None:
    """Return the first factor whose messages exclude all states of a variable, or None.

    An entry of a message is +inf only where no configuration of finite energy has that state.
    """
    graph = messages.graph
    if not len(graph.card) or not messages.excluded.any():
        return None
    left = np.minimum.reduceat(messages.excluded, graph.state[:-1])
    if not (left > 0).any():
        return None
    if graph.size:
        dead = np.flatnonzero(np.minimum.reduceat(messages.told, graph.entry[:-1]) == np.inf)
        if len(dead):
            return graph.named(int(np.searchsorted(graph.row, dead[0], side="right")) - 1)
    variable = int(np.flatnonzero(left > 0)[0])
    first = int(graph.place[graph.start[variable]])
    return graph.named(int(np.searchsorted(graph.row, first, side="right")) - 1)


def _contradiction(asked: Asked, factor: str | None) -> Outcome:
    """Return what is known where no configuration has finite energy."""
    status = INFEASIBLE if factor is None else f"{INFEASIBLE}: {factor}"
    soft = asked.beta < np.inf
    return Outcome(asked.algorithm, None, np.inf, np.inf, status, 0,
                   log_partition=-np.inf if soft else float("nan"),
                   log_partition_is="exact" if soft else "")  # fmt: skip


def _pairs_only(problem: Problem) -> bool:
    """Return whether no factor is over more than two variables, and all states are as many."""
    structure = problem.structure
    if any(len(group.cards) > 2 for group in structure.groups):
        return False
    for kind in structure.kinds:
        if kind.kind not in ("potts", "truncated"):
            return False
    return bool(len(structure.card) and (structure.card == structure.card[0]).all())
