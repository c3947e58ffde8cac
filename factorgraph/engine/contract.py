"""Elimination up and down a bucket tree, in scaled exponentials or in energies.

The way up joins and sums out; the way down hands each elimination the marginal of its message, and
with it the conditional of the variable given that (joined over message) is a belief. Nothing is
divided but what is zero where its divisor is. Exponentials are used as long as no product of them
can come near underflow, which the ranges of what goes into it tell; else energies are.
"""

from __future__ import annotations

import numpy as np
from numpy import uintp

from factorgraph.engine.buckets import (
    ALONG,
    AT,
    AXES,
    CARD,
    CELLS,
    CONSTANT,
    FACTOR_STRIDES,
    FACTORS,
    INDEX,
    KIND,
    LEVEL,
    LEVEL_COUNT,
    LEVELS,
    NUMBER,
    OPERANDS,
    OUTER,
    OWN,
    PARENT,
    ROW,
    SLOPE,
    SMALL,
    SOURCE,
    STRIDES,
    VARIABLE,
)
from factorgraph.engine.sweep import ENERGY, INFEASIBLE, INNER, PRODUCT
from factorgraph.jit import kernel

FAR = 650.0
"""Natural logarithm of how far the largest and the smallest entry of a product may be apart."""
_SUMS = {"reassoc", "contract"}


@kernel(fastmath=_SUMS, **INNER)
def _sum(row, n):  # type: ignore[no-untyped-def]
    total = 0.0
    for r in range(n):
        total += row[r]
    return total


@kernel(**INNER)
def own_table(plan, t, base, source, product, small):  # type: ignore[no-untyped-def]
    """Join the factors of an elimination, level by level: each costs but its own prefix."""
    begin, size = plan.step[t, LEVELS], 1
    small[0] = 1.0 if product else 0.0
    f, stop = plan.step[t, FACTORS], plan.step[t + 1, FACTORS]
    digit = np.zeros(plan.step[t, LEVEL_COUNT], np.int64)
    for k in range(plan.step[t, LEVEL_COUNT]):
        n = plan.card[plan.level[begin + k]]
        for back in range(size):
            x = size - 1 - back
            value = small[x]
            for s in range(n):
                small[x * n + s] = value
        while f < stop and plan.factor[f, LEVEL] == k:
            at, slopes = base[plan.factor[f, NUMBER]], plan.factor[f, FACTOR_STRIDES]
            along = plan.reach[slopes + k]
            for d in range(len(digit)):
                digit[d] = 0
            for x in range(size):
                row = small[x * n : x * n + n]
                if product:
                    for s in range(n):
                        row[s] *= source[at + s * along]
                else:
                    for s in range(n):
                        row[s] += source[at + s * along]
                at += _advance(plan, digit, begin, slopes, k)
            f += 1
        size *= n


@kernel(**INNER)
def _advance(plan, digit, begin, slopes, k):  # type: ignore[no-untyped-def]
    """Count on the first ``k`` axes of a factors' table; return how far a factor's place moves."""
    move = np.int64(0)
    j = k - 1
    while j >= 0:
        digit[j] += 1
        n = plan.card[plan.level[begin + j]]
        if digit[j] < n:
            return move + plan.reach[slopes + j]
        digit[j] = 0
        move -= (n - 1) * plan.reach[slopes + j]
        j -= 1
    return move


@kernel(**INNER)
def _hand_down(plan, t, base, small, share, into):  # type: ignore[no-untyped-def]
    """Add the marginals of an elimination's factors, of which ``small`` has the joint one."""
    begin, size = plan.step[t, LEVELS], plan.step[t, SMALL]
    first = plan.step[t, FACTORS]
    f = plan.step[t + 1, FACTORS] - 1
    digit = np.zeros(plan.step[t, LEVEL_COUNT], np.int64)
    for back in range(plan.step[t, LEVEL_COUNT]):
        k = plan.step[t, LEVEL_COUNT] - 1 - back
        n = plan.card[plan.level[begin + k]]
        size //= n
        while f >= first and plan.factor[f, LEVEL] == k:
            at, slopes = base[plan.factor[f, NUMBER]], plan.factor[f, FACTOR_STRIDES]
            along = plan.reach[slopes + k]
            for d in range(len(digit)):
                digit[d] = 0
            for x in range(size):
                for s in range(n):
                    into[at + s * along] += share * small[x * n + s]
                at += _advance(plan, digit, begin, slopes, k)
            f -= 1
        for x in range(size):
            total = 0.0
            for s in range(n):
                total += small[x * n + s]
            small[x] = total


