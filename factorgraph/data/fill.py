"""Domains without values are filled by the training data."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from factorgraph.data.column import Column, Records
from factorgraph.data.instances import Vocabularies
from factorgraph.errors import DataError, did_you_mean
from factorgraph.model.model import Given, IndexSet, Model, Unknown


def fill(model: Model, records: Records) -> Vocabularies:
    """Return the labels of every domain that data fill, sorted.

    Domains of features are left empty: their values are computed from the data, not read.

    Raises
    ------
    DataError : where a domain occurs in no field of the data.
    """
    out: Vocabularies = {}
    features = {f.domain for f in model.features}
    for name, found in labels(model, records).items():
        if not found and name not in features:
            raise DataError(
                f"{records.top}: no field gives the values of domain `{name}`",
                code="E0314",
                hint=_hint(model, records, name),
            )
        out[name] = tuple(sorted(found))
    return out


def labels(model: Model, records: Records) -> dict[str, set[str]]:
    """Return the labels that data hold of every domain that they fill; none of features."""
    features = {f.domain for f in model.features}
    out: dict[str, set[str]] = {}
    for name, domain in model.domains.items():
        if not domain.from_data:
            continue
        out[name] = set()
        for column in () if name in features else _columns(model, records, name):
            present = column.values
            if column.missing is not None:
                present = present[~column.missing]
            out[name].update(str(v) for v in np.unique(present))
    return out


def _hint(model: Model, records: Records, domain: str) -> str:
    """Return what to do where nothing fills a domain."""
    declared = {*model.givens, *model.unknowns}
    free = [field for field in records.fields if field not in declared]
    slots: list[Given | Unknown] = [*model.givens.values(), *model.unknowns.values()]
    for slot in slots:
        holds = [slot.values, *(field.values for field in slot.fields)]
        if any(values is not None and values.domain == domain for values in holds):
            near = did_you_mean(slot.name, free) if slot.name not in records.fields else None
            if near:
                return f"the data have no `{slot.name}`: {near}"
    return f"list them in the model: `domain {domain} = {{…}}`"


def _columns(model: Model, records: Records, domain: str) -> Iterator[Column]:
    """Yield the columns that hold values of a domain."""

    def holds(values: IndexSet | None) -> bool:
        return values is not None and values.domain == domain

    slots: list[Given | Unknown] = [*model.givens.values(), *model.unknowns.values()]
    for slot in slots:
        if holds(slot.values) and slot.name in records.columns:
            yield records.columns[slot.name]
        for k, field in enumerate(slot.fields):
            if not holds(field.values):
                continue
            for name in (f"{slot.name}.{field.name}", f"{slot.name}.{k}"):
                if name in records.columns:
                    yield records.columns[name]
            whole = records.columns.get(slot.name)
            if whole is None:
                continue
            if whole.rank == len(slot.axes) + 1 + (slot.kind.sort == "sequence"):
                yield Column(
                    slot.name, whole.values[k :: len(slot.fields)], whole.start, whole.shape,
                    None if whole.missing is None else whole.missing[k :: len(slot.fields)],
                )  # fmt: skip
            elif slot.kind.sort == "sequence" and whole.rank == 1:
                yield whole
