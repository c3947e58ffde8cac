"""`let` and `fun` while checking: hygienic substitution, not recursive.

A body keeps the meaning of the place where it was written, because it is elaborated in the scope
of that place.
"""

from __future__ import annotations

from collections.abc import Callable

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import (
    Array,
    Sparse,
    Value,
    integer,
    plus,
    sparse,
)
from factorgraph.model.expression import (
    INT,
    TEXT,
    Apply,
    Const,
    Expr,
    LetRead,
    Reduce,
    UnknownRead,
    Variable,
    depends,
    fixed_value,
    is_data,
    is_larger,
    show,
)
from factorgraph.model.generators import Bound, Generators, same_for_all
from factorgraph.model.model import IndexSet, LetDeclaration
from factorgraph.model.reads import PARTS, Scope, as_text, extent_of, too_large
from factorgraph.source import Span
from factorgraph.syntax import tree as t


class Definitions(Generators):
    """Writes definitions out, or has them computed once an instance."""

    def _let(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        let = self.lets[name]
        with _Opened(self, name, span):
            padding, self._padding = self._padding, 0
            try:
                if let.binders is not None:
                    actual = [
                        None if isinstance(s, t.Range) else self.scalar(s, scope)
                        for s in subscripts
                    ]
                    return self._bound_let(let, actual, subscripts, span, scope, padding > 0)
                value = self.value(let.value, {})
            finally:
                self._padding = padding
            if isinstance(value, Expr) and is_data(value) and depends(value, Reduce):
                self.computed[name] = LetDeclaration(name, let.name.span, (), None, value)
                value = LetRead(span, value.kind, name, ())
        if not subscripts:
            return value
        if not isinstance(value, Array):
            raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
        return self._take(value, _axes(value), subscripts, span, scope, show_name=f"`{name}`")

    def _bound_let(
        self,
        let: t.Let,
        actual: list[Expr | None],
        subscripts: tuple[t.Expression, ...],
        span: Span,
        scope: Scope,
        pad: bool,
    ) -> Value:
        """Return a `let` with binders, or what it is at some values of its names.

        It is indexed by all names that its patterns bind, in order, by their values. What reads
        only data over plain ranges is computed once an instance; all else is written out.
        """
        assert let.binders is not None
        name = let.name.name
        names = [i for g in let.binders.generators for p in g.patterns for i in p.names]
        bound = self.bind(let.binders, {})
        plain = _plain(bound)
        body = self.value(let.value, bound.scope)
        inner = len(body.shape) if isinstance(body, Array) and not isinstance(body, Sparse) else 0
        if len(subscripts) > len(names) + inner:
            raise self._too_many(f"`{name}`", len(names) + inner, len(subscripts), span)
        actual, more = actual[: len(names)], subscripts[len(names) :]
        rows: Array | None = None
        if plain is not None and isinstance(body, Sparse | Expr):
            stored = self._stored(let, bound, body, pad)
            if stored is not None:
                rows = (
                    Array(span, stored(()).kind, plain, stored) if isinstance(body, Expr) else None
                )
                if isinstance(body, Sparse) and len(actual) == len(names) and None not in actual:
                    places = self._places(let, bound, actual, scope)
                    return sparse(span, body.shape[0], tuple(
                        LetRead(span, INT, f"{name}.{k}{_suffix(h)}", places)
                        for k, h in enumerate(body.hits)
                    ))  # fmt: skip
        if rows is None and len(actual) == len(names) and None not in actual:
            found = self._written_out(let, bound, names, actual, span)
            if not more:
                return found
            assert isinstance(found, Array)
            return self._take(found, _axes(found), more, span, scope, show_name=f"`{name}`")
        if plain is None or isinstance(body, Sparse):
            raise ModelError(
                f"`{name}` is indexed by all of its names: "
                f"{name}[{', '.join(i.name for i in names)}]",
                code="E0104",
                span=span,
            )
        if isinstance(body, Array):
            same_for_all(body, bound, let.value.span)
        if rows is None:
            rows = self._rows(let, bound, names, body, plain, span)
        if not subscripts:
            return rows
        axes = tuple(
            IndexSet(
                a.name if isinstance(a := g.source, t.Name) else show(e),
                int(fixed_value(b.low) or 0),
                e,
                b.variable.kind.domain,
            )
            for g, b, e in zip(let.binders.generators, bound.binders, plain, strict=True)
        )
        if isinstance(body, Array):
            axes += _axes(body)
        return self._take(rows, axes, subscripts, span, scope, show_name=f"`{name}`")

    def _rows(
        self,
        let: t.Let,
        bound: Bound,
        names: list[t.Identifier],
        body: Value,
        plain: tuple[Expr, ...],
        span: Span,
    ) -> Array:
        """Return a let with binders as an array: over its names, then over its body's axes."""
        lows = [b.low for b in bound.binders]
        rest = body.shape if isinstance(body, Array) else ()

        def element(indices: tuple[Expr, ...]) -> Expr:
            values: dict[str, Value] = {
                i.name: plus(low, k) for i, low, k in zip(names, lows, indices, strict=False)
            }
            value = self.value(let.value, values)
            return value.element(indices[len(names) :]) if isinstance(value, Array) else value

        return Array(span, body.kind, (*plain, *rest), element)

    def look(self, name: str, let: t.Let) -> None:
        """Check a `let` that perhaps nobody uses."""
        with _Opened(self, name, let.name.span):
            if let.binders is None:
                value = self.value(let.value, {})
                if isinstance(value, Expr) and is_data(value) and depends(value, Reduce):
                    self.computed[name] = LetDeclaration(name, let.name.span, (), None, value)
                return
            bound = self.bind(let.binders, {})
            body = self.value(let.value, bound.scope)
            if _plain(bound) is not None and isinstance(body, Sparse | Expr):
                self._stored(let, bound, body, False)

    def _places(
        self, let: t.Let, bound: Bound, actual: list[Expr | None], scope: Scope
    ) -> tuple[Expr, ...]:
        """Return positions from 0 for values of a let's names."""
        out = []
        for index, binder in zip(actual, bound.binders, strict=True):
            assert index is not None
            low = int(fixed_value(binder.low) or 0)
            axis = IndexSet(
                binder.variable.name, low, extent_of(binder.low, binder.high),
                binder.variable.kind.domain,
            )  # fmt: skip
            out.append(self.position(axis, index, f"`{let.name.name}`"))
        return tuple(out)

    def _stored(
        self, let: t.Let, bound: Bound, body: Expr | Sparse, pad: bool
    ) -> Callable[[tuple[Expr, ...]], Expr] | None:
        """Have a `let` computed once an instance, if it reads only data and has no guard."""
        name, span = let.name.name, let.name.span
        parts = body.hits if isinstance(body, Sparse) else (body,)
        if bound.guard is not None or not all(is_data(p) for p in parts):
            return None
        if isinstance(body, Sparse):
            for k, hit in enumerate(parts):
                key = f"{name}.{k}{_suffix(hit)}"
                self.computed[key] = LetDeclaration(key, span, bound.binders, None, hit)
            return lambda k: LetRead(span, INT, name, k)
        self.computed[name] = LetDeclaration(name, span, bound.binders, None, body)

        def element(indices: tuple[Expr, ...]) -> Expr:
            read: Expr = LetRead(span, body.kind, name, indices)
            return Apply(span, TEXT, "padded", (as_text(read),)) if pad and indices else read

        return element

    def _written_out(
        self,
        let: t.Let,
        bound: Bound,
        names: list[t.Identifier],
        actual: list[Expr | None],
        span: Span,
    ) -> Value:
        """Return a let's body with its names replaced, refused outside of its index set."""
        values: dict[str, Value] = {}
        for identifier, index in zip(names, actual, strict=True):
            assert index is not None
            like = bound.scope[identifier.name]
            assert isinstance(like, Expr)
            if like.kind.domain is not None and isinstance(index, Const):
                index = self._align(index, like)
            if like.kind != index.kind and not (like.kind.numeric and index.kind.numeric):
                raise ModelError(
                    f"`{identifier.name}` of `{let.name.name}` is {like.kind}, "
                    f"but `{show(index)}` is {index.kind}",
                    code="E0105",
                    span=index.span,
                )
            values[identifier.name] = index
        value = self.value(let.value, values)
        assert let.binders is not None
        rule = self._member_of(let.binders, values, span)
        if rule is None:
            return value
        condition = rule
        if isinstance(value, Array):
            array = value
            return Array(
                span, array.kind, array.shape,
                lambda k: Apply(span, array.kind, "require", (condition, array.element(k))),
            )  # fmt: skip
        return Apply(span, value.kind, "require", (condition, value))

    def _align(self, a: Expr, b: Expr) -> Expr:
        """Give a text the domain of the label that it is compared with."""
        if isinstance(a, Const) and a.kind == TEXT and b.kind.sort == "label":
            assert b.kind.domain is not None
            return self._label(a, b.kind.domain)
        return a

    def _member_of(self, binders: t.Binders, values: dict[str, Value], span: Span) -> Expr | None:
        """Return the condition that values belong to a let's sets and meet its guard."""
        rule: Expr | None = None
        for generator in binders.generators:
            if not isinstance(generator.source, t.Values):
                inside = self._within(generator, values, span)
                if inside is not None:
                    rule = inside if rule is None else f.apply(span, "and", rule, inside)
                continue
            any_item: Expr | None = None
            for item in generator.source.items:
                parts = item.items if isinstance(item, t.Tuple) else (item,)
                every: Expr | None = None
                for identifier, part in zip(generator.patterns[0].names, parts, strict=True):
                    value = values[identifier.name]
                    assert isinstance(value, Expr)
                    equal = f.apply(span, "==", value, self.scalar(part, {}))
                    every = equal if every is None else f.apply(span, "and", every, equal)
                assert every is not None
                any_item = every if any_item is None else f.apply(span, "or", any_item, every)
            if any_item is not None:
                rule = any_item if rule is None else f.apply(span, "and", rule, any_item)
        if binders.guard is not None:
            guard = self.truth(binders.guard, values)
            rule = guard if rule is None else f.apply(span, "and", rule, guard)
        if rule is not None and not is_data(rule):
            return None
        return rule

    def _within(self, generator: t.Generator, values: dict[str, Value], span: Span) -> Expr | None:
        """Return the condition that a value lies in a range; None where it surely does."""
        source, names = generator.source, generator.patterns[0].names
        given = self.givens.get(source.name) if isinstance(source, t.Name) else None
        if len(names) != 1 or (given is not None and given.axes):
            return None
        value = values[names[0].name]
        assert isinstance(value, Expr)
        kind, low, high = self.run(source, values)
        if kind.sort == "label" or self._surely(value, low, high):
            return None
        above = f.apply(span, ">=", value, low)
        return f.apply(span, "and", above, f.apply(span, "<=", value, high))

    def _surely(self, value: Expr, low: Expr, high: Expr) -> bool:
        """Return whether a value lies in a range by what the text says of it."""
        ends = self.ranges.get(value) if isinstance(value, Variable) else None
        if ends is None:
            ends = (value, value)
        if isinstance(value, UnknownRead):
            held = self.unknowns[value.name].values
            if held is not None and held.fixed is not None:
                first = integer(value.span, held.low)
                ends = (first, integer(value.span, held.low + held.fixed - 1))
        if ends == (low, high):
            return True
        numbers = [fixed_value(e) for e in (low, *ends, high)]
        known = [n for n in numbers if n is not None]
        return len(known) == 4 and known[0] <= known[1] and known[2] <= known[3]

    def _call_fun(self, fun: t.Fun, node: t.Call, scope: Scope) -> Value:
        name = fun.name.name
        formals = [x.name.name for x in fun.formals]
        actual: dict[str, Value] = {}
        for k, argument in enumerate(node.arguments):
            if argument.binders is not None:
                raise ModelError("`for` cannot stand here", code="E0112", span=argument.span)
            key = argument.name
            if key is None:
                if k >= len(formals):
                    raise ModelError(
                        f"`{name}` takes {len(formals)} argument{'s' * (len(formals) != 1)}, "
                        f"{len(node.arguments)} are given",
                        code="E0112",
                        span=node.span,
                    )
                key = formals[k]
            if key not in formals or key in actual:
                raise ModelError(
                    f"`{name}` has no argument `{key}`" if key not in formals
                    else f"argument `{key}` is given twice",
                    code="E0112",
                    span=argument.span,
                    hint=None if key in formals else did_you_mean(key, formals),
                )  # fmt: skip
            actual[key] = self.value(argument.value, scope)
        with _Opened(self, name, node.span):
            for formal in fun.formals:
                if formal.name.name not in actual:
                    if formal.default is None:
                        raise ModelError(
                            f"`{name}` needs argument `{formal.name.name}`",
                            code="E0112",
                            span=node.span,
                        )
                    actual[formal.name.name] = self.value(formal.default, {})
            result = self.value(fun.value, actual)
        sample = result
        if isinstance(sample, Array):
            sample = sample.element(tuple(integer(node.span, 0) for _ in sample.shape))
        if is_larger(sample, PARTS):
            raise too_large("grow too large", node.span)
        return result


def _axes(array: Array) -> tuple[IndexSet, ...]:
    return tuple(array.set(k) or IndexSet(show(e), 0, e) for k, e in enumerate(array.shape))


def _plain(bound: Bound) -> tuple[Expr, ...] | None:
    """Return the extents of a let's binders where they are independent ranges from a constant."""
    if bound.guard is not None or len(bound.binders) != sum(
        isinstance(v, Variable) for v in bound.scope.values()
    ):
        return None
    for binder in bound.binders:
        if fixed_value(binder.low) is None or depends(binder.high, Variable):
            return None
    return tuple(extent_of(b.low, b.high) for b in bound.binders)


def _suffix(hit: Expr) -> str:
    """Tell apart, by the name of what is computed, places that are always there."""
    return ".hash" if isinstance(hit, Apply) and hit.operator == "hash" else ""


class _Opened:
    """Refuses a `let` or `fun` that needs itself."""

    def __init__(self, of: Definitions, name: str, span: Span) -> None:
        self.open, self.name, self.span = of._open, name, span

    def __enter__(self) -> None:
        if self.name in self.open:
            way = " → ".join([*self.open[self.open.index(self.name) :], self.name])
            raise ModelError(
                f"`{self.name}` needs itself ({way})",
                code="E0116",
                span=self.span,
                hint="repeat over an index instead: `sum(… for i in n)`, `max(… for i in n)`",
            )
        self.open.append(self.name)

    def __exit__(self, *_: object) -> None:
        self.open.pop()