@kernel(**INNER)
def _join(plan, first, count, off, k, work, row, product, out):  # type: ignore[no-untyped-def]
    """Write one row of the joined operands at state ``k`` of the eliminated variable."""
    level = 1.0 if product else 0.0
    for j in range(count):
        if plan.operand[first + j, KIND] == CONSTANT:
            value = work[off[j] + k * plan.operand[first + j, SLOPE]]
            level = level * value if product else level + value
    begun = False
    for j in range(count):
        kind = plan.operand[first + j, KIND]
        if kind == CONSTANT:
            continue
        at = off[j] + k * plan.operand[first + j, SLOPE]
        if kind == ALONG:
            source = work[at : at + row]
            if not begun:
                if product:
                    for r in range(row):
                        out[r] = level * source[r]
                else:
                    for r in range(row):
                        out[r] = level + source[r]
            elif product:
                for r in range(row):
                    out[r] *= source[r]
            else:
                for r in range(row):
                    out[r] += source[r]
        else:
            places = plan.place[plan.operand[first + j, INDEX] :]
            if not begun:
                if product:
                    for r in range(row):
                        out[r] = level * work[uintp(at + places[r])]
                else:
                    for r in range(row):
                        out[r] = level + work[uintp(at + places[r])]
            elif product:
                for r in range(row):
                    out[r] *= work[uintp(at + places[r])]
            else:
                for r in range(row):
                    out[r] += work[uintp(at + places[r])]
        begun = True
    if not begun:
        for r in range(row):
            out[r] = level


@kernel(**INNER)
def _start(plan, t, base, own, off):  # type: ignore[no-untyped-def]
    """Put all operands of an elimination at their first entries; return how many there are."""
    first, count = plan.step[t, OPERANDS], plan.step[t + 1, OPERANDS] - plan.step[t, OPERANDS]
    for j in range(count):
        c = plan.operand[first + j, SOURCE]
        off[j] = own if c == OWN else plan.step[c, AT] - base
    return count


@kernel(**INNER)
def _next(plan, t, count, digit, off):  # type: ignore[no-untyped-def]
    """Move all operands on by one row of the message."""
    first, outer, axes = plan.step[t, OPERANDS], plan.step[t, OUTER], plan.step[t, AXES]
    j = outer - 1
    while j >= 0:
        digit[j] += 1
        n = plan.card[plan.axis[axes + j]]
        if digit[j] < n:
            for o in range(count):
                off[o] += plan.stride[plan.operand[first + o, STRIDES] + j]
            return
        digit[j] = 0
        for o in range(count):
            off[o] -= (n - 1) * plan.stride[plan.operand[first + o, STRIDES] + j]
        j -= 1


@kernel(**INNER)
def _sum_out(plan, t, base, own, lo, hi, work, beta, product, out, off, digit):  # type: ignore[no-untyped-def]
    """Write the message of an elimination, over the states lo .. hi - 1 of its variable."""
    row, at = plan.step[t, ROW], plan.step[t, AT] - base
    first, count = plan.step[t, OPERANDS], _start(plan, t, base, own, off)
    for d in range(len(digit)):
        digit[d] = 0
    for cell in range(plan.step[t, CELLS]):
        goal = work[at + cell * row : at + (cell + 1) * row]
        for k in range(lo, hi):
            _join(plan, first, count, off, k, work, row, product, out)
            if k == lo:
                for r in range(row):
                    goal[r] = out[r]
            elif product:
                for r in range(row):
                    goal[r] += out[r]
            else:
                for r in range(row):
                    goal[r] = out[r] if out[r] < goal[r] else goal[r]
        if not product and beta < np.inf:
            total = out[row : 2 * row]
            for r in range(row):
                total[r] = 0.0
            for k in range(lo, hi):
                _join(plan, first, count, off, k, work, row, product, out)
                for r in range(row):
                    if out[r] < np.inf:
                        total[r] += np.exp(beta * (goal[r] - out[r]))
            for r in range(row):
                if total[r] > 0.0:
                    goal[r] -= np.log(total[r]) / beta
        _next(plan, t, count, digit, off)


