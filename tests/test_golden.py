"""Texts as people get them wrong, each with the whole message it gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from factorgraph.errors import ModelError, NotBuiltError, nearest
from factorgraph.pipeline import load

BAD = Path(__file__).parent / "golden" / "bad"
NAMES = sorted(p.stem for p in BAD.glob("*.fg"))


def test_there_are_many() -> None:
    assert len(NAMES) >= 120
    assert {p.stem for p in BAD.glob("*.txt")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message is just that of the file beside it. FGC_GOLDEN=write writes it anew."""
    monkeypatch.chdir(BAD)
    with pytest.raises(ModelError) as caught:
        load(f"{name}.fg")
    assert not isinstance(caught.value, NotBuiltError)
    report = caught.value.report() + "\n"
    expected = BAD / f"{name}.txt"
    if os.environ.get("FGC_GOLDEN") == "write":
        expected.write_text(report, encoding="utf-8")
    assert report == expected.read_text(encoding="utf-8")
    for error in caught.value.all:
        assert error.code and error.span is not None
        assert error.as_dict()["line"] >= 1


@pytest.mark.parametrize(
    ("word", "candidates", "expected"),
    [
        ("y", ["x", "yy"], "yy"), ("X", ["n", "x"], "x"), ("t", ["th", "t1"], "t1"),
        ("q", ["n", "x"], None), ("", ["a"], None), ("emti", ["emit", "move"], "emit"),
    ],
)  # fmt: skip
def test_nearest_names(word: str, candidates: list[str], expected: str | None) -> None:
    assert nearest(word, candidates) == expected
