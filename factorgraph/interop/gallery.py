"""Pictures of pictures, and of the energies and bounds of an inference as time goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from factorgraph.errors import UsageError
from factorgraph.interop.pictures import BLUE, GREY, ORANGE, Where, _figure, _save, require

COLUMNS = 2


def images(shown: Sequence[tuple[str, ArrayLike]], path: Where, columns: int = COLUMNS) -> None:
    """Draw pictures side by side, those of one channel with colours for their numbers.

    Parameters
    ----------
    shown : titles and pictures, uint8 [h, w, 3] in colour, uint8 [h, w] in grey where their title
        begins with a blank, else numbers [h, w] as colours, the same in all of them.
    path : the PNG file to write.
    """
    require()
    rows = -(-len(shown) // columns)
    first = np.asarray(shown[0][1])
    width = 4.2
    figure = _figure(width * columns, rows * (width * first.shape[0] / first.shape[1] + 0.35))
    for axes in figure.subplots(rows, columns, squeeze=False).reshape(-1)[len(shown) :]:
        axes.set_axis_off()
    numbers = [a for t, p in shown if (a := np.asarray(p)).ndim == 2 and not t.startswith(" ")]
    low, high = (min(map(np.min, numbers)), max(map(np.max, numbers))) if numbers else (0, 1)
    for axes, (title, picture) in zip(figure.axes, shown, strict=False):
        array = np.asarray(picture)
        if array.ndim == 3:
            axes.imshow(array, interpolation="nearest")
        elif title.startswith(" "):
            axes.imshow(array, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        else:
            axes.imshow(array, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
        axes.set_title(title.strip(), parse_math=False, fontsize=10)
        axes.set_axis_off()
    _save(figure, path)


def surfaces(
    shown: Sequence[tuple[str, ArrayLike, ArrayLike]],
    path: Where,
    curve: tuple[ArrayLike, ArrayLike] | None = None,
    ends: tuple[float, float] = (-1.0, 1.0),
) -> None:
    """Draw energies E(x, y) before and after trainings, one training a column.

    What is shown is how much more than the least energy at its x each y has, from 0 to 1 and more:
    where an energy is flat in y, all is dark.

    Parameters
    ----------
    shown : names, and energies before and after, float64 [x, y].
    path : the PNG file to write.
    curve : x and y of a line to draw into each: where the least energy ought to be.
    ends : of x and of y.
    """
    require()
    figure = _figure(2.7 * len(shown) + 1.2, 5.8)
    grid = figure.subplots(2, len(shown), squeeze=False, sharex=True, sharey=True)
    low, high = ends
    for k, (name, *both) in enumerate(shown):
        for axes, when, energies in zip(grid[:, k], ("before", "after"), both, strict=True):
            rise = np.asarray(energies, np.float64)
            image = axes.imshow(
                (rise - rise.min(axis=1, keepdims=True)).T, origin="lower",
                extent=(low, high, low, high), cmap="viridis", vmin=0.0, vmax=1.0,
                interpolation="nearest",
            )  # fmt: skip
            if curve is not None:
                axes.plot(*curve, "--", color="white", linewidth=1)
            axes.set_title(f"{name}: {when}", parse_math=False, fontsize=10)
            axes.tick_params(colors=GREY, labelsize=8)
    for axes in grid[1]:
        axes.set_xlabel("x")
    for axes in grid[:, 0]:
        axes.set_ylabel("y")
    bar = figure.colorbar(image, ax=grid, shrink=0.8, pad=0.02, extend="max")
    bar.set_label("E(x, y) above the least of its x", fontsize=9)
    bar.ax.tick_params(colors=GREY, labelsize=8)
    _save(figure, path)


def bounds(traces: Mapping[str, Sequence[Sequence[float]]], path: Where) -> None:
    """Draw the best energy and the best bound of inferences by seconds.

    Parameters
    ----------
    traces : by name, of points (seconds, energy, bound) as answers hold them.
    path : the PNG file to write.

    Raises
    ------
    UsageError : a trace has no finite energy.
    """
    require()
    figure = _figure(7, 4.2)
    axes = figure.subplots()
    marks: list[Any] = []
    for (name, trace), style in zip(traces.items(), ("-", "--", ":", "-."), strict=False):
        points = np.array([[np.nan if x is None else x for x in p] for p in trace], np.float64)
        points = points.reshape(-1, 3)
        if not np.isfinite(points[:, 1]).any():
            raise UsageError(f"the trace of {name} holds no energy", code="E0921")
        for column, color, what in ((1, ORANGE, "energy"), (2, BLUE, "bound")):
            finite = np.isfinite(points[:, column])
            axes.step(
                points[finite, 0], points[finite, column], style, where="post", color=color,
                label=f"{what}, {name}",
            )  # fmt: skip
            marks.extend(points[finite, column][finite.sum() // 10 :])
    low, high = min(marks), max(marks)
    pad = 0.08 * max(high - low, 1e-9 * abs(high))
    axes.set_ylim(low - pad, high + pad)
    axes.set_xlabel("seconds")
    axes.set_ylabel("energy")
    axes.grid(alpha=0.3)
    axes.legend()
    axes.tick_params(colors=GREY)
    _save(figure, path)


def rates(
    lines: Mapping[str, Sequence[tuple[float, float]]],
    points: Mapping[str, Sequence[tuple[float, float]]],
    path: Where,
) -> None:
    """Draw error rates of codes by noise, and published ones as rings.

    Parameters
    ----------
    lines, points : by the code's name, of pairs (Eb/N0 in decibels, rate); rates of 0 are left out.
    path : the PNG file to write.
    """
    require()
    figure = _figure(7, 4.8)
    axes = figure.subplots()
    colors = (ORANGE, BLUE, "#2a7f5f", "#7a4fa0", GREY)
    shown = [rate for line in lines.values() for _, rate in line if rate > 0]
    noise = [at for line in lines.values() for at, _ in line]
    for k, (name, line) in enumerate(lines.items()):
        color = colors[k % len(colors)]
        seen = np.array([p for p in line if p[1] > 0]).reshape(-1, 2)
        axes.semilogy(seen[:, 0], seen[:, 1], "-x", color=color, label=name)
        other = np.array([p for p in points.get(name, ()) if p[1] > 0]).reshape(-1, 2)
        if len(other):
            axes.semilogy(
                other[:, 0], other[:, 1], "o", color=color, mfc="none", label=f"{name}, published"
            )
    if shown:
        axes.set_xlim(min(noise) - 0.1, max(noise) + 0.1)
        axes.set_ylim(0.5 * min(shown), 1.3)
    axes.set_xlabel("Eb/N0, dB")
    axes.set_ylabel("frames decoded wrongly")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    _save(figure, path)
