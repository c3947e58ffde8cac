"""A graph taken apart: factors of any order, each with messages of its own to its variables.

The energy is what the variables' beliefs and the factors, less what they have told, add up to,
whatever the messages are. So the sum of all their minima is a bound, worked out from them alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.engine.problem import Problem
from factorgraph.factors.kind import Kind
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, Ints, KindGroup, Offsets
from factorgraph.jit import kernel


@dataclass(frozen=True, eq=False)
class Tables:
    """Factors of two or more variables with dense tables of one shape.

    Attributes
    ----------
    scope : int32 [n, arity]; base : int64 [n], where each table starts in the values.
    told : float64 [n, sum of cards], the message to each variable of the scope, one after another.
    """

    name: str
    cards: NDArray[np.int64]
    scope: Ints
    base: Offsets
    told: Energies


@dataclass(frozen=True, eq=False)
class Kinds:
    """Factors of one kind, in layers of which no two share a variable.

    Attributes
    ----------
    entry : int64 [places + 1], where the message to each place of the scopes stands in ``told``.
    layers : int32 rows.
    """

    group: KindGroup
    kind: Kind
    numbers: Energies
    entry: Offsets
    told: Energies
    layers: tuple[Ints, ...]


class Decomposition:
    """Beliefs of variables and messages of factors.

    Attributes
    ----------
    first : int64 [V + 1], where the states of each variable stand.
    theta : float64 [S], unary energies; +inf where a state is excluded.
    belief : float64 [S], these and what all factors have told.
    constant : what every configuration costs.
    parts : the factors.
    """

    def __init__(self, problem: Problem) -> None:
        structure, self.values = problem.structure, problem.values
        self.card, self.first = structure.card, structure.state_offset
        size = int(self.first[-1])
        entries = sum(len(g.table) * sum(g.cards) for g in structure.groups if len(g.cards) > 1)
        entries += sum(int(self.card[k.scope].sum(dtype=np.int64)) for k in structure.kinds)
        budget.require(16 * size + 24 * entries, "messages of factors")
        self.theta, self.constant = np.zeros(size), 0.0
        self.parts: list[Tables | Kinds] = []
        self.largest = 1
        for g, group in enumerate(structure.groups):
            tables = structure.table(self.values, g)
            if not len(group.cards):
                self.constant += float(tables.reshape(-1)[group.table].sum())
            elif len(group.cards) == 1:
                _add_unary(self.first, group.scope[:, 0].copy(), group.table, tables, self.theta)
            elif len(group.table):
                cards = np.array(group.cards, np.int64)
                base = structure.offset[g] + group.table.astype(np.int64) * group.states
                apart = np.zeros((len(group.table), int(cards.sum())))
                self.parts.append(Tables(group.name, cards, group.scope, base, apart))
                self.largest = max(self.largest, int(cards.sum()))
        for k, kind in enumerate(structure.kinds):
            if len(kind.table):
                ends = np.cumsum(self.card[kind.scope], dtype=np.int64)
                entry = np.concatenate(([0], ends))
                told = np.zeros(int(entry[-1]))
                self.parts.append(
                    Kinds(kind, kind_of(kind.kind), structure.numbers(self.values, k), entry,
                          told, _layers(kind))
                )  # fmt: skip
        for v in np.flatnonzero(problem.evidence >= 0).tolist():
            at, end = self.first[v], self.first[v + 1]
            kept = self.theta[at + problem.evidence[v]]
            self.theta[at:end] = np.inf
            self.theta[at + problem.evidence[v]] = kept
        self.belief = self.theta.copy()

    @property
    def possible(self) -> bool:
        """Whether every variable has a state left."""
        if not len(self.theta):
            return self.constant < np.inf
        left = np.minimum.reduceat(self.theta, self.first[:-1])
        return bool(np.isfinite(left).all()) and self.constant < np.inf

    def gather(self) -> None:
        """Work out the beliefs anew."""
        self.belief[:] = self.theta
        for part in self.parts:
            if isinstance(part, Tables):
                _gather(part.scope, part.cards, part.told, self.first, self.belief)
            else:
                _gather_kind(part.group.scope, part.entry, part.told, self.first, self.belief)

    def ascend(self) -> None:
        """Let each factor in turn share what it and its variables know evenly among them.

        States that no configuration of a factor goes with are excluded for good.
        """
        room = np.zeros((3, self.largest))
        for part in self.parts:
            if isinstance(part, Tables):
                _share(part.scope, part.cards, part.base, self.values, part.told, self.first,
                       self.theta, self.belief, room)  # fmt: skip
            else:
                self._share(part)

    def _share(self, part: Kinds) -> None:
        group, entry = part.group, part.entry
        lengths = np.diff(group.start)
        known, heard = np.zeros(len(part.told)), np.zeros(len(part.told))
        for layer in part.layers:
            place = _places(group, layer)
            _exclude(place, group.scope, entry, part.told, self.first, self.belief, known)
            part.kind.messages(group, part.numbers, entry, known, heard, np.inf, layer)
            share = np.repeat(1.0 / lengths[layer], lengths[layer])
            _keep(place, share, group.scope, entry, known, heard, part.told, self.first,
                  self.theta, self.belief)  # fmt: skip

    def bound(self) -> tuple[float, float, int]:
        """Return the sum of all minima, that of their absolute values, and how many there are."""
        terms = [np.array([self.constant])]
        if len(self.belief):
            terms.append(np.minimum.reduceat(self.belief, self.first[:-1]))
        room = np.zeros((3, self.largest))
        for part in self.parts:
            if isinstance(part, Tables):
                least = np.empty(len(part.scope))
                _least(part.scope, part.cards, part.base, self.values, part.told, self.first,
                       self.theta, room, least)  # fmt: skip
            else:
                least = self._least(part)
            terms.append(least)
        every = np.concatenate(terms)
        return float(every.sum()), float(np.abs(every).sum()), len(every)

    def _least(self, part: Kinds) -> Energies:
        group, entry = part.group, part.entry
        known, heard = np.zeros(len(part.told)), np.zeros(len(part.told))
        place = np.arange(len(group.scope))
        _negate(place, group.scope, entry, part.told, self.first, self.theta, known)
        rows = np.arange(len(group.table), dtype=np.int32)
        part.kind.messages(group, part.numbers, entry, known, heard, np.inf, rows)
        least = np.empty(len(rows))
        for row in np.flatnonzero(np.diff(group.start) == 0).tolist():
            one = np.array([0, 1], np.int64)
            empty = replace(
                group,
                start=0 * one,
                scope=group.scope[:0],
                rows=one,
                table=group.table[row : row + 1],
            )
            least[row] = float(part.kind.energy(empty, part.numbers, np.zeros(0, np.int32))[0])
        _ends(group.start, entry, known, heard, least)
        return least

    def decode(self) -> Ints:
        """Return each variable's first state of least belief."""
        states = np.zeros(len(self.card), np.int32)
        _decode(self.first, self.belief, states)
        return states


