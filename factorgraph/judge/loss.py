"""Facts about a loss, from its formula alone: intervals of its slopes, its infimum, its margin.

Each fact is proved by interval arithmetic, or by the rules of composition; where neither decides,
it is None. Conditions and words are those of LeCun et al., A tutorial on energy-based learning,
2006, section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

from factorgraph.judge import algebra as a
from factorgraph.judge.algebra import Leaf, Node, Sum
from factorgraph.judge.convexity import curvature, falls_above_chord
from factorgraph.judge.facts import Interval, LossFacts, Reason
from factorgraph.judge.least import Cell, Least, cells, close, least
from factorgraph.judge.look import ALL, Box, Range, Seen, add, hull, look, meet, times
from factorgraph.judge.rewrite import BEST, GRADIENT, LAPLACIAN, C, I, rewrite
from factorgraph.model.loss import Formula
from factorgraph.model.model import Model

JUST = 1e-6
"""How much less than a margin is asked for: least values on its line are not yet right answers."""


def loss_facts(checked: Model, formula: Formula, energies: Interval | None = None) -> LossFacts:
    """Return what a formula alone tells.

    Parameters
    ----------
    checked : the model, whose names the formula reads; its factors do not matter.
    energies : the range of the energy; all numbers where it is not given.
    """
    found = rewrite(checked, formula)
    return Study(found.value, found.alone, energies or Interval()).facts(
        found.regions, found.notes, found.soft, formula
    )


@dataclass(frozen=True)
class Study:
    """A formula of two energies over a range of energies.

    Attributes
    ----------
    value : over the leaves of `rewrite`.
    alone : the same where what is taken over all stays.
    energies : the range of both energies.
    """

    value: Sum
    alone: Sum
    energies: Interval

    # -- what it is made of

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The variables: two energies, or derivatives of the energy."""
        if not self.value.has(C, I) and self.value.has(GRADIENT, LAPLACIAN):
            return GRADIENT, LAPLACIAN
        return C, I

    @cached_property
    def data(self) -> dict[str, Range]:
        """The ranges of what the data say."""
        return {x.name: (x.low, x.high) for x in self.value.leaves if x.name not in self.names}

    @cached_property
    def settings(self) -> list[dict[str, Range]]:
        """Values of what the data say at which the formula is looked at."""
        if not self.data:
            return [{}]
        return [
            {n: (v, v) for n, r in self.data.items() for v in [_typical(r, times)]}
            for times in (1.0, 2.5)
        ]

    def at(self, setting: Mapping[str, Range]) -> Sum:
        return a.substitute(self.value, {n: a.number(r[0]) for n, r in setting.items()})

    @cached_property
    def difference_only(self) -> bool:
        return self.names == (C, I) and a.shift(self.value, (C, I)) == 0

    @property
    def span(self) -> Range:
        return self.energies.low, self.energies.high

    @cached_property
    def width(self) -> Range:
        """The range of E_C - E_I."""
        low, high = self.span
        return low - high, high - low

    # -- ranges

    def ranges(self, of: Range | None = None) -> tuple[Sum, list[Range]]:
        """Return the formula, with the range of each variable; differences in one variable."""
        if self.names != (C, I):
            return self.value, [(-inf, inf), (-inf, inf)]
        low, high = self.span if of is None else of
        if self.difference_only:
            return a.substitute(self.value, {I: a.number(0)}), [(low - high, high - low), (0, 0)]
        return self.value, [(low, high), (low, high)]

    def slopes(self, of: Range | None = None) -> tuple[Range, Range, bool]:
        """Return the ranges of the slopes, and whether the formula is undefined somewhere."""
        _, ranges = self.ranges(of)
        formula = self.value
        first: list[Range] = []
        second: list[Range] = []
        outside = False
        for cell in cells(self.knots, ranges):
            seen = look(formula, Box({**self.data, **self.box(cell)}, self.names))
            first.append(seen.slopes[0])
            second.append(seen.slopes[1])
            outside |= seen.outside
        return hull(first), hull(second), outside

    def box(self, cell: Cell) -> dict[str, Range]:
        return dict(zip(self.names, cell, strict=True))

    @cached_property
    def bends(self) -> tuple[set[float], list[float]]:
        """Numbers at which the formula may bend, and how steep what bends there is."""
        found = {0.0}
        sharp: list[float] = []
        todo = [self.at(s) for s in self.settings]
        while todo:
            e = todo.pop()
            for atom, _ in e.terms:
                if isinstance(atom, Node):
                    todo += atom.arguments
                    for part in atom.arguments:
                        sharp += [abs(c) for _, c in part.terms]
                        if part.terms and part.constant and isfinite(part.constant):
                            found |= {-part.constant / c for _, c in part.terms}
        return found, sharp or [1.0]

    @cached_property
    def knots(self) -> list[float]:
        """Numbers at which the formula may bend, and some around them."""
        found, sharp = self.bends
        around = {s / w for w in {max(sharp), min(sharp)} for s in (-8, -3, -1, -0.3, 0.3, 1, 3, 8)}
        known = found | {k + x for k in found for x in around}
        if not self.difference_only:  # a plane of cells: not too many
            known = found | {s / max(sharp) for s in (-3, -1, 1, 3)}
            if len(known) > 16:
                known = set(sorted(found)[:: max(1, len(found) // 8)])
        return sorted(k for k in known if isfinite(k))

    def point(self, c: float, i: float) -> float:
        """Return the loss at a pair of energies; at a typical value of what the data say."""
        box = Box({C: (c, c), I: (i, i)})
        return look(self._typical, box).value[1]

    def defined(self, c: float, i: float) -> bool:
        """Return whether the loss has a value at a pair of energies."""
        return not look(self._typical, Box({C: (c, c), I: (i, i)})).outside

    @cached_property
    def _typical(self) -> Sum:
        return self.at(self.settings[0])

    # -- infima

    def infimum(self, setting: Mapping[str, Range]) -> Least:
        e, ranges = self.ranges()
        e = a.substitute(e, {n: a.number(r[0]) for n, r in setting.items()})
        return least(_values(e, self.names), cells(self.knots, ranges))

    def flat(self, setting: Mapping[str, Range]) -> tuple[Sum, Least]:
        """Return the loss where the energy does not change, and its infimum."""
        e = self.at(setting)
        if self.names != (C, I):
            e = a.substitute(e, dict.fromkeys(self.names, a.number(0)))
            value = e.constant
            return e, Least(value, value, (0.0, 0.0), (value, (0.0, 0.0)))
        e = a.substitute(e, {I: a.leaf(C)})
        ranges = [self.span if e.has(C) else (0.0, 0.0)]
        return e, least(_values(e, (C,)), cells(self.knots, ranges))

    def least_flat(self, e: Sum, level: float) -> Interval | None:
        """Return at which flat energies the loss is not above a level."""
        if not e.has(C):
            return self.energies if e.constant <= level + 1e-9 else None
        low, high = self.span
        at = [low, high, *(k for k in self.knots if low < k < high)]
        value = _values(e, (C,))
        met = [x for x in at if _reaches(value(((x, x),)), level)]
        return Interval(min(met), max(met)) if met else None

    def attained(self, found: Least, setting: Mapping[str, Range]) -> bool | None:
        """Return whether an infimum is reached at finite energies."""
        if not found.is_known:
            return None
        value, at = found.finite
        if not at or not close(value, found.low):
            return False
        seen = look(self.at(setting), Box(self.box(tuple((x, x) for x in at)), self.names))
        low, high = self.span
        for x, (left, right) in zip(at, seen.slopes, strict=True):
            if not ((left <= 0 or x == low) and (right >= 0 or x == high)):
                return False  # it goes on falling, by less than is seen
        return True

    # -- the margin

    def pushes(self, margin: float) -> bool | None:
        """Return whether dQ/dE_C > dQ/dE_I all along E_C + margin = E_I."""
        u, s = a.leaf("u"), a.leaf("s")
        new = {C: a.plus(s, u), I: a.combine([(s, 1.0), (u, -1.0)], margin)}
        low, high = self.span
        if high - low < margin:
            return None
        for setting in self.settings:
            e = _turned(a.substitute(self.at(setting), new), "u")
            over = e.has("s") and any(
                isinstance(x, Node) and any(p.has("s") for p in x.arguments) for x, _ in e.terms
            )
            ranges: list[Range] = [(low, high - margin) if over else (0.0, 0.0)]

            def slope(cell: Cell, e: Sum = e) -> Range:
                box = Box({"s": cell[0], "u": (0.0, 0.0)}, ("u",))
                return look(e, box).slopes[0]

            if low > -inf and not self._asks(setting, margin):
                return False
            found = least(slope, cells(self.knots, ranges), above=0.0)
            if found.low > 0 or (found.low == 0 and found.finite[0] > 0 and found.high == 0):
                continue
            return False if found.high <= 0 else None
        return True

    def _asks(self, setting: Mapping[str, Range], margin: float) -> bool:
        """Return whether a wrong answer this far above one of least energy could be worse."""
        low = self.energies.low
        at = Box({C: (low, low), I: (low + margin, low + margin)}, (C, I))
        seen = look(self.at(setting), at)
        return seen.slopes[1][1] < 0 or seen.value[0] > self.infima[0].high + 1e-9

    @cached_property
    def infima(self) -> list[Least]:
        """The infimum at each setting of what the data say."""
        return [self.infimum(s) for s in self.settings]

    def margin(self, wrong: Range) -> float | None:
        """Return the gap that minimising asks for; see `LossFacts`."""
        if self.names != (C, I) or wrong == (0.0, 0.0):
            return None
        size = max([1.0, *map(abs, self.knots)])
        low, high = self.span
        most = min(30 * size, high - low)
        if not self.pushes(JUST * size):
            back = look(self.at(self.settings[0]), Box({C: (0.5, 0.5), I: (0.5, 0.5)}, (C, I)))
            return 0.0 if back.slopes[0][1] >= 0 >= back.slopes[1][0] else None
        met, until = JUST, most
        for k in sorted(k for k in (*self.knots, most) if 0 < k <= most):
            if self.pushes(max(k - JUST * size, JUST)):
                met = k
                if k < most and not self.pushes(k + JUST * size):
                    return self._round(k)
            else:
                until = k
                break
        else:
            return inf
        for _ in range(30):
            middle = (met + until) / 2
            met, until = (middle, until) if self.pushes(middle) else (met, middle)
        return self._round(met)

    def _round(self, margin: float) -> float:
        """Return a margin without what is left of a search: a bend that is near, or 8 digits."""
        near = min(self.bends[0], key=lambda k: abs(k - margin))
        return near if abs(near - margin) <= JUST * margin else float(f"{margin:.8g}")

    # -- together

    def facts(
        self, regions: tuple[str, ...], notes: dict[str, str], soft: bool, formula: Formula
    ) -> LossFacts:
        """Return the facts, each with its reason."""
        notes = dict(notes)
        answer, wrong, undefined = self.slopes()
        sort = "decoded" if self.value.has(BEST) else "energies"
        if self.names != (C, I):
            sort = "derivatives"
        infima = self.infima
        flats = [self.flat(s) for s in self.settings]
        is_least = _all_same([_compare(f, i) for (_, f), i in zip(flats, infima, strict=True)])
        needs = undefined
        if sort == "energies" and not self.difference_only:
            above = self.slopes((0.0, inf))
            whole = self.slopes((-inf, inf))
            needs = (above[0][0] >= 0 > whole[0][0]) or (above[1][1] <= 0 < whole[1][1])
            needs |= whole[2]
        levels = None
        if is_least and infima[0].is_known:
            levels = self.least_flat(flats[0][0], infima[0].high)
        margin = self.margin(wrong) if sort == "energies" else None
        if sort == "derivatives" and wrong[1] > 0:
            notes["hill"] = "it falls where the energy is curved down at the answer"
        bounded = _all_same([i.low > -inf if i.is_known or i.low > -inf else None for i in infima])
        none: Range = (0.0, 0.0)
        slopes = (none, none) if sort != "energies" else (answer, wrong)
        alone = look(self.alone, Box({C: self.span, I: self.span}, (C,))).slopes[0]
        return LossFacts(
            slope_answer=Interval(*slopes[0]),
            slope_wrong=Interval(*slopes[1]),
            difference_only=self.difference_only if sort == "energies" else None,
            convex=self.convex(),
            smooth=self.smooth(self.value),
            needs_non_negative=needs,
            attained=_all_same(
                [self.attained(i, s) for i, s in zip(infima, self.settings, strict=True)]
            ),
            flat_is_least=is_least,
            margin=margin,
            normalisable=soft,
            regions=regions,
            bounded=bounded,
            least_flat=levels,
            slope_alone=Interval(*alone) if sort == "energies" else Interval(0.0, 0.0),
            sort=sort,  # type: ignore[arg-type]
            notes=notes,
            reasons={word: (Reason(text, formula.span),) for word, text in notes.items()},
        )

    def convex(self) -> bool | None:
        """Return whether it is convex in what it looks at."""
        e, ranges = self.ranges()
        known = {**self.data, **self.box(tuple(ranges))}
        found = curvature(e, self.names, known)
        if found in (0, 1):
            return True
        size = 4 * max([1.0, *map(abs, self.knots)])
        ends = {n: (max(r[0], -size), min(r[1], size)) for n, r in self.box(tuple(ranges)).items()}
        falls = any(falls_above_chord(e, self.names, ends, s) for s in self.settings)
        return False if falls or found == -1 else None

    def smooth(self, e: Sum) -> bool:
        """Return whether its slopes are continuous, where it is defined."""
        for atom, _ in e.terms:
            if isinstance(atom, Leaf) or not any(x.has(*self.names) for x in atom.arguments):
                continue
            if atom.operator in ("max", "choice"):
                return False
            inside = atom.arguments
            if atom.operator == "power" and atom.number > 1 and _is_part(atom.arguments[0]):
                inner = atom.arguments[0].terms[0][0]
                assert isinstance(inner, Node)
                inside = inner.arguments
            if not all(map(self.smooth, inside)):
                return False
        return True


def _turned(e: Sum, name: str) -> Sum:
    """Return a formula with log(1 + exp(x)) as x + log(1 + exp(-x)) where that makes it shorter.

    Its slope u - u / (1 + exp(-x)) would be lost in rounding.
    """
    for atom, c in e.terms:
        if not isinstance(atom, Node) or atom.operator != "lse" or len(atom.arguments) != 2:
            continue
        x = atom.arguments[1]
        other = Node("lse", (a.number(0), a.scaled(x, -1.0)))
        parts = [(e, 1.0), (Sum(0.0, ((atom, 1.0),)), -c), (Sum(0.0, ((other, 1.0),)), c), (x, c)]
        new = a.combine(parts)
        if len(new.terms) < len(e.terms) and any(leaf.name == name for leaf in x.leaves):
            e = new
    return e


def _is_part(e: Sum) -> bool:
    """Return whether a sum is the positive part of something: 0 where it has its kink."""
    if len(e.terms) != 1 or e.constant:
        return False
    atom = e.terms[0][0]
    return isinstance(atom, Node) and atom.operator == "max"


def _typical(r: Range, times: float) -> float:
    low, high = r
    if isfinite(low) and low > 0:
        return min(low * times, high)
    if low <= 1 <= high and times == 1:
        return 1.0
    return min(max(0.4 * times, low), high)


def _values(e: Sum, names: tuple[str, ...]) -> Callable[[Cell], Range]:
    """Return the range of a formula as a function of a cell."""

    def value(cell: Cell) -> Range:
        seen: Seen = look(e, Box(dict(zip(names, cell, strict=True)), names))
        if all(low == high for low, high in cell):
            return ALL if seen.outside else seen.value
        if all(map(isfinite, seen.value)) or seen.outside:
            return seen.value
        # what does not change far out is as at the near end
        corner = [x if isfinite(x) else y if isfinite(y) else 0.0 for x, y in cell]
        found = look(e, Box({n: (x, x) for n, x in zip(names, corner, strict=True)})).value
        for slope, (low, high), x in zip(seen.slopes, cell, corner, strict=True):
            found = add(found, times(slope, (low - x, high - x)))
        return meet(seen.value, found)

    return value


def _reaches(value: Range, level: float) -> bool:
    return value[0] == value[1] and (value[1] <= level or close(value[1], level))


def _compare(flat: Least, all_: Least) -> bool | None:
    """Return whether one infimum is the other, which is no greater."""
    if flat.high <= all_.low or close(flat.high, all_.low):
        return True
    if flat.low > all_.high and not close(flat.low, all_.high):
        return False
    return None


def _all_same(found: list[bool | None]) -> bool | None:
    return found[0] if all(x == found[0] for x in found) else None
