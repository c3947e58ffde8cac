"""What the factors of a model tell about its energy, without data."""

from __future__ import annotations

from math import inf

from factorgraph.judge.bounded import bounded_codes
from factorgraph.judge.contrast import contrast
from factorgraph.judge.degree import in_weights
from factorgraph.judge.facts import EnergyFacts, Exactness, Interval, Reason
from factorgraph.judge.flat import lowest_of_all, witness
from factorgraph.judge.growth import normalisable
from factorgraph.judge.interval import energy_range, factor_range
from factorgraph.judge.normalised import normalised
from factorgraph.judge.rigid import Rigid, rigid
from factorgraph.judge.shape import shape_of
from factorgraph.judge.terms import counts_answer, reads_answer, reads_weights
from factorgraph.model.expression import LengthOf, Spelling, UnknownRead, walk
from factorgraph.model.loss import Extremum, Formula, RegionEnergy
from factorgraph.model.model import Model
from factorgraph.model.region import Answer

_UNDER = frozenset("icm bps gibbs anneal temper expansion swap lbfgs fista hmc".split())
_OVER = frozenset("trws mplp dual ad3 trbp".split())
_LOOPY = frozenset("minsum sumproduct bp meanfield".split())
_MESSAGES = _OVER | {"minsum", "sumproduct", "bp", "bps"}


def energy_facts(model: Model, formula: Formula | None = None) -> EnergyFacts:
    """Return what the text alone tells about the energy.

    Parameters
    ----------
    formula : the loss, for what it asks of inference.
    """
    reasons: dict[str, tuple[Reason, ...]] = {}
    soft = energy_range(model, hard=False)
    reasons["range"] = _range_reasons(model, soft)
    fixed = rigid(model)
    reasons["rigid"] = fixed.reasons
    reasons["code_distance"] = _code_reasons(model, fixed)
    small, reasons["bounded_codes"] = bounded_codes(model, fixed, soft)
    sums_to_one, reasons["normalised"] = normalised(model)
    summable, reasons["normalisable"] = normalisable(model)
    apart, reasons["contrast"] = contrast(model)
    flat = None if fixed.rigid else witness(model, soft.low)
    if flat is not None:
        reasons["witness"] = flat.reasons
    found = in_weights(model)
    exactness, reasons["exactness"] = _exactness(model)
    alike, reasons["all_positive"] = _alike(model, soft.low)
    below, reasons["mean_field_free"] = _mean_field(model, formula)
    return EnergyFacts(
        range=soft,
        width=_width(model),
        trainable=bool(model.params or model.maps),
        finite=all(u.kind.sort != "real" for u in model.answers.values()),
        rigid=fixed.rigid,
        fixed_codes=bool(fixed.rigid and fixed.codes),
        code_distance=fixed.distance,
        degree=None if found is None else found.high,
        homogeneous=found is not None and found.low == found.high,
        normalised=sums_to_one,
        bounded_codes=small,
        contrast=apart,
        moved=_moved(model),
        all_positive=alike,
        exactness=exactness,
        mean_field_free=below,
        normalisable=summable,
        witness=flat,
        reasons={name: told for name, told in reasons.items() if told},
    )


def _range_reasons(model: Model, soft: Interval) -> tuple[Reason, ...]:
    if soft.low > -inf:
        return ()
    for factor in model.factors.values():
        if not factor.hard and factor_range(model, factor).low == -inf:
            return (Reason(f"factor `{factor.name}` has no lower bound", factor.span),)
    return ()


def _code_reasons(model: Model, fixed: Rigid) -> tuple[Reason, ...]:
    """Return what is known of the codes that answers have."""
    if not fixed.rigid or not fixed.codes:
        return ()
    span = next(f.span for f in model.factors.values() if reads_answer(model, f.value))
    if fixed.distance == 0:
        return (Reason("two answers have the same code", span),)
    apart = "data tell how far apart"
    if fixed.distance is not None:
        apart = f"no two closer than {fixed.distance**0.5:.3g}"
    text = f"answers have fixed codes, {apart}: what is near one is far from the others"
    return (Reason(text, span),)


def _width(model: Model) -> float:
    """Return a bound of the difference between the energies of two answers."""
    total = 0.0
    for factor in model.factors.values():
        if factor.hard:
            continue
        if reads_answer(model, factor.value) or counts_answer(model, factor):
            found = factor_range(model, factor)
            total += found.high - found.low
    return total


def _moved(model: Model) -> bool:
    """Return whether weights meet answers in a factor, or latents that lead to answers."""
    names = {
        f.name: {n.name for part in (f.value, *(e for b in f.binders for e in (b.low, b.high)))
                 for n in walk(part) if isinstance(n, UnknownRead | LengthOf | Spelling)}
        for f in model.factors.values()
    }  # fmt: skip
    reached = set(model.answers)
    while True:
        more = {n for read in names.values() if read & reached for n in read} - reached
        if not more:
            break
        reached |= more
    return any(reads_weights(f.value) and names[f.name] & reached for f in model.factors.values())


def _alike(model: Model, lowest: float) -> tuple[bool, tuple[Reason, ...]]:
    """Return whether nothing but what is alike is named: no answer, and a least energy for all."""
    if any(reads_answer(model, f.value) for f in model.factors.values()) or lowest == -inf:
        return False, ()
    least = lowest_of_all(model)
    if least != lowest:
        return False, ()
    text = "no factor reads an answer, and some weights give all data the least energy there is"
    return True, (Reason(text, next(iter(model.factors.values())).span),)


def _exactness(model: Model) -> tuple[Exactness, tuple[Reason, ...]]:
    """Return what the inference that the text asks for may miss."""
    if not model.asked:
        if any(u.kind.sort == "real" for u in model.unknowns.values()):
            text = "no inference is asked for, and there are real unknowns"
            return "approximate", (Reason(text, next(iter(model.unknowns.values())).span),)
        return "exact", ()
    last = model.asked[-1]
    if last.name in _MESSAGES and shape_of(model).is_forest:
        return "exact", (Reason(f"`{last.name}` is exact on chains and stars", last.span),)
    names = {a.name for a in model.asked}
    if names & _OVER:
        one = next(a for a in model.asked if a.name in _OVER)
        return "over-generating", (Reason(f"`{one.name}` minimises over a relaxation", one.span),)
    if last.name in _UNDER:
        text = f"`{last.name}` looks at some of the answers only"
        return "under-generating", (Reason(text, last.span),)
    if last.name in _LOOPY:
        text = f"`{last.name}` is exact on forests alone"
        return "approximate", (Reason(text, last.span),)
    return "exact", ()


def _mean_field(model: Model, formula: Formula | None) -> tuple[bool, tuple[Reason, ...]]:
    """Return whether a soft minimum over more than the answer is asked for by mean field."""
    if formula is None:
        return False, ()
    asked = any(a.name == "meanfield" for a in model.asked)
    for node in walk(formula.value):
        if not isinstance(node, RegionEnergy | Extremum) or isinstance(node.region, Answer):
            continue
        steps = () if node.by is None else node.by.steps
        if node.beta < inf and (any(s.name == "meanfield" for s in steps) or (not steps and asked)):
            text = (
                f"mean field gives {node.name} from above only, and the loss may fall without end"
            )
            return True, (Reason(text, node.span),)
    return False, ()
