"""The grounded factor graph of one instance as a picture: each variable and each factor.

Arrays with two axes are laid out as grids, arrays with one axis as lines where their factors join
neighbours; graphs of any other form so that distances on paper follow distances in the graph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import UsageError
from factorgraph.graph.structure import scopes
from factorgraph.ground.ground import Grounding
from factorgraph.interop import canvas
from factorgraph.interop.canvas import GREY, INKS, NOTE, Canvas
from factorgraph.interop.layout import Box
from factorgraph.model.model import Unknown
from factorgraph.source import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.data.instances import Instances

Floats = NDArray[np.float64]

MOST = 600
"""Most variables and factors of one picture."""
FEW = 150
"""Most variables that are written on."""
PITCH = 40.0
LINE = 20
"""Variables in a line before it turns."""
RADIUS = 12.0
SQUARE = 6.5


@dataclass(frozen=True)
class _Factor:
    """One row: the number of its group, and its variables."""

    group: int
    scope: tuple[int, ...]


def require_small(instances: Instances, i: int) -> None:
    """Refuse an instance with too many variables before it is grounded.

    Raises
    ------
    UsageError : naming the instance with the fewest variables.
    """
    counts = instances.variables
    if not 0 <= i < instances.count:
        raise UsageError(
            f"--instance {i}: the data have the instances 0..{instances.count - 1}", code="E0912"
        )
    if counts[i] > MOST:
        raise UsageError(
            f"{instances.where(i)} has {counts[i]} variables, too many for one picture "
            f"(at most {MOST})",
            code="E0916",
            hint=_smaller(counts),
        )


def _smaller(counts: NDArray[np.int64]) -> str:
    least = int(np.argmin(counts))
    return (
        f"choose another with --instance (the smallest is {least}, with {counts[least]} "
        "variables), or leave factors out with --without"
    )


def unrolled_picture(grounding: Grounding, name: str, counts: NDArray[np.int64]) -> Figure:
    """Return the picture of the first instance of a grounding.

    Parameters
    ----------
    grounding : of that instance alone, so that nothing else is computed.
    name : the title.
    counts : variables of all instances there are, for the way out where this one is too large.

    Raises
    ------
    UsageError : where matplotlib is missing, or there is too much to draw.
    """
    canvas.require()
    structure = grounding.structure
    variables = int(structure.instance[1])
    factors = [
        _Factor(g, tuple(scope))
        for g, group in enumerate(structure.every)
        for scope in islice(scopes(group), min(int(group.rows[1]), MOST + 1))
        if scope
    ]
    if variables + len(factors) > MOST:
        rows = sum(int(group.rows[1]) for group in structure.every)
        raise UsageError(
            f"{variables} variables and {rows} factors are too many for one picture (at most "
            f"{MOST})",
            code="E0916",
            hint=_smaller(counts),
        )
    if not variables:
        raise UsageError("this instance has no finite variables to draw", code="E0917")
    return _Picture(grounding, variables, factors).figure(name)


class _Picture:
    def __init__(self, grounding: Grounding, variables: int, factors: list[_Factor]) -> None:
        self.grounding = grounding
        self.groups = grounding.structure.every
        self.model = grounding.instances.model
        self.variables = variables
        self.factors = factors
        self.shapes: dict[str, tuple[int, ...]] = {
            name: tuple(int(n) for n in grounding.instances.unknowns[name].shape[0])
            for name in grounding.base
        }
        self.first = {name: int(base[0]) for name, base in grounding.base.items()}
        self.owner = [""] * variables
        for name, shape in self.shapes.items():
            for v in range(self.first[name], self.first[name] + _count(shape)):
                self.owner[v] = name

    def figure(self, name: str) -> Figure:
        self.at = np.zeros((self.variables, 2))
        self.place = np.zeros((len(self.factors), 2))
        if self.regular():
            self.arrays()
            self.between()
        else:
            self.springs()
        paper = Canvas()
        self.draw(paper)
        paper.title(visible(name))
        paper.legend(self.kinds())
        shown = dict.fromkeys(f.group for f in self.factors)
        inks = {(self.ink(g), self.factor_name(g), self.hard(g)): None for g in sorted(shown)}
        paper.colours(list(inks))
        return paper.figure()

    def factor_name(self, g: int) -> str:
        return visible(self.groups[g].name)

    def ink(self, g: int) -> str:
        """Return a group's colour; the pieces of one factor have the same."""
        names = list(dict.fromkeys(group.name for group in self.groups))
        return INKS[names.index(self.groups[g].name) % len(INKS)]

    def kinds(self) -> list[str]:
        roles = {self.role(v) for v in range(self.variables)}
        out = [kind for kind in canvas.KINDS if kind in roles]
        return out + (["observed"] if (self.grounding.evidence >= 0).any() else [])

    def role(self, v: int) -> str:
        unknown = self.model.unknowns.get(self.owner[v])
        return unknown.role if unknown is not None else "answer"

    def hard(self, g: int) -> bool:
        factor = self.model.factors.get(self.groups[g].name)
        return factor is not None and factor.hard

    # -- where

    def regular(self) -> bool:
        """Return whether every array is a grid, or a line whose factors join neighbours."""
        near: dict[str, int] = {}
        far: dict[str, int] = {}
        for factor in self.factors:
            for a in factor.scope:
                for b in factor.scope:
                    name = self.owner[a]
                    if a < b and name and name == self.owner[b] and len(self.shapes[name]) == 1:
                        count = near if b == a + 1 else far
                        count[name] = count.get(name, 0) + 1
        if any(len(shape) > 2 for shape in self.shapes.values()):
            return False
        return all(far[name] <= near.get(name, 0) / 2 for name in far) and "" not in self.owner

    def arrays(self) -> None:
        """Put latent arrays above answers; grids beside each other, lines below each other."""
        names = sorted(self.shapes, key=lambda n: self.model.unknowns[n].role != "latent")
        lines = [n for n in names if len(self.shapes[n]) == 1 and self.shapes[n][0]]
        grids = [n for n in names if len(self.shapes[n]) == 2 and _count(self.shapes[n])]
        single = [n for n in names if not self.shapes[n]]
        longest = max((self.shapes[n][0] for n in lines), default=0)
        equal = all(self.shapes[n][0] == longest for n in lines)
        hub = any(self.hubs(n) > LINE for n in single)
        turn = LINE if equal and not grids and not hub else max(longest, 1)
        if longest > LINE:
            # Lines of about the same length, not a full one and a rest.
            turn = min(turn, -(-longest // -(-longest // turn)))
        y = 0.0
        crowd = sum(len({self.owner[v] for v in f.scope}) > 1 for f in self.factors)
        tall = PITCH if len(lines) < 2 else PITCH * (1.3 if crowd < 3 * longest else 2.6)
        for start in range(0, longest, turn):
            backwards = start // turn % 2 == 1
            for n in lines:
                part = range(start, min(start + turn, self.shapes[n][0]))
                # A shorter line stands in the middle.
                shift = 0.0 if equal else (longest - self.shapes[n][0]) * PITCH / 2
                for k in part:
                    column = turn - 1 - (k - start) if backwards else k - start
                    self.at[self.first[n] + k] = (shift + column * PITCH, y)
                y -= tall
            y -= PITCH * 0.3
        x = 0.0
        for n in grids:
            rows, columns = self.shapes[n]
            for v in range(rows * columns):
                place = (x + v % columns * PITCH, y - v // columns * PITCH)
                self.at[self.first[n] + v] = place
            x += (columns + 1) * PITCH
        width = max(min(longest, turn) - 1, 0) * PITCH
        width = max(width, x - 2 * PITCH)
        for k, n in enumerate(single):
            across = (k + 1) / (len(single) + 1) * max(width, (len(single) + 1) * PITCH)
            self.at[self.first[n]] = (across, PITCH * 1.6 + 0.06 * width)

    def hubs(self, name: str) -> int:
        """Return in how many factors a single variable takes part."""
        return sum(self.first[name] in f.scope for f in self.factors)

    def between(self) -> None:
        """Put factors between their variables, each with a place of its own."""
        taken: list[tuple[float, float]] = []
        beside: dict[int, int] = {}
        order = sorted(range(len(self.factors)), key=lambda k: -len(self.factors[k].scope))
        for k in order:
            factor = self.factors[k]
            points = self.at[list(factor.scope)]
            if len(factor.scope) == 1:
                number = beside.get(factor.scope[0], 0)
                beside[factor.scope[0]] = number + 1
                angle = math.radians((-45, -135, 45, 135, -90, 90)[number % 6])
                reach = RADIUS + 5 + 7 * (number // 6)
                offset = (math.cos(angle) * reach, math.sin(angle) * reach)
                self.place[k] = points[0] + offset
                continue
            middle = points.mean(0)
            single = [not self.shapes.get(self.owner[v], ()) for v in factor.scope]
            if any(single) and not all(single):
                # Above the elements of arrays: the way to what all of them share is long.
                middle = points[[not one for one in single]].mean(0) + (0.0, 0.6 * PITCH)
            self.place[k] = self.free(middle, points, taken)
            taken.append((float(self.place[k][0]), float(self.place[k][1])))

    def free(self, middle: Floats, points: Floats, taken: list[tuple[float, float]]) -> Floats:
        """Return a place near the middle where neither variables nor factors stand."""
        across = points[-1] - points[0]
        length = float(np.hypot(*across)) or 1.0
        along, normal = across / length, np.array([-across[1], across[0]]) / length
        others = np.array(taken).reshape(-1, 2)
        near = [along * d for d in _outwards(length * 0.3)] if len(points) == 2 else []
        for offset in [*near, *(normal * d for d in _outwards(1.5 * PITCH))]:
            place: Floats = middle + offset
            clear = np.hypot(*(self.at - place).T).min() > RADIUS + SQUARE * 0.8
            apart = not len(others) or np.hypot(*(others - place).T).min() > SQUARE + 1.5
            if clear and apart:
                return place
        return middle

    def springs(self) -> None:
        """Lay out a graph of any form, one part of it beside the other."""
        joined = [k for k, f in enumerate(self.factors) if len(f.scope) > 1]
        many = [k for k in joined if len(self.factors[k].scope) > 2]
        pairs = [self.factors[k].scope for k in joined if len(self.factors[k].scope) == 2]
        edges = [(scope[0], scope[1]) for scope in pairs]
        edges += [
            (v, self.variables + n) for n, k in enumerate(many) for v in self.factors[k].scope
        ]
        places = _springs(self.variables + len(many), edges)
        self.at = places[: self.variables]
        taken = [(x, y) for x, y in places[self.variables :].tolist()]
        for n, k in enumerate(many):
            self.place[k] = places[self.variables + n]
        for k in joined:
            if len(self.factors[k].scope) == 2:
                points = self.at[list(self.factors[k].scope)]
                self.place[k] = self.free(points.mean(0), points, taken)
                taken.append((float(self.place[k][0]), float(self.place[k][1])))
        around: list[list[int]] = [[] for _ in range(self.variables)]
        for k in joined:
            for v in self.factors[k].scope:
                around[v].append(k)
        turns: dict[int, int] = {}
        for k, factor in enumerate(self.factors):
            if len(factor.scope) != 1:
                continue
            v = factor.scope[0]
            number = turns.get(v, 0)
            turns[v] = number + 1
            # Where there is most room between the edges.
            angles = sorted(
                math.atan2(*(self.place[j] - self.at[v])[::-1].tolist()) for j in around[v]
            )
            if angles:
                gaps = [b - a for a, b in zip(angles, [*angles[1:], angles[0] + 2 * math.pi])]
                widest = int(np.argmax(gaps))
                angle = angles[widest] + gaps[widest] / 2
            else:
                angle = -math.pi / 4
            angle += number * 0.6
            self.place[k] = self.at[v] + (RADIUS + 5) * np.array([math.cos(angle), math.sin(angle)])

    # -- what

    def draw(self, paper: Canvas) -> None:
        for factor, place in zip(self.factors, self.place.tolist()):
            for v in factor.scope:
                x, y = self.at[v].tolist()
                paper.line_between((x, y), (place[0], place[1]))
        for factor, (x, y) in zip(self.factors, self.place.tolist()):
            paper.square(Box(x, y, SQUARE, SQUARE), self.ink(factor.group), self.hard(factor.group))
        written = self.variables <= FEW
        for v, (x, y) in enumerate(self.at.tolist()):
            observed = int(self.grounding.evidence[v])
            box = Box(x, y, 2 * RADIUS, 2 * RADIUS)
            paper.node(box, self.role(v), shaded=observed >= 0)
            if written:
                self.write(paper, box, v, observed)

    def write(self, paper: Canvas, box: Box, v: int, observed: int) -> None:
        """Write a variable's name, and below it the value where it is observed."""
        name = visible(self.name(v))
        value = "" if observed < 0 else visible(self.value(v, observed))
        size = _fitting(name, 2 * RADIUS - 3)
        up = 4.0 if value else 0.0
        paper.text(Box(box.x, box.y + up, box.width, 8), name, size, GREY if value else "black")
        if not value:
            return
        size = _fitting(value, 2 * RADIUS - 2)
        while canvas.measure(value, size)[0] > 2 * RADIUS - 2 and len(value) > 2:
            value = value.removesuffix("…")[:-1] + "…"
        paper.text(Box(box.x, box.y - 4.5, box.width, 8), value, size, "black")

    def name(self, v: int) -> str:
        """Return `y[3]` for a variable of an array."""
        owner = self.owner[v]
        shape = self.shapes.get(owner, ())
        if not owner:
            return str(v)
        unknown = self.model.unknowns[owner]
        index = np.unravel_index(v - self.first[owner], shape) if shape else ()
        low = [axis.low for axis in unknown.axes] + [0] * len(shape)
        numbers = ",".join(str(int(i) + first) for i, first in zip(index, low))
        return f"{owner}[{numbers}]" if shape else owner

    def value(self, v: int, state: int) -> str:
        unknown: Unknown | None = self.model.unknowns.get(self.owner[v])
        if unknown is None or unknown.values is None:
            return str(state)
        if unknown.values.domain is not None:
            labels = self.model.labels(unknown.values.domain, self.grounding.instances.vocabularies)
            return str(labels[state]) if state < len(labels) else str(state)
        return str(unknown.values.low + state)


def _fitting(text: str, width: float) -> float:
    """Return the largest size of letters in which a text is at most so wide, or the smallest."""
    sizes = (NOTE, 6.5, 5.5, 4.5)
    return next((size for size in sizes if canvas.measure(text, size)[0] <= width), sizes[-1])


def _count(shape: tuple[int, ...]) -> int:
    total = 1
    for extent in shape:
        total *= extent
    return total


def _outwards(reach: float) -> list[float]:
    """Return 0 and distances to both sides of it, the nearest first."""
    steps = [4.0 * k for k in range(1, int(reach / 4) + 1)]
    return [0.0, *(sign * d for d in steps for sign in (1, -1))]


# -- graphs of any form


def _springs(count: int, edges: list[tuple[int, int]]) -> Floats:
    """Return float64 [count, 2]: places with distances as in the graph, part beside part."""
    around: list[list[int]] = [[] for _ in range(count)]
    for a, b in edges:
        around[a].append(b)
        around[b].append(a)
    places = np.zeros((count, 2))
    seen = [False] * count
    parts: list[list[int]] = []
    for start in range(count):
        if seen[start]:
            continue
        part, seen[start] = [start], True
        for node in part:
            for other in around[node]:
                if not seen[other]:
                    seen[other] = True
                    part.append(other)
        parts.append(part)
    parts.sort(key=len, reverse=True)
    wide = 60 + 26 * math.sqrt(count) * 1.3
    x = y = tall = 0.0
    for part in parts:
        own = _part(part, around)
        own -= own.min(0)
        width, height = own.max(0)
        if x and x + width > wide:
            x, y, tall = 0.0, y - tall - 1.2 * PITCH, 0.0
        places[part] = own + (x, y - height)
        x, tall = x + width + 1.2 * PITCH, max(tall, height)
    return places


def _part(part: list[int], around: list[list[int]]) -> Floats:
    """Return places for one connected part: stress majorisation from classical scaling."""
    n = len(part)
    if n == 1:
        return np.zeros((1, 2))
    number = {node: k for k, node in enumerate(part)}
    steps = np.zeros((n, n))
    for k, node in enumerate(part):
        distance = {node: 0}
        queue = [node]
        for here in queue:
            for other in around[here]:
                if other not in distance:
                    distance[other] = distance[here] + 1
                    queue.append(other)
        steps[k, [number[o] for o in distance]] = list(distance.values())
    # Classical scaling: the two longest axes of the centred squared distances.
    centre = np.eye(n) - 1 / n
    _, vectors = np.linalg.eigh(-0.5 * centre @ steps**2 @ centre)
    start = vectors[:, -2:][:, ::-1] * n
    start *= np.sign(start[np.abs(start).argmax(0), [0, 1]])
    weight = 1 / np.maximum(steps, 1) ** 2
    np.fill_diagonal(weight, 0.0)
    laplace = np.diag(weight.sum(1)) - weight + 1 / n
    inverse = np.linalg.inv(laplace).astype(np.float64)
    edges = np.argwhere(np.triu(steps == 1))
    degree = 2 * len(edges) / n
    scale = PITCH * float(np.clip(math.sqrt(degree), 1.5, 4.0))
    random = np.random.default_rng(0)
    best, least = start, math.inf
    for attempt in range(min(60, max(1, 40_000 // n**2))):
        spread = 0.01 if not attempt else math.sqrt(n)
        begin = (start if not attempt else 0.0) + spread * random.standard_normal((n, 2))
        at, stress = _majorised(begin, steps, weight, inverse)
        at = _pushed(at * scale)
        cost = stress / n + 2.0 * _covered(at, edges)
        if cost < least:
            best, least = at, cost
    return best


def _majorised(at: Floats, steps: Floats, weight: Floats, inverse: Floats) -> tuple[Floats, float]:
    """Return places whose distances come near the steps, and the squared error that is left."""
    length = steps
    for _ in range(200):
        apart = at[:, None] - at[None]
        length = np.maximum(np.hypot(apart[..., 0], apart[..., 1]), 1e-9)
        ratio = weight * steps / length
        np.fill_diagonal(ratio, 0.0)
        pull = np.diag(ratio.sum(1)) - ratio
        new = inverse @ (pull @ at)
        moved = float(np.abs(new - at).max())
        at = new
        if moved < 1e-3:
            break
    return at, float((weight * (length - steps) ** 2).sum())


def _covered(at: Floats, edges: NDArray[np.int64]) -> int:
    """Return how many edges run behind a variable that they do not end at."""
    a, d = at[edges[:, 0]], at[edges[:, 1]] - at[edges[:, 0]]
    offset = at[None] - a[:, None]
    along = (offset * d[:, None]).sum(2) / np.maximum((d**2).sum(1), 1e-9)[:, None]
    apart = offset - along.clip(0, 1)[..., None] * d[:, None]
    near = np.hypot(apart[..., 0], apart[..., 1]) < RADIUS + 1
    return int(near.sum()) - 2 * len(edges)


def _pushed(at: Floats) -> Floats:
    """Return places moved apart until none overlap."""
    least = 2 * RADIUS + SQUARE
    for _ in range(200):
        apart = at[:, None] - at[None]
        length = np.hypot(apart[..., 0], apart[..., 1])
        np.fill_diagonal(length, np.inf)
        short = np.maximum(0.0, least - length)
        if not short.any():
            break
        push = apart / np.maximum(length, 1e-6)[..., None] * short[..., None]
        at = at + 0.35 * push.sum(1)
    return at
