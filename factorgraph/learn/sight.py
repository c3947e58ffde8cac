"""What is seen of some instances at some weights: energies of answers, factor by factor."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.answer import Ask
from factorgraph.engine.menu import steps
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Structure
from factorgraph.ground.batch import Batch
from factorgraph.ground.refine import summed
from factorgraph.ground.weights import Weights
from factorgraph.learn.measure import Reading, Scores, labelled, read, scored

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

RANDOM = 4
"""Random configurations that an instance's answers are compared with."""


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen of the labelled instances of a batch.

    Attributes
    ----------
    scores : of what was decoded.
    exact : whether best and wrong answers are the best there are; otherwise they are what
        descent from variable to variable found, and single changes of the answer.
    chosen : int64 [I], which instances of the batch have an observed answer.
    states : int32 [3 + RANDOM, V], the answer (what it leaves open is at its best), the best, the
        best wrong one, and random ones.
    parts : float64 [factors, 3 + RANDOM, I], their energies by factor.
    factors : the names.
    entropy : float64 [2], of the Gibbs distribution in nats, and how many unknowns have it;
        empty where it is not known.
    """

    batch: Batch
    scores: Scores
    exact: bool
    chosen: NDArray[np.int64]
    states: Ints
    parts: Floats
    factors: tuple[str, ...]
    entropy: Floats

    @property
    def inference(self) -> str:
        """How best and wrong answers were found."""
        if self.exact:
            points = ", at the points of a grid" if self.batch.compiled.model.grids else ""
            return self.batch.reason.split(",")[0] + points
        return "icm, and single changes of the answer: not exact"

    @property
    def energies(self) -> Floats:
        """float64 [3 + RANDOM, I]."""
        with np.errstate(invalid="ignore"):
            total: Floats = self.parts.sum(axis=0)
        return total


def see(batch: Batch, weights: Weights, beta: float, exact: bool) -> Sight:
    """Look at a batch.

    Parameters
    ----------
    weights : arrays as the batch indexes them.
    beta : inverse temperature of the Gibbs distribution.
    exact : whether the batch has an exact engine.
    """
    structure = batch.structure
    reading = read(batch, weights, None if exact else Ask(steps("icm")))
    answer, wrong = _beside(batch, reading)
    states = np.concatenate([[answer, reading.states, wrong], draws(on_points(batch))])
    chosen = np.flatnonzero(labelled(batch))
    names, parts = by_factor(structure, reading.values, np.maximum(states, 0).astype(np.int32))
    for row, at in ((0, answer), (1, reading.states), (2, wrong)):
        unknown = np.zeros(structure.instances, np.bool_)
        owner = np.repeat(np.arange(structure.instances), np.diff(structure.instance))
        unknown[owner[at < 0]] = True
        parts[:, row, unknown] = np.nan
    entropy = _entropy(batch, reading.values, beta) if exact else np.zeros(0)
    return Sight(
        batch, scored(batch, reading), exact, chosen, states.astype(np.int32),
        parts[:, :, chosen], names, entropy,
    )  # fmt: skip


def _beside(batch: Batch, reading: Reading) -> tuple[Ints, Ints]:
    """Return the states of the answer and of the wrong answer with the least energy."""
    if reading.answer is not None and reading.wrong is not None:
        return reading.answer.states[0], reading.wrong.states[0]
    structure, answer = batch.structure, batch.grounding.evidence
    owner = np.repeat(np.arange(structure.instances), np.diff(structure.instance))
    whole = np.bincount(owner[answer < 0], minlength=structure.instances) == 0
    wrong = neighbours(structure, reading.values[0], answer, whole)
    differs = np.zeros(structure.instances, np.bool_)
    differs[owner[(reading.states >= 0) & (reading.states != answer) & (answer >= 0)]] = True
    both = np.stack([wrong, reading.states])
    e = energy(structure, reading.values, np.maximum(both[0], 0))[0]
    best = energy(structure, reading.values, np.maximum(both[1], 0))[0]
    take = differs & ((best < e) | ~whole)
    return answer, np.where(take[owner], reading.states, wrong).astype(np.int32)


def neighbours(
    structure: Structure, values: Floats, answer: Ints, whole: NDArray[np.bool_]
) -> Ints:
    """Return the answer with that one variable changed which costs least.

    Parameters
    ----------
    answer : int32 [V].
    whole : bool [I], where it is known throughout; elsewhere -1 is returned.
    """
    beliefs = np.zeros(int(structure.state_offset[-1]))
    for g, group in enumerate(structure.groups):
        at = np.maximum(answer, 0)[group.scope]
        tables = structure.table(values, g)
        for k, card in enumerate(group.cards):
            index = [group.table[:, None], *(at[:, j, None] for j in range(at.shape[1]))]
            index[k + 1] = np.arange(card)[None]
            spot = structure.state_offset[group.scope[:, k], None] + np.arange(card)
            np.add.at(beliefs, spot, tables[tuple(index)])
    first = structure.state_offset[:-1]
    here = first + np.maximum(answer, 0)
    rise = beliefs - np.repeat(beliefs[here], structure.card)
    rise[here] = np.inf
    rise[np.isnan(rise)] = np.inf
    out = np.full(structure.variables, -1, np.int32)
    for i in np.flatnonzero(whole):
        low, high = structure.instance[i : i + 2]
        if low == high:
            continue
        span = slice(int(first[low]), int(structure.state_offset[high]))
        best = int(rise[span].argmin()) + span.start
        if not np.isfinite(rise[best]):
            continue
        v = int(np.searchsorted(structure.state_offset, best, side="right")) - 1
        out[low:high] = answer[low:high]
        out[v] = best - first[v]
    return out


def draws(structure: Structure) -> Ints:
    """Return random configurations, int32 [RANDOM, V]: the same for instances of equal shape, so
    that their energies tell whether an input makes a difference."""
    sizes = np.diff(structure.instance)
    uniform = np.random.default_rng(0).random((RANDOM, int(sizes.max(initial=0))))
    place = np.arange(structure.variables) - np.repeat(structure.instance[:-1], sizes)
    return (uniform[:, place] * structure.card).astype(np.int32)


def on_points(batch: Batch) -> Structure:
    """Return a batch's structure; its real unknowns have no states but the points of their grid."""
    points = batch.grounding.points
    if points is None:
        return batch.structure
    card = batch.structure.card.copy()
    card[points.variables] = points.counts
    return replace(batch.structure, card=card)


