"""The slow truth itself: numbers worked out by hand, plain numpy, and the whole zoo."""

from __future__ import annotations

import importlib.util
import itertools
import json
import math
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from factorgraph.syntax.parser import parse


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


slow: Any = _load("slow")
slow_losses: Any = _load("slow_losses")
values: Any = sys.modules["slow_values"]
zoo: Any = _load("zoo")
LIBRARY = zoo.FOLDER.joinpath("losses.fg").read_text(encoding="utf-8")
inf = math.inf


def energies(
    text: str,
    data: dict[str, Any],
    weights: dict[str, Any] | None = None,
    vocabularies: dict[str, tuple[str, ...]] | None = None,
) -> list[float]:
    """Return the energy of each factor of a text, in its order; unknowns are among the data."""
    world = slow.Slow(text, vocabularies).instance(data, weights or {})
    return list(world.energies(data).values())


def energy(expression: str, head: str = "", data: dict[str, Any] | None = None, **w: Any) -> float:
    (found,) = energies(f"{head} factor f = {expression}", data or {}, w)
    return found


# -- expressions


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("-7 // 2", -4), ("7 // -2", -4), ("-7 % 4", 1), ("7 / 2", 3.5), ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4), ("3 == 3", 1), ("(2 < 1) + (2 != 1)", 1), ("not (1 > 2)", 1),
        ("1 > 2 => 2 > 3", 1), ("3 in {1, 3}", 1), ("2 in {1, 3}", 0), ("4 in 1..4", 1),
        ("if 2 > 1 then 5 else log(-1)", 5), ("exp(0) + abs(-2) + sqrt(9)", 6),
        ("min(3, 1, 2) - max(4, 6)", -5), ("sum(i for i in 1..4 if i % 2 == 0)", 6),
        ("sum(i * j for i in 3 for j in i..2)", 7), ("count(i > 1 for i in 4)", 2),
        ("mean(i for i in 1..4)", 2.5), ("min(i for i in 2 if i > 5)", inf),
        ("max(i for i in 2 if i > 5)", -inf), ("sum(a * b for (a, b) in {(1, 2), (3, -4)})", -10),
        ("xor(i > 0 for i in 4)", 1), ("xor(i > 1 for i in 4)", 0),
        ("atmostone(i > 2 for i in 4) + exactlyone(i > 2 for i in 4)", 2),
        ("atmostone(i > 1 for i in 4) + exactlyone(i > 1 for i in 4)", 0),
        ("atleastone(i > 3 for i in 4) + 10 * atleastone(i > 2 for i in 4)", 10),
        ("alldiff(i % 3 for i in 4) + 10 * alldiff(i for i in 4)", 10),
        ("softplus(0) - log(2)", 0), ("sigmoid(0) + tanh(0) + cosh(0)", 1.5),
    ],
)  # fmt: skip
def test_numbers(expression: str, expected: float) -> None:
    assert energy(expression) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(x)", 21), ("sum(x[1])", 15), ("x[1, 2]", 6), ("x[1][0]", 4), ("norm(x[0])^2", 14),
        ("sum(x[0..1, 1..2])", 16), ("sum(x[0] * x[1])", 32), ("dot(x[0], x[1])", 32),
        ("sum(dot(x, x[0]))", 46), ("outer(x[0], x[1])[2, 0]", 12), ("max(x) - min(x)", 5),
        ("mean(x[0] + 1)", 3), ("sum(2 * x[0] - x[1])", -3), ("n + 10 * k", 32),
        ("max(abs(-x[0]))", 3), ("sum(x[i, 0] for i in n)", 5), ("min(x[0], 2)[2]", 2),
    ],
)  # fmt: skip
def test_arrays(expression: str, expected: float) -> None:
    head = "size n, k given x[n, k] : real"
    assert energy(expression, head, {"x": [[1, 2, 3], [4, 5, 6]]}) == pytest.approx(expected)


def test_only_what_is_taken_is_read() -> None:
    head = "size n given x[n] : real factor g[t in n if t > 0 and x[t-1] > 0] = x[t-1]"
    text = f"{head} factor f[t in n] = (if t > 0 then x[t-1] else 7) + (t > 0 and x[t-1] > 1)"
    assert energies(text, {"x": [2, -1, 5]}) == [2, 7 + (2 + 1) + (-1 + 0)]
    with pytest.raises(slow.Outside):
        energies("size n given x[n] : real factor f[t in n] = x[t-1]", {"x": [1]})


def test_domains_index_by_their_values() -> None:
    text = """
    domain L = 3..5   domain T = {A, B}   size n
    answer y[n] : L   answer s : T   answer m : {u, v}
    param w[L], v[T, L]
    factor f[t in n] = w[y[t]] + v[s, y[t]] + (s == "B") * 100
    factor g = sum(w[c] for c in L) + sum(v[a, 3] for a in T) + (m == "u")
    factor h = (w - 2 * v[s])[y[0]]
    """
    data = {"y": [5, 3], "s": "B", "m": "u"}
    found = energies(text, data, {"w": [1, 2, 3], "v": [[10, 20, 30], [40, 50, 60]]})
    assert found == [3 + 60 + 100 + 1 + 40 + 100, 6 + 50 + 1, 3 - 120]


def test_sizes() -> None:
    """A size is read off shapes, is valued, or is a field; settings give new values."""
    text = "size n, m, k = 4, j = 2 * n let a = 3 let b = a + 1 given x[n] : real factor f = "
    data = {"x": [0, 0, 0], "m": 5}
    assert energies(text + "n + 10 * m + 100 * k + 1000 * j", data) == [3 + 50 + 400 + 6000]
    world = slow.Slow(text + "k + 10 * b", settings={"k": 2.0, "a": 0.5}).instance(data, {})
    assert world.energy({}) == 2 + 15


def test_ragged() -> None:
    text = """
    size n, c[n]   given x[n, c] : real   answer y[n, c] : bit
    factor f[t in n] = sum(x[t, i] * y[t, i] for i in c[t])
    factor g = sum(x) + 100 * c[0]
    factor h[t in n if c[t] > 0] = max(x[t])
    """
    data = {"x": [[1, 2], [5], []], "y": [[0, 1], [1], []]}
    assert energies(text, data) == [7, 208, 7]
    world = slow.Slow(text).instance(data, {})
    assert len(list(world.configurations({"y": [[None, 1], [None], []]}))) == 4
    with pytest.raises(slow.Outside):
        energies("size n, c[n] given x[n, c] : real factor f = x[1, 1]", {"x": [[1, 2], [3]]})


