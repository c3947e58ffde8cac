"""The best configurations in order, and configurations drawn at random, by elimination.

What has come up says for each variable, in turn from the last eliminated on, what each of its
states costs at least once those before are settled. Following the least gives the best; every next
best leaves an earlier one at some variable, for the cheapest state not taken yet, and follows the
least from there on. So one pass up answers for all of them.

Reference: E. Lawler, A procedure for computing the k best solutions to discrete optimization
problems, Management Science 18 (1972); D. Nilsson, An efficient algorithm for finding the M most
probable configurations, Statistics and Computing 8 (1998).
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.buckets import CARD, VARIABLE
from factorgraph.engine.contract import conditional, most_states
from factorgraph.engine.junction import JunctionEngine, Passes
from factorgraph.engine.probe import Request, checked_beta, checked_whole
from factorgraph.engine.shrink import Shrunk, shrink
from factorgraph.engine.sweep import INFEASIBLE, PRODUCT
from factorgraph.errors import UsageError
from factorgraph.factors.expand import tabled
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Ints, Structure
from factorgraph.jit import kernel

TOGETHER = 2**20
"""Random numbers at a time."""
Longs = NDArray[np.int64]


def k_best(
    structure: Structure, values: Energies, k: int, evidence: Ints | None = None
) -> tuple[Ints, Energies]:
    """Return the ``k`` best configurations of one instance, the best first.

    Parameters
    ----------
    values : float64 [T].
    evidence : int32 [V], -1 where free.

    Returns
    -------
    int32 [n, V] and their energies, float64 [n]; n is less than ``k`` where no more are feasible.

    Raises
    ------
    UsageError : ``k`` is not positive.
    InferenceError : the graph is too wide.
    """
    k = checked_whole(k, "k", 1)
    structure, values, smaller = _smaller(structure, values, evidence)
    if smaller.blame:
        return np.zeros((0, structure.variables), np.int32), np.zeros(0)
    budget.require(16 * k * structure.variables, f"{k} configurations")
    passes = _up(smaller, np.inf)
    plan = passes.plan
    if passes.mode[0, 0] == INFEASIBLE:
        return np.zeros((0, structure.variables), np.int32), np.zeros(0)
    count = len(plan.free)
    rise = np.empty(count)
    first = np.zeros(count, np.int64)
    # What is waiting: how much worse than the best, a number to break ties, the configuration that
    # it leaves, where, and for none of which states.
    waiting: list[tuple[float, int, int, int, tuple[int, ...]]] = [(0.0, 0, -1, count - 1, ())]
    found: list[Longs] = []
    pushed = 1
    while waiting and len(found) < k:
        worse, _, parent, at, banned = heapq.heappop(waiting)
        states = first.copy() if parent < 0 else found[parent].copy()
        _follow(*passes.row(), states, at, np.array(banned, np.int64), rise)
        found.append(states)
        wanted = k - len(found)
        steps = np.flatnonzero(rise[: at + 1] < np.inf)
        if len(steps) > wanted:
            steps = np.sort(steps[np.argsort(rise[steps], kind="stable")[:wanted]])
        for t in steps[::-1].tolist():
            taken = int(states[plan.buckets.step[t, VARIABLE]])
            gone = (*banned, taken) if t == at else (taken,)
            entry = (worse + float(rise[t]), pushed, len(found) - 1, t, gone)
            heapq.heappush(waiting, entry)
            pushed += 1
        if len(waiting) > 4 * k + 64:
            waiting = heapq.nsmallest(max(wanted, 1), waiting)
    whole = _back(smaller, structure, plan.free, np.array(found, np.int64))
    each = np.array([float(energy(structure, values[None], row)[0, 0]) for row in whole])
    order = np.argsort(each, kind="stable")
    return whole[order], each[order]


def sample(
    structure: Structure,
    values: Energies,
    n: int,
    beta: float = 1.0,
    seed: int = 0,
    evidence: Ints | None = None,
) -> Ints | None:
    """Return ``n`` configurations drawn independently, each with probability exp(-beta E) / Z.

    Returns
    -------
    int32 [n, V]; None where no configuration is feasible.

    Raises
    ------
    UsageError : ``n`` is negative, or beta is not positive and finite.
    InferenceError : the graph is too wide.
    """
    n, seed = checked_whole(n, "n", 0), checked_whole(seed, "seed", 0)
    beta = checked_beta(beta)
    structure, values, smaller = _smaller(structure, values, evidence)
    if smaller.blame:
        return None
    budget.require(16 * n * structure.variables, f"{n} configurations")
    passes = _up(smaller, beta)
    if passes.mode[0, 0] == INFEASIBLE:
        return None
    random = np.random.default_rng(seed)
    count = len(passes.plan.free)
    drawn = np.zeros((n, count), np.int64)
    each = max(1, TOGETHER // max(count, 1))
    product = bool(passes.mode[0, 0] == PRODUCT)
    for begin in range(0, n, each):
        part = drawn[begin : begin + each]
        _draw(*passes.row(), product, beta, random.random(part.shape), part)
    return _back(smaller, structure, passes.plan.free, drawn)


def _smaller(
    structure: Structure, values: Energies, evidence: Ints | None
) -> tuple[Structure, Energies, Shrunk]:
    if structure.instances != 1:
        raise UsageError(
            f"one instance is asked at a time, not {structure.instances}", code="E0922"
        )
    if structure.kinds:
        expanded = tabled(structure)
        structure, values = expanded.structure, expanded.values(values[None])[0]
    if evidence is None:
        evidence = np.full(structure.variables, -1, np.int32)
    return structure, values, shrink(structure, values, evidence)


def _up(smaller: Shrunk, beta: float) -> Passes:
    engine = JunctionEngine(smaller.structure)
    request = Request.of(smaller.structure, smaller.values[None], None, None)
    passes = Passes(engine, request, beta)
    passes.up(np.zeros((0, 0), np.int64))
    return passes


def _back(smaller: Shrunk, structure: Structure, free: Longs, found: Longs) -> Ints:
    whole = np.zeros((len(found), structure.variables), np.int64)
    whole[:, free] = found
    at = smaller.kept[np.asarray(smaller.structure.state_offset[:-1]) + whole]
    return np.ascontiguousarray(at - np.asarray(structure.state_offset[:-1]), np.int32)


@kernel
def _follow(plan, at, source, line, states, begin, banned, rise):  # type: ignore[no-untyped-def]
    """Take the cheapest state of each variable from step ``begin`` down, none banned at that one.

    rise : gets how much more the cheapest other state costs, +inf where there is none.
    """
    out = np.empty(most_states(plan))
    for back in range(begin + 1):
        t = begin - back
        conditional(plan, t, 0, at, source, False, line, states, out)
        if t == begin:
            for s in banned:
                out[s] = np.inf
        best = np.int64(0)
        for k in range(plan.step[t, CARD]):
            if out[k] < out[best]:
                best = np.int64(k)
        states[plan.step[t, VARIABLE]] = best
        least = out[best]
        out[best] = np.inf
        other = np.inf
        for k in range(plan.step[t, CARD]):
            other = min(other, out[k])
        rise[t] = other - least if other < np.inf else np.inf


@kernel
def _draw(plan, at, source, line, product, beta, chance, states):  # type: ignore[no-untyped-def]
    """Draw configurations int64 [n, U] with the help of numbers [n, U] in [0, 1)."""
    out = np.empty(most_states(plan))
    for i in range(len(states)):
        for back in range(states.shape[1]):
            t = states.shape[1] - 1 - back
            n = plan.step[t, CARD]
            conditional(plan, t, 0, at, source, product, line, states[i], out)
            if not product:
                least = np.inf
                for k in range(n):
                    least = min(least, out[k])
                for k in range(n):
                    out[k] = np.exp(beta * (least - out[k]))
            total = 0.0
            for k in range(n):
                total += out[k]
            goal, last = chance[i, t] * total, np.int64(0)
            for k in range(n):
                if out[k] > 0.0:
                    last = np.int64(k)
                    goal -= out[k]
                    if goal < 0.0:
                        break
            states[i, plan.step[t, VARIABLE]] = last
