"""Exact inference beside libDAI's junction tree, and the instances of the UAI competition of 2014.

W7: construction (choosing, planning) and run (log-partition and all marginals), medians of 5, of
wall and processor seconds, against libDAI's figures on an idle machine of this kind. ``--uai``:
all instances with known marginals, each in a process of its own, with its peak memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from figures import ROOT, report

import factorgraph as fg
from factorgraph.engine.choose import choose
from factorgraph.engine.exact import run
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.interop.formats.read import read

SHARED = ROOT.parent / "shared"
UAI = SHARED / "data" / "uai"
PEER = {
    "chain1000_k20": (0.075 + 0.014, 3948.7758),
    "grid15x15_b": (0.089 + 0.125, 329.0834),
    "grid5x100_k5": (0.129 + 0.114, 1339.3040),
    "grid8x40_k3": (0.087 + 0.139, 677.2929),
    "ktree200_w12_b": (0.51 + 0.027, 505.5706),
    "ktree300_w6_k4t": (0.25 + 0.013, 716.7678),
}
"""Seconds of libDAI's junction tree, construction and run, and its log-partition."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uai", action="store_true", help="the UAI instances instead")
    parser.add_argument("--instance", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.instance is not None:
        instance(options.instance)
    elif options.uai:
        if UAI.exists():
            for name in json.loads((UAI / "reference.json").read_text()):
                if name.startswith("marpr/"):
                    print(_alone("--instance", name), flush=True)
    elif (SHARED / "bench").exists():
        sys.path.insert(0, str(SHARED / "bench"))
        import workloads

        for name, model in workloads.w7().items():
            w7(name, model)


def w7(name: str, model: dict[str, Any]) -> None:
    """Report one instance of W7."""
    g = fg.FactorGraph()
    for k, card in enumerate(model["cards"]):
        g.variable(f"v{k}", int(card))
    for scope, table in model["factors"]:
        g.factor(scope, -table)
    graph = g.build()
    wall, busy = [], []
    for k in range(6):
        begun, cpu = time.perf_counter(), time.process_time()
        choice = choose(graph.structure)
        soft = choice.engine.soft_minimum(graph.values)
        soft.marginals()
        if k:
            wall.append(time.perf_counter() - begun)
            busy.append(time.process_time() - cpu)
    seconds, cpu = statistics.median(wall), statistics.median(busy)
    peer, log_z = PEER[name]
    report(
        case=name, reason=choice.reason, seconds=seconds, processor_seconds=cpu,
        times=peer / seconds, times_processor=peer / cpu,
        log_partition=-float(soft.value[0, 0]),
        error=abs(-float(soft.value[0, 0]) - log_z),
    )  # fmt: skip


def _alone(*arguments: str) -> str:
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended {done.returncode}:\n{done.stderr}")
    return done.stdout.strip()


def instance(name: str) -> None:
    """Report one instance of the competition."""
    stem = str(UAI / name)
    file = next(p for p in (Path(f"{stem}.uai"), Path(f"{stem}.uai.gz")) if p.exists())
    evidence = Path(f"{stem}.uai.evid")
    given = read(file, evidence if evidence.exists() else None)
    begun, cpu = time.perf_counter(), time.process_time()
    found = run(
        Problem(given.structure, given.values, given.evidence, "marginals"), {"cutset": 12}, Watch()
    )
    log10 = float((found.log_partition - given.offset) / np.log(10))
    known = json.loads((UAI / "reference.json").read_text())[name]
    printed = float(Path(f"{stem}.uai.PR").read_text().split()[-1])
    figures = {
        "case": name,
        "reason": found.reason,
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - cpu,
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "log10": log10,
        "as_printed": f"{log10:.6g}" == f"{printed:.6g}",
    }
    if "log10Z_ours" in known:
        figures["error_log10"] = abs(log10 - known["log10Z_ours"])
    marginals = Path(f"{stem}.uai.MAR")
    if marginals.exists() and found.marginals is not None:
        words = iter(marginals.read_text().split()[2:])
        want = [[float(next(words)) for _ in range(int(next(words)))] for _ in given.structure.card]
        figures["error_marginals"] = float(np.abs(found.marginals - np.concatenate(want)).max())
    report(**figures)


if __name__ == "__main__":
    main()
