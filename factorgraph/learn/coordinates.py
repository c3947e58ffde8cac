"""Unconstrained coordinates of weights that are held to something.

An optimiser moves any numbers; what the model sees of them is positive, between two ends, of unit
length or a distribution. Each map is smooth and onto the inside of what is allowed, so that the
gradient of the weights is pulled back by its Jacobian:

==========  =========================  ==========================================
positive    w = log(1 + exp(u))        du = dw / (1 + exp(-u))
interval    w = lo + (hi - lo) s(u)    du = dw (hi - lo) s(u) (1 - s(u))
unit        w = u / ||u||              du = (dw - (dw . w) w) / ||u||
simplex     w = softmax(u)             du = w (dw - dw . w)
==========  =========================  ==========================================
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from factorgraph.ground.weights import Layout, Place, Weights
from factorgraph.learn.free import FreeRows
from factorgraph.learn.shards import Crew
from factorgraph.learn.vectors import Vectors

Floats = NDArray[np.float64]

EDGE = 1e-3
"""How near to an end of an interval, as a share of it, training begins: at the end itself the
slope is 0."""


class Coordinates:
    """The map from coordinates to weights, both flat vectors in the order of a layout.

    Parameters
    ----------
    layout : of the weights; unit and simplex params have all places of their last axis.
    chosen : int64 [size], places of the weights that move, in order; the others are 0. None for
        all of them.
    crew : the threads that work on long vectors.

    Attributes
    ----------
    size : how many coordinates there are.
    """

    def __init__(
        self, layout: Layout, chosen: NDArray[np.int64] | None = None, crew: Crew | None = None
    ) -> None:
        self.layout = layout
        self._chosen = chosen
        self.size = layout.size if chosen is None else len(chosen)
        self.crew = crew
        self.vectors = Vectors(self.size, crew)
        self.rows: dict[str, FreeRows] = {}
        # no page is taken of what `rows` holds
        self._spread = np.zeros(layout.size if chosen is not None else 0)
        self._picked = np.empty(self.size if chosen is not None else 0)
        self.held = [p for p in layout.places.values() if p.declaration.constraint != "real"]

    @property
    def chosen(self) -> NDArray[np.int64] | None:
        """The places of the weights that move, None for all."""
        if self._chosen is None or not self.rows:
            return self._chosen
        return np.sort(np.concatenate([self._chosen, *(r.places() for r in self.rows.values())]))

    def shorten(self, names: Collection[str]) -> None:
        """Store the rows of some params short, none of which is held to anything."""
        assert self._chosen is not None and not self.held
        kept = []
        for name, place in self.layout.places.items():
            first, last = np.searchsorted(self._chosen, (place.start, place.stop)).tolist()
            if name in names:
                self.rows[name] = FreeRows(place, self._chosen[first:last], first)
            else:
                kept.append(np.arange(first, last))
        self._kept = np.concatenate([np.zeros(0, np.int64), *kept])
        self._chosen = self._chosen[self._kept]

    def weights(self, flat: Floats) -> Floats:
        """Return the weights at some coordinates, valid until the next call; the same array where
        all are free."""
        flat = self._all(flat)
        if not self.held:
            return flat
        out = flat.copy()
        self.refresh(flat, out)
        return out

    def views(self, flat: Floats) -> Weights:
        """Return the weights of each param at some coordinates, stored as they are picked."""
        if not self.rows:
            return self.layout.views(self.weights(flat))
        assert self._chosen is not None
        self._spread[self._chosen] = flat[self._kept]
        out = self.layout.views(self._spread)
        for name, rows in self.rows.items():
            out[name] = rows.fill(flat, self.crew)
        return out

    def refresh(self, flat: Floats, out: Floats) -> None:
        """Write the weights that are held to something; the others are left as they are."""
        for place in self.held:
            _rows(place, out)[...] = _weights(place, _rows(place, flat))

    def _all(self, flat: Floats) -> Floats:
        """Return coordinates with 0 for the weights that stay there."""
        if self._chosen is None:
            return flat
        if self.rows:
            out = np.zeros(self.layout.size)
            out[self.chosen] = flat
            return out
        self.vectors.spread(flat, self._chosen, self._spread)
        return self._spread

    def coordinates(self, weights: Floats) -> Floats:
        """Return coordinates of some weights that are within what they are held to."""
        out = weights.copy()
        for place in self.held:
            _rows(place, out)[...] = _coordinates(place, _rows(place, weights))
        chosen = self.chosen
        return out if chosen is None else out[chosen]

    def begin(self, weights: Weights) -> Floats:
        """Return coordinates of all weights by name, as `coordinates` does of a flat vector."""
        chosen = self.chosen
        if chosen is None or self.held:
            return self.coordinates(self.layout.pack(weights))
        return self.layout.pack_some(weights, chosen)

    def pull_back(self, flat: Floats, weights: Floats, gradient: Floats) -> Floats:
        """Return a gradient of the weights as one of the coordinates; the first is overwritten."""
        if self.held:
            every = self._all(flat)
            for place in self.held:
                rows = _rows(place, gradient)
                rows[...] = _pulled(place, _rows(place, every), _rows(place, weights), rows)
        if self._chosen is None:
            return gradient
        self.vectors.pick(gradient, self._chosen, self._picked)
        return self._picked

    @property
    def picked(self) -> Floats:
        """Room for the gradient of the coordinates, for what `rows` holds."""
        return self._picked

    def take(self, gradient: Floats) -> Floats:
        """Return the gradient of the coordinates, given that of the weights; that of what `rows`
        holds is in place."""
        assert self._chosen is not None
        self._picked[self._kept] = gradient[self._chosen]
        return self._picked

    def free(self, coefficients: Floats) -> Floats:
        """Return coefficients of the weights that are held to nothing, 0 for the others."""
        chosen = self.chosen
        return self._free(coefficients) if chosen is None else self._free(coefficients)[chosen]

    def _free(self, coefficients: Floats) -> Floats:
        if not self.held or not coefficients.any():
            return coefficients
        out = coefficients.copy()
        for place in self.held:
            out[place.start : place.stop] = 0.0
        return out


def _rows(place: Place, flat: Floats) -> Floats:
    """Return a view of a param's part of a flat vector, its last declared axis last."""
    view = flat[place.start : place.stop].reshape(place.stored)
    return np.moveaxis(view, place.axes.index(len(place.axes) - 1), -1) if place.axes else view


