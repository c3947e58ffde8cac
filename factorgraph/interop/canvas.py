"""What pictures of graphs are drawn with: shapes in points, saved as SVG, PNG or PDF.

matplotlib is loaded when something is drawn, figures are made directly, and settings are changed
for the time of saving only, as in `factorgraph.interop.pictures`. The same picture gives the same
file.
"""

from __future__ import annotations

import io
import os
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph import files
from factorgraph.errors import UsageError
from factorgraph.interop.layout import Box
from factorgraph.interop.pictures import require
from factorgraph.source import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "GREY",
    "INKS",
    "KINDS",
    "NAME",
    "NOTE",
    "Canvas",
    "measure",
    "require",
    "save",
]

FORMATS = ("svg", "png", "pdf")
NAME, NOTE, TITLE = 9.5, 7.5, 11.0
"""Sizes of letters in points."""
GREY = "#505050"
SHADE = "#c9c9c9"
FONT = "DejaVu Sans"  # comes with matplotlib
INKS = ("#0072b2", "#b35900", "#00795c", "#9a4d7c", "#5d6d1e", "#7a4b9e")
"""Colours in their order; told apart by colour-blind readers."""
MARGIN = 14.0
DPI = 150
KINDS = {
    "latent": "latent",
    "answer": "answer",
    "given": "given",
    "factor": "factor",
    "hard": "hard factor",
    "map": "map",
    "param": "weight",
    "observed": "observed",
}
"""What a node can be, with its name in the legend."""


@contextmanager
def _strange_letters() -> Iterator[None]:
    """Say nothing of letters that the font lacks: they become boxes, or are texts in an SVG."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        yield


@cache
def measure(text: str, size: float) -> tuple[float, float]:
    """Return width and height in points of a text of one or more lines."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family=FONT, size=size)
    lines = text.split("\n")
    with _strange_letters():
        sizes = [text_to_path.get_text_width_height_descent(x, font, ismath=False) for x in lines]
    widths = [width for width, _, _ in sizes]
    return float(max(widths)) * 1.02 + 1, 1.28 * size * len(lines)