@kernel(**INNER)
def conditional(plan, t, start, at, source, product, line, states, out):  # type: ignore[no-untyped-def]
    """Write what each state of an elimination's variable adds, given those of its message."""
    n, o0 = plan.step[t, CARD], plan.step[t, OPERANDS]
    for k in range(n):
        out[k] = 1.0 if product else 0.0
    for f in range(plan.step[t, FACTORS], plan.step[t + 1, FACTORS]):
        place, slopes = at[plan.factor[f, NUMBER]], plan.factor[f, FACTOR_STRIDES]
        for j in range(1, plan.factor[f, LEVEL] + 1):
            place += plan.reach[slopes + j] * states[plan.level[plan.step[t, LEVELS] + j]]
        for k in range(n):
            x = source[place + k * plan.reach[slopes]]
            out[k] = out[k] * x if product else out[k] + x
    axes, outer = plan.step[t, AXES], plan.step[t, OUTER]
    inside = np.int64(0)
    for j in range(axes + outer, plan.step[t + 1, AXES]):
        inside = inside * plan.card[plan.axis[j]] + states[plan.axis[j]]
    for o in range(o0, plan.step[t + 1, OPERANDS]):
        c = plan.operand[o, SOURCE]
        if c == OWN:
            continue
        place = plan.step[c, AT] - start
        for j in range(outer):
            place += plan.stride[plan.operand[o, STRIDES] + j] * states[plan.axis[axes + j]]
        if plan.operand[o, KIND] == ALONG:
            place += inside
        elif plan.operand[o, KIND] != CONSTANT:
            place += plan.place[plan.operand[o, INDEX] + inside]
        for k in range(n):
            x = line[place + k * plan.operand[o, SLOPE]]
            out[k] = out[k] * x if product else out[k] + x


