"""Show training while it runs: a panel on a terminal, plain lines elsewhere.

Everything goes to the standard error, so that the standard output stays clean for results.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from factorgraph.learn.diagnosis import EDGES, Alarm, Diagnosis
from factorgraph.learn.events import (
    Compiling,
    Epoch,
    Event,
    Finished,
    Iteration,
    Listener,
    Started,
)
from factorgraph.source import visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

EVERY_SECONDS = 2.0
EVERY_ITERATIONS = 25
WIDEST = 76
TWO_ABREAST = 56
BARS = "▁▂▃▄▅▆▇█"


@contextmanager
def progress(console_stream: TextIO | None = None) -> Iterator[Listener]:
    """Show the events that are told in the block.

    Parameters
    ----------
    console_stream : None for the standard error. A terminal gets a panel that is drawn anew,
        unless TERM says that it cannot; anything else gets lines.

    Yields
    ------
    The listener to pass on as ``on_event``. It may hear several trainings, one after another.
    """
    stream = sys.stderr if console_stream is None else console_stream
    if not stream.isatty() or os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        yield Lines(stream)
        return
    panel = Panel(stream)
    try:
        yield panel
    finally:
        panel.close()


# -- plain


class Lines:
    """A listener that writes lines: one every two seconds or 25 iterations, whichever is first."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._said: Iteration | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Compiling):
            self._said = None
            self._write(f"compiling {visible(event.what)}")
        elif isinstance(event, Started):
            self._said = None
            for line in opening(event):
                self._write(line)
        elif isinstance(event, Iteration):
            last = self._said
            if (
                last is None
                or isinstance(event, Epoch)
                or event.seconds - last.seconds >= EVERY_SECONDS
                or event.iteration - last.iteration >= EVERY_ITERATIONS
            ):
                self._said = event
                self._write(_step(event))
        elif isinstance(event, Diagnosis):
            if self._said is not None and self._said.iteration == event.iteration:
                self._write(f"  {seen(event)}")
        elif isinstance(event, Alarm):
            for line in warning(event):
                self._write(line)
        elif isinstance(event, Finished):
            self._write(visible(event.status))
            self._write(_sum(event))

    def _write(self, line: str) -> None:
        self.stream.write(line + "\n")
        self.stream.flush()


def opening(event: Started) -> list[str]:
    """Return what is trained, and how, as lines."""
    return [
        f"{_count(event.instances, 'instance')}, {_count(event.variables, 'unknown')}, "
        f"{_count(event.weights, 'weight')}; seed {event.seed}",
        f"loss {visible(event.loss)}; inference {visible(event.inference)}",
        f"optimiser {visible(event.optimizer)}{f' ({visible(event.why)})' if event.why else ''}; "
        f"{_count(event.threads, 'thread')}",
    ]


def _step(event: Iteration) -> str:
    passed = isinstance(event, Epoch)
    parts = [
        f"{'epoch' if passed else 'iteration'} {event.iteration}:",
        f"objective {event.objective:.7g},",
    ]
    if isinstance(event, Epoch) and event.duality_gap is not None:
        parts.append(f"duality gap {event.duality_gap:.3g},")
    if event.norm is not None:
        parts.append(f"gradient {event.norm:.1e},")
    if isinstance(event, Epoch) and event.score is not None:
        parts.append(f"validation score {event.score:.4g},")
    if event.gap is not None:
        parts.append(f"sample gap {event.gap:.3f},")
    if event.accuracy is not None:
        parts.append(f"sample accuracy {event.accuracy:.3f},")
    parts.append(_duration(event.seconds))
    if event.left is not None:
        parts.append(f"(about {_duration(event.left)} left)")
    return " ".join(parts)


def seen(event: Diagnosis) -> str:
    """Return what a look at the sample shows, in a line."""
    return "; ".join(f"{label} {value}" for label, value in _figures(event))


