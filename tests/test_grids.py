"""models/stereo and models/denoise: the energies of the Middlebury benchmark, and how they end."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg

ROOT = Path(__file__).parents[1]
MODELS = ROOT / "models"
MIDDLEBURY = ROOT.parent / "shared" / "data" / "middlebury_mrf"
Array = np.ndarray[Any, Any]


def costs(left: Array, right: Array, labels: int) -> Array:
    """Return Birchfield and Tomasi's differences [h, w, labels], summed over the colours."""
    a, b = left.astype(int), right.astype(int)
    h, w, _ = a.shape
    out = np.full((h, w, labels), 765)

    def span(im: Array, i: int, j: int) -> tuple[Array, Array]:
        before = (im[i, j] + im[i, max(j - 1, 0)]) // 2
        after = (im[i, j] + im[i, min(j + 1, w - 1)]) // 2
        three = np.stack([im[i, j], before, after])
        return three.min(axis=0), three.max(axis=0)

    for i in range(h):
        for j in range(w):
            for d in range(min(j + 1, labels)):
                low, high = span(b, i, j - d)
                one = np.maximum(0, np.maximum(a[i, j] - high, low - a[i, j]))
                low, high = span(a, i, j)
                two = np.maximum(0, np.maximum(b[i, j - d] - high, low - b[i, j - d]))
                out[i, j, d] = np.minimum(one, two).sum()
    return out


def smoothness(left: Array, d: Array) -> float:
    """Return 20 min(|difference|, 2) over all neighbours, twice where the left picture is even."""
    a, total = left.astype(int), 0.0
    for axis in (0, 1):
        even = (np.diff(a, axis=axis) ** 2).sum(axis=2) < 3 * 8**2
        gap = np.minimum(np.abs(np.diff(d.astype(int), axis=axis)), 2)
        total += float((20 * np.where(even, 2, 1) * gap).sum())
    return total


def test_the_text_is_the_energy_of_the_benchmark() -> None:
    random = np.random.default_rng(0)
    left, right = random.integers(0, 60, (2, 5, 9, 3))
    d = random.integers(0, 6, (5, 9))
    run = fg.load(MODELS / "stereo" / "stereo.fg", settings={"K": 6}).init()
    data = {"left": left[None], "right": right[None], "d": d[None]}
    i, j = np.indices(d.shape)
    want = costs(left, right, 6)[i, j, d].sum() + smoothness(left, d)
    assert run.energy(data) == pytest.approx(want)


@pytest.mark.skipif(not MIDDLEBURY.exists(), reason="the pictures may not be copied")
def test_the_best_known_disparities_of_tsukuba_have_their_energy() -> None:
    image = pytest.importorskip("matplotlib.image")

    def read(name: str) -> Array:
        return np.rint(255 * image.imread(MIDDLEBURY / name)).astype(np.uint8)

    data = {
        "left": read("tsukuba-imL.png")[None], "right": read("tsukuba-imR.png")[None],
        "d": read("tsukuba-labels_x16_E369219.png")[None] // 16,
    }  # fmt: skip
    run = fg.load(MODELS / "stereo" / "stereo.fg").init()
    assert run.energy(data) == 369219.0


def test_a_drawn_pair_is_answered_to_a_small_gap() -> None:
    run = fg.load(MODELS / "stereo" / "stereo.fg").init()
    (found,) = run.predict(MODELS / "stereo" / "pair.npz")
    with np.load(MODELS / "stereo" / "pair.npz") as stored:
        left, truth = stored["left"][0], stored["d"][0]
        data = {name: stored[name] for name in stored.files}
    states = np.array(found["answers"]["d"])
    assert found["energy"] == run.energy({**data, "d": states[None]})[0]
    assert found["bound"] <= found["energy"] <= 1.001 * found["bound"]
    assert found["bound"] <= run.energy(data)[0]
    seen = demo("stereo").visible(truth)
    assert (states == truth)[seen].mean() > 0.97
    assert smoothness(left, states) < smoothness(left, np.roll(states, 1, axis=0) * 2)


def test_a_camera_is_denoised_to_a_small_gap() -> None:
    run = fg.load(MODELS / "denoise" / "denoise.fg", settings={"weight": 0.5}).init()
    (found,) = run.predict(MODELS / "denoise" / "camera.npz")
    with np.load(MODELS / "denoise" / "camera.npz") as stored:
        img, ok, clean = (stored[n][0].astype(float) for n in ("img", "ok", "x"))
    x = np.array(found["answers"]["x"], float)
    want = (ok * (x - img) ** 2).sum()
    want += sum(0.5 * (np.diff(x, axis=axis) ** 2).sum() for axis in (0, 1))
    assert found["energy"] == pytest.approx(want)
    assert found["bound"] <= found["energy"] <= 1.001 * found["bound"]
    psnr = demo("denoise").psnr
    assert psnr(x[ok > 0], clean[ok > 0]) > psnr(img[ok > 0], clean[ok > 0]) + 3


def demo(name: str) -> Any:
    """Return the module of a model's demo."""
    spec = importlib.util.spec_from_file_location(f"{name}_demo", MODELS / name / "demo.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["stereo", "denoise"])
def test_demos_draw_what_they_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    picture, curve = tmp_path / "picture.png", tmp_path / "curve.png"
    arguments = ["demo.py", "--picture", str(picture), "--curve", str(curve)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert demo(name).main() == 0
    assert "gap 0.0" in capsys.readouterr().out
    for path in (picture, curve):
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000


def test_a_pair_is_the_same_for_the_same_seed() -> None:
    drawn = demo("stereo").drawn
    with np.load(MODELS / "stereo" / "pair.npz") as stored:
        for name, array in drawn(0).items():
            assert np.array_equal(array, stored[name][0])
    assert not np.array_equal(drawn(1)["left"], drawn(0)["left"])
