"""What each probe of a loss means, where it looks, and which inference answers it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

from factorgraph.compiler.formula import (
    add,
    condition,
    formula,
    multiply,
    negative,
    number,
    place_name,
)
from factorgraph.compiler.loss import Probe
from factorgraph.compiler.notation import (
    Big,
    Call,
    Fence,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Row,
    Word,
)
from factorgraph.compiler.program import Program
from factorgraph.explain.explanation import Block, Display, Paragraph, Words
from factorgraph.explain.facts import Facts, Look
from factorgraph.judge.shape import Shape, shape_of
from factorgraph.model.expression import Expr
from factorgraph.model.grid import Grid
from factorgraph.model.model import FactorDeclaration, Model
from factorgraph.model.region import Place

Y = Name("Y")


@dataclass(frozen=True)
class Seen:
    """What the first instances of some data tell.

    Attributes
    ----------
    instances, variables : how many there are.
    most : the most unknowns of an instance.
    reason : which engine answers for whole instances, and why.
    complete : whether all answers are observed.
    """

    instances: int
    variables: int
    most: int
    reason: str
    complete: bool


def region_words(probe: Probe) -> Words:
    """Return in words which configurations a region holds."""
    match probe.region:
        case "any":
            inside: Words = ("every configuration",)
        case "answer":
            inside = ("every configuration that agrees with the observed answer",)
        case "only":
            inside = ("every configuration that agrees with the observed answer everywhere but at ",
                      *_places(probe.places))  # fmt: skip
        case _:
            inside = ("every configuration that agrees with the observed answer at ",
                      *_places(probe.places))  # fmt: skip
    if not probe.differs:
        return inside
    more = " and" if probe.region != "any" else " that"
    return (*inside, f"{more} differs from the observed answer at one observed place at least")


def _places(places: tuple[Place, ...]) -> Words:
    words: list[str | Notation] = []
    for k, place in enumerate(places):
        words += [", " if k else "", place_name(place)]
    return tuple(words)


def region_name(probe: Probe) -> Notation:
    """Return the region as the formula of the loss writes it."""
    inside: Notation = Word(probe.region)
    if probe.places:
        inside = Call(Word(probe.region), tuple(map(place_name, probe.places)))
    if not probe.differs:
        return inside
    return Word("wrong") if probe.region == "any" else Call(Word("wrong"), (inside,))


def cost_formula(programs: tuple[Program, ...]) -> list[tuple[bool, Notation]]:
    """Return the terms of a cost, each with whether it is taken away."""
    terms = []
    for program in programs:
        minus, part = factor_sum(program.factor)
        terms.append((minus, part))
    return terms


def factor_sum(factor: FactorDeclaration) -> tuple[bool, Notation]:
    """Return a factor summed over its binders: whether it is negative, and the rest."""
    from factorgraph.compiler.formula import signed

    body: Expr = factor.value
    minus, part = signed(formula(body))
    guard = factor.guard
    for b in reversed(factor.binders):
        part = Big("sum", runs(b.variable.name, b.low, b.high, guard), part)
        guard = None
    if guard is not None:
        part = multiply(Row((Number("1"), Fence("[", condition(guard), "]"))), part)
    return minus, part


def runs(name: str, low: Expr, high: Expr, guard: Expr | None = None) -> Notation:
    """Return what stands below the sign of a sum."""
    ends = Row((Name(name), "=", formula(low), "..", formula(high)), 5)
    return ends if guard is None else Row((ends, "if", condition(guard)), 0)


def energy_of(look: Look, at: Notation = Y) -> Notation:
    """Return what a probe minimises, at a configuration."""
    probe = look.probe
    name: Notation = Name("E")
    if probe.part is not None:
        name = Name(probe.part.name)
        if probe.part.indices:
            name = Indexed(name, tuple(map(formula, probe.part.indices)))
    energy: Notation = Call(name, (at,))
    if probe.scale != 1:
        energy = multiply(number(probe.scale), energy)
    return add([(False, energy), *cost_formula(look.cost)])


def meaning(look: Look, facts: Facts) -> list[Display]:
    """Return the formulas that define a probe's value, and where it looks."""
    probe = look.probe
    name: Notation = look.name
    if look.rows:
        name = Indexed(name, tuple(Name(v.name) for v in look.rows))
    region = Row((Y, "∈", region_name(probe)), 5)
    energy = energy_of(look)
    if probe.search is not None:
        return _searched(look, facts, region)
    if probe.beta == inf:
        least = Big("min", region, energy)
        reached = Big("argmin", region, energy)
        if look.single:
            return [Display(Row((name, "=", least, "=", _at_answer(look)), 5))]
        return [
            Display(Row((name, "=", least), 5)),
            Display(Row((look.where, "=", reached), 5)),
        ]
    beta = number(probe.beta)
    inside = energy if not look.cost else Fence("(", energy, ")")
    weight = Call(Name("exp"), (negative(multiply(beta, inside)),))
    total = Big("sum", region, weight)
    value = negative(Call(Name("log"), (total,)))
    if probe.beta != 1:
        value = negative(multiply(Fraction(Number("1"), beta), Call(Name("log"), (total,))))
    if look.single:
        return [Display(Row((name, "=", value, "=", _at_answer(look)), 5))]
    share = Fraction(weight, total)
    return [
        Display(Row((name, "=", value), 5)),
        Display(Row((Call(look.where, (Y,)), "=", share, Word("  for "), region), 5)),
    ]


