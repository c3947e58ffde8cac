"""The training loop: the objective, the optimiser, and what is told on the way."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from math import log
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled
from factorgraph.data.instances import Instances
from factorgraph.errors import BudgetError, NumericalError
from factorgraph.ground.coded import forget
from factorgraph.ground.weights import Layout, Weights, initial
from factorgraph.learn.blocks import norm as length
from factorgraph.learn.cccp import concave_convex
from factorgraph.learn.checkpoint import LBFGSState
from factorgraph.learn.choose import Choice
from factorgraph.learn.coordinates import Coordinates
from factorgraph.learn.diagnostics import Diagnostics
from factorgraph.learn.epochs import Setting, Trained, descend
from factorgraph.learn.events import Compiling, Finished, Iteration, Listener, Started, silent
from factorgraph.learn.frankwolfe import FrankWolfe
from factorgraph.learn.lbfgs import LBFGS
from factorgraph.learn.minibatch import Minibatches
from factorgraph.learn.objective import Losses, Objective
from factorgraph.learn.options import STOCHASTIC, Options
from factorgraph.learn.passes import raise_bound
from factorgraph.learn.ration import Ration
from factorgraph.learn.resume import Checkpoint, Keeper, Past
from factorgraph.learn.shards import Crew
from factorgraph.learn.streamed import Streamed
from factorgraph.learn.watch import Watch

Stop = Callable[[], bool]
Floats = NDArray[np.float64]

SAMPLE, FEWEST, SHARE = 200, 50, 20
"""Instances that are looked at while training: so many at most, and no more than one in twenty,
but of small data so many."""


def sampled(count: int, seed: int) -> NDArray[np.int64]:
    """Return which of some instances are looked at while training, in order."""
    size = min(SAMPLE, max(FEWEST, count // SHARE))
    return np.sort(np.random.default_rng(seed).permutation(count)[:size])


def fit(
    compiled: Compiled,
    module: ModuleType,
    instances: Instances,
    options: Options,
    listen: Listener = silent,
    sample: Instances | None = None,
    stop: Stop = lambda: False,
    keeper: Keeper | None = None,
    resume: bool = False,
    make: Callable[[Compiled, ModuleType, Instances, Crew], Objective] = Objective,
    choice: Choice | None = None,
    validation: Instances | None = None,
    start: Weights | None = None,
    streamed: Streamed | None = None,
    margin: float | None = None,
) -> Trained:
    """Minimise a model's objective over training data.

    Parameters
    ----------
    instances : for stochastic optimisers, in the order of `minibatch.order`.
    sample : instances of which `Diagnostics` tell while weights are trained.
    stop : asked after each iteration; True ends training with the weights so far and the status
        "interrupted".
    keeper : keeps checkpoints, at times and when training is interrupted.
    resume : whether to go on from its last checkpoint.
    make : makes the objective, here or on other machines.
    choice : of the optimiser; None for L-BFGS, or OWL-QN where there is l1.
    start : weights to begin with; None for the initial ones.
    streamed : reads the instances of stochastic optimisers; ``instances`` are then a sample.
    margin : what the loss asks gaps to be above, for them; None where that is not one number.
    validation : instances that decide when stochastic optimisers end, and what they hand over.

    Raises
    ------
    DataError : where a training answer has infinite energy.
    NumericalError : where an energy is not finite.
    """
    begun = time.monotonic()
    listen(Compiling(compiled.model.source.name))
    if start is None:
        start = initial(compiled.model, instances.vocabularies, options.seed)
    begin = start

    def looking(layout: Layout, coordinates: Coordinates | None = None) -> Diagnostics:
        since = time.monotonic()
        watch = Watch(compiled, module, sample, begin, layout, crew, coordinates)
        ration = Ration(begun=begun, spent=time.monotonic() - since)
        return Diagnostics(watch, Losses(compiled, module), listen, margin, ration)

    def setting(layout: Layout) -> Setting:
        assert choice is not None
        return Setting(
            compiled, module, options, choice, begin,
            streamed.unknowns if streamed else int(instances.variables.sum()), crew,
            listen, stop, keeper, resume, looking(layout),
            Watch(compiled, module, validation, begin, layout, crew), begun,
        )  # fmt: skip

    with Crew(options.threads) as crew:
        if choice is not None and choice.optimizer in STOCHASTIC:
            source = streamed or Minibatches(
                compiled, module, instances, size=options.batch_size, shard=options.shard,
                seed=options.seed,
            )  # fmt: skip
            return descend(setting(source.table.layout), source)
        if choice is not None and choice.optimizer == "cccp":
            solver = FrankWolfe(compiled, module, instances, options, many=instances.count + 1)
            return concave_convex(setting(solver.layout), solver)
        if choice is not None and choice.optimizer == "frank-wolfe":
            try:
                solver = FrankWolfe(compiled, module, instances, options)
            except BudgetError:
                if choice.asked:
                    raise
                choice = Choice("lbfgs", "the planes of Frank-Wolfe would not fit into memory")
            else:
                return raise_bound(setting(solver.layout), solver)
        handed, instances = [instances], instances.bare()
        flat, layout, coordinates, finished = _on_all(
            compiled, module, handed, options, listen, looking, stop, keeper, resume, make,
            choice, start, crew, begun,
        )  # fmt: skip
        return Trained(layout.unpack(coordinates.weights(flat), start), finished)


def _on_all(
    compiled: Compiled, module: ModuleType, handed: list[Instances], options: Options,
    listen: Listener, looking: Callable[[Layout, Coordinates | None], Diagnostics], stop: Stop,
    keeper: Keeper | None, resume: bool,
    make: Callable[[Compiled, ModuleType, Instances, Crew], Objective], choice: Choice | None,
    start: Weights, crew: Crew, begun: float,
) -> tuple[Floats, Layout, Coordinates, Finished]:  # fmt: skip
    """Minimise over all data at once; return the coordinates reached, and how it ended.

    Parameters
    ----------
    handed : the instances, in a list that is emptied: only here are they held.
    """
    instances = handed.pop()
    objective = make(compiled, module, instances, crew)
    instances = instances.bare()  # what is grounded needs the data no more
    forget()
    budget.give_back()
    if options.observed:
        objective.keep_observed()
        budget.give_back()
    layout = objective.layout
    l1 = objective.l1
    diagnostics = looking(layout, objective.coordinates)
    forget()
    budget.give_back()
    listen(
        Started(
            objective.count,
            int(instances.variables.sum()),
            sum(w.size for w in start.values()),
            objective.coordinates.size,
            crew.threads,
            objective.shards,
            objective.loss.name,
            objective.reason,
            "OWL-QN" if l1.any() else "L-BFGS",
            options.seed,
            "" if choice is None else choice.reason,
        )
    )
    optimiser = LBFGS(
        objective.coordinates.size,
        l1=l1 if l1.any() else None,
        tolerance=options.tolerance,
        max_iterations=options.max_iterations,
        crew=crew,
    )

    def evaluate(flat: Floats) -> tuple[float, Floats]:
        try:
            return objective(flat)
        except NumericalError as error:
            raise _at(error, reached) from None

    reached = 0
    kept = keeper.read() if keeper is not None and resume else None
    pace = _Pace(options, begun, () if kept is None else kept.past)

    def tell(state: LBFGSState) -> bool:
        nonlocal reached
        reached = state.iteration
        look = diagnostics.look(state.x, state.iteration)
        gap, accuracy = (None, None) if look is None else (look.gap, look.accuracy)
        seconds, left = pace(state)
        listen(
            Iteration(
                state.iteration,
                state.evaluations,
                state.value,
                state.norm,
                gap,
                accuracy,
                seconds,
                left,
            )
        )
        diagnostics.tell(look, state.value)
        ending = stop()
        if keeper is not None and not pace.stalled and (ending or keeper.due):
            keeper.write(Checkpoint(state, small, pace.past))
        return pace.stalled or ending

    coordinates = objective.coordinates
    if kept is None:
        state = optimiser.start(evaluate, coordinates.begin(start))
        level = options.tolerance * max(1.0, length(state.x))
        small = max(0.1 * state.norm, level)
    else:
        state, small, reached = kept.state, kept.small, kept.state.iteration
    state = optimiser.minimise(evaluate, state, tell)
    if keeper is not None and state.status.startswith("not converged"):
        keeper.write(Checkpoint(state, small, pace.past))  # more iterations may follow
    interrupted = not state.converged and not pace.stalled and stop()
    status, converged = state.status, state.converged
    if converged and state.norm > small:
        # the weights have grown so far that the tolerance, relative to them, means nothing
        converged = False
        status = (
            "stopped: the weights grow and the gradient does not fall (is the objective "
            f"bounded from below?), gradient norm {state.norm:.1e}"
        )
    if interrupted:
        status = f"interrupted after iteration {state.iteration}, norm {state.norm:.1e}"
    elif pace.stalled and not state.converged:
        status = (
            f"stopped: ten iterations lowered the objective by less than a share of "
            f"{options.progress:g}, gradient norm {state.norm:.1e}"
        )
    finished = Finished(
        status,
        converged,
        state.iteration,
        state.evaluations,
        state.value,
        state.norm,
        time.monotonic() - begun,
    )
    diagnostics.end(state.x, state.iteration, state.value)
    listen(finished)
    return state.x, layout, coordinates, finished


def _at(error: NumericalError, iteration: int) -> NumericalError:
    """Return an error that also names the iteration in which it came up."""
    return NumericalError(
        f"{error.message}, in iteration {iteration + 1}",
        code=error.code,
        span=error.span,
        hint=error.hint,
    )


class _Pace:
    """How long it has taken, how long it may still take, and whether anything still moves."""

    def __init__(self, options: Options, begun: float, past: Sequence[Past] = ()) -> None:
        self.options, self.begun = options, begun
        self.recent: deque[tuple[int, float, float, float]] = deque(maxlen=11)
        self.recent.extend((*one, begun) for one in past)
        self.stalled = False

    @property
    def past(self) -> list[Past]:
        """The last iterations, for a checkpoint."""
        return [(iteration, value, norm) for iteration, value, norm, _ in self.recent]

    def __call__(self, state: LBFGSState) -> tuple[float, float | None]:
        now = time.monotonic()
        target = self.options.tolerance * max(1.0, length(state.x))
        self.recent.append((state.iteration, state.value, max(state.norm, 1e-300), now))
        iteration, value, norm, then = self.recent[0]
        steps = state.iteration - iteration
        if steps < 10:
            return now - self.begun, None
        decrease = (value - state.value) / max(1.0, abs(state.value))
        self.stalled = decrease < self.options.progress
        most = self.options.max_iterations - state.iteration
        by_value = 0 if self.stalled else most
        if 0 < self.options.progress < decrease:
            # the decrease of ten iterations tends to halve in as many
            by_value = int(10 * log(decrease / self.options.progress, 2)) + 1
        by_norm = most
        if 0 < target < state.norm < norm:
            by_norm = int(steps * log(state.norm / target) / log(norm / state.norm)) + 1
        pace = (now - then) / steps
        return now - self.begun, pace * min(most, by_norm, by_value)
