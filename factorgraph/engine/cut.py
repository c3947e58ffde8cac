"""The least energy of binary submodular energies as a least cut, found by a maximum flow.

With PyMaxflow flows are in float64; with scipy alone in whole numbers: energies that are not whole
are scaled and rounded down, so that the flow still proves a bound, and the cut's energy a gap.

Reference: Kolmogorov and Zabih, What energy functions can be minimized via graph cuts? (2004);
Boykov and Kolmogorov, An experimental comparison of min-cut/max-flow algorithms (2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.menu import Options
from factorgraph.engine.outcome import INFEASIBLE, OPTIMAL, Outcome, judged
from factorgraph.engine.plain import plain
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import InferenceError, UsageError
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Ints, Structure

Longs = NDArray[np.int64]
LARGEST = 2**31 - 1
"""scipy's capacities are 32 bits wide."""


@dataclass(frozen=True)
class Flow:
    """A flow problem: a cut's capacity is the energy less ``constant``.

    Attributes
    ----------
    first, second : int64 [m], the ends of arcs between variables.
    forth, back : float64 [m], what it costs that ``first`` is 0 and ``second`` 1, and the reverse.
    zero, one : float64 [n], what it costs that a variable is 0, and 1.
    hard : a capacity that no finite energy reaches.
    """

    constant: float
    first: Longs
    second: Longs
    forth: Energies
    back: Energies
    zero: Energies
    one: Energies
    hard: float


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Return a configuration of least energy.

    Raises
    ------
    InferenceError : E0513, a variable has more than two states, or a factor more than two
        variables, or the factors of a pair are not submodular.
    UsageError : E0915, neither PyMaxflow nor scipy is there.
    """
    structure, values = plain(problem.structure, problem.values)
    flow = lay_out(structure, values, problem.evidence)
    if flow is None:
        watch.offer(np.inf, None, np.inf)
        return Outcome("cut", None, np.inf, np.inf, INFEASIBLE)
    one, most, exact, how = _cut(flow)
    states = np.where(problem.evidence >= 0, problem.evidence, one).astype(np.int32)
    found = float(energy(problem.structure, problem.values[None], states)[0, 0])
    if most >= flow.hard or found == np.inf:
        watch.offer(np.inf, None, np.inf)
        return Outcome("cut", None, np.inf, np.inf, INFEASIBLE, notes=(how,))
    bound = min(max(problem.bound, flow.constant + most), found)
    status = judged(found, bound, "") if exact else _gap(found, bound)
    watch.offer(found, states, bound)
    return Outcome("cut", states, found, bound, status, iterations=1, notes=(how,))


def _gap(found: float, bound: float) -> str:
    """Return the gap of a flow in rounded numbers, which proves no optimum."""
    status = judged(found, bound, "")
    return "gap 0 %" if status == OPTIMAL else status


def lay_out(structure: Structure, values: Energies, evidence: Ints) -> Flow | None:
    """Return the flow problem of a binary graph of one instance, whose factors have tables; None
    where some variable has no state left.

    Raises
    ------
    InferenceError : E0513, it is none of the kind.
    """
    n = structure.variables
    if n and structure.card.max() > 2:
        v = int(np.argmax(structure.card))
        raise InferenceError(
            f"a cut is for variables of two states; variable {v} has {structure.card[v]}",
            code="E0513",
            hint="`trws + icm` takes any number of states",
        )
    budget.require(200 * sum(len(group.table) for group in structure.groups), "the arcs of a cut")
    unary = np.zeros((n, 2))
    unary[structure.card == 1, 1] = np.inf
    constant, tables, ends, names = 0.0, [], [], []
    for g, group in enumerate(structure.groups):
        table = structure.table(values, g)
        if len(group.cards) > 2:
            raise InferenceError(
                f"a cut is for factors of at most two variables; `{group.name}` has "
                f"{len(group.cards)}",
                code="E0513",
                hint="`branch` takes factors of any number of variables",
            )
        if not group.cards:
            constant += float(table[group.table].sum())
        elif len(group.cards) == 1:
            np.add.at(unary[:, : group.cards[0]], group.scope[:, 0], table[group.table])
        else:
            wide = np.zeros((group.distinct, 2, 2))
            wide[:, : group.cards[0], : group.cards[1]] = table
            tables.append(wide[group.table])
            ends.append(group.scope)
            names += [(g, k) for k in range(len(group.table))]
    seen = np.nonzero(evidence >= 0)[0]
    unary[seen, 1 - evidence[seen]] = np.inf
    pairs = np.concatenate([np.zeros((0, 2), np.int64), *ends])
    theta = np.concatenate([np.zeros((0, 2, 2)), *tables])
    pairs, theta, where = _joined(pairs, theta, n)
    unary, theta = _settled(unary, pairs, theta)
    if np.isinf(unary).all(axis=1).any():
        return None
    _submodular(structure, pairs, theta, where, names)
    return _flow(constant, unary, pairs, theta)


def _joined(pairs: Longs, theta: Energies, n: int) -> tuple[Longs, Energies, Longs]:
    """Add up the factors of each pair, first variable below second; and a factor of each."""
    swap = pairs[:, 0] > pairs[:, 1]
    theta = np.where(swap[:, None, None], theta.swapaxes(1, 2), theta)
    low, high = pairs.min(axis=1, initial=n), pairs.max(axis=1, initial=-1)
    key, where, inverse = np.unique(
        low.astype(np.int64) * max(n, 1) + high, return_index=True, return_inverse=True
    )
    out = np.zeros((len(key), 2, 2))
    np.add.at(out, inverse.reshape(-1), theta)
    return np.stack(np.divmod(key, max(n, 1)), axis=1), out, where


def _settled(unary: Energies, pairs: Longs, theta: Energies) -> tuple[Energies, Energies]:
    """Bring what pairs exclude altogether, and pairs with a settled variable, to the unaries."""
    unary, theta = unary.copy(), theta.copy()
    before = -1
    while before != (now := int(np.isinf(unary).sum())):
        before = now
        for side in (0, 1):
            v, w = pairs[:, side], pairs[:, 1 - side]
            rows = theta if side == 0 else theta.swapaxes(1, 2)
            for a in (0, 1):
                # Entries that a settled neighbour excludes count as excluded.
                lost = np.isinf(rows[:, a] + unary[w]).all(axis=1)
                unary[v[lost], a] = np.inf
        for side in (0, 1):
            v, w = pairs[:, side], pairs[:, 1 - side]
            rows = theta if side == 0 else theta.swapaxes(1, 2)
            for a in (0, 1):
                # Only the other state is left: its row is a unary energy of the neighbour.
                only = np.isinf(unary[v, a]) & np.isfinite(unary[v, 1 - a])
                np.add.at(unary, w[only], rows[only, 1 - a])
                rows[only] = 0.0
    return unary, theta


def _submodular(
    structure: Structure, pairs: Longs, theta: Energies, where: Longs, names: list[tuple[int, int]]
) -> None:
    """Refuse pairs whose equal states cost more than the unequal ones."""
    with np.errstate(invalid="ignore"):
        equal, unequal = theta[:, 0, 0] + theta[:, 1, 1], theta[:, 0, 1] + theta[:, 1, 0]
        finite = np.where(np.isfinite(theta), np.abs(theta), 0.0).max(axis=(1, 2), initial=0.0)
        wrong = (equal > unequal + 1e-12 * finite) | (np.isinf(equal) & np.isinf(unequal))
    if not wrong.any():
        return
    at = int(np.argmax(wrong))
    g, row = names[int(where[at])]
    raise InferenceError(
        f"factor `{structure.groups[g].name}`[{row}], of variables {pairs[at, 0]} and "
        f"{pairs[at, 1]}, is not submodular: equal states cost {equal[at]:g} together, unequal "
        f"ones {unequal[at]:g}",
        code="E0513",
        hint="`branch` or `trws + icm` take any energies",
    )


def _flow(constant: float, unary: Energies, pairs: Longs, theta: Energies) -> Flow:
    """Return capacities, none negative, of energies in which only unequal states may be excluded.

    With a, b, c, d for 00, 01, 10, 11:
    a + (c - a) x_i + (d - c) x_j + (b + c - a - d) (1 - x_i) x_j, or the same with i and j in each
    other's place where c is infinite.
    """
    zero, one = unary[:, 0].copy(), unary[:, 1].copy()
    a, b, c, d = theta[:, 0, 0], theta[:, 0, 1], theta[:, 1, 0], theta[:, 1, 1]
    constant += float(a.sum())
    forward = np.isfinite(c)
    both = ~forward & ~np.isfinite(b)
    with np.errstate(invalid="ignore"):
        first = np.where(forward, c - a, np.where(both, d - a, d - b))
        second = np.where(forward, d - c, np.where(both, 0.0, b - a))
        forth = np.where(forward, np.maximum(b + c - a - d, 0.0), np.where(both, np.inf, 0.0))
    back = np.where(forward, 0.0, np.inf)
    np.add.at(one, pairs[:, 0], first)
    np.add.at(one, pairs[:, 1], second)
    low = np.minimum(zero, one)
    low = np.where(np.isfinite(low), low, 0.0)
    constant += float(low.sum())
    zero, one = zero - low, one - low
    parts = [part[np.isfinite(part)].sum() for part in (zero, one, forth, back)]
    hard = float(sum(parts)) + 1.0
    zero, one, forth, back = (
        np.where(np.isfinite(part), part, hard) for part in (zero, one, forth, back)
    )
    return Flow(constant, pairs[:, 0], pairs[:, 1], forth, back, zero, one, hard)


def _cut(flow: Flow) -> tuple[Ints, float, bool, str]:
    """Return which variables are 1, the flow, whether it is exact, and by whom it was found."""
    if not len(flow.zero):
        return np.zeros(0, np.int32), 0.0, True, "nothing to cut"
    if find_spec("maxflow") is not None:
        return *_by_maxflow(flow), True, "maximum flow by PyMaxflow, in float64"
    if find_spec("scipy") is not None:
        return _by_scipy(flow)
    raise UsageError("a cut needs PyMaxflow or scipy", code="E0915", hint="pip install 'fgc[cut]'")


def _by_maxflow(flow: Flow) -> tuple[Ints, float]:
    import maxflow

    n = len(flow.zero)
    graph = maxflow.GraphFloat(n, len(flow.first))
    nodes = graph.add_grid_nodes((n,))
    # Variables on the source's side are 0: they cut their arc to the sink.
    graph.add_grid_tedges(nodes, flow.one, flow.zero)
    if len(flow.first):
        graph.add_edges(flow.first, flow.second, flow.forth, flow.back)
    most = float(graph.maxflow())
    return graph.get_grid_segments(nodes).astype(np.int32), most


def _by_scipy(flow: Flow) -> tuple[Ints, float, bool, str]:
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order, maximum_flow

    n = len(flow.zero)
    source, sink = n, n + 1
    total = flow.hard * max(2, 1 + int((flow.forth >= flow.hard).sum()))
    parts = (flow.zero, flow.one, flow.forth, flow.back)
    whole = all(bool((part == np.rint(part)).all()) for part in parts) and total < LARGEST
    scale = 1.0 if whole else LARGEST / (2.0 * total)
    zero, one, forth, back = (np.floor(part * scale).astype(np.int32) for part in parts)
    every = np.arange(n)
    tails = np.concatenate((np.full(n, source), every, flow.first, flow.second))
    heads = np.concatenate((every, np.full(n, sink), flow.second, flow.first))
    capacity = csr_array((np.concatenate((one, zero, forth, back)), (tails, heads)), (n + 2, n + 2))
    found = maximum_flow(capacity, source, sink)
    left = capacity - found.flow
    left.data[left.data < 0] = 0
    left.eliminate_zeros()
    reached = breadth_first_order(left, source, return_predecessors=False)
    states = np.ones(n + 2, np.int32)
    states[reached] = 0
    how = "in whole numbers" if whole else f"in units of {1.0 / scale:.3g}, rounded down"
    return states[:n], found.flow_value / scale, whole, f"maximum flow by scipy, {how}"
