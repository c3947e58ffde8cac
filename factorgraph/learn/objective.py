"""The objective: the sum of the instances' losses and the regularisers, with its gradient."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import prod
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.loss import LossProgram
from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.engine.region import Found
from factorgraph.errors import DataError, NumericalError, some
from factorgraph.factors.table import energy
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.looks import looks_of
from factorgraph.ground.outputs import require_outputs
from factorgraph.ground.transposed import Lists, Transposed, add_rows, in_turns, only_listed
from factorgraph.ground.weights import Layout, Weights, compact, shapes
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.free import shorten
from factorgraph.learn.observed import observed
from factorgraph.learn.shards import Crew, deal
from factorgraph.learn.vectors import ridge
from factorgraph.model.model import ParamDeclaration

Floats = NDArray[np.float64]

SHORTEN = 1 << 16
"""Weights of a param from which on its rows are stored by their free weights."""
SPAN = 1 << 16
"""Weights that are regularised at a time: few enough to stay in the cache."""


class Objective:
    """Sum of weight times loss over instances, plus ``l2 / 2 * sum w^2``; the l1 of weights that
    are held to nothing is left out.

    Calling it with a flat vector of coordinates (see `Coordinates`) returns the value and the
    gradient, which is overwritten by the next call.

    Parameters
    ----------
    compiled : a model compiled with a loss.
    instances : bound training data.
    crew : the threads that work on the shards.

    Raises
    ------
    DataError : where a training answer has infinite energy, naming instance and factor.

    Reference
    ---------
    LeCun, Chopra, Hadsell, Ranzato and Huang, "A Tutorial on Energy-Based Learning" (2006), (9).
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        instances: Instances,
        crew: Crew,
    ) -> None:
        assert compiled.loss is not None
        self.compiled = compiled
        self.module = module
        self.loss: LossProgram = compiled.loss
        self.losses = Losses(compiled, module)
        self.crew = crew
        self.layout: Layout
        self.batches: list[Batch]
        self.layout, self.batches = self._dealt(instances)
        self.coordinates = Coordinates(self.layout)
        self.count = instances.count
        # no page is taken of params whose rows the coordinates hold
        self._gradient = np.empty(self.layout.size)

    @cached_property
    def turns(self) -> list[Transposed]:
        """The lists of the batches, by which gradients are added up."""
        return [Transposed(self.compiled, self.layout, self.batches)]

    @property
    def l1(self) -> Floats:
        """The coefficient of each coordinate's absolute value, which is left to the optimiser."""
        return self.coordinates.free(self.layout.coefficients("l1"))

    def keep_observed(self) -> None:
        """Let weights that no training answer reads stay at 0: they have no coordinates."""
        (transposed,) = self.turns
        chosen = observed(self.layout, self.batches, transposed, self.crew)
        self.coordinates = Coordinates(self.layout, chosen, self.crew)
        if chosen is None or self.coordinates.held or self.layout.size >= 2**31:
            return
        alone = {
            name for name in transposed.alone
            if self.layout.places[name].stop - self.layout.places[name].start > SHORTEN
        }  # fmt: skip
        if not alone:
            return
        del transposed, self.turns
        self.turns = in_turns(self.compiled, self.layout, self.batches)
        self.coordinates.shorten(alone)
        for batch in self.batches:
            shorten(batch.grounding, self.coordinates.rows)

    def _dealt(self, instances: Instances) -> tuple[Layout, list[Batch]]:
        """Return the layout of the weights that instances touch, and their shards."""
        compiled = self.compiled
        weights = weights_of(instances, only_listed(compiled))
        parts = [instances.part(*span) for span in deal(instances, weights)]
        groundings = list(self.crew.map(lambda part: ground(compiled, part, tabled=True), parts))
        layout, groundings = compact(compiled, instances.vocabularies, groundings)
        states = sum(g.structure.size for g in groundings)
        budget.require(8 * (4 * states + 20 * layout.size), "training")
        require_outputs(groundings, self.crew.threads)
        if not self.loss.reads_data:
            groundings = [replace(g, instances=g.instances.bare()) for g in groundings]
        return layout, [Batch(compiled, self.module, g) for g in groundings]

    @property
    def shards(self) -> int:
        """In how many parts the instances are worked on."""
        return len(self.batches)

    @property
    def reason(self) -> str:
        """Which inference answers for the instances, and why."""
        if not self.batches:
            return "no instances"
        method = looks_of(self.batches[0], self.loss).reason.split(",")[0]
        factors = sum(len(g.table) for b in self.batches for g in b.structure.groups)
        return f"{method}, {some(factors, 'factor')}"

    def __call__(self, flat: Floats) -> tuple[float, Floats]:
        """Return the value and the gradient at a flat vector of coordinates.

        Raises
        ------
        NumericalError : where an energy or a loss is not finite, naming factor and instance.
        """
        if self.coordinates.rows:
            return self._by_rows(flat)
        packed, gradient = self.coordinates.weights(flat), self._gradient
        spans = list(self.layout.spans(SPAN))
        value = sum(self.crew.map(lambda s: regularise(s, packed, gradient), spans), 0.0)
        value += self.add_losses(packed, gradient)
        return value, self.coordinates.pull_back(flat, packed, gradient)

    def _by_rows(self, flat: Floats) -> tuple[float, Floats]:
        """Return what calling it does where the coordinates hold rows of weights, none of which is
        held to anything."""
        coordinates, gradient = self.coordinates, self._gradient
        weights, into = coordinates.views(flat), self.layout.views(gradient)
        rows, picked, value = coordinates.rows, coordinates.picked, 0.0
        for name, place in self.layout.places.items():
            l2 = place.declaration.l2
            if name in rows:
                value += rows[name].ridge(flat, l2, picked, self.crew)
            else:
                whole = weights[name].reshape(-1)
                value += ridge(whole, l2, into[name].reshape(-1), 0, len(whole))

        def add(part: tuple[Lists, int, int]) -> None:
            name = part[0].param
            if name in rows:
                rows[name].add(part, picked)
            else:
                add_rows(part, into)

        value += self._add_losses(weights, into, add)
        return value, coordinates.take(gradient)

    def add_losses(self, packed: Floats, gradient: Floats) -> float:
        """Add the gradient of the losses at packed weights; return their sum."""
        value = 0.0
        if not self.batches:  # they lie elsewhere, or there are none
            for part, slopes in self.worked(packed):
                value += part
                gradient += slopes
            return value
        into = self.layout.views(gradient)
        return self._add_losses(self.layout.views(packed), into, lambda p: add_rows(p, into))

    def _add_losses(
        self, weights: Weights, into: Weights, add: Callable[[tuple[Lists, int, int]], None]
    ) -> float:
        """Add the gradient of the losses; ``add`` adds that of a range of picked rows."""
        value = 0.0
        for transposed in self.turns:

            def work(b: int, transposed: Transposed = transposed) -> tuple[float, Weights]:
                batch, direct = transposed.batches[b], transposed.empty()
                loss, cotangent = self.losses(batch, weights)
                batch.adjoints(weights, cotangent[0], direct, transposed.rooms[b])
                return float(loss.sum()), direct

            for part, direct in self.crew.map(work, range(len(transposed.batches))):
                value += part
                for name in transposed.direct:
                    into[name] += direct[name]
            for _ in self.crew.map(add, transposed.parts):
                pass
        return value

    def worked(self, packed: Floats) -> Iterator[tuple[float, Floats]]:
        """Yield the loss of each shard and its gradient at packed weights, in order."""
        weights = self.layout.views(packed)
        return self.crew.map(
            lambda batch: slope(self.losses, batch, weights, self.layout), self.batches
        )


