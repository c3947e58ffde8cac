"""Trainings by Frank-Wolfe: passes over the data until the duality gap is small enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import NumericalError
from factorgraph.learn.epochs import Setting, Trained
from factorgraph.learn.events import Epoch, Finished
from factorgraph.learn.frankwolfe import RUNNING, FrankWolfe, PlaneState
from factorgraph.learn.resume import Checkpoint

Floats = NDArray[np.float64]

NEAR = 3.0
"""The gap is worked out at one point once what a pass tells of it is so near to what is asked."""


def raise_bound(setting: Setting, solver: FrankWolfe) -> Trained:
    """Train by Frank-Wolfe.

    Raises
    ------
    DataError : where a training answer has infinite energy.
    NumericalError : where something is not finite, naming instance and pass.
    """
    options, layout, keeper = setting.options, solver.layout, setting.keeper
    setting.tell_start(layout, solver.count, solver.units, solver.source.reason)
    if keeper is not None and setting.resume:
        state: PlaneState = keeper.read(PlaneState).state
        solver.check(state)
        state.status = RUNNING
    else:
        state = solver.start()
    interrupted = False
    begun_at = state.passes
    gap = float("inf")
    while state.passes < options.max_iterations and not state.status.startswith("converged"):
        try:
            interrupted = not _pass(setting, solver, state)
        except NumericalError as error:
            raise NumericalError(
                f"{error.message}, in pass {state.passes + 1}", code=error.code, span=error.span,
                hint=error.hint,
            ) from None  # fmt: skip
        if interrupted:
            break
        objective, gap = state.loss + solver.regulariser(state.w), state.open
        state.passes, state.position, state.loss, state.open = state.passes + 1, 0, 0.0, 0.0
        if gap <= NEAR * options.gap * abs(objective):
            flat, objective = best(setting, solver, state)
            gap = objective - solver.dual(state)
            if gap <= options.gap * abs(objective):
                state.status = f"converged: duality gap {gap:.2g}"
        flat = state.mean if len(state.mean) else state.w
        look = setting.look(flat, state.passes)
        sampled, accuracy = (None, None) if look is None else (look.gap, look.accuracy)
        seconds = setting.seconds
        pace = seconds / (state.passes - begun_at)
        target = options.gap * abs(objective)  # gaps fall as one over the passes
        more = float(options.max_iterations - state.passes)
        more = min(more, state.passes * (gap / target - 1.0)) if target > 0 else more
        setting.tell(
            Epoch(
                state.passes, state.done, objective, None, sampled, accuracy, seconds,
                max(0.0, pace * more), None, max(gap, 0.0),
            ),
            look,
        )  # fmt: skip
        if setting.stop() and not state.status.startswith("converged"):
            interrupted = True
            break
        if keeper is not None and keeper.due:
            keeper.write(Checkpoint(state))
    if keeper is not None:
        keeper.write(Checkpoint(state))
    flat, objective = best(setting, solver, state)
    gap = max(objective - solver.dual(state), 0.0)
    known = f"duality gap {gap:.2g}"
    if objective:
        known += f", {100 * gap / abs(objective):.2g} % of the objective"
    converged = state.status.startswith("converged")
    status = f"{'converged' if converged else f'not converged: {state.passes} passes'}"
    status += f"{':' if converged else ','} {known}"
    if interrupted:
        status = f"interrupted in pass {state.passes + 1}, {known}"
    finished = Finished(
        status, converged, state.passes, state.done, objective, None, setting.seconds, gap, "pass"
    )
    setting.tell_end(finished, flat)
    return Trained(layout.unpack(flat, setting.start), finished)


def best(setting: Setting, solver: FrankWolfe, state: PlaneState) -> tuple[Floats, float]:
    """Return the weights that are handed over, the last or the mean, and their objective."""
    found = [(solver.primal(state.w, setting.crew), state.w)]
    if len(state.mean):
        found.append((solver.primal(state.mean, setting.crew), state.mean))
    objective, flat = min(found, key=lambda pair: pair[0])
    return flat, objective


def _pass(setting: Setting, solver: FrankWolfe, state: PlaneState) -> bool:
    """Make the steps that are left of a pass; return whether it came to its end."""
    while state.position < solver.units:
        solver.unit(state)
        keeper, ending = setting.keeper, setting.stop()
        if state.position < solver.units:
            if keeper is not None and (ending or keeper.due):
                keeper.write(Checkpoint(state))
            if ending:
                return False
    return True
