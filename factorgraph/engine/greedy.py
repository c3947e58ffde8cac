"""Orders of elimination of small graphs, without machine code that would take longer to make."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import combinations
from math import inf, log2

from factorgraph.graph.structure import Offsets

ROUNDING = 1e-9


def greedy(
    first: int, last: int, start: Offsets, near: Offsets, card: Offsets, most: float
) -> tuple[list[int], float, int]:
    """Return the best of three orders of the variables ``first .. last - 1`` of an instance.

    The order given, the smallest table next, the fewest new edges next; ties go to the smaller
    table, then to the variable that comes first.

    Returns
    -------
    the order, the entries of all tables, +inf where one has more than ``most``, and the most
    variables that a table holds beside its own.
    """
    found = [_eliminated(first, last, start, near, card, most, rule) for rule in _RULES]
    fits = [one for one in found if one[1] < inf]
    return min(fits, key=lambda one: one[1]) if fits else min(found, key=lambda one: one[2])


def crowded(
    first: int, last: int, start: Offsets, near: Offsets, card: Offsets, most: float
) -> int | None:
    """Return how many neighbours each variable of a part of the graph has at least, where every
    order of elimination makes a table of more than ``most`` entries; None where one may not.

    In any order some variable of each part of the graph is eliminated first, into a table over it
    and all its neighbours there: the weighted degeneracy is a lower bound (Koster, Wolle and
    Bodlaender, Degree-based treewidth lower bounds, 2005).
    """
    around = {v: set(near[start[v] : start[v + 1]].tolist()) for v in range(first, last)}
    bits = {v: log2(card[v]) for v in around}
    size = {v: bits[v] + sum(bits[u] for u in near_) for v, near_ in around.items()}
    queue = [(s, v) for v, s in size.items()]
    heapify(queue)
    while queue:
        s, v = heappop(queue)
        if v not in around or s != size[v]:
            continue
        if s > log2(most) + ROUNDING:
            return min(map(len, around.values()))
        for u in around.pop(v):
            around[u].discard(v)
            size[u] -= bits[v]
            heappush(queue, (size[u], u))
    return None


_RULES = ("given", "size", "fill")


def _eliminated(
    first: int, last: int, start: Offsets, near: Offsets, card: Offsets, most: float, rule: str
) -> tuple[list[int], float, int]:
    around = {v: set(near[start[v] : start[v + 1]].tolist()) for v in range(first, last)}
    bits = {v: log2(card[v]) for v in around}
    order: list[int] = []
    entries, width = 0.0, 0

    def rank(v: int) -> tuple[float, float, int]:
        size = bits[v] + sum(bits[u] for u in around[v])
        if rule == "given":
            return 0.0, 0.0, v
        if rule == "size":
            return size, 0.0, v
        new = sum(b not in around[a] for a, b in combinations(around[v], 2))
        return float(new), size, v

    ranks = {v: rank(v) for v in around}
    while around:
        v = min(around, key=ranks.__getitem__)
        circle = around.pop(v)
        size = 2.0 ** (bits[v] + sum(bits[u] for u in circle))
        width = max(width, len(circle))
        entries = entries + size if size <= most else inf
        order.append(v)
        touched = set(circle)
        for u in circle:
            around[u].discard(v)
            around[u] |= circle - {u}
            touched |= around[u] if rule == "fill" else set()
        if rule != "given":
            ranks |= {u: rank(u) for u in touched}
    return order, entries, width
