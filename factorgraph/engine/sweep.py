"""Messages over a forest in the energy domain: minima and soft minima, +inf safe, any arity.

``beta = inf`` stands for the minimum. Every kernel works on the instances ``lo .. hi - 1`` of
each graph of the batch, one after the other, in scratch memory of the largest instance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from factorgraph.engine.forest import (
    ARITY,
    BASE,
    CARD,
    CONSTANTS,
    ENTRIES,
    LINKS,
    MESSAGE,
    MESSAGES,
    MOST_ARITY,
    MOST_VARIABLES,
    PARENT,
    ROOTS,
    SLOT,
    START,
    STATES,
    UNARIES,
    VARIABLES,
)
from factorgraph.jit import kernel

PRODUCT, ENERGY, CLAMPED, INFEASIBLE = 0, 1, 2, 3
INNER: dict[str, Any] = {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}  # called by kernels only
GONE = 700.0  # exp(-700) counts as zero: what lies beyond is slow to compute and to add


@kernel(**INNER)
def gather(plan, table, clamp, i, out):  # type: ignore[no-untyped-def]
    """Sum the unary factors of instance ``i``; states that the evidence excludes get +inf."""
    lo = plan.state[plan.bounds[i, VARIABLES]]
    for s in range(plan.state[plan.bounds[i + 1, VARIABLES]] - lo):
        out[s] = 0.0
    for t in range(plan.bounds[i, UNARIES], plan.bounds[i + 1, UNARIES]):
        v = plan.unary[t, 0]
        base = plan.unary[t, 1]
        own = out[plan.state[v] - lo : plan.state[v + 1] - lo]
        source = table[base : base + len(own)]
        for s in range(len(own)):
            own[s] += source[s]
    if len(clamp):
        for v in range(plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]):
            if clamp[v] >= 0:
                own = out[plan.state[v] - lo : plan.state[v + 1] - lo]
                for s in range(len(own)):
                    if s != clamp[v]:
                        own[s] = np.inf


@kernel(**INNER)
def clamped(plan, clamp, i):  # type: ignore[no-untyped-def]
    """Return whether the evidence fixes every variable of instance ``i``."""
    if len(clamp) == 0:
        return False
    for v in range(plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]):
        if clamp[v] < 0:
            return False
    return True


@kernel(**INNER)
def constant(plan, table, i):  # type: ignore[no-untyped-def]
    """Return the sum of the constant factors of instance ``i``."""
    total = 0.0
    for t in range(plan.bounds[i, CONSTANTS], plan.bounds[i + 1, CONSTANTS]):
        total += table[plan.constant[t]]
    return total


@kernel(**INNER)
def soft(row, beta):  # type: ignore[no-untyped-def]
    """Return -log(sum(exp(-beta row))) / beta, or the minimum where beta is infinite."""
    least = np.inf
    for s in range(len(row)):
        least = row[s] if row[s] < least else least
    if beta == np.inf or least == np.inf:
        return least
    total = 0.0
    for s in range(len(row)):
        rise = beta * (row[s] - least)
        if rise < GONE:
            total += np.exp(-rise)
    return least - np.log(total) / beta


@kernel(**INNER)
def _frame(plan, k, origin, shape, at):  # type: ignore[no-untyped-def]
    """Set the cards of the scope of link ``k`` and where its variables' states start."""
    size = 1
    for j in range(plan.link[k, ARITY]):
        v = plan.scope[plan.link[k, START] + j]
        shape[j] = plan.state[v + 1] - plan.state[v]
        at[j] = plan.state[v] - origin
        size *= shape[j]
    return size


@kernel(**INNER)
def _expand(table, arity, shape, work, at, skip, out):  # type: ignore[no-untyped-def]
    """Write the table plus what the variables of its scope say, without variable ``skip``."""
    size = len(table)
    for e in range(size):
        out[e] = table[e]
    inner = size
    for j in range(arity):
        block = inner
        inner //= shape[j]
        if j != skip:
            for o in range(0, size, block):
                for s in range(shape[j]):
                    said = work[at[j] + s]
                    for e in range(o + s * inner, o + (s + 1) * inner):
                        out[e] += said


