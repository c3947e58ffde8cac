"""Labels hidden at random, to see what a model learns from those that are left."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factorgraph.data.instances import Instances
from factorgraph.errors import UsageError


def hide(instances: Instances, share: float, seed: int) -> Instances:
    """Return instances in which a share of the observed answers is missing.

    Parameters
    ----------
    share : of the labels, each hidden by itself with this probability; below 1.
    seed : the same seed hides the same labels.

    Raises
    ------
    UsageError : the share is none.
    """
    if not 0 <= share < 1:
        raise UsageError(f"`hide` is a share of at least 0 and below 1, not {share}", code="E0910")
    random = np.random.default_rng([seed, 1])
    unknowns = dict(instances.unknowns)
    for name in instances.model.answers:
        observed = unknowns[name]
        number = observed.values.get("")
        if number is not None:  # real numbers
            hidden = random.random(len(number.values)) < share
            owner = np.repeat(np.arange(instances.count), np.diff(observed.start))
            lost = np.bincount(owner[hidden], minlength=instances.count) > 0
            gone = hidden if number.missing is None else hidden | number.missing
            unknowns[name] = replace(
                observed, values={"": replace(number, missing=gone)}, open=observed.open | lost
            )
            continue
        hidden = random.random(len(observed.state)) < share
        owner = np.repeat(np.arange(instances.count), np.diff(observed.start))
        missing = (
            np.bincount(owner[hidden], minlength=instances.count) > 0 if len(hidden) else False
        )
        unknowns[name] = replace(
            observed,
            state=np.where(hidden, -1, observed.state).astype(np.int32),
            open=observed.open | missing,
        )
    return replace(instances, unknowns=unknowns)
