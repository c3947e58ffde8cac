"""Soft local consistency: energies are moved between factors, variables and a constant.

Every move leaves all configurations' energies as they were, so the constant is a lower bound at
any moment. Variables are visited in their order and back, as sequential tree-reweighted message
passing does it, on factors of any arity: what the factors of a variable can spare goes to its
states, their least to the constant, and the rest is dealt out to the factors that lead on. States
whose cost with the constant is above the best answer's are dropped, and so are those that no
configuration of some factor supports.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.network import Network
from factorgraph.engine.sweep import INNER
from factorgraph.graph.structure import Energies, Offsets
from factorgraph.jit import kernel

TOP, TURN, SIZES_TOP, LAST, CULPRIT, SOFT = range(6)
"""Places in `State.register`: ends of the two trails, the present turn, the variable of the last
conflict, the factor that may be to blame, whether any energies are neither 0 nor +inf."""
PRODUCT = 2048
"""Factors that would still have more configurations wait until more variables are set."""


class State(NamedTuple):
    """What the search changes and restores.

    Attributes
    ----------
    cost : float64 [C], unary costs, shifts and the constant.
    size : int64 [n], how many states each variable has left.
    value : int64 [S], the states of each variable, those left before the others.
    where : int64 [S], where each state stands among them.
    stamp, size_stamp : int64 [C], [n], the turn in which each was last written down.
    trail, old : int64, float64, what to restore.
    size_trail : int64 [., 2], variable and size to restore.
    weight : float64 [n], how often a variable's factors were in conflict.
    dirty : int8 [n], 2 where a neighbour lost states, 1 where costs were moved.
    stale : int8 [E], the places of factors of which a variable lost states since the last visit.
    register : int64 [6].
    scratch : float64, as long as any variable's places times states.
    """

    cost: Energies
    size: Offsets
    value: Offsets
    where: Offsets
    stamp: Offsets
    size_stamp: Offsets
    trail: Offsets
    old: Energies
    size_trail: Offsets
    weight: Energies
    dirty: NDArray[np.int8]
    stale: NDArray[np.int8]
    register: Offsets
    scratch: Energies


def begin(network: Network) -> State:
    """Return the state in which nothing is decided yet, and states of infinite cost are dropped."""
    net, cost = network.net, network.cost
    n = net.variables
    card = np.diff(net.state)
    states, owner = int(net.state[-1]), np.repeat(np.arange(n), card)
    gone = np.isposinf(cost[:states])
    order = np.lexsort((gone, owner))  # stable: within a variable those left come first
    where = np.empty(states, np.int64)
    where[order] = np.arange(states) - net.state[owner]
    degree = np.diff(net.near)
    given = np.concatenate((net.table, network.unary))
    soft = bool(given[np.isfinite(given)].any())
    room = max(4 * len(cost), min((n + 2) * len(cost), 2**22))
    state = State(
        cost.copy(),
        card - np.bincount(owner[gone], minlength=n),
        order - net.state[owner],
        where,
        np.zeros(len(cost), np.int64),
        np.zeros(n, np.int64),
        np.zeros(room, np.int64),
        np.zeros(room),
        np.zeros((max(4 * n, min(n * n, 2**20)) + 4, 2), np.int64),
        np.ones(n),
        np.full(n, 2, np.int8),
        np.ones(len(net.scope), np.int8),
        np.array([0, 1, 0, -1, -1, soft], np.int64),
        np.zeros(int((degree * card).max(initial=0)) + 1),
    )
    return state


def grown(state: State, more: int, sizes: int) -> State:
    """Return the state with room for so many more entries in its trails."""
    top, size_top = int(state.register[TOP]), int(state.register[SIZES_TOP])
    if top + more <= len(state.trail) and size_top + sizes <= len(state.size_trail):
        return state
    length, rows = 2 * (len(state.trail) + more), 2 * (len(state.size_trail) + sizes)
    trail, old = np.zeros(length, np.int64), np.zeros(length)
    size_trail = np.zeros((rows, 2), np.int64)
    trail[:top], old[:top] = state.trail[:top], state.old[:top]
    size_trail[:size_top] = state.size_trail[:size_top]
    return state._replace(trail=trail, old=old, size_trail=size_trail)


@kernel(**INNER)
def keep(s, at):  # type: ignore[no-untyped-def]
    """Write a cost down before it changes, once a turn."""
    turn = s.register[TURN]
    if s.stamp[at] != turn:
        s.stamp[at] = turn
        top = s.register[TOP]
        s.trail[top] = at
        s.old[top] = s.cost[at]
        s.register[TOP] = top + 1


@kernel(**INNER)
def drop(net, s, x, a):  # type: ignore[no-untyped-def]
    """Take state ``a`` from variable ``x``."""
    turn = s.register[TURN]
    if s.size_stamp[x] != turn:
        s.size_stamp[x] = turn
        top = s.register[SIZES_TOP]
        s.size_trail[top, 0] = x
        s.size_trail[top, 1] = s.size[x]
        s.register[SIZES_TOP] = top + 1
    begin = net.state[x]
    last = s.size[x] - 1
    at = s.where[begin + a]
    other = s.value[begin + last]
    s.value[begin + at] = other
    s.value[begin + last] = a
    s.where[begin + other] = at
    s.where[begin + a] = last
    s.size[x] = last


@kernel(**INNER)
def restore(s, top, sizes):  # type: ignore[no-untyped-def]
    """Undo everything since the trails had these lengths."""
    for t in range(s.register[TOP] - 1, top - 1, -1):
        s.cost[s.trail[t]] = s.old[t]
    for t in range(s.register[SIZES_TOP] - 1, sizes - 1, -1):
        s.size[s.size_trail[t, 0]] = s.size_trail[t, 1]
    s.register[TOP] = top
    s.register[SIZES_TOP] = sizes


@kernel(**INNER)
def waken(net, s, x):  # type: ignore[no-untyped-def]
    """Have the variables that share a factor with ``x`` visited, as it has lost states."""
    for t in range(net.near[x], net.near[x + 1]):
        e = net.place[t]
        f = net.owner[e]
        how = 2 if s.size[x] <= net.tight[e] else s.register[SOFT]
        for o in range(net.first[f], net.first[f + 1]):
            y = net.scope[o]
            if y != x and how > 0:
                s.stale[o] = 1
                if s.dirty[y] < how:
                    s.dirty[y] = how


@kernel(**INNER)
def least(net, s, e, a, floor):  # type: ignore[no-untyped-def]
    """Return the least of a factor with place ``e`` at ``a``, but for that place's own shift.

    Whatever is not above ``floor`` ends the search: no entry can be below.
    """
    f = net.owner[e]
    first, last = net.first[f], net.first[f + 1]
    base = net.base[f] + a * net.stride[e]
    best = np.inf
    if last - first == 2:
        o = first + last - 1 - e
        y = net.scope[o]
        begin, stride, shift = net.state[y], net.stride[o], net.shift[o]
        for k in range(s.size[y]):
            b = s.value[begin + k]
            t = net.table[base + b * stride] - s.cost[shift + b]
            if t < best:
                best = t
                if t <= floor:
                    break
        return best
    count = np.zeros(last - first, np.int64)
    while True:
        t = 0.0
        at = base
        for o in range(first, last):
            if o != e:
                b = s.value[net.state[net.scope[o]] + count[o - first]]
                at += b * net.stride[o]
                t -= s.cost[net.shift[o] + b]
        t += net.table[at]
        if t < best:
            best = t
            if t <= floor:
                return best
        o = last - 1
        while o >= first:
            if o != e:
                count[o - first] += 1
                if count[o - first] < s.size[net.scope[o]]:
                    break
                count[o - first] = 0
            o -= 1
        if o < first:
            return best


@kernel(**INNER)
def visit(net, s, x, forward, deal, cut, slack):  # type: ignore[no-untyped-def]
    """Gather what the factors of ``x`` can spare; return False where no state is left.

    Parameters
    ----------
    deal : whether what is left is dealt out to the factors that lead on.
    cut : states and constants above it are of no interest.
    slack : moves up to it wake nobody.
    """
    begin, final = net.state[x], len(s.cost) - 1
    there = s.size[x]
    alive = there
    before, after = 0, 0
    at = 0
    soft = s.register[SOFT] == 1
    for t in range(net.near[x], net.near[x + 1]):
        e = net.place[t]
        if not soft and s.stale[e] == 0:
            continue
        f = net.owner[e]
        product = 1
        free, ahead, behind = 0, 0, 0
        for o in range(net.first[f], net.first[f + 1]):
            y = net.scope[o]
            if y != x and s.size[y] > 1:
                free += 1
                if y > x:
                    ahead += 1
                else:
                    behind += 1
                if product <= PRODUCT:
                    product *= s.size[y]
        if product > PRODUCT and free > 1:
            continue
        s.stale[e] = 0
        shift = net.shift[e]
        gained = False
        k = alive - 1
        while k >= 0:
            a = s.value[begin + k]
            own = s.cost[shift + a]
            m = least(net, s, e, a, own)
            if m == np.inf:
                drop(net, s, x, a)
                s.register[CULPRIT] = f
                alive -= 1
                if alive == 0:
                    return False
            else:
                m -= own
                s.scratch[at + a] = m
                if m != 0.0:
                    keep(s, shift + a)
                    keep(s, begin + a)
                    s.cost[shift + a] = own + m
                    s.cost[begin + a] += m
                    gained = gained or m > slack
            k -= 1
        if gained:
            s.register[CULPRIT] = f
        if forward:
            after += ahead > 0
            before += behind > 0
        else:
            after += behind > 0
            before += ahead > 0
        at += net.state[x + 1] - begin
    low = np.inf
    for k in range(alive):
        low = min(low, s.cost[begin + s.value[begin + k]])
    if low == np.inf:
        return False
    if low != 0.0:
        keep(s, final)
        s.cost[final] += low
        for k in range(alive):
            a = begin + s.value[begin + k]
            keep(s, a)
            s.cost[a] -= low
    constant = s.cost[final]
    if constant > cut:
        return False
    k = alive - 1
    while k >= 0:
        a = s.value[begin + k]
        if constant + s.cost[begin + a] > cut or s.cost[begin + a] == np.inf:
            drop(net, s, x, a)
        k -= 1
    if not soft:
        if s.size[x] < there:
            waken(net, s, x)
        return True
    alive = s.size[x]
    deal = deal and alive > 1 and after > 0
    share = 1.0 / max(before, after, 1)
    at = 0
    for t in range(net.near[x], net.near[x + 1]):
        e = net.place[t]
        f = net.owner[e]
        product = 1
        free, leads = 0, 0
        for o in range(net.first[f], net.first[f + 1]):
            y = net.scope[o]
            if y != x and s.size[y] > 1:
                free += 1
                if (y > x) == forward:
                    leads += 1
                if product <= PRODUCT:
                    product *= s.size[y]
        if product > PRODUCT and free > 1:
            continue
        moved = 0.0
        shift = net.shift[e]
        for k in range(alive):
            a = s.value[begin + k]
            given = 0.0
            if deal and leads > 0:
                given = share * s.cost[begin + a]
                if given != 0.0:
                    keep(s, shift + a)
                    s.cost[shift + a] -= given
            moved = max(moved, abs(given - s.scratch[at + a]))
        if moved > slack:
            for o in range(net.first[f], net.first[f + 1]):
                y = net.scope[o]
                if y != x and s.size[y] > 1 and s.dirty[y] < 1:
                    s.dirty[y] = 1
        at += net.state[x + 1] - begin
    if deal:
        left = 1.0 - share * after
        for k in range(alive):
            a = begin + s.value[begin + k]
            if s.cost[a] != 0.0:
                keep(s, a)
                s.cost[a] = left * s.cost[a] if after < before else 0.0
    if alive < there:
        waken(net, s, x)
    return True


@kernel(**INNER)
def usable(net, s, f, x):  # type: ignore[no-untyped-def]
    """Tell whether a factor of ``x`` has few enough configurations left to be looked at."""
    product, free = 1, 0
    for o in range(net.first[f], net.first[f + 1]):
        y = net.scope[o]
        if y != x and s.size[y] > 1:
            free += 1
            if product <= PRODUCT:
                product *= s.size[y]
    return product <= PRODUCT or free == 1


@kernel(**INNER)
def push(net, s, e):  # type: ignore[no-untyped-def]
    """Move all of a variable's unary costs into the factor of place ``e``."""
    y = net.scope[e]
    begin, shift = net.state[y], net.shift[e]
    for k in range(s.size[y]):
        b = s.value[begin + k]
        given = s.cost[begin + b]
        if given != 0.0:
            keep(s, begin + b)
            keep(s, shift + b)
            s.cost[shift + b] -= given
            s.cost[begin + b] = 0.0


