"""Expressions: from the tree to typed expressions.

`let` and `fun` are hygienic substitution: a body keeps the meaning of the place where it was
written, because it is elaborated in the scope of that place.
"""

from __future__ import annotations

from collections.abc import Callable

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import (
    Array,
    Sparse,
    Value,
    fresh,
    integer,
    minus,
    plus,
    reduce_all,
    sparse,
)
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    GivenRead,
    LetRead,
    MapRead,
    Reduce,
    Spelling,
    UnknownRead,
    Variable,
    depends,
    fixed_value,
    is_data,
    is_larger,
    show,
)
from factorgraph.model.generators import Bound, Generators, nest
from factorgraph.model.layers import output_shape
from factorgraph.model.model import IndexSet, LetDeclaration, MapDeclaration
from factorgraph.model.names import COUNTS, FUNCTIONS, LAYERS, LOSS_WORDS
from factorgraph.model.reads import DEPTH, PARTS, Poisoned, Scope, as_text, extent_of, too_large
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
                return self._member(node, scope)
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
        axes = tuple(value.set(k) or IndexSet(show(e), 0, e) for k, e in enumerate(value.shape))
        return self._take(value, axes, subscripts, span, scope, show_name=f"`{name}`")

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
        if len(subscripts) > len(names):
            raise self._too_many(f"`{name}`", len(names), len(subscripts), span)
        bound = self.bind(let.binders, {})
        plain = _plain(bound)
        body = self.value(let.value, bound.scope)
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
            return self._written_out(let, bound, names, actual, span)
        if plain is None or isinstance(body, Array):
            raise ModelError(
                f"`{name}` is indexed by all of its names: "
                f"{name}[{', '.join(i.name for i in names)}]",
                code="E0104",
                span=span,
            )
        if rows is None:
            lows = [b.low for b in bound.binders]

            def element(indices: tuple[Expr, ...]) -> Expr:
                values: dict[str, Value] = {
                    i.name: plus(low, k) for i, low, k in zip(names, lows, indices, strict=True)
                }
                return self.scalar(let.value, values)

            rows = Array(span, body.kind, plain, element)
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
        return self._take(rows, axes, subscripts, span, scope, show_name=f"`{name}`")

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

    def _member_of(self, binders: t.Binders, values: dict[str, Value], span: Span) -> Expr | None:
        """Return the condition that values belong to a let's lists and meet its guard."""
        rule: Expr | None = None
        for generator in binders.generators:
            if not isinstance(generator.source, t.Values):
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
                left, right = self._align(left, right), self._align(right, left)
        return f.elementwise(node.span, node.operator, left, right)

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
                equal = f.apply(span, "==", self._align(value, other), self._align(other, value))
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
        above, below = f.apply(span, ">=", value, low), f.apply(span, "<=", value, high)
        return f.apply(span, "and", above, below)

    def _align(self, a: Expr, b: Expr) -> Expr:
        """Give a text the domain of the label that it is compared with."""
        if isinstance(a, Const) and a.kind == TEXT and b.kind.sort == "label":
            assert b.kind.domain is not None
            return self._label(a, b.kind.domain)
        return a

    def _choose(self, node: t.Choose, scope: Scope) -> Value:
        condition = self.truth(node.condition, scope)
        yes, no = self.scalar(node.yes, scope), self.scalar(node.no, scope)
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
            hint=did_you_mean(name, [*self.funs, *self.maps, *FUNCTIONS]),
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

    def _features(self, node: t.Call, scope: Scope) -> Value:
        """``hash(N, …)`` and ``features(Domain, …, min = 1)``: sparse rows of counts."""
        name, span = node.name.name, node.span
        least = 1
        arguments: list[t.Expression] = []
        for argument in node.arguments:
            if argument.binders is not None:
                raise ModelError("`for` cannot stand here", code="E0112", span=argument.span)
            if argument.name == "min" and name == "features":
                number = self.constant(argument.value, "`min`")
                if not 1 <= number < 2**31 or number != int(number):
                    raise ModelError(
                        "`min` is a whole number of at least 1", code="E0117", span=argument.span
                    )
                least = int(number)
            elif argument.name is not None:
                raise ModelError(
                    f"`{name}` has no argument `{argument.name}`", code="E0112",
                    span=argument.span, hint="features(Feat, …, min = 2)",
                )  # fmt: skip
            else:
                arguments.append(argument.value)
        if len(arguments) < 2:
            first = "how many places there are" if name == "hash" else "a domain"
            raise ModelError(
                f"`{name}` takes {first} and at least one feature", code="E0112", span=span
            )
        hits = []
        domain, extent = self._places_of_features(name, arguments[0])
        for feature in arguments[1:]:
            self._padding += 1
            try:
                value = self.scalar(feature, scope)
            finally:
                self._padding -= 1
            if value.kind == REAL or value.kind.sort in ("record", "sequence"):
                raise ModelError(
                    f"a feature is a text, a label or a whole number, but `{show(value)}` is "
                    f"{value.kind}",
                    code="E0106",
                    span=feature.span,
                    hint="multiply a param with a real number instead",
                )
            if not is_data(value):
                raise ModelError(
                    "features read givens only", code="E0114", span=feature.span,
                    hint="index a param with an unknown instead",
                )  # fmt: skip
            space = Const(feature.span, TEXT, "".join(feature.span.text.split()) + "=")
            words = f.apply(feature.span, "&", space, value, between="")
            if domain is None:
                hits.append(Apply(feature.span, INT, "hash", (extent, words)))
            else:
                hits.append(
                    Apply(feature.span, INT, "feature",
                          (Const(feature.span, TEXT, domain), words))
                )  # fmt: skip
        if domain is not None and self.least.setdefault(domain, least) != least:
            raise ModelError(
                f"`{domain}` is filled with `min = {self.least[domain]}` elsewhere",
                code="E0112",
                span=span,
                hint="say the same `min` wherever a domain is filled",
            )
        return sparse(span, extent, tuple(hits))

    def _places_of_features(self, name: str, node: t.Expression) -> tuple[str | None, Expr]:
        span = node.span
        if name == "hash":
            number = self.constant(node, "the number of places")
            if not 1 <= number < 2**31 or number != int(number):
                raise ModelError(
                    "the number of places is a whole number from 1 to 2^31 - 1",
                    code="E0117",
                    span=span,
                )
            return None, integer(span, int(number))
        domain = self.domains.get(node.name) if isinstance(node, t.Name) else None
        if domain is None or not domain.from_data:
            raise ModelError(
                "`features` fills a domain: its first argument is one without values",
                code="E0112",
                span=span,
                hint="declare `domain Feat`, and say features(Feat, …)",
            )
        self.used.add(domain.name)
        return domain.name, DomainSize(span, INT, domain.name)

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
            return Distinct(span, BIT, runs, None, values[0].element(indices))
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

    def _bit(self, value: Expr, name: str) -> Expr:
        if value.kind == BIT:
            return value
        raise ModelError(
            f"`{name}` needs truth values, but `{show(value)}` is {value.kind}",
            code="E0106",
            span=value.span,
            hint="compare it, e.g. `x != 0`",
        )

    def _comprehension(self, node: t.Call, scope: Scope) -> Expr:
        name, span = node.name.name, node.span
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
            value = self.scalar(argument.value, bound.scope)
            runs = tuple((b.variable, b.low, b.high) for b in bound.binders)
            return Distinct(span, BIT, runs, bound.guard, value)
        if name in COUNTS:
            body = self._bit(self.scalar(argument.value, bound.scope), name)
            return f.counted(span, name, nest(span, "sum", bound, body))
        body = self.number(argument.value, bound.scope)
        result = nest(span, "sum" if name == "mean" else name, bound, body)
        if name == "mean":
            return f.apply(span, "/", result, nest(span, "sum", bound, integer(span, 1)))
        return result


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

    def __init__(self, elaborator: Elaborator, name: str, span: Span) -> None:
        self.open, self.name, self.span = elaborator._open, name, span

    def __enter__(self) -> None:
        if self.name in self.open:
            way = " → ".join([*self.open[self.open.index(self.name) :], self.name])
            raise ModelError(f"`{self.name}` needs itself ({way})", code="E0116", span=self.span)
        self.open.append(self.name)

    def __exit__(self, *_: object) -> None:
        self.open.pop()
