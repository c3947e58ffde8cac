"""What eliminating each variable touches: factors, messages, and where their entries lie.

Eliminating a variable joins the factors that it is the first of and the messages that reach it, and
sums it out: a message is left over the variables that it was joined with, for the first of these.
The messages' axes keep their order from the largest message on that went into them, new ones stand
where the eliminated one stood; so most of a table is read and written along whole rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.order import Order
from factorgraph.engine.sweep import INNER
from factorgraph.graph.structure import Ints, Offsets
from factorgraph.jit import kernel

# Columns of Buckets.step, .operand and .factor.
VARIABLE, CARD, CELLS, ROW, AXES, OUTER, INNER_AXES, AT, PARENT = range(9)
OPERANDS, FACTORS, LEVELS, LEVEL_COUNT, SMALL = 9, 10, 11, 12, 13
KIND, SOURCE, SLOPE, STRIDES, INDEX = range(5)
NUMBER, LEVEL, FACTOR_STRIDES = range(3)
# Kinds of operands, by how the entries of one row are read; whether they are factors.
CONSTANT, ALONG, PICKED = 0, 1, 2
OWN = -1
LONG, SHORT = 128, 16
"""Entries of a row at most, where one axis is not longer, and at least for a run to be worth it."""


class Buckets(NamedTuple):
    """The eliminations of all instances, one after the other, as flat arrays for kernels.

    Attributes
    ----------
    bounds : int64 [I + 1], eliminations by instance.
    card : int64 [U], states of each free variable.
    step : int64 [U + 1, 14], of each elimination: the variable and its states; rows of the message
        and entries of a row; where its axes start in ``axis``, the axes of rows and within a row;
        where the message starts among all of them; the elimination that it goes to, -1 for none;
        where operands, factors and the axes of the factors' joint table start, how many axes that
        has, and how many entries.
    axis : int64, the axes of all messages.
    operand : int64 [O, 5], of each table that is joined: how a row of it is read, the elimination
        that sent it (`OWN` for the factors' table), the stride of the eliminated variable, where
        the strides of the outer axes start, and where the places of a row.
    stride : int64, strides by outer axis.
    place : int32, places of the entries of a row.
    factor : int64 [F, 3], by elimination: its number, the level of the factors' table that it
        closes at, and where its strides by level start.
    level : int64, axes of the factors' tables; the eliminated variable comes first.
    reach : int64, strides of the factors by level.
    most : int64 [4], the most entries of an instance's messages, of a factors' table, of a row, and
        operands of an elimination.
    """

    bounds: Offsets
    card: Offsets
    step: Offsets
    axis: Offsets
    operand: Offsets
    stride: Offsets
    place: Ints
    factor: Offsets
    level: Offsets
    reach: Offsets
    most: Offsets


@dataclass(frozen=True)
class Scopes:
    """Factors of one or more variables, flat.

    Attributes
    ----------
    start : int64 [F + 1], where each scope starts.
    variable : int64, all scopes.
    stride : int64, how far apart the states of each of them lie in the factor's table.
    """

    start: Offsets
    variable: Offsets
    stride: Offsets


def _sorted(card: Offsets, scopes: Scopes, order: Order) -> tuple[Offsets, Offsets, Offsets]:
    """Return the place of each variable, and the factors by the elimination that they join."""
    place = np.empty(len(card), np.int64)
    place[order.variables] = np.arange(len(card))
    into = np.zeros(0, np.int64)
    if len(scopes.start) > 1:
        into = np.minimum.reduceat(place[scopes.variable], scopes.start[:-1])
    at = np.concatenate(([0], np.cumsum(np.bincount(into, minlength=len(card)))))
    return place, at.astype(np.int64), np.argsort(into, kind="stable")


def messages(
    card: Offsets, scopes: Scopes, order: Order
) -> tuple[Offsets, Offsets, NDArray[np.float64]]:
    """Return the axes of each elimination's message, as offsets and axes, and its entries."""
    place, at, by = _sorted(card, scopes, order)
    axes, axis, _, _ = _circles(order.variables, place, card, scopes.start, scopes.variable, at, by)
    bits = np.concatenate(([0.0], np.cumsum(np.log2(card[axis]))))
    return axes, axis, np.exp2(bits[axes[1:]] - bits[axes[:-1]])


def buckets(first: Offsets, card: Offsets, scopes: Scopes, order: Order) -> Buckets:
    """Return the eliminations in an order.

    Raises
    ------
    BudgetError : the plan would not fit into the memory budget.
    """
    place, at, by = _sorted(card, scopes, order)
    axes, axis, parent, lead = _circles(
        order.variables, place, card, scopes.start, scopes.variable, at, by
    )
    budget.require(600 * len(card) + 64 * len(axis), f"the plan of {len(card)} eliminations")
    step, operand, stride, index, factor, level, reach = _arrange(
        order.variables,
        card,
        scopes.start,
        scopes.variable,
        scopes.stride,
        at,
        by,
        axes,
        axis,
        parent,
        lead,
    )
    ends = step[first, AT]
    most = [
        int(np.diff(ends).max(initial=0)),
        int(step[:, SMALL].max(initial=0)),
        int(step[:, ROW].max(initial=1)),
        int(np.diff(step[:, OPERANDS]).max(initial=0)),
    ]
    return Buckets(
        np.array(first, np.int64),
        card,
        step,
        axis,
        operand,
        stride,
        index,
        factor,
        level,
        reach,
        np.array(most, np.int64),
    )


@kernel(**INNER)
def _none(n):  # type: ignore[no-untyped-def]
    """Return n times -1; NumPy's way takes a second longer to compile."""
    out = np.empty(n, np.int64)
    for k in range(n):
        out[k] = -1
    return out


@kernel
def _circles(order, place, card, start, scope, at, by):  # type: ignore[no-untyped-def]
    """Return what each elimination's message is over, where it goes, and its largest operand."""
    n = len(order)
    axes = np.zeros(n + 1, np.int64)
    pool = np.empty(4 * n + 64, np.int64)
    parent, lead, size = _none(n), _none(n), np.empty(n)
    head, after, mark = _none(n), _none(n), _none(n)
    fresh = np.empty(n, np.int64)
    for t in range(n):
        v, found = order[t], 0
        mark[v] = t
        c, best = head[t], -1
        while c >= 0:
            if best < 0 or size[c] >= size[best]:
                best = c
            c = after[c]
        lead[t] = best
        if best >= 0:
            for k in range(axes[best], axes[best + 1]):
                mark[pool[k]] = t
        c = head[t]
        while c >= 0:
            for k in range(axes[c], axes[c + 1]):
                u = pool[k]
                if mark[u] != t:
                    mark[u] = t
                    fresh[found] = u
                    found += 1
            c = after[c]
        for e in range(at[t], at[t + 1]):
            for k in range(start[by[e]], start[by[e] + 1]):
                u = scope[k]
                if mark[u] != t:
                    mark[u] = t
                    fresh[found] = u
                    found += 1
        for k in range(1, found):
            u = fresh[k]
            j = k
            while j > 0 and place[fresh[j - 1]] > place[u]:
                fresh[j] = fresh[j - 1]
                j -= 1
            fresh[j] = u
        end = axes[t]
        need = end + found
        if best >= 0:
            need += axes[best + 1] - axes[best]
        if need > len(pool):
            larger = np.empty(2 * need, np.int64)
            for k in range(end):
                larger[k] = pool[k]
            pool = larger
        if best < 0:
            for k in range(found):
                pool[end] = fresh[k]
                end += 1
        else:
            for k in range(axes[best], axes[best + 1]):
                if pool[k] != v:
                    pool[end] = pool[k]
                    end += 1
                    continue
                for j in range(found):
                    pool[end] = fresh[j]
                    end += 1
        axes[t + 1] = end
        size[t] = 1.0
        for k in range(axes[t], end):
            size[t] *= card[pool[k]]
            if parent[t] < 0 or place[pool[k]] < parent[t]:
                parent[t] = place[pool[k]]
        if parent[t] >= 0:
            after[t] = head[parent[t]]
            head[parent[t]] = t
    return axes, pool[: axes[n]].copy(), parent, lead


@kernel
def _arrange(order, card, start, scope, own, at, by, axes, axis, parent, lead):  # type: ignore[no-untyped-def]
    """Return the arrays of the plan."""
    n = len(order)
    step = np.zeros((n + 1, 14), np.int64)
    children = np.zeros(n + 1, np.int64)
    for t in range(n):
        if parent[t] >= 0:
            children[parent[t]] += 1
    mark = _none(n)
    strides = indices = levels = reaches = 0
    for t in range(n):
        a, z = axes[t], axes[t + 1]
        step[t, VARIABLE], step[t, CARD], step[t, AXES] = order[t], card[order[t]], a
        step[t, PARENT], step[t, FACTORS] = parent[t], at[t]
        some = at[t + 1] > at[t]
        step[t + 1, OPERANDS] = step[t, OPERANDS] + children[t] + some
        row, inner, long = 1, 0, 1
        agree, apart = True, True
        c = lead[t]
        if c >= 0:
            for k in range(axes[c], axes[c + 1]):
                mark[axis[k]] = t
        while inner < z - a:
            u = axis[z - 1 - inner]
            long *= card[u]
            if long > LONG and inner > 0:
                break
            if c >= 0:
                k = axes[c + 1] - 1 - inner
                agree = agree and k >= axes[c] and axis[k] == u
                apart = apart and mark[u] != t
            if row >= SHORT and not (agree or apart):
                break
            inner += 1
            row = long
        total = 1
        for k in range(a, z):
            total *= card[axis[k]]
        step[t, ROW], step[t, CELLS] = row, total // row
        step[t, OUTER], step[t, INNER_AXES] = z - a - inner, inner
        step[t + 1, AT] = step[t, AT] + total
        operands = children[t] + some
        strides += operands * (z - a - inner)
        indices += operands * row
        levels += z - a + 1
        reaches += (at[t + 1] - at[t]) * (z - a + 1)
    step[n, AXES], step[n, FACTORS] = axes[n], at[n]
    operand = np.zeros((step[n, OPERANDS], 5), np.int64)
    stride, index = np.zeros(strides, np.int64), np.empty(indices, np.int32)
    factor = np.zeros((at[n], 3), np.int64)
    level, reach = np.empty(levels, np.int64), np.zeros(reaches, np.int64)
    filled = np.zeros(n, np.int64)
    mine, rank = np.zeros(n, np.int64), np.zeros(n, np.int64)
    strides = indices = levels = reaches = 0
    for t in range(n):
        mark[t] = -1
    for t in range(n):
        v, a, z = order[t], axes[t], axes[t + 1]
        outer = step[t, OUTER]
        step[t, LEVELS] = levels
        if at[t + 1] > at[t]:
            # The factors' table: its axes in the message's order, whole rows where it has any.
            for e in range(at[t], at[t + 1]):
                for k in range(start[by[e]], start[by[e] + 1]):
                    mark[scope[k]] = t
            whole = False
            for k in range(a + outer, z):
                whole = whole or mark[axis[k]] == t
            level[levels] = v
            rank[v] = 0
            count = 1
            for k in range(a, z):
                u = axis[k]
                if mark[u] == t or (whole and k >= a + outer):
                    mark[u] = t
                    level[levels + count] = u
                    rank[u] = count
                    count += 1
            size = 1
            for k in range(count - 1, -1, -1):
                mine[level[levels + k]] = size
                size *= card[level[levels + k]]
            step[t, LEVEL_COUNT], step[t, SMALL] = count, size
            for e in range(at[t], at[t + 1]):
                f, last = by[e], 0
                for k in range(start[f], start[f + 1]):
                    last = max(last, rank[scope[k]])
                j = e
                while j > at[t] and factor[j - 1, LEVEL] > last:
                    for column in range(3):
                        factor[j, column] = factor[j - 1, column]
                    j -= 1
                factor[j, NUMBER], factor[j, LEVEL], factor[j, FACTOR_STRIDES] = f, last, reaches
                for k in range(start[f], start[f + 1]):
                    reach[reaches + rank[scope[k]]] = own[k]
                reaches += last + 1
            levels += count
            o = step[t, OPERANDS]
            operand[o, SOURCE] = OWN
            strides, indices = _operand(
                operand, o, v, axis, a, outer, z, card, mine, mark, t, stride, strides, index,
                indices,
            )  # fmt: skip
            filled[t] += 1
    for t in range(n):
        mark[t] = -1
    for c in range(n):
        t = parent[c]
        if t < 0:
            continue
        size = 1
        for k in range(axes[c + 1] - 1, axes[c] - 1, -1):
            mine[axis[k]] = size
            mark[axis[k]] = c
            size *= card[axis[k]]
        o = step[t, OPERANDS] + filled[t]
        filled[t] += 1
        operand[o, SOURCE] = c
        strides, indices = _operand(
            operand, o, order[t], axis, axes[t], step[t, OUTER], axes[t + 1], card, mine, mark, c,
            stride, strides, index, indices,
        )  # fmt: skip
    return step, operand, stride, index, factor, level[:levels].copy(), reach[:reaches].copy()


@kernel(**INNER)
def _operand(  # type: ignore[no-untyped-def]
    operand, o, v, axis, a, outer, z, card, mine, mark, stamp, stride, strides, index, indices
):
    """Write how an operand with the strides ``mine`` is read; return the ends of both pools."""
    operand[o, SLOPE] = mine[v]
    operand[o, STRIDES], operand[o, INDEX] = strides, indices
    for k in range(a, a + outer):
        stride[strides] = mine[axis[k]] if mark[axis[k]] == stamp else 0
        strides += 1
    index[indices] = 0
    size, there = 1, False
    for k in range(a + outer, z):
        u = axis[k]
        slope = mine[u] if mark[u] == stamp else 0
        there = there or mark[u] == stamp
        for back in range(size):
            e = size - 1 - back
            begin = index[indices + e]
            for s in range(card[u]):
                index[indices + e * card[u] + s] = begin + s * slope
        size *= card[u]
    if not there:
        operand[o, KIND] = CONSTANT
        return strides, indices
    along = True
    for r in range(size):
        along = along and index[indices + r] == r
    operand[o, KIND] = ALONG if along else PICKED
    return strides, indices if along else indices + size
