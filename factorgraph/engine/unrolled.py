"""Products over two to five states, written out, so that their sums stay in registers.

Loops of so few turns cost more than what is done in them. `flooding` says what is computed, and
chooses: a function that did would not be put in place of its call.
"""

from __future__ import annotations

from typing import Any

from numpy import uintp

from factorgraph.factors.prefetch import prefetch
from factorgraph.factors.soft import INNER
from factorgraph.jit import kernel

UNROLLED: dict[str, Any] = {**INNER, "fastmath": {"reassoc", "contract", "nnan", "nsz"}}
LEAST, MOST = 2, 5
"""States that are written out."""
AHEAD = 24
"""Messages and beliefs are asked for so many places before they are read: they lie anywhere."""


# -- beliefs


@kernel(**UNROLLED)
def multiply_two(s, first, last, place, entry, prior, told, belief):  # type: ignore[no-untyped-def]
    b0, b1 = prior[s], prior[s + uintp(1)]
    for i in range(first, last):
        if i + AHEAD < len(place):
            prefetch(told, entry[place[i + AHEAD]])
        at = uintp(entry[place[i]])
        b0 *= told[at]
        b1 *= told[at + uintp(1)]
    most = 1.0 / max(b0, b1)
    belief[s] = b0 * most
    belief[s + uintp(1)] = b1 * most


@kernel(**UNROLLED)
def multiply_three(s, first, last, place, entry, prior, told, belief):  # type: ignore[no-untyped-def]
    b0, b1, b2 = prior[s], prior[s + uintp(1)], prior[s + uintp(2)]
    for i in range(first, last):
        if i + AHEAD < len(place):
            prefetch(told, entry[place[i + AHEAD]])
        at = uintp(entry[place[i]])
        b0 *= told[at]
        b1 *= told[at + uintp(1)]
        b2 *= told[at + uintp(2)]
    most = 1.0 / max(b0, b1, b2)
    belief[s] = b0 * most
    belief[s + uintp(1)] = b1 * most
    belief[s + uintp(2)] = b2 * most


@kernel(**UNROLLED)
def multiply_four(s, first, last, place, entry, prior, told, belief):  # type: ignore[no-untyped-def]
    b0, b1, b2, b3 = prior[s], prior[s + uintp(1)], prior[s + uintp(2)], prior[s + uintp(3)]
    for i in range(first, last):
        if i + AHEAD < len(place):
            prefetch(told, entry[place[i + AHEAD]])
        at = uintp(entry[place[i]])
        b0 *= told[at]
        b1 *= told[at + uintp(1)]
        b2 *= told[at + uintp(2)]
        b3 *= told[at + uintp(3)]
    most = 1.0 / max(b0, b1, b2, b3)
    belief[s] = b0 * most
    belief[s + uintp(1)] = b1 * most
    belief[s + uintp(2)] = b2 * most
    belief[s + uintp(3)] = b3 * most


@kernel(**UNROLLED)
def multiply_five(s, first, last, place, entry, prior, told, belief):  # type: ignore[no-untyped-def]
    b0, b1, b2, b3, b4 = (
        prior[s],
        prior[s + uintp(1)],
        prior[s + uintp(2)],
        prior[s + uintp(3)],
        prior[s + uintp(4)],
    )
    for i in range(first, last):
        if i + AHEAD < len(place):
            prefetch(told, entry[place[i + AHEAD]])
        at = uintp(entry[place[i]])
        b0 *= told[at]
        b1 *= told[at + uintp(1)]
        b2 *= told[at + uintp(2)]
        b3 *= told[at + uintp(3)]
        b4 *= told[at + uintp(4)]
    most = 1.0 / max(b0, b1, b2, b3, b4)
    belief[s] = b0 * most
    belief[s + uintp(1)] = b1 * most
    belief[s + uintp(2)] = b2 * most
    belief[s + uintp(3)] = b3 * most
    belief[s + uintp(4)] = b4 * most


# -- messages of factors over two variables, the second of ``b`` states


@kernel(**UNROLLED)
def send_to_two(weight, at, a, belief, s, r, told, p, q):  # type: ignore[no-untyped-def]
    g0, g1 = (
        belief[r] / told[q],
        belief[r + uintp(1)] / told[q + uintp(1)],
    )
    n0 = n1 = total = 0.0
    for x in range(a):
        gx = belief[s + uintp(x)] / told[p + uintp(x)]
        w0, w1 = weight[at], weight[at + uintp(1)]
        new = w0 * g0 + w1 * g1
        n0 += w0 * gx
        n1 += w1 * gx
        told[p + uintp(x)] = new
        total += new
        at += uintp(2)
    total = 1.0 / total
    for x in range(a):
        told[p + uintp(x)] *= total
    total = 1.0 / (n0 + n1)
    told[q], told[q + uintp(1)] = (
        n0 * total,
        n1 * total,
    )


