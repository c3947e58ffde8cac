"""Typed expressions and losses in mathematical notation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf

from factorgraph.compiler.costs import ANSWER, OBSERVED
from factorgraph.compiler.notation import (
    BIG,
    POWER,
    PRODUCT,
    SUM,
    TIGHT,
    Big,
    Call,
    Cases,
    Fence,
    Fraction,
    Indexed,
    Marked,
    Name,
    Notation,
    Number,
    Power,
    Root,
    Row,
    Word,
    bracketed,
)
from factorgraph.model.expression import (
    BIT,
    Apply,
    Const,
    Distinct,
    DomainSize,
    Expr,
    FieldRead,
    LengthOf,
    LetRead,
    MapRead,
    Read,
    Reduce,
    SizeOf,
    Spelling,
    Variable,
    _told_apart,
    fixed_value,
)
from factorgraph.model.loss import (
    EnergyAt,
    Extremum,
    IsObserved,
    OverCoordinates,
    OverDraws,
    RegionEnergy,
    SpellingIn,
    ValueIn,
)
from factorgraph.model.region import (
    Configuration,
    Energy,
    Observed,
    Only,
    Part,
    Pin,
    Place,
    Region,
    Wrong,
)

Leaf = Callable[[Expr], Notation | None]
"""What an expression is shown as instead, None where it is shown as it is."""

_SIGNS = {
    "==": "=", "!=": "≠", "<": "<", "<=": "≤", ">": ">", ">=": "≥", "and": "∧", "or": "∨",
    "=>": "⇒",
}  # fmt: skip
_HOLDS = {"=>": 1.0, "or": 2.0, "and": 3.0, "not": 4.0}
_OTHER = {"<": ">=", ">=": "<", "<=": ">", ">": "<="}
"""What holds where a comparison does not."""
_FLIPPED = {"<": "<=", ">=": ">", "<=": "<", ">": ">="}
"""The same with the sides exchanged."""
COMPARED = 5.0
"""The strength of a comparison."""
_CONDITIONS = frozenset((*_SIGNS, "not"))


def formula(expression: Expr, leaf: Leaf | None = None) -> Notation:
    """Return a typed expression in mathematical notation.

    Parameters
    ----------
    leaf : asked for each part, outermost first, whether it is shown as something else.
    """
    return _Writer(leaf).number(_told_apart(expression))


def condition(expression: Expr, leaf: Leaf | None = None) -> Notation:
    """Return a truth value in notation, without the brackets that make a number of it."""
    return _Writer(leaf).truth(_told_apart(expression))


def number(value: float | int) -> Notation:
    """Return a number as it is written: 1 for 1.0, ∞ for infinity."""
    if value in (inf, -inf):
        return Name("∞") if value > 0 else Row(("−", Name("∞")), SUM)
    short = f"{value:.15g}" if isinstance(value, float) else str(value)
    if isinstance(value, float) and float(short) != value:
        short = repr(value)
    return Row(("−", Number(short[1:])), SUM) if short.startswith("-") else Number(short)


def add(parts: list[tuple[bool, Notation]]) -> Notation:
    """Return a sum of terms, each with whether it is taken away; 0 of none."""
    if not parts:
        return Number("0")
    out: list[Notation | str] = []
    for k, (minus, part) in enumerate(parts):
        if k or minus:
            out.append("−" if minus else "+")
        out.append(bracketed(part, BIG))
    if len(out) == 1:
        return parts[0][1]
    return Row(tuple(out), SUM)


def multiply(*parts: Notation) -> Notation:
    """Return a product; ones are left out. A factor −x in front makes the whole negative."""
    kept = [p for p in parts if p != Number("1")]
    if kept and isinstance(kept[-1], Row) and kept[-1].holds == BIG and kept[-1].parts[1] == "·":
        kept[-1:] = [p for p in kept[-1].parts if not isinstance(p, str)]  # it ends with a sum
    if not kept:
        return Number("1")
    if len(kept) == 1:
        return kept[0]
    out: list[Notation | str] = []
    for k, part in enumerate(kept):
        last = k == len(kept) - 1 and isinstance(part, Big)
        out += ["·", part if last else bracketed(part, PRODUCT)]
    return Row(tuple(out[1:]), BIG if isinstance(kept[-1], Big) else PRODUCT)


def negative(part: Notation) -> Notation:
    return Row(("−", bracketed(part, BIG)), SUM)


def is_negative(part: Notation) -> Notation | None:
    """Return what is negated, None where nothing is."""
    if isinstance(part, Row) and len(part.parts) == 2 and part.parts[0] == "−":
        inside = part.parts[1]
        assert isinstance(inside, Notation)
        return inside
    return None


def signed(part: Notation) -> tuple[bool, Notation]:
    """Return whether a term is taken away, and the rest of it."""
    inside = is_negative(part)
    return (False, part) if inside is None else (True, inside)


def iverson(part: Notation) -> Notation:
    """Return the number of a truth value: 1 where it holds, else 0."""
    return Row((Number("1"), Fence("[", part, "]")))


def span(low: Notation, high: Notation) -> Notation:
    return Row((bracketed(low, SUM), "..", bracketed(high, SUM)), COMPARED)


class _Writer:
    def __init__(self, leaf: Leaf | None) -> None:
        self.leaf = leaf

    def other(self, e: Expr) -> Notation | None:
        return None if self.leaf is None else self.leaf(e)

    def number(self, e: Expr) -> Notation:
        """Return a value; a truth value becomes 1 or 0."""
        e = _bare(e)
        if isinstance(e, Apply) and e.operator in _CONDITIONS and self.other(e) is None:
            return iverson(self.truth(e))
        if isinstance(e, Distinct):
            return iverson(self.one(e))
        return self.one(e)

    def truth(self, e: Expr) -> Notation:
        """Return a truth value."""
        e = _bare(e)
        other = self.other(e)
        if other is not None:
            return other
        if isinstance(e, Apply):
            if e.operator == "not":
                return Row(("¬", bracketed(self.truth(e.arguments[0]), TIGHT)), _HOLDS["not"])
            if e.operator in _HOLDS:
                a, b = map(self.truth, e.arguments)
                holds = _HOLDS[e.operator]
                parts = (bracketed(a, holds), _SIGNS[e.operator], bracketed(b, holds + 0.5))
                return Row(parts, holds)
            if e.operator in _SIGNS:
                sides = map(self.compared, e.arguments)
                a, b = (bracketed(s, COMPARED + 0.5) for s in sides)
                return Row((a, _SIGNS[e.operator], b), COMPARED)
        return self.one(e)

    def compared(self, e: Expr) -> Notation:
        return self.truth(e) if e.kind == BIT else self.number(e)

    def one(self, e: Expr) -> Notation:
        other = self.other(e)
        if other is not None:
            return other
        match e:
            case Const(value=value):
                return Word(f'"{value}"') if isinstance(value, str) else number(value)
            case Variable(name=name) | SizeOf(name=name):
                return Name(name)
            case DomainSize(name=name) | LengthOf(name=name):
                return Fence("|", Name(name), "|")
            case FieldRead(base=base, field=field):
                return Row((self.one(base), ".", Name(field)))
            case Spelling(name=name):
                return Call(Name("spell"), (Name(name),))
            case MapRead():
                return self.map(e)
            case Distinct():
                runs = [
                    Row((Name(v.name), "∈", span(self.number(low), self.number(high))), COMPARED)
                    for v, low, high in e.indices
                ]
                guard = [] if e.guard is None else [self.truth(e.guard)]
                return Call(Name("alldiff"), (self.number(e.body), *runs, *guard))
            case Reduce():
                return Big(e.operator, self.runs(e), self.number(e.body))
            case RegionEnergy() | EnergyAt() | Extremum() | ValueIn() | OverDraws():
                return self.look(e)
            case SpellingIn(configuration=c, unknown=unknown):
                return Call(Name("spell"), (_of(Name(unknown), c),))
            case IsObserved():
                read = Indexed(Name(e.unknown), self.all(e.indices)) if e.indices else (
                    Name(e.unknown)
                )  # fmt: skip
                return Row((read, Word(" observed")), COMPARED)
            case OverCoordinates():
                return Big(e.operator, Word("v ∈ real answers"), self.number(e.body))
            case Read():
                return self.read(e)
            case Apply():
                return self.apply(e)
        return Word(getattr(e, "name", type(e).__name__))

    def all(self, parts: tuple[Expr, ...]) -> tuple[Notation, ...]:
        return tuple(map(self.number, parts))

    def runs(self, e: Reduce) -> Notation:
        """Return what a loop runs over."""
        ends = Row(
            (Name(e.index.name), "=", self.number(e.low), "..", self.number(e.high)), COMPARED
        )
        if e.guard is None:
            return ends
        return Row((ends, "if", self.truth(e.guard)), 0)

    def read(self, e: Read) -> Notation:
        word = e.span.text
        if e.indices and word.isidentifier() and word != e.name.partition(".")[0]:
            return Name(word)  # a name that a pattern binds, such as one end of an edge
        base: Notation = Name(e.name)
        if isinstance(e, LetRead) and e.name.endswith(f".{ANSWER}"):
            base = Marked(Name(e.name.removesuffix(f".{ANSWER}")), "i")
        elif isinstance(e, LetRead) and e.name.endswith(f".{OBSERVED}"):
            known: Notation = Name(e.name.removesuffix(f".{OBSERVED}"))
            known = Indexed(known, self.all(e.indices)) if e.indices else known
            return Row((known, Word(" observed")), COMPARED)
        return Indexed(base, self.all(e.indices)) if e.indices else base

    def map(self, e: MapRead) -> Notation:
        axes = [v for v, _ in e.axes]
        body = e.body
        if isinstance(body, Read) and axes and list(body.indices[-len(axes) :]) == axes:
            inside = self.one(replace(body, indices=body.indices[: -len(axes)]))
        elif axes:
            over = Word(f" for {', '.join(v.name for v in axes)}")
            inside = Row((self.number(body), over), 0)
        else:
            inside = self.number(body)
        call = Call(Name(e.name), (inside,))
        return Indexed(call, self.all(e.indices)) if e.indices else call

    def look(self, e: Expr) -> Notation:
        match e:
            case RegionEnergy():
                name = energy_name(e.energy, self)
                if e.beta != inf:
                    name = Marked(Name("F") if isinstance(name, Name) and name.text == "E" else
                                  Row((Word("F of "), name)), f"{e.beta:g}")  # fmt: skip
                return Call(name, (region_name(e.region),))
            case EnergyAt():
                return Call(energy_name(e.energy, self), (configuration_name(e.configuration),))
            case Extremum():
                below = Row((Name(e.configuration.name), "∈", region_name(e.region)), COMPARED)
                if e.beta != inf:
                    below = Row((below, ",", Name("β"), "=", number(e.beta)), 0)
                return Big(e.operator, below, self.number(e.body))
            case OverDraws():
                below = Row((Name(e.configuration.name), "∼", region_name(e.region)), COMPARED)
                return Big("sum", below, self.number(e.body))
        assert isinstance(e, ValueIn)
        name = Name(e.unknown + (f".{e.field}" if e.field else ""))
        base = _of(name, e.configuration)
        return Indexed(base, self.all(e.indices)) if e.indices else base

    def apply(self, e: Apply) -> Notation:
        args = e.arguments
        match e.operator:
            case "+" | "-":
                terms: list[tuple[bool, Notation]] = []
                self.terms(e, False, terms)
                return add(terms)
            case "neg":
                inside = self.number(args[0])
                twice = is_negative(inside)
                return twice if twice is not None else negative(inside)
            case "*" if args[0] == args[1]:
                return Power(bracketed(self.number(args[0]), POWER + 0.5), Number("2"))
            case "*":
                minus, parts = False, []
                for part in map(self.number, args):
                    is_minus, rest = signed(part)
                    minus ^= is_minus
                    parts.append(rest)
                product = multiply(*parts)
                return negative(product) if minus else product
            case "/":
                above, below = self.number(args[0]), self.number(args[1])
                minus, above = signed(above)
                quotient = Fraction(above, below)
                return negative(quotient) if minus else quotient
            case "^":
                return Power(bracketed(self.number(args[0]), POWER + 0.5), self.number(args[1]))
            case "//":
                return Fence("⌊", Fraction(self.number(args[0]), self.number(args[1])), "⌋")
            case "%":
                a, b = map(self.number, args)
                return Row((bracketed(a, PRODUCT), "mod", bracketed(b, PRODUCT + 0.5)), PRODUCT)
            case "&":
                a, b = map(self.number, args)
                return Row((a, "&", b), SUM)
            case "if":
                if e.span.text.isidentifier() and _picks(args[0]):
                    return Name(e.span.text)  # a name that runs over a list
                return self.cases(e)
            case "hash" | "feature":
                return Call(Name(e.operator), (self.number(args[-1]),))
            case "abs":
                return Fence("|", self.number(args[0]), "|")
            case "sqrt":
                return self.root(args[0])
            case "sigmoid":
                return Call(Name("σ"), self.all(args))
            case "mistakes":
                a, b = map(self.number, args)
                return iverson(Row((a, "≠", b), COMPARED))
        return Call(Name(e.operator), self.all(args))

    def terms(self, e: Expr, minus: bool, found: list[tuple[bool, Notation]]) -> None:
        """Collect the terms of a sum, each with its sign; zeros are left out."""
        if isinstance(e, Apply) and e.operator in "+-" and self.other(e) is None:
            self.terms(e.arguments[0], minus, found)
            self.terms(e.arguments[1], minus ^ (e.operator == "-"), found)
            return
        if isinstance(e, Apply) and e.operator == "neg" and self.other(e) is None:
            self.terms(e.arguments[0], not minus, found)
            return
        if fixed_value(e) == 0:
            return
        is_minus, part = signed(self.number(e))
        if isinstance(part, Row) and part.strength == SUM and is_minus:
            found.append((minus ^ is_minus, Fence("(", part, ")")))
        else:
            found.append((minus ^ is_minus, part))

    def root(self, e: Expr) -> Notation:
        """Return a root; that of a sum of squares is a length."""
        if isinstance(e, Reduce) and e.operator == "sum" and e.guard is None:
            body, names = e, [e.index.name]
            while isinstance(body.body, Reduce) and body.body.operator == "sum":
                body = body.body
                names.append(body.index.name)
            square = body.body
            if isinstance(square, Apply) and square.operator == "*":
                if square.arguments[0] == square.arguments[1]:
                    inside = Fence("‖", self.number(square.arguments[0]), "‖")
                    return Indexed(inside, tuple(map(Name, names)))
        return Root(self.number(e))

    def where(self, truth: Notation, value: Expr) -> Notation:
        """Return a value where something holds, 0 elsewhere."""
        minus, part = signed(self.number(value))
        found = multiply(iverson(truth), part)
        return negative(found) if minus else found

    def cases(self, e: Apply) -> Notation:
        rows: list[tuple[Notation, Notation | None]] = []
        choice, yes, no = e.arguments
        if fixed_value(no) == 0:
            return self.where(self.truth(choice), yes)
        if fixed_value(yes) == 0 and isinstance(choice, Apply) and choice.operator in _OTHER:
            a, b = choice.arguments
            sides = (b, a) if fixed_value(a) is not None else (a, b)
            operator = (_FLIPPED if sides[0] is b else _OTHER)[choice.operator]
            turned = replace(choice, operator=operator, arguments=sides)
            return self.where(self.truth(turned), no)
        rest: Expr = e
        while isinstance(rest, Apply) and rest.operator == "if":
            choice, yes, rest = rest.arguments
            rows.append((self.number(yes), self.truth(choice)))
        return Cases((*rows, (self.number(rest), None)))


def _picks(e: Expr) -> bool:
    """Return whether a condition asks which one of a list an index is at."""
    return isinstance(e, Apply) and e.operator == "==" and isinstance(e.arguments[0], Variable)


def _bare(e: Expr) -> Expr:
    """Return an expression without what only tells how it is read."""
    while isinstance(e, Apply) and e.operator in ("position", "padded", "text", "require"):
        e = e.arguments[1 if e.operator == "require" else 0]
    return e


def _of(name: Notation, configuration: Configuration) -> Notation:
    if isinstance(configuration, Observed):
        return Marked(name, "i")
    return Row((configuration_name(configuration), ".", name))


def configuration_name(configuration: Configuration) -> Notation:
    """Return what a configuration is called; the observed answer is Yⁱ."""
    if isinstance(configuration, Observed):
        return Marked(Name("Y"), "i")
    return Name(str(configuration))


def region_name(region: Region) -> Notation:
    """Return a region as formulas write it."""
    match region:
        case Only() | Pin():
            word = Word("only" if isinstance(region, Only) else "pin")
            return Call(word, tuple(map(place_name, region.places)))
        case Wrong(inner=Only() | Pin(), eps=None):
            return Call(Word("wrong"), (region_name(region.inner),))
    return Word(str(region))


def place_name(place: Place) -> Notation:
    """Return an unknown, or those of an array that share the leading indices."""
    name = Name(place.unknown)
    return Indexed(name, tuple(map(formula, place.indices))) if place.indices else name


def energy_name(energy: Energy, writer: _Writer | None = None) -> Notation:
    """Return an energy: E, a factor's, or one term's."""
    if isinstance(energy, Part) and energy.indices:
        indices = energy.indices
        inside = (writer or _Writer(None)).all(indices)
        return Indexed(Name(energy.name), inside)
    return Name(str(energy))
