"""Say what is in a picture: six labels that know of each other, beside six that do not.

    python models/scene/demo.py [--seed 0] [--picture pairs.png]

Both learn from the training half of `scene.npz` and are tested on the other.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

import factorgraph as fg
from factorgraph.cli.progress import progress
from factorgraph.data.read import read
from factorgraph.data.select import select
from factorgraph.interop import pictures

LABELS = ["beach", "sunset", "foliage", "field", "mountain", "urban"]


def main() -> int:
    options = argparse.ArgumentParser(description="Train models of what is in a picture.")
    options.add_argument("--seed", type=int, default=0, help="same seed, same weights (0)")
    options.add_argument("--picture", type=Path, metavar="PNG",
                         help="draw what pairs of labels have learned")  # fmt: skip
    chosen = options.parse_args()
    if chosen.seed < 0:
        options.error("--seed is a whole number from 0 on")
    try:
        demo(chosen.seed, chosen.picture)
    except fg.FgError as error:
        print(error.report(), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def demo(seed: int, picture: Path | None) -> None:
    """Train, test, draw."""
    if picture is not None:
        pictures.require()  # better now than after training
    with as_file(files("factorgraph.models") / "scene") as here:
        everything = read(here / "scene.npz")
        models = (
            ("six that know of each other", fg.load(here / "scene.fg")),
            ("each on its own (no `pair`)", fg.load(here / "scene.fg", without=["pair"])),
        )
    train, test = select(everything, "test=0"), select(everything, "test=1")
    print(f"{train.count} pictures to learn from, {test.count} others to label")
    for title, model in models:
        with progress() as show:
            begun = time.monotonic()
            run = model.fit(train, seed=seed, on_event=show)
        scores = run.evaluate(test)
        print(
            f"  {title:<28} {scores.overall:.3f} of the labels, "
            f"{scores.instance_accuracy:.3f} of the pictures right, "
            f"{time.monotonic() - begun:.0f} s"
        )
        if "pair" in model.checked.factors and picture is not None:
            draw(run, picture)


def draw(run: fg.Run, path: Path) -> None:
    """Draw by how much the energy rises where two labels stand together."""
    table = -run.weights["T"]
    both = table[:, :, 1, 1] + table[:, :, 0, 0] - table[:, :, 1, 0] - table[:, :, 0, 1]
    pairs = np.triu(both, 1)
    pictures.heat_map(
        pairs + pairs.T,
        LABELS,
        path,
        "two labels in one picture: E(1, 1) + E(0, 0) − E(1, 0) − E(0, 1)",
        rows="",
        columns="",
        unit="energy (blue, negative: together)",
    )


if __name__ == "__main__":
    sys.exit(main())
