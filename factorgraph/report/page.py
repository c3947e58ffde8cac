"""A training as one HTML page: charts, formulas, alarms, wrong answers; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from factorgraph.markup import safe
from factorgraph.report.chart import Curve, bars, curves, histogram, scatter
from factorgraph.report.formulas import Formulas
from factorgraph.report.history import History, Plain, listed, number, numbers, text
from factorgraph.report.offending import offending
from factorgraph.report.style import STYLE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page may load: nothing from anywhere."""

ROWS = 200
"""Of the table of figures."""


def page(title: str, past: History, formulas: Formulas, source: str) -> str:
    """Return a whole HTML document.

    Parameters
    ----------
    title : what was trained.
    source : the model's text; empty where it is not known.
    """
    parts = [
        f"<header><h1>{safe(title)}</h1>{_status(past)}</header>",
        _cards(past),
        "".join(_alarm(a) for a in past.alarms),
        _what(past, formulas, source),
        _charts(past),
        _gaps(past),
        _worst(past),
        _figures(past),
    ]
    body = "\n".join(p for p in parts if p)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{safe(title)}: training</title>\n<style>\n{STYLE}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _status(past: History) -> str:
    said = text(past.finished.get("status"))
    if not said:
        said = "has not ended, or was broken off" if past.steps else "no iteration in the log"
    notes = []
    if past.resumed:
        notes.append(f"gone on with {_times(past.resumed)}")
    if past.skipped:
        notes.append(f"{past.skipped} instances left out, whose answers hard factors forbid")
    if past.damaged:
        notes.append(f"{past.damaged} damaged line{'s' * (past.damaged > 1)} of the log left out")
    if past.steps and not past.looks:
        notes.append("the log holds no diagnoses: it is of an older version, or has no answers")
    more = "".join(f'<p class="dim">{safe(n)}</p>' for n in notes)
    return f"<p>{safe(said)}</p>{more}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _cards(past: History) -> str:
    """Return the figures that matter, of the end."""
    started, last = past.started, past.steps[-1] if past.steps else {}
    look = past.looks[-1] if past.looks else {}
    ended = past.finished or last
    slopes = look.get("slopes") if isinstance(look.get("slopes"), dict) else {}
    found: list[tuple[str, str]] = []

    def add(name: str, value: str) -> None:
        if value:
            found.append((name, value))

    for name in ("instances", "variables", "weights"):
        add("unknowns" if name == "variables" else name, _whole(started.get(name)))
    add("loss", text(started.get("loss")))
    add("inference", text(started.get("inference")))
    add("optimiser", text(started.get("optimizer")))
    add(f"{past.word}s", _whole(ended.get("iterations", ended.get("iteration"))))
    add("objective", _said(ended.get("objective"), 7))
    add("seconds", _said(ended.get("seconds"), 3))
    known = [e for e in (*past.steps, *past.looks) if number(e.get("accuracy")) is not None]
    add("sample accuracy", _percent(known[-1].get("accuracy")) if known else "")
    add("gaps above 0", _percent(look.get("above_zero")))
    if number(look.get("margin")):
        add(f"above the margin, {number(look.get('margin')):g}", _percent(look.get("above_margin")))
    add("search errors", _whole(look.get("search_errors")))
    add("instances without slope", _percent(slopes.get("idle") if slopes else None))
    add("entropy, nats per unknown", _said(look.get("entropy"), 3))
    add("spread of energies", _said(look.get("spread"), 3))
    inside = "".join(f"<div><dt>{safe(n)}</dt><dd>{safe(v)}</dd></div>" for n, v in found)
    return f"<dl class=cards>{inside}</dl>" if inside else ""


def _alarm(alarm: Plain) -> str:
    at = number(alarm.get("iteration"))
    where = "" if at is None else f" (at {at:g})"
    return (
        f"<div class=alarm role=alert><b>Alarm{where}</b>: {safe(text(alarm.get('message')))}"
        f"<p>{safe(text(alarm.get('hint')))}</p></div>"
    )


