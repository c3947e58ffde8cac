"""Sums of weights that data choose: each row reads some rows of a param and adds them up.

``-dot(U[y[t]], f[t])`` over twenty features is, once the features are written out, a sum of twenty
terms ``if there then U[place, y] else 0``. Such terms become one sum over a list of places, which
holds only what is there; the list is made when data are bound.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from factorgraph.compiler.program import (
    PicksDefinition,
    Reduction,
    Slot,
    SlotDefinition,
    State,
    TermsDefinition,
)
from factorgraph.model.arrays import integer, same_extent
from factorgraph.model.expression import (
    INT,
    Apply,
    Expr,
    ParamRead,
    Variable,
    fixed_value,
    walk,
)
from factorgraph.model.model import IndexSet, Model

LEAST = 3
"""Terms that a list is worth it for."""


class Picks:
    """Finds sums of picked rows in the code of a factor.

    Parameters
    ----------
    slots : definitions, by number; more may be added before `code`.
    sets : the values of each variable of the scope.
    scattered : params that are left alone.

    Attributes
    ----------
    found : the definitions of the lists, by number.
    """

    def __init__(
        self,
        model: Model,
        slots: Sequence[SlotDefinition],
        sets: Sequence[IndexSet],
        scattered: Collection[str] = (),
    ) -> None:
        self.model = model
        self.slots = slots
        self.sets = sets
        self.scattered = scattered
        self.next = 0
        self.found: list[PicksDefinition] = []
        self.taken: set[int] = set()

    def code(self, e: Expr, first: int) -> Expr:
        """Return the code with its sums of picked rows as reductions over lists.

        Parameters
        ----------
        first : a number above those of all other reductions.
        """
        self.next = first
        return self.sums(e)

    def consumed(self, body: Expr, terms: Sequence[TermsDefinition]) -> frozenset[int]:
        """Return the slots that only lists are made of."""
        read = {n.number for n in walk(body) if isinstance(n, Slot)}
        read |= {t.step.number for t in terms if isinstance(t.step, Slot)}
        return frozenset(self.taken - read)

    def sums(self, e: Expr) -> Expr:
        if not isinstance(e, Apply):
            return e
        if e.operator != "+":
            return replace(e, arguments=tuple(self.sums(a) for a in e.arguments))
        groups: dict[tuple[object, ...], list[tuple[int, ParamRead, Expr]]] = {}
        rest: list[Expr] = []
        for term in _terms(e):
            picked = self.picked(term)
            if picked is None:
                rest.append(term)
            else:
                axis, read = picked
                others = tuple(i for k, i in enumerate(read.indices) if k != axis)
                groups.setdefault((read.name, axis, others), []).append((axis, read, term))
        if not any(len(group) >= LEAST for group in groups.values()):
            return replace(e, arguments=tuple(self.sums(a) for a in e.arguments))
        sums: list[Expr] = []
        for group in groups.values():
            if len(group) < LEAST:
                rest += [term for *_, term in group]
            else:
                sums.append(self.sum(e, group))
        for term in rest:
            sums.append(self.sums(term))
        total = sums[0]
        for term in sums[1:]:
            total = replace(e, arguments=(total, term))
        return total

    def picked(self, e: Expr) -> tuple[int, ParamRead] | None:
        """Return the axis that data index and the read, if a term is a row of a param or 0."""
        condition: Expr | None = None
        if isinstance(e, Apply) and e.operator == "if" and fixed_value(e.arguments[2]) == 0:
            condition, e = e.arguments[:2]
        if not isinstance(e, ParamRead) or e.name in self.scattered:
            return None
        by_data = [k for k, i in enumerate(e.indices) if isinstance(i, Slot)]
        if len(by_data) != 1:
            return None
        (axis,) = by_data
        slot = e.indices[axis]
        assert isinstance(slot, Slot)
        definition = self.slots[slot.number]
        if definition.space or definition.limit is None:
            return None
        if condition is None:
            if definition.when is not None:
                return None
        elif not isinstance(condition, Slot):
            return None
        else:
            known = self.slots[condition.number]
            if known.when is not None or known.value != definition.when:
                return None
        return (axis, e) if self.whole_rows(e, axis) else None

    def whole_rows(self, e: ParamRead, axis: int) -> bool:
        """Return whether the other indices run over all their states, in the table's order."""
        axes = self.model.params[e.name].axes
        last = -1
        for k, index in enumerate(e.indices):
            if k == axis:
                continue
            if not isinstance(index, State) or index.axis <= last:
                return False
            if not same_extent(self.sets[index.axis].count, axes[k].count):
                return False
            last = index.axis
        return last >= 0

    def sum(self, e: Apply, group: list[tuple[int, ParamRead, Expr]]) -> Reduction:
        """Return the sum over the list of what some terms read."""
        axis, read, _ = group[0]
        numbers = []
        for _, one, term in group:
            slot = one.indices[axis]
            assert isinstance(slot, Slot)
            numbers.append(slot.number)
            self.taken |= {n.number for n in walk(term) if isinstance(n, Slot)}
        self.found.append(PicksDefinition(read.name, axis, tuple(numbers)))
        index = Variable(e.span, INT, "pick", -1000 - self.next)
        indices = (*read.indices[:axis], index, *read.indices[axis + 1 :])
        number, zero = self.next, integer(e.span, 0)
        self.next += 1
        return Reduction(
            e.span, e.kind, number, "sum", index, zero, zero, None,
            replace(read, indices=indices), picks=len(self.found) - 1,
        )  # fmt: skip


def _terms(e: Expr) -> list[Expr]:
    """Return the terms of a sum, in order."""
    if isinstance(e, Apply) and e.operator == "+":
        return [t for a in e.arguments for t in _terms(a)]
    return [e]
