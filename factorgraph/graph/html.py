"""A graph as tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterator

from factorgraph.errors import some
from factorgraph.graph.builder import Block, FactorGraph, NamedGraph
from factorgraph.markup import table

MOST = 50
"""Rows of a table that are shown."""


def graph_html(graph: FactorGraph | NamedGraph) -> str:
    """Return a graph's variables and factors as HTML tables, one row for each name."""
    built = graph.build() if isinstance(graph, FactorGraph) else graph
    structure = built.structure
    factors = sum(len(group.table) for group in structure.groups)
    return table(
        some(structure.variables, "variable"),
        ("variables", "shape", "states"),
        _shown([_variables(block) for block in built.blocks]),
    ) + table(
        some(factors, "factor"),
        ("factors", "table", "how many", "distinct tables"),
        _shown(
            [
                (g.name, " x ".join(map(str, g.cards)) or "1", f"{len(g.table)}", f"{g.distinct}")
                for g in structure.groups
            ]
        ),
    )


def _variables(block: Block) -> tuple[str, ...]:
    shape = " x ".join(map(str, block.shape)) if block.shape else "a single one"
    return block.name, shape, str(block.card)


def _shown(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    yield from rows[:MOST]
    if len(rows) > MOST:
        yield (f"… and {len(rows) - MOST} more", *[""] * (len(rows[0]) - 1))
