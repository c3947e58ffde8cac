"""Labels of pictures: those that know of each other make fewer mistakes together."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import factorgraph as fg

FOLDER = Path(__file__).parents[1] / "models" / "scene"


def test_pairs_of_labels_help() -> None:
    with np.load(FOLDER / "scene.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    assert {n: a.shape for n, a in arrays.items()} == {
        "x": (2407, 294), "y": (2407, 6), "test": (2407,)
    }  # fmt: skip
    assert np.bincount(arrays["test"]).tolist() == [1211, 1196]
    seen, unseen = (
        {name: arrays[name][arrays["test"] == part][::3] for name in ("x", "y")}
        for part in (0, 1)
    )  # fmt: skip
    right = {}
    for left_out in ((), ("pair",)):
        model = fg.load(FOLDER / "scene.fg", without=left_out)
        scores = model.fit(seen, max_iterations=60).evaluate(unseen)
        right[left_out] = scores.instance_accuracy
        assert scores.overall is not None and scores.overall > 0.87
    assert right[()] > right[("pair",)] + 0.1
