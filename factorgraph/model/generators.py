"""Generators while checking: what an index runs over, for factors and comprehensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from factorgraph.errors import ModelError, some
from factorgraph.model.arrays import Array, Value, fresh, integer, minus, plus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    DomainSize,
    Expr,
    FieldRead,
    GivenRead,
    Kind,
    LengthOf,
    MapRead,
    ParamRead,
    Reduce,
    Spelling,
    UnknownRead,
    free_variables,
    show,
)
from factorgraph.model.model import Binder, Given, Unknown
from factorgraph.model.reads import Poisoned, Reads, Scope, short
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
            for pattern in generator.patterns:
                for identifier in pattern.names:
                    if identifier.name in names:
                        raise ModelError(
                            f"`{identifier.name}` is bound twice", code="E0101",
                            span=identifier.span, hint="give it another name",
                        )  # fmt: skip
                    names.add(identifier.name)
            source = generator.source
            if isinstance(source, t.Name) and source.name not in inner:
                self.used.add(source.name)
                if source.name in self.poisoned:
                    raise Poisoned("", span=source.span)
                unknown = self.unknowns.get(source.name)
                if unknown is not None and unknown.sequence is not None:
                    self._elements(generator, unknown, made, inner)
                    continue
            if len(generator.patterns) > 1:
                raise ModelError(
                    "several patterns run over neighbours in a sequence, and this is none",
                    code="E0126",
                    span=generator.span,
                    hint=self._one_row(generator) or "write a generator for each: `i in n, j in m`",
                )
            self._generator(generator.patterns[0], source, made, inner)
        guard = self.truth(binders.guard, inner) if binders.guard is not None else None
        if guard is not None:
            self._only_data(guard, "a guard")
        return Bound(tuple(made), inner, guard)

    def _one_row(self, generator: t.Generator) -> str | None:
        """Return what to write where the patterns are meant to be the parts of one row."""
        source, patterns = generator.source, generator.patterns
        rows = isinstance(source, t.Values) or (
            isinstance(source, t.Name) and source.name in self.givens
        )
        if not rows or any(pattern.grouped for pattern in patterns):
            return None
        names = ", ".join(i.name for pattern in patterns for i in pattern.names)
        return f"parentheses take a row apart: `({names}) in {short(source)}`"

    def _only_data(self, value: Expr, what: str) -> None:
        for node in _walk(value):
            if isinstance(node, UnknownRead | ParamRead):
                kind = "param" if isinstance(node, ParamRead) else self.unknowns[node.name].role
                raise ModelError(
                    f"{what} cannot read `{node.name}`, which is {_a(kind)}",
                    code="E0114",
                    span=node.span,
                    hint="write a factor, with `if … then … else …`"
                    if what == "a guard"
                    else "use a size or a given",
                )
            if isinstance(node, LengthOf | Spelling | MapRead):
                raise ModelError(
                    f"{what} cannot use `{node.name}`", code="E0114", span=node.span,
                    hint="guards and ranges read givens, sizes and indices only",
                )  # fmt: skip

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
        if isinstance(source, t.Name) and source.name not in inner:
            if source.name in self.givens and (pattern.grouped or self.givens[source.name].axes):
                self._relation(pattern, source, self.givens[source.name], made, inner)
                return
            if source.name in self.unknowns:
                raise ModelError(
                    f"an index cannot run over `{source.name}`, which is "
                    f"{_a(self.unknowns[source.name].role)}",
                    code="E0114",
                    span=source.span,
                    hint="run over its index set, and read it in the factor",
                )
        if pattern.grouped:
            raise ModelError(
                "several names need a source of tuples: a given relation, a list or a sequence",
                code="E0115",
                span=source.span,
                hint="run over several sets: `i in n, j in m`",
            )
        (identifier,) = pattern.names
        span = identifier.span
        kind, low, high = self.run(source, inner)
        variable = fresh(identifier.name, span, kind)
        self.ranges[variable] = (low, high)
        made.append(Binder(variable, low, high))
        inner[identifier.name] = variable

    def _relation(
        self,
        pattern: t.Pattern,
        source: t.Name,
        given: Given,
        made: list[Binder],
        inner: dict[str, Value],
    ) -> None:
        """Run over the rows of a given: an index, and each name a field of that row."""
        span = source.span
        if len(given.axes) != 1:
            raise ModelError(
                f"`{given.name}` has {some(len(given.axes), 'axis')}; a relation has one",
                code="E0115",
                span=span,
                hint=f"`given {given.name}[m] : (a: n, b: n)` is a list of pairs",
            )
        axis = given.axes[0]
        item = fresh("item", span)
        made.append(Binder(item, integer(span, 0), minus(axis.count, integer(span, 1))))
        row = GivenRead(span, given.kind, given.name, (item,))
        names = pattern.names
        if not pattern.grouped:
            inner[names[0].name] = row
            return
        if len(names) != len(given.fields):
            known = ", ".join(f.name for f in given.fields)
            raise ModelError(
                f"{some(len(names), 'name')}, but `{given.name}` has "
                + (f"{some(len(given.fields), 'field')}: {known}" if known else "no fields"),
                code="E0115",
                span=pattern.span,
            )
        for identifier, field in zip(names, given.fields, strict=True):
            inner[identifier.name] = self.field(row, field, identifier.span)

    def _elements(
        self,
        generator: t.Generator,
        unknown: Unknown,
        made: list[Binder],
        inner: dict[str, Value],
    ) -> None:
        """Run over the elements of a sequence's value, or over two neighbours at a time."""
        span, count = generator.source.span, len(generator.patterns)
        if count > 2:
            raise ModelError(
                f"{count} patterns over a sequence: at most two, for neighbours",
                code="E0126",
                span=generator.span,
                hint="put what goes further into the labels",
            )
        item = fresh("element", span)
        last = minus(LengthOf(span, INT, unknown.name), integer(span, count))
        made.append(Binder(item, integer(span, 0), last))
        for k, pattern in enumerate(generator.patterns):
            if len(pattern.names) != len(unknown.fields):
                named = ", ".join(f.name for f in unknown.fields)
                raise ModelError(
                    f"{some(len(pattern.names), 'name')}, but an element of `{unknown.name}` is "
                    f"({named})",
                    code="E0115",
                    span=pattern.span,
                )
            place = plus(item, integer(span, k)) if k else item
            element = UnknownRead(span, unknown.kind, unknown.name, (place,))
            for identifier, field in zip(pattern.names, unknown.fields, strict=True):
                inner[identifier.name] = FieldRead(identifier.span, field.kind, element, field.name)

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
        whole = self.value(source, scope)
        if isinstance(whole, Array):
            raise ModelError(
                f"an index runs over places, and this is an array of shape {whole.extents()}",
                code="E0108",
                span=span,
                hint=f"run over its places, `j in {show(whole.shape[0])}`, "
                f"and read `{short(source)}[j]`",
            )
        extent = self.numeric(whole, span)
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
            values: list[Expr] = []
            for item in source.items:
                parts = item.items if isinstance(item, t.Tuple) else (item,)
                if len(parts) != len(pattern.names):
                    raise ModelError(
                        f"{some(len(pattern.names), 'name')}, but this item has "
                        f"{some(len(parts), 'value')}",
                        code="E0115",
                        span=item.span,
                    )
                value = self.scalar(parts[k], {})
                if value.kind == BIT:
                    value = replace(value, kind=INT)
                if values and value.kind != values[0].kind:
                    numbers = value.kind.numeric and values[0].kind.numeric
                    if not numbers:
                        raise ModelError(
                            f"`{show(value)}` is {value.kind} among values that are "
                            f"{values[0].kind}",
                            code="E0106",
                            span=parts[k].span,
                        )
                self._only_data(value, "a list")
                values.append(value)
            inner[identifier.name] = _pick(identifier.span, variable, values, 0)


