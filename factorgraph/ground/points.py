"""The points that stand for real unknowns in a batch, some of which move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.data.column import Column, shared_column
from factorgraph.data.instances import Instances
from factorgraph.graph.structure import Structure
from factorgraph.model.expression import Expr, GivenRead, walk
from factorgraph.model.grid import REFINED, Grid
from factorgraph.model.model import Model

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
Flags = NDArray[np.bool_]


def placed(instances: Instances, model: Model, sets: int) -> Instances:
    """Return instances of a model on a grid.

    Parameters
    ----------
    instances : of the model with real unknowns.
    model : the same on a grid; see `factorgraph.model.grid.on_grid`.
    sets : how many sets of points move about each real unknown.

    Raises
    ------
    BudgetError : the points would not fit into the memory budget.
    """
    unknowns, givens = dict(instances.unknowns), dict(instances.givens)
    vocabularies = dict(instances.vocabularies)
    for name, grid in model.grids.items():
        seen = instances.unknowns[name]
        column = seen.values[""]
        count, own = len(column.values), 1 + sets * REFINED
        budget.require(8 * (grid.count + count * (own + 2)), f"the points of `{name}`")
        missing = np.zeros(count, np.bool_) if column.missing is None else column.missing
        numbers = np.where(missing, grid.low, column.values).astype(np.float64)
        every = np.concatenate([np.array(grid.points), np.repeat(numbers, own)])
        givens[grid.places] = shared_column(grid.places, every, instances.count)
        first = np.arange(count, dtype=np.int64) * own
        givens[grid.own] = Column(grid.own, first, seen.start, seen.shape)
        state = np.where(missing, -1, grid.label).astype(np.int32)
        unknowns[name] = replace(seen, state=state)
        vocabularies[grid.places] = ("",) * (grid.count + own)
    return replace(
        instances, model=model, unknowns=unknowns, givens=givens, vocabularies=vocabularies
    )


def taken(instances: Instances, numbers: dict[str, Floats]) -> Instances:
    """Return placed instances with the values of their real unknowns, as data hold them.

    Parameters
    ----------
    numbers : the values, by the name of the array.
    """
    unknowns = dict(instances.unknowns)
    for name, values in numbers.items():
        seen = unknowns[name]
        column = Column(name, values, seen.start, seen.shape)
        unknowns[name] = replace(seen, state=np.zeros(0, np.int32), values={"": column})
    return replace(instances, unknowns=unknowns)


def labels(instances: Instances, grid: Grid) -> Floats:
    """Return the observed values of a real unknown, float64; any where there are none."""
    return instances.unknowns[grid.name].values[""].values.astype(np.float64)


def reads_points(e: Expr, model: Model) -> bool:
    """Return whether an expression reads points that may move."""
    names = {grid.places for grid in model.grids.values()}
    return any(isinstance(part, GivenRead) and part.name in names for part in walk(e))


@dataclass(eq=False)
class Points:
    """The points of a batch.

    Attributes
    ----------
    probes : of the loss, those whose least energies are refined, each with a set of points.
    sets : how many sets there are.
    variables : int64 [R], the real ones of the graph, rising.
    grid : int64 [R], which of the model's grids each is on.
    begin : int64 [R], where the points of a variable's own begin in its grid's array: the label
        first, then the sets.
    every : the points of each grid: those of the grid, then those of its variables.
    moving : what is worked out anew when points have moved.
    calls : the maps' calls whose inputs move.
    """

    grids: tuple[Grid, ...]
    probes: tuple[int, ...]
    sets: int
    variables: Longs = field(repr=False)
    grid: Longs = field(repr=False)
    begin: Longs = field(repr=False)
    every: list[Floats] = field(repr=False)
    moving: list[Callable[[], None]] = field(default_factory=list, repr=False)
    calls: set[int] = field(default_factory=set)

    @property
    def refine(self) -> bool:
        """Whether least energies are looked for between the points."""
        return self.sets > 0

    def at(self, variables: Longs, states: NDArray[Any]) -> Floats:
        """Return the numbers that states of some real variables stand for.

        Parameters
        ----------
        variables : int64 [n], positions in `variables`.
        states : int [n].
        """
        out = np.empty(len(variables))
        for k, grid in enumerate(self.grids):
            here = self.grid[variables] == k
            state = states[here]
            own = self.begin[variables[here]] + state - grid.count
            out[here] = self.every[k][np.where(state < grid.count, state, own)]
        return out

    def put(self, variables: Longs, which: int, numbers: Floats) -> None:
        """Move a set of points of some real variables, float64 [n, REFINED]; then `refresh`."""
        for k, grid in enumerate(self.grids):
            here = self.grid[variables] == k
            first = self.begin[variables[here]] + 1 + which * REFINED
            place = first[:, None] + np.arange(REFINED)
            self.every[k][place] = np.clip(numbers[here], grid.low, grid.high)

    def refresh(self) -> None:
        """Work out anew what depends on points that moved."""
        for again in self.moving:
            again()

    def first(self, which: int) -> Longs:
        """Return the first state of a set of points, int64 [R]."""
        counts = np.array([grid.count for grid in self.grids], np.int64)
        return counts[self.grid] + 1 + which * REFINED

    @property
    def counts(self) -> Longs:
        """How many points of the grid each real variable has, int64 [R]; the label's state."""
        return np.array([grid.count for grid in self.grids], np.int64)[self.grid]

    @property
    def steps(self) -> Floats:
        """The step of each real variable, float64 [R]."""
        return np.array([grid.step for grid in self.grids])[self.grid]


