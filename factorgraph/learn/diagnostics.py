"""Looks at a sample while weights are trained, as often as they cost next to nothing.

What is looked at never changes what is trained: looks have graphs of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from factorgraph.errors import FgError
from factorgraph.ground.batch import Batch
from factorgraph.ground.weights import Weights
from factorgraph.learn.collapse import Watchman
from factorgraph.learn.diagnosis import EDGES, Diagnosis, Slopes
from factorgraph.learn.events import Listener
from factorgraph.learn.measure import Scores
from factorgraph.learn.measure import together as added
from factorgraph.learn.objective import Losses
from factorgraph.learn.offenders import offenders
from factorgraph.learn.ration import Ration
from factorgraph.learn.sight import Sight, see
from factorgraph.learn.slopes import Pulling, Pulls
from factorgraph.learn.watch import Watch

Floats = NDArray[np.float64]

OFFENDERS = 5
"""Wrong answers that are told of each look."""

TIE = 1e-6
"""A gap that is none."""

IDLE = 1e-9
"""A slope that is none."""

POINTS = 100
"""Instances whose energies are told one by one."""

UNKNOWNS = 1 << 17
"""In the sample that is looked at, where one part of it has no more."""

ROWS, NUMBERS = 256, 1 << 16
"""Codes whose distances are measured: so many at most, of so many numbers in all."""


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen at one time.

    Attributes
    ----------
    scores : of what was decoded; gaps where inference is exact.
    """

    scores: Scores
    diagnosis: Diagnosis

    @property
    def gap(self) -> float | None:
        """Mean of E(wrong) - E(answer)."""
        return self.diagnosis.gap

    @property
    def accuracy(self) -> float | None:
        """Share of the observed unknowns that are read right."""
        return self.scores.overall


