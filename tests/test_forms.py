"""Forms of data for every kind of declaration, and what is said of data that do not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse

from factorgraph.errors import DataError, ModelError
from factorgraph.pipeline import Model, compile, load

EDGES = compile("""
size n, m
given edge[m] : (a: n, b: n, w: real)
answer y[n] : bit
factor cut[(a, b, w) in edge] = w * (y[a] != y[b])
""")
ROWS = [[0, 1, 0.5], [1, 2, 2.0]]


def energy(model: Model, *data: dict[str, Any], **options: Any) -> list[float]:
    items = list(data)
    return model.init(data=items, **options).energy(items, **options).tolist()  # type: ignore[no-any-return]


def test_records_as_tuples_objects_or_columns() -> None:
    y = [0, 1, 0]
    objects = [{"a": a, "b": b, "w": w} for a, b, w in ROWS]
    assert energy(EDGES, {"edge": ROWS, "y": y}) == [2.5]
    assert energy(EDGES, {"edge": objects, "y": y}, {"edge": objects[:1], "y": y}) == [2.5, 0.5]
    arrays = {"y": np.array([y]), "edge.a": [[0, 1]], "edge.b": [[1, 2]], "edge.w": [[0.5, 2.0]]}
    assert EDGES.init().energy(arrays).tolist() == [2.5]
    assert energy(EDGES, {"edge": [], "y": y}) == [0.0]


@pytest.mark.parametrize(
    ("edge", "code", "words"),
    [
        ([[0, 1]], "E0304", "records of 2 values, but its fields are a, b, w"),
        ([[0, 3, 1.0]], "E0308", "field `edge.b`, item 0: 3.0 is outside `n`"),
        ([[0, 0.5, 1.0]], "E0308", "field `edge.b`, item 0: 0.5 is no whole number"),
        ([{"a": 0, "w": 1.0}], "E0301", "field `edge` lacks `b`"),
        ([[[0, 1, 2.0]]], "E0303", "field `edge` has 3 axes an instance, but its records make 2"),
    ],
)
def test_records_that_do_not_fit(edge: Any, code: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        energy(EDGES, {"edge": edge, "y": [0, 1, 0]})
    assert caught.value.code == code and words in caught.value.message


RAGGED = compile("""
size n, c[n]
given letter[n, c] : 0..9
answer y[n] : bit
param w[10]
factor spelled[t in n] = y[t] * sum(letter[t, i] * (i + 1) for i in c[t])
factor long[t in n if c[t] > 1] = 100 * y[t] * letter[t, c[t] - 1]
""")


def test_rows_of_different_length() -> None:
    item = {"letter": [[1, 2], [3], [], [4, 5, 6]], "y": [1, 1, 1, 1]}
    by_hand = (1 + 4) + 3 + 0 + (4 + 10 + 18) + 100 * (2 + 6)
    assert energy(RAGGED, item) == [by_hand]
    even = {"letter": [[1, 2], [3, 4]], "y": [1, 0]}
    assert energy(RAGGED, even) == [5 + 200]
    assert energy(RAGGED, even, item) == [205, by_hand]
    arrays = {
        "letter": np.array([1, 2, 3, 4, 5, 6]), "letter.offsets": [0, 6],
        "letter.lengths": np.array([2, 1, 0, 3]), "letter.lengths.offsets": [0, 4],
        "y": np.array([1, 1, 1, 1]), "y.offsets": [0, 4],
    }  # fmt: skip
    assert RAGGED.init().energy(arrays).tolist() == [by_hand]


def test_an_index_beyond_its_row() -> None:
    model = compile("""
