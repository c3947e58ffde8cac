"""Exact inference on forests: one pass up, and one down where marginals are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from factorgraph import budget
from factorgraph.engine import minimise, product, sweep
from factorgraph.engine.forest import CARD, LINKS, MESSAGE, MESSAGES, STATES, VARIABLES, Forest
from factorgraph.engine.minimise import ascend, clamp, decode, descend, gather
from factorgraph.engine.probe import (
    Engine,
    Minimum,
    Request,
    SoftMinimum,
    checked_beta,
    finished,
)
from factorgraph.engine.product import WIDE, backward, forward, scale
from factorgraph.engine.sweep import CLAMPED, ENERGY
from factorgraph.factors.table import Span, add_indicator, checked_weight, energy
from factorgraph.graph.structure import Energies, Structure

_NONE = np.zeros((0, 0))


class TreeEngine(Engine):
    """Exact inference on a forest of factors of any arity.

    Parameters
    ----------
    structure : a structure without cycles, or its schedule.

    Raises
    ------
    InferenceError : E0510, the structure has a cycle.
    """

    def __init__(self, structure: Structure | Forest) -> None:
        self.forest = structure if isinstance(structure, Forest) else Forest.plan_of(structure)
        self.structure = self.forest.structure

    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        """Return a configuration of least energy for each instance; the first of equal states."""
        request = Request.of(self.structure, values, evidence, span)
        states = np.zeros((len(request.values), request.variables(self.structure)), np.int32)
        plan, (lo, hi) = self.forest.plan, request.span
        if not self.forest.pairwise:
            sweep.minimise(plan, request.values, request.evidence, lo, hi, states)
            return finished(self.structure, request, states)
        up = _unaries(self.forest, request)
        out = np.empty(plan.most[CARD])
        start = plan.state[plan.bounds[lo, VARIABLES]]
        ascend(plan.bounds, plan.link, request.values, lo, hi, start, up, _NONE, out)
        decode(plan.bounds, plan.state, plan.link, plan.roots, request.values, lo, hi, up, states)
        if request.evidence.shape[1]:
            given = request.evidence[:, plan.bounds[lo, VARIABLES] : plan.bounds[hi, VARIABLES]]
            np.copyto(states, given, where=given >= 0)
        return finished(self.structure, request, states)

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        """Return float64 [B, S]: the least energy of a configuration with that state, or +inf."""
        request = Request.of(self.structure, values, evidence, span)
        if self.forest.pairwise:
            return self._least(request)
        belief = np.zeros((len(request.values), request.states(self.structure)))
        mode = np.full(request.shape, ENERGY, np.int8)
        sweep.sweep(
            self.forest.plan,
            request.values,
            request.evidence,
            *request.span,
            np.inf,
            mode,
            _NONE,
            belief,
            _NONE,
            _NONE,
        )
        return belief

    def _least(self, request: Request) -> Energies:
        """Return the min-marginals of a forest without factors of three or more variables."""
        forest, plan, (lo, hi) = self.forest, self.forest.plan, request.span
        own = _unaries(forest, request)
        up, out = own.copy(), np.empty(plan.most[CARD])
        told = ex = _NONE
        if forest.branches:
            told = _messages(forest, request)
            ex = np.empty_like(told)
        start = plan.state[plan.bounds[lo, VARIABLES]]
        ascend(plan.bounds, plan.link, request.values, lo, hi, start, up, told, out)
        if forest.branches:
            minimise.exclude(plan.bounds, plan.link, lo, hi, start, own, told, ex)
        descend(
            plan.bounds,
            plan.state,
            plan.link,
            plan.roots,
            plan.constant,
            request.values,
            lo,
            hi,
            own,
            up,
            ex,
            np.zeros_like(own),
            out,
        )
        return up

    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> TreeSoftMinimum:
        """Return -(1/beta) log sum exp(-beta E) over the free variables of each instance.

        Raises
        ------
        UsageError : beta is not positive and finite.
        """
        beta = checked_beta(beta)
        request = Request.of(self.structure, values, evidence, span)
        forest, batch = self.forest, len(request.values)
        states = request.states(self.structure)
        budget.require(
            8 * batch * (2 * states + 3 * forest.entries), f"exponentials of {forest.tables} tables"
        )
        plan, (lo, hi) = forest.plan, request.span
        value = np.zeros(request.shape)
        mode = np.zeros(request.shape, np.int8)
        mode[:, ~plan.pairwise[lo:hi]] = ENERGY
        if request.evidence.shape[1]:
            first = plan.bounds[lo : hi + 1, VARIABLES]
            free = np.cumsum(request.evidence[:, first[0] : first[-1]] < 0, axis=1)
            free = np.concatenate([np.zeros((len(free), 1), np.int64), free], axis=1)
            mode[:] = np.where(np.diff(free[:, first - first[0]], axis=1) == 0, CLAMPED, mode)
        if mode.size and (mode == CLAMPED).all():
            value = energy(self.structure, request.values, _settled(request), request.span)
            none = (_NONE,) * 4
            return TreeSoftMinimum(
                self.structure, request.span, value, forest, request, beta, mode, *none
            )
        own = _unaries(forest, request)
        scale(
            plan.bounds, plan.state, plan.constant, request.values, beta, lo, hi, mode, value, own
        )
        np.exp(own, out=own)
        up = own.copy()
        tables, low = _exponentials(forest, request, beta)
        told = _messages(forest, request) if forest.branches else _NONE
        out = np.empty(plan.most[CARD])
        forward(
            plan.bounds,
            plan.state,
            plan.link,
            plan.roots,
            tables,
            low,
            beta,
            lo,
            hi,
            mode,
            value,
            up,
            told,
            out,
        )
        soft = TreeSoftMinimum(
            self.structure, request.span, value, forest, request, beta, mode, own, up, told, tables
        )
        if (mode == ENERGY).any():
            soft.in_energies(mode, value, _NONE, _NONE, _NONE)
        fixed = mode == CLAMPED
        if fixed.any():
            value[fixed] = energy(self.structure, request.values, _settled(request), request.span)[
                fixed
            ]
        return soft


def _unaries(forest: Forest, request: Request) -> Energies:
    """Return float64 [B, S], the unary energies of the span's variables under the evidence."""
    own = np.zeros((len(request.values), request.states(forest.structure)))
    plan = forest.plan
    gather(plan.bounds, plan.state, plan.unary, request.values, *request.span, own)
    if request.evidence.shape[1]:
        first, last = plan.bounds[list(request.span), VARIABLES]
        clamp(plan.state, request.evidence, first, last, own)
    return own


