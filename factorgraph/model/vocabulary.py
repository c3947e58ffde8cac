"""The words of formulas: energies, regions, samples, algorithms."""

from __future__ import annotations

from abc import abstractmethod
from math import inf
from typing import Any

from factorgraph.errors import ModelError, did_you_mean
from factorgraph.model.arrays import Array, integer
from factorgraph.model.configuration import VECTORS, Configurations
from factorgraph.model.expression import REAL, Expr, UnknownRead, Variable, fixed_value, show
from factorgraph.model.inference import ALGORITHMS
from factorgraph.model.loss import EnergyAt, LossRead, RegionEnergy
from factorgraph.model.names import FUNCTIONS
from factorgraph.model.reads import Scope
from factorgraph.model.region import (
    Algorithms,
    Answer,
    Anything,
    Configuration,
    Draw,
    Energy,
    Jitter,
    Only,
    Part,
    Pin,
    Place,
    Region,
    Sample,
    Second,
    Step,
    Whole,
    Wrong,
)
from factorgraph.model.resolve import CALLS, WORDS, Function, Look
from factorgraph.source import Span
from factorgraph.syntax import tree as t

EXACT = {"exact", "enumerate", "chain", "tree", "junction"}
TASKS = {
    "a minimum": EXACT
    | {
        *("minsum trws mplp ad3 dual icm expansion swap cut branch anneal".split()),
        *("grid lbfgs fista".split()),
    },
    "a soft minimum": EXACT | {"sumproduct", "bp", "trbp", "meanfield", "grid"},
    "samples": EXACT | {"gibbs", "hmc", "anneal", "temper"},
}
"""What each algorithm can do in a loss."""


