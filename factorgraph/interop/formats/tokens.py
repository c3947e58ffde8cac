"""The words of a text of numbers as one array, and where each of them stands."""

from __future__ import annotations

import re
import warnings

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import DataError
from factorgraph.interop.formats.source import Source
from factorgraph.source import visible

Numbers = NDArray[np.float64]
Positions = NDArray[np.int64]

_NUMERIC = b"0123456789+-.eE \t\r\n"
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WORD_COST = 120  # bytes that a word that is no number takes in a dictionary
WHOLE = 2**53


class Tokens:
    """All words of a text as numbers; a word that is none is NaN, and kept aside.

    Parameters
    ----------
    source : the file.

    Attributes
    ----------
    values : float64 [N].
    words : what is no number, by position.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.words: dict[int, bytes] = {}
        parts, total = [], 0
        for block in source.blocks():
            numbers, words = _numbers(block)
            for at, word in words:
                self.words[total + at] = word
            total += len(numbers)
            budget.require(
                16 * total + _WORD_COST * len(self.words), f"the numbers of {source.name}"
            )
            parts.append(numbers)
        self.values: Numbers = (
            parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0), *parts])
        )

    def __len__(self) -> int:
        return len(self.values)

    def wrong(self, at: int, fault: str) -> DataError:
        """Return the error that the word at a position is."""
        return DataError(f"{self.source.name}:{self.source.line(at)}: {fault}", code="E0370")

    def word(self, at: int) -> str:
        """Return a word as it may be shown."""
        if at in self.words:
            text = visible(self.words[at][:40].decode("utf-8", "replace"))
            return text + ("…" if len(self.words[at]) > 40 else "")
        return f"{self.values[at]:.15g}"

    def whole(self, at: int, what: str, low: int = 0, high: int = WHOLE) -> int:
        """Return a whole number.

        Raises
        ------
        DataError : the file ends before it, it is none, or out of its range.
        """
        if at >= len(self.values):
            raise self.wrong(at, f"the file ends before {what}")
        value = float(self.values[at])
        if not (np.isfinite(value) and value == int(value)):
            raise self.wrong(at, f"{what} is a whole number, not `{self.word(at)}`")
        if not low <= value <= high:
            limit = f"at least {low}" if value < low else f"at most {high}"
            raise self.wrong(at, f"{what} is {limit}, not {self.word(at)}")
        return int(value)

    def wholes(self, at: Positions, what: str, low: int, high: int) -> NDArray[np.int64]:
        """Return whole numbers at positions that are known to be there.

        Raises
        ------
        DataError : one of them is none, or out of its range.
        """
        found = self.values[at]
        bad = ~((found >= low) & (found <= high) & (found == np.floor(found)))
        if bad.any():
            first = int(np.asarray(at)[bad].min())
            self.whole(first, what, low, high)
        return found.astype(np.int64)

    def require(self, end: int, what: str) -> None:
        """Raise DataError where the file ends before position ``end``."""
        if end > len(self.values):
            raise self.wrong(len(self.values), f"the file ends before {what}")

    def end(self, at: int, what: str) -> None:
        """Raise DataError where the file goes on at ``at``."""
        if at < len(self.values):
            raise self.wrong(at, f"`{self.word(at)}` follows {what}")


def _numbers(block: bytes) -> tuple[Numbers, list[tuple[int, bytes]]]:
    """Return the words of a block as numbers, and those that are none with their positions."""
    if not block.translate(None, _NUMERIC):
        codes = np.frombuffer(block, np.uint8) > 32
        count = int(np.count_nonzero(codes[1:] & ~codes[:-1])) + int(codes[:1].sum())
        if not count:
            return np.zeros(0), []
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                numbers = np.fromstring(block, np.float64, sep=" ")
            # `1-2` would be read as two numbers.
            if len(numbers) == count:
                return numbers, []
        except ValueError:
            pass
    words, odd = block.split(), []
    out = np.full(len(words), np.nan)
    for i, word in enumerate(words):
        if _NUMBER.fullmatch(word):
            out[i] = float(word)
        else:
            odd.append((i, word))
    return out, odd
