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
    groups, kinds = structure.groups, structure.kinds
    factors = sum(len(g.table) for g in groups) + sum(len(k.table) for k in kinds)
    rows: list[tuple[str, ...]] = [
        (g.name, " x ".join(map(str, g.cards)) or "1", f"{len(g.table)}", f"{g.distinct}")
        for g in groups
    ]
    rows += [(k.name, k.kind, f"{len(k.table)}", f"{k.distinct}") for k in kinds]
    return table(
        some(structure.variables, "variable"),
        ("variables", "shape", "states"),
        _shown([_variables(block) for block in built.blocks]),
    ) + table(
        some(factors, "factor"),
        ("factors", "table", "how many", "distinct tables"),
        _shown(rows),
    )


def _variables(block: Block) -> tuple[str, ...]:
    shape = " x ".join(map(str, block.shape)) if block.shape else "a single one"
    return block.name, shape, str(block.card)


def _shown(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
    yield from rows[:MOST]
    if len(rows) > MOST:
        yield (f"… and {len(rows) - MOST} more", *[""] * (len(rows[0]) - 1))
