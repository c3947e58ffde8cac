"""The letters' weights, trained on two worker processes and on one process without a cluster.

The largest difference of a weight: undisturbed, and where a worker is killed on the way.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
from figures import LETTERS, OCR, report

import factorgraph as fg
from factorgraph.data.read import read
from factorgraph.learn.events import Event, Iteration

ITERATIONS = 30


def difference(a: fg.Run, b: fg.Run) -> float:
    return max(float(np.abs(a.weights[n] - b.weights[n]).max()) for n in a.weights)


def main() -> None:
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        report(difference=None, difference_after_a_kill=None)
        return
    model, data = fg.load(OCR), read(LETTERS)
    options: dict[str, Any] = {"max_iterations": ITERATIONS, "tolerance": 0, "progress": 0}
    alone = model.fit(data, **options)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as machines,
        Client(machines, set_as_default=False) as client,
    ):
        model.fit(data, dask=client, **options | {"max_iterations": 1})  # compiles
        begun = time.perf_counter()
        whole = model.fit(data, dask=client, **options)
        seconds = time.perf_counter() - begun
        victim = min(client.run(os.getpid).items())[1]

        def hear(event: Event) -> None:
            if isinstance(event, Iteration) and event.iteration == ITERATIONS // 2:
                os.kill(victim, signal.SIGKILL)

        robbed = model.fit(data, dask=client, on_event=hear, **options)
        assert victim not in client.run(os.getpid).values()
    assert alone.finished is not None
    report(
        difference=difference(whole, alone),
        difference_after_a_kill=difference(robbed, alone),
        seconds=seconds,
        seconds_of_one_process_with_two_threads=alone.finished.seconds,
        iterations=ITERATIONS,
    )


if __name__ == "__main__":
    main()
