"""The concave-convex procedure: losses that are convex once some least energies are held.

The least energy of a set is concave in the weights, so that a loss that adds one, as `ramp` does
with E(any) and `margin` with latents does with E(answer), is not convex. At some weights each such
energy is replaced by the energy of the configuration where it is reached: that is linear, lies
above it, and touches it there. What results is minimised by Frank-Wolfe, and the configurations
are found again. No round raises the objective; the end is a stationary point, perhaps not the
least one: where it starts matters.

Reference: A. Yuille and A. Rangarajan, The concave-convex procedure (2003); C.-N. Yu and
T. Joachims, Learning structural SVMs with latent variables (2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.ground.looks import looks_of
from factorgraph.learn.convex import to_hold
from factorgraph.learn.epochs import Setting, Trained
from factorgraph.learn.events import Epoch, Finished, silent
from factorgraph.learn.frankwolfe import FrankWolfe
from factorgraph.learn.passes import raise_bound
from factorgraph.learn.resume import Checkpoint
from factorgraph.learn.state import Arrays, expect, packed, unpacked

Floats = NDArray[np.float64]


@dataclass(slots=True)
class RoundState:
    """What the procedure needs to go on: weights [n], their objective, rounds and passes done."""

    w: NDArray[np.float64]
    value: float
    rounds: int = 0
    passes: int = 0
    status: str = "running"

    def arrays(self) -> Arrays:
        """Return the state as plain arrays."""
        return packed(self)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> RoundState:
        """Return the state that `arrays` stored."""
        return unpacked(cls, arrays)


def concave_convex(setting: Setting, solver: FrankWolfe) -> Trained:
    """Train by the concave-convex procedure.

    Parameters
    ----------
    solver : of the inner problems; without a walk.

    Raises
    ------
    DataError : where a training answer has infinite energy.
    NumericalError : where something is not finite.
    """
    options, layout, keeper = setting.options, solver.layout, setting.keeper
    setting.tell_start(layout, solver.count, solver.units, solver.source.reason)
    solver.positive = False
    if keeper is not None and setting.resume:
        state: RoundState = keeper.read(RoundState).state
        expect(state, w=(layout.size,))
    else:
        start = layout.pack(setting.start)
        state = RoundState(start, solver.primal(start, setting.crew))
    inner = replace(setting, listen=silent, keeper=None, resume=False, diagnostics=None)
    known = ""
    interrupted = False
    while state.rounds < options.max_iterations and not known:
        if keeper is not None:
            keeper.write(Checkpoint(state))
        held = hold(setting, solver, state.w)
        found = raise_bound(inner, solver)
        release(setting, solver)
        if found.finished.status.startswith("interrupted"):
            interrupted = True
            break
        flat = layout.pack(found.weights)
        value = solver.primal(flat, setting.crew)
        gain = state.value - value
        state.rounds += 1
        state.passes += found.finished.iterations
        if gain > 0:
            state.w, state.value = flat, value
        again = hold(setting, solver, state.w)
        release(setting, solver)
        look = setting.look(state.w, state.rounds)
        sampled, accuracy = (None, None) if look is None else (look.gap, look.accuracy)
        setting.tell(
            Epoch(
                state.rounds, state.passes, state.value, None, sampled, accuracy, setting.seconds,
                None, None, found.finished.duality_gap,
            ),
            look,
        )  # fmt: skip
        inside = f"duality gap {found.finished.duality_gap or 0.0:.2g} inside"
        if all(np.array_equal(a, b) for a, b in zip(held, again, strict=True)):
            known = f"converged: the held configurations no longer change, {inside}"
        elif gain <= options.gap * abs(state.value):
            known = (
                f"stopped: a round lowered the objective by less than a share of {options.gap:g}, "
                f"{inside}"
            )
    if keeper is not None:
        keeper.write(Checkpoint(state))
    status = known or f"not converged: {state.rounds} rounds"
    if interrupted:
        status = f"interrupted in round {state.rounds + 1}"
    finished = Finished(
        status, known.startswith("converged"), state.rounds, state.passes, state.value, None,
        setting.seconds, None, "round",
    )  # fmt: skip
    setting.tell_end(finished, state.w)
    return Trained(layout.unpack(state.w, setting.start), finished)


def hold(setting: Setting, solver: FrankWolfe, w: Floats) -> list[NDArray[Any]]:
    """Hold least energies where they are reached at some weights; return the configurations."""
    loss = solver.losses.loss
    numbers = to_hold(loss)
    assert numbers is not None
    weights = solver.layout.views(w)
    found: list[NDArray[Any]] = []
    for block in solver.source.blocks:
        looks = looks_of(block.batch, loss)
        values = looks.values()
        block.batch.energies(weights, values[0, : block.batch.structure.size])
        found += looks.hold(numbers, values)
    return found


def release(setting: Setting, solver: FrankWolfe) -> None:
    """Let least energies be least energies again."""
    for block in solver.source.blocks:
        looks_of(block.batch, solver.losses.loss).release()
