"""Which weights a training answer reads: with ``--observed`` the others stay at 0.

A weight is read where an answer, or one that the missing labels and latent unknowns allow, has an
energy whose slope in the weight is not 0 at weights drawn at random. So nothing of a factor has
to be known but its gradient.

Reference
---------
F. Sha and F. Pereira, Shallow Parsing with Conditional Random Fields, NAACL 2003, section 4.1
(features that occur with their label, "supported" ones, against all).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from factorgraph.factors.agree import mark
from factorgraph.ground.batch import Batch
from factorgraph.ground.transposed import Transposed, add_rows, add_to
from factorgraph.ground.weights import Layout
from factorgraph.learn.shards import Crew

Floats = NDArray[np.float64]

DRAWS = 2
"""Random points: a weight that a kink hides at one (``max(w, 0)``) is seen at the other."""


def observed(
    layout: Layout, batches: Sequence[Batch], transposed: Transposed, crew: Crew
) -> NDArray[np.int64] | None:
    """Return the places, in the flat vector, of the weights that are free; None for all.

    Params that are held to something, and weights of maps, are free as a whole.
    """
    read = np.zeros(layout.size, np.bool_)
    for name, place in layout.places.items():
        of_map = not batches or name not in batches[0].compiled.model.params
        read[place.start : place.stop] = of_map or place.declaration.constraint != "real"
    for draw in range(DRAWS):
        packed = np.random.default_rng(draw).uniform(0.5, 1.5, layout.size)
        packed *= (-1.0) ** draw
        weights = layout.views(packed)
        slopes = np.zeros(layout.size)  # no page is taken of what one list alone reads
        gradient = layout.views(slopes)

        def work(b: int, weights: dict[str, Floats] = weights) -> dict[str, Floats]:
            batch, direct = batches[b], transposed.empty()
            cotangent = agreeing(batch, b)
            batch.adjoints(weights, cotangent, direct, transposed.rooms[b])
            return direct

        for direct in crew.map(work, range(len(batches))):
            for name in transposed.direct:
                gradient[name] += direct[name]
        for part in transposed.parts:
            lists, low, high = part
            if lists.param not in transposed.alone:
                add_rows(part, gradient)
                continue
            rows = np.zeros((high - low, lists.adjoint.shape[1]))
            add_to(part, rows)
            first = layout.places[lists.param].start
            read[first + low * rows.shape[1] : first + high * rows.shape[1]] |= rows.ravel() != 0
        for name, place in layout.places.items():
            if name not in transposed.alone:  # also where it is no number
                read[place.start : place.stop] |= slopes[place.start : place.stop] != 0
    return None if read.all() else np.flatnonzero(read)


def agreeing(batch: Batch, seed: int) -> Floats:
    """Return float64 [T]: a random positive number for each entry of a table that a factor of a
    weighted instance reads in some configuration that agrees with its answer, 0 elsewhere."""
    structure = batch.structure
    there = np.zeros(structure.size, np.bool_)
    for g, group in enumerate(structure.groups):
        mark(
            group.scope,
            group.table,
            group.rows,
            np.array(group.cards, np.int64),
            structure.offset[g],
            batch.grounding.evidence,
            batch.instances.weight,
            there,
        )
    random = np.random.default_rng([seed, 1])
    # all of one sign and of any size: terms that cancel for a weight cancel in no draw
    return np.where(there, random.uniform(0.5, 1.5, structure.size), 0.0)
