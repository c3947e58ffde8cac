"""Energies at random weights on random data: what is claimed of an energy, shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isnan, prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.bind import bind, wanted
from factorgraph.data.fill import fill
from factorgraph.data.mock import Instance, contrasts
from factorgraph.data.python import from_python
from factorgraph.errors import FgError
from factorgraph.ground.energy import energies, total
from factorgraph.ground.vocabulary import fill_features
from factorgraph.ground.weights import shapes
from factorgraph.model.expression import fixed_value

if TYPE_CHECKING:
    from factorgraph.judge.facts import Witness
    from factorgraph.model.model import Model

Floats = NDArray[np.float64]

GROUPS = 4
"""Random instances."""
EACH = 12
"""Answers that are tried for each of them."""
MOST_POSITIVE = 20.0
"""Of the scale of logarithms of what is positive, lest it be infinite."""
LARGE = 100_000
"""Weights of a model of which fewer configurations are looked at."""


class Trial:
    """Random data, in groups of configurations that differ in their unknowns alone.

    Attributes
    ----------
    wrong : bool [groups, each], which answers of a group differ from the first, the observed one.
    """

    def __init__(
        self,
        model: Model,
        seed: int = 0,
        hidden: int = 1,
        groups: int = GROUPS,
        each: int = EACH,
    ) -> None:
        """Draw data.

        Parameters
        ----------
        hidden : values of the latents beside each answer, where there are latents.
        groups, each : instances, and answers of each; fewer for large models.
        """
        self.model = model
        large = is_large(model)
        if large:
            groups, each = 2, 4
        hidden = min(hidden, 2 if large else hidden) if model.latents else 1
        made = contrasts(model, groups, each, seed, hidden)
        width = max(map(len, made))
        made = [[*group, *[group[0]] * (width - len(group))] for group in made]
        apart = _step(model)
        self.wrong = np.array(
            [[_differs(model, one[0], group[0][0], apart) for one in group] for group in made]
        )
        flat = [one for group in made for same in group for one in same]
        records = from_python(flat, wanted(model))
        instances = bind(model, records, fill(model, records), answers=True, latents=True)
        self.instances = fill_features(instances)
        self.random = np.random.default_rng(seed)
        self.shapes = {
            name: shape
            for name, shape in shapes(model, self.instances.vocabularies).items()
            if name.partition(".")[0] not in model.energies
        }
        self.size = sum(map(prod, self.shapes.values()))

    def energy(self, weights: dict[str, Floats], hard: bool = True) -> Floats:
        """Return the energies [groups, each, latents] of the configurations.

        Parameters
        ----------
        hard : whether hard factors count.
        """
        found = energies(self.model, self.instances, weights)
        if not hard:
            found = {n: e for n, e in found.items() if not self.model.factors[n].hard}
        return total(found, self.instances.count).reshape(*self.wrong.shape, -1)

    def weights(
        self, scale: float = 1.0, ties: Mapping[str, float] | None = None
    ) -> dict[str, Floats]:
        """Return random weights that are as they are declared.

        Parameters
        ----------
        scale : their standard deviation, that of a map's outputs for those of maps.
        ties : by the names of arrays, what all entries are; nan for equal shares of 1.
        """
        out = {}
        for name, shape in self.shapes.items():
            value = (ties or {}).get(name)
            if value is None:
                out[name] = self._drawn(name, shape, scale)
            else:
                out[name] = np.full(shape, 1.0 / shape[-1] if isnan(value) else value)
        return out

    def moved(self, weights: dict[str, Floats], step: float) -> dict[str, Floats]:
        """Return weights moved at random, still as they are declared."""
        fresh = self.weights(1.0)
        out = {}
        for name, old in weights.items():
            declared = self.model.params.get(name)
            constraint = "real" if declared is None else declared.constraint
            if constraint == "positive":
                out[name] = old * fresh[name] ** step
            elif constraint == "real":
                out[name] = old + step * fresh[name]
            else:
                share = min(step, 1.0)
                mixed = (1.0 - share) * old + share * fresh[name]
                if constraint == "unit":
                    mixed = mixed / np.linalg.norm(mixed, axis=-1, keepdims=True)
                out[name] = mixed
        return out

    def _drawn(self, name: str, shape: tuple[int, ...], scale: float) -> Floats:
        random = self.random
        declared = self.model.params.get(name)
        if declared is None:
            fan_in = prod(shape[:-1]) if len(shape) > 1 else 1
            return random.normal(0.0, scale / np.sqrt(fan_in), shape)
        match declared.constraint:
            case "positive":
                return np.exp(random.normal(0.0, min(scale, MOST_POSITIVE), shape))
            case "interval":
                return random.uniform(declared.low, declared.high, shape)
            case "simplex":
                return random.dirichlet(np.ones(shape[-1]), shape[:-1])
        drawn = random.normal(0.0, scale, shape)
        if declared.constraint == "unit":
            drawn = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
        return np.asarray(drawn)


def _step(model: Model) -> float:
    """Return by more than which real answers have to differ to be wrong."""
    asked = (a.options.get("step") for a in model.asked if a.name == "grid")
    return next((s for s in asked if isinstance(s, float | int)), 0.1)


def _differs(model: Model, one: Instance, observed: Instance, apart: float) -> bool:
    """Return whether an answer is wrong."""
    for name, unknown in model.answers.items():
        if unknown.kind.sort != "real":
            if one[name] != observed[name]:
                return True
        elif np.max(np.abs(np.subtract(one[name], observed[name]))) > apart:
            return True
    return False


def is_large(model: Model) -> bool:
    """Return whether a model has so many weights that fewer configurations are looked at."""
    return _least_size(model) > LARGE


def _least_size(model: Model) -> int:
    """Return how many weights there are at least, domains that data fill counted as one."""
    size = sum(prod(axis.fixed or 1 for axis in p.axes) for p in model.params.values())
    for mapped in model.maps.values():
        layers = [mapped.layer]
        while layers:
            one = layers.pop()
            layers += one.layers
            sizes = [int(fixed_value(s) or 1) for s in one.sizes]
            size += prod(sizes) if one.sort == "conv" else sum(
                a * b for a, b in zip(sizes, sizes[1:], strict=False)
            )  # fmt: skip
    return size


def shown(model: Model, found: Witness, seed: int = 0) -> Witness:
    """Return a witness with what its energies are on random data, at random other weights.

    Where that cannot be evaluated it is returned as it is.
    """
    try:
        trial = Trial(model, seed)
        energy = trial.energy(trial.weights(ties=found.weights), hard=False)
    except FgError:
        return found
    spread = float(np.max(energy.max(axis=1) - energy.min(axis=1)))
    return replace(found, spread=spread, energy=float(energy.flat[0]))
