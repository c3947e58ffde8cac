"""Formulas of losses: what they mean, what is refused and how, what is left for training.

What a typed formula means is held against energies written down by hand and enumerated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import product
from math import exp, inf, log, prod, sqrt
from pathlib import Path
from typing import Any

import pytest

from factorgraph.compiler.differentiate import derivative
from factorgraph.compiler.loss import ProbeValue, plan
from factorgraph.errors import FgError, ModelError, ModelErrors, NotBuiltError
from factorgraph.model import loss as typed
from factorgraph.model import region as r
from factorgraph.model.check import check
from factorgraph.model.expression import (
    Apply,
    Const,
    Expr,
    GivenRead,
    ParamRead,
    Reduce,
    SizeOf,
    Variable,
    walk,
)
from factorgraph.model.formula import check_formula, check_losses, formula_warnings
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.library import standard
from factorgraph.model.loss import Formula
from factorgraph.model.model import Model
from factorgraph.model.vocabulary import TASKS
from factorgraph.pipeline import compile as compiled
from factorgraph.pipeline import load
from factorgraph.syntax import tree as t
from factorgraph.syntax.parser import parse

LANGUAGE = sorted((Path(__file__).parent / "language").glob("*.fg"))


@cache
def checked(text: str) -> Model:
    """Return the Model of a text whose losses nobody has looked at."""
    return check(parse(text))


def expression(text: str) -> t.Expression:
    (statement,) = parse(f"loss {text}", "--loss").statements
    assert isinstance(statement, t.LossChoice)
    return statement.value


def formula(text: str, loss: str) -> Formula:
    return check_formula(checked(text), expression(loss))


# -- the texts


@pytest.mark.parametrize("path", LANGUAGE, ids=lambda p: p.stem)
def test_losses_of_the_texts_are_right(path: Path) -> None:
    """Each is checked, and trains, or is refused by one error that names what is missing."""
    model = load(path).checked
    found = check_losses(model)
    assert (found is None) == (model.loss is None)
    if found is None or model.loss is None:
        return
    assert formula_warnings(model, found) == []
    try:
        assert plan(model, model.loss).probes
    except NotBuiltError as error:
        assert error.code == "E0600" and error.message.endswith(": not built yet")
        assert error.span is not None and error.span.text in path.read_text(encoding="utf-8")


def test_some_of_the_texts_can_be_planned() -> None:
    for name in ("chunker", "hmm", "dhmm", "gtn", "triplet", "sparse_coding", "drlim"):
        model = load(Path(__file__).parent / "language" / f"{name}.fg").checked
        assert model.loss is not None
        assert len(plan(model, model.loss).probes) in (1, 2)


# -- what formulas mean

CHAIN = """
    size   n
    given  w, area[n] : real
    answer y[n] : 0..2
    LATENT
    param  a[3], b
    factor emit[t in n]      = a[y[t]] * area[t]
    factor move[t in 1..n-1] = b * (y[t] != y[t-1])
    OVER
    fun    miss(Y) = sum(area[i] * (Y.y[i] != answer.y[i]) for i in n)
    fun    skew(Y) = sum((if answer.y[i] == 1 then 3 else 1) * (Y.y[i] != answer.y[i]) / 2 - 0.1
                         for i in n) - mistakes(Y.y[0], 2)
