"""Where the nodes, arcs, labels and plates of a picture stand.

First the nodes are put on a grid by annealing: short edges, few crossings, latents above answers
above givens, plates that hold their own nodes only. The best few grids are then drawn up in
points, with room for every label, and the one that is easiest to read is taken. The same
arguments give the same layout. x grows to the right, y upwards.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WORK = 100_000_000
"""Pairs of edges that are looked at while annealing."""
ACROSS = 1.7
"""How much wider a column is than a row is high."""
BASE_X, BASE_Y = 34.0, 24.0
SIDE, FOOT = 8.0, 6.0
"""Room that a plate takes at its sides, and below its label."""
ROUNDS = 3
"""How often room is added where a label finds none."""
CLEAR = 3.0
"""Least distance between a label and anything else."""
ALONG = sorted((k / 40 for k in range(7, 34)), key=lambda s: abs(s - 0.5))
"""Where on an arc its label may stand, the best first."""
SAMPLES = np.linspace(0.0, 1.0, 25)


@dataclass(frozen=True)
class Box:
    """A rectangle around a centre."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y - self.height / 2

    @property
    def top(self) -> float:
        return self.y + self.height / 2

    def overlap(self, other: Box) -> float:
        """Return the area that two rectangles share."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, across) * max(0.0, down)

    def within(self, points: Floats, clear: float = 0.0) -> int:
        """Return how many points lie inside."""
        x, y = np.abs(points[:, 0] - self.x), np.abs(points[:, 1] - self.y)
        inside = (x < self.width / 2 + clear) & (y < self.height / 2 + clear)
        return int(inside.sum())

    def grown(self, by: float) -> Box:
        return Box(self.x, self.y, self.width + 2 * by, self.height + 2 * by)


@dataclass(frozen=True)
class Item:
    """A node: its own size and that of the text beside it, in points; `rank` 0 stands highest."""

    width: float
    height: float
    tag_width: float
    tag_height: float
    rank: int | None


@dataclass(frozen=True)
class Link:
    """An edge of one or more arcs; ``labels`` holds a size for each, (0, 0) for none."""

    a: int
    b: int
    labels: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Frame:
    """A plate: its members, and the size of its label."""

    members: frozenset[int]
    width: float
    height: float


@dataclass(frozen=True)
class Arc:
    """A quadratic curve from a to b, and the centre of its label."""

    link: int
    start: tuple[float, float]
    middle: tuple[float, float]
    stop: tuple[float, float]
    label: Box | None

    def points(self) -> Floats:
        return _curve(self.start, self.middle, self.stop)


@dataclass
class Layout:
    """Rectangles and curves in points; what is outside of `whole` is nothing."""

    nodes: list[Box] = field(default_factory=list)
    tags: list[Box | None] = field(default_factory=list)
    arcs: list[Arc] = field(default_factory=list)
    plates: list[Box] = field(default_factory=list)
    plate_labels: list[Box] = field(default_factory=list)
    cost: float = 0.0

    @property
    def labels(self) -> list[Box]:
        """All that is written, but for the names inside of nodes."""
        out = [tag for tag in self.tags if tag is not None]
        out += [arc.label for arc in self.arcs if arc.label is not None]
        return out + self.plate_labels

    @property
    def whole(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        boxes = [*self.nodes, *self.labels, *self.plates]
        points = [arc.points() for arc in self.arcs]
        left = [b.left for b in boxes] + [float(p[:, 0].min()) for p in points]
        right = [b.right for b in boxes] + [float(p[:, 0].max()) for p in points]
        bottom = [b.bottom for b in boxes] + [float(p[:, 1].min()) for p in points]
        top = [b.top for b in boxes] + [float(p[:, 1].max()) for p in points]
        return min(left), min(bottom), max(right), max(top)


def arrange(
    items: Sequence[Item], links: Sequence[Link], frames: Sequence[Frame], tries: int = 12
) -> Layout:
    """Return the layout of a picture.

    Parameters
    ----------
    items, links, frames : nodes, edges and plates; at least one item.
    tries : grids that are drawn up before one is taken.
    """
    grids = _Search(items, links, frames).best(tries)
    layouts = [_Drafter(items, links, frames, grid).layout() for grid in grids]
    return min(layouts, key=lambda layout: layout.cost)


# -- the grid


class _Search:
    """Annealing of many grids side by side; a grid is int64 [nodes, 2], column and row."""

    def __init__(
        self, items: Sequence[Item], links: Sequence[Link], frames: Sequence[Frame]
    ) -> None:
        self.count = len(items)
        self.links = links
        self.pairs = np.array(sorted({(k.a, k.b) for k in links}), np.int64).reshape(-1, 2)
        arcs = {(k.a, k.b): len(k.labels) for k in links}
        self.weight = np.array([1.0 + 0.3 * (arcs[a, b] > 1) for a, b in self.pairs.tolist()])
        edges = len(self.pairs)
        first, second = np.triu_indices(edges, 1)
        apart = [
            not set(self.pairs[i].tolist()) & set(self.pairs[j].tolist())
            for i, j in zip(first.tolist(), second.tolist())
        ]
        self.first, self.second = first[apart], second[apart]
        touches = np.zeros((edges, self.count), np.bool_)
        for e, (a, b) in enumerate(self.pairs.tolist()):
            touches[e, [a, b]] = True
        self.strangers = ~touches
        self.members = np.zeros((len(frames), self.count), np.bool_)
        for k, frame in enumerate(frames):
            self.members[k, sorted(frame.members)] = True
        shared = self.members.astype(int) @ self.members.T.astype(int)
        self.disjoint = [(i, j) for i in range(len(frames)) for j in range(i) if not shared[i, j]]
        ranks = [item.rank for item in items]
        self.above = np.array(
            [(i, j) for i, p in enumerate(ranks) for j, q in enumerate(ranks)
             if p is not None and q is not None and p < q], np.int64,
        ).reshape(-1, 2)  # fmt: skip
        near = self.neighbours(items, links)
        self.urge = np.array([1.6 if (i, j) in near else 0.6 for i, j in self.above.tolist()])
        self.rows = max(3, min(self.count, math.ceil(math.sqrt(self.count)) + 3))
        self.columns = max(3, min(self.count, math.ceil(math.sqrt(self.count)) + 3))
        size = max(1, len(self.first) + edges * self.count)
        self.chains = int(np.clip(16_000 // size, 8, min(64, 8 + 4 * self.count)))
        most = 300 + 60 * self.count
        self.steps = int(np.clip(WORK // (size * self.chains), 200, most))

    def neighbours(self, items: Sequence[Item], links: Sequence[Link]) -> set[tuple[int, int]]:
        """Return the pairs of nodes that something is linked to both of."""
        around: list[set[int]] = [set() for _ in items]
        for link in links:
            around[link.a].add(link.b)
            around[link.b].add(link.a)
        return {(i, j) for those in around for i in those for j in those}

    def best(self, tries: int) -> list[Ints]:
        """Return the best grids that differ, the very best first."""
        random = np.random.default_rng(0)
        grids = self.start(random)
        cost = self.cost(grids)
        kept, least = grids.copy(), cost.copy()
        everyone = np.arange(self.chains)
        for step in range(self.steps):
            heat = 4.0 * (0.02 / 4.0) ** (step / self.steps)
            moved = self.move(grids, random, everyone)
            new = self.cost(moved)
            taken = new - cost < heat * random.exponential(size=self.chains)
            grids[taken], cost[taken] = moved[taken], new[taken]
            better = cost < least
            kept[better], least[better] = grids[better], cost[better]
        turned = kept.copy()
        turned[:, :, 1] = self.rows - 1 - turned[:, :, 1]
        kept = np.concatenate((kept, turned))
        least = np.concatenate((least, self.cost(turned)))
        out: list[Ints] = []
        for k in np.argsort(least, kind="stable"):
            grid = _packed(kept[k])
            if not any((grid == other).all() for other in out):
                out.append(grid)
            if len(out) == tries:
                break
        return out

    def start(self, random: np.random.Generator) -> Ints:
        cells = self.rows * self.columns
        places = np.stack([random.permutation(cells)[: self.count] for _ in range(self.chains)])
        return np.stack((places % self.columns, places // self.columns), axis=2).astype(np.int64)

    def move(self, grids: Ints, random: np.random.Generator, everyone: Ints) -> Ints:
        """Return grids with one node put elsewhere; whoever stands there takes its place."""
        moved = grids.copy()
        node = random.integers(self.count, size=self.chains)
        old = grids[everyone, node]
        near = random.random(self.chains) < 0.6
        step = random.integers(-1, 2, size=(self.chains, 2))
        far = np.stack(
            (
                random.integers(self.columns, size=self.chains),
                random.integers(self.rows, size=self.chains),
            ),
            axis=1,
        )
        new = np.where(near[:, None], old + step, far)
        new = new.clip(0, (self.columns - 1, self.rows - 1))
        there = (grids == new[:, None, :]).all(2)
        moved = np.where(there[:, :, None], old[:, None, :], moved)
        moved[everyone, node] = new
        return moved

    def cost(self, grids: Ints) -> Floats:
        """Return how hard each grid is to read."""
        at = grids.astype(np.float64)
        at[:, :, 0] *= ACROSS
        out: Floats = np.ptp(at[:, :, 0], axis=1) + np.ptp(at[:, :, 1], axis=1)
        out = 0.35 * out
        if len(self.pairs):
            a, b = at[:, self.pairs[:, 0]], at[:, self.pairs[:, 1]]
            d = b - a
            length = np.hypot(d[..., 0], d[..., 1])
            out += ((length + 0.15 * length**2) * self.weight).sum(1)
            out += 0.15 * ((np.abs(d) > 0.1).all(2)).sum(1)
            out += 5.0 * self.crossings(a, b)
            out += 8.0 * self.covered(at, a, d, length)
        if len(self.above):
            lower = at[:, self.above[:, 0], 1] - at[:, self.above[:, 1], 1]
            out += (np.maximum(0.0, lower + 1.0).clip(0, 3) * self.urge).sum(1)
        return out + self.plates(at)

    def crossings(self, a: Floats, b: Floats) -> Floats:
        """Return how many edges cross."""
        if not len(self.first):
            return np.zeros(len(a))
        p, q = a[:, self.first], b[:, self.first]
        r, s = a[:, self.second], b[:, self.second]
        u = _side(p, q, r) * _side(p, q, s) <= 1e-9
        v = _side(r, s, p) * _side(r, s, q) <= 1e-9
        low = np.maximum(np.minimum(p, q), np.minimum(r, s)) <= np.minimum(
            np.maximum(p, q), np.maximum(r, s)
        )
        hits: Floats = (u & v & low.all(2)).sum(1).astype(np.float64)
        return hits

    def covered(self, at: Floats, a: Floats, d: Floats, length: Floats) -> Floats:
        """Return how much nodes stand in the way of edges."""
        offset = at[:, None, :, :] - a[:, :, None, :]
        along = (offset * d[:, :, None, :]).sum(3) / np.maximum(length**2, 1e-9)[:, :, None]
        along = along.clip(0.0, 1.0)
        apart = offset - along[..., None] * d[:, :, None, :]
        distance = np.hypot(apart[..., 0], apart[..., 1])
        amount = (0.6 - distance).clip(0.0, 0.35) / 0.35
        hits: Floats = (amount * self.strangers).sum((1, 2))
        return hits

    def plates(self, at: Floats) -> Floats:
        """Return what is wrong with the plates: strangers inside, overlaps for nothing, size."""
        out = np.zeros(len(at))
        boxes = []
        for members in self.members:
            own = at[:, members]
            low, high = own.min(1), own.max(1)
            inside = (at >= low[:, None, :] - 0.01).all(2) & (at <= high[:, None, :] + 0.01).all(2)
            out += 14.0 * (inside & ~members).sum(1)
            out += 0.5 * (high - low).sum(1)
            boxes.append((low, high))
        for i, j in self.disjoint:
            (low, high), (left, right) = boxes[i], boxes[j]
            out += 14.0 * (np.maximum(low, left) <= np.minimum(high, right)).all(1)
        return out


def _side(p: Floats, q: Floats, r: Floats) -> Floats:
    """Return on which side of the line from p to q the points r lie."""
    d, e = q - p, r - p
    side: Floats = d[..., 0] * e[..., 1] - d[..., 1] * e[..., 0]
    return side


def _packed(grid: Ints) -> Ints:
    """Return a grid without empty columns and rows."""
    return np.stack([np.unique(grid[:, k], return_inverse=True)[1] for k in (0, 1)], axis=1)


# -- points


@dataclass
class _Room:
    """How far the nodes of each column and row reach, and the gaps between them."""

    left: list[float]
    right: list[float]
    down: list[float]
    up: list[float]
    across: list[float]
    apart: list[float]


class _Drafter:
    """One grid drawn up in points."""

    def __init__(
        self, items: Sequence[Item], links: Sequence[Link], frames: Sequence[Frame], grid: Ints
    ) -> None:
        self.items, self.links, self.frames = items, links, frames
        self.column, self.row = grid[:, 0].tolist(), grid[:, 1].tolist()
        self.out = Layout()

    def layout(self) -> Layout:
        self.levels()
        self.spread = [self.separation(link) for link in self.links]
        self.more_across = [0.0] * max(self.column)
        self.more_apart = [0.0] * max(self.row)
        # Where a text goes depends on the arcs, their slopes on the room for texts.
        self.sides = [(0.0, 0.0)] * len(self.items)
        self.place()
        best: Layout | None = None
        for _ in range(ROUNDS):
            for _ in range(2):
                self.sides = [self.side(i) for i in range(len(self.items))]
                self.place()
            self.arcs()
            self.write()
            self.out.cost = self.cost()
            if best is None or self.out.cost < best.cost:
                best = self.out
            if not self.crowded():
                break
            self.out = Layout()
            self.place()
        assert best is not None
        return best

    def crowded(self) -> bool:
        """Give more room to labels that cover something; return whether there are any."""
        found = False
        boxes = [*self.out.nodes, *self.out.labels]
        for arc in self.out.arcs:
            label = arc.label
            if label is None or not (
                any(_on_border(label.grown(1.5), plate) for plate in self.out.plates)
                or any(box is not label and box.overlap(label) > 0 for box in boxes)
            ):
                continue
            found = True
            link = self.links[arc.link]
            low, high = sorted((self.column[link.a], self.column[link.b]))
            for c in range(low, high):
                self.more_across[c] += 0.6 * label.width / (high - low)
            low, high = sorted((self.row[link.a], self.row[link.b]))
            for r in range(low, high):
                self.more_apart[r] += 1.2 * label.height / (high - low)
        return found

    # -- plates

    def levels(self) -> None:
        """Number the plates so that those that touch have distinct levels, the inner ones lower."""
        spans = []
        for frame in self.frames:
            columns = [self.column[i] for i in frame.members]
            rows = [self.row[i] for i in frame.members]
            spans.append((min(columns), max(columns), min(rows), max(rows)))
        order = sorted(
            range(len(self.frames)),
            key=lambda k: (
                len(self.frames[k].members),
                (spans[k][1] - spans[k][0] + 1) * (spans[k][3] - spans[k][2] + 1),
                k,
            ),
        )
        self.spans = spans
        self.level = [0] * len(self.frames)
        for at, k in enumerate(order):
            a = spans[k]
            for other in order[:at]:
                b = spans[other]
                if a[0] <= b[1] and b[0] <= a[1] and a[2] <= b[3] and b[2] <= a[3]:
                    self.level[k] = max(self.level[k], self.level[other] + 1)

    def room(self, k: int) -> tuple[float, float, float, float]:
        """Return the room that a plate takes on the left, on the right, above and below.

        Plates inside that end where it ends come first.
        """
        own = self.spans[k]
        inner = [j for j in range(len(self.frames)) if self.level[j] < self.level[k]
                 and _meet(self.spans[j], own)]  # fmt: skip
        out = []
        for end in (0, 1, 2):
            levels = {self.level[j] for j in inner if self.spans[j][end] == own[end]}
            out.append(SIDE * (len(levels) + 1))
        below = self.frames[k].height + FOOT + 3
        for level in {self.level[j] for j in inner}:
            heights = [self.frames[j].height for j in inner
                       if self.level[j] == level and self.spans[j][3] == own[3]]  # fmt: skip
            below += max(heights) + FOOT + 3 if heights else 0.0
        return out[0], out[1], out[2], below

    # -- nodes and texts beside them

    def beside(self) -> list[float]:
        """Return for each node how far texts on its vertical edges reach to either side."""
        out = [0.0] * len(self.items)
        for k, link in enumerate(self.links):
            if self.column[link.a] == self.column[link.b]:
                wide = max(w for w, _ in link.labels)
                reach = wide / 2 + self.spread[k] + 2 if wide else 0.0
                for i in (link.a, link.b):
                    out[i] = max(out[i], reach)
        return out

    def footing(self) -> list[float]:
        """Return for each node the room on its right for the label of its plate.

        An edge that leaves a plate of one column downwards needs the label beside it.
        """
        out = [0.0] * len(self.items)
        for span, frame in zip(self.spans, self.frames):
            if span[0] != span[1]:
                continue
            for link in self.links:
                for i, j in ((link.a, link.b), (link.b, link.a)):
                    leaves = i in frame.members and j not in frame.members
                    if leaves and self.row[j] > span[3]:
                        out[i] = max(out[i], frame.width + 4)
        return out

    def side(self, i: int) -> tuple[float, float]:
        """Return where the text beside a node stands, its centre relative to the node's."""
        item = self.items[i]
        if not item.tag_width:
            return 0.0, 0.0
        node = self.out.nodes[i]
        curves = [
            _curve(*ends)
            for k, link in enumerate(self.links)
            if i in (link.a, link.b)
            for ends in self.ends(k)
        ]
        points = np.concatenate(curves) if curves else np.zeros((0, 2))
        best, least = (0.0, 0.0), math.inf
        for price, x, y in _around(item):
            box = Box(node.x + x, node.y + y, item.tag_width, item.tag_height)
            cost = price + box.within(points, 1.0)
            if cost < least:
                best, least = (x, y), cost
        return best

    def extent(self, i: int) -> tuple[float, float, float, float]:
        """Return how far a node and its text reach to the left, right, down and up."""
        item, (x, y) = self.items[i], self.sides[i]
        w, h = item.width / 2, item.height / 2
        if not item.tag_width:
            return w, w, h, h
        tw, th = item.tag_width / 2, item.tag_height / 2
        return max(w, tw - x), max(w, tw + x), max(h, th - y), max(h, th + y)

    def place(self) -> None:
        """Give columns and rows their places, with room for plates, texts and arcs."""
        columns, rows = max(self.column) + 1, max(self.row) + 1
        beside, footing = self.beside(), self.footing()
        extents = []
        for i in range(len(self.items)):
            w, e, s, n = self.extent(i)
            extents.append((max(w, beside[i]), max(e, beside[i], footing[i]), s, n))
        left, right = [0.0] * columns, [0.0] * columns
        down, up = [0.0] * rows, [0.0] * rows
        for (w, e, s, n), c, r in zip(extents, self.column, self.row):
            left[c], right[c] = max(left[c], w), max(right[c], e)
            down[r], up[r] = max(down[r], s), max(up[r], n)
        across, apart = self.gaps(columns, 0), self.gaps(rows, 1)
        room = _Room(left, right, down, up, across, apart)
        for link in self.links:
            self.widen(link, room)
        across[:] = [a + more for a, more in zip(across, self.more_across)]
        apart[:] = [a + more for a, more in zip(apart, self.more_apart)]
        x = [left[0]]
        for c in range(1, columns):
            x.append(x[-1] + right[c - 1] + across[c - 1] + left[c])
        y = [0.0]
        for r in range(1, rows):
            y.append(y[-1] - down[r - 1] - apart[r - 1] - up[r])
        self.out.nodes = [
            Box(x[c], y[r], item.width, item.height)
            for item, c, r in zip(self.items, self.column, self.row)
        ]
        self.extents = extents
        self.edges_of = down, up, y

    def gaps(self, count: int, axis: int) -> list[float]:
        """Return the room between columns (0) or rows (1): where plates begin and end."""
        borders = self.borders(count, axis)
        base = BASE_X if axis == 0 else BASE_Y
        return [base + border for border in borders]

    def borders(self, count: int, axis: int) -> list[float]:
        ends, begins = [0.0] * count, [0.0] * count
        for k, span in enumerate(self.spans):
            left, right, above, below = self.room(k)
            low, high = (span[0], span[1]) if axis == 0 else (span[2], span[3])
            ends[high] = max(ends[high], right if axis == 0 else below)
            begins[low] = max(begins[low], left if axis == 0 else above)
        return [ends[i] + begins[i + 1] for i in range(count - 1)]

    def widen(self, link: Link, room: _Room) -> None:
        """Make room for the labels of edges between neighbours."""
        wide = max(w for w, _ in link.labels)
        high = max(h for _, h in link.labels)
        if not wide:
            return
        (ca, ra), (cb, rb) = ((self.column[i], self.row[i]) for i in (link.a, link.b))
        apart = any((link.a in f.members) != (link.b in f.members) for f in self.frames)
        if ra == rb and abs(ca - cb) == 1:
            c = min(ca, cb)
            own = (self.items[link.a].width + self.items[link.b].width) / 2
            missing = own + wide + 16 - room.right[c] - room.across[c] - room.left[c + 1]
            if apart:  # the label stands between the plates
                border = self.borders(max(self.column) + 1, 0)[c]
                missing = max(missing, border + wide + 10 - room.across[c])
            room.across[c] += max(0.0, missing)
        if ca == cb and abs(ra - rb) == 1:
            r = min(ra, rb)
            own = (self.items[link.a].height + self.items[link.b].height) / 2
            missing = own + high + 14 - room.down[r] - room.apart[r] - room.up[r + 1]
            if apart:
                border = self.borders(max(self.row) + 1, 1)[r]
                missing = max(missing, border + high + 8 - room.apart[r])
            room.apart[r] += max(0.0, missing)

    # -- arcs

    def separation(self, link: Link) -> float:
        """Return how far an arc of several bends away from the straight line at its middle."""
        if len(link.labels) == 1:
            return 0.0
        wide, high = (max(size[k] for size in link.labels) for k in (0, 1))
        dx = (self.column[link.b] - self.column[link.a]) * ACROSS
        dy = self.row[link.b] - self.row[link.a]
        length = math.hypot(dx, dy) or 1.0
        room = abs(dy) / length * (wide / 2 + 3) + abs(dx) / length * (high / 2 + 2)
        return float(np.clip(room, 13.0, 42.0))

    def ends(self, k: int, bend: float | None = None) -> list[tuple[tuple[float, float], ...]]:
        """Return start, control point and end of every arc of an edge."""
        link, spread = self.links[k], self.spread[k]
        a, b = self.out.nodes[link.a], self.out.nodes[link.b]
        count = len(link.labels)
        length = math.hypot(b.x - a.x, b.y - a.y) or 1.0
        nx, ny = -(b.y - a.y) / length, (b.x - a.x) / length
        # The first label stands on the left, or above.
        if (nx, ny) < (-0.5, -2) or ny < -0.5 or nx > 0.5:
            nx, ny = -nx, -ny
        out: list[tuple[tuple[float, float], ...]] = []
        for n in range(count):
            off = spread * 2 * (1 - 2 * n / (count - 1)) if count > 1 else 0.0
            if count > 2:
                off *= 1.2
            off += bend or 0.0
            middle = (a.x + b.x) / 2 + nx * off, (a.y + b.y) / 2 + ny * off
            out.append(((a.x, a.y), middle, (b.x, b.y)))
        return out

    def arcs(self) -> None:
        """Bend every edge around what stands in its way."""
        tags: list[Box | None] = []
        for node, item, (x, y) in zip(self.out.nodes, self.items, self.sides):
            box = Box(node.x + x, node.y + y, item.tag_width, item.tag_height)
            tags.append(box if item.tag_width else None)
        self.out.tags = tags
        self.frames_drawn()
        drawn: list[tuple[int, Floats]] = []
        order = sorted(range(len(self.links)), key=lambda k: (-len(self.links[k].labels), k))
        chosen: dict[int, list[tuple[tuple[float, float], ...]]] = {}
        for k in order:
            link = self.links[k]
            a, b = self.out.nodes[link.a], self.out.nodes[link.b]
            length = math.hypot(b.x - a.x, b.y - a.y)
            best, least = self.ends(k), math.inf
            for bend in (0.0, 0.2, -0.2, 0.4, -0.4, 0.65, -0.65, 0.9, -0.9):
                ends = self.ends(k, bend * length)
                cost = 6.0 * abs(bend) + self.hindered(link, ends, drawn)
                if cost < least:
                    best, least = ends, cost
            chosen[k] = best
            drawn += [(k, _curve(*e)) for e in best]
        for k in range(len(self.links)):
            for start, middle, stop in chosen[k]:
                self.out.arcs.append(Arc(k, start, middle, stop, None))

    def hindered(
        self,
        link: Link,
        ends: list[tuple[tuple[float, float], ...]],
        drawn: list[tuple[int, Floats]],
    ) -> float:
        """Return how many texts, nodes and other arcs stand in the way of an edge."""
        strangers = [n for i, n in enumerate(self.out.nodes) if i not in (link.a, link.b)]
        tags = [tag for tag in self.out.tags if tag is not None]
        joined = [{link.a, link.b} & {self.links[k].a, self.links[k].b} for k, _ in drawn]
        others = np.array([points for _, points in drawn]).reshape(-1, len(SAMPLES), 2)
        beside = others[[bool(j) for j in joined]] if drawn else others
        cost = 0.0
        for e in ends:
            points = _curve(*e)
            cost += 3.0 * _inside(points, strangers, 3.0)
            cost += 2.0 * _inside(points, tags, 1.5)
            cost += 2.0 * _inside(points, self.out.plate_labels, 1.0)
            cost += 3.0 * _crossed(points[1:-1], others[:, 1:-1])
            cost += 0.7 * _close(points[5:-5], beside[:, 5:-5])
        return cost

    # -- labels

    def frames_drawn(self) -> None:
        """Draw the plates around their nodes, each with its label in a corner at the bottom."""
        down, up, y = self.edges_of
        points = [_curve(*e) for k in range(len(self.links)) for e in self.ends(k)]
        joined = np.concatenate(points) if points else np.zeros((0, 2))
        for k, span in enumerate(self.spans):
            near, far, above, below = self.room(k)
            frame = self.frames[k]
            members = sorted(frame.members)
            low = min(self.out.nodes[i].x - self.extents[i][0] for i in members) - near
            high = max(self.out.nodes[i].x + self.extents[i][1] for i in members) + far
            bottom = y[span[3]] - down[span[3]] - below
            top = y[span[2]] + up[span[2]] + above
            missing = frame.width + 2 * SIDE - (high - low)
            if missing > 0:
                low, high = low - missing / 2, high + missing / 2
            self.out.plates.append(
                Box((low + high) / 2, (bottom + top) / 2, high - low, top - bottom)
            )
            best, least = None, math.inf
            places = [low + frame.width / 2 + 6, high - frame.width / 2 - 6, (low + high) / 2]
            for price, at in enumerate(places):
                box = Box(at, bottom + FOOT / 2 + frame.height / 2, frame.width, frame.height)
                cost = 0.1 * price + box.within(joined, 1.0)
                if cost < least:
                    best, least = box, cost
            assert best is not None
            self.out.plate_labels.append(best)

    def write(self) -> None:
        """Put the labels of edges where they cover nothing."""
        taken = [*self.out.nodes, *(t for t in self.out.tags if t), *self.out.plate_labels]
        curves = [arc.points() for arc in self.out.arcs]
        numbers: dict[int, int] = {}
        done: list[Arc] = []
        for n, arc in enumerate(self.out.arcs):
            number = numbers.get(arc.link, 0)
            numbers[arc.link] = number + 1
            width, height = self.links[arc.link].labels[number]
            if not width:
                done.append(arc)
                continue
            best, least = None, math.inf
            for along in ALONG:
                x, y = _point(arc, along)
                box = Box(x, y, width, height)
                cost = 3.0 * abs(along - 0.5)
                cost += sum(1.0 for other in taken if box.grown(1.0).overlap(other) > 0) * 10
                cost += sum(box.within(points, 1.0) for m, points in enumerate(curves) if m != n)
                cost += sum(2.0 for plate in self.out.plates if _on_border(box.grown(1.5), plate))
                if cost < least:
                    best, least = box, cost
            assert best is not None
            taken.append(best)
            done.append(Arc(arc.link, arc.start, arc.middle, arc.stop, best))
        self.out.arcs = done

    # -- judgement

    def cost(self) -> float:
        """Return how hard the picture is to read."""
        out, total = self.out, 0.0
        boxes = [*out.nodes, *out.labels]
        for i, box in enumerate(boxes):
            total += 100.0 * sum(box.overlap(other) > 0 for other in boxes[:i])
        curves = np.array([arc.points() for arc in out.arcs]).reshape(-1, len(SAMPLES), 2)
        for n, (arc, points) in enumerate(zip(out.arcs, curves)):
            link = self.links[arc.link]
            strangers = [node for i, node in enumerate(out.nodes) if i not in (link.a, link.b)]
            total += 12.0 * min(6, _inside(points, strangers, 2.0))
            total += 6.0 * min(6, _inside(points, [b for b in out.labels if b is not arc.label], 0))
            total += 12.0 * _crossed(points[1:-1], curves[:n, 1:-1])
            straight = (np.asarray(arc.start) + np.asarray(arc.stop)) / 2
            total += 0.1 * math.dist(arc.middle, straight)
            total += 0.03 * math.dist(arc.start, arc.stop)
        for frame, plate in zip(self.frames, out.plates):
            members = frame.members
            for i, node in enumerate(out.nodes):
                total += 200.0 * (i not in members and plate.overlap(node) > 0)
            total += 10.0 * sum(_on_border(label.grown(1.0), plate) for label in out.labels)
        for i, item in enumerate(self.items):
            for j, other_item in enumerate(self.items):
                if item.rank is None or other_item.rank is None or item.rank >= other_item.rank:
                    continue
                total += 6.0 * (out.nodes[i].y < out.nodes[j].y - 1)
                total += 2.0 * (abs(out.nodes[i].y - out.nodes[j].y) <= 1)
        left, bottom, right, top = out.whole
        total += 0.02 * (right - left) + 0.03 * (top - bottom)
        # Wider than a page is hard to show.
        return total + 0.1 * max(0.0, right - left - 640)


