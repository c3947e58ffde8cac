"""States that may be renamed, as colours may: the states of a clique are then as good as known."""

from __future__ import annotations

import numpy as np

from factorgraph.graph.structure import Energies, Ints, Structure


def representative(structure: Structure, values: Energies, evidence: Ints) -> Ints:
    """Return evidence that keeps an optimum, and leaves fewer of its kind.

    Where every factor only tells equal from unequal states, any renaming of the states keeps the
    energy, so that variables which must all differ can be given states in turn.

    Parameters
    ----------
    values : float64 [T].
    evidence : int32 [V], -1 where free; nothing is added where something is observed.
    """
    card = structure.card
    if not len(card) or (evidence >= 0).any() or (card != card[0]).any() or card[0] < 2:
        return evidence
    pairs = []
    for g, group in enumerate(structure.groups):
        tables = structure.table(values, g)
        arity = len(group.cards)
        if arity > 2 or not group.distinct:
            return evidence
        if arity == 1 and (tables != tables[:, :1]).any():
            return evidence
        if arity == 2:
            same = np.eye(group.cards[0], dtype=bool)
            equal, unequal = tables[:, same], tables[:, ~same]
            if (equal != equal[:, :1]).any() or (unequal != unequal[:, :1]).any():
                return evidence
            differ = np.isinf(equal[:, 0]) & np.isfinite(unequal[:, 0])
            pairs.append(group.scope[differ[group.table]])
    clique = _clique(np.concatenate(pairs)) if pairs else []
    out = evidence.copy()
    out[clique[: card[0]]] = np.arange(min(len(clique), card[0]))
    return out


def _clique(pairs: Ints) -> list[int]:
    """Return the variables of a clique that cannot be extended, found greedily from each one."""
    import networkx

    graph = networkx.Graph(pairs.tolist())
    best: list[int] = []
    for start in sorted(graph, key=lambda v: (-graph.degree(v), v))[:64]:
        if graph.degree(start) < len(best):
            continue
        found, open_ = [start], set(graph[start])
        while open_:
            v = max(open_, key=lambda u: (len(open_ & set(graph[u])), -u))
            found.append(v)
            open_ &= set(graph[v])
        if len(found) > len(best):
            best = found
    return best
