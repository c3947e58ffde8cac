"""The optimiser against closed forms, scipy and an independent proximal-gradient solver."""

from __future__ import annotations

import io
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize

from factorgraph.errors import NumericalError, RunError, UsageError
from factorgraph.learn.checkpoint import LBFGSState
from factorgraph.learn.lbfgs import LBFGS
from factorgraph.learn.linesearch import Trial, backtrack, cubic_minimum, wolfe

Floats = NDArray[np.float64]
Objective = Callable[[Floats], tuple[float, Floats]]


def rosenbrock(x: Floats) -> tuple[float, Floats]:
    return float(optimize.rosen(x)), optimize.rosen_der(x)


def logistic(seed: int, rows: int, n: int, l2: float) -> Objective:
    """Return a logistic loss whose gradient lives in one buffer, used again at each call."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(rows, n)) * np.exp(0.5 * rng.normal(size=n))
    truth = np.where(rng.random(n) < 0.5, rng.normal(size=n), 0.0)
    sign = np.sign(data @ truth + rng.logistic(size=rows))
    buffer = np.empty(n)

    def objective(w: Floats) -> tuple[float, Floats]:
        margin = sign * (data @ w)
        buffer[:] = -data.T @ (sign * np.exp(-np.logaddexp(0, margin))) + l2 * w
        return float(np.logaddexp(0, -margin).sum() + 0.5 * l2 * w @ w), buffer

    return objective


def quadratic(seed: int, n: int, spread: float) -> tuple[Objective, Floats, float]:
    """Return a convex quadratic, its minimum point and its least value."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(n, n)))[0]
    matrix = (basis * np.exp(rng.uniform(-spread, spread, n))) @ basis.T
    matrix = 0.5 * (matrix + matrix.T)
    best = rng.normal(size=n)

    def objective(x: Floats) -> tuple[float, Floats]:
        slope = matrix @ (x - best)
        return float(0.5 * (x - best) @ slope + 3.0), slope

    return objective, best, 3.0


def copied(state: LBFGSState) -> LBFGSState:
    """Return the state after a way through an npz file without pickle."""
    file = io.BytesIO()
    np.savez(file, **state.arrays())  # type: ignore[arg-type]
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        return LBFGSState.from_arrays(dict(stored))


def assert_same(a: LBFGSState, b: LBFGSState) -> None:
    left, right = a.arrays(), b.arrays()
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        assert array.tobytes() == right[name].tobytes(), name


# Smooth functions


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0, 3), st.integers(1, 10))
def test_quadratic_reaches_closed_form(seed: int, n: int, spread: float, memory: int) -> None:
    objective, best, least = quadratic(seed, n, spread)
    state = LBFGS(n, memory=memory, tolerance=1e-8).minimise(objective, np.zeros(n))
    assert state.converged, state.status
    assert np.linalg.norm(state.gradient) <= 1e-8 * max(1.0, float(np.linalg.norm(state.x)))
    assert state.value == pytest.approx(least, rel=1e-12)
    # The error is at most the gradient over the least eigenvalue, exp(-spread).
    slack = math.exp(spread) * 1.01e-8 * max(1.0, float(np.linalg.norm(state.x))) + 1e-12
    assert np.linalg.norm(state.x - best) <= slack


@pytest.mark.parametrize("n", [2, 3, 5, 10, 20, 50])
def test_rosenbrock(n: int) -> None:
    start = np.tile([-1.2, 1.0], n)[:n]
    state = LBFGS(n, tolerance=1e-9).minimise(rosenbrock, start)
    assert state.converged
    assert state.value < 1e-14 or n > 3
    # From four dimensions on there is a second, local minimum with x0 near -1.
    assert np.allclose(state.x, 1.0, atol=1e-7) or abs(state.x[0] + 1) < 0.05
    assert np.linalg.norm(optimize.rosen_der(state.x)) < 1e-8 * math.sqrt(n)


