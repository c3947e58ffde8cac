"""How hard a loss pulls the answer's energy down, and pushes those of wrong answers up.

A probe of a region that the answer lies in has two slopes in one: its value changes with the
energy of the answer by the share that the answer has of the region's Gibbs distribution (all or
nothing for a least energy), and with those of the others by the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.loss import LossProgram, Probe
from factorgraph.ground.batch import Batch
from factorgraph.ground.looks import Looks
from factorgraph.ground.weights import Weights
from factorgraph.learn.objective import Losses

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pulls:
    """Slopes of the loss of single instances: float64 [I] each, as in `diagnosis.Slopes`."""

    answer: Floats
    wrong: Floats

    def with_more(self, other: Pulls) -> Pulls:
        """Return those of more instances."""
        return Pulls(
            np.concatenate([self.answer, other.answer]), np.concatenate([self.wrong, other.wrong])
        )


class Pulling:
    """The slopes of a loss, told apart by whose energy they change."""

    def __init__(self, losses: Losses) -> None:
        self.losses = losses
        probes = tuple(map(_at_answer, losses.loss.probes))
        self.twin: LossProgram = replace(losses.loss, probes=probes)
        self.looks: dict[int, Looks] = {}

    def __call__(self, batch: Batch, weights: Weights) -> Pulls:
        """Return the slopes of a batch's instances, those of weight 0 left out.

        Raises
        ------
        FgError : as of `Losses`.
        """
        probed = self.losses.probed(batch, weights)
        looks = batch.looks
        assert looks is not None
        if id(batch) not in self.looks:
            self.looks[id(batch)] = Looks(self.twin, batch)
        twin = self.looks[id(batch)]
        count = batch.structure.instances
        answer, wrong = np.zeros(count), np.zeros(count)
        for k, probe in enumerate(self.losses.loss.probes):
            owner = looks.levels[probe.space].instance
            slope, value = probed.slopes[k], probed.found[k].value[0]
            if probe.search is None:
                slope = slope * probe.scale
            elif probe.search.what == "cost":
                continue
            share = np.ones(len(slope))
            if probe.region != "answer" or probe.differs:
                share = np.zeros(len(slope))
            if probe.region in ("any", "only", "pin") and not probe.differs:
                there = self.twin.probes[k]
                at = twin.probes[k](probed.values, probed.found).value[0]
                if there.space != probe.space:
                    at = at[owner]
                share = _share(probe, at, value)
            answer += np.bincount(owner, slope * share, count)
            wrong -= np.bincount(owner, slope * (1 - share), count)
        weight = batch.instances.weight
        chosen = weight > 0
        return Pulls(answer[chosen] / weight[chosen], wrong[chosen] / weight[chosen])


def _at_answer(probe: Probe) -> Probe:
    """Return the same look at the answer alone."""
    if probe.search is not None:
        probe = replace(probe, search=None, cost=None, scale=1.0)
    whole = probe.part is None or probe.part.indices is None
    space = 0 if whole else probe.space
    return replace(probe, region="answer", places=(), differs=False, space=space)


def _share(probe: Probe, answer: Floats, value: Floats) -> Floats:
    """Return the answer's share of the distribution of a region that it lies in."""
    beyond = np.where(np.isfinite(value), answer - value, np.inf)
    if np.isinf(probe.beta) or probe.search is not None:
        return (beyond <= 1e-12 * np.maximum(1.0, np.abs(value))).astype(np.float64)
    return np.exp(-probe.beta * np.maximum(beyond, 0.0))
