"""How well weights answer: accuracies, and the gaps between right and wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.choose import choose
from factorgraph.engine.masked import masked
from factorgraph.engine.probe import Minimum
from factorgraph.ground.answers import values_of
from factorgraph.ground.batch import Batch
from factorgraph.ground.points import Points, carried, labels, near, takes
from factorgraph.ground.refine import decode
from factorgraph.ground.weights import Weights
from factorgraph.learn.chunks import Chunks, alphabet, counted
from factorgraph.learn.shards import Crew

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Errors:
    """How far real answers are from the observed ones: sums over ``count`` of them."""

    absolute: float = 0.0
    squared: float = 0.0
    count: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.absolute + other.absolute, self.squared + other.squared, self.count + other.count
        )

    def as_dict(self) -> dict[str, float | None]:
        """Return the mean absolute error and the root of the mean squared one."""
        if not self.count:
            return {"absolute": None, "root_mean_square": None}
        mean = self.squared / self.count
        return {"absolute": self.absolute / self.count, "root_mean_square": mean**0.5}


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of the decoded answers against the observed ones.

    Attributes
    ----------
    right, observed : for each array of answers, how many observed unknowns there are and how
        many of them are decoded right.
    whole, labelled : how many instances have an observed answer, and all of it decoded right.
    answer : float64 [I], least energy of the configurations that agree with the answer; empty
        where inference is not exact, as is the next.
    wrong : float64 [I], least energy of those that do not.
    chunks : those that labels of the kind B-X, I-X and O mark, in instances that are labelled
        throughout; None where no answers have such labels.
    errors : of real answers, by name; they are right where they lie within a step of the grid.
    """

    instances: int
    right: dict[str, int]
    observed: dict[str, int]
    whole: int
    labelled: int
    answer: Floats
    wrong: Floats
    chunks: Chunks | None = None
    errors: Mapping[str, Errors] = field(default_factory=dict)

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
            **({} if self.chunks is None else {"chunk": self.chunks.as_dict()}),
            **({"error": {n: e.as_dict() for n, e in self.errors.items()}} if self.errors else {}),
        }


def measure(
    batches: Sequence[Batch], weights: Weights, crew: Crew, ask: Ask | None = None
) -> Scores:
    """Return the scores over some batches.

    Parameters
    ----------
    weights : arrays as the batches index them.
    ask : how answers are found; None for exact inference.
    """

    def work(batch: Batch) -> Scores:
        return scored(batch, read(batch, weights, ask))

    names = list(batches[0].compiled.model.answers) if batches else []
    return together(list(crew.map(work, batches)), names)


def together(parts: Sequence[Scores], names: Sequence[str]) -> Scores:
    """Return the scores of several parts of the data as one.

    Parameters
    ----------
    names : of the arrays of answers.
    """
    finite = [n for n in names if n not in _names(parts)]
    return Scores(
        sum(p.instances for p in parts),
        {n: sum(p.right.get(n, 0) for p in parts) for n in finite},
        {n: sum(p.observed.get(n, 0) for p in parts) for n in finite},
        sum(p.whole for p in parts),
        sum(p.labelled for p in parts),
        np.concatenate([np.zeros(0), *(p.answer for p in parts)]),
        np.concatenate([np.zeros(0), *(p.wrong for p in parts)]),
        _added([p.chunks for p in parts if p.chunks is not None]),
        {n: sum((p.errors[n] for p in parts), Errors()) for n in _names(parts)},
    )


def _added(parts: list[Chunks]) -> Chunks | None:
    return sum(parts, Chunks()) if parts else None


def _chunks(batch: Batch, states: Ints, evidence: Ints) -> Chunks | None:
    """Return the chunks of all answers whose labels mark some."""
    found = []
    for name, unknown in batch.compiled.model.answers.items():
        labels = unknown.values is not None and unknown.values.domain is not None
        if not labels or len(unknown.axes) != 1:
            continue
        words = values_of(batch.compiled.model, unknown, batch.instances.vocabularies)
        said = alphabet(words)
        if said is None:
            continue
        place, start = members(batch, name), batch.instances.unknowns[name].start
        sizes = np.diff(start)
        gaps = np.bincount(np.repeat(np.arange(len(sizes)), sizes), evidence[place] < 0, len(sizes))
        whole = np.repeat(gaps == 0, sizes)
        ends = np.concatenate(([0], np.cumsum(sizes[gaps == 0])))
        place = place[whole]
        found.append(
            counted(said, states[place].astype(np.int64), evidence[place].astype(np.int64), ends)
        )
    return _added(found)


@dataclass(frozen=True, eq=False)
class Reading:
    """What is decoded of a batch.

    Attributes
    ----------
    values : float64 [1, T], the tables.
    states : int32 [V], what is decoded, -1 where there is no answer.
    answer, wrong : least energies of the configurations that agree with the answer, and of
        those that do not; None where inference is not exact.
    near : bool [V], which real numbers lie within a step of what is observed; None where there
        are none.
    errors : of real answers, by name.
    """

    values: Floats
    states: Ints
    answer: Minimum | None = None
    wrong: Minimum | None = None
    near: NDArray[np.bool_] | None = None
    errors: Mapping[str, Errors] = field(default_factory=dict)