size n, c[n]
given x[n, c] : real
answer y[n] : bit
factor f[t in n] = y[t] * x[t, 1]
""")
    assert energy(model, {"x": [[1.0, 2.0], [3.0, 4.0]], "y": [1, 1]}) == [6.0]
    with pytest.raises(DataError, match=r"`x\[t, 1\]` at index 1 of axis 2, outside 0\.\.0"):
        energy(model, {"x": [[1.0, 2.0], [3.0]], "y": [1, 1]})


PATH = compile("""
domain Digit = 1..3
size k, last
given arc[k] : (src: int, dst: int)
given cost[k] : real
answer s : path(arc, 0, last, Digit)
param G[Digit, Digit] = 0.5
factor read[(e, c) in s] = cost[e] * c
factor gram[(e, b), (f, c) in s] = G[b, c] * (f - e)
""")
LATTICE = {"arc": [[0, 1], [1, 2], [0, 2]], "cost": [1.0, 10.0, 100.0], "last": 2}


def test_paths() -> None:
    assert energy(PATH, LATTICE | {"s": [[0, 2], [1, 3]]}) == [1 * 2 + 10 * 3 + 0.5]
    assert energy(PATH, LATTICE | {"s": [[2, 1]]}) == [100.0]
    run = PATH.init()
    for wrong in ([[1, 1]], [[0, 1]], [[0, 1], [2, 1]], []):
        with pytest.raises(DataError, match="arcs do not lead end to end, from 0 to 2") as caught:
            run.energy([LATTICE | {"s": wrong}])
        assert caught.value.code == "E0316"
    with pytest.raises(ModelError, match="sequence") as later:  # digits only: inference must find e
        run.energy([LATTICE | {"s": [2, 3]}])
    assert later.value.code == "E0600"


SEGMENTS = compile("""
domain Fold = {C, E}
size n
given x[n] : real
answer z : segments(n, 3, Fold)
factor body[(i, j, c) in z] = sum(x[t] for t in i..j) * (c == "E")
factor long[(i, j, c) in z] = 10 * (j - i)
factor turn[(h, i, b), (j, k, c) in z] = 1000 * (b == c)
""")


def test_segments() -> None:
    item = {"x": [1.0, 2.0, 4.0, 8.0], "z": [[0, 1, "C"], [2, 3, "E"]]}
    assert energy(SEGMENTS, item) == [12.0 + 20]
    assert energy(SEGMENTS, item | {"z": [[0, 0, "E"], [1, 3, "E"]]}) == [15.0 + 20 + 1000]
    run = SEGMENTS.init()
    for wrong, words in (
        ([[0, 3, "C"]], "a segment of 4 items, where 1 to 3 are allowed"),
        ([[0, 1, "C"], [3, 3, "C"]], "do not cover it end to end, from 0 to 4"),
        ([[0, 1, "C"]], "do not cover it end to end, from 0 to 4"),
    ):
        with pytest.raises(DataError, match=words):
            run.energy([item | {"z": wrong}])
    with pytest.raises(DataError, match='"H" is no value of `Fold`'):
        run.energy([item | {"z": [[0, 1, "H"], [2, 3, "E"]]}])


LDPC = Path(__file__).parent / "language" / "ldpc.fg"


def test_shared_data() -> None:
    model = load(LDPC)
    matrix = np.array([[1, 1, 0, 1], [0, 1, 1, 0]])
    frames = [
        {"llr": [1.0, 2, 3, 4], "x": [1, 1, 1, 0]},
        {"llr": [1.0, 2, 3, 4], "x": [1, 0, 0, 0]},
    ]
    dense = model.init().energy(frames, with_={"H": matrix})
    np.testing.assert_array_equal(dense, [6.0, np.inf])
    sparse = model.init().energy(frames, with_={"H": scipy.sparse.csr_array(matrix)})
    np.testing.assert_array_equal(sparse, dense)
    inside = [frame | {"H": matrix.tolist()} for frame in frames]
    np.testing.assert_array_equal(model.init().energy(inside), dense)


def test_sparse_data_are_never_made_full() -> None:
    """A million by a million would be 10^12 elements; its non-zeros are run over alone."""
    size = 1_000_000
    places = np.arange(size)
    matrix = scipy.sparse.csr_array((np.ones(size, np.int64), (places, (places * 7) % size)))
    model = compile("""
