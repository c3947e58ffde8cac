"""Weights as one flat vector: only those that the data touch, in the order that kernels like.

Where every use of a param's axis is indexed by data, only the positions that occur in the data
are kept; the rest stay where the regulariser's minimum is. Axes that states index come last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.emit import everything
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Reduction, Slot
from factorgraph.data.instances import Vocabularies
from factorgraph.ground.ground import Bound, Grounding
from factorgraph.model.expression import ParamRead
from factorgraph.model.model import Model, ParamDeclaration

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = dict[str, Floats]

SOME = 1 << 16
"""Weights that are packed at a time where not all are: what is made on the way stays small."""
OFTEN = 32
"""Positions that are picked at least so often are stored by how often, the others as they come."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where one param lies in the flat vector.

    Attributes
    ----------
    shape : extents as declared.
    axes : declared axes in stored order.
    kept : for each declared axis, the positions that are kept, or None for all.
    start, stop : its part of the flat vector.
    """

    declaration: ParamDeclaration
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    kept: tuple[Ints | None, ...]
    start: int
    stop: int

    @property
    def stored(self) -> tuple[int, ...]:
        """Extents as stored; a param without axes is stored as one number."""
        sizes = [n if k is None else len(k) for n, k in zip(self.shape, self.kept, strict=True)]
        return tuple(sizes[a] for a in self.axes) or (1,)

    def choose(self) -> tuple[Ints, ...]:
        """Return the index of the kept weights in the declared array."""
        picked = [
            np.arange(n) if k is None else k for n, k in zip(self.shape, self.kept, strict=True)
        ]
        return np.ix_(*picked)


@dataclass(frozen=True, eq=False)
class Layout:
    """The flat vector of weights that training moves."""

    places: dict[str, Place]
    size: int

    def views(self, flat: Floats) -> Weights:
        """Return each param's part of a flat vector, stored order, no copies."""
        return {name: flat[p.start : p.stop].reshape(p.stored) for name, p in self.places.items()}

    def pack(self, weights: Weights) -> Floats:
        """Return the flat vector of the kept weights."""
        flat = np.empty(self.size)
        for name, view in self.views(flat).items():
            place = self.places[name]
            if not place.axes:
                view[0] = weights[name]
                continue
            stored = weights[name].transpose(place.axes)
            kept = [place.kept[a] for a in place.axes]
            last = max((k for k, at in enumerate(kept) if at is not None), default=-1)
            for k, at in enumerate(kept):
                if at is not None and k < last:
                    stored = stored.take(at, k)
                elif at is not None:
                    np.take(stored, at, k, out=view, mode="clip")
            if last < 0:
                view[...] = stored
        return flat

    def pack_some(self, weights: Weights, chosen: NDArray[np.integer[Any]]) -> Floats:
        """Return some of the numbers of `pack`, by their places there, which rise."""
        out = np.empty(len(chosen))
        for name, place in self.places.items():
            first, last = np.searchsorted(chosen, (place.start, place.stop)).tolist()
            if not place.axes:
                out[first:last] = weights[name]
                continue
            stored = weights[name].transpose(place.axes)
            kept = [place.kept[a] for a in place.axes]
            for low in range(first, last, SOME):
                part = slice(low, min(low + SOME, last))
                index = np.unravel_index(chosen[part] - place.start, place.stored)
                index = tuple(k if at is None else at[k] for at, k in zip(kept, index, strict=True))
                out[part] = stored[index]
        return out

    def unpack(self, flat: Floats, initial: Weights) -> Weights:
        """Return all weights in their declared order; those not kept stay at rest."""
        out: Weights = {n: w.copy() for n, w in initial.items() if n not in self.places}
        for name, view in self.views(flat).items():
            place = self.places[name]
            if not place.axes:
                out[name] = np.array(view[0])
                continue
            declared = place.declaration
            rests_at_0 = declared.constraint == "real" and declared.l1 + declared.l2 > 0
            if rests_at_0:  # they lie in memory as they are stored, so that `pack` reads rows
                every = np.zeros(tuple(place.shape[a] for a in place.axes))
                out[name] = every.transpose(np.argsort(place.axes))
            else:
                out[name] = initial[name].copy()
            out[name][place.choose()] = view.transpose(np.argsort(place.axes))
        return out

    def following(self, grounding: Grounding) -> Grounding | None:
        """Return a grounding that indexes these weights, None where it reads others, too."""
        kept = {
            (name, k): at
            for name, place in self.places.items()
            for k, at in enumerate(place.kept)
            if at is not None
        }
        for bound in _bounds(grounding):
            for definition, slot in zip(bound.program.slots, bound.slots, strict=True):
                limit = definition.limit
                if not len(slot) or limit is None or limit[:2] not in kept:
                    continue
                if not _inside(slot, kept[limit[:2]]):
                    return None
            for listed, (place, _) in zip(bound.program.picks, bound.picks, strict=True):
                at = kept.get((listed.param, listed.axis))
                if at is not None and not _inside(place, at):
                    return None
        return moved(grounding, kept)

    def spans(self, size: int) -> Iterator[tuple[int, int, ParamDeclaration]]:
        """Yield stretches of the flat vector of at most ``size`` weights of one param."""
        for place in self.places.values():
            for low in range(place.start, place.stop, size):
                yield low, min(low + size, place.stop), place.declaration

    def coefficients(self, which: str) -> Floats:
        """Return the coefficient ``l1`` or ``l2`` of each kept weight."""
        if not any(getattr(p.declaration, which) for p in self.places.values()):
            return np.broadcast_to(np.zeros(()), self.size)
        out = np.zeros(self.size)
        for place in self.places.values():
            out[place.start : place.stop] = getattr(place.declaration, which)
        return out