def _at_answer(look: Look) -> Notation:
    return energy_of(replace(look, cost=()), Marked(Y, "i"))


def _searched(look: Look, facts: Facts, region: Notation) -> list[Display]:
    from factorgraph.explain.facts import shown

    search = look.probe.search
    assert search is not None and facts.loss is not None
    cost = add([*([(False, number(search.base))] if search.base else []),
                *cost_formula(look.cost)])  # fmt: skip
    energy: Notation = Call(Name("E"), (Y,))
    if look.probe.scale != 1:
        energy = multiply(number(look.probe.scale), energy)
    margin = add([(False, shown(facts.loss, search.offset)), (True, energy)])
    both = multiply(Call(Name("C"), (Y,)), Fence("(", margin, ")"))
    if search.what == "cost":
        return [
            Display(Row((Call(Name("C"), (Y,)), "=", cost), 5)),
            Display(Row((look.where, "=", Big("argmax", region, both)), 5)),
            Display(Row((look.name, "=", Call(Name("C"), (look.where,))), 5)),
        ]
    return [Display(Row((look.name, "=", Call(Name("E"), (look.where,))), 5))]


# -- inference


def inferred(
    looks: list[Look], model: Model, grids: dict[str, Grid], seen: Seen | None
) -> list[Look]:
    """Return probes with which inference answers them, and whether it is exact."""
    found = [_inferred(look, model, seen) for look in looks]
    return [_on_grid(look, grids) if grids and not look.single else look for look in found]


def _on_grid(look: Look, grids: dict[str, Grid]) -> Look:
    """Return a probe with what a grid makes of it."""
    names = ", ".join(f"`{name}`" for name in grids)
    how = f"{look.how}. This is said of the points of the grid that {names} is put on"
    if look.probe.beta == inf and any(g.refine for g in grids.values()):
        how += "; the least energy is refined around the best of them"
    elif look.probe.beta != inf:
        how += ", over which the sum runs, an observed value in place of the point nearest to it"
    how += ". Between the points nothing is promised"
    if look.probe.differs:
        eps = look.probe.eps
        far = f"{max(g.step for g in grids.values()) if eps is None else eps:g}"
        how += f". A real value differs from the answer where it is more than {far} away"
    return replace(look, how=how, exact=None)


