"""Solution files as the UAI competitions write them: a header line, then the values.

``PR``: the logarithm of the partition function to base 10. ``MAR``: the number of variables, then
for each its number of states and their probabilities. ``MAP``: the number of variables, then the
state of each. Where no configuration is feasible, the second line says ``infeasible``; where none
was found, ``unknown``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from factorgraph.engine.outcome import INFEASIBLE
from factorgraph.graph.structure import Structure
from factorgraph.interop.formats.solve import Answer


def solution(structure: Structure, answers: Sequence[Answer]) -> str:
    """Return the text of a solution file, a line for each answer of one task."""
    return "\n".join([answers[0].task, *(_line(structure, answer) for answer in answers)]) + "\n"


def _line(structure: Structure, answer: Answer) -> str:
    if answer.task == "PR":
        if answer.status.startswith(INFEASIBLE):
            return "-inf"
        return f"{answer.log10:.12g}" if np.isfinite(answer.log10) else "unknown"
    missing = INFEASIBLE if answer.status.startswith(INFEASIBLE) else "unknown"
    if answer.task == "MAP":
        if answer.states is None:
            return missing
        return " ".join(map(str, [len(answer.states), *answer.states.tolist()]))
    if answer.marginals is None:
        return missing
    parts = [str(structure.variables)]
    offset = structure.state_offset.tolist()
    values = answer.marginals.tolist()
    for first, last in zip(offset[:-1], offset[1:], strict=True):
        parts.append(str(last - first))
        parts.extend(f"{value:.10g}" for value in values[first:last])
    return " ".join(parts)