def _messages(forest: Forest, request: Request) -> Energies:
    """Return room [B, M] for what the links of the span tell their parents."""
    plan, (lo, hi) = forest.plan, request.span
    ends = plan.link[plan.bounds[[lo, hi], LINKS], MESSAGE]
    size = int(ends[1] - ends[0])
    budget.require(16 * size * len(request.values), f"messages of {size} entries")
    return np.empty((len(request.values), size))


def _used(forest: Forest, span: Span) -> Iterator[tuple[slice, slice, slice, tuple[int, ...]]]:
    """Yield which tables of two variables the span reads, group by group.

    By number of the table, by entry among these tables, and by entry of the values; and the
    states of the variables.
    """
    structure, number, entry = forest.structure, 0, 0
    for group, offset in zip(structure.groups, structure.offset, strict=False):
        if len(group.cards) != 2:
            continue
        rows = group.table[group.rows[span[0]] : group.rows[span[1]]]
        if len(rows):
            first, last, n = int(rows.min()), int(rows.max()) + 1, group.states
            yield (
                slice(number + first, number + last),
                slice(entry + first * n, entry + last * n),
                slice(offset + first * n, offset + last * n),
                group.cards,
            )
        number += group.distinct
        entry += group.size


def _exponentials(forest: Forest, request: Request, beta: float) -> tuple[Energies, Energies]:
    """Return exp(-beta (energy - least)) of the tables that the span reads, and their least.

    The exponentials stand there twice, then with axes exchanged, so that a product with them
    always goes along rows. The least is NaN where the range is too wide for the product domain.
    """
    batch = len(request.values)
    tables, low = np.empty((batch, 2, forest.entries)), np.empty((batch, forest.tables))
    for numbers, entries, places, cards in _used(forest, request.span):
        table = request.values[:, places].reshape(batch, -1, *cards)
        least = table.min(axis=(2, 3), keepdims=True)
        with np.errstate(over="ignore"):
            rise = beta * (table - np.where(np.isposinf(least), 0.0, least))
        wide = ((rise > WIDE) & (table < np.inf)).any(axis=(2, 3))
        table = np.exp(-rise)
        tables[:, 0, entries] = table.reshape(batch, -1)
        tables[:, 1, entries] = table.transpose(0, 1, 3, 2).reshape(batch, -1)
        low[:, numbers] = np.where(wide, np.nan, least[:, :, 0, 0])
    return tables.reshape(batch, -1), low