def by_factor(structure: Structure, values: Floats, states: Ints) -> tuple[tuple[str, ...], Floats]:
    """Return the energies of configurations factor by factor.

    Parameters
    ----------
    values : float64 [1, T].
    states : int32 [C, V].

    Returns
    -------
    The names of the factors, and float64 [factors, C, I].
    """
    names = tuple(dict.fromkeys(g.name for g in structure.every))
    out = np.zeros((len(names), len(states), structure.instances))
    ends = (*structure.offset, *structure.kind_offset[1:])
    for g, group in enumerate(structure.every):
        tabled = g < len(structure.groups)
        one = replace(
            structure,
            groups=structure.groups[g : g + 1],
            kinds=() if tabled else structure.kinds[g - len(structure.groups) :][:1],
        )
        own = values[:, ends[g] : ends[g + 1]]
        for c, chosen in enumerate(states):
            out[names.index(group.name), c] += energy(one, own, chosen)[0]
    return names, out


def _entropy(batch: Batch, values: Floats, beta: float) -> Floats:
    """Return the nats of the Gibbs distribution of all instances, and their unknowns.

    The mean energy under the distribution is the slope of the free energy along the energies
    themselves; instances share tables, so that it is known for all of them together.
    """
    structure, engine = batch.structure, batch.engine
    if batch.grounding.points is not None:
        values, engine = summed(batch, values)
    soft = engine.soft_minimum(values, beta)
    marginals = np.zeros_like(values)
    finite = np.isfinite(soft.value)
    soft.add_cotangents(finite.astype(np.float64), marginals)
    seen = marginals != 0
    mean = float((values[seen] * marginals[seen]).sum())
    total = beta * (mean - float(soft.value[finite].sum()))
    count = int(np.diff(structure.instance)[finite[0]].sum())
    return np.array([total, count], np.float64)
