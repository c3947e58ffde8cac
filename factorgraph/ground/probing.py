"""Probes of a loss over the values of a batch: in whole or in part, at the answer, beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.region import Found, Probing
from factorgraph.factors.table import add_indicator, energy
from factorgraph.graph.structure import Energies, Ints, Structure

Longs = NDArray[np.int64]


class Looking(Protocol):
    """A probe at the rows of its space."""

    def __call__(self, values: Energies, found: Sequence[Found]) -> Found:
        """Look at values [1, T], after the probes before it have found something."""


class Look:
    """A probe at the rows of its space, over the values of a batch.

    Parameters
    ----------
    size : of the batch's own values.
    tail : tables of a cost that come after them; None where they are there already.
    """

    def __init__(self, inner: Probing, structure: Structure, size: int, scale: float,
                 tail: Energies | None) -> None:  # fmt: skip
        self.inner, self.structure = inner, structure
        self.own, self.scale, self.tail = size, scale, tail

    def __call__(self, values: Energies, found: Sequence[Found] = ()) -> Found:
        """Look at values [1, T] with room for the first cost."""
        if self.tail is None and self.scale == 1:
            return Part(self.inner(values[:, : self.structure.size]), self)
        tail = values[:, self.own : self.structure.size] if self.tail is None else self.tail[None]
        return Part(
            self.inner(np.concatenate([self.scale * values[:, : self.own], tail], axis=1)), self
        )


class Part:
    """What was found in a part of the values, or in a copy of them."""

    def __init__(self, found: Found, look: Look) -> None:
        self.found, self.look = found, look

    @property
    def value(self) -> Energies:
        return self.found.value

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        look = self.look
        if look.tail is None and look.scale == 1:
            self.found.add_cotangents(weight, into[:, : look.structure.size])
            return
        inner = np.zeros((1, look.structure.size))
        self.found.add_cotangents(weight, inner)
        into[:, : look.own] += look.scale * inner[:, : look.own]


@dataclass(frozen=True, eq=False)
class Known:
    """The energy of the only configuration that agrees with the evidence.

    Attributes
    ----------
    states : int32 [V], all of them.
    """

    structure: Structure
    states: Ints

    def __call__(self, values: Energies) -> Found:
        return AtAnswer(self, energy(self.structure, values, self.states))


class AtAnswer:
    """The energy of a configuration that is known before."""

    def __init__(self, probe: Known, value: Energies) -> None:
        self.probe, self.value = probe, value

    @property
    def states(self) -> Ints:
        return self.probe.states

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        add_indicator(self.probe.structure, self.probe.states, weight, into)


@dataclass(frozen=True, eq=False)
class Beside:
    """Some variables with all that touches them; everything else stays at the answer.

    Attributes
    ----------
    inner : the probe of the view.
    here : the energy of the view at the answer.
    whole : the energy of the whole at the answer.
    owner : int64 [J], the instance that each instance of the view is a part of.
    """

    inner: Probing
    here: Known
    whole: Known
    owner: Longs

    def __call__(self, values: Energies) -> Found:
        return _Beside(self, self.inner(values), self.here(values), self.whole(values))


class _Beside:
    def __init__(self, probe: Beside, found: Found, here: Found, whole: Found) -> None:
        self.probe, self.found, self.here, self.whole = probe, found, here, whole
        self.value: Energies = found.value + (whole.value[:, probe.owner] - here.value)

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        self.found.add_cotangents(weight, into)
        self.here.add_cotangents(-weight, into)
        owner, count = self.probe.owner, self.whole.value.shape[1]
        self.whole.add_cotangents(
            np.bincount(owner, weight[0], minlength=count).astype(np.float64)[None], into
        )


@dataclass(frozen=True, eq=False)
class Shifted:
    """A probe whose values, float64 [1, J], are greater by constants."""

    inner: Probing
    shift: Energies

    def __call__(self, values: Energies) -> Found:
        return _Shifted(self.inner(values), self.shift)


class _Shifted:
    def __init__(self, found: Found, shift: Energies) -> None:
        self.found = found
        self.value: Energies = found.value + shift
        self.add_cotangents = found.add_cotangents
