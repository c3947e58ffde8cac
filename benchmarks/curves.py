"""Frame error rates of standard codes over AWGN beside AFF3CT's published curves.

Sum-product decoding of ``shared/data/ldpc``; without that folder nothing is measured. Words are
drawn at random, modulated to +1 and -1, and noise of the variance that Eb/N0 means at the code's
rate K / N is added. As there, a frame is wrong if one of its K information bits is: these codes'
first K columns (the last N - K can be solved for; of MACKAY_4000_8000 a few of these are not among
the last, so that there some parity bits are counted as information and some not).

    python benchmarks/curves.py [FRAMES_AT_MOST]

`sigmas` is the difference of the two rates in standard deviations, of both counts together.
`within` counts points with at least 50 frame errors in the reference.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from factorgraph.data.alist import read_alist
from factorgraph.engine.decoder import Checks, Decoder
from factorgraph.engine.parities import encoder

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "ldpc"
CURVES = {
    "MACKAY_4000_8000": ("flooding", 20, ("1.30", "1.40", "1.50", "1.60")),
    "WIMAX_480_576": ("layered", 40, ("2.75", "3.00", "3.25", "3.50", "3.75")),
    "WRAN_360_480": ("layered", 40, ("1.50", "2.00", "2.50", "3.00")),
    "WIFI_540_648": ("layered", 40, ("2.75", "3.00", "3.25", "3.50", "3.75")),
}
TRACE = {"flooding": "/BP_FLOODING/SPA/", "layered": "/BP_HORIZONTAL_LAYERED/SPA/"}


def published(code: str, schedule: str, iterations: int) -> dict[str, dict[str, Any]]:
    """Return the reference's points by Eb/N0."""
    with open(FOLDER / "aff3ct_reference_curves.tsv", newline="") as file:
        return {
            row["Eb_N0_dB"]: row
            for row in csv.DictReader(file, delimiter="\t")
            if row["H"] == f"{code}.alist"
            and int(row["iterations"]) == iterations
            and TRACE[schedule] in row["trace"]
        }


def curve(code: str, most: int) -> None:
    """Print the points of one code."""
    schedule, iterations, points = CURVES[code]
    checks = Checks.of(read_alist(FOLDER / f"{code}.alist"))
    encode = encoder(checks)
    k, n = encode.free, checks.bits
    how = Decoder("sumproduct", iterations, schedule=schedule, threads=2)  # type: ignore[arg-type]
    random = np.random.default_rng(20260101)
    for decibel in points:
        row = published(code, schedule, iterations)[decibel]
        theirs, of = int(row["frame_errors"]), int(row["frames"])
        frames = min(most, 10 * of)
        sigma = np.sqrt(0.5 / (k / n * 10 ** (float(decibel) / 10)))
        wrong = done = 0
        spent = 0.0
        while done < frames:
            count = min(1000, frames - done)
            word = encode(random.integers(0, 2, (count, k), np.uint8))
            heard = 1 - 2.0 * word + sigma * random.standard_normal((count, n))
            begun = time.process_time()
            found = how(checks, 2 * heard / sigma**2)
            spent += time.process_time() - begun
            wrong += int((found.bits != word)[:, :k].any(axis=1).sum())
            done += count
        both = (wrong + theirs) / (done + of)
        deviation = (both * (1 - both) * (1 / done + 1 / of)) ** 0.5
        print(
            json.dumps(
                {
                    "code": code, "schedule": schedule, "iterations": iterations,
                    "decibel": float(decibel), "rate": wrong / done, "wrong": wrong,
                    "frames": done, "published": theirs / of, "published_errors": theirs,
                    "sigmas": (wrong / done - theirs / of) / deviation,
                    "processor_seconds": spent,
                }
            ),
            flush=True,
        )  # fmt: skip


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    if FOLDER.exists():
        for code in CURVES:
            curve(code, most)


if __name__ == "__main__":
    main()
