"""Calls of maps: what tells one input from another, apart from the place where it is read.

`G(x[t])` in one factor and `G(x[s - 1])` in another read the same outputs: both are the call
`G(x[k])`, at the keys `t` and `s - 1`. An input is worked out once for each distinct key.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from factorgraph.compiler.program import CallDefinition
from factorgraph.model.expression import (
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    MapRead,
    ParamRead,
    Reduce,
    SizeOf,
    Spelling,
    UnknownRead,
    Variable,
    depends,
    free_variables,
    is_fixed,
    is_whole,
    show,
    walk,
)
from factorgraph.model.names import not_built

_LAZY = ("if", "and", "or", "=>", "require")
"""Operators whose later arguments may not be evaluated at all."""


@dataclass(eq=False, repr=False)
class Key(Variable):
    """A variable of a call; what it is called does not tell calls apart."""

    name: str = field(compare=False)
    number: int


def call_of(e: MapRead) -> tuple[CallDefinition, tuple[Expr, ...]]:
    """Return the call that a read of a map's output belongs to, and its keys' values here.

    Raises
    ------
    NotBuiltError : where its input reads unknowns that are not finite numbers of a scope.
    """
    whole = replace(e, indices=())
    for part in walk(whole):
        if isinstance(part, LengthOf | Spelling | FieldRead | Distinct):
            raise not_built(f"map `{e.name}` of `{show(part)}`", part.span)
    made = _Canonical()
    read = made.map(whole)
    for part in walk(read):
        if isinstance(part, UnknownRead):
            raise not_built(f"map `{e.name}` of `{show(part)}`", part.span)
    of_instance = depends(read, GivenRead, LetRead, SizeOf)
    return CallDefinition(read, tuple(made.keys.values()), of_instance, show(whole)), tuple(
        made.keys
    )


class _Canonical:
    """Names variables by the order in which they occur, and makes keys of what is known."""

    def __init__(self) -> None:
        self.keys: dict[Expr, Key] = {}
        self.bound: dict[Variable, Key] = {}
        self.made = 0

    def __call__(self, e: Expr, lazy: bool = False) -> Expr:
        """Return an expression in terms of keys.

        Parameters
        ----------
        lazy : whether it may never be evaluated: then nothing is taken out of it but indices and
            states, which have values everywhere.
        """
        if isinstance(e, Variable) and e in self.bound:
            return self.bound[e]
        if self.known(e, lazy):
            if e not in self.keys:
                self.keys[e] = Key(e.span, e.kind, show(e), -1000 - len(self.keys))
            return self.keys[e]
        match e:
            case MapRead():
                return self.map(e, lazy)
            case Reduce():
                low, high = self(e.low, lazy), self(e.high, lazy)
                index = self.bind(e.index)
                guard = None if e.guard is None else self(e.guard, lazy=True)
                body = self(e.body, lazy=True)
                return replace(e, index=index, low=low, high=high, guard=guard, body=body)
            case Apply() if e.operator in _LAZY:
                first, *rest = e.arguments
                arguments = (self(first, lazy), *(self(a, lazy=True) for a in rest))
                return replace(e, arguments=arguments)
            case Apply(operator="padded"):
                return self.inside(e, lazy=True)
        return self.inside(e, lazy)

    def inside(self, e: Expr, lazy: bool) -> Expr:
        changes: dict[str, Any] = {}
        for f in fields(e):
            value = getattr(e, f.name)
            if isinstance(value, tuple) and value and all(isinstance(v, Expr) for v in value):
                changes[f.name] = tuple(self(v, lazy) for v in value)
        return replace(e, **changes) if changes else e

    def map(self, e: MapRead, lazy: bool = False) -> MapRead:
        extents = [self(extent, lazy) for _, extent in e.axes]
        axes = tuple((self.bind(v), x) for (v, _), x in zip(e.axes, extents, strict=True))
        body = self(e.body, lazy)
        indices = tuple(self(i, lazy) for i in e.indices)
        return replace(e, axes=axes, body=body, indices=indices)

    def bind(self, v: Variable) -> Key:
        self.made += 1
        self.bound[v] = Key(v.span, v.kind, v.name, -2000 - self.made)
        return self.bound[v]

    def known(self, e: Expr, lazy: bool) -> bool:
        """Return whether an expression becomes a key: a whole number that can be told before."""
        if isinstance(e, Const | DomainSize) or e.kind.sort not in ("int", "bit", "label"):
            return False
        if lazy and not isinstance(e, Variable | UnknownRead):
            return False
        if depends(e, ParamRead, MapRead) or is_fixed(e) or not is_whole(e):
            return False
        return not free_variables(e) & self.bound.keys()
