"""The slow truth about the language: plain Python that walks the tree of a text.

It shares nothing with the package but the parser: numbers are Python's, labels are texts, arrays
are nested lists, nothing is typed, substituted or grounded beforehand. What is not needed is not
evaluated, so that an index that leaves its axis (`Outside`) counts only where it is really read.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import slow_maps
from slow_cases import CASES, Case, ints, reals, words
from slow_expressions import Expressions, Scope, children, names_in
from slow_values import Arr, Axis, Outside, Record, Sequence, as_text, nested

from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

__all__ = [
    "CASES", "Axis", "Case", "Outside", "Slow", "World", "hidden", "instances", "ints", "labels",
    "reals", "words",
]  # fmt: skip

Instance = dict[str, Any]


def hidden(value: Any) -> bool:
    """Return whether a value of the data stands for one that was not observed."""
    return value is None or (isinstance(value, str) and value == "_")


def whole(value: Any) -> Any:
    return int(value) if value == int(value) else value


class Slow:
    """A text, with the labels that its domains took from data.

    Parameters
    ----------
    vocabularies : labels of each `domain NAME` without values, and names of features.
    settings : new values of sizes and of constants, as by `--set`.
    folder : where the files lie that the text uses.

    Attributes
    ----------
    seconds : the energies that `use … as NAME` declares, by that name.
    """

    def __init__(
        self,
        text: str,
        vocabularies: dict[str, tuple[str, ...]] | None = None,
        *,
        settings: dict[str, float] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.vocabularies = vocabularies or {}
        self.settings = {k: whole(v) for k, v in (settings or {}).items()}
        self.domains: dict[str, t.Domain] = {}
        self.sizes: dict[str, t.Sized] = {}
        self.slots: dict[str, tuple[t.Slots, t.Slot]] = {}
        self.params: dict[str, t.Weight] = {}
        self.maps: dict[str, t.Map] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.factors: dict[str, t.Factor] = {}
        self.losses: dict[str, t.LossDefinition] = {}
        self.seconds: dict[str, Slow] = {}
        self.loss: t.Expression | None = None
        self.infer: t.Expression | None = None
        for s in self._written_out(text, folder):
            match s:
                case t.Domain():
                    self.domains[s.name.name] = s
                case t.Size():
                    self.sizes |= {x.name.name: x for x in s.sizes}
                case t.Slots():
                    self.slots |= {x.name.name: (s, x) for x in s.slots}
                case t.Param():
                    self.params |= {x.name.name: x for x in s.weights}
                case t.Map():
                    self.maps[s.name.name] = s
                case t.Let():
                    self.lets[s.name.name] = s
                case t.Fun():
                    self.funs[s.name.name] = s
                case t.Factor():
                    self.factors[s.name.name] = s
                case t.LossDefinition():
                    self.losses[s.name.name] = s
                case t.LossChoice():
                    self.loss = s.value
                case t.Infer():
                    self.infer = s.value
        self.loose = self._loose()

    @classmethod
    def load(
        cls,
        path: Path,
        vocabularies: dict[str, tuple[str, ...]] | None = None,
        settings: dict[str, float] | None = None,
    ) -> Slow:
        """Return the text of a file, with what it uses."""
        text = path.read_text(encoding="utf-8")
        return cls(text, vocabularies, settings=settings, folder=path.parent)

    def _written_out(self, text: str, folder: Path | None) -> list[t.Statement]:
        """Return the statements of a text; those of other files stand in place of `use`."""
        statements = parse(text).statements
        chosen = {type(s) for s in statements if isinstance(s, t.LossChoice | t.Infer)}
        found: list[t.Statement] = []
        for s in statements:
            if not isinstance(s, t.Use):
                found.append(s)
                continue
            path = (folder or Path()) / s.path.value
            if s.alias is None:
                inner = self._written_out(path.read_text(encoding="utf-8"), path.parent)
                found += [x for x in inner if type(x) not in chosen]
                chosen |= {type(x) for x in inner if isinstance(x, t.LossChoice | t.Infer)}
                continue
            alias = s.alias.name
            settings = {k: v for k, v in self.settings.items() if "." not in k}
            for key, value in self.settings.items():
                if key.startswith(f"{alias}."):
                    settings[key.removeprefix(f"{alias}.")] = value
            self.seconds[alias] = Slow.load(path, self.vocabularies, settings)
        return found

    def _loose(self) -> set[str]:
        """Return the names of lets and funs that read unknowns, by whatever way."""
        bodies = {n: names_in(x.value) | names_in(getattr(x, "binders", None))
                  for n, x in (self.lets | self.funs).items()}  # fmt: skip
        found = set(self.unknowns())
        while True:
            more = {n for n, names in bodies.items() if names & found} - found
            if not more:
                return found
            found |= more

    def penalty(self, weights: dict[str, Any]) -> float:
        """Return the regularisers but for l1: c / 2 times the sum of squares for each l2(c)."""
        total = 0.0
        held = {n: w.regulariser for n, w in self.params.items()}
        for name, node in self.maps.items():  # weights of layers, but not their biases
            inner = (k for k in self.shapes() if k.startswith(f"{name}.") and k[-2:] != ".b")
            held |= dict.fromkeys(inner, node.regulariser)
        for name, regulariser in held.items():
            todo = [regulariser] if regulariser else []
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

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of each array of weights: params, layers (`net.0.K`), `q.NAME`."""
        world = World(self, {}, {})
        found = {n: tuple(a.count for a in world.axes(n)) for n in self.params}
        for name, node in self.maps.items():
            found |= slow_maps.shapes(node.call, world.extent, name)
        for alias, second in self.seconds.items():
            found |= {f"{alias}.{n}": s for n, s in second.shapes().items()}
        return found

    def learn(self, data: list[Instance]) -> Slow:
        """Fill the domains without values from training data: labels, and names of features."""
        open_ = {n for n, d in self.domains.items() if d.values is None}
        seen: dict[str, set[str]] = {n: set() for n in open_}
        counts: Counter[tuple[str, str]] = Counter()
        least: dict[tuple[str, str], int] = {}
        for instance in data:
            world = World(self, instance, {})
            for name, (statement, _) in self.slots.items():
                if statement.role == "latent" or name not in instance:
                    continue
                array = nested(instance[name], world.axes(name))
                for leaf in array.elements() if isinstance(array, Arr) else [array]:
                    for domain, label in world.labels_in(statement.type, leaf):
                        if domain in open_:
                            seen[domain].add(label)
            for domain, minimum, names in world.features():
                counts.update((domain, n) for n in names)
                least |= {(domain, n): min(minimum, least.get((domain, n), minimum)) for n in names}
        for (domain, name), count in counts.items():
            if count >= least[domain, name]:
                seen[domain].add(name)
        self.vocabularies |= {n: tuple(sorted(found)) for n, found in seen.items()}
        for second in self.seconds.values():
            second.vocabularies |= self.vocabularies
        return self


