"""Depth-first search with soft consistency at each node, from an open node on and back to it.

A node is a list of decisions, ``x is a`` or ``x is not a``. A search ends after so many failures,
and what is still open then is handed back: the node where it stands, and the other branch of each
decision above it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factorgraph.engine.consistency import (
    CULPRIT,
    LAST,
    SIZES_TOP,
    TOP,
    TURN,
    drop,
    restore,
    settle,
    visit,
    waken,
)
from factorgraph.engine.network import Net
from factorgraph.engine.sweep import INNER
from factorgraph.graph.structure import Energies, Ints, Offsets
from factorgraph.jit import kernel

VARIABLE, CHOSEN, TRAIL, SIZE_TRAIL, FRAME_TURN, LOGGED = range(6)
"""Columns of a frame."""
BEST, CUT, HERE, STEP, TOLERANCE = range(5)
"""Places in `Book.mark`: the best energy, what is of no interest any more, the open node's bound,
what energies differ by at least (0 for real ones), and what counts as equal among real ones."""
DEPTH, LENGTH, NODES, FAILURES, OPEN = range(5)
"""Places in `Book.tally`: open frames, decisions logged, nodes, failures, is a node open."""


class Book(NamedTuple):
    """Where a search stands, and the best answer.

    Attributes
    ----------
    frame : int64 [n + 1, 6], the decisions above.
    bound : float64 [n + 1], the constant before each.
    log : int64 [., 3], variable, state, 1 for `is` and 0 for `is not`.
    best : int32 [n], the best answer's states.
    mark : float64 [5].
    tally : int64 [5].
    """

    frame: Offsets
    bound: Energies
    log: Offsets
    best: Ints
    mark: Energies
    tally: Offsets


def book(net: Net, mark: Energies) -> Book:
    """Return an empty book."""
    n, states = net.variables, int(net.state[-1])
    return Book(
        np.zeros((n + 1, 6), np.int64),
        np.zeros(n + 1),
        np.zeros((states + n + 1, 3), np.int64),
        np.full(n, -1, np.int32),
        mark,
        np.zeros(5, np.int64),
    )


Path = NDArray[np.int64]


def opened(book: Book) -> list[tuple[float, Path]]:
    """Return the bound and the decisions of every node that a search left open."""
    out = []
    for d in range(int(book.tally[DEPTH])):
        frame = book.frame[d]
        path = np.concatenate((book.log[: frame[LOGGED]], [[frame[VARIABLE], frame[CHOSEN], 0]]))
        out.append((float(book.bound[d]), path))
    if book.tally[OPEN]:
        out.append((float(book.mark[HERE]), book.log[: book.tally[LENGTH]].copy()))
    return out


@kernel(**INNER)
def _decide(net, s, x, a, positive):  # type: ignore[no-untyped-def]
    """Take all states but ``a`` from ``x``, or ``a`` alone; return False where none is left."""
    begin = net.state[x]
    there = s.where[begin + a] < s.size[x]
    if positive:
        if not there:
            return False
        k = s.size[x] - 1
        while k >= 0:
            other = s.value[begin + k]
            if other != a:
                drop(net, s, x, other)
            k -= 1
    else:
        if not there:
            return True
        drop(net, s, x, a)
        if s.size[x] == 0:
            return False
    s.dirty[x] = 2
    waken(net, s, x)
    return True


@kernel(**INNER)
def _blame(net, s):  # type: ignore[no-untyped-def]
    """Add to the weights of the variables of the factor that a conflict came from."""
    f = s.register[CULPRIT]
    if f >= 0:
        for e in range(net.first[f], net.first[f + 1]):
            s.weight[net.scope[e]] += 1.0


@kernel(**INNER)
def _choose(net, s):  # type: ignore[no-untyped-def]
    """Return the variable to decide on: the last conflict's, or of the least states by weight."""
    last = s.register[LAST]
    if last >= 0 and s.size[last] > 1:
        return last
    best, score = -1, np.inf
    for x in range(len(s.size)):
        if s.size[x] > 1:
            t = s.size[x] / (s.weight[x] + 0.01 * (net.near[x + 1] - net.near[x]))
            if t < score:
                best, score = x, t
    return best


@kernel(**INNER)
def _first(net, s, x, known, slack):  # type: ignore[no-untyped-def]
    """Return the state to try first: of least cost; the best answer's where it costs no more."""
    begin = net.state[x]
    a, low = -1, np.inf
    for k in range(s.size[x]):
        b = s.value[begin + k]
        t = s.cost[begin + b]
        if t < low or (t == low and b < a):
            a, low = b, t
    if known >= 0 and s.where[begin + known] < s.size[x]:
        if s.cost[begin + known] <= low + slack:
            return known
    return a


