"""Grey values made bits, as ``--binarize`` does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from factorgraph.data.column import Column, Records
from factorgraph.errors import UsageError
from factorgraph.model.expression import BIT
from factorgraph.model.model import Given, Model, Unknown


def binarize(model: Model, records: Records, threshold: float) -> Records:
    """Return records in which fields that the model declares as bits are 1 above a threshold.

    Fields that do not hold finite numbers stay as they are, so that what reads them refuses them.

    Raises
    ------
    UsageError : the threshold is not finite.
    """
    if not np.isfinite(threshold):
        raise UsageError(f"--binarize {threshold}: a threshold is finite", code="E0910")
    columns = dict(records.columns)
    for name in _bits(model):
        if name in columns:
            columns[name] = _cut(columns[name], threshold, records.as_text)
    return replace(records, columns=columns)


def _bits(model: Model) -> Iterator[str]:
    slots: list[Given | Unknown] = [*model.givens.values(), *model.unknowns.values()]
    for slot in slots:
        if slot.kind == BIT:
            yield slot.name
        for field in slot.fields:
            if field.kind == BIT:
                yield f"{slot.name}.{field.name}"


def _cut(column: Column, threshold: float, as_text: bool) -> Column:
    values = column.values
    if values.dtype.kind == "U" and as_text:
        present = values if column.missing is None else np.where(column.missing, "0", values)
        try:
            numbers = present.astype(np.float64)
        except ValueError:
            return column
        if not np.isfinite(numbers).all():
            return column
        return replace(column, values=np.where(numbers > threshold, "1", "0"))
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        return column
    return replace(column, values=(values > threshold).astype(np.uint8))
