"""Small random data for each text of tests/language, with a value for every unknown.

The data are as they would stand in a jsonl file, an object an instance. They are valid: paths go
along arcs, segments cover, sudokus are solved; where a text has hard factors, some instances
break them, as `broken` says.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))

from slow import Instance, Slow
from slow_cases import ints, reals, words

from factorgraph.syntax import tree as t

FOLDER = Path(__file__).with_name("language")
NAMES = sorted(p.stem for p in FOLDER.glob("*.fg") if p.stem != "losses")
"""The texts that are models."""

SETTINGS: dict[str, dict[str, float]] = {
    "boltzmann": {"m": 4, "k": 3},
    "class_rbm": {"m": 5, "k": 3},
    "detect": {"f": 3, "P": 3, "r": 2},
    "dhmm": {"S": 3, "d": 2},
    "drlim": {"p": 6},
    "foe": {"k": 3, "r": 2},
    "foe_denoise": {"k": 3, "r": 2},
    "helmholtz": {"m": 4, "k": 3},
    "hmm": {"S": 3},
    "ocr": {"p": 8},
    "ocr_quadratic": {"p": 5},
    "poe": {"m": 5, "k": 4},
    "psd": {"m": 5, "k": 4},
    "rbm": {"m": 5, "k": 3},
    "recognise": {"m": 4, "k": 3},
    "sbn": {"m": 4, "k": 3},
    "scene": {"f": 6, "L": 4},
    "score": {"m": 5, "k": 4},
    "semimarkov": {"D": 4},
    "sparse_coding": {"m": 5, "k": 4},
    "splice": {"n": 8},
    "stereo": {"K": 4},
    "superpixels": {"f": 4},
    "triplet": {"p": 6},
}
HARD = ("chunker", "coloring", "detect", "dhmm", "gtn_lexicon", "ldpc", "sudoku")
"""The texts with hard factors."""


def settings(name: str) -> dict[str, float]:
    """Return smaller values of a text's sizes, as for `--set`."""
    return dict(SETTINGS.get(name, {}))


def broken(name: str, k: int) -> bool:
    """Return whether instance ``k`` of a text with hard factors breaks one of them."""
    return name in HARD and k % 3 == 1


def make(name: str, rng: np.random.Generator, count: int = 3) -> list[Instance]:
    """Return random instances: givens, answers and latents.

    Parameters
    ----------
    name : of a text in `NAMES`.
    """
    return [MAKERS[name](rng, k, _Sizes(SETTINGS.get(name, {}))) for k in range(count)]


def text(name: str, data: list[Instance]) -> Slow:
    """Return a text with its smaller sizes, and the labels and features of data."""
    return Slow.load(FOLDER / f"{name}.fg", settings=settings(name)).learn(data)


def weights(name: str, slow: Slow, rng: np.random.Generator) -> dict[str, Any]:
    """Return random weights, arrays by name, that are legal for their types."""
    found = {}
    for key, shape in slow.shapes().items():
        alias, _, rest = key.partition(".")
        owner, own = (slow.seconds[alias], rest) if alias in slow.seconds else (slow, key)
        found[key] = _weight(owner, own, shape, rng)
    return found


