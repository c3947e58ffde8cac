"""Read handwritten digits: templates, a network, and a network that has seen nothing but sums.

    python models/digits/demo.py [--seed 0] [--picture digits.png]

Everything learns from the first half of `digits.npz` and is tested on the second.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import factorgraph as fg
from factorgraph.cli.progress import progress
from factorgraph.data.column import Records
from factorgraph.data.read import read
from factorgraph.data.select import select
from factorgraph.interop import pictures

ITERATIONS = 150
SHOWN = (6, 12)  # rows and columns of the picture


def main() -> int:
    options = argparse.ArgumentParser(description="Train readers of handwritten digits.")
    options.add_argument("--seed", type=int, default=0, help="same seed, same weights (0)")
    options.add_argument("--picture", type=Path, metavar="PNG",
                         help="draw test digits with what the network reads")  # fmt: skip
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
    with as_file(files("factorgraph.models") / "digits") as here:
        everything = read(here / "digits.npz")
        models = {name: fg.load(here / f"{name}.fg") for name in ("linear", "digits", "sums")}
    train, test = select(everything, "part=0"), select(everything, "part=1")
    print(f"{train.count} digits to learn from, {test.count} others to read")
    for name, title in (
        ("linear", "a template for each digit"),
        ("digits", "the network"),
        ("sums", "the network, of sums alone"),
    ):
        begun = time.monotonic()
        data = pairs(train, seed) if name == "sums" else train
        with progress() as show:
            run = models[name].fit(data, seed=seed, max_iterations=ITERATIONS, on_event=show)
        # What `sums.fg` has learned is the same map that `digits.fg` reads with.
        reader = run if name != "sums" else fg.Run(models["digits"], run.weights, {})
        right = reader.evaluate(test).overall or 0.0
        print(f"  {title:<28} {right:.3f} read right, {time.monotonic() - begun:.0f} s")
        if name == "digits" and picture is not None:
            draw(reader, test, seed, picture)


def pairs(train: Records, seed: int) -> dict[str, NDArray[np.int64]]:
    """Return two pictures and the sum of their digits, each picture in two pairs."""
    pic = train.columns["pic"].values.reshape(-1, 8, 8).astype(np.int64)
    digit = train.columns["digit"].values.astype(np.int64)
    order = np.random.default_rng(seed).permutation(np.tile(np.arange(len(digit)), 2))
    a, b = order[: len(order) // 2 * 2].reshape(-1, 2).T
    return {"left": pic[a], "right": pic[b], "total": digit[a] + digit[b]}


def draw(run: fg.Run, test: Records, seed: int, path: Path) -> None:
    """Draw test digits at random, so that the picture shows as many mistakes as there are."""
    rows, columns = SHOWN
    drawn = np.random.default_rng(seed).choice(test.count, rows * columns, replace=False)
    some = test.take(np.sort(drawn))
    read_as = [str(a["answers"]["digit"]) for a in run.predict(some)]
    true = [str(d) for d in some.columns["digit"].values]
    pic = some.columns["pic"].values.reshape(-1, 8, 8)
    lines = [slice(k * columns, (k + 1) * columns) for k in range(rows)]
    pictures.words([pic[k] for k in lines], [true[k] for k in lines], [read_as[k] for k in lines],
                   path, called=("rows", "digits"))  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