def _figures(event: Diagnosis) -> list[tuple[str, str]]:
    """Return labels and values of what a look shows, as far as it is known."""
    pairs: list[tuple[str, str]] = []
    if event.above_zero is not None:
        pairs.append(("gaps above 0", _percent(event.above_zero)))
    if event.margin and event.above_margin is not None:
        pairs.append((f"above {event.margin:g}", _percent(event.above_margin)))
    if event.slopes is not None:
        pairs.append(("pull / push", f"{event.slopes.answer:.2g} / {event.slopes.wrong:.2g}"))
    if event.entropy is not None:
        pairs.append(("entropy", f"{event.entropy:.2g}"))
    if event.spread is not None:
        pairs.append(("spread", f"{event.spread:.2g}"))
    if event.search_errors:
        pairs.append(("search errors", str(event.search_errors)))
    total = sum(map(abs, event.shares.values()))
    if len(event.shares) > 1 and total > 0:
        name = max(event.shares, key=lambda n: abs(event.shares[n]))
        pairs.append(("decides", f"{visible(name)} {_percent(abs(event.shares[name]) / total)}"))
    return pairs


def warning(event: Alarm) -> list[str]:
    """Return an alarm as lines."""
    return [f"warning: {visible(event.message)}", f"  hint: {visible(event.hint)}"]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _sum(event: Finished) -> str:
    return (
        f"objective {event.objective:.7g} after {_count(event.iterations, event.unit)} "
        f"in {_duration(event.seconds)}"
    )


# -- on a terminal


