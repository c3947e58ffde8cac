"""Reports on trainings: what is in them, damaged and hostile logs, and how a browser shows them."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.cli import main as cli
from factorgraph.learn import diagnostics
from factorgraph.learn.diagnosis import EDGES
from factorgraph.report.chart import Curve, bars, curves, histogram, scatter
from factorgraph.report.formulas import Formulas
from factorgraph.report.history import events, history
from factorgraph.report.page import page
from factorgraph.report.picture import data_uri, png

MODEL = """
domain Tag = {A, B}
size   n, s = 8
given  word[n] : text
given  pic[n, s, s] : 0..16
answer y[n] : Tag
param  T[Tag, s, s] ~ l2(0.1)
param  M[Tag, Tag] ~ l2(0.1)
factor look[t in n]      = -sum(T[y[t]] * pic[t]) / 16
factor move[t in 1..n-1] = -M[y[t-1], y[t]]
hard   first : y[0] == "A" or y[0] == "B"
loss   nll
"""

HOSTILE = '<script>alert("x")</script>&amp;\x1b[31m'


def data() -> list[dict[str, Any]]:
    random = np.random.default_rng(0)
    return [
        {"word": [f"{HOSTILE}{k}", "b", "c"], "pic": random.integers(0, 17, (3, 8, 8)).tolist(),
         "y": ["A", "B", "AB"[k % 2]]}
        for k in range(12)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with words, pictures and hostile texts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagnostics.Ration, "due", True)
        path = tmp_path_factory.mktemp("report") / "run"
        fg.compile(MODEL, "<b>model.fg").fit(data(), max_iterations=6, threads=1).save(path)
    return path


@pytest.fixture(scope="module")
def html(folder: Path) -> str:
    return fg.load_run(folder).report().html


def call(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["fgc", *words])
    return cli._run()


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close."""

    VOID = ("meta", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert not reader.open
    return reader


# -- what is in it


def test_the_page_holds_formulas_charts_and_figures(html: str) -> None:
    shown = read(html)
    names = [tag for tag, _ in shown.tags]
    assert names.count("math") == 4 and names.count("h1") == 1
    charts = [a["aria-label"] for tag, a in shown.tags if tag == "svg"]
    for title in (
        "Objective", "Mean energies of the sample", "Mean gap, E(wrong) − E(answer)", "Shares",
        "Entropy of the Gibbs distribution, nats per unknown",
        "Collapse score: spread of energies over answers", "Each factor's part of the gap",
        "Gaps, E(wrong) − E(answer)", "Energies of the first look", "Energies of the last look",
        "Which factors decide: mean E_f(wrong) − E_f(answer)",
    ):  # fmt: skip
        assert title in charts
    assert any(c and c.startswith("Slope masses") for c in charts)
    for part in ("The most offending wrong answers", "exact: forest", "L-BFGS", "nll", "12"):
        assert part in shown.text
    for svg in re.findall(r"<svg.*?</svg>", html):
        ElementTree.fromstring(svg)
    for _, attributes in shown.tags:
        for name, value in attributes.items():
            if name in ("x", "y", "cx", "cy", "x1", "y1", "x2", "y2", "width", "height"):
                assert value is not None and np.isfinite(float(value))


def test_nothing_is_fetched_and_nothing_runs(html: str) -> None:
    for tag, attributes in read(html).tags:
        assert tag not in (
            "script",
            "link",
            "iframe",
            "object",
            "embed",
            "form",
            "base",
            "b onload",
        )
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "href"
            if name == "src":
                assert value is not None and value.startswith("data:image/png;base64,")
    assert "http://" not in html and "https://" not in html and "url(" not in html
    assert "Content-Security-Policy" in html and "default-src 'none'" in html


def test_what_users_wrote_is_shown_and_not_obeyed(html: str) -> None:
    shown = read(html)
    assert "<b>model.fg" in shown.text and "\x1b" not in html
    assert r'<script>alert("x")</script>&amp;\x1b[31m' in shown.text


def test_pictures_are_those_of_the_data(html: str) -> None:
    shown = read(html)
    images = [a["src"] for tag, a in shown.tags if tag == "img"]
    assert images and all(a["alt"] for tag, a in shown.tags if tag == "img")
    truth = {
        np.rint(np.array(p) * (255 / np.array(one["pic"]).max())).astype(np.uint8).tobytes()
        for one in data()
        for p in one["pic"]
    }
    for source in images:
        assert source is not None
        file = base64.b64decode(source.partition(",")[2])
        start = file.index(b"IDAT") + 4
        length = int.from_bytes(file[start - 8 : start - 4], "big")
        raw = np.frombuffer(zlib.decompress(file[start : start + length]), np.uint8).reshape(8, 9)
        assert not raw[:, 0].any() and raw[:, 1:].tobytes() in truth


def test_the_command_writes_a_page(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    target = tmp_path / "a b.html"
    assert call("report", str(folder), "-o", str(target), monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"report written to {target}\n"
    assert target.read_text() == fg.load_run(folder).report().html
    assert call("report", str(folder), "--json", monkeypatch=monkeypatch) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(folder / "report.html")}
    assert fg.load_run(folder).weights


@pytest.mark.parametrize("what", ["missing", "file", "empty"])
def test_a_folder_that_is_no_run_is_refused(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    path = tmp_path / "run"
    if what == "file":
        path.write_text("x")
    if what == "empty":
        path.mkdir()
    assert call("report", str(path), monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err
    assert "error E0803" in error and str(path) in error and "Traceback" not in error


def test_a_page_that_cannot_be_written_is_an_error(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "page.html"
    assert call("report", str(folder), "-o", str(target), monkeypatch=monkeypatch) == 2
    assert "error E0802" in capsys.readouterr().err


def test_a_notebook_shows_a_page_that_may_do_nothing(folder: Path) -> None:
    report = fg.load_run(folder).report()
    (frame,) = [a for tag, a in read(report._repr_html_()).tags if tag == "iframe"]
    assert frame["sandbox"] == "" and frame["srcdoc"] == report.html


def test_a_training_in_python_is_reported_without_a_folder(tmp_path: Path) -> None:
    run = fg.compile(MODEL).fit(data(), max_iterations=2, threads=1)
    found = run.report(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == found.html
    assert "Mean gap" in found.html


# -- logs that are not as they should be


def lines(folder: Path) -> list[bytes]:
    return (folder / "log.jsonl").read_bytes().splitlines()


def written(tmp_path: Path, folder: Path, log: bytes) -> str:
    path = tmp_path / "copy"
    shutil.copytree(folder, path)
    (path / "log.jsonl").write_bytes(log)
    found = fg.load_run(path).report().html
    read(found)
    return found


def test_a_log_that_breaks_off_is_read_as_far_as_it_goes(tmp_path: Path, folder: Path) -> None:
    whole = lines(folder)
    log = b"\n".join(whole[:-2]) + b"\n" + whole[-2][: len(whole[-2]) // 2]
    found = written(tmp_path, folder, log)
    assert "has not ended, or was broken off" in found and "1 damaged line" in found


def test_a_log_without_looks_says_so(tmp_path: Path, folder: Path) -> None:
    log = b"\n".join(line for line in lines(folder) if b'"diagnosis"' not in line)
    found = written(tmp_path, folder, log)
    assert "holds no diagnoses" in found and "Objective" in found


@pytest.mark.parametrize("log", [b"", b"\n\n", b"\xff\xfe\x00garbage", b"[1, 2]\nnull\n3\n"])
def test_a_log_of_nothing_is_a_page(log: bytes, tmp_path: Path, folder: Path) -> None:
    assert "no iteration in the log" in written(tmp_path, folder, log)


def test_a_log_with_anything_for_a_value_is_a_page(tmp_path: Path, folder: Path) -> None:
    """Each value of each event is replaced in turn; nothing fails, and nothing becomes markup."""
    odd: list[Any] = [
        None,
        -1,
        1e308,
        float("nan"),
        float("inf"),
        "<i>x",
        [],
        {},
        [[1]],
        True,
        10**400,
    ]
    whole = [json.loads(line) for line in lines(folder)]
    random = np.random.default_rng(0)
    for trial in range(60):
        changed = []
        for event in whole:
            names = [n for n in event if n != "event"]
            event = dict(event)
            for name in random.choice(names, min(3, len(names)), replace=False) if names else ():
                event[name] = odd[int(random.integers(len(odd)))]
            changed.append(json.dumps(event).encode())
        html = page(f"trial {trial}", history(events(changed)), Formulas(), "")
        assert "<i>" not in html and "nan" not in re.sub(r"base64,[^\"]*", "", html).lower()
        read(html)


def test_a_training_that_was_gone_on_with_is_one(tmp_path: Path) -> None:
    """Iterations that were made twice, as after a kill, count once."""

    def step(n: int, value: float) -> bytes:
        return json.dumps({"event": "iteration", "iteration": n, "objective": value}).encode()

    begun = b'{"event": "started", "loss": "nll"}'
    past = history(events([begun, *(step(n, 10.0 - n) for n in range(1, 6)),
                           begun, *(step(n, 5.0 - n) for n in range(4, 8))]))  # fmt: skip
    assert [s["iteration"] for s in past.steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [s["objective"] for s in past.steps] == [9, 8, 7, 1, 0, -1, -2]
    assert past.resumed == 1


def test_alarms_are_on_top(tmp_path: Path, folder: Path) -> None:
    alarm = {"event": "alarm", "iteration": 3, "message": f"all alike {HOSTILE}",
             "hint": "another loss"}  # fmt: skip
    verdict = {"event": "judged", "verdict": "UNSAFE", "margin": None, "reasons": ["<u>why</u>"]}
    log = b"\n".join([*lines(folder), json.dumps(alarm).encode(), json.dumps(verdict).encode()])
    found = written(tmp_path, folder, log)
    shown = read(found)
    assert any(a.get("role") == "alert" for _, a in shown.tags)
    assert "all alike <script>" in shown.text and "another loss" in shown.text
    assert "UNSAFE" in shown.text and "<u>why</u>" in shown.text


# -- charts and pictures


def test_bars_of_a_histogram_are_as_high_as_their_shares() -> None:
    counts = [0] * (len(EDGES) + 1)
    counts[10], counts[14] = 1, 3
    svg = histogram("gaps", EDGES, [("epoch 1", counts)], "gap")
    tall = [float(h) for h in re.findall(r'class="c0 bar"[^>]*height="([\d.]+)"', svg)]
    assert len(tall) == 2 and tall[1] == pytest.approx(3 * tall[0], rel=0.01)
    assert svg.count('class="zero"') == 1
    assert histogram("gaps", EDGES, [("none", [0] * len(counts))], "gap") == ""


@pytest.mark.parametrize(
    "values", [[1.0], [0.0, 0.0], [1e-300, 1e150], [-1e150, 1e150], [5.0] * 3, [1e-9, 1e9]]
)
@pytest.mark.parametrize("log", [False, True])
def test_charts_of_any_numbers_are_drawn(values: list[float], log: bool) -> None:
    points = [(float(k), v) for k, v in enumerate(values)]
    for svg in (
        curves("a", [Curve("b", points)], "x", log=log),
        scatter("a", [(v, -v) for v in values], "x", "y", 1.0),
        bars("a", [("n", v, "said") for v in values]),
    ):
        assert "nan" not in svg and "inf" not in svg
        ElementTree.fromstring(svg[svg.index("<svg") : svg.index("</svg>") + 6])


def test_long_curves_are_thinned_to_what_can_be_seen() -> None:
    svg = curves("a", [Curve("b", [(float(k), float(k)) for k in range(100_000)])], "x")
    assert (len(svg) < 10_000 and "99999" in svg.replace(".", "")) or "1e5" in svg


def test_a_png_is_what_a_decoder_reads() -> None:
    pytest.importorskip("matplotlib")
    import io

    from matplotlib.image import imread

    grey = np.arange(15, dtype=np.uint8).reshape(3, 5) * 17
    np.testing.assert_allclose(imread(io.BytesIO(png(grey.tobytes(), 3, 5))) * 255, grey)


@pytest.mark.parametrize(
    "image", [None, 3, "!", "AAAA", base64.b64encode(b"x" * 7).decode(), "A" * 10**6]
)
def test_damaged_pictures_are_left_out(image: Any) -> None:
    assert data_uri(image, 2, 2) is None and data_uri("AAAAAA==", "2", 2) is None


# -- in a browser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)

PROBE = """<script>
addEventListener("load", () => {
  const sizes = name => [...document.querySelectorAll(name)].map(e => {
    const box = e.getBoundingClientRect();
    return [Math.round(box.width), Math.round(box.height)];
  });
  const images = [...document.images].map(i => [i.naturalWidth, i.naturalHeight]);
  const fetched = performance.getEntriesByType("resource").map(e => e.name.slice(0, 30));
  const wide = document.documentElement.scrollWidth - innerWidth;
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify({math: sizes("math"), svg: sizes("svg"), images, fetched, wide});
  document.body.append(out);
});
</script></body>"""
"""Looks at the page from inside; the page itself, whose policy forbids scripts, has none."""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize("width", [1200, 420])
def test_a_browser_shows_it_without_complaint(html: str, width: int, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    looked = html.replace("default-src 'none';", "default-src 'none'; script-src 'unsafe-inline';")
    (tmp_path / "page.html").write_text(looked.replace("</body>", PROBE))
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900",
         "--dump-dom", (tmp_path / "page.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr, done.stderr
    (probe,) = re.findall(r'<pre id="probe">(.*?)</pre>', done.stdout)
    seen = json.loads(probe)
    assert len(seen["math"]) == 4 and all(w > 40 and h > 10 for w, h in seen["math"])
    assert len(seen["svg"]) >= 10 and all(w > 200 and h > 20 for w, h in seen["svg"])
    assert seen["images"] and all(size == [8, 8] for size in seen["images"])
    assert [f for f in seen["fetched"] if not f.startswith("data:")] == []
    assert seen["wide"] <= 0
