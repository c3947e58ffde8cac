"""What the library tells while it works. It never prints; who calls it may listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    def as_dict(self) -> dict[str, Any]:
        """Return the event as plain values, with its name under ``event``."""
        return {"event": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Compiling(Event):
    """Machine code is being made or loaded; seconds where it is not cached."""

    what: str


@dataclass(frozen=True)
class Skipped(Event):
    """Instances are left out, because hard factors forbid their answers."""

    skipped: int
    instances: int


@dataclass(frozen=True)
class Judged(Event):
    """The loss has been judged; see `factorgraph.judge`.

    Attributes
    ----------
    verdict : the word.
    margin : the gap that it asks for; None where it asks for none, or for any gap.
    reasons : sentences, with their places.
    """

    verdict: str
    margin: float | None
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Started(Event):
    """Training begins."""

    instances: int
    variables: int
    weights: int
    kept: int
    threads: int
    shards: int
    loss: str
    inference: str
    optimizer: str
    seed: int
    why: str = ""


@dataclass(frozen=True)
class Iteration(Event):
    """One step of the optimiser.

    Attributes
    ----------
    objective : losses and regularisers, summed.
    norm : Euclidean norm of the gradient; None where it is not known.
    gap : mean of E(wrong) - E(answer) over the sample, None where it has no answers.
    accuracy : share of the sample's observed unknowns read right.
    seconds : since training began.
    left : estimate of the seconds that remain.
    """

    iteration: int
    evaluations: int
    objective: float
    norm: float | None
    gap: float | None
    accuracy: float | None
    seconds: float
    left: float | None


@dataclass(frozen=True)
class Epoch(Iteration):
    """One pass over the data.

    Attributes
    ----------
    iteration, evaluations : passes and steps since the start.
    objective : with the losses as they were met, while weights moved.
    norm : the mean over its steps; None for Frank-Wolfe.
    rate : length of its steps; None where they are searched for.
    duality_gap : an upper bound of how far the objective is above its minimum.
    score : on validation data: F1 of chunks in percent where labels mark some, else the share of
        unknowns read right.
    """

    rate: float | None = None
    duality_gap: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Finished(Event):
    """Training ended; ``status`` says how, and never says converged when it is not.

    Attributes
    ----------
    unit : what ``iterations`` counts.
    """

    status: str
    converged: bool
    iterations: int
    evaluations: int
    objective: float
    norm: float | None
    seconds: float
    duality_gap: float | None = None
    unit: str = "iteration"

    @property
    def unfinished(self) -> bool:
        """Whether it ran out of iterations or epochs, and could go on with more of them."""
        return self.status.startswith(("not converged", "stopped after"))

    @property
    def interrupted(self) -> bool:
        """Whether it was asked to end, and could go on."""
        return self.status.startswith("interrupted")


Listener = Callable[[Event], None]


class Recorder:
    """A listener that keeps what it hears, and passes it on."""

    def __init__(self, listen: Listener | None) -> None:
        self.listen = listen
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if self.listen is not None:
            self.listen(event)


def silent(event: Event) -> None:
    """Hear nothing."""