def test_size_with_an_index_as_a_field() -> None:
    text = "size n, c[n] given x[n] : real factor f[t in n] = x[t] * sum(1 for i in c[t])"
    assert energies(text, {"x": [1, 10], "c": [2, 3]}) == [32]


# -- records


def test_relations() -> None:
    text = """
    size n, m   given edge[m] : (a: n, b: n, w: real, kind: text)   given one : (p: int, q: real)
    answer y[n] : bit
    factor pair[(a, b, w, s) in edge if s != "no"] = w * (y[a] != y[b])
    factor whole[e in edge] = e.w
    factor first = edge[0].b + 10 * one.q + 100 * one.p
    """
    rows = [[0, 1, 2.5, "so"], [1, 2, 4.0, "so"], [2, 0, 8.0, "no"]]
    fields = [dict(zip("a b w kind".split(), row, strict=True)) for row in rows]
    for edge, one in ((rows, [3, 0.5]), (fields, {"q": 0.5, "p": 3})):
        data = {"edge": edge, "one": one, "y": [0, 1, 1]}
        assert energies(text, data) == [2.5, 14.5, 306]


def test_records_that_are_unknown() -> None:
    text = """
    size h, w, r = 2, P = 2
    given x[h, w] : real
    latent at[P] : (y: 0..h-r, x: 0..w-r)
    factor f[p in P] = sum(x[at[p].y .. at[p].y+r-1, at[p].x .. at[p].x+r-1])
    factor g = (at[0].x - at[1].x)^2 + 10 * (at[0] == at[1])
    """
    data = {"x": [[1, 2, 4], [8, 16, 32]]}
    world = slow.Slow(text).instance(data, {})
    assert world.states("at") == [[0, 0], [0, 1]]
    assert len(list(world.configurations({}))) == 4
    for at in ([[0, 0], [0, 1]], [{"x": 0, "y": 0}, {"y": 0, "x": 1}]):
        world.validate({"at": at})
        assert list(world.energies({"at": at}).values()) == [27 + 54, 1]
    with pytest.raises(ValueError, match="at"):
        world.validate({"at": [[0, 0], [1, 0]]})


# -- lets, funs


def test_lets_are_indexed_by_values() -> None:
    text = """
    size n   given x[n] : real   domain T = {A, B}   answer y : T
    let step[t in 1..n-1] = x[t] - x[t-1]
    let near[i in n, (u, v) in {(0, 1), (2, 0)} if i + u < n] = 10 * x[i] + u + 2 * v
    let tri[i in n, j in 0..i] = i + 10 * j
    let score[t in n, c in T] = x[t] * (if c == "A" then 1 else -1)
    let vec[t in n] = x[0..1] + t
    factor a = step[2]            factor b = sum(step)
    factor c = near[0, 2, 0] + near[2, 0, 1]
    factor d = tri[2, 1] + sum(tri[1]) + sum(tri)
    factor e = score[1, y] + score[2, "A"] + sum(score[0])
    factor f = vec[1][0] + vec[2, 1] + sum(vec)
    """
    data = {"x": [1, 5, 7], "y": "B"}
    assert energies(text, data) == [2, 6, 12 + 72, 12 + 12 + 48, -5 + 7 + 0, 2 + 7 + 24]
    for wrong in ("step[0]", "near[0, 1, 1]", "near[2, 2, 0]", "tri[0, 1]"):
        with pytest.raises(slow.Outside):
            energies(f"{text} factor z = {wrong}", data)


def test_funs_keep_the_meaning_of_their_place() -> None:
    text = """
    size n   given x[n] : real   let k = 2
    fun f(i, s = k) = s * x[i]
    fun g(x, i) = f(i, x) + f(i = 0)
    factor a[k in n] = f(k) + g(100, 1)
    """
    assert energies(text, {"x": [1, 5]}) == [2 + 10 + 2 * (500 + 2)]


# -- reals


def test_the_square_of_a_norm_is_a_sum_of_squares() -> None:
    """It is exact, so that a comparison is not off by a rounding: sqrt(192)^2 is below 192."""
    head = "size n given x[n] : int let D = norm(x) fun f(v) = norm(v)^2 "
    assert math.sqrt(192) ** 2 < 192
    found = energy("(D^2 < 192) + (f(x) < 192) + (norm(x)^2 == 192)", head, {"x": [8, 8, 8]})
    assert found == 1


def test_real_unknowns() -> None:
    text = """
    size h, w, r = 2   answer x[h, w] : real   latent z[r] : real   answer u : real(-1, 1)
    param J[r, r], D[r, h]
    factor f[i in 0..h-r, j in 0..w-r] = sum(J * x[i..i+r-1, j..j+1])^2
    factor g = norm(x[1] - 1)^2 + sum(abs(z)) + u / 2
    factor h_ = norm(x[0..1, 0] - dot(z, D))^2
    infer grid(step = 0.5)
    """
    data = {"x": [[1, 2, 0], [0, 3, 1]], "z": [2, -1], "u": 0.5}
    weights = {"J": [[1, 0], [0, -1]], "D": [[1, 0], [0, 2]]}
    found = energies(text, data, weights)
    assert found == pytest.approx([4 + 1, 1 + 4 + 0 + 3 + 0.25, 1 + 4])
    world = slow.Slow(text).instance(data, weights)
    assert world.states("u") == [-1, -0.5, 0, 0.5, 1]
    world.validate(data)
    with pytest.raises(ValueError, match="u cannot be"):
        world.validate(data | {"u": 1.5})


# -- maps


def test_linear_and_mlp() -> None:
    head = "domain T = {A, B} size n = 2 given x[n] : real given y : real answer t : T "
    head += "map f = linear(n, 3) map g = mlp(n, 2, T) map h = mlp(1, 2, 1, act = tanh) "
    text = head + "factor a = sum(f(x)) + f(x)[2] factor b = g(x)[t] factor c = h(y)"
    weights = {
        "f.W": [[1, 2, 3], [4, 5, 6]], "f.b": [0.5, 0, -1],
        "g.0.W": [[1, -1], [2, 1]], "g.0.b": [0, 0], "g.1.W": [[1, 10], [100, 1000]],
        "g.1.b": [7, 8], "h.0.W": [[1, 2]], "h.0.b": [0, 1], "h.1.W": [[3], [4]], "h.1.b": [5],
    }  # fmt: skip
    found = energies(text, {"x": [2, -1], "y": 0.3, "t": "B"}, weights)
    # f(x) = (2 - 4 + 0.5, 4 - 5, 6 - 6 - 1); the hidden units of g are 0 and -3 before relu
    assert found[:2] == [-1.5 - 1 - 1 - 1, 8]
    assert found[2] == pytest.approx(3 * math.tanh(0.3) + 4 * math.tanh(1.6) + 5)
    shapes = slow.Slow(text).shapes()
    assert shapes == {k: np.shape(v) for k, v in weights.items()}