def _places(group: KindGroup, rows: Ints) -> NDArray[np.int64]:
    """Return the places of the scopes of some rows, one row after another."""
    lengths = np.diff(group.start)[rows]
    ends = np.cumsum(lengths)
    place: NDArray[np.int64] = np.repeat(group.start[rows], lengths) + (
        np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    )
    return place


def _layers(group: KindGroup) -> tuple[Ints, ...]:
    """Return rows in layers, greedily, so that no two of a layer share a variable."""
    size = int(group.scope.max(initial=-1)) + 1
    layer = np.full(len(group.table), -1, np.int64)
    _color(group.start, group.scope, np.zeros(size, np.uint64), layer)
    order = np.argsort(layer, kind="stable").astype(np.int32)
    cuts = np.flatnonzero(np.diff(layer[order])) + 1
    return tuple(np.ascontiguousarray(part) for part in np.split(order, cuts))


@kernel
def _color(start, scope, used, layer):  # type: ignore[no-untyped-def]
    """Give each row the first layer that none of its variables has a row in.

    used : of each variable, its layers as bits; the 64th stands for all further ones, which are
        handed out one row after another.
    """
    one = np.uint64(1)
    further = 63
    for r in range(len(layer)):
        taken = np.uint64(0)
        for p in range(start[r], start[r + 1]):
            taken |= used[scope[p]]
        c = 0
        while c < 63 and (taken >> np.uint64(c)) & one:
            c += 1
        layer[r] = c
        if c == 63:
            layer[r] = further
            further += 1
        for p in range(start[r], start[r + 1]):
            used[scope[p]] |= one << np.uint64(c)


@kernel
def _add_unary(first, variable, table, tables, theta):  # type: ignore[no-untyped-def]
    for r in range(len(variable)):
        at = first[variable[r]]
        for x in range(tables.shape[1]):
            theta[at + x] += tables[table[r], x]


