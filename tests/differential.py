"""Random small models with data: well-formed texts that combine what the language has.

`model` draws a text; `instance` draws data for it. What a text reads is declared in `DECLARED`;
only that is written. Expressions keep to their index sets, but for a few that may leave them:
then both evaluators must refuse.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Data = dict[str, Any]
Make = Callable[[random.Random, Data], Any]

TAGS = ("A", "B-x", "I-x", "O")
TEXTS = ("The", "cat", "Über-7", "", "B-52", "dog's", "A", "x y")


@dataclass(frozen=True)
class Declared:
    """A declaration: its line, what it needs, and its data.

    Attributes
    ----------
    make : draws a given of an instance; None for what has no data of its own.
    sizes : fields of the instance that are sizes, for the maker only.
    """

    line: str
    make: Make | None = None


def _real(r: random.Random) -> float:
    return round(r.gauss(0, 1), 3)


def _ragged(item: Callable[[random.Random, Data], Any]) -> Make:
    return lambda r, d: [[item(r, d) for _ in range(c)] for c in d["c"]]


def _flat(item: Callable[[random.Random, Data], Any], *sizes: str | int) -> Make:
    def make(r: random.Random, d: Data) -> Any:
        def nest(rest: tuple[str | int, ...]) -> Any:
            if not rest:
                return item(r, d)
            first = rest[0]
            count = d[first] if isinstance(first, str) else first
            return [nest(rest[1:]) for _ in range(count)]

        return nest(sizes)

    return make


def _tag(r: random.Random, d: Data) -> str:
    return r.choice(TAGS)


def _text(r: random.Random, d: Data) -> str:
    return r.choice(TEXTS)


def _edge(r: random.Random, d: Data) -> list[Any]:
    n = d["n"]
    return [r.randrange(n), r.randrange(n), _real(r), _tag(r, d), _text(r, d), r.randint(-3, 4)]


def _edges(r: random.Random, d: Data) -> list[Any]:
    return [_edge(r, d) for _ in range(d["m"] if d["n"] else 0)]


def _pairs(r: random.Random, d: Data) -> list[Any]:
    n = d["n"]
    found = [[a, b] for a in range(n) for b in range(a + 1, n) if r.random() < 0.5]
    r.shuffle(found)
    return found[:3]


OBJECTS = [False]


def _row(r: random.Random, d: Data) -> Any:
    values = [r.randrange(3), _real(r), _tag(r, d), _text(r, d)]
    return dict(zip(("a", "v", "l", "t"), values, strict=True)) if OBJECTS[0] else values


def _arcs(r: random.Random, d: Data) -> list[Any]:
    last = d["last"]
    arcs = [[i, i + 1, _real(r)] for i in range(last)] + [
        [i, i + 2, _real(r)] for i in range(last - 1)
    ]
    r.shuffle(arcs)
    return arcs


def _int(low: int, high: int) -> Callable[[random.Random, Data], int]:
    return lambda r, d: r.randint(low, high)


def _num(r: random.Random, d: Data) -> float:
    return _real(r)


DECLARED: dict[str, Declared] = {
    "Tag": Declared('domain Tag = {A, "B-x", "I-x", O}'),
    "Lev": Declared("domain Lev = -2..3"),
    "Wd": Declared("domain Wd"),
    "Feat": Declared("domain Feat"),
    "n": Declared("size n"),
    "m": Declared("size m"),
    "c": Declared("size c[n]"),
    "e2": Declared("size e2"),
    "ea": Declared("size ea"),
    "last": Declared("size last"),
    "k": Declared("size k = 3"),
    "p": Declared("size p = 2"),
    "x": Declared("given x[n] : real", _flat(_num, "n")),
    "g": Declared("given g[n, k] : real", _flat(_num, "n", 3)),
    "kk": Declared("given kk[n] : int", _flat(_int(-3, 4), "n")),
    "b": Declared("given b[n] : bit", _flat(_int(0, 1), "n")),
    "s": Declared("given s[n] : Tag", _flat(_tag, "n")),
    "w": Declared("given w[n] : text", _flat(_text, "n")),
    "wm": Declared("given wm[m, n] : text", _flat(_text, "m", "n")),
    "lv": Declared("given lv[n] : Lev", _flat(_int(-2, 3), "n")),
    "u": Declared("given u[m] : real", _flat(_num, "m")),
    "gl": Declared("given gl[Lev, Tag] : real", _flat(_num, 6, 4)),
    "wd": Declared("given wd[n] : Wd", _flat(_text, "n")),
    "r": Declared("given r[n, c] : int", _ragged(_int(-3, 4))),
    "rt": Declared("given rt[n, c] : text", _ragged(_text)),
    "rl": Declared("given rl[n, c] : Tag", _ragged(_tag)),
    "rr": Declared("given rr[n, c] : (a: 0..2, v: real, l: Tag, t: text)", _ragged(_row)),
    "r3": Declared("given r3[n, c, k] : real", _ragged(lambda r, d: [_real(r) for _ in range(3)])),
    "r4": Declared(
        "given r4[n, c, p] : real",
        _ragged(lambda r, d: [_real(r) for _ in range(2)]),
    ),
    "one": Declared("given one : (a: 0..2, v: real, l: Tag, t: text)", _row),
    "rec": Declared("given rec[n, p] : (a: 0..2, v: real, l: Tag, t: text)", _flat(_row, "n", 2)),
    "lone": Declared("given lone : real", _num),
    "lint": Declared("given lint : int", _int(-3, 4)),
    "ltag": Declared("given ltag : Tag", _tag),
    "edge": Declared(
        "size me given edge[me] : (a: n, b: n, v: real, l: Tag, t: text, j: int)", _edges
    ),
    "pair": Declared("given pair[e2] : (a: n, b: n)", _pairs),
    "pick": Declared("size pn given pick[pn] : n", lambda r, d: [r.randrange(d["n"]) for _ in range(2 if d["n"] else 0)]),
    "H": Declared("given H[m, n] : bit", _flat(_int(0, 1), "m", "n")),
    "lex": Declared("size ml given lex[ml] : text", lambda r, d: [_text(r, d) for _ in range(2)] + ["AA", "AO"]),
    "pic": Declared("given pic[4, 4] : real", _flat(_num, 4, 4)),
    "arc": Declared("given arc[ea] : (src: int, dst: int, v: real)", _arcs),
    "y": Declared("answer y[n] : Lev"),
    "z": Declared("answer z[n] : Tag"),
    "a": Declared("answer a[n] : bit"),
    "q": Declared("answer q[n, c] : 0..2"),
    "ql": Declared("answer ql[n, c] : Tag"),
    "at": Declared("answer at[n] : (i: 0..m, l: Tag, j: -1..1)"),
    "at2": Declared("answer at2[p, k] : (i: k, j: Lev)"),
    "atc": Declared("answer atc[n, c] : (i: p, l: Tag)"),
    "d": Declared("answer d[n] : m"),
    "e": Declared("answer e : -1..n"),
    "sz": Declared("answer sz : k"),
    "vw": Declared("answer vw : Wd"),
    "xr": Declared("answer xr[n] : real"),
    "xb": Declared("answer xb[k, p] : real(-1, 1)"),
    "xc": Declared("answer xc[n, c] : real"),
    "h": Declared("latent h : bit"),
    "hh": Declared("latent hh[k] : 1..2"),
    "pb": Declared("answer pb[4, 4] : bit"),
    "sq": Declared("answer sq : path(arc, 0, last, Tag)"),
    "sp": Declared("answer sp : path(arc, 0, last)"),
    "sg": Declared("answer sg : segments(n, 2, Tag)"),
    "sn": Declared("answer sn : segments(n, 2)"),
    "sl": Declared("answer sl : segments(n, k, Lev)"),
    "W": Declared("param W[k]"),
    "V": Declared("param V[Lev, Tag]"),
    "P": Declared("param P"),
    "Q": Declared("param Q : positive"),
    "U": Declared("param U[Tag, 5]"),
    "F": Declared("param F[Tag, Feat]"),
    "G": Declared("param G[Feat]"),
    "T": Declared("param T[Wd]"),
    "M": Declared("param M[k, p]"),
    "M3": Declared("param M3[p, k, Lev] : real(-2, 2)"),
    "lin": Declared("map lin = linear(k, p)"),
    "mp": Declared("map mp = mlp(k, 4, Tag, act = tanh)"),
    "sc": Declared("map sc = mlp(1, 3, 1)"),
    "ch": Declared("map ch = chain(conv(1, 2, 2, pad = same, act = relu), pool(2), mlp(8, 3, k))"),
    "cv": Declared("map cv = conv(1, 2, 3)"),
    "sm": Declared("map sm = linear(1, Lev)"),
    # lets
    "lx": Declared("let lx[i in n] = x[i] * 2 - kk[i]"),
    "ly": Declared("let ly[i in n] = y[i] + W[kk[i] % 3]"),
    "lgd": Declared("let lgd[i in n, j in i..n-1 if x[i] > 0] = x[i] - x[j] + i"),
    "lyg": Declared("let lyg[i in n, j in n if i < j] = y[i] * x[j] - a[j]"),
    "lrel": Declared("let lrel[(i, j) in pair] = x[i] * (y[j] + 1) + i"),
    "lrg": Declared("let lrg[(i, j) in pair] = x[i] + j"),
    "ltg": Declared("let ltg[t in Tag, i in n] = if t == s[i] then x[i] else 1"),
    "llev": Declared("let llev[l in Lev] = l * 2 + W[abs(l) % 3]"),
    "llist": Declared("let llist[(i, j) in {(0, 1), (1, 0), (2, 2)}] = W[i] - 2 * j"),
    "lset": Declared("let lset[d in {1, 3}] = d * P"),
    "lneg": Declared("let lneg[d in -1..2, i in n] = d * 10 + kk[i]"),
    "lc": Declared("let lc[i in n, j in c[i]] = r[i, j] + j"),
    "lcq": Declared("let lcq[i in n, j in c[i]] = q[i, j] * r[i, j]"),
    "ltx": Declared("let ltx[i in n] = lower(w[i]) & shape(w[i])"),
    "lhash": Declared("let lhash[i in n] = hash(5, w[i], w[i-1], s[i] & kk[i])"),
    "lfeat": Declared("let lfeat[i in n] = features(Feat, w[i], w[i+1], lower(w[i]) & i)"),
    "lrow": Declared("let lrow[i in n] = g[i] * 2 + W"),
    "lwhole": Declared("let lwhole = sum(x) + count(b[i] for i in n)"),
    "larr": Declared("let larr = g * 2"),
    "lpat": Declared("let lpat = pb[1..2, 0..3]"),
    "lwd": Declared("let lwd[i in n] = wd[i]"),
    "llab": Declared('let llab[i in n] = if b[i] then s[i] else "O"'),
    "K": Declared("let K = 2"),
    # funs
    "mix": Declared("fun mix(u_, v_, c_ = 0.5) = u_ * c_ + v_ * (1 - c_)"),
    "at0": Declared("fun at0(r_, i_ = 0) = r_[i_]"),
    "tot": Declared("fun tot(r_) = sum(r_) - max(r_)"),
    "cap": Declared("fun cap(t) = sum(t * i for i in 2) + t"),
    "lab": Declared('fun lab(l_, no = 1) = if l_ == "O" then no else 2'),
    "red": Declared("fun red(i) = sum(x[j] * i for j in n if j < i)"),
}  # fmt: skip


def closure(text: str) -> list[str]:
    """Return what a text needs of `DECLARED`, in its order."""
    needed: set[str] = set()
    todo = [text]
    while todo:
        for name in re.findall(r"[A-Za-z_]\w*", re.sub(r'"[^"]*"', "", todo.pop())):
            if name in DECLARED and name not in needed:
                needed.add(name)
                todo.append(DECLARED[name].line)
    return [n for n in DECLARED if n in needed]


@dataclass
class Writer:
    """Writes random expressions.

    Attributes
    ----------
    loops : names of indices by what they run over: "n", "m", "k", "c:t" (items of row t) …
    tables : whether only what becomes a table is wanted: no reals, no sequences, few unknowns.
    """

    r: random.Random
    tables: bool = False
    loops: list[tuple[str, str]] = field(default_factory=list)
    made: int = 0
    inside: int = 0
    padding: int = 0
    least: str = ""
    risky: float = 0.0

    def pick(self, *choices: Any) -> Any:
        return self.r.choice(choices)

    @contextmanager
    def over(self, *loops: tuple[str, str]) -> Iterator[None]:
        before = list(self.loops)
        self.loops += loops
        yield
        self.loops = before

    def fresh(self) -> str:
        self.made += 1
        return f"i{self.made}"

    def of(self, kind: str) -> list[str]:
        return [n for n, k in self.loops if k == kind]

    # -- indices

    def index(self, kind: str) -> str | None:
        """Return an index of a set that the loops around allow."""
        found = self.of(kind)
        if kind == "k":
            found += ["0", "2", "1"]
            found += [f"(kk[{t}] % 3)" for t in self.of("n")]
            if not self.tables:
                found += ["sz"]
        if kind == "p":
            found += ["0", "1"]
            found += [f"b[{t}]" for t in self.of("n")] + [f"a[{t}]" for t in self.of("n")]
        if kind == "n" and found and self.r.random() < self.risky:
            return f"({found[0]} + {self.pick(1, -1, 2)})"
        if kind == "m" and not found:
            found = [f"d[{t}]" for t in self.of("n")]
        return self.pick(*found) if found else None

    def item(self) -> tuple[str, str] | None:
        """Return a row and an item of it."""
        found = [(k[2:], n) for n, k in self.loops if k.startswith("c:")]
        return self.pick(*found) if found else None

    # -- numbers

    def leaf(self) -> str:
        t, it, m = self.index("n"), self.item(), self.index("m")
        k, p = self.index("k"), self.index("p")
        found = ["1", "2", "0.5", "-1", "K", "P", "n", f"W[{k}]", f"M[{k}, {p}]", "lone", "lint",
                 "one.v", "one.a", f"V[{self.level()}, {self.label()}]", "lwhole",
                 f"M3[{p}, {k}, {self.level()}]", f"gl[{self.level()}, {self.label()}]",
                 f"llev[{self.level()}]", "llist[1, 0]", "lset[3]", self.level(), "h", f"hh[{self.pick(*self.of('k'), 0, 2)}]"]  # fmt: skip
        if t is not None:
            found += [f"x[{t}]", f"g[{t}, {k}]", f"kk[{t}]", f"b[{t}]", f"y[{t}]", f"a[{t}]", t,
                      f"lx[{t}]", f"ly[{t}]", f"ltg[{self.label()}, {t}]", f"lneg[-1, {t}]",
                      f"lneg[a[{t}], {t}]", f"at0(g[{t}], {k})", f"c[{t}]",
                      f"rec[{t}, {p}].v", f"rec[{t}, {p}].a", f"red({t})", f"lneg[1][{t}]",
                      f"T[wd[{t}]]", f"x[{t}]", f"y[{t}]", f"a[{t}]", f"lrow[{t}][{k}]",
                      f"larr[{t}, {k}]", f"lx[{t}]", f"lrow[{t}, {k}]"]  # fmt: skip
            found += [f"at[{t}].i", f"at[{t}].j", f"d[{t}]"]
            if not self.tables:
                found += [f"xr[{t}]", f"(xr[{t}] - x[{t}])"]
        if it is not None:
            i, j = it
            found += [f"r[{i}, {j}]", f"q[{i}, {j}]", f"rr[{i}, {j}].v", f"rr[{i}, {j}].a", j,
                      f"r3[{i}, {j}, {k}]", f"r4[{i}, {j}, {p}]", f"lc[{i}, {j}]",
                      f"lcq[{i}, {j}]", f"atc[{i}, {j}].i", f"q[{i}, {j}]", f"r4[{i}][{j}, {p}]",
                      f"r3[{i}][{j}, {k}]", f"r3[{i}, {j}][{k}]", f"r[{i}][{j}]"]  # fmt: skip
            if not self.tables:
                found += [f"xc[{i}, {j}]"]
        if m is not None:
            found += [f"u[{m}]", m]
            if t is not None:
                found += [f"H[{m}, {t}]"]
        found += [n for n, kind in self.loops if kind in ("k", "p", "int", "real", "Lev")]
        found += ["e", "sz", f"at2[{self.pick(0, 1)}, {self.pick(0, 2)}].j", "at2[1, 1].i", "T[vw]"]
        if not self.tables:
            found += [f"xb[{self.pick(0, 1)}, {self.pick(0, 1)}]", f"lin(W)[{p}]", f"mp(W * 2)[{self.label()}]", "sc(lone)",
                      f"ch(pic)[{k}]", f"sm(lone)[{self.level()}]"]  # fmt: skip
            if t is not None:
                found += [f"lin(g[{t}])[{p}]", f"mp(g[{t}])[{self.label()}]", f"sc(xr[{t}])",
                          f"mp(g[{t}])[z[{t}]]", f"sm(x[{t}])[y[{t}]]", f"sc(x[{t}])"]  # fmt: skip
        return str(self.pick(*found))

    def level(self) -> str:
        """Return a number of -2..3."""
        t = self.index("n")
        found = ["-1", "3", "0", *self.of("Lev")]
        if t is not None:
            found += [f"y[{t}]", f"lv[{t}]", f"y[{t}]", f"min(max(kk[{t}], -2), 3)"]
        return str(self.pick(*found))

    def label(self, depth: int = 0) -> str:
        """Return a label of Tag."""
        t, it = self.index("n"), self.item()
        found = ["ltag", "one.l", *self.of("Tag")]
        if t is not None:
            found += [f"s[{t}]", f"z[{t}]", f"z[{t}]", f"at[{t}].l", f"rec[{t}, 0].l", f"llab[{t}]"]
        if it is not None:
            i, j = it
            found += [f"rl[{i}, {j}]", f"rr[{i}, {j}].l", f"ql[{i}, {j}]", f"atc[{i}, {j}].l"]
        if depth > 0 and self.r.random() < 0.3:
            return f"(if {self.bit(depth - 1)} then {self.label()} else {self.pick(self.label(), self.label())})"
        return str(self.pick(*found))

    def text(self, depth: int) -> str:
        """Return a text that reads givens and indices only."""
        t, it = self.index("n"), self.item()
        found = ["one.t", *self.of("text"), '"x-y"', '"The"']
        if t is not None:
            found += [f"w[{t}]", f"ltx[{t}]", f"rec[{t}, 1].t", f"w[{t}]", f"w[{t}]"]
        if it is not None:
            i, j = it
            found += [f"rt[{i}, {j}]", f"rr[{i}, {j}].t"]
            if self.padding:
                found += [f"rt[{i}, {j}-1]", f"rt[{i}, {j}+2]", f"rl[{i}-1, {j}] & rt[{i}, {j}]"]
        leaf = str(self.pick(*found))
        if depth <= 0:
            return leaf
        d = depth - 1
        whole = self.pick("lint", *([f"kk[{t}]", t] if t else []))
        tag = self.pick("ltag", *([f"s[{t}]", f"llab[{t}]"] if t else []), *self.of("Tag"))
        return str(self.pick(
            leaf, f"lower({self.text(d)})", f"prefix({self.text(d)}, {self.pick(1, 2, 0, 9)})",
            f"suffix({self.text(d)}, {self.pick(1, 2, 3, 0)})", f"shape({self.text(d)})",
            f"prefix({self.text(d)})", f"kind({self.text(d)})", f"prefix({tag})", f"kind({tag})",
            f"({self.text(d)} & {self.text(d)})", f"({self.text(d)} & {whole})",
            f"({tag} & {self.text(d)})", f"(if {self.known(0)} then {self.text(d)} else {self.text(d)})",
        ))  # fmt: skip

    # -- truth values

    def known(self, depth: int) -> str:
        """Return a truth value of givens and indices: a guard."""
        t, it, m = self.index("n"), self.item(), self.index("m")
        found = ["lone > 0", "lint % 2 == 0", 'ltag == "A"', 'one.l != "O"', "one.a in {0, 2}",
                 "n > 1", 'ltag in {"A", "O"}', "one.t in lex", "lint in n"]  # fmt: skip
        if t is not None:
            found += [f"x[{t}] > 0", f"b[{t}]", f"{t} > 0", f'kind(s[{t}]) == "x"', f"{t} % 2 == 1",
                      f"s[{t}] == ltag", f'w[{t}] in {{"cat", "The"}}', f"lower(w[{t}]) == w[{t}]",
                      f"kk[{t}] in -1..2", f"kk[{t}] // 2 < 0", f"{t} in pick", f"w[{t}] in lex",
                      f"lv[{t}] < 1",
                      f'rec[{t}, 0].l == "A"', f"prefix(s[{t}], 1) == prefix(w[{t}], 1)"]  # fmt: skip
            if m is not None and m in self.of("m"):
                found += [f"H[{m}, {t}]", f"H[{m}, {t}]", f"H[{m}, {t}] and x[{t}] > 0"]
        if it is not None:
            i, j = it
            found += [f"r[{i}, {j}] > 0", f'rl[{i}, {j}] == "O"', f"{j} > 0", f"rr[{i}, {j}].v < 0"]
        for name in self.of("Tag"):
            found += [f'{name} != "O"', f'prefix({name}) == "B"', f'kind({name}) == "x"']
        for name in self.of("Lev"):
            found += [f"{name} > -1", f"{name} % 2 == 1"]
        leaf = str(self.pick(*found))
        if depth <= 0:
            return leaf
        d = depth - 1
        return str(self.pick(leaf, f"({self.known(d)} and {self.known(d)})", f"not ({self.known(d)})",
                             f"({self.known(d)} or {self.known(d)})"))  # fmt: skip

    def bit(self, depth: int) -> str:
        t, it = self.index("n"), self.item()
        found = [self.known(0), "h", "sz in {0, 2}", "e in n", "e > 0",
                 f"{self.label()} == {self.label()}", f"{self.label()} != {self.label()}",
                 f'{self.label()} in {{"A", "I-x"}}', f'prefix({self.label()}) == "I"',
                 f"kind({self.label()}) == kind({self.label()})", "at2[1, 2] == at2[0, 0]"]  # fmt: skip
        if t is not None:
            found += [f"a[{t}]", f"a[{t}]", f"y[{t}] > {self.level()}", f"y[{t}] in {{-1, 3}}",
                      f"at[{t}] == at[{t}]", f'prefix(z[{t}], 1) == "A"', f"y[{t}] in -1..kk[{t}]",
                      f"suffix(z[{t}], 1) & shape(z[{t}]) == \"x&X-x\""]  # fmt: skip
        if it is not None:
            found += [f"q[{it[0]}, {it[1]}] == 1", f'ql[{it[0]}, {it[1]}] == "A"']
        leaf = str(self.pick(*found))
        if depth <= 0:
            return leaf
        d = depth - 1
        return str(self.pick(
            leaf, f"({self.bit(d)} and {self.bit(d)})", f"({self.bit(d)} or {self.bit(d)})",
            f"({self.bit(d)} => {self.bit(d)})", f"not ({self.bit(d)})",
            f"({self.number(d)} <= {self.number(d)})" if self.tables else f"({self.whole(d)} < {self.whole(d)})",
            f"(({self.bit(d)}) == ({self.bit(d)}))", self.logic(d),
        ))  # fmt: skip

    def logic(self, depth: int) -> str:
        name = self.pick("atmostone", "exactlyone", "atleastone", "alldiff")
        if name == "alldiff":
            return self.reduced(name, depth, self.pick("whole", "label"))
        return self.reduced(name, depth, "bit")

    def whole(self, depth: int) -> str:
        t = self.index("n")
        if depth <= 0:
            found = ["lint", "2", "-3", "n", "one.a", self.level(), "sz", "e"]
            if t is not None:
                found += [t, f"kk[{t}]", f"y[{t}]", f"a[{t}]", f"at[{t}].j", f"c[{t}]"]
            return str(self.pick(*found))
        d = depth - 1
        form = self.pick("({} + {})", "({} * {})", "({} // {})", "({} % {})", "min({}, {})",
                         "max({}, {})", "({} - {})", "abs({})", "xor", "count", "if", "neg", "pow")  # fmt: skip
        if form in ("({} // {})", "({} % {})"):
            return str(form).format(self.whole(d), self.pick(
                "2", "-2", "3", "(-3)", f"(1 + abs({self.whole(d)}))", f"(-1 - abs({self.whole(d)}))"))  # fmt: skip
        match form:
            case "abs({})":
                return f"abs({self.whole(d)})"
            case "xor" | "count":
                return self.reduced(form, d, "bit")
            case "if":
                return f"(if {self.bit(d)} then {self.whole(d)} else {self.whole(d)})"
            case "neg":
                return f"-{self.whole(d)}"
            case "pow":
                return f"({self.whole(0)})^{self.pick(0, 1, 2, 3)}"
        return str(form).format(self.whole(d), self.whole(d))

    def number(self, depth: int) -> str:
        if depth <= 0:
            return self.leaf()
        d = depth - 1
        t = self.index("n")
        kind = self.pick("leaf", "leaf", "bin", "bin", "div", "fn", "if", "red", "red", "red", "arr",
                         "arr", "whole", "bit", "mix", "guarded", "guarded", "feat", "logic", "fun")  # fmt: skip
        if kind == "guarded" and t is None:
            kind = "red"
        match kind:
            case "leaf":
                return self.leaf()
            case "bin":
                return f"({self.number(d)} {self.pick('+', '-', '*')} {self.number(d)})"
            case "div":
                return f"({self.number(d)} / (2 + abs({self.number(d)})))"
            case "fn":
                f = self.pick("-({})", "abs({})", "tanh({})", "sigmoid({})", "softplus({})",
                              "exp(-abs({}))", "sqrt(1 + ({})^2)", "log(1 + abs({}))",
                              "cosh(tanh({}))", "min({}, 1, 2)", "max({}, -1)")  # fmt: skip
                return str(f.format(self.number(d)))
            case "if":
                return f"(if {self.bit(d)} then {self.number(d)} else {self.number(d)})"
            case "red":
                return self.reduced(self.pick("sum", "sum", "sum", "mean", "min", "max", "count"),
                                    d, "number")  # fmt: skip
            case "arr":
                return self.folded(d)
            case "whole":
                return self.whole(d)
            case "bit":
                return f"({self.bit(d)}) * {self.number(d)}"
            case "mix":
                return self.pick(f"mix({self.number(d)}, {self.number(d)})",
                                 f"mix({self.number(d)}, c_ = P, v_ = {self.number(d)})",
                                 f"cap({self.number(d)})")  # fmt: skip
            case "feat":
                return self.counted(d)
            case "logic":
                return f"({self.logic(d)})"
            case "fun":
                return self.pick(f"tot(W * {self.number(d)})", f"lab({self.label(d)}, {self.number(d)})",
                                 f"lab({self.label(d)})", "at0(W)", "tot(M)")  # fmt: skip
        guards = [
            (self.pick(f"{t} > 0", f"{self.bit(0)} and {t} > 0", f"{t} > 0 and {self.bit(0)}"), self.pick(f"x[{t}-1]", f"y[{t}-1]", f"V[y[{t}-1], z[{t}]]", f"ly[{t}-1]", f"lx[{t}-1]")),
            (f"{t} + 1 < n", f"kk[{t}+1]"),
            (f"0 <= kk[{t}] and kk[{t}] < 3", f"W[kk[{t}]]"),
            (f"kk[{t}] >= 0 and kk[{t}] < n", f"x[kk[{t}]]"),
            (f"0 <= y[{t}] and y[{t}] < n", f"x[y[{t}]]"),
            (f"y[{t}] in k", f"M[y[{t}], a[{t}]]"),
            (f"y[{t}] in n", f"g[y[{t}], 1]"),
            ("e in n", "x[e]"),
            (f"x[{t}] > 0", f"lgd[{t}, n-1]"),
            (f"x[{t}] > 0 and {t} + 1 < n", f"lgd[{t}, {t} + 1]"),
            (f"{t} > 0", f"lyg[{t}-1, {t}]"),
            (f"c[{t}] > 0", self.pick(f"r[{t}, 0]", f"q[{t}, c[{t}]-1]", f"max(r[{t}])", f"lc[{t}, c[{t}]-1]",
                                      f"min(q[{t}, 0..c[{t}]-1])", f"rr[{t}, 0].v", f"mean(r3[{t}, 0])",
                                      f"sum(r3[{t}, 0..c[{t}]-1])", f"lcq[{t}, 0]")),
            (f"c[{t}] > 1", self.pick(f"dot(r4[{t}, 0], r4[{t}, 1])", f"norm(r[{t}, 0..1])^2", f"q[{t}, 1] * q[{t}, 0]")),
            (f"at[{t}].i < m", f"u[at[{t}].i]"),
            ("m > 0", f"u[d[{t}]]"),
        ]  # fmt: skip
        guard = self.pick(*guards)
        if self.r.random() < self.risky:
            return str(guard[1])
        return f"(if {guard[0]} then {guard[1]} * {self.number(d)} else {self.number(d)})"

    def source(self) -> tuple[str, list[tuple[str, str]]]:
        """Return generators (`NAME in SOURCE`) and what they bind."""
        i, j = self.fresh(), self.fresh()
        t = self.index("n")
        found: list[tuple[str, list[tuple[str, str]]]] = [
            (f"{i} in n", [(i, "n")]), (f"{i} in k", [(i, "k")]), (f"{i} in Tag", [(i, "Tag")]),
            (f"{i} in Lev", [(i, "Lev")]), (f"{i} in m", [(i, "m")]), (f"{i} in bit", [(i, "p")]),
            (f"{i} in 1..n-1", [(i, "n")]), (f"({i}, {j}) in pair", [(i, "n"), (j, "n")]),
            (f"{i} in {{1, 3, -2}}", [(i, "Lev")]), (f'{i} in {{"A", "O"}}', [(i, "text")]),
            (f"({i}, {j}) in {{(0, 1), (2, 0)}}", [(i, "k"), (j, "k")]),
            (f"{i} in lex", [(i, "text")]), (f"{i} in pick", [(i, "n")]),
            (f"({i}, {j}, {i}v, {i}l, {i}t, {i}j) in edge",
             [(i, "n"), (j, "n"), (f"{i}v", "real"), (f"{i}l", "Tag"), (f"{i}t", "text"), (f"{i}j", "int")]),
        ]  # fmt: skip
        if t is not None and re.fullmatch(r"\w+", t):
            found += [(f"{i} in c[{t}]", [(i, f"c:{t}")]), (f"{i} in c[{t}]", [(i, f"c:{t}")]),
                      (f"{i} in 0..{t}", [(i, "n")]), (f"{i} in {t}+1..n-1", [(i, "n")]),
                      (f"{i} in kk[{t}]..2", [(i, "int")])]  # fmt: skip
        return self.pick(*found)

    def reduced(self, operator: str, depth: int, body: str) -> str:
        """Return a comprehension."""
        generators, loops = self.source()
        parts, every = [generators], list(loops)
        with self.over(*loops):
            if self.r.random() < 0.25:
                more, inner = self.source()
                parts.append(more)
                every += inner
        self.inside += 1
        with self.over(*every):
            guard = f" if {self.known(self.pick(0, 1))}" if self.r.random() < 0.5 else ""
            if operator == "count":
                body = "bit"
            match body:
                case "number":
                    value = self.number(depth)
                case "whole":
                    value = self.whole(depth)
                case "label":
                    value = self.label()
                case _:
                    value = self.bit(depth)
        self.inside -= 1
        inside = " ".join(f"for {p}" for p in parts)
        found = f"{operator}({value} {inside}{guard})"
        if operator in ("min", "max", "mean"):
            count = f"count(1 == 1 {inside}{guard})"
            if operator == "mean" or self.r.random() < 0.7:
                return f"(if {count} > 0 then {found} else 0)"
            return f"{'max' if operator == 'max' else 'min'}(3, {found})"
        return found

    def counted(self, depth: int) -> str:
        """Return a use of hash or features."""
        t = self.index("n")
        if t is None or t not in self.of("n"):
            return self.leaf()
        off = self.pick(f"{t}-1", f"{t}+1", f"{t}-2", f"{t}+3", t)
        self.padding += 1
        own = [self.text(1)]
        self.padding -= 1
        texts = [*own, f"w[{off}]", f"lower(w[{off}]) & w[{t}]", f"s[{t}] & w[{off}]", f"s[{off}]",
                 f"suffix(w[{off}], 2)", f"kk[{t}] & w[{t}]", f"ltx[{off}]", f"shape(w[{off}])",
                 f"{t}", f"wd[{t}]"]  # fmt: skip
        arguments = ", ".join(self.r.sample(texts, self.pick(1, 2, 3)))
        least = self.least
        if self.inside and least:
            return self.leaf()  # how often a feature occurs that reads no index is left open
        return str(self.pick(
            f"dot(U[{self.label()}], hash(5, {arguments}))", f"dot(lhash[{t}], U[{self.label()}])",
            f"dot(F[{self.label()}], features(Feat, {arguments}{least}))",
            f"dot(G, features(Feat, {arguments}{least}))",
            "0" if least else f"dot(F[{self.label()}], lfeat[{t}])",
            f"sum(hash(3, {arguments}))", f"sum(hash(5, {arguments}) * U[{self.label()}])",
            f"norm(hash(2, {arguments}))^2", f"dot(lhash[{t}] * 2, U[{self.label()}])",
            f"hash(2, {arguments})[{self.pick(0, 1)}]",
        ))  # fmt: skip

    # -- arrays

    def row(self, depth: int) -> str:
        """Return an array of k numbers."""
        t, it, p = self.index("n"), self.item(), self.index("p")
        found = [
            "W",
            "W",
            f"M3[{p}, 0..2, {self.level()}]",
            "dot(M, M[1])",
            "M3[1, 0..2, -2]",
            "hh",
        ]
        if t is not None:
            found += [f"g[{t}]", f"g[{t}, 0..2]", f"lrow[{t}]", f"larr[{t}]", f"g[{t}]"]
        if it is not None:
            found += [f"r3[{it[0]}, {it[1]}]"]
        if not self.tables:
            found += ["xb[0..2, 1]", "ch(pic)"]
        leaf = str(self.pick(*found))
        if depth <= 0:
            return leaf
        d = depth - 1
        return str(self.pick(
            leaf, leaf, f"({self.row(d)} {self.pick('+', '-', '*')} {self.row(d)})",
            f"({self.number(d)} * {self.row(d)})", f"({self.row(d)} / 2)", f"abs({self.row(d)})",
            f"tanh({self.row(d)})", f"-{self.row(d)}", f"max({self.row(d)}, 0)",
            f"min({self.row(d)}, {self.row(d)})", f"({self.row(d)})^2", f"({self.row(d)} > {self.row(0)})",
            f"(if {self.bit(d)} then {self.row(d)} else {self.row(d)})",
            f"(if {self.bit(d)} then {self.row(d)} else {self.number(d)})",
            f"{self.pick('sum', 'mean', 'min', 'max')}({self.row(d)} * {self.pick('1', 'i_')} for i_ in {self.pick('2', '3')})",
        ))  # fmt: skip

    def matrix(self, depth: int) -> str:
        """Return an array of k x p numbers."""
        leaf = self.pick("M", "M", f"outer({self.row(0)}, W[{self.pick('0..1', '1..2')}])",
                         *([] if self.tables else ["xb"]))  # fmt: skip
        if depth <= 0:
            return str(leaf)
        d = depth - 1
        return str(self.pick(leaf, f"({self.matrix(d)} {self.pick('+', '-', '*')} {self.matrix(d)})",
                             f"({self.number(d)} * {self.matrix(d)})", f"sigmoid({self.matrix(d)})",
                             f"outer({self.row(d)}, W[0..1])"))  # fmt: skip

    def folded(self, depth: int) -> str:
        """Return a number made of arrays."""
        d = depth - 1
        t, p = self.index("n"), self.index("p")
        found = [f"dot({self.row(d)}, {self.row(d)})", f"{self.pick('sum', 'mean', 'max', 'min')}({self.row(d)})",
                 f"norm({self.row(d)})^2", f"norm({self.row(d)})", f"dot({self.row(d)}, {self.matrix(d)})[{p}]",
                 f"norm(dot({self.row(d)}, {self.matrix(d)}))^2", f"sum({self.matrix(d)})", f"max({self.matrix(d)})",
                 f"norm({self.matrix(d)} - {self.matrix(d)})^2", f"dot(dot({self.row(d)}, {self.matrix(d)}), W[0..1])",
                 f"sum(dot({self.matrix(d)}, M3)[{self.pick(0, 1)}, 2, {self.level()}] * {self.row(0)})",
                 f"sum(outer(M, M[1..2, 0])[{self.pick(0, 2)}])", "sum(M3)", f"mean(M3[{p}])",
                 f"sum(V[{self.level()}])", f"max(gl[{self.level()}])", f"dot(V[{self.level()}], gl[{self.level()}])",
                 f"sum(M3[{p}] * 2)", f"sum({self.row(d)})",
                 "sum(x)", "norm(x)^2", "dot(x, x)", "sum(x * kk)", "dot(x, y)", "sum(a)", "sum(y)", "dot(x, g)[1]",

                 "sum(lx)", "dot(lx, x)", "sum(ly)", "sum(larr)", "sum(lrow)", "sum(abs(lrow) * 2)",
                 f"max(lrow * {self.number(0)})",
                 "sum(lx * x)", "sum(lneg[2])", "sum(llev)", f"sum(ltg[{self.label()}])",
                 "sum(dot(larr, M))", "count(b)", "count(a)", "xor(a)", "atmostone(a)", "alldiff(y)", "alldiff(kk)",
                 "atleastone(b)", "exactlyone(a)", "norm(outer(x, W))^2", "count(x > 0)", "sum(max(x, 0))",
                 "sum(x[0..n-1])", "sum(x[1..n-1] * x[0..n-2])"]  # fmt: skip
        if t is not None:
            found += [f"sum(x[{t}..n-1])", f"sum(y[0..{t}])", f"dot(x[0..{t}], y[0..{t}])", f"sum(r[{t}])",
                      f"sum(q[{t}])", f"norm(r3[{t}])^2", f"sum(dot(r3[{t}], M))", f"count(q[{t}] == 1)",
                      f"alldiff(q[{t}])", f"sum(outer(r4[{t}], r[{t}]))", f"dot(r[{t}], r3[{t}])[1]",
                      f"sum(H[0..m-1, {t}])", f"sum(g[0..{t}, 0..1])",
                      f"sum(lx[0..{t}])", f"sum(g[{t}, a[{t}]..a[{t}]+1])",
                      f"sum(W[a[{t}]..2] * 2)"]  # fmt: skip
            if not self.tables:
                found += [f"sum(lin(g[{t}]))", f"norm(lin(g[{t}] * xr[{t}]))^2", "norm(xr - x)^2", "sum(cv(pb))",
                          "max(ch(pb))", "dot(ch(pb), W)", "sum(xr[0..n-1])", "sum(cv(pic)[1])",
                          "sum(cv(pb * pic)[0, 1])"]  # fmt: skip
        if not self.tables:
            found += ["dot(ch(pic), W)", "sum(cv(pb)[1, 1])", "sum(lpat)", "sum(xb)", "sum(pb[K-1..K, 0..1])",
                      "sum(pic[0..1, sz..sz+1] * lpat[0..1, 0..1])", "sum(lin(hh))"]  # fmt: skip
        return str(self.pick(*found))


def binders(w: Writer) -> tuple[str, list[tuple[str, str]]]:
    """Return binders of a factor and what they bind."""
    r = w.r
    n, m = ("t", "n"), ("c_i", "m")
    choices: list[tuple[str, list[tuple[str, str]]]] = [
        ("", []), ("t in n", [n]), ("t in n", [n]), ("t in n", [n]), ("t in 1..n-1", [n]),
        ("t in n, i in c[t]", [n, ("i", "c:t")]), ("t in n, i in c[t]", [n, ("i", "c:t")]),
        ("t in n, l in Tag", [n, ("l", "Tag")]), ("l in Lev", [("l", "Lev")]),
        ("(i, j) in pair", [("i", "n"), ("j", "n")]),
        ("(i, j, ev, el, et, ej) in edge",
         [("i", "n"), ("j", "n"), ("ev", "real"), ("el", "Tag"), ("et", "text"), ("ej", "int")]),
        ("c_i in m, t in n", [m, n]), ("t in n, c_i in m", [n, m]), ("t in n, j in t+1..n-1", [n, ("j", "n")]),
        ("t in n, j in n", [n, ("j", "n")]), ("(i, j) in {(0, 1), (1, 2)}", [("i", "k"), ("j", "k")]),
        ("t in pick", [n]), ("o in lex", [("o", "text")]), ("l in {2, -1}, t in n", [("l", "Lev"), n]),
        ("b_ in bit, t in n", [("b_", "p"), n]), ("t in n, i in c[t], j in c[t]", [n, ("i", "c:t"), ("j", "c:t")]),
    ]  # fmt: skip
    source, loops = r.choice(choices)
    if not source:
        return "", []
    guard = ""
    with w.over(*loops):
        if ("c_i", "m") in loops and r.random() < 0.8:
            guard = r.choice(["H[c_i, t]", "H[c_i, t] and x[t] > 0", "x[t] > 0 and H[c_i, t]"])
        elif r.random() < 0.4:
            guard = w.known(r.choice([0, 1]))
    return f"[{source} if {guard}]" if guard else f"[{source}]", loops


SEQUENCES: dict[str, tuple[str, list[str]]] = {
    "sq": ("path", ["V[{t}, {c}]", "arc[{e}].v * ({c} == ltag)", "arc[{e}].dst", "gl[1, {c}]",
                    "(if arc[{e}].src > 0 then 1 else P) * V[0, {c}]"]),
    "sg": ("segments", ["V[0, {c}]", "sum(x[i] for i in {a}..{b}) * ({c} == \"A\")", "x[{a}]", "{b} - {a}",
                        "sum(x[{a}..{b}]) * gl[-1, {c}]", "lx[{b}]", "({c} == s[{a}])", "ltg[{c}, {b}]"]),
}  # fmt: skip


def sequence(w: Writer, number: int) -> str:
    """Return a factor over a sequence."""
    r = w.r
    name = r.choice(["sq", "sp", "sg", "sn", "sl"])
    two = r.random() < 0.35
    if name == "sq":
        head = "(e1, c1), (e2_, c2) in sq" if two else "(e1, c1) in sq"
        body = r.choice(["V[1, c1] * arc[e1].v", "gl[arc[e1].dst % 3, c1]", "arc[e1].v + e1 * (c1 == ltag)",
                         "if c1 == \"A\" then arc[e1].src else V[-1, c1]", "count(c1 == l for l in Tag if l != \"O\")"])  # fmt: skip
        if two:
            body = r.choice(["V[0, c2] * (c1 != c2)", "U[c1, 2] * gl[1, c2] * arc[e2_].v - arc[e1].v",
                             "(e2_ - e1) * (kind(c1) == kind(c2))"])  # fmt: skip
        guard = r.choice(["", "", "arc[e1].v > 0", "arc[e1].src > 0"])
    elif name == "sp":
        head = "e1, e2_ in sp" if two else "e1 in sp"
        body = "arc[e1].v * W[arc[e1].src % 3]" + (" - arc[e2_].v" if two else "")
        guard = r.choice(["", "arc[e1].v > 0", "lone > 0"])
    else:
        cs = {"sg": ", c1", "sn": "", "sl": ", c1"}[name]
        head = (
            f"(f1, b1{cs})" + (f", (f2, b2{cs.replace('1', '2')})" if two else "") + f" in {name}"
        )
        loops = [("f1", "n"), ("b1", "n")] + ([("f2", "n"), ("b2", "n")] if two else [])
        if cs:
            kind = "Tag" if name == "sg" else "Lev"
            loops += [("c1", kind)] + ([("c2", kind)] if two else [])
        body = r.choice(["sum(x[i] for i in f1..b1)", "sum(x[f1..b1]) * (b1 - f1)", "x[f1] - x[b1]",
                         "lx[f1] * (b1 - f1 + 1)", "max(x[f1..b1])", "dot(g[f1], g[b1])",
                         "sum(kk[i] * (i - f1) for i in f1..b1 if x[i] > 0)"])  # fmt: skip
        if cs:
            body += r.choice([" * V[0, c1]", " + gl[2, c1]", " * (c1 == ltag)", " - U[c1, 3]", " * ltg[c1, b1]"]
                             if name == "sg" else [" * llev[c1]", " + c1", " * V[c1, ltag]", " * (c1 > 0)"])  # fmt: skip
            if two:
                body += r.choice([" + (c1 != c2)", " - (c1 == c2) * x[b2]"])
        elif two:
            body += " + f2 * x[b2]"
        guard = r.choice(["", "", "f1 > 0", "x[f1] > 0", "b1 - f1 < 1", "b[b1]"])
    guard = f" if {guard}" if guard else ""
    if r.random() < 0.15 and name in ("sq", "sg"):
        known = r.choice(["lex", '{"AA", "AO", "A"}'])
        return f"hard h{number} : spell({name}) in {known}"
    if r.random() < 0.2:
        extra = r.choice(["t in n", "l in Tag", "t in 0..1"])
        return f"factor f{number}[{extra}, {head}{guard}] = {body}"
    if r.random() < 0.25:
        last = head.rsplit(" in ", 1)
        return f"factor f{number} = sum({body} for {last[0]} in {last[1]}{guard})"
    return f"factor f{number}[{head}{guard}] = {body}"


SPECIAL = [
    "factor f{}[t in 1..n-1] = P * min(abs(y[t] - y[t-1]), 2)",
    "factor f{}[t in 1..n-1] = min((y[t] - y[t-1])^2 * 0.5, K)",
    "factor f{}[t in 1..n-1] = abs(x[t]) * (z[t] != z[t-1])",
    "factor f{}[t in 1..n-1] = (y[t] != y[t-1]) * P",
    "factor f{}[i in n, j in k] = -x[i] * W[j] * a[i] * hb[j]",
    "factor f{}[i in n, j in n if i < j] = -x[i] * x[j] * a[i] * a[j]",
    "hard h{}[c_i in m] : xor(a[t] for t in n if H[c_i, t]) == 0",
    "hard h{} : count(a[t] for t in n) == K",
    "hard h{} : count(y[t] == -1 for t in n) <= 1",
    "hard h{} : alldiff(y[t] for t in n)",
    "hard h{}[t in n] : alldiff(q[t, i] for i in c[t])",
    "hard h{} : exactlyone(a[t] for t in n if x[t] > 0)",
    "hard h{} : atmostone(z[t] == \"A\" for t in n)",
    "hard h{} : atleastone(not a[t] for t in n)",
    "factor f{}[i in 1..k-1] = (at2[0, i].i - at2[0, 0].i - 1)^2 * 0.3 + (at2[0, i].j - at2[0, 0].j)^2",
    "factor f{} = count(a[t] for t in n)^2 * 0.1",
    "factor f{}[t in 1..n-1] = abs(y[t] - y[t-1]) * Q",
    "factor f{}[t in 1..n-1] = x[t] * min(abs(y[t] - y[t-1]), abs(x[t-1]))",
    "factor f{}[(i, j) in pair] = (z[i] != z[j]) * x[i]",
    "factor f{}[(i, j) in pair] = lrel[i, j] - lrg[i, j]",
    "factor f{}[t in n] = sum(lrel[i, j] for (i, j) in pair if i == t)",
    "hard h{}[t in n] : at[t].i <= m and at[t] != at[0]",
    "factor f{}[t in n, i in c[t] if i > 0] = (ql[t, i] != ql[t, i-1]) * 2",
    "factor f{}[t in n] = sum(V[0, ql[t, i]] for i in c[t])",
    "factor f{}[t in n] = sum(llist[i, j] * a[t] for (i, j) in {{(0, 1), (2, 2)}})",
    "factor f{}[c_i in m] = prod_(c_i)",
    "hard h{}[t in n, d_ in {{-1, 1}} if 0 <= t+d_ and t+d_ < n] : z[t] == \"A\" => z[t+d_] != \"A\"",
]  # fmt: skip
DECLARED["hb"] = Declared("answer hb[k] : bit")
DECLARED["prod_"] = Declared("fun prod_(i) = u[i] * sum(H[i, t] * a[t] for t in n)")


def model(seed: int) -> tuple[str, bool]:
    """Return a text, and whether its factors may all be tables."""
    r = random.Random(seed)
    tables = r.random() < 0.5
    w = Writer(r, tables, risky=r.choice([0, 0, 0, 0.03]), least=r.choice(["", ", min = 2"]))
    lines = []
    for number in range(r.choice([1, 2, 2, 3])):
        chance = r.random()
        if chance < 0.2:
            lines.append(r.choice(SPECIAL).format(number))
        elif chance < 0.35 and not tables:
            lines.append(sequence(w, number))
        else:
            head, loops = binders(w)
            with w.over(*loops):
                depth = r.choice([1, 2, 2, 3])
                if r.random() < 0.15:
                    lines.append(f"hard h{number}{head} : {w.bit(depth)}")
                else:
                    lines.append(f"factor f{number}{head} = {w.number(depth)}")
    body = "\n".join(lines)
    declared = [DECLARED[n].line for n in closure(body)]
    if not any(line.startswith(("answer", "latent")) for line in declared):
        declared.append(DECLARED["a"].line)
        for more in ("n",):
            if DECLARED[more].line not in declared:
                declared.insert(0, DECLARED[more].line)
    return "\n".join([*declared, body]) + "\n", tables


def names(text: str) -> list[str]:
    """Return the names of `DECLARED` that a text declares."""
    return [n for n, d in DECLARED.items() if d.line in text.splitlines()]


def givens(text: str, r: random.Random) -> Data:
    """Return the givens of an instance, and the sizes that no shape tells."""
    n = r.choice([0, 1, 1, 2, 2, 3])
    d: Data = {"n": n, "m": r.choice([0, 1, 2]), "c": [r.choice([0, 1, 1, 2]) for _ in range(n)],
               "last": r.choice([1, 2])}  # fmt: skip
    out: Data = {}
    declared = names(text)
    if "d" in declared:
        d["m"] = max(d["m"], 1)
    for name in declared:
        make = DECLARED[name].make
        if make is not None:
            out[name] = make(r, d)
    shapes = re.findall(r"(?:given|answer) \w+\[([^\]]*)\]", text)
    told = {a.strip() for s in shapes for a in s.split(",")}
    for name in ("n", "m", "last", "c", "e2", "ea"):
        if name in declared and name not in told:
            out[name] = d.get(name, 0)
    if "c" in declared and "c" not in told:
        out["c"] = d["c"]
    out["#"] = d
    return out


def axes_lists(axes: list[str | int], d: Data, leaf: Callable[[], Any]) -> Any:
    """Return nested lists of a declaration's axes."""

    def nest(rest: list[str | int], row: int) -> Any:
        if not rest:
            return leaf()
        first = rest[0]
        if first == "c":
            count = d["c"][row]
        else:
            count = d[first] if isinstance(first, str) else first
        return [nest(rest[1:], k) for k in range(count)]

    return nest(axes, 0)


SIZES = {"k": 3, "p": 2, "Tag": 4, "Lev": 6, "4": 4}


def unknown_axes(line: str) -> list[str | int]:
    found = re.match(r"\w+ \w+\[([^\]]*)\]", line)
    if not found:
        return []
    return [SIZES.get(a.strip(), a.strip()) for a in found[1].split(",")]
