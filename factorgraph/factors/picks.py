"""Sums of picked rows of a matrix, and their gradient, row of weights by row of weights.

A list of places is a sparse matrix of ones: row ``r`` picks ``pick[start[r] : start[r + 1]]``. For
the gradient it is transposed once, so that every weight is written once, by one thread, and no
thread needs a gradient of its own.
"""

from __future__ import annotations

from numpy import int64, uintp

from factorgraph.factors.prefetch import prefetch
from factorgraph.factors.short import AHEAD, COLUMN, COLUMN_BITS, COUNT, COUNT_BITS, LINE, gather
from factorgraph.jit import kernel


@kernel
def sum_rows(weights, pick, low, high, out):  # type: ignore[no-untyped-def]
    """Write the sum of rows ``pick[low:high]`` of a flat matrix; a row is as long as ``out``.

    Four rows are read at a time, so that ``out`` is written a quarter as often. Picks below 0 are
    of short rows (see `short`) and come last.
    """
    n = len(out)
    for s in range(n):
        out[s] = 0.0
    long = high
    while long > low and pick[long - 1] < 0:
        long -= 1
    j = low
    while j + 4 <= long:
        for k in range(j + AHEAD, min(j + AHEAD + 4, len(pick))):
            _ask(weights, pick[k], n)
        a, b = uintp(pick[j]) * uintp(n), uintp(pick[j + 1]) * uintp(n)
        c, d = uintp(pick[j + 2]) * uintp(n), uintp(pick[j + 3]) * uintp(n)
        for s in range(n):
            e, f = weights[uintp(a + s)] + weights[uintp(b + s)], weights[uintp(c + s)]
            out[s] += e + (f + weights[uintp(d + s)])
        j += 4
    while j < long:
        if j + AHEAD < len(pick):
            _ask(weights, pick[j + AHEAD], n)
        a = uintp(pick[j]) * uintp(n)
        for s in range(n):
            out[s] += weights[uintp(a + s)]
        j += 1
    while j < high:
        if j + AHEAD < len(pick):
            _ask(weights, pick[j + AHEAD], n)
        at = ~int64(pick[j])
        header = int64(weights[uintp(at)])
        columns = header >> COUNT_BITS
        for k in range(1, (header & COUNT) + 1):
            out[uintp(columns & COLUMN)] += weights[uintp(at + k)]
            columns >>= COLUMN_BITS
        j += 1


@kernel
def _ask(weights, pick, n):  # type: ignore[no-untyped-def]
    """Ask for a row that is soon read."""
    if pick < 0:
        prefetch(weights, uintp(~int64(pick)))
    else:
        soon = uintp(pick) * uintp(n)
        for s in range(0, n, LINE):
            prefetch(weights, soon + uintp(s))


@kernel
def count_picks(pick, count):  # type: ignore[no-untyped-def]
    """Add to ``count`` how often each place is picked."""
    for place in pick:
        count[place] += 1


@kernel
def transpose(pick, start, first, after, rows):  # type: ignore[no-untyped-def]
    """Write the rows that pick each place into ``rows``; ``after`` says where, and moves on.

    Parameters
    ----------
    first : added to the number of a row.
    after : int64 [places], where the next row of each place goes; changed.
    """
    for r in range(len(start) - 1):
        for j in range(start[r], start[r + 1]):
            place = pick[j]
            rows[after[place]] = first + r
            after[place] += 1


@kernel
def add_picked(start, rows, adjoint, low, high, gradient):  # type: ignore[no-untyped-def]
    """Add to rows ``low .. high - 1`` of ``gradient`` the adjoints of the rows that pick them."""
    flat = adjoint.reshape(-1)
    for place in range(low, high):
        gather(rows, start[place], start[place + 1], flat, gradient[place])


@kernel
def scatter(pick, start, adjoint, gradient):  # type: ignore[no-untyped-def]
    """Add the adjoint of every row to the rows of ``gradient`` that it picks, in order."""
    for r in range(len(start) - 1):
        for j in range(start[r], start[r + 1]):
            out = gradient[pick[j]]
            for s in range(len(out)):
                out[s] += adjoint[r, s]
