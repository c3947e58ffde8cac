"""The energy of a configuration, factor by factor, whatever kinds of unknowns there are.

This needs no graph: each factor's expression is evaluated at all of its rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.data.column import Column
from factorgraph.data.instances import Instances
from factorgraph.errors import DataError, NumericalError
from factorgraph.ground.binders import blocks, compute_lets
from factorgraph.ground.evaluate import Evaluator, Point
from factorgraph.ground.rows import Rows
from factorgraph.model.model import Model, Sequence

Floats = NDArray[np.float64]


def point(model: Model, instances: Instances, weights: dict[str, Floats]) -> Point:
    """Return the configuration that the data hold, with weights.

    Parameters
    ----------
    instances : with every unknown observed.
    weights : params by name; a map's as ``map.layer.W``.
    """
    values: dict[str, Column] = {}
    for name, unknown in model.unknowns.items():
        observed = instances.unknowns[name]
        if unknown.values is not None and not unknown.fields:
            states = observed.state.astype(np.int64) + unknown.values.low
            values[name] = Column(name, states, observed.start, observed.shape)
            continue
        for field, column in observed.values.items():
            values[f"{name}.{field}" if field else name] = column
    if model.maps:
        from factorgraph.ground.layers import build
    maps = {
        name: (
            build(declared.layer, model, instances.vocabularies),
            {k.removeprefix(f"{name}."): w for k, w in weights.items()
             if k.startswith(f"{name}.")},
        )
        for name, declared in model.maps.items()
    }  # fmt: skip
    return Point(values, weights, maps)


def energies(model: Model, instances: Instances, weights: dict[str, Floats]) -> dict[str, Floats]:
    """Return the energy of the observed configuration by factor.

    Parameters
    ----------
    instances : N, with every unknown observed.

    Returns
    -------
    float64 [N] for each factor, +inf where a hard one is violated.

    Raises
    ------
    DataError : where an index leaves its array, or a sequence is none.
    NumericalError : where an energy is no number, naming factor and instance.
    """
    computed = compute_lets(instances)
    here = point(model, instances, weights)
    for name, unknown in model.unknowns.items():
        if unknown.sequence is not None:
            _check_sequence(name, unknown.sequence, instances, computed, here)
    out: dict[str, Floats] = {}
    for factor in model.factors.values():
        at = Evaluator(instances, f"factor `{factor.name}`", computed, here)
        total = np.zeros(instances.count)
        for rows in blocks(instances.count, factor.binders, factor.guard, at):
            if factor.hard:
                value = np.where(at.condition(factor.value, rows), 0.0, np.inf)
            else:
                value = at(factor.value, rows).astype(np.float64)
            bad = np.isnan(value) | np.isneginf(value)
            if bad.any():
                i = int(rows.instance[np.flatnonzero(bad)[0]])
                what = "NaN" if np.isnan(value).any() else "-inf"
                raise NumericalError(
                    f"factor `{factor.name}` has energy {what} ({instances.where(i)})",
                    code="E0701",
                    span=factor.span,
                    hint="an energy is a number or +inf; "
                    "is a logarithm, root or quotient to blame?",
                )
            total += np.bincount(rows.instance, value, instances.count)
        out[factor.name] = total
    return out


def _check_sequence(
    name: str, sequence: Sequence, instances: Instances, computed: dict[str, Column], here: Point
) -> None:
    """Refuse elements that make no path, or segments that do not cover their size."""
    at = Evaluator(instances, f"sequence `{name}`", computed, here)
    rows = Rows(np.arange(instances.count, dtype=np.int64), {})
    if sequence.sort == "path":
        assert sequence.arcs is not None
        arcs = instances.model.givens[sequence.arcs].fields
        column = here.values[f"{name}.arc"]
        source, target = (instances.givens[f"{sequence.arcs}.{f.name}"] for f in arcs[:2])
        owner = np.repeat(np.arange(instances.count), np.diff(column.start))
        lies = source.start[owner] + column.values
        begin, end = source.values[lies], target.values[lies]
        ends = [at.whole(e, rows) for e in sequence.ends]
        what = "its arcs do not lead end to end"
    else:
        assert sequence.size is not None and sequence.longest is not None
        column = here.values[f"{name}.first"]
        begin = column.values
        end = here.values[f"{name}.last"].values + 1
        ends = [np.zeros(instances.count, np.int64), at.whole(sequence.size, rows)]
        owner = np.repeat(np.arange(instances.count), np.diff(column.start))
        longest = at.whole(sequence.longest, rows)[owner]
        what = "its segments do not cover it end to end"
        bad = (end <= begin) | (end - begin > longest)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"{instances.where(owner[first])}: field `{name}`: a segment of "
                f"{end[first] - begin[first]} items, where 1 to {longest[first]} are allowed",
                code="E0316",
            )
    starts = np.concatenate((begin, [0]))[np.minimum(column.start[:-1], len(begin))]
    stops = np.concatenate((end, [0]))[np.maximum(column.start[1:] - 1, 0)]
    empty = np.diff(column.start) == 0
    wrong = np.where(empty, ends[0] != ends[1], (starts != ends[0]) | (stops != ends[1]))
    inner = np.ones(len(begin), np.bool_)
    inner[column.start[:-1][~empty]] = False
    at_inner = np.flatnonzero(inner)
    gaps = at_inner[begin[at_inner] != end[at_inner - 1]]
    wrong[owner[gaps]] = True
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"{instances.where(i)}: field `{name}`: {what}, from {ends[0][i]} to {ends[1][i]}",
            code="E0316",
        )


def total(parts: dict[str, Floats], count: int) -> Floats:
    """Return the energy of a configuration: the sum over its factors."""
    out = np.zeros(count)
    for part in parts.values():
        out += part
    return out
