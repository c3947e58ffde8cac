"""Pictures of training and of answers, as PNG files.

matplotlib is loaded when the first picture is drawn. Figures are made directly, so that neither
pyplot's state nor the settings of whoever imports this change. Labels are shown as they are:
no dollar sign starts a formula.
"""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from factorgraph import files
from factorgraph.errors import RunError, UsageError, some
from factorgraph.learn.events import Event, Started
from factorgraph.source import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Where = str | os.PathLike[str]

DPI = 120
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#7f7f7f"  # told apart by colour-blind readers


def require() -> None:
    """Refuse early what would fail later.

    Raises
    ------
    UsageError : where matplotlib is missing.
    """
    try:
        import matplotlib.backends.backend_agg  # noqa: F401
    except ImportError:
        raise UsageError(
            "pictures need matplotlib: pip install 'fgc[plots]'", code="E0915"
        ) from None


def loss_curve(events_or_log: Iterable[Event] | Where, path: Where) -> None:
    """Draw objective and gradient norm by iteration.

    Parameters
    ----------
    events_or_log : events of a training, or the name of its ``log.jsonl``. Of several trainings
        the last one is drawn.
    path : the PNG file to write.

    Raises
    ------
    RunError : where the log is damaged or holds no iteration, or the picture cannot be written.
    """
    require()
    from matplotlib.ticker import MaxNLocator

    steps, unit, second = _steps(events_or_log)
    iteration = [s[0] for s in steps]
    figure = _figure(7, 5)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for axes, values, name in (
        (upper, [s[1] for s in steps], "objective"),
        (lower, [s[2] for s in steps], second),
    ):
        axes.plot(iteration, values, color=BLUE, marker="." if len(steps) < 30 else "")
        _logarithmic(axes, values)
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.text(
            0.99, 0.95, f"last: {values[-1]:.5g}", transform=axes.transAxes, ha="right", va="top"
        )
    upper.set_title(f"training: {some(len(steps), unit)}")
    lower.set_xlabel(unit)
    lower.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _save(figure, path)


def gap_histogram(before: ArrayLike, after: ArrayLike, path: Where) -> None:
    """Draw how far the answers win over the best wrong ones, before training and after it.

    Gaps of exactly zero, where the answer ties with a wrong one, get a bar of their own.

    Parameters
    ----------
    before, after : float64 [N], E(wrong) - E(answer). Gaps that are not finite are counted in
        the legend, but not drawn.
    path : the PNG file to write.
    """
    require()
    figure = _figure(7, 5.4)
    pair = figure.subplots(2, 1, sharex=True)
    both = [np.asarray(before, np.float64).ravel(), np.asarray(after, np.float64).ravel()]
    finite = np.concatenate([g[np.isfinite(g)] for g in both])
    reach = finite[finite != 0]
    width = _bin_width(reach)
    low, high = (
        (math.floor(reach.min() / width), math.ceil(reach.max() / width)) if len(reach) else (-3, 3)
    )
    edges = np.arange(min(low, -1), max(high, 1) + 1) * width
    for axes, gap, when in zip(pair, both, ("before training", "after training")):
        _gaps(axes, gap, edges, when)
    pair[0].set_title("energy gaps, one for each instance")
    pair[1].set_xlabel("E(best wrong answer) − E(true answer)")
    _save(figure, path)