size n, m
given H[m, n] : bit
answer x[n] : bit
hard parity[c in m] : xor(x[i] for i in n if H[c, i]) == 0
factor links[c in m, i in n if H[c, i]] = 0.5 * x[i]
""")
    x = np.zeros((1, size), np.int64)
    assert model.init().energy({"x": x}, with_={"H": matrix}).tolist() == [0.0]
    x[0, 3] = 1
    parts = model.init().energies({"x": x}, with_={"H": matrix})
    assert parts["parity"].tolist() == [np.inf] and parts["links"].tolist() == [0.5]


def test_shared_data_that_do_not_fit() -> None:
    run = load(LDPC).init()
    frame = [{"llr": [1.0, 2.0], "x": [0, 0]}]
    with pytest.raises(DataError, match="`n` is 3 .*but 2 in field") as caught:
        run.energy(frame, with_={"H": scipy.sparse.csr_array(np.eye(3, dtype=np.int64))})
    assert caught.value.code == "E0304"
    with pytest.raises(DataError, match="which is no given of the model"):
        run.energy(frame, with_={"G": np.eye(2)})
    with pytest.raises(DataError, match="numbers other than 0 and 1"):
        run.energy(frame, with_={"H": scipy.sparse.csr_array(2 * np.eye(2, dtype=np.int64))})


def test_labels_that_training_has_not_seen() -> None:
    model = compile("""
domain Word
size n
given word[n] : Word
answer y[n] : bit
param w[Word]
factor f[t in n] = w[word[t]] * y[t]
loss nll
""")
    run = model.fit([{"word": ["a", "b"], "y": [0, 1]}])
    good, bad = {"word": ["b"], "y": [1]}, {"word": ["a", "c"], "y": [1, 1]}
    with pytest.raises(
        DataError, match='instance 1: field `word`, item 1: "c" is no value of'
    ) as e:
        run.energy([good, bad])
    assert e.value.code == "E0309" and "training has not seen it" in str(e.value.hint)
    run.skip_unknown = True
    assert len(run.energy([good, bad])) == 1
    assert len(list(run.predict([good, bad, good]))) == 2
    assert len(run.energy([bad, bad])) == 0 and list(run.predict([bad])) == []
    assert run.evaluate([bad]).instances == 0


def test_features_are_learned_and_counted() -> None:
    model = compile("""
domain Feat
size n
given word[n] : text
answer y[n] : bit
let f[t in n] = features(Feat, word[t], word[t-1], suffix(word[t], 2), min = 2)
param w[Feat]
factor emit[t in n] = -y[t] * dot(w, f[t])
loss nll
""")
    data = [{"word": ["an", "old", "can"], "y": [1, 0, 1]}, {"word": ["old", "man"], "y": [0, 1]}]
    run = model.fit(data)
    names = {"word[t]=old", "word[t-1]=old", "word[t-1]=<-1>", "suffix(word[t],2)=an",
             "suffix(word[t],2)=ld"}  # fmt: skip
    assert set(run.vocabularies["Feat"]) == names
    w = dict(zip(run.vocabularies["Feat"], run.weights["w"], strict=True))
    by_hand = -(w["word[t-1]=<-1>"] + w["suffix(word[t],2)=an"])
    assert run.energy([{"word": ["ban", "x"], "y": [1, 0]}]).tolist() == pytest.approx([by_hand])
    assert [a["answers"]["y"] for a in run.predict(data)] == [[1, 0, 1], [0, 1]]


def test_a_file_of_every_form(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    objects = [{"a": a, "b": b, "w": w} for a, b, w in ROWS]
    path.write_text(json.dumps({"edge": objects, "y": [0, None, 0]}) + "\n", encoding="utf-8")
    assert EDGES.init().energy(path).tolist() == [0.0]  # the free one is best equal
