"""Energies whose exponentiated negatives sum to one (or to a fixed number) for all weights.

Each factor must be -log of a conditional distribution of one variable given others, each
variable must have just one, and an order must exist in which all that a variable is given comes
before it: summing them out from the last to the first, each leaves a 1. Hard factors, and bounds of
real variables, only take some of it away: then the sum is at most that number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from factorgraph.judge.covered import Run, apart, normal, runs, same, whole
from factorgraph.judge.facts import Reason
from factorgraph.judge.gaussian import gaussian
from factorgraph.judge.simplify import equal, simplified
from factorgraph.judge.terms import Term, opened, reads_weights
from factorgraph.model.arrays import integer, minus
from factorgraph.model.expression import (
    REAL,
    Apply,
    Const,
    Expr,
    GivenRead,
    LengthOf,
    ParamRead,
    Read,
    Reduce,
    Spelling,
    UnknownRead,
    fixed_value,
    free_variables,
    replaced,
    show,
    walk,
)
from factorgraph.model.model import FactorDeclaration, IndexSet, Model


@dataclass(frozen=True, eq=False)
class _Conditional:
    """-log of the probability of a variable given what else the term reads."""

    term: Term
    read: Read


class _Not(Exception):
    """The energy is not normalised, as far as can be seen."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason


def normalised(model: Model) -> tuple[bool, tuple[Reason, ...]]:
    """Return whether the energy is normalised over all unknowns and what they generate, and why."""
    try:
        found, idle = _conditionals(model)
        _each_once(model, found)
        _in_order(found)
        _untouched(found, idle)
    except _Not as told:
        return False, (told.reason,)
    if not found:
        return False, ()
    names = ", ".join(f"`{n}`" for n in dict.fromkeys(_shown(c.read) for c in found))
    hard = "; hard factors take some away" if any(f.hard for f in model.factors.values()) else ""
    text = f"each factor is -log of a probability of {names}, given what comes before{hard}"
    return True, (Reason(text, found[0].term.factor.span),)


def _conditionals(model: Model) -> tuple[list[_Conditional], list[Term]]:
    found: list[_Conditional] = []
    idle: list[Term] = []
    for factor in model.factors.values():
        if factor.hard:
            continue
        guarded = factor.guard is not None and fixed_value(factor.guard) != 1
        todo = [Term(factor, factor.binders, guarded, 1.0, factor.value)]
        while todo:
            term = todo.pop()
            one = None if term.guarded else _conditional(model, term)
            if one is not None:
                found.append(one)
                continue
            inner = opened(term)
            if inner is not None:
                todo += inner
            elif reads_weights(term.value) or any(
                isinstance(n, UnknownRead | LengthOf | Spelling) for n in walk(term.value)
            ):
                raise _Not(_reason(factor, "is not -log of a probability"))
            else:
                idle.append(term)
    return found, idle


def _reason(factor: FactorDeclaration, what: str) -> Reason:
    return Reason(f"factor `{factor.name}` {what}", factor.span)


# -- what a term is the distribution of


def _conditional(model: Model, term: Term) -> _Conditional | None:
    read = _generated(model, term)
    if read is not None:
        return _Conditional(term, read)
    whole_ = term.value if term.scale == 1 else Apply(
        term.value.span, REAL, "*", (Const(term.value.span, REAL, term.scale), term.value)
    )  # fmt: skip
    found = gaussian(model, simplified(whole_))
    if found is None:
        return None
    read, binders = found
    return _Conditional(replace(term, binders=(*term.binders, *binders)), read)


def _generated(model: Model, term: Term) -> Read | None:
    e = term.value
    match e:
        case Apply(operator="log", arguments=(ParamRead() as p,)) if term.scale == -1:
            if model.params[p.name].constraint != "simplex":
                return None
            axis = model.params[p.name].axes[-1]
            return _selected(model, p, p.indices[-1], axis)
    if term.scale == 1:
        return _logistic(model, e) or _softmax(model, e)
    return None


def _variable(e: Expr) -> Read | None:
    """Return the variable whose place an index is."""
    if isinstance(e, Apply) and e.operator == "position":
        e = e.arguments[0]
    return e if isinstance(e, UnknownRead | GivenRead) else None


def _set_of(model: Model, read: Read) -> IndexSet | None:
    """Return the values of a finite variable."""
    if isinstance(read, UnknownRead):
        return model.unknowns[read.name].values
    base, _, field = read.name.partition(".")
    given = model.givens.get(base)
    if given is None or field:
        return None
    return given.values


def _selected(model: Model, whole_: Expr, index: Expr, axis: IndexSet) -> Read | None:
    """Return the variable that picks a place of an axis, one value a place."""
    for node in walk(index):
        read = _variable(node)
        if read is None:
            continue
        values = _set_of(model, read)
        if values is None or not same(values.count, axis.count):
            return None
        if isinstance(index, Apply) and index.operator == "position":
            index = index.arguments[0]
        if not same(index, minus(read, integer(index.span, values.low))):
            return None
        others = sum(n == read for n in walk(whole_))
        return read if others == sum(n == read for n in walk(index)) else None
    return None