def heat_map(
    matrix: ArrayLike,
    labels: Sequence[str],
    path: Where,
    title: str,
    *,
    rows: str = "previous letter",
    columns: str = "next letter",
    unit: str = "energy (blue, negative: likely)",
) -> None:
    """Draw a square table of energies with colours that are centred at zero.

    Parameters
    ----------
    matrix : float64 [L, L], energies: a row for the previous label, a column for the next one.
    labels : of rows and columns.
    path : the PNG file to write.
    rows, columns, unit : titles of the two axes and of the colour bar.
    """
    require()
    values = np.asarray(matrix, np.float64)
    if values.shape != (len(labels), len(labels)):
        raise UsageError(
            f"a heat map of {len(labels)} labels needs as many rows and columns", code="E0921"
        )
    finite = np.abs(values[np.isfinite(values)])
    most = float(finite.max(initial=0.0)) or 1.0
    figure = _figure(7.4, 6.6)
    axes = figure.subplots()
    # What is forbidden (+inf) is no colour of the scale.
    axes.set_facecolor("#404040")
    image = axes.imshow(np.ma.masked_invalid(values), cmap="RdBu_r", vmin=-most, vmax=most)
    shown = [visible(label) for label in labels]
    long = max((len(label) for label in shown), default=0) > 2
    axes.set_xticks(range(len(shown)), shown, parse_math=False, rotation=90 if long else 0)
    axes.set_yticks(range(len(shown)), shown, parse_math=False)
    axes.tick_params(length=0, top=True, labeltop=True, labelsize=9)
    axes.set_xlabel(columns)
    axes.set_ylabel(rows)
    axes.set_title(visible(title), parse_math=False)
    figure.colorbar(image, ax=axes, label=unit, fraction=0.046, pad=0.03)
    _save(figure, path)


def words(
    images: Sequence[ArrayLike],
    true: Sequence[Sequence[str]],
    read: Sequence[Sequence[str]],
    path: Where,
    *,
    called: tuple[str, str] = ("words", "letters"),
) -> None:
    """Draw words: the images of their letters, below them what they are and what was read.

    A letter that was read wrong is red, bold and underlined.

    Parameters
    ----------
    images : for each word float or integer [n, height, width], ink positive; n may differ.
    true, read : for each word the n letters.
    path : the PNG file to write.
    called : what words and letters are called.
    """
    require()
    stacks = [np.asarray(image) for image in images]
    if not stacks or any(
        s.ndim != 3 or not len(s) == len(t) == len(r) for s, t, r in zip(stacks, true, read)
    ):
        raise UsageError("words need as many images [n, height, width] as letters", code="E0921")
    across = 2 if len(stacks) > 1 else 1
    down = -(-len(stacks) // across)
    longest = max(len(s) for s in stacks)
    figure = _figure(max(4.6, across * (0.27 * longest + 0.6)), 0.98 * down + 0.45)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(stacks) :]:
        axes.set_axis_off()
    for axes, stack, t, r in zip(grid.flat, stacks, true, read):
        _word(axes, stack, list(t), list(r), longest)
    whole = sum(list(t) == list(r) for t, r in zip(true, read))
    letters = sum(a == b for t, r in zip(true, read) for a, b in zip(t, r))
    rows, parts = called
    figure.suptitle(
        f"{whole} of {len(stacks)} {rows} and {letters} of {sum(map(len, stacks))} {parts} "
        "read right; wrong ones are red and underlined",
        fontsize=9,
    )
    _save(figure, path)


# -- parts of pictures


def _steps(
    events_or_log: Iterable[Event] | Where,
) -> tuple[list[tuple[int, float, float]], str, str]:
    """Return iteration, objective and gradient norm of the last training, or epoch and gap.

    Returns
    -------
    the steps, what they are, and what their third number is.
    """
    if isinstance(events_or_log, str | os.PathLike):
        source = os.fspath(events_or_log)
        events = _read_log(Path(source))
    else:
        source, events = "the events", [e.as_dict() for e in events_or_log]
    steps: list[tuple[int, float, float]] = []
    unit, second = "iteration", "gradient norm"
    for event in events:
        if event.get("event") == Started.__name__.lower():
            steps.clear()
        elif event.get("event") in ("iteration", "epoch"):
            try:
                unit, size = str(event["event"]), event["norm"]
                if size is None:
                    size, second = event["duality_gap"], "duality gap"
                step = int(event["iteration"]), float(event["objective"]), float(size)
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{source}: an iteration without its figures", code="E0803"
                ) from None
            steps.append(step)
    if not steps:
        raise RunError(f"{source}: there is no iteration to draw", code="E0917")
    return steps, unit, second


def _read_log(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}", code="E0321") from None
    except UnicodeDecodeError:
        raise RunError(f"{path}: damaged (no UTF-8 text)", code="E0803") from None
    events = []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(line)
        except (ValueError, RecursionError):
            if number == len(lines) and not line.endswith("\n"):
                break  # training was killed while it wrote
            raise RunError(f"{path}: line {number} is no event", code="E0803") from None
        events.append(event)
    return events


