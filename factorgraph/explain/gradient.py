"""The gradient of a loss in words and formulas, and what one step adds to which weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from factorgraph.compiler.formula import (
    add,
    condition,
    formula,
    iverson,
    multiply,
    negative,
    number,
    signed,
)
from factorgraph.compiler.notation import (
    MARKS,
    Big,
    Call,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Row,
)
from factorgraph.explain.counting import Derivative, Term, at_term, factors_of, renamed
from factorgraph.explain.explanation import Block, Display, Paragraph, Table, Words
from factorgraph.explain.facts import Facts, Look, shown
from factorgraph.explain.probes import runs
from factorgraph.model.expression import (
    Apply,
    Expr,
    LengthOf,
    Spelling,
    UnknownRead,
    Variable,
    fixed_value,
    free_variables,
    walk,
)


def partial(of: Notation, by: Notation) -> Notation:
    """Return ∂of/∂by."""
    return Fraction(Row(("∂", of)), Row(("∂", by)))


def slope_name(look: Look) -> Notation:
    name: Notation = Marked(Name("g"), str(look.number))
    probe = look.rows
    return Indexed(name, tuple(Name(v.name) for v in probe)) if probe else name


def told_slope(look: Look) -> tuple[bool, Notation]:
    """Return a slope in a formula, and whether it is taken away: a number as it is, else a name."""
    value = fixed_value(look.slope)
    if value is not None:
        return value < 0, number(abs(value))
    if look.opposite is not None:
        return True, slope_name(replace(look, number=look.opposite))
    return False, slope_name(look)


def weighed(looks: Sequence[Look], parts: Sequence[Notation]) -> Notation:
    """Return the sum of slope times part; a slope that all share stands in front."""
    common, inside = _shared(looks, parts)
    minus, inside = signed(inside)
    found = multiply(common, inside)
    return negative(found) if minus else found


def _shared(looks: Sequence[Look], parts: Sequence[Notation]) -> tuple[Notation, Notation]:
    """Return the slope that probes share, 1 where there is none, and the rest of the sum."""
    slopes = [told_slope(look) for look in looks]
    common = slopes[0][1] if all(s == slopes[0][1] for _, s in slopes) else Number("1")
    terms = []
    for (minus, slope), look, part in zip(slopes, looks, parts, strict=True):
        less, part = signed(part)
        if look.probe.scale != 1:
            part = multiply(number(look.probe.scale), part)
        if slope != common:
            part = multiply(slope, part)
        terms.append((minus ^ less, part))
    if all(minus for minus, _ in terms):
        return common, negative(add([(False, part) for _, part in terms]))
    return common, add(terms)


def where_words(look: Look, weights: Notation) -> Notation:
    """Return the derivative of a probe in the weights."""
    probe = look.probe
    energy: Notation = Name("E")
    if probe.part is not None:
        energy = Name(probe.part.name)
        if probe.part.indices:
            energy = Indexed(energy, tuple(map(formula, probe.part.indices)))
    slope = partial(energy, weights)
    if look.drawn:
        return Big("E", Row((Name("Y"), "∼", look.where), 5), Call(slope, (Name("Y"),)))
    return Call(slope, (look.where,))


def gradient_blocks(facts: Facts) -> list[Block]:
    """Return how the loss changes with the weights."""
    loss = facts.loss
    assert loss is not None
    blocks: list[Block] = [
        Paragraph((
            "The loss sees the weights ", facts.all_weights, ", all together, through the values "
            "of its probes alone. By the chain rule its gradient is the sum over the probes of "
            "slope times the derivative of the probe:",
        ))
    ]  # fmt: skip
    rows = []
    for look in facts.looks:
        name: Notation = look.name
        if look.rows:
            name = Indexed(name, tuple(Name(v.name) for v in look.rows))
        value = (
            shown(loss, look.slope)
            if look.opposite is None
            else negative(slope_name(replace(look, number=look.opposite)))
        )
        constant = look.probe.search is not None and look.probe.search.what == "cost"
        slope: Words = ("0 (a constant)",) if constant else (
            slope_name(look), " = ", partial(Name("L"), name), " = ", value,
        )  # fmt: skip
        derivative = multiply(number(look.probe.scale), where_words(look, facts.all_weights))
        rows.append(((name,), slope, ("",) if look.constant else (derivative,)))
    blocks.append(Table(("probe", "slope", "derivative"), tuple(rows)))
    blocks.append(Display(Row((partial(Name("L"), facts.all_weights), "=", total(facts)), 5)))
    blocks += _explained(facts)
    return blocks


def total(facts: Facts) -> Notation:
    """Return the gradient as a sum over probes."""
    terms = []
    for looks in alike(facts):
        found = weighed(looks, [where_words(look, facts.all_weights) for look in looks])
        minus, found = signed(found)
        terms.append((minus, _over_rows(found, looks[0], facts)))
    return add(terms)


def alike(facts: Facts) -> list[list[Look]]:
    """Return probes that look at the same energy in the same rows together; constants left out."""

    def key(look: Look) -> tuple[int, str]:
        return look.probe.space, "" if look.probe.part is None else str(look.probe.part)

    live = sorted((look for look in facts.looks if not look.constant), key=key)
    return [list(group) for _, group in groupby(live, key)]


def _over_rows(part: Notation, look: Look, facts: Facts) -> Notation:
    loss = facts.loss
    assert loss is not None
    space = look.probe.space
    while space:
        s = loss.spaces[space - 1]
        part = Big("sum", runs(s.index.name, s.low, s.high, s.guard), part)
        space = s.parent
    return part


def _explained(facts: Facts) -> list[Block]:
    """Return what the formula means: averages, envelope, ties, cases in which nothing changes."""
    blocks: list[Block] = []
    live = [look for look in facts.looks if not look.constant]
    drawn = next((look for look in live if look.drawn), None)
    if drawn is not None:
        slope = Call(partial(Name("E"), facts.all_weights), (Name("Y"),))
        average = Big("sum", Name("Y"), multiply(Call(drawn.where, (Name("Y"),)), slope))
        blocks.append(Paragraph((
            "𝔼 is the average over a distribution, here ", average,
            ". The derivative of a soft minimum is such an average.",
        )))  # fmt: skip
    least = [k for k in live if not k.drawn and not k.single]
    if least:
        where = least[0].where
        blocks.append(Paragraph((
            "The derivative of a minimum is that of the energy where it is reached; that ",
            where, " changes with the weights adds nothing (the envelope theorem).",
            " A cost reads no weights and has no derivative." if any(k.cost for k in least) else "",
        )))  # fmt: skip
    if least:
        blocks.append(Paragraph((
            "Where several configurations reach the minimum, inference takes one, the same in "
            "every run: the gradient is then one subgradient of several.",
        )))  # fmt: skip
    blocks += _cases(facts, live)
    return blocks


def _cases(facts: Facts, live: list[Look]) -> list[Block]:
    """Return when an instance adds nothing."""
    blocks: list[Block] = []
    loss = facts.loss
    assert loss is not None
    if any(
        isinstance(part, Apply) and part.operator in ("if", "max", "min")
        for look in live
        for part in walk(look.slope)
    ):
        blocks.append(Paragraph((
            "Where a slope is 0, its probe adds nothing in this step; where all are, the instance "
            "leaves the weights alone. Where the arguments of a max or min are equal, the slope is "
            "that of the first as it is written: max(0, u) has slope 0 at u = 0.",
        )))  # fmt: skip
    pair = _opposite(live)
    if pair is not None:
        a, b = pair
        blocks.append(Paragraph((
            "The two slopes are opposite: where ", b.where, " is ", a.where,
            " the two parts cancel, and the gradient is 0.",
        )) if not (a.drawn or b.drawn) else Paragraph((
            "The two slopes are opposite: descent pushes down the energy of what has a slope above "
            "0 and up that of the other, and the gradient is 0 where both derivatives agree.",
        )))  # fmt: skip
    return blocks


def _opposite(live: list[Look]) -> tuple[Look, Look] | None:
    """Return two probes whose parts cancel where they look at the same."""
    if len(live) != 2 or any(k.rows or k.probe.part or k.probe.scale != 1 for k in live):
        return None
    a, b = live
    if a.probe.differs or b.probe.differs:
        return None
    x, y = fixed_value(a.slope), fixed_value(b.slope)
    opposite = b.opposite is not None if x is None or y is None else x == -y
    return (a, b) if opposite else None


# -- one weight


@dataclass(frozen=True)
class _Split:
    """A term of a derivative, split: a sum over loops of known times unknown.

    Attributes
    ----------
    known : reads no unknowns.
    unknown : reads some; the rest of a product.
    selects : conditions on what is read.
    """

    minus: bool
    term: Term
    known: tuple[Expr, ...]
    unknown: tuple[Expr, ...]
    chosen: tuple[Expr, ...]


def _reads_unknowns(e: Expr) -> bool:
    return any(isinstance(n, UnknownRead | LengthOf | Spelling) for n in walk(e))


def _split(term: Term) -> _Split:
    minus, parts = factors_of(term.coefficient)
    constant = 1.0
    rest = []
    for part in parts:
        value = fixed_value(part)
        if value is None:
            rest.append(part)
        else:
            constant *= value
    known = [p for p in rest if not _reads_unknowns(p)]
    unknown = [p for p in rest if _reads_unknowns(p)]
    if constant != 1 and parts:
        from factorgraph.model.expression import REAL, Const

        known.insert(0, Const(parts[0].span, REAL, constant))
    chosen = [s.truth for s in term.selects]
    known += [c for c in chosen if not _reads_unknowns(c)]
    return _Split(
        minus, term, tuple(known), tuple(unknown), tuple(c for c in chosen if _reads_unknowns(c))
    )


def _at(look: Look, split: _Split) -> Notation:
    """Return what a term's unknowns give where a probe looks."""
    if not look.drawn:

        def mark(e: Expr) -> Notation | None:
            return _marked(e, look)

        parts = [iverson(condition(c, mark)) for c in split.chosen]
        parts += [formula(u, mark) for u in split.unknown]
        return multiply(*parts)
    if not split.unknown:
        if not split.chosen:
            return Number("1")
        inside: list[Notation | str] = []
        for k, c in enumerate(split.chosen):
            inside += ["," if k else "", condition(c)]
        return Call(look.where, (Row(tuple(p for p in inside if p != ""), 1),))
    parts = [iverson(condition(c)) for c in split.chosen]
    parts += [formula(u) for u in split.unknown]
    return Big("E", Row((Name("Y"), "∼", look.where), 5), multiply(*parts))


