"""Answers that another one ties with or beats, whatever the weights: seen at random ones."""

from __future__ import annotations

from itertools import product
from math import prod

from factorgraph.errors import FgError
from factorgraph.judge.facts import Reason
from factorgraph.judge.terms import reads_answer
from factorgraph.model.expression import Apply, GivenRead, LetRead, fixed_value, walk
from factorgraph.model.model import Model

MOST = 64
"""Answers of an instance that are looked at."""
GROUPS = 16
"""Random instances."""
DRAWS = 120
"""Weights that are drawn, of scales from 0.001 to 1000: few are needed where answers can win."""

_ASKS = frozenset({"if", "==", "!=", "<", "<=", ">", ">="})


def beaten(model: Model, seed: int = 0) -> Reason | None:
    """Return which of few finite answers never wins, or always ties; None where none is seen to.

    An answer is compared with each other one alone: of three, that in the middle may never be the
    best and is not seen.
    """
    answers = model.answers
    if any(u.axes or u.values is None or u.values.fixed is None for u in answers.values()):
        return None
    count = prod(int((u.values and u.values.fixed) or 0) for u in answers.values())
    if not 2 <= count <= MOST or model.latents or _depends(model):
        return None
    import numpy as np  # here, since they take longer to load than all other rules

    from factorgraph.judge.trial import Trial, is_large

    if is_large(model):
        return None
    try:
        trial = Trial(model, seed, groups=GROUPS, each=MOST + 1)
        if trial.wrong.shape[1] != count + 1:
            return None
        above = np.ones((count, count), dtype=bool)
        np.fill_diagonal(above, False)
        seen = 0
        for k in range(DRAWS):
            energy = trial.energy(trial.weights(10.0 ** (-3 + 6 * (k * 7 % DRAWS) / DRAWS)))
            energy = energy[:, 1:, 0]  # the first is the observed one, again
            energy = energy[np.isfinite(energy).all(axis=1)]
            seen += len(energy)
            a, b = energy[:, :, None], energy[:, None, :]
            above &= (a >= b - 1e-12 * np.maximum(abs(a), abs(b))).all(axis=0)
            if not above.any():
                return None
    except FgError:
        return None
    if seen < DRAWS:
        return None
    names = _names(model)
    span = next((f.span for f in model.factors.values() if reads_answer(model, f.value)), None)
    ties = np.argwhere(above & above.T)
    if len(ties):
        one, other = (names[k] for k in ties[0])
        return Reason(f"answers {one} and {other} have the same energy whatever the weights", span)
    worse, better = (names[k] for k in np.argwhere(above)[0])
    return Reason(
        f"{worse} is never the best at {DRAWS} random weights on random data: {better} is always "
        "as low",
        span,
    )


def _depends(model: Model) -> bool:
    """Return whether answers matter on some data only, which random ones may miss."""
    for factor in model.factors.values():
        if factor.hard or (factor.guard is not None and fixed_value(factor.guard) != 1):
            return True
        for e in walk(factor.value):
            asks = isinstance(e, Apply) and e.operator in _ASKS
            if (
                asks
                and reads_answer(model, e)
                and any(isinstance(n, GivenRead | LetRead) for n in walk(e))
            ):
                return True
    return False


def _names(model: Model) -> list[str]:
    """Return the answers in the order of random data, such as ``y = 0``."""
    lists = []
    for name, unknown in model.answers.items():
        values = unknown.values
        assert values is not None and values.fixed is not None
        named = model.domains[values.domain].values if values.domain is not None else None
        shown = named or [str(values.low + k) for k in range(values.fixed)]
        lists.append([f"{name} = {v}" for v in shown])
    return [", ".join(parts) for parts in product(*lists)]
