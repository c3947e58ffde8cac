"""Decode frames of one code, sixteen at a time: a frame has a lane and leaves it when it is done.

A lane that is left is given to the next frame at once, so that all lanes work, however many
iterations each frame takes. Lanes do not know of each other: what a frame gives is the same to
the last bit whichever lane it had, and whichever frames stood beside it.

Messages of checks are kept, those of bits are what the bits hear in all less that. Differences
are energies of 1 less those of 0 (log p(0) / p(1)), finite: a known bit has a great one. A lane's
numbers stand sixteen entries apart.
"""

from __future__ import annotations

import numpy as np

from factorgraph.engine.lanes import (
    add,
    depth,
    div,
    either,
    falling,
    fill,
    flip,
    keep,
    least,
    load,
    match,
    most,
    mul,
    negative,
    pick,
    signs,
    size,
    store,
    sub,
)
from factorgraph.factors.soft import INNER
from factorgraph.jit import kernel

SURE = 1e30
"""A difference of energies that no sum of others reaches; that of a bit that is known."""


@kernel(**INNER)
def _least(start, place, now, new, told, odd, room, held, scale, offset, layered):  # type: ignore[no-untyped-def]
    """Pass over all checks once: least messages, those of the others' least and of their signs.

    place [E] is where each bit's numbers stand; ``now`` is heard, ``new`` is added to, which are
    the same where layered; told [E] is changed in place; what is not ``held`` counts as 0.
    """
    nought, sure = fill(np.float32(0.0)), fill(np.float32(SURE))
    factor, less = fill(scale), fill(offset)
    kept = load(held, 0)
    for c in range(len(start) - 1):
        low, high = start[c], start[c + 1]
        first, second, sign = sure, sure, load(odd, 16 * c)
        for e in range(low, high):
            x = sub(load(now, place[e]), keep(load(told, 16 * e), kept))
            store(room, 16 * (e - low), x)
            a = size(x)
            second = least(second, most(first, a))
            first = least(first, a)
            sign = flip(sign, x)
        one = most(sub(mul(first, factor), less), nought)
        two = most(sub(mul(second, factor), less), nought)
        for e in range(low, high):
            x = load(room, 16 * (e - low))
            said = flip(flip(match(size(x), first, two, one), sign), x)
            store(told, 16 * e, said)
            store(new, place[e], add(x if layered else load(new, place[e]), said))


@kernel(**INNER)
def _soft(start, place, now, new, told, odd, room, held, layered):  # type: ignore[no-untyped-def]
    """Pass over all checks once, as `_least` does: soft messages.

    In u = exp(-|x|), the message of two bits is (u + v) / (1 + u v): all above 0, so that nothing
    is lost, neither near certainty nor near ignorance. Fractions a / b are divided out once.
    """
    one, none = fill(1.0), falling(fill(SURE))
    kept = load(held, 0)
    for c in range(len(start) - 1):
        low, high = start[c], start[c + 1]
        a, b, sign = none, one, load(odd, 16 * c)
        for e in range(low, high):
            x = sub(load(now, place[e]), keep(load(told, 16 * e), kept))
            u, at = falling(size(x)), 64 * (e - low)
            store(room, at, x)
            store(room, at + 16, u)
            store(room, at + 32, a)
            store(room, at + 48, b)
            a, b = add(a, mul(b, u)), add(b, mul(a, u))
            if (e - low) % 256 == 255:
                a, b = div(a, b), one
            sign = flip(sign, x)
        a, b = none, one
        for back in range(high - low):
            e, at = high - 1 - back, 64 * (high - 1 - back - low)
            x, u = load(room, at), load(room, at + 16)
            p, q = load(room, at + 32), load(room, at + 48)
            ratio = div(add(mul(a, q), mul(b, p)), add(mul(b, q), mul(a, p)))
            said = flip(flip(depth(ratio), sign), x)
            a, b = add(a, mul(b, u)), add(b, mul(a, u))
            if back % 256 == 255:
                a, b = div(a, b), one
            store(told, 16 * e, said)
            store(new, place[e], add(x if layered else load(new, place[e]), said))