"""
PLAIN = CHAIN.replace("LATENT", "").replace("OVER", "")
HIDDEN = CHAIN.replace("LATENT", "latent z[n] : bit").replace(
    "OVER", "factor lift[t in n] = b * z[t] * (y[t] - 1) - a[1] * z[t]"
)

Point = Mapping[str, tuple[float, ...]]


class World:
    """One instance of the chain, by hand."""

    def __init__(self, hidden: bool, observed: tuple[int | None, ...]) -> None:
        self.hidden, self.observed, self.n = hidden, observed, len(observed)
        self.a, self.b = (0.3, -0.8, 0.5), 0.7
        self.area, self.w = (1.0, 2.5, 0.5)[: self.n], 1.7
        self.best: Point = min(self.every(), key=self.energy)
        self.drawn = (1,) * self.n
        self.draws = list(self.every())[3:9]

    def every(self) -> Iterator[Point]:
        spaces = [range(3)] * self.n + [range(2)] * (self.n if self.hidden else 0)
        for values in product(*spaces):
            yield {"y": values[: self.n], "z": values[self.n :]}

    def part(self, name: str, index: tuple[float, ...], c: Point) -> float:
        y, z, k = c["y"], c["z"], int(index[0])
        if name == "emit":
            return self.a[int(y[k])] * self.area[k]
        if name == "move":
            return self.b * (y[k] != y[k - 1])
        return self.b * z[k] * (y[k] - 1) - self.a[1] * z[k]

    def parts(self) -> list[tuple[str, tuple[float, ...]]]:
        found: list[tuple[str, tuple[float, ...]]] = [("emit", (k,)) for k in range(self.n)]
        found += [("move", (k,)) for k in range(1, self.n)]
        return found + [("lift", (k,)) for k in range(self.n) if self.hidden]

    def energy(self, c: Point) -> float:
        return sum(self.part(name, index, c) for name, index in self.parts())

    def noise(self, c: Point) -> float:
        return 0.2 * sum(c["y"]) + 0.1 * sum(c["z"])

    # regions

    def agrees(self, c: Point, places: Any) -> bool:
        return all(self.observed[k] in (None, c["y"][k]) for k in places)

    def answer(self) -> list[Point]:
        return [c for c in self.every() if self.agrees(c, range(self.n))]

    def wrong(self, inside: list[Point] | None = None) -> list[Point]:
        inside = list(self.every()) if inside is None else inside
        return [c for c in inside if not self.agrees(c, range(self.n))]

    def only(self, k: int) -> list[Point]:
        return [c for c in self.every() if self.agrees(c, set(range(self.n)) - {k})]

    def pin(self, k: int) -> list[Point]:
        return [c for c in self.every() if self.agrees(c, [k])]

    def sample(self) -> list[Point]:
        return [c for c in self.every() if c["y"] == self.drawn]

    # numbers

    def E(self, inside: list[Point] | None = None) -> float:
        return min((self.energy(c) for c in inside or self.every()), default=inf)

    def free(self, inside: list[Point] | None = None, beta: float = 1.0) -> float:
        return soft([self.energy(c) for c in inside or self.every()], beta)

    def known(self) -> list[int]:
        return [k for k in range(self.n) if self.observed[k] is not None]

    def hamming(self, c: Point) -> float:
        return sum(c["y"][k] != self.observed[k] for k in self.known())

    def miss(self, c: Point) -> float:
        return sum(self.area[k] * (c["y"][k] != self.observed[k]) for k in self.known())

    def skew(self, c: Point) -> float:
        weight = [3 if o == 1 else 1 for o in self.observed]
        each = [weight[k] * (c["y"][k] != self.observed[k]) / 2 - 0.1 for k in range(self.n)]
        return sum(each) - (c["y"][0] != 2)


def soft(values: list[float], beta: float) -> float:
    if beta == inf:
        return min(values)
    return -log(sum(exp(-beta * v) for v in values)) / beta


def sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x))


def softplus(x: float) -> float:
    return log(1 + exp(x))


class Reader:
    """Gives a typed formula its value in a world, by enumeration."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.bound: dict[r.Bound, Point] = {}
        self.index: dict[Variable, float] = {}

    def point(self, c: r.Configuration) -> Point:
        if isinstance(c, r.Bound):
            return self.bound[c]
        if isinstance(c, r.Best):
            return self.world.best
        assert isinstance(c, r.Observed)
        return {"y": tuple(-1 if o is None else o for o in self.world.observed)}

    def places(self, places: tuple[r.Place, ...]) -> set[int]:
        found: set[int] = set()
        for p in places:
            assert p.unknown == "y"
            found |= {int(self(i)) for i in p.indices} or set(range(self.world.n))
        return found

    def region(self, region: r.Region) -> list[Point]:
        world = self.world
        match region:
            case r.Answer():
                return world.answer()
            case r.Anything():
                return list(world.every())
            case r.Wrong(inner=inner):
                return world.wrong(self.region(inner))
            case r.Only(places=places):
                (k,) = self.places(places)
                return world.only(k)
            case r.Pin(places=places):
                (k,) = self.places(places)
                return world.pin(k)
            case r.Sample():
                return world.sample()
        assert isinstance(region, r.Draw)
        return [c for c in world.draws if c in self.region(region.inner)]

    def energy(self, energy: r.Energy, c: Point) -> float:
        if isinstance(energy, r.Part):
            names = self.world.parts()
            if energy.indices is None:
                return sum(self.world.part(n, i, c) for n, i in names if n == energy.name)
            return self.world.part(energy.name, tuple(map(self, energy.indices)), c)
        return self.world.noise(c) if isinstance(energy, r.Second) else self.world.energy(c)

    def runs(self, bound: r.Bound, region: r.Region, body: Expr) -> list[float]:
        values = []
        for c in self.region(region):
            self.bound[bound] = c
            values.append(self(body))
        return values

    def __call__(self, e: Expr) -> float:
        world = self.world
        match e:
            case Const(value=value):
                return value  # type: ignore[return-value]
            case Variable():
                return self.index[e]
            case SizeOf():
                return world.n
            case GivenRead(name="area", indices=(index,)):
                return world.area[int(self(index))]
            case GivenRead(name="w"):
                return world.w
            case ParamRead(name="b"):
                return world.b
            case Reduce():
                values = []
                for k in range(int(self(e.low)), int(self(e.high)) + 1):
                    self.index[e.index] = k
                    if e.guard is None or self(e.guard):
                        values.append(self(e.body))
                return {"sum": sum, "min": min, "max": max}[e.operator](values)  # type: ignore[operator]
            case Apply():
                return apply(e.operator, [lambda x=x: self(x) for x in e.arguments])
            case typed.RegionEnergy():
                return soft([self.energy(e.energy, c) for c in self.region(e.region)], e.beta)
            case typed.EnergyAt():
                return self.energy(e.energy, self.point(e.configuration))
            case typed.Extremum():
                values = self.runs(e.configuration, e.region, e.body)
                if e.operator == "softmin":
                    return soft(values, e.beta)
                return min(values) if e.operator == "min" else max(values)
            case typed.OverDraws():
                return sum(self.runs(e.configuration, e.region, e.body))
            case typed.IsObserved(indices=(index,)):
                return world.observed[int(self(index))] is not None
        assert isinstance(e, typed.ValueIn), e
        return self.point(e.configuration)[e.unknown][int(self(e.indices[0]))]


def apply(operator: str, parts: list[Callable[[], float]]) -> float:
    if operator == "if":
        return parts[1]() if parts[0]() else parts[2]()
    a = [part() for part in parts]
    simple: dict[str, Callable[..., float]] = {
        "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y,
        "/": lambda x, y: x / y, "^": lambda x, y: x**y, "==": lambda x, y: x == y,
        "!=": lambda x, y: x != y, "neg": lambda x: -x, "not": lambda x: not x,
        ">": lambda x, y: x > y, "and": lambda x, y: x and y, "min": min, "max": max,
        "exp": exp, "log": log, "sqrt": sqrt, "abs": abs, "sigmoid": sigmoid, "softplus": softplus,
    }  # fmt: skip
    return simple[operator](*a)


def cost(s: World) -> Callable[[Point], float]:
    return s.hamming


def least(s: World, c: Callable[[Point], float], scale: float = 1.0) -> float:
    return min(s.energy(x) - scale * c(x) for x in s.every())


def piecewise(s: World, beta: float = 1.0) -> float:
    total = 0.0
    for name, index in s.parts():
        inside = [s.part(name, index, c) for c in s.answer()]
        total += soft(inside, beta) - soft([s.part(name, index, c) for c in s.every()], beta)
    return total


def nce(s: World, k: int) -> float:
    noise = min(s.noise(c) for c in s.answer())
    total = softplus(s.E(s.answer()) + log(k) - noise)
    return total + sum(softplus(s.noise(c) - s.energy(c) - log(k)) for c in s.draws)


def differs(s: World, c: Point) -> float:
    return max(c["y"][k] != s.observed[k] for k in s.known())


