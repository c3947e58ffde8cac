"""Arguments of calls in formulas, and definitions written out."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.expression import Expr, fixed_value, is_larger
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.library import is_standard
from factorgraph.model.reads import Scope
from factorgraph.model.resolve import DEPTH, PARTS, Look, Resolver
from factorgraph.source import Span
from factorgraph.syntax import tree as t


class Expander(Resolver):
    """Writes losses and funs out, in the scope of the place where they stand."""

    def written_out(
        self,
        home: Resolver,
        definition: t.LossDefinition | t.Fun,
        arguments: tuple[t.Argument, ...],
        span: Span,
        scope: Scope,
    ) -> Look:
        """Return what a loss or fun stands for, in the scope of the place where it was written.

        Raises
        ------
        ModelError : ``E0112`` for wrong arguments, ``E0116`` where it needs itself, ``E0004``
            where it grows too large.
        """
        shared = self.shared
        name = definition.name.name
        word = "loss" if isinstance(definition, t.LossDefinition) else "fun"
        key = (home.is_standard, name)
        if key in shared.open:
            circle = [n for _, n in shared.open[shared.open.index(key) :]]
            shared.circle.update(circle)
            raise ModelError(
                f"{word} `{name}` needs itself ({' → '.join([*circle, name])})",
                code="E0116",
                span=self.here(span),
                hint="write one of them out",
            )
        if not arguments and key in shared.made:
            return self._here(shared.made[key], span)
        if len(shared.open) > DEPTH:
            raise ModelError(
                f"losses nest deeper than {DEPTH}", code="E0004", span=self.here(span),
                hint="write the losses that it needs out",
            )  # fmt: skip
        actual = self.arguments(definition, arguments, span)
        for argument in (actual[k] for k in actual if k == "by"):
            self.is_algorithm(argument, scope)
        inner: dict[str, Any] = {k: self.resolve(a, scope) for k, a in actual.items()}
        before = shared.at
        if home.is_standard:
            shared.used.setdefault(name, definition)
            if before is None:
                shared.at = span
        shared.open.append(key)
        try:
            if not home.is_standard:
                shared.at = None
            for formal in definition.formals:
                if formal.name.name not in inner:
                    assert formal.default is not None
                    inner[formal.name.name] = home.resolve(formal.default, {})
            if isinstance(definition, t.LossDefinition):
                result: Look = home.number(definition.value, inner)
            else:
                result = home.resolve(definition.value, inner)
        except ModelError as error:
            theirs = error.span
            if theirs is None or not is_standard(theirs) or is_standard(span):
                raise
            # a place in the library helps nobody: point at the use of it
            raise type(error)(
                f"{word} `{name}`: {error.message}", code=error.code, span=span, hint=error.hint
            ) from None
        finally:
            shared.at = before
            shared.open.pop()
        if isinstance(result, Expr) and is_larger(result, PARTS):
            raise ModelError(
                "this loss grows too large", code="E0004", span=self.here(span),
                hint="name less, or run over an index with `for`",
            )  # fmt: skip
        if not arguments:
            shared.made[key] = result
        return self._here(result, span)

    def _here(self, found: Look, span: Span) -> Look:
        """Give what a standard loss stands for the place where the text uses it."""
        if isinstance(found, Expr) and is_standard(found.span):
            return replace(found, span=self.here(span))
        return found

    def is_algorithm(self, node: t.Expression, scope: Scope) -> None:
        """Refuse an algorithm that there is not.

        Raises
        ------
        ModelError : ``E0211``.
        """
        if isinstance(node, t.Binary):
            self.is_algorithm(node.left, scope)
            self.is_algorithm(node.right, scope)
            return
        if isinstance(node, t.Name):
            name, span = node.name, node.span
        elif isinstance(node, t.Call):
            name, span = node.name.name, node.name.span
        else:
            return
        if name not in scope and name not in ALGORITHMS and self.declares(name) is None:
            raise ModelError(
                f"there is no algorithm `{name}`",
                code="E0211",
                span=self.here(span),
                hint=did_you_mean(name, ALGORITHMS) or f"there are {', '.join(ALGORITHMS)}",
            )

    def arguments(
        self,
        definition: t.LossDefinition | t.Fun,
        arguments: tuple[t.Argument, ...],
        span: Span,
    ) -> dict[str, t.Expression]:
        """Return the arguments of a call by the names of the definition."""
        name = definition.name.name
        word = "loss" if isinstance(definition, t.LossDefinition) else "fun"
        formals = [x.name.name for x in definition.formals]
        found: dict[str, t.Expression] = {}
        for k, argument in enumerate(arguments):
            if argument.binders is not None:
                raise ModelError("`for` cannot stand here", code="E0112", span=argument.span)
            key = argument.name or (formals[k] if k < len(formals) else "")
            if key not in formals or key in found:
                raise ModelError(
                    f"{word} `{name}` takes {', '.join(formals) or 'no arguments'}",
                    code="E0112",
                    span=self.here(argument.span),
                    hint=did_you_mean(key, formals),
                )
            found[key] = argument.value
        for formal in definition.formals:
            if formal.name.name not in found and formal.default is None:
                raise ModelError(
                    f"{word} `{name}` needs `{formal.name.name}`", code="E0112",
                    span=self.here(span), hint=f"{name}({', '.join(formals)})",
                )  # fmt: skip
        return found

    def _positional(self, node: t.Call, count: int, what: str) -> list[t.Expression]:
        """Return the arguments of a call that has no others."""
        name = node.name.name
        for argument in node.arguments:
            if argument.name is not None or argument.binders is not None:
                raise ModelError(
                    f"`{name}` has no argument `{argument.name}`"
                    if argument.name is not None
                    else f"`for` cannot stand in `{name}`",
                    code="E0112",
                    span=self.here(argument.span),
                    hint=f"it takes {what}",
                )
        if len(node.arguments) != count:
            raise ModelError(
                f"`{name}` takes {what}", code="E0112", span=self.here(node.span),
                hint=f"{name}({', '.join('…' for _ in range(count))})",
            )  # fmt: skip
        return [a.value for a in node.arguments]

    def _named_arguments(self, node: t.Call, formals: tuple[str, ...]) -> dict[str, t.Expression]:
        """Return the arguments of a call by name; positional ones come in the order given."""
        name = node.name.name
        found: dict[str, t.Expression] = {}
        for k, argument in enumerate(node.arguments):
            if argument.binders is not None:
                raise ModelError(
                    f"`for` cannot stand in `{name}`", code="E0112",
                    span=self.here(argument.span), hint="min, max and softmin run over regions",
                )  # fmt: skip
            key = argument.name or (formals[k] if k < len(formals) else "")
            if key not in formals or key in found:
                raise ModelError(
                    f"`{name}` has no argument `{argument.name}`"
                    if argument.name is not None and key not in formals
                    else f"`{name}` takes {', '.join(formals)}",
                    code="E0112",
                    span=self.here(argument.span),
                    hint=did_you_mean(key, formals) or f"{name}({', '.join(formals)})",
                )
            found[key] = argument.value
        return found

    # -- numbers that the text alone tells

    def place_of(self, value: Expr, node: t.Expression) -> Span:
        """Return where the user wrote a value, perhaps as an argument of a standard loss."""
        argument = is_standard(node.span) and not is_standard(value.span)
        return value.span if argument else self.here(node.span)

    def positive(self, node: t.Expression, scope: Scope, what: str) -> float:
        """Return a positive number, inf included.

        Raises
        ------
        ModelError : ``E0206``.
        """
        number = self.number(node, scope)
        value = fixed_value(number)
        if value is None or not value > 0 or (value == inf and what != "beta"):
            raise ModelError(
                f"{what} is a positive number" + (" or inf" if what == "beta" else ""),
                code="E0206",
                span=self.place_of(number, node),
                hint="a number, or a `let NAME = number`; to train a scale, multiply the energy "
                "by a `positive` param",
            )
        return float(value)

    def whole(self, node: t.Expression, scope: Scope, what: str, least: int) -> int:
        """Return a whole number.

        Raises
        ------
        ModelError : ``E0213``.
        """
        number = self.number(node, scope)
        value = fixed_value(number)
        if value is None or value != int(value if abs(value) < inf else 0.5) or value < least:
            raise ModelError(
                f"{what} is a whole number of at least {least}",
                code="E0213",
                span=self.place_of(number, node),
                hint="a number, or a `let NAME = number`",
            )
        return int(value)
