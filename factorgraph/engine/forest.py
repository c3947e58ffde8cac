"""The elimination schedule of a forest: which factor sends to which variable, and in what order.

A forest is a structure whose bipartite graph of variables and factors has no cycle. Each of its
connected components gets a root; every factor of two or more variables then has one *parent*
variable, the one nearest the root. Messages run up in reverse order, and down in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.errors import InferenceError
from factorgraph.graph.structure import Ints, Offsets, Structure
from factorgraph.jit import kernel

# Columns of Plan.bounds and Plan.link.
VARIABLES, LINKS, ROOTS, UNARIES, CONSTANTS = 0, 1, 2, 3, 4
ARITY, START, SLOT, PARENT, CHILD, BASE, TABLE, COMPACT, MESSAGE = range(9)
PARENT_AT, PARENT_CARD, CHILD_AT, CHILD_CARD = 9, 10, 11, 12
# Entries of Plan.most.
STATES, MESSAGES, MOST_LINKS, MOST_VARIABLES, CARD, MOST_ARITY, ENTRIES = range(7)


class Plan(NamedTuple):
    """The schedule as flat arrays, for kernels; a "link" is a factor of two or more variables.

    Links stand instance after instance, within one in breadth-first order from the roots, so
    that the child links of a variable are neighbours. Few arrays with columns, as machine code
    is made much faster for few.

    Attributes
    ----------
    bounds : int64 [I + 1, 5], where each instance's variables, links, roots, unary and constant
        factors start.
    state : int64 [V + 1], states by variable.
    link : int32 where that suffices, else int64, [F + 1, 13], of each link: the variables of its
        scope, where that starts in ``scope``, the place of the parent in it, the parent, the
        child (-1 if there are several), where its table starts in the values, the number of the
        table and its start among those of two variables (-1 for larger ones), the start of its
        message to the parent; where the states of the parent start and how many there are, and
        those of the child if there is one. The last row holds ends.
    scope : int32, the scopes of all links.
    roots : int32, a variable for each connected component.
    unary : int64 [U, 2], variable and table start of each unary factor.
    constant : int64, table start of each factor of no variables.
    pairwise : bool [I], no link has three or more variables.
    most : int64 [7], over instances the most states, entries of messages, links, variables; the
        most states of a variable, variables and entries of a link's table.
    """

    bounds: Offsets
    state: Offsets
    link: NDArray[np.integer[Any]]
    scope: Ints
    roots: Ints
    unary: Offsets
    constant: Offsets
    pairwise: NDArray[np.bool_]
    most: Offsets


@dataclass(frozen=True)
class Loop:
    """Why a structure is no forest: a factor that closes a cycle."""

    factor: str
    instance: int
    variables: tuple[int, ...]


@dataclass(frozen=True)
class Forest:
    """A structure without cycles, with its schedule.

    Attributes
    ----------
    structure : the structure.
    plan : flat arrays for kernels.
    tables : distinct tables of two variables.
    entries : entries of all of these together.
    pairwise : no factor has three or more variables.
    branches : a variable has several children.
    """

    structure: Structure
    plan: Plan
    tables: int
    entries: int
    pairwise: bool
    branches: bool

    @classmethod
    def plan_of(cls, structure: Structure) -> Forest:
        """Return the schedule of a forest.

        Raises
        ------
        InferenceError : E0510, the graph has a cycle; it names factor and instance.
        BudgetError : the schedule would not fit into the memory budget.
        """
        found = survey(structure)
        if isinstance(found, Loop):
            raise InferenceError(
                f"the graph has a loop: factor `{found.factor}` closes it in instance "
                f"{found.instance} (variables {', '.join(map(str, found.variables))})",
                code="E0510",
            )
        return found


def is_forest(structure: Structure) -> bool:
    """Return whether the graph of variables and factors has no cycle."""
    return isinstance(survey(structure), Forest)


def survey(structure: Structure) -> Forest | Loop:
    """Return the schedule of a structure, or the loop that forbids one."""
    links = [g for g, group in enumerate(structure.groups) if len(group.cards) > 1]
    counts = [len(structure.groups[g].table) for g in links]
    slots = sum(structure.groups[g].scope.size for g in links)
    budget.require(
        160 * sum(counts) + 24 * slots + 48 * structure.variables,
        f"the elimination schedule of {sum(counts)} factors",
    )
    groups = [structure.groups[g] for g in links]
    arity = _repeat([len(group.cards) for group in groups], counts).astype(np.int32)
    scope = _join([group.scope.reshape(-1) for group in groups], np.int32)
    start = np.concatenate(([0], np.cumsum(arity, dtype=np.int64)))
    order, slot, rows, roots, root_rows, loop = _walk(structure.instance, start, scope)
    if loop >= 0:
        g = int(np.searchsorted(np.cumsum(counts), loop, side="right"))
        row = int(loop) - sum(counts[:g])
        group = groups[g]
        return Loop(
            group.name,
            int(np.searchsorted(group.rows, row, side="right")) - 1,
            tuple(int(v) for v in group.scope[row]),
        )
    base, table, compact = [], [], []
    tables = entries = 0
    for g, group in zip(links, groups, strict=True):
        index = group.table.astype(np.int64)
        base.append(structure.offset[g] + index * group.states)
        pair = len(group.cards) == 2
        table.append(index + tables if pair else np.full(len(index), -1, np.int64))
        compact.append(index * group.states + entries if pair else np.zeros(len(index), np.int64))
        tables += group.distinct if pair else 0
        entries += group.size if pair else 0
    state = np.array(structure.state_offset, np.int64)
    link = np.zeros((len(order) + 1, 13), np.int64)
    body = link[:-1]
    body[:, ARITY] = arity[order]
    body[:, START] = start[:-1][order]
    body[:, SLOT] = slot
    body[:, BASE] = _join(base, np.int64)[order]
    body[:, TABLE] = _join(table, np.int64)[order]
    body[:, COMPACT] = _join(compact, np.int64)[order]
    body[:, CHILD] = -1
    pair = body[:, ARITY] == 2
    if len(order):
        parent = scope[body[:, START] + slot].astype(np.int64)
        body[:, PARENT] = parent
        body[pair, CHILD] = scope[body[pair, START] + 1 - slot[pair]]
        body[:, PARENT_AT] = state[parent]
        body[:, PARENT_CARD] = state[parent + 1] - state[parent]
        link[1:, MESSAGE] = np.cumsum(body[:, PARENT_CARD])
        child = body[pair, CHILD]
        body[pair, CHILD_AT] = state[child]
        body[pair, CHILD_CARD] = state[child + 1] - state[child]
    unary, unary_rows = _by_instance(structure, 1)
    constant, constant_rows = _by_instance(structure, 0)
    owner = np.repeat(np.arange(structure.instances), np.diff(rows))
    pairwise = np.ones(structure.instances, np.bool_)
    pairwise[owner[~pair]] = False
    first = structure.instance
    bounds = np.stack([first, rows, root_rows, unary_rows, constant_rows], axis=1)
    if link.max(initial=0) < 2**31:  # half of the memory, which is read all over again
        link = link.astype(np.int32)
    plan = Plan(
        bounds=np.ascontiguousarray(bounds, np.int64),
        state=state,
        link=link,
        scope=np.ascontiguousarray(scope, np.int32),
        roots=roots,
        unary=unary,
        constant=np.ascontiguousarray(constant[:, 1]),
        pairwise=pairwise,
        most=np.array(
            [
                _most(np.diff(state[first])),
                _most(np.diff(link[rows, MESSAGE])),
                _most(np.diff(rows)),
                _most(np.diff(first)),
                _most(np.diff(state)),
                _most(arity),
                max((group.states for group in groups), default=0),
            ],
            np.int64,
        ),
    )
    parents = body[:, PARENT]
    branches = bool((parents[1:] == parents[:-1]).any())
    return Forest(structure, plan, tables, entries, bool(pair.all()), branches)


def _most(counts: NDArray[np.int64] | Ints) -> int:
    return int(counts.max()) if len(counts) else 0


def _repeat(values: list[int], counts: list[int]) -> NDArray[np.int64]:
    return np.repeat(np.array(values, np.int64), np.array(counts, np.int64))


def _join(parts: list[NDArray[np.int64]] | list[Ints], dtype: type) -> NDArray[np.int64]:
    joined = np.concatenate([np.zeros(0, dtype), *parts])
    return np.ascontiguousarray(joined, dtype)


def _by_instance(structure: Structure, arity: int) -> tuple[Offsets, Offsets]:
    """Return first variable and table start of the factors of one arity, and rows by instance."""
    rows = np.zeros(structure.instances + 1, np.int64)
    parts, owners = [np.zeros((0, 2), np.int64)], [np.zeros(0, np.int64)]
    for g, group in enumerate(structure.groups):
        if len(group.cards) != arity:
            continue
        rows += group.rows
        part = np.zeros((len(group.table), 2), np.int64)
        if arity:
            part[:, 0] = group.scope[:, 0]
        part[:, 1] = structure.offset[g] + group.table.astype(np.int64) * group.states
        parts.append(part)
        owners.append(np.repeat(np.arange(structure.instances), np.diff(group.rows)))
    joined = np.concatenate(parts)
    if len(parts) > 2:
        joined = joined[np.argsort(np.concatenate(owners), kind="stable")]
    return joined, rows


def _walk(
    first: Offsets, start: NDArray[np.int64], scope: NDArray[np.int64] | Ints
) -> tuple[NDArray[np.int64], Ints, Offsets, Ints, Offsets, int]:
    """Walk each instance breadth first from its last variable; stop at a factor closing a loop."""
    variables, links = int(first[-1]), len(start) - 1
    touches = np.concatenate(([0], np.cumsum(np.bincount(scope, minlength=variables))))
    owner = np.repeat(np.arange(links, dtype=np.int32), np.diff(start))
    order, slot = np.empty(links, np.int64), np.empty(links, np.int32)
    rows, root_rows = np.zeros(len(first), np.int64), np.zeros(len(first), np.int64)
    roots = np.empty(variables, np.int32)
    loop = _breadth_first(
        np.require(first, np.int64, ["C", "W"]),
        start.astype(np.int64),
        np.require(scope, np.int32, ["C", "W"]),
        touches.astype(np.int64),
        owner[np.argsort(scope, kind="stable")],
        np.zeros(variables, np.bool_),
        np.zeros(links, np.bool_),
        np.empty(variables, np.int32),
        order,
        slot,
        rows,
        roots,
        root_rows,
    )
    return order, slot, rows, roots[: root_rows[-1]].copy(), root_rows, loop


@kernel
def _breadth_first(  # type: ignore[no-untyped-def]
    first, start, scope, touches, links, seen, done, queue, order, slot, rows, roots, root_rows
):
    """Fill the last five; return the factor that closes a loop, -1 where there is none."""
    n_done = 0
    n_roots = 0
    for i in range(len(first) - 1):
        for back in range(first[i + 1] - first[i]):
            root = first[i + 1] - 1 - back
            if seen[root]:
                continue
            seen[root] = True
            roots[n_roots] = root
            n_roots += 1
            queue[0] = root
            head, tail = 0, 1
            while head < tail:
                v = queue[head]
                head += 1
                for t in range(touches[v], touches[v + 1]):
                    f = links[t]
                    if done[f]:
                        continue
                    done[f] = True
                    order[n_done] = f
                    for e in range(start[f], start[f + 1]):
                        u = scope[e]
                        if u == v:
                            slot[n_done] = e - start[f]
                        elif seen[u]:
                            return f
                        else:
                            seen[u] = True
                            queue[tail] = u
                            tail += 1
                    n_done += 1
        rows[i + 1] = n_done
        root_rows[i + 1] = n_roots
    return -1