@kernel
def _gather(scope, cards, told, first, belief):  # type: ignore[no-untyped-def]
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                belief[at + x] += told[r, c]
                c += 1


@kernel
def _gather_kind(scope, entry, told, first, belief):  # type: ignore[no-untyped-def]
    for p in range(len(scope)):
        at = first[scope[p]]
        for x in range(entry[p + 1] - entry[p]):
            belief[at + x] += told[entry[p] + x]


@kernel
def _decode(first, belief, states):  # type: ignore[no-untyped-def]
    for v in range(len(states)):
        best = first[v]
        for s in range(best + 1, first[v + 1]):
            if belief[s] < belief[best]:
                best = s
        states[v] = best - first[v]


@kernel
def _marginals(cards, base, values, known, least, digit):  # type: ignore[no-untyped-def]
    """Write the least energies of a table plus ``known`` at each state of each variable."""
    arity, last = len(cards), cards[len(cards) - 1]
    size, total = 1, 0
    for k in range(arity):
        digit[k] = 0
        total += cards[k]
        if k < arity - 1:
            size *= cards[k]
    tail = total - last
    for c in range(total):
        least[c] = np.inf
    here = base
    for _ in range(size):
        heard, at = 0.0, 0
        for k in range(arity - 1):
            heard += known[at + digit[k]]
            at += cards[k]
        low = np.inf
        if heard < np.inf:
            for x in range(last):
                e = heard + known[tail + x] + values[here + x]
                least[tail + x] = min(least[tail + x], e)
                low = min(low, e)
        at = 0
        for k in range(arity - 1):
            least[at + digit[k]] = min(least[at + digit[k]], low)
            at += cards[k]
        here += last
        k = arity - 2
        while k >= 0:
            digit[k] += 1
            if digit[k] < cards[k]:
                break
            digit[k] = 0
            k -= 1


@kernel
def _share(scope, cards, base, values, told, first, theta, belief, room):  # type: ignore[no-untyped-def]
    known, least = room[0], room[1]
    digit = np.zeros(len(cards), np.int64)
    share = 1.0 / len(cards)
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                known[c] = belief[at + x] - told[r, c]
                c += 1
        _marginals(cards, base[r], values, known, least, digit)
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                if least[c] < np.inf:
                    belief[at + x] = share * least[c]
                    told[r, c] = belief[at + x] - known[c]
                else:
                    theta[at + x] = np.inf
                    belief[at + x] = np.inf
                c += 1


@kernel
def _least(scope, cards, base, values, told, first, theta, room, out):  # type: ignore[no-untyped-def]
    known, least = room[0], room[1]
    digit = np.zeros(len(cards), np.int64)
    for r in range(len(scope)):
        c = 0
        for k in range(len(cards)):
            at = first[scope[r, k]]
            for x in range(cards[k]):
                known[c] = -told[r, c] if theta[at + x] < np.inf else np.inf
                c += 1
        _marginals(cards, base[r], values, known, least, digit)
        low = np.inf
        for x in range(cards[0]):
            low = min(low, least[x])
        out[r] = low


@kernel
def _exclude(place, scope, entry, told, first, belief, known):  # type: ignore[no-untyped-def]
    for p in place:
        at = first[scope[p]]
        for x in range(entry[p + 1] - entry[p]):
            known[entry[p] + x] = belief[at + x] - told[entry[p] + x]


@kernel
def _negate(place, scope, entry, told, first, theta, known):  # type: ignore[no-untyped-def]
    for p in place:
        at = first[scope[p]]
        for x in range(entry[p + 1] - entry[p]):
            known[entry[p] + x] = -told[entry[p] + x] if theta[at + x] < np.inf else np.inf


@kernel
def _keep(  # type: ignore[no-untyped-def]
    place, share, scope, entry, known, heard, told, first, theta, belief
):
    for t in range(len(place)):
        p = place[t]
        at = first[scope[p]]
        for x in range(entry[p + 1] - entry[p]):
            e = entry[p] + x
            least = known[e] + heard[e]
            if least < np.inf:
                belief[at + x] = share[t] * least
                told[e] = belief[at + x] - known[e]
            else:
                theta[at + x] = np.inf
                belief[at + x] = np.inf


@kernel
def _ends(start, entry, known, heard, least):  # type: ignore[no-untyped-def]
    for r in range(len(least)):
        if start[r] < start[r + 1]:
            p = start[r]
            low = np.inf
            for e in range(entry[p], entry[p + 1]):
                low = min(low, known[e] + heard[e])
            least[r] = low
