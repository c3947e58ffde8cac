"""Write a graph as a model text of our own, and an archive with its tables.

The text has an array of answers for each number of states, a relation for the scopes of each
shape of factor, and tables as givens; `fgc infer OUT.fg OUT.npz` answers for it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from factorgraph.graph.structure import Group, KindGroup
from factorgraph.interop.formats.instance import Instance
from factorgraph.syntax.format import format

Arrays = dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]]


@dataclass(frozen=True)
class _Unknowns:
    """Variables by their number of states.

    Attributes
    ----------
    place : int64 [V], the place of each variable among those with as many states.
    """

    place: np.ndarray[tuple[int], np.dtype[np.int64]]
    counts: dict[int, int]


def write_given(instance: Instance) -> tuple[str, bytes]:
    """Return the model text, and the archive's bytes.

    Evidence is not in them; make it factors first, by `fixed`.
    """
    structure = instance.structure
    card = structure.card
    place, counts = np.zeros(len(card), np.int64), {}
    for states in np.unique(card).tolist():
        these = np.flatnonzero(card == states)
        place[these] = np.arange(len(these))
        counts[states] = len(these)
    unknowns = _Unknowns(place, counts)
    arrays: Arrays = {f"n{k}": np.array([n]) for k, n in counts.items()}
    sizes, givens, factors = [f"n{k}" for k in counts], [], []
    if instance.offset:
        forbids = instance.offset == np.inf
        givens.append("given  constant : real")
        arrays["constant"] = np.array([0.0 if forbids else instance.offset])
        factors.append(f"factor constant_ = {'inf' if forbids else 'constant'}")
    for g, group in enumerate(structure.groups):
        tables = structure.table(instance.values, g)
        lines = _group(f"{g}", group, tables, unknowns, arrays)
        sizes.extend(next(lines).split())
        factors.append(next(lines))
        givens.extend(lines)
    for k, kind in enumerate(structure.kinds):
        lines = _parity(f"{k}", kind, structure.numbers(instance.values, k), unknowns, arrays)
        sizes.extend(next(lines).split())
        factors.append(next(lines))
        givens.extend(lines)
    answers = [f"answer x{k}[n{k}] : 0..{k - 1}" for k in counts if k != 2]
    answers += ["answer x2[n2] : bit" for k in counts if k == 2]
    head = [f"# {len(card)} variables: x2 are those with 2 states, in their order, and so on"]
    if sizes:
        head.append("size   " + ", ".join(sizes))
    archive = io.BytesIO()
    np.savez_compressed(archive, allow_pickle=False, **arrays)
    text = "\n".join([*head, *givens, *answers, *factors]) + "\n"
    return format(text), archive.getvalue()


def _group(
    g: str,
    group: Group,
    tables: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    unknowns: _Unknowns,
    arrays: Arrays,
) -> Iterator[str]:
    """Yield new sizes, the factor, and the givens that it reads."""
    names = [f"v{i}" for i in range(len(group.cards))]
    fields = [f"{name}: n{k}" for name, k in zip(names, group.cards, strict=True)]
    arrays |= {
        f"scope{g}.{name}": unknowns.place[group.scope[:, i]][None] for i, name in enumerate(names)
    }
    arrays[f"scope{g}.table"] = group.table[None].astype(np.int64)
    finite = np.isfinite(tables)
    arrays[f"table{g}"] = np.where(finite, tables, 0.0)[None]
    shape = ", ".join([f"k{g}", *map(str, group.cards)])
    at = ", ".join(["t", *(f"x{k}[{n}]" for k, n in zip(group.cards, names, strict=True))])
    value = f"table{g}[{at}]"
    yield f"m{g} k{g}"
    if finite.all():
        yield f"factor f{g}[({', '.join([*names, 't'])}) in scope{g}] = {value}"
    else:
        arrays[f"open{g}"] = finite[None].astype(np.int8)
        yield (
            f"factor f{g}[({', '.join([*names, 't'])}) in scope{g}] = "
            f"if open{g}[{at}] then {value} else inf"
        )
        yield f"given  open{g}[{shape}] : bit"
    yield f"given  scope{g}[m{g}] : ({', '.join([*fields, f'table: k{g}'])})"
    yield f"given  table{g}[{shape}] : real"


def _parity(
    k: str,
    kind: KindGroup,
    numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    unknowns: _Unknowns,
    arrays: Arrays,
) -> Iterator[str]:
    """Yield new sizes, the parity checks, and the givens that they read."""
    rows = len(kind.table)
    matrix = np.zeros((rows, unknowns.counts[2]), np.int8)
    owner = np.repeat(np.arange(rows), np.diff(kind.start))
    matrix[owner, unknowns.place[kind.scope]] = 1
    arrays[f"H{k}"] = matrix[None]
    arrays[f"odd{k}"] = numbers[kind.table, 0].astype(np.int8)[None]
    yield f"c{k}"
    yield f"hard   parity{k}[j in c{k}] : xor(x2[i] for i in n2 if H{k}[j, i]) == odd{k}[j]"
    yield f"given  H{k}[c{k}, n2] : bit"
    yield f"given  odd{k}[c{k}] : bit"
