"""The verdict: what facts about a loss and an energy say of what minimising leads to.

Minimising a loss Q makes the answer's energy E_C less than that of the best wrong answer, E_I, by a
margin m, if the least value of Q is not met where the energy is the same for every answer, and

- (A) along E_C + m = E_I the slope in E_C is greater than that in E_I,
- (B) Q is convex, or its slope in E_C is nowhere below 0 and that in E_I nowhere above, and
- (C) some weights move E_C and E_I apart.

Where flat energies are least, the energy itself may rule them out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING

from factorgraph.judge.condition import grid, holds
from factorgraph.judge.energy import energy_facts
from factorgraph.judge.facts import EnergyFacts, Interval, LossFacts, Reason, Verdict, Word
from factorgraph.judge.interval import Ranges
from factorgraph.judge.loss import Study, loss_facts
from factorgraph.judge.rewrite import rewrite
from factorgraph.judge.terms import reads_answer
from factorgraph.model.expression import Apply, Expr, MapRead, walk
from factorgraph.model.loss import Formula
from factorgraph.model.model import Model
from factorgraph.source import Span

if TYPE_CHECKING:
    from factorgraph.data.instances import Instances

ABOVE = Interval(0.0, inf)
FAR, NEAR = 1e6, 1e-3


def judge(model: Model, formula: Formula) -> Verdict:
    """Return whether minimising a loss will make a model decide well.

    Parameters
    ----------
    model, formula : checked.
    """
    energy = energy_facts(model, formula)
    loss = loss_facts(model, formula, energy.range)
    found = verdict(loss, energy, model, formula)
    if found.word == "UNSAFE" and energy.witness is not None:
        from factorgraph.judge.trial import shown

        energy = replace(energy, witness=shown(model, energy.witness))
        found = verdict(loss, energy, model, formula)
    return found


def judge_with(before: Verdict, model: Model, formula: Formula, instances: Instances) -> Verdict:
    """Return a verdict with what data tell: codes that they hold, labels that never change."""
    from factorgraph.judge.bound import with_data

    energy = with_data(model, before.energy, instances)
    old = before.energy
    if (energy.code_distance, energy.all_positive) == (old.code_distance, old.all_positive):
        return before
    return verdict(before.loss, energy, model, formula)


def verdict(loss: LossFacts, energy: EnergyFacts, model: Model, formula: Formula) -> Verdict:
    """Return what facts come to."""
    return _Judge(loss, energy, model, formula).verdict()


@dataclass(frozen=True)
class _Judge:
    """The rules in their order; each gives a verdict or passes on."""

    loss: LossFacts
    energy: EnergyFacts
    model: Model
    formula: Formula

    def verdict(self) -> Verdict:
        rules = (
            self.untrained, self.sign, self.errors, self.mixed, self.weighed, self.derivatives,
            self.decoded, self.pushed_down, self.rigid, self.flat, self.safe,
        )  # fmt: skip
        for rule in rules:
            found = rule()
            if found is not None:
                return self.never(found)
        return self.overturned() or self.unknown()

    def never(self, found: Verdict) -> Verdict:
        """Return WEAK in place of SAFE where answers always tie, or one never wins."""
        if not self.energy.trainable or not found.word.startswith("SAFE"):
            return found
        from factorgraph.judge.beaten import beaten

        seen = beaten(self.model)
        if seen is None:
            return found
        return replace(found, word="WEAK", reasons=(seen, *found.reasons), margin=0.0)

    # -- words

    @property
    def span(self) -> Span:
        return self.formula.span

    def say(self, text: str) -> Reason:
        """Return a reason that comes from the formula."""
        return Reason(text, self.span)

    def told(self, fact: str, text: str) -> tuple[Reason, ...]:
        """Return what is known of a fact of the energy, or a sentence where nothing is."""
        return self.energy.reasons.get(fact) or (Reason(text, self._factor),)

    @property
    def _factor(self) -> Span | None:
        return next((f.span for f in self.model.factors.values()), None)

    def out(self, word: Word, *reasons: Reason, margin: float | None = None) -> Verdict:
        return Verdict(word, reasons, self.loss, self.energy, margin)

    def slopes(self) -> Reason:
        c, i = self.loss.slope_answer, self.loss.slope_wrong
        return self.say(
            f"its slope in the answer's energy is {_range(c)}, in the best wrong answer's "
            f"{_range(i)}"
        )

    @property
    def monotone(self) -> bool:
        """Whether it never pushes an energy the wrong way."""
        return self.loss.slope_answer.low >= 0 >= self.loss.slope_wrong.high

    @property
    def runs_away(self) -> bool:
        """Whether energies that rise together, the answer's above another's, lower the loss."""
        together, apart = self.value(FAR + NEAR, FAR), self.value(0.0, 0.0)
        return together < apart - 1e-9 * max(1.0, abs(apart))

    @property
    def ignores_wrong(self) -> bool:
        return self.loss.slope_wrong == Interval(0.0, 0.0)

    # -- rules

    def untrained(self) -> Verdict | None:
        if self.energy.trainable:
            return None
        return self.out("SAFE BY ARCHITECTURE", Reason("there is nothing to train", self._factor))

    def sign(self) -> Verdict | None:
        """A loss that pushes an energy the wrong way, whatever it is."""
        loss = self.loss
        if loss.needs_non_negative and self.energy.range.low < 0:
            loss = loss_facts(self.model, self.formula, ABOVE)
        if loss.sort == "derivatives" and "hill" in loss.notes:
            return self.out("UNSAFE", self.say(loss.notes["hill"]))
        if loss.sort != "energies":
            return None
        c, i = loss.slope_answer, loss.slope_wrong
        if c.low < 0 and c.high <= 0:
            return self.out(
                "UNSAFE",
                self.say("it pushes the answer's energy up: its slope there is " + _range(c)),
                self.say("is a sign wrong? E(answer) is to fall, E(wrong) and E(any) to rise"),
            )
        if i.high > 0 and i.low >= 0:
            return self.out(
                "UNSAFE",
                self.say("it pulls the energy of the best wrong answer down: its slope there is "
                         + _range(i)),
                self.say("is a sign wrong? E(answer) is to fall, E(wrong) and E(any) to rise"),
            )  # fmt: skip
        return None

    def errors(self) -> Verdict | None:
        """What has no sense together."""
        loss, energy = self.loss, self.energy
        if self.undefined_where_right:
            return self.out(
                "ERROR",
                self.say("it has no value where the answer is the best: the logarithm (or root) of "
                         "a negative number there"),
                self.say("is a sign wrong? a gap that is above 0 where answers are right is "
                         "E(wrong) - E(answer)"),
            )  # fmt: skip
        if loss.needs_non_negative and energy.range.low < 0:
            low = "has no lower bound"
            if energy.range.low > -inf:
                low = f"can be as low as {energy.range.low:g}"
            return self.out(
                "ERROR",
                self.say("where the answer's energy is below 0 this loss pushes it up: it needs "
                         "energies that are never negative"),
                *self.told("range", f"the energy {low}"),
                self.say("square the energy or use softplus, or take a loss of differences: "
                         "hinge, nll"),
            )  # fmt: skip
        if energy.mean_field_free:
            return self.out(
                "ERROR",
                *self.told("mean_field_free", "mean field bounds the sum over all from below"),
                self.say("take an exact sum, `by = trbp`, or a loss that needs no sum"),
            )
        if loss.normalisable and energy.normalisable is False:
            return self.out(
                "ERROR",
                self.say("it sums exp(-E) over all answers, and that sum is infinite"),
                *self.told("normalisable", "the energy does not grow with the answer"),
            )
        asked = loss_facts(self.model, self.formula).margin  # within the range it asks for any gap
        if asked is not None and energy.width < asked < inf:
            return self.out(
                "ERROR",
                self.say(f"it asks for a margin of {asked:g}"),
                *self.told("width", "and the energies of two answers differ by at most "
                           f"{energy.width:g}"),
                self.say("take a smaller margin, or widen the energy's range"),
            )  # fmt: skip
        if self.model.answers and not energy.moved:
            return self.out(
                "ERROR",
                Reason("no weight moves the energy of one answer against another's: training "
                       "cannot change what is answered", self._factor),
            )  # fmt: skip
        if energy.all_positive and self.ignores_wrong:
            return self.out("ERROR", *self.told("all_positive", "only alike pairs are named"))
        return None

    def mixed(self) -> Verdict | None:
        if "mixed" not in self.loss.notes:
            return None
        text = "so one answer's and one wrong answer's energy do not tell what it is"
        return self.unknown(self.say(f"{self.loss.notes['mixed']}, {text}"))

    def weighed(self) -> Verdict | None:
        """Weights that multiply energies, or are compared with them."""
        if "weighed" not in self.loss.notes:
            return None
        return self.out("UNKNOWN", self.say(self.loss.notes["weighed"]))

    def derivatives(self) -> Verdict | None:
        if self.loss.sort != "derivatives":
            return None
        if self.loss.flat_is_least is None:
            return self.unknown()
        for factor in self.model.factors.values():
            if any(_bends(self.model, e) for e in walk(factor.value)):
                text = f"factor `{factor.name}` has kinks in the answer, and no curvature beside"
                return self.out(
                    "UNKNOWN",
                    self.say("it looks at derivatives of the energy in the answers"),
                    Reason(f"{text} them: derivatives do not tell where it is least", factor.span),
                )
        if self.loss.flat_is_least:
            return self.collapse("an energy without slope is all that it asks for")
        return self.out(
            "SAFE",
            self.say("an energy that is flat at the answer is not least: it asks for slopes or "
                     "curvature there"),
            self.say("it looks near the answers only, and says nothing of how deep valleys are "
                     "that are far apart"),
        )  # fmt: skip

    def decoded(self) -> Verdict | None:
        if self.loss.sort != "decoded":
            return None
        return self.out(
            "SAFE",
            self.say("it compares the decoded answer itself with the right one; no margin is "
                     "asked for"),
        )  # fmt: skip

    def pushed_down(self) -> Verdict | None:
        """A loss that only pushes the answer's energy down, such as `energy`."""
        loss, energy = self.loss, self.energy
        if not self.ignores_wrong or not (loss.slope_answer.low >= 0 < loss.slope_answer.high):
            return None
        first = self.say("it only pushes the answer's energy down, and pushes no wrong answer up")
        if energy.fixed_codes and energy.code_distance == 0:
            return self.out("UNSAFE", first, *self.told("code_distance", "two codes are equal"))
        if energy.fixed_codes:
            return self.by_architecture(
                first, "code_distance", "answers have fixed codes, and those differ: what is near "
                "one of them is far from the others")  # fmt: skip
        if energy.rigid:
            return self.by_architecture(
                first, "rigid", "the energy is a fixed function of a distance to the answer: it is "
                "moved, never flattened")  # fmt: skip
        if energy.contrast and loss.bounded is False:
            return self.out(
                "WEAK", first, self.without_end,
                *self.told("range", "the energy has no lower bound"), margin=0.0)  # fmt: skip
        if energy.contrast:
            return self.by_architecture(
                first, "contrast", "where the answer's energy is least the others' are above it"
            )
        if energy.normalised:
            return self.by_architecture(
                first, "normalised", "the factors are normalised: what gets likelier makes all "
                "else less likely")  # fmt: skip
        if energy.bounded_codes:
            return self.by_architecture(
                first, "bounded_codes", "codes are bounded: only so much can have a low energy"
            )
        found = energy.witness
        if found is not None and (found.level is None or found.level <= energy.range.low):
            return self.collapse()
        if loss.bounded is False:
            return self.out(
                "UNSAFE",
                first,
                self.say("it falls without end, whatever becomes of the wrong answers"),
                *self.told("range", "the energy has no lower bound"),
            )
        text = "no weights were found at which the energy is the same for every answer"
        return self.out("UNKNOWN", first, Reason(text, self._factor), *self.sampled())

    def by_architecture(self, first: Reason, fact: str, text: str) -> Verdict:
        """Return that the energy helps, if the loss tells its least values from others."""
        flat = self.plateau
        if flat > 0:
            said = (
                f"it does not tell energies of the answer below {self.least + flat:.3g} apart: "
                "there a wrong answer may be the best"
                if self.ignores_wrong
                else f"it does not tell an answer that is right from one that a wrong answer is "
                f"below by up to {flat:.3g}"
            )
            return self.out("WEAK", self.say(said), *self.told(fact, text), margin=0.0)
        return self.out("SAFE BY ARCHITECTURE", first, *self.told(fact, text))

    def rigid(self) -> Verdict | None:
        """Real answers at fixed distances: all losses that pull the energy there are alike."""
        loss, energy = self.loss, self.energy
        if not energy.rigid or energy.fixed_codes or energy.finite or not self.monotone:
            return None
        if loss.slope_alone.high <= 0 and not loss.margin:
            return None
        if self.saturated and self.loss.flat_is_least is not False:
            return None
        if energy.range.high == inf and self.runs_away:
            return self.out(
                "UNSAFE",
                self.say("it is less where the energies of all answers are high than where the "
                         "answer's is least: answers are left behind"),
                self.slopes(),
            )  # fmt: skip
        return self.by_architecture(
            self.slopes(), "rigid", "the energy is a fixed function of a distance to the answer: "
            "it is moved, never flattened")  # fmt: skip

    def flat(self) -> Verdict | None:
        """Equal energies reach the least value of the loss."""
        if not self.loss.flat_is_least:
            return None
        both = self.loss.slope_answer.high > 0 > self.loss.slope_wrong.low
        if not self.monotone or not both:
            return self.collapse()
        if self.loss.bounded is False:
            rises = self.value(self.least + 1, self.least + 1) < self.value(self.least, self.least)
            way = "rise" if rises else "fall"
            text = f"it falls without end where all energies {way} together"
        elif self.wrong_is_least:
            return self.out(
                "UNSAFE",
                self.say("its least value is also met where a wrong answer is the best"),
                self.slopes())  # fmt: skip
        else:
            text = "equal energies already have its least value: it asks for no margin"
        return self.out("WEAK", self.say(text), *self.named(), *self.saturated, margin=0.0)

    def named(self) -> tuple[Reason, ...]:
        """Return the reasons of the witness, where there is one."""
        found = self.energy.witness
        if found is None:
            return ()
        more: tuple[Reason, ...] = ()
        if found.spread is not None:
            text = f"on random data it differs there by {found.spread:.1g} from answer to answer"
            more = (Reason(text, found.reasons[0].span),)
        return (*found.reasons, *more)

    def collapse(self, text: str | None = None) -> Verdict:
        slope = self.loss.slope_answer
        if text is not None:
            first = text
        elif not self.ignores_wrong:
            first = "an energy that is the same for every answer has its least value"
        elif slope == Interval(0.0, 0.0):
            first = "it is the same whatever the energies are"
        else:
            pulls = slope.low >= 0
            does = (
                "only pushes the answer's energy down" if pulls else "sees the answer's energy only"
            )
            first = f"it {does}, and pushes no wrong answer up"
        return self.out("UNSAFE", self.say(first), *self.named())

    def safe(self) -> Verdict | None:
        """Rules (A) to (C)."""
        loss = self.loss
        if loss.flat_is_least is not False:
            return None
        if loss.margin is None:
            return self.against()
        if loss.margin == 0:
            return self.out(
                "WEAK", self.say("it asks for no margin: answers may be right by nothing"),
                self.slopes(), margin=0.0)  # fmt: skip
        if not (loss.convex or self.monotone):
            return None
        near = self.energy.code_distance if self.energy.fixed_codes else None
        if near is not None and near < loss.margin < inf and not loss.difference_only:
            text = f"squared distances of codes go down to {near:.3g}, below the margin"
            return self.unknown(self.say(f"it asks for a margin of {loss.margin:g}"),
                                Reason(text, self._factor))  # fmt: skip
        if loss.margin == inf:
            text = "any wider gap between E(answer) and the wrong answers' energies lowers it"
        else:
            text = f"it asks for E(answer) + {loss.margin:g} <= E(wrong)"
        reasons = [self.say(text), self.slopes()]
        reasons += [
            self.say(loss.notes[w]) for w in ("mean", "weight", "trained") if w in loss.notes
        ]
        if not loss.convex:
            seen = "seen to be " if loss.convex is None else ""
            reasons.append(
                self.say(
                    f"it is not {seen}convex: where answers are far from right it may have no "
                    "slope, so start with the weights of a loss that is"
                )
            )
        if "near" in loss.notes:
            return self.out("WEAK", self.say(loss.notes["near"]), *reasons, margin=loss.margin)
        if self.falls:
            return self.out("WEAK", self.without_end, *reasons, margin=loss.margin)
        return self.out("SAFE", *reasons, *self.inference(), margin=loss.margin)

    def against(self) -> Verdict | None:
        """No margin is met: the least values are where the answer is not the best."""
        pairs = grid(self.energy.range)
        for margin in (0.01, 0.5):
            if holds(self.value, margin, pairs) is not False:
                return None
        return self.out(
            "UNSAFE", self.say("its least values are where a wrong answer is better than the "
                               "right one"), self.slopes())  # fmt: skip

    def overturned(self) -> Verdict | None:
        """Weights were met at which a wrong answer is the best, and the loss as low as it gets."""
        from factorgraph.judge.sample import lost

        if self.loss.sort != "energies" or not self.study.names:
            return None
        low = min(found.low for found in self.study.infima)
        pair = None if low == -inf else lost(self.model, self.value, low)
        if pair is None:
            return None
        text = f"random weights on random data reach E(answer) = {pair[0]:.3g}"
        return self.out(
            "UNSAFE",
            self.say(f"its least value, {low:g}, is also met where a wrong answer is the best"),
            self.slopes(),
            Reason(f"{text}, E(wrong) = {pair[1]:.3g}: there it is {low:g}", self._factor),
        )

    def inference(self) -> list[Reason]:
        """Return what inference that is not exact does to a loss that is safe with an exact one."""
        looks = {"any", "wrong", "only"} & set(self.loss.regions)
        if self.energy.exactness != "under-generating" or not looks:
            return []
        text = "the best wrong answer may be missed, and then it is not pushed up"
        return [*self.energy.reasons.get("exactness", ()), Reason(text, None)]

    # -- in numbers

    @cached_property
    def study(self) -> Study:
        found = rewrite(self.model, self.formula)
        return Study(found.value, found.alone, self.energy.range)

    def value(self, c: float, i: float) -> float:
        return self.study.point(c, i)

    @property
    def least(self) -> float:
        """The least energy that is known; 0 where it has no bound."""
        low = self.energy.range.low
        return low if low > -inf else 0.0

    @property
    def undefined_where_right(self) -> bool:
        """Whether the loss has values at wrong answers, and none where the answer is the best."""
        if self.loss.sort != "energies":
            return False
        ends = self.energy.range
        most = min(self.energy.width, ends.high - ends.low, 100.0)
        low = min(self.least, ends.high - most)
        gaps = [(low + most * b, most * g) for b in (0.0, 0.3) for g in (0.001, 0.1, 0.7)]
        return any(self.study.defined(e + g, e) for e, g in gaps) and not any(
            self.study.defined(e, e + g) for e, g in gaps
        )

    @cached_property
    def plateau(self) -> float:
        """How far a wrong answer may be the best, at the least energy, without a greater loss."""

        def told(gap: float) -> bool:
            return not self.value(self.least + gap, self.least) <= self.value(
                self.least, self.least + gap
            )

        if told(NEAR):
            return 0.0
        low, high = NEAR, FAR
        for _ in range(60):
            middle = (low * high) ** 0.5
            low, high = (low, middle) if told(middle) else (middle, high)
        return high

    @property
    def wrong_is_least(self) -> bool:
        """Whether the least value is also met where a wrong answer is the best by a little."""
        low = self.study.infima[0]
        if not low.is_known or (self.energy.fixed_codes and not self.loss.difference_only):
            return False
        return self.value(self.least + 10 * NEAR, self.least) <= low.high

    @property
    def falls(self) -> bool:
        """Whether the loss falls without end as the gap between right and wrong answers widens."""
        low, width = self.least, self.energy.width
        if self.loss.bounded is True:
            return False
        if width < inf:
            return self.value(low, low + width) == -inf
        if self.loss.bounded is False:
            return True
        ends = self.energy.range
        a, b, c = (self.value(max(ends.low, -g), min(ends.high, g)) for g in (1e3, 1e6, 1e9))
        return b < a - 1 and c < b - 1

    @property
    def without_end(self) -> Reason:
        return self.say("it falls without end: one answer that is far apart enough outweighs "
                        "others that are wrong")  # fmt: skip

    @cached_property
    def saturated(self) -> tuple[Reason, ...]:
        """Why the energy of answers that are far off is the same for all of them, if it is."""
        top = self.energy.range.high
        met = self.loss.least_flat
        if not self.energy.rigid or top == inf or (met is not None and met.high < top):
            return ()
        for factor in self.model.factors.values():
            for e in walk(factor.value):
                if isinstance(e, Apply) and e.operator in ("min", "tanh"):
                    far = any(Ranges(self.model)(x).high == inf for x in e.arguments)
                    if far and reads_answer(self.model, e):
                        text = (
                            f"far from the answer factor `{factor.name}` rises no more: there "
                            "energies are equal"
                        )
                        return (Reason(text, e.span),)
        return ()

    def unknown(self, *reasons: Reason) -> Verdict:
        """The rules do not decide: what a grid of energies says is added."""
        said = {
            True: "on a grid of energies the condition holds",
            False: "on a grid of energies the condition fails",
            None: "a grid of energies does not tell",
        }
        first = reasons or (self.say("the rules do not decide"),)
        if self.loss.sort != "energies" or "mixed" in self.loss.notes:
            return self.out("UNKNOWN", *first)
        found = holds(self.value, 0.1, grid(self.energy.range))
        return self.out(
            "UNKNOWN", *first, self.slopes(), self.say(said[found]), *self.sampled()
        )  # fmt: skip

    def sampled(self) -> tuple[Reason, ...]:
        """Return what energies at random weights say of the condition."""
        from factorgraph.judge.sample import outcome

        margin = self.loss.margin
        least = 0.1 if margin is None or not 0 < margin < inf else 0.95 * margin
        return (Reason(outcome(self.model, self.value, least)[1].text, self._factor),)


def _bends(model: Model, e: Expr) -> bool:
    """Return whether a part of an energy has kinks where the answer is changed."""
    if isinstance(e, Apply):
        return e.operator in ("abs", "min", "max") and reads_answer(model, e)
    if not isinstance(e, MapRead) or not reads_answer(model, e.body):
        return False
    todo, acts = [model.maps[e.name].layer], set()
    while todo:
        layer = todo.pop()
        acts.add(layer.act)
        todo += layer.layers
    return "relu" in acts


def _range(x: Interval) -> str:
    if x.low == x.high:
        return f"{x.low:g}"
    if x.low == -inf and x.high == inf:
        return "of any sign"
    if x.high == inf:
        return f"{x.low:g} or more"
    if x.low == -inf:
        return f"{x.high:g} or less"
    return f"between {x.low:g} and {x.high:g}"
