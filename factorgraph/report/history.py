"""What the log of a training says, read so that a damaged line costs no more than itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST = 1 << 24
"""Characters of a line that is read."""

Plain = dict[str, Any]
"""An event as plain values; whoever wrote the log, nothing in it is taken for granted."""


@dataclass
class History:
    """A training as it went.

    Attributes
    ----------
    name : of the model.
    judged, started, finished : events, empty where there is none.
    steps : iterations or epochs in order; of those that were made twice, as after a resumption,
        the later ones.
    looks : diagnoses in order, the same way.
    alarms : in order.
    damaged : lines that are no events.
    resumed : how often training was gone on with.
    """

    name: str = ""
    judged: Plain = field(default_factory=dict)
    started: Plain = field(default_factory=dict)
    finished: Plain = field(default_factory=dict)
    steps: list[Plain] = field(default_factory=list)
    looks: list[Plain] = field(default_factory=list)
    alarms: list[Plain] = field(default_factory=list)
    givens: dict[str, Plain] = field(default_factory=dict)
    skipped: int = 0
    damaged: int = 0
    resumed: int = 0

    @property
    def word(self) -> str:
        """What its steps are called."""
        unit = self.finished.get("unit")
        if isinstance(unit, str) and unit:
            return unit
        return "epoch" if any(s.get("event") == "epoch" for s in self.steps) else "iteration"


def history(events: Iterable[Plain | None]) -> History:
    """Return a training from its events, None for what was none."""
    out = History()
    for event in events:
        if event is None:
            out.damaged += 1
            continue
        kind = event.get("event")
        if kind == "compiling":
            out.name = text(event.get("what"))
        elif kind == "judged":
            out.judged = event
        elif kind == "started":
            out.resumed += bool(out.steps)
            out.started, out.finished = event, {}
        elif kind == "skipped":
            out.skipped += int(number(event.get("skipped")) or 0)
        elif kind in ("iteration", "epoch"):
            _add(out.steps, event, out)
        elif kind == "diagnosis":
            for one in listed(event.get("offenders")):
                if isinstance(one, dict) and isinstance(one.get("givens"), dict) and one["givens"]:
                    out.givens.setdefault(text(one.get("place")), one["givens"])
            _add(out.looks, event, out)
            if len(out.looks) > 2:  # what is large is shown of the first and the last
                before = out.looks[-2]
                before.pop("points", None)
                before.pop("offenders", None)
        elif kind == "alarm":
            out.alarms.append(event)
        elif kind == "finished":
            out.finished = event
    return out


def _add(steps: list[Plain], event: Plain, out: History) -> None:
    at = number(event.get("iteration"))
    if at is None:
        out.damaged += 1
        return
    while steps and (number(steps[-1].get("iteration")) or 0.0) >= at:
        steps.pop()  # made again
    steps.append(event)


def events(lines: Iterable[bytes]) -> Iterator[Plain | None]:
    """Yield the events of a log's lines, None for a line that is none."""
    for line in lines:
        if not line.strip():
            continue
        found = None
        if len(line) <= LONGEST:
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                found = None
        yield found if isinstance(found, dict) else None


def number(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) < 1e200 else None  # NaN compares as False


def text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def numbers(value: Any) -> dict[str, float]:
    """Return the finite numbers of an object by name."""
    if not isinstance(value, dict):
        return {}
    found = {k: number(v) for k, v in value.items() if isinstance(k, str)}
    return {k: v for k, v in found.items() if v is not None}
