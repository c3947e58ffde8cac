"""In what order variables are eliminated: several rules tried, the cheapest by table sizes taken.

Rules: the order given, the smallest table next, and the fewest new edges next (min-fill), the
latter two also with ties and scores shaken at random. How long is searched depends on what there
is to be gained, counted in steps and not in seconds, so that the same graph gets the same order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.greedy import crowded, greedy
from factorgraph.engine.sweep import INNER
from factorgraph.graph.structure import Offsets
from factorgraph.jit import kernel, sized

GIVEN, SIZE, FILL = 0, 1, 2
MOST = 2.0**60
"""Entries of a table beyond which an order is given up in any case."""
CROWDED = 256
"""Neighbours beyond which new edges are guessed and not counted."""
FEW, SEVERAL = 128, 1024
"""Variables up to which orders are found without machine code, always and where that settles it."""
SMALL, HOPELESS = 2.0**15, 2.0**16
"""Entries that are not worth a search, and how many times too many no search will save."""
PATIENCE = 2e8
"""Steps of a search at most."""


@dataclass(frozen=True)
class Order:
    """Orders of elimination, instance by instance.

    Attributes
    ----------
    variables : int64 [U], the variables of each instance in the order of their elimination.
    entries : float64 [I], entries of all tables together; +inf where every order was given up.
    width : int64 [I], variables that a table holds beside the one eliminated, at most; where all
        orders were given up, of the first table that was too large.
    """

    variables: Offsets
    entries: NDArray[np.float64]
    width: Offsets


def neighbours(variables: int, scopes: list[NDArray[np.int64]]) -> tuple[Offsets, Offsets]:
    """Return the variables that share a factor with each one: offsets [V + 1], and who.

    Parameters
    ----------
    scopes : int64 [n, arity] each; -1 stands for a variable that is left out.
    """
    pairs = sum(len(s) * s.shape[1] * (s.shape[1] - 1) for s in scopes)
    budget.require(48 * pairs, f"a graph of {pairs} pairs of variables")
    keys = [np.zeros(0, np.int64)]
    for scope in scopes:
        for j in range(scope.shape[1]):
            for k in range(scope.shape[1]):
                if j != k:
                    there = (scope[:, j] >= 0) & (scope[:, k] >= 0)
                    keys.append(scope[there, j] * variables + scope[there, k])
    key = np.sort(np.concatenate(keys))  # many times faster than np.unique, which hashes
    key = key[np.append(True, np.diff(key) > 0)] if len(key) else key
    owner, other = (key // variables, key % variables) if variables else (key, key)
    start = np.concatenate(([0], np.cumsum(np.bincount(owner, minlength=variables))))
    return start.astype(np.int64), other


def search(
    first: Offsets,
    start: Offsets,
    near: Offsets,
    card: Offsets,
    *,
    seed: int = 0,
    share: float = 0.25,
    most: float = MOST,
) -> Order:
    """Return the cheapest orders found.

    Parameters
    ----------
    first : int64 [I + 1], variables by instance.
    start, near : the graph as `neighbours` returns it.
    card : int64 [V], states of each variable, at least 2.
    seed : of ties and shakes.
    share : steps of the search for each entry of the tables that are to be improved upon.
    most : entries of one table at most.
    """
    count = len(first) - 1
    order = np.empty(len(card), np.int64)
    entries, width = np.full(count, np.inf), np.zeros(count, np.int64)
    budget.require(200 * len(card) + 32 * len(near), "the search of an order of elimination")
    most = min(most, MOST)
    if len(card) <= SEVERAL:
        every = len(card) <= FEW
        for i in range(count):
            lo, hi = int(first[i]), int(first[i + 1])
            least = crowded(lo, hi, start, near, card, most)
            if least is not None:
                order[lo:hi], width[i] = np.arange(lo, hi), least
                continue
            order[lo:hi], entries[i], width[i] = greedy(
                lo, hi, start, near, card, most if every else MOST
            )
        hopeless = entries > HOPELESS * most
        if every or entries.sum() <= min(SMALL, most) or hopeless.any():
            entries[hopeless] = np.inf
            return Order(order, entries, width)
    with sized(np.inf):
        _search(first, start, near, card, seed, share, most, order, entries, width)
    return Order(order, entries, width)


@kernel
def _search(first, start, near, card, seed, share, most, order, entries, width):  # type: ignore[no-untyped-def]
    """Fill the last three."""
    for i in range(len(first) - 1):
        lo, n = first[i], first[i + 1] - first[i]
        trial = np.empty(n, np.int64)
        noise = np.uint64(seed * 7919 + i + 1)
        best, work, tried = np.inf, 0.0, 0
        widest = -1
        while n > 0:
            rule, shake = tried, 0.0
            if tried > FILL:
                if best == np.inf or work >= min(share * best, PATIENCE):
                    break
                rule = FILL if tried % 4 else SIZE
                shake = 0.05 * ((tried // 2) % 4) if tried > 8 else 1e-9
            if tried == FILL and (n > 200_000 or (n > 20_000 and best == np.inf)):
                break
            cost, wide, steps, noise = _eliminate(
                lo, n, start, near, card, rule, shake, noise, most, best, trial
            )
            work += steps
            tried += 1
            if cost < best:
                best = cost
                widest = wide
                for k in range(n):
                    order[lo + k] = trial[k]
            elif best == np.inf and tried > 1:
                widest = wide if widest < 0 else min(widest, wide)
        entries[i] = best if n else 0.0
        width[i] = max(widest, 0)


@kernel(**INNER)
def _eliminate(lo, n, start, near, card, rule, shake, noise, most, best, order):  # type: ignore[no-untyped-def]
    """Eliminate all variables of an instance; return entries, width, steps taken and the noise.

    The entries are +inf where they reach ``best``, or a table has more than ``most``.
    """
    size, room, at = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.int64)
    total = 0
    for v in range(n):
        at[v] = total
        size[v] = start[lo + v + 1] - start[lo + v]
        room[v] = size[v] + 4
        total += room[v]
    pool = np.empty(total + total // 2 + 64, np.int64)
    for v in range(n):
        for k in range(size[v]):
            pool[at[v] + k] = near[start[lo + v] + k] - lo
    used = total
    live, weight, score = size.copy(), np.empty(n), np.empty(n)
    gone, mark = np.zeros(n, np.bool_), np.full(n, -1, np.int64)
    stamp, steps = 0, 1.0 * total
    for v in range(n):
        weight[v] = np.log2(card[lo + v])
        for k in range(size[v]):
            weight[v] += np.log2(card[lo + pool[at[v] + k]])
    for v in range(n):
        if rule == FILL:
            stamp += 1
            score[v] = _missing(v, pool, at, size, live, gone, mark, stamp)
            steps += live[v] * live[v]
        else:
            score[v] = weight[v] if rule == SIZE else v
    key, heap, place = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
    for v in range(n):
        noise = noise * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
        key[v] = _key(rule, shake, score[v], weight[v], noise)
        heap[v] = place[v] = v
        _rise(heap, place, key, v)
    circle, tied = np.empty(64, np.int64), np.empty((64, 64), np.bool_)
    cost, width, left = 0.0, 0, n
    for turn in range(n):
        v = heap[0]
        left -= 1
        heap[0] = heap[left]
        place[heap[0]] = 0
        _sink(heap, place, key, 0, left)
        gone[v] = True
        order[turn] = lo + v
        table = np.exp2(weight[v])
        cost += table
        if table > most or cost >= best:
            return np.inf, max(width, live[v]), steps, noise
        d = 0
        for k in range(at[v], at[v] + size[v]):
            if not gone[pool[k]]:
                circle[d] = pool[k]
                d += 1
        width = max(width, d)
        own = np.log2(card[lo + v])
        for j in range(d):
            u = circle[j]
            live[u] -= 1
            weight[u] -= own
            if d == 1:
                score[u] -= live[u]
        if d > 1:
            for j in range(d):
                for k in range(d):
                    tied[j, k] = j == k
            for j in range(d):
                u = circle[j]
                steps += _compact(u, pool, at, size, gone) if live[u] <= CROWDED else 1
                if live[u] > CROWDED:
                    continue
                stamp += 1
                for k in range(at[u], at[u] + size[u]):
                    mark[pool[k]] = stamp
                for k in range(d):
                    if mark[circle[k]] == stamp:
                        tied[j, k] = tied[k, j] = True
            for j in range(d):
                for k in range(j):
                    a, b = circle[j], circle[k]
                    if tied[j, k]:
                        continue
                    if live[a] > CROWDED and live[b] > CROWDED:
                        less = a if live[a] < live[b] else b
                        steps += _compact(less, pool, at, size, gone)
                        for e in range(at[less], at[less] + size[less]):
                            if pool[e] == a + b - less:
                                tied[j, k] = True
                        if tied[j, k]:
                            continue
                    for way in range(2):
                        u, w = (a, b) if way == 0 else (b, a)
                        if size[u] == room[u]:
                            if used + 2 * room[u] > len(pool):
                                larger = np.empty(2 * len(pool) + 2 * room[u], np.int64)
                                for e in range(used):
                                    larger[e] = pool[e]
                                pool = larger
                            for e in range(size[u]):
                                pool[used + e] = pool[at[u] + e]
                            at[u] = used
                            room[u] *= 2
                            used += room[u]
                        pool[at[u] + size[u]] = w
                        size[u] += 1
                        live[u] += 1
                        weight[u] += np.log2(card[lo + w])
                    if rule == FILL and live[a] <= CROWDED and live[b] <= CROWDED:
                        # A pair that is tied from now on is missing nowhere else.
                        stamp += 1
                        for e in range(at[a], at[a] + size[a]):
                            mark[pool[e]] = stamp
                        steps += size[a] + size[b]
                        for e in range(at[b], at[b] + size[b]):
                            x = pool[e]
                            if mark[x] == stamp and not gone[x]:
                                score[x] -= 1.0
                                key[x] -= 1.0
                                _rise(heap, place, key, place[x])
        for j in range(d):
            u = circle[j]
            if rule == GIVEN:
                continue
            if rule == SIZE:
                score[u] = weight[u]
            elif d > 1:
                stamp += 1
                score[u] = _missing(u, pool, at, size, live, gone, mark, stamp)
                steps += min(live[u], CROWDED) ** 2
            noise = noise * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            key[u] = _key(rule, shake, score[u], weight[u], noise)
            _rise(heap, place, key, place[u])
            _sink(heap, place, key, place[u], left)
    return cost, width, steps, noise


@kernel(**INNER)
def _key(rule, shake, score, weight, noise):  # type: ignore[no-untyped-def]
    """Return by what a variable is ranked; equal ones by size, or at random where shaken."""
    if rule == GIVEN:
        return score
    chance = (noise >> np.uint64(11)) * (1.0 / 9007199254740992.0)
    if shake == 0.0:
        return score + (1e-4 * min(weight, 4e3) if rule == FILL else 0.0)
    return score * (1.0 + shake * (chance - 0.5)) + (0.5 if rule == FILL else 0.25) * chance


@kernel(**INNER)
def _compact(v, pool, at, size, gone):  # type: ignore[no-untyped-def]
    """Drop who is gone from a list; return its length before."""
    kept, before = at[v], size[v]
    for k in range(at[v], at[v] + before):
        if not gone[pool[k]]:
            pool[kept] = pool[k]
            kept += 1
    size[v] = kept - at[v]
    return before


@kernel(**INNER)
def _missing(v, pool, at, size, live, gone, mark, stamp):  # type: ignore[no-untyped-def]
    """Return how many pairs of neighbours of ``v`` are not tied."""
    d = live[v]
    if d > CROWDED:
        return 0.5 * d * (d - 1)
    for k in range(at[v], at[v] + size[v]):
        mark[pool[k]] = stamp
    twice = 0
    for k in range(at[v], at[v] + size[v]):
        u = pool[k]
        if gone[u]:
            continue
        if live[u] > CROWDED:
            # A crowd is tied to whoever is tied to it: looked up from the other side.
            for j in range(at[v], at[v] + size[v]):
                w = pool[j]
                if gone[w] or live[w] > CROWDED:
                    continue
                for e in range(at[w], at[w] + size[w]):
                    twice += pool[e] == u
            continue
        for e in range(at[u], at[u] + size[u]):
            w = pool[e]
            twice += mark[w] == stamp and not gone[w]
    return 0.5 * (d * (d - 1) - twice)


@kernel(**INNER)
def _rise(heap, place, key, k):  # type: ignore[no-untyped-def]
    v = heap[k]
    while k > 0:
        up = (k - 1) // 2
        u = heap[up]
        if key[u] < key[v] or (key[u] == key[v] and u < v):
            break
        heap[k] = u
        place[u] = k
        k = up
    heap[k] = v
    place[v] = k


@kernel(**INNER)
def _sink(heap, place, key, k, left):  # type: ignore[no-untyped-def]
    if left == 0:
        return
    v = heap[k]
    while 2 * k + 1 < left:
        down = 2 * k + 1
        if down + 1 < left:
            a, b = heap[down], heap[down + 1]
            if key[b] < key[a] or (key[b] == key[a] and b < a):
                down += 1
        u = heap[down]
        if key[v] < key[u] or (key[v] == key[u] and v < u):
            break
        heap[k] = u
        place[u] = k
        k = down
    heap[k] = v
    place[v] = k
