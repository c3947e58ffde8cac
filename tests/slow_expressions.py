"""Expressions of the slow truth: a tree is walked, each node has a value in a scope."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import slow_maps
from slow_values import (
    BINARY,
    COUNTING,
    TEXTS,
    UNARY,
    Arr,
    Axis,
    Length,
    Outside,
    Record,
    Sequence,
    as_text,
    each,
    fnv,
    namespace,
    nested,
)

from factorgraph.syntax import tree as t

if TYPE_CHECKING:
    from slow import Slow

Scope = dict[str, Callable[[], Any]]


def children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple):
        yield from node
    elif is_dataclass(node):
        for f in fields(node):
            if f.name not in ("span", "source"):
                yield getattr(node, f.name)


def names_in(node: Any) -> set[str]:
    """Return every name that stands in a tree."""
    found = {node.name} if isinstance(node, t.Name | t.Identifier) else set()
    return found.union(*(names_in(child) for child in children(node)))


class Expressions(ABC):
    """Gives trees their values; what the names of a text stand for is left open.

    Attributes
    ----------
    text : whose names may be read.
    memo : values that no assignment changes.
    outputs : of maps, by name and input.
    padding : whether texts are padded where they are read outside: so it is in features.
    """

    text: Slow
    weights: dict[str, Any]
    memo: dict[Any, Any]
    outputs: dict[Any, Any]
    padding = False

    @abstractmethod
    def size(self, name: str) -> Any:
        """Return a size: a number, or nested lists where it has indices."""

    @abstractmethod
    def read(self, name: str) -> Any:
        """Return a given, or an unknown's value now."""

    @abstractmethod
    def axes(self, name: str) -> tuple[Any, ...]:
        """Return the axes of a param, given or unknown; a ragged one is a function."""

    @abstractmethod
    def domain(self, name: str) -> Axis:
        """Return the values of a domain."""

    def axis(self, node: t.Expression) -> Axis:
        if isinstance(node, t.Name) and node.name in self.text.domains:
            return self.domain(node.name)
        if isinstance(node, t.Name) and node.name == "bit":
            return Axis(2)
        return Axis(self.value(node, {}))

    def extent(self, node: t.Expression) -> int:
        return self.axis(node).count

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
        patterns = generators[0].patterns
        items = self.run(generators[0].source, scope)
        if len(patterns) > 1:
            assert isinstance(self.value(generators[0].source, scope), Sequence)
        for window in zip(*(items[k:] for k in range(len(patterns)))):
            inner = dict(scope)
            for pattern, item in zip(patterns, window, strict=True):
                inner |= self.match(pattern, item)
            yield from self.nest(generators[1:], inner)

    def match(self, pattern: t.Pattern, item: Any) -> Scope:
        """Return what the names of a pattern stand for."""
        if isinstance(item, Record) and pattern.grouped:
            item = item.values
        parts = item if isinstance(item, tuple) else (item,)
        names = [n.name for n in pattern.names]
        return {n: (lambda v=v: v) for n, v in zip(names, parts, strict=True)}

    def run(self, source: t.Expression, scope: Scope) -> Any:
        """Return what an index runs over."""
        if isinstance(source, t.Values):
            return [
                tuple(self.value(x, {}) for x in i.items)
                if isinstance(i, t.Tuple)
                else self.value(i, {})
                for i in source.items
            ]
        if isinstance(source, t.Range):
            return range(self.value(source.low, scope), self.value(source.high, scope) + 1)
        if isinstance(source, t.Name) and source.name not in scope:
            if source.name in self.text.domains:
                return self.domain(source.name).values()
            if source.name == "bit":
                return [0, 1]
        value = self.value(source, scope)
        if isinstance(value, Sequence):
            return list(value.elements)
        if isinstance(value, Arr):
            assert len(value.axes) == 1, "a relation has one axis"
            return value.elements()
        return range(value)

    # -- expressions

    def value(self, e: t.Expression, scope: Scope) -> Any:
        match e:
            case t.Number() | t.Text():
                return e.value
            case t.Name():
                return self.name(e.name, scope)
            case t.Index():
                return self.index(e, scope)
            case t.Member():
                return self.member(e, scope)
            case t.Unary(operator="-"):
                return each(lambda a: -a, self.value(e.operand, scope))
            case t.Unary():
                return int(not self.value(e.operand, scope))
            case t.Choose():
                taken, other = e.yes, e.no
                if not self.value(e.condition, scope):
                    taken, other = other, taken
                chosen = self.value(taken, scope)
                try:
                    like = chosen if isinstance(chosen, Arr) else self.value(other, scope)
                except (Outside, ArithmeticError, ValueError):  # a branch without a meaning
                    return chosen
                return each(lambda a, b: a, chosen, like) if isinstance(like, Arr) else chosen
            case t.Binary(operator="and"):
                return int(bool(self.value(e.left, scope)) and bool(self.value(e.right, scope)))
            case t.Binary(operator="or"):
                return int(bool(self.value(e.left, scope)) or bool(self.value(e.right, scope)))
            case t.Binary(operator="=>"):
                return int(not self.value(e.left, scope) or bool(self.value(e.right, scope)))
            case t.Binary(operator="in"):
                return int(self.value(e.left, scope) in self.run(e.right, scope))
            case t.Binary():
                return self.binary(e, scope)
            case t.Call():
                return self.call(e, scope)
        raise NotImplementedError(e)

    def binary(self, e: t.Binary, scope: Scope) -> Any:
        return self.operate(e.operator, self.value(e.left, scope), self.value(e.right, scope))

    def operate(self, operator: str, left: Any, right: Any) -> Any:
        return each(BINARY[operator], left, right)

    def name(self, name: str, scope: Scope) -> Any:
        text = self.text
        if name in scope:
            return scope[name]()
        if name in text.sizes:
            size, shape = self.size(name), text.sizes[name].shape
            return nested(size, tuple(self.axis(a) for a in shape))
        if name in text.params:
            return nested(self.weights[name], self.axes(name))
        if name in text.slots:
            return self.read(name)
        if name in text.settings:
            return text.settings[name]
        let = text.lets[name]
        if let.binders is not None:
            return self.dense(let)
        if name in text.loose:
            return self.value(let.value, {})
        if name not in self.memo:
            with self.padded(False):
                self.memo[name] = self.value(let.value, {})
        return self.memo[name]

    def member(self, e: t.Member, scope: Scope) -> Any:
        return each(lambda record: record.get(e.name), self.value(e.base, scope))

    # -- lets with binders

    def let_at(self, let: t.Let, values: list[Any]) -> Any:
        """Return a let where its names have these values, which must be of its sources."""
        assert let.binders is not None
        name = let.name.name
        key = (name, *values)
        if key in self.memo:
            return self.memo[key]
        inner: Scope = {}
        rest = list(values)
        for generator in let.binders.generators:
            (pattern,) = generator.patterns
            part = tuple(rest.pop(0) for _ in pattern.names)
            items = [i.values if isinstance(i, Record) else i if isinstance(i, tuple) else (i,)
                     for i in self.run(generator.source, inner)]  # fmt: skip
            if part not in items:
                raise Outside(f"{name}{values}")
            inner |= self.match(pattern, part)
        if let.binders.guard is not None and not self.value(let.binders.guard, inner):
            raise Outside(f"{name}{values}: its guard does not hold")
        with self.padded(False):
            found = self.value(let.value, inner)
        if name not in self.text.loose:
            self.memo[key] = found
        return found

    def dense(self, let: t.Let) -> Arr:
        """Return a let over ranges and domains as an array."""
        assert let.binders is not None
        generators = let.binders.generators
        assert not any(p.grouped for g in generators for p in g.patterns), "give all its indices"

        def items(before: tuple[int, ...]) -> Any:
            inner: Scope = {}
            for generator, k in zip(generators, before):
                item = self.run(generator.source, inner)[k]
                inner |= self.match(generator.patterns[0], item)
            return self.run(generators[len(before)].source, inner)

        def axis(before: tuple[int, ...]) -> Axis:
            found = items(before)
            if len(found) and isinstance(found[0], str):
                return Axis(len(found), labels=tuple(found))
            return Axis(len(found), found[0] if len(found) else 0)

        free = [not names_in(g.source) & {n.name for f in generators for n in f.patterns[0].names}
                for g in generators]  # fmt: skip
        axes: list[Any] = [
            axis((0,) * k) if f and (k == 0 or all(free)) else axis for k, f in enumerate(free)
        ]
        depth = len(axes)

        def at(place: tuple[int, ...]) -> Any:
            values = [items(place[:k])[place[k]] for k in range(depth)]
            found = self.let_at(let, values)
            return found.at(place[depth:]) if len(place) > depth else found

        plain = Arr(tuple(axes), at)
        first = next(iter(plain.places()), None)
        inner = plain.at(first) if first is not None and let.binders.guard is None else None
        return replace(plain, axes=(*axes, *inner.axes)) if isinstance(inner, Arr) else plain

    # -- indices

    @contextmanager
    def padded(self, on: bool) -> Iterator[None]:
        """Have texts padded, or not, while something is evaluated."""
        before, self.padding = self.padding, on
        try:
            yield
        finally:
            self.padding = before

    def index(self, e: t.Index, scope: Scope) -> Any:
        name = e.base.name if isinstance(e.base, t.Name) and e.base.name not in scope else ""
        with self.padded(False):
            subscripts: list[Any] = [
                (self.value(s.low, scope), self.value(s.high, scope))
                if isinstance(s, t.Range)
                else self.value(s, scope)
                for s in e.subscripts
            ]
        let = self.text.lets.get(name)
        if let is not None and let.binders is not None:
            generators = let.binders.generators
            depth = sum(len(p.names) for g in generators for p in g.patterns)
            front, rest = subscripts[:depth], subscripts[depth:]
            if len(front) == depth and not any(isinstance(s, tuple) for s in front):
                items = self.run(generators[0].source, {}) if self.padding and depth == 1 else None
                if isinstance(items, range) and front[0] not in items:
                    return boundary(items.start, items.stop, front[0])
                found = self.let_at(let, front)
                return self.take(found, rest) if rest else found
        with self.padded(False):
            array = self.value(e.base, scope)
        if self.padding and name in self.text.slots and self.textual(name):
            before: tuple[int, ...] = ()
            for value in itertools.takewhile(lambda s: not isinstance(s, tuple), subscripts):
                axis = array.axis(before)
                if axis.labels is None and not axis.low <= value < axis.low + axis.count:
                    return boundary(axis.low, axis.low + axis.count, value)
                before += (axis.place(value),)
        return self.take(array, subscripts)

    def textual(self, name: str) -> bool:
        """Return whether an array holds texts or labels."""
        kind = self.text.slots[name][0].type
        if isinstance(kind, t.NamedType) and kind.name in self.text.domains:
            return not isinstance(self.text.domains[kind.name].values, t.Range)
        return isinstance(kind, t.ValuesType) or (
            isinstance(kind, t.NamedType) and kind.name == "text"
        )

    def take(self, array: Any, subscripts: list[Any]) -> Any:
        """Index an array by values and slices (pairs); axes that get neither stay."""
        assert isinstance(array, Arr) and len(subscripts) <= len(array.axes)
        places: list[int | None] = []
        starts: list[int] = []
        left: list[Any] = []

        def whole(rest: tuple[int, ...], depth: int) -> tuple[int, ...]:
            more = iter(rest)
            pairs = list(zip(places, starts))[:depth]
            return tuple(s + next(more) if p is None else p for p, s in pairs)

        for k in range(len(array.axes)):
            axis = array.axes[k]
            if not isinstance(axis, Axis) and None not in places:
                axis = array.axis(whole((), k))
            if k >= len(subscripts):
                places.append(None)
                starts.append(0)
                if not isinstance(axis, Axis):
                    axis = lambda rest, k=k: array.axis(whole(rest, k))  # noqa: E731
                left.append(axis)
                continue
            assert isinstance(axis, Axis), "the rows differ in length: give the index before"
            subscript = subscripts[k]
            if isinstance(subscript, tuple):
                low, high = subscript
                if high >= low:
                    axis.place(high)
                places.append(None)
                starts.append(axis.place(low) if high >= low else 0)
                left.append(Axis(max(0, high - low + 1)))
            else:
                places.append(axis.place(subscript))
                starts.append(0)
        depth = len(array.axes)
        hits = array.hits if not subscripts else None
        return (
            Arr(tuple(left), lambda p: array.at(whole(p, depth)), hits)
            if left
            else array.at(whole((), depth))
        )

    # -- calls

    def call(self, e: t.Call, scope: Scope) -> Any:
        name = e.name.name
        if name in self.text.funs:
            return self.fun(self.text.funs[name], e, scope)
        if name in self.text.maps:
            return self.map(self.text.maps[name], e, scope)
        if name in ("hash", "features"):
            return self.counts(e, scope)
        if e.arguments[0].binders is not None:
            return self.comprehension(e, scope)
        return self.function(name, [self.value(a.value, scope) for a in e.arguments])

    def function(self, name: str, values: list[Any]) -> Any:
        """Apply a function of the language to values."""
        if name in UNARY:
            return each(UNARY[name], values[0])
        if name in TEXTS:
            return each(TEXTS[name], *values)
        if name == "spell":
            return values[0].spell()
        if name in COUNTING:
            return COUNTING[name](values[0].elements() if len(values) == 1 else values)
        if name in ("min", "max"):
            if len(values) == 1:
                return (min if name == "min" else max)(values[0].elements())
            result = values[0]
            for more in values[1:]:
                result = each(BINARY[name], result, more)
            return result
        if name in ("sum", "norm"):
            (a,) = values
            found = a.elements() if a.hits is None else a.hits.values()
            return sum(found) if name == "sum" else Length.of(found)
        if name == "mean":
            found = values[0].elements()
            return sum(found) / len(found)
        a, b = values
        cut = len(a.axes)
        if name == "outer":
            return Arr(a.axes + b.axes, lambda p: a.at(p[:cut]) * b.at(p[cut:]))
        assert name == "dot", name
        cut, inner = cut - 1, a.axes[-1].count
        assert inner == b.axes[0].count
        hits = next((x.hits for x in (a, b) if x.hits is not None), range(inner))

        def at(p: tuple[int, ...]) -> Any:
            return sum(a.at((*p[:cut], k)) * b.at((k, *p[cut:])) for k in hits)

        axes = a.axes[:-1] + b.axes[1:]
        return Arr(axes, at) if axes else at(())

    def fun(self, fun: t.Fun, e: t.Call, scope: Scope) -> Any:
        return self.value(fun.value, self.actual(fun.formals, e, scope, {}))

    def actual(self, formals: tuple[t.Formal, ...], e: t.Call, scope: Scope, place: Scope) -> Scope:
        """Return what a definition's names stand for in a call; ``place`` is where it stands."""
        inner: Scope = dict(place)
        for f in formals:
            if f.default is not None:
                inner[f.name.name] = lambda d=f.default: self.value(d, place)
        for k, argument in enumerate(e.arguments):
            key = argument.name or formals[k].name.name
            inner[key] = lambda v=argument.value: self.value(v, scope)
        return inner

    def map(self, node: t.Map, e: t.Call, scope: Scope) -> Any:
        """Return a map's output; that of one number for one number is a number."""
        (argument,) = e.arguments
        value = self.value(argument.value, scope)
        x = value.lists() if isinstance(value, Arr) else value
        key = (node.name.name, *slow_maps.flat(x))
        if key not in self.outputs:
            self.outputs[key] = slow_maps.apply(
                node.call, self.extent, node.name.name, self.weights, x
            )
        out = self.outputs[key]
        if out == [out[0]] and not isinstance(out[0], list) and len(slow_maps.flat(x)) == 1:
            return out[0]
        axes = []
        inner = out
        while isinstance(inner, list):
            axes.append(Axis(len(inner)))
            inner = inner[0]
        named = slow_maps.last(node.call)
        if named is not None and isinstance(named, t.Name) and named.name in self.text.domains:
            axes[-1] = self.domain(named.name)
        return nested(out, tuple(axes))

    def feature_names(self, e: t.Call, scope: Scope) -> list[str]:
        """Return the name of each feature that is on: its namespace, `=`, and the value."""
        names = []
        for argument in e.arguments[1:]:
            if argument.name is not None:
                continue
            with self.padded(True):
                value = self.value(argument.value, scope)
            names.append(f"{namespace(argument.value.span.text)}={as_text(value)}")
        return names

    def counts(self, e: t.Call, scope: Scope) -> Arr:
        """Return a row of counts that is 0 but at the places of the features that are on."""
        names = self.feature_names(e, scope)
        axis = self.axis(e.arguments[0].value)
        if e.name.name == "hash":
            hits = Counter(fnv(n) % axis.count for n in names)
        else:
            assert axis.labels is not None
            hits = Counter(axis.place(n) for n in names if n in axis.labels)
        return Arr((axis,), lambda p: hits.get(p[0], 0), dict(hits))

    def features(self) -> Iterator[tuple[str, int, list[str]]]:
        """Yield domain, least count and names of every `features(…)` at all index values."""
        for node in [*self.text.lets.values(), *self.text.factors.values()]:
            for scope in self.bind(node.binders, {}) if _has_features(node.value) else ():
                yield from self._features(node.value, scope)

    def _features(self, node: Any, scope: Scope) -> Iterator[tuple[str, int, list[str]]]:
        if not _has_features(node):
            return
        match node:
            case t.Call(name=t.Identifier(name="features")):
                least = next((a.value for a in node.arguments if a.name == "min"), None)
                domain = node.arguments[0].value
                assert isinstance(domain, t.Name)
                minimum = 1 if least is None else self.value(least, {})
                yield domain.name, minimum, self.feature_names(node, scope)
            case t.Argument(binders=t.Binders()):
                for inner in self.bind(node.binders, scope):
                    yield from self._features(node.value, inner)
            case t.Choose():
                if names_in(node.condition) & self.text.loose:  # what only inference decides
                    yield from self._features((node.yes, node.no), scope)
                    return
                yes = self.value(node.condition, scope)
                yield from self._features(node.yes if yes else node.no, scope)
            case _:
                for child in children(node):
                    yield from self._features(child, scope)

    def comprehension(self, e: t.Call, scope: Scope) -> Any:
        argument = e.arguments[0]
        found = [self.value(argument.value, s) for s in self.bind(argument.binders, scope)]
        reduced: dict[str, Callable[..., Any]] = {
            "sum": lambda *v: sum(v),
            "mean": lambda *v: sum(v) / len(v),
            "min": lambda *v: min(v, default=math.inf),
            "max": lambda *v: max(v, default=-math.inf),
        }
        if e.name.name in reduced:
            return each(reduced[e.name.name], *found)
        return COUNTING[e.name.name](found)


def boundary(start: int, stop: int, index: int) -> str:
    """Return the text that stands outside of ``start .. stop - 1``."""
    return f"<-{start - index}>" if index < start else f"<+{index - stop + 1}>"


def _has_features(node: Any) -> bool:
    if isinstance(node, t.Call) and node.name.name == "features":
        return True
    return any(_has_features(child) for child in children(node))
