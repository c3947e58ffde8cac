"""Readers of data: what is written comes back, in the common form."""

from __future__ import annotations

import io
import json
import string
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from factorgraph.data.column import Records
from factorgraph.data.jsonl import depth
from factorgraph.data.python import from_python
from factorgraph.data.read import read
from factorgraph.data.select import select
from factorgraph.errors import DataError, UsageError

relaxed = settings(deadline=None, max_examples=60)
KEPT = {
    "?": "bool", "u1": "uint8", "i1": "int64", "i2": "int64", "i4": "int64", "i8": "int64",
    "u2": "int64", "u4": "int64", "u8": "int64", "f2": "float32", "f4": "float32",
    "f8": "float64",
}  # fmt: skip
names = st.text(string.ascii_letters + "_", min_size=1, max_size=5)
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)


def jsonl(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "words.jsonl"
    text = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def rows(records: Records, name: str) -> list[Any]:
    column = records.columns[name]
    return [column.instance(i).tolist() for i in range(records.count)]


def check_form(records: Records) -> None:
    for name, column in records.columns.items():
        assert column.name == name
        values = column.values
        assert values.ndim == 1 and values.flags.c_contiguous and values.flags.writeable
        assert values.dtype.isnative and values.dtype.kind in "bufiU"
        assert values.dtype.kind == "U" or str(values.dtype) in KEPT.values()
        assert column.start.dtype == column.shape.dtype == np.int64
        assert column.start.shape == (records.count + 1,)
        assert column.start[0] == 0 and column.start[-1] == len(values)
        assert column.shape.shape == (records.count, column.rank)
        assert (column.shape.prod(axis=1) == np.diff(column.start)).all()
        if column.missing is not None:
            assert column.missing.dtype == np.bool_ and column.missing.shape == values.shape
            assert column.missing.any()
            assert not any(value not in ("", "_", 0) for value in values[column.missing])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("code", [*KEPT, "U3"])
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_npz_round_trip(code: str, compressed: bool, data: st.DataObject) -> None:
    shape = (
        data.draw(st.integers(1, 4)),
        *data.draw(st.lists(st.integers(0, 3), max_size=3)),
    )
    order = "" if code == "?" else data.draw(st.sampled_from("<>"))
    elements: Any = st.integers(0, 2**63 - 1) if code == "u8" else None
    if code == "U3":
        elements = words.filter(lambda w: len(w) < 4)
    array = data.draw(hnp.arrays(np.dtype(order + code), shape, elements=elements))
    if data.draw(st.booleans()):
        array = np.asfortranarray(array)
    path = Path(tempfile.mkdtemp()) / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, x=array)
    records = read(path)
    check_form(records)
    column = records.columns["x"]
    assert records.count == shape[0]
    if code == "U3":
        missing = array == "_"
        assert (column.missing is None) == (not missing.any())
        assert column.values.dtype.kind == "U"
    else:
        assert column.values.dtype == KEPT[code] and column.missing is None
    for i in range(shape[0]):
        assert column.instance(i).shape == shape[1:]
        np.testing.assert_array_equal(column.instance(i), array[i])


@relaxed
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=6), st.sampled_from([(), (2,), (3, 2), (0,)])
)
def test_npz_ragged(sizes: list[int], rest: tuple[int, ...]) -> None:
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    array = (
        np.arange(sum(sizes) * int(np.prod(rest)), dtype=np.float64).reshape(-1, *rest)
        if (0 not in rest)
        else np.zeros((sum(sizes), *rest))
    )
    path = Path(tempfile.mkdtemp()) / "a.npz"
    arrays: dict[str, Any] = {"x": np.asfortranarray(array), "x.offsets": offsets}
    np.savez(path, **arrays)
    for records in (read(path), from_python({"x": array, "x.offsets": offsets})):
        check_form(records)
        assert list(records.columns) == ["x"] and records.count == len(sizes)
        for i, size in enumerate(sizes):
            got = records.columns["x"].instance(i)
            assert got.shape == (size, *rest)
            np.testing.assert_array_equal(got, array[offsets[i] : offsets[i + 1]])