def _walk(value: Expr) -> Iterator[Expr]:
    """Yield everything in an expression but elements of sequences, which count as indices."""
    stack = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, FieldRead) and node.base.kind.sort == "sequence":
            continue
        yield node
        stack.extend(node.parts())


def _pick(span: Span, index: Expr, values: list[Expr], first: int) -> Expr:
    """Return ``values[index - first]`` as a balanced choice, so that a long list nests little."""
    if len(values) == 1:
        return values[0]
    half = len(values) // 2
    below = Apply(span, BIT, "<", (index, integer(span, first + half)))
    low, high = values[:half], values[half:]
    yes, no = _pick(span, index, low, first), _pick(span, index, high, first + half)
    kind = yes.kind if yes.kind == no.kind else REAL
    return Apply(span, kind, "if", (below, yes, no))


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def same_for_all(body: Array, bound: Bound, span: Span) -> None:
    """Refuse arrays whose shapes differ from one index to the next.

    Raises
    ------
    ModelError : ``E0108``.
    """
    indices = {b.variable for b in bound.binders}
    for extent in body.shape:
        if free_variables(extent) & indices:
            raise ModelError(
                f"these arrays differ in shape from one index to the next: {body.extents()}",
                code="E0108",
                span=span,
                hint="run over their elements too: `for t in n for i in c[t]`",
            )


def nest(span: Span, operator: str, bound: Bound, body: Expr) -> Expr:
    """Return nested reductions; the guard stands innermost, where every index is bound."""
    guard = bound.guard
    for binder in reversed(bound.binders):
        kind = INT if body.kind == BIT else body.kind
        body = Reduce(span, kind, operator, binder.variable, binder.low, binder.high, guard, body)
        guard = None
    return body