@kernel(**INNER)
def pull(net, s, e):  # type: ignore[no-untyped-def]
    """Move what a factor can spare to the variable of place ``e``; False where no state is left."""
    y = net.scope[e]
    begin, shift = net.state[y], net.shift[e]
    k = s.size[y] - 1
    while k >= 0:
        b = s.value[begin + k]
        own = s.cost[shift + b]
        m = least(net, s, e, b, own)
        if m == np.inf:
            drop(net, s, y, b)
            if s.size[y] == 0:
                s.register[CULPRIT] = net.owner[e]
                return False
            s.dirty[y] = 2
            waken(net, s, y)
        elif m != own:
            keep(s, begin + b)
            keep(s, shift + b)
            s.cost[shift + b] = m
            s.cost[begin + b] += m - own
        k -= 1
    return True


@kernel(**INNER)
def raised(net, s, x, cut):  # type: ignore[no-untyped-def]
    """Move the least unary cost of ``x`` to the constant; return False where that is too much."""
    begin, final = net.state[x], len(s.cost) - 1
    low = np.inf
    for k in range(s.size[x]):
        low = min(low, s.cost[begin + s.value[begin + k]])
    if low != 0.0:
        keep(s, final)
        s.cost[final] += low
        for k in range(s.size[x]):
            a = begin + s.value[begin + k]
            keep(s, a)
            s.cost[a] -= low
    there = s.size[x]
    k = there - 1
    while k >= 0:
        a = s.value[begin + k]
        if s.cost[final] + s.cost[begin + a] > cut:
            drop(net, s, x, a)
        k -= 1
    if s.size[x] < there:
        waken(net, s, x)
    return s.size[x] > 0


