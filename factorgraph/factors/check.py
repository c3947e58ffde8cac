"""Hold a kind of factor against enumeration and finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph.errors import UsageError
from factorgraph.factors.kind import Kind, message
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import Energies, KindGroup

Energy = Callable[[tuple[int, ...], Energies], float]
"""The energy of one configuration, of its states and a factor's numbers."""

STEP = 1e-6


def check_factor(
    kind: Kind | str,
    cards: Sequence[int],
    numbers: ArrayLike,
    *,
    energy: Energy | None = None,
    betas: Sequence[float] = (np.inf, 1.0, 7.0),
    rounds: int = 8,
    tolerance: float = 1e-9,
    seed: int = 0,
) -> None:
    """Raise unless a kind's energies, table, messages and cotangents agree with each other.

    Tables are compared with ``energy`` at every configuration, messages with the least or the sum
    over all of them, and cotangents with differences of energies. What variables say is random,
    with ties, large differences and +inf among it.

    Parameters
    ----------
    kind : a kind, or the name of one that is registered.
    cards : states of each variable of a factor; few, as all configurations are looked at.
    numbers : float64 [width] or [d, width], of factors to try.
    energy : what is true; the kind's own energies if None.
    betas : inverse temperatures of the messages; +inf for the least.
    rounds : random messages for each beta.
    tolerance : that energies may differ by, relative to the largest of them.

    Raises
    ------
    UsageError : E0506, saying what differs and where.
    """
    known = kind_of(kind) if isinstance(kind, str) else kind
    shape = tuple(int(c) for c in cards)
    own = np.array(numbers, np.float64)
    own = own.reshape(1, -1) if own.ndim < 2 else own
    known.check(shape, own)
    rng = np.random.default_rng(seed)
    tables = _tables(known, shape, own, energy, tolerance)
    for beta in betas:
        for each in range(rounds):
            _messages(known, shape, own, tables, float(beta), each, tolerance, rng)
    _cotangents(known, shape, own, tables, rng)


def _differs(kind: Kind, what: str) -> UsageError:
    return UsageError(f"kind `{kind.name}`: {what}", code="E0506")


def _group(kind: Kind, cards: tuple[int, ...], own: Energies, copies: int) -> KindGroup:
    """Return a group whose factors read the rows of numbers in turn, each with own variables."""
    n, rows = len(cards), len(own) * copies
    return KindGroup(
        kind.name,
        kind.name,
        n * np.arange(rows + 1, dtype=np.int64),
        np.arange(n * rows, dtype=np.int32),
        np.arange(rows, dtype=np.int32) % len(own),
        len(own),
        own.shape[1],
        np.array([0, rows], np.int64),
    )


def _tables(
    kind: Kind, cards: tuple[int, ...], own: Energies, energy: Energy | None, tolerance: float
) -> Energies:
    """Return the tables, compared with the energies of a group at its configurations."""
    tables = kind.table(cards, own)
    if tables.shape != (len(own), *cards):
        raise _differs(kind, f"its tables have shape {tables.shape}")
    count = prod(cards)
    group = _group(kind, cards, own, count)
    states = np.array(list(product(*map(range, cards))), np.int32).reshape(count, len(cards))
    every = np.repeat(states, len(own), axis=0).reshape(-1)
    got = kind.energy(group, own, every).reshape(count, len(own)).T.reshape(tables.shape)
    if energy is not None:
        for d, at in product(range(len(own)), map(tuple, states.tolist())):
            wanted = energy(at, own[d])
            if not _near(got[(d, *at)], wanted, tolerance):
                raise _differs(
                    kind, f"the energy at {at} of numbers {own[d]} is {got[(d, *at)]}, not {wanted}"
                )
    if not _near(tables, got, tolerance):
        raise _differs(kind, "its tables are not the energies of the configurations")
    return tables


def _near(got: NDArray[np.float64] | float, wanted: ArrayLike, tolerance: float) -> bool:
    """Return whether energies agree, +inf with +inf alone, up to a share of the largest."""
    a, b = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
    if not (np.isfinite(a) == np.isfinite(b)).all() or np.isnan(a).any() or np.isneginf(a).any():
        return False
    there = np.isfinite(b)
    scale = 1.0 + np.abs(b[there]).max(initial=0.0)
    return bool((np.abs(a[there] - b[there]) <= tolerance * scale).all())


def _said(rng: np.random.Generator, size: int, each: int) -> Energies:
    """Return random messages: plain, with ties, with large differences, with +inf."""
    out = rng.normal(size=size) * (1.0, 1.0, 300.0, 1.0, 30.0)[each % 5]
    if each % 5 == 1:
        out = np.round(out)
    if each % 5 >= 3:
        out[rng.random(size) < 0.3] = np.inf
    return out


def _messages(
    kind: Kind,
    cards: tuple[int, ...],
    own: Energies,
    tables: Energies,
    beta: float,
    each: int,
    tolerance: float,
    rng: np.random.Generator,
) -> None:
    group = _group(kind, cards, own, 2)
    rows = len(group.table)
    entry = np.concatenate(([0], np.cumsum(np.tile(cards, rows), dtype=np.int64)))
    incoming = _said(rng, int(entry[-1]), each)
    which = rng.permutation(rows)[: max(1, rows - 1)].astype(np.int32)
    outgoing = np.full(int(entry[-1]), -1e9)
    before = incoming.copy()
    kind.messages(group, own, entry, incoming, outgoing, beta, which)
    if not (incoming == before).all():
        raise _differs(kind, "its messages change what variables have said")
    for row in range(rows):
        first = group.start[row]
        told = [incoming[entry[first + i] : entry[first + i + 1]] for i in range(len(cards))]
        for i in range(len(cards)):
            got = outgoing[entry[first + i] : entry[first + i + 1]]
            if row not in which:
                if not (got == -1e9).all():
                    raise _differs(kind, "its messages write rows that nobody asked for")
                continue
            wanted = message(tables[group.table[row]], told, i, beta)
            if not _near(got, wanted, tolerance):
                raise _differs(
                    kind,
                    f"at beta {beta} variable {i} of numbers {own[group.table[row]]} is told"
                    f" {got}, not {wanted}; it was told {[t.tolist() for t in told]}",
                )


def _cotangents(
    kind: Kind, cards: tuple[int, ...], own: Energies, tables: Energies, rng: np.random.Generator
) -> None:
    """Compare the derivative of a weighted sum of finite energies with differences."""
    weight = np.where(np.isfinite(tables), rng.normal(size=tables.shape), 0.0)
    got = np.zeros_like(own)
    kind.add_table_cotangents(cards, own, weight, got)
    skipped = set(kind.discrete(cards))
    for d, k in product(range(len(own)), range(own.shape[1])):
        if k in skipped or not np.isfinite(own[d, k]):
            continue
        sides = []
        for step in (-STEP, STEP):
            moved = own[d : d + 1].copy()
            moved[0, k] += step
            with np.errstate(invalid="ignore"):
                sides.append((kind.table(cards, moved)[0] - tables[d]) / step)
        there = np.isfinite(sides[0]) & np.isfinite(sides[1])
        slopes = np.stack([weight[d][there] * side[there] for side in sides])
        low, high = slopes.min(axis=0).sum(), slopes.max(axis=0).sum()  # either side of a kink
        slack = 1e-4 * (1 + np.abs(slopes).sum())
        if not low - slack <= got[d, k] <= high + slack:
            wanted = slopes.mean(axis=0).sum()
            raise _differs(
                kind, f"the derivative by number {k} of {own[d]} is {got[d, k]}, not {wanted}"
            )