class World(Expressions):
    """One instance with weights; an assignment is a dict of nested lists for the unknowns."""

    def __init__(self, text: Slow, data: Instance, weights: dict[str, Any]) -> None:
        self.text = text
        self.data = data
        self.weights = {
            k: w.tolist() if hasattr(w, "tolist") and w.size < 1e5 else w
            for k, w in weights.items()
        }
        self.sizes: dict[str, Any] = {}
        self.memo: dict[Any, Any] = {}
        self.outputs: dict[Any, Any] = {}
        self.assignment = {}

    @property
    def assignment(self) -> dict[str, Any]:
        """The values of the unknowns now."""
        return self._assignment

    @assignment.setter
    def assignment(self, values: dict[str, Any]) -> None:
        self._assignment = values
        self.unknown: dict[str, Any] = {}

    # -- sizes, sets and types

    def size(self, name: str) -> Any:
        """Return a size: a number, or nested lists where it has indices."""
        if name not in self.sizes:
            node = self.text.sizes[name]
            if name in self.text.settings:
                self.sizes[name] = self.text.settings[name]
            elif node.value is not None:
                self.sizes[name] = self.value(node.value, {})
            else:
                self.sizes[name] = self._measured(node)
        return self.sizes[name]

    def _measured(self, node: t.Sized) -> Any:
        """Return what the shapes of the data say of a size; else it is a field of its own."""
        name = node.name.name
        over = [a.name for a in node.shape if isinstance(a, t.Name)]
        found = None
        for role in ("given", "answer"):
            for key in self.text.unknowns(role):
                axes = [getattr(a, "name", None) for a in self.text.slots[key][1].shape]
                if key not in self.data or name not in axes:
                    continue
                level = axes.index(name)
                dims = [axes.index(o) for o in over]
                found = _lengths(self.data[key], 0, level, dims)
                if found is not None:
                    return found
        return self.data[name]

    def domain(self, name: str) -> Axis:
        values = self.text.domains[name].values
        if values is None:
            words = self.text.vocabularies[name]
            return Axis(len(words), labels=words)
        if isinstance(values, t.Range):
            low, high = self.value(values.low, {}), self.value(values.high, {})
            return Axis(high - low + 1, low)
        return _listed(values)

    def axes(self, name: str) -> tuple[Any, ...]:
        """Return the axes of a param, given or unknown; a ragged one is a function."""
        if name in self.text.params:
            return tuple(self.axis(a) for a in self.text.params[name].shape)
        shape = self.text.slots[name][1].shape
        found: list[Any] = []
        for node in shape:
            sized = self.text.sizes.get(node.name) if isinstance(node, t.Name) else None
            if sized is None or not sized.shape:
                found.append(self.axis(node))
                continue
            over = [shape.index(n) for n in sized.shape]

            def ragged(before: tuple[int, ...], name: str = node.name, over: Any = over) -> Axis:
                length = self.size(name)
                for k in over:
                    length = length[before[k]]
                return Axis(length)

            found.append(ragged)
        return tuple(found)

    def finite(self, kind: t.TypeNode) -> Axis:
        """Return the values of a finite type that is no record."""
        if isinstance(kind, t.RangeType):
            low, high = self.value(kind.range.low, {}), self.value(kind.range.high, {})
            return Axis(high - low + 1, low)
        if isinstance(kind, t.ValuesType):
            return _listed(kind.values)
        assert isinstance(kind, t.NamedType), kind
        return self.axis(t.Name(kind.span, kind.name))

    def states(self, name: str) -> list[Any]:
        """Return the values of an unknown, as data would give them."""
        return list(self._states(self.text.slots[name][0].type))

    def _states(self, kind: t.TypeNode) -> Iterator[Any]:
        if isinstance(kind, t.RecordType):
            parts = [list(self._states(f.type)) for f in kind.fields]
            yield from (list(values) for values in itertools.product(*parts))
        elif not isinstance(kind, t.CallType):
            yield from self.finite(kind).values()
        elif kind.call.name.name == "real":
            low, high = (self.value(a.value, {}) for a in kind.call.arguments)
            step = self.step
            assert step is not None, "real unknowns have no states without infer grid(step = …)"
            for k in range(math.floor((high - low) / step + 1e-9) + 1):
                yield low + k * step
        elif kind.call.name.name == "path":
            yield from self._paths(kind.call)
        else:
            yield from self._segmentations(kind.call)

    @property
    def step(self) -> float | None:
        """The step of `infer grid(step = …)`."""
        todo: list[Any] = [self.text.infer]
        while todo:
            node = todo.pop()
            if isinstance(node, t.Call) and node.name.name == "grid":
                return next(self.value(a.value, {}) for a in node.arguments if a.name == "step")
            todo += children(node)
        return None

    # -- sequences

    def _ends(self, call: t.Call) -> tuple[list[tuple[int, int]], int, int]:
        """Return the arcs of a path, where it begins and where it ends."""
        arcs = self.value(call.arguments[0].value, {}).elements()
        begin, end = (self.value(a.value, {}) for a in call.arguments[1:3])
        return [(r.values[0], r.values[1]) for r in arcs], begin, end

    def _label(self, call: t.Call) -> Axis | None:
        """Return the labels of a sequence's elements."""
        count = 3 if call.name.name == "path" else 2
        if len(call.arguments) == count:
            return None
        return self.axis(call.arguments[count].value)

    def _paths(self, call: t.Call) -> Iterator[list[Any]]:
        arcs, begin, end = self._ends(call)
        labels = self._label(call)

        def onwards(node: int, behind: tuple[int, ...]) -> Iterator[list[int]]:
            if node in behind:
                raise ValueError("the arcs of a path go round in a circle")
            if node == end:
                yield []
            for e, (src, dst) in enumerate(arcs):
                if src == node:
                    yield from ([e, *rest] for rest in onwards(dst, (*behind, node)))

        for walk in onwards(begin, ()):
            if labels is None:
                yield walk
                continue
            for chosen in itertools.product(labels.values(), repeat=len(walk)):
                yield [[e, c] for e, c in zip(walk, chosen, strict=True)]

    def _segmentations(self, call: t.Call) -> Iterator[list[Any]]:
        n, longest = (self.value(a.value, {}) for a in call.arguments[:2])
        axis = self._label(call)
        ends = [[]] if axis is None else [[c] for c in axis.values()]

        def onwards(first: int) -> Iterator[list[Any]]:
            if first == n:
                yield []
            for last in range(first, min(n, first + longest)):
                for label in ends:
                    yield from ([[first, last, *label], *rest] for rest in onwards(last + 1))

        return onwards(0)

    # -- values of the data

    def plain(self, kind: t.TypeNode, value: Any) -> Any:
        """Return a value of a slot as the language sees it; None where it is not known."""
        if hidden(value) and not (isinstance(kind, t.NamedType) and kind.name == "text"):
            return None
        match kind:
            case t.RecordType():
                names = tuple(f.name.name for f in kind.fields)
                if isinstance(value, Record):
                    return value
                parts = [value[n] for n in names] if isinstance(value, dict) else value
                kinds = [f.type for f in kind.fields]
                return Record(names, tuple(self.plain(k, v) for k, v in zip(kinds, parts)))
            case t.ValuesType():
                return as_text(value)
            case t.NamedType(name="text"):
                return as_text(value)
            case t.NamedType(name=name) if name in self.text.domains:
                values = self.text.domains[name].values
                return int(value) if isinstance(values, t.Range) else as_text(value)
            case t.CallType() if kind.call.name.name != "real":
                if isinstance(value, Sequence):
                    return value
                axis = self._label(kind.call)
                return Sequence(tuple(self._element(axis, v) for v in value), axis is not None)
            case t.CallType() | t.NamedType(name="real"):
                return value
        return int(value)

    def _element(self, labels: Axis | None, value: Any) -> tuple[Any, ...]:
        parts = list(value) if isinstance(value, list | tuple) else [value]
        if labels is not None and not hidden(parts[-1]):
            parts[-1] = int(parts[-1]) if labels.labels is None else as_text(parts[-1])
        return tuple(None if hidden(p) else p for p in parts)

    def read(self, name: str) -> Any:
        """Return a given, or an unknown's value now."""
        statement, _ = self.text.slots[name]
        given = statement.role == "given"
        kept, raw = (self.memo, self.data) if given else (self.unknown, self.assignment)
        if name not in kept:
            array, kind = nested(raw[name], self.axes(name)), statement.type
            if isinstance(kind, t.NamedType) and kind.name == "real":
                kept[name] = array
            elif isinstance(array, Arr):
                kept[name] = Arr(array.axes, lambda p: self.plain(kind, array.at(p)))
            else:
                kept[name] = self.plain(kind, array)
        return kept[name]

    def labels_in(self, kind: t.TypeNode, value: Any) -> Iterator[tuple[str, str]]:
        """Yield each label in a value of the data, with the domain that it belongs to."""
        if hidden(value):
            return
        match kind:
            case t.NamedType(name=name) if name in self.text.domains:
                yield name, as_text(value)
            case t.RecordType():
                parts = value.values() if isinstance(value, dict) else value
                for f, part in zip(kind.fields, parts):
                    yield from self.labels_in(f.type, part)
            case t.CallType(call=t.Call(name=t.Identifier(name="path" | "segments"))):
                last = kind.call.arguments[-1].value
                if isinstance(last, t.Name) and last.name in self.text.domains:
                    for element in value:
                        part = element[-1] if isinstance(element, list | tuple) else element
                        yield from self.labels_in(t.NamedType(last.span, last.name), part)

    # -- energies

    def energies(self, assignment: dict[str, Any]) -> dict[str, float]:
        """Return the energy of each factor, summed over its binders."""
        self.assignment = assignment
        return {name: self.factor(f) for name, f in self.text.factors.items()}

    def energy(self, assignment: dict[str, Any]) -> float:
        return math.fsum(self.energies(assignment).values())

    def factor(self, node: t.Factor) -> float:
        return sum((self.term(node, scope) for scope in self.bind(node.binders, {})), 0.0)

    def term(self, node: t.Factor, scope: Scope) -> float:
        """Return a factor's energy where its names are bound."""
        value = self.value(node.value, scope)
        return (0.0 if value else math.inf) if node.hard else float(value)

    def second(self, alias: str, assignment: dict[str, Any]) -> float:
        """Return an energy of `use … as NAME` at a configuration of this text's unknowns."""
        return self.beside(alias, assignment).energy(assignment)

    def beside(self, alias: str, assignment: dict[str, Any]) -> World:
        """Return a second energy's world: what is unknown here may be given there."""
        text = self.text.seconds[alias]
        known = {n: v for n, v in assignment.items() if n in self.text.unknowns()}
        mine = f"{alias}."
        weights = {k.removeprefix(mine): w for k, w in self.weights.items() if k.startswith(mine)}
        world = World(text, self.data | known, weights)
        world.assignment = assignment
        return world

    def configurations(self, fixed: dict[str, Any]) -> Iterator[tuple[dict[str, Any], list[Any]]]:
        """Yield every assignment that agrees with ``fixed`` (None is free), and it flat."""
        names = self.text.unknowns()
        choices: list[list[Any]] = []
        for name in names:
            axes = self.axes(name)
            known = None if hidden(fixed.get(name)) else nested(fixed[name], axes)
            for place in Arr(axes, lambda p: None).places():
                value = known.at(place) if isinstance(known, Arr) else known
                choices.append(self.options(name, value))
        for flat in itertools.product(*choices):
            more = iter(flat)
            filled = {n: Arr(self.axes(n), lambda p, m=more: next(m)).lists() for n in names}
            yield filled, list(flat)

    def options(self, name: str, observed: Any) -> list[Any]:
        """Return the states of one unknown that agree with what the data say of it."""
        if hidden(observed):
            return self.states(name)
        kind = self.text.slots[name][0].type
        seen = self.plain(kind, observed)
        if isinstance(seen, Record | Sequence) and not self.complete(name, observed):
            return [s for s in self.states(name) if self.agree(name, observed, s)]
        return [observed]

    def complete(self, name: str, observed: Any) -> bool:
        """Return whether the data say all of one unknown."""
        kind = self.text.slots[name][0].type
        match self.plain(kind, observed):
            case None:
                return False
            case Record(values=values):
                return None not in values
            case Sequence(elements=elements, labelled=labelled):
                assert isinstance(kind, t.CallType)
                width = (1 if kind.call.name.name == "path" else 2) + labelled
                return all(len(e) == width and None not in e for e in elements)
        return True

    def agree(self, name: str, observed: Any, state: Any) -> bool:
        """Return whether a state of one unknown is what the data say, as far as they do."""
        kind = self.text.slots[name][0].type
        seen, value = self.plain(kind, observed), self.plain(kind, state)
        if seen is None:
            return True
        if isinstance(seen, Record):
            return all(a is None or a == b for a, b in zip(seen.values, value.values))
        if isinstance(seen, Sequence):
            return len(seen.elements) == len(value.elements) and all(
                a is None or a == b
                for e, f in zip(seen.elements, value.elements)
                for a, b in zip(reversed(e), reversed(f))
            )
        return bool(seen == value)

    def validate(self, assignment: dict[str, Any]) -> None:
        """Raise ValueError unless the assignment gives every unknown a value of its type."""
        self.assignment = assignment
        for name in self.text.unknowns():
            kind = self.text.slots[name][0].type
            axes = self.axes(name)
            array = nested(assignment[name], axes)
            if isinstance(array, Arr):
                _same_shape(name, array, assignment[name])
            for leaf in array.elements() if isinstance(array, Arr) else [array]:
                self._valid(name, kind, leaf)

    def _valid(self, name: str, kind: t.TypeNode, value: Any) -> None:
        def check(right: bool) -> None:
            if not right:
                raise ValueError(f"{name} cannot be {value}")

        check(not hidden(value))
        match kind:
            case t.RecordType():
                parts = list(value.values()) if isinstance(value, dict) else value
                check(len(parts) == len(kind.fields))
                for f, part in zip(kind.fields, parts):
                    self._valid(f"{name}.{f.name.name}", f.type, part)
            case t.NamedType(name="real"):
                check(math.isfinite(value))
            case t.CallType(call=t.Call(name=t.Identifier(name="real"))):
                low, high = (self.value(a.value, {}) for a in kind.call.arguments)
                check(low <= value <= high)
            case t.CallType():
                self._valid_sequence(check, kind.call, self.plain(kind, value))
            case _:
                check(self.plain(kind, value) in self.finite(kind).values())

    def _valid_sequence(self, check: Callable[[bool], None], call: t.Call, value: Sequence) -> None:
        axis = self._label(call)
        path = call.name.name == "path"
        for element in value.elements:
            check(len(element) == (1 if path else 2) + value.labelled)
            check(axis is None or element[-1] in axis.values())
        if path:
            arcs, node, end = self._ends(call)
            for e, *_ in value.elements:
                check(0 <= e < len(arcs) and arcs[e][0] == node)
                node = arcs[e][1]
            check(node == end)
            return
        n, longest = (self.value(a.value, {}) for a in call.arguments[:2])
        following = 0
        for first, last, *_ in value.elements:
            check(first == following and first <= last < first + longest)
            following = last + 1
        check(following == n)


