"""One instance of a structure as a structure of its own, that reads the same values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from factorgraph.graph.structure import Group, KindGroup, Structure


def part(structure: Structure, i: int) -> Structure:
    """Return instance ``i``; the layout of the values stays that of the whole."""
    if structure.instances == 1:
        return structure
    first, last = (int(v) for v in structure.instance[i : i + 2])
    return Structure(
        structure.card[first:last],
        np.array([0, last - first], np.int64),
        tuple(_of_tables(group, i, first) for group in structure.groups),
        tuple(_of_kind(group, i, first) for group in structure.kinds),
    )


def _of_tables(group: Group, i: int, first: int) -> Group:
    low, high = (int(r) for r in group.rows[i : i + 2])
    scope = np.ascontiguousarray(group.scope[low:high] - np.int32(first))
    rows = np.array([0, high - low], np.int64)
    return replace(group, scope=scope, table=group.table[low:high], rows=rows)


def _of_kind(group: KindGroup, i: int, first: int) -> KindGroup:
    low, high = (int(r) for r in group.rows[i : i + 2])
    start = group.start[low : high + 1]
    scope = np.ascontiguousarray(group.scope[start[0] : start[-1]] - np.int32(first))
    rows = np.array([0, high - low], np.int64)
    return replace(
        group, start=start - start[0], scope=scope, table=group.table[low:high], rows=rows
    )
