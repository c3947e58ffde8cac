"""One model, every source of data: what is missing, misnamed or wrong is told alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.data.bind import bind, wanted
from factorgraph.data.instances import Instances
from factorgraph.data.python import from_python
from factorgraph.data.stream import stream
from factorgraph.errors import DataError
from factorgraph.pipeline import compile

TEXT = """
domain Tag = {A, B}
domain Mark = {"_", x}
domain Word
given  t : text
given  g : Tag
given  w : Word
given  m : Mark
given  k : int
given  r : real
answer y : Tag
answer b : 0..3
param  u[Tag], v[Word], z[Mark]
factor f = u[y] * r + v[w] * k + z[m] * (t == "_") + u[g] * b
"""
GOOD: dict[str, Any] = {"t": "a", "g": "A", "w": "p", "m": "x", "k": 1, "r": 0.5, "y": "A", "b": 2}
MODEL = compile(TEXT)
EMPTY = object()
"""What no source but tables has: a cell without a character."""

Source = Callable[[Path, list[dict[str, Any]]], Any]


def jsonl(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def arrays(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def npz(folder: Path, rows: list[dict[str, Any]]) -> Path:
    np.savez(folder / "d.npz", **arrays(rows))
    return folder / "d.npz"


def cells(row: dict[str, Any]) -> list[str]:
    return ["" if value is EMPTY else str(value) for value in row.values()]


def csv(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "d.csv"
    path.write_text("\n".join(",".join(row) for row in [list(rows[0]), *map(cells, rows)]) + "\n")
    return path


def tsv(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = csv(folder, rows).rename(folder / "d.tsv")
    path.write_text(path.read_text().replace(",", "\t"))
    return path


def frame(folder: Path, rows: list[dict[str, Any]]) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


def dicts(folder: Path, rows: list[dict[str, Any]]) -> Any:
    return rows


def lists(folder: Path, rows: list[dict[str, Any]]) -> Any:
    return {name: [row[name] for row in rows] for name in rows[0]}


SECOND: dict[Source, str] = {
    jsonl: "d.jsonl:2", npz: "d.npz: instance 1", csv: "d.csv:3", tsv: "d.tsv:3",
    **dict.fromkeys([frame, dicts, lists], "<data>: instance 1"),
}  # fmt: skip
SOURCES = list(SECOND)
TABLES = [csv, tsv]


def bound(source: Source, folder: Path, *changes: dict[str, Any]) -> Instances:
    data = source(folder, [GOOD | change for change in changes])
    return bind(MODEL.checked, from_python(data, wanted(MODEL.checked)))


# -- what is missing

OPEN, TAKEN, ERROR = "open", "taken", "error"
RULES: dict[tuple[str, Any], str] = {
    ("y", "_"): OPEN, ("y", None): OPEN, ("y", EMPTY): OPEN, ("y", ""): "E0309",
    ("b", "_"): OPEN, ("b", None): OPEN, ("b", EMPTY): OPEN, ("b", ""): "E03",
    ("t", "_"): TAKEN, ("t", None): "E0302", ("t", EMPTY): TAKEN, ("t", ""): TAKEN,
    ("m", "_"): TAKEN, ("m", None): "E0302", ("m", EMPTY): "E0302", ("m", ""): "E0309",
    ("g", "_"): "E0302", ("g", None): "E0302", ("g", EMPTY): "E0302", ("g", ""): "E0309",
    ("w", "_"): "E0302", ("w", None): "E0302", ("w", EMPTY): "E0302", ("w", ""): TAKEN,
    ("k", "_"): "E0302", ("k", None): "E0302", ("k", EMPTY): "E0302", ("k", ""): "E03",
    ("r", "_"): "E0302", ("r", None): "E0302", ("r", EMPTY): "E0302", ("r", ""): "E03",
}  # fmt: skip
"""What becomes of a value, by the field that has it: the table in docs/data.md."""


def cases() -> list[Any]:
    """Return the rules with the sources that can hold the value."""
    out = []
    for (name, value), rule in RULES.items():
        for source in SOURCES:
            number = name in "bkr"
            if (value is EMPTY) != (source in TABLES) and value in (EMPTY, "", None):
                continue
            if source is npz and (value is None or number):
                continue  # arrays have no null, and numbers no texts among them
            if source is frame and number and value == "":
                continue
            shown = "empty" if value is EMPTY else repr(value)
            out.append(
                pytest.param(source, name, value, rule, id=f"{source.__name__}-{name}-{shown}")
            )
    return out


@pytest.mark.parametrize(("source", "name", "value", "rule"), cases())
def test_missing(source: Source, name: str, value: Any, rule: str, tmp_path: Path) -> None:
    if rule not in (OPEN, TAKEN):
        with pytest.raises(DataError) as caught:
            bound(source, tmp_path, {}, {name: value})
        error = caught.value
        assert str(error.code).startswith(rule) and SECOND[source] in error.message
        if error.code == "E0302":
            assert f"field `{name}` is missing; only answers may be" in error.message
            assert ("`_` is a value only" in str(error.hint)) == (value == "_" and name in "gw")
        return
    found = bound(source, tmp_path, {}, {name: value})
    assert [found.unknowns[n].open.tolist() for n in "yb"] == [
        [False, name == n and rule == OPEN] for n in "yb"
    ]
    if name == "t":
        assert found.givens["t"].values.tolist() == ["a", "_" if value == "_" else ""]
    if name == "m":
        assert found.givens["m"].values.tolist() == [1, 0]


def test_missing_in_columns(tmp_path: Path) -> None:
    model = compile("""
