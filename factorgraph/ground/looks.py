"""A loss on some instances: the rows of its sums, what it reads of the data, its probes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.costs import ANSWER, OBSERVED
from factorgraph.compiler.loss import LossProgram, Probe, Search
from factorgraph.compiler.module import energy_function
from factorgraph.compiler.program import SlotDefinition
from factorgraph.engine.choose import choose
from factorgraph.engine.levels import WorstSearch
from factorgraph.engine.masked import Masked, masked
from factorgraph.engine.probe import Engine, Minimum
from factorgraph.engine.region import Agreeing, Differing, Probing, region
from factorgraph.errors import DataError, InferenceError
from factorgraph.graph.structure import Energies, Ints, Structure
from factorgraph.graph.view import Picked, View, around, copies, of_rows
from factorgraph.ground.batch import Batch
from factorgraph.ground.binders import compute_lets
from factorgraph.ground.evaluate import Evaluator
from factorgraph.ground.places import answer_columns, rows_of_terms, variables_at
from factorgraph.ground.points import Points, carried, near, takes
from factorgraph.ground.probing import AtAnswer, Beside, Known, Look, Looking, Part, Shifted
from factorgraph.ground.refine import Refined, Refining, refine
from factorgraph.ground.rows import Rows, expand
from factorgraph.ground.searching import Searched, Searching
from factorgraph.model.expression import BIT, LetRead, reads

Array = NDArray[Any]
Longs = NDArray[np.int64]


class Looks:
    """The probes of a loss on a batch, and the arrays that its emitted function takes.

    Attributes
    ----------
    size : length of the flat vector of values: that of the batch's tables and of a cost's.
    reason : which inference answers for whole instances, and why; "local" where none is needed.
    """

    def __init__(self, loss: LossProgram, batch: Batch) -> None:
        self.loss, self.batch = loss, batch
        instances = batch.instances
        lets = compute_lets(instances) if loss.reads_data else {}
        computed = lets | answer_columns(instances)
        at = Evaluator(instances, "the loss", computed)
        start = Rows(np.arange(instances.count, dtype=np.int64), {})
        self.levels, self.offsets = _spaces(loss, start, at)
        self.slots = [_slot(s, self.levels[s.space], at) for s in loss.slots]
        maker = _Maker(self, at)
        self._made = maker.probes()
        self.probes = list(self._made)
        self.refined = maker.refined
        self.reason = maker.reason or "local"
        self.tail = self.costs(0) if loss.costs else np.zeros(0)
        self.size = batch.structure.size + len(self.tail)

    def refine(self, values: Energies) -> None:
        """Refine the least energies over real unknowns that are to be.

        Parameters
        ----------
        values : float64 [1, T], whose first part the batch has just filled; changed.
        """
        if self.refined:
            refine(self.batch, values, self.refined)

    def hold(self, numbers: Sequence[int], values: Energies) -> list[Ints]:
        """Hold least energies of whole instances at the configurations that reach them now.

        Returns
        -------
        the configurations, int32 [V] each.
        """
        self.release()
        structure = self.batch.structure
        found = []
        for k in numbers:
            least = self.probes[k](values, ())
            assert isinstance(least, Part) and isinstance(least.found, Minimum | AtAnswer)
            states = least.found.states
            found.append(np.ascontiguousarray(states.reshape(-1), np.int32))
        for k, chosen in zip(numbers, found, strict=True):
            held = Known(structure, chosen)
            self.probes[k] = Look(held, structure, structure.size, 1.0, None)
        return found

    def release(self) -> None:
        """Let held probes be what they were."""
        self.probes = list(self._made)

    def costs(self, number: int) -> Energies:
        """Return the tables of a cost, float64."""
        parts = [np.zeros(0)]
        for group, bound in self.batch.grounding.costs[number]:
            tables = np.empty((group.distinct, group.states))
            function = energy_function(self.batch.module, bound.program.symbol)
            function(0, group.distinct, *self.batch.arguments(bound, {}), tables)
            parts.append(tables.reshape(-1))
        return np.concatenate(parts)

    def values(self, batch: int = 1) -> Energies:
        """Return an array for the values, the tables of the first cost filled in."""
        values = np.empty((batch, self.size))
        values[:, self.batch.structure.size :] = self.tail
        return values

    def arguments(self, values: list[Energies], slopes: list[Energies]) -> list[Array]:
        """Return what the emitted function takes after weights and values."""
        pairs = [a for pair in zip(values, slopes, strict=True) for a in pair]
        return [*pairs, *self.slots, *self.offsets]


def looks_of(batch: Batch, loss: LossProgram) -> Looks:
    """Return the probes of a loss on a batch; those made last are kept with the batch."""
    if batch.looks is None or batch.looks.loss is not loss:
        batch.looks = Looks(loss, batch)
    return batch.looks


def _spaces(loss: LossProgram, start: Rows, at: Evaluator) -> tuple[list[Rows], list[Array]]:
    """Return the rows of each space, and for each but the first the offsets in its parent's."""
    levels, offsets = [start], []
    for space in loss.spaces:
        parent = levels[space.parent]
        counts = np.zeros(parent.count, np.int64)
        parts: list[Rows] = []
        low, high = at.whole(space.low, parent), at.whole(space.high, parent)
        for rows, origin in expand(parent, space.index, low, high):
            if space.guard is not None:
                chosen = at.condition(space.guard, rows)
                rows, origin = rows.take(chosen), origin[chosen]
            counts += np.bincount(origin, minlength=parent.count)
            parts.append(rows)
        none = np.zeros(0, np.int64)
        index = {
            v: np.concatenate([none, *(r.index[v] for r in parts)])
            for v in (*parent.index, space.index)
        }
        levels.append(Rows(np.concatenate([none, *(r.instance for r in parts)]), index))
        offsets.append(np.concatenate(([0], np.cumsum(counts))))
    return levels, offsets


