"""Values of the slow truth: axes, arrays, records, and the functions of numbers and texts."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

Place = tuple[int, ...]


class Outside(Exception):
    """An index left its axis."""


@dataclass(frozen=True)
class Axis:
    """What an axis runs over: whole numbers from ``low``, or labels."""

    count: int
    low: int = 0
    labels: tuple[str, ...] | None = None

    def place(self, value: Any) -> int:
        if self.labels is not None:
            return self.labels.index(value)
        at = int(value) - self.low
        if at != value - self.low or not 0 <= at < self.count:
            raise Outside(f"{value} in {self.low}..{self.low + self.count - 1}")
        return at

    def values(self) -> list[Any]:
        if self.labels is not None:
            return list(self.labels)
        return list(range(self.low, self.low + self.count))


Ragged = Callable[[Place], Axis]
"""An axis that depends on the positions on the axes before it."""


@dataclass(frozen=True)
class Arr:
    """An array: its axes, and a function from positions to an element.

    Attributes
    ----------
    hits : of a sparse row of counts, the places that are not 0.
    """

    axes: tuple[Axis | Ragged, ...]
    at: Callable[[Place], Any]
    hits: dict[int, int] | None = None

    def axis(self, before: Place) -> Axis:
        """Return the axis after the positions ``before``."""
        axis = self.axes[len(before)]
        return axis if isinstance(axis, Axis) else axis(before)

    def places(self, before: Place = ()) -> Iterator[Place]:
        if len(before) == len(self.axes):
            yield before
            return
        for k in range(self.axis(before).count):
            yield from self.places((*before, k))

    def elements(self) -> list[Any]:
        return [self.at(p) for p in self.places()]

    def lists(self, before: Place = ()) -> Any:
        """Return the elements as nested lists."""
        if len(before) == len(self.axes):
            return self.at(before)
        return [self.lists((*before, k)) for k in range(self.axis(before).count)]


@dataclass(frozen=True)
class Record:
    """One value of a record type."""

    names: tuple[str, ...]
    values: tuple[Any, ...]

    def get(self, name: str) -> Any:
        return self.values[self.names.index(name)]


@dataclass(frozen=True)
class Sequence:
    """A value of a path or of segments: its elements in order."""

    elements: tuple[tuple[Any, ...], ...]
    labelled: bool

    def spell(self) -> str:
        assert self.labelled
        return "".join(as_text(e[-1]) for e in self.elements)


def nested(value: Any, axes: tuple[Axis | Ragged, ...]) -> Any:
    """Return nested lists as an array, or the number itself."""
    if not axes:
        return value

    def at(place: Place) -> Any:
        item = value
        for k in place:
            item = item[k]
        return item

    return Arr(axes, at)


def each(function: Callable[..., Any], *values: Any) -> Any:
    """Apply a function to numbers, or element by element where any is an array."""
    arrays = [v for v in values if isinstance(v, Arr)]
    if not arrays:
        return function(*values)
    axes = arrays[0].axes
    counts = [a.count for a in axes if isinstance(a, Axis)]
    if len(counts) == len(axes):
        assert all([a.count for a in x.axes if isinstance(a, Axis)] == counts for x in arrays)
        if any(x.axes != axes for x in arrays):
            axes = tuple(Axis(n) for n in counts)
    else:
        assert all(list(x.places()) == list(arrays[0].places()) for x in arrays)
    return Arr(axes, lambda p: function(*(v.at(p) if isinstance(v, Arr) else v for v in values)))


# -- numbers


class Length(float):
    """A `norm`, which keeps the sum of squares that `norm(…)^2` is."""

    squares: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Length:
        squares = sum(x * x for x in values)
        found = cls(math.sqrt(squares))
        found.squares = squares
        return found


def power(a: Any, b: Any) -> Any:
    return a.squares if isinstance(a, Length) and b == 2 else a**b


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log(1 + math.exp(-abs(x)))


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def log(x: float) -> float:
    return math.log(x) if x else -math.inf


UNARY: dict[str, Callable[[Any], Any]] = {
    "abs": abs, "exp": exp, "log": log, "sqrt": math.sqrt, "tanh": math.tanh,
    "cosh": math.cosh, "sigmoid": sigmoid, "softplus": softplus,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
    "^": power,
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "&": lambda a, b: f"{as_text(a)}&{as_text(b)}",
    "min": min,
    "max": max,
}


def ones(values: list[Any]) -> int:
    return sum(1 for v in values if v)


COUNTING: dict[str, Callable[[list[Any]], int]] = {
    "count": ones,
    "xor": lambda values: ones(values) % 2,
    "atmostone": lambda values: int(ones(values) <= 1),
    "exactlyone": lambda values: int(ones(values) == 1),
    "atleastone": lambda values: int(ones(values) >= 1),
    "alldiff": lambda values: int(all(a != b for a, b in itertools.combinations(values, 2))),
}


# -- texts


def as_text(value: Any) -> str:
    """Return a whole number or a label as a text."""
    if isinstance(value, str):
        return value
    if int(value) != value:
        raise TypeError(f"{value} is no text")
    return str(int(value))


def prefix(text: Any, count: int | None = None) -> str:
    text = as_text(text)
    return text.split("-", 1)[0] if count is None else text[:count]


def suffix(text: Any, count: int) -> str:
    text = as_text(text)
    return text[max(0, len(text) - count) :]


def kind(text: Any) -> str:
    _, _, after = as_text(text).partition("-")
    return after


def shape(text: Any) -> str:
    found = ""
    for c in as_text(text):
        if c.isupper():
            c = "X"
        elif c.islower():
            c = "x"
        elif c.isdigit():
            c = "d"
        if found[-1:] != c:
            found += c
    return found


TEXTS: dict[str, Callable[..., str]] = {
    "lower": lambda text: as_text(text).lower(),
    "prefix": prefix,
    "suffix": suffix,
    "kind": kind,
    "shape": shape,
}


def fnv(text: str) -> int:
    """Return FNV-1a, 64 bits, of the text in UTF-8."""
    found = 14695981039346656037
    for byte in text.encode():
        found = ((found ^ byte) * 1099511628211) % 2**64
    return found


def namespace(text: str) -> str:
    """Return a feature's argument as it names its features: blanks and comments left out."""
    found = re.findall(r'"[^"]*"|#[^\n]*|[^\s"#]+', text)
    return "".join("".join(part.split()) for part in found if not part.startswith("#"))
