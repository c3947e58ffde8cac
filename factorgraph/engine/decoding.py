"""Inference by a decoder, for graphs of bits with energies of their own and parity checks.

Such a graph is a code, its energies what a channel said. Many instances of one code, or many
energies for one graph, are decoded together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph.engine.decoder import Checks, Decoded, Decoder, Schedule
from factorgraph.engine.menu import Options, steps
from factorgraph.engine.outcome import INFEASIBLE, Outcome, judged
from factorgraph.engine.parities import contradicting
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError, some
from factorgraph.graph.structure import Energies, Group, Ints, KindGroup, Structure

SETTLED = 1e-6
"""A change of probabilities in one iteration that is none."""
SCHEDULES = ("auto", "flooding", "layered")


@dataclass(frozen=True, eq=False)
class Code:
    """The code that a graph is.

    Attributes
    ----------
    structure : of one instance.
    checks : in the order of the groups of kinds.
    """

    structure: Structure
    checks: Checks

    def energies(self, values: Energies, evidence: Ints) -> tuple[Energies, Energies]:
        """Return the energies of all bits at 0 and at 1, float64 [B, n, 2], and what is constant.

        Parameters
        ----------
        values, evidence : float64 [B, T], int32 [B, n].
        """
        out = np.zeros((len(values), self.checks.bits, 2))
        constant = np.zeros(len(values))
        for g, group in enumerate(self.structure.groups):
            first, last = self.structure.offset[g : g + 2]
            table = values[:, first:last].reshape(len(values), group.distinct, group.states)
            read = table[:, group.table]
            if not group.cards:
                constant += read.sum(axis=(1, 2))
                continue
            at = group.scope[:, 0]
            if len(np.unique(at)) == len(at):
                out[:, at] += read
            else:
                np.add.at(out.swapaxes(0, 1), at, read.swapaxes(0, 1))
        frame, seen = np.nonzero(evidence >= 0)
        out[frame, seen, 1 - evidence[frame, seen]] = np.inf
        return out, constant

    def parity(self, values: Energies) -> Energies:
        """Return 1 for each check that is odd, 0 for each that is even, float64 [B, m]."""
        parts = [np.zeros((len(values), 0))]
        for k, group in enumerate(self.structure.kinds):
            first, last = self.structure.kind_offset[k : k + 2]
            numbers = values[:, first:last].reshape(len(values), group.distinct, group.width)
            parts.append(numbers[:, group.table, 0])
        return np.concatenate(parts, axis=1)

    def name(self, check: int) -> str:
        """Return a check by its factor's name and its number among those."""
        for group in self.structure.kinds:
            if check < len(group.table):
                return f"{group.name}[{check}]"
            check -= len(group.table)
        raise AssertionError(check)


def code(structure: Structure) -> Code | None:
    """Return the code that a graph of one instance is, None if it is none.

    It is one where all variables are bits, and factors parity checks or over one of them or none.
    """
    if structure.instances != 1 or not _of_parities(structure):
        return None
    starts, scopes = [np.zeros(1, np.int64)], []
    for group in structure.kinds:
        starts.append(group.start[1:] + starts[-1][-1])
        scopes.append(group.scope)
    checks = Checks(
        structure.variables,
        np.concatenate(starts),
        np.ascontiguousarray(np.concatenate(scopes), np.int32),
    )
    return Code(structure, checks)


def _of_parities(structure: Structure) -> bool:
    kinds = bool(structure.kinds) and all(group.kind == "parity" for group in structure.kinds)
    tables = all(group.cards in ((), (2,)) for group in structure.groups)
    return kinds and tables and not (structure.card != 2).any()


def loops(checks: Checks) -> bool:
    """Return whether a graph of checks has a loop: taking leaves away does not empty it."""
    row = np.repeat(np.arange(checks.count), np.diff(checks.start))
    bit = checks.scope
    while len(row):
        of_row = np.bincount(row, minlength=checks.count)
        of_bit = np.bincount(bit, minlength=checks.bits)
        inner = (of_row[row] > 1) & (of_bit[bit] > 1)
        if inner.all():
            return True
        row, bit = row[inner], bit[inner]
    return False


