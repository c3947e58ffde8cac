"""Factor graphs as networkx graphs, to look at and to ask graph questions of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorgraph import budget
from factorgraph.graph.structure import Structure, scopes

if TYPE_CHECKING:
    import networkx as nx

BYTES_AN_EDGE = 1000


def to_networkx(structure: Structure) -> nx.Graph[Any]:
    """Return the bipartite graph of variables and factors.

    Nodes are ``("variable", v)`` with attributes ``card`` and ``instance``, and ``("factor", name,
    row)`` with ``group`` and ``arity``; ``bipartite`` is 0 and 1 as networkx has it. Edges have
    ``slot``, the place of the variable in the factor's scope.

    Raises
    ------
    BudgetError : a graph of Python objects this large would not fit.
    """
    import networkx as nx

    edges = sum(group.scope.size for group in structure.every)
    budget.require(BYTES_AN_EDGE * (edges + structure.variables), "a networkx graph")
    graph: nx.Graph[Any] = nx.Graph()
    for i in range(structure.instances):
        for v in range(int(structure.instance[i]), int(structure.instance[i + 1])):
            graph.add_node(("variable", v), bipartite=0, card=int(structure.card[v]), instance=i)
    for group in structure.every:
        for row, scope in enumerate(scopes(group)):
            node = ("factor", group.name, row)
            graph.add_node(node, bipartite=1, group=group.name, arity=len(scope))
            for slot, v in enumerate(scope):
                graph.add_edge(node, ("variable", v), slot=slot)
    return graph
