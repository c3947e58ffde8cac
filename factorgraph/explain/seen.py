"""What the first instances of some data tell of the graphs that inference meets."""

from __future__ import annotations

import numpy as np

from factorgraph.compiler.module import Compiled, load
from factorgraph.data.instances import Instances
from factorgraph.explain.probes import Seen
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground


def seen(compiled: Compiled, instances: Instances) -> Seen:
    """Return what bound instances tell.

    Raises
    ------
    InferenceError : no exact engine can answer for their graphs.
    """
    grounding = ground(compiled, instances)
    batch = Batch(compiled, load(compiled.text), grounding)
    sizes = np.diff(batch.structure.instance)
    return Seen(
        instances.count,
        int(sizes.sum()),
        int(sizes.max(initial=0)),
        batch.reason,
        not compiled.model.latents and bool((grounding.evidence >= 0).all()),
    )
