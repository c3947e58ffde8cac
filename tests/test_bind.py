"""Data that do not fit a model: each message names the place, the field and what is wrong."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factorgraph.errors import BudgetError, DataError, FgError, UsageError
from factorgraph.pipeline import Run, compile

TEXT = """
domain Tag = {Noun, Verb}
domain Word
size   n, m
given  x[n, 2] : real
given  k[n] : int
given  g[n] : 1..4
given  b[n] : bit
given  w[n] : Word
given  note : text
answer y[n] : Tag
answer v[n] : 2..5
param  U[Tag, 6], E[Word]
factor f[t in n] = U[y[t], k[t]] + E[w[t]] * x[t, 0] * b[t] + v[t] * m
factor p[t in n] = if k[t] > 4 then x[t + g[t], 0] * v[t] else 0
factor q[t in n if b[t]] = v[t] * v[t - g[t] + 1]
loss   nll
"""
GOOD: dict[str, Any] = {
    "x": [[1.0, 2], [3, 4], [5, 6]], "k": [0, 1, 2], "g": [3, 1, 2], "b": [0, 0, 1],
    "w": ["a", "b", "a"], "note": "s", "y": ["Noun", "Verb", "Noun"], "v": [2, 3, 4], "m": 3,
}  # fmt: skip
SECOND = "<data>: instance 1"


@cache
def run() -> Run:
    return compile(TEXT).init(data=[GOOD])


def energy(**changes: Any) -> Any:
    """Return the energies of a good instance and of one that is changed."""
    return run().energy([GOOD, GOOD | changes])


def without(name: str) -> dict[str, Any]:
    return {k: v for k, v in GOOD.items() if k != name}


def test_good() -> None:
    # 3 * (2 + 3 + 4) of `f`, 4 * 3 of `q` at the last place
    np.testing.assert_array_equal(energy(), [39.0, 39.0])
    np.testing.assert_array_equal(energy(k=[0.0, 1.0, 2.0]), [39.0, 39.0])
    # the cheapest of what is left open: 3 * (2 + 2) + 3 * 4 + 4 * 2
    np.testing.assert_array_equal(energy(y=[None] * 3, v=[None, None, 4]), [39.0, 32.0])
    empty = {name: [] for name in "xkgbwyv"}
    np.testing.assert_array_equal(energy(**empty), [39.0, 0.0])


NAN = float("nan")
INF = float("inf")


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"k": [1, 2]}, "E0304", "`n` is 3 in field `x`, but 2 in field `k`"),
        ({"y": ["Noun"]}, "E0304", "`n` is 3 in field `x`, but 1 in field `y`"),
        ({"x": [[1.0, 2, 3]] * 3}, "E0304", "axis 2 of field `x` has extent 3, but `2` is 2"),
        ({"g": [1, 0, 2]}, "E0308", "field `g`, item 1: 0 is outside `1..4`"),
        ({"g": [5, 1, 2]}, "E0308", "field `g`, item 0: 5 is outside `1..4`"),
        ({"b": [0, 1, 2]}, "E0308", "field `b`, item 2: 2 is outside `bit`"),
        ({"v": [2, 1, 3]}, "E0308", "field `v`, item 1: 1 is outside `2..5`"),
        ({"y": ["Nuon", "Verb", "_"]}, "E0309", 'field `y`, item 0: "Nuon" is no value of `Tag`'),
        ({"w": ["a", "zz", "b"]}, "E0309", 'field `w`, item 1: "zz" is no value of `Word`'),
        ({"x": [[NAN, 2], [3, 4], [5, 6]]}, "E0308", "field `x`[0][0]: nan is not finite"),
        ({"x": [[1, 2], [3, -INF], [5, 6]]}, "E0308", "field `x`[1][1]: -inf is not finite"),
        ({"k": [0, 0.5, 1]}, "E0308", "field `k`, item 1: 0.5 is no whole number"),
        ({"k": [0, 1, NAN]}, "E0308", "field `k`, item 2: nan is no whole number"),
        ({"k": [INF, 1, 1]}, "E0308", "field `k`, item 0: inf is no whole number"),
        ({"k": [0, 1e300, 1]}, "E0308", "field `k`, item 1: 1e+300 is no whole number"),
        ({"v": [2.5, 2, 3]}, "E0308", "field `v`, item 0: 2.5 is no whole number"),
        ({"k": [None, 1, 1]}, "E0302", "field `k`, item 0 is missing; only answers may be"),
        ({"note": None}, "E0302", "field `note` is missing"),
        ({"m": -1}, "E0305", "size `m` must be a whole number of at least 0"),
        ({"m": 1.5}, "E0305", "size `m` must be a whole number of at least 0"),
        ({"m": None}, "E0305", "size `m` must be a whole number of at least 0"),
    ],
)  # fmt: skip
def test_value(changes: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(DataError) as caught:
        energy(**changes)
    assert caught.value.code == code
    assert caught.value.message.startswith(f"{SECOND}: {words}")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": [0, 6, 1]}, "factor `f` reads `U[y[t], k[t]]` at index 6 of axis 2, outside 0..5"),
        ({"k": [0, -1, 1]}, "factor `f` reads `U[y[t], k[t]]` at index -1 of axis 2, outside 0..5"),
        (
            {"k": [5, 1, 1]},
            "factor `p` reads `x[t + g[t], 0]` at index 3 of axis 1, outside 0..2",
        ),
        (
            {"g": [3, 1, 4]},
            "factor `q` reads `v[t - g[t] + 1]` at index -1 of axis 1, outside 0..2",
        ),
    ],
)
def test_index_leaves_its_axis(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError) as caught:
        energy(**changes)
    assert caught.value.code == "E0311"
    assert caught.value.message == f"{words} ({SECOND})"
    assert caught.value.span is not None and caught.value.span.source.text == TEXT


PLACES = compile("""
size   h, n, c[n], s = 2
given  x[h, n, c] : real
given  r[n, c, s] : bit
given  e[n, s]    : (a: bit, b: text)
given  z[s, s]    : bit
answer y          : bit
factor f = y * (sum(x[i, t, j] for i in h for t in n for j in c[t]) + z[0, 0]
                + sum(r[t, j, 0] for t in n for j in c[t]) + sum(e[t, 0].a for t in n))
