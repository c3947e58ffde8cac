"""Formulas in a few numbers, as sums of simpler things in which what cancels is gone.

``min``, ``softmin`` and their kin are written relative to one of their arguments, so that of
``E_C - min(E_C, E_I)`` only ``max(0, E_C - E_I)`` is left: what a loss is, and how wide an interval
of it is, is then read off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf


@dataclass(frozen=True)
class Leaf:
    """A number that is not known: an energy, or what the data say.

    Attributes
    ----------
    low, high : its range, where it is no energy.
    """

    name: str
    low: float = -inf
    high: float = inf

    @cached_property
    def key(self) -> str:
        return self.name


@dataclass(frozen=True)
class Node:
    """A function that is not linear.

    ``max`` and ``lse`` (the logarithm of the sum of exponentials) of two or more arguments of
    which the first is 0; ``exp log sigmoid tanh cosh`` of one; ``power`` of one to ``number``;
    ``product`` of two; ``choice`` (the second where the first is above 0, else the third; also
    where it is 0 if ``number`` is 1).
    """

    operator: str
    arguments: tuple[Sum, ...]
    number: float = 0.0

    @cached_property
    def key(self) -> str:
        return f"{self.operator}{self.number:g}({','.join(a.key for a in self.arguments)})"


@dataclass(frozen=True)
class Sum:
    """``constant`` plus each atom times its coefficient; no coefficient is 0."""

    constant: float
    terms: tuple[tuple[Leaf | Node, float], ...] = ()

    @cached_property
    def key(self) -> str:
        return f"{self.constant:g}" + "".join(f"{c:+g}*{atom.key}" for atom, c in self.terms)

    @cached_property
    def leaves(self) -> frozenset[Leaf]:
        """All that are in it."""
        found: set[Leaf] = set()
        for atom, _ in self.terms:
            if isinstance(atom, Leaf):
                found.add(atom)
            else:
                found.update(*(a.leaves for a in atom.arguments))
        return frozenset(found)

    @property
    def fixed(self) -> float | None:
        """The number that it is, None where it depends on something."""
        return None if self.terms else self.constant

    def has(self, *names: str) -> bool:
        return any(leaf.name in names for leaf in self.leaves)


def number(value: float) -> Sum:
    return Sum(float(value))


def leaf(name: str, low: float = -inf, high: float = inf) -> Sum:
    return Sum(0.0, ((Leaf(name, low, high), 1.0),))


def combine(parts: Iterable[tuple[Sum, float]], constant: float = 0.0) -> Sum:
    """Return the sum of parts times numbers."""
    terms: dict[Leaf | Node, float] = {}
    for part, scale in parts:
        if scale == 0:
            continue
        constant += scale * part.constant
        for atom, c in part.terms:
            terms[atom] = terms.get(atom, 0.0) + scale * c
    scales = {atom: max(abs(c), 1e-300) for atom, c in terms.items()}
    kept = [(a, c) for a, c in terms.items() if abs(c) > 1e-14 * scales[a] and c != 0]
    return Sum(constant, tuple(sorted(kept, key=lambda t: t[0].key)))


def plus(a: Sum, b: Sum) -> Sum:
    return combine([(a, 1.0), (b, 1.0)])


def minus(a: Sum, b: Sum) -> Sum:
    return combine([(a, 1.0), (b, -1.0)])


def scaled(a: Sum, factor: float) -> Sum:
    return combine([(a, factor)])


def _node(operator: str, arguments: tuple[Sum, ...], value: float = 0.0) -> Sum:
    return Sum(0.0, ((Node(operator, arguments, value), 1.0),))


def _base(arguments: list[Sum]) -> Sum:
    """Return the argument that the others are written relative to: a number where there is one."""
    fixed = [a for a in arguments if a.fixed is not None]
    return fixed[0] if fixed else min(arguments, key=lambda a: a.key)


def maximum(*arguments: Sum) -> Sum:
    distinct = list(dict.fromkeys(arguments))
    fixed = [a for a in distinct if a.fixed is not None]
    if len(fixed) > 1:
        distinct = [a for a in distinct if a.fixed is None] + [max(fixed, key=lambda a: a.constant)]
    base = _base(distinct)
    rest = sorted((minus(a, base) for a in distinct if a is not base), key=lambda a: a.key)
    above = max((a.constant for a in rest if a.fixed is not None), default=-inf)
    rest = [a for a in rest if a.fixed is None]
    if above > 0:
        base = combine([(base, 1.0)], above)
        rest = [combine([(a, 1.0)], -above) for a in rest]
    return plus(base, _node("max", (number(0), *rest))) if rest else base


def minimum(*arguments: Sum) -> Sum:
    return scaled(maximum(*(scaled(a, -1.0) for a in arguments)), -1.0)


def lse(*arguments: Sum) -> Sum:
    """Return log sum exp."""
    base = _base(list(arguments))
    rest = list(arguments)
    rest.remove(base)
    relative = sorted((minus(a, base) for a in rest), key=lambda a: a.key)
    if all(a.fixed is not None for a in relative):
        return combine([(base, 1.0)], math.log(1 + sum(math.exp(a.constant) for a in relative)))
    return plus(base, _node("lse", (number(0), *relative)))


def softmin(beta: float, *arguments: Sum) -> Sum:
    if len(arguments) == 1:
        return arguments[0]
    if beta == inf:
        return minimum(*arguments)
    return scaled(lse(*(scaled(a, -beta) for a in arguments)), -1 / beta)


_PLAIN: dict[str, Callable[[float], float]] = {
    "exp": math.exp,
    "log": math.log,
    "tanh": math.tanh,
    "cosh": math.cosh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
}


def function(operator: str, a: Sum) -> Sum:
    """Return ``exp``, ``log``, ``tanh``, ``cosh`` or ``sigmoid`` of a sum."""
    if a.fixed is not None:
        try:
            return number(_PLAIN[operator](a.constant))
        except (ValueError, OverflowError):
            return _node(operator, (a,))
    if operator == "exp":
        if len(a.terms) == 1 and a.constant == 0 and _operator(a) == "log" and a.terms[0][1] == 1:
            return _inside(a)
    if operator == "log":
        if len(a.terms) == 1 and a.constant == 0 and _operator(a) == "sigmoid":
            if a.terms[0][1] == 1:
                return scaled(lse(number(0), scaled(_inside(a), -1.0)), -1.0)
        split = _factors(a)
        if split is not None:
            return combine([(function("log", x), p) for x, p in split])
        logs = [_logarithm(atom, c) for atom, c in a.terms]
        if a.constant >= 0 and all(x is not None for x in logs):
            known = [x for x in logs if x is not None]
            constant = [number(math.log(a.constant))] if a.constant else []
            return lse(*constant, *known) if len(known) + len(constant) > 1 else known[0]
    return _node(operator, (a,))


def _factors(a: Sum) -> list[tuple[Sum, float]] | None:
    """Return what a product or power is made of, with exponents; the logarithm is then a sum."""
    if len(a.terms) != 1 or a.constant or a.terms[0][1] <= 0:
        return None
    atom, c = a.terms[0]
    scale = [] if c == 1 else [(number(c), 1.0)]
    if isinstance(atom, Node) and atom.operator == "product":
        return [*scale, *((x, 1.0) for x in atom.arguments)]
    if isinstance(atom, Node) and atom.operator == "power":
        return [*scale, (atom.arguments[0], atom.number)]
    return None


def _operator(a: Sum) -> str:
    atom = a.terms[0][0]
    return atom.operator if isinstance(atom, Node) else ""


def _inside(a: Sum) -> Sum:
    atom = a.terms[0][0]
    assert isinstance(atom, Node)
    return atom.arguments[0]


def _logarithm(atom: Leaf | Node, c: float) -> Sum | None:
    """Return the logarithm of a positive number times an exponential, else None."""
    if isinstance(atom, Node) and atom.operator == "exp" and c > 0:
        return combine([(atom.arguments[0], 1.0)], math.log(c))
    return None


def product(a: Sum, b: Sum) -> Sum:
    for x, y in ((a, b), (b, a)):
        if x.fixed is not None:
            return scaled(y, x.fixed)
    if a == b:
        return power(a, 2.0)
    both = []
    for x in (a, b):
        if len(x.terms) != 1 or x.constant:
            break
        atom, c = x.terms[0]
        both.append((_logarithm(atom, 1.0), c))
    if len(both) == 2 and all(e is not None for e, _ in both):
        (p, c), (q, d) = both
        assert p is not None and q is not None
        return scaled(function("exp", plus(p, q)), c * d)
    return _node("product", tuple(sorted((a, b), key=lambda x: x.key)))


def power(a: Sum, exponent: float) -> Sum:
    if exponent == 1:
        return a
    if exponent == 0:
        return number(1)
    if a.fixed is not None:
        try:
            value = a.constant**exponent
        except (ZeroDivisionError, OverflowError):
            value = inf
        if isinstance(value, float) and math.isfinite(value):
            return number(value)
    elif exponent < 0 and a.constant >= 0 and all(_logarithm(t, c) for t, c in a.terms):
        return function("exp", scaled(function("log", a), exponent))
    elif len(a.terms) == 1 and a.constant == 0:
        atom, c = a.terms[0]
        if isinstance(atom, Node) and atom.operator == "power" and c > 0:
            inner = atom.number * exponent
            if atom.number == 0.5 or exponent == int(exponent):  # sqrt(x)^2 is x, where it is
                return scaled(power(atom.arguments[0], inner), c**exponent)
        if isinstance(atom, Node) and atom.operator == "exp":
            return scaled(function("exp", scaled(atom.arguments[0], exponent)), c**exponent)
    return _node("power", (a,), float(exponent))


def quotient(a: Sum, b: Sum) -> Sum:
    return product(a, power(b, -1.0))


def choice(condition: Sum, yes: Sum, no: Sum, also_zero: bool) -> Sum:
    if condition.fixed is not None:
        return yes if condition.constant > 0 or (also_zero and condition.constant == 0) else no
    if yes == no:
        return yes
    return _node("choice", (condition, yes, no), float(also_zero))


def substitute(e: Sum, new: Mapping[str, Sum]) -> Sum:
    """Return a formula with leaves replaced by sums, put in order again."""
    if not e.has(*new):
        return e
    parts: list[tuple[Sum, float]] = []
    for atom, c in e.terms:
        if isinstance(atom, Leaf):
            parts.append((new.get(atom.name, Sum(0.0, ((atom, 1.0),))), c))
            continue
        args = [substitute(a, new) for a in atom.arguments]
        parts.append((rebuilt(atom, args), c))
    return combine(parts, e.constant)


def rebuilt(node: Node, arguments: list[Sum]) -> Sum:
    match node.operator:
        case "max":
            return maximum(*arguments)
        case "lse":
            return lse(*arguments)
        case "product":
            return product(*arguments)
        case "power":
            return power(arguments[0], node.number)
        case "choice":
            condition, yes, no = arguments
            return choice(condition, yes, no, bool(node.number))
    return function(node.operator, arguments[0])


def shift(e: Sum, names: tuple[str, ...]) -> float | None:
    """Return how much a formula grows by where all of ``names`` grow by 1; None where it depends.

    A loss that grows by 0 is a function of differences of energies.
    """
    total = 0.0
    for atom, c in e.terms:
        if isinstance(atom, Leaf):
            total += c if atom.name in names else 0.0
            continue
        inside = [shift(a, names) for a in atom.arguments]
        if any(x is None or abs(x) > 1e-12 for x in inside):
            return None
    return 0.0 if abs(total) < 1e-12 else total
