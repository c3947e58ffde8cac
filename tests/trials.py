"""One random model in both worlds: what the package says of it, and what the slow truth says."""

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

sys.path.insert(0, str(Path(__file__).parent))

import differential
import slow as slow_text

from factorgraph import pipeline
from factorgraph.compiler.recognise import recognise
from factorgraph.errors import FgError, InferenceError, ModelError, NotBuiltError
from factorgraph.ground.kinds import kind_energy
from factorgraph.pipeline import Run

REFUSALS = (slow_text.Outside, ZeroDivisionError, OverflowError)
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
    """A text, instances with a value for every unknown, and weights.

    Attributes
    ----------
    refused : why the check refuses the text, None if it does not.
    """

    def __init__(self, text: str, data: list[dict[str, Any]], seed: int) -> None:
        self.text, self.data = text, data
        self.slow = slow_text.Slow(text).learn(data)
        rng = np.random.default_rng(seed)
        self.weights = {n: draw_weight(n, s, rng) for n, s in self.slow.shapes().items()}
        self.model = pipeline.compile(text)
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
            hidden = {k: v for k, v in (data | known).items() if k in data and not (k in fixed and v is None)}
            try:
                mine: float | None = float(self.run.energy([hidden])[0])
            except (NotBuiltError, InferenceError) as error:
                self.why = str(error)
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
            except REFUSALS as error:
                least, whyslow = None, error
            if (mine is None) != (least is None):
                raise Differs(f"with {fixed}: {mine if mine is not None else why}, slow {least if least is not None else repr(whyslow)}")
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
    from slow import nested, Arr

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
    from slow import Slow

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
