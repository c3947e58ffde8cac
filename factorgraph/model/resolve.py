"""Names in formulas: what each stands for, and values in configurations.

A formula is written in the text's namespace, the standard losses in their own. Definitions are
written out in the scope of the place where they stand, so that both keep their meaning.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model import reads
from factorgraph.model.arrays import Array, Value, integer
from factorgraph.model.elaborate import Elaborator
from factorgraph.model.expression import BIT, Expr, LengthOf, Spelling, UnknownRead, show, walk
from factorgraph.model.generators import Bound as Bound_
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.library import is_standard
from factorgraph.model.loss import IsObserved, LossRead, ValueIn
from factorgraph.model.model import Model, Unknown
from factorgraph.model.names import FUNCTIONS, LOSSES_ELSEWHERE, TYPES
from factorgraph.model.reads import Scope
from factorgraph.model.region import (
    Algorithms,
    Answer,
    Anything,
    Best,
    Configuration,
    Energy,
    Hole,
    Observed,
    Part,
    Place,
    Region,
    Second,
    Step,
    Thing,
    Vector,
    Whole,
    Wrong,
)
from factorgraph.source import Span
from factorgraph.syntax import tree as t

DEPTH = 50
"""How deep losses and funs may use each other."""

PARTS = 10_000
"""How many parts a loss may have once it is written out."""

CALLS = "E free wrong only pin sample draw jitter grad laplace softmin mistakes".split()
"""Words of formulas that are called."""

WORDS = ("E", "answer", "any", "wrong", "best")
"""Words of formulas that stand alone."""

_FIRST = ("nll", "hinge", "perceptron", "logistic", "margin", "pseudo")
"""Losses that a hint names where it does not know what is meant."""

RUNS = {"answers": "v", "factors": "f"}
"""Words of formulas that a `for` runs over, and how its variable is called as a rule."""


@dataclass(eq=False, repr=False)
class Function(Thing):
    """A `fun`, and the place where it was written."""

    fun: t.Fun
    home: Resolver


Look = Expr | Array | Thing


@dataclass
class Shared:
    """What the resolvers of one formula share.

    Attributes
    ----------
    lenient : a definition is looked at that is not the chosen loss: what it asks of the model
        may be missing.
    grid : inference runs over a grid of real values, which tells when two differ.
    at : where the text uses what is being written out of the standard losses.
    used : standard definitions that were written out.
    open : definitions that are being written out, outermost first.
    made : what definitions are without arguments.
    circle : definitions that need themselves.
    """

    model: Model
    lenient: bool
    grid: bool
    text: Resolver = field(init=False)
    standard: Resolver = field(init=False)
    at: Span | None = None
    used: dict[str, t.LossDefinition | t.Fun] = field(default_factory=dict)
    open: list[tuple[bool, str]] = field(default_factory=list)
    made: dict[tuple[bool, str], Look] = field(default_factory=dict)
    circle: set[str] = field(default_factory=set)
    names: dict[int, tuple[t.Node, frozenset[str]]] = field(default_factory=dict)
    bound: int = 0

    @property
    def real_answers(self) -> bool:
        return any(is_real(u) for u in self.model.answers.values())


class Resolver(Elaborator):
    """Turns the formulas of one text into typed ones.

    Parameters
    ----------
    shared : with the model that formulas are about.
    losses, funs : definitions in scope.
    """

    def __init__(
        self,
        shared: Shared,
        losses: Mapping[str, t.LossDefinition],
        funs: Mapping[str, t.Fun],
    ) -> None:
        super().__init__()
        self.shared = shared
        self.losses = losses
        self.own_funs = funs
        self._inside_let = False

    @property
    def is_standard(self) -> bool:
        return self is self.shared.standard

    def here(self, span: Span) -> Span:
        """Return the place that a message points at: in the text, not in the library."""
        return self.shared.at if self.shared.at is not None and is_standard(span) else span

    # -- evaluation

    def resolve(self, node: t.Expression, scope: Scope) -> Look:
        """Return what an expression stands for, a number or not."""
        self._depth += 1
        self._parts += 1
        try:
            if self._depth > reads.DEPTH:
                raise reads.too_large(f"nest deeper than {reads.DEPTH}", node.span)
            if self._parts > reads.PARTS:
                raise reads.too_large("grow too large", node.span)
            return self._resolve(node, scope)
        finally:
            self._depth -= 1

    def _value(self, node: t.Expression, scope: Scope) -> Value:
        if self._inside_let:
            return super()._value(node, scope)
        return self.as_value(self._resolve(node, scope), node, scope)

    def as_value(self, found: Look, node: t.Expression, scope: Scope) -> Value:
        """Return what a node stands for as a number or an array.

        Raises
        ------
        ModelError : ``E0204``.
        """
        if isinstance(found, Expr | Array):
            return found
        if isinstance(found, Part) and isinstance(node, t.Name):
            # a factor is no number: here its name can only be that of a loss
            library = self.shared.standard
            if node.name not in scope and node.name in library.losses:
                loss = self.written_out(library, library.losses[node.name], (), node.span, {})
                assert isinstance(loss, Expr)
                return loss
        raise self.no_number(found, node)

    def truth(self, node: t.Expression, scope: Scope) -> Expr:
        """Return a truth value."""
        value = self.scalar(node, scope)
        if value.kind != BIT:
            raise ModelError(
                f"a condition is needed, but `{show(value)}` is {value.kind}",
                code="E0106",
                span=node.span,
                hint="compare it, e.g. `E(wrong) > 1`",
            )
        return value

    def _resolve(self, node: t.Expression, scope: Scope) -> Look:
        if self._inside_let:
            return super()._value(node, scope)
        if self.shared.lenient and self._mentions_hole(node, scope):
            return self._visit(node, scope)
        match node:
            case t.Name():
                return self._named(node, scope)
            case t.Member():
                return self._membered(node, scope)
            case t.Index():
                return self._indexed(node, scope)
            case t.Call():
                return self._called(node, scope)
            case t.Unary(operator="-"):
                return self._negated(node, scope)
            case t.Binary(operator="+" | "-" | "*" | "/" | "^" | "==" | "!="):
                return self._operated(node, scope)
        return super()._value(node, scope)

    def _again(self, node: t.Expression, scope: Scope, **parts: Look) -> Value:
        """Evaluate a node as an ordinary one, some parts of which are known already."""
        inner: dict[str, Any] = dict(scope)
        known: dict[str, Any] = {}
        for name, value in parts.items():
            part = getattr(node, name)
            inner[f"({name})"] = self.as_value(value, part, scope)
            known[name] = t.Name(part.span, f"({name})")
        return super()._value(replace(node, **known), inner)

    def no_number(self, found: Look, node: t.Expression) -> ModelError:
        """Return the error for something that is no number where one is needed."""
        text = " ".join(node.span.text.split())
        span = self.here(node.span)
        match found:
            case Region():
                what = "a region"
                hint = f"E({found}) is its least energy, free({found}) its free energy"
            case Configuration():
                what = "a configuration"
                hint = f"E({found}) is its energy, {found}.y[t] a value in it"
            case Energy():
                what, hint = "an energy", f"apply it: {found}(answer), {found}(any)"
            case Place():
                what, hint = "a place", f"Y[{text}] is its value in Y"
            case Vector():
                what = "a number for each real answer"
                hint = "norm(…), dot(…, …) and sum(…) make one number of it"
            case Function():
                what, hint = "a fun", f"apply it: {found.fun.name.name}(…)"
            case _:
                what, hint = "an algorithm", "it stands after `by =`"
        return ModelError(f"`{text}` is {what}, not a number", code="E0204", span=span, hint=hint)

    # -- what the next rooms of the house do

    @abstractmethod
    def written_out(
        self,
        home: Resolver,
        definition: t.LossDefinition | t.Fun,
        arguments: tuple[t.Argument, ...],
        span: Span,
        scope: Scope,
    ) -> Look:
        """Return what a loss or fun stands for."""

    @abstractmethod
    def _called(self, node: t.Call, scope: Scope) -> Look:
        """Return what a call stands for."""

    @abstractmethod
    def _membered(self, node: t.Member, scope: Scope) -> Look:
        """Return what ``base.name`` stands for."""

    @abstractmethod
    def _indexed(self, node: t.Index, scope: Scope) -> Look:
        """Return what ``base[…]`` stands for."""

    @abstractmethod
    def _negated(self, node: t.Unary, scope: Scope) -> Look:
        """Return what ``-x`` stands for."""

    @abstractmethod
    def _operated(self, node: t.Binary, scope: Scope) -> Look:
        """Return what arithmetic and comparisons stand for."""

    @abstractmethod
    def wrong(self, region: Wrong) -> Wrong:
        """Return a region of wrong answers, refused where there can be none."""

    @abstractmethod
    def _visit(self, node: t.Expression, scope: Scope) -> Look:
        """Look at the parts of something whose type an open argument hides."""

    # -- names

    def declares(self, name: str) -> str | None:
        """Return what the text declares a name to be, None where it does not."""
        model = self.shared.model
        if not self.is_standard:
            for kind, names in (
                ("a size", model.sizes), ("a domain", model.domains), ("a given", model.givens),
                ("a param", model.params), ("a constant", model.constants), ("a let", self.lets),
                ("a map", model.maps), ("an energy", model.energies),
            ):  # fmt: skip
                if name in names:
                    return kind
            if name in model.unknowns:
                return "an answer" if model.unknowns[name].role == "answer" else "a latent"
            if name in model.factors:
                return "a factor"
        return "a loss" if name in self.losses else "a fun" if name in self.own_funs else None

    def _named(self, node: t.Name, scope: Scope) -> Look:
        name, span = node.name, node.span
        if name in scope:
            return scope[name]
        kind = self.declares(name)
        if kind is not None:
            self.used.add(name)
            match kind:
                case "an answer" | "a latent":
                    raise self._bare(name, span)
                case "a factor":
                    return Part(span, name)
                case "an energy":
                    return Second(span, name)
                case "a loss":
                    return self.written_out(self, self.losses[name], (), span, {})
                case "a fun":
                    return Function(span, self.own_funs[name], self)
            return super()._name(node, scope)
        library = self.shared.standard
        if name in library.losses:
            return self.written_out(library, library.losses[name], (), span, {})
        if name in library.own_funs:
            return Function(span, library.own_funs[name], library)
        return self._word(name, span, scope)

    def _word(self, name: str, span: Span, scope: Scope) -> Look:
        """Return what a word of formulas means by itself."""
        at = self.here(span)
        match name:
            case "E":
                return Whole(at)
            case "answer":
                return Answer(at)
            case "any":
                return Anything(at)
            case "wrong":
                return self.wrong(Wrong(at, Anything(at)))
            case "best":
                return Best(at)
        if name in ALGORITHMS:
            return Algorithms(at, (Step(name),))
        if name in RUNS:
            raise ModelError(
                f"`{name}` is what a `for` runs over, not a number", code="E0204", span=at,
                hint=f"sum(… for {RUNS[name]} in {name})",
            )  # fmt: skip
        if name in CALLS or name in FUNCTIONS:
            raise ModelError(
                f"`{name}` is a function: call it", code="E0110", span=at,
                hint=f"`{name}(…)`"
                + (f"; the loss is {LOSSES_ELSEWHERE[name]}" if name in LOSSES_ELSEWHERE else ""),
            )  # fmt: skip
        raise self.unknown_name(name, at, scope)

    def unknown_name(self, name: str, span: Span, scope: Scope) -> ModelError:
        """Return the error for a name that nothing has."""
        if name in TYPES:
            return ModelError(f"`{name}` is a type, not a value", code="E0110", span=span)
        library = self.shared.standard
        known = [k for k in scope if not k.startswith("(")]
        known += [*WORDS, *RUNS, *CALLS, *library.losses, *library.own_funs]
        known += [*self.losses, *self.own_funs, *FUNCTIONS, *ALGORITHMS]
        if not self.is_standard:
            model = self.shared.model
            known += [*model.givens, *model.params, *model.sizes, *model.constants, *self.lets]
            known += [*model.factors, *model.energies]
        hint = did_you_mean(name, known)
        if name.lower() in LOSSES_ELSEWHERE:
            hint = f"here it is {LOSSES_ELSEWHERE[name.lower()]}"
        return ModelError(
            f"a loss knows no `{name}`",
            code="E0202",
            span=self.here(span),
            hint=hint or f"the losses are {', '.join(_FIRST)}, …; other names are declared",
        )

    def _bare(self, name: str, span: Span) -> ModelError:
        unknown = self.shared.model.unknowns[name]
        axes = ", ".join("tijk"[n % 4] if len(unknown.axes) == 1 else "ijkl"[n % 4]
                         for n in range(len(unknown.axes)))  # fmt: skip
        indexed = f"{name}[{axes}]" if axes else name
        hint = f"Y.{indexed} is its value in a configuration Y"
        if unknown.role == "answer":
            hint = f"answer.{indexed} is the observed value, Y.{indexed} that in a configuration Y"
        return ModelError(
            f"a loss has no single value of `{name}`, {_a(unknown.role)}",
            code="E0220",
            span=self.here(span),
            hint=hint,
        )

    def _let(
        self, name: str, subscripts: tuple[t.Expression, ...], span: Span, scope: Scope
    ) -> Value:
        """Return a `let`, whose body means what it means in factors."""
        if self._inside_let:
            return super()._let(name, subscripts, span, scope)
        inner: dict[str, Any] = {}
        known = tuple(self._evaluated(s, scope, inner) for s in subscripts)
        self._inside_let = True
        try:
            value = super()._let(name, known, span, inner)
        finally:
            self._inside_let = False
        sample = value
        if isinstance(sample, Array):
            sample = sample.element(tuple(integer(span, 0) for _ in sample.shape))
        for part in walk(sample):
            if isinstance(part, UnknownRead | LengthOf | Spelling):
                role = self.shared.model.unknowns[part.name].role
                raise ModelError(
                    f"`{name}` reads `{part.name}`, {_a(role)}: it has no single value in a loss",
                    code="E0220",
                    span=self.here(span),
                    hint="a loss reads givens, params and lets of those, and values in "
                    "configurations",
                )
        return value

    def _evaluated(self, node: t.Expression, scope: Scope, inner: dict[str, Any]) -> t.Expression:
        """Return a name for the value of a subscript."""
        if isinstance(node, t.Range):
            low = self._evaluated(node.low, scope, inner)
            return t.Range(node.span, low, self._evaluated(node.high, scope, inner))
        name = f"({len(inner)})"
        inner[name] = self.scalar(node, scope)
        return t.Name(node.span, name)

    def bind(self, binders: t.Binders, scope: Scope) -> Bound_:
        """Return the indices of generators; what runs and guards is known before training.

        Raises
        ------
        ModelError : ``E0220`` for a run over an unknown sequence, ``E0114`` where a guard or a
            range reads an energy, or a value in a configuration that is looked for.
        """
        if self._inside_let:
            return super().bind(binders, scope)
        for generator in binders.generators:
            source = generator.source
            if isinstance(source, t.Name) and source.name not in scope:
                if self.declares(source.name) in ("an answer", "a latent"):
                    raise self._bare(source.name, source.span)
        bound = super().bind(binders, scope)
        for binder in bound.binders:
            self.known_before(binder.low, "a range")
            self.known_before(binder.high, "a range")
        if bound.guard is not None:
            self.known_before(bound.guard, "a guard")
        return bound

    def known_before(self, value: Expr, what: str) -> None:
        """Refuse what is not known before training."""
        for part in walk(value):
            if isinstance(part, LossRead) and not isinstance(part, IsObserved):
                if not isinstance(part, ValueIn) or not isinstance(part.configuration, Observed):
                    raise ModelError(
                        f"{what} cannot read `{show(part)}`",
                        code="E0114",
                        span=self.here(part.span),
                        hint="multiply with the condition: (Y.y[t] != answer.y[t]) * …",
                    )

    # -- definitions that are looked at by themselves

    def _mentions_hole(self, node: t.Node, scope: Scope) -> bool:
        holes = [name for name, value in scope.items() if isinstance(value, Hole)]
        return bool(holes) and not self._names(node).isdisjoint(holes)

    def _names(self, node: t.Node) -> frozenset[str]:
        """Return all names in a tree."""
        kept = self.shared.names.get(id(node))
        if kept is None:
            found: set[str] = set()
            for part in below(node):
                if isinstance(part, t.Name):
                    found.add(part.name)
                elif isinstance(part, t.Call):
                    found.add(part.name.name)
            kept = self.shared.names[id(node)] = (node, frozenset(found))
        return kept[1]


def below(node: object) -> list[t.Node]:
    """Return a node and all nodes in it, outermost first."""
    out: list[t.Node] = []
    todo: list[object] = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, tuple):
            todo.extend(reversed(part))
        elif isinstance(part, t.Node):
            out.append(part)
            todo.extend(reversed([v for k, v in vars(part).items() if k != "span"]))
    return out


def is_real(unknown: Unknown) -> bool:
    """Return whether the values of an unknown are real numbers."""
    return unknown.kind.sort == "real"


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