def decoder(name: str, options: Options, beta: float = 1.0, threads: int = 1) -> Decoder | None:
    """Return the decoder that an algorithm of the menu is on a code, None if there is none.

    Parameters
    ----------
    name : of the algorithm; ``minsum`` and ``sumproduct`` decode.
    options : completed; a schedule that is left open is layered.
    """
    schedule = options.get("schedule", "auto")
    elsewhere = options.get("device", "cpu") != "cpu"
    if schedule not in SCHEDULES or options.get("damping", 0.0) != 0.0 or elsewhere:
        return None
    order: Schedule = "flooding" if schedule == "flooding" else "layered"
    iterations = int(options["iterations"])
    if name == "minsum":
        return Decoder(
            "minsum", iterations, float(options["scale"]), float(options["offset"]),
            schedule=order, threads=threads,
        )  # fmt: skip
    if name == "sumproduct":
        return Decoder("sumproduct", iterations, beta=beta, schedule=order, threads=threads)
    return None


def decode(
    checks: Checks | Any,
    llr: ArrayLike,
    parity: ArrayLike | None = None,
    *,
    infer: str = "minsum(iterations = 50, scale = 0.75)",
    threads: int = 1,
    soft: bool = False,
) -> Decoded:
    """Decode frames of a binary code.

    Parameters
    ----------
    checks : the parity-check matrix [m, n]: an array, or sparse by rows; see `Checks.of`.
    llr : [B, n] or [n], log p(0) / p(1) of each bit.
    parity : [B, m] or [m], 1 where the sum of a check's bits is odd, as a syndrome is; None for 0.
    infer : ``minsum`` or ``sumproduct`` with their options.
    threads : that work at once; results do not depend on it.
    soft : whether the bits' ratios after the last iteration are wanted.

    Raises
    ------
    UsageError : the matrix, a shape or what is asked is wrong, or a number is NaN.
    BudgetError : memory would not suffice.

    Examples
    --------
    >>> found = decode([[1, 1, 0], [0, 1, 1]], [[2.0, -1.0, 3.0]], infer="sumproduct")
    >>> found.bits
    array([[0, 0, 0]], dtype=uint8)
    """
    asked = steps(infer)
    how = decoder(asked[0].name, asked[0].options, threads=threads) if len(asked) == 1 else None
    if how is None:
        raise UsageError(
            f"`{infer}` does not decode",
            code="E0910",
            hint="minsum and sumproduct do, flooding or layered, without damping, on the host",
        )
    code_ = checks if isinstance(checks, Checks) else Checks.of(checks)
    return how(code_, llr, parity, soft=soft)


def run(name: str, problem: Problem, options: Options, watch: Watch) -> Outcome | None:
    """Answer by decoding; None where the graph is no code, or something else is asked.

    Graphs without a loop are left to algorithms that are exact on them, unless layers are asked
    for: no others have these.

    Parameters
    ----------
    name : ``minsum`` or ``sumproduct``.
    """
    layered = options.get("schedule") == "layered"
    if problem.task != "map" and not (problem.task == "marginals" and layered):
        return None
    how = decoder(name, options, problem.beta, problem.threads)
    found = code(problem.structure) if how is not None else None
    if how is None or found is None:
        return None
    if problem.task == "marginals":
        return _marginals(found, how, problem)
    if not loops(found.checks):
        if not layered:
            return None
        how = replace(how, early=False)
    outcome = next(decoded(found, how, problem.values[None], problem.evidence[None], watch))
    watch.offer(outcome.energy, outcome.states, outcome.bound, outcome.iterations)
    return outcome


