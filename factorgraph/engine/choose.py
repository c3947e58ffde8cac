"""Which engine answers for a structure, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from factorgraph.engine.enumerate import LIMIT, EnumerationEngine, configurations
from factorgraph.engine.expanded import ExpandedEngine
from factorgraph.engine.forest import Loop, survey
from factorgraph.engine.junction import JunctionEngine
from factorgraph.engine.parallel import Parallel, fold
from factorgraph.engine.probe import Engine
from factorgraph.engine.tree import TreeEngine
from factorgraph.errors import BudgetError, InferenceError, some
from factorgraph.factors.expand import tabled
from factorgraph.graph.structure import Structure
from factorgraph.jit import sized

TINY = 2**12
"""Configurations that are looked at one by one, where elimination would have to be planned."""


@dataclass(frozen=True)
class Choice:
    """An engine, and the reason in one line."""

    engine: Engine
    reason: str
    seconds: float = 0.0
    """What an answer takes, by a rough estimate."""
    steps: float = float("inf")
    """Entries that kernels look at for an answer, roughly."""


PLANNED = 2e-6
"""Seconds that an order of elimination takes for each variable of each factor, roughly."""


def choose(structure: Structure, seconds: float = float("inf")) -> Choice:
    """Return the engine for a structure: forest, else enumeration if tiny, else elimination.

    Where an answer is asked once, machine code is not made to plan a small one.

    Parameters
    ----------
    structure : a structure that has passed its ``check``.
    seconds : elimination whose order would take longer to find is none.

    Raises
    ------
    InferenceError : E0510, the graph has loops, and is too wide for the memory budget; E0505,
        tables of factors of kinds would not fit into it.
    BudgetError : the engine's index arrays would not fit into the memory budget.
    """
    with sized(sum(len(group.table) * (1 + len(group.cards)) for group in structure.groups)):
        return _chosen(structure, seconds)


def _chosen(structure: Structure, seconds: float) -> Choice:
    if structure.kinds:
        try:
            expanded = tabled(structure)
        except BudgetError as error:
            raise InferenceError(
                f"exact inference needs tables of all factors: {error.message}",
                code="E0505",
                hint="messages need none: minsum, sumproduct",
            ) from None
        choice = choose(expanded.structure, seconds)
        return replace(choice, engine=ExpandedEngine(expanded, choice.engine))
    found = survey(structure)
    entries = float(sum(len(group.table) * group.states for group in structure.groups))
    rows = sum(len(group.table) for group in structure.groups)
    factors = some(rows, "factor")
    if isinstance(found, Loop):
        folded = fold(structure)
        inner = None if folded is None else survey(folded[0])
        if folded is not None and inner is not None and not isinstance(inner, Loop):
            engine = Parallel(structure, *folded, TreeEngine(inner))
            return Choice(
                engine,
                f"exact: forest, {factors}, those over the same variables added up",
                steps=entries,
            )
    else:
        return Choice(TreeEngine(found), f"exact: forest, {factors}", steps=entries)
    most = configurations(structure)
    if most > TINY:
        try:
            _in_time(structure, seconds)
            wide = JunctionEngine(structure)
        except InferenceError as error:
            if most > LIMIT:
                raise _looped(found, error) from None
        else:
            return Choice(wide, wide.reason, wide.seconds, float(wide.plan.order.entries.sum()))
    return Choice(
        EnumerationEngine(structure),
        f"exact: enumeration of at most {some(most, 'configuration')}",
        steps=float(structure.instances * most * max(1, rows)),
    )


def _in_time(structure: Structure, seconds: float) -> None:
    """Refuse to look for an order of elimination where that alone would take too long."""
    places = sum(group.scope.size for group in structure.groups if len(group.cards) > 1)
    if PLANNED * places > seconds:
        raise InferenceError(
            f"an order of elimination would take about {PLANNED * places:.2g} s to find",
            code="E0510",
            hint="--budget-time gives more",
        )


def _looped(loop: Loop, error: InferenceError) -> InferenceError:
    """Return what is said of a graph that no exact engine can answer for."""
    return InferenceError(
        f"the graph has a loop: factor `{loop.factor}` closes one in instance {loop.instance}, "
        f"and {error.message}",
        code=error.code,
        hint=error.hint,
    )
