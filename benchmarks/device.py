"""Flooding on a graphics processor, beside the host: a line for each graph.

    python benchmarks/device.py [THREADS]

THREADS of the host's, those of all its processors if not said. `seconds` are of 50 sweeps, medians
of five rounds, machine code made and arrays sent before. `bandwidth_share` is what a sweep has to
move at the least (each array read or written once), a second, over what the device moves when it
copies an array (bytes read and written); arrays that fit into its cache can go beyond one.
`times_host` is against this package's own flooding on the host in the same run: single precision
for least energies, float64 for sums. `apart` is the largest difference of beliefs after the same
sweeps, relative to the largest; `energy_apart` that of energies of the states read off.

The first line says what the device is; without one it says so, and nothing is measured. With
NUMBA_ENABLE_CUDASIM=1 a tiny graph shows that all of it runs; those figures mean nothing.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.engine import device
from factorgraph.engine.crew import Crew, crew
from factorgraph.engine.cuda_flooding import Flood
from factorgraph.engine.flooding import Products, within_range
from factorgraph.engine.messages import Messages
from factorgraph.engine.pairs import Pairs
from factorgraph.engine.pairwise import Pairwise, pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.tabulate import laid_out
from factorgraph.errors import FgError

SWEEPS, ROUNDS = 50, 5
GRAPHS = (
    # name, rows, columns, states, kind of edge, inverse temperature
    ("128x128x16 truncated linear, min-sum", 128, 128, 16, "linear", np.inf),
    ("512x512x8 Potts, min-sum", 512, 512, 8, "potts", np.inf),
    ("1024x1024x16 truncated linear, min-sum", 1024, 1024, 16, "linear", np.inf),
    ("512x512x16 a table an edge, min-sum", 512, 512, 16, "tables", np.inf),
    ("512x512x16 one table, sum-product", 512, 512, 16, "table", 1.0),
    ("512x512x8 a table an edge, sum-product", 512, 512, 8, "tables", 1.0),
    ("2048x2048x2 Ising, sum-product", 2048, 2048, 2, "tables", 1.0),
    ("a million edges at random, 8 states, Potts, min-sum", 500_000, 0, 8, "potts", np.inf),
)


def graph(rows: int, columns: int, states: int, kind: str) -> Pairwise:
    """Return a grid, or a random graph of two edges a variable where there are no columns."""
    random, g = np.random.default_rng(rows + states), fg.FactorGraph()
    x = g.variables("x", rows * max(1, columns), states)
    if columns:
        at = x.reshape(rows, columns)
        ends = np.concatenate([np.stack([at[:, :-1], at[:, 1:]], -1).reshape(-1, 2),
                               np.stack([at[:-1], at[1:]], -1).reshape(-1, 2)])  # fmt: skip
    else:
        by = random.permutation(np.repeat(x, 4)).reshape(-1, 2)
        ends = np.unique(np.sort(by[by[:, 0] != by[:, 1]], axis=1), axis=0)
    g.factors(x[:, None], 3 * random.random((len(x), states)))
    if kind == "linear":
        g.truncated_linear(ends, 0.5 + random.random(len(ends)), 3.0)
    elif kind == "potts":
        g.potts(ends, random.random(len(ends)))
    else:
        count = 1 if kind == "table" else len(ends)
        g.factors(ends, 0.5 * random.normal(size=(count, states, states)))
    made = g.build()
    unseen = np.full(len(x), -1, np.int32)
    return pairwise(Problem(made.structure, made.values[0], unseen), "benchmark")


def seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def bandwidth(cuda: Any, simulated: bool) -> float:
    """Return the bytes a second that the device reads and writes in a copy."""
    size = 2**12 if simulated else min(2**30, int(device.free_memory(cuda) / 4)) // 4
    one, other = cuda.device_array(size, np.float32), cuda.device_array(size, np.float32)
    one.copy_to_device(np.random.default_rng(0).random(size, np.float32))

    def copies() -> None:
        for _ in range(10):
            other.copy_to_device(one)
        cuda.synchronize()

    copies()
    return 10 * 2 * one.nbytes / seconds(copies, ROUNDS)


def host(plain: Pairwise, beta: float, workers: Crew) -> tuple[Any, str]:
    """Return the host's messages, of the kind that it would take."""
    if beta == np.inf and Pairs.fits(plain):
        return Pairs(plain, workers), "single"
    layout = laid_out(plain)
    if beta < np.inf and within_range(layout, beta):
        return Products(layout, beta, workers), "products"
    return Messages(layout, beta, workers), "energies"


