"""Learn y = x^2 four times: which losses shape an energy, and which one flattens it.

    python models/square/demo.py [--seed N] [--picture square.png] [--save samples.npz]

After LeCun, Chopra, Hadsell, Ranzato and Huang, "A Tutorial on Energy-Based Learning" (2006).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import factorgraph as fg
from factorgraph.interop import gallery, pictures

Floats = NDArray[np.float64]

SAMPLES, SIDE = 200, 41
RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "A, energy": ("regression.fg", "energy", {"max_iterations": 300}),
    "B, energy": ("twosided.fg", "energy", {"max_iterations": 300}),
    "B, square-square": ("twosided.fg", "square_square(m = 1)", {"max_iterations": 300}),
    "B, nll": (
        "twosided.fg", "nll", {"optimizer": "adam", "epochs": 100, "batch": 20, "rate": 0.005}
    ),
}  # fmt: skip
"""Text, loss and options of each training. The sum of nll wants ever steeper energies: a hundred
passes with short steps do; the others take L-BFGS, which they are given by themselves."""


@dataclass(frozen=True)
class Trained:
    """One training.

    Attributes
    ----------
    before, after : float64 [SIDE, SIDE], E at x (down) and y (across), evenly from -1 to 1.
    error : mean absolute error of the answers to the samples.
    """

    name: str
    before: Floats
    after: Floats
    error: float

    @property
    def spread(self) -> tuple[float, float]:
        """The standard deviation of E over y, mean over x, before and after."""
        return tuple(float(s.std(axis=1).mean()) for s in (self.before, self.after))  # type: ignore[return-value]

    @property
    def valley(self) -> float:
        """How far the least energy on the lattice is from x^2, mean over x."""
        at = np.linspace(-1, 1, SIDE)
        return float(np.abs(at[self.after.argmin(axis=1)] - at**2).mean())


def samples(seed: int = 0) -> dict[str, Floats]:
    """Return x, uniform on [-1, 1], and y = x^2."""
    x = np.random.default_rng(seed).uniform(-1, 1, SAMPLES)
    return {"x": x, "y": x**2}


def surface(run: fg.Run) -> Floats:
    """Return the energies at all x and y, float64 [SIDE, SIDE]."""
    at = np.linspace(-1, 1, SIDE)
    x, y = (a.reshape(-1) for a in np.meshgrid(at, at, indexing="ij"))
    return run.energy({"x": x, "y": y}).reshape(SIDE, SIDE)


def trainings(folder: Path, seed: int = 0) -> Iterator[Trained]:
    """Train the four models, from random weights of a seed."""
    data = samples()
    for name, (text, loss, options) in RUNS.items():
        model = fg.load(folder / text, loss=loss)
        before = surface(model.init(seed))
        run = model.fit(data, seed=seed, unsafe=True, **options)
        error = run.evaluate(data).errors["y"].as_dict()["absolute"]
        assert error is not None
        yield Trained(name, before, surface(run), error)


def main() -> int:
    options = argparse.ArgumentParser(description="Learn y = x^2 with four losses.")
    options.add_argument("--seed", type=int, default=0, help="of the weights to begin with")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw the energies")
    options.add_argument("--save", type=Path, metavar="NPZ", help="write the samples")
    chosen = options.parse_args()
    try:
        demo(chosen)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(chosen: argparse.Namespace) -> None:
    """Train, tell, draw."""
    if chosen.picture:
        pictures.require()
    if chosen.save:
        np.savez(chosen.save, **samples())  # type: ignore[arg-type]
    found = []
    with as_file(files("factorgraph.models") / "square") as here:
        for one in trainings(here, chosen.seed):
            found.append(one)
            before, after = one.spread
            print(
                f"{one.name:<17} spread of E over y {before:.2g} before, {after:.2g} after; "
                f"mean error of y {one.error:.2g}"
            )
    if chosen.picture:
        at = np.linspace(-1, 1, SIDE)
        gallery.surfaces([(t.name, t.before, t.after) for t in found], chosen.picture, (at, at**2))


if __name__ == "__main__":
    sys.exit(main())
