"""Exact inference on any small structure, by walking all configurations depth first.

A configuration is built variable by variable. Each factor is added when the last variable of its
scope is set, so that neighbouring configurations share most of the sum, and a partial sum of +inf
cuts off all that would follow. Sums and minima over what lies below a state come back up the same
way. Nothing but the current configuration is held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from factorgraph import budget
from factorgraph.engine.probe import (
    Engine,
    Minimum,
    Request,
    SoftMinimum,
    checked_beta,
    finished,
)
from factorgraph.engine.sweep import INNER
from factorgraph.errors import InferenceError
from factorgraph.factors.table import Span, checked_weight
from factorgraph.graph.structure import Energies, Ints, Offsets, Structure
from factorgraph.jit import kernel

LIMIT = 2**20
_NONE = np.zeros((0, 0))


class Layout(NamedTuple):
    """Factors by the last variable of their scopes, for kernels.

    Attributes
    ----------
    first : int64 [I + 1], variables by instance.
    state : int64 [V + 1], states by variable.
    closed : int64 [V + 1], the factors that a variable closes.
    factor : int64 [F, 3], start of the scope, its end, start of the table in the values.
    scope : int32, all scopes.
    constant_rows, constant : int64 [I + 1] and [C], starts of the tables of constant factors.
    """

    first: Offsets
    state: Offsets
    closed: Offsets
    factor: Offsets
    scope: Ints
    constant_rows: Offsets
    constant: Offsets


def configurations(structure: Structure) -> int:
    """Return the most configurations that one instance has, ``2**62`` where there are more."""
    most = 0
    bits = np.concatenate(([0.0], np.cumsum(np.log2(structure.card))))
    span = bits[structure.instance[1:]] - bits[structure.instance[:-1]]
    if len(span) and span.max() > 61.0:
        return 2**62
    for i in np.nonzero(span >= span.max(initial=0.0) - 1e-3)[0][:64]:
        cards = structure.card[structure.instance[i] : structure.instance[i + 1]]
        most = max(most, int(np.prod(cards, dtype=np.int64)))
    return most


def lay_out(structure: Structure) -> Layout:
    """Return the factors of a structure by the last variable of their scopes."""
    factors = sum(len(group.table) for group in structure.groups)
    slots = sum(group.scope.size for group in structure.groups)
    budget.require(
        64 * factors + 8 * slots + 24 * structure.variables, f"an index of {factors} factors"
    )
    rows = np.zeros(structure.instances + 1, np.int64)
    constants, owners, lasts = [], [], []
    parts, scopes, used = [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int32)], 0
    for g, group in enumerate(structure.groups):
        base = structure.offset[g] + group.table.astype(np.int64) * group.states
        n, arity = group.scope.shape
        if arity == 0:
            rows += group.rows
            constants.append(base)
            owners.append(np.repeat(np.arange(structure.instances), np.diff(group.rows)))
            continue
        start = used + arity * np.arange(n, dtype=np.int64)
        used += n * arity
        parts.append(np.stack([start, start + arity, base], axis=1))
        scopes.append(group.scope.reshape(-1))
        lasts.append(group.scope.max(axis=1) if n else np.zeros(0, np.int32))
    last = np.concatenate([np.zeros(0, np.int64), *lasts]).astype(np.int64)
    order = np.argsort(last, kind="stable")
    count = np.bincount(last, minlength=structure.variables)
    constant = np.concatenate([np.zeros(0, np.int64), *constants])
    owner = np.concatenate([np.zeros(0, np.int64), *owners])
    return Layout(
        np.array(structure.instance, np.int64),
        np.array(structure.state_offset, np.int64),
        np.concatenate(([0], np.cumsum(count))).astype(np.int64),
        np.ascontiguousarray(np.concatenate(parts)[order]),
        np.ascontiguousarray(np.concatenate(scopes), np.int32),
        rows,
        np.ascontiguousarray(constant[np.argsort(owner, kind="stable")]),
    )


class EnumerationEngine(Engine):
    """Exact inference by enumeration, for structures of any shape whose instances are small.

    Parameters
    ----------
    structure : no instance may have more than ``LIMIT`` configurations.

    Raises
    ------
    InferenceError : E0511, an instance has too many configurations.
    """

    def __init__(self, structure: Structure) -> None:
        self.most = configurations(structure)
        if self.most > LIMIT:
            raise InferenceError(
                f"an instance has more than {LIMIT} configurations to enumerate", code="E0511"
            )
        self.structure = structure
        self._layout = lay_out(structure)

    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        """Return a configuration of least energy for each instance; the first of equal states."""
        request = Request.of(self.structure, values, evidence, span)
        return finished(self.structure, request, self._best(request)[1])

    def _best(self, request: Request) -> tuple[Energies, Ints]:
        states = np.zeros((len(request.values), request.variables(self.structure)), np.int32)
        value = np.zeros(request.shape)
        _walk(
            self._layout,
            request.values,
            request.evidence,
            *request.span,
            np.inf,
            value,
            states,
            _NONE,
            _NONE,
            _NONE,
            _NONE,
        )
        return value, states

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        """Return float64 [B, S]: the least energy of a configuration with that state, or +inf."""
        request = Request.of(self.structure, values, evidence, span)
        belief = np.full((len(request.values), request.states(self.structure)), np.inf)
        _walk(
            self._layout,
            request.values,
            request.evidence,
            *request.span,
            np.inf,
            np.zeros(request.shape),
            np.zeros((len(request.values), request.variables(self.structure)), np.int32),
            _NONE,
            belief,
            _NONE,
            _NONE,
        )
        return belief

    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> EnumerationSoftMinimum:
        """Return -(1/beta) log sum exp(-beta E) over the free variables of each instance.

        Raises
        ------
        UsageError : beta is not positive and finite.
        """
        beta = checked_beta(beta)
        request = Request.of(self.structure, values, evidence, span)
        least, _ = self._best(request)
        value = np.zeros(request.shape)
        soft = EnumerationSoftMinimum(
            self.structure, request.span, value, self._layout, request, beta
        )
        soft.walk(value, least, _NONE, _NONE, _NONE)
        feasible = np.isfinite(least)
        value[feasible] = least[feasible] - np.log(value[feasible]) / beta
        value[~feasible] = least[~feasible]
        return soft


@dataclass(frozen=True)
class EnumerationSoftMinimum(SoftMinimum):
    """The soft minimum of a small structure; its marginals are enumerated when asked for."""

    structure: Structure
    span: Span
    value: Energies
    _layout: Layout
    _request: Request
    _beta: float

    def marginals(self) -> Energies:
        """Return float64 [B, S], the marginals of the span's variables; 0 where value is +inf."""
        belief = np.zeros((len(self.value), self._request.states(self.structure)))
        self.walk(np.zeros(self._request.shape), self.value, belief, _NONE, _NONE)
        return belief

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` times the marginals of the factors' scopes; see SoftMinimum."""
        lo, hi = self.span
        weight = checked_weight(weight, into, self.structure, hi - lo)
        self.walk(np.zeros(self._request.shape), self.value, _NONE, weight, into)

    def walk(
        self, value: Energies, shift: Energies, belief: Energies, weight: Energies, into: Energies
    ) -> None:
        """Sum exp(-beta (E - shift)) into ``value``, by states into ``belief`` and ``into``."""
        _walk(
            self._layout,
            self._request.values,
            self._request.evidence,
            *self.span,
            self._beta,
            value,
            np.zeros((1, 0), np.int32),
            shift,
            belief,
            weight,
            into,
        )


@kernel
def _walk(  # type: ignore[no-untyped-def]
    layout, values, evidence, lo, hi, beta, value, states, shift, belief, weight, into
):
    """Walk all configurations of finite energy of each instance, depth first.

    With infinite beta, value and belief are minima, and states the first minimiser; else sums of
    exp(-beta (E - shift)), and ``into`` gets them by the entries of the tables, weighted.
    """
    hard = beta == np.inf
    most = 0
    for i in range(lo, hi):
        most = max(most, layout.first[i + 1] - layout.first[i])
    chosen = np.empty(most, np.int64)
    partial = np.empty(most + 1)
    gathered = np.empty(most + 1)
    v0 = layout.first[lo]
    for b in range(len(values)):
        clamp = evidence[b if len(evidence) > 1 else 0]
        for i in range(lo, hi):
            first = layout.first[i]
            n = layout.first[i + 1] - first
            share = weight[b, i - lo] if len(into) else 0.0
            if hard and states.shape[1]:
                for d in range(n):
                    fixed = len(clamp) > 0 and clamp[first + d] >= 0
                    states[b, first + d - v0] = clamp[first + d] if fixed else 0
            nothing = np.inf if hard else 0.0
            value[b, i - lo] = nothing
            partial[0] = 0.0
            for t in range(layout.constant_rows[i], layout.constant_rows[i + 1]):
                partial[0] += values[b, layout.constant[t]]
            if partial[0] == np.inf or (len(shift) and shift[b, i - lo] == np.inf):
                continue
            best = np.inf
            d = 0
            gathered[0] = nothing
            if n:
                chosen[0] = -1
            while True:
                if d == n:
                    # A whole configuration.
                    if hard:
                        gathered[d] = partial[d]
                        if partial[d] < best:
                            best = partial[d]
                            if states.shape[1]:
                                for e in range(n):
                                    states[b, first + e - v0] = chosen[e]
                    else:
                        gathered[d] = np.exp(-beta * (partial[d] - shift[b, i - lo]))
                    d -= 1
                    if d < 0:
                        break
                    _return(layout, first, d, chosen, gathered, hard, belief, b, v0, share, into)
                v = first + d
                fixed = len(clamp) > 0 and clamp[v] >= 0
                if fixed:
                    chosen[d] = clamp[v] if chosen[d] < 0 else layout.state[v + 1]
                else:
                    chosen[d] += 1
                if chosen[d] >= layout.state[v + 1] - layout.state[v]:
                    d -= 1
                    if d < 0:
                        break
                    _return(layout, first, d, chosen, gathered, hard, belief, b, v0, share, into)
                    # Go on with the next state of the variable above.
                    continue
                total = partial[d]
                for f in range(layout.closed[v], layout.closed[v + 1]):
                    total += values[b, _entry(layout, f, first, chosen)]
                if total < np.inf:
                    partial[d + 1] = total
                    d += 1
                    gathered[d] = nothing
                    if d < n:
                        chosen[d] = -1
            value[b, i - lo] = gathered[0]
            if len(into) and share != 0.0:
                for t in range(layout.constant_rows[i], layout.constant_rows[i + 1]):
                    into[b, layout.constant[t]] += share * gathered[0]


@kernel(**INNER)
def _entry(layout, f, first, chosen):  # type: ignore[no-untyped-def]
    """Return where factor ``f`` reads the values."""
    entry = np.int64(0)
    for e in range(layout.factor[f, 0], layout.factor[f, 1]):
        v = layout.scope[e]
        entry = entry * (layout.state[v + 1] - layout.state[v]) + chosen[v - first]
    return layout.factor[f, 2] + entry


@kernel(**INNER)
def _return(layout, first, d, chosen, gathered, hard, belief, b, v0, share, into):  # type: ignore[no-untyped-def]
    """Hand what was gathered below the state of variable ``d`` to its belief and upward."""
    below = gathered[d + 1]
    v = first + d
    if hard:
        gathered[d] = min(gathered[d], below)
        if len(belief):
            at = layout.state[v] - layout.state[v0] + chosen[d]
            belief[b, at] = min(belief[b, at], below)
        return
    gathered[d] += below
    if len(belief):
        belief[b, layout.state[v] - layout.state[v0] + chosen[d]] += below
    if len(into) and share != 0.0:
        for f in range(layout.closed[v], layout.closed[v + 1]):
            into[b, _entry(layout, f, first, chosen)] += share * below
