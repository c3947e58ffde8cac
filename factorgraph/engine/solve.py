"""Answers for a graph built in Python, by the names of its variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.engine.answer import Ask, outcomes
from factorgraph.engine.choose import choose
from factorgraph.engine.menu import steps
from factorgraph.engine.outcome import Outcome, Point
from factorgraph.engine.probe import checked_beta, checked_whole
from factorgraph.engine.problem import Task
from factorgraph.engine.ranking import k_best as ranked
from factorgraph.engine.ranking import sample as drawn
from factorgraph.engine.watch import Hear
from factorgraph.errors import InferenceError, UsageError, did_you_mean
from factorgraph.graph.builder import NamedGraph
from factorgraph.graph.structure import Energies, Graph, Ints


@dataclass(frozen=True)
class Solution:
    """What was found out about a graph, and how far it can be trusted.

    Attributes
    ----------
    energy : of the best configuration found, +inf where there is none.
    assignment : int32 of each block's shape, its states by name; empty where there is none.
    bound : no configuration has a lower energy; -inf where the algorithm proves nothing.
    gap : energy - bound, 0 where the answer is proven, NaN where there is none.
    status : ``optimal``, ``infeasible``, ``gap 0.3 %``, or why it is not converged.
    marginals : float64 [*shape, card] by name; None where not asked for.
    log_partition : log sum exp(-beta E), or what stands for it: see ``log_partition_is``.
    log_partition_is : ``exact``, ``Bethe``, ``upper bound`` or empty.
    algorithm, reason : what was run, and why.
    iterations, seconds : of the run.
    trace : best energy and bound as time went on.
    outcome : the same as arrays.
    """

    energy: float
    assignment: dict[str, Ints]
    bound: float
    gap: float
    status: str
    marginals: dict[str, Energies] | None
    log_partition: float
    log_partition_is: str
    algorithm: str
    reason: str
    iterations: int
    seconds: float
    trace: tuple[Point, ...]
    outcome: Outcome


def infer(
    graph: NamedGraph,
    task: Task = "map",
    algorithm: str | None = None,
    *,
    beta: float = 1.0,
    evidence: Mapping[str, ArrayLike] | None = None,
    seconds: float | None = None,
    seed: int = 0,
    threads: int = 1,
    hear: Hear | None = None,
) -> Solution:
    """Answer a question about a built graph.

    Parameters
    ----------
    graph : of one instance.
    task : ``map`` for a configuration of least energy, ``marginals`` (with the log-partition), or
        ``partition`` for the log-partition alone.
    algorithm : what to run, in turn: ``"trws(iterations = 100) + icm"``; None for exact inference
        where it fits, else for what fits the graph.
    beta : inverse temperature of marginals and log-partition.
    evidence : states of observed variables by name, in the block's shape, -1 where free.
    seconds : the time budget; the best found by then is the answer.
    seed, threads : results depend on the first alone.
    hear : told of each improvement, with the number of the iteration.

    Raises
    ------
    InferenceError, BudgetError : nothing can answer within the memory budget.
    UsageError : there is no such algorithm, or it does not do this task; or a number is out of
        range.
    """
    if task not in get_args(Task):
        raise UsageError(
            f"there is no task `{task}`",
            code="E0910",
            hint='say infer(graph, "map", "trws + icm"); the others are marginals, partition',
        )
    _check(algorithm, beta, seconds, seed, threads)
    ask = Ask(() if algorithm is None else steps(algorithm), seconds, beta, seed, threads, hear)
    given = _evidence(graph, evidence or {})
    (outcome,) = outcomes(graph.structure, np.ascontiguousarray(graph.values[0]), given, task, ask)
    found = outcome.marginals
    states = outcome.states
    return Solution(
        outcome.energy,
        {} if states is None else _by_name(graph, states),
        outcome.bound,
        outcome.gap,
        outcome.status,
        None if found is None else _beliefs(graph, found),
        outcome.log_partition,
        outcome.log_partition_is,
        outcome.algorithm,
        outcome.reason,
        outcome.iterations,
        outcome.seconds,
        outcome.trace,
        outcome,
    )


def _check(
    algorithm: str | None, beta: float, seconds: float | None, seed: int, threads: int
) -> None:
    """Refuse arguments of `infer` that cannot be used."""
    if algorithm is not None and not isinstance(algorithm, str):
        raise UsageError(f'an inference is a text as "trws + icm", not {algorithm!r}', code="E0910")
    if not _is_real(beta):
        raise UsageError(f"beta is a number, not {beta!r}", code="E0910")
    checked_beta(beta)
    if seconds is not None and not (_is_real(seconds) and seconds >= 0):
        raise UsageError(f"seconds is a number, at least 0, not {seconds!r}", code="E0910")
    checked_whole(seed, "seed", 0)
    checked_whole(threads, "threads", 1)


def _is_real(number: object) -> bool:
    return isinstance(number, (int, float, np.integer, np.floating))


def minimise(graph: NamedGraph, algorithm: str | None = None, **options: object) -> Solution:
    """Return a configuration of least energy of a built graph, as far as it can be found.

    Parameters
    ----------
    algorithm, options : as for `infer`.
    """
    return infer(graph, "map", algorithm, **options)  # type: ignore[arg-type]


def log_partition(graph: Graph, beta: float = 1.0) -> float:
    """Return log sum exp(-beta E) over all configurations of a graph; -inf where none is feasible.

    All instances of the graph's first batch entry are summed. This is exact or refused; `infer`
    gives estimates and bounds.

    Raises
    ------
    InferenceError : no exact engine can answer for this graph.
    UsageError : beta is not positive and finite.
    """
    soft = choose(graph.structure).engine.soft_minimum(graph.values, beta)
    return float(-beta * soft.value[0].sum())


def marginals(graph: NamedGraph, beta: float = 1.0) -> dict[str, Energies]:
    """Return the marginal of every variable by name, float64 [*shape, card].

    They are exact or refused; `infer` gives estimates.

    Raises
    ------
    InferenceError : no exact engine can answer for this graph.
    UsageError : beta is not positive and finite.
    """
    soft = choose(graph.structure).engine.soft_minimum(graph.values, beta)
    return _beliefs(graph, soft.marginals()[0])


def k_best(
    graph: NamedGraph, k: int, *, evidence: Mapping[str, ArrayLike] | None = None
) -> list[tuple[float, dict[str, Ints]]]:
    """Return the ``k`` configurations of least energy, the best first, each with its energy.

    They are exact or refused, on forests and on graphs with loops that are narrow enough. There
    are fewer where no more are feasible; equal energies come in an order that stays the same.

    Parameters
    ----------
    evidence : as for `infer`.

    Raises
    ------
    InferenceError : the graph is too wide.
    UsageError : ``k`` is not positive.
    """
    given = _evidence(graph, evidence or {})
    states, energies = ranked(graph.structure, np.ascontiguousarray(graph.values[0]), k, given)
    return [
        (float(energy), _by_name(graph, row)) for row, energy in zip(states, energies, strict=True)
    ]


def sample(
    graph: NamedGraph,
    n: int,
    seed: int = 0,
    *,
    beta: float = 1.0,
    evidence: Mapping[str, ArrayLike] | None = None,
) -> dict[str, Ints]:
    """Return ``n`` independent configurations by name, int32 [n, *shape].

    Each is drawn with probability exp(-beta E) / Z exactly, or refused; the same seed draws the
    same.

    Parameters
    ----------
    evidence : as for `infer`.

    Raises
    ------
    InferenceError : the graph is too wide, or no configuration is feasible.
    UsageError : ``n`` is negative, or beta is not positive and finite.
    """
    given = _evidence(graph, evidence or {})
    values = np.ascontiguousarray(graph.values[0])
    found = drawn(graph.structure, values, n, beta, seed, given)
    if found is None:
        raise InferenceError("no configuration is feasible: none can be drawn", code="E0519")
    return {
        block.name: found[:, block.first : block.first + block.size].reshape(n, *block.shape)
        for block in graph.blocks
    }


def _by_name(graph: NamedGraph, states: Ints) -> dict[str, Ints]:
    return {
        block.name: states[block.first : block.first + block.size].reshape(block.shape)
        for block in graph.blocks
    }


def _beliefs(graph: NamedGraph, flat: Energies) -> dict[str, Energies]:
    offset = graph.structure.state_offset
    return {
        block.name: np.array(flat[offset[block.first] : offset[block.first + block.size]]).reshape(
            *block.shape, block.card
        )
        for block in graph.blocks
    }


def _evidence(graph: NamedGraph, evidence: Mapping[str, ArrayLike]) -> Ints:
    """Return the observed states, int32 [V], -1 where free."""
    out = np.full(graph.structure.variables, -1, np.int32)
    blocks = {block.name: block for block in graph.blocks}
    for name, states in evidence.items():
        if name not in blocks:
            raise UsageError(
                f"there is no variable `{name}`", code="E0920", hint=did_you_mean(name, [*blocks])
            )
        block, array = blocks[name], np.asarray(states)
        if array.dtype.kind not in "iu" or array.shape != block.shape:
            raise UsageError(
                f"the evidence of `{name}` is not of integers {list(block.shape)}", code="E0921"
            )
        if ((array < -1) | (array >= block.card)).any():
            raise UsageError(f"the evidence of `{name}` has a state out of range", code="E0922")
        out[block.first : block.first + block.size] = array.reshape(-1)
    return out
