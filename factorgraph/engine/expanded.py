"""An exact engine for factors of kinds: they are tables to it, and kinds to everybody else."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.engine.probe import Engine, Minimum, SoftMinimum
from factorgraph.factors.expand import Expanded
from factorgraph.factors.table import Span, checked_weight
from factorgraph.graph.structure import Energies, Structure


class ExpandedEngine(Engine):
    """An engine for an expanded structure, in the terms of the own one."""

    def __init__(self, expanded: Expanded, engine: Engine) -> None:
        self.structure = expanded.original
        self.expanded = expanded
        self.engine = engine

    def minimum(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Minimum:
        found = self.engine.minimum(self.expanded.values(values), evidence, span)
        return _Minimum(self.structure, found.span, found.value, found.states, self, values, found)

    def min_marginals(
        self, values: Energies, evidence: ArrayLike | None = None, span: Span | None = None
    ) -> Energies:
        return self.engine.min_marginals(self.expanded.values(values), evidence, span)

    def soft_minimum(
        self,
        values: Energies,
        beta: float = 1.0,
        evidence: ArrayLike | None = None,
        span: Span | None = None,
    ) -> SoftMinimum:
        inner = self.engine.soft_minimum(self.expanded.values(values), beta, evidence, span)
        return _SoftMinimum(self, values, inner)

    def back(
        self, values: Energies, inner: Minimum | SoftMinimum, weight: Energies, into: Energies
    ) -> None:
        """Add the cotangents of an answer of the inner engine to those of the own values."""
        lo, hi = inner.span
        weight = checked_weight(weight, into, self.structure, hi - lo)
        expanded = np.zeros((len(into), self.expanded.structure.size))
        inner.add_cotangents(weight, expanded)
        self.expanded.add_cotangents(values, expanded, into)


@dataclass(frozen=True)
class _Minimum(Minimum):
    engine: ExpandedEngine
    values: Energies
    inner: Minimum

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        self.engine.back(self.values, self.inner, weight, into)


class _SoftMinimum(SoftMinimum):
    def __init__(self, engine: ExpandedEngine, values: Energies, inner: SoftMinimum) -> None:
        self.structure: Structure = engine.structure
        self.span = inner.span
        self.value = inner.value
        self.engine = engine
        self.values = values
        self.inner = inner

    def marginals(self) -> Energies:
        return self.inner.marginals()

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        self.engine.back(self.values, self.inner, weight, into)
