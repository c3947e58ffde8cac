"""The probes of slack rescaling: what maximises a cost times the margin of the energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.loss import ProbeValue
from factorgraph.compiler.program import Slot
from factorgraph.engine.levels import Worst, WorstSearch
from factorgraph.engine.region import Found
from factorgraph.factors.table import add_indicator
from factorgraph.graph.structure import Energies
from factorgraph.model.expression import Apply, Const, Expr
from factorgraph.model.names import not_built

Array = NDArray[Any]


class Searching:
    """Finds what maximises cost times margin; two probes read what it found last.

    Parameters
    ----------
    offset : over the values of the probes before it.
    """

    def __init__(self, search: WorstSearch, slots: list[Array], offset: Expr, scale: float) -> None:
        self.search, self.slots = search, slots
        self.offset, self.scale = offset, scale
        self.structure = search.structure

    def __call__(self, values: Energies, found: Sequence[Found]) -> Worst:
        count = self.structure.instances
        offset = np.broadcast_to(self.number(self.offset, found), (count,)).astype(np.float64)
        return self.search(values[:, : self.structure.size], offset, self.scale)

    def number(self, e: Expr, found: Sequence[Found]) -> Array:
        """Return the value of an expression over probes, for each instance."""
        match e:
            case Const():
                return np.array(float(e.value))
            case Slot():
                return np.asarray(self.slots[e.number], np.float64)
            case ProbeValue():
                return np.asarray(found[e.number].value[0])
        assert isinstance(e, Apply)
        a = [self.number(x, found) for x in e.arguments]
        with np.errstate(all="ignore"):
            match e.operator:
                case "+":
                    return np.asarray(a[0] + a[1])
                case "-":
                    return np.asarray(a[0] - a[1])
                case "*":
                    return np.asarray(a[0] * a[1])
                case "/":
                    return np.asarray(a[0] / a[1])
                case "neg":
                    return np.asarray(-a[0])
        raise not_built(f"an offset with `{e.operator}` in slack rescaling", e.span)


class Searched:
    """The cost, or the energy, of the worst configurations."""

    def __init__(self, searching: Searching, energy: bool) -> None:
        self.searching, self.energy = searching, energy

    def __call__(self, values: Energies, found: Sequence[Found] = ()) -> Found:
        before = found[-1] if found else None
        if isinstance(before, _Worst) and before.searching is self.searching:
            return _Worst(self.searching, before.worst, self.energy)
        return _Worst(self.searching, self.searching(values, found), self.energy)


class _Worst:
    def __init__(self, searching: Searching, worst: Worst, energy: bool) -> None:
        self.searching, self.worst, self.energy = searching, worst, energy
        self.value: Energies = (worst.energy if energy else worst.cost)[None]

    def add_cotangents(self, weight: Energies, into: Energies) -> None:
        if self.energy:
            structure = self.searching.structure
            add_indicator(structure, self.worst.states, weight, into[:, : structure.size])