def _marginals(found: Code, how: Decoder, problem: Problem) -> Outcome:
    """Return the probabilities of the bits after all iterations, and what the last one changed."""
    energies, _ = found.energies(problem.values[None], problem.evidence[None])
    parity = found.parity(problem.values[None])
    with np.errstate(invalid="ignore"):
        llr = energies[:, :, 1] - energies[:, :, 0]
    never = np.isnan(llr).any() or not np.isfinite(_bounds(found.checks, energies, parity, llr))[0]
    if never:
        return Outcome(how.algorithm, None, np.inf, np.inf, INFEASIBLE)
    ones = []
    for iterations in (how.iterations, max(1, how.iterations - 1)):
        rounds = replace(how, iterations=iterations, early=False)
        heard = rounds(found.checks, llr, parity == 1, soft=True).llr
        assert heard is not None
        with np.errstate(over="ignore"):
            ones.append(1.0 / (1.0 + np.exp(heard[0])))
    residual = float(np.abs(ones[0] - ones[1]).max(initial=0.0))
    status = "converged"
    if residual > SETTLED or how.iterations == 1:
        status = f"not converged: residual {residual:.2g} after {some(how.iterations, 'iteration')}"
    return Outcome(
        how.algorithm, None, np.inf, -np.inf, status, how.iterations, residual,
        marginals=np.stack((1.0 - ones[0], ones[0]), axis=1).reshape(-1),
    )  # fmt: skip


