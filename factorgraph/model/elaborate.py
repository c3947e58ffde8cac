"""Expressions: from the tree to typed expressions."""

from __future__ import annotations

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import (
    Array,
    Sparse,
    Value,
    fresh,
    integer,
    minus,
    reduce_all,
)
from factorgraph.model.definitions import Definitions
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Distinct,
    Expr,
    GivenRead,
    MapRead,
    Reduce,
    Spelling,
    UnknownRead,
    fixed_value,
    show,
)
from factorgraph.model.features import Features
from factorgraph.model.generators import nest, same_for_all
from factorgraph.model.layers import output_shape
from factorgraph.model.model import MapDeclaration
from factorgraph.model.names import COUNTS, FUNCTIONS, LAYERS, LOSS_WORDS
from factorgraph.model.reads import DEPTH, Poisoned, Scope, as_text, short
from factorgraph.source import Span
from factorgraph.syntax import tree as t

_ALL = ("all", "forall", "for_all", "every", "each")
_SOME = ("any", "some", "exists", "exist")


class Elaborator(Definitions, Features):
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
                return self._member(node, scope)
            case t.Range():
                raise ModelError(
                    "a range is no value", code="E0110", span=span, hint="it stands in an index"
                )
        raise ModelError("this is no value", code="E0110", span=span)

    # -- operators and calls

    def _binary(self, node: t.Binary, scope: Scope) -> Value:
        if node.operator == "in":
            return self._in(node, scope)
        left, right = self.value(node.left, scope), self.value(node.right, scope)
        if node.operator == "&":
            return f.elementwise(node.span, "&", left, right)
        if node.operator in ("==", "!="):
            if isinstance(left, Expr) and isinstance(right, Expr):
                if left.kind.sort == "record" and left.kind == right.kind:
                    return self._same_record(node, left, right)
                left, right = self._comparable(left, right)
        return f.elementwise(node.span, node.operator, left, right)

    def _comparable(self, a: Expr, b: Expr) -> tuple[Expr, Expr]:
        """Return two values such that `==` can compare them: labels are texts beside texts."""
        a, b = self._align(a, b), self._align(b, a)
        if {a.kind.sort, b.kind.sort} == {"label", "text"}:
            return as_text(a), as_text(b)
        return a, b

    def _same_record(self, node: t.Binary, left: Expr, right: Expr) -> Expr:
        assert isinstance(left, GivenRead | UnknownRead)
        assert isinstance(right, GivenRead | UnknownRead)
        held = self.givens if isinstance(left, GivenRead) else self.unknowns
        result: Expr | None = None
        for field in held[left.name].fields:
            a, b = self.field(left, field, node.span), self.field(right, field, node.span)
            equal = f.apply(node.span, "==", a, b)
            result = equal if result is None else f.apply(node.span, "and", result, equal)
        assert result is not None
        return f.apply(node.span, "not", result) if node.operator == "!=" else result

    def _in(self, node: t.Binary, scope: Scope) -> Expr:
        """``x in S``: whether a value is one of a set's."""
        span, source = node.span, node.right
        value = self.scalar(node.left, scope)
        if isinstance(source, t.Values):
            result: Expr | None = None
            for item in source.items:
                if isinstance(item, t.Tuple):
                    raise ModelError(
                        "a single value is never a tuple", code="E0106", span=item.span,
                        hint="compare its parts one by one",
                    )  # fmt: skip
                other = self.scalar(item, {})
                equal = f.apply(span, "==", *self._comparable(value, other))
                result = equal if result is None else f.apply(span, "or", result, equal)
            assert result is not None
            return result
        if isinstance(source, t.Name) and source.name not in scope and source.name in self.givens:
            given = self.givens[source.name]
            if len(given.axes) == 1 and not given.fields:
                self.used.add(source.name)
                index = fresh("k", span)
                word = GivenRead(span, given.kind, given.name, (index,))
                equal = f.apply(span, "==", self._align(value, word), word)
                last = minus(given.axes[0].count, integer(span, 1))
                found = Reduce(span, INT, "sum", index, integer(span, 0), last, None, equal)
                return f.apply(span, ">", found, integer(span, 0))
        kind, low, high = self.run(source, scope)
        if kind.domain is not None or not value.kind.numeric:
            raise ModelError(
                f"`{show(value)}` is {value.kind}: every value of a domain is in it"
                if kind == value.kind
                else f"`{show(value)}` is {value.kind}, and the set holds whole numbers",
                code="E0106",
                span=span,
            )
        if value.kind == REAL:
            raise ModelError(
                f"`{show(value)}` is a real number, and the set holds whole numbers",
                code="E0106",
                span=node.left.span,
                hint=f"compare it: `{show(low)} <= {short(node.left)} and {short(node.left)} <= "
                f"{show(high)}`",
            )
        above, below = f.apply(span, ">=", value, low), f.apply(span, "<=", value, high)
        return f.apply(span, "and", above, below)

    def _choose(self, node: t.Choose, scope: Scope) -> Value:
        condition = self.truth(node.condition, scope)
        yes, no = self.value(node.yes, scope), self.value(node.no, scope)
        for part, value in ((node.yes, yes), (node.no, no)):
            if isinstance(value, Sparse):
                raise self.many(part, value, "write `dot(W, …)` in each branch")
        return f.combined(
            node.span, "if", lambda a, b: self._chosen(node, condition, a, b), yes, no
        )

    def _chosen(self, node: t.Choose, condition: Expr, yes: Expr, no: Expr) -> Expr:
        yes, no = self._align(yes, no), self._align(no, yes)
        if yes.kind == no.kind and not yes.kind.numeric:
            return Apply(node.span, yes.kind, "if", (condition, yes, no))
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
            self.used.add(name)
            return self._call_fun(self.funs[name], node, scope)
        if name in self.maps:
            self.used.add(name)
            return self._apply_map(self.maps[name], node, scope)
        if name in self.poisoned:
            raise Poisoned("", span=span)
        if name not in FUNCTIONS:
            raise self._no_function(node, scope)
        if name in ("hash", "features"):
            return self._features(node, scope)
        if name == "spell":
            return self._spell(node, scope)
        for argument in node.arguments:
            if argument.name is not None:
                raise ModelError(
                    f"`{name}` has no named arguments", code="E0112", span=argument.span
                )
        if any(a.binders for a in node.arguments):
            return self._comprehension(node, scope)
        values = [self.value(a.value, scope) for a in node.arguments]
        return self._apply_function(name, span, values)

    def _no_function(self, node: t.Call, scope: Scope) -> ModelError:
        name, span = node.name.name, node.name.span
        if name in LAYERS:
            return ModelError(
                f"`{name}(…)` is a layer of a map", code="E0113", span=span,
                hint=f"declare `map g = {name}(…)` and apply g",
            )  # fmt: skip
        if name in LOSS_WORDS or self.others.get(name) == "loss" or name in self.energies:
            return ModelError(
                f"`{name}(…)` has a meaning in losses only", code="E0113", span=span,
                hint="write it in a `loss`",
            )  # fmt: skip
        if name in scope or name in self.known({}):
            return ModelError(
                f"`{name}` is no function", code="E0113", span=span, hint=f"index it: `{name}[…]`"
            )
        return ModelError(
            f"there is no function `{name}`",
            code="E0113",
            span=span,
            hint=_quantified(node) or did_you_mean(name, [*self.funs, *self.maps, *FUNCTIONS]),
        )

    def _apply_map(self, declared: MapDeclaration, node: t.Call, scope: Scope) -> Value:
        name, span = declared.name, node.span
        if len(node.arguments) != 1 or node.arguments[0].name or node.arguments[0].binders:
            raise ModelError(f"map `{name}` takes one argument", code="E0112", span=span)
        value = self.value(node.arguments[0].value, scope)
        shape = value.shape if isinstance(value, Array) else ()
        if not value.kind.numeric:
            raise ModelError(
                f"map `{name}` takes numbers, but its argument is {value.kind}",
                code="E0106",
                span=node.arguments[0].span,
                hint="index a param with it instead",
            )
        given = output_shape(declared, shape, span)
        axes = tuple((fresh("ijklmn"[k % 6], span), extent) for k, extent in enumerate(shape))
        body = value.element(tuple(v for v, _ in axes)) if isinstance(value, Array) else value
        if not shape and len(given) == 1 and fixed_value(given[0]) == 1:
            return MapRead(span, REAL, name, axes, body, (integer(span, 0),))
        return Array(
            span,
            REAL,
            given,
            lambda k: MapRead(span, REAL, name, axes, body, k),
            (*(None,) * (len(given) - 1), declared.last),
        )

    def _spell(self, node: t.Call, scope: Scope) -> Expr:
        span = node.span
        argument = node.arguments[0].value if len(node.arguments) == 1 else None
        unknown = self.unknowns.get(argument.name) if isinstance(argument, t.Name) else None
        if (
            unknown is None
            or unknown.sequence is None
            or (len(unknown.fields) in (1, 2) and (unknown.fields[-1].name != "label"))
        ):
            raise ModelError(
                "`spell` takes an unknown sequence with labels", code="E0112", span=span,
                hint="answer s : path(arc, 0, last, Letter)",
            )  # fmt: skip
        return Spelling(span, TEXT, unknown.name)

    def _apply_function(self, name: str, span: Span, values: list[Value]) -> Value:
        def wrong(expected: str) -> ModelError:
            return ModelError(
                f"`{name}` takes {expected}, {len(values)} given", code="E0112", span=span
            )

        if name in f.UNARY:
            if len(values) != 1:
                raise wrong("one argument")
            return f.elementwise(span, name, values[0])
        if name in f.TEXTS:
            if len(values) not in f.TEXTS[name]:
                raise wrong(" or ".join(f"{n} argument{'s' * (n > 1)}" for n in f.TEXTS[name]))
            return f.elementwise(span, name, *values)
        if name in COUNTS:
            if len(values) != 1 or not isinstance(values[0], Array):
                raise wrong("an array, or a value with `for`")
            bits = reduce_all("sum", values[0], lambda e: self._bit(e, name))
            return f.counted(span, name, bits)
        if name == "alldiff":
            if len(values) != 1 or not isinstance(values[0], Array):
                raise wrong("an array, or a value with `for`")
            indices = tuple(fresh("i", span) for _ in values[0].shape)
            runs = tuple(
                (v, integer(span, 0), minus(e, integer(span, 1)))
                for v, e in zip(indices, values[0].shape, strict=True)
            )
            return Distinct(span, BIT, runs, None, self._told_apart(values[0].element(indices)))
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
        return f.total(span, name, values[0])

    def _told_apart(self, value: Expr) -> Expr:
        """Return a value that `alldiff` can compare."""
        if value.kind.sort in ("record", "sequence"):
            raise ModelError(
                f"`alldiff` compares numbers and labels, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=value.span,
                hint="compare a number made of its fields: `alldiff(10 * r.a + r.b for r in …)`",
            )
        return value

    def _bit(self, value: Expr, name: str) -> Expr:
        if value.kind == BIT:
            return value
        raise ModelError(
            f"`{name}` needs truth values, but `{show(value)}` is {value.kind}",
            code="E0106",
            span=value.span,
            hint="compare it, e.g. `x != 0`",
        )

    def _comprehension(self, node: t.Call, scope: Scope) -> Value:
        name, span = node.name.name, node.span
        stray = _index_behind_comma(node)
        if stray is not None:
            raise ModelError(
                f"`{short(stray)}` stands behind a comma, as a second argument of `{name}`",
                code="E0112",
                span=stray.span,
                hint=f"each index has its own `for`: `… for {short(stray)}`",
            )
        if len(node.arguments) != 1 or name not in (
            *COUNTS,
            "sum",
            "min",
            "max",
            "mean",
            "alldiff",
        ):
            raise ModelError(
                f"`for` stands in sum, min, max, mean, alldiff or {', '.join(COUNTS)}, "
                "with one argument",
                code="E0112",
                span=span,
            )
        (argument,) = node.arguments
        assert argument.binders is not None
        bound = self.bind(argument.binders, scope)
        if name == "alldiff":
            value = self._told_apart(self.scalar(argument.value, bound.scope))
            runs = tuple((b.variable, b.low, b.high) for b in bound.binders)
            return Distinct(span, BIT, runs, bound.guard, value)
        if name in COUNTS:
            body = self._bit(self.scalar(argument.value, bound.scope), name)
            return f.counted(span, name, nest(span, "sum", bound, body))
        whole = self.value(argument.value, bound.scope)
        if isinstance(whole, Sparse):
            raise self.many(argument.value, whole, "write `dot(W, …)` inside of it")
        if isinstance(whole, Array):
            same_for_all(whole, bound, argument.value.span)

        def reduced(body: Expr) -> Expr:
            result = nest(span, "sum" if name == "mean" else name, bound, self.numeric(body))
            if name == "mean":
                return f.apply(span, "/", result, nest(span, "sum", bound, integer(span, 1)))
            return result

        return f.combined(span, name, reduced, whole)


def _quantified(node: t.Call) -> str | None:
    """Return how to say that a condition holds for all, or for some, values of an index."""
    name = node.name.name.lower()
    first = node.arguments[0] if node.arguments else None
    binders = first.binders if first is not None else None
    if name in _ALL:
        bound = "i in n"
        if binders is not None:
            bound = ", ".join(short(g) for g in binders.generators)
            bound += f" if {short(binders.guard)}" if binders.guard is not None else ""
        return f"put the index into the brackets of the factor: `hard NAME[{bound}] : …`"
    if name in _SOME:
        inside = "…" if binders is None else f"… for {short(binders.generators[0])}"
        return f"write `atleastone({inside})`"
    return None


def _index_behind_comma(node: t.Call) -> t.Binary | None:
    """Return the ``j in m`` of ``sum(a for i in n, j in m)``, which is no index there."""
    for argument in node.arguments[1:]:
        value = argument.value
        if isinstance(value, t.Binary) and value.operator == "in":
            return value
    return None
