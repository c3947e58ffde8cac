"""Seconds a gradient of a chain whose letters are read by a network, beside its parts alone.

52,152 letters, mlp(128, 128, 26) in place of the templates. ``layers``: forward and backward pass
of the network in numpy on all letters at once, with one thread of BLAS. ``chain``: the gradient
of the same chain with the network's scores as data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from figures import LETTERS, median_of, report

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.python import from_python
from factorgraph.data.read import read
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew
from factorgraph.maps import Mlp
from factorgraph.maps.blas import one_thread

CHAIN = """
domain Letter = 0..25
size   n, p = 128
given  x[n, p] : real
answer y[n] : Letter
param  A[Letter, Letter]
factor move[t in 1..n-1] = -A[y[t-1], y[t]]
loss   nll
"""
NETWORK = "map G = mlp(p, 128, Letter, act = tanh) factor emit[t in n] = -G(x[t])[y[t]]"
SCORES = "param k = 1 factor emit[t in n] = -k * x[t, y[t]]"


def main() -> None:
    records = read(LETTERS)
    sizes = np.diff(records.columns["x"].start) // 128
    x = np.asarray(records.columns["x"].values, np.float64).reshape(-1, 128)
    y = np.asarray(records.columns["y"].values)
    layer = Mlp((128, 128, 26), act="tanh")
    weights = layer.initial(np.random.default_rng(0))
    cotangent = np.random.default_rng(1).normal(size=(len(x), 26))

    def layers() -> None:
        with one_thread():
            _, tape = layer.forward(weights, x)
            layer.backward(weights, tape, cotangent, inputs=False)

    cuts = np.cumsum(sizes)[:-1]
    scores = [
        {"x": a, "y": b}
        for a, b in zip(
            np.split(layer.apply(weights, x), cuts), np.split(y.astype(int), cuts), strict=True
        )
    ]
    figures: dict[str, Any] = {"layers": median_of(layers)}
    for threads in (1, 2):
        with Crew(threads) as crew:
            for name, text, data in (
                ("network", CHAIN + NETWORK, records),
                ("chain", CHAIN.replace("p = 128", "p = 26") + SCORES, scores),
            ):
                model = fg.compile(text)
                instances = bind(model.checked, from_python(data))
                module = load(model.compiled.text)
                objective = Objective(model.compiled, module, instances, crew)
                start = {**model.init(0).weights, "A": np.zeros((26, 26))}
                flat = objective.layout.pack(start)
                key = f"{name}_{threads}_threads"
                figures[key] = median_of(lambda: objective(flat))  # noqa: B023
    parts = figures["layers"] + figures["chain_1_threads"]
    report(**figures, over_parts=figures["network_1_threads"] / parts)


if __name__ == "__main__":
    main()
