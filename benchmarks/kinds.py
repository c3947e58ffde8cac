"""Messages of factors of kinds: seconds a message against the size, and against a table.

Each line is a kind, an algebra and sizes with nanoseconds a message (all messages of a factor
divided by their number), the median of rounds. `slope` is the exponent of size in the time of all
messages of a factor, fitted between the two largest sizes: 1 for O(K), a little above it for
O(n log n), 2 for O(n^2). `dense` is the time of a table of the same factor where one fits.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from factorgraph.factors.kind import message
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import KindGroup

INF = math.inf
ROUNDS = 7
Numbers = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A kind with numbers by size; ``cards`` makes a scope of a size."""

    kind: str
    numbers: Numbers
    cards: Callable[[int], tuple[int, ...]]
    sizes: tuple[int, ...]
    betas: tuple[float, ...] = (INF, 1.0)


def bits(n: int) -> tuple[int, ...]:
    return (2,) * n


def pair(k: int) -> tuple[int, ...]:
    return (k, k)


def none(n: int) -> np.ndarray:
    return np.zeros(0)


def distances(power: int) -> Numbers:
    return lambda k: np.array([1.0, 0.5, 20.0, float(power)])


def convex(k: int) -> np.ndarray:
    gap = np.arange(-(k - 1), k)
    return np.concatenate(([k - 1.0], 0.01 * gap**2))


LABELS = (16, 64, 256, 1024)
MANY = (64, 256, 1024, 4096)
CASES = (
    Case("potts", lambda k: np.array([0.0, 1.0]), pair, LABELS),
    Case("label_potts", lambda k: np.linspace(0.0, 1.0, k + 1), pair, LABELS),
    Case("truncated", distances(1), pair, LABELS),
    Case("truncated", distances(2), pair, LABELS),
    Case("convex", convex, pair, LABELS),
    Case("parity", lambda n: np.zeros(1), bits, MANY),
    Case("exactly_one", none, bits, MANY),
    Case("logical_or", none, bits, MANY),
    Case("cardinality", lambda n: 0.01 * (np.arange(n + 1) - n / 3) ** 2, bits, MANY),
    Case("knapsack", lambda n: np.array([*(1.0 + np.arange(n) % 3), 0.0, 40.0]), bits, MANY),
    Case("pn_potts", lambda n: np.array([0.0] * 8 + [1.0, INF]), lambda n: (8,) * n, MANY),
    Case("pattern", lambda n: np.array([1.0, 0.0, *[0.0] * n, 0.0, *[1.0] * n]),
         lambda n: (4,) * n, MANY),
    Case("all_different", none, lambda n: (n,) * n, (8, 16, 32), (INF,)),
    Case("all_different", none, lambda n: (n,) * n, (4, 8, 12), (1.0,)),
)  # fmt: skip


def seconds(case: Case, size: int, beta: float) -> float:
    """Return how long all messages of one factor take."""
    cards, numbers = case.cards(size), case.numbers(size)[None]
    kind = kind_of(case.kind)
    rows = max(1, min(2000, 200_000 // sum(cards)))
    n = len(cards)
    start = n * np.arange(rows + 1, dtype=np.int64)
    group = KindGroup(
        case.kind, case.kind, start, np.arange(n * rows, dtype=np.int32),
        np.zeros(rows, np.int32), 1, numbers.shape[1], np.array([0, rows], np.int64),
    )  # fmt: skip
    entry = np.concatenate(([0], np.cumsum(np.tile(cards, rows), dtype=np.int64)))
    incoming = np.random.default_rng(size).normal(size=int(entry[-1]))
    outgoing, which = np.empty_like(incoming), np.arange(rows, dtype=np.int32)
    took = []
    for _ in range(ROUNDS + 1):
        begun = time.process_time()
        kind.messages(group, numbers, entry, incoming, outgoing, beta, which)
        took.append(time.process_time() - begun)
        if sum(took) > 4.0 and len(took) > 2:
            break
    return statistics.median(took[1:]) / rows


def dense(case: Case, size: int, beta: float) -> float | None:
    """Return how long the messages of a table take, None where it would be large."""
    cards, numbers = case.cards(size), case.numbers(size)[None]
    if math.prod(cards) > 2**20:
        return None
    table = kind_of(case.kind).table(cards, numbers)[0]
    told = [np.random.default_rng(i).normal(size=c) for i, c in enumerate(cards)]
    took = []
    for _ in range(3):
        begun = time.process_time()
        for i in range(len(cards)):
            message(table, told, i, beta)
        took.append(time.process_time() - begun)
    return statistics.median(took)


def main() -> None:
    for case in CASES:
        for beta in case.betas:
            found = [seconds(case, size, beta) for size in case.sizes]
            a, b = found[-2:]
            slope = math.log(b / a) / math.log(case.sizes[-1] / case.sizes[-2])
            each = [1e9 * t / len(case.cards(s)) for t, s in zip(found, case.sizes, strict=True)]
            table = dense(case, case.sizes[0], beta)
            name = f"{case.kind} ({int(case.numbers(4)[3])})" if case.kind == "truncated" else (
                case.kind
            )  # fmt: skip
            line = {
                "kind": name,
                "algebra": "min" if beta == INF else "sum",
                "sizes": case.sizes,
                "nanoseconds_a_message": [round(t, 1) for t in each],
                "slope": round(slope, 2),
                "times_a_table": None if table is None else round(table / found[0], 1),
            }
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