def test_npz_fields_are_the_only_ones_touched(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    arrays: dict[str, Any] = {
        "x": np.arange(4),
        "x.offsets": [0, 1, 4],
        "y": np.ones(3),
        "o": np.array([{}] * 9),
    }
    np.savez(path, **arrays)
    records = read(path, {"x", "absent"})
    assert rows(records, "x") == [[0], [1, 2, 3]] and list(records.columns) == ["x"]
    assert read(path, []).count == 0
    with pytest.raises(DataError, match=r"field `o` of .*a.npz has type object"):
        read(path)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1, 2], "int64", [1, 2]),
        ([1, 2.5], "float64", [1.0, 2.5]),
        ([1, 2.0], "float64", [1.0, 2.0]),
        ([True, False], "bool", [True, False]),
        (["a", "bcd"], "<U3", ["a", "bcd"]),
        ([[1, 2], [], [3]], "int64", [[1, 2], [], [3]]),
        ([[[1, 2]], [[3, 4], [5, 6]]], "int64", [[[1, 2]], [[3, 4], [5, 6]]]),
        ([-(2**63), 2**63 - 1], "int64", [-(2**63), 2**63 - 1]),
        ([["é", "日本"], ["😀"]], "<U2", [["é", "日本"], ["😀"]]),
        ([[], []], "int64", [[], []]),
        ([1e308, 2**60], "float64", [1e308, float(2**60)]),
    ],
)
def test_jsonl_types(tmp_path: Path, values: list[Any], dtype: str, expected: list[Any]) -> None:
    lines = [{"x": value} for value in values]
    for records in (read(jsonl(tmp_path, *lines)), from_python(lines), from_python({"x": values})):
        check_form(records)
        assert records.columns["x"].values.dtype == dtype
        assert records.columns["x"].missing is None
        assert rows(records, "x") == expected


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "missing"),
    [
        ([None, 2], "int64", [0, 2], [1, 0]),
        ([None, "_", 2.5, 1], "float64", [0, 0, 2.5, 1], [1, 1, 0, 0]),
        (["_", None, "ab"], "<U2", ["_", "", "ab"], [1, 1, 0]),
        ([["a", "_"], [None]], "<U1", [["a", "_"], [""]], [0, 1, 1]),
        ([[1, "_"], [None, None, 4]], "int64", [[1, 0], [0, 0, 4]], [0, 1, 1, 1, 0]),
        ([True, None], "bool", [True, False], [0, 1]),
        ([None, None], "int64", [0, 0], [1, 1]),
        ([None, "_"], "<U1", ["", "_"], [1, 1]),
    ],
)
def test_jsonl_missing(
    tmp_path: Path, values: list[Any], dtype: str, expected: list[Any], missing: list[int]
) -> None:
    lines = [{"x": value} for value in values]
    for records in (read(jsonl(tmp_path, *lines)), from_python(lines)):
        check_form(records)
        column = records.columns["x"]
        assert column.values.dtype == dtype and rows(records, "x") == expected
        assert column.missing is not None and column.missing.tolist() == [bool(m) for m in missing]


leaf = st.one_of(
    st.just(st.integers(-(2**63), 2**63 - 1)),
    st.just(st.floats(allow_nan=False, allow_infinity=False)),
    st.just(st.booleans()),
    st.just(words.filter(lambda w: w != "_")),
)


@relaxed
@given(st.data())
def test_jsonl_round_trip(data: st.DataObject) -> None:
    count, keys = data.draw(st.integers(1, 5)), data.draw(st.sets(names, min_size=1, max_size=3))
    table: list[dict[str, Any]] = [{} for _ in range(count)]
    for key in sorted(keys):
        rank, kind = data.draw(st.integers(0, 3)), data.draw(leaf)
        for row in table:
            shape = data.draw(st.tuples(*[st.integers(1, 3)] * rank))
            array = np.empty(shape, object)
            for index in np.ndindex(*shape):
                array[index] = data.draw(kind)
            row[key] = array.tolist()
    path = Path(tempfile.mkdtemp()) / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, table)), encoding="utf-8")
    for records in (read(path), from_python(table)):
        check_form(records)
        for key in keys:
            assert rows(records, key) == [row[key] for row in table]


