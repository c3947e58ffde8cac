"""How fast the command answers, and what the first compilation and later loads cost.

Whole processes, wall seconds, medians of five (the cold ones: one run each). Python keeps what it
compiled of modules, as it does where nothing forbids it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from figures import FGC, LETTERS, OCR, once, report, seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        cache = {"FGC_CACHE_DIR": str(here / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
        data = here / "two.jsonl"
        with np.load(LETTERS) as letters:
            stop = letters["x.offsets"][1]
            word = {"x": letters["x"][:stop].tolist(), "y": letters["y"][:stop].tolist()}
        data.write_text(json.dumps(word) + "\n" + json.dumps(word) + "\n")
        new = here / "new.fg"
        new.write_text(OCR.read_text().replace("- b[y[t]]", "- 2 * b[y[t]]"))

        def train(model: Path) -> list[str]:
            target = str(here / "run")
            return [FGC, "train", str(model), str(data), "-o", target,
                    "--max-iterations", "2", "--quiet", "--overwrite"]  # fmt: skip

        cold = once(train(OCR), **cache)
        report(
            help=seconds([FGC, "--help"], **cache),
            train_help=seconds([FGC, "train", "--help"], **cache),
            check=seconds([FGC, "check", str(OCR)], **cache),
            first_compilation_all_cold=cold,
            first_compilation_of_another_model=once(train(new), **cache),
            later_load=seconds(train(OCR), **cache),
        )


if __name__ == "__main__":
    main()
