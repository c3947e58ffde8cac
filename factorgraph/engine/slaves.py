"""Slaves of AD3: for each factor, the distribution near a given one whose energy is low.

A slave minimises  E.m + l.q + (eta / 2) |q - p|^2  over distributions m of its configurations, q
their marginals. The answer is sparse: an active set of configurations is kept from one time to the
next, grown by the configuration whose energy falls most, and shrunk where a weight meets zero.

Reference: Martins, Figueiredo, Aguiar, Smith, Xing, AD3: alternating directions dual decomposition
for MAP inference in graphical models (2015).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.problem import Problem
from factorgraph.errors import UsageError
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, Ints, Offsets
from factorgraph.jit import kernel

LARGEST = 2**16
"""Entries of the largest table of a slave."""
RIDGE = 1e-9
"""Keeps the equations of an active set solvable where its configurations depend on each other."""
STEPS = 30
"""Changes of the active set at a time; what is left is done the next time."""
PAUSE, BALANCE = 20, 10.0
"""Every so many steps eta changes if one residual is so many times the other; by ever less, since
it has to come to rest."""


@dataclass(frozen=True, eq=False)
class Part:
    """Factors with tables of one shape.

    Attributes
    ----------
    scope : int32 [n, arity]; base : int64 [n], where each table starts in ``values``.
    price : float64 [n, C], multipliers of the states of each scope, C their number.
    share : float64 [n, C], marginals of the slave.
    active : int64 [n, C + 1], entries of the configurations kept; how many stands in [:, C].
    weight : float64 [n, C].
    """

    cards: NDArray[np.int64]
    scope: Ints
    base: Offsets
    values: Energies
    price: Energies
    share: Energies
    active: NDArray[np.int64]
    weight: Energies


class Slaves:
    """All factors with more than one variable, and what they agree on.

    Attributes
    ----------
    mean : float64 [S], the mean of the slaves' marginals.
    eta : the weight of the proximal term.
    """

    def __init__(self, problem: Problem) -> None:
        structure, values = problem.structure, problem.values
        self.first, self.card = structure.state_offset, structure.card
        self.theta, self.constant = np.zeros(int(self.first[-1])), 0.0
        self.times = np.zeros(structure.variables)
        self.parts: list[Part] = []
        for g, group in enumerate(structure.groups):
            base = group.table.astype(np.int64) * group.states
            tables = structure.table(values, g).reshape(-1)
            self._add(group.name, group.cards, group.scope, base, tables)
        for k, kind in enumerate(structure.kinds):
            numbers = structure.numbers(values, k)
            lengths = np.diff(kind.start)
            for arity in np.unique(lengths).tolist():
                rows = np.flatnonzero(lengths == arity)
                scope = kind.scope[kind.start[rows][:, None] + np.arange(arity)]
                shapes = self.card[scope].reshape(len(rows), arity)
                for cards in np.unique(shapes, axis=0).tolist():
                    some = np.flatnonzero((shapes == cards).all(axis=1))
                    used, which = np.unique(kind.table[rows[some]], return_inverse=True)
                    size = int(np.prod(cards, dtype=float))
                    _fits(kind.name, size, len(used))
                    made = kind_of(kind.kind).table(tuple(cards), numbers[used])
                    self._add(kind.name, tuple(cards), scope[some], which.astype(np.int64) * size,
                              np.ascontiguousarray(made).reshape(-1))  # fmt: skip
        for v in np.flatnonzero(problem.evidence >= 0).tolist():
            at = int(self.first[v])
            kept = self.theta[at + problem.evidence[v]]
            self.theta[at : int(self.first[v + 1])] = np.inf
            self.theta[at + problem.evidence[v]] = kept
        owner = np.repeat(np.arange(len(self.card)), self.card)
        self.own = self.theta / np.maximum(1.0, self.times[owner])
        self.alone = self.times == 0
        left = np.isfinite(self.theta)
        count = np.maximum(1.0, np.bincount(owner, left, len(self.card)))
        self.mean = left / count[owner]
        self._owner = owner
        for part in self.parts:
            _spread(part.scope, part.cards, self.first, self.mean, part.share)
        self.eta = max(1e-6, self._scale())
        self._steps = self._changes = 0

    def _add(
        self, name: str, cards: tuple[int, ...], scope: Ints, base: Offsets, values: Energies
    ) -> None:
        if not len(base):
            return
        if not cards:
            self.constant += float(values[base].sum())
            return
        if len(cards) == 1:
            entry = self.first[scope[:, 0]][:, None] + np.arange(cards[0])
            np.add.at(self.theta, entry, values[base[:, None] + np.arange(cards[0])])
            return
        _fits(name, int(np.prod(cards, dtype=float)), 0)
        states, n = sum(cards), len(base)
        budget.require(48 * n * states, f"the active sets of factor `{name}`")
        np.add.at(self.times, scope, 1.0)
        self.parts.append(
            Part(np.array(cards, np.int64), np.ascontiguousarray(scope, np.int32), base, values,
                 np.zeros((n, states)), np.zeros((n, states)),
                 np.zeros((n, states + 1), np.int64), np.zeros((n, states)))
        )  # fmt: skip

    def _scale(self) -> float:
        """Return how far the energies of a factor spread, about."""
        spread = [float(np.std(p.values[np.isfinite(p.values)][:10000])) for p in self.parts
                  if np.isfinite(p.values).any()]  # fmt: skip
        finite = self.theta[np.isfinite(self.theta)]
        return 0.5 * max([*spread, float(np.std(finite)) if len(finite) else 0.0], default=1.0)

    def step(self) -> None:
        """Solve all slaves, average them, and move the multipliers toward agreement."""
        total = np.zeros_like(self.mean)
        for part in self.parts:
            most = part.price.shape[1]
            _solve(part.scope, part.cards, part.base, part.values, part.price, part.share,
                   part.active, part.weight, self.first, self.own, self.mean, self.eta,
                   np.zeros((most + 2, most + 3)), np.zeros((6, most + 2)))  # fmt: skip
            _collect(part.scope, part.cards, self.first, part.share, total)
        times = np.maximum(1.0, self.times[self._owner])
        mean = np.where(self.times[self._owner] > 0, total / times, self.mean)
        primal, prices = 0.0, np.zeros_like(mean)
        for part in self.parts:
            primal += _move(part.scope, part.cards, self.first, mean, part.share, self.eta,
                            part.price, prices)  # fmt: skip
        prices /= times
        for part in self.parts:
            _center(part.scope, part.cards, self.first, prices, part.price)
        dual = float((times * (mean - self.mean) ** 2).sum())
        self.mean = mean
        # Both as squares of shares: how far slaves are apart, and how far the mean moves.
        self._steps += 1
        if self._steps % PAUSE == 0 and max(primal, dual) > BALANCE * min(primal, dual):
            factor = 1.0 + 1.0 / (1.0 + self._changes)
            self.eta *= factor if primal > dual else 1.0 / factor
            self._changes += 1

    def bound(self) -> tuple[float, float, int]:
        """Return the sum of all slaves' least energies, that of absolute values, their number."""
        least = np.minimum.reduceat(self.theta, self.first[:-1]) if len(self.theta) else self.theta
        terms = [np.array([self.constant]), least[self.alone]]
        for part in self.parts:
            each = np.empty(len(part.base))
            _least(part.scope, part.cards, part.base, part.values, part.price, self.first,
                   self.own, np.zeros(part.price.shape[1]), each)  # fmt: skip
            terms.append(each)
        every = np.concatenate(terms)
        return float(every.sum()), float(np.abs(every).sum()), len(every)

    def decode(self) -> Ints:
        """Return each variable's state of the largest share, of the least energy where alone."""
        key = np.where(self.times[self._owner] > 0, -self.mean, self.theta)
        states = np.zeros(len(self.card), np.int32)
        _first(self.first, key, states)
        return states


