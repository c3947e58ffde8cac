"""Lark's tree to ours: dataclasses, each with its span."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lark import Token, Tree

from factorgraph.errors import ModelError
from factorgraph.source import Source, Span
from factorgraph.syntax import tree as t
from factorgraph.syntax.words import RESERVED

DEPTH = 100
"""How deep expressions may nest: far above any model, far below Python's own limit."""

LARGEST = 2**62
"""The largest whole number that a text may hold."""

_WORDS = frozenset(RESERVED)


def _reserved(name: str, span: Span) -> ModelError:
    return ModelError(
        f"`{name}` is a word of the language and cannot be a name",
        code="E0006",
        span=span,
        hint=f"call it `{name}_`",
    )


def _string(token: str) -> str:
    return token[1:-1]


class Builder:
    """Makes dataclasses of Lark's tree; `Tree.data` names the method.

    Parameters
    ----------
    source : the whole text.
    offset : where in it the text begins that Lark has read.
    """

    def __init__(self, source: Source, offset: int = 0) -> None:
        self.source = source
        self.offset = offset
        self.depth = 0

    def statements(
        self, raw: Tree[Token]
    ) -> tuple[tuple[t.Statement, ...], tuple[ModelError, ...]]:
        """Return the statements of a whole tree, and an error for each that is broken."""
        made: list[t.Statement] = []
        errors: list[ModelError] = []
        for child in raw.children:
            assert isinstance(child, Tree)
            try:
                made.append(self.build(child))
            except ModelError as error:
                self.depth = 0
                errors.append(error)
                made.append(t.Broken(self.span(child), tuple(self.names(child))))
        return tuple(made), tuple(errors)

    def names(self, statement: Tree[Token]) -> Iterator[t.Identifier]:
        """Yield the names that a statement declares."""
        for child in statement.children:
            if isinstance(child, Token):
                if child.type == "NAME" and statement.data != "choose_loss":
                    yield self.identifier(child)
                    return
            elif child.data in ("sized", "slot", "weight"):
                yield from self.names(child)
            elif child.data == "slots" or (child.data, statement.data) == ("call", "define_loss"):
                yield from self.names(child)
                return

    def span(self, raw: Tree[Token] | Token) -> Span:
        if isinstance(raw, Token):
            start = self.offset + (raw.start_pos or 0)
            return Span(self.source, start, start + len(raw))
        if raw.meta.empty:
            return Span(self.source, self.offset, self.offset)
        return Span(self.source, self.offset + raw.meta.start_pos, self.offset + raw.meta.end_pos)

    def outer(self, raw: Tree[Token]) -> Span:
        """Return the span of an expression with the brackets around it."""
        meta = raw.meta
        if meta.empty:
            return self.span(raw)
        start = getattr(meta, "container_start_pos", meta.start_pos)
        end = getattr(meta, "container_end_pos", meta.end_pos)
        return Span(self.source, self.offset + start, self.offset + end)

    def build(self, raw: Any) -> Any:
        self.depth += 1
        if self.depth > DEPTH:
            raise ModelError(
                f"brackets or operators nest deeper than {DEPTH}",
                code="E0004",
                span=self.span(raw),
                hint="name a part of it with `let` or `fun`",
            )
        try:
            method: Callable[[Span, list[Any]], Any] = getattr(self, f"_{raw.data}")
            return method(self.span(raw), raw.children)
        finally:
            self.depth -= 1

    def all(self, children: list[Any]) -> tuple[Any, ...]:
        return tuple(self.build(c) for c in children)

    def identifier(self, token: Token) -> t.Identifier:
        return t.Identifier(self.span(token), str(token))

    def bound(self, token: Token) -> t.Identifier:
        """Return a name that an index, an argument or a field is given."""
        if token in _WORDS:
            raise _reserved(str(token), self.span(token))
        return self.identifier(token)

    def item(self, child: Any) -> Any:
        """A value in braces: a bare token or a tree."""
        if isinstance(child, Token):
            return self.atom(child)
        return self.build(child)

    def atom(self, token: Token) -> t.Expression:
        span = self.span(token)
        if token.type == "NAME":
            return t.Name(span, str(token))
        if token.type == "STRING":
            return t.Text(span, _string(token))
        return self.number(span, token)

    def number(self, span: Span, token: Token) -> t.Number:
        text = str(token)
        if len(text) > 300:
            raise ModelError("a number of more than 300 characters", code="E0007", span=span)
        if token.type == "INT":
            if int(text) > LARGEST:
                raise ModelError(
                    "this whole number is too large",
                    code="E0007",
                    span=span,
                    hint="write it with an exponent, like 1e20",
                )
            return t.Number(span, int(text))
        value = float(text)
        if value == float("inf"):
            raise ModelError("this number is too large", code="E0007", span=span, hint="say inf")
        return t.Number(span, value)

    # -- statements

    def _use(self, span: Span, c: list[Any]) -> t.Use:
        alias = self.identifier(c[1]) if len(c) > 1 else None
        return t.Use(span, t.Text(self.span(c[0]), _string(c[0])), alias)

    def _domain(self, span: Span, c: list[Any]) -> t.Domain:
        if len(c) == 1:
            return t.Domain(span, self.identifier(c[0]), None)
        if len(c) == 2 and isinstance(c[1], Tree) and c[1].data == "range":
            return t.Domain(span, self.identifier(c[0]), self.build(c[1]))
        values = t.Values(span, tuple(self.item(v) for v in c[1].children))
        return t.Domain(span, self.identifier(c[0]), values)

    def _values(self, span: Span, c: list[Any]) -> t.Values:
        return t.Values(span, tuple(self.item(v) for v in c))

    def _tuple(self, span: Span, c: list[Any]) -> t.Tuple:
        return t.Tuple(span, tuple(self.item(v) for v in c))

    def _minus(self, span: Span, c: list[Any]) -> t.Number:
        return t.Number(span, -self.number(span, c[0]).value)

    def _size(self, span: Span, c: list[Any]) -> t.Size:
        return t.Size(span, self.all(c))

    def _sized(self, span: Span, c: list[Any]) -> t.Sized:
        shape: tuple[Any, ...] = ()
        value = None
        for child in c[1:]:
            if child.data == "shape":
                shape = self.all(child.children)
            else:
                value = self.build(child)
        return t.Sized(span, self.identifier(c[0]), shape, value)

    def _role(self, role: str, span: Span, c: list[Any]) -> t.Slots:
        slots, kind = c[0].children[:-1], c[0].children[-1]
        return t.Slots(span, role, self.all(slots), self.type(kind))

    def _given(self, span: Span, c: list[Any]) -> t.Slots:
        return self._role("given", span, c)

    def _answer(self, span: Span, c: list[Any]) -> t.Slots:
        return self._role("answer", span, c)

    def _latent(self, span: Span, c: list[Any]) -> t.Slots:
        return self._role("latent", span, c)

    def _slot(self, span: Span, c: list[Any]) -> t.Slot:
        shape = self.all(c[1].children) if len(c) > 1 else ()
        return t.Slot(span, self.identifier(c[0]), shape)

    def _param(self, span: Span, c: list[Any]) -> t.Param:
        return t.Param(span, self.all(c))

    def _weight(self, span: Span, c: list[Any]) -> t.Weight:
        parts: dict[str, Any] = {"shape": (), "kind": None, "initial": None, "regulariser": None}
        for child in c[1:]:
            if child.data == "shape":
                parts["shape"] = self.all(child.children)
            elif child.data == "kind":
                parts["kind"] = self.type(child.children[0])
            else:
                parts[str(child.data)] = self.build(child.children[0])
        return t.Weight(
            span,
            self.identifier(c[0]),
            parts["shape"],
            parts["kind"],
            parts["initial"],
            parts["regulariser"],
        )

    def type(self, raw: Tree[Token]) -> t.TypeNode:
        span = self.span(raw)
        if raw.data == "range":
            return t.RangeType(span, self.build(raw))
        if raw.data == "values":
            return t.ValuesType(span, self.build(raw))
        return self.build(raw)  # type: ignore[no-any-return]

    def _named(self, span: Span, c: list[Any]) -> t.NamedType:
        return t.NamedType(span, str(c[0]))

    def _built(self, span: Span, c: list[Any]) -> t.CallType:
        return t.CallType(span, self.build(c[0]))

    def _record(self, span: Span, c: list[Any]) -> t.RecordType:
        return t.RecordType(span, self.all(c))

    def _field(self, span: Span, c: list[Any]) -> t.FieldType:
        return t.FieldType(span, self.bound(c[0]), self.type(c[1]))

    def _map(self, span: Span, c: list[Any]) -> t.Map:
        regulariser = self.build(c[2].children[0]) if len(c) > 2 else None
        return t.Map(span, self.identifier(c[0]), self.build(c[1]), regulariser)

    def _let(self, span: Span, c: list[Any]) -> t.Let:
        binders = self.build(c[1]) if len(c) == 3 else None
        return t.Let(span, self.identifier(c[0]), binders, self.build(c[-1]))

    def _fun(self, span: Span, c: list[Any]) -> t.Fun:
        return t.Fun(span, self.identifier(c[0]), self.all(c[1:-1]), self.build(c[-1]))

    def _formal(self, span: Span, c: list[Any]) -> t.Formal:
        return t.Formal(span, self.bound(c[0]), self.build(c[1]) if len(c) > 1 else None)

    def _factor(self, span: Span, c: list[Any]) -> t.Factor:
        return self._energy(span, c, hard=False)

    def _hard(self, span: Span, c: list[Any]) -> t.Factor:
        return self._energy(span, c, hard=True)

    def _energy(self, span: Span, c: list[Any], hard: bool) -> t.Factor:
        binders = self.build(c[1]) if len(c) == 3 else None
        return t.Factor(span, self.identifier(c[0]), binders, self.build(c[-1]), hard)

    def _define_loss(self, span: Span, c: list[Any]) -> t.LossDefinition:
        if isinstance(c[0], Token):
            return t.LossDefinition(span, self.identifier(c[0]), (), self.build(c[1]))
        head: t.Call = self.build(c[0])
        formals = []
        for argument in head.arguments:
            value = argument.value
            if argument.name is not None:
                if argument.name in _WORDS:
                    named = Span(
                        self.source, argument.span.start, argument.span.start + len(argument.name)
                    )
                    raise _reserved(argument.name, named)
                name = t.Identifier(argument.span, argument.name)
                formals.append(t.Formal(argument.span, name, value))
            elif isinstance(value, t.Name) and argument.binders is None:
                name = t.Identifier(value.span, value.name)
                formals.append(t.Formal(argument.span, name, None))
            else:
                raise ModelError(
                    "an argument in a definition is a name, or a name with its default",
                    code="E0008",
                    span=argument.span,
                    hint="write `loss hinge(m = 1) = …`",
                )
        return t.LossDefinition(span, head.name, tuple(formals), self.build(c[1]))

    def _choose_loss(self, span: Span, c: list[Any]) -> t.LossChoice:
        return t.LossChoice(span, self.build(c[0]))

    def _infer(self, span: Span, c: list[Any]) -> t.Infer:
        return t.Infer(span, self.build(c[0]))

    # -- binders

    def _binders(self, span: Span, c: list[Any]) -> t.Binders:
        guard = None
        if c[-1].data == "guard":
            guard = self.build(c[-1].children[0])
            c = c[:-1]
        return t.Binders(span, self.all(c), guard)

    _comprehension = _binders

    def _generator(self, span: Span, c: list[Any]) -> t.Generator:
        return t.Generator(span, self.all(c[:-1]), self.build(c[-1]))

    def _pattern(self, span: Span, c: list[Any]) -> t.Pattern:
        return t.Pattern(span, tuple(self.bound(x) for x in c), len(c) > 1)

    # -- expressions

    def _range(self, span: Span, c: list[Any]) -> t.Range:
        return t.Range(span, self.build(c[0]), self.build(c[1]))

    def _choose(self, span: Span, c: list[Any]) -> t.Choose:
        return t.Choose(span, *self.all(c))

    def _chain(self, operator: str | None, c: list[Any]) -> t.Expression:
        """Fold ``a + b - c`` to the left; operators stand between, or are given."""
        step = 2 if operator is None else 1
        left: t.Expression = self.build(c[0])
        start = self.outer(c[0])
        for k in range(1, len(c), step):
            sign = str(c[k]) if operator is None else operator
            last = c[k + step - 1]
            left = t.Binary(start.to(self.outer(last)), sign, left, self.build(last))
            if k // step >= DEPTH:
                raise ModelError(
                    f"more than {DEPTH} operands in one chain",
                    code="E0004",
                    span=left.span,
                    hint="use sum(… for …), or name parts with `let`",
                )
        return left

    def _sum(self, span: Span, c: list[Any]) -> t.Expression:
        return self._chain(None, c)

    _product = _sum

    def _conj(self, span: Span, c: list[Any]) -> t.Expression:
        return self._chain("and", c)

    def _disj(self, span: Span, c: list[Any]) -> t.Expression:
        return self._chain("or", c)

    def _implies(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Binary(span, "=>", self.build(c[0]), self.build(c[1]))

    def _not_(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Unary(span, "not", self.build(c[0]))

    def _neg(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Unary(span, "-", self.build(c[0]))

    def _power(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Binary(span, "^", self.build(c[0]), self.build(c[1]))

    def _compare(self, span: Span, c: list[Any]) -> t.Expression:
        if len(c) == 2:
            return t.Binary(span, "in", self.build(c[0]), self.build(c[1]))
        return t.Binary(span, str(c[1]), self.build(c[0]), self.build(c[2]))

    def _index(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Index(span, self.build(c[0]), self.all(c[1:]))

    def _member(self, span: Span, c: list[Any]) -> t.Expression:
        return t.Member(span, self.build(c[0]), str(c[1]))

    def _call(self, span: Span, c: list[Any]) -> t.Call:
        return t.Call(span, self.identifier(c[0]), self.all(c[1:]))

    def _arg(self, span: Span, c: list[Any]) -> t.Argument:
        binders = self.build(c[1]) if len(c) > 1 else None
        return t.Argument(span, None, self.build(c[0]), binders)

    def _keyword(self, span: Span, c: list[Any]) -> t.Argument:
        return t.Argument(span, str(c[0]), self.build(c[1]), None)

    def _name(self, span: Span, c: list[Any]) -> t.Name:
        name = str(c[0])
        if name in _WORDS and name != "answer":
            raise _reserved(name, span)
        return t.Name(span, name)

    def _number(self, span: Span, c: list[Any]) -> t.Number:
        return self.number(span, c[0])

    def _string(self, span: Span, c: list[Any]) -> t.Text:
        return t.Text(span, _string(c[0]))

    def _inf(self, span: Span, c: list[Any]) -> t.Number:
        return t.Number(span, float("inf"))
