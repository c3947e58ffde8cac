"""Energies, answers and marginals of whole models against a slow evaluator of the language."""

from __future__ import annotations

import copy
import importlib.util
import itertools
import math
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factorgraph.compiler.describe import model_as_dict
from factorgraph.compiler.module import compile_model
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import DataError, NotBuiltError
from factorgraph.factors import table
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.weights import whole
from factorgraph.pipeline import Run, compile


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
CASES = {case.name: case for case in slow.CASES}
each_case = pytest.mark.parametrize("name", CASES)
close = {"rtol": 1e-9, "atol": 1e-9}


class Trial:
    """A case with random data and weights, in both worlds."""

    def __init__(self, name: str, seed: int) -> None:
        case = CASES[name]
        rng = np.random.default_rng(seed)
        self.rng = rng
        labels = slow.labels(case)
        self.slow = slow.Slow(case.text, labels)
        self.data: list[dict[str, Any]] = slow.instances(case, rng)
        axes = {p: self.slow.instance(self.data[-1], {}).axes(p) for p in self.slow.params}
        weights = {p: case.scale * rng.normal(size=[a.count for a in of]) for p, of in axes.items()}
        self.weights = {p: w.tolist() for p, w in weights.items()}
        self.run = Run(model(name), {p: np.array(w) for p, w in weights.items()}, labels)
        self.givens = [
            {k: v for k, v in d.items() if k not in self.slow.unknowns()} for d in self.data
        ]

    def without_latents(self) -> list[dict[str, Any]]:
        latents = self.slow.unknowns("latent")
        return [{k: v for k, v in d.items() if k not in latents} for d in self.data]

    def world(self, i: int) -> Any:
        return self.slow.instance(self.data[i], self.weights)

    def only_answers(self, i: int) -> dict[str, Any]:
        return {a: self.data[i][a] for a in self.slow.unknowns("answer")}

    @cache  # noqa: B019 - trials live as long as the tests
    def table(self, i: int) -> tuple[list[dict[str, Any]], list[list[Any]], Any]:
        """Return every configuration of instance i, nested and flat, and the energies."""
        world = self.world(i)
        nested, flat = zip(*world.configurations({}), strict=True)
        return nested, flat, np.array([world.energy(a) for a in nested])

    def least(self, i: int, fixed: dict[str, Any]) -> float:
        """Return the least energy of the configurations that agree with ``fixed``."""
        world = self.world(i)
        return min(world.energy(a) for a, _ in world.configurations(fixed))


@cache
def model(name: str) -> Any:
    return compile(CASES[name].text)


@cache
def trial(name: str, seed: int = 0) -> Trial:
    return Trial(name, seed)


@each_case
@pytest.mark.parametrize("seed", [0, 1])
def test_observed(name: str, seed: int) -> None:
    found = trial(name, seed)
    energy = found.run.energy(found.without_latents())
    truth = [found.least(i, found.only_answers(i)) for i in range(len(found.data))]
    np.testing.assert_allclose(energy, truth, **close)


def hide(value: Any, rng: Any) -> Any:
    if isinstance(value, list):
        return [hide(v, rng) for v in value]
    return None if rng.random() < 0.5 else value


@each_case
def test_whole_configuration(name: str) -> None:
    """With every latent given too, the energy is that of the configuration, by factor."""
    found = trial(name)
    parts = found.run.energies(found.data)
    for i, data in enumerate(found.data):
        truth = found.world(i).energies({u: data[u] for u in found.slow.unknowns()})
        assert list(parts) == list(truth)
        np.testing.assert_allclose([p[i] for p in parts.values()], list(truth.values()), **close)


@each_case
def test_partly_hidden(name: str) -> None:
    found = trial(name)
    data, truth = [], []
    for i, whole_instance in enumerate(found.without_latents()):
        hidden = {a: hide(v, found.rng) for a, v in found.only_answers(i).items()}
        data.append(copy.deepcopy(whole_instance) | hidden)
        truth.append(found.least(i, hidden))
    np.testing.assert_allclose(found.run.energy(data), truth, **close)