MEANING: dict[str, Callable[[World], float]] = {
    "energy": lambda s: s.E(s.answer()),
    "perceptron": lambda s: s.E(s.answer()) - s.E(),
    "hinge(m = 2)": lambda s: max(0.0, 2 + s.E(s.answer()) - s.E(s.wrong())),
    "logistic": lambda s: softplus(s.E(s.answer()) - s.E(s.wrong())),
    "lvq2(0.5)": lambda s: min(0.5, max(0.0, s.E(s.answer()) - s.E(s.wrong()))),
    "mce": lambda s: sigmoid(s.E(s.answer()) - s.E(s.wrong())),
    "mce(beta = 2)": lambda s: sigmoid(s.free(s.answer(), 2) - s.free(s.wrong(), 2)),
    "square_square": lambda s: s.E(s.answer()) ** 2 + max(0.0, 1 - s.E(s.wrong())) ** 2,
    "square_exp(g = 0.5)": lambda s: s.E(s.answer()) ** 2 + 0.5 * exp(-s.E(s.wrong())),
    "nll": lambda s: s.free(s.answer()) - s.free(),
    "nll(beta = 0.4)": lambda s: s.free(s.answer(), 0.4) - s.free(beta=0.4),
    "mee": lambda s: 1 - exp(s.free() - s.free(s.answer())),
    "likelihood": lambda s: s.free(s.answer()),
    "margin": lambda s: s.E(s.answer()) - least(s, s.hamming),
    "margin(cost = miss)": lambda s: s.E(s.answer()) - least(s, s.miss),
    "margin(cost = skew)": lambda s: s.E(s.answer()) - least(s, s.skew),
    "squared_margin": lambda s: (s.E(s.answer()) - least(s, s.hamming)) ** 2,
    "slack": lambda s: max(s.hamming(c) * (1 + s.E(s.answer()) - s.energy(c)) for c in s.every()),
    "softmax_margin(beta = 2)": lambda s: (
        s.free(s.answer(), 2) - soft([s.energy(c) - s.hamming(c) for c in s.every()], 2)
    ),
    "ramp": lambda s: s.E() - least(s, s.hamming),
    "direct(cost = differs)": lambda s: (s.E() - least(s, lambda c: differs(s, c), 0.1)) / 0.1,
    "unified(1, 2, 0.5)": lambda s: (
        s.free(s.answer()) - soft([s.energy(c) - 0.5 * s.hamming(c) for c in s.every()], 2)
    ),
    "pseudo": lambda s: sum(s.free(s.answer()) - s.free(s.only(k)) for k in s.known()),
    "pseudo_margin(m = 2)": lambda s: sum(
        max(0.0, 2 + s.E(s.answer()) - s.E(s.wrong(s.only(k)))) for k in s.known()
    ),
    "piecewise": piecewise,
    "ratio": lambda s: sum(
        sigmoid(s.free(s.answer()) - s.free(s.wrong(s.only(k)))) ** 2 for k in s.known()
    ),
    "univariate(beta = 2)": lambda s: sum(
        2 * (s.free(s.pin(k), 2) - s.free(beta=2)) for k in s.known()
    ),
    "smooth_hamming": lambda s: sum(1 - exp(s.free() - s.free(s.pin(k))) for k in s.known()),
    "cd(k = 2)": lambda s: s.free(s.answer()) - s.free(s.sample()),
    "pcd": lambda s: s.free(s.answer()) - s.free(s.sample()),
    "variational": lambda s: s.free(s.answer()) - s.free(s.sample()),
    "nce(q)": lambda s: nce(s, 10),
    "wake_sleep(q)": lambda s: (
        sum(s.energy(c) for c in s.draws if c in s.answer()) + sum(map(s.noise, s.draws))
    ),
    "w * nll + b": lambda s: s.w * (s.free(s.answer()) - s.free()) + s.b,
    "sum(area[i] for i in n) * E(answer) / n": lambda s: sum(s.area) * s.E(s.answer()) / s.n,
    "emit(any) - move(best) + E(best)": lambda s: (
        min(sum(s.part("emit", (k,), c) for k in range(s.n)) for c in s.every())
        - sum(s.part("move", (k,), s.best) for k in range(1, s.n))
        + s.energy(s.best)
    ),
    "sum(mean(E(only(v)) for v in answers) * area[i] for i in n)": lambda s: (
        sum(s.area) * sum(s.E(s.only(k)) for k in s.known()) / len(s.known())
    ),
    "max(E(pin(v)) for v in answers if w > 1)": lambda s: max(s.E(s.pin(k)) for k in s.known()),
    "sum(E(pin(y[t])) for t in 0..1)": lambda s: s.E(s.pin(0)) + s.E(s.pin(1)),
}
OF_REAL_ANSWERS = {"score", "denoising", "restore"}


@pytest.fixture(scope="module")
def models() -> dict[bool, Model]:
    from dataclasses import replace

    found = {False: checked(PLAIN), True: checked(HIDDEN)}
    return {k: replace(m, energies={"q": m}) for k, m in found.items()}


def test_every_standard_loss_is_tried() -> None:
    tried = {name.split("(")[0].split(" ")[0] for name in MEANING} | OF_REAL_ANSWERS
    assert set(standard().losses) <= tried


@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "hidden"])
@pytest.mark.parametrize("loss", MEANING)
def test_meaning(models: dict[bool, Model], loss: str, hidden: bool) -> None:
    found = check_formula(models[hidden], expression(loss))
    # a cost that reads `answer` where nothing is observed counts nothing: only `hamming` and
    # those of terms say so by themselves
    gaps = "differs" not in loss and "cost" not in loss
    for observed in [(1, 0), (0, 2, 1), *([(2, None, 1)] if gaps else [])]:
        world = World(hidden, observed)
        assert Reader(world)(found.value) == pytest.approx(MEANING[loss](world), abs=1e-9)


@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "hidden"])
@pytest.mark.parametrize(
    ("loss", "terms"),
    [
        ("margin", 1),
        ("margin(cost = miss)", 1),
        ("margin(cost = skew)", 2),
        ("direct", 1),
        ("unified(1, 2, 3)", 1),
        ("min(w * E(Y) + emit(Y) / 2 - (Y.y[0] + Y.y[1]) * b for Y in any)", 2),
        ("min(E(Y) - (Y.y[0] * Y.y[1]) * (if w > 1 then w else 0) for Y in any)", 1),
        ("min(E(Y) - (if w > 1 then miss(Y) else hamming(Y)) for Y in any)", 2),
        ("E(any) + softmin(3 - E(answer) - hamming(Y) - E(Y) for Y in any)", 1),
    ],
)
def test_costs_split(models: dict[bool, Model], loss: str, terms: int, hidden: bool) -> None:
    """A sum of energies and small terms is, at every configuration, what was split."""
    found = check_formula(models[hidden], expression(loss))
    (extremum,) = {e for e in walk(found.value) if isinstance(e, typed.Extremum)}
    split = extremum.split
    assert split is not None and len(split.terms) == terms
    for term in split.terms:
        assert term.reads == tuple(
            dict.fromkeys(
                e for e in walk(term.body)
                if isinstance(e, typed.ValueIn) and e.configuration == extremum.configuration
            )
        )  # fmt: skip
        assert term.reads and all(len(read.indices) == 1 for read in term.reads)
    world = World(hidden, (2, 1, 1))
    reader = Reader(world)
    for c in world.every():
        reader.bound[extremum.configuration] = c
        total = reader(split.constant)
        total += sum(reader(weight) * reader.energy(e, c) for weight, e in split.energies)
        for term in split.terms:
            total += summed(reader, term)
        assert total == pytest.approx(reader(extremum.body), abs=1e-9)


def summed(reader: Reader, term: typed.Term) -> float:
    runs = [range(int(reader(b.low)), int(reader(b.high)) + 1) for b in term.binders]
    total = 0.0
    for values in product(*runs):
        reader.index |= {b.variable: k for b, k in zip(term.binders, values, strict=True)}
        if term.guard is None or reader(term.guard):
            total += reader(term.weight) * reader(term.body)
    return total


