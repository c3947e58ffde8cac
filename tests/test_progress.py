"""What training shows while it runs."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from factorgraph.cli.progress import Lines, Panel, histogram, progress, spark
from factorgraph.learn.diagnosis import EDGES, Alarm, Diagnosis, Slopes
from factorgraph.learn.events import Compiling, Event, Finished, Iteration, Started

STARTED = Started(3, 12, 30, 25, 2, 1, "nll", "exact: forest", "L-BFGS", 7)
FINISHED = Finished("converged: gradient norm 1.0e-05", True, 61, 64, 12.5, 1e-5, 130.0)
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-7]|9[0-7]|38|48)[0-9;]*m")


def step(number: int, seconds: float, **changes: object) -> Iteration:
    event = Iteration(number, number + 1, 100.0 / number, 0.5, -0.25, 0.75, seconds, None)
    return replace(event, **changes)  # type: ignore[arg-type]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "40")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    return Terminal()


def shown(stream: io.StringIO, events: Sequence[Event]) -> str:
    with progress(stream) as show:
        for event in events:
            show(event)
    return stream.getvalue()


def last_panel(text: str) -> list[str]:
    """Return the lines of the last panel that was drawn."""
    plain = CODES.sub("", text).replace("\r", "")
    return plain[plain.rindex("╭") :].splitlines()


# -- lines


def test_lines_are_exact() -> None:
    events: list[Event] = [Compiling("ocr.fg"), STARTED]
    events += [step(1, 0.5), step(2, 12.0, left=100.0, gap=None, accuracy=None), FINISHED]
    assert shown(io.StringIO(), events).splitlines() == [
        "compiling ocr.fg",
        "3 instances, 12 unknowns, 30 weights; seed 7",
        "loss nll; inference exact: forest",
        "optimiser L-BFGS; 2 threads",
        "iteration 1: objective 100, gradient 5.0e-01, sample gap -0.250, "
        "sample accuracy 0.750, 0.5 s",
        "iteration 2: objective 50, gradient 5.0e-01, 12 s (about 2 min left)",
        "converged: gradient norm 1.0e-05",
        "objective 12.5 after 61 iterations in 2 min",
    ]


def test_one_is_singular() -> None:
    one = replace(STARTED, instances=1, variables=1, weights=1, threads=1)
    text = shown(io.StringIO(), [one])
    assert "1 instance, 1 unknown, 1 weight; seed 7\n" in text
    assert "1 thread\n" in text


def iterations(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"^iteration (\d+):", text, re.MULTILINE)]


def test_fast_training_says_every_25th_iteration() -> None:
    text = shown(io.StringIO(), [STARTED, *(step(n, n * 1e-4) for n in range(1, 103))])
    assert iterations(text) == [1, 26, 51, 76, 101]


def test_slow_training_says_something_every_two_seconds() -> None:
    text = shown(io.StringIO(), [STARTED, *(step(n, n * 0.5) for n in range(1, 14))])
    assert iterations(text) == [1, 5, 9, 13]


def test_a_second_training_starts_anew() -> None:
    one = [Compiling("a"), STARTED, step(1, 0.1), step(2, 0.2), FINISHED]
    assert iterations(shown(io.StringIO(), one * 2)) == [1, 1]


def test_control_characters_are_escaped() -> None:
    text = shown(io.StringIO(), [Compiling("a\x1b[31m\r\nb"), replace(STARTED, loss="x\x07")])
    assert text.splitlines()[0] == r"compiling a\x1b[31m\r\nb"
    assert r"loss x\x07;" in text


@pytest.mark.parametrize("kind", ["dumb", "unknown", "DUMB"])
def test_a_dumb_terminal_gets_lines(
    kind: str, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", kind)
    with progress(terminal) as show:
        assert isinstance(show, Lines)
        show(Compiling("ocr.fg"))
    assert terminal.getvalue() == "compiling ocr.fg\n"


def test_the_standard_error_is_found_when_it_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress() as show:
        show(Compiling("ocr.fg"))
    assert capsys.readouterr() == ("", "compiling ocr.fg\n")


# -- the panel


def test_the_panel_holds_the_last_figures(terminal: Terminal) -> None:
    events = [Compiling("ocr.fg"), STARTED, step(1, 0.5), step(60, 8.0), FINISHED]
    text = "\n".join(last_panel(shown(terminal, events)))
    for part in ("ocr.fg", "3 instances", "30 weights", "nll", "exact: forest", "L-BFGS"):
        assert part in text
    for label, value in (
        ("iteration", "61"),
        ("mean energy gap", "-0.250"),
        ("objective", "12.5"),
        ("accuracy", "0.750"),
        ("gradient norm", "1.0e-05"),
        ("elapsed", "2 min"),
    ):
        assert re.search(rf"{label} +{re.escape(value)}\b", text), label
    assert "converged: gradient norm 1.0e-05" in text
    assert "time left" not in text
    assert "█▁" in text


def test_time_left_counts_down_between_iterations() -> None:
    from rich.console import Console

    now = [0.0]
    console = Console(file=io.StringIO(), width=60)
    panel = Panel(io.StringIO(), console, clock=lambda: now[0])
    panel.last, panel.heard = step(4, 20.0, left=30.0), 0.0
    for passed, elapsed, left in ((0.0, "20 s", "~30 s"), (12.0, "32 s", "~18 s")):
        now[0] = passed
        with console.capture() as capture:
            console.print(panel)
        assert re.search(rf"elapsed +{elapsed}", capture.get())
        assert re.search(rf"time left +{left}", capture.get())
    now[0] = 99.0
    with console.capture() as capture:
        console.print(panel)
    assert re.search(r"time left +~0\.0 s", capture.get())


@pytest.mark.parametrize("text", ["U[y[t]]", "[/b]", "[bold red]x", ":smile:", r"\[x]"])
def test_user_text_is_no_markup(text: str, terminal: Terminal) -> None:
    events = [
        Compiling(text),
        replace(STARTED, loss=f"loss {text}", inference=f"inf {text}"),
        step(1, 1.0),
        replace(FINISHED, status=f"stopped: {text}"),
    ]
    panel = "\n".join(last_panel(shown(terminal, events)))
    assert f" {text} ─" in panel
    assert f"loss {text};" in panel
    assert f"inf {text} " in panel
    assert f"stopped: {text} " in panel


def test_the_panel_escapes_control_characters(terminal: Terminal) -> None:
    events = [Compiling("a\x1b]0;b\x07"), replace(STARTED, loss="\x1b[2J"), FINISHED]
    text = shown(terminal, events)
    assert "\x1b]0;" not in text and "\x1b[2J" not in text and "\x07" not in text
    assert r"a\x1b]0;b\x07" in CODES.sub("", text)


@pytest.mark.parametrize("width", [12, 20, 40, 60, 200])
def test_no_line_is_wider_than_the_terminal(
    width: int, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    events = [Compiling("folder/" * 20 + "ocr.fg"), STARTED]
    events += [step(n, n * 0.1, objective=123456.789, left=5000.0) for n in range(1, 300)]
    events.append(replace(FINISHED, status="stopped: " + "word " * 30 + "x" * 100))
    text = shown(terminal, events)
    assert max(len(line) for line in last_panel(text)) <= width
    assert len({len(line) for line in last_panel(text)}) == 1
    if width >= 40:
        assert "123456.8" in CODES.sub("", text) or "12.5" in text
        assert re.search(r"gradient norm +1\.0e-05", "\n".join(last_panel(text)))
        assert "ocr.fg ─" in text or "ocr.fg" in last_panel(text)[0]


def test_colours_only_where_they_are_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Compiling("a"), STARTED, step(1, 0.1), step(2, 0.2), FINISHED]
    assert COLOURS.search(shown(terminal, events))
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOURS.search(shown(Terminal(), events))


def test_the_terminal_is_given_back_after_an_error(terminal: Terminal) -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt), progress(terminal) as show:
        show(Compiling("a"))
        show(STARTED)
        (drawing,) = set(threading.enumerate()) - before
        raise KeyboardInterrupt
    drawing.join(10)
    assert not drawing.is_alive()
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")


def test_two_trainings_leave_two_panels(terminal: Terminal) -> None:
    one: list[Event] = [Compiling("first"), STARTED, step(1, 0.1), FINISHED]
    two: list[Event] = [Compiling("second"), STARTED, step(1, 0.1), FINISHED]
    text = CODES.sub("", shown(terminal, one + two))
    assert text.rindex("─ first ─") < text.index("─ second ─")
    assert "first" not in "\n".join(last_panel(text))


def test_what_is_printed_meanwhile_stays_on_the_standard_output(
    terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress(terminal) as show:
        show(Compiling("a"))
        print("a result")
    assert capsys.readouterr().out == "a result\n"
    assert "a result" not in terminal.getvalue()


# -- parts


def test_spark() -> None:
    assert spark([1.0, 10.0, 100.0], 10) == "▁▅█"  # logarithms
    assert spark([-1.0, 0.0, 6.0], 10) == "▁▂█"
    assert spark([3.0, 3.0], 10) == "▁▁"
    assert spark([float("inf"), 2.0, float("nan"), 1.0], 10) == "█▁"
    assert spark([1.0], 10) == spark([], 10) == spark([1.0, 2.0], 0) == ""
    # The last value is always shown.
    assert spark([5.0] * 99 + [1.0], 7) == "██████▁"


def test_import_is_cheap() -> None:
    program = (
        "import sys, factorgraph.cli.progress; "
        "print(*sorted({'rich', 'numba', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


# -- what looks show

LOOK = Diagnosis(
    iteration=1, instances=4, inference="exact: forest", beta=1.0, answer=-2.0, best=-2.5,
    wrong=-1.75, gap=0.25, histogram=[0] * 11 + [1, 3] + [0] * 11, above_zero=0.75,
    above_margin=0.5, margin=1.0, slopes=Slopes(0.5, 0.25, 0.1), entropy=0.3, accuracy=0.75,
    search_errors=2,
    spread=0.8, apart=2.0, tied=0.0, reaction=0.5, shares={"emit": 0.5, "move": -0.25},
    spreads={"emit": 0.5, "move": 0.1}, weights={"U": 1.0}, codes={},
)  # fmt: skip
ALARM = Alarm(1, "collapse", "all \x1b[31malike", "another loss")


def test_a_look_is_a_line_below_its_iteration() -> None:
    later = replace(LOOK, iteration=2)  # of an iteration that is not shown
    events = [STARTED, step(1, 0.1), LOOK, ALARM, step(2, 0.2), later, FINISHED]
    lines = shown(io.StringIO(), events).splitlines()
    assert lines[4:7] == [
        "  gaps above 0 75 %; above 1 50 %; pull / push 0.5 / 0.25; entropy 0.3; spread 0.8; "
        "search errors 2; decides emit 67 %",
        r"warning: all \x1b[31malike",
        "  hint: another loss",
    ]
    assert len([line for line in lines if "gaps above" in line]) == 1


def test_the_panel_holds_the_last_look(terminal: Terminal) -> None:
    events = [STARTED, step(1, 0.5), LOOK, ALARM, step(60, 8.0, gap=None, accuracy=None)]
    text = "\n".join(last_panel(shown(terminal, events)))
    for label, value in (
        ("mean energy gap", "0.250"), ("accuracy", "0.750"), ("gaps above 0", "75 %"),
        ("above 1", "50 %"), ("spread", "0.8"), ("decides", "emit 67 %"),
    ):  # fmt: skip
        assert re.search(rf"{label} +{re.escape(value)}", text), label
    assert "▄│█" in text and r"warning: all \x1b[31malike" in text and "another loss" in text


def test_the_histogram_has_a_bar_for_whatever_is_there() -> None:
    counts = [0] * (len(EDGES) + 1)
    assert histogram(counts) == ""
    counts[0], counts[-1] = 1, 1000
    bars = histogram(counts)
    assert len(bars) == len(EDGES) + 2 and bars[0] == "▂" and bars[-1] == "█" and bars[12] == "│"
