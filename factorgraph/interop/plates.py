"""The factor graph of a model with plates for its index sets, as a picture."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from factorgraph.errors import UsageError
from factorgraph.interop import canvas
from factorgraph.interop.canvas import GREY, INKS, NAME, NOTE, Canvas
from factorgraph.interop.layout import Box, Frame, Item, Link, arrange
from factorgraph.interop.sketch import Edge, Node, Sketch, sketch
from factorgraph.source import visible
from factorgraph.syntax import tree as t

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 80
"""Most nodes of one picture."""
RADIUS = 14.0
SQUARE = 13.0
RANKS = {"latent": 0, "answer": 1, "given": 2}


def plate_picture(file: t.File, name: str, *, params: bool = False) -> Figure:
    """Return the picture of a model.

    Index sets are plates, givens grey, answers white with a thick line, latents white with a
    dashed one, factors squares, hard factors squares with a double border, maps rounded boxes. A
    factor that reads several elements of a variable is joined to it by an arc for each.

    Parameters
    ----------
    file : the tree of a text with the files that it uses written out.
    name : the title.
    params : whether weights are drawn too.

    Raises
    ------
    UsageError : where matplotlib is missing, or there is too much to draw.
    """
    canvas.require()
    _require_small(_count(file))
    found = sketch(file, params=params)
    _require_small(len(found.nodes))
    return _Picture(found).figure(name)


def _count(file: t.File) -> int:
    """Return a lower bound of the nodes there will be, without much work."""
    slots = sum(len(s.slots) for s in file.statements if isinstance(s, t.Slots))
    return slots + sum(isinstance(s, t.Factor) for s in file.statements)


def _require_small(count: int) -> None:
    if count > MOST:
        raise UsageError(
            f"{count} variables, factors and weights are too many for one picture (at most {MOST})",
            code="E0916",
            hint="leave factors out with --without, and the weights without --params",
        )


class _Picture:
    def __init__(self, found: Sketch) -> None:
        self.found = found
        self.number = {node.name: i for i, node in enumerate(found.nodes)}
        self.tags = [_tag(node) for node in found.nodes]

    def figure(self, name: str) -> Figure:
        canvas_ = Canvas()
        if self.found.nodes:
            self.draw(canvas_)
        canvas_.title(visible(name))
        canvas_.legend([k for k in canvas.KINDS if any(n.kind == k for n in self.found.nodes)])
        canvas_.notes([visible(note) for note in self.found.notes])
        return canvas_.figure()

    def draw(self, paper: Canvas) -> None:
        items = [self.item(node, tag) for node, tag in zip(self.found.nodes, self.tags)]
        links = [self.link(edge) for edge in self.found.edges]
        frames = [
            Frame(frozenset(self.number[m] for m in plate.members),
                  *canvas.measure(visible(plate.label), NOTE + 1))
            for plate in self.found.plates
        ]  # fmt: skip
        layout = arrange(items, links, frames)
        for k in sorted(
            range(len(frames)), key=lambda k: -layout.plates[k].width * layout.plates[k].height
        ):
            paper.plate(layout.plates[k], INKS[k % len(INKS)])
        for k, label in enumerate(layout.plate_labels):
            paper.text(label, visible(self.found.plates[k].label), NOTE + 1, INKS[k % len(INKS)])
        counts: dict[int, int] = {}
        for arc in layout.arcs:
            edge = self.found.edges[arc.link]
            number = counts.get(arc.link, 0)
            counts[arc.link] = number + 1
            paper.arc(arc.start, arc.middle, arc.stop, self.style(edge))
            if arc.label is not None:
                paper.text(arc.label, _broken(edge.labels[number]), NOTE, "black", white=True)
        for node, box, tag, (bold, small) in zip(
            self.found.nodes, layout.nodes, layout.tags, self.tags
        ):
            paper.node(box, node.kind)
            if node.kind not in ("factor", "hard", "param"):
                paper.text(box, visible(node.name), NAME, "black")
            if tag is not None:
                _write(paper, box, tag, bold, small)

    def style(self, edge: Edge) -> str:
        kinds = {self.found.nodes[self.number[n]].kind for n in (edge.source, edge.target)}
        if "param" in kinds:
            return "weight"
        return "read" if kinds & {"factor", "hard", "map"} else "type"

    def item(self, node: Node, tag: tuple[list[str], list[str]]) -> Item:
        width, height = _size(node)
        return Item(width, height, *_measure(tag), RANKS.get(node.kind))

    def link(self, edge: Edge) -> Link:
        labels = tuple(
            _roomy(canvas.measure(_broken(label), NOTE)) if label else (0.0, 0.0)
            for label in edge.labels
        )
        return Link(self.number[edge.source], self.number[edge.target], labels)


def _size(node: Node) -> tuple[float, float]:
    width, height = canvas.measure(visible(node.name), NAME)
    if node.kind in ("factor", "hard"):
        return SQUARE, SQUARE
    if node.kind == "param":
        return 7.0, 7.0
    if node.kind == "map":
        return width + 14, height + 9
    return max(2 * RADIUS, width + 16), 2 * RADIUS


def _broken(label: str) -> str:
    """Return the label of an arc, on two lines where it says what it runs over."""
    first, word, rest = visible(label).partition(" for ")
    return f"{first}\nfor {rest}" if word and len(label) > 12 else first + word + rest


def _roomy(size: tuple[float, float]) -> tuple[float, float]:
    """Return a size at which a single thin letter still interrupts its line."""
    return max(size[0], 8.0) + 1, size[1]


def _tag(node: Node) -> tuple[list[str], list[str]]:
    """Return the lines beside a node: name, and small ones."""
    small = textwrap.wrap(visible(node.note), 30 if node.kind in ("factor", "hard") else 24)
    if len(small) > 3:
        small = [*small[:2], small[2][:-1] + "…"]
    return ([visible(node.name)] if node.kind in ("factor", "hard", "param") else []), small


def _measure(tag: tuple[list[str], list[str]]) -> tuple[float, float]:
    bold, small = tag
    sizes = [canvas.measure(line, NAME) for line in bold]
    sizes += [canvas.measure(line, NOTE) for line in small]
    return max((w for w, _ in sizes), default=0.0), sum(h for _, h in sizes)


def _write(paper: Canvas, node: Box, tag: Box, bold: list[str], small: list[str]) -> None:
    """Write the lines beside a node, on the side that is next to it."""
    align = "left" if tag.x > node.x + 1 else "right" if tag.x < node.x - 1 else "center"
    top = tag.top
    for lines, size, colour in ((bold, NAME, "black"), (small, NOTE, GREY)):
        for line in lines:
            height = canvas.measure(line, size)[1]
            box = Box(tag.x, top - height / 2, tag.width, height)
            paper.text(box, line, size, colour, align=align)
            top -= height