def _marked(e: Expr, look: Look) -> Notation | None:
    """Return the value of an unknown in a probe's configuration."""
    if not isinstance(e, UnknownRead):
        return None
    if (look.rows and not look.single) or look.mark not in MARKS:
        name: Notation = Row((look.where, ".", Name(e.name)))
    else:
        name = Marked(Name(e.name), look.mark)
    if not e.indices:
        return name
    return Indexed(name, tuple(formula(i, lambda p: _marked(p, look)) for i in e.indices))


def entry_name(d: Derivative) -> Notation:
    """Return the entry of a param."""
    return Indexed(Name(d.name), tuple(Name(v.name) for v in d.entry)) if d.entry else Name(d.name)


def energy_derivative(d: Derivative) -> Notation:
    """Return dE/d(entry) at a configuration."""
    return add([_looped(_plain(_split(t)), t) for t in d.terms])


def _plain(split: _Split) -> tuple[bool, Notation]:
    parts = [formula(k) for k in split.known]
    parts += [iverson(condition(c)) for c in split.chosen] + [formula(u) for u in split.unknown]
    return split.minus, multiply(*parts)


def _looped(part: tuple[bool, Notation], term: Term, skip: int = 0) -> tuple[bool, Notation]:
    minus, inside = part
    more, inside = signed(inside)
    for loop in reversed(term.loops[skip:]):
        inside = Big("sum", runs(loop.variable.name, loop.low, loop.high, loop.guard), inside)
    return minus ^ more, inside


