"""Seconds a gradient of the handwriting model's nll: all 6,877 words, 52,152 letters, 26 labels."""

from __future__ import annotations

import numpy as np
from figures import LETTERS, OCR, median_of, report

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.read import read
from factorgraph.learn.objective import Objective
from factorgraph.learn.shards import Crew


def main() -> None:
    model = fg.load(OCR)
    instances = bind(model.checked, read(LETTERS))
    module = load(model.compiled.text)
    figures = {}
    results = []
    for threads in (1, 2):
        with Crew(threads) as crew:
            objective = Objective(model.compiled, module, instances, crew)
            flat = np.random.default_rng(0).normal(0, 0.3, objective.layout.size)
            figures[f"seconds_{threads}_threads"] = median_of(lambda: objective(flat))  # noqa: B023
            value, gradient = objective(flat)
            results.append((value, gradient.copy()))
    (a, g), (b, h) = results
    report(**figures, bit_identical=bool(a == b and np.array_equal(g, h)))


if __name__ == "__main__":
    main()
