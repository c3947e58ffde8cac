"""Expressions: from the tree to typed expressions.

`let` and `fun` are hygienic substitution: a body keeps the meaning of the place where it was
written, because it is elaborated in the scope of that place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import Array, Indices, Value, fresh, integer, minus, plus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    DomainSize,
    Expr,
    GivenRead,
    Kind,
    LetRead,
    ParamRead,
    Read,
    Reduce,
    SizeOf,
    UnknownRead,
    Variable,
    fixed_value,
    is_data,
    is_larger,
    show,
)
from factorgraph.model.model import (
    Binder,
    Domain,
    Given,
    IndexSet,
    LetDeclaration,
    ParamDeclaration,
    SizeDeclaration,
    Unknown,
)
from factorgraph.model.names import FUNCTIONS, LATER, not_built
from factorgraph.source import Span
from factorgraph.syntax import tree as t

DEPTH = 150
"""How deep an expression may nest after substitution."""

PARTS = 100_000
"""How many parts all expressions may have after substitution."""

Scope = Mapping[str, Value]


@dataclass(frozen=True)
class Bound:
    """Binders made of generators: indices, the names in scope, and a guard."""

    binders: tuple[Binder, ...]
    scope: Scope
    guard: Expr | None


class Elaborator:
    """Holds the declarations of one text and turns expressions into typed ones."""

    def __init__(self) -> None:
        self.domains: dict[str, Domain] = {}
        self.sizes: dict[str, SizeDeclaration] = {}
        self.givens: dict[str, Given] = {}
        self.unknowns: dict[str, Unknown] = {}
        self.params: dict[str, ParamDeclaration] = {}
        self.constants: dict[str, float] = {}
        self.lets: dict[str, t.Let] = {}
        self.funs: dict[str, t.Fun] = {}
        self.others: dict[str, str] = {}
        self.computed: dict[str, LetDeclaration | None] = {}
        self._depth = 0
        self._parts = 0
        self._open: list[str] = []

    # -- entry points

    def scalar(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a single value.

        Raises
        ------
        ModelError : for an unknown name, a wrong kind or shape, a wrong number of indices.
        """
        value = self.value(node, scope)
        if isinstance(value, Array):
            raise ModelError(
                f"this is an array of shape {value.extents()}, a single value is needed",
                code="E0108",
                span=node.span,
                hint="index it, or use sum(…), norm(…), dot(…, …)",
            )
        return value

    def number(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a single number."""
        value = self.scalar(node, scope)
        if not value.kind.numeric:
            raise ModelError(
                f"a number is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=node.span,
            )
        return value

    def constant(self, node: t.Expression, what: str) -> float | int:
        """Return a number known from the text alone."""
        value = fixed_value(self.number(node, {}))
        if value is None:
            raise ModelError(f"{what} must be a constant", code="E0109", span=node.span)
        return value

    def value(self, node: t.Expression, scope: Scope) -> Value:
        """Return a single value or an array."""
        self._depth += 1
        self._parts += 1
        try:
            if self._depth > DEPTH:
                raise _too_large(f"nest deeper than {DEPTH}", node.span)
            if self._parts > PARTS:
                raise _too_large("grow too large", node.span)
            return self._value(node, scope)
        finally:
            self._depth -= 1

    def _value(self, node: t.Expression, scope: Scope) -> Value:
        span = node.span
        match node:
            case t.Number(value=value):
                return Const(span, INT if isinstance(value, int) else REAL, value)
            case t.Text(value=text):
                return Const(span, TEXT, text)
            case t.Name():
                return self._name(node, scope)
            case t.Index():
                return self._index(node, scope)
            case t.Unary(operator=operator, operand=operand):
                sign = "neg" if operator == "-" else operator
                return f.elementwise(span, sign, self.value(operand, scope))
            case t.Binary():
                return self._binary(node, scope)
            case t.Choose():
                return self._choose(node, scope)
            case t.Call():
                return self._call(node, scope)
            case t.Member():
                raise not_built("fields and members", span)
            case t.Range():
                raise ModelError(
                    "a range is no value", code="E0110", span=span, hint="it stands in an index"
                )
        raise ModelError("this is no value", code="E0110", span=span)

    # -- names and reads

    def _unknown_name(self, name: str, span: Span, scope: Scope) -> ModelError:
        if name in FUNCTIONS:
            return ModelError(f"`{name}` is a function: call it", code="E0110", span=span)
        known = [*scope, *self.givens, *self.unknowns, *self.params, *self.sizes, *self.domains]
        known += [*self.constants, *self.lets, *self.funs, *FUNCTIONS]
        return ModelError(
            f"`{name}` is not declared", code="E0102", span=span, hint=did_you_mean(name, known)
        )

    def _name(self, node: t.Name, scope: Scope) -> Value:
        name, span = node.name, node.span
        if name in scope:
            return scope[name]
        if name in self.constants:
            value = self.constants[name]
            return Const(span, INT if isinstance(value, int) else REAL, value)
        if name in self.sizes:
            declared = self.sizes[name].value
            return SizeOf(span, INT, name) if declared is None else Const(span, INT, declared)
        if name in self.domains:
            raise ModelError(
                f"`{name}` is a domain, not a value",
                code="E0110",
                span=span,
                hint=f"run over it: `for v in {name}`",
            )
        if name in self.funs:
            raise ModelError(f"`{name}` is a function: call it", code="E0110", span=span)
        if name in self.others:
            raise self._no_value(name, span)
        return self._read(name, (), span, scope)

    def _no_value(self, name: str, span: Span) -> ModelError:
        kind = self.others[name]
        if kind == "map":
            return not_built("maps", span)
        return ModelError(f"`{name}` is a {kind}, not a value", code="E0110", span=span)

    def _index(self, node: t.Index, scope: Scope) -> Value:
        base = node.base
        if isinstance(base, t.Name) and base.name not in scope:
            return self._read(base.name, node.subscripts, node.span, scope)
        value = self.value(base, scope)
        if not isinstance(value, Array):
            raise ModelError(
                f"`{show(value)}` is a single value and takes no index",
                code="E0104",
                span=node.span,
            )
        axes = tuple(IndexSet(show(e), 0, e) for e in value.shape)
        return self._take(value, axes, node.subscripts, node.span, scope, show_name="the array")

    def _read(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        """Return the read of a declared array, with as many axes left as indices are missing."""
        cls: type[Read]
        axes: tuple[IndexSet, ...]
        kind: Kind
        if name in self.givens:
            given = self.givens[name]
            cls, axes, kind = GivenRead, given.axes, given.kind
        elif name in self.unknowns:
            unknown = self.unknowns[name]
            cls, axes, kind = UnknownRead, unknown.axes, unknown.kind
        elif name in self.params:
            cls, axes, kind = ParamRead, self.params[name].axes, REAL
        elif name in self.lets:
            return self._let(name, subscripts, span, scope)
        elif name in self.others:
            raise self._no_value(name, span)
        elif name in self.constants or name in self.sizes:
            raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
        else:
            raise self._unknown_name(name, span, scope)
        if not axes:
            if subscripts:
                raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
            return cls(span, kind, name, ())

        def element(indices: Indices) -> Expr:
            return cls(span, kind, name, indices)

        whole = Array(span, kind, tuple(a.count for a in axes), element)
        if not subscripts:
            return whole
        return self._take(whole, axes, subscripts, span, scope, show_name=f"`{name}`")

    def _too_many(self, name: str, expected: int, found: int, span: Span) -> ModelError:
        return ModelError(
            f"{name} has {expected} {'axis' if expected == 1 else 'axes'}, "
            f"but {found} indices are given",
            code="E0104",
            span=span,
        )

    def _take(
        self,
        array: Array,
        axes: tuple[IndexSet, ...],
        subscripts: tuple[t.Expression, ...],
        span: Span,
        scope: Scope,
        show_name: str,
    ) -> Value:
        """Index an array with values and slices; axes that get neither stay."""
        if len(subscripts) > len(axes):
            raise self._too_many(show_name, len(axes), len(subscripts), span)
        fixed: list[Expr | None] = []
        lows: list[Expr] = []
        shape: list[Expr] = []
        for k, axis in enumerate(axes):
            subscript = subscripts[k] if k < len(subscripts) else None
            zero = integer(span, 0)
            if isinstance(subscript, t.Range):
                low = self.position(axis, self.scalar(subscript.low, scope), show_name)
                high = self.position(axis, self.scalar(subscript.high, scope), show_name)
                fixed.append(None)
                lows.append(low)
                shape.append(_extent(low, high))
            elif subscript is None:
                fixed.append(None)
                lows.append(zero)
                shape.append(axis.count)
            else:
                index = self.scalar(subscript, scope)
                fixed.append(self.position(axis, index, show_name))
                lows.append(zero)

        def element(indices: Indices) -> Expr:
            rest = iter(indices)
            full = tuple(
                plus(low, next(rest)) if at is None else at
                for at, low in zip(fixed, lows, strict=True)
            )
            return array.element(full)

        return Array(span, array.kind, tuple(shape), element) if shape else element(())

    def position(self, axis: IndexSet, index: Expr, name: str) -> Expr:
        """Return the position from 0 along an axis of the value ``index``.

        Raises
        ------
        ModelError : ``E0105`` where the index is of another set than the axis.
        """
        span = index.span
        if axis.domain is not None:
            if isinstance(index, Const) and isinstance(index.value, str):
                index = self._label(index, axis.domain)
            if index.kind != Kind("label", axis.domain):
                raise ModelError(
                    f"this axis of {name} runs over `{axis.domain}`, "
                    f"but `{show(index)}` is {index.kind}",
                    code="E0105",
                    span=span,
                )
            return Apply(span, INT, "position", (index,))
        if index.kind.sort not in ("int", "bit"):
            raise ModelError(
                f"this axis of {name} runs over `{axis.name}`, but `{show(index)}` is {index.kind}",
                code="E0105",
                span=span,
            )
        at = fixed_value(index)
        size = axis.fixed
        if at is not None and size is not None and not axis.low <= at < axis.low + size:
            raise ModelError(
                f"index {at} is outside `{axis.name}` ({axis.low}..{axis.low + size - 1})",
                code="E0107",
                span=span,
            )
        return minus(index, integer(span, axis.low))

    def _label(self, text: Const, domain: str) -> Const:
        values = self.domains[domain].values
        if values is not None and text.value not in values:
            raise ModelError(
                f'"{text.value}" is not a value of `{domain}`',
                code="E0111",
                span=text.span,
                hint=did_you_mean(str(text.value), values),
            )
        return Const(text.span, Kind("label", domain), text.value)

    # -- let and fun

    def _let(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        let = self.lets[name]
        with _Opened(self, name, span):
            if let.binders is None:
                value = self.value(let.value, {})
                if isinstance(value, Expr) and isinstance(value, Reduce) and is_data(value):
                    self.computed[name] = LetDeclaration(name, let.name.span, (), value)
                    value = LetRead(span, value.kind, name, ())
            else:
                value = self._bound_let(let, span)
        if not subscripts:
            return value
        if not isinstance(value, Array):
            raise ModelError(f"`{name}` takes no index", code="E0104", span=span)
        axes = tuple(IndexSet(show(e), 0, e) for e in value.shape)
        if let.binders is not None:
            lows = [b.low for b in self.bind(let.binders, {}).binders]
            axes = tuple(
                IndexSet(a.name, int(fixed_value(low) or 0), a.count)
                for a, low in zip(axes, lows, strict=True)
            )
        return self._take(value, axes, subscripts, span, scope, show_name=f"`{name}`")

    def _bound_let(self, let: t.Let, span: Span) -> Array:
        """Return a `let` with binders as an array; one that reads only givens is computed."""
        assert let.binders is not None
        name = let.name.name
        bound = self.bind(let.binders, {})
        if bound.guard is not None:
            raise not_built("a `let` with a guard", let.binders.span)
        for binder in bound.binders:
            if binder.variable.kind != INT or fixed_value(binder.low) is None:
                raise not_built("a `let` over anything but sizes and ranges", let.binders.span)
        body = self.scalar(let.value, bound.scope)
        if not is_data(body):
            raise not_built(
                "a `let` with binders that reads unknowns or params",
                let.span,
                hint="write it as a `fun`",
            )
        self.computed[name] = LetDeclaration(name, let.name.span, bound.binders, body)
        shape = tuple(_extent(b.low, b.high) for b in bound.binders)
        return Array(span, body.kind, shape, lambda k: LetRead(span, body.kind, name, k))

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
                        f"`{name}` takes {len(formals)} arguments, {len(node.arguments)} are given",
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
            raise _too_large("grow too large", node.span)
        return result

    # -- operators and calls

    def _binary(self, node: t.Binary, scope: Scope) -> Value:
        if node.operator == "in":
            raise not_built("`in` as a test", node.span)
        if node.operator == "&":
            raise not_built("conjunctions of texts", node.span)
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        if node.operator in ("==", "!="):
            if isinstance(left, Expr) and isinstance(right, Expr):
                left, right = self._align(left, right), self._align(right, left)
        return f.elementwise(node.span, node.operator, left, right)

    def _align(self, a: Expr, b: Expr) -> Expr:
        """Give a text the domain of the label that it is compared with."""
        if isinstance(a, Const) and a.kind == TEXT and b.kind.domain is not None:
            return self._label(a, b.kind.domain)
        return a

    def _choose(self, node: t.Choose, scope: Scope) -> Value:
        condition = self.truth(node.condition, scope)
        yes, no = self.scalar(node.yes, scope), self.scalar(node.no, scope)
        if not (yes.kind.numeric and no.kind.numeric):
            raise ModelError(
                f"the branches must be numbers, but are {yes.kind} and {no.kind}",
                code="E0106",
                span=node.span,
            )
        if yes.kind == no.kind == BIT:
            kind = BIT
        else:
            kind = REAL if REAL in (yes.kind, no.kind) else INT
        return Apply(node.span, kind, "if", (condition, yes, no))

    def truth(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a truth value."""
        value = self.scalar(node, scope)
        if value.kind != BIT:
            raise ModelError(
                f"a condition is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=node.span,
                hint="compare it, e.g. `x != 0`",
            )
        return value

    def _call(self, node: t.Call, scope: Scope) -> Value:
        name, span = node.name.name, node.span
        if name in self.funs:
            return self._call_fun(self.funs[name], node, scope)
        if name in self.others and self.others[name] == "map":
            raise not_built("maps", span)
        if name in LATER:
            raise not_built(f"`{name}(…)`", node.name.span)
        if name not in FUNCTIONS:
            raise ModelError(
                f"there is no function `{name}`",
                code="E0113",
                span=node.name.span,
                hint=did_you_mean(name, [*self.funs, *FUNCTIONS]),
            )
        for argument in node.arguments:
            if argument.name is not None:
                raise ModelError(
                    f"`{name}` has no named arguments", code="E0112", span=argument.span
                )
        if any(a.binders for a in node.arguments):
            return self._comprehension(node, scope)
        values = [self.value(a.value, scope) for a in node.arguments]
        return self._apply_function(name, span, values)

    def _apply_function(self, name: str, span: Span, values: list[Value]) -> Value:
        def wrong(expected: str) -> ModelError:
            return ModelError(
                f"`{name}` takes {expected}, {len(values)} given", code="E0112", span=span
            )

        if name in f.UNARY:
            if len(values) != 1:
                raise wrong("one argument")
            return f.elementwise(span, name, values[0])
        if name in f.ARRAY_FUNCTIONS:
            if len(values) != 2:
                raise wrong("two arguments")
            return f.ARRAY_FUNCTIONS[name](span, values[0], values[1])
        if name in ("min", "max"):
            if len(values) == 1 and isinstance(values[0], Array):
                return f.total(span, name, values[0])
            if not 2 <= len(values) <= DEPTH:
                raise wrong(f"two to {DEPTH} arguments, or an array")
            result = values[0]
            for value in values[1:]:
                result = f.elementwise(span, name, result, value)
            return result
        if len(values) != 1:
            raise wrong("one argument")
        if name == "norm":
            return f.norm(span, values[0])
        if name == "count":
            raise ModelError(
                "`count` takes a condition with `for`", code="E0112", span=span,
                hint="count(y[t] == 1 for t in n)",
            )  # fmt: skip
        return f.total(span, name, values[0])

    def _comprehension(self, node: t.Call, scope: Scope) -> Expr:
        name, span = node.name.name, node.span
        if len(node.arguments) != 1 or name not in ("sum", "min", "max", "mean", "count"):
            raise ModelError(
                "`for` stands in sum, min, max, mean or count, with one argument",
                code="E0112",
                span=span,
            )
        (argument,) = node.arguments
        assert argument.binders is not None
        bound = self.bind(argument.binders, scope)
        if name == "count":
            body = self.truth(argument.value, bound.scope)
        else:
            body = self.number(argument.value, bound.scope)
        operator = {"mean": "sum", "count": "sum"}.get(name, name)
        result = _nest(span, operator, bound, body)
        if name == "mean":
            return f.apply(span, "/", result, _nest(span, "sum", bound, integer(span, 1)))
        return result

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


class _Opened:
    """Refuses a `let` or `fun` that needs itself."""

    def __init__(self, elaborator: Elaborator, name: str, span: Span) -> None:
        self.open, self.name, self.span = elaborator._open, name, span

    def __enter__(self) -> None:
        if self.name in self.open:
            way = " → ".join([*self.open[self.open.index(self.name) :], self.name])
            raise ModelError(f"`{self.name}` needs itself ({way})", code="E0116", span=self.span)
        self.open.append(self.name)

    def __exit__(self, *_: object) -> None:
        self.open.pop()


def _too_large(what: str, span: Span) -> ModelError:
    return ModelError(
        f"expressions {what} once `let` and `fun` are written out", code="E0004", span=span
    )


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


def _extent(low: Expr, high: Expr) -> Expr:
    """Return high - low + 1; ``i .. i + 4`` is 5 whatever i is."""
    if isinstance(high, Apply) and high.operator in "+-" and len(high.arguments) == 2:
        base, offset = high.arguments
        if base == low:
            step = offset if high.operator == "+" else Apply(offset.span, INT, "neg", (offset,))
            return plus(step, integer(high.span, 1))
        # i .. i + r - 1
        if (
            high.operator == "-"
            and isinstance(base, Apply)
            and base.operator == "+"
            and base.arguments[0] == low
        ):
            return plus(minus(base.arguments[1], offset), integer(high.span, 1))
    return plus(minus(high, low), integer(high.span, 1))


def _nest(span: Span, operator: str, bound: Bound, body: Expr) -> Expr:
    """Return nested reductions; the guard stands innermost, where every index is bound."""
    guard = bound.guard
    for binder in reversed(bound.binders):
        kind = INT if body.kind == BIT else body.kind
        body = Reduce(span, kind, operator, binder.variable, binder.low, binder.high, guard, body)
        guard = None
    return body


__all__ = ["Bound", "Elaborator", "Scope", "Variable"]
