"""One program through everything that reads programs."""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

import factorgraph as fg
from factorgraph.compiler.describe import model_as_dict, model_as_text, plan_as_dict, plan_as_text
from factorgraph.compiler.recognise import recognise
from factorgraph.data.mock import mock
from factorgraph.errors import BudgetError, FgError, NotBuiltError
from factorgraph.ground.kinds import kind_energy
from factorgraph.lsp.complete import complete
from factorgraph.lsp.document import Document
from factorgraph.lsp.hover import hover
from factorgraph.lsp.resolve import resolve
from factorgraph.syntax.format import format as formatted
from factorgraph.syntax.parser import parse, parse_all
from fuzz import corpus, grammar, mutate, sensible

SHARES = {
    "grammar": 10, "sensible": 33, "sensible, tokens": 14, "tokens": 15, "bad, tokens": 4,
    "numbers": 7, "statements": 8, "rename": 4, "characters": 4, "nested": 1,
}  # fmt: skip
"""How many of a hundred programs are of which origin."""

_ORIGINS = [origin for origin, share in SHARES.items() for _ in range(share)]


HERE = str(corpus.LANGUAGE / "losses.fg")


class Defect(Exception):
    """Something that is wrong without being an exception: a property that does not hold."""


@dataclass
class Report:
    """What became of a case.

    Attributes
    ----------
    outcome : how far it went.
    limit : the seconds of the processor that a step may take.
    crashes : for each step that failed as it never should, its name and the exception.
    """

    origin: str
    outcome: str = ""
    limit: float = math.inf
    crashes: list[tuple[str, BaseException]] = field(default_factory=list)


def program(seed: int) -> tuple[str, str]:
    """Return the origin and the text of a program."""
    random = Random(seed)
    origin = random.choice(_ORIGINS)
    if origin == "grammar":
        return origin, grammar.derive(random, random.choice((20, 60, 150)))
    if origin == "nested":
        return origin, mutate.nested(random)
    if origin.startswith("sensible"):
        text = sensible.write(random)
        return origin, mutate.by_tokens(random, text, 2) if "," in origin else text
    _, text = random.choice(corpus.bad() if origin.startswith("bad") else corpus.good())
    match origin:
        case "numbers":
            text = mutate.numbers(random, text)
        case "statements":
            text = mutate.by_statements(random, text)
        case "rename":
            text = mutate.by_rename(random, text)
        case "characters":
            text = mutate.by_characters(random, text)
        case _:
            text = mutate.by_tokens(random, text)
    return origin, text


