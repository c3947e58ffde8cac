"""Pictures: whole files, honest figures, nothing global changed."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.errors import RunError, UsageError
from factorgraph.interop import pictures
from factorgraph.learn.events import Compiling, Event, Finished, Iteration, Started

needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="needs matplotlib")

STARTED = Started(3, 12, 30, 25, 2, 1, "nll", "exact: forest", "L-BFGS", 0)


def training(count: int) -> list[Event]:
    """Return the events of a training whose objective halves at each step."""
    steps = [
        Iteration(i, i, 1000.0 * 0.5**i, 3.0 * 0.1**i, None, None, 0.1 * i, None)
        for i in range(1, count + 1)
    ]
    last = steps[-1]
    end = Finished("converged: x", True, count, count, last.objective, last.norm, 1.0)
    return [Compiling("a.fg"), STARTED, *steps, end]


def png(path: Path) -> tuple[int, int]:
    """Check a PNG file by its chunks, and return width and height."""
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, kinds, pixels = 8, [], b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + body)
        kinds.append(kind)
        pixels += body if kind == b"IDAT" else b""
        at += 12 + length
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    assert (depth, colour) == (8, 6)
    assert len(zlib.decompress(pixels)) == height * (1 + 4 * width)
    return width, height


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Collect figures instead of writing them."""
    drawn: list[Any] = []
    monkeypatch.setattr(pictures, "_save", lambda figure, path: drawn.append(figure))
    return drawn


def texts(axes: Any) -> list[str]:
    return [t.get_text() for t in axes.texts]


# -- loss curve


@needs_matplotlib
def test_loss_curve_from_events_and_from_their_log_is_the_same(tmp_path: Path) -> None:
    events = training(40)
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(e.as_dict()) + "\n" for e in events))
    pictures.loss_curve(events, tmp_path / "a.png")
    pictures.loss_curve(log, tmp_path / "b.png")
    pictures.loss_curve(str(log), str(tmp_path / "c.png"))
    assert png(tmp_path / "a.png") == (840, 600)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "c.png").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png", "c.png", "log.jsonl"}


@needs_matplotlib
def test_loss_curve_draws_the_figures_of_the_last_training(figures: list[Any]) -> None:
    pictures.loss_curve(training(40) + training(5), "unused")
    upper, lower = figures[0].axes
    assert upper.lines[0].get_xydata().tolist() == [[i, 1000.0 * 0.5**i] for i in range(1, 6)]
    assert lower.lines[0].get_ydata().tolist() == [3.0 * 0.1**i for i in range(1, 6)]
    assert (upper.get_yscale(), lower.get_yscale()) == ("log", "log")


@needs_matplotlib
@pytest.mark.parametrize("values", [[5.0], [1.0, 1.0], [3.0, -2.0], [1e300, 1e-300], [1.0, 0.0]])
def test_loss_curve_of_odd_values(values: list[float], tmp_path: Path) -> None:
    events = [Iteration(i, i, v, v, None, None, 0.0, None) for i, v in enumerate(values)]
    pictures.loss_curve(events, tmp_path / "a.png")
    png(tmp_path / "a.png")


