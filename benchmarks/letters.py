"""What the handwriting model reaches, by fold and loss: letters and whole words read right."""

from __future__ import annotations

import time

from figures import LETTERS, OCR, report

import factorgraph as fg
from factorgraph.data.read import read
from factorgraph.data.select import select

CASES = {
    "chain": ("fold!=0", "fold=0", {}),
    "independent": ("fold!=0", "fold=0", {"without": ["move"]}),
    "chain_small": ("fold=0", "fold!=0", {}),
    "chain_perceptron": ("fold!=0", "fold=0", {"loss": "perceptron"}),
}


def main() -> None:
    letters = read(LETTERS)
    for name, (train, test, options) in CASES.items():
        begun = time.perf_counter()
        run = fg.load(OCR, **options).fit(select(letters, train), seed=0)
        took = time.perf_counter() - begun
        scores = run.evaluate(select(letters, test))
        assert run.finished is not None
        report(
            case=name,
            train=train,
            test=test,
            letters=scores.accuracy["y"],
            words=scores.instance_accuracy,
            objective=run.finished.objective,
            iterations=run.finished.iterations,
            status=run.finished.status,
            seconds=took,
        )


if __name__ == "__main__":
    main()