@kernel(**INNER)
def _send(table, arity, shape, work, at, slot, beta, joint, out):  # type: ignore[no-untyped-def]
    """Write the message of a link to variable ``slot`` of its scope."""
    n = shape[slot]
    for s in range(n):
        out[s] = np.inf
    if arity == 2 and beta == np.inf:
        width = shape[1]
        other = at[1 - slot]
        if slot == 1:
            for a in range(shape[0]):
                row = table[a * width : a * width + width]
                x = work[other + a]
                for b in range(width):
                    e = row[b] + x
                    out[b] = e if e < out[b] else out[b]
        else:
            said = work[other : other + width]
            for a in range(n):
                row = table[a * width : a * width + width]
                least = np.inf
                for b in range(width):
                    e = row[b] + said[b]
                    least = e if e < least else least
                out[a] = least
        return
    _expand(table, arity, shape, work, at, slot, joint)
    inner = 1
    for j in range(slot + 1, arity):
        inner *= shape[j]
    for o in range(0, len(table), n * inner):
        for s in range(n):
            for e in range(o + s * inner, o + (s + 1) * inner):
                out[s] = joint[e] if joint[e] < out[s] else out[s]
    if beta < np.inf:
        for s in range(n):
            out[n + s] = 0.0
        for o in range(0, len(table), n * inner):
            for s in range(n):
                if out[s] < np.inf:
                    for e in range(o + s * inner, o + (s + 1) * inner):
                        rise = beta * (joint[e] - out[s])
                        if rise < GONE:
                            out[n + s] += np.exp(-rise)
        for s in range(n):
            if out[s] < np.inf:
                out[s] -= np.log(out[n + s]) / beta


@kernel(**INNER)
def _decode(table, arity, shape, up, at, slot, joint, chosen):  # type: ignore[no-untyped-def]
    """Set the child variables of a link, given its parent: the first of the least entries."""
    least = np.inf
    if arity == 2:
        first, step = chosen[0] * shape[1], 1
        if slot == 1:
            first, step = chosen[1], shape[1]
        chosen[1 - slot] = 0
        for s in range(shape[1 - slot]):
            e = table[first + s * step] + up[at[1 - slot] + s]
            if e < least:
                least = e
                chosen[1 - slot] = s
        return
    _expand(table, arity, shape, up, at, slot, joint)
    inner = 1
    for j in range(slot + 1, arity):
        inner *= shape[j]
    best = chosen[slot] * inner
    for o in range(chosen[slot] * inner, len(table), shape[slot] * inner):
        for e in range(o, o + inner):
            if joint[e] < least:
                least, best = joint[e], e
    for j in range(arity - 1, -1, -1):
        chosen[j] = best % shape[j]
        best //= shape[j]


@kernel(**INNER)
def _ascend(plan, table, i, beta, work, origin, joint, out, shape, at, told):  # type: ignore[no-untyped-def]
    """Add all messages of instance ``i`` to the parents in ``work``; keep them from ``told`` on."""
    m0 = plan.link[plan.bounds[i, LINKS], MESSAGE]
    for k in range(plan.bounds[i + 1, LINKS] - 1, plan.bounds[i, LINKS] - 1, -1):
        size = _frame(plan, k, origin, shape, at)
        slot, arity, base = plan.link[k, SLOT], plan.link[k, ARITY], plan.link[k, BASE]
        _send(table[base : base + size], arity, shape, work, at, slot, beta, joint, out)
        for s in range(shape[slot]):
            work[at[slot] + s] += out[s]
        if told >= 0:
            for s in range(shape[slot]):
                work[told + plan.link[k, MESSAGE] - m0 + s] = out[s]