def _fits(name: str, size: int, count: int) -> None:
    if size > LARGEST:
        raise UsageError(
            f"`ad3` takes factors of at most {LARGEST} configurations, and `{name}` has {size}",
            code="E0510",
            hint="`mplp` gives bounds for these too",
        )
    budget.require(8 * size * count, f"tables of factor `{name}`")


@kernel
def _spread(scope, cards, first, mean, share):  # type: ignore[no-untyped-def]
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                share[r, c] = mean[at + x]
                c += 1


@kernel
def _collect(scope, cards, first, share, total):  # type: ignore[no-untyped-def]
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                total[at + x] += share[r, c]
                c += 1


@kernel
def _move(scope, cards, first, mean, share, eta, price, prices):  # type: ignore[no-untyped-def]
    apart = 0.0
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                gap = share[r, c] - mean[at + x]
                apart += gap * gap
                price[r, c] += eta * gap
                prices[at + x] += price[r, c]
                c += 1
    return apart


@kernel
def _center(scope, cards, first, prices, price):  # type: ignore[no-untyped-def]
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                price[r, c] -= prices[at + x]
                c += 1


@kernel
def _first(first, key, states):  # type: ignore[no-untyped-def]
    for v in range(len(states)):
        best = first[v]
        for s in range(best + 1, first[v + 1]):
            if key[s] < key[best]:
                best = s
        states[v] = best - first[v]


