"""Write factors of a product: UAI's MARKOV networks and libDAI's factor graphs.

A factor's entries are exp(-energy), which numbers of double precision hold for energies up to 700.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from factorgraph.errors import UsageError
from factorgraph.graph.structure import Energies, Ints
from factorgraph.interop.formats.instance import Instance
from factorgraph.interop.formats.plain import Factor, Plain, plain

RANGE = 700.0
Say = Callable[[str], object]


def write_uai(instance: Instance, say: Say, note: Say) -> None:
    """Write a MARKOV network.

    Parameters
    ----------
    say : takes the text part by part.
    note : is told, in a sentence, where something is not as it was.

    Raises
    ------
    UsageError : energies are out of the range of probabilities.
    """
    net = plain(instance)
    shift = _shifts(net)
    extra = _extra(net)
    count = len(net) + len(extra)
    card = instance.structure.card
    say(f"MARKOV\n{len(card)}\n{_row(card)}\n{count}\n")
    for factor in net.factors():
        say(f"{len(factor.scope)} {_row(factor.scope)}\n")
    for scope, _ in extra:
        say(f"{len(scope)} {_row(scope)}\n")
    for factor in net.factors():
        entries = np.exp(-(factor.table.reshape(-1) - shift(factor)))
        say(f"\n{len(entries)}\n {_row(entries)}\n")
    for _, entries in extra:
        say(f"\n{len(entries)}\n {_row(entries)}\n")


def write_libdai(instance: Instance, say: Say, note: Say) -> None:
    """Write libDAI's factor graph; variables keep their labels if they had such.

    Parameters and errors are those of `write_uai`.
    """
    net = plain(instance)
    shift = _shifts(net)
    card, names = instance.structure.card, instance.names
    numbered = bool(names) and all(name.isdecimal() for name in names)
    label = [int(name) for name in names] if numbered else list(range(len(card)))
    used = np.zeros(len(card), bool)
    for group in net.instance.structure.groups:
        used[group.scope] = True
    extra = _extra(net)
    for scope, _ in extra:
        used[scope] = True
    # Variables that no factor has would not be there.
    alone = np.flatnonzero(~used)
    extra += [(np.array([v], np.int32), np.ones(card[v])) for v in alone.tolist()]
    say(f"{len(net) + len(extra)}\n")

    def block(scope: Ints, entries: Energies) -> None:
        turned = entries.reshape(card[scope]).transpose().reshape(-1)
        kept = np.flatnonzero(turned)
        own = " ".join(str(label[v]) for v in scope.tolist())
        say(f"\n{len(scope)}\n{own}\n{_row(card[scope])}\n{len(kept)}\n")
        say(
            "".join(
                f"{at} {p!r}\n" for at, p in zip(kept.tolist(), turned[kept].tolist(), strict=True)
            )
        )

    for factor in net.factors():
        block(factor.scope, np.exp(-(factor.table - shift(factor))))
    for scope, entries in extra:
        block(scope, entries)


def _row(values: Energies | Ints) -> str:
    return " ".join(map(repr, values.tolist()))


def _extra(net: Plain) -> list[tuple[Ints, Energies]]:
    """Return the factors that hold what no other one can: a product of 0, or of none at all."""
    instance = net.instance
    scope = np.arange(min(1, instance.variables), dtype=np.int32)
    states = int(instance.structure.card[0]) if len(scope) else 1
    if instance.offset == np.inf:
        return [(scope, np.zeros(states))]
    if len(net) or instance.offset == 0:
        return []
    if abs(instance.offset) > RANGE:
        raise _out_of_range()
    return [(scope, np.full(states, np.exp(-instance.offset)))]


def _shifts(net: Plain) -> Callable[[Factor], float]:
    """Return what is subtracted from a factor's energies, so that all are in range.

    The constant energy is spread over all factors, and so are the least energies of tables that
    would be out of range.
    """
    structure, values = net.instance.structure, net.instance.values
    own: list[Energies] = []
    total = 0.0 if net.instance.offset == np.inf else -net.instance.offset
    widest = 0.0
    for g, group in enumerate(structure.groups):
        tables = structure.table(values, g).reshape(group.distinct, -1)
        low = np.where(np.isfinite(tables), tables, np.inf).min(axis=1, initial=np.inf)
        high = np.where(np.isfinite(tables), tables, -np.inf).max(axis=1, initial=-np.inf)
        low, high = np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
        away = (np.maximum(np.abs(low), np.abs(high)) > RANGE / 2) | (net.instance.offset != 0)
        moved = np.where(away, low, 0.0)
        own.append(moved)
        total -= float(moved[group.table].sum())
        widest = max(widest, float((high - moved).max(initial=0.0)))
    share = total / len(net) if len(net) else 0.0
    if widest > RANGE or widest - min(0.0, -share) > RANGE or abs(share) > RANGE:
        raise _out_of_range()
    return lambda factor: float(own[factor.key[0]][factor.key[1]]) + share


def _out_of_range() -> UsageError:
    return UsageError(
        "energies that differ by more than 700 are no probabilities that a number can hold",
        code="E0375",
        hint="--scale 0.01 multiplies all energies; the least stays the least",
    )
