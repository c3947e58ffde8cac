"""Domains of features: which features occur often enough in the training data."""

from __future__ import annotations

from dataclasses import replace

from factorgraph.data.instances import Instances
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.texts import count_names


def fill_features(instances: Instances) -> Instances:
    """Return the instances with their domains of features filled, names sorted.

    Features that occur less often than their `min`, over all rows of all instances, are left
    out: they count nothing later.
    """
    model = instances.model
    if not model.features:
        return instances
    computed = compute_lets(instances)
    counts: dict[str, dict[str, int]] = {}
    least: dict[str, int] = {}
    for features in model.features:
        at = Evaluator(instances, f"features of `{features.domain}`", computed)
        found = counts.setdefault(features.domain, {})
        least[features.domain] = features.least
        for rows in blocks(instances.count, features.binders, features.guard, at):
            for name, count in count_names([at(e, rows) for e in features.names]).items():
                found[name] = found.get(name, 0) + count
    filled = {
        domain: tuple(sorted(n for n, count in found.items() if count >= least[domain]))
        for domain, found in counts.items()
    }
    return replace(instances, vocabularies=instances.vocabularies | filled)
