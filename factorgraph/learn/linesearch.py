"""Searches for a step along a line: strong Wolfe for smooth functions, backtracking for OWL-QN.

Both see the function only through ``probe(step) -> Trial``, so that they hold no vector. A trial
whose value or slope is not finite counts as lying outside the domain: the step shrinks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

EPSILON = 2.0**-52
SLACK = 16 * EPSILON
EDGE_SHRINK = 0.1
NARROW = 1e-3


@dataclass(frozen=True, slots=True)
class Trial:
    """A point on the line.

    Parameters
    ----------
    step : distance from the origin in units of the direction.
    value : the function there.
    slope : its derivative by the step; for `backtrack`, the change that the (pseudo-)gradient at
        the origin predicts for the projected move.
    """

    step: float
    value: float
    slope: float

    @property
    def finite(self) -> bool:
        """Whether value and slope are both finite."""
        return math.isfinite(self.value) and math.isfinite(self.slope)


Probe = Callable[[float], Trial]


def wolfe(
    probe: Probe,
    origin: Trial,
    first: float,
    *,
    sufficient: float = 1e-4,
    curvature: float = 0.9,
    limit: int = 20,
) -> Trial | None:
    """Return a point that satisfies the strong Wolfe conditions, or the best point found.

    Values count as equal within a few units of rounding, as the slopes still tell where the
    minimum lies when the values no longer do.

    Parameters
    ----------
    probe : evaluates the function at a step; the returned point is always the one probed last.
    origin : the point of step 0, whose slope is negative.
    first : the first step to try, positive.
    sufficient : the share of the predicted decrease that must be reached (c1).
    curvature : the share of the slope at the origin that may remain (c2).
    limit : the most evaluations; one more may follow, to return to the best point.

    Returns
    -------
    The point, or None where no point is lower than the origin.

    Reference
    ---------
    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6.
    """
    slack = SLACK * abs(origin.value)
    low, high = origin, None
    step, widths = first, (math.inf, math.inf)
    for used in range(1, limit + 1):
        trial = last = probe(step)
        allowed = origin.value + sufficient * step * origin.slope + slack
        if not trial.finite:
            high = Trial(step, math.inf, math.nan)
        elif trial.value > min(allowed, low.value + slack):
            high = trial
        elif abs(trial.slope) <= -curvature * origin.slope:
            return trial
        elif high is None and trial.slope < 0:
            step = _beyond(low, trial)
            low = trial
            if not math.isfinite(step):
                break
            continue
        else:
            if high is None or trial.slope * (high.step - low.step) >= 0:
                high = low
            low = trial
        width = abs(high.step - low.step)
        if used == limit or width <= NARROW * low.step or width == 0.0:
            break
        step = _between(low, high, slack, bisect=width > 0.66 * widths[0])
        widths = (widths[1], width)
        if step in (low.step, high.step):
            break
    if low.value >= origin.value:
        return None
    return low if last is low else probe(low.step)


def backtrack(
    probe: Probe, origin: Trial, first: float, *, sufficient: float = 1e-4, limit: int = 20
) -> Trial | None:
    """Return the first point of a shrinking sequence with sufficient decrease, or None.

    Parameters
    ----------
    probe : evaluates the function at a step; the returned point is always the one probed last.
    origin : the point of step 0; its slope is the directional derivative, negative.
    first : the first step to try, positive.
    sufficient : the share of the predicted change that must be reached.
    limit : the most evaluations.

    Returns
    -------
    The point, or None where the limit was reached or no projected move goes down.

    Reference
    ---------
    G. Andrew and J. Gao, Scalable training of L1-regularized log-linear models, ICML 2007.
    """
    slack = SLACK * abs(origin.value)
    step = first
    for _ in range(limit):
        trial = probe(step)
        if not trial.finite:
            step *= EDGE_SHRINK
            continue
        if trial.slope >= 0:
            return None
        if trial.value <= origin.value + sufficient * trial.slope + slack:
            return trial
        # The parabola through the origin with the slope there and through the trial.
        bend = trial.value - origin.value - step * origin.slope
        best = -0.5 * origin.slope * step * step / bend if bend > 0 else 0.5 * step
        step = min(max(best, 0.1 * step), 0.5 * step)
    return None


def cubic_minimum(a: Trial, b: Trial) -> float:
    """Return the step where the cubic with the values and slopes of two points is least.

    Parameters
    ----------
    a, b : two points at different steps.

    Returns
    -------
    The step, or NaN where the cubic has no minimum.

    Reference
    ---------
    J. Nocedal and S. J. Wright, Numerical Optimization, 2nd edition, equation 3.59.
    """
    width = b.step - a.step
    d1 = a.slope + b.slope - 3 * (b.value - a.value) / width
    root = math.sqrt(max(0.0, inside)) if (inside := d1 * d1 - a.slope * b.slope) >= 0 else math.nan
    d2 = math.copysign(root, width)
    below = b.slope - a.slope + 2 * d2
    return b.step - width * (b.slope + d2 - d1) / below if below else math.nan


def _beyond(previous: Trial, trial: Trial) -> float:
    """Return a longer step, where the function still falls at both points."""
    guess = cubic_minimum(previous, trial)
    if not guess > trial.step:
        return 4 * trial.step
    return min(max(guess, 2 * trial.step), 10 * trial.step)


def _between(low: Trial, high: Trial, slack: float, *, bisect: bool) -> float:
    """Return a step inside a bracket, away from both of its ends."""
    width = high.step - low.step
    if not high.finite:
        return low.step + (0.5 if low.step else EDGE_SHRINK) * width
    if bisect:
        return low.step + 0.5 * width
    if abs(high.value - low.value) <= slack and high.slope != low.slope:
        guess = low.step - low.slope * width / (high.slope - low.slope)
    else:
        guess = cubic_minimum(low, high)
    share = (guess - low.step) / width
    if not math.isfinite(share):
        share = 0.5
    return low.step + min(max(share, 0.1), 0.9) * width