def slope(losses: Losses, batch: Batch, weights: Weights, layout: Layout) -> tuple[float, Floats]:
    """Return the sum of a shard's losses and its gradient, packed."""
    loss, cotangent = losses(batch, weights)
    gradient = np.zeros(layout.size)
    batch.add_gradient(weights, cotangent[0], layout.views(gradient))
    return float(loss.sum()), gradient


def regularise(span: tuple[int, int, ParamDeclaration], packed: Floats, slopes: Floats) -> float:
    """Write the slopes of a stretch's regularisers; return what they cost.

    The l1 of weights that are held to nothing is the optimiser's.
    """
    low, high, declaration = span
    value = ridge(packed, declaration.l2, slopes, low, high)
    if declaration.l1 and declaration.constraint != "real":
        x = packed[low:high]
        value += declaration.l1 * float(np.abs(x).sum())
        slopes[low:high] += declaration.l1 * np.sign(x)
    return value


@dataclass(frozen=True, eq=False)
class Probed:
    """What the probes of a loss find on a batch.

    Attributes
    ----------
    values : float64 [1, T], the tables, those of the first cost behind them.
    found : for each probe.
    slopes : for each probe float64 [J], d sum of losses / d its value.
    loss : float64 [I], weight times loss.
    """

    values: Floats
    found: list[Found]
    slopes: list[Floats]
    loss: Floats