class Diagnostics:
    """Looks at the sample of a training, and tells what is seen.

    Parameters
    ----------
    watch : the sample.
    losses : of the model that is trained.
    listen : hears `Diagnosis` and `Alarm`.
    margin : what the loss asks gaps to be above, None where that is not one number.
    ration : how much time looks may take.
    """

    def __init__(
        self,
        watch: Watch,
        losses: Losses,
        listen: Listener,
        margin: float | None = None,
        ration: Ration | None = None,
    ) -> None:
        self.watch, self.losses, self.listen, self.margin = watch, losses, listen, margin
        self.batches, self.exact = _few(watch.every), bool(watch.batches)
        self.ration = Ration() if ration is None else ration
        self.watchman = Watchman()
        self.pulling: Pulling | None = Pulling(losses)
        self.beta = next((p.beta for p in losses.loss.probes if np.isfinite(p.beta)), 1.0)
        self.told: int | None = None
        self.seen: set[str] = set()
        self._small: float | None = None

    def look(self, flat: Floats, iteration: int, *, last: bool = False) -> Look | None:
        """Return what is seen at some coordinates, None where it is not the time to look.

        Parameters
        ----------
        last : whether these are handed over, so that it is.
        """
        if not self.batches:
            return None
        if not (last or self.ration.due or self.watchman.suspicious):
            return None
        weights, batches = self.watch.weights(flat), self.batches
        if not self.ration.looks:
            with suppress(FgError):  # machine code is loaded, which no later look does
                see(batches[0], weights, self.beta, self.exact)
                self._pulls(weights, 1)
        with self.ration, suppress(FgError):
            sights = list(
                self.watch.crew.map(lambda b: see(b, weights, self.beta, self.exact), batches)
            )
            pulls = self._pulls(weights)
            scores = added([s.scores for s in sights], list(batches[0].compiled.model.answers))
            sizes, overall = self.watch.sizes(flat, weights), scores.overall
            return Look(scores, self._diagnosis(sights, pulls, weights, sizes, iteration, overall))
        return None

    def tell(self, look: Look | None, objective: float, last: bool = False) -> None:
        """Tell what was seen, behind the event of the iteration."""
        if look is None:
            return
        self.told = look.diagnosis.iteration
        alarm = self.watchman.hear(look.diagnosis, objective, last)
        self.listen(look.diagnosis)
        if alarm is not None:
            self.listen(alarm)

    def end(self, flat: Floats, iteration: int, objective: float, again: bool = False) -> None:
        """Tell of the weights that are handed over, unless that was done.

        Parameters
        ----------
        again : whether they are others than those of the iteration.
        """
        if iteration and (again or self.told != iteration):
            self.tell(self.look(flat, iteration, last=True), objective, last=True)

    def _pulls(self, weights: Weights, most: int | None = None) -> Pulls | None:
        """Return the slopes of the loss, None where they cannot be told apart.

        Parameters
        ----------
        most : batches that are looked at; None for all.
        """
        if self.pulling is None:
            return None
        try:
            found = [self.pulling(batch, weights) for batch in self.batches[:most]]
        except FgError:
            self.pulling = None
            return None
        return Pulls(
            np.concatenate([p.answer for p in found]), np.concatenate([p.wrong for p in found])
        )

    def _diagnosis(
        self,
        sights: list[Sight],
        pulls: Pulls | None,
        weights: Weights,
        sizes: dict[str, float],
        iteration: int,
        accuracy: float | None,
    ) -> Diagnosis:
        names = tuple(dict.fromkeys(n for s in sights for n in s.factors))
        parts = np.concatenate([_aligned(s, names) for s in sights], axis=2)
        with np.errstate(invalid="ignore"):
            energies = parts.sum(axis=0)
            gap = energies[2] - energies[0]
        gap = gap[np.isfinite(gap)]
        spread, spreads, apart, size = spreads_of(energies, parts, self._small)
        if self._small is None:
            self._small = 0.1 * size
        entropy = np.array([s.entropy for s in sights if len(s.entropy)]).reshape(-1, 2).sum(axis=0)
        tolerance = 1e-9 * np.maximum(1.0, np.abs(energies[0]))
        with np.errstate(invalid="ignore"):
            above = int((energies[1] > energies[0] + tolerance).sum())
            decided = parts[:, 2] - parts[:, 0]
        return Diagnosis(
            iteration=iteration,
            instances=energies.shape[1],
            inference=sights[0].inference,
            beta=self.beta,
            answer=_mean(energies[0]),
            best=_mean(energies[1]),
            wrong=_mean(energies[2]),
            gap=_mean(gap),
            histogram=np.bincount(
                np.searchsorted(EDGES, gap, side="right"), minlength=len(EDGES) + 1
            ).tolist(),
            above_zero=_mean(gap > 0),
            above_margin=None if self.margin is None else _mean(gap > self.margin),
            margin=self.margin,
            slopes=None if pulls is None else Slopes(
                float(pulls.answer.mean()), float(pulls.wrong.mean()),
                float(((np.abs(pulls.answer) < IDLE) & (np.abs(pulls.wrong) < IDLE)).mean()),
            ) if len(pulls.answer) else None,
            entropy=float(entropy[0] / entropy[1]) if entropy[1] else None,
            accuracy=accuracy,
            search_errors=above,
            spread=spread,
            apart=apart,
            tied=_mean(np.abs(gap) < TIE),
            reaction=reaction(sights),
            shares={
                name: mean
                for name, each in zip(names, decided, strict=True)
                if (mean := _mean(each)) is not None
            },
            spreads=dict(zip(names, spreads, strict=True)),
            weights=sizes,
            codes=self._codes(weights),
            points=_points(energies),
            offenders=offenders(sights, OFFENDERS, self.seen),
        )  # fmt: skip

    def _codes(self, weights: Weights) -> dict[str, float]:
        """Return the least distance of two rows of each param with a row for each value of an
        answer."""
        model = self.batches[0].compiled.model
        sets = {u.values.name for u in model.answers.values() if u.values is not None}
        out = {}
        for name, place in (self.watch.whole or self.watch.layout).places.items():
            axes = place.declaration.axes
            if len(axes) != 2 or axes[0].name not in sets or not 2 <= place.shape[0] <= ROWS:
                continue
            if place.stop - place.start > NUMBERS or name in self.watch.short:
                continue
            rows = weights[name].reshape(place.stored).transpose(np.argsort(place.axes))
            square = (rows * rows).sum(axis=1)
            apart = square[:, None] + square - 2 * np.einsum("ik,jk->ij", rows, rows)
            np.fill_diagonal(apart, np.inf)
            out[name] = float(np.sqrt(max(apart.min(), 0.0)))
        return out


