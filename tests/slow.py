"""The slow truth about the language: plain Python that walks the tree of a text.

It shares nothing with the package but the parser: numbers are Python's, labels are texts, arrays
are nested lists, nothing is typed, substituted or grounded beforehand. What is not needed is not
evaluated, so that an index that leaves its axis (`Outside`) counts only where it is really read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

Scope = dict[str, Callable[[], Any]]
Instance = dict[str, Any]


class Outside(Exception):
    """An index left its axis."""


@dataclass(frozen=True)
class Axis:
    """What an axis runs over: whole numbers from ``low``, or labels."""

    count: int
    low: int = 0
    labels: tuple[str, ...] | None = None

    def place(self, value: Any) -> int:
        if self.labels is not None:
            return self.labels.index(value)
        at = int(value) - self.low
        if at != value - self.low or not 0 <= at < self.count:
            raise Outside(f"{value} in {self.low}..{self.low + self.count - 1}")
        return at

    def values(self) -> list[Any]:
        if self.labels is not None:
            return list(self.labels)
        return list(range(self.low, self.low + self.count))


@dataclass(frozen=True)
class Arr:
    """An array: its axes, and a function from positions to an element."""

    axes: tuple[Axis, ...]
    at: Callable[[tuple[int, ...]], Any]

    def elements(self) -> list[Any]:
        return [self.at(p) for p in itertools.product(*(range(a.count) for a in self.axes))]


def nested(value: Any, axes: tuple[Axis, ...]) -> Any:
    """Return nested lists as an array, or the number itself."""
    if not axes:
        return value

    def at(place: tuple[int, ...]) -> Any:
        item = value
        for k in place:
            item = item[k]
        return item

    return Arr(axes, at)


def shape_of(value: Any) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list | tuple):
        shape.append(len(value))
        value = value[0] if value else None
    return tuple(shape)


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log(1 + math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": abs, "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "tanh": math.tanh,
    "cosh": math.cosh, "sigmoid": sigmoid, "softplus": softplus,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "^": lambda a, b: a**b,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "min": min,
    "max": max,
}


def each(function: Callable[..., Any], *values: Any) -> Any:
    """Apply a function to numbers, or element by element where any is an array."""
    arrays = [v for v in values if isinstance(v, Arr)]
    if not arrays:
        return function(*values)
    axes = arrays[0].axes
    assert all([a.count for a in x.axes] == [a.count for a in axes] for x in arrays)
    return Arr(
        tuple(Axis(a.count) for a in axes),
        lambda p: function(*(v.at(p) if isinstance(v, Arr) else v for v in values)),
    )


class Slow:
    """A text, with the labels that its domains took from data.

    Parameters
    ----------
    vocabularies : labels of each `domain NAME` without values.
    """

    def __init__(self, text: str, vocabularies: dict[str, tuple[str, ...]] | None = None) -> None:
        self.vocabularies = vocabularies or {}
        self.domains: dict[str, t.Domain] = {}
        self.sizes: dict[str, t.Sized] = {}
        self.slots: dict[str, tuple[t.Slots, t.Slot]] = {}
        self.params: dict[str, t.Weight] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.factors: dict[str, t.Factor] = {}
        for s in parse(text).statements:
            match s:
                case t.Domain():
                    self.domains[s.name.name] = s
                case t.Size():
                    self.sizes |= {x.name.name: x for x in s.sizes}
                case t.Slots():
                    self.slots |= {x.name.name: (s, x) for x in s.slots}
                case t.Param():
                    self.params |= {x.name.name: x for x in s.weights}
                case t.Let():
                    self.lets[s.name.name] = s
                case t.Fun():
                    self.funs[s.name.name] = s
                case t.Factor():
                    self.factors[s.name.name] = s

    def penalty(self, weights: dict[str, Any]) -> float:
        """Return the regularisers but for l1: c / 2 times the sum of squares for each l2(c)."""
        total = 0.0
        for name, weight in self.params.items():
            todo = [weight.regulariser] if weight.regulariser else []
            while todo:
                match todo.pop():
                    case t.Binary(left=left, right=right):
                        todo += [left, right]
                    case t.Call(name=t.Identifier(name="l2"), arguments=(t.Argument(value=c),)):
                        flat = [weights[name]]
                        while flat and isinstance(flat[0], list):
                            flat = [x for row in flat for x in row]
                        total += c.value / 2 * math.fsum(x * x for x in flat)
        return total

    def unknowns(self, *roles: str) -> list[str]:
        return [n for n, (s, _) in self.slots.items() if s.role in (roles or ("answer", "latent"))]

    def instance(self, data: Instance, weights: dict[str, Any]) -> World:
        return World(self, data, weights)


class World:
    """One instance with weights; an assignment is a dict of nested lists for the unknowns."""

    def __init__(self, text: Slow, data: Instance, weights: dict[str, Any]) -> None:
        self.text = text
        self.data = data
        self.weights = weights
        self.assignment: dict[str, Any] = {}
        self.sizes: dict[str, int] = {}
        for statement, slot in text.slots.values():
            name = slot.name.name
            if name not in data or statement.role == "latent":
                continue
            for axis, extent in zip(slot.shape, shape_of(data[name]), strict=False):
                if isinstance(axis, t.Name) and axis.name in text.sizes:
                    self.sizes[axis.name] = extent
        for name, size in text.sizes.items():
            if size.value is not None:
                self.sizes[name] = self.value(size.value, {})
            elif name not in self.sizes:
                self.sizes[name] = data[name]

    # -- sets

    def domain(self, name: str) -> Axis:
        values = self.text.domains[name].values
        if values is None:
            words = self.text.vocabularies[name]
            return Axis(len(words), labels=words)
        if isinstance(values, t.Range):
            low, high = self.value(values.low, {}), self.value(values.high, {})
            return Axis(high - low + 1, low)
        words = tuple(str(getattr(i, "name", getattr(i, "value", None))) for i in values.items)
        return Axis(len(words), labels=words)

    def axis(self, node: t.Expression) -> Axis:
        if isinstance(node, t.Name) and node.name in self.text.domains:
            return self.domain(node.name)
        if isinstance(node, t.Name) and node.name == "bit":
            return Axis(2)
        return Axis(self.value(node, {}))

    def axes(self, name: str) -> tuple[Axis, ...]:
        if name in self.text.params:
            return tuple(self.axis(a) for a in self.text.params[name].shape)
        return tuple(self.axis(a) for a in self.text.slots[name][1].shape)

    def states(self, name: str) -> list[Any]:
        """Return the values of an unknown."""
        kind = self.text.slots[name][0].type
        if isinstance(kind, t.RangeType):
            low, high = self.value(kind.range.low, {}), self.value(kind.range.high, {})
            return list(range(low, high + 1))
        assert isinstance(kind, t.NamedType)
        return self.axis(t.Name(kind.span, kind.name)).values()

    # -- energies

    def energies(self, assignment: dict[str, Any]) -> dict[str, float]:
        """Return the energy of each factor, summed over its binders."""
        self.assignment = assignment
        return {name: self.factor(f) for name, f in self.text.factors.items()}

    def energy(self, assignment: dict[str, Any]) -> float:
        return math.fsum(self.energies(assignment).values())

    def factor(self, node: t.Factor) -> float:
        total = 0.0
        for scope in self.bind(node.binders, {}):
            value = self.value(node.value, scope)
            total += (0.0 if value else math.inf) if node.hard else value
        return total

    def configurations(self, fixed: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
        """Yield every assignment that agrees with ``fixed`` (None is free), and it flat."""
        names = self.text.unknowns()
        choices: list[list[Any]] = []
        shapes = []
        for name in names:
            axes = self.axes(name)
            shapes.append([a.count for a in axes])
            known = nested(fixed.get(name), axes) if fixed.get(name) is not None else None
            for place in itertools.product(*(range(a.count) for a in axes)):
                value = known if not isinstance(known, Arr) else known.at(place)
                choices.append(self.states(name) if value is None else [value])
        for flat in itertools.product(*choices):
            rest = iter(flat)
            yield {n: _shaped(rest, s) for n, s in zip(names, shapes, strict=True)}, list(flat)

    # -- binders

    def bind(self, binders: t.Binders | None, scope: Scope) -> Iterator[Scope]:
        if binders is None:
            yield scope
            return
        for inner in self.nest(list(binders.generators), scope):
            if binders.guard is None or self.value(binders.guard, inner):
                yield inner

    def nest(self, generators: list[t.Generator], scope: Scope) -> Iterator[Scope]:
        if not generators:
            yield scope
            return
        (pattern,) = generators[0].patterns
        names = [n.name for n in pattern.names]
        for item in self.run(generators[0].source, scope):
            parts = item if pattern.grouped else (item,)
            inner = scope | {n: (lambda v=v: v) for n, v in zip(names, parts, strict=True)}
            yield from self.nest(generators[1:], inner)

    def run(self, source: t.Expression, scope: Scope) -> list[Any]:
        if isinstance(source, t.Values):
            return [
                tuple(self.value(x, {}) for x in i.items)
                if isinstance(i, t.Tuple)
                else self.value(i, {})
                for i in source.items
            ]
        if isinstance(source, t.Range):
            low, high = self.value(source.low, scope), self.value(source.high, scope)
            return list(range(low, high + 1))
        if isinstance(source, t.Name) and source.name not in scope:
            if source.name in self.text.domains:
                return self.domain(source.name).values()
            if source.name == "bit":
                return [0, 1]
        return list(range(self.value(source, scope)))

    # -- expressions

    def value(self, e: t.Expression, scope: Scope) -> Any:
        match e:
            case t.Number() | t.Text():
                return e.value
            case t.Name():
                return self.name(e.name, scope)
            case t.Index():
                return self.index(e, scope)
            case t.Unary(operator="-"):
                return each(lambda a: -a, self.value(e.operand, scope))
            case t.Unary():
                return int(not self.value(e.operand, scope))
            case t.Choose():
                return self.value(e.yes if self.value(e.condition, scope) else e.no, scope)
            case t.Binary(operator="and"):
                return int(bool(self.value(e.left, scope)) and bool(self.value(e.right, scope)))
            case t.Binary(operator="or"):
                return int(bool(self.value(e.left, scope)) or bool(self.value(e.right, scope)))
            case t.Binary(operator="=>"):
                return int(not self.value(e.left, scope) or bool(self.value(e.right, scope)))
            case t.Binary():
                left, right = self.value(e.left, scope), self.value(e.right, scope)
                return each(BINARY[e.operator], left, right)
            case t.Call():
                return self.call(e, scope)
        raise NotImplementedError(e)

    def name(self, name: str, scope: Scope) -> Any:
        text = self.text
        if name in scope:
            return scope[name]()
        if name in self.sizes:
            return self.sizes[name]
        if name in text.params:
            return nested(self.weights[name], self.axes(name))
        if name in text.slots:
            given = text.slots[name][0].role == "given"
            return nested((self.data if given else self.assignment)[name], self.axes(name))
        let = text.lets[name]
        if let.binders is None:
            return self.value(let.value, {})
        sets = [self.run(g.source, {}) for g in let.binders.generators]
        names = [g.patterns[0].names[0].name for g in let.binders.generators]
        axes = tuple(Axis(len(s), s[0] if s else 0) for s in sets)

        def at(place: tuple[int, ...]) -> Any:
            values = (axis.low + k for axis, k in zip(axes, place, strict=True))
            return self.value(let.value, {n: (lambda v=v: v) for n, v in zip(names, values)})

        return Arr(axes, at)

    def index(self, e: t.Index, scope: Scope) -> Any:
        array = self.value(e.base, scope)
        assert isinstance(array, Arr)
        places: list[int | None] = []
        starts: list[int] = []
        left: list[Axis] = []
        for k, axis in enumerate(array.axes):
            if k >= len(e.subscripts):
                places.append(None)
                starts.append(0)
                left.append(axis)
                continue
            subscript = e.subscripts[k]
            if isinstance(subscript, t.Range):
                low = self.value(subscript.low, scope)
                count = self.value(subscript.high, scope) - low + 1
                if count > 0:
                    axis.place(low + count - 1)
                places.append(None)
                starts.append(axis.place(low))
                left.append(Axis(count))
            else:
                places.append(axis.place(self.value(subscript, scope)))
                starts.append(0)

        def at(rest: tuple[int, ...]) -> Any:
            more = iter(rest)
            whole = [s + next(more) if p is None else p for p, s in zip(places, starts)]
            return array.at(tuple(whole))

        return Arr(tuple(left), at) if left else at(())

    def call(self, e: t.Call, scope: Scope) -> Any:
        name = e.name.name
        if name in self.text.funs:
            return self.fun(self.text.funs[name], e, scope)
        if e.arguments[0].binders is not None:
            return self.comprehension(e, scope)
        values = [self.value(a.value, scope) for a in e.arguments]
        if name in UNARY:
            return each(UNARY[name], values[0])
        if name in ("min", "max"):
            if len(values) == 1:
                return (min if name == "min" else max)(values[0].elements())
            result = values[0]
            for more in values[1:]:
                result = each(BINARY[name], result, more)
            return result
        if name == "sum":
            return sum(values[0].elements())
        if name == "mean":
            found = values[0].elements()
            return sum(found) / len(found)
        if name == "norm":
            return math.sqrt(sum(x * x for x in values[0].elements()))
        a, b = values
        if name == "outer":
            cut = len(a.axes)
            return Arr(a.axes + b.axes, lambda p: a.at(p[:cut]) * b.at(p[cut:]))
        assert name == "dot", name
        cut, inner = len(a.axes) - 1, a.axes[-1].count
        assert inner == b.axes[0].count

        def at(p: tuple[int, ...]) -> Any:
            return sum(a.at((*p[:cut], k)) * b.at((k, *p[cut:])) for k in range(inner))

        axes = a.axes[:-1] + b.axes[1:]
        return Arr(axes, at) if axes else at(())

    def fun(self, fun: t.Fun, e: t.Call, scope: Scope) -> Any:
        inner: Scope = {
            f.name.name: (lambda d=f.default: self.value(d, {})) for f in fun.formals if f.default
        }
        for k, argument in enumerate(e.arguments):
            key = argument.name or fun.formals[k].name.name
            inner[key] = lambda v=argument.value: self.value(v, scope)
        return self.value(fun.value, inner)

    def comprehension(self, e: t.Call, scope: Scope) -> Any:
        (argument,) = e.arguments
        found = [self.value(argument.value, s) for s in self.bind(argument.binders, scope)]
        match e.name.name:
            case "sum" | "count":
                return sum(found)
            case "mean":
                return sum(found) / len(found)
            case "min":
                return min(found, default=math.inf)
        assert e.name.name == "max"
        return max(found, default=-math.inf)


def _shaped(flat: Iterator[Any], shape: list[int]) -> Any:
    if not shape:
        return next(flat)
    return [_shaped(flat, shape[1:]) for _ in range(shape[0])]


# -- models to try it on


@dataclass(frozen=True)
class Case:
    """A small model with random data; instances differ in size, some have size 0 or 1.

    Attributes
    ----------
    make : gives instance ``k`` from a numpy generator, answers and latents left out.
    scale : of the random weights.
    """

    name: str
    text: str
    make: Callable[[Any, int], Instance]
    scale: float = 1.0


def reals(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape).round(3).tolist()


def ints(rng: Any, low: int, high: int, *shape: int) -> Any:
    return rng.integers(low, high + 1, shape).tolist()


def words(rng: Any, choices: list[str], n: int) -> list[str]:
    return [choices[i] for i in rng.integers(0, len(choices), n)]


CASES = [
    Case(
        "chain",
        """
        domain Tag = {A, B, C}
        size   n, k = 2
        given  x[n, k] : real
        answer y[n] : Tag
        param  U[Tag, k] ~ l2(0.3), M[Tag, Tag] ~ l2(0.1) + l2(0.2)
        factor emit[t in n]      = -dot(U[y[t]], x[t])
        factor move[t in 1..n-1] = -M[y[t-1], y[t]]
        """,
        lambda rng, k: {"x": reals(rng, (1, 4, 2, 0)[k % 4], 2)},
    ),
    Case(
        "tree",
        """
        size   n
        given  parent[n] : int
        given  x[n] : real
        answer y[n] : bit
        param  W[bit, bit], b
        factor edge[t in n if parent[t] >= 0] = W[y[t], y[parent[t]]] * x[t]
        factor node[t in n] = (x[t] + b) * y[t]
        """,
        lambda rng, k: {
            "parent": [-1] + [int(rng.integers(-1, t)) for t in range(1, k % 5 + 1)],
            "x": reals(rng, k % 5 + 1),
        },
    ),
    Case(
        "windows",
        """
        domain Amino
        domain Fold = {C, E, H}
        size   n, w = 3
        given  aa[n] : Amino
        given  mask[n] : bit
        answer y[n] : Fold
        param  U[Fold, w, Amino] ~ l2(1), A[Fold, Fold] ~ l2(1)
        factor see[t in n] = -sum(U[y[t], r, aa[t+r-1]] for r in w if 0 <= t+r-1 and t+r-1 < n)
        factor keep[t in n if mask[t]] = 0.5 * (y[t] == "E") - mean((y[t] != "C") * t * i
              for i in n if i <= t)
        factor move[t in 1..n-1] = -A[y[t-1], y[t]]
        """,
        lambda rng, k: {
            "aa": words(rng, ["q", "r", "s"], k % 4 + 1),
            "mask": ints(rng, 0, 1, k % 4 + 1),
        },
    ),
    Case(
        "slices",
        """
        size   h, w, r = 2
        given  pix[h, w] : real
        answer on[h - 1, w - 1] : bit
        param  F[r, r], c
        factor patch[i in h - 1, j in w - 1] = on[i, j] * sum(F * pix[i..i+1, j..j+r-1]) + c
              * norm(pix[i..i+1, j])^2
        factor line[i in h - 1, j in 1..w-2] = c * on[i, j-1] * on[i, j] - on[i, j]
              * dot(pix[i, 0..1], F[0])
        """,
        lambda rng, k: {"pix": reals(rng, k % 2 + 2, k % 3 + 2)},
    ),
    Case(
        "second order",
        """
        domain Letter = 3..5
        size   n, p = 2
        given  x[n, p] : real
        answer y[n] : Letter
        param  Q[Letter, p, p] ~ l2(0.1), A[Letter, Letter]
        factor pairs[t in n] = -sum(Q[y[t]] * outer(x[t], x[t])) - dot(x[t], dot(Q[y[t]], x[t]))
        factor move[t in 1..n-1] = -A[y[t-1], y[t]] * 0.5 * y[t]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
    ),
    Case(
        "tagger",
        """
        domain Word
        domain Tag
        size   n
        given  word[n] : Word
        answer y[n] : Tag
        param  E[Word, Tag] ~ l2(0.5), M[Tag, Tag], S[Tag]
        factor emit[t in n] = E[word[t], y[t]] + sum((y[t] == v) * S[v] for v in Tag)
        factor move[t in 1..n-1] = M[y[t-1], y[t]] - (if word[t] == word[t-1] then S[y[t]] else 0)
        """,
        lambda rng, k: {"word": words(rng, ["la", "le", "li"], k % 3 + 1)},
    ),
    Case(
        "params",
        """
        domain Level = -1..1
        size   n
        given  g[n] : 1..4
        given  s[n] : Level
        given  d : int
        given  r : real
        answer y[n] : Level
        param  a = 0.5, b[4], C[Level, 3] = normal(0, 1), D[Level, 2, Level]
        factor one[t in n] = a * y[t] * g[t] + b[g[t] - 1] * y[t]^2 + r * C[y[t], 1]
        factor two[t in n] = sum(C[s[t], y[t] + 1] + b[k + y[t] + 1] for k in 2) / 3
        factor three[t in 1..n-1] = D[y[t-1], (g[t] + d) % 2, y[t]] - D[s[t], 0, s[t]] * r
        factor none = a * a * d
        """,
        lambda rng, k: {
            "g": ints(rng, 1, 4, k % 4 + 1),
            "s": ints(rng, -1, 1, k % 4 + 1),
            "d": int(rng.integers(0, 5)),
            "r": float(rng.normal()),
        },
    ),
    Case(
        "shared",
        """
        size   n
        let    gain = 0.7
        answer y[n] : 0..2
        param  p, q[3]
        factor potts[t in 1..n-1] = gain * p * (y[t-1] != y[t])
        factor step[t in 1..n-1]  = min(abs(y[t] - y[t-1]) * p * p, 1.5)
        factor field[t in n]      = q[y[t]] + (if y[t] == 1 then p else -p)
        """,
        lambda rng, k: {"n": k % 4},
    ),
    Case(
        "numbers",
        """
        size   n
        given  a[n] : int
        given  b[n] : real
        given  c[n] : bit
        given  e[n] : 2..9
        answer y[n] : 1..9
        param  w ~ l2(2)
        factor mix[t in n] = w * y[t] * b[t] + (a[t] // 3) * 0.1 * y[t] + (a[t] % 4) / 2
              - c[t] * y[t] ^ 2 / 7
        factor low[t in n if c[t] or a[t] < 0] = max(y[t], e[t]) * 0.3 - min(y[t], e[t], 5)
              + (y[t] // 2) % 3
        factor tri[t in n] = (if c[t] then a[t] else y[t]) * 0.25 + (c[t] + c[t]) * y[t] - (-c[t])
        """,
        lambda rng, k: {
            "a": ints(rng, -6, 6, k % 2 + 1),
            "b": reals(rng, k % 2 + 1),
            "c": ints(rng, 0, 1, k % 2 + 1),
            "e": ints(rng, 2, 9, k % 2 + 1),
        },
    ),
    Case(
        "lets and funs",
        """
        size   n
        given  x[n] : real
        given  k[n] : int
        let    half   = 0.5
        let    total  = sum(x[i] for i in n)
        let    centre = total / (n + 1) - half
        let    past[t in 1..n-1] = x[t] - x[t-1]
        let    cell[i in n, j in n] = x[i] * k[j] + i
        let    bump   = V[1] * half
        fun    pay(a, b, s = half) = s * (a - b)^2
        fun    x_(t, x) = pay(x, t, 2) + pay(b = t, a = x)
        answer y[n] : 0..2
        param  V[3] ~ l2(0.2)
        factor one[t in n] = x_(x[t], V[y[t]]) + centre * y[t] + bump * total
        factor two[t in 1..n-1] = past[t] * y[t] * y[t-1] + pay(y[t], y[t-1], V[2])
        factor sq[t in n] = cell[t, n-1-t] * y[t] + sum(cell[t]) * V[0] * y[t]
              - max(cell[t, 0..t])
        """,
        lambda rng, k: {"x": reals(rng, k % 4), "k": ints(rng, -3, 3, k % 4)},
    ),
    Case(
        "lists",
        """
        size   n = 4
        given  x[n] : real
        answer y[n] : bit
        param  W[n], J
        factor pair[(u, v) in {(0, 1), (1, 2), (3, 2)}] = J * W[u] * (y[u] == y[v]) + x[v] * y[u]
        factor some[k in {3, 0}, c in bit if k + c > 0] = (y[k] == c) * W[k] * c
        factor in_[k in 2..3] = sum(W[a] * x[b] * y[k] for (a, b) in {(0, 3), (2, 1)})
        """,
        lambda rng, k: {"x": reals(rng, 4)},
    ),
    Case(
        "latents",
        """
        domain Part = {p, q}
        size   n, m = 2
        given  x[n, m] : real
        answer y : 0..2
        latent z[n] : Part
        latent s : bit
        param  A[3, Part], B[Part, m] ~ l2(0.4), D[Part, Part]
        factor view[t in n] = -dot(B[z[t]], x[t])
        factor part[t in n if t == 0] = A[y, z[t]]
        factor next[t in 1..n-1] = D[z[t-1], z[t]] - (z[t] == "q")
        factor side = s * (y - 1) * A[0, "p"]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
    ),
    Case(
        "branches",
        """
        size   n
        given  x[n] : real
        given  k[n] : int
        answer y[n] : bit
        param  W[3], b
        factor back[t in n] = (if t > 0 then x[t-1] * b else -1) * y[t]
        factor both[t in n] = (t > 0 and x[t-1] > 0) + W[2] * (t
              + 1 < n and x[t+1] > 0 and y[t] == 1)
        factor either[t in n] = b * (t == 0 or (y[t] == 1 or x[t-1] > 0))
              + (t > 0 => (x[t-1] < 0 => y[t] == 0))
        factor near[t in n] = sum((if t + i < n then x[t+i] else b) * W[i] * y[t] for i in 3)
        factor look[t in n] = y[t] * (if 0 <= k[t] and k[t] <= 2 then W[k[t]] else W[0] * b)
        factor deep[t in n] = y[t] * (if t > 0 then (if k[t-1] > 0 then W[1]
              * x[t-1] else b) else 0)
        """,
        lambda rng, k: {"x": reals(rng, k % 4 + 1), "k": ints(rng, -2, 4, k % 4 + 1)},
    ),
    Case(
        "logic",
        """
        size   n
        given  c[n] : 0..3
        given  m[n] : bit
        answer y[n] : 0..3
        param  W[4]
        factor like[t in n] = W[y[t]]
        hard   clue[t in n if m[t]] : y[t] == c[t]
        hard   steps[t in 1..n-1] : not (y[t] == y[t-1]) or m[t] and y[t] > 0
        hard   rule[t in 1..n-1] : y[t-1] == 3 => y[t] < 3
        hard   data : n >= 0 => n < 100
        """,
        lambda rng, k: {"c": ints(rng, 0, 3, k % 4), "m": ints(rng, 0, 1, k % 4)},
    ),
    Case(
        "several answers",
        """
        domain Tag = {A, B}
        size   n, k
        given  x[n] : real
        answer y[n], z[k] : Tag
        answer s : bit
        answer g[k, 2] : 0..2
        param  P[Tag, bit], Q[3, Tag], R[3]
        factor head[t in n if t == 0] = P[y[t], s] * x[t]
        factor body[t in 1..n-1] = (y[t] == y[t-1]) * x[t]
        factor grid[i in k, j in 2] = R[g[i, j]] * (j + 1) + Q[g[i, j], z[i]]
        factor alone = -s * R[1]
        """,
        lambda rng, k: {"x": reals(rng, k % 3), "k": (1, 0, 1)[k % 3]},
    ),
    Case(
        "spins",
        """
        size   n
        given  J[n] : real
        answer b[n] : bit
        param  h, c[2]
        factor couple[i in 1..n-1] = -J[i] * b[i] * b[i-1] + h * abs(b[i] - b[i-1])
        factor field[i in n] = h * (1 - 2 * b[i]) + exp(-b[i]) * c[b[i]]
              + (if b[i] then 0.1 else -c[0])
        """,
        lambda rng, k: {"J": reals(rng, k % 4 + 1)},
    ),
    Case(
        "mathematics",
        """
        size   n, k = 3
        given  x[n, k] : real
        given  m[n, k] : bit
        answer y[n] : 0..2
        param  w[k], V[k, k]
        factor all[t in n] = tanh(w[y[t]]) + cosh(0.3 * w[0]) * sigmoid(w[1] - y[t])
              + softplus(2 * w[y[t]])
        factor more[t in n] = sqrt(1 + w[y[t]]^2) + log(2 + abs(x[t, 0]) + y[t]) + exp(0.1
              * x[t, 1] * w[2])
        factor far[t in n] = norm(V[y[t]] - x[t]) + norm(x[t]) * y[t] + mean(abs(V[y[t]] - 2
              * x[t]))
        factor ext[t in n] = y[t] * (min(x[t, j] for j in k) + max(x[t, j] * m[t, j]
              for j in k if j > 0))
        factor num[t in n] = count(x[t, j] > 0.1 * y[t] for j in k) + mean(x[t, j] * w[j]
              for j in k) * y[t]
        factor arr[t in n] = max(x[t]) * y[t] + min(m[t]) - mean(x[t]) * w[0]
              + max(w[y[t]], 0.2, x[t, 2])
        factor pow[t in n] = (1 + w[0]^2)^(0.5 * y[t]) + w[1]^3 * y[t] + sum(w)^2 / 9
        """,
        lambda rng, k: {"x": reals(rng, k % 2 + 1, 3), "m": ints(rng, 0, 1, k % 2 + 1, 3)},
        0.7,
    ),
    Case(
        "hidden units",
        """
        size   n, p = 2, q = 3
        given  x[n, p] : real
        answer y[n] : bit
        param  H[q, p], B[q], V[bit, q], K[p, p]
        factor unit[t in n] = -sum(V[y[t], j] * tanh(dot(H[j], x[t]) + B[j]) for j in q)
        factor quad[t in n] = y[t] * dot(x[t], dot(K, x[t]))
        factor sums[t in n] = y[t] * sum(x[t, i] * sum(x[t, j] * K[i, j]^2 * sum(H[h, i]
              * B[h] for h in q) for j in p) for i in p)
        factor rag[t in n]  = y[t] * sum(x[s, 0] * softplus(sum(H[j, i] * x[s, i] for i in p
              for j in q if i + j < s + 2)) for s in t..n-1)
        factor pool[t in n] = (1 - y[t]) * dot(dot(B, H), x[t]) + sum(dot(H, K)) * y[t]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
        0.6,
    ),
    Case(
        "one of many",
        """
        domain Digit = 0..3
        size   d
        given  x[d] : real
        given  z[d, 2] : bit
        answer c : Digit
        param  W[Digit, 2] ~ l2(0.1), b[Digit]
        factor score = -sum(W[c, j] * z[i, j] * x[i] for i in d for j in 2) + b[c]
        factor least = min(abs(c - 3 * z[i, 1]) + x[i]^2 for i in d)
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1), "z": ints(rng, 0, 1, k % 3 + 1, 2)},
    ),
]


def instances(case: Case, rng: Any, count: int = 5) -> list[Instance]:
    """Return random data for a case, every answer and latent there."""
    out = []
    for k in range(count):
        data = case.make(rng, k)
        world = Slow(case.text, labels(case)).instance(data, {})
        for name in world.text.unknowns():
            places = itertools.product(*(range(a.count) for a in world.axes(name)))
            states = world.states(name)
            flat = iter([states[rng.integers(0, len(states))] for _ in places])
            data[name] = _shaped(flat, [a.count for a in world.axes(name)])
        out.append(data)
    return out


def labels(case: Case) -> dict[str, tuple[str, ...]]:
    """Return labels for the domains that data fill."""
    known = {"Amino": ("q", "r", "s"), "Word": ("la", "le", "li"), "Tag": ("N", "V")}
    return {n: known[n] for n, d in Slow(case.text).domains.items() if d.values is None}