@pytest.mark.parametrize(
    ("rows", "n", "l2"), [(100, 5, 1.0), (200, 20, 1.0), (500, 50, 0.3), (100, 200, 0.1)]
)
def test_logistic_against_scipy(rows: int, n: int, l2: float) -> None:
    objective = logistic(1, rows, n, l2)
    state = LBFGS(n, tolerance=1e-7).minimise(objective, np.zeros(n))
    options = {"ftol": 0.0, "gtol": 1e-10, "maxiter": 5000, "maxfun": 20000, "maxcor": 20}

    def fresh(w: Floats) -> tuple[float, Floats]:
        value, gradient = objective(w)
        return value, gradient.copy()

    truth = optimize.minimize(fresh, np.zeros(n), jac=True, method="L-BFGS-B", options=options)
    assert state.converged
    assert state.value == pytest.approx(truth.fun, rel=1e-9)
    assert np.allclose(state.x, truth.x, atol=1e-5)


@pytest.mark.parametrize(
    "case", ["rosenbrock 10", "rosenbrock 40", "logistic", "wide", "quadratic"]
)
def test_iterations_beside_scipy(case: str) -> None:
    objective, start = {
        "rosenbrock 10": (rosenbrock, np.tile([-1.2, 1.0], 5)),
        "rosenbrock 40": (rosenbrock, np.tile([-1.2, 1.0], 20)),
        "logistic": (logistic(3, 400, 40, 1.0), np.zeros(40)),
        "wide": (logistic(4, 100, 300, 0.1), np.zeros(300)),
        "quadratic": (quadratic(5, 60, 2.5)[0], np.zeros(60)),
    }[case]
    reached: list[int] = []
    seen = 0

    def fresh(x: Floats) -> tuple[float, Floats]:
        value, gradient = objective(x)
        return value, gradient.copy()

    def watch(x: Floats) -> None:
        nonlocal seen
        seen += 1
        if np.linalg.norm(objective(x)[1]) <= 1e-6 * max(1.0, float(np.linalg.norm(x))):
            reached.append(seen)

    options = {"maxcor": 6, "ftol": 0.0, "gtol": 1e-9, "maxiter": 5000, "maxfun": 20000}
    optimize.minimize(fresh, start, jac=True, method="L-BFGS-B", callback=watch, options=options)
    state = LBFGS(start.shape[0], tolerance=1e-6).minimise(objective, start)
    assert state.converged
    assert state.iteration <= 1.3 * reached[0] + 2


@pytest.mark.parametrize("seed", range(5))
def test_about_one_evaluation_per_iteration(seed: int) -> None:
    state = LBFGS(60).minimise(logistic(seed, 300, 60, 1.0), np.zeros(60))
    assert state.converged
    assert state.iteration >= 10
    assert state.evaluations <= 1.15 * state.iteration + 5


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12))
def test_accepted_points_satisfy_strong_wolfe(seed: int, n: int) -> None:
    start = np.random.default_rng(seed).normal(size=n) * 2
    points = [start.copy()]
    LBFGS(n, max_iterations=60).minimise(
        rosenbrock, start, callback=lambda state: points.append(state.x.copy())
    )
    assert len(points) > 1
    for old, new in itertools.pairwise(points):
        (value, gradient), (value_new, gradient_new) = rosenbrock(old), rosenbrock(new)
        slope, slope_new = gradient @ (new - old), gradient_new @ (new - old)
        assert slope < 0
        assert value_new <= value + 1e-4 * slope + 1e-14 * abs(value)
        assert abs(slope_new) <= 0.9 * abs(slope) * (1 + 1e-9) + 1e-15


def test_direction_is_that_of_the_plain_recursion() -> None:
    n = 30
    optimiser = LBFGS(n, memory=4, tolerance=0.0)
    points, gradients, turns = [], [], 0
    state = optimiser.start(rosenbrock, np.tile([-1.2, 1.0], 15))
    for _ in range(12):
        points.append(state.x.copy())
        gradients.append(state.gradient.copy())
        optimiser.step(rosenbrock, state)
        q, stack = gradients[-1].copy(), []
        pairs = [
            (points[i + 1] - points[i], gradients[i + 1] - gradients[i])
            for i in range(max(0, len(points) - 5), len(points) - 1)
        ]
        for s, y in reversed(pairs):
            stack.append(s @ q / (s @ y))
            q -= stack[-1] * y
        if pairs:
            q *= (pairs[-1][0] @ pairs[-1][1]) / (pairs[-1][1] @ pairs[-1][1])
        for (s, y), a in zip(pairs, reversed(stack), strict=True):
            q += (a - y @ q / (s @ y)) * s
        move = state.x - points[-1]
        assert np.allclose(move / np.linalg.norm(move), -q / np.linalg.norm(q), atol=1e-9)
        turns += bool(pairs)
    assert turns == 11