""")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": [[[1, 2], [3, 4]], [[5, 6], [7, NAN]]]}, "field `x`[1][1][1]: nan is not"),
        ({"r": [[[0, 1], [1, 1]], [[0, 1], [7, 1]]]}, "field `r`[1][1][0]: 7 is outside"),
        ({"e": [[[0, "a"], [1, "b"]], [[0, "c"], [2, "d"]]]}, "field `e.a`[1][1]: 2 is outside"),
        ({"e": [[[0, "a"], [1, "b"]], [[0, None], [1, "d"]]]}, "field `e.b`[1][0] is missing"),
    ],
)  # fmt: skip
def test_place_in_an_array(changes: dict[str, Any], words: str) -> None:
    good = {
        "x": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]], "r": [[[0, 1], [1, 1]], [[0, 1], [0, 1]]],
        "e": [[[0, "a"], [1, "b"]], [[0, "c"], [1, "d"]]], "y": 1,
    }  # fmt: skip
    with pytest.raises(DataError, match=re.escape(f"instance 1: {words}")):
        PLACES.init().energy([good, good | changes], with_={"z": [[0, 1], [1, 0]]})
    with pytest.raises(DataError, match=re.escape("the shared data: field `z`[1][0]: 3 is")):
        PLACES.init().energy([good], with_={"z": [[0, 1], [3, 0]]})


@pytest.mark.parametrize("shared", [False, True])
def test_place_in_uneven_rows(shared: bool) -> None:
    model = compile("""
size   n, c[n]
given  x[n, c] : bit
answer y[n]    : bit
factor f[t in n] = y[t] * sum(x[t, j] for j in c[t])
""")
    rows = {"x": [1, 0, 1, 1, 2, 0], "x.lengths": [1, 3, 2]}
    one = {"y": [0, 0, 0]}
    if shared:
        with pytest.raises(DataError, match=r"the shared data: field `x`\[2\]\[0\]: 2 is outside"):
            model.init().energy([one, one], with_=rows)
    else:
        nested = {"x": [[1], [0, 1, 1], [2, 0]]}
        with pytest.raises(DataError, match=r"instance 1: field `x`\[2\]\[0\]: 2 is outside"):
            model.init().energy([one | {"x": [[1], [0], [1, 1]]}, one | nested])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([True, 1], "mixes numbers and truth values in its lists"),
        (["a", 1], "mixes numbers and texts in its lists"),
        ({"0": 1}, "holds objects with `0`, but is declared without fields"),
        ({"0": 1, "1": 2}, "holds objects with `0`, `1`, but is declared without fields"),
        ([{"a": 1, "b": "x"}], "holds objects with `a`, `b`, but is declared without fields"),
    ],
)
def test_parts_without_fields(value: Any, words: str) -> None:
    model = compile("size n given x[n] : real answer y : bit factor f = x[0] * y")
    with pytest.raises(DataError, match=f"<data>: instance 0: field `x` {words}") as caught:
        model.init().energy([{"x": value, "y": 1}])
    assert caught.value.code == "E0307"
    assert ("fields" in str(caught.value.hint)) == ("objects" in words)


@pytest.mark.parametrize(
    ("names", "lost", "last"),
    [
        ("x[0],z", "x[1]", "x[0]"),
        ("z,x[1],x[0],img[0;0]", "img[1,0]", "img[0,0]"),
        ("z,x[1],x[0],img[1;0],img[0;0]", "img[0,1]", "img[1,0]"),
    ],
)
def test_column_of_an_array_is_lost(names: str, lost: str, last: str, tmp_path: Path) -> None:
    model = compile("""