def _few(batches: list[Batch]) -> list[Batch]:
    """Return the first of some batches, so that no more than `UNKNOWNS` are looked at."""
    sizes = np.cumsum([batch.structure.variables for batch in batches])
    return batches[: max(1, int(np.searchsorted(sizes, UNKNOWNS, side="right")))]


def spreads_of(
    energies: Floats, parts: Floats, small: float | None
) -> tuple[float | None, list[float], float | None, float]:
    """Return how far the energies of configurations lie apart.

    Parameters
    ----------
    energies : float64 [C, I], the answer's first.
    parts : float64 [factors, C, I].
    small : a size below which energies are none; None where it is not known yet.

    Returns
    -------
    The median over instances of their standard deviation as a share of their size, the same for
    each factor in the unit of the whole, the median of that deviation itself, and the size.

    Reference
    ---------
    The standard deviation of E over some answers, by the median of |E| over them and its standard
    deviation over instances at the answer.
    """
    finite = np.isfinite(energies)
    chosen = finite.sum(axis=0) > 1
    if not chosen.any():
        return None, [0.0] * len(parts), None, 0.0
    known = np.where(finite, energies, np.nan)[:, chosen]
    answers = energies[0][np.isfinite(energies[0])]
    size = np.abs(np.nanmedian(known, axis=0)) + (answers.std() if len(answers) else 0.0)
    apart = np.nanstd(known, axis=0)
    scale = size + (small or 0.0) + 1e-12
    every = []
    for part in parts:
        own = np.where(finite, part, np.nan)[:, chosen]
        every.append(float(np.median(np.nanstd(own, axis=0) / scale)))
    spread, middle = float(np.median(apart / scale)), float(np.median(apart))
    return spread, every, middle, float(np.median(size + apart))


def reaction(sights: Sequence[Sight]) -> float | None:
    """Return how much the energy of a configuration varies over instances, as a share of its size.

    Compared are the same random configurations of instances of equal shape whose factors read
    different data; None where there are none.
    """
    found = []
    for sight in sights:
        structure = sight.batch.structure
        if not sight.batch.compiled.model.givens:
            return None
        energies = sight.energies[3:]
        shapes: dict[bytes, dict[bytes, int]] = {}
        for k, i in enumerate(sight.chosen.tolist()):
            card = structure.card[structure.instance[i] : structure.instance[i + 1]]
            read = b"".join(g.table[g.rows[i] : g.rows[i + 1]].tobytes() for g in structure.every)
            shapes.setdefault(card.tobytes(), {}).setdefault(read, k)
        for same in shapes.values():
            if len(same) > 1:
                of_shape = energies[:, list(same.values())]
                of_shape = of_shape[np.isfinite(of_shape).all(axis=1)]
                if len(of_shape):
                    size = np.abs(of_shape).mean() + of_shape.std(axis=0).mean() + 1e-12
                    found.append(float(of_shape.std(axis=1).mean() / size))
    return float(np.median(found)) if found else None


def _aligned(sight: Sight, names: tuple[str, ...]) -> Floats:
    """Return the energies by factor in the order of some names; 0 of one that is not there."""
    if sight.factors == names:
        return sight.parts
    out = np.zeros((len(names), *sight.parts.shape[1:]))
    for k, name in enumerate(sight.factors):
        out[names.index(name)] = sight.parts[k]
    return out


def _mean(values: NDArray[np.generic]) -> float | None:
    """Return the mean of the finite numbers, None where there are none."""
    found = np.asarray(values, np.float64)
    found = found[np.isfinite(found)]
    return float(found.mean()) if len(found) else None


def _points(energies: Floats) -> list[list[float | None]]:
    """Return energies of answer, wrong and best for each instance, to five digits."""
    rows = energies[[0, 2, 1], :POINTS].T.tolist()
    return [[float(f"{x:.5g}") if np.isfinite(x) else None for x in row] for row in rows]