@needs_matplotlib
def test_a_log_that_ends_in_half_a_line_is_drawn(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    whole = "".join(json.dumps(e.as_dict()) + "\n" for e in training(5)[:-1])
    log.write_text(whole + '{"event": "itera')
    pictures.loss_curve(log, tmp_path / "a.png")
    png(tmp_path / "a.png")


@needs_matplotlib
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no iteration to draw"),
        ('{"event": "started"}\n', "there is no iteration to draw"),
        ("nonsense\n{}\n", "line 1 is no event"),
        ("[1]\n", "line 1 is no event"),
        ('{"event": "iteration", "iteration": 1}\n', "an iteration without its figures"),
        ("[" * 100000 + "\n", "line 1 is no event"),
    ],
)
def test_damaged_logs(text: str, message: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(text)
    with pytest.raises(RunError) as caught:
        pictures.loss_curve(log, tmp_path / "a.png")
    assert caught.value.message == f"{log}: {message}"
    assert not (tmp_path / "a.png").exists()


@needs_matplotlib
def test_missing_log(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"none\.jsonl cannot be read: No such file"):
        pictures.loss_curve(tmp_path / "none.jsonl", tmp_path / "a.png")


# -- gaps


@needs_matplotlib
def test_every_gap_is_counted_once(figures: list[Any], tmp_path: Path) -> None:
    before = np.zeros(50)
    after = np.array([-3.25, -1.0, -1e-12, 0.0, 1e-12, 2.0, 2.0, 7.0, np.inf, np.nan])
    pictures.gap_histogram(before, after, "unused")
    upper, lower = figures[0].axes
    assert [t.get_text() for t in upper.get_legend().get_texts()] == [
        "above zero: 0.0% (0)",
        "below zero: 0.0% (0)",
        "exactly zero: 100.0% (50)",
    ]
    assert [t.get_text() for t in lower.get_legend().get_texts()] == [
        "above zero: 50.0% (4)",
        "below zero: 37.5% (3)",
        "exactly zero: 12.5% (1)",
    ]
    assert lower.get_legend().get_title().get_text() == "after training\n(2 not finite, not drawn)"
    for axes, won, lost, ties in ((upper, 0, 0, 50), (lower, 4, 3, 1)):
        bars = [list(c) for c in axes.containers]
        assert [sum(b.get_height() for b in group) for group in bars] == [won, lost, ties]
        assert all(b.get_x() >= 0 for b in bars[0] if b.get_height())
        assert all(b.get_x() + b.get_width() <= 1e-9 for b in bars[1] if b.get_height())
        (tie,) = bars[2]
        assert tie.get_x() + tie.get_width() / 2 == 0


@needs_matplotlib
@pytest.mark.parametrize(
    "after",
    [[], [0.0], [5.0], [-1e-9], [1e6, 1e6 + 1], [-1e12, 1.0], [np.inf, np.nan]],
    ids=repr,
)
def test_gaps_of_any_size(after: list[float], tmp_path: Path) -> None:
    pictures.gap_histogram(np.zeros(3), np.array(after), tmp_path / "a.png")
    assert png(tmp_path / "a.png") == (840, 648)


@needs_matplotlib
@pytest.mark.parametrize("seed", range(5))
def test_no_gap_falls_off_the_end(seed: int, figures: list[Any]) -> None:
    rng = np.random.default_rng(seed)
    after = rng.normal(rng.normal(), 10.0 ** rng.integers(-3, 4), 100).round(2)
    pictures.gap_histogram(after, after, "unused")
    drawn = sum(b.get_height() for c in figures[0].axes[1].containers for b in c)
    assert drawn == 100


# -- heat map


@needs_matplotlib
def test_heat_map_is_centred_and_labelled(figures: list[Any]) -> None:
    matrix = np.array([[-4.0, 1.0], [0.5, np.inf]])
    pictures.heat_map(matrix, ["a", "b"], "unused", "title")
    axes = figures[0].axes[0]
    image = axes.images[0]
    assert image.get_clim() == (-4.0, 4.0)
    assert image.get_array().tolist() == [[-4.0, 1.0], [0.5, None]]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("previous letter", "next letter")
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_ylim() == (1.5, -0.5)  # the first row on top


@needs_matplotlib
def test_heat_map_files(tmp_path: Path) -> None:
    letters = [chr(97 + i) for i in range(26)]
    pictures.heat_map(np.random.default_rng(0).normal(size=(26, 26)), letters, tmp_path / "a", "t")
    assert png(tmp_path / "a") == (888, 792)
    # No formula, no control character, no scale that collapses.
    odd = [r"$\frac$", "\x1b[1m"]
    pictures.heat_map(np.zeros((2, 2)), odd, tmp_path / "b", r"$\nonsense{$ [/b]")
    assert png(tmp_path / "b") == (888, 792)


@needs_matplotlib
def test_heat_map_refuses_another_shape(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a heat map of 2 labels"):
        pictures.heat_map(np.zeros((2, 3)), ["a", "b"], tmp_path / "a", "t")


# -- words


@needs_matplotlib
def test_wrong_letters_are_marked_twice(figures: list[Any]) -> None:
    images = [np.ones((3, 16, 8)), np.ones((2, 16, 8))]
    pictures.words(images, ["cat", "on"], ["cot", "on"], "unused")
    first, second = figures[0].axes
    assert texts(first) == ["c", "c", "a", "o", "t", "t", "true", "read"]
    marked = [t for t in first.texts if t.get_weight() == "bold"]
    assert [t.get_text() for t in marked] == ["o"]
    assert marked[0].get_color() == "#c00000"
    assert len(first.lines) == 1  # the underline
    low, high = first.lines[0].get_xdata()
    assert low < marked[0].get_position()[0] < high
    assert len(second.lines) == 0
    assert not [t for t in second.texts if t.get_weight() == "bold"]
    assert "1 of 2 words and 4 of 5 letters read right" in figures[0].get_suptitle()


@needs_matplotlib
def test_words_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 2, (n, 16, 8)) for n in (3, 14, 7)]
    words = ["".join(rng.choice(list("abc"), n)) for n in (3, 14, 7)]
    pictures.words(images, words, words, tmp_path / "a.png")
    # Two columns of 14 letters, two rows.
    assert png(tmp_path / "a.png") == (round(2 * (0.27 * 14 + 0.6) * 120), round(2.41 * 120))
    pictures.words([np.zeros((1, 16, 8))], [["$"]], [[r"$\frac$"]], tmp_path / "b.png")
    png(tmp_path / "b.png")


@needs_matplotlib
@pytest.mark.parametrize(
    ("images", "true"),
    [([], []), ([np.zeros((2, 16, 8))], ["a"]), ([np.zeros((2, 128))], ["ab"])],
    ids=["none", "too few letters", "flat"],
)
def test_words_refuses_what_does_not_fit(images: Any, true: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="as many images"):
        pictures.words(images, true, true, tmp_path / "a.png")


# -- the world around


@needs_matplotlib
def test_unwritable_places(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be written: No such file") as caught:
        pictures.loss_curve(training(3), tmp_path / "none" / "a.png")
    assert caught.value.code == "E0802"


@needs_matplotlib
def test_nothing_global_changes(tmp_path: Path) -> None:
    program = """
import sys
import factorgraph.interop.pictures as p
assert "matplotlib" not in sys.modules
import matplotlib, numpy as np
matplotlib.rcParams["lines.linewidth"] = 3.5
before = dict(dict.items(matplotlib.rcParams))
p.gap_histogram(np.zeros(3), np.ones(3), sys.argv[1] + "/a.png")
p.heat_map(np.eye(2), "ab", sys.argv[1] + "/b.png", "t")
p.words([np.eye(8)[None]], ["a"], ["b"], sys.argv[1] + "/c.png")
assert dict(dict.items(matplotlib.rcParams)) == before
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.iterdir())) == 3


def test_without_matplotlib_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"] + ["matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    wanted = "pictures need matplotlib: pip install 'fgc[plots]'"
    for call in (
        pictures.require,
        lambda: pictures.loss_curve(training(3), tmp_path / "a"),
        lambda: pictures.gap_histogram([], [], tmp_path / "a"),
        lambda: pictures.heat_map([[0.0]], "a", tmp_path / "a", "t"),
        lambda: pictures.words([], [], [], tmp_path / "a"),
    ):
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.message == wanted
