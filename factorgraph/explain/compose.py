"""The sections of an explanation, in the order in which one thing follows from another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from factorgraph.compiler.describe import map_text, type_name
from factorgraph.compiler.formula import add, condition, formula, multiply, negative, number
from factorgraph.compiler.module import Compiled
from factorgraph.compiler.notation import (
    MARKS,
    Big,
    Call,
    Fence,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Power,
    Row,
    Word,
)
from factorgraph.errors import NotBuiltError, some
from factorgraph.explain.cost import cost_blocks
from factorgraph.explain.counting import counted
from factorgraph.explain.explanation import (
    Block,
    Code,
    Display,
    Explanation,
    Paragraph,
    Section,
    Table,
    Words,
)
from factorgraph.explain.facts import Facts, looks_of, shown
from factorgraph.explain.gradient import entry_name, gradient_blocks, output_blocks, weight_blocks
from factorgraph.explain.probes import Seen, inferred, probe_blocks, runs
from factorgraph.judge.facts import Verdict
from factorgraph.model.expression import (
    Apply,
    DomainSize,
    Expr,
    GivenRead,
    LetRead,
    MapRead,
    ParamRead,
    Spelling,
    walk,
)
from factorgraph.model.grid import Grid
from factorgraph.model.loss import Extremum, Formula, RegionEnergy, ValueIn
from factorgraph.model.model import (
    FactorDeclaration,
    Given,
    IndexSet,
    MapDeclaration,
    Model,
    ParamDeclaration,
    Unknown,
)

Y = Name("Y")


def explain(
    name: str,
    model: Model,
    compiled: Compiled,
    typed: Formula | None,
    *,
    missing: NotBuiltError | None = None,
    verdict: Verdict | None = None,
    optimizer: tuple[str, str] | None = None,
    seen: Seen | None = None,
) -> Explanation:
    """Return an explanation of a model and its loss.

    Parameters
    ----------
    name : of the model, for the title.
    model : as it was written; what is compiled may have real unknowns on a grid.
    typed : the loss as it was checked, None where there is none.
    missing : why it cannot be trained with yet, None where it can.
    optimizer : what `fgc train` minimises it with, and why.
    seen : what data tell of the graphs, None where there are none.
    """
    loss, grids = compiled.loss, compiled.model.grids
    looks = [] if loss is None else inferred(looks_of(model, loss), model, grids, seen)
    if missing is not None:
        looks = [replace(look, how=missing.message, exact=None) for look in looks]
    names = [*model.params, *model.maps]
    facts = Facts(model, loss, tuple(looks), {n: counted(model, n) for n in names}, verdict)
    sections = [_energy(model, grids)]
    if typed is not None:
        sections.append(_loss(typed, facts, missing))
    if loss is not None:
        sections.append(_probes(facts, seen))
        sections.append(Section("gradient", "The gradient", tuple(gradient_blocks(facts))))
    if names:
        sections.append(_step(facts, optimizer))
    if verdict is not None:
        sections.append(_verdict(verdict, facts))
    sections.append(Section("cost", "What one instance costs", tuple(cost_blocks(facts, compiled))))
    title = name if typed is None else f"{name} with loss {' '.join(typed.span.text.split())}"
    return Explanation(title, tuple(s for s in sections if s.blocks), facts)


# -- the energy


def _energy(model: Model, grids: dict[str, Grid]) -> Section:
    blocks: list[Block] = [
        Paragraph((
            "A configuration Y gives each unknown a value. Its energy is the sum of "
            f"{some(len(model.factors), 'factor')}; low is good.",
        )),
        Display(Row((Call(Name("E"), (Y,)), "=", _sum(model)), 5)),
    ]  # fmt: skip
    for factor in model.factors.values():
        blocks += list(_factor(factor))
    declared = [*(_unknown(u, grids.get(u.name)) for u in model.unknowns.values()),
                *(_given(g) for g in model.givens.values())]  # fmt: skip
    if declared:
        blocks.append(Table(("", "shape", "values", ""), tuple(declared)))
    sizes = [n for n, s in model.sizes.items() if s.value is None]
    if sizes:
        names: list[str | Notation] = []
        for k, n in enumerate(sizes):
            names += [", " if k else "", Name(n)]
        plural = "are sizes" if len(sizes) > 1 else "is a size"
        blocks.append(Paragraph((*names, f" {plural} of the instance at hand.")))
    weights = [*(_param(p) for p in model.params.values()),
               *(_map(m) for m in model.maps.values())]  # fmt: skip
    if weights:
        heads = ("weights", "shape", "held to", "regulariser")
        kept = [k for k in range(4) if k != 2 or any(row[2] != ("",) for row in weights)]
        cells = tuple(tuple(row[k] for k in kept) for row in weights)
        blocks.append(Table(tuple(heads[k] for k in kept), cells))
    blocks.append(Paragraph((
        "Indices count from 0, a label by its place among its values; low..high has both ends, "
        "a sum over nothing is 0, a minimum over nothing ∞. A Σ reaches over the product behind "
        "it. ",
        Row((Number("1"), Fence("[", Word("…"), "]"))), " is 1 where the condition holds, else 0.",
    )))  # fmt: skip
    return Section("energy", "The energy", tuple(blocks))


def _called(factor: FactorDeclaration) -> Notation:
    indices = tuple(Name(b.variable.name) for b in factor.binders)
    return Indexed(Name(factor.name), indices) if indices else Name(factor.name)


def _sum(model: Model) -> Notation:
    terms = []
    for factor in model.factors.values():
        part: Notation = Call(_called(factor), (Y,))
        guard = factor.guard
        for b in reversed(factor.binders):
            part = Big("sum", runs(b.variable.name, b.low, b.high, guard), part)
            guard = None
        if guard is not None:
            part = multiply(Row((Number("1"), Fence("[", condition(guard), "]"))), part)
        terms.append((False, part))
    return add(terms)


def _factor(factor: FactorDeclaration) -> Iterator[Block]:
    scope = _scope(factor)
    words: Words = ("a rule for " if factor.hard else "reads ", *scope) if scope else (
        "reads no unknown",
    )  # fmt: skip
    yield Paragraph((*words, *_reads(factor), "."), (_called(factor),))
    name = Call(_called(factor), (Y,))
    if factor.hard:
        yield Display(Row((name, "=", Word("0 where "), condition(factor.value),
                           Word(", else "), Name("∞")), 5))  # fmt: skip
    else:
        yield Display(Row((name, "=", formula(factor.value)), 5))


def _scope(factor: FactorDeclaration) -> Words:
    names: list[str | Notation] = []
    for read in factor.scope:
        names += [", " if names else "", formula(read)]
    for node in dict.fromkeys(n.name for n in walk(factor.value) if isinstance(n, Spelling)):
        names += [", " if names else "", Name(node)]
    return tuple(names)


def _reads(factor: FactorDeclaration) -> Words:
    """Return which data and weights a factor reads."""
    data = dict.fromkeys(
        n.name.partition(".")[0] for n in walk(factor.value) if isinstance(n, GivenRead | LetRead)
    )
    weights = dict.fromkeys(
        n.name for n in walk(factor.value) if isinstance(n, ParamRead | MapRead)
    )
    out: list[str | Notation] = []
    for word, names in (("data", data), ("weights", weights)):
        if names:
            out.append(f"; {word} ")
            for k, name in enumerate(names):
                out += [", " if k else "", Name(name)]
    return tuple(out)


def _shape(axes: tuple[IndexSet, ...]) -> Words:
    words: list[str | Notation] = []
    for axis in axes:
        words += [" × " if words else "", _count(axis.count)]
    return tuple(words) or ("one number",)


def _count(e: Expr) -> Notation:
    return Fence("|", Name(e.name), "|") if isinstance(e, DomainSize) else formula(e)


def _unknown(u: Unknown, grid: Grid | None) -> tuple[Words, ...]:
    values: list[str | Notation] = [type_name(u)]
    if u.values is not None:
        values += [", ", _count(u.values.count), " values"]
    if grid is not None:
        values.append(f", at {grid.count} points {grid.step:g} apart")
    role = "answer: observed in training" if u.role == "answer" else "latent: never observed"
    return (Name(u.name),), _shape(u.axes), tuple(values), (role,)


def _given(g: Given) -> tuple[Words, ...]:
    return (Name(g.name),), _shape(g.axes), (type_name(g),), ("given: data",)


def _param(p: ParamDeclaration) -> tuple[Words, ...]:
    held = "" if p.constraint == "real" else (
        f"{p.low:g}..{p.high:g}" if p.constraint == "interval" else _HELD.get(p.constraint, "")
    )  # fmt: skip
    return (Name(p.name),), _shape(p.axes), (held,), _penalty(p)


_HELD = {
    "positive": "above 0", "unit": "length 1 along the last axis",
    "simplex": "at least 0, sum 1 along the last axis",
}  # fmt: skip


def _penalty(p: ParamDeclaration | MapDeclaration) -> Words:
    name: Notation = Name(p.name)
    words: list[str | Notation] = []
    every = Word("entries")
    if p.l2:
        squares = Big("sum", every, Power(name, Number("2")))
        words.append(multiply(number(p.l2 / 2), squares))
    if p.l1:
        sizes = Big("sum", every, Fence("|", name, "|"))
        words += [" + " if words else "", multiply(number(p.l1), sizes)]
    if words and isinstance(p, MapDeclaration):
        words.append(", biases left out")
    return tuple(words) or ("none",)


def _map(m: MapDeclaration) -> tuple[Words, ...]:
    layers = map_text(m).split(" ~ ")[0]
    return (Name(m.name),), (layers,), ("",), _penalty(m)


# -- the loss


def _loss(typed: Formula, facts: Facts, missing: NotBuiltError | None) -> Section:
    blocks: list[Block] = []
    if typed.used:
        blocks.append(Code(tuple(" ".join(line.split()) for line in typed.used)))
    blocks.append(Display(Row((Name("L"), "=", formula(typed.value)), 5)))
    blocks += list(_minima(typed))
    if missing is not None:
        blocks.append(Paragraph((f"It cannot be trained with yet: {missing.message}.",)))
    if facts.loss is None:
        return Section("loss", "The loss", tuple(blocks))
    blocks.append(Paragraph((
        "For one instance. The energy enters by a few numbers alone, the values of the loss's "
        "probes e0, e1 and so on, which the next section defines:",
    )))  # fmt: skip
    blocks.append(Display(Row((Name("L"), "=", shown(facts.loss, facts.loss.value)), 5)))
    blocks.append(Paragraph(("Training minimises, over the instances i of the data,",)))
    i = (Name("i"),)
    terms = Big("sum", Name("i"), multiply(Indexed(Name("w"), i), Indexed(Name("L"), i)))
    blocks.append(Display(Row((Name("J"), "=", add([(False, terms), (False, Name("R"))])), 5)))
    blocks.append(Paragraph((
        "where ", Indexed(Name("w"), i), " is what the field `weight` of the data says of instance "
        "i, 1 where they have none, and R the sum of the regularisers in the table of weights.",
    )))  # fmt: skip
    return Section("loss", "The loss", tuple(blocks))


def _values_in(facts: Facts) -> Iterator[Block]:
    """Yield what values in configurations are called."""
    name = next(iter(facts.model.answers), None)
    if name is None:
        return
    word = "has" if facts.model.latents else "is"
    words: list[str | Notation] = [
        Marked(Y, "i"), f" {word} the observed answer, and ", Marked(Name(name), "i"),
        f" the value of {name} in it",
    ]  # fmt: skip
    told: set[Notation] = {Marked(Y, "i")}
    for look in facts.looks:
        if look.drawn or look.constant or look.where in told:
            continue
        told.add(look.where)
        value: Notation = Row((look.where, ".", Name(name)))
        if look.mark in MARKS and not look.rows:
            value = Marked(Name(name), look.mark)
        words += ["; in the same way ", value, " is that in ", look.where]
    yield Paragraph((*words, ". The raised i is the instance at hand, no power and no index."))


def _minima(typed: Formula) -> Iterator[Block]:
    """Yield what the minima in a loss are."""
    regions = [e for e in walk(typed.value) if isinstance(e, RegionEnergy)]
    if any(e.beta == inf for e in regions):
        yield Paragraph((
            "Here E(S) is the least energy of the configurations in S, a region: a set of them. "
            "Where beta is inf, free(S, beta) is E(S).",
        ) if any(e.beta != inf for e in regions) or "inf" in typed.span.text + "".join(typed.used)
            else ("Here E(S) is the least energy of the configurations in S, a region: a set of "
                  "them.",))  # fmt: skip
    for beta in dict.fromkeys(e.beta for e in regions if e.beta != inf):
        b = number(beta)
        name = Call(Marked(Name("F"), f"{beta:g}"), (Name("S"),))
        power = Call(Name("exp"), (negative(multiply(b, Call(Name("E"), (Y,)))),))
        total = Call(Name("log"), (Big("sum", Row((Y, "∈", Name("S")), 5), power),))
        value = negative(total if beta == 1 else multiply(Fraction(Number("1"), b), total))
        yield Paragraph(("Here ", Row((name, "=", value), 5), " is the soft minimum of the "
                         "energy in S, a region: a set of configurations. Its index is beta.",
                         ))  # fmt: skip
    for beta in dict.fromkeys(e.beta for e in walk(typed.value)
                              if isinstance(e, Extremum) and e.operator == "softmin"):  # fmt: skip
        b = number(beta)
        power = Call(Name("exp"), (negative(multiply(b, Call(Name("f"), (Y,)))),))
        total = Call(Name("log"), (Big("sum", Row((Y, "∈", Name("S")), 5), power),))
        value = negative(total if beta == 1 else multiply(Fraction(Number("1"), b), total))
        yield Paragraph(("The softmin of f(Y) over S is ", value, "."))
    unknown = next((k.unknown for k in walk(typed.value) if isinstance(k, ValueIn)), None)
    if unknown is not None:
        yield Paragraph((Row((Y, ".", Name(unknown))), f" is {unknown} in Y, and ",
                         Marked(Name(unknown), "i"), " the observed one."))  # fmt: skip
    if any(isinstance(e, Apply) and e.operator == "sigmoid" for e in walk(typed.value)):
        u = Name("u")
        one = Number("1")
        power = Call(Name("exp"), (negative(u),))
        value = Fraction(one, add([(False, one), (False, power)]))
        yield Paragraph(("Here ", Row((Call(Name("σ"), (u,)), "=", value), 5), "."))


def _probes(facts: Facts, seen: Seen | None) -> Section:
    blocks: list[Block] = []
    if facts.model.latents:
        names = ", ".join(facts.model.latents)
        blocks.append(Paragraph((
            f"What is never observed ({names}), and labels that the data leave open, are free in "
            "every region.",
        )))  # fmt: skip
    blocks += list(_values_in(facts))
    if seen is not None:
        labels = "all answers are observed" if seen.complete else "some answers are not observed"
        blocks.append(Paragraph((
            f"Of the data, {some(seen.instances, 'instance')} with "
            f"{some(seen.variables, 'unknown')} (at most {seen.most} in one) were looked at: "
            f"{labels}; {seen.reason}.",
        )))  # fmt: skip
    for look in facts.looks:
        blocks += probe_blocks(look, facts)
    return Section("probes", "What the loss looks at", tuple(blocks))


# -- one step


def _step(facts: Facts, optimizer: tuple[str, str] | None) -> Section:
    blocks: list[Block] = []
    if facts.loss is not None:
        blocks.append(Paragraph((
            "An instance of weight 1 adds in one step of gradient descent with rate η what follows "
            "after Δ: minus η times the derivative of its loss. Instances add up, each times its "
            "weight.",
        )))  # fmt: skip
        drawn = next((k for k in facts.looks if k.drawn and not k.constant), None)
        if drawn is not None:
            share = Call(drawn.where, (Word("condition"),))
            blocks.append(Paragraph((
                share, " is the sum of ", Call(drawn.where, (Y,)),
                " over the configurations Y in which the condition holds: a marginal probability.",
            )))  # fmt: skip
    for name, d in facts.weights.items():
        declared = facts.model.params.get(name)
        if not d.terms:
            blocks.append(Paragraph(("no factor reads it by itself.",), (Name(name),)))
        elif declared is None:
            blocks.append(
                Paragraph(("a map: first the derivative in its outputs.",), (Name(name),))
            )
            blocks += output_blocks(d, facts)
        else:
            blocks.append(Paragraph((f"an entry of {name}.",) if d.entry else ("one number.",),
                                    (entry_name(d),)))  # fmt: skip
            blocks += weight_blocks(d, facts)
        if d.through is not None:
            blocks.append(Paragraph((
                f"Besides, it enters the inputs of map {d.through}: what arrives at these by "
                "backpropagation is added.",
            )))  # fmt: skip
        if facts.loss is not None:
            blocks += list(_held(declared)) + list(_pulled(d.name, facts))
    if facts.loss is not None and optimizer is not None:
        chosen, why = optimizer
        blocks.append(Paragraph((
            f"fgc train takes {chosen} here, since {why}; it goes by the same derivatives, in "
            "steps of its own size and direction.",
        )))  # fmt: skip
    return Section("step", "What one step adds to which weights", tuple(blocks))


def _held(p: ParamDeclaration | None) -> Iterator[Block]:
    """Yield how a param is kept within what it is held to."""
    if p is None or p.constraint == "real":
        return
    u, w = Name("u"), Name(p.name)
    ways: dict[str, Notation] = {
        "positive": Call(Name("log"), (add([(False, Number("1")),
                                            (False, Call(Name("exp"), (u,)))]),)),
        "interval": add([(False, number(p.low)),
                         (False, multiply(number(p.high - p.low), Call(Name("σ"), (u,))))]),
        "unit": Fraction(u, Fence("‖", u, "‖")),
        "simplex": Call(Name("softmax"), (u,)),
    }  # fmt: skip
    yield Paragraph((
        "It is held to something: what moves are free numbers u, with ", Row((w, "=",
        ways[p.constraint]), 5), ", and the derivative goes back through this.",
    ))  # fmt: skip


def _pulled(name: str, facts: Facts) -> Iterator[Block]:
    """Yield what a regulariser adds in a step."""
    p = facts.model.params.get(name) or facts.model.maps[name]
    entry = entry_name(facts.weights[name]) if name in facts.model.params else Name("w")
    parts: list[str | Notation] = []
    if p.l2:
        parts.append(Row(("−", multiply(Name("η"), number(p.l2), entry)), 6))
    if p.l1:
        sign = Call(Name("sign"), (entry,))
        parts += [" and " if parts else "", Row(("−", multiply(Name("η"), number(p.l1), sign)), 6)]
    if parts:
        yield Paragraph(("The regulariser adds ", *parts, ", once a step."))


MEANING = {
    "SAFE": "Small values of the loss put the answer's energy below those of wrong answers.",
    "SAFE BY ARCHITECTURE": "The loss alone would not do, but this energy cannot become the same "
    "for every answer.",
    "WEAK": "The loss pushes the right way, but is content with ties.",
    "UNSAFE": "The loss is least where the energy does not tell the answer from wrong ones.",
    "ERROR": "The loss does not fit this energy.",
    "UNKNOWN": "No rule decides.",
}


def _verdict(verdict: Verdict, facts: Facts) -> Section:
    blocks: list[Block] = [Code((verdict.word,)), Paragraph((MEANING[verdict.word],))]
    if any(look.probe.region == "any" and not look.probe.differs for look in facts.looks):
        blocks.append(Paragraph((
            "E(answer) and E(wrong) are the answer's energy and the least of the wrong answers'. "
            "Both are among what `any` holds, so a slope in one of them counts every probe that "
            "sees it.",
        )))  # fmt: skip
    for reason in verdict.reasons:
        where = ""
        if reason.span is not None:
            name = reason.span.source.name
            at = name if name == "--loss" else f"line {reason.span.line}"
            where = f" ({at}: {' '.join(reason.span.text.split())})"
        first, blank, rest = reason.text.partition(" ")
        said = (first.capitalize() if first.islower() and first.isalpha() else first) + blank + rest
        blocks.append(Paragraph((f"{said}{where}.",)))
    return Section("verdict", "Will it decide well once this is small?", tuple(blocks))