@pytest.mark.parametrize(
    "loss",
    [
        "max(E(Y) * (1 + E(Y)) for Y in any)",
        "min(E(Y) * E(Y) for Y in any)",
        "min(E(Y) - hamming(Y)^2 for Y in any)",
        "min(E(Y) - max(Y.y[i] for i in n) for Y in any)",
        "min(E(Y) - area[Y.y[0]] * hamming(Y) for Y in any)",
        "min(E(Y) - sum(Y.y[i] * Y.y[j] for i in n for j in n)^2 for Y in any)",
        "min(sum(area[i] * sum(f(Y) for f in factors) for i in n) for Y in any)",
    ],
)
def test_what_does_not_split(loss: str) -> None:
    """It is right, and refused for training by name."""
    model = checked(PLAIN)
    found = check_formula(model, expression(loss))
    (extremum,) = {e for e in walk(found.value) if isinstance(e, typed.Extremum)}
    assert extremum.split is None
    with pytest.raises(NotBuiltError, match="does not split .* k best: not built yet"):
        plan(model, expression(loss))


def test_products_of_few_values_are_small() -> None:
    """Pairs of places are one term each, for every pair."""
    found = formula(PLAIN, "min(E(Y) - sum(Y.y[i] * Y.y[i-1] for i in 1..n-1) for Y in any)")
    (extremum,) = {e for e in walk(found.value) if isinstance(e, typed.Extremum)}
    assert extremum.split is not None
    (term,) = extremum.split.terms
    assert len(term.binders) == 1 and len(term.reads) == 2


REAL = "size n answer x[n] : real param a factor quartic[i in n] = a * x[i]^4"


@pytest.mark.parametrize("x", [(0.5, -1.5), (2.0,)])
def test_meaning_for_real_answers(x: tuple[float, ...]) -> None:
    a, noise, s = 0.7, (0.03, -0.2), 0.1
    moved = [v + e for v, e in zip(x, noise, strict=False)]
    best = [0.1, 0.2]

    def read(e: Expr, k: int) -> float:
        match e:
            case Const(value=value):
                return value  # type: ignore[return-value]
            case Apply():
                return apply(e.operator, [lambda p=p: read(p, k) for p in e.arguments])
            case typed.OverCoordinates(operator="sum"):
                return sum(read(e.body, i) for i in range(len(x)))
            case typed.Laplacian():
                return sum(12 * a * v**2 for v in x)
            case typed.Gradient() | typed.Coordinate():
                assert e.configuration in (r.Observed(e.span), r.Best(e.span), r.Jitter(e.span, s))
                where = {r.Observed: x, r.Jitter: moved, r.Best: best}[type(e.configuration)][k]
                return 4 * a * where**3 if isinstance(e, typed.Gradient) else where
        raise AssertionError(e)

    meant = {
        "score": sum((4 * a * v**3) ** 2 for v in x) / 2 - sum(12 * a * v**2 for v in x),
        "denoising": sum(
            (4 * a * m**3 - (m - v) / s**2) ** 2 for m, v in zip(moved, x, strict=True)
        ) / 2,
        "restore": sum((b - v) ** 2 for b, v in zip(best, x, strict=False)),
        "dot(best - answer, -grad(answer)) + norm(best)": sum(
            -(b - v) * 4 * a * v**3 for b, v in zip(best, x, strict=False)
        ) + sqrt(sum(b**2 for b in best[: len(x)])),
        "sum(abs(best - 2 * answer))": sum(
            abs(b - 2 * v) for b, v in zip(best, x, strict=False)
        ),
    }  # fmt: skip
    for loss, truth in meant.items():
        found = formula(REAL, loss)
        assert read(found.value, -1) == pytest.approx(truth, rel=1e-9), loss


def test_norm_squared_is_smooth() -> None:
    value = formula(REAL, "restore").value
    assert not any(isinstance(e, Apply) and e.operator == "sqrt" for e in walk(value))


# -- names


def used(text: str, loss: str) -> list[str]:
    return [line.split("(")[0].split()[1] for line in formula(text, loss).used]


def test_library_losses_keep_their_meaning() -> None:
    """The text's own `margin`, `hamming` and names of words do not reach the library's."""
    text = (
        PLAIN
        + """
        let margin = 5
        fun hamming(Y) = 7 * Y.y[0]
        given E, any, k : real
        loss nll = 3 * E(answer)
    """
    )
    model = checked(text.replace("loss nll = 3 * E(answer)", "loss nll = 3 * perceptron"))
    for loss in ("squared_margin", "slack", "softmax_margin"):
        found = check_formula(model, expression(loss))
        for observed in [(1, 0), (0, 2, 1)]:
            world = World(False, observed)
            meant = MEANING["softmax_margin(beta = 2)" if loss == "softmax_margin" else loss]
            if loss == "softmax_margin":
                found = check_formula(model, expression("softmax_margin(2)"))
            assert Reader(world)(found.value) == pytest.approx(meant(world))
    world = World(False, (1, 0))
    own = check_formula(model, expression("nll"))
    assert Reader(world)(own.value) == pytest.approx(3 * MEANING["perceptron"](world))
    own = check_formula(model, expression("ramp(cost = hamming)"))
    assert Reader(world)(own.value) == pytest.approx(
        world.E() - min(world.energy(c) - 7 * c["y"][0] for c in world.every())
    )
    hidden = refused(text.replace("loss nll = 3 * E(answer)", ""), "2 * margin")
    assert hidden.code == "E0203"
    assert hidden.hint == "the text declares `margin`, which hides the standard loss: rename it"


def test_own_losses() -> None:
    text = (
        PLAIN
        + """
        loss disc = free(answer) - free(only(y))
        loss both(c = 0.1, other = 2) = disc + c * mine(m = other)
        loss mine(m = 1) = hinge(m)
        loss both
    """
    )
    model = checked(text)
    found = check_losses(model)
    assert found is not None and found.text == "both"
    world = World(False, (1,))
    assert Reader(world)(found.value) == pytest.approx(
        world.free(world.answer()) - world.free() + 0.1 * MEANING["hinge(m = 2)"](world)
    )


def test_what_a_run_keeps_of_the_library() -> None:
    """Definitions that the stored text needs, as long as they mean the same there."""
    assert used(PLAIN, "nll") == ["nll"]
    assert used(PLAIN, "squared_margin") == ["squared_margin", "margin", "hamming"]
    assert used(PLAIN, "0.5 * nll + hinge") == ["nll", "hinge"]
    assert used(PLAIN + "fun hamming(Y) = Y.y[0]", "squared_margin") == []
    assert used(PLAIN + "given any : real", "energy + perceptron") == ["energy"]
    assert used(PLAIN + "loss energy = E(any)", "energy") == []
    kept = "\n".join(formula(PLAIN, "squared_margin").used)
    again = checked(PLAIN + kept)
    world = World(False, (2, 0))
    value = Reader(world)(check_formula(again, expression("squared_margin")).value)
    assert value == pytest.approx(MEANING["squared_margin"](world))
    assert check_formula(again, expression("squared_margin")).used == ()