def _logarithmic(axes: Axes, values: Sequence[float]) -> None:
    """Choose a logarithmic scale where values are positive and differ much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = min(values), max(values)
    if not (1e-100 < low < high / 4 and high < 1e100):
        return
    axes.set_yscale("log")
    wide = high > 300 * low
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _bin_width(reach: NDArray[np.float64]) -> float:
    """Return a round width that gives 25 to 60 bins."""
    span = float(reach.max(initial=0.0) - reach.min(initial=0.0))
    if not span:
        return 1.0
    rough = span / 30
    ten = 10.0 ** math.floor(math.log10(rough))
    return next(ten * step for step in (5, 2, 1) if ten * step <= rough * (1 + 1e-9))


def _gaps(axes: Axes, gap: NDArray[np.float64], edges: NDArray[np.float64], when: str) -> None:
    """Draw the gaps of one moment: lost, tied, won."""
    width = float(edges[1] - edges[0])
    finite = gap[np.isfinite(gap)]
    count = max(1, len(finite))
    lost, won = finite[finite < 0], finite[finite > 0]
    ties = len(finite) - len(lost) - len(won)
    centres = edges[:-1] + width / 2
    for part, colour, hatch, name in (
        (won, BLUE, "", "above zero"),
        (lost, ORANGE, "///", "below zero"),
    ):
        heights, _ = np.histogram(part.clip(edges[0], edges[-1]), edges)
        axes.bar(
            centres, heights, width, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5,
            label=f"{name}: {len(part) / count:.1%} ({len(part)})",
        )  # fmt: skip
    axes.bar(
        [0.0], [ties], width / 2, color=GREY, label=f"exactly zero: {ties / count:.1%} ({ties})"
    )
    if len(gap) > len(finite):
        when += f"\n({len(gap) - len(finite)} not finite, not drawn)"
    axes.axvline(0, color="black", linewidth=0.8, linestyle=":")
    axes.set_ylabel("instances")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.legend(title=when, loc="upper left", fontsize=9, framealpha=1)


def _word(
    axes: Axes, stack: NDArray[Any], true: Sequence[str], read: Sequence[str], longest: int
) -> None:
    """Draw one word: a row of images and two rows of letters."""
    count, height, width = stack.shape
    gap = max(1, width // 4)
    canvas = np.full((height, count * (width + gap) - gap), np.nan)
    for i, letter in enumerate(stack):
        canvas[:, i * (width + gap) : i * (width + gap) + width] = letter
    axes.imshow(np.ma.masked_invalid(canvas), cmap="Greys", vmin=0, interpolation="nearest")
    line = height * 0.6
    for i, (a, b) in enumerate(zip(true, read)):
        centre = i * (width + gap) + (width - 1) / 2
        wrong = a != b
        axes.text(
            centre, height + 0.5 * line, visible(a), ha="center", va="center", fontsize=10,
            color="black", parse_math=False,
        )  # fmt: skip
        axes.text(
            centre, height + 1.5 * line, visible(b), ha="center", va="center", fontsize=10,
            color="#c00000" if wrong else GREY, weight="bold" if wrong else "normal",
            parse_math=False,
        )  # fmt: skip
        if wrong:
            under = height + 2.05 * line
            axes.plot([centre - width / 2, centre + width / 2], [under] * 2, color="#c00000", lw=2)
    for row, name in enumerate(("true", "read")):
        axes.text(
            -gap, height + (row + 0.5) * line, name, ha="right", va="center", fontsize=7,
            color="#404040",
        )  # fmt: skip
    axes.set_anchor("W")
    axes.set_xlim(-2.2 * width, longest * (width + gap))
    axes.set_ylim(height + 2.3 * line, -0.5)
    axes.set_axis_off()


# -- figures and files


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Where) -> None:
    out = io.BytesIO()
    # Without the version of matplotlib: the same figures give the same file.
    figure.savefig(out, format="png", dpi=DPI, bbox_inches=None, metadata={"Software": None})
    try:
        files.write(Path(path), out.getvalue())
    except OSError as error:
        raise RunError(
            f"{os.fspath(path)} cannot be written: {error.strerror or error}", code="E0802"
        ) from None
