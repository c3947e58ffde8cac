"""Finite answers that choose among fixed functions of one trained number, such as a distance.

A contrastive energy, y D^2 + (1 - y) max(0, m - D)^2, is flat at no weights that give it its
least value: where one answer's function is least, those of the others are above it.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf

from factorgraph.judge.facts import Interval, Reason
from factorgraph.judge.interval import Ranges, add
from factorgraph.judge.simplify import equal, simplified
from factorgraph.judge.terms import reads_answer, reads_weights
from factorgraph.model.expression import (
    REAL,
    Const,
    Expr,
    UnknownRead,
    Variable,
    free_variables,
    walk,
)
from factorgraph.model.loss import rebuilt
from factorgraph.model.model import Model

MOST = 8
"""Answers that are looked at."""
ENDS = [
    *(2.0**-k for k in range(7, 24)),
    *(k / 64 for k in range(640)),
    *(10 * 2.0**k for k in range(30)),
]
"""Where the line of the trained number is cut; before them come their negatives."""


def contrast(model: Model) -> tuple[float | None, tuple[Reason, ...]]:
    """Return how far wrong answers' energies are above, wherever the answer's is least.

    Returns
    -------
    float, None where the energy is no such choice, or where no distance could be seen; and why.
    """
    if len(model.answers) != 1 or model.latents:
        return None, ()
    answer = next(iter(model.answers.values()))
    soft = [f for f in model.factors.values() if not f.hard]
    if answer.axes or answer.values is None or (answer.values.fixed or inf) > MOST:
        return None, ()
    if answer.values.domain is not None or any(f.binders or f.guard for f in soft):
        return None, ()
    values = [f.value for f in soft]
    trained = _only(model, values)
    if trained is None:
        return None, ()
    number = Variable(trained.span, REAL, "trained", -1)
    read = next((n for v in values for n in walk(v) if isinstance(n, UnknownRead)), None)
    if read is None:
        return None, ()
    count = answer.values.fixed or 0
    functions = [
        [simplified(_put(v, trained, number), None, {read: _is(read, answer.values.low + k)})
         for v in values]
        for k in range(count)
    ]  # fmt: skip
    found = _apart(model, functions, number, Ranges(model)(trained))
    if not found > 0:
        return None, ()
    text = (
        f"`{answer.name}` chooses among fixed functions of one trained number: where one is "
        f"least, the others are {found:.3g} above it"
    )
    return found, (Reason(text, soft[0].span),)


def _put(e: Expr, part: Expr, new: Expr) -> Expr:
    """Return an expression with a part replaced, whatever the indices of its loops are called."""
    found: Expr = rebuilt(e, lambda n: new if equal(n, part) else None)
    return found


def _is(read: UnknownRead, value: int) -> Expr:
    return Const(read.span, read.kind, value)


def _only(model: Model, values: list[Expr]) -> Expr | None:
    """Return the one part through which weights enter, free of answers; None if there is none."""
    candidates = dict.fromkeys(
        n for v in values for n in walk(v)
        if reads_weights(n) and not reads_answer(model, n) and not free_variables(n)
        and n.kind.numeric
    )  # fmt: skip
    place = Const(next(iter(model.answers.values())).span, REAL, 0.0)
    for part in candidates:
        if not any(reads_weights(_put(v, part, place)) for v in values):
            return part
    return None


def _apart(model: Model, functions: list[list[Expr]], number: Variable, line: Interval) -> float:
    """Return the least height of other functions above one where it is least, over all of them."""
    ends = sorted({*(-e for e in ENDS), *ENDS, -inf, inf})
    ends = [e for e in ends if line.low <= e <= line.high]
    cells = [Interval(a, b) for a, b in pairwise(sorted({*ends, line.low, line.high}))]

    def over(cell: Interval) -> list[Interval]:
        out = []
        for parts in functions:
            ranges = Ranges(model)
            ranges.index[number] = cell
            total = Interval(0.0, 0.0)
            for part in parts:
                total = add(total, ranges(part))
            out.append(total)
        return out

    seen = [over(cell) for cell in cells]
    apart = inf
    for c in range(len(functions)):
        least = min(
            s[c].high for s in (over(Interval(x.low, x.low)) for x in cells if x.low > -inf)
        )
        for s in seen:
            if s[c].low > least + 1e-3:
                continue
            for w in range(len(functions)):
                if w != c:
                    apart = min(apart, s[w].low - s[c].high)
    return apart
