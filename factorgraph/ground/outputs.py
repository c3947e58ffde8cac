"""What maps give for a batch, and their vector-Jacobian products, once for each distinct input."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled, energy_function, gradient_function
from factorgraph.ground.calls import Group, Inputs
from factorgraph.ground.evaluate import no_number
from factorgraph.ground.ground import Bound, Grounding
from factorgraph.maps.blas import one_thread

Floats = NDArray[np.float64]
Weights = dict[str, Floats]
Arguments = Callable[[Bound, Weights, Sequence[Floats]], list[Any]]
"""What an emitted function takes, for a program's arrays, weights and outputs of maps."""


@dataclass(frozen=True, eq=False)
class Pass:
    """A forward pass.

    Attributes
    ----------
    outputs : float64 [size] for each call of the model.
    tapes : for each call, what `Layer.backward` needs of each group; empty if not kept.
    """

    outputs: list[Floats]
    tapes: list[list[Any]]


class Outputs:
    """Runs the maps of a batch.

    Parameters
    ----------
    grounding : of the batch.
    arguments : gives what emitted functions take.
    """

    def __init__(
        self, compiled: Compiled, module: ModuleType, grounding: Grounding, arguments: Arguments
    ) -> None:
        self.compiled = compiled
        self.module = module
        self.instances = grounding.instances
        self.inputs = grounding.inputs
        self.arguments = arguments
        points = grounding.points
        self.moving: set[int] = set() if points is None else points.calls

    def forward(self, weights: Weights, keep: bool, known: Pass | None = None) -> Pass:
        """Return what every map gives.

        Parameters
        ----------
        weights : stored arrays by name.
        keep : whether `backward` follows.
        known : a pass with the same weights, before points of real unknowns moved, with what
            `backward` needs if that follows.

        Raises
        ------
        NumericalError : where an output is not finite, naming map and instance.
        """
        outputs: list[Floats] = []
        tapes: list[list[Any]] = []
        for number, inputs in enumerate(self.inputs):
            if known is not None and number not in self.moving:
                outputs.append(known.outputs[number])
                tapes.append(known.tapes[number] if keep else [])
                continue
            own = _of(inputs, weights)
            made = self.made(inputs, weights, outputs)
            out = np.zeros(max(1, inputs.size))
            tape = []
            for group in inputs.groups:
                x = group.given if group.given is not None else _gathered(inputs, group, made)
                with np.errstate(all="ignore"), one_thread():
                    if keep:
                        y, kept = inputs.layer.forward(own, x)
                        tape.append(kept)
                    else:
                        y = inputs.layer.apply(own, x)
                if len(inputs.groups) == 1:
                    out = np.ascontiguousarray(y).reshape(-1)
                else:
                    out[_places(inputs.start, group.calls, group.output)] = y.reshape(len(y), -1)
            if not np.isfinite(out).all():
                self.refuse(inputs, out)
            outputs.append(out)
            tapes.append(tape)
        return Pass(outputs, tapes if keep else [])

    def made(self, inputs: Inputs, weights: Weights, outputs: list[Floats]) -> Floats | None:
        """Return the numbers of the inputs that weights decide."""
        bound = inputs.bound
        if bound is None:
            return None
        count = math.prod(_cards(inputs)) * bound.distinct
        tables = np.zeros((bound.distinct, count // max(1, bound.distinct)))
        function = energy_function(self.module, bound.program.symbol)
        function(0, bound.distinct, *self.arguments(bound, weights, outputs), tables)
        return tables.reshape(-1)

    def backward(
        self, weights: Weights, run: Pass, cotangents: list[Floats], gradient: Weights
    ) -> None:
        """Add the vector-Jacobian products of all maps to the gradient of the weights.

        Parameters
        ----------
        weights, run : of the same `forward`.
        cotangents : d value / d outputs, as these; changed in place.
        gradient : stored arrays by name, changed in place.
        """
        for k in reversed(range(len(self.inputs))):
            inputs, bound = self.inputs[k], self.inputs[k].bound
            own, slope = _of(inputs, weights), cotangents[k]
            back = None if bound is None else np.zeros(_length(inputs, bound))
            for group, tape in zip(inputs.groups, run.tapes[k], strict=True):
                if len(inputs.groups) > 1:
                    part = slope[_places(inputs.start, group.calls, group.output)]
                else:
                    part = slope
                part = part.reshape(len(group.calls), *group.output)
                with one_thread():
                    x, found = inputs.layer.backward(own, tape, part, inputs=back is not None)
                for name, value in found.items():
                    gradient[f"{inputs.name}.{name}"] += value
                if x is not None and back is not None:
                    assert inputs.begin is not None
                    if len(inputs.groups) > 1:
                        places = _places(inputs.begin, group.calls, group.shape)
                        back[places] = x.reshape(len(x), -1)
                    else:
                        back = x.reshape(-1)
            if bound is not None and back is not None:
                self.pull_back(bound, weights, run, back, cotangents, gradient)

    def pull_back(
        self,
        bound: Bound,
        weights: Weights,
        run: Pass,
        back: Floats,
        cotangents: list[Floats],
        gradient: Weights,
    ) -> None:
        """Add what the cotangent of inputs gives to weights, and to the maps before."""
        program = bound.program
        function = gradient_function(self.module, program.symbol)
        assert function is not None, "trained without a gradient"
        targets = [gradient[name] for name in program.params]
        targets += [cotangents[k] for k in self.compiled.reads[program.symbol]]
        tables = back.reshape(bound.distinct, -1) if bound.distinct else back.reshape(0, 1)
        arguments = self.arguments(bound, weights, run.outputs)
        function(0, bound.distinct, *arguments, tables, *targets)

    def refuse(self, inputs: Inputs, out: Floats) -> None:
        bad = int(np.flatnonzero(~np.isfinite(out))[0])
        order = np.argsort(inputs.start, kind="stable")
        call = int(order[np.searchsorted(inputs.start[order], bad, side="right") - 1])
        where = self.instances.where(int(inputs.instance[call]))
        declared = self.compiled.model.maps[inputs.name]
        raise no_number(declared, inputs.call.definition.text, out[bad], where)


def require_outputs(groundings: Sequence[Grounding], threads: int) -> None:
    """Refuse maps whose inputs, activations and cotangents would not fit while training.

    Parameters
    ----------
    groundings : of the shards; each thread works on one, and one more waits for its turn.

    Raises
    ------
    BudgetError : naming the map that takes the most.
    """
    work = [sum(inputs.held for inputs in g.inputs) for g in groundings]
    given = sum(inputs.laid_out for g in groundings for inputs in g.inputs)
    every = [inputs for g in groundings for inputs in g.inputs]
    if every:
        most = max(every, key=lambda inputs: inputs.held + inputs.laid_out)
        total = given + sum(sorted(work, reverse=True)[: threads + 1])
        budget.require(8 * total, f"map `{most.name}`, and what else is trained with it,")


def _of(inputs: Inputs, weights: Weights) -> Weights:
    """Return a map's own weights, as its layers call them."""
    return {name: weights[f"{inputs.name}.{name}"] for name in inputs.layer.weights()}


def _length(inputs: Inputs, bound: Bound) -> int:
    return bound.distinct * math.prod(_cards(inputs))


def _cards(inputs: Inputs) -> tuple[int, ...]:
    """Return how many numbers a row of an input's program has, by axis."""
    if inputs.call.spread or not inputs.groups:
        return (1,)
    return inputs.groups[0].shape


def _gathered(inputs: Inputs, group: Group, made: Floats | None) -> Floats:
    """Return the inputs of a group out of the numbers of all."""
    assert made is not None and inputs.begin is not None
    count = len(group.calls)
    if len(inputs.groups) == 1:
        return made.reshape(count, *(group.shape or (1,)))
    found: Floats = made[_places(inputs.begin, group.calls, group.shape)]
    return found.reshape(count, *(group.shape or (1,)))


def _places(start: NDArray[np.int64], calls: NDArray[np.int64], shape: tuple[int, ...]) -> Any:
    return start[calls, None] + np.arange(math.prod(shape))
