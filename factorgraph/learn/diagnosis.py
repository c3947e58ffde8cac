"""What a look at a training shows: where it pulls energies, and whether they come together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from factorgraph.learn.events import Event

EDGES = (
    -1000.0, -300.0, -100.0, -30.0, -10.0, -3.0, -1.0, -0.3, -0.1, -0.03, -0.01,
    0.0,
    0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0,
)  # fmt: skip
"""Where the bins of gaps meet, the same in every training; the first and the last have no end."""


@dataclass(frozen=True)
class Slopes:
    """The slopes of the loss Q in the energy of the answer and in those of wrong ones.

    Attributes
    ----------
    answer : mean of dQ/dE_C: how hard the answer is pulled down.
    wrong : mean of -dQ/dE_I: how hard wrong answers are pushed up.
    idle : share of the instances that do neither.
    """

    answer: float
    wrong: float
    idle: float


@dataclass(frozen=True)
class Offender:
    """A wrong answer whose energy is too low beside that of the right one, as data.

    Attributes
    ----------
    place : of the instance in the data.
    energy, wrong_energy : of the answer and of the wrong one.
    answer, wrong : values by name, nested lists in the shape of the declaration; None where the
        data do not say.
    givens : what the instance is, by name: ``{"words": [...]}`` or ``{"image": {...}}``; empty
        where it was told before, or does not lend itself to be shown.
    factors : E_f(wrong) - E_f(answer) by factor.
    """

    place: str
    energy: float
    wrong_energy: float
    answer: dict[str, Any]
    wrong: dict[str, Any]
    givens: dict[str, Any]
    factors: dict[str, float]


@dataclass(frozen=True)
class Diagnosis(Event):
    """What a sample of the training data shows at the weights of one iteration or epoch.

    Energies that are infinite are left out of all figures; figures of nothing are None.

    Attributes
    ----------
    iteration : as of the event before it.
    instances : how many were looked at; those with an observed answer count.
    inference : how best and wrong answers were found, and so how far they can be trusted.
    beta : inverse temperature of the Gibbs distribution.
    answer, best, wrong : mean energies of the answer, of the best configuration and of the best
        one that differs from the answer.
    gap : mean of E(wrong) - E(answer).
    histogram : how many gaps lie in each bin that `edges` part; one more than there are edges.
    above_zero, above_margin : shares of the gaps.
    margin : what the loss asks for, None where that is not one number.
    slopes : None where the loss cannot be told apart like this.
    entropy : of the Gibbs distribution, nats per unknown.
    accuracy : share of the observed unknowns that are read right.
    search_errors : how often what was decoded has a higher energy than the answer.
    spread : median over instances of how far energies of answers lie apart: the standard
        deviation over the answer, the best, the wrong and a few random ones, as a share of their
        size. 0 is a collapse.
    apart : the median of that standard deviation itself.
    tied : share of the gaps that are 0.
    reaction : standard deviation of a configuration's energy over the instances, as a share of
        its size; None where they do not differ. 0 says that inputs are ignored.
    shares : mean of E_f(wrong) - E_f(answer) by factor: which factors decide.
    spreads : the spread by factor, in the same unit as `spread`.
    weights : root of the mean square of each param's weights.
    codes : least distance between two rows of a param with a row for each value of an answer.
    points : [E(answer), E(wrong), E(best)] of the first instances.
    offenders : the wrong answers with the smallest gaps.
    """

    iteration: int
    instances: int
    inference: str
    beta: float
    answer: float | None
    best: float | None
    wrong: float | None
    gap: float | None
    histogram: list[int]
    above_zero: float | None
    above_margin: float | None
    margin: float | None
    slopes: Slopes | None
    entropy: float | None
    accuracy: float | None
    search_errors: int
    spread: float | None
    apart: float | None
    tied: float | None
    reaction: float | None
    shares: dict[str, float]
    spreads: dict[str, float]
    weights: dict[str, float]
    codes: dict[str, float]
    points: list[list[float | None]] = field(default_factory=list)
    offenders: list[Offender] = field(default_factory=list)
    edges: tuple[float, ...] = EDGES


@dataclass(frozen=True)
class Alarm(Event):
    """Training goes wrong in a way that the objective does not show.

    Attributes
    ----------
    what : ``collapse`` (the energies of all answers come together), ``ties`` (wrong answers have
        the answer's energy) or ``deaf`` (energies do not depend on what is given).
    message : what was seen, and its cause: which factors and weights.
    hint : the remedy.
    """

    iteration: int
    what: str
    message: str
    hint: str