@contextlib.contextmanager
def step(report: Report, name: str) -> Iterator[None]:
    """Record what a step raises that is no error for the user; such errors pass through."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            yield
    except FgError as error:
        _sound(error)
        raise
    except Exception as error:
        report.crashes.append((name, error))
    finally:
        seconds = time.process_time() - start
        if seconds > report.limit:
            report.crashes.append((name, Defect(f"took {seconds:.1f} s")))


def _sound(error: FgError) -> None:
    """Hold that an error can be shown."""
    for one in error.all:
        if not one.message or "\n" in one.message.strip():
            raise Defect(f"a message without words or with several lines: {one.message!r}")
        if not one.code:
            raise Defect(f"an error without a code: {one.message}")
        one.report()
        json.dumps(one.as_dict())
    error.report().encode()


def attempt(report: Report, name: str, action: Callable[[], Any]) -> FgError | None:
    """Do a step whose errors for the user end nothing; return such an error."""
    try:
        with step(report, name):
            action()
    except FgError as error:
        return error
    return None


def warm() -> None:
    """Load what is loaded when it is first used, so that no case pays for it."""
    random = Random(0)
    grammar.derive(random, 20)
    for _, text in corpus.good()[:3]:
        run(text, Report(""))


def drive(
    seed: int,
    folder: Path,
    deep: bool = False,
    limit: float = math.inf,
    machine: bool = False,
) -> Report:
    """Put the program of a number through all that reads programs.

    Parameters
    ----------
    folder : an empty folder in which the command line may work.
    deep : whether it goes through the command line as well.
    limit : the seconds of the processor that a step may take.
    machine : whether answers are inferred and weights trained, which needs machine code.
    """
    origin, text = program(seed)
    report = Report(origin, limit=limit)
    run(text, report, seed)
    if deep:
        commands(text, report, folder)
    if machine and report.outcome == "has energies":
        report.limit = math.inf  # machine code takes its time to make
        attempt(report, "machine code", lambda: _machine(text))
    return report


def run(text: str, report: Report, seed: int = 0, name: str = HERE) -> None:
    """Put a text through the library.

    Parameters
    ----------
    name : of the file that the text is of; what it includes stands beside it.
    """
    errors: tuple[FgError, ...] = ()
    with step(report, "parse"):
        _, errors = parse_all(text, name)
        for error in errors:
            _sound(error)
    if errors:
        report.outcome = "not of the language"
    random = Random(f"more {seed}")
    if seed % 2 == 0:
        attempt(report, "editor", lambda: _edited(text, name, random))
    if seed % 3 == 0:  # it parses several times itself
        attempt(report, "format", lambda: _format(text, bool(errors)))
    model: Any = None
    try:
        with step(report, "compile"):
            model = fg.compile(text, name)
    except FgError as error:
        report.outcome = report.outcome or f"refused {error.code or 'without code'}"
        return
    if model is None:
        report.outcome = report.outcome or "failed"
        return
    checked = model.checked
    report.outcome = "checks"
    attempt(report, "warnings", lambda: [_sound(w) for w in model.warnings(pedantic=True)])
    attempt(
        report, "describe", lambda: (model_as_text(checked), json.dumps(model_as_dict(checked)))
    )
    attempt(report, "recognise", lambda: [recognise(checked, f) for f in checked.factors.values()])
    attempt(report, "flatten", lambda: _flat(model))
    attempt(report, "emit", lambda: _emit(model))
    attempt(report, "page", lambda: model._repr_html_())
    if random.random() < 0.4:
        attempt(report, "options", lambda: _options(text, name, model, random))
    found = attempt(report, "energies", lambda: _energies(model, seed))
    if found is None:
        report.outcome = "has energies"
    elif isinstance(found, NotBuiltError):
        report.outcome = "checks, not built"
    elif isinstance(found, BudgetError):
        report.outcome = "checks, over the budget"
    else:
        report.outcome = f"checks, then {type(found).__name__} {found.code}"


def _edited(text: str, name: str, random: Random) -> None:
    """What an editor asks: all errors, and at some places what a word means or may be."""
    document = Document(text, name)
    model, _ = document.checked
    for _ in range(3):
        at = random.randint(0, len(text))
        found = resolve(document, at)
        if found is not None:
            hover(found, model)
        complete(document, at)


def _options(text: str, name: str, model: Any, random: Random) -> None:
    """What the command line lets a user change: another loss, numbers, factors left out."""
    checked = model.checked
    names = [*checked.constants, *checked.sizes, "nothing"]
    values = (0, 1, 2, 3, -1, 0.5, 1e308, 2**31, 2**62, math.inf, math.nan)
    loss = random.choice(
        (sensible.formula(random), mutate.by_tokens(random, _some_loss(random)), None)
    )
    options: dict[str, Any] = {
        "loss": loss,
        "settings": {random.choice(names): random.choice(values)} if random.random() < 0.5 else {},
        "without": random.sample([*checked.factors], 1) if checked.factors else [],
    }
    if random.random() < 0.7:
        options.pop("without")
    other = fg.compile(text, name, **options)
    plan = other.loss
    if plan is not None:
        json.dumps(plan_as_dict(other.compiled))
    other.missing()
    if options["settings"]:
        fg.compile(other.text)


def _some_loss(random: Random) -> str:
    text = random.choice([s for s in corpus.all_statements() if s.startswith("loss")])
    return text.split("=", 1)[-1].removeprefix("loss").strip()


def _format(text: str, wrong: bool) -> None:
    try:
        once = formatted(text)
    except FgError:
        if not wrong:
            raise Defect("a text that parses is not formatted") from None
        return
    if wrong and not text.startswith("\ufeff") and "\r" not in text:
        raise Defect("a text that does not parse is formatted")
    if formatted(once) != once:
        raise Defect("formatting is not idempotent")


def _flat(model: Any) -> None:
    """The flattened text, as a run stores it, is one that checks."""
    text = model.text
    json.dumps(model.energy_texts)
    if not model.included.energies:
        fg.compile(text)
        parse(text)


def _emit(model: Any) -> None:
    compiled = model.compiled
    source = compiled.text
    source.encode("ascii")
    try:
        compile(source, "<emitted>", "exec")
    except SyntaxError as error:  # told as E0004 where it is loaded
        if not any(word in str(error) for word in ("nested", "indentation")):
            raise
    plan_as_text(compiled)
    json.dumps(plan_as_dict(compiled))
    model.missing()


def _energies(model: Any, seed: int) -> None:
    data = mock(model.checked, 2, seed % 1000, latents=True)
    json.dumps(data)
    run = model.init(0, data)
    parts = run.energies(data)
    bound = run.bind(data, latents=True)
    for factor in model.checked.factors.values():
        kind = recognise(model.checked, factor)
        if kind is None:
            continue
        fast = kind_energy(model.checked, factor, kind, bound, run.weights)
        if not np.allclose(fast, parts[factor.name], rtol=1e-6, atol=1e-6):
            raise Defect(f"`{factor.name}` is {parts[factor.name]}, as {kind.kind} {fast}")


def _machine(text: str) -> None:
    model = fg.compile(text, HERE)
    data = mock(model.checked, 2, 0)
    run = model.init(0, data)
    failed: list[FgError] = []
    for action in (
        lambda: list(run.predict(data)),
        lambda: run.energy([{k: v for k, v in d.items() if k not in model.checked.unknowns}
                            for d in data]),
        lambda: list(run.marginals(data)),
        lambda: model.fit(data, max_iterations=2),
    ):  # fmt: skip
        try:
            action()
        except FgError as error:
            failed.append(error)
    for error in failed:
        _sound(error)


# -- the command line


def commands(text: str, report: Report, folder: Path) -> None:
    """Put a text through the commands; each ends with 0 or 2."""
    path = folder / "model.fg"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    kept = path.read_bytes()
    data = folder / "data.jsonl"
    for words in (
        ["check", "--pedantic", str(path)],
        ["check", "--json", str(path)],
        ["info", str(path)],
        ["info", "--json", str(path)],
        ["fmt", "--diff", str(path)],
        ["fmt", "--check", str(path)],
        *(["compile", "--emit", what, str(path)] for what in ("tree", "model", "plan", "python")),
        ["mock", str(path), "-n", "2", "-o", str(data)],
    ):
        attempt(report, f"fgc {' '.join(words[:3])}", lambda words=words: command(words))
        if path.read_bytes() != kept:
            report.crashes.append((f"fgc {words[0]}", Defect("the model text was changed")))
            path.write_bytes(kept)


def command(words: list[str]) -> None:
    from unittest import mock as patch

    from factorgraph.cli.main import _run

    out, said = io.StringIO(), io.StringIO()
    with (
        patch.patch("sys.argv", ["fgc", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(said),
    ):
        code = _run()
    if code not in (0, 2):
        raise Defect(f"fgc {' '.join(words)} ended with {code}: {said.getvalue()[:300]}")
    if code == 2 and "--json" in words:
        for line in out.getvalue().splitlines():
            json.loads(line)
