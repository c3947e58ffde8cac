"""Find how far things are from two pictures: TRW-S, with the bound that it proves on the way.

    python models/stereo/demo.py [LEFT.png RIGHT.png] [--labels 16] [--picture stereo.png]
                                 [--curve bound.png] [--seed N] [--save pair.npz]

Without two pictures the pair is `pair.npz`, or, with --seed, one that is drawn anew.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.interop import gallery, pictures

HEIGHT, WIDTH, NOISE = 96, 128, 6.0
FAR = (2, 4)
NEAR = (5, 7, 9, 12)
"""Pixels by which floor and wall, and four things before them, are apart in the two pictures."""


def main() -> int:
    options = argparse.ArgumentParser(description="Disparities of a pair of pictures.")
    options.add_argument("pair", nargs="*", type=Path, metavar="PNG", help="left, right")
    options.add_argument("--labels", type=int, default=16, help="disparities 0 .. labels - 1")
    options.add_argument("--seed", type=int, help="draw a new pair")
    options.add_argument("--save", type=Path, metavar="NPZ", help="keep the pair")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw the disparities")
    options.add_argument("--curve", type=Path, metavar="PNG", help="draw energy and bound by time")
    chosen = options.parse_args()
    if len(chosen.pair) not in (0, 2) or chosen.labels < 2:
        options.error("two pictures or none, and at least two labels")
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
    """Read or draw a pair, infer, draw what was found."""
    if chosen.pair or chosen.picture or chosen.curve:
        pictures.require()
    with (
        as_file(files("factorgraph.models") / "stereo") as here,
        tempfile.TemporaryDirectory() as t,
    ):
        if chosen.pair:
            data = {k: _read(p) for k, p in zip(("left", "right"), chosen.pair, strict=True)}
        elif chosen.seed is not None:
            data = drawn(chosen.seed)
        else:
            with np.load(here / "pair.npz") as stored:
                data = {name: stored[name][0] for name in stored.files}
        path = chosen.save or Path(t) / "pair.npz"
        np.savez_compressed(path, **{name: array[None] for name, array in data.items()})
        run = fg.load(here / "stereo.fg", settings={"K": chosen.labels}).init()
        (found,) = run.predict(path)
    states = np.array(found["answers"]["d"])
    print(
        f"energy {found['energy']:.10g}, no less than {found['bound']:.10g} by any disparities: "
        f"{found['status']}, {found['iterations']} sweeps, {found['seconds']:.1f} s"
    )
    if "d" in data:
        seen = visible(data["d"])
        near = np.abs(states - data["d"])[seen] <= 1
        print(f"{near.mean():.3f} of the pixels seen in both pictures are off by one at most")
    if chosen.picture:
        shown: list[tuple[str, Any]] = [("left", data["left"]), ("right", data["right"])]
        if "d" in data:
            shown.append(("how it is", data["d"]))
        shown.append((f"found: energy {found['energy']:.10g}", states))
        gallery.images(shown, chosen.picture)
    if chosen.curve:
        gallery.bounds({"trws + icm": found["trace"]}, chosen.curve)


def _read(path: Path) -> np.ndarray[Any, Any]:
    """Return a picture as uint8 [h, w, 3]."""
    from matplotlib.image import imread

    try:
        image = imread(path)
    except (OSError, ValueError, SyntaxError) as error:
        raise fg.UsageError(f"{path} cannot be read: {error}", code="E0802") from None
    if image.ndim == 2:
        image = np.repeat(image[..., None], 3, axis=2)
    image = image[..., :3]
    return np.rint(255 * image).astype(np.uint8) if image.dtype.kind == "f" else image


def drawn(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return pictures of grained things before a wall and a floor, and their disparities."""
    random = np.random.default_rng(seed)
    row, column = np.mgrid[:HEIGHT, : WIDTH + max(NEAR)]
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, right = np.zeros((2, HEIGHT, WIDTH, 3))
    for number, d in enumerate((*FAR, *NEAR)):
        i, j = random.uniform(0.2, 0.8, 2) * (HEIGHT, WIDTH)
        a, b = random.uniform(0.1, 0.22, 2) * (HEIGHT, WIDTH)
        inside = [
            row >= 0,
            row > 0.7 * HEIGHT,
            np.hypot((row - i) / a, (column - j) / b) < 1,
            np.maximum(abs(row - i) / a, abs(column - j) / b) < 1,
        ][number if number < 2 else 2 + number % 2]
        grain = random.normal(size=(*row.shape, 3))
        for _ in range(4):
            grain = grain + np.roll(grain, 1, 0) + np.roll(grain, 1, 1) + np.roll(grain, -1, 1)
        color = random.uniform(70, 190, 3) + 14 * grain / grain.std()
        here, there = inside[:, :WIDTH], inside[:, d : d + WIDTH]
        truth[here], left[here] = d, color[:, :WIDTH][here]
        right[there] = color[:, d : d + WIDTH][there]
    noisy = [np.rint(im + random.normal(0, NOISE, im.shape)) for im in (left, right)]
    left, right = (np.clip(im, 0, 255).astype(np.uint8) for im in noisy)
    return {"left": left, "right": right, "d": truth}


def visible(truth: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return which pixels of the left picture nothing hides in the right one."""
    rows, columns = np.indices(truth.shape)
    at = columns - truth
    nearest = np.full(truth.shape, -1)
    inside = at >= 0
    np.maximum.at(nearest, (rows[inside], at[inside]), truth[inside])
    out: np.ndarray[Any, Any] = inside & (nearest[rows, np.maximum(at, 0)] == truth)
    return out


if __name__ == "__main__":
    sys.exit(main())
