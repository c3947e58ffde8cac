"""How long an inference may go on, what it has found so far, and whether someone interrupts it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from factorgraph.engine.outcome import Point
from factorgraph.graph.structure import Ints

Hear = Callable[[Point, int], None]
MOST = 10_000
"""Points of a trace; beyond it every second one is let go."""


class Watch:
    """One inference's clock and memory of the best.

    Algorithms ask `over` between iterations, tell `offer` what they find, and hand back the best
    when it is over: no answer is lost to a time budget or an interrupt.

    Parameters
    ----------
    seconds : the time budget; None for none.
    hear : called with each new point and the number of the iteration.
    """

    def __init__(self, seconds: float | None = None, hear: Hear | None = None) -> None:
        self.begun = time.perf_counter()
        self.limit = seconds
        self._told = 0.0 if seconds is None else seconds
        self.hear = hear
        self.states: Ints | None = None
        self.energy, self.bound = np.inf, -np.inf
        self.interrupted = False
        self._constant = 0.0
        self._points: list[Point] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.begun

    @property
    def over(self) -> str:
        """Why to stop now, as ``stopped: ...``; empty where there is no reason."""
        if self.interrupted:
            return "stopped: interrupted"
        if self.limit is not None and self.seconds >= self.limit:
            return f"stopped: {self._told:g} s are over"
        return ""

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Give what is done in here a time budget of its own, 0 for none, within the whole one."""
        before, until = (self.limit, self._told), self.seconds + seconds
        if seconds and (self.limit is None or until < self.limit):
            self.limit, self._told = until, seconds
        try:
            yield
        finally:
            self.limit, self._told = before

    @contextmanager
    def above(self, constant: float) -> Iterator[None]:
        """Take energies and bounds that are offered in here to be without a constant."""
        before = self._constant
        self._constant = constant
        try:
            yield
        finally:
            self._constant = before

    def offer(
        self, energy: float, states: Ints | None, bound: float = -np.inf, iteration: int = 0
    ) -> None:
        """Keep an answer if it is better than the best, and a bound likewise; note the moment.

        Parameters
        ----------
        energy : float64, recomputed from the states; +inf with states None where only the bound
            is news.
        """
        energy, bound = energy + self._constant, bound + self._constant
        if states is not None and (energy < self.energy or self.states is None):
            self.energy, self.states = float(energy), states.copy()
        self.bound = max(self.bound, float(bound))
        self._points.append(Point(self.seconds, self.energy, self.bound))
        if len(self._points) > MOST:
            self._points = self._points[::2]
        if self.hear is not None:
            self.hear(self._points[-1], iteration)

    @property
    def trace(self) -> tuple[Point, ...]:
        """The points so far."""
        return tuple(self._points)

    @contextmanager
    def listening(self) -> Iterator[Watch]:
        """Take Ctrl-C as the wish for the best so far; a second one interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = signal.getsignal(signal.SIGINT)

        def interrupt(number: int, frame: object) -> None:
            self.interrupted = True
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)
