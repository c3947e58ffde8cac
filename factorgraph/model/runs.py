"""What a `for` runs over in formulas: regions, answers, factors, indices."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import functions as f
from factorgraph.model.arrays import fresh, integer, minus
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Expr,
    LengthOf,
    Reduce,
    Variable,
    depends,
)
from factorgraph.model.loss import Extremum, IsObserved, LossRead, OverDraws, rebuilt
from factorgraph.model.model import FactorDeclaration
from factorgraph.model.names import COUNTS
from factorgraph.model.reads import Scope
from factorgraph.model.region import Bound, Draw, Hole, Part, Place, Region, Second, Thing
from factorgraph.model.resolve import RUNS, WORDS, Look
from factorgraph.model.split import split, sums
from factorgraph.model.vocabulary import Vocabulary
from factorgraph.source import Span
from factorgraph.syntax import tree as t


class Runs(Vocabulary):
    """Takes minima, sums and the like over what a `for` runs over."""

    # -- what a `for` runs over

    def _comprehension_of(self, node: t.Call, scope: Scope) -> Look:
        """A function with `for`: over regions, answers and factors, or over indices."""
        name = node.name.name
        run = [a for a in node.arguments if a.binders is not None]
        sources: list[Region | str | None] = []
        if run:
            assert run[0].binders is not None
            sources = [self._source(g, scope) for g in run[0].binders.generators]
        if not any(sources) and name != "softmin":
            return super()._call(node, scope)
        if len(run) != 1 or node.arguments[0] is not run[0]:
            raise ModelError(
                f"`{name}` takes one number with `for`", code="E0112", span=self.here(node.span),
                hint=f"{name}(E(Y) - cost(Y) for Y in any)",
            )  # fmt: skip
        if any(isinstance(s, Region) for s in sources) or name == "softmin":
            return self._over_region(node, sources, scope)
        for argument in node.arguments[1:]:
            raise ModelError(
                f"`{name}` has no argument `{argument.name}`" if argument.name is not None
                else f"`{name}` takes one number with `for`",
                code="E0112", span=self.here(argument.span), hint=f"{name}(… for v in answers)",
            )  # fmt: skip
        return self._over_lists(node, sources, scope)

    def _source(self, generator: t.Generator, scope: Scope) -> Region | str | None:
        """Return the region that a generator runs over, or `answers` or `factors`."""
        source = generator.source
        name = source.name if isinstance(source, t.Name) else None
        if isinstance(source, t.Call):
            name = source.name.name
        if name is None:
            return None
        if name in scope:
            found: Look = scope[name]
            if isinstance(source, t.Name) and isinstance(found, Thing):
                return self.region(source, scope)
            return None
        kind = self.declares(name)
        if kind is not None and name not in WORDS[1:]:
            if kind in ("a factor", "an energy", "a loss") and isinstance(source, t.Name):
                return self.region(source, scope)
            return None
        if isinstance(source, t.Name) and name in RUNS:
            return name
        if name in ("answer", "any", "wrong", "best") or (
            isinstance(source, t.Call) and (name in ("only", "pin", "sample", "draw", "jitter"))
        ):
            return self.region(source, scope)
        return None

    def _over_region(
        self, node: t.Call, sources: list[Region | str | None], scope: Scope
    ) -> LossRead:
        name, span = node.name.name, self.here(node.span)
        argument = node.arguments[0]
        binders = argument.binders
        assert binders is not None
        region = sources[0]
        generator = binders.generators[0]
        if not isinstance(region, Region) and len(sources) == 1:
            source = generator.source
            raise self._no_region(
                self.resolve(source, scope),
                source,
                f"`{name}` runs over the configurations of a region",
            )
        if len(sources) > 1 or binders.guard is not None or not isinstance(region, Region):
            raise ModelError(
                "a `for` over a region stands alone, without `if`",
                code="E0221",
                span=self.here(argument.span),
                hint="put the condition into the number: if … then … else …",
            )
        if len(generator.patterns) != 1 or generator.patterns[0].grouped:
            raise ModelError(
                "a configuration has one name", code="E0115", span=self.here(generator.span),
                hint="for Y in any",
            )  # fmt: skip
        if name not in ("min", "max", "softmin") and not (
            name == "sum" and isinstance(region, Draw)
        ):
            raise ModelError(
                f"`{name}` does not run over `{region}`",
                code="E0221",
                span=span,
                hint="min, max and softmin run over regions, sum over draw(…)",
            )
        known = {"softmin": ["beta", "by"], "sum": []}.get(name, ["by"])
        options: dict[str, t.Expression] = {}
        for k, more in enumerate(node.arguments[1:], 1):
            key = more.name or ("beta" if k == 1 and name == "softmin" else "")
            if key not in known or key in options:
                raise ModelError(
                    f"`{name}` over a region takes {' and '.join(known) or 'nothing more'}",
                    code="E0112",
                    span=self.here(more.span),
                    hint=did_you_mean(key, known)
                    or ("softmin(… for Y in any, beta = 2)" if key == "beta" else None),
                )
            options[key] = more.value
        beta = inf
        if name == "softmin":
            beta = self.positive(options["beta"], scope, "beta") if "beta" in options else 1.0
        by = None
        if "by" in options:
            task = "a minimum" if beta == inf else "a soft minimum"
            by = self.algorithms(options["by"], scope, task)
            self._bound_from_above(by, region, self.here(options["by"].span))
        self.shared.bound += 1
        identifier = generator.patterns[0].names[0]
        bound = Bound(self.here(identifier.span), identifier.name, self.shared.bound)
        inner: dict[str, Any] = {**scope, identifier.name: bound}
        body = self.number(argument.value, inner)
        shown = f"{name}(… for {identifier.name} in {region})"
        if isinstance(region, Draw) and name == "sum":
            return OverDraws(span, REAL, shown, (), bound, region, body)
        small = split(body, bound)
        return Extremum(span, REAL, shown, (), name, bound, region, beta, by, body, small)

    def _over_lists(self, node: t.Call, sources: list[Region | str | None], scope: Scope) -> Expr:
        """``sum(… for v in answers)``, ``sum(… for f in factors)``, mixed with indices."""
        name, span = node.name.name, node.span
        argument = node.arguments[0]
        assert argument.binders is not None
        if name not in ("sum", "min", "max", "mean", *COUNTS) or name in COUNTS[1:]:
            raise ModelError(
                f"`{name}` does not run over `{next(s for s in sources if s)}`", code="E0221",
                span=self.here(span), hint="sum, mean, min, max and count do",
            )  # fmt: skip
        generators = list(zip(argument.binders.generators, sources, strict=True))
        guard = argument.binders.guard

        def leaf(inner: Scope) -> Expr:
            if self.shared.lenient and self._mentions_hole(argument.value, inner):
                self._visit(argument.value, inner)
                return Const(span, REAL, 0.0)
            if name == "count":
                return self.truth(argument.value, inner)
            return self.number(argument.value, inner)

        operator = {"mean": "sum", "count": "sum"}.get(name, name)
        value = self._run(argument.span, operator, generators, guard, leaf, scope)
        if name == "mean":
            number = self._run(
                argument.span, "sum", generators, guard, lambda _: integer(span, 1), scope
            )
            return f.apply(span, "/", value, number)
        return value

    def _run(
        self,
        span: Span,
        operator: str,
        generators: list[tuple[t.Generator, Region | str | None]],
        guard: t.Expression | None,
        leaf: Callable[[Scope], Expr],
        scope: Scope,
    ) -> Expr:
        """Return nested reductions; over answers and factors, one for each array of them."""
        if not generators:
            value = leaf(scope)
            if guard is None:
                return value
            condition = self.truth(guard, scope)
            self.known_before(condition, "a guard")
            return _where(condition, value, operator)
        (generator, source), rest = generators[0], generators[1:]

        def inside(inner: Scope) -> Expr:
            return self._run(span, operator, rest, guard, leaf, inner)

        if source is None:
            bound = self.bind(t.Binders(generator.span, (generator,), None), scope)
            value = inside(bound.scope)
            for b in reversed(bound.binders):
                value = _reduce(span, operator, b.variable, b.low, b.high, None, value)
            return value
        if len(generator.patterns) != 1 or generator.patterns[0].grouped:
            raise ModelError(
                f"`{source}` has one name for each", code="E0115",
                span=self.here(generator.span), hint=f"for {RUNS[str(source)]} in {source}",
            )  # fmt: skip
        name = generator.patterns[0].names[0].name
        parts = self._each_answer if source == "answers" else self._each_factor
        values = parts(span, operator, name, inside, scope)
        if values:
            return sums(values, operator)
        if not self.shared.lenient:
            raise ModelError(
                f"the model has no {source}",
                code="E0216",
                span=self.here(generator.span),
                hint="declare what is observed in training as `answer`"
                if source == "answers"
                else None,
            )
        open_: Any = Hole(span, name) if source == "answers" else Second(span, name)
        inside({**scope, name: open_})
        return Const(span, REAL, 0.0)

    def _each_answer(
        self,
        span: Span,
        operator: str,
        name: str,
        inside: Callable[[Scope], Expr],
        scope: Scope,
    ) -> list[Expr]:
        values = []
        for unknown in self.shared.model.answers.values():
            indices: list[Variable] = []
            extents: list[Expr] = []
            for k, declared in enumerate(unknown.axes):
                axis = self._row(declared, indices[-1] if indices else None, span)
                indices.append(fresh("t" if len(unknown.axes) == 1 else "ijkl"[k % 4], span))
                extents.append(axis.count)
            place: Any = Place(span, unknown.name, tuple(indices))
            value = inside({**scope, name: place})
            shown = f"observed {unknown.name}"
            observed: Expr = IsObserved(span, BIT, shown, tuple(indices), unknown.name)
            if not indices:
                values.append(_where(observed, value, operator))
                continue
            condition: Expr | None = observed
            for index, extent in zip(reversed(indices), reversed(extents), strict=True):
                last = minus(extent, integer(span, 1))
                value = _reduce(span, operator, index, integer(span, 0), last, condition, value)
                condition = None
            values.append(value)
        return values

    def _each_factor(
        self,
        span: Span,
        operator: str,
        name: str,
        inside: Callable[[Scope], Expr],
        scope: Scope,
    ) -> list[Expr]:
        values = []

        def term(energy: Any) -> Expr:
            return inside({**scope, name: energy})

        for factor in self.shared.model.factors.values():
            values.append(_each_term(span, operator, factor, term))
        return values


def _where(condition: Expr, value: Expr, operator: str) -> Expr:
    """Return a value that counts only where a condition holds."""
    nothing = {"sum": 0.0, "min": inf, "max": -inf}[operator]
    return Apply(value.span, REAL, "if", (condition, value, Const(value.span, REAL, nothing)))


def _reduce(
    span: Span,
    operator: str,
    index: Variable,
    low: Expr,
    high: Expr,
    guard: Expr | None,
    body: Expr,
) -> Expr:
    kind = INT if body.kind == BIT else body.kind
    return Reduce(span, kind, operator, index, low, high, guard, body)


def _each_term(
    span: Span, operator: str, factor: FactorDeclaration, inside: Callable[[Part], Expr]
) -> Expr:
    """Return a reduction over the terms of a factor; one over a sequence is one term."""
    if any(depends(b.high, LengthOf) for b in factor.binders):
        return inside(Part(span, factor.name))
    new = {b.variable: fresh(b.variable.name, span, b.variable.kind) for b in factor.binders}

    def renamed(e: Expr) -> Expr:
        found: Expr = rebuilt(e, lambda x: new.get(x) if isinstance(x, Variable) else None)
        return found

    value = inside(Part(span, factor.name, tuple(new.values())))
    guard = None if factor.guard is None else renamed(factor.guard)
    if not factor.binders:
        return value if guard is None else _where(guard, value, operator)
    for b in reversed(factor.binders):
        low, high = renamed(b.low), renamed(b.high)
        value = _reduce(span, operator, new[b.variable], low, high, guard, value)
        guard = None
    return value
