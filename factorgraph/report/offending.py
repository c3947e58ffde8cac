"""The most offending wrong answers of a look, as they look in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factorgraph.markup import safe
from factorgraph.report.history import Plain, listed, number, numbers, text
from factorgraph.report.picture import data_uri

LONGEST = 60
"""Items of a sequence that are shown."""


def offending(offenders: Sequence[Any], givens: Mapping[str, Plain]) -> str:
    """Return wrong answers as HTML.

    Parameters
    ----------
    givens : what is given to instances, by their places.
    """
    return "".join(
        _offender(one, givens.get(text(one.get("place")), {}))
        for one in offenders
        if isinstance(one, dict)
    )


def _offender(one: Plain, givens: Plain) -> str:
    own, wrong = number(one.get("energy")), number(one.get("wrong_energy"))
    head = safe(text(one.get("place")) or "an instance")
    if own is not None and wrong is not None:
        head += f' <span class="dim">E(answer) {own:.4g}, E(wrong) {wrong:.4g}, '
        head += f"gap {wrong - own:.3g}</span>"
    answers, wrongs = one.get("answer"), one.get("wrong")
    rows: dict[int, list[str]] = {}
    alone = ""
    for name, given in givens.items():
        cells = _cells(name, given)
        if len(cells) == 1:
            alone += f"<p>{safe(name)} {cells[0]}</p>"
        elif cells:
            rows.setdefault(len(cells), []).append(_row(name, cells))
    if isinstance(answers, dict) and isinstance(wrongs, dict):
        for name in answers:
            said, found = _flat(answers[name]), _flat(wrongs.get(name))
            if len(said) != len(found):
                continue
            right = [f'<span class="right">{safe(_label(a))}</span>' for a in said]
            bad = [
                f'<span class="{"wrong" if a != b else "dim"}">{safe(_label(b))}</span>'
                for a, b in zip(said, found, strict=True)
            ]
            rows.setdefault(len(said), []).extend(
                (_row(f"{name}, answer", right), _row(f"{name}, wrong", bad))
            )
    tables = "".join(f"<div class=wide><table>{''.join(r)}</table></div>" for r in rows.values())
    return f"<div class=offender><h3>{head}</h3>{alone}{tables}{_deciding(one)}</div>"


def _deciding(one: Plain) -> str:
    """Return which factors are for the wrong answer, and which against it."""
    parts = numbers(one.get("factors"))
    if len(parts) < 2:
        return ""
    said = ", ".join(f"{safe(n)} {v:+.3g}" for n, v in list(parts.items())[:12])
    return f"<p class=dim>E(wrong) − E(answer) by factor: {said}</p>"


def _cells(name: str, given: Any) -> list[str]:
    """Return what is given as cells: words, numbers, pictures."""
    if not isinstance(given, dict):
        return []
    if "images" in given:
        height, width = given.get("height"), given.get("width")
        found = [data_uri(i, height, width) for i in listed(given["images"])[:LONGEST]]
        return [
            f'<img class=pixels alt="{safe(name)} {k}" src="{uri}">'
            for k, uri in enumerate(found)
            if uri is not None
        ]
    if "words" in given:
        return [safe(text(w)) for w in listed(given["words"])]
    found_numbers = [number(v) for v in listed(given.get("numbers"))]
    return [f"{v:.4g}" for v in found_numbers if v is not None]


def _row(name: str, cells: Sequence[str]) -> str:
    more = "<td>…</td>" if len(cells) > LONGEST else ""
    inside = "".join(f"<td>{c}</td>" for c in cells[:LONGEST])
    return f"<tr><th scope=row>{safe(name)}</th>{inside}{more}</tr>"


def _flat(value: Any) -> list[Any]:
    """Return the values of nested lists in order."""
    if not isinstance(value, list | tuple):
        return [value]
    out, todo = [], [iter(value)]
    while todo:
        for item in todo[-1]:
            if isinstance(item, list | tuple):
                todo.append(iter(item))
                break
            out.append(item)
        else:
            todo.pop()
    return out


def _label(value: Any) -> str:
    return value if isinstance(value, str) else "?" if value is None else str(value)
