"""Grounding of ten million grid factors: seconds, and peak memory beyond the graph itself."""

from __future__ import annotations

import resource
import time

import numpy as np
from figures import report

import factorgraph as fg
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.ground.ground import Grounding, ground

GRID = """
size   h, w
answer x[h, w] : 0..3
param  A[4, 4]
factor right[i in h, j in 1..w-1] = -A[x[i,j-1], x[i,j]]
factor down[i in 1..h-1, j in w]  = -A[x[i-1,j], x[i,j]]
"""


def main() -> None:
    model = fg.compile(GRID)

    def grounded(side: int) -> Grounding:
        data = from_python({"h": np.array([side]), "w": np.array([side])})
        return ground(model.compiled, bind(model.checked, data))

    grounded(50)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    made = grounded(2237)
    took = time.perf_counter() - begun
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    structure = made.structure
    arrays = [structure.card, made.evidence, structure.instance]
    for group in structure.groups:
        arrays += [group.scope, group.table, group.rows]
    own = sum(a.nbytes for a in arrays)
    report(
        factors=sum(len(g.table) for g in structure.groups),
        seconds=took,
        graph_megabytes=own / 1e6,
        megabytes_beyond_the_graph=(peak - own) / 1e6,
    )


if __name__ == "__main__":
    main()
