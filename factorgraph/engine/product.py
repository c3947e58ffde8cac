"""Sum-product over forests of unary and pairwise factors, in scaled exponentials.

Much faster than the energy domain, and right as long as nothing comes near underflow: an entry
below ``TINY`` or a normaliser below ``THIN`` hands the instance to the energy domain. Products of
two entries then stay above the smallest normal number, so a zero is always an energy of +inf.
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.forest import (
    BASE,
    CARD,
    CHILD,
    COMPACT,
    LINKS,
    MESSAGE,
    MESSAGES,
    MOST_LINKS,
    PARENT,
    ROOTS,
    SLOT,
    START,
    STATES,
    TABLE,
    VARIABLES,
)
from factorgraph.engine.sweep import (
    CLAMPED,
    ENERGY,
    INFEASIBLE,
    INNER,
    PRODUCT,
    add_local,
    clamped,
    constant,
    gather,
)
from factorgraph.jit import kernel

TINY = 1e-150
THIN = 1e-140
WIDE = 345.0  # exp(-345) is just above TINY
UNKNOWN, READY, REFUSED = 0, 1, 2
_SUMS = {"reassoc", "contract"}


@kernel(fastmath=_SUMS, **INNER)
def _multiply(matrix, width, slot, x, out):  # type: ignore[no-untyped-def]
    """Write the product of the C-ordered ``matrix`` [., width] with ``x`` toward axis ``slot``."""
    if slot == 1:
        goal = out[:width]
        goal[:] = 0.0
        for a in range(len(x)):
            row = matrix[a * width : a * width + width]
            factor = x[a]
            if factor != 0.0:
                for b in range(width):
                    goal[b] += factor * row[b]
    else:
        for a in range(len(out)):
            row = matrix[a * width : a * width + width]
            total = 0.0
            for b in range(width):
                total += row[b] * x[b]
            out[a] = total


@kernel(fastmath=_SUMS, **INNER)
def _add_outer(matrix, rows, columns, share, into):  # type: ignore[no-untyped-def]
    """Add ``share * rows[a] * matrix[a, b] * columns[b]`` to ``into[a, b]``."""
    width = len(columns)
    for a in range(len(rows)):
        factor = share * rows[a]
        if factor != 0.0:
            row = matrix[a * width : a * width + width]
            goal = into[a * width : a * width + width]
            for b in range(width):
                goal[b] += factor * (row[b] * columns[b])


@kernel(fastmath=_SUMS, **INNER)
def _total(row):  # type: ignore[no-untyped-def]
    total = 0.0
    for s in range(len(row)):
        total += row[s]
    return total


@kernel(**INNER)
def _exponentials(energies, beta, out):  # type: ignore[no-untyped-def]
    """Write exp(-beta (energies - least)); return the least and whether the range is too wide."""
    least = np.inf
    for s in range(len(energies)):
        least = energies[s] if energies[s] < least else least
    wide = False
    if least == np.inf:
        out[:] = 0.0
        return least, wide
    for s in range(len(energies)):
        rise = beta * (energies[s] - least)
        wide |= (rise > WIDE) & (energies[s] < np.inf)
        out[s] = np.exp(-rise)
    return least, wide


@kernel(**INNER)
def _times(row, by):  # type: ignore[no-untyped-def]
    """Multiply and normalise ``row`` in place; return the normaliser, -1 where it is too thin."""
    poor = False
    for s in range(len(row)):
        poor |= (by[s] < TINY) & (by[s] > 0.0)
        row[s] *= by[s]
    total = _total(row)
    if total == 0.0 and not poor:
        return 0.0
    if poor or total < THIN:
        return -1.0
    scale = 1.0 / total
    for s in range(len(row)):
        row[s] *= scale
        poor |= (row[s] < TINY) & (row[s] > 0.0)
    return -1.0 if poor else total


@kernel
def forward(  # type: ignore[no-untyped-def]
    plan, values, evidence, lo, hi, beta, mode, value, own, up, tables, ready, low
):
    """Pass messages up; sets ``mode`` and, where it stays PRODUCT or is INFEASIBLE, ``value``.

    own, up [B, S] get the scaled exponentials of the unaries and of everything at or below each
    variable; tables [B, P] those of the distinct tables, with ``ready`` and ``low`` [B, D].
    """
    out = np.empty(plan.most[CARD])
    v0 = plan.bounds[lo, VARIABLES]
    for b in range(len(values)):
        energies = values[b]
        clamp = evidence[b if len(evidence) > 1 else 0]
        for i in range(lo, hi):
            if clamped(plan, clamp, i):
                mode[b, i - lo] = CLAMPED
                continue
            if not plan.pairwise[i]:
                mode[b, i - lo] = ENERGY
                continue
            s0 = plan.state[v0]
            a, z = (
                plan.state[plan.bounds[i, VARIABLES]] - s0,
                plan.state[plan.bounds[i + 1, VARIABLES]] - s0,
            )
            mine, above = own[b, a:z], up[b, a:z]
            s0 += a
            gather(plan, energies, clamp, i, mine)
            free = constant(plan, energies, i)
            found = INFEASIBLE if free == np.inf else PRODUCT
            for v in range(plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]):
                row = mine[plan.state[v] - s0 : plan.state[v + 1] - s0]
                least, wide = _exponentials(row, beta, row)
                free += least
                if wide:
                    found = ENERGY
                elif least == np.inf and found == PRODUCT:
                    found = INFEASIBLE
            for s in range(z - a):
                above[s] = mine[s]
            for k in range(plan.bounds[i + 1, LINKS] - 1, plan.bounds[i, LINKS] - 1, -1):
                if found != PRODUCT:
                    break
                u = plan.scope[plan.link[k, START]]
                v = plan.scope[plan.link[k, START] + 1]
                width = plan.state[v + 1] - plan.state[v]
                size = (plan.state[u + 1] - plan.state[u]) * width
                t = plan.link[k, TABLE]
                at = plan.link[k, COMPACT]
                matrix = tables[b, at : at + size]
                if ready[b, t] == UNKNOWN:
                    source = energies[plan.link[k, BASE] : plan.link[k, BASE] + size]
                    low[b, t], wide = _exponentials(source, beta, matrix)
                    ready[b, t] = REFUSED if wide else READY
                if ready[b, t] == REFUSED:
                    found = ENERGY
                    break
                if plan.link[k, SLOT] == 0:
                    u, v = v, u
                child = above[plan.state[u] - s0 : plan.state[u + 1] - s0]
                parent = above[plan.state[v] - s0 : plan.state[v + 1] - s0]
                message = out[: len(parent)]
                _multiply(matrix, width, plan.link[k, SLOT], child, message)
                total = _times(parent, message)
                if total <= 0.0:
                    found = INFEASIBLE if total == 0.0 else ENERGY
                    break
                free += low[b, t] - np.log(total) / beta
            mode[b, i - lo] = found
            if found == PRODUCT:
                for r in range(plan.bounds[i, ROOTS], plan.bounds[i + 1, ROOTS]):
                    v = plan.roots[r]
                    free -= (
                        np.log(_total(above[plan.state[v] - s0 : plan.state[v + 1] - s0])) / beta
                    )
                value[b, i - lo] = free
            elif found == INFEASIBLE:
                value[b, i - lo] = np.inf


@kernel
def backward(  # type: ignore[no-untyped-def]
    plan, lo, hi, mode, own, up, tables, marginal, weight, into
):
    """Pass messages down where mode is PRODUCT; sets it to ENERGY where they come out too thin.

    marginal [B, S] and into [B, T] are filled and added to where they have a length.
    """
    down = np.empty(plan.most[STATES])
    kept = np.empty(plan.most[MESSAGES])
    norm = np.empty(plan.most[MOST_LINKS])
    scratch = np.empty(2 * plan.most[CARD])
    states0 = plan.state[plan.bounds[lo, VARIABLES]]
    for b in range(len(mode)):
        for i in range(lo, hi):
            share = weight[b, i - lo] if len(into) else 0.0
            if mode[b, i - lo] != PRODUCT or (len(marginal) == 0 and share == 0.0):
                continue
            a = plan.state[plan.bounds[i, VARIABLES]] - states0
            z = plan.state[plan.bounds[i + 1, VARIABLES]] - states0
            mine, above = own[b, a:z], up[b, a:z]
            if not _descend(plan, i, mine, above, tables[b], down, kept, norm, scratch):
                mode[b, i - lo] = ENERGY
                continue
            for s in range(z - a):
                down[s] *= above[s]
            if len(marginal):
                for s in range(z - a):
                    marginal[b, a + s] = down[s]
            if share == 0.0:
                continue
            add_local(plan, i, share, down, into[b])
            m0 = plan.link[plan.bounds[i, LINKS], MESSAGE]
            for k in range(plan.bounds[i, LINKS], plan.bounds[i + 1, LINKS]):
                u = plan.link[k, CHILD]
                s0 = states0 + a
                child = above[plan.state[u] - s0 : plan.state[u + 1] - s0]
                parent = kept[plan.link[k, MESSAGE] - m0 : plan.link[k + 1, MESSAGE] - m0]
                rows, columns = (child, parent) if plan.link[k, SLOT] == 1 else (parent, child)
                size = len(child) * len(parent)
                matrix = tables[b, plan.link[k, COMPACT] : plan.link[k, COMPACT] + size]
                goal = into[b, plan.link[k, BASE] : plan.link[k, BASE] + size]
                _add_outer(matrix, rows, columns, share * norm[k - plan.bounds[i, LINKS]], goal)


@kernel(**INNER)
def _descend(plan, i, own, up, tables, down, kept, norm, scratch):  # type: ignore[no-untyped-def]
    """Pass messages down one instance, so that ``up * down`` sums to 1; return whether all is well.

    kept gets what each link hears from its parent, norm what its joint is to be multiplied with.
    """
    s0 = plan.state[plan.bounds[i, VARIABLES]]
    m0 = plan.link[plan.bounds[i, LINKS], MESSAGE]
    for r in range(plan.bounds[i, ROOTS], plan.bounds[i + 1, ROOTS]):
        v = plan.roots[r]
        total = _total(up[plan.state[v] - s0 : plan.state[v + 1] - s0])
        for s in range(plan.state[v] - s0, plan.state[v + 1] - s0):
            down[s] = 1.0 / total
    k = plan.bounds[i, LINKS]
    while k < plan.bounds[i + 1, LINKS]:
        v = plan.link[k, PARENT]
        n = plan.state[v + 1] - plan.state[v]
        stop = k + 1
        while stop < plan.bounds[i + 1, LINKS] and plan.link[stop, PARENT] == v:
            stop += 1
        at = plan.state[v] - s0
        message, other = scratch[:n], scratch[n : 2 * n]
        for way in range(2 if stop > k + 1 else 1):
            for s in range(n):
                other[s] = 1.0 if way else own[at + s]
            for step in range(stop - k):
                c = stop - 1 - step if way else k + step
                ex = kept[plan.link[c, MESSAGE] - m0 : plan.link[c, MESSAGE] - m0 + n]
                if way == 0:
                    for s in range(n):
                        ex[s] = other[s]
                elif _times_thin(ex, other):
                    return False
                if stop > k + 1:
                    u = plan.link[c, CHILD]
                    child = up[plan.state[u] - s0 : plan.state[u + 1] - s0]
                    width = n if plan.link[c, SLOT] == 1 else len(child)
                    matrix = tables[plan.link[c, COMPACT] : plan.link[c, COMPACT] + n * len(child)]
                    _multiply(matrix, width, plan.link[c, SLOT], child, message)
                    if _times(other, message) <= 0.0:
                        return False
        for c in range(k, stop):
            ex = kept[plan.link[c, MESSAGE] - m0 : plan.link[c, MESSAGE] - m0 + n]
            if _times_thin(ex, down[at : at + n]):
                return False
            u = plan.link[c, CHILD]
            begin, end = plan.state[u] - s0, plan.state[u + 1] - s0
            width = n if plan.link[c, SLOT] == 1 else end - begin
            matrix = tables[plan.link[c, COMPACT] : plan.link[c, COMPACT] + n * (end - begin)]
            said = down[begin:end]
            _multiply(matrix, width, 1 - plan.link[c, SLOT], ex, said)
            total = 0.0
            for s in range(end - begin):
                total += said[s] * up[begin + s]
            if total < THIN:
                return False
            norm[c - plan.bounds[i, LINKS]] = 1.0 / total
            for s in range(end - begin):
                said[s] /= total
        k = stop
    return True


@kernel(**INNER)
def _times_thin(row, by):  # type: ignore[no-untyped-def]
    """Multiply and normalise ``row`` in place; return whether the normaliser is too thin."""
    for s in range(len(row)):
        row[s] *= by[s]
    total = _total(row)
    if total < THIN:
        return True
    scale = 1.0 / total
    for s in range(len(row)):
        row[s] *= scale
    return False
