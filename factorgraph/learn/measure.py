"""How well weights answer: accuracies, and the gaps between right and wrong answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.ground.batch import Batch
from factorgraph.ground.weights import Weights
from factorgraph.learn.shards import Crew

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of the decoded answers against the observed ones.

    Attributes
    ----------
    right, observed : for each array of answers, how many observed unknowns there are and how
        many of them are decoded right.
    whole, labelled : how many instances have an observed answer, and all of it decoded right.
    answer : float64 [I], least energy of the configurations that agree with the answer.
    wrong : float64 [I], least energy of those that do not.
    """

    instances: int
    right: dict[str, int]
    observed: dict[str, int]
    whole: int
    labelled: int
    answer: Floats
    wrong: Floats

    @property
    def gap(self) -> Floats:
        """float64 [labelled], E(wrong) - E(answer): positive where the answer wins."""
        with np.errstate(invalid="ignore"):
            return self.wrong - self.answer

    @property
    def mean_gap(self) -> float | None:
        """The mean of the finite gaps."""
        finite = self.gap[np.isfinite(self.gap)]
        return float(finite.mean()) if len(finite) else None

    @property
    def forbidden(self) -> int:
        """How many observed answers have infinite energy; their gaps are no numbers."""
        return int(np.isinf(self.answer).sum())

    @property
    def accuracy(self) -> dict[str, float | None]:
        return {
            name: self.right[name] / self.observed[name] if self.observed[name] else None
            for name in self.right
        }

    @property
    def overall(self) -> float | None:
        """Share of all observed unknowns that are right."""
        total = sum(self.observed.values())
        return sum(self.right.values()) / total if total else None

    @property
    def instance_accuracy(self) -> float | None:
        return self.whole / self.labelled if self.labelled else None

    def as_dict(self) -> dict[str, Any]:
        """Return the scores as plain values, for ``--json``."""
        gap = self.gap[np.isfinite(self.gap)]
        return {
            "instances": self.instances,
            "accuracy": self.accuracy,
            "instance_accuracy": self.instance_accuracy,
            "mean_gap": self.mean_gap,
            "forbidden_answers": self.forbidden,
            "share_of_gaps_above_zero": float((gap > 0).mean()) if len(gap) else None,
        }


def measure(batches: Sequence[Batch], weights: Weights, crew: Crew) -> Scores:
    """Return the scores over some batches.

    Parameters
    ----------
    weights : arrays as the batches index them.
    """

    def work(batch: Batch) -> Scores:
        return _one(batch, weights)

    names = list(batches[0].compiled.model.answers) if batches else []
    return together(list(crew.map(work, batches)), names)


def together(parts: Sequence[Scores], names: Sequence[str]) -> Scores:
    """Return the scores of several parts of the data as one.

    Parameters
    ----------
    names : of the arrays of answers.
    """
    return Scores(
        sum(p.instances for p in parts),
        {n: sum(p.right.get(n, 0) for p in parts) for n in names},
        {n: sum(p.observed.get(n, 0) for p in parts) for n in names},
        sum(p.whole for p in parts),
        sum(p.labelled for p in parts),
        np.concatenate([np.zeros(0), *(p.answer for p in parts)]),
        np.concatenate([np.zeros(0), *(p.wrong for p in parts)]),
    )


def _one(batch: Batch, weights: Weights) -> Scores:
    values = np.empty((1, batch.structure.size))
    batch.energies(weights, values[0])
    evidence = batch.grounding.evidence
    best = batch.engine.minimum(values)
    states = best.states[0]
    seen = evidence >= 0
    mistaken = seen & (states != evidence)
    instance = batch.structure.instance
    owner = np.repeat(np.arange(batch.structure.instances), np.diff(instance))
    count = batch.structure.instances
    labelled = np.bincount(owner[seen], minlength=count) > 0
    failed = np.bincount(owner[mistaken], minlength=count) > 0
    right, observed = {}, {}
    for name in batch.compiled.model.answers:
        place = members(batch, name)
        observed[name] = int(seen[place].sum())
        right[name] = observed[name] - int(mistaken[place].sum())
    answer = batch.engine.minimum(values, evidence).value[0]
    wrong = batch.engine.second_best(values, evidence).value[0]
    return Scores(
        count,
        right,
        observed,
        int((labelled & ~failed).sum()),
        int(labelled.sum()),
        answer[labelled],
        wrong[labelled],
    )


def members(batch: Batch, name: str) -> NDArray[np.int64]:
    """Return the variables of one array of unknowns, instance after instance."""
    observed = batch.instances.unknowns[name]
    shift = batch.grounding.base[name] - observed.start[:-1]
    return np.arange(len(observed.state)) + np.repeat(shift, np.diff(observed.start))