@kernel(**UNROLLED)
def send_to_three(weight, at, a, belief, s, r, told, p, q):  # type: ignore[no-untyped-def]
    g0, g1, g2 = (
        belief[r] / told[q],
        belief[r + uintp(1)] / told[q + uintp(1)],
        belief[r + uintp(2)] / told[q + uintp(2)],
    )
    n0 = n1 = n2 = total = 0.0
    for x in range(a):
        gx = belief[s + uintp(x)] / told[p + uintp(x)]
        w0, w1, w2 = weight[at], weight[at + uintp(1)], weight[at + uintp(2)]
        new = w0 * g0 + w1 * g1 + w2 * g2
        n0 += w0 * gx
        n1 += w1 * gx
        n2 += w2 * gx
        told[p + uintp(x)] = new
        total += new
        at += uintp(3)
    total = 1.0 / total
    for x in range(a):
        told[p + uintp(x)] *= total
    total = 1.0 / (n0 + n1 + n2)
    told[q], told[q + uintp(1)], told[q + uintp(2)] = (
        n0 * total,
        n1 * total,
        n2 * total,
    )


@kernel(**UNROLLED)
def send_to_four(weight, at, a, belief, s, r, told, p, q):  # type: ignore[no-untyped-def]
    g0, g1, g2, g3 = (
        belief[r] / told[q],
        belief[r + uintp(1)] / told[q + uintp(1)],
        belief[r + uintp(2)] / told[q + uintp(2)],
        belief[r + uintp(3)] / told[q + uintp(3)],
    )
    n0 = n1 = n2 = n3 = total = 0.0
    for x in range(a):
        gx = belief[s + uintp(x)] / told[p + uintp(x)]
        w0, w1, w2, w3 = (
            weight[at],
            weight[at + uintp(1)],
            weight[at + uintp(2)],
            weight[at + uintp(3)],
        )
        new = w0 * g0 + w1 * g1 + w2 * g2 + w3 * g3
        n0 += w0 * gx
        n1 += w1 * gx
        n2 += w2 * gx
        n3 += w3 * gx
        told[p + uintp(x)] = new
        total += new
        at += uintp(4)
    total = 1.0 / total
    for x in range(a):
        told[p + uintp(x)] *= total
    total = 1.0 / (n0 + n1 + n2 + n3)
    told[q], told[q + uintp(1)], told[q + uintp(2)], told[q + uintp(3)] = (
        n0 * total,
        n1 * total,
        n2 * total,
        n3 * total,
    )


@kernel(**UNROLLED)
def send_to_five(weight, at, a, belief, s, r, told, p, q):  # type: ignore[no-untyped-def]
    g0, g1, g2, g3, g4 = (
        belief[r] / told[q],
        belief[r + uintp(1)] / told[q + uintp(1)],
        belief[r + uintp(2)] / told[q + uintp(2)],
        belief[r + uintp(3)] / told[q + uintp(3)],
        belief[r + uintp(4)] / told[q + uintp(4)],
    )
    n0 = n1 = n2 = n3 = n4 = total = 0.0
    for x in range(a):
        gx = belief[s + uintp(x)] / told[p + uintp(x)]
        w0, w1, w2, w3, w4 = (
            weight[at],
            weight[at + uintp(1)],
            weight[at + uintp(2)],
            weight[at + uintp(3)],
            weight[at + uintp(4)],
        )
        new = w0 * g0 + w1 * g1 + w2 * g2 + w3 * g3 + w4 * g4
        n0 += w0 * gx
        n1 += w1 * gx
        n2 += w2 * gx
        n3 += w3 * gx
        n4 += w4 * gx
        told[p + uintp(x)] = new
        total += new
        at += uintp(5)
    total = 1.0 / total
    for x in range(a):
        told[p + uintp(x)] *= total
    total = 1.0 / (n0 + n1 + n2 + n3 + n4)
    told[q], told[q + uintp(1)], told[q + uintp(2)], told[q + uintp(3)], told[q + uintp(4)] = (
        n0 * total,
        n1 * total,
        n2 * total,
        n3 * total,
        n4 * total,
    )