def loss_derivative(d: Derivative, facts: Facts) -> list[tuple[bool, Notation]]:
    """Return the terms of dL/d(entry), each with whether it is taken away."""
    found = []
    for looks in alike(facts):
        for term in d.terms:
            here = _for_part(term, looks[0], facts)
            if here is None:
                continue
            here = _apart(here, looks[0])
            split = _split(here)
            common, inside = _shared(looks, [_at(look, split) for look in looks])
            outer = [k for k in split.known if not free_variables(k) & set(looks[0].rows)]
            inner = [k for k in split.known if k not in outer]
            minus, inside = signed(inside)
            if looks[0].rows and not isinstance(common, Number):
                common, inside = Number("1"), multiply(common, inside)
            inside = _over_rows(multiply(*map(formula, inner), inside), looks[0], facts)
            whole = multiply(*map(formula, outer), inside)
            minus, whole = _looped((minus ^ split.minus, whole), here)
            found.append((minus, multiply(common, whole)))
    return found


def _for_part(term: Term, look: Look, facts: Facts) -> Term | None:
    """Return a term as far as it belongs to the energy that a probe looks at."""
    part = look.probe.part
    if part is None:
        return term
    if term.factor != part.name:
        return None
    if part.indices is None:
        return term
    binders = facts.model.factors[part.name].binders
    return at_term(term, binders, part.indices)


