"""How much time looking may take, beside what is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.03
"""Of all time so far; the looks that are always taken have the rest of what is promised, 5 %."""


FREE = 0.03
"""Seconds in all that looks may take whatever the share: no command is over in less than thirty
times as long."""


class Ration:
    """Says when the next look is due: when what it took last time fits into the share.

    What loads machine code is to be done before.

    Parameters
    ----------
    begun : the clock when what is looked at began; None for now.
    spent : what getting ready to look has taken.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        begun: float | None = None,
        spent: float = 0.0,
    ) -> None:
        self.clock = clock
        self.begun = clock() if begun is None else begun
        self.ready = self.spent = spent
        self.last = 0.0
        self.looks = 0
        self._since = 0.0

    @property
    def due(self) -> bool:
        """Whether a look fits in now."""
        if not self.looks:
            return True
        spent = self.spent + self.last
        return spent - self.ready <= FREE or spent <= SHARE * (self.clock() - self.begun)

    @property
    def share(self) -> float:
        """What looks took of the time so far."""
        passed = self.clock() - self.begun
        return self.spent / passed if passed > 0 else 0.0

    def __enter__(self) -> Ration:
        self._since = self.clock()
        return self

    def __exit__(self, *_: object) -> None:
        self.last = self.clock() - self._since
        self.spent += self.last
        self.looks += 1