def _listed(values: t.Values) -> Axis:
    words = tuple(as_text(getattr(i, "name", getattr(i, "value", None))) for i in values.items)
    return Axis(len(words), labels=words)


def _lengths(value: Any, at: int, level: int, dims: list[int]) -> Any:
    """Return how long nested lists are at a level, a list of lengths for each level in ``dims``."""
    if not isinstance(value, list | tuple) and not hasattr(value, "shape"):
        return None
    if at == level:
        return len(value)
    if at in dims:
        return [_lengths(v, at + 1, level, dims) for v in value]
    return next((_lengths(v, at + 1, level, dims) for v in value), None)


def _same_shape(name: str, array: Arr, value: Any, before: tuple[int, ...] = ()) -> None:
    if len(before) == len(array.axes):
        return
    if not isinstance(value, list) or len(value) != array.axis(before).count:
        raise ValueError(f"{name} is not of its shape")
    for k, item in enumerate(value):
        _same_shape(name, array, item, (*before, k))


def instances(case: Case, rng: Any, count: int = 5) -> list[Instance]:
    """Return random data for a case, every answer and latent there."""
    out = []
    for k in range(count):
        data = case.make(rng, k)
        world = Slow(case.text, labels(case)).instance(data, {})
        for name in world.text.unknowns():
            states = world.states(name)
            places = Arr(world.axes(name), lambda p, s=states: s[rng.integers(0, len(s))])
            data[name] = places.lists()
        out.append(data)
    return out


def labels(case: Case) -> dict[str, tuple[str, ...]]:
    """Return labels for the domains that data fill."""
    known = {"Amino": ("q", "r", "s"), "Word": ("la", "le", "li"), "Tag": ("N", "V")}
    return {n: known[n] for n, d in Slow(case.text).domains.items() if d.values is None}
