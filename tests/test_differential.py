"""Random small models: the package and the slow truth mean the same, or refuse the same."""

from __future__ import annotations

import math
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import differential
import slow as slow_text
from slow_values import Arr, Outside, nested

from factorgraph.compiler.recognise import recognise
from factorgraph.errors import FgError, InferenceError, ModelError, NotBuiltError
from factorgraph.ground.kinds import kind_energy
from factorgraph.pipeline import Run, compile

REFUSALS = (Outside, ZeroDivisionError, OverflowError)
"""What the slow truth raises where a text has no meaning with these data."""
MOST = 600
"""Configurations that are enumerated."""


class Differs(AssertionError):
    """The two worlds disagree."""


def plain(text: str) -> ModuleType:
    """Return an emitted module whose kernels are left as Python."""
    module = ModuleType("plain")
    text = text.replace("from factorgraph.jit import kernel", "")

    def kernel(function: Any = None, **options: Any) -> Any:
        return function or kernel

    module.__dict__["kernel"] = kernel
    exec(text, module.__dict__)
    return module


class Trial:
    """A text, instances with a value for every unknown, and weights."""

    def __init__(self, text: str, data: list[dict[str, Any]], seed: int) -> None:
        self.text, self.data = text, data
        self.slow = slow_text.Slow(text).learn(data)
        rng = np.random.default_rng(seed)
        self.weights = {n: draw_weight(n, s, rng) for n, s in self.slow.shapes().items()}
        self.model = compile(text)
        weights = {n: np.asarray(w, np.float64) for n, w in self.weights.items()}
        self.run = Run(self.model, weights, dict(self.slow.vocabularies))

    def truth(self, data: dict[str, Any]) -> dict[str, float] | None:
        """Return the slow energies by factor, None where the text has no meaning."""
        world = self.slow.instance(data, self.weights)
        try:
            return world.energies({u: data[u] for u in self.slow.unknowns()})
        except REFUSALS:
            return None

    def compare(self) -> str:
        """Raise Differs unless both worlds agree; return what was compared."""
        if any(d.from_data for d in self.model.checked.domains.values()):
            found = self.model.init(data=self.data).vocabularies
            if found != self.slow.vocabularies:
                raise Differs(f"vocabularies {found} {self.slow.vocabularies}")
        good = []
        for data in self.data:
            truth = self.truth(data)
            try:
                parts = self.run.energies([data])
            except FgError as error:
                if isinstance(error, NotBuiltError):
                    raise
                if truth is not None:
                    raise Differs(f"refused, slow is {truth}: {error}") from error
                continue
            mine = {n: float(v[0]) for n, v in parts.items()}
            if truth is None:
                raise Differs(f"not refused: {mine}")
            same(mine, truth)
            good.append(data)
        if not good:
            return "refused"
        self.together(good)
        return self.tables(good)

    def together(self, good: list[dict[str, Any]]) -> None:
        """Instances together, and recognised kinds, have the same energies."""
        parts = self.run.energies(good)
        for i, data in enumerate(good):
            same({n: float(v[i]) for n, v in parts.items()}, self.truth(data))
        model = self.model.checked
        instances = self.run.bind(good, latents=True)
        for factor in model.factors.values():
            kind = recognise(model, factor)
            if kind is not None:
                fast = kind_energy(model, factor, kind, instances, self.run.weights)
                for i in range(len(good)):
                    same({factor.name: fast[i]}, {factor.name: parts[factor.name][i]}, kind.kind)

    def tables(self, good: list[dict[str, Any]]) -> str:
        """The least energy over some open unknowns, found in tables and by enumeration."""
        r = random.Random(1)
        said = "energies"
        for data in good:
            known = hide(self.slow, data, r)
            world = self.slow.instance(data, self.weights)
            fixed = {u: known.get(u) for u in self.slow.unknowns()}
            if any(real(self.slow, u) for u in fixed):
                continue
            count = 1
            for u, v in fixed.items():
                count *= free(world, u, v)
            if count > MOST or count == 1:
                continue
            hidden = {k: v for k, v in (data | known).items() if k not in fixed or v is not None}
            why: FgError | None = None
            try:
                mine: float | None = float(self.run.energy([hidden])[0])
            except (NotBuiltError, InferenceError):
                return said + ": not built"
            except FgError as error:
                if error.code == "E0313":
                    return "one variable twice"
                if error.code == "E0311" and re.search(r"reads `(y|z|a|ql|at|hb)\[", str(error)):
                    return "outside"
                mine, why = None, error
            least: float | None = math.inf
            try:
                for filled, _ in world.configurations(fixed):
                    least = min(least, world.energy(filled))
            except REFUSALS:
                least = None
            if (mine is None) != (least is None):
                raise Differs(f"with {fixed}: {why if mine is None else mine}, slow {least}")
            if mine is not None:
                same({"least": mine}, {"least": least}, str(fixed))
            said = "tables"
        return said


