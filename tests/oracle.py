"""The slow truth: every configuration of a structure, one after the other, in plain numpy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from factorgraph.graph.structure import Group, Structure

Floats = NDArray[np.float64]


def configurations(
    structure: Structure, values: Floats, i: int, evidence: NDArray[np.int32] | None = None
) -> tuple[NDArray[np.int32], Floats]:
    """Return all configurations [N, n] of instance i that the evidence allows, and energies [N]."""
    lo, hi = int(structure.instance[i]), int(structure.instance[i + 1])
    choices = [
        range(structure.card[v]) if evidence is None or evidence[v] < 0 else [int(evidence[v])]
        for v in range(lo, hi)
    ]
    rows = list(itertools.product(*choices))
    states = np.array(rows, np.int32).reshape(len(rows), hi - lo)
    energies = np.array([sum_of(structure, values, i, row) for row in states])
    return states, energies


def entries(structure: Structure, i: int, row: NDArray[np.int32]) -> Iterator[int]:
    """Yield where each factor of instance i reads the values, for one configuration of it."""
    lo = int(structure.instance[i])
    for g, group in enumerate(structure.groups):
        for f in range(int(group.rows[i]), int(group.rows[i + 1])):
            place = tuple(int(row[v - lo]) for v in group.scope[f])
            entry = int(np.ravel_multi_index(place, group.cards)) if place else 0
            yield structure.offset[g] + int(group.table[f]) * group.states + entry


def sum_of(structure: Structure, values: Floats, i: int, row: NDArray[np.int32]) -> float:
    """Return the energy of one configuration of instance i."""
    return float(sum(values[e] for e in entries(structure, i, row)))


def soft_minimum(energies: Floats, beta: float) -> float:
    """Return -(1/beta) log sum exp(-beta E)."""
    least = energies.min(initial=np.inf)
    if np.isinf(least):
        return float("inf")
    return float(least - np.log(np.exp(-beta * (energies - least)).sum()) / beta)


def probabilities(energies: Floats, beta: float) -> Floats:
    """Return the Boltzmann weights, all zero where nothing is feasible."""
    least = energies.min(initial=np.inf)
    if np.isinf(least):
        return np.zeros_like(energies)
    weights = np.exp(-beta * (energies - least))
    return np.asarray(weights / weights.sum())


def expectation(structure: Structure, i: int, states: NDArray[np.int32], p: Floats) -> Floats:
    """Return d soft minimum / d values [T]: how often each entry is read, weighted by ``p``."""
    out = np.zeros(structure.size)
    for row, weight in zip(states, p, strict=True):
        for entry in entries(structure, i, row):
            out[entry] += weight
    return out


def by_state(
    structure: Structure, i: int, states: NDArray[np.int32], energies: Floats, p: Floats
) -> tuple[Floats, Floats]:
    """Return min-marginals and marginals of instance i, flat over its states."""
    lo, hi = int(structure.instance[i]), int(structure.instance[i + 1])
    least, marginal = [], []
    for v in range(lo, hi):
        for s in range(structure.card[v]):
            chosen = states[:, v - lo] == s
            least.append(energies[chosen].min(initial=np.inf))
            marginal.append(p[chosen].sum())
    return np.array(least, float), np.array(marginal, float)


def random_structure(
    rng: np.random.Generator, *, loopy: bool = False, instances: int = 3, largest: int = 5
) -> Structure:
    """Return a random structure: factors of 0 to 4 variables, tables shared, a forest or not."""
    cards: list[int] = []
    first = [0]
    rows: dict[tuple[int, ...], list[list[list[int]]]] = {}
    for i in range(instances):
        n = int(rng.integers(0, largest + 1))
        lo = first[-1]
        cards += [int(c) for c in rng.integers(1, 5 if n < 5 else 4, n)]
        first.append(lo + n)
        component = list(range(n))
        scopes: list[list[int]] = [[] for _ in range(int(rng.integers(0, 3)))]
        if n:
            scopes += [[lo + int(v)] for v in rng.integers(0, n, int(rng.integers(0, n + 2)))]
        for _ in range(int(rng.integers(0, 6))):
            arity = int(rng.integers(2, 5))
            picked = [int(v) for v in rng.permutation(n)[:arity]]
            if not loopy and len({component[v] for v in picked}) < arity:
                continue
            if len(picked) == arity:
                merged = {component[v] for v in picked}
                component = [component[picked[0]] if c in merged else c for c in component]
                scopes.append([lo + v for v in picked])
        for scope in scopes:
            shape = tuple(cards[v] for v in scope)
            rows.setdefault(shape, [[] for _ in range(instances)])[i].append(scope)
    groups = []
    for shape, by_instance in rows.items():
        flat = [scope for part in by_instance for scope in part]
        distinct = int(rng.integers(1, len(flat) + 2))
        groups.append(
            Group(
                f"f{len(groups)}",
                shape,
                np.array(flat, np.int32).reshape(len(flat), len(shape)),
                rng.integers(0, distinct, len(flat)).astype(np.int32),
                distinct,
                np.concatenate(([0], np.cumsum([len(part) for part in by_instance]))),
            )
        )
    structure = Structure(np.array(cards, np.int32), np.array(first, np.int64), tuple(groups))
    structure.check()
    return structure


def random_values(
    rng: np.random.Generator, structure: Structure, batch: int, scale: float, excluded: float
) -> Floats:
    """Return energies [batch, T], a share of them +inf."""
    values = scale * rng.normal(size=(batch, structure.size))
    values[rng.random(values.shape) < excluded] = np.inf
    return values


def random_evidence(
    rng: np.random.Generator, structure: Structure, batch: int, share: float
) -> NDArray[np.int32]:
    """Return evidence [batch, V], -1 where free; some instances are fixed altogether."""
    states = (rng.random((batch, structure.variables)) * structure.card).astype(np.int32)
    fixed = rng.random(states.shape) < share
    for i in range(len(structure.instance) - 1):
        if rng.random() < share:
            fixed[:, structure.instance[i] : structure.instance[i + 1]] = True
    return np.where(fixed, states, -1).astype(np.int32)