def beliefs(plain: Pairwise, messages: Any, beta: float, workers: Crew) -> np.ndarray[Any, Any]:
    """Return beliefs in energies, the least of each variable 0."""
    if isinstance(messages, Pairs):
        found = messages.belief.astype(np.float64)
    else:
        if isinstance(messages, Products):
            told = messages.energies()
            messages = Messages(messages.graph, beta, workers)
            messages.told[:] = told
            messages.gather()
        found = messages.beliefs().reshape(len(plain.card), -1)
    return np.asarray(found - found.min(axis=1, keepdims=True))


def measured(name: str, plain: Pairwise, beta: float, threads: int, most: float) -> dict[str, Any]:
    """Flood on both; return the figures of one line."""
    begun = time.perf_counter()
    flood = Flood(plain, beta)
    flood.flood(0.0, True)
    out: dict[str, Any] = {"case": name, "first_seconds": time.perf_counter() - begun}
    sweeps = SWEEPS if most else 2

    def sweep() -> None:
        for k in range(1, sweeps + 1):
            flood.flood(0.0, k % 5 == 0)
        flood.cuda.synchronize()

    sweep()
    taken = seconds(sweep, ROUNDS if most else 1)
    traffic = flood.layout.traffic * sweeps
    out |= {
        "seconds": taken, "nanoseconds_a_message": 1e9 * taken / sweeps / flood.layout.places,
        "bytes_a_second": traffic / taken,
        "bandwidth_share": traffic / taken / most if most else None,
        "device_megabytes": flood.layout.memory / 1e6,
    }  # fmt: skip
    with crew(threads) as workers:
        messages, how = host(plain, beta, workers)

        def alike() -> None:
            for k in range(1, sweeps + 1):
                _flood(messages, k % 5 == 0)

        alike()
        mine = seconds(alike, 3 if most else 1)
        # The same number of sweeps from nothing, on both.
        del messages
        messages, _ = host(plain, beta, workers)
        flood = Flood(plain, beta)
        for _ in range(20 if most else 2):
            flood.flood(0.0, False)
            _flood(messages, False)
        want = beliefs(plain, messages, beta, workers)
        theirs = flood.messages(beta).beliefs().reshape(want.shape)
        theirs -= theirs.min(axis=1, keepdims=True)
        states = want.argmin(axis=1).astype(np.int32)
    out |= {"host": how, "host_threads": threads, "host_seconds": mine, "times_host": mine / taken}
    out["apart"] = float(np.abs(theirs - want).max() / max(1e-30, np.abs(want).max()))
    if beta == np.inf:
        both = [valued(plain, s) for s in (flood.least(), states)]
        out["energy_apart"] = abs(both[0] - both[1]) / max(1e-30, abs(both[1]))
    return out


def _flood(messages: Any, measure: bool) -> None:
    messages.flood(measure if isinstance(messages, Products) else 0.0)


def valued(plain: Pairwise, states: np.ndarray[Any, Any]) -> float:
    """Return the energy of states of a graph of pairs, float64."""
    every = laid_out(plain)
    ends, card = plain.edges.ends, plain.card
    at = every.base + states[ends[:, 0]].astype(np.int64) * card[ends[:, 1]] + states[ends[:, 1]]
    return float(plain.theta[plain.state[:-1] + states].sum() + every.tables[at].sum())


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else len(os.sched_getaffinity(0))
    try:
        cuda = device.device()
    except FgError as error:
        print(json.dumps({"device": None, "why": str(error), "hint": error.hint}))
        return
    from numba.core.config import ENABLE_CUDASIM as simulated

    name = "a simulation" if simulated else cuda.get_current_device().name
    most = bandwidth(cuda, bool(simulated))
    print(json.dumps({
        "device": name.decode() if isinstance(name, bytes) else str(name),
        "copy_bytes_a_second": most,
    }), flush=True)  # fmt: skip
    graphs = [("2x2x2 Potts", 2, 2, 2, "potts", np.inf), ("2x2x2 tables", 2, 2, 2, "tables", 1.0)]
    for case, rows, columns, states, kind, beta in graphs if simulated else GRAPHS:
        plain = graph(rows, columns, states, kind)
        line = measured(case, plain, beta, threads, 0.0 if simulated else most)
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
