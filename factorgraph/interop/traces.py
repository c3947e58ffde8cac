"""Best energy and bound of an inference as time goes on, as a picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import DataError, UsageError
from factorgraph.interop.pictures import BLUE, ORANGE, require
from factorgraph.source import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Trace = NDArray[np.float64]


def read_trace(path: str, instance: int = 0) -> tuple[Trace, str]:
    """Read the trace of a result, as ``fgc solve --json`` and ``fgc infer`` print them.

    Parameters
    ----------
    instance : which of the results, one a line, or which frame of one.

    Returns
    -------
    float64 [N, 3], seconds, energy and bound, NaN where there was none yet; and the status.

    Raises
    ------
    DataError : the file is no such result, or holds no trace.
    """
    try:
        size = Path(path).stat().st_size
        budget.require(12 * size, f"the results of {path}")
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise DataError(f"{path} cannot be read: {reason}", code="E0321") from None
    found = _result(path, text, instance)
    rows = found.get("trace")
    if not isinstance(rows, list) or not rows:
        raise DataError(
            f"{path} holds no trace",
            code="E0376",
            hint="exact engines that answer at once have none; --infer trws has one",
        )
    trace = np.full((len(rows), 3), np.nan)
    for i, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != 3 or not all(map(_fits, row)) or row[0] is None:
            raise DataError(
                f"{path}: point {i} of the trace is no triple of seconds, energy and bound",
                code="E0376",
            )
        trace[i] = [math.nan if value is None else value for value in row]
    return trace, str(found.get("status", ""))


def _result(path: str, text: str, instance: int) -> dict[str, Any]:
    """Return one of the results of a file."""
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        first = json.loads(text if len(lines) != 1 and text.lstrip()[:2] == "{\n" else lines[0])
        if isinstance(first, dict) and isinstance(first.get("frames"), list):
            found = first["frames"][instance]
        else:
            found = first if instance == 0 else json.loads(lines[instance])
    except IndexError:
        raise DataError(f"{path} has no result {instance}", code="E0376") from None
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path} is no JSON of a result: {visible(str(error))[:100]}", code="E0376"
        ) from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: a result is an object", code="E0376")
    return found


def _fits(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def trace_picture(trace: Trace, title: str, status: str = "") -> Figure:
    """Draw energy and bound over seconds, as steps.

    Parameters
    ----------
    trace : float64 [N, 3], as of `read_trace`.

    Raises
    ------
    UsageError : where matplotlib is missing, or nothing is finite.
    """
    require()
    from matplotlib.figure import Figure

    seconds, energy, bound = trace.T
    if not (np.isfinite(energy).any() or np.isfinite(bound).any()):
        raise UsageError("the trace holds neither energies nor bounds", code="E0376")
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    for values, name, colour in ((energy, "energy", ORANGE), (bound, "bound", BLUE)):
        if np.isfinite(values).any():
            last = values[np.isfinite(values)][-1]
            axes.plot(
                seconds,
                values,
                color=colour,
                drawstyle="steps-post",
                marker="." if len(trace) < 40 else "",
                label=f"{name}: {last:.9g}",
            )
    axes.set_xlabel("seconds")
    axes.set_ylabel("energy")
    axes.ticklabel_format(useOffset=False)
    axes.grid(alpha=0.3)
    axes.legend(loc="best")
    words = f"{title}: {status}" if status else title
    axes.set_title(visible(words[:90]), parse_math=False)
    return figure
