"""Decode a code over a noisy channel, and draw its frame error rates beside published ones.

    python models/ldpc/demo.py [CODE.alist ...] [--noise 1 1.5 2 2.5 3] [--frames 2000]
                               [--infer "sumproduct(iterations = 40)"] [--seed 0]
                               [--published CURVES.tsv] [--picture rates.png]

Without a code it is `code.alist`, a (3, 6)-regular code of 256 bits that was drawn by a seed.
Noise is told as Eb/N0 in decibels: energy an information bit over the noise's density. A file of
published curves has the columns H, iterations, Eb_N0_dB, frames and frame_errors, of which those
of the code's name and, where `trace` tells them, of sum-product are drawn.
"""

from __future__ import annotations

import argparse
import csv
import sys
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.data.alist import read_alist
from factorgraph.engine.decoder import Checks
from factorgraph.engine.menu import steps
from factorgraph.engine.parities import encoder
from factorgraph.interop import gallery, pictures

INFER = "sumproduct(iterations = 40, schedule = layered)"
NOISE = (1.0, 1.5, 2.0, 2.5, 3.0)
ENOUGH = 200
"""Frame errors at which a point is good enough."""


def main() -> int:
    options = argparse.ArgumentParser(description="Frame error rates of codes.")
    options.add_argument("codes", nargs="*", type=Path, metavar="ALIST", help="parity checks")
    options.add_argument("--noise", nargs="+", type=float, default=NOISE, metavar="DB")
    options.add_argument("--frames", type=int, default=2000, help="at most, at each point")
    options.add_argument("--infer", default=INFER, help="minsum or sumproduct, with options")
    options.add_argument("--seed", type=int, default=0, help="same seed, same noise (0)")
    options.add_argument("--published", type=Path, metavar="TSV", help="curves to compare with")
    options.add_argument("--picture", type=Path, metavar="PNG", help="draw the rates")
    chosen = options.parse_args()
    if chosen.frames < 1 or chosen.seed < 0:
        options.error("--frames is at least 1 and --seed at least 0")
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
    """Decode at each point, print, draw."""
    if chosen.picture is not None:
        pictures.require()
    lines: dict[str, list[tuple[float, float]]] = {}
    points: dict[str, list[tuple[float, float]]] = {}
    with as_file(files("factorgraph.models") / "ldpc") as here:
        for path in chosen.codes or [here / "code.alist"]:
            checks = Checks.of(read_alist(path))
            name = path.name.split(".")[0]
            lines[name] = []
            for decibel in chosen.noise:
                wrong, frames, iterations = rate(
                    checks, decibel, chosen.frames, chosen.infer, chosen.seed
                )
                lines[name].append((decibel, wrong / frames))
                print(
                    f"{name} at {decibel:g} dB: {wrong} of {frames} frames wrong, "
                    f"{iterations:.1f} iterations each"
                )
            if chosen.published is not None:
                points[name] = published(chosen.published, path.name, chosen.infer)
    if chosen.picture is not None:
        gallery.rates(lines, points, chosen.picture)


def rate(
    checks: Checks, decibel: float, most: int, infer: str = INFER, seed: int = 0
) -> tuple[int, int, float]:
    """Return how many frames are decoded wrongly, of how many, and their mean iterations.

    As many are sent as it takes to be wrong `ENOUGH` times, at most ``most``. A frame is wrong if
    one of its information bits is.
    """
    encode = encoder(checks)
    k, n = encode.free, checks.bits
    random = np.random.default_rng([seed, round(1000 * decibel)])
    variance = 0.5 / (k / n * 10 ** (decibel / 10))
    wrong = done = spent = 0
    while done < most and wrong < ENOUGH:
        count = min(500, most - done)
        word = encode(random.integers(0, 2, (count, k), np.uint8))
        heard = 1 - 2.0 * word + variance**0.5 * random.standard_normal((count, n))
        found = fg.decode(checks, 2 * heard / variance, infer=infer, threads=2)
        wrong += int((found.bits != word)[:, encode.places].any(axis=1).sum())
        spent += int(found.iterations.sum())
        done += count
    return wrong, done, spent / done


def published(path: Path, code: str, infer: str) -> list[tuple[float, float]]:
    """Return noise and rate by the same algorithm, schedule and iterations, of one code."""
    asked = steps(infer)[0]
    way = "FLOODING" if asked.options["schedule"] == "flooding" else "HORIZONTAL"
    out = []
    try:
        with open(path, newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                trace = row.get("trace") or f"{way}/SPA/"
                same = row["H"] == code and int(row["iterations"]) == asked.options["iterations"]
                if same and way in trace and "/SPA/" in trace:
                    frames, errors = int(row["frames"]), int(row["frame_errors"])
                    out.append((float(row["Eb_N0_dB"]), errors / frames))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise fg.UsageError(f"{path} holds no curves: {error}", code="E0802") from None
    return out


def drawn(n: int, m: int, degree: int, seed: int) -> np.ndarray[Any, Any]:
    """Return a matrix [m, n], ``degree`` ones a column, edges put where loops are longest.

    Reference: X.-Y. Hu, E. Eleftheriou, D. M. Arnold, Regular and irregular progressive
    edge-growth Tanner graphs, 2005.
    """
    random = np.random.default_rng(seed)
    matrix = np.zeros((m, n), np.uint8)
    for bit in range(n):
        for _ in range(degree):
            reached = matrix[:, bit] > 0
            while True:
                near = matrix[reached].any(axis=0)
                further = reached | matrix[:, near].any(axis=1)
                if further.all() or (further == reached).all():
                    break
                reached = further
            weight = np.where(reached, n, matrix.sum(axis=1)).astype(float)
            least = np.flatnonzero(weight == weight.min())
            matrix[random.choice(least), bit] = 1
    return matrix


if __name__ == "__main__":
    sys.exit(main())
