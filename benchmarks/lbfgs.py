"""Time the optimiser's own work per iteration, beside scipy's L-BFGS-B where that is installed.

Prints one JSON line: for each number of weights the seconds per iteration outside the objective.
The objective is a separable, badly scaled function, so that the history stays full and the line
search accepts its first step as a rule. Set ``OPENBLAS_NUM_THREADS=1`` to hold scipy to one
thread; this package's optimiser uses one in any case.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
from numpy.typing import NDArray

from factorgraph.learn.lbfgs import LBFGS

Floats = NDArray[np.float64]


class Clocked:
    """A separable convex function that clocks its own time.

    Parameters
    ----------
    n : the number of weights.
    """

    def __init__(self, n: int) -> None:
        rng = np.random.default_rng(0)
        self.scale = np.exp(rng.normal(0.0, 2.0, n))
        self.target = rng.normal(size=n)
        self.seconds = 0.0

    def __call__(self, x: Floats) -> tuple[float, Floats]:
        start = time.perf_counter()
        distance = x - self.target
        root = np.sqrt(1.0 + distance * distance)
        value = float(np.vecdot(self.scale, root))
        gradient = self.scale * distance / root
        self.seconds += time.perf_counter() - start
        return value, gradient


def own(n: int, iterations: int, l1: float | None) -> float:
    """Return this package's own seconds per iteration, with a full history.

    Parameters
    ----------
    n : the number of weights.
    iterations : how many to time, after eight that fill the history.
    l1 : the penalty, or None.

    Returns
    -------
    The mean time of an iteration less the objective's, in seconds.
    """
    objective = Clocked(n)
    optimiser = LBFGS(n, tolerance=0.0, l1=l1)
    state = optimiser.start(objective, np.zeros(n))
    for _ in range(8):
        optimiser.step(objective, state)
    objective.seconds, before = 0.0, state.iteration
    start = time.perf_counter()
    for _ in range(iterations):
        optimiser.step(objective, state)
    elapsed = time.perf_counter() - start - objective.seconds
    return elapsed / (state.iteration - before)


def scipys(n: int, iterations: int) -> float | None:
    """Return scipy's own seconds per iteration, or None where it is not installed.

    Parameters
    ----------
    n : the number of weights.
    iterations : how many to time, after eight that fill the history.

    Returns
    -------
    The mean time of an iteration less the objective's, in seconds.
    """
    try:
        from scipy.optimize import minimize
    except ImportError:
        return None
    objective = Clocked(n)
    marks: list[float] = []

    def mark(_: Floats) -> None:
        marks.append(time.perf_counter() - objective.seconds)

    options = {"maxiter": 8 + iterations, "maxcor": 6, "ftol": 0.0, "gtol": 0.0}
    minimize(objective, np.zeros(n), jac=True, method="L-BFGS-B", callback=mark, options=options)
    return (marks[-1] - marks[7]) / (len(marks) - 8)


def main() -> None:
    """Print the figures of every size as one JSON line."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_260_000, 6_500_000])
    parser.add_argument("--iterations", type=int, default=10)
    arguments = parser.parse_args()
    figures = []
    for n in arguments.sizes:
        theirs = scipys(n, arguments.iterations)
        figures.append(
            {
                "weights": n,
                "own_seconds": round(own(n, arguments.iterations, None), 4),
                "own_l1_seconds": round(own(n, arguments.iterations, 0.1), 4),
                "scipy_seconds": None if theirs is None else round(theirs, 4),
            }
        )
    print(json.dumps({"benchmark": "lbfgs", "memory": 6, "figures": figures}))


if __name__ == "__main__":
    main()
