"""The whole language over its model texts: checked, lowered, formatted, energies compared.

The oracle walks the trees in plain Python (tests/slow.py) and shares nothing with the package
but the parser.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import numpy as np
from figures import ROOT, report

from factorgraph.compiler.recognise import recognise
from factorgraph.errors import FgError, ModelError
from factorgraph.ground.kinds import kind_energy
from factorgraph.pipeline import Run, load
from factorgraph.syntax.format import format
from factorgraph.syntax.parser import parse

sys.path.insert(0, str(ROOT / "tests"))
import zoo

SEEDS = range(5)
FOLDER = ROOT / "tests" / "language"
BAD = ROOT / "tests" / "golden" / "bad"


def _off(found: Any, truth: Any) -> float:
    """Return the greatest difference, relative to the truth where that is above 1."""
    a, b = np.asarray(found, np.float64), np.asarray(truth, np.float64)
    if not np.array_equal(np.isinf(a), np.isinf(b)):
        return float("inf")
    finite = np.isfinite(b)
    if not finite.any():
        return 0.0
    return float((np.abs(a - b)[finite] / np.maximum(1.0, np.abs(b[finite]))).max())


def energies() -> dict[str, Any]:
    """Compare energies by factor, and the closed forms of recognised factors."""
    worst, closed, configurations = 0.0, 0.0, 0
    kinds: Counter[str] = Counter()
    for name in zoo.NAMES:
        for seed in SEEDS:
            rng = np.random.default_rng(seed)
            data = zoo.make(name, rng)
            slow = zoo.text(name, data)
            weights = zoo.weights(name, slow, rng)
            model = load(FOLDER / f"{name}.fg", settings=zoo.settings(name))
            arrays = {n: np.asarray(w, np.float64) for n, w in weights.items()}
            run = Run(model, arrays, dict(slow.vocabularies))
            found = run.energies(data)
            configurations += len(data)
            for i, item in enumerate(data):
                world = slow.instance(item, weights)
                truth = world.energies({u: item[u] for u in slow.unknowns()})
                for factor, value in truth.items():
                    worst = max(worst, _off(found[factor][i], value))
            instances = run.bind(data, latents=True)
            for declared in model.checked.factors.values():
                kind = recognise(model.checked, declared)
                if kind is None:
                    continue
                kinds[kind.kind] += seed == 0
                fast = kind_energy(model.checked, declared, kind, instances, arrays)
                closed = max(closed, _off(fast, found[declared.name]))
    return {
        "energies_against_the_oracle": worst,
        "configurations": configurations,
        "recognised_against_the_expression": closed,
        "recognised": dict(kinds),
    }


def texts() -> dict[str, Any]:
    """Check, lower and format every text."""
    checked = lowered = formatted = 0
    paths = sorted(FOLDER.glob("*.fg"))
    for path in paths:
        try:
            model = load(path)
            checked += 1
            compiled = model.compiled
            named = {p.name for p in compiled.programs} | set(compiled.evaluated)
            lowered += named == set(model.checked.factors)
        except FgError:
            continue
        text = path.read_text(encoding="utf-8")
        once = format(text, path.name)
        same = parse(once, path.name).statements == parse(text, path.name).statements
        formatted += same and format(once, path.name) == once
    return {
        "texts": len(paths),
        "checked": checked,
        "lowered": lowered,
        "formatted_with_one_form_and_meaning": formatted,
    }


def golden() -> dict[str, Any]:
    """Count the wrong texts that get their exact message."""
    paths = sorted(BAD.glob("*.fg"))
    exact = 0
    for path in paths:
        try:
            load(path)
        except ModelError as error:
            report_ = error.report().replace(str(path), path.name) + "\n"
            expected = path.with_suffix(".txt").read_text(encoding="utf-8")
            exact += report_ == expected
    return {"wrong_texts": len(paths), "wrong_texts_with_their_exact_message": exact}


def main() -> None:
    report(**texts(), **energies(), **golden())


if __name__ == "__main__":
    main()
