"""Every kind of factor that has a file of its own, by name."""

from __future__ import annotations

from importlib import import_module

from factorgraph.errors import UsageError, did_you_mean
from factorgraph.factors.kind import Kind
from factorgraph.factors.states import SUFFIX, OfStates

_BUILT: dict[str, str] = {
    "all_different": "all_different",
    "at_least_one": "at_least_one",
    "at_most_one": "at_most_one",
    "bilinear": "bilinear",
    "cardinality": "cardinality",
    "convex": "convex",
    "exactly_one": "exactly_one",
    "knapsack": "knapsack",
    "label_potts": "label_potts",
    "logical_and": "logical_and",
    "logical_or": "logical_or",
    "parity": "parity",
    "pattern": "pattern",
    "pn_potts": "pn_potts",
    "potts": "potts",
    "truncated": "truncated",
}
"""Names of the kinds that fgc brings along, and the modules of `factorgraph.factors`."""

_known: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known by its name, for graphs that are built from now on.

    Raises
    ------
    UsageError : another kind has this name.
    """
    if kind.name in _BUILT or _known.get(kind.name, kind) is not kind:
        raise UsageError(f"there is a kind `{kind.name}` already", code="E0920")
    _known[kind.name] = kind
    return kind


def names() -> list[str]:
    """Return the names of all kinds, sorted."""
    return sorted({*_BUILT, *_known})


def kind_of(name: str) -> Kind:
    """Return the kind of a name; `` of states`` after that of one over bits makes it one over
    states.

    Raises
    ------
    UsageError : there is none.
    """
    if name not in _known and name.endswith(SUFFIX):
        _known[name] = OfStates(kind_of(name.removesuffix(SUFFIX)))
    if name not in _known and name in _BUILT:
        _known[name] = import_module(f"factorgraph.factors.{_BUILT[name]}").KIND
    if name not in _known:
        raise UsageError(
            f"there is no kind of factor `{name}`",
            code="E0920",
            hint=did_you_mean(name, [*_BUILT, *_known]),
        )
    return _known[name]
