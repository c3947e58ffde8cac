"""Some instances as one graph, ready to be asked again and again with changing weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from math import prod
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from factorgraph.compiler.module import Compiled, energy_function, gradient_function
from factorgraph.engine.answer import Ask
from factorgraph.engine.choose import Choice, choose
from factorgraph.engine.probe import Engine
from factorgraph.errors import BudgetError, InferenceError, NumericalError
from factorgraph.factors.picks import scatter
from factorgraph.ground.ground import Bound, Grounding
from factorgraph.ground.outputs import Outputs, Pass
from factorgraph.ground.weights import Weights

if TYPE_CHECKING:
    from factorgraph.ground.looks import Looks

Floats = NDArray[np.float64]


class Batch:
    """A grounding with its engine and the emitted functions.

    Parameters
    ----------
    compiled : the model.
    module : its emitted module, loaded.
    grounding : some instances; its slots index weights as the weights handed in are stored.
    """

    def __init__(self, compiled: Compiled, module: ModuleType, grounding: Grounding) -> None:
        self.compiled = compiled
        self.module = module
        self.grounding = grounding
        self.structure = grounding.structure
        self.own = self.structure if grounding.expanded is None else grounding.expanded.original
        self.instances = grounding.instances
        counts = grounding.instances.vocabularies
        self._counts = {f"n_{name}": len(words) for name, words in counts.items()}
        self.maps = Outputs(compiled, module, grounding, self.arguments)
        self._kept: tuple[Weights, Pass] | None = None
        self._last: tuple[Weights, Pass] | None = None
        self.looks: Looks | None = None

    @cached_property
    def _choice(self) -> Choice:
        try:
            return choose(self.structure)
        except InferenceError as error:
            raise self._placed(error) from None

    def choice(self, ask: Ask) -> Choice | None:
        """Return the exact engine for the whole graph, where one may and can answer."""
        if ask.steps and not ask.exactly:
            return None
        try:
            return self._choice
        except (InferenceError, BudgetError):
            return None

    @property
    def engine(self) -> Engine:
        """The engine for the whole graph, made when it is first needed.

        Raises
        ------
        InferenceError : where no engine can answer for these graphs.
        """
        return self._choice.engine

    @property
    def reason(self) -> str:
        """Which inference answers for the whole graph, and why."""
        return self._choice.reason

    def _placed(self, error: InferenceError) -> InferenceError:
        first = self.instances.where(0)
        return InferenceError(
            error.message, code=error.code, span=error.span, hint=f"{error.hint}; data from {first}"
        )

    def arguments(
        self, bound: Bound, weights: Weights, outputs: Sequence[Floats] = ()
    ) -> list[Any]:
        """Return what an emitted function takes, in its order."""
        arrays: dict[str, Any] = {f"p_{name}": weights[name] for name in bound.program.params}
        reads = self.compiled.reads[bound.program.symbol]
        arrays |= {f"m{k}": outputs[call] for k, call in enumerate(reads)}
        arrays |= {f"s{k}": slot for k, slot in enumerate(bound.slots)}
        arrays |= {f"v{k}": values for k, values in enumerate(bound.tabled)}
        for k, (values, place) in enumerate(bound.bases):
            arrays[f"d{k}"], arrays[f"b{k}"] = values, place
        for k, (index, number, offsets) in enumerate(bound.terms):
            arrays[f"at{k}"], arrays[f"by{k}"], arrays[f"o{k}"] = index, number, offsets
        for k, (place, offsets) in enumerate(bound.picks):
            arrays[f"pick{k}"], arrays[f"start{k}"] = place, offsets
        arrays |= {f"l{k}": values for k, values in enumerate(bound.lookups)}
        arrays |= {f"r{k + 1}": offsets for k, offsets in enumerate(bound.offsets)}
        arrays |= self._counts
        arrays |= {f"n_{name}": size for name, size in bound.extents.items()}
        return [arrays[name] for name in self.compiled.arguments[bound.program.symbol]]

    def energies(self, weights: Weights, out: Floats, *, keep: bool = False) -> None:
        """Fill the tables of all factors.

        Parameters
        ----------
        weights : stored arrays by name.
        out : float64 [T], the flat vector of values, overwritten.
        keep : whether `add_gradient` follows, with the same dict and the same numbers in it: what
            maps gave is then not worked out again.

        Raises
        ------
        NumericalError : where an energy is NaN or -inf, naming factor and instance, or where a
            map's output is not finite.
        """
        run = self.maps.forward(weights, keep)
        self._kept = (weights, run) if keep else None
        self._last = (weights, run) if self.grounding.points is not None else None
        self._fill(weights, run, out)

    def energies_again(self, out: Floats) -> None:
        """Do as `energies` did last, after points of real unknowns have moved."""
        assert self._last is not None
        weights, known = self._last
        keep = self._kept is not None
        run = self.maps.forward(weights, keep, known)
        self._kept = (weights, run) if keep else None
        self._last = (weights, run)
        self._fill(weights, run, out)

    def _fill(self, weights: Weights, run: Pass, out: Floats) -> None:
        expanded = self.grounding.expanded
        if expanded is None:
            self._fill_own(weights, run, out)
            return
        own = np.empty(expanded.original.size)
        self._fill_own(weights, run, own)
        out[:] = expanded.values(own[None])[0]

    def _fill_own(self, weights: Weights, run: Pass, out: Floats) -> None:
        for g, bound in enumerate(self.grounding.bound):
            group = self.structure.groups[g]
            tables = self.structure.table(out, g).reshape(group.distinct, group.states)
            function = energy_function(self.module, bound.program.symbol)
            arguments = self.arguments(bound, weights, run.outputs)
            function(0, group.distinct, *arguments, tables)
        for told in self.grounding.kinds:
            numbers = self.own.numbers(out, told.group)
            numbers[:, : told.fixed.shape[1]] = told.fixed
            if told.bound is not None:
                function = energy_function(self.module, told.bound.program.symbol)
                rows = np.empty((told.bound.distinct, told.bound.states))
                arguments = self.arguments(told.bound, weights, run.outputs)
                function(0, told.bound.distinct, *arguments, rows)
                numbers[:, told.fixed.shape[1] :] = rows[told.own]
        if not np.isfinite(out).all():
            self._refuse(out)

    def _refuse(self, values: Floats) -> None:
        for k, kind in enumerate(self.own.kinds):
            numbers = self.own.numbers(values, k)
            wrong = np.isnan(numbers) | np.isneginf(numbers)
            if kind.kind == "truncated":
                wrong[:, :2] |= np.isinf(numbers[:, :2])
            if wrong.any():
                here = int(np.flatnonzero(wrong.any(axis=1))[0])
                row = int(np.flatnonzero(kind.table == here)[0])
                i = int(np.searchsorted(kind.rows, row, side="right")) - 1
                value = float(numbers[here][wrong[here]][0])
                raise NumericalError(
                    f"factor `{kind.name}` has a number that is {value}"
                    f" ({self.instances.where(i)})",
                    code="E0701",
                    span=self.compiled.model.factors[kind.name].span,
                    hint="a number is finite, or +inf; is a logarithm, root or quotient to blame?",
                )
        for g, group in enumerate(self.own.groups):
            tables = self.own.table(values, g).reshape(group.distinct, group.states)
            bad = (np.isnan(tables) | np.isneginf(tables)).any(axis=1)
            if not bad.any():
                continue
            table = int(np.flatnonzero(bad)[0])
            row = int(np.flatnonzero(group.table == table)[0])
            i = int(np.searchsorted(group.rows, row, side="right")) - 1
            what = "NaN" if np.isnan(tables[table]).any() else "-inf"
            raise NumericalError(
                f"factor `{group.name}` has energy {what} ({self.instances.where(i)})",
                code="E0701",
                span=self.compiled.model.factors[group.name].span,
                hint="an energy is a number or +inf; is a logarithm, root or quotient to blame?",
            )

    def add_gradient(self, weights: Weights, cotangent: Floats, gradient: Weights) -> None:
        """Add the vector-Jacobian product of all factors to the gradient of the weights.

        Parameters
        ----------
        cotangent : float64 [T], d objective / d values.
        gradient : stored arrays by name, changed in place.
        """
        for bound, adjoints in zip(
            self.grounding.bound, self.adjoints(weights, cotangent, gradient), strict=True
        ):
            for definition, (pick, start), adjoint in zip(
                bound.program.picks, bound.picks, adjoints, strict=True
            ):
                rows = gradient[definition.param]
                scatter(pick, start, adjoint, rows.reshape(len(rows), -1))

    def adjoints(
        self,
        weights: Weights,
        cotangent: Floats,
        gradient: Weights,
        room: Sequence[list[Floats]] | None = None,
    ) -> Sequence[list[Floats]]:
        """Do as `add_gradient`, but for sums of picked rows, whose adjoints are returned.

        Parameters
        ----------
        gradient : as for `add_gradient`; what only such sums read may be without rows.
        room : arrays like those that are returned, to write into.

        Returns
        -------
        For each program, for each of its lists, float64 [distinct tables, states].
        """
        if room is None:
            room = [[np.empty(s) for s in self.shape_of_adjoints(b)] for b in self.grounding.bound]
        kept, self._kept = self._kept, None
        if kept is not None and kept[0] is weights:
            run = kept[1]
        else:
            run = self.maps.forward(weights, keep=True)
        slopes = [np.zeros_like(output) for output in run.outputs]
        for g, bound in enumerate(self.grounding.bound):
            function = gradient_function(self.module, bound.program.symbol)
            if function is None:
                assert not (bound.program.params or bound.program.calls), (
                    "trained without a gradient"
                )
                continue
            group = self.structure.groups[g]
            tables = self.structure.table(cotangent, g).reshape(group.distinct, group.states)
            targets = [gradient[name] for name in bound.program.params]
            targets += [slopes[k] for k in self.compiled.reads[bound.program.symbol]]
            arguments = self.arguments(bound, weights, run.outputs)
            function(0, group.distinct, *arguments, tables, *targets, *room[g])
        for told in self.grounding.kinds:
            kind = told.bound
            if kind is None or self.grounding.expanded is not None:  # trained kinds read no params
                continue
            function = gradient_function(self.module, kind.program.symbol)
            if function is None:
                continue
            rows = np.zeros((kind.distinct, kind.states))
            numbers = self.structure.numbers(cotangent, told.group)
            np.add.at(rows, told.own, numbers[:, told.fixed.shape[1] :])
            targets = [gradient[name] for name in kind.program.params]
            targets += [slopes[k] for k in self.compiled.reads[kind.program.symbol]]
            function(0, kind.distinct, *self.arguments(kind, weights, run.outputs), rows, *targets)
        self.maps.backward(weights, run, slopes, gradient)
        return room

    def shape_of_adjoints(self, bound: Bound) -> list[tuple[int, int]]:
        """Return distinct tables and states of the adjoint of each list of a program."""
        counts = [
            [self.compiled.model.count(a, self.instances.vocabularies)
             for k, a in enumerate(self.compiled.model.params[p.param].axes) if k != p.axis]
            for p in bound.program.picks
        ]  # fmt: skip
        return [(bound.distinct, prod(n)) for n in counts]
