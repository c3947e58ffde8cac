"""Probes of regions: configurations that agree with some of an answer, or differ from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.choose import choose
from factorgraph.engine.masked import masked
from factorgraph.engine.probe import Engine
from factorgraph.graph.structure import Energies, Group, Ints, Structure
from factorgraph.graph.view import copies, spread

Flags = NDArray[np.bool_]


class Found(Protocol):
    """What a probe found: a value for each instance, and its derivative."""

    @property
    def value(self) -> Energies:
        """float64 [1, J]."""

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        """Add ``weight`` [1, J] times d value / d values to ``into`` [1, T]."""


class Probing(Protocol):
    """A region to look at, again and again with changing values."""

    def __call__(self, values: Energies) -> Found:
        """Look at it with values [1, T]."""


@dataclass(frozen=True, eq=False)
class Agreeing:
    """The least or soft least energy of the configurations that agree with the evidence.

    Attributes
    ----------
    evidence : int32 [V], -1 where a variable is free; None where all are.
    observed : int32 [V], the answer to differ from; None where nothing is left out.
    near : bool [S], states that do not differ from the observed ones; None where only these do
        not.
    """

    engine: Engine
    beta: float
    evidence: Ints | None
    observed: Ints | None = None
    near: Flags | None = None

    def __call__(self, values: Energies) -> Found:
        if self.observed is not None:
            return self.engine.second_best(values, self.observed, self.evidence, near=self.near)
        if np.isinf(self.beta):
            return self.engine.minimum(values, self.evidence)
        return self.engine.soft_minimum(values, self.beta, self.evidence)


def region(
    structure: Structure,
    engine: Engine | None,
    beta: float,
    evidence: Ints | None,
    observed: Ints | None,
) -> Probing:
    """Return the probe of the configurations that agree with the evidence.

    Parameters
    ----------
    engine : of the structure, if there is one already.
    observed : the answer that they must differ from, at what is observed of it and free in the
        evidence; None where they need not.

    Raises
    ------
    InferenceError : where no engine can answer for the structure.
    """
    if observed is not None and np.isfinite(beta):
        return Differing(structure, beta, evidence, observed)
    if engine is None:
        engine = choose(structure).engine
    return Agreeing(engine, beta, evidence, observed)


class Differing:
    """The soft minimum over all configurations but those that agree with an answer.

    They are dealt into those that differ first at the first observed variable, at the second,
    and so on; the soft minima of these parts add up without a difference of large numbers.

    Parameters
    ----------
    near, allow : bool [S], states that do not differ from the observed ones, and those that may
        be taken; None where only the observed ones do not, and all may.
    """

    def __init__(
        self,
        structure: Structure,
        beta: float,
        evidence: Ints | None,
        observed: Ints,
        near: Flags | None = None,
        allow: Flags | None = None,
    ) -> None:
        self.structure, self.beta = structure, beta
        clamped = np.zeros(structure.variables, np.bool_) if evidence is None else evidence >= 0
        may = np.flatnonzero((observed >= 0) & ~clamped)
        owner = np.searchsorted(structure.instance, may, side="right") - 1
        self.owner: NDArray[np.int64] = owner.astype(np.int64)
        view = copies(structure, self.owner)
        own = view.structure
        given = np.full(own.variables, -1, np.int32)
        if evidence is not None:
            given[:] = evidence[view.origin]
        part = np.repeat(np.arange(len(may)), np.diff(own.instance))
        answer = observed[view.origin]
        before = (view.origin < may[part]) & (answer >= 0) & (given < 0)
        here = view.origin == may[part]
        if near is None or allow is None:
            given[before] = answer[before]
            at = np.flatnonzero(here)
            self.masks, inner = _masks(own, at, answer[at])
        else:
            place = spread(structure.state_offset, view.origin)[1]
            of = np.repeat(np.arange(own.variables), own.card)
            close, may_be = near[place], allow[place]
            self.masks, inner = masked(own, may_be & (close | ~before[of]) & ~(close & here[of]))
        self.inner = Agreeing(choose(inner).engine, beta, given)

    def __call__(self, values: Energies) -> Found:
        found = self.inner(np.concatenate([values, self.masks[None]], axis=1))
        return _Added(self, found)


class _Added:
    """The soft minimum of the parts of each instance."""

    def __init__(self, probe: Differing, found: Found) -> None:
        self.probe, self.found = probe, found
        each, owner, beta = found.value[0], probe.owner, probe.beta
        count = probe.structure.instances
        least = np.full(count, np.inf)
        np.minimum.at(least, owner, each)
        level = np.where(np.isfinite(least), least, 0.0)
        share = np.exp(-beta * (each - level[owner]))
        total = np.bincount(owner, share, minlength=count)
        with np.errstate(divide="ignore"):
            self._value = np.where(total > 0, level - np.log(total) / beta, np.inf)[None]
        self.share = np.where(total[owner] > 0, share / np.where(total > 0, total, 1.0)[owner], 0.0)

    @property
    def value(self) -> Energies:
        return self._value

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        masks = len(self.probe.masks)
        inner = np.zeros((1, into.shape[1] + masks))
        self.found.add_cotangents(weight[:, self.probe.owner] * self.share[None], inner)
        into += inner[:, : into.shape[1]]


def _masks(structure: Structure, at: NDArray[np.int64], state: Ints) -> tuple[Energies, Structure]:
    """Return tables that forbid a state of one variable of each instance, and the structure."""
    groups, tables = [], []
    for card in np.unique(structure.card[at]).tolist():
        chosen = structure.card[at] == card
        counts = chosen.astype(np.int64)
        groups.append(
            Group(
                "the answer itself",
                (card,),
                np.ascontiguousarray(at[chosen, None], np.int32),
                np.ascontiguousarray(state[chosen], np.int32),
                card,
                np.concatenate(([0], np.cumsum(counts))),
            )
        )
        tables.append(np.diag(np.full(card, np.inf)).reshape(-1))
        tables[-1][np.isnan(tables[-1])] = 0.0
    masks = np.concatenate([np.zeros(0), *tables])
    return masks, replace(structure, groups=(*structure.groups, *groups))
