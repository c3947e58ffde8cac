"""Wrong answers as data: labels in their shape, and of what is given words and pictures."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.ground.answers import named
from factorgraph.ground.batch import Batch
from factorgraph.learn.diagnosis import Offender
from factorgraph.learn.sight import Sight

MOST = 400
"""Words, numbers or labels of one array that are shown."""

PIXELS = 16384
"""Pixels of the pictures of one instance that are shown."""

NUMBERS = 16
"""Numbers that are shown as such."""


def offenders(sights: list[Sight], count: int, seen: set[str]) -> list[Offender]:
    """Return the wrong answers with the smallest gaps, smallest first.

    Parameters
    ----------
    count : how many at most.
    seen : places of instances whose givens were told before; these are added to it.
    """
    found = []
    for b, sight in enumerate(sights):
        e = sight.energies
        with np.errstate(invalid="ignore"):
            gap = e[2] - e[0]
        for i in np.flatnonzero(np.isfinite(gap)).tolist():
            found.append((float(gap[i]), b, i))
    found.sort()
    return [_offender(sights[b], i, seen) for _, b, i in found[:count]]


def _offender(sight: Sight, i: int, seen: set[str]) -> Offender:
    batch, at = sight.batch, int(sight.chosen[i])
    place = batch.instances.where(at)
    givens = {} if place in seen else shown(batch, at)
    seen.add(place)
    difference = sight.parts[:, 2, i] - sight.parts[:, 0, i]
    energies = sight.energies[:, i]
    answer, wrong = named(batch, sight.states[0], at), named(batch, sight.states[2], at)
    small = [n for n, v in answer.items() if np.size(np.array(v, dtype=object)) <= MOST]
    return Offender(
        place, float(energies[0]), float(energies[2]), {n: answer[n] for n in small},
        {n: wrong[n] for n in small}, givens,
        {n: float(d) for n, d in zip(sight.factors, difference, strict=True) if np.isfinite(d)},
    )  # fmt: skip


def shown(batch: Batch, i: int) -> dict[str, Any]:
    """Return what is given to an instance as far as it can be shown, by name.

    Returns
    -------
    ``{"words": list}`` for texts and labels, ``{"numbers": list}`` for a few numbers, and
    ``{"images": [text, …], "height": h, "width": w}`` for pictures: rows of grey values, 0 to
    255, in base64.
    """
    instances = batch.instances
    out: dict[str, Any] = {}
    model, place = batch.compiled.model, instances.first + i
    for name in model.givens:
        column = instances.records.columns.get(name)
        if column is None or column.shared:
            continue
        values = column.instance(place)
        if values.dtype.kind in "UST" or values.dtype == object:
            if values.size <= MOST:
                out[name] = {"words": [str(v) for v in values.reshape(-1)]}
            continue
        pictures = _pictures(values)
        if pictures is not None:
            out[name] = pictures
        elif values.size <= NUMBERS and values.dtype.kind in "biuf":
            out[name] = {"numbers": [float(v) for v in values.reshape(-1)]}
    return out


def _pictures(values: NDArray[Any]) -> dict[str, Any] | None:
    """Return numbers as pictures, None where they do not look like grey values."""
    sides = _sides(values.shape)
    if sides is None or values.dtype.kind not in "biuf" or not 0 < values.size <= PIXELS:
        return None
    grey = values.astype(np.float64).reshape(-1, *sides)
    if not np.isfinite(grey).all() or grey.min() < 0 or grey.max() > 255 or grey.max() == 0:
        return None
    scaled: NDArray[np.uint8] = np.rint(grey * (255 / grey.max())).astype(np.uint8)
    images = [base64.b64encode(scaled[k].tobytes()).decode("ascii") for k in range(len(scaled))]
    return {"images": images, "height": sides[0], "width": sides[1]}


def _sides(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return height and width of what an array's last axes hold, None where these are no picture.

    One long axis is a square, or twice as high as wide, as letters are.
    """
    if len(shape) in (2, 3) and min(shape[-2:]) >= 4 and max(shape[-2:]) <= 8 * min(shape[-2:]):
        return shape[-2], shape[-1]
    if len(shape) not in (1, 2) or shape[-1] < 49:
        return None
    square, tall = np.sqrt(shape[-1]), np.sqrt(shape[-1] / 2)
    if square == int(square):
        return int(square), int(square)
    return (2 * int(tall), int(tall)) if tall == int(tall) else None
