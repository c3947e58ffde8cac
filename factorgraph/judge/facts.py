"""What is known of a loss, and of an energy, before any training; each fact with its reason.

A fact is None where it could not be decided. Verdicts are made of facts alone (`judge.verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any, Literal

from factorgraph.source import Span, squeezed
from factorgraph.value import Value

Exactness = Literal["exact", "over-generating", "under-generating", "approximate"]


@dataclass(eq=False, repr=False)
class Reason(Value):
    """Why a fact holds, or a rule was applied.

    Attributes
    ----------
    text : one sentence, without a full stop.
    span : the formula, factor, param or map that it comes from.
    """

    text: str
    span: Span | None = field(default=None, compare=False)

    def __str__(self) -> str:
        """Return the sentence with its place."""
        if self.span is None:
            return self.text
        return f"{self.text} ({self.span.source.name}:{self.span.line}: {squeezed(self.span.text)})"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        if self.span is None:
            return {"text": self.text, "file": None, "line": None, "source": None}
        span = self.span
        return {
            "text": self.text,
            "file": span.source.name,
            "line": span.line,
            "source": squeezed(span.text),
        }


@dataclass(frozen=True)
class Interval:
    """A closed range of numbers; ends may be infinite."""

    low: float = -inf
    high: float = inf


@dataclass(frozen=True)
class LossFacts:
    """What a formula alone tells, as a function Q of E_C = E(answer) and E_I = E(wrong).

    Attributes
    ----------
    slope_answer, slope_wrong : the range of dQ/dE_C and of dQ/dE_I over all energies.
    difference_only : whether Q is a function of E_C - E_I (of differences of energies, where it
        looks at more of them than these two).
    convex : in the energies that it looks at.
    smooth : whether the slopes are continuous.
    needs_non_negative : whether descent pushes the answer's energy the wrong way below 0.
    attained : whether Q's infimum is reached at finite energies.
    bounded : whether that infimum is finite.
    flat_is_least : whether energies that are equal for every answer reach Q's infimum
        (Q(e, e) = inf Q for some e).
    least_flat : from the least to the greatest such e; None where there is none.
    slope_alone : the range of dQ/dE_C where what is taken over all (E or free of `any`) does not
        change with the weights, as where the answer is no more than moved.
    margin : the m' for which minimising Q asks for E_C + m' < E_I: 0 where it asks for none,
        ``inf`` where any positive gap lowers it further, None where it asks for nothing at all.
    normalisable : whether it needs the sum over all configurations (free over `any`).
    regions : what it looks at: ``answer``, ``any``, ``wrong``, ``only``, ``pin``, ``sample``,
        ``draw``, ``best``, ``jitter``, ``grad``, ``laplace``.
    sort : what it is a function of: ``energies``; ``derivatives`` of the energy in real answers
        (then flat energies are those whose derivatives are 0); the ``decoded`` answer itself.
    notes : what the formula of two energies does not say, by a word: ``near`` (wrong answers far
        from the data are never looked at), ``mean`` (true in the mean over draws), ``mixed``
        (several energies), ``best``, ``trained`` (reads weights itself), ``weighed`` (weights
        stand in one term with energies), ``weight`` (data that multiply energies are taken to be
        above 0), ``hill`` (it asks for less curvature at the answer).
    reasons : by the name of a fact.
    """

    slope_answer: Interval
    slope_wrong: Interval
    difference_only: bool | None
    convex: bool | None
    smooth: bool | None
    needs_non_negative: bool
    attained: bool | None
    flat_is_least: bool | None
    margin: float | None
    normalisable: bool
    regions: tuple[str, ...]
    bounded: bool | None = None
    least_flat: Interval | None = None
    slope_alone: Interval = Interval()
    sort: Literal["energies", "derivatives", "decoded"] = "energies"
    notes: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, tuple[Reason, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Witness:
    """Weights at which the energy does not depend on the answer.

    Attributes
    ----------
    weights : by the name of its array, ``param`` or ``map.layer.W``, what all its entries are set
        to; nan where they are equal and sum to 1 along the last axis.
    level : the energy there, constant in the answer (0 for a norm); None where it depends on the
        data, ``-inf`` where it falls without end as the weights go on.
    spread : greatest difference of the energy over answers, evaluated on random data; None where
        it was not evaluated.
    energy : an energy seen in that evaluation.
    """

    weights: dict[str, float]
    reasons: tuple[Reason, ...] = ()
    level: float | None = None
    spread: float | None = None
    energy: float | None = None


@dataclass(frozen=True)
class EnergyFacts:
    """What the factors' expressions tell, for all weights that the constraints allow.

    Attributes
    ----------
    range : of the energy; that of hard factors aside.
    width : a bound of the difference between the energies of two answers.
    trainable : whether there is anything to train.
    finite : whether the answers are finitely many.
    rigid : whether the answer enters through no trainable weight or map: the energy is a fixed
        function of the distance between the answer and something that does not read it.
    fixed_codes : whether it is rigid, and finite answers select the vectors it is compared with.
    code_distance : where finite answers select fixed codes, or are numbers: the least squared
        distance between two of them; 0 where two are equal, None where data tell it, or there
        are none.
    degree : of the energy as a polynomial in the weights; None where it is none.
    homogeneous : whether all of its terms that weights enter have that degree.
    normalised : whether the exponentiated energies sum to one number over what is modelled, for
        all weights (to less, where hard factors or bounds take some away).
    bounded_codes : whether latent codes are bounded and decoders' columns have unit length.
    contrast : where finite answers choose among fixed functions of one trained number: how far
        the wrong ones' energies are above where the answer's is least; None where they do not.
    moved : whether weights meet answers in a factor, or latents that lead to answers, so that
        training can move the energy of one answer against another's.
    all_positive : whether the data contrast pairs of which only alike ones are named.
    exactness : of the inference that will be chosen, with its reason.
    mean_field_free : whether a free energy over `any` is asked for by mean field.
    normalisable : whether exp(-energy) can be summed or integrated over all answers.
    witness : weights that make the energy constant in the answer, if there are such.
    reasons : by the name of a fact.
    """

    range: Interval
    width: float
    trainable: bool
    finite: bool
    rigid: bool | None
    fixed_codes: bool
    code_distance: float | None
    degree: int | None
    homogeneous: bool
    normalised: bool
    bounded_codes: bool
    contrast: float | None
    moved: bool
    all_positive: bool
    exactness: Exactness
    mean_field_free: bool
    normalisable: bool | None
    witness: Witness | None
    reasons: dict[str, tuple[Reason, ...]] = field(default_factory=dict)


Word = Literal["SAFE", "SAFE BY ARCHITECTURE", "WEAK", "UNSAFE", "ERROR", "UNKNOWN"]


@dataclass(frozen=True)
class Verdict:
    """The judgement of a loss on a model.

    Attributes
    ----------
    word : stands alone on its line.
    margin : of SAFE: the m' that is asked for; ``inf`` where any gap lowers the loss.
    reasons : what it follows from, in order.
    loss, energy : the facts.
    """

    word: Word
    reasons: tuple[Reason, ...]
    loss: LossFacts
    energy: EnergyFacts
    margin: float | None = None

    @property
    def stops(self) -> bool:
        """Whether training is refused unless the user insists."""
        return self.word in ("UNSAFE", "ERROR")

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "verdict": self.word,
            "margin": "inf" if self.margin == inf else self.margin,
            "reasons": [r.as_dict() for r in self.reasons],
        }
