"""Reads an explanation as a person would, and computes with what it says.

Only what is shown is used: the displayed formulas, by their notation, and the table of slopes.
Energies, values of probes, configurations, distributions and derivatives all come from there;
nothing of the program's own inference or differentiation is run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

from factorgraph.compiler.notation import (
    Big,
    Call,
    Cases,
    Fence,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Power,
    Root,
    Row,
    Word,
    text,
)
from factorgraph.explain.explanation import Display, Explanation, Table

Env = dict[str, Any]
Configuration = dict[str, Any]

FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": math.exp, "log": math.log, "max": max, "min": min, "tanh": math.tanh,
    "σ": lambda x: 1 / (1 + math.exp(-x)), "softplus": lambda x: math.log1p(math.exp(x)),
}  # fmt: skip


class Reader:
    """One instance of an explained model.

    Parameters
    ----------
    data : givens and sizes by name; ``answer`` the observed values of the answers.
    weights : by name, nested lists.
    states : by unknown, how many values it has; `shapes` its axes for this instance.
    """

    def __init__(
        self, explanation: Explanation, data: Env, answer: Configuration, weights: Env,
        states: dict[str, int], shapes: dict[str, tuple[int, ...]],
    ) -> None:  # fmt: skip
        self.sections = {s.name: s for s in explanation.sections}
        self.answer, self.states, self.shapes = answer, states, shapes
        self.env: Env = {**data, **weights, "∞": math.inf}
        self.defined: dict[str, tuple[tuple[str, ...], Notation]] = {}
        self.shares: dict[str, tuple[tuple[str, ...], Notation, Notation]] = {}
        self.known: dict[tuple[Any, ...], Any] = {}
        for name in ("energy", "loss", "probes"):
            for block in self.sections[name].blocks:
                if isinstance(block, Display):
                    self.define(block.formula)
        for block in self.sections["gradient"].blocks:
            if isinstance(block, Table):
                for _, slope, _ in block.rows:
                    if isinstance(slope[0], Notation):
                        assert isinstance(slope[-1], Notation)
                        head, rows = self.head(slope[0])
                        self.defined[head] = (rows, slope[-1])

    def define(self, formula: Notation) -> None:
        assert isinstance(formula, Row)
        left, equals, right, *more = formula.parts
        if isinstance(left, Notation) and equals == "=":
            head, rows = self.head(left)
            if more and isinstance(more[0], Word) and more[0].text.strip() == "for":
                assert isinstance(right, Notation) and isinstance(more[1], Row)
                self.shares[head] = (rows, right, more[1])
            elif isinstance(right, Notation) and head != "J":
                self.defined[head] = (rows, Row(tuple(formula.parts[2:])) if isinstance(
                    right, Word) else right)  # fmt: skip

    def head(self, n: Notation) -> tuple[str, tuple[str, ...]]:
        """Return what is defined, and the names of its indices."""
        rows: tuple[str, ...] = ()
        if isinstance(n, Call):
            n = n.name
        if isinstance(n, Indexed):
            rows = tuple(i.text for i in n.indices if isinstance(i, Name))
            n = n.base
        return text(n), rows

    # -- what a gradient is

    def loss(self) -> float:
        """Return the loss: the formula over the probes."""
        return float(self.value(self.defined["L"][1], {}))

    def gradients(self) -> Iterator[tuple[str, tuple[int, ...], float]]:
        """Yield dL/d(entry), as the steps say: all of short params, else each third."""
        for block in self.sections["step"].blocks:
            if not isinstance(block, Display):
                continue
            assert isinstance(block.formula, Row)
            left, right = block.formula.parts[0], block.formula.parts[-1]
            if not (isinstance(left, Row) and left.parts[0] == "Δ"):
                continue
            entry = left.parts[1]
            assert isinstance(entry, Notation) and isinstance(right, Notation)
            name, names = self.head(entry)
            entries = list(places(self.env[name]))
            for place in entries[:: 3 if len(entries) > 3 else 1]:
                yield name, place, self.value(right, {**dict(zip(names, place)), "η": -1.0})

    def outputs(self) -> Iterator[tuple[str, tuple[str, ...], Notation]]:
        """Yield the derivatives of the loss in outputs of maps: the map, its index, the formula."""
        for block in self.sections["step"].blocks:
            if isinstance(block, Display) and isinstance(block.formula, Row):
                left, right = block.formula.parts[0], block.formula.parts[-1]
                if text(left).startswith("∂L/∂") and isinstance(left, Fraction):  # type: ignore[arg-type]
                    assert isinstance(left.below, Row) and isinstance(left.below.parts[1], Indexed)
                    entry = left.below.parts[1]
                    assert isinstance(entry.base, Call) and isinstance(right, Notation)
                    names = tuple(i.text for i in entry.indices if isinstance(i, Name))
                    yield text(entry.base.name), names, right

    # -- configurations

    def every(self) -> Iterator[Configuration]:
        spots = [(n, p) for n, shape in self.shapes.items() for p in product(*map(range, shape))]
        for values in product(*(range(self.states[n]) for n, _ in spots)):
            yield self.made(dict(zip(spots, values)))

    def made(self, values: dict[tuple[str, tuple[int, ...]], int]) -> Configuration:
        def build(name: str, place: tuple[int, ...], shape: tuple[int, ...]) -> Any:
            if not shape:
                return values[name, place]
            return [build(name, (*place, k), shape[1:]) for k in range(shape[0])]

        return {name: build(name, (), shape) for name, shape in self.shapes.items()}

    def inside(self, region: Notation, env: Env) -> list[Configuration]:
        return [c for c in self.every() if self.holds(region, c, env)]

    def holds(self, region: Notation, c: Configuration, env: Env) -> bool:
        """Return whether a configuration is in a region, by what the text says it holds."""
        if isinstance(region, Word):
            match region.text:
                case "any":
                    return True
                case "answer":
                    return all(c[name] == value for name, value in self.answer.items())
                case "wrong":
                    return any(c[name] != value for name, value in self.answer.items())
        assert isinstance(region, Call) and isinstance(region.name, Word)
        word, arguments = region.name.text, region.arguments
        if word == "wrong":
            return self.holds(Word("wrong"), c, env) and self.holds(arguments[0], c, env)
        named = {spot for a in arguments for spot in self.spots(a, env)}
        spots = [
            (name, place)
            for name in self.answer
            for place in product(*map(range, self.shapes[name]))
        ]
        held = [s for s in spots if (s in named) == (word == "pin")]
        return all(at(c[n], p) == at(self.answer[n], p) for n, p in held)

    def spots(self, n: Notation, env: Env) -> list[tuple[str, tuple[int, ...]]]:
        name, place = (n, ()) if isinstance(n, Name) else (n.base, n.indices)  # type: ignore[attr-defined]
        index = tuple(int(self.value(i, env)) for i in place)
        rest = self.shapes[name.text][len(index) :]
        return [(name.text, (*index, *more)) for more in product(*map(range, rest))]

    # -- numbers

    def lookup(self, name: str, env: Env) -> Any:
        for scope in (env.get("<Y>", {}), env, self.env):
            if name in scope:
                return scope[name]
        return self.named(name, (), env)

    def named(self, name: str, rows: tuple[int, ...], env: Env) -> Any:
        """Return what a definition gives at values of its indices."""
        key = (name, rows)
        if key not in self.known:
            names, body = self.defined[name]
            assert len(names) == len(rows), name
            self.known[key] = self.value(body, dict(zip(names, rows)))
        return self.known[key]

    def share(self, name: str, rows: tuple[int, ...]) -> list[tuple[Configuration, float]]:
        """Return a distribution: configurations with their probabilities."""
        key = ("<P>", name, rows)
        if key not in self.known:
            names, body, region = self.shares[name]
            env: Env = dict(zip(names, rows))
            assert isinstance(region.parts[-1], Notation)  # type: ignore[attr-defined]
            found = self.inside(region.parts[-1], env)  # type: ignore[attr-defined]
            self.known[key] = [(c, self.value(body, {**env, "<Y>": c})) for c in found]
        return list(self.known[key])

    def where(self, n: Notation, env: Env) -> tuple[str, tuple[int, ...]]:
        if isinstance(n, Indexed):
            return text(n.base), tuple(int(self.value(i, env)) for i in n.indices)
        return text(n), ()

    def configuration(self, n: Notation, env: Env) -> Configuration:
        if text(n) == "Y":
            return env["<Y>"]  # type: ignore[no-any-return]
        name, rows = self.where(n, env)
        if name == "Yⁱ" and name not in self.defined:
            return self.answer
        return self.named(name, rows, env)  # type: ignore[no-any-return]

    def value(self, n: Notation, env: Env) -> Any:
        match n:
            case Number(text=t):
                return float(t) if "." in t or "e" in t else int(t)
            case Name(text=t):
                return self.lookup(t, env)
            case Marked(base=Name(text=t), mark=mark):
                if mark in ("i", "*", "bar", "hat"):
                    return self.configuration(Marked(Name("Y"), mark), env)[t]
                return self.named(text(n), (), env)
            case Indexed():
                return self.indexed(n, env)
            case Power(base=base, exponent=exponent):
                return self.value(base, env) ** self.value(exponent, env)
            case Fraction(above=above, below=below):
                return self.value(above, env) / self.value(below, env)
            case Root(inside=inside):
                return math.sqrt(self.value(inside, env))
            case Fence(left="(", inside=inside):
                return self.value(inside, env)
            case Fence(left="|", inside=inside):
                return abs(self.value(inside, env))
            case Cases(rows=rows):
                return next(self.value(v, env) for v, c in rows if c is None or self.value(c, env))
            case Call():
                return self.call(n, env)
            case Big():
                return self.big(n, env)
            case Row(parts=(Number(text="1"), Fence(left="[", inside=inside))):
                return int(bool(self.value(inside, env)))
            case Row(parts=(Indexed(), Word(text=" observed"))):
                return True
            case Row(parts=(Notation() as where, ".", Name(text=t))):
                return self.configuration(where, env)[t]
            case Row(parts=parts):
                return self.row(list(parts), env)
        raise AssertionError(text(n))

    def indexed(self, n: Indexed, env: Env) -> Any:
        indices = tuple(int(self.value(i, env)) for i in n.indices)
        base = n.base
        if isinstance(base, Row) and base.parts[1] == ".":  # the value in some configuration
            assert isinstance(base.parts[0], Notation) and isinstance(base.parts[2], Name)
            return at(self.configuration(base.parts[0], env)[base.parts[2].text], indices)
        if isinstance(base, Marked) and base.mark.isdecimal():
            return self.named(text(base), indices, env)
        return at(self.value(base, env), indices)

    def call(self, n: Call, env: Env) -> Any:
        word, rows = self.where(n.name, env)
        if word in self.env:  # a map
            return self.env[word](*(self.value(a, env) for a in n.arguments))
        if word in FUNCTIONS and not rows:
            return FUNCTIONS[word](*(self.value(a, env) for a in n.arguments))
        (argument,) = n.arguments
        if word in self.shares:
            assert isinstance(argument, Row)
            conditions = [p for p in argument.parts if isinstance(p, Notation)]
            return sum(
                p for c, p in self.share(word, rows)
                if all(self.value(x, {**env, "<Y>": c}) for x in conditions)
            )  # fmt: skip
        names, body = self.defined[word]  # an energy at a configuration
        inner = {**dict(zip(names, rows)), "<Y>": self.configuration(argument, env)}
        if not names and not rows and word not in ("E", "C"):  # a factor, all of it
            return self.value(body, inner)
        if len(names) != len(rows):
            return self.value(self.term_sum(word), inner)
        return self.value(body, inner)

    def term_sum(self, word: str) -> Notation:
        """Return the part of E that adds up the terms of one factor."""
        whole = self.defined["E"][1]
        parts = whole.parts if isinstance(whole, Row) else (whole,)
        return next(p for p in parts if isinstance(p, Notation) and f"{word}[" in text(p))

    def big(self, n: Big, env: Env) -> Any:
        below = n.below
        assert isinstance(below, Row)
        if n.sign == "E":
            name, rows = self.where(below.parts[-1], env)  # type: ignore[arg-type]
            return sum(p * self.value(n.body, {**env, "<Y>": c}) for c, p in self.share(name, rows))
        if text(below).startswith("Y "):
            region = below.parts[-1]
            assert isinstance(region, Notation)
            found = [(self.value(n.body, {**env, "<Y>": c}), k, c)
                     for k, c in enumerate(self.inside(region, env))]  # fmt: skip
            if n.sign.startswith("arg"):
                best = (min if n.sign == "argmin" else max)(v for v, _, _ in found)
                return next(c for v, _, c in found if v == best)
            return {"sum": sum, "min": min, "max": max}[n.sign]([v for v, _, _ in found])  # type: ignore[operator]
        condition = None
        if isinstance(below.parts[0], Row):
            assert below.parts[1] == "if"
            condition, below = below.parts[2], below.parts[0]
        name, _, low, _, high = below.parts
        assert isinstance(name, Name)
        values = []
        for k in range(int(self.value(low, env)), int(self.value(high, env)) + 1):  # type: ignore[arg-type]
            inner = {**env, name.text: k}
            if condition is None or self.value(condition, inner):  # type: ignore[arg-type]
                values.append(self.value(n.body, inner))
        return {"sum": sum, "min": min, "max": max}[n.sign](values)  # type: ignore[operator]

    def row(self, parts: list[Notation | str], env: Env) -> Any:
        """Return the value of operators between values, the weakest first."""
        if len(parts) == 1:
            assert isinstance(parts[0], Notation)
            return self.value(parts[0], env)
        for signs in (("⇒",), ("∨",), ("∧",), ("=", "≠", "<", "≤", ">", "≥"), ("+", "−"), ("·",),
                      ("mod",)):  # fmt: skip
            places_ = [k for k, p in enumerate(parts) if isinstance(p, str) and p in signs and k]
            if places_:
                k = places_[-1]
                a, b = self.row(parts[:k], env), self.row(parts[k + 1 :], env)
                return OPERATORS[str(parts[k])](a, b)
        if parts[0] == "−":
            return -self.row(parts[1:], env)
        if parts[0] == "¬":
            return not self.row(parts[1:], env)
        raise AssertionError(parts)


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "−": lambda a, b: a - b, "·": lambda a, b: a * b,
    "=": lambda a, b: a == b, "≠": lambda a, b: a != b, "<": lambda a, b: a < b,
    "≤": lambda a, b: a <= b, ">": lambda a, b: a > b, "≥": lambda a, b: a >= b,
    "∧": lambda a, b: bool(a and b), "∨": lambda a, b: bool(a or b),
    "⇒": lambda a, b: bool(not a or b), "mod": lambda a, b: a % b,
}  # fmt: skip


def at(value: Any, place: tuple[int, ...]) -> Any:
    for k in place:
        value = value[k]
    return value


def places(value: Any) -> Iterator[tuple[int, ...]]:
    if not isinstance(value, list):
        yield ()
        return
    for k, part in enumerate(value):
        for rest in places(part):
            yield (k, *rest)
