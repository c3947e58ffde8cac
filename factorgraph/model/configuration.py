"""Values in configurations, and numbers for each real answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import Array, Value, integer
from factorgraph.model.elaborate import Elaborator
from factorgraph.model.expand import Expander
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    TEXT,
    Apply,
    Const,
    Expr,
    FieldRead,
    UnknownRead,
    show,
)
from factorgraph.model.loss import (
    Coordinate,
    Gradient,
    Laplacian,
    OverCoordinates,
    SpellingIn,
    ValueIn,
)
from factorgraph.model.model import Unknown
from factorgraph.model.reads import Scope
from factorgraph.model.region import (
    Algorithms,
    Answer,
    Configuration,
    Energy,
    Jitter,
    Observed,
    Place,
    Region,
    Vector,
)
from factorgraph.model.resolve import Function, Look
from factorgraph.source import Span
from factorgraph.syntax import tree as t

VECTORS = ("norm", "dot", "sum", "min", "max", *f.UNARY)
"""Functions that numbers for each real answer may stand in."""


class Configurations(Expander):
    """Reads configurations."""

    # -- values in configurations

    def configuration(self, found: Look) -> Configuration | None:
        """Return something as a configuration, None where it is none."""
        if isinstance(found, Answer):
            return Observed(found.span)
        return found if isinstance(found, Configuration) else None

    def no_configuration(self, found: Look, span: Span, text: str) -> ModelError:
        """Return the error for something else where a configuration is needed."""
        if isinstance(found, Region):
            return ModelError(
                f"`{found}` is a region, not a configuration", code="E0222", span=self.here(span),
                hint=f"name one of it: min(… for Y in {found})",
            )  # fmt: skip
        what = {Energy: "an energy", Place: "a place", Function: "a fun"}
        named = next((w for cls, w in what.items() if isinstance(found, cls)), "a number")
        return ModelError(
            f"a configuration is needed, but `{text}` is {named}",
            code="E0222",
            span=self.here(span),
            hint="there are answer, best, jitter(s), and the Y of `for Y in …`",
        )

    def _membered(self, node: t.Member, scope: Scope) -> Look:
        base = self.resolve(node.base, scope)
        configuration = self.configuration(base)
        if configuration is not None:
            return self.value_in(configuration, node.name, (), node.span, scope)
        return self._member_of_value(base, node, scope)

    def _member_of_value(self, base: Look, node: t.Member, scope: Scope) -> Look:
        if not isinstance(base, Expr | Array):
            raise self.no_configuration(base, node.base.span, node.base.span.text)
        sample: Value = base
        if isinstance(sample, Array):
            sample = sample.element(tuple(integer(node.span, 0) for _ in sample.shape))
        if isinstance(sample, ValueIn) and sample.kind.sort == "record":
            return _each(base, lambda e: self._field_in(e, node.name, node.span))
        return self._again(node, scope, base=base)

    def _field_in(self, record: Expr, name: str, span: Span) -> Expr:
        assert isinstance(record, ValueIn)
        fields = self.shared.model.unknowns[record.unknown].fields
        for part in fields:
            if part.name == name:
                return replace(record, span=span, kind=part.kind, field=name)
        raise ModelError(
            f"`{record.unknown}` has no field `{name}`",
            code="E0124",
            span=self.here(span),
            hint=did_you_mean(name, [p.name for p in fields])
            or f"its fields are {', '.join(p.name for p in fields)}",
        )

    def _indexed(self, node: t.Index, scope: Scope) -> Look:
        base = node.base
        if isinstance(base, t.Member):
            inner = self.resolve(base.base, scope)
            configuration = self.configuration(inner)
            if configuration is not None:
                return self.value_in(configuration, base.name, node.subscripts, node.span, scope)
            found = self._member_of_value(inner, base, scope)
            return self._again(node, scope, base=found)
        if isinstance(base, t.Name) and base.name not in scope:
            kind = self.declares(base.name)
            if kind in ("an answer", "a latent"):
                raise self._bare(base.name, base.span)
            if kind not in (None, "a factor", "a loss", "a fun", "an energy"):
                return super()._index(node, scope)
        found = self.resolve(base, scope)
        configuration = self.configuration(found)
        if configuration is None:
            return self._again(node, scope, base=found)
        place = self.resolve(node.subscripts[0], scope)
        if len(node.subscripts) != 1 or not isinstance(place, Place):
            raise ModelError(
                f"`{base.span.text}[…]` takes a variable that runs over `answers`",
                code="E0209",
                span=self.here(node.subscripts[0].span),
                hint=f"{configuration}.y[t] is y[t] in {configuration}",
            )
        unknown = self.shared.model.unknowns[place.unknown]
        return _value(node.span, unknown, configuration, place.indices)

    def value_in(
        self,
        configuration: Configuration,
        name: str,
        subscripts: tuple[t.Expression, ...],
        span: Span,
        scope: Scope,
    ) -> Value:
        """Return ``Y.name[…]``: what an unknown is in a configuration.

        Raises
        ------
        ModelError : ``E0219`` where there is no such unknown, or it is never observed.
        """
        unknowns = self.shared.model.unknowns
        unknown = unknowns.get(name)
        if unknown is None:
            declared = self.declares(name)
            raise ModelError(
                f"`{configuration}.{name}`: the model has no unknown `{name}`"
                if declared is None
                else f"`{configuration}.{name}`: `{name}` is {declared}, no unknown",
                code="E0219",
                span=self.here(span),
                hint=(f"write `{name}`" if declared in ("a given", "a param", "a let") else None)
                or did_you_mean(name, unknowns)
                or f"its unknowns are {', '.join(unknowns) or 'none'}",
            )
        if unknown.role == "latent" and isinstance(configuration, Observed | Jitter):
            raise ModelError(
                f"`{name}` is a latent: it has no observed value",
                code="E0219",
                span=self.here(span),
                hint=f"Y.{name} is its value in a configuration Y",
            )
        if unknown.sequence is not None:
            if subscripts:
                raise ModelError(
                    f"`{name}` is a sequence and takes no index", code="E0104", span=span,
                    hint=f"mistakes({configuration}.{name}, answer.{name}) compares the whole",
                )  # fmt: skip
            return _value(span, unknown, configuration, ())
        text = self.shared.text
        found = text._read(name, subscripts, span, scope)
        return _each(found, lambda e: _moved(e, configuration, unknown))

    # -- operators

    def _negated(self, node: t.Unary, scope: Scope) -> Look:
        operand = self.resolve(node.operand, scope)
        vector = self._vector(operand)
        if vector is not None:
            return Vector(node.span, f.apply(node.span, "neg", vector.element))
        return self._again(node, scope, operand=operand)

    def _operated(self, node: t.Binary, scope: Scope) -> Look:
        span, operator = node.span, node.operator
        left, right = self.resolve(node.left, scope), self.resolve(node.right, scope)
        if isinstance(left, Algorithms) and isinstance(right, Algorithms) and operator == "+":
            return Algorithms(span, left.steps + right.steps)
        if operator in ("==", "!="):
            if isinstance(left, Configuration) or isinstance(right, Configuration):
                raise ModelError(
                    "configurations are compared value by value",
                    code="E0204",
                    span=self.here(span),
                    hint="differs(Y) is 1 where an answer differs, Y.y[t] != answer.y[t] for one",
                )
            if isinstance(left, Expr) and isinstance(right, Expr):
                if left.kind == right.kind and left.kind.sort == "record":
                    return self._same_fields(span, operator, left, right)
                if left.kind == right.kind and left.kind.sort == "sequence":
                    return Apply(span, BIT, operator, (left, right))
            return self._again(node, scope, left=left, right=right)
        some = (left, right)
        vectors = Configuration | Vector | (Answer if self.shared.real_answers else Vector)
        if any(isinstance(x, vectors) for x in some):
            for x, other, part in ((left, right, node.left), (right, left, node.right)):
                if isinstance(x, Configuration) and isinstance(other, Expr | Array):
                    if not self.shared.lenient and not self.shared.real_answers:
                        raise self.no_number(x, part)
            a, b = (self._vector(x, also_answer=True) or x for x in some)
            elements = [x.element if isinstance(x, Vector) else x for x in (a, b)]
            if all(isinstance(x, Expr) for x in elements):
                return Vector(span, f.apply(span, operator, *elements))  # type: ignore[arg-type]
        result = self._again(node, scope, left=left, right=right)
        if operator == "^" and isinstance(result, Apply) and result.operator == "^":
            root = result.arguments[0]
            if isinstance(root, Apply) and root.operator == "sqrt":
                square = root.arguments[0]
                exponent = result.arguments[1]
                if isinstance(square, OverCoordinates) and isinstance(exponent, Const):
                    if exponent.value == 2:
                        return square  # norm(v)^2 is a sum of squares, smooth at 0
        return result

    def _vector(self, found: Look, also_answer: bool = False) -> Vector | None:
        """Return a configuration as its real answers, None for what has none."""
        if isinstance(found, Vector):
            return found
        if isinstance(found, Answer) and also_answer:
            found = Observed(found.span)
        if isinstance(found, Configuration):
            self.needs_real(found.span, f"a difference from `{found}`")
            return Vector(found.span, self.coordinate(found))
        return None

    def coordinate(self, configuration: Configuration) -> Expr:
        return Coordinate(configuration.span, REAL, str(configuration), (), configuration)

    def needs_real(self, span: Span, what: str) -> None:
        """Refuse what looks at real answers, in a model that has none."""
        if not self.shared.lenient and not self.shared.real_answers:
            raise ModelError(
                f"{what} needs real answers, and the model has none",
                code="E0217",
                span=self.here(span),
                hint="finite answers have pseudo, cd, nll, …",
            )

    def _same_fields(self, span: Span, operator: str, left: Expr, right: Expr) -> Expr:
        """Compare two records field by field."""
        every: Expr | None = None
        name = left.kind.domain or ""
        declared = self.shared.model.unknowns.get(name) or self.shared.model.givens.get(name)
        assert declared is not None
        for part in declared.fields:
            sides = [self._part(x, part.name, span) for x in (left, right)]
            equal = f.apply(span, "==", *sides)
            every = equal if every is None else f.apply(span, "and", every, equal)
        assert every is not None
        return every if operator == "==" else f.apply(span, "not", every)

    def _part(self, record: Expr, name: str, span: Span) -> Expr:
        if isinstance(record, ValueIn):
            return self._field_in(record, name, span)
        node = t.Member(span, t.Name(span, "(record)"), name)
        value = Elaborator._value(self, node, {"(record)": record})
        assert isinstance(value, Expr)
        return value

    def _derivative(self, node: t.Call, scope: Scope) -> Look:
        name, span = node.name.name, self.here(node.span)
        (inside,) = self._positional(node, 1, "a configuration")
        found = self.resolve(inside, scope)
        configuration = self.configuration(found)
        if configuration is None:
            raise self.no_configuration(found, inside.span, inside.span.text)
        self.needs_real(span, f"`{name}`")
        shown = f"{name}({configuration})"
        if name == "grad":
            return Vector(span, Gradient(span, REAL, shown, (), configuration))
        return Laplacian(span, REAL, shown, (), configuration)

    def _maybe_vectors(self, node: t.Call, scope: Scope) -> Look:
        """A function of numbers, of arrays, or of numbers for each real answer."""
        name, span = node.name.name, node.span
        if any(a.name is not None for a in node.arguments):
            return super()._call(node, scope)
        found = [self.resolve(a.value, scope) for a in node.arguments]
        if not any(isinstance(x, Vector | Configuration) for x in found):
            known: dict[str, Any] = {}
            arguments = []
            for k, (value, argument) in enumerate(zip(found, node.arguments, strict=True)):
                known[f"({k})"] = self.as_value(value, argument.value, scope)
                stand_in = t.Name(argument.value.span, f"({k})")
                arguments.append(t.Argument(argument.span, None, stand_in, None))
            return super()._call(t.Call(span, node.name, tuple(arguments)), known)
        parts = [self._vector(x, also_answer=True) or x for x in found]
        elements = [p.element if isinstance(p, Vector) else p for p in parts]
        for element, argument in zip(elements, node.arguments, strict=True):
            if not isinstance(element, Expr):
                assert not isinstance(element, Array)
                raise self.no_number(element, argument.value)
        numbers = [e for e in elements if isinstance(e, Expr)]
        if name == "norm" and len(numbers) == 1:
            return f.apply(span, "sqrt", self._total(span, "sum", f.apply(span, "*", *numbers * 2)))
        if name == "dot" and len(numbers) == 2:
            return self._total(span, "sum", f.apply(span, "*", *numbers))
        if name in ("sum", "min", "max") and len(numbers) == 1:
            return self._total(span, name, numbers[0])
        if name in f.UNARY and len(numbers) == 1:
            return Vector(span, f.apply(span, name, *numbers))
        if name in ("min", "max") and len(numbers) == 2:
            return Vector(span, f.apply(span, name, *numbers))
        raise ModelError(
            f"`{name}` takes {2 if name == 'dot' else 1} of these, {len(numbers)} are given",
            code="E0112",
            span=self.here(span),
            hint="norm(grad(answer)), dot(a, b), sum(abs(best - answer))",
        )

    def _total(self, span: Span, operator: str, element: Expr) -> Expr:
        return OverCoordinates(span, REAL, operator, (), operator, element)

    # -- costs

    def _mistakes(self, node: t.Call, scope: Scope) -> Expr:
        """``mistakes(a, b)``: whether two values differ; of segments, at how many places."""
        span = node.span
        left, right = self._positional(node, 2, "two values")
        a, b = self.scalar(left, scope), self.scalar(right, scope)
        for value, argument in ((a, left), (b, right)):
            if value.kind == REAL:
                raise ModelError(
                    f"`mistakes` compares finite values, and `{show(value)}` is a real number",
                    code="E0106",
                    span=self.here(argument.span),
                    hint="write a cost of real answers: fun cost(Y) = sum(abs(Y.x - answer.x))",
                )
        if a.kind == b.kind and a.kind.sort == "sequence":
            return Apply(span, INT, "mistakes", (a, b))
        if a.kind == b.kind and a.kind.sort == "record":
            return self._same_fields(span, "!=", a, b)
        if a.kind == TEXT or b.kind == TEXT:
            pair = t.Binary(span, "!=", left, right)
            return self.scalar(pair, scope)
        return f.apply(span, "!=", a, b)

    def _spelling(self, node: t.Call, scope: Scope) -> Expr:
        (inside,) = self._positional(node, 1, "a sequence in a configuration")
        found = self.resolve(inside, scope)
        if isinstance(found, ValueIn) and found.kind.sort == "sequence":
            fields = self.shared.model.unknowns[found.unknown].fields
            if fields and fields[-1].name == "label":
                shown = f"spell({found.name})"
                return SpellingIn(node.span, TEXT, shown, (), found.configuration, found.unknown)
        raise ModelError(
            "`spell` takes a sequence with labels in a configuration",
            code="E0112",
            span=self.here(node.span),
            hint="spell(Y.s), spell(answer.s)",
        )


def _each(value: Value, change: Callable[[Expr], Expr]) -> Value:
    """Apply a change to a value, or to every element of an array."""
    if isinstance(value, Expr):
        return change(value)
    array = value
    sample = change(array.element(tuple(integer(array.span, 0) for _ in array.shape)))
    return Array(array.span, sample.kind, array.shape, lambda k: change(array.element(k)))


def _value(
    span: Span, unknown: Unknown, configuration: Configuration, indices: tuple[Expr, ...]
) -> ValueIn:
    shown = f"{configuration}.{unknown.name}"
    return ValueIn(span, unknown.kind, shown, indices, configuration, unknown.name)


def _moved(e: Expr, configuration: Configuration, unknown: Unknown) -> Expr:
    """Return a read of an unknown as one of its value in a configuration."""
    if isinstance(e, FieldRead):
        base = _moved(e.base, configuration, unknown)
        assert isinstance(base, ValueIn)
        return replace(base, span=e.span, kind=e.kind, field=e.field)
    assert isinstance(e, UnknownRead)
    return _value(e.span, unknown, configuration, e.indices)