def shapes(model: Model, vocabularies: Vocabularies) -> dict[str, tuple[int, ...]]:
    """Return the declared extents of every weight.

    Those of maps are called ``map.layer.W``, those of a second energy begin with its name.
    """
    out = {
        name: tuple(model.count(axis, vocabularies) for axis in declaration.axes)
        for name, declaration in model.params.items()
    }
    for name, declared in model.maps.items():
        from factorgraph.ground.layers import build

        layer = build(declared.layer, model, vocabularies)
        out |= {f"{name}.{key}": shape for key, shape in layer.weights().items()}
    for alias, other in model.energies.items():
        out |= {f"{alias}.{key}": shape for key, shape in shapes(other, vocabularies).items()}
    return out


def initial(model: Model, vocabularies: Vocabularies, seed: int) -> Weights:
    """Return the initial weights; the same seed gives the same numbers."""
    total = 0
    for name, shape in shapes(model, vocabularies).items():
        total += 8 * prod(shape)
        budget.require(total, f"param `{name}` of shape {list(shape)}")
    return _drawn(model, vocabularies, np.random.default_rng(seed))


def _drawn(model: Model, vocabularies: Vocabularies, random: np.random.Generator) -> Weights:
    out: Weights = {}
    for name, declaration in model.params.items():
        shape = tuple(model.count(axis, vocabularies) for axis in declaration.axes)
        out[name] = _start(declaration, shape, random)
    for name, declared in model.maps.items():
        from factorgraph.ground.layers import build

        layer = build(declared.layer, model, vocabularies)
        out |= {f"{name}.{key}": value for key, value in layer.initial(random).items()}
    for alias, other in model.energies.items():
        out |= {f"{alias}.{k}": w for k, w in _drawn(other, vocabularies, random).items()}
    return out


def _start(
    declaration: ParamDeclaration, shape: tuple[int, ...], random: np.random.Generator
) -> Floats:
    """Return a param's initial values, within what it is held to."""
    kind, *numbers = declaration.initial
    if kind == "normal":
        value = np.asarray(random.normal(float(numbers[0]), abs(float(numbers[1])), shape))
    elif kind == "dirichlet":
        value = np.asarray(random.gamma(float(numbers[0]), 1.0, shape))
        np.maximum(value, np.finfo(np.float64).tiny, out=value)
    else:
        value = np.full(shape, float(numbers[0])) if numbers[0] else np.zeros(shape)
    match declaration.constraint:
        case "positive":
            np.abs(value, out=value)
            np.maximum(value, np.finfo(np.float64).tiny, out=value)
        case "interval":
            np.clip(value, declaration.low, declaration.high, out=value)
        case "unit":
            length = np.sqrt(np.einsum("...i,...i->...", value, value))[..., None]
            value /= np.where(length > 0, length, 1.0)
            value[length[..., 0] == 0] = np.sqrt(1.0 / max(shape[-1], 1))
        case "simplex":
            np.abs(value, out=value)
            most = value.max(axis=-1, keepdims=True, initial=0.0)
            value = np.where(most > 0, value / np.where(most > 0, most, 1.0), 1.0)
            value /= value.sum(axis=-1, keepdims=True)
    return value


