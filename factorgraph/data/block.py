"""Lists of Python values become arrays, with every value checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from factorgraph.data.column import Values
from factorgraph.data.dtype import invalid

_LIMIT = 2.0**63


class BadValue(ValueError):
    """A value that cannot be kept: its index in the list, what is wrong with it, the code."""

    def __init__(self, index: int, reason: str, code: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason
        self.code = code


def numbers(values: list[Any], finite: bool) -> Values:
    """Return int64 if all values are integers, else float64.

    Parameters
    ----------
    values : [E], int and float.
    finite : whether infinite values and NaN are refused.

    Returns
    -------
    [E].

    Raises
    ------
    BadValue : an integer does not fit into 64 bits, or a value is not finite.
    """
    whole = set(map(type, values)) == {int}
    try:
        out = np.array(values, np.int64 if whole else np.float64)
        if whole:
            return out
    except OverflowError:
        # An integer that not even a float holds; any stand-in beyond the limit finds its place.
        top = int(_LIMIT)
        out = np.array([v if isinstance(v, float) else max(-2 * top, min(v, top)) for v in values],
                       np.float64)  # fmt: skip
    for i in np.flatnonzero(~(np.abs(out) < _LIMIT)).tolist():
        value = values[i]
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise BadValue(i, "an integer of more than 64 bits", "E0335")
        if finite and not np.isfinite(out[i]):
            raise BadValue(i, "a number too large for a float", "E0335")
    return out


def texts(values: list[str]) -> Values:
    """Return texts as an array as wide as the longest.

    Parameters
    ----------
    values : [E].

    Returns
    -------
    '<U..' [E].

    Raises
    ------
    BadValue : a text is not valid Unicode, or numpy would drop its end.
    """
    sizes = list(map(len, values))
    out = np.array(values, f"<U{max(1, max(sizes))}")
    bad = invalid(out)
    if bad is not None:
        raise BadValue(bad, "text that is not valid Unicode", "E0336")
    if int(np.strings.str_len(out).sum()) != sum(sizes):
        nul = next(i for i, text in enumerate(values) if text.endswith("\0"))
        raise BadValue(nul, "text that ends in a NUL", "E0336")
    return out