def draw_weight(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    if name == "Q":
        return np.exp(rng.normal(size=shape) * 0.4)
    return np.clip(rng.normal(size=shape) * 0.7, -2, 2)


def real(text: Any, name: str) -> bool:
    kind = text.slots[name][0].type
    return getattr(kind, "name", "") == "real" or name == "xb"


def free(world: Any, name: str, value: Any) -> int:
    """Return how many values an unknown may have that agree with what is known."""
    array = None if value is None else nested(value, world.axes(name))
    total = 1
    for place in Arr(world.axes(name), lambda p: None).places():
        one = array.at(place) if isinstance(array, Arr) else array
        total *= len(world.options(name, one))
        if total > MOST:
            break
    return total


def hide(text: Any, data: dict[str, Any], r: random.Random) -> dict[str, Any]:
    """Return the unknowns of an instance, some of them not observed."""

    def some(value: Any, chance: float, depth: int, width: int) -> Any:
        if depth == 0 and width:
            return [None if r.random() < chance else v for v in value]
        if depth == 0:
            return None if r.random() < chance else value
        return [some(v, chance, depth - 1, width) for v in value]

    out = {}
    for name in text.unknowns():
        if text.slots[name][0].role == "latent":
            out[name] = None if r.random() < 0.5 else data[name]
            continue
        shape = text.slots[name][1].shape
        width = len(getattr(text.slots[name][0].type, "fields", ()))
        out[name] = some(data[name], 0.6 if not shape else 0.4, len(shape), width)
    return out


def same(mine: dict[str, float], truth: Any, what: str = "") -> None:
    for name, value in truth.items():
        ok = mine[name] == value or abs(mine[name] - value) <= 1e-9 * max(1.0, abs(value))
        if not ok:
            raise Differs(f"{what} {name}: {mine[name]}, slow {value}")


def trial(seed: int) -> tuple[str, list[dict[str, Any]]]:
    """Return a random text with data."""
    text, _ = differential.model(seed)
    r = random.Random(seed + 1)
    parsed = slow_text.Slow(text)
    data = []
    differential.OBJECTS[0] = r.random() < 0.5
    for _ in range(3):
        one = differential.givens(text, r)
        shape = one.pop("#")
        data.append(one)
        world_fill(parsed, one, shape, r)
    return text, data


def world_fill(text: Any, data: dict[str, Any], d: dict[str, Any], r: random.Random) -> None:
    """Give every unknown of an instance a random value of its type."""
    text.vocabularies = {"Wd": differential.TEXTS, "Feat": ()}
    world = text.instance(dict(d) | data | {"e2": len(data.get("pair", []))}, {})
    for name in ("n", "m"):
        world.sizes[name] = d[name]
    world.sizes["c"] = d["c"]
    for name in text.unknowns():
        statement, _ = text.slots[name]
        kind = getattr(statement.type, "name", "")
        states: list[Any] = []
        if kind == "real":
            draw: Callable[[], Any] = lambda: round(r.gauss(0, 1), 3)  # noqa: E731
        elif name == "xb":
            draw = lambda: round(r.uniform(-1, 1), 3)  # noqa: E731
        else:
            states = world.states(name)
            draw = lambda s=states: r.choice(s)  # noqa: E731
        axes = differential.unknown_axes(differential.DECLARED[name].line)
        data[name] = differential.axes_lists(axes, d, draw)


BLOCKS, SIZE = 14, 20


@pytest.mark.parametrize("block", range(BLOCKS))
def test_random_models(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("factorgraph.run.load_module", plain)
    compared = 0
    for seed in range(block * SIZE, (block + 1) * SIZE):
        text, data = trial(seed)
        try:
            found = Trial(text, data, seed)
            compared += found.compare() != "refused"
        except REFUSALS:  # already while the domains are filled
            with pytest.raises(FgError):
                compile(text).init(data=data)
        except KeyError as error:
            assert error.args[0] in ("n", "m"), text  # empty lists do not tell this size
        except ModelError as error:
            assert error.code == "E0121", text  # an index that leaves a param for sure
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{text}\n{data}") from error
    assert compared > SIZE * 3 // 4


# -- what the random models found


def run_of(text: str, data: list[dict[str, Any]], **weights: Any) -> Run:
    run = compile(text).init(data=data)
    run.weights |= {n: np.array(w, np.float64) for n, w in weights.items()}
    return run


def energy(text: str, *data: dict[str, Any], **weights: Any) -> list[float]:
    return [float(v) for v in run_of(text, list(data), **weights).energy(list(data))]


def test_empty_lists_alone() -> None:
    text = "size m size n given H[m, n] : bit given x[n] : real answer y[n] : bit factor f = sum(x)"
    assert energy(text, {"H": [], "x": [1, 2], "y": [0, 1]}) == [3]
    text = "size n size c[n] answer q[n, c] : bit factor f[t in n, i in c[t]] = q[t, i]"
    assert energy(text, {"q": []}) == [0]
    assert energy(text, {"q": [[], [1, 1]]}) == [2]
    text = "size n size p = 2 given r[n, p] : (a: bit, t: text) answer y : bit factor f = y"
    assert energy(text, {"r": [], "y": 1}) == [1]


def test_a_size_that_an_empty_array_does_not_tell() -> None:
    text = "size n, m given g[n, m], u[m] : real answer y : bit factor f = sum(u) + sum(g) + y"
    assert energy(text, {"g": [], "u": [1, 2], "y": 0}, {"g": [[5]], "u": [1], "y": 0}) == [3, 6]


@pytest.mark.parametrize("objects", [False, True])
def test_ragged_records(objects: bool) -> None:
    text = (
        "size n size c[n] given r[n, c] : (v: real, t: text) answer q[n, c] : (a: 0..2, b: bit) "
        'factor f[t in n, i in c[t]] = r[t, i].v * q[t, i].a * (r[t, i].t == "x")'
    )

    def row(v: float, t: str) -> Any:
        return {"v": v, "t": t} if objects else [v, t]

    even = {"r": [[row(1, "x")], [row(2, "x")]], "q": [[[2, 0]], [[1, 0]]]}
    odd = {"r": [[], [row(3, "x"), row(4, "y")]], "q": [[], [[2, 1], [1, 0]]]}
    assert energy(text, even) == [4]
    assert energy(text, odd, even) == [6, 4]


def test_equal_extents_look_equal() -> None:
    text = (
        "size n given x[n] : real answer y : bit let d[i in n] = x[i] * 2 "
        "factor f = dot(d, x) + sum(d * x) + sum(x[1..n-1] * x[0..n-2])"
    )
    assert energy(text, {"x": [1, 2], "y": 0}) == [22]


FEATURES = (
    "domain Feat size n given w[n] : text given x[n] : real param G[Feat] = 1 answer a : bit "
)


def test_features_within_a_sum() -> None:
    data = {"w": ["a", "b", "b"], "x": [1, -1, 2], "a": 0}
    text = FEATURES + "factor f = sum(dot(G, features(Feat, w[i], min = 2)) for i in n)"
    assert run_of(text, [data]).vocabularies == {"Feat": ("w[i]=b",)}
    assert energy(text, data) == [2]


def test_features_that_are_not_evaluated_fill_nothing() -> None:
    data = {"w": ["a", "b", "c"], "x": [1, -1, 2], "a": 0}
    text = FEATURES + (
        "factor f[t in n] = if x[t] > 0 then dot(G, features(Feat, w[t])) else 0 "
        "factor g = sum(dot(G, features(Feat, w[i])) for i in 1..n-1 if x[i] < 0)"
    )
    assert run_of(text, [data]).vocabularies == {"Feat": ("w[i]=b", "w[t]=a", "w[t]=c")}


def test_features_that_training_has_not_seen() -> None:
    data = {"w": ["a"], "x": [1], "a": 0}
    run = run_of(FEATURES + "factor f = dot(G, features(Feat, w[0], min = 2)) - a", [data])
    assert [r["energy"] for r in run.predict([data])] == [-1]


def test_features_of_ragged_texts() -> None:
    text = (
        "size n size c[n] given w[n, c] : text answer a : bit "
        "factor f[t in n, i in c[t]] = sum(hash(1, w[t, i-1], w[t, i+2]))"
    )
    assert energy(text, {"w": [["a", "b"], []], "a": 0}) == [4]
    text = (
        "domain Feat size n size c[n] given w[n, c] : text answer a : bit param G[Feat] = 1 "
        "factor f[t in n, i in c[t]] = dot(G, features(Feat, w[t, i+1]))"
    )
    run = run_of(text, [{"w": [["a", "b"], ["c"]], "a": 0}])
    assert run.vocabularies == {"Feat": ("w[t,i+1]=<+1>", "w[t,i+1]=b")}


def test_rows_of_a_ragged_array_in_tables() -> None:
    text = (
        "size n size c[n] size k = 2 given g[n, c, k] : real answer a[n] : bit param M[k] "
        "factor f[t in n] = a[t] * sum(dot(g[t], M))"
    )
    data = {"g": [[[1, 2], [3, 4]], [], [[-5, 1]]]}
    (found,) = run_of(text, [data | {"a": [0, 0, 0]}], M=[1, -1]).predict([data])
    assert found["energy"] == -8 and found["answers"]["a"] == [1, found["answers"]["a"][1], 1]


def test_data_under_a_condition_that_unknowns_share() -> None:
    text = (
        "size n given x[n] : real answer a[n] : bit "
        "factor f[t in n] = if a[t] and t > 0 then x[t-1] else 0 "
        "factor g[t in n] = if not a[t] or t + 1 == n then 0 else x[t+1]"
    )
    (found,) = compile(text).init().predict([{"x": [1, -3, 1]}])
    assert found["energy"] == -6 and found["answers"]["a"] == [1, 0, 1]


def test_an_index_that_an_unknown_keeps_inside() -> None:
    text = (
        "answer y : -2..3 param W[3] "
        "factor f = (if y in 0..2 then W[y] else 1) + (if y != 0 then 6 // y else 0)"
    )
    run = run_of(text, [{"y": 0}], W=[5, 6, 7])
    assert run.energy([{"y": 1}, {"y": -2}, {"y": 0}]).tolist() == [12, -2, 5]
    (found,) = run.predict([{}])
    assert found["energy"] == -5 and found["answers"]["y"] == -1


def test_a_field_of_which_nothing_is_known() -> None:
    text = (
        "domain D = {u, v} size n answer r[n] : (i: 0..1, l: D) "
        'factor f[t in n] = r[t].i + (r[t].l == "u")'
    )
    with pytest.raises(NotBuiltError):  # the data bind: a table over a record is not built
        compile(text).init().energy([{"r": [[None, "u"]]}])