class Canvas:
    """Shapes in points, x to the right and y upwards; the picture is as large as they are."""

    def __init__(self) -> None:
        self.artists: list[Any] = []
        self.left = self.bottom = self.right = self.top = 0.0
        self.texts: list[tuple[str, Box]] = []
        self.empty = True

    def reach(self, left: float, bottom: float, right: float, top: float) -> None:
        """Make the picture large enough for a rectangle."""
        if self.empty:
            self.left, self.bottom, self.right, self.top = left, bottom, right, top
            self.empty = False
        self.left, self.bottom = min(self.left, left), min(self.bottom, bottom)
        self.right, self.top = max(self.right, right), max(self.top, top)

    def add(self, artist: Any, box: Box) -> None:
        self.artists.append(artist)
        self.reach(box.left, box.bottom, box.right, box.top)

    # -- shapes

    def text(
        self,
        box: Box,
        text: str,
        size: float,
        colour: str,
        *,
        align: str = "center",
        white: bool = False,
        bold: bool = False,
    ) -> None:
        """Write a text of one or more lines inside a rectangle, from its top."""
        from matplotlib.patches import Rectangle

        _, height = measure(text, size)
        lines = text.split("\n")
        if white:
            self.add(
                Rectangle((box.left, box.bottom), box.width, box.height, facecolor="white",
                          edgecolor="none", zorder=2.5), box,
            )  # fmt: skip
        for n, line in enumerate(lines):
            tall = height / len(lines)
            y = box.y + height / 2 - (n + 0.5) * tall
            self.line(Box(box.x, y, box.width, tall), line, size, colour, align, bold)
        self.texts.append((text, box))

    def line(self, box: Box, text: str, size: float, colour: str, align: str, bold: bool) -> None:
        from matplotlib.text import Text

        width, height = measure(text, size)
        x = {"left": box.left, "right": box.right - width, "center": box.x - width / 2}[align]
        own = Box(x + width / 2, box.y, width, height)
        # Where other letters are used they grow to both sides alike.
        at = {"left": own.left + 0.5, "right": own.right - 0.5, "center": own.x}[align]
        self.add(
            Text(at, own.y, text, fontsize=size, color=colour, ha=align, va="center_baseline",
                 family=FONT, parse_math=False, zorder=6, weight="bold" if bold else "normal"), own,
        )  # fmt: skip

    def plate(self, box: Box, colour: str) -> None:
        """Draw a plate."""
        self.rounded(box, 7.0, facecolor=_pale(colour), edgecolor="none", zorder=0.5)
        self.rounded(box, 7.0, facecolor="none", edgecolor=colour, linewidth=0.9, zorder=1)

    def rounded(self, box: Box, radius: float, **style: Any) -> None:
        """Draw a rectangle with round corners; a circle where the radius is half of its side."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        r = min(radius, box.width / 2, box.height / 2)
        k = 0.5523 * r  # a quarter of a circle as a cubic curve
        points: list[tuple[float, float]] = [(box.left + r, box.bottom)]
        codes = [Outline.MOVETO]
        for x, y, dx, dy in (
            (box.right, box.bottom, 1, 0),
            (box.right, box.top, 0, 1),
            (box.left, box.top, -1, 0),
            (box.left, box.bottom, 0, -1),
        ):
            # towards the corner, then to the left
            begin, end = (x - r * dx, y - r * dy), (x - r * dy, y + r * dx)
            points += [begin, (begin[0] + k * dx, begin[1] + k * dy),
                       (end[0] + k * dy, end[1] - k * dx), end]  # fmt: skip
            codes += [Outline.LINETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4]
        points.append(points[0])
        codes.append(Outline.CLOSEPOLY)
        self.add(PathPatch(Outline(points, codes), **style), box)

    def rectangle(self, box: Box, **style: Any) -> None:
        from matplotlib.patches import Rectangle

        self.add(Rectangle((box.left, box.bottom), box.width, box.height, **style), box)

    def node(self, box: Box, kind: str, *, shaded: bool = False) -> None:
        """Draw a variable, factor, map or weight."""
        match kind:
            case "factor":
                self.rectangle(box, facecolor="black", edgecolor="black", linewidth=0.8, zorder=4)
            case "hard":
                outer = Box(box.x, box.y, box.width + 2, box.height + 2)
                self.rectangle(outer, facecolor="white", edgecolor="black", linewidth=1.0, zorder=4)
                inner = Box(box.x, box.y, box.width - 4, box.height - 4)
                self.rectangle(inner, facecolor="white", edgecolor="black", linewidth=1.0, zorder=4)
            case "map":
                self.rounded(box, 4.0, facecolor="#fff3d6", edgecolor="#806000", linewidth=0.9,
                             zorder=4)  # fmt: skip
            case "param":
                self.rounded(box, box.height, facecolor=GREY, edgecolor="none", zorder=4)
            case _:
                self.rounded(
                    box,
                    box.height / 2,
                    facecolor=SHADE if shaded or kind in ("given", "observed") else "white",
                    edgecolor="black",
                    linewidth=2.0 if kind == "answer" else 0.9,
                    linestyle=(0, (4, 2.5)) if kind == "latent" else "-",
                    zorder=4,
                )

    def arc(
        self,
        start: tuple[float, float],
        middle: tuple[float, float],
        stop: tuple[float, float],
        style: str = "read",
    ) -> None:
        """Draw a curve; ``style`` is read, weight or type."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path as Outline

        outline = Outline([start, middle, stop], [Outline.MOVETO, Outline.CURVE3, Outline.CURVE3])
        colour = {"read": "#303030", "weight": "#909090", "type": "#606060"}[style]
        line = (0, (1, 2)) if style == "type" else "-"
        width = 0.6 if style == "weight" else 0.9
        patch = PathPatch(outline, facecolor="none", edgecolor=colour, linewidth=width,
                          linestyle=line, zorder=2)  # fmt: skip
        half = [(s + 2 * m + e) / 4 for s, m, e in zip(start, middle, stop)]
        points = (start, half, stop)
        left, right = min(p[0] for p in points), max(p[0] for p in points)
        low, high = min(p[1] for p in points), max(p[1] for p in points)
        self.add(patch, Box((left + right) / 2, (low + high) / 2, right - left, high - low))

    def line_between(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """Draw a thin straight line."""
        middle = ((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2)
        self.arc(start, middle, stop, "weight")

    def square(self, box: Box, colour: str, hard: bool) -> None:
        """Draw a small factor in a colour of its own; a hard one is hollow."""
        self.rectangle(box, facecolor="white" if hard else colour, edgecolor=colour, linewidth=1.3,
                       zorder=3)  # fmt: skip

    # -- around the picture

    def title(self, text: str) -> None:
        width, height = measure(text, TITLE)
        width *= 1.1  # bold
        top = self.top + 12 + height
        self.text(Box(self.left + width / 2, top - height / 2, width, height), text, TITLE, "black",
                  align="left", bold=True)  # fmt: skip
        self.reach(self.left, self.bottom, self.left + width, top)

    def legend(self, kinds: list[str]) -> None:
        """Say below the picture what the shapes mean."""
        if not kinds:
            return
        most = max(self.right, self.left + 300)
        x, y = self.left, self.bottom - 22
        for kind in kinds:
            name = KINDS[kind]
            width, _ = measure(name, NOTE)
            if x > self.left and x + 14 + width > most:
                x, y = self.left, y - 16
            side = {"param": 5.0, "factor": 8.0, "hard": 9.0}.get(kind, 10.0)
            wide = 16.0 if kind == "map" else side
            self.node(Box(x + wide / 2, y, wide, side), kind)
            self.text(Box(x + wide + 4 + width / 2, y, width, 10), name, NOTE, GREY, align="left")
            x += wide + 4 + width + 14
        self.reach(self.left, y - 8, self.left, self.top)

    def colours(self, items: list[tuple[str, str, bool]]) -> None:
        """Say below the picture which factor has which colour."""
        most = max(self.right, self.left + 300)
        x, y = self.left, self.bottom - 10
        for colour, name, hard in items:
            width, _ = measure(name, NOTE)
            if x > self.left and x + 12 + width > most:
                x, y = self.left, y - 14
            self.square(Box(x + 4, y, 7, 7), colour, hard)
            self.text(Box(x + 12 + width / 2, y, width, 10), name, NOTE, GREY, align="left")
            x += 12 + width + 14
        self.reach(self.left, y - 8, self.left, self.top)

    def notes(self, lines: list[str]) -> None:
        """Write lines below the picture, broken where they are too long."""
        wide = max(48, int((self.right - self.left) / 4.2))
        y = self.bottom - 14
        for line in lines:
            for part in textwrap.wrap(line, wide):
                width, height = measure(part, NOTE + 0.5)
                self.text(Box(self.left + width / 2, y, width, height), part, NOTE + 0.5, GREY,
                          align="left")  # fmt: skip
                y -= height

    def figure(self) -> Figure:
        """Return the figure with all that was drawn."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        width = self.right - self.left + 2 * MARGIN
        height = self.top - self.bottom + 2 * MARGIN
        figure = Figure((width / 72, height / 72), dpi=DPI, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(self.left - MARGIN, self.right + MARGIN)
        axes.set_ylim(self.bottom - MARGIN, self.top + MARGIN)
        for artist in self.artists:
            axes.add_artist(artist)
            artist.set_clip_on(False)
        return figure


def _pale(colour: str) -> str:
    """Return a colour mixed with much white: lines of other plates stay visible on it."""
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - 0.06 * (255 - part)):02x}" for part in parts) + "80"


def suffix(path: str | os.PathLike[str]) -> str:
    """Return which kind of picture a file name asks for.

    Raises
    ------
    UsageError : where it asks for none that can be made.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise UsageError(
            f"{visible(str(path))} does not say which kind of picture",
            code="E0910",
            hint="end it with ." + ", .".join(FORMATS[:-1]) + f" or .{FORMATS[-1]}",
        )
    return kind


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure as SVG (texts stay texts), PNG or PDF, as the name ends.

    Raises
    ------
    UsageError : where the name ends otherwise, or the file cannot be written.
    """
    import matplotlib

    kind = suffix(path)
    # Without dates, versions and random names: the same picture gives the same file.
    metadata: dict[str, Any] = {
        "svg": {"Date": None, "Creator": None},
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    }[kind]
    out = io.BytesIO()
    settings: Any = {"svg.fonttype": "none", "svg.hashsalt": "fgc", "pdf.fonttype": 42}
    with matplotlib.rc_context(settings), _strange_letters():
        figure.savefig(out, format=kind, dpi=DPI, bbox_inches=None, metadata=metadata)
    try:
        files.write(Path(path), out.getvalue())
    except OSError as error:
        raise UsageError(
            f"{visible(str(path))} cannot be written: {error.strerror or error}", code="E0802"
        ) from None