def decoded(
    found: Code, how: Decoder, values: Energies, evidence: Ints, watch: Watch
) -> Iterator[Outcome]:
    """Yield what decoding finds for many energies of one code.

    Parameters
    ----------
    values : float64 [B, T].
    evidence : int32 [B, V], -1 where free.
    watch : asked between blocks of frames; none is decoded once it is over.
    """
    checks = found.checks
    block = max(1, min(1024, 2**21 // max(1, checks.bits + len(checks.scope))))
    for first in range(0, len(values), block):
        begun = watch.seconds
        here = slice(first, min(first + block, len(values)))
        rows = range(here.start, here.stop)
        if watch.over:
            yield from (Outcome(how.algorithm, None, np.inf, -np.inf, watch.over) for _ in rows)
            continue
        energies, constant = found.energies(values[here], evidence[here])
        parity = found.parity(values[here])
        with np.errstate(invalid="ignore"):
            llr = energies[:, :, 1] - energies[:, :, 0]
        llr[np.isnan(llr)] = 0.0  # neither state is possible, or an infinite one less another
        result = how(checks, llr, parity == 1)
        bound = _bounds(checks, energies, parity, llr) + constant
        bits = result.bits.astype(np.int64)
        energy = np.take_along_axis(energies, bits[:, :, None], axis=2).sum(axis=(1, 2)) + constant
        open_ = (checks.syndrome(result.bits) != parity).sum(axis=1)
        seconds = (watch.seconds - begun) / len(rows)
        for i in range(len(rows)):
            states: Ints | None = result.bits[i].astype(np.int32)
            if open_[i] or energy[i] == np.inf:
                states = None
            yield _outcome(
                found, how.algorithm, states, float(energy[i]), float(bound[i]), llr[i], parity[i],
                int(open_[i]), int(result.iterations[i]), seconds,
            )  # fmt: skip


def _outcome(
    found: Code,
    algorithm: str,
    states: Ints | None,
    energy: float,
    bound: float,
    llr: Energies,
    parity: Energies,
    open_: int,
    iterations: int,
    seconds: float,
) -> Outcome:
    if states is not None:
        status = judged(energy, bound, "all checks hold")
        return Outcome(
            algorithm, states, energy, bound, status, iterations, seconds=seconds,
            notes=("all checks hold",),
        )  # fmt: skip
    status = judged(
        np.inf, bound, f"not converged: {_unmet(open_)} after {some(iterations, 'iteration')}"
    )
    if status == INFEASIBLE:
        other = np.flatnonzero((parity != 0) & (parity != 1))
        wrong = int(other[0]) if len(other) else None
    else:
        known = np.where(np.isposinf(llr), 0, np.where(np.isneginf(llr), 1, -1)).astype(np.int8)
        wrong = contradicting(found.checks, (parity == 1).astype(np.uint8), known)
    if wrong is not None:
        bound, status = np.inf, f"{INFEASIBLE}: {found.name(wrong)}"
    return Outcome(algorithm, None, np.inf, bound, status, iterations, seconds=seconds)


def _unmet(count: int) -> str:
    if not count:
        return "a bit has no energy"
    return f"{some(count, 'check')} {'does' if count == 1 else 'do'} not hold"


def _bounds(checks: Checks, energies: Energies, parity: Energies, llr: Energies) -> Energies:
    """Return a lower bound on every word's energy, float64 [B].

    Each bit is shared out equally among its checks. The least energy of a share is that of the
    bits one by one, and where these break the check, that of the cheapest flip on top.
    """
    bound: Energies = energies.min(axis=2).sum(axis=1)
    broken = checks.syndrome(llr < 0) != parity
    full = np.diff(checks.start) > 0
    if full.any():
        share = np.abs(llr) / np.maximum(np.bincount(checks.scope, minlength=checks.bits), 1)
        cheapest = np.minimum.reduceat(share[:, checks.scope], checks.start[:-1][full], axis=1)
        bound += np.where(broken[:, full], cheapest, 0.0).sum(axis=1)
    never = (broken & ~full).any(axis=1) | ((parity != 0) & (parity != 1)).any(axis=1)
    bound[never] = np.inf
    return bound


def same(structure: Structure) -> tuple[Code, NDArray[np.int64]] | None:
    """Return the one code that all instances of a graph are, and where their values stand.

    Returns
    -------
    The code, of a structure of its own, and int64 [I, T] into the values of the graph; None if
    the instances differ, or are no codes.
    """
    count = structure.instances
    sizes = np.diff(structure.instance)
    if count < 1 or not _of_parities(structure) or (sizes != sizes[0]).any():
        return None
    shift = structure.instance[:-1]
    groups: list[Group] = []
    kinds: list[KindGroup] = []
    places: list[NDArray[np.int64]] = []
    for g, group in enumerate(structure.groups):
        scope = _alike(group.scope, group.rows, shift)
        if scope is None:
            return None
        n = len(scope)
        groups.append(
            Group(group.name, group.cards, scope, np.arange(n, dtype=np.int32), n,
                  np.array([0, n], np.int64))
        )  # fmt: skip
        table = group.table.reshape(count, n).astype(np.int64)
        entry = table[:, :, None] * group.states + np.arange(group.states)
        places.append(structure.offset[g] + entry.reshape(count, -1))
    for k, kind in enumerate(structure.kinds):
        rows, width = np.diff(kind.rows), kind.width
        arity = np.diff(kind.start)
        if (rows != rows[0]).any() or (arity.reshape(count, -1) != arity[: rows[0]]).any():
            return None
        n = int(rows[0])
        scope = _alike(kind.scope, kind.start[kind.rows], shift)
        if scope is None:
            return None
        kinds.append(
            KindGroup(kind.name, kind.kind, kind.start[: n + 1], scope,
                      np.arange(n, dtype=np.int32), n, width, np.array([0, n], np.int64))
        )  # fmt: skip
        entry = kind.table.reshape(count, n).astype(np.int64)[:, :, None] * width
        places.append(structure.kind_offset[k] + (entry + np.arange(width)).reshape(count, -1))
    one = Structure(
        structure.card[: sizes[0]], np.array([0, sizes[0]], np.int64), tuple(groups), tuple(kinds)
    )
    found = code(one)
    assert found is not None
    return found, np.concatenate(places, axis=1)


def _alike(scope: Ints, rows: NDArray[np.int64], shift: NDArray[np.int64]) -> Ints | None:
    """Return the scope of the first instance if all have the same, numbered from its start."""
    sizes = np.diff(rows)
    if (sizes != sizes[0]).any():
        return None
    every = scope.reshape(len(sizes), -1) - shift[:, None]
    if (every != every[0]).any():
        return None
    out: Ints = np.ascontiguousarray(every[0].reshape(int(sizes[0]), *scope.shape[1:]), np.int32)
    return out
