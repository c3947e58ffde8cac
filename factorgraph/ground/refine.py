"""Least energies over real unknowns, refined between the points of their grid.

About the best point of the grid, or the observed value where that is better, lie a few points that
move: they close in on the best of themselves until they are some 1e-8 steps apart. All unknowns
are chosen anew in each round, the real ones among their own points.

The derivative of a least energy in the weights is that of the energy where it is reached. Where
that is a kink, |G(x) - y| at y = G(x), its two sides have other derivatives; the least energy has
the mean of them in which the slopes along y cancel, since the kink moves with the weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.choose import Choice, choose
from factorgraph.engine.masked import Cut, masked
from factorgraph.engine.outcome import OPTIMAL, Outcome
from factorgraph.engine.probe import Engine, Minimum
from factorgraph.engine.region import Found
from factorgraph.errors import BudgetError, InferenceError
from factorgraph.factors.table import add_indicator, energy
from factorgraph.graph.structure import Energies, Ints, Structure
from factorgraph.ground.batch import Batch
from factorgraph.ground.points import Flags, Points, carried, takes
from factorgraph.model.grid import REFINED, SIDE

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

ROUNDS = 12
OFFSETS = np.array(sorted(range(-SIDE, SIDE + 1), key=abs), np.float64)
"""Where points lie about the centre, which comes first: it stays where others are no better."""

ON_GRID, BETWEEN = "optimal on the grid", "optimal on the grid, refined between its points"
"""The status of an answer whose real unknowns were chosen exactly among their points."""


def points_of(batch: Batch) -> Points:
    """Return the points of a batch that has some."""
    assert batch.grounding.points is not None
    return batch.grounding.points


class Refining:
    """Where a set of points stands in its refining for the least energy.

    Parameters
    ----------
    structure : whose energy it is, over the batch's variables.
    evidence : int32 [V], -1 where a variable is free; None where all are.
    which : of the sets of points.
    labels : whether an observed value is one that may be taken.
    """

    def __init__(
        self,
        batch: Batch,
        structure: Structure,
        evidence: Ints | None,
        which: int,
        labels: bool = True,
    ) -> None:
        self.points = points_of(batch)
        self.structure, self.which = structure, which
        free = np.full(structure.variables, -1, np.int32)
        self.evidence = free if evidence is None else evidence
        observed = batch.grounding.evidence
        self.free = np.flatnonzero(self.evidence[self.points.variables] < 0)
        first = self.points.first(which)
        width = np.arange(takes(self.points, observed).shape[1])
        own = (width >= first[:, None]) & (width < first[:, None] + REFINED)
        self.grid, self.masked = self.mask(takes(self.points, observed, labels))
        self.about, _ = self.mask(own)
        self.at, _ = self.mask(width == first[:, None])
        self.centre = np.zeros(len(self.free))

    def mask(self, chosen: Flags) -> tuple[Energies, Structure]:
        """Return tables that leave real variables some states, and the structure with them."""
        flags = carried(self.structure, self.points, chosen, True, evidence=self.evidence)
        return masked(self.structure, flags)

    def numbers(self, states: Ints) -> Floats:
        """Return the numbers of the free real variables at states [V]."""
        variables = self.points.variables[self.free]
        return self.points.at(self.free, states[variables])

    def spread(self, reach: float) -> None:
        """Lay the points about the centre, ``reach`` steps to each side."""
        width = reach * self.points.steps[self.free] / SIDE
        numbers = self.centre[:, None] + width[:, None] * OFFSETS
        self.points.put(self.free, self.which, numbers)


class Refined:
    """The probe of a least energy over real unknowns, of which an instance has at most one.

    Before it is asked, `refine` has moved its points.
    """

    def __init__(self, refining: Refining) -> None:
        self.refining = refining
        self.engine = choose(refining.masked).engine

    def least(self, values: Energies, tables: Energies) -> Minimum:
        """Return the least energy where only what ``tables`` allow may be."""
        refining = self.refining
        own = values[:, : refining.structure.size]
        return self.engine.minimum(np.concatenate([own, tables[None]], axis=1), refining.evidence)

    def move(self, values: Energies, tables: Energies) -> None:
        """Put the centre where the least energy is."""
        states = self.least(values, tables).states[0]
        self.refining.centre = self.refining.numbers(states)

    def __call__(self, values: Energies) -> Found:
        found = self.least(values, self.refining.at)
        return Cut(_Envelope(self.refining, found, values), len(self.refining.at))


class _Envelope:
    """A least energy at the centre of its points, with the slopes of both sides."""

    def __init__(self, refining: Refining, found: Minimum, values: Energies) -> None:
        self.refining = refining
        variables = refining.points.variables[refining.free]
        first = refining.points.first(refining.which)[refining.free]
        self.sides, beside = [], []
        for k in (1, 2, 3, 4):  # one and two points to the left and right
            states = found.states[0].copy()
            states[variables] = first + k
            self.sides.append(states)
            beside.append(energy(refining.structure, values, states)[0])
        with np.errstate(invalid="ignore"):
            falls, rises = beside[0] - beside[2], beside[3] - beside[1]
            bend = rises - falls
        self.left = np.full(len(bend), 0.5)
        bent = np.isfinite(bend) & (bend > 0)
        self.left[bent] = np.clip(rises[bent] / bend[bent], 0.0, 1.0)
        self.left[~np.isfinite(beside[0])] = 0.0
        self.left[~np.isfinite(beside[1])] = 1.0
        # where the lines of both sides meet lies the least energy, not at the point between them
        kink = bent & (falls < 0) & (rises > 0)
        share = self.left[kink]
        meet = share * (beside[0] + falls)[kink] + (1 - share) * (beside[1] - rises)[kink]
        self.value: Energies = found.value.copy()
        self.value[0, kink] = np.minimum(self.value[0, kink], meet)

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        structure = self.refining.structure
        finite = np.where(np.isfinite(self.value), weight, 0.0)
        for states, share in zip(self.sides, (self.left, 1 - self.left), strict=False):
            part = np.zeros((1, structure.size))
            add_indicator(structure, states, finite * share, part)
            into[:, : structure.size] += part


def refine(batch: Batch, values: Energies, probes: Sequence[Refined]) -> None:
    """Move the points of some probes to where their least energies are.

    Parameters
    ----------
    values : float64 [1, T], whose first part are the batch's own, as it filled them last; changed.
    """
    points, own = points_of(batch), values[0, : batch.structure.size]
    for probe in probes:
        probe.move(values, probe.refining.grid)
    for number in range(ROUNDS + 1):  # the last lays both sides about where the least energy is
        for probe in probes:
            probe.refining.spread(SIDE ** -min(number, ROUNDS - 1))
        points.refresh()
        batch.energies_again(own)
        if number < ROUNDS:
            for probe in probes:
                probe.move(values, probe.refining.about)


def decode(
    batch: Batch, values: Energies, evidence: Ints | None, ask: Ask
) -> tuple[list[Outcome], dict[str, Floats]]:
    """Return answers over real unknowns, and their numbers by the names of the arrays.

    Parameters
    ----------
    values : float64 [1, T], the batch's own, as it filled them last; changed.
    evidence : int32 [V], -1 where a variable is free; None where all are.
    """
    points, structure = points_of(batch), batch.structure
    refining = Refining(batch, structure, evidence, 0, labels=False)
    exact = _exact(refining.masked, ask)

    def answers(tables: Energies, how: Ask) -> list[Outcome]:
        every = np.concatenate([values[0], tables])
        return list(outcomes(refining.masked, every, refining.evidence, "map", how, exact))

    found = first = answers(refining.grid, ask)
    refining.centre = refining.numbers(_states(structure, found))
    owner = np.repeat(np.arange(structure.instances), np.diff(structure.instance))
    own = owner[points.variables[refining.free]]
    if points.refine and len(own):
        closer = ask if ask.seconds is None else replace(ask, seconds=ask.seconds / ROUNDS)
        for number in range(ROUNDS + 1):  # the last leaves the centres where the answers are
            refining.spread(SIDE ** -min(number, ROUNDS - 1))
            points.refresh()
            batch.energies_again(values[0])
            if number == ROUNDS:
                break
            nearer = answers(refining.about, closer)
            better = np.array([b.energy < a.energy for a, b in zip(found, nearer, strict=True)])
            numbers = refining.numbers(_states(structure, nearer))
            refining.centre = np.where(better[own], numbers, refining.centre)
            found = [b if c else a for a, b, c in zip(found, nearer, better, strict=True)]
        found = [
            _centred(structure, refining, i, replace(f, energy=g.energy, states=g.states))
            for i, (f, g) in enumerate(zip(first, found, strict=True))
        ]  # what was proven of the points is told, not of those that moved
    real = np.bincount(own, minlength=structure.instances) > 0
    told = BETWEEN if points.refine else ON_GRID
    found = [
        replace(f, bound=-np.inf, status=told if f.status == OPTIMAL else f.status)
        if r and f.states is not None else f
        for f, r in zip(found, real, strict=True)
    ]  # fmt: skip
    every = points.at(np.arange(len(points.variables)), points.counts)
    every[refining.free] = refining.centre
    return found, {g.name: every[points.grid == k] for k, g in enumerate(points.grids)}


def _centred(structure: Structure, refining: Refining, i: int, found: Outcome) -> Outcome:
    """Return an outcome with its real unknowns at the centres of their points."""
    if found.states is None:
        return found
    free = refining.points.variables[refining.free]
    first, last = structure.instance[i : i + 2]
    low, high = np.searchsorted(free, (first, last))
    states = found.states.copy()
    states[free[low:high] - first] = refining.points.first(refining.which)[refining.free][low:high]
    return replace(found, states=states)


def least(batch: Batch, values: Energies, evidence: Ints) -> Floats:
    """Return the least energy of each instance that agrees with evidence, refined where there are
    real unknowns; the other arguments are as for `decode`."""
    if batch.grounding.points is None:
        found: Floats = batch.engine.minimum(values, evidence).value[0]
        return found
    return np.array([one.energy for one in decode(batch, values, evidence, Ask())[0]])


def summed(batch: Batch, values: Energies) -> tuple[Energies, Engine]:
    """Return values [1, T], and an engine for them, in which real unknowns take the points of
    their grid alone, for sums over all configurations."""
    free = np.full(batch.structure.variables, -1, np.int32)
    refining = Refining(batch, batch.structure, free, 0, labels=False)
    every = np.concatenate([values, refining.grid[None]], axis=1)
    return every, choose(refining.masked).engine


def beliefs(batch: Batch, values: Energies, evidence: Ints | None, ask: Ask) -> Iterator[Outcome]:
    """Yield marginals where real unknowns take the points of their grid."""
    refining = Refining(batch, batch.structure, evidence, 0, labels=False)
    every = np.concatenate([values[0], refining.grid])
    exact = _exact(refining.masked, ask)
    return outcomes(refining.masked, every, refining.evidence, "marginals", ask, exact)


def _exact(structure: Structure, ask: Ask) -> Choice | None:
    """Return the exact engine, where one may and can answer."""
    if ask.steps and not ask.exactly:
        return None
    try:
        return choose(structure)
    except (InferenceError, BudgetError):
        return None


def _states(structure: Structure, found: Sequence[Outcome]) -> Ints:
    """Return the states of all variables, int32 [V]; 0 where there is no answer."""
    states = np.zeros(structure.variables, np.int32)
    for i, outcome in enumerate(found):
        if outcome.states is not None:
            states[structure.instance[i] : structure.instance[i + 1]] = outcome.states
    return states