def _logistic(model: Model, e: Expr) -> Read | None:
    """softplus(u) - u v for a truth value v: the logistic distribution."""
    bits = [n for n in walk(e) if isinstance(n, UnknownRead | GivenRead) and _is_bit(model, n)]
    outer = free_variables(e)
    for v in dict.fromkeys(bits):
        if not free_variables(v) <= outer:
            continue
        no, yes = (simplified(e, None, {v: Const(e.span, v.kind, k)}) for k in (0, 1))
        if not (isinstance(no, Apply) and isinstance(yes, Apply)):
            continue
        if no.operator == yes.operator == "softplus":
            a, b = no.arguments[0], yes.arguments[0]
            if equal(_negated(a), b) or equal(_negated(b), a):
                return v
    return None


def _is_bit(model: Model, read: Read) -> bool:
    values = _set_of(model, read)
    return values is not None and values.domain is None and (values.low, values.fixed) == (0, 2)


def _negated(e: Expr) -> Expr:
    return simplified(Apply(e.span, e.kind, "neg", (e,)))


def _softmax(model: Model, e: Expr) -> Read | None:
    """log(sum(exp(s(k)) for k in K)) - s(y), the soft maximum."""
    match e:
        case Apply(operator="-", arguments=(whole_, score)):
            pass
        case Apply(operator="+", arguments=(a, b)):
            whole_, score = (a, _negated(b)) if _is_log(a) else (b, _negated(a))
        case _:
            return None
    match whole_:
        case Apply(
            operator="log",
            arguments=(
                Reduce(operator="sum", guard=None, body=Apply(operator="exp", arguments=(s,))) as r,
            ),
        ):
            pass
        case _:
            return None
    outer = free_variables(e)
    for node in dict.fromkeys(walk(score)):
        read = _variable(node) if free_variables(node) <= outer else None
        values = None if read is None else _set_of(model, read)
        if read is None or values is None:
            continue
        if not equal(replaced(s, r.index, node), score) or read in set(walk(s)):
            continue
        last = integer(r.span, values.low - 1)
        begins = fixed_value(r.low) == (0 if values.domain is not None else values.low)
        if begins and same(minus(r.high, last if values.domain is None else integer(r.span, -1)),
                           values.count):  # fmt: skip
            return read
    return None


def _is_log(e: Expr) -> bool:
    return isinstance(e, Apply) and e.operator == "log"


# -- each variable once, in an order


def _each_once(model: Model, found: list[_Conditional]) -> None:
    boxes: dict[str, list[tuple[Run, ...]]] = {}
    for one in found:
        box = runs(one.read.indices, one.term.binders)
        if box is None:
            text = f"it cannot be seen that each `{_shown(one.read)}` has one distribution"
            raise _Not(Reason(text, one.term.factor.span))
        boxes.setdefault(one.read.name, []).append(box)
    for name, unknown in model.unknowns.items():
        if unknown.fields or not whole(boxes.get(name, []), unknown.axes):
            text = f"`{name}` is not generated once, all of it, by a probability of its own"
            raise _Not(Reason(text, unknown.span))
    for one in found:
        given = model.givens.get(one.read.name)
        if given is not None and not apart(boxes[given.name], given.axes):
            raise _Not(Reason(f"`{given.name}` has two distributions", one.term.factor.span))


def _in_order(found: list[_Conditional]) -> None:
    """Refuse circles: what generates a variable comes before it."""
    before: dict[str, set[str]] = {}
    ways: dict[str, set[int]] = {}
    names = {one.read.name for one in found}
    for one in found:
        before.setdefault(one.read.name, set())
        for read in {n for n in walk(one.term.value) if isinstance(n, UnknownRead | GivenRead)}:
            if read == one.read or read.name.partition(".")[0] not in names:
                continue
            if read.name != one.read.name:
                before[one.read.name].add(read.name)
                continue
            ways.setdefault(read.name, set()).add(_way(one.read, read))
    for name, signs in ways.items():
        if len(signs) > 1 or 0 in signs:
            one = next(c for c in found if c.read.name == name)
            raise _Not(Reason(f"`{name}` is given itself in a circle", one.term.factor.span))
    done: set[str] = set()
    while len(done) < len(before):
        ready = {n for n, needs in before.items() if n not in done and needs <= done}
        if not ready:
            name = next(n for n in before if n not in done)
            one = next(c for c in found if c.read.name == name)
            raise _Not(Reason(f"`{name}` is given what it generates", one.term.factor.span))
        done |= ready


def _way(read: Read, other: Read) -> int:
    """Return the sign of the first shift between two places of an array, 0 where it is unknown."""
    for a, b in zip(read.indices, other.indices, strict=True):
        coefficients, shift = normal(minus(b, a))
        if coefficients:
            return 0
        if shift:
            return 1 if shift > 0 else -1
    return 0


def _untouched(found: list[_Conditional], idle: list[Term]) -> None:
    """Refuse further terms that read what is generated."""
    names = {one.read.name for one in found}
    for term in idle:
        if any(isinstance(n, Read) and n.name in names for n in walk(term.value)):
            raise _Not(_reason(term.factor, "is not -log of a probability"))


def _shown(read: Read) -> str:
    return show(read)