def _apart(term: Term, look: Look) -> Term:
    """Return a term whose loops are not called as those of the loss are."""
    names = {v.name for v in look.rows}
    for loop in term.loops:
        if loop.variable.name in names and loop.variable not in look.rows:
            new = Variable(loop.variable.span, loop.variable.kind, f"{loop.variable.name}′",
                           loop.variable.number)  # fmt: skip
            return _apart(renamed(term, loop.variable, new), look)
    return term


def weight_blocks(d: Derivative, facts: Facts) -> list[Block]:
    """Return what is told of one param: how often the energy reads it, what a step adds."""
    entry = entry_name(d)
    blocks: list[Block] = [
        Display(Row((Call(partial(Name("E"), entry), (Name("Y"),)), "=",
                     energy_derivative(d)), 5)),
    ]  # fmt: skip
    if facts.loss is None:
        return blocks
    terms = loss_derivative(d, facts)
    eta = Name("η")
    slope = negative(multiply(eta, partial(Name("L"), entry)))
    step = [(not minus, multiply(eta, part)) for minus, part in terms]
    blocks.append(Display(Row((Row(("Δ", entry)), "=", slope, "=", add(step)), 5)))
    return blocks


def output_blocks(d: Derivative, facts: Facts) -> list[Block]:
    """Return what is told of a map: the derivative in its outputs, which goes back through it."""
    blocks: list[Block] = []
    for term in d.terms:
        assert term.call is not None
        for look in facts.looks:
            term = _apart(term, look)
        assert term.call is not None
        keys = {v for v in walk(term.call) if isinstance(v, Variable)}
        kept = tuple(loop for loop in term.loops if loop.variable not in keys)
        each = [loop for loop in term.loops if loop.variable in keys]
        call = Indexed(formula(term.call), tuple(Name(v.name) for v in d.entry))
        one = replace(d, terms=(replace(term, loops=kept),))
        rows: list[Block] = [
            Display(Row((Call(partial(Name("E"), call), (Name("Y"),)), "=",
                         energy_derivative(one)), 5)),
        ]  # fmt: skip
        if facts.loss is not None and _reads_unknowns(term.call):
            rows.append(Paragraph((
                "The input depends on Y: each probe sends its slope times this back through the "
                f"map {d.name} at the input that its own configuration gives, or on the average "
                "over its distribution.",
            )))  # fmt: skip
        elif facts.loss is not None:
            rows.append(
                Display(Row((partial(Name("L"), call), "=", add(loss_derivative(one, facts))), 5))
            )
        if each:
            words: list[str | Notation] = ["for each "]
            for k, loop in enumerate(each):
                words += [", " if k else "", runs(loop.variable.name, loop.low, loop.high,
                                                  loop.guard)]  # fmt: skip
            rows.append(Paragraph((*words, ".")))
        blocks += rows
    blocks.append(Paragraph((
        f"These derivatives in the outputs of {d.name} go back through its layers by the chain "
        f"rule (backpropagation), once for each distinct input; a step adds −η times what arrives "
        f"to each weight of {d.name}.",
    )))  # fmt: skip
    return blocks