def test_conv_and_pool() -> None:
    head = "size h, w given x[h, w] : real map f = conv(1, 2, 2) map s = conv(1, 1, 2, pad = same)"
    head += " map p = pool(2) map c = chain(conv(1, 2, 2, act = relu), pool(2), linear(4, 1)) "
    text = (
        head
        + """
    factor a = f(x)[0, 1, 0] + 1000 * f(x)[1, 2, 1]   factor b = sum(s(x))
    factor c_ = p(x)[0, 1] + 10 * sum(p(x))   factor d = c(x)[0]
    """
    )
    K = [[[[1, 0]], [[10, 1]]], [[[100, 0]], [[1000, 0]]]]  # [u, v, in, out]
    S = [[[[1]], [[10]]], [[[100]], [[1000]]]]
    weights = {
        "f.K": K, "f.b": [0, 0.5], "s.K": S, "s.b": [0], "c.0.K": K, "c.0.b": [0, -6],
        "c.2.W": [[1], [10], [100], [1000]], "c.2.b": [0.25],
    }  # fmt: skip
    x = [[1, 2, 3, 4, 1], [5, 6, 7, 8, 1], [9, 8, 7, 6, 1], [1, 1, 1, 1, 1]]
    found = energies(text, {"x": x}, weights)
    assert found[0] == 2 + 30 + 600 + 7000 + 1000 * (8 + 0.5)
    # zeros stand after: the first row and column of x meet fewer weights
    inner = [row[1:] for row in x[1:]]
    rows, columns = sum(x[0][1:]), sum(row[0] for row in x[1:])
    whole = sum(map(sum, inner))
    assert found[1] == 1111 * whole + 11 * rows + 101 * columns + x[0][0]
    assert found[2] == 8 + 10 * (6 + 8 + 9 + 7)
    # of conv's 3 x 4 places pool takes the first 2 x 4; channel 1 is max(0, x[i, j+1] - 6)
    left = max(6521, 7632, 8965, 7876) + 10 * (7 - 6)
    right = max(8743, 1814, 6787, 1618) + 10 * (8 - 6)
    assert found[3] == left + 100 * right + 0.25


def test_maps_agree_with_numpy() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 7, 3))
    for pad in ("none", "same"):
        text = f"size h, w given x[h, w, 3] : real map f = conv(3, 4, 5, pad = {pad}) factor a = 0"
        K, b = rng.normal(size=(5, 5, 3, 4)), rng.normal(size=4)
        world = slow.Slow(text).instance({"x": x.tolist()}, {"f.K": K, "f.b": b})
        (statement,) = parse("factor a = f(x)").statements
        found = np.array(world.value(statement.value, {}).lists())
        np.testing.assert_allclose(found, convolve(x, K, b, pad == "same"), rtol=1e-12)


