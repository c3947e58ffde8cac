"""Domains of features: which features occur often enough in the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factorgraph.data.instances import Instances
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.coded import Coded, forget
from factorgraph.ground.evaluate import Evaluator
from factorgraph.model.expression import Expr


def fill_features(instances: Instances) -> Instances:
    """Return the instances with their domains of features filled, names sorted.

    Features that occur less often than their `min`, over all rows of all instances, are left
    out: they count nothing later.
    """
    model = instances.model
    if not model.features:
        return instances
    at = Evaluator(instances, "features", compute_lets(instances))
    counts: dict[str, dict[str, int]] = {}
    least: dict[str, int] = {}
    known: dict[Expr, Coded] = {}
    for features in model.features:
        at.what = f"features of `{features.domain}`"
        counts.setdefault(features.domain, {})
        least[features.domain] = features.least
        every = list(blocks(instances.count, features.binders, features.guard, at))
        for rows in every:
            for name in features.names:
                names = at.coded(name, rows)
                _count(names, counts[features.domain])
                if len(every) == 1 and features.guard is None:
                    known[name] = Coded(names.code.astype(np.int32), names.words)
    filled = {
        domain: tuple(sorted(n for n, count in found.items() if count >= least[domain]))
        for domain, found in counts.items()
    }
    out = replace(instances, vocabularies=instances.vocabularies | filled)
    out = replace(out, lets=compute_lets(out, known))
    forget()
    return out


def _count(names: Coded, into: dict[str, int]) -> None:
    """Add how often each text occurs."""
    count = np.bincount(names.code, minlength=len(names.words)).tolist()
    for word, n in zip(names.words, count, strict=True):
        if n:
            into[word] = into.get(word, 0) + n
