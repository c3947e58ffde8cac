"""Training beside factors of kinds that have no table: parity, counts, at most one, all different;
values against the slow oracle of losses, gradients against differences."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.errors import NotBuiltError
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.pipeline import compile


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
slow_losses: Any = _load("slow_losses")
LIBRARY = (Path(__file__).parent.parent / "models" / "losses.fg").read_text(encoding="utf-8")
BITS = """
size   n
given  x[n], most : real
answer y[n] : bit
param  w, b
factor unary[i in n] = -(w * x[i] + b) * y[i]
"""
TEXTS = {
    "even": BITS + "hard even : xor(y[i] for i in n) == 0\n",
    "count": BITS + "factor few = most * count(y[i] for i in n)^2\n",
    "one": BITS
    + "hard one : exactlyone(y[i] for i in n)\nhard some : atleastone(y[i] for i in n)\n",
}
LOSSES = ("nll", "nll(beta = 0.5) + perceptron", "hinge(m = 3)", "mce(beta = 0.7)", "margin",
          "softmax_margin", "slack", "univariate", "pseudo")  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_value_and_gradient(name: str) -> None:
    rng = np.random.default_rng(3)
    data = []
    for y in ([0, 1, 1], [1, 0, 1, 0], [1, 1]) if name != "one" else ([0, 1, 0], [1, 0, 0, 0]):
        x = rng.normal(size=len(y)).round(2).tolist()
        data.append({"x": x, "y": y, "most": float(rng.normal())})
    for loss in LOSSES:
        model = compile(TEXTS[name], loss=loss)
        assert model.missing() is None and any(k.needed for k in model.compiled.kinds)
        with Crew(1) as crew:
            instances = bind(model.checked, from_python(data))
            objective = Objective(model.compiled, load(model.compiled.text), instances, crew)
            flat = rng.normal(size=2)
            weights = {"w": float(flat[0]), "b": float(flat[1])}
            text = slow.Slow(TEXTS[name])
            expected = sum(
                slow_losses.Losses(text.instance(one, weights), LIBRARY).value(loss) for one in data
            )
            value, gradient = objective(flat)
            assert value == pytest.approx(expected, rel=1e-9, abs=1e-9), loss
            gradient = gradient.copy()
            for d in np.eye(2):
                h = 1e-6
                slope = (objective(flat + h * d)[0] - objective(flat - h * d)[0]) / (2 * h)
                assert gradient @ d == pytest.approx(slope, rel=2e-5, abs=2e-6), loss


def test_weights_in_a_kind_are_refused() -> None:
    text = BITS + "factor few = b * count(y[i] for i in n)^2\n"
    missing = compile(text, loss="nll").missing()
    assert isinstance(missing, NotBuiltError) and "factor `few`" in missing.message
