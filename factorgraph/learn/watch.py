"""How well weights answer while they are trained: on a sample, and on validation data."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.errors import InferenceError
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.weights import Layout, Weights, whole
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.free import FreeRows, shorten
from factorgraph.learn.measure import Errors, Scores, measure
from factorgraph.learn.shards import MOST, Crew, deal

Floats = NDArray[np.float64]

PART, WORTH = 1 << 18, 1 << 12
"""Unknowns in one graph while measuring, at most; and so many are worth a graph of their own."""


class Watch:
    """Scores of flat vectors of coordinates on some instances.

    Parameters
    ----------
    instances : with answers; None measures nothing.
    start : all weights as they are at the start.
    layout : of the weights that training moves.
    coordinates : what training moves; None where these are the layout's.

    Attributes
    ----------
    batches : the instances, where inference is exact; none where it is not.
    every : the instances.
    """

    def __init__(
        self,
        compiled: Compiled,
        module: ModuleType,
        instances: Instances | None,
        start: Weights,
        layout: Layout,
        crew: Crew,
        coordinates: Coordinates | None = None,
    ) -> None:
        self.batches: list[Batch] = []
        self.every: list[Batch] = []
        self.start, self.layout, self.crew = start, layout, crew
        self.coordinates = Coordinates(layout) if coordinates is None else coordinates
        self.whole: Layout | None = None
        if instances is not None:
            few = int(instances.variables.sum()) // WORTH
            spans = deal(instances, 0, PART, most=min(MOST, max(1, few)))
            found = [ground(compiled, instances.part(*span), tabled=True) for span in spans]
            known = [g for g in map(layout.following, found) if g is not None]
            if len(known) == len(found):
                for grounding in known:
                    shorten(grounding, self.coordinates.rows)
            else:  # they read weights that training leaves alone
                self.whole, known = whole(compiled, instances.vocabularies), found
            self.every = [Batch(compiled, module, grounding) for grounding in known]
            with suppress(InferenceError):  # a local loss trains what cannot be inferred
                self.batches = [batch for batch in self.every if batch.reason]

    def __call__(self, flat: Floats) -> Scores | None:
        """Return the scores at some coordinates."""
        if not self.batches:
            return None
        return measure(self.batches, self.weights(flat), self.crew)

    def weights(self, flat: Floats) -> Weights:
        """Return the weights at some coordinates, as the batches index them."""
        if self.whole is None:
            return self.coordinates.views(flat)
        declared = self.layout.unpack(self.coordinates.weights(flat), self.start)
        return self.whole.views(self.whole.pack(declared))

    @property
    def short(self) -> dict[str, FreeRows]:
        """The params that `weights` gives by their free rows."""
        return {} if self.whole else self.coordinates.rows

    def sizes(self, flat: Floats, weights: Weights) -> dict[str, float]:
        """Return the root of the mean square of each param, given what `weights` gives."""
        out = {}
        for name, array in weights.items():
            rows = self.short.get(name)
            one = array if rows is None else flat[rows.span]
            size = array.size if rows is None else rows.place.stop - rows.place.start
            if size:
                one = one.ravel()  # no BLAS, whose threads wait at full speed for more to do
                out[name] = float(np.sqrt(np.einsum("i,i", one, one) / size))
        return out


def validated(scores: Scores | None) -> float | None:
    """Return one figure, more is better: F1 of chunks where there are some, the mean error of real
    answers where there are no others, negative, else the share of unknowns that are read right."""
    if scores is None:
        return None
    if scores.overall is None and scores.errors:
        total = sum(scores.errors.values(), Errors())
        return -total.absolute / total.count if total.count else None
    return scores.overall if scores.chunks is None else float(scores.chunks.as_dict()["f1"])
