"""Numbers of texts by the hash table, against Python's dictionaries."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from factorgraph.ground.coded import MANY, code
from factorgraph.ground.number import Positions, number

words = st.lists(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(words)
def test_numbers_are_those_of_a_dictionary(texts: list[str]) -> None:
    found, first = number(np.array(texts, np.str_))
    known = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    assert found.tolist() == [known[text] for text in texts]
    assert [texts[i] for i in first] == list(known)


@settings(max_examples=200, deadline=None)
@given(words, words)
def test_positions_are_those_of_a_dictionary(vocabulary: list[str], texts: list[str]) -> None:
    vocabulary = list(dict.fromkeys(vocabulary))
    place = {w: k for k, w in enumerate(vocabulary)}
    found = Positions(np.array(vocabulary, np.str_)).of(np.array(texts, np.str_))
    assert found.tolist() == [place.get(t, -1) for t in texts]


def test_long_columns_are_numbered_as_short_ones_are() -> None:
    random = np.random.default_rng(0)
    texts = np.array([f"w{k}" for k in random.integers(0, 500, MANY + 1)])
    long, short = code(texts), code(texts[: MANY - 1])
    assert long.words[: len(short.words)] == short.words
    assert (long.code[: MANY - 1] == short.code).all()
    assert (np.array(long.words)[long.code] == texts).all()
    many = tuple(f"w{k}" for k in range(MANY))
    assert (long.among(many) == np.char.lstrip(texts, "w").astype(np.int64)).all()
