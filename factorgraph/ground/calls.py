"""The distinct calls of maps in a batch: found while places of outputs are worked out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from factorgraph import budget
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.program import Call, CallDefinition, Place, Program
from factorgraph.data.instances import Instances
from factorgraph.errors import DataError
from factorgraph.ground.layers import build
from factorgraph.ground.points import reads_points
from factorgraph.ground.rows import Rows, expand, joined
from factorgraph.maps.layer import Layer, ShapeError
from factorgraph.model.expression import GivenRead, LetRead, MapRead, SizeOf, walk

if TYPE_CHECKING:
    from factorgraph.ground.evaluate import Evaluator
    from factorgraph.ground.ground import Bound

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Group:
    """The calls of a batch whose inputs have one shape.

    Attributes
    ----------
    shape, output : of an input, of an output.
    calls : int64 [k], their numbers, rising.
    given : float64 [k, *shape], the inputs; None where weights decide them.
    """

    shape: Shape
    output: Shape
    calls: Ints
    given: Floats | None = field(repr=False)


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a map is fed with in a batch, in one form of input, each distinct input once.

    Attributes
    ----------
    instance : int64 [n], an instance that has each input.
    start : int64 [n], where each output begins among the numbers of all.
    size : how many numbers the outputs are.
    bound : the program of the inputs, where weights decide them.
    begin : int64 [n], where each input begins among the numbers that the program makes.
    """

    call: Call
    layer: Layer
    instance: Ints = field(repr=False)
    groups: tuple[Group, ...]
    start: Ints = field(repr=False)
    size: int
    bound: Bound | None = field(default=None, repr=False)
    begin: Ints | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The map's name."""
        return self.call.definition.read.name

    @property
    def held(self) -> int:
        """How many numbers a forward and a backward pass hold at once, besides given inputs."""
        count = 2 * self.size
        for group in self.groups:
            inputs = 0 if group.given is not None else 2 * math.prod(group.shape)
            count += len(group.calls) * (2 * self.layer.held(group.shape) + inputs)
        return count

    @property
    def laid_out(self) -> int:
        """How many numbers the inputs are that only data decide."""
        return sum(group.given.size for group in self.groups if group.given is not None)


class _Site:
    """The calls of one definition so far."""

    def __init__(self, definition: CallDefinition, layer: Layer, alone: bool) -> None:
        self.layer = layer
        self.alone = alone  # whether the instance tells inputs apart
        self.rows = Rows(np.zeros(0, np.int64), {k: np.zeros(0, np.int64) for k in definition.keys})
        self.shape = np.zeros(0, np.int64)
        self.start = np.zeros(0, np.int64)
        self.shapes: dict[Shape, tuple[int, Shape]] = {}
        self.size = 0