def _around(item: Item) -> Iterator[tuple[float, float, float]]:
    """Yield places for the text beside a node, with how little they are liked."""
    x = (item.width + item.tag_width) / 2 + CLEAR + 1
    y = item.tag_height / 2 + CLEAR
    over = (item.height + item.tag_height) / 2 + CLEAR
    corner = min(over, y + 2)
    yield 0.0, x, 0.0
    yield 0.4, -x, 0.0
    yield 0.6, x - 2, corner
    yield 0.6, x - 2, -corner
    yield 0.8, -x + 2, corner
    yield 0.8, -x + 2, -corner
    yield 0.9, 0.0, -over
    yield 1.0, 0.0, over


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1] and a[2] <= b[3] and b[2] <= a[3]


def _on_border(box: Box, plate: Box) -> bool:
    """Return whether a plate's border runs through a label."""
    inside = (
        box.left >= plate.left
        and box.right <= plate.right
        and box.bottom >= plate.bottom
        and box.top <= plate.top
    )
    return box.overlap(plate) > 0 and not inside


def _curve(*ends: tuple[float, float]) -> Floats:
    """Return points on a quadratic curve, [25, 2]."""
    start, middle, stop = (np.asarray(end) for end in ends)
    s = SAMPLES[:, None]
    out: Floats = (1 - s) ** 2 * start + 2 * s * (1 - s) * middle + s**2 * stop
    return out