class Panel:
    """A listener that draws a panel, and leaves it where it stands when training ends."""

    def __init__(
        self,
        stream: TextIO,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.console import Console

        self.console = console or Console(
            file=stream, force_terminal=True, markup=False, emoji=False, highlight=False
        )
        self.clock = clock
        # What others write to the standard error would tear the panel; rich lifts it above.
        # The standard output is not ours to turn around.
        self._redirect = stream is sys.stderr
        self._live: Live | None = None
        self._clear()

    def _clear(self) -> None:
        self.name = ""
        self.started: Started | None = None
        self.last: Iteration | None = None
        self.finished: Finished | None = None
        self.seen: Diagnosis | None = None
        self.accuracy: float | None = None
        self.alarms: list[Alarm] = []
        self.objectives: list[float] = []
        self.begun = self.heard = self.clock()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Compiling):
            self.close()
            self._clear()
            self.name = event.what
            self._open()
        elif isinstance(event, Started):
            if self.last or self.finished:
                self.close()
                self._clear()
            self.started = event
            self._open()
        elif isinstance(event, Iteration):
            self.last, self.heard = event, self.clock()
            self.objectives.append(event.objective)
            if event.accuracy is not None:
                self.accuracy = event.accuracy
        elif isinstance(event, Diagnosis):
            self.seen = event
        elif isinstance(event, Alarm):
            self.alarms.append(event)
        elif isinstance(event, Finished):
            self.finished = event
            self.close()

    def _open(self) -> None:
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=self.console,
                get_renderable=self.__rich__,
                refresh_per_second=4,
                redirect_stdout=False,
                redirect_stderr=self._redirect,
            )
            self._live.start(refresh=True)

    def close(self) -> None:
        """Draw the panel for the last time, and give the terminal back."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __rich__(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.panel import Panel as Frame
        from rich.text import Text

        width = min(self.console.width, WIDEST)
        inside = max(1, width - 4)
        parts: list[RenderableType] = []
        if self.started is not None:
            parts += [Text(line, "dim", overflow="fold") for line in opening(self.started)]
        if self.last is None and self.finished is None:
            parts.append(Text(f"compiling, {_duration(self.clock() - self.begun)}"))
        else:
            parts.append(self._grid(inside))
            bars = "" if self.console.options.ascii_only else spark(self.objectives, inside)
            if bars:
                parts.append(Text(bars, "cyan", no_wrap=True, overflow="crop"))
            if self.seen is not None and not self.console.options.ascii_only:
                gaps = histogram(self.seen.histogram)
                if gaps and len(gaps) + 6 <= inside:
                    parts.append(Text.assemble(("gaps ", "dim"), gaps))
        for alarm in self.alarms:
            parts += [Text(line, "bold red", overflow="fold") for line in warning(alarm)]
        if self.finished is not None:
            style = "bold green" if self.finished.converged else "bold yellow"
            parts.append(Text(visible(self.finished.status), style, overflow="fold"))
        return Frame(
            Group(*parts),
            box=box.ROUNDED,
            title=Text(_tail(visible(self.name), inside - 2), "bold") if self.name else None,
            subtitle=Text("gap, accuracy: of a sample", "dim") if self.last else None,
            width=width,
        )

    def _grid(self, width: int) -> RenderableType:
        """Return the figures: label and value, two pairs abreast where there is room."""
        from rich.table import Table
        from rich.text import Text

        pairs = self._pairs()
        abreast = 2 if width >= TWO_ABREAST else 1
        grid = Table.grid(padding=(0, 2 if width >= 30 else 1), expand=abreast == 2)
        for _ in range(abreast):
            grid.add_column(overflow="ellipsis", no_wrap=True)
            grid.add_column(overflow="ellipsis", no_wrap=True, justify="right", min_width=8)
        for i in range(0, len(pairs), abreast):
            cells = []
            for label, value in pairs[i : i + abreast]:
                cells += [Text(label, "dim"), Text(value, "bold")]
            grid.add_row(*cells)
        return grid

    def _pairs(self) -> list[tuple[str, str]]:
        """Return labels and values of the last iteration, or of the end."""
        last, end = self.last, self.finished
        iteration = end.iterations if end else last.iteration if last else 0
        objective = end.objective if end else last.objective if last else math.nan
        norm = end.norm if end else last.norm if last else math.nan
        wide = end.duality_gap if end else last.duality_gap if isinstance(last, Epoch) else None
        bound = None if wide is None else ("duality gap", f"{wide:.3g}")
        passed = 0.0 if end else self.clock() - self.heard
        seconds = end.seconds if end else (last.seconds if last else 0.0) + passed
        left = None if end or last is None or last.left is None else max(0.0, last.left - passed)
        gap = last.gap if last else None
        if gap is None and self.seen is not None:
            gap = self.seen.gap
        accuracy = self.accuracy
        pairs = [
            ("epoch" if isinstance(last, Epoch) else "iteration", str(iteration)),
            ("mean energy gap", "-" if gap is None else f"{gap:.3f}"),
            ("objective", f"{objective:.7g}"),
            ("accuracy", "-" if accuracy is None else f"{accuracy:.3f}"),
            bound or ("gradient norm", "-" if norm is None else f"{norm:.1e}"),
            ("elapsed", _duration(seconds)),
        ]
        if end is None:
            pairs.append(("time left", "-" if left is None else f"~{_duration(left)}"))
        return pairs + ([] if self.seen is None else _figures(self.seen))


# -- words and signs


def spark(values: Sequence[float], width: int) -> str:
    """Return a line of bars, on a logarithmic scale where all values are positive.

    Parameters
    ----------
    values : oldest first; what is not finite is left out.
    width : most bars; of several values that share a bar, the last is shown.
    """
    finite = [v for v in values if math.isfinite(v)]
    if len(finite) < 2 or width < 1:
        return ""
    count = min(width, len(finite))
    shown = [finite[(i + 1) * len(finite) // count - 1] for i in range(count)]
    if min(shown) > 0:
        shown = [math.log(v) for v in shown]
    low, high = min(shown), max(shown)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((v - low) * scale)] for v in shown)


def histogram(counts: Sequence[int]) -> str:
    """Return the gaps of a look as bars, around a line at 0; nothing where there are none."""
    most = max(counts, default=0)
    if not most:
        return ""
    bars = [BARS[-(-(len(BARS) - 1) * n // most)] if n else " " for n in counts]
    middle = EDGES.index(0.0) + 1
    return "".join(bars[:middle]) + "│" + "".join(bars[middle:])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "es" if noun.endswith("s") else "s")


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _tail(text: str, width: int) -> str:
    """Return the end of a name that is too long: there the file stands."""
    return text if len(text) <= width else "…" + text[len(text) - max(0, width - 1) :]