class Calls:
    """Numbers the distinct inputs of every call, in the order in which they are met.

    Parameters
    ----------
    compiled : the model.
    instances : of the batch.
    """

    def __init__(self, compiled: Compiled, instances: Instances) -> None:
        self.compiled = compiled
        self.instances = instances
        self.layers = {
            name: build(declared.layer, compiled.model, instances.vocabularies)
            for name, declared in compiled.model.maps.items()
        }
        self.sites: dict[CallDefinition, _Site] = {}

    def place(self, e: Place, rows: Rows, at: Evaluator) -> Ints:
        """Return where the numbers of a map's outputs lie that are read at some rows.

        Raises
        ------
        DataError : where an index leaves the output, or the map cannot take the input.
        """
        definition = e.call
        count = len(definition.keys)
        values = [at.whole(a, rows) for a in e.arguments]
        if not rows.count:
            return np.zeros(0, np.int64)
        site = self.site(definition)
        columns = [*([rows.instance] if site.alone else []), *values[:count]]
        first, number = numbered(columns, rows.count)
        index = {k: v[first] for k, v in zip(definition.keys, values[:count], strict=True)}
        call = self.register(definition, Rows(rows.instance[first], index), at)[number]
        position = np.zeros(rows.count, np.int64)
        shape = site.shape[call]
        for output, which in [(out, k) for k, out in site.shapes.values()]:
            here = shape == which if len(site.shapes) > 1 else slice(None)
            flat: Array = np.zeros(len(position[here]), np.int64)
            for k, (index_, extent) in enumerate(zip(values[count:], output, strict=True)):
                inside = index_[here]
                bad = (inside < 0) | (inside >= extent)
                if bad.any():
                    row = int(np.arange(rows.count)[here][np.flatnonzero(bad)[0]])
                    read = definition.text
                    raise DataError(
                        f"{at.what} reads `{read}` at index {index_[row]} of axis {k + 1}, "
                        f"outside 0..{extent - 1} ({self.instances.where(rows.instance[row])})",
                        code="E0311",
                        span=e.span,
                        hint="bind a smaller range, or add a guard",
                    )
                flat = flat * extent + inside
            position[here] = flat
        return position + site.start[call]

    def site(self, definition: CallDefinition) -> _Site:
        """Return the calls of a definition so far."""
        if definition not in self.sites:
            alone = definition.of_instance and not self.is_shared(definition.read)
            layer = self.layers[definition.read.name]
            self.sites[definition] = _Site(definition, layer, alone)
        return self.sites[definition]

    def is_shared(self, read: MapRead) -> bool:
        """Return whether all data that an input reads are the same for all instances."""
        for part in walk(read):
            if isinstance(part, LetRead | SizeOf):
                return False
            if isinstance(part, GivenRead):
                column = self.instances.givens.get(part.name)
                if column is None or not column.shared:
                    return False
        return True

    def register(self, definition: CallDefinition, rows: Rows, at: Evaluator) -> Ints:
        """Return the numbers of some calls; those that are new are added."""
        site = self.site(definition)
        known = site.rows.count
        both = joined([site.rows, rows], list(definition.keys))
        columns = [*([both.instance] if site.alone else []), *both.index.values()]
        first, number = numbered(columns, both.count)
        new = both.take(first[known:])
        if new.count:
            site.rows = both.take(first)
            self.extend(site, definition, new, at)
        return number[known:]

    def extend(self, site: _Site, definition: CallDefinition, new: Rows, at: Evaluator) -> None:
        """Place the outputs of new calls behind those that are known."""
        which = np.zeros(new.count, np.int64)
        size = np.zeros(new.count, np.int64)
        for shape, group in at.by_shape(definition.read, new):
            if shape not in site.shapes:
                try:
                    output = site.layer.output(shape)
                except ShapeError as error:
                    raise DataError(
                        f"{at.what}: map `{definition.read.name}`: {error} "
                        f"({self.instances.where(new.instance[group[0]])})",
                        code="E0317",
                        span=definition.read.span,
                    ) from None
                site.shapes[shape] = len(site.shapes), output
            which[group], output = site.shapes[shape]
            size[group] = math.prod(output)
        stop = site.size + np.cumsum(size)
        site.size = int(stop[-1])
        budget.require(16 * site.size, f"the outputs of map `{definition.read.name}`")
        site.shape = np.concatenate((site.shape, which))
        site.start = np.concatenate((site.start, stop - size))

    def finish(
        self, at: Callable[[str], Evaluator], bind: Callable[[Program, Rows, Evaluator], Bound]
    ) -> tuple[Inputs, ...]:
        """Return what each call of the model is fed with.

        Parameters
        ----------
        at : gives an evaluator for a statement.
        bind : gives the arrays of a program at some rows.
        """
        out: list[Inputs] = []
        # those that need others come first here, since they may add to what the others are asked
        for call in reversed(self.compiled.calls):
            definition = call.definition
            name = definition.read.name
            site = self.site(definition)
            evaluator = at(f"map `{name}`")
            groups = []
            for shape, (k, output) in site.shapes.items():
                chosen = np.flatnonzero(site.shape == k)
                given = None
                if call.program is None:
                    given = evaluator.filled(definition.read, site.rows.take(chosen), shape)
                    given = given if shape else given[:, None]
                groups.append(Group(shape, output, chosen, given))
            bound = begin = None
            if call.program is not None:
                rows, begin = self.elements(call, site, evaluator)
                bound = bind(call.program, rows, evaluator)
            inputs = Inputs(
                call, site.layer, site.rows.instance, tuple(groups), site.start, site.size,
                bound, begin,
            )  # fmt: skip
            out.append(inputs)
        return tuple(reversed(out))

    def follow(
        self,
        inputs: Sequence[Inputs],
        at: Callable[[str], Evaluator],
        moving: list[Callable[[], None]],
    ) -> set[int]:
        """Let inputs follow the points of real unknowns that they read.

        Parameters
        ----------
        inputs : of all calls, as `finish` gave them.
        moving : what is done when points move; grows.

        Returns
        -------
        the numbers of the calls whose outputs change then.
        """
        found: set[int] = set()
        for number, one in enumerate(inputs):
            definition = one.call.definition
            reads = reads_points(definition.read, self.compiled.model)
            program = one.call.program
            if program is not None:
                used = {self.compiled.calls.index(c) for c in self.compiled.calls
                        if any(c.definition == d.definition for d in program.calls)}  # fmt: skip
                if reads or used & found:
                    found.add(number)
            elif reads:
                found.add(number)
                moving.append(self.filling(one, at(f"map `{one.name}`")))
        return found

    def filling(self, inputs: Inputs, at: Evaluator) -> Callable[[], None]:
        """Return what fills the given inputs of a call anew."""
        definition = inputs.call.definition
        rows = self.site(definition).rows

        def again() -> None:
            for group in inputs.groups:
                assert group.given is not None
                made = at.filled(definition.read, rows.take(group.calls), group.shape)
                group.given[:] = made.reshape(group.given.shape)

        return again

    def elements(self, call: Call, site: _Site, at: Evaluator) -> tuple[Rows, Ints]:
        """Return the rows of the program of a call's inputs, and where each input begins."""
        sizes = np.array([math.prod(shape) for shape in site.shapes] or [0], np.int64)
        stop = np.cumsum(sizes[site.shape]) if site.rows.count else np.zeros(0, np.int64)
        begin = stop - sizes[site.shape] if site.rows.count else stop
        rows = site.rows
        budget.require(
            16 * int(stop[-1] if len(stop) else 0),
            f"the inputs of map `{call.definition.read.name}`",
        )
        if not call.spread:
            return rows, begin
        for variable, extent in call.definition.read.axes:
            count = at.whole(extent, rows)
            parts = [part for part, _ in expand(rows, variable, np.zeros_like(count), count - 1)]
            rows = joined(parts, [*rows.index, variable])
        return rows, begin


def numbered(columns: Sequence[Array], rows: int) -> tuple[Ints, Ints]:
    """Return the first row of each distinct combination of values, in the order of these rows,
    and the number of every row's combination.

    Parameters
    ----------
    columns : int64 [rows] each; without any, all rows are alike.
    """
    key = np.zeros(rows, np.int64)
    span = 1
    for column in columns:
        low, high = (int(column.min()), int(column.max())) if rows else (0, 0)
        if span * (high - low + 1) >= 2**62:
            key, span = _dense(key)
            column, width = _dense(column)
            low, high = 0, width - 1
        key = key * (high - low + 1) + (column - low)
        span *= high - low + 1
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[inverse.reshape(-1)]


def _dense(column: Array) -> tuple[Ints, int]:
    """Return numbers from 0 that are equal where those of a column are, and how many."""
    values, inverse = np.unique(column, return_inverse=True)
    return inverse.reshape(-1).astype(np.int64), max(1, len(values))