@kernel
def _lowest(cards, base, values, known):  # type: ignore[no-untyped-def]
    """Return the entry of least energy plus ``known``, and that energy."""
    arity = len(cards)
    last = cards[arity - 1]
    size, tail = 1, 0
    for k in range(arity - 1):
        size *= cards[k]
        tail += cards[k]
    best, low = -1, np.inf
    for outer in range(size):
        rest, heard, at = outer, 0.0, tail
        for k in range(arity - 2, -1, -1):
            at -= cards[k]
            heard += known[at + rest % cards[k]]
            rest //= cards[k]
        if heard < np.inf:
            for x in range(last):
                e = heard + known[tail + x] + values[base + outer * last + x]
                if e < low:
                    best, low = outer * last + x, e
    return best, low


@kernel
def _least(scope, cards, base, values, price, first, own, known, out):  # type: ignore[no-untyped-def]
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                known[c] = own[at + x] + price[r, c]
                c += 1
        out[r] = _lowest(cards, base[r], values, known)[1]


@kernel
def _solve(  # type: ignore[no-untyped-def]
    scope, cards, base, values, price, share, active, weight, first, own, mean, eta, matrix, room
):
    """Write each slave's marginals into ``share``."""
    arity, most = len(cards), price.shape[1]
    linear, known, cost, goal = room[0], room[1], room[2], room[3]
    for r in range(len(scope)):
        c = 0
        for k in range(arity):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                linear[c] = own[at + x] + price[r, c] - eta * mean[at + x]
                c += 1
        count = active[r, most]
        for _ in range(STEPS):
            if count == 0:
                entry, low = _lowest(cards, base[r], values, linear)
                if entry < 0:
                    break
                active[r, 0], weight[r, 0], count = entry, 1.0, 1
            for a in range(count):
                rest, at = active[r, a], most
                cost[a] = values[base[r] + rest]
                for k in range(arity - 1, -1, -1):
                    at -= cards[k]
                    cost[a] += linear[at + rest % cards[k]]
                    rest //= cards[k]
            # The best weights of these configurations, whatever their sign: a linear system.
            n = count + 1
            for a in range(count):
                for b in range(count):
                    e, f, same = active[r, a], active[r, b], 0.0
                    for k in range(arity - 1, -1, -1):
                        if e % cards[k] == f % cards[k]:
                            same += 1.0
                        e //= cards[k]
                        f //= cards[k]
                    matrix[a, b] = same + (RIDGE if a == b else 0.0)
                matrix[a, count] = 1.0
                matrix[count, a] = 1.0
                matrix[a, n] = -cost[a] / eta
            matrix[count, count] = 0.0
            matrix[count, n] = 1.0
            for p in range(n):
                pivot = p
                for a in range(p + 1, n):
                    if abs(matrix[a, p]) > abs(matrix[pivot, p]):
                        pivot = a
                if pivot != p:
                    for b in range(p, n + 1):
                        matrix[p, b], matrix[pivot, b] = matrix[pivot, b], matrix[p, b]
                for a in range(p + 1, n):
                    ratio = matrix[a, p] / matrix[p, p]
                    if ratio != 0.0:
                        for b in range(p, n + 1):
                            matrix[a, b] -= ratio * matrix[p, b]
            for p in range(n - 1, -1, -1):
                total = matrix[p, n]
                for b in range(p + 1, n):
                    total -= matrix[p, b] * goal[b]
                goal[p] = total / matrix[p, p]
            step_size, blocking = 1.0, -1
            for a in range(count):
                if goal[a] < 0.0:
                    part = weight[r, a] / (weight[r, a] - goal[a])
                    if part < step_size:
                        step_size, blocking = part, a
            for a in range(count):
                weight[r, a] += step_size * (goal[a] - weight[r, a])
            if blocking >= 0:
                count -= 1
                for a in range(blocking, count):
                    active[r, a] = active[r, a + 1]
                    weight[r, a] = weight[r, a + 1]
                continue
            for c in range(most):
                share[r, c] = 0.0
            for a in range(count):
                rest, at = active[r, a], most
                for k in range(arity - 1, -1, -1):
                    at -= cards[k]
                    share[r, at + rest % cards[k]] += weight[r, a]
                    rest //= cards[k]
            for c in range(most):
                known[c] = linear[c] + eta * share[r, c]
            entry, low = _lowest(cards, base[r], values, known)
            level = -eta * goal[count]
            if low >= level - 1e-8 * (abs(level) + eta) or count >= most:
                break
            known_already = False
            for a in range(count):
                known_already = known_already or active[r, a] == entry
            if known_already:
                break
            active[r, count], weight[r, count] = entry, 0.0
            count += 1
        active[r, most] = count
        total = 0.0
        for c in range(most):
            share[r, c] = 0.0
        for a in range(count):
            total += weight[r, a]
        for a in range(count):
            rest, at = active[r, a], most
            for k in range(arity - 1, -1, -1):
                at -= cards[k]
                share[r, at + rest % cards[k]] += weight[r, a] / total
                rest //= cards[k]
