"""The slow truth about losses: every configuration of a tiny model, one after the other.

Nothing is drawn and nothing is differentiated: `sample`, `draw`, `jitter`, `grad` and `laplace`
are refused, and so is every `by = …` but `exact`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from slow import Slow, World
from slow_expressions import Scope, names_in
from slow_values import Arr, Axis, Record, Sequence, exp, nested

from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

LIBRARY = "<library>"
"""In a scope: names mean what they mean in the library, not in the model's text."""

WORDS = ("answer", "any", "wrong", "best", "answers", "factors", "E")
BEYOND = ("sample", "draw", "jitter", "grad", "laplace")


@dataclass(frozen=True)
class Spot:
    """One unknown: the name of its array and its place there."""

    name: str
    place: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Configuration:
    """A value for every unknown, as data would give it."""

    values: dict[str, Any]


@dataclass(frozen=True)
class Region:
    """The configurations that have the observed values at ``fixed``.

    Attributes
    ----------
    differs : only those that differ from the answer somewhere, real ones by more than ``eps``.
    """

    fixed: frozenset[Spot]
    differs: bool = False
    eps: float | None = None


@dataclass(frozen=True)
class Answer(Region):
    """The region of the answer, which can be read like a configuration."""


@dataclass(frozen=True)
class Energy:
    """What has a number for each configuration: E, a factor, one of its terms, a second energy."""

    at: Callable[[Configuration], float]


@dataclass(frozen=True)
class Definition:
    """A loss or a fun, and the place where it was written."""

    node: t.Fun | t.LossDefinition
    place: Scope


class Seen:
    """An observed value of which parts are not known: it equals all that agrees with them."""

    def __init__(self, world: World, name: str, raw: Any) -> None:
        self.world, self.name, self.raw = world, name, raw
        self.value = world.plain(world.text.slots[name][0].type, raw)

    def __eq__(self, other: object) -> bool:
        return self.world.agree(self.name, self.raw, other)

    __hash__ = None  # type: ignore[assignment]

    def get(self, field: str) -> Any:
        value = None if self.value is None else self.value.get(field)
        return Anything() if value is None else value


