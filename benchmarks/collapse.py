"""The judge is judged: trainings from random weights on random data, a JSON line a cell.

Each cell of the table of verdicts that says UNSAFE or SAFE and whose loss can be trained is trained
by gradients, from random weights on random inputs and labels. Where the verdict is UNSAFE there are
many instances: no weights can tell their labels, and what is left is to make all energies equal.
Where it is SAFE there are so few that any labels can be learned. Measured is the standard deviation
of the energies of all answers of an instance, relative to their size (their median, or a tenth of
how far they differed at first, whichever is greater): the median over instances ends below FLAT
where the energy collapsed. Where it did not, it ends above APART, or four of five answers have less
energy than all others (codes may lie near each other beside how far off the network aims). Cells of
other verdicts, and losses that cannot be trained, are listed as not run.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from figures import report
from numpy.typing import NDArray
from verdicts import ARCHITECTURES, FOLDER, cells

import factorgraph as fg

FLAT, APART = 0.05, 0.1
MANY, FEW = 300, {"twosided": 3}
"""Instances; six where FEW says nothing. Six random labels of one number are more than the
two-sided networks learn: hinge and logistic end flat on them, at a local minimum whose value is
that of a flat energy. A verdict is about the least value, not about where descent ends."""


@dataclass(frozen=True)
class Data:
    """Random instances.

    Attributes
    ----------
    labelled : with their answers.
    every : each with all of its answers, one after another; latents with their values as well.
    drawn : which of all answers is the right one.
    answers, latents : how many of either an instance has.
    """

    labelled: list[dict[str, Any]]
    every: list[dict[str, Any]]
    drawn: NDArray[np.int64]
    answers: int
    latents: int = 1


def data(architecture: str, count: int, dice: np.random.Generator) -> Data:
    """Return random instances of an architecture; in all, no label is rarer than another."""
    answers: list[Any] = list("abc")
    if architecture == "chain":
        answers = [list(y) for y in product("abc", repeat=3)]
        given = [{"x": dice.uniform(0, 1, (3, 4)).tolist()} for _ in range(count)]
    elif architecture == "hmm":
        answers = list("ab")
        given = [{"x": dice.choice(list("ACGT"), 3).tolist()} for _ in range(count)]
    elif architecture in ("regression", "twosided"):
        answers = np.linspace(-1, 1, 21).tolist()
        given = [{"x": float(dice.uniform(-1, 1))} for _ in range(count)]
    else:
        answers = [0, 1, 2] if architecture == "codes" else answers
        given = [{"x": dice.normal(size=4).tolist()} for _ in range(count)]
    hidden: list[dict[str, Any]] = [{}]
    if architecture == "hmm":
        hidden = [{"z": list(z)} for z in product(range(3), repeat=3)]
    drawn = dice.permutation(np.arange(count) % len(answers))
    labelled = [{**g, "y": answers[k]} for g, k in zip(given, drawn, strict=True)]
    every = [{**g, "y": y, **z} for g in given for y in answers for z in hidden]
    return Data(labelled, every, drawn, len(answers), len(hidden))


def begin(model: fg.Model, seed: int, at: Data) -> fg.Run:
    """Return a run with random weights."""
    run = model.init(seed=seed, data=at.labelled)
    dice = np.random.default_rng(seed)
    for name, weights in run.weights.items():
        declared = model.checked.params.get(name)
        if declared is not None and declared.constraint == "simplex":
            run.weights[name] = dice.dirichlet(np.ones(weights.shape[-1]), weights.shape[:-1])
        else:
            run.weights[name] = dice.normal(size=weights.shape)
    return run


def energies(run: fg.Run, at: Data) -> NDArray[np.float64]:
    """Return the energy of each answer of each instance, the least over latents."""
    found = run.energy(at.every).reshape(len(at.labelled), at.answers, at.latents)
    least: NDArray[np.float64] = found.min(axis=2)
    return least


def spread(found: NDArray[np.float64], first: NDArray[np.float64]) -> float:
    """Return by how much energies differ from answer to answer, relative to their size."""
    size = np.maximum(np.abs(np.median(found, axis=1)), first.std(axis=1) / 10)
    return float(np.median(found.std(axis=1) / size))


def trained(
    model: fg.Model, architecture: str, count: int, iterations: int, seed: int = 1
) -> dict[str, Any]:
    """Return what a training does to the energies."""
    at = data(architecture, count, np.random.default_rng(seed))
    start = begin(model, seed, at)
    before = energies(start, at)
    how: dict[str, Any] = {"max_iterations": iterations, "tolerance": 1e-8}
    if architecture == "twosided":  # its energy has kinks, at which line searches end
        how = {"optimizer": "adam", "rate": 0.02, "schedule": "cosine", "batch": count,
               "epochs": 10 * iterations, "average": False}  # fmt: skip
    run = model.fit(at.labelled, start=start, unsafe=True, **how)
    after = energies(run, at)
    assert run.finished is not None
    others = after.copy()
    answer = after[np.arange(count), at.drawn]
    others[np.arange(count), at.drawn] = np.inf
    return {
        "instances": count, "right": float((answer < others.min(axis=1)).mean()),
        "spread_before": spread(before, before), "spread_after": spread(after, before),
        "objective": run.finished.objective, "status": run.finished.status,
    }  # fmt: skip


def runs(
    losses: list[str] | None = None, architectures: list[str] | None = None, iterations: int = 300
) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell."""
    for cell in cells():
        loss, name = cell["loss"], cell["architecture"]
        if (losses and loss not in losses) or (architectures and name not in architectures):
            continue
        row = {"loss": loss, "architecture": name, "verdict": cell["verdict"]}
        if cell["verdict"] not in ("SAFE", "UNSAFE"):
            yield {**row, "ran": False, "why": f"the verdict is {cell['verdict']}"}
            continue
        model = fg.load(FOLDER / f"{name}.fg", loss=loss)
        missing = model.missing()
        if missing is not None:
            yield {**row, "ran": False, "why": missing.message}
            continue
        count = MANY if cell["verdict"] == "UNSAFE" else FEW.get(name, 6)
        found = trained(model, name, count, iterations)
        after = found["spread_after"]
        agrees = after < FLAT
        if cell["verdict"] == "SAFE":
            agrees = after > APART or found["right"] >= 0.8
        yield {**row, "ran": True, "agrees": agrees, **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loss", action="append", help="only this one")
    parser.add_argument("--architecture", action="append", choices=ARCHITECTURES)
    parser.add_argument("--iterations", type=int, default=300)
    options = parser.parse_args()
    for row in runs(options.loss, options.architecture, options.iterations):
        report(**row)


if __name__ == "__main__":
    main()
