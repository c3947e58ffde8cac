"""Threads that work on ranges: what they write is the same however many there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

R = TypeVar("R")

WORTH = 2**15
"""Entries of messages below which a second thread costs more than it does."""


class Crew:
    """Threads, each of which takes one range of an array.

    Parameters
    ----------
    threads : how many.
    """

    def __init__(self, threads: int = 1) -> None:
        self.threads = max(1, threads)
        self._pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None

    def run(self, work: Callable[[int, int], R], count: int, size: int) -> list[R]:
        """Return what ``work(lo, hi)`` gives for ranges that cover ``0 .. count - 1``, in order.

        Parameters
        ----------
        size : how much work there is, in entries of messages; little is done by one thread.
        """
        threads = min(self.threads, max(1, size // WORTH), max(1, count))
        if self._pool is None or threads == 1:
            return [work(0, count)]
        cuts = [count * t // threads for t in range(threads + 1)]
        later = [self._pool.submit(work, cuts[t], cuts[t + 1]) for t in range(1, threads)]
        first = work(cuts[0], cuts[1])
        return [first, *(task.result() for task in later)]

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)


@contextmanager
def crew(threads: int) -> Iterator[Crew]:
    """Yield a crew that is let go in the end."""
    out = Crew(threads)
    try:
        yield out
    finally:
        out.close()
