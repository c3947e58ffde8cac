"""Small graphs drawn at random: all their configurations, and the local polytope, by scipy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import linprog

from factorgraph import FactorGraph
from factorgraph.engine.infer import infer
from factorgraph.engine.menu import steps
from factorgraph.engine.outcome import Outcome
from factorgraph.engine.problem import Problem
from factorgraph.factors.registry import kind_of
from factorgraph.graph.structure import KindGroup, Structure

Array = np.ndarray[Any, Any]


class Drawn:
    """A graph with its factors as tables, so that all configurations can be looked at."""

    def __init__(self, cards: list[int]) -> None:
        self.cards = cards
        self.factors: list[tuple[tuple[int, ...], Array]] = []
        self.kinds: list[tuple[str, tuple[int, ...], list[float]]] = []

    def add(self, scope: tuple[int, ...], table: Array) -> None:
        self.factors.append((scope, np.asarray(table, float)))

    def kind(self, name: str, scope: tuple[int, ...], numbers: list[float]) -> None:
        self.kinds.append((name, scope, numbers))

    def tables(self) -> list[tuple[tuple[int, ...], Array]]:
        out = list(self.factors)
        for name, scope, numbers in self.kinds:
            if name not in ("potts", "truncated"):
                cards = tuple(self.cards[v] for v in scope)
                table = kind_of(name).table(cards, np.array([numbers], float))[0]
                out.append((scope, table))
                continue
            a, b = scope
            gap = np.abs(np.subtract.outer(np.arange(self.cards[a]), np.arange(self.cards[b])))
            if name == "potts":
                table = np.where(gap == 0, numbers[0], numbers[1])
            else:
                scale, slope, cap, power = numbers
                table = scale * np.minimum(slope * gap.astype(float) ** power, cap)
            out.append(((a, b), table))
        return out

    def energies(self) -> Array:
        """Return the energy of every configuration, an axis a variable."""
        out = np.zeros(self.cards)
        for scope, table in self.tables():
            if scope:
                order = np.argsort(scope)
                shape = [1] * len(self.cards)
                for v in scope:
                    shape[v] = self.cards[v]
                out = out + table.transpose(order).reshape(shape)
            else:
                out = out + float(table)
        return out

    def problem(self, evidence: dict[int, int] | None = None, **more: Any) -> Problem:
        g = FactorGraph()
        for v, card in enumerate(self.cards):
            g.variable(f"x{v}", card)
        for scope, table in self.factors:
            g.factor(scope, table)
        graph = g.build()
        groups, values = [], [graph.values[0]]
        for name, scope, numbers in self.kinds:
            groups.append(
                KindGroup(
                    name, name, np.array([0, len(scope)]), np.array(scope, np.int32),
                    np.zeros(1, np.int32), 1, len(numbers), np.array([0, 1]),
                )
            )  # fmt: skip
            values.append(np.array(numbers, float))
        s = graph.structure
        structure = Structure(s.card, s.instance, s.groups, tuple(groups))
        given = np.full(len(self.cards), -1, np.int32)
        for v, x in (evidence or {}).items():
            given[v] = x
        return Problem(structure, np.concatenate(values), given, **more)


def ask(problem: Problem, text: str) -> Outcome:
    return infer(problem, steps(text))


def grid(random: np.random.Generator, h: int, w: int, k: int, pair: Any) -> Drawn:
    drawn = Drawn([k] * (h * w))
    for v in range(h * w):
        drawn.add((v,), random.normal(size=k))
    for i, j in product(range(h), range(w)):
        for u, v in ((0, 1), (1, 0)):
            if i + u < h and j + v < w:
                pair(drawn, (i * w + j, (i + u) * w + j + v))
    return drawn


def polytope(drawn: Drawn) -> float:
    """Return the least energy over the local polytope; factors over the same variables are one."""
    unary = [np.zeros(c) for c in drawn.cards]
    joint: dict[tuple[int, ...], Array] = {}
    constant = 0.0
    for scope, table in drawn.tables():
        if len(scope) > 1:
            key = tuple(sorted(scope))
            joint[key] = joint.get(key, 0.0) + table.transpose(np.argsort(scope))
        elif scope:
            unary[scope[0]] = unary[scope[0]] + table
        else:
            constant += float(table)
    first = np.concatenate(([0], np.cumsum([len(u) for u in unary])))
    rows: list[tuple[list[int], list[float], float]] = []
    for v in range(len(unary)):
        rows.append((list(range(first[v], first[v + 1])), [1.0] * len(unary[v]), 1.0))
    cost, at = list(unary), int(first[-1])
    for scope, table in joint.items():
        cost.append(table.reshape(-1))
        place = at + np.arange(table.size).reshape(table.shape)
        for k, v in enumerate(scope):
            for x in range(table.shape[k]):
                own = place.take(x, axis=k).reshape(-1).tolist()
                rows.append(([*own, int(first[v]) + x], [1.0] * len(own) + [-1.0], 0.0))
        at += table.size
    matrix = np.zeros((len(rows), at))
    for r, (columns, entries, _) in enumerate(rows):
        matrix[r, columns] = entries
    c = np.concatenate(cost)
    keep = np.isfinite(c)
    done = linprog(c[keep], A_eq=matrix[:, keep], b_eq=[r[2] for r in rows], bounds=(0, None))
    assert done.status == 0
    return float(done.fun) + constant


def monotone(outcome: Outcome) -> bool:
    return bool((np.diff([p.bound for p in outcome.trace]) >= 0).all())
