"""Small models with random data, to hold the package against the slow truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Instance = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A small model with random data; instances differ in size, some have size 0 or 1.

    Attributes
    ----------
    make : gives instance ``k`` from a numpy generator, answers and latents left out.
    scale : of the random weights.
    """

    name: str
    text: str
    make: Callable[[Any, int], Instance]
    scale: float = 1.0


def reals(rng: Any, *shape: int) -> Any:
    return rng.normal(size=shape).round(3).tolist()


def ints(rng: Any, low: int, high: int, *shape: int) -> Any:
    return rng.integers(low, high + 1, shape).tolist()


def words(rng: Any, choices: list[str], n: int) -> list[str]:
    return [choices[i] for i in rng.integers(0, len(choices), n)]


CASES = [
    Case(
        "chain",
        """
        domain Tag = {A, B, C}
        size   n, k = 2
        given  x[n, k] : real
        answer y[n] : Tag
        param  U[Tag, k] ~ l2(0.3), M[Tag, Tag] ~ l2(0.1) + l2(0.2)
        factor emit[t in n]      = -dot(U[y[t]], x[t])
        factor move[t in 1..n-1] = -M[y[t-1], y[t]]
        """,
        lambda rng, k: {"x": reals(rng, (1, 4, 2, 0)[k % 4], 2)},
    ),
    Case(
        "tree",
        """
        size   n
        given  parent[n] : int
        given  x[n] : real
        answer y[n] : bit
        param  W[bit, bit], b
        factor edge[t in n if parent[t] >= 0] = W[y[t], y[parent[t]]] * x[t]
        factor node[t in n] = (x[t] + b) * y[t]
        """,
        lambda rng, k: {
            "parent": [-1] + [int(rng.integers(-1, t)) for t in range(1, k % 5 + 1)],
            "x": reals(rng, k % 5 + 1),
        },
    ),
    Case(
        "windows",
        """
        domain Amino
        domain Fold = {C, E, H}
        size   n, w = 3
        given  aa[n] : Amino
        given  mask[n] : bit
        answer y[n] : Fold
        param  U[Fold, w, Amino] ~ l2(1), A[Fold, Fold] ~ l2(1)
        factor see[t in n] = -sum(U[y[t], r, aa[t+r-1]] for r in w if 0 <= t+r-1 and t+r-1 < n)
        factor keep[t in n if mask[t]] = 0.5 * (y[t] == "E") - mean((y[t] != "C") * t * i
              for i in n if i <= t)
        factor move[t in 1..n-1] = -A[y[t-1], y[t]]
        """,
        lambda rng, k: {
            "aa": words(rng, ["q", "r", "s"], k % 4 + 1),
            "mask": ints(rng, 0, 1, k % 4 + 1),
        },
    ),
    Case(
        "slices",
        """
        size   h, w, r = 2
        given  pix[h, w] : real
        answer on[h - 1, w - 1] : bit
        param  F[r, r], c
        factor patch[i in h - 1, j in w - 1] = on[i, j] * sum(F * pix[i..i+1, j..j+r-1]) + c
              * norm(pix[i..i+1, j])^2
        factor line[i in h - 1, j in 1..w-2] = c * on[i, j-1] * on[i, j] - on[i, j]
              * dot(pix[i, 0..1], F[0])
        """,
        lambda rng, k: {"pix": reals(rng, k % 2 + 2, k % 3 + 2)},
    ),
    Case(
        "second order",
        """
        domain Letter = 3..5
        size   n, p = 2
        given  x[n, p] : real
        answer y[n] : Letter
        param  Q[Letter, p, p] ~ l2(0.1), A[Letter, Letter]
        factor pairs[t in n] = -sum(Q[y[t]] * outer(x[t], x[t])) - dot(x[t], dot(Q[y[t]], x[t]))
        factor move[t in 1..n-1] = -A[y[t-1], y[t]] * 0.5 * y[t]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
    ),
    Case(
        "costs",  # arrays of the data that unknowns index, with weights beside them
        """
        domain Tag = {A, B, C}
        size   n
        given  like[n, 3] : real
        given  D[3, 4] : real
        given  off[n] : 0..2
        answer y[n] : Tag
        answer z[n] : 1..3
        latent h : bit
        param  W[5] ~ l2(0.1), S[Tag, bit]
        let    step[t in 1..n-1] = like[t, 0] - like[t-1, 0]
        factor see[t in n]       = like[t, z[t] - 1] * (1 + W[1])
        factor near[t in 1..n-1] = D[abs(z[t] - z[t-1]), z[t]]
              + (if h and z[t] > 1 then W[z[t] - 2] else 0)
        factor mix[t in n]       = W[z[t] - 1 + off[t]] + S[y[t], h] * like[t, 1]
        factor last[t in n if t > 0] = (if z[t] < n then step[z[t]] else 0) * (h == 0)
              + (if z[t] != 2 then 6 // (z[t] - 2) else off[t]) * W[4]
        """,
        lambda rng, k: {
            "like": reals(rng, k % 3 + 1, 3),
            "D": reals(rng, 3, 4),
            "off": ints(rng, 0, 2, k % 3 + 1),
        },
    ),
    Case(
        "branches",  # data choose what a factor reads
        """
        domain Tag = {A, B}
        size   n
        given  x[n] : real
        given  m[n] : bit
        answer y[n] : Tag
        param  V[Tag, Tag], B[Tag] ~ l2(0.1), c
        factor f[t in n] = if t > 0 then V[y[t-1], y[t]] * x[t] else -B[y[t]]
        factor g[t in n] = c * (y[t] == "A")
              - 2 * (if m[t] then x[t] * (if t + 1 < n then V[y[t], y[t+1]] else 0) else c)
        hard   h[t in n] : t > 1 => (m[t] or y[t-1] == "A" or y[t] == "A")
        """,
        lambda rng, k: {"x": reals(rng, k % 4 + 1), "m": ints(rng, 0, 1, k % 4 + 1)},
    ),
    Case(
        "tagger",
        """
        domain Word
        domain Tag
        size   n
        given  word[n] : Word
        answer y[n] : Tag
        param  E[Word, Tag] ~ l2(0.5), M[Tag, Tag], S[Tag]
        factor emit[t in n] = E[word[t], y[t]] + sum((y[t] == v) * S[v] for v in Tag)
        factor move[t in 1..n-1] = M[y[t-1], y[t]] - (if word[t] == word[t-1] then S[y[t]] else 0)
        """,
        lambda rng, k: {"word": words(rng, ["la", "le", "li"], k % 3 + 1)},
    ),
    Case(
        "params",
        """
        domain Level = -1..1
        size   n
        given  g[n] : 1..4
        given  s[n] : Level
        given  d : int
        given  r : real
        answer y[n] : Level
        param  a = 0.5, b[4], C[Level, 3] = normal(0, 1), D[Level, 2, Level]
        factor one[t in n] = a * y[t] * g[t] + b[g[t] - 1] * y[t]^2 + r * C[y[t], 1]
        factor two[t in n] = sum(C[s[t], y[t] + 1] + b[k + y[t] + 1] for k in 2) / 3
        factor three[t in 1..n-1] = D[y[t-1], (g[t] + d) % 2, y[t]] - D[s[t], 0, s[t]] * r
        factor none = a * a * d
        """,
        lambda rng, k: {
            "g": ints(rng, 1, 4, k % 4 + 1),
            "s": ints(rng, -1, 1, k % 4 + 1),
            "d": int(rng.integers(0, 5)),
            "r": float(rng.normal()),
        },
    ),
    Case(
        "shared",
        """
        size   n
        let    gain = 0.7
        answer y[n] : 0..2
        param  p, q[3]
        factor potts[t in 1..n-1] = gain * p * (y[t-1] != y[t])
        factor step[t in 1..n-1]  = min(abs(y[t] - y[t-1]) * p * p, 1.5)
        factor field[t in n]      = q[y[t]] + (if y[t] == 1 then p else -p)
        """,
        lambda rng, k: {"n": k % 4},
    ),
    Case(
        "numbers",
        """
        size   n
        given  a[n] : int
        given  b[n] : real
        given  c[n] : bit
        given  e[n] : 2..9
        answer y[n] : 1..9
        param  w ~ l2(2)
        factor mix[t in n] = w * y[t] * b[t] + (a[t] // 3) * 0.1 * y[t] + (a[t] % 4) / 2
              - c[t] * y[t] ^ 2 / 7
        factor low[t in n if c[t] or a[t] < 0] = max(y[t], e[t]) * 0.3 - min(y[t], e[t], 5)
              + (y[t] // 2) % 3
        factor tri[t in n] = (if c[t] then a[t] else y[t]) * 0.25 + (c[t] + c[t]) * y[t] - (-c[t])
        """,
        lambda rng, k: {
            "a": ints(rng, -6, 6, k % 2 + 1),
            "b": reals(rng, k % 2 + 1),
            "c": ints(rng, 0, 1, k % 2 + 1),
            "e": ints(rng, 2, 9, k % 2 + 1),
        },
    ),
    Case(
        "lets and funs",
        """
        size   n
        given  x[n] : real
        given  k[n] : int
        let    half   = 0.5
        let    total  = sum(x[i] for i in n)
        let    centre = total / (n + 1) - half
        let    past[t in 1..n-1] = x[t] - x[t-1]
        let    cell[i in n, j in n] = x[i] * k[j] + i
        let    bump   = V[1] * half
        fun    pay(a, b, s = half) = s * (a - b)^2
        fun    x_(t, x) = pay(x, t, 2) + pay(b = t, a = x)
        answer y[n] : 0..2
        param  V[3] ~ l2(0.2)
        factor one[t in n] = x_(x[t], V[y[t]]) + centre * y[t] + bump * total
        factor two[t in 1..n-1] = past[t] * y[t] * y[t-1] + pay(y[t], y[t-1], V[2])
        factor sq[t in n] = cell[t, n-1-t] * y[t] + sum(cell[t]) * V[0] * y[t]
              - max(cell[t, 0..t])
        """,
        lambda rng, k: {"x": reals(rng, k % 4), "k": ints(rng, -3, 3, k % 4)},
    ),
    Case(
        "lists",
        """
        size   n = 4
        given  x[n] : real
        answer y[n] : bit
        param  W[n], J
        factor pair[(u, v) in {(0, 1), (1, 2), (3, 2)}] = J * W[u] * (y[u] == y[v]) + x[v] * y[u]
        factor some[k in {3, 0}, c in bit if k + c > 0] = (y[k] == c) * W[k] * c
        factor in_[k in 2..3] = sum(W[a] * x[b] * y[k] for (a, b) in {(0, 3), (2, 1)})
        """,
        lambda rng, k: {"x": reals(rng, 4)},
    ),
    Case(
        "latents",
        """
        domain Part = {p, q}
        size   n, m = 2
        given  x[n, m] : real
        answer y : 0..2
        latent z[n] : Part
        latent s : bit
        param  A[3, Part], B[Part, m] ~ l2(0.4), D[Part, Part]
        factor view[t in n] = -dot(B[z[t]], x[t])
        factor part[t in n if t == 0] = A[y, z[t]]
        factor next[t in 1..n-1] = D[z[t-1], z[t]] - (z[t] == "q")
        factor side = s * (y - 1) * A[0, "p"]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
    ),
    Case(
        "branches",
        """
        size   n
        given  x[n] : real
        given  k[n] : int
        answer y[n] : bit
        param  W[3], b
        factor back[t in n] = (if t > 0 then x[t-1] * b else -1) * y[t]
        factor both[t in n] = (t > 0 and x[t-1] > 0) + W[2] * (t
              + 1 < n and x[t+1] > 0 and y[t] == 1)
        factor either[t in n] = b * (t == 0 or (y[t] == 1 or x[t-1] > 0))
              + (t > 0 => (x[t-1] < 0 => y[t] == 0))
        factor near[t in n] = sum((if t + i < n then x[t+i] else b) * W[i] * y[t] for i in 3)
        factor look[t in n] = y[t] * (if 0 <= k[t] and k[t] <= 2 then W[k[t]] else W[0] * b)
        factor deep[t in n] = y[t] * (if t > 0 then (if k[t-1] > 0 then W[1]
              * x[t-1] else b) else 0)
        """,
        lambda rng, k: {"x": reals(rng, k % 4 + 1), "k": ints(rng, -2, 4, k % 4 + 1)},
    ),
    Case(
        "logic",
        """
        size   n
        given  c[n] : 0..3
        given  m[n] : bit
        answer y[n] : 0..3
        param  W[4]
        factor like[t in n] = W[y[t]]
        hard   clue[t in n if m[t]] : y[t] == c[t]
        hard   steps[t in 1..n-1] : not (y[t] == y[t-1]) or m[t] and y[t] > 0
        hard   rule[t in 1..n-1] : y[t-1] == 3 => y[t] < 3
        hard   data : n >= 0 => n < 100
        """,
        lambda rng, k: {"c": ints(rng, 0, 3, k % 4), "m": ints(rng, 0, 1, k % 4)},
    ),
    Case(
        "several answers",
        """
        domain Tag = {A, B}
        size   n, k
        given  x[n] : real
        answer y[n], z[k] : Tag
        answer s : bit
        answer g[k, 2] : 0..2
        param  P[Tag, bit], Q[3, Tag], R[3]
        factor head[t in n if t == 0] = P[y[t], s] * x[t]
        factor body[t in 1..n-1] = (y[t] == y[t-1]) * x[t]
        factor grid[i in k, j in 2] = R[g[i, j]] * (j + 1) + Q[g[i, j], z[i]]
        factor alone = -s * R[1]
        """,
        lambda rng, k: {"x": reals(rng, k % 3), "k": (1, 0, 1)[k % 3]},
    ),
    Case(
        "spins",
        """
        size   n
        given  J[n] : real
        answer b[n] : bit
        param  h, c[2]
        factor couple[i in 1..n-1] = -J[i] * b[i] * b[i-1] + h * abs(b[i] - b[i-1])
        factor field[i in n] = h * (1 - 2 * b[i]) + exp(-b[i]) * c[b[i]]
              + (if b[i] then 0.1 else -c[0])
        """,
        lambda rng, k: {"J": reals(rng, k % 4 + 1)},
    ),
    Case(
        "mathematics",
        """
        size   n, k = 3
        given  x[n, k] : real
        given  m[n, k] : bit
        answer y[n] : 0..2
        param  w[k], V[k, k]
        factor all[t in n] = tanh(w[y[t]]) + cosh(0.3 * w[0]) * sigmoid(w[1] - y[t])
              + softplus(2 * w[y[t]])
        factor more[t in n] = sqrt(1 + w[y[t]]^2) + log(2 + abs(x[t, 0]) + y[t]) + exp(0.1
              * x[t, 1] * w[2])
        factor far[t in n] = norm(V[y[t]] - x[t]) + norm(x[t]) * y[t] + mean(abs(V[y[t]] - 2
              * x[t]))
        factor ext[t in n] = y[t] * (min(x[t, j] for j in k) + max(x[t, j] * m[t, j]
              for j in k if j > 0))
        factor num[t in n] = count(x[t, j] > 0.1 * y[t] for j in k) + mean(x[t, j] * w[j]
              for j in k) * y[t]
        factor arr[t in n] = max(x[t]) * y[t] + min(m[t]) - mean(x[t]) * w[0]
              + max(w[y[t]], 0.2, x[t, 2])
        factor pow[t in n] = (1 + w[0]^2)^(0.5 * y[t]) + w[1]^3 * y[t] + sum(w)^2 / 9
        """,
        lambda rng, k: {"x": reals(rng, k % 2 + 1, 3), "m": ints(rng, 0, 1, k % 2 + 1, 3)},
        0.7,
    ),
    Case(
        "hidden units",
        """
        size   n, p = 2, q = 3
        given  x[n, p] : real
        answer y[n] : bit
        param  H[q, p], B[q], V[bit, q], K[p, p]
        factor unit[t in n] = -sum(V[y[t], j] * tanh(dot(H[j], x[t]) + B[j]) for j in q)
        factor quad[t in n] = y[t] * dot(x[t], dot(K, x[t]))
        factor sums[t in n] = y[t] * sum(x[t, i] * sum(x[t, j] * K[i, j]^2 * sum(H[h, i]
              * B[h] for h in q) for j in p) for i in p)
        factor rag[t in n]  = y[t] * sum(x[s, 0] * softplus(sum(H[j, i] * x[s, i] for i in p
              for j in q if i + j < s + 2)) for s in t..n-1)
        factor pool[t in n] = (1 - y[t]) * dot(dot(B, H), x[t]) + sum(dot(H, K)) * y[t]
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1, 2)},
        0.6,
    ),
    Case(
        "one of many",
        """
        domain Digit = 0..3
        size   d
        given  x[d] : real
        given  z[d, 2] : bit
        answer c : Digit
        param  W[Digit, 2] ~ l2(0.1), b[Digit]
        factor score = -sum(W[c, j] * z[i, j] * x[i] for i in d for j in 2) + b[c]
        factor least = min(abs(c - 3 * z[i, 1]) + x[i]^2 for i in d)
        """,
        lambda rng, k: {"x": reals(rng, k % 3 + 1), "z": ints(rng, 0, 1, k % 3 + 1, 2)},
    ),
]
