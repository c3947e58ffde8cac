"""Definitions by themselves: losses and funs that nobody chose are checked too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.library import Definitions, standard
from factorgraph.model.model import Model
from factorgraph.model.names import FUNCTIONS, TYPES
from factorgraph.model.reads import Scope
from factorgraph.model.region import AnyRegion, Bound, Hole, Region, Second
from factorgraph.model.resolve import CALLS, RUNS, WORDS, Look, Shared, below
from factorgraph.model.runs import Runs
from factorgraph.source import Span
from factorgraph.syntax import tree as t


class Drafts(Runs):
    """Checks formulas whose arguments are open."""

    # -- definitions that are looked at by themselves

    def _visit(self, node: t.Expression, scope: Scope) -> Look:
        """Look at the parts of something whose type an open argument hides."""
        match node:
            case t.Name():
                return self._named(node, scope)
            case t.Member():
                self.resolve(node.base, scope)
            case t.Index():
                self.resolve(node.base, scope)
                for subscript in node.subscripts:
                    self._visit_part(subscript, scope)
            case t.Call():
                self._visit_call(node, scope)
            case t.Binary():
                self._visit_part(node.left, scope)
                if not isinstance(node.right, t.Values):
                    self._visit_part(node.right, scope)
            case t.Unary():
                self.resolve(node.operand, scope)
            case t.Choose():
                for part in (node.condition, node.yes, node.no):
                    self.resolve(part, scope)
        return Hole(node.span, "…")

    def _visit_part(self, node: t.Expression, scope: Scope) -> None:
        if isinstance(node, t.Range):
            self.resolve(node.low, scope)
            self.resolve(node.high, scope)
        elif isinstance(node, t.Name) and self.declares(node.name) == "a domain":
            return
        else:
            self.resolve(node, scope)

    def _visit_call(self, node: t.Call, scope: Scope) -> None:
        name = node.name.name
        library = self.shared.standard
        definition: t.LossDefinition | t.Fun | None = None
        if name not in scope:
            for place in (self, library):
                definition = definition or place.losses.get(name) or place.own_funs.get(name)
            known = definition is not None or self.declares(name) is not None
            if not known and name not in (*CALLS, *FUNCTIONS, *ALGORITHMS):
                raise self.unknown_name(name, node.name.span, scope)
        if definition is not None:
            self.arguments(definition, node.arguments, node.span)
        for argument in node.arguments:
            inner: dict[str, Any] = dict(scope)
            for generator in argument.binders.generators if argument.binders else ():
                self._visit_generator(generator, inner)
            if argument.binders is not None and argument.binders.guard is not None:
                self.resolve(argument.binders.guard, inner)
            if name in ("only", "pin") and not self._mentions_hole(argument.value, inner):
                self.place(argument.value, inner)
            elif name not in ("hash", "features"):
                self._visit_part(argument.value, inner)

    def _visit_generator(self, generator: t.Generator, inner: dict[str, Any]) -> None:
        source = generator.source
        found: Region | str | None = None
        if not self._mentions_hole(source, inner):
            found = self._source(generator, inner)
        if found is None and not isinstance(source, t.Values):
            kind = self.declares(source.name) if isinstance(source, t.Name) else None
            if kind not in ("a domain", "a given"):
                self._visit_part(source, inner)
        for pattern in generator.patterns:
            for identifier in pattern.names:
                name = identifier.name
                inner[name] = Hole(identifier.span, name)
                if isinstance(found, Region):
                    self.shared.bound += 1
                    inner[name] = Bound(identifier.span, name, self.shared.bound)


def checker_of(model: Model, lenient: bool) -> Drafts:
    """Return what checks formulas of a text, beside what checks the standard losses."""
    shared = Shared(model, lenient, _has_grid(model.infer))
    text = Drafts(shared, model.library.losses, model.library.funs)
    lets: Mapping[str, t.Let] = {}
    if isinstance(model.library, Definitions):
        lets = model.library.lets
    text.domains.update(model.domains)
    text.sizes.update(model.sizes)
    text.givens.update(model.givens)
    text.unknowns.update(model.unknowns)
    text.params.update(model.params)
    text.maps.update(model.maps)
    text.constants.update(model.constants)
    text.lets.update({n: let for n, let in lets.items() if n not in model.constants})
    text.funs.update(model.library.funs)
    text.energies.update(model.energies)
    text.others.update(dict.fromkeys(model.maps, "map"))
    library = standard()
    shared.text = text
    shared.standard = Drafts(shared, library.losses, library.funs)
    return text


def _has_grid(node: t.Expression | None) -> bool:
    calls = [n for n in below(node) if isinstance(n, t.Call) and n.name.name == "grid"]
    return any(a.name == "step" for call in calls for a in call.arguments)


def wrong_definitions(model: Model) -> list[ModelError]:
    """Return what is wrong with the losses and funs of a text, chosen or not."""
    errors: list[ModelError] = []
    definitions: list[t.LossDefinition | t.Fun] = [*model.library.losses.values()]
    definitions += model.library.funs.values()
    circles: set[str] = set()
    for definition in definitions:
        if definition.name.name in circles:
            continue
        checker = checker_of(model, lenient=True)
        try:
            _check_definition(model, checker, definition)
        except ModelError as error:
            circles |= checker.shared.circle
            errors.extend(e for e in error.all if isinstance(e, ModelError))
    return errors


def _check_definition(model: Model, checker: Drafts, definition: t.LossDefinition | t.Fun) -> None:
    is_loss = isinstance(definition, t.LossDefinition)
    key = (False, definition.name.name)
    checker.shared.open.append(key)
    scope: dict[str, Any] = {}
    for formal in definition.formals:
        name, span = formal.name.name, formal.name.span
        if formal.default is not None:
            scope[name] = checker.resolve(formal.default, {})
        else:
            scope[name] = _guess(model, name, span, definition.value)
    if not is_loss and not _is_of_losses(model, definition, scope):
        _names_exist(model, checker, definition)
        return
    if checker._mentions_hole(definition.value, scope) or not is_loss:
        checker.resolve(definition.value, scope)
    else:
        checker.number(definition.value, scope)


def _guess(model: Model, name: str, span: Span, body: t.Expression) -> Any:
    """Return what an argument without a default can only be, by its use; else a hole."""
    over_answers: set[str] = set()
    over_it: set[str] = set()
    called = configuration = region = False
    parts = below(body)
    for part in parts:
        if isinstance(part, t.Generator) and isinstance(part.source, t.Name):
            names = {i.name for p in part.patterns for i in p.names}
            if part.source.name == "answers":
                over_answers |= names
            elif part.source.name == name:
                over_it |= names
    for part in parts:
        match part:
            case t.Member(base=t.Name(name=base), name=member) if base == name:
                configuration |= member in model.unknowns
            case t.Index(base=t.Name(name=base), subscripts=(t.Name(name=index),)):
                configuration |= base == name and index in over_answers
            case t.Call(name=callee, arguments=arguments):
                called |= callee.name == name and len(arguments) == 1
                first = arguments[0].value if arguments else None
                if isinstance(first, t.Name) and arguments[0].name is None:
                    if first.name == name:
                        region |= callee.name in ("E", "free", "wrong", "draw")
                        configuration |= callee.name in ("grad", "laplace")
                    if first.name in over_it:
                        region |= callee.name == "E" or callee.name in model.factors
    if configuration:
        return Bound(span, name, 0)
    if region:
        return AnyRegion(span, name)
    if called:
        return Second(span, name)
    return Hole(span, name)


def _is_of_losses(model: Model, fun: t.LossDefinition | t.Fun, scope: dict[str, Any]) -> bool:
    """Return whether a fun is one of configurations, not one for factors."""
    if any(isinstance(x, Bound | Region | Second) for x in scope.values()):
        return True
    words = {*WORDS, *RUNS, *CALLS} - set(scope)
    names = {n.name for n in below(fun.value) if isinstance(n, t.Name)}
    names |= {n.name.name for n in below(fun.value) if isinstance(n, t.Call)}
    return any(w in names for w in words if w not in model.factors)


def _names_exist(model: Model, checker: Drafts, fun: t.LossDefinition | t.Fun) -> None:
    """Refuse names that nothing has, in a fun that is checked where factors use it."""
    bound = {f.name.name for f in fun.formals} | {"bit"}
    skipped: set[int] = set()
    for part in below(fun.value):
        if isinstance(part, t.Generator):
            bound |= {i.name for p in part.patterns for i in p.names}
        if isinstance(part, t.Values):
            skipped |= {id(x) for x in below(part)}
    library = standard()
    for part in below(fun.value):
        if id(part) in skipped or not isinstance(part, t.Name | t.Call):
            continue
        name = part.name if isinstance(part, t.Name) else part.name.name
        if name in bound or checker.declares(name) is not None or name in model.constants:
            continue
        functions = [*FUNCTIONS, *model.library.funs, *model.maps]
        if isinstance(part, t.Call) and (name in functions or name in library.funs):
            continue
        if isinstance(part, t.Name) and name in (*ALGORITHMS, *TYPES):
            continue
        span = part.span if isinstance(part, t.Name) else part.name.span
        known = [*bound, *model.givens, *model.params, *model.sizes, *model.constants,
                 *model.unknowns, *functions]  # fmt: skip
        raise ModelError(
            f"`{name}` is not declared", code="E0102" if isinstance(part, t.Name) else "E0113",
            span=span, hint=did_you_mean(name, known),
        )  # fmt: skip