@kernel
def up(  # type: ignore[no-untyped-def]
    plan, base, constant, values, tables, low, far, fixed, beta, lo, hi, mode, work, scale, value,
    states,
):  # fmt: skip
    """Eliminate all free variables of each instance; mode PRODUCT may become ENERGY or INFEASIBLE.

    base [E, F] : where each factor's table starts in the values, for each graph's evidence or for
    all. constant [B, I] : energies that no free variable has a part in.
    values, tables [B, T] : energies, and their exponentials above the least of each table.
    low, far [B, F] : that least, and how far the logarithms of the entries are apart.
    fixed [E, U] : states of free variables that are given for some graphs only, -1 elsewhere.
    work [B, L] : gets the messages of these instances.
    scale [B, U] : gets what each message was divided by, or its energies lowered by.
    value [B, I] : gets the soft minimum at ``beta``, the minimum where that is +inf.
    states [B, U] : gets the first configuration of least energy, if it has a length.
    """
    out, off = np.empty(2 * plan.most[2]), np.empty(plan.most[3] + 1, np.int64)
    reached, digit = np.zeros(len(plan.card)), np.zeros(64, np.int64)
    own, start = work.shape[1] - plan.most[1], plan.step[plan.bounds[lo], AT]
    chosen = np.empty(most_states(plan))
    for b in range(len(mode)):
        row = work[b]
        at = base[b if len(base) > 1 else 0]
        e = b if len(fixed) > 1 else 0
        for i in range(lo, hi):
            first, last = plan.bounds[i], plan.bounds[i + 1]
            t, total = first, constant[b, i - lo]
            if mode[b, i - lo] == PRODUCT:
                for f in range(plan.step[first, FACTORS], plan.step[last, FACTORS]):
                    total += low[b, plan.factor[f, NUMBER]]
            if total == np.inf:
                mode[b, i - lo] = INFEASIBLE
            while t < last and mode[b, i - lo] != INFEASIBLE:
                product = mode[b, i - lo] == PRODUCT
                if product:
                    apart = 0.0
                    for f in range(plan.step[t, FACTORS], plan.step[t + 1, FACTORS]):
                        apart += far[b, plan.factor[f, NUMBER]]
                    for o in range(plan.step[t, OPERANDS], plan.step[t + 1, OPERANDS]):
                        c = plan.operand[o, SOURCE]
                        apart += reached[c] if c != OWN else 0.0
                    if not apart < FAR:
                        mode[b, i - lo] = ENERGY
                        t, total = first, constant[b, i - lo]
                        continue
                if plan.step[t, SMALL]:
                    source = tables[b] if product else values[b]
                    own_table(plan, t, at, source, product, row[own:])
                k0, k1 = np.int64(0), plan.step[t, CARD]
                if fixed.shape[1] and fixed[e, plan.step[t, VARIABLE]] >= 0:
                    k0 = np.int64(fixed[e, plan.step[t, VARIABLE]])
                    k1 = k0 + 1
                _sum_out(plan, t, start, own, k0, k1, row, beta, product, out, off, digit)
                begin = plan.step[t, AT] - start
                message = row[begin : begin + plan.step[t, CELLS] * plan.step[t, ROW]]
                if product:
                    most, least = 0.0, np.inf
                    for m in message:
                        most = m if m > most else most
                        above = m if m > 0.0 else np.inf
                        least = above if above < least else least
                    if most == 0.0:
                        mode[b, i - lo] = INFEASIBLE
                        continue
                    share = 1.0 / most
                    for m in range(len(message)):
                        message[m] *= share
                    reached[t] = np.log(most / least)
                    scale[b, t] = most
                    total -= np.log(most) / beta
                else:
                    least = np.inf
                    for m in message:
                        least = m if m < least else least
                    if least == np.inf:
                        mode[b, i - lo] = INFEASIBLE
                        continue
                    for m in range(len(message)):
                        message[m] -= least
                    scale[b, t] = least
                    total += least
                t += 1
            value[b, i - lo] = np.inf if mode[b, i - lo] == INFEASIBLE else total
            if len(states) == 0 or mode[b, i - lo] == INFEASIBLE:
                continue
            for back in range(last - first):
                t = last - 1 - back
                v, best = plan.step[t, VARIABLE], np.int64(0)
                if fixed.shape[1] and fixed[e, v] >= 0:
                    best = np.int64(fixed[e, v])
                else:
                    conditional(plan, t, start, at, values[b], False, row, states[b], chosen)
                    for k in range(plan.step[t, CARD]):
                        if chosen[k] < chosen[best]:
                            best = np.int64(k)
                states[b, v] = best


@kernel(**INNER)
def most_states(plan):  # type: ignore[no-untyped-def]
    most = 1
    for n in plan.card:
        most = max(most, n)
    return most