class Losses:
    """The losses of some instances and their slopes in the energies, by the probes that they need.

    Parameters
    ----------
    compiled : a model compiled with a loss.
    """

    def __init__(self, compiled: Compiled, module: ModuleType) -> None:
        assert compiled.loss is not None
        self.loss: LossProgram = compiled.loss
        self.module = module

    def __call__(self, batch: Batch, weights: Weights) -> tuple[Floats, Floats]:
        """Return float64 [I], weight times loss, and [1, T], d sum of losses / d values.

        Raises
        ------
        NumericalError : where an energy or a loss is not finite, naming factor and instance.
        """
        probed = self.probed(batch, weights, keep=True)
        cotangent = np.zeros_like(probed.values)
        for one, slope in zip(probed.found, probed.slopes, strict=True):
            one.add_cotangents(slope[None], cotangent)
        return probed.loss, cotangent[:, : batch.structure.size]

    def probed(self, batch: Batch, weights: Weights, *, keep: bool = False) -> Probed:
        """Return what the probes find, and the slopes of the loss in it.

        Parameters
        ----------
        keep : as of `Batch.energies`.

        Raises
        ------
        NumericalError : where an energy or a loss is not finite, naming factor and instance.
        """
        looks = looks_of(batch, self.loss)
        size = batch.structure.size
        values = looks.values()
        batch.energies(weights, values[0, :size], keep=keep)
        looks.refine(values)
        found: list[Found] = []
        for probe in looks.probes:
            found.append(probe(values, found))
        numbers = [np.ascontiguousarray(f.value[0]) for f in found]
        slopes = [np.zeros_like(n) for n in numbers]
        loss = np.empty(batch.structure.instances)
        self.module.loss(batch.instances.weight, loss, *looks.arguments(numbers, slopes))
        if not np.isfinite(loss).all():
            self._refuse(batch, values[:, :size], loss)
        return Probed(values, found, slopes, loss)

    def _refuse(self, batch: Batch, values: Floats, loss: Floats) -> None:
        i = int(np.flatnonzero(~np.isfinite(loss))[0])
        where = batch.instances.where(i)
        states = batch.grounding.evidence
        if (states < 0).any():
            states = batch.engine.minimum(values, states).states[0]
        if np.isinf(energy(batch.structure, values, states)[0, i]):
            factor = impossible(batch, values[0], states, i)
            raise DataError(
                f"{where}: the answer has infinite energy"
                + (f", factor `{factor}` forbids it" if factor else ""),
                code="E0318",
                hint="mend the data or the factor; --skip-infeasible leaves such instances out",
            )
        raise NumericalError(f"{where}: the loss is {loss[i]}", code="E0702")


def weights_of(instances: Instances, without: Collection[str] = ()) -> int:
    """Return how many weights the params and maps of a model have, but for some, for `deal`."""
    every = shapes(instances.model, instances.vocabularies)
    return sum(prod(shape) for name, shape in every.items() if name not in without)


def impossible(batch: Batch, values: Floats, states: NDArray[np.int32], i: int) -> str | None:
    """Return the first factor of instance ``i`` whose energy is +inf at the given states."""
    for g, group in enumerate(batch.structure.groups):
        rows = slice(int(group.rows[i]), int(group.rows[i + 1]))
        tables = batch.structure.table(values, g)
        index = (group.table[rows], *states[group.scope[rows]].T)
        if np.isinf(tables[index]).any():
            return group.name
    return None
