"""Energies of configurations and their cotangents: of dense tables, and of kinds through theirs.

On any structure, loopy ones too. Messages of dense tables are the engines' own kernels; a kind with
a closed form brings its messages along in its file.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph.errors import UsageError
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, Ints, KindGroup, Structure
from factorgraph.jit import kernel, sized

Span = tuple[int, int]
_NONE = np.zeros((0, 0))


def energy(
    structure: Structure, values: Energies, states: ArrayLike, span: Span | None = None
) -> Energies:
    """Return the energy of one configuration per instance, summed in float64 over all factors.

    Parameters
    ----------
    structure : any structure, loopy ones too.
    values : float64 [B, T], energies in the structure's layout.
    states : int32 [B, V] or [V], a state of each variable; of all variables, whatever the span.
    span : instances ``lo .. hi - 1``; None for all.

    Returns
    -------
    float64 [B, hi - lo].

    Raises
    ------
    UsageError : shapes or states do not fit the structure.
    """
    values = checked_values(structure, values)
    chosen = checked_states(structure, states, len(values), complete=True)
    lo, hi = checked_span(structure, span)
    out = np.zeros((len(values), hi - lo))
    with sized(len(values) * sum(group.scope.size for group in structure.groups)):
        for g, group in enumerate(structure.groups):
            _visit(
                group.scope,
                group.table,
                group.rows,
                np.array(group.cards, np.int64),
                structure.offset[g],
                values,
                chosen,
                0,
                lo,
                hi,
                out,
                _NONE,
                _NONE,
            )
    for k, kind in enumerate(structure.kinds):
        first, last = kind.rows[lo], kind.rows[hi]
        owner = np.repeat(np.arange(hi - lo), np.diff(kind.rows[lo : hi + 1]))
        rows = _some(kind, int(first), int(last))
        for b in range(len(values)):
            own = structure.numbers(values[b], k)
            each = kind_of(kind.kind).energy(rows, own, chosen[b if len(chosen) > 1 else 0])
            with np.errstate(over="ignore"):
                out[b] += np.bincount(owner, each, hi - lo)
    return out


def _some(group: KindGroup, first: int, last: int) -> KindGroup:
    """Return rows ``first .. last - 1`` of a group, as a group of one instance."""
    if first == 0 and last == len(group.table):
        return group
    start = group.start[first : last + 1]
    scope = group.scope[start[0] : start[-1]]
    rows = np.array([0, last - first], np.int64)
    return replace(
        group, start=start - start[0], scope=scope, table=group.table[first:last], rows=rows
    )


def add_indicator(
    structure: Structure,
    states: Ints,
    weight: Energies,
    into: Energies,
    span: Span | None = None,
    first: int = 0,
    values: Energies | None = None,
) -> None:
    """Add to each table the weight of every factor that reads it, at the entry of ``states``.

    This is the derivative of :func:`energy` by the values, times ``weight``.

    Parameters
    ----------
    structure : any structure.
    states : int32 [B, V] or [V]; with ``first``, of the variables from ``first`` on.
    weight : float64 [B, hi - lo]; instances of weight zero are left out.
    into : float64 [B, T], changed in place.
    span : instances ``lo .. hi - 1``; None for all.
    first : the variable that column 0 of ``states`` stands for.
    values : float64 [B, T]; needed where there are kinds, whose energies need not be linear.

    Raises
    ------
    UsageError : a shape does not fit the structure.
    """
    lo, hi = checked_span(structure, span)
    weight = checked_weight(weight, into, structure, hi - lo)
    chosen = np.ascontiguousarray(np.atleast_2d(states), np.int32)
    if len(chosen) not in (1, len(weight)):
        raise UsageError(
            f"states are for a batch of {len(chosen)}, weights for {len(weight)}", code="E0921"
        )
    for g, group in enumerate(structure.groups):
        _visit(
            group.scope,
            group.table,
            group.rows,
            np.array(group.cards, np.int64),
            structure.offset[g],
            into,
            chosen,
            first,
            lo,
            hi,
            _NONE,
            weight,
            into,
        )
    if not structure.kinds:
        return
    if values is None:
        raise UsageError("cotangents of kinds are worked out at values", code="E0921")
    whole = np.zeros((len(chosen), structure.variables), np.int32)
    whole[:, first : first + chosen.shape[1]] = chosen
    for k, kind in enumerate(structure.kinds):
        rows = _some(kind, int(kind.rows[lo]), int(kind.rows[hi]))
        for b in range(len(into)):
            each = np.repeat(weight[b], np.diff(kind.rows[lo : hi + 1]))
            own = structure.numbers(values[b], k)
            kind_of(kind.kind).add_cotangents(
                rows, own, whole[b if len(whole) > 1 else 0], each, structure.numbers(into[b], k)
            )


@kernel
def _visit(  # type: ignore[no-untyped-def]
    scope, table, rows, cards, offset, values, states, first, lo, hi, out, weight, into
):
    """Add what factors read to ``out`` [B, I], or, where that is empty, weights to ``into``."""
    size = 1
    for k in range(len(cards)):
        size *= cards[k]
    for b in range(len(values)):
        at = b if len(states) > 1 else 0
        for i in range(lo, hi):
            share = weight[b, i - lo] if len(into) else 0.0
            total = 0.0 if len(into) else out[b, i - lo]
            if len(into) and share == 0.0:
                continue
            for f in range(rows[i], rows[i + 1]):
                entry = 0
                for k in range(len(cards)):
                    entry = entry * cards[k] + states[at, scope[f, k] - first]
                entry += offset + table[f] * size
                if len(into):
                    into[b, entry] += share
                else:
                    total += values[b, entry]
            if len(out):
                out[b, i - lo] = total


def checked_span(structure: Structure, span: Span | None) -> Span:
    """Return the instances asked for as a pair within the structure."""
    lo, hi = (0, structure.instances) if span is None else span
    if not 0 <= lo <= hi <= structure.instances:
        raise UsageError(f"instances {lo}..{hi} of {structure.instances}", code="E0922")
    return lo, hi


def checked_values(structure: Structure, values: Energies) -> Energies:
    """Return ``values`` as a contiguous, writable float64 array [B, T]; never changed."""
    array = np.asarray(values)
    if array.dtype != np.float64:
        raise UsageError(f"energies are float64, not {array.dtype}", code="E0921")
    if array.ndim != 2 or array.shape[1] != structure.size:
        raise UsageError(
            f"energies have shape {array.shape}, not (batch, {structure.size})", code="E0921"
        )
    return np.require(array, requirements=["C", "W"])


def checked_states(
    structure: Structure, states: ArrayLike | None, batch: int, *, complete: bool = False
) -> Ints:
    """Return states or evidence (-1 where free) as int32 [B or 1, V]; None gives [1, 0]."""
    if states is None:
        return np.zeros((1, 0), np.int32)
    array = np.asarray(states)
    if array.dtype.kind not in "iu":
        raise UsageError(f"states are integers, not {array.dtype}", code="E0921")
    array = np.atleast_2d(array)
    if array.ndim != 2 or array.shape[1] != structure.variables or len(array) not in (1, batch):
        raise UsageError(
            f"states have shape {array.shape}, not ({batch} or 1, {structure.variables})",
            code="E0921",
        )
    if array.dtype != np.int32:
        array = np.clip(array, -2, np.iinfo(np.int32).max)
    out = np.require(array, np.int32, ["C", "W"])
    if ((out < (0 if complete else -1)) | (out >= structure.card)).any():
        raise UsageError("a state is out of the range of its variable", code="E0922")
    return out


def checked_weight(
    weight: Energies, into: Energies, structure: Structure, instances: int
) -> NDArray[np.float64]:
    """Return the weights [B, instances] of cotangents that go into float64 [B, T]."""
    if not isinstance(into, np.ndarray) or into.dtype != np.float64 or into.ndim != 2:
        raise UsageError("cotangents are added into a float64 array [batch, values]", code="E0921")
    if into.shape[1] != structure.size or not into.flags.c_contiguous or not into.flags.writeable:
        raise UsageError(
            f"cotangents of shape {into.shape}, not (batch, {structure.size})", code="E0921"
        )
    array = np.require(weight, np.float64, ["C", "W"])
    if array.shape != (len(into), instances):
        raise UsageError(
            f"weights have shape {array.shape}, not {(len(into), instances)}", code="E0921"
        )
    return array
