"""TRW-S and sequential belief propagation on grids, beside Kolmogorov's TRW-S 1.3 and graph cuts.

The grids are the workloads W1 of ``shared/bench/workloads.py``; without that folder nothing is
measured. TRW-S 1.3 is a C++ program that comes from no index: its figures were measured on a quiet
machine of this kind, one thread, 50 sweeps, no decoding on the way. Ours are medians of rounds in
processes of their own, machine code made before; with decoding in every sweep, and without the
making of the graph, as theirs. ``gco`` (alpha-expansion) takes part where ``gco-wrapper`` can be
imported by this Python or by that which ``FGC_PEER_PYTHON`` names.

    python benchmarks/trws.py [ROUNDS] [--large]

`processor_seconds` are those of all threads: on a machine that others use as well, wall seconds of
two threads say little. `gap_seconds` is the time to an energy within 0.1 % of the bound of the same
moment; `peer_gap_seconds` is what TRW-S 1.3 takes for so many sweeps. For ``gco``, `within` is how
far its energy is from the bound that ours ends with.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

SHARED = Path(__file__).resolve().parents[2] / "shared" / "bench" / "workloads.py"
SWEEPS, ROUNDS = 50, 5
PEER = {
    "w1a": {"seconds": 0.376, "bound": 26629.60, "energy": 26631.37, "bps_seconds": 0.412},
    "w1b": {"seconds": 1.83, "bound": 403521.4, "energy": 403706.4, "bps_seconds": 1.60},
}
"""TRW-S 1.3 with its types for truncated linear and Potts energies."""


def workloads() -> Any:
    spec = importlib.util.spec_from_file_location("workloads", SHARED)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def grid(unary: Any, edges: Any, weight: Any, cap: float, threads: int) -> Any:
    """Return the problem of a grid, its edges truncated linear or, where the cap is 1, Potts."""
    from factorgraph.engine.problem import Problem
    from factorgraph.graph.structure import Group, KindGroup, Structure

    count, states = unary.shape
    one, rows = np.array([0, count]), np.arange(count, dtype=np.int32)
    pixels = Group("unary", (states,), rows[:, None], rows, count, one)
    zero, ones = np.zeros(len(edges)), np.ones(len(edges))
    if cap == 1:
        numbers = np.stack([zero, weight], axis=1)
    else:
        numbers = np.stack([weight, ones, cap * ones, ones], axis=1)
    pairs = KindGroup(
        "edge", "potts" if cap == 1 else "truncated",
        2 * np.arange(len(edges) + 1, dtype=np.int64),
        np.ascontiguousarray(edges.reshape(-1), np.int32), np.arange(len(edges), dtype=np.int32),
        len(edges), numbers.shape[1], np.array([0, len(edges)]),
    )  # fmt: skip
    card = np.full(count, states, np.int32)
    structure = Structure(card, one, (pixels,), (pairs,))
    values = np.concatenate([unary.reshape(-1), numbers.reshape(-1)])
    return Problem(structure, values, np.full(count, -1, np.int32), threads=threads)


def swept(problem: Any, name: str, sweeps: int, gap: float = 0.0) -> dict[str, Any]:
    """Run the algorithm once for its machine code, once for its figures."""
    from factorgraph.engine import trws
    from factorgraph.engine.menu import step
    from factorgraph.engine.pairwise import pairwise
    from factorgraph.engine.watch import Watch

    asked = step(name, {"iterations": sweeps, "progress": 0.0, "gap": gap})
    graph = pairwise(problem, name)
    made = trws.Sweeps(graph, sweeps=sweeps, threads=problem.threads, weigh=name == "trws")
    made.sweep()
    made.messages[:] = 0
    begun, spent = time.perf_counter(), time.process_time()
    for k in range(sweeps if not gap else 0):
        made.sweep(k % 2 == 1)
    seconds, processor = time.perf_counter() - begun, time.process_time() - spent
    messages = 2 * len(graph.edges.ends) * sweeps
    made.close()
    begun = time.perf_counter()
    outcome = asked.run(problem, watch := Watch())
    within = [
        (k + 1, p.seconds)
        for k, p in enumerate(watch.trace)
        if p.energy - p.bound <= 0.001 * abs(p.energy)
    ]
    return {
        "seconds": seconds, "processor_seconds": processor,
        "messages_a_second": messages / seconds if not gap else 0.0,
        "energy": outcome.energy, "sweeps": outcome.iterations,
        "bound": outcome.bound if name == "trws" else None,
        "gap_seconds": within[0][1] - watch.trace[0].seconds if within else None,
        "gap_sweeps": within[0][0] if within else None,
        "all_seconds": time.perf_counter() - begun, "megabytes": peak(),
    }  # fmt: skip


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def w1(name: str, algorithm: str, threads: int) -> dict[str, Any]:
    g = workloads().load_w1(name)
    return swept(grid(g["unary"], g["edges"], g["w"], g["trunc"], threads), algorithm, SWEEPS)


def stereo() -> dict[str, Any]:
    """512 x 512 pixels of 32 labels, truncated linear: how much memory all of it takes."""
    w = workloads()
    g = w.w1(512, 512, 32, "tlinear", 9)
    found = swept(grid(g["unary"], g["edges"], g["w"], 3.0, 2), "trws", 10)
    return {k: found[k] for k in ("seconds", "messages_a_second", "megabytes")}


def scaled(side: int) -> dict[str, Any]:
    """A grid of 4 labels with about 2 side^2 edges."""
    random = np.random.default_rng(side)
    edges = workloads().grid_edges(side, side)
    unary = random.random((side * side, 4))
    before = peak()
    sweeps = max(10, 10_000_000 // len(edges))
    found = swept(grid(unary, edges, random.random(len(edges)), 1.0, 1), "trws", sweeps)
    return {
        "edges": len(edges),
        "nanoseconds_a_message": 1e9 * found["processor_seconds"] / (2 * len(edges) * sweeps),
        "bytes_an_edge": (peak() - before) * 2**20 / len(edges),
    }  # fmt: skip


def expansion(name: str) -> dict[str, Any]:
    import gco

    g = workloads().load_w1(name)
    begun = time.perf_counter()
    states = gco.cut_general_graph(g["edges"], g["w"], g["unary"], g["V"], algorithm="expansion")
    return {"seconds": time.perf_counter() - begun, "energy": workloads().energy_w1(g, states)}


def child(python: str, *arguments: str) -> dict[str, Any] | None:
    done = subprocess.run(
        [python, str(Path(__file__).resolve()), "--child", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        if "No module named" in done.stderr and arguments[0] == "expansion":
            return None
        raise SystemExit(f"{arguments} ended {done.returncode}: {done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def median(found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: statistics.median(one[key] for one in found) if found[0][key] is not None else None
        for key in found[0]
    }


def main() -> None:
    if "--child" in sys.argv:
        what, *more = sys.argv[2:]
        work = {
            "w1": lambda: w1(more[0], more[1], int(more[2])),
            "stereo": stereo,
            "scaled": lambda: scaled(int(more[0])),
            "expansion": lambda: expansion(more[0]),
        }
        print(json.dumps(work[what]()))
        return
    if not SHARED.exists():
        return
    numbers = [a for a in sys.argv[1:] if a.isdigit()]
    rounds = int(numbers[0]) if numbers else ROUNDS
    python = os.environ.get("FGC_PEER_PYTHON", sys.executable)
    for name, peer in PEER.items():
        cases = [("trws", 1), ("trws", 2), ("bps", 1)]
        found: dict[tuple[str, int], list[dict[str, Any]]] = {case: [] for case in cases}
        cuts: list[dict[str, Any]] = []
        child(sys.executable, "w1", name, "trws", "1")
        for _ in range(rounds):
            for algorithm, threads in cases:
                one = child(sys.executable, "w1", name, algorithm, str(threads))
                assert one is not None
                found[algorithm, threads].append(one)
            cut = child(python, "expansion", name)
            cuts += [] if cut is None else [cut]
        for (algorithm, threads), each in found.items():
            ours = median(each)
            theirs = peer["seconds" if algorithm == "trws" else "bps_seconds"]
            more = {}
            if algorithm == "trws":
                off = abs(ours["bound"] - peer["bound"]) / peer["bound"]
                below = max(0.0, peer["bound"] - ours["bound"]) / peer["bound"]
                same = peer["seconds"] * ours["gap_sweeps"] / SWEEPS
                more = {"bound_off": off, "bound_below": below, "peer_gap_seconds": same}
            print(json.dumps({
                "case": f"{name} {algorithm}", "threads": threads, **ours, **more,
                "times": theirs / ours["seconds"],
                "times_by_processor": theirs / ours["processor_seconds"],
            }), flush=True)  # fmt: skip
        if cuts:
            bound = found["trws", 1][0]["bound"]
            cut = median(cuts)
            print(json.dumps({
                "case": f"{name} gco expansion", **cut,
                "within": (cut["energy"] - bound) / bound,
            }), flush=True)  # fmt: skip
    print(json.dumps({"case": "512x512x32 stereo", **(child(sys.executable, "stereo") or {})}))
    for side in (71, 224, 707, *((2237,) if "--large" in sys.argv else ())):
        print(json.dumps({"case": "scale", **(child(sys.executable, "scaled", str(side)) or {})}))


if __name__ == "__main__":
    main()