@kernel(**INNER)
def _energy(net, s, origin):  # type: ignore[no-untyped-def]
    """Return the energy of the only states left, from the tables."""
    total = 0.0
    for x in range(len(s.size)):
        total += origin[net.state[x] + s.value[net.state[x]]]
    for f in range(len(net.base)):
        at = net.base[f]
        for e in range(net.first[f], net.first[f + 1]):
            at += net.stride[e] * s.value[net.state[net.scope[e]]]
        total += net.table[at]
    return total


@kernel
def explore(net, s, book, origin, constant, path, limits, rounds, draws, progress, share):  # type: ignore[no-untyped-def]
    """Search below the node that ``path`` leads to; `opened` tells what is left.

    Parameters
    ----------
    origin : float64 [S], the unary energies as they were.
    constant : the energy of no variable.
    limits : int64 [4]: failures, nodes, room in the trails that a node may need (costs, sizes).
    rounds, draws, progress : of soft consistency at a node.
    share : costs that move by less, relative to what separates bound and answer, wake nobody.
    """
    tally, mark = book.tally, book.mark
    final = len(s.cost) - 1
    turns = s.register[TURN] + 1
    s.register[TURN] = turns
    depth, length = 0, 0
    failures, nodes = 0, 0
    tally[OPEN] = 0
    alive = True
    # Not the literals, for which all that is called would be compiled once more.
    yes, no = limits[0] >= 0, limits[0] < 0
    for t in range(len(path)):
        for k in range(3):
            book.log[length, k] = path[t, k]
        length += 1
        if not _decide(net, s, path[t, 0], path[t, 1], path[t, 2] == 1):
            alive = False
            break
    base = length
    cut = mark[CUT]
    slack = share * (cut - s.cost[final]) if cut < np.inf else 0.0
    alive = alive and settle(net, s, rounds, draws, progress, cut, slack)
    while True:
        if alive:
            nodes += 1
            room = s.register[TOP] + 2 * limits[2] <= len(s.trail)
            room = room and s.register[SIZES_TOP] + 2 * limits[3] <= len(s.size_trail)
            if failures >= limits[0] or nodes >= limits[1] or not room:
                tally[OPEN] = 1
                mark[HERE] = s.cost[final]
                break
            x = _choose(net, s)
            if x < 0:
                energy = _energy(net, s, origin) + constant
                if energy < mark[BEST]:
                    mark[BEST] = energy
                    for y in range(len(s.size)):
                        book.best[y] = s.value[net.state[y]]
                    step, tolerance = mark[STEP], mark[TOLERANCE]
                    cut = energy - step * (1.0 - 1e-6) if step > 0.0 else energy - tolerance
                    mark[CUT] = cut
                alive = False
                s.register[CULPRIT] = -1
            else:
                alive = visit(net, s, x, yes, no, cut, slack)
                if alive:
                    a = _first(net, s, x, np.int64(book.best[x]), slack)
                    frame = book.frame[depth]
                    frame[VARIABLE], frame[CHOSEN] = x, a
                    frame[TRAIL], frame[SIZE_TRAIL] = s.register[TOP], s.register[SIZES_TOP]
                    frame[FRAME_TURN], frame[LOGGED] = s.register[TURN], length
                    book.bound[depth] = s.cost[final]
                    depth += 1
                    turns += 1
                    s.register[TURN] = turns
                    book.log[length, 0], book.log[length, 1], book.log[length, 2] = x, a, 1
                    length += 1
                    slack = share * (cut - s.cost[final]) if cut < np.inf else 0.0
                    alive = _decide(net, s, x, a, yes) and settle(
                        net, s, rounds, draws, progress, cut, slack
                    )
                    if not alive:
                        s.register[LAST] = x
        if not alive:
            failures += 1
            _blame(net, s)
            if depth == 0:
                break
            depth -= 1
            frame = book.frame[depth]
            restore(s, frame[TRAIL], frame[SIZE_TRAIL])
            s.register[TURN] = frame[FRAME_TURN]
            length = frame[LOGGED]
            if book.bound[depth] > cut:
                s.register[CULPRIT] = -1
                continue
            x, a = frame[VARIABLE], frame[CHOSEN]
            book.log[length, 0], book.log[length, 1], book.log[length, 2] = x, a, 0
            length += 1
            slack = share * (cut - s.cost[final]) if cut < np.inf else 0.0
            alive = _decide(net, s, x, a, no) and settle(
                net, s, rounds, draws, progress, cut, slack
            )
    restore(s, 0, 0)
    s.register[TURN] = turns
    tally[DEPTH], tally[LENGTH] = depth, length
    tally[NODES] += nodes
    tally[FAILURES] += failures
    return base