size   p = 2
given  x[p], img[p, p] : real
answer y : bit
factor f = y * (x[1] + img[1, 1])
""")
    header = [f'"{name.replace(";", ",")}"' for name in names.split(",")]
    if "img[0;0]" not in names:
        header += [f'"img[{i},{j}]"' for i in range(2) for j in range(2)]
    path = tmp_path / "d.csv"
    path.write_text(",".join(header) + "\n" + ",".join(["1"] * len(header)) + "\n")
    with pytest.raises(DataError) as caught:
        model.init().energy(path)
    assert caught.value.message == f"{path}: there is no column `{lost}`, but `p` is 2"
    assert caught.value.code == "E0304"
    assert caught.value.hint == f"the columns of `{lost.partition('[')[0]}` end with `{last}`"


def test_one_variable_twice() -> None:
    with pytest.raises(
        DataError, match=re.escape("are the same variable (<data>: instance 1)")
    ) as e:
        list(run().predict([GOOD, GOOD | {"g": [3, 1, 1]}]))
    assert e.value.code == "E0313" and "factor `q`: `v[t]` and `v[t - g[t] + 1]`" in e.value.message
    assert e.value.span is not None and e.value.span.text == "v[t - g[t] + 1]"
    assert "guard" in str(e.value.hint)


@pytest.mark.parametrize(
    ("name", "values", "code", "words"),
    [
        ("t", [[1], [2]], "E0303", "axis an instance, but is declared with 0: t"),
        ("a", [1, 2], "E0303", "axes an instance, but is declared with 1: a[n]"),
        ("a", [["p"], ["q"]], "E0307", "field `a` must be a number, but holds texts"),
        ("s", [1, 2], "E0307", "field `s` must be a text, but holds numbers"),
        ("y", [[0.5], [1.5]], "E0307", "field `y` must hold values of `Tag`, but holds float64"),
        ("y", [[0], [1]], "E0309", 'item 0: "0" is no value of `Tag`'),
        ("weight", [1, -1], "E0308", "instance 1: field `weight`: -1 is no weight"),
        ("weight", [NAN, 1], "E0308", "instance 0: field `weight`: nan is no weight"),
        ("weight", [1, INF], "E0308", "instance 1: field `weight`: inf is no weight"),
        ("weight", [[1], [1]], "E0310", "`weight` must be one number an instance"),
        ("weight", ["1", "2"], "E0310", "`weight` must be one number an instance"),
        ("weight", [1, None], "E0310", "`weight` must be one number an instance"),
    ],
)
def test_whole_field(name: str, values: list[Any], code: str, words: str) -> None:
    model = compile(
        "domain Tag = {P, Q} size n given a[n] : real given t : real given s : text "
        "answer y[n] : Tag param w factor f[i in n] = w * a[i] * t * (y[i] == \"P\") loss nll"
    )  # fmt: skip
    rows = [
        {"a": [0.5], "t": 1.0, "s": "?", "y": ["P"]},
        {"a": [0.1], "t": 2.0, "s": "!", "y": ["Q"]},
    ]
    with pytest.raises(DataError) as caught:
        model.fit([row | {name: value} for row, value in zip(rows, values, strict=True)])
    assert caught.value.code == code
    assert caught.value.message.startswith("<data>") and words in caught.value.message


@pytest.mark.parametrize("name", ["x", "k", "w", "note"])
def test_missing_field(name: str) -> None:
    with pytest.raises(DataError, match=f"<data>: there is no field `{name}`") as caught:
        run().energy([without(name)])
    assert caught.value.code == "E0301"


def test_misspelt_field() -> None:
    with pytest.raises(DataError) as caught:
        run().energy([without("note") | {"nite": "s"}])
    assert caught.value.hint == "did you mean `nite`?"
    with pytest.raises(DataError) as caught:
        run().energy([without("note") | {"remark": "s"}])
    assert caught.value.hint == "the fields are: x, k, g, b, w, y, v, m, remark"


def test_no_scalar_size() -> None:
    with pytest.raises(DataError, match="<data>: nothing tells the size `m`") as caught:
        run().energy([without("m")])
    assert caught.value.code == "E0305" and "field `m`" in str(caught.value.hint)


def test_hints() -> None:
    with pytest.raises(DataError) as caught:
        energy(y=["Nuon", "Verb", "Verb"])
    assert caught.value.hint == "did you mean `Noun`?"
    with pytest.raises(DataError) as caught:
        energy(w=["a", "other", "b"])
    assert caught.value.hint == "training has not seen it"


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = '{"a": [1.0], "y": [%s]}\n'
    path.write_text(line % 1 + line % 0 + line % 7)
    model = compile("size n given a[n] : real answer y[n] : bit factor f[t in n] = a[t] * y[t]")
    with pytest.raises(DataError) as caught:
        model.init().energy(path)
    assert caught.value.message.endswith("train.jsonl:3: field `y`, item 0: 7 is outside `bit`")


def test_answers_are_not_read_at_inference() -> None:
    (wrong,) = run().predict([GOOD | {"y": ["Nun"] * 3, "v": [9, 9, 9]}])
    (right,) = run().predict([{k: v for k, v in GOOD.items() if k not in "yv"}])
    assert wrong == right and right["status"] == "optimal"


def test_domains_from_data() -> None:
    model = compile(TEXT)
    with pytest.raises(UsageError, match="domain `Word` takes its values from data"):
        model.init()
    with pytest.raises(DataError, match="no field gives the values of domain `Word`"):
        model.fit([without("w")])
    assert model.init(data=[GOOD]).vocabularies == {"Word": ("a", "b")}
    only = compile("domain D size n answer y[n] : D param u[D] factor f[t in n] = u[y[t]]")
    found = only.init(data=[{"y": ["b", None]}, {"y": ["a", "b"]}])
    assert found.vocabularies == {"D": ("a", "b")}
    with pytest.raises(DataError, match="no field gives the values of domain `D`"):
        only.init(data=[{"y": [None, None]}])


def test_answer_to_learn_is_missing() -> None:
    with pytest.raises(DataError, match="there is no field `y`, the answer to learn") as caught:
        compile("size n given a[n] : real answer y[n] : bit param w "
                "factor f[t in n] = w * y[t] * a[t] loss nll").fit([{"a": [1.0]}])  # fmt: skip
    assert caught.value.code == "E0301"


def test_too_many_unknowns() -> None:
    """A size read from data is no promise of memory."""
    for text, size in (("y[m]", 10**13), ("y[m, m]", 2**31), ("y[m, m]", 2**62)):
        model = compile(f"size m answer {text} : bit").init()
        with pytest.raises(BudgetError, match="`y`"):
            list(model.predict([{"m": size}]))


def test_negative_extent() -> None:
    model = compile("size n given a[n] : real answer y[n - 2] : bit").init()
    assert [r["answers"] for r in model.predict([{"a": [1.0] * 3}])] == [{"y": [0]}]
    with pytest.raises(DataError, match="instance 1: `y` has a negative extent") as caught:
        list(model.predict([{"a": [1.0] * 2}, {"a": [1.0]}]))
    assert caught.value.code == "E0306"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("factor f = y * (7 // d)", "factor `f` divides by `d`, which is 0 (<data>: instance 1)"),
        ("factor f = y * (7 % d)", "factor `f` divides by `d`, which is 0 (<data>: instance 1)"),
        (
            "factor f = y * log(d - 1)",
            "factor `f`: `log(d - 1)` is not a number (<data>: instance 1)",
        ),
        ("factor f = y * (d / d)", "factor `f` divides by `d`, which is 0 (<data>: instance 1)"),
        (
            "factor f[i in min(j for j in 3 if j < d)] = y * i",
            "factor `f`: `min(j for j in 0..2 if j < d) - 1` is infinite (<data>: instance 1)",
        ),
    ],
)
def test_no_number(text: str, words: str) -> None:
    model = compile(f"given d : int answer y : bit {text}").init()
    with pytest.raises(DataError) as caught:
        model.energy([{"d": 2, "y": 1}, {"d": 0, "y": 1}])
    assert (caught.value.code, caught.value.message) == ("E0312", words)


def test_least_of_nothing() -> None:
    run = compile("size n given c[n] : int answer y : bit "
                  "factor f = y * 2 + min(c[i] for i in n if c[i] > 1)").init()  # fmt: skip
    found = run.energy([{"c": [3, 2], "y": 1}, {"c": [1, 0], "y": 0}])
    np.testing.assert_array_equal(found, [4.0, INF])


@pytest.mark.parametrize("value", ["\x1b[31m", "a\rb", "\x07"])
def test_messages_hold_no_control_characters(value: str) -> None:
    with pytest.raises(FgError) as caught:
        energy(w=["a", value, "b"])
    assert all(c.isprintable() or c == "\n" for c in caught.value.report())
