"""Answers for a graph built in Python, by the names of its variables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from factorgraph.engine.choose import choose
from factorgraph.engine.result import Result
from factorgraph.graph.builder import NamedGraph
from factorgraph.graph.structure import Energies, Graph, Ints


@dataclass(frozen=True)
class Solution:
    """A configuration of least energy.

    Attributes
    ----------
    energy : its energy, +inf where no configuration is feasible.
    assignment : int32 of each block's shape, the states by name.
    status : "optimal" or "infeasible".
    result : the same as arrays.
    reason : the engine that was chosen, and why.
    """

    energy: float
    assignment: dict[str, Ints]
    status: str
    result: Result
    reason: str


def minimise(graph: NamedGraph) -> Solution:
    """Return a configuration of least energy of a built graph.

    Raises
    ------
    InferenceError : no engine can answer for this graph.
    """
    choice = choose(graph.structure)
    result = Result.exact(choice.engine.minimum(graph.values))
    states = result.states[0]
    assignment = {
        block.name: states[block.first : block.first + block.size].reshape(block.shape)
        for block in graph.blocks
    }
    return Solution(
        float(result.energy[0, 0]), assignment, result.status[0][0], result, choice.reason
    )


def log_partition(graph: Graph, beta: float = 1.0) -> float:
    """Return log sum exp(-beta E) over all configurations of a graph; -inf where none is feasible.

    All instances of the graph's first batch entry are summed.

    Raises
    ------
    InferenceError : no engine can answer for this graph.
    UsageError : beta is not positive and finite.
    """
    soft = choose(graph.structure).engine.soft_minimum(graph.values, beta)
    return float(-beta * soft.value[0].sum())


def marginals(graph: NamedGraph, beta: float = 1.0) -> dict[str, Energies]:
    """Return the marginal of every variable by name, float64 [*shape, card].

    Raises
    ------
    InferenceError : no engine can answer for this graph.
    UsageError : beta is not positive and finite.
    """
    flat = choose(graph.structure).engine.soft_minimum(graph.values, beta).marginals()[0]
    offset = graph.structure.state_offset
    return {
        block.name: np.array(flat[offset[block.first] : offset[block.first + block.size]]).reshape(
            *block.shape, block.card
        )
        for block in graph.blocks
    }
