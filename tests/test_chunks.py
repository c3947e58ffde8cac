"""Chunks against the rules of the shared task, told step by step."""

from __future__ import annotations

import json

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.learn.chunks import Chunks, alphabet, counted

LABELS = ("O", "B-NP", "I-NP", "B-VP", "I-VP", "I-X")


def ends(before: str, now: str) -> bool:
    """Whether a chunk that ``before`` belongs to has ended at ``now``."""
    mark, _, kind = before.partition("-")
    other, _, other_kind = now.partition("-")
    if mark == "O":
        return False
    return other in ("B", "O") or kind != other_kind


def begins(before: str, now: str) -> bool:
    mark, _, kind = before.partition("-")
    other, _, other_kind = now.partition("-")
    if other == "O":
        return False
    return other == "B" or mark == "O" or kind != other_kind


def spans(labels: list[str]) -> set[tuple[int, int, str]]:
    """Return first place, last place and type of every chunk of a sequence."""
    found, first = set(), 0
    before = "O"
    for k, now in enumerate([*labels, "O"]):
        if ends(before, now):
            found.add((first, k - 1, before.partition("-")[2]))
        if begins(before, now):
            first = k
        before = now
    return found


def test_counts_are_those_of_the_rules() -> None:
    rng = np.random.default_rng(0)
    said = alphabet(LABELS)
    assert said is not None
    for _ in range(300):
        sizes = rng.integers(0, 9, rng.integers(1, 6))
        start = np.concatenate(([0], np.cumsum(sizes)))
        truth = rng.integers(0, len(LABELS), start[-1])
        states = np.where(rng.random(start[-1]) < 0.6, truth, rng.integers(0, 6, start[-1]))
        expected = Chunks()
        for i in range(len(sizes)):
            mine, yours = (spans([LABELS[k] for k in part[start[i] : start[i + 1]]])
                           for part in (states, truth))  # fmt: skip
            expected += Chunks(len(mine), len(yours), len(mine & yours))
        assert counted(said, states, truth, start) == expected


@pytest.mark.parametrize(
    "labels", [("O",), ("a", "b"), ("B-NP", "I-NP", "S-NP"), ("B-", "O"), ("O-NP", "B-NP"), ()]
)
def test_other_labels_mark_no_chunks(labels: tuple[str, ...]) -> None:
    assert alphabet(labels) is None


def test_percentages() -> None:
    assert Chunks(4, 5, 3).as_dict() == {
        "precision": 75,
        "recall": 60,
        "f1": pytest.approx(200 / 3),
    }
    assert Chunks().as_dict() == {"precision": 0, "recall": 0, "f1": 0}


def test_eval_tells_chunks_where_labels_mark_some() -> None:
    text = (
        'domain T = {O, "B-A", "I-A", "B-B"} size n given w[n] : 0..3 '
        "answer y[n] : T answer z : bit "
        'factor f[t in n] = if w[t] == 0 then 1 * (y[t] != "O") else 1 * (y[t] != "B-A") '
        "factor g = z"
    )
    run = fg.compile(text).init()
    data = [
        {"w": [1, 1, 0], "y": ["B-A", "I-A", "O"], "z": 0},
        {"w": [0, 1], "y": ["O", "B-A"], "z": 1},
        {"w": [1], "y": [None], "z": 1},
    ]
    scores = run.evaluate(data)
    assert scores.chunks == Chunks(found=3, labelled=2, right=1)
    assert json.loads(json.dumps(scores.as_dict()))["chunk"]["recall"] == 50
    other = fg.compile("answer y : bit factor f = y").init().evaluate([{"y": 1}])
    assert other.chunks is None and "chunk" not in other.as_dict()
