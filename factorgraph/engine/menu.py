"""Every algorithm that may be asked for by name, with its options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from factorgraph.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from factorgraph.engine.outcome import Outcome
    from factorgraph.engine.problem import Problem
    from factorgraph.engine.watch import Watch

Value = float | str
Options = Mapping[str, Value]


class Run(Protocol):
    """The function ``run`` of an algorithm's module."""

    def __call__(self, problem: Problem, options: Options, watch: Watch) -> Outcome:
        """Answer; `watch` is asked between iterations and told of everything found."""


@dataclass(frozen=True)
class Option:
    """An option of an algorithm: a number within bounds, or one of some words."""

    default: Value
    says: str
    low: float = 0.0
    high: float = float("inf")
    words: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True)
class Entry:
    """An algorithm.

    Attributes
    ----------
    module : in `factorgraph.engine`, with a function `run`.
    tasks : what it can be asked.
    says : what it is, in a line.
    answers : ``exact``, ``over`` (a relaxation: its bound holds) or ``under`` (what it finds may
        not be the least).
    """

    module: str
    tasks: tuple[str, ...]
    says: str
    answers: str
    options: Mapping[str, Option]


def _iterations(default: int) -> Option:
    return Option(default, "at most so many sweeps over the graph", low=1, whole=True)


_SECONDS = Option(0.0, "stop this step after so many seconds; 0 for no limit of its own")
_TOLERANCE = Option(1e-6, "stop where no message changes by more, relative to the energies")
_PASSING = {
    "iterations": _iterations(200),
    "damping": Option(0.0, "share of the old message that stays", high=0.999),
    "schedule": Option(
        "auto", "the order of updates", words=("auto", "flooding", "sweep", "layered", "residual")
    ),
    "tolerance": _TOLERANCE,
}
_DEVICE = {
    "device": Option("cpu", "where messages over pairs are worked out", words=("cpu", "cuda")),
}
_DUAL = {
    "iterations": _iterations(200),
    "gap": Option(0.0, "stop where the gap is below this share of the energy", high=1.0),
    "progress": Option(1e-7, "stop where the bound rises by less, relative to it"),
}
_ALL = ("map", "marginals", "partition")
_SOFT = ("marginals", "partition")

MENU: dict[str, Entry] = {
    "exact": Entry("exact", _ALL, "variable elimination on a junction tree", "exact", {
        "cutset": Option(12, "condition on so many variables at most", whole=True),
    }),
    "branch": Entry("branch", ("map",), "branch and bound on dual bounds", "exact", {}),
    "toulbar2": Entry("toulbar2", ("map",), "the solver toulbar2 (an extra)", "exact", {}),
    "cut": Entry("cut", ("map",), "graph cut of binary submodular energies", "exact", {}),
    "minsum": Entry("propagation", ("map",), "min-sum belief propagation", "under", {
        **_PASSING, **_DEVICE,
        "scale": Option(1.0, "factor of messages of parity checks", high=1.0),
        "offset": Option(0.0, "what messages of parity checks are brought nearer to 0 by"),
    }),
    "sumproduct": Entry("propagation", _ALL, "sum-product belief propagation", "under", {
        **_PASSING, **_DEVICE,
    }),
    "trbp": Entry("propagation", _SOFT, "tree-reweighted sum-product: an upper bound", "over", {
        **_PASSING, "trees": Option(0, "spanning trees that edges are weighted by", whole=True),
    }),
    "trws": Entry("trws", ("map",), "sequential tree-reweighted message passing", "over", _DUAL),
    "bps": Entry("trws", ("map",), "sequential belief propagation", "under", _DUAL),
    "mplp": Entry("dual", ("map",), "block-coordinate ascent on the dual (MPLP)", "over", _DUAL),
    "ad3": Entry("dual", ("map",), "dual decomposition with a proximal term (AD3)", "over", _DUAL),
    "icm": Entry("icm", ("map",), "iterated conditional modes, from where things stand", "under", {
        "iterations": _iterations(1000),
    }),
    "grid": Entry("exact", _ALL, "real unknowns on a grid of points, then what fits", "exact", {
        "step": Option(0.0, "between neighbouring points; it has to be said"),
        "refine": Option("true", "look between the points, too", words=("true", "false")),
    }),
}  # fmt: skip
DECODERS = ("minsum", "sumproduct")
"""What has a way of its own on parity checks."""
ALIASES = {
    "bp": "sumproduct",
    "dual": "mplp",
    **dict.fromkeys(("junction", "tree", "chain", "enumerate"), "exact"),
}