def _slot(definition: SlotDefinition, rows: Rows, at: Evaluator) -> Array:
    for read in reads(definition.value, LetRead):
        if not read.name.endswith(ANSWER):
            continue
        there = replace(read, name=read.name.removesuffix(ANSWER) + OBSERVED, kind=BIT)
        bad = np.flatnonzero(~at.condition(there, rows))
        if len(bad):
            raise DataError(
                f"the loss reads `{read.name.partition('.')[0]}` of the answer, which is not "
                f"observed there ({at.instances.where(rows.instance[bad[0]])})",
                code="E0302",
                span=read.span,
                hint="leave the instance out, or take `answers`, which are what is observed",
            )
    with np.errstate(all="ignore"):
        if definition.whole:
            return np.ascontiguousarray(at.whole(definition.value, rows), np.int64)
        return np.ascontiguousarray(at(definition.value, rows), np.float64)


class _Maker:
    """Makes the probes; those that look at the same variables share a view and its engine."""

    def __init__(self, looks: Looks, at: Evaluator) -> None:
        self.looks, self.at = looks, at
        self.batch = looks.batch
        self.evidence = self.batch.grounding.evidence
        self.complete = bool((self.evidence >= 0).all())
        self.views: dict[Any, View] = {}
        self.engines: dict[int, Engine] = {}
        self.structures: dict[Any, Structure] = {}
        self.searches: dict[Any, Searching] = {}
        self.points = self.batch.grounding.points
        self.refined: list[Refined] = []
        self.masks: dict[int, Engine] = {}
        self.reason = ""

    def probes(self) -> list[Looking]:
        return [self.look(number, p) for number, p in enumerate(self.looks.loss.probes)]

    def look(self, number: int, probe: Probe) -> Looking:
        if probe.search is not None:
            if self.points is not None and self.points.sets:
                raise InferenceError(
                    f"`{self.looks.loss.name}` refines a least energy over real unknowns beside a "
                    "cost times an energy: not built yet",
                    code="E0600",
                    hint="infer grid(step = 0.1, refine = false)",
                )
            return self.searching(probe, probe.search)
        structure = self.structure(probe)
        tail = self.looks.costs(probe.cost) if probe.cost else None
        size = self.batch.structure.size
        points = self.points
        if points is not None and number in points.probes:
            self.reason = self.batch.reason
            evidence = None if probe.region == "any" else self.evidence
            which = points.probes.index(number)
            self.refined.append(Refined(Refining(self.batch, structure, evidence, which)))
            return Look(self.refined[-1], structure, size, probe.scale, tail)
        return Look(self.probing(probe, structure), structure, size, probe.scale, tail)

    def searching(self, probe: Probe, search: Search) -> Looking:
        assert probe.cost is not None
        key = (probe.cost, search.base, probe.scale, search.offset)
        if key not in self.searches:
            costs = tuple(g for g, _ in self.batch.grounding.costs[probe.cost])
            tables = self.looks.costs(probe.cost)
            self.reason = self.batch.reason
            worst = WorstSearch(self.batch.structure, costs, tables, search.base)
            self.searches[key] = Searching(worst, self.looks.slots, search.offset, probe.scale)
        return Searched(self.searches[key], search.what == "energy")

    def structure(self, probe: Probe) -> Structure:
        """Return the factors that a probe adds up, those of its cost last."""
        key = (probe.cost, probe.part.name if probe.part is not None else None)
        if key not in self.structures:
            own = self.batch.structure
            groups = own.groups
            if probe.part is not None and probe.part.indices is None:
                none = np.zeros(0, np.int64)
                others = of_rows(own, own.instances, (none, none), [(none, none)] * len(groups))
                groups = tuple(
                    g if g.name == probe.part.name else empty
                    for g, empty in zip(groups, others.structure.groups, strict=True)
                )
            if probe.cost is not None:
                groups += tuple(g for g, _ in self.batch.grounding.costs[probe.cost])
            whole = groups is own.groups
            self.structures[key] = own if whole else replace(own, groups=groups)
        return self.structures[key]

    def engine(self, structure: Structure) -> Engine:
        if structure is self.batch.structure:
            return self.batch.engine
        if id(structure) not in self.engines:
            self.engines[id(structure)] = choose(structure).engine
        return self.engines[id(structure)]

    def probing(self, probe: Probe, structure: Structure) -> Probing:
        rows = self.looks.levels[probe.space]
        local = probe.region == "only" and self.complete and probe.part is None and probe.space > 0
        view = self.view(probe, structure, rows, local)
        own = structure if view is None else view.structure
        answer = self.evidence if view is None else self.evidence[view.origin]
        evidence = self.given(probe, rows, view, answer)
        observed = answer if probe.differs else None
        if evidence is not None and observed is None and (evidence >= 0).all():
            return Known(own, evidence)
        if not local and not (probe.part is not None and probe.part.indices):
            self.reason = self.batch.reason
        if self.points is not None:
            inner = self.on_grid(self.points, probe, own, view, evidence, observed)
        else:
            engine = None if observed is not None and np.isfinite(probe.beta) else self.engine(own)
            inner = region(own, engine, probe.beta, evidence, observed)
        if not local:
            return self.counted(probe, rows, view, inner)
        return Beside(inner, Known(own, answer), Known(structure, self.evidence), rows.instance)

    def on_grid(
        self,
        points: Points,
        probe: Probe,
        own: Structure,
        view: View | None,
        evidence: Ints | None,
        observed: Ints | None,
    ) -> Probing:
        """Return a probe in which real unknowns take the points of their grid.

        What is observed is one more point of a least energy; in a sum it stands for the point
        nearest to it, so that no answer is more probable than all together.
        """
        origin = None if view is None else view.origin
        hard = bool(np.isinf(probe.beta))
        chosen = takes(points, self.evidence, summed=not hard)
        allow = carried(own, points, chosen, True, origin, evidence)
        if observed is not None:
            close = carried(own, points, near(points, self.evidence, probe.eps), False, origin)
            seen = np.flatnonzero(observed >= 0)
            close[own.state_offset[seen] + observed[seen]] = True
            if not hard:
                return Differing(own, probe.beta, evidence, observed, close, allow)
        tables, structure = masked(own, allow)
        if id(own) not in self.masks:
            self.masks[id(own)] = choose(structure).engine
        engine = self.masks[id(own)]
        if observed is None:
            return Masked(Agreeing(engine, probe.beta, evidence), tables)
        return Masked(Agreeing(engine, probe.beta, evidence, observed, close), tables)

    def view(self, probe: Probe, structure: Structure, rows: Rows, local: bool) -> View | None:
        """Return what is looked at, where that is not each instance once."""
        part = probe.part
        terms = part is not None and part.indices is not None
        if probe.space == 0 and not terms:
            return None
        places = probe.places if local else ()
        key = (id(structure), probe.space, part if terms else None, places)
        if key not in self.views:
            if part is not None and terms:
                self.views[key] = self.terms(probe, structure, rows)
            elif local:
                inside = self.inside(probe, rows)
                self.views[key] = around(structure, rows.count, inside)
            else:
                self.views[key] = copies(structure, rows.instance)
        return self.views[key]

    def terms(self, probe: Probe, structure: Structure, rows: Rows) -> View:
        """Return the terms of a factor, each by itself, with the cost of their instances."""
        assert probe.part is not None and probe.part.indices is not None
        none = np.zeros(0, np.int64)
        picked: list[Picked] = [(none, none)] * len(structure.groups)
        for g, program in enumerate(self.batch.compiled.programs):
            if program.name == probe.part.name:
                picked[g] = rows_of_terms(program.factor, probe.part.indices, rows, self.at)
        return of_rows(structure, rows.count, (none, none), picked)

    def counted(self, probe: Probe, rows: Rows, view: View | None, inner: Probing) -> Probing:
        """Count the configurations of what the terms of a factor do not read, in a soft minimum."""
        if view is None or probe.part is None or np.isinf(probe.beta):
            return inner
        own, total = self.batch.structure, self.batch.structure.variables
        free = np.ones(total, np.bool_) if probe.region == "any" else self.evidence < 0
        card = own.card.copy()
        if self.points is not None:
            card[self.points.variables] = self.points.counts
        each = np.where(free, np.log(card), 0.0)
        before = np.concatenate(([0.0], np.cumsum(each)))
        all_ = (before[own.instance[1:]] - before[own.instance[:-1]])[rows.instance]
        there = np.repeat(np.arange(rows.count), np.diff(view.structure.instance))
        here = np.bincount(there, each[view.origin], minlength=rows.count)
        return Shifted(inner, (here - all_)[None] / probe.beta)

    def inside(self, probe: Probe, rows: Rows) -> Picked:
        """Return the variables of the places of `only` or `pin`."""
        base = self.batch.grounding.base
        found = [variables_at(place, rows, base, self.at) for place in probe.places]
        numbers = np.concatenate([number for number, _ in found])
        order = np.argsort(numbers, kind="stable")
        return numbers[order], np.concatenate([v for _, v in found])[order]

    def given(self, probe: Probe, rows: Rows, view: View | None, answer: Ints) -> Ints | None:
        """Return what configurations of the region agree with, for the variables looked at."""
        if probe.region == "any":
            return None
        if probe.region == "answer":
            return answer
        number, variable = self.inside(probe, rows)
        if view is None:
            at = variable
        else:
            total = max(self.batch.structure.variables, 1)
            owner = np.repeat(np.arange(view.structure.instances), np.diff(view.structure.instance))
            keys, wanted = owner * total + view.origin, number * total + variable
            at = np.searchsorted(keys, wanted)
            there = at < len(keys)
            there[there] = keys[at[there]] == wanted[there]
            at = at[there]
        if probe.region == "only":
            given = answer.copy()
            given[at] = -1
            return given
        given = np.full(len(answer), -1, np.int32)
        given[at] = answer[at]
        return given
