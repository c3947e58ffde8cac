"""Fixed shards of the instances, worked on by any number of threads with one result.

How instances are dealt into shards depends on the data and the model alone, and what shards give
is added up in their order, so that results are the same to the last bit whatever the number of
threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from factorgraph.data.instances import Instances

S = TypeVar("S")
R = TypeVar("R")

MOST = 16
VARIABLES = 256
"""A shard has at least this many unknowns, where there are as many."""


def threads_available() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def deal(
    instances: Instances, weights: int, limit: int | None = None, most: int = MOST
) -> list[tuple[int, int]]:
    """Return ranges of instances of about equal work.

    Parameters
    ----------
    weights : number of weights; each shard at work holds a gradient of its own, so that a
        model of millions of weights gets fewer shards.
    limit : the most unknowns in one shard, where memory is to be saved; None for no limit.
    most : the most shards, where there is no limit.
    """
    work = np.cumsum(instances.variables)
    total = int(work[-1]) if len(work) else 0
    count = min(most, max(1, total // VARIABLES), max(2, 2**27 // (8 * max(1, weights))))
    if limit is not None:
        count = max(count, -(-total // limit))
    count = max(1, min(count, instances.count))
    targets = total * np.arange(1, count) / count
    cuts = np.searchsorted(work, targets, side="left") + 1
    edges = np.unique(np.concatenate(([0], np.minimum(cuts, instances.count), [instances.count])))
    return [(int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True)]


class Crew:
    """A pool of threads that works through shards in order.

    Parameters
    ----------
    threads : how many; None for as many as there are processors.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads_available() if threads is None else max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def map(self, function: Callable[[S], R], shards: Sequence[S]) -> Iterator[R]:
        """Yield the results in the order of the shards, at most one ahead of each thread."""
        if self._pool is None:
            yield from map(function, shards)
            return
        waiting: list[Future[R]] = []
        upcoming = iter(shards)
        try:
            for shard in upcoming:
                waiting.append(self._pool.submit(function, shard))
                if len(waiting) > self.threads:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