def _point(arc: Arc, s: float) -> tuple[float, float]:
    weights = ((1 - s) ** 2, 2 * s * (1 - s), s**2)
    ends = (arc.start, arc.middle, arc.stop)
    return (
        sum(w * e[0] for w, e in zip(weights, ends)),
        sum(w * e[1] for w, e in zip(weights, ends)),
    )


def _inside(points: Floats, boxes: Sequence[Box], clear: float) -> int:
    """Return how many points lie in rectangles, summed over them."""
    if not boxes:
        return 0
    sides = np.array([(b.x, b.y, b.width / 2 + clear, b.height / 2 + clear) for b in boxes])
    apart = np.abs(points[:, None, :] - sides[None, :, :2])
    return int((apart < sides[None, :, 2:]).all(2).sum())


def _crossed(points: Floats, others: Floats) -> int:
    """Return how often a curve [S, 2] crosses others [M, S, 2]."""
    p, q = points[:-1, None], points[1:, None]
    r, s = others[:, None, :-1], others[:, None, 1:]
    hits = (_side(p, q, r) * _side(p, q, s) < 0) & (_side(r, s, p) * _side(r, s, q) < 0)
    return int(hits.sum())


def _close(points: Floats, others: Floats) -> int:
    """Return how many points of a curve [S, 2] lie on others [M, S, 2]."""
    if not len(others):
        return 0
    apart = points[:, None, :] - others[:, None, :, :]
    return int((np.hypot(apart[..., 0], apart[..., 1]).min(2) < 3.0).sum())
