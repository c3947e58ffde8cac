"""What every exact engine answers: probes of an energy, and the cotangents they hand back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import budget
from factorgraph.errors import UsageError
from factorgraph.factors.table import (
    Span,
    add_indicator,
    checked_span,
    checked_states,
    checked_values,
    checked_weight,
    energy,
)
from factorgraph.graph.structure import Energies, Ints, Structure
from factorgraph.jit import kernel


@dataclass(frozen=True)
class Minimum:
    """A configuration of least energy for every instance of a span.

    Attributes
    ----------
    value : float64 [B, hi - lo], its energy summed over the tables; +inf where none is finite.
    states : int32 [B, n], the states of the variables of the span's instances.
    """

    structure: Structure
    span: Span
    value: Energies
    states: Ints

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` times d value / d values; nothing where the value is +inf.

        Parameters
        ----------
        weight : float64 [B, hi - lo].
        into : float64 [B, T], changed in place.
        """
        lo, hi = self.span
        weight = checked_weight(weight, into, self.structure, hi - lo)
        finite = np.where(np.isfinite(self.value), weight, 0.0)
        first = int(self.structure.instance[lo])
        add_indicator(self.structure, self.states, finite, into, self.span, first)


class SoftMinimum(ABC):
    """The soft minimum -(1/beta) log sum exp(-beta E) of every instance of a span.

    Attributes
    ----------
    value : float64 [B, hi - lo]; +inf where no configuration has finite energy.
    """

    structure: Structure
    span: Span
    value: Energies

    @abstractmethod
    def marginals(self) -> Energies:
        """Return float64 [B, S], the marginals of the span's variables; 0 where value is +inf.

        S counts the states of the span's variables, in the order of ``state_offset``.
        """

    @abstractmethod
    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` times d value / d values, the marginals of the factors' scopes.

        Parameters
        ----------
        weight : float64 [B, hi - lo].
        into : float64 [B, T], changed in place; nothing is added where the value is +inf.
        """


class Engine(ABC):
    """Exact inference on one structure, again and again with changing values.

    All methods take ``values`` float64 [B, T] and ``evidence`` int32 [B, V] or [V] (-1 where a
    variable is free), both for the whole structure, and ``span``, the instances
    ``lo .. hi - 1`` to work on (None for all). What they return is of the span only, and is the
    same to the last bit whatever the spans that instances are dealt into.
    """

    structure: Structure

    @abstractmethod
    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        """Return a configuration of least energy for each instance; the first of equal states."""

    @abstractmethod
    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> SoftMinimum:
        """Return -(1/beta) log sum exp(-beta E) over the free variables of each instance.

        Raises
        ------
        UsageError : beta is not positive and finite.
        """

    @abstractmethod
    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        """Return float64 [B, S]: the least energy of a configuration with that state, or +inf."""

    def second_best(
        self,
        values: Energies,
        observed: ArrayLike,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
        near: NDArray[np.bool_] | None = None,
    ) -> Minimum:
        """Return the best configuration that differs from the observed one.

        Parameters
        ----------
        observed : int32 [B, V] or [V], the answer to differ from; where it is -1, variables are
            free and do not count as a difference.
        near : bool [S], states that do not count as one either.

        Returns
        -------
        Minimum whose value is +inf where every other configuration is excluded.
        """
        values = checked_values(self.structure, values)
        answer = checked_states(self.structure, observed, len(values))
        given = checked_states(self.structure, evidence, len(values))
        lo, hi = checked_span(self.structure, span)
        beliefs = self.min_marginals(values, evidence, span)
        if near is not None:
            states = self.structure.state_offset[self.structure.instance[[lo, hi]]]
            beliefs = np.where(near[states[0] : states[1]], np.inf, beliefs)
        clamp = np.full((len(values), self.structure.variables), -1, np.int32)
        if given.shape[1]:
            clamp[:] = given
        least = np.empty((len(values), hi - lo))
        _force_other(
            np.require(self.structure.instance, np.int64, ["C", "W"]),
            np.require(self.structure.state_offset, np.int64, ["C", "W"]),
            beliefs,
            answer,
            lo,
            hi,
            clamp,
            least,
        )
        best = self.minimum(values, clamp, span)
        best.value[np.isinf(least)] = np.inf
        return best


@dataclass(frozen=True)
class Request:
    """The arguments of a probe, checked."""

    values: Energies
    evidence: Ints
    span: Span

    @classmethod
    def of(
        cls,
        structure: Structure,
        values: Energies,
        evidence: ArrayLike | None,
        span: Span | None,
    ) -> Request:
        """Check the arguments of a probe of ``structure``."""
        values = checked_values(structure, values)
        return cls(
            values,
            checked_states(structure, evidence, len(values)),
            checked_span(structure, span),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Graphs in the batch and instances in the span."""
        return len(self.values), self.span[1] - self.span[0]

    def variables(self, structure: Structure) -> int:
        """Return how many variables the span has."""
        return int(structure.instance[self.span[1]] - structure.instance[self.span[0]])

    def states(self, structure: Structure) -> int:
        """Return how many states the span's variables have together; refuse them over budget."""
        first, last = structure.instance[self.span[0]], structure.instance[self.span[1]]
        states = int(structure.state_offset[last] - structure.state_offset[first])
        budget.require(24 * states * len(self.values), f"messages over {states} states")
        return states


def checked_beta(beta: float) -> float:
    """Return ``beta`` as a float; refuse it unless it is positive and finite."""
    if not 0.0 < beta < np.inf:
        raise UsageError(
            f"beta must be positive and finite, not {beta}",
            code="E0910",
            hint="the limit of large beta is the minimum",
        )
    return float(beta)


def checked_whole(number: int, what: str, least: int) -> int:
    """Return an argument that is a whole number, at least ``least``; refuse any other."""
    if isinstance(number, (int, np.integer)) and number >= least:
        return int(number)
    raise UsageError(f"{what} is a whole number, at least {least}, not {number!r}", code="E0910")


def finished(structure: Structure, request: Request, states: Ints) -> Minimum:
    """Return the minimum with the energy of its states ``states`` [B, n] of the span."""
    lo, hi = request.span
    first, last = int(structure.instance[lo]), int(structure.instance[hi])
    if last - first == structure.variables:
        return Minimum(
            structure, request.span, energy(structure, request.values, states, request.span), states
        )
    whole = np.zeros((len(states), structure.variables), np.int32)
    whole[:, first:last] = states
    return Minimum(
        structure, request.span, energy(structure, request.values, whole, request.span), states
    )


@kernel
def _force_other(  # type: ignore[no-untyped-def]
    first, state, beliefs, answer, lo, hi, clamp, least
):
    """Clamp in each instance the variable and state of the least belief unlike the answer."""
    s0 = state[first[lo]]
    for b in range(len(beliefs)):
        at = b if len(answer) > 1 else 0
        for i in range(lo, hi):
            best, variable, chosen = np.inf, -1, -1
            for v in range(first[i], first[i + 1]):
                if answer[at, v] < 0:
                    continue
                for s in range(state[v + 1] - state[v]):
                    e = beliefs[b, state[v] - s0 + s]
                    if s != answer[at, v] and e < best:
                        best, variable, chosen = e, v, s
            least[b, i - lo] = best
            if variable >= 0:
                clamp[b, variable] = chosen