# -- what is refused

HEAD = """\
domain Tag = {Noun, Verb}
size   n, k = 3
given  xs[n] : real
given  word[n] : text
given  pairs[k] : (a: n, b: n)
answer y[n] : Tag
answer v[n] : 0..3
latent z : bit
param  W[Tag, k], u
let    gain = 2
let    zz = z * 2
map    net = linear(k, 2)
fun    twice(a, b = 1) = a * 2 + b
factor emit[t in n] = u * xs[t] * (y[t] == "Noun")
factor link[t in n] = u * v[t] * z
"""
OWN_ENERGIES = HEAD + "factor at = u * v[0]\n"


def refused(head: str, loss: str) -> ModelError:
    """Return the one error of a chosen loss."""
    model = checked(head)
    with pytest.raises(ModelError) as caught:
        check_formula(model, expression(loss))
    assert not isinstance(caught.value, NotBuiltError)
    return caught.value


WRONG = [
    # names
    ("E(answr)", "E0202", "answr", "did you mean `answer`?"),
    ("nlll", "E0202", "nlll", "did you mean `nll`?"),
    ("logloss", "E0202", "logloss", "here it is `nll`"),
    ("2 * SVM(1)", "E0202", "SVM", "here it is `margin`, or `hinge`"),
    ("mse", "E0202", "mse", "here it is `restore`"),
    ("log", "E0110", "log", "`log(…)`; the loss is `nll`"),
    ("softplu(E(any))", "E0202", "softplu", "did you mean `softplus`?"),
    ("nce(q)", "E0202", "q", None),
    ("xs(any)", "E0202", "xs", "index it: `xs[…]`"),
    # no energy
    ("3", "E0203", "3", "use E(answer), E(any), free(any), …"),
    ("u * xs[0]", "E0203", "u * xs[0]", "use E(answer), E(any), free(any), …"),
    ("hamming(answer)", "E0203", "hamming(answer)", "use E(answer), E(any), free(any), …"),
    # no number
    ("answer", "E0204", "answer", "E(answer) is its least energy, free(answer) its free energy"),
    ("E(any) + wrong(only(y))", "E0204", "wrong(only(y))",
     "E(wrong(only(y))) is its least energy, free(wrong(only(y))) its free energy"),
    ("best", "E0204", "best", "E(best) is its energy, best.y[t] a value in it"),
    ("E", "E0204", "E", "apply it: E(answer), E(any)"),
    ("emit", "E0204", "emit", "apply it: emit(answer), emit(any)"),
    ("hamming", "E0204", "hamming", "apply it: hamming(…)"),
    ("gibbs", "E0204", "gibbs", "it stands after `by =`"),
    ("E(any) + answers", "E0204", "answers", "sum(… for v in answers)"),
    ("E(any) * (best == answer)", "E0204", "best == answer", None),
    ("sum(v * E(any) for v in answers)", "E0204", "v", "Y[v] is its value in Y"),
    # regions
    ("E()", "E0205", "E()", "E(answer), E(any)"),
    ("E(2)", "E0205", "2", "`2` is a number"),
    ("E(emit)", "E0205", "emit", "`emit` is an energy: emit(any), emit(answer)"),
    ("free(best)", "E0205", "best", "`best` is a configuration: E(best) is its energy"),
    ("E(wrong(hamming))", "E0205", "hamming", "`hamming` is a fun"),
    ("E(draw())", "E0205", "draw()", "draw(any), draw(answer, q)"),
    ("min(E(Y) for Y in 3)", "E0205", "Y", "`Y` is a number; run over a region: for Y in any"),
    ("min(E(Y) for Y in emit)", "E0205", "emit", None),
    ("softmin(E(Y) for Y in n)", "E0205", "n", "`n` is a number"),
    ("sum(E(v) for v in answers)", "E0205", "v", "`v` is a place: only(v), pin(v)"),
    # positive numbers
    ("free(any, beta = 0)", "E0206", "0", None),
    ("free(any, beta = E(any))", "E0206", "E(any)", None),
    (
        "free(any, u)", "E0206", "u",
        "a number, or a `let NAME = number`; to train a scale, multiply the energy by a "
        "`positive` param",
    ),
    ("nll(beta = -1)", "E0206", "-1", None),
    ("softmin(E(Y) for Y in any, beta = xs[0])", "E0206", "xs[0]", None),
    # energies, places, costs
    ("E(draw(any, 3))", "E0208", "3", 'E, or the q of `use "noise.fg" as q`'),
    ("E(only(w))", "E0209", "w", None),
    ("E(only(xs))", "E0209", "xs", None),
    ("E(only(3))", "E0209", "3", None),
    ("E(only(answer.y[0]))", "E0209", "answer.y[0]", "write `y[0]`"),
    ("E(only(y[0..1]))", "E0209", "y[0..1]", "name them one by one: y[0], y[1]"),
    ("E(pin(z))", "E0209", "z", "pin takes answers"),
    ("min(E(Y) + Y[0] for Y in any)", "E0209", "0", "Y.y[t] is y[t] in Y"),
    ("margin(cost = 3)", "E0210", "3", None),
    ("margin(cost = nll)", "E0210", None, None),
    ("nce(u)", "E0210", "u", None),
    # algorithms
    ("cd(by = gibs)", "E0211", "gibs", "did you mean `gibbs`?"),
    ("E(any, by = trws + expanson)", "E0211", "expanson", "did you mean `expansion`?"),
    ("E(any, by = 3)", "E0211", "3", None),
    ("E(any, by = gibbs)", "E0212", "gibbs", None),
    ("free(answer, by = trws)", "E0212", "trws", None),
    ("cd(by = trws(iterations = 3))", "E0212", "trws(iterations = 3)", None),
    ("cd(by = hmc)", "E0212", "hmc", "by = gibbs"),
    ("free(any, by = meanfield)", "E0212", "any",
     "free(answer, by = meanfield) - free(sample(k, chains))"),
    # whole numbers
    ("E(sample(0))", "E0213", "0", None),
    ("cd(k = 1.5)", "E0213", "1.5", "a number, or a `let NAME = number`"),
    ("pcd(chains = u)", "E0213", "u", None),
    ("E(draw(any, E, inf))", "E0213", "inf", None),
    # no slope
    ("E(any) == 2", "E0214", "E(any) == 2", None),
    ("if E(any) > 1 then 2 else 1", "E0214", "if E(any) > 1 then 2 else 1", None),
    ("hamming(best)", "E0214", "hamming(best)", None),
    # nothing there
    ("E(wrong(answer))", "E0215", "wrong(answer)", "wrong, wrong(any), wrong(only(v))"),
    ("E(wrong(only(z)))", "E0215", "wrong(only(z))", None),
    ("E(wrong(pin(y, v)))", "E0215", "wrong(pin(y, v))", None),
    # real answers
    ("score", "E0217", "score", None),
    ("norm(grad(answer))", "E0217", "grad(answer)", None),
    ("norm(best - answer)", "E0217", "best", None),
    ("E(jitter(0.1))", "E0217", "jitter(0.1)", None),
    ("E(wrong(any, 0.1))", "E0218", "wrong(any, 0.1)", "leave it out"),
    # values in configurations
    ("min(E(Y) + Y.q for Y in any)", "E0219", "Y.q", "its unknowns are y, v, z"),
    ("min(E(Y) + Y.xs[0] for Y in any)", "E0219", "Y.xs[0]", "write `xs`"),
    ("E(any) + answer.z", "E0219", "answer.z", "Y.z is its value in a configuration Y"),
    ("E(any) + v[0]", "E0220", "v",
     "answer.v[t] is the observed value, Y.v[t] that in a configuration Y"),
    ("E(y)", "E0220", "y", None),
    ("E(any) * zz", "E0220", "zz", None),
    ("min(E(Y) + any.v[0] for Y in any)", "E0222", "any", "name one of it: min(… for Y in any)"),
    ("norm(grad(any))", "E0222", "any", None),
    ("min(E(Y) + emit.v[0] for Y in any)", "E0222", "emit", None),
    ("min(E(Y) + Y.v[0, 1] for Y in any)", "E0104", "Y.v[0, 1]", None),
    ("min(E(Y) + Y.v for Y in any)", "E0108", "E(Y) + Y.v", None),
    ("min(E(Y) + (Y.y[0] == 3) for Y in any)", "E0106", "Y.y[0] == 3", None),
    ('min(E(Y) + (Y.y[0] == "Nuon") for Y in any)', "E0111", '"Nuon"', "did you mean `Noun`?"),
    ("min(E(Y) + W[Y.y[0], 3] for Y in any)", "E0107", "3", None),
    # runs
    ("sum(E(Y) for Y in any)", "E0221", "sum(E(Y) for Y in any)", None),
    ("min(E(Y) for Y in any if u > 0)", "E0221", "E(Y) for Y in any if u > 0", None),
    ("min(E(Y) for Y in any for t in n)", "E0221", "E(Y) for Y in any for t in n", None),
    ("alldiff(E(only(v)) for v in answers)", "E0221", None, None),
    ("min(E(Y) for (Y, X) in any)", "E0115", "(Y, X) in any", "for Y in any"),
    ("sum(E(any) for (a, b) in answers)", "E0115", "(a, b) in answers", "for v in answers"),
    ("E(any) * sum(1 for t in n if E(any) > 1)", "E0114", "E(any)", None),
    ("min(E(Y) - sum(1 for t in n if Y.v[t] > 1) for Y in any)", "E0114", "Y.v[t]", None),
    # arguments
    ("E(any, bta = 2)", "E0112", "bta = 2", None),
    ("E(any, beta = 2)", "E0112", "beta = 2", "free(any, beta = 2) is the soft minimum"),
    ("free(any, bta = 2)", "E0112", "bta = 2", "did you mean `beta`?"),
    ("free(any, 1, 2)", "E0112", "2", None),
    ("hinge(2, 3)", "E0112", "3", None),
    ("margin(cots = hamming)", "E0112", "cots = hamming", "did you mean `cost`?"),
    ("nce", "E0112", "nce", "nce(q, k)"),
    ("E(only())", "E0112", "only()", None),
    ("E(sample())", "E0112", "sample()", "sample(1)"),
    ("E(best, by = exact)", "E0112", "exact", "E(best)"),
    ("E(any, by = trws(5))", "E0112", "5", "trws(iterations = 100)"),
    ("min(E(Y) for Y in any, beta = 2)", "E0112", "beta = 2",
     "softmin(… for Y in any, beta = 2)"),
    ("softmin(E(any))", "E0112", "softmin(E(any))", None),
    ("min(E(any))", "E0112", "min(E(any))", None),
    ("nll(E(any) for t in n)", "E0112", "E(any) for t in n", None),
    ("E(any) + mistakes(1)", "E0112", "mistakes(1)", None),
    ("E(any) + spell(answer.y)", "E0112", "spell(answer.y)", None),
    ("if E(any) then 1 else 2", "E0106", "E(any)", "compare it, e.g. `E(wrong) > 1`"),
    ('E(any) + "a"', "E0106", '"a"', None),
    ("E(any) + answer.y[0]", "E0106", "answer.y[0]", None),
    ("E(any) + mistakes(E(any), 1)", "E0106", "E(any)", None),
    ("E(any) + sum", "E0110", "sum", "`sum(…)`"),
    ("E(any) + net", "E0110", "net", "apply it: `net(…)`"),
    ("E(any) + Tag", "E0110", "Tag", "run over it: `for v in Tag`"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "code", "place", "hint"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong(loss: str, code: str, place: str | None, hint: str | None) -> None:
    error = refused(HEAD, loss)
    assert error.code == code, error
    assert error.span is not None and error.span.source.name == "--loss"
    if place is not None:
        assert error.span.text == place
    if hint is not None:
        assert error.hint == hint
    assert not error.message.endswith(".") and "^" in error.report()


def test_every_way_to_misuse_a_standard_loss_points_at_the_text() -> None:
    for loss in ("score", "nce(3)", "margin(cost = answer)", "cd(1, hmc)", "wake_sleep(u)"):
        error = refused(HEAD, loss)
        assert error.span is not None and error.span.source.name == "--loss"


@pytest.mark.parametrize(
    ("text", "loss", "code"),
    [
        ("given x : real latent z : bit param w factor f = w * x * z", "nll", "E0216"),
        ("given x : real latent z : bit param w factor f = w * x * z", "hinge", "E0216"),
        ("given x : real latent z : bit param w factor f = w * x * z", "pseudo", "E0216"),
        ("answer x : real param w factor f = w * x^2", "hinge", "E0218"),
        ("answer x : real param w factor f = w * x^2", "margin", "E0106"),
        ("answer x : real param w factor f = w * x^2", "E(wrong(any, eps = 0))", "E0206"),
        ("answer x : real param w factor f = w * x^2", "norm(best - answer) > 1", "E0214"),
        ("answer x : real param w factor f = w * x^2", "best - answer", "E0204"),
        ("answer x : real param w factor f = w * x^2", "dot(grad(best), 1, 2)", "E0112"),
        ("answer x : real param w factor f = w * x^2", "norm(jitter(inf) - best)", "E0206"),
        ("answer x : real given score : real factor f = x^2", "2 * score", "E0203"),
    ],
)
def test_wrong_for_the_model(text: str, loss: str, code: str) -> None:
    assert refused(text, loss).code == code


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("given x : real latent z : bit param w factor f = w * x * z", "likelihood"),
        ("given x : real latent z : bit param w factor f = w * x * z", "energy"),
        ("answer x : real param w factor f = w * x^2 infer grid(step = 0.1)", "hinge"),
        ("answer x : real param w factor f = w * x^2", "E(answer) - E(wrong(any, eps = 0.1))"),
        ("answer x : real param w factor f = w * x^2", "E(answer) - E(wrong(eps = 0.1))"),
        ("answer x : real param w factor f = w * x^2",
         "E(answer) - min(E(Y) - abs(Y.x - answer.x) for Y in any)"),
        ("answer x : real latent h : bit param w factor f = w * x^2 * h", "cd(k = 3, by = hmc)"),
        ("answer x : real param w factor f = w * x^2", "norm(best - answer)^2 + abs(best.x)"),
        (HEAD, "free(answer, by = meanfield) - free(sample(5, 100, by = gibbs))"),
        (HEAD, "E(any, by = trws(iterations = 5) + icm)"),
        (HEAD, "cd(by = exact)"),
        (HEAD, "E(answer) * sum(a + b for (a, b) in pairs)"),
        (HEAD, "E(answer) + net(W[\"Noun\"])[0] + mean(xs)"),
        (HEAD, "E(answer) - min(E(Y) - W[Y.y[0], 0] * Y.z for Y in any)"),
        (HEAD, "sum(free(answer) - free(only(y[t], v[t])) for t in n)"),
        (HEAD, "min(E(Y) for Y in draw(any, link, 3))"),
        (HEAD, "max(0, gain + link(answer) - link(any))"),
    ],
)  # fmt: skip
def test_right(text: str, loss: str) -> None:
    assert formula(text, loss).value.kind.sort == "real"


