"""Files of other systems read slowly, as their manuals say: energies from the text alone."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

Energy = Callable[[Sequence[int]], float]


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()


def neglog(p: float) -> float:
    return -math.log(p) if p > 0 else math.inf


def uai(path: Path) -> tuple[list[int], Energy]:
    words = iter(text_of(path).split())
    next(words)
    cards = [int(next(words)) for _ in range(int(next(words)))]
    scopes = [[int(next(words)) for _ in range(int(next(words)))] for _ in range(int(next(words)))]
    tables = [[float(next(words)) for _ in range(int(next(words)))] for _ in scopes]

    def energy(x: Sequence[int]) -> float:
        total = 0.0
        for scope, table in zip(scopes, tables, strict=True):
            at = 0
            for v in scope:
                at = at * cards[v] + x[v]
            total += neglog(table[at])
        return total

    return cards, energy


def libdai(path: Path) -> tuple[list[int], Energy]:
    lines = [line for line in text_of(path).splitlines() if not line.startswith("#")]
    words = iter(" ".join(lines).split())
    factors, card = [], {}
    for _ in range(int(next(words))):
        n = int(next(words))
        scope = [int(next(words)) for _ in range(n)]
        card |= {v: int(next(words)) for v in scope}
        table = {int(next(words)): float(next(words)) for _ in range(int(next(words)))}
        factors.append((scope, table))
    labels = sorted(card)

    def energy(x: Sequence[int]) -> float:
        state = dict(zip(labels, x, strict=True))
        total = 0.0
        for scope, table in factors:
            at, stride = 0, 1
            for v in scope:
                at += stride * state[v]
                stride *= card[v]
            total += neglog(table.get(at, 0.0))
        return total

    return [card[v] for v in labels], energy


def wcsp(path: Path) -> tuple[list[int], Energy]:
    words = iter(text_of(path).split())
    next(words)
    n, _, m, upper = (int(next(words)) for _ in range(4))
    cards = [abs(int(next(words))) for _ in range(n)]
    functions: list[tuple[list[int], Callable[..., float]]] = []
    shared: list[Callable[..., float]] = []
    for _ in range(m):
        arity = int(next(words))
        scope = [int(next(words)) for _ in range(abs(arity))]
        default, word = int(next(words)), next(words)
        if default == -1 and not word.lstrip("-").isdigit():
            functions.append((scope, _named(word, words, len(scope), upper)))
            continue
        if int(word) < 0:
            functions.append((scope, shared[-int(word) - 1]))
            continue
        tuples = {}
        for _ in range(int(word)):
            key = tuple(int(next(words)) for _ in scope)
            tuples[key] = int(next(words))
        functions.append((scope, lambda *x, t=tuples, d=default: t.get(x, d)))
        if arity < 0:
            shared.append(functions[-1][1])

    def energy(x: Sequence[int]) -> float:
        costs = [f(*(x[v] for v in scope)) for scope, f in functions]
        return math.inf if max(costs) >= upper else sum(costs)

    return cards, energy


def _named(name: str, words, arity: int, upper: int) -> Callable[..., float]:  # type: ignore[no-untyped-def]
    def number() -> int:
        return int(next(words))

    def limited(gap: Callable[[int, int], int], delta: int) -> Callable[..., float]:
        return lambda x, y: max(0, gap(x, y)) if gap(x, y) <= delta else upper

    if name == "salldiff":
        kind, cost = next(words), number()
        if kind == "var":
            return lambda *x: cost * (len(x) - len(set(x)))
        return lambda *x: cost * sum(a == b for i, a in enumerate(x) for b in x[i + 1 :])
    if name == "knapsack":
        capacity, *weights = [number() for _ in range(1 + arity)]
        return lambda *x: 0 if sum(map(int.__mul__, weights, x)) >= capacity else upper
    if name == "disj":
        cx, cy, penalty = number(), number(), number()
        return lambda x, y: 0 if x >= y + cy or y >= x + cx else penalty
    if name == "sdisj":
        cx, cy, mx, my, wx, wy = (number() for _ in range(6))

        def special(x: int, y: int) -> float:
            apart = x >= y + cy or y >= x + cx
            if x > mx or y > my or (x < mx and y < my and not apart):
                return upper
            return (wx if x == mx else 0) + (wy if y == my else 0)

        return special
    c, delta = number(), number()
    return {
        ">=": limited(lambda x, y: y + c - x, delta),
        ">": limited(lambda x, y: y + c + 1 - x, delta),
        "<=": limited(lambda x, y: x - c - y, delta),
        "<": limited(lambda x, y: x - c + 1 - y, delta),
        "=": limited(lambda x, y: abs(y + c - x), delta),
    }[name]


def cfn(path: Path) -> tuple[list[int], Energy]:
    """Tables only, and the sum as it is: no cost forbids."""
    net = json.loads(text_of(path))
    sign = 1 if net["problem"]["mustbe"][0] == "<" else -1
    domains = {k: v if isinstance(v, list) else range(v) for k, v in net["variables"].items()}
    order = list(domains)
    cards = [len(domains[k]) for k in order]
    functions = net["functions"]

    def cost(f: dict, x: Sequence[int]) -> float:  # type: ignore[type-arg]
        scope = [order.index(v) for v in f["scope"]]
        while isinstance(f["costs"], str):
            f = functions[f["costs"]]
        at = 0
        for v in scope:
            at = at * cards[v] + x[v]
        if "defaultcost" not in f:
            return float(f["costs"][at])
        rows = f["costs"]
        for i in range(0, len(rows), len(scope) + 1):
            row = rows[i : i + len(scope)]
            named = [
                list(domains[order[v]]).index(w) if isinstance(w, str) else w
                for v, w in zip(scope, row, strict=True)
            ]
            if named == [x[v] for v in scope]:
                return float(rows[i + len(scope)])
        return float(f["defaultcost"])

    def energy(x: Sequence[int]) -> float:
        return sign * sum(cost(f, x) for f in functions.values() if "type" not in f)

    return cards, energy


def alist(path: Path) -> tuple[list[int], Energy]:
    lines = [r.split() for r in text_of(path).splitlines() if not r.startswith("#")]
    n, m = map(int, lines[0])
    checks = [[int(v) - 1 for v in row if v != "0"] for row in lines[4 + n : 4 + n + m]]

    def energy(x: Sequence[int]) -> float:
        return math.inf if any(sum(x[v] for v in check) % 2 for check in checks) else 0.0

    return [2] * n, energy


SLOW = {"uai": uai, "libdai": libdai, "wcsp": wcsp, "cfn": cfn, "alist": alist}
