"""The derivative of an energy in one entry of a param, or in one output of a map, as a formula.

``-dot(U[y[t]], x[t])``, summed over t, has the derivative ``-sum(1[y[t] = c] x[t, i] for t in n)``
in ``U[c, i]``: a count of how often a configuration reads the entry, each time with what it is
multiplied with. Loops over an index that selects the entry itself fall away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from factorgraph.compiler.differentiate import derivative, negative, times
from factorgraph.explain.slopes import simplified
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Expr,
    MapRead,
    ParamRead,
    Reduce,
    Variable,
    fixed_value,
    free_variables,
    replaced,
    walk,
)
from factorgraph.model.model import Binder, FactorDeclaration, Model


@dataclass(frozen=True)
class Loop:
    """An index that a sum runs over, where the guard holds."""

    variable: Variable
    low: Expr
    high: Expr
    guard: Expr | None = None


@dataclass(frozen=True)
class Selects:
    """That an index of the weight's is the entry's: ``index == target``."""

    index: Expr
    target: Variable

    @property
    def truth(self) -> Expr:
        return Apply(self.index.span, BIT, "==", (self.index, self.target))


@dataclass(frozen=True)
class Term:
    """A sum over loops of ``coefficient`` wherever all conditions hold.

    Attributes
    ----------
    factor : whose derivative it is.
    binders : how many of the loops, outermost first, are the factor's own.
    call : of a map's output: the map and its input.
    """

    factor: str
    loops: tuple[Loop, ...]
    selects: tuple[Selects, ...]
    coefficient: Expr
    binders: int = 0
    call: MapRead | None = None

    @property
    def value(self) -> Expr:
        """The term as an expression."""
        e = self.coefficient
        for one in reversed(self.selects):
            e = _times(one.truth, e)
        return summed(e, self.loops)


@dataclass(frozen=True)
class Derivative:
    """What an energy's derivative in one entry is: the sum of its terms.

    Attributes
    ----------
    name : of the param or map.
    entry : indices of the entry, from 0.
    through : whether weights reach the energy also through the inputs of a map, which these
        terms leave out.
    """

    name: str
    entry: tuple[Variable, ...]
    terms: tuple[Term, ...]
    through: str | None = None


def _times(a: Expr, b: Expr) -> Expr:
    return a if fixed_value(b) == 1 else Apply(b.span, REAL, "*", (a, b))


def summed(e: Expr, loops: Sequence[Loop]) -> Expr:
    """Return the sum of an expression over loops, the first outermost."""
    for loop in reversed(loops):
        e = Reduce(e.span, REAL, "sum", loop.variable, loop.low, loop.high, loop.guard, e)
    return e


def counted(model: Model, name: str) -> Derivative:
    """Return the derivative of the energy in an entry of a param, or in an output of a map.

    Where a map is called with several inputs, each term tells of its own: the loops that choose
    the input are not summed over, but say which.
    """
    entry = _entry(model, name)
    terms: list[Term] = []
    through = None
    for factor in model.factors.values():
        if factor.hard:
            continue
        for term in _of(factor.value, name, entry):
            loops = _loops(factor)
            term = replace(term, factor=factor.name, loops=(*loops, *term.loops),
                           binders=len(loops))  # fmt: skip
            if factor.guard is not None and not loops:
                term = replace(term, coefficient=_times(factor.guard, term.coefficient))
            terms.append(_renamed(_selected(term, model, name), entry))
        for read in walk(factor.value):
            if isinstance(read, MapRead) and any(_is(n, name) for n in walk(read.body)):
                through = read.name
    return Derivative(name, entry, tuple(terms), through)


def _loops(factor: FactorDeclaration) -> tuple[Loop, ...]:
    loops = [Loop(b.variable, b.low, b.high) for b in factor.binders]
    if factor.guard is not None and loops:
        loops[-1] = replace(loops[-1], guard=factor.guard)
    return tuple(loops)


def _is(e: Expr, name: str) -> bool:
    return isinstance(e, ParamRead | MapRead) and e.name == name


def _of(e: Expr, name: str, entry: tuple[Variable, ...]) -> Iterator[Term]:
    """Yield the terms of the derivative of an expression."""
    if isinstance(e, ParamRead | MapRead):
        if e.name == name:
            selects = tuple(map(Selects, e.indices, entry))
            call = replace(e, indices=()) if isinstance(e, MapRead) else None
            yield Term("", (), selects, Const(e.span, REAL, 1.0), call=call)
        return
    if isinstance(e, Reduce):
        for term in _of(e.body, name, entry):
            if e.operator == "sum":
                loop = Loop(e.index, e.low, e.high, e.guard)
                yield replace(term, loops=(loop, *term.loops))
                continue
            # the least or greatest of several is that of the one where it is reached
            reached = Apply(e.span, BIT, "==", (e.body, e))
            loop = Loop(e.index, e.low, e.high, e.guard)
            yield replace(
                term, loops=(loop, *term.loops), coefficient=_times(reached, term.coefficient)
            )
        return
    if not isinstance(e, Apply):
        return
    e = _plain(e)
    for leaf in dict.fromkeys(_leaves(e, name)):
        slope = simplified(derivative(e, leaf))
        if fixed_value(slope) == 0:
            continue
        for term in _of(leaf, name, entry):
            yield replace(term, coefficient=simplified(times(slope, term.coefficient)))


def _plain(e: Expr) -> Expr:
    """Return an operation without what only tells how a number is read."""
    if not isinstance(e, Apply):
        return e
    if e.operator == "require":
        return _plain(e.arguments[1])
    a = tuple(map(_plain, e.arguments))
    if e.operator == "*" and a[0] == a[1]:
        return replace(e, operator="^", arguments=(a[0], Const(e.span, REAL, 2.0)))
    return replace(e, arguments=a)


def _leaves(e: Expr, name: str) -> Iterator[Expr]:
    """Yield what the derivative goes on from: reads of the weight, and loops that hold some."""
    if isinstance(e, Apply):
        for part in e.arguments:
            yield from _leaves(part, name)
    elif _is(e, name) or (isinstance(e, Reduce) and any(_is(n, name) for n in walk(e))):
        yield e


def _selected(term: Term, model: Model, name: str) -> Term:
    """Return a term without the loops whose index is just that of the entry."""
    axes = _axes(model, name)
    for one in term.selects:
        index, k = one.index, -1 - one.target.number
        own = [loop for loop in term.loops if loop.variable == index]
        keys = set() if term.call is None else free_variables(term.call)
        if not own or index in keys:
            continue
        (loop,) = own
        rest = [s for s in term.selects if s is not one]
        within: list[Expr] = []
        if not _is_whole(loop, axes[k] if k < len(axes) else None):
            within = [
                Apply(index.span, BIT, "<=", (loop.low, one.target)),
                Apply(index.span, BIT, "<=", (one.target, loop.high)),
            ]
        if loop.guard is not None:
            within.append(loop.guard)
        coefficient = term.coefficient
        for bound in reversed(within):
            coefficient = _times(bound, coefficient)

        def put(e: Expr, old: Expr = index, new: Variable = one.target) -> Expr:
            return replaced(e, old, new)

        at = term.loops.index(loop)
        loops = tuple(
            Loop(o.variable, put(o.low), put(o.high), None if o.guard is None else put(o.guard))
            for o in term.loops
            if o is not loop
        )
        fewer = 1 if at < term.binders else 0
        return _selected(
            replace(
                term,
                loops=loops,
                selects=tuple(Selects(put(s.index), s.target) for s in rest),
                coefficient=put(coefficient),
                binders=term.binders - fewer,
            ),
            model,
            name,
        )
    return term


def _axes(model: Model, name: str) -> tuple[int | None, ...]:
    """Return how many entries a param has along each axis, or a map that gives a vector."""
    if name in model.params:
        return tuple(axis.fixed for axis in model.params[name].axes)
    layer = model.maps[name].layer
    while layer.sort == "chain":
        layer = layer.layers[-1]
    count = fixed_value(layer.sizes[-1]) if layer.sort in ("mlp", "linear") else None
    return (None if count is None else int(count),)


def _is_whole(loop: Loop, count: int | None) -> bool:
    """Return whether a loop runs over a whole axis."""
    low, high = fixed_value(loop.low), fixed_value(loop.high)
    return count is not None and low == 0 and high == count - 1


def _entry(model: Model, name: str) -> tuple[Variable, ...]:
    """Return names for the indices of an entry: those that the energy itself uses, else new."""
    found = [
        (read, loops)
        for factor in model.factors.values()
        for read, loops in _reads(factor.value, name, {b.variable for b in factor.binders})
    ]
    if not found:
        return ()
    first, bound = found[0]
    taken = _taken(model)
    names: list[str] = []
    for index in first.indices:
        usual = index.name if isinstance(index, Variable) and index in bound else None
        if usual is None or usual in names:
            usual = next(n for n in _letters() if n not in taken and n not in names)
        names.append(usual)
    return tuple(
        Variable(first.span, INT, n, -1 - k) for k, n in enumerate(names)
    )  # no checked text has such numbers


def _reads(
    e: Expr, name: str, bound: set[Variable]
) -> Iterator[tuple[ParamRead | MapRead, set[Variable]]]:
    if isinstance(e, ParamRead | MapRead) and e.name == name:
        yield e, bound - (free_variables(e.body) if isinstance(e, MapRead) else set())
    inside = bound | {e.index} if isinstance(e, Reduce) else bound
    for part in e.parts():
        yield from _reads(part, name, inside)


def _letters() -> Iterator[str]:
    yield from "cdahklmopqrsuvwgbe"
    yield from (f"c{k}" for k in range(1, 100))


def _taken(model: Model) -> set[str]:
    """Return names that mean something in the energy already."""
    taken = {
        *model.givens, *model.unknowns, *model.params, *model.maps, *model.sizes, *model.factors,
        *model.constants, *model.lets,
    }  # fmt: skip
    for factor in model.factors.values():
        taken |= {b.variable.name for b in factor.binders}
        taken |= {n.name for n in walk(factor.value) if isinstance(n, Variable)}
        taken |= {n.index.name for n in walk(factor.value) if isinstance(n, Reduce)}
    return taken


def _renamed(term: Term, entry: tuple[Variable, ...]) -> Term:
    """Return a term whose loops are not called as an index of the entry is."""
    names = {v.name for v in entry}
    for loop in term.loops:
        if loop.variable.name in names:
            new = replace(loop.variable, name=f"{loop.variable.name}′")
            return _renamed(renamed(term, loop.variable, new), entry)
    return term


def renamed(term: Term, old: Variable, new: Expr) -> Term:
    """Return a term in which an index is another expression; a loop over it goes by its name."""

    def put(e: Expr) -> Expr:
        return replaced(e, old, new)

    loops = tuple(
        Loop(
            new if loop.variable == old and isinstance(new, Variable) else loop.variable,
            put(loop.low), put(loop.high), None if loop.guard is None else put(loop.guard),
        )
        for loop in term.loops
    )  # fmt: skip
    call = None if term.call is None else put(term.call)
    assert call is None or isinstance(call, MapRead)
    return replace(
        term,
        loops=loops,
        selects=tuple(Selects(put(s.index), s.target) for s in term.selects),
        coefficient=put(term.coefficient),
        call=call,
    )


def at_term(term: Term, binders: Sequence[Binder], indices: Sequence[Expr]) -> Term:
    """Return what a term of a factor is at one value of the factor's binders."""
    kept = term.loops
    for binder, index in zip(binders, indices, strict=True):
        kept = tuple(loop for loop in term.loops if loop.variable != binder.variable)
        term = renamed(replace(term, loops=kept), binder.variable, index)
    return replace(term, binders=0)


def factors_of(e: Expr) -> tuple[bool, list[Expr]]:
    """Return whether a product is negative, and what it is a product of."""
    if isinstance(e, Apply) and e.operator == "neg":
        minus, parts = factors_of(e.arguments[0])
        return not minus, parts
    if isinstance(e, Apply) and e.operator == "*" and e.arguments[0] != e.arguments[1]:
        one, first = factors_of(e.arguments[0])
        two, second = factors_of(e.arguments[1])
        return one ^ two, first + second
    if isinstance(e, Apply) and e.operator == "/":
        minus, first = factors_of(e.arguments[0])
        last: Expr = Const(e.span, REAL, 1.0) if not first else first[-1]
        below = e.arguments[1]
        return minus, [*first[:-1], replace(e, arguments=(last, below))]
    value = fixed_value(e)
    if value is not None and value < 0:
        return True, [] if value == -1 else [negative(e)]
    return False, [] if value == 1 else [e]