def test_records_and_sequences_in_configurations() -> None:
    text = """
        domain Fold = {C, E_, H}
        size n, h
        given arc[n] : (src: int, dst: int)
        answer at[2] : (y: 0..h-1, x: 0..h-1)
        answer s : segments(n, 4, Fold)
        answer p : path(arc, 0, 5, Fold)
        param w
        factor f[k in 2] = w * at[k].x
        factor g[(i, j, c) in s] = w * (j - i)
        factor l[(e, c) in p] = w * e
        fun far(Y) = sum(abs(Y.at[k].x - answer.at[k].x) for k in 2) + (Y.at[0] != answer.at[0])
        fun places(Y) = mistakes(Y.s, answer.s)
        fun other(Y) = Y.s != answer.s
        fun spelled(Y) = spell(Y.p) != spell(answer.p)
        loss margin(cost = far)
    """
    model = checked(text)
    found = check_losses(model)
    assert found is not None
    for loss, small in [
        ("margin(cost = far)", True), ("margin(cost = places)", True), ("margin", True),
        ("margin(cost = other)", False), ("margin(cost = spelled)", False),
    ]:  # fmt: skip
        (extremum,) = {
            e for e in walk(check_formula(model, expression(loss)).value)
            if isinstance(e, typed.Extremum)
        }  # fmt: skip
        assert (extremum.split is not None) == small, loss
    assert refused(text, "E(any) + answer.at[0].z").code == "E0124"
    assert refused(text, "E(any) + (answer.s == answer.p)").code == "E0106"
    assert refused(text, "E(any) + mistakes(answer.s[0], answer.s[0])").code == "E0104"
    assert refused(text, "E(only(s[0]))").code == "E0209"