def test_jsonl_pads_the_extents_of_empty_lists(tmp_path: Path) -> None:
    records = read(jsonl(tmp_path, {"arc": [[0, 1], [1, 2]]}, {"arc": []}, {"arc": [[0, 1]]}))
    assert records.columns["arc"].shape.tolist() == [[2, 2], [0, 2], [1, 2]]
    ragged = read(jsonl(tmp_path, {"arc": []}, {"arc": [[1]]}, {"arc": [[1, 2]]}))
    assert ragged.columns["arc"].shape.tolist() == [[0, 0], [1, 1], [1, 2]]


def test_jsonl_many_blocks(tmp_path: Path) -> None:
    lines: list[dict[str, Any]] = [
        {"n": i, "x": [i / 7] * (i % 5 + 1), "w": [f"{i:0{i % 9 + 1}}", "_"], "e": None}
        for i in range(20_000)
    ]
    records = read(jsonl(tmp_path, *lines))
    check_form(records)
    assert rows(records, "n") == [line["n"] for line in lines]
    assert rows(records, "x") == [line["x"] for line in lines]
    assert [w[0] for w in rows(records, "w")] == [line["w"][0] for line in lines]
    missing = records.columns["w"].missing
    assert missing is not None and missing.tolist() == [False, True] * len(lines)


def test_jsonl_blank_lines_bom_and_places(tmp_path: Path) -> None:
    path = tmp_path / "words.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"x": 1}\r\n\n  \n{"x": 2, "y": 1}')
    records = read(path, ["x"])
    assert rows(records, "x") == [1, 2]
    assert records.where(1) == f"{path}:4"
    assert records.take([1]).where(0) == f"{path}:4"


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"x": "\xc3\xa9"}\n')))
    records = read("-")
    assert rows(records, "x") == ["é"] and records.where(0) == "<stdin>:1"


def test_from_python_forms(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(3))
    records = read(path)
    assert from_python(records) is records
    assert rows(from_python(str(path)), "x") == rows(from_python(path), "x") == [0, 1, 2]
    ragged = from_python({"x": [np.zeros((2, 3), np.float32), np.ones((1, 3), np.float32)]})
    assert ragged.columns["x"].values.dtype == np.float32
    assert ragged.columns["x"].shape.tolist() == [[2, 3], [1, 3]]
    dicts = from_python({"x": np.arange(i, dtype=np.uint8), "y": np.float64(i)} for i in range(3))
    check_form(dicts)
    assert rows(dicts, "x") == [[], [0], [0, 1]] and rows(dicts, "y") == [0, 1, 2]
    assert dicts.columns["x"].values.dtype == np.uint8
    mixed = from_python([{"x": [1, 2]}, {"x": np.array([0.5])}, {"x": [None]}])
    assert rows(mixed, "x") == [[1, 2], [0.5], [0]] and mixed.where(1) == "<data>: instance 1"
    texts = from_python([{"w": np.array(["a", "_"])}, {"w": ["bcd"]}])
    check_form(texts)
    assert rows(texts, "w") == [["a", "_"], ["bcd"]]
    assert from_python({"x": [float("nan")]}).columns["x"].values.dtype == np.float64


def test_from_python_leaves_the_callers_arrays_alone() -> None:
    text, fixed = np.array(["_", "a"]), np.arange(3)
    fixed.flags.writeable = False
    records = from_python({"w": text})
    check_form(records)
    check_form(from_python({"x": fixed}))
    assert text.tolist() == ["_", "a"]


