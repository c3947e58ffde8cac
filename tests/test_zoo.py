"""Every model text of the language: the energy of configurations, held against the slow oracle."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.recognise import recognise
from factorgraph.ground.kinds import kind_energy
from factorgraph.pipeline import Run, load, load_run


def _load(name: str) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


zoo: Any = _load("zoo")
each = pytest.mark.parametrize("name", zoo.NAMES)
close = {"rtol": 1e-9, "atol": 1e-9}


class Trial:
    """A text with random data and weights, in both worlds."""

    def __init__(self, name: str, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.data: list[dict[str, Any]] = zoo.make(name, rng)
        self.slow = zoo.text(name, self.data)
        self.weights: dict[str, Any] = zoo.weights(name, self.slow, rng)
        self.model = load(zoo.FOLDER / f"{name}.fg", settings=zoo.settings(name))
        weights = {n: np.asarray(w, np.float64) for n, w in self.weights.items()}
        self.run = Run(self.model, weights, dict(self.slow.vocabularies))

    def truth(self, i: int) -> dict[str, float]:
        data = self.data[i]
        world = self.slow.instance(data, self.weights)
        return world.energies({u: data[u] for u in self.slow.unknowns()})  # type: ignore[no-any-return]


@cache
def trial(name: str, seed: int = 0) -> Trial:
    return Trial(name, seed)


@each
@pytest.mark.parametrize("seed", [0, 1])
def test_energy_by_factor(name: str, seed: int) -> None:
    found = trial(name, seed)
    parts = found.run.energies(found.data)
    for i in range(len(found.data)):
        truth = found.truth(i)
        assert set(parts) == set(truth)
        for factor, value in truth.items():
            np.testing.assert_allclose(parts[factor][i], value, err_msg=factor, **close)
        assert math.isinf(sum(truth.values())) == zoo.broken(name, i)


@each
def test_one_by_one_and_from_a_file(name: str, tmp_path: Path) -> None:
    """Instances alone, together, and read from a file have the same energies."""
    found = trial(name)
    whole = found.run.energy(found.data)
    alone = np.concatenate([found.run.energy([d]) for d in found.data])
    np.testing.assert_allclose(alone, whole, **close)
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(d) + "\n" for d in found.data), encoding="utf-8")
    np.testing.assert_array_equal(found.run.energy(path), whole)


@each
def test_initial_weights_and_run_folder(name: str, tmp_path: Path) -> None:
    found = trial(name)
    run = found.model.init(seed=0, data=found.data)
    again = found.model.init(seed=0, data=found.data)
    assert {n: w.shape for n, w in run.weights.items()} == found.slow.shapes()
    assert run.vocabularies == found.slow.vocabularies
    for n, w in run.weights.items():
        np.testing.assert_array_equal(w, again.weights[n])
        assert np.isfinite(w).all()
    for n, param in found.model.checked.params.items():
        w = run.weights[n]
        match param.constraint:
            case "positive":
                assert (w > 0).all()
            case "interval":
                assert ((w >= param.low) & (w <= param.high)).all()
            case "unit":
                np.testing.assert_allclose((w**2).sum(axis=-1), 1.0)
            case "simplex":
                np.testing.assert_allclose(w.sum(axis=-1), 1.0)
                assert (w >= 0).all()
    found.run.save(tmp_path / "run")
    stored = load_run(tmp_path / "run")
    np.testing.assert_array_equal(stored.energy(found.data), found.run.energy(found.data))


@each
def test_recognised(name: str) -> None:
    """The closed form of a recognised factor has the energies of its expression."""
    for seed in (0, 1):
        found = trial(name, seed)
        model = found.model.checked
        instances = found.run.bind(found.data, latents=True)
        parts = found.run.energies(found.data)
        for factor in model.factors.values():
            kind = recognise(model, factor)
            if kind is not None:
                fast = kind_energy(model, factor, kind, instances, found.run.weights)
                np.testing.assert_allclose(fast, parts[factor.name], **close)


RECOGNISED = {
    "boltzmann": {"pair": "bilinear", "side": "bilinear"},
    "class_rbm": {"pair": "bilinear"},
    "coloring": {"differ": "potts"},
    "denoise": {"right": "truncated", "down": "truncated"},
    "detect": {"tie": "springs"},
    "house": {"smooth": "truncated"},
    "ldpc": {"parity": "parity"},
    "rbm": {"pair": "bilinear"},
    "segment": {"pair": "potts"},
    "stereo": {"smooth": "truncated"},
    "sudoku": {"row": "distinct", "col": "distinct", "box": "distinct"},
}


@each
def test_what_is_recognised(name: str) -> None:
    model = trial(name).model.checked
    kinds = {f.name: recognise(model, f) for f in model.factors.values()}
    assert {n: k.kind for n, k in kinds.items() if k} == RECOGNISED.get(name, {})


@each
def test_mock(name: str) -> None:
    """Random data fit the declarations: they bind, ground and have an energy."""
    model = trial(name).model
    data, forbidden = model.mock(3, seed=1, latents=True)
    again, _ = model.mock(3, seed=1, latents=True)
    assert data == again and json.loads(json.dumps(data)) == data
    energy = model.init(seed=0, data=data).energy(data)
    assert energy.shape == (3,) and not np.isnan(energy).any()
    assert int(np.isinf(energy).sum()) == forbidden
    shown, _ = model.mock(3, seed=1)
    assert all(not set(item) & set(model.checked.latents) for item in shown)
