"""What more threads bring: a line for each kind of work and number of threads.

    python benchmarks/threads.py [THREADS]

Numbers of threads are 1, 2, 4, ... up to THREADS, as many as there are processors if not said.
`seconds` are medians of three rounds after one that is not counted, `times` is against one thread,
`same` whether the bits of the result are those of one thread.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from figures import LETTERS, OCR

import factorgraph as fg
from factorgraph.engine.crew import crew
from factorgraph.engine.decoder import Checks, Decoder
from factorgraph.engine.flooding import Products
from factorgraph.engine.incidence import incidence
from factorgraph.engine.messages import Messages
from factorgraph.engine.pairs import Pairs
from factorgraph.engine.pairwise import pairwise
from factorgraph.engine.problem import Problem
from factorgraph.engine.trws import Sweeps

ROUNDS = 3
Work = Callable[[int], tuple[float, bytes]]


def grid(side: int, states: int, kind: str) -> Problem:
    random, g = np.random.default_rng(side + states), fg.FactorGraph()
    x = g.variables("x", (side, side), states)
    ends = np.concatenate([np.stack([x[:, :-1], x[:, 1:]], -1).reshape(-1, 2),
                           np.stack([x[:-1], x[1:]], -1).reshape(-1, 2)])  # fmt: skip
    g.factors(x.reshape(-1, 1), 3 * random.random((x.size, states)))
    if kind == "linear":
        g.truncated_linear(ends, 0.5 + random.random(len(ends)), 3.0)
    elif kind == "potts":
        g.potts(ends, random.random(len(ends)))
    else:
        g.factors(ends, 0.5 * random.normal(size=(len(ends), states, states)))
    graph = g.build()
    return Problem(graph.structure, graph.values[0], np.full(x.size, -1, np.int32))


def timed(prepare: Callable[[], Any], work: Callable[[Any], None]) -> float:
    """Return the median seconds of a piece of work, each time on something fresh."""
    times = []
    for _ in range(ROUNDS + 1):
        made = prepare()
        begun = time.perf_counter()
        work(made)
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def trws(problem: Problem) -> Work:
    plain = pairwise(problem, "benchmark")

    def work(threads: int) -> tuple[float, bytes]:
        sweeps = Sweeps(plain, sweeps=50, threads=threads, weigh=True)
        found: list[Any] = []

        def prepare() -> None:
            sweeps.messages[:] = 0
            found.clear()

        taken = timed(prepare, lambda _: found.extend(sweeps.sweep(k % 2 == 1) for k in range(20)))
        sweeps.close()
        return taken, np.array(found).tobytes() + sweeps.messages.tobytes()

    return work


def flooding(make: Callable[[Any], Any], flag: Any, sweeps: int) -> Work:
    def work(threads: int) -> tuple[float, bytes]:
        with crew(threads) as workers:
            last: list[Any] = []

            def prepare() -> Any:
                last[:] = [make(workers)]
                return last[0]

            taken = timed(prepare, lambda made: [made.flood(flag) for _ in range(sweeps)] and None)
            return taken, last[0].told.tobytes()

    return work


def decoding(n: int, frames: int) -> Work:
    random = np.random.default_rng(n)
    rows = np.stack([random.permutation(n) % (n // 2) for _ in range(3)]).reshape(-1)
    key = np.unique(rows * n + np.tile(np.arange(n), 3))
    start = np.concatenate(([0], np.cumsum(np.bincount(key // n, minlength=n // 2))))
    checks = Checks(n, start.astype(np.int64), (key % n).astype(np.int32))
    flips = random.random((frames, n)) < 0.04
    llr = np.where(flips, -1.0, 1.0).astype(np.float32) * np.float32(np.log(0.96 / 0.04))

    def work(threads: int) -> tuple[float, bytes]:
        how = Decoder("minsum", 50, 0.75, threads=threads)
        found: list[Any] = []
        taken = timed(found.clear, lambda _: found.append(how(checks, llr)))
        return taken, found[0].bits.tobytes() + found[0].iterations.tobytes()

    return work


def gradient() -> Work:
    from factorgraph.compiler.module import load
    from factorgraph.data.bind import bind
    from factorgraph.data.read import read
    from factorgraph.learn.objective import Objective
    from factorgraph.learn.shards import Crew

    model = fg.load(OCR)
    instances, module = bind(model.checked, read(LETTERS)), load(model.compiled.text)

    def work(threads: int) -> tuple[float, bytes]:
        with Crew(threads) as workers:
            objective = Objective(model.compiled, module, instances, workers)
            flat = np.random.default_rng(0).normal(0, 0.3, objective.layout.size)
            found: list[Any] = []
            taken = timed(lambda: None, lambda _: found.append(objective(flat)[1].copy()))
            return taken, found[-1].tobytes()

    return work


def cases() -> Iterator[tuple[str, Work]]:
    """Yield what is measured."""
    yield "TRW-S, 128x128 of 16 labels, 20 sweeps", trws(grid(128, 16, "linear"))
    potts = grid(512, 8, "potts")
    yield "TRW-S, 512x512 of 8 labels, 20 sweeps", trws(potts)
    plain = pairwise(potts, "benchmark")
    yield "min-sum, 512x512 of 8 labels, 20 sweeps", flooding(lambda w: Pairs(plain, w), 0.0, 20)
    layout = incidence(grid(256, 8, "tables"))
    yield (
        "sum-product, 256x256 of 8 states, 10 sweeps",
        flooding(lambda w: Products(layout, 1.0, w), True, 10),
    )
    yield "the same in energies, 3 sweeps", flooding(lambda w: Messages(layout, 1.0, w), 0.0, 3)
    yield "min-sum decoding, 20,000 frames of 1,000 bits", decoding(1000, 20_000)
    yield "a gradient of the letters' nll", gradient()


def main() -> None:
    most = int(sys.argv[1]) if len(sys.argv) > 1 else len(os.sched_getaffinity(0))
    numbers = sorted({*(2**k for k in range(most.bit_length())), most})
    for name, work in cases():
        alone, bits = 0.0, ""
        for threads in numbers:
            taken, result = work(threads)
            digest = hashlib.sha256(result).hexdigest()
            if threads == 1:
                alone, bits = taken, digest
            print(json.dumps({
                "case": name, "threads": threads, "seconds": taken, "times": alone / taken,
                "same": digest == bits,
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