# -- messages of factors over three variables, the third of ``c`` states


@kernel(**UNROLLED)
def contract_two(weight, at, a, b, g, new):  # type: ignore[no-untyped-def]
    c = uintp(a + b)
    g0, g1 = g[c], g[c + uintp(1)]
    n0 = n1 = 0.0
    for y in range(b):
        new[uintp(a + y)] = 0.0
    for x in range(a):
        gx, sums = g[x], 0.0
        for y in range(b):
            gy = g[uintp(a + y)]
            gxy = gx * gy
            w0, w1 = weight[at], weight[at + uintp(1)]
            total = w0 * g0 + w1 * g1
            n0 += w0 * gxy
            n1 += w1 * gxy
            new[uintp(a + y)] += gx * total
            sums += gy * total
            at += uintp(2)
        new[x] = sums
    new[c], new[c + uintp(1)] = n0, n1


@kernel(**UNROLLED)
def contract_three(weight, at, a, b, g, new):  # type: ignore[no-untyped-def]
    c = uintp(a + b)
    g0, g1, g2 = g[c], g[c + uintp(1)], g[c + uintp(2)]
    n0 = n1 = n2 = 0.0
    for y in range(b):
        new[uintp(a + y)] = 0.0
    for x in range(a):
        gx, sums = g[x], 0.0
        for y in range(b):
            gy = g[uintp(a + y)]
            gxy = gx * gy
            w0, w1, w2 = weight[at], weight[at + uintp(1)], weight[at + uintp(2)]
            total = w0 * g0 + w1 * g1 + w2 * g2
            n0 += w0 * gxy
            n1 += w1 * gxy
            n2 += w2 * gxy
            new[uintp(a + y)] += gx * total
            sums += gy * total
            at += uintp(3)
        new[x] = sums
    new[c], new[c + uintp(1)], new[c + uintp(2)] = n0, n1, n2


@kernel(**UNROLLED)
def contract_four(weight, at, a, b, g, new):  # type: ignore[no-untyped-def]
    c = uintp(a + b)
    g0, g1, g2, g3 = g[c], g[c + uintp(1)], g[c + uintp(2)], g[c + uintp(3)]
    n0 = n1 = n2 = n3 = 0.0
    for y in range(b):
        new[uintp(a + y)] = 0.0
    for x in range(a):
        gx, sums = g[x], 0.0
        for y in range(b):
            gy = g[uintp(a + y)]
            gxy = gx * gy
            w0, w1, w2, w3 = (
                weight[at],
                weight[at + uintp(1)],
                weight[at + uintp(2)],
                weight[at + uintp(3)],
            )
            total = w0 * g0 + w1 * g1 + w2 * g2 + w3 * g3
            n0 += w0 * gxy
            n1 += w1 * gxy
            n2 += w2 * gxy
            n3 += w3 * gxy
            new[uintp(a + y)] += gx * total
            sums += gy * total
            at += uintp(4)
        new[x] = sums
    new[c], new[c + uintp(1)], new[c + uintp(2)], new[c + uintp(3)] = n0, n1, n2, n3


@kernel(**UNROLLED)
def contract_five(weight, at, a, b, g, new):  # type: ignore[no-untyped-def]
    c = uintp(a + b)
    g0, g1, g2, g3, g4 = g[c], g[c + uintp(1)], g[c + uintp(2)], g[c + uintp(3)], g[c + uintp(4)]
    n0 = n1 = n2 = n3 = n4 = 0.0
    for y in range(b):
        new[uintp(a + y)] = 0.0
    for x in range(a):
        gx, sums = g[x], 0.0
        for y in range(b):
            gy = g[uintp(a + y)]
            gxy = gx * gy
            w0, w1, w2, w3, w4 = (
                weight[at],
                weight[at + uintp(1)],
                weight[at + uintp(2)],
                weight[at + uintp(3)],
                weight[at + uintp(4)],
            )
            total = w0 * g0 + w1 * g1 + w2 * g2 + w3 * g3 + w4 * g4
            n0 += w0 * gxy
            n1 += w1 * gxy
            n2 += w2 * gxy
            n3 += w3 * gxy
            n4 += w4 * gxy
            new[uintp(a + y)] += gx * total
            sums += gy * total
            at += uintp(5)
        new[x] = sums
    new[c], new[c + uintp(1)], new[c + uintp(2)], new[c + uintp(3)], new[c + uintp(4)] = (
        n0,
        n1,
        n2,
        n3,
        n4,
    )
