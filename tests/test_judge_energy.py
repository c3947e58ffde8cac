"""Facts about energies beside what the energies do: sampled, enumerated, differenced."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import networkx
import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.bind import bind, wanted
from factorgraph.data.python import from_python
from factorgraph.ground.energy import energies
from factorgraph.judge.bound import with_data
from factorgraph.judge.energy import energy_facts
from factorgraph.judge.facts import EnergyFacts
from factorgraph.judge.sample import outcome
from factorgraph.judge.shape import shape_of
from factorgraph.judge.trial import Trial, shown
from factorgraph.model.fold import Work, fold


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


zoo: Any = _load("zoo")


def facts(text: str) -> EnergyFacts:
    return energy_facts(fg.compile(text).checked)


BEGIN = "given x : real\nmap g = mlp(1, 5, 2)\nlet G = g(x)[0]\n"


@pytest.mark.parametrize(
    ("rigid", "text"),
    [
        (True, "answer y : real\nfactor f = abs(y - G)"),
        (True, "answer y : real\nfactor f = (G - 2 * y)^2"),
        (True, "answer y : real\nlet d = G - y\nfactor f = min(d^2, 3) / 2"),
        (True, "answer y : real\nfun d(a) = G - a\nfactor f = sqrt(d(y)^2)"),
        (True, "answer y[2] : real\nfactor f = norm(y - g(x))"),
        (True, "answer y[2] : real\nfactor a = abs(y[0] - G)\nfactor b = abs(y[1] - G)"),
        (False, "answer y : real\nmap h = linear(1, 1)\nfactor f = abs(h(y) - G)"),
        (False, "answer y : real\nmap h = mlp(2, 5, 1)\nlet v[i in 2] = if i == 0 then x else y\n"
                "factor f = abs(y - h(v)[0])"),
        (False, "answer y : real\nparam s : positive\nfactor f = s * abs(y - G)"),
        (None, "answer y : real\nfactor f = abs(y^2 - G)"),
        (None, "answer y : real\nlatent z : real\nfactor f = abs(y - z * G)"),
        (None, "answer y[2] : real\nfactor f = abs(y[0] - G)"),
        (None, "answer y : 0..1\nfactor f = (abs(y - G) + g(x)[1])^2"),
        (True, "answer y : 0..1\nfactor f = (y - G)^4 + abs(G - y) + 3"),
        (None, "answer y : real\nfactor f = -abs(y - G)"),
        (None, "answer y : real\nfactor f = abs(y - G)\nfactor c = 0.1 * y"),
    ],
)  # fmt: skip
def test_rigid(rigid: bool | None, text: str) -> None:
    assert facts(BEGIN + text).rigid is rigid


CODES = """
given x[4] : real
answer y : 0..2
map g = linear(4, 2)
let U[c in 3, i in 2] = {table}
factor f = sum((U[y, i] - g(x)[i])^2 for i in 2)
"""


@pytest.mark.parametrize(
    ("table", "squared"),
    [("if c == i then 1 else 0", 1.0), ("c * (i + 1)", 5.0), ("(c == 2) * i", 0.0)],
)
def test_codes_from_the_text(table: str, squared: float) -> None:
    found = facts(CODES.format(table=table))
    assert found.rigid and found.fixed_codes and found.code_distance == squared
    assert found.witness is None


def test_codes_from_data_and_learnable_codes() -> None:
    shared = CODES.replace("let U[c in 3, i in 2] = {table}", "given U[3, 2] : real")
    found = facts(shared)
    assert found.rigid and found.fixed_codes and found.code_distance is None
    learned = facts(CODES.replace("let U[c in 3, i in 2] = {table}", "param U[3, 2]"))
    assert learned.rigid is False and not learned.fixed_codes
    assert learned.witness is not None and learned.witness.level == 0


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_text_has_facts(name: str) -> None:
    model = fg.load(zoo.FOLDER / f"{name}.fg", settings=zoo.settings(name))
    found = energy_facts(model.checked)
    assert found.range.low <= found.range.high
    assert found.finite or found.normalisable is not None or name in ("foe", "score")


# -- what is claimed, beside energies at random weights


class World:
    """A text with random data and weights; energies of its configurations."""

    def __init__(self, text: str, seed: int = 0, **settings: float) -> None:
        self.model = fg.compile(text, settings=settings).checked
        self.facts = energy_facts(self.model)
        self.trial = Trial(self.model, seed)


def text_of(name: str) -> World:
    return World(fg.load(zoo.FOLDER / f"{name}.fg").text, 3, **zoo.settings(name))


FEW = [n for n in zoo.NAMES if n not in ("helmholtz", "chunker")]
"""All but one that reads another file, and one of four million weights."""


@pytest.mark.parametrize("name", FEW)
def test_range_holds_every_energy(name: str) -> None:
    world = text_of(name)
    found = world.facts
    for scale in (0.1, 1.0, 5.0):
        energy = world.trial.energy(world.trial.weights(scale), hard=False)
        assert found.range.low - 1e-9 <= energy.min()
        assert energy.max() <= found.range.high + 1e-9
        assert (energy.max(axis=1) - energy.min(axis=1)).max() <= found.width + 1e-9


SHIPPED = sorted(Path(fg.__file__).parent.parent.glob("models/**/*.fg"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_shipped_models(path: Path) -> None:
    model = fg.load(path).checked
    if not model.factors:
        return
    found = energy_facts(model)
    if np.prod([2.0, *(a.fixed or 1 for p in model.params.values() for a in p.axes)]) > 1e6:
        return  # hashed features, as in tests/language
    trial = Trial(model, 1)
    energy = trial.energy(trial.weights(2.0), hard=False)
    assert found.range.low - 1e-9 <= energy.min() <= energy.max() <= found.range.high + 1e-9
    if found.witness is not None:
        there = shown(model, found.witness)
        assert there.spread is not None and there.spread <= 1e-5


@pytest.mark.parametrize("name", FEW)
def test_degree_by_differences(name: str) -> None:
    """The k-th difference along a line is 0 above the degree, and is not for it."""
    world = text_of(name)
    degree = world.facts.degree
    if degree is None or not world.facts.trainable:
        return
    at, along = world.trial.weights(1.0), world.trial.weights(1.0)
    steps = [
        world.trial.energy({n: at[n] + k * along[n] for n in at}, hard=False)
        for k in range(degree + 3)
    ]
    size = max(np.abs(s).max() for s in steps)
    assert np.abs(np.diff(steps, degree + 1, axis=0)).max() <= 1e-9 * size
    assert np.abs(np.diff(steps, degree, axis=0)).max() > 1e-6
    if world.facts.homogeneous:
        zero = world.trial.energy({n: 0 * w for n, w in at.items()}, hard=False)
        twice = world.trial.energy({n: 2 * w for n, w in at.items()}, hard=False)
        assert np.allclose(twice - zero, 2**degree * (steps[0] - zero), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FEW)
def test_witness_by_evaluation(name: str) -> None:
    """At its weights energies are equal for all answers, and level; at others they are not."""
    world = text_of(name)
    found = world.facts.witness
    if found is None:
        return
    there = shown(world.model, found, seed=1)
    assert there.spread is not None and there.energy is not None
    assert there.spread <= 1e-6 + 1e-12 * abs(there.energy)
    if found.level == -inf:
        assert there.energy < -1e5
    elif found.level is not None:
        assert there.energy == pytest.approx(found.level, abs=1e-5)
    elsewhere = world.trial.energy(world.trial.weights(1.0), hard=False)
    assert (elsewhere.max(axis=1) - elsewhere.min(axis=1)).max() > 1e-3


FLAT = (
    "given x[3] : real\nanswer y : 0..2\nparam W[3, 3], b[3], s : positive\nmap g = linear(3, 3)\n"
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("let a = dot(W, x)\nfactor f = a[y]", {"W"}),
        ("fun score(k) = dot(W[k], x)\nfactor f = score(y)^2\nfactor h = b[0] * x[0]", {"W"}),
        ("factor f = b[y] * g(x)[1]", {"b"}),
        ("factor f = norm(W[y] - x)^2\nfactor h = s * (y - 1)^2", {"W", "s"}),
        ("factor f = log(s) * b[y]", {"b"}),
        ("factor f = abs(y - g(x)[0])", None),
        ("factor f = b[y] + 0.5 * (y == 1)", None),
        ("factor f = dot(W[0], x)", None),
    ],
)
def test_weights_that_are_named(text: str, named: set[str] | None) -> None:
    found = facts(FLAT + text).witness
    assert (None if found is None else {n.partition(".")[0] for n in found.weights}) == named


@pytest.mark.parametrize(
    ("level", "factor"),
    [
        (0.0, "softplus(g(x)[y])"),
        (0.0, "exp(b[y])"),
        (-1.0, "tanh(b[y])"),
        (0.0, "sigmoid(s * b[y]) + norm(dot(W, x))^2"),
        (None, "sigmoid(W[y, 0] * x[0])"),
    ],
)
def test_levels_that_are_neared(level: float | None, factor: str) -> None:
    model = fg.compile(FLAT + "factor f = " + factor).checked
    found = energy_facts(model).witness
    assert found is not None
    there = shown(model, found)
    if level is None:
        assert found.level == 0.5  # reached, but not the least: the sign of x decides
    else:
        assert found.level == level
        assert there.energy == pytest.approx(level, abs=1e-5)
        assert there.spread is not None and there.spread < 1e-5


def chain(**changed: str) -> str:
    lines = {
        "first": "factor first = -log(I[z[0]])",
        "move": "factor move[t in 1..n-1] = -log(A[z[t-1], z[t]])",
        "emit": "factor emit[t in n] = -log(B[z[t], x[t]])",
    } | changed
    return "size n = 3\ngiven x[n] : 0..1\nanswer z[n] : 0..1\nparam I[2] : simplex\n" \
        "param A[2, 2] : simplex, B[2, 2] : simplex, w\n" + "\n".join(lines.values())  # fmt: skip


SCORES = """given x : real
answer y : 0..2
param W[3], c[3]
let s[k in 0..2] = W[k] * x + c[k]
"""
NORMALISED = [
    (True, chain()),
    (True, chain(emit="factor emit = sum(-log(B[z[t], x[t]]) for t in n)")),
    (True, chain(emit="factor emit[t in n] = softplus(w * z[t]) - w * z[t] * x[t]")),
    (True, chain(first="factor first = -log(I[z[n-1]])",
                 move="factor move[t in 0..n-2] = -log(A[z[t+1], z[t]])")),
    (False, chain(move="factor move[t in 1..n-1] = -log(A[z[t], z[t-1]])")),
    (False, chain(first="factor first = -log(I[z[n-1]])")),
    (False, chain(emit="factor emit[t in n] = -2 * log(B[z[t], x[t]])")),
    (False, chain(more="factor more[t in n] = -log(B[z[t], x[t]])")),
    (True, chain(more="hard more : z[0] != z[1]")),
    (False, chain(move="factor move[t in 1..n-1 if t > 1] = -log(A[z[t-1], z[t]])")),
    (False, chain(emit="factor emit[t in n] = -log(A[z[t], z[t]])")),
    (True, SCORES + "factor f = log(sum(exp(s[k]) for k in 0..2)) - s[y]"),
    (False, SCORES + "factor f = log(sum(exp(s[k]) for k in 0..1)) - s[y]"),
    (False, "given x : real\nanswer a[2] : bit\nparam w\n"
            "factor f[i in 2] = softplus(w * a[1-i]) - w * a[1-i] * a[i]"),
]  # fmt: skip


@pytest.mark.parametrize(("normalised", "text"), NORMALISED)
def test_normalised_sums_to_one(normalised: bool, text: str) -> None:
    """exp(-E) is summed over all answers, and over givens that are generated."""
    world = World(text)
    assert world.facts.normalised is normalised
    sums = {round(total_probability(world, seed), 9) for seed in range(3)}
    if "hard" in text:
        assert max(sums) <= 1.0
    elif normalised:
        assert sums == {1.0}
    else:
        assert sums != {1.0}


MIXTURE = """given x[2] : real
answer y : 0..1
param P[2] : simplex, m[2, 2], p[2] : positive
factor prior = -log(P[y])
"""


@pytest.mark.parametrize(
    ("normalised", "text"),
    [
        (True, "factor see = norm(x - m[y])^2 / 2"),
        (True, "factor see = sum(abs(x - m[y]))"),
        (True, "factor see = p[y] * norm(x - m[y])^2 / 2 - 2 / 2 * log(p[y])"),
        (True, "factor see = norm(x - m[y])^2 / (2 * p[y]^2) + 2 * log(p[y])"),
        (True, "factor see[i in 2] = (x[i] - m[y, i])^2 / p[y] + log(p[y]) / 2"),
        (False, "factor see = p[y] * norm(x - m[y])^2 / 2"),
        (False, "factor see = p[y] * norm(x - m[y])^2 / 2 - log(p[y]) / 2"),
        (False, "factor see = (x[0] - m[y, 0])^2 + (x[0] - m[y, 1])^2"),
        (False, "factor see = norm(2 * x - x[0] * m[y])^2"),
    ],
)
def test_densities_integrate_to_one_number(normalised: bool, text: str) -> None:
    """By the trapezium rule over the plane, at several weights."""
    world = World(MIXTURE + text)
    assert world.facts.normalised is normalised
    axis = np.linspace(-12, 12, 121)
    a, b, y = (each.ravel() for each in np.meshgrid(axis, axis, [0, 1]))
    data = {"x": np.column_stack([a, b]), "y": y.astype(int)}
    instances = bind(world.model, from_python(data, wanted(world.model)))
    sums = []
    for _ in range(3):
        parts = energies(world.model, instances, world.trial.weights(0.7))
        sums.append(float(np.exp(-sum(parts.values())).sum()) * (axis[1] - axis[0]) ** 2)
    spread = max(sums) / min(sums) - 1
    assert spread < 0.02 if normalised else spread > 0.05


def total_probability(world: World, seed: int) -> float:
    """Return the sum of exp(-E) over finite unknowns and givens, by enumeration."""
    model = world.model
    slots = {n: s for n, s in [*model.givens.items(), *model.unknowns.items()] if s.values}
    places = [(n, i) for n, s in slots.items() for i in range(s.axes[0].fixed if s.axes else 1)]
    counts = [slots[n].values.fixed for n, _ in places]
    items = []
    for states in itertools.product(*map(range, counts)):
        item: dict[str, Any] = {}
        for (n, _), state in zip(places, states, strict=True):
            if slots[n].axes:
                item.setdefault(n, []).append(state)
            else:
                item[n] = state
        items.append({"x": 0.7} | item)
    records = from_python(items, wanted(model))
    instances = bind(model, records, latents=True)
    trial = Trial(model, seed)
    parts = energies(model, instances, trial.weights(1.0))
    return float(np.exp(-sum(parts.values())).sum())


@pytest.mark.parametrize(
    ("normalisable", "text"),
    [
        (True, "answer y : 0..3\nparam b[4]\nfactor f = b[y]"),
        (True, "answer y : real(-1, 1)\nparam b\nfactor f = b * y^3"),
        (True, "answer y[2] : real\nparam b[2]\nfactor f = norm(y)^2 / 2 + dot(b, y)"),
        (True, "answer y : real\nparam b\nfactor f = abs(y - b)"),
        (True, "answer y : real\nlatent z : real\nparam b\n"
               "factor f = (y - b * z)^2\nfactor g = abs(z)"),
        (None, "answer y : real\nlatent z : real\nparam b\n"
               "factor f = y^2 + z^2 + b * y * z"),
        (None, "answer y[2] : real\nparam b\nfactor f = (y[0] - y[1])^2"),
        (False, "answer y[2] : real\nparam b\nfactor f = b * y[0]"),
        (None, "answer y : real\nparam b\nfactor f = abs(y) + b * y"),
    ],
)  # fmt: skip
def test_normalisable(normalisable: bool | None, text: str) -> None:
    assert facts(text).normalisable is normalisable


def test_a_sum_over_unknowns_is_not_all_or_nothing() -> None:
    """(h0 + h1 - 1)^2 is 0 where one is 1, which neither all-0 nor all-1 shows."""
    found = facts("answer h[2] : bit\nparam w\nfactor f = (sum(h[j] for j in 2) - 1)^2")
    assert found.range.low == 0


def test_sampling_tells_the_tutorials_cases_apart() -> None:
    one = fg.load(zoo.FOLDER / "square_a.fg").checked
    two = fg.load(zoo.FOLDER / "square_b.fg").checked
    assert outcome(one, lambda c, i: c)[0] is True
    assert outcome(two, lambda c, i: c)[0] is False
    assert outcome(two, lambda c, i: max(0.0, 1.0 + c - i))[0] is True
    assert outcome(two, lambda c, i: max(0.0, c - i))[0] is False


CONTRAST = (
    "given a[3], b[3] : real\nanswer same : bit\nmap g = mlp(3, 4, 2)\nlet D = norm(g(a) - g(b))\n"
)


@pytest.mark.parametrize(
    ("least", "text"),
    [
        (0.5, "factor f = same * D^2 / 2 + (1 - same) * max(0, 1 - D)^2 / 2"),
        (0.5, "factor f = same * D^2 / 2\nfactor h = (1 - same) * max(0, 1 - D)^2 / 2"),
        (1.0, "factor f = if same == 1 then D else exp(-D)"),
        (None, "factor f = same * D^2"),
        (None, "factor f = same * D^2 + (1 - same) * D"),
        (None, "factor f = same * D^2 + (1 - same) * g(a)[0]^2"),
        (None, "factor f = same * D + (1 - same) * (1 - D)^2 + 2 * same"),
    ],
)
def test_contrast(least: float | None, text: str) -> None:
    """Beside the functions of D on a fine grid: how far the other is above where one is least."""
    found = facts(CONTRAST + text).contrast
    if least is None:
        assert found is None
    else:
        assert found is not None and 0.8 * least <= found <= least


def test_only_alike_pairs() -> None:
    pairs = "given a[3], b[3] : real\nmap g = mlp(3, 4, 2)\n"
    assert facts(pairs + "factor pull = norm(g(a) - g(b))^2").all_positive
    pushed = "given same : bit\nfactor f = same * norm(g(a))^2 + (1 - same) * exp(-norm(g(a))^2)"
    assert not facts(pairs + pushed).all_positive
    assert not facts(CONTRAST + "factor f = same * D^2").all_positive


def bound(text: str, items: list[dict[str, Any]], **shared: Any) -> EnergyFacts:
    model = fg.compile(text)
    instances = bind(model.checked, from_python(items, wanted(model.checked)),
                     shared=model.shared(shared))  # fmt: skip
    return with_data(model.checked, energy_facts(model.checked), instances)


def test_codes_in_the_data() -> None:
    text = CODES.replace("let U[c in 3, i in 2] = {table}", "given U[3, 2] : real")
    items = [{"x": [0.0] * 4, "y": k % 3} for k in range(5)]
    assert bound(text, items, U=np.array([[0, 0], [1, 2], [3, 0.0]])).code_distance == 5.0
    assert bound(text, items, U=np.array([[0, 0], [1, 2], [1, 2.0]])).code_distance == 0.0
    own = [item | {"U": [[0, 0], [k, 1], [0, 5.0]]} for k, item in enumerate(items)]
    assert bound(text, own).code_distance == 1.0


def test_labels_that_never_change() -> None:
    text = CONTRAST + "factor f = same * D^2 / 2 + (1 - same) * max(0, 1 - D)^2 / 2"
    pair = {"a": [0.0] * 3, "b": [1.0] * 3}
    assert bound(text, [pair | {"same": 1}] * 4).all_positive
    assert not bound(text, [pair | {"same": k % 2} for k in range(4)]).all_positive
    assert not bound(text, [pair | {"same": 0}] * 4).all_positive
    given = text.replace("answer same", "given same")
    assert bound(given, [pair | {"same": 1}] * 4).all_positive


PAIRS = "size n = 4\nanswer z[n], y[n] : 0..1\nanswer r, s : 0..1\nparam A[2, 2]\n"
CHAIN = "factor c[t in 1..n-1] = A[z[t-1], z[t]]\n"
LADDER = "factor e[t in n] = A[z[t], y[t]]\nfactor d[t in 1..n-1] = A[y[t-1], y[t]]"


@pytest.mark.parametrize(
    ("forest", "text"),
    [
        (True, CHAIN),
        (True, CHAIN + "factor e[t in n] = A[z[t], y[t]]"),
        (True, "factor f[t in n] = A[s, y[t]]\nfactor e[t in n] = A[z[t], y[t]]"),
        (False, CHAIN + "factor f[t in n] = A[s, z[t]]"),
        (False, "factor f[t in n] = A[s, z[t]]\nfactor e[t in n] = A[r, z[t]]"),
        (True, "factor f[t in n] = A[s, z[t]]\nfactor e[t in n] = A[r, y[t]]\nfactor d = A[r, s]"),
        (
            False,
            CHAIN + "factor e[t in n] = A[z[t], y[t]]\nfactor d[t in 1..n-1] = A[y[t-1], y[t]]",
        ),
        (False, CHAIN + "factor d[t in 2..n-1] = A[z[t-2], z[t]]"),
        (False, "factor f[i in n, j in n if i < j] = A[z[i], z[j]]"),
        (False, "factor f = sum(z) * s"),
    ],
)
def test_forests(forest: bool, text: str) -> None:
    """Beside the graphs that the engine finds forests for."""
    model = fg.compile(PAIRS + text).checked
    assert shape_of(model).is_forest is forest
    edges = set()
    for factor in model.factors.values():
        for values in itertools.product(range(4), repeat=len(factor.binders)):
            known = {b.variable: v for b, v in zip(factor.binders, values, strict=True)}
            if any(not fold(b.low, known, Work()) <= v <= fold(b.high, known, Work())
                   for b, v in zip(factor.binders, values, strict=True)):  # fmt: skip
                continue
            if factor.guard is not None and not fold(factor.guard, known, Work()):
                continue
            if "sum" in text:
                places = {("z", k) for k in range(4)} | {("s",)}
            else:
                places = {
                    (r.name, *(fold(i, known, Work()) for i in r.indices)) for r in factor.scope
                }
            edges.add(frozenset(places))
    graph = networkx.Graph()
    for k, places in enumerate(edges):
        graph.add_edges_from((("factor", k), place) for place in places)
    assert networkx.is_forest(graph) or not forest
    if "sum" not in text:
        assert networkx.is_forest(graph) is forest


@pytest.mark.parametrize(
    ("moved", "text"),
    [
        (True, "factor f = W[y]"),
        (True, "factor f = (z == y) * 2\nfactor h = W[z]"),
        (False, "factor f = (y == 1) * x\nfactor h = W[0] * x"),
        (False, "factor f = (y == 1) * x\nfactor h = W[z] * x"),
    ],
)
def test_weights_that_move_answers_apart(moved: bool, text: str) -> None:
    """Beside the difference of least energies at several weights."""
    begin = "given x : real\nanswer y : 0..1\nlatent z : 0..1\nparam W[2]\n"
    model = fg.compile(begin + text)
    assert energy_facts(model.checked).moved is moved
    items = [{"x": 0.7, "y": y, "z": z} for y in (0, 1) for z in (0, 1)]
    instances = bind(model.checked, from_python(items, wanted(model.checked)), latents=True)
    gaps = set()
    for weights in ([0.0, 0.0], [1.0, 3.0], [5.0, 0.0]):
        parts = energies(model.checked, instances, {"W": np.array(weights)})
        least = np.reshape(sum(parts.values()), (2, 2)).min(axis=1)
        gaps.add(round(float(least[0] - least[1]), 9))
    assert (len(gaps) > 1) is moved


SPARSE = """answer x[2] : real
latent z[3] : real
param D[3, 2] : unit
factor fit = norm(x - dot(z, D))^2 / 2
factor sparse = 0.2 * sum(abs(z))
"""


@pytest.mark.parametrize(
    ("bounded", "text"),
    [
        (True, SPARSE),
        (
            True,
            SPARSE.replace("z[3] : real", "z[3] : real(-1, 1)").replace("0.2 * sum(abs(z))", "0"),
        ),
        (True, SPARSE.replace("0.2 * sum(abs(z))", "norm(z)^2")),
        (False, SPARSE.replace(" : unit", "")),
        (False, SPARSE.replace("0.2 * sum(abs(z))", "0.2 * abs(z[0])^0.5")),
        (False, SPARSE.replace("norm(x - dot(z, D))", "(x[0] - dot(z, D)[0])")),
        (False, SPARSE + "param b[2]\nfactor more = dot(b, x)"),
        (False, SPARSE.replace("answer x[2] : real", "answer x[2] : 0..9")),
        (True, "answer x[2] : real\nlatent z : 0..4\nparam D[5, 2]\nfactor fit = norm(x - D[z])^2"),
        (
            False,
            "answer x[2] : 0..9\nlatent z : 0..4\nparam D[5, 2]\nfactor fit = norm(x - D[z])^2",
        ),
    ],
)
def test_bounded_codes(bounded: bool, text: str) -> None:
    assert facts(text).bounded_codes is bounded


def test_unit_decoders_keep_far_answers_high() -> None:
    """min |x - Dz|^2 / 2 + c |z| by proximal steps, for long D and for D of length 1."""
    rng = np.random.default_rng(0)
    x, c = np.array([3.0, -4.0]), 0.2

    def least(decoder: np.ndarray) -> float:
        z = np.zeros(3)
        step = 1 / np.linalg.norm(decoder, 2) ** 2
        for _ in range(3000):
            z = z - step * ((z @ decoder - x) @ decoder.T)
            z = np.sign(z) * np.maximum(abs(z) - step * c, 0)
        return float(((x - z @ decoder) ** 2).sum() / 2 + c * abs(z).sum())

    for _ in range(5):
        long = rng.normal(size=(3, 2)) * 1000
        unit = long / np.linalg.norm(long, axis=1, keepdims=True)
        assert least(long) < 0.05
        assert least(unit) > c * (np.linalg.norm(x) - c)