def _settled(request: Request) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Return the evidence with some legal state where it is open."""
    return np.maximum(request.evidence, 0)


@dataclass(frozen=True)
class TreeSoftMinimum(SoftMinimum):
    """The soft minimum of a forest, with the messages that its marginals are made of."""

    structure: Structure
    span: Span
    value: Energies
    _forest: Forest
    _request: Request
    _beta: float
    _mode: np.ndarray[tuple[int, ...], np.dtype[np.int8]]
    _own: Energies
    _up: Energies
    _told: Energies
    _tables: Energies

    def marginals(self) -> Energies:
        """Return float64 [B, S], the marginals of the span's variables; 0 where value is +inf."""
        marginal = np.zeros((len(self.value), self._request.states(self.structure)))
        self._down(marginal, _NONE, _NONE)
        rest = self._mode == CLAMPED
        if rest.any():
            structure, (lo, hi) = self.structure, self.span
            states = _settled(self._request)
            variables = np.arange(structure.instance[lo], structure.instance[hi])
            count = np.diff(structure.instance[lo : hi + 1])
            offset = structure.state_offset[variables]
            offset = offset - structure.state_offset[structure.instance[lo]]
            live = np.repeat(rest & np.isfinite(self.value), count, axis=1)
            for b in range(len(marginal)):
                row = states[b if len(states) > 1 else 0, variables]
                marginal[b, (offset + row)[live[b]]] = 1.0
        return marginal

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` times the marginals of the factors' scopes; see SoftMinimum."""
        lo, hi = self.span
        weight = checked_weight(weight, into, self.structure, hi - lo)
        weight = np.where(np.isposinf(self.value), 0.0, weight)
        self._down(_NONE, weight, into)
        fixed = self._mode == CLAMPED
        if fixed.any():
            add_indicator(
                self.structure,
                _settled(self._request),
                np.where(fixed, weight, 0.0),
                into,
                self.span,
            )

    def _down(self, marginal: Energies, weight: Energies, into: Energies) -> None:
        mode, plan = self._mode, self._forest.plan
        if mode.size and (mode == CLAMPED).all():
            return
        counts = np.zeros((len(into), self._forest.entries)) if len(into) else _NONE
        ex = _NONE
        if self._forest.branches:
            ex, (lo, hi) = np.empty_like(self._told), self.span
            start, other = plan.state[plan.bounds[lo, VARIABLES]], np.empty(plan.most[CARD])
            product.exclude(
                plan.bounds, plan.link, lo, hi, start, mode, self._own, self._told, ex, other
            )
        backward(
            plan.bounds,
            plan.state,
            plan.link,
            plan.roots,
            plan.unary,
            plan.constant,
            self._tables,
            *self.span,
            mode,
            self._own,
            self._up,
            ex,
            np.empty(plan.most[STATES]),
            np.empty(plan.most[MESSAGES]),
            marginal,
            weight,
            into,
            counts,
        )
        if len(into):
            for _, entries, places, _ in _used(self._forest, self.span):
                into[:, places] += counts[:, entries] * self._tables[:, entries]
        if (mode == ENERGY).any():
            self.in_energies(mode, _NONE, marginal, weight, into)

    def in_energies(
        self,
        mode: np.ndarray[tuple[int, ...], np.dtype[np.int8]],
        value: Energies,
        marginal: Energies,
        weight: Energies,
        into: Energies,
    ) -> None:
        """Answer for the instances whose mode is ENERGY, in the energy domain."""
        sweep.sweep(
            self._forest.plan,
            self._request.values,
            self._request.evidence,
            *self.span,
            self._beta,
            mode,
            value,
            marginal,
            weight,
            into,
        )
