"""Trainings that go by passes over the data: what is told, kept and asked on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.module import Compiled
from factorgraph.errors import some
from factorgraph.ground.weights import Layout, Weights
from factorgraph.learn.blocks import norm
from factorgraph.learn.choose import Choice
from factorgraph.learn.descend import RUNNING, Descent, DescentState, Passed
from factorgraph.learn.diagnostics import Diagnostics, Look
from factorgraph.learn.events import Epoch, Finished, Listener, Started
from factorgraph.learn.minibatch import Source
from factorgraph.learn.objective import Losses
from factorgraph.learn.options import Options
from factorgraph.learn.resume import Checkpoint, Keeper
from factorgraph.learn.shards import Crew
from factorgraph.learn.watch import Watch, validated

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Setting:
    """What every training by passes is given.

    Attributes
    ----------
    start : all weights as they are at the start, in their declared order.
    unknowns : of all instances.
    choice : the optimiser, and why.
    diagnostics : of a sample; None where nobody listens.
    validation : scores by flat vectors of coordinates.
    begun : the clock when training began.
    """

    compiled: Compiled
    module: ModuleType
    options: Options
    choice: Choice
    start: Weights
    unknowns: int
    crew: Crew
    listen: Listener
    stop: Callable[[], bool]
    keeper: Keeper | None
    resume: bool
    diagnostics: Diagnostics | None
    validation: Watch
    begun: float

    @property
    def seconds(self) -> float:
        """Since training began."""
        return time.monotonic() - self.begun

    def look(self, flat: Floats, iteration: int) -> Look | None:
        """Return what is seen at some coordinates, None where it is not the time to look."""
        return None if self.diagnostics is None else self.diagnostics.look(flat, iteration)

    def tell(self, epoch: Epoch, look: Look | None) -> None:
        """Tell of an epoch, and what was seen after it."""
        self.listen(epoch)
        if self.diagnostics is not None:
            self.diagnostics.tell(look, epoch.objective)

    def tell_end(self, finished: Finished, flat: Floats, again: bool = False) -> None:
        """Tell what is seen at the coordinates that are handed over, and of the end."""
        if self.diagnostics is not None:
            self.diagnostics.end(flat, finished.iterations, finished.objective, again)
        self.listen(finished)

    def tell_start(self, layout: Layout, count: int, parts: int, reason: str) -> None:
        """Say what is trained, and how."""
        assert self.compiled.loss is not None
        self.listen(
            Started(
                count, self.unknowns, sum(w.size for w in self.start.values()), layout.size,
                self.crew.threads, parts, self.compiled.loss.name, reason, self.choice.shown,
                self.options.seed, self.choice.reason,
            )
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trained:
    """What training gives: weights in their declared order, and how it ended."""

    weights: Weights
    finished: Finished


def descend(setting: Setting, source: Source) -> Trained:
    """Train by a stochastic optimiser.

    Raises
    ------
    DataError : where a training answer has infinite energy.
    NumericalError : where something is not finite, naming the step.
    """
    options, choice = setting.options, setting.choice
    layout = source.table.layout
    descent = Descent(source, Losses(setting.compiled, setting.module), options, choice.optimizer)
    setting.tell_start(layout, source.count, source.steps, source.reason)
    if setting.keeper is not None and setting.resume:
        state: DescentState = setting.keeper.read(DescentState).state
        descent.check(state)
        state.status = RUNNING
    else:
        state = descent.start(layout.pack(setting.start))
    passed = Passed(float("nan"), float("nan"))
    begun_at = state.epoch
    interrupted = False

    def pause(state: DescentState) -> bool:
        keeper = setting.keeper
        ending = setting.stop()
        if keeper is not None and (ending or keeper.due):
            keeper.write(Checkpoint(state))
        return ending

    while not (ended := _ended(state, options, descent.plain, setting.validation)):
        if setting.stop() and state.now:
            interrupted = True
            break
        ran = descent.epoch(state, pause)
        if ran is None:
            interrupted = True
            break
        passed = ran
        flat = descent.answer(state)
        score = validated(setting.validation(flat))
        if score is not None:
            better = not len(state.best) or score > state.score
            if better:
                state.best, state.score = flat.copy(), score
            state.since_best = 0 if better else state.since_best + 1
        state.mistakes = int(passed.norm > 0.0)
        seconds = setting.seconds
        left = seconds / (state.epoch - begun_at) * (options.epochs - state.epoch)
        look = setting.look(flat, state.epoch)
        gap, accuracy = (None, None) if look is None else (look.gap, look.accuracy)
        setting.tell(
            Epoch(
                state.epoch, state.now, passed.objective, passed.norm, gap, accuracy, seconds,
                max(0.0, left), options.rate_at(state.epoch - 1), None, score,
            ),
            look,
        )  # fmt: skip
        if setting.keeper is not None and (setting.stop() or setting.keeper.due):
            setting.keeper.write(Checkpoint(state))
    if setting.keeper is not None:
        setting.keeper.write(Checkpoint(state))
    return _handed_over(setting, descent, state, interrupted, ended)


def _ended(state: DescentState, options: Options, plain: bool, validation: Watch) -> str | None:
    """Return how training ended, None where it goes on."""
    if plain and state.epoch and not state.mistakes:
        return f"converged: no mistake in epoch {state.epoch}"
    if state.since_best >= options.patience:
        return (
            f"stopped early: {some(state.since_best, 'epoch')} without a better score on the "
            f"validation data"
        )
    if state.epoch >= options.epochs:
        return f"stopped after {some(state.epoch, 'epoch')}"
    return None


def _handed_over(
    setting: Setting, descent: Descent, state: DescentState, interrupted: bool, ended: str | None
) -> Trained:
    """Return the weights, with what is known of them."""
    flat = state.best if len(state.best) else descent.settled(state)
    value, slope = descent.certify(flat, setting.crew)
    level = setting.options.tolerance * max(1.0, norm(flat))
    status, said = ended or "", f"gradient norm {slope:.1e}"
    converged = status.startswith("converged")
    if interrupted:
        status = f"interrupted in epoch {state.epoch + 1}"
    elif slope <= level and not descent.plain:
        status, converged = f"converged: {said}", True
    elif not descent.plain:
        status = f"{status}, {said}"
    if len(state.best):
        status += f", best score {state.score:.4g}"
    finished = Finished(
        status, converged, state.epoch, state.now, value, slope, setting.seconds, None, "epoch"
    )
    setting.tell_end(finished, flat, len(state.best) > 0 and state.since_best > 0)
    layout = descent.layout
    weights = layout.unpack(descent.coordinates.weights(flat), setting.start)
    return Trained(weights, finished)