@kernel
def down(  # type: ignore[no-untyped-def]
    plan, base, values, tables, fixed, beta, lo, hi, mode, work, scale, value, state, belief,
    weight, into, below,
):  # fmt: skip
    """Hand the beliefs down after `up`, of instances that are feasible.

    state [U] : where each variable's states start in ``belief`` [B, S], which gets marginals, or
    least energies where ``beta`` is +inf, if it has a length.
    into [B, T] : gets the marginals of factors, weighted, if it has a length.
    below [L] : room for the marginals of messages.
    """
    out, off = np.empty(2 * plan.most[2]), np.empty(plan.most[3] + 1, np.int64)
    ratio, digit = np.empty(plan.most[2]), np.zeros(64, np.int64)
    own, start = work.shape[1] - plan.most[1], plan.step[plan.bounds[lo], AT]
    hard = beta == np.inf
    for b in range(len(mode)):
        line = work[b]
        at = base[b if len(base) > 1 else 0]
        e = b if len(fixed) > 1 else 0
        for i in range(lo, hi):
            share = weight[b, i - lo] if len(into) else 0.0
            if mode[b, i - lo] == INFEASIBLE or (len(belief) == 0 and share == 0.0):
                continue
            product = mode[b, i - lo] == PRODUCT
            first, last = plan.bounds[i], plan.bounds[i + 1]
            for back in range(last - first):
                t = last - 1 - back
                v, row = plan.step[t, VARIABLE], plan.step[t, ROW]
                o0, count = plan.step[t, OPERANDS], _start(plan, t, start, own, off)
                place = plan.step[t, AT] - start
                if plan.step[t, PARENT] < 0:
                    below[place] = 0.0 if hard else 1.0
                for j in range(count):
                    c = plan.operand[o0 + j, SOURCE]
                    begin = own if c == OWN else plan.step[c, AT] - start
                    size = plan.step[t, SMALL]
                    if c != OWN:
                        size = plan.step[c, CELLS] * plan.step[c, ROW]
                    for m in range(begin, begin + size):
                        below[m] = np.inf if hard else 0.0
                if plan.step[t, SMALL]:
                    source = tables[b] if product else values[b]
                    own_table(plan, t, at, source, product, line[own:])
                k0, k1 = np.int64(0), plan.step[t, CARD]
                if fixed.shape[1] and fixed[e, v] >= 0:
                    k0 = np.int64(fixed[e, v])
                    k1 = k0 + 1
                level = scale[b, t]
                for d in range(len(digit)):
                    digit[d] = 0
                for cell in range(plan.step[t, CELLS]):
                    message = line[place + cell * row : place + (cell + 1) * row]
                    told = below[place + cell * row : place + (cell + 1) * row]
                    for r in range(row):
                        if product:
                            ratio[r] = told[r] / (message[r] * level) if told[r] > 0.0 else 0.0
                        else:
                            ratio[r] = np.inf
                            if message[r] < np.inf:
                                ratio[r] = (told[r] if hard else 0.0) - (message[r] + level)
                    for k in range(k0, k1):
                        _join(plan, o0, count, off, k, line, row, product, out)
                        if product:
                            for r in range(row):
                                out[r] *= ratio[r]
                        elif hard:
                            for r in range(row):
                                out[r] += ratio[r]
                        else:
                            for r in range(row):
                                out[r] = told[r] * np.exp(-beta * (out[r] + ratio[r]))
                        if hard:
                            total = np.inf
                            for r in range(row):
                                total = out[r] if out[r] < total else total
                        else:
                            total = _sum(out, row)
                        if total == (np.inf if hard else 0.0):
                            continue
                        if len(belief):
                            s = state[v] + k
                            if hard:
                                belief[b, s] = min(belief[b, s], total + value[b, i - lo])
                            else:
                                belief[b, s] += total
                        for j in range(count):
                            kind = plan.operand[o0 + j, KIND]
                            a = off[j] + k * plan.operand[o0 + j, SLOPE]
                            if kind == CONSTANT:
                                below[a] = min(below[a], total) if hard else below[a] + total
                            elif kind == ALONG:
                                goal = below[a : a + row]
                                if hard:
                                    for r in range(row):
                                        goal[r] = out[r] if out[r] < goal[r] else goal[r]
                                else:
                                    for r in range(row):
                                        goal[r] += out[r]
                            else:
                                places = plan.place[plan.operand[o0 + j, INDEX] :]
                                if hard:
                                    for r in range(row):
                                        p = uintp(a + places[r])
                                        below[p] = min(below[p], out[r])
                                else:
                                    for r in range(row):
                                        below[uintp(a + places[r])] += out[r]
                    _next(plan, t, count, digit, off)
                if share != 0.0 and plan.step[t, SMALL]:
                    _hand_down(plan, t, at, below[own:], share, into[b])