@each_case
def test_predict(name: str) -> None:
    found = trial(name)
    results = list(found.run.predict(found.givens))
    assert len(results) == len(found.data)
    for i, result in enumerate(results):
        best = found.table(i)[2].min()
        np.testing.assert_allclose([result["energy"], result["bound"]], best, **close)
        if math.isinf(best):
            assert result["answers"] is None and result["status"] == "infeasible"
            continue
        assert set(result["answers"]) == set(found.slow.unknowns("answer"))
        np.testing.assert_allclose(found.least(i, result["answers"]), best, **close)


@each_case
@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_marginals(name: str, beta: float) -> None:
    found = trial(name)
    for i, result in enumerate(found.run.marginals(found.givens, beta)):
        _, flat, energy = found.table(i)
        chance = np.exp(-beta * (energy - energy.min()))
        chance /= chance.sum()
        world, at = found.world(i), 0
        for unknown in found.slow.unknowns():
            shape = [a.count for a in world.axes(unknown)]
            states = world.states(unknown)
            truth = np.zeros((math.prod(shape), len(states)))
            for v in range(len(truth)):
                for p, configuration in zip(chance, flat, strict=True):
                    truth[v, states.index(configuration[at + v])] += p
            at += len(truth)
            assert result[unknown].shape == (*shape, len(states)) or not truth.size
            np.testing.assert_allclose(result[unknown].reshape(truth.shape), truth, **close)


def test_infeasible() -> None:
    run = compile("size n answer y[n] : bit hard h[t in n] : y[t] == t").init()
    (good,) = run.predict([{"n": 2}])
    assert good["answers"] == {"y": [0, 1]} and good["energy"] == 0.0
    (bad,) = run.predict([{"n": 3}])
    assert bad["answers"] is None and bad["energy"] == math.inf and bad["status"] == "infeasible"


def test_batches_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    found = trial("chain")
    before = found.run.energy(found.data)
    monkeypatch.setattr("factorgraph.run.BATCH_VARIABLES", 3)
    np.testing.assert_array_equal(found.run.energy(found.data), before)
    assert len(list(found.run.predict(found.givens))) == len(found.data)


def test_forms_of_data_do_not_matter() -> None:
    run = compile(
        "size n given a[n] : real given b[n, 2] : bit given c[n] : int answer y[n] : 1..3 "
        "param w factor f[t in n] = (w + y[t]) * a[t] * sum(b[t]) + c[t] * y[t]"
    ).init()
    run.weights["w"] = np.array(0.25)
    lists = [
        {"a": [0, 7], "b": [[1, 0], [1, 1]], "c": [3, -2], "y": [1, 3]},
        {"a": [200, 3], "b": [[0, 0], [1, 1]], "c": [0, 1], "y": [2, 2]},
    ]
    truth = run.energy(lists)
    # 1st: 1.25 * 0 + 3, then 3.25 * 7 * 2 - 6; 2nd: 0, then 2.25 * 3 * 2 + 2
    np.testing.assert_allclose(truth, [42.5, 15.5])
    for kinds in [("u1", "?", "i2", "i8"), ("f4", "u1", "i8", "u1"), ("i4", "i4", "f8", "f8")]:
        data = {k: np.array([d[k] for d in lists], t) for k, t in zip("abcy", kinds, strict=True)}
        np.testing.assert_array_equal(run.energy(data), truth)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-2^2", -4),
        ("2^3^2", 512),
        ("2^-1", 0.5),
        ("10 - 4 - 3", 3),
        ("24 / 4 / 2", 3),
        ("7 // 2 * 2", 6),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("1 + 2 * 3 == 7", 1),
        ("not 1 == 2 and 1 < 2", 1),
        ("1 == 2 => 1 == 3 => 1 == 4", 1),
        ("(1 == 1 => 1 == 3) or 1 == 4", 0),
        ("1 == 1 or 1 == 2 and 1 == 3", 1),
        ("if 1 == 2 then 5 else 7 + 1", 8),
        ("max(2, 3, 1) - min(4, 2, 6)", 1),
        ("count(i > 1 for i in 5)", 3),
        ("mean(i for i in 1..4)", 2.5),
        ("sum(i * j for i in 3 for j in i..2 if i + j != 2)", 6),
        ("sum(1 for i in 3..2)", 0),
        ("max(i * c for i in -3..2)", 2),
        ("v[1] * 10 + dot(v, v[0..1])", 76),
        ("sum(outer(v, v)) - norm(v)^2", 10),
        ("abs(-c) + c // 2", 1),
        ("softplus(0) / log(2)", 1),
        ("sigmoid(-800) + tanh(0)", 0),
    ],
)
def test_by_hand(text: str, value: float) -> None:
    """How tightly operators bind, what they mean, worked out by hand."""
    model = compile(f"given c : int given v[2] : int answer y : bit factor f = {text}")
    ((found,),) = emitted_energies(model, [{"c": 1, "v": [1, 5]}], {})
    assert found == pytest.approx(value)


