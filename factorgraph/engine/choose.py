"""Which engine answers for a structure, and why."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.engine.enumerate import LIMIT, EnumerationEngine, configurations
from factorgraph.engine.expanded import ExpandedEngine
from factorgraph.engine.forest import Loop, survey
from factorgraph.engine.parallel import Parallel, fold
from factorgraph.engine.probe import Engine
from factorgraph.engine.tree import TreeEngine
from factorgraph.errors import InferenceError, some
from factorgraph.factors.expand import tabled
from factorgraph.graph.structure import Structure


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason in one line."""

    engine: Engine
    reason: str


def choose(structure: Structure) -> Choice:
    """Return the engine for a structure: forest first, then enumeration.

    Parameters
    ----------
    structure : a structure that has passed its ``check``.

    Raises
    ------
    InferenceError : E0510, the graph has a loop and an instance too large to enumerate.
    BudgetError : the engine's index arrays, or tables of factors of kinds, would not fit into the
        memory budget.
    """
    if structure.kinds:
        expanded = tabled(structure)
        choice = choose(expanded.structure)
        return Choice(ExpandedEngine(expanded, choice.engine), choice.reason)
    found = survey(structure)
    factors = some(sum(len(group.table) for group in structure.groups), "factor")
    if isinstance(found, Loop):
        folded = fold(structure)
        inner = None if folded is None else survey(folded[0])
        if folded is not None and inner is not None and not isinstance(inner, Loop):
            engine = Parallel(structure, *folded, TreeEngine(inner))
            return Choice(
                engine, f"exact: forest, {factors}, those over the same variables added up"
            )
    else:
        return Choice(TreeEngine(found), f"exact: forest, {factors}")
    most = configurations(structure)
    if most <= LIMIT:
        return Choice(
            EnumerationEngine(structure),
            f"exact: enumeration of at most {some(most, 'configuration')}",
        )
    size = f"{most} configurations" if most < 2**62 else "2^62 configurations or more"
    raise InferenceError(
        f"the graph has a loop: factor `{found.factor}` closes one in instance "
        f"{found.instance}, and there are up to {size}",
        code="E0510",
        hint="only chains, trees and small graphs are inferred so far",
    )
