"""Exact inference on forests: one pass up, and one down where marginals are asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from factorgraph import budget
from factorgraph.engine.energy import Span, add_indicator, checked_weight, energy
from factorgraph.engine.forest import Forest
from factorgraph.engine.probe import (
    Engine,
    Minimum,
    Request,
    SoftMinimum,
    checked_beta,
    finished,
)
from factorgraph.engine.product import backward, forward
from factorgraph.engine.sweep import CLAMPED, ENERGY, minimise, sweep
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
        minimise(self.forest.plan, request.values, request.evidence, *request.span, states)
        return finished(self.structure, request, states)

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        """Return float64 [B, S]: the least energy of a configuration with that state, or +inf."""
        request = Request.of(self.structure, values, evidence, span)
        belief = np.zeros((len(request.values), request.states(self.structure)))
        mode = np.full(request.shape, ENERGY, np.int8)
        sweep(
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
            8 * batch * (2 * states + forest.entries), f"exponentials of {forest.tables} tables"
        )
        value = np.zeros(request.shape)
        mode = np.zeros(request.shape, np.int8)
        own = np.empty((batch, states))
        up = np.empty((batch, states))
        tables = np.empty((batch, forest.entries))
        ready = np.zeros((batch, forest.tables), np.int8)
        low = np.empty((batch, forest.tables))
        forward(
            forest.plan,
            request.values,
            request.evidence,
            *request.span,
            beta,
            mode,
            value,
            own,
            up,
            tables,
            ready,
            low,
        )
        soft = TreeSoftMinimum(
            self.structure, request.span, value, forest, request, beta, mode, own, up, tables
        )
        if (mode == ENERGY).any():
            soft.in_energies(mode, value, _NONE, _NONE, _NONE)
        fixed = mode == CLAMPED
        if fixed.any():
            value[fixed] = energy(self.structure, request.values, _settled(request), request.span)[
                fixed
            ]
        return soft


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
        mode = self._mode
        backward(
            self._forest.plan,
            *self.span,
            mode,
            self._own,
            self._up,
            self._tables,
            marginal,
            weight,
            into,
        )
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
        sweep(
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
