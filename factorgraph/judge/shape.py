"""What a text alone tells of the graphs that its instances become.

Unknown arrays are taken as the nodes of a small graph: two are linked where a factor reads an
element of both, at indices that differ by a fixed offset. What follows from it holds for every
instance, whatever its sizes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from factorgraph.model.expression import (
    Apply,
    Const,
    Expr,
    FieldRead,
    LengthOf,
    Spelling,
    UnknownRead,
    Variable,
    free_variables,
    walk,
)
from factorgraph.model.model import FactorDeclaration, Model

Form = Literal["none", "separate", "chain", "forest", "open"]


@dataclass(frozen=True)
class Shape:
    """The form of every instance's graph.

    Attributes
    ----------
    form : ``none``: there are no unknowns in factors; ``separate``: no factor joins two;
        ``chain``, ``forest``: no loops; ``open``: the text alone does not tell.
    why : a sentence without a full stop.
    widest : how many unknowns one factor reads at most.
    """

    form: Form
    why: str
    widest: int

    @property
    def is_forest(self) -> bool:
        return self.form in ("none", "separate", "chain", "forest")


@dataclass(frozen=True)
class _Place:
    """An element: its array, and its place as one variable plus an offset along each axis."""

    name: str
    axes: tuple[tuple[Variable, int], ...]


def shape_of(model: Model, factors: Iterable[FactorDeclaration] | None = None) -> Shape:
    """Return what is known of the graph of every instance.

    Parameters
    ----------
    factors : those that make the graph, by default the model's.
    """
    chosen = list(model.factors.values() if factors is None else factors)
    for name, unknown in model.unknowns.items():
        if unknown.sequence is not None:
            return Shape("open", f"the values of `{name}` are whole sequences", 0)
    for factor in chosen:
        if _reads_many(factor):
            return Shape(
                "open",
                f"how many unknowns factor `{factor.name}` joins is seen with the data",
                0,
            )
    scopes = [_scope(f) for f in chosen]
    widest = max(map(len, scopes), default=0)
    if widest == 0:
        return Shape("none", "no factor reads an unknown", 0)
    if widest == 1:
        return Shape("separate", "no factor reads more than one unknown, so that each unknown is "
                     "decided by itself", 1)  # fmt: skip
    links: dict[tuple[str, str], set[tuple[int, ...]]] = defaultdict(set)
    arrays = {name for name, unknown in model.unknowns.items() if unknown.axes}
    for factor, scope in zip(chosen, scopes, strict=True):
        if len(scope) < 2:
            continue
        if len(scope) > 2:
            return Shape(
                "open",
                f"factor `{factor.name}` reads {len(scope)} unknowns at once; what loops there are "
                "is seen with the data",
                widest,
            )
        places = [_place(e) for e in scope]
        a, b = places
        if a is None or b is None or not _aligned(a, b):
            return Shape(
                "open",
                f"which unknowns factor `{factor.name}` joins, and so whether there are loops, "
                "is seen with the data",
                widest,
            )
        if a.name > b.name:
            a, b = b, a
        offset = tuple(y - x for (_, x), (_, y) in zip(a.axes, b.axes, strict=False))
        if a.name == b.name and not any(offset):
            continue
        if a.name == b.name and offset < tuple(-x for x in offset):
            offset = tuple(-x for x in offset)
        links[(a.name, b.name)].add(offset)
    return _judged(links, widest, arrays)


def _judged(
    links: dict[tuple[str, str], set[tuple[int, ...]]], widest: int, arrays: set[str]
) -> Shape:
    seen_with_data = (
        "unknowns are joined in more than one way; whether that makes loops is seen with the data"
    )
    if any(len(offsets) > 1 for offsets in links.values()):
        return Shape("open", seen_with_data, widest)
    loops = [pair for pair in links if pair[0] == pair[1]]
    across = [pair for pair in links if pair[0] != pair[1]]
    hubs = [pair for pair in across if links[pair] == {()}]
    whole, rows = _Groups(), _Groups()
    for pair in across:
        if not whole.join(*pair):
            return Shape("open", seen_with_data, widest)
        if pair not in hubs:
            rows.join(*pair)
    # the elements of arrays that are joined place by place may be joined further in one way only:
    # each to the next one, or all to one single unknown
    ways = [rows.top(name) for name, _ in loops]
    ways += [rows.top(name) for pair in hubs for name in pair if name in arrays]
    if len(set(ways)) < len(ways):
        return Shape("open", seen_with_data, widest)
    if loops and not across:
        (names, *_), (offset, *_) = loops, *links.values()
        steps = [x for x in offset if x]
        if len(loops) == 1 and steps == [1]:
            read = f"`{names[0]}`"
            return Shape("chain", f"each element of {read} is joined to the next one, and to no "
                         "other", widest)  # fmt: skip
    return Shape("forest", "no way through factors leads from an unknown back to it", widest)


class _Groups:
    """Names that are joined, directly or by way of others."""

    def __init__(self) -> None:
        self.above: dict[str, str] = {}

    def top(self, name: str) -> str:
        while self.above.setdefault(name, name) != name:
            name = self.above[name]
        return name

    def join(self, a: str, b: str) -> bool:
        """Join two names; return whether they were not joined before."""
        one, two = self.top(a), self.top(b)
        self.above[one] = two
        return one != two


def _reads_many(factor: FactorDeclaration) -> bool:
    """Return whether a factor reads a whole sequence, or unknowns that a loop in it runs over."""
    own = {b.variable for b in factor.binders}
    for node in walk(factor.value):
        if isinstance(node, Spelling | LengthOf):
            return True
        if isinstance(node, UnknownRead) and free_variables(node) - own:
            return True
    return False


def _scope(factor: FactorDeclaration) -> list[Expr]:
    """Return the elements of unknowns that a factor reads, a record once."""
    found: dict[Expr, None] = {}
    for read in factor.scope:
        found.setdefault(read.base if isinstance(read, FieldRead) else read)
    for node in walk(factor.value):
        if isinstance(node, UnknownRead):
            found.setdefault(node)
    return list(found)


def _place(e: Expr) -> _Place | None:
    """Return where an element lies, None where that is not a variable plus a constant."""
    if not isinstance(e, UnknownRead):
        return None
    axes = []
    for index in e.indices:
        found = _offset(index)
        if found is None:
            return None
        axes.append(found)
    names = [v for v, _ in axes]
    return _Place(e.name, tuple(axes)) if len(set(names)) == len(names) else None


def _offset(index: Expr) -> tuple[Variable, int] | None:
    match index:
        case Variable():
            return index, 0
        case Apply(operator="+" | "-", arguments=(Variable() as v, Const(value=int(k)))):
            return v, k if index.operator == "+" else -k
        case Apply(operator="+", arguments=(Const(value=int(k)), Variable() as v)):
            return v, k
    return None


def _aligned(a: _Place, b: _Place) -> bool:
    """Return whether the same variables tell two places, axis by axis, or one has no axes."""
    if not a.axes or not b.axes:
        return a.name != b.name
    return [v for v, _ in a.axes] == [v for v, _ in b.axes]
