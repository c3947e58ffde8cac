"""Small charts as SVG: curves, bars, points. Colours are classes, so that a page may be dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from factorgraph.markup import safe

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 10, 34
MOST = 300
"""Points of a curve that are drawn."""

Scale = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """A named series: (x, y), what is not known left out."""

    name: str
    points: Sequence[tuple[float, float]]


def curves(
    title: str, series: Sequence[Curve], across: str, *, log: bool = False,
    low: float | None = None, high: float | None = None,
) -> str:  # fmt: skip
    """Return curves over a common axis; nothing where none of them has a point.

    Parameters
    ----------
    across : what the axis counts.
    log : whether values are on a logarithmic scale, where all are positive.
    low, high : ends of the values' axis; None for what the values need.
    """
    series = [Curve(s.name, _thinned(s.points)) for s in series if s.points]
    if not series:
        return ""
    ys = [y for s in series for _, y in s.points]
    xs = [x for s in series for x, _ in s.points]
    log = log and min(ys) > 0 and max(ys) > 10 * min(ys)
    if log:
        bottom, top = _decades(min(ys), max(ys))
    else:
        bottom, top, _ = _round(
            min(ys) if low is None else min(low, *ys), max(ys) if high is None else max(high, *ys)
        )
    x = _linear(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y = _logarithmic(bottom, top) if log else _linear(bottom, top, HEIGHT - BOTTOM, TOP)
    parts = [_grid(bottom, top, y, log), _ticks_below(min(xs), max(xs), x, whole=True)]
    for k, one in enumerate(series):
        line = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in one.points)
        last = one.points[-1]
        hint = safe(f"{one.name}: {_short(last[1])} at {across} {_short(last[0])}")
        mark = f'<circle class="c{k} dot" cx="{x(last[0]):.1f}" cy="{y(last[1]):.1f}" r="3"/>'
        parts.append(
            f'<g><title>{hint}</title><polyline class="c{k} line" points="{line}"/>{mark}</g>'
        )
    parts.append(_label(across))
    return _figure(title, "".join(parts), [s.name for s in series] if len(series) > 1 else [])


def histogram(
    title: str, edges: Sequence[float], layers: Sequence[tuple[str, Sequence[float]]], across: str
) -> str:
    """Return counts in bins of equal width on the page, whatever their edges; one layer beside
    the other.

    Parameters
    ----------
    layers : names and counts, one more than there are edges.
    """
    layers = [(n, c) for n, c in layers if sum(c) > 0 and len(c) == len(edges) + 1]
    if not layers:
        return ""
    used = [k for _, counts in layers for k, c in enumerate(counts) if c]
    first, last = max(0, min(used) - 1), min(len(edges), max(used) + 1)
    top = max(c / sum(counts) for _, counts in layers for c in counts)
    _, top, _ = _round(0.0, top)
    y = _linear(0.0, top, HEIGHT - BOTTOM, TOP)
    wide = (WIDTH - RIGHT - LEFT) / (last - first + 1)
    parts = [_grid(0.0, top, y, False, percent=True)]
    for k, (name, counts) in enumerate(layers):
        for j in range(first, last + 1):
            share = counts[j] / sum(counts)
            if not share:
                continue
            room = wide * 0.86 / len(layers)
            left = LEFT + (j - first) * wide + wide * 0.07 + k * room
            ends = (
                f"below {edges[0]:g}" if j == 0
                else f"above {edges[-1]:g}" if j == len(edges)
                else f"{edges[j - 1]:g} to {edges[j]:g}"
            )  # fmt: skip
            hint = safe(f"{name}, {ends}: {counts[j]:g} ({100 * share:.0f} %)")
            parts.append(
                f'<rect class="c{k} bar" x="{left:.1f}" y="{y(share):.1f}" width="{room:.1f}" '
                f'height="{y(0.0) - y(share):.1f}"><title>{hint}</title></rect>'
            )
    shown = max(1, math.ceil((last - first) / 8))
    for j in range(first, last):
        at = LEFT + (j + 1 - first) * wide
        zero = edges[j] == 0
        if zero:
            parts.append(
                f'<line class="zero" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" '
                f'y2="{HEIGHT - BOTTOM}"/>'
            )
        if zero or (j - edges.index(0.0) if 0.0 in edges else j) % shown == 0:
            parts.append(_text(at, HEIGHT - BOTTOM + 13, f"{edges[j]:g}", "middle"))
    parts.append(_label(across))
    return _figure(title, "".join(parts), [n for n, _ in layers])


def bars(title: str, values: Sequence[tuple[str, float, str]]) -> str:
    """Return bars that lie, from 0 to either side: name, value, what is written behind it."""
    values = values[:12]
    if not values:
        return ""
    low, high = min(0.0, *(v for _, v, _ in values)), max(0.0, *(v for _, v, _ in values))
    if low == high:
        high = 1.0
    left, right = 96, WIDTH - 104
    x = _linear(low, high, left + (40 if low < 0 else 0), right)
    tall = 26
    parts = []
    for k, (name, value, said) in enumerate(values):
        top = 8 + k * tall
        a, b = sorted((x(0.0), x(value)))
        kind = "bar c0" if value >= 0 else "bar c1"
        parts.append(_text(left - 8, top + 14, _cut(name, 14), "end"))
        parts.append(
            f'<rect class="{kind}" x="{a:.1f}" y="{top}" width="{max(b - a, 0.5):.1f}" '
            f'height="{tall - 8}"><title>{safe(f"{name}: {said}")}</title></rect>'
        )
        parts.append(_text(max(b, x(0.0)) + 6, top + 14, said, "start"))
    height = 16 + len(values) * tall
    at = x(0.0)
    parts.append(f'<line class="zero" x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{height - 8}"/>')
    return _figure(title, "".join(parts), [], height)


def scatter(
    title: str, points: Sequence[tuple[float, float]], across: str, up: str, margin: float | None
) -> str:
    """Return points, with the line y = x and, at a distance, that of the margin above it."""
    if not points:
        return ""
    every = [v for p in points for v in p]
    low, high, step = _round(min(every), max(every))
    tall = WIDTH - 40
    x = _linear(low, high, LEFT, WIDTH - RIGHT)
    y = _linear(low, high, tall - BOTTOM, TOP)
    parts = [
        _grid(low, high, y, False),
        _ticks_below(low, high, x, bottom=tall - BOTTOM, step=step),
    ]
    for value, kind, said in ((0.0, "zero", "E(wrong) = E(answer)"), (margin, "margin", "margin")):
        if value is None or (kind == "margin" and not value) or low + value >= high:
            continue
        parts.append(
            f'<line class="{kind}" x1="{x(low):.1f}" y1="{y(low + value):.1f}" '
            f'x2="{x(high - value):.1f}" y2="{y(high):.1f}"><title>{said}</title></line>'
        )
    for a, b in points[:MOST]:
        kind = "c0" if b - a > (margin or 0.0) else "c3" if b > a else "c1"
        hint = f"E(answer) {_short(a)}, E(wrong) {_short(b)}, gap {_short(b - a)}"
        parts.append(
            f'<circle class="{kind} point" cx="{x(a):.1f}" cy="{y(b):.1f}" r="3">'
            f"<title>{hint}</title></circle>"
        )
    parts.append(_label(across, tall))
    parts.append(_text(LEFT + 4, TOP + 9, up, "start"))
    return _figure(title, "".join(parts), [], tall)


# -- parts


def _figure(title: str, inside: str, names: Sequence[str], height: int = HEIGHT) -> str:
    keys = "".join(f'<li><span class="key k{k}"></span>{safe(n)}</li>' for k, n in enumerate(names))
    return (
        f"<figure><figcaption>{safe(title)}</figcaption>"
        f'<svg role="img" aria-label="{safe(title)}" viewBox="0 0 {WIDTH} {height}">'
        f"{inside}</svg>{f'<ul class=legend>{keys}</ul>' if keys else ''}</figure>"
    )


def _grid(low: float, high: float, y: Scale, log: bool, percent: bool = False) -> str:
    out = []
    for value in _powers(low, high) if log else _steps(low, high):
        at = y(value)
        said = f"{100 * value:.3g} %" if percent else _short(value)
        out.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
            + _text(LEFT - 6, at + 4, said, "end")
        )
    return "".join(out)


def _ticks_below(
    low: float, high: float, x: Scale, *, whole: bool = False, bottom: float = HEIGHT - BOTTOM,
    step: float | None = None,
) -> str:  # fmt: skip
    if low == high:
        return _text(x(low), bottom + 13, _short(low), "middle")
    step = _round(low, high, 5)[2] if step is None else step
    step = max(1.0, step) if whole else step
    out, value = "", math.ceil(low / step - 1e-9) * step
    while value <= high + 1e-9 * step:
        out += _text(x(value), bottom + 13, _short(value), "middle")
        value += step
    return out


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{safe(said)}</text>'


def _label(across: str, height: int = HEIGHT) -> str:
    return _text((LEFT + WIDTH - RIGHT) / 2, height - 4, across, "middle")


def _linear(low: float, high: float, start: float, stop: float) -> Scale:
    if high == low:
        return lambda value: (start + stop) / 2
    return lambda value: start + (stop - start) * ((value - low) / (high - low))


def _logarithmic(low: float, high: float) -> Scale:
    scale = _linear(math.log10(low), math.log10(high), HEIGHT - BOTTOM, TOP)
    return lambda value: scale(math.log10(value))


def _decades(low: float, high: float) -> tuple[float, float]:
    """Return ends of a logarithmic axis."""
    return 10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))


def _powers(low: float, high: float) -> list[float]:
    bottom, top = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    step = max(1, math.ceil((top - bottom) / 5))
    return [10.0**k for k in range(bottom, top + 1, step)]


def _round(low: float, high: float, most: int = 4) -> tuple[float, float, float]:
    """Return round ends and the distance of round steps between them."""
    if high <= low:
        room = abs(low) * 0.1 or 1.0
        low, high = low - room, high + room
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next((m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= rough), rough)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _steps(low: float, high: float) -> list[float]:
    _, _, step = _round(low, high)
    count = round((high - low) / step)
    return [low + k * step for k in range(count + 1)]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most so many of the points, the first and the last among them."""
    if len(points) <= MOST:
        return list(points)
    return [points[round(k * (len(points) - 1) / (MOST - 1))] for k in range(MOST)]


def _short(value: float) -> str:
    if value == 0 or abs(value) < 1e-12:
        return "0"
    said = f"{value:.4g}" if 1e-3 <= abs(value) < 1e4 else f"{value:.2g}"
    return said.replace("e+0", "e").replace("e-0", "e-").replace("e+", "e")


def _cut(said: str, most: int) -> str:
    return said if len(said) <= most else said[: most - 1] + "…"
