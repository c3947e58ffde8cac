"""States of optimisers as plain arrays and back: a field an array, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import RunError

Arrays = dict[str, NDArray[np.generic]]
S = TypeVar("S")

_SCALARS: dict[type, type[np.generic]] = {int: np.int64, float: np.float64}


def packed(state: Any) -> Arrays:
    """Return the fields of a state as arrays: numbers as arrays of one, texts as bytes."""
    out: Arrays = {}
    for name in (f.name for f in fields(state)):
        value = getattr(state, name)
        if isinstance(value, str):
            out[name] = np.frombuffer(value.encode(), np.uint8)
        elif isinstance(value, int | float):
            out[name] = np.array([value], _SCALARS[type(value)])
        else:
            out[name] = value
    return out


def unpacked(kind: type[S], arrays: Mapping[str, NDArray[np.generic]]) -> S:
    """Return the state whose fields are stored; arrays are copied.

    Raises
    ------
    RunError : a field is missing, of another type, or holds what is no finite number.
    """
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        if name not in arrays:
            raise damaged(name, "is missing")
        array = np.array(arrays[name], order="C")
        if hint is str:
            if array.dtype != np.uint8 or array.ndim != 1 or not array.tobytes().isascii():
                raise damaged(name, "is not a text")
            found[name] = array.tobytes().decode("ascii")
            continue
        scalar = hint in _SCALARS
        wanted = _SCALARS[hint] if scalar else _element(hint)
        if array.dtype != wanted:
            raise damaged(name, f"is of type {array.dtype}, expected {np.dtype(wanted)}")
        if scalar and array.shape != (1,):
            raise damaged(name, f"has shape {list(array.shape)}, expected [1]")
        if not np.isfinite(array).all():
            raise damaged(name, "has a value that is not finite")
        found[name] = array[0].item() if scalar else array
    return kind(**found)


def expect(state: Any, **shapes: tuple[int, ...]) -> None:
    """Refuse a state whose arrays have other shapes.

    Raises
    ------
    RunError : naming the field.
    """
    for name, shape in shapes.items():
        found = getattr(state, name).shape
        if found != shape:
            raise damaged(name, f"has shape {list(found)}, expected {list(shape)}")


def damaged(name: str, why: str) -> RunError:
    """Return the error for a field that cannot be gone on with."""
    return RunError(f"the optimiser's state is damaged: `{name}` {why}", code="E0803")


def _element(hint: Any) -> type[np.generic]:
    """Return the element type of ``NDArray[np.float64]``."""
    found: type[np.generic] = hint.__args__[1].__args__[0]
    return found
