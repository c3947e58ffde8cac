"""Edges of the language: what texts and data mean where two rules meet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factorgraph as fg
from factorgraph.compiler.recognise import recognise
from factorgraph.data.shared import from_python
from factorgraph.errors import DataError, FgError, RunError
from factorgraph.ground.kinds import kind_energy
from factorgraph.pipeline import fits


def energy(text: str, *data: dict[str, Any], **options: Any) -> list[float]:
    return [float(v) for v in fg.compile(text).init(data=list(data)).energy(list(data), **options)]


def codes(text: str) -> list[str]:
    with pytest.raises(FgError) as caught:
        fg.compile(text)
    return [error.code for error in caught.value.all]


def warned(text: str) -> list[str]:
    return [w.code for w in fg.compile(text).warnings(pedantic=True)]


# -- guards over sparse givens


@pytest.mark.parametrize("order", ["i in n, j in n, c in m", "c in m, i in n, j in n",
                                   "i in n, c in m, j in n"])  # fmt: skip
def test_the_full_product_is_never_formed(order: str) -> None:
    """With 3,000 squared pairs times 3,000 checks this would take hours."""
    rng = np.random.default_rng(0)
    size = 3000
    rows, columns = np.repeat(np.arange(size), 2), rng.integers(0, size, 2 * size)
    H = np.zeros((size, size), np.int8)
    H[rows, columns] = 1
    from scipy import sparse

    text = (
        f"size n, m given H[m, n] : bit given x[n] : real answer y : bit "
        f"factor f[{order} if H[c, i] and H[c, j] and i < j] = x[i] * x[j] * y"
    )
    x = rng.normal(size=size)
    run = fg.compile(text).init()
    (found,) = run.energy([{"x": x.tolist(), "y": 1}], with_={"H": sparse.csr_matrix(H)})
    sums = H.astype(float) @ x
    expected = ((sums**2 - H.astype(float) @ x**2) / 2).sum()
    assert found == pytest.approx(expected)
    assert from_python("H", sparse.csr_matrix(H)).shape == (size, size)


# -- lets are read inside their index sets


@pytest.mark.parametrize(
    ("let", "read", "good"),
    [
        ("q[i in n, j in 0..i] = 10 * i + j", "q[0, 2]", "q[2, 1]"),
        ("q[i in n, j in i..n-1] = 10 * i + j", "q[2, 0]", "q[1, 2]"),
        ("q[i in n, j in c[i]] = 10 * i + j", "q[1, 3]", "q[0, 1]"),
        ("q[i in n, j in 0..i] = 10 * i + j + 0 * w", "q[0, 2]", "q[2, 1]"),
    ],
)
def test_reads_of_lets_are_checked(let: str, read: str, good: str) -> None:
    head = "size n = 3 size c[n] given g[n, c] : real answer y : bit param w "
    data = {"g": [[1, 1], [1], []], "y": 1}
    text = f"{head} let {let} factor f = y * {{}} + 0 * sum(g[t, i] for t in n for i in c[t])"
    expected = {"q[2, 1]": 21, "q[1, 2]": 12, "q[0, 1]": 1}[good]
    assert energy(text.format(good), data) == [expected]
    with pytest.raises(DataError, match="outside of what it is declared for") as caught:
        energy(text.format(read), data)
    assert caught.value.code == "E0311"


def test_an_index_of_a_let_is_named_as_it_is_written() -> None:
    text = "size n let q[i in 1..n-1] = 10 * i given k : int answer y : bit factor f = y * q[k]"
    assert energy(text, {"n": 3, "k": 2, "y": 1}) == [20]
    with pytest.raises(DataError, match=r"reads `q\[k\]` at index 0 of axis 1, outside 1..2"):
        energy(text, {"n": 3, "k": 0, "y": 1})


# -- labels and texts


def test_labels_are_texts_beside_texts() -> None:
    text = (
        "domain D = {p, q} given t : text answer y : D "
        'factor f[a in {"p", "r"}] = 1 * (y == a) factor g = 2 * (t != y)'
    )
    data = [{"t": "p", "y": "p"}, {"t": "z", "y": "q"}]
    assert energy(text, *data) == [1, 2]
    found = fg.compile(text).init().predict([{"t": "q"}, {"t": "p"}])
    assert [(f["answers"]["y"], f["energy"]) for f in found] == [("q", 0), ("p", 1)]


def test_comments_are_no_part_of_a_feature() -> None:
    head = "size n given w[n] : text answer y : bit param U[997] = normal(0, 1) factor f[t in n] = "
    plain = fg.compile(head + "dot(U, hash(997, w[t])) * y").init()
    other = fg.compile(head + "dot(U, hash(997, w[ t ] # the word\n)) * y").init()
    data = [{"w": ["a", "b#c"], "y": 1}]
    assert plain.energy(data).tolist() == other.energy(data).tolist()


# -- slices that an unknown ends


def test_a_slice_may_end_at_an_unknown() -> None:
    run = fg.compile("answer y : 0..2 given x[3] : real factor f = sum(x[0..y])").init()
    assert run.energy([{"x": [1, 2, -9], "y": k} for k in range(3)]).tolist() == [1, 3, -6]
    (found,) = run.predict([{"x": [1, 2, -9]}])
    assert found["answers"]["y"] == 2 and found["energy"] == -6


# -- springs


def test_springs_with_an_offset_and_between_two_names() -> None:
    text = (
        "size h, w, P = 3 param c = 0.5 given s[P] : real "
        "answer at[P] : (y: 0..h-1, x: 0..w-1) answer p : (y: 0..h-1, x: 0..w-1) "
        "factor tie[p in 1..P-1] = (at[p].y - at[0].y - 1)^2 + s[p] * (at[p].x - at[0].x + s[0])^2 "
        "factor ab[i in P] = c * (p.y - at[i].y)^2 - (p.x - at[i].x) * (1 + c) + 3 "
        "factor no[i in P] = (p.y - at[i].y) * (p.x - at[i].x)"
    )
    model = fg.compile(text)
    data = [
        item | {"h": 5, "w": 4, "s": [0.5, -1.5, 2.0]}
        for item in (
            {"at": [[0, 1], [4, 3], [2, 2]], "p": [3, 0]},
            {"at": [[4, 0], [1, 1], [0, 3]], "p": [0, 3]},
        )
    ]  # fmt: skip
    run = model.init(0, data)
    energies, bound = run.energies(data), run.bind(data, latents=True)
    factors = model.checked.factors
    for name in ("tie", "ab"):
        kind = recognise(model.checked, factors[name])
        assert kind is not None and kind.kind == "springs"
        fast = kind_energy(model.checked, factors[name], kind, bound, run.weights)
        np.testing.assert_allclose(fast, energies[name], rtol=1e-12)
    assert recognise(model.checked, factors["no"]) is None


# -- a run and its text

CHAIN = (
    "domain D = {a, b} size n given x[n] : real answer y[n] : D let k = 2 "
    "let z[t in n] = x[t] * k param U[D] ~ l2(0.1) factor f[t in n]=-U[y[t]]*z[t] loss nll"
)


def test_a_run_fits_texts_that_say_the_same() -> None:
    run = fg.compile(CHAIN).fit([{"x": [1.0, -1.0], "y": ["a", "b"]}])
    for change in (
        ("f[t in n]=-U[y[t]]*z[t]", "f[j in n]  = -U[y[j]] * z[j]  # the same\n"),
        ("let z[t in n] = x[t] * k", "let z[i in n] = x[i] * k"),
        ("loss nll", "loss hinge"),
    ):
        fits(run, fg.compile(CHAIN.replace(*change)))
    for change, what in (
        (("-U[y[t]]*z[t]", "U[y[t]]*z[t]"), "factor `f`"),
        (("k = 2", "k = 3"), "let `z`"),
        (("{a, b}", "{b, a}"), "domain `D`"),
        (("factor f", "hard g[t in n] : y[t] == y[0] factor f"), "factor `g`"),
    ):
        with pytest.raises(RunError, match=f"{what} of .* is not the one") as caught:
            fits(run, fg.compile(CHAIN.replace(*change)))
        assert caught.value.code == "E0804"


def test_a_run_of_other_maps_or_unknowns_does_not_fit() -> None:
    text = (
        "size p = 2 given x[p] : real answer y : 0..2 map g = mlp(p, 4, 3, act = tanh) param w[3] "
        "factor f = g(x)[abs(y)] + w[abs(y)]"
    )
    run = fg.compile(text).init()
    fits(run, fg.compile(text.replace("answer y ", "answer  y")))
    for change, what in ((("tanh", "relu"), "map `g`"), (("0..2", "-2..0"), "unknown `y`")):
        with pytest.raises(RunError, match=f"{what} of .* is not the one"):
            fits(run, fg.compile(text.replace(*change)))


def test_settings_of_a_training_hold_for_its_run(tmp_path: Path) -> None:
    run = fg.compile(CHAIN, settings={"k": 3}).fit([{"x": [1.0, -1.0], "y": ["a", "b"]}])
    run.save(tmp_path / "run")
    again = fg.load_run(tmp_path / "run")
    fits(again, fg.compile(CHAIN))
    with pytest.raises(RunError):
        fits(again, fg.compile(CHAIN, settings={"k": 4}))
    header = json.loads((tmp_path / "run/run.json").read_text())
    assert header["settings"] == {"k": 3}


# -- what is refused, once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("answer y : bit fun s(b) = q + b factor f = s(y)", ["E0102"]),
        ("answer y : bit fun s(b, c = b) = c + b factor f = s(y)", ["E0102"]),
        ("answer y : 0..3 size n = y factor f = y", ["E0114"]),
        ("answer y : 0..3 given x[y] : real factor f = y", ["E0114"]),
        ("param a = b param b answer y : bit factor f = a * y + b", ["E0114"]),
        ("given x : real(0, 1) answer y : bit factor f = x * y", ["E0119"]),
        ("given x : real answer y : bit factor f = (x in 0..2) * y", ["E0106"]),
        ("size n = 2 answer y[n] : (a: bit, b: bit) hard f : alldiff(y[t] for t in n)", ["E0106"]),
        ("answer y : bit factor f = y * \u0663", ["E0001"]),
        ("size k, m given arc[k] : (a: int, b: int) answer s : path(arc, 0, m, bit) answer y : bit "
         'factor f = y * (spell(s) == "01")', ["E0126"]),
        ("size k, m given arc[k] : (a: int, b: int) answer s : path(arc, 0, m) "
         "answer t : path(arc, 0, m) factor f[e in s, g in t] = e", ["E0126"]),
        ("size k, m given arc[k] : (a: int, b: int) answer s : path(arc, 0, m) "
         "factor f[e in s, g in s] = e", ["E0126"]),
    ],
)  # fmt: skip
def test_refused_once(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_a_second_energy_has_unknowns_of_the_same_types(tmp_path: Path) -> None:
    (tmp_path / "q.fg").write_text("answer x : 0..3\nfactor f = x\n")
    (tmp_path / "bad.fg").write_text("answer x : bit\nfactor f = nothing * x\n")
    top = 'use "{}.fg" as q\nanswer x : {}\nfactor f = x\nloss E(answer) - q(answer)\n'
    for name, kind, expected in (
        ("q", "0..3", []), ("q", "bit", ["E0106"]), ("bad", "bit", ["E0102"]),
    ):  # fmt: skip
        (tmp_path / "top.fg").write_text(top.format(name, kind))
        found: list[str] = []
        try:
            fg.load(tmp_path / "top.fg")
        except FgError as error:
            found = [e.code for e in error.all]
        assert found == expected


# -- warnings


@pytest.mark.parametrize(
    ("binders", "value", "expected"),
    [
        ("i in n, j in n", "y[i] * y[j]", True),
        ("i in n, j in n if i != j", "abs(y[i] - y[j]) * x[i, j] * x[j, i]", True),
        ("i in n, j in n if i < j", "y[i] * y[j]", False),
        ("i in n, j in n", "x[i, j] * (y[i] > y[j])", False),
        ("i in n, j in n", "(y[i] - y[j])^2 + (y[j] == y[i])", True),
        ("i in n, j in n", "y[i] - y[j]", False),
    ],
)
def test_pairs_that_are_visited_twice(binders: str, value: str, expected: bool) -> None:
    text = f"size n given x[n, n] : real answer y[n] : 0..2 factor f[{binders}] = {value}"
    assert ("W0103" in warned(text)) is expected


def test_a_free_latent_matters_under_a_soft_minimum_alone() -> None:
    text = "answer y : bit latent z : 0..2 param w[3] factor f = y * w[z] "
    assert "W0105" in warned(text + "loss nll") and "W0105" in warned(text)
    assert "W0105" not in warned(text + "loss hinge")


def test_a_rule_of_constants_that_nothing_meets() -> None:
    assert "W0002" in warned("answer y : bit factor f = y hard h : 1 == 2")