def whole(compiled: Compiled, vocabularies: Vocabularies) -> Layout:
    """Return the layout that keeps every weight."""
    return _layout(compiled, shapes(compiled.model, vocabularies), {})


Kept = dict[tuple[str, int], Ints]
"""The positions of a param's axis that data touch, by name and axis, in stored order."""


def compact(
    compiled: Compiled,
    vocabularies: Vocabularies,
    groundings: Iterable[Grounding],
    *,
    once: bool = False,
) -> tuple[Layout, list[Grounding]]:
    """Return the layout of the weights that data touch, and the groundings that index into it.

    Parameters
    ----------
    once : whether the weights are read a single time, so that no order of theirs pays.
    """
    given = list(groundings)
    extents = shapes(compiled.model, vocabularies)
    kept = touched(compiled, given)
    if not once:
        kept = {key: _ordered(key, at, given) for key, at in kept.items()}
    kept = {(name, k): at[at < extents[name][k]] for (name, k), at in kept.items()}
    layout = _layout(compiled, extents, kept)
    return layout, [moved(grounding, kept) for grounding in given]


def touched(compiled: Compiled, groundings: Iterable[Grounding]) -> Kept:
    """Return what some groundings touch of the axes that only data index."""
    found: dict[tuple[str, int], list[Ints]] = {key: [] for key in axes_by_data(compiled)}
    for grounding in groundings:
        for bound in _bounds(grounding):
            for definition, slot in zip(bound.program.slots, bound.slots, strict=True):
                if len(slot) and definition.limit is not None and definition.limit[:2] in found:
                    found[definition.limit[:2]].append(distinct(slot))
            for listed, (place, _) in zip(bound.program.picks, bound.picks, strict=True):
                if (listed.param, listed.axis) in found:
                    found[listed.param, listed.axis].append(distinct(place))
    return {
        key: distinct(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
        for key, parts in found.items()
    }


def kept_layout(
    compiled: Compiled, vocabularies: Vocabularies, parts: Iterable[Kept]
) -> tuple[Layout, Kept]:
    """Return the layout of the weights that parts of the data touch, and what is kept of them."""
    given = list(parts)
    kept = {
        key: distinct(np.concatenate([np.zeros(0, np.int64), *(part[key] for part in given)]))
        for key in axes_by_data(compiled)
    }
    extents = shapes(compiled.model, vocabularies)
    # a slot that is not taken holds 0, also where a domain of features is empty
    kept = {(name, k): at[at < extents[name][k]] for (name, k), at in kept.items()}
    return _layout(compiled, extents, kept), kept


def moved(grounding: Grounding, kept: Kept) -> Grounding:
    """Return a grounding whose slots and lists index what is kept."""
    number = {key: _numbers(at) for key, at in kept.items()}
    inputs = tuple(
        i if i.bound is None else replace(i, bound=_moved(i.bound, number))
        for i in grounding.inputs
    )
    bounds = tuple(_moved(bound, number) for bound in grounding.bound)
    kinds = tuple(
        k if k.bound is None else replace(k, bound=_moved(k.bound, number)) for k in grounding.kinds
    )
    return replace(grounding, bound=bounds, inputs=inputs, kinds=kinds)


def distinct(positions: NDArray[np.integer[Any]]) -> Ints:
    """Return the distinct ones of some positions, sorted; without sorting them all."""
    there = np.zeros(int(positions.max(initial=-1)) + 1, np.bool_)
    there[positions] = True
    return np.flatnonzero(there)


def _inside(positions: NDArray[np.integer[Any]], kept: Ints) -> bool:
    """Return whether some positions are all kept."""
    found = distinct(positions)
    there = np.zeros(int(max(found.max(initial=-1), kept.max(initial=-1))) + 1, np.bool_)
    there[kept] = True
    return bool(there[found].all())


def _numbers(kept: Ints) -> NDArray[np.int32]:
    """Return the place of each position among those that are kept, 0 for the others."""
    out = np.zeros(int(kept.max(initial=-1)) + 1, np.int32)
    out[kept] = np.arange(len(kept), dtype=np.int32)
    return out


def _ordered(key: tuple[str, int], kept: Ints, groundings: list[Grounding]) -> Ints:
    """Return positions in an order that caches like.

    Where lists pick them, those picked often come first, then the others as the data come to
    them: what one row picks then lies near to what the next one does.
    """
    lists = [
        place
        for grounding in groundings
        for bound in grounding.bound
        for listed, (place, _) in zip(bound.program.picks, bound.picks, strict=True)
        if (listed.param, listed.axis) == key
    ]
    if not lists:
        return kept
    size = int(kept.max(initial=-1)) + 1
    count = np.zeros(size, np.int64)
    seen = np.full(size, np.iinfo(np.int64).max)
    before = 0
    for place in lists:
        count += np.bincount(place, minlength=size)
        first = np.full(size, -1, np.int64)
        first[place[::-1]] = np.arange(before + len(place) - 1, before - 1, -1)
        np.minimum(seen, first, out=seen, where=first >= 0)
        before += len(place)
    often = count[kept] >= OFTEN
    return kept[np.lexsort((seen[kept], np.where(often, -count[kept], 0)))]


def _bounds(grounding: Grounding) -> tuple[Bound, ...]:
    """Return the arrays of all programs: of factors, kinds, and what maps are fed with."""
    made = [inputs.bound for inputs in grounding.inputs] + [k.bound for k in grounding.kinds]
    return (*grounding.bound, *(bound for bound in made if bound is not None))


def _moved(bound: Bound, number: dict[tuple[str, int], NDArray[np.int32]]) -> Bound:
    """Return a program's arrays with slots and lists that index the kept weights."""
    slots = list(bound.slots)
    for k, definition in enumerate(bound.program.slots):
        if len(slots[k]) and definition.limit is not None:
            to = number.get(definition.limit[:2])
            if to is not None and len(to):
                slots[k] = to[slots[k]].astype(np.int64)
    picks = [
        (number[p.param, p.axis][place] if (p.param, p.axis) in number else place, start)
        for p, (place, start) in zip(bound.program.picks, bound.picks, strict=True)
    ]
    return replace(bound, slots=slots, picks=picks)


def axes_by_data(compiled: Compiled) -> set[tuple[str, int]]:
    """Return the axes of params that only slots index, and along which nothing ties weights."""
    uses: dict[tuple[str, int], bool] = {}
    for program in compiled.every:
        nodes = list(everything(program.body))
        lists = {n.index for n in nodes if isinstance(n, Reduction) and n.picks is not None}
        for node in nodes:
            if isinstance(node, ParamRead):
                for k, index in enumerate(node.indices):
                    slot = isinstance(index, Slot) and program.slots[index.number].limit is not None
                    slot |= index in lists
                    uses[node.name, k] = uses.get((node.name, k), True) and slot
    tied = {
        (name, len(p.axes) - 1)
        for name, p in compiled.model.params.items()
        if p.constraint in ("unit", "simplex")
    }
    return {key for key, only in uses.items() if only} - tied


def _layout(
    compiled: Compiled,
    extents: dict[str, tuple[int, ...]],
    kept: dict[tuple[str, int], Ints],
) -> Layout:
    places = {}
    start = 0
    used = {call.definition.read.name for call in compiled.calls}
    declarations = dict(compiled.model.params)
    for name in extents:
        declared = compiled.model.maps.get(name.partition(".")[0])
        if declared is not None and declared.name in used:
            bias = name.rpartition(".")[2] == "b"
            held = (0.0, 0.0) if bias else (declared.l1, declared.l2)
            declarations[name] = ParamDeclaration(name, declared.span, (), l1=held[0], l2=held[1])
    for name, declaration in declarations.items():
        shape = extents[name]
        axes = compiled.storage.get(name, tuple(range(len(shape))))
        chosen = tuple(kept.get((name, k)) for k in range(len(shape)))
        place = Place(declaration, shape, axes, chosen, start, start)
        stop = start + int(np.prod(place.stored, dtype=np.int64))
        places[name] = replace(place, stop=stop)
        start = stop
    return Layout(places, start)
