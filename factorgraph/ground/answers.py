"""What inference found, in the words of the model: values by name, instance by instance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.instances import Instances, Vocabularies
from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.outcome import INFEASIBLE, Outcome
from factorgraph.engine.result import Result
from factorgraph.errors import DataError
from factorgraph.ground.batch import Batch
from factorgraph.ground.points import labels, taken
from factorgraph.ground.refine import beliefs, decode
from factorgraph.model.expression import Const, DomainSize
from factorgraph.model.grid import Grid
from factorgraph.model.model import Model, Unknown

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


def answers(batch: Batch, values: Floats, ask: Ask) -> Iterator[dict[str, Any]]:
    """Yield the answers of each instance of a batch.

    Parameters
    ----------
    values : float64 [1, T], the tables.
    ask : how they are to be found.

    Yields
    ------
    dict of ``answers`` (nested lists by name), ``energy``, ``bound``, ``gap``, ``status``, and
    where inference is not exact ``algorithm``, ``reason``, ``iterations``, ``seconds`` and
    ``trace``. What is observed stays as it is. Latent unknowns are left out. Without a
    configuration of finite energy there are no answers.
    """
    model = batch.compiled.model
    most = int(batch.structure.card.max(initial=0))
    words = {
        name: np.array(values_of(model, unknown, batch.instances.vocabularies, most), dtype=object)
        for name, unknown in model.answers.items()
        if name not in model.grids
    }
    evidence = batch.grounding.evidence
    every: Iterable[Outcome]
    numbers: dict[str, Floats] = {}
    if batch.grounding.points is not None:
        every, numbers = decode(batch, values, evidence, ask)
    else:
        every = outcomes(batch.structure, values[0], evidence, "map", ask, batch.choice(ask))
    for i, outcome in enumerate(every):
        found: dict[str, Any] = {}
        if outcome.states is not None:
            first = int(batch.structure.instance[i])
            for name in model.answers:
                place, shape = _place(batch, name, i)
                if name in numbers:
                    start = batch.instances.unknowns[name].start
                    own = numbers[name][start[i] : start[i + 1]]
                    found[name] = own.reshape(shape).tolist()
                    continue
                states = outcome.states[place.start - first : place.stop - first]
                found[name] = words[name][states].reshape(shape).tolist()
        yield {"answers": None if outcome.states is None else found, **told(outcome)}


def named(batch: Batch, states: NDArray[np.int32], i: int) -> dict[str, Any]:
    """Return the answers of one instance by name: nested lists, None where a state is -1.

    Parameters
    ----------
    states : int32 [V], of the whole batch.
    """
    model = batch.compiled.model
    most = int(batch.structure.card.max(initial=0))
    out = {}
    for name, unknown in model.answers.items():
        if unknown.values is None:
            continue
        place, shape = _place(batch, name, i)
        points = batch.grounding.points
        if name in model.grids and points is not None:
            number = np.searchsorted(points.variables, np.arange(place.start, place.stop))
            found = np.where(states[place] < 0, 0, states[place])
            shown = points.at(number, found).astype(object)
            shown[states[place] < 0] = None
            out[name] = shown.reshape(shape).tolist()
            continue
        words = values_of(model, unknown, batch.instances.vocabularies, most)
        every = np.array([*words, None], dtype=object)
        out[name] = every[states[place]].reshape(shape).tolist()
    return out


def told(outcome: Outcome) -> dict[str, Any]:
    """Return what is said of an answer beside itself; more where it is not exact."""
    out: dict[str, Any] = {
        "energy": outcome.energy,
        "bound": outcome.bound,
        "gap": outcome.gap,
        "status": outcome.status,
    }
    if outcome.algorithm != "exact":
        out |= {
            "algorithm": outcome.algorithm,
            "reason": outcome.reason,
            "iterations": outcome.iterations,
            "seconds": outcome.seconds,
            "trace": [[p.seconds, p.energy, p.bound] for p in outcome.trace],
        }
    return out


def completed(batch: Batch, values: Floats) -> Instances:
    """Return a batch's instances with every open unknown set as in the least energy that agrees
    with what is observed.

    Raises
    ------
    DataError : where an instance has no configuration of finite energy.
    """
    if batch.grounding.points is not None:
        return _completed(batch, values)
    result = Result.exact(batch.engine.minimum(values, batch.grounding.evidence))
    for i, status in enumerate(result.status[0]):
        if status == "infeasible":
            raise _impossible(batch, i)
    return _observed(batch, result.states[0])


def _impossible(batch: Batch, i: int) -> DataError:
    return DataError(
        f"{batch.instances.where(i)}: no configuration that agrees with the data has a finite "
        "energy",
        code="E0319",
    )


def _completed(batch: Batch, values: Floats) -> Instances:
    """Do as `completed` where there are real unknowns."""
    found, numbers = decode(batch, values, batch.grounding.evidence, Ask())
    for i, outcome in enumerate(found):
        if outcome.states is None:
            raise _impossible(batch, i)
    states = np.concatenate([np.zeros(0, np.int32), *(f.states for f in found)])
    return taken(_observed(batch, states.astype(np.int32)), numbers)


def _observed(batch: Batch, states: Ints) -> Instances:
    """Return a batch's instances with states of all variables as if these were observed."""
    instances = batch.instances
    unknowns = {}
    for name, observed in instances.unknowns.items():
        base = batch.grounding.base[name]
        shift = np.repeat(base - observed.start[:-1], np.diff(observed.start))
        state = states[np.arange(len(observed.state)) + shift].astype(np.int32)
        unknowns[name] = replace(observed, state=state, open=np.zeros_like(observed.open))
    return replace(instances, unknowns=unknowns)


