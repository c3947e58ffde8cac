"""Inference with a cost of mistakes beside plain inference, on the handwriting chain: ratios."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
from figures import LETTERS, OCR, report

import factorgraph as fg
from factorgraph.compiler.module import load
from factorgraph.data.bind import bind
from factorgraph.data.read import read
from factorgraph.ground.batch import Batch
from factorgraph.ground.ground import ground
from factorgraph.ground.looks import Looks
from factorgraph.ground.weights import whole

ROUNDS = 15


def main() -> None:
    letters = read(LETTERS)
    for case, plain, augmented in (
        ("argmin", "E(any)", "min(E(Y) - hamming(Y) for Y in any)"),
        ("soft", "free(any)", "softmin(E(Y) - hamming(Y) for Y in any)"),
    ):
        # the plain probe beside a cost that it does not read, as in training
        model = fg.load(OCR, loss=f"{plain} - {augmented}")
        instances = bind(model.checked, letters)
        batch = Batch(model.compiled, load(model.compiled.text), ground(model.compiled, instances))
        looks = Looks(model.loss, batch)
        layout = whole(model.compiled, instances.vocabularies)
        weights = layout.views(np.random.default_rng(0).normal(0, 0.1, layout.size))
        values = looks.values()
        batch.energies(weights, values[0, : batch.structure.size])
        into = np.zeros_like(values)
        seconds: list[list[float]] = [[], []]
        for _ in range(ROUNDS + 1):
            for which, probe in enumerate(looks.probes):
                begun = time.perf_counter()
                found = probe(values, ())
                found.add_cotangents(np.ones_like(found.value), into)
                seconds[which].append(time.perf_counter() - begun)
        ratios = [b / a for a, b in zip(*seconds, strict=True)][1:]
        report(
            case=case, ratio=median(ratios), plain=median(seconds[0]), augmented=median(seconds[1])
        )


if __name__ == "__main__":
    main()
