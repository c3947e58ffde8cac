"""Random data that fit a model's declarations, to try it on."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import DataError, UsageError, did_you_mean
from factorgraph.model.expression import (
    Apply,
    Const,
    DomainSize,
    Expr,
    GivenRead,
    SizeOf,
    show,
)
from factorgraph.model.model import Given, IndexSet, Model, RecordField, Unknown

LABELS = 4
"""Labels in a domain that data fill."""

_WORDS = "the a cat dog house runs sees old Anna 1990 to of blue sings well".split()
_ATTEMPTS = 40
_BYTES = 60
TRIES = 20
"""How often answers that hard factors forbid are drawn again."""

Instance = dict[str, Any]


def mock(
    model: Model,
    count: int,
    seed: int = 0,
    *,
    latents: bool = False,
    sizes: Mapping[str, int] | None = None,
) -> list[Instance]:
    """Return random instances in the form of JSON Lines, every answer there.

    Parameters
    ----------
    count : number of instances; sizes differ from one to the next.
    latents : whether values of latent unknowns are added, so that each instance is a whole
        configuration.
    sizes : values of some sizes that belong to the instance.

    Raises
    ------
    UsageError : a name in ``sizes`` is no such size, or its value cannot be one.
    DataError : where no sizes make every extent positive.
    """
    if count < 0:
        raise UsageError(f"a number of instances is at least 0, not {count}", code="E0910")
    random = np.random.default_rng(seed)
    fixed = _fixed(model, sizes or {})
    held = 0
    out = []
    for _ in range(count):
        one = _Mock(model, random, fixed, held)
        out.append(one.instance(latents))
        held = one.held
    return out


def contrasts(
    model: Model, count: int, each: int, seed: int = 0, hidden: int = 1
) -> list[list[list[Instance]]]:
    """Return random instances in groups that differ in their unknowns alone.

    Parameters
    ----------
    count : number of groups.
    each : answers of a group, the observed one first; or all that there are, where they are fewer.
    hidden : values of the latents beside each answer, the same for all of a group.
    """
    random = np.random.default_rng(seed)
    held = 0
    groups = []
    for _ in range(count):
        one = _Mock(model, random, {}, held)
        first = dict(one.instance(latents=True))
        every = one.every_answer(each)
        others = every if every is not None else [one.drawn("answer") for _ in range(each - 1)]
        latents = [{}, *(one.drawn("latent") for _ in range(hidden - 1))]
        groups.append([[first | other | z for z in latents] for other in ({}, *others)])
        held = one.held
    return groups


def labels(model: Model, domain: str) -> list[str]:
    """Return the labels that mock data use for a domain that data fill."""
    values = model.domains[domain].values
    return list(values) if values is not None else [f"{domain}{k}" for k in range(LABELS)]


def _fixed(model: Model, sizes: Mapping[str, int]) -> dict[str, int]:
    free = [n for n, s in model.sizes.items() if s.value is None and s.over is None]
    for name, value in sizes.items():
        if name not in free:
            raise UsageError(
                f"`{name}` is no size that belongs to the instance",
                code="E0912",
                hint=did_you_mean(name, free) or (
                    f"the model's are {', '.join(free)}" if free else "the model has none"
                ),
            )  # fmt: skip
        if not isinstance(value, int) or not 0 <= value < 2**31:
            raise UsageError(
                f"size `{name}` is a whole number of at least 0, not {value!r}", code="E0910"
            )
    return dict(sizes)


class _Mock:
    def __init__(
        self, model: Model, random: np.random.Generator, fixed: dict[str, int], held: int = 0
    ) -> None:
        self.model = model
        self.random = random
        self.fixed = fixed
        self.held = held
        self.sizes: dict[str, int] = {}
        self.out: Instance = {}

    def instance(self, latents: bool) -> Instance:
        model = self.model
        self.draw_sizes()
        # sizes that answers alone would tell are fields too, so that answers may be left out
        slots = model.givens.values()
        shapes = {a.count.name for s in slots for a in s.axes if isinstance(a.count, SizeOf)}
        for name, size in model.sizes.items():
            if size.over is not None:
                rows = self.number(size.over.count)
                self.held += _BYTES * rows
                budget.require(self.held, f"random data for size `{name}`")
                self.out[name] = self.random.integers(1, 4, rows).tolist()
            elif size.value is None and name not in shapes:
                self.out[name] = self.sizes[name]
        arcs = {u.sequence.arcs: u for u in model.unknowns.values()
                if u.sequence is not None and u.sequence.arcs is not None}  # fmt: skip
        for given in model.givens.values():
            self.require(given)
            if given.name in arcs:
                self.out[given.name] = self.lattice(given, arcs[given.name])
            elif given.fields and len(given.axes) == 1:
                self.out[given.name] = self.relation(given)
            else:
                self.out[given.name] = self.array(given)
        for unknown in model.unknowns.values():
            if unknown.role == "latent" and not latents:
                continue
            self.require(unknown)
            self.out[unknown.name] = self.unknown(unknown)
        return self.out

    def unknown(self, unknown: Unknown) -> Any:
        """Return a random value of an array of unknowns, or of a sequence."""
        if unknown.sequence is None:
            return self.array(unknown)
        return self.path(unknown) if unknown.sequence.sort == "path" else self.segments(unknown)

    def drawn(self, role: str) -> Instance:
        """Return other values of the answers, or of the latents."""
        return {n: self.unknown(u) for n, u in self.model.unknowns.items() if u.role == role}

    def every_answer(self, most: int) -> list[Instance] | None:
        """Return all answers there are, None where they are more than so many, or real."""
        names, values = list(self.model.answers), []
        for answer in self.model.answers.values():
            if answer.axes or answer.values is None:
                return None
            count = self.number(answer.values.count)
            values.append(self.named(answer.values, np.arange(min(count, most + 1))).tolist())
        if prod(map(len, values)) > most:
            return None
        return [dict(zip(names, chosen, strict=True)) for chosen in product(*values)]

    def require(self, slot: Given | Unknown) -> None:
        """Refuse values that would take too much memory."""
        counts = [1 if isinstance(a.count, GivenRead) else self.number(a.count) for a in slot.axes]
        if isinstance(slot, Unknown) and slot.sequence is not None:
            counts += [self.number(slot.sequence.size)] if slot.sequence.size is not None else []
        width = 1 + 2 * len(slot.fields)
        self.held += _BYTES * width * prod(counts)
        budget.require(self.held, f"random data for `{slot.name}`")

    # -- sizes

    def draw_sizes(self) -> None:
        """Draw the instance's sizes, larger ones until every extent is positive."""
        names = [n for n, s in self.model.sizes.items() if s.value is None and s.over is None]
        slots: list[Given | Unknown] = [*self.model.givens.values(), *self.model.unknowns.values()]
        extents = [
            values.count
            for slot in slots
            for values in [*slot.axes, slot.values, *(f.values for f in slot.fields)]
            if values is not None and not isinstance(values.count, GivenRead)
        ]
        for attempt in range(_ATTEMPTS):
            self.sizes = {n: int(self.random.integers(2 + attempt, 5 + 2 * attempt)) for n in names}
            self.sizes |= self.fixed
            if all(self.number(e) > 0 for e in extents):
                return
        bad = next(e for e in extents if self.number(e) <= 0)
        raise DataError(
            f"no sizes were found that make the extent `{show(bad)}` positive", code="E0306"
        )

    def number(self, e: Expr, given: dict[str, int] | None = None) -> int:
        """Return a number made of sizes and of scalar givens."""
        match e:
            case Const():
                return int(e.value)
            case SizeOf():
                return self.sizes[e.name]
            case DomainSize():
                return LABELS
            case GivenRead() if e.name in self.out and not e.indices:
                return int(self.out[e.name])
            case Apply():
                parts = [self.number(a) for a in e.arguments]
                match e.operator:
                    case "+":
                        return parts[0] + parts[1]
                    case "-":
                        return parts[0] - parts[1]
                    case "*":
                        return parts[0] * parts[1]
                    case "//":
                        return parts[0] // max(1, parts[1])
        raise DataError(f"the extent `{show(e)}` cannot be computed from sizes", code="E0306")

    # -- values

    def array(self, slot: Given | Unknown) -> Any:
        """Return nested lists of random values in a slot's shape."""
        nodes = 1
        extents: list[NDArray[np.int64]] = []
        for axis in slot.axes:
            if isinstance(axis.count, GivenRead):  # one length for each index before it
                sizes = np.resize(np.asarray(self.out[axis.name], np.int64), nodes)
            else:
                sizes = np.full(nodes, self.number(axis.count), np.int64)
            extents.append(sizes)
            nodes = int(sizes.sum())
        if slot.fields:
            fields = [self.values(slot, field, [nodes]).tolist() for field in slot.fields]
            leaves: list[Any] = [list(record) for record in zip(*fields, strict=True)]
        else:
            leaves = self.values(slot, None, [nodes]).tolist()
        for sizes in reversed(extents):
            ends = np.cumsum(sizes)
            leaves = [leaves[i:j] for i, j in zip((ends - sizes).tolist(), ends.tolist())]
        return leaves[0]

    def value(self, slot: Given | Unknown, field: RecordField | None) -> Any:
        return self.values(slot, field, []).tolist()

    def values(
        self, slot: Given | Unknown, field: RecordField | None, shape: list[int]
    ) -> NDArray[Any]:
        """Return random values of a slot, or of a field of it, in a shape."""
        kind = slot.kind if field is None else field.kind
        values = slot.values if field is None else field.values
        if values is not None:
            return self.named(values, self.random.integers(self.number(values.count), size=shape))
        if kind.sort == "text":
            return np.asarray(self.random.choice(_WORDS, shape))
        if kind.sort == "int":
            return np.asarray(self.random.integers(0, 10, shape))
        return self.reals(slot, shape)

    def reals(self, slot: Given | Unknown, shape: list[int]) -> NDArray[Any]:
        if isinstance(slot, Unknown) and slot.low > -np.inf and slot.high < np.inf:
            share = self.random.uniform(size=shape)
            values = slot.low * (1 - share) + slot.high * share
            near = np.round(values, 3) if abs(values).max(initial=0) < 1e9 else values
            return np.asarray(np.clip(near, slot.low, slot.high))
        return np.asarray(np.round(self.random.normal(size=shape), 3))

    def named(self, values: IndexSet, at: Any) -> NDArray[Any]:
        """Return the values at places of a set: labels or whole numbers."""
        places = np.asarray(at)
        if values.domain is None:
            return places + values.low
        names = np.array(labels(self.model, values.domain), object)
        return np.asarray(names[places.reshape(-1)].reshape(places.shape))

    def relation(self, given: Given) -> list[Any]:
        """Return rows whose fields over the same set differ, as the ends of an edge do."""
        count = self.number(given.axes[0].count)
        used: dict[IndexSet, list[NDArray[Any]]] = {}
        columns = []
        for field in given.fields:
            if field.values is None:
                columns.append(self.values(given, field, [count]).tolist())
                continue
            extent = self.number(field.values.count)
            at = self.random.integers(extent, size=count)
            before = used.setdefault(field.values, [])
            for _ in range(_ATTEMPTS):
                same = np.zeros(count, np.bool_)
                for other in before:
                    same |= at == other
                if not same.any():
                    break
                at[same] = self.random.integers(extent, size=int(same.sum()))
            before.append(at)
            columns.append(self.named(field.values, at).tolist())
        return [list(row) for row in zip(*columns, strict=True)]

    # -- sequences

    def ends(self, unknown: Unknown) -> tuple[int, int]:
        assert unknown.sequence is not None
        first, last = (self.number(e) for e in unknown.sequence.ends)
        return first, last

    def lattice(self, given: Given, unknown: Unknown) -> list[Any]:
        """Return arcs of which some lead from the first node to the last."""
        first, last = self.ends(unknown)
        way = 1 if first <= last else -1
        most = abs(last - first)
        count = self.number(given.axes[0].count)
        steps = min(count, most)
        stops = [first + way * (most * k // max(steps, 1)) for k in range(steps + 1)]
        rows: list[Any] = [list(pair) for pair in zip(stops[:-1], stops[1:], strict=True)]
        while len(rows) < count:
            nodes = min(most + 1, 2**62)
            a, b = sorted(self.random.choice(nodes, 2, replace=nodes < 2).tolist())
            rows.append([first + way * a, first + way * b])
        return [row + [self.value(given, f) for f in given.fields[2:]] for row in rows]

    def path(self, unknown: Unknown) -> list[Any]:
        assert unknown.sequence is not None and unknown.sequence.arcs is not None
        arcs = self.out[unknown.sequence.arcs]
        at, last = self.ends(unknown)
        found = []
        for e, arc in enumerate(arcs):
            if at == last:
                break
            if arc[0] == at:
                found.append([e, *(self.value(unknown, f) for f in unknown.fields[1:])])
                at = arc[1]
        return found if len(unknown.fields) > 1 else [e for (e,) in found]

    def segments(self, unknown: Unknown) -> list[Any]:
        assert unknown.sequence is not None
        assert unknown.sequence.size is not None and unknown.sequence.longest is not None
        size = self.number(unknown.sequence.size)
        longest = max(1, self.number(unknown.sequence.longest))
        found: list[Any] = []
        first = 0
        while first < size:
            last = min(size, first + int(self.random.integers(1, longest + 1))) - 1
            rest = [self.value(unknown, f) for f in unknown.fields[2:]]
            found.append([first, last, *rest])
            first = last + 1
        return found