# -- random expressions: the emitted text is run as plain Python, machine code is tested above


def plain(text: str) -> ModuleType:
    """Return an emitted module whose kernels are left as Python."""
    module = ModuleType("plain")
    text = text.replace("from factorgraph.jit import kernel", "")

    def kernel(function: Any = None, **options: Any) -> Any:
        return function or kernel

    module.__dict__["kernel"] = kernel
    exec(text, module.__dict__)
    return module


def emitted_batch(model: Any, data: list[dict[str, Any]]) -> Batch:
    compiled = compile_model(model.checked, None)
    records = from_python(data)
    return Batch(compiled, plain(compiled.text), ground(compiled, bind(model.checked, records)))


def emitted_energies(model: Any, data: list[dict[str, Any]], weights: Any) -> list[Any]:
    """Return the tables of the first factor, a row for each."""
    batch = emitted_batch(model, data)
    layout = whole(batch.compiled, {})
    values = np.empty(batch.structure.size)
    batch.energies(layout.views(layout.pack(weights)), values)
    group = batch.structure.groups[0]
    return list(batch.structure.table(values, 0).reshape(-1, group.states)[group.table])


HEAD = """
domain Tag = {A, B}
size   n
given  x[n] : real
given  g[n, 3] : real
given  k[n] : int
given  m[n] : bit
given  s[n] : Tag
answer y[n] : 0..2
answer z[n] : Tag
answer b : bit
param  W[3], V[Tag, 2], P
let    total = sum(x[i] for i in n)
let    wave[i in n] = x[i] * k[i]
let    gap[i in 1..n-1, j in 2] = x[i-1] - j
fun    mix(u, v, c = 0.5) = u * c + v * (1 - c)
"""


