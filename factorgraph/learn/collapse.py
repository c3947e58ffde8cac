"""Does training make the energies of all answers alike? An alarm that names cause and remedy.

A loss that only pulls the answer down, or is content where right and wrong answers have the same
energy, may be minimised by weights that tell no answers apart. The objective falls meanwhile.

Reference: LeCun, Chopra, Hadsell, Ranzato and Huang, "A Tutorial on Energy-Based Learning" (2006),
section 2.2.2 and 5; the thresholds are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from factorgraph.learn.diagnosis import Alarm, Diagnosis

FLAT = 1e-3
"""A spread that is a collapse in any case."""

SHARE = 1e-2
"""A share of the greatest spread so far that is a collapse."""

ALONE = 0.1
"""A share of the greatest distance of energies so far that is a collapse where the loss pushes no
wrong answer up."""

TIES = 0.5
"""Share of the gaps that may be 0."""

DEAF = 1e-4
"""A reaction to inputs that is none."""

LOOKS = 3
"""In a row that have to agree."""

PATIENCE = 12
"""Looks that are taken at once because the one before was suspicious."""


@dataclass
class Watchman:
    """Hears diagnoses in turn, and says once for each kind of failure what goes wrong."""

    first: Diagnosis | None = None
    apart: float = 0.0
    objective: float | None = None
    greatest: dict[str, float] = field(default_factory=dict)
    sizes: dict[str, float] = field(default_factory=dict)
    codes: dict[str, float] = field(default_factory=dict)
    pushed: bool = False
    streak: dict[str, int] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    urgent: int = 0

    @property
    def suspicious(self) -> bool:
        """Whether the next look should not wait."""
        waiting = any(0 < n < LOOKS and w not in self.said for w, n in self.streak.items())
        return waiting and self.urgent <= PATIENCE

    def hear(self, seen: Diagnosis, objective: float, last: bool = False) -> Alarm | None:
        """Return the alarm that a diagnosis raises, None for none.

        Parameters
        ----------
        objective : at the same weights.
        last : whether these are handed over.
        """
        self._remember(seen)
        if self.first is None or self.objective is None:
            self.first, self.objective = seen, objective
            return None
        fallen = objective < self.objective
        spread = seen.spread
        most = self.greatest.get("", 0.0)
        flat = spread is not None and spread < max(FLAT, SHARE * most)
        flat |= not self.pushed and seen.apart is not None and seen.apart < ALONE * self.apart
        signs = {
            "collapse": fallen and flat,
            "ties": seen.tied is not None and seen.tied > TIES,
            "deaf": fallen and seen.reaction is not None and seen.reaction < DEAF,
        }
        for what, sign in signs.items():
            self.streak[what] = self.streak.get(what, 0) + 1 if sign else 0
        self.urgent += self.suspicious
        enough = 1 if last else LOOKS
        for what in signs:
            if self.streak[what] >= enough and what not in self.said:
                self.said |= set(signs)  # they come together, and the first says most
                return Alarm(seen.iteration, what, self._message(what, seen), self._hint(what))
        return None

    def _remember(self, seen: Diagnosis) -> None:
        spreads = dict(seen.spreads)
        if seen.spread is not None:
            spreads[""] = seen.spread
        for into, now in (
            (self.greatest, spreads), (self.sizes, seen.weights), (self.codes, seen.codes)
        ):  # fmt: skip
            for name, value in now.items():
                into[name] = max(into.get(name, 0.0), value)
        self.apart = max(self.apart, seen.apart or 0.0)
        self.pushed |= seen.slopes is None or seen.slopes.wrong > 1e-9

    def _message(self, what: str, seen: Diagnosis) -> str:
        if what == "deaf":
            head = "energies no longer depend on what is given"
        elif what == "ties":
            head = f"{100 * (seen.tied or 0):.0f} % of the wrong answers have the answer's energy"
        else:
            head = "the energies of all answers come together"
            head += f": {seen.apart or 0:.1e} apart, {self.apart:.1e} before"
        causes = self._causes(what, seen)
        return head + (f"; {', '.join(causes)}" if causes else "")

    def _causes(self, what: str, seen: Diagnosis) -> list[str]:
        """Return which factors, codes and weights have shrunk, most first."""
        out = []
        most = self.greatest
        flat = [n for n, v in seen.spreads.items() if v < max(FLAT, SHARE * most[n]) and most[n]]
        if not flat and what == "collapse":
            flat = [n for n in seen.spreads if most[n]]
        if flat:
            names = " and ".join(f"`{n}`" for n in flat[:3])
            out.append(
                f"what {names} {'adds' if len(flat) == 1 else 'add'} is much the same for all"
            )
        for said, now, most in (
            ("the codes `{}` come together, to {} of their distance", seen.codes, self.codes),
            ("`{}` has shrunk to {} of its size", seen.weights, self.sizes),
        ):
            shares = sorted(
                (value / most[name], name) for name, value in now.items() if most[name] > 0
            )
            out += [said.format(n, _percent(s)) for s, n in shares[:2] if s < 0.5]
        return out

    def _hint(self, what: str) -> str:
        if what == "deaf":
            return (
                "has a map died? Begin elsewhere (--seed), take shorter steps (--rate) or less l2; "
                "a loss that contrasts answers, as nll or hinge, keeps it alive"
            )
        if not self.pushed:
            return (
                "the loss pulls answers down and pushes no other up: take one that contrasts them, "
                "with a margin (--loss hinge, nll or square_square), hold the codes fixed (a "
                "given instead of a param), or normalise the factors (simplex)"
            )
        return (
            "the loss is content where answers are equal, or l2 outweighs it: take one with a "
            "margin (--loss hinge, margin or nll), or less l2"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
