"""Generators while checking: what an index runs over, for factors and comprehensions."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.errors import ModelError
from factorgraph.model.arrays import Value, fresh, integer, minus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    DomainSize,
    Expr,
    Kind,
    ParamRead,
    Reduce,
    UnknownRead,
)
from factorgraph.model.model import (
    Binder,
)
from factorgraph.model.names import not_built
from factorgraph.model.reads import Reads, Scope
from factorgraph.source import Span
from factorgraph.syntax import tree as t


@dataclass(frozen=True)
class Bound:
    """Binders made of generators: indices, the names in scope, and a guard."""

    binders: tuple[Binder, ...]
    scope: Scope
    guard: Expr | None


class Generators(Reads):
    """Turns generators and guards into binders."""

    # -- generators

    def bind(self, binders: t.Binders, scope: Scope) -> Bound:
        """Return the indices of generators, with the names they bind and the guard.

        Raises
        ------
        ModelError : ``E0114`` where a range or guard reads an unknown or a param.
        """
        made: list[Binder] = []
        inner: dict[str, Value] = dict(scope)
        names: set[str] = set()
        for generator in binders.generators:
            if len(generator.patterns) > 1:
                raise not_built("factors over neighbours of a sequence", generator.span)
            (pattern,) = generator.patterns
            for identifier in pattern.names:
                if identifier.name in names:
                    raise ModelError(
                        f"`{identifier.name}` is bound twice", code="E0101", span=identifier.span
                    )
                names.add(identifier.name)
            self._generator(pattern, generator.source, made, inner)
        guard = self.truth(binders.guard, inner) if binders.guard is not None else None
        if guard is not None:
            self._only_data(guard, "a guard")
        return Bound(tuple(made), inner, guard)

    def _only_data(self, value: Expr, what: str) -> None:
        for node in _walk(value):
            if isinstance(node, UnknownRead | ParamRead):
                kind = "param" if isinstance(node, ParamRead) else self.unknowns[node.name].role
                raise ModelError(
                    f"{what} cannot read `{node.name}`, which is {'an' if kind[0] == 'a' else 'a'}"
                    f" {kind}",
                    code="E0114",
                    span=node.span,
                    hint="write a factor, with `if … then … else …`",
                )

    def _generator(
        self,
        pattern: t.Pattern,
        source: t.Expression,
        made: list[Binder],
        inner: dict[str, Value],
    ) -> None:
        if isinstance(source, t.Values):
            self._list(pattern, source, made, inner)
            return
        if pattern.grouped or (
            isinstance(source, t.Name)
            and (source.name in self.givens or source.name in self.unknowns)
        ):
            raise not_built("running over a relation or a sequence", source.span)
        (identifier,) = pattern.names
        span = identifier.span
        kind, low, high = self.run(source, inner)
        variable = fresh(identifier.name, span, kind)
        made.append(Binder(variable, low, high))
        inner[identifier.name] = variable

    def run(self, source: t.Expression, scope: Scope) -> tuple[Kind, Expr, Expr]:
        """Return the kind and the ends of what an index runs over."""
        span = source.span
        if isinstance(source, t.Range):
            low, high = self.number(source.low, scope), self.number(source.high, scope)
            for end in (low, high):
                if end.kind == REAL:
                    raise ModelError(
                        "the ends of a range are whole numbers", code="E0106", span=end.span
                    )
                self._only_data(end, "a range")
            return INT, low, high
        if isinstance(source, t.Name) and source.name not in scope:
            domain = self.domains.get(source.name)
            if domain is not None:
                if domain.low is not None and domain.high is not None:
                    return INT, integer(span, domain.low), integer(span, domain.high)
                size = domain.count
                last = (
                    minus(DomainSize(span, INT, domain.name), integer(span, 1))
                    if size is None
                    else integer(span, size - 1)
                )
                return Kind("label", domain.name), integer(span, 0), last
            if source.name == "bit":
                return INT, integer(span, 0), integer(span, 1)
        extent = self.number(source, scope)
        if extent.kind == REAL:
            raise ModelError("a size is a whole number", code="E0106", span=span)
        self._only_data(extent, "a size")
        return INT, integer(span, 0), minus(extent, integer(span, 1))

    def _list(
        self,
        pattern: t.Pattern,
        source: t.Values,
        made: list[Binder],
        inner: dict[str, Value],
    ) -> None:
        """Run over a list: an index into it, and each name a choice by that index."""
        span = source.span
        variable = fresh("item", span)
        last = integer(span, len(source.items) - 1)
        made.append(Binder(variable, integer(span, 0), last))
        for k, identifier in enumerate(pattern.names):
            values = []
            for item in source.items:
                parts = item.items if isinstance(item, t.Tuple) else (item,)
                if len(parts) != len(pattern.names):
                    raise ModelError(
                        f"{len(pattern.names)} names, but this item has {len(parts)} values",
                        code="E0115",
                        span=item.span,
                    )
                value = self.number(parts[k], {})
                if value.kind == REAL:
                    raise not_built("lists of real numbers", parts[k].span)
                values.append(value)
            inner[identifier.name] = _pick(span, variable, values, 0)


def _walk(value: Expr) -> list[Expr]:
    from factorgraph.model.expression import walk

    return list(walk(value))


def _pick(span: Span, index: Expr, values: list[Expr], first: int) -> Expr:
    """Return ``values[index - first]`` as a balanced choice, so that a long list nests little."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    below = Apply(span, BIT, "<", (index, integer(span, first + half)))
    low, high = values[:half], values[half:]
    yes, no = _pick(span, index, low, first), _pick(span, index, high, first + half)
    return Apply(span, INT, "if", (below, yes, no))


def nest(span: Span, operator: str, bound: Bound, body: Expr) -> Expr:
    """Return nested reductions; the guard stands innermost, where every index is bound."""
    guard = bound.guard
    for binder in reversed(bound.binders):
        kind = INT if body.kind == BIT else body.kind
        body = Reduce(span, kind, operator, binder.variable, binder.low, binder.high, guard, body)
        guard = None
    return body
