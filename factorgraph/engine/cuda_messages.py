"""Kernels of flooding belief propagation over pairs, for a graphics processor.

A row of threads works out one message, a thread a state: whatever the graph, neighbours in a row
read and write neighbours in memory, and messages stand in the order of their edges. A row sums up
the messages that its variable is told, but that of the edge itself, so each message is read from
memory once and written once in a sweep (the other edges of its variable find it in a cache);
nothing is subtracted, and no NaN can arise from infinities. Only a variable with many edges, a
hub, has its sum worked out before, from which each of its edges takes its own off.

What a message is, is that of `pairs` and `messages`: in energies, the least entry 0. At states that
are excluded it is of no account. All is in single precision. Places in arrays are unsigned, which
spares the test for negative ones.

Import this module only where `device` has found one.
"""

from __future__ import annotations

from functools import cache
from math import exp, log
from typing import Any

from numba import cuda, float32, uintp

from factorgraph.engine.chains import DENSE, POTTS, SQUARE

THREADS = 256
"""Threads of a block, at most."""
PARTS = 32
"""The least of more states than this is found in two steps."""
INFINITE = float32(float("inf"))
NOTHING = float32(0.0)
ONE = uintp(1)


def block(states: int) -> tuple[tuple[int, int], int]:
    """Return the threads of a row and the rows of a block, and the bytes that these share."""
    width = min(states, THREADS)
    rows = THREADS // width
    return (width, rows), 4 * rows * (2 * states + PARTS)


@cuda.jit
def hubs(states, variable, start, place, told, total):  # type: ignore[no-untyped-def]
    """Add up what each hub is told, a block each."""
    shared = cuda.shared.array(0, float32)
    states, hub = uintp(states), uintp(cuda.blockIdx.x)
    row, rows, width = uintp(cuda.threadIdx.y), uintp(cuda.blockDim.y), uintp(cuda.blockDim.x)
    v = uintp(variable[hub])
    x = uintp(cuda.threadIdx.x)
    while x < states:
        e = NOTHING
        i, end = uintp(start[v]) + row, uintp(start[v + ONE])
        while i < end:
            e += told[uintp(place[i]) * states + x]
            i += rows
        shared[row * states + x] = e
        x += width
    cuda.syncthreads()
    x = uintp(cuda.threadIdx.x)
    while row == 0 and x < states:
        e = NOTHING
        i = x
        while i < rows * states:
            e += shared[i]
            i += states
        total[hub * states + x] = e
        x += width


@cuda.jit(device=True)
def floor_of(shared, first, n, K, here, lane, part, parts):  # type: ignore[no-untyped-def]
    """Return the least of ``n`` numbers from ``first`` on; all threads of a block come here.

    Parameters
    ----------
    K : entries of a row, on which it depends whether the row's threads share the work.
    here : whether the thread's row has a message.
    part, parts : where the row's threads lay what they find, and how many of them do.
    """
    floor = INFINITE
    if K <= uintp(PARTS):
        y = first
        while y < first + n:
            floor = min(floor, shared[y])
            y += ONE
    else:
        if here and lane < parts:
            e = INFINITE
            y = lane
            while y < n:
                e = min(e, shared[first + y])
                y += parts
            shared[part + lane] = e
        cuda.syncthreads()
        y = part
        while here and y < part + parts:
            floor = min(floor, shared[y])
            y += ONE
    return floor


@cuda.jit
def least(states, card, start, place, theta, told, out):  # type: ignore[no-untyped-def]
    """Write the first state of least belief of each variable, a thread each."""
    v, states = uintp(cuda.grid(1)), uintp(states)
    if v < uintp(len(out)):
        best, at = INFINITE, uintp(0)
        x = uintp(0)
        while x < uintp(card[v]):
            e = theta[v * states + x]
            i = uintp(start[v])
            while i < uintp(start[v + ONE]):
                e += told[uintp(place[i]) * states + x]
                i += ONE
            if e < best:
                best, at = e, x
            x += ONE
        out[v] = at