class Vocabulary(Configurations):
    """Gives the words of formulas their meaning."""

    # -- calls

    def _called(self, node: t.Call, scope: Scope) -> Look:
        name, span = node.name.name, node.span
        if name in scope:
            return self._applied(scope[name], node, scope)
        kind = self.declares(name)
        library = self.shared.standard
        standard = library.losses.get(name) or library.own_funs.get(name)
        if kind is not None:
            self.used.add(name)
            match kind:
                case "a factor" | "an energy":
                    energy = Part(span, name) if kind == "a factor" else Second(span, name)
                    return self._energy(energy, node, scope)
                case "a loss" | "a fun":
                    found = self.losses[name] if kind == "a loss" else self.own_funs[name]
                    return self.written_out(self, found, node.arguments, span, scope)
                case "a map":
                    return super()._call(node, scope)
            # what cannot be called hides no word that can
            if standard is None and name not in (*CALLS, *FUNCTIONS, *ALGORITHMS):
                raise ModelError(
                    f"`{name}` is {kind}, no function", code="E0202",
                    span=self.here(node.name.span), hint=f"index it: `{name}[…]`",
                )  # fmt: skip
        if standard is not None:
            return self.written_out(library, standard, node.arguments, span, scope)
        match name:
            case "E":
                return self._energy(Whole(span), node, scope)
            case "free":
                return self._energy(Whole(span), node, scope, free=True)
            case "only" | "pin":
                return self._only_or_pin(node, scope)
            case "wrong":
                return self._wrong(node, scope)
            case "sample":
                return self._sample(node, scope)
            case "draw":
                return self._draw(node, scope)
            case "jitter":
                (deviation,) = self._positional(node, 1, "the deviation of the noise")
                self.needs_real(span, "`jitter`")
                return Jitter(self.here(span), self.positive(deviation, scope, "a deviation"))
            case "grad" | "laplace":
                return self._derivative(node, scope)
            case "mistakes":
                return self._mistakes(node, scope)
            case "softmin":
                return self._comprehension_of(node, scope)
            case "spell":
                return self._spelling(node, scope)
        if any(a.binders is not None for a in node.arguments):
            return self._comprehension_of(node, scope)
        if name in VECTORS:
            return self._maybe_vectors(node, scope)
        if name in FUNCTIONS:
            return super()._call(node, scope)
        if name in ALGORITHMS:
            return self._algorithm(node, scope)
        raise self.unknown_name(name, node.name.span, scope)

    @abstractmethod
    def _comprehension_of(self, node: t.Call, scope: Scope) -> Look:
        """A function with `for`."""

    def _applied(self, found: Look, node: t.Call, scope: Scope) -> Look:
        """Apply an argument: an energy, or a fun of configurations."""
        if isinstance(found, Energy):
            return self._energy(found, node, scope)
        if isinstance(found, Function):
            home, fun = found.home, found.fun
            return self.written_out(home, fun, node.arguments, node.span, scope)
        what = show(found) if isinstance(found, Expr) else str(found)
        raise ModelError(
            f"`{node.name.name}` must be a fun of a configuration or an energy, "
            f"and `{what}` is none",
            code="E0210",
            span=self.here(found.span),
            hint="fun cost(Y) = sum(mistakes(Y[v], answer[v]) for v in answers)",
        )

    # -- regions

    def region(self, node: t.Expression, scope: Scope) -> Region:
        """Return a region.

        Raises
        ------
        ModelError : ``E0205``.
        """
        found = self.inside(node, scope)
        if isinstance(found, Region):
            return found
        raise self._no_region(found, node, "a region is needed")

    def inside(self, node: t.Expression, scope: Scope) -> Look:
        """Return what stands where only a region or a configuration can: no name hides those."""
        if isinstance(node, t.Name) and node.name in WORDS[1:] and node.name not in scope:
            return self._word(node.name, node.span, scope)
        return self.resolve(node, scope)

    def _no_region(self, found: Look, node: t.Expression, wanted: str) -> ModelError:
        text = " ".join(node.span.text.split())
        match found:
            case Energy():
                hint = f"`{text}` is an energy: {found}(any), {found}(answer)"
            case Configuration():
                hint = f"`{text}` is a configuration: E({text}) is its energy"
            case Function():
                hint = f"`{text}` is a fun"
            case Place():
                hint = f"`{text}` is a place: only({text}), pin({text})"
            case Variable():
                hint = f"`{show(found)}` is a number; run over a region: for {text} in any"
            case Expr():
                hint = f"`{show(found)}` is a number"
            case _:
                hint = "there are answer, any, wrong, only(v), pin(v), sample(k), draw(S)"
        return ModelError(wanted, code="E0205", span=self.here(node.span), hint=hint)

    def wrong(self, region: Wrong) -> Wrong:
        """Return a region of wrong answers.

        Raises
        ------
        ModelError : ``E0215`` where it is always empty, ``E0216`` where nothing is observed,
            ``E0218`` where real answers have no step.
        """
        shared = self.shared
        if shared.lenient:
            return region
        if not shared.model.answers:
            raise ModelError(
                "`wrong` differs from the answer, and the model has no answers",
                code="E0216",
                span=region.span,
                hint="declare what is observed in training as `answer`",
            )
        if _always_right(region.inner, set(shared.model.latents), shared.model.answers):
            raise ModelError(
                f"`{region}` is always empty: all of `{region.inner}` agree with the answer",
                code="E0215",
                span=region.span,
                hint="wrong, wrong(any), wrong(only(v))",
            )
        if shared.real_answers and region.eps is None and not shared.grid:
            raise ModelError(
                "from when on is a real answer wrong? `wrong` needs eps",
                code="E0218",
                span=region.span,
                hint="E(wrong(any, eps = 0.1)), or `infer grid(step = 0.1)`",
            )
        if region.eps is not None and not shared.real_answers:
            raise ModelError(
                "eps is for real answers, and the model has none", code="E0218",
                span=region.span, hint="leave it out",
            )  # fmt: skip
        return region

    def _wrong(self, node: t.Call, scope: Scope) -> Wrong:
        found = self._named_arguments(node, ("S", "eps"))
        at = self.here(node.span)
        inner = self.region(found["S"], scope) if "S" in found else Anything(at)
        eps = self.positive(found["eps"], scope, "eps") if "eps" in found else None
        return self.wrong(Wrong(at, inner, eps))

    def _only_or_pin(self, node: t.Call, scope: Scope) -> Only | Pin:
        name, span = node.name.name, self.here(node.span)
        places: list[Place] = []
        for argument in node.arguments:
            if argument.name is not None or argument.binders is not None:
                raise ModelError(
                    f"`{name}` takes unknowns", code="E0112", span=self.here(argument.span),
                    hint=f"{name}(y), {name}(y[t]), {name}(v) for v in answers",
                )  # fmt: skip
            places.append(self.place(argument.value, scope))
        if not places:
            raise ModelError(
                f"`{name}` takes at least one unknown", code="E0112", span=span,
                hint=f"{name}(y), {name}(y[t]), {name}(v) for v in answers",
            )  # fmt: skip
        if name == "only":
            return Only(span, tuple(places))
        for place, argument in zip(places, node.arguments, strict=True):
            if self.shared.model.unknowns[place.unknown].role == "latent":
                raise ModelError(
                    f"`{place.unknown}` is a latent: no answer tells how to pin it",
                    code="E0209",
                    span=self.here(argument.span),
                    hint="pin takes answers",
                )
        return Pin(span, tuple(places))

    def place(self, node: t.Expression, scope: Scope) -> Place:
        """Return which unknown, or which part of an array of unknowns, is meant.

        Raises
        ------
        ModelError : ``E0209``.
        """
        span = self.here(node.span)
        base = node.base if isinstance(node, t.Index) else node
        unknowns = self.shared.model.unknowns
        if isinstance(base, t.Name) and base.name not in scope and base.name in unknowns:
            if not isinstance(node, t.Index):
                return Place(span, base.name)
            if any(isinstance(s, t.Range) for s in node.subscripts):
                raise ModelError(
                    "a slice is no place", code="E0209", span=span,
                    hint=f"name them one by one: {base.name}[0], {base.name}[1]",
                )  # fmt: skip
            if unknowns[base.name].sequence is None:
                found = self.shared.text._read(base.name, node.subscripts, node.span, scope)
                if isinstance(found, Array):
                    found = found.element(tuple(integer(span, 0) for _ in found.shape))
                assert isinstance(found, UnknownRead)
                return Place(span, base.name, found.indices[: len(node.subscripts)])
            raise ModelError(
                f"`{base.name}` is a sequence and takes no index", code="E0209", span=span,
                hint=f"`{base.name}` is the whole",
            )  # fmt: skip
        hint = "an answer such as `y` or `y[t]`, or the v of `for v in answers`"
        if isinstance(base, t.Name) and base.name not in scope and self.declares(base.name) is None:
            near = did_you_mean(base.name, unknowns)
            raise ModelError(
                f"the model has no unknown `{base.name}`", code="E0209", span=span,
                hint=near or hint,
            )  # fmt: skip
        member = base if isinstance(base, t.Member) else None
        if member is not None and member.name in unknowns:
            text = node.span.text[len(member.base.span.text) + 1 :]
            raise ModelError(
                f"`{node.span.text}` is a value, not a place", code="E0209", span=span,
                hint=f"write `{text}`",
            )  # fmt: skip
        place = self.resolve(node, scope)
        if isinstance(place, Place):
            return place
        if isinstance(base, t.Name) and (kind := self.declares(base.name)) is not None:
            hint = f"`{base.name}` is {kind}; {hint}"
        raise ModelError(
            f"`{node.span.text}` is no unknown of the model", code="E0209", span=span, hint=hint
        )

    def _sample(self, node: t.Call, scope: Scope) -> Sample:
        found = self._named_arguments(node, ("k", "chains", "by"))
        at = self.here(node.span)
        if "k" not in found:
            raise ModelError(
                "`sample` needs the number of sweeps", code="E0112", span=at, hint="sample(1)"
            )
        sweeps = self.whole(found["k"], scope, "the number of sweeps", 1)
        chains = 0
        if "chains" in found:
            chains = self.whole(found["chains"], scope, "the number of chains", 0)
        by = self.algorithms(found["by"], scope, "samples") if "by" in found else None
        return Sample(at, sweeps, chains, by)

    def _draw(self, node: t.Call, scope: Scope) -> Draw:
        found = self._named_arguments(node, ("S", "q", "n"))
        at = self.here(node.span)
        if "S" not in found:
            raise ModelError(
                "`draw` needs a region", code="E0205", span=at, hint="draw(any), draw(answer, q)"
            )
        inner = self.region(found["S"], scope)
        energy: Energy = Whole(at)
        if "q" in found:
            by = self.resolve(found["q"], scope)
            if not isinstance(by, Energy):
                raise ModelError(
                    f"`{found['q'].span.text}` is no energy to draw by",
                    code="E0208",
                    span=self.here(by.span),
                    hint='E, or the q of `use "noise.fg" as q`',
                )
            energy = by
        count = self.whole(found["n"], scope, "the number of draws", 1) if "n" in found else 1
        return Draw(at, inner, energy, count)

    # -- energies

    def _energy(self, energy: Energy, node: t.Call, scope: Scope, free: bool = False) -> LossRead:
        """``E(S)``, ``E(Y)``, ``free(S, beta = 1)``, ``q(S)``, ``emit(Y)``."""
        name, span = node.name.name, self.here(node.span)
        formals = ("S", "beta", "by") if free else ("S", "by")
        if not free and any(a.name == "beta" for a in node.arguments):
            wrong = next(a for a in node.arguments if a.name == "beta")
            raise ModelError(
                f"`{name}` has no argument `beta`", code="E0112", span=self.here(wrong.span),
                hint="free(any, beta = 2) is the soft minimum",
            )  # fmt: skip
        if len([a for a in node.arguments if a.name is None]) > len(formals) - 1:
            raise ModelError(
                f"`{name}` takes {'a region and beta' if free else 'one region'}",
                code="E0112",
                span=self.here(node.arguments[-1].span),
                hint=f"{name}(any)",
            )
        found = self._named_arguments(node, formals)
        what = "a region or a configuration" if not free else "a region"
        if "S" not in found:
            raise ModelError(
                f"`{name}` needs {what}", code="E0205", span=span,
                hint=f"{name}(answer), {name}(any)",
            )  # fmt: skip
        inside = self.inside(found["S"], scope)
        at = self.here(found["S"].span)
        if isinstance(inside, Configuration) and not free:
            if "by" in found:
                raise ModelError(
                    f"`{inside}` is one configuration: nothing is searched", code="E0112",
                    span=self.here(found["by"].span), hint=f"{name}({inside})",
                )  # fmt: skip
            return EnergyAt(span, REAL, f"{energy}({inside})", (), energy, inside)
        if not isinstance(inside, Region):
            raise self._no_region(inside, found["S"], f"`{name}` takes {what}")
        beta = inf
        if free:
            beta = self.positive(found["beta"], scope, "beta") if "beta" in found else 1.0
        by = None
        if "by" in found:
            task = "a minimum" if beta == inf else "a soft minimum"
            by = self.algorithms(found["by"], scope, task)
            self._bound_from_above(by, inside, at)
        shown = f"{name}({inside})"
        return RegionEnergy(span, REAL, shown, (), energy, inside, beta, by)

    def _bound_from_above(self, by: Algorithms, region: Region, span: Span) -> None:
        """Refuse mean field where the loss pushes energies up: it bounds log Z from below."""
        if any(s.name == "meanfield" for s in by.steps) and not isinstance(region, Answer | Pin):
            raise ModelError(
                f"mean field on `{region}` is no bound: the loss could fall without end",
                code="E0212",
                span=span,
                hint="free(answer, by = meanfield) - free(sample(k, chains))",
            )

    def algorithms(self, node: t.Expression, scope: Scope, task: str) -> Algorithms:
        """Return algorithms that can do a task.

        Raises
        ------
        ModelError : ``E0211`` for an algorithm that there is not, ``E0212`` for one that cannot.
        """
        self.is_algorithm(node, scope)
        found = self.resolve(node, scope)
        if not isinstance(found, Algorithms):
            raise ModelError(
                f"`{node.span.text}` is no algorithm", code="E0211", span=self.here(found.span),
                hint="by = exact, by = gibbs, by = trws(iterations = 100) + expansion",
            )  # fmt: skip
        for step in found.steps:
            if step.name not in TASKS[task]:
                others = sorted(TASKS[task] - EXACT)
                raise ModelError(
                    f"`{step.name}` does not find {task}",
                    code="E0212",
                    span=found.span,
                    hint=f"exact does, and {', '.join(others)}",
                )
            unknowns = self.shared.model.unknowns.values()
            if step.name == "hmc" and unknowns and not any(u.kind.sort == "real" for u in unknowns):
                raise ModelError(
                    "`hmc` moves real unknowns, and the model has none",
                    code="E0212",
                    span=found.span,
                    hint="by = gibbs",
                )
        return found

    def _algorithm(self, node: t.Call, scope: Scope) -> Algorithms:
        """``hmc(steps = 10)``."""
        options: list[tuple[str, float | str]] = []
        for argument in node.arguments:
            if argument.name is None or argument.binders is not None:
                raise ModelError(
                    f"the options of `{node.name.name}` are named",
                    code="E0112",
                    span=self.here(argument.span),
                    hint=f"{node.name.name}(iterations = 100)",
                )
            value = argument.value
            word = isinstance(value, t.Name) and value.name not in scope
            if isinstance(value, t.Name) and word and self.declares(value.name) is None:
                options.append((argument.name, value.name))
            elif argument.name in self.shared.model.unknowns:
                self.value(value, scope)
                options.append((argument.name, value.span.text))
            else:
                number = fixed_value(self.number(value, scope))
                if number is None:
                    raise ModelError(
                        f"the option `{argument.name}` must be a constant", code="E0109",
                        span=self.here(argument.span), hint="a number, or a `let NAME = number`",
                    )  # fmt: skip
                options.append((argument.name, float(number)))
        return Algorithms(self.here(node.span), (Step(node.name.name, tuple(options)),))


def _always_right(region: Region, latents: set[str], answers: dict[str, Any]) -> bool:
    """Return whether all configurations of a region have the observed answer."""
    match region:
        case Answer():
            return True
        case Only(places=places):
            return all(p.unknown in latents for p in places)
        case Pin(places=places):
            whole = {p.unknown for p in places if not p.indices}
            return whole >= set(answers)
        case Draw(inner=inner):
            return _always_right(inner, latents, answers)
    return False