class Writer:
    """Writes random expressions whose meaning is defined whatever the data."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.loops: list[tuple[str, str]] = []  # name, set
        self.made = 0

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def number(self, depth: int) -> str:
        if depth <= 0:
            return str(self.pick(*NUMBERS, *self.places()))
        d = depth - 1
        kind = self.pick(
            "leaf", "leaf", "bin", "bin", "div", "fn", "if", "red", "red", "arr", "whole", "bit",
            "mix", "pow", "guarded",
        )  # fmt: skip
        match kind:
            case "leaf":
                return self.number(0)
            case "bin":
                sign = self.pick("+", "-", "*", "*")
                return f"({self.number(d)} {sign} {self.number(d)})"
            case "div":
                return f"({self.number(d)} / (2 + abs({self.number(d)})))"
            case "fn":
                f = self.pick(
                    "-({})", "abs({})", "tanh({})", "sigmoid({})", "softplus({})", "exp(-abs({}))",
                    "sqrt(1 + ({})^2)", "log(1 + abs({}))", "cosh(tanh({}))",
                )  # fmt: skip
                return str(f.format(self.number(d)))
            case "if":
                return f"(if {self.bit(d)} then {self.number(d)} else {self.number(d)})"
            case "red":
                return self.reduction(d)
            case "arr":
                return str(self.pick(*ARRAYS)).format(self.index())
            case "whole":
                return self.whole(d)
            case "bit":
                return f"({self.bit(d)}) * {self.number(d)}"
            case "mix":
                return f"mix({self.number(d)}, {self.number(d)}, {self.pick('0.25', 'P', 'x[t]')})"
            case "pow":
                return f"({self.number(d)})^{self.pick(0, 1, 2, 3)}"
        guard = self.pick(
            ("t > 0", "x[t-1]"), ("t + 1 < n", "k[t+1]"), ("0 <= k[t] and k[t] < 3", "W[k[t]]"),
            ("t > 0", "gap[t, m[t]]"), ("m[t] == 1 and t > 0", "g[t-1, 2]"),
            ("t > 0", "dot(g[t-1], W)"), ("t > 0", "sum(x[i] * W[y[t]] for i in t-1..t)"),
        )  # fmt: skip
        return f"(if {guard[0]} then {guard[1]} * {self.number(d)} else {self.number(d)})"

    def places(self) -> list[str]:
        """Reads that the loops around allow."""
        out = []
        for name, over in self.loops:
            out += [name, f"x[{name}]", f"wave[{name}]", f"k[{name}]"] if over != "3" else [name]
            if over == "3":
                out += [f"W[{name}]", f"g[t, {name}]", f"V[z[t], {name} % 2]"]
            else:
                out += [f"g[{name}, 1]", f"W[m[{name}] + 1]"]
        return out

    def index(self) -> str:
        inside = [name for name, over in self.loops if over != "3"]
        return str(self.pick("t", *inside))

    def whole(self, depth: int) -> str:
        if depth <= 0:
            names = [name for name, _ in self.loops]
            return str(self.pick("t", "n", "k[t]", "m[t]", "y[t]", "b", "2", "-3", *names))
        d = depth - 1
        return str(
            self.pick(
                "({} + {})",
                "({} * {})",
                "({} // (1 + abs({})))",
                "({} % (2 + abs({})))",
                "min({}, {})",
                "max({}, {})",
                "({} - {})",
            )
        ).format(self.whole(d), self.whole(d))

    def bit(self, depth: int) -> str:
        if depth <= 0:
            return str(self.pick(*BITS, *self.compares()))
        d = depth - 1
        return str(
            self.pick("({} and {})", "({} or {})", "({} => {})", "(not ({}))", "(({}) == ({}))")
        ).format(self.bit(d), self.bit(d))

    def compares(self) -> list[str]:
        return [f"{name} > 0" for name, _ in self.loops]

    def reduction(self, depth: int) -> str:
        self.made += 1
        name = f"i{self.made}"
        over = self.pick("3", "3", "n", "0..t", "t..n-1")
        self.loops.append((name, over))
        guard = self.pick("", "", f" if {name} > 0", f" if m[t] or {name} != 1")
        if over != "3" and guard:
            guard = self.pick(guard, f" if x[{name}] > 0")
        operator = self.pick("sum", "sum", "sum", "count")
        body = self.bit(depth) if operator == "count" else self.number(depth)
        self.loops.pop()
        return f"{operator}({body} for {name} in {over}{guard})"


NUMBERS = (
    "1 2 0 0.5 t n x[t] k[t] m[t] y[t] b P W[y[t]] W[2] V[z[t],0] V[s[t],1] V[z[t],m[t]] V[z[t],b] "
    'g[t,2] total wave[t] W[m[t]+1] V["B",1]'
).split()
BITS = ("m[t]", "b", "y[t] == 1", "z[t] == s[t]", 'z[t] != "A"', "t > 0", "x[t] < 0", '"B" == s[t]')
ARRAYS = (
    "dot(g[{0}], W)", "dot(W, g[{0}])", "sum(g[{0}] * W)", "norm(g[{0}] - 2 * W)", "max(g[{0}])",
    "dot(V[z[t]], V[s[{0}]])", "sum(outer(g[{0}], W))", "mean(abs(g[{0}]))", "sum(W[0..1] * y[t])",
    "dot(g[{0}, 1..2], V[z[t]])", "sum(V) * m[{0}]", "dot(V[z[t]], dot(V, V[s[t]]))",
    "norm(W * x[{0}])^2", "sum(wave[0..{0}]) * W[y[t]]",
)  # fmt: skip


@st.composite
def texts(draw: Any) -> str:
    body = Writer(draw).number(draw(st.integers(1, 4)))
    return f"{HEAD}factor f[t in n] = {body}\n"


def fuzz_data(rng: Any) -> dict[str, Any]:
    n = int(rng.integers(1, 4))
    return {
        "x": slow.reals(rng, n), "g": slow.reals(rng, n, 3), "k": slow.ints(rng, -2, 4, n),
        "m": slow.ints(rng, 0, 1, n), "s": slow.words(rng, ["A", "B"], n),
    }  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(texts(), st.integers(0, 2**32 - 1))
def test_random_expressions(text: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = [fuzz_data(rng), fuzz_data(rng)]
    weights = {"W": rng.normal(size=3), "V": rng.normal(size=(2, 2)), "P": rng.normal(size=())}
    try:
        model = compile(text)
        batch = emitted_batch(model, data)
    except NotBuiltError:
        return
    layout = whole(batch.compiled, {})
    flat = layout.pack(weights)
    values = np.empty(batch.structure.size)
    batch.energies(layout.views(flat), values)
    listed = {name: w.tolist() for name, w in weights.items()}
    truth = slow.Slow(text)
    factor = truth.factors["f"]
    for _ in range(12):
        states = np.zeros((1, batch.structure.variables), np.int32)
        expected = []
        for i, instance in enumerate(data):
            world = truth.instance(instance, listed)
            n = len(instance["x"])
            drawn = {"y": rng.integers(0, 3, n), "z": rng.integers(0, 2, n),
                     "b": rng.integers(0, 2, 1)}  # fmt: skip
            for name, state in drawn.items():
                first = batch.grounding.base[name][i]
                states[0, first : first + len(state)] = state
            world.assignment = {
                "y": drawn["y"].tolist(), "z": ["AB"[k] for k in drawn["z"]],
                "b": int(drawn["b"][0]),
            }  # fmt: skip
            expected.append(sum(world.value(factor.value, {"t": lambda t=t: t}) for t in range(n)))
        found = table.energy(batch.structure, values[None], states)
        assert found[0] == pytest.approx(expected, rel=1e-9, abs=1e-9)
    gradient = np.zeros(layout.size)
    cotangent = rng.normal(size=values.shape)
    batch.add_gradient(layout.views(flat), cotangent, layout.views(gradient))
    for j in range(layout.size):
        h = 1e-6 * np.eye(layout.size)[j]
        sides = []
        for moved in (flat + h, flat - h):
            batch.energies(layout.views(moved), values)
            sides.append(cotangent @ values)
        slope = (sides[0] - sides[1]) / 2e-6
        size = float(np.abs(cotangent).sum() * (1 + np.abs(values).max()))
        assert gradient[j] == pytest.approx(slope, rel=1e-4, abs=1e-8 * size)


def _energy(text: str, data: dict[str, Any], **weights: Any) -> float:
    import factorgraph as fg

    run = fg.compile(text).init()
    for name, weight in weights.items():
        run.weights[name] = np.array(weight, float)
    return float(run.energy([data])[0])


def test_loops_of_both_kinds_keep_their_own_scratch() -> None:
    text = """
    size p = 4
    given x[p], z[p] : real
    answer y : 0..2
    param U[3, p], V[3, p], T[3, p]
    factor f = sum(x[i] * z[i] * U[y, i] for i in p) + sum(x[i] * V[y, i] for i in p)
             + sum(z[i] * T[y, i] for i in p)
    """
    rng = np.random.default_rng(0)
    u, v, t = rng.normal(size=(3, 3, 4))
    x, z = np.array([1.0, 2.0, 0.0, 3.0]), np.array([0.0, 1.0, 5.0, 2.0])
    truth = (x * z) @ u[1] + x @ v[1] + z @ t[1]
    data = {"x": x.tolist(), "z": z.tolist(), "y": 1}
    assert _energy(text, data, U=u, V=v, T=t) == pytest.approx(truth)


def test_truth_values_count_and_index() -> None:
    head = "size n\ngiven a[n], b[n] : int\nanswer y[n] : bit\nparam U[3]\n"
    data = {"a": [1, 1], "b": [1, 1], "y": [1, 1]}
    both = "factor f[t in n] = ((a[t] == 1) + (b[t] == 1)) * y[t]"
    assert _energy(head + both, data) == 4
    index = "factor f[t in n] = U[(y[t] == 1) + 1]"
    assert _energy(head + index, data, U=[1, 2, 3]) == 6


def test_rows_inside_ragged_loops_know_their_stride() -> None:
    text = """
    size n, p = 2
    given x[p, n] : real
    answer y : bit
    param U[2, p]
    factor f = sum(sum(x[i, s] * U[y, i] for i in p) for s in n)
    """
    data = {"x": [[1.0, 2.0], [4.0, 5.0]], "y": 1}
    assert _energy(text, data, U=[[0, 0], [1, 10]]) == 93


def test_arrays_over_states_are_shared_where_rows_agree() -> None:
    """A matrix of costs that an instance brings is one table an instance, not one a row."""
    text = "size n given D[3, 3] : real answer y[n] : 0..2 factor f[t in 1..n-1] = D[y[t-1], y[t]]"
    costs = np.arange(9.0).reshape(3, 3)
    data = [{"D": costs * sign, "y": [0] * 50} for sign in (1, -1)]
    batch = emitted_batch(compile(text), data)
    (group,) = batch.structure.groups
    assert len(group.table) == 98 and group.distinct == 2
    values = np.empty(batch.structure.size)
    batch.energies({}, values)
    np.testing.assert_array_equal(batch.structure.table(values, 0), [costs, -costs])


def test_an_array_over_states_that_leaves_its_axis() -> None:
    text = "size n given x[n] : real answer y : 0..2 factor f = x[y]"
    with pytest.raises(DataError, match=r"reads `x\[y\]` at index 2 of axis 1, outside 0..1"):
        emitted_batch(compile(text), [{"x": [1, 2]}])
    text = "given k : int answer y : 0..2 param W[4] factor f = W[y + k]"
    with pytest.raises(DataError, match="reads `W` at position 4 of axis 1, outside 0..3"):
        emitted_batch(compile(text), [{"k": 2}])


def test_branches_are_pieces_with_a_scope_of_their_own() -> None:
    text = (
        "size n answer y[n] : 0..2 param V[3, 3], B[3] "
        "factor f[t in n] = if t > 0 then V[y[t-1], y[t]] else B[y[t]] "
        "hard h[t in n] : t > 0 => y[t-1] != y[t]"
    )
    batch = emitted_batch(compile(text), [{"n": 5}])
    found = [(g.name, len(g.cards), len(g.table)) for g in batch.structure.groups]
    assert found == [("f", 2, 4), ("f", 1, 1), ("h", 2, 4)]


# -- what a puzzle needs


def test_all_different_is_a_rule_for_each_pair() -> None:
    text = (
        "size n, m = 3 given cost[n, m] : real given busy[n] : bit answer s[n] : m "
        "factor c[j in n] = cost[j, s[j]] hard d : alldiff(s[j] for j in n if busy[j])"
    )
    rng = np.random.default_rng(2)
    run = compile(text).init()
    for _ in range(20):
        n = int(rng.integers(1, 5))
        cost, busy = rng.normal(size=(n, 3)), rng.integers(0, 2, n)
        data = [{"cost": cost.tolist(), "busy": busy.tolist()}]
        least = math.inf
        for s in itertools.product(range(3), repeat=n):
            held = [v for v, b in zip(s, busy) if b]
            if len(set(held)) == len(held):
                least = min(least, sum(cost[j, v] for j, v in enumerate(s)))
        (found,) = run.predict(data)
        assert found["energy"] == pytest.approx(least)
        assert found["status"] == ("optimal" if math.isfinite(least) else "infeasible")
        if found["answers"] is not None:
            parts = run.energies([data[0] | found["answers"]])
            assert parts["d"][0] == 0 and parts["c"][0] == pytest.approx(least)


def test_all_different_over_two_indices() -> None:
    text = "answer q[2, 2] : 0..3 hard d : alldiff(q) factor f = q[0, 0] - q[1, 1]"
    (found,) = compile(text).init().predict([{}])
    first, second = found["answers"]["q"]
    assert sorted(first + second) == [0, 1, 2, 3] and found["energy"] == -3


def test_what_is_divided_by_must_not_be_0() -> None:
    text = "given a : int answer y : 0..2 factor d = (y + 1) / (a - 1)"
    run = compile(text).init()
    assert [f["energy"] for f in run.predict([{"a": 3}, {"a": 0}])] == [0.5, -3]
    for ask in (run.predict, run.energies):
        with pytest.raises(DataError, match="divides by `a - 1`, which is 0") as caught:
            list(ask([{"a": 1, "y": 0}]))
        assert caught.value.code == "E0312"
    text = "given a : int answer y : 0..2 factor d = if a == 1 then y else (y + 1) / (a - 1)"
    assert [f["energy"] for f in compile(text).init().predict([{"a": 1}, {"a": 2}])] == [0, 1]
    text = "given a : int answer y : 0..2 factor d = if y > 0 then 1 / a else 3"
    with pytest.raises(DataError, match="divides by `a`, which is 0"):  # some y takes the branch
        list(compile(text).init().predict([{"a": 0}]))


def test_infeasible_instances_have_no_marginals_and_no_gap() -> None:
    run = compile("given a : bit answer y : bit hard h : y == 1 and a").init()
    good, bad = run.predict([{"a": 1}, {"a": 0}])
    assert good["gap"] == 0 and math.isnan(bad["gap"]) and bad["status"] == "infeasible"
    good, bad = run.marginals([{"a": 1}, {"a": 0}])
    assert good["y"].tolist() == [0, 1] and np.isnan(bad["y"]).all()


def test_patterns_are_shown_by_their_names() -> None:
    model = compile(
        "size n, m given e[m] : (a: n, b: n) given x[n] : real answer y[n] : bit "
        "fun sq(v) = v^2 factor q[t in n] = sq(x[t]) * y[t] "
        "factor p[(a, b) in e, u in {1, 2}] = sq(x[a]) * u * y[b] + x[b + 1]"
    )
    found = model_as_dict(model.checked)["factors"]
    assert found["p"] == {
        "hard": False, "binders": "[(a, b) in e, u in {1, 2}]", "scope": ["y[b]"],
        "energy": "x[a] ^ 2 * u * y[b] + x[b + 1]",
    }  # fmt: skip
    assert found["q"]["energy"] == "x[t] ^ 2 * y[t]"
    run = model.init()
    with pytest.raises(DataError, match=r"reads `x\[b \+ 1\]` at index 2"):
        run.energies([{"e": [[0, 1]], "x": [1.0, 1.0], "y": [0, 0]}])