class Anything:
    """A value that was not observed."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def soft(values: list[float], beta: float) -> float:
    """Return -log(sum(exp(-beta v))) / beta, the least for beta = inf, inf of none."""
    least = min(values, default=math.inf)
    if math.isinf(least) or math.isinf(beta):
        return least
    return least - math.log(math.fsum(exp(-beta * (v - least)) for v in values)) / beta


class Losses:
    """Losses of one instance; its data hold the observed answers.

    Parameters
    ----------
    world : the instance with weights.
    library_text : the text of the standard losses.
    """

    def __init__(self, world: World, library_text: str) -> None:
        self.formula = Formula(world, Slow(library_text))

    def value(self, formula: str | t.Expression | None = None) -> float:
        """Return the value of a formula, by default of the loss that the text chooses.

        Parameters
        ----------
        formula : as after the word `loss`, e.g. ``"margin(cost = hamming)"``, or its tree.
        """
        if isinstance(formula, str):
            (statement,) = parse(f"loss {formula}").statements
            assert isinstance(statement, t.LossChoice)
            formula = statement.value
        tree = formula if formula is not None else self.formula.text.loss
        assert tree is not None, "the text chooses no loss"
        return float(self.formula.value(tree, {}))


class Formula(World):
    """Evaluates formulas over configurations and regions."""

    def __init__(self, world: World, library: Slow) -> None:
        latents = world.text.unknowns("latent")
        data = {k: v for k, v in world.data.items() if k not in latents}
        super().__init__(world.text, data, world.weights)
        self.world = World(world.text, data, world.weights)
        self.library = library
        self.found: dict[int, tuple[Configuration, float]] = {}
        self.lists: dict[Region, list[Configuration]] = {}

    # -- configurations and regions

    def observed(self, spot: Spot) -> Any:
        raw = nested(self.data.get(spot.name), self.axes(spot.name) if spot.place else ())
        return raw.at(spot.place) if isinstance(raw, Arr) else raw

    def known(self, spot: Spot) -> bool:
        """Return whether the data say anything of an unknown."""
        if self.data.get(spot.name) is None:
            return False
        value = self.plain(self.text.slots[spot.name][0].type, self.observed(spot))
        if isinstance(value, Record):
            return any(v is not None for v in value.values)
        if isinstance(value, Sequence):
            return any(part is not None for e in value.elements for part in e)
        return value is not None

    def spots(self, name: str) -> list[Spot]:
        places = Arr(self.axes(name), lambda p: None).places()
        return [Spot(name, p) for p in places]

    def answers(self) -> list[Spot]:
        """Return all unknowns that are observed."""
        return [s for n in self.text.unknowns("answer") for s in self.spots(n) if self.known(s)]

    def members(self, region: Region) -> list[Configuration]:
        """Return all configurations of a region."""
        if region not in self.lists:
            fixed = {
                n: Arr(
                    self.axes(n),
                    lambda p, n=n: (
                        self.observed(Spot(n, p)) if Spot(n, p) in region.fixed else None
                    ),
                ).lists()
                for n in self.text.unknowns("answer")
            }
            every = [Configuration(v) for v, _ in self.world.configurations(fixed)]
            self.lists[region] = [c for c in every if not region.differs or self.off(c, region)]
        return self.lists[region]

    def off(self, found: Configuration, region: Region) -> bool:
        """Return whether a configuration differs from the answer."""
        return any(self.mistaken(s, found, region.eps) for s in self.answers())

    def mistaken(self, spot: Spot, found: Configuration, eps: float | None) -> bool:
        raw, value = self.observed(spot), self.at(found, spot)
        if not self.real(spot.name):
            return not self.agree(spot.name, raw, value)
        eps = self.step if eps is None else eps
        assert eps is not None, "wrong needs eps for real answers"
        return bool(abs(raw - value) > eps * (1 + 1e-9))

    def real(self, name: str) -> bool:
        kind = self.text.slots[name][0].type
        return (isinstance(kind, t.NamedType) and kind.name == "real") or (
            isinstance(kind, t.CallType) and kind.call.name.name == "real"
        )

    def at(self, found: Configuration, spot: Spot) -> Any:
        value = found.values[spot.name]
        for k in spot.place:
            value = value[k]
        return value

    def seen(self, spot: Spot) -> Any:
        """Return the observed value of one unknown, perhaps of parts that are not known."""
        raw = self.observed(spot)
        if self.complete(spot.name, raw):
            return self.plain(self.text.slots[spot.name][0].type, raw)
        return Seen(self.world, spot.name, raw)

    def numbers(self, found: Configuration | Answer) -> Arr:
        """Return the real answers that are observed, as a configuration has them."""
        spots = [s for s in self.answers() if self.real(s.name)]
        assert spots, "differences of configurations are of real answers"
        values = [
            self.at(found, s) if isinstance(found, Configuration) else self.observed(s)
            for s in spots
        ]
        return nested(values, (Axis(len(values)),))

    # -- energies

    def energy_of(self, found: Configuration) -> float:
        if id(found) not in self.found:
            self.found[id(found)] = found, self.world.energy(found.values)
        return self.found[id(found)][1]

    def term_at(self, node: t.Factor, scope: Scope | None) -> Energy:
        """Return a factor as an energy, or its one term where names are bound."""

        def at(found: Configuration) -> float:
            self.world.assignment = found.values
            return self.world.factor(node) if scope is None else self.world.term(node, scope)

        return Energy(at)

    def terms(self) -> Iterator[Energy]:
        """Yield each term of each factor; a factor over a sequence is one."""
        unknown = set(self.text.unknowns())
        for node in self.text.factors.values():
            sources = [g.source for g in node.binders.generators] if node.binders else []
            if any(names_in(s) & unknown for s in sources):
                yield self.term_at(node, None)
            else:
                yield from (self.term_at(node, scope) for scope in self.bind(node.binders, {}))

    def least(self, energy: Energy, of: Configuration | Region) -> float:
        if isinstance(of, Configuration):
            return energy.at(of)
        return min((energy.at(c) for c in self.members(of)), default=math.inf)

    # -- names

    def declared(self, name: str, scope: Scope) -> Any:
        """Return a loss, fun or energy of this name, or None."""
        if LIBRARY not in scope:
            for kind in (self.text.losses, self.text.funs):
                if name in kind:
                    return Definition(kind[name], {})
            if name in self.text.factors:
                return self.term_at(self.text.factors[name], None)
            if name in self.text.seconds:
                return Energy(lambda c: self.world.second(name, c.values))
            if self.of_model(name):
                return None
        for kind in (self.library.losses, self.library.funs):
            if name in kind:
                return Definition(kind[name], {LIBRARY: lambda: None})
        return Energy(self.energy_of) if name == "E" else None

    def of_model(self, name: str) -> bool:
        text = self.text
        return any(name in x for x in (text.sizes, text.params, text.slots, text.lets, text.maps))

    def name(self, name: str, scope: Scope) -> Any:
        if name in scope:
            return scope[name]()
        found = self.declared(name, scope)
        if isinstance(found, Definition) and isinstance(found.node, t.LossDefinition):
            inner = self.actual(found.node.formals, _nothing(found.node), scope, found.place)
            return self.value(found.node.value, inner)
        if found is not None:
            return found
        if LIBRARY not in scope and self.of_model(name):
            return super().name(name, scope)
        match name:
            case "answer":
                return Answer(frozenset(self.answers()))
            case "any":
                return Region(frozenset())
            case "wrong":
                return Region(frozenset(), True)
            case "best":
                return min(self.members(Region(frozenset())), key=self.energy_of)
            case "answers":
                return self.answers()
            case "factors":
                return list(self.terms())
        raise NotImplementedError(name)

    def member(self, e: t.Member, scope: Scope) -> Any:
        base = self.value(e.base, scope)
        if not isinstance(base, Configuration | Answer):
            return base.get(e.name)
        kind = self.text.slots[e.name][0].type

        def at(place: tuple[int, ...]) -> Any:
            spot = Spot(e.name, place)
            if isinstance(base, Configuration):
                return self.plain(kind, self.at(base, spot))
            return self.seen(spot)

        axes = self.axes(e.name)
        return Arr(axes, at) if axes else at(())

    def index(self, e: t.Index, scope: Scope) -> Any:
        base = None
        if isinstance(e.base, t.Name) and (e.base.name in scope or e.base.name in WORDS):
            base = self.name(e.base.name, scope)
        if not isinstance(base, Configuration | Answer):
            return super().index(e, scope)
        (subscript,) = e.subscripts
        spot = self.value(subscript, scope)
        assert isinstance(spot, Spot)
        if isinstance(base, Answer):
            return self.seen(spot)
        return self.plain(self.text.slots[spot.name][0].type, self.at(base, spot))

    def binary(self, e: t.Binary, scope: Scope) -> Any:
        left, right = self.value(e.left, scope), self.value(e.right, scope)
        if isinstance(left, Configuration | Answer) and isinstance(right, Configuration | Answer):
            assert e.operator == "-"
            left, right = self.numbers(left), self.numbers(right)
        if e.operator == "*" and 0 in [x for x in (left, right) if isinstance(x, int | float)]:
            return 0.0
        return self.operate(e.operator, left, right)

    def run(self, source: t.Expression, scope: Scope) -> Any:
        value = None
        if isinstance(source, t.Name) and source.name in scope:
            value = scope[source.name]()
        elif isinstance(source, t.Name) and source.name in WORDS:
            value = self.name(source.name, scope)
        elif isinstance(source, t.Call) and source.name.name in ("wrong", "only", "pin", *BEYOND):
            value = self.call(source, scope)
        if isinstance(value, Region):
            return self.members(value)
        return value if isinstance(value, list) else super().run(source, scope)

    # -- calls

    def call(self, e: t.Call, scope: Scope) -> Any:
        name = e.name.name
        target = scope[name]() if name in scope else self.declared(name, scope)
        for argument in e.arguments:
            if argument.name == "by" and not (
                isinstance(argument.value, t.Name) and argument.value.name == "exact"
            ):
                if not isinstance(target, Definition):
                    raise NotImplementedError(f"{name}(by = …)")
        if isinstance(target, Definition):
            node = target.node
            return self.value(node.value, self.actual(node.formals, e, scope, target.place))
        if isinstance(target, Energy):
            return self.least(target, self.value(e.arguments[0].value, scope))
        match name:
            case "free":
                given = self.given(e, scope, ("S", "beta"))
                of, beta = given["S"], given.get("beta", 1)
                return soft([self.energy_of(c) for c in self.every(of)], beta)
            case "softmin":
                values = [
                    self.value(e.arguments[0].value, inner)
                    for inner in self.bind(e.arguments[0].binders, scope)
                ]
                rest = {a.name: self.value(a.value, scope) for a in e.arguments[1:]}
                return soft(values, rest.get("beta", 1))
            case "wrong":
                given = self.given(e, scope, ("S", "eps"))
                inside = given.get("S", Region(frozenset()))
                return Region(inside.fixed, True, given.get("eps", inside.eps))
            case "only" | "pin":
                named = {s for a in e.arguments for s in self.chosen(a.value, scope)}
                every = set(self.answers())
                return Region(frozenset(every - named if name == "only" else every & named))
            case "mistakes":
                return mistakes(*(self.value(a.value, scope) for a in e.arguments))
        if name in BEYOND:
            raise NotImplementedError(name)
        if LIBRARY not in scope:
            return super().call(e, scope)
        if e.arguments[0].binders is not None:
            return self.comprehension(e, scope)
        return self.function(name, [self.value(a.value, scope) for a in e.arguments])

    def given(self, e: t.Call, scope: Scope, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the arguments of a call by name."""
        found = {}
        for k, argument in enumerate(e.arguments):
            found[argument.name or names[k]] = self.value(argument.value, scope)
        return found

    def every(self, of: Configuration | Region) -> list[Configuration]:
        return [of] if isinstance(of, Configuration) else self.members(of)

    def chosen(self, node: t.Expression, scope: Scope) -> list[Spot]:
        """Return the unknowns that `only(…)` or `pin(…)` names."""
        if isinstance(node, t.Name) and node.name in scope:
            spot = scope[node.name]()
            assert isinstance(spot, Spot)
            return [spot]
        if isinstance(node, t.Name):
            return self.spots(node.name)
        assert isinstance(node, t.Index) and isinstance(node.base, t.Name)
        values = [self.value(s, scope) for s in node.subscripts]
        axes = self.axes(node.base.name)
        place = tuple(axis.place(v) for axis, v in zip(axes, values))
        return [s for s in self.spots(node.base.name) if s.place[: len(place)] == place]


def mistakes(a: Any, b: Any) -> int:
    """Return how many places differ between segments, or whether other values do."""
    one, two = (x.value if isinstance(x, Seen) else x for x in (a, b))
    if not isinstance(one, Sequence) or not isinstance(two, Sequence) or not _segments(one):
        return int(a != b)
    found, seen = _by_place(one), _by_place(two)
    return sum(1 for k, label in seen.items() if label is not None and found[k] != label)


def _segments(value: Sequence) -> bool:
    return bool(value.elements) and len(value.elements[0]) - value.labelled == 2


def _by_place(value: Sequence) -> dict[int, Any]:
    """Return the label of each place; without labels, the segment that it lies in."""
    return {k: e[2] if value.labelled else e for e in value.elements for k in range(e[0], e[1] + 1)}


def _nothing(node: t.LossDefinition) -> t.Call:
    return t.Call(node.span, node.name, ())
