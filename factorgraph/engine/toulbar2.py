"""The solver toulbar2, where it is installed: energies go to it as whole numbers, and come back.

Its answer's energy is worked out anew from the factors; its bound is less by what rounding may
have taken. Excluded entries cost more than all others together.
"""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import Any

import numpy as np

from factorgraph.engine.menu import Options
from factorgraph.engine.network import clamped
from factorgraph.engine.outcome import INFEASIBLE, Outcome, judged
from factorgraph.engine.plain import plain
from factorgraph.engine.problem import Problem
from factorgraph.engine.watch import Watch
from factorgraph.errors import UsageError
from factorgraph.factors.table import energy
from factorgraph.graph.structure import Energies, Structure

LARGEST = 2.0**52
"""All costs together stay below: it takes them as float64."""


def run(problem: Problem, options: Options, watch: Watch) -> Outcome:
    """Return what toulbar2 finds and proves.

    It cannot be interrupted; a time budget is rounded up to whole seconds.

    Raises
    ------
    UsageError : E0915, pytoulbar2 is not there.
    """
    if find_spec("pytoulbar2") is None:
        raise UsageError(
            "`toulbar2` needs pytoulbar2", code="E0915", hint="pip install 'fgc[toulbar2]'"
        )
    structure, values = plain(problem.structure, problem.values)
    unary, constant = clamped(structure, values, problem.evidence)
    scale, span, factors = scaled(structure, values, unary)
    error = 0.0 if scale == 1.0 and _whole(values) else 0.5 * factors / scale
    known = np.inf if problem.start is None else _energy(problem, problem.start)
    left = None if watch.limit is None else watch.limit - watch.seconds
    if constant == np.inf or (left is not None and left <= 0.0):
        status = INFEASIBLE if constant == np.inf else watch.over
        return Outcome("toulbar2", None, np.inf, np.inf if constant == np.inf else -np.inf, status)
    limit = 0 if left is None else max(1, math.ceil(left))
    solver, offset = _posed(structure, values, unary, scale, span)
    found = None if solver is None else solver.Solve(timeLimit=limit)
    stopped = solver is not None and bool(solver.Option.limited)
    states, best = problem.start, known
    if found is not None:
        chosen = np.array(found[0][: structure.variables], np.int32)
        if _energy(problem, chosen) < best:
            states, best = chosen, _energy(problem, chosen)
    if found is None and not stopped:
        bound = best
    else:
        proven = float(solver.GetDDualBound()) if stopped or found is None else float(found[1])
        bound = min(max(problem.bound, proven / scale + offset + constant - error), best)
    watch.offer(best, states if best < np.inf else None, bound)
    status = INFEASIBLE if bound == np.inf else judged(best, bound, watch.over)
    note = f"toulbar2, costs in units of {1.0 / scale:.3g}" + (
        f", so that the bound is less by {error:.3g}" if error else ""
    )
    nodes = 0 if solver is None else int(solver.GetNbNodes())
    return Outcome(
        "toulbar2",
        states if best < np.inf else None,
        best,
        bound,
        status,
        iterations=nodes,
        trace=watch.trace,
        notes=(note,),
    )


def scaled(structure: Structure, values: Energies, unary: Energies) -> tuple[float, float, int]:
    """Return units in 1 (a power of 10), what exceeds all finite costs in them, and the factors.

    Where all energies are whole and few enough digits the unit is 1, and nothing is rounded.
    """
    total, factors = 1.0, structure.variables
    for g, group in enumerate(structure.groups):
        if len(group.cards) > 1:
            total += float((_span(structure.table(values, g))[group.table]).sum())
            factors += len(group.table)
    total += float(np.where(np.isfinite(unary), np.abs(unary), 0.0).sum())
    if _whole(values) and total < LARGEST / 2:
        return 1.0, float(total + 1), factors
    digits = math.floor(math.log10(LARGEST / 2 / total))
    scale = 10.0**digits
    return scale, float(math.ceil(total * scale) + factors + 1), factors


def _span(tables: Energies) -> Energies:
    """Return the largest finite entry of each table less the smallest."""
    flat = tables.reshape(len(tables), -1)
    high = np.where(np.isfinite(flat), flat, -np.inf).max(axis=1, initial=-np.inf)
    low = flat.min(axis=1, initial=np.inf)
    return np.where(np.isfinite(high), high - np.where(np.isfinite(low), low, 0.0), 0.0)


def _whole(values: Energies) -> bool:
    finite = values[np.isfinite(values)]
    return bool((finite == np.rint(finite)).all())


def _posed(
    structure: Structure, values: Energies, unary: Energies, scale: float, span: float
) -> tuple[Any, float]:
    """Return a solver that was told everything, None if that is contradictory, and what costs
    were lowered by.
    """
    from pytoulbar2 import CFN

    solver = CFN(ubinit=span, resolution=0, verbose=-1)
    offset, state = 0.0, structure.state_offset
    try:
        for v in range(structure.variables):
            solver.AddVariable(f"v{v}", range(int(structure.card[v])))
        for v in range(structure.variables):
            offset += _add(solver, [v], unary[state[v] : state[v + 1]], scale, span)
        for g, group in enumerate(structure.groups):
            if len(group.cards) < 2:
                continue
            tables = structure.table(values, g)
            for scope, table in zip(group.scope.tolist(), group.table.tolist(), strict=True):
                offset += _add(solver, scope, tables[table].reshape(-1), scale, span)
    except solver.Contradiction:
        return None, offset
    return solver, offset


def _add(solver: Any, scope: list[int], costs: Energies, scale: float, span: float) -> float:
    """Add a factor whose least cost is 0; return what it was."""
    low = float(costs.min())
    low = low if np.isfinite(low) else 0.0
    units = np.rint((costs - low) * scale)
    solver.AddFunction(scope, np.where(np.isfinite(units), units, span).tolist())
    return low


def _energy(problem: Problem, states: Any) -> float:
    return float(energy(problem.structure, problem.values[None], states)[0, 0])