@kernel(**INNER)
def _fails(start, place, now, odd):  # type: ignore[no-untyped-def]
    """Return the lanes, as bits, in which some check does not hold."""
    bad = load(odd, 0) if len(odd) else load(now, 0)
    bad = sub(bad, bad)
    for c in range(len(start) - 1):
        sign = load(odd, 16 * c)
        for e in range(start[c], start[c + 1]):
            sign = flip(sign, load(now, place[e]))
        bad = either(bad, sign)
    return signs(bad)


@kernel
def decode(  # type: ignore[no-untyped-def]
    start, place, llr, parity, low, high, iterations, scale, offset, beta, layered, early, held,
    mask, bits, solved, used, soft,
):  # fmt: skip
    """Decode the frames ``low .. high - 1``; return the first that holds a NaN, else -1.

    Parameters
    ----------
    start, place : int64 [m + 1], [E]: the checks, and 16 times the bits that each is over.
    llr, parity : float [B or 1, n], uint8 [B or 1, m]; a single row is that of all frames.
    iterations : at most so many; frames in which all checks hold stop before if ``early``.
    scale, offset : of least messages, float32; None for soft ones, of float64.
    beta : inverse temperature of soft messages; None for least ones.
    held, mask : [16] of the messages' type, and the same memory as integers.
    bits, solved, used : uint8 [B, n], [B], int32 [B]: written.
    soft : [B, n], written: what each bit heard in all; or [0, n].
    """
    n, m, edges = llr.shape[1], len(start) - 1, len(place)
    widest = 0
    for c in range(m):
        widest = max(widest, start[c + 1] - start[c])
    prior = np.zeros(16 * n, held.dtype)
    now = np.zeros(16 * n, held.dtype)
    new = now if layered else np.zeros(16 * n, held.dtype)
    told = np.zeros(16 * edges, held.dtype)
    odd = np.zeros(16 * m, held.dtype)
    room = np.empty(64 * widest + 16, held.dtype)
    heard = np.zeros(n, np.int64)
    frame, age = np.full(16, -1), np.zeros(16, np.int64)
    coming, filled = low, low
    while True:
        working = 0
        fresh = False
        for lane in range(16):
            if frame[lane] < 0 and coming < high:
                row = coming if len(llr) > 1 else 0
                if len(llr) > 1 or filled < low + 16:
                    for v in range(n):
                        x = llr[row, v]
                        if x != x:
                            return coming
                        if beta is not None:
                            x *= beta
                        prior[16 * v + lane] = min(max(x, -SURE), SURE) + 0.0
                if len(parity) > 1 or filled < low + 16:
                    row = coming if len(parity) > 1 else 0
                    for c in range(m):
                        odd[16 * c + lane] = -0.0 if parity[row, c] else 0.0
                frame[lane], age[lane], mask[lane], fresh = coming, 0, 0, True
                coming, filled = coming + 1, filled + 1
            working += frame[lane] >= 0
        if working == 0:
            return -1
        if fresh:
            kept = load(held, 0)
            for v in range(n):
                store(now, 16 * v, pick(kept, load(now, 16 * v), load(prior, 16 * v)))
        if not layered:
            for v in range(n):
                store(new, 16 * v, load(prior, 16 * v))
        if beta is not None:
            _soft(start, place, now, new, told, odd, room, held, layered)
        if scale is not None:
            _least(start, place, now, new, told, odd, room, held, scale, offset, layered)
        now, new = new, now
        mask[:] = -1
        bad = _fails(start, place, now, odd)
        leaving = False
        for lane in range(16):
            age[lane] += 1
            done = age[lane] >= iterations or (early and (bad >> lane) & 1 == 0)
            leaving = leaving or (done and frame[lane] >= 0)
        if not leaving:
            continue
        for v in range(n):
            heard[v] = negative(load(now, 16 * v))
        for lane in range(16):
            b = frame[lane]
            holds = (bad >> lane) & 1 == 0
            if b < 0 or not (age[lane] >= iterations or (early and holds)):
                continue
            for v in range(n):
                bits[b, v] = (heard[v] >> lane) & 1
            if len(soft):
                for v in range(n):
                    soft[b, v] = now[16 * v + lane]
            solved[b], used[b], frame[lane] = holds, age[lane], -1
