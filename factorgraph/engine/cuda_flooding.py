"""Flooding belief propagation over pairs on a graphics processor, both algebras.

The graph is that of `pairwise`, laid out in single precision: evidence and hard constraints have
excluded states beforehand, so messages are finite where they matter. Energies are taken in units of
the temperature. Soft messages are sums of products with exponentiated tables where the energies'
ranges allow that in single precision, else sums of exponentials from their least term.

What is read off in the end is worked out on the host in float64: energies of states from the
problem itself, marginals and Bethe's log-partition from the messages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine import bethe
from factorgraph.engine.chains import DENSE, LINEAR, POTTS, SQUARE
from factorgraph.engine.crew import Crew
from factorgraph.engine.device import device, require
from factorgraph.engine.incidence import invert
from factorgraph.engine.messages import Messages
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.pairs import LARGEST, in_turn
from factorgraph.engine.pairwise import BLOCK, Edges, Pairwise, pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.propagation import MEASURED, Asked, Reading, advice
from factorgraph.engine.settling import SURE, Settling
from factorgraph.engine.tabulate import laid_out, tabled
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError
from factorgraph.graph.structure import Energies, Ints, Offsets

Singles = NDArray[np.float32]
HUB = 12
"""Edges of a variable beyond which the sum of its messages is worked out once, not by each edge."""
RANGE = 60.0
"""exp of minus this, times a few thousand, is well within single precision."""
STATES = 6000
"""Messages of more do not fit into the memory that the threads of a block share."""
FINE = 2.0**-21
"""Changes below this share of the largest energy of a factor are rounding."""


@dataclass(frozen=True)
class Layout:
    """A graph in single precision.

    Attributes
    ----------
    graph : with edges in the order of their messages.
    kind, number, base : of the edges as they are sent; edges of one kind stand together.
    tables : float32, energies less the least of each table, or exponentials of these.
    products : whether they are exponentials.
    theta : float32 [V, K], +inf at states that are excluded or that there are not.
    start, place : int32 [V + 1], [2 E], the places of each variable; p is end p & 1 of edge p >> 1.
    typical, largest : range of an edge's energies, on average and at most.
    most : no finite entry of a message on a forest is larger.
    """

    graph: Pairwise
    kind: NDArray[np.int8]
    number: Singles
    base: Offsets
    tables: Singles
    products: bool
    theta: Singles
    start: Ints
    place: Ints
    typical: float
    largest: float
    most: float

    @property
    def states(self) -> int:
        """K, the most states of a variable."""
        return int(self.theta.shape[1])

    @property
    def places(self) -> int:
        return len(self.place)

    @cached_property
    def hub(self) -> Ints:
        """int32 [V], numbers of variables with many edges, -1 for others."""
        many = np.diff(self.start) > HUB
        return np.where(many, np.cumsum(many) - 1, -1).astype(np.int32)

    @property
    def memory(self) -> int:
        """Bytes of all that stands on the device."""
        states = 2 * self.places + len(self.theta) + int(self.hub.max(initial=-1)) + 1
        places = 4 * (2 * self.places + 3 * len(self.theta)) + 16 * len(self.kind)
        return 4 * self.states * states + places + self.tables.nbytes

    @property
    def traffic(self) -> int:
        """Bytes that a sweep has to move at the least: each array read or written once."""
        return self.memory


def lay_out(graph: Pairwise, scale: float, soft: bool) -> Layout:
    """Return a graph in single precision.

    Parameters
    ----------
    scale : what energies are multiplied by.

    Raises
    ------
    UsageError : E0510, energies are too large, or states too many.
    BudgetError : the layout would not fit into the memory budget.
    """
    states = int(graph.card.max(initial=1))
    if states > STATES:
        raise UsageError(
            f"`device = cuda` takes variables of at most {STATES} states; one has {states}",
            code="E0510",
        )
    wide = 4 * states * (2 * len(graph.edges.ends) + len(graph.card))
    budget.require(wide + 100 * len(graph.edges.ends), "messages")
    edges = graph.edges
    rise = edges.number[:, 0] * scale
    # A negative Potts energy rewards differing; soft truncated distances have no short form.
    odd = (edges.kind == POTTS) & ((rise < 0) | (soft & (rise > RANGE)))
    sent = tabled(graph, odd | ((edges.kind >= LINEAR) & soft))
    order = np.argsort(sent.kind, kind="stable")
    graph, sent = replace(graph, edges=edges.take(order)), sent.take(order)
    base, tables, span = _tables(graph, sent, scale)
    reach = np.where(sent.kind == SQUARE, (states - 1.0) ** 2, states - 1.0)
    cap = np.minimum(sent.number[:, 1], sent.number[:, 0] * reach)
    short = np.where(sent.kind == POTTS, sent.number[:, 0], cap) * scale
    span = np.where(sent.kind == DENSE, span, short)
    theta = np.full((len(graph.card), states), np.inf, np.float32)
    there = np.arange(states) < graph.card[:, None]
    own = graph.theta * scale
    low = np.minimum.reduceat(own, graph.state[:-1]) if len(own) else own
    own = own - np.repeat(low, graph.card)
    theta[there] = own
    spread = np.where(np.isfinite(own), own, 0.0)
    largest = max(float(span.max(initial=0.0)), float(spread.max(initial=0.0)))
    if not largest < LARGEST:
        raise UsageError(
            f"`device = cuda` works in single precision, and energies reach {largest / scale:.2g}",
            code="E0510",
            hint="`device = cpu` takes energies of any size",
        )
    products = soft and not np.isinf(tables).any() and bool((span <= RANGE).all())
    if products:
        np.exp(-tables, out=tables)
    number = np.column_stack([sent.number[:, 0] * scale, sent.number[:, 1] * scale])
    potts = sent.kind == POTTS
    number[potts, 1] = np.exp(-number[potts, 0])
    start, place = np.zeros(len(graph.card) + 1, np.int64), np.empty(2 * len(order), np.int32)
    invert(np.ascontiguousarray(graph.edges.ends.reshape(-1)), start, place)
    if len(spread):
        spread = np.maximum.reduceat(spread, graph.state[:-1])
    most = 2.0 * float(spread.sum() + span.sum())
    most += 2.0 * (SURE + float(np.log(graph.card).sum())) if soft else 0.0
    return Layout(
        graph, sent.kind, number.astype(np.float32), base, tables, products, theta,
        start.astype(np.int32), place, float(span[span > 0].mean()) if span.any() else 1.0,
        largest, min(most + 1e-30, 1e30),
    )  # fmt: skip


def _tables(graph: Pairwise, edges: Edges, scale: float) -> tuple[Offsets, Singles, Energies]:
    """Return where each edge's table starts, all tables, and how far apart their energies are.

    Tables that several edges read stand there once; of a table without a finite energy nothing
    is read.
    """
    base, span = np.zeros(len(edges.ends), np.int64), np.zeros(len(edges.ends))
    rows = np.flatnonzero(edges.kind == DENSE)
    distinct, one, which = np.unique(edges.base[rows], return_index=True, return_inverse=True)
    cards = graph.card[edges.ends[rows[one]]].astype(np.int64)
    size = cards.prod(axis=1)
    first = np.concatenate(([0], np.cumsum(size)))
    budget.require(4 * int(first[-1]), "the tables of edges in single precision")
    out, wide = np.empty(int(first[-1]), np.float32), np.zeros(len(distinct))
    for entries in np.unique(size).tolist():
        alike = np.flatnonzero(size == entries)
        for k in range(0, len(alike), max(1, BLOCK // entries)):
            part = alike[k : k + max(1, BLOCK // entries)]
            at = distinct[part]
            source = np.empty((len(part), entries))
            for given, own, where in ((at >= 0, graph.values, at), (at < 0, edges.extra, -1 - at)):
                source[given] = own[where[given][:, None] + np.arange(entries)]
            source *= scale
            source -= source.min(axis=1, keepdims=True)
            wide[part] = np.where(np.isfinite(source), source, 0.0).max(axis=1)
            out[first[part][:, None] + np.arange(entries)] = source
    base[rows], span[rows] = first[which.reshape(-1)], wide[which.reshape(-1)]
    return base, out, span


class Flood:
    """Messages on a device.

    Parameters
    ----------
    beta : inverse temperature; +inf for least energies.

    Raises
    ------
    UsageError, BudgetError : of `lay_out`; E0900, the device's memory would not suffice.
    """

    def __init__(self, graph: Pairwise, beta: float) -> None:
        self.cuda: Any = device()
        from factorgraph.engine import cuda_messages as kernels

        self.kernels, self.soft = kernels, beta < np.inf
        self.scale = beta if self.soft else 1.0
        self.layout = layout = lay_out(graph, self.scale, self.soft)
        require(self.cuda, layout.memory, "messages")
        put, room = self.cuda.to_device, self.cuda.device_array
        ends = layout.graph.edges.ends
        states, hub = layout.states, layout.hub
        self._scope = put(np.ascontiguousarray(ends.reshape(-1)))
        self._card, self._theta = put(graph.card), put(layout.theta.reshape(-1))
        self._start, self._place = put(layout.start), put(layout.place)
        self._hub, hubs = put(hub), np.flatnonzero(hub >= 0).astype(np.int32)
        self._hubs = put(hubs) if len(hubs) else None
        self._total = room(max(1, len(hubs)) * states, np.float32)
        self._number, self._base = put(layout.number.reshape(-1)), put(layout.base)
        self._tables = put(layout.tables if len(layout.tables) else np.zeros(1, np.float32))
        self._told = put(np.zeros(max(1, layout.places) * states, np.float32))
        self._new = room(max(1, layout.places) * states, np.float32)
        self._residual = put(np.zeros(1, np.float32))
        self._senders = []
        self._block, self._shared = kernels.block(states)
        for kind in np.unique(layout.kind).tolist():
            first, last = np.searchsorted(layout.kind, (kind, kind + 1)).tolist()
            send = kernels.sender(kind, self.soft, layout.products and kind == DENSE)
            blocks = -(-2 * (last - first) // self._block[1])
            launch = send[(blocks, 1), self._block, 0, self._shared]
            self._senders.append((launch, 2 * first, 2 * last))

    def flood(self, damping: float, measure: bool) -> float:
        """Send all messages at once; return the largest change in energies, NaN if not measured."""
        states = self.layout.states
        if self._hubs is not None:
            self.kernels.hubs[(len(self._hubs), 1), self._block, 0, self._shared](
                states, self._hubs, self._start, self._place, self._told, self._total
            )
        if measure:
            self._residual.copy_to_device(np.zeros(1, np.float32))
        for send, first, last in self._senders:
            send(
                first, last, states, self._scope, self._card, self._start, self._place, self._theta,
                self._hub, self._total, self._number, self._base, self._tables, self._told,
                np.float32(damping), np.float32(self.layout.most), measure, self._new,
                self._residual,
            )  # fmt: skip
        self._told, self._new = self._new, self._told
        return float(self._residual.copy_to_host()[0]) / self.scale if measure else float("nan")

    def least(self) -> Ints:
        """Return the first state of least belief of each variable, int32 [V]."""
        out = self.cuda.device_array(len(self.layout.theta), np.int32)
        threads = self.kernels.THREADS
        self.kernels.least[-(-out.size // threads), threads](
            self.layout.states, self._card, self._start, self._place, self._theta, self._told, out
        )
        states: Ints = out.copy_to_host()
        return states

    def told(self) -> Singles:
        """Return the messages in energies, float32 [E, 2, K]."""
        told: Singles = self._told.copy_to_host()[: self.layout.places * self.layout.states]
        told /= np.float32(self.scale)
        return told.reshape(-1, 2, self.layout.states)

    def in_turn(self) -> Ints:
        """Return states chosen in the order of variables, each given those before it."""
        return in_turn(self.layout.graph, self.layout.start, self.layout.place, self.told())

    def messages(self, beta: float) -> Messages:
        """Return the messages as those of the host, in float64."""
        graph = laid_out(self.layout.graph)
        told = self.told().reshape(-1, self.layout.states)
        out = Messages(graph, beta, Crew())
        there = np.arange(self.layout.states) < graph.card[graph.scope][:, None]
        out.told[:] = told[there]
        out.gather()
        return out


def run(problem: Problem, asked: Asked, watch: Watch) -> Outcome | None:
    """Answer by flooding on a device; None where some variable has no state left.

    Raises
    ------
    UsageError : there is no device, the schedule is another, or a factor has more than two free
        variables.
    """
    if asked.schedule not in ("auto", "flooding"):
        raise UsageError(
            f"{asked.algorithm}(device = cuda, schedule = {asked.schedule}): a device floods",
            code="E0910",
            hint="leave the schedule out, or say `device = cpu`",
        )
    device()
    graph = pairwise(problem, f"{asked.algorithm}(device = cuda)")
    if not graph.possible:
        return None
    flood = Flood(graph, asked.beta)
    wanted = problem.task == "map"
    fine = FINE * flood.layout.largest / flood.scale
    unit = 1.0 / asked.beta if flood.soft else flood.layout.typical
    settling = Settling(max(asked.tolerance * unit, fine if asked.tolerance else 0.0), wanted)
    reading = Reading(problem, watch, (flood.least, flood.in_turn))
    near = False
    for sweep in range(1, asked.iterations + 1):
        measured = near or sweep % MEASURED == 0 or sweep == asked.iterations
        change = flood.flood(asked.damping, measured)
        settling.sweeps = sweep
        if measured:
            near = settling.still(change)
            if near:
                settling.read(flood.least())
        if wanted:
            reading.after(sweep)
        if measured and (settling.settled or watch.over):
            break
    if wanted:
        return reading.outcome(asked, settling, -np.inf)
    messages = flood.messages(asked.beta)
    return Outcome(
        asked.algorithm, None, np.inf, -np.inf, settling.status(watch.over), settling.sweeps,
        settling.residual,
        marginals=bethe.marginals(messages) if problem.task == "marginals" else None,
        log_partition=-asked.beta * bethe.free_energy(messages), log_partition_is="Bethe",
        notes=advice(settling, asked),
    )  # fmt: skip