# -- definitions that nobody chose

DEFINITIONS = [
    ("loss a = b", "E0202", "b"),
    ("loss a(m) = softplus(m) + zzz", "E0202", "zzz"),
    ("loss a(m) = softplus(m) + E(m + 1) + hinge(mm = 2)", "E0112", "mm = 2"),
    ("loss a(m = 1) = E(m)", "E0205", "m"),
    ("loss a(S) = S + E(S)", "E0204", "S"),
    ("loss a(q) = q(any) + q", "E0204", "q"),
    ("loss a(m = hammng) = m(answer)", "E0202", "hammng"),
    ("loss a(Y) = E(Y) + Y.q[0]", "E0202", None),
    ("loss a = free(answer, beta = 0)", "E0206", "0"),
    ("fun a(Y) = Y.y[0] + 1", "E0106", "Y.y[0]"),
    ("fun a(Y) = Y.v[0] + Y.w[0]", "E0219", "Y.w[0]"),
    ("fun a(Y) = sum(Y.v[t] for t in m)", "E0202", "m"),
    ("fun a(Y) = sum(mistakes(Y[v], answer[w]) for v in answers)", "E0202", "w"),
    ("fun a(i) = xs[i] + q", "E0102", "q"),
    ("fun a(i) = sigmod(i)", "E0113", "sigmod"),
    ("loss a = a + nll", "E0116", "a"),
    ("loss a = b_ loss b_ = 2 * a", "E0116", "a"),
]


@pytest.mark.parametrize(("text", "code", "place"), DEFINITIONS, ids=[d[0] for d in DEFINITIONS])
def test_wrong_definitions(text: str, code: str, place: str | None) -> None:
    with pytest.raises(ModelErrors) as caught:
        check_losses(checked(f"{HEAD}{text} loss nll"))
    first: FgError = caught.value.errors[0]
    assert first.code == code or place is None, first
    assert first.span is not None and (place is None or first.span.text == place)


@pytest.mark.parametrize(
    "text",
    [
        "loss a(m, c = hamming) = m * margin(c) + max(0, m)",
        "loss a(q, S) = E(S) - q(S) + free(S, 2)",
        "loss a(S, b) = free(S, beta = b) - softmin(E(Y) - b * hamming(Y) for Y in S)",
        "loss a(v) = free(answer) - free(only(v)) + free(pin(v, y))",
        "loss a(by) = free(sample(3, by = by)) + cd(by = by)",
        "loss a = score",
        "loss a = E(wrong(any, eps = 0.1))",
        "loss a(s) = norm(grad(jitter(s)) - answer)",
        "fun a(im, i, j) = im[i, j] // 2 + max(0, min(n, i + j))",
        "fun a(i) = v[i] * z + sum(xs[t] for t in n if t != i)",
        'fun a(t) = y[t] in {"Noun", "Verb"}',
        "fun a(Y, c) = sum(c[i] * (Y.y[i] != answer.y[i]) for i in n)",
        "fun a(f, Y) = f(Y) + f(answer)",
        'fun a(Y) = sum(if Y.y[t] == "Noun" then 1 else 2 for t in n)',
    ],
)
def test_definitions_with_open_arguments(text: str) -> None:
    assert check_losses(checked(f"{HEAD}{text} loss nll")) is not None


