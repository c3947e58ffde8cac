"""Expressions: from the tree to typed expressions.

`let` and `fun` are hygienic substitution: a body keeps the meaning of the place where it was
written, because it is elaborated in the scope of that place.
"""

from __future__ import annotations

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import Array, Value, integer
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Expr,
    LetRead,
    Reduce,
    Variable,
    depends,
    fixed_value,
    is_data,
    is_larger,
    show,
)
from factorgraph.model.generators import Generators, nest
from factorgraph.model.model import (
    IndexSet,
    LetDeclaration,
)
from factorgraph.model.names import FUNCTIONS, LATER, not_built
from factorgraph.model.reads import DEPTH, PARTS, Scope, extent_of, too_large
from factorgraph.source import Span
from factorgraph.syntax import tree as t


class Elaborator(Generators):
    """Turns the expressions of one text into typed ones."""

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
            if depends(binder.low, Variable) or depends(binder.high, Variable):
                raise not_built("a `let` whose range depends on an index", let.binders.span)
        body = self.scalar(let.value, bound.scope)
        if not is_data(body):
            raise not_built(
                "a `let` with binders that reads unknowns or params",
                let.span,
                hint="write it as a `fun`",
            )
        self.computed[name] = LetDeclaration(name, let.name.span, bound.binders, body)
        shape = tuple(extent_of(b.low, b.high) for b in bound.binders)
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
            raise too_large("grow too large", node.span)
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
        result = nest(span, operator, bound, body)
        if name == "mean":
            return f.apply(span, "/", result, nest(span, "sum", bound, integer(span, 1)))
        return result


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