def _inferred(look: Look, model: Model, seen: Seen | None) -> Look:
    probe = look.probe
    complete = seen.complete if seen is not None else None
    if probe.search is not None:
        if probe.search.what == "energy":
            return replace(look, how="found by the same search")
        how = (
            "on chains and trees of factors of at most two unknowns, with costs that are whole "
            "numbers for each unknown: the least energy for every total cost, by dynamic "
            "programming over states and totals, of which the best is taken; small graphs are "
            "enumerated; other graphs are refused (E0512). What is found is exact"
        )
        return replace(look, how=how)
    if probe.part is not None and probe.part.indices is not None:
        return replace(look, how="the values of one term of the factor, one after the other: exact")
    if look.single and complete is not False:
        known = "nothing is searched: the energy of the observed answer is evaluated"
        if complete is None:
            known += ". Where the data leave labels open, inference runs with the others held" + (
                ", and Yⁱ is where the least energy is reached"
                if probe.beta == inf
                else ", and what Yⁱ gives below stands for its average over these configurations, "
                "each in proportion to exp(−beta E)"
            )
        return replace(look, how=known)
    if probe.region == "only" and probe.space and complete is not False and probe.part is None:
        how = (
            "the states of the unknowns at these places alone are looked at, with the factors that "
            "read them; all else stays at the answer: exact, and no pass over the whole"
        )
        if complete is None:
            how += ". Where the data leave labels open, a pass over the whole with the rest held"
        return replace(look, how=how)
    return _whole(look, model, seen)


def _whole(look: Look, model: Model, seen: Seen | None) -> Look:
    """Return a probe that takes inference over a whole instance."""
    probe = look.probe
    factors = list(model.factors.values())
    if probe.part is not None:
        factors = [f for f in factors if f.name == probe.part.name]
    shape = shape_of(model, [*factors, *(p.factor for p in look.cost)])
    soft = probe.beta != inf
    if probe.differs:
        how = (
            "the configurations are dealt into those that differ from the answer at the first "
            "unknown, those that do so first at the second, and so on; each part takes a soft "
            "minimum of its own, by sum-product" if soft else
            "min-sum gives for each unknown and state the least energy with that state; the least "
            "of those that are not the answer's is the value, and a second run with that state "
            "held gives the configuration"
        )  # fmt: skip
    elif soft:
        how = "sum-product in the log domain, in float64"
        if shape.form == "chain":
            how += " (on a chain: forward-backward)"
        how += "; it gives the value and the marginals"
    else:
        how = "min-sum"
        if shape.form == "chain":
            how += " (on a chain: Viterbi's algorithm)"
        how += "; it gives the value and the configuration"
    if look.cost:
        how += "; the cost enters as tables beside those of the factors"
    if probe.region == "pin" or (probe.space and not probe.differs):
        how += ", once for each row"
    if seen is not None:
        return replace(look, how=f"{how}. On these data: {seen.reason}")
    said, exact = _exactness(shape)
    return replace(look, how=f"{how}. {said}", exact=exact)


def _exactness(shape: Shape) -> tuple[str, bool | None]:
    if shape.form == "none":
        return "There is nothing to search", True
    if shape.form == "separate":
        return f"Exact: {shape.why}", True
    if shape.is_forest:
        word = "a chain" if shape.form == "chain" else "a forest"
        return f"Exact, since every instance is {word}: {shape.why}", True
    return (
        f"Whether the graph has loops is not told by the text: {shape.why} (say --data). "
        "Forests take two passes; small graphs of at most 4096 configurations are enumerated; "
        "others take a junction tree. All of these are exact; a graph that is too wide for the "
        "memory budget stops training (E0510)"
    ), None


def probe_blocks(look: Look, facts: Facts) -> list[Block]:
    """Return what is told of one probe."""
    probe = look.probe
    blocks: list[Block] = []
    if probe.search is None or probe.search.what == "cost":
        blocks.append(Paragraph((region_name(probe), " holds ", *region_words(probe), "."),
                                (look.name,)))  # fmt: skip
    else:
        blocks.append(Paragraph(("at the same configuration.",), (look.name,)))
    blocks += meaning(look, facts)
    if probe.search is not None and probe.search.what == "cost":
        blocks.append(Paragraph(("The gradient takes it as a constant.",)))
    blocks.append(Paragraph((f"{look.how[0].upper()}{look.how[1:]}.",), ("Inference",)))
    return blocks
