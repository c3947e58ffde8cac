"""How training goes: what a user may choose, checked."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, isfinite, pi

from factorgraph.errors import UsageError, did_you_mean

OPTIMIZERS = (
    "auto", "lbfgs", "owlqn", "sgd", "adam", "adagrad", "perceptron", "frank-wolfe", "cccp",
)  # fmt: skip
SCHEDULES = ("constant", "inverse", "cosine")
STOCHASTIC = ("sgd", "adam", "adagrad", "perceptron")
RATES = {"sgd": 0.1, "adam": 0.01, "adagrad": 0.1, "perceptron": 1.0}
"""Rates where none is given, of the mean loss of an instance."""


@dataclass(frozen=True)
class Options:
    """How training goes.

    Attributes
    ----------
    tolerance : of the gradient's norm: converged where it is at most this times max(1, norm of
        weights).
    progress : L-BFGS stops where ten iterations lower the objective by less than this share.
    max_iterations : of L-BFGS; passes over the data of Frank-Wolfe.
    threads : None for as many as there are processors; the result does not depend on it.
    optimizer : one of `OPTIMIZERS`.
    batch : instances of a step; None for 16, and 4 for the perceptron. Frank-Wolfe: of a block,
        None for what fits.
    epochs : passes over the data of stochastic optimisers.
    rate : length of a step at the start; None for the optimiser's usual one.
    schedule : how rates fall from epoch to epoch.
    average : whether the answer is the mean of the weights over steps; None for the perceptron
        and Frank-Wolfe alone.
    clip : the most that the norm of a step's mean gradient may be; None for no limit.
    patience : training ends when so many epochs have not bettered the score on validation data.
    gap : Frank-Wolfe has converged at this duality gap, as a share of the objective.
    shard : instances that are shuffled together.
    observed : whether weights that no training answer reads stay at 0.
    """

    seed: int = 0
    tolerance: float = 1e-4
    progress: float = 1e-6
    max_iterations: int = 1000
    threads: int | None = None
    optimizer: str = "auto"
    batch: int | None = None
    epochs: int = 20
    rate: float | None = None
    schedule: str = "constant"
    average: bool | None = None
    clip: float | None = None
    patience: int = 3
    gap: float = 1e-2
    shard: int = 1 << 14
    observed: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (
            ("tolerance", self.tolerance, 0), ("progress", self.progress, 0),
            ("max_iterations", self.max_iterations, 0), ("threads", self.threads, 1),
            ("batch", self.batch, 1), ("epochs", self.epochs, 0), ("patience", self.patience, 1),
            ("gap", self.gap, 0), ("shard", self.shard, 1),
        ):  # fmt: skip
            if value is not None and not value >= least:
                raise UsageError(f"`{name}` is at least {least}, not {value}", code="E0910")
        for name, number in (("rate", self.rate), ("clip", self.clip)):
            if number is not None and not (number > 0 and isfinite(number)):
                raise UsageError(f"`{name}` is a positive number, not {number}", code="E0910")
        for name, word, known in (
            ("optimizer", self.optimizer, OPTIMIZERS), ("schedule", self.schedule, SCHEDULES)
        ):  # fmt: skip
            if word not in known:
                raise UsageError(
                    f"`{name}` is one of {', '.join(known)}, not {word!r}",
                    code="E0910",
                    hint=did_you_mean(str(word), known),
                )

    @property
    def batch_size(self) -> int:
        """Instances of a step."""
        if self.batch is not None:
            return self.batch
        return 4 if self.optimizer == "perceptron" else 16

    @property
    def averages(self) -> bool:
        """Whether weights are averaged."""
        default = self.optimizer in ("perceptron", "frank-wolfe", "cccp")
        return default if self.average is None else self.average

    def rate_at(self, epoch: int) -> float:
        """Return the length of the steps of an epoch, counted from 0."""
        first = RATES[self.optimizer] if self.rate is None else self.rate
        if self.schedule == "inverse":
            return first / (1.0 + epoch)
        if self.schedule == "cosine":
            return 0.5 * first * (1.0 + cos(pi * epoch / max(self.epochs, 1)))
        return first

    def deciding(self) -> dict[str, float | int | str | bool | None]:
        """Return, by name, what decides the weights of stochastic optimisers; not how long."""
        names = ["optimizer", "batch_size", "schedule", "averages", "clip", "shard", "patience"]
        if self.schedule == "cosine":
            names.append("epochs")
        return {n: getattr(self, n) for n in names} | {"rate": self.rate_at(0)}