def _weight(slow: Slow, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Any:
    node = slow.params.get(name)
    if node is None:  # of a layer
        return rng.normal(size=shape) / np.sqrt(max(1, np.prod(shape[:-1])))
    match node.type:
        case None:
            return rng.normal(size=shape) * 0.7
        case t.NamedType(name="positive"):
            return np.exp(0.4 * rng.normal(size=shape))
        case t.NamedType(name="unit"):
            drawn = rng.normal(size=shape)
            return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
        case t.NamedType(name="simplex"):
            return rng.dirichlet(np.full(shape[-1], 2.0), size=shape[:-1])
        case t.CallType(call=t.Call(arguments=(low, high))):
            ends = [a.value.value for a in (low, high)]  # type: ignore[attr-defined]
            return rng.uniform(*ends, size=shape)
    raise NotImplementedError(name)


class _Sizes:
    """The smaller sizes of a text as attributes."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values

    def __getattr__(self, name: str) -> int:
        return int(self.values[name])


Maker = Callable[[np.random.Generator, int, _Sizes], Instance]
MAKERS: dict[str, Maker] = {}


def maker(*names: str) -> Callable[[Maker], Maker]:
    """Register a function that makes instance ``k`` of some texts."""

    def register(function: Maker) -> Maker:
        MAKERS.update(dict.fromkeys(names, function))
        return function

    return register


# -- binary units


@maker("boltzmann", "helmholtz", "rbm", "recognise", "sbn")
def _units(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"v": ints(rng, 0, 1, s.m), "h": ints(rng, 0, 1, s.k)}


@maker("class_rbm")
def _class_rbm(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return _units(rng, k, s) | {"y": int(rng.integers(10))}


# -- sentences and other chains


@maker("chunker")
def _chunker(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (5, 4, 1)[k % 3]
    word = words(rng, ["The", "cat", "sat", "on", "Über-7", "it"], n)
    y: list[str] = []
    for _ in range(n):
        legal = ["O", "B-NP", "B-VP"]
        if y and y[-1] != "O":
            legal.append("I-" + y[-1][2:])
        y.append(legal[rng.integers(len(legal))])
    if broken("chunker", k):
        y[:2] = ["B-NP", "I-VP"]
    return {"word": word, "pos": words(rng, ["DT", "NN", "VB"], n), "y": y}


@maker("tagger")
def _tagger(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (4, 6, 1)[k % 3]
    word = words(rng, ["Anna", "sees", "a", "B-52", "x"], n)
    return {"word": word, "y": words(rng, ["N", "V", "D"], n), "z": ints(rng, 0, 3, n)}


@maker("ocr", "ocr_quadratic")
def _ocr(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (3, 5, 1)[k % 3]
    return {"x": reals(rng, n, s.p), "y": ints(rng, 0, 25, n)}


@maker("dhmm")
def _dhmm(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = s.S + k % 3
    steps = set(rng.choice(n - 1, s.S - 1, replace=False) + 1)
    z = list(itertools.accumulate(int(i in steps) for i in range(n)))
    if broken("dhmm", k):
        z[-1] = 0
    return {"x": reals(rng, n, s.d), "w": int(rng.integers(10)), "z": z}


@maker("hmm")
def _hmm(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (5, 2, 1)[k % 3]
    y = words(rng, ["n", "ei", "ie"], 1)[0]
    return {"x": words(rng, list("ACGT"), n), "y": y, "z": ints(rng, 0, s.S - 1, n)}


@maker("splice")
def _splice(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": words(rng, list("ACGT"), s.n), "y": words(rng, ["n", "ei", "ie"], 1)[0]}


@maker("protein")
def _protein(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (9, 4, 1)[k % 3]
    aa = words(rng, list("ADEFG"), n)
    return {"aa": aa, "mask": ints(rng, 0, 1, n), "y": words(rng, list("CEH"), n)}


@maker("semimarkov")
def _semimarkov(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (9, 5, 1)[k % 3]
    z: list[list[Any]] = []
    first = 0
    while first < n:
        last = min(n - 1, first + int(rng.integers(s.D)))
        z.append([first, last, words(rng, list("CEH"), 1)[0]])
        first = last + 1
    return {"aa": words(rng, list("ADEFG"), n), "z": z}


@maker("weights")
def _weights(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (3, 4, 1)[k % 3]
    letter = [ints(rng, 0, 255, int(rng.integers(0, 4))) for _ in range(n)]
    y = words(rng, ["N", "V"], n)
    return {"letter": letter, "importance": float(rng.uniform(0.5, 2)), "y": y}


# -- lattices


@maker("gtn")
def _gtn(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    last = 2 + k % 2
    arc = [[i, i + 1] for i in range(last)] + [[i, i + 2] for i in range(last - 1)]
    pix = rng.uniform(size=(len(arc), 28, 28)).round(2).tolist()
    path, node = [], 0
    while node != last:
        onwards = [e for e, (src, _) in enumerate(arc) if src == node]
        e = onwards[rng.integers(len(onwards))]
        path.append([e, int(rng.integers(10))])
        node = arc[e][1]
    return {"last": last, "arc": arc, "pix": pix, "s": path}


@maker("gtn_lexicon")
def _gtn_lexicon(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    found = _gtn(rng, k, s)
    spelled = "".join(str(c) for _, c in found["s"])
    lexicon = ["77777", spelled, "1234"]
    if broken("gtn_lexicon", k):
        lexicon[1] = spelled + "0"
    return found | {"lexicon": lexicon}


# -- pictures


@maker("denoise")
def _denoise(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    h, w = (3, 2, 1)[k % 3], (4, 1, 3)[k % 3]
    return {"img": (10 * rng.normal(size=(h, w)) + 90).round(1).tolist(),
            "x": ints(rng, 70, 110, h, w)}  # fmt: skip


@maker("house")
def _house(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    found = _denoise(rng, k, s)
    return found | {"ok": [ints(rng, 0, 1, len(row)) for row in found["img"]]}


@maker("segment")
def _segment(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    h, w = (3, 4, 2)[k % 3], (4, 2, 3)[k % 3]
    return {"img": reals(rng, h, w, 3), "y": ints(rng, 0, 1, h, w)}


@maker("stereo")
def _stereo(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    h, w = (3, 2, 1)[k % 3], (5, 3, 4)[k % 3]
    near = rng.integers(0, 30, (2, h, w, 3)) + rng.integers(0, 200, 3)
    return {"left": near[0].tolist(), "right": near[1].tolist(),
            "d": ints(rng, 0, s.K - 1, h, w)}  # fmt: skip


@maker("detect")
def _detect(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    h, w = 4 + k % 2, 5
    there = int(k % 3 == 0)
    at = [[int(rng.integers(h - s.r + 1)), int(rng.integers(w - s.r + 1))] for _ in range(s.P)]
    if not there:
        at = [[0, int(broken("detect", k))] for _ in at]
    return {"hog": reals(rng, h, w, s.f), "there": there, "at": at}


@maker("foe")
def _foe(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": reals(rng, 3 + k % 2, 4)}


@maker("foe_denoise")
def _foe_denoise(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": reals(rng, 3 + k % 2, 4), "noisy": reals(rng, 3 + k % 2, 4)}


@maker("poe", "score")
def _patch(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": reals(rng, s.m)}


@maker("sparse_coding", "psd")
def _code(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": reals(rng, s.m), "z": reals(rng, s.k)}


# -- one answer, pairs and triplets


@maker("drlim")
def _drlim(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    a = rng.normal(size=s.p)
    b = a + 0.2 * rng.normal(size=s.p)
    return {"a": a.round(3).tolist(), "b": b.round(3).tolist(), "same": k % 2}


@maker("triplet")
def _triplet(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = 2 + k % 3
    return {"a": reals(rng, s.p), "c": reals(rng, n, s.p), "pick": int(rng.integers(n))}


@maker("scene")
def _scene(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    return {"x": reals(rng, s.f), "y": ints(rng, 0, 1, s.L)}


@maker("square_a", "square_b")
def _square(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    x = float(rng.uniform(-1, 1).__round__(2))
    return {"x": x, "y": round(x * x, 4)}


# -- graphs and codes


def _graph(rng: np.random.Generator, n: int) -> list[list[int]]:
    pairs = list(itertools.combinations(range(n), 2))
    return [list(p) for p in pairs if rng.random() < 0.5]


@maker("coloring")
def _coloring(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    edge: list[list[int]] = []
    while not edge:
        edge = _graph(rng, 4 + k % 2)
    c = rng.permutation(4).tolist() + [0] * (k % 2)
    edge = [e for e in edge if c[e[0]] != c[e[1]]]
    if broken("coloring", k):
        c[edge[0][1]] = c[edge[0][0]]
    return {"edge": edge, "c": c}


@maker("superpixels")
def _superpixels(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    n = (4, 3, 1)[k % 3]
    edge = [{"a": a, "b": b, "border": round(float(rng.uniform(1, 5)), 2),
             "contrast": round(float(rng.uniform()), 2)} for a, b in _graph(rng, n)]  # fmt: skip
    y = words(rng, ["sky", "cow", "grass"], n)
    return {"x": reals(rng, n, s.f), "edge": edge, "area": rng.uniform(1, 9, n).round(1).tolist(),
            "y": y}  # fmt: skip


@maker("ldpc")
def _ldpc(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    H = np.array([[1, 1, 0, 1, 0, 0], [0, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]])
    words_ = [x for x in itertools.product((0, 1), repeat=6) if not (H @ x % 2).any()]
    x = list(words_[rng.integers(len(words_))])
    if broken("ldpc", k):
        x[3] = 1 - x[3]
    return {"H": H.tolist(), "llr": reals(rng, 6), "x": x}


@maker("sudoku")
def _sudoku(rng: np.random.Generator, k: int, s: _Sizes) -> Instance:
    digit = (rng.permutation(9) + 1).tolist()
    x = [[digit[(3 * (i % 3) + i // 3 + j) % 9] for j in range(9)] for i in range(9)]
    clue = [[v if rng.random() < 0.4 else 0 for v in row] for row in x]
    if broken("sudoku", k):
        x[0][0], x[0][1] = x[0][1], x[0][0]
    return {"clue": clue, "x": x}