def test_all_wrong_losses_are_told() -> None:
    model = checked(HEAD + "loss a = aa\nfun c(Y) = Y.q[0]\nloss b(m = 1) = E(m)\nloss E(anny)")
    with pytest.raises(ModelErrors) as caught:
        check_losses(model)
    assert [e.code for e in caught.value.errors] == ["E0202", "E0205", "E0202"]
    model = checked(HEAD + "loss a = aa\nloss a")
    with pytest.raises(ModelErrors) as caught:
        check_losses(model)
    assert len(caught.value.errors) == 1  # the same place is not told twice


@pytest.mark.parametrize(
    "text",
    [
        "loss d(a) = a + a loss " + "d(" * 40 + "E(any)" + ")" * 40,
        "loss a0 = E(any) " + "".join(f"loss a{i + 1} = a{i} + a{i} " for i in range(45)),
        "loss a0 = E(any) " + "".join(f"loss a{i + 1} = a{i} " for i in range(90)),
    ],
)  # fmt: skip
def test_size_is_limited(text: str) -> None:
    with pytest.raises(ModelErrors) as caught:
        check_losses(checked(HEAD + text))
    assert {e.code for e in caught.value.errors} == {"E0004"}


# -- warnings


def warned(text: str, loss: str) -> list[str]:
    model = checked(text)
    return [w.code for w in formula_warnings(model, check_formula(model, expression(loss)))]


def test_warnings() -> None:
    assert warned(HIDDEN, "free(answer) - E(any)") == ["W0201"]
    assert warned(HIDDEN, "unified(b1 = 1)") == ["W0201"]
    assert warned(HIDDEN, "unified") == []
    assert warned(HIDDEN, "margin") == []
    assert warned(PLAIN, "free(answer) - E(any)") == []
    assert warned(PLAIN + "loss mine(m = 1, c = 2) = m * E(any)", "mine") == ["W0202"]


# -- what is left for training

LATER = [
    ("u * nll", "a loss that reads `u`"),
    ('nll + net(W["Noun"])[0]', "a loss that reads `net`"),
    ("min(E(Y) - hamming(Y)^2 for Y in any)", "does not split"),
    ("sum(slack for t in n)", "does not split"),
    ("cd", "`sample` in a loss"),
    ("E(draw(any))", "`draw` in a loss"),
    ("wake_sleep(link)", "sampling"),
    ("E(any, by = exact)", "`by =`"),
    ("E(best)", "the energy of one configuration"),
    ("nll + best.v[0]", "losses through the minimum"),
]


@pytest.mark.parametrize(("loss", "words"), LATER, ids=[w[0] for w in LATER])
def test_not_built(loss: str, words: str) -> None:
    model = checked(HEAD)
    assert check_formula(model, expression(loss))
    with pytest.raises(NotBuiltError) as caught:
        plan(model, expression(loss))
    assert words in caught.value.message and caught.value.code == "E0600"
    assert caught.value.span is not None and caught.value.span.source.name == "--loss"


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("score", "derivatives in the answers"),
        ("denoising", "derivatives in the answers"),
        ("restore", "losses through the minimum"),
        ("norm(jitter(1) - answer) + energy", "noise on the answers"),
        ("energy + best.x", "losses through the minimum"),
    ],
)
def test_not_built_for_real_answers(loss: str, words: str) -> None:
    model = checked("answer x : real param w factor f = w * x^2")
    with pytest.raises(NotBuiltError) as caught:
        plan(model, expression(loss))
    assert words in caught.value.message


def test_plans() -> None:
    """Equal probes are one; the slopes are those of the formula."""
    model = checked(HEAD)
    program = plan(model, expression("0.5 * nll + hinge(m = gain)"))
    assert [str(p) for p in program.probes] == [
        "free(answer, beta = 1)", "free(any, beta = 1)", "E(answer)", "E(wrong)",
    ]  # fmt: skip
    assert program.name == "0.5 * nll + hinge(m = gain)"
    values = [1.5, 0.5, 0.25, 1.0]

    def read(e: Expr) -> float:
        number = getattr(e, "number", None)
        if number is not None:
            return values[number]
        if isinstance(e, Const):
            return e.value  # type: ignore[return-value]
        assert isinstance(e, Apply)
        return apply_all(e)

    def apply_all(e: Apply) -> float:
        if e.operator in ("<=", ">=", "<", ">"):
            a, b = map(read, e.arguments)
            return {"<=": a <= b, ">=": a >= b, "<": a < b, ">": a > b}[e.operator]
        return apply(e.operator, [lambda x=x: read(x) for x in e.arguments])

    assert read(program.value) == pytest.approx(0.5 * 1.0 + 2 + 0.25 - 1.0)
    probes = [ProbeValue(program.value.span, program.value.kind, k) for k in range(4)]
    slopes = [derivative(program.value, probe) for probe in probes]
    assert [read(s) for s in slopes] == [0.5, -0.5, 1.0, -1.0]


def test_algorithms_of_losses_are_those_of_inference() -> None:
    assert all(names <= set(ALGORITHMS) for names in TASKS.values())
    assert prod(len(names) for names in TASKS.values()) > 0


@pytest.mark.parametrize(
    ("extra", "loss", "meant"),
    [
        ("factor energy = 0 * b", "energy", "energy"),
        ("factor energy = 0 * b", "2 * energy - energy", "energy"),
        ("given energy : real", "energy", "energy"),
        ("param E", "E(answer) - E(any)", "perceptron"),
        ("given any, free : real", "free(answer) - free(any)", "nll"),
        ("let best = 3 let max = 4", "max(0, 2 + E(answer) - E(wrong))", "hinge(m = 2)"),
        ("given hinge[n] : real", "hinge(m = 2)", "hinge(m = 2)"),
        ("let m = 7 let beta = 3", "nll(beta = 0.4)", "nll(beta = 0.4)"),
    ],
)  # fmt: skip
def test_names_of_numbers_hide_no_words_that_are_none(extra: str, loss: str, meant: str) -> None:
    """A param called E cannot be called, a factor is no number: the words are meant."""
    world = World(False, (0, 2))
    value = formula(PLAIN + extra, loss).value
    assert Reader(world)(value) == pytest.approx(MEANING[meant](world))


@pytest.mark.parametrize("loss", [
    "(1 + E(answer) - E(wrong))^2 / (1 + E(answer)^2)", "exp(E(answer)) * (1 + exp(-E(wrong)))",
    "(1 + E(answer)) * ((E(wrong)))",
])  # fmt: skip
def test_formulas_are_shown_with_their_brackets(loss: str) -> None:
    model = compiled("answer y : bit\nparam w\nfactor f = w * y\n", loss=loss)
    assert model._typed is not None and model._typed.span.text == loss