def _what(past: History, formulas: Formulas, source: str) -> str:
    """Return loss, verdict and energy."""
    parts = []
    if formulas.loss:
        parts.append(f"<div class=formula>{formulas.loss}</div>")
    word = text(past.judged.get("verdict"))
    if word:
        kind = (
            "safe" if word.startswith("SAFE") else "unsafe" if word in ("UNSAFE", "ERROR") else ""
        )
        reasons = "".join(f"<li>{safe(text(r))}</li>" for r in listed(past.judged.get("reasons")))
        parts.append(f'<div class="verdict {kind}"><b>{safe(word)}</b><ul>{reasons}</ul></div>')
    if formulas.factors:
        parts.append("<p>The energy is the sum of</p>")
        parts += [f"<div class=formula>{f}</div>" for _, f in formulas.factors]
    if source:
        parts.append(
            f"<details><summary>The model's text</summary><pre>{safe_text(source)}</pre></details>"
        )
    return f"<section><h2>What is minimised</h2>{''.join(parts)}</section>" if parts else ""


def safe_text(source: str) -> str:
    """Return a text of several lines that is no markup."""
    return "\n".join(safe(line) for line in source.splitlines())


Figure = Callable[[Plain], Any]


def _points(events: Sequence[Plain], figure: Figure) -> list[tuple[float, float]]:
    out = []
    for event in events:
        x, y = number(event.get("iteration")), number(figure(event))
        if x is not None and y is not None:
            out.append((x, y))
    return out


def _field(name: str, inside: str | None = None) -> Figure:
    def figure(event: Plain) -> Any:
        value = event.get(name)
        if inside is None:
            return value
        return value.get(inside) if isinstance(value, dict) else None

    return figure


def _charts(past: History) -> str:
    steps, looks, word = past.steps, past.looks, past.word

    def of(events: Sequence[Plain], *series: tuple[str, Figure]) -> list[Curve]:
        return [Curve(name, _points(events, figure)) for name, figure in series]

    factors = list(dict.fromkeys(n for look in looks for n in numbers(look.get("shares"))))[:6]
    found = [
        curves("Objective", of(steps, ("objective", _field("objective"))), word, log=True),
        curves(
            "Mean energies of the sample",
            of(looks, ("answer", _field("answer")), ("wrong", _field("wrong")),
               ("best", _field("best"))),
            word,
        ),
        curves("Mean gap, E(wrong) − E(answer)", of(looks, ("gap", _field("gap"))), word),
        curves(
            "Shares",
            of(looks, ("gaps above 0", _field("above_zero")),
               ("gaps above the margin", _field("above_margin")))
            + of(looks, ("unknowns read right", _field("accuracy")))
            + of(steps, ("validation", _score)),
            word, low=0.0, high=1.0,
        ),
        curves(
            "Slope masses: how hard the loss pulls and pushes",
            of(looks, ("answer, down", _field("slopes", "answer")),
               ("wrong, up", _field("slopes", "wrong"))),
            word, low=0.0,
        ),
        curves(
            "Entropy of the Gibbs distribution, nats per unknown",
            of(looks, ("entropy", _field("entropy"))), word, low=0.0,
        ),
        curves(
            "Collapse score: spread of energies over answers",
            of(looks, ("spread", _field("spread")), ("reaction to inputs", _field("reaction"))),
            word, log=True,
        ),
        curves("Norm of the gradient", of(steps, ("norm", _field("norm"))), word, log=True),
        curves("Duality gap", of(steps, ("gap", _field("duality_gap"))), word, log=True),
        curves(
            "Each factor's part of the gap",
            of(looks, *((n, _field("shares", n)) for n in factors)), word,
        ) if len(factors) > 1 else "",
        curves(
            "Search errors: decoded energy above the answer's",
            of(looks, ("search errors", _field("search_errors"))), word, low=0.0,
        ) if any(number(look.get("search_errors")) for look in looks) else "",
    ]  # fmt: skip
    inside = "".join(found)
    if not inside:
        return ""
    how = text(looks[-1].get("inference")) if looks else ""
    note = (
        f'<p class="dim">Energies are of a sample of {_whole(looks[-1].get("instances"))} '
        f"instances; best and wrong answers by: {safe(how)}.</p>"
        if how else ""
    )  # fmt: skip
    return f"<section><h2>As it went</h2>{note}<div class=charts>{inside}</div></section>"


def _score(event: Plain) -> float | None:
    """Return a score on validation data as a share; F1 is told in percent."""
    found = number(event.get("score"))
    return None if found is None else found / 100 if found > 1 else found


