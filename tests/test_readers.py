"""Readers of records, rows, columns, tables, blocks and shared data."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import factorgraph.data
from factorgraph.data.column import Column, Records, shared_column
from factorgraph.data.columns import read_columns, stream_columns
from factorgraph.data.delimited import stream_table
from factorgraph.data.jsonl import stream_jsonl
from factorgraph.data.npz import read_npz, stream_npz
from factorgraph.data.python import from_python
from factorgraph.data.read import read
from factorgraph.data.select import chosen, select
from factorgraph.data.shared import Sparse, read_shared
from factorgraph.data.shared import from_python as shared_value
from factorgraph.data.stream import stream
from factorgraph.errors import DataError, FgError, UsageError

relaxed = settings(deadline=None, max_examples=60)
# Blanks, quotes, separators and line ends are what tables are about.
cells = st.text(st.sampled_from("ab,\"\t \n'é#[0"), max_size=4)
tokens = st.text(st.sampled_from("ab-1é#,\"'日\u00a0\u2028"), min_size=1, max_size=4)
NAMES = {"a": st.integers(-9, 9), "b": st.sampled_from(["x", "yy"]), "c": st.booleans()}


def rows(records: Records, name: str) -> list[Any]:
    column = records.columns[name]
    return [column.instance(i).tolist() for i in range(records.count)]


def gaps(records: Records, name: str) -> list[Any]:
    column = records.columns[name]
    if column.missing is None:
        return [np.zeros(column.shape[i], bool).tolist() for i in range(records.count)]
    whole = Column(name, column.missing, column.start, column.shape)
    return [whole.instance(i).tolist() for i in range(records.count)]


def lines(tmp_path: Path, *items: object, name: str = "a.jsonl") -> Path:
    path = tmp_path / name
    text = "".join(json.dumps(item) + "\n" for item in items).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


def folder() -> Path:
    return Path(tempfile.mkdtemp())


def read_both(items: list[dict[str, Any]]) -> list[Records]:
    """Return instances read from a file, packed or not, and from Python."""
    place = folder()
    return [
        read(lines(place, *items)),
        read(lines(place, *items, name="a.jsonl.gz")),
        from_python(items),
        from_python({name: [item[name] for item in items] for name in items[0]}),
    ]


def same(one: Records, other: Records, places: bool = True) -> None:
    """Fail unless two sources hold the same."""
    assert one.count == other.count and one.columns.keys() == other.columns.keys()
    for name in one.columns:
        assert rows(one, name) == rows(other, name), name
        assert gaps(one, name) == gaps(other, name), name
    if places:
        assert [one.where(i) for i in range(one.count)] == [
            other.where(i) for i in range(one.count)
        ]


def joined(blocks: list[Records]) -> Records:
    """Return blocks end to end; each must hold something."""
    assert blocks and all(block.count for block in blocks)
    columns = {}
    for name in blocks[0].columns:
        parts = [block.columns[name] for block in blocks]
        rank = max(part.rank for part in parts)
        shape = np.zeros((sum(len(part.shape) for part in parts), rank), np.int64)
        at = 0
        for part in parts:
            # A block of nothing but empty lists does not know how deep they go.
            shape[at : at + len(part.shape), : part.rank] = part.shape
            at += len(part.shape)
        start = np.zeros(len(shape) + 1, np.int64)
        np.cumsum(shape.prod(axis=1), out=start[1:])
        missing = np.concatenate(
            [np.zeros(len(p.values), bool) if p.missing is None else p.missing for p in parts]
        )
        values = np.concatenate([part.values for part in parts])
        columns[name] = Column(name, values, start, shape, missing)
    numbers = [np.arange(b.count) if b.origin is None else b.origin for b in blocks]
    first = blocks[0]
    return Records(
        first.source, sum(b.count for b in blocks), columns, np.concatenate(numbers),
        first.by_line, first.as_text,
    )  # fmt: skip


# -- records


@relaxed
@given(
    st.lists(
        st.lists(st.fixed_dictionaries({k: st.none() | v for k, v in NAMES.items()}), max_size=3),
        min_size=1,
        max_size=5,
    )
)
def test_lists_of_records(instances: list[list[dict[str, Any]]]) -> None:
    objects = [{"e": instance} for instance in instances]
    tuples = [{"e": [[item[key] for key in NAMES] for item in instance]} for instance in instances]
    for records in read_both(objects):
        if not any(instances):
            assert rows(records, "e") == instances
            continue
        assert sorted(records.columns) == ["e.a", "e.b", "e.c"]
        for key in NAMES:
            found = [[x[key] for x in instance] for instance in instances]
            empty = {"a": 0, "b": "", "c": False}[key]
            present = [x for x in chain(*found) if x is not None]
            empty = empty if present else 0
            assert rows(records, f"e.{key}") == [
                [empty if x is None else x for x in row] for row in found
            ]
            assert gaps(records, f"e.{key}") == [[x is None for x in row] for row in found]
    kinds = [{type(item[k]) for i in instances for item in i} - {type(None)} for k in NAMES]
    mixed = any(len({type(v) for v in chain(*item["e"])} - {type(None)}) > 1 for item in tuples)
    each = [{type(v) for v in chain(*item["e"])} - {type(None)} for item in tuples]
    if not mixed or any(len(found) == 1 for found in each):
        return  # an instance of one kind looks like plain lists: refused if the next is of another
    assert sum(map(bool, kinds)) > 1
    for records, other in zip(read_both(tuples), read_both(objects)):
        assert list(records.columns) == ["e.0", "e.1", "e.2"]
        for j, key in enumerate(NAMES):
            assert rows(records, f"e.{j}") == rows(other, f"e.{key}")
            assert gaps(records, f"e.{j}") == gaps(other, f"e.{key}")


def test_single_records_and_arrays_of_records() -> None:
    for records in read_both([{"at": {"y": 1, "x": 2}}, {"at": None}, {"at": {"x": 4, "y": 3}}]):
        assert rows(records, "at.y") == [1, 0, 3] and gaps(records, "at.x") == [False, True, False]
        assert records.columns["at.y"].rank == 0
    for records in read_both([{"at": [3, "C"]}, {"at": "_"}, {"at": [None, "D"]}]):
        assert rows(records, "at.0") == [3, 0, 0] and rows(records, "at.1") == ["C", "_", "D"]
    grid = [[{"y": i, "v": [i, j]} for j in range(3)] for i in range(2)]
    for records in read_both([{"at": grid}, {"at": [["_"] * 3, [None] * 3]}][:1] * 2):
        assert rows(records, "at.y")[0] == [[0] * 3, [1] * 3]
        assert rows(records, "at.v")[1] == [[[i, j] for j in range(3)] for i in range(2)]
    for records in read_both([{"at": [None, "_"]}, {"at": [{"y": 1}, None]}]):
        assert rows(records, "at.y") == [[0, 0], [1, 0]]
        assert gaps(records, "at.y") == [[True, True], [False, True]]


def test_records_that_show_late() -> None:
    early = [{"s": [[0, 3, None], [4, 5, None]]}, {"s": []}, {"s": [[6, 9, None]]}]
    for records in read_both([*early, {"s": [[0, 1.5, "C"]]}, {"s": []}, {"s": [[1, 2, "H"]]}]):
        assert list(records.columns) == ["s.0", "s.1", "s.2"]
        assert rows(records, "s.0") == [[0, 4], [], [6], [0], [], [1]]
        assert records.columns["s.0"].values.dtype == np.int64
        assert rows(records, "s.1") == [[3, 5], [], [9], [1.5], [], [2]]
        assert rows(records, "s.2") == [["", ""], [], [""], ["C"], [], ["H"]]
        assert gaps(records, "s.2") == [[True, True], [], [True], [False], [], [False]]
    numbers = [{"n": i, "s": [[i, None]] * 3} for i in range(3000)]
    for records in read_both([*numbers, {"n": 0, "s": [[7, True]]}][-2:]):
        assert rows(records, "s.0") == [[2999] * 3, [7]]
    records = read_both([*numbers, {"n": 0, "s": [[7, True]]}])[0]
    assert rows(records, "s.0") == [*([i] * 3 for i in range(3000)), [7]]
    assert records.columns["s.1"].values.dtype == bool


def test_records_late_after_numbers_of_another_kind() -> None:
    with pytest.raises(DataError, match=r":2: field `s.1` holds truth values, but numbers at .*:1"):
        read(lines(folder(), {"s": [[1, 2]]}, {"s": [[1, True]]}))


# -- rows of different length


@relaxed
@given(
    st.lists(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3), min_size=1, max_size=5),
    st.sampled_from([(), (2,), (1, 2)]),
)
def test_rows(instances: list[list[list[int]]], rest: tuple[int, ...]) -> None:
    def filled(row: list[int]) -> list[Any]:
        return np.broadcast_to(np.array(row).reshape(-1, *(1 for _ in rest)), (len(row), *rest)
                               ).tolist()  # fmt: skip

    items = [{"x": [filled(row) for row in instance]} for instance in instances]
    arrays = [
        {"x": [np.array(filled(row), int).reshape(len(row), *rest) for row in instance]}
        for instance in instances
    ]
    uneven = any(len(set(map(len, instance))) > 1 for instance in instances)
    for records in [*read_both(items), from_python(arrays)]:
        if not uneven:
            assert list(records.columns) == ["x"]
            continue
        assert list(records.columns) == ["x", "x.lengths"]
        assert rows(records, "x.lengths") == [[len(r) for r in i] for i in instances]
        assert rows(records, "x") == [
            list(chain.from_iterable(map(filled, instance))) for instance in instances
        ]
        assert records.columns["x"].rank == 1 + len(rest)
        assert records.columns["x.lengths"].values.dtype == np.int64


def test_rows_of_records() -> None:
    one = {"z": [[{"a": 1, "b": "p"}, {"a": 2, "b": "q"}], [{"a": 3, "b": "r"}] * 2]}
    two = {"z": [[{"a": 4, "b": "s"}], []]}
    for records in read_both([one, two]):
        assert list(records.columns) == ["z.a", "z.b", "z.lengths"]
        assert rows(records, "z.a") == [[1, 2, 3, 3], [4]]
        assert rows(records, "z.lengths") == [[2, 2], [1, 0]]
    tuples = [{"z": [[[1, "p"], [2, "q"]], [[3, "r"]] * 2]}, {"z": [[[4, "s"]], []]}]
    for records in [*read_both(tuples), *read_both(tuples[::-1])]:
        assert list(records.columns) == ["z.0", "z.1", "z.lengths"]
        assert sorted(rows(records, "z.1")) == [["p", "q", "r", "r"], ["s"]]
    inner = [{"e": [{"v": [1, 2]}, {"v": [3]}]}, {"e": [{"v": []}]}]
    for records in read_both(inner):
        assert rows(records, "e.v") == [[1, 2, 3], []]
        assert rows(records, "e.v.lengths") == [[2, 1], [0]]


def test_sizes_that_differ_between_instances_are_no_rows() -> None:
    items = [{"img": [[1, 2], [3, 4]]}, {"img": [[5], [6], [7]]}]
    for records in read_both(items):
        assert list(records.columns) == ["img"]
        assert records.columns["img"].shape.tolist() == [[2, 2], [3, 1]]


@pytest.mark.parametrize(
    ("items", "code", "message"),
    [
        ([[[[1, 2], [3]]]], "E0333", r":1: field `x`\[0\]\[1\] has 1 value where \[0\]\[0\] h"),
        ([[[[1], [2]], [[3], []]]], "E0333", r"field `x`\[1\]\[1\] has 0 values where"),
        ([[[[1], [2]], [[3, 4]]]], "E0333", r"field `x`\[1\]\[0\] has 2 values where"),
        ([[[1, 2], [3]], [4]], "E0334", r":2: field `x` has 1 axis, but rows of different"),
        ([[4], [[1, 2], [3]]], "E0334", r":1: field `x` has 1 axis, but rows of different"),
        ([[[1, "a"], [2]]], "E0332", r":1: field `x`\[0\]\[1\] is text where \[0\]\[0\] is a n"),
        ([[[1, 2], [3, 4, "a"]]], "E0332", r":1: field `x`\[1\]\[2\] is text where \[0\]\[0\]"),
        ([[{"a": 1}, {"b": 1}]], "E0338", r":1: field `x`\[1\] has no `a`, unlike the obj"),
        ([[{"a": 1}], [{"a": 1, "c": 2}]], "E0338", r":2: field `x`\[0\] has a value `c`, unlike"),
        ([[{"a": 1}], [[1]]], "E0338", r":2: field `x` holds lists, but objects at .*:1"),
        ([[[1]], [{"a": 1}]], "E0338", r":2: field `x` holds objects, but numbers at .*:1"),
        ([[[1, "a"]], [{"a": 1}]], "E0338", r":2: field `x` holds objects, but lists at .*:1"),
        ([[{"a": 1}], 3], "E0338", r":2: field `x` holds a value, but objects at .*:1"),
        ([[{"a": 1}], {"a": 1}], "E0334", r":2: field `x.a` has 0 axes, but 1 in other"),
        ([[{}]], "E0338", r":1: field `x` holds an object without values"),
        ([[{"a": {"b": 1}}, {"a": 2}]], "E0332", r":1: field `x.a`\[1\] is a number where"),
        ([[1, {"a": 1}]], "E0332", r":1: field `x`\[1\] is an object where \[0\] is a number"),
        ([["b", {"a": 1}]], "E0332", r":1: field `x`\[1\] is an object where \[0\] is text"),
        ([[1, "a"], [1, "a", 2]], "E0339", r":2: field `x` has 3 values a list, but 2 at .*:1"),
        ([[1, 2, 3], [1, "a"]], "E0339", r":1: field `x` has 3 values a list, but 2 at .*:2"),
        ([[1, "a"], ["a", 1]], "E0332", r":2: field `x.0` holds text, but numbers at .*:1"),
        ([[1, "a"], [[1, "a"]]], "E0334", r":2: field `x` has 2 axes, but 1 at .*:1"),
        ([[[1, "a"], ["a", 1]]], "E0332", r":1: field `x`\[0\]\[1\] is text where \[0\]\[0\] is"),
        ([list(range(64)) + ["a"]], "E0332", r":1: field `x`\[64\] is text where \[0\] is a"),
        ([[True, "_"]], "E0337", r':1: field `x` holds the text "_" among truth values'),
    ],
)  # fmt: skip
def test_values_that_do_not_go_together(items: list[Any], code: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(lines(folder(), *({"x": item} for item in items)))
    assert caught.value.code == code


def test_wanted_names_keep_their_parts(tmp_path: Path) -> None:
    item = {"edge": [{"a": 1}], "edges": 1, "e": 1, "at.y": 2, "at.x": 3, "z.q": 0}
    assert list(read(lines(tmp_path, item), ["edge", "at"]).columns) == ["edge.a", "at.y", "at.x"]
    assert list(read(lines(tmp_path, item), ["at.y"]).columns) == ["at.y"]
    with pytest.raises(DataError, match=r"field `edge.a` is given twice") as caught:
        read(lines(tmp_path, {"edge": {"a": 1}, "edge.a": 1}))
    assert caught.value.code == "E0329"


def test_arrays_of_records_and_rows(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {
        "e.a": np.arange(4), "e.b": np.array(list("pqrs")), "e.offsets": np.array([0, 1, 1, 4]),
        "z": np.ones((5, 2)), "z.offsets": np.array([0, 2, 4, 5]),
        "z.lengths": np.array([2, 1, 1, 0, 1]), "z.lengths.offsets": np.array([0, 1, 3, 5]),
    }  # fmt: skip
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    for records in (read(path), from_python(arrays), joined(list(stream(path, size=1)))):
        assert list(records.columns) == ["e.a", "e.b", "z", "z.lengths"]
        assert rows(records, "e.a") == [[0], [], [1, 2, 3]]
        assert rows(records, "e.b") == [["p"], [], ["q", "r", "s"]]
        assert rows(records, "z.lengths") == [[2], [1, 1], [0, 1]]
        assert records.columns["z"].shape.tolist() == [[2, 2], [2, 2], [1, 2]]
    assert list(read(path, ["e"]).columns) == ["e.a", "e.b"]
    assert list(read(path, ["z"]).columns) == ["z", "z.lengths"]


# -- text in columns


@relaxed
@given(
    st.lists(st.lists(st.tuples(tokens, tokens), min_size=1, max_size=4), min_size=1, max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([" ", "  ", "\t", " \t"]),
    st.sampled_from(["", "\n", "\n \t\n\n"]),
    st.booleans(),
    st.integers(1, 60),
)
def test_columns_round_trip(
    instances: list[list[tuple[str, str]]],
    newline: str,
    between: str,
    end: str,
    packed: bool,
    size: int,
) -> None:
    blank = newline + (" " if packed else "") + newline
    text = blank.join(newline.join(between.join(row) for row in i) for i in instances) + end
    path = folder() / ("a.conll.gz" if packed else "a.conll")
    path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    records = read(path, columns="word,y")
    assert records.as_text and records.count == len(instances)
    assert rows(records, "word") == [[word for word, _ in i] for i in instances]
    assert rows(records, "y") == [[y for _, y in i] for i in instances]
    at = 1
    for i, instance in enumerate(instances):
        assert records.where(i) == f"{path}:{at}"
        at += len(instance) + 1
    same(records, joined(list(stream(path, columns=["word", "y"], size=size))))
    same(records, joined(list(stream_columns(path, ["word", "y"], size=size))))
    only = read_columns(path, ["_", "y"])
    assert list(only.columns) == ["y"] and rows(only, "y") == rows(records, "y")
    assert list(read(path, ["y"], "word,y").columns) == ["y"]


def test_columns_with_tabs_hold_blanks_and_comments_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("# id = 1\n\nNew York\tX\n#\t_\n\n\n# id = 2\nb\tZ", encoding="utf-8")
    records = read(path, columns="word,y", comments=True)
    assert rows(records, "word") == [["New York"], ["b"]]
    path.write_text("\ufeffNew York\tX\n#\t_\n", encoding="utf-8")
    records = read(path, columns="word,y")
    assert rows(records, "word") == [["New York", "#"]] and rows(records, "y") == [["X", "_"]]
    assert gaps(records, "y") == [[False, True]]
    path.write_text("-DOCSTART- O\n\na B\n", encoding="utf-8")
    assert rows(read(path, columns="word,y"), "word") == [["-DOCSTART-"], ["a"]]


def test_columns_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for way in (read, lambda *a, **k: next(stream(*a, **k))):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a B\n\nc D")))
        records = way("-", columns="word,y")
        assert rows(records, "y") == [["B"], ["D"]] and records.where(1) == "<stdin>:3"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (b"a B\nc\n", "E0347", r"a.txt:2: a line of 1 column, but there are names for 2: word, y"),
        (b"a B C\n", "E0347", r"a.txt:1: a line of 3 columns"),
        (b"# x\na B\n\n# id 7\n", "E0347", r"a.txt:4: a line of 3 columns"),
        (b"a b\tB\nc\t\n", "E0347", r"a.txt:2: column `y` is empty"),
        (b"a B\n\n\xff B\n", "E0324", r"a.txt:3: column `word`: byte 1 is not valid UTF-8"),
        (b"a B\nc \x00\n", "E0336", r"a.txt:2: column `y`: byte 1 is a NUL"),
        (b"", "E0323", r"a.txt holds no instances"),
        (b"\n \n\t\n", "E0323", r"a.txt holds no instances"),
    ],
)
def test_columns_refused(tmp_path: Path, text: bytes, code: str, message: str) -> None:
    (tmp_path / "a.txt").write_bytes(text)
    for way in (read, lambda *a, **k: list(stream(*a, **k))):
        with pytest.raises(DataError, match=message) as caught:
            way(tmp_path / "a.txt", columns="word,y")
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("a.conll", {}, "E0348"), ("a.txt.gz", {}, "E0348"), ("a.conll", {"columns": ""}, "E0348"),
        ("a.conll", {"columns": "a,b,a"}, "E0348"), ("a.conll", {"columns": "_,_"}, "E0348"),
        ("a.conll", {"columns": "a,,b"}, "E0348"), ("a.npz", {"columns": "a"}, "E0355"),
        ("a.jsonl", {"columns": "a"}, "E0355"), ("a.csv", {"columns": "a"}, "E0355"),
        ("a.jsonl", {"group": "a"}, "E0355"), ("a.csv", {"comments": True}, "E0355"),
        ("a.tsv", {"columns": "a", "group": "a"}, "E0355"), ("-", {"group": "a"}, "E0355"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_with_a_file(name: str, options: Any, code: str) -> None:
    for way in (read, lambda *a, **k: list(stream(*a, **k)), from_python):
        with pytest.raises(UsageError) as caught:
            way(name, **options)
        assert caught.value.code == code


# -- tables


@relaxed
@given(
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["a.csv", "a.tsv", "a.csv.gz"]),
    st.integers(1, 40),
)
def test_tables_agree_with_the_writer(
    table: list[tuple[str, ...]], newline: str, name: str, size: int
) -> None:
    out = io.StringIO(newline="")
    separator = "\t" if ".tsv" in name else ","
    writer = csv.writer(out, delimiter=separator, lineterminator=newline)
    writer.writerow(["x", "", "y, z"])
    starts = []
    for row in table:
        starts.append(out.getvalue().count("\n") + 1)
        writer.writerow(row)
    path = folder() / name
    data = out.getvalue().encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    records = read(path)
    assert records.as_text and list(records.columns) == ["x", "y, z"]
    for field, j in (("x", 0), ("y, z", 2)):
        assert rows(records, field) == [row[j] for row in table]
        assert gaps(records, field) == [row[j] == "" for row in table]
    assert [records.where(i) for i in range(len(table))] == [f"{path}:{at}" for at in starts]
    same(records, joined(list(stream(path, size=size))))


def test_tables_agree_with_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"n": rng.integers(0, 99, 500), "r": rng.random(500)})
    frame["t"] = rng.choice(["NA", "", 'say "hi"', "a,b", "two\nlines", "_"], 500)
    frame.to_csv(tmp_path / "a.csv")
    ours = read(tmp_path / "a.csv")
    theirs = pandas.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    assert list(ours.columns) == ["n", "r", "t"]
    for name in ours.columns:
        assert rows(ours, name) == theirs[name].tolist()
    same(ours, joined(list(stream_table(tmp_path / "a.csv", size=700))))


def test_tables_hold_arrays(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('x[1],y,"m[0,1]","m[0,0]",x[0],e.a[0]\n1,b,2,3,4,5\n\n6,_,7,8,9,0\n')
    records = read(path)
    assert rows(records, "x") == [["4", "1"], ["9", "6"]]
    assert rows(records, "m") == [[["3", "2"]], [["8", "7"]]]
    assert gaps(records, "y") == [False, True] and rows(records, "e.a") == [["5"], ["0"]]
    assert list(read(path, ["x", "e"]).columns) == ["x", "e.a"]
    assert records.where(1) == f"{path}:4"


LONG = "s,w,x[0],x[1],fold\nA,a,1,2,0\nA,b,3,4,0\nB,c,5,,1\nC,d,7,8,1\nC,e,9,0,2\n"


@pytest.mark.parametrize("size", [None, 1, 10, 1000])
def test_groups_of_rows(tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "long.csv"
    path.write_text(LONG)

    def found(group: str, fields: Any = None) -> Records:
        if size is None:
            return read(path, fields, group=group)
        return joined(list(stream(path, fields, group=group, size=size)))

    records = found("s")
    assert rows(records, "s") == ["A", "B", "C"]
    assert rows(records, "w") == [["a", "b"], ["c"], ["d", "e"]]
    assert rows(records, "fold") == [["0", "0"], ["1"], ["1", "2"]]
    assert rows(records, "x") == [[["1", "2"], ["3", "4"]], [["5", ""]], [["7", "8"], ["9", "0"]]]
    assert [records.where(i) for i in range(3)] == [f"{path}:{n}" for n in (2, 4, 5)]
    path.write_text(LONG.replace("B,c", "\n\n\nB,c") + "\n\n\n")
    assert rows(found("s"), "w") == [["a", "b"], ["c"], ["d", "e"]]
    records = found("s, fold", {"w"})
    assert rows(records, "fold") == ["0", "1", "1", "2"] and records.columns["s"].rank == 0
    assert rows(records, "w") == [["a", "b"], ["c"], ["d"], ["e"]]


APART = "s,w,fold\nA,a,0\nA,b,1\n\nB,c,0\nA,d,2\n"


def test_groups_that_lie_apart(tmp_path: Path) -> None:
    path = tmp_path / "apart.csv"
    path.write_text(APART)
    ways: list[Any] = [
        read,
        lambda *a, **k: list(stream(*a, **k)),
        lambda *a, **k: list(stream(*a, **k, size=1)),
    ]
    for way in ways:
        with pytest.raises(DataError, match=r"apart.csv:6: `s` is A here as in .* line 2,") as e:
            way(path, group="s")
        assert e.value.code == "E0352"
        assert str(e.value.hint).startswith("sort the table by s, or group by more columns")
        with pytest.raises(DataError, match=r"apart.csv:5: `fold` is 0 here as in .* line 2,"):
            way(path, {"w"}, group="fold")
        assert way(path, group="s,fold")


def test_frames_with_groups_that_lie_apart() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(io.StringIO(APART))
    with pytest.raises(DataError, match=r"<data>: row 3: `s` is A here as in .* row 0,") as e:
        from_python(frame, group="s")
    assert e.value.code == "E0352"
    with pytest.raises(DataError, match=r"row 2: `fold` is 0 here as in the group of row 0,"):
        from_python(frame, group="fold")
    assert from_python(frame, group="s, fold").count == 4


def test_tables_with_other_separators(tmp_path: Path) -> None:
    for name, text, shown, advice in [
        ("a.csv", "x;y\n1;2\n", "`;`", "commas: write the table with commas as NAME.csv"),
        ("a.csv", "x\ty\n1\t2\n", "tabs", "commas: call it NAME.tsv"),
        ("a.tsv", "x,y\n1,2\n", "commas", "tabs: call it NAME.csv"),
        ("a.tsv", "x;y\n1,5;2\n", "`;`", "tabs: write the table with commas"),
    ]:
        path = tmp_path / name
        path.write_text(text)
        for way in (read, lambda *a, **k: list(stream(*a, **k))):
            with pytest.raises(DataError, match=f"{name}:1: .* seem to be separated by {shown}"):
                way(path)
            with pytest.raises(DataError) as caught:
                way(path, {"x"})
            assert caught.value.code == "E0349" and advice in str(caught.value.hint)
    (tmp_path / "a.csv").write_text("x;y,z\n1,2\n")
    assert list(read(tmp_path / "a.csv").columns) == ["x;y", "z"]


@pytest.mark.parametrize(
    ("text", "options", "code", "message"),
    [
        ("x,y\n1,2\n3\n", {}, "E0351", r"a.csv:3: a row of 1 cell in a table of 2 columns"),
        ("x,y\n1,2,3\n", {}, "E0351", r"a.csv:2: a row of 3 cells"),
        ('x,y\n"1",2\n3\n', {}, "E0351", r"a.csv:3: a row of 1 cell"),
        ('x,y\n"a\n\nb",2\n"3\n', {}, "E0349", r"a.csv:5: no row of a table"),
        ('x,y\n"a"b,2\n', {}, "E0349", r"a.csv:2: no row of a table"),
        ("x,y\n1,2\r3\n", {}, "E0349", r"a.csv:2: a carriage return within the line"),
        ("x,x\n1,2\n", {}, "E0350", r"a.csv:1: column `x` is there twice"),
        ("x,x[0]\n1,2\n", {}, "E0350", r"a.csv:1: column `x\[0\]` has 1 index, but others"),
        ("x[0],x[0]\n1,2\n", {}, "E0350", r"column `x\[0\]` is there twice"),
        ("x[0],x[2]\n1,2\n", {}, "E0350", r"no column `x\[1\]` of array `x`"),
        ("x[999999999]\n1\n", {}, "E0350", r"no column `x\[0\]`"),
        ("x[0],x\n1,2\n", {}, "E0350", r"a.csv:1: column `x` has 0 indices"),
        ("x,y\n", {}, "E0323", r"a.csv holds no instances"),
        ("", {}, "E0323", r"a.csv holds no instances"),
        ("g,x\n\n", {"group": "g"}, "E0323", r"a.csv holds no instances"),
        ("\n\n", {}, "E0323", r"a.csv holds no instances"),
        ("x\n\0\n", {}, "E0336", r"a.csv:2: byte 1 is a NUL"),
        ("g,x\n1,2\n,3\n", {"group": "g"}, "E0353", r"a.csv:3: column `g`, by which rows are gr"),
        ("g,x\n1,2\n", {"group": "h"}, "E0353", r"a.csv:1: there is no column `h` to group by"),
        ("g[0],x\n1,2\n", {"group": "g"}, "E0353", r"there is no column `g` to group by"),
    ],
)  # fmt: skip
def test_tables_refused(tmp_path: Path, text: str, options: Any, code: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    for way in (read, lambda *a, **k: list(stream(*a, **k))):
        with pytest.raises(FgError, match=message) as caught:
            way(path, **options)
        assert caught.value.code == code
    path.write_bytes(b"x\n1\n\xff\n")
    with pytest.raises(DataError, match=r"a.csv:3: byte 1 is not valid UTF-8"):
        read(path)


def test_conditions_on_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("fold,r,t\n0,0.5,a\n05,1e1,b\n7,3,0\n")
    for text, kept in [("fold=1..6", ["b"]), ("fold=5", ["b"]), ("r=2..11", ["b", "0"]),
                       ("t=0", ["0"]), ("t!=a", ["b", "0"])]:  # fmt: skip
        assert rows(select(read(path), text), "t") == kept
    assert chosen(read(path), "fold=9") is None
    with pytest.raises(DataError) as caught:
        select(read(path), "fold=9")
    assert caught.value.code == "E0356"


# -- data frames


def test_frames() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({
        "n": np.array([1, 2, 3], np.int16), "r": [0.5, np.nan, 2], "b": [True, False, True],
        "t": ["a", None, "_"], "x[1]": [1, 2, 3], "x[0]": [0.5, 1, 1.5],
        "c": pandas.Categorical(["u", "v", "u"]), "i": pandas.array([1, None, 3], "Int64"),
        "l": [[1, 2], [3], []], "a": [np.ones(2), np.zeros(2), np.ones(2)],
        "o": [{"k": 1}, {"k": 2}, None], "m[0]": ["p", None, "q"], "m[1]": ["r", "s", "t"],
    })  # fmt: skip
    records = from_python(frame)
    assert not records.as_text and records.count == 3
    assert rows(records, "n") == [1, 2, 3] and records.columns["n"].values.dtype == np.int64
    assert rows(records, "r") == [0.5, 0, 2] and gaps(records, "r") == [False, True, False]
    assert rows(records, "b") == [True, False, True]
    assert rows(records, "t") == ["a", "", "_"] and gaps(records, "t") == [False, True, True]
    assert rows(records, "x") == [[0.5, 1], [1, 2], [1.5, 3]] and rows(records, "c") == list("uvu")
    assert rows(records, "i") == [1, 0, 3] and gaps(records, "i") == [False, True, False]
    assert rows(records, "l") == [[1, 2], [3], []] and rows(records, "a") == [
        [1, 1],
        [0, 0],
        [1, 1],
    ]
    assert rows(records, "o.k") == [1, 2, 0] and gaps(records, "o.k") == [False, False, True]
    assert rows(records, "m") == [["p", "r"], ["", "s"], ["q", "t"]]
    assert list(from_python(frame, ["x", "o"]).columns) == ["x", "o.k"]
    assert frame["r"].isna().sum() == 1, "the frame is left alone"


def test_frames_agree_with_tables(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    (tmp_path / "a.csv").write_text(LONG)
    frame = pandas.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    frame = frame.replace("", None)
    for group in (None, "s", "s,fold"):
        same(from_python(frame, group=group), read(tmp_path / "a.csv", group=group), places=False)
    numbers = from_python(pandas.read_csv(tmp_path / "a.csv"), group="fold")
    assert rows(numbers, "fold") == [0, 1, 2] and rows(numbers, "s") == [
        list("AA"),
        list("BC"),
        ["C"],
    ]
    assert rows(numbers, "x")[1] == [[5, 0], [7, 8]]
    assert gaps(numbers, "x")[1] == [[False, True], [False, False]]


@pytest.mark.parametrize(
    ("make", "options", "code"),
    [
        (lambda p: p.DataFrame([[1, 2]]), {}, "E0328"),
        (lambda p: p.DataFrame({"t": p.to_datetime(["2020-01-01"])}), {}, "E0331"),
        (lambda p: p.DataFrame({"z": [1j]}), {}, "E0331"),
        (lambda p: p.DataFrame({"x": []}), {}, "E0323"),
        (lambda p: p.DataFrame({"x": [1, "a"]}), {}, "E0332"),
        (lambda p: p.DataFrame({"x": [1]}), {"group": "y"}, "E0353"),
        (lambda p: p.DataFrame({"x": [None]}), {"group": "x"}, "E0353"),
        (lambda p: p.DataFrame({"x": [1]}), {"columns": "x"}, "E0355"),
        (lambda p: [{"x": 1}], {"group": "x"}, "E0355"),
    ],
)
def test_frames_refused(make: Any, options: Any, code: str) -> None:
    pandas = pytest.importorskip("pandas")
    with pytest.raises(FgError) as caught:
        from_python(make(pandas), **options)
    assert caught.value.code == code


# -- blocks


@relaxed
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=9),
    st.integers(1, 120),
)
def test_blocks_of_lines(values: list[list[int]], size: int) -> None:
    items = [{"n": i, "x": [v / 2 for v in row], "w": [f"{i:03}", None]}
             for i, row in enumerate(values)]  # fmt: skip
    path = folder() / "a.jsonl"
    path.write_text("\n\n".join(map(json.dumps, items)) + "\n")
    whole = read(path)
    same(whole, joined(list(stream_jsonl(path, size=size))))
    packed = path.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    same(whole, joined(list(stream(packed, size=size))), places=False)


def test_blocks_are_of_their_size(tmp_path: Path) -> None:
    path = lines(tmp_path, *({"x": [i] * 20} for i in range(4000)))
    counts = [block.count for block in stream(path, size=40_000)]
    assert sum(counts) == 4000 and len(counts) > 5
    assert [b.where(0) for b in stream(path, size=40_000)][1] == f"{path}:{counts[0] + 1}"
    assert [b.count for b in stream(path, size=1)] == [1] * 4000
    assert [b.count for b in stream(path)] == [4000]


@relaxed
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(1, 300), st.booleans())
def test_blocks_of_arrays(sizes: list[int], size: int, compressed: bool) -> None:
    count, total = len(sizes), sum(sizes)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.uint8)
    arrays: dict[str, Any] = {
        "n": np.arange(count, dtype=np.int16), "m": np.arange(count * 6.0).reshape(count, 3, 2),
        "f": np.asfortranarray(np.arange(count * 4).reshape(count, 4)),
        "x": np.arange(total * 2, dtype=np.float32).reshape(total, 2), "x.offsets": offsets,
        "w": np.array([f"w{i % 3}" if i % 4 else "_" for i in range(total)], "<U2"),
        "w.offsets": offsets, "none": np.zeros((count, 0)), "b": np.arange(count) % 2 == 0,
    }  # fmt: skip
    path = folder() / "a.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    blocks = list(stream_npz(path, size=size))
    whole = read_npz(path)
    same(whole, joined(blocks))
    for block in blocks:
        for name, column in block.columns.items():
            assert column.values.dtype.kind == whole.columns[name].values.dtype.kind
    assert [b.count for b in stream_npz(path, size=10**6)] == [count]


def test_arrays_larger_than_memory_go_in_blocks(tmp_path: Path) -> None:
    from factorgraph import budget

    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=np.arange(400_000).reshape(4000, 100), y=np.arange(4000))
    budget.set_limit(1_000_000)
    try:
        with pytest.raises(FgError) as caught:
            read(path)
        assert caught.value.code == "E0900"
        total = count = 0
        for block in stream(path):
            total += int(block.columns["x"].values.sum())
            assert block.where(0) == f"{path}: instance {count}"
            count += block.count
    finally:
        budget.set_limit(None)
    assert count == 4000 and total == 400_000 * 399_999 // 2


def test_a_stream_of_nothing_that_is_wanted(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(3))
    assert [r.count for r in stream(tmp_path / "a.npz", ["y"])] == [
        read(tmp_path / "a.npz", []).count
    ]
    path = lines(tmp_path, {"x": 1}, {"x": 2})
    assert [r.columns for r in stream(path, ["y"])] == [{}]


# -- shared data


def test_shared_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", H=np.eye(2, 3, dtype=np.int8), k=np.float64(2.5), w=np.array("ab"))
    found = read_shared(str(tmp_path / "a.npz"))
    assert sorted(found) == ["H", "k", "w"]
    h, k, w = found["H"], found["k"], found["w"]
    assert (
        isinstance(h, np.ndarray) and h.dtype == np.int64 and h.tolist() == [[1, 0, 0], [0, 1, 0]]
    )
    assert isinstance(k, np.ndarray) and k.shape == () and k == 2.5
    assert isinstance(w, np.ndarray) and w.tolist() == "ab"
    assert list(read_shared(f"k={tmp_path / 'a.npz'}")) == ["k"]
    (tmp_path / "l.json").write_text(
        '\ufeff{"lexicon": ["a", "bc"],\n "e": [{"a": 0, "b": 1}],\n "r": [[1, 2], [3]]}'
    )
    found = read_shared(str(tmp_path / "l.json"))
    arrays = {name: value for name, value in found.items() if not isinstance(value, Sparse)}
    assert {name: value.tolist() for name, value in arrays.items()} == {
        "lexicon": ["a", "bc"], "e.a": [0], "e.b": [1], "r": [1, 2, 3], "r.lengths": [2, 1],
    }  # fmt: skip
    assert sorted(read_shared(f"e={tmp_path / 'l.json'}")) == ["e.a", "e.b"]
    path = lines(tmp_path, {"v": [1, 2]}, name="a.jsonl.gz")
    assert list(read_shared(f"u={path}")) == ["u"] and list(read_shared(str(path))) == ["v"]


def dense(value: Any) -> list[Any]:
    assert isinstance(value, Sparse)
    for row in range(value.shape[0]):
        own = value.indices[value.indptr[row] : value.indptr[row + 1]]
        assert (np.diff(own) > 0).all()
    assert value.indptr.dtype == value.indices.dtype == np.int64 and (value.data != 0).all()
    out: list[Any] = value.dense().tolist()
    return out


@relaxed
@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_sparse_matrices_agree_with_scipy(rows_: int, columns: int, data: st.DataObject) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    market = pytest.importorskip("scipy.io")
    count = data.draw(st.integers(0, 6))
    i = data.draw(st.lists(st.integers(0, rows_ - 1), min_size=count, max_size=count))
    j = data.draw(st.lists(st.integers(0, columns - 1), min_size=count, max_size=count))
    number = data.draw(st.sampled_from([st.integers(-5, 5), st.sampled_from([0.5, -2.0, 0.0])]))
    v = data.draw(st.lists(number, min_size=count, max_size=count))
    kind = float if any(isinstance(x, float) for x in v) else int
    matrix = sparse.coo_array((np.array(v, kind), (i, j)), shape=(rows_, columns))
    expected = matrix.toarray().tolist()
    place = folder()
    for form in ("csr", "csc", "coo"):
        sparse.save_npz(place / "m.npz", matrix.asformat(form), compressed=form != "csc")
        assert dense(read_shared(str(place / "m.npz"))[""]) == expected
    market.mmwrite(place / "m.mtx", matrix, symmetry="general")
    (place / "m.mtx.gz").write_bytes(gzip.compress((place / "m.mtx").read_bytes()))
    assert dense(read_shared(f"H={place / 'm.mtx.gz'}")["H"]) == expected
    market.mmwrite(place / "m.mtx", matrix.toarray(), symmetry="general")
    assert read_shared(str(place / "m.mtx"))[""].tolist() == expected  # type: ignore[union-attr]
    assert dense(shared_value("H", matrix.tocsr())) == expected


@pytest.mark.parametrize("form", ["coordinate", "array"])
@pytest.mark.parametrize("symmetry", ["symmetric", "skew-symmetric"])
def test_symmetric_matrices_agree_with_scipy(tmp_path: Path, form: str, symmetry: str) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    market = pytest.importorskip("scipy.io")
    a = np.random.default_rng(0).integers(-3, 4, (6, 6)).astype(float)
    a = a + a.T if symmetry == "symmetric" else a - a.T
    value = sparse.coo_array(a) if form == "coordinate" else a
    market.mmwrite(tmp_path / "m.mtx", value, symmetry=symmetry)
    text = (tmp_path / "m.mtx").read_text()
    assert form in text and f" {symmetry}" in text
    found = read_shared(str(tmp_path / "m.mtx"))[""]
    assert (found.dense() if isinstance(found, Sparse) else found).tolist() == a.tolist()


HEAD = "%%MatrixMarket matrix coordinate real general\n"
BITS = "%%MatrixMarket matrix coordinate pattern general\n"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "E0363", r"m.mtx:1: no header"),
        ("1 1 1\n", "E0363", r"m.mtx:1: no header"),
        (HEAD.replace("real", "complex"), "E0363", r"`complex` is not read"),
        (HEAD.replace("general", "hermitian"), "E0363", r"`hermitian` is not read"),
        (HEAD.replace("coordinate real", "array pattern"), "E0363", r"an? array that is a pattern"),
        (HEAD + "% c\n2 2\n", "E0363", r"m.mtx:3: no line of 3 sizes"),
        (HEAD + "2 -2 1\n", "E0363", r"m.mtx:2: no line of 3 sizes"),
        (HEAD + "99999999999999999 1 1\n", "E0900", r"would take"),
        (HEAD.replace("general", "symmetric") + "2 3 0\n", "E0363", r"symmetric matrix of 2 x 3"),
        (HEAD + "2 2 2\n1 1 1\n", "E0365", r"states 2 entries, but holds 1"),
        (HEAD + "2 2 1\n1 1 1\n2 2 1\n", "E0365", r"states 1 entry, but holds more"),
        (HEAD + "2 2 1\n0 1 1\n", "E0364", r"m.mtx:3: row 0, but the matrix has 1..2"),
        (HEAD + "2 2 1\n\n1 3 1\n", "E0364", r"m.mtx:4: column 3, but the matrix has 1..2"),
        (HEAD + "2 2 1\n1 1\n", "E0364", r"m.mtx:3: a line of 2 values, not 3"),
        (HEAD + "2 2 1\n1 1 x\n", "E0364", r"m.mtx:3: `x` is no finite number"),
        (HEAD + "2 2 1\n1 1 nan\n", "E0364", r"m.mtx:3: `nan` is no finite number"),
        (HEAD + "2 2 1\n1 1 1_0\n", "E0364", r"m.mtx:3: `1_0` is no number"),
        (HEAD + "2 2 1\n1 1.5 1\n", "E0364", r"m.mtx:3: `1.5` is no whole number"),
        (HEAD + "2 2 1\n1 " + "9" * 30 + " 1\n", "E0364", r"m.mtx:3: `9+` is no whole number"),
        (HEAD + "2 2 1\n1 1 " + "9" * 3000, "E0364", r"m.mtx:3: `9{40}` is no number"),
        (HEAD.replace("real", "integer") + "1 1 1\n1 1 0.5\n", "E0364", r"`0.5` is no whole"),
        (HEAD.replace("general", "symmetric") + "2 2 1\n1 2 1\n", "E0364", r"above the diagonal"),
        (HEAD.replace("general", "skew-symmetric") + "2 2 1\n1 1 1\n", "E0364", r", or on it"),
        (BITS + "2 2 2\n1 2\n1 2\n", "E0365", r"two entries in row 1, column 2"),
        (HEAD.replace("coordinate", "array") + "2 2\n1\n2\n3\n", "E0365", r"4 entries, but"),
        (HEAD.replace("coordinate", "array") + "1 1\n1\n2\n", "E0365", r"but holds more"),
        (HEAD.replace("coordinate", "array") + "9999999 9999999\n1\n", "E0900", r"would take"),
    ],
)  # fmt: skip
def test_matrix_market_refused(tmp_path: Path, text: str, code: str, message: str) -> None:
    (tmp_path / "m.mtx").write_text(text)
    with pytest.raises(FgError, match=message) as caught:
        read_shared(str(tmp_path / "m.mtx"))
    assert caught.value.code == code


ALIST = "6 3\n2 3\n1 1 2 2 1 1\n2 3 3\n1\n2\n1 3\n2 3\n2 0\n3 0\n1 3\n2 4 5\n3 4 6\n"
CHECKS = [[1, 0, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 0, 1]]


def test_parity_checks(tmp_path: Path) -> None:
    path = tmp_path / "c.alist"
    for text in (ALIST, "# columns, rows\n" + ALIST.replace("\n", " \r\n"), ALIST.rstrip("\n")):
        path.write_text(text)
        assert dense(read_shared(str(path))[""]) == CHECKS
    (tmp_path / "c.alist.gz").write_bytes(gzip.compress(ALIST.encode()))
    assert dense(read_shared(f"H={tmp_path / 'c.alist.gz'}")["H"]) == CHECKS
    path.write_text("2 2\n1 1\n0 1\n1 0\n\n1\n2\n0\n")
    assert dense(read_shared(str(path))[""]) == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("old", "new", "code", "message"),
    [
        ("6 3\n2", "6 3 1\n2", "E0366", r"c.alist:1: the numbers of columns and rows are 2 num"),
        ("6 3\n2", "6 x\n2", "E0366", r"c.alist:1: a line of something else"),
        ("6 3\n2", "6 -3\n2", "E0366", r"c.alist:1: a line of something else"),
        ("6 3\n2", "999999999999999 3\n2", "E0900", r"would take"),
        ("2 3 3\n1\n", "2 3\n1\n", "E0367", r"the columns have 8 entries, the rows 6"),
        ("2 3 3\n1\n", "2 2 3\n1\n", "E0367", r"the columns have 8 entries, the rows 7"),
        ("2 3 3\n1\n", "2 3 4\n1\n", "E0366", r"are at most 3, but 4 is among them"),
        ("1 3\n2 3", "1 3 2\n2 3", "E0366", r"c.alist:7: column 3 has 3 entries, but weight 2"),
        ("1 3\n2 3", "1 1\n2 3", "E0366", r"c.alist:7: column 3 has an entry twice"),
        ("1 3\n2 3", "1 4\n2 3", "E0366", r"c.alist:7: column 3 has row 4, but there are 3"),
        ("2 4 5\n", "2 4 6\n", "E0367", r"the columns have an entry in row 2, column 5, which"),
        ("3 4 6\n", "", "E0366", r"the file ends before the list of row 3"),
        ("3 4 6\n", "3 4 6\n1\n", "E0366", r"c.alist:14: the file goes on"),
    ],
)
def test_parity_checks_refused(tmp_path: Path, old: str, new: str, code: str, message: str) -> None:
    assert old in ALIST
    (tmp_path / "c.alist").write_text(ALIST.replace(old, new))
    with pytest.raises(FgError, match=message) as caught:
        read_shared(str(tmp_path / "c.alist"))
    assert caught.value.code == code


CSR: dict[str, Any] = {
    "format": np.array(b"csr"), "shape": np.array([2, 3]), "data": np.array([1.0, 2]),
    "indices": np.array([2, 0]), "indptr": np.array([0, 1, 2]),
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"format": np.array(b"bsr")}, "E0368", "has format bsr"),
        ({"format": np.array("dia")}, "E0368", "has format dia"),
        ({"shape": np.array([2, 3, 4])}, "E0368", "do not go together"),
        ({"shape": np.array([-2, 3])}, "E0343", "has the shape -2 x 3"),
        ({"shape": np.array([2.0, 3])}, "E0368", "`shape` is no list"),
        ({"shape": np.array([2**61, 3])}, "E0900", "would take"),
        ({"shape": np.array([1, 3])}, "E0368", "`indptr` does not rise"),
        ({"indptr": np.array([0, 2, 1])}, "E0368", "`indptr` does not rise"),
        ({"indptr": np.array([1, 1, 2])}, "E0368", "`indptr` does not rise"),
        ({"indices": np.array([3, 0])}, "E0368", "entry 0 is in column 3, but there are 3"),
        ({"indices": np.array([0, -1])}, "E0368", "entry 1 is in column -1"),
        ({"indices": np.array([0])}, "E0368", "do not go together"),
        ({"data": np.array([1, np.inf])}, "E0335", "entry 1 is inf"),
        ({"data": np.array(["a", "b"])}, "E0331", "entries of type <U1"),
        ({"data": np.array([1j, 2])}, "E0331", "complex128"),
        ({"data": np.array([object()] * 2)}, "E0331", "type object"),
    ],
)
def test_sparse_archives_refused(tmp_path: Path, changes: Any, code: str, message: str) -> None:
    np.savez(tmp_path / "m.npz", **{**CSR, **changes})
    with pytest.raises(FgError, match=message) as caught:
        read_shared(str(tmp_path / "m.npz"))
    assert caught.value.code == code


def test_sparse_archives_that_lack_an_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", **{k: v for k, v in CSR.items() if k != "indptr"})
    with pytest.raises(DataError, match="has no array `indptr`"):
        read_shared(str(tmp_path / "m.npz"))


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("a.csv", "x", "E0359", "no format of shared data"),
        ("a.npz.gz", "x", "E0359", "no format of shared data"),
        ("a.json", "[1]", "E0328", "a.json holds a list, not an object"),
        ("a.json", '{"x": 1,\n "y" 2}', "E0325", r"a.json:2:6: not JSON"),
        ("a.json", '{"x": [1, null]}', "E0361", r"field `x` of .*a.json: value 1 is missing"),
        ("a.json", '{"x": [[1], [null]]}', "E0361", r"a.json: value \[1\]\[0\] is missing"),
        ("a.json", '{"x": ' + "[" * 100, "E0326", "nest 101 deep"),
        ("a.json", "", "E0325", "not JSON"),
        ("a.jsonl", '{"x": 1}\n{"x": 2}', "E0362", "has 2 lines"),
        ("a.mtx.gz", "x", "E0346", "damaged or no gzip file"),
        ("y=a.json", '{"x": 1, "z": 2}', "E0360", "has no `y`, but `x`, `z`"),
        ("none.json", None, "E0321", "none.json cannot be read: No such file"),
        (".", None, "E0321", ". cannot be read: it is a directory"),
        ("y=", None, "E0359", "names no file"),
    ],
)
def test_shared_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: Any, code: str,
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path(name.rpartition("=")[2]).write_text(content)
    with pytest.raises(FgError, match=message) as caught:
        read_shared(name)
    assert caught.value.code == code


def test_shared_values_of_python() -> None:
    assert shared_value("x", [[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]  # type: ignore[union-attr]
    assert shared_value("x", 2.5).shape == ()
    source = np.array([1, 2], np.int8)
    given_ = shared_value("x", source)
    assert isinstance(given_, np.ndarray) and given_.dtype == np.int64
    for texts in (["_", "a", ""], np.array(["_", "a", ""])):
        found = shared_value("x", texts)
        assert isinstance(found, np.ndarray) and found.tolist() == ["_", "a", ""]
    wrong: list[tuple[Any, str]] = [
        ([1, None], "E0361"), ([1, "_"], "E0361"), ([{"a": 1, "b": 2}], "E0354"),
        (np.array([None]), "E0331"), ([[1, 2], [3]], "E0354"), (["_", None], "E0361"),
    ]  # fmt: skip
    for bad, code in wrong:
        with pytest.raises(DataError) as caught:
            shared_value("x", bad)
        assert caught.value.code == code


def test_shared_columns() -> None:
    array = np.arange(6).reshape(2, 3)
    column = shared_column("H", array, 4)
    assert column.shared and column.rank == 2 and column.shape.tolist() == [[2, 3]] * 4
    assert column.start.tolist() == [0] * 5
    assert [int(column.values[column.start[i] + k]) for i in range(4) for k in (0, 5)] == [0, 5] * 4
    assert column.instance(3).tolist() == array.tolist()
    taken = column.take(np.array([1, 1, 3]))
    assert taken.shared and len(taken.shape) == 3 and taken.instance(2).tolist() == array.tolist()
    scalar = shared_column("k", np.array(7), 2)
    assert scalar.rank == 0 and scalar.instance(1) == 7
    frozen = np.arange(3)
    frozen.flags.writeable = False
    assert shared_column("f", frozen, 1).values.flags.writeable


# -- all of them


READERS = "alist archive block column columns delimited dtype field flatten frame header jsonl " \
    "leaf market npz python read select shared sparse stack stream table text"  # fmt: skip


@pytest.mark.parametrize("name", READERS.split())
def test_every_error_has_a_code(name: str) -> None:
    path = Path(factorgraph.data.__file__).parent / f"{name}.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
        if called in ("DataError", "UsageError", "BudgetError"):
            assert isinstance(node, ast.Call)
            codes = [k.value for k in node.keywords if k.arg == "code"]
            assert codes, f"{name}.py:{node.lineno}"
            if isinstance(codes[0], ast.Constant):
                assert re.fullmatch(r"E0(32[1-9]|3[3-6]\d|900)", str(codes[0].value)), node.lineno
