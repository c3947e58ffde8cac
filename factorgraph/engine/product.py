"""Sum-product over forests of unary and pairwise factors, in scaled exponentials.

Much faster than the energy domain, and right as long as nothing comes near underflow: an entry
below ``TINY`` or a normaliser below ``THIN`` hands the instance to the energy domain. Products of
two entries then stay above the smallest normal number, so a zero is always an energy of +inf.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from factorgraph.engine.forest import (
    CHILD_AT,
    CHILD_CARD,
    COMPACT,
    CONSTANTS,
    LINKS,
    MESSAGE,
    PARENT,
    PARENT_AT,
    PARENT_CARD,
    ROOTS,
    SLOT,
    TABLE,
    UNARIES,
    VARIABLES,
)
from factorgraph.engine.sweep import ENERGY, INFEASIBLE, INNER, PRODUCT
from factorgraph.jit import kernel

TINY = 1e-150
THIN = 1e-140
WIDE = 345.0  # exp(-345) is just above TINY
# A loop that stores and adds up at once is compiled twice, and which version runs depends on where
# its arrays happen to lie. So sums are loops of their own that only read: these may be reordered.
_SUMS = {"reassoc", "contract"}


@kernel(fastmath=_SUMS, **INNER)
def _sum(row):  # type: ignore[no-untyped-def]
    """Return the sum of a row."""
    total = 0.0
    for value in row:
        total += value
    return total


@kernel(fastmath=_SUMS, **INNER)
def _inner(row, by):  # type: ignore[no-untyped-def]
    """Return the inner product of two rows."""
    total = 0.0
    for s in range(len(row)):
        total += row[s] * by[s]
    return total


@kernel(**INNER)
def _multiply(table, base, x, out):  # type: ignore[no-untyped-def]
    """Write the product of ``x`` with the table [x, out] at ``base``.

    Four rows are read at a time; where their number is no multiple of four, the last one repeats.
    Unsigned places spare the test for negative ones.
    """
    m, n = len(x), len(out)
    for s in range(n):
        out[s] = 0.0
    for block in range((m + 3) // 4):
        a = 4 * block
        b, c, d = min(a + 1, m - 1), min(a + 2, m - 1), min(a + 3, m - 1)
        xa = x[a]
        xb = x[b] if b > a else 0.0
        xc = x[c] if c > b else 0.0
        xd = x[d] if d > c else 0.0
        a, b, c, d = base + a * n, base + b * n, base + c * n, base + d * n
        for s in range(n):
            e, f = table[uintp(a + s)] * xa, table[uintp(b + s)] * xb
            out[s] += (e + f) + (table[uintp(c + s)] * xc + table[uintp(d + s)] * xd)


@kernel(**INNER)
def _meet(row, by, out):  # type: ignore[no-untyped-def]
    """Write the product of two rows, normalised; return the normaliser."""
    for s in range(len(out)):
        out[s] = row[s] * by[s]
    total = _sum(out)
    norm = 1.0 / total
    for s in range(len(out)):
        out[s] *= norm
    return total


@kernel(**INNER)
def _times(row, by):  # type: ignore[no-untyped-def]
    """Multiply and normalise ``row`` in place; return the normaliser, -1 where it is too thin."""
    poor = 0
    for s in range(len(row)):
        poor += (by[s] < TINY) & (by[s] > 0.0)
    for s in range(len(row)):
        row[s] *= by[s]
    total = _sum(row)
    if total == 0.0 and poor == 0:
        return 0.0
    if poor or total < THIN:
        return -1.0
    scale = 1.0 / total
    for s in range(len(row)):
        row[s] *= scale
    for s in range(len(row)):
        poor += (row[s] < TINY) & (row[s] > 0.0)
    return -1.0 if poor else total


@kernel
def scale(bounds, state, constant, values, beta, lo, hi, mode, value, own):  # type: ignore[no-untyped-def]
    """Turn energies in ``own`` [B, S] to -beta (energy - least of the variable).

    Where ``mode`` is PRODUCT, ``value`` gets what was taken away, and mode may become INFEASIBLE
    or, where the range of a variable is too wide, ENERGY.
    """
    s0 = state[bounds[lo, VARIABLES]]
    for b in range(len(values)):
        for i in range(lo, hi):
            free = 0.0
            for t in range(bounds[i, CONSTANTS], bounds[i + 1, CONSTANTS]):
                free += values[b, constant[t]]
            wide = 0
            for v in range(bounds[i, VARIABLES], bounds[i + 1, VARIABLES]):
                row = own[b, state[v] - s0 : state[v + 1] - s0]
                least = np.inf
                for s in range(len(row)):
                    least = min(least, row[s])
                free += least
                if least == np.inf:
                    least = 0.0
                for s in range(len(row)):
                    rise = beta * (row[s] - least)
                    wide += (rise > WIDE) & (row[s] < np.inf)
                    row[s] = -rise
            if mode[b, i - lo] == PRODUCT:
                value[b, i - lo] = free
                if wide:
                    mode[b, i - lo] = ENERGY
                elif free == np.inf:
                    mode[b, i - lo] = INFEASIBLE


@kernel
def forward(  # type: ignore[no-untyped-def]
    bounds, state, link, roots, tables, low, beta, lo, hi, mode, value, up, told, out
):
    """Pass messages up where mode is PRODUCT; it stays so, or becomes INFEASIBLE or ENERGY.

    up [B, S] has the scaled exponentials of the unaries, and gets those of everything at or
    below each variable; tables [B, 2 P] are those of the distinct tables, and again with axes
    exchanged; low [B, D] is what was taken away from them, NaN where a range is too wide.
    value comes from ``scale``.
    told [B, M] gets the messages if it has a length.
    """
    m0, half = link[bounds[lo, LINKS], MESSAGE], tables.shape[1] // 2
    s0 = state[bounds[lo, VARIABLES]]
    for b in range(len(mode)):
        row = up[b]
        for i in range(lo, hi):
            if mode[b, i - lo] != PRODUCT:
                continue
            free = value[b, i - lo]
            found = PRODUCT
            for back in range(bounds[i + 1, LINKS] - bounds[i, LINKS]):
                k = bounds[i + 1, LINKS] - 1 - back
                parent, n = link[k, PARENT_AT] - s0, link[k, PARENT_CARD]
                child, m = link[k, CHILD_AT] - s0, link[k, CHILD_CARD]
                slot, at, least = link[k, SLOT], link[k, COMPACT], low[b, link[k, TABLE]]
                if np.isnan(least):
                    found = ENERGY
                    break
                message = out[:n]
                if slot == 0:
                    at += half
                _multiply(tables[b], at, row[child : child + m], message)
                if len(told):
                    for s in range(n):
                        told[b, link[k, MESSAGE] - m0 + s] = message[s]
                total = _times(row[parent : parent + n], message)
                if total <= 0.0:
                    found = INFEASIBLE if total == 0.0 else ENERGY
                    break
                free += least - np.log(total) / beta
            mode[b, i - lo] = found
            for r in range(bounds[i, ROOTS], bounds[i + 1, ROOTS]):
                total = _sum(row[state[roots[r]] - s0 : state[roots[r] + 1] - s0])
                free -= np.log(total) / beta
            value[b, i - lo] = np.inf if found == INFEASIBLE else free


@kernel
def backward(  # type: ignore[no-untyped-def]
    bounds,
    state,
    link,
    roots,
    unary,
    constant,
    tables,
    lo,
    hi,
    mode,
    own,
    up,
    ex,
    scratch,
    kept,
    marginal,
    weight,
    into,
    counts,
):
    """Pass messages down where mode is PRODUCT; sets it to ENERGY where they come out too thin.

    ex [B, M] is what ``exclude`` wrote, or has no length where no variable has several children.
    marginal [B, S] is filled where it has a length. So is ``into`` [B, T], with the weighted
    marginals of unary and constant factors; counts [B, P] gets what the exponentials of the
    tables are to be multiplied with to give those of the pairs.
    """
    s0, m0 = state[bounds[lo, VARIABLES]], link[bounds[lo, LINKS], MESSAGE]
    half = tables.shape[1] // 2
    for b in range(len(mode)):
        for i in range(lo, hi):
            share = weight[b, i - lo] if len(into) else 0.0
            if mode[b, i - lo] != PRODUCT or (len(marginal) == 0 and share == 0.0):
                continue
            s1, z = state[bounds[i, VARIABLES]], state[bounds[i + 1, VARIABLES]] - s0
            mine, above = own[b, s1 - s0 : z], up[b, s1 - s0 : z]
            m1 = link[bounds[i, LINKS], MESSAGE]
            down = scratch[: len(mine)]
            for r in range(bounds[i, ROOTS], bounds[i + 1, ROOTS]):
                total = _sum(above[state[roots[r]] - s1 : state[roots[r] + 1] - s1])
                for s in range(state[roots[r]] - s1, state[roots[r] + 1] - s1):
                    down[s] = 1.0 / total
            well = True
            for c in range(bounds[i, LINKS], bounds[i + 1, LINKS]):
                at, n = link[c, PARENT_AT] - s1, link[c, PARENT_CARD]
                child, m, slot = link[c, CHILD_AT] - s1, link[c, CHILD_CARD], link[c, SLOT]
                begin = link[c, MESSAGE] - m1
                heard, source = kept[begin : begin + n], mine[at : at + n]
                if len(ex):
                    begin = link[c, MESSAGE] - m0
                    source = ex[b, begin : begin + n]
                if _meet(source, down[at : at + n], heard) < THIN:
                    well = False
                    break
                said = down[child : child + m]
                at = link[c, COMPACT]
                if slot == 1:
                    at += half
                _multiply(tables[b], at, heard, said)
                total = _inner(said, above[child : child + m])
                if total < THIN:
                    well = False
                    break
                total = 1.0 / total
                for s in range(m):
                    said[s] *= total
                for s in range(n):
                    heard[s] *= total
            if not well:
                mode[b, i - lo] = ENERGY
                continue
            for s in range(len(down)):
                down[s] *= above[s]
            if len(marginal):
                for s in range(len(down)):
                    marginal[b, s1 - s0 + s] = down[s]
            if share == 0.0:
                continue
            for t in range(bounds[i, CONSTANTS], bounds[i + 1, CONSTANTS]):
                into[b, constant[t]] += share
            for t in range(bounds[i, UNARIES], bounds[i + 1, UNARIES]):
                v, base = unary[t, 0], unary[t, 1]
                source = down[state[v] - s1 : state[v + 1] - s1]
                goal = into[b, base : base + len(source)]
                for s in range(len(goal)):
                    goal[s] += share * source[s]
            for c in range(bounds[i, LINKS], bounds[i + 1, LINKS]):
                n, m, slot = link[c, PARENT_CARD], link[c, CHILD_CARD], link[c, SLOT]
                child, parent = link[c, CHILD_AT] - s1, link[c, MESSAGE] - m1
                rows, columns = above[child : child + m], kept[parent : parent + n]
                if slot == 0:
                    rows, columns = columns, rows
                at, width = link[c, COMPACT], len(columns)
                for a in range(len(rows)):
                    goal = counts[b, at + a * width : at + a * width + width]
                    factor = share * rows[a]
                    for s in range(width):
                        goal[s] += factor * columns[s]


@kernel
def exclude(bounds, link, lo, hi, s0, mode, own, told, ex, other):  # type: ignore[no-untyped-def]
    """Write what each link hears but for the way down of its parent, into ``ex`` [B, M].

    That is ``own`` times what the siblings told, multiplied from both sides and never divided.
    Where that comes out too thin, mode becomes ENERGY.
    """
    m0 = link[bounds[lo, LINKS], MESSAGE]
    for b in range(len(mode)):
        for i in range(lo, hi):
            k = bounds[i, LINKS]
            while mode[b, i - lo] == PRODUCT and k < bounds[i + 1, LINKS]:
                at, n = link[k, PARENT_AT] - s0, link[k, PARENT_CARD]
                stop = k
                while stop < bounds[i + 1, LINKS] and link[stop, PARENT] == link[k, PARENT]:
                    stop += 1
                message = other[:n]
                for step in range(2 * (stop - k)):
                    c = k + step if step < stop - k else 2 * stop - k - 1 - step
                    begin = link[c, MESSAGE] - m0
                    if step == 0 or step == stop - k:
                        for s in range(n):
                            message[s] = own[b, at + s] if step == 0 else 1.0
                    heard = ex[b, begin : begin + n]
                    if step < stop - k:
                        for s in range(n):
                            heard[s] = message[s]
                    elif _meet(heard, message, heard) < THIN:
                        mode[b, i - lo] = ENERGY
                        break
                    if _times(message, told[b, begin : begin + n]) <= 0.0 and stop > k + 1:
                        mode[b, i - lo] = ENERGY
                        break
                k = stop
