"""The models of Sudoku and of colouring: their data are what they say, and they are solved."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import networkx
import numpy as np
import pytest

import factorgraph as fg
from factorgraph.interop import boards

MODELS = Path(__file__).parents[1] / "models"
CSP = Path(__file__).parents[2] / "shared" / "data" / "csp"
there = pytest.mark.skipif(not CSP.is_dir(), reason="the shared data are not here")


def test_sudokus_of_the_model() -> None:
    with np.load(MODELS / "sudoku" / "sudoku.npz") as stored:
        clue, x, givens = stored["clue"], stored["x"], stored["givens"]
    assert clue.shape == x.shape == (360, 9, 9)
    assert ((clue > 0).sum(axis=(1, 2)) == givens).all()
    assert ((clue == 0) | (clue == x)).all()
    boxes = x.reshape(-1, 3, 3, 3, 3).swapaxes(2, 3).reshape(-1, 9, 9)
    for nine in (x, x.swapaxes(1, 2), boxes):
        assert (np.sort(nine, axis=2) == np.arange(1, 10)).all()
    model = fg.load(MODELS / "sudoku" / "sudoku.fg")
    found = list(model.init().predict({"clue": clue[::24]}))
    for one, solution in zip(found, x[::24], strict=True):
        assert one["status"] == "optimal" and np.array_equal(one["answers"]["x"], solution)
    wrong = clue[:1].copy()
    wrong[0, 0, :2] = 5
    assert next(model.init().predict({"clue": wrong}))["status"].startswith("infeasible")


def test_graphs_of_the_model_are_coloured() -> None:
    lines = (MODELS / "coloring" / "graphs.jsonl").read_text().splitlines()
    number = {"queen5_5": 5, "queen6_6": 7, "queen7_7": 7, "myciel3": 4, "myciel4": 5, "myciel5": 6}
    assert [json.loads(line)["name"] for line in lines] == list(number)
    for line in lines:
        one = json.loads(line)
        model = fg.load(MODELS / "coloring" / "coloring.fg", settings={"k": number[one["name"]]})
        found = next(model.init().predict([one]))
        colours = found["answers"]["c"]
        assert found["status"] == "optimal" and len(colours) == one["n"]
        assert all(colours[edge["a"]] != colours[edge["b"]] for edge in one["edge"])


@there
def test_data_are_those_that_are_known() -> None:
    for line in (MODELS / "coloring" / "graphs.jsonl").read_text().splitlines():
        one = json.loads(line)
        ours = networkx.Graph((edge["a"], edge["b"]) for edge in one["edge"])
        rows = (CSP / f"{one['name']}.col").read_text().splitlines()
        edges = [tuple(int(v) - 1 for v in row.split()[1:3]) for row in rows if row[0] == "e"]
        known = networkx.Graph(edges)
        if one["name"].startswith("queen"):
            assert {frozenset(e) for e in ours.edges} == {frozenset(e) for e in known.edges}
        assert networkx.is_isomorphic(ours, known)
    with open(CSP / "sudoku_360.csv") as file:
        puzzles = list(csv.DictReader(file))
    with np.load(MODELS / "sudoku" / "sudoku.npz") as stored:
        for name, key in (("clue", "puzzle"), ("x", "solution")):
            digits = [[int(c) for c in row[key]] for row in puzzles]
            assert (stored[name].reshape(-1, 81) == np.array(digits)).all()


def test_boards_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "board.png"
    boards.boards([np.arange(9).reshape(3, 3)], path, ["a $ board"], colours=True, heavy=3)
    assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(fg.UsageError):
        boards.boards([np.zeros((2, 2), int)], path, [])
