"""Energies that no training can make flat: fixed functions of distances to the answer.

A rigid energy is rho(|Y - G(X)|), or a sum of such terms for all of the answer, where nothing
that is trained acts on Y. Codes are the same with finite answers that select fixed vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from math import inf
from typing import Any

from factorgraph.judge.covered import Run, runs, whole
from factorgraph.judge.facts import Reason
from factorgraph.judge.terms import Term, counts_answer, reads_answer, reads_weights, terms
from factorgraph.model.arrays import integer, plus
from factorgraph.model.expression import (
    Apply,
    Expr,
    FieldRead,
    GivenRead,
    LengthOf,
    LetRead,
    MapRead,
    ParamRead,
    Reduce,
    Spelling,
    UnknownRead,
    Variable,
    fixed_value,
    replaced,
    walk,
)
from factorgraph.model.fold import Unfoldable, Work, fold
from factorgraph.model.model import Binder, Model

MOST_CODES = 512


@dataclass(frozen=True)
class Rigid:
    """What is found.

    Attributes
    ----------
    rigid : whether the energy is a fixed function of distances to the answer, all of it; False
        where something trained acts on the answer, None where neither was seen.
    codes : whether finite answers select the vectors that distances are taken to.
    distance : the least squared distance between two of them, None where data tell.
    quantised : whether what the answer is compared with is one of finitely many points that
        latents choose from.
    """

    rigid: bool | None
    codes: bool = False
    distance: float | None = None
    quantised: bool = False
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, eq=False)
class _Distance:
    """A difference D within a function that is least where D = 0 and rises with |D|."""

    term: Term
    binders: tuple[Binder, ...]
    own: tuple[tuple[float, Expr], ...]
    rest: tuple[Expr, ...]


Elements = Callable[[str, tuple[int, ...]], float]
"""An element of a given, by its name and its place."""


def rigid(model: Model, given: Elements | None = None) -> Rigid:
    """Find out whether training can make the energy flat in the answer.

    Parameters
    ----------
    given : the data of an instance, where there are data.
    """
    found: list[_Distance] = []
    unclear: Reason | None = None
    for factor in model.factors.values():
        if factor.hard:
            continue
        for term in terms(factor):
            if not reads_answer(model, term.value) and not counts_answer(model, factor):
                continue
            span = term.value.span if term.value.span.text else factor.span
            trained = _trained(model, term.value)
            if trained is not None:
                text = f"{trained} in factor `{factor.name}`, and is trained"
                return Rigid(False, reasons=(Reason(text, span),))
            inner = list(_distances(model, term)) if term.scale > 0 and not term.guarded else []
            if not inner:
                text = f"factor `{factor.name}` is no rising function of a distance to the answer"
                unclear = unclear or Reason(text, span)
            found += inner
    if unclear is not None or not found:
        return Rigid(None, reasons=() if unclear is None else (unclear,))
    return _judged(model, found, given)


def _trained(model: Model, e: Expr) -> str | None:
    """Return what weights the answer goes through, or is multiplied with."""
    for node in walk(e):
        if isinstance(node, MapRead) and reads_answer(model, node):
            return f"map `{node.name}` acts on the answer"
        if isinstance(node, ParamRead) and reads_answer(model, node):
            return f"the answer selects among the entries of `{node.name}`"
        if isinstance(node, Apply) and node.operator in ("*", "/", "^"):
            a, b = node.arguments
            for own, other in ((a, b), (b, a)):
                if a != b and reads_answer(model, own) and reads_weights(other):
                    found = next(n for n in walk(other) if isinstance(n, ParamRead | MapRead))
                    what = "map" if isinstance(found, MapRead) else "param"
                    return f"{what} `{found.name}` weighs the answer"
    return None


def _distances(model: Model, term: Term) -> Iterator[_Distance]:
    """Yield the distances that a term is a rising function of; nothing where it is none."""
    out: list[_Distance] = []
    if _rising(model, term, term.value, term.binders, out):
        yield from out


def _rising(
    model: Model, term: Term, e: Expr, binders: tuple[Binder, ...], out: list[_Distance]
) -> bool:
    def go(part: Expr) -> bool:
        return _rising(model, term, part, binders, out)

    match e:
        case Reduce(operator="sum", guard=None):
            return _rising(model, term, e.body, (*binders, Binder(e.index, e.low, e.high)), out)
        case Apply(operator="abs", arguments=(d,)):
            return _difference(model, term, d, binders, out)
        case Apply(operator="*", arguments=(a, b)) if a == b:
            return _difference(model, term, a, binders, out)
        case Apply(operator="^", arguments=(a, k)) if (fixed_value(k) or 0) > 0:
            if (fixed_value(k) or 1) % 2 == 0 and not _non_negative(a):
                return _difference(model, term, a, binders, out)
            return go(a)
        case Apply(operator="*", arguments=(a, b)):
            if (fixed_value(a) or 0) > 0:
                return go(b)
            return (fixed_value(b) or 0) > 0 and go(a)
        case Apply(operator="/", arguments=(a, b)):
            return (fixed_value(b) or 0) > 0 and go(a)
        case Apply(operator="+", arguments=(a, b)):
            parts = [p for p in (a, b) if fixed_value(p) is None]
            return bool(parts) and all(map(go, parts))
        case Apply(operator="sqrt" | "exp" | "tanh" | "softplus", arguments=(a,)):
            return go(a)
        case Apply(operator="log", arguments=(Apply(operator="+", arguments=(a, b)),)):
            ends = (fixed_value(a), fixed_value(b))
            return any((v or 0) > 0 for v in ends) and all(
                go(p) for p, v in zip((a, b), ends, strict=True) if v is None
            )
        case Apply(operator="min", arguments=(a, b)):
            if (fixed_value(a) or 0) > 0:
                return go(b)
            return (fixed_value(b) or 0) > 0 and go(a)
    return False


def _non_negative(e: Expr) -> bool:
    """Return whether a number is one of those that `_rising` takes, and no signed difference."""
    return isinstance(e, Reduce) or (
        isinstance(e, Apply)
        and (
            e.operator in ("abs", "sqrt", "min")
            or (e.operator == "*" and e.arguments[0] == e.arguments[1])
        )
    )


def _difference(
    model: Model, term: Term, d: Expr, binders: tuple[Binder, ...], out: list[_Distance]
) -> bool:
    parts = list(leaves(d, 1.0))
    own = tuple(p for p in parts if reads_answer(model, p[1]))
    rest = tuple(e for _, e in parts if not reads_answer(model, e))
    if not own or any(reads_weights(e) for _, e in own):
        return False
    out.append(_Distance(term, binders, own, rest))
    return True


def leaves(e: Expr, scale: float) -> Iterator[tuple[float, Expr]]:
    """Yield what a number is a sum of, with constant coefficients."""
    match e:
        case Apply(operator="+" | "-", arguments=(a, b)):
            yield from leaves(a, scale)
            yield from leaves(b, scale if e.operator == "+" else -scale)
            return
        case Apply(operator="neg", arguments=(a,)):
            yield from leaves(a, -scale)
            return
        case Apply(operator="*", arguments=(a, b)):
            for c, rest in ((a, b), (b, a)):
                value = fixed_value(c)
                if value is not None:
                    yield from leaves(rest, scale * value)
                    return
        case Apply(operator="/", arguments=(a, b)) if fixed_value(b):
            yield from leaves(a, scale / float(fixed_value(b) or 1))
            return
    yield scale, e


@dataclass
class _Seen:
    """What the distances to one answer cover."""

    boxes: list[tuple[Run, ...]] = field(default_factory=list)
    squared: float | None = inf
    codes: bool = False


def _judged(model: Model, found: list[_Distance], given: Elements | None) -> Rigid:
    seen = {name: _Seen() for name in model.answers}
    quantised = False
    by_read: dict[tuple[int, UnknownRead], list[_Distance]] = {}
    for d in found:
        span = d.term.value.span
        reads = {n for _, e in d.own for n in walk(e) if isinstance(n, UnknownRead)}
        strange = any(
            isinstance(n, FieldRead | LengthOf | Spelling) for _, e in d.own for n in walk(e)
        )
        if strange or len(reads) != 1:
            return Rigid(None, reasons=(Reason("a distance reads several answers at once", span),))
        for e in d.rest:
            for n in walk(e):
                if isinstance(n, UnknownRead | LengthOf | Spelling):
                    if model.unknowns[n.name].values is None:
                        text = f"latent `{n.name}` can follow the answer"
                        return Rigid(None, reasons=(Reason(text, span),))
                    quantised = True
        by_read.setdefault((id(d.term), next(iter(reads))), []).append(d)
    for (_, read), parts in by_read.items():
        one = seen.get(read.name)
        if one is None:
            return Rigid(None)
        unknown = model.unknowns[read.name]
        direct = [p for p in parts if len(p.own) == 1 and p.own[0][1] == read and p.own[0][0] != 0
                  and read.kind.numeric]  # fmt: skip
        if not direct and unknown.values is None:
            return Rigid(None, reasons=(
                Reason("a distance is not to the answer itself, but to a function of it",
                       parts[0].term.value.span),))  # fmt: skip
        if unknown.values is not None and quantised:
            return Rigid(None)
        box = runs(read.indices, parts[0].binders, once=False)
        if box is None:
            return Rigid(None)
        one.boxes.append(box)
        if unknown.values is not None:
            one.codes = one.codes or not direct
            squared = direct[0].own[0][0] ** 2 if direct else _apart(model, read, parts, given)
            told = one.squared is not None and squared is not None
            one.squared = min(one.squared or 0.0, squared or 0.0) if told else None
    for name, one in seen.items():
        axes = model.unknowns[name].axes
        filled = any(whole([box], axes) for box in one.boxes) or whole(one.boxes, axes)
        if not filled:
            text = f"the distances do not reach all of `{name}`"
            return Rigid(None, reasons=(Reason(text, model.unknowns[name].span),))
    finite = [one for one in seen.values() if one.squared != inf]
    distance = None
    if finite and all(one.squared is not None for one in finite):
        distance = min(one.squared or 0.0 for one in finite)
    spans = dict.fromkeys(d.term.factor.name for d in found)
    names = " and ".join(f"`{n}`" for n in spans)
    rise = f"factors {names} rise" if len(spans) > 1 else f"factor {names} rises"
    text = f"{rise} with the distance to the answer, on which nothing that is trained acts"
    codes = any(one.codes for one in finite)
    return Rigid(True, codes, distance, quantised, (Reason(text, found[0].term.value.span),))


def _apart(
    model: Model, read: UnknownRead, parts: list[_Distance], given: Elements | None
) -> float | None:
    """Return the least squared distance between codes, None where the text does not tell it."""
    values = model.unknowns[read.name].values
    if values is None or values.fixed is None or values.fixed > MOST_CODES:
        return None
    work = Work(200_000)
    used = {n for i in read.indices for n in walk(i) if isinstance(n, Variable)}
    try:
        vectors = [
            [x for part in parts for x in _code(model, read, part, value, used, work, given)]
            for value in _named(model, read)
        ]
    except Unfoldable:
        return None
    least = inf
    for k, a in enumerate(vectors):
        for b in vectors[:k]:
            least = min(least, sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
    return least


def _named(model: Model, read: UnknownRead) -> list[int | str]:
    values = model.unknowns[read.name].values
    assert values is not None and values.fixed is not None
    if values.domain is not None:
        return list(model.domains[values.domain].values or ())
    return [values.low + k for k in range(values.fixed)]


def _code(
    model: Model,
    read: UnknownRead,
    part: _Distance,
    value: int | str,
    used: set[Variable],
    work: Work,
    given: Elements | None,
) -> Iterator[float]:
    """Yield the numbers of the vector that a value selects."""
    own = [(scale, inlined(model, e, given is not None)) for scale, e in part.own]
    nodes = {n for _, e in own for n in walk(e)}
    inner = {n for n in nodes if isinstance(n, Variable)} - used
    binders = [b for b in part.binders if b.variable in inner]
    ends = [range(int(fold(b.low, {}, work)), int(fold(b.high, {}, work)) + 1) for b in binders]
    values = _named(model, read)
    for at in product(*ends):
        known: dict[Expr, Any] = dict(zip((b.variable for b in binders), at, strict=True))
        known[read] = value
        for node in nodes:
            if isinstance(node, Apply) and node.operator == "position":
                if node.arguments == (read,):
                    known[node] = values.index(value)
        for node in nodes if given is not None else ():
            if given is not None and isinstance(node, GivenRead):
                places = [fold(i, known, work) for i in node.indices]
                where = (values.index(p) if isinstance(p, str) else int(p) for p in places)
                known[node] = given(node.name, tuple(where))
        yield sum(scale * float(fold(e, known, work)) for scale, e in own)


def inlined(model: Model, e: Expr, data: bool = False) -> Expr:
    """Return an expression with the values of lets in their places.

    Parameters
    ----------
    data : whether lets that read givens are put there, too.
    """
    for node in list(walk(e)):
        if not isinstance(node, LetRead):
            continue
        let = model.lets[node.name]
        if let.guard is not None or (
            not data and any(isinstance(n, GivenRead) for n in walk(let.value))
        ):
            continue
        value = let.value
        for b, index in zip(let.binders, node.indices, strict=True):
            value = replaced(value, b.variable, _from(b, index))
        e = replaced(e, node, inlined(model, value, data))
    return e


def _from(binder: Binder, index: Expr) -> Expr:
    low = fixed_value(binder.low)
    return index if not low else plus(index, integer(index.span, int(low)))