def read(batch: Batch, weights: Weights, ask: Ask | None = None) -> Reading:
    """Return what is decoded of a batch. The arguments are as for `measure`."""
    values = np.empty((1, batch.structure.size))
    batch.energies(weights, values[0])
    if batch.grounding.points is not None:
        return _on_grid(batch, batch.grounding.points, values, ask)
    if ask is not None and batch.choice(ask) is None:
        return Reading(values, _found(batch, values[0], ask))
    evidence, engine = batch.grounding.evidence, batch.engine
    return Reading(
        values,
        engine.minimum(values).states[0],
        engine.minimum(values, evidence),
        engine.second_best(values, evidence),
    )


def labelled(batch: Batch) -> NDArray[np.bool_]:
    """Return bool [I]: whether anything of an instance's answer is observed."""
    owner = np.repeat(np.arange(batch.structure.instances), np.diff(batch.structure.instance))
    seen = batch.grounding.evidence >= 0
    return np.bincount(owner[seen], minlength=batch.structure.instances) > 0


def scored(batch: Batch, reading: Reading) -> Scores:
    """Return the scores of what is decoded of a batch."""
    evidence, states = batch.grounding.evidence, reading.states
    seen = evidence >= 0
    mistaken = seen & (states != evidence)
    if reading.near is not None:
        mistaken &= ~reading.near
    count = batch.structure.instances
    owner = np.repeat(np.arange(count), np.diff(batch.structure.instance))
    known = labelled(batch)
    failed = np.bincount(owner[mistaken], minlength=count) > 0
    right, observed = {}, {}
    for name in batch.compiled.model.answers:
        if name in batch.compiled.model.grids:
            continue
        place = members(batch, name)
        observed[name] = int(seen[place].sum())
        right[name] = observed[name] - int(mistaken[place].sum())
    none = np.zeros(0)
    return Scores(
        count,
        right,
        observed,
        int((known & ~failed).sum()),
        int(known.sum()),
        none if reading.answer is None else reading.answer.value[0][known],
        none if reading.wrong is None else reading.wrong.value[0][known],
        _chunks(batch, states, evidence),
        reading.errors,
    )


def _on_grid(batch: Batch, points: Points, values: Floats, ask: Ask | None) -> Reading:
    """Return what is decoded where some unknowns are real numbers.

    The answer's energy is that at the observed numbers; what is open, and what is wrong, takes the
    points of the grid.
    """
    evidence, structure = batch.grounding.evidence, batch.structure
    exact = ask is None or batch.choice(ask) is not None
    found, numbers = decode(batch, values, None, ask or Ask())
    states = np.full(structure.variables, -1, np.int32)
    for i, outcome in enumerate(found):
        if outcome.states is not None:
            states[structure.instance[i] : structure.instance[i + 1]] = outcome.states
    within, errors = np.zeros(structure.variables, np.bool_), {}
    for grid in points.grids:
        place = members(batch, grid.name)
        off = np.abs(numbers[grid.name] - labels(batch.instances, grid))
        off[states[place] < 0] = np.inf
        within[place] = off <= grid.step * (1 + 1e-9)
        if grid.name in batch.compiled.model.answers:
            here = off[(evidence[place] >= 0) & (states[place] >= 0)]
            errors[grid.name] = Errors(float(here.sum()), float((here**2).sum()), len(here))
    if not exact:
        return Reading(values, states, near=within, errors=errors)
    tables, inner = masked(structure, carried(structure, points, takes(points, evidence), True))
    every = np.concatenate([values, tables[None]], axis=1)
    close = carried(structure, points, near(points, evidence, None), False)
    seen = np.flatnonzero(evidence >= 0)
    close[structure.state_offset[seen] + evidence[seen]] = True
    engine = choose(inner).engine
    return Reading(
        values, states, engine.minimum(every, evidence),
        engine.second_best(every, evidence, near=close), within, errors,
    )  # fmt: skip


def _names(parts: Sequence[Scores]) -> list[str]:
    return list(parts[0].errors) if parts else []


def _found(batch: Batch, values: Floats, ask: Ask | None) -> Ints:
    """Return the states that were found, -1 where there is no answer."""
    states = np.full(batch.structure.variables, -1, np.int32)
    for i, outcome in enumerate(outcomes(batch.structure, values, None, "map", ask)):
        if outcome.states is not None:
            states[batch.structure.instance[i] : batch.structure.instance[i + 1]] = outcome.states
    return states


def members(batch: Batch, name: str) -> NDArray[np.int64]:
    """Return the variables of one array of unknowns, instance after instance."""
    observed = batch.instances.unknowns[name]
    shift = batch.grounding.base[name] - observed.start[:-1]
    return np.arange(len(observed.state)) + np.repeat(shift, np.diff(observed.start))
