"""Every loss on the handwriting chain: trained on fold 1, letters of the other folds.

Weights start at random, as losses that look at the best wrong answer cannot leave zero; losses
that are flat far from a good answer start with the weights of `nll`.
"""

from __future__ import annotations

import sys
import time

from figures import LETTERS, OCR, report

import factorgraph as fg
from factorgraph.data.read import read
from factorgraph.data.select import select

LOSSES = (
    "energy perceptron hinge logistic lvq2 mce mce(1) square_square square_exp nll mee likelihood "
    "margin squared_margin slack softmax_margin ramp direct unified unified(1,1) pseudo "
    "pseudo_margin piecewise ratio univariate smooth_hamming"
).split()
FLAT = "mce(1) mee ramp direct smooth_hamming".split()
ITERATIONS = 60


def main() -> None:
    letters = read(LETTERS)
    train, test = select(letters, "fold=1"), select(letters, "fold!=1")
    text = OCR.read_text(encoding="utf-8").replace("p] ~", "p] = normal(0, 0.01) ~")
    first = fg.compile(text, loss="nll").fit(train, seed=0, max_iterations=ITERATIONS)
    for loss in sys.argv[1:] or LOSSES:
        model = fg.compile(text, loss=loss)
        model.fit(train, max_iterations=1, unsafe=True)  # compiled
        begun = time.perf_counter()
        start = first if loss in FLAT else None
        run = model.fit(train, seed=0, max_iterations=ITERATIONS, start=start, unsafe=True)
        took = time.perf_counter() - begun
        assert run.finished is not None
        report(
            case=loss,
            start="nll" if loss in FLAT else "random",
            letters=run.evaluate(test).accuracy["y"],
            objective=run.finished.objective,
            status=run.finished.status,
            iterations=run.finished.iterations,
            seconds=took,
        )


if __name__ == "__main__":
    main()