@dataclass(frozen=True)
class Step:
    """An algorithm with all of its options."""

    name: str
    options: Options

    @property
    def entry(self) -> Entry:
        """What it is."""
        return MENU[self.name]

    def run(self, problem: Problem, watch: Watch) -> Outcome:
        """Answer a problem.

        Raises
        ------
        UsageError : the algorithm cannot be asked for this task.
        """
        if problem.task not in self.entry.tasks:
            can = [name for name, entry in MENU.items() if problem.task in entry.tasks]
            raise UsageError(
                f"`{self.name}` gives no {problem.task}",
                code="E0510",
                hint=f"these do: {', '.join(can)}",
            )
        if self.name in DECODERS:
            decode = import_module("factorgraph.engine.decoding").run
            outcome: Outcome | None = decode(self.name, problem, self.options, watch)
            if outcome is not None:
                return outcome
        module = import_module(f"factorgraph.engine.{self.entry.module}")
        run: Run = getattr(module, f"run_{self.name}", None) or module.run
        return run(problem, self.options, watch)


def step(name: str, options: Options | None = None) -> Step:
    """Return an algorithm with its options checked and completed.

    Raises
    ------
    UsageError : there is no such algorithm or option, or a value is out of range.
    """
    called = ALIASES.get(name, name)
    if called not in MENU:
        raise UsageError(
            f"there is no inference `{name}`",
            code="E0910",
            hint=did_you_mean(name, [*MENU, *ALIASES]) or f"there are {', '.join(MENU)}",
        )
    known = MENU[called].options
    known = {**known, "seconds": _SECONDS}
    out: dict[str, Value] = {key: option.default for key, option in known.items()}
    for key, value in (options or {}).items():
        if key not in known:
            raise UsageError(
                f"`{name}` has no option `{key}`",
                code="E0910",
                hint=did_you_mean(key, list(known)) or f"it has {', '.join(known) or 'none'}",
            )
        out[key] = _checked(name, key, known[key], value)
    return Step(called, out)


def _checked(name: str, key: str, option: Option, value: Value) -> Value:
    if option.words:
        if value not in option.words:
            raise UsageError(
                f"{name}({key} = {value}): {key} is one of {', '.join(option.words)}", code="E0910"
            )
        return value
    fits = not isinstance(value, str) and option.low <= value <= option.high
    if not fits or (option.whole and not float(value).is_integer()):
        kind = "a whole number" if option.whole else "a number"
        high = f" and at most {option.high:g}" if option.high < float("inf") else ""
        raise UsageError(
            f"{name}({key} = {value}): {key} is {kind}, at least {option.low:g}{high}",
            code="E0910",
        )
    return value


_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:\(([^()]*)\))?\s*")
_SET = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*([^\s,]+)\s*")


def steps(text: str) -> tuple[Step, ...]:
    """Read ``trws(iterations = 100) + icm``.

    Raises
    ------
    UsageError : it is no sum of algorithms with named options.
    """
    out = []
    for part in text.split("+"):
        call = _CALL.fullmatch(part)
        if call is None:
            raise UsageError(
                f"`{text}` is no sum of algorithms",
                code="E0910",
                hint="trws(iterations = 100) + icm",
            )
        options: dict[str, Value] = {}
        for each in (call[2] or "").split(",") if (call[2] or "").strip() else []:
            found = _SET.fullmatch(each)
            if found is None:
                raise UsageError(
                    f"`{each.strip()}` is no option", code="E0910", hint="trws(iterations = 100)"
                )
            if found[1] in options:
                raise UsageError(f"`{call[1]}` has the option `{found[1]}` twice", code="E0910")
            try:
                options[found[1]] = float(found[2])
            except ValueError:
                options[found[1]] = found[2]
        out.append(step(call[1], options))
    return tuple(out)