@cache
def sender(kind: int, soft: bool, products: bool) -> Any:
    """Return the kernel that sends the messages of edges of one kind.

    Parameters
    ----------
    kind : of `chains`.
    soft : whether messages are soft minima at an inverse temperature of 1.
    products : whether ``tables`` hold exponentials, where these stay within range, not energies.
    """

    @cuda.jit
    def send(  # type: ignore[no-untyped-def]
        first, last, states, scope, card, start, place, theta, hub, total, number, base, tables,
        told, damping, most, measure, new, residual,
    ):  # fmt: skip
        """Send to places ``first .. last - 1``; place p ^ 1 is the other end of p's edge.

        Parameters
        ----------
        theta : float32 [V, K], +inf at states that are excluded, or that there are not.
        hub : int32 [V], the number of a hub, -1 for others; ``total``: what hubs are told.
        number : float32 [E, 2], numbers of the kind; of soft Potts the exponential beside.
        most : no finite entry of a message is larger.
        measure : whether ``residual[0]`` is raised to the largest change, before damping.
        """
        shared = cuda.shared.array(0, float32)
        K, lane, width = uintp(states), uintp(cuda.threadIdx.x), uintp(cuda.blockDim.x)
        row, rows = uintp(cuda.threadIdx.y), uintp(cuda.blockDim.y)
        p = uintp(first) + uintp(cuda.blockIdx.x) * rows + row
        here = p < uintp(last)
        h, o = row * K, (rows + row) * K
        part = uintp(2) * rows * K + row * uintp(PARTS)
        parts = min(uintp(PARTS), width)
        n, m = uintp(0), uintp(0)
        edge, back, side = p >> ONE, p ^ ONE, p & ONE
        x, y = lane, uintp(0)
        if here:
            u = uintp(scope[back])
            n, m = uintp(card[u]), uintp(card[uintp(scope[p])])
            i0, i1, many = uintp(start[u]), uintp(start[u + ONE]), hub[u]
            while x < K:
                e = theta[u * K + x]
                if many < 0:
                    i = i0
                    while i < i1:
                        q = uintp(place[i])
                        if q != back:
                            e += told[q * K + x]
                        i += ONE
                else:
                    e += total[uintp(many) * K + x] - told[back * K + x]
                shared[h + x] = e
                x += width
        cuda.syncthreads()

        # The least of what is heard.
        floor = floor_of(shared, h, n, K, here, lane, part, parts)

        if soft and (kind == POTTS or products):
            cuda.syncthreads()
            x = lane
            while here and x < K:
                shared[h + x] = exp(floor - shared[h + x])
                x += width
            cuda.syncthreads()

        x = lane
        while here and x < K:
            e = INFINITE
            if kind == POTTS:
                if soft:
                    s = NOTHING
                    y = h
                    while y < h + n:
                        s += shared[y]
                        y += ONE
                    own = shared[h + x]
                    e = -log(number[uintp(2) * edge + ONE] * (s - own) + own)
                else:
                    e = min(shared[h + x] - floor, number[uintp(2) * edge])
            elif kind == DENSE:
                at, step = uintp(base[edge]) + x * n, ONE
                if side == ONE:
                    at, step = uintp(base[edge]) + x, m
                if x >= m:
                    e = NOTHING
                elif products:
                    s = NOTHING
                    y = h
                    while y < h + n:
                        s += tables[at] * shared[y]
                        at += step
                        y += ONE
                    e = -log(s)
                else:
                    there = at
                    y = h
                    while y < h + n:
                        e = min(e, tables[at] + (shared[y] - floor))
                        at += step
                        y += ONE
                    if soft and e < INFINITE:
                        s = NOTHING
                        at = there
                        y = h
                        while y < h + n:
                            s += exp(e - (tables[at] + (shared[y] - floor)))
                            at += step
                            y += ONE
                        e -= log(s)
            else:
                slope, cap = number[uintp(2) * edge], number[uintp(2) * edge + ONE]
                e = min(shared[h + x] - floor, cap)
                d, far = ONE, float32(1.0)
                rise = slope
                while d < K and rise < e:  # what is heard is at least its least
                    if x >= d:
                        e = min(e, shared[h + x - d] - floor + rise)
                    if x + d < K:
                        e = min(e, shared[h + x + d] - floor + rise)
                    d += ONE
                    far += float32(1.0)
                    rise = slope * (far * far if kind == SQUARE else far)
            shared[o + x] = e
            x += width

        # The least of what is told is 0; of truncated distances and Potts it is that already.
        floor = NOTHING
        if soft or kind == DENSE:
            cuda.syncthreads()
            floor = floor_of(shared, o, m, K, here, lane, part, parts)
        x = lane
        while here and x < K:
            e = shared[o + x] - floor
            e = min(e, most) if e < INFINITE else NOTHING  # else the state is excluded
            if x >= m:
                e = NOTHING
            by = told[p * K + x] - e
            if measure and abs(by) > residual[0]:
                cuda.atomic.max(residual, 0, abs(by))
            new[p * K + x] = e + damping * by
            x += width

    return send
