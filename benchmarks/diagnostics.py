"""What looking at a training costs: the processor time of looks, as a share of all of `fit`.

Beside it the same from outside: the least time with looks, by the least without, of trainings in
turns. Machine code is made before. Words of CoNLL-2000 where they are there, else those of
models/chunker.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

from figures import LETTERS, OCR, ROOT, report

import factorgraph as fg
from factorgraph import training as loop
from factorgraph.cli.options import records
from factorgraph.learn.diagnosis import Diagnosis
from factorgraph.learn.diagnostics import Diagnostics
from factorgraph.learn.watch import Watch

WORDS = ROOT.parent / "shared" / "data" / "conll2000" / "train.txt.gz"
CHUNKER = ROOT / "models" / "chunker" / "chunker.fg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--sentences", type=int, default=2000)
    options = parser.parse_args()
    letters, words = fg.load(OCR), fg.load(CHUNKER)
    path = WORDS if WORDS.exists() else CHUNKER.parent / "train.txt"
    sentences = records(str(path), words, None, columns="word,pos,y")
    sentences = sentences.take(range(min(options.sentences, sentences.count)))
    for case, model, data, how in (
        ("ocr, L-BFGS, 60 iterations", letters, str(LETTERS), {"max_iterations": 60}),
        ("ocr, AdaGrad, 5 epochs", letters, str(LETTERS), {"optimizer": "adagrad", "epochs": 5}),
        ("chunker, L-BFGS, 40 iterations", words, sentences, {"max_iterations": 40}),
        ("chunker, AdaGrad, 5 epochs", words, sentences, {"optimizer": "adagrad", "epochs": 5}),
    ):  # fmt: skip
        measure(case, model, data, how, options.rounds)


def measure(case: str, model: fg.Model, data: Any, how: dict[str, Any], rounds: int) -> None:
    """Print what looks take of a training, in percent."""
    trained, shares, looks, spent = loop.fit, [], 0, [0.0]
    least = {True: float("inf"), False: float("inf")}

    def unseen(*arguments: Any, **named: Any) -> Any:
        given = list(arguments)
        given[5] = None  # the sample
        return trained(*given, **named)

    kept = (Watch, "__init__"), (Diagnostics, "look"), (Diagnostics, "tell")
    before = [getattr(owner, name) for owner, name in kept]
    for (owner, name), function in zip(kept, before, strict=True):
        setattr(owner, name, timed(function, spent))
    for k in range(rounds + 1):
        for seen in (False, True) if k % 2 else (True, False):
            loop.fit = trained if seen else unseen
            heard: list[Any] = []
            spent[0], begun = 0.0, time.process_time()
            model.fit(data, threads=1, on_event=heard.append, **how)
            took = time.process_time() - begun
            if k:
                least[seen] = min(least[seen], took)
            if k and seen:
                shares.append(100 * spent[0] / took)
                looks = sum(isinstance(e, Diagnosis) for e in heard)
    loop.fit = trained
    for (owner, name), function in zip(kept, before, strict=True):
        setattr(owner, name, function)
    report(
        case=case, seconds=least[False], percent=statistics.median(shares), looks=looks,
        outside=100 * (least[True] / least[False] - 1),
    )  # fmt: skip


def timed(function: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """Return a function that adds the processor time of its calls to what was spent."""

    def call(*arguments: Any, **named: Any) -> Any:
        begun = time.process_time()
        try:
            return function(*arguments, **named)
        finally:
            spent[0] += time.process_time() - begun

    return call


if __name__ == "__main__":
    main()