domain Tag = {A, B}
size   n
given  t[n] : text
given  g[n] : Tag
answer y[n] : Tag
param  u[Tag]
factor f[i in n] = u[y[i]] * (t[i] == "_") + u[g[i]]
""")
    path = tmp_path / "d.txt"
    path.write_text("a A A\n\n_ B _\nb A B\n")
    found = bind(model.checked, from_python(path, columns="t,g,y"))
    assert found.givens["t"].values.tolist() == ["a", "_", "b"]
    assert found.unknowns["y"].state.tolist() == [0, -1, 1]
    path.write_text("a A A\n\n_ B _\nb _ B\n")
    with pytest.raises(DataError, match=r"d.txt:3: field `g`, item 1 is missing") as caught:
        bind(model.checked, from_python(path, columns="t,g,y"))
    assert caught.value.code == "E0302"


def test_missing_among_records_and_lengths(tmp_path: Path) -> None:
    model = compile("""
size   n, c[n]
given  e[n] : (w: text, k: int)
given  x[n, c] : real
answer y[n] : bit
factor f[i in n] = (e[i].w == "_") * e[i].k * y[i] + sum(x[i, j] for j in c[i])
""")
    good = {"e": [["a", 1], ["_", 2]], "x": [[1], [2, 3]], "y": [0, 1]}
    run = model.init()
    np.testing.assert_array_equal(run.energy([good]), [8])
    objects = good | {"e": [{"w": "_", "k": 1}, {"w": "_", "k": 2}]}
    np.testing.assert_array_equal(run.energy(jsonl(tmp_path, [good | {"y": [1, 1]}])), [8])
    np.testing.assert_array_equal(run.energy([objects]), [8])
    for change in ({"e": [["a", "_"], ["b", 2]]}, {"e": [["a", None], ["b", 2]]}):
        with pytest.raises(DataError, match=r"d.jsonl:2: field `e.k`, item 0 is missing") as e:
            run.energy(jsonl(tmp_path, [good, good | change]))
        assert e.value.code == "E0302"
    rows = {"x": [1, 2, 3], "x.lengths": [1, None], "e": [["a", 1], ["_", 2]], "y": [0, 1]}
    with pytest.raises(DataError, match=r"d.jsonl:1: `x.lengths` must be a list of whole num"):
        run.energy(jsonl(tmp_path, [rows]))


# -- what has another name


@pytest.mark.parametrize("source", SOURCES)
def test_names_that_are_near(source: Source, tmp_path: Path) -> None:
    rows = [{("rr" if name == "r" else name): value for name, value in GOOD.items()}] * 2
    rows = [{"other": 7, **row} for row in rows]
    data = source(tmp_path, rows)
    model = compile("domain D = {A, B} given rrr : real answer y : D param u "
                    "factor f = u * rrr * (y == \"A\") loss nll")  # fmt: skip
    for path in [data] if not isinstance(data, Path) else [data, next(stream(data, {"rrr"}))]:
        with pytest.raises(DataError, match="there is no field `rrr`") as caught:
            model.init().energy(path)
        assert caught.value.code == "E0301" and caught.value.hint == "did you mean `rr`?"
        assert (f"{tmp_path}/d.jsonl:1:" in caught.value.message) == (source is jsonl)
    lost = [{name: value for name, value in row.items() if name != "rr"} for row in rows]
    with pytest.raises(DataError) as caught:
        model.init().energy(source(tmp_path, lost))
    assert caught.value.hint == "the fields are: other, t, g, w, m, k, y, b"
    named = [row | {"rrr": 1.5, "ys": "A"} for row in rows]
    del named[0]["y"], named[1]["y"]
    with pytest.raises(DataError, match="there is no field `y`, the answer to learn") as caught:
        model.fit(source(tmp_path, named))
    assert str(caught.value.hint).startswith("the fields are: other, t, g,")


def test_names_of_columns_sizes_and_domains(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("a A\n")
    model = compile("domain D = {A, B} size n given word[n] : text answer y[n] : D "
                    'factor f[t in n] = (word[t] == "a") * (y[t] == "A")')  # fmt: skip
    with pytest.raises(DataError, match=r"d.txt: there is no field `word`") as caught:
        model.init().energy(from_python(path, columns="words,y"))
    assert caught.value.hint == "did you mean `words`?"
    sized = compile("size last answer y : bit factor f = last * y")
    with pytest.raises(DataError, match=r"d.jsonl:1: nothing tells the size `last`") as caught:
        sized.init().energy(jsonl(tmp_path, [{"lasts": 3, "y": 1}]))
    assert caught.value.hint == "did you mean `lasts`?"
    filled = compile("domain Word given word : Word answer y : bit param u[Word] "
                     "factor f = u[word] * y loss nll")  # fmt: skip
    with pytest.raises(DataError, match=r"d.jsonl:1: no field gives the values of") as caught:
        filled.fit(jsonl(tmp_path, [{"wrod": "a", "y": 1}]))
    assert caught.value.hint == "the data have no `word`: did you mean `wrod`?"


def test_names_of_arrays_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("pixel[0],pixel[1],fold,y\n1,2,0,1\n")
    model = compile("given pixels[2] : real answer y : bit factor f = sum(pixels[i] for i in 2)*y")
    with pytest.raises(DataError, match=r"d.csv: there is no field `pixels`") as caught:
        model.init().energy(path)
    assert caught.value.hint == "did you mean `pixel`?"


def test_many_names_are_not_all_listed() -> None:
    model = compile("given x : real answer y : bit factor f = x * y")
    with pytest.raises(DataError) as caught:
        model.init().energy([{f"field{i}": 1 for i in range(100)}])
    shown = ", ".join(f"field{i}" for i in range(12))
    assert caught.value.hint == f"the fields are: {shown}, …"


# -- what is wrong has its place

WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"t": 3}, "E0307", "field `t` must be a text, but holds numbers"),
    ({"k": "no"}, "E0307", "no"),
    ({"g": 0.5}, "E0307", "field `g` must hold values of `Tag`"),
    ({"y": 0.5}, "E0307", "field `y` must hold values of `Tag`"),
    ({"b": "no"}, "E0307", "no"),
    ({"g": "C"}, "E0309", '"C" is no value of `Tag`'),
    ({"b": 7}, "E0308", "7 is outside `0..3`"),
    ({"k": 0.5}, "E0308", "0.5 is no whole number"),
]


def _told(source: Source, change: dict[str, Any], code: str, words: str) -> bool:
    """Return whether a source can hold this mistake: in a table everything is a text."""
    return source not in TABLES or not ("t" in change or (code == "E0307" and words != "no"))


@pytest.mark.parametrize(
    ("source", "change", "code", "words"),
    [(source, *wrong) for source in SOURCES for wrong in WRONG if _told(source, *wrong)],
)
def test_places(
    source: Source, change: dict[str, Any], code: str, words: str, tmp_path: Path
) -> None:
    """Every row is wrong alike, so that the first is named."""
    with pytest.raises(DataError) as caught:
        bound(source, tmp_path, change, change)
    first = SECOND[source].replace("instance 1", "instance 0")
    first = first.replace(":3", ":2") if source in TABLES else first.replace(":2", ":1")
    assert caught.value.code == code and first in caught.value.message
    assert words in caught.value.message or code == "E0307"


@pytest.mark.parametrize("source", SOURCES)
def test_places_of_shapes(source: Source, tmp_path: Path) -> None:
    model = compile("size n given x[n] : real answer y : bit factor f = sum(x[i] for i in n) * y")
    first = SECOND[source].replace("instance 1", "instance 0")
    first = first.replace(":3", ":2") if source in TABLES else first.replace(":2", ":1")
    with pytest.raises(DataError, match="field `x` has 0 axes an instance, but is decl") as caught:
        model.init().energy(source(tmp_path, [{"x": 1, "y": 1}, {"x": 2, "y": 1}]))
    assert caught.value.code == "E0303" and first in caught.value.message


RECORDS = """
domain D = {A, B}
size   n, c[n]
given  e[n] : (a: n, w: real)
given  x[n, c] : real
answer s : segments(n, 3, D)
factor f[(i, j, l) in s] = (l == "A") * sum(x[i, k] for k in c[i])
factor g[(a, w) in e] = w
"""


@pytest.mark.parametrize(
    ("change", "code", "place", "words"),
    [
        ({"e": [0, 1]}, "E0303", 1, "field `e` has 1 axis an instance, but its records make 2"),
        ({"e": [[[0, 1]]]}, "E0303", 1, "field `e` has 3 axes"),
        ({"e.w": [1, 1], "e": None}, "E0301", 1, "field `e` lacks `a`"),
        ({"x": [[[1]], [[1]]]}, "E0303", 1, "field `x` has 3 axes an instance, but is"),
        ({"s": [[[0, 1, "A"]]]}, "E0303", 1, "field `s`"),
        ({"s.0": [0, 1], "s.1": [0], "s.2": ["A", "B"], "s": None}, "E0304", 1, "of `s` differ"),
    ],
)
def test_places_of_records(
    change: dict[str, Any], code: str, place: int, words: str, tmp_path: Path
) -> None:
    model = compile(RECORDS)
    good = {"e": [[0, 1.0], [1, 2.0]], "x": [[1], [2, 3]], "s": [[0, 0, "A"], [1, 1, "B"]]}
    assert model.init().energy(jsonl(tmp_path, [good])).tolist() == [4]
    bad = {k: v for k, v in (good | change).items() if v is not None}
    with pytest.raises(DataError) as caught:
        model.init().energy(jsonl(tmp_path, [bad, bad]))
    assert caught.value.code == code, caught.value.report()
    assert caught.value.message.startswith(f"{tmp_path}/d.jsonl:{place}: ")
    assert words in caught.value.message


def test_places_of_rows(tmp_path: Path) -> None:
    model = compile("size n, c[n] given x[n, c] : real given z[n, c] : real answer y : bit "
                    "factor f = y * sum(x[i, j] * z[i, j] for i in n for j in c[i])")  # fmt: skip
    good = {"x": [[1], [2, 3]], "z": [[1], [2, 3]], "y": 1}
    bad = good | {"z": [[1, 2], [3]]}
    with pytest.raises(DataError, match=r"d.jsonl:2: the rows of `z` and `x` differ in length"):
        model.init().energy(jsonl(tmp_path, [good, bad]))
    even = compile("size n, m given x[n, m] : real answer y : bit factor f = y * x[0, 0]")
    rows = [{"x": [[1], [2]], "y": 1}, {"x": [[1], [2, 3]], "y": 1}]
    with pytest.raises(DataError, match=r"d.jsonl:2: the rows of field `x` differ in length"):
        even.init().energy(jsonl(tmp_path, rows))


def test_places_of_weights_and_shared_data(tmp_path: Path) -> None:
    model = compile("given x : real answer y : bit param u factor f = u * x * y loss nll")
    row = {"x": 1, "y": 1}
    rows: list[dict[str, Any]] = [{**row, "weight": 1}, {**row, "weight": None}]
    with pytest.raises(DataError, match=r"d.jsonl:2: `weight` must be one number") as caught:
        model.fit(jsonl(tmp_path, rows))
    assert caught.value.code == "E0310"
    shared = compile("given k[3] : 0..2 given x : real answer y : bit factor f = k[0] * x * y")
    for value, code in ([0, 1, 5], "E0308"), (["a", "b", "c"], "E0307"):
        with pytest.raises(DataError, match="the shared data: field `k`") as caught:
            shared.init().energy(jsonl(tmp_path, [row]), with_={"k": value})
        assert caught.value.code == code


# -- options, from Python


def test_records_stand_for_data(tmp_path: Path) -> None:
    model = fg.compile("""
