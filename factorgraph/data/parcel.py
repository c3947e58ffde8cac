"""Instances as plain values that can be sent to another process: arrays, texts and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from factorgraph.data.column import Column, Records
from factorgraph.data.instances import Instances, Observed
from factorgraph.data.shared import Sparse
from factorgraph.model.model import Model

Parcel = dict[str, Any]
"""Dicts, lists and tuples of arrays, texts and numbers."""


def pack(instances: Instances) -> Parcel:
    """Return instances without their model; of their records, only where they are from.

    What all instances share is in it once.
    """
    records, count = instances.records, instances.count
    origin = records.origin
    if origin is not None:
        origin = origin[instances.first : instances.first + count]
    return {
        "count": count,
        "first": instances.first if origin is None else 0,
        "source": records.source,
        "origin": origin,
        "by_line": records.by_line,
        "sizes": instances.sizes,
        "givens": {name: _column(c) for name, c in instances.givens.items()},
        "rows": {name: _column(c) for name, c in instances.rows.items()},
        "sparse": {
            name: (m.shape, m.indptr, m.indices, m.data) for name, m in instances.sparse.items()
        },
        "unknowns": {
            name: (o.state, o.start, o.shape, {k: _column(c) for k, c in o.values.items()}, o.open)
            for name, o in instances.unknowns.items()
        },
        "weight": instances.weight,
        "vocabularies": {name: list(words) for name, words in instances.vocabularies.items()},
    }


def unpack(model: Model, parcel: Mapping[str, Any]) -> Instances:
    """Return the instances of a parcel, with arrays of their own where need be."""
    count = parcel["count"]
    records = Records(parcel["source"], parcel["first"] + count, {}, parcel["origin"],
                      parcel["by_line"])  # fmt: skip
    return Instances(
        model,
        records,
        count,
        {name: _own(size) for name, size in parcel["sizes"].items()},
        {name: _opened(c, count) for name, c in parcel["givens"].items()},
        {name: _opened(c, count) for name, c in parcel["rows"].items()},
        {
            name: Sparse(tuple(shape), _own(indptr), _own(indices), _own(data))
            for name, (shape, indptr, indices, data) in parcel["sparse"].items()
        },
        {
            name: Observed(
                _own(state),
                _own(start),
                _own(shape),
                {key: _opened(c, count) for key, c in values.items()},
                _own(open_),
            )
            for name, (state, start, shape, values, open_) in parcel["unknowns"].items()
        },
        _own(parcel["weight"]),
        {name: tuple(words) for name, words in parcel["vocabularies"].items()},
        parcel["first"],
    )


def _column(column: Column) -> tuple[Any, ...]:
    """Return a column's parts; of shared values neither starts nor the repeated shape."""
    if column.shared and len(column.shape):
        return (column.name, column.values, None, column.shape[0].tolist(), column.missing)
    return (column.name, column.values, column.start, column.shape, column.missing)


def _opened(parts: tuple[Any, ...], count: int) -> Column:
    name, values, start, shape, missing = parts
    flags = None if missing is None else _own(missing)
    if start is not None:
        return Column(name, _own(values), _own(start), _own(shape), flags)
    extents = np.broadcast_to(np.array(shape, np.int64).reshape(1, -1), (count, len(shape)))
    start = np.zeros(count + 1, np.int64)
    return Column(name, _own(values), start, extents, flags, shared=True)


def _own(array: Any) -> Any:
    """Return an array that may be written: what comes over the wire may be read only."""
    return np.require(array, requirements=["C", "W"])