# l1


def proximal(objective: Objective, n: int, l1: Floats | float, lipschitz: float) -> Floats:
    """Return the minimum by accelerated proximal gradient with restarts."""
    x = z = np.zeros(n)
    t = 1.0
    for _ in range(60000):
        point = z - objective(z)[1] / lipschitz
        new = np.sign(point) * np.maximum(np.abs(point) - l1 / lipschitz, 0.0)
        if np.max(np.abs(new - z)) < 1e-13:
            return new
        if (z - new) @ (new - x) > 0:
            t = 1.0
        t_new = 0.5 * (1 + math.sqrt(1 + 4 * t * t))
        z = new + (t - 1) / t_new * (new - x)
        x, t = new, t_new
    raise AssertionError("the reference solver did not converge")


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize(("rows", "n"), [(80, 8), (150, 30), (60, 100)])
def test_l1_against_proximal_gradient(rows: int, n: int, mixed: bool) -> None:
    objective = logistic(7, rows, n, 0.05)
    strength: Floats | float = 4.0
    if mixed:
        strength = np.where(np.arange(n) % 3 == 0, 0.0, 1.0 + np.arange(n) % 5)
    zero_slope = objective(np.zeros(n))[1].copy()
    lengths = [np.linalg.norm(objective(e)[1] - zero_slope) for e in 1e-4 * np.eye(n)]
    bound = float(np.sqrt(np.sum(np.square(lengths)))) * 1e4
    truth = proximal(objective, n, strength, bound)
    state = LBFGS(n, l1=strength, tolerance=1e-9, max_iterations=3000).minimise(
        objective, np.zeros(n)
    )
    full = objective(truth)[0] + float(np.sum(strength * np.abs(truth)))
    assert state.converged, state.status
    assert state.value == pytest.approx(full, rel=1e-11)
    assert np.allclose(state.x, truth, atol=1e-6)
    weights = np.broadcast_to(np.asarray(strength), (n,))
    zero = state.x == 0
    assert 0 < zero.sum() < n
    assert np.array_equal(zero, np.abs(truth) < 1e-9)
    assert not zero[weights == 0].any()
    gradient = objective(state.x)[1].copy()
    assert np.all(np.abs(gradient[zero]) <= weights[zero])
    residual = gradient[~zero] + weights[~zero] * np.sign(state.x[~zero])
    assert np.max(np.abs(residual)) < 1e-7


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_l1_of_separable_quadratic_is_soft_threshold(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    curve, target = np.exp(rng.normal(size=n)), 2 * rng.normal(size=n)
    strength = np.where(rng.random(n) < 0.3, 0.0, rng.exponential(size=n))

    def objective(x: Floats) -> tuple[float, Floats]:
        return float(0.5 * curve @ (x - target) ** 2), curve * (x - target)

    state = LBFGS(n, l1=strength, tolerance=1e-9).minimise(objective, rng.normal(size=n))
    truth = np.sign(target) * np.maximum(np.abs(target) - strength / curve, 0)
    assert state.converged, state.status
    assert np.allclose(state.x, truth, atol=1e-7)
    assert np.all(state.x[truth == 0] == 0)


def test_heavy_l1_keeps_the_zero_point() -> None:
    state = LBFGS(5, l1=1e6).minimise(logistic(0, 50, 5, 0.0), np.zeros(5))
    assert state.converged
    assert state.iteration == 0
    assert state.norm == 0.0


def test_zero_l1_is_no_l1() -> None:
    objective = logistic(2, 100, 10, 1.0)
    assert_same(
        LBFGS(10, l1=0.0).minimise(objective, np.zeros(10)),
        LBFGS(10).minimise(objective, np.zeros(10)),
    )


# State


@pytest.mark.parametrize("l1", [None, 2.0])
def test_resume_at_every_iteration_is_bit_identical(l1: float | None) -> None:
    objective, n = logistic(11, 120, 25, 0.1), 25
    options = {"memory": 4, "l1": l1, "tolerance": 1e-8}
    whole = LBFGS(n, **options).minimise(objective, np.zeros(n))  # type: ignore[arg-type]
    assert whole.converged
    assert whole.iteration > 12
    for at in range(whole.iteration + 1):
        optimiser = LBFGS(n, **options)  # type: ignore[arg-type]
        part = optimiser.start(objective, np.zeros(n))
        for _ in range(at):
            optimiser.step(objective, part)
        part = copied(part)
        resumed = LBFGS(n, **options).minimise(objective, part)  # type: ignore[arg-type]
        assert_same(resumed, whole)


def test_resume_of_a_stalling_run_is_bit_identical() -> None:
    objective, n = logistic(12, 60, 6, 0.5), 6
    whole = LBFGS(n, tolerance=0.0).minimise(objective, np.zeros(n))
    for at in range(whole.iteration):
        optimiser = LBFGS(n, tolerance=0.0)
        part = optimiser.start(objective, np.zeros(n))
        for _ in range(at):
            optimiser.step(objective, part)
        assert_same(LBFGS(n, tolerance=0.0).minimise(objective, copied(part)), whole)


def test_stopped_runs_say_so_and_go_on() -> None:
    objective = logistic(13, 120, 25, 0.1)
    short = LBFGS(25, max_iterations=7).minimise(objective, np.zeros(25))
    assert short.status.startswith("not converged: 7 iterations, gradient norm ")
    assert not short.converged
    caller = LBFGS(25).minimise(objective, np.zeros(25), lambda state: state.iteration == 9)
    assert caller.status.startswith("stopped by the caller, gradient norm ")
    assert caller.iteration == 9
    whole = LBFGS(25).minimise(objective, np.zeros(25))
    assert_same(LBFGS(25).minimise(objective, short), whole)
    assert_same(LBFGS(25).minimise(objective, caller), whole)


def stored() -> dict[str, NDArray[np.generic]]:
    state = LBFGS(8, memory=3, max_iterations=5).minimise(logistic(1, 40, 8, 0.1), np.zeros(8))
    return {name: array.copy() for name, array in state.arrays().items()}


@pytest.mark.parametrize("name", sorted(stored()))
def test_damaged_states_name_the_field(name: str) -> None:
    good = stored()
    assert not any(array.dtype.hasobject for array in good.values())
    LBFGSState.from_arrays(good)
    bad_ones = [
        {key: value for key, value in good.items() if key != name},
        good | {name: good[name].astype(np.float32)},
        good | {name: good[name][None, None, ...]},
    ]
    if good[name].dtype == np.float64 and name != "S":
        bad_ones.append(good | {name: np.full_like(good[name], np.nan)})
    if good[name].dtype == np.int64:
        bad_ones.append(good | {name: np.array(-1)})
    for bad in bad_ones:
        with pytest.raises(RunError, match=f"`{name}`"):
            LBFGSState.from_arrays(bad)


def test_states_that_contradict_themselves() -> None:
    good = stored()
    for name, array in [
        ("count", np.array(4)),
        ("position", np.array(3)),
        ("gradient", np.zeros(7)),
        ("S", np.zeros((3, 7))),
        ("products", np.zeros((6, 4))),
        ("products", np.zeros((5, 4))),
        ("status", np.frombuffer(b"\xff\xfe", np.uint8)),
    ]:
        with pytest.raises(RunError, match=f"`{name}`"):
            LBFGSState.from_arrays(good | {name: array})
    with pytest.raises(UsageError, match="memory"):
        LBFGS(8, memory=4).minimise(rosenbrock, LBFGSState.from_arrays(good))
    with pytest.raises(UsageError, match="weights"):
        LBFGS(9, memory=3).step(rosenbrock, LBFGSState.from_arrays(good))


def test_rho_is_one_over_the_curvature() -> None:
    state = LBFGSState.from_arrays(stored())
    assert state.count == 3
    truth = 1 / np.einsum("ij,ij->i", state.S, state.Y)
    assert np.allclose(state.rho, truth, rtol=1e-13)


def test_result_does_not_depend_on_threads() -> None:
    program = (
        "import numpy as np, hashlib; from factorgraph.learn.lbfgs import LBFGS\n"
        "n = 40000; t = np.sin(np.arange(n)); c = 2 + np.cos(np.arange(n))\n"
        "def f(x):\n"
        "    d = x - t; r = np.sqrt(1 + d * d); return float((c * r).sum()), c * d / r\n"
        "for l1 in (None, 0.5):\n"
        "    s = LBFGS(n, l1=l1, tolerance=1e-9).minimise(f, np.zeros(n))\n"
        "    print(s.status, s.iteration, hashlib.sha256(s.x.tobytes()).hexdigest())\n"
    )
    outputs = []
    for threads in ("1", "2"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": threads}
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        outputs.append(
            subprocess.run(
                [sys.executable, "-c", program],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
    assert outputs[0] == outputs[1]
    assert outputs[0].count("converged: ") == 2


# Hard and wild functions


@pytest.mark.parametrize("outside", [math.inf, math.nan])
@pytest.mark.parametrize("l1", [None, 0.3])
def test_barrier(outside: float, l1: float | None) -> None:
    # The minimum of sum(c x - log x) is 1 / c; x > 0, so that l1 only adds to c.
    cost = np.geomspace(0.1, 10.0, 9)

    def objective(x: Floats) -> tuple[float, Floats]:
        if np.any(x <= 0):
            return outside, np.full(9, math.nan)
        return float(cost @ x - np.log(x).sum()), cost - 1 / x

    state = LBFGS(9, l1=l1, tolerance=1e-7).minimise(objective, np.full(9, 0.02))
    assert state.converged, state.status
    assert np.allclose(state.x, 1 / (cost + (l1 or 0.0)), rtol=1e-4)


def test_value_finite_but_gradient_not() -> None:
    def objective(x: Floats) -> tuple[float, Floats]:
        far = np.abs(x) > 1.5
        return float(((x - 1.0) ** 4).sum()), np.where(far, np.nan, 4 * (x - 1.0) ** 3)

    for l1 in (None, 1e-3):
        state = LBFGS(3, l1=l1, tolerance=1e-6).minimise(objective, np.full(3, -1.4))
        assert state.converged
        assert np.all(np.abs(state.x) <= 1.5)
        assert np.isfinite(state.gradient).all()


@pytest.mark.parametrize("l1", [None, 0.5])
@pytest.mark.parametrize("seed", range(6))
def test_perceptron_loss(seed: int, l1: float | None) -> None:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(60, 5))
    sign = np.sign(data @ rng.normal(size=5) + rng.normal(size=60))

    def objective(w: Floats) -> tuple[float, Floats]:
        wrong = sign * (data @ w) < 0.1
        margins = 0.1 - sign * (data @ w)
        return float(margins[wrong].sum()), -(sign * wrong) @ data

    state = LBFGS(5, l1=l1, max_iterations=300).minimise(objective, np.zeros(5))
    assert state.finished
    assert state.value < objective(np.zeros(5))[0]
    assert not state.converged or state.norm <= 1e-5 * max(1.0, float(np.linalg.norm(state.x)))
    assert np.isfinite(state.x).all()


@pytest.mark.filterwarnings("error")
def test_unbounded_below_ends() -> None:
    state = LBFGS(4, max_iterations=40).minimise(
        lambda x: (float(-x.sum()), -np.ones(4)), np.zeros(4)
    )
    assert not state.converged or state.norm <= 1e-5 * np.linalg.norm(state.x)
    assert state.value < -1e6
    state = LBFGS(2, max_iterations=50, tolerance=0.0).minimise(
        lambda x: (float(-(x**3).sum()) if np.all(np.abs(x) < 1e90) else math.inf, -3 * x**2),
        np.ones(2),
    )
    assert not state.converged


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("scale", [1e-150, 1e-12, 1e12, 1e150])
def test_scales(scale: float) -> None:
    best = np.arange(1.0, 6.0)

    def objective(x: Floats) -> tuple[float, Floats]:
        d = x - best
        return float(scale * (d @ d)), 2 * scale * d

    tolerance = 1e-9 * scale
    state = LBFGS(5, tolerance=tolerance).minimise(objective, np.zeros(5))
    assert np.allclose(state.x, best, atol=1e-6), state.status


def test_machine_precision_ends_with_the_truth() -> None:
    # A great constant hides the last digits of the value; the slopes still lead on.
    def objective(x: Floats) -> tuple[float, Floats]:
        return float(optimize.rosen(x) + 1e9), optimize.rosen_der(x)

    state = LBFGS(6, tolerance=0.0).minimise(objective, np.full(6, 0.5))
    # Some processors round so that the minimum itself is reached, where the slope is exactly 0.
    reached = not state.gradient.any()
    assert state.status.startswith("converged: " if reached else "stopped: "), state.status
    assert state.status.endswith(f"gradient norm {np.linalg.norm(state.gradient):.1e}")
    assert state.norm < 1e-3
    assert state.iteration < 1000


def test_gradient_that_lies_gives_up_without_a_claim() -> None:
    start = np.array([1.0, 2.0])
    for l1 in (None, 0.1):
        state = LBFGS(2, l1=l1).minimise(lambda x: (float(x @ x), -2 * x), start)
        assert state.status.startswith("stopped: the line search found no better point, gradient")
        assert np.array_equal(state.x, start)
        assert state.value == pytest.approx(5.0 + 3 * (l1 or 0.0))


def test_failed_search_forgets_the_history_and_tries_again() -> None:
    objective, best, _ = quadratic(3, 10, 1.0)
    optimiser = LBFGS(10, tolerance=1e-9)
    state = optimiser.start(objective, np.zeros(10))
    for _ in range(5):
        optimiser.step(objective, state)
    assert state.count == 5
    # Poisoned inner products make the quasi-Newton direction one of ascent.
    state.products[:6, :6] = -np.abs(state.products[:6, :6])
    value = state.value
    optimiser.step(objective, state)
    assert state.count == 1
    assert state.value < value
    assert np.allclose(optimiser.minimise(objective, state).x, best, atol=1e-7)


def test_gradient_may_be_the_weights_themselves() -> None:
    state = LBFGS(4).minimise(lambda x: (float(0.5 * x @ x), x), np.arange(4.0) + 1)
    assert state.converged
    assert np.allclose(state.x, 0, atol=1e-5)


@pytest.mark.parametrize(("value", "where"), [(math.nan, "objective"), (math.inf, "objective")])
def test_start_value_must_be_finite(value: float, where: str) -> None:
    with pytest.raises(NumericalError, match=where):
        LBFGS(3).minimise(lambda x: (value, x), np.ones(3))


def test_start_gradient_must_be_finite() -> None:
    gradient = np.array([0.0, 1.0, math.inf, math.nan])
    with pytest.raises(NumericalError, match="gradient at the start point is inf at index 2"):
        LBFGS(4).minimise(lambda x: (1.0, gradient), np.ones(4))
    with pytest.raises(NumericalError, match="the start point is nan at index 1"):
        LBFGS(2).start(rosenbrock, np.array([0.0, math.nan]))


def test_inputs_stay_as_they_are() -> None:
    start, strength = np.full(6, 0.3), np.full(6, 0.7)
    kept = start.copy(), strength.copy()
    state = LBFGS(6, l1=strength).minimise(logistic(1, 40, 6, 0.1), start)
    assert state.iteration > 0
    assert np.array_equal(start, kept[0])
    assert np.array_equal(strength, kept[1])
    assert not np.shares_memory(state.x, start)


def test_no_weights_at_all() -> None:
    state = LBFGS(0).minimise(lambda x: (2.5, x), np.zeros(0))
    assert state.converged
    assert state.value == 2.5
    assert_same(copied(state), state)


@pytest.mark.parametrize(
    "options",
    [
        {"memory": 0},
        {"tolerance": -1.0},
        {"tolerance": math.nan},
        {"max_iterations": -1},
        {"max_evaluations_per_step": 0},
        {"l1": -1.0},
        {"l1": np.ones(4)},
        {"l1": math.inf},
    ],
)
def test_wrong_options(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LBFGS(3, **options)  # type: ignore[arg-type]


def test_wrong_shapes() -> None:
    with pytest.raises(UsageError, match="start point"):
        LBFGS(3).start(rosenbrock, np.zeros(4))
    with pytest.raises(UsageError, match="gradient"):
        LBFGS(3).start(lambda x: (0.0, np.zeros(2)), np.zeros(3))


# Line searches by themselves


def along(f: Callable[[float], float], df: Callable[[float], float]) -> Callable[[float], Trial]:
    return lambda a: Trial(a, f(a), df(a))


@settings(deadline=None, max_examples=200)
@given(st.floats(-2, 2), st.floats(-8, 8), st.floats(0.05, 20))
def test_wolfe_from_any_first_step(bend: float, exponent: float, reach: float) -> None:
    # A wavy bowl with its minimum near `reach`.
    def f(a: float) -> float:
        return (a / reach - 1) ** 2 + 0.05 * bend * math.sin(9 * a / reach)

    def df(a: float) -> float:
        return (2 * (a / reach - 1) + 0.45 * bend * math.cos(9 * a / reach)) / reach

    origin = Trial(0.0, f(0.0), df(0.0))
    end = wolfe(along(f, df), origin, 10.0**exponent, limit=40)
    assert end is not None
    assert end.value <= origin.value + 1e-4 * end.step * origin.slope
    assert abs(end.slope) <= 0.9 * abs(origin.slope)


def test_wolfe_returns_to_the_best_point_when_it_runs_out() -> None:
    # A kink at 1: no point has a small slope.
    probed: list[float] = []

    def probe(a: float) -> Trial:
        probed.append(a)
        return Trial(a, abs(a - 1), math.copysign(1.0, a - 1))

    end = wolfe(probe, Trial(0.0, 1.0, -1.0), 3.0, curvature=0.5, limit=12)
    assert end is not None
    assert end.value < 0.1
    assert probed[-1] == end.step
    assert len(probed) <= 13


def test_wolfe_gives_up_uphill() -> None:
    assert wolfe(along(lambda a: a, lambda a: 1.0), Trial(0.0, 0.0, -1.0), 1.0) is None


def test_backtrack_accepts_sufficient_decrease_only() -> None:
    def probe(a: float) -> Trial:
        return Trial(a, math.inf if a > 5 else (a - 1) ** 2, -2 * a)

    origin = Trial(0.0, 1.0, -2.0)
    end = backtrack(probe, origin, 100.0)
    assert end is not None
    assert 0 < end.step < 2
    assert end.value <= 1.0 - 1e-4 * 2 * end.step
    assert backtrack(lambda a: Trial(a, 2.0, -a), origin, 1.0) is None
    assert backtrack(lambda a: Trial(a, 0.0, 0.0), origin, 1.0) is None


@settings(deadline=None, max_examples=100)
@given(st.floats(-3, 3), st.floats(0.1, 3), st.floats(0.1, 3))
def test_cubic_minimum_of_a_cubic(at: float, width: float, lead: float) -> None:
    # f' = lead (x - at)(x - at + 2) has its minimum at `at`.
    def f(x: float) -> float:
        return lead * ((x - at) ** 3 / 3 + (x - at) ** 2)

    def df(x: float) -> float:
        return lead * ((x - at) ** 2 + 2 * (x - at))

    points = [Trial(x, f(x), df(x)) for x in (at - 0.3 * width, at + 0.7 * width)]
    assert cubic_minimum(points[0], points[1]) == pytest.approx(at, abs=1e-9)
    assert cubic_minimum(points[1], points[0]) == pytest.approx(at, abs=1e-9)
