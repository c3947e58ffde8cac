"""A loss as a function of two energies: that of the answer, and the least of the wrong answers.

E(any) is the lesser of the two and free(any) their soft minimum. What is local is judged as it is
for a model with one place: there ``only(v)`` is ``any`` and ``pin(v)`` is ``answer``, a sum over
places has one term, and a factor is the whole energy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from factorgraph.judge import algebra as a
from factorgraph.judge.algebra import Sum
from factorgraph.judge.look import Box, look
from factorgraph.model.expression import (
    Apply,
    Const,
    Expr,
    GivenRead,
    LetRead,
    MapRead,
    ParamRead,
    Reduce,
    SizeOf,
    Variable,
    show,
    walk,
)
from factorgraph.model.loss import (
    Coordinate,
    EnergyAt,
    Extremum,
    Formula,
    Gradient,
    IsObserved,
    Laplacian,
    LossRead,
    OverCoordinates,
    OverDraws,
    RegionEnergy,
    SpellingIn,
    ValueIn,
)
from factorgraph.model.model import Model
from factorgraph.model.region import (
    Answer,
    Anything,
    Best,
    Bound,
    Configuration,
    Draw,
    Energy,
    Jitter,
    Observed,
    Only,
    Part,
    Pin,
    Region,
    Sample,
    Second,
    Whole,
    Wrong,
)

C, I = "E_C", "E_I"  # noqa: E741 - the names of the two energies, as the literature has them
GRADIENT, LAPLACIAN, BEST = "gradient", "laplacian", "best"
MISTAKES = "mistakes"


@dataclass
class Rewritten:
    """A loss as a formula of two energies.

    Attributes
    ----------
    value : over the leaves ``E_C`` and ``E_I``, and what the data say.
    alone : the same where the minimum and the sum over all do not change with the weights.
    regions : what it looks at.
    notes : what is different of the losses than the formula of two energies says, by a word.
    soft : whether a sum over configurations of ``any`` is needed.
    """

    value: Sum
    alone: Sum
    regions: tuple[str, ...]
    notes: dict[str, str] = field(default_factory=dict)
    soft: bool = False


def rewrite(model: Model, formula: Formula) -> Rewritten:
    """Return a loss as a function of the answer's and the wrong answers' energies."""
    found = [_Rewriter(model, formula, where, False) for where in model.answers or ("",)]
    values = [r.of(formula.value, {}) for r in found]
    first = found[0]
    if any(v != values[0] for v in values):  # costs that some answers do not have
        k = min(range(len(values)), key=lambda i: first.least_cost(values[i]))
        values[0], first = values[k], found[k]
    _parts(formula.value, first)
    _weighed(values[0], first)
    alone = _Rewriter(model, formula, first.where, True).of(formula.value, {})
    return Rewritten(values[0], alone, tuple(first.regions), first.notes, first.soft)


def _parts(value: Expr, r: _Rewriter) -> None:
    """Note where a term looks at several energies: one formula of two does not tell then."""
    energies = {str(e.name if isinstance(e, Part) else e) for e in _energies(value)}
    if len(energies) < 2 or not any(isinstance(e, Part) for e in _energies(value)):
        return
    todo, terms = [value], []
    while todo:
        e = todo.pop()
        if isinstance(e, Apply) and e.operator == "+":
            todo += e.arguments
        else:
            terms.append(e)
    by_name: dict[str, Sum] = {}
    for e in terms:
        names = {str(x.name if isinstance(x, Part) else x) for x in _energies(e)}
        if len(names) == 1:
            (name,) = names
            before = by_name.get(name)
            new = r.of(e, {})
            by_name[name] = new if before is None else a.plus(before, new)
        elif names:
            by_name = {}
            break
    if len(set(by_name.values())) != 1:
        r.notes["mixed"] = f"it mixes the energies {', '.join(sorted(energies))}"


def _weighed(value: Sum, r: _Rewriter) -> None:
    """Note where weights are not in terms of their own: those may lower the others."""
    looks = (C, I, GRADIENT, LAPLACIAN, BEST)
    for atom, _ in value.terms:
        for name in r.trained if isinstance(atom, a.Node) else ():
            found = a.Sum(0.0, ((atom, 1.0),))
            if found.has(name) and found.has(*looks):
                r.notes["weighed"] = (
                    f"`{r.trained[name]}`, which is trained itself, stands in one term with "
                    "energies, and may lower it whatever they are"
                )


def _energies(e: Expr) -> list[Energy]:
    return [x.energy for x in walk(e) if isinstance(x, RegionEnergy | EnergyAt)]


class _Rewriter:
    """A method for each class of what a formula is made of.

    Parameters
    ----------
    where : the answer at which a wrong configuration has its mistake.
    alone : whether what is summed over all is a number that does not change.
    """

    def __init__(self, model: Model, formula: Formula, where: str, alone: bool) -> None:
        self.model, self.where, self.alone = model, where, alone
        self.regions: dict[str, None] = {}
        self.notes: dict[str, str] = {}
        self.soft = False
        self.read: set[str] = set()
        self.trained: dict[str, str] = {}
        looks = [x.region for x in walk(formula.value) if isinstance(x, RegionEnergy | Extremum)]
        self.has_answer = any(isinstance(x, Answer) for x in looks)

    def of(self, e: Expr, env: dict[Bound, str]) -> Sum:
        """Return an expression as a sum; ``env`` says where bound configurations are."""
        if isinstance(e, Const):
            return a.number(e.value) if not isinstance(e.value, str) else a.leaf(repr(e.value))
        for kind, method in _METHODS.items():
            if isinstance(e, kind):
                return method(self, e, env)
        return self.unknown(e, env)

    def unknown(self, e: Expr, env: dict[Bound, str]) -> Sum:
        """Return what the data say: a number of any size."""
        low, high = -inf, inf
        weights = _weights(self.model, e)
        if weights is not None:
            self.trained[show(e)] = weights
            self.notes.setdefault("trained", f"it reads `{weights}`, which is trained itself")
        if isinstance(e, GivenRead | LetRead):
            self.read.add(show(e))
        if e.kind.sort == "bit":
            low, high = 0.0, 1.0
        if isinstance(e, GivenRead):
            values = self.model.givens[e.name].values if e.name in self.model.givens else None
            if values is not None and values.fixed is not None:
                low, high = float(values.low), float(values.low + values.fixed - 1)
        elif isinstance(e, ParamRead):
            param = self.model.params.get(e.name)
            if param is not None:
                low, high = param.low, param.high
                if param.constraint in ("positive", "simplex"):
                    low, high = 0.0, 1.0 if param.constraint == "simplex" else inf
        elif isinstance(e, SizeOf):
            low = 1.0
        return a.leaf(show(e), low, high)

    # -- arithmetic

    def apply(self, e: Apply, env: dict[Bound, str]) -> Sum:
        op = e.operator
        if op in ("==", "!=", "mistakes", "<", "<=", ">", ">=", "and", "or", "not", "=>"):
            return self.compared(e, env)
        args = [self.of(x, env) for x in e.arguments]
        if op == "if":
            return self.chosen(e, args)
        if op == "*":
            args = [self.weight(x, y) for x, y in (args, args[::-1])]
        known = _ARITHMETIC.get(op)
        if known is not None:
            return known(*args)
        if op == "^" and args[1].fixed is not None:
            return _raised(args[0], args[1].fixed)
        if op == "^":
            return a.function("exp", a.product(args[1], a.function("log", args[0])))
        if op == "require":
            return args[1]
        if all(x.fixed is not None for x in args) and op in ("//", "%") and args[1].constant:
            x, y = args[0].constant, args[1].constant
            return a.number(x // y if op == "//" else x % y)
        return self.unknown(e, env)

    def weight(self, x: Sum, other: Sum) -> Sum:
        """Return a factor of energies: data that weigh them are taken to be above 0."""
        if not other.has(C, I) or x.has(C, I) or len(x.terms) != 1 or x.constant:
            return x
        atom, c = x.terms[0]
        if not isinstance(atom, a.Leaf) or atom.name not in self.read or atom.low >= 0:
            return x
        self.notes["weight"] = f"`{atom.name}` is taken to be never negative"
        return a.scaled(a.leaf(atom.name, 0.0, max(atom.high, 0.0)), c)

    def chosen(self, e: Apply, args: list[Sum]) -> Sum:
        condition = e.arguments[0]
        yes, no = args[1].fixed, args[2].fixed
        if args[0].fixed is not None:
            return args[1] if args[0].fixed else args[2]
        if yes is not None and no is not None and not args[0].has(C, I):
            return a.leaf(show(e), min(yes, no), max(yes, no))
        if isinstance(condition, Apply) and condition.operator in ("<", "<=", ">", ">="):
            x, y = (self.of(s, {}) if not _bound(s) else None for s in condition.arguments)
            if x is not None and y is not None:
                if condition.operator[0] == "<":
                    x, y = y, x
                return a.choice(a.minus(x, y), args[1], args[2], condition.operator[-1] == "=")
        return a.choice(a.minus(args[0], a.number(0.5)), args[1], args[2], False)

    def compared(self, e: Apply, env: dict[Bound, str]) -> Sum:
        """Return a truth value: costs ask whether something is as in the answer."""
        op = e.operator
        if op in ("and", "or", "not", "=>"):
            first, *rest = (self.of(part, env) for part in e.arguments)
            if op == "not":
                return a.minus(a.number(1), first)
            if op == "and":
                return a.minimum(first, rest[0])
            return a.maximum(first if op == "or" else a.minus(a.number(1), first), rest[0])
        x, y = e.arguments
        reads = [p for p in (x, y) if isinstance(p, ValueIn | SpellingIn)]
        if op in ("==", "!=", "mistakes") and len(reads) == 2:
            p, q = reads
            same = (p.unknown, p.indices, getattr(p, "field", None)) == (
                q.unknown, q.indices, getattr(q, "field", None))  # fmt: skip
            differs = sum(self.is_wrong(r, env) for r in reads) == 1
            if same and not differs:
                return a.number(1 if op == "==" else 0)
            if same and getattr(p, "field", None) is None and isinstance(p, ValueIn):
                if op == "mistakes" and p.kind.sort == "sequence":
                    return a.leaf(MISTAKES, 1.0)
                return a.number(0 if op == "==" else 1)
            return a.leaf(show(e), 0.0, inf if op == "mistakes" else 1.0)
        u, v = self.of(x, env), self.of(y, env)
        if u.fixed is not None and v.fixed is not None:
            return a.number(float(_HOLDS[op](u.constant, v.constant)))
        gap = a.minus(u, v) if op in (">", ">=") else a.minus(v, u)
        if op in ("==", "!=") or not gap.has(C, I):
            return a.leaf(show(e), 0.0, 1.0)
        return a.choice(gap, a.number(1), a.number(0), op[-1] == "=")

    def is_wrong(self, e: ValueIn | SpellingIn, env: dict[Bound, str]) -> bool:
        """Return whether a value is one that differs from the answer."""
        at = e.configuration
        return isinstance(at, Bound) and env.get(at) == "wrong" and e.unknown == self.where

    def value(self, e: ValueIn | SpellingIn, env: dict[Bound, str]) -> Sum:
        at, name = e.configuration, e.name.partition(".")[2]
        if isinstance(at, Best):
            self.regions["best"] = None
            self.notes.setdefault("best", "it looks at the decoded answer itself")
            return a.leaf(BEST)
        text = f"answer.{name}[{','.join(show(i) for i in e.indices)}]"
        if e.kind.sort in ("label", "bit") or getattr(e, "field", None):
            found = a.leaf(text, 0.0, 1.0 if e.kind.sort == "bit" else inf)
        else:
            found = a.leaf(text)
        if not self.is_wrong(e, env):
            return found
        if e.kind.sort == "bit":
            return a.minus(a.number(1), found)
        return a.plus(found, a.leaf("moved"))  # by at least 1, or eps, up or down

    # -- energies

    def energy(self, energy: Energy, where: str) -> Sum:
        """Return an energy of the answer or of the best wrong one."""
        if isinstance(energy, Second):
            return a.leaf(f"{energy}({where})")
        return a.leaf(C if where == "answer" else I)

    def places(self, region: Region) -> tuple[str, ...]:
        """Return which of the two a region holds."""
        self.regions[_WORDS.get(type(region), "answer")] = None
        match region:
            case Answer():
                return ("answer",)
            case Anything() | Only():
                return ("answer", "wrong")
            case Wrong():
                if not isinstance(region.inner, Anything):
                    self.places(region.inner)
                return ("wrong",)
            case Pin():
                if self.has_answer:
                    self.notes["mixed"] = f"it looks at `{region}` beside the whole answer"
                return ("answer",)
            case Sample():
                if not region.chains:
                    self.notes["near"] = (
                        f"`{region}` reaches only what is {region.sweeps} "
                        f"sweep{'s' * (region.sweeps != 1)} from the data: answers farther off are "
                        "not pushed up"
                    )
                self.notes.setdefault("mean", "drawn answers stand for the sum over all")
                return ("answer", "wrong")
            case Draw():
                inner = self.places(region.inner)
                if isinstance(region.energy, Whole):
                    self.notes.setdefault("mean", "drawn answers stand for the sum over all")
                    return inner
                return inner[-1:]
        return ("answer", "wrong")

    def together(self, places: tuple[str, ...], beta: float, get: Callable[[str], Sum]) -> Sum:
        """Return the soft minimum of what is in a region."""
        if len(places) > 1 and beta < inf:
            self.soft = True
        if self.alone and len(places) > 1:
            return a.leaf("all")
        return a.softmin(beta, *(get(p) for p in places))

    def region_energy(self, e: RegionEnergy, env: dict[Bound, str]) -> Sum:
        places = self.places(e.region)
        drawn = isinstance(e.region, Sample | Draw)
        beta = 1.0 if drawn and e.beta == inf else e.beta
        soft = self.soft
        found = self.together(places, beta, lambda p: self.energy(e.energy, p))
        if drawn:
            self.soft = soft  # nothing is summed
        return found

    def energy_at(self, e: EnergyAt, env: dict[Bound, str]) -> Sum:
        at: Configuration = e.configuration
        if isinstance(at, Bound):
            where = env.get(at, "wrong")
            if where == "drawn":
                return self.together(("answer", "wrong"), 1.0, lambda p: self.energy(e.energy, p))
            if where == "greatest":
                return a.leaf("the greatest energy")
            return self.energy(e.energy, where)
        if isinstance(at, Best):
            return self.together(("answer", "wrong"), inf, lambda p: self.energy(e.energy, p))
        if isinstance(at, Jitter):
            self.regions["jitter"] = None
            self.notes["near"] = "answers with a little noise stand for the wrong ones"
            return self.energy(e.energy, "wrong")
        return self.energy(e.energy, "answer")

    def extremum(self, e: Extremum, env: dict[Bound, str]) -> Sum:
        places = self.places(e.region)

        def at(place: str) -> Sum:
            found = self.of(e.body, {**env, e.configuration: place})
            if place != "wrong" or not found.has(I):
                return found
            (slope,) = look(found, Box({}, (I,))).slopes
            if (slope[1] > 0 if e.operator == "max" else slope[0] < 0) and not _grows(e, found):
                self.notes["mixed"] = f"`{e.name}` looks at the greatest energy of wrong answers"
                return self.of(e.body, {**env, e.configuration: "greatest"})
            return found

        found = [at(place) for place in places]
        if e.operator == "max":
            return a.maximum(*found)
        self.soft |= len(places) > 1 and e.beta < inf
        alike = len(found) > 1 and a.substitute(found[0], {C: a.leaf(I)}) == found[1]
        return a.leaf("all") if self.alone and alike else a.softmin(e.beta, *found)

    def over_draws(self, e: OverDraws, env: dict[Bound, str]) -> Sum:
        places = self.places(e.region)
        place = places[0] if len(places) == 1 else "drawn"
        soft = self.soft
        found = self.of(e.body, {**env, e.configuration: place})
        self.soft = soft
        return a.scaled(found, float(e.region.count))

    def reduce(self, e: Reduce, env: dict[Bound, str]) -> Sum:
        """Return one term of a sum over places; of a cost, one for each mistake."""
        found = self.of(e.body, env)
        wrong = any(
            isinstance(x, ValueIn | SpellingIn) and self.is_wrong(x, env) for x in walk(e.body)
        )
        if e.operator == "sum" and wrong and not found.has(C, I, MISTAKES) and found.constant:
            return a.product(found, a.leaf(MISTAKES, 1.0))
        return found

    # -- derivatives and the minimum

    def derivative(self, e: Gradient | Laplacian | Coordinate, env: dict[Bound, str]) -> Sum:
        if isinstance(e.configuration, Jitter):
            self.regions["jitter"] = None
        if isinstance(e, Gradient | Laplacian):
            word = GRADIENT if isinstance(e, Gradient) else LAPLACIAN
            self.regions["grad" if isinstance(e, Gradient) else "laplace"] = None
            return a.leaf(word)
        if isinstance(e.configuration, Best):
            self.regions["best"] = None
            self.notes.setdefault("best", "it looks at the decoded answer itself")
            return a.leaf(BEST)
        if isinstance(e.configuration, Observed):
            return a.leaf("answer")
        return a.plus(a.leaf("answer"), a.leaf("noise"))

    def coordinates(self, e: OverCoordinates, env: dict[Bound, str]) -> Sum:
        return self.of(e.body, env)

    def observed(self, e: IsObserved, env: dict[Bound, str]) -> Sum:
        return a.number(1)

    def index(self, e: Variable, env: dict[Bound, str]) -> Sum:
        return a.leaf(e.name, 0.0)

    def least_cost(self, value: Sum) -> float:
        """Return what a loss asks at least where all energies are equal."""
        low = look(a.substitute(value, {I: a.leaf(C)}), Box({C: (0.0, 0.0)})).value[0]
        return low if low == low else inf


def _weights(model: Model, e: Expr) -> str | None:
    """Return the name of a param or map that an expression reads."""
    for x in walk(e):
        if isinstance(x, ParamRead | MapRead):
            return x.name
        if isinstance(x, LetRead) and x.name in model.lets:
            found = _weights(model, model.lets[x.name].value)
            if found is not None:
                return found
    return None


def _bound(e: Expr) -> bool:
    return any(isinstance(getattr(x, "configuration", None), Bound) for x in walk(e))


def _grows(e: Extremum, body: Sum) -> bool:
    """Return whether a body with costs in it looks at the least energy after all."""
    (slope,) = look(body, Box({MISTAKES: (1.0, inf)}, (I,))).slopes
    return slope[1] <= 0 if e.operator == "max" else slope[0] >= 0


def _raised(x: Sum, p: float) -> Sum:
    if p % 2 == 0 and x.has("moved") and len(x.terms) == 1:
        return a.power(_moved(x), p)
    return a.power(x, p)


def _absolute(x: Sum) -> Sum:
    if x.has("moved") and len(x.terms) == 1:
        return _moved(x)
    return a.maximum(x, a.scaled(x, -1.0))


def _moved(x: Sum) -> Sum:
    """Return by how much a wrong value is off: by something."""
    return a.scaled(a.leaf(MISTAKES, 1.0), abs(x.terms[0][1]))


_WORDS: dict[type[Region], str] = {
    Answer: "answer",
    Anything: "any",
    Wrong: "wrong",
    Only: "only",
    Pin: "pin",
    Sample: "sample",
    Draw: "draw",
}

_ARITHMETIC: dict[str, Callable[..., Sum]] = {
    "+": a.plus,
    "-": a.minus,
    "neg": lambda x: a.scaled(x, -1.0),
    "*": a.product,
    "/": a.quotient,
    "min": a.minimum,
    "max": a.maximum,
    "abs": _absolute,
    "sqrt": lambda x: a.power(x, 0.5),
    "softplus": lambda x: a.lse(a.number(0), x),
    **{f: (lambda x, f=f: a.function(f, x)) for f in ("exp", "log", "tanh", "cosh", "sigmoid")},
}

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "mistakes": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y,
    ">": lambda x, y: x > y,
    ">=": lambda x, y: x >= y,
}

_METHODS: dict[type[Expr], Callable[..., Sum]] = {
    Apply: _Rewriter.apply,
    RegionEnergy: _Rewriter.region_energy,
    EnergyAt: _Rewriter.energy_at,
    Extremum: _Rewriter.extremum,
    OverDraws: _Rewriter.over_draws,
    OverCoordinates: _Rewriter.coordinates,
    Reduce: _Rewriter.reduce,
    Gradient: _Rewriter.derivative,
    Laplacian: _Rewriter.derivative,
    Coordinate: _Rewriter.derivative,
    ValueIn: _Rewriter.value,
    SpellingIn: _Rewriter.value,
    IsObserved: _Rewriter.observed,
    Variable: _Rewriter.index,
    LossRead: _Rewriter.unknown,
}