def points(
    instances: Instances, base: dict[str, Longs], probes: tuple[int, ...], sets: int
) -> Points:
    """Return the points of placed instances.

    Parameters
    ----------
    base : for each array of unknowns, the first variable in each instance.
    """
    grids = tuple(instances.model.grids.values())
    variables, which, begin, every = [], [], [], []
    for k, grid in enumerate(grids):
        seen = instances.unknowns[grid.name]
        sizes = np.diff(seen.start)
        shift = np.repeat(base[grid.name] - seen.start[:-1], sizes)
        variables.append(np.arange(len(seen.state)) + shift)
        which.append(np.full(len(seen.state), k))
        # a batch of some of the instances reads the points of all
        begin.append(grid.count + instances.givens[grid.own].values)
        every.append(instances.givens[grid.places].values)
    order = np.argsort(np.concatenate(variables), kind="stable")
    return Points(
        grids, probes, sets, np.concatenate(variables)[order].astype(np.int64),
        np.concatenate(which)[order].astype(np.int64),
        np.concatenate(begin)[order].astype(np.int64), every,
    )  # fmt: skip


def near(found: Points, evidence: NDArray[np.int32], eps: float | None) -> Flags:
    """Return which states of real variables do not differ from what is observed, bool [R, K].

    Parameters
    ----------
    evidence : int32 [V], of the batch; where nothing is observed, nothing is near.
    eps : how far numbers may lie apart; None for the step of the grid.
    """
    out = np.zeros(_shape(found), np.bool_)
    seen = np.flatnonzero(evidence[found.variables] >= 0)
    label = found.at(seen, found.counts[seen])
    reach = np.full(len(seen), eps) if eps is not None else found.steps[seen]
    for k, grid in enumerate(found.grids):
        here = found.grid[seen] == k
        points = found.every[k][: grid.count]
        far = np.abs(points[None] - label[here, None])
        out[seen[here], : grid.count] = far <= reach[here, None] * (1 + 1e-9)
    out[seen, found.counts[seen]] = True
    return out


def takes(
    found: Points, evidence: NDArray[np.int32], labels: bool = True, summed: bool = False
) -> Flags:
    """Return which states real variables that are free may take, bool [R, K].

    They are the points of the grid, and what is observed.

    Parameters
    ----------
    labels : whether what is observed may be taken.
    summed : whether states are summed over: what is observed then stands for the point that is
        nearest to it, so that none counts twice.
    """
    out = np.arange(_shape(found)[1]) < found.counts[:, None]
    if not labels:
        return out
    seen = np.flatnonzero(evidence[found.variables] >= 0)
    out[seen, found.counts[seen]] = True
    if summed:
        label = found.at(seen, found.counts[seen])
        for k, grid in enumerate(found.grids):
            here = found.grid[seen] == k
            points = found.every[k][: grid.count]
            nearest = np.abs(points[None] - label[here, None]).argmin(axis=1)
            out[seen[here], nearest] = False
    return out


def carried(
    structure: Structure,
    found: Points,
    chosen: Flags,
    other: bool,
    origin: Longs | None = None,
    evidence: NDArray[np.int32] | None = None,
) -> Flags:
    """Return flags of all states of a structure's variables, bool [S].

    Parameters
    ----------
    chosen : bool [R, K], those of the real variables of the batch.
    other : those of all other variables.
    origin : int64 [V], the batch's variable that each is a copy of; None where it is the batch's.
    evidence : int32 [V]; a state that a real variable is held at is flagged, too.
    """
    out = np.full(int(structure.state_offset[-1]), other)
    own = np.arange(structure.variables, dtype=np.int64) if origin is None else origin
    if not len(found.variables):
        return out
    which = np.minimum(np.searchsorted(found.variables, own), len(found.variables) - 1)
    here = np.flatnonzero(found.variables[which] == own)
    which = which[here]
    width = chosen.shape[1]
    place = structure.state_offset[here][:, None] + np.arange(width)
    inside = np.arange(width) < structure.card[here][:, None]
    out[place[inside]] = chosen[which][inside]
    if evidence is not None:
        held = here[evidence[here] >= 0]
        out[structure.state_offset[held] + evidence[held]] = True
    return out


def _shape(found: Points) -> tuple[int, int]:
    most = max((grid.count for grid in found.grids), default=0)
    return len(found.variables), most + 1 + found.sets * REFINED