size   n
given  x[n] : real
answer y[n] : bit
param  w ~ l2(0.1)
factor f[i in n] = -w * x[i] * y[i]
loss   nll
""")
    rows = [{"x": [1.0, -2.0], "y": [1, 0]}, {"x": [0.5], "y": [1]}]
    (tmp_path / "d.txt").write_text("# x what y\n1 a 1\n-2 b 0\n\n0.5 c 1\n")
    (tmp_path / "d.csv").write_text("id,x,y\n1,1,1\n1,-2,0\n2,0.5,1\n")
    same = [
        fg.read(tmp_path / "d.txt", columns="x,_,y", comments=True),
        fg.read(str(tmp_path / "d.txt"), columns=["x", "_", "y"], comments=True),
        fg.read(tmp_path / "d.csv", group="id"),
        fg.read(frame(tmp_path, [{"id": 1, "x": 1, "y": 1}, {"id": 1, "x": -2, "y": 0},
                                 {"id": 2, "x": 0.5, "y": 1}]), group="id"),
        fg.read(rows),
    ]  # fmt: skip
    expected = model.fit(rows)
    for data in same:
        run = model.fit(data)
        np.testing.assert_array_equal(run.weights["w"], expected.weights["w"])
        np.testing.assert_array_equal(run.energy(data), expected.energy(rows))
        assert list(run.energies(data)) == ["f"]
        assert list(run.predict(data)) == list(expected.predict(rows))
        for one, other in zip(run.marginals(data), expected.marginals(rows), strict=True):
            np.testing.assert_array_equal(one["y"], other["y"])
        assert run.evaluate(data).as_dict() == expected.evaluate(rows).as_dict()
        assert model.init(data=data).weights["w"] == 0
    for bad in ({"columns": "x"}, {"comments": True}):
        with pytest.raises(fg.UsageError) as caught:
            fg.read(tmp_path / "d.csv", **bad)
        assert caught.value.code == "E0355"
