"""Exact inference on any graph of small width, by eliminating variables one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.engine.buckets import AT, Buckets, Scopes, buckets
from factorgraph.engine.contract import down, up
from factorgraph.engine.order import Order, neighbours, search
from factorgraph.engine.probe import (
    Engine,
    Minimum,
    Request,
    SoftMinimum,
    checked_beta,
    finished,
)
from factorgraph.engine.sweep import ENERGY, INFEASIBLE
from factorgraph.errors import InferenceError, some
from factorgraph.factors.table import Span, checked_weight
from factorgraph.graph.structure import Energies, Offsets, Structure

_NONE = np.zeros((0, 0))
_NO_STATES = np.zeros((0, 0), np.int64)
KEPT = 2**24
"""Entries of messages that are kept from one pass to the next at most, where there are several
instances; beyond them, instances are worked through in turn."""


@dataclass(frozen=True)
class Flat:
    """All factors of a structure in one row, those of group 0 first.

    Attributes
    ----------
    start : int64 [F + 1], where each scope starts.
    variable, stride : int64, all scopes, and how far states are apart in the factor's table.
    base : int64 [F], where each table starts in the values.
    table : int64 [F], its number among all distinct tables.
    owner : int64 [F], the factor's instance.
    """

    start: Offsets
    variable: Offsets
    stride: Offsets
    base: Offsets
    table: Offsets
    owner: Offsets

    @classmethod
    def of(cls, structure: Structure) -> Flat:
        """Return the factors of a structure."""
        count = sum(len(group.table) for group in structure.groups)
        slots = sum(group.scope.size for group in structure.groups)
        budget.require(64 * count + 32 * slots, f"an index of {count} factors")
        arity, variable, stride, base, table, owner = [], [], [], [], [], []
        tables = 0
        for g, group in enumerate(structure.groups):
            n, index = len(group.table), group.table.astype(np.int64)
            arity.append(np.full(n, len(group.cards)))
            variable.append(group.scope.reshape(-1).astype(np.int64))
            each = np.cumprod([1, *group.cards[:0:-1]])[::-1] if group.cards else np.zeros(0)
            stride.append(np.tile(each.astype(np.int64), n))
            base.append(structure.offset[g] + index * group.states)
            table.append(tables + index)
            owner.append(np.repeat(np.arange(structure.instances), np.diff(group.rows)))
            tables += group.distinct
        none = np.zeros(0, np.int64)
        return cls(
            np.concatenate(([0], np.cumsum(np.concatenate([none, *arity])))).astype(np.int64),
            *(np.concatenate([none, *x]) for x in (variable, stride, base, table, owner)),
        )


@dataclass(frozen=True, eq=False)
class Plan:
    """How the variables that are free under some evidence are eliminated.

    Attributes
    ----------
    buckets : the eliminations; variables are numbered among the free ones.
    free : int64 [U], the structure's number of each.
    factor : int64 [F], the structure's number of each factor that a free variable is in.
    rest : int64, the factors in which none is.
    given : where variables that are not free stand in scopes: the factor's number in ``factor`` or
        ``rest`` (from the length of ``factor`` on), the variable, the stride.
    order : by what was eliminated.
    """

    buckets: Buckets
    free: Offsets
    factor: Offsets
    rest: Offsets
    given: tuple[Offsets, Offsets, Offsets]
    order: Order

    @property
    def width(self) -> int:
        """The most variables that a message is over."""
        return int(self.order.width.max(initial=0))

    @property
    def bytes(self) -> int:
        """Bytes of the messages of the largest instance, up and down, and its tables."""
        return 16 * int(self.buckets.most[0] + self.buckets.most[1])


class JunctionEngine(Engine):
    """Exact inference by elimination, on graphs with loops whose width is small.

    Parameters
    ----------
    structure : any structure.
    given : bool [V], variables that evidence will be given of every time; None for none.
    share : how long orders are searched, against the entries of the tables.

    Raises
    ------
    InferenceError : E0510, the messages would not fit into the memory budget; it names the width.
    """

    def __init__(
        self,
        structure: Structure,
        given: NDArray[np.bool_] | None = None,
        *,
        share: float = 0.25,
        seed: int = 0,
    ) -> None:
        self.structure = structure
        self.share, self.seed = share, seed
        self._flat = Flat.of(structure)
        self._plans: dict[bytes, Plan] = {}
        self.plan = self.plan_for(
            np.zeros(structure.variables, np.bool_) if given is None else given
        )

    @property
    def reason(self) -> str:
        """Width and memory in a line."""
        return f"exact: width {self.plan.width}, {budget.human(self.plan.bytes)}"

    @property
    def seconds(self) -> float:
        """What an answer takes, roughly: some nanoseconds an entry."""
        return 2e-9 * self.plan.bytes

    def plan_for(self, given: NDArray[np.bool_]) -> Plan:
        """Return the plan where some variables are given, made when it is first asked for."""
        key = np.packbits(given).tobytes()
        if key not in self._plans:
            if len(self._plans) > 4:
                self._plans = {k: p for k, p in self._plans.items() if p is self.plan}
            self._plans[key] = _plan(self.structure, self._flat, given, self.share, self.seed)
        return self._plans[key]

    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        """Return a configuration of least energy for each instance; the first of equal states."""
        request = Request.of(self.structure, values, evidence, span)
        run = Passes(self, request, np.inf)
        states = np.zeros((len(request.values), len(run.plan.free)), np.int64)
        run.up(states)
        whole = np.zeros((len(request.values), self.structure.variables), np.int32)
        whole[:, run.plan.free] = states
        if request.evidence.shape[1]:
            np.copyto(whole, request.evidence, where=request.evidence >= 0)
        first, last = self.structure.instance[list(request.span)]
        return finished(self.structure, request, np.ascontiguousarray(whole[:, first:last]))

    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> JunctionSoftMinimum:
        """Return -(1/beta) log sum exp(-beta E) over the free variables of each instance.

        Raises
        ------
        UsageError : beta is not positive and finite.
        """
        beta = checked_beta(beta)
        run = Passes(self, Request.of(self.structure, values, evidence, span), beta)
        run.up(_NO_STATES)
        return JunctionSoftMinimum(self.structure, run.request.span, run.value, run)

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        """Return float64 [B, S]: the least energy of a configuration with that state, or +inf."""
        run = Passes(self, Request.of(self.structure, values, evidence, span), np.inf)
        return run.beliefs()


@dataclass(frozen=True)
class JunctionSoftMinimum(SoftMinimum):
    """The soft minimum of a graph of small width, with the messages that came up."""

    structure: Structure
    span: Span
    value: Energies
    _run: Passes

    def marginals(self) -> Energies:
        """Return float64 [B, S], the marginals of the span's variables; 0 where value is +inf."""
        return self._run.beliefs()

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` times the marginals of the factors' scopes; see SoftMinimum."""
        lo, hi = self.span
        weight = checked_weight(weight, into, self.structure, hi - lo)
        self._run.cotangents(np.where(np.isposinf(self.value), 0.0, weight), into)


@dataclass(frozen=True, eq=False)
class Left:
    """What is left of a structure where some variables are given.

    Attributes
    ----------
    free : bool [V], variables that are left.
    first, card : variables by instance, and their states.
    among : int64, the scopes of the flat factors in the numbers of what is left, -1 elsewhere.
    row : int64, the factor of each of these.
    left : int64 [F], how many variables of each factor are left.
    start, near : who shares a factor with whom.
    scopes : of the factors with variables left, in the order of their numbers.
    """

    free: NDArray[np.bool_]
    first: Offsets
    card: Offsets
    among: Offsets
    row: Offsets
    left: Offsets
    start: Offsets
    near: Offsets
    scopes: Scopes

    @classmethod
    def of(cls, structure: Structure, flat: Flat, given: NDArray[np.bool_]) -> Left:
        """Leave out what is given and what has one state only."""
        free = ~given & (structure.card > 1)
        number = np.where(free, np.cumsum(free) - 1, -1)
        among = number[flat.variable].astype(np.int64)
        arity = np.diff(flat.start)
        row = np.repeat(np.arange(len(arity)), arity)
        left = np.bincount(row, among >= 0, minlength=len(arity)).astype(np.int64)
        card = structure.card[free].astype(np.int64)
        first = np.concatenate(([0], np.cumsum(free)))[structure.instance].astype(np.int64)
        scopes = []
        for k in np.unique(left).tolist():
            if k > 1:
                scopes.append(among[(left[row] == k) & (among >= 0)].reshape(-1, k))
        start, near = neighbours(len(card), scopes)
        offsets = np.concatenate(([0], np.cumsum(left[left > 0]))).astype(np.int64)
        flats = Scopes(offsets, among[among >= 0], flat.stride[among >= 0])
        return cls(free, first, card, among, row, left, start, near, flats)

    def search(self, most: float, share: float, seed: int) -> Order:
        """Return orders of elimination."""
        return search(
            self.first, self.start, self.near, self.card, seed=seed, share=share, most=most
        )


def _plan(
    structure: Structure, flat: Flat, given: NDArray[np.bool_], share: float, seed: int
) -> Plan:
    left = Left.of(structure, flat, given)
    order = left.search(budget.limit() / 8, share, seed)
    if np.isinf(order.entries).any():
        raise _too_wide(int(order.width[np.isinf(order.entries)].max()), None)
    factor, rest = np.flatnonzero(left.left > 0), np.flatnonzero(left.left == 0)
    place = np.empty(len(left.left), np.int64)
    place[factor] = np.arange(len(factor))
    place[rest] = len(factor) + np.arange(len(rest))
    fixed = left.among < 0
    plan = Plan(
        buckets(left.first, left.card, left.scopes, order),
        np.flatnonzero(left.free),
        factor,
        rest,
        (place[left.row[fixed]], flat.variable[fixed], flat.stride[fixed]),
        order,
    )
    if plan.bytes > budget.limit():
        raise _too_wide(plan.width, plan.bytes)
    return plan


def _too_wide(width: int, size: int | None) -> InferenceError:
    need = "" if size is None else f": {budget.human(size)} of messages"
    return InferenceError(
        f"it is too wide: the best order of elimination found makes a table over "
        f"{some(width + 1, 'variable')} or more{need}, over the budget of "
        f"{budget.human(budget.limit())}",
        code="E0510",
        hint="leave factors out with --without, raise --budget-memory, or ask for an inference "
        "that approximates",
    )


class Passes:
    """One question to the engine: what its passes share."""

    def __init__(self, engine: JunctionEngine, request: Request, beta: float) -> None:
        self.structure, self.flat, self.request, self.beta = (
            engine.structure, engine._flat, request, beta,
        )  # fmt: skip
        evidence, batch = request.evidence, len(request.values)
        given = np.zeros(self.structure.variables, np.bool_)
        if evidence.shape[1]:
            given[:] = (evidence >= 0).all(axis=0)
        self.plan = plan = engine.plan_for(given)
        flat, where = self.flat, np.concatenate([plan.factor, plan.rest])
        base = flat.base[where][None]
        self.fixed = np.zeros((1, 0), np.int32)
        if evidence.shape[1]:
            base = np.repeat(base, len(evidence), axis=0)
            at, variable, stride = plan.given
            for row, states in zip(base, evidence, strict=True):
                np.add.at(row, at, stride * np.maximum(states[variable], 0))
            if (evidence[:, plan.free] >= 0).any():
                self.fixed = np.ascontiguousarray(evidence[:, plan.free])
        self.base = np.ascontiguousarray(base[:, : len(plan.factor)])
        self.rest = base[:, len(plan.factor) :]
        lo, hi = request.span
        owner = flat.owner[plan.rest]
        here = (owner >= lo) & (owner < hi)
        self.rest, self.owner = self.rest[:, here], owner[here] - lo
        self.constant = np.zeros(request.shape)
        for b in range(batch):
            np.add.at(
                self.constant[b], self.owner, request.values[b, self.rest[b % len(self.rest)]]
            )
        self.value = np.zeros(request.shape)
        self.mode = np.full(request.shape, ENERGY, np.int8)
        self.tables, self.low, self.far = request.values, _NONE, _NONE
        if beta < np.inf:
            self.mode[:] = 0
            self._exponentiate()
        self._work: tuple[Energies, Energies] | None = None
        self._infeasible = self.mode == INFEASIBLE

    def _exponentiate(self) -> None:
        structure, (lo, hi), values = self.structure, self.request.span, self.request.values
        tables = sum(group.distinct for group in structure.groups)
        budget.require(
            8 * len(values) * (structure.size + 2 * tables), f"exponentials of {tables} tables"
        )
        self.tables = np.empty_like(values)
        low, far = np.zeros((len(values), tables)), np.zeros((len(values), tables))
        number = 0
        for g, group in enumerate(structure.groups):
            used = group.table[group.rows[lo] : group.rows[hi]]
            if len(used) and len(group.cards):
                a, z = int(used.min()), int(used.max()) + 1
                part = slice(structure.offset[g] + a * group.states,
                             structure.offset[g] + z * group.states)  # fmt: skip
                table = values[:, part].reshape(len(values), z - a, group.states)
                least = table.min(axis=2)
                most = np.where(np.isposinf(table), -np.inf, table).max(axis=2)
                with np.errstate(over="ignore", invalid="ignore"):
                    apart = np.where(np.isposinf(least), 0.0, self.beta * (most - least))
                    rise = table - np.where(np.isposinf(least), 0.0, least)[:, :, None]
                    self.tables[:, part] = np.exp(-self.beta * rise).reshape(len(values), -1)
                low[:, number + a : number + z] = least
                far[:, number + a : number + z] = apart
            number += group.distinct
        which = self.flat.table[self.plan.factor]
        self.low, self.far = low[:, which], far[:, which]

    def _parts(self) -> Iterator[tuple[slice, int, int]]:
        """Yield graphs of the batch and instances whose messages are kept at the same time."""
        batch, (lo, hi) = len(self.value), self.request.span
        ends = self.plan.buckets.step[self.plan.buckets.bounds, AT]
        own = int(self.plan.buckets.most[1])
        graphs = batch if batch * (ends[hi] - ends[lo] + own) <= KEPT else 1
        for b in range(0, batch, max(graphs, 1)):
            first = lo
            while first < hi:
                last = first + 1
                while last < hi and (ends[last + 1] - ends[first] + own) * graphs <= KEPT:
                    last += 1
                yield slice(b, b + graphs), first, last
                first = last

    def _room(self, graphs: int, first: int, last: int) -> tuple[Energies, Energies]:
        plan = self.plan.buckets
        size = int(plan.step[plan.bounds[last], AT] - plan.step[plan.bounds[first], AT])
        size += int(plan.most[1])
        budget.require(8 * graphs * (size + len(plan.card)), f"messages of {size} entries")
        return np.empty((graphs, size)), np.empty((graphs, len(plan.card)))

    def _up(
        self, part: slice, first: int, last: int, states: NDArray[np.int64]
    ) -> tuple[Energies, Energies]:
        graphs, (lo, _) = part.stop - part.start, self.request.span
        work, scale = self._room(graphs, first, last)
        span = (part, slice(first - lo, last - lo))
        whole = self.value.shape == (graphs, last - first)
        mode, value = (
            (self.mode, self.value) if whole else (self.mode[span].copy(), self.value[span].copy())
        )
        if self.beta < np.inf:
            mode[mode != INFEASIBLE] = np.where(mode[mode != INFEASIBLE] == ENERGY, ENERGY, 0)
        up(
            self.plan.buckets,
            _of(self.base, part),
            np.ascontiguousarray(self.constant[span]),
            self.request.values[part],
            self.tables[part],
            _of(self.low, part),
            _of(self.far, part),
            _of(self.fixed, part),
            self.beta,
            first,
            last,
            mode,
            work,
            scale,
            value,
            states,
        )
        if not whole:
            self.mode[span], self.value[span] = mode, value
        return work, scale

    def up(self, states: NDArray[np.int64]) -> None:
        """Find the values, and configurations int64 [B, U] if they have a length."""
        parts = list(self._parts())
        for part, first, last in parts:
            chosen = states[part] if len(states) else states
            made = self._up(part, first, last, chosen)
            self._work = made if len(parts) == 1 else None

    def row(self) -> tuple[Buckets, Offsets, Energies, Energies]:
        """Return plan, places of tables, tables and messages of a single graph, for kernels.

        The tables are exponentials where its mode is PRODUCT, else energies.
        """
        assert self._work is not None and self.value.shape == (1, 1)
        product = self.beta < np.inf and self.mode[0, 0] == 0
        source = self.tables if product else self.request.values
        return self.plan.buckets, self.base[0], source[0], self._work[0][0]

    def _down(self, belief: Energies, weight: Energies, into: Energies) -> None:
        plan, (lo, _) = self.plan.buckets, self.request.span
        offset, first_state = self.structure.state_offset, self.structure.state_offset[
            self.structure.instance[lo]
        ]  # fmt: skip
        state = offset[self.plan.free] - first_state
        for part, first, last in self._parts():
            span = (part, slice(first - lo, last - lo))
            made = self._work
            if made is None:
                made = self._up(part, first, last, _NO_STATES)
            work, scale = made
            budget.require(8 * work.shape[1], f"messages of {work.shape[1]} entries")
            down(
                plan,
                _of(self.base, part),
                self.request.values[part],
                self.tables[part],
                _of(self.fixed, part),
                self.beta,
                first,
                last,
                np.ascontiguousarray(self.mode[span]),
                work,
                scale,
                np.ascontiguousarray(self.value[span]),
                state,
                belief[part] if len(belief) else belief,
                np.ascontiguousarray(weight[span]) if len(into) else weight,
                into[part] if len(into) else into,
                np.empty(work.shape[1]),
            )

    def beliefs(self) -> Energies:
        """Return float64 [B, S], marginals, or least energies at infinite beta."""
        structure, (lo, hi) = self.structure, self.request.span
        hard = self.beta == np.inf
        belief = np.full((len(self.value), self.request.states(structure)), np.inf if hard else 0.0)
        if hard:
            self.up(_NO_STATES)
        self._down(belief, _NONE, _NONE)
        first, last = int(structure.instance[lo]), int(structure.instance[hi])
        settled = np.ones(last - first, np.bool_)
        free = self.plan.free[(self.plan.free >= first) & (self.plan.free < last)]
        settled[free - first] = False
        variables = first + np.flatnonzero(settled)
        if len(variables):
            owner = np.searchsorted(structure.instance, variables, side="right") - 1 - lo
            at = structure.state_offset[variables] - structure.state_offset[first]
            evidence = self.request.evidence
            for b in range(len(belief)):
                value = self.value[b, owner]
                if evidence.shape[1]:
                    row = evidence[b if len(evidence) > 1 else 0, variables]
                    belief[b, at + np.maximum(row, 0)] = value if hard else np.isfinite(value)
                else:
                    belief[b, at] = value if hard else np.isfinite(value)
        return belief

    def cotangents(self, weight: Energies, into: Energies) -> None:
        """Add weighted marginals of the factors."""
        self._down(_NONE, weight, into)
        for b in range(len(into)):
            np.add.at(into[b], self.rest[b % len(self.rest)], weight[b, self.owner])


def _of(array: NDArray[np.generic], part: slice) -> NDArray[np.generic]:
    """Return the rows of some graphs, or the one row that stands for all."""
    return array[part] if len(array) > 1 else array