@kernel
def minimise(plan, values, evidence, lo, hi, states):  # type: ignore[no-untyped-def]
    """Write a configuration of least energy of each instance into ``states`` [B, variables]."""
    up = np.empty(plan.most[STATES])
    joint = np.empty(plan.most[ENTRIES])
    out = np.empty(2 * plan.most[CARD])
    shape = np.empty(plan.most[MOST_ARITY], np.int64)
    at = np.empty(plan.most[MOST_ARITY], np.int64)
    chosen = np.empty(plan.most[MOST_ARITY], np.int64)
    v0 = plan.bounds[lo, VARIABLES]
    for b in range(len(values)):
        table = values[b]
        clamp = evidence[b if len(evidence) > 1 else 0]
        answer = states[b]
        for i in range(lo, hi):
            if not clamped(plan, clamp, i):
                gather(plan, table, clamp, i, up)
                s0 = plan.state[plan.bounds[i, VARIABLES]]
                _ascend(plan, table, i, np.inf, up, s0, joint, out, shape, at, np.int64(-1))
                for r in range(plan.bounds[i, ROOTS], plan.bounds[i + 1, ROOTS]):
                    v = plan.roots[r]
                    answer[v - v0] = 0
                    least = np.inf
                    for s in range(plan.state[v] - s0, plan.state[v + 1] - s0):
                        if up[s] < least:
                            least = up[s]
                            answer[v - v0] = s - (plan.state[v] - s0)
                for k in range(plan.bounds[i, LINKS], plan.bounds[i + 1, LINKS]):
                    size = _frame(plan, k, s0, shape, at)
                    slot, arity, base = plan.link[k, SLOT], plan.link[k, ARITY], plan.link[k, BASE]
                    chosen[slot] = answer[plan.link[k, PARENT] - v0]
                    _decode(table[base : base + size], arity, shape, up, at, slot, joint, chosen)
                    for j in range(arity):
                        answer[plan.scope[plan.link[k, START] + j] - v0] = chosen[j]
            if len(clamp):
                for v in range(plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]):
                    if clamp[v] >= 0:
                        answer[v - v0] = clamp[v]


@kernel
def sweep(  # type: ignore[no-untyped-def]
    plan, values, evidence, lo, hi, beta, mode, value, belief, weight, into
):
    """Pass messages up, and down where ``belief`` or ``into`` have a length, where mode is ENERGY.

    value [B, I] gets the (soft) minimum where it has a length, belief [B, S] the min-marginals
    or, for finite beta, the marginals; into [B, T] the weighted marginals of the scopes.
    """
    most = plan.most[STATES]
    told = 3 * most
    # Own energies, all from below, all from above; then what links told and what they hear.
    work = np.empty(3 * most + 2 * plan.most[MESSAGES])
    own, up, down = work[:most], work[most : 2 * most], work[2 * most : 3 * most]
    joint = np.empty(plan.most[ENTRIES])
    out = np.empty(2 * plan.most[CARD])
    shape = np.empty(plan.most[MOST_ARITY], np.int64)
    at = np.empty(plan.most[MOST_ARITY], np.int64)
    before = np.empty(plan.most[MOST_VARIABLES])
    for b in range(len(values)):
        table = values[b]
        clamp = evidence[b if len(evidence) > 1 else 0]
        for i in range(lo, hi):
            share = weight[b, i - lo] if len(into) else 0.0
            descends = len(belief) > 0 or share != 0.0
            if mode[b, i - lo] != ENERGY or (len(value) == 0 and not descends):
                continue
            s0 = plan.state[plan.bounds[i, VARIABLES]]
            n_states = plan.state[plan.bounds[i + 1, VARIABLES]] - s0
            gather(plan, table, clamp, i, own)
            for s in range(n_states):
                up[s] = own[s]
            _ascend(plan, table, i, beta, work, s0 - most, joint, out, shape, at, told)
            # A root hears the minima of all other components: those before it, then those after.
            r0, r1 = plan.bounds[i, ROOTS], plan.bounds[i + 1, ROOTS]
            total = constant(plan, table, i)
            for r in range(r0, r1):
                before[r - r0] = total
                v = plan.roots[r]
                total += soft(up[plan.state[v] - s0 : plan.state[v + 1] - s0], beta)
            if len(value):
                value[b, i - lo] = total
            if not descends:
                continue
            feasible = total < np.inf
            if feasible:
                after = 0.0
                for r in range(r1 - 1, r0 - 1, -1):
                    v = plan.roots[r]
                    for s in range(plan.state[v] - s0, plan.state[v + 1] - s0):
                        down[s] = before[r - r0] + after
                    after += soft(up[plan.state[v] - s0 : plan.state[v + 1] - s0], beta)
                _descend(plan, table, i, beta, share, work, joint, out, shape, at, into, b)
                for v in range(plan.bounds[i, VARIABLES], plan.bounds[i + 1, VARIABLES]):
                    first, last = plan.state[v] - s0, plan.state[v + 1] - s0
                    for s in range(first, last):
                        up[s] += down[s]
                    if beta < np.inf:
                        free = soft(up[first:last], beta)
                        for s in range(first, last):
                            up[s] = np.exp(-beta * (up[s] - free))
                if share != 0.0:
                    add_local(plan, i, share, up, into[b])
            if len(belief):
                skipped = s0 - plan.state[plan.bounds[lo, VARIABLES]]
                nowhere = np.inf if beta == np.inf else 0.0
                for s in range(n_states):
                    belief[b, skipped + s] = up[s] if feasible else nowhere


