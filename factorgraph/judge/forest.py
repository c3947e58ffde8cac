"""Whether a text alone tells that its graphs are forests, on which messages are exact."""

from __future__ import annotations

from factorgraph.judge.covered import normal
from factorgraph.model.arrays import minus
from factorgraph.model.expression import Expr, UnknownRead, free_variables
from factorgraph.model.model import FactorDeclaration, Model


def is_forest(model: Model) -> bool:
    """Return whether chains and stars are all there is, whatever the data.

    Arrays are joined place by place, without circles, and at most one array of those that are
    joined has links between neighbours, along one axis. False where that is not seen.
    """
    links: dict[str, tuple[object, ...]] = {}
    joined: dict[str, str] = {name: name for name in model.unknowns}
    pairs: set[frozenset[str]] = set()

    def root(name: str) -> str:
        while joined[name] != name:
            name = joined[name]
        return name

    for factor in model.factors.values():
        reads = _scope(factor)
        if reads is None:
            return False
        if len(reads) < 2:
            continue
        a, b = reads
        shift = _shift(a, b)
        if a.name == b.name:
            if shift is None or sum(map(bool, shift)) != 1 or max(map(abs, shift)) != 1:
                return False
            along = tuple(map(abs, shift))
            if links.setdefault(a.name, along) != along:
                return False
            continue
        both = frozenset((a.name, b.name))
        scalar = not a.indices or not b.indices
        if not scalar and (shift is None or any(shift)):
            return False
        if both in pairs:
            continue
        pairs.add(both)
        if root(a.name) == root(b.name):
            return False
        joined[root(a.name)] = root(b.name)
    scalars = {n for n, u in model.unknowns.items() if not u.axes}
    for name in links:
        others = [n for n in model.unknowns if n != name and root(n) == root(name)]
        if any(n in links or n in scalars for n in others):
            return False
    return True


def _scope(factor: FactorDeclaration) -> list[UnknownRead] | None:
    """Return the at most two unknowns of a factor's terms, None where they are more or unclear."""
    bound = {b.variable for b in factor.binders}
    reads = []
    for read in factor.scope:
        if not isinstance(read, UnknownRead) or not free_variables(read) <= bound:
            return None
        reads.append(read)
    return reads if len(reads) <= 2 else None


def _shift(a: UnknownRead, b: UnknownRead) -> tuple[int, ...] | None:
    """Return by how much the places of two reads differ, None where that varies."""
    if len(a.indices) != len(b.indices):
        return None
    found = [_difference(i, j) for i, j in zip(a.indices, b.indices, strict=True)]
    return None if any(d is None for d in found) else tuple(d or 0 for d in found)


def _difference(i: Expr, j: Expr) -> int | None:
    coefficients, constant = normal(minus(j, i))
    return None if coefficients else constant
