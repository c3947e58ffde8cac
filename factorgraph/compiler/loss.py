"""Loss formulas: from the tree to probes of the model and a formula over their values.

A loss sees the model only through probes: the least energy or the free energy of a region of
configurations. A formula over them is differentiated like any other expression; the slopes are
the weights with which each probe's cotangents enter the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from factorgraph.compiler.differentiate import derivative
from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.expression import (
    BIT,
    INT,
    REAL,
    Apply,
    Const,
    Expr,
    fixed_value,
    is_larger,
    show,
)
from factorgraph.model.functions import UNARY, apply
from factorgraph.model.library import standard
from factorgraph.model.model import Model
from factorgraph.model.names import not_built
from factorgraph.source import Span
from factorgraph.syntax import tree as t

REGIONS = ("answer", "any", "wrong")
LATER = (
    "only pin sample draw best jitter grad laplace softmin norm gibbs meanfield bp"
).split()  # fmt: skip
DEPTH = 50
PARTS = 10_000
"""How many parts a loss may have once it is written out."""


@dataclass(frozen=True)
class Probe:
    """One look at the model: the soft minimum of the energy over a region.

    Attributes
    ----------
    region : ``answer`` (agrees with what is observed), ``any``, or ``wrong`` (differs from it).
    beta : inverse temperature; inf is the minimum itself.
    """

    region: str
    beta: float

    def __str__(self) -> str:
        if self.beta == inf:
            return f"E({self.region})"
        return f"free({self.region}, beta = {self.beta:g})"


@dataclass(frozen=True)
class ProbeValue(Expr):
    """The value of probe ``number`` in a loss."""

    number: int


@dataclass(frozen=True)
class LossProgram:
    """A loss, planned.

    Attributes
    ----------
    name : what the user chose, as text.
    probes : the distinct probes; inference runs once for each.
    value : the loss of one instance as an expression over the probes' values.
    slopes : its derivatives in the probes' values, in their order.
    used : the library definitions that the formula needs, as text.
    """

    name: str
    probes: tuple[Probe, ...]
    value: Expr
    slopes: tuple[Expr, ...]
    used: tuple[str, ...]


@dataclass(frozen=True)
class _Region:
    name: str


_Value = Expr | _Region
_Scope = Mapping[str, _Value]


def plan(model: Model, formula: t.Expression) -> LossProgram:
    """Return the plan of a loss formula.

    Parameters
    ----------
    model : whose constants and own losses are in scope, before the standard ones.
    formula : the expression after `loss`.

    Raises
    ------
    ModelError : for unknown names, wrong arguments, a region where a number is needed.
    NotBuiltError : for regions and derivatives that cannot be probed yet.
    """
    planner = _Planner(model)
    value = planner.number(formula, {})
    probes = tuple(planner.probes)
    if not probes:
        raise ModelError(
            "this loss does not look at the energy", code="E0203", span=formula.span,
            hint="use E(answer), E(any), free(any), …",
        )  # fmt: skip
    slopes = tuple(derivative(value, p) for p in planner.probes.values())
    return LossProgram(formula.span.text, probes, value, slopes, tuple(planner.used))


class _Planner:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.probes: dict[Probe, ProbeValue] = {}
        self.used: dict[str, None] = {}
        self.open: list[str] = []
        self.parts = 0

    def number(self, node: t.Expression, scope: _Scope) -> Expr:
        value = self.value(node, scope)
        if isinstance(value, _Region):
            raise ModelError(
                f"`{value.name}` is a region, not a number",
                code="E0204",
                span=node.span,
                hint=f"E({value.name}) is its least energy, free({value.name}) its free energy",
            )
        return value

    def value(self, node: t.Expression, scope: _Scope) -> _Value:
        span = node.span
        self.parts += 1
        if self.parts > PARTS:
            raise ModelError("this loss grows too large", code="E0004", span=span)
        match node:
            case t.Number(value=value):
                return Const(span, INT if isinstance(value, int) else REAL, value)
            case t.Name(name=name):
                return self.name(name, span, scope)
            case t.Unary(operator="-"):
                return apply(span, "neg", self.number(node.operand, scope))
            case t.Binary(operator="and" | "or" | "=>" | "in" | "&"):
                raise not_built(f"`{node.operator}` in a loss", span)
            case t.Binary():
                left, right = self.number(node.left, scope), self.number(node.right, scope)
                return apply(span, node.operator, left, right)
            case t.Choose():
                condition = self.number(node.condition, scope)
                if condition.kind != BIT:
                    raise ModelError(
                        "a condition is needed", code="E0106", span=node.condition.span,
                        hint="compare it, e.g. `E(wrong) > 1`",
                    )  # fmt: skip
                yes, no = self.number(node.yes, scope), self.number(node.no, scope)
                return Apply(span, REAL, "if", (condition, yes, no))
            case t.Call():
                return self.call(node, scope)
        raise not_built("this in a loss", span)

    def name(self, name: str, span: Span, scope: _Scope) -> _Value:
        if name in scope:
            return scope[name]
        if name in REGIONS:
            return _Region(name)
        if name in self.model.constants:
            return Const(span, REAL, float(self.model.constants[name]))
        definition = self.definition(name)
        if definition is not None:
            return self.expand(definition, (), span, scope)
        raise self.strange(name, span, scope)

    def strange(self, name: str, span: Span, scope: _Scope) -> ModelError:
        """Return the error for a name that means nothing here, or nothing yet."""
        if name in LATER:
            return not_built(f"`{name}` in a loss", span)
        if name in self.model.givens or name in self.model.params or name in self.model.unknowns:
            return not_built(f"a loss that reads `{name}`", span)
        if name in self.model.library.funs or name in standard().funs:
            return not_built("costs of mistakes", span)
        if name in self.model.factors:
            return not_built("a factor as an energy", span)
        known = [*scope, *REGIONS, *LATER, "E", "free", *UNARY, "min", "max"]
        known += [*self.model.library.losses, *standard().losses, *self.model.constants]
        return ModelError(
            f"a loss knows no `{name}`", code="E0202", span=span, hint=did_you_mean(name, known)
        )

    def definition(self, name: str) -> t.LossDefinition | None:
        own = self.model.library.losses.get(name)
        return own if own is not None else standard().losses.get(name)

    # -- calls

    def call(self, node: t.Call, scope: _Scope) -> _Value:
        name, span = node.name.name, node.span
        for argument in node.arguments:
            if argument.binders is not None:
                raise not_built("`for` in a loss", argument.span)
        if name in ("E", "free"):
            return self.energy(node, scope)
        definition = self.definition(name)
        if definition is not None:
            return self.expand(definition, node.arguments, span, scope)
        positional = [a for a in node.arguments if a.name is None]
        if name in ("min", "max"):
            if not 2 <= len(positional) == len(node.arguments) <= DEPTH:
                raise ModelError(f"`{name}` takes two to {DEPTH} numbers", code="E0112", span=span)
            result = self.number(positional[0].value, scope)
            for more in positional[1:]:
                result = apply(span, name, result, self.number(more.value, scope))
            return result
        if name in UNARY:
            if len(node.arguments) != 1 or not positional:
                raise ModelError(f"`{name}` takes one argument", code="E0112", span=span)
            return apply(span, name, self.number(positional[0].value, scope))
        raise self.strange(name, node.name.span, scope)

    def energy(self, node: t.Call, scope: _Scope) -> ProbeValue:
        """``E(S)`` or ``free(S, beta = 1)``."""
        name, span = node.name.name, node.span
        region: _Value | None = None
        beta = inf if name == "E" else 1.0
        for k, argument in enumerate(node.arguments):
            key = argument.name or ("region" if k == 0 else "beta" if k == 1 else "")
            if key == "by":
                raise not_built("`by =`: the inference of one probe", argument.span)
            if key == "region" and argument.name is None:
                region = self.value(argument.value, scope)
            elif key == "beta" and name == "free":
                beta = self.temperature(argument.value, scope)
            else:
                raise ModelError(f"`{name}` has no such argument", code="E0112", span=argument.span)
        if not isinstance(region, _Region):
            raise ModelError(
                f"`{name}` takes a region: {', '.join(REGIONS)}",
                code="E0205",
                span=node.arguments[0].span if node.arguments else span,
                hint=None if region is None else f"`{show(region)}` is a number",
            )
        if region.name == "wrong" and beta != inf:
            raise not_built("the free energy of `wrong`", span, hint="use E(wrong) or free(any)")
        probe = Probe(region.name, beta)
        if probe not in self.probes:
            self.probes[probe] = ProbeValue(span, REAL, len(self.probes))
        return self.probes[probe]

    def temperature(self, node: t.Expression, scope: _Scope) -> float:
        value = fixed_value(self.number(node, scope))
        if value is None or not value > 0:
            raise ModelError("beta is a positive number or inf", code="E0206", span=node.span)
        return float(value)

    def expand(
        self,
        definition: t.LossDefinition,
        arguments: tuple[t.Argument, ...],
        span: Span,
        scope: _Scope,
    ) -> _Value:
        """Write out a loss that has a name."""
        name = definition.name.name
        if name in self.open:
            raise ModelError(f"loss `{name}` needs itself", code="E0116", span=span)
        if len(self.open) > DEPTH:
            raise ModelError(f"losses nest deeper than {DEPTH}", code="E0004", span=span)
        formals = [f.name.name for f in definition.formals]
        inner: dict[str, _Value] = {}
        for k, argument in enumerate(arguments):
            key = argument.name or (formals[k] if k < len(formals) else "")
            if key not in formals or key in inner:
                raise ModelError(
                    f"loss `{name}` takes {', '.join(formals) or 'no arguments'}",
                    code="E0112",
                    span=argument.span,
                    hint=did_you_mean(key, formals),
                )
            inner[key] = self.value(argument.value, scope)
        if definition.span.source is not self.model.source:
            self.used.setdefault(definition.span.text)
        self.open.append(name)
        for formal in definition.formals:
            if formal.name.name not in inner and formal.default is None:
                raise ModelError(
                    f"loss `{name}` needs `{formal.name.name}`", code="E0112", span=span
                )
        try:
            for formal in definition.formals:
                if formal.default is not None and formal.name.name not in inner:
                    inner[formal.name.name] = self.value(formal.default, {})
            result = self.value(definition.value, inner)
        except ModelError as error:
            theirs, mine = error.span, definition.span.source
            if theirs is None or theirs.source is not mine or span.source is mine:
                raise
            # a place in the library helps nobody: point at the use of it
            raise type(error)(
                f"loss `{name}`: {error.message}", code=error.code, span=span, hint=error.hint
            ) from None
        self.open.pop()
        if isinstance(result, Expr) and is_larger(result, PARTS):
            raise ModelError("this loss grows too large", code="E0004", span=span)
        return result