@kernel(**INNER)
def add_local(plan, i, share, marginal, into):  # type: ignore[no-untyped-def]
    """Add the weighted marginals of the unary and constant factors of instance ``i``."""
    s0 = plan.state[plan.bounds[i, VARIABLES]]
    for t in range(plan.bounds[i, UNARIES], plan.bounds[i + 1, UNARIES]):
        v = plan.unary[t, 0]
        base = plan.unary[t, 1]
        source = marginal[plan.state[v] - s0 : plan.state[v + 1] - s0]
        goal = into[base : base + len(source)]
        for s in range(len(goal)):
            goal[s] += share * source[s]
    for t in range(plan.bounds[i, CONSTANTS], plan.bounds[i + 1, CONSTANTS]):
        into[plan.constant[t]] += share


@kernel(**INNER)
def _descend(plan, table, i, beta, share, work, joint, out, shape, at, into, b):  # type: ignore[no-untyped-def]
    """Pass messages down instance ``i``; siblings are summed from both sides, never subtracted."""
    most = plan.most[STATES]
    s0 = plan.state[plan.bounds[i, VARIABLES]]
    told = 3 * most - plan.link[plan.bounds[i, LINKS], MESSAGE]
    kept = told + plan.most[MESSAGES]
    k = plan.bounds[i, LINKS]
    while k < plan.bounds[i + 1, LINKS]:
        v = plan.link[k, PARENT]
        stop = k
        while stop < plan.bounds[i + 1, LINKS] and plan.link[stop, PARENT] == v:
            stop += 1
        for s in range(plan.state[v + 1] - plan.state[v]):
            own = plan.state[v] - s0 + s
            heard = work[own] + work[2 * most + own]
            for c in range(k, stop):
                work[kept + plan.link[c, MESSAGE] + s] = heard
                heard += work[told + plan.link[c, MESSAGE] + s]
            heard = 0.0
            for c in range(stop - 1, k - 1, -1):
                work[kept + plan.link[c, MESSAGE] + s] += heard
                heard += work[told + plan.link[c, MESSAGE] + s]
        for c in range(k, stop):
            size = _frame(plan, c, s0 - most, shape, at)
            slot, arity, base = plan.link[c, SLOT], plan.link[c, ARITY], plan.link[c, BASE]
            part = table[base : base + size]
            at[slot] = kept + plan.link[c, MESSAGE]
            for j in range(arity):
                if j != slot:
                    _send(part, arity, shape, work, at, j, beta, joint, out)
                    for s in range(shape[j]):
                        work[most + at[j] + s] = out[s]
            if share != 0.0:
                _expand(part, arity, shape, work, at, arity, joint)
                free = soft(joint[:size], beta)
                for e in range(size):
                    rise = beta * (joint[e] - free)
                    if rise < GONE:
                        into[b, base + e] += share * np.exp(-rise)
        k = stop