@kernel(**INNER)
def draw(net, s, x, cut):  # type: ignore[no-untyped-def]
    """Have ``x`` draw on all that its neighbours have, and give back what it does not need."""
    for turn in range(2):
        for t in range(net.near[x], net.near[x + 1]):
            e = net.place[t]
            f = net.owner[e]
            if not usable(net, s, f, x):
                continue
            if turn == 1:
                push(net, s, e)
            for o in range(net.first[f], net.first[f + 1]):
                if o != e and s.size[net.scope[o]] > 1:
                    if turn == 0:
                        push(net, s, o)
                    elif not pull(net, s, o):
                        return False
            if not pull(net, s, e):
                return False
        if turn == 0 and not raised(net, s, x, cut):
            return False
    return True


@kernel
def settle(net, s, rounds, draws, progress, cut, slack):  # type: ignore[no-untyped-def]
    """Visit all variables that wait for it, to and fro; return False where nothing is left.

    Lost states are followed up to the end, moved costs for so many rounds, and no longer than the
    constant rises by a share of its distance to ``cut``.

    Parameters
    ----------
    progress : that share.
    """
    n, final = len(s.size), len(s.cost) - 1
    turn = 0
    constant = s.cost[final]
    while True:
        forward = turn % 2 == 0
        worked = False
        for t in range(n):
            x = t if forward else n - 1 - t
            how = s.dirty[x]
            if how == 2 or (how == 1 and turn < rounds):
                s.dirty[x] = 0
                worked = True
                if not visit(net, s, x, forward, turn < rounds, cut, slack):
                    return False
        if not worked:
            if draws == 0:
                return True
            draws -= 1
            for x in range(n):
                if s.size[x] > 1 and not draw(net, s, x, cut):
                    return False
            now = s.cost[final]
            room = cut - now if cut < np.inf else abs(now)
            if now - constant <= progress * room:
                draws = 0
            constant = now
            continue
        if not forward:
            now = s.cost[final]
            room = cut - now if cut < np.inf else abs(now)
            if now - constant <= progress * room:
                rounds = 0
            constant = now
        turn += 1
