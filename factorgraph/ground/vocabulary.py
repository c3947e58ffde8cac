"""Domains of features: which features occur often enough in the training data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factorgraph.data.instances import Instances, Vocabularies
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.coded import Coded, forget
from factorgraph.ground.evaluate import Evaluator
from factorgraph.model.expression import Expr
from factorgraph.model.model import Model


def fill_features(instances: Instances) -> Instances:
    """Return the instances with their domains of features filled, names sorted.

    Features that occur less often than their `min`, over all rows of all instances, are left
    out: they count nothing later.
    """
    model = instances.model
    if not model.features:
        return instances
    known: dict[Expr, Coded] = {}
    filled = often(model, count_features(instances, known))
    out = replace(instances, vocabularies=instances.vocabularies | filled)
    out = replace(out, lets=compute_lets(out, known))
    forget()
    return out


def count_features(
    instances: Instances, known: dict[Expr, Coded] | None = None
) -> dict[str, dict[str, int]]:
    """Return how often each feature occurs, by domain.

    Parameters
    ----------
    known : takes the codes of texts that are needed again.
    """
    at = Evaluator(instances, "features", compute_lets(instances))
    counts: dict[str, dict[str, int]] = {}
    for features in instances.model.features:
        at.what = f"features of `{features.domain}`"
        counts.setdefault(features.domain, {})
        every = list(blocks(instances.count, features.binders, features.guard, at))
        for rows in every:
            for name in features.names:
                names = at.coded(name, rows)
                _count(names, counts[features.domain])
                if known is not None and len(every) == 1 and features.guard is None:
                    known[name] = Coded(names.code.astype(np.int32), names.words)
    return counts


def often(model: Model, counts: dict[str, dict[str, int]]) -> Vocabularies:
    """Return the features that occur often enough, by domain, sorted."""
    least = {features.domain: features.least for features in model.features}
    return {
        domain: tuple(sorted(n for n, count in found.items() if count >= least[domain]))
        for domain, found in counts.items()
    }


def _count(names: Coded, into: dict[str, int]) -> None:
    """Add how often each text occurs."""
    count = np.bincount(names.code, minlength=len(names.words)).tolist()
    for word, n in zip(names.words, count, strict=True):
        if n:
            into[word] = into.get(word, 0) + n