def marginals(batch: Batch, values: Floats, ask: Ask) -> Iterator[dict[str, Floats]]:
    """Yield the marginals of every unknown of each instance, answers and latents.

    They are NaN where no configuration has a finite energy.
    """
    structure = batch.structure
    offset = structure.state_offset
    evidence = batch.grounding.evidence
    points = batch.grounding.points
    if points is None:
        every = outcomes(structure, values[0], evidence, "marginals", ask, batch.choice(ask))
    else:
        every = beliefs(batch, values, evidence, ask)
    for i, outcome in enumerate(every):
        out = {}
        first = offset[structure.instance[i]]
        possible = outcome.marginals is not None and outcome.status != INFEASIBLE
        for name in batch.compiled.model.unknowns:
            place, shape = _place(batch, name, i)
            low, high = offset[place.start] - first, offset[place.stop] - first
            part = np.full(high - low, np.nan)
            if possible and outcome.marginals is not None:
                part = outcome.marginals[low:high]
            out[name] = part.reshape(*shape, -1) if part.size else part.reshape(*shape, 0)
            grid = batch.compiled.model.grids.get(name)
            if grid is not None:  # an observed value is no point of its own
                out[name] = _on_points(out[name], grid, batch, name, i)
        yield out


def _on_points(part: Floats, grid: Grid, batch: Batch, name: str, i: int) -> Floats:
    """Return probabilities of the points of a grid, that of an observed value at the nearest."""
    own, observed = part[..., : grid.count].copy(), batch.instances.unknowns[name]
    place = slice(int(observed.start[i]), int(observed.start[i + 1]))
    seen = (observed.state[place] >= 0).reshape(own.shape[:-1])
    label = labels(batch.instances, grid)[place].reshape(own.shape[:-1])
    nearest = np.abs(np.array(grid.points) - label[..., None]).argmin(axis=-1)
    own[seen] = np.where(np.isnan(own[seen]), np.nan, np.eye(grid.count)[nearest[seen]])
    return own


def _place(batch: Batch, name: str, i: int) -> tuple[slice, tuple[int, ...]]:
    """Return the variables of one array of unknowns in one instance, and its shape."""
    observed = batch.instances.unknowns[name]
    first = int(batch.grounding.base[name][i])
    size = int(observed.start[i + 1] - observed.start[i])
    return slice(first, first + size), tuple(int(n) for n in observed.shape[i])


def is_fixed(unknown: Unknown) -> bool:
    """Return whether an unknown is finite, with the same values in every instance."""
    return unknown.values is not None and isinstance(unknown.values.count, Const | DomainSize)


def values_of(
    model: Model, unknown: Unknown, vocabularies: Vocabularies, most: int = 0
) -> list[Any]:
    """Return the values of a finite unknown in the order of its states.

    Parameters
    ----------
    most : how many there are where that depends on the instance.
    """
    grid = model.grids.get(unknown.name)
    if grid is not None:
        return list(grid.points)
    assert unknown.values is not None
    if unknown.values.domain is not None:
        return list(model.labels(unknown.values.domain, vocabularies))
    count = model.count(unknown.values, vocabularies) if is_fixed(unknown) else most
    return list(range(unknown.values.low, unknown.values.low + count))