def _weights(place: Place, u: Floats) -> Floats:
    match place.declaration.constraint:
        case "positive":
            above: Floats = np.maximum(np.logaddexp(0.0, u), np.finfo(np.float64).tiny)
            return above
        case "interval":
            low, high = place.declaration.low, place.declaration.high
            share = _sigmoid(u)
            between: Floats = low * (1 - share) + high * share
            return between
        case "unit":
            unit: Floats = u / _length(u)
            return unit
    return _softmax(u)


def _coordinates(place: Place, w: Floats) -> Floats:
    match place.declaration.constraint:
        case "positive":
            return w + np.log(-np.expm1(-w))
        case "interval":
            low, high = place.declaration.low, place.declaration.high
            share = np.clip((w - low) / (high - low), EDGE, 1 - EDGE)
            return np.log(share) - np.log1p(-share)
        case "unit":
            return w.copy()
    return np.log(np.maximum(w, np.finfo(np.float64).tiny))


def _pulled(place: Place, u: Floats, w: Floats, slope: Floats) -> Floats:
    match place.declaration.constraint:
        case "positive":
            return np.asarray(slope * _sigmoid(u))
        case "interval":
            share = _sigmoid(u)
            width = place.declaration.high - place.declaration.low
            return np.asarray(slope * width * share * (1 - share))
        case "unit":
            along = np.einsum("...i,...i->...", slope, w)[..., None]
            return np.asarray((slope - along * w) / _length(u))
    along = np.einsum("...i,...i->...", slope, w)[..., None]
    return np.asarray(w * (slope - along))


def _length(u: Floats) -> Floats:
    scale = np.abs(u).max(axis=-1, keepdims=True, initial=0.0)  # squares must not overflow
    scale = np.where(scale > 0, scale, 1.0)
    length = scale * np.sqrt(np.square(u / scale).sum(axis=-1, keepdims=True))
    return np.where(length > 0, length, 1.0)


def _sigmoid(u: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -u))


def _softmax(u: Floats) -> Floats:
    share: Floats = np.exp(u - u.max(axis=-1, keepdims=True, initial=-np.inf))
    share /= share.sum(axis=-1, keepdims=True)
    return share
