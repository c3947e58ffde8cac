"""Which types of values data may have, and how each is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from factorgraph.data.column import Flags, Values
from factorgraph.errors import DataError

MISSING = "_"
_BLOCK = 1 << 20


def kept(dtype: np.dtype[Any], what: str) -> np.dtype[Any]:
    """Return the type in which values of type ``dtype`` are kept.

    Parameters
    ----------
    dtype : as found, of any byte order.
    what : the field and its source, for the message.

    Returns
    -------
    bool, uint8, int64, float32, float64 or text, in native byte order.

    Raises
    ------
    DataError : values of this type are not read.
    """
    kind, size = dtype.kind, dtype.itemsize
    if kind == "b":
        return np.dtype(np.bool_)
    if kind in "iu":
        return np.dtype(np.uint8 if kind == "u" and size == 1 else np.int64)
    if kind == "f" and size <= 8:
        return np.dtype(np.float64 if size == 8 else np.float32)
    if kind == "U":
        return np.dtype(f"<U{max(1, size // 4)}").newbyteorder("=")
    hints = {
        "S": "store text, as in `x.astype(str)`",
        "T": "store text of a fixed width, as in `x.astype('U')`",
        "O": "store an array of numbers or text; arrays of different lengths go end to end, "
        "with a second array `NAME.offsets`",
        "c": "store real and imaginary part as two fields",
    }
    raise DataError(
        f"{what} has type {dtype}, which is not read",
        code="E0331",
        hint=hints.get(kind, "store truth values, integers, floats or text"),
    )


def cost(dtype: np.dtype[Any], count: int) -> int:
    """Return the bytes that it takes to read ``count`` values of a legal type."""
    target = kept(dtype, "")
    size = max(dtype.itemsize, 1)
    converted = 0 if target == dtype and dtype.isnative else target.itemsize
    return count * (size + converted + (2 if dtype.kind == "U" else 0))


def settle(flat: Values, what: str, own: bool, first: int = 0) -> tuple[Values, Flags | None]:
    """Return checked values in the type they are kept in, and which of them are missing.

    Parameters
    ----------
    flat : [E], of a legal type, in any byte order.
    what : the field and its source, for messages.
    own : whether ``flat`` may be changed and kept; otherwise it is copied where need be.
    first : the number of the first element in its source, for messages.

    Returns
    -------
    values : [E], C-contiguous and writable.
    missing : bool [E], or None where nothing is missing. Only text says so here, by "_".

    Raises
    ------
    DataError : a value is out of range, or a bit pattern stands for no value.
    """
    target = kept(flat.dtype, what)
    if flat.dtype.kind == "u" and flat.dtype.itemsize == 8 and flat.size:
        largest = int(flat.max())
        if largest > np.iinfo(np.int64).max:
            raise DataError(
                f"{what} holds {largest}, which is more than a 64-bit integer", code="E0335"
            )
    if flat.dtype.kind == "b" and flat.size and int(flat.view(np.uint8).max()) > 1:
        raise DataError(f"{what} holds bytes that are no truth values", code="E0335")
    fresh = flat.dtype != target or not flat.flags.c_contiguous
    values = np.ascontiguousarray(flat, target)
    if not (own or fresh) and not values.flags.writeable:
        values, fresh = values.copy(), True
    missing = None
    if values.dtype.kind == "U":
        bad = invalid(values)
        if bad is not None:
            raise DataError(
                f"{what} holds text that is not valid Unicode (element {first + bad})",
                code="E0336",
            )
        missing = values == MISSING
    return values, missing if missing is not None and missing.any() else None


def invalid(text: Values) -> int | None:
    """Return the index of the first text with a code point that is no character, or None.

    Parameters
    ----------
    text : [E], '<U..', C-contiguous.

    Returns
    -------
    int or None. Surrogates count as invalid: they cannot be written as UTF-8.
    """
    width = max(1, text.itemsize // 4)
    codes = text.view(np.uint32)
    for at in range(0, len(codes), _BLOCK):
        part = codes[at : at + _BLOCK]
        if part.max() >= 0xD800:
            wrong = ((part >= 0xD800) & (part < 0xE000)) | (part > 0x10FFFF)
            if wrong.any():
                return (at + int(wrong.argmax())) // width
    return None
