"""Where no rule decides: the energies that random weights reach, and the condition on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import FgError
from factorgraph.judge.condition import holds
from factorgraph.judge.facts import Reason
from factorgraph.judge.trial import Trial
from factorgraph.model.model import Model

Floats = NDArray[np.float64]

DRAWS = 100
"""Weights that are drawn, of scales from 0.001 to 10; fewer where they are many."""
STEPS = 60
"""Steps of a random search towards each of some corners of the region."""
NUMBERS = 100_000_000
"""Weights times configurations that are looked at in all."""
LOOKED = 4000
"""Pairs of energies at which a loss is evaluated, in search of its least value."""
CELLS = 24
"""Of the region that is fitted, a side."""
SIZE = 6.0
"""Energies beyond are left out, unless most are: losses are looked at near 0."""
HIDDEN = 8
"""Values of the latents that are tried beside each answer."""
CORNERS = ((1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, 0.0), (0.0, -1.0))
"""What a search lowers: so much of the answer's energy, and of the wrong one's."""


@dataclass(frozen=True)
class Sampled:
    """Energies of the observed answer, and the least of wrong ones, at random weights.

    Attributes
    ----------
    right, wrong : float64 [n], latents minimised over a few values.
    draws : of weights.
    """

    right: Floats
    wrong: Floats
    draws: int


class _Search:
    """Weights that are drawn, or moved at random towards a corner; all that is met is kept."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.met: list[Floats] = []

    def look(self, weights: dict[str, Floats]) -> Floats:
        """Return the energies [groups, 2] of right and wrong answers."""
        energy = self.trial.energy(weights).min(axis=2)
        wrong = np.where(self.trial.wrong, energy, np.inf).min(axis=1)
        pair = np.column_stack([energy[:, 0], wrong])
        self.met.append(pair)
        return pair

    def towards(self, corner: tuple[float, float], steps: int) -> None:
        """Move weights at random, and keep a move that lowers a mix of the two energies."""
        trial = self.trial
        best = trial.weights(0.3)
        least = self.score(best, corner)
        for k in range(steps):
            moved = trial.moved(best, 0.5 * 0.97**k)
            score = self.score(moved, corner)
            if score < least:
                best, least = moved, score

    def score(self, weights: dict[str, Floats], corner: tuple[float, float]) -> float:
        pair = np.clip(self.look(weights), -SIZE, SIZE)
        return float((pair @ np.array(corner)).mean())


def sample(model: Model, seed: int = 0) -> Sampled | None:
    """Return energies at random weights of many scales, None where they cannot be evaluated."""
    try:
        search = _Search(Trial(model, seed, HIDDEN))
        afford = max(10, NUMBERS // max(1, search.trial.size * search.trial.instances.count))
        draws = min(DRAWS, afford)
        for k in range(draws):
            search.look(search.trial.weights(10.0 ** (-3.0 + 4.0 * k / max(1, draws - 1))))
        for corner in CORNERS:
            search.towards(corner, min(STEPS, afford // 4))
    except FgError:
        return None
    pairs = np.concatenate(search.met)
    kept = pairs[np.isfinite(pairs).all(axis=1)]
    return Sampled(kept[:, 0], kept[:, 1], len(search.met)) if len(kept) else None


def lost(
    model: Model, loss: Callable[[float, float], float], least: float
) -> tuple[float, float] | None:
    """Return energies that random weights reach, a wrong answer's below the right one's, at which
    a loss has its least value; None where there are none.

    Parameters
    ----------
    least : no value of the loss is below it.
    """
    found = sample(model)
    if found is None:
        return None
    enough = least + 1e-9 * max(1.0, abs(least))
    below = np.flatnonzero(found.right - found.wrong > 1e-6 * np.maximum(1.0, abs(found.right)))
    for k in below[:LOOKED].tolist():
        pair = float(found.right[k]), float(found.wrong[k])
        if loss(*pair) <= enough:
            return pair
    return None


def region(found: Sampled) -> Floats:
    """Return points [n, 2] of the region that energies were found in, and between.

    A cell of a grid belongs to it if it holds a sample, or if three of its neighbours do.
    """
    points = np.column_stack([found.right, found.wrong])
    sizes = abs(points).max(axis=1)
    points = points[sizes <= max(SIZE, float(np.median(sizes)))]
    low, high = points.min(axis=0), points.max(axis=0)
    step = np.maximum((high - low) / CELLS, 1e-12)
    held = np.zeros((CELLS + 2, CELLS + 2))
    at = np.minimum(((points - low) / step).astype(np.int64), CELLS - 1) + 1
    held[at[:, 0], at[:, 1]] = 1
    near = np.zeros_like(held)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            if a or b:
                near += np.roll(held, (a, b), (0, 1))
    inside = ((held > 0) | (near >= 3))[1:-1, 1:-1]
    centres = low + (np.argwhere(inside) + 0.5) * step
    return np.concatenate([points, centres])


def outcome(
    model: Model, loss: Callable[[float, float], float], margin: float = 0.1, seed: int = 0
) -> tuple[bool | None, Reason]:
    """Return whether the condition holds on what random weights reach, and that as a sentence.

    Parameters
    ----------
    loss : of the answer's and the best wrong answer's energy.
    margin : that is asked for.
    """
    found = sample(model, seed)
    if found is None:
        return None, Reason("energies at random weights could not be evaluated")
    points = region(found)
    held = holds(loss, margin, [(float(c), float(i)) for c, i in points])
    (a, b), (c, d) = points.min(axis=0), points.max(axis=0)
    where = (
        f"at {found.draws} random weights on random data the answer's energy lies in "
        f"{a:.3g}..{c:.3g}, the best wrong one's in {b:.3g}..{d:.3g}"
    )
    said = {
        True: f"there the loss is least where the answer is right by {margin:g}",
        False: f"there the loss is as low where the answer is not right by {margin:g}",
        None: "these do not tell, all being on one side of the margin",
    }
    return held, Reason(f"{where}; {said[held]}")