def convolve(x: Any, K: Any, b: Any, same: bool = False) -> Any:
    if same:
        x = np.pad(x, ((2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, K.shape[:2], (0, 1))
    return np.einsum("ijcuv,uvco->ijo", windows, K) + b


# -- texts


def test_text_functions() -> None:
    texts = values.TEXTS
    assert texts["shape"]("McDonald's-42") == "XxXx'x-d"
    assert texts["shape"]("AAbb--11ß") == "Xx-dx"
    assert [texts["prefix"]("B-N-P"), texts["prefix"]("O"), texts["prefix"]("")] == ["B", "O", ""]
    assert [texts["kind"]("B-N-P"), texts["kind"]("O"), texts["kind"](12)] == ["N-P", "", ""]
    assert [texts["prefix"]("ab", 3), texts["suffix"]("abcd", 3), texts["suffix"]("ab", 3)] == [
        "ab", "bcd", "ab",
    ]  # fmt: skip
    assert texts["suffix"]("ab", 0) == "" and texts["lower"]("ÄB") == "äb"
    assert values.BINARY["&"]("x", 3) == "x&3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)],
)
def test_fnv(text: str, expected: int) -> None:
    """The published values of FNV-1a 64."""
    assert values.fnv(text) == expected


def test_hash() -> None:
    text = """
    size n   given word[n], pos[n] : text
    let f[t in n] = hash(64, word[t], word[ t - 1 ], prefix(word[t+2], 1), pos[t-1]&pos[t])
    answer y[n] : bit   param U[bit, 64]
    factor a[t in n] = dot(U[y[t]], f[t])
    factor b[t in n] = sum(f[t])
    """
    data = {"word": ["ab", "c"], "pos": ["P", "Q"], "y": [0, 1]}
    U = [[1.0 + i for i in range(64)], [1000.0 * (i + 1) for i in range(64)]]
    rows = [
        ["word[t]=ab", "word[t-1]=<-1>", "prefix(word[t+2],1)=<", "pos[t-1]&pos[t]=<-1>&P"],
        ["word[t]=c", "word[t-1]=ab", "prefix(word[t+2],1)=<", "pos[t-1]&pos[t]=P&Q"],
    ]
    expected = sum(U[k][values.fnv(name) % 64] for k, row in enumerate(rows) for name in row)
    assert energies(text, data, {"U": U}) == [expected, 8]
    # two features that fall together count twice
    head = "size n given word[n] : text param u "
    assert energy("u * sum(hash(1, word[0], word[1]) ^ 2)", head, {"word": ["a", "b"]}, u=3) == 12


def test_boundaries_tell_side_and_distance() -> None:
    text = """
    size n domain F given word[n] : text given k : int
    let f = features(F, word[-2], word[n + 1], word[k] & lower(word[0]))
    """
    found = slow.Slow(text).learn([{"word": ["A", "b"], "k": 2}]).vocabularies
    assert found["F"] == ("word[-2]=<-2>", "word[k]&lower(word[0])=<+1>&a", "word[n+1]=<+2>")


def test_boundaries_of_what_is_read_in_features() -> None:
    """Ragged rows, labels and lets are padded; an index that is read for a place is not."""
    text = """
    size n, c[n]   domain T   domain F   given w[n, c] : text   given tag[n] : T
    given at[n] : int   let low[t in n] = lower(w[t, 0])
    let f = features(F, w[1, 1], w[0, 2], w[5, 0], tag[-1], low[2])
    factor z = 0
    """
    data = {"w": [["A", "b"], ["C"]], "tag": ["x", "y"], "at": [3, 4]}
    found = slow.Slow(text).learn([data]).vocabularies["F"]
    assert found == ("low[2]=<+1>", "tag[-1]=<-1>", "w[0,2]=<+1>", "w[1,1]=<+1>", "w[5,0]=<+4>")
    with pytest.raises(slow.Outside):
        slow.Slow(text + "let g = features(F, w[at[2], 0])").learn([data])


def test_features() -> None:
    text = """
    domain F   domain T   size n   given word[n] : text   answer y[n] : T
    let f[t in n] = features(F, word[t], word[t-1], min = 2)
    param W[T, F]
    factor a[t in n] = sum(W[y[t]] * f[t]) + 100 * sum(f[t])
    """
    rows = [(["u", "v"], ["B", None]), (["v"], ["A"]), (["w"], ["_"])]
    data = [{"word": word, "y": y} for word, y in rows]
    found = slow.Slow(text).learn(data)
    # word[t]=v twice, word[t-1]=<-1> three times, word[t]=u, word[t]=w and word[t-1]=u once
    assert found.vocabularies == {"F": ("word[t-1]=<-1>", "word[t]=v"), "T": ("A", "B")}
    world = found.instance({"word": ["v", "v"], "y": ["A", "B"]}, {"W": [[1, 2], [10, 20]]})
    assert world.energy(world.data) == (1 + 2) + 200 + 20 + 100


# -- sequences


def path_text(label: str) -> str:
    return f"""
    domain D = 1..3   domain L = {{a, b}}   size k, last, v
    given arc[k] : (src: int, dst: int, w: real)   given lexicon[v] : text
    answer s : path(arc, 0, last{label})
    """


ARCS = {"arc": [[0, 1, 0.5], [1, 2, 1.0], [0, 2, 4.0], [1, 2, 8.0]], "last": 2}


def test_paths() -> None:
    text = (
        path_text(", D")
        + """
    param G[D, D], U[D]
    factor read[(e, c) in s] = arc[e].w * U[c]
    factor gram[(e, b), (f, c) in s] = G[b, c] + 10 * f
    hard word : spell(s) in lexicon
    """
    )
    data = ARCS | {"lexicon": ["31", "2"], "s": [[0, 3], [3, 1]]}
    G = [[11, 12, 13], [21, 22, 23], [31, 32, 33]]
    world = slow.Slow(text).instance(data, {"G": G, "U": [1, 10, 100]})
    assert list(world.energies(data).values()) == [50 + 8, 31 + 30, 0]
    assert list(world.energies({"s": [[2, "2"]]}).values()) == [40, 0, 0]
    assert list(world.energies({"s": [[2, 3]]}).values()) == [400, 0, inf]
    assert len(world.states("s")) == 3 + 2 * 9
    for wrong in ([], [[0, 1]], [[1, 1]], [[0, 1], [2, 1]], [[2, 4]], [[2]], [[0, 1], [9, 1]]):
        with pytest.raises(ValueError, match="s cannot be"):
            world.validate({"s": wrong})
    world.validate({"s": [[0, 1], [1, 1]]})


def test_partly_observed_paths() -> None:
    world = slow.Slow(path_text(", L")).instance(ARCS, {})
    assert world.options("s", ["b", "a"]) == [[[0, "b"], [1, "a"]], [[0, "b"], [3, "a"]]]
    assert world.options("s", [["_", "b"]]) == [[[2, "b"]]]
    assert world.options("s", [[2, None]]) == [[[2, "a"]], [[2, "b"]]]
    assert len(world.options("s", None)) == 2 + 2 * 4
    bare = slow.Slow(path_text("") + "factor f[e in s] = arc[e].w factor g[e, f in s] = e + 10 * f")
    world = bare.instance(ARCS, {})
    assert world.states("s") == [[0, 1], [0, 3], [2]]
    assert list(world.energies({"s": [0, 3]}).values()) == [8.5, 30]


def test_segments() -> None:
    text = """
    domain C = {H, E}   size n, D = 2   given x[n] : real   answer z : segments(n, D, C)
    param L[C, D], A[C, C]
    factor body[(i, j, c) in z] = L[c, j - i] * sum(x[t] for t in i..j)
    factor move[(h, i, b), (j, k, c) in z] = A[b, c]
    """
    data = {"x": [1, 2, 4], "z": [[0, 1, "H"], [2, 2, "E"]]}
    weights = {"L": [[1, 10], [100, 1000]], "A": [[1, 2], [3, 4]]}
    world = slow.Slow(text).instance(data, weights)
    world.validate(data)
    assert list(world.energies(data).values()) == [30 + 400, 2]
    # 1+1+1, 1+2 and 2+1 places, two labels a segment
    assert len(world.states("z")) == 8 + 4 + 4
    for wrong in ([[0, 2, "H"]], [[0, 0, "H"], [2, 2, "E"]], [[0, 1, "H"]], [[0, 1], [2, 2]]):
        with pytest.raises(ValueError, match="z cannot be"):
            world.validate({"z": wrong})


# -- domains of the instance, hard factors, files


def test_domains_of_the_instance() -> None:
    text = "size n given x[n] : real answer pick : n answer c[n] : 1..n factor f = x[pick] + sum(c)"
    world = slow.Slow(text).instance({"x": [5, 7], "c": [1, 2]}, {})
    assert [world.energy(c) for c, _ in world.configurations({"c": [1, 2]})] == [8, 10]
    with pytest.raises(ValueError, match="pick"):
        world.validate({"pick": 2, "c": [1, 1]})


def test_hard_factors() -> None:
    text = """
    size n   given clue[n] : 0..3   answer y[n] : 1..3
    hard given_[i in n if clue[i] > 0] : y[i] == clue[i]
    hard all : alldiff(y[i] for i in n)
    """
    assert energies(text, {"clue": [0, 2, 0], "y": [1, 2, 3]}) == [0, 0]
    assert energies(text, {"clue": [3, 2, 0], "y": [1, 2, 2]}) == [inf, inf]


def test_use(tmp_path: Path) -> None:
    inner = tmp_path / "parts"
    inner.mkdir()
    chain = "size n = 2 answer y[n] : bit factor f = w * y[0] infer icm loss nll"
    second = "size n given y[n] : bit answer z : bit param u factor h = u * z + y[0]"
    (inner / "chain.fg").write_text(chain)
    (inner / "top.fg").write_text('use "chain.fg" let a = 2 param w factor g = a * y[1]')
    (tmp_path / "q.fg").write_text(second)
    text = 'loss energy use "parts/top.fg" use "q.fg" as q answer z : bit'
    found = slow.Slow(text, folder=tmp_path, settings={"a": 5})
    assert list(found.factors) == ["f", "g"] and found.loss.name == "energy"
    assert found.infer.name == "icm" and found.shapes() == {"w": (), "q.u": ()}
    world = found.instance({}, {"w": 3, "q.u": 100})
    assert world.energy({"y": [1, 1], "z": 1}) == 8
    assert world.second("q", {"y": [1, 0], "z": 1}) == 101


def test_missing_labels_are_free() -> None:
    text = "size n given x[n] : real answer y[n] : {A, B} latent z : 0..2"
    world = slow.Slow(text).instance({"x": [0, 0, 0]}, {})
    found = [c for c, _ in world.configurations({"y": ["B", None, "_"]})]
    assert len(found) == 2 * 2 * 3 and all(c["y"][0] == "B" for c in found)


# -- the zoo


@cache
def entry(name: str) -> tuple[Any, Any, Any, Any]:
    rng = np.random.default_rng(7)
    data = zoo.make(name, rng)
    text = zoo.text(name, data)
    weights = zoo.weights(name, text, rng)
    worlds = [text.instance(d, weights) for d in data]
    return data, text, weights, [w.energies(d) for w, d in zip(worlds, data, strict=True)]


def test_zoo_is_whole() -> None:
    assert len(zoo.NAMES) == 38 and set(zoo.MAKERS) == set(zoo.NAMES)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_zoo(name: str) -> None:
    data, text, weights, found = entry(name)
    assert json.loads(json.dumps(data)) == data
    assert set(found[0]) == set(text.factors)
    assert any(abs(e) > 1e-6 for each in found for e in each.values()) or name in zoo.HARD
    for k, (instance, each) in enumerate(zip(data, found, strict=True)):
        text.instance(instance, weights).validate(instance)
        wrong = {n for n, e in each.items() if not math.isfinite(e)}
        assert all(text.factors[n].hard and each[n] == inf for n in wrong)
        assert bool(wrong) == zoo.broken(name, k)


@pytest.mark.parametrize("name", [n for n in zoo.NAMES if n not in ("gtn", "gtn_lexicon")])
def test_the_order_of_statements_means_nothing(name: str) -> None:
    data, text, weights, found = entry(name)
    whole = zoo.FOLDER.joinpath(f"{name}.fg").read_text(encoding="utf-8")
    turned = "\n".join(s.span.text for s in reversed(parse(whole).statements))
    other = slow.Slow(turned, text.vocabularies, settings=zoo.settings(name), folder=zoo.FOLDER)
    for instance, each in zip(data, found, strict=True):
        assert other.instance(instance, weights).energies(instance) == each


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def lenet(pix: Any, w: Any) -> Any:
    x = pix[:, :, None]
    for k in (0, 2):
        x = convolve(x, w[f"net.{k}.K"], w[f"net.{k}.b"])
        x = x.reshape(len(x) // 2, 2, -1, 2, x.shape[-1]).max((1, 3))
    hidden = np.maximum(x.ravel() @ w["net.4.0.W"] + w["net.4.0.b"], 0)
    return hidden @ w["net.4.1.W"] + w["net.4.1.b"]


def by_numpy(name: str, d: Any, w: Any, text: Any) -> float:
    """Return a text's energy by a formula in numpy."""
    d = {k: np.array(v) if isinstance(v, list) and k != "s" else v for k, v in d.items()}
    tag = {v: i for words in text.vocabularies.values() for i, v in enumerate(words)}
    match name:
        case "rbm" | "boltzmann":
            v, h = d["v"], d["h"]
            side = h @ np.triu(w["J"], 1) @ h if name == "boltzmann" else 0
            return -w["b"] @ v - w["c"] @ h - v @ w["W"] @ h - side
        case "helmholtz":
            v, h = d["v"], d["h"]
            a = w["b"] + h @ w["W"]
            return (softplus(w["c"]) - w["c"] * h).sum() + (softplus(a) - a * v).sum()
        case "poe":
            x = d["x"]
            return w["alpha"] @ np.log1p((w["W"] @ x) ** 2 / 2) + 0.05 * x @ x
        case "score":
            return w["alpha"] @ np.log(np.cosh(w["W"] @ d["x"]))
        case "psd":
            x, z = d["x"], d["z"]
            code = w["g"] * np.tanh(x @ w["enc.W"] + w["enc.b"])
            fit = ((x - z @ w["D"]) ** 2).sum() / 2
            return fit + 0.2 * abs(z).sum() + ((z - code) ** 2).sum() / 2
        case "foe":
            windows = np.lib.stride_tricks.sliding_window_view(d["x"], (2, 2))
            filtered = np.einsum("ijuv,euv->ije", windows, w["J"])
            return (w["alpha"] * np.log1p(filtered**2 / 2)).sum()
        case "ocr":
            y, x = d["y"], d["x"]
            emit = (w["U"][y] * x).sum() + w["b"][y].sum()
            return -emit - w["A"][y[:-1], y[1:]].sum()
        case "hmm":
            y, z, x = "n ei ie".split().index(d["y"]), d["z"], ["ACGT".index(c) for c in d["x"]]
            p = w["P"][y] * w["I"][y, z[0]] * w["A"][y, z[:-1], z[1:]].prod()
            return -np.log(p * w["B"][y, z, x].prod())
        case "dhmm":
            y, z, x = d["w"], d["z"], d["x"]
            if (np.diff(z) > 1).any() or (np.diff(z) < 0).any() or z[0] or z[-1] != 2:
                return inf
            prec = w["prec"][y, z]
            emit = prec * ((x - w["mu"][y, z]) ** 2).sum(-1) / 2 - 2 / 2 * np.log(prec)
            return emit.sum() + w["scale"] * w["A"][y, z[:-1], z[1:]].sum()
        case "scene":
            y = d["y"]
            pairs = itertools.combinations(range(4), 2)
            look = y @ (w["U"] @ d["x"] + w["b"])
            return -look - sum(w["T"][i, j, y[i], y[j]] for i, j in pairs)
        case "detect":
            at, U, r = d["at"], w["U"], 2
            if not d["there"]:
                return inf if at.any() else 0
            look = sum((U[p] * d["hog"][y : y + r, x : x + r]).sum() for p, (y, x) in enumerate(at))
            dy, dx = (at[1:] - at[0]).T
            tie = w["stiff"][1:] * (dy**2 + dx**2) + w["dy"][1:] * dy + w["dx"][1:] * dx
            return -look + tie.sum() - w["bias"]
        case "gtn":
            read = sum(lenet(d["pix"][e], w)[c] for e, c in d["s"])
            return read + sum(w["G"][b, c] for (_, b), (_, c) in itertools.pairwise(d["s"]))
        case "segment":
            x = d["img"]
            net = convolve(convolve(x, w["net.0.K"], w["net.0.b"], True),
                           w["net.1.K"], w["net.1.b"], True)  # fmt: skip
            s2 = (np.diff(x, axis=1) ** 2).sum(-1).mean()
            h, v = d["y"].shape
            total = np.take_along_axis(net, d["y"][..., None], 2).sum()
            for i, j in itertools.product(range(h), range(v)):
                for k, m in ((i, j + 1), (i + 1, j), (i + 1, j + 1), (i + 1, j - 1)):
                    if k < h and 0 <= m < v and d["y"][i, j] != d["y"][k, m]:
                        gap = ((x[i, j] - x[k, m]) ** 2).sum()
                        total += w["even"] + w["edge"] * np.exp(-gap / (2 * s2))
            return total
        case "superpixels":
            y = [tag[c] for c in d["y"]]
            look = -(d["area"] * (w["U"][y] * d["x"]).sum(-1)).sum()
            return look + sum(
                e["border"] * np.exp(-e["contrast"]) * w["C"][y[e["a"]], y[e["b"]]]
                for e in d["edge"]
                if y[e["a"]] != y[e["b"]]
            )
        case "drlim":
            a, b = (
                np.maximum(x @ w["g.0.W"] + w["g.0.b"], 0) @ w["g.1.W"] for x in (d["a"], d["b"])
            )
            D = np.linalg.norm(a - b)
            return d["same"] * D**2 / 2 + (1 - d["same"]) * max(0, 1 - D) ** 2 / 2
        case "stereo":
            left, right, disparity = d["left"], d["right"], d["d"]
            h, v = disparity.shape
            bands = []
            for im in (left, right):
                sides = [im[:, np.clip(np.arange(v) + k, 0, v - 1)] for k in (-1, 0, 1)]
                bands.append([f([(im + x) // 2 for x in sides], axis=0) for f in (np.min, np.max)])
            total = 0.0
            for i, j in itertools.product(range(h), range(v)):
                q = j - disparity[i, j]
                a, b = left[i, j], right[i, q]
                (low_a, high_a), (low_b, high_b) = ([x[i, k] for x in band] for band, k in
                                                    zip(bands, (j, q), strict=True))  # fmt: skip
                one = np.maximum(0, np.maximum(a - high_b, low_b - a))
                two = np.maximum(0, np.maximum(b - high_a, low_a - b))
                total += np.minimum(one, two).sum() if q >= 0 else 765
                for k, m in ((i, j + 1), (i + 1, j)):
                    if k < h and m < v:
                        steep = ((a - left[k, m]) ** 2).sum() >= 3 * 8**2
                        jump = min(abs(disparity[i, j] - disparity[k, m]), 2)
                        total += w["lambda"] * (1 if steep else w["p"]) * jump
            return total
    raise NotImplementedError(name)


@pytest.mark.parametrize(
    "name",
    "rbm boltzmann helmholtz poe score psd foe ocr hmm dhmm scene detect gtn segment superpixels "
    "drlim stereo".split(),
)
def test_zoo_by_numpy(name: str) -> None:
    data, text, weights, found = entry(name)
    for instance, each in zip(data, found, strict=True):
        expected = by_numpy(name, instance, weights, text)
        assert sum(each.values()) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_zoo_weights_are_legal() -> None:
    _, _, w, _ = entry("hmm")
    for name in ("P", "I", "A", "B"):
        np.testing.assert_allclose(w[name].sum(-1), 1)
    np.testing.assert_allclose(np.linalg.norm(entry("poe")[2]["W"], axis=-1), 1)
    assert (entry("segment")[2]["even"] > 0).all()
    assert set(entry("helmholtz")[2]) == {"W", "b", "c", "q.R", "q.r"}


def test_second_energy_in_the_zoo() -> None:
    data, text, w, _ = entry("helmholtz")
    v, h = np.array(data[0]["v"]), np.array(data[0]["h"])
    u = w["q.r"] + v @ w["q.R"]
    found = text.instance(data[0], w).second("q", data[0])
    assert found == pytest.approx((softplus(u) - u * h).sum())


# -- losses


class Table:
    """All energies of a model of three unknowns in one array, and what is observed of them."""

    def __init__(self, role: str, observed: dict[int, int]) -> None:
        text = f"""
        answer y[2] : 0..2   {role} z : bit
        param U[2, 3], A[3, 3], B[3, bit], c
        factor unary[t in 2] = U[t, y[t]]
        factor pair = A[y[0], y[1]]
        factor link = B[y[1], z] + c * z
        """
        rng = np.random.default_rng(11)
        w = {n: rng.normal(size=s) for n, s in slow.Slow(text).shapes().items()}
        self.observed = observed
        data: dict[str, Any] = {"y": [observed.get(0), observed.get(1)]}
        if 2 in observed:
            data["z"] = observed[2]
        self.losses = slow_losses.Losses(slow.Slow(text).instance(data, w), LIBRARY)
        parts = [w["U"][0][:, None, None], w["U"][1][None, :, None], w["A"][:, :, None],
                 (w["B"] + w["c"] * np.arange(2))[None]]  # fmt: skip
        self.terms = [np.broadcast_to(p, (3, 3, 2)) for p in parts]
        self.E = np.add.reduce(self.terms)
        self.cost = np.zeros((3, 3, 2))
        for axis, value in observed.items():
            self.cost += np.indices((3, 3, 2))[axis] != value
        self.answer = self.cost == 0
        self.any = np.ones((3, 3, 2), bool)

    def agree(self, axes: set[int]) -> Any:
        """Return where the unknowns of some axes have their observed values."""
        found = self.any.copy()
        for axis in axes:
            found &= np.indices((3, 3, 2))[axis] == self.observed[axis]
        return found

    def only(self, axis: int) -> Any:
        return self.agree(set(self.observed) - {axis})

    def free(self, where: Any, beta: float = 1, of: Any = None) -> float:
        values = (self.E if of is None else of)[where]
        return float(
            values.min() if math.isinf(beta) else -np.log(np.exp(-beta * values).sum()) / beta
        )


def sg(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def formulas(t: Table) -> dict[str, float]:
    """Return standard losses, by plain array formulas."""
    E, cost, free, wrong = t.E, t.cost, t.free, ~t.answer
    EA, EY, EW = E[t.answer].min(), E.min(), E[wrong].min()
    augmented = EA - (E - cost).min()
    axes = list(t.observed)
    local = [t.only(v) for v in axes]
    pins = [t.agree({v}) for v in axes]
    return {
        "energy": EA,
        "perceptron": EA - EY,
        "hinge(m = 2)": max(0, 2 + EA - EW),
        "logistic": softplus(EA - EW),
        "lvq2(m = 0.5)": min(0.5, max(0, EA - EW)),
        "mce": sg(EA - EW),
        "mce(2)": sg(free(t.answer, 2) - free(wrong, 2)),
        "square_square(3)": EA**2 + max(0, 3 - EW) ** 2,
        "square_exp(g = 0.5)": EA**2 + 0.5 * np.exp(-EW),
        "nll": free(t.answer) - free(t.any),
        "nll(beta = 0.3)": free(t.answer, 0.3) - free(t.any, 0.3),
        "mee": 1 - np.exp(-E[t.answer]).sum() / np.exp(-E).sum(),
        "likelihood(beta = 2)": free(t.answer, 2),
        "margin": augmented,
        "margin(cost = differs)": EA - (E - (cost > 0)).min(),
        "squared_margin": augmented**2,
        "slack": (cost * (1 + EA - E)).max(),
        "softmax_margin(beta = 2)": free(t.answer, 2) - free(t.any, 2, E - cost),
        "ramp": EY - (E - cost).min(),
        "direct(eps = 0.2)": (EY - (E - 0.2 * cost).min()) / 0.2,
        "unified": augmented,
        "unified(1, 1, c = 0)": free(t.answer) - free(t.any),
        "pseudo": sum(free(t.answer) - free(r) for r in local),
        "pseudo_margin": sum(max(0, 1 + EA - E[r & wrong].min()) for r in local),
        "piecewise(beta = 2)": sum(free(t.answer, 2, f) - free(t.any, 2, f) for f in t.terms),
        "ratio": sum(sg(free(t.answer) - free(r & wrong)) ** 2 for r in local),
        "univariate(beta = 2)": sum(2 * (free(p, 2) - free(t.any, 2)) for p in pins),
        "smooth_hamming": sum(1 - np.exp(-E[p]).sum() / np.exp(-E).sum() for p in pins),
        "0.5 * nll + 0.1 * hinge(m = 2)^2": 0.5 * (free(t.answer) - free(t.any))
        + 0.1 * max(0, 2 + EA - EW) ** 2,
        "E(best) + 10 * E(any)": 11 * EY,
        "pair(any) + link(answer)": t.terms[2].min() + t.terms[3][t.answer].min(),
        "max(hamming(Y) for Y in any)": len(axes),
        "free(only(y)) - free(pin(y[0]))": free(t.agree(set(axes) - {0, 1})) - free(t.agree({0})),
        "softmin(E(Y) + Y.y[0] for Y in wrong(only(y)), beta = 3)": free(
            t.agree(set(axes) - {0, 1}) & wrong, 3, E + np.arange(3)[:, None, None]
        ),
        "sum(Y.y[t] == 2 for Y in any for t in 2)": 12,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("role", "observed"),
    [
        ("answer", {0: 1, 1: 2, 2: 0}),
        ("answer", {0: 2, 2: 1}),
        ("latent", {0: 1, 1: 2}),
        ("latent", {0: 0}),
    ],
)
def test_losses(role: str, observed: dict[int, int]) -> None:
    table = Table(role, observed)
    for formula, expected in formulas(table).items():
        assert table.losses.value(formula) == pytest.approx(expected, rel=1e-9, abs=1e-9), formula


def losses(text: str, data: dict[str, Any], **weights: Any) -> Any:
    return slow_losses.Losses(slow.Slow(text).instance(data, weights), LIBRARY)


def test_losses_beyond_enumeration_are_refused() -> None:
    found = losses("answer y : bit factor f = y", {"y": 1})
    for formula in ("cd", "score", "free(answer, by = meanfield)", "E(jitter(1))"):
        with pytest.raises(NotImplementedError):
            found.value(formula)


def test_empty_regions_cost_infinity() -> None:
    """Without a label nothing is wrong; a hard factor may leave nothing."""
    found = losses("answer y : bit factor f = y", {"y": None})
    assert found.value("E(wrong)") == found.value("free(wrong)") == inf
    assert found.value("hinge") == 0 and found.value("logistic") == 0
    assert found.value("energy") == 0 and found.value("pseudo") == 0
    found = losses("answer y : bit factor f = y hard no : y == 1", {"y": 1})
    assert found.value("nll") == pytest.approx(0) and found.value("E(wrong)") == inf
    assert found.value("slack") == 0
    # no mistakes times an infinite gap is nothing
    found = losses("answer y : bit latent z : bit factor f = -y hard no : z == 1", {"y": 0})
    assert found.value("slack") == 1 + 0 + 1


def test_losses_of_a_text() -> None:
    """A text's own losses and costs; givens and params may be read."""
    text = """
    size n   given importance : real   given area[n] : real   answer y[n] : {A, B, C}   param w
    factor f[t in n] = (if y[t] == "A" then 0 else if y[t] == "B" then 1 else w)
    fun miss(Y) = sum(area[i] * (Y.y[i] != answer.y[i]) for i in n)
    fun hamming(Y) = 1000
    fun skew(Y) = sum((if answer.y[i] == "B" then 3 else 1) * (Y.y[i] != answer.y[i]) for i in n)
    loss half(a = 1) = a * nll / 2
    loss importance * (margin(cost = miss) + half(a = 4)) + w
    """
    data = {"importance": 2.0, "area": [5.0, 0.5], "y": ["B", "C"]}
    found = losses(text, data, w=3.0)
    # from (B, C), of energy 4: least E - cost is A for the first, C or A for the second
    margin = 4 - (-5 + min(3, 0 - 0.5, 1 - 0.5))
    nll = 4 + 2 * math.log(1 + math.exp(-1) + math.exp(-3))
    assert found.value("margin(cost = miss)") == pytest.approx(margin)
    assert found.value() == pytest.approx(2 * (margin + 2 * nll) + 3)
    assert found.value("margin(cost = skew)") == 4 - (-3 + min(3, 0 - 1))
    # the library's default is the library's hamming, not the text's
    assert found.value("margin") == 4 - (-1 + min(3, 0 - 1))
    assert found.value("margin(cost = hamming)") == 4 + 1000
    assert losses(text, data | {"y": ["B", None]}, w=3.0).value("margin(cost = miss)") == 1 + 5


def test_real_answers_on_a_grid() -> None:
    text = """
    given x : real   answer u : real(-1, 1)   answer v : bit   param w
    factor f = (u - x)^2 + v * w
    infer grid(step = 0.5)
    """
    found = losses(text, {"x": 0.7, "u": 0.4, "v": 1}, w=0.1)
    E = {(u, v): (u - 0.7) ** 2 + 0.1 * v for u in (-1, -0.5, 0, 0.5, 1) for v in (0, 1)}
    assert found.value("energy") == pytest.approx(0.09 + 0.1)
    assert found.value("E(any)") == pytest.approx(min(E.values()))
    wrong = [e for (u, v), e in E.items() if v == 0 or abs(u - 0.4) > 0.5]
    assert found.value("free(wrong)") == pytest.approx(-math.log(sum(math.exp(-e) for e in wrong)))
    wrong = [e for (u, v), e in E.items() if v == 0 or abs(u - 0.4) > 1.2]
    assert found.value("E(wrong(eps = 1.2))") == pytest.approx(min(wrong))
    assert found.value("E(wrong(only(u), eps = 1))") == pytest.approx((0.7 + 1) ** 2 + 0.1)
    assert found.value("restore") == pytest.approx(0.01)


def test_losses_over_sequences() -> None:
    text = """
    domain C = {H, E}   size n, D = 2   given x[n] : real   answer z : segments(n, D, C)
    factor f[(i, j, c) in z] = (if c == "H" then sum(x[t] for t in i..j) else 0.5)
    """
    data = {"x": [1.0, -2.0, 3.0], "z": [[0, 0, "E"], [1, 2, "H"]]}
    found = losses(text, data)
    # 0.5 + 1 for the answer, E, H, E at the best: 0.5 - 2 + 0.5
    assert found.value("perceptron") == pytest.approx(1.5 + 1)
    spaces = dict(_segmentations(data["x"]))
    costs = {c: sum(a != b for a, b in zip(_marks(c), "EHH", strict=True)) for c in spaces}
    assert len(spaces) == 16
    least = min(e - costs[c] for c, e in spaces.items())
    assert found.value("margin") == pytest.approx(1.5 - least)
    assert found.value("max(hamming(Y) for Y in any)") == max(costs.values())
    loose = losses(text, data | {"z": [[0, 0, "E"], [1, 2, None]]})
    assert loose.value("energy") == 1.0 and loose.value("max(hamming(Y) for Y in any)") == 1
    arcs = "factor f[(e, c) in s] = arc[e].w * c"
    part = losses(path_text(", D") + arcs, ARCS | {"s": ["2", "1"]})
    assert part.value("energy") == 1 + 1 and part.value("E(any)") == 0.5 + 1
    assert part.value("E(wrong)") == 0.5 + 1 and part.value("margin(cost = differs)") == 2 - 0.5
    assert part.value("nll") == pytest.approx(
        -math.log(math.exp(-2) + math.exp(-9))
        + math.log(
            sum(math.exp(-4 * c) for c in (1, 2, 3))
            + sum(math.exp(-0.5 * a - w * b) for a in (1, 2, 3) for b in (1, 2, 3) for w in (1, 8))
        )
    )


def _segmentations(x: list[float]) -> Any:
    for cuts in ([1, 1, 1], [1, 2], [2, 1]):
        for labels in itertools.product("HE", repeat=len(cuts)):
            ends = list(itertools.accumulate(cuts, initial=0))
            parts = [sum(x[a:b]) for a, b in itertools.pairwise(ends)]
            costs = [p if c == "H" else 0.5 for p, c in zip(parts, labels, strict=True)]
            yield tuple(zip(cuts, labels, strict=True)), sum(costs)


def _marks(cuts: Any) -> str:
    return "".join(c * n for n, c in cuts)


def test_second_energies_in_losses(tmp_path: Path) -> None:
    second = "given y[2] : bit answer z : bit factor h = 2 * z - y[0]"
    (tmp_path / "q.fg").write_text(second)
    text = 'use "q.fg" as q answer y[2] : bit latent z : bit factor f = y[0] + 2 * y[1] + 4 * z'
    world = slow.Slow(text, folder=tmp_path).instance({"y": [1, 0]}, {})
    found = slow_losses.Losses(world, LIBRARY)
    assert found.value("q(answer)") == -1 and found.value("sum(q(Y) for Y in answer)") == 0
    assert found.value("max(E(Y) - q(Y) for Y in any)") == 3 + 4 - 1


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("rbm", "nll"), ("boltzmann", "free(answer) - free(any)"), ("class_rbm", "disc"),
        ("weights", ""), ("scene", ""), ("triplet", ""), ("splice", ""), ("drlim", ""),
        ("square_a", ""), ("square_b", ""), ("hmm", ""), ("recognise", "nll"),
        ("semimarkov", "perceptron"), ("superpixels", ""), ("segment", ""),
    ],
)  # fmt: skip
def test_losses_of_the_zoo(name: str, formula: str) -> None:
    data, text, weights, _ = entry(name)
    small = min(data, key=lambda d: len(json.dumps(d)))
    world = text.instance(small, weights)
    assert math.isfinite(slow_losses.Losses(world, LIBRARY).value(formula or None))