def _gaps(past: History) -> str:
    """Return histogram, scatter and factors of the first and the last look."""
    if not past.looks:
        return ""
    first, last = past.looks[0], past.looks[-1]
    edges = [v for v in map(number, listed(last.get("edges"))) if v is not None]
    layers = []
    for look in (first, last) if len(past.looks) > 1 else (last,):
        counts = [number(c) or 0.0 for c in listed(look.get("histogram"))]
        layers.append((f"{past.word} {_whole(look.get('iteration'))}", counts))
    found = [histogram("Gaps, E(wrong) − E(answer)", edges, layers, "gap")]
    for name, look in (("first", first), ("last", last)) if last is not first else (("", last),):
        points = []
        for point in listed(look.get("points")):
            pair = [number(v) for v in listed(point)[:2]]
            if len(pair) == 2 and pair[0] is not None and pair[1] is not None:
                points.append((pair[0], pair[1]))
        title = f"Energies of the {name} look" if name else "Energies"
        margin = number(look.get("margin"))
        found.append(scatter(title, points, "E(answer)", "E(wrong)", margin))
    shares = numbers(last.get("shares"))
    total = sum(map(abs, shares.values())) or 1.0
    order = sorted(shares.items(), key=lambda item: -abs(item[1]))
    said = [(n, v, f"{v:+.3g} ({100 * abs(v) / total:.0f} %)") for n, v in order]
    found.append(bars("Which factors decide: mean E_f(wrong) − E_f(answer)", said))
    sizes = sorted(numbers(last.get("weights")).items(), key=lambda item: -item[1])
    found.append(bars("Size of weights, root mean square", [(n, v, f"{v:.3g}") for n, v in sizes]))
    inside = "".join(found)
    return f"<section><h2>Gaps and factors</h2><div class=charts>{inside}</div></section>"


def _worst(past: History) -> str:
    if not past.looks:
        return ""
    inside = offending(listed(past.looks[-1].get("offenders")), past.givens)
    if not inside:
        return ""
    return (
        "<section><h2>The most offending wrong answers</h2>"
        "<p class=dim>Those of the last look whose energies are lowest beside the answer's.</p>"
        f"{inside}</section>"
    )


_COLUMNS: tuple[tuple[str, Figure], ...] = (
    ("objective", _field("objective")), ("E(answer)", _field("answer")),
    ("E(best)", _field("best")), ("E(wrong)", _field("wrong")), ("gap", _field("gap")),
    ("above 0", _field("above_zero")), ("above margin", _field("above_margin")),
    ("pull", _field("slopes", "answer")), ("push", _field("slopes", "wrong")),
    ("entropy", _field("entropy")), ("spread", _field("spread")),
    ("reaction", _field("reaction")), ("search errors", _field("search_errors")),
)  # fmt: skip


def _figures(past: History) -> str:
    """Return the figures behind the charts, as a table."""
    if not past.looks:
        return ""
    objectives = dict(_points(past.steps, _field("objective")))
    rows = [
        {"objective": objectives.get(number(look.get("iteration")) or 0.0)} | look
        for look in past.looks
    ]
    if len(rows) > ROWS:
        rows = [rows[round(k * (len(rows) - 1) / (ROWS - 1))] for k in range(ROWS)]
    columns = [(n, f) for n, f in _COLUMNS if any(number(f(r)) is not None for r in rows)]
    head = "".join(f"<th scope=col class=n>{safe(n)}</th>" for n, _ in columns)
    body = "".join(
        f"<tr><th scope=row>{_whole(r.get('iteration'))}</th>"
        + "".join(f"<td class=n>{_said(f(r), 4)}</td>" for _, f in columns)
        + "</tr>"
        for r in rows
    )
    return (
        "<section><h2>Figures</h2><details><summary>The figures behind the charts</summary>"
        f"<div class=wide><table><thead><tr><th scope=col>{safe(past.word)}</th>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></details></section>"
    )


def _said(value: Any, digits: int) -> str:
    found = number(value)
    return "" if found is None else f"{found:.{digits}g}"


def _whole(value: Any) -> str:
    found = number(value)
    return "" if found is None else f"{found:.0f}"


def _percent(value: Any) -> str:
    found = number(value)
    return "" if found is None else f"{100 * found:.1f} %"
