"""The model of a parity code: its data, its demo, its answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.alist import read_alist
from factorgraph.engine.decoder import Checks
from factorgraph.interop import gallery

FOLDER = Path(__file__).parents[1] / "models" / "ldpc"


@pytest.fixture(scope="module")
def demo() -> Any:
    spec = importlib.util.spec_from_file_location("ldpc_demo", FOLDER / "demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_code_is_the_one_drawn(demo: Any) -> None:
    matrix = read_alist(FOLDER / "code.alist").dense()
    np.testing.assert_array_equal(matrix, demo.drawn(256, 128, 3, 1))
    assert (matrix.sum(axis=0) == 3).all()
    shared = matrix.T @ matrix
    np.fill_diagonal(shared, 0)
    assert shared.max() == 1  # no two bits share two checks: no loop of length 4


def test_frames_are_read_right() -> None:
    with np.load(FOLDER / "frames.npz") as stored:
        sent, llr = stored["x"], stored["llr"]
    checks = Checks.of(read_alist(FOLDER / "code.alist"))
    assert sent.shape == llr.shape == (100, 256) and not checks.syndrome(sent).any()
    run = fg.load(FOLDER / "ldpc.fg").init()
    answers = list(run.predict(FOLDER / "frames.npz", with_=[str(FOLDER / "code.alist")]))
    right = 0
    for word, ratios, answer in zip(sent, llr, answers, strict=True):
        if answer["answers"] is None:
            assert answer["status"].startswith("not converged: ")
            continue
        found = np.array(answer["answers"]["x"])
        assert not checks.syndrome(found).any()
        assert answer["energy"] == pytest.approx(float(ratios @ found))
        assert answer["bound"] <= float(ratios @ word) + 1e-9
        right += bool((found == word).all())
    assert right >= 94  # at 2.5 dB 3 % fail


def test_the_demo_counts_and_draws(
    demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "H\titerations\tEb_N0_dB\tframes\tframe_errors\n"
    (tmp_path / "curves.tsv").write_text(header + "code.alist\t40\t2.0\t2000\t264\n")
    words = ["demo.py", "--noise", "2", "4", "--frames", "500", "--published",
             str(tmp_path / "curves.tsv"), "--picture", str(tmp_path / "rates.png")]  # fmt: skip
    monkeypatch.setattr("sys.argv", words)
    drawn: list[Any] = []
    monkeypatch.setattr(gallery, "rates", lambda *arguments: drawn.append(arguments))
    assert demo.main() == 0
    ((lines, points, _),) = drawn
    assert points == {"code": [(2.0, 0.132)]}
    (low, high) = lines["code"]
    assert low[1] == pytest.approx(0.132, abs=5 * (0.132 * 0.868 / 500) ** 0.5) and high[1] < 0.01
    assert "code at 2 dB: " in capsys.readouterr().out
    (tmp_path / "curves.tsv").write_text("nothing\n1\n")
    assert demo.main() == 2 and "holds no curves" in capsys.readouterr().err


def test_rates_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    lines = {"a": [(1.0, 0.5), (2.0, 0.1), (3.0, 0.0)], "b": [(1.0, 0.0)]}
    gallery.rates(lines, {"a": [(1.0, 0.4)]}, tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes().startswith(b"\x89PNG")
