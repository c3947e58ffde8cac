"""Which entries of tables some configuration reads that agrees with what is observed."""

from __future__ import annotations

from factorgraph.jit import kernel


@kernel
def mark(scope, table, rows, cards, offset, evidence, weight, there):  # type: ignore[no-untyped-def]
    """Set ``there`` [T] at the entries that factors of instances of some weight may read.

    evidence [V] is the observed state of each variable, -1 where it is free.
    """
    size = 1
    for k in range(len(cards)):
        size *= cards[k]
    for i in range(len(weight)):
        if weight[i] == 0.0:
            continue
        for f in range(rows[i], rows[i + 1]):
            ways = 1
            for k in range(len(cards)):
                if evidence[scope[f, k]] < 0:
                    ways *= cards[k]
            for way in range(ways):
                entry, left, below = 0, way, 1
                for back in range(len(cards)):
                    k = len(cards) - 1 - back
                    state = evidence[scope[f, k]]
                    if state < 0:
                        state = left % cards[k]
                        left //= cards[k]
                    entry += state * below
                    below *= cards[k]
                there[offset + table[f] * size + entry] = True