@relaxed
@given(
    st.lists(st.lists(st.sampled_from(["a", "bb", "_"]), max_size=3), min_size=1, max_size=5),
    st.data(),
)
def test_take(words: list[list[str]], data: st.DataObject) -> None:
    records = from_python([{"w": w, "k": i, "v": [i, None]} for i, w in enumerate(words)])
    chosen = data.draw(st.lists(st.integers(0, len(words) - 1), max_size=6))
    taken = records.take(chosen)
    check_form(taken)
    assert taken.count == len(chosen) and rows(taken, "k") == chosen
    for name in ("w", "v"):
        all_rows, column = rows(records, name), taken.columns[name]
        assert rows(taken, name) == [all_rows[i] for i in chosen]
        flags = records.columns[name].missing
        start = records.columns[name].start
        if flags is not None and column.missing is not None:
            expected = [flags[start[i] : start[i + 1]] for i in chosen]
            assert column.missing.tolist() == np.concatenate(expected).tolist()
    assert [taken.where(j) for j in range(taken.count)] == [records.where(i) for i in chosen]


def test_take_masks_and_refusals() -> None:
    records = from_python({"x": [5, 6, 7]})
    assert rows(records.take(np.array([True, False, True])), "x") == [5, 7]
    for bad in ([3], [-1], [[0]], [0.5], [True]):
        with pytest.raises(UsageError):
            records.take(bad)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("fold=0", [0, 4]), ("fold==0", [0, 4]), ("fold=0,3", [0, 3, 4]), ("fold=1..9", [1, 2, 3]),
        (" fold = 0 , 2..3 ", [0, 2, 3, 4]), ("fold!=0", [1, 2, 3]), ("fold!=0,1..2", [3]),
        ("fold=-5..0", [0, 4]), ("fold=000", [0, 4]), ("split=train", [0, 2]),
        ("split!=train", [1, 3]), ("split=a=b", [3]), ("ok=true", [0]), ("ok!=1", [1, 2, 3, 4]),
        ("w=0.5", [0]), ("w=1..2", [1, 2, 3]), ("w!=2", [0, 1, 3, 4]),
    ],
)  # fmt: skip
def test_select(text: str, kept: list[int]) -> None:
    records = from_python(
        {
            "fold": [0, 1, 2, 3, 0],
            "split": ["train", "test", "train", "a=b", "_"],
            "ok": np.array([True, False, False, False, False]),
            "w": np.array([0.5, 1, 2, 1.5, 2.5], np.float32),
            "i": [0, 1, 2, 3, 4],
        }
    )
    assert rows(select(records, text), "i") == kept


def test_select_on_missing_values() -> None:
    records = from_python({"fold": [None, 0, 1]})
    assert rows(select(records, "fold=0"), "fold") == [0]
    assert rows(select(records, "fold!=1"), "fold") == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fold", "no condition"), ("=3", "no condition"), ("", "no condition"),
        ("flod=3", "no field `flod`"), ("fold=", "empty value"), ("fold=1,,2", "empty value"),
        ("fold=x", "whole numbers"), ("fold=0.5", "whole numbers"), ("fold=3..1", "is empty"),
        ("fold=" + "9" * 5000, "whole numbers"), ("pix=1", "1 axis"), ("ok=2", "truth values"),
    ],
)  # fmt: skip
def test_select_refuses(text: str, message: str) -> None:
    records = from_python({"fold": [0, 1], "pix": [[1, 2], [3]], "ok": [True, False]})
    with pytest.raises(UsageError, match=message) as caught:
        select(records, text)
    if text == "flod=3":
        assert caught.value.hint == "did you mean `fold`?"


def test_select_nothing() -> None:
    with pytest.raises(DataError, match="no instance of <data> has fold=7"):
        select(from_python({"fold": [0, 1]}), "fold=7")


@relaxed
@given(
    st.recursive(st.text('[]{}"\\ab', max_size=5), lambda s: st.lists(s, max_size=2), max_leaves=9)
)
def test_depth_is_exact_beyond_the_limit(value: Any) -> None:
    line = json.dumps(value)
    for _ in range(70):
        line = f'["[", {line}]'

    def deepest(item: Any) -> int:
        return 1 + max(map(deepest, item), default=0) if isinstance(item, list) else 0

    assert depth(line.encode()) == 70 + deepest(value)
    assert depth(b'["]", ' * 100_000) == 100_000
    assert depth(json.dumps("[" * 500 + '"{').encode()) == 0
