"""Weights as one flat vector: only those that the data touch, in the order that kernels like.

Where every use of a param's axis is indexed by data, only the positions that occur in the data
are kept; the rest stay where the regulariser's minimum is. Axes that states index come last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.emit import everything
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Slot
from factorgraph.data.instances import Vocabularies
from factorgraph.ground.ground import Bound, Grounding
from factorgraph.model.expression import ParamRead
from factorgraph.model.model import Model, ParamDeclaration

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Weights = dict[str, Floats]


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
            if place.axes:
                view[...] = weights[name][place.choose()].transpose(place.axes)
            else:
                view[0] = weights[name]
        return flat

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
            out[name] = np.zeros(place.shape) if rests_at_0 else initial[name].copy()
            out[name][place.choose()] = view.transpose(np.argsort(place.axes))
        return out

    def coefficients(self, which: str) -> Floats:
        """Return the coefficient ``l1`` or ``l2`` of each kept weight."""
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
        value = np.full(shape, float(numbers[0]))
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
"""The sorted positions of a param's axis that data touch, by name and axis."""


def compact(
    compiled: Compiled, vocabularies: Vocabularies, groundings: Iterable[Grounding]
) -> tuple[Layout, list[Grounding]]:
    """Return the layout of the weights that data touch, and the groundings that index into it."""
    given = list(groundings)
    layout, kept = kept_layout(compiled, vocabularies, [touched(compiled, given)])
    return layout, [moved(grounding, kept) for grounding in given]


def touched(compiled: Compiled, groundings: Iterable[Grounding]) -> Kept:
    """Return what some groundings touch of the axes that only data index."""
    found: dict[tuple[str, int], list[Ints]] = {key: [] for key in axes_by_data(compiled)}
    for grounding in groundings:
        for bound in _bounds(grounding):
            for definition, slot in zip(bound.program.slots, bound.slots, strict=True):
                if definition.limit is not None and definition.limit[:2] in found:
                    found[definition.limit[:2]].append(np.unique(slot))
    return _united(found)


def kept_layout(
    compiled: Compiled, vocabularies: Vocabularies, parts: Iterable[Kept]
) -> tuple[Layout, Kept]:
    """Return the layout of the weights that parts of the data touch, and what is kept of them."""
    given = list(parts)
    kept = _united({key: [part[key] for part in given] for key in axes_by_data(compiled)})
    extents = shapes(compiled.model, vocabularies)
    # a slot that is not taken holds 0, also where a domain of features is empty
    kept = {(name, k): at[at < extents[name][k]] for (name, k), at in kept.items()}
    return _layout(compiled, extents, kept), kept


def moved(grounding: Grounding, kept: Kept) -> Grounding:
    """Return a grounding whose slots index what is kept."""
    inputs = tuple(
        i if i.bound is None else replace(i, bound=_moved(i.bound, kept)) for i in grounding.inputs
    )
    bounds = tuple(_moved(bound, kept) for bound in grounding.bound)
    return replace(grounding, bound=bounds, inputs=inputs)


def _united(parts: dict[tuple[str, int], list[Ints]]) -> Kept:
    return {
        key: np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)
        for key, found in parts.items()
    }


def _bounds(grounding: Grounding) -> tuple[Bound, ...]:
    """Return the arrays of all programs: of factors, and of what maps are fed with."""
    made = (inputs.bound for inputs in grounding.inputs)
    return (*grounding.bound, *(bound for bound in made if bound is not None))


def _moved(bound: Bound, kept: Kept) -> Bound:
    """Return a program's arrays with slots that index the kept weights."""
    slots = list(bound.slots)
    for k, definition in enumerate(bound.program.slots):
        if definition.limit is not None and definition.limit[:2] in kept:
            slots[k] = np.searchsorted(kept[definition.limit[:2]], slots[k])
    return replace(bound, slots=slots)


def axes_by_data(compiled: Compiled) -> set[tuple[str, int]]:
    """Return the axes of params that only slots index, and along which nothing ties weights."""
    uses: dict[tuple[str, int], bool] = {}
    for program in compiled.every:
        for node in everything(program.body):
            if isinstance(node, ParamRead):
                for k, index in enumerate(node.indices):
                    slot = isinstance(index, Slot) and program.slots[index.number].limit is not None
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
