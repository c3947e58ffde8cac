"""What is legal, but hardly meant: the warnings of `fgc check`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from factorgraph.errors import ModelWarning
from factorgraph.model.expression import (
    Apply,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    ParamRead,
    Spelling,
    UnknownRead,
    Variable,
    fixed_value,
    free_variables,
    replaced,
    walk,
)
from factorgraph.model.fold import Unfoldable, Work, fold
from factorgraph.model.model import FactorDeclaration, Model
from factorgraph.model.names import collect, declared
from factorgraph.source import Span
from factorgraph.syntax import tree as t

STATES = 4096
"""Configurations of a hard factor that are looked at, to see whether any meets it."""


def always(model: Model, file: t.File) -> list[ModelWarning]:
    """Return the warnings that are shown whether asked for or not."""
    return [*_empty(file), *_unread(model), *_impossible(model)]


def pedantic(model: Model, file: t.File, soft: bool = True) -> list[ModelWarning]:
    """Return the warnings that are shown where they are asked for, in the order of the text.

    Parameters
    ----------
    soft : whether anything may take a soft minimum of the energy.
    """
    found = [
        *_unused(file),
        *_without_unknowns(model),
        *_twice(model),
        *_shifts(model),
        *(_unpinned(model) if soft else ()),
        *_one_way(model),
    ]
    return sorted(found, key=lambda w: w.span.start if w.span else 0)


def _warning(code: str, message: str, span: Span, hint: str) -> ModelWarning:
    return ModelWarning(message, code=code, span=span, hint=hint)


# -- always


def _empty(file: t.File) -> Iterator[ModelWarning]:
    if not file.statements:
        yield _warning(
            "W0004",
            "the text says nothing",
            Span(file.source, 0, 0),
            "`fgc new NAME` makes a folder with a model to begin with",
        )


def _read_names(factor: FactorDeclaration) -> set[str]:
    """Return the names of the unknowns that a factor reads."""
    out = set()
    parts = [factor.value, *(e for b in factor.binders for e in (b.low, b.high))]
    for part in parts:
        for node in walk(part):
            if isinstance(node, UnknownRead | LengthOf | Spelling):
                out.add(node.name)
    return out


def _unread(model: Model) -> Iterator[ModelWarning]:
    read = set().union(*(_read_names(f) for f in model.factors.values()))
    if not model.factors:
        return
    for unknown in model.unknowns.values():
        if unknown.name not in read:
            yield _warning(
                "W0001",
                f"no factor reads `{unknown.name}`: every value of it is as good",
                unknown.span,
                "write a factor for it, or take it out",
            )


def _impossible(model: Model) -> Iterator[ModelWarning]:
    """Hard factors of unknowns alone that no configuration meets, or that all do."""
    for factor in model.factors.values():
        if not factor.hard or not _fixed_scope(factor):
            continue
        sets: list[Sequence[str | int]] = []
        for read in factor.scope:
            unknown = model.unknowns[read.name] if isinstance(read, UnknownRead) else None
            if unknown is None or unknown.values is None or unknown.values.fixed is None:
                break
            low, domain = unknown.values.low, unknown.values.domain
            labels = model.domains[domain].values if domain is not None else None
            sets.append(range(low, low + unknown.values.fixed) if labels is None else labels)
        size = 1
        for values in sets:
            size *= len(values)
        if len(sets) < len(factor.scope) or size > STATES:
            continue
        work = Work()
        try:
            met = [
                bool(fold(factor.value, dict(zip(factor.scope, values, strict=True)), work))
                for values in product(*sets)
            ]
        except Unfoldable:
            continue
        if not any(met):
            yield _warning(
                "W0002",
                f"no configuration meets the hard factor `{factor.name}`: every energy is infinite",
                factor.span,
                "is a comparison the wrong way round, or a value outside of its set?",
            )
        elif all(met):
            yield _warning(
                "W0003",
                f"every configuration meets the hard factor `{factor.name}`: it says nothing",
                factor.span,
                "take it out, or make it say more",
            )


def _fixed_scope(factor: FactorDeclaration) -> bool:
    """Return whether each read of the scope is one variable, not one for each of a `for`."""
    here = {b.variable for b in factor.binders}
    return all(free_variables(read) <= here for read in factor.scope)


# -- on demand


def _unused(file: t.File) -> Iterator[ModelWarning]:
    """Names that nothing in the text uses."""
    used: set[str] = set()
    own = collect(file, [])
    library = not any(isinstance(s, t.Factor) for s in file.statements)
    for statement in file.statements:
        mine = {i.name for i, _ in declared(statement)}
        for name in _mentions(statement):
            if name not in mine or isinstance(statement, t.Slots | t.Size | t.Param):
                used.add(name)
    for statement in file.statements:
        if isinstance(statement, t.Factor | t.LossDefinition):
            continue
        if isinstance(statement, t.Fun) and library:
            continue
        for identifier, _ in declared(statement):
            if identifier.name in used or identifier.name not in own:
                continue
            if isinstance(statement, t.Slots) and statement.role != "given":
                continue  # W0001 says more
            yield _warning(
                "W0101",
                f"`{identifier.name}` is declared, but nothing uses it",
                identifier.span,
                "take it out",
            )


def _mentions(node: object) -> Iterator[str]:
    """Yield the names that stand in a part of a tree, but for those that it declares."""
    todo = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, tuple):
            todo.extend(part)
        elif isinstance(part, t.Name | t.NamedType):
            yield part.name
        elif isinstance(part, t.Call):
            yield part.name.name
            todo.append(part.arguments)
        elif isinstance(part, t.Argument):
            if part.name is not None:
                yield part.name
            todo += [part.value, part.binders]
        elif isinstance(part, t.Member):
            yield part.name
            todo.append(part.base)
        elif isinstance(part, t.Domain):
            todo.append(part.values if isinstance(part.values, t.Range) else None)
        elif isinstance(part, t.Node):
            todo.extend(v for k, v in vars(part).items() if k != "span")


def _without_unknowns(model: Model) -> Iterator[ModelWarning]:
    for factor in model.factors.values():
        if not _read_names(factor):
            yield _warning(
                "W0102",
                f"factor `{factor.name}` names no unknown: it changes no answer",
                factor.span,
                "is an index or a name of an answer missing?",
            )


def _twice(model: Model) -> Iterator[ModelWarning]:
    """Pairs of one array that are visited as (i, j) and as (j, i)."""
    for factor in model.factors.values():
        reads = [r for r in factor.scope if isinstance(r, UnknownRead)]
        for a in reads:
            for b in reads:
                if a.name != b.name or len(a.indices) != 1 or len(b.indices) != 1:
                    continue
                i, j = a.indices[0], b.indices[0]
                if not (
                    isinstance(i, Variable) and isinstance(j, Variable) and i.number < j.number
                ):
                    continue
                runs = {x.variable: (x.low, x.high) for x in factor.binders}
                if runs.get(i) != runs.get(j) or i not in runs:
                    continue
                guarded = factor.guard is not None and {i, j} <= free_variables(factor.guard)
                parts = [factor.value] if factor.guard is None else [factor.value, factor.guard]
                if not all(_symmetric(part, i, j) for part in parts):
                    continue
                itself = "" if guarded else ", and each element with itself"
                yield _warning(
                    "W0103",
                    f"factor `{factor.name}` visits each pair of `{a.name}` twice{itself}",
                    factor.span,
                    f"add a guard: `if {i.name} < {j.name}`",
                )


_COMMUTATIVE = ("+", "*", "==", "!=", "and", "or", "min", "max")


def _symmetric(e: Expr, i: Variable, j: Variable) -> bool:
    """Return whether an expression says the same where two indices are swapped."""
    other = replace(i, number=-1)
    swapped = replaced(replaced(replaced(e, i, other), j, i), other, j)
    return _key(e) == _key(swapped)


def _operands(e: Apply) -> list[Expr]:
    """Return the arguments of an operator, those of a chain of it in one list."""
    if e.operator not in ("+", "*", "and", "or", "min", "max"):
        return list(e.arguments)
    found: list[Expr] = []
    todo = list(e.arguments)
    while todo:
        node = todo.pop()
        if isinstance(node, Apply) and node.operator == e.operator:
            todo.extend(node.arguments)
        else:
            found.append(node)
    return found


def _key(e: Expr, even: bool = False) -> str:
    """Return a text that is equal where expressions differ in the order of operands alone."""
    if not isinstance(e, Apply):
        own = "" if e.parts() else repr(e)
        name = getattr(e, "name", getattr(e, "operator", ""))
        keys = [_key(p) for p in e.parts()]
        if isinstance(e, GivenRead | LetRead | ParamRead):
            keys.sort()  # numbers of pairs are mostly the same both ways
        return f"{type(e).__name__} {name} {own} ({', '.join(keys)})"
    inner = e.operator == "abs" or (e.operator == "^" and fixed_value(e.arguments[1]) == 2)
    keys = [_key(a, inner) for a in _operands(e)]
    if e.operator in _COMMUTATIVE or (e.operator == "-" and even):
        keys.sort()
    return f"{e.operator}({', '.join(keys)})"


def _shifts(model: Model) -> Iterator[ModelWarning]:
    """Params of which adding a number to every weight changes no answer."""
    for param in model.params.values():
        if param.l1 or param.l2 or param.constraint != "real" or not param.axes:
            continue
        uses = [
            (f, n) for f in model.factors.values() for n in walk(f.value)
            if isinstance(n, ParamRead) and n.name == param.name
        ]  # fmt: skip
        if uses and all(_adds(f.value, n) and _by_unknowns(f, n) for f, n in uses):
            yield _warning(
                "W0104",
                f"adding one number to all of `{param.name}` changes no answer: its weights are "
                "not determined",
                param.span,
                f"regularise it: `param {param.name}[…] ~ l2(0.01)`",
            )


def _adds(e: Expr, read: ParamRead) -> bool:
    """Return whether a read is a term of a sum by itself."""
    if e == read:
        return True
    if isinstance(e, Apply) and e.operator in ("+", "-", "neg"):
        return any(_adds(a, read) for a in e.arguments)
    return False


def _by_unknowns(factor: FactorDeclaration, read: ParamRead) -> bool:
    """Return whether a factor picks one weight of a param by its unknowns, and always one."""
    return factor.guard is None and any(
        isinstance(n, UnknownRead | FieldRead) for i in read.indices for n in walk(i)
    )


def _unpinned(model: Model) -> Iterator[ModelWarning]:
    """Latents that matter only where a bit is 1, and are free to be anything where it is 0."""
    for latent in model.latents.values():
        readers = [f for f in model.factors.values() if latent.name in _read_names(f)]
        if not readers or any(f.hard for f in readers):
            continue
        switches = [_switches(f.value, latent.name) for f in readers]
        common = set.intersection(*switches) if switches else set()
        for name in sorted(common):
            yield _warning(
                "W0105",
                f"where `{name}` is 0 no factor reads `{latent.name}`: a soft minimum counts "
                "every value of it",
                latent.span,
                f"pin it with a hard factor: `hard idle : {name} == 0 => {latent.name}… == …`",
            )


def _switches(e: Expr, latent: str) -> set[str]:
    """Return the bits that an expression is a product with."""
    found: set[str] = set()
    todo = [e]
    while todo:
        node = todo.pop()
        if isinstance(node, Apply) and node.operator in ("*", "neg"):
            todo.extend(node.arguments)
        elif isinstance(node, UnknownRead) and node.kind.sort == "bit" and node.name != latent:
            found.add(node.name)
    return found


def _one_way(model: Model) -> Iterator[ModelWarning]:
    """Params that a loss without contrast can only push one way."""
    if model.loss is None or not _without_contrast(model.loss):
        return
    for param in model.params.values():
        if param.l1 or param.l2 or param.constraint in ("unit", "simplex"):
            continue
        signs = set()
        for factor in model.factors.values():
            for node in walk(factor.value):
                if isinstance(node, ParamRead) and node.name == param.name:
                    signs.add(_slope_sign(factor.value, node))
        if len(signs) == 1 and signs <= {-1, 1}:
            way = "down" if signs == {1} else "up"
            yield _warning(
                "W0106",
                f"the loss lowers the answers' energy alone, and can only push `{param.name}` "
                f"{way}",
                param.span,
                "make it a constant (`let`), or choose a loss that also raises other energies",
            )


def _without_contrast(loss: t.Expression) -> bool:
    names = set(_mentions(loss))
    return bool(names & {"energy", "likelihood"}) and not names & {"any", "wrong", "only", "sample"}


def _slope_sign(e: Expr, read: ParamRead) -> int:
    """Return the sign of the derivative by a weight, 0 where it is not known."""
    if e == read:
        return 1
    if not isinstance(e, Apply) or read not in set(walk(e)):
        return 0
    inside = [a for a in e.arguments if read in set(walk(a))]
    if len(inside) != 1:
        return 0
    (part,) = inside
    sign = _slope_sign(part, read)
    match e.operator:
        case "neg":
            return -sign
        case "+":
            return sign
        case "-":
            return sign if part == e.arguments[0] else -sign
        case "*":
            other = e.arguments[1] if part == e.arguments[0] else e.arguments[0]
            return sign * _sign(other)
        case "/":
            return sign * _sign(e.arguments[1]) if part == e.arguments[0] else 0
        case "max" | "min" | "exp" | "log" | "sqrt" | "softplus" | "sigmoid" | "tanh":
            return sign
    return 0


def _sign(e: Expr) -> int:
    """Return 1 for what is never negative, -1 for what is never positive, else 0."""
    value = fixed_value(e)
    if value is not None:
        return 1 if value >= 0 else -1
    if e.kind.sort == "bit":
        return 1
    if isinstance(e, Apply):
        if e.operator in ("abs", "exp", "sqrt", "softplus", "sigmoid", "cosh"):
            return 1
        if e.operator == "^" and fixed_value(e.arguments[1]) == 2:
            return 1
        if e.operator == "neg":
            return -_sign(e.arguments[0])
        if e.operator in ("*", "/"):
            return _sign(e.arguments[0]) * _sign(e.arguments[1])
        if e.operator in ("+", "min", "max") and len({_sign(a) for a in e.arguments}) == 1:
            return _sign(e.arguments[0])
    return 0
