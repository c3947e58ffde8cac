"""y = x^2 learned four times: what becomes of the energy's spread over y, and of the answers."""

from __future__ import annotations

import argparse
import importlib.util
import sys

from figures import ROOT, report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="how many weights to begin with")
    options = parser.parse_args()
    folder = ROOT / "models" / "square"
    spec = importlib.util.spec_from_file_location("square_demo", folder / "demo.py")
    assert spec is not None and spec.loader is not None
    demo = importlib.util.module_from_spec(spec)
    sys.modules["square_demo"] = demo
    spec.loader.exec_module(demo)
    for seed in range(options.seeds):
        for one in demo.trainings(folder, seed):
            before, after = one.spread
            report(
                case=one.name, seed=seed, before=before, after=after, kept=after / before,
                valley=one.valley, error=one.error,
            )  # fmt: skip


if __name__ == "__main__":
    main()
